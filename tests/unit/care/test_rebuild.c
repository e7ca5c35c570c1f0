/* SPDX-License-Identifier: MIT
 * State is what the commands come to: done again from the log it is the same, and in whatever
 * order the events of a history came.
 */
#include "engine/base/clock.h"
#include "engine/store/log_record.h"
#include "tests/unit/care/again.h"

#define SEED        20261128u
#define N_COMMANDS  3000
#define N_CUSTOMERS 15
#define N_ITEMS     9
#define NOBODY      N_CUSTOMERS

static uint64_t catalogue_seq;
static uint32_t n_due;    /* events that were held and became due */
static uint32_t n_linked; /* links made */

static void begin(void)
{
    again_begin();
    catalogue_seq = 0;
    n_linked = 0;
}

TestSuite(rebuild, .init = begin, .fini = again_end, .timeout = 600);

/* Changes of items as the keeper makes them, with their entry in the log. */
static void change_items(struct nbx_change *changes, uint32_t n)
{
    struct nbx_catalog *next;
    struct nbx_log_change logged[4];
    struct nbx_log_record entry = {
        .kind = NBX_LOG_ITEMS, .now_ms = t.shop.now_ms, .changes = logged};
    struct nbx_key seq = nbx_key_meta("catalogue_seq");
    struct nbx_change_time when = {t.shop.now_ms, ++catalogue_seq};
    cr_assert_eq(nbx_catalog_apply(&next, t.shop.c, changes, n, when, t.shop.f.batch), NBX_OK);
    for (uint32_t i = 0; i < n; i++)
        if (!changes[i].fault.code)
            logged[entry.n_changes++] = (struct nbx_log_change){(enum nbx_log_what)changes[i].kind,
                                                                changes[i].id, changes[i].fields};
    nbx_log_put(t.shop.f.batch, NBX_STREAM_CATALOGUE, catalogue_seq, &entry);
    nbx_record_u64_put(t.shop.f.batch, NBX_FAMILY_META, nbx_key_str(&seq), catalogue_seq);
    fixture_write(&t.shop.f);
    nbx_catalog_release(&t.shop.c);
    t.shop.c = next;
}

static void any_items(struct nbx_random *r)
{
    static const char *const bodies[] = {
        "{id:'%s',price:5,brand:'b',attributes:{size:%d}}",
        "{id:'%s',vector:[1,2.5,%d],categories:['x','y'],stock:{berlin:3}}",
        "{id:'%s',title:'t%d',price:nil}"};
    struct nbx_change changes[3];
    uint32_t n = 1 + (uint32_t)nbx_random_below(r, 3);
    for (uint32_t i = 0; i < n; i++) {
        char text[128], id[8];
        snprintf(id, sizeof id, "i%02d", (int)nbx_random_below(r, N_ITEMS));
        uint64_t kind = nbx_random_below(r, 5);
        const char *body = kind < 2 ? bodies[nbx_random_below(r, 2)] : bodies[2];
        snprintf(text, sizeof text, body, id, (int)nbx_random_below(r, 50));
        changes[i] = (struct nbx_change){.kind = kind < 2   ? NBX_CHANGE_PUT
                                                 : kind < 4 ? NBX_CHANGE_PATCH
                                                            : NBX_CHANGE_DELETE,
                                         .id = nbx_arena_str(t.shop.arena, nbx_str_c(id)),
                                         .fields = kind < 4 ? shop_value(&t.shop, text) : NULL};
    }
    change_items(changes, n);
}

static const char *name_of(int customer)
{
    static char name[16];
    snprintf(name, sizeof name, "customer-%d", customer);
    return name;
}

/* Now and then ahead of the clock, so that the event is held. */
static int64_t any_time(struct nbx_random *r)
{
    if (nbx_random_below(r, 6) == 0)
        return t.shop.now_ms + (int64_t)nbx_random_below(r, 5 * 60) * 60000;
    return t.shop.now_ms - (int64_t)nbx_random_below(r, 400) * TOWN_HOUR_MS;
}

static void observe(struct nbx_random *r, int customer)
{
    static const char *const types[] = {"view", "buy", "show", "dismiss"};
    struct nbx_buf text = {0};
    for (uint64_t n = 1 + nbx_random_below(r, 5); n > 0; n--) {
        nbx_buf_printf(&text, "%s{type:'%s',time:%lld,rating:%d%s", text.len ? "," : "",
                       types[nbx_random_below(r, 4)], (long long)any_time(r),
                       (int)nbx_random_below(r, 6), nbx_random_below(r, 2) ? ",channel:'web'" : "");
        if (nbx_random_below(r, 5))
            nbx_buf_printf(&text, ",item:'i%02d'", (int)nbx_random_below(r, N_ITEMS));
        if (nbx_random_below(r, 8))
            nbx_buf_printf(&text, ",id:'%s-e%d'", name_of(customer), (int)nbx_random_below(r, 300));
        nbx_buf_printf(&text, "}");
    }
    nbx_buf_put_u8(&text, '\0');
    if (customer == NOBODY) {
        char body[2048];
        struct nbx_observe_req req;
        struct nbx_observed out = {0};
        snprintf(body, sizeof body, "{events:[%s]}", (const char *)text.p);
        cr_assert_eq(nbx_message_observe(&req, town_body(&t, body), false, t.shop.arena, &t.fault),
                     NBX_OK, "%s %s", t.fault.field, t.fault.message);
        cr_assert_eq(
            nbx_observe_anonymous(&out, &t.scope, (uint8_t)nbx_random_below(r, 256), &req.events),
            NBX_OK);
    } else {
        town_observe(&t, name_of(customer), (const char *)text.p);
    }
    nbx_buf_fini(&text);
}

static void put(struct nbx_random *r, const char *customer)
{
    static const char *const bodies[] = {
        "{attributes:{a:1,b:'x'},locale:'de'}",
        "{attributes:{a:nil,c:['y']},timezone:'UTC'}",
        "{consent:{mail:true,personalise:false},identities:{card:'7'}}",
        "{consent:{personalise:true},channels:['web']}",
        "{vector:[1,2,0.5],space:'main'}",
        "{}"};
    struct nbx_customer_put_req req;
    uint64_t seq;
    struct nbx_body body = town_body(&t, bodies[nbx_random_below(r, 6)]);
    cr_assert_eq(nbx_message_customer_put(&req, body, t.shop.arena, &t.fault), NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, nbx_str_c(customer), &req, &seq, &t.fault), NBX_OK);
}

static bool covers(void *context, uint32_t item_no)
{
    return item_no % 4 == *(uint32_t *)context;
}

static void retract(struct nbx_random *r, int customer)
{
    char texts[3][32];
    struct nbx_str ids[3];
    struct nbx_retracted done;
    uint32_t rest = (uint32_t)nbx_random_below(r, 4);
    struct nbx_profile profile = town_profile(&t, name_of(customer));
    struct nbx_retraction what = {.ids = ids, .n_ids = 3};
    for (int i = 0; i < 3; i++) {
        snprintf(texts[i], sizeof texts[i], "%s-e%d", name_of(customer),
                 (int)nbx_random_below(r, 300));
        ids[i] = nbx_str_c(texts[i]);
    }
    switch (nbx_random_below(r, 30)) {
    case 0: what = (struct nbx_retraction){.all = true}; break;
    case 1: what = (struct nbx_retraction){.covers = covers, .context = &rest}; break;
    default: break;
    }
    cr_assert_eq(nbx_retract(&done, &t.scope, &profile, &what), NBX_OK);
}

/* Whoever is linked with the customer first, or nobody else. */
static void forget(int customer, bool alone)
{
    struct nbx_forgetting done;
    struct nbx_str ids[NBX_LINKED_MAX], id = nbx_str_c(name_of(customer));
    uint32_t n = alone ? 0 : town_linked(&t, name_of(customer), ids);
    for (uint32_t i = 0; i < n; i++)
        if (!nbx_str_eq(ids[i], id))
            cr_assert_eq(nbx_customer_forget_linked(&done, &t.scope, ids[i]), NBX_OK);
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, id), NBX_OK);
}

/* Two in five are undone; what cannot be done stays as it is. Some are linked before anything else
 * is known of them. */
static void change_links(struct nbx_random *r)
{
    static const char *const types[] = {"", "card", "device"};
    char identity[16];
    const char *customer = name_of((int)nbx_random_below(r, N_CUSTOMERS));
    if (nbx_random_below(r, 5) == 0)
        snprintf(identity, sizeof identity, "card-%d", (int)nbx_random_below(r, 5));
    else
        snprintf(identity, sizeof identity, "customer-%d", (int)nbx_random_below(r, N_CUSTOMERS));
    bool links = nbx_random_below(r, 5) < 3;
    enum nbx_err err = links ? town_try_link(&t, identity, customer, types[nbx_random_below(r, 3)])
                             : town_try_unlink(&t, identity, customer);
    cr_assert(err == NBX_OK || err == NBX_ECONFLICT, "%s", t.fault.message);
    n_linked += links && !err;
}

/* What was held and is due by now, as workers do it before anything else. */
static void apply_due(void)
{
    uint32_t applied;
    for (int g = 0; g < NBX_N_GROUPS; g++) {
        cr_assert_eq(nbx_due_apply(&t.scope, (uint8_t)g, &applied), NBX_OK);
        n_due += applied;
    }
}

static void any_command(struct nbx_random *r, bool forgets)
{
    int customer = (int)nbx_random_below(r, N_CUSTOMERS + 1);
    uint64_t what = customer == NOBODY ? 0 : nbx_random_below(r, 66);
    t.scope.now_ms = t.shop.now_ms += (int64_t)nbx_random_below(r, 4) * 60000;
    apply_due();
    if (nbx_random_below(r, 6) == 0)
        any_items(r);
    else if (what < 35)
        observe(r, customer);
    else if (what < 45)
        put(r, name_of(customer));
    else if (what < 51)
        change_links(r);
    else if (what < 65 || !forgets)
        retract(r, customer);
    else
        forget(customer, nbx_random_below(r, 3) == 0);
}

static void any_commands(struct nbx_random *r, int n, bool forgets)
{
    for (int i = 0; i < n; i++) {
        nbx_arena_reset(t.shop.arena);
        any_command(r, forgets);
        if (i % 500 == 499)
            reopen();
    }
}

Test(rebuild, the_log_done_again_is_the_state)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    cr_log_info("seed %u", SEED);
    any_commands(&r, N_COMMANDS, false);
    struct nbx_rebuilt done = rebuild("again");
    cr_assert_eq(done.differences, 0, "%s", told_text());
    cr_assert_gt(done.lines, 1000);
    cr_assert_gt(n_due, 100);
    cr_assert_gt(n_linked, 50);
    cr_assert_gt(done.commands, N_COMMANDS / 2);
    cr_assert_eq(done.as_stored, 0);
    cr_assert_not(done.items_as_stored || done.trends_as_stored);
    verify_beside("again");
    same_links_beside("again");
}

/* Of who was forgotten nothing is left that could be done again, nor anything that differs. */
Test(rebuild, also_where_customers_were_forgotten)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED + 1);
    any_commands(&r, N_COMMANDS, true);
    struct nbx_rebuilt done = rebuild("again");
    cr_assert_eq(done.differences, 0, "%s", told_text());
    cr_assert_eq(done.as_stored, 0);
    cr_assert_not(done.items_as_stored || done.trends_as_stored);
    verify_beside("again");
    same_links_beside("again");
}

/* One wrong number in each kind of state is seen. */
Test(rebuild, a_state_that_is_something_else_differs)
{
    struct nbx_random r;
    struct nbx_buf b = {0};
    nbx_random_init(&r, SEED);
    town_observe(&t, "anna",
                 "{id:'e1',type:'view',item:'i01',time:1},{id:'e2',type:'buy',"
                 "item:'i02',channel:'web'}");
    any_items(&r);
    put(&r, "anna");
    cr_assert_eq(rebuild("0").differences, 0, "%s", told_text());
    struct nbx_profile p = town_profile(&t, "anna");
    struct nbx_key key = nbx_key_customer(p.number);
    p.seen.entries[0].last_ms++;
    nbx_seen_record_encode(&b, &p.seen);
    write_raw(NBX_FAMILY_SEEN, &key, NBX_SEEN_RECORD, &b);
    struct nbx_rebuilt done = rebuild("1");
    cr_assert_eq(done.differences, 1);
    cr_assert_not_null(strstr(told_text(), "stored  seen {\"customer\":\"anna\",\"item\":\"i01\""));
    p.seen.entries[0].last_ms--;
    nbx_buf_clear(&b);
    nbx_seen_record_encode(&b, &p.seen);
    write_raw(NBX_FAMILY_SEEN, &key, NBX_SEEN_RECORD, &b);
    p.head.put_ms++;
    nbx_buf_clear(&b);
    nbx_customer_record_encode(&b, &p.head);
    write_raw(NBX_FAMILY_CUSTOMERS, &key, NBX_CUSTOMER_RECORD, &b);
    cr_assert_eq(rebuild("2").differences, 1);
    p.head.put_ms--;
    nbx_buf_clear(&b);
    nbx_customer_record_encode(&b, &p.head);
    write_raw(NBX_FAMILY_CUSTOMERS, &key, NBX_CUSTOMER_RECORD, &b);
    struct nbx_key total =
        nbx_key_trend(NBX_TREND_ALL, 0, nbx_ids_find(t.shop.ids, NBX_STR("i01")));
    nbx_batch_add(t.shop.f.batch, nbx_key_str(&total), 1);
    fixture_write(&t.shop.f);
    cr_assert_eq(rebuild("3").differences, 1);
    cr_assert_not_null(strstr(told_text(), "total {\"item\":\"i01\""), "%s", told_text());
    nbx_batch_add(t.shop.f.batch, nbx_key_str(&total), -1);
    fixture_write(&t.shop.f);
    cr_assert_eq(rebuild("4").differences, 0, "%s", told_text());
    nbx_buf_fini(&b);
}

/* What the log does not say is taken as it is stored, the rest replays onto it. */
Test(rebuild, what_the_log_does_not_say_is_the_checkpoint)
{
    struct nbx_random r;
    struct nbx_key from = nbx_key_log(0, 0), to = nbx_key_log(NBX_N_STREAMS, 0);
    struct nbx_key all = nbx_key_customer(0), behind = nbx_key_customer_end(UINT64_MAX);
    nbx_random_init(&r, SEED + 2);
    any_commands(&r, 300, false);
    nbx_batch_delete_range(t.shop.f.batch, NBX_FAMILY_LOG, nbx_key_str(&from), nbx_key_str(&to));
    nbx_batch_delete_range(t.shop.f.batch, NBX_FAMILY_MENTIONS, nbx_key_str(&all),
                           nbx_key_str(&behind));
    fixture_write(&t.shop.f);
    reopen();
    cr_assert_eq(nbx_log_begin(t.shop.f.store, NBX_STREAM_CATALOGUE, catalogue_seq), NBX_OK);
    any_commands(&r, 300, false);
    town_observe(&t, "newcomer", "{type:'view',item:'i01'}");
    struct nbx_rebuilt done = rebuild("again");
    cr_assert_eq(done.differences, 0, "%s", told_text());
    cr_assert_geq(done.as_stored, N_CUSTOMERS, "and who is known by links alone");
    cr_assert(done.items_as_stored && done.trends_as_stored);
    cr_assert_gt(done.lines, 1, "the newcomer's");
    verify_beside("again");
    same_links_beside("again");
}

/* What retention took of events, and then of the log, is in the state still. */
Test(rebuild, what_is_past_its_retention_is_taken_as_it_is_stored)
{
    static const enum nbx_family families[] = {NBX_FAMILY_EVENT_IDS, NBX_FAMILY_LOG};
    const int64_t keep_ms = 200 * TOWN_HOUR_MS;
    struct nbx_random r;
    nbx_random_init(&r, SEED + 4);
    for (int i = 0; i < 3; i++)
        observe(&r, NOBODY);
    any_commands(&r, 500, false);
    t.scope.now_ms = t.shop.now_ms = SHOP_NOW + keep_ms + TOWN_HOUR_MS;
    town_observe(&t, "newcomer", "{type:'view',item:'i01'}");
    t.shop.f.options.event_retention_ms = nbx_clock_wall_ms() - t.shop.now_ms + keep_ms;
    reopen();
    nbx_customers_keep(t.customers, keep_ms, 0);
    town_sweep(&t, 5);
    for (int i = 0; i < 2; i++) {
        char name[2] = {(char)('0' + i), '\0'};
        cr_assert_eq(nbx_store__compact(t.shop.f.store, families[i]), NBX_OK);
        struct nbx_rebuilt done = rebuild(name);
        cr_assert_eq(done.differences, 0, "%s", told_text());
        cr_assert_gt(done.as_stored, N_CUSTOMERS / 2, "%llu, nearly each has old events",
                     (unsigned long long)done.as_stored);
        cr_assert(done.trends_as_stored && done.nobodys_as_stored);
        cr_assert_gt(done.lines, 1, "the newcomer's");
        verify_kept(name, keep_ms);
        same_links_beside(name);
    }
}

/* Histories of customers, sent in one order or another, in messages of any size, twice, with
 * restarts between, and first to whoever: the same lines. */
Test(rebuild, any_order_of_events_is_the_same_state)
{
    static struct history_event e[N_CUSTOMERS][HISTORY_MAX];
    uint32_t n[N_CUSTOMERS];
    struct nbx_random r;
    struct nbx_buf first = {0};
    nbx_random_init(&r, SEED + 3);
    for (int c = 0; c < N_CUSTOMERS; c++)
        n[c] = history_make(e[c], &r);
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < N_CUSTOMERS; i++) {
            int c = round % 2 ? N_CUSTOMERS - 1 - i : i;
            nbx_arena_reset(t.shop.arena);
            history_shuffle(e[c], n[c], &r);
            history_send_all(&t, name_of(c), e[c], n[c], &r);
            if (i == round)
                reopen();
        }
        struct nbx_buf now = dump(t.shop.f.store);
        if (round == 0)
            first = now;
        cr_assert_str_eq((const char *)now.p, (const char *)first.p, "round %d", round);
        if (round)
            nbx_buf_fini(&now);
        town_end(&t);
        history_town(&t);
    }
    cr_assert_gt(first.len, 10000);
    nbx_buf_fini(&first);
}
