/* SPDX-License-Identifier: MIT */
#include "models/evaluate/evaluate.h"

#include "engine/base/parallel.h"
#include "models/attributes/customers.h"
#include "models/attributes/vector.h"
#include "models/report/html.h"
#include "models/report/report.h"
#include "models/train/against.h"
#include "models/train/commands.h"

#include <stdio.h>
#include <unistd.h>

#define DEFAULT_K 20
#define PROTOCOL  "lightgcn"

static const char usage[] =
    "nbx-train evaluate --bundle BUNDLE --events FILE --test FILE [options]\n"
    "\n"
    "  --bundle BUNDLE      the model, as nbx-train fit or nbx.bundle.write wrote it\n"
    "  --events FILE        CSV: what customers did before; they are folded in from it, in order "
    "of\n"
    "                       time, and their own items are left out of their lists, as is what\n"
    "                       they took back\n"
    "  --test FILE          CSV with customer and item: what they took to later\n"
    "  --protocol NAME      what the test file holds. Always every item is ranked for every\n"
    "                       customer of it:\n"
    "                         lightgcn       any pairs (the default)\n"
    "                         leave-one-out  one pair of each customer\n"
    "                         time-split     pairs not earlier than the last event\n"
    "                         strong         pairs of customers the model was not learned from\n"
    "  --k K,...            lengths of the lists, up to 8, each 1 to 1000 (default: 20)\n"
    "  --customers FILE     as in nbx-train fit, of the test file's customers: those without "
    "history\n"
    "                       have a list by their attributes, where the bundle knows what these "
    "mean\n"
    "  --repeat             a customer's own items may be in the list again\n"
    "  --threads T          (default: every processor)\n"
    "  --types T=W,...      as in nbx-train fit\n"
    "  --weighted           as in nbx-train fit\n"
    "  --html FILE          writes a page with all of it, drawings, and what the bundle is; the "
    "page\n"
    "                       needs no network\n"
    "  --json               one JSON object on stdout. For each K: recall@K, ndcg@K, precision@K,\n"
    "                       hit@K, mrr@K, map@K; coverage@K, gini@K, novelty@K of all lists\n"
    "                       together. popularity: recall@K and so on of one list of popular "
    "items.\n"
    "                       segments: users, recall@K, ndcg@K of customers with fewer than 5 "
    "items\n"
    "                       (new), 5 to 19 (regular), 20 and more (loyal), and on the items that\n"
    "                       have half of all pairs (head) and the others (tail). users, cold\n"
    "                       (without history), described (of these by attributes), items,\n"
    "                       test_pairs, unknown_pairs, seconds\n"
    "\n"
    "Exit codes: 0 done, 1 a file is missing or wrong or memory is out, 2 wrong usage.\n";

struct request {
    struct nbx_against against;
    const char *html, *customers; /* NULL: not given */
    struct nbx_evaluate_options evaluate;
};

enum option_id { OPT_PROTOCOL = NBX_AGAINST_OWN, OPT_K, OPT_REPEAT, OPT_HTML, OPT_CUSTOMERS };

static const struct option options[] = {NBX_AGAINST_OPTIONS,
                                        {"protocol", required_argument, NULL, OPT_PROTOCOL},
                                        {"k", required_argument, NULL, OPT_K},
                                        {"repeat", no_argument, NULL, OPT_REPEAT},
                                        {"html", required_argument, NULL, OPT_HTML},
                                        {"customers", required_argument, NULL, OPT_CUSTOMERS},
                                        {0}};

static bool is_protocol(struct nbx_argument a)
{
    if (nbx_protocol_known(a.text))
        return true;
    fprintf(stderr, "nbx-train: %s: unknown \"%s\", known are %s\n", a.option, a.text,
            NBX_PROTOCOLS);
    return false;
}

static bool take_option(void *ctx, int id, struct nbx_argument a)
{
    struct request *r = ctx;
    struct nbx_evaluate_options *o = &r->evaluate;
    switch (id) {
    case OPT_PROTOCOL: o->protocol = a.text; return is_protocol(a);
    case OPT_HTML: r->html = a.text; return true;
    case OPT_CUSTOMERS: r->customers = a.text; return true;
    case OPT_REPEAT: o->repeat = true; return true;
    case OPT_K:
        return nbx_argument_list(o->k, &o->n_k, NBX_EVALUATE_MAX_N_K, a, NBX_EVALUATE_MAX_K);
    default: return nbx_against_take(&r->against, id, a);
    }
}

/* The metrics of a list by name, in the order they are printed. */
#define N_METRICS 6

struct named {
    const char *name;
    double value;
};

static void name_metrics(struct named out[N_METRICS], const struct nbx_metrics *m)
{
    out[0] = (struct named){"recall", m->recall};
    out[1] = (struct named){"ndcg", m->ndcg};
    out[2] = (struct named){"precision", m->precision};
    out[3] = (struct named){"hit", m->hit};
    out[4] = (struct named){"mrr", m->mrr};
    out[5] = (struct named){"map", m->map};
}

/* "name@k":value, for the first n metrics. */
static void print_json_metrics(const struct nbx_metrics *m, size_t k, size_t n)
{
    struct named named[N_METRICS];
    name_metrics(named, m);
    for (size_t i = 0; i < n; i++)
        printf("%s\"%s@%zu\":%.6f", i ? "," : "", named[i].name, k, named[i].value);
}

static void print_json_segments(const struct nbx_evaluation *e)
{
    printf("\"segments\":{");
    for (size_t s = 0; s < NBX_SEGMENTS; s++) {
        printf("%s\"%s\":{\"users\":%zu", s ? "," : "", nbx_segment_names[s],
               e->segment_customers[s]);
        for (size_t i = 0; i < e->n_k; i++) {
            printf(",");
            print_json_metrics(&e->at[i].segments[s], e->at[i].k, 2);
        }
        printf("}");
    }
    printf("},\"head_items\":%zu", e->head_items);
}

static size_t largest_k(const struct nbx_evaluation *e)
{
    size_t most = 0;
    for (size_t i = 0; i < e->n_k; i++)
        most = e->at[i].k > most ? e->at[i].k : most;
    return most;
}

static void print_json(const struct request *r, const struct nbx_bundle_info *bundle,
                       const struct nbx_evaluation *e)
{
    printf("{\"protocol\":\"%s\",\"k\":%zu,\"model\":\"%.*s\",\"version\":\"%.*s\",",
           r->evaluate.protocol, largest_k(e), NBX_STR_ARG(bundle->name),
           NBX_STR_ARG(bundle->version));
    for (size_t i = 0; i < e->n_k; i++) {
        size_t k = e->at[i].k;
        const struct nbx_exposure *x = &e->at[i].exposure;
        print_json_metrics(&e->at[i].metrics, k, N_METRICS);
        printf(",\"coverage@%zu\":%.6f,\"gini@%zu\":%.6f,\"novelty@%zu\":%.6f,", k, x->coverage, k,
               x->gini, k, x->novelty);
    }
    printf("\"popularity\":{");
    for (size_t i = 0; i < e->n_k; i++) {
        printf("%s", i ? "," : "");
        print_json_metrics(&e->at[i].popularity, e->at[i].k, N_METRICS);
    }
    printf("},\"customers\":\"folded in from their events\",\"repeat\":%s,\"users\":%zu,",
           r->evaluate.repeat ? "true" : "false", e->customers);
    printf("\"cold\":%zu,\"described\":%zu,\"items\":%zu,\"test_pairs\":%zu,\"unknown_pairs\":%zu,"
           "\"seconds\":%.3f,",
           e->cold, e->described, bundle->n_items, e->test_pairs, e->unknown_pairs, e->seconds);
    print_json_segments(e);
    printf("}\n");
}

static void print_line(const char *name, size_t k, double value)
{
    char text[32];
    snprintf(text, sizeof text, "%s@%zu", name, k);
    printf("  %-14s %8.4f", text, value);
}

static void print_at(const struct nbx_evaluation_at *at)
{
    struct named model[N_METRICS], popularity[N_METRICS];
    name_metrics(model, &at->metrics);
    name_metrics(popularity, &at->popularity);
    for (size_t i = 0; i < N_METRICS; i++) {
        print_line(model[i].name, at->k, model[i].value);
        printf(" %12.4f\n", popularity[i].value);
    }
    const struct named exposure[] = {{"coverage", at->exposure.coverage},
                                     {"gini", at->exposure.gini},
                                     {"novelty", at->exposure.novelty}};
    for (size_t i = 0; i < sizeof exposure / sizeof *exposure; i++) {
        print_line(exposure[i].name, at->k, exposure[i].value);
        printf("\n");
    }
}

static void print_segments(const struct nbx_evaluation *e)
{
    static const char *const what[NBX_SEGMENTS] = {"fewer than 5 items", "5 to 19", "20 and more",
                                                   "items of half the pairs", "other items"};
    char recall[16], ndcg[16];
    printf("\n  %-33s %9s", "", "customers");
    for (size_t i = 0; i < e->n_k; i++) {
        snprintf(recall, sizeof recall, "recall@%zu", e->at[i].k);
        snprintf(ndcg, sizeof ndcg, "ndcg@%zu", e->at[i].k);
        printf("  %11s  %9s", recall, ndcg);
    }
    printf("\n");
    for (size_t s = 0; s < NBX_SEGMENTS; s++) {
        printf("  %-8s %-24s %9zu", nbx_segment_names[s], what[s], e->segment_customers[s]);
        for (size_t i = 0; i < e->n_k; i++)
            printf("  %11.4f  %9.4f", e->at[i].segments[s].recall, e->at[i].segments[s].ndcg);
        printf("\n");
    }
}

static void print_table(const struct request *r, const struct nbx_bundle_info *bundle,
                        const struct nbx_evaluation *e)
{
    printf("%.*s %.*s, protocol %s: %zu customers folded in from their events, %zu items\n",
           NBX_STR_ARG(bundle->name), NBX_STR_ARG(bundle->version), r->evaluate.protocol,
           e->customers, bundle->n_items);
    printf("  %-14s %8s %12s\n", "", "model", "popularity");
    for (size_t i = 0; i < e->n_k; i++)
        print_at(&e->at[i]);
    print_segments(e);
    printf("\n  %zu held-out pairs, %zu on items the model does not know; %zu customers without "
           "history",
           e->test_pairs, e->unknown_pairs, e->cold);
    if (r->customers)
        printf(", %zu of them described by attributes", e->described);
    printf("\n  %.1f s\n", e->seconds);
}

static enum nbx_err write_page(const struct request *r, const struct nbx_bundle_info *bundle,
                               const struct nbx_evaluation *e, struct nbx_fault *fault)
{
    struct nbx_buf page = {0};
    nbx_report_evaluation(&page, &(struct nbx_report_evaluation){.bundle = bundle,
                                                                 .evaluation = e,
                                                                 .protocol = r->evaluate.protocol,
                                                                 .repeat = r->evaluate.repeat});
    enum nbx_err err = nbx_html_save(r->html, &page, fault);
    nbx_buf_fini(&page);
    if (!err)
        fprintf(r->against.json ? stderr : stdout, "wrote %s\n", r->html);
    return err;
}

/* What is known of the test file's customers, and what it means to the bundle. */
struct knowledge {
    struct nbx_customer_table table;
    struct nbx_describer *describer;
};

static bool describe(void *ctx, size_t customer, float *x)
{
    const struct knowledge *k = ctx;
    return nbx_describe_customer(x, k->describer, &k->table.facts[customer]);
}

/* Fills `how` with it, where --customers was given. */
static enum nbx_err learn_of(struct knowledge *out, struct nbx_evaluate_options *how,
                             const struct request *r, const struct nbx_bundle_info *info,
                             const struct nbx_dataset *test, struct nbx_fault *fault)
{
    if (!r->customers)
        return NBX_OK;
    if (!info->customer_features.n)
        return nbx_fault_set(fault, NBX_EBAD, "--customers",
                             "the bundle says nothing of customers' attributes");
    enum nbx_err err = nbx_customer_table_read(&out->table, r->customers, test->customer_ids,
                                               test->n_customers, fault);
    if (!err && nbx_describer_new(&out->describer, &info->customer_features, nbx_bundle_dims(info)))
        err = nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    how->cold = describe;
    how->cold_ctx = out;
    return err;
}

static enum nbx_err measure(const struct request *r, const struct nbx_dataset *events,
                            const struct nbx_dataset *test, struct nbx_fault *fault)
{
    char text[32];
    struct nbx_bundle *bundle;
    struct nbx_evaluation e;
    enum nbx_err err = nbx_bundle_open(&bundle, r->against.bundle, fault);
    if (err)
        return err;
    const struct nbx_bundle_info *info = nbx_bundle_get(bundle);
    fprintf(r->against.json ? stderr : stdout, "memory: evaluating takes at most %s more\n",
            nbx_train_bytes(text, nbx_evaluate_bound_bytes(info, test->n_customers, &r->evaluate)));
    struct nbx_evaluate_options how = r->evaluate;
    struct knowledge known = {0};
    err = learn_of(&known, &how, r, info, test, fault);
    if (!err)
        err = nbx_evaluate(&e, info, events, test, &how, fault);
    if (!err && r->against.json)
        print_json(r, info, &e);
    else if (!err)
        print_table(r, info, &e);
    if (!err && r->html)
        err = write_page(r, info, &e, fault);
    nbx_describer_destroy(&known.describer);
    nbx_customer_table_fini(&known.table);
    nbx_bundle_close(&bundle);
    return err;
}

static int run(const struct request *r)
{
    char text[32];
    struct nbx_fault fault = {0};
    struct nbx_dataset *events = NULL, *test = NULL;
    struct nbx_dataset_options read = {
        .types = &r->against.types, .weighted = r->against.weighted, .progress_fd = STDERR_FILENO};
    uint64_t bound =
        nbx_dataset_bound_bytes(r->against.events) + nbx_dataset_bound_bytes(r->against.test);
    fprintf(r->against.json ? stderr : stdout, "memory: reading both files takes at most %s\n",
            nbx_train_bytes(text, bound));
    enum nbx_err err = nbx_dataset_read(&events, r->against.events, &read, &fault);
    if (!err)
        err = nbx_dataset_read(&test, r->against.test, &read, &fault);
    if (!err)
        err = measure(r, events, test, &fault);
    nbx_dataset_destroy(&events);
    nbx_dataset_destroy(&test);
    return err ? nbx_train_failed(&fault) : NBX_EXIT_OK;
}

int nbx_train_evaluate(int argc, char **argv)
{
    struct request r = {
        .evaluate = {
            .protocol = PROTOCOL, .k = {DEFAULT_K}, .n_k = 1, .progress_fd = STDERR_FILENO}};
    struct nbx_command command = {usage, options, NBX_AGAINST_HELP, take_option, &r};
    int code;
    nbx_against_init(&r.against);
    if (!nbx_command_take(&command, argc, argv, &code))
        return code;
    if (!nbx_against_given(&r.against))
        return NBX_EXIT_USAGE;
    r.evaluate.threads = r.against.threads;
    return run(&r);
}
