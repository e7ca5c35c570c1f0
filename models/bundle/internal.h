/* SPDX-License-Identifier: MIT
 * What the files of models/bundle share: the words of the format, and opening by halves.
 *
 * Why:     metadata, tensors and writing are a file each; nobody outside needs to see between them.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  as in bundle.h.
 */
#ifndef NBX_MODELS_BUNDLE_INTERNAL_H
#define NBX_MODELS_BUNDLE_INTERNAL_H

#include "models/bundle/bundle.h"
#include "models/bundle/safetensors.h"

#include <stdbool.h>

#define NBX_BUNDLE_FORMAT           2 /* the newest that this program reads */
#define NBX_BUNDLE_FACTORS_FMT      1 /* what it writes of family `factors`, */
#define NBX_BUNDLE_BLEND_FMT        2 /* of a blend, */
#define NBX_BUNDLE_FEATURES_FMT     2 /* and where there are attributes */
#define NBX_BUNDLE_IDS_OFFSETS      "item_ids.offsets"
#define NBX_BUNDLE_IDS_BYTES        "item_ids.bytes"
#define NBX_BUNDLE_FACTORS          "space.%.*s.item_factors" /* the space's name */
#define NBX_BUNDLE_HISTORY          "space.%.*s.history_factors"
#define NBX_BUNDLE_START            "neighbours.%.*s.start" /* the neighbours' name */
#define NBX_BUNDLE_NEIGHBOURS       "neighbours.%.*s.items"
#define NBX_BUNDLE_WEIGHTS          "neighbours.%.*s.weights"
#define NBX_BUNDLE_FEATURE_OFFSETS  "attributes.names.offsets"
#define NBX_BUNDLE_FEATURE_BYTES    "attributes.names.bytes"
#define NBX_BUNDLE_FEATURE_VECTORS  "attributes.vectors"
#define NBX_BUNDLE_PRICE_BOUNDS     "attributes.price_bounds"
#define NBX_BUNDLE_CUSTOMER_OFFSETS "customer_attributes.names.offsets"
#define NBX_BUNDLE_CUSTOMER_BYTES   "customer_attributes.names.bytes"
#define NBX_BUNDLE_CUSTOMER_VECTORS "customer_attributes.vectors"
#define NBX_BUNDLE_WORD_BYTES       64 /* longest name, version, part's name */
#define NBX_BUNDLE_NAME_BYTES       (NBX_BUNDLE_WORD_BYTES + 32) /* a tensor's name, with its NUL */
#define NBX_BUNDLE_MAX_DIMS         4096
#define NBX_BUNDLE_MAX_ITEMS        0x7fffffff
#define NBX_BUNDLE_MAX_FEATURES     65536
#define NBX_BUNDLE_MAX_PRICE_BOUNDS 255
#define NBX_BUNDLE_MOST             1e6 /* of weights, positions and such */

#define NBX_BUNDLE_DIGEST    "nbx_digest"
#define NBX_BUNDLE_NO_DIGEST "0000000000000000000000000000000000000000000000000000000000000000"

/* Indexed by enum nbx_metric and enum nbx_customer_source. */
extern const char *const nbx_bundle__metrics[2];
extern const char *const nbx_bundle__sources[4];
/* Families this program can serve, NULL-terminated. */
extern const char *const nbx_bundle__families[];
/* Metadata keys the format defines, in the order they are written, NULL-terminated. */
extern const char *const nbx_bundle__keys[];
/* Whether a metadata key is among them. */
bool nbx_bundle__is_own_key(struct nbx_str key);

enum nbx_bundle__part {
    NBX_BUNDLE__HEAD, /* name, version, family, created_ms, spaces without tensors */
    NBX_BUNDLE__ALL,
};

enum nbx_err nbx_bundle__open(struct nbx_bundle **out, const char *path, enum nbx_bundle__part part,
                              struct nbx_fault *fault);

/* digest.c: sets the digits in a header that has NBX_BUNDLE_NO_DIGEST; tensors: (n) that follow. */
void nbx_bundle__sign(struct nbx_buf *header, const struct nbx_tensor *tensors, size_t n);
/* The whole file, mapped, against the digest in its metadata, if there is one. */
enum nbx_err nbx_bundle__check_digest(const struct nbx_value *metadata, const void *file,
                                      size_t bytes, struct nbx_fault *fault);

/* metadata.c: fills info's name, version, family, created_ms, spaces (not item_factors). */
enum nbx_err nbx_bundle__read_metadata(struct nbx_bundle_info *info,
                                       const struct nbx_safetensors *file, struct nbx_arena *arena,
                                       struct nbx_fault *fault);
/* The lists that info borrows; malloc, the caller frees. */
struct nbx_bundle__texts {
    struct nbx_str *ids;            /* (n_items) */
    struct nbx_str *names;          /* (features.n) */
    struct nbx_str *customer_names; /* (customer_features.n) */
};
/* tensors.c: fills n_items, the arrays of all parts, and the texts. */
enum nbx_err nbx_bundle__read_tensors(struct nbx_bundle_info *info, struct nbx_bundle__texts *texts,
                                      const struct nbx_safetensors *file, struct nbx_fault *fault);
/* The tensor of that name, or NULL with a fault that says it is missing. */
const struct nbx_tensor *nbx_bundle__find(const struct nbx_safetensors *file, const char *name,
                                          struct nbx_fault *fault);
/* The first of n floats that is NaN or Inf, or n. */
size_t nbx_bundle__first_not_finite(const float *x, size_t n);

/* Ids, or names, in two tensors. */
struct nbx_bundle__list {
    const char *offsets, *bytes; /* the tensors */
    const char *entry;           /* what a fault calls one: "item" */
    size_t most;
};
/* ids.c: *out (*n) unique and valid, malloc; the caller frees it even after a fault. */
enum nbx_err nbx_bundle__read_ids(struct nbx_str **out, size_t *n,
                                  const struct nbx_bundle__list *list,
                                  const struct nbx_safetensors *file, struct nbx_fault *fault);

/* features.c: whether a tensor of that name belongs to the attributes, of items or customers. */
bool nbx_bundle__is_of_features(struct nbx_str name);
bool nbx_bundle__has_features(const struct nbx_safetensors *file);
/* Fills features and customer_features, where the file has some, and their names in texts. */
enum nbx_err nbx_bundle__read_features(struct nbx_bundle_info *info,
                                       struct nbx_bundle__texts *texts,
                                       const struct nbx_safetensors *file, struct nbx_fault *fault);

#endif
