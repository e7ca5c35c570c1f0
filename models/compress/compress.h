/* SPDX-License-Identifier: MIT
 * Several parts as one: a space of few dimensions and sparse neighbours that put back what it
 * leaves out.
 *
 * Why:     the best blends are wide: hundreds of dimensions beside hundreds of neighbours, read
 *          for every answer. But parts that count a whole history alike are each linear in it, or
 *          nearly (folded ones, linear.h), so together they are one matrix from item to item. Its
 *          best approximation of low rank holds what many share, and what that misses most is
 *          local: few entries per row. A low rank plus sparse matrix (Chandrasekaran, Sanghavi,
 *          Parrilo, Willsky 2011) serves in a tenth of the time and ranks nearly alike.
 * Owns:    the pair its arrays, until nbx_compressed_fini; nothing else outlives a call.
 * Threads: one caller; spreads over options.threads. The same bits on any number of them.
 * Errors:  NBX_EBAD where no space is among the parts that can be joined, or names the option;
 *          NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_COMPRESS_COMPRESS_H
#define NBX_MODELS_COMPRESS_COMPRESS_H

#include "models/dataset/dataset.h"
#include "models/recipe/part.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nbx_compress_options {
    struct nbx_compression how;
    unsigned threads;
    int progress_fd; /* as in dataset.h */
};

/* Whether a part counts the whole history alike, so that it can be joined with others. */
bool nbx_compress_takes(const struct nbx_part *part);
/* Dimensions of the parts (n) that it takes. */
size_t nbx_compress_dims(const struct nbx_part *parts, size_t n);

/* Parts as they count in a blend. */
struct nbx_weighed {
    const struct nbx_part *parts; /* (n) at most NBX_RECIPE_MAX */
    const double *weights;        /* (n) */
    size_t n;
};

/* Those that it takes as one pair (part.h), which comes first, then the others as they are, not
 * owned. */
struct nbx_compressed {
    struct nbx_part parts[NBX_RECIPE_MAX]; /* (n) */
    double weights[NBX_RECIPE_MAX];        /* (n) */
    size_t n;
};

/* dataset: what the parts were learnt from; its customers say what matters. After an error nothing
 * is left to fini. */
enum nbx_err nbx_compress(struct nbx_compressed *out, const struct nbx_weighed *in,
                          const struct nbx_dataset *dataset,
                          const struct nbx_compress_options *options,
                          struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_compressed_fini(struct nbx_compressed *compressed);

/* Bytes that it takes at most, result included, and seconds that it may take, roughly. */
uint64_t nbx_compress_bound_bytes(const struct nbx_part *parts, size_t n, size_t n_items,
                                  const struct nbx_compress_options *options);
double nbx_compress_seconds(const struct nbx_part *parts, size_t n, size_t n_items,
                            const struct nbx_compress_options *options);

#endif
