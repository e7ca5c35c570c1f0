/* SPDX-License-Identifier: MIT
 * Customers without history: asked for by their attributes, until there is one.
 */
#include "engine/decide/taste.h"

#include "engine/score/dot.h"
#include "tests/unit/decide/town.h"

static struct town t;

/* What each tells lies along one dimension. */
static const struct nbx_str names[] = {
    {"age=25", 6}, {"club=true", 9}, {"customer", 8}, {"likes=tea", 9}, {"sex=f", 5}};
static const float vectors[5][TOWN_DIMS] = {{1}, {0, 1}, {0, 0, 1}, {0, 0, 0, 1}, {0, 0, 0, 0, 1}};

static void begin(void)
{
    town_begin(&t);
    t.customer_features = (struct nbx_features){.names = names, .n = 5, .vectors = &vectors[0][0]};
}

static void end(void)
{
    town_end(&t);
}

TestSuite(cold, .init = begin, .fini = end);

static void put(const char *customer, const char *body)
{
    struct nbx_customer_put_req req;
    uint64_t seq;
    cr_assert_eq(nbx_message_customer_put(&req, town_body(&t, body), t.shop.arena, &t.fault),
                 NBX_OK, "%s: %s", t.fault.field, t.fault.message);
    cr_assert_eq(nbx_customer_put(&t.scope, nbx_str_c(customer), &req, &seq, &t.fault), NBX_OK);
}

/* By a profile without its record, as an answer has it. */
static struct nbx_taste taste_of(const char *customer)
{
    struct nbx_taste taste;
    struct nbx_profile profile;
    cr_assert_eq(nbx_profile_load(&profile, &t.scope, nbx_str_c(customer)), NBX_OK);
    cr_assert_eq(nbx_taste_of_customer(&taste, &t.d, &profile, &t.fault), NBX_OK);
    return taste;
}

static void must_be(const char *customer, const float want[TOWN_DIMS])
{
    struct nbx_taste taste = taste_of(customer);
    cr_assert_not_null(taste.space);
    cr_expect_eq(taste.reason, NBX_REASON_BECAUSE_OF_ATTRIBUTES);
    cr_expect_eq(taste.history.n + taste.addends.n, 0);
    for (size_t i = 0; i < nbx_padded(TOWN_DIMS); i++)
        cr_expect(taste.vector[i] == (i < TOWN_DIMS ? want[i] : 0), "%zu", i);
}

Test(cold, values_of_every_type_have_their_names)
{
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    put("anna", "{attributes:{sex:'f',age:25,club:true,likes:['milk','tea']}}");
    must_be("anna", (float[]){1, 1, 1, 1, 1, 0});
    put("bert", "{attributes:{sex:'m',age:'25',club:false}}");
    must_be("bert", (float[]){1, 0, 1, 0, 0, 0});
    put("carl", "{attributes:{sex:'m',age:25.0}}");
    cr_expect_null(taste_of("carl").space, "a customer like any other");
    put("dora", "{locale:'de-DE'}");
    cr_expect_null(taste_of("dora").space, "no attributes");
    cr_expect_null(taste_of("emil").space, "a stranger");
}

Test(cold, the_list_says_what_it_rests_on)
{
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    put("anna", "{attributes:{sex:'f'}}");
    struct nbx_decision out = town_decide(&t, "anna", "{n:5,explain:true}");
    cr_assert_eq(out.n, 5);
    for (uint32_t i = 0; i < out.n; i++) {
        const struct nbx_choice *c = &out.choices[i];
        struct nbx_str id = nbx_ids_name(t.shop.ids, c->item_no);
        const float *y = &t.factors[(size_t)atoi(id.p + 1) * TOWN_DIMS];
        cr_expect_eq(c->source, NBX_SOURCE_PERSONAL);
        cr_expect_str_eq(nbx_reason_name(c->reason), "because_of_attributes");
        cr_expect_eq(c->n_because, 0);
        cr_expect_float_eq(c->score, y[2] + y[4], 1e-6F);
        cr_expect(i == 0 || c->score <= out.choices[i - 1].score);
    }
    cr_expect_null(out.fresh_vector, "nothing is cached");
}

Test(cold, whoever_does_not_want_it_gets_what_all_get)
{
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    put("anna", "{attributes:{sex:'f'}}");
    struct nbx_decision out = town_decide(&t, "anna", "{personal:false}");
    const char *ids = town_ids(&t, &out);
    struct nbx_decision stranger = town_decide(&t, "emil", "{}");
    cr_expect_str_eq(ids, town_ids(&t, &stranger));
    for (uint32_t i = 0; i < out.n; i++)
        cr_expect_neq(out.choices[i].source, NBX_SOURCE_PERSONAL);
}

/* The first event on an item of the model ends it; one on another, or a dismissal, does not. */
Test(cold, a_history_is_used_alone)
{
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    put("anna", "{attributes:{sex:'f'}}");
    town_observe(&t, "anna", "{type:'dismiss',item:'i03'},{type:'view',item:'beyond the model'}");
    must_be("anna", (float[]){0, 0, 1, 0, 1, 0});
    const char *event = "{type:'buy',item:'i05'}";
    town_observe(&t, "anna", event);
    town_observe(&t, "bert", "{type:'dismiss',item:'i03'},{type:'view',item:'beyond the model'}");
    town_observe(&t, "bert", event);
    struct nbx_taste with = taste_of("anna"), without = taste_of("bert");
    cr_assert(with.vector && without.vector);
    cr_expect_eq(with.reason, NBX_REASON_BECAUSE_OF_ITEMS);
    cr_expect_eq(memcmp(with.vector, without.vector, nbx_padded(TOWN_DIMS) * sizeof(float)), 0);
    struct nbx_decision a = town_decide(&t, "anna", "{}"), b = town_decide(&t, "bert", "{}");
    cr_expect_str_eq(town_ids(&t, &a), town_ids(&t, &b));
}

/* Where vectors are given, too; one that is given goes before. */
Test(cold, a_given_vector_goes_before)
{
    town_model(&t, NBX_CUSTOMER_GIVEN, "1");
    put("anna", "{attributes:{sex:'f'}}");
    must_be("anna", (float[]){0, 0, 1, 0, 1, 0});
    put("anna", "{vector:[1,2,3,4,5,6]}");
    cr_expect_eq(taste_of("anna").reason, NBX_REASON_CUSTOMER_VECTOR);
}

Test(cold, a_model_that_knows_nothing_of_them_gives_nothing)
{
    t.customer_features = (struct nbx_features){0};
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    put("anna", "{attributes:{sex:'f'}}");
    cr_expect_null(taste_of("anna").space);
}

Test(cold, a_sum_beyond_floats_is_none)
{
    static const float huge[2][TOWN_DIMS] = {{3e38F}, {3e38F}};
    static const struct nbx_str two[] = {{"customer", 8}, {"sex=f", 5}};
    t.customer_features = (struct nbx_features){.names = two, .n = 2, .vectors = &huge[0][0]};
    town_model(&t, NBX_CUSTOMER_FOLDED, "1");
    put("anna", "{attributes:{sex:'f'}}");
    cr_expect_null(taste_of("anna").space);
}
