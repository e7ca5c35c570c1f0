/* SPDX-License-Identifier: MIT */
#include "models/evaluate/evaluate.h"

#include "engine/base/parallel.h"
#include "models/train/arguments.h"
#include "models/train/commands.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_K 20

static const char usage[] =
    "nbx-train evaluate --bundle BUNDLE --events FILE --test FILE [options]\n"
    "\n"
    "  --bundle BUNDLE      the model, as nbx-train fit or nbx.bundle.write wrote it\n"
    "  --events FILE        CSV: what customers did before; they are folded in from it, and their\n"
    "                       own items are left out of their lists\n"
    "  --test FILE          CSV with customer and item: what they took to later\n"
    "  --protocol lightgcn  every item ranked for every customer of the test file (the default)\n"
    "  --k K                length of the lists, 1 to 1000 (default: 20)\n"
    "  --threads T          (default: every processor)\n"
    "  --types T=W,...      as in nbx-train fit\n"
    "  --weighted           as in nbx-train fit\n"
    "  --json               one JSON object on stdout: recall@K, ndcg@K, precision@K, hit@K,\n"
    "                       mrr@K, map@K, users, cold, items, test_pairs, unknown_pairs, seconds,\n"
    "                       and popularity: recall@K, ndcg@K of one list of popular items\n"
    "\n"
    "Exit codes: 0 done, 1 a file is missing or wrong or memory is out, 2 wrong usage.\n";

struct request {
    const char *bundle, *events, *test;
    struct nbx_types types;
    bool weighted, json;
    struct nbx_evaluate_options evaluate;
};

enum option_id {
    OPT_BUNDLE = 1,
    OPT_EVENTS,
    OPT_TEST,
    OPT_PROTOCOL,
    OPT_K,
    OPT_THREADS,
    OPT_TYPES,
    OPT_WEIGHTED,
    OPT_JSON,
    OPT_HELP,
};

static const struct option options[] = {
    {"bundle", required_argument, NULL, OPT_BUNDLE},
    {"events", required_argument, NULL, OPT_EVENTS},
    {"test", required_argument, NULL, OPT_TEST},
    {"protocol", required_argument, NULL, OPT_PROTOCOL},
    {"k", required_argument, NULL, OPT_K},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"types", required_argument, NULL, OPT_TYPES},
    {"weighted", no_argument, NULL, OPT_WEIGHTED},
    {"json", no_argument, NULL, OPT_JSON},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static bool take_option(struct request *r, int id, struct nbx_argument a)
{
    uint64_t whole = 0;
    bool ok = true;
    switch (id) {
    case OPT_BUNDLE: r->bundle = a.text; break;
    case OPT_EVENTS: r->events = a.text; break;
    case OPT_TEST: r->test = a.text; break;
    case OPT_PROTOCOL: r->evaluate.protocol = a.text; break;
    case OPT_TYPES: return nbx_argument_types(&r->types, a);
    case OPT_WEIGHTED: r->weighted = true; break;
    case OPT_JSON: r->json = true; break;
    case OPT_K:
        ok = nbx_argument_whole(&whole, a, 1, NBX_EVALUATE_MAX_K);
        r->evaluate.k = whole;
        break;
    default:
        ok = nbx_argument_whole(&whole, a, 1, NBX_PARALLEL_MAX_THREADS);
        r->evaluate.threads = (unsigned)whole;
        break;
    }
    return ok;
}

static void print_json(const struct request *r, const struct nbx_bundle_info *bundle,
                       const struct nbx_evaluation *e)
{
    size_t k = r->evaluate.k;
    printf("{\"protocol\":\"%s\",\"k\":%zu,\"model\":\"%.*s\",\"version\":\"%.*s\",",
           r->evaluate.protocol, k, NBX_STR_ARG(bundle->name), NBX_STR_ARG(bundle->version));
    printf("\"recall@%zu\":%.6f,\"ndcg@%zu\":%.6f,\"precision@%zu\":%.6f,", k, e->metrics.recall, k,
           e->metrics.ndcg, k, e->metrics.precision);
    printf("\"hit@%zu\":%.6f,\"mrr@%zu\":%.6f,\"map@%zu\":%.6f,", k, e->metrics.hit, k,
           e->metrics.mrr, k, e->metrics.map);
    printf("\"popularity\":{\"recall@%zu\":%.6f,\"ndcg@%zu\":%.6f},", k, e->popularity.recall, k,
           e->popularity.ndcg);
    printf("\"customers\":\"folded in from their events\",\"users\":%zu,\"cold\":%zu,",
           e->customers, e->cold);
    printf("\"items\":%zu,\"test_pairs\":%zu,\"unknown_pairs\":%zu,\"seconds\":%.3f}\n",
           bundle->n_items, e->test_pairs, e->unknown_pairs, e->seconds);
}

static void print_table(const struct request *r, const struct nbx_bundle_info *bundle,
                        const struct nbx_evaluation *e)
{
    size_t k = r->evaluate.k;
    printf("%.*s %.*s, protocol %s: %zu customers folded in from their events, %zu items\n",
           NBX_STR_ARG(bundle->name), NBX_STR_ARG(bundle->version), r->evaluate.protocol,
           e->customers, bundle->n_items);
    const struct {
        const char *name;
        double model, popularity;
    } lines[] = {
        {"recall", e->metrics.recall, e->popularity.recall},
        {"ndcg", e->metrics.ndcg, e->popularity.ndcg},
        {"precision", e->metrics.precision, e->popularity.precision},
        {"hit", e->metrics.hit, e->popularity.hit},
        {"mrr", e->metrics.mrr, e->popularity.mrr},
        {"map", e->metrics.map, e->popularity.map},
    };
    printf("  %-14s %8s %12s\n", "", "model", "popularity");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s@%zu", lines[i].name, k);
        printf("  %-14s %8.4f %12.4f\n", name, lines[i].model, lines[i].popularity);
    }
    printf("  %zu held-out pairs, %zu on items the model does not know; %zu customers without "
           "history\n  %.1f s\n",
           e->test_pairs, e->unknown_pairs, e->cold, e->seconds);
}

static enum nbx_err measure(const struct request *r, const struct nbx_dataset *events,
                            const struct nbx_dataset *test, struct nbx_fault *fault)
{
    char text[32];
    struct nbx_bundle *bundle;
    struct nbx_evaluation e;
    enum nbx_err err = nbx_bundle_open(&bundle, r->bundle, fault);
    if (err)
        return err;
    const struct nbx_bundle_info *info = nbx_bundle_get(bundle);
    fprintf(r->json ? stderr : stdout, "memory: evaluating takes at most %s more\n",
            nbx_train_bytes(text, nbx_evaluate_bound_bytes(info, test->n_customers, &r->evaluate)));
    err = nbx_evaluate(&e, info, events, test, &r->evaluate, fault);
    if (!err && r->json)
        print_json(r, info, &e);
    else if (!err)
        print_table(r, info, &e);
    nbx_bundle_close(&bundle);
    return err;
}

static int run(const struct request *r)
{
    char text[32];
    struct nbx_fault fault = {0};
    struct nbx_dataset *events = NULL, *test = NULL;
    struct nbx_dataset_options read = {
        .types = &r->types, .weighted = r->weighted, .progress_fd = STDERR_FILENO};
    uint64_t bound = nbx_dataset_bound_bytes(r->events) + nbx_dataset_bound_bytes(r->test);
    fprintf(r->json ? stderr : stdout, "memory: reading both files takes at most %s\n",
            nbx_train_bytes(text, bound));
    enum nbx_err err = nbx_dataset_read(&events, r->events, &read, &fault);
    if (!err)
        err = nbx_dataset_read(&test, r->test, &read, &fault);
    if (!err)
        err = measure(r, events, test, &fault);
    nbx_dataset_destroy(&events);
    nbx_dataset_destroy(&test);
    return err ? nbx_train_failed(&fault) : NBX_EXIT_OK;
}

int nbx_train_evaluate(int argc, char **argv)
{
    struct request r = {.evaluate = {.protocol = "lightgcn",
                                     .k = DEFAULT_K,
                                     .threads = nbx_parallel_processors(),
                                     .progress_fd = STDERR_FILENO}};
    int id;
    nbx_types_default(&r.types);
    while ((id = getopt_long(argc, argv, "", options, NULL)) != -1) {
        char name[32];
        if (id == OPT_HELP) {
            fputs(usage, stdout);
            return NBX_EXIT_OK;
        }
        if (id == '?')
            return NBX_EXIT_USAGE;
        snprintf(name, sizeof name, "--%s", options[id - 1].name);
        if (!take_option(&r, id, (struct nbx_argument){name, optarg}))
            return NBX_EXIT_USAGE;
    }
    if (optind < argc) {
        fprintf(stderr, "nbx-train: \"%s\" is no option\n", argv[optind]);
        return NBX_EXIT_USAGE;
    }
    if (!nbx_evaluate_knows(r.evaluate.protocol)) {
        fprintf(stderr, "nbx-train: --protocol: unknown \"%s\", known are %s\n",
                r.evaluate.protocol, NBX_EVALUATE_PROTOCOLS);
        return NBX_EXIT_USAGE;
    }
    if (!nbx_argument_given((struct nbx_argument){"--bundle", r.bundle}) ||
        !nbx_argument_given((struct nbx_argument){"--events", r.events}) ||
        !nbx_argument_given((struct nbx_argument){"--test", r.test}))
        return NBX_EXIT_USAGE;
    return run(&r);
}
