/* SPDX-License-Identifier: MIT */
#include "bench/load/arguments.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum kind { TEXT, NUMBER, COUNT, WHOLE, YES, CHOICE };

/* One option: where its value goes, and what it may be. */
struct option_row {
    const char *name, *value, *help;
    size_t at; /* in struct nbx_load_arguments */
    double min, max;
    const char *first, *second; /* of CHOICE: stands for false, true */
    enum kind kind;
    bool echo; /* bench_echo has it too */
};

#define AT(member) offsetof(struct nbx_load_arguments, member)

static const struct option_row rows[] = {
    {"endpoint", "ENDPOINT", "of nbxd (default tcp://127.0.0.1:7741 or $NBX_ENDPOINT)",
     AT(load.endpoint), .kind = TEXT, .echo = true},
    {"rate", "N", "requests per second (default 1000)", AT(load.rate), .kind = NUMBER, .min = 0.01,
     .max = 1e6, .echo = true},
    {"seconds", "S", "how long (default 10)", AT(load.seconds), .kind = NUMBER, .min = 0.01,
     .max = 86400, .echo = true},
    {"warmup", "S", "before that, not counted (default 0.5)", AT(load.warmup_seconds),
     .kind = NUMBER, .min = 0, .max = 3600, .echo = true},
    {"arrivals", "KIND", "poisson (default) or constant", AT(load.constant), .kind = CHOICE,
     .first = "poisson", .second = "constant", .echo = true},
    {"connections", "N", "1 (default) to 64", AT(load.connections), .kind = COUNT, .min = 1,
     .max = NBX_LOAD_MAX_CONNECTIONS, .echo = true},
    {"timeout-ms", "MS", "when an unanswered request is lost (default 5000)", AT(load.timeout_ms),
     .kind = COUNT, .min = 1, .max = 600000, .echo = true},
    {"seed", "N", "of arrivals and customers (default 1)", AT(load.seed), .kind = WHOLE, .min = 0,
     .max = 1e18, .echo = true},
    {"reply-bytes", "N", "of each reply (default 1200; bench_echo only)", AT(reply_bytes),
     .kind = COUNT, .min = 16, .max = 1 << 20, .echo = true},
    {"json", NULL, "print the result as JSON", AT(json), .kind = YES, .echo = true},
    {"help", NULL, "this text", AT(help), .kind = YES, .echo = true},
    {"scenario", "KIND", "recommend (default) or observe", AT(observe), .kind = CHOICE,
     .first = "recommend", .second = "observe"},
    {"customers", "FILE", "customer ids, one a line, drawn at random", AT(customers_file),
     .kind = TEXT},
    {"customer-prefix", "TEXT", "else: this and a number (default c)", AT(customer_prefix),
     .kind = TEXT},
    {"n-customers", "N", "of those (default 10000)", AT(n_customers), .kind = WHOLE, .min = 1,
     .max = 1e12},
    {"item-prefix", "TEXT", "of observed items (default i)", AT(item_prefix), .kind = TEXT},
    {"n-items", "N", "of those (default 10000)", AT(n_items), .kind = WHOLE, .min = 1, .max = 1e12},
    {"n", "N", "items wanted (default 20)", AT(n), .kind = COUNT, .min = 1, .max = 1000},
    {"filter", "JSON", "such as '{\"field\": \"price\", \"lt\": 5000}'", AT(filter), .kind = TEXT},
    {"channel", "NAME", "of requests and events", AT(channel), .kind = TEXT},
    {"exclude-seen", NULL, "leave out what the customer knows", AT(exclude_seen), .kind = YES},
    {"explain", NULL, "ask for reasons", AT(explain), .kind = YES},
    {"record", "WHAT", "none, decision (nbxd's default) or shown", AT(record), .kind = TEXT},
    {"type", "TYPE", "of observed events (default view)", AT(type), .kind = TEXT},
    {"ack", "LEVEL", "of observe: durable (nbxd's default) or memory", AT(ack), .kind = TEXT},
};
#define N_ROWS (sizeof rows / sizeof rows[0])

static bool refuse(const struct option_row *row, const char *text, const char *why)
{
    fprintf(stderr, "--%s: %s%s\n", row->name, why, text);
    return false;
}

static bool set_number(struct nbx_load_arguments *a, const struct option_row *row, const char *text)
{
    char *end, *at = (char *)a + row->at;
    double v = strtod(text, &end);
    if (*end || end == text || !(v >= row->min && v <= row->max))
        return refuse(row, text, "not a number in its range: ");
    if (row->kind != NUMBER && v != floor(v))
        return refuse(row, text, "not a whole number: ");
    if (row->kind == NUMBER)
        *(double *)at = v;
    else if (row->kind == COUNT)
        *(unsigned *)at = (unsigned)v;
    else
        *(uint64_t *)at = (uint64_t)v;
    return true;
}

static bool set(struct nbx_load_arguments *a, const struct option_row *row, const char *text)
{
    char *at = (char *)a + row->at;
    switch (row->kind) {
    case TEXT: *(const char **)at = text; return true;
    case YES: *(bool *)at = true; return true;
    case CHOICE:
        *(bool *)at = strcmp(text, row->second) == 0;
        return *(bool *)at || strcmp(text, row->first) == 0 ||
               refuse(row, text, "no such choice: ");
    case NUMBER:
    case COUNT:
    case WHOLE: return set_number(a, row, text);
    }
    return false;
}

bool nbx_load_parse(struct nbx_load_arguments *out, int argc, char **argv)
{
    const char *endpoint = getenv("NBX_ENDPOINT");
    *out = (struct nbx_load_arguments){
        .load = {.endpoint = endpoint && *endpoint ? endpoint : "tcp://127.0.0.1:7741",
                 .rate = 1000,
                 .seconds = 10,
                 .warmup_seconds = 0.5,
                 .connections = 1,
                 .timeout_ms = 5000,
                 .seed = 1},
        .reply_bytes = 1200,
        .customer_prefix = "c",
        .n_customers = 10000,
        .item_prefix = "i",
        .n_items = 10000,
        .n = 20,
        .type = "view",
    };
    struct option longs[N_ROWS + 1] = {0};
    for (size_t i = 0; i < N_ROWS; i++)
        longs[i] = (struct option){rows[i].name, rows[i].value != NULL, NULL, (int)i + 256};
    int got;
    optind = 0; /* glibc: begin anew */
    while ((got = getopt_long(argc, argv, "", longs, NULL)) != -1)
        if (got == '?' || !set(out, &rows[got - 256], optarg))
            return false;
    if (optind < argc)
        fprintf(stderr, "what is this? %s\n", argv[optind]);
    return optind == argc;
}

void nbx_load_print_help(const char *program, bool echo)
{
    printf("usage: %s [OPTIONS]\n\n%s\n\n", program,
           echo ? "A bare ZeroMQ ROUTER that answers at once, under nbx-bench's load."
                : "Open-loop load on nbxd. Latency counts from the moment a request was due.");
    for (size_t i = 0; i < N_ROWS; i++) {
        char left[64];
        if (echo && !rows[i].echo)
            continue;
        snprintf(left, sizeof left, "--%s%s%s", rows[i].name, rows[i].value ? " " : "",
                 rows[i].value ? rows[i].value : "");
        printf("  %-24s %s\n", left, rows[i].help);
    }
    printf("\nExit codes: 0 every request was answered ok, 1 not so, 2 wrong usage.\n");
}
