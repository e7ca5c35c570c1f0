/* SPDX-License-Identifier: MIT
 * A bundle's file, sent to nbxd chunk by chunk from where the daemon has come to.
 *
 * Owns:    nothing that outlives a call.
 * Threads: as the client's.
 * Errors:  those of ask.h; the file's by its path: NBX_ENOTFOUND, NBX_EBAD where it is empty or no
 *          file, NBX_ESTORAGE where it cannot be read, NBX_ECONFLICT where it is cut short
 *          meanwhile.
 */
#ifndef NBX_PROTO_CLIENT_PUSH_H
#define NBX_PROTO_CLIENT_PUSH_H

#include "proto/client/ask.h"

struct nbx_push {
    struct nbx_asking to;  /* timeout_ms: for each chunk */
    int commit_timeout_ms; /* for looking the bundle through, and `activate` */
    const char *path;
    const struct nbx_value *commit; /* map: what is said of the version */
    int progress_fd;                /* as in progress.h */
};

/* *version: what model.get says of it, in the arena. */
enum nbx_err nbx_push_model(const struct nbx_push *push, struct nbx_value *version,
                            struct nbx_fault *fault) NBX_MUST_CHECK;

#endif
