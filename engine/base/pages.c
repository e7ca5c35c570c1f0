/* SPDX-License-Identifier: MIT */
#include "engine/base/pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define ALIGN     64

/* What is asked of the system: whole huge pages for large arrays. 0 where that overflows. */
static size_t rounded(size_t bytes)
{
    size_t unit = bytes < HUGE_PAGE ? ALIGN : HUGE_PAGE;
    if (bytes > SIZE_MAX - 2 * HUGE_PAGE)
        return 0;
    return bytes ? (bytes + unit - 1) / unit * unit : unit;
}

/* A mapping is aligned to pages only: one huge page more is mapped and both ends are cut off. */
static void *map_aligned(size_t size)
{
    uint8_t *p =
        mmap(NULL, size + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = (HUGE_PAGE - (uintptr_t)p % HUGE_PAGE) % HUGE_PAGE;
    if (before)
        munmap(p, before);
    munmap(p + before + size, HUGE_PAGE - before);
    madvise(p + before, size, MADV_HUGEPAGE); /* a wish: without huge pages it is only slower */
    return p + before;
}

void *nbx_pages_new(size_t bytes)
{
    size_t size = rounded(bytes);
    if (size == 0)
        return NULL;
    if (size >= HUGE_PAGE)
        return map_aligned(size);
    void *p = aligned_alloc(ALIGN, size);
    if (p)
        memset(p, 0, size);
    return p;
}

void nbx_pages_free(void *p, size_t bytes)
{
    if (!p)
        return;
    if (rounded(bytes) >= HUGE_PAGE)
        munmap(p, rounded(bytes));
    else
        free(p);
}
