/* SPDX-License-Identifier: MIT
 * Files of models as they are pushed.
 *
 * Why:     a test pushes what it likes, chunk by chunk, whole or damaged.
 * Owns:    a pushed file its bytes, until pushed_free.
 * Threads: as the peer.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TEST_DAEMON_HARNESS_PUSH_H
#define NBX_TEST_DAEMON_HARNESS_PUSH_H

#include "tests/daemon/harness.h"

struct pushed {
    uint8_t *p; /* (n) */
    size_t n;
    char digest[65];
};

/* The bytes of a bundle. */
void pushed_make(struct pushed *f, const struct server *s, const struct nbx_bundle_info *info);
/* The digest again, where the bytes were changed. */
void pushed_sign(struct pushed *f);
void pushed_free(struct pushed *f);

/* A model.push with n bytes from `offset` on; commit: JSON or NULL. */
struct pushed_part {
    size_t offset, n;
    const char *commit;
};
struct nbx_str push_body(struct peer *p, const struct pushed *f, struct pushed_part part);
struct answer push(struct peer *p, const struct pushed *f, struct pushed_part part);
/* As a client does it: asks, sends what is missing in chunks, and commits. */
struct answer push_all(struct peer *p, const struct pushed *f, const char *commit);
/* The same where it must be ok. */
struct nbx_value *must_push(struct peer *p, const struct pushed *f, const char *commit);

/* The names in the daemon's folder of models, sorted, joined by blanks; "" where there is none. In
 * a buffer of its own until the next call. */
const char *models_on_disk(const struct server *s);

#endif
