/* SPDX-License-Identifier: MIT
 * Large arrays that are read from end to end: whole pages, huge ones where the system has them.
 *
 * Why:     a scan through memory on 4 KiB pages stops at each one; with 2 MiB pages one core read
 *          30 instead of 24 GB/s (Zen 4, 256 MiB).
 * Owns:    the caller owns what it gets, until nbx_pages_free.
 * Threads: any.
 * Errors:  NULL where memory is out.
 */
#ifndef NBX_BASE_PAGES_H
#define NBX_BASE_PAGES_H

#include <stddef.h>

/* `bytes` zero bytes, aligned to 64 at least; 0 bytes give a valid pointer. */
void *nbx_pages_new(size_t bytes);
/* bytes: as given to nbx_pages_new. p may be NULL. */
void nbx_pages_free(void *p, size_t bytes);

#endif
