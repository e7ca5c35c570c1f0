/* SPDX-License-Identifier: MIT */
#include "models/sequence/window.h"

#include <stdlib.h>
#include <string.h>

struct sizes {
    size_t paces, scales, slots, live, x, positions; /* floats */
};

static struct sizes sizes_of(const struct nbx_sequence_options *o)
{
    size_t slots = nbx_sequence__max_slots(o);
    return (struct sizes){
        .paces = o->recent * o->dim,
        .scales = slots,
        .slots = slots * o->dim,
        .live = o->batch * o->dim,
        .x = o->batch * (o->dim + 1),
        .positions = NBX_SEQUENCE_PARTS * o->groups * (o->recent + 1),
    };
}

uint64_t nbx_sequence__window_bytes(const struct nbx_sequence_options *options)
{
    struct sizes s = sizes_of(options);
    return (s.paces + s.scales + 2 * (uint64_t)s.slots + s.live + 2 * (uint64_t)s.x + s.positions) *
           sizeof(float);
}

enum nbx_err nbx_sequence__window_init(struct nbx_sequence_window *w,
                                       const struct nbx_sequence_options *options)
{
    struct sizes s = sizes_of(options);
    *w = (struct nbx_sequence_window){
        .dim = options->dim,
        .recent = options->recent,
        .groups = options->groups,
        .history_dropout = options->history_dropout,
        .dropout = options->dropout,
        .paces = calloc(s.paces, sizeof(float)),
        .scales = calloc(s.scales, sizeof(float)),
        .kept = calloc(s.slots, sizeof(float)),
        .d_kept = calloc(s.slots, sizeof(float)),
        .live = calloc(s.live, sizeof(float)),
        .x = calloc(s.x, sizeof(float)),
        .dx = calloc(s.x, sizeof(float)),
        .d_positions = calloc(s.positions, sizeof(float)),
    };
    return w->paces && w->scales && w->kept && w->d_kept && w->live && w->x && w->dx &&
                   w->d_positions
               ? NBX_OK
               : NBX_ELIMIT;
}

void nbx_sequence__window_fini(struct nbx_sequence_window *w)
{
    free(w->paces);
    free(w->scales);
    free(w->kept);
    free(w->d_kept);
    free(w->live);
    free(w->x);
    free(w->dx);
    free(w->d_positions);
    *w = (struct nbx_sequence_window){0};
}

void nbx_sequence__window_paces(struct nbx_sequence_window *w, const float *positions)
{
    size_t slice = w->dim / w->groups;
    for (size_t p = 0; p < w->recent; p++)
        for (size_t j = 0; j < w->dim; j++)
            w->paces[p * w->dim + j] = positions[j / slice * (w->recent + 1) + p];
}

/* to (n): 0 with probability `dropout`, else what keeps the mean at 1. */
static void draw_scales(float *to, size_t n, float dropout, struct nbx_random *random)
{
    uint32_t least = (uint32_t)((double)dropout * 0x1p32);
    float kept = 1.0f / (1.0f - dropout);
    uint64_t bits = 0;
    for (size_t i = 0; i < n; i++) {
        bits = dropout > 0 && i % 2 == 0 ? nbx_random_u64(random) : bits >> 32;
        to[i] = dropout > 0 && (uint32_t)bits < least ? 0 : kept;
    }
}

static void multiply(float *restrict to, const float *restrict by, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] *= by[i];
}

/* What one chunk of a batch looks at. */
struct view {
    size_t slots, targets, history;       /* how many */
    float *scales, *kept, *d_kept;        /* of its first slot */
    float *live, *x, *dx;                 /* of its first target */
    const uint32_t *items;                /* (slots) */
    struct nbx_sequence_rows paces, back; /* from position 0; from the first target's dx */
};

static struct view view_of(const struct nbx_sequence_pass *pass, size_t i)
{
    const struct nbx_sequence_window *w = pass->window;
    size_t slot = pass->batch->first_slot[i], target = pass->batch->first_target[i];
    float *dx = w->dx + target * (w->dim + 1);
    return (struct view){
        .slots = pass->batch->first_slot[i + 1] - slot,
        .targets = pass->batch->first_target[i + 1] - target,
        .history = pass->chunks->all[pass->batch->chunks[i]].history,
        .scales = w->scales + slot,
        .kept = w->kept + slot * w->dim,
        .d_kept = w->d_kept + slot * w->dim,
        .live = w->live + target * w->dim,
        .x = w->x + target * (w->dim + 1),
        .dx = dx,
        .items = pass->batch->slots + slot,
        .paces = {w->paces, (ptrdiff_t)w->dim},
        .back = {dx, (ptrdiff_t)w->dim + 1},
    };
}

static struct nbx_sequence_rows rows_from(struct nbx_sequence_rows rows, size_t n)
{
    rows.first += (ptrdiff_t)n * rows.step;
    return rows;
}

static void draw_dropout(const struct nbx_sequence_pass *pass, const struct view *v, size_t i)
{
    const struct nbx_sequence_window *w = pass->window;
    struct nbx_random random;
    nbx_sequence__stream(&random, pass->seed, pass->epoch, pass->batch->chunks[i]);
    draw_scales(v->scales, v->slots, w->history_dropout, &random);
    draw_scales(v->live, v->targets * w->dim, w->dropout, &random);
}

static void forward_chunk(const struct nbx_sequence_pass *pass, size_t i)
{
    const struct nbx_sequence_window *w = pass->window;
    struct view v = view_of(pass, i);
    size_t dim = w->dim;
    draw_dropout(pass, &v, i);
    for (size_t s = 0; s < v.slots; s++) {
        const float *row = pass->history + (size_t)v.items[s] * (dim + 1);
        for (size_t j = 0; j < dim; j++)
            v.kept[s * dim + j] = v.scales[s] * row[j];
    }
    for (size_t t = 0; t < v.targets; t++) {
        size_t known = v.history + t;
        float *x = v.x + t * (dim + 1);
        struct nbx_sequence_rows recent_first = {v.kept + (known - 1) * dim, -(ptrdiff_t)dim};
        nbx_sequence__sum_products(x, v.paces, recent_first, known < w->recent ? known : w->recent,
                                   dim);
        multiply(x, v.live + t * dim, dim);
        x[dim] = 1.0f;
    }
}

/* Slot s is at position p = history + t - 1 - s of target t. */
static void backward_slots(const struct nbx_sequence_window *w, const struct view *v)
{
    for (size_t s = 0; s < v->slots; s++) {
        size_t t = s + 1 > v->history ? s + 1 - v->history : 0, p = v->history + t - 1 - s;
        size_t n = v->targets - t < w->recent - p ? v->targets - t : w->recent - p;
        float *to = v->d_kept + s * w->dim;
        nbx_sequence__sum_products(to, rows_from(v->paces, p), rows_from(v->back, t), n, w->dim);
        for (size_t j = 0; j < w->dim; j++)
            to[j] *= v->scales[s];
    }
}

static void backward_positions(const struct nbx_sequence_window *w, const struct view *v, float *to)
{
    float sums[NBX_SEQUENCE_MAX_DIM];
    size_t slice = w->dim / w->groups;
    struct nbx_sequence_rows kept = {v->kept, (ptrdiff_t)w->dim};
    for (size_t p = 0; p < w->recent && p < v->slots; p++) {
        size_t t = p + 1 > v->history ? p + 1 - v->history : 0, s = v->history + t - 1 - p;
        nbx_sequence__sum_products(sums, rows_from(kept, s), rows_from(v->back, t), v->targets - t,
                                   w->dim);
        for (size_t j = 0; j < w->dim; j++)
            to[j / slice * (w->recent + 1) + p] += sums[j];
    }
}

static size_t part_begin(const struct nbx_sequence_pass *pass, size_t part)
{
    return pass->batch->n * part / NBX_SEQUENCE_PARTS;
}

void nbx_sequence__forward(const struct nbx_sequence_pass *pass, size_t part)
{
    for (size_t i = part_begin(pass, part); i < part_begin(pass, part + 1); i++)
        forward_chunk(pass, i);
}

void nbx_sequence__backward(const struct nbx_sequence_pass *pass, size_t part)
{
    const struct nbx_sequence_window *w = pass->window;
    size_t numbers = w->groups * (w->recent + 1);
    float *d_positions = w->d_positions + part * numbers;
    memset(d_positions, 0, numbers * sizeof *d_positions);
    for (size_t i = part_begin(pass, part); i < part_begin(pass, part + 1); i++) {
        struct view v = view_of(pass, i);
        for (size_t t = 0; t < v.targets; t++)
            multiply(v.dx + t * (w->dim + 1), v.live + t * w->dim, w->dim);
        backward_slots(w, &v);
        backward_positions(w, &v, d_positions);
    }
}

void nbx_sequence__gather(const struct nbx_sequence_pass *pass, struct nbx_sequence_table *history,
                          struct nbx_sequence_table *positions)
{
    const struct nbx_sequence_window *w = pass->window;
    size_t numbers = w->groups * (w->recent + 1);
    for (size_t s = 0; s < pass->batch->n_slots; s++) {
        size_t place = nbx_sequence__table_place(history, pass->batch->slots[s]);
        nbx_sequence__add(history->gradient + place * (w->dim + 1), 1.0f, w->d_kept + s * w->dim,
                          1.0f, w->dim);
    }
    for (size_t part = 0; part < NBX_SEQUENCE_PARTS; part++)
        nbx_sequence__add(positions->gradient, 1.0f, w->d_positions + part * numbers, 1.0f,
                          numbers);
}
