/* SPDX-License-Identifier: MIT
 * Item-to-item neighbours from counting: what is taken to together, or one after the other.
 *
 * Why:     on sparse data no factorisation beats well-normalised counts, and they serve as they
 *          are. Unordered: C = RT diag(n_c^-customer_power) R, R the pairs, each of them 1 whatever
 *          its weight, n_c a customer's number of pairs (long histories say less about each of
 *          theirs). Ordered: C[i][j] = sum over customers and i before j, `gap` - 1 others between
 *          them, of n_c^-customer_power gap_decay^(gap - 1), for gap <= max_gap; j before i counts
 *          `backward` times that. Then, with s_i a row's sum of C and t_j a column's,
 *              N[i][j] = C[i][j] s_i^-row_power t_j^-column_power,
 *          (unordered: s_i = t_i = the item's number of customers), the diagonal left out, and of
 *          each row the `keep` largest (ties: the lower column) are kept.
 *          Sarwar et al. 2001 (item-based collaborative filtering); Deshpande and Karypis 2004
 *          (customer and item normalisation); Rendle et al. 2010 (transitions).
 * Owns:    nothing that outlives a call.
 * Threads: one caller; spreads over options.threads. The same bits on any number of them.
 * Errors:  NBX_EBAD names the option, or without a field where powers make a number too large for a
 *          float; NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_NEIGHBOURS_NEIGHBOURS_H
#define NBX_MODELS_NEIGHBOURS_NEIGHBOURS_H

#include "engine/base/err.h"
#include "models/dataset/dataset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_NEIGHBOURS_MAX_KEEP 100000
#define NBX_NEIGHBOURS_MAX_GAP  1000

struct nbx_neighbours_options {
    bool ordered;
    float customer_power, row_power, column_power; /* 0 to 2 */
    size_t keep;                                   /* 1 to NBX_NEIGHBOURS_MAX_KEEP */
    size_t max_gap;                                /* ordered: 1 to NBX_NEIGHBOURS_MAX_GAP */
    float gap_decay;                               /* ordered: above 0 to 1 */
    float backward;                                /* ordered: 0 to 1 */
    unsigned threads;
};

/* out (n_items, n_items), weighted, columns ascending in a row, every weight above 0; the caller's
 * to fini. Ordered: dataset->sequence must be there. */
enum nbx_err nbx_neighbours_fit(struct nbx_csr *out, const struct nbx_dataset *dataset,
                                const struct nbx_neighbours_options *options,
                                struct nbx_fault *fault) NBX_MUST_CHECK;

/* Bytes that nbx_neighbours_fit takes at most, its result included. */
uint64_t nbx_neighbours_bound_bytes(const struct nbx_dataset *dataset,
                                    const struct nbx_neighbours_options *options);

#endif
