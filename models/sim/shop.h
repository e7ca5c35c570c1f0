/* SPDX-License-Identifier: MIT
 * The simulated shop: items, customers, and the tastes planted in both.
 *
 * Why:     tests must know the truth. A customer's taste and an item's are unit vectors of the same
 *          few dimensions; whoever reads only the events should find them again.
 * Owns:    a shop owns its items and customers.
 * Threads: immutable once made.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_SIM_SHOP_H
#define NBX_SIM_SHOP_H

#include "engine/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_DIMS     12 /* of taste: enough that categories and styles lie apart */
#define SIM_CHANNELS 5
#define SIM_STORES   6
#define SIM_DAY_MS   INT64_C(86400000)

struct sim_options {
    uint64_t seed;
    uint32_t n_customers, n_items, n_days;
    int64_t now_ms;  /* the events end here */
    const char *out; /* folder */
};

enum sim_season { SIM_ALL_YEAR, SIM_SUMMER, SIM_WINTER };

struct sim_item {
    char id[32], group[16], title[96];
    const char *brand, *department, *category;
    int64_t price; /* minor units */
    enum sim_season season;
    bool available;
    float log_popularity;  /* natural; Zipf over groups */
    float taste[SIM_DIMS]; /* unit length */
};

struct sim_customer {
    char id[16];
    float taste[SIM_DIMS];        /* unit length */
    float sessions;               /* expected in the whole time */
    float channels[SIM_CHANNELS]; /* shares, summing to 1 */
    unsigned store;               /* the usual one */
    unsigned age;
    const char *loves_category, *loves_style; /* what the taste is made of, for people */
    int64_t joined_ms;
};

struct sim_shop {
    struct sim_item *items; /* (n_items) */
    size_t n_items;
    struct sim_customer *customers; /* (n_customers) */
    size_t n_customers;
};

extern const char *const sim_channels[SIM_CHANNELS];
extern const char *const sim_stores[SIM_STORES];
enum { SIM_WEB, SIM_APP, SIM_EMAIL, SIM_STORE, SIM_KIOSK };

enum nbx_err sim_shop_new(struct sim_shop **out, const struct sim_options *options);
void sim_shop_destroy(struct sim_shop **shop);

/* How much the customer likes the item: the inner product of their tastes, -1 to 1. This is the
 * truth; it knows nothing of popularity, season or chance. */
float sim_liking(const struct sim_customer *customer, const struct sim_item *item);

#endif
