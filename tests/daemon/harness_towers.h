/* SPDX-License-Identifier: MIT
 * A catalogue of many items whose vectors, like customers', come from outside: one given space.
 *
 * Owns:    towers_make allocates, towers_free frees.
 * Threads: one.
 * Errors:  end the test.
 */
#ifndef NBX_TEST_DAEMON_HARNESS_TOWERS_H
#define NBX_TEST_DAEMON_HARNESS_TOWERS_H

#include "tests/daemon/harness.h"

struct towers {
    size_t n_items, dims;
    float *vectors;      /* (n_items, dims) zeros: the test's to fill */
    struct nbx_str *ids; /* (n_items) "i0", "i1", ..., which end with a zero byte */
};

void towers_make(struct towers *t, size_t n_items, size_t dims);
void towers_free(struct towers *t);
/* Puts every item, in requests of 1,000; brands b0, b1, ... take turns, 0: there are none. */
void towers_put_items(const struct towers *t, struct peer *p, unsigned n_brands);
/* The vectors as they are now in a bundle, and the daemon told. */
void towers_serve(const struct towers *t, struct server *s);

#endif
