/* SPDX-License-Identifier: MIT
 * Arrays that grow by one element at a time.
 *
 * Why:     doubling, so that n elements cost n copies in all, is written once.
 * Owns:    nothing: the array is the caller's, from malloc's family.
 * Threads: as the array.
 * Errors:  NULL where memory is out; array and room are as they were.
 */
#ifndef NBX_BASE_GROW_H
#define NBX_BASE_GROW_H

#include <stddef.h>

#define NBX_GROW_FIRST 64 /* elements of an array that had none */

/* p (n of *room elements of `size` bytes) with room for one more, moved or where it was. */
void *nbx_grow(void *p, size_t n, size_t *room, size_t size) __attribute__((warn_unused_result));

#endif
