/* SPDX-License-Identifier: MIT
 * The state as text: what follows from the commands and from nothing else.
 *
 * Why:     it defines what "the same state" means. Two stores that were told the same, in whatever
 *          order, in however many messages and by however many workers, give the same lines.
 * Owns:    nothing: reads a store, changes nothing.
 * Threads: the caller's alone.
 * Errors:  the store's; NBX_ECORRUPT: a record does not decode; NBX_ELIMIT: no memory.
 *
 * A line is a word (item, customer, total, seen, vector, event, link, trend) and an object in JSON.
 * Names and ids stand in it, never their numbers; so lines are sorted by ids. A link is state also
 * of who is not known otherwise, for what becomes known counts for both. Left out is what is no
 * state: sequence numbers, times of arrival, the log, decisions, cached vectors, ids that count no
 * more, customers of whom nothing is known, that links may lead to somebody, counts of 0 and of
 * trends what is too old to count.
 */
#ifndef NBX_CARE_DUMP_H
#define NBX_CARE_DUMP_H

#include "engine/base/err.h"
#include "engine/store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct nbx_dump_options {
    uint64_t oldest_bucket;   /* of trends; what `trends/oldest_bucket` in meta says, or more */
    bool no_items, no_trends; /* left out */
    /* True: leave the customer out, or with serial 0 all events of nobody. NULL: never. */
    bool (*skips)(void *ctx, uint64_t number);
    /* Takes the next line, without an end; false ends the dump with NBX_ESTORAGE. */
    bool (*line)(void *ctx, struct nbx_str line);
    void *ctx;
};

enum nbx_err nbx_state_dump(const struct nbx_store *store, const struct nbx_dump_options *options);

#endif
