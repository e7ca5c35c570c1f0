/* SPDX-License-Identifier: MIT */
#include "models/train/arguments.h"

#include "engine/base/check.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool nbx_argument_given(struct nbx_argument a)
{
    if (a.text && a.text[0])
        return true;
    fprintf(stderr, "nbx-train: %s is missing\n", a.option);
    return false;
}

bool nbx_argument_whole(uint64_t *out, struct nbx_argument a, uint64_t least, uint64_t most)
{
    char *end;
    errno = 0;
    *out = strtoull(a.text, &end, 10);
    if (a.text[0] >= '0' && a.text[0] <= '9' && !*end && !errno && *out >= least && *out <= most)
        return true;
    fprintf(stderr, "nbx-train: %s: must be a whole number from %llu to %llu, got \"%s\"\n",
            a.option, (unsigned long long)least, (unsigned long long)most, a.text);
    return false;
}

bool nbx_argument_number(float *out, struct nbx_argument a)
{
    char *end;
    *out = strtof(a.text, &end);
    if (end != a.text && !*end && isfinite(*out))
        return true;
    fprintf(stderr, "nbx-train: %s: must be a number, got \"%s\"\n", a.option, a.text);
    return false;
}

bool nbx_argument_list(size_t *out, size_t *n, size_t max, struct nbx_argument a, uint64_t most)
{
    const char *p = a.text;
    for (*n = 0; *n < max; p++) {
        size_t digits = strspn(p, "0123456789");
        out[*n] = digits && digits < 10 ? strtoul(p, NULL, 10) : 0;
        if (out[*n] < 1 || out[*n] > most)
            break;
        ++*n;
        p += digits;
        if (!*p)
            return true;
        if (*p != ',')
            break;
    }
    fprintf(stderr,
            "nbx-train: %s: must be 1 to %zu whole numbers from 1 to %llu with commas between, got "
            "\"%s\"\n",
            a.option, max, (unsigned long long)most, a.text);
    return false;
}

bool nbx_argument_types(struct nbx_types *out, struct nbx_argument a)
{
    struct nbx_fault fault;
    if (nbx_types_parse(out, a.text, &fault) == NBX_OK)
        return true;
    fprintf(stderr, "nbx-train: %s: %s\n", a.option, fault.message);
    return false;
}

static const char *name_of(const struct option *options, int val)
{
    while (options->name && options->val != val)
        options++;
    return options->name ? options->name : "";
}

/* getopt takes the first of two options of one name, and never says so. */
static bool names_are_distinct(const struct option *options)
{
    for (const struct option *o = options; o->name; o++)
        for (const struct option *before = options; before < o; before++)
            if (strcmp(o->name, before->name) == 0)
                return false;
    return true;
}

bool nbx_command_take(const struct nbx_command *command, int argc, char **argv, int *code)
{
    int id;
    NBX_ASSERT(names_are_distinct(command->options));
    *code = NBX_EXIT_USAGE;
    while ((id = getopt_long(argc, argv, "", command->options, NULL)) != -1) {
        char name[32];
        if (id == command->help) {
            fputs(command->usage, stdout);
            *code = NBX_EXIT_OK;
            return false;
        }
        if (id == '?')
            return false;
        snprintf(name, sizeof name, "--%s", name_of(command->options, id));
        if (!command->take(command->ctx, id, (struct nbx_argument){name, optarg}))
            return false;
    }
    if (optind < argc) {
        fprintf(stderr, "nbx-train: \"%s\" is no option\n", argv[optind]);
        return false;
    }
    return true;
}

int nbx_train_failed(const struct nbx_fault *fault)
{
    fprintf(stderr, "nbx-train: %s%s%s\n", fault->field, fault->field[0] ? ": " : "",
            fault->message);
    return NBX_EXIT_FAILED;
}

const char *nbx_train_bytes(char out[32], uint64_t bytes)
{
    snprintf(out, 32, "%.1f MiB", (double)bytes / (1 << 20));
    return out;
}
