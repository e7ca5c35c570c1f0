/* SPDX-License-Identifier: MIT */
#include "engine/score/arrange.h"

#include "engine/base/parallel.h"
#include "engine/blas/blas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Weights within one class differ by at most this factor: the finer, the tighter the bounds and
 * the more runs a search goes through side by side. */
#define CLASS_RATIO 1.25F
#define CLASSES     62 /* by weight, from the largest down; the last takes all that is smaller */
#define CLASS_ZERO  62 /* weight 0 or less */

/* Items of similar norm among which neighbours are looked for: more find nearer ones, fewer keep
 * norms closer. */
#define BAND_ITEMS  8192
#define POWER_STEPS 4

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

static double norm_of(const float *x, size_t dim)
{
    double sum = 0;
    for (size_t d = 0; d < dim; d++)
        sum += (double)x[d] * x[d];
    return sqrt(sum);
}

/* Bits of a float >= 0 order like it; upside down for falling order. */
static uint64_t falling(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return UINT32_MAX - bits;
}

static enum nbx_err sort_by_norm(struct place *places, const struct nbx_packed_items *items)
{
    float most = 0;
    for (size_t i = 0; items->weights && i < items->n; i++)
        most = fmaxf(most, items->weights[i]);
    for (size_t i = 0; i < items->n; i++) {
        uint64_t slice = items->cells     ? items->cells[i]
                         : items->weights ? class_of(items->weights[i], most)
                                          : 0;
        float norm = (float)norm_of(items->vectors + i * items->stride, items->dim);
        places[i] = (struct place){slice << 32 | falling(norm), (uint32_t)i};
    }
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

/* A band being ordered. Rows move together with their items, so that any part of the band is a
 * matrix. */
struct band {
    size_t dim;
    float *rows, *moved;           /* (n, dim) directions, scaled to length 1; the same, scratch */
    uint32_t *order, *moved_order; /* (n) */
    float *mean, *axis;            /* (dim) */
    float *along;                  /* (n) */
    uint64_t *keys;                /* (n) */
};

static void band_end(struct band *b)
{
    free(b->rows);
    free(b->moved);
    free(b->moved_order);
    free(b->mean);
    free(b->axis);
    free(b->along);
    free(b->keys);
}

static enum nbx_err band_begin(struct band *b, size_t n, size_t dim)
{
    *b = (struct band){.dim = dim};
    b->rows = malloc(n * dim * sizeof *b->rows);
    b->moved = malloc(n * dim * sizeof *b->moved);
    b->moved_order = malloc(n * sizeof *b->moved_order);
    b->mean = malloc(dim * sizeof *b->mean);
    b->axis = malloc(dim * sizeof *b->axis);
    b->along = malloc(n * sizeof *b->along);
    b->keys = malloc(n * sizeof *b->keys);
    return b->rows && b->moved && b->moved_order && b->mean && b->axis && b->along && b->keys
               ? NBX_OK
               : NBX_ELIMIT;
}

static float mean_of(const float *x, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i];
    return (float)(sum / (double)n);
}

/* The direction in which the rows [first, first + n) differ most: some steps of the power method
 * on their covariance, from the difference of two of them. Leaves their places along it. */
static void find_axis(struct band *b, size_t first, size_t n)
{
    const float *rows = b->rows + first * b->dim;
    for (size_t d = 0; d < b->dim; d++)
        b->axis[d] = rows[d] - rows[(n - 1) * b->dim + d];
    for (int step = 0; step < POWER_STEPS; step++) {
        nbx_blas_gemv(b->along, rows, b->axis, n, b->dim);
        float mean = mean_of(b->along, n);
        for (size_t i = 0; i < n; i++)
            b->along[i] -= mean; /* sums to 0, so that the rows' own mean falls out below */
        nbx_blas_gemv_t(b->axis, rows, b->along, n, b->dim);
        double norm = norm_of(b->axis, b->dim);
        for (size_t d = 0; d < b->dim && norm > 0; d++)
            b->axis[d] = (float)(b->axis[d] / norm);
    }
    nbx_blas_gemv(b->along, rows, b->axis, n, b->dim);
}

/* A number that orders like x and then like i. */
static uint64_t key_of(float x, size_t i)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits = bits >> 31 ? ~bits : bits | UINT32_C(1) << 31;
    return (uint64_t)bits << 32 | i;
}

/* Puts the smallest `left` of n distinct keys first. Hoare's quickselect, 0 < left < n. */
static void select_smallest(uint64_t *keys, size_t n, size_t left)
{
    size_t low = 0, high = n - 1;
    while (low < high) {
        uint64_t pivot = keys[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;;) {
            while (keys[i] < pivot)
                i++;
            while (keys[j] > pivot)
                j--;
            if (i >= j)
                break;
            uint64_t swap = keys[i];
            keys[i++] = keys[j];
            keys[j--] = swap;
        }
        /* Before i no key is above the pivot, from i on none is below. */
        if (i == left)
            return;
        if (i > left)
            high = i - 1;
        else
            low = i > low ? i : low + 1; /* at low: the pivot is the smallest and stands there */
    }
}

/* Rows and items of [first, first + n) in the order of the keys' low halves. */
static void move_rows(struct band *b, size_t first, size_t n)
{
    float *rows = b->rows + first * b->dim;
    for (size_t i = 0; i < n; i++) {
        size_t from = b->keys[i] & UINT32_MAX;
        memcpy(b->moved + i * b->dim, rows + from * b->dim, b->dim * sizeof *rows);
        b->moved_order[i] = b->order[first + from];
    }
    memcpy(rows, b->moved, n * b->dim * sizeof *rows);
    memcpy(b->order + first, b->moved_order, n * sizeof *b->order);
}

/* Halves the rows along their main axis, and the halves again, down to tiles. Halves are whole
 * tiles, nodes while they are larger than one. */
static void halve(struct band *b, size_t first, size_t n)
{
    while (n > NBX_TILE_ITEMS) {
        size_t unit = n > NBX_NODE_ITEMS ? NBX_NODE_ITEMS : NBX_TILE_ITEMS;
        size_t left = (n / 2 + unit - 1) / unit * unit;
        find_axis(b, first, n);
        for (size_t i = 0; i < n; i++)
            b->keys[i] = key_of(b->along[i], i);
        select_smallest(b->keys, n, left);
        move_rows(b, first, n);
        halve(b, first, left);
        first += left;
        n -= left;
    }
}

static void scale_to_one(float *out, const float *x, size_t dim)
{
    double norm = norm_of(x, dim);
    for (size_t d = 0; d < dim; d++)
        out[d] = norm > 0 ? (float)(x[d] / norm) : 0;
}

/* What the bands are made from. */
struct bands {
    const struct nbx_packed_items *items;
    uint32_t *order;        /* (items->n) */
    struct nbx_slice *each; /* (n) */
    size_t n;
};

/* One band: a nbx_parallel_fn. */
static enum nbx_err order_band(void *ctx, unsigned worker, size_t chunk)
{
    const struct bands *bands = ctx;
    const struct nbx_packed_items *items = bands->items;
    size_t first = bands->each[chunk].first, n = bands->each[chunk].end - first;
    struct band b;
    (void)worker;
    if (n <= NBX_TILE_ITEMS)
        return NBX_OK;
    enum nbx_err err = band_begin(&b, n, items->dim);
    if (!err) {
        b.order = bands->order + first;
        for (size_t i = 0; i < n; i++)
            scale_to_one(b.rows + i * b.dim, items->vectors + b.order[i] * items->stride, b.dim);
        halve(&b, 0, n);
    }
    band_end(&b);
    return err;
}

static enum nbx_err order_bands(struct nbx_arrangement *a, const struct nbx_packed_items *items)
{
    struct bands bands = {items, a->order, NULL, 0};
    bands.each = calloc(items->n / BAND_ITEMS + a->n_slices + 1, sizeof *bands.each);
    if (!bands.each)
        return NBX_ELIMIT;
    for (size_t s = 0; s < a->n_slices; s++) {
        for (size_t at = a->slices[s].first; at < a->slices[s].end; at += BAND_ITEMS) {
            size_t end = at + BAND_ITEMS < a->slices[s].end ? at + BAND_ITEMS : a->slices[s].end;
            bands.each[bands.n++] = (struct nbx_slice){at, end};
        }
    }
    unsigned threads = bands.n > 1 ? nbx_parallel_processors() : 1;
    enum nbx_err err = nbx_parallel(threads, bands.n, order_band, &bands);
    free(bands.each);
    return err;
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
    if (!err)
        err = order_bands(out, items);
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
