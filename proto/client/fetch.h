/* SPDX-License-Identifier: MIT
 * A version's bundle, taken from nbxd into a file.
 *
 * Owns:    nothing that outlives a call; where it fails no file is left.
 * Threads: as the client's.
 * Errors:  those of ask.h; NBX_ESTORAGE by the file's path; NBX_ECORRUPT where what came is not the
 *          file of the digest.
 */
#ifndef NBX_PROTO_CLIENT_FETCH_H
#define NBX_PROTO_CLIENT_FETCH_H

#include "proto/client/ask.h"

struct nbx_fetch {
    struct nbx_asking from;
    struct nbx_str name, version;
    const char *path; /* has its name once all of it is there */
    int progress_fd;  /* as in progress.h */
};

enum nbx_err nbx_fetch_model(const struct nbx_fetch *fetch, struct nbx_fault *fault) NBX_MUST_CHECK;

#endif
