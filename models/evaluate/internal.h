/* SPDX-License-Identifier: MIT
 * What the files of models/evaluate share: an evaluation under way.
 *
 * Why:     evaluate.c prepares and sums up, ranking.c makes and measures lists.
 * Owns:    see struct nbx_evaluate__job.
 * Threads: workers write their own struct, and the sums of the units they take.
 * Errors:  as in evaluate.h, without a fault.
 */
#ifndef NBX_MODELS_EVALUATE_INTERNAL_H
#define NBX_MODELS_EVALUATE_INTERNAL_H

#include "engine/base/progress.h"
#include "models/evaluate/evaluate.h"
#include "models/evaluate/scorer.h"

#include <stdatomic.h>

/* Customers a worker takes at a time: each block of items is read from memory once for all. */
#define NBX_EVALUATE__SEATS       16
#define NBX_EVALUATE__ROW_UNKNOWN UINT32_MAX

/* What is summed over customers: the model's lists, those of popular items, the segments. */
enum {
    NBX_EVALUATE__MODEL = NBX_SEGMENTS,
    NBX_EVALUATE__POPULARITY,
    NBX_EVALUATE__GROUPS,
};

/* Of the customers of a unit of work, in their order: so no sum depends on who took the unit. */
struct nbx_evaluate__sums {
    struct nbx_metrics of[NBX_EVALUATE_MAX_N_K][NBX_EVALUATE__GROUPS];
    size_t customers[NBX_EVALUATE__GROUPS];
    size_t cold, described;
};

struct nbx_evaluate__worker;

struct nbx_evaluate__job {
    /* borrowed */
    const struct nbx_bundle_info *bundle;
    const struct nbx_dataset *events, *test;
    const struct nbx_evaluate_options *options;
    /* owned */
    size_t max_k;
    struct nbx_scorer *scorer;
    uint32_t *event_row;   /* (events->n_items) the bundle's row */
    uint32_t *test_row;    /* (test->n_items) */
    uint32_t *refused_row; /* beside events->refused */
    uint32_t *customers;   /* (n_customers) rows of test that have a pair */
    size_t n_customers, n_units;
    uint32_t *popular;                    /* (n_items) rows, most customers first, then by id */
    size_t *taken;                        /* (n_items) how many customers have it in the events */
    uint8_t *is_head;                     /* (n_items) */
    struct nbx_evaluate__worker *workers; /* (threads) */
    struct nbx_evaluate__sums *sums;      /* (n_units) */
    struct nbx_progress progress;
    _Atomic size_t done;
};

enum nbx_err nbx_evaluate__make_workers(struct nbx_evaluate__job *job) NBX_MUST_CHECK;
void nbx_evaluate__free_workers(struct nbx_evaluate__job *job);
uint64_t nbx_evaluate__worker_bytes(const struct nbx_bundle_info *bundle,
                                    const struct nbx_evaluate_options *options);
/* For nbx_parallel: a unit is NBX_EVALUATE__SEATS customers. ctx: the job. */
enum nbx_err nbx_evaluate__unit(void *ctx, unsigned worker, size_t unit) NBX_MUST_CHECK;
/* shown (n_items): in how many lists of length k[i] each item was. */
void nbx_evaluate__count_shown(const struct nbx_evaluate__job *job, size_t i, uint32_t *shown);

#endif
