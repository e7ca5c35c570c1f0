/* SPDX-License-Identifier: MIT */
#include "bench/subjects/exact.h"

#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t)2 << 20)
#define LINE      64 /* bytes */

typedef uint64_t line_t __attribute__((vector_size(LINE)));

struct stream {
    const line_t *lines; /* (n) */
    size_t n;
    volatile uint64_t sink; /* keeps the compiler from leaving the reading out */
};

/* Four sums, so that no addition waits for the one before. */
__attribute__((target_clones("avx512f", "avx2", "default"))) static uint64_t sum(
    const line_t *lines, size_t n)
{
    line_t a = {0}, b = {0}, c = {0}, d = {0};
    for (size_t i = 0; i + 4 <= n; i += 4) {
        a += lines[i];
        b += lines[i + 1];
        c += lines[i + 2];
        d += lines[i + 3];
    }
    a += b + c + d;
    return a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7];
}

static void search(void *self, const float *query, size_t k, uint32_t *ids)
{
    struct stream *s = self;
    (void)query, (void)k, (void)ids;
    s->sink = sum(s->lines, s->n);
}

void nbx_exact_read_subject(struct nbx_subject *out, size_t n, size_t dim)
{
    static struct stream stream;
    size_t bytes = (n * dim + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    char *p =
        mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        nbx_subject_fail("read", "out of memory");
    p += HUGE_PAGE - (uintptr_t)p % HUGE_PAGE;
    madvise(p, bytes, MADV_HUGEPAGE); /* refused: the pages are small, and so says the figure */
    memset(p, 1, bytes);
    stream.lines = (const line_t *)(const void *)p;
    stream.n = n * dim / LINE;
    *out = (struct nbx_subject){.self = &stream, .n_items = n, .bytes = n * dim, .search = search};
}
