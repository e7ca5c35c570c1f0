/* SPDX-License-Identifier: MIT */
#include "engine/score/arrange.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weights within one class differ by at most this factor: the finer, the tighter the bounds and
 * the more runs a search goes through side by side. */
#define CLASS_RATIO 1.25F
#define CLASSES     62 /* by weight, from the largest down; the last takes all that is smaller */
#define CLASS_ZERO  62 /* weight 0 or less */

/* One item on its way to a place. */
struct place {
    uint64_t key; /* slice (class of weight, or cell), then falling norm */
    uint32_t from;
};

/* Stable least-significant-digit radix sort by key, 16 bits at a time. */
static enum nbx_err sort_places(struct place *places, size_t n)
{
    struct place *from = places, *to = malloc((n + 1) * sizeof *to), *scratch = to;
    size_t *starts = malloc(65537 * sizeof *starts);
    for (int shift = 0; to && starts && shift < 48; shift += 16) {
        memset(starts, 0, 65537 * sizeof *starts);
        for (size_t i = 0; i < n; i++)
            starts[(from[i].key >> shift & 0xFFFF) + 1]++;
        for (size_t d = 0; d < 65536; d++)
            starts[d + 1] += starts[d];
        for (size_t i = 0; i < n; i++)
            to[starts[from[i].key >> shift & 0xFFFF]++] = from[i];
        struct place *swap = from;
        from = to;
        to = swap;
    }
    bool sorted = scratch && starts;
    if (sorted)
        memcpy(places, from, n * sizeof *places); /* three passes end in the scratch array */
    free(scratch);
    free(starts);
    return sorted ? NBX_OK : NBX_ELIMIT;
}

static unsigned class_of(float weight, float most)
{
    if (!(weight > 0))
        return CLASS_ZERO;
    float class = logf(most / weight) / logf(CLASS_RATIO);
    return class < CLASSES - 1 ? (unsigned)class : CLASSES - 1;
}

/* Bits of a float >= 0 order like it; upside down for falling order. */
static uint64_t falling(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return UINT32_MAX - bits;
}

/* As a sketch has it; scratch: (dim). */
static float norm_of(const struct nbx_packed_items *items, size_t i, float *scratch)
{
    const float *x = items->vectors + i * items->stride;
    if (!items->stretch)
        return nbx_sketch_norm(x, items->dim);
    nbx_sketch_stretch(scratch, x, items->stretch, items->dim);
    return nbx_sketch_norm(scratch, items->dim);
}

static enum nbx_err sort_by_norm(struct place *places, const struct nbx_packed_items *items)
{
    float most = 0, *scratch = malloc(items->dim * sizeof *scratch);
    if (!scratch)
        return NBX_ELIMIT;
    for (size_t i = 0; items->weights && i < items->n; i++)
        most = fmaxf(most, items->weights[i]);
    for (size_t i = 0; i < items->n; i++) {
        uint64_t slice = items->cells     ? items->cells[i]
                         : items->weights ? class_of(items->weights[i], most)
                                          : 0;
        uint64_t key = slice << 32 | falling(norm_of(items, i, scratch));
        places[i] = (struct place){key, (uint32_t)i};
    }
    free(scratch);
    return sort_places(places, items->n);
}

static enum nbx_err cut_slices(struct nbx_arrangement *a, const struct place *places, size_t n)
{
    size_t room = 1;
    for (size_t i = 1; i < n; i++)
        room += places[i].key >> 32 != places[i - 1].key >> 32;
    a->slices = calloc(room, sizeof *a->slices);
    for (size_t i = 0, end; a->slices && i < n; i = end) {
        for (end = i; end < n && places[end].key >> 32 == places[i].key >> 32; end++)
            continue;
        a->slices[a->n_slices++] = (struct nbx_slice){i, end};
    }
    return a->slices ? NBX_OK : NBX_ELIMIT;
}

enum nbx_err nbx_arrange(struct nbx_arrangement *out, const struct nbx_packed_items *items)
{
    struct place *places = malloc((items->n + 1) * sizeof *places);
    *out = (struct nbx_arrangement){.order = malloc((items->n + 1) * sizeof *out->order)};
    enum nbx_err err = places && out->order ? sort_by_norm(places, items) : NBX_ELIMIT;
    if (!err)
        err = cut_slices(out, places, items->n);
    for (size_t i = 0; !err && i < items->n; i++)
        out->order[i] = places[i].from;
    free(places);
    if (err)
        nbx_arrangement_fini(out);
    return err;
}

void nbx_arrangement_fini(struct nbx_arrangement *a)
{
    free(a->order);
    free(a->slices);
    *a = (struct nbx_arrangement){0};
}
