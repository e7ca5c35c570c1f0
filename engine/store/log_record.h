/* SPDX-License-Identifier: MIT
 * Entries of the command log: what was done, in order, so that all that is stored follows from it.
 *
 * Why:     one place knows the bytes. An event is stored once: its entry names it; everything else
 *          lies whole in its entry.
 * Owns:    nothing: decoded texts and lists live in the arena given.
 * Threads: any.
 * Errors:  as record.h.
 */
#ifndef NBX_STORE_LOG_RECORD_H
#define NBX_STORE_LOG_RECORD_H

#include "engine/store/record.h"

/* Streams: one for each group of customers and one for the catalogue. In each the sequence numbers
 * go from 1 up, and an entry that stands for n of them is followed by that of the n-th next. */
#define NBX_STREAM_CATALOGUE NBX_N_GROUPS
#define NBX_N_STREAMS        (NBX_N_GROUPS + 1)

#define NBX_LOG_RECORD 1
enum nbx_log_kind {
    NBX_LOG_GONE, /* keeps the place of commands whose content is no longer kept */
    NBX_LOG_EVENTS,
    NBX_LOG_PUT,
    NBX_LOG_RETRACT,
    NBX_LOG_FORGET,
    NBX_LOG_ITEMS,
    NBX_LOG_DUE,  /* events that were held have become due: a second entry of theirs */
    NBX_LOG_LINK, /* the customer is linked to another, or may be linked to */
    NBX_LOG_UNLINK,
    NBX_LOG_MODEL, /* of the catalogue's stream: what became of a version of a model */
    NBX_N_LOG_KINDS
};
/* "gone", "events", "put", "retract", "forget", "items", "due", "link", "unlink", "model". */
const char *nbx_log_kind_name(enum nbx_log_kind kind);
/* Whether entries of that kind are of the catalogue's stream. Gone ones are of any. */
bool nbx_log_of_catalogue(enum nbx_log_kind kind);

enum nbx_log_reason {
    NBX_GONE_FORGOTTEN, /* the customer was */
    NBX_GONE_EXPIRED,   /* past the events' retention */
    NBX_GONE_BEFORE,    /* from before there was a log */
    NBX_N_GONE_REASONS
};
/* "forgotten", "expired", "before". */
const char *nbx_log_reason_name(enum nbx_log_reason reason);

struct nbx_log_event {
    uint64_t seq; /* retract: the event's own; events: the entry's and those after it, not stored */
    int64_t time_ms;
    uint8_t id_hash[16];
};
enum nbx_log_what { NBX_LOG_ITEM_PUT, NBX_LOG_ITEM_PATCH, NBX_LOG_ITEM_DELETE, NBX_N_LOG_WHATS };
struct nbx_log_change {
    enum nbx_log_what what;
    struct nbx_str id;             /* delete */
    const struct nbx_value *entry; /* put and patch: as the request had it, with its "id" */
};
struct nbx_log_record {
    enum nbx_log_kind kind;
    uint64_t n;                 /* sequence numbers it stands for; 1 but for events, due, gone */
    int64_t now_ms;             /* the clock it was done by */
    uint8_t id[16];             /* of the command; every event is its own, so of the first event */
    uint64_t number;            /* the customer's; serial 0: events of nobody */
    struct nbx_str customer;    /* its id, where this gave it the number; else empty */
    enum nbx_log_reason reason; /* gone */
    struct nbx_log_event
        *events; /* (n_events) events, due: those applied or held; retract: taken back */
    uint32_t n_events;
    uint8_t (*ids)[16]; /* (n_ids) retract: hashes of ids of which no event was kept */
    uint32_t n_ids;
    const struct nbx_value *body;   /* put: a map, as a request's body; model: a map */
    struct nbx_log_change *changes; /* (n_changes) items: those that were applied */
    uint32_t n_changes;
    uint64_t parent;     /* link: whose number it is linked to; 0: to nobody, others may be to it */
    struct nbx_str type; /* link: what kind of identity it was said to be */
};
void nbx_log_record_encode(struct nbx_buf *out, const struct nbx_log_record *r);
enum nbx_err nbx_log_record_decode(struct nbx_log_record *out, const struct nbx_stored *stored,
                                   struct nbx_arena *arena);
/* Adds the entry of `seq` to the batch. */
void nbx_log_put(struct nbx_batch *batch, uint16_t stream, uint64_t seq,
                 const struct nbx_log_record *r);

/* What stays of an entry when its content goes. */
struct nbx_log_record nbx_log_gone(const struct nbx_log_record *r, enum nbx_log_reason reason);
/* Whether an entry of that kind stands for events, each a command. */
bool nbx_log_of_events(enum nbx_log_kind kind);
/* Whether retention leaves nothing of it but its place: events, none of which happened or came as
 * late as `horizon_ms`, or changes of items made before. *out: what stays then. Any other entry
 * stays. */
bool nbx_log_expires(struct nbx_log_record *out, const struct nbx_stored *stored,
                     int64_t horizon_ms);

/* The number of the stream's last command; 0: none yet. */
enum nbx_err nbx_log_head(const struct nbx_store *store, uint16_t stream, struct nbx_arena *arena,
                          uint64_t *out);
/* The entry that stands for `seq`, and the first number it stands for. NBX_ENOTFOUND: none. */
enum nbx_err nbx_log_find(struct nbx_log_record *out, uint64_t *first,
                          const struct nbx_store *store, uint16_t stream, uint64_t seq,
                          struct nbx_arena *arena);
/* Where a folder has commands and no log of them, puts the entry that stands for them: `seq` is the
 * stream's last. Writes at once. */
enum nbx_err nbx_log_begin(struct nbx_store *store, uint16_t stream, uint64_t seq);

#endif
