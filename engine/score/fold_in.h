/* SPDX-License-Identifier: MIT
 * Fold-in: a customer's vector from what the customer did, the items' factors held fixed.
 *
 * Why:     a new event must change the next answer; this is the exact least-squares solution that
 *          training would give the same history. Rendle, Krichene, Zhang, Koren 2022 (Revisiting
 *          iALS), eq. 3-5: minimise  sum_S w (x.y - 1)^2 + alpha0 sum_all (x.y)^2 + reg |x|^2, so
 *              (alpha0 G + sum_S w y yT + reg I) x = sum_S w y,      G = YT Y,
 *              reg = lambda (n_S + alpha0 n_items)^nu,
 *          n_S the number of items in the history, whatever their weights.
 *          Where n_S < dim the same x comes from an n_S x n_S system by Woodbury with the factored
 *          A = alpha0 G + reg I. (reg depends on n_S, so A is kept as the eigendecomposition of G.
 *          Where G is diagonal, as of factors that nbx-train turned, histories need no turning.)
 * Owns:    struct nbx_fold_in owns what depends on the items alone.
 * Threads: immutable after nbx_fold_in_new; scratch comes from the caller's arena.
 * Errors:  NBX_ELIMIT where memory is out, NBX_EBAD where the system cannot be solved: lambda 0
 *          and a singular G, values too large for fp32, NaN. Outputs are then undefined.
 */
#ifndef NBX_SCORE_FOLD_IN_H
#define NBX_SCORE_FOLD_IN_H

#include "engine/base/arena.h"
#include "engine/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct nbx_fold_in_options {
    float alpha0; /* weight of what was not observed */
    float lambda; /* regularisation */
    float nu;     /* how much it grows with the history's length */
};

struct nbx_fold_in;

/* gram (dim, dim): YT Y of the n_items item factors, full or lower triangle. Copied.
 * NBX_EBAD where it is not finite. Takes dim^3 time: 2 ms at 64 dimensions, once per model. */
enum nbx_err nbx_fold_in_new(struct nbx_fold_in **out, const float *gram, size_t dim,
                             size_t n_items, struct nbx_fold_in_options options);
void nbx_fold_in_destroy(struct nbx_fold_in **fold);

/* One customer's history: factors and weights of the items acted on. An item there twice counts
 * twice, in n_S too: callers merge an item's events into one weight. */
struct nbx_history {
    const float *const *factors; /* (n) pointers to (dim) floats */
    const float *weights;        /* (n), > 0 */
    size_t n;
};

/* x (dim, padded with zeros to nbx_padded(dim)) from the history; n = 0 gives zeros. The same
 * history in the same order gives the same bits on one machine. */
enum nbx_err nbx_fold_in_customer(const struct nbx_fold_in *fold, const struct nbx_history *history,
                                  struct nbx_arena *arena, float *x);

/* How much each history item gave to the score of item y (dim): the score is linear in the right
 * hand side, so shares[i] = w_i (y_iT M^-1 y), M the whole left hand side, and they sum to x.y.
 * shares: (n). */
enum nbx_err nbx_fold_in_explain(const struct nbx_fold_in *fold, const struct nbx_history *history,
                                 const float *y, struct nbx_arena *arena, float *shares);

#endif
