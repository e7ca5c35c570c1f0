/* SPDX-License-Identifier: MIT
 * Ids of customers or items: from a file, from the daemon, or a prefix and a number.
 *
 * Owns:    the ids it read.
 * Threads: one at a time.
 * Errors:  NBX_EBAD with the option as the field; NBX_EBUSY where the daemon does not answer;
 *          NBX_ENOTFOUND where it has none.
 */
#ifndef NBX_BENCH_LOAD_IDS_H
#define NBX_BENCH_LOAD_IDS_H

#include "bench/load/generator.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/random.h"

#define NBX_LOAD_MAX_ID_BYTES 255 /* PROTOCOL.md */

/* All zeros, n and prefix set: prefix and 0 to n - 1. */
struct nbx_load_ids {
    uint64_t n;
    const char *prefix; /* NULL: text and places have them */
    struct nbx_buf text, places;
    char made[NBX_LOAD_MAX_ID_BYTES + 1];
};

/* One a line; empty lines are left out. In an order of the seed's, so that neighbours in a sorted
 * file are none here. */
enum nbx_err nbx_load_ids_read(struct nbx_load_ids *ids, const char *path, const char *option,
                               uint64_t seed, struct nbx_fault *fault) NBX_MUST_CHECK;
/* Items the daemon would show to nobody in particular and to some of the customers, each once;
 * endpoint, timeout and seed are those of the options. */
enum nbx_err nbx_load_ids_sample(struct nbx_load_ids *ids, const struct nbx_load_options *options,
                                 struct nbx_load_ids *customers,
                                 struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_load_ids_fini(struct nbx_load_ids *ids);

/* Id i modulo n; lasts until the next call. */
struct nbx_str nbx_load_ids_at(struct nbx_load_ids *ids, uint64_t i);

#endif
