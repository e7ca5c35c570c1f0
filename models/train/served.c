/* SPDX-License-Identifier: MIT */
#include "models/train/served.h"

#include "engine/base/clock.h"
#include "models/compress/compress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum nbx_err compress(struct nbx_served *out, const struct nbx_task *task,
                             const struct nbx_recipe *recipe, const struct nbx_part *parts,
                             const double *weights, struct nbx_fault *fault)
{
    char text[32];
    int64_t start_ns = nbx_clock_mono_ns();
    struct nbx_compress_options options = {recipe->compress, task->threads, STDERR_FILENO};
    uint64_t bytes =
        nbx_compress_bound_bytes(parts, recipe->n_parts, task->learn->n_items, &options);
    printf("compress: dim=%zu keep=%zu\nmemory: it takes at most %s more\n", recipe->compress.dim,
           recipe->compress.keep, nbx_train_bytes(text, bytes));
    if (task->memory_mib && bytes > task->memory_mib << 20)
        return nbx_fault_set(fault, NBX_ELIMIT, "--memory", "compress may take %s", text);
    out->joint = true;
    enum nbx_err err = nbx_compress_all(out->parts, out->weights, &out->n, parts, weights,
                                        recipe->n_parts, task->learn, &options, fault);
    if (!err)
        printf("compressed %zu dimensions in %.1f s\n", nbx_compress_dims(parts, recipe->n_parts),
               (double)(nbx_clock_mono_ns() - start_ns) / 1e9);
    return err;
}

enum nbx_err nbx_served_init(struct nbx_served *out, const struct nbx_task *task,
                             const struct nbx_recipe *recipe, const struct nbx_part *parts,
                             struct nbx_fault *fault)
{
    double weights[NBX_RECIPE_MAX];
    *out = (struct nbx_served){.n = recipe->n_parts};
    for (size_t i = 0; i < recipe->n_parts; i++)
        weights[i] = recipe->parts[i].weight;
    if (recipe->compress.dim)
        return compress(out, task, recipe, parts, weights, fault);
    memcpy(out->parts, parts, out->n * sizeof *parts);
    memcpy(out->weights, weights, out->n * sizeof *weights);
    return NBX_OK;
}

void nbx_served_fini(struct nbx_served *served)
{
    if (served->joint)
        nbx_part_fini(&served->parts[0]);
}
