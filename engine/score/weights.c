/* SPDX-License-Identifier: MIT */
#include "engine/score/weights.h"

#include <math.h>
#include <stdlib.h>

/* Labels that no longer live count too: a cap may be too high, never too low. */
static float node_cap(const struct nbx_weight_column *column, const struct nbx_packed *s,
                      const struct nbx_node *node)
{
    const uint32_t *labels = s->labels + (size_t)node->first_tile * NBX_TILE_ITEMS;
    float cap = 0;
    for (size_t i = 0; i < (size_t)node->n_tiles * NBX_TILE_ITEMS; i++)
        if (labels[i] != NBX_NO_LABEL)
            cap = fmaxf(cap, nbx_column_weight(column, labels[i]));
    return cap;
}

enum nbx_err nbx_caps_new(struct nbx_caps **out, const struct nbx_packed *pack,
                          const struct nbx_weight_column *column)
{
    struct nbx_caps *caps = calloc(1, sizeof *caps);
    *out = caps;
    if (!caps)
        return NBX_ELIMIT;
    *caps = (struct nbx_caps){.users = 1,
                              .pack = pack,
                              .nodes = malloc((pack->n_nodes + 1) * sizeof *caps->nodes),
                              .runs = calloc(pack->n_runs + 1, sizeof *caps->runs)};
    if (!caps->nodes || !caps->runs) {
        nbx_caps_release(out);
        return NBX_ELIMIT;
    }
    for (size_t r = 0; r < pack->n_runs; r++) {
        for (size_t i = pack->runs[r].first; i < pack->runs[r].end; i++) {
            caps->nodes[i] = node_cap(column, pack, &pack->nodes[i]);
            caps->runs[r] = fmaxf(caps->runs[r], caps->nodes[i]);
        }
    }
    return NBX_OK;
}

void nbx_caps_release(struct nbx_caps **caps)
{
    struct nbx_caps *c = *caps;
    *caps = NULL;
    if (!c || --c->users > 0)
        return;
    free(c->nodes);
    free(c->runs);
    free(c);
}

static struct nbx_caps *known_caps(const struct nbx_packed *pack, const struct nbx_weights *old,
                                   struct nbx_caps *made)
{
    if (made && made->pack == pack)
        return made;
    for (size_t p = 0; old && p < old->n_parts; p++)
        if (old->caps[p]->pack == pack)
            return old->caps[p];
    return NULL;
}

static enum nbx_err weights_new(struct nbx_weights **out, size_t n_parts, size_t n_labels)
{
    size_t n_pages = (n_labels + NBX_WEIGHT_PAGE - 1) / NBX_WEIGHT_PAGE;
    struct nbx_weights *w = calloc(1, sizeof *w);
    *out = w;
    if (!w)
        return NBX_ELIMIT;
    w->column.n = n_labels;
    w->column.pages = calloc(n_pages + 1, sizeof *w->column.pages);
    w->caps = calloc(n_parts + 1, sizeof(struct nbx_caps *));
    w->node_caps = calloc(n_parts + 1, sizeof *w->node_caps);
    w->run_caps = calloc(n_parts + 1, sizeof *w->run_caps);
    return w->column.pages && w->caps && w->node_caps && w->run_caps ? NBX_OK : NBX_ELIMIT;
}

static enum nbx_err add_caps(struct nbx_weights *w, const struct nbx_packed *pack,
                             struct nbx_caps *known)
{
    size_t p = w->n_parts;
    enum nbx_err err = NBX_OK;
    w->caps[p] = known;
    if (known)
        known->users++;
    else
        err = nbx_caps_new(&w->caps[p], pack, &w->column);
    if (err)
        return err;
    w->node_caps[p] = w->caps[p]->nodes;
    w->run_caps[p] = w->caps[p]->runs;
    w->n_parts++;
    return NBX_OK;
}

enum nbx_err nbx_weights_follow(struct nbx_weights **out, const struct nbx_index *index,
                                const struct nbx_weight_column *column,
                                const struct nbx_weights *old, struct nbx_caps *made)
{
    enum nbx_err err = weights_new(out, index->n_parts, column->n);
    if (!err)
        for (size_t i = 0; i * NBX_WEIGHT_PAGE < column->n; i++)
            (*out)->column.pages[i] = column->pages[i];
    for (size_t p = 0; !err && p < index->n_parts; p++) {
        const struct nbx_packed *pack = index->parts[p].pack;
        err = add_caps(*out, pack, known_caps(pack, old, made));
    }
    if (err)
        nbx_weights_destroy(out);
    return err;
}

enum nbx_err nbx_weights_new(struct nbx_weights **out, const struct nbx_index *index,
                             const float *by_label, size_t n)
{
    size_t n_pages = (n + NBX_WEIGHT_PAGE - 1) / NBX_WEIGHT_PAGE;
    struct nbx_weight_column column = {.pages = calloc(n_pages + 1, sizeof *column.pages), .n = n};
    *out = NULL;
    for (size_t i = 0; column.pages && i < n_pages; i++)
        column.pages[i] = by_label + i * NBX_WEIGHT_PAGE;
    enum nbx_err err =
        column.pages ? nbx_weights_follow(out, index, &column, NULL, NULL) : NBX_ELIMIT;
    free(column.pages);
    return err;
}

void nbx_weights_destroy(struct nbx_weights **weights)
{
    struct nbx_weights *w = weights ? *weights : NULL;
    if (!w)
        return;
    for (size_t p = 0; p < w->n_parts; p++)
        nbx_caps_release(&w->caps[p]);
    free(w->column.pages);
    free(w->caps);
    free(w->node_caps);
    free(w->run_caps);
    free(w);
    *weights = NULL;
}
