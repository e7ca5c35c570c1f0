/* SPDX-License-Identifier: MIT */
#include "models/sequence/table.h"

#include "engine/base/check.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BETA1      0.9
#define BETA2      0.98
#define EPSILON    1e-8f
#define BLOCK_ROWS 128

enum nbx_err nbx_sequence__table_init(struct nbx_sequence_table *t, size_t n, size_t width,
                                      size_t capacity)
{
    size_t floats = n * width + 1;
    bool all = capacity >= n;
    *t = (struct nbx_sequence_table){.n = n, .width = width, .capacity = all ? n : capacity};
    t->n_rows = all ? n : 0;
    t->value = calloc(floats, sizeof *t->value);
    t->first = calloc(floats, sizeof *t->first);
    t->second = calloc(floats, sizeof *t->second);
    t->gradient = calloc(t->capacity * width + 1, sizeof *t->gradient);
    if (!t->value || !t->first || !t->second || !t->gradient)
        return NBX_ELIMIT;
    if (all)
        return NBX_OK;
    t->rows = malloc((capacity + 1) * sizeof *t->rows);
    t->place = malloc(n * sizeof *t->place);
    t->last = calloc(n, sizeof *t->last);
    if (!t->rows || !t->place || !t->last)
        return NBX_ELIMIT;
    memset(t->place, 0xff, n * sizeof *t->place);
    return NBX_OK;
}

void nbx_sequence__table_fini(struct nbx_sequence_table *t)
{
    free(t->value);
    free(t->first);
    free(t->second);
    free(t->gradient);
    free(t->rows);
    free(t->place);
    free(t->last);
    *t = (struct nbx_sequence_table){0};
}

uint64_t nbx_sequence__table_bytes(size_t n, size_t width, size_t capacity)
{
    bool all = capacity >= n;
    uint64_t places = all ? n : capacity, numbers = all ? 0 : capacity + 1 + 2 * (uint64_t)n;
    return (3 * (uint64_t)n * width + places * width + 4) * sizeof(float) +
           numbers * sizeof(uint32_t);
}

void nbx_sequence__table_begin(struct nbx_sequence_table *t, uint32_t step, float rate, float decay)
{
    t->step = step;
    t->adam = (struct nbx_sequence_adam){
        .beta1 = (float)BETA1,
        .beta2 = (float)BETA2,
        .rate = (float)((double)rate / (1 - pow(BETA1, step))),
        .root = (float)(1 / sqrt(1 - pow(BETA2, step))),
        .keep = 1 - rate * decay,
        .epsilon = EPSILON,
    };
}

/* A row up to the end of a step. */
static void catch_up(struct nbx_sequence_table *t, size_t row, uint32_t step)
{
    double missed = (double)step - t->last[row], ratio = BETA1 / sqrt(BETA2);
    float first = (float)pow(BETA1, missed), second = (float)pow(BETA2, missed);
    float rate = (float)(t->adam.rate * ratio * (1 - pow(ratio, missed)) / (1 - ratio));
    float keep = powf(t->adam.keep, (float)missed);
    for (size_t j = 0, i = row * t->width; j < t->width; j++, i++) {
        float moved = rate * t->first[i] / (sqrtf(t->second[i]) * t->adam.root + EPSILON);
        t->value[i] = (j < t->decaying ? keep : 1.0f) * t->value[i] - moved;
        t->first[i] *= first;
        t->second[i] *= second;
    }
    t->last[row] = step;
}

uint32_t nbx_sequence__table_place(struct nbx_sequence_table *t, uint32_t row)
{
    if (!t->place)
        return row;
    if (t->place[row] == NBX_SEQUENCE_NO_PLACE) {
        NBX_ASSERT(t->n_rows < t->capacity);
        t->place[row] = (uint32_t)t->n_rows;
        t->rows[t->n_rows++] = row;
        if (t->last[row] + 1 < t->step)
            catch_up(t, row, t->step - 1);
    }
    return t->place[row];
}

void nbx_sequence__table_settle(struct nbx_sequence_table *t)
{
    for (size_t row = 0; t->last && row < t->n; row++)
        if (t->last[row] < t->step)
            catch_up(t, row, t->step);
}

size_t nbx_sequence__table_blocks(const struct nbx_sequence_table *t)
{
    return (t->n_rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
}

static void update_row(struct nbx_sequence_table *t, size_t row, float *gradient)
{
    struct nbx_sequence_adam rest = t->adam;
    size_t at = row * t->width, decaying = t->decaying;
    struct nbx_sequence_moments moments = {t->first + at, t->second + at};
    rest.keep = 1;
    nbx_sequence__adam(t->value + at, moments, gradient, decaying, &t->adam);
    moments = (struct nbx_sequence_moments){t->first + at + decaying, t->second + at + decaying};
    nbx_sequence__adam(t->value + at + decaying, moments, gradient + decaying, t->width - decaying,
                       &rest);
}

void nbx_sequence__table_update(struct nbx_sequence_table *t, size_t block)
{
    size_t end = (block + 1) * BLOCK_ROWS < t->n_rows ? (block + 1) * BLOCK_ROWS : t->n_rows;
    for (size_t p = block * BLOCK_ROWS; p < end; p++) {
        size_t row = t->rows ? t->rows[p] : p;
        if (t->last)
            t->last[row] = t->step;
        update_row(t, row, t->gradient + p * t->width);
    }
}

void nbx_sequence__table_done(struct nbx_sequence_table *t)
{
    if (!t->rows)
        return;
    for (size_t p = 0; p < t->n_rows; p++)
        t->place[t->rows[p]] = NBX_SEQUENCE_NO_PLACE;
    t->n_rows = 0;
}
