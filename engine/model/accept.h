/* SPDX-License-Identifier: MIT
 * Acceptance: whether a bundle is fit to be served, before anybody is served by it.
 *
 * Why:     a file may be whole, and every number in it finite, and still be a bad model: rows
 *          against the wrong ids, a training that ran away or fell together, half of the items
 *          gone. nbx_bundle_open refuses what cannot be read; what can be read is looked at here,
 *          and asked as customers would ask it.
 * Owns:    nothing that lasts: the model that is asked is made beside the one in service and goes
 *          at the end. Nothing is written, and no item gets a number.
 * Threads: any, beside readers of the catalogue's snapshot and of the active model, which must
 *          stay for the call. It starts threads of its own, as many as there are processors.
 * Errors:  NBX_EBAD with a fault that names the tensor, the item, the figure and the bound: the
 *          bundle is not to be served. nbx_bundle_open's. NBX_ELIMIT: it could not be tried for
 *          want of memory.
 */
#ifndef NBX_MODEL_ACCEPT_H
#define NBX_MODEL_ACCEPT_H

#include "engine/model/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_ACCEPT_WORD_BYTES 65 /* a name, a version, with its NUL */
#define NBX_ACCEPT_K          20 /* length of the lists that are asked for */
#define NBX_ACCEPT_LISTS                                                                           \
    500 /* how many, half of one item, half of three; fewer where a scan                           \
           is long, never below NBX_ACCEPT_FEWEST_LISTS */
#define NBX_ACCEPT_FEWEST_LISTS 100
#define NBX_ACCEPT_CASES        1000 /* of a holdout that are asked for, and fewer likewise */
#define NBX_ACCEPT_MIN_CASES    50   /* with fewer it is measured, and refuses nothing */
/* Each space has at most two tensors. */
#define NBX_ACCEPT_MAX_NORMS (2 * NBX_BUNDLE_MAX_SPACES)

/* What is allowed; etc/CONFIG.md has the defaults. */
struct nbx_accept_bounds {
    double max_without_vector; /* share of the items that no part can score, 0 to 1 */
    double max_norm;           /* the longest vector of a tensor, in medians, above 1 */
    double max_unknown;        /* share of the items that the catalogue does not have, 0 to 1 */
    double min_covered;        /* share of the catalogue's items that the bundle has, 0 to 1 */
    double min_listed; /* distinct items in the lists, as a share of what could be, 0 to 1 */
    double max_loss;   /* of hit or ndcg, as a share of the active model's, 0 to 1, beside chance */
};

/* Bounds within which every bundle lies that can be reckoned with at all. */
#define NBX_ACCEPT_ANY                                                                             \
    ((struct nbx_accept_bounds){                                                                   \
        .max_without_vector = 1, .max_norm = 1e300, .max_unknown = 1, .max_loss = 1})

/* A customer of the holdout: what they did, and what they did next. */
struct nbx_accept_case {
    const uint32_t *items; /* (n) numbers, most recent first, distinct */
    const float *weights;  /* (n) above 0 */
    size_t n;
    uint32_t held_out; /* an item's number */
};

struct nbx_accept_options {
    struct nbx_accept_bounds bounds;
    struct nbx_budget *budget;         /* the memory is charged to it */
    const struct nbx_ids *ids;         /* NULL: there is no catalogue and no active model */
    const struct nbx_catalog *catalog; /* NULL, or without any item: not compared */
    const struct nbx_model *active;    /* NULL: no holdout */
    const struct nbx_accept_case
        *cases; /* (n_cases) as drawn: the first of them may be asked for */
    size_t n_cases;
};

/* Lengths of the vectors of one tensor. */
struct nbx_accepted_norms {
    char tensor[NBX_ACCEPT_WORD_BYTES + 32];
    double median, largest; /* of those that are not zero */
    size_t zeros;
};

struct nbx_accepted_holdout {
    double hit, ndcg; /* at NBX_ACCEPT_K, of one held-out item */
};

/* What was measured, as far as it came. */
struct nbx_accepted {
    char name[NBX_ACCEPT_WORD_BYTES], version[NBX_ACCEPT_WORD_BYTES];
    size_t n_items;
    struct nbx_accepted_norms norms[NBX_ACCEPT_MAX_NORMS]; /* (n_norms) */
    size_t n_norms;
    double without_vector; /* share of the items */
    bool compared;         /* with a catalogue: */
    double unknown, covered;
    size_t n_golden;        /* queries, answered as stated */
    size_t n_lists, listed; /* lists made, distinct items in them */
    size_t
        n_cases; /* asked for; 0: no holdout, or customers of one of the models have no history */
    struct nbx_accepted_holdout fresh, active;
};

/* Opens the bundle and looks at it in every way. *out is filled as far as it came. */
enum nbx_err nbx_model_accept(struct nbx_accepted *out, const char *path,
                              const struct nbx_accept_options *options,
                              struct nbx_fault *fault) NBX_MUST_CHECK;
/* The same of a model that is loaded, whose item numbers are those of options->ids. */
enum nbx_err nbx_model_accept_loaded(struct nbx_accepted *out, const struct nbx_model *m,
                                     const struct nbx_accept_options *options,
                                     struct nbx_fault *fault) NBX_MUST_CHECK;

/* As a map in the arena: {items, without_vector, unknown?, covered?, norms: {tensor: {median,
 * largest, zeros}}, golden, lists, listed, holdout?: {cases, hit, ndcg, active_hit, active_ndcg}}.
 * NBX_ELIMIT where the arena is out. */
enum nbx_err nbx_accepted_value(struct nbx_value *out, const struct nbx_accepted *accepted,
                                struct nbx_arena *arena);

#endif
