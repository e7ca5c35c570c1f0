/* SPDX-License-Identifier: MIT */
#include "engine/customer/seen.h"

#include "engine/base/random.h"
#include "proto/message.h"
#include "tests/unit/store/fixture.h"

#include <math.h>
#include <stdlib.h>

#define SEED 20240621

static struct fixture f;
static struct nbx_vocabulary *v;
static uint16_t view, buy, dismiss;

static void make_vocabulary(int64_t view_ttl_ms, int64_t dismiss_ttl_ms)
{
    struct nbx_event_type types[] = {
        {.name = {"view", 4}, .class = NBX_CLASS_POSITIVE, .weight = 0.5, .ttl_ms = view_ttl_ms},
        {.name = {"buy", 3}, .class = NBX_CLASS_POSITIVE, .weight = 2},
        {.name = {"dismiss", 7}, .class = NBX_CLASS_NEGATIVE, .ttl_ms = dismiss_ttl_ms}};
    struct nbx_vocabulary_options options = {.types = types, .n_types = 3};
    nbx_vocabulary_destroy(&v);
    cr_assert_eq(nbx_vocabulary_new(&v, f.store, &options), NBX_OK);
}

static void begin(void)
{
    fixture_begin(&f);
    make_vocabulary(0, 0);
    view = nbx_vocabulary_type(v, NBX_STR("view"))->no;
    buy = nbx_vocabulary_type(v, NBX_STR("buy"))->no;
    dismiss = nbx_vocabulary_type(v, NBX_STR("dismiss"))->no;
}

static void end(void)
{
    nbx_vocabulary_destroy(&v);
    fixture_end(&f);
}

TestSuite(seen, .init = begin, .fini = end);

static void add(struct nbx_seen_record *seen, uint32_t item, uint16_t type, int64_t ms)
{
    struct nbx_seen_entry e = {
        .item_no = item, .type_no = type, .negative = type == dismiss, .last_ms = ms};
    cr_assert_eq(nbx_seen_join(seen, &e, 1, f.arena), NBX_OK);
}

/* False where it is passed over. */
static bool find(struct nbx_seen_item *out, const struct nbx_seen_record *seen, uint32_t item,
                 int64_t now_ms)
{
    uint32_t at = 0;
    while (nbx_seen_next(seen, v, now_ms, &at, out))
        if (out->item_no == item)
            return true;
    return false;
}

static struct nbx_seen_item look(const struct nbx_seen_record *seen, uint32_t item)
{
    struct nbx_seen_item out;
    cr_assert(find(&out, seen, item, 0), "item %u is not there", item);
    return out;
}

/* Joins e (n) in their order, in random parts. */
static void join_split(struct nbx_seen_record *seen, const struct nbx_seen_entry *e, uint32_t n,
                       uint32_t most, struct nbx_random *r)
{
    struct nbx_seen_entry part[40];
    for (uint32_t at = 0, m; at < n; at += m) {
        m = 1 + (uint32_t)nbx_random_below(r, nbx_random_below(r, 2) ? 1 : 40);
        m = m < n - at ? m : n - at;
        memcpy(part, e + at, m * sizeof *part);
        cr_assert_eq(nbx_seen_join_within(seen, part, m, most, f.arena), NBX_OK);
    }
}

Test(seen, any_order_of_arrival_gives_the_same_bytes)
{
    struct nbx_random r;
    struct nbx_buf first = {0};
    struct nbx_seen_entry events[200];
    nbx_random_init(&r, SEED);
    cr_log_info("seed %d", SEED);
    for (size_t i = 0; i < 200; i++)
        events[i] = (struct nbx_seen_entry){.item_no = 1 + (uint32_t)nbx_random_below(&r, 20),
                                            .type_no = (uint16_t)(1 + nbx_random_below(&r, 3)),
                                            .negative = nbx_random_below(&r, 2) == 0,
                                            .scope = (uint8_t)nbx_random_below(&r, 3),
                                            .last_ms = (int64_t)nbx_random_below(&r, 1000)};
    for (int order = 0; order < 50; order++) {
        struct nbx_seen_record seen = {0};
        struct nbx_buf bytes = {0};
        for (size_t i = 200; i > 1; i--) {
            size_t j = nbx_random_below(&r, i);
            struct nbx_seen_entry kept = events[i - 1];
            events[i - 1] = events[j];
            events[j] = kept;
        }
        join_split(&seen, events, 200, NBX_SEEN_MAX, &r);
        nbx_seen_record_encode(&bytes, &seen);
        if (order == 0)
            nbx_buf_put(&first, bytes.p, bytes.len);
        cr_assert(bytes.len == first.len && memcmp(bytes.p, first.p, first.len) == 0);
        nbx_buf_fini(&bytes);
    }
    nbx_buf_fini(&first);
}

Test(seen, of_repeats_the_last_time_is_kept)
{
    struct nbx_seen_record seen = {0};
    add(&seen, 7, view, 50);
    add(&seen, 7, view, 90);
    add(&seen, 7, view, 10);
    cr_assert_eq(seen.n, 1);
    cr_assert_eq(seen.entries[0].last_ms, 90);
}

Test(seen, weights_of_types_add_up)
{
    struct nbx_seen_record seen = {0};
    add(&seen, 7, view, 1);
    add(&seen, 7, view, 2);
    add(&seen, 7, buy, 3);
    add(&seen, 8, buy, 3);
    add(&seen, 9, 77, 3); /* a type that is no longer configured */
    cr_assert(look(&seen, 7).weight == 2.5);
    cr_assert(look(&seen, 8).weight == 2);
    cr_assert(look(&seen, 9).weight == 0);
}

Test(seen, dislike_lasts_until_a_later_positive_event)
{
    struct nbx_seen_record seen = {0};
    add(&seen, 7, view, 5);
    cr_assert_not(look(&seen, 7).disliked);
    add(&seen, 7, dismiss, 10);
    cr_assert(look(&seen, 7).disliked);
    add(&seen, 7, buy, 10); /* at the same moment: not later */
    cr_assert(look(&seen, 7).disliked);
    add(&seen, 7, view, 11);
    cr_assert_not(look(&seen, 7).disliked);
    add(&seen, 7, dismiss, 12);
    cr_assert(look(&seen, 7).disliked);
}

#define HOUR_MS INT64_C(3600000)

Test(seen, what_expired_weighs_nothing_and_is_not_there)
{
    struct nbx_seen_record seen = {0};
    struct nbx_seen_item item;
    add(&seen, 7, view, 5);
    add(&seen, 7, buy, 3);
    add(&seen, 8, view, 5);
    add(&seen, 9, view, 5 * HOUR_MS);
    add(&seen, 9, 77, 3); /* of a type that is no longer configured nothing expires */
    make_vocabulary(2 * HOUR_MS, 0);
    cr_assert(find(&item, &seen, 8, 3 * HOUR_MS - 1) && item.weight == 0.5);
    cr_assert(find(&item, &seen, 7, 3 * HOUR_MS - 1) && item.weight == 2.5 && item.liked_ms == 5);
    cr_assert_not(find(&item, &seen, 8, 3 * HOUR_MS));
    cr_assert(find(&item, &seen, 7, 3 * HOUR_MS) && item.weight == 2 && item.liked_ms == 3);
    cr_assert(find(&item, &seen, 9, 7 * HOUR_MS) && item.weight == 0.5);
    cr_assert(find(&item, &seen, 9, 8 * HOUR_MS) && item.weight == 0 && item.liked_ms == 3);
    make_vocabulary(0, 0);
    cr_assert(find(&item, &seen, 8, 3 * HOUR_MS) && item.weight == 0.5, "nothing was taken away");
    make_vocabulary(HOUR_MS, 0);
    uint32_t at = 0, n = 0;
    while (nbx_seen_next(&seen, v, 100 * HOUR_MS, &at, &item))
        n++;
    cr_assert_eq(n, 2);
    cr_assert_eq(at, seen.n);
}

Test(seen, a_dislike_ends_with_it_and_so_does_what_forgave_it)
{
    struct nbx_seen_record seen = {0};
    struct nbx_seen_item item;
    struct nbx_seen_entry wide = {
        .item_no = 8, .type_no = dismiss, .negative = true, .scope = NBX_SCOPE_BRAND};
    add(&seen, 7, dismiss, 10);
    add(&seen, 7, view, 11);
    add(&seen, 8, buy, 10);
    add(&seen, 8, dismiss, HOUR_MS);
    cr_assert_eq(nbx_seen_join(&seen, &wide, 1, f.arena), NBX_OK);
    make_vocabulary(2 * HOUR_MS, 4 * HOUR_MS);
    cr_assert(find(&item, &seen, 7, 3 * HOUR_MS - 1) && !item.disliked);
    cr_assert(find(&item, &seen, 7, 3 * HOUR_MS) && item.disliked, "the view is gone");
    cr_assert_not(find(&item, &seen, 7, 5 * HOUR_MS));
    cr_assert(find(&item, &seen, 8, 4 * HOUR_MS) && item.disliked);
    cr_assert_eq(item.scope, NBX_SCOPE_BRAND);
    cr_assert(find(&item, &seen, 8, 5 * HOUR_MS) && item.disliked && item.scope == NBX_SCOPE_ITEM);
    cr_assert(find(&item, &seen, 8, 6 * HOUR_MS) && !item.disliked && item.weight == 2);
}

Test(seen, the_widest_scope_counts)
{
    struct nbx_seen_record seen = {0};
    struct nbx_seen_entry e = {.item_no = 3, .type_no = dismiss, .negative = true};
    cr_assert_eq(nbx_seen_join(&seen, &e, 1, f.arena), NBX_OK);
    cr_assert_eq(look(&seen, 3).scope, NBX_SCOPE_ITEM);
    e.scope = NBX_SCOPE_CATEGORY;
    cr_assert_eq(nbx_seen_join(&seen, &e, 1, f.arena), NBX_OK);
    e.scope = NBX_SCOPE_BRAND;
    cr_assert_eq(nbx_seen_join(&seen, &e, 1, f.arena), NBX_OK);
    cr_assert_eq(look(&seen, 3).scope, NBX_SCOPE_CATEGORY);
}

Test(seen, walk_visits_each_item_once_in_order)
{
    struct nbx_seen_record seen = {0};
    struct nbx_seen_item item;
    uint32_t at = 0, last = 0, n = 0;
    cr_assert_not(nbx_seen_next(&seen, v, 0, &at, &item));
    for (uint32_t i = 30; i > 0; i--) {
        add(&seen, i * 3, view, i);
        add(&seen, i * 3, buy, i);
    }
    for (at = 0; nbx_seen_next(&seen, v, 0, &at, &item); n++) {
        cr_assert(item.item_no > last);
        last = item.item_no;
    }
    cr_assert_eq(n, 30);
}

Test(seen, past_the_bound_the_longest_types_oldest_give_way)
{
    struct nbx_seen_record seen = {.entries = calloc(NBX_SEEN_MAX, sizeof *seen.entries),
                                   .n = NBX_SEEN_MAX};
    cr_assert_not_null(seen.entries);
    struct nbx_seen_entry *own = seen.entries;
    for (uint32_t i = 0; i < NBX_SEEN_MAX; i++)
        seen.entries[i] = (struct nbx_seen_entry){
            .item_no = 1 + i, .type_no = i ? view : buy, .last_ms = 1000 + (i * 7919) % 131072};
    add(&seen, 200000, view, 5000000);
    cr_assert_eq(seen.n, NBX_SEEN_MAX);
    cr_assert_eq(seen.level, NBX_SEEN_MAX - 1);
    cr_assert_eq(seen.entries[0].item_no, 1, "the purchase is older, and stays");
    cr_assert_eq(look(&seen, 200000).item_no, 200000);
    free(own);
}

#define FEW      24
#define N_HAPPEN 120
#define N_TYPES  4
#define N_ORDERS 2000

static int compare_age(const void *a, const void *b)
{
    const struct nbx_seen_entry *x = a, *y = b;
    if (x->last_ms != y->last_ms)
        return x->last_ms > y->last_ms ? -1 : 1;
    return (x->item_no < y->item_no) - (x->item_no > y->item_no);
}

/* What must be left of the happenings, from the definition: each item's newest of each type, and of
 * each type the K newest, K the largest that fits. Sorted as compare_age does; its number. */
static uint32_t brute(struct nbx_seen_entry *left, const struct nbx_seen_entry *e, uint32_t *level)
{
    struct nbx_seen_entry all[N_HAPPEN];
    uint32_t n = 0, counts[N_TYPES] = {0}, most = N_HAPPEN, sum = FEW + 1, kept = 0;
    for (uint32_t i = 0; i < N_HAPPEN; i++) {
        uint32_t at = 0;
        while (at < n && (all[at].item_no != e[i].item_no || all[at].type_no != e[i].type_no))
            at++;
        if (at == n)
            all[n++] = e[i], counts[e[i].type_no]++;
        else if (e[i].last_ms > all[at].last_ms)
            all[at].last_ms = e[i].last_ms;
    }
    *level = n > FEW ? N_HAPPEN : 0;
    for (; n > FEW && sum > FEW; most--) {
        sum = 0;
        for (int t = 0; t < N_TYPES; t++)
            sum += counts[t] < most ? counts[t] : most;
        *level = most;
    }
    qsort(all, n, sizeof *all, compare_age);
    memset(counts, 0, sizeof counts);
    for (uint32_t i = 0; i < n; i++)
        if (!*level || counts[all[i].type_no]++ < *level)
            left[kept++] = all[i];
    return kept;
}

static void happen(struct nbx_seen_entry *e, struct nbx_random *r)
{
    uint32_t n_items = 2 + (uint32_t)nbx_random_below(r, 40);
    for (uint32_t i = 0; i < N_HAPPEN; i++) {
        uint64_t type = nbx_random_below(r, 10); /* some types come seldom */
        e[i] = (struct nbx_seen_entry){.item_no = 1 + (uint32_t)nbx_random_below(r, n_items),
                                       .type_no = (uint16_t)(type < N_TYPES ? type : 0),
                                       .last_ms = (int64_t)nbx_random_below(r, 60)};
    }
}

Test(seen, past_the_bound_too_no_order_of_arrival_matters)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    cr_log_info("seed %d", SEED);
    for (int order = 0; order < N_ORDERS; order++) {
        struct nbx_seen_entry e[N_HAPPEN], left[N_HAPPEN];
        struct nbx_seen_record seen = {0};
        uint32_t level;
        nbx_arena_reset(f.arena);
        happen(e, &r); /* in a random order already */
        uint32_t n = brute(left, e, &level);
        join_split(&seen, e, N_HAPPEN, FEW, &r);
        qsort(seen.entries, seen.n, sizeof *seen.entries, compare_age);
        cr_assert_eq(seen.n, n, "order %d", order);
        cr_assert_eq(seen.level, level, "order %d: level %u", order, seen.level);
        for (uint32_t i = 0; i < n; i++)
            cr_assert(compare_age(&seen.entries[i], &left[i]) == 0, "order %d at %u", order, i);
    }
}

Test(seen, an_arena_that_is_out_changes_nothing)
{
    struct nbx_arena *small = nbx_arena_new(512);
    struct nbx_seen_record seen = {0};
    enum nbx_err err = NBX_OK;
    uint32_t n = 0;
    cr_assert_not_null(small);
    for (uint32_t i = 1; !err && i < 1000; i++) {
        struct nbx_seen_entry e = {.item_no = i, .type_no = view};
        n = seen.n;
        err = nbx_seen_join(&seen, &e, 1, small);
    }
    cr_assert_eq(err, NBX_ELIMIT);
    cr_assert_eq(seen.n, n);
    nbx_arena_destroy(&small);
}
