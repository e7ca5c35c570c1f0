/* SPDX-License-Identifier: MIT
 * A customer of every kind, all at once: what the clients of the race test ask.
 *
 * Owns:    a shopper its connection, its thread and its randomness.
 * Threads: one per shopper; start, stop and join main's.
 * Errors:  an unexpected answer is told on stdout and counted in `failures`.
 */
#ifndef NBX_TEST_RACE_SHOP_H
#define NBX_TEST_RACE_SHOP_H

#include "engine/base/random.h"
#include "proto/client/client.h"

#include <pthread.h>
#include <stdatomic.h>

#define SHOP_ITEMS     200
#define SHOP_CUSTOMERS 40 /* few, so that requests of one meet */

enum shop_role { SHOP_BROWSE, SHOP_TRACK, SHOP_STOCK, SHOP_MANAGE, SHOP_RELATE, SHOP_N_ROLES };

struct shopper {
    enum shop_role role;
    const char *endpoint;
    struct nbx_random random;
    struct nbx_client *client;
    struct nbx_arena *arena;
    struct nbx_buf body;
    char decision[33];
    _Atomic bool *stop;
    unsigned failures;
    uint64_t requests;
    pthread_t thread;
};

/* role, endpoint and stop are set. */
bool shopper_start(struct shopper *s, uint64_t seed);
void shopper_join(struct shopper *s);

#endif
