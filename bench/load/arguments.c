/* SPDX-License-Identifier: MIT */
#include "bench/load/arguments.h"

#include "bench/load/value.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

const char *const nbx_load_scenarios[] = {"recommend", "rank", "observe", "mixed", NULL};
const char *const nbx_load_records[] = {"none", "decision", "shown", NULL};
const char *const nbx_load_acks[] = {"durable", "memory", NULL};
static const char *const arrivals[] = {"poisson", "constant", NULL};
/* What --mix may name. */
static const char *const kinds[] = {"recommend", "rank", "observe", NULL};

#define FIXED_SECONDS 10
#define STEP_SECONDS  2
#define MAX_EXACT     9007199254740991.0 /* 2^53 - 1: what a double holds */

enum kind { TEXT, NUMBER, COUNT, WHOLE, YES, CHOICE, RATES, WEIGHTS };

/* One option: where its value goes, and what it may be. */
struct option_row {
    const char *name, *value, *help;
    size_t at;       /* in struct nbx_load_arguments */
    double min, max; /* of TEXT: max bytes; 0: any */
    const char *const *choices;
    enum kind kind;
    enum { ANY, RAMP, FIXED, MIX } needs; /* elsewhere it would change nothing, so it is refused */
    bool echo;                            /* bench_echo has it too */
};

#define AT(member) offsetof(struct nbx_load_arguments, member)

static const struct option_row rows[] = {
    {"endpoint", "ENDPOINT", "of nbxd (default tcp://127.0.0.1:7741 or $NBX_ENDPOINT)",
     AT(load.endpoint), .kind = TEXT, .echo = true},
    {"rate", "R|LOW:HIGH", "requests per second (default 1000), or a ramp between two",
     AT(load.rate), .min = 0.01, .max = 1e6, .kind = RATES, .echo = true},
    {"duration", "S", "how long it counts (default 10); of a ramp each step, at least (2)",
     AT(load.seconds), .min = 0.01, .max = 86400, .kind = NUMBER, .echo = true},
    {"seconds", "S", "the same", AT(load.seconds), .min = 0.01, .max = 86400, .kind = NUMBER,
     .echo = true},
    {"warmup", "S", "before that, at the same rate, not counted (default 0.5)",
     AT(load.warmup_seconds), .min = 0, .max = 3600, .kind = NUMBER, .echo = true},
    {"arrivals", "KIND", "poisson (default) or constant", AT(arrivals), .choices = arrivals,
     .kind = CHOICE, .echo = true},
    {"connections", "N", "1 (default) to 64, used by turns", AT(load.connections), .min = 1,
     .max = NBX_LOAD_MAX_CONNECTIONS, .kind = COUNT, .echo = true},
    {"timeout-ms", "MS", "how long an answer may take, and nbxd be silent (default 5000)",
     AT(load.timeout_ms), .min = 1, .max = 600000, .kind = COUNT, .echo = true},
    {"seed", "N", "of arrivals, customers, items, kinds (default 1)", AT(load.seed), .min = 0,
     .max = MAX_EXACT, .kind = WHOLE, .echo = true},
    {"p99-ms", "MS", "of a ramp: the p99 a rate must keep within (default 1)", AT(p99_ms),
     .min = 0.001, .max = 60000, .kind = NUMBER, .needs = RAMP, .echo = true},
    {"step-samples", "N", "of a ramp: requests each step counts, at least (default 2000)",
     AT(step_samples), .min = 100, .max = 1e9, .kind = COUNT, .needs = RAMP, .echo = true},
    {"tries", "N", "of a ramp: a rate fails when it does so as often (default 2)", AT(tries),
     .min = 1, .max = 100, .kind = COUNT, .needs = RAMP, .echo = true},
    {"settle", "S", "of a ramp: rest before each step (default 1)", AT(settle_seconds), .min = 0,
     .max = 3600, .kind = NUMBER, .needs = RAMP, .echo = true},
    {"histogram", NULL, "print latencies as bars too", AT(histogram), .kind = YES, .needs = FIXED,
     .echo = true},
    {"json", NULL, "print the result as one JSON object", AT(json), .kind = YES, .echo = true},
    {"help", NULL, "this text", AT(help), .kind = YES, .echo = true},
    {"reply-bytes", "N", "of each reply (default 1200; bench_echo only)", AT(reply_bytes),
     .min = 16, .max = 1 << 20, .kind = COUNT, .echo = true},
    {"scenario", "KIND", "recommend (default), rank, observe or mixed", AT(scenario),
     .choices = nbx_load_scenarios, .kind = CHOICE},
    {"mix", "WEIGHTS", "of mixed (default recommend=80,observe=15,rank=5)", AT(weights),
     .choices = kinds, .kind = WEIGHTS, .needs = MIX},
    {"customers", "FILE", "customer ids, one a line, drawn at random", AT(customers_file),
     .kind = TEXT},
    {"n-customers", "N", "else as many, a prefix and a number (default 10000)", AT(n_customers),
     .min = 1, .max = 1e12, .kind = WHOLE},
    {"customer-prefix", "TEXT", "the prefix (default c)", AT(customer_prefix), .max = 200,
     .kind = TEXT},
    {"in-turn", NULL, "customers one after the other instead of drawn", AT(in_turn), .kind = YES},
    {"items", "FILE", "item ids for rank and observe (default: nbxd is asked for some)",
     AT(items_file), .kind = TEXT},
    {"n-items", "N", "or as many, a prefix and a number", AT(n_items), .min = 1, .max = 1e12,
     .kind = WHOLE},
    {"item-prefix", "TEXT", "the prefix (default i)", AT(item_prefix), .max = 200, .kind = TEXT},
    {"rank-items", "N", "of each list to rank (default 100)", AT(rank_items), .min = 1, .max = 1000,
     .kind = COUNT},
    {"n", "N", "items wanted (default 20)", AT(n), .min = 1, .max = 1000, .kind = COUNT},
    {"filter", "JSON", "such as '{\"field\": \"price\", \"lt\": 5000}'", AT(filter), .kind = TEXT},
    {"channel", "NAME", "of requests and events", AT(channel), .max = 64, .kind = TEXT},
    {"exclude-seen", NULL, "leave out what the customer knows", AT(exclude_seen), .kind = YES},
    {"explain", NULL, "ask for reasons", AT(explain), .kind = YES},
    {"record", "WHAT", "none, decision (default) or shown", AT(record), .choices = nbx_load_records,
     .kind = CHOICE},
    {"type", "TYPE", "of observed events (default view)", AT(type), .max = 64, .kind = TEXT},
    {"ack", "LEVEL", "of observe: durable (default) or memory", AT(ack), .choices = nbx_load_acks,
     .kind = CHOICE},
};
#define N_ROWS (sizeof rows / sizeof rows[0])

/* parsing */

static enum nbx_err set_number(char *at, const struct option_row *row, const char *text,
                               struct nbx_fault *fault)
{
    struct nbx_load_bounds bounds = {row->min, row->max};
    double v;
    enum nbx_err err = row->kind == NUMBER ? nbx_load_number(&v, text, bounds, fault)
                                           : nbx_load_whole(&v, text, bounds, fault);
    if (err)
        return err;
    if (row->kind == NUMBER)
        *(double *)at = v;
    else if (row->kind == COUNT)
        *(unsigned *)at = (unsigned)v;
    else
        *(uint64_t *)at = (uint64_t)v;
    return NBX_OK;
}

static enum nbx_err set_text(char *at, const struct option_row *row, const char *text,
                             struct nbx_fault *fault)
{
    *(const char **)at = text;
    return row->max > 0 && (double)strlen(text) > row->max
               ? nbx_fault_set(fault, NBX_EBAD, NULL, "at most %g bytes: \"%s\"", row->max, text)
               : NBX_OK;
}

static enum nbx_err set(struct nbx_load_arguments *a, const struct option_row *row,
                        const char *text, struct nbx_fault *fault)
{
    struct nbx_load_bounds bounds = {row->min, row->max};
    char *at = (char *)a + row->at;
    switch (row->kind) {
    case TEXT: return set_text(at, row, text, fault);
    case NUMBER:
    case COUNT:
    case WHOLE: return set_number(at, row, text, fault);
    case YES: *(bool *)at = true; return NBX_OK;
    case CHOICE: return nbx_load_choice((unsigned *)at, text, row->choices, fault);
    case RATES: return nbx_load_rates(&a->load.rate, &a->highest_rate, text, bounds, fault);
    case WEIGHTS: return nbx_load_weights((unsigned *)at, text, row->choices, fault);
    }
    return NBX_EINTERNAL;
}

static enum nbx_err check_use(const struct nbx_load_arguments *a, const struct option_row *row,
                              struct nbx_fault *fault)
{
    if (row->needs == RAMP && a->highest_rate == 0)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "needs --rate LOW:HIGH");
    if (row->needs == FIXED && a->highest_rate > 0)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "needs one --rate, not a ramp");
    if (row->needs == MIX && a->scenario != NBX_LOAD_MIXED)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "needs --scenario mixed");
    if (row->at == AT(n_items) && a->items_file)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "not together with --items");
    return NBX_OK;
}

static bool refuse(const struct nbx_load_arguments *a, const struct option_row *row,
                   const struct nbx_fault *fault)
{
    fprintf(stderr, "%s: --%s: %s\n", a->program, row->name, fault->message);
    return false;
}

static void set_defaults(struct nbx_load_arguments *a, const char *program)
{
    const char *slash = strrchr(program, '/'), *endpoint = getenv("NBX_ENDPOINT");
    *a = (struct nbx_load_arguments){
        .program = slash ? slash + 1 : program,
        .load = {.endpoint = endpoint && *endpoint ? endpoint : "tcp://127.0.0.1:7741",
                 .rate = 1000,
                 .warmup_seconds = 0.5,
                 .connections = 1,
                 .timeout_ms = 5000,
                 .seed = 1},
        .p99_ms = 1,
        .settle_seconds = 1,
        .step_samples = 2000,
        .tries = 2,
        .reply_bytes = 1200,
        .weights = {[NBX_LOAD_RECOMMEND] = 80, [NBX_LOAD_OBSERVE] = 15, [NBX_LOAD_RANK] = 5},
        .customer_prefix = "c",
        .n_customers = 10000,
        .item_prefix = "i",
        .rank_items = 100,
        .n = 20,
        .record = 1, /* decision */
        .type = "view",
    };
}

/* given (N_ROWS): which options were there. */
static bool read_options(struct nbx_load_arguments *a, bool *given, int argc, char **argv)
{
    struct option longs[N_ROWS + 1] = {0};
    struct nbx_fault fault;
    int got;
    for (size_t i = 0; i < N_ROWS; i++)
        longs[i] = (struct option){rows[i].name, rows[i].value != NULL, NULL, (int)i + 256};
    optind = 0; /* glibc: begin anew */
    while ((got = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (got == '?')
            return false;
        const struct option_row *row = &rows[got - 256];
        given[got - 256] = true;
        if (set(a, row, optarg, &fault))
            return refuse(a, row, &fault);
    }
    if (optind < argc)
        fprintf(stderr, "%s: not an option: %s\n", a->program, argv[optind]);
    return optind == argc;
}

bool nbx_load_parse(struct nbx_load_arguments *out, int argc, char **argv)
{
    bool given[N_ROWS] = {false};
    struct nbx_fault fault;
    set_defaults(out, argv[0]);
    if (!read_options(out, given, argc, argv))
        return false;
    for (size_t i = 0; i < N_ROWS; i++)
        if (given[i] && check_use(out, &rows[i], &fault))
            return refuse(out, &rows[i], &fault);
    out->load.constant = out->arrivals > 0;
    if (out->load.seconds == 0)
        out->load.seconds = out->highest_rate > 0 ? STEP_SECONDS : FIXED_SECONDS;
    return true;
}

void nbx_load_print_help(const char *program, bool echo)
{
    printf("usage: %s [OPTIONS]\n\n%s\n\n", program,
           echo ? "A bare ZeroMQ ROUTER that answers at once, under nbx-bench's load."
                : "Open-loop load on nbxd. Latency counts from the moment a request was due, so a\n"
                  "slow answer counts for all who came during it. With --rate LOW:HIGH it looks\n"
                  "for the highest rate whose p99 keeps within --p99-ms.");
    for (size_t i = 0; i < N_ROWS; i++) {
        char left[64];
        if (echo && !rows[i].echo)
            continue;
        snprintf(left, sizeof left, "--%s%s%s", rows[i].name, rows[i].value ? " " : "",
                 rows[i].value ? rows[i].value : "");
        printf("  %-24s %s\n", left, rows[i].help);
    }
    printf("\nExit codes: 0 every request was answered ok, or the ramp found a rate; 1 not so;\n"
           "2 wrong usage.\n");
}
