/* SPDX-License-Identifier: MIT
 * The daemon's threads, wired together.
 *
 * Why:     nothing mutable is shared: a thread owns its data and hands over pointers by ring.
 * Owns:    store, catalogue, model, every thread and ring.
 * Threads: main starts, reloads and stops it. Inside: front (sockets), workers (customers),
 *          commit (the fsync), fan-out (observe without a key), keeper (catalogue and model).
 * Errors:  those of the store and the model; a socket that cannot be bound is NBX_ECONFLICT.
 */
#ifndef NBX_SERVE_SERVER_H
#define NBX_SERVE_SERVER_H

#include "engine/base/err.h"
#include "engine/base/value.h"
#include "engine/customer/vocabulary.h"
#include "engine/model/accept.h"
#include "engine/serve/arm.h"
#include "engine/store/store.h"

#include <stddef.h>
#include <stdint.h>

#define NBX_FRONT_INPROC "inproc://front" /* where the HTTP door connects */

struct nbx_server_options {
    const struct nbx_str *listen; /* (n_listen) ZeroMQ endpoints */
    size_t n_listen;
    const char *data_dir;
    unsigned workers;
    size_t memory_limit; /* bytes: caches, rings, index and arenas together */
    struct nbx_vocabulary_options vocabulary;
    const struct nbx_value *attribute_types; /* map or NULL; see engine/catalog/catalog.h */
    int64_t trend_half_life_ms, event_retention_ms, decision_retention_ms;
    uint64_t history_max;            /* events of a type kept of a customer; 0: all */
    size_t queue;                    /* requests a worker's ring holds */
    struct nbx_accept_bounds accept; /* of bundles */
    struct nbx_guard guard;          /* of a canary */
    int64_t queue_time_ms;           /* a request that waited longer is answered busy */
    size_t max_message_bytes;
    size_t model_max_bytes;     /* of one file that is pushed */
    int64_t model_push_idle_ms; /* an upload that nobody goes on with for longer is removed */
    int64_t drain_timeout_ms;
    const char *version; /* for hello */
};

struct nbx_server;

/* As which the store is opened. Borrows data_dir. */
struct nbx_store_options nbx_server_store_options(const struct nbx_server_options *options);

/* Opens the store, loads catalogue and model, starts the threads: ready on return. */
enum nbx_err nbx_server_start(struct nbx_server **out, const struct nbx_server_options *options,
                              struct nbx_fault *fault);
/* Takes the newest bundle, if it is accepted and no version is active, and, of the options,
 * vocabulary, bounds of bundles, the guard of a canary, queue_time_ms and drain_timeout_ms, without
 * a failed request. What is wrong is logged and leaves what was. Returns when every worker obeys.
 */
void nbx_server_reload(struct nbx_server *server, const struct nbx_server_options *options);
/* Takes no new requests, answers those taken (at most drain_timeout), syncs, frees everything. */
void nbx_server_stop(struct nbx_server **server);
/* Whether something stored that was read is damaged. */
bool nbx_server_is_damaged(const struct nbx_server *server);
/* The ZeroMQ context, for clients inside the process. */
void *nbx_server_zmq(const struct nbx_server *server);

#endif
