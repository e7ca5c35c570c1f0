/* SPDX-License-Identifier: MIT
 * Random decisions, and whether two are the same.
 *
 * Threads: any.
 */
#ifndef NBX_TEST_STORE_SAMPLES_DECISION_H
#define NBX_TEST_STORE_SAMPLES_DECISION_H

#include "tests/unit/store/samples.h"

static inline struct nbx_item_numbers any_numbers(struct nbx_random *r, struct nbx_arena *arena)
{
    uint32_t n = chance(r) ? 0 : (uint32_t)nbx_random_below(r, 20);
    uint32_t *p = nbx_arena_calloc(arena, n, sizeof *p);
    for (uint32_t i = 0; i < n; i++)
        p[i] = (uint32_t)any_u64(r);
    return (struct nbx_item_numbers){p, n};
}

static inline void any_ttls(struct nbx_decision_record *d, struct nbx_random *r,
                            struct nbx_arena *arena)
{
    d->n_ttls = chance(r) ? 0 : (uint32_t)nbx_random_below(r, 20);
    struct nbx_type_ttl *ttls = nbx_arena_calloc(arena, d->n_ttls, sizeof *ttls);
    for (uint32_t i = 0; i < d->n_ttls; i++)
        ttls[i] = (struct nbx_type_ttl){(uint16_t)any_u64(r), (int64_t)(any_u64(r) >> 1)};
    d->ttls = ttls;
}

static inline bool ttls_same(const struct nbx_decision_record *a,
                             const struct nbx_decision_record *b)
{
    bool same = a->n_ttls == b->n_ttls;
    for (uint32_t i = 0; same && i < a->n_ttls; i++)
        same = a->ttls[i].type_no == b->ttls[i].type_no && a->ttls[i].ttl_ms == b->ttls[i].ttl_ms;
    return same;
}

static inline void any_parts(struct nbx_decision_record *d, struct nbx_random *r,
                             struct nbx_arena *arena)
{
    d->n_parts = chance(r) ? 0 : (uint32_t)nbx_random_below(r, 33);
    struct nbx_linked_part *parts = nbx_arena_calloc(arena, d->n_parts, sizeof *parts);
    for (uint32_t i = 0; i < d->n_parts; i++)
        parts[i] = (struct nbx_linked_part){any_u64(r), any_u64(r)};
    d->parts = parts;
}

/* What later versions have beyond version 1. */
static inline void any_inputs(struct nbx_decision_record *d, struct nbx_random *r,
                              struct nbx_arena *arena)
{
    d->asked = (uint32_t)any_u64(r);
    d->filter = any_map(r, arena);
    d->excluded = any_numbers(r, arena);
    d->ranked = any_numbers(r, arena);
    d->exclude_seen = chance(r);
    d->distinct_group = chance(r);
    d->approximate = chance(r);
    d->partial = d->approximate && chance(r);
    d->recall = d->approximate ? (float)nbx_random_unit(r) : 1;
    d->seen_digest = chance(r) ? 0 : any_u64(r);
    d->history = any_numbers(r, arena);
    d->history_weights = any_floats(r, d->history.n, arena);
    d->vector.from = (enum nbx_vector_from)nbx_random_below(r, NBX_N_VECTOR_FROM);
    if (d->vector.from) {
        d->vector.n = (uint32_t)nbx_random_below(r, 70);
        d->vector.space = any_text(r, arena);
        d->vector.p = any_floats(r, d->vector.n, arena);
    }
    bool chosen = chance(r);
    d->policy = chosen ? (uint32_t)any_u64(r) : 0;
    d->variant = chosen ? (uint32_t)any_u64(r) : 0;
    d->propensity = chosen ? (float)nbx_random_unit(r) : 1;
    /* four floats an item */
    d->factors =
        chance(r) ? (const struct nbx_decision_factors *)any_floats(r, 4 * d->n, arena) : NULL;
    any_ttls(d, r, arena);
}

static inline struct nbx_decision_record any_decided(struct nbx_random *r, struct nbx_arena *arena)
{
    static const char *const ops[] = {"recommend", "rank", "another", ""};
    struct nbx_decision_record d = {
        .time_ms = any_time(r),
        .op = nbx_str_c(ops[nbx_random_below(r, 4)]),
        .placement = any_text(r, arena),
        .channel = any_text(r, arena),
        .store = any_text(r, arena),
        .model_name = any_text(r, arena),
        .model_version = any_text(r, arena),
        .group_seq = any_u64(r),
        .catalogue_seq = any_u64(r),
        .personal = chance(r),
        .shown = chance(r),
        .n = (uint32_t)nbx_random_below(r, 40),
    };
    d.now_ms = chance(r) ? d.time_ms : any_time(r);
    struct nbx_decision_item *items = nbx_arena_calloc(arena, d.n, sizeof *items);
    for (uint32_t i = 0; i < d.n; i++)
        items[i] = (struct nbx_decision_item){(uint32_t)any_u64(r), (float)nbx_random_normal(r),
                                              (uint8_t)nbx_random_u64(r)};
    d.items = items;
    any_inputs(&d, r, arena);
    any_parts(&d, r, arena);
    return d;
}

static inline bool numbers_same(struct nbx_item_numbers a, struct nbx_item_numbers b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n * sizeof *a.p) == 0);
}

static inline bool floats_same(const float *a, const float *b, size_t n)
{
    return n == 0 || memcmp(a, b, n * sizeof *a) == 0;
}

static inline bool inputs_same(const struct nbx_decision_record *a,
                               const struct nbx_decision_record *b)
{
    bool factored = a->factors != NULL;
    return a->asked == b->asked && value_same(a->filter, b->filter) &&
           numbers_same(a->excluded, b->excluded) && numbers_same(a->ranked, b->ranked) &&
           a->exclude_seen == b->exclude_seen && a->distinct_group == b->distinct_group &&
           a->approximate == b->approximate && a->partial == b->partial && a->recall == b->recall &&
           a->seen_digest == b->seen_digest && numbers_same(a->history, b->history) &&
           floats_same(a->history_weights, b->history_weights, a->history.n) &&
           a->vector.from == b->vector.from && a->vector.n == b->vector.n &&
           nbx_str_eq(a->vector.space, b->vector.space) &&
           floats_same(a->vector.p, b->vector.p, a->vector.n) && a->policy == b->policy &&
           a->variant == b->variant && a->propensity == b->propensity &&
           factored == (b->factors != NULL) && ttls_same(a, b) &&
           (!factored || floats_same(&a->factors->p, &b->factors->p, 4 * (size_t)a->n));
}

static inline bool decided_same(const struct nbx_decision_record *a,
                                const struct nbx_decision_record *b)
{
    bool same = a->time_ms == b->time_ms && a->now_ms == b->now_ms && nbx_str_eq(a->op, b->op) &&
                nbx_str_eq(a->placement, b->placement) && nbx_str_eq(a->channel, b->channel) &&
                nbx_str_eq(a->store, b->store) && nbx_str_eq(a->model_name, b->model_name) &&
                nbx_str_eq(a->model_version, b->model_version) && a->group_seq == b->group_seq &&
                a->catalogue_seq == b->catalogue_seq && a->personal == b->personal &&
                a->shown == b->shown && a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++)
        same = a->items[i].item_no == b->items[i].item_no &&
               a->items[i].score == b->items[i].score && a->items[i].source == b->items[i].source;
    same = same && a->n_parts == b->n_parts;
    for (uint32_t i = 0; same && i < a->n_parts; i++)
        same = a->parts[i].number == b->parts[i].number &&
               a->parts[i].seen_digest == b->parts[i].seen_digest;
    return same && inputs_same(a, b);
}

#endif
