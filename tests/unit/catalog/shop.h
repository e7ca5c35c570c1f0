/* SPDX-License-Identifier: MIT
 * What the catalogue's tests share: a store in a folder of its own, ids, a catalogue, short
 * changes.
 *
 * Owns:    the folder and all above it, until shop_end.
 * Threads: one.
 * Errors:  whatever fails here fails the test; a refused change is handed back.
 */
#ifndef NBX_TEST_CATALOG_SHOP_H
#define NBX_TEST_CATALOG_SHOP_H

#include "engine/catalog/catalog.h"
#include "tests/unit/proto/notation.h"
#include "tests/unit/store/fixture.h"

#define SHOP_NOW INT64_C(1700000000000)

struct shop {
    struct fixture f;
    struct nbx_budget budget;
    struct nbx_catalog_options options;
    struct nbx_str channels[2];
    struct nbx_ids *ids;
    struct nbx_catalog *c;
    struct nbx_arena *arena; /* of values made from text; reset by the test where it likes */
    struct nbx_fault fault;  /* of the last load */
    int64_t now_ms;
    uint64_t seq; /* of the last change */
};

static inline enum nbx_err shop_try_load(struct shop *s)
{
    cr_assert_eq(nbx_ids_load(&s->ids, s->f.store, &s->budget), NBX_OK);
    return nbx_catalog_load(&s->c, s->ids, s->f.store, &s->budget, &s->options, &s->fault);
}

static inline void shop_load(struct shop *s)
{
    cr_assert_eq(shop_try_load(s), NBX_OK, "%s: %s", s->fault.field, s->fault.message);
}

static inline void shop_begin(struct shop *s)
{
    memset(s, 0, sizeof *s);
    fixture_begin(&s->f);
    s->budget.limit = (size_t)1 << 30;
    s->channels[0] = NBX_STR("web");
    s->channels[1] = NBX_STR("store");
    s->options.currency = NBX_STR("EUR");
    s->options.channels = s->channels;
    s->options.n_channels = 2;
    s->now_ms = SHOP_NOW;
    s->arena = nbx_arena_new((size_t)1 << 30);
    cr_assert(s->arena);
    shop_load(s);
}

static inline void shop_close(struct shop *s)
{
    nbx_catalog_release(&s->c);
    nbx_ids_destroy(&s->ids);
    cr_assert_eq(atomic_load(&s->budget.used), 0, "%zu bytes are still charged",
                 atomic_load(&s->budget.used));
}

static inline void shop_reopen(struct shop *s)
{
    shop_close(s);
    fixture_reopen(&s->f);
    shop_load(s);
}

static inline void shop_end(struct shop *s)
{
    shop_close(s);
    nbx_arena_destroy(&s->arena);
    fixture_end(&s->f);
}

/* "{price: 5, brand: 'x'}" as a value in the arena. */
static inline const struct nbx_value *shop_value(struct shop *s, const char *text)
{
    struct nbx_buf b = {0};
    struct nbx_fault fault;
    notation(&b, text);
    struct nbx_str bytes = nbx_arena_str(s->arena, (struct nbx_str){(char *)b.p, (uint32_t)b.len});
    struct nbx_value *v = nbx_arena_calloc(s->arena, 1, sizeof *v);
    cr_assert(v && bytes.p);
    cr_assert_eq(nbx_wire_decode(v, bytes.p, bytes.len, s->arena, &fault), NBX_OK, "%s: %s", text,
                 fault.message);
    nbx_buf_fini(&b);
    return v;
}

/* Applies changes and writes their records; *old, where wanted, keeps the snapshot before. */
static inline void shop_apply(struct shop *s, struct nbx_change *changes, size_t n,
                              struct nbx_catalog **old)
{
    struct nbx_catalog *before = s->c;
    struct nbx_change_time when = {s->now_ms, ++s->seq};
    cr_assert_eq(nbx_catalog_apply(&s->c, before, changes, n, when, s->f.batch), NBX_OK);
    fixture_write(&s->f);
    if (old)
        *old = before;
    else
        nbx_catalog_release(&before);
}

static inline struct nbx_fault shop_change(struct shop *s, enum nbx_change_kind kind,
                                           const char *id, const char *fields)
{
    struct nbx_change change = {.kind = kind, .id = nbx_str_c(id)};
    change.fields = fields ? shop_value(s, fields) : NULL;
    shop_apply(s, &change, 1, NULL);
    return change.fault;
}

static inline struct nbx_fault shop_put(struct shop *s, const char *id, const char *fields)
{
    return shop_change(s, NBX_CHANGE_PUT, id, fields);
}
static inline struct nbx_fault shop_patch(struct shop *s, const char *id, const char *fields)
{
    return shop_change(s, NBX_CHANGE_PATCH, id, fields);
}
static inline struct nbx_fault shop_delete(struct shop *s, const char *id)
{
    return shop_change(s, NBX_CHANGE_DELETE, id, NULL);
}

static inline void shop_takes(struct nbx_fault fault)
{
    cr_assert_eq(fault.code, NBX_OK, "refused: %s: %s", fault.field, fault.message);
}

static inline void shop_refuses(struct nbx_fault fault, enum nbx_err code, const char *field,
                                const char *message)
{
    cr_assert_eq(fault.code, code, "code %d: %s: %s", fault.code, fault.field, fault.message);
    cr_assert_str_eq(fault.field, field);
    cr_assert_str_eq(fault.message, message);
}

static inline uint32_t shop_no(struct shop *s, const char *id)
{
    return nbx_ids_find(s->ids, nbx_str_c(id));
}

static inline struct nbx_value shop_field(struct shop *s, const char *id, const char *field)
{
    return nbx_catalog_field(s->c, shop_no(s, id), nbx_str_c(field), s->arena);
}

/* The item has exactly these fields. */
static inline void shop_has(struct shop *s, const char *id, const char *fields)
{
    struct nbx_value got;
    const struct nbx_value *want = shop_value(s, fields);
    cr_assert(nbx_catalog_has(s->c, shop_no(s, id)), "%s is missing", id);
    cr_assert(nbx_catalog_item(&got, s->c, shop_no(s, id), s->arena));
    for (uint32_t i = 0; i < want->n; i++) {
        const struct nbx_value *v = nbx_value_get_str(&got, want->members[i].key);
        cr_assert(v && nbx_value_eq(v, &want->members[i].value), "%s of %s", want->members[i].key.p,
                  id);
    }
    cr_assert_eq(got.n, want->n, "%s has %u fields, wanted %u", id, got.n, want->n);
}

#endif
