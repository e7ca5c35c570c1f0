/* SPDX-License-Identifier: MIT */
#include "models/tune/mixed.h"

#include "engine/base/hash.h"
#include "engine/score/topk.h"
#include "models/spectral/spectral.h"

#include <math.h>
#include <stdlib.h>

#define DIM    64
#define ROUNDS 4
#define FEW    3 /* items in which no interest can be told from another */

/* One of n, by a lot that depends on the customer alone. */
static uint64_t lot(const struct nbx_dataset *d, size_t customer, uint64_t seed, uint64_t salt)
{
    uint64_t key[3] = {seed, salt, nbx_hash64_str(d->customer_ids[customer])};
    return nbx_hash64(key, sizeof key);
}

static size_t held_of(size_t n, double share)
{
    size_t k = (size_t)lround((double)n * share);
    k = k < 1 ? 1 : k;
    return k < n ? k : n - 1;
}

/* Rows of unit length: cosines are inner products. */
static void normalise(float *v, size_t n, size_t dim)
{
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
        for (size_t d = 0; d < dim; d++)
            sum += v[i * dim + d] * v[i * dim + d];
        float scale = sum > 0 ? 1 / sqrtf(sum) : 0;
        for (size_t d = 0; d < dim; d++)
            v[i * dim + d] *= scale;
    }
}

/* How much each of the customer's n items (first is the place of the first) is like the one drawn,
 * or, where they are drawn by chance, a lot of its own. hits (n). */
static void rate_items(struct nbx_hit *hits, const struct nbx_dataset *d,
                       const struct nbx_spectral *v, size_t customer, uint64_t seed)
{
    uint64_t first = d->by_customer.start[customer];
    size_t n = nbx_csr_row_entries(&d->by_customer, customer), dim = v->dim;
    bool by_chance = n < FEW || (lot(d, customer, seed, 0) & 1);
    size_t drawn = d->sequence[first + lot(d, customer, seed, 1) % n];
    const float *centre = v->item_factors + drawn * dim;
    for (size_t i = 0; i < n; i++) {
        uint32_t item = d->sequence[first + i];
        float score = 0;
        if (by_chance)
            score = (float)(nbx_hash64_str(d->item_ids[item]) * lot(d, customer, seed, 2) >> 40);
        for (size_t k = 0; !by_chance && k < dim; k++)
            score += centre[k] * v->item_factors[item * dim + k];
        hits[i] = (struct nbx_hit){score, (uint32_t)i};
    }
}

/* Holds the k best of hits (n), which best has room for. is_held: of the first of them on. */
static void hold_best(bool *is_held, const struct nbx_hit *hits, size_t n, struct nbx_hit *best,
                      size_t k)
{
    struct nbx_topk top;
    nbx_topk_init(&top, best, k, NULL, NULL);
    for (size_t i = 0; i < n; i++)
        nbx_topk_offer(&top, hits[i].score, hits[i].row);
    for (size_t i = 0; i < top.n; i++)
        is_held[best[i].row] = true;
}

static size_t longest_history(const struct nbx_dataset *d)
{
    size_t most = 0;
    for (size_t c = 0; c < d->n_customers; c++)
        if (nbx_csr_row_entries(&d->by_customer, c) > most)
            most = nbx_csr_row_entries(&d->by_customer, c);
    return most;
}

enum nbx_err nbx_mixed_hold(bool *is_held, const struct nbx_dataset *all, double share,
                            uint64_t seed, unsigned threads, struct nbx_fault *fault)
{
    struct nbx_spectral v;
    struct nbx_spectral_options options;
    size_t room = longest_history(all) + 1;
    nbx_spectral_defaults(&options);
    options.dim = DIM;
    options.rounds = ROUNDS;
    options.in_power = options.out_power = 0;
    options.seed = seed;
    options.threads = threads;
    enum nbx_err err = nbx_spectral_fit(&v, all, &options, fault);
    if (err)
        return err;
    struct nbx_hit *hits = calloc(2 * room, sizeof *hits);
    normalise(v.item_factors, all->n_items, v.dim);
    for (size_t c = 0; hits && c < all->n_customers; c++) {
        size_t n = nbx_csr_row_entries(&all->by_customer, c);
        if (n < 2)
            continue;
        rate_items(hits, all, &v, c, seed);
        hold_best(is_held + all->by_customer.start[c], hits, n, hits + room, held_of(n, share));
    }
    err = hits ? NBX_OK : nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    free(hits);
    nbx_spectral_fini(&v);
    return err;
}
