/* SPDX-License-Identifier: MIT */
#include "engine/base/random.h"
#include "engine/catalog/filter.h"
#include "tests/unit/catalog/shop.h"

#include <math.h>

/* Random items and random filters against an evaluator that walks the values one by one. */

#define N_ITEMS   9000
#define N_FILTERS 400
#define SEED      20240611

static struct shop s;
static struct nbx_random rnd;

static bool chance(int percent)
{
    return nbx_random_below(&rnd, 100) < (uint64_t)percent;
}

static int64_t below(int64_t n)
{
    return (int64_t)nbx_random_below(&rnd, (uint64_t)n);
}

/* Numbers where exactness is hard: near 2^53 and 2^63, halves, and small ones that collide. */
static int64_t odd_int(void)
{
    static const int64_t hard[] = {
        INT64_MAX,        INT64_MAX - 1,          INT64_MIN + 1,           (INT64_C(1) << 53) + 1,
        INT64_C(1) << 53, (INT64_C(1) << 53) - 1, -(INT64_C(1) << 53) - 1, 0};
    return chance(20) ? hard[below(8)] : below(20) - 5;
}

static double odd_float(void)
{
    static const double hard[] = {0x1p53,  0x1p53 + 2,         -0x1p53,      0x1p63,
                                  -0x1p63, 0x1.8p63,           -0x1.8p63,    0.0,
                                  -0.0,    9007199254740991.0, -0x1.2p-1040, 1e300};
    return chance(20) ? hard[below(12)] : (double)(below(40) - 10) / 2;
}

static void put_words(struct nbx_buf *b, int most)
{
    int n = (int)below(most + 1);
    nbx_buf_printf(b, "[");
    for (int i = 0; i < n; i++)
        nbx_buf_printf(b, "'w%d',", (int)below(12));
    nbx_buf_printf(b, "]");
}

static const char *random_item(struct nbx_buf *b)
{
    nbx_buf_clear(b);
    nbx_buf_printf(b, "{");
    if (chance(70))
        nbx_buf_printf(b, "brand: 'w%d',", (int)below(12));
    if (chance(70)) {
        nbx_buf_printf(b, "categories: ");
        put_words(b, 4);
        nbx_buf_printf(b, ",");
    }
    if (chance(70))
        nbx_buf_printf(b, "margin: %lld,", (long long)odd_int());
    if (chance(10))
        nbx_buf_printf(b, "available: false,");
    nbx_buf_printf(b, "attributes: {}}");
    nbx_buf_put_u8(b, 0);
    return (const char *)b->p;
}

/* The notation cannot spell every double, so floats and bools are set behind it. */
static const struct nbx_value *item(struct nbx_buf *b)
{
    struct nbx_value *v = (struct nbx_value *)shop_value(&s, random_item(b));
    struct nbx_member *members = nbx_arena_calloc(s.arena, 3, sizeof *members);
    uint32_t n = 0;
    if (chance(70))
        members[n++] = (struct nbx_member){NBX_STR("f"), nbx_value_float(odd_float())};
    if (chance(70))
        members[n++] = (struct nbx_member){NBX_STR("b"), nbx_value_bool(chance(50))};
    if (chance(70))
        members[n++] = (struct nbx_member){NBX_STR("n"), nbx_value_int(odd_int())};
    for (uint32_t i = 0; i < v->n; i++)
        if (nbx_str_is(v->members[i].key, "attributes")) {
            v->members[i].value.members = members;
            v->members[i].value.n = n;
        }
    return v;
}

static void make_items(void)
{
    struct nbx_buf b = {0};
    struct nbx_change *changes = calloc(N_ITEMS + 1, sizeof *changes);
    cr_assert(changes);
    changes[N_ITEMS] = (struct nbx_change){
        .id = NBX_STR("all types"),
        .fields = shop_value(&s, "{attributes: {f: 1.5, b: true, n: 1, l: ['w1', 'w2']}}")};
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%u", i);
        changes[i].id = nbx_arena_str(s.arena, nbx_str_c(id));
        changes[i].fields = item(&b);
    }
    shop_apply(&s, changes, N_ITEMS + 1, NULL);
    for (uint32_t i = 0; i < N_ITEMS; i++)
        changes[i].kind = NBX_CHANGE_DELETE;
    uint32_t n = 0;
    for (uint32_t i = 0; i < N_ITEMS; i++)
        if (chance(5))
            changes[n++] = changes[i];
    shop_apply(&s, changes, n, NULL);
    nbx_buf_fini(&b);
    free(changes);
}

static struct nbx_value word(void)
{
    static const char *const words[] = {"w0", "w1", "w2", "w3",  "w4",  "w5",    "w6",
                                        "w7", "w8", "w9", "w10", "w11", "never", "i77"};
    return nbx_value_string(nbx_str_c(words[below(14)]));
}

static struct nbx_value id_word(void)
{
    char id[16];
    snprintf(id, sizeof id, "i%d", (int)below(N_ITEMS));
    return nbx_value_string(nbx_arena_str(s.arena, nbx_str_c(id)));
}

static struct nbx_value number(void)
{
    return chance(50) ? nbx_value_int(odd_int()) : nbx_value_float(odd_float());
}

enum kind { WORD, ID, NUMBER, BOOLEAN };

static const struct {
    const char *name;
    enum kind kind;
    bool many;
} fields[] = {{"brand", WORD, false}, {"categories", WORD, true}, {"margin", NUMBER, false},
              {"f", NUMBER, false},   {"n", NUMBER, false},       {"b", BOOLEAN, false},
              {"l", WORD, true},      {"id", ID, false},          {"kind", WORD, false}};

static struct nbx_value literal(enum kind kind)
{
    switch (kind) {
    case WORD: return word();
    case ID: return id_word();
    case NUMBER: return number();
    default: return nbx_value_bool(chance(50));
    }
}

static struct nbx_value literals(enum kind kind)
{
    uint32_t n = (uint32_t)below(chance(20) ? 40 : 5);
    struct nbx_value list = {.type = NBX_LIST, .n = n};
    list.list = nbx_arena_calloc(s.arena, n, sizeof *list.list);
    for (uint32_t i = 0; i < n; i++)
        list.list[i] = literal(kind);
    return list;
}

static struct nbx_value condition(void)
{
    static const char *const operators[] = {"eq", "in", "none", "all",   "lt",
                                            "le", "gt", "ge",   "exists"};
    size_t at = (size_t)below(9);
    struct nbx_value v = {.type = NBX_MAP, .n = 1};
    v.members = nbx_arena_calloc(s.arena, 4, sizeof *v.members);
    v.members[0] =
        (struct nbx_member){NBX_STR("field"), nbx_value_string(nbx_str_c(fields[at].name))};
    int more = 1 + (int)below(3);
    while (v.n == 1 || (int)v.n <= more) {
        const char *op = operators[below(9)];
        bool order = op[0] == 'l' || op[0] == 'g', list = op[0] == 'i' || op[0] == 'n';
        if (nbx_value_get(&v, op) || (order && fields[at].kind != NUMBER) ||
            (op[0] == 'a' && !fields[at].many)) {
            more--;
            if (v.n > 1 || more > -50)
                continue;
            op = "exists";
        }
        struct nbx_value x = nbx_str_is(nbx_str_c(op), "exists") ? nbx_value_bool(chance(50))
                             : list || op[0] == 'a'              ? literals(fields[at].kind)
                                                                 : literal(fields[at].kind);
        v.members[v.n++] = (struct nbx_member){nbx_str_c(op), x};
    }
    return v;
}

static struct nbx_value random_filter(int depth)
{
    static const char *const joints[] = {"all", "any", "not"};
    if (depth >= 4 || chance(40))
        return condition();
    struct nbx_value v = {.type = NBX_MAP, .n = 1};
    v.members = nbx_arena_calloc(s.arena, 1, sizeof *v.members);
    v.members[0].key = nbx_str_c(joints[below(3)]);
    if (nbx_str_is(v.members[0].key, "not")) {
        v.members[0].value = random_filter(depth + 1);
        return v;
    }
    struct nbx_value *list = &v.members[0].value;
    *list = (struct nbx_value){.type = NBX_LIST, .n = (uint32_t)below(4)};
    list->list = nbx_arena_calloc(s.arena, list->n, sizeof *list->list);
    for (uint32_t i = 0; i < list->n; i++)
        list->list[i] = random_filter(depth + 1);
    return v;
}

/* <0, 0, >0, exactly: long double holds both an int64 and a double. */
static int compare(const struct nbx_value *a, const struct nbx_value *b)
{
    long double x = a->type == NBX_INT ? (long double)a->i : (long double)a->f;
    long double y = b->type == NBX_INT ? (long double)b->i : (long double)b->f;
    return (x > y) - (x < y);
}

static bool equal(const struct nbx_value *a, const struct nbx_value *b)
{
    if (a->type == NBX_STRING)
        return nbx_str_eq(a->s, b->s);
    return a->type == NBX_BOOL ? a->b == b->b : compare(a, b) == 0;
}

static bool has(const struct nbx_value *value, const struct nbx_value *x)
{
    if (value->type != NBX_LIST)
        return equal(value, x);
    for (uint32_t i = 0; i < value->n; i++)
        if (equal(&value->list[i], x))
            return true;
    return false;
}

static uint32_t how_many(const struct nbx_value *value, const struct nbx_value *list)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < list->n; i++)
        n += has(value, &list->list[i]);
    return n;
}

static bool brute_operator(const struct nbx_value *value, struct nbx_str op,
                           const struct nbx_value *x)
{
    if (nbx_str_is(op, "exists"))
        return x->b == (value->type != NBX_NIL);
    if (value->type == NBX_NIL)
        return false;
    if (nbx_str_is(op, "eq"))
        return has(value, x);
    if (nbx_str_is(op, "in"))
        return how_many(value, x) > 0;
    if (nbx_str_is(op, "none"))
        return how_many(value, x) == 0;
    if (nbx_str_is(op, "all"))
        return how_many(value, x) == x->n;
    int c = compare(value, x);
    return op.p[0] == 'l' ? c < 0 || (op.p[1] == 'e' && c == 0)
                          : c > 0 || (op.p[1] == 'e' && c == 0);
}

static bool brute(const struct nbx_value *f, uint32_t no, struct nbx_arena *arena)
{
    const struct nbx_value *field = nbx_value_get(f, "field");
    if (!field) {
        const struct nbx_value *children = &f->members[0].value;
        char joint = f->members[0].key.p[1];
        if (joint == 'o')
            return !brute(children, no, arena);
        for (uint32_t i = 0; i < children->n; i++)
            if (brute(&children->list[i], no, arena) == (joint == 'n'))
                return joint == 'n';
        return joint == 'l';
    }
    struct nbx_value value = nbx_catalog_field(s.c, no, field->s, arena);
    for (uint32_t i = 0; i < f->n; i++)
        if (!nbx_str_is(f->members[i].key, "field") &&
            !brute_operator(&value, f->members[i].key, &f->members[i].value))
            return false;
    return true;
}

Test(catalog_filter, equals_brute_force)
{
    struct nbx_offer offer = {.now_ms = 5};
    struct nbx_arena *arena = nbx_arena_new(1 << 20);
    size_t passed = 0, asked = 0;
    shop_begin(&s);
    printf("seed %d\n", SEED);
    nbx_random_init(&rnd, SEED);
    make_items();
    struct nbx_filter_cache *cache = nbx_filter_cache_new(1 << 18);
    for (int k = 0; k < N_FILTERS; k++) {
        struct nbx_value f = random_filter(1);
        struct nbx_fault fault = {0};
        struct nbx_passing got;
        cr_assert_eq(nbx_filter_pass(&got, cache, s.c, &offer, &f, &fault), NBX_OK, "%s: %s",
                     fault.field, fault.message);
        for (uint32_t no = 0; no < nbx_catalog_rows(s.c); no++) {
            nbx_arena_reset(arena);
            bool want = nbx_catalog_offered(s.c, no, &offer) && brute(&f, no, arena);
            if (want != (got.bits[no / 64] >> (no % 64) & 1))
                cr_assert_fail("filter %d, item %u: wanted %d", k, no, want);
            passed += want;
            asked++;
        }
    }
    double share = (double)passed / (double)asked;
    printf("%d filters, %.1f %% of items pass\n", N_FILTERS, 100 * share);
    cr_assert(share > 0.1 && share < 0.9, "the filters tell nothing apart");
    nbx_filter_cache_destroy(&cache);
    nbx_arena_destroy(&arena);
    shop_end(&s);
}

static size_t passing(const char *filter)
{
    struct nbx_filter_cache *cache = nbx_filter_cache_new(1 << 18);
    struct nbx_offer offer = {.now_ms = 5};
    struct nbx_fault fault = {0};
    struct nbx_passing got;
    const struct nbx_value *f = filter ? shop_value(&s, filter) : NULL;
    cr_assert_eq(nbx_filter_pass(&got, cache, s.c, &offer, f, &fault), NBX_OK, "%s: %s",
                 fault.field, fault.message);
    size_t n = 0, words = (nbx_catalog_rows(s.c) + NBX_CHUNK_ITEMS - 1) / NBX_CHUNK_ITEMS * 64;
    for (size_t w = 0; w < words; w++)
        n += (size_t)__builtin_popcountll(got.bits[w]);
    nbx_filter_cache_destroy(&cache);
    return n;
}

Test(catalog_filter, a_missing_value_fails_every_comparison)
{
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", "{brand: 'x', price: 5, categories: ['p', 'q']}"));
    shop_takes(shop_put(&s, "b", "{}"));
    cr_assert_eq(passing("{field: 'brand', eq: 'x'}"), 1);
    cr_assert_eq(passing("{field: 'brand', none: ['y']}"), 1);
    cr_assert_eq(passing("{field: 'brand', none: []}"), 1);
    cr_assert_eq(passing("{not: {field: 'brand', eq: 'x'}}"), 1);
    cr_assert_eq(passing("{field: 'brand', exists: false}"), 1);
    cr_assert_eq(passing("{field: 'price', lt: 6}"), 1);
    cr_assert_eq(passing("{field: 'price', none: [7]}"), 1);
    cr_assert_eq(passing("{field: 'price', ge: 5, lt: 5.5}"), 1);
    cr_assert_eq(passing("{field: 'price', gt: 5, lt: 5.5}"), 0);
    cr_assert_eq(passing("{field: 'price', eq: 5.0}"), 1);
    cr_assert_eq(passing("{field: 'categories', all: ['p', 'q']}"), 1);
    cr_assert_eq(passing("{field: 'categories', all: ['p', 'r']}"), 0);
    cr_assert_eq(passing("{field: 'categories', all: []}"), 1);
    cr_assert_eq(passing("{field: 'categories', none: ['q']}"), 0);
    cr_assert_eq(passing("{field: 'brand', eq: 'never heard of'}"), 0);
    cr_assert_eq(passing("{field: 'id', in: ['a', 'nobody']}"), 1);
    cr_assert_eq(passing("{field: 'id', none: ['a']}"), 1);
    cr_assert_eq(passing("{field: 'kind', eq: 'product'}"), 2);
    cr_assert_eq(passing("{field: 'available', eq: true}"), 2);
    cr_assert_eq(passing("{field: 'stock', exists: false}"), 2);
    cr_assert_eq(passing("{all: []}"), 2);
    cr_assert_eq(passing("{any: []}"), 0);
    cr_assert_eq(passing(NULL), 2);
    shop_end(&s);
}

Test(catalog_filter, an_empty_catalogue_has_no_bits)
{
    shop_begin(&s);
    cr_assert_eq(nbx_catalog_rows(s.c), 0);
    cr_assert_eq(passing(NULL), 0);
    cr_assert_eq(passing("{all: []}"), 0);
    shop_end(&s);
}

/* How many of the floats 2^53, 2^53 + 2, 2^63 pass. */
static void floats_pass(const char *op, int64_t literal, size_t want)
{
    struct nbx_member members[] = {{NBX_STR("field"), nbx_value_string(NBX_STR("f"))},
                                   {nbx_str_c(op), nbx_value_int(literal)}};
    const struct nbx_value f = {.type = NBX_MAP, .n = 2, .members = members};
    struct nbx_filter_cache *cache = nbx_filter_cache_new(0);
    struct nbx_offer offer = {.now_ms = 5};
    struct nbx_passing got;
    cr_assert_eq(nbx_filter_pass(&got, cache, s.c, &offer, &f, NULL), NBX_OK);
    size_t n_got = (size_t)__builtin_popcountll(got.bits[0]);
    cr_assert_eq(n_got, want, "%s %lld passes %zu", op, (long long)literal, n_got);
    nbx_filter_cache_destroy(&cache);
}

Test(catalog_filter, ints_that_no_double_equals_compare_exactly)
{
    const int64_t odd = (INT64_C(1) << 53) + 1; /* rounds to 2^53; 2^53 + 3 rounds to 2^53 + 4 */
    shop_begin(&s);
    shop_takes(shop_put(&s, "a", "{attributes: {f: 9007199254740992.0}}"));
    shop_takes(shop_put(&s, "b", "{attributes: {f: 9007199254740994.0}}"));
    shop_takes(shop_put(&s, "c", "{attributes: {f: 9223372036854775808.0}}"));
    floats_pass("eq", odd, 0);
    floats_pass("eq", odd - 1, 1);
    floats_pass("lt", odd, 1);
    floats_pass("le", odd, 1);
    floats_pass("gt", odd, 2);
    floats_pass("ge", odd, 2);
    floats_pass("lt", odd + 2, 2);
    floats_pass("ge", odd + 2, 1);
    floats_pass("lt", odd + 1, 1);
    floats_pass("le", odd + 1, 2);
    floats_pass("gt", odd + 1, 1);
    floats_pass("ge", odd + 1, 2);
    floats_pass("le", INT64_MAX, 2);
    floats_pass("gt", INT64_MAX, 1);
    floats_pass("eq", INT64_MAX, 0);
    floats_pass("ge", INT64_MIN, 3);
    shop_end(&s);
}
