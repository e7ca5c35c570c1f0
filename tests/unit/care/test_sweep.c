/* SPDX-License-Identifier: MIT
 * Retention: events go into a base, and nothing but what is kept tells when. (Of engine/customer;
 * it stands here, where what is left can be verified.)
 */
#include "engine/care/verify.h"
#include "engine/store/log_record.h"
#include "tests/unit/decide/histories.h"

#define N_ROUNDS   20
#define N_AT_ONCE  25
#define N_STEPS    14
#define KEEP_MS    (30 * TOWN_HOUR_MS)
#define MOST       4 /* events of a type */
#define SWEEP_SEED 20261127u

static struct town t, other; /* other: swept only where something asks for it, and at the end */

static void set_keeping(struct town *town)
{
    nbx_customers_keep(town->customers, KEEP_MS, MOST);
}

static void begin(void)
{
    struct town *towns[] = {&t, &other};
    for (int i = 0; i < 2; i++) {
        history_town(towns[i]);
        set_keeping(towns[i]);
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

TestSuite(sweep, .init = begin, .fini = end, .timeout = 600);

static void found(void *ctx, const struct nbx_finding *finding)
{
    (void)ctx;
    cr_assert(false, "%s: %s", nbx_family_name(finding->family), finding->what);
}

static void verify(const struct town *town)
{
    struct nbx_verified verified;
    struct nbx_verify_options options = {
        .now_ms = town->scope.now_ms, .event_retention_ms = KEEP_MS, .found = found};
    cr_assert_eq(nbx_verify(&verified, town->shop.f.store, &options), NBX_OK);
}

/* Keys, and values where they say nothing of the log, of a whole family. */
static struct nbx_str contents_of(struct town *town, enum nbx_family family, bool values)
{
    struct nbx_buf b = {0};
    struct nbx_cursor *cursor;
    struct nbx_str key, none = {0};
    struct nbx_stored stored;
    cr_assert_eq(nbx_cursor_open(&cursor, town->shop.f.store, family, none, none, false), NBX_OK);
    while (nbx_cursor_next(cursor, &key, &stored) == NBX_OK) {
        nbx_buf_put(&b, key.p, key.len);
        if (values)
            nbx_buf_put(&b, stored.payload.p, stored.payload.len);
    }
    nbx_cursor_close(&cursor);
    struct nbx_str s =
        nbx_arena_str(town->shop.arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return s;
}

static bool same_contents(enum nbx_family family, bool values)
{
    return nbx_str_eq(contents_of(&t, family, values), contents_of(&other, family, values));
}

struct life {
    char name[16];
    struct history_event e[HISTORY_MAX]; /* by time */
    uint32_t n, sent;
};

static struct nbx_observed send(struct town *town, const struct life *l, uint32_t from, uint32_t to)
{
    struct nbx_buf text = {0};
    for (uint32_t i = from; i < to; i++)
        history_print(&text, &l->e[i]);
    return history_send(town, l->name, &text);
}

/* The same to both: it must come to the same. */
static void send_both(const struct life *l, uint32_t from, uint32_t to)
{
    if (from == to)
        return;
    struct nbx_observed a = send(&t, l, from, to), b = send(&other, l, from, to);
    cr_assert_eq(a.applied, b.applied, "%s: %u, %u", l->name, a.applied, b.applied);
    cr_assert_eq(a.duplicates, b.duplicates);
}

static struct nbx_retracted retract(struct town *town, const struct life *l, uint32_t i)
{
    char id[16];
    struct nbx_str ids[] = {{id, 0}};
    struct nbx_retracted done;
    struct nbx_retraction what = {.ids = ids, .n_ids = 1};
    struct nbx_profile p = town_profile(town, l->name);
    ids[0].len = (uint32_t)snprintf(id, sizeof id, "e%u", l->e[i].id);
    if (i == 0)
        what = (struct nbx_retraction){.all = true};
    cr_assert_eq(nbx_retract(&done, &town->scope, &p, &what), NBX_OK);
    return done;
}

static void retract_both(const struct life *l, uint32_t i)
{
    struct nbx_retracted a = retract(&t, l, i), b = retract(&other, l, i);
    cr_assert_eq(a.retracted, b.retracted, "%s: %u, %u", l->name, a.retracted, b.retracted);
    cr_assert_eq(a.unknown, b.unknown);
}

static void compare(const struct life *l)
{
    struct nbx_profile a = town_profile(&t, l->name), b = town_profile(&other, l->name);
    cr_assert_eq(a.known, b.known, "%s", l->name);
    cr_assert(nbx_str_eq(history_state(&t, &a), history_state(&other, &b)), "%s", l->name);
}

/* What happened since the last step comes, and now and then something that came before. */
static void live_on(struct life *l, int64_t now_ms, struct nbx_random *r)
{
    uint32_t from = l->sent;
    while (l->sent < l->n && l->e[l->sent].time_ms <= now_ms)
        l->sent++;
    send_both(l, from, l->sent);
    if (l->sent && nbx_random_below(r, 3) == 0) {
        uint32_t again = (uint32_t)nbx_random_below(r, l->sent);
        send_both(l, again, again + 1);
    }
    if (l->sent && nbx_random_below(r, 6) == 0)
        retract_both(l, (uint32_t)nbx_random_below(r, l->sent));
    compare(l);
}

static void reset_arenas(void)
{
    nbx_arena_reset(t.shop.arena);
    nbx_arena_reset(other.shop.arena);
}

static void live_through(struct life *lives, struct nbx_random *r)
{
    int64_t from_ms = SHOP_NOW - 200 * TOWN_HOUR_MS;
    for (int step = 0; step < N_STEPS; step++) {
        int64_t now_ms = from_ms + step * 12 * TOWN_HOUR_MS;
        t.scope.now_ms = other.scope.now_ms = now_ms;
        for (int i = 0; i < N_AT_ONCE; i++) {
            reset_arenas();
            live_on(&lives[i], now_ms, r);
        }
        if (nbx_random_below(r, 2))
            town_sweep(&t, 1 + (uint32_t)nbx_random_below(r, 3));
        if (nbx_random_below(r, 4) == 0) {
            town_reopen(&t);
            set_keeping(&t);
            t.scope.now_ms = now_ms;
        }
    }
}

Test(sweep, when_it_comes_makes_no_difference_to_anything)
{
    static struct life lives[N_AT_ONCE];
    struct nbx_random r;
    nbx_random_init(&r, SWEEP_SEED);
    cr_log_info("seed %u", SWEEP_SEED);
    for (int round = 0; round < N_ROUNDS; round++) {
        for (int i = 0; i < N_AT_ONCE; i++) {
            lives[i] = (struct life){0};
            snprintf(lives[i].name, sizeof lives[i].name, "c%d-%d", round, i);
            lives[i].n = history_make(lives[i].e, &r);
        }
        live_through(lives, &r);
        town_sweep(&t, 5);
        town_sweep(&other, 5);
        reset_arenas();
        cr_assert(same_contents(NBX_FAMILY_EVENTS, false), "round %d", round);
        cr_assert(same_contents(NBX_FAMILY_BASES, true), "round %d", round);
        verify(&t);
    }
    verify(&other);
    cr_assert_gt(contents_of(&t, NBX_FAMILY_BASES, true).len, 0);
}

static struct nbx_observed observe_at(const char *type, const char *id, int64_t time_ms)
{
    char text[128];
    snprintf(text, sizeof text, "{id:'%s',type:'%s',item:'i01',time:%lld}", id, type,
             (long long)time_ms);
    return town_observe(&t, "anna", text);
}

static size_t count_keys(enum nbx_family family)
{
    struct nbx_cursor *cursor;
    struct nbx_str key, none = {0};
    struct nbx_stored stored;
    size_t n = 0;
    cr_assert_eq(nbx_cursor_open(&cursor, t.shop.f.store, family, none, none, false), NBX_OK);
    while (nbx_cursor_next(cursor, &key, &stored) == NBX_OK)
        n++;
    nbx_cursor_close(&cursor);
    return n;
}

/* 2,500 views, more than leave in one batch. */
Test(sweep, many_views_push_no_purchase_out)
{
    char id[16];
    observe_at("buy", "first", SHOP_NOW - 10000);
    for (int i = 0; i < 2500; i++) {
        nbx_arena_reset(t.shop.arena);
        snprintf(id, sizeof id, "v%d", i);
        observe_at("view", id, SHOP_NOW - 5000 + i);
    }
    struct nbx_profile p = town_profile(&t, "anna");
    struct nbx_str before = history_state(&t, &p);
    town_sweep(&t, 1);
    cr_assert_eq(count_keys(NBX_FAMILY_EVENTS), MOST + 1);
    cr_assert_eq(count_keys(NBX_FAMILY_EVENT_IDS), 2501, "an id that may come again is known");
    cr_assert_eq(observe_at("view", "v0", SHOP_NOW).duplicates, 1);
    cr_assert_eq(observe_at("buy", "first", SHOP_NOW).duplicates, 1);
    p = town_profile(&t, "anna");
    cr_assert(nbx_str_eq(history_state(&t, &p), before));
    verify(&t);
}

Test(sweep, who_is_forgotten_leaves_no_base_and_nothing_in_the_log)
{
    struct nbx_forgetting done;
    char id[16];
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "v%d", i);
        observe_at("view", id, SHOP_NOW - 5000 + i);
    }
    town_sweep(&t, 1);
    cr_assert_eq(count_keys(NBX_FAMILY_BASES), 1);
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("anna")), NBX_OK);
    cr_assert(done.forgotten);
    cr_assert_eq(count_keys(NBX_FAMILY_BASES), 0);
    cr_assert_eq(count_keys(NBX_FAMILY_EVENT_IDS), 0);
    cr_assert_gt(done.seq, 10);
    for (uint64_t s = 1; s < done.seq; s++) {
        struct nbx_log_record entry;
        uint64_t first;
        cr_assert_eq(nbx_log_find(&entry, &first, t.shop.f.store, nbx_group_of(NBX_STR("anna")), s,
                                  t.shop.arena),
                     NBX_OK);
        cr_assert_eq(entry.kind, NBX_LOG_GONE, "%d", (int)s);
    }
}

/* An event that cannot be read, before all others of the customer. */
static void damage(const char *customer)
{
    static const uint8_t least[16];
    struct nbx_key key = nbx_key_event(town_profile(&t, customer).number, 1, least);
    nbx_batch_put(t.shop.f.batch, NBX_FAMILY_EVENTS, nbx_key_str(&key), 3, NBX_STR("\377"));
    fixture_write(&t.shop.f);
}

Test(sweep, damage_keeps_nobody_else_from_being_swept_or_the_customer_from_being_forgotten)
{
    struct nbx_forgetting done;
    char others[2][16] = {""};
    int n = 0;
    observe_at("view", "a", SHOP_NOW);
    for (int i = 0; n < 2; i++) { /* of the same group, so behind her */
        snprintf(others[n], sizeof others[n], "c%d", i);
        n += nbx_group_of(nbx_str_c(others[n])) == nbx_group_of(NBX_STR("anna"));
    }
    for (int i = 0; i < 2; i++)
        town_observe(&t, others[i], "{type:'view',item:'i01'}");
    damage("anna");
    t.scope.now_ms = SHOP_NOW + KEEP_MS + 1;
    town_sweep(&t, 1);
    cr_assert_eq(count_keys(NBX_FAMILY_BASES), 2, "of the others");
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("anna")), NBX_OK);
    cr_assert(done.forgotten);
    cr_assert_eq(count_keys(NBX_FAMILY_EVENTS), 0);
    verify(&t);
}

/* Told by when it came, not only by when it happened; what is ahead is not old either. */
Test(sweep, an_event_that_came_late_is_kept_for_as_long)
{
    observe_at("view", "late", SHOP_NOW - 1000 * TOWN_HOUR_MS);
    observe_at("view", "ahead", SHOP_NOW + 24 * TOWN_HOUR_MS);
    town_sweep(&t, 1);
    cr_assert_eq(count_keys(NBX_FAMILY_EVENTS), 2);
    t.scope.now_ms = SHOP_NOW + KEEP_MS + 1;
    town_sweep(&t, 1);
    cr_assert_eq(count_keys(NBX_FAMILY_EVENTS), 1);
    cr_assert_eq(count_keys(NBX_FAMILY_DUE), 1);
    cr_assert_eq(count_keys(NBX_FAMILY_BASES), 1);
    verify(&t);
}

Test(sweep, events_of_nobody_leave_with_their_ids)
{
    struct nbx_observe_req req;
    struct nbx_observed out = {0};
    cr_assert_eq(nbx_message_observe(
                     &req, town_body(&t, "{events:[{id:'e1',type:'view',item:'i01',time:5}]}"),
                     false, t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_observe_anonymous(&out, &t.scope, 9, &req.events), NBX_OK);
    town_sweep(&t, 1);
    cr_assert_eq(count_keys(NBX_FAMILY_EVENTS), 1);
    t.scope.now_ms = SHOP_NOW + KEEP_MS + 1;
    town_sweep(&t, 1);
    cr_assert_eq(count_keys(NBX_FAMILY_EVENTS), 0);
    cr_assert_eq(count_keys(NBX_FAMILY_EVENT_IDS), 0);
    cr_assert_eq(count_keys(NBX_FAMILY_BASES), 0);
}

Test(sweep, what_is_past_cannot_be_retracted_and_counts_on)
{
    struct nbx_str id = NBX_STR("old");
    struct nbx_retraction what = {.ids = &id, .n_ids = 1};
    struct nbx_retracted done;
    observe_at("view", "old", SHOP_NOW - 5);
    t.scope.now_ms = SHOP_NOW + KEEP_MS + 1;
    observe_at("view", "new", t.scope.now_ms);
    struct nbx_profile p = town_profile(&t, "anna");
    struct nbx_str before = history_state(&t, &p);
    cr_assert_eq(nbx_retract(&done, &t.scope, &p, &what), NBX_OK);
    cr_assert_eq(done.retracted, 0);
    cr_assert_eq(done.unknown, 1);
    p = town_profile(&t, "anna");
    cr_assert(nbx_str_eq(history_state(&t, &p), before));
    cr_assert_eq(p.head.totals.types[0].n, 2);
    what = (struct nbx_retraction){.all = true};
    cr_assert_eq(nbx_retract(&done, &t.scope, &p, &what), NBX_OK);
    cr_assert_eq(done.retracted, 1);
    cr_assert_eq(town_profile(&t, "anna").head.totals.types[0].n, 1, "the base's");
    verify(&t);
}
