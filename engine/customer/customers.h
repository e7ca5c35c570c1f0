/* SPDX-License-Identifier: MIT
 * Customers: their numbers, records and what happens to them.
 *
 * Why:     every change of a customer goes through here, with its sequence number in the same
 *          batch as the state it makes.
 * Owns:    the sequence numbers and serials of the 256 groups. A profile lives in the request's
 *          arena; what stays in memory of customers are the bounded copies of a scope's `recent`.
 * Threads: a group's customers are touched by the one worker that owns the group; beside it
 *          profiles may be read, by a scope without `recent`.
 * Errors:  the store's; per event as stated.
 */
#ifndef NBX_CUSTOMER_CUSTOMERS_H
#define NBX_CUSTOMER_CUSTOMERS_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/catalog/ids.h"
#include "engine/catalog/trends.h"
#include "engine/customer/vocabulary.h"
#include "engine/store/forgotten.h"
#include "engine/store/recent.h"
#include "engine/store/record.h"
#include "proto/message.h"

#include <stdint.h>

struct nbx_customers;

/* store, ids and trends outlive it. Reads the groups' counters. */
enum nbx_err nbx_customers_new(struct nbx_customers **out, struct nbx_store *store,
                               struct nbx_ids *ids, struct nbx_trends *trends);
void nbx_customers_destroy(struct nbx_customers **customers);
/* How long a customer's events are kept one by one, and how many of a type, the newest; 0: all of
 * them, as at first. What came of others stays: see nbx_sweep. Before the first request. */
void nbx_customers_keep(struct nbx_customers *customers, int64_t retention_ms,
                        uint64_t history_max);
/* The store they live in: for what is nobody's; customers' records by the two below. */
struct nbx_store *nbx_customers_store(const struct nbx_customers *customers);
/* Of the last command applied to the group. */
uint64_t nbx_customers_seq(const struct nbx_customers *customers, uint8_t group);

/* What one request works with. */
struct nbx_customer_scope {
    struct nbx_customers *customers;
    const struct nbx_vocabulary *vocabulary;
    struct nbx_arena *arena;
    struct nbx_batch *batch;   /* empty at entry; written and cleared before return */
    struct nbx_recent *recent; /* NULL: none; what the caller's thread read and wrote lately */
    int64_t now_ms;
};

/* A customer's record, and the scope's batch onto the disk. As nbx_store_get, nbx_store_write. */
enum nbx_err nbx_customer_read(const struct nbx_customer_scope *scope, enum nbx_family family,
                               struct nbx_str key, struct nbx_stored *out);
enum nbx_err nbx_customer_write(const struct nbx_customer_scope *scope);

/* Identities that are one person, whom the others are linked to first, then by number. */
#define NBX_LINKED_MAX 32
struct nbx_linked {
    struct nbx_linked_part parts[NBX_LINKED_MAX]; /* (n) digests: only in a joined profile */
    const struct nbx_customer_record *heads[NBX_LINKED_MAX]; /* (n) NULL: not known, or the one
                                                                asked for */
    uint32_t n;
};

/* A customer as stored. A stranger has known = false, number = (group, serial 0), empty records. */
struct nbx_profile {
    struct nbx_str id; /* as it was asked for; empty: nobody in particular */
    bool known;
    uint64_t number;
    uint64_t reserved;   /* of a stranger whose events were retracted: the number to come back to */
    uint8_t withdrawn;   /* purposes the customer does not consent to (consent.h) */
    bool identity_stale; /* the identity as stored says other than this */
    struct nbx_customer_record head; /* empty until nbx_profile_load_head */
    struct nbx_seen_record seen;
    bool seen_changed;               /* it is not yet as stored */
    const struct nbx_linked *linked; /* with whom the customer is one person, itself among them;
                                        NULL: with nobody else */
    uint8_t also_withdrawn;          /* purposes that one of the others does not consent to */
};
/* Number and seen set: all that an answer needs. id empty: nobody in particular, the stranger of
 * group 0. */
enum nbx_err nbx_profile_load(struct nbx_profile *out, const struct nbx_customer_scope *scope,
                              struct nbx_str id);
/* The record too, where there is one and it is not there yet: for those who show or change it. */
enum nbx_err nbx_profile_load_head(struct nbx_profile *profile,
                                   const struct nbx_customer_scope *scope);

/* The person: of linked identities what all of them are known for, each one's records as they are
 * stored now; they say the same whichever was asked for. Seen sets are joined; of attributes, time
 * zone and the like the first one's count that has them, in the order of `linked`; a consent that
 * one denies is denied. Totals are left out. Not to be written back. */
enum nbx_err nbx_profile_join(struct nbx_profile *out, const struct nbx_customer_scope *scope,
                              const struct nbx_profile *profile);
/* The person as an answer may see it: where `personalise` is withdrawn, or the request does not
 * want to be personal, the stranger of that id, of whom nothing is known. out may be profile. */
enum nbx_err nbx_profile_for_answer(struct nbx_profile *out, const struct nbx_customer_scope *scope,
                                    const struct nbx_profile *profile, bool personal);

/* What became of a list of events. */
struct nbx_observed {
    uint32_t applied, duplicates;
    uint32_t withheld;   /* good ones that were not kept: the customer withdrew `profile` */
    uint32_t held;       /* good new ones of which nothing comes before they are due */
    uint64_t seq;        /* of the group after them */
    struct nbx_str *ids; /* (events->n) each event's id, empty where it was refused or withheld */
    struct nbx_entry_error *errors; /* (n_errors) those of the list that came, then those found */
    uint32_t n_errors;
};

/* Applies the good events to the profile and the store in one batch; creates the customer where it
 * is a stranger. Per event: unknown type or channel, foreign currency, time more than
 * NBX_AHEAD_MAX_MS ahead, malformed decision: an error of that entry. An id seen before counts as a
 * duplicate and changes nothing. One more than NBX_AHEAD_MS ahead is stored and held: see
 * nbx_due_apply. Of a customer who withdrew `profile` nothing is kept, not even ids. `atomic`: one
 * error and nothing is applied (NBX_EBAD, *fault names the first). Where the write fails, profile
 * and counters are as before. */
enum nbx_err nbx_observe(struct nbx_observed *out, const struct nbx_customer_scope *scope,
                         struct nbx_profile *profile, const struct nbx_events *events, bool atomic,
                         struct nbx_fault *fault);
/* Events of nobody: kept under `group`, which the caller owns, and counted in trends. An id counts
 * once over all groups. */
enum nbx_err nbx_observe_anonymous(struct nbx_observed *out, const struct nbx_customer_scope *scope,
                                   uint8_t group, const struct nbx_events *events);

/* How far ahead of the clock an event may be and count at once, for clocks differ; and at all. */
#define NBX_AHEAD_MS     (INT64_C(5) * 60 * 1000)
#define NBX_AHEAD_MAX_MS (INT64_C(366) * 24 * 3600 * 1000)

/* The clock at which the next of the group's events is due, as far as that is known without
 * looking: not later than it is. INT64_MAX: nothing is held. */
int64_t nbx_due_at(const struct nbx_customers *customers, uint8_t group);
/* Applies the held events of the group, which the caller owns, that are no longer more than
 * NBX_AHEAD_MS ahead of scope->now_ms: state is then what it were had they come now. By customer,
 * each lot in a batch with a number of its own for each event; *applied counts them. Empties
 * scope->arena. On an error the rest waits on. */
enum nbx_err nbx_due_apply(const struct nbx_customer_scope *scope, uint8_t group,
                           uint32_t *applied);

/* Looks after the next n customers of the group from the number *at on, which the caller owns: of
 * those that have events past what is kept these go into the base, ids and all, so that state stays
 * what it was. It makes no difference to any answer when that is. *at: where to go on; 0 behind the
 * last. Empties scope->arena. */
enum nbx_err nbx_sweep(const struct nbx_customer_scope *scope, uint8_t group, uint64_t *at,
                       uint32_t n);
/* Whether an event that is stored is past what is kept, and no longer to be shown. */
bool nbx_event_is_past(const struct nbx_customer_scope *scope, const struct nbx_event_record *event,
                       int64_t time_ms);

/* What is to be taken back: the events of these ids, or those with an item that `covers` is true
 * of, or all of them. One of the three is set. */
struct nbx_retraction {
    const struct nbx_str *ids; /* (n_ids) */
    bool *found;               /* (n_ids) is told which of them an event had that goes; or NULL */
    uint32_t n_ids;
    const uint8_t (*hashes)[16]; /* (n_hashes) or of ids with these hashes */
    uint32_t n_hashes;
    bool (*covers)(void *context, uint32_t item_no);
    void *context;
    bool all;
};
struct nbx_retracted {
    uint32_t retracted; /* events that are gone */
    uint32_t unknown;   /* ids of none that is kept; comes one, it counts for nothing */
    uint64_t seq;       /* of the group afterwards */
};
/* Makes profile, trends and everything stored what they were if those events had never come; the
 * ids stay taken. Of events that are kept no longer, what came of them stays. Where the write fails
 * nothing changes. */
enum nbx_err nbx_retract(struct nbx_retracted *out, const struct nbx_customer_scope *scope,
                         struct nbx_profile *profile, const struct nbx_retraction *what);

/* Merges by key into the record; creates the customer where needed. Unknown channels are refused.
 */
enum nbx_err nbx_customer_put(const struct nbx_customer_scope *scope, struct nbx_str id,
                              const struct nbx_customer_put_req *req, uint64_t *seq,
                              struct nbx_fault *fault);
/* What became of a link that was to be made or undone. */
struct nbx_linking {
    bool changed; /* false: it was so already */
    uint64_t seq; /* of the identity's group afterwards */
};
/* Before an identity is linked to the customer, by the worker that owns the customer: gives it what
 * links name it by. A stranger remains one. */
enum nbx_err nbx_link_accept(const struct nbx_customer_scope *scope, struct nbx_str customer,
                             struct nbx_fault *fault);
/* The identity and whoever is linked to it are one person with the customer from now on, and of a
 * kind that `type` (may be empty) says. Each keeps its own records, so that it can be undone at any
 * time. By the worker that owns the identity, after nbx_link_accept. NBX_ECONFLICT: it is linked to
 * another, or the customer was forgotten meanwhile; NBX_ELIMIT: they would be more than
 * NBX_LINKED_MAX. */
enum nbx_err nbx_link(struct nbx_linking *out, const struct nbx_customer_scope *scope,
                      const struct nbx_link_record *identity, struct nbx_str customer,
                      struct nbx_fault *fault);
/* Undoes it: everything is as if it had never been linked. By the worker that owns the identity.
 * NBX_ECONFLICT: the others are linked to the identity, not the identity to one of them. */
enum nbx_err nbx_unlink(struct nbx_linking *out, const struct nbx_customer_scope *scope,
                        struct nbx_str identity, struct nbx_str customer, struct nbx_fault *fault);
/* What links say of an identity, by its number: also beside its owner. NBX_ENOTFOUND: nothing. */
enum nbx_err nbx_link_read(struct nbx_link_record *out, const struct nbx_customer_scope *scope,
                           uint64_t number);
/* The same of each of them, (linked->n) in their order; of one forgotten meanwhile an empty id. */
enum nbx_err nbx_linked_read(struct nbx_link_record *out, const struct nbx_customer_scope *scope,
                             const struct nbx_linked *linked);
/* The customer's id, and behind it those it is linked with. Any thread, and whatever state the
 * records are in that make the profile. */
enum nbx_err nbx_linked_ids(struct nbx_strs *out, const struct nbx_customer_scope *scope,
                            struct nbx_str customer);
/* Whether links know the number. Any thread. */
bool nbx_customers_links(const struct nbx_customers *customers, uint64_t number);
/* Identities that are linked to another. Any thread. */
uint32_t nbx_customers_n_linked(const struct nbx_customers *customers);

/* What became of a customer who was to be forgotten. */
struct nbx_forgetting {
    bool forgotten;                     /* false: nobody known */
    uint64_t seq;                       /* of the group afterwards */
    struct nbx_forgotten_entry receipt; /* as it stands in the list */
    uint64_t events, decisions;         /* that were kept */
};
/* Deletes everything under the customer's number, and the id; what the events that are kept gave to
 * trends is taken back. The list says it after the next nbx_customers_sync. Files are rid of it
 * later. Where the write fails nothing changes; NBX_ESTORAGE with out->forgotten: all is done but
 * the list, which the next start completes. */
enum nbx_err nbx_customer_forget(struct nbx_forgetting *out, const struct nbx_customer_scope *scope,
                                 struct nbx_str id);
/* The same of one of several linked identities, when all of them are to be forgotten: but for what
 * links it to the others, as long as one of them is there, so that whoever asks again finds them.
 * That goes with the last of them. */
enum nbx_err nbx_customer_forget_linked(struct nbx_forgetting *out,
                                        const struct nbx_customer_scope *scope, struct nbx_str id);
/* At the start, before anybody is served: forgets whom the list names and the database, restored
 * from before, does not know to be forgotten, and what is left of linked identities of which some
 * were when the process ended; *n of them. */
enum nbx_err nbx_customers_forget_again(const struct nbx_customer_scope *scope, size_t *n,
                                        struct nbx_fault *fault);
/* What the list was told is on the disk, as nbx_store_sync does for the rest. */
enum nbx_err nbx_customers_sync(struct nbx_customers *customers);

/* The customer id of a number; empty for strangers and those forgotten. */
enum nbx_err nbx_customer_id_of(const struct nbx_customer_scope *scope, uint64_t number,
                                struct nbx_str *out);
/* A customer's vector of one given space, of linked identities the first one's; n = 0 where none
 * was put. */
enum nbx_err nbx_customer_given_vector(const struct nbx_customer_scope *scope,
                                       const struct nbx_profile *profile, struct nbx_str space,
                                       struct nbx_vector *out);

#endif
