/* SPDX-License-Identifier: MIT
 * A decision made again from its record, in the world of its moment.
 *
 * Why:     what was answered must be what gate, vector and scores make, not what a log says.
 * Owns:    nothing: everything lives in the arena of d->scope.
 * Threads: the caller's, with a world of its own.
 * Errors:  NBX_EBAD: the world does not know what the request named, or has no such space: *fault
 *          says what. NBX_ELIMIT.
 *
 * What the vector ranks is searched for anew, to the bit. Rankings are made aside from counts that
 * move on, so what they gave is taken from the record and must pass the same gate, in an order that
 * rankings can have; nothing that passes may be missing from a list that is not full. Where the
 * search was content with less than all, which items it found is taken too, but not their scores.
 */
#ifndef NBX_DECIDE_REPLAY_H
#define NBX_DECIDE_REPLAY_H

#include "engine/decide/decide.h"
#include "engine/store/record.h"

#define NBX_REPLAY_TEXT_BYTES 256

struct nbx_replayed {
    bool same;
    char difference[NBX_REPLAY_TEXT_BYTES]; /* the first one; empty where there is none */
};

/* world: catalogue, model and vocabulary as then; its rankings are not looked at. profile: of the
 * customer as it was then. */
enum nbx_err nbx_decide_again(struct nbx_replayed *out, const struct nbx_decide *d,
                              const struct nbx_decision_record *record,
                              const struct nbx_profile *profile, struct nbx_fault *fault);

#endif
