/* SPDX-License-Identifier: MIT
 * What a protocol asks of its files. How lists are made and measured is the same in all.
 *
 * Why:     a figure is worth what it is compared with, so what it was measured on is named, and
 *          files that do not fit the name are refused.
 *          lightgcn       any pairs held out (He et al. 2020, "LightGCN"): asks nothing.
 *          leave-one-out  one pair of each customer held out, usually the last.
 *          time-split     pairs held out are not earlier than any event; pairs and files without
 *                         times are taken at their word.
 *          strong         customers the trainer never saw, folded in from a part of what they did
 *                         (strong generalisation, Marlin 2004); a bundle does not say who trained
 *                         it, so it asks nothing.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  NBX_EBAD: the field is "protocol" of an unknown one (the known are named), "test" of a
 *          file that does not fit; the message names the customer.
 */
#ifndef NBX_MODELS_EVALUATE_PROTOCOL_H
#define NBX_MODELS_EVALUATE_PROTOCOL_H

#include "engine/base/err.h"
#include "models/dataset/dataset.h"

#include <stdbool.h>

#define NBX_PROTOCOLS "lightgcn, leave-one-out, time-split, strong" /* for messages */

bool nbx_protocol_known(const char *name);
enum nbx_err nbx_protocol_check(const char *name, const struct nbx_dataset *events,
                                const struct nbx_dataset *test,
                                struct nbx_fault *fault) NBX_MUST_CHECK;

#endif
