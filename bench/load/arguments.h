/* SPDX-License-Identifier: MIT
 * The command line of nbx-bench, and of bench_echo, which takes the part about load.
 *
 * Threads: main.
 * Errors:  a mistake is printed; the caller exits with 2.
 */
#ifndef NBX_BENCH_LOAD_ARGUMENTS_H
#define NBX_BENCH_LOAD_ARGUMENTS_H

#include "bench/load/generator.h"

struct nbx_load_arguments {
    struct nbx_load_options load;
    bool json, help;
    unsigned reply_bytes; /* of bench_echo */

    bool observe; /* the scenario; else recommend */
    const char *customers_file, *customer_prefix, *item_prefix, *filter, *channel, *record, *type,
        *ack;
    uint64_t n_customers, n_items;
    unsigned n;
    bool exclude_seen, explain;
};

/* false: wrong usage, printed. */
bool nbx_load_parse(struct nbx_load_arguments *out, int argc, char **argv);
/* What the options are; echo leaves out those of scenarios. */
void nbx_load_print_help(const char *program, bool echo);

#endif
