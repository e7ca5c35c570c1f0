/* SPDX-License-Identifier: MIT
 * Between the files of a blend: blend.c makes it, blend_mix.c is one customer's way through it.
 */
#ifndef NBX_SCORE_BLEND_INTERNAL_H
#define NBX_SCORE_BLEND_INTERNAL_H

#include "engine/score/blend.h"
#include "engine/score/moments.h"

struct nbx_blend_member {
    struct nbx_blend_part is;
    size_t offset, padded; /* of its space */
    struct nbx_fold_in *fold;
    struct nbx_moments moments; /* of a space, where parts are standardised */
};

struct nbx_blend {
    struct nbx_blend_member parts[NBX_BLEND_MAX_PARTS]; /* (n_parts) */
    size_t n_parts, n_items, dims, bytes;
    const uint32_t *labels;
    bool standardise;
};

#endif
