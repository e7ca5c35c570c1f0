/* SPDX-License-Identifier: MIT */
#include "models/train/arguments.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

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

bool nbx_argument_types(struct nbx_types *out, struct nbx_argument a)
{
    struct nbx_fault fault;
    if (nbx_types_parse(out, a.text, &fault) == NBX_OK)
        return true;
    fprintf(stderr, "nbx-train: %s: %s\n", a.option, fault.message);
    return false;
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
