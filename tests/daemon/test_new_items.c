/* SPDX-License-Identifier: MIT
 * Items that no bundle knows: found by their attributes from the moment they are put.
 */
#include "tests/daemon/harness_blend.h"
#include "tests/daemon/harness_taste.h"

#define SEED    20240919
#define N_ITEMS 60
#define DIMS    6
#define BODY    "{'n': 10, 'exclude_seen': true, 'record': 'none'}"

static struct server s;
static struct peer *p;
static struct model m;

TestSuite(new_items, .timeout = 120);

static const struct nbx_str names[] = {{"category=liked", 14}, {"category=other", 14}};

/* What is liked lies where i000 does, twice as far out; what is other on the opposite side. */
static void begin(void)
{
    static float vectors[2 * DIMS];
    printf("seed %d\n", SEED);
    server_start(&s, NULL);
    p = &s.peer;
    model_make(&m, N_ITEMS, DIMS, SEED);
    for (size_t d = 0; d < DIMS; d++) {
        vectors[d] = 2 * m.factors[d];
        vectors[DIMS + d] = -2 * m.factors[d];
    }
    m.info.features = (struct nbx_features){.names = names, .n = 2, .vectors = vectors};
    model_put_items(&m, p);
    server_bundle(&s, "taste", &m.info);
    server_reload(&s);
    get(p, "observe", "anna", "{'events': [{'type': 'cart', 'item': 'i000'}]}");
}

static void end(void)
{
    model_free(&m);
    server_stop(&s);
}

static void put(const char *id, const char *category)
{
    get(p, "item.put", "", "{'items': [{'id': '%s', 'categories': ['%s']}]}", id, category);
}

static const char *answer(const char *customer)
{
    return joined(get(p, "recommend", customer, "%s", BODY), "items", "id");
}

static bool names_item(const char *list, const char *id)
{
    const char *at = strstr(list, id);
    return at && (at == list || at[-1] == ' ') && (at[strlen(id)] == ' ' || !at[strlen(id)]);
}

Test(new_items, a_new_item_is_found_by_them_at_once)
{
    begin();
    cr_assert(!names_item(answer("anna"), "new"));
    put("new", "liked");
    put("strange", "other");
    put("unknown", "never heard of");
    struct nbx_value *r = get(p, "recommend", "anna", "%s", BODY);
    cr_assert(nbx_str_is(text_at(r, "items[0].id"), "new"));
    cr_assert(nbx_str_is(text_at(r, "items[0].source"), "personal"));
    cr_assert(!names_item(answer("anna"), "strange"));
    cr_assert(!names_item(answer("anna"), "unknown"));
    get(p, "item.delete", "", "{'ids': ['new']}");
    cr_assert(!names_item(answer("anna"), "new"));
    end();
}

Test(new_items, a_change_of_them_moves_the_item)
{
    begin();
    put("new", "other");
    cr_assert(!names_item(answer("anna"), "new"));
    get(p, "item.patch", "", "{'items': [{'id': 'new', 'categories': ['liked']}]}");
    cr_assert(names_item(answer("anna"), "new"));
    get(p, "item.patch", "", "{'items': [{'id': 'new', 'price': 5}]}");
    cr_assert(names_item(answer("anna"), "new"));
    get(p, "item.patch", "", "{'items': [{'id': 'new', 'categories': null}]}");
    cr_assert(!names_item(answer("anna"), "new"));
    end();
}

/* From the store, and from a bundle read again, it is as it was. */
Test(new_items, survive_a_restart)
{
    begin();
    put("new", "liked");
    put("strange", "other");
    char before[256];
    snprintf(before, sizeof before, "%s", answer("anna"));
    cr_assert(names_item(before, "new"));
    server_reload(&s);
    cr_assert_str_eq(answer("anna"), before);
    server_end(&s);
    server_begin(&s);
    p = &s.peer;
    cr_assert_str_eq(answer("anna"), before);
    end();
}

/* It counts as what a customer did, too, and can be asked after. */
Test(new_items, a_new_item_tells_of_customers)
{
    begin();
    put("new", "liked");
    get(p, "observe", "bert", "{'events': [{'type': 'cart', 'item': 'new'}]}");
    struct nbx_value *r = get(p, "recommend", "bert",
                              "{'n': 5, 'exclude_seen': true, 'record': 'none', 'explain': true}");
    cr_assert(nbx_str_is(text_at(r, "items[0].source"), "personal"));
    cr_assert(names_item(joined(r, "items", "id"), "i000"));
    r = get(p, "similar", "", "{'item': 'new', 'n': 3}");
    cr_assert(nbx_str_is(text_at(r, "items[0].id"), "i000"));
    end();
}

/* The next bundle knows the item: its own row counts, whatever its attributes are. */
Test(new_items, end_where_a_bundle_knows_the_item)
{
    begin();
    put("i999", "liked");
    cr_assert(names_item(answer("anna"), "i999"));
    m.info.version = NBX_STR("2");
    m.info.created_ms++;
    m.info.n_items = N_ITEMS - 1; /* i059 is now the one not known */
    m.ids[N_ITEMS - 2] = NBX_STR("i999");
    for (size_t d = 0; d < DIMS; d++)
        m.factors[(N_ITEMS - 2) * DIMS + d] = -m.factors[d];
    server_bundle(&s, "taste2", &m.info);
    server_reload(&s);
    cr_assert(!names_item(answer("anna"), "i999"));
    get(p, "item.patch", "", "{'items': [{'id': 'i059', 'categories': ['liked']}]}");
    cr_assert(names_item(answer("anna"), "i059"));
    end();
}

/* Of a blend a feature has one vector in all spaces. */
Test(new_items, find_a_new_item_in_a_blend)
{
    static struct blend b;
    static float vectors[2 * BLEND_DIMS];
    printf("seed %d\n", SEED);
    server_start(&s, NULL);
    p = &s.peer;
    blend_make(&b, SEED);
    for (size_t d = 0; d < BLEND_DIMS; d++) {
        vectors[d] = d < BLEND_TASTE ? 3 * b.joined[0][d] : 0;
        vectors[BLEND_DIMS + d] = -vectors[d];
    }
    b.info.features = (struct nbx_features){.names = names, .n = 2, .vectors = vectors};
    blend_put_items(&b, p);
    server_bundle(&s, "mix", &b.info);
    server_reload(&s);
    get(p, "observe", "anna", "{'events': [{'type': 'cart', 'item': 'i000'}]}");
    put("new", "liked");
    put("strange", "other");
    cr_assert(names_item(answer("anna"), "new"), "%s", answer("anna"));
    cr_assert(!names_item(answer("anna"), "strange"));
    get(p, "item.delete", "", "{'ids': ['new']}");
    cr_assert(!names_item(answer("anna"), "new"));
    server_stop(&s);
}

/* Vectors that attributes make come of the attributes of then. */
Test(new_items, decisions_about_them_can_be_made_again)
{
    char ids[4][33], out[1024];
    const char *const then[] = {"other", "liked", "never heard of", "other"};
    begin();
    put("new", "liked");
    for (int i = 0; i < 4; i++) {
        struct nbx_value *r = get(p, "recommend", "anna", "{'n': 10}");
        snprintf(ids[i], sizeof ids[i], "%.*s", NBX_STR_ARG(text_at(r, "decision")));
        put("new", then[i]);
        put("i005", then[i]);
        if (i == 2)
            get(p, "item.delete", "", "{'ids': ['new', 'i007']}");
    }
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(server_replay(&s, ids[i], out, sizeof out), 0, "%d: %s", i, out);
        cr_assert_null(strstr(out, " 0 found"), "%s", out);
    }
    end();
}
