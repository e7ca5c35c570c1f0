/* SPDX-License-Identifier: MIT */
#include "models/sequence/softmax.h"

#include "engine/base/parallel.h"
#include "engine/blas/blas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A block of scores stays in a core's own cache. */
#define BLOCK_TARGETS 64
#define TILE_ITEMS    256
#define PANEL_FLOATS  ((size_t)8 << 20)

static size_t panel_rows(size_t max_targets, size_t max_candidates)
{
    size_t rows = PANEL_FLOATS / (max_candidates + 1) / BLOCK_TARGETS * BLOCK_TARGETS;
    rows = rows < BLOCK_TARGETS ? BLOCK_TARGETS : rows;
    return rows < max_targets ? rows : max_targets;
}

uint64_t nbx_sequence__softmax_bytes(size_t width, size_t max_targets, size_t max_candidates)
{
    uint64_t panel = panel_rows(max_targets, max_candidates);
    return (panel * max_candidates + 1 + panel * width + max_targets) * sizeof(float) +
           max_targets * sizeof(double);
}

enum nbx_err nbx_sequence__softmax_init(struct nbx_sequence_softmax *s, size_t width,
                                        size_t max_targets, size_t max_candidates)
{
    size_t panel = panel_rows(max_targets, max_candidates);
    *s = (struct nbx_sequence_softmax){
        .width = width,
        .panel = panel,
        .e = malloc((panel * max_candidates + 1) * sizeof *s->e),
        .scaled = malloc(panel * width * sizeof *s->scaled),
        .own = malloc(max_targets * sizeof *s->own),
        .losses = malloc(max_targets * sizeof *s->losses),
    };
    return s->e && s->scaled && s->own && s->losses ? NBX_OK : NBX_ELIMIT;
}

void nbx_sequence__softmax_fini(struct nbx_sequence_softmax *s)
{
    free(s->e);
    free(s->scaled);
    free(s->own);
    free(s->losses);
    *s = (struct nbx_sequence_softmax){0};
}

struct job {
    struct nbx_sequence_softmax *s;
    const struct nbx_sequence_problem *p;
    size_t begin, rows; /* the panel's targets */
};

struct tile {
    size_t begin, n; /* candidates */
    float *e;        /* (the panel's rows, n) */
};

static size_t count_tiles(const struct job *job)
{
    return (job->p->n_candidates + TILE_ITEMS - 1) / TILE_ITEMS;
}

static struct tile tile_of(const struct job *job, size_t number)
{
    struct tile t = {.begin = number * TILE_ITEMS};
    t.n = job->p->n_candidates - t.begin < TILE_ITEMS ? job->p->n_candidates - t.begin : TILE_ITEMS;
    t.e = job->s->e + t.begin * job->rows;
    return t;
}

/* The target's own e^score is left out of the tiles: nearly 0 stands there. */
static void leave_out_own(const struct job *job, size_t row)
{
    size_t place = job->p->places[job->begin + row];
    if (place >= job->p->n_candidates)
        return;
    struct tile t = tile_of(job, place / TILE_ITEMS);
    t.e[row * t.n + place - t.begin] = -INFINITY;
}

static const float *own_row(const struct job *job, size_t row)
{
    return job->p->items->value + (size_t)job->p->targets[job->begin + row] * job->s->width;
}

/* Scores of one target become e^(score - largest); returns what its x and e count for. */
static float exponentiate(const struct job *job, size_t row)
{
    size_t target = job->begin + row, width = job->s->width, tiles = count_tiles(job);
    float own = nbx_sequence__dot(job->p->x + target * width, own_row(job, row), width);
    float largest = own, others = 0, each = 1.0f / (float)job->p->n_targets;
    leave_out_own(job, row);
    for (size_t i = 0; i < tiles; i++) {
        struct tile t = tile_of(job, i);
        largest = nbx_sequence__max(t.e + row * t.n, t.n, largest);
    }
    for (size_t i = 0; i < tiles; i++) {
        struct tile t = tile_of(job, i);
        others += nbx_sequence__exp(t.e + row * t.n, t.n, largest);
    }
    float sum = others + expf(own - largest);
    job->s->own[target] = -others / sum * each;
    job->s->losses[target] = log((double)sum) - (double)(own - largest);
    return each / sum;
}

/* Scores, their exponentials and the gradients by x of a block of the panel's targets. */
static enum nbx_err do_targets(void *ctx, unsigned worker, size_t block)
{
    const struct job *job = ctx;
    size_t width = job->s->width, begin = block * BLOCK_TARGETS, tiles = count_tiles(job);
    size_t n = job->rows - begin < BLOCK_TARGETS ? job->rows - begin : BLOCK_TARGETS;
    const float *x = job->p->x + (job->begin + begin) * width;
    float *dx = job->p->dx + (job->begin + begin) * width, scales[BLOCK_TARGETS];
    (void)worker;
    for (size_t i = 0; i < tiles; i++) {
        struct tile t = tile_of(job, i);
        nbx_blas_gemm_nt(t.e + begin * t.n, x, job->p->candidates + t.begin * width, n, t.n, width);
    }
    for (size_t r = 0; r < n; r++)
        scales[r] = exponentiate(job, begin + r);
    memset(dx, 0, n * width * sizeof *dx);
    for (size_t i = 0; i < tiles; i++) {
        struct tile t = tile_of(job, i);
        nbx_blas_gemm_nn_add(dx, t.e + begin * t.n, job->p->candidates + t.begin * width, n, width,
                             t.n);
    }
    for (size_t r = 0; r < n; r++) {
        float *scaled = job->s->scaled + (begin + r) * width;
        nbx_sequence__add(dx + r * width, scales[r], own_row(job, begin + r),
                          job->s->own[job->begin + begin + r], width);
        for (size_t j = 0; j < width; j++)
            scaled[j] = scales[r] * x[r * width + j];
    }
    return NBX_OK;
}

/* Gradients by the rows of the panel's targets that lie at places begin .. end - 1. */
static void add_own(const struct job *job, size_t begin, size_t end)
{
    size_t width = job->s->width;
    for (size_t t = job->begin; t < job->begin + job->rows; t++) {
        size_t place = job->p->places[t];
        if (place >= begin && place < end)
            nbx_sequence__add(job->p->items->gradient + place * width, 1.0f, job->p->x + t * width,
                              job->s->own[t], width);
    }
}

/* Gradients by a tile of items; the tile after the last: of targets that are no candidates. */
static enum nbx_err do_items(void *ctx, unsigned worker, size_t number)
{
    const struct job *job = ctx;
    size_t width = job->s->width;
    (void)worker;
    if (number == count_tiles(job)) {
        add_own(job, job->p->n_candidates, SIZE_MAX);
        return NBX_OK;
    }
    struct tile t = tile_of(job, number);
    nbx_blas_gemm_tn_add(job->p->items->gradient + t.begin * width, t.e, job->s->scaled, t.n, width,
                         job->rows);
    add_own(job, t.begin, t.begin + t.n);
    return NBX_OK;
}

enum nbx_err nbx_sequence__softmax(struct nbx_sequence_softmax *s,
                                   const struct nbx_sequence_problem *problem, unsigned threads,
                                   double *loss)
{
    struct job job = {.s = s, .p = problem};
    enum nbx_err err = NBX_OK;
    for (; !err && job.begin < problem->n_targets; job.begin += s->panel) {
        size_t left = problem->n_targets - job.begin;
        job.rows = left < s->panel ? left : s->panel;
        size_t blocks = (job.rows + BLOCK_TARGETS - 1) / BLOCK_TARGETS;
        err = nbx_parallel(threads, blocks, do_targets, &job);
        if (!err)
            err = nbx_parallel(threads, count_tiles(&job) + 1, do_items, &job);
    }
    *loss = 0;
    for (size_t t = 0; t < problem->n_targets; t++)
        *loss += s->losses[t];
    return err;
}
