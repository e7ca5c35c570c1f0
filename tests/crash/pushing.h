/* SPDX-License-Identifier: MIT
 * Models pushed to a daemon that is short of something.
 *
 * Owns:    a file its bytes, until pushed_free; a pushing borrows its client.
 * Threads: main.
 * Errors:  false, after saying why on stdout.
 */
#ifndef NBX_TEST_CRASH_PUSHING_H
#define NBX_TEST_CRASH_PUSHING_H

#include "engine/base/hash.h"
#include "tests/crash/daemon.h"

#define PUSHING_DIMS 64
#define PUSHING_NAME "pushed" /* what every model is called */

/* Of `--program NBXD`, the one option of the programs that push; path: which it is. */
bool pushing_program(char *path, size_t bytes, int argc, char **argv);

/* A bundle's bytes, as they are pushed. */
struct pushed {
    uint8_t *p; /* (n) */
    size_t n;
    char digest[2 * NBX_DIGEST_BYTES + 1];
};

/* Of n_items random vectors; it lies in the folder for a moment. */
bool pushed_make(struct pushed *out, const char *folder, const char *version, size_t n_items);
void pushed_free(struct pushed *f);

struct pushing {
    struct nbx_client *client;
    struct nbx_arena *arena; /* emptied by each request */
    struct nbx_buf body;     /* freed by its owner */
};

/* Any request and its reply, whatever that says. */
bool pushing_ask(struct pushing *p, const char *op, struct nbx_str body, struct nbx_reply *out);
/* All up to `to` in chunks, from where the daemon is; ends where it refuses. */
bool pushing_until(struct pushing *p, const struct pushed *f, size_t to, struct nbx_reply *out);
/* The commit alone. */
bool pushing_commit(struct pushing *p, const struct pushed *f, struct nbx_reply *out);
/* Both, of the whole file. */
bool pushing_all(struct pushing *p, const struct pushed *f, struct nbx_reply *out);
/* A request for one version, which must be answered ok. */
bool pushing_version(struct pushing *p, const char *op, const char *version, struct nbx_reply *out);
/* The version that answers is this one. */
bool pushing_serves(struct pushing *p, const char *version);
/* Says what the reply is; whether it has that status. */
bool pushing_is(const struct nbx_reply *reply, const char *status);

#endif
