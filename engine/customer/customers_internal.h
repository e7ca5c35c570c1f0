/* SPDX-License-Identifier: MIT
 * Between the files of this folder: the groups' counters and what changes a profile.
 */
#ifndef NBX_CUSTOMER_CUSTOMERS_INTERNAL_H
#define NBX_CUSTOMER_CUSTOMERS_INTERNAL_H

#include "engine/customer/customers.h"
#include "engine/store/log_record.h"

#include <pthread.h>

/* A command that is done again as the log has it. */
struct nbx_again {
    const struct nbx_log_record *entry;
    uint64_t seq;
};

struct nbx_customers {
    struct nbx_store *store;
    struct nbx_ids *ids;
    struct nbx_trends *trends;
    struct nbx_forgotten *forgotten; /* the list of who was */
    struct nbx_links *links;
    struct nbx_group {
        uint64_t seq;    /* of the last command */
        uint64_t serial; /* of the newest customer */
        int64_t due_ms;  /* no event that is held has an earlier time; INT64_MAX: none is held */
    } groups[NBX_N_GROUPS];
    int64_t retention_ms; /* how long events are kept; INT64_MAX: for ever */
    uint64_t history_max; /* how many of a type; UINT64_MAX: all */
    /* Held from the look-up of anonymous events' ids to their write: these ids are nobody's, so
     * two workers may be sent the same one. A leaf. */
    pthread_mutex_t anonymous;
    const struct nbx_again *again; /* NULL: what is done is done the first time */
};

/* What names the customer; NBX_ENOTFOUND: nobody known. */
enum nbx_err nbx_profile__find(const struct nbx_customer_scope *scope, struct nbx_str id,
                               struct nbx_identity_record *out);
/* Gives the stranger a number; to be put. */
void nbx_profile__create(struct nbx_profile *profile, const struct nbx_customer_scope *scope);
/* Gives a stranger a number without becoming known: for ids that are taken. */
void nbx_profile__reserve(struct nbx_profile *profile, const struct nbx_customer_scope *scope);
/* The known customer is a stranger from now on, but for the number. */
void nbx_profile__vacate(struct nbx_profile *profile, const struct nbx_customer_scope *scope);
/* Adds the head to the batch; the seen set where it changed, an empty one has no record; and the
 * identity where the head's consents make it another. */
void nbx_profile__put(struct nbx_profile *profile, const struct nbx_customer_scope *scope);
/* Adds what the event gives to trends, in memory and in the batch; sign -1 takes it back. Where its
 * channel is configured no longer, only the all-time total is there to be changed. */
void nbx_customers__trend(const struct nbx_customer_scope *scope,
                          const struct nbx_event_record *event, int64_t time_ms, int sign);
/* link.c. Adds the number's node to the batch. */
void nbx_link__put(const struct nbx_customer_scope *scope, uint64_t number,
                   const struct nbx_link_record *record);
/* linked.c. With whom the customer, who has its number, is one person, and what these consent to.
 */
enum nbx_err nbx_profile__find_linked(struct nbx_profile *profile,
                                      const struct nbx_customer_scope *scope);
/* The scope of records that another worker owns. */
struct nbx_customer_scope nbx_customers__beside(const struct nbx_customer_scope *scope);
/* due.c. Where each group's held events begin. */
enum nbx_err nbx_due__load(struct nbx_customers *customers);
/* Remembers that the customer's event waits; id empty: of nobody. */
void nbx_due__hold(const struct nbx_customer_scope *scope, uint64_t number, struct nbx_str customer,
                   int64_t time_ms, const uint8_t id_hash[16]);
/* It waits no longer. */
void nbx_due__release(const struct nbx_customer_scope *scope, uint64_t number, int64_t time_ms,
                      const uint8_t id_hash[16]);
/* None of the number's events waits any longer. */
enum nbx_err nbx_due__release_all(const struct nbx_customer_scope *scope, uint64_t number);
/* sweep.c. Whether an event of that age has no more place than in a base. */
bool nbx_sweep__expired(const struct nbx_customer_scope *scope, int64_t time_ms,
                        int64_t arrived_ms);
/* Adds the base to the batch. */
struct nbx_fold;
void nbx_base__put(const struct nbx_customer_scope *scope, uint64_t number,
                   const struct nbx_fold *base);
/* *taken: whether the id is remembered; an old one's event may have to go first, unless *swept says
 * that the customer's have: set where this made it so. The batch is empty. */
enum nbx_err nbx_sweep__id_is_taken(const struct nbx_customer_scope *scope, uint64_t number,
                                    const uint8_t id_hash[16], bool *swept, bool *taken);
/* Brings the customer to what it is to be at scope->now_ms, whenever a sweep would come by. */
enum nbx_err nbx_sweep__customer(const struct nbx_customer_scope *scope, uint64_t number);
/* observe.c. Applies events that were held, of the number, whose release is in the batch; profile
 * NULL: of nobody. */
struct nbx_kept_event;
enum nbx_err nbx_observe__due(const struct nbx_customer_scope *scope, uint64_t number,
                              struct nbx_profile *profile, const struct nbx_kept_event *events,
                              uint32_t n);
/* Remembers an event's id. */
void nbx_customers__put_event_id(const struct nbx_customer_scope *scope, uint64_t number,
                                 const uint8_t id_hash[16], struct nbx_event_id_record record);

#endif
