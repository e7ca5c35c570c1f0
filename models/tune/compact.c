/* SPDX-License-Identifier: MIT */
#include "models/tune/compact.h"

#include "models/compress/compress.h"

#include <stdio.h>

/* Fewer dimensions are not worth the entries that would take their place. */
#define LEAST_DIMS 128
/* Relative loss that a quarter of the serving time is worth. What is held out overstates it: the
 * weights were fitted on it for the parts as they are. */
#define COST 0.02

static const struct nbx_compression tries[] = {{64, 256}, {64, 512}};

static bool is_wide(const struct nbx_search_result *r, const struct nbx_compact_options *options)
{
    size_t dims = nbx_compress_dims(r->parts, r->recipe.n_parts);
    return dims > LEAST_DIMS && dims * options->pool.train->n_items > options->quick;
}

/* NDCG of the result with its parts joined. */
static enum nbx_err judge(double *ndcg, const struct nbx_search_result *r,
                          const struct nbx_compact_options *options,
                          const struct nbx_compress_options *how, struct nbx_fault *fault)
{
    struct nbx_compressed joined;
    double weights[NBX_RECIPE_MAX];
    struct nbx_pool *pool;
    struct nbx_weighed parts = {r->parts, weights, r->recipe.n_parts};
    for (size_t i = 0; i < r->recipe.n_parts; i++)
        weights[i] = r->recipe.parts[i].weight;
    enum nbx_err err = nbx_compress(&joined, &parts, options->pool.train, how, fault);
    if (err)
        return err;
    err = nbx_pool_new(&pool, joined.parts, joined.n, &options->pool, fault);
    if (!err)
        *ndcg = nbx_pool_ndcg(pool, joined.weights, options->k);
    if (!err)
        nbx_pool_destroy(&pool);
    nbx_compressed_fini(&joined);
    return err;
}

static bool affordable(const struct nbx_search_result *r, const struct nbx_compact_options *options,
                       const struct nbx_compress_options *how)
{
    size_t n = r->recipe.n_parts, n_items = options->pool.train->n_items;
    double seconds = 2 * nbx_compress_seconds(r->parts, n, n_items, how);
    uint64_t bytes = nbx_compress_bound_bytes(r->parts, n, n_items, how);
    bool ok = seconds <= options->seconds &&
              (options->memory_bytes == 0 || bytes <= options->memory_bytes);
    if (!ok)
        printf("      compress     passed over: it may take %.0f s and %.1f MiB\n", seconds,
               (double)bytes / 1048576);
    return ok;
}

enum nbx_err nbx_compact(struct nbx_search_result *result,
                         const struct nbx_compact_options *options, struct nbx_fault *fault)
{
    double ndcg = 0;
    if (!is_wide(result, options))
        return NBX_OK;
    for (size_t t = 0; t < sizeof tries / sizeof *tries; t++) {
        struct nbx_compress_options how = {tries[t], options->pool.threads,
                                           options->pool.progress_fd};
        if (!affordable(result, options, &how))
            return NBX_OK;
        enum nbx_err err = judge(&ndcg, result, options, &how, fault);
        if (err)
            return err;
        printf("      compress       %.4f: dim=%zu keep=%zu\n", ndcg, how.how.dim, how.how.keep);
        if (ndcg >= result->ndcg * (1 - COST)) {
            result->recipe.compress = how.how;
            result->ndcg = ndcg;
            return NBX_OK;
        }
    }
    return NBX_OK;
}
