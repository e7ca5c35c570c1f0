/* SPDX-License-Identifier: MIT
 * Between the files of verify: verify.c reads the families in turn, verify_items.c,
 * verify_customers.c, verify_fold.c, verify_links.c, verify_log.c, verify_forgotten.c and
 * verify_models.c know what must hold of each record.
 *
 * Threads: one.
 */
#ifndef NBX_CARE_VERIFY_INTERNAL_H
#define NBX_CARE_VERIFY_INTERNAL_H

#include "engine/care/verify.h"
#include "engine/store/forgotten.h"
#include "engine/store/key.h"
#include "engine/store/log_record.h"
#include "engine/store/record.h"

/* A record of links. */
struct nbx_check_node {
    uint64_t number, parent;
    bool gone;                /* its customer was forgotten, others linked to it not yet */
    uint32_t n_below, n_gone; /* where nothing is above: of the whole tree */
};

struct nbx_check {
    const struct nbx_store *store;
    const struct nbx_verify_options *options;
    struct nbx_verified *out;
    struct nbx_arena *arena;   /* emptied after each record */
    struct nbx_arena *scratch; /* emptied after each event of a customer's */
    enum nbx_err err;          /* what keeps it from going on */
    struct {
        uint64_t seq, serial;
    } groups[NBX_N_GROUPS]; /* of the last command, of the newest customer */
    uint64_t catalogue_seq;
    unsigned models_in[NBX_N_STAGES]; /* versions by stage */
    uint64_t reached[NBX_N_STREAMS];  /* how far the log has been read */
    struct {
        uint8_t *bits; /* (last / 8 + 1) numbers that an id has */
        uint32_t last;
        size_t room;
    } items;
    uint64_t known; /* the customer last looked up and found; 0: none */
    struct {
        uint64_t *p; /* (n) of (room) numbers kept for strangers; sorted behind the identities */
        size_t n, room;
    } vacant;
    struct {
        struct nbx_check_node *p; /* (n) of (room) by number */
        size_t n, room;
    } links;
};

/* Looks at one record; what is wrong with it, or NULL. Sets c->err where it cannot look. */
typedef const char *nbx_check_fn(struct nbx_check *c, struct nbx_str key,
                                 const struct nbx_stored *stored);

nbx_check_fn nbx_verify__meta, nbx_verify__item_id, nbx_verify__item, nbx_verify__trend;
nbx_check_fn nbx_verify__past_item;
nbx_check_fn nbx_verify__identity, nbx_verify__customer, nbx_verify__seen, nbx_verify__vector;
nbx_check_fn nbx_verify__event, nbx_verify__event_id, nbx_verify__decision, nbx_verify__due;
nbx_check_fn nbx_verify__forgotten, nbx_verify__base, nbx_verify__link;
nbx_check_fn nbx_verify__log, nbx_verify__mention, nbx_verify__model;

/* What is wrong with a customer's state as the fold of the events; NULL for nothing, or where it
 * cannot be said yet. */
const char *nbx_verify__fold(struct nbx_check *c, uint64_t number,
                             const struct nbx_customer_record *r);

/* Behind the last identity. */
void nbx_verify__sort_vacant(struct nbx_check *c);
/* Behind that: whether the number is kept for a stranger. */
bool nbx_verify__is_vacant(const struct nbx_check *c, uint64_t number);
/* Behind the last link. */
void nbx_verify__link_ends(struct nbx_check *c);
/* What is wrong with whom the decision of that number says were linked. */
const char *nbx_verify__parts(const struct nbx_check *c, const struct nbx_decision_record *r,
                              uint64_t number);
/* Behind the last entry of the log. */
void nbx_verify__log_ends(struct nbx_check *c);
/* An event as old as that may have left, and its id independently of it. */
bool nbx_verify__may_be_gone(const struct nbx_check *c, int64_t time_ms);

/* Tells of a finding. */
void nbx_verify__found(struct nbx_check *c, enum nbx_family family, struct nbx_str key,
                       const char *what);
/* What a decoder's error says of its record; NULL for none. Sets c->err where memory is out. */
const char *nbx_verify__undecoded(struct nbx_check *c, enum nbx_err err);
/* What reading another record says: NULL where it is there, `missing` where it is not. Sets c->err
 * where the disk does not answer. */
const char *nbx_verify__read(struct nbx_check *c, enum nbx_err err, const char *missing);
/* Whether an item id has the number. */
bool nbx_verify__has_item(const struct nbx_check *c, uint32_t item_no);

#endif
