/* SPDX-License-Identifier: MIT
 * Every change of a customer has its entry in the log, in order and without a gap; forgetting
 * leaves places and nothing else.
 */
#include "engine/base/hash.h"
#include "engine/care/verify.h"
#include "engine/store/log_record.h"
#include "tests/unit/decide/linking.h"

#define SEED        20261127u
#define N_COMMANDS  4000
#define N_CUSTOMERS 12
#define NOBODY      N_CUSTOMERS
#define N_IDS       200 /* that events of a customer have */

static struct town t;

/* What the log must hold of a group, in order. */
struct line {
    enum nbx_log_kind kind;
    int customer;
    uint32_t n;
};
struct ledger {
    struct line lines[N_COMMANDS + 1];
    size_t n;
};
static struct ledger ledgers[NBX_N_GROUPS];

static void begin(void)
{
    town_begin(&t);
    t.shop.f.options.event_retention_ms = 0;
    town_reopen(&t);
}

static void end(void)
{
    town_end(&t);
}

TestSuite(command_log, .init = begin, .fini = end, .timeout = 300);

static void found(void *ctx, const struct nbx_finding *finding)
{
    (void)ctx;
    cr_assert_fail("%s: %s", nbx_family_name(finding->family), finding->what);
}

static void verify(void)
{
    struct nbx_verified done;
    struct nbx_verify_options options = {.now_ms = SHOP_NOW, .found = found};
    cr_assert_eq(nbx_verify(&done, t.shop.f.store, &options), NBX_OK);
}

static struct nbx_log_record entry_at(uint16_t stream, uint64_t seq)
{
    struct nbx_log_record entry;
    struct nbx_stored stored;
    struct nbx_key key = nbx_key_log(stream, seq);
    cr_assert_eq(
        nbx_store_get(t.shop.f.store, NBX_FAMILY_LOG, nbx_key_str(&key), t.shop.arena, &stored),
        NBX_OK, "%u, %llu", stream, (unsigned long long)seq);
    cr_assert_eq(nbx_log_record_decode(&entry, &stored, t.shop.arena), NBX_OK);
    return entry;
}

static const char *name_of(int customer)
{
    static char name[16];
    snprintf(name, sizeof name, "customer-%d", customer);
    return name;
}

static void note(uint8_t group, enum nbx_log_kind kind, int customer, uint32_t n)
{
    struct ledger *l = &ledgers[group];
    if (n)
        l->lines[l->n++] = (struct line){kind, customer, n};
}

static void print_events(struct nbx_buf *text, struct nbx_random *r, int customer)
{
    for (uint64_t n = 1 + nbx_random_below(r, 4); n > 0; n--)
        nbx_buf_printf(text, "%s{id:'%s-%d',type:'view',item:'i%d',time:%lld}",
                       text->len ? "," : "", name_of(customer), (int)nbx_random_below(r, N_IDS),
                       (int)nbx_random_below(r, 9),
                       (long long)(SHOP_NOW - (int64_t)nbx_random_below(r, 1000)));
    nbx_buf_put_u8(text, '\0');
}

static uint32_t observe_nobody(uint8_t group, const char *events)
{
    char text[2048];
    struct nbx_observe_req req;
    struct nbx_observed out = {0};
    snprintf(text, sizeof text, "{events:[%s]}", events);
    cr_assert_eq(nbx_message_observe(&req, town_body(&t, text), false, t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_observe_anonymous(&out, &t.scope, group, &req.events), NBX_OK);
    return out.applied;
}

static void observe(struct nbx_random *r, int customer)
{
    struct nbx_buf text = {0};
    uint8_t group = customer == NOBODY ? 77 : nbx_group_of(nbx_str_c(name_of(customer)));
    print_events(&text, r, customer);
    uint32_t n = customer == NOBODY
                     ? observe_nobody(group, (const char *)text.p)
                     : town_observe(&t, name_of(customer), (const char *)text.p).applied;
    note(group, NBX_LOG_EVENTS, customer, n);
    nbx_buf_fini(&text);
}

static void put(const char *customer, const char *body)
{
    struct nbx_customer_put_req req;
    uint64_t seq;
    cr_assert_eq(nbx_message_customer_put(&req, town_body(&t, body), t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, nbx_str_c(customer), &req, &seq, &t.fault), NBX_OK);
}

static bool retract(struct nbx_random *r, int customer)
{
    char text[32];
    struct nbx_retracted done;
    struct nbx_profile profile = town_profile(&t, name_of(customer));
    uint64_t before = nbx_customers_seq(t.customers, NBX_CUSTOMER_GROUP(profile.number));
    snprintf(text, sizeof text, "%s-%d", name_of(customer), (int)nbx_random_below(r, N_IDS));
    struct nbx_str id = nbx_str_c(text);
    struct nbx_retraction what = {.ids = &id, .n_ids = 1};
    if (nbx_random_below(r, 4) == 0)
        what = (struct nbx_retraction){.all = true};
    cr_assert_eq(nbx_retract(&done, &t.scope, &profile, &what), NBX_OK);
    return done.seq > before;
}

static bool forget(int customer)
{
    struct nbx_forgetting done;
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, nbx_str_c(name_of(customer))), NBX_OK);
    struct ledger *l = &ledgers[nbx_group_of(nbx_str_c(name_of(customer)))];
    for (size_t i = 0; done.forgotten && i < l->n; i++)
        if (l->lines[i].customer == customer && l->lines[i].kind != NBX_LOG_FORGET)
            l->lines[i].kind = NBX_LOG_GONE;
    return done.forgotten;
}

/* The customer gets what links lead to where it has not got it, in an entry of its own. */
static void link_customers(int identity, int customer)
{
    char name[16];
    struct nbx_fault fault;
    struct nbx_linking done;
    snprintf(name, sizeof name, "%s", name_of(identity));
    struct nbx_link_record record = {.id = nbx_str_c(name), .type = NBX_STR("card")};
    uint8_t group = nbx_group_of(nbx_str_c(name_of(customer)));
    uint64_t before = nbx_customers_seq(t.customers, group);
    cr_assert_eq(nbx_link_accept(&t.scope, nbx_str_c(name_of(customer)), &fault), NBX_OK);
    note(group, NBX_LOG_LINK, customer, (uint32_t)(nbx_customers_seq(t.customers, group) - before));
    nbx_link(&done, &t.scope, &record, nbx_str_c(name_of(customer)), &fault);
    note(nbx_group_of(record.id), NBX_LOG_LINK, identity, done.changed);
}

static void unlink_customers(int identity, int customer)
{
    char name[16];
    struct nbx_fault fault;
    struct nbx_linking done;
    snprintf(name, sizeof name, "%s", name_of(identity));
    nbx_unlink(&done, &t.scope, nbx_str_c(name), nbx_str_c(name_of(customer)), &fault);
    note(nbx_group_of(nbx_str_c(name)), NBX_LOG_UNLINK, identity, done.changed);
}

static void any_command(struct nbx_random *r)
{
    int customer = (int)nbx_random_below(r, N_CUSTOMERS + 1);
    uint8_t group = nbx_group_of(nbx_str_c(name_of(customer)));
    uint64_t what = customer == NOBODY ? 0 : nbx_random_below(r, 46);
    if (what < 24) {
        observe(r, customer);
    } else if (what < 30) {
        put(name_of(customer), "{attributes:{a:1},channels:['web'],vector:[1,2],space:'main'}");
        note(group, NBX_LOG_PUT, customer, 1);
    } else if (what < 39) {
        note(group, NBX_LOG_RETRACT, customer, retract(r, customer));
    } else if (what < 40) {
        note(group, NBX_LOG_FORGET, customer, forget(customer));
    } else if (what < 43) {
        link_customers(customer, (int)nbx_random_below(r, N_CUSTOMERS));
    } else {
        unlink_customers(customer, (int)nbx_random_below(r, N_CUSTOMERS));
    }
}

static void compare(uint8_t group)
{
    const struct ledger *l = &ledgers[group];
    uint64_t seq = 1;
    for (size_t i = 0; i < l->n; i++) {
        nbx_arena_reset(t.shop.arena);
        struct nbx_log_record entry = entry_at(group, seq);
        cr_assert_eq(entry.kind, l->lines[i].kind, "group %u, %llu: %s, wanted %s", group,
                     (unsigned long long)seq, nbx_log_kind_name(entry.kind),
                     nbx_log_kind_name(l->lines[i].kind));
        cr_assert_eq(entry.n, l->lines[i].n);
        cr_assert_eq(entry.now_ms, SHOP_NOW);
        seq += entry.n;
    }
    cr_assert_eq(nbx_customers_seq(t.customers, group), seq - 1);
}

Test(command_log, every_command_has_its_place_whatever_comes)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    cr_log_info("seed %u", SEED);
    for (int i = 0; i < N_COMMANDS; i++) {
        nbx_arena_reset(t.shop.arena);
        any_command(&r);
        if (i % 500 == 499)
            town_reopen(&t);
    }
    for (int g = 0; g < NBX_N_GROUPS; g++)
        compare((uint8_t)g);
    verify();
}

/* The bytes anywhere among keys and values of the family; how often. */
static int count_bytes(enum nbx_family family, struct nbx_str bytes)
{
    struct nbx_cursor *cursor;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    int n = 0;
    cr_assert_eq(nbx_cursor_open(&cursor, t.shop.f.store, family, all, all, false), NBX_OK);
    while (nbx_cursor_next(cursor, &key, &stored) == NBX_OK)
        n += memmem(key.p, key.len, bytes.p, bytes.len) != NULL ||
             memmem(stored.payload.p, stored.payload.len, bytes.p, bytes.len) != NULL;
    nbx_cursor_close(&cursor);
    return n;
}

Test(command_log, what_was_forgotten_is_gone_from_it)
{
    struct nbx_retracted taken;
    struct nbx_retraction all = {.all = true};
    struct nbx_forgetting done;
    uint8_t hash[16];
    nbx_hash128("e1", 2, hash);
    town_observe(&t, "anna-marker", "{id:'e1',type:'view',item:'a'}");
    struct nbx_profile profile = town_profile(&t, "anna-marker");
    uint64_t number = profile.number;
    struct nbx_str own = {(const char *)&number, sizeof number}, id = {(const char *)hash, 16};
    cr_assert_eq(nbx_retract(&taken, &t.scope, &profile, &all), NBX_OK);
    put("anna-marker", "{attributes:{secret:'secret-marker'}}");
    town_observe(&t, "anna-marker", "{id:'e2',type:'view',item:'a'},{id:'e3',type:'buy',item:'a'}");
    cr_assert_eq(count_bytes(NBX_FAMILY_LOG, NBX_STR("anna-marker")), 1, "where it got its number");
    cr_assert_eq(count_bytes(NBX_FAMILY_LOG, NBX_STR("secret-marker")), 1);
    town_link(&t, "anna-marker", "bert", "card-marker");
    town_link(&t, "cleo", "anna-marker", "");
    town_unlink(&t, "anna-marker", "bert");
    cr_assert_eq(count_bytes(NBX_FAMILY_LOG, NBX_STR("card-marker")), 1);
    cr_assert_eq(count_bytes(NBX_FAMILY_LINKS, NBX_STR("anna-marker")), 1);
    cr_assert_eq(count_bytes(NBX_FAMILY_LOG, own), 4 + 3, "cleo's entry names the number too");
    cr_assert_eq(count_bytes(NBX_FAMILY_LOG, id), 2, "its event and its retraction");
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("anna-marker")), NBX_OK);
    cr_assert(done.forgotten && done.seq == 8);
    cr_assert_eq(count_bytes(NBX_FAMILY_LOG, NBX_STR("anna-marker")), 0);
    cr_assert_eq(count_bytes(NBX_FAMILY_LOG, NBX_STR("card-marker")), 0);
    cr_assert_eq(count_bytes(NBX_FAMILY_LINKS, NBX_STR("anna-marker")), 0);
    cr_assert_eq(count_bytes(NBX_FAMILY_LOG, NBX_STR("secret-marker")), 0);
    cr_assert_eq(count_bytes(NBX_FAMILY_LOG, id), 0);
    cr_assert_eq(count_bytes(NBX_FAMILY_LOG, own), 2, "that it was forgotten, and cleo's");
    struct nbx_log_record last = entry_at(NBX_CUSTOMER_GROUP(number), 8);
    cr_assert(last.kind == NBX_LOG_FORGET && last.number == number);
    struct nbx_key key = nbx_key_customer(number);
    cr_assert_eq(count_bytes(NBX_FAMILY_MENTIONS, nbx_key_str(&key)), 0);
    verify();
}

/* A customer.put stands in the log as a body that says the same. */
Test(command_log, a_put_stands_in_it_whole)
{
    struct nbx_customer_put_req req;
    struct nbx_buf b = {0};
    put("anna", "{attributes:{a:1,b:nil,c:['x','y']},consent:{mail:true},identities:{card:'7'},"
                "timezone:'UTC',locale:'de',channels:['web','store'],vector:[1,2,3],space:'main'}");
    struct nbx_log_record entry = entry_at(nbx_group_of(NBX_STR("anna")), 1);
    cr_assert_eq(entry.kind, NBX_LOG_PUT);
    cr_assert(nbx_str_is(entry.customer, "anna"));
    nbx_wire_value(&b, entry.body);
    struct nbx_body body = {b.p, b.len};
    cr_assert_eq(nbx_message_customer_put(&req, body, t.shop.arena, &t.fault), NBX_OK, "%s",
                 t.fault.message);
    cr_assert_eq(req.attributes->n, 3);
    cr_assert_eq(nbx_value_get(req.attributes, "b")->type, NBX_NIL);
    cr_assert(nbx_value_get(req.consent, "mail")->b);
    cr_assert(nbx_str_is(nbx_value_get(req.identities, "card")->s, "7"));
    cr_assert(nbx_str_is(req.timezone, "UTC") && nbx_str_is(req.locale, "de"));
    cr_assert(req.channels->n == 2 && nbx_str_is(req.channels->p[1], "store"));
    cr_assert(req.vector.n == 3 && req.vector.p[2] == 3 && nbx_str_is(req.vector.space, "main"));
    put("anna", "{channels:[]}");
    entry = entry_at(nbx_group_of(NBX_STR("anna")), 2);
    cr_assert_eq(entry.customer.len, 0, "it has its number");
    cr_assert_eq(entry.body->n, 1);
    nbx_buf_fini(&b);
}

Test(command_log, what_cannot_be_written_has_no_entry)
{
    struct nbx_profile profile;
    put("anna", "{locale:'de'}");
    t.scope.batch->ops.failed = true; /* as where memory is out */
    town_try_observe(&t, "anna", "{type:'view',item:'a'}", false, NBX_ELIMIT);
    profile = town_profile(&t, "anna");
    cr_assert_eq(nbx_customers_seq(t.customers, NBX_CUSTOMER_GROUP(profile.number)), 1);
    town_observe(&t, "anna", "{type:'view',item:'a'}");
    verify();
}

/* A folder that an older program wrote has commands and no log. */
Test(command_log, what_was_before_there_was_a_log_has_a_place)
{
    struct nbx_forgetting done;
    uint8_t group = nbx_group_of(NBX_STR("anna"));
    struct nbx_key from = nbx_key_log(0, 0), to = nbx_key_log(NBX_N_STREAMS, 0);
    town_observe(&t, "anna", "{type:'view',item:'a'},{type:'view',item:'b'}");
    town_observe(&t, "anna", "{type:'view',item:'c'}");
    nbx_batch_delete_range(t.shop.f.batch, NBX_FAMILY_LOG, nbx_key_str(&from), nbx_key_str(&to));
    from = nbx_key_customer(0);
    to = nbx_key_customer_end(UINT64_MAX);
    nbx_batch_delete_range(t.shop.f.batch, NBX_FAMILY_MENTIONS, nbx_key_str(&from),
                           nbx_key_str(&to));
    fixture_write(&t.shop.f);
    verify();
    for (int i = 0; i < 2; i++) {
        town_reopen(&t);
        struct nbx_log_record entry = entry_at(group, 1);
        cr_assert(entry.kind == NBX_LOG_GONE && entry.n == 3 && entry.reason == NBX_GONE_BEFORE);
        verify();
    }
    town_observe(&t, "anna", "{type:'view',item:'d'}");
    cr_assert_eq(entry_at(group, 4).kind, NBX_LOG_EVENTS);
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("anna")), NBX_OK);
    cr_assert(done.forgotten);
    cr_assert_eq(entry_at(group, 1).reason, NBX_GONE_BEFORE, "others' commands are in it too");
    cr_assert_eq(entry_at(group, 4).reason, NBX_GONE_FORGOTTEN);
    verify();
}
