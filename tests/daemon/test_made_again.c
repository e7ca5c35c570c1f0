/* SPDX-License-Identifier: MIT
 * Decisions of a running daemon, made again by `nbx replay`: several workers, single requests and
 * lists of customers, items and models that change, restarts.
 */
#include "engine/base/random.h"
#include "tests/daemon/harness_taste.h"

#define SEED    20261129
#define STEPS   260
#define N_ITEMS 80
#define DIMS    8
#define MODELS  3
#define KEPT    40

static struct server s;
static struct peer *p;
static struct model models[MODELS];
static struct nbx_random r;
static char kept[KEPT][33]; /* (n_kept) ids of decisions */
static unsigned n_kept, n_models;

static void begin(void)
{
    server_start(&s, &(struct server_options){.settings = "workers: 3\n"});
    p = &s.peer;
    nbx_random_init(&r, SEED);
    n_kept = n_models = 0;
    for (unsigned i = 0; i < MODELS; i++)
        model_make(&models[i], N_ITEMS, DIMS, SEED + i);
    model_put_items(&models[0], p);
}

static void end(void)
{
    for (unsigned i = 0; i < MODELS; i++)
        model_free(&models[i]);
    server_stop(&s);
}

TestSuite(made_again, .init = begin, .fini = end, .timeout = 300);

static unsigned below(unsigned n)
{
    return (unsigned)nbx_random_below(&r, n);
}

/* The next one; a bundle that was in service stays in the folder. */
static void change_model(void)
{
    char file[16], version[16];
    if (n_models == MODELS)
        return;
    struct nbx_bundle_info *info = &models[n_models].info;
    snprintf(file, sizeof file, "m%u", n_models);
    snprintf(version, sizeof version, "v%u", n_models);
    info->version = nbx_str_c(version);
    info->created_ms += n_models;
    server_bundle(&s, file, info);
    server_reload(&s);
    n_models++;
}

static void change_items(void)
{
    unsigned a = below(N_ITEMS), b = below(N_ITEMS + 5);
    switch (below(4)) {
    case 0: get(p, "item.delete", "", "{'ids': ['i%03u', 'nobody knows it']}", a); break;
    case 1:
        get(p, "item.patch", "", "{'items': [{'id': 'i%03u', 'available': %s}]}", a,
            below(2) ? "true" : "false");
        break;
    default:
        get(p, "item.put", "",
            "{'items': [{'id': 'i%03u', 'price': %u, 'brand': 'b%u'}, {'id': 'i%03u',"
            " 'vector': [%u, 2, -3, 1, 1, 0, %u, 1]}, {'id': 'i%03u', 'price': 3}]}",
            a, below(20), below(3), b, below(5), below(5), below(2) ? a : b);
    }
}

static void keep(const struct nbx_value *reply, const char *path)
{
    if (n_kept < KEPT)
        snprintf(kept[n_kept++], sizeof kept[0], "%.*s", NBX_STR_ARG(text_at(reply, path)));
}

static void decide(void)
{
    static const char *const more[] = {"", ", 'exclude_seen': true",
                                       ", 'filter': {'field': 'price', 'lt': 10}",
                                       ", 'exclude': ['i001', 'i002'], 'channel': 'web'"};
    char customer[8];
    snprintf(customer, sizeof customer, "c%u", below(6));
    if (below(4) == 0) {
        struct nbx_value *list = get(p, "recommend", "",
                                     "{'customers': ['c0', 'c%u', 'nobody'], 'n': %u,"
                                     " 'record': 'decision'%s}",
                                     1 + below(5), 1 + below(100), more[below(4)]);
        for (uint32_t i = 0; i < count_at(list, "results"); i++) {
            char path[32];
            snprintf(path, sizeof path, "results[%u].decision", i);
            keep(list, path);
        }
    } else if (below(4) == 0) {
        keep(get(p, "rank", customer, "{'items': ['i003', 'i%03u', 'i%03u', 'unheard of']%s}",
                 4 + below(70), 75 + below(10), more[below(4)]),
             "decision");
    } else { /* with an event, which counts already */
        keep(get(p, "recommend", customer,
                 "{'n': %u%s, 'observe': [{'type': '%s',"
                 " 'item': 'i%03u'}]}",
                 1 + below(100), more[below(4)], below(3) ? "purchase" : "dismiss", below(N_ITEMS)),
             "decision");
    }
}

static void observe(void)
{
    char customer[8];
    snprintf(customer, sizeof customer, "c%u", below(6));
    get(p, "observe", customer, "{'events': [{'type': '%s', 'item': 'i%03u'}]}",
        below(4) ? "view" : "dismiss", below(N_ITEMS));
}

static void step(int i)
{
    unsigned what = below(10);
    if (i % 60 == 10)
        change_model();
    else if (i % 100 == 99) {
        server_end(&s);
        server_begin(&s);
        p = &s.peer;
    } else if (what < 4)
        change_items();
    else if (what < 8)
        observe();
    else
        decide();
}

Test(made_again, gives_the_same_lists)
{
    char out[1024];
    unsigned n_scored = 0;
    printf("seed %d\n", SEED);
    for (int i = 0; i < STEPS; i++)
        step(i);
    cr_assert_eq(n_models, MODELS);
    cr_assert(n_kept > 30, "%u", n_kept);
    for (unsigned i = 0; i < n_kept; i++) {
        cr_assert_eq(server_replay(&s, kept[i], out, sizeof out), 0, "%u: %s", i, out);
        n_scored += strstr(out, " 0 found") == NULL;
    }
    cr_assert(n_scored > n_kept / 2, "%u of %u", n_scored, n_kept);
}
