/* SPDX-License-Identifier: MIT
 * Events ahead of the clock: held, and once due as if they came only then. (Of engine/customer; it
 * stands here, where catalogue and customers are linked together.)
 */
#include "engine/store/log_record.h"
#include "tests/unit/decide/histories.h"

#define N_HISTORIES 2000
#define N_AT_ONCE   100
#define N_STEPS     12
#define MINUTE_MS   INT64_C(60000)
#define DAY_MS      (24 * TOWN_HOUR_MS)

static struct town t, other; /* other: gets events only when they are due */

/* Items by the same numbers in both: they stand in what is compared. */
static void begin(void)
{
    struct town *towns[] = {&t, &other};
    for (int i = 0; i < 2; i++) {
        history_town(towns[i]);
        for (int item = 0; item < HISTORY_ITEMS; item++) {
            uint32_t item_no;
            char id[8];
            snprintf(id, sizeof id, "i%02d", item);
            cr_assert_eq(nbx_ids_intern(towns[i]->shop.ids, nbx_str_c(id), &item_no), NBX_OK);
        }
    }
}

static void end(void)
{
    town_end(&t);
    town_end(&other);
}

TestSuite(held, .init = begin, .fini = end, .timeout = 600);

/* By an arena of its own: it is emptied. */
static uint32_t apply_due(int64_t now_ms)
{
    struct nbx_customer_scope scope = t.scope;
    uint32_t all = 0;
    t.scope.now_ms = scope.now_ms = now_ms;
    scope.arena = nbx_arena_new((size_t)16 << 20);
    for (unsigned g = 0; g < NBX_N_GROUPS; g++) {
        uint32_t applied;
        cr_assert_eq(nbx_due_apply(&scope, (uint8_t)g, &applied), NBX_OK);
        cr_assert_gt(nbx_due_at(t.customers, (uint8_t)g), now_ms);
        all += applied;
    }
    nbx_arena_destroy(&scope.arena);
    return all;
}

static size_t count_keys(enum nbx_family family)
{
    struct nbx_cursor *cursor;
    struct nbx_str key;
    struct nbx_stored stored;
    size_t n = 0;
    cr_assert_eq(nbx_cursor_open(&cursor, t.shop.f.store, family, (struct nbx_str){0},
                                 (struct nbx_str){0}, false),
                 NBX_OK);
    while (nbx_cursor_next(cursor, &key, &stored) == NBX_OK)
        n++;
    nbx_cursor_close(&cursor);
    return n;
}

/* A history whose events come in any order, many long before their time. */
struct plan {
    char name[16];
    struct history_event e[HISTORY_MAX];
    bool counts[HISTORY_MAX]; /* sent to the other town */
    uint32_t n, sent;
};

static void send_some(struct plan *p, bool all, struct nbx_random *r)
{
    uint32_t n = all ? p->n - p->sent : (uint32_t)nbx_random_below(r, p->n - p->sent + 1);
    struct nbx_buf text = {0};
    if (n == 0)
        return;
    for (uint32_t i = 0; i < n; i++)
        history_print(&text, &p->e[p->sent++]);
    history_print(&text, &p->e[nbx_random_below(r, p->sent)]);
    struct nbx_observed o = history_send(&t, p->name, &text);
    cr_assert_eq(o.applied + o.held, n);
    cr_assert_eq(o.duplicates, 1);
}

/* To the other town, each once it is due and came. */
static void send_due(struct plan *p, int64_t now_ms)
{
    other.scope.now_ms = now_ms;
    for (uint32_t i = 0; i < p->sent; i++) {
        if (p->counts[i] || p->e[i].time_ms > now_ms + NBX_AHEAD_MS)
            continue;
        history_send_one(&other, p->name, &p->e[i]);
        p->counts[i] = true;
    }
}

static void compare(const struct plan *p)
{
    struct nbx_profile a = town_profile(&t, p->name), b = town_profile(&other, p->name);
    cr_assert_eq(a.known, b.known, "%s", p->name);
    cr_assert(nbx_str_eq(history_state(&t, &a), history_state(&other, &b)), "%s", p->name);
}

static void compare_counts(void)
{
    cr_assert(nbx_str_eq(history_counts(&t), history_counts(&other)));
}

static void live_through(struct plan *plans, int64_t now_ms, bool last, struct nbx_random *r)
{
    t.scope.now_ms = now_ms;
    for (int i = 0; i < N_AT_ONCE; i++)
        send_some(&plans[i], last, r);
    if (nbx_random_below(r, 4) == 0)
        town_reopen(&t);
    apply_due(now_ms);
    for (int i = 0; i < N_AT_ONCE; i++) {
        nbx_arena_reset(t.shop.arena);
        nbx_arena_reset(other.shop.arena);
        send_due(&plans[i], now_ms);
        compare(&plans[i]);
    }
}

/* At every moment state is that of never having heard of what is yet to come. */
Test(held, how_long_before_its_time_an_event_comes_makes_no_difference)
{
    static struct plan plans[N_AT_ONCE];
    struct nbx_random r;
    nbx_random_init(&r, HISTORY_SEED);
    cr_log_info("seed %u", HISTORY_SEED);
    int64_t from_ms = SHOP_NOW - 201 * TOWN_HOUR_MS, to_ms = SHOP_NOW - 80 * TOWN_HOUR_MS;
    for (int first = 0; first < N_HISTORIES; first += N_AT_ONCE) {
        for (int i = 0; i < N_AT_ONCE; i++) {
            plans[i] = (struct plan){0};
            snprintf(plans[i].name, sizeof plans[i].name, "c%d", first + i);
            plans[i].n = history_make(plans[i].e, &r);
            history_shuffle(plans[i].e, plans[i].n, &r);
        }
        for (int step = 0; step <= N_STEPS; step++)
            live_through(plans, from_ms + (to_ms - from_ms) * step / N_STEPS, step == N_STEPS, &r);
        compare_counts();
        cr_assert_eq(count_keys(NBX_FAMILY_DUE), 0);
    }
}

static struct nbx_observed observe_at(const char *customer, const char *id, int64_t time_ms)
{
    char text[128];
    snprintf(text, sizeof text, "{id:'%s',type:'buy',item:'i01',time:%lld}", id,
             (long long)time_ms);
    return town_observe(&t, customer, text);
}

static struct nbx_retracted retract(const char *customer, const struct nbx_retraction *what)
{
    struct nbx_retracted done;
    struct nbx_profile p = town_profile(&t, customer);
    cr_assert_eq(nbx_retract(&done, &t.scope, &p, what), NBX_OK);
    return done;
}

Test(held, five_minutes_count_at_once_and_a_year_is_the_most)
{
    struct nbx_observed o = observe_at("anna", "e1", SHOP_NOW + NBX_AHEAD_MS);
    cr_assert_eq(o.applied, 1);
    cr_assert_eq(o.held, 0);
    o = observe_at("anna", "e2", SHOP_NOW + NBX_AHEAD_MS + 1);
    cr_assert_eq(o.applied, 0);
    cr_assert_eq(o.held, 1);
    cr_assert_eq(o.seq, 2);
    o = observe_at("anna", "e3", SHOP_NOW + NBX_AHEAD_MAX_MS);
    cr_assert_eq(o.held, 1);
    o = observe_at("anna", "e4", SHOP_NOW + NBX_AHEAD_MAX_MS + 1);
    cr_assert_eq(o.n_errors, 1);
    cr_assert_str_eq(o.errors[0].fault.field, "events[0].time");
    cr_assert_not_null(strstr(o.errors[0].fault.message, "more than 366 days ahead"));
    cr_assert_eq(town_profile(&t, "anna").head.totals.types[0].n, 1);
}

Test(held, becoming_due_takes_a_number_of_its_own)
{
    uint8_t group = nbx_group_of(NBX_STR("anna"));
    observe_at("anna", "e1", SHOP_NOW + DAY_MS);
    cr_assert_not(town_profile(&t, "anna").known, "nothing has come of it yet");
    cr_assert_eq(nbx_due_at(t.customers, group), SHOP_NOW + DAY_MS - NBX_AHEAD_MS);
    cr_assert_eq(apply_due(SHOP_NOW + DAY_MS - NBX_AHEAD_MS - 1), 0);
    cr_assert_eq(nbx_customers_seq(t.customers, group), 1);
    cr_assert_eq(apply_due(SHOP_NOW + DAY_MS - NBX_AHEAD_MS), 1);
    cr_assert_eq(nbx_customers_seq(t.customers, group), 2);
    cr_assert_eq(nbx_due_at(t.customers, group), INT64_MAX);
    struct nbx_profile p = town_profile(&t, "anna");
    cr_assert(p.known);
    cr_assert_eq(NBX_CUSTOMER_SERIAL(p.number), 1, "the number it was kept under");
    cr_assert_eq(p.seen.n, 1);
    cr_assert_eq(observe_at("anna", "e1", SHOP_NOW).duplicates, 1);
    cr_assert_eq(apply_due(SHOP_NOW + 2 * DAY_MS), 0);
}

Test(held, an_id_counts_once_whether_its_event_is_held_or_not)
{
    observe_at("anna", "e1", SHOP_NOW + DAY_MS);
    cr_assert_eq(observe_at("anna", "e1", SHOP_NOW + DAY_MS).duplicates, 1);
    cr_assert_eq(observe_at("anna", "e1", SHOP_NOW).duplicates, 1);
    town_reopen(&t);
    cr_assert_eq(observe_at("anna", "e1", SHOP_NOW).duplicates, 1);
    cr_assert_eq(apply_due(SHOP_NOW + DAY_MS), 1);
    cr_assert_eq(town_profile(&t, "anna").head.totals.types[0].n, 1);
}

/* With some at one moment, more than are looked at or applied together. */
Test(held, many_of_many_customers_become_due_at_once)
{
    char name[16], id[16];
    for (int i = 0; i < 1000; i++) {
        nbx_arena_reset(t.shop.arena);
        snprintf(name, sizeof name, "c%d", i % 7 == 0 ? 0 : i);
        snprintf(id, sizeof id, "e%d", i);
        cr_assert_eq(observe_at(name, id, SHOP_NOW + DAY_MS + i % 3).held, 1);
    }
    town_reopen(&t);
    cr_assert_eq(apply_due(SHOP_NOW + DAY_MS - NBX_AHEAD_MS + 1), 667);
    cr_assert_eq(apply_due(SHOP_NOW + DAY_MS), 333);
    cr_assert_eq(count_keys(NBX_FAMILY_DUE), 0);
    cr_assert_eq(town_profile(&t, "c0").head.totals.types[0].n, 143);
    cr_assert_eq(town_profile(&t, "c999").head.totals.types[0].n, 1);
}

Test(held, a_clock_set_back_lets_nothing_count_twice)
{
    observe_at("anna", "e1", SHOP_NOW + DAY_MS);
    observe_at("anna", "e2", SHOP_NOW + 3 * DAY_MS);
    cr_assert_eq(apply_due(SHOP_NOW + DAY_MS), 1);
    t.scope.now_ms = SHOP_NOW - 10 * DAY_MS;
    town_reopen(&t);
    t.scope.now_ms = SHOP_NOW - 10 * DAY_MS;
    cr_assert_eq(apply_due(SHOP_NOW - 10 * DAY_MS), 0);
    cr_assert_eq(observe_at("anna", "e1", SHOP_NOW).duplicates, 1);
    cr_assert_eq(observe_at("anna", "e3", SHOP_NOW).held, 1, "ahead by this clock");
    cr_assert_eq(town_profile(&t, "anna").head.totals.types[0].n, 1);
    cr_assert_eq(apply_due(SHOP_NOW + 3 * DAY_MS), 2);
    cr_assert_eq(town_profile(&t, "anna").head.totals.types[0].n, 3);
}

Test(held, what_is_retracted_before_it_is_due_never_counts)
{
    struct nbx_str ids[] = {NBX_STR("e1"), NBX_STR("e9")};
    const struct nbx_retraction by_id = {.ids = ids, .n_ids = 2}, all = {.all = true};
    observe_at("anna", "e1", SHOP_NOW + DAY_MS);
    struct nbx_retracted done = retract("anna", &by_id);
    cr_assert_eq(done.retracted, 1);
    cr_assert_eq(done.unknown, 1);
    cr_assert_not(town_profile(&t, "anna").known);
    cr_assert_eq(count_keys(NBX_FAMILY_EVENTS), 0);
    cr_assert_eq(observe_at("anna", "e1", SHOP_NOW).duplicates, 1);
    observe_at("anna", "e2", SHOP_NOW);
    observe_at("anna", "e3", SHOP_NOW + DAY_MS);
    cr_assert_eq(retract("anna", &all).retracted, 2);
    cr_assert_not(town_profile(&t, "anna").known);
    cr_assert_eq(count_keys(NBX_FAMILY_DUE), 0);
    cr_assert_eq(apply_due(SHOP_NOW + 2 * DAY_MS), 0);
    cr_assert_eq(history_counts(&t).len, 0);
}

/* What stays is not touched by what goes, whichever of them is held. */
Test(held, a_retraction_leaves_the_others_waiting)
{
    struct nbx_str held = NBX_STR("e2"), counted = NBX_STR("e1");
    observe_at("anna", "e1", SHOP_NOW);
    observe_at("anna", "e2", SHOP_NOW + DAY_MS);
    observe_at("anna", "e3", SHOP_NOW + DAY_MS);
    cr_assert_eq(retract("anna", &(struct nbx_retraction){.ids = &held, .n_ids = 1}).retracted, 1);
    cr_assert_eq(town_profile(&t, "anna").head.totals.types[0].n, 1);
    cr_assert_eq(retract("anna", &(struct nbx_retraction){.ids = &counted, .n_ids = 1}).retracted,
                 1);
    cr_assert_not(town_profile(&t, "anna").known, "a held one is nothing yet");
    cr_assert_eq(apply_due(SHOP_NOW + DAY_MS), 1);
    cr_assert_eq(town_profile(&t, "anna").head.totals.types[0].n, 1);
}

static enum nbx_log_kind kind_at(uint8_t group, uint64_t seq)
{
    struct nbx_log_record entry;
    uint64_t first;
    cr_assert_eq(nbx_log_find(&entry, &first, t.shop.f.store, group, seq, t.shop.arena), NBX_OK);
    cr_assert_eq(first, seq);
    return entry.kind;
}

/* Each has two entries, and nothing of either is left of who is forgotten. */
Test(held, the_log_knows_when_an_event_came_and_when_it_was_due)
{
    struct nbx_forgetting done;
    uint8_t group = nbx_group_of(NBX_STR("anna"));
    observe_at("anna", "e0", SHOP_NOW);
    observe_at("anna", "e1", SHOP_NOW + DAY_MS);
    cr_assert_eq(apply_due(SHOP_NOW + DAY_MS), 1);
    observe_at("anna", "e2", SHOP_NOW + 3 * DAY_MS);
    const enum nbx_log_kind before[] = {NBX_LOG_EVENTS, NBX_LOG_EVENTS, NBX_LOG_DUE,
                                        NBX_LOG_EVENTS};
    for (uint64_t i = 0; i < 4; i++)
        cr_assert_eq(kind_at(group, i + 1), before[i]);
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("anna")), NBX_OK);
    for (uint64_t i = 0; i < 4; i++)
        cr_assert_eq(kind_at(group, i + 1), NBX_LOG_GONE);
    cr_assert_eq(kind_at(group, 5), NBX_LOG_FORGET);
}

Test(held, who_is_forgotten_is_forgotten_with_what_is_held)
{
    struct nbx_forgetting done;
    observe_at("anna", "e1", SHOP_NOW + DAY_MS);
    observe_at("anna", "e2", SHOP_NOW);
    observe_at("anna", "e3", SHOP_NOW + 2 * DAY_MS);
    observe_at("bert", "e1", SHOP_NOW + DAY_MS);
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("anna")), NBX_OK);
    cr_assert(done.forgotten);
    cr_assert_eq(count_keys(NBX_FAMILY_DUE), 1);
    cr_assert_eq(apply_due(SHOP_NOW + 2 * DAY_MS), 1);
    cr_assert_not(town_profile(&t, "anna").known);
    cr_assert_eq(observe_at("anna", "e1", SHOP_NOW).applied, 1);
}

Test(held, anonymous_events_are_held_too)
{
    struct nbx_observe_req req;
    struct nbx_observed out = {0};
    char text[160];
    snprintf(text, sizeof text, "{events:[{id:'e1',type:'buy',item:'i01',time:%lld}]}",
             (long long)(SHOP_NOW + DAY_MS));
    cr_assert_eq(nbx_message_observe(&req, town_body(&t, text), false, t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_observe_anonymous(&out, &t.scope, 0, &req.events), NBX_OK);
    cr_assert_eq(out.held, 1);
    cr_assert_eq(history_counts(&t).len, 0);
    town_reopen(&t);
    cr_assert_eq(apply_due(SHOP_NOW + DAY_MS), 1);
    cr_assert_gt(history_counts(&t).len, 0);
    cr_assert_eq(nbx_observe_anonymous(&out, &t.scope, 7, &req.events), NBX_OK);
    cr_assert_eq(out.duplicates, 1);
}

/* What an event says is decided when it arrives. */
Test(held, a_changed_vocabulary_changes_nothing)
{
    struct nbx_event_type types[] = {
        {.name = {"buy", 3}, .class = NBX_CLASS_NEGATIVE, .weight = 7, .negative_below = NAN}};
    struct nbx_vocabulary_options options = {.types = types, .n_types = 1};
    struct nbx_vocabulary *changed;
    observe_at("anna", "e1", SHOP_NOW + DAY_MS);
    cr_assert_eq(nbx_vocabulary_new(&changed, t.shop.f.store, &options), NBX_OK);
    t.scope.vocabulary = changed;
    cr_assert_eq(apply_due(SHOP_NOW + DAY_MS), 1);
    t.scope.vocabulary = t.vocabulary;
    nbx_vocabulary_destroy(&changed);
    struct nbx_profile p = town_profile(&t, "anna");
    cr_assert_eq(p.seen.n, 1);
    cr_assert_not(p.seen.entries[0].negative);
}

Test(held, a_write_that_fails_leaves_it_waiting)
{
    uint32_t applied;
    uint8_t group = nbx_group_of(NBX_STR("anna"));
    observe_at("anna", "e1", SHOP_NOW + DAY_MS);
    t.scope.now_ms = SHOP_NOW + DAY_MS;
    t.scope.batch->ops.failed = true; /* as where memory is out */
    cr_assert_eq(nbx_due_apply(&t.scope, group, &applied), NBX_ELIMIT);
    cr_assert_eq(applied, 0);
    cr_assert_not(town_profile(&t, "anna").known);
    cr_assert_eq(history_counts(&t).len, 0);
    cr_assert_eq(nbx_customers_seq(t.customers, group), 1);
    cr_assert_eq(nbx_due_apply(&t.scope, group, &applied), NBX_OK);
    cr_assert_eq(applied, 1);
    cr_assert_eq(nbx_customers_seq(t.customers, group), 2);
}

/* Damage is passed over, what lies behind it is not. */
Test(held, damage_holds_nobody_else_up)
{
    struct nbx_key key = nbx_key_due_from(nbx_group_of(NBX_STR("anna")), SHOP_NOW + DAY_MS - 1);
    observe_at("anna", "e1", SHOP_NOW + DAY_MS);
    nbx_batch_put(t.shop.f.batch, NBX_FAMILY_DUE, nbx_key_str(&key), 1, NBX_STR("")); /* no id */
    fixture_write(&t.shop.f);
    struct nbx_profile p = town_profile(&t, "anna");
    uint8_t hash[16];
    nbx_hash128("e0", 2, hash);
    key = nbx_key_due(p.reserved, SHOP_NOW + DAY_MS - 2, hash);
    nbx_batch_put(t.shop.f.batch, NBX_FAMILY_DUE, nbx_key_str(&key), 1, NBX_STR("\004anna"));
    key = nbx_key_event(p.reserved, SHOP_NOW + DAY_MS - 2, hash);
    nbx_batch_put(t.shop.f.batch, NBX_FAMILY_EVENTS, nbx_key_str(&key), 3, NBX_STR("\377"));
    fixture_write(&t.shop.f);
    town_reopen(&t);
    cr_assert_eq(apply_due(SHOP_NOW + DAY_MS), 1);
    cr_assert_eq(count_keys(NBX_FAMILY_DUE), 2, "for verify to name");
    cr_assert_eq(town_profile(&t, "anna").head.totals.types[0].n, 1);
}
