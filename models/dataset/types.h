/* SPDX-License-Identifier: MIT
 * What an event of a type says about a customer and an item.
 *
 * Why:     models learn from what customers sought and take back what they refused; which types
 *          are which is a setting, with the daemon's words as the default.
 * Owns:    a list owns its names.
 * Threads: immutable once made.
 * Errors:  NBX_EBAD names the entry that is wrong.
 */
#ifndef NBX_MODELS_DATASET_TYPES_H
#define NBX_MODELS_DATASET_TYPES_H

#include "engine/base/err.h"
#include "engine/base/str.h"

#include <stddef.h>

#define NBX_TYPES_MAX        64
#define NBX_TYPES_NAME_BYTES 64

struct nbx_type {
    char name[NBX_TYPES_NAME_BYTES];
    float weight; /* > 0: positive; < 0: takes the pair back; 0: says nothing */
};

struct nbx_types {
    struct nbx_type type[NBX_TYPES_MAX]; /* (n) */
    size_t n;
};

/* Positive, weight 1: purchase, cart, click, view, visit, rating. Negative: dismiss, return.
 * Neutral: call, search, impression. */
void nbx_types_default(struct nbx_types *out);
/* "purchase=3,view=0.5,dismiss=-1": sets or adds types on top of what *types holds. */
enum nbx_err nbx_types_parse(struct nbx_types *types, const char *text,
                             struct nbx_fault *fault) NBX_MUST_CHECK;
/* The type of that name, or NULL. */
const struct nbx_type *nbx_types_find(const struct nbx_types *types, struct nbx_str name);
/* The names, comma-separated, for messages; cut to out_bytes. */
void nbx_types_list(const struct nbx_types *types, char *out, size_t out_bytes);

#endif
