/* SPDX-License-Identifier: MIT */
#include "engine/catalog/apply.h"

#include "engine/base/check.h"

#include <stdlib.h>

enum nbx_err nbx_catalog__draft(struct nbx_catalog **out, struct nbx_catalog_home *home,
                                const struct nbx_catalog *old)
{
    *out = NULL;
    struct nbx_catalog *c = calloc(1, sizeof *c);
    if (!c)
        return NBX_ELIMIT;
    if (old) {
        *c = *old;
        c->schema->shares++;
        c->chunks = calloc(old->n_chunks ? old->n_chunks : 1, sizeof(struct nbx_chunk *));
    } else if (nbx_schema_new(&c->schema)) {
        free(c);
        return NBX_ELIMIT;
    }
    if (old && !c->chunks) {
        nbx_schema_release(&c->schema);
        free(c);
        return NBX_ELIMIT;
    }
    for (size_t i = 0; old && i < old->n_chunks; i++) {
        c->chunks[i] = old->chunks[i];
        if (c->chunks[i])
            c->chunks[i]->shares++;
    }
    c->users = 1;
    c->home = home;
    c->generation = ++home->generation;
    home->n_snapshots++;
    *out = c;
    return NBX_OK;
}

enum nbx_err nbx_catalog__widen(struct nbx_catalog *draft, const struct nbx_column *columns,
                                uint32_t n)
{
    struct nbx_schema *wider = NULL;
    if (!n)
        return NBX_OK;
    if (nbx_schema_extend(&wider, draft->schema, columns, n))
        return NBX_ELIMIT;
    nbx_schema_release(&draft->schema);
    draft->schema = wider;
    return NBX_OK;
}

static enum nbx_err reach(struct nbx_catalog *draft, size_t n_chunks)
{
    if (n_chunks <= draft->n_chunks)
        return NBX_OK;
    struct nbx_chunk **chunks = realloc(draft->chunks, n_chunks * sizeof(struct nbx_chunk *));
    if (!chunks)
        return NBX_ELIMIT;
    for (size_t i = draft->n_chunks; i < n_chunks; i++)
        chunks[i] = NULL;
    draft->chunks = chunks;
    draft->n_chunks = n_chunks;
    return NBX_OK;
}

static enum nbx_err prepare(struct nbx_catalog *draft, size_t at, uint32_t row,
                            const struct nbx_cell *cells)
{
    struct nbx_budget *budget = draft->home->budget;
    enum nbx_err err = reach(draft, at + 1);
    if (!err)
        err = nbx_chunk_own(&draft->chunks[at], draft->schema->n, budget);
    for (uint32_t i = 0; !err && i < draft->schema->n; i++)
        err = nbx_chunk_prepare(draft->chunks[at], i, row, draft->schema->columns[i].type,
                                &cells[i], budget);
    return err;
}

enum nbx_err nbx_catalog__write(struct nbx_catalog *draft, uint32_t item_no,
                                const struct nbx_cell *cells)
{
    size_t at = item_no / NBX_CHUNK_ITEMS;
    uint32_t row = item_no % NBX_CHUNK_ITEMS;
    enum nbx_err err = prepare(draft, at, row, cells);
    if (err)
        return err;
    struct nbx_chunk *chunk = draft->chunks[at];
    for (uint32_t i = 0; i < draft->schema->n; i++) {
        bool changed = nbx_chunk_set(chunk, i, row, &cells[i], draft->home->budget);
        if (changed && i == NBX_COL_VECTOR)
            draft->vectors_generation = ++draft->home->vectors_generation;
        if (changed && nbx_catalog__is_trait(i))
            draft->traits_generation = ++draft->home->traits_generation;
    }
    if (!nbx_chunk_has(chunk, row)) {
        draft->traits_generation = ++draft->home->traits_generation;
        chunk->present[row / 64] |= UINT64_C(1) << (row % 64);
        chunk->n_items++;
        draft->n_items++;
    }
    draft->rows = draft->rows > item_no ? draft->rows : (size_t)item_no + 1;
    return NBX_OK;
}

enum nbx_err nbx_catalog__erase(struct nbx_catalog *draft, uint32_t item_no)
{
    static const struct nbx_cell missing;
    struct nbx_budget *budget = draft->home->budget;
    size_t at = item_no / NBX_CHUNK_ITEMS;
    uint32_t row = item_no % NBX_CHUNK_ITEMS;
    if (nbx_chunk_own(&draft->chunks[at], draft->schema->n, budget))
        return NBX_ELIMIT;
    struct nbx_chunk *chunk = draft->chunks[at];
    const struct nbx_segment *vectors = nbx_chunk_segment(chunk, NBX_COL_VECTOR);
    if (vectors && nbx_segment_vectors(vectors)[row])
        draft->vectors_generation = ++draft->home->vectors_generation;
    draft->traits_generation = ++draft->home->traits_generation;
    for (uint32_t i = 0; i < draft->schema->n; i++)
        if (!nbx_chunk_prepare(chunk, i, row, draft->schema->columns[i].type, &missing, budget))
            nbx_chunk_set(chunk, i, row, &missing, budget);
    chunk->present[row / 64] &= ~(UINT64_C(1) << (row % 64));
    chunk->n_items--;
    draft->n_items--;
    return NBX_OK;
}

void nbx_catalog__narrow(struct nbx_catalog *draft, struct nbx_schema *schema, uint32_t item_no)
{
    size_t at = item_no / NBX_CHUNK_ITEMS;
    struct nbx_chunk *chunk = at < draft->n_chunks ? draft->chunks[at] : NULL;
    if (chunk && chunk->shares == 1)
        nbx_chunk_drop_columns(chunk, schema->n, draft->home->budget);
    nbx_schema_release(&draft->schema);
    draft->schema = schema;
}
