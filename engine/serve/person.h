/* SPDX-License-Identifier: MIT
 * Linked identities in replies: who they are, and their events as one history. Each identity's
 * records are read where they lie, whoever owns them.
 *
 * Owns:    the readers their cursors, until nbx_person_events_close; the rest lies in the arena.
 * Threads: any worker.
 * Errors:  the store's.
 */
#ifndef NBX_SERVE_PERSON_H
#define NBX_SERVE_PERSON_H

#include "engine/serve/request.h"

/* Who a customer is. */
struct nbx_person {
    uint64_t numbers[NBX_LINKED_MAX];             /* (n) one where the customer is not linked; none
                                                     where it has no number */
    struct nbx_link_record links[NBX_LINKED_MAX]; /* (n) where linked; the id of one that was
                                                     forgotten meanwhile is empty */
    uint32_t n, own;                              /* own: the place of whom was asked for */
    bool linked;
};
enum nbx_err nbx_person_read(struct nbx_person *out, const struct nbx_customer_scope *scope,
                             const struct nbx_profile *profile);
/* Appends the member `linked`. */
void nbx_person_put_linked(struct nbx_buf *b, const struct nbx_person *person);

struct nbx_person_event {
    struct nbx_str identity; /* by which it came; empty: by that which was asked for */
    int64_t time_ms;
    struct nbx_event_record record;
};
/* Of each identity the next event. */
struct nbx_person_events {
    const struct nbx_person *person;
    struct nbx_arena *arena;
    bool newest_first;
    struct nbx_person_reader {
        struct nbx_cursor *cursor; /* NULL: it has no more */
        struct nbx_person_event next;
        bool fresh;            /* next is to be looked at */
    } readers[NBX_LINKED_MAX]; /* (person->n) */
};
/* Events of all identities in [from_ms, to_ms), by time; of the same one those of whom comes first
 * in `person`. Held ones and such as are past what is kept are among them. Closed also after an
 * error. */
struct nbx_person_span {
    int64_t from_ms, to_ms;
    bool newest_first;
};
enum nbx_err nbx_person_events_open(struct nbx_person_events *out, const struct nbx_request *r,
                                    const struct nbx_person *person, struct nbx_person_span span);
/* Borrowed until the next call; NBX_ENOTFOUND at the end. */
enum nbx_err nbx_person_events_next(struct nbx_person_events *events,
                                    const struct nbx_person_event **out);
void nbx_person_events_close(struct nbx_person_events *events);

#endif
