/* SPDX-License-Identifier: MIT */
#include "engine/catalog/tallies.h"

#include "engine/base/charged.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (NBX_CHUNK_ITEMS * sizeof(_Atomic uint64_t))

static enum nbx_err grow(struct nbx_tallies *t, size_t n_chunks, struct nbx_budget *budget)
{
    size_t more = (n_chunks - t->n_chunks) * sizeof *t->chunks;
    if (nbx_budget_take(budget, more))
        return NBX_ELIMIT;
    _Atomic uint64_t **chunks = realloc(t->chunks, n_chunks * sizeof *chunks);
    if (!chunks) {
        nbx_budget_give(budget, more);
        return NBX_ELIMIT;
    }
    memset(chunks + t->n_chunks, 0, more);
    t->chunks = chunks;
    t->n_chunks = n_chunks;
    return NBX_OK;
}

enum nbx_err nbx_tallies_reach(struct nbx_tallies *t, uint32_t item_no, struct nbx_budget *budget)
{
    size_t at = item_no / NBX_CHUNK_ITEMS;
    if (at >= t->n_chunks && grow(t, at + 1, budget))
        return NBX_ELIMIT;
    if (t->chunks[at])
        return NBX_OK;
    t->chunks[at] = nbx_charged_calloc(budget, CHUNK_BYTES);
    return t->chunks[at] ? NBX_OK : NBX_ELIMIT;
}

void nbx_tallies_fini(struct nbx_tallies *t, struct nbx_budget *budget)
{
    for (size_t at = 0; at < t->n_chunks; at++)
        nbx_charged_free(budget, (void *)t->chunks[at], CHUNK_BYTES);
    nbx_charged_free(budget, (void *)t->chunks, t->n_chunks * sizeof *t->chunks);
    *t = (struct nbx_tallies){0};
}
