/* SPDX-License-Identifier: MIT
 * What the customers of a shop do, day by day.
 *
 * Why:     events with plausible funnels: shown, clicked, viewed, put into the cart, bought,
 *          sometimes sent back; each customer's own random numbers, so that more customers do not
 *          change what the first ones did.
 * Owns:    a stream owns its events.
 * Threads: immutable once made.
 * Errors:  NBX_ELIMIT where memory is out.
 */
#ifndef NBX_SIM_STREAM_H
#define NBX_SIM_STREAM_H

#include "models/sim/shop.h"

enum sim_type {
    SIM_IMPRESSION,
    SIM_VIEW,
    SIM_CLICK,
    SIM_CART,
    SIM_PURCHASE,
    SIM_DISMISS,
    SIM_RETURN,
    SIM_TYPES,
};
extern const char *const sim_types[SIM_TYPES];

#define SIM_NO_STORE UINT8_MAX

struct sim_event {
    int64_t time_ms, value;                  /* value in minor units; 0: none */
    uint32_t customer, item, session, order; /* session and order from 1; order 0: none */
    uint32_t sequence;                       /* of making: orders events of one millisecond */
    uint8_t type, channel, store, quantity;
};

/* A pair of a customer and an item that tests are held against. */
struct sim_pair {
    uint32_t customer, item, rank; /* rank from 1; 0 where there is none */
};

struct sim_stream {
    struct sim_event *events; /* (n_events) by time, none after now */
    size_t n_events;
    struct sim_pair *test; /* (n_test) first purchases in the days after now */
    size_t n_test;
    struct sim_pair *truth; /* (n_truth) per customer the SIM_TRUTH items liked best */
    size_t n_truth;
    size_t cap_events, cap_test, cap_truth;
};

/* Per customer, among the available items it has had nothing to do with but impressions. */
#define SIM_TRUTH 20

enum nbx_err sim_stream_new(struct sim_stream **out, const struct sim_shop *shop,
                            const struct sim_options *options);
void sim_stream_destroy(struct sim_stream **stream);

#endif
