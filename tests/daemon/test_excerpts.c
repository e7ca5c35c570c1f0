/* SPDX-License-Identifier: MIT
 * Excerpts: a filter that comes often is answered by one, and nobody can tell by the answers.
 */
#include "engine/base/random.h"
#include "tests/daemon/harness_push.h"
#include "tests/daemon/harness_towers.h"

#include <math.h>

#define ITEMS  20000 /* enough for an excerpt */
#define DIMS   8
#define BRANDS 5
#define TOP    30
#define ROUNDS 40
#define SEED   20261126

static struct server s;
static struct peer *p;
static struct towers t;
static struct nbx_random rng;
static unsigned n_asked;

static void make_vectors(void)
{
    nbx_random_init(&rng, SEED);
    for (size_t i = 0; i < ITEMS; i++) {
        float length = expf((float)nbx_random_normal(&rng));
        for (size_t d = 0; d < DIMS; d++)
            t.vectors[i * DIMS + d] = length * (float)nbx_random_normal(&rng);
    }
}

static void begin(void)
{
    printf("seed %d\n", SEED);
    server_start(&s, &(struct server_options){.settings = "workers: 1\n"});
    p = &s.peer;
    towers_make(&t, ITEMS, DIMS);
    make_vectors();
    towers_put_items(&t, p, BRANDS);
    towers_serve(&t, &s);
}

static void end(void)
{
    towers_free(&t);
    server_stop(&s);
}

TestSuite(excerpts, .init = begin, .fini = end, .timeout = 300);

static int64_t stat_of(const char *name)
{
    return nbx_value_get(get(p, "stats", "", "{}"), name)->i;
}

/* A random taste, as JSON, until the next call. */
static const char *any_vector(void)
{
    static char text[DIMS * 16];
    size_t used = 0;
    for (size_t d = 0; d < DIMS; d++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.6f", d ? ", " : "",
                                 nbx_random_normal(&rng));
    return text;
}

/* The brand's best for a taste. Said in other words each time, the filter never comes often. */
static struct nbx_value *recommend(int brand, const char *vector, bool often)
{
    char more[64] = "";
    if (!often)
        snprintf(more, sizeof more, ", {'not': {'field': 'title', 'eq': 't%u'}}", ++n_asked);
    return get(p, "recommend", "",
               "{'n': %d, 'record': 'none', 'vector': [%s], 'filter': "
               "{'all': [{'field': 'brand', 'eq': 'b%d'}%s]}}",
               TOP, vector, brand, more);
}

/* Asked often or for the first time, the answer is the same. */
static void must_agree(int brand)
{
    const char *vector = any_vector();
    struct nbx_value *often = recommend(brand, vector, true);
    struct nbx_value *first = recommend(brand, vector, false);
    cr_assert_eq(count_at(often, "items"), TOP);
    cr_assert_str_eq(joined(often, "items", "id"), joined(first, "items", "id"));
    for (uint32_t i = 0; i < TOP; i++)
        cr_assert_eq(nbx_value_get(&at(often, "items")->list[i], "score")->f,
                     nbx_value_get(&at(first, "items")->list[i], "score")->f);
}

static void wait_for(const char *name, int64_t least, int brand)
{
    while (stat_of(name) < least)
        must_agree(brand);
}

Test(excerpts, are_made_of_what_comes_often)
{
    cr_assert_eq(stat_of("excerpts"), 0);
    wait_for("excerpts", 1, 1);
    for (int i = 0; i < 20; i++)
        must_agree(1);
    wait_for("excerpts", 2, 2);
    cr_assert_eq(stat_of("excerpts.made"), 2);
    cr_assert_gt(stat_of("excerpts.bytes"), 0);
}

/* A model that comes into service has excerpts for the filters that came often before. */
Test(excerpts, go_with_a_new_model)
{
    struct pushed f;
    struct nbx_bundle_info info = {.name = NBX_STR("towers"),
                                   .version = NBX_STR("2"),
                                   .family = NBX_STR("factors"),
                                   .created_ms = 1700000000000,
                                   .n_items = t.n_items,
                                   .item_ids = t.ids,
                                   .n_spaces = 1};
    wait_for("excerpts", 1, 1);
    wait_for("excerpts", 2, 2);
    make_vectors();
    info.spaces[0] = (struct nbx_space){.name = NBX_STR("towers"),
                                        .dims = t.dims,
                                        .customer = NBX_CUSTOMER_GIVEN,
                                        .item_factors = t.vectors};
    pushed_make(&f, &s, &info);
    must_push(p, &f, "{'activate': true}");
    pushed_free(&f);
    cr_assert_eq(stat_of("excerpts"), 2, "before anybody asks it");
    int64_t made = stat_of("excerpts.made");
    for (int i = 0; i < 40; i++)
        must_agree(1 + i % 2);
    cr_assert_eq(stat_of("excerpts.made"), made, "those it came with are used");
}

/* Changes of all kinds of items in the excerpt, out of it, and new. */
static void change(void)
{
    size_t item = nbx_random_below(&rng, ITEMS);
    int brand = (int)nbx_random_below(&rng, BRANDS);
    switch (nbx_random_below(&rng, 6)) {
    case 0: /* into the brand or out of it */
        get(p, "item.patch", "", "{'items': [{'id': '%s', 'brand': 'b%d'}]}", t.ids[item].p, brand);
        break;
    case 1:
        get(p, "item.patch", "", "{'items': [{'id': '%s', 'available': %s}]}", t.ids[item].p,
            nbx_random_below(&rng, 2) ? "true" : "false");
        break;
    case 2:
        get(p, "item.patch", "", "{'items': [{'id': '%s', 'vector': [%s]}]}", t.ids[item].p,
            any_vector());
        break;
    case 3: get(p, "item.delete", "", "{'ids': ['%s']}", t.ids[item].p); break;
    default:
        get(p, "item.put", "", "{'items': [{'id': 'x%u', 'brand': 'b%d', 'vector': [%s]}]}",
            (unsigned)nbx_random_below(&rng, 100), brand, any_vector());
    }
}

Test(excerpts, obey_what_changes)
{
    wait_for("excerpts", 1, 1);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < 25; i++)
            change();
        for (int i = 0; i < 5; i++)
            must_agree(1);
    }
    int64_t made = stat_of("excerpts.made");
    get(p, "item.patch", "", "{'items': [{'id': 'i0', 'brand': 'b1', 'available': true}]}");
    wait_for("excerpts.made", made + 1, 1); /* what it must cover now it did not */
    must_agree(1);
}

/* Another bundle ends them, and a daemon that stops does not mind one being made. */
Test(excerpts, go_with_the_model)
{
    wait_for("excerpts", 1, 1);
    t.vectors[0] += 1;
    towers_serve(&t, &s);
    cr_assert_eq(stat_of("excerpts"), 0);
    must_agree(1);
    wait_for("excerpts", 1, 1);
    for (int i = 0; i < 16; i++)
        recommend(2, any_vector(), true);
    server_end(&s);
    server_begin(&s);
    must_agree(2);
}

/* What most items pass is not worth one. */
Test(excerpts, are_not_made_of_what_saves_little)
{
    for (int i = 0; i < 100; i++)
        get(p, "recommend", "",
            "{'vector': [%s], 'filter': {'not': {'field': 'brand', 'eq': 'b0'}}}", any_vector());
    wait_for("excerpts", 1, 1); /* a wish that came later is granted, so earlier ones would be */
    cr_assert_eq(stat_of("excerpts.made"), 1);
    cr_assert_eq(stat_of("excerpts.refused"), 0);
}

/* Those that nobody asks for make room: together they keep to a share of the index. */
Test(excerpts, make_room)
{
    char filter[64];
    int64_t share = ITEMS * 8; /* half of what the index takes beside the vectors is less */
    for (int i = 0; stat_of("excerpts.made") < 24; i++) {
        snprintf(filter, sizeof filter, "{'field': 'id', 'none': ['%d']}", i / 40);
        get(p, "recommend", "",
            "{'vector': [%s], 'filter': {'all': [%s, {'field': 'brand', 'in': ['b1', 'b2']}]}}",
            any_vector(), filter);
        if (i % 40 == 39)
            cr_assert_leq(stat_of("excerpts.bytes"), share);
    }
    cr_assert_lt(stat_of("excerpts"), 24);
    must_agree(1);
}
