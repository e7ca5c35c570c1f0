/* SPDX-License-Identifier: MIT
 * Sequences cut into chunks, and chunks shuffled into the batches of an epoch.
 *
 * Why:     neighbouring targets share most of their histories, so a batch is made of runs of them:
 *          an item's row is read once for all targets that it lies before, and left out by dropout
 *          for all of them.
 * Owns:    its arrays.
 * Threads: one at a time.
 * Errors:  NBX_ELIMIT where memory is out, or more than 2^32 - 2 chunks.
 */
#ifndef NBX_MODELS_SEQUENCE_BATCH_H
#define NBX_MODELS_SEQUENCE_BATCH_H

#include "engine/base/random.h"
#include "models/sequence/sequence.h"

/* Targets of a chunk at most, fewer where a batch is smaller: few, so that a batch holds many
 * customers. A step takes 6 % longer than with 64. */
#define NBX_SEQUENCE_CHUNK 16

/* A run of targets of one customer. Its slots are the items that are history to any of them, oldest
 * first: target t has slots t + history - 1, t + history - 2, ... at positions 0, 1, ... */
struct nbx_sequence_chunk {
    uint64_t first;   /* of the targets, in the data set's sequence */
    uint32_t history; /* slots before it, 1 .. recent */
    uint32_t targets;
};

static inline size_t nbx_sequence__slots(const struct nbx_sequence_chunk *c)
{
    return (size_t)c->history + c->targets - 1;
}

struct nbx_sequence_chunks {
    struct nbx_sequence_chunk *all; /* (n) */
    uint32_t *order;                /* (n) of this epoch */
    size_t n, used;                 /* used: of order, so far */
    uint64_t n_targets;
    size_t max_targets, max_slots; /* of a batch */
};

struct nbx_sequence_batch {
    uint32_t *chunks;       /* (n) */
    uint32_t *first_target; /* (n + 1) */
    uint32_t *first_slot;   /* (n + 1) */
    uint32_t *targets;      /* (n_targets) items */
    uint32_t *slots;        /* (n_slots) items */
    size_t n, n_targets, n_slots;
};

/* A generator for the `number`-th use of an epoch: what is drawn does not depend on who draws
 * first. */
void nbx_sequence__stream(struct nbx_random *out, uint64_t seed, uint64_t epoch, uint64_t number);
/* Not the number of a chunk. */
#define NBX_SEQUENCE_STREAM_ORDER UINT64_MAX
#define NBX_SEQUENCE_STREAM_BATCH ((uint64_t)1 << 32) /* + the batch's first chunk in the order */

enum nbx_err nbx_sequence__chunks_init(struct nbx_sequence_chunks *chunks,
                                       const struct nbx_dataset *dataset,
                                       const struct nbx_sequence_options *options) NBX_MUST_CHECK;
void nbx_sequence__chunks_fini(struct nbx_sequence_chunks *chunks);
/* The order of an epoch. */
void nbx_sequence__shuffle(struct nbx_sequence_chunks *chunks, uint64_t seed, uint64_t epoch);

enum nbx_err nbx_sequence__batch_init(struct nbx_sequence_batch *batch,
                                      const struct nbx_sequence_chunks *chunks) NBX_MUST_CHECK;
void nbx_sequence__batch_fini(struct nbx_sequence_batch *batch);
/* The next chunks of the order, as many as fit; none at the epoch's end. */
void nbx_sequence__batch_next(struct nbx_sequence_batch *batch, struct nbx_sequence_chunks *chunks,
                              const uint32_t *sequence);

/* Bytes of chunks and batch. */
uint64_t nbx_sequence__batch_bytes(const struct nbx_dataset *dataset,
                                   const struct nbx_sequence_options *options);
/* Most slots of a batch. */
size_t nbx_sequence__max_slots(const struct nbx_sequence_options *options);

#endif
