/* SPDX-License-Identifier: MIT */
#include "models/train/served.h"

#include "engine/base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Says what it is going to take, before it takes it. */
static enum nbx_err announce(const struct nbx_task *task, const struct nbx_weighed *parts,
                             const struct nbx_compress_options *options, struct nbx_fault *fault)
{
    char text[32];
    uint64_t bytes =
        nbx_compress_bound_bytes(parts->parts, parts->n, task->learn->n_items, options);
    printf("compress: dim=%zu keep=%zu\nmemory: it takes at most %s more\n", options->how.dim,
           options->how.keep, nbx_train_bytes(text, bytes));
    if (task->memory_mib && bytes > task->memory_mib << 20)
        return nbx_fault_set(fault, NBX_ELIMIT, "--memory", "compress may take %s", text);
    return NBX_OK;
}

static enum nbx_err compress(struct nbx_served *out, const struct nbx_task *task,
                             const struct nbx_weighed *parts, struct nbx_compression how,
                             struct nbx_fault *fault)
{
    int64_t start_ns = nbx_clock_mono_ns();
    struct nbx_compress_options options = {how, task->threads, STDERR_FILENO};
    enum nbx_err err = announce(task, parts, &options, fault);
    if (!err)
        err = nbx_compress(&out->as, parts, task->learn, &options, fault);
    if (err)
        return err;
    out->joint = true;
    printf("compressed %zu dimensions in %.1f s\n", nbx_compress_dims(parts->parts, parts->n),
           (double)(nbx_clock_mono_ns() - start_ns) / 1e9);
    return NBX_OK;
}

enum nbx_err nbx_served_init(struct nbx_served *out, const struct nbx_task *task,
                             const struct nbx_recipe *recipe, const struct nbx_part *parts,
                             struct nbx_fault *fault)
{
    *out = (struct nbx_served){.as.n = recipe->n_parts};
    for (size_t i = 0; i < recipe->n_parts; i++)
        out->as.weights[i] = recipe->parts[i].weight;
    memcpy(out->as.parts, parts, recipe->n_parts * sizeof *parts);
    if (!recipe->compress.dim)
        return NBX_OK;
    struct nbx_served whole = *out;
    struct nbx_weighed weighed = {whole.as.parts, whole.as.weights, whole.as.n};
    return compress(out, task, &weighed, recipe->compress, fault);
}

void nbx_served_fini(struct nbx_served *served)
{
    if (served->joint)
        nbx_compressed_fini(&served->as);
}
