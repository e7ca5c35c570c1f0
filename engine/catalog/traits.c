/* SPDX-License-Identifier: MIT
 * Which items differ between two snapshots in what a model may make a vector of.
 *
 * Snapshots share chunks, and copies of a chunk share segments, until they are written to. So only
 * chunks that differ are looked at, and there only segments that differ.
 */
#include "engine/catalog/snapshot.h"

/* Two versions of a chunk, and of its traits those whose segments are not the same. */
struct pair {
    const struct nbx_chunk *before, *now; /* may be NULL */
    const struct nbx_segment *were[NBX_CATALOG__N_TRAITS], *are[NBX_CATALOG__N_TRAITS];
    size_t n; /* of were and are */
};

static bool has(const struct nbx_chunk *chunk, uint32_t row)
{
    return chunk && nbx_chunk_has(chunk, row);
}

static struct pair pair_of(const struct nbx_chunk *before, const struct nbx_chunk *now)
{
    struct pair p = {.before = before, .now = now};
    for (size_t i = 0; before && now && i < NBX_CATALOG__N_TRAITS; i++) {
        const struct nbx_segment *was = nbx_chunk_segment(before, nbx_catalog__traits[i]);
        const struct nbx_segment *is = nbx_chunk_segment(now, nbx_catalog__traits[i]);
        if (was == is)
            continue;
        p.were[p.n] = was;
        p.are[p.n++] = is;
    }
    return p;
}

static bool same_many(const struct nbx_segment *a, const struct nbx_segment *b, uint32_t row)
{
    uint32_t n = 0, m = 0;
    const uint32_t *p = a ? nbx_segment_many(a, row, &n) : NULL;
    const uint32_t *q = b ? nbx_segment_many(b, row, &m) : NULL;
    return !p == !q && n == m && (!p || memcmp(p, q, n * sizeof *p) == 0);
}

/* A segment that is NULL misses every value. */
static bool same(const struct nbx_segment *a, const struct nbx_segment *b, uint32_t row)
{
    const struct nbx_segment *one = a ? a : b;
    switch (one->type) {
    case NBX_COLUMN_STRINGS: return same_many(a, b, row);
    case NBX_COLUMN_INT:
        return (a ? nbx_segment_ints(a)[row] : NBX_INT_MISSING) ==
               (b ? nbx_segment_ints(b)[row] : NBX_INT_MISSING);
    case NBX_COLUMN_VECTOR:
        return (a ? nbx_segment_vectors(a)[row] : NULL) == (b ? nbx_segment_vectors(b)[row] : NULL);
    default: return (a ? nbx_segment_codes(a)[row] : 0) == (b ? nbx_segment_codes(b)[row] : 0);
    }
}

static bool differs(const struct pair *p, uint32_t row)
{
    bool was = has(p->before, row), is = has(p->now, row);
    if (!was || !is)
        return was != is;
    for (size_t i = 0; i < p->n; i++)
        if (!same(p->were[i], p->are[i], row))
            return true;
    return false;
}

size_t nbx_catalog_traits_changed(const struct nbx_catalog *old, const struct nbx_catalog *c,
                                  uint32_t *item_nos, size_t room)
{
    size_t n = 0, n_old = old ? old->n_chunks : 0;
    for (size_t at = 0; at < c->n_chunks || at < n_old; at++) {
        struct pair p =
            pair_of(at < n_old ? old->chunks[at] : NULL, at < c->n_chunks ? c->chunks[at] : NULL);
        for (uint32_t row = 0; p.before != p.now && row < NBX_CHUNK_ITEMS; row++) {
            if (!differs(&p, row))
                continue;
            if (n < room)
                item_nos[n] = (uint32_t)(at * NBX_CHUNK_ITEMS + row);
            n++;
        }
    }
    return n;
}

uint64_t nbx_catalog_traits_generation(const struct nbx_catalog *c)
{
    return c->traits_generation;
}
