/* SPDX-License-Identifier: MIT
 * What the fan-out does with each kind of request: split it over the workers that own its
 * customers, or those a customer is linked with, have their shares served in slices, make one reply
 * of them.
 *
 * Owns:    a fan its job, its parts and all they point at, until the reply is made.
 * Threads: decode and split: fan-out. serve: the part's worker. reply: whoever did the last part.
 * Errors:  as stated; a fault of a part is the whole request's.
 */
#ifndef NBX_SERVE_FAN_H
#define NBX_SERVE_FAN_H

#include "engine/serve/server_internal.h"

struct nbx_fan_kind {
    enum nbx_lane_kind lane;
    const char *name; /* for the log */
    const char *list; /* the member that may be too much for the memory; NULL: none */
    enum nbx_err (*decode)(struct nbx_fan *fan, struct nbx_fault *fault);
    bool (*split)(struct nbx_fan *fan); /* fills the parts; false: no memory */
    enum nbx_err (*serve)(struct nbx_worker *worker, struct nbx_part *part);
    void (*reply)(struct nbx_fan *fan);
};

extern const struct nbx_fan_kind nbx_fan_observe, nbx_fan_recommend;
/* fan_linked.c */
extern const struct nbx_fan_kind nbx_fan_link, nbx_fan_retract, nbx_fan_forget;

/* The request's own fault, as the first part that has one says it; NULL: none. */
const struct nbx_fault *nbx_fan_find_fault(const struct nbx_fan *fan);
/* Whether a part may try again what a store that stalls did not take: not for ever. */
bool nbx_fan_may_wait(const struct nbx_part *part);

#endif
