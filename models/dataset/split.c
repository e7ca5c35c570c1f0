/* SPDX-License-Identifier: MIT */
#include "models/dataset/split.h"

#include "engine/base/hash.h"
#include "engine/base/utf8.h"
#include "models/dataset/internal.h"

#include <stdlib.h>

#define DEFAULT_MIN_HISTORY 2
#define HASH_RANGE          0x1p64

/* is_held below: (pairs) beside all->sequence. */

static void hold_last(bool *is_held, const struct nbx_dataset *all,
                      const struct nbx_split_options *o)
{
    size_t least = o->min_history ? o->min_history : DEFAULT_MIN_HISTORY;
    for (size_t c = 0; c < all->n_customers; c++)
        if (nbx_csr_row_entries(&all->by_customer, c) >= least)
            is_held[all->by_customer.start[c + 1] - 1] = true;
}

/* The same for a pair in every file that has it. An id has at most 255 bytes, so its length fits
 * one, and no two pairs make the same bytes. */
static uint64_t hash_pair(uint64_t seed, struct nbx_str customer, struct nbx_str item)
{
    uint8_t bytes[sizeof seed + 1 + 2 * NBX_ID_MAX_BYTES];
    size_t n = 0;
    for (; n < sizeof seed; n++)
        bytes[n] = (uint8_t)(seed >> 8 * n);
    bytes[n++] = (uint8_t)customer.len;
    memcpy(bytes + n, customer.p, customer.len);
    memcpy(bytes + n + customer.len, item.p, item.len);
    return nbx_hash64(bytes, n + customer.len + item.len);
}

/* A pair is held where its hash is low; the customer's highest is not, however low. */
static void hold_some(bool *is_held, const struct nbx_dataset *all, size_t customer,
                      const struct nbx_split_options *o)
{
    uint64_t begin = all->by_customer.start[customer], highest = 0, stays = begin;
    for (uint64_t i = begin; i < all->by_customer.start[customer + 1]; i++) {
        uint64_t hash =
            hash_pair(o->seed, all->customer_ids[customer], all->item_ids[all->sequence[i]]);
        is_held[i] = (double)hash < o->share * HASH_RANGE;
        stays = hash > highest ? i : stays;
        highest = hash > highest ? hash : highest;
    }
    if (nbx_csr_row_entries(&all->by_customer, customer) > 0)
        is_held[stays] = false;
}

static void hold_random(bool *is_held, const struct nbx_dataset *all,
                        const struct nbx_split_options *o)
{
    for (size_t c = 0; c < all->n_customers; c++)
        hold_some(is_held, all, c, o);
}

static void widen(struct nbx_dataset *window, int64_t time_ms)
{
    if (time_ms == NBX_DATASET_NO_TIME)
        return;
    if (window->first_ms == NBX_DATASET_NO_TIME || time_ms < window->first_ms)
        window->first_ms = time_ms;
    if (time_ms > window->last_ms)
        window->last_ms = time_ms;
}

static enum nbx_err hold_late(bool *is_held, const struct nbx_dataset *all,
                              const struct nbx_split_options *o)
{
    size_t n = nbx_csr_entries(&all->by_customer);
    struct nbx_dataset window = {.first_ms = NBX_DATASET_NO_TIME, .last_ms = NBX_DATASET_NO_TIME};
    for (size_t i = 0; i < n; i++)
        widen(&window, all->times_ms[i]);
    if (window.first_ms == NBX_DATASET_NO_TIME)
        return NBX_EBAD;
    int64_t late = (int64_t)((double)(window.last_ms - window.first_ms) * o->share);
    for (size_t i = 0; i < n; i++)
        is_held[i] =
            all->times_ms[i] != NBX_DATASET_NO_TIME && all->times_ms[i] >= window.last_ms - late;
    return NBX_OK;
}

static enum nbx_err hold(bool *is_held, const struct nbx_dataset *all,
                         const struct nbx_split_options *o)
{
    bool by_share = o->kind == NBX_SPLIT_RANDOM || o->kind == NBX_SPLIT_TIME;
    if (by_share && !(o->share > 0 && o->share < 1))
        return NBX_EBAD;
    switch (o->kind) {
    case NBX_SPLIT_LAST: hold_last(is_held, all, o); return NBX_OK;
    case NBX_SPLIT_RANDOM: hold_random(is_held, all, o); return NBX_OK;
    case NBX_SPLIT_TIME: return hold_late(is_held, all, o);
    case NBX_SPLIT_GIVEN:
        memcpy(is_held, o->is_held, nbx_csr_entries(&all->by_customer) * sizeof *is_held);
        return NBX_OK;
    default: return NBX_EBAD;
    }
}

/* pairs (pairs of all): those whose is_held is `held`; returns how many. */
static size_t take_pairs(struct nbx_dataset__pair *pairs, const struct nbx_dataset *all,
                         const bool *is_held, bool held)
{
    size_t n = 0;
    for (size_t c = 0; c < all->n_customers; c++)
        for (uint64_t i = all->by_customer.start[c]; i < all->by_customer.start[c + 1]; i++)
            if (is_held[i] == held)
                pairs[n++] = (struct nbx_dataset__pair){
                    (uint32_t)c, all->sequence[i],
                    nbx_csr_weight(&all->by_customer, c, all->sequence[i]), (uint32_t)i,
                    all->times_ms[i]};
    return n;
}

static enum nbx_err make_part(struct nbx_dataset **out, const struct nbx_dataset *all,
                              const bool *is_held, bool held)
{
    size_t room = nbx_csr_entries(&all->by_customer) + 1;
    struct nbx_dataset__owner *owner = calloc(1, sizeof *owner);
    struct nbx_dataset__pair *pairs = calloc(room, sizeof *pairs);
    enum nbx_err err = owner && pairs ? NBX_OK : NBX_ELIMIT;
    if (!err) {
        size_t n = take_pairs(pairs, all, is_held, held);
        owner->public = (struct nbx_dataset){.n_customers = all->n_customers,
                                             .n_items = all->n_items,
                                             .customer_ids = all->customer_ids,
                                             .item_ids = all->item_ids,
                                             .refused_start = all->refused_start,
                                             .refused = all->refused,
                                             .first_ms = NBX_DATASET_NO_TIME,
                                             .last_ms = NBX_DATASET_NO_TIME};
        for (size_t i = 0; i < n; i++)
            widen(&owner->public, pairs[i].time_ms);
        err = nbx_dataset__build(owner, pairs, n, all->by_customer.weight != NULL);
    }
    free(pairs);
    *out = owner ? &owner->public : NULL;
    if (err)
        nbx_dataset_destroy(out);
    return err;
}

enum nbx_err nbx_dataset_split(struct nbx_dataset **train, struct nbx_dataset **held,
                               const struct nbx_dataset *all,
                               const struct nbx_split_options *options)
{
    *train = *held = NULL;
    bool *is_held = calloc(nbx_csr_entries(&all->by_customer) + 1, sizeof *is_held);
    enum nbx_err err = is_held ? hold(is_held, all, options) : NBX_ELIMIT;
    if (!err)
        err = make_part(train, all, is_held, false);
    if (!err)
        err = make_part(held, all, is_held, true);
    if (err)
        nbx_dataset_destroy(train);
    free(is_held);
    return err;
}
