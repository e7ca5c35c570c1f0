/* SPDX-License-Identifier: MIT */
#include "models/sequence/batch.h"

#include <stdlib.h>
#include <string.h>

void nbx_sequence__stream(struct nbx_random *out, uint64_t seed, uint64_t epoch, uint64_t number)
{
    nbx_random_init(out, seed);
    nbx_random_init(out, nbx_random_u64(out) + epoch);
    nbx_random_init(out, nbx_random_u64(out) + number);
}

static size_t chunk_targets(const struct nbx_sequence_options *options)
{
    return options->batch < NBX_SEQUENCE_CHUNK ? options->batch : NBX_SEQUENCE_CHUNK;
}

/* A chunk with more than one slot before it is one of several that are as long as each other, so it
 * has at least half the most targets; this binds only where batches are tiny. */
size_t nbx_sequence__max_slots(const struct nbx_sequence_options *options)
{
    return options->batch + options->batch * options->recent / (NBX_SEQUENCE_CHUNK / 2) +
           options->recent + NBX_SEQUENCE_CHUNK;
}

/* Chunks of a customer with n items. */
static size_t chunks_of(size_t n, const struct nbx_sequence_options *options)
{
    size_t most = chunk_targets(options);
    return n < 2 ? 0 : (n - 1 + most - 1) / most;
}

static size_t count_chunks(const struct nbx_dataset *dataset,
                           const struct nbx_sequence_options *options)
{
    size_t n = 0;
    for (size_t c = 0; c < dataset->n_customers; c++)
        n += chunks_of(nbx_csr_row_entries(&dataset->by_customer, c), options);
    return n;
}

uint64_t nbx_sequence__batch_bytes(const struct nbx_dataset *dataset,
                                   const struct nbx_sequence_options *options)
{
    uint64_t numbers = 4 * (uint64_t)options->batch + nbx_sequence__max_slots(options) + 5;
    return count_chunks(dataset, options) * (sizeof(struct nbx_sequence_chunk) + sizeof(uint32_t)) +
           numbers * sizeof(uint32_t);
}

/* A customer's targets in chunks that are as long as each other. */
static void cut(struct nbx_sequence_chunks *chunks, uint64_t start, size_t n_items, size_t recent,
                size_t n_chunks)
{
    size_t targets = n_items - 1;
    for (size_t i = 0; i < n_chunks; i++) {
        size_t begin = 1 + targets * i / n_chunks, end = 1 + targets * (i + 1) / n_chunks;
        chunks->all[chunks->n++] = (struct nbx_sequence_chunk){
            .first = start + begin,
            .history = (uint32_t)(begin < recent ? begin : recent),
            .targets = (uint32_t)(end - begin),
        };
    }
    chunks->n_targets += n_chunks ? targets : 0;
}

enum nbx_err nbx_sequence__chunks_init(struct nbx_sequence_chunks *chunks,
                                       const struct nbx_dataset *dataset,
                                       const struct nbx_sequence_options *options)
{
    size_t n = count_chunks(dataset, options);
    *chunks = (struct nbx_sequence_chunks){.max_targets = options->batch,
                                           .max_slots = nbx_sequence__max_slots(options)};
    if (n >= UINT32_MAX)
        return NBX_ELIMIT;
    chunks->all = malloc((n + 1) * sizeof *chunks->all);
    chunks->order = malloc((n + 1) * sizeof *chunks->order);
    if (!chunks->all || !chunks->order)
        return NBX_ELIMIT;
    for (size_t c = 0; c < dataset->n_customers; c++) {
        size_t entries = nbx_csr_row_entries(&dataset->by_customer, c);
        cut(chunks, dataset->by_customer.start[c], entries, options->recent,
            chunks_of(entries, options));
    }
    return NBX_OK;
}

void nbx_sequence__chunks_fini(struct nbx_sequence_chunks *chunks)
{
    free(chunks->all);
    free(chunks->order);
    *chunks = (struct nbx_sequence_chunks){0};
}

void nbx_sequence__shuffle(struct nbx_sequence_chunks *chunks, uint64_t seed, uint64_t epoch)
{
    struct nbx_random random;
    nbx_sequence__stream(&random, seed, epoch, NBX_SEQUENCE_STREAM_ORDER);
    for (size_t i = 0; i < chunks->n; i++) {
        size_t other = nbx_random_below(&random, i + 1);
        chunks->order[i] = chunks->order[other];
        chunks->order[other] = (uint32_t)i;
    }
    chunks->used = 0;
}

enum nbx_err nbx_sequence__batch_init(struct nbx_sequence_batch *batch,
                                      const struct nbx_sequence_chunks *chunks)
{
    size_t n = chunks->max_targets + 1; /* a chunk has a target */
    *batch = (struct nbx_sequence_batch){
        .chunks = malloc(n * sizeof *batch->chunks),
        .first_target = malloc(n * sizeof *batch->first_target),
        .first_slot = malloc(n * sizeof *batch->first_slot),
        .targets = malloc(n * sizeof *batch->targets),
        .slots = malloc((chunks->max_slots + 1) * sizeof *batch->slots),
    };
    return batch->chunks && batch->first_target && batch->first_slot && batch->targets &&
                   batch->slots
               ? NBX_OK
               : NBX_ELIMIT;
}

void nbx_sequence__batch_fini(struct nbx_sequence_batch *batch)
{
    free(batch->chunks);
    free(batch->first_target);
    free(batch->first_slot);
    free(batch->targets);
    free(batch->slots);
    *batch = (struct nbx_sequence_batch){0};
}

static void put(struct nbx_sequence_batch *batch, const struct nbx_sequence_chunk *c,
                const uint32_t *sequence)
{
    size_t slots = nbx_sequence__slots(c);
    memcpy(batch->targets + batch->n_targets, sequence + c->first,
           c->targets * sizeof *batch->targets);
    memcpy(batch->slots + batch->n_slots, sequence + c->first - c->history,
           slots * sizeof *batch->slots);
    batch->n_targets += c->targets;
    batch->n_slots += slots;
    batch->n++;
    batch->first_target[batch->n] = (uint32_t)batch->n_targets;
    batch->first_slot[batch->n] = (uint32_t)batch->n_slots;
}

void nbx_sequence__batch_next(struct nbx_sequence_batch *batch, struct nbx_sequence_chunks *chunks,
                              const uint32_t *sequence)
{
    batch->n = batch->n_targets = batch->n_slots = 0;
    batch->first_target[0] = batch->first_slot[0] = 0;
    for (; chunks->used < chunks->n; chunks->used++) {
        uint32_t next = chunks->order[chunks->used];
        const struct nbx_sequence_chunk *c = &chunks->all[next];
        if (batch->n_targets + c->targets > chunks->max_targets ||
            batch->n_slots + nbx_sequence__slots(c) > chunks->max_slots)
            return;
        batch->chunks[batch->n] = next;
        put(batch, c, sequence);
    }
}
