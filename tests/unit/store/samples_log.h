/* SPDX-License-Identifier: MIT
 * Random entries of the log, and whether two are the same.
 *
 * Threads: any.
 */
#ifndef NBX_TEST_STORE_SAMPLES_LOG_H
#define NBX_TEST_STORE_SAMPLES_LOG_H

#include "tests/unit/store/samples.h"

static inline void any_log_events(struct nbx_log_record *l, struct nbx_random *r,
                                  struct nbx_arena *arena)
{
    l->n_events = (uint32_t)nbx_random_below(r, 5) + nbx_log_of_events(l->kind);
    l->events = nbx_arena_calloc(arena, l->n_events, sizeof *l->events);
    for (uint32_t i = 0; i < l->n_events; i++) {
        l->events[i].seq = l->kind == NBX_LOG_RETRACT ? any_u64(r) : 0;
        l->events[i].time_ms = any_time(r);
        any_hash(l->events[i].id_hash, r);
    }
    if (!nbx_log_of_events(l->kind))
        return;
    l->n = l->n_events;
    memcpy(l->id, l->events[0].id_hash, sizeof l->id);
}

static inline void any_log_changes(struct nbx_log_record *l, struct nbx_random *r,
                                   struct nbx_arena *arena)
{
    l->n_changes = (uint32_t)nbx_random_below(r, 4);
    l->changes = nbx_arena_calloc(arena, l->n_changes, sizeof *l->changes);
    for (uint32_t i = 0; i < l->n_changes; i++) {
        struct nbx_log_change *c = &l->changes[i];
        c->entry = any_map(r, arena);
        c->what = c->entry ? (enum nbx_log_what)nbx_random_below(r, 2) : NBX_LOG_ITEM_DELETE;
        c->id = c->entry ? (struct nbx_str){0} : any_text(r, arena);
    }
}

static inline struct nbx_log_record any_log(struct nbx_random *r, struct nbx_arena *arena)
{
    static struct nbx_value empty = {.type = NBX_MAP};
    struct nbx_log_record l = {.kind = (enum nbx_log_kind)nbx_random_below(r, NBX_N_LOG_KINDS),
                               .n = 1,
                               .now_ms = any_time(r)};
    if (l.kind == NBX_LOG_GONE) {
        l.n = 1 + any_u64(r) / 2;
        l.reason = (enum nbx_log_reason)nbx_random_below(r, NBX_N_GONE_REASONS);
        return l;
    }
    any_hash(l.id, r);
    if (nbx_log_of_events(l.kind) || l.kind == NBX_LOG_RETRACT)
        any_log_events(&l, r, arena);
    if (l.kind == NBX_LOG_ITEMS)
        any_log_changes(&l, r, arena);
    if (l.kind == NBX_LOG_PUT || l.kind == NBX_LOG_MODEL)
        l.body = any_map(r, arena);
    if ((l.kind == NBX_LOG_PUT || l.kind == NBX_LOG_MODEL) && !l.body)
        l.body = &empty;
    if (nbx_log_of_catalogue(l.kind))
        return l;
    l.number = any_u64(r);
    l.customer = any_text(r, arena);
    if (l.kind == NBX_LOG_LINK) {
        l.parent = chance(r) ? 0 : any_u64(r);
        l.type = any_text(r, arena);
    }
    if (l.kind != NBX_LOG_RETRACT)
        return l;
    l.n_ids = (uint32_t)nbx_random_below(r, 4);
    l.ids = nbx_arena_calloc(arena, l.n_ids, sizeof *l.ids);
    for (uint32_t i = 0; i < l.n_ids; i++)
        any_hash(l.ids[i], r);
    return l;
}

static inline bool log_same(const struct nbx_log_record *a, const struct nbx_log_record *b)
{
    bool same = a->kind == b->kind && a->n == b->n && a->now_ms == b->now_ms &&
                memcmp(a->id, b->id, sizeof a->id) == 0 && a->number == b->number &&
                nbx_str_eq(a->customer, b->customer) && a->reason == b->reason &&
                a->n_events == b->n_events && a->n_ids == b->n_ids && a->parent == b->parent &&
                nbx_str_eq(a->type, b->type) && value_same(a->body, b->body) &&
                a->n_changes == b->n_changes;
    for (uint32_t i = 0; same && i < a->n_events; i++)
        same = a->events[i].seq == b->events[i].seq &&
               a->events[i].time_ms == b->events[i].time_ms &&
               memcmp(a->events[i].id_hash, b->events[i].id_hash, 16) == 0;
    for (uint32_t i = 0; same && i < a->n_ids; i++)
        same = memcmp(a->ids[i], b->ids[i], 16) == 0;
    for (uint32_t i = 0; same && i < a->n_changes; i++)
        same = a->changes[i].what == b->changes[i].what &&
               nbx_str_eq(a->changes[i].id, b->changes[i].id) &&
               value_same(a->changes[i].entry, b->changes[i].entry);
    return same;
}

#endif
