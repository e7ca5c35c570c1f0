/* SPDX-License-Identifier: MIT
 * What is compared: an index in a process of its own that answers slices of queries on demand.
 *
 * Why:     nbx, C++ libraries and Python packages stand beside each other in one run, by turns on
 *          one core, and none brings its threads, allocator or pages into another's process.
 *          bench/subjects/process.py is the asking side, and has the same protocol in Python.
 * Owns:    nothing; the caller's index and queries.
 * Threads: one.
 * Errors:  a broken file or protocol ends the process with a line on stderr, exit code 1.
 *
 * Commands come as lines on stdin, replies are raw little-endian bytes on stdout. When the index
 * stands, a subject sends (1) float32: megabytes it takes. Then
 *     k K               answers have K ids from now on
 *     set NAME VALUE    a parameter of the search
 *     filter FILE       only items whose bit is set in FILE's uint64 words; without FILE, all
 *     ask FIRST N WARM  WARM queries untimed, then N timed one by one, from query FIRST on (modulo
 *                       their number): (N) float32 microseconds, (N, K) uint32 ids, best first,
 *                       UINT32_MAX where there are fewer
 *     many N THREADS    the first N in one call: (1) float32 microseconds, (N, K) uint32 ids
 * and end of file ends it.
 */
#ifndef NBX_BENCH_SUBJECTS_SUBJECT_H
#define NBX_BENCH_SUBJECTS_SUBJECT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct nbx_subject {
    void *self;
    size_t n_items, bytes;
    void (*set)(void *self, const char *name, double value);
    /* bits: ((n_items + 63) / 64), valid until the next call; NULL: all. */
    void (*filter)(void *self, const uint64_t *bits);
    /* ids: (k), filled as far as there are answers. */
    void (*search)(void *self, const float *query, size_t k, uint32_t *ids);
    /* queries: (n, stride). ids: (n, k). NULL: this subject knows no batches. */
    void (*search_many)(void *self, const float *queries, size_t n, size_t k, unsigned threads,
                        uint32_t *ids);
};

struct nbx_subject_queries {
    const float *rows; /* (n, stride) */
    size_t n, stride;
};

/* Answers until the end of stdin. */
void nbx_subject_serve(const struct nbx_subject *subject,
                       const struct nbx_subject_queries *queries);
/* One search, timed: microseconds. ids (k) are UINT32_MAX where there are fewer answers. */
float nbx_subject_time(const struct nbx_subject *subject, const float *query, size_t k,
                       uint32_t *ids);
/* A whole file, read-only, and its size; borrowed until the process ends. */
const void *nbx_subject_map(const char *path, size_t *bytes);
/* A line on stderr, and exit code 1. */
void nbx_subject_fail(const char *what, const char *detail) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif

#endif
