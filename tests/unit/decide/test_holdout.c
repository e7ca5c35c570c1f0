/* SPDX-License-Identifier: MIT
 * Cases of a holdout, made of what a town's customers did.
 */
#include "engine/decide/holdout.h"

#include "engine/store/log_record.h"
#include "tests/unit/decide/linking.h"

static struct town t;
static struct nbx_holdout holdout;

static void begin(void)
{
    town_begin(&t);
    nbx_store_be_patient(t.shop.f.store, true); /* some write a lot */
    for (int i = 0; i < TOWN_ITEMS; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%02d", i);
        shop_takes(shop_put(&t.shop, id, "{}"));
    }
}

static void end(void)
{
    nbx_holdout_free(&holdout);
    town_end(&t);
}

TestSuite(holdout, .init = begin, .fini = end, .timeout = 300);

static void read_all(struct nbx_holdout *out)
{
    struct nbx_holdout_source source = {.customers = t.customers,
                                        .vocabulary = t.vocabulary,
                                        .catalog = t.shop.c,
                                        .now_ms = SHOP_NOW};
    cr_assert_eq(nbx_holdout_read(out, &source), NBX_OK);
}

/* The cases there are now. */
static size_t count(void)
{
    nbx_holdout_free(&holdout);
    read_all(&holdout);
    return holdout.n;
}

/* The one case: what is held out, then the history. */
static void must_be(const char *want)
{
    struct nbx_buf b = {0};
    cr_assert_eq(count(), 1, "%zu cases", holdout.n);
    const struct nbx_accept_case *c = holdout.cases;
    nbx_buf_printf(&b, "%.*s:", NBX_STR_ARG(nbx_ids_name(t.shop.ids, c->held_out)));
    for (size_t i = 0; i < c->n; i++)
        nbx_buf_printf(&b, " %.*s %g", NBX_STR_ARG(nbx_ids_name(t.shop.ids, c->items[i])),
                       (double)c->weights[i]);
    nbx_buf_put_u8(&b, '\0');
    cr_assert_str_eq((const char *)b.p, want);
    nbx_buf_fini(&b);
}

/* Hours before the clock. */
static void did(const char *customer, const char *type, const char *item, int hours_ago)
{
    char text[128];
    snprintf(text, sizeof text, "{type:'%s',item:'%s',time:%lld}", type, item,
             (long long)(SHOP_NOW - hours_ago * TOWN_HOUR_MS));
    cr_assert_eq(town_observe(&t, customer, text).applied, 1);
}

static void put_customer(const char *id, const char *body)
{
    struct nbx_customer_put_req req;
    uint64_t seq;
    cr_assert_eq(nbx_message_customer_put(&req, town_body(&t, body), t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, nbx_str_c(id), &req, &seq, &t.fault), NBX_OK);
}

Test(holdout, nobody_gives_no_case)
{
    cr_assert_eq(count(), 0);
    did("anna", "buy", "i01", 3);
    did("anna", "view", "i01", 2);
    did("anna", "show", "i02", 1);
    cr_assert_eq(count(), 0, "there is nothing before the one item");
    did("anna", "view", "i02", 0);
    cr_assert_eq(count(), 1);
}

/* A purchase has half its weight after six hours, as it had when the last item came. */
Test(holdout, the_last_item_is_held_out_and_the_others_weigh_as_then)
{
    did("anna", "view", "i03", 30);
    did("anna", "buy", "i01", 24);
    did("anna", "view", "i02", 18);
    must_be("i02: i01 1 i03 0.5");
    did("anna", "view", "i04", 12);
    must_be("i04: i02 0.5 i01 0.5 i03 0.5");
    did("anna", "buy", "i03", 12);
    did("anna", "buy", "i03", 6);
    must_be("i03: i04 0.5 i02 0.5 i01 0.25");
}

Test(holdout, order_of_arrival_makes_no_difference)
{
    did("anna", "view", "i02", 18);
    did("anna", "buy", "i01", 24);
    did("anna", "view", "i03", 30);
    must_be("i02: i01 1 i03 0.5");
}

Test(holdout, what_is_disliked_is_neither_held_out_nor_history)
{
    did("anna", "view", "i01", 9);
    did("anna", "view", "i02", 8);
    did("anna", "view", "i03", 7);
    did("anna", "view", "i04", 6);
    did("anna", "dismiss", "i04", 5);
    must_be("i03: i02 0.5 i01 0.5");
    did("anna", "dismiss", "i02", 5);
    must_be("i03: i01 0.5");
    did("anna", "view", "i04", 4);
    must_be("i04: i03 0.5 i01 0.5");
}

Test(holdout, what_the_catalogue_lost_is_history_alone)
{
    did("anna", "view", "i01", 9);
    did("anna", "view", "i02", 8);
    did("anna", "view", "i03", 7);
    did("anna", "view", "i04", 6);
    shop_takes(shop_delete(&t.shop, "i04"));
    shop_takes(shop_delete(&t.shop, "i02"));
    must_be("i03: i02 0.5 i01 0.5");
}

Test(holdout, who_does_not_consent_is_left_out)
{
    static const char *const no[] = {"{consent:{train:false}}", "{consent:{profile:false}}"};
    static const char *const yes[] = {"{consent:{train:true}}", "{consent:{profile:true}}"};
    did("anna", "view", "i01", 9);
    did("anna", "view", "i02", 8);
    put_customer("anna", "{consent:{contact:false, share:false}}");
    must_be("i02: i01 0.5");
    for (int i = 0; i < 2; i++) {
        put_customer("anna", no[i]);
        cr_assert_eq(count(), 0, "%s", no[i]);
        put_customer("anna", yes[i]);
        cr_assert_eq(count(), 1, "%s", yes[i]);
    }
}

Test(holdout, who_was_forgotten_is_gone)
{
    struct nbx_forgetting done;
    did("anna", "view", "i01", 9);
    did("anna", "view", "i02", 8);
    did("bert", "view", "i05", 7);
    did("bert", "view", "i06", 6);
    cr_assert_eq(count(), 2);
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("anna")), NBX_OK);
    must_be("i06: i05 0.5");
}

Test(holdout, linked_identities_are_one_case)
{
    did("anna", "view", "i01", 9);
    did("cookie", "view", "i02", 8);
    cr_assert_eq(count(), 0);
    town_link(&t, "cookie", "anna", "cookie");
    must_be("i02: i01 0.5");
    put_customer("cookie", "{consent:{train:false}}");
    cr_assert_eq(count(), 0, "one of them does not consent");
}

Test(holdout, events_of_nobody_are_nobodys)
{
    struct nbx_observe_req req;
    struct nbx_observed out;
    cr_assert_eq(nbx_message_observe(&req,
                                     town_body(&t, "{events:[{type:'view',item:'i01'},"
                                                   "{type:'view',item:'i02'}]}"),
                                     false, t.shop.arena, &t.fault),
                 NBX_OK, "%s", t.fault.message);
    cr_assert_eq(nbx_observe_anonymous(&out, &t.scope, 7, &req.events), NBX_OK);
    cr_assert_eq(out.applied, 2);
    cr_assert_eq(count(), 0);
}

/* Damage is told where it is read; one customer's is no reason against a model. */
Test(holdout, what_is_damaged_is_passed_over)
{
    static const struct nbx_str nonsense = {"\xff\xff\xff", 3};
    struct nbx_batch *batch = t.shop.f.batch;
    const char *ids[] = {"anna", "bert", "cleo"};
    for (int i = 0; i < 3; i++) {
        did(ids[i], "view", "i01", 9);
        did(ids[i], "view", "i02", 8);
    }
    cr_assert_eq(count(), 3);
    struct nbx_key seen = nbx_key_customer(town_profile(&t, "anna").number);
    nbx_batch_put(batch, NBX_FAMILY_SEEN, nbx_key_str(&seen), NBX_SEEN_RECORD, nonsense);
    fixture_write(&t.shop.f);
    cr_assert_eq(count(), 2);
    uint8_t group = nbx_group_of(NBX_STR("bert"));
    for (uint64_t seq = 1; seq <= nbx_customers_seq(t.customers, group); seq++) {
        struct nbx_key entry = nbx_key_log(group, seq);
        nbx_batch_put(batch, NBX_FAMILY_LOG, nbx_key_str(&entry), NBX_LOG_RECORD, nonsense);
    }
    fixture_write(&t.shop.f);
    cr_assert_eq(count(), 1);
}

/* Of a history that is long the part that was liked last. */
Test(holdout, histories_are_bounded)
{
    for (int i = 0; i < NBX_HOLDOUT_HISTORY + 20; i++) {
        char id[16];
        snprintf(id, sizeof id, "x%04d", i);
        did("anna", "view", id, 2000 - i);
        nbx_arena_reset(t.shop.arena);
    }
    did("anna", "view", "i01", 0);
    cr_assert_eq(count(), 1);
    cr_assert_eq(holdout.cases[0].n, NBX_HOLDOUT_HISTORY);
    cr_assert_eq(holdout.cases[0].items[0], shop_no(&t.shop, "x1019"));
    cr_assert_eq(holdout.cases[0].items[NBX_HOLDOUT_HISTORY - 1], shop_no(&t.shop, "x0020"));
}

/* Customer k likes item k % 29 and then the next one. */
static void fill(int n)
{
    for (int k = 0; k < n; k++) {
        char id[16], first[8], next[8];
        snprintf(id, sizeof id, "c%d", k);
        snprintf(first, sizeof first, "i%02d", k % (TOWN_ITEMS - 1));
        snprintf(next, sizeof next, "i%02d", k % (TOWN_ITEMS - 1) + 1);
        did(id, "view", first, 9);
        did(id, "view", next, 8);
        nbx_arena_reset(t.shop.arena);
    }
}

static bool same(const struct nbx_holdout *a, const struct nbx_holdout *b)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->cases[i].held_out != b->cases[i].held_out || a->cases[i].n != b->cases[i].n ||
            a->cases[i].items[0] != b->cases[i].items[0])
            return false;
    return a->n == b->n;
}

Test(holdout, a_sample_of_many_is_bounded_and_the_same_twice)
{
    struct nbx_holdout again;
    size_t of_item[TOWN_ITEMS] = {0};
    fill(NBX_ACCEPT_CASES + 500);
    cr_assert_eq(count(), NBX_ACCEPT_CASES);
    read_all(&again);
    cr_assert(same(&holdout, &again));
    nbx_holdout_free(&again);
    for (size_t i = 0; i < 200; i++) /* the first few are of all customers */
        of_item[holdout.cases[i].held_out - shop_no(&t.shop, "i00")]++;
    for (int i = 1; i < TOWN_ITEMS; i++)
        cr_assert(of_item[i] > 0, "none of 200 is of i%02d", i);
}

/* Of each group those of whom something came last. */
Test(holdout, who_came_long_ago_makes_room)
{
    char id[16];
    int n = 0;
    for (int k = 0; n < NBX_HOLDOUT_ENTRIES + 20; k++) {
        snprintf(id, sizeof id, "c%d", k);
        if (nbx_group_of(nbx_str_c(id)) != 7)
            continue;
        town_observe(&t, id,
                     n++ < 40 ? "{type:'view',item:'i01'},{type:'view',item:'i02',time:9}"
                              : "{type:'view',item:'i03'},{type:'view',item:'i04',time:9}");
        nbx_arena_reset(t.shop.arena);
    }
    cr_assert_eq(count(), NBX_HOLDOUT_ENTRIES);
    size_t early = 0;
    for (size_t i = 0; i < holdout.n; i++)
        early += holdout.cases[i].held_out == shop_no(&t.shop, "i01");
    cr_assert_eq(early, 20);
}
