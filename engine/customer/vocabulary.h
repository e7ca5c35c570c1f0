/* SPDX-License-Identifier: MIT
 * The names a request may use: event types with their meaning, channels, the currency; and what
 * placements ask for.
 *
 * Why:     records carry numbers for names; the numbers are given once and kept in the store.
 * Owns:    copies of all names.
 * Threads: built, shared and destroyed by one thread; immutable meanwhile, and read by any.
 * Errors:  nbx_vocabulary_new passes on the store's; look-ups answer NULL or 0.
 */
#ifndef NBX_CUSTOMER_VOCABULARY_H
#define NBX_CUSTOMER_VOCABULARY_H

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/str.h"
#include "engine/store/record.h"
#include "engine/store/store.h"

#include <stddef.h>
#include <stdint.h>

enum nbx_event_class { NBX_CLASS_POSITIVE, NBX_CLASS_NEGATIVE, NBX_CLASS_NEUTRAL };

struct nbx_event_type {
    struct nbx_str name;
    uint16_t no; /* as in records; given by the store */
    enum nbx_event_class class;
    double weight;         /* of a positive event in fold-in and trends */
    int64_t half_life_ms;  /* of that weight in fold-in; 0: it does not fade */
    double negative_below; /* a `rating` under this makes the event negative; NaN: never */
    int64_t ttl_ms;        /* how long an event has an effect on answers; 0: for ever */
};

struct nbx_placement {
    struct nbx_str name;
    float recall; /* 0.5 to 1: exact */
};

struct nbx_vocabulary_options {
    const struct nbx_event_type *types; /* (n_types); `no` is ignored */
    size_t n_types;
    const struct nbx_str *channels; /* (n_channels) */
    size_t n_channels;
    const struct nbx_placement *placements; /* (n_placements) */
    size_t n_placements;
    struct nbx_str currency;
};

struct nbx_vocabulary;

enum nbx_err nbx_vocabulary_new(struct nbx_vocabulary **out, struct nbx_store *store,
                                const struct nbx_vocabulary_options *options);
/* It stays until it was destroyed once more. */
struct nbx_vocabulary *nbx_vocabulary_share(struct nbx_vocabulary *v);
void nbx_vocabulary_destroy(struct nbx_vocabulary **vocabulary);

/* NULL where there is none. A number of a type no longer configured has none either. */
const struct nbx_event_type *nbx_vocabulary_type(const struct nbx_vocabulary *v,
                                                 struct nbx_str name);
const struct nbx_event_type *nbx_vocabulary_type_no(const struct nbx_vocabulary *v, uint16_t no);
/* The channel's number, 0 where unknown. */
uint16_t nbx_vocabulary_channel(const struct nbx_vocabulary *v, struct nbx_str name);
/* The channel's name, empty for 0 and for channels no longer configured. */
struct nbx_str nbx_vocabulary_channel_name(const struct nbx_vocabulary *v, uint16_t no);
/* The greatest channel number. */
uint16_t nbx_vocabulary_max_channel(const struct nbx_vocabulary *v);
struct nbx_str nbx_vocabulary_currency(const struct nbx_vocabulary *v);
/* Of a placement's requests that say none of their own; 1, exact, of any that is not configured. */
float nbx_vocabulary_recall(const struct nbx_vocabulary *v, struct nbx_str placement);
/* "view, click, ...", for messages; NUL-terminated, owned by the vocabulary. */
const char *nbx_vocabulary_list_types(const struct nbx_vocabulary *v);
const char *nbx_vocabulary_list_channels(const struct nbx_vocabulary *v);

/* True if what events weigh, and which have an effect at all, is the same at both clocks: they lie
 * in one hour, or nothing fades and nothing expires. */
bool nbx_vocabulary_same_weights(const struct nbx_vocabulary *v, int64_t a_ms, int64_t b_ms);

/* The weight of a positive event of that type, last seen at last_ms, at the clock now_ms. Faded in
 * steps of an hour, so that vectors made within one hour are the same to the bit. */
double nbx_event_weight(const struct nbx_event_type *type, int64_t last_ms, int64_t now_ms);

/* Whether what happened at last_ms has no effect any more at the clock now_ms, for it is older than
 * its type's ttl_ms (0: never). Decided at the beginning of the clock's hour, so that it is the
 * same throughout the hour: never early, and late by less than an hour. */
bool nbx_event_expired(int64_t ttl_ms, int64_t last_ms, int64_t now_ms);

/* Differs wherever some event's weight or expiry may: vectors folded with another are old. The same
 * in every process with the same types. */
uint64_t nbx_vocabulary_digest(const struct nbx_vocabulary *v);

/* Types with a ttl, as decisions record them; *out (n) is owned by the vocabulary. */
uint32_t nbx_vocabulary_ttls(const struct nbx_vocabulary *v, const struct nbx_type_ttl **out);

#endif
