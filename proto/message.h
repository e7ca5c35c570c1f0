/* SPDX-License-Identifier: MIT
 * The bodies of requests, as C structs. PROTOCOL.md is normative; this follows it.
 *
 * Why:     a handler sees checked, typed fields, never msgpack.
 * Owns:    nothing: everything points into the arena or the message it was decoded with.
 * Threads: any.
 * Errors:  nbx_message_* refuse with a fault that names the field; unknown keys are refused by
 *          name. See message*.c for the tables (field, type, bounds, default).
 */
#ifndef NBX_PROTO_MESSAGE_H
#define NBX_PROTO_MESSAGE_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/base/str.h"
#include "engine/base/value.h"

#include <stdbool.h>
#include <stdint.h>

#define NBX_MAX_N             1000
#define NBX_DEFAULT_N         20
#define NBX_MAX_RANK_ITEMS    1000
#define NBX_MAX_EXCLUDE       10000
#define NBX_MAX_CUSTOMERS     1000 /* in one recommend */
#define NBX_MIN_RECALL        0.5
#define NBX_MAX_WANTED        100000 /* items of one recommend: customers times n */
#define NBX_MAX_EVENTS        1000   /* in one observe */
#define NBX_MAX_ITEMS         10000  /* in one item.put, item.patch, item.get or item.delete */
#define NBX_MAX_ATTRIBUTES    64
#define NBX_MAX_STREAM        256        /* the catalogue's; below it the customer groups' */
#define NBX_MAX_LOG_ENTRIES   1000       /* in one log.read */
#define NBX_MAX_READ_EVENTS   1000       /* in one events.read */
#define NBX_MAX_EVENT_TYPES   64         /* configured, and in `types` of events.read */
#define NBX_MODEL_DIGITS      64         /* of a file's digest */
#define NBX_MAX_CHUNK         (16 << 20) /* bytes of `data` in one model.push */
#define NBX_MAX_METRICS       64
#define NBX_MAX_FIELDS        128  /* in `fields` */
#define NBX_MAX_NAME_BYTES    64   /* attribute, channel, placement, event type, purpose */
#define NBX_MAX_TEXT_BYTES    2048 /* title, url, image, attribute strings */
#define NBX_MAX_CATEGORIES    64
#define NBX_MAX_CHANNELS      64
#define NBX_MAX_STORES        10000
#define NBX_MAX_STOCK         INT32_MAX /* of one item in one store */
#define NBX_MAX_QUANTITY      1000000000
#define NBX_MAX_RATING        1000 /* and its negative */
#define NBX_MAX_TIMEOUT_MS    60000
#define NBX_MAX_DIMS          4096
#define NBX_MAX_FILTER_NODES  256
#define NBX_MAX_FILTER_VALUES 1000
#define NBX_MAX_TIME_MS       INT64_C(253402300799999) /* the year 9999 */
#define NBX_TIME_UNSET        INT64_MIN
#define NBX_MONEY_UNSET       INT64_MIN

enum nbx_record { NBX_RECORD_UNSET = -1, NBX_RECORD_NONE, NBX_RECORD_DECISION, NBX_RECORD_SHOWN };
enum nbx_ack { NBX_ACK_UNSET, NBX_ACK_MEMORY, NBX_ACK_DURABLE };
enum nbx_scope { NBX_SCOPE_ITEM, NBX_SCOPE_BRAND, NBX_SCOPE_CATEGORY };

struct nbx_strs {
    struct nbx_str *p; /* (n) */
    uint32_t n;
};

/* A query or item vector: fp32, from a msgpack bin of little-endian floats or a list of numbers. */
struct nbx_vector {
    const float *p; /* (n), 64-byte aligned; NULL where none was sent */
    uint32_t n;
    struct nbx_str space; /* empty: the model's first space */
};

/* One event. Absent strings are empty, absent money NBX_MONEY_UNSET, absent times NBX_TIME_UNSET.
 */
struct nbx_event {
    struct nbx_str id;       /* empty: the server gives one */
    struct nbx_str customer; /* only where the key frame is empty; else empty */
    struct nbx_str type;
    struct nbx_str item;
    int64_t time_ms;
    struct nbx_str channel, placement, store, session, order;
    double quantity; /* default 1 */
    int64_t value;   /* minor units */
    struct nbx_str currency;
    double rating; /* NaN where absent */
    enum nbx_scope scope;
    struct nbx_str actor;
    struct nbx_str decision;            /* 32 hex digits or empty */
    const struct nbx_value *attributes; /* map of scalars and lists of strings, or NULL */
};

/* One event of a list that was refused, or one item of an item.put. */
struct nbx_entry_error {
    uint32_t index;
    struct nbx_fault fault;
};

/* Entries that passed and those that did not, each with its place in what was sent. */
struct nbx_events {
    struct nbx_event *p; /* (n) good ones, in order */
    uint32_t *index;     /* (n) place in the list that was sent */
    uint32_t n;
    struct nbx_entry_error *errors; /* (n_errors) */
    uint32_t n_errors;
    struct nbx_str name; /* of the member the list stood in, for messages: "events", "observe" */
};

struct nbx_observe_req {
    struct nbx_value id; /* echoed; nil where absent */
    struct nbx_events events;
    enum nbx_ack ack;
    bool atomic;
};

/* Which of the customer's events never were. One of the five says it. */
struct nbx_retract_req {
    struct nbx_value id;
    struct nbx_strs events;               /* their ids */
    struct nbx_str item, brand, category; /* all events with such an item */
    bool all;
    enum nbx_ack ack;
};

/* Customers to be answered in one request. */
struct nbx_customer_ids {
    struct nbx_str *p; /* (n) good ones, in order */
    uint32_t *index;   /* (n) place in the list that was sent */
    uint32_t n;
    struct nbx_entry_error *errors; /* (n_errors) */
    uint32_t n_errors;
};

/* recommend, and rank where `items` is not empty. */
struct nbx_recommend_req {
    struct nbx_value id;
    uint32_t n;
    struct nbx_str placement, channel, store;
    const struct nbx_value *context; /* map or NULL */
    const struct nbx_value *filter;  /* compiled by engine/catalog/filter, or NULL */
    struct nbx_strs exclude;
    bool exclude_seen;
    bool distinct_group;
    struct nbx_events observe;
    enum nbx_ack ack; /* of `observe`; unset means memory */
    struct nbx_vector vector;
    struct nbx_strs fields;
    bool explain;
    enum nbx_record record;
    bool personal;
    float recall;                      /* 1: exact; 0: the placement's, or exact */
    uint32_t timeout_ms;               /* 0: no limit of the client's own */
    int64_t now_ms;                    /* NBX_TIME_UNSET: the server's clock */
    struct nbx_strs items;             /* rank only */
    struct nbx_customer_ids customers; /* recommend only */
};

struct nbx_similar_req {
    struct nbx_value id;
    struct nbx_str item;
    struct nbx_vector vector; /* one of item and vector */
    uint32_t n;
    const struct nbx_value *filter;
    struct nbx_strs fields;
    int64_t now_ms;
};

struct nbx_customer_put_req {
    struct nbx_value id;
    const struct nbx_value *attributes; /* map or NULL; a null member removes */
    struct nbx_str timezone, locale;    /* empty: unchanged */
    const struct nbx_value *consent;    /* map of bools or NULL */
    const struct nbx_value *identities; /* map of strings or NULL */
    const struct nbx_strs *channels;    /* NULL: unchanged */
    struct nbx_vector vector;
};

/* customer.link, customer.unlink */
struct nbx_link_req {
    struct nbx_value id;
    struct nbx_str identity; /* another than the customer */
    struct nbx_str type;     /* customer.link only: of what kind it is; empty: not said */
    enum nbx_ack ack;
};

/* customer.export */
struct nbx_export_req {
    struct nbx_value id;
    struct nbx_str after; /* what the page before said to go on from; empty: the first page */
};

/* customer.get, customer.forget, decision.get, hello, stats, log.heads, model.list,
 * model.rollback */
struct nbx_simple_req {
    struct nbx_value id;
};

/* backup */
struct nbx_backup_req {
    struct nbx_value id;
    struct nbx_str dir; /* of the daemon's machine */
};

/* log.read */
struct nbx_log_read_req {
    struct nbx_value id;
    uint32_t stream; /* 256: the catalogue's */
    int64_t from;    /* sequence number, from 1 */
    uint32_t n;      /* entries at most */
};

/* events.read */
struct nbx_events_read_req {
    struct nbx_value id;
    struct nbx_str after;       /* what the page before said to go on from; empty: the first page */
    int64_t since_ms, until_ms; /* events of [since, until) */
    struct nbx_strs types;      /* none: of all types */
    uint32_t n;                 /* events at most */
};

/* model.push */
struct nbx_model_commit {
    bool asked, activate;
    struct nbx_str notes, parent, by;
    const struct nbx_value *metrics; /* map or NULL */
};
struct nbx_model_push_req {
    struct nbx_value id;
    struct nbx_str digest; /* NBX_MODEL_DIGITS */
    int64_t bytes, offset;
    struct nbx_str data;
    struct nbx_model_commit commit;
};

/* model.get, model.activate, model.delete, and model.stage, which alone has a stage */
struct nbx_model_version_req {
    struct nbx_value id;
    struct nbx_str name, version;
    int stage;    /* place in nbx_model_stages */
    double share; /* 0: not said */
};

/* model.read */
struct nbx_model_read_req {
    struct nbx_value id;
    struct nbx_str name, version;
    int64_t offset;
};

/* item.get, item.delete */
struct nbx_item_ids_req {
    struct nbx_value id;
    struct nbx_strs ids;
};

/* item.put and item.patch: each entry stays a value map, its keys and types checked; the catalogue
 * turns it into a record. `patch` allows null members (removal). */
struct nbx_items_req {
    struct nbx_value id;
    const struct nbx_value **items; /* (n) checked maps, each with a valid "id" */
    uint32_t *index;                /* (n) place in the list that was sent */
    uint32_t n;
    struct nbx_entry_error *errors; /* (n_errors) */
    uint32_t n_errors;
};

/* Each decodes a body (a msgpack map of at most len bytes) into *out. Whatever *out points at
 * lives as long as `arena` and `body`. NBX_EBAD with the field, NBX_ELIMIT where the arena is out.
 * out->id is filled even on failure where the body's `id` could be read (nil otherwise). */
struct nbx_body {
    const void *p;
    size_t len;
};
enum nbx_err nbx_message_recommend(struct nbx_recommend_req *out, struct nbx_body body, bool rank,
                                   struct nbx_arena *arena, struct nbx_fault *fault);
enum nbx_err nbx_message_similar(struct nbx_similar_req *out, struct nbx_body body,
                                 struct nbx_arena *arena, struct nbx_fault *fault);
/* keyed: the key frame names the customer, so events may not. */
enum nbx_err nbx_message_observe(struct nbx_observe_req *out, struct nbx_body body, bool keyed,
                                 struct nbx_arena *arena, struct nbx_fault *fault);
enum nbx_err nbx_message_retract(struct nbx_retract_req *out, struct nbx_body body,
                                 struct nbx_arena *arena, struct nbx_fault *fault);
enum nbx_err nbx_message_customer_put(struct nbx_customer_put_req *out, struct nbx_body body,
                                      struct nbx_arena *arena, struct nbx_fault *fault);
/* link: customer.link, else customer.unlink. customer: the key frame. */
enum nbx_err nbx_message_link(struct nbx_link_req *out, struct nbx_body body, bool link,
                              struct nbx_str customer, struct nbx_arena *arena,
                              struct nbx_fault *fault);
enum nbx_err nbx_message_export(struct nbx_export_req *out, struct nbx_body body,
                                struct nbx_arena *arena, struct nbx_fault *fault);
enum nbx_err nbx_message_items(struct nbx_items_req *out, struct nbx_body body, bool patch,
                               struct nbx_arena *arena, struct nbx_fault *fault);
enum nbx_err nbx_message_item_ids(struct nbx_item_ids_req *out, struct nbx_body body,
                                  struct nbx_arena *arena, struct nbx_fault *fault);
/* True for the names item.put takes beside `attributes`; no attribute may have one. */
bool nbx_item_field_is_built_in(struct nbx_str name);

/* Whether the request is for a list of customers, be it that none of them is good. */
static inline bool nbx_recommend_is_for_many(const struct nbx_recommend_req *req)
{
    return req->customers.n + req->customers.n_errors > 0;
}

/* A vector of an item's entry ("vector"; its "space" is a key beside it): finite floats, copied
 * into the arena. out->space is left as it is. */
enum nbx_err nbx_vector_read(struct nbx_vector *out, const struct nbx_value *v,
                             struct nbx_arena *arena, struct nbx_fault *fault);
enum nbx_err nbx_message_backup(struct nbx_backup_req *out, struct nbx_body body,
                                struct nbx_arena *arena, struct nbx_fault *fault);
enum nbx_err nbx_message_log_read(struct nbx_log_read_req *out, struct nbx_body body,
                                  struct nbx_arena *arena, struct nbx_fault *fault);
enum nbx_err nbx_message_events_read(struct nbx_events_read_req *out, struct nbx_body body,
                                     struct nbx_arena *arena, struct nbx_fault *fault);
enum nbx_err nbx_message_model_push(struct nbx_model_push_req *out, struct nbx_body body,
                                    struct nbx_arena *arena, struct nbx_fault *fault);
enum nbx_err nbx_message_model_version(struct nbx_model_version_req *out, struct nbx_body body,
                                       bool stage, struct nbx_arena *arena,
                                       struct nbx_fault *fault);
enum nbx_err nbx_message_model_read(struct nbx_model_read_req *out, struct nbx_body body,
                                    struct nbx_arena *arena, struct nbx_fault *fault);
/* The words of `stage`, in the order of enum nbx_stage; ends in NULL. */
extern const char *const nbx_model_stages[];
enum nbx_err nbx_message_simple(struct nbx_simple_req *out, struct nbx_body body,
                                struct nbx_arena *arena, struct nbx_fault *fault);

#endif
