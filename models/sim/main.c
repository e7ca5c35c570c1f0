/* SPDX-License-Identifier: MIT
 * nbx-sim: a seeded shop whose customers' tastes are known. */
#include "engine/base/clock.h"
#include "models/sim/shop.h"
#include "models/sim/stream.h"
#include "models/sim/write.h"
#include "version.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: nbx-sim --out DIR [--seed S] [--customers C] [--items I] [--days D] [--now MS]\n"
    "\n"
    "Writes a simulated shop: items.csv, customers.csv, events.csv; what the customers bought\n"
    "afterwards (test.csv) and what they like best (truth.csv); and dataset.json.\n"
    "The same seed and --now give the same bytes.\n"
    "\n"
    "  --out DIR       folder to write to; made where it is missing\n"
    "  --seed S        default 1\n"
    "  --customers C   default 2000\n"
    "  --items I       default 1000\n"
    "  --days D        default 60\n"
    "  --now MS        when the events end, milliseconds since 1970; default: now\n";

enum { OPT_OUT = 1, OPT_SEED, OPT_CUSTOMERS, OPT_ITEMS, OPT_DAYS, OPT_NOW, OPT_HELP, OPT_VERSION };

static const struct option long_options[] = {
    {"out", required_argument, NULL, OPT_OUT},
    {"seed", required_argument, NULL, OPT_SEED},
    {"customers", required_argument, NULL, OPT_CUSTOMERS},
    {"items", required_argument, NULL, OPT_ITEMS},
    {"days", required_argument, NULL, OPT_DAYS},
    {"now", required_argument, NULL, OPT_NOW},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {0},
};

/* Ends the program where text is no whole number of that range. */
static uint64_t whole(int option, const char *text, uint64_t least, uint64_t most)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || text[0] < '0' || text[0] > '9' || value < least ||
        value > most) {
        fprintf(stderr, "nbx-sim: --%s: must be %" PRIu64 " to %" PRIu64 ", got \"%s\"\n",
                long_options[option - 1].name, least, most, text);
        exit(EXIT_USAGE);
    }
    return value;
}

static void take_option(struct sim_options *options, int option)
{
    switch (option) {
    case OPT_OUT: options->out = optarg; break;
    case OPT_SEED: options->seed = whole(option, optarg, 0, UINT64_MAX); break;
    case OPT_CUSTOMERS: options->n_customers = (uint32_t)whole(option, optarg, 1, 10000000); break;
    case OPT_ITEMS: options->n_items = (uint32_t)whole(option, optarg, 1, 99999); break;
    case OPT_DAYS: options->n_days = (uint32_t)whole(option, optarg, 1, 3660); break;
    case OPT_NOW:
        options->now_ms = (int64_t)whole(option, optarg, 400000000000, 4000000000000);
        break;
    case OPT_HELP: fputs(usage, stdout); exit(EXIT_SUCCESS);
    case OPT_VERSION: puts("nbx-sim " NBX_VERSION " (" NBX_COMMIT ")"); exit(EXIT_SUCCESS);
    default: fputs(usage, stderr); exit(EXIT_USAGE);
    }
}

static struct sim_options read_options(int argc, char **argv)
{
    struct sim_options options = {.seed = 1,
                                  .n_customers = 2000,
                                  .n_items = 1000,
                                  .n_days = 60,
                                  .now_ms = nbx_clock_wall_ms()};
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
        take_option(&options, option);
    if (optind < argc || !options.out || !*options.out) {
        fprintf(stderr, "nbx-sim: %s\n\n%s",
                optind < argc ? "takes options only" : "--out DIR is missing", usage);
        exit(EXIT_USAGE);
    }
    return options;
}

int main(int argc, char **argv)
{
    struct sim_options options = read_options(argc, argv);
    struct sim_shop *shop = NULL;
    struct sim_stream *stream = NULL;
    struct nbx_fault fault = {.message = "out of memory"};
    enum nbx_err err = sim_shop_new(&shop, &options);
    if (!err)
        err = sim_stream_new(&stream, shop, &options);
    if (!err)
        err = sim_write(&options, shop, stream, &fault);
    if (err)
        fprintf(stderr, "nbx-sim: %s%s%s\n", fault.field, fault.field[0] ? ": " : "",
                fault.message);
    else
        printf("%s: %zu customers, %zu items, %zu events, %zu held out\n", options.out,
               shop->n_customers, shop->n_items, stream->n_events, stream->n_test);
    sim_stream_destroy(&stream);
    sim_shop_destroy(&shop);
    return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
