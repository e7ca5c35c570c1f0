/* SPDX-License-Identifier: MIT
 * Random histories of customers, for tests that send one in several ways and compare what is kept.
 *
 * Owns:    nothing: texts live in the town's arena.
 * Threads: one.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TEST_DECIDE_HISTORIES_H
#define NBX_TEST_DECIDE_HISTORIES_H

#include "engine/base/hash.h"
#include "tests/unit/decide/town.h"

#define HISTORY_SEED  20261126u
#define HISTORY_MAX   40
#define HISTORY_ITEMS 12 /* i00 to i11 */

/* A town that keeps events for ever: the histories are of long ago. */
static inline void history_town(struct town *t)
{
    town_begin(t);
    t->shop.f.options.event_retention_ms = 0;
    town_reopen(t);
}

/* Every customer of every group, a few at a time. */
static inline void town_sweep(struct town *town, uint32_t at_once)
{
    struct nbx_customer_scope scope = town->scope;
    scope.arena = nbx_arena_new((size_t)16 << 20);
    for (unsigned g = 0; g < NBX_N_GROUPS; g++) {
        uint64_t at = 0;
        do
            cr_assert_eq(nbx_sweep(&scope, (uint8_t)g, &at, at_once), NBX_OK);
        while (at);
    }
    nbx_arena_destroy(&scope.arena);
}

/* Every event has its id and its time, for only then is an event the same wherever it comes. */
struct history_event {
    uint32_t id; /* within its history */
    uint32_t type, item, scope, channel;
    int rating; /* 0: none */
    int64_t time_ms;
};

/* One to HISTORY_MAX events, sorted by time; many times are equal. Their number. */
static inline uint32_t history_make(struct history_event *e, struct nbx_random *r)
{
    uint32_t n = 1 + (uint32_t)nbx_random_below(r, HISTORY_MAX);
    int64_t time_ms = SHOP_NOW - 200 * TOWN_HOUR_MS;
    for (uint32_t i = 0; i < n; i++) {
        time_ms += (int64_t)nbx_random_below(r, 4) * TOWN_HOUR_MS;
        e[i] = (struct history_event){.id = i,
                                      .type = (uint32_t)nbx_random_below(r, 4),
                                      .item = (uint32_t)nbx_random_below(r, HISTORY_ITEMS),
                                      .scope = (uint32_t)nbx_random_below(r, 3),
                                      .channel = (uint32_t)nbx_random_below(r, 3),
                                      .rating = (int)nbx_random_below(r, 6),
                                      .time_ms = time_ms};
    }
    return n;
}

static inline void history_shuffle(struct history_event *e, uint32_t n, struct nbx_random *r)
{
    for (uint32_t i = n; i > 1; i--) {
        size_t j = nbx_random_below(r, i);
        struct history_event kept = e[i - 1];
        e[i - 1] = e[j];
        e[j] = kept;
    }
}

/* Appends the event in notation. */
static inline void history_print(struct nbx_buf *text, const struct history_event *e)
{
    static const char *const types[] = {"view", "buy", "show", "dismiss"};
    static const char *const scopes[] = {"item", "brand", "category"};
    static const char *const channels[] = {"", ",channel:'web'", ",channel:'store'"};
    nbx_buf_printf(text, "%s{id:'e%u',type:'%s',item:'i%02u',time:%lld%s", text->len ? "," : "",
                   e->id, types[e->type], e->item, (long long)e->time_ms, channels[e->channel]);
    if (e->type == 3)
        nbx_buf_printf(text, ",scope:'%s'", scopes[e->scope]);
    if (e->rating)
        nbx_buf_printf(text, ",rating:%d", e->rating);
    nbx_buf_printf(text, "}");
}

/* Sends the events printed so far as one message; frees the text. */
static inline struct nbx_observed history_send(struct town *t, const char *customer,
                                               struct nbx_buf *text)
{
    nbx_buf_put_u8(text, '\0');
    struct nbx_observed out = town_observe(t, customer, (const char *)text->p);
    nbx_buf_fini(text);
    return out;
}

static inline void history_send_one(struct town *t, const char *customer,
                                    const struct history_event *e)
{
    struct nbx_buf text = {0};
    history_print(&text, e);
    cr_assert_eq(history_send(t, customer, &text).applied, 1);
}

/* Sends e[0..n) in random messages of up to 8, now and then one that was sent before. Returns how
 * many counted. */
static inline uint32_t history_send_all(struct town *t, const char *customer,
                                        const struct history_event *e, uint32_t n,
                                        struct nbx_random *r)
{
    uint32_t applied = 0;
    for (uint32_t at = 0; at < n;) {
        struct nbx_buf text = {0};
        for (uint64_t i = 1 + nbx_random_below(r, 8); i > 0 && at < n; i--) {
            history_print(&text, &e[at++]);
            if (nbx_random_below(r, 4) == 0)
                history_print(&text, &e[nbx_random_below(r, at)]);
        }
        applied += history_send(t, customer, &text).applied;
    }
    return applied;
}

/* The payloads that are kept of the customer, one behind the other; the id left out. */
static inline struct nbx_str history_state(struct town *t, const struct nbx_profile *p)
{
    struct nbx_buf b = {0};
    struct nbx_customer_record head = p->head;
    head.id = NBX_STR("");
    nbx_customer_record_encode(&b, &head);
    nbx_seen_record_encode(&b, &p->seen);
    struct nbx_str s =
        nbx_arena_str(t->shop.arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return s;
}

/* Every count of trends that is not 0, with its key. */
static inline struct nbx_str history_counts(struct town *town)
{
    struct nbx_buf b = {0};
    struct nbx_cursor *cursor;
    struct nbx_str key;
    struct nbx_stored stored;
    cr_assert_eq(nbx_cursor_open(&cursor, town->shop.f.store, NBX_FAMILY_TRENDS,
                                 (struct nbx_str){0}, (struct nbx_str){0}, false),
                 NBX_OK);
    while (nbx_cursor_next(cursor, &key, &stored) == NBX_OK) {
        if (nbx_stored_count(&stored) == 0)
            continue;
        nbx_buf_put(&b, key.p, key.len);
        nbx_buf_put_u64le(&b, (uint64_t)nbx_stored_count(&stored));
    }
    nbx_cursor_close(&cursor);
    struct nbx_str s =
        nbx_arena_str(town->shop.arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return s;
}

#endif
