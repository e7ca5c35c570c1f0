/* SPDX-License-Identifier: MIT */
#include "engine/score/weights.h"

#include <math.h>
#include <stdlib.h>

/* Labels that no longer live count too: a cap may be too high, never too low. */
static float node_cap(const struct nbx_weights *w, const struct nbx_packed *s,
                      const struct nbx_node *node)
{
    const uint32_t *labels = s->labels + (size_t)node->first_tile * NBX_TILE_ITEMS;
    float cap = 0;
    for (size_t i = 0; i < (size_t)node->n_tiles * NBX_TILE_ITEMS; i++)
        if (labels[i] != NBX_NO_LABEL)
            cap = fmaxf(cap, nbx_weight_of(w, labels[i]));
    return cap;
}

static enum nbx_err cap_part(struct nbx_weights *w, size_t p, const struct nbx_packed *s)
{
    float *nodes = w->node_caps[p] = malloc((s->n_nodes + 1) * sizeof *nodes);
    float *runs = w->run_caps[p] = calloc(s->n_runs + 1, sizeof *runs);
    if (!nodes || !runs)
        return NBX_ELIMIT;
    for (size_t r = 0; r < s->n_runs; r++) {
        for (size_t i = s->runs[r].first; i < s->runs[r].end; i++) {
            nodes[i] = node_cap(w, s, &s->nodes[i]);
            runs[r] = fmaxf(runs[r], nodes[i]);
        }
    }
    return NBX_OK;
}

enum nbx_err nbx_weights_new(struct nbx_weights **out, const struct nbx_index *index,
                             const float *by_label, size_t n)
{
    struct nbx_weights *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w)
        return NBX_ELIMIT;
    *w = (struct nbx_weights){.by_label = by_label, .n = n, .n_parts = index->n_parts};
    w->node_caps = calloc(index->n_parts + 1, sizeof *w->node_caps);
    w->run_caps = calloc(index->n_parts + 1, sizeof *w->run_caps);
    enum nbx_err err = w->node_caps && w->run_caps ? NBX_OK : NBX_ELIMIT;
    for (size_t p = 0; !err && p < index->n_parts; p++)
        err = cap_part(w, p, index->parts[p].pack);
    if (err)
        nbx_weights_destroy(&w);
    *out = w;
    return err;
}

void nbx_weights_destroy(struct nbx_weights **weights)
{
    struct nbx_weights *w = weights ? *weights : NULL;
    if (!w)
        return;
    for (size_t p = 0; p < w->n_parts; p++) {
        if (w->node_caps)
            free(w->node_caps[p]);
        if (w->run_caps)
            free(w->run_caps[p]);
    }
    free(w->node_caps);
    free(w->run_caps);
    free(w);
    *weights = NULL;
}
