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
    cr_assert_eq(nbx_rebuild(&fold, &t.scope, p.number, NULL, NULL, NULL), NBX_OK);
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

/* Takes some of the customer's events away, as their retention does. */
static void expire_some(uint64_t number, const struct history_event *e, uint32_t n,
                        struct nbx_random *r)
{
    for (uint32_t i = 0; i < n; i++) {
        uint8_t hash[16];
        char id[16];
        if (nbx_random_below(r, 3))
            continue;
        nbx_hash128(id, (size_t)snprintf(id, sizeof id, "e%u", e[i].id), hash);
        struct nbx_key key = nbx_key_event(number, e[i].time_ms, hash);
        nbx_batch_delete(t.shop.f.batch, NBX_FAMILY_EVENTS, nbx_key_str(&key));
    }
    fixture_write(&t.shop.f);
}

Test(customer_fold, what_came_of_events_that_are_kept_no_longer_is_carried_over)
{
    struct nbx_random r;
    nbx_random_init(&r, HISTORY_SEED + 1);
    cr_log_info("seed %u", HISTORY_SEED + 1);
    for (int i = 0; i < 500; i++) {
        struct history_event e[HISTORY_MAX];
        struct nbx_fold fold;
        char name[16];
        nbx_arena_reset(t.shop.arena);
        snprintf(name, sizeof name, "c%d", i);
        uint32_t n = history_make(e, &r);
        for (uint32_t k = 0; k < n; k++)
            history_send_one(&t, name, &e[k]);
        struct nbx_profile p = town_profile(&t, name), anew = p;
        struct nbx_fold stored = {.seen = p.seen, .totals = p.head.totals};
        expire_some(p.number, e, n, &r);
        cr_assert_eq(nbx_rebuild(&fold, &t.scope, p.number, &stored, NULL, NULL), NBX_OK);
        anew.seen = fold.seen;
        anew.head.totals = fold.totals;
        cr_assert(nbx_str_eq(history_state(&t, &p), history_state(&t, &anew)), "history %d", i);
    }
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

/* Version 1: an event without item or flags but those given here; all numbers below 64. */
static void put_old_event(uint64_t number, char id, uint16_t type_no, uint32_t item_no,
                          int64_t time_ms)
{
    uint8_t hash[16];
    char bytes[] = {0, 1, id, 1, 0, (char)type_no, (char)item_no};
    nbx_hash128(&id, 1, hash);
    struct nbx_key key = nbx_key_event(number, time_ms, hash);
    put_old(NBX_FAMILY_EVENTS, &key, bytes, sizeof bytes);
    key = nbx_key_event_id(number, hash);
    nbx_record_u64_put(t.shop.f.batch, NBX_FAMILY_EVENT_IDS, nbx_key_str(&key), (uint64_t)time_ms);
}

/* A customer as version 1 left one: two views, a dismissal, a neutral event; of items 1 to 3, of
 * which 3's view is kept no longer, and 1's was counted twice. */
static void put_old_customer(const char *id)
{
    uint8_t group = nbx_group_of(nbx_str_c(id));
    uint64_t number = NBX_CUSTOMER(group, 1);
    char view = (char)nbx_vocabulary_type(t.vocabulary, NBX_STR("view"))->no;
    char show = (char)nbx_vocabulary_type(t.vocabulary, NBX_STR("show"))->no;
    char dismiss = (char)nbx_vocabulary_type(t.vocabulary, NBX_STR("dismiss"))->no;
    struct nbx_key key = nbx_key_identity(NBX_STR(""), nbx_str_c(id));
    nbx_record_u64_put(t.shop.f.batch, NBX_FAMILY_IDENTITIES, nbx_key_str(&key), number);
    key = nbx_key_meta_group("serial", group);
    nbx_record_u64_put(t.shop.f.batch, NBX_FAMILY_META, nbx_key_str(&key), 1);
    char head[] = {64, 1, id[0], 20, 5, 60}; /* created at 10, five events, the last 30 later */
    char seen[] = {3,
                   5,
                   80,
                   1,
                   (char)(view << 4 | 2),
                   2,
                   0,
                   1,
                   (char)(dismiss << 4 | 1),
                   10,
                   1,
                   (char)(view << 4),
                   35}; /* newest 40 */
    key = nbx_key_customer(number);
    put_old(NBX_FAMILY_CUSTOMERS, &key, head, sizeof head);
    put_old(NBX_FAMILY_SEEN, &key, seen, sizeof seen);
    put_old_event(number, 'a', (uint16_t)view, 1, 20);
    put_old_event(number, 'b', (uint16_t)view, 1, 40);
    put_old_event(number, 'c', (uint16_t)dismiss, 2, 30);
    put_old_event(number, 'd', (uint16_t)show, 2, 35);
    fixture_write(&t.shop.f);
}

/* The same history, but for the event that is kept no longer, as it is sent today. */
static struct nbx_profile sent_today(const char *customer)
{
    town_observe(
        &t, customer,
        "{id:'a',type:'view',item:'i1',time:20},{id:'b',type:'view',item:'i1',time:40},"
        "{id:'c',type:'dismiss',item:'i2',time:30},{id:'d',type:'show',item:'i2',time:35}");
    return town_profile(&t, customer);
}

static void intern_three(void)
{
    uint32_t no;
    static const char *const names[] = {"i1", "i2", "i3"};
    for (uint32_t i = 0; i < 3; i++) {
        cr_assert_eq(nbx_ids_intern(t.shop.ids, nbx_str_c(names[i]), &no), NBX_OK);
        cr_assert_eq(no, i + 1);
    }
}

static void check_old(const char *customer)
{
    struct nbx_profile old = town_profile(&t, customer), today = sent_today("bert");
    struct nbx_seen_entry gone = {.item_no = 3,
                                  .type_no = nbx_vocabulary_type(t.vocabulary, NBX_STR("view"))->no,
                                  .last_ms = 5};
    cr_assert_not(old.head.totals_unknown);
    cr_assert_eq(old.head.put_ms, 10);
    today.head.put_ms = 10;
    cr_assert_eq(nbx_seen_join(&today.seen, &gone, 1, t.shop.arena), NBX_OK);
    cr_assert(nbx_str_eq(history_state(&t, &old), history_state(&t, &today)));
}

Test(customer_fold, a_customer_of_version_1_is_readable_and_as_of_today_after_the_next_event)
{
    intern_three();
    put_old_customer("anna");
    town_reopen(&t);
    struct nbx_profile old = town_profile(&t, "anna");
    cr_assert(old.known && old.head.totals_unknown);
    cr_assert_eq(old.seen.n, 3);
    cr_assert_eq(town_observe(&t, "anna", "{id:'b',type:'view',item:'i1',time:40}").duplicates, 1);
    cr_assert_eq(town_observe(&t, "anna", "{id:'e',type:'show',time:36}").applied, 1);
    sent_today("bert");
    town_observe(&t, "bert", "{id:'e',type:'show',time:36}");
    check_old("anna");
}

Test(customer_fold, a_customer_of_version_1_is_as_of_today_after_customer_put)
{
    struct nbx_customer_put_req req;
    uint64_t seq;
    intern_three();
    put_old_customer("anna");
    town_reopen(&t);
    cr_assert_eq(
        nbx_message_customer_put(&req, town_body(&t, "{attributes:{}}"), t.shop.arena, &t.fault),
        NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, NBX_STR("anna"), &req, &seq, &t.fault), NBX_OK);
    check_old("anna");
}

Test(customer_fold, events_of_version_1_can_be_retracted)
{
    static const struct nbx_str ids[] = {{"b", 1}, {"c", 1}};
    struct nbx_retraction what = {.ids = ids, .n_ids = 2};
    struct nbx_retracted done;
    intern_three();
    put_old_customer("anna");
    town_reopen(&t);
    struct nbx_profile p = town_profile(&t, "anna");
    cr_assert_eq(nbx_retract(&done, &t.scope, &p, &what), NBX_OK);
    cr_assert_eq(done.retracted, 2);
    p = town_profile(&t, "anna");
    cr_assert_not(p.head.totals_unknown);
    cr_assert_eq(p.seen.n, 2, "item 1, and 3, whose view is kept no longer");
    cr_assert_eq(p.seen.entries[0].last_ms, 20);
    cr_assert_eq(p.seen.entries[1].item_no, 3);
}

Test(customer_fold, damage_among_the_events_is_told)
{
    struct nbx_fold fold;
    town_observe(&t, "anna", "{type:'view',item:'a'}");
    uint64_t number = town_profile(&t, "anna").number;
    struct nbx_key key = nbx_key_customer(number); /* no time, no id */
    put_old(NBX_FAMILY_EVENTS, &key, "", 0);
    fixture_write(&t.shop.f);
    cr_assert_eq(nbx_rebuild(&fold, &t.scope, number, NULL, NULL, NULL), NBX_ECORRUPT);
}
