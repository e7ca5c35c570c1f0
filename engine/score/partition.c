/* SPDX-License-Identifier: MIT */
#include "engine/score/partition.h"

#include "engine/base/check.h"
#include "engine/base/random.h"
#include "engine/blas/blas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED           1
#define LEAST_ITEMS    50000 /* fewer are scanned whole in a few tens of microseconds */
#define CELL_ITEMS     256
#define MOST_CELLS     32768
#define ROUNDS         6    /* of Lloyd's algorithm (1982) */
#define SAMPLE_A_CELL  64   /* items that a centre is fitted on */
#define ROWS_AT_A_TIME 256  /* scored against all centres in one product */
#define SAME_NORMS     0.8F /* a low norm at least this part of a high one */

/* Items to be split: their places in `items`. */
struct subset {
    const struct nbx_packed_items *items;
    const uint32_t *places; /* (n) */
    size_t n;
};

static const float *vector_of(const struct subset *set, size_t i)
{
    return set->items->vectors + set->places[i] * set->items->stride;
}

bool nbx_partition_helps(const struct nbx_packed *pack)
{
    if (pack->cells.n || pack->n < LEAST_ITEMS || pack->n_runs != 1)
        return false;
    float high = pack->nodes[pack->n_nodes / 20].items.norm;
    float low = pack->nodes[pack->n_nodes - 1 - pack->n_nodes / 20].items.norm;
    return low >= SAME_NORMS * high;
}

/* What one k-means needs. */
struct kmeans {
    size_t k, dim;
    float *centres; /* (k, dim) of length 1, or zero */
    float *sums;    /* (k, dim) */
    float *rows;    /* (ROWS_AT_A_TIME, dim) */
    float *scores;  /* (ROWS_AT_A_TIME, k) */
};

static void kmeans_end(struct kmeans *m)
{
    free(m->centres);
    free(m->sums);
    free(m->rows);
    free(m->scores);
}

static enum nbx_err kmeans_begin(struct kmeans *m, size_t k, size_t dim)
{
    *m = (struct kmeans){.k = k, .dim = dim};
    m->centres = malloc(k * dim * sizeof *m->centres);
    m->sums = malloc(k * dim * sizeof *m->sums);
    m->rows = malloc(ROWS_AT_A_TIME * dim * sizeof *m->rows);
    m->scores = malloc(ROWS_AT_A_TIME * k * sizeof *m->scores);
    return m->centres && m->sums && m->rows && m->scores ? NBX_OK : NBX_ELIMIT;
}

static uint32_t best_of(const float *scores, size_t k)
{
    size_t best = 0;
    for (size_t c = 1; c < k; c++)
        if (scores[c] > scores[best])
            best = c;
    return (uint32_t)best;
}

/* The nearest centre by direction of each of set's items. */
static void assign(uint32_t *nearest, struct kmeans *m, const struct subset *set)
{
    for (size_t first = 0; first < set->n; first += ROWS_AT_A_TIME) {
        size_t n = set->n - first < ROWS_AT_A_TIME ? set->n - first : ROWS_AT_A_TIME;
        for (size_t i = 0; i < n; i++)
            memcpy(m->rows + i * m->dim, vector_of(set, first + i), m->dim * sizeof *m->rows);
        nbx_blas_gemm_nt(m->scores, m->rows, m->centres, n, m->k, m->dim);
        for (size_t i = 0; i < n; i++)
            nearest[first + i] = best_of(m->scores + i * m->k, m->k);
    }
}

static void scale_to_one(float *x, size_t dim)
{
    double sum = 0;
    for (size_t d = 0; d < dim; d++)
        sum += (double)x[d] * x[d];
    for (size_t d = 0; d < dim && sum > 0; d++)
        x[d] = (float)(x[d] / sqrt(sum));
}

/* Centres become the directions of what is nearest to them; those with nothing stay. */
static void move_centres(struct kmeans *m, const struct subset *set, const uint32_t *nearest)
{
    memset(m->sums, 0, m->k * m->dim * sizeof *m->sums);
    for (size_t i = 0; i < set->n; i++)
        for (size_t d = 0; d < m->dim; d++)
            m->sums[nearest[i] * m->dim + d] += vector_of(set, i)[d];
    for (size_t c = 0; c < m->k; c++) {
        float *sum = m->sums + c * m->dim;
        scale_to_one(sum, m->dim);
        bool any = false;
        for (size_t d = 0; d < m->dim; d++)
            any = any || sum[d] != 0;
        if (any)
            memcpy(m->centres + c * m->dim, sum, m->dim * sizeof *sum);
    }
}

/* n of set's items drawn at random, with what is left in front of the draw: places is set's own
 * copy. Fisher and Yates. */
static void shuffle(uint32_t *places, size_t n, size_t drawn, struct nbx_random *random)
{
    for (size_t i = 0; i < drawn; i++) {
        size_t j = i + nbx_random_below(random, n - i);
        uint32_t swap = places[i];
        places[i] = places[j];
        places[j] = swap;
    }
}

/* Splits the set in k: nearest (set->n) is each one's part. */
static enum nbx_err split(uint32_t *nearest, const struct subset *set, size_t k,
                          struct nbx_random *random)
{
    NBX_ASSERT(k > 0 && k <= set->n);
    struct kmeans m;
    struct subset sample = *set;
    uint32_t *drawn = malloc((set->n + 1) * sizeof *drawn);
    enum nbx_err err = kmeans_begin(&m, k, set->items->dim);
    if (!err && !drawn)
        err = NBX_ELIMIT;
    if (!err) {
        sample.n = set->n < k * SAMPLE_A_CELL ? set->n : k * SAMPLE_A_CELL;
        sample.places = drawn;
        memcpy(drawn, set->places, set->n * sizeof *drawn);
        shuffle(drawn, set->n, sample.n, random);
        for (size_t c = 0; c < k; c++) {
            memcpy(m.centres + c * m.dim, vector_of(&sample, c), m.dim * sizeof *m.centres);
            scale_to_one(m.centres + c * m.dim, m.dim);
        }
        for (int round = 0; round < ROUNDS; round++) {
            assign(nearest, &m, &sample);
            move_centres(&m, &sample, nearest);
        }
        assign(nearest, &m, set);
    }
    free(drawn);
    kmeans_end(&m);
    return err;
}

/* Places in order of their part; starts (k + 1). */
static void sort_by_part(uint32_t *sorted, size_t *starts, const uint32_t *part, size_t n, size_t k)
{
    memset(starts, 0, (k + 1) * sizeof *starts);
    for (size_t i = 0; i < n; i++)
        starts[part[i] + 1]++;
    for (size_t c = 0; c < k; c++)
        starts[c + 1] += starts[c];
    for (size_t i = n; i-- > 0;)
        sorted[--starts[part[i] + 1]] = (uint32_t)i;
    for (size_t c = 0; c < k; c++) /* each start was moved down to its part's first */
        starts[c] = starts[c + 1];
    starts[k] = n;
}

static size_t items_a_cell(size_t n)
{
    return n / MOST_CELLS > CELL_ITEMS ? n / MOST_CELLS : CELL_ITEMS;
}

/* Splits one coarse part; its cells are numbered from *next on. */
static enum nbx_err split_part(uint32_t *cells, uint32_t *next, const struct subset *part,
                               struct nbx_random *random)
{
    size_t each = items_a_cell(part->items->n), k = (part->n + each / 2) / each;
    k = k > 0 ? k : 1;
    if (part->n == 0)
        return NBX_OK;
    uint32_t *nearest = calloc(part->n, sizeof *nearest);
    enum nbx_err err = nearest ? NBX_OK : NBX_ELIMIT;
    if (!err && k > 1)
        err = split(nearest, part, k, random);
    for (size_t i = 0; !err && i < part->n; i++)
        cells[part->places[i]] = *next + nearest[i];
    *next += (uint32_t)k;
    free(nearest);
    return err;
}

enum nbx_err nbx_partition(uint32_t *cells, const struct nbx_packed_items *items)
{
    struct nbx_random random;
    if (items->n == 0)
        return NBX_OK;
    size_t k = (size_t)sqrt((double)items->n / (double)items_a_cell(items->n));
    k = k > 0 ? k : 1;
    uint32_t *places = malloc((items->n + 1) * sizeof *places), next = 0;
    uint32_t *coarse = malloc((items->n + 1) * sizeof *coarse);
    size_t *starts = malloc((k + 1) * sizeof *starts);
    enum nbx_err err = places && coarse && starts ? NBX_OK : NBX_ELIMIT;
    nbx_random_init(&random, SEED);
    if (!err) {
        for (size_t i = 0; i < items->n; i++)
            places[i] = (uint32_t)i;
        struct subset all = {items, places, items->n};
        err = split(coarse, &all, k, &random);
    }
    if (!err)
        sort_by_part(places, starts, coarse, items->n, k);
    for (size_t c = 0; !err && c < k; c++) {
        struct subset part = {items, places + starts[c], starts[c + 1] - starts[c]};
        err = split_part(cells, &next, &part, &random);
    }
    free(places);
    free(coarse);
    free(starts);
    return err;
}
