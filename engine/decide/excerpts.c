/* SPDX-License-Identifier: MIT */
#include "engine/decide/excerpts.h"

#include <stdlib.h>
#include <string.h>

/* So many searches without are worth an excerpt: making one costs as much as a few dozen. */
#define OFTEN 16
/* Of more items than one in so many an excerpt would save too little. */
#define LARGE_SHARE 2

static size_t count_bits(const uint64_t *bits, size_t words)
{
    size_t n = 0;
    for (size_t w = 0; w < words; w++)
        n += (size_t)__builtin_popcountll(bits[w]);
    return n;
}

/* Items of the largest space. */
static size_t largest_space(const struct nbx_model *m)
{
    size_t most = 0;
    for (size_t s = 0; m && s < nbx_model_n_spaces(m); s++) {
        size_t n = nbx_index_count(nbx_model_space_at(m, s)->index);
        most = n > most ? n : most;
    }
    return most;
}

static void make_wish(const struct nbx_decide *d, const struct nbx_passing *passing,
                      size_t n_labels)
{
    size_t most = largest_space(d->world->model), n = count_bits(passing->bits, n_labels / 64);
    if (most < NBX_EXCERPT_LEAST_ITEMS || n > most / LARGE_SHARE)
        return;
    struct nbx_excerpt_wish *wish = malloc(sizeof *wish + n_labels / 8);
    if (!wish)
        return;
    wish->content = passing->content;
    wish->n_labels = n_labels;
    wish->n_passing = n;
    wish->of_canary = d->world->is_canary;
    memcpy(wish->labels, passing->bits, n_labels / 8);
    *d->wish = wish;
}

/* Holds the bits against an excerpt, once for each version of them. */
static bool covers(struct nbx_model_excerpt *e, const struct nbx_passing *passing, size_t n_labels)
{
    struct nbx_filter_note *note = passing->note;
    if (note->held_against != e->number || note->version != passing->version) {
        note->held_against = e->number;
        note->version = passing->version;
        note->covered = nbx_model_excerpt_covers(e, passing->bits, n_labels);
    }
    if (note->covered && !atomic_load_explicit(&e->used, memory_order_relaxed))
        atomic_store_explicit(&e->used, true, memory_order_relaxed);
    return note->covered;
}

const struct nbx_model_excerpt *nbx_excerpts_find(const struct nbx_decide *d,
                                                  const struct nbx_passing *passing,
                                                  size_t n_labels)
{
    const struct nbx_world *world = d->world;
    for (size_t i = 0; i < world->n_excerpts; i++)
        if (world->excerpts[i]->content == passing->content &&
            covers(world->excerpts[i], passing, n_labels))
            return world->excerpts[i];
    if (++passing->note->n_uses % OFTEN == 0 && d->wish && !*d->wish)
        make_wish(d, passing, n_labels);
    return NULL;
}
