/* SPDX-License-Identifier: MIT
 * The seen set: what a customer did with which item, last and how often.
 *
 * Why:     everything an answer needs of a history, in a form that no order of arrival changes.
 * Owns:    nothing: entries live in the arena given.
 * Threads: the worker that owns the customer.
 * Errors:  NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_CUSTOMER_SEEN_H
#define NBX_CUSTOMER_SEEN_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/customer/vocabulary.h"
#include "engine/store/record.h"

/* Adds one happening (entry->count of them at entry->last_ms). The set stays sorted; past
 * NBX_SEEN_MAX entries the one longest ago gives way. */
enum nbx_err nbx_seen_add(struct nbx_seen_record *seen, const struct nbx_seen_entry *entry,
                          struct nbx_arena *arena);

/* One item of the set, all its entries together. */
struct nbx_seen_item {
    uint32_t item_no;
    bool disliked;    /* its last negative event is not older than its last positive one */
    double weight;    /* sum over positive types of their weights at now_ms; 0 if none */
    int64_t liked_ms; /* its last positive event; INT64_MIN if none */
    uint8_t scope;    /* enum nbx_scope: how far the dislike reaches */
};

/* Walks the set item by item: *at starts at 0; false at the end. */
bool nbx_seen_next(const struct nbx_seen_record *seen, const struct nbx_vocabulary *vocabulary,
                   int64_t now_ms, uint32_t *at, struct nbx_seen_item *out);

#endif
