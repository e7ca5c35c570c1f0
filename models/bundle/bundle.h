/* SPDX-License-Identifier: MIT
 * A bundle: one safetensors file that carries a model. models/FORMAT.md is normative.
 *
 * Why:     data scientists write it in five lines; the daemon and the trainer read it here.
 * Owns:    an open bundle owns a read-only mapping of its file; tensors and ids point into it.
 * Threads: immutable after opening.
 * Errors:  NBX_EBAD with a fault that names the tensor or key: truncated, overlapping, wrong
 *          dtype or shape, NaN or Inf, duplicate ids, unknown family. NBX_EVERSION: a newer format.
 *          NBX_ENOTFOUND: no such file. NBX_ESTORAGE: cannot be read or written.
 */
#ifndef NBX_MODELS_BUNDLE_BUNDLE_H
#define NBX_MODELS_BUNDLE_BUNDLE_H

#include "engine/base/err.h"
#include "engine/base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_BUNDLE_MAX_SPACES     8
#define NBX_BUNDLE_MAX_NEIGHBOURS 4
#define NBX_BUNDLE_MAX_POSITIONS  256
#define NBX_BUNDLE_MAX_GROUPS     16
#define NBX_BUNDLE_SUFFIX         ".safetensors"

enum nbx_metric { NBX_METRIC_DOT, NBX_METRIC_COSINE };
/* Where a space's customer vectors come from. */
enum nbx_customer_source {
    NBX_CUSTOMER_FOLDED,
    NBX_CUSTOMER_GIVEN,
    NBX_CUSTOMER_SUMMED,   /* of a blend only */
    NBX_CUSTOMER_CONSTANT, /* of a blend only */
};

struct nbx_space {
    struct nbx_str name;
    size_t dims;
    enum nbx_metric metric;
    enum nbx_customer_source customer;
    const float *item_factors; /* (n_items, dims) */
    /* folded only: */
    float alpha0, lambda, nu;
    /* summed only: */
    const float *history_factors; /* (n_items, dims) */
    const float *positions;       /* (n_groups, n_positions) see engine/score/blend.h */
    size_t n_positions, n_groups;
    bool bias;
    float weight; /* of a blend only */
};

/* A sparse part of a blend: item to item. */
struct nbx_neighbours {
    struct nbx_str name;
    const uint64_t *start;  /* (n_items + 1) */
    const uint32_t *items;  /* (start[n_items]) ascending within a row */
    const float *weights;   /* (start[n_items]) */
    const float *positions; /* (n_positions) */
    size_t n_positions;
    size_t scaled_by; /* 0, or 1 + the space whose deviation theirs is divided by */
    float weight;
};

/* What the attributes of items tell of them, or those of customers: models/attributes makes a
 * vector of them. */
struct nbx_features {
    const struct nbx_str *names; /* (n), unique: "category=shoes" */
    size_t n;                    /* 0: the bundle has none */
    const float *vectors;        /* (n, nbx_bundle_dims) */
    const int64_t *price_bounds; /* (n_price_bounds) ascending; of items only */
    size_t n_price_bounds;
};

/* How a customer's score is put together: family `factors` is the first space that fits, `blend`
 * the sum of all spaces and neighbours (engine/score/blend.h). */
struct nbx_bundle_info {
    struct nbx_str name, version, family; /* version: unique, sorts by time: 20260131T235959-1a2b */
    int64_t created_ms;
    size_t n_items;
    const struct nbx_str *item_ids; /* (n_items), unique, valid ids */
    struct nbx_space spaces[NBX_BUNDLE_MAX_SPACES];
    size_t n_spaces;
    struct nbx_neighbours neighbours[NBX_BUNDLE_MAX_NEIGHBOURS]; /* of a blend only */
    size_t n_neighbours;
    struct nbx_features features, customer_features; /* of items, and of customers */
    const char *metadata_json; /* all metadata as it stands in the file, NUL-terminated */
};

struct nbx_bundle;

/* Whether all its parts score together. */
bool nbx_bundle_is_blend(const struct nbx_bundle_info *info);
/* Dimensions of all its spaces side by side. */
size_t nbx_bundle_dims(const struct nbx_bundle_info *info);

enum nbx_err nbx_bundle_open(struct nbx_bundle **out, const char *path, struct nbx_fault *fault);
void nbx_bundle_close(struct nbx_bundle **bundle);
const struct nbx_bundle_info *nbx_bundle_get(const struct nbx_bundle *bundle);

/* Writes info as a new file at path: to a temporary name beside it, synced, renamed.
 * extra_json: an object whose members are added to the metadata (settings, metrics, data window);
 * may be NULL. The same input gives the same bytes. */
enum nbx_err nbx_bundle_write(const char *path, const struct nbx_bundle_info *info,
                              const char *extra_json, struct nbx_fault *fault);

/* Writes an open bundle's info, changed or not, with all metadata it came with and `key`, none of
 * the format's own, set to text. A `neighbours` of format 1, where it is no key of the format's, is
 * not kept. */
enum nbx_err nbx_bundle_amend(const char *path, const struct nbx_bundle_info *info, const char *key,
                              const char *text, struct nbx_fault *fault) NBX_MUST_CHECK;

/* The newest bundle of a folder: the one with the greatest (created_ms, version) among the files
 * that end in NBX_BUNDLE_SUFFIX and open without fault; others are logged and passed over. Fills
 * path (path_bytes). NBX_ENOTFOUND where there is none. */
enum nbx_err nbx_bundle_newest(const char *folder, char *path, size_t path_bytes);
/* The same among those of that name and version. */
enum nbx_err nbx_bundle_find(const char *folder, struct nbx_str name, struct nbx_str version,
                             char *path, size_t path_bytes);

#endif
