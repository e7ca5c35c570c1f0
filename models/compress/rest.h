/* SPDX-License-Identifier: MIT
 * What a space of few dimensions leaves out: the largest entries of each row, as neighbours.
 *
 * Owns:    out, until nbx_csr_fini.
 * Threads: one caller; spreads over threads. The same bits on any number of them.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_MODELS_COMPRESS_REST_H
#define NBX_MODELS_COMPRESS_REST_H

#include "models/compress/compress.h"
#include "models/compress/joint.h"
#include "models/compress/linear.h"

/* out (n_items, n_items): of row h of the linear less the joint space's, the `keep` entries largest
 * in size, those of 0 left out; columns ascend. */
enum nbx_err nbx_rest_find(struct nbx_csr *out, const struct nbx_linear *linear,
                           const struct nbx_joint *joint,
                           const struct nbx_compress_options *options) NBX_MUST_CHECK;

#endif
