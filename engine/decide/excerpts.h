/* SPDX-License-Identifier: MIT
 * Filters that come often: who has an excerpt of the model, and who should.
 *
 * Why:     a page asks with the same filter for every customer. An excerpt of what passes is
 * searched in a fraction of the time; the keeper makes it, a few milliseconds of work aside, once
 *          the filter has come often enough.
 * Owns:    nothing: a wish belongs to whoever takes it.
 * Threads: the worker that asks; wishes are handed on by engine/serve.
 * Errors:  none: without an excerpt the answer is the same, later.
 */
#ifndef NBX_DECIDE_EXCERPTS_H
#define NBX_DECIDE_EXCERPTS_H

#include "engine/decide/decide.h"

/* That what passes have an excerpt. */
struct nbx_excerpt_wish {
    uint64_t content;  /* nbx_passing */
    size_t n_labels;   /* a multiple of 64 */
    size_t n_passing;  /* bits among the labels */
    bool of_canary;    /* of the canary's model */
    uint64_t labels[]; /* (n_labels / 64) */
};

/* The world's excerpt that covers what passes, as bits over n_labels item numbers (a multiple of
 * 64), or NULL. Where a filter comes often without, it makes a wish, if d->wish has room. */
const struct nbx_model_excerpt *nbx_excerpts_find(const struct nbx_decide *d,
                                                  const struct nbx_passing *passing,
                                                  size_t n_labels);

#endif
