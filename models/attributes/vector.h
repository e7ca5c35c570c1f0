/* SPDX-License-Identifier: MIT
 * A vector for an item, or a customer, of whom only attributes are known: the sum of their
 * features' vectors.
 *
 * Why:     an item that was put a moment ago has no history to learn from, and is to be found; a
 *          customer who came a moment ago has none either, and is to find something.
 * Owns:    a lookup of names; borrows the bundle's arrays.
 * Threads: immutable once made.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_ATTRIBUTES_VECTOR_H
#define NBX_MODELS_ATTRIBUTES_VECTOR_H

#include "engine/base/err.h"
#include "models/attributes/names.h"
#include "models/bundle/bundle.h"

struct nbx_describer;

/* features, of vectors with dims each, outlive it. */
enum nbx_err nbx_describer_new(struct nbx_describer **out, const struct nbx_features *features,
                               size_t dims);
void nbx_describer_destroy(struct nbx_describer **describer);
/* Bytes of memory held. */
size_t nbx_describer_bytes(const struct nbx_describer *describer);

/* out (dims): the item's vector; false, and zeros, where nothing is known of any of its features
 * but that it is an item. The same facts give the same bits, in whatever order they come. */
bool nbx_describe(float *out, const struct nbx_describer *describer,
                  const struct nbx_item_facts *facts);
/* The same of a customer; the describer's features are of customers. */
bool nbx_describe_customer(float *out, const struct nbx_describer *describer,
                           const struct nbx_customer_facts *facts);

#endif
