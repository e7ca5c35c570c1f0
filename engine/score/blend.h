/* SPDX-License-Identifier: MIT
 * A blend: several models of taste that score together, in one search.
 *
 * Why:     what a customer did says different things to different models, and their sum ranks
 *          better than each. A part is a factor space (score = x.y) or neighbours (score = a sparse
 *          sum over the history); the score of the whole is
 *              sum over parts of  weight * part's score / its standard deviation over all items,
 *          so that no part is louder for one customer than for another; neighbours that only
 *          correct a space are divided by that space's deviation. Inner products of all
 *          spaces are one inner product of their vectors side by side, and their deviation follows
 *          from each space's mean and covariance; the sparse part becomes addends. So a blend is
 *          one nbx_query over one index, and exact.
 * Owns:    fold-in state and moments; borrows the parts' arrays until destroy.
 * Threads: immutable after nbx_blend_new; scratch comes from the caller's arena.
 * Errors:  NBX_ELIMIT where memory is out; NBX_EBAD where a space cannot be folded in (fold_in.h)
 * or values are too large for fp32: a query's are finite.
 *
 * History position 0 is the most recent item. In parts with positions, what item p adds is
 * multiplied by positions[min(p, n_positions - 1)]: {1} counts all alike, {1, .8, .64, 0} the last
 * three with a decay. A summed space may look at the same history at several paces: n_groups.
 */
#ifndef NBX_SCORE_BLEND_H
#define NBX_SCORE_BLEND_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/score/fold_in.h"
#include "engine/score/search.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_BLEND_MAX_PARTS 12
#define NBX_BLEND_NO_ROW    UINT32_MAX

enum nbx_blend_kind {
    NBX_BLEND_FOLDED,     /* x solves the least squares of fold_in.h */
    NBX_BLEND_SUMMED,     /* x = sum of the history's history_factors */
    NBX_BLEND_CONSTANT,   /* x = (1): a score of its own for each item, whoever asks */
    NBX_BLEND_NEIGHBOURS, /* score = sum of the history's rows of a sparse matrix */
};

struct nbx_blend_part {
    enum nbx_blend_kind kind;
    float weight;                    /* above 0 */
    size_t dims;                     /* spaces; 1 of a constant one */
    const float *item_factors;       /* spaces: (n_items, dims) */
    const float *history_factors;    /* summed: (n_items, dims) */
    struct nbx_fold_in_options fold; /* folded */
    bool bias;                       /* summed: the last dimension of x is not summed, it is 1 */
    const uint64_t *start;      /* neighbours: (n_items + 1) row r is start[r] .. start[r + 1] */
    const uint32_t *neighbours; /* (start[n_items]) distinct in a row, < n_items */
    const float *weights;       /* (start[n_items]) finite */
    const float *positions;     /* summed, neighbours: (n_groups, n_positions) */
    size_t n_positions;
    size_t scaled_by; /* neighbours: 0, or 1 + the part, a space, whose deviation counts, not
                         theirs: the two are one score in two pieces */
    size_t n_groups;  /* neighbours 1; summed: of as many equal slices of the summed dimensions each
                         has positions of its own */
};

struct nbx_blend_options {
    const struct nbx_blend_part *parts; /* (n_parts), copied, but for their arrays */
    size_t n_parts;
    size_t n_items;
    const uint32_t *labels; /* (n_items) labels of addends, borrowed; NULL: the rows themselves */
    bool standardise;       /* false: plain weighted sum */
};

struct nbx_blend;

enum nbx_err nbx_blend_new(struct nbx_blend **out, const struct nbx_blend_options *options);
void nbx_blend_destroy(struct nbx_blend **blend);

/* Dimensions of all spaces together; 0 where there is none. */
size_t nbx_blend_dims(const struct nbx_blend *blend);
/* out (nbx_blend_dims): the item's vectors of all spaces, side by side. */
void nbx_blend_item(const struct nbx_blend *blend, size_t row, float *out);
/* out (nbx_blend_dims): how an index of its items is stretched best (sketch.h). A space counts by
 * its query's length times its items': where one has the long queries and another the long items,
 * their lengths side by side say little. Lengths are those of histories of one item, a sample. */
enum nbx_err nbx_blend_stretch(const struct nbx_blend *blend, float *out);
/* Bytes that it owns. */
size_t nbx_blend_bytes(const struct nbx_blend *blend);

struct nbx_blend_history {
    const uint32_t *rows;        /* (n) most recent first, distinct; NBX_BLEND_NO_ROW: an item that
                                    only has a vector */
    const float *weights;        /* (n) above 0 */
    const float *const *vectors; /* (n) the items' vectors as nbx_blend_item gives them */
    size_t n;
};

/* The query's vector x (nbx_padded(nbx_blend_dims), 64-byte aligned, zeros behind). The same
 * history gives the same bits on one machine, here and below. */
enum nbx_err nbx_blend_vector(const struct nbx_blend *blend,
                              const struct nbx_blend_history *history, struct nbx_arena *arena,
                              float *x);
/* What the neighbours add to items' scores; its arrays live in the arena. */
enum nbx_err nbx_blend_addends(const struct nbx_blend *blend,
                               const struct nbx_blend_history *history, struct nbx_arena *arena,
                               struct nbx_addends *addends);

/* Both at once, for less than one after the other. */
enum nbx_err nbx_blend_query(const struct nbx_blend *blend, const struct nbx_blend_history *history,
                             struct nbx_arena *arena, float *x, struct nbx_addends *addends);

/* shares (history->n): what each item of the history gave to the score of an item, whose vector is
 * y (nbx_blend_dims) and row NBX_BLEND_NO_ROW or below n_items. With what constant parts and biases
 * give they sum to the score. */
enum nbx_err nbx_blend_explain(const struct nbx_blend *blend,
                               const struct nbx_blend_history *history, const float *y,
                               uint32_t row, struct nbx_arena *arena, float *shares);

#endif
