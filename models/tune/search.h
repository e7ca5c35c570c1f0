/* SPDX-License-Identifier: MIT
 * A search for the recipe that finds what was held out: families, settings, weights.
 *
 * Why:     nobody should have to know which family suits which data. Every family that the data
 *          allows is fitted with its usual settings, spaces large, and all are weighed against
 *          each other (pool.h). Those that count are then fitted in turn with one setting moved a
 *          step along its list (recipe.h), up and then down; what ranks the held-out items better
 *          (NDCG of the part alone) is kept, until nothing helps or the time is up. Then the best
 *          of each family are weighed again, what hardly counts is left out, and wide spaces are
 *          joined for serving where that costs little (compact.h). Which trials come is
 *          decided by seed, data and results alone; how many of them, by the clock or by
 *          max_trials, which makes it repeatable.
 * Owns:    the log is written as it goes: a line of JSON per trial, and read again on resume.
 * Threads: one caller; spreads over options.threads.
 * Errors:  those of the parts; NBX_ESTORAGE for the log; NBX_EBAD where nothing can be held out.
 */
#ifndef NBX_MODELS_TUNE_SEARCH_H
#define NBX_MODELS_TUNE_SEARCH_H

#include "models/dataset/split.h"
#include "models/recipe/part.h"
#include "models/recipe/recipe.h"

#include <stdbool.h>
#include <stdint.h>

/* What is held out to choose by. */
enum nbx_hold_out {
    NBX_HOLD_LAST,   /* each customer's last item */
    NBX_HOLD_MIXED,  /* of half the customers a share by chance, of the others what is alike */
    NBX_HOLD_RANDOM, /* a share of all pairs */
    NBX_HOLD_TIME,   /* the last share of the time */
    NBX_HOLD_OUTS,
};

/* "last", "mixed", "random", "time" */
extern const char *const nbx_hold_out_names[NBX_HOLD_OUTS];

struct nbx_search_options {
    enum nbx_hold_out hold_out;
    double share;          /* above 0 and below 1; of all but last */
    bool ordered;          /* the order of events means something */
    size_t k;              /* NDCG at k decides */
    size_t customers;      /* whom to ask, at most; 0: everybody */
    double seconds;        /* for all of it */
    uint64_t max_trials;   /* 0: as many as there is time for */
    uint64_t memory_bytes; /* a family that might take more is passed over; 0: no limit */
    uint64_t seed;
    unsigned threads;
    int progress_fd;
    const char *log; /* NULL, or a file; where it exists its trials are not repeated */
};

struct nbx_search_trial {
    struct nbx_ingredient ingredient;
    double ndcg; /* of the part alone */
    double seconds;
    bool repeated; /* read from the log */
};

struct nbx_search_result {
    struct nbx_recipe recipe; /* parts with their weights */
    struct nbx_part
        parts[NBX_RECIPE_MAX];        /* (recipe.n_parts) as learnt without what was held out */
    double ndcg;                      /* of the blend, on what was held out */
    double best_alone;                /* of its best part */
    uint64_t trials, repeated;        /* in all; read from the log instead */
    struct nbx_search_trial *history; /* (trials) as they came; NULL where nothing was tried */
    size_t customers;
};

enum nbx_err nbx_search_recipe(struct nbx_search_result *out, const struct nbx_dataset *all,
                               const struct nbx_search_options *options,
                               struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_search_result_fini(struct nbx_search_result *result);

#endif
