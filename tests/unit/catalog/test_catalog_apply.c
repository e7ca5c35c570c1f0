/* SPDX-License-Identifier: MIT */
#include "tests/unit/catalog/shop.h"

#define FULL                                                                                       \
    "{group: 'g', kind: 'service', title: 'Shoe', url: 'u', image: 'i', brand: 'b',"               \
    " categories: ['x', 'y'], price: 500, sale_price: 400, margin: -3, currency: 'EUR',"           \
    " channels: ['web'], available: false, stock: {s1: 2, s2: 0}, valid_from: 10, valid_to: 20,"   \
    " vector: x'0000803f00000040', space: 'sp', attributes: {colour: 'red', sizes: ['1', '2'],"    \
    " weight: 1.5, pages: 7, new: true}}"

static void refuses_put(struct shop *s, const char *fields, enum nbx_err code, const char *field,
                        const char *message)
{
    size_t count = nbx_catalog_count(s->c);
    shop_refuses(shop_put(s, "refused", fields), code, field, message);
    cr_assert_eq(nbx_catalog_count(s->c), count);
    cr_assert_eq(shop_no(s, "refused"), 0, "a refused item got a number");
}

Test(catalog_apply, every_field_comes_back_and_outlives_a_reload)
{
    struct shop s;
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", FULL));
    shop_has(&s, "a", FULL);
    shop_reopen(&s);
    shop_has(&s, "a", FULL);
    cr_assert_eq(nbx_catalog_count(s.c), 1);
    cr_assert_eq(nbx_catalog_rows(s.c), 2);
    struct nbx_value id = shop_field(&s, "a", "id");
    cr_assert(id.type == NBX_STRING && nbx_str_is(id.s, "a"));
    cr_assert_eq(shop_field(&s, "a", "price").i, 500);
    cr_assert_eq(shop_field(&s, "a", "colour").s.len, 3);
    cr_assert_eq(shop_field(&s, "a", "sizes").n, 2);
    cr_assert_eq(shop_field(&s, "a", "stock").type, NBX_MAP);
    cr_assert_eq(shop_field(&s, "a", "nothing").type, NBX_NIL);
    cr_assert_eq(shop_field(&s, "unheard of", "price").type, NBX_NIL);
    shop_end(&s);
}

Test(catalog_apply, defaults_are_filled_in)
{
    struct shop s;
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", "{id: 'a', categories: [], channels: [], stock: {}}"));
    shop_has(&s, "a", "{kind: 'product', available: true}");
    shop_end(&s);
}

Test(catalog_apply, put_replaces_the_whole_item)
{
    struct shop s;
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", FULL));
    uint32_t number = shop_no(&s, "a");
    s.now_ms += 5;
    shop_takes(shop_put(&s, "a", "{title: 'Boot'}"));
    shop_has(&s, "a", "{title: 'Boot', kind: 'product', available: true}");
    cr_assert_eq(shop_no(&s, "a"), number);
    cr_assert_eq(nbx_catalog_created_ms(s.c, number), SHOP_NOW);
    cr_assert_eq(nbx_catalog_count(s.c), 1);
    shop_reopen(&s);
    shop_has(&s, "a", "{title: 'Boot', kind: 'product', available: true}");
    cr_assert_eq(nbx_catalog_created_ms(s.c, number), SHOP_NOW);
    shop_end(&s);
}

Test(catalog_apply, patch_merges_by_key_and_null_removes)
{
    struct shop s;
    const char *want =
        "{group: 'g', kind: 'product', title: 'Shoe', url: 'u', image: 'i', categories: ['z'],"
        " price: 600, sale_price: 400, margin: -3, currency: 'EUR', channels: ['web'],"
        " available: false, stock: {s1: 2, s3: 9}, valid_from: 10, valid_to: 20,"
        " attributes: {sizes: ['1', '2'], weight: 2.0, pages: 7, new: true, added: 'x'}}";
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", FULL));
    shop_takes(shop_patch(&s, "a",
                          "{brand: nil, kind: nil, price: 600, categories: ['z'], vector: nil,"
                          " stock: {s2: nil, s3: 9, s4: nil},"
                          " attributes: {colour: nil, weight: 2, added: 'x', absent: nil}}"));
    shop_has(&s, "a", want);
    shop_reopen(&s);
    shop_has(&s, "a", want);
    shop_takes(shop_patch(&s, "a", "{attributes: nil, stock: nil}"));
    cr_assert_eq(shop_field(&s, "a", "pages").type, NBX_NIL);
    cr_assert_eq(shop_field(&s, "a", "stock").type, NBX_NIL);
    shop_refuses(shop_patch(&s, "b", "{price: 1}"), NBX_ENOTFOUND, "id", "no item \"b\"");
    cr_assert_eq(shop_no(&s, "b"), 0);
    shop_end(&s);
}

Test(catalog_apply, a_patch_of_many_stores)
{
    struct shop s;
    struct nbx_buf text = {0};
    shop_begin(&s);
    nbx_buf_printf(&text, "{stock: {");
    for (int i = 0; i < 1000; i++)
        nbx_buf_printf(&text, "s%d: %d,", i, i);
    nbx_buf_printf(&text, "}}");
    nbx_buf_put_u8(&text, 0);
    shop_takes(shop_put(&s, "a", (const char *)text.p));
    shop_takes(shop_patch(&s, "a", (const char *)text.p));
    struct nbx_value stock = shop_field(&s, "a", "stock");
    cr_assert_eq(stock.n, 1000);
    cr_assert_eq(nbx_value_get(&stock, "s999")->i, 999);
    nbx_buf_fini(&text);
    shop_end(&s);
}

Test(catalog_apply, delete_keeps_the_number)
{
    struct shop s;
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", FULL));
    shop_takes(shop_put(&s, "b", "{title: 'B'}"));
    uint32_t number = shop_no(&s, "a");
    shop_takes(shop_delete(&s, "a"));
    cr_assert(!nbx_catalog_has(s.c, number));
    cr_assert_eq(nbx_catalog_count(s.c), 1);
    cr_assert_eq(shop_no(&s, "a"), number);
    cr_assert_eq(nbx_catalog_vector(s.c, number).n, 0);
    shop_refuses(shop_delete(&s, "a"), NBX_ENOTFOUND, "id", "no item \"a\"");
    shop_refuses(shop_patch(&s, "a", "{price: 1}"), NBX_ENOTFOUND, "id", "no item \"a\"");
    shop_reopen(&s);
    cr_assert(!nbx_catalog_has(s.c, number));
    cr_assert_eq(shop_no(&s, "a"), number);
    s.now_ms += 9;
    shop_takes(shop_put(&s, "a", "{title: 'again'}"));
    cr_assert_eq(shop_no(&s, "a"), number);
    cr_assert_eq(nbx_catalog_created_ms(s.c, number), SHOP_NOW + 9);
    shop_has(&s, "a", "{title: 'again', kind: 'product', available: true}");
    shop_end(&s);
}

Test(catalog_apply, refusals_name_the_field_and_the_known_ones)
{
    struct shop s;
    shop_begin(&s);
    refuses_put(&s, "{kind: 'gadget'}", NBX_EBAD, "kind",
                "unknown kind \"gadget\"; known: product, service, content, offer, event, reward");
    refuses_put(&s, "{channels: ['web', 'fax']}", NBX_EBAD, "channels[1]",
                "unknown channel \"fax\"; known: web, store");
    refuses_put(&s, "{currency: 'USD'}", NBX_EBAD, "currency", "money here is in EUR, got USD");
    refuses_put(&s, "{valid_from: 20, valid_to: 10}", NBX_EBAD, "valid_to",
                "must not lie before valid_from (20), got 10");
    refuses_put(&s, "{vector: 'x'}", NBX_EBAD, "vector",
                "must be a list of numbers or a bin of 32-bit floats, got string");
    refuses_put(&s, "{price: 'x'}", NBX_EBAD, "price", "must be int, got string");
    refuses_put(&s, "{categories: ['x', 3]}", NBX_EBAD, "categories", "must be strings, got list");
    refuses_put(&s, "{stock: {a: -1}}", NBX_EBAD, "stock", "must be counts, got map");
    refuses_put(&s, "{attributes: {title: 'x'}}", NBX_EBAD, "attributes.title",
                "must be an attribute, got string");
    refuses_put(&s, "{attributes: {id: 'x'}}", NBX_EBAD, "attributes.id",
                "must be an attribute, got string");
    refuses_put(&s, "{attributes: {deep: {a: 1}}}", NBX_EBAD, "attributes.deep",
                "must be an attribute, got map");
    refuses_put(&s, "{attributes: {least: -9223372036854775808}}", NBX_EBAD, "attributes.least",
                "must be above -9223372036854775808");
    refuses_put(&s, "{attributes: {'': 1}}", NBX_EBAD, "attributes.", "a name has 1 to 64 bytes");
    shop_takes(shop_put(&s, "a", "{valid_from: 20}"));
    shop_refuses(shop_patch(&s, "a", "{valid_to: 10}"), NBX_EBAD, "valid_to",
                 "must not lie before valid_from (20), got 10");
    shop_end(&s);
}

Test(catalog_apply, a_refused_entry_leaves_the_others_alone)
{
    struct shop s;
    shop_begin(&s);
    struct nbx_change changes[] = {
        {.kind = NBX_CHANGE_PUT, .id = NBX_STR("a"), .fields = shop_value(&s, "{price: 1}")},
        {.kind = NBX_CHANGE_PUT, .id = NBX_STR("b"), .fields = shop_value(&s, "{kind: 'x'}")},
        {.kind = NBX_CHANGE_PATCH, .id = NBX_STR("a"), .fields = shop_value(&s, "{price: 2}")},
        {.kind = NBX_CHANGE_PUT, .id = NBX_STR("c"), .fields = shop_value(&s, "{price: 3}")},
        {.kind = NBX_CHANGE_DELETE, .id = NBX_STR("c")},
        {.kind = NBX_CHANGE_DELETE, .id = NBX_STR("c")},
    };
    shop_apply(&s, changes, 6, NULL);
    cr_assert_eq(changes[0].fault.code, NBX_OK);
    cr_assert_eq(changes[1].fault.code, NBX_EBAD);
    cr_assert_eq(changes[2].fault.code, NBX_OK, "later entries see earlier ones");
    cr_assert_eq(changes[3].fault.code, NBX_OK);
    cr_assert_eq(changes[4].fault.code, NBX_OK);
    cr_assert_eq(changes[5].fault.code, NBX_ENOTFOUND);
    cr_assert_eq(nbx_catalog_count(s.c), 1);
    cr_assert_eq(shop_field(&s, "a", "price").i, 2);
    shop_reopen(&s);
    cr_assert_eq(nbx_catalog_count(s.c), 1);
    cr_assert_eq(shop_field(&s, "a", "price").i, 2);
    shop_end(&s);
}

Test(catalog_apply, the_first_write_fixes_an_attributes_type)
{
    struct shop s;
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", "{attributes: {w: 1.5, n: 1, t: 'x', l: ['x'], b: true}}"));
    for (int round = 0; round < 2; round++) {
        refuses_put(&s, "{attributes: {n: 1.5}}", NBX_ECONFLICT, "attributes.n",
                    "attribute \"n\" holds int, got float");
        refuses_put(&s, "{attributes: {t: ['x']}}", NBX_ECONFLICT, "attributes.t",
                    "attribute \"t\" holds string, got strings");
        refuses_put(&s, "{attributes: {l: 'x'}}", NBX_ECONFLICT, "attributes.l",
                    "attribute \"l\" holds strings, got string");
        refuses_put(&s, "{attributes: {b: 1}}", NBX_ECONFLICT, "attributes.b",
                    "attribute \"b\" holds bool, got int");
        shop_takes(shop_put(&s, "b", "{attributes: {w: 2}}"));
        cr_assert_eq(shop_field(&s, "b", "w").type, NBX_FLOAT);
        cr_assert_eq(shop_field(&s, "b", "w").f, 2.0);
        shop_takes(shop_delete(&s, "a"));
        shop_reopen(&s); /* the types outlive the item that fixed them */
        shop_takes(shop_put(&s, "a", "{}"));
    }
    shop_end(&s);
}

Test(catalog_apply, a_refused_entry_fixes_no_type)
{
    struct shop s;
    shop_begin(&s);
    shop_refuses(shop_put(&s, "a", "{attributes: {w: 1}, vector: 'x'}"), NBX_EBAD, "vector",
                 "must be a list of numbers or a bin of 32-bit floats, got string");
    cr_assert(!nbx_catalog_knows_field(s.c, NBX_STR("w")));
    shop_takes(shop_put(&s, "a", "{attributes: {w: 'text'}}"));
    cr_assert(nbx_catalog_knows_field(s.c, NBX_STR("w")));
    shop_end(&s);
}

Test(catalog_apply, configuration_fixes_types)
{
    struct shop s;
    shop_begin(&s);
    s.options.attribute_types = shop_value(&s, "{w: 'float', l: 'strings'}");
    shop_reopen(&s);
    cr_assert(nbx_catalog_knows_field(s.c, NBX_STR("w")));
    shop_refuses(shop_put(&s, "a", "{attributes: {w: 'x'}}"), NBX_ECONFLICT, "attributes.w",
                 "attribute \"w\" holds float, got string");
    shop_takes(shop_put(&s, "a", "{attributes: {w: 3, n: 4}}"));
    s.options.attribute_types = shop_value(&s, "{n: 'float'}"); /* a wider one is fine */
    shop_reopen(&s);
    cr_assert_eq(shop_field(&s, "a", "w").type, NBX_FLOAT);
    cr_assert_eq(shop_field(&s, "a", "n").type, NBX_FLOAT);
    cr_assert(!nbx_catalog_knows_field(s.c, NBX_STR("l")), "it was never written");
    shop_takes(shop_put(&s, "b", "{attributes: {n: 4.5}}"));
    s.options.attribute_types = NULL;
    shop_reopen(&s);
    cr_assert_eq(shop_field(&s, "b", "n").f, 4.5);
    cr_assert_eq(shop_field(&s, "a", "n").f, 4.0);
    shop_end(&s);
}

static void refuses_types(struct shop *s, const char *types, enum nbx_err code, const char *field,
                          const char *message)
{
    shop_close(s);
    s->options.attribute_types = shop_value(s, types);
    cr_assert_eq(shop_try_load(s), code);
    cr_assert_null(s->c);
    shop_refuses(s->fault, code, field, message);
    nbx_ids_destroy(&s->ids);
    s->options.attribute_types = NULL;
    shop_load(s);
}

Test(catalog_apply, configuration_that_cannot_be_is_refused)
{
    struct shop s;
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", "{attributes: {w: 'x'}}"));
    refuses_types(&s, "{w: 'int'}", NBX_ECONFLICT, "attributes.w",
                  "attribute \"w\" is configured as int, but its stored values are string");
    refuses_types(&s, "{v: 'number'}", NBX_EBAD, "attributes.v",
                  "an attribute is string, strings, int, float or bool");
    refuses_types(&s, "{price: 'int'}", NBX_EBAD, "attributes", "\"price\" cannot be an attribute");
    shop_end(&s);
}

Test(catalog_apply, there_may_be_a_thousand_attributes)
{
    struct shop s;
    char text[64];
    int taken = 0;
    shop_begin(&s);
    struct nbx_fault fault = {0};
    while (!fault.code && taken < 2000) {
        snprintf(text, sizeof text, "{attributes: {a%d: true}}", taken);
        fault = shop_put(&s, "a", text);
        taken += !fault.code;
    }
    cr_assert_eq(fault.code, NBX_ELIMIT);
    cr_assert_str_eq(fault.field, "attributes");
    cr_assert_str_eq(fault.message, "no room for attribute \"a1006\": there are 1006 already");
    struct nbx_buf fields = {0};
    nbx_catalog_list_fields(s.c, &fields);
    nbx_buf_put_u8(&fields, 0);
    const char *start = "id, group, kind, title, url, image, brand, categories, price, sale_price, "
                        "margin, currency, channels, available, stock, valid_from, valid_to, a0, "
                        "a1, a10, a100, a1000, a1001";
    cr_assert_eq(strncmp((char *)fields.p, start, strlen(start)), 0, "%s", fields.p);
    nbx_buf_fini(&fields);
    shop_end(&s);
}

Test(catalog_apply, groups_ties_and_generations)
{
    struct shop s;
    shop_begin(&s);
    uint64_t generation = nbx_catalog_generation(s.c);
    shop_takes(shop_put(&s, "b", "{group: 'g'}"));
    cr_assert_gt(nbx_catalog_generation(s.c), generation);
    shop_takes(shop_put(&s, "a", "{group: 'g'}"));
    shop_takes(shop_put(&s, "c", "{group: 'h'}"));
    shop_takes(shop_put(&s, "d", "{}"));
    uint32_t a = shop_no(&s, "a"), b = shop_no(&s, "b");
    cr_assert_eq(nbx_catalog_group(s.c, a), nbx_catalog_group(s.c, b));
    cr_assert_neq(nbx_catalog_group(s.c, a), 0);
    cr_assert_neq(nbx_catalog_group(s.c, a), nbx_catalog_group(s.c, shop_no(&s, "c")));
    cr_assert_eq(nbx_catalog_group(s.c, shop_no(&s, "d")), 0);
    cr_assert_eq(nbx_catalog_group(s.c, 12345), 0);
    cr_assert_lt(nbx_catalog_tie(s.c, a, b), 0);
    cr_assert_gt(nbx_catalog_tie(s.c, b, a), 0);
    cr_assert_eq(nbx_catalog_tie(s.c, a, a), 0);
    shop_end(&s);
}

Test(catalog_apply, vectors_come_with_items)
{
    struct shop s;
    uint32_t numbers[4];
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", "{}"));
    uint64_t generation = nbx_catalog_vectors_generation(s.c);
    shop_takes(shop_put(&s, "b", "{vector: [1, 0.5, 2], space: 'sp'}"));
    cr_assert_gt(nbx_catalog_vectors_generation(s.c), generation);
    generation = nbx_catalog_vectors_generation(s.c);
    struct nbx_vector v = nbx_catalog_vector(s.c, shop_no(&s, "b"));
    cr_assert_eq(v.n, 3);
    cr_assert(v.p[0] == 1.0F && v.p[1] == 0.5F && v.p[2] == 2.0F && v.p[3] == 0.0F);
    cr_assert_eq((uintptr_t)v.p % 64, 0);
    cr_assert(nbx_str_is(v.space, "sp"));
    shop_takes(shop_patch(&s, "b", "{price: 4}"));
    shop_takes(shop_put(&s, "a", "{price: 4}"));
    cr_assert_eq(nbx_catalog_vectors_generation(s.c), generation, "no vector changed");
    cr_assert_eq(nbx_catalog_vector(s.c, shop_no(&s, "b")).p, v.p, "nor moved");
    cr_assert_eq(nbx_catalog_vectors_changed(NULL, s.c, numbers, 4), 1);
    cr_assert_eq(numbers[0], shop_no(&s, "b"));
    cr_assert_eq(nbx_catalog_vectors_changed(NULL, s.c, numbers, 0), 1);
    cr_assert_eq(nbx_catalog_vectors_changed(s.c, s.c, numbers, 4), 0);
    shop_takes(shop_patch(&s, "b", "{vector: nil}"));
    cr_assert_gt(nbx_catalog_vectors_generation(s.c), generation);
    cr_assert_eq(nbx_catalog_vectors_changed(NULL, s.c, numbers, 4), 0);
    shop_end(&s);
}

Test(catalog_apply, damaged_types_are_refused)
{
    struct shop s;
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", "{attributes: {w: 1}}"));
    struct nbx_key key = nbx_key_meta("attribute/w");
    nbx_record_u64_put(s.f.batch, NBX_FAMILY_META, nbx_key_str(&key), 77);
    fixture_write(&s.f);
    shop_close(&s);
    cr_assert_eq(shop_try_load(&s), NBX_ECORRUPT);
    shop_refuses(s.fault, NBX_ECORRUPT, "attributes", "the stored types cannot be read");
    nbx_ids_destroy(&s.ids);
    nbx_record_u64_put(s.f.batch, NBX_FAMILY_META, nbx_key_str(&key), 3);
    fixture_write(&s.f);
    shop_load(&s);
    cr_assert_eq(shop_field(&s, "a", "w").i, 1);
    shop_end(&s);
}
