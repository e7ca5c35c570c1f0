/* SPDX-License-Identifier: MIT
 * Arguments of nbx-train's commands: the loop over options, numbers with bounds, files, help.
 *
 * Owns:    nothing.
 * Threads: one.
 * Errors:  false after a line on stderr that names the option; the command then exits with
 *          NBX_EXIT_USAGE.
 */
#ifndef NBX_MODELS_TRAIN_ARGUMENTS_H
#define NBX_MODELS_TRAIN_ARGUMENTS_H

#include "engine/base/err.h"
#include "models/dataset/types.h"

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nbx_exit {
    NBX_EXIT_OK = 0,
    NBX_EXIT_FAILED = 1, /* a file is missing or wrong, memory is out */
    NBX_EXIT_USAGE = 2,
    NBX_EXIT_WORSE = 3, /* auto --from: the model is not pushed */
};

/* What an option's argument may be. */
struct nbx_argument {
    const char *option; /* "--dim" */
    const char *text;
};

bool nbx_argument_whole(uint64_t *out, struct nbx_argument a, uint64_t least, uint64_t most);
bool nbx_argument_number(float *out, struct nbx_argument a);
/* "10,20": out (*n) of (max). */
bool nbx_argument_list(size_t *out, size_t *n, size_t max, struct nbx_argument a, uint64_t most);
/* As nbx_types_parse. */
bool nbx_argument_types(struct nbx_types *out, struct nbx_argument a);
/* Whether text was given; says so where not. */
bool nbx_argument_given(struct nbx_argument a);

/* A command's options, as getopt_long takes them. */
struct nbx_command {
    const char *usage;            /* what --help prints */
    const struct option *options; /* the table, each val above 0; ends with zeros */
    int help;                     /* the val of --help */
    /* One option, by its val; false after a line on stderr. */
    bool (*take)(void *ctx, int option, struct nbx_argument a);
    void *ctx;
};

/* Takes every option of argv (argv[0] is the command's name). Where it is false the command ends
 * with *code: help was asked for, or something is wrong. */
bool nbx_command_take(const struct nbx_command *command, int argc, char **argv, int *code);

/* "nbx-train: field: message" on stderr; returns NBX_EXIT_FAILED. */
int nbx_train_failed(const struct nbx_fault *fault);
/* "12.3 MiB" */
const char *nbx_train_bytes(char out[32], uint64_t bytes);

#endif
