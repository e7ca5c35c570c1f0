/* SPDX-License-Identifier: MIT
 * Whether everything stored can be read, and whether it fits together.
 *
 * Why:     a fault that is found today can still be mended from a backup; one that is served is
 *          found by a customer.
 * Owns:    nothing: reads a store, changes nothing.
 * Threads: the caller's alone; a store opened read-only may be another process's.
 * Errors:  what is wrong with the data is a finding. Errors are what keeps it from looking.
 */
#ifndef NBX_CARE_VERIFY_H
#define NBX_CARE_VERIFY_H

#include "engine/base/err.h"
#include "engine/store/store.h"

struct nbx_finding {
    enum nbx_family family;
    struct nbx_str key; /* borrowed; empty where the family as a whole is meant */
    const char *what;   /* completes "FAMILY KEY: ..." */
};

struct nbx_verify_options {
    int64_t now_ms;
    int64_t event_retention_ms; /* what is older may be gone on one side already; 0: never */
    void (*found)(void *ctx, const struct nbx_finding *finding);
    void *ctx;
};

struct nbx_verified {
    uint64_t records, findings;
};

/* Reads every record: its checksum, that it decodes, and that what it names is there and names it
 * back (identity, customer and number; event and event id; item and item id; the numbers given out
 * and the greatest used), that each customer's totals and seen set are what base and events come
 * to, that links make trees, and that each version of a model has the file that was pushed. NBX_OK
 * where all was read, whatever was found. NBX_ELIMIT: no memory. NBX_ESTORAGE: the disk does not
 * answer. */
enum nbx_err nbx_verify(struct nbx_verified *out, const struct nbx_store *store,
                        const struct nbx_verify_options *options);

#endif
