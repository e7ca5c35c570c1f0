/* SPDX-License-Identifier: MIT
 * The features of an item, or of a customer, by name: "brand=acme", "word=shoe", "gender=f"
 * (models/FORMAT.md, Attributes).
 *
 * Why:     who learns what a feature means and who serves a new item or customer must name it
 *          alike.
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

#define NBX_FEATURE_ITEM           "item"     /* every item has it */
#define NBX_FEATURE_CUSTOMER       "customer" /* and this every customer */
#define NBX_FEATURE_MAX_BYTES      255
#define NBX_FEATURE_MAX_CATEGORIES 64
#define NBX_FEATURE_MAX_WORDS      16
#define NBX_FEATURE_MAX_ATTRIBUTES 64 /* of a customer, */
#define NBX_FEATURE_MAX_VALUES     64 /* and of each of them, where it is a list */
#define NBX_FEATURE_MAX_FACTS      (NBX_FEATURE_MAX_ATTRIBUTES * NBX_FEATURE_MAX_VALUES)
/* A customer's at most; an item's are fewer. */
#define NBX_FEATURE_MAX (1 + NBX_FEATURE_MAX_FACTS)

/* What is known of an item; empty where nothing is. Texts are valid UTF-8. */
struct nbx_item_facts {
    struct nbx_str brand, title;
    const struct nbx_str *categories; /* (n_categories) */
    size_t n_categories;
    int64_t price; /* minor units */
    bool has_price;
};

/* What is known of a customer: one entry for each value that an attribute has, as text. Attributes
 * have no "=" in their names. */
struct nbx_customer_fact {
    struct nbx_str attribute, value;
};
struct nbx_customer_facts {
    const struct nbx_customer_fact *list; /* (n) */
    size_t n;                             /* what is beyond NBX_FEATURE_MAX_FACTS does not count */
};

struct nbx_price_bounds {
    const int64_t *bounds; /* (n) ascending */
    size_t n;
};

/* Tells the name of each feature, first the one that everybody has, "item" or "customer"; a word,
 * category or value that comes twice is told twice. The name lives for the call. */
typedef void nbx_feature_fn(void *ctx, struct nbx_str name);
void nbx_features_name(const struct nbx_item_facts *facts, struct nbx_price_bounds prices,
                       nbx_feature_fn *tell, void *ctx);
void nbx_customer_features_name(const struct nbx_customer_facts *facts, nbx_feature_fn *tell,
                                void *ctx);

#endif
