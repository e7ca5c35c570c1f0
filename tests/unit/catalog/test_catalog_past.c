/* SPDX-License-Identifier: MIT
 * The catalogue as it was: after every change, whatever came later. */
#include "engine/base/random.h"
#include "tests/unit/catalog/shop.h"

#define SEED    20261128u
#define CHANGES 400
#define N_ITEMS 10

static struct shop s;
static struct nbx_random r;

static void begin(void)
{
    shop_begin(&s);
    s.f.options.decision_retention_ms = 0; /* the shop's clock is years behind */
    shop_reopen(&s);
    nbx_random_init(&r, SEED);
}

static void end(void)
{
    shop_end(&s);
}

TestSuite(catalog_past, .init = begin, .fini = end, .timeout = 120);

static unsigned below(unsigned n)
{
    return (unsigned)nbx_random_below(&r, n);
}

/* All items at one moment. */
struct moment {
    uint64_t seq;
    struct {
        bool has;
        int64_t created_ms;
        struct nbx_value fields;
    } items[N_ITEMS];
};

static uint32_t number_of(unsigned i)
{
    char id[8];
    snprintf(id, sizeof id, "i%u", i);
    return shop_no(&s, id);
}

static void remember(struct moment *m)
{
    struct nbx_value fields;
    m->seq = s.seq;
    for (unsigned i = 0; i < N_ITEMS; i++) {
        uint32_t no = number_of(i);
        m->items[i].has = no && nbx_catalog_has(s.c, no);
        if (!m->items[i].has)
            continue;
        m->items[i].created_ms = nbx_catalog_created_ms(s.c, no);
        cr_assert(nbx_catalog_item(&fields, s.c, no, s.arena));
        cr_assert(nbx_value_copy(&m->items[i].fields, &fields, s.arena));
    }
}

static const char *any_fields(void)
{
    static char text[160];
    static const char *const some[] = {"",
                                       ",brand:'b'",
                                       ",stock:{north:2}",
                                       ",title:'T'",
                                       ",vector:x'0000803f00000040'",
                                       ",attributes:{size:3}"};
    snprintf(text, sizeof text, "{price:%u%s}", below(4), some[below(6)]);
    return text;
}

/* Up to three changes in one batch, often of the same item. */
static void change(void)
{
    struct nbx_change changes[3];
    size_t n = 1 + below(3);
    unsigned item = below(N_ITEMS);
    for (size_t i = 0; i < n; i++) {
        char id[8];
        item = below(2) ? item : below(N_ITEMS);
        snprintf(id, sizeof id, "i%u", item);
        changes[i] = (struct nbx_change){.id = nbx_arena_str(s.arena, nbx_str_c(id)),
                                         .kind = (enum nbx_change_kind)below(3)};
        if (changes[i].kind != NBX_CHANGE_DELETE)
            changes[i].fields = shop_value(&s, any_fields());
    }
    s.now_ms += below(3);
    shop_apply(&s, changes, n, NULL);
}

static void load_as_of(uint64_t seq)
{
    shop_close(&s);
    s.options.as_of = &seq;
    shop_load(&s);
    s.options.as_of = NULL;
}

static void must_be(const struct moment *m)
{
    struct nbx_value fields;
    load_as_of(m->seq);
    for (unsigned i = 0; i < N_ITEMS; i++) {
        uint32_t no = number_of(i);
        bool has = no && nbx_catalog_has(s.c, no);
        cr_assert_eq(has, m->items[i].has, "seed %u: i%u at %llu", SEED, i,
                     (unsigned long long)m->seq);
        if (!has)
            continue;
        cr_assert_eq(nbx_catalog_created_ms(s.c, no), m->items[i].created_ms);
        cr_assert(nbx_catalog_item(&fields, s.c, no, s.arena));
        cr_assert(nbx_value_eq(&fields, &m->items[i].fields), "seed %u: i%u at %llu", SEED, i,
                  (unsigned long long)m->seq);
    }
}

Test(catalog_past, every_moment_can_be_loaded_again)
{
    static struct moment moments[CHANGES + 1];
    remember(&moments[0]);
    for (int i = 1; i <= CHANGES; i++) {
        change();
        remember(&moments[i]);
        if (below(50) == 0)
            shop_reopen(&s);
    }
    for (int i = 0; i <= CHANGES; i += 3)
        must_be(&moments[i]);
    must_be(&moments[CHANGES]);
    shop_close(&s);
    shop_load(&s);
}

static unsigned count_past(void)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    unsigned n = 0;
    cr_assert_eq(nbx_cursor_open(&cursor, s.f.store, NBX_FAMILY_PAST_ITEMS, all, all, false),
                 NBX_OK);
    while (nbx_cursor_next(cursor, &key, &stored) == NBX_OK)
        n++;
    nbx_cursor_close(&cursor);
    return n;
}

Test(catalog_past, only_what_changes_is_kept)
{
    shop_takes(shop_put(&s, "a", "{price:1,brand:'b'}"));
    shop_takes(shop_put(&s, "b", "{}"));
    cr_assert_eq(count_past(), 0, "there was nothing before");
    shop_takes(shop_put(&s, "a", "{brand:'b',price:1}"));
    shop_takes(shop_put(&s, "b", "{}"));
    cr_assert_eq(count_past(), 0, "put as they are");
    shop_takes(shop_patch(&s, "a", "{price:2}"));
    cr_assert_eq(count_past(), 1);
    shop_refuses(shop_patch(&s, "a", "{currency:'USD'}"), NBX_EBAD, "currency",
                 "money here is in EUR, got USD");
    cr_assert_eq(count_past(), 1, "a refused change ends nothing");
    shop_takes(shop_delete(&s, "a"));
    shop_takes(shop_put(&s, "a", "{price:2}"));
    cr_assert_eq(count_past(), 2);
}

Test(catalog_past, an_item_of_an_older_program_was_always_there)
{
    struct nbx_item_record record = {.id = NBX_STR("old"), .created_ms = 5, .updated_ms = 5};
    struct nbx_buf b = {0};
    uint32_t no;
    cr_assert_eq(nbx_ids_intern(s.ids, record.id, &no), NBX_OK);
    struct nbx_key key = nbx_key_item(no);
    nbx_item_record_encode(&b, &record); /* without a number: the bytes of version 1 */
    nbx_batch_put(s.f.batch, NBX_FAMILY_ITEMS, nbx_key_str(&key), 1,
                  (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    fixture_write(&s.f);
    shop_reopen(&s);
    s.seq = 7;
    shop_takes(shop_put(&s, "old", "{price:3}"));
    load_as_of(7);
    cr_assert(nbx_catalog_has(s.c, shop_no(&s, "old")));
    cr_assert_eq(shop_field(&s, "old", "price").type, NBX_NIL);
    load_as_of(8);
    cr_assert_eq(shop_field(&s, "old", "price").i, 3);
}
