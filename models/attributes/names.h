/* SPDX-License-Identifier: MIT
 * The features of an item, by name: "brand=acme", "word=shoe" (models/FORMAT.md, Attributes).
 *
 * Why:     who learns what a feature means and who serves a new item must name it alike.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  none; what has no name is left out.
 */
#ifndef NBX_MODELS_ATTRIBUTES_NAMES_H
#define NBX_MODELS_ATTRIBUTES_NAMES_H

#include "engine/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_FEATURE_ITEM           "item" /* every item has it */
#define NBX_FEATURE_MAX_BYTES      255
#define NBX_FEATURE_MAX_CATEGORIES 64
#define NBX_FEATURE_MAX_WORDS      16
/* An item's at most, with its brand and its price. */
#define NBX_FEATURE_MAX (3 + NBX_FEATURE_MAX_CATEGORIES + NBX_FEATURE_MAX_WORDS)

/* What is known of an item; empty where nothing is. Texts are valid UTF-8. */
struct nbx_item_facts {
    struct nbx_str brand, title;
    const struct nbx_str *categories; /* (n_categories) */
    size_t n_categories;
    int64_t price; /* minor units */
    bool has_price;
};

struct nbx_price_bounds {
    const int64_t *bounds; /* (n) ascending */
    size_t n;
};

/* Tells the name of each feature, "item" first; a word or category that comes twice is told twice.
 * The name lives for the call. */
typedef void nbx_feature_fn(void *ctx, struct nbx_str name);
void nbx_features_name(const struct nbx_item_facts *facts, struct nbx_price_bounds prices,
                       nbx_feature_fn *tell, void *ctx);

#endif
