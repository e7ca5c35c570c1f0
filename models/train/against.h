/* SPDX-License-Identifier: MIT
 * A model and the files it is held against: what evaluate and calibrate are both told.
 *
 * Owns:    nothing.
 * Threads: one.
 * Errors:  false after a line on stderr that names the option.
 */
#ifndef NBX_MODELS_TRAIN_AGAINST_H
#define NBX_MODELS_TRAIN_AGAINST_H

#include "models/train/arguments.h"

#include <getopt.h>

enum nbx_against_option {
    NBX_AGAINST_BUNDLE = 1,
    NBX_AGAINST_EVENTS,
    NBX_AGAINST_TEST,
    NBX_AGAINST_THREADS,
    NBX_AGAINST_TYPES,
    NBX_AGAINST_WEIGHTED,
    NBX_AGAINST_JSON,
    NBX_AGAINST_HELP,
    NBX_AGAINST_OWN, /* a command's own begin here */
};

/* Entries of a struct option table. */
#define NBX_AGAINST_OPTIONS                                                                        \
    {"bundle", required_argument, NULL, NBX_AGAINST_BUNDLE},                                       \
        {"events", required_argument, NULL, NBX_AGAINST_EVENTS},                                   \
        {"test", required_argument, NULL, NBX_AGAINST_TEST},                                       \
        {"threads", required_argument, NULL, NBX_AGAINST_THREADS},                                 \
        {"types", required_argument, NULL, NBX_AGAINST_TYPES},                                     \
        {"weighted", no_argument, NULL, NBX_AGAINST_WEIGHTED},                                     \
        {"json", no_argument, NULL, NBX_AGAINST_JSON},                                             \
    {                                                                                              \
        "help", no_argument, NULL, NBX_AGAINST_HELP                                                \
    }

struct nbx_against {
    const char *bundle, *events, *test;
    struct nbx_types types;
    bool weighted, json;
    unsigned threads;
};

/* Usual types, every processor. */
void nbx_against_init(struct nbx_against *against);
bool nbx_against_take(struct nbx_against *against, int option, struct nbx_argument a);
/* Whether all three files were named; says so where not. */
bool nbx_against_given(const struct nbx_against *against);

#endif
