/* SPDX-License-Identifier: MIT
 * The command line of nbx-bench, and of bench_echo, which takes the part about load.
 *
 * Threads: main.
 * Errors:  a mistake is printed on stderr, naming option and reason; the caller exits with 2.
 */
#ifndef NBX_BENCH_LOAD_ARGUMENTS_H
#define NBX_BENCH_LOAD_ARGUMENTS_H

#include "bench/load/generator.h"

/* The kinds of requests; a scenario is one of them, or mixed. */
enum nbx_load_kind { NBX_LOAD_RECOMMEND, NBX_LOAD_RANK, NBX_LOAD_OBSERVE, NBX_LOAD_MIXED };
#define NBX_LOAD_N_KINDS NBX_LOAD_MIXED

/* By enum; each ends with NULL. Those of --record and --ack are PROTOCOL.md's. */
extern const char *const nbx_load_scenarios[];
extern const char *const nbx_load_records[];
extern const char *const nbx_load_acks[];

struct nbx_load_arguments {
    const char *program;
    struct nbx_load_options load; /* of a ramp: rate is the lowest, seconds the least of a step */
    double highest_rate;          /* of a ramp; 0: the rate is fixed */
    double p99_ms, settle_seconds;
    unsigned step_samples, tries, arrivals;
    bool json, histogram, help;
    unsigned reply_bytes; /* of bench_echo */

    unsigned scenario;                  /* an enum nbx_load_kind */
    unsigned weights[NBX_LOAD_N_KINDS]; /* of mixed */
    const char *customers_file, *customer_prefix, *items_file, *item_prefix;
    uint64_t n_customers, n_items; /* n_items 0: sampled */
    unsigned n, rank_items;
    unsigned record, ack; /* of nbx_load_records, nbx_load_acks */
    const char *filter, *channel, *type;
    bool exclude_seen, explain, in_turn;
};

/* false: wrong usage, printed. */
bool nbx_load_parse(struct nbx_load_arguments *out, int argc, char **argv);
/* What the options are, with their defaults; echo leaves out those of scenarios. */
void nbx_load_print_help(const char *program, bool echo);

#endif
