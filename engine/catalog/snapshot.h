/* SPDX-License-Identifier: MIT
 * What a snapshot is made of; for the files of the catalogue alone.
 *
 * Why:     loading, applying, reading and filtering are a file each over two structs.
 * Owns:    a snapshot a share of its schema and of each chunk; the home what all of them share, and
 *          it ends with the last of them.
 * Threads: as catalog.h. What the home holds does not change once loaded, the words apart.
 * Errors:  none of its own.
 */
#ifndef NBX_CATALOG_SNAPSHOT_H
#define NBX_CATALOG_SNAPSHOT_H

#include "engine/catalog/columns.h"
#include "engine/catalog/schema.h"
#include "engine/catalog/words.h"

struct nbx_catalog_home {
    struct nbx_ids *ids;
    struct nbx_store *store;
    struct nbx_budget *budget;
    struct nbx_words *words;
    struct nbx_arena *settings; /* holds the three below */
    struct nbx_str currency;
    struct nbx_str *channels; /* (n_channels) */
    size_t n_channels;
    struct nbx_arena *scratch;   /* the writer's, reset for each item */
    uint64_t generation;         /* of the newest snapshot */
    uint64_t vectors_generation; /* likewise */
    uint64_t traits_generation;  /* likewise */
    size_t n_snapshots;          /* alive */
};

struct nbx_catalog {
    unsigned users;
    struct nbx_catalog_home *home;
    struct nbx_schema *schema;
    struct nbx_chunk **chunks; /* (n_chunks), NULL where no item ever was */
    size_t n_chunks, rows, n_items;
    uint64_t generation, vectors_generation, traits_generation;
};

/* Columns of which a model may make a vector (nbx_catalog_traits_changed). */
static const enum nbx_built_in nbx_catalog__traits[] = {
    NBX_COL_TITLE, NBX_COL_BRAND, NBX_COL_CATEGORIES, NBX_COL_PRICE, NBX_COL_VECTOR};
#define NBX_CATALOG__N_TRAITS (sizeof nbx_catalog__traits / sizeof *nbx_catalog__traits)

static inline bool nbx_catalog__is_trait(uint32_t column)
{
    for (size_t i = 0; i < NBX_CATALOG__N_TRAITS; i++)
        if (nbx_catalog__traits[i] == column)
            return true;
    return false;
}

/* The chunk and the row of an item that is present, or NULL. */
static inline const struct nbx_chunk *nbx_catalog__find(const struct nbx_catalog *c,
                                                        uint32_t item_no, uint32_t *row)
{
    size_t at = item_no / NBX_CHUNK_ITEMS;
    *row = item_no % NBX_CHUNK_ITEMS;
    const struct nbx_chunk *chunk = at < c->n_chunks ? c->chunks[at] : NULL;
    return chunk && nbx_chunk_has(chunk, *row) ? chunk : NULL;
}

#endif
