/* SPDX-License-Identifier: MIT */
#include "engine/catalog/filter.h"
#include "tests/unit/catalog/shop.h"

#define OPERATORS "eq, in, none, all, lt, le, gt, ge, exists"

static struct shop s;
static struct nbx_filter_cache *cache;

static void begin(void)
{
    shop_begin(&s);
    cache = nbx_filter_cache_new(1 << 20);
    shop_takes(shop_put(&s, "a", "{stock: {s: 1}, attributes: {w: 1.5, ok: true}}"));
}

static void end(void)
{
    struct nbx_filter_stats stats;
    nbx_filter_cache_stats(cache, &stats);
    cr_assert_lt(stats.bytes, 2000, "what was refused is not kept");
    nbx_filter_cache_destroy(&cache);
    shop_end(&s);
}

TestSuite(catalog_filter_errors, .init = begin, .fini = end);

static void refuses(const char *filter, const char *field, const char *message)
{
    struct nbx_offer offer = {.now_ms = 0};
    struct nbx_fault fault = {0};
    struct nbx_passing got;
    enum nbx_err err = nbx_filter_pass(&got, cache, s.c, &offer, shop_value(&s, filter), &fault);
    cr_assert_eq(err, NBX_EBAD, "%s answers %d", filter, err);
    cr_assert(!got.bits && !got.note);
    shop_refuses(fault, NBX_EBAD, field, message);
}

Test(catalog_filter_errors, places_and_fields)
{
    refuses("{all: [{field: 'price', lt: 5}, {field: 'colour', eq: 'x'}]}", "filter.all[1].field",
            "unknown field \"colour\"; known: id, group, kind, title, url, image, brand, "
            "categories, price, sale_price, margin, currency, channels, available, stock, "
            "valid_from, valid_to, ok, w");
    refuses("{field: 'vector', exists: true}", "filter.field",
            "unknown field \"vector\"; known: id, group, kind, title, url, image, brand, "
            "categories, price, sale_price, margin, currency, channels, available, stock, "
            "valid_from, valid_to, ok, w");
    refuses("{field: '', eq: 1}", "filter.field",
            "unknown field \"\"; known: id, group, kind, title, url, image, brand, "
            "categories, price, sale_price, margin, currency, channels, available, stock, "
            "valid_from, valid_to, ok, w");
    refuses("{not: {any: [{field: 3, eq: 3}]}}", "filter.not.any[0].field",
            "must be string, got int");
    refuses("{field: 'stock', eq: 3}", "filter.field",
            "\"stock\" has a count for each store: name a store in the request");
}

Test(catalog_filter_errors, shapes)
{
    refuses("3", "filter", "must be map, got int");
    refuses("{all: [[]]}", "filter.all[0]", "must be map, got list");
    refuses("{}", "filter", "must have field and an operator, or one of all, any, not alone");
    refuses("{all: [], any: []}", "filter",
            "must have field and an operator, or one of all, any, not alone");
    refuses("{every: []}", "filter.every",
            "unknown joint; known: all, any, not, or field with " OPERATORS);
    refuses("{any: {field: 'price', eq: 1}}", "filter.any",
            "must be list of filters, got map; a comparison needs field beside it");
    refuses("{not: [{field: 'price', eq: 1}]}", "filter.not", "must be map, got list");
    refuses("{field: 'price'}", "filter", "needs an operator beside field: " OPERATORS);
    refuses("{field: 'price', eqq: 1}", "filter.eqq", "unknown operator; known: " OPERATORS);
    refuses("{field: 'price', exists: 1}", "filter.exists", "must be true or false, got int");
    refuses("{field: 'price', in: 1}", "filter.in", "must be list, got int");
}

Test(catalog_filter_errors, literals_of_another_type)
{
    refuses("{field: 'price', eq: '5'}", "filter.eq", "field \"price\" holds int, got string");
    refuses("{field: 'price', in: [5, true]}", "filter.in[1]",
            "field \"price\" holds int, got bool");
    refuses("{field: 'price', lt: '5'}", "filter.lt", "field \"price\" holds int, got string");
    refuses("{field: 'w', none: ['x']}", "filter.none[0]", "field \"w\" holds float, got string");
    refuses("{field: 'brand', eq: 5}", "filter.eq", "field \"brand\" holds string, got int");
    refuses("{field: 'id', eq: 5}", "filter.eq", "field \"id\" holds string, got int");
    refuses("{field: 'categories', all: ['x', 1.5]}", "filter.all[1]",
            "field \"categories\" holds strings, got float");
    refuses("{field: 'ok', eq: nil}", "filter.eq", "field \"ok\" holds bool, got nil");
    refuses("{field: 'brand', lt: 'x'}", "filter.lt",
            "compares numbers; field \"brand\" holds string");
    refuses("{field: 'ok', ge: true}", "filter.ge", "compares numbers; field \"ok\" holds bool");
    refuses("{field: 'brand', all: ['x']}", "filter.all",
            "needs a field of several values; field \"brand\" holds string");
}

Test(catalog_filter_errors, depth_and_size)
{
    refuses("{not:{not:{not:{not:{not:{not:{not:{not:{field:'id',exists:true}}}}}}}}}",
            "filter.not.not.not.not.not.not.not.not", "nested deeper than 8");
    struct nbx_buf many = {0};
    nbx_buf_printf(&many, "{any: [");
    for (int i = 0; i < 256; i++)
        nbx_buf_printf(&many, "{field: 'price', eq: %d}, ", i);
    nbx_buf_printf(&many, "]}");
    nbx_buf_put_u8(&many, 0);
    refuses((char *)many.p, "filter.any[255]", "more than 256 conditions and joints");
    nbx_buf_clear(&many);
    nbx_buf_printf(&many, "{any: [");
    for (int i = 0; i < 257; i++)
        nbx_buf_printf(&many, "3, ");
    nbx_buf_printf(&many, "]}");
    nbx_buf_put_u8(&many, 0);
    refuses((char *)many.p, "filter.any", "more than 256 conditions and joints");
    nbx_buf_clear(&many);
    nbx_buf_printf(&many, "{field: 'price', in: [");
    for (int i = 0; i < 1001; i++)
        nbx_buf_printf(&many, "%d, ", i);
    nbx_buf_printf(&many, "]}");
    nbx_buf_put_u8(&many, 0);
    refuses((char *)many.p, "filter.in", "at most 1000 values, got 1001");
    nbx_buf_fini(&many);
}
