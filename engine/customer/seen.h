/* SPDX-License-Identifier: MIT
 * The seen set: what a customer did with which item, and when last.
 *
 * Why:     everything an answer needs of a history, in a form that no order of arrival changes.
 * Owns:    nothing: entries live in the arena given.
 * Threads: the worker that owns the customer.
 * Errors:  NBX_ELIMIT where the arena is out.
 *
 * Past its bound the set keeps of each type the K newest entries, K being the largest number for
 * which that fits, so that many views never push out a purchase. Order makes no difference: the
 * newest K of maxima are the same however they come, and as K only falls, min(min(n, K'), K) =
 * min(n, K) of each type's count n, so that what was trimmed before hides nothing from it.
 */
#ifndef NBX_CUSTOMER_SEEN_H
#define NBX_CUSTOMER_SEEN_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/customer/vocabulary.h"
#include "engine/store/record.h"

/* Adds entries `more` (n), in any order, which sorts them; of one key the latest time counts. The
 * set stays sorted and within NBX_SEEN_MAX entries. Its array is replaced and never changed, its
 * digest left to the caller. NBX_ELIMIT: the set is as it was. */
enum nbx_err nbx_seen_join(struct nbx_seen_record *seen, struct nbx_seen_entry *more, uint32_t n,
                           struct nbx_arena *arena);
/* The same within `most` entries, which are more than there are types. */
enum nbx_err nbx_seen_join_within(struct nbx_seen_record *seen, struct nbx_seen_entry *more,
                                  uint32_t n, uint32_t most, struct nbx_arena *arena);

/* What another set holds too; the digest is the sum then. The other one stays as it is. */
enum nbx_err nbx_seen_add(struct nbx_seen_record *seen, const struct nbx_seen_record *other,
                          struct nbx_arena *arena);

/* The order of the set: item, type, sign, scope. */
int nbx_seen_compare(const struct nbx_seen_entry *a, const struct nbx_seen_entry *b);

/* One item of the set, all its entries together. */
struct nbx_seen_item {
    uint32_t item_no;
    bool disliked;    /* its last negative event is not older than its last positive one */
    double weight;    /* sum over positive types of their weights at now_ms; 0 if none */
    int64_t liked_ms; /* its last positive event; INT64_MIN if none */
    uint8_t scope;    /* enum nbx_scope: how far the dislike reaches */
};

/* Whether the item tells a taste. */
static inline bool nbx_seen_likes(const struct nbx_seen_item *item)
{
    return !item->disliked && item->weight > 0;
}
/* As qsort takes it: what was liked last comes first, of one time the least number. */
int nbx_seen_compare_liked(const void *a, const void *b);

/* Walks the set item by item: *at starts at 0; false at the end. What is older than its type's ttl
 * is passed over, as if it had never come, and so is an item of which nothing else is there. */
bool nbx_seen_next(const struct nbx_seen_record *seen, const struct nbx_vocabulary *vocabulary,
                   int64_t now_ms, uint32_t *at, struct nbx_seen_item *out);

#endif
