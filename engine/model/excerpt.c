/* SPDX-License-Identifier: MIT */
#include "engine/model/excerpt.h"

#include "engine/model/model_internal.h"

#include <stdlib.h>

/* The largest pack of a space, where it is worth an excerpt; parts come large ones first. */
static struct nbx_packed *pack_of(const struct nbx_model *m, size_t space)
{
    const struct nbx_index *index = m->index[space];
    if (!index->n_parts || index->parts[0].pack->n < NBX_EXCERPT_LEAST_ITEMS)
        return NULL;
    return index->parts[0].pack;
}

enum nbx_err nbx_model_excerpt_begin(struct nbx_model_excerpt **out, const struct nbx_model *m,
                                     const uint64_t *labels, size_t n_labels)
{
    struct nbx_model_excerpt *e = calloc(1, sizeof *e);
    enum nbx_err err = e ? NBX_OK : NBX_ELIMIT;
    *out = e;
    for (size_t s = 0; !err && s < nbx_model_n_spaces(m); s++) {
        struct nbx_packed *pack = pack_of(m, s);
        e->n_spaces++;
        if (pack)
            err = nbx_excerpt_begin(&e->by_space[s], pack, labels, n_labels, m->base->budget);
    }
    if (err)
        nbx_model_excerpt_destroy(out);
    return err;
}

enum nbx_err nbx_model_excerpt_fill(struct nbx_model_excerpt *e)
{
    enum nbx_err err = NBX_OK;
    for (size_t s = 0; !err && s < e->n_spaces; s++)
        if (e->by_space[s])
            err = nbx_excerpt_fill(e->by_space[s]);
    return err;
}

void nbx_model_excerpt_destroy(struct nbx_model_excerpt **excerpt)
{
    if (!excerpt || !*excerpt)
        return;
    for (size_t s = 0; s < (*excerpt)->n_spaces; s++)
        nbx_excerpt_destroy(&(*excerpt)->by_space[s]);
    free(*excerpt);
    *excerpt = NULL;
}

bool nbx_model_excerpt_serves(const struct nbx_model_excerpt *e, const struct nbx_model *m)
{
    if (!m || e->n_spaces != nbx_model_n_spaces(m))
        return false;
    for (size_t s = 0; s < e->n_spaces; s++)
        if (pack_of(m, s) != (e->by_space[s] ? e->by_space[s]->of : NULL))
            return false;
    return true;
}

bool nbx_model_excerpt_covers(const struct nbx_model_excerpt *e, const uint64_t *labels,
                              size_t n_labels)
{
    for (size_t s = 0; s < e->n_spaces; s++)
        if (e->by_space[s] && !nbx_excerpt_covers(e->by_space[s], labels, n_labels))
            return false;
    return true;
}

size_t nbx_model_excerpt_bytes(const struct nbx_model_excerpt *e)
{
    size_t bytes = sizeof *e;
    for (size_t s = 0; s < e->n_spaces; s++)
        bytes += e->by_space[s] ? e->by_space[s]->charged : 0;
    return bytes;
}

size_t nbx_model_excerpt_bytes_for(const struct nbx_model *m, size_t n)
{
    size_t bytes = sizeof(struct nbx_model_excerpt);
    for (size_t s = 0; s < nbx_model_n_spaces(m); s++) {
        const struct nbx_packed *pack = pack_of(m, s);
        bytes += pack ? nbx_excerpt_bytes(pack, n) : 0;
    }
    return bytes;
}

size_t nbx_model_excerpts_share(const struct nbx_model *m)
{
    size_t bytes = 0;
    for (size_t s = 0; s < nbx_model_n_spaces(m); s++)
        bytes += nbx_index_bytes_beside(m->index[s]) / 2;
    return bytes;
}
