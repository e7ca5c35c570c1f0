/* SPDX-License-Identifier: MIT
 * What the files of acceptance share: accept.c goes from check to check, accept_factors.c looks at
 * the numbers, accept_items.c at the items, accept_lists.c asks for lists, accept_golden.c and
 * accept_holdout.c judge them.
 *
 * Owns:    as each function says.
 * Threads: as accept.h.
 */
#ifndef NBX_MODEL_ACCEPT_INTERNAL_H
#define NBX_MODEL_ACCEPT_INTERNAL_H

#include "engine/model/accept.h"
#include "engine/model/model_internal.h"

#define NBX_ACCEPT__NO_LABEL 0 /* no item has this number, and no row this label */

/* A bundle being looked at. */
struct nbx_accept {
    struct nbx_accepted *out;
    const struct nbx_accept_options *options;
    const struct nbx_bundle_info *info;
    const struct nbx_model *model; /* NULL until it is made */
    struct nbx_fault *fault;
};

/* accept_factors.c: lengths and directions of all vectors, weights of neighbours, and the share of
 * items that nothing can score. */
enum nbx_err nbx_accept__factors(struct nbx_accept *a);
/* accept_items.c: the bundle's items against the catalogue's. */
enum nbx_err nbx_accept__items(struct nbx_accept *a);
/* accept_golden.c, accept_holdout.c. */
enum nbx_err nbx_accept__golden(struct nbx_accept *a);
enum nbx_err nbx_accept__holdout(struct nbx_accept *a);
/* accept_lists.c: that lists differ from customer to customer. */
enum nbx_err nbx_accept__listed(struct nbx_accept *a);

/* A customer to ask for, of one model: labels are those of its indexes. */
struct nbx_accept__customer {
    const uint32_t
        *labels;          /* (n) most recent first, distinct; those unknown to it are passed over */
    const float *weights; /* (n) */
    size_t n;
    const float *vector; /* (dims) instead of a history, or NULL */
};

/* Whom to ask, and what may stand in a list. */
struct nbx_accept__asked {
    const struct nbx_model *model;
    size_t space;
    const uint64_t *eligible; /* (n_eligible) bits over labels; NULL: all */
    size_t n_eligible;        /* a multiple of 64 */
};

struct nbx_accept__lists {
    struct nbx_hit *hits; /* (n, k) */
    size_t *n_hits;       /* (n) 0 of a customer who has no vector */
    size_t k;
};

/* The exact lists of k of the customers (n), as they would be served: canonical scores, equal ones
 * in the byte order of ids, without the history. The caller frees them, even after an error. */
enum nbx_err nbx_accept__ask(struct nbx_accept__lists *out, const struct nbx_accept__asked *asked,
                             const struct nbx_accept__customer *customers, size_t n);
void nbx_accept__free_lists(struct nbx_accept__lists *lists);
/* How many customers to ask for: `most`, and down to a fifth of them where a scan is long. */
size_t nbx_accept__sample_size(const struct nbx_model *m, size_t most);
/* The space in which a customer with a history and nothing else is served; n_spaces: in none. */
size_t nbx_accept__history_space(const struct nbx_model *m);

/* "item 12 ('bag-7')" for messages; text: (NBX_ACCEPT__ITEM_BYTES). */
#define NBX_ACCEPT__ITEM_BYTES 96
const char *nbx_accept__item(char *text, const struct nbx_bundle_info *info, size_t row);
enum nbx_err nbx_accept__no_memory(struct nbx_accept *a);

#endif
