/* SPDX-License-Identifier: MIT */
#include "models/sequence/sample.h"

#include <math.h>
#include <stdlib.h>

enum nbx_err nbx_sequence__sample_init(struct nbx_sequence_sample *s, const uint64_t *start,
                                       size_t n_items, size_t n_draws)
{
    *s = (struct nbx_sequence_sample){.n_items = n_items, .n_draws = n_draws};
    s->upto = malloc((n_items + 1) * sizeof *s->upto);
    s->items = malloc((n_draws + 1) * sizeof *s->items);
    s->added = malloc((n_draws + 1) * sizeof *s->added);
    if (!s->upto || !s->items || !s->added)
        return NBX_ELIMIT;
    s->upto[0] = 0;
    for (size_t i = 0; i < n_items; i++)
        s->upto[i + 1] = s->upto[i] + sqrt((double)(start[i + 1] - start[i]) + 1);
    return NBX_OK;
}

void nbx_sequence__sample_fini(struct nbx_sequence_sample *s)
{
    free(s->upto);
    free(s->items);
    free(s->added);
    *s = (struct nbx_sequence_sample){0};
}

uint64_t nbx_sequence__sample_bytes(size_t n_items, size_t n_draws)
{
    return (n_items + 1) * (uint64_t)sizeof(double) +
           (n_draws + 1) * (uint64_t)(sizeof(uint32_t) + sizeof(float));
}

/* The last item at or after `from` with upto[item] <= at. */
static size_t find(const struct nbx_sequence_sample *s, size_t from, double at)
{
    size_t low = from, high = s->n_items;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (s->upto[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    return low;
}

void nbx_sequence__sample_draw(struct nbx_sequence_sample *s, struct nbx_random *random)
{
    double part = s->upto[s->n_items] / (double)s->n_draws;
    size_t item = 0, times = 0;
    s->n = 0;
    for (size_t k = 0; k < s->n_draws; k++) {
        item = find(s, item, ((double)k + nbx_random_unit(random)) * part);
        times = s->n > 0 && s->items[s->n - 1] == item ? times + 1 : 1;
        s->n += times == 1;
        s->items[s->n - 1] = (uint32_t)item;
        s->added[s->n - 1] = (float)log((double)times * part / (s->upto[item + 1] - s->upto[item]));
    }
}
