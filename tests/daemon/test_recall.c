/* SPDX-License-Identifier: MIT
 * recall: an approximation asked for, by a request or for its placement, measured and declared,
 * where vectors are all equally long.
 */
#include "engine/base/random.h"
#include "tests/daemon/harness_towers.h"

#include <math.h>

#define ITEMS   52000 /* enough for a partition */
#define DIMS    16
#define CENTRES 200
#define TOP     50
#define SEED    20260101

static struct server s;
static struct peer *p;
static struct towers t; /* ITEMS vectors of length 1 */

static void make_vectors(void)
{
    static float centres[CENTRES * DIMS];
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    for (size_t i = 0; i < CENTRES * DIMS; i++)
        centres[i] = (float)nbx_random_normal(&r);
    for (size_t i = 0; i < ITEMS; i++) {
        float *x = t.vectors + i * DIMS, sum = 0;
        for (size_t d = 0; d < DIMS; d++) {
            x[d] = centres[i % CENTRES * DIMS + d] + 0.4F * (float)nbx_random_normal(&r);
            sum += x[d] * x[d];
        }
        for (size_t d = 0; d < DIMS; d++)
            x[d] /= sqrtf(sum);
    }
}

static void begin(void)
{
    server_start(&s, &(struct server_options){
                         .settings = "placements: [{name: home, recall: 0.9}, {name: cart}]\n"});
    p = &s.peer;
    towers_make(&t, ITEMS, DIMS);
    make_vectors();
    towers_put_items(&t, p, 0);
}

static void end(void)
{
    towers_free(&t);
    server_stop(&s);
}

TestSuite(recall, .init = begin, .fini = end, .timeout = 300);

/* The partition is made aside: until it stands all is exact. */
static void wait_for_partition(void)
{
    while (nbx_value_get(get(p, "stats", "", "{}"), "repacks.ended")->i == 0)
        continue;
}

/* An item's vector as numbers, until the next call. */
static const char *vector_of(size_t item)
{
    static char text[DIMS * 16];
    size_t used = 0;
    for (size_t d = 0; d < DIMS; d++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%.6f", d ? ", " : "",
                                 (double)t.vectors[item * DIMS + d]);
    return text;
}

/* Near some item; rest: more fields. */
static struct nbx_value *recommend(size_t item, const char *rest)
{
    return get(p, "recommend", "", "{'n': %d, 'record': 'none', 'vector': [%s]%s}", TOP,
               vector_of(item), rest);
}

static size_t in_both(const struct nbx_value *a, const struct nbx_value *b)
{
    size_t n = 0;
    const struct nbx_value *x = at(a, "items"), *y = at(b, "items");
    for (uint32_t i = 0; i < x->n; i++)
        for (uint32_t j = 0; j < y->n; j++)
            n += nbx_str_eq(nbx_value_get(&x->list[i], "id")->s,
                            nbx_value_get(&y->list[j], "id")->s);
    return n;
}

/* Once the partition stands, what was measured, and about that. */
Test(recall, is_declared_and_about_kept)
{
    towers_serve(&t, &s);
    wait_for_partition();
    double declared = number_at(recommend(0, ", 'recall': 0.9"), "recall");
    cr_assert(declared >= 0.9 && declared < 1, "declared %g, seed %d", declared, SEED);
    size_t found = 0, wanted = 0;
    for (size_t q = 0; q < 40; q++) {
        struct nbx_value *exact = recommend(q * 1009, ""),
                         *near = recommend(q * 1009, ", 'recall': 0.9");
        cr_assert_null(at(exact, "recall"), "exact says nothing");
        found += in_both(exact, near);
        wanted += count_at(exact, "items");
    }
    cr_assert(found >= (declared - 0.1) * (double)wanted && found <= wanted,
              "%zu of %zu, declared %g, seed %d", found, wanted, declared, SEED);
}

/* Few eligible items are looked up one by one, which finds all of them. */
Test(recall, one_where_a_filter_leaves_few)
{
    towers_serve(&t, &s);
    wait_for_partition();
    for (size_t i = 0; i < 8; i++)
        get(p, "item.patch", "", "{'items': [{'id': 'i%zu', 'brand': 'rare'}]}", i * 101);
    static const char rare[] = ", 'filter': {'field': 'brand', 'eq': 'rare'}";
    char near[128];
    snprintf(near, sizeof near, "%s, 'recall': 0.5", rare);
    struct nbx_value *exact = recommend(0, rare), *declared = recommend(0, near);
    cr_assert_eq(number_at(declared, "recall"), 1);
    cr_assert_str_eq(joined(exact, "items", "id"), joined(declared, "items", "id"));
    cr_assert_eq(count_at(exact, "items"), 8);
}

/* A list that is ranked, or no vector to search with: exact, and it says so. */
Test(recall, one_where_the_answer_is_exact)
{
    cr_assert_eq(number_at(get(p, "recommend", "", "{'recall': 0.5}"), "recall"), 1);
    cr_assert_eq(number_at(get(p, "rank", "", "{'items': ['i1', 'i2'], 'recall': 0.5}"), "recall"),
                 1);
}

/* The same items, and the same said of their recall. */
static void must_be_alike(const struct nbx_value *a, const struct nbx_value *b)
{
    cr_assert_str_eq(joined(a, "items", "id"), joined(b, "items", "id"));
    cr_assert_eq(at(a, "recall") != NULL, at(b, "recall") != NULL);
    if (at(a, "recall"))
        cr_assert_eq(number_at(a, "recall"), number_at(b, "recall"));
}

/* One that says none gets its placement's, one that says its own gets that. */
static void check_placements(void)
{
    static const char *const pairs[][2] = {
        {", 'placement': 'home'", ", 'recall': 0.9"},
        {", 'placement': 'home', 'recall': 1", ""},
        {", 'placement': 'home', 'recall': 0.5", ", 'recall': 0.5"},
        {", 'placement': 'cart', 'recall': 0.9", ", 'recall': 0.9"},
        {", 'placement': 'cart'", ""},
        {", 'placement': 'not configured'", ""}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        for (size_t q = 0; q < 10; q++)
            must_be_alike(recommend(q * 1009, pairs[i][0]), recommend(q * 1009, pairs[i][1]));
}

/* Customers of a list get what each gets alone. */
static void check_list(void)
{
    get(p, "customer.put", "anna", "{'vector': [%s]}", vector_of(17));
    get(p, "customer.put", "bert", "{'vector': [%s]}", vector_of(4711));
    struct nbx_value *many =
        get(p, "recommend", "", "{'customers': ['anna', 'bert', 'nobody'], 'placement': 'home'}");
    static const char *const keys[] = {"anna", "bert", "nobody"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        must_be_alike(&at(many, "results")->list[i],
                      get(p, "recommend", keys[i], "{'placement': 'home'}"));
    cr_assert(number_at(many, "results[0].recall") < 1);
    cr_assert_eq(number_at(many, "results[2].recall"), 1, "a stranger's fallbacks are exact");
    many = get(p, "recommend", "", "{'customers': ['anna'], 'placement': 'home', 'recall': 1}");
    must_be_alike(&at(many, "results")->list[0], get(p, "recommend", "anna", "{}"));
    many = get(p, "recommend", "", "{'customers': ['anna'], 'recall': 0.5}");
    must_be_alike(&at(many, "results")->list[0], get(p, "recommend", "anna", "{'recall': 0.5}"));
}

Test(recall, of_a_placement)
{
    cr_assert_eq(number_at(get(p, "recommend", "", "{'placement': 'home'}"), "recall"), 1);
    towers_serve(&t, &s);
    wait_for_partition();
    cr_assert(number_at(recommend(0, ", 'placement': 'home'"), "recall") < 1);
    struct nbx_value *rank =
        get(p, "rank", "", "{'items': ['i1', 'i2'], 'vector': [%s], 'placement': 'home'}",
            vector_of(0));
    cr_assert_eq(number_at(rank, "recall"), 1, "each of the items is scored");
    check_placements();
    check_list();
    server_configure(&s, "placements: [{name: cart, recall: 0.9}]\n");
    server_reload(&s);
    must_be_alike(recommend(0, ", 'placement': 'home'"), recommend(0, ""));
    must_be_alike(recommend(0, ", 'placement': 'cart'"), recommend(0, ", 'recall': 0.9"));
}

Test(recall, is_replayed_by_its_scores)
{
    char out[1024];
    unsigned n_partial = 0;
    towers_serve(&t, &s);
    wait_for_partition();
    for (size_t i = 0; i < 3; i++) {
        struct nbx_value *r = get(p, "recommend", "", "{'n': %d, 'vector': [%s], 'recall': 0.9}",
                                  TOP, vector_of(i * 700));
        const char *id = nbx_arena_str(p->arena, text_at(r, "decision")).p;
        cr_assert_eq(server_replay(&s, id, out, sizeof out), 0, "%s", out);
        n_partial += strstr(out, "approximate") != NULL;
    }
    cr_assert(n_partial > 0, "none was approximate");
}
