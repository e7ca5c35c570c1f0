/* SPDX-License-Identifier: MIT */
#include "bench/load/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PART_BYTES 64
#define MAX_WEIGHT 1000000

/* numbers */

enum nbx_err nbx_load_number(double *out, const char *text, struct nbx_load_bounds bounds,
                             struct nbx_fault *fault)
{
    char *end;
    *out = strtod(text, &end);
    if (*end || end == text || isnan(*out))
        return nbx_fault_set(fault, NBX_EBAD, NULL, "not a number: \"%s\"", text);
    if (*out < bounds.min || *out > bounds.max)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "must be %.16g to %.16g, got %s", bounds.min,
                             bounds.max, text);
    return NBX_OK;
}

enum nbx_err nbx_load_whole(double *out, const char *text, struct nbx_load_bounds bounds,
                            struct nbx_fault *fault)
{
    enum nbx_err err = nbx_load_number(out, text, bounds, fault);
    if (!err && *out != floor(*out))
        return nbx_fault_set(fault, NBX_EBAD, NULL, "not a whole number: %s", text);
    return err;
}

/* Copies what stands before `until` and returns what stands behind it; NULL where it is not there
 * or too long. */
static const char *split(char *part, const char *text, char until)
{
    const char *at = strchr(text, until);
    if (!at || at - text >= PART_BYTES)
        return NULL;
    memcpy(part, text, (size_t)(at - text));
    part[at - text] = '\0';
    return at + 1;
}

enum nbx_err nbx_load_rates(double *low, double *high, const char *text,
                            struct nbx_load_bounds bounds, struct nbx_fault *fault)
{
    char first[PART_BYTES];
    const char *second = split(first, text, ':');
    *high = 0;
    if (!second)
        return nbx_load_number(low, text, bounds, fault);
    enum nbx_err err = nbx_load_number(low, first, bounds, fault);
    if (!err)
        err = nbx_load_number(high, second, bounds, fault);
    if (!err && *low >= *high)
        err = nbx_fault_set(fault, NBX_EBAD, NULL, "LOW must be below HIGH, got %s", text);
    return err;
}

/* words */

static void list_words(char *out, size_t bytes, const char *const *words)
{
    int used = 0;
    out[0] = '\0';
    for (unsigned i = 0; words[i] && used >= 0 && (size_t)used < bytes; i++)
        used += snprintf(out + used, bytes - (size_t)used, "%s%s", i ? ", " : "", words[i]);
}

enum nbx_err nbx_load_choice(unsigned *out, const char *text, const char *const *words,
                             struct nbx_fault *fault)
{
    char known[2 * PART_BYTES];
    for (unsigned i = 0; words[i]; i++)
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return NBX_OK;
        }
    list_words(known, sizeof known, words);
    return nbx_fault_set(fault, NBX_EBAD, NULL, "no such choice: \"%s\" (%s)", text, known);
}

/* One "word=weight". */
static enum nbx_err set_weight(unsigned *weights, const char *part, const char *const *words,
                               struct nbx_fault *fault)
{
    char word[PART_BYTES];
    unsigned i = 0;
    double weight;
    const char *number = split(word, part, '=');
    if (!number)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "not NAME=WEIGHT: \"%s\"", part);
    enum nbx_err err = nbx_load_choice(&i, word, words, fault);
    if (!err)
        err = nbx_load_whole(&weight, number, (struct nbx_load_bounds){0, MAX_WEIGHT}, fault);
    if (!err)
        weights[i] = (unsigned)weight;
    return err;
}

enum nbx_err nbx_load_weights(unsigned *weights, const char *text, const char *const *words,
                              struct nbx_fault *fault)
{
    char part[PART_BYTES];
    enum nbx_err err = NBX_OK;
    unsigned sum = 0;
    for (unsigned i = 0; words[i]; i++)
        weights[i] = 0;
    for (const char *rest = text, *next; rest && !err; rest = next) {
        next = split(part, rest, ',');
        err = set_weight(weights, next ? part : rest, words, fault);
    }
    for (unsigned i = 0; words[i]; i++)
        sum += weights[i];
    return err || sum ? err : nbx_fault_set(fault, NBX_EBAD, NULL, "every weight is 0: %s", text);
}
