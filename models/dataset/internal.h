/* SPDX-License-Identifier: MIT
 * What the files of models/dataset share: a data set while it is being made.
 *
 * Why:     a file goes through three shapes: events (events.c), pairs (pairs.c), matrices and
 *          sequence (build.c); a split of a data set (split.c) enters at pairs.
 * Owns:    see each struct.
 * Threads: one at a time.
 * Errors:  as in dataset.h. Without a fault: NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_DATASET_INTERNAL_H
#define NBX_MODELS_DATASET_INTERNAL_H

#include "engine/base/map.h"
#include "models/dataset/dataset.h"

/* Types of events that are not weighed by a type of their own: one whose type is not given, or that
 * is called positive, weighs 1, one that is called negative -1, one that is called neutral 0. */
#define NBX_DATASET__NO_TYPE NBX_TYPES_MAX
#define NBX_DATASET__REFUSAL (NBX_TYPES_MAX + 1)
#define NBX_DATASET__NEUTRAL (NBX_TYPES_MAX + 2)

/* Numbers are those of the ids in the order they came. */
struct nbx_dataset__event {
    uint32_t customer, item;
    uint32_t type;  /* index into the types, or one of the three above */
    uint32_t order; /* in the file */
    int64_t time_ms;
};

/* What is left of a customer's events on an item. */
struct nbx_dataset__pair {
    uint32_t row, col;
    float weight;
    uint32_t order; /* of its last event; equal times go by it */
    int64_t time_ms;
};

struct nbx_dataset__owner {
    struct nbx_dataset public;               /* first, so that the two share an address */
    struct nbx_map *customer_map, *item_map; /* NULL where ids are borrowed */
    struct nbx_str *customer_ids, *item_ids;
    uint32_t *sequence;
    int64_t *times_ms;
    uint64_t *refused_start;
    struct nbx_str *refused;
};

struct nbx_dataset__reading {
    const char *path;
    const struct nbx_dataset_options *options;
    const struct nbx_types *types;
    struct nbx_dataset__owner *owner;
    struct nbx_dataset__event *events; /* (n_events) of (cap_events) */
    size_t n_events, cap_events;
    struct nbx_dataset__pair
        *pairs; /* (n_pairs) by customer; refused ones fill it from `room` down */
    size_t n_pairs, n_refused, room;
};

/* events.c: the file's events that are not neutral; fills the owner's maps, counts and window. */
enum nbx_err nbx_dataset__read_events(struct nbx_dataset__reading *r,
                                      struct nbx_fault *fault) NBX_MUST_CHECK;
/* pairs.c: what an event of the type weighs, before its age. */
float nbx_dataset__weight(const struct nbx_dataset__reading *r, uint32_t type);
/* pairs.c: pairs from the events, which are freed. */
enum nbx_err nbx_dataset__fold_pairs(struct nbx_dataset__reading *r) NBX_MUST_CHECK;
/* build.c: matrices, sequence and times from pairs (n), whose rows and columns are final. */
enum nbx_err nbx_dataset__build(struct nbx_dataset__owner *owner,
                                const struct nbx_dataset__pair *pairs, size_t n,
                                bool weighted) NBX_MUST_CHECK;

#endif
