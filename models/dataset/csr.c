/* SPDX-License-Identifier: MIT */
#include "models/dataset/csr.h"

#include "engine/base/check.h"

#include <stdlib.h>

static enum nbx_err init(struct nbx_csr *a, size_t n_rows, size_t n_cols, size_t n, bool weighted)
{
    *a = (struct nbx_csr){.n_rows = n_rows, .n_cols = n_cols};
    a->start = calloc(n_rows + 1, sizeof *a->start);
    a->col = malloc((n ? n : 1) * sizeof *a->col);
    a->weight = weighted ? malloc((n ? n : 1) * sizeof *a->weight) : NULL;
    if (a->start && a->col && (a->weight || !weighted))
        return NBX_OK;
    nbx_csr_fini(a);
    return NBX_ELIMIT;
}

/* start[r + 1] holds row r's count: turn counts into the places rows begin at, kept one slot
 * ahead, so that filling moves each start[r + 1] to the end of row r, which is where r + 1 begins.
 */
static void counts_to_starts(struct nbx_csr *a)
{
    uint64_t sum = 0;
    for (size_t r = 0; r < a->n_rows; r++) {
        uint64_t count = a->start[r + 1];
        a->start[r + 1] = sum;
        sum += count;
    }
}

static void put(struct nbx_csr *a, uint32_t row, uint32_t col, float weight)
{
    uint64_t at = a->start[row + 1]++;
    a->col[at] = col;
    if (a->weight)
        a->weight[at] = weight;
}

enum nbx_err nbx_csr_from_triples(struct nbx_csr *out, const struct nbx_triple *triples, size_t n,
                                  size_t n_rows, size_t n_cols, bool weighted)
{
    enum nbx_err err = init(out, n_rows, n_cols, n, weighted);
    if (err)
        return err;
    for (size_t i = 0; i < n; i++) {
        NBX_ASSERT(triples[i].row < n_rows && triples[i].col < n_cols);
        out->start[triples[i].row + 1]++;
    }
    counts_to_starts(out);
    for (size_t i = 0; i < n; i++)
        put(out, triples[i].row, triples[i].col, triples[i].weight);
    return NBX_OK;
}

enum nbx_err nbx_csr_transpose(struct nbx_csr *out, const struct nbx_csr *a)
{
    size_t n = nbx_csr_entries(a);
    enum nbx_err err = init(out, a->n_cols, a->n_rows, n, a->weight != NULL);
    if (err)
        return err;
    for (size_t i = 0; i < n; i++)
        out->start[a->col[i] + 1]++;
    counts_to_starts(out);
    for (size_t row = 0; row < a->n_rows; row++)
        for (uint64_t i = a->start[row]; i < a->start[row + 1]; i++)
            put(out, a->col[i], (uint32_t)row, a->weight ? a->weight[i] : 1.0f);
    return NBX_OK;
}

float nbx_csr_weight(const struct nbx_csr *a, size_t row, uint32_t col)
{
    if (!a->weight)
        return 1;
    uint64_t low = a->start[row], high = a->start[row + 1];
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if (a->col[middle] <= col)
            low = middle;
        else
            high = middle;
    }
    return a->weight[low];
}

void nbx_csr_fini(struct nbx_csr *a)
{
    free(a->start);
    free(a->col);
    free(a->weight);
    *a = (struct nbx_csr){0};
}
