/* SPDX-License-Identifier: MIT
 * Batches of rows under way to the daemon, several at once.
 *
 * Why:     a request at a time would wait most of the time; which rows are acknowledged must be
 *          known all the same.
 * Owns:    its batches; the client and the state are borrowed.
 * Threads: main.
 * Errors:  NBX_EBUSY where the daemon stays away or busy, any other where it refuses a whole
 *          batch; the fault says why. What was under way then may or may not have been applied:
 *          it is sent again by the next import.
 */
#ifndef NBX_CLI_IMPORT_WINDOW_H
#define NBX_CLI_IMPORT_WINDOW_H

#include "engine/base/buf.h"
#include "proto/cli/import_field.h"
#include "proto/cli/import_state.h"
#include "proto/client/client.h"

#define NBX_IMPORT_MAX_ROWS   2000 /* of a batch */
#define NBX_IMPORT_MAX_WINDOW 16
#define NBX_IMPORT_FULL_BYTES (512 * 1024)

struct nbx_import_batch {
    struct nbx_buf entries; /* msgpack of n maps */
    struct nbx_buf body;    /* the request */
    uint64_t lines[NBX_IMPORT_MAX_ROWS];
    uint32_t n;
    uint64_t sequence, first_row, last_row, n_refused; /* n_refused: rows refused before sending */
    uint32_t n_tries;
    bool sent;
    int64_t next_try_ns; /* 0: waits for a reply */
    int64_t deadline_ns;
};

struct nbx_import_window {
    const struct nbx_import_what *what;
    struct nbx_client *client;
    struct nbx_import_state *state;
    struct nbx_import_counts *counts; /* of rows below the first that is not acknowledged */
    struct nbx_arena *arena;
    int timeout_ms;
    uint64_t next_sequence, first_open;
    struct nbx_import_batch *batches; /* (NBX_IMPORT_MAX_WINDOW), by sequence modulo */
    struct nbx_import_counts done[NBX_IMPORT_MAX_WINDOW]; /* of batches acknowledged out of turn */
    bool is_done[NBX_IMPORT_MAX_WINDOW];
};

enum nbx_err nbx_import_window_init(struct nbx_import_window *w, const struct nbx_import_what *what,
                                    struct nbx_client *client, int timeout_ms) NBX_MUST_CHECK;
void nbx_import_window_fini(struct nbx_import_window *w);

/* An empty batch to fill; waits for one to be acknowledged where all are under way. */
enum nbx_err nbx_import_window_begin(struct nbx_import_window *w, struct nbx_import_batch **out,
                                     struct nbx_fault *fault) NBX_MUST_CHECK;
/* Sends the batch begun last. One without entries is acknowledged in its turn. */
enum nbx_err nbx_import_window_send(struct nbx_import_window *w,
                                    struct nbx_fault *fault) NBX_MUST_CHECK;
/* Waits until all are acknowledged. */
enum nbx_err nbx_import_window_drain(struct nbx_import_window *w,
                                     struct nbx_fault *fault) NBX_MUST_CHECK;

#endif
