/* SPDX-License-Identifier: MIT
 * Who is linked to whom, as numbers: a tree for each person.
 *
 * Why:     every request asks whether its customer is linked, and nearly nobody is: with no link at
 *          all that is one look at a counter, else one at a table.
 * Owns:    its table, some 60 bytes for each identity that was ever linked. The truth is the family
 *          `links`, of which it is made at the start.
 * Threads: any may ask. Changes go one after another between nbx_links__begin and nbx_links__end,
 *          from the look whether a link may be made to where the table shows it.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_CUSTOMER_LINKS_H
#define NBX_CUSTOMER_LINKS_H

#include "engine/customer/customers.h"

struct nbx_links;

enum nbx_err nbx_links__load(struct nbx_links **out, const struct nbx_store *store);
void nbx_links__destroy(struct nbx_links **links);

/* All that are one person with the number, as of nbx_linked, heads left alone; n = 0: it has no
 * node, 1: a node and no link. */
void nbx_links__of(struct nbx_linked *out, struct nbx_links *links, uint64_t number);
/* Whether somebody might be linked. */
bool nbx_links__any(const struct nbx_links *links);
/* How many are linked to another. */
uint32_t nbx_links__n_linked(const struct nbx_links *links);
/* Whom the number is linked to; 0: nobody. */
uint64_t nbx_links__parent(struct nbx_links *links, uint64_t number);

void nbx_links__begin(struct nbx_links *links);
void nbx_links__end(struct nbx_links *links);
/* The number has a node. */
enum nbx_err nbx_links__make(struct nbx_links *links, uint64_t number);
/* Both have nodes, and the number is linked to nobody; parent 0: to nobody any more. */
void nbx_links__attach(struct nbx_links *links, uint64_t number, uint64_t parent);
/* The number has no node any more; who was linked to it is linked to nobody. */
void nbx_links__remove(struct nbx_links *links, uint64_t number);

#endif
