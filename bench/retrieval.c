/* SPDX-License-Identifier: MIT
 * nbx's exact index by itself; bench/retrieval puts rivals beside it.
 *
 *     bench_retrieval [--items N] [--dims D] [--k K] [--queries Q] [--seed S] [--json]
 *                     [--vectors FILE] [--query-vectors FILE] [--eligible FILE] [--weights FILE]
 *                     [--slope S]
 *                     [--serve | --serve-read | --truth FILE]
 *
 * Files are raw float32 (--eligible: uint64 words, a bit for each item). Without them the vectors
 * are made, seeded. --slope: scores become 1 / (1 + exp(-S score)) before they are weighed. --serve
 * answers bench/subjects/subject.h's protocol, --serve-read the same by only reading as many bytes
 * as int8 vectors take; --truth writes brute-force lists, uint32 (Q, K).
 */
#include "bench/subjects/brute.h"
#include "bench/subjects/exact.h"
#include "bench/subjects/made.h"
#include "engine/base/clock.h"
#include "engine/score/dot.h"

#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WARM 50 /* queries before the first that counts */

enum mode { MEASURE, SERVE, SERVE_READ, TRUTH };

struct options {
    size_t items, dims, k, queries;
    uint64_t seed;
    struct nbx_transform sigmoid; /* none unless --slope */
    const char *vectors, *query_vectors, *eligible, *weights, *truth;
    enum mode mode;
    bool json;
};

struct input {
    struct nbx_brute all;
    struct nbx_subject_queries queries;
};

/* A file of at least n elements of this size. */
static const void *map_rows(const char *path, size_t n, size_t size)
{
    size_t bytes;
    const void *p = nbx_subject_map(path, &bytes);
    if (bytes < n * size)
        nbx_subject_fail("shorter than --items, --queries and --dims say", path);
    return p;
}

static const float *padded_queries(const struct options *o, size_t stride)
{
    const float *from = map_rows(o->query_vectors, o->queries * o->dims, sizeof *from);
    float *to = aligned_alloc(64, o->queries * stride * sizeof *to);
    if (!to)
        nbx_subject_fail("read queries", "out of memory");
    memset(to, 0, o->queries * stride * sizeof *to);
    for (size_t q = 0; q < o->queries; q++)
        memcpy(to + q * stride, from + q * o->dims, o->dims * sizeof *to);
    return to;
}

static struct input read_input(const struct options *o)
{
    struct input in = {.all = {.n = o->items, .dim = o->dims},
                       .queries = {.n = o->queries, .stride = nbx_padded(o->dims)}};
    in.all.vectors = o->vectors ? map_rows(o->vectors, o->items * o->dims, sizeof(float))
                                : nbx_made_items(o->items, o->dims, o->seed);
    in.queries.rows = o->query_vectors ? padded_queries(o, in.queries.stride)
                                       : nbx_made_queries(in.all.vectors, o->items, o->dims,
                                                          o->queries, in.queries.stride, o->seed);
    if (o->sigmoid.kind != NBX_TRANSFORM_NONE)
        in.all.transform = &o->sigmoid;
    if (o->eligible)
        in.all.eligible = map_rows(o->eligible, (o->items + 63) / 64, sizeof(uint64_t));
    if (o->weights)
        in.all.weight = map_rows(o->weights, o->items, sizeof(float));
    return in;
}

static void *room(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p)
        nbx_subject_fail("measure", "out of memory");
    return p;
}

static int rising(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Nearest rank of sorted values (n). */
static double quantile(const float *sorted, size_t n, double q)
{
    size_t rank = (size_t)ceil(q * (double)n);
    return (double)sorted[rank ? rank - 1 : 0];
}

/* The share of the truth's ids that are in the answers; both (n, k). */
static double recall(const uint32_t *ids, const uint32_t *truth, size_t n, size_t k)
{
    size_t wanted = 0, found = 0;
    for (size_t q = 0; q < n; q++)
        for (size_t i = 0; i < k && truth[q * k + i] != UINT32_MAX; i++) {
            wanted++;
            for (size_t j = 0; j < k; j++)
                found += ids[q * k + j] == truth[q * k + i];
        }
    return wanted ? (double)found / (double)wanted : 1;
}

static void print(const struct options *o, const struct nbx_subject *subject, const float *sorted,
                  double recall, double scanned)
{
    double p50 = quantile(sorted, o->queries, .5), p99 = quantile(sorted, o->queries, .99);
    double p999 = quantile(sorted, o->queries, .999);
    double bytes = (double)subject->bytes / (double)(o->items * o->dims);
    char share[32] = "null";
    if (!isnan(scanned))
        snprintf(share, sizeof share, "%.6f", scanned);
    if (o->json)
        printf("{\"items\":%zu,\"dims\":%zu,\"k\":%zu,\"queries\":%zu,\"seed\":%llu,"
               "\"kernel\":\"%s\",\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_us\":%.2f,"
               "\"recall\":%.7f,\"bytes_per_dim_item\":%.4f,\"scanned_share\":%s}\n",
               o->items, o->dims, o->k, o->queries, (unsigned long long)o->seed, nbx_dot_kernel(),
               p50, p99, p999, recall, bytes, share);
    else
        printf("%zu items x %zu, top %zu, %zu queries, %s: p50 %.1f us, p99 %.1f us, "
               "p99.9 %.1f us, recall %.5f, %.2f bytes per item and dimension\n",
               o->items, o->dims, o->k, o->queries, nbx_dot_kernel(), p50, p99, p999, recall,
               bytes);
}

static void measure(const struct options *o, const struct input *in,
                    const struct nbx_subject *subject)
{
    float *us = room(o->queries, sizeof *us);
    uint32_t *ids = room(o->queries * o->k, sizeof *ids);
    uint32_t *truth = room(o->queries * o->k, sizeof *truth);
    double scanned = 0;
    nbx_brute_lists(&in->all, &in->queries, o->k, truth);
    for (size_t i = 0; i < WARM + o->queries; i++) {
        size_t q = i < WARM ? i % o->queries : i - WARM;
        us[q] = nbx_subject_time(subject, in->queries.rows + q * in->queries.stride, o->k,
                                 ids + q * o->k);
        scanned += i < WARM ? 0 : nbx_exact_scanned_share(subject) / (double)o->queries;
    }
    qsort(us, o->queries, sizeof *us, rising);
    print(o, subject, us, recall(ids, truth, o->queries, o->k), scanned);
    free(us);
    free(ids);
    free(truth);
}

static void write_truth(const struct options *o, const struct input *in)
{
    uint32_t *truth = room(o->queries * o->k, sizeof *truth);
    nbx_brute_lists(&in->all, &in->queries, o->k, truth);
    FILE *file = fopen(o->truth, "wbe");
    size_t n = o->queries * o->k;
    if (!file || fwrite(truth, sizeof *truth, n, file) != n || fclose(file) != 0)
        nbx_subject_fail("cannot be written", o->truth);
    free(truth);
}

static void usage(void)
{
    fprintf(stderr,
            "usage: bench_retrieval [--items N] [--dims D] [--k K] [--queries Q] [--seed S] "
            "[--json]\n    [--vectors FILE] [--query-vectors FILE] [--eligible FILE] "
            "[--weights FILE] [--slope S]\n    [--serve | --serve-read | --truth FILE]\n");
    exit(2);
}

/* A whole number of 1 to most; anything else is a usage error. */
static size_t count(const char *name, const char *text, size_t most)
{
    char *end;
    unsigned long long v = strtoull(text, &end, 10);
    if (*end || end == text || *text == '-' || v < 1 || v > most) {
        fprintf(stderr, "bench_retrieval: --%s must be 1 to %zu, got %s\n", name, most, text);
        exit(2);
    }
    return (size_t)v;
}

static struct nbx_transform sigmoid(const char *text)
{
    char *end;
    struct nbx_transform t = {.kind = NBX_TRANSFORM_SIGMOID, .slope = strtof(text, &end)};
    if (*end || !nbx_transform_valid(&t)) {
        fprintf(stderr, "bench_retrieval: --slope must be a number above 0, got %s\n", text);
        exit(2);
    }
    return t;
}

static struct options parse(int argc, char **argv)
{
    static const struct option names[] = {{"items", required_argument, NULL, 'n'},
                                          {"dims", required_argument, NULL, 'd'},
                                          {"k", required_argument, NULL, 'k'},
                                          {"queries", required_argument, NULL, 'q'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"vectors", required_argument, NULL, 'v'},
                                          {"query-vectors", required_argument, NULL, 'c'},
                                          {"eligible", required_argument, NULL, 'e'},
                                          {"weights", required_argument, NULL, 'w'},
                                          {"slope", required_argument, NULL, 'l'},
                                          {"truth", required_argument, NULL, 't'},
                                          {"serve", no_argument, NULL, 'S'},
                                          {"serve-read", no_argument, NULL, 'R'},
                                          {"json", no_argument, NULL, 'j'},
                                          {0}};
    struct options o = {.items = 100000, .dims = 64, .k = 10, .queries = 1000, .seed = 1};
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 'n': o.items = count("items", optarg, UINT32_MAX - 1); break;
        case 'd': o.dims = count("dims", optarg, 4096); break;
        case 'k': o.k = count("k", optarg, 100000); break;
        case 'q': o.queries = count("queries", optarg, 10000000); break;
        case 's': o.seed = count("seed", optarg, SIZE_MAX - 1); break;
        case 'v': o.vectors = optarg; break;
        case 'c': o.query_vectors = optarg; break;
        case 'e': o.eligible = optarg; break;
        case 'w': o.weights = optarg; break;
        case 'l': o.sigmoid = sigmoid(optarg); break;
        case 't': o.truth = optarg, o.mode = TRUTH; break;
        case 'S': o.mode = SERVE; break;
        case 'R': o.mode = SERVE_READ; break;
        case 'j': o.json = true; break;
        default: usage();
        }
    }
    if (optind != argc)
        usage();
    return o;
}

int main(int argc, char **argv)
{
    static struct input in; /* to the end of the process, as what it owns */
    static struct nbx_subject subject;
    struct options o = parse(argc, argv);
    in = read_input(&o);
    if (o.mode == TRUTH) {
        write_truth(&o, &in);
        return 0;
    }
    if (o.mode == SERVE_READ)
        nbx_exact_read_subject(&subject, o.items, o.dims);
    else
        nbx_exact_subject(&subject, &in.all);
    if (in.all.eligible && subject.filter)
        subject.filter(subject.self, in.all.eligible);
    if (o.mode == MEASURE)
        measure(&o, &in, &subject);
    else
        nbx_subject_serve(&subject, &in.queries);
    return 0;
}
