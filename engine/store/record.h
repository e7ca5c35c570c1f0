/* SPDX-License-Identifier: MIT
 * What the families hold, as C structs with their encoders and decoders.
 *
 * Why:     one place knows the bytes; each kind has a version of its own (the frame's version
 *          byte) and every older version stays readable.
 * Owns:    nothing: decoded strings and arrays live in the arena given.
 * Threads: any.
 * Errors:  decoders answer NBX_ECORRUPT where the bytes make no sense and NBX_EVERSION where the
 *          version is newer; encoders set buf->failed where memory is out.
 */
#ifndef NBX_STORE_RECORD_H
#define NBX_STORE_RECORD_H

#include "engine/base/arena.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/hash.h"
#include "engine/base/value.h"
#include "engine/store/key.h"
#include "engine/store/store.h"

#include <stdint.h>

/* meta counters and item numbers */
void nbx_record_u64_put(struct nbx_batch *batch, enum nbx_family family, struct nbx_str key,
                        uint64_t v);
enum nbx_err nbx_record_u64_decode(uint64_t *out, const struct nbx_stored *stored);
enum nbx_err nbx_record_u64_get(const struct nbx_store *store, enum nbx_family family,
                                struct nbx_str key, struct nbx_arena *arena, uint64_t *out);

/* identities: whose number it is. */
#define NBX_IDENTITY_RECORD 3
struct nbx_identity_record {
    uint64_t number;
    bool vacant;       /* nothing is known of the customer; the number is kept for what names it */
    uint8_t withdrawn; /* a bit for each purpose of engine/customer/consent.h */
    bool withdrawn_unknown; /* versions 1 and 2, which did not say: the customer's consents do */
};
void nbx_identity_record_encode(struct nbx_buf *out, const struct nbx_identity_record *r);
enum nbx_err nbx_identity_record_decode(struct nbx_identity_record *out,
                                        const struct nbx_stored *stored, struct nbx_arena *arena);

/* links: an identity that is linked, or may be linked to. */
#define NBX_LINK_RECORD 1
struct nbx_link_record {
    struct nbx_str id;   /* the identity; its number is the key */
    uint64_t parent;     /* the number of whom it is linked to; 0: to nobody, others may be to it */
    int64_t since_ms;    /* linked */
    struct nbx_str type; /* linked: what kind of identity, as it was said; may be empty */
};
void nbx_link_record_encode(struct nbx_buf *out, const struct nbx_link_record *r);
enum nbx_err nbx_link_record_decode(struct nbx_link_record *out, const struct nbx_stored *stored,
                                    struct nbx_arena *arena);

/* forgotten: whose number it was, and how far the files are rid of what it had. */
#define NBX_FORGOTTEN_RECORD 1
struct nbx_forgotten_record {
    uint64_t number;      /* 0: the customer was not there any more */
    int64_t erased_ms;    /* when no file held anything of it; 0: not yet */
    uint64_t before_file; /* erased: files from before then have smaller numbers than this */
};
void nbx_forgotten_record_encode(struct nbx_buf *out, const struct nbx_forgotten_record *r);
enum nbx_err nbx_forgotten_record_decode(struct nbx_forgotten_record *out,
                                         const struct nbx_stored *stored, struct nbx_arena *arena);

/* event_ids: an id that counts no second time. */
#define NBX_EVENT_ID_RECORD 3
struct nbx_event_id_record {
    int64_t time_ms; /* the event's; where it was retracted, of the retraction; where it lies in the
                        base, when it happened or came, whichever is later */
    bool retracted;  /* there is no such event any more, or there never was */
    bool folded;     /* the event is kept in the customer's base alone */
};
void nbx_event_id_record_encode(struct nbx_buf *out, const struct nbx_event_id_record *r);
/* The same without an arena, for a compaction that asks of every record. */
enum nbx_err nbx_event_id_record_peek(struct nbx_event_id_record *out,
                                      const struct nbx_stored *stored);
enum nbx_err nbx_event_id_record_decode(struct nbx_event_id_record *out,
                                        const struct nbx_stored *stored, struct nbx_arena *arena);

/* customers: who it is. Maps are NULL where empty. */
#define NBX_CUSTOMER_RECORD 2
/* What all of a customer's events come to, in no order. */
struct nbx_type_total {
    uint16_t type_no;
    uint64_t n; /* > 0 */
    int64_t last_ms;
};
struct nbx_totals {
    uint64_t digest;              /* a sum over all events; 0 where there is none */
    int64_t first_ms;             /* the earliest event's time; 0 where there is none */
    struct nbx_type_total *types; /* (n) of (cap), by number; decoded totals have cap = n */
    uint32_t n, cap;
};
struct nbx_customer_record {
    struct nbx_str id;
    int64_t put_ms;                     /* the first customer.put; 0: known by events alone */
    const struct nbx_value *attributes; /* map of scalars and lists of strings */
    const struct nbx_value *consent;    /* map purpose -> bool */
    const struct nbx_value *identities; /* map type -> value */
    struct nbx_str timezone, locale;
    const struct nbx_value *channels; /* list of strings */
    struct nbx_totals totals;
    bool totals_unknown; /* version 1, which had none by type: then totals is empty */
};
void nbx_customer_record_encode(struct nbx_buf *out, const struct nbx_customer_record *r);
enum nbx_err nbx_customer_record_decode(struct nbx_customer_record *out,
                                        const struct nbx_stored *stored, struct nbx_arena *arena);

/* seen: for each (item, event type, sign, scope) the last time. Sorted by those four, delta-coded;
 * order of arrival does not matter. */
#define NBX_SEEN_RECORD 2
#define NBX_SEEN_MAX    131072
struct nbx_seen_entry {
    uint32_t item_no;
    uint16_t type_no;
    bool negative; /* a dismissal, a return, a bad rating */
    uint8_t scope; /* enum nbx_scope of proto/message.h: item, its brand or its categories */
    int64_t last_ms;
};
struct nbx_seen_record {
    struct nbx_seen_entry *entries; /* (n) */
    uint32_t n;
    uint32_t level;  /* only this many newest entries of each type are kept; 0: all of them */
    uint64_t digest; /* a sum over the events it was made from, in no order; a cached vector names
                        the digest it was made from */
};
void nbx_seen_record_encode(struct nbx_buf *out, const struct nbx_seen_record *r);
enum nbx_err nbx_seen_record_decode(struct nbx_seen_record *out, const struct nbx_stored *stored,
                                    struct nbx_arena *arena);

/* bases: what those of a customer's events came to that are no longer kept one by one. */
#define NBX_BASE_RECORD 1
struct nbx_base_record {
    struct nbx_totals totals;
    struct nbx_seen_record seen;
};
void nbx_base_record_encode(struct nbx_buf *out, const struct nbx_base_record *r);
enum nbx_err nbx_base_record_decode(struct nbx_base_record *out, const struct nbx_stored *stored,
                                    struct nbx_arena *arena);

/* models: a version of a model, whose file lies in the folder; see engine/model/registry.h. */
#define NBX_MODEL_RECORD 3
enum nbx_stage {
    NBX_STAGE_STAGED,
    NBX_STAGE_SHADOW,
    NBX_STAGE_CANARY,
    NBX_STAGE_ACTIVE,
    NBX_STAGE_ARCHIVED,
    NBX_N_STAGES
};
/* Whether it is tried on live requests. */
static inline bool nbx_stage_is_trial(enum nbx_stage stage)
{
    return stage == NBX_STAGE_SHADOW || stage == NBX_STAGE_CANARY;
}
struct nbx_model_record {
    enum nbx_stage stage;
    bool deleted; /* only the digest is known any more: that version is that file, for ever */
    uint64_t bytes;
    uint8_t digest[NBX_DIGEST_BYTES]; /* of the file */
    int64_t pushed_ms;
    int64_t activated_ms; /* when it last became active; 0: never */
    struct nbx_str by, parent, notes;
    const struct nbx_value *metrics;                /* map or NULL */
    struct nbx_str replaced_name, replaced_version; /* activated: what was active before, or none */
    double share;           /* shadow, canary: of the requests or customers, above 0, at most 1 */
    int64_t trial_ms;       /* shadow, canary: since when */
    struct nbx_str verdict; /* of the last trial that ended; empty: there was none */
    const struct nbx_value
        *accepted; /* map: what was measured of it when it came; NULL: older records */
};
void nbx_model_record_encode(struct nbx_buf *out, const struct nbx_model_record *r);
enum nbx_err nbx_model_record_decode(struct nbx_model_record *out, const struct nbx_stored *stored,
                                     struct nbx_arena *arena);

/* vectors: given from outside, or folded in and then only a cache. */
#define NBX_VECTOR_RECORD 3
struct nbx_vector_record {
    bool given;
    struct nbx_str model_tag; /* folded: of which model, "NAME@VERSION", before models had names in
                                 it the version alone; empty where given */
    uint64_t source_digest;   /* folded: the seen set's and the event types', added; before
                                 version 3 the seen set's alone */
    int64_t made_ms;          /* `now` of the fold: half-lives move on */
    const float *p;           /* (n) */
    uint32_t n;
};
void nbx_vector_record_encode(struct nbx_buf *out, const struct nbx_vector_record *r);
/* p is 64-byte aligned and padded with zeros to a multiple of 16 floats; NULL where it failed. */
enum nbx_err nbx_vector_record_decode(struct nbx_vector_record *out,
                                      const struct nbx_stored *stored, struct nbx_arena *arena);

/* events: one per event, the customer's own commands. The time is in the key. */
#define NBX_EVENT_RECORD 3
#define NBX_ITEM_NONE    0 /* item numbers begin at 1 */
/* What an event says of its item, decided once, when it is applied: the classes of types may change
 * later, what happened may not. Version 1 did not say. */
enum nbx_effect {
    NBX_EFFECT_NEUTRAL,
    NBX_EFFECT_POSITIVE,
    NBX_EFFECT_NEGATIVE,
    NBX_EFFECT_UNKNOWN
};
struct nbx_event_record {
    struct nbx_str id;
    uint64_t seq; /* of the customer's group */
    int64_t arrived_ms;
    bool held; /* it is ahead of the clock: nothing has come of it yet */
    enum nbx_effect effect;
    int64_t trend_amount; /* thousandths of a weight that trends were given; >= 0, below 2^60 */
    uint16_t type_no;
    uint32_t item_no;
    uint16_t channel_no; /* 0: none */
    struct nbx_str placement, store, session, order, currency, actor, decision;
    double quantity, rating; /* rating NaN: none */
    int64_t value;           /* NBX_MONEY_UNSET: none */
    uint8_t scope;
    const struct nbx_value *attributes; /* map or NULL */
};
void nbx_event_record_encode(struct nbx_buf *out, const struct nbx_event_record *r);
/* Its sequence number alone. */
enum nbx_err nbx_event_record_seq(uint64_t *out, const struct nbx_stored *stored);
enum nbx_err nbx_event_record_decode(struct nbx_event_record *out, const struct nbx_stored *stored,
                                     struct nbx_arena *arena);

/* due: whose event waits for its time; the rest is in the key. */
#define NBX_DUE_RECORD 1
struct nbx_due_record {
    struct nbx_str customer; /* the id; empty: of nobody */
};
void nbx_due_record_encode(struct nbx_buf *out, const struct nbx_due_record *r);
enum nbx_err nbx_due_record_decode(struct nbx_due_record *out, const struct nbx_stored *stored,
                                   struct nbx_arena *arena);

/* One of several linked identities, and the digest of its own seen set. */
struct nbx_linked_part {
    uint64_t number, seen_digest;
};

/* decisions: what was answered, and all that the answer was made of but what lies elsewhere. */
#define NBX_DECISION_RECORD 4
struct nbx_decision_item {
    uint32_t item_no;
    float score;
    uint8_t source; /* enum nbx_source of engine/decide */
};
/* Probability, context, value, levers: what an item's score is the product of. */
struct nbx_decision_factors {
    float p, c, v, l;
};
/* Where the vector is from that the list was scored with. */
enum nbx_vector_from {
    NBX_VECTOR_NONE,
    NBX_VECTOR_QUERY,     /* the request's own */
    NBX_VECTOR_GIVEN,     /* customer.put */
    NBX_VECTOR_FOLDED,    /* from what the customer did */
    NBX_VECTOR_DESCRIBED, /* from the customer's attributes */
    NBX_N_VECTOR_FROM
};
struct nbx_item_numbers {
    const uint32_t *p; /* (n) */
    uint32_t n;
};
/* How long events of a type have an effect. */
struct nbx_type_ttl {
    uint16_t type_no;
    int64_t ttl_ms;
};
struct nbx_decision_vector {
    enum nbx_vector_from from;
    struct nbx_str space;
    const float *p; /* (n); decoded ones are 64-byte aligned and padded as those of `vectors` */
    uint32_t n;
};
struct nbx_decision_record {
    int64_t time_ms, now_ms; /* when it was answered; the clock it was answered with */
    struct nbx_str op;       /* "recommend" or "rank" */
    struct nbx_str placement, channel, store;
    const struct nbx_value *context; /* map or NULL: what the request said of the moment */
    struct nbx_str model_name, model_version;
    uint64_t group_seq, catalogue_seq;
    bool personal, shown;
    const struct nbx_decision_item *items; /* (n), in the order shown */
    uint32_t n;
    /* From here on as of version 2. */
    uint32_t asked;                 /* the request's n; 0: version 1, which said nothing of this */
    const struct nbx_value *filter; /* map or NULL */
    struct nbx_item_numbers excluded; /* by the request, known ones */
    struct nbx_item_numbers ranked;   /* of `rank`: those it brought, known ones */
    bool exclude_seen, distinct_group;
    bool approximate; /* less than the exact list was good enough */
    bool partial;     /* and the search made use of it */
    float recall;     /* where approximate, what such a search was measured to find */
    struct nbx_decision_vector vector;
    struct nbx_item_numbers history; /* blends: what else a score is made of, latest first */
    const float *history_weights;    /* (history.n) */
    uint64_t seen_digest; /* of the seen set that was looked at; 0: none, or an empty one */
    uint32_t policy, variant;
    float propensity;                           /* with which this list was chosen among others */
    const struct nbx_decision_factors *factors; /* (n), or NULL: p is the score, the others 1 */
    /* From here on as of version 3. */
    const struct nbx_type_ttl *ttls; /* (n_ttls) that the seen set was looked at with */
    uint32_t n_ttls;
    /* (n_parts) as of version 4: of a set joined of linked identities, of which the digest above is
     * the sum; none where it is the customer's own */
    const struct nbx_linked_part *parts;
    uint32_t n_parts;
};
void nbx_decision_record_encode(struct nbx_buf *out, const struct nbx_decision_record *r);
enum nbx_err nbx_decision_record_decode(struct nbx_decision_record *out,
                                        const struct nbx_stored *stored, struct nbx_arena *arena);

/* items: what item.put said, merged with what item.patch changed. */
#define NBX_ITEM_RECORD 2
struct nbx_item_record {
    struct nbx_str id;
    int64_t created_ms, updated_ms;
    uint64_t seq; /* of the catalogue, since when it is so; 0: version 1, which did not say */
    const struct nbx_value *fields; /* map of an item.put entry without "id"; vectors as bin */
};
void nbx_item_record_encode(struct nbx_buf *out, const struct nbx_item_record *r);
enum nbx_err nbx_item_record_decode(struct nbx_item_record *out, const struct nbx_stored *stored,
                                    struct nbx_arena *arena);

/* past_items: what an item was until a change. */
#define NBX_PAST_ITEM_RECORD 1
struct nbx_past_item_record {
    int64_t ended_ms;      /* when that was */
    struct nbx_stored was; /* its record in `items` */
};
void nbx_past_item_record_encode(struct nbx_buf *out, const struct nbx_past_item_record *r);
enum nbx_err nbx_past_item_record_decode(struct nbx_past_item_record *out,
                                         const struct nbx_stored *stored, struct nbx_arena *arena);

/* Names that stand in records as numbers (event types, channels): meta keys "<kind>/<name>". The
 * number of a name, given the next free one (from 1) and stored at its first use. At start-up only:
 * one thread. NBX_EBAD: a name not of 1 to 255 bytes. NBX_ELIMIT: 65,534 names are taken. */
enum nbx_err nbx_names_intern(struct nbx_store *store, const char *kind, struct nbx_str name,
                              uint16_t *out);

#endif
