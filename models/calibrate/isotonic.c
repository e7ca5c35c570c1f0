/* SPDX-License-Identifier: MIT */
#include "models/calibrate/isotonic.h"

#include <stdbool.h>
#include <stdlib.h>

/* Neighbouring scores with one value. */
struct block {
    float first, last;
    uint32_t positives, n;
};

static int compare_blocks(const void *a, const void *b)
{
    const struct block *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* Whether y, which comes after x, has the smaller mean; in whole numbers, so exactly. */
static bool falls(const struct block *x, const struct block *y)
{
    return (uint64_t)y->positives * x->n < (uint64_t)x->positives * y->n;
}

static void pool(struct block *into, const struct block *from)
{
    into->last = from->last;
    into->positives += from->positives;
    into->n += from->n;
}

/* blocks (n) in order of score; how many are left. */
static size_t pool_violators(struct block *blocks, size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        blocks[left++] = blocks[i];
        while (left > 1 && falls(&blocks[left - 2], &blocks[left - 1])) {
            pool(&blocks[left - 2], &blocks[left - 1]);
            left--;
        }
    }
    return left;
}

/* Equal scores become one block, before means are compared. */
static size_t pool_equal(struct block *blocks, size_t n)
{
    size_t left = 0;
    for (size_t i = 0; i < n; i++) {
        if (left && blocks[left - 1].last == blocks[i].first)
            pool(&blocks[left - 1], &blocks[i]);
        else
            blocks[left++] = blocks[i];
    }
    return left;
}

static enum nbx_err make_points(struct nbx_isotonic *out, const struct block *blocks, size_t n)
{
    out->from = calloc(2 * n, sizeof *out->from);
    out->into = calloc(2 * n, sizeof *out->into);
    if (!out->from || !out->into)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n; i++) {
        double mean = (double)blocks[i].positives / blocks[i].n;
        out->from[out->n] = blocks[i].first;
        out->into[out->n++] = mean;
        if (blocks[i].last == blocks[i].first)
            continue;
        out->from[out->n] = blocks[i].last;
        out->into[out->n++] = mean;
    }
    return NBX_OK;
}

enum nbx_err nbx_isotonic_fit(struct nbx_isotonic *out, const float *scores, const uint8_t *labels,
                              size_t n)
{
    *out = (struct nbx_isotonic){0};
    struct block *blocks = calloc(n, sizeof *blocks);
    if (!blocks)
        return NBX_ELIMIT;
    for (size_t i = 0; i < n; i++)
        blocks[i] = (struct block){scores[i], scores[i], labels[i] != 0, 1};
    qsort(blocks, n, sizeof *blocks, compare_blocks);
    size_t left = pool_violators(blocks, pool_equal(blocks, n));
    enum nbx_err err = make_points(out, blocks, left);
    free(blocks);
    if (err)
        nbx_isotonic_fini(out);
    return err;
}

void nbx_isotonic_fini(struct nbx_isotonic *c)
{
    free(c->from);
    free(c->into);
    *c = (struct nbx_isotonic){0};
}

/* The first point that is not below score; n where there is none. */
static size_t not_below(const struct nbx_isotonic *c, float score)
{
    size_t begin = 0, end = c->n;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        if (c->from[middle] < score)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

double nbx_isotonic_apply(const struct nbx_isotonic *c, float score)
{
    size_t i = not_below(c, score);
    if (i == 0 || i == c->n || c->from[i] == score)
        return c->into[i == c->n ? c->n - 1 : i];
    double width = (double)c->from[i] - (double)c->from[i - 1];
    double share = ((double)score - (double)c->from[i - 1]) / width;
    return c->into[i - 1] + share * (c->into[i] - c->into[i - 1]);
}
