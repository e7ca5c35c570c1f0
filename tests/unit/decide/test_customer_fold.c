/* SPDX-License-Identifier: MIT
 * What is kept of a customer is a function of the events, however they come. (Of engine/customer;
 * it stands here, where catalogue and customers are linked together.)
 */
#include "engine/customer/rebuild.h"
#include "tests/unit/decide/histories.h"

#define N_HISTORIES 2000
#define N_AT_ONCE                                                                                  \
    100 /* customers whose histories go on side by side, with a restart in between                 \
         */

static struct town t;

static void begin(void)
{
    history_town(&t);
}

static void end(void)
{
    town_end(&t);
}

TestSuite(customer_fold, .init = begin, .fini = end, .timeout = 600);

/* Incremental and made anew: the same bytes. */
static void check_rebuild(const char *customer)
{
    struct nbx_profile p = town_profile(&t, customer), anew = p;
    struct nbx_fold fold;
    cr_assert_eq(nbx_rebuild(&fold, &t.scope, p.number, NULL, NULL), NBX_OK);
    anew.seen = fold.seen;
    anew.head.totals = fold.totals;
    cr_assert(nbx_str_eq(history_state(&t, &p), history_state(&t, &anew)), "of %s", customer);
}

/* Sends e[from..to) in random messages, events that came before among them. */
static void send_shuffled(const char *customer, const struct history_event *e, uint32_t from,
                          uint32_t to, struct nbx_random *r)
{
    while (from < to) {
        struct nbx_buf text = {0};
        uint32_t n = 1 + (uint32_t)nbx_random_below(r, 8);
        uint32_t before = from, repeated = 0;
        for (uint32_t i = 0; i < n && from < to; i++) {
            history_print(&text, &e[from++]);
            if (nbx_random_below(r, 3) == 0)
                history_print(&text, &e[nbx_random_below(r, from)]), repeated++;
        }
        struct nbx_observed o = history_send(&t, customer, &text);
        cr_assert_eq(o.n_errors, 0);
        cr_assert_eq(o.applied, from - before);
        cr_assert_eq(o.duplicates, repeated);
        check_rebuild(customer);
    }
}

/* One customer's events: by themselves in order, and shuffled, doubled and split. */
struct pair {
    char straight[16], shuffled[16];
    struct history_event e[HISTORY_MAX];
    uint32_t n;
};

static void check_pairs(struct pair *pairs, int first, struct nbx_random *r)
{
    for (int i = 0; i < N_AT_ONCE; i++) {
        struct pair *p = &pairs[i];
        snprintf(p->straight, sizeof p->straight, "s%d", first + i);
        snprintf(p->shuffled, sizeof p->shuffled, "x%d", first + i);
        p->n = history_make(p->e, r);
        for (uint32_t k = 0; k < p->n; k++)
            history_send_one(&t, p->straight, &p->e[k]);
        history_shuffle(p->e, p->n, r);
        send_shuffled(p->shuffled, p->e, 0, p->n / 2, r);
    }
    town_reopen(&t);
    for (int i = 0; i < N_AT_ONCE; i++) {
        struct pair *p = &pairs[i];
        nbx_arena_reset(t.shop.arena);
        send_shuffled(p->shuffled, p->e, p->n / 2, p->n, r);
        struct nbx_profile a = town_profile(&t, p->straight), b = town_profile(&t, p->shuffled);
        cr_assert(nbx_str_eq(history_state(&t, &a), history_state(&t, &b)), "history %d",
                  first + i);
    }
}

Test(customer_fold, any_order_repetition_and_split_gives_the_same_bytes)
{
    static struct pair pairs[N_AT_ONCE];
    struct nbx_random r;
    nbx_random_init(&r, HISTORY_SEED);
    cr_log_info("seed %u", HISTORY_SEED);
    for (int first = 0; first < N_HISTORIES; first += N_AT_ONCE)
        check_pairs(pairs, first, &r);
}

/* More than wait at a time, either way round; the set that is begun with stays as it is. */
Test(customer_fold, many_events_are_joined_in_parts)
{
    struct nbx_fold folds[2] = {{.waiting = NULL}};
    struct nbx_random r;
    nbx_random_init(&r, HISTORY_SEED + 2);
    uint64_t *drawn = nbx_arena_calloc(t.shop.arena, 150000, sizeof *drawn);
    for (uint32_t i = 0; i < 150000; i++)
        drawn[i] = nbx_random_u64(&r);
    for (int way = 0; way < 2; way++) {
        for (uint32_t i = 0; i < 150000; i++) {
            uint64_t d = drawn[way ? 149999 - i : i];
            struct nbx_event_record e = {.item_no = 1 + (uint32_t)(d % 30000),
                                         .type_no = (uint16_t)(1 + (d >> 40) % 3),
                                         .effect = NBX_EFFECT_POSITIVE};
            uint8_t hash[16] = {0};
            memcpy(hash, &d, sizeof d);
            cr_assert_eq(
                nbx_fold_event(&folds[way], &e, (int64_t)(d >> 20) % 100000, hash, t.shop.arena),
                NBX_OK);
        }
        cr_assert_eq(nbx_fold_end(&folds[way], t.shop.arena), NBX_OK);
    }
    struct nbx_profile a = {.seen = folds[0].seen, .head.totals = folds[0].totals};
    struct nbx_profile b = {.seen = folds[1].seen, .head.totals = folds[1].totals};
    cr_assert_gt(a.seen.n, 65536);
    cr_assert(nbx_str_eq(history_state(&t, &a), history_state(&t, &b)));
    struct nbx_fold on;
    struct nbx_str before = history_state(&t, &a);
    struct nbx_event_record e = {.item_no = 40000, .type_no = 1, .effect = NBX_EFFECT_NEGATIVE};
    cr_assert_eq(nbx_fold_begin(&on, &a.seen, &a.head.totals, t.shop.arena), NBX_OK);
    cr_assert_eq(nbx_fold_event(&on, &e, 5, (uint8_t[16]){1}, t.shop.arena), NBX_OK);
    cr_assert_eq(nbx_fold_end(&on, t.shop.arena), NBX_OK);
    cr_assert_eq(on.seen.n, a.seen.n + 1);
    cr_assert(nbx_str_eq(history_state(&t, &a), before));
}

/* What the classes of types say later does not change what happened. */
Test(customer_fold, an_events_effect_is_decided_once)
{
    struct nbx_event_type types[] = {
        {.name = {"view", 4}, .class = NBX_CLASS_NEGATIVE, .negative_below = NAN},
        {.name = {"buy", 3}, .class = NBX_CLASS_NEUTRAL, .negative_below = NAN}};
    struct nbx_vocabulary_options options = {.types = types, .n_types = 2};
    struct nbx_vocabulary *other;
    town_observe(&t, "anna", "{type:'view',item:'a'},{type:'buy',item:'b',rating:1}");
    cr_assert_eq(nbx_vocabulary_new(&other, t.shop.f.store, &options), NBX_OK);
    t.scope.vocabulary = other;
    check_rebuild("anna");
    t.scope.vocabulary = t.vocabulary;
    nbx_vocabulary_destroy(&other);
}

static void put_old(enum nbx_family family, const struct nbx_key *key, const char *bytes, size_t n)
{
    nbx_batch_put(t.shop.f.batch, family, nbx_key_str(key), 1,
                  (struct nbx_str){bytes, (uint32_t)n});
}

Test(customer_fold, damage_among_the_events_is_told)
{
    struct nbx_fold fold;
    town_observe(&t, "anna", "{type:'view',item:'a'}");
    uint64_t number = town_profile(&t, "anna").number;
    struct nbx_key key = nbx_key_customer(number); /* no time, no id */
    put_old(NBX_FAMILY_EVENTS, &key, "", 0);
    fixture_write(&t.shop.f);
    cr_assert_eq(nbx_rebuild(&fold, &t.scope, number, NULL, NULL), NBX_ECORRUPT);
}
