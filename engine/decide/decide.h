/* SPDX-License-Identifier: MIT
 * Deciding: from a request and a customer to the best next items. Pure: no sockets, no threads.
 *
 * The way of a request: gate (which items may be shown) > taste (the customer's vector) > retrieve
 * (the best by score, then the fallbacks) > explain > record. One file each.
 *
 * Owns:    nothing: a decision lives in the request's arena.
 * Threads: the worker that owns the customer.
 * Errors:  NBX_EBAD naming the field: unknown channel, field, space, wrong dimension, filter.
 */
#ifndef NBX_DECIDE_DECIDE_H
#define NBX_DECIDE_DECIDE_H

#include "engine/catalog/catalog.h"
#include "engine/catalog/filter.h"
#include "engine/catalog/trends.h"
#include "engine/customer/customers.h"
#include "engine/model/excerpt.h"
#include "engine/model/model.h"
#include "proto/message.h"

#define NBX_EXCERPTS_MAX 64

/* Everything that is the same for all requests of one moment; a request sees one world from start
 * to end. */
struct nbx_world {
    uint64_t generation;
    const struct nbx_catalog *catalog;
    const struct nbx_model *model; /* NULL: none loaded */
    const struct nbx_rankings *rankings;
    const struct nbx_vocabulary *vocabulary;
    struct nbx_model_excerpt *excerpts[NBX_EXCERPTS_MAX]; /* (n_excerpts) of the model */
    size_t n_excerpts;
    uint64_t catalogue_seq;
    /* The same moment with the canary's model, for its share of the customers; NULL: no canary. */
    const struct nbx_world *canary;
    double canary_share; /* 0 to 1 */
    bool is_canary;
};

/* Whether a canary's answers to the like are held against the others': a known customer's, by the
 * customer's own history. Who is a stranger, or wants to be answered as one, gets the active
 * model's answer, so that it tells nothing of them; and a vector that a request brings is of that
 * model. */
bool nbx_canary_counts(const struct nbx_recommend_req *req, const struct nbx_profile *profile);
/* The world by which the request is answered: the canary's for a stable share of the customers,
 * who are told by their number and the canary's version. A larger share holds the smaller one;
 * linked identities are one customer. profile: as for the answer. */
const struct nbx_world *nbx_canary_world(const struct nbx_world *world,
                                         const struct nbx_recommend_req *req,
                                         const struct nbx_profile *profile);

enum nbx_source {
    NBX_SOURCE_PERSONAL,
    NBX_SOURCE_SIMILAR,
    NBX_SOURCE_TREND,
    NBX_SOURCE_POPULAR,
    NBX_SOURCE_NEWEST
};
/* "personal", "similar", ... as on the wire. */
const char *nbx_source_name(enum nbx_source source);

#define NBX_BECAUSE_MAX 3

struct nbx_because {
    uint32_t item_no;
    float share; /* of the score, at most 1 */
};

/* Why an item is in the list: a code and what fills it in. Never a sentence. */
enum nbx_reason {
    NBX_REASON_BECAUSE_OF_ITEMS,
    NBX_REASON_BECAUSE_OF_ATTRIBUTES,
    NBX_REASON_CUSTOMER_VECTOR,
    NBX_REASON_QUERY_VECTOR,
    NBX_REASON_SIMILAR_TO,
    NBX_REASON_TRENDING_IN_CHANNEL,
    NBX_REASON_TRENDING,
    NBX_REASON_POPULAR,
    NBX_REASON_NEWEST
};
const char *nbx_reason_name(enum nbx_reason reason);

struct nbx_choice {
    uint32_t item_no;
    float score; /* the factors multiply out to it: p = score, c = v = l = 1 */
    enum nbx_source source;
    enum nbx_reason reason;
    struct nbx_because because[NBX_BECAUSE_MAX]; /* (n_because), largest share first */
    uint32_t n_because;
};

struct nbx_taste;

struct nbx_decision {
    struct nbx_choice *choices; /* (n), best first */
    uint32_t n;
    bool approximate; /* less than the exact answer was asked for */
    bool partial;     /* and less may have been found */
    float recall; /* 1: exact; else what a search as approximate as this one was measured to find */
    struct nbx_str *unknown; /* (n_unknown) rank: ids nobody knows */
    uint32_t n_unknown;
    /* What it was made with, for its record; NULL and 0 of similar. */
    const struct nbx_taste *taste;
    struct nbx_item_numbers excluded; /* by the request, known ones */
    struct nbx_item_numbers ranked;   /* rank: those it brought, known ones */
    /* A vector folded for this answer that the store does not hold yet; NULL where there is none.
     * Cached together with the decision's record. */
    const float *fresh_vector; /* (padded dims) */
    struct nbx_str fresh_space;
    uint32_t fresh_dims;
};

/* One request's tools. */
struct nbx_decide {
    const struct nbx_world *world;
    const struct nbx_customer_scope *scope; /* arena, now_ms */
    const struct nbx_ids *ids;
    struct nbx_filter_cache *filters;
    struct nbx_excerpt_wish **wish; /* room for one, with malloc; NULL: nobody grants any */
};

/* recommend, and rank where req->items is not empty. profile: of the request's customer, as
 * nbx_profile_for_answer has it, a stranger where nobody is named. */
enum nbx_err nbx_decide_recommend(struct nbx_decision *out, const struct nbx_decide *d,
                                  const struct nbx_recommend_req *req,
                                  const struct nbx_profile *profile, struct nbx_fault *fault);

/* One of several customers who are answered together. */
struct nbx_decide_entry {
    const struct nbx_profile *profile;
    struct nbx_decision decision;
    struct nbx_fault fault; /* why this customer has none; code NBX_OK: decided */
};
/* What nbx_decide_recommend gives each of them, with one pass over the items for all. */
void nbx_decide_many(struct nbx_decide_entry *entries, size_t n, const struct nbx_decide *d,
                     const struct nbx_recommend_req *req);
/* What is wrong with the request itself, before anything is done for it: the faults that
 * nbx_decide_recommend would find after its events were applied. */
enum nbx_err nbx_decide_check(const struct nbx_decide *d, const struct nbx_recommend_req *req,
                              struct nbx_fault *fault);
/* NBX_ENOTFOUND where the item is not known. An item without a vector gets the fallbacks. */
enum nbx_err nbx_decide_similar(struct nbx_decision *out, const struct nbx_decide *d,
                                const struct nbx_similar_req *req, struct nbx_fault *fault);

#endif
