/* SPDX-License-Identifier: MIT */
#include "models/compress/compress.h"

#include "models/compress/joint.h"
#include "models/compress/linear.h"
#include "models/compress/rest.h"

#include <math.h>
#include <stdlib.h>

/* Operations a thread does in a second, of a matrix product. */
#define DENSE_A_SECOND 6e10
/* Rows at work at a time, and the systems of one customer (rest.c, folded.c). */
#define THREAD_ROWS  256
#define THREAD_BYTES ((uint64_t)16 << 20)

static bool is_whole(const float *positions, size_t n)
{
    return n == 1 && positions[0] == 1;
}

bool nbx_compress_takes(const struct nbx_part *part)
{
    const struct nbx_space *s = &part->space;
    if (part->paired)
        return false;
    if (part->sparse)
        return is_whole(part->neighbours.positions, part->neighbours.n_positions);
    if (s->customer == NBX_CUSTOMER_SUMMED)
        return s->n_groups == 1 && !s->bias && is_whole(s->positions, s->n_positions);
    return s->customer == NBX_CUSTOMER_FOLDED;
}

size_t nbx_compress_dims(const struct nbx_part *parts, size_t n)
{
    size_t dims = 0;
    for (size_t p = 0; p < n; p++)
        dims += nbx_compress_takes(&parts[p]) && !parts[p].sparse ? parts[p].space.dims : 0;
    return dims;
}

uint64_t nbx_compress_bound_bytes(const struct nbx_part *parts, size_t n, size_t n_items,
                                  const struct nbx_compress_options *options)
{
    uint64_t dims = nbx_compress_dims(parts, n), items = n_items + 1;
    uint64_t factors = items * (4 * dims + 2 * options->how.dim) * sizeof(float);
    uint64_t rest = items * (options->how.keep + 1) * (sizeof(uint32_t) + sizeof(float));
    uint64_t rows = (THREAD_ROWS * items + 1024 * dims) * sizeof(float) + THREAD_BYTES;
    return factors + rest + options->threads * rows + 6 * dims * dims * sizeof(double);
}

double nbx_compress_seconds(const struct nbx_part *parts, size_t n, size_t n_items,
                            const struct nbx_compress_options *options)
{
    double items = (double)n_items, dims = (double)nbx_compress_dims(parts, n);
    double product = 2 * items * items * (dims + (double)options->how.dim);
    return product / DENSE_A_SECOND / options->threads;
}

/* The pair of a joint space and of what it leaves out. */
static enum nbx_err be_pair(struct nbx_part *out, struct nbx_joint *joint, struct nbx_csr *rest)
{
    float *positions = malloc(sizeof *positions);
    if (!positions)
        return NBX_ELIMIT;
    *positions = 1;
    *out = (struct nbx_part){.paired = true,
                             .item_factors = joint->items,
                             .history_factors = joint->history,
                             .positions = positions,
                             .rows = *rest};
    out->space = (struct nbx_space){.name = NBX_STR("joint"),
                                    .dims = joint->dims,
                                    .metric = NBX_METRIC_DOT,
                                    .customer = NBX_CUSTOMER_SUMMED,
                                    .item_factors = joint->items,
                                    .history_factors = joint->history,
                                    .positions = positions,
                                    .n_positions = 1,
                                    .n_groups = 1};
    out->neighbours = (struct nbx_neighbours){.name = NBX_STR("rest"),
                                              .start = rest->start,
                                              .items = rest->col,
                                              .weights = rest->weight,
                                              .positions = positions,
                                              .n_positions = 1};
    *joint = (struct nbx_joint){0};
    *rest = (struct nbx_csr){0};
    return NBX_OK;
}

static enum nbx_err join(struct nbx_part *out, double *weight, const struct nbx_linear *linear,
                         const struct nbx_dataset *dataset,
                         const struct nbx_compress_options *options)
{
    struct nbx_csr rest = {0};
    struct nbx_joint joint = {0};
    double deviation = 0;
    enum nbx_err err = nbx_joint_make(&joint, linear, dataset, options->how.dim);
    if (!err)
        err = nbx_rest_find(&rest, linear, &joint, options);
    if (!err)
        err = nbx_linear_deviation(&deviation, dataset, joint.history, joint.items, joint.dims);
    if (!err)
        err = be_pair(out, &joint, &rest);
    free(joint.history);
    free(joint.items);
    nbx_csr_fini(&rest);
    *weight = exp(deviation);
    return err;
}

/* The parts that can be joined into `taken`, in their order, and the others behind the pair. */
static void sort_out(struct nbx_compressed *taken, struct nbx_compressed *out,
                     const struct nbx_weighed *in)
{
    taken->n = 0;
    out->n = 1;
    for (size_t p = 0; p < in->n; p++) {
        struct nbx_compressed *to = nbx_compress_takes(&in->parts[p]) ? taken : out;
        to->parts[to->n] = in->parts[p];
        to->weights[to->n++] = in->weights[p];
    }
}

enum nbx_err nbx_compress(struct nbx_compressed *out, const struct nbx_weighed *in,
                          const struct nbx_dataset *dataset,
                          const struct nbx_compress_options *options, struct nbx_fault *fault)
{
    struct nbx_linear linear;
    struct nbx_compressed taken;
    *out = (struct nbx_compressed){.n = 0};
    if (nbx_compress_dims(in->parts, in->n) == 0)
        return nbx_fault_set(fault, NBX_EBAD, "compress",
                             "no space is among the parts that count a whole history alike");
    sort_out(&taken, out, in);
    enum nbx_err err =
        nbx_linear_init(&linear, taken.parts, taken.weights, taken.n, dataset, options->threads);
    if (!err)
        err = join(&out->parts[0], &out->weights[0], &linear, dataset, options);
    nbx_linear_fini(&linear);
    if (err == NBX_EBAD)
        return nbx_fault_set(fault, err, "compress", "the parts cannot be joined");
    return err ? nbx_fault_set(fault, err, NULL, "out of memory compressing") : NBX_OK;
}

void nbx_compressed_fini(struct nbx_compressed *compressed)
{
    nbx_part_fini(&compressed->parts[0]);
    compressed->n = 0;
}
