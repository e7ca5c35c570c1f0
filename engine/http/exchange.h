/* SPDX-License-Identifier: MIT
 * One HTTP request and its response.
 *
 * Why:     libmicrohttpd calls the same handler when the headers are read, for each piece of
 *          the body, at its end and after a resume; this is what it remembers in between.
 * Owns:    an exchange belongs to libmicrohttpd's thread, except while its call is with the
 *          bridge: the connection is then suspended, so nobody else looks at it.
 * Threads: libmicrohttpd's.
 * Errors:  as in http.h; NULL or MHD_NO closes the connection.
 */
#ifndef NBX_HTTP_EXCHANGE_H
#define NBX_HTTP_EXCHANGE_H

#include "engine/base/arena.h"
#include "engine/base/budget.h"
#include "engine/http/bridge.h"

#include <microhttpd.h>
#include <pthread.h>

/* What all exchanges share. */
struct nbx_http_shared {
    struct nbx_http_bridge *bridge;
    struct nbx_budget *budget; /* or NULL */
    struct nbx_arena *arena;   /* one request or reply at a time; libmicrohttpd's thread */
    size_t max_body_bytes;
    unsigned timeout_ms;

    pthread_mutex_t mutex;
    pthread_cond_t idle;
    unsigned n_open; /* exchanges; under the mutex, `idle` says when it is 0 */
};

/* The access handler; cls is the struct nbx_http_shared. */
enum MHD_Result nbx_http_exchange_step(void *cls, struct MHD_Connection *connection,
                                       const char *url, const char *method, const char *version,
                                       const char *upload, size_t *upload_len, void **state);
/* The completion handler. */
void nbx_http_exchange_end(void *cls, struct MHD_Connection *connection, void **state,
                           enum MHD_RequestTerminationCode code);

#endif
