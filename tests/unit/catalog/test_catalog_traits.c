/* SPDX-License-Identifier: MIT
 * Which items changed in what a model may make a vector of.
 */
#include "tests/unit/catalog/shop.h"

#include "engine/base/random.h"

#define SEED   20240918
#define ITEMS  60
#define ROUNDS 200

static struct shop s;

static void begin(void)
{
    shop_begin(&s);
}
static void end(void)
{
    shop_end(&s);
}
TestSuite(catalog_traits, .init = begin, .fini = end);

static uint32_t shop_number(const char *id)
{
    return nbx_ids_find(s.ids, nbx_str_c(id));
}

/* The change alters the item's traits, or leaves all alike. */
static void must_count(enum nbx_change_kind kind, const char *id, const char *fields, size_t want)
{
    uint32_t numbers[4] = {0};
    struct nbx_catalog *before;
    struct nbx_change change = {.kind = kind, .id = nbx_str_c(id)};
    change.fields = fields ? shop_value(&s, fields) : NULL;
    uint64_t generation = nbx_catalog_traits_generation(s.c);
    shop_apply(&s, &change, 1, &before);
    shop_takes(change.fault);
    cr_expect_eq(nbx_catalog_traits_changed(before, s.c, numbers, 4), want, "%s: %s", id, fields);
    cr_expect_eq(nbx_catalog_traits_generation(s.c) > generation, want > 0, "%s: %s", id, fields);
    cr_expect_eq(nbx_catalog_traits_changed(before, s.c, NULL, 0), want);
    if (want)
        cr_expect_eq(numbers[0], shop_number(id));
    nbx_catalog_release(&before);
}

Test(catalog_traits, are_presence_vector_and_what_describes_an_item)
{
    static const char *const traits[] = {"{title: 'a'}",
                                         "{brand: 'b'}",
                                         "{price: 0}",
                                         "{categories: ['x','y']}",
                                         "{vector: [1, 2]}",
                                         "{title: 'b'}",
                                         "{categories: ['y','x']}",
                                         "{price: 7}",
                                         "{brand: nil}",
                                         "{categories: nil}",
                                         "{vector: nil}",
                                         "{price: nil}"};
    must_count(NBX_CHANGE_PUT, "other", "{title: 'a', categories: ['z']}", 1);
    must_count(NBX_CHANGE_PUT, "a", "{}", 1);
    must_count(NBX_CHANGE_PUT, "a", "{}", 0);
    for (size_t i = 0; i < sizeof traits / sizeof *traits; i++) {
        must_count(NBX_CHANGE_PATCH, "a", traits[i], 1);
        must_count(NBX_CHANGE_PATCH, "a", traits[i], 0);
    }
    must_count(NBX_CHANGE_PATCH, "a", "{available: false, sale_price: 3, url: 'u'}", 0);
    must_count(NBX_CHANGE_DELETE, "a", NULL, 1);
    must_count(NBX_CHANGE_PUT, "a", "{title: 'b'}", 1);
    cr_expect_eq(nbx_catalog_traits_changed(NULL, s.c, NULL, 0), 2);
    cr_expect_eq(nbx_catalog_traits_changed(s.c, s.c, NULL, 0), 0);
}

/* What may be told of an item: equal texts are equal traits. */
static char traits[ITEMS][96], were[ITEMS][96];

static void change_one(struct nbx_random *r, struct nbx_change *change, size_t item, char *id)
{
    char *text = traits[item];
    snprintf(id, 8, "i%02zu", item);
    *change = (struct nbx_change){.id = nbx_str_c(id)};
    if (*text && nbx_random_below(r, 4) == 0) {
        change->kind = NBX_CHANGE_DELETE;
        *text = '\0';
        return;
    }
    size_t many = nbx_random_below(r, 3);
    snprintf(text, sizeof *traits, "{title: 't%d', price: %d, categories: [%s]}",
             (int)nbx_random_below(r, 2), (int)nbx_random_below(r, 2),
             many == 0   ? ""
             : many == 1 ? "'a'"
                         : "'b','a'");
    change->fields = shop_value(&s, text);
}

Test(catalog_traits, are_compared_item_by_item)
{
    struct nbx_random r;
    printf("seed %d\n", SEED);
    nbx_random_init(&r, SEED);
    for (int round = 0; round < ROUNDS; round++) {
        struct nbx_change changes[5];
        struct nbx_catalog *before;
        char ids[5][8];
        uint32_t numbers[ITEMS];
        size_t n = 1 + nbx_random_below(&r, 5), want = 0;
        memcpy(were, traits, sizeof were);
        for (size_t i = 0; i < n; i++)
            change_one(&r, &changes[i], nbx_random_below(&r, ITEMS), ids[i]);
        shop_apply(&s, changes, n, &before);
        size_t got = nbx_catalog_traits_changed(before, s.c, numbers, ITEMS);
        for (size_t i = 0; i < ITEMS; i++) {
            char id[8];
            bool differs = strcmp(were[i], traits[i]) != 0, found = false;
            snprintf(id, sizeof id, "i%02zu", i);
            want += differs;
            for (size_t k = 0; k < got; k++)
                found = found || numbers[k] == shop_number(id);
            cr_assert(!differs || found, "round %d: %s: %s, was %s", round, id, traits[i], were[i]);
        }
        cr_assert_eq(got, want);
        nbx_catalog_release(&before);
        nbx_arena_reset(s.arena);
    }
}
