/* SPDX-License-Identifier: MIT
 * A bundle as a scorer: its parts as engine/score/blend.h takes them.
 *
 * Why:     the daemon serves and the trainer evaluates by the same arithmetic.
 * Owns:    nothing; the blend borrows the bundle's arrays.
 * Threads: as engine/score/blend.h.
 * Errors:  NBX_EBAD where a bundle's customers cannot be made from their history: given ones, or a
 *          cosine; NBX_ELIMIT.
 */
#ifndef NBX_MODELS_BUNDLE_BLEND_H
#define NBX_MODELS_BUNDLE_BLEND_H

#include "engine/score/blend.h"
#include "models/bundle/bundle.h"

/* Of family `blend` all parts, standardised; of `factors` its first space, as it is. labels as in
 * nbx_blend_options. */
enum nbx_err nbx_bundle_blend(struct nbx_blend **out, const struct nbx_bundle_info *info,
                              const uint32_t *labels);

#endif
