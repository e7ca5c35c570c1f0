/* SPDX-License-Identifier: MIT
 * A column of item weights, made ready for an index: a cap for each node and each run.
 *
 * Why:     value differs more between items than taste does; a bound is only tight where it knows
 *          the largest weight below it. Caps belong to a pack, so views of the same packs share
 *          them and a changed item costs the caps of its own small pack alone.
 * Owns:    a share in each pack's caps; the column is the caller's and must not change while this
 *          is in use.
 * Threads: making and destroying: the writer. Immutable after nbx_weights_new.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_SCORE_WEIGHTS_H
#define NBX_SCORE_WEIGHTS_H

#include "engine/base/err.h"
#include "engine/score/index.h"

#define NBX_WEIGHT_PAGE 4096 /* labels */

/* Weights by label, in pages of NBX_WEIGHT_PAGE, so that a changed column shares most of an old
 * one. */
struct nbx_weight_column {
    const float **pages; /* (n / NBX_WEIGHT_PAGE, rounded up) finite, >= 0 */
    size_t n;            /* labels; those beyond weigh 1 */
};

/* The caps of one pack. */
struct nbx_caps {
    unsigned users;
    const struct nbx_packed *pack; /* for comparing, not for following */
    float *nodes;                  /* (n_nodes) */
    float *runs;                   /* (n_runs) */
};

struct nbx_weights {
    struct nbx_weight_column column;
    struct nbx_caps **caps; /* (n_parts of the index) */
    float **node_caps;      /* (n_parts) (n_nodes), of caps */
    float **run_caps;       /* (n_parts) (n_runs), of caps */
    size_t n_parts;
};

/* Takes one pass over the index's labels. by_label (n). */
enum nbx_err nbx_weights_new(struct nbx_weights **out, const struct nbx_index *index,
                             const float *by_label, size_t n);
/* The weights of a later view, from the column's pages. Caps of packs that `old` knows are taken
 * over, so what lives in those must weigh what it did; so are those of `made`, the caps of one
 * pack more. old and made may be NULL. Takes time in proportion to the other packs. */
enum nbx_err nbx_weights_follow(struct nbx_weights **out, const struct nbx_index *index,
                                const struct nbx_weight_column *column,
                                const struct nbx_weights *old, struct nbx_caps *made);
void nbx_weights_destroy(struct nbx_weights **weights);

/* One pack's caps by themselves, on any thread; the new ones have one user. */
enum nbx_err nbx_caps_new(struct nbx_caps **out, const struct nbx_packed *pack,
                          const struct nbx_weight_column *column);
/* One user less; the last one frees them. */
void nbx_caps_release(struct nbx_caps **caps);

static inline float nbx_column_weight(const struct nbx_weight_column *c, uint32_t label)
{
    return label < c->n ? c->pages[label / NBX_WEIGHT_PAGE][label % NBX_WEIGHT_PAGE] : 1;
}
static inline float nbx_weight_of(const struct nbx_weights *w, uint32_t label)
{
    return nbx_column_weight(&w->column, label);
}

#endif
