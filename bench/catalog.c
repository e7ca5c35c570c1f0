/* SPDX-License-Identifier: MIT
 * bench_catalog [--json] [--items N] [--dir DIR]
 *
 * The catalogue by itself: what an item costs in memory, loading, one change and a thousand, a
 * filter on a cold cache, on a warm one and after a change, rankings. */
#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "engine/catalog/filter.h"
#include "engine/catalog/trends.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH       10000
#define MAX_SAMPLES 1000
#define NOW_MS      INT64_C(1700000000000)

static struct {
    bool json;
    uint32_t items;
    const char *dir;
} args = {false, 100000, NULL};

static struct {
    struct nbx_store *store;
    struct nbx_budget budget;
    struct nbx_ids *ids;
    struct nbx_catalog *catalog;
    struct nbx_batch *batch;
    struct nbx_random random;
    struct nbx_arena *arena;
    size_t string_bytes;
    uint64_t seq; /* of the last change */
} shop = {.budget = {.limit = (size_t)8 << 30}};

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "bench_catalog: cannot %s\n", what);
    exit(1);
}

static void report(const char *name, double v, const char *unit)
{
    printf(args.json ? "{\"name\":\"%s\",\"value\":%.2f,\"unit\":\"%s\"}\n" : "%-44s %12.2f %s\n",
           name, v, unit);
}

struct samples {
    double us[MAX_SAMPLES]; /* (n) */
    size_t n;
};

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report_median(const char *name, struct samples *s)
{
    qsort(s->us, s->n, sizeof *s->us, rising);
    report(name, s->us[s->n / 2], "us, median");
    s->n = 0;
}

static double us_since(int64_t start_ns)
{
    return (double)(nbx_clock_mono_ns() - start_ns) / 1000;
}

/* A copy of printf's text in the arena. */
static struct nbx_value text(const char *format, uint32_t i)
{
    char buf[128];
    snprintf(buf, sizeof buf, format, i); /* NOLINT(clang-diagnostic-format-nonliteral): ours */
    return nbx_value_string(nbx_arena_str(shop.arena, nbx_str_c(buf)));
}

static const struct nbx_value *typical_item(uint32_t i)
{
    struct nbx_value *list = nbx_arena_calloc(shop.arena, 2, sizeof *list);
    struct nbx_value *item = nbx_arena_calloc(shop.arena, 1, sizeof *item);
    struct nbx_member *m = nbx_arena_calloc(shop.arena, 6, sizeof *m);
    must(list && item && m, "get memory");
    list[0] = text("category %u", i % 50);
    list[1] = text("category below it %u", i % 700);
    m[0] =
        (struct nbx_member){NBX_STR("title"), text("A thing with a name of usual length, %u", i)};
    m[1] = (struct nbx_member){NBX_STR("brand"), text("brand %u", i * 7919 % 800)};
    m[2] = (struct nbx_member){NBX_STR("categories"), {.type = NBX_LIST, .n = 2, .list = list}};
    m[3] = (struct nbx_member){NBX_STR("price"), nbx_value_int(i * 104729 % 20000)};
    m[4] = (struct nbx_member){NBX_STR("url"), text("https://shop.example/things/%u", i)};
    m[5] = (struct nbx_member){NBX_STR("image"), text("https://images.example/%u/large.jpg", i)};
    *item = (struct nbx_value){.type = NBX_MAP, .n = 6, .members = m};
    return item;
}

static struct nbx_str id_of(uint32_t i)
{
    return text("item-%07u", i).s;
}

static void apply(struct nbx_change *changes, size_t n)
{
    struct nbx_catalog *old = shop.catalog;
    struct nbx_change_time when = {NOW_MS, ++shop.seq};
    must(!nbx_catalog_apply(&shop.catalog, old, changes, n, when, shop.batch), "apply changes");
    nbx_catalog_release(&old);
    must(changes[0].fault.code == NBX_OK, changes[0].fault.message);
}

static void write_batch(void)
{
    enum nbx_err err;
    while ((err = nbx_store_write(shop.store, shop.batch)) == NBX_EBUSY)
        usleep(1000);
    must(!err, "write");
    nbx_batch_clear(shop.batch);
}

static void put_all(void)
{
    static struct nbx_change changes[BATCH];
    double us = 0;
    for (uint32_t i = 0; i < args.items; i += BATCH) {
        uint32_t n = args.items - i < BATCH ? args.items - i : BATCH;
        for (uint32_t k = 0; k < n; k++) {
            const struct nbx_value *fields = typical_item(i + k);
            changes[k] = (struct nbx_change){.id = id_of(i + k), .fields = fields};
            shop.string_bytes += changes[k].id.len + fields->members[0].value.s.len +
                                 fields->members[4].value.s.len + fields->members[5].value.s.len;
        }
        int64_t start = nbx_clock_mono_ns();
        apply(changes, n);
        us += us_since(start);
        write_batch();
        nbx_arena_reset(shop.arena);
    }
    report("put, an item (10,000 at a time, ids stored)", us / args.items, "us");
}

static void load(void)
{
    const struct nbx_catalog_options options = {.currency = NBX_STR("EUR")};
    struct nbx_fault fault = {0};
    int64_t start = nbx_clock_mono_ns();
    must(!nbx_ids_load(&shop.ids, shop.store, &shop.budget), "load ids");
    double ids_us = us_since(start);
    start = nbx_clock_mono_ns();
    must(!nbx_catalog_load(&shop.catalog, shop.ids, shop.store, &shop.budget, &options, &fault),
         fault.message);
    if (nbx_catalog_count(shop.catalog) == 0)
        return;
    report("load ids, all", ids_us / 1000, "ms");
    report("load items, all", us_since(start) / 1000, "ms");
    double used = (double)atomic_load(&shop.budget.used), n = args.items;
    report("memory, an item with its strings", used / n, "bytes");
    report("memory, an item beyond its strings", (used - (double)shop.string_bytes) / n, "bytes");
}

static const struct nbx_value *price_patch(void)
{
    struct nbx_value *v = nbx_arena_calloc(shop.arena, 1, sizeof *v);
    struct nbx_member *m = nbx_arena_calloc(shop.arena, 1, sizeof *m);
    must(v && m, "get memory");
    *m = (struct nbx_member){NBX_STR("price"),
                             nbx_value_int((int64_t)nbx_random_below(&shop.random, 20000))};
    *v = (struct nbx_value){.type = NBX_MAP, .n = 1, .members = m};
    return v;
}

static void time_changes(const char *name, enum nbx_change_kind kind, uint32_t n, size_t rounds)
{
    static struct nbx_change changes[1000];
    struct samples s = {.n = 0};
    while (s.n < rounds) {
        nbx_arena_reset(shop.arena);
        for (uint32_t k = 0; k < n; k++) {
            uint32_t i = (uint32_t)nbx_random_below(&shop.random, args.items);
            changes[k] = (struct nbx_change){.kind = kind, .id = id_of(i)};
            changes[k].fields = kind == NBX_CHANGE_PATCH ? price_patch() : typical_item(i + 1);
        }
        int64_t start = nbx_clock_mono_ns();
        apply(changes, n);
        s.us[s.n++] = us_since(start);
        write_batch();
    }
    report_median(name, &s);
}

static struct nbx_value condition(const char *field, const char *op, struct nbx_value literal)
{
    struct nbx_member *m = nbx_arena_calloc(shop.arena, 2, sizeof *m);
    must(m != NULL, "get memory");
    m[0] = (struct nbx_member){NBX_STR("field"), nbx_value_string(nbx_str_c(field))};
    m[1] = (struct nbx_member){nbx_str_c(op), literal};
    return (struct nbx_value){.type = NBX_MAP, .n = 2, .members = m};
}

static struct nbx_value joined(const char *joint, struct nbx_value a, struct nbx_value b)
{
    struct nbx_value *list = nbx_arena_calloc(shop.arena, 2, sizeof *list);
    struct nbx_member *m = nbx_arena_calloc(shop.arena, 1, sizeof *m);
    must(list && m, "get memory");
    list[0] = a;
    list[1] = b;
    *m = (struct nbx_member){nbx_str_c(joint), {.type = NBX_LIST, .n = 2, .list = list}};
    return (struct nbx_value){.type = NBX_MAP, .n = 1, .members = m};
}

static struct nbx_value brands(uint32_t n)
{
    struct nbx_value *list = nbx_arena_calloc(shop.arena, n, sizeof *list);
    must(list != NULL, "get memory");
    for (uint32_t i = 0; i < n; i++)
        list[i] = text("brand %u", i * 3);
    return (struct nbx_value){.type = NBX_LIST, .n = n, .list = list};
}

static double ask(struct nbx_filter_cache *cache, const struct nbx_value *filter)
{
    const struct nbx_offer offer = {.now_ms = NOW_MS};
    struct nbx_fault fault = {0};
    struct nbx_passing passing;
    int64_t start = nbx_clock_mono_ns();
    must(!nbx_filter_pass(&passing, cache, shop.catalog, &offer, filter, &fault), fault.message);
    return us_since(start);
}

static void time_filter(const char *name, const struct nbx_value *filter)
{
    struct samples cold = {.n = 0}, warm = {.n = 0};
    char full[64];
    for (int round = 0; round < 20; round++) {
        struct nbx_filter_cache *cache = nbx_filter_cache_new(64u << 20);
        must(cache != NULL, "get memory");
        cold.us[cold.n++] = ask(cache, filter);
        for (int i = 0; i < 10; i++)
            warm.us[warm.n++] = ask(cache, filter);
        nbx_filter_cache_destroy(&cache);
    }
    snprintf(full, sizeof full, "%s, cold", name);
    report_median(full, &cold);
    snprintf(full, sizeof full, "%s, warm", name);
    report_median(full, &warm);
}

static void time_filter_after_change(const struct nbx_value *filter)
{
    struct samples s = {.n = 0};
    struct nbx_filter_cache *cache = nbx_filter_cache_new(64u << 20);
    must(cache != NULL, "get memory");
    ask(cache, filter);
    while (s.n < 50) {
        uint32_t i = (uint32_t)nbx_random_below(&shop.random, args.items);
        struct nbx_change change = {
            .kind = NBX_CHANGE_PATCH, .id = id_of(i), .fields = price_patch()};
        apply(&change, 1);
        write_batch();
        s.us[s.n++] = ask(cache, filter);
    }
    nbx_filter_cache_destroy(&cache);
    report_median("filter of two conditions, after one change", &s);
}

static void time_filters(void)
{
    nbx_arena_reset(shop.arena);
    struct nbx_value cheap = condition("price", "lt", nbx_value_int(5000));
    struct nbx_value in3 = condition("brand", "in", brands(3));
    struct nbx_value in100 = condition("brand", "in", brands(100));
    struct nbx_value shoes = condition("categories", "eq", text("category %u", 7));
    struct nbx_value both = joined("all", cheap, shoes);
    time_filter("no filter", NULL);
    time_filter("price < 5000", &cheap);
    time_filter("brand in 3", &in3);
    time_filter("brand in 100", &in100);
    time_filter("categories eq", &shoes);
    time_filter("both of price and categories", &both);
    time_filter_after_change(&both);
}

static void time_rankings(void)
{
    const struct nbx_trends_options options = {
        .half_life_ms = INT64_C(604800000), .n_channels = 4, .now_ms = NOW_MS};
    struct nbx_trends *trends = NULL;
    struct nbx_rankings *rankings = NULL;
    const uint32_t n = 200000;
    must(!nbx_trends_load(&trends, shop.store, &shop.budget, &options), "load trends");
    int64_t start = nbx_clock_mono_ns();
    for (uint32_t i = 0; i < n; i++) {
        struct nbx_trend_event event = {
            .channel_no = (uint16_t)(i % 5),
            .item_no = 1 + (uint32_t)nbx_random_below(&shop.random, args.items),
            .weight = 1,
            .time_ms = NOW_MS - (int64_t)nbx_random_below(&shop.random, 604800000)};
        must(!nbx_trends_add(trends, &event, shop.batch), "add an event");
        if (i % 100 == 99)
            nbx_batch_clear(shop.batch);
    }
    report("trends, an event", us_since(start) / n, "us");
    start = nbx_clock_mono_ns();
    must(!nbx_rankings_build(&rankings, trends, shop.catalog, NOW_MS), "rank");
    report("rankings, 5 trends, popular and newest", us_since(start) / 1000, "ms");
    nbx_rankings_destroy(&rankings);
    nbx_trends_destroy(&trends);
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static void parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            args.json = true;
        } else if (strcmp(argv[i], "--items") == 0 && i + 1 < argc) {
            args.items = (uint32_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc) {
            args.dir = argv[++i];
        } else {
            fprintf(stderr, "bench_catalog [--json] [--items N] [--dir DIR]\n");
            exit(2);
        }
    }
    must(args.items > 0, "work with no items: --items 1 or more");
}

int main(int argc, char **argv)
{
    char dir[256], data[300];
    struct nbx_fault fault = {0};
    parse(argc, argv);
    snprintf(dir, sizeof dir, "%s/nbx-bench-XXXXXX", args.dir ? args.dir : P_tmpdir);
    must(mkdtemp(dir) != NULL, "make a folder");
    snprintf(data, sizeof data, "%s/data", dir);
    const struct nbx_store_options options = {.dir = data,
                                              .cache_bytes = 32u << 20,
                                              .write_buffer_bytes = 256u << 20,
                                              .event_retention_ms = INT64_MAX / 2,
                                              .decision_retention_ms = INT64_MAX / 2};
    must(!nbx_store_open(&shop.store, &options, &fault), fault.message);
    shop.batch = nbx_batch_new();
    shop.arena = nbx_arena_new((size_t)1 << 30);
    must(shop.batch && shop.arena, "get memory");
    nbx_random_init(&shop.random, 1);
    if (!args.json)
        printf("%u items\n", args.items);
    load();
    put_all();
    nbx_catalog_release(&shop.catalog);
    nbx_ids_destroy(&shop.ids);
    load();
    time_changes("apply 1 patch of a price", NBX_CHANGE_PATCH, 1, 200);
    time_changes("apply 1 put of a whole item", NBX_CHANGE_PUT, 1, 200);
    time_changes("apply 1,000 patches of a price", NBX_CHANGE_PATCH, 1000, 20);
    time_filters();
    time_rankings();
    nbx_catalog_release(&shop.catalog);
    nbx_ids_destroy(&shop.ids);
    nbx_batch_destroy(&shop.batch);
    nbx_arena_destroy(&shop.arena);
    nbx_store_close(&shop.store);
    nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
