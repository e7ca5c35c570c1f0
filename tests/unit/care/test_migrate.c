/* SPDX-License-Identifier: MIT
 * Folders of format 1, kept as the writes that make them, become what they were if they had been of
 * today's format all along. (Of engine/customer; it stands here, where the result can be verified.)
 */
#include "engine/care/verify.h"
#include "engine/customer/migrate.h"
#include "engine/customer/rebuild.h"
#include "tests/unit/decide/histories.h"

#define MIGRATE_SEED 20261128u
#define N_CUSTOMERS  400
#define KEEP_MS      (24 * TOWN_HOUR_MS) /* all histories are older */

static struct town t, other; /* other: migrated without a stop */

static void intern_items(struct town *town)
{
    uint32_t item_no;
    char id[8];
    for (int i = 0; i < HISTORY_ITEMS; i++) {
        snprintf(id, sizeof id, "i%02d", i);
        cr_assert_eq(nbx_ids_intern(town->shop.ids, nbx_str_c(id), &item_no), NBX_OK);
    }
}

static void begin(void)
{
    history_town(&t);
    history_town(&other);
}

static void end(void)
{
    town_end(&t);
    town_end(&other);
}

TestSuite(migrate, .init = begin, .fini = end, .timeout = 600);

/* What format 1 did not have is not there. */
static void make_format_1(struct town *town)
{
    cr_assert_eq(nbx_store_raise_format(town->shop.f.store, 1), NBX_OK);
    town_reopen(town);
    cr_assert_eq(nbx_store_format(town->shop.f.store), 1);
}

/* One batch; true: it was the last. */
static bool migrate_once(struct town *town, uint32_t *group)
{
    bool done;
    struct nbx_customer_scope scope = town->scope;
    scope.arena = nbx_arena_new((size_t)64 << 20);
    cr_assert_eq(nbx_migrate_2(&scope, group, &done), NBX_OK);
    nbx_arena_destroy(&scope.arena);
    return done;
}

static void migrate(struct town *town)
{
    uint32_t group = 0;
    while (!migrate_once(town, &group))
        continue;
    cr_assert_eq(nbx_store_format(town->shop.f.store), 2);
}

static void found(void *ctx, const struct nbx_finding *finding)
{
    (void)ctx;
    cr_assert(false, "%s: %s", nbx_family_name(finding->family), finding->what);
}

static void verify(const struct town *town)
{
    struct nbx_verified verified;
    struct nbx_verify_options options = {
        .now_ms = SHOP_NOW, .event_retention_ms = KEEP_MS, .found = found};
    cr_assert_eq(nbx_verify(&verified, town->shop.f.store, &options), NBX_OK);
}

/* What is stored is the fold of base and events. */
static void check_rebuild(const char *customer)
{
    struct nbx_profile p = town_profile(&t, customer), anew = p;
    struct nbx_fold fold;
    cr_assert_eq(nbx_rebuild(&fold, &t.scope, p.number, NULL, NULL), NBX_OK);
    anew.seen = fold.seen;
    anew.head.totals = fold.totals;
    cr_assert(nbx_str_eq(history_state(&t, &p), history_state(&t, &anew)), "of %s", customer);
}

/* Takes some of the customer's events away, as their retention did. */
static void expire_some(struct town *town, uint64_t number, const struct history_event *e,
                        uint32_t n, struct nbx_random *r)
{
    for (uint32_t i = 0; i < n; i++) {
        uint8_t hash[16];
        char id[16];
        if (nbx_random_below(r, 3))
            continue;
        nbx_hash128(id, (size_t)snprintf(id, sizeof id, "e%u", e[i].id), hash);
        struct nbx_key key = nbx_key_event(number, e[i].time_ms, hash);
        nbx_batch_delete(town->shop.f.batch, NBX_FAMILY_EVENTS, nbx_key_str(&key));
    }
    fixture_write(&town->shop.f);
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
    key = nbx_key_meta_group("seq", group);
    nbx_record_u64_put(t.shop.f.batch, NBX_FAMILY_META, nbx_key_str(&key), 5);
    char head[] = {64,    4,  id[0], id[1], id[2],
                   id[3], 20, 5,     60}; /* created at 10, five events, the last 30 later */
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

/* History by history, in both towns alike. */
static void fill(struct town *town, struct nbx_random *r)
{
    intern_items(town);
    for (int i = 0; i < N_CUSTOMERS; i++) {
        struct history_event e[HISTORY_MAX];
        char name[16];
        nbx_arena_reset(town->shop.arena);
        snprintf(name, sizeof name, "c%d", i);
        uint32_t n = history_make(e, r);
        history_send_all(town, name, e, n, r);
        expire_some(town, town_profile(town, name).number, e, n, r);
    }
    make_format_1(town);
}

static void fill_both(void)
{
    struct nbx_random r;
    cr_log_info("seed %u", MIGRATE_SEED);
    nbx_random_init(&r, MIGRATE_SEED);
    fill(&t, &r);
    nbx_random_init(&r, MIGRATE_SEED);
    fill(&other, &r);
}

static struct nbx_str contents_of(struct town *town, enum nbx_family family)
{
    struct nbx_buf b = {0};
    struct nbx_cursor *cursor;
    struct nbx_str key, none = {0};
    struct nbx_stored stored;
    cr_assert_eq(nbx_cursor_open(&cursor, town->shop.f.store, family, none, none, false), NBX_OK);
    while (nbx_cursor_next(cursor, &key, &stored) == NBX_OK) {
        if (key.len > 14 && memcmp(key.p, "forgotten_salt", 14) == 0)
            continue; /* each folder has its own */
        nbx_buf_put(&b, key.p, key.len);
        nbx_buf_put_u8(&b, stored.version);
        nbx_buf_put(&b, stored.payload.p, stored.payload.len);
    }
    nbx_cursor_close(&cursor);
    struct nbx_str s =
        nbx_arena_str(town->shop.arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return s;
}

/* State stays as it was, to the byte; what had no events any more has a base now. */
Test(migrate, what_came_of_events_that_are_kept_no_longer_is_carried_over)
{
    fill_both();
    migrate(&t);
    cr_assert_gt(contents_of(&t, NBX_FAMILY_BASES).len, 0);
    for (int i = 0; i < N_CUSTOMERS; i++) {
        char name[16];
        nbx_arena_reset(t.shop.arena);
        nbx_arena_reset(other.shop.arena);
        snprintf(name, sizeof name, "c%d", i);
        struct nbx_profile a = town_profile(&t, name), b = town_profile(&other, name);
        cr_assert(nbx_str_eq(history_state(&t, &a), history_state(&other, &b)), "%s", name);
        check_rebuild(name);
    }
    verify(&t);
    town_reopen(&t);
    cr_assert_eq(nbx_store_format(t.shop.f.store), 2);
    verify(&t);
}

Test(migrate, it_can_be_stopped_after_every_batch)
{
    static const enum nbx_family families[] = {
        NBX_FAMILY_META,  NBX_FAMILY_CUSTOMERS, NBX_FAMILY_SEEN,   NBX_FAMILY_EVENTS,
        NBX_FAMILY_BASES, NBX_FAMILY_EVENT_IDS, NBX_FAMILY_TRENDS, NBX_FAMILY_IDENTITIES};
    int stops = 0;
    fill_both();
    for (uint32_t group = 0; !migrate_once(&t, &group); stops++, group = 0) {
        cr_assert_eq(nbx_store_format(t.shop.f.store), 1, "not before it is done");
        town_reopen(&t);
    }
    migrate(&other);
    cr_assert_geq(stops, N_CUSTOMERS / 64);
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        cr_assert(nbx_str_eq(contents_of(&t, families[i]), contents_of(&other, families[i])), "%s",
                  nbx_family_name(families[i]));
}

Test(migrate, a_customer_of_version_1_is_as_of_today)
{
    static const struct nbx_str ids[] = {{"b", 1}, {"c", 1}};
    struct nbx_retraction what = {.ids = ids, .n_ids = 2};
    struct nbx_retracted done;
    intern_three();
    put_old_customer("anna");
    make_format_1(&t);
    cr_assert(town_profile(&t, "anna").head.totals_unknown);
    migrate(&t);
    check_old("anna");
    check_rebuild("anna");
    verify(&t);
    cr_assert_eq(town_observe(&t, "anna", "{id:'b',type:'view',item:'i1',time:40}").duplicates, 1);
    struct nbx_profile p = town_profile(&t, "anna");
    cr_assert_eq(nbx_retract(&done, &t.scope, &p, &what), NBX_OK);
    cr_assert_eq(done.retracted, 2);
    p = town_profile(&t, "anna");
    cr_assert_eq(p.seen.n, 2, "item 1, and 3, whose view is kept no longer");
    cr_assert_eq(p.seen.entries[0].last_ms, 20);
    cr_assert_eq(p.seen.entries[1].item_no, 3);
}

/* What an event of version 1 did is decided once, by the types of the day it is written anew. */
Test(migrate, later_types_change_nothing)
{
    struct nbx_event_type types[] = {
        {.name = {"view", 4}, .class = NBX_CLASS_NEGATIVE, .negative_below = NAN}};
    struct nbx_vocabulary_options options = {.types = types, .n_types = 1};
    struct nbx_vocabulary *changed;
    intern_three();
    put_old_customer("anna");
    make_format_1(&t);
    migrate(&t);
    cr_assert_eq(nbx_vocabulary_new(&changed, t.shop.f.store, &options), NBX_OK);
    t.scope.vocabulary = changed;
    check_rebuild("anna");
    t.scope.vocabulary = t.vocabulary;
    nbx_vocabulary_destroy(&changed);
}

/* One who cannot be read stays as it is and keeps nobody from the new format. */
Test(migrate, damage_is_passed_over)
{
    struct nbx_key key;
    town_observe(&t, "anna", "{id:'a',type:'view',item:'a'}");
    town_observe(&t, "bert", "{id:'b',type:'view',item:'a'}");
    key = nbx_key_customer(town_profile(&t, "anna").number);
    nbx_batch_put(t.shop.f.batch, NBX_FAMILY_SEEN, nbx_key_str(&key), 2, NBX_STR("\377"));
    fixture_write(&t.shop.f);
    make_format_1(&t);
    migrate(&t);
    struct nbx_stored stored;
    cr_assert_eq(
        nbx_store_get(t.shop.f.store, NBX_FAMILY_SEEN, nbx_key_str(&key), t.shop.arena, &stored),
        NBX_OK);
    cr_assert(nbx_str_is(stored.payload, "\377"));
    check_rebuild("bert");
}
