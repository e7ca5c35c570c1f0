/* SPDX-License-Identifier: MIT */
#include "models/bundle/blend.h"

_Static_assert(NBX_BLEND_MAX_PARTS == NBX_BUNDLE_MAX_SPACES + NBX_BUNDLE_MAX_NEIGHBOURS,
               "a bundle's parts fit into a blend");

static struct nbx_blend_part space_part(const struct nbx_space *space)
{
    static const enum nbx_blend_kind kinds[] = {
        [NBX_CUSTOMER_FOLDED] = NBX_BLEND_FOLDED,
        [NBX_CUSTOMER_SUMMED] = NBX_BLEND_SUMMED,
        [NBX_CUSTOMER_CONSTANT] = NBX_BLEND_CONSTANT,
    };
    return (struct nbx_blend_part){.kind = kinds[space->customer],
                                   .weight = space->weight,
                                   .dims = space->dims,
                                   .item_factors = space->item_factors,
                                   .history_factors = space->history_factors,
                                   .fold = {space->alpha0, space->lambda, space->nu},
                                   .positions = space->positions,
                                   .n_positions = space->n_positions,
                                   .n_groups = space->n_groups,
                                   .bias = space->bias};
}

static struct nbx_blend_part neighbours_part(const struct nbx_neighbours *n)
{
    return (struct nbx_blend_part){.kind = NBX_BLEND_NEIGHBOURS,
                                   .weight = n->weight,
                                   .start = n->start,
                                   .neighbours = n->items,
                                   .weights = n->weights,
                                   .positions = n->positions,
                                   .n_positions = n->n_positions,
                                   .scaled_by = n->scaled_by, /* spaces are the first parts */
                                   .n_groups = 1};
}

enum nbx_err nbx_bundle_blend(struct nbx_blend **out, const struct nbx_bundle_info *info,
                              const uint32_t *labels)
{
    struct nbx_blend_part parts[NBX_BLEND_MAX_PARTS];
    bool blend = nbx_bundle_is_blend(info);
    size_t n = 0, n_spaces = blend ? info->n_spaces : 1;
    *out = NULL;
    for (size_t i = 0; i < n_spaces; i++) {
        const struct nbx_space *space = &info->spaces[i];
        if (space->customer == NBX_CUSTOMER_GIVEN || space->metric != NBX_METRIC_DOT)
            return NBX_EBAD;
        parts[n++] = space_part(space);
    }
    for (size_t i = 0; i < info->n_neighbours; i++)
        parts[n++] = neighbours_part(&info->neighbours[i]);
    if (!blend)
        parts[0].weight = 1;
    return nbx_blend_new(out, &(struct nbx_blend_options){.parts = parts,
                                                          .n_parts = n,
                                                          .n_items = info->n_items,
                                                          .labels = labels,
                                                          .standardise = blend});
}
