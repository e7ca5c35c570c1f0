/* SPDX-License-Identifier: MIT
 * A random model and what its answers must be, computed in double precision from the bundle's
 * factors and nothing of nbx.
 *
 * Why:     the daemon's personal answers are held against an independent brute force.
 * Owns:    the model its arrays, until model_free.
 * Threads: any, while nobody changes it.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TEST_DAEMON_HARNESS_TASTE_H
#define NBX_TEST_DAEMON_HARNESS_TASTE_H

#include "tests/daemon/harness.h"

#define TASTE_MAX_DIMS 64

/* One space over items "i000", "i001", ... */
struct model {
    size_t n_items, dims;
    struct nbx_str *ids;         /* (n_items) */
    float *factors;              /* (n_items, dims) */
    struct nbx_bundle_info info; /* one folded space "main", alpha0 .1, lambda .05, nu .9 */
};

void model_make(struct model *m, size_t n_items, size_t dims, uint64_t seed);
void model_free(struct model *m);
/* Puts every item of the model, in requests of 1,000. */
void model_put_items(const struct model *m, struct peer *p);

/* What a customer did: rows of the model and the weight each has. */
struct deeds {
    size_t n;
    size_t row[64];
    double weight[64];
};

/* x (dims) by models/FORMAT.md: (alpha0 YT Y + sum w y yT + reg I) x = sum w y. */
void taste_fold(double *x, const struct model *m, const struct deeds *d);
/* How much each of the deeds gives to the score of y (dims): w (y_iT M^-1 y). shares: (d->n). */
void taste_shares(double *shares, const struct model *m, const struct deeds *d, const float *y);
/* The inner product of x (dims) with row `row`. */
double taste_score(const double *x, const struct model *m, size_t row);

/* The answer's items[] are the best of all rows by x but those in `without` (n_without), with
 * their scores, and source `source`. Neighbours whose scores differ by less than rounding may
 * stand either way. */
struct expected {
    const double *x; /* (dims) */
    const size_t *without;
    size_t n_without;
    const char *source;
};
void must_rank(const struct nbx_value *reply, const struct model *m, const struct expected *e);

#endif
