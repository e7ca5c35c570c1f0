/* SPDX-License-Identifier: MIT */
#include "tests/unit/catalog/shop.h"

static struct nbx_fault put_number(struct shop *s, uint32_t i)
{
    char id[32], fields[320];
    snprintf(id, sizeof id, "item %u", i);
    snprintf(fields, sizeof fields,
             "{title: 'a title that takes some room: number %u', price: %u,"
             " categories: ['c%u'], attributes: {a%u: 'x'}}",
             i, i, i, i % 30);
    return shop_put(s, id, fields);
}

Test(catalog_budget, past_the_limit_an_entry_is_refused_and_the_others_stay)
{
    struct shop s;
    shop_begin(&s);
    s.budget.limit = 4u << 20;
    uint32_t taken = 0;
    struct nbx_fault fault = {0};
    while (!fault.code && taken < 100000) {
        fault = put_number(&s, taken);
        taken += !fault.code;
        cr_assert_leq(atomic_load(&s.budget.used), s.budget.limit);
    }
    shop_refuses(fault, NBX_ELIMIT, "", "the memory for items is used up");
    printf("%u items in %zu bytes\n", taken, s.budget.limit);
    cr_assert_gt(taken, 1000);
    cr_assert_eq(nbx_catalog_count(s.c), taken);
    for (uint32_t i = 0; i < taken; i++) {
        char id[32];
        snprintf(id, sizeof id, "item %u", i);
        cr_assert_eq(shop_field(&s, id, "price").i, i);
    }
    shop_takes(shop_delete(&s, "item 5"));
    cr_assert_eq(nbx_catalog_count(s.c), taken - 1);
    s.budget.limit *= 2;
    shop_takes(put_number(&s, taken));
    shop_takes(put_number(&s, 5));
    shop_reopen(&s);
    cr_assert_eq(nbx_catalog_count(s.c), taken + 1);
    shop_end(&s);
}

Test(catalog_budget, every_limit_leaves_whole_items_and_free_types)
{
    struct shop s;
    const char *fields =
        "{title: 'new words', categories: ['x', 'y'], stock: {s1: 1, s2: 2},"
        " vector: [1, 2, 3], space: 'sp', price: 3, attributes: {fresh: 1.5, more: ['a', 'b']}}";
    const char *other = "{price: 4, attributes: {fresh: 'text'}}";
    int refused = 0;
    shop_begin(&s);
    shop_takes(shop_put(&s, "old", "{price: 1}"));
    size_t used = atomic_load(&s.budget.used);
    struct nbx_fault fault = {.code = NBX_ELIMIT};
    for (size_t room = 0; fault.code; room += 512) {
        s.budget.limit = atomic_load(&s.budget.used) + room;
        fault = shop_put(&s, "new", fields);
        refused += fault.code != NBX_OK;
        if (!fault.code)
            break;
        cr_assert_eq(fault.code, NBX_ELIMIT);
        cr_assert_eq(nbx_catalog_count(s.c), 1);
        cr_assert(!nbx_catalog_knows_field(s.c, NBX_STR("fresh")));
        s.budget.limit = (size_t)1 << 30;
        if (refused % 2 == 0) { /* a column that was begun for one type can take another */
            struct nbx_catalog *keep = s.c, *next = NULL;
            struct nbx_change change = {.id = NBX_STR("other"), .fields = shop_value(&s, other)};
            struct nbx_change_time when = {0, ++s.seq};
            cr_assert_eq(nbx_catalog_apply(&next, keep, &change, 1, when, s.f.batch), NBX_OK);
            cr_assert_eq(change.fault.code, NBX_OK);
            uint32_t no = shop_no(&s, "other");
            struct nbx_value v = nbx_catalog_field(next, no, NBX_STR("fresh"), s.arena);
            cr_assert(v.type == NBX_STRING && nbx_str_is(v.s, "text"));
            nbx_catalog_release(&next);
            nbx_batch_clear(s.f.batch);
        }
    }
    printf("refused %d times\n", refused);
    cr_assert_gt(refused, 20);
    cr_assert_gt(atomic_load(&s.budget.used), used);
    s.budget.limit = (size_t)1 << 30;
    cr_assert_eq(shop_field(&s, "old", "price").i, 1);
    cr_assert_eq(shop_field(&s, "new", "fresh").f, 1.5);
    cr_assert_eq(shop_field(&s, "new", "stock").n, 2);
    shop_end(&s);
}

Test(catalog_budget, loading_past_the_limit_is_refused)
{
    struct shop s;
    shop_begin(&s);
    for (uint32_t i = 0; i < 100; i++)
        shop_takes(put_number(&s, i));
    shop_close(&s);
    s.budget.limit = 200000;
    cr_assert_eq(shop_try_load(&s), NBX_ELIMIT);
    cr_assert_null(s.c);
    cr_assert_str_eq(s.fault.message, "the memory for items is used up");
    nbx_ids_destroy(&s.ids);
    cr_assert_eq(atomic_load(&s.budget.used), 0);
    s.budget.limit = (size_t)1 << 30;
    shop_load(&s);
    cr_assert_eq(nbx_catalog_count(s.c), 100);
    shop_end(&s);
}

Test(catalog_budget, damaged_items_are_refused_by_number)
{
    struct shop s;
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", "{price: 1}"));
    struct nbx_key key = nbx_key_item(1);
    nbx_batch_put(s.f.batch, NBX_FAMILY_ITEMS, nbx_key_str(&key), NBX_ITEM_RECORD, NBX_STR("\x7f"));
    fixture_write(&s.f);
    shop_close(&s);
    cr_assert_eq(shop_try_load(&s), NBX_ECORRUPT);
    shop_refuses(s.fault, NBX_ECORRUPT, "items[1]", "its record cannot be read");
    nbx_ids_destroy(&s.ids);
    struct nbx_buf record = {0};
    struct nbx_item_record stranger = {.id = NBX_STR("b")};
    nbx_item_record_encode(&record, &stranger);
    nbx_batch_delete(s.f.batch, NBX_FAMILY_ITEMS, nbx_key_str(&key));
    key = nbx_key_item(9);
    nbx_batch_put(s.f.batch, NBX_FAMILY_ITEMS, nbx_key_str(&key), NBX_ITEM_RECORD,
                  (struct nbx_str){(char *)record.p, (uint32_t)record.len});
    fixture_write(&s.f);
    cr_assert_eq(shop_try_load(&s), NBX_ECORRUPT);
    shop_refuses(s.fault, NBX_ECORRUPT, "items[9]", "its id is not known");
    nbx_buf_fini(&record);
    nbx_ids_destroy(&s.ids);
    cr_assert_eq(atomic_load(&s.budget.used), 0);
    nbx_arena_destroy(&s.arena);
    fixture_end(&s.f);
}
