/* SPDX-License-Identifier: MIT */
#include "engine/catalog/snapshot.h"
#include "tests/unit/catalog/shop.h"

#define N_ITEMS (3 * NBX_CHUNK_ITEMS)

static void fill(struct shop *s, uint32_t n)
{
    struct nbx_change *changes = calloc(n, sizeof *changes);
    const struct nbx_value *fields =
        shop_value(s, "{title: 't', brand: 'b', price: 3, categories: ['x', 'y']}");
    cr_assert(changes);
    for (uint32_t i = 0; i < n; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%u", i);
        changes[i] =
            (struct nbx_change){.id = nbx_arena_str(s->arena, nbx_str_c(id)), .fields = fields};
    }
    shop_apply(s, changes, n, NULL);
    free(changes);
}

Test(catalog_sharing, a_patch_copies_one_segment_of_one_chunk)
{
    struct shop s;
    struct nbx_catalog *old = NULL;
    shop_begin(&s);
    fill(&s, N_ITEMS);
    cr_assert_eq(s.c->n_chunks, 4, "numbers begin at 1");
    struct nbx_change change = {.kind = NBX_CHANGE_PATCH,
                                .id = NBX_STR("i5000"),
                                .fields = shop_value(&s, "{price: 9, brand: 'b'}")};
    shop_apply(&s, &change, 1, &old);
    cr_assert_eq(change.fault.code, NBX_OK);
    for (size_t i = 0; i < 4; i++) {
        bool same = s.c->chunks[i] == old->chunks[i];
        cr_assert_eq(same, i != 1, "chunk %zu", i);
    }
    struct nbx_chunk *before = old->chunks[1], *after = s.c->chunks[1];
    cr_assert_gt(after->generation, before->generation);
    for (uint32_t i = 0; i < NBX_N_BUILT_IN; i++)
        cr_assert_eq(before->segments[i] == after->segments[i], i != NBX_COL_PRICE, "column %u", i);
    uint32_t number = shop_no(&s, "i5000");
    cr_assert_eq(nbx_catalog_field(old, number, NBX_STR("price"), s.arena).i, 3);
    cr_assert_eq(nbx_catalog_field(s.c, number, NBX_STR("price"), s.arena).i, 9);
    cr_assert_eq(nbx_catalog_field(s.c, number + 1, NBX_STR("price"), s.arena).i, 3);
    nbx_catalog_release(&old);
    cr_assert_null(old);
    nbx_catalog_release(&old);
    cr_assert_eq(nbx_catalog_field(s.c, number, NBX_STR("price"), s.arena).i, 9);
    shop_end(&s);
}

Test(catalog_sharing, an_old_snapshot_stays_as_it_was_whatever_comes)
{
    struct shop s;
    struct nbx_catalog *old = NULL, *middle = NULL;
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", "{price: 1, categories: ['x'], stock: {s: 1}, vector: [1, 2]}"));
    shop_takes(shop_put(&s, "b", "{price: 2}"));
    uint32_t a = shop_no(&s, "a"), b = shop_no(&s, "b");
    struct nbx_change first[] = {
        {.kind = NBX_CHANGE_DELETE, .id = NBX_STR("a")},
        {.kind = NBX_CHANGE_PUT,
         .id = NBX_STR("b"),
         .fields = shop_value(&s, "{attributes: {colour: 'red'}, vector: [3, 4]}")},
    };
    shop_apply(&s, first, 2, &old);
    struct nbx_change second = {.kind = NBX_CHANGE_PUT,
                                .id = NBX_STR("a"),
                                .fields = shop_value(&s, "{categories: ['y', 'z']}")};
    shop_apply(&s, &second, 1, &middle);
    cr_assert(nbx_catalog_has(old, a) && !nbx_catalog_has(middle, a) && nbx_catalog_has(s.c, a));
    cr_assert_eq(nbx_catalog_count(old), 2);
    cr_assert_eq(nbx_catalog_count(middle), 1);
    cr_assert(!nbx_catalog_knows_field(old, NBX_STR("colour")));
    cr_assert(nbx_catalog_knows_field(middle, NBX_STR("colour")));
    struct nbx_value x = nbx_catalog_field(old, a, NBX_STR("categories"), s.arena);
    cr_assert(x.n == 1 && nbx_str_is(x.list[0].s, "x"));
    x = nbx_catalog_field(s.c, a, NBX_STR("categories"), s.arena);
    cr_assert(x.n == 2 && nbx_str_is(x.list[1].s, "z"));
    cr_assert_eq(nbx_catalog_field(old, b, NBX_STR("price"), s.arena).i, 2);
    cr_assert_eq(nbx_catalog_field(s.c, b, NBX_STR("price"), s.arena).type, NBX_NIL);
    cr_assert(nbx_catalog_vector(old, a).p[1] == 2.0F);
    cr_assert_eq(nbx_catalog_vector(s.c, a).n, 0);
    cr_assert(nbx_catalog_vector(middle, b).p == nbx_catalog_vector(s.c, b).p);
    nbx_catalog_release(&middle); /* in any order */
    cr_assert(nbx_catalog_vector(old, a).p[0] == 1.0F);
    nbx_catalog_release(&old);
    cr_assert(nbx_catalog_vector(s.c, b).p[0] == 3.0F);
    shop_end(&s);
}

Test(catalog_sharing, a_snapshot_that_is_thrown_away_leaves_nothing)
{
    struct shop s;
    shop_begin(&s);
    fill(&s, 100);
    size_t used = atomic_load(&s.budget.used);
    struct nbx_catalog *next = NULL;
    struct nbx_change change = {.kind = NBX_CHANGE_PATCH,
                                .id = NBX_STR("i5"),
                                .fields = shop_value(&s, "{price: 9, categories: ['x']}")};
    struct nbx_change_time when = {s.now_ms, ++s.seq};
    cr_assert_eq(nbx_catalog_apply(&next, s.c, &change, 1, when, s.f.batch), NBX_OK);
    cr_assert_gt(atomic_load(&s.budget.used), used);
    nbx_catalog_release(&next);
    nbx_batch_clear(s.f.batch);
    cr_assert_eq(atomic_load(&s.budget.used), used);
    cr_assert_eq(shop_field(&s, "i5", "price").i, 3);
    shop_end(&s);
}

Test(catalog_sharing, pools_do_not_grow_with_every_change)
{
    struct shop s;
    shop_begin(&s);
    fill(&s, 100);
    size_t used = 0;
    for (int i = 0; i < 1000; i++) {
        shop_takes(shop_patch(&s, "i7", i % 2 ? "{categories: ['x']}" : "{categories: ['y']}"));
        if (i == 10)
            used = atomic_load(&s.budget.used);
    }
    cr_assert_eq(atomic_load(&s.budget.used), used);
    shop_end(&s);
}

Test(catalog_sharing, a_typical_item_needs_at_most_200_bytes_beyond_its_strings)
{
    struct shop s;
    shop_begin(&s);
    size_t before = atomic_load(&s.budget.used), strings = 0;
    const uint32_t n = 5 * NBX_CHUNK_ITEMS - 1;
    struct nbx_change *changes = calloc(n, sizeof *changes);
    for (uint32_t i = 0; i < n; i++) {
        char id[32], text[400];
        int len = snprintf(id, sizeof id, "item-%06u", i);
        snprintf(text, sizeof text,
                 "{title: 'A title of some length, %u', brand: 'brand %u', price: %u,"
                 " categories: ['c%u', 'd%u'], url: 'https://shop.example/item/%u',"
                 " image: 'https://img.example/%u.jpg'}",
                 i, i % 500, i, i % 50, i % 300, i, i);
        const struct nbx_value *v = shop_value(&s, text);
        strings += (size_t)len + nbx_value_get(v, "title")->s.len + nbx_value_get(v, "url")->s.len +
                   nbx_value_get(v, "image")->s.len;
        changes[i] = (struct nbx_change){.id = nbx_arena_str(s.arena, nbx_str_c(id)), .fields = v};
    }
    shop_apply(&s, changes, n, NULL);
    double bytes = (double)(atomic_load(&s.budget.used) - before - strings) / n;
    printf("%.1f bytes an item beyond its strings\n", bytes);
    cr_assert_leq(bytes, 200.0);
    free(changes);
    shop_end(&s);
}
