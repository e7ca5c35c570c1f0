/* SPDX-License-Identifier: MIT
 * The truth: top-k by the canonical score of every item, with nothing clever about it.
 *
 * Why:     recall is counted against these lists, nbx's own must equal them id for id.
 * Owns:    nothing.
 * Threads: one.
 * Errors:  memory that is out ends the process with a line on stderr.
 */
#ifndef NBX_BENCH_SUBJECTS_BRUTE_H
#define NBX_BENCH_SUBJECTS_BRUTE_H

#include "bench/subjects/subject.h"
#include "engine/score/transform.h"

struct nbx_brute {
    const float *vectors; /* (n, dim) */
    size_t n, dim;
    const uint64_t *eligible;              /* ((n + 63) / 64), or NULL: all */
    const float *weight;                   /* (n), or NULL: 1 */
    const struct nbx_transform *transform; /* of the score, before the weight; NULL: none */
};

/* ids (queries->n, k): best first, ties to the lower row, UINT32_MAX where there are fewer. The
 * queries' rows are padded to nbx_padded(dim) and 64-byte aligned. */
void nbx_brute_lists(const struct nbx_brute *brute, const struct nbx_subject_queries *queries,
                     size_t k, uint32_t *ids);

#endif
