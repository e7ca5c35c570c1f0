/* SPDX-License-Identifier: MIT
 * nbx's exact index as a subject, and the limit it is held against: reading its bytes.
 *
 * Why:     every call the retrieval bench makes to engine/score/index is in exact.c, so a change of
 *          that interface is a change of one file.
 * Owns:    a subject owns its index and scratch until the process ends.
 * Threads: one, but for search_many, which starts its own.
 * Errors:  memory that is out ends the process with a line on stderr.
 */
#ifndef NBX_BENCH_SUBJECTS_EXACT_H
#define NBX_BENCH_SUBJECTS_EXACT_H

#include "bench/subjects/brute.h"

/* The same question as brute force answers: vectors are copied, weights borrowed; the index is
 * ordered by these weights. Queries are padded to nbx_padded(dim) and 64-byte aligned. Ids are
 * rows, ties go to the lower. */
void nbx_exact_subject(struct nbx_subject *out, const struct nbx_brute *question);
/* The share of the items whose scores the last search computed, or NAN where the index does not
 * say. */
double nbx_exact_scanned_share(const struct nbx_subject *subject);
/* A search that only reads n * dim bytes from huge pages, one core, and answers nothing. */
void nbx_exact_read_subject(struct nbx_subject *out, size_t n, size_t dim);

#endif
