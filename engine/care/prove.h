/* SPDX-License-Identifier: MIT
 * Proof that nothing is left of who was forgotten.
 *
 * Why:     "deleted" is said easily; here every file is looked at.
 * Owns:    nothing: reads a folder, changes nothing.
 * Threads: the caller's alone; the folder may be a running daemon's.
 * Errors:  what is left is a finding. Errors are what keeps it from looking.
 *
 * By number: no record lies under it, and no table from before the erasing overlaps its keys, so
 * that what was compressed in such tables is not there either. By id, which only the caller knows
 * by now: its bytes are in no file.
 */
#ifndef NBX_CARE_PROVE_H
#define NBX_CARE_PROVE_H

#include "engine/base/err.h"
#include "engine/base/str.h"
#include "engine/store/store.h"

#include <stdint.h>

struct nbx_prove_options {
    const struct nbx_str *ids; /* (n_ids) customers said to be forgotten */
    size_t n_ids;
    void (*found)(void *ctx, const char *what); /* a finding, as a line */
    void *ctx;
};
struct nbx_proved {
    uint64_t customers, pending, files, findings; /* forgotten; of them not yet out of the files */
};

/* NBX_OK where all was looked at, whatever was found. The bytes of an id may stand in a file for
 * another reason, such as an item of that name. */
enum nbx_err nbx_prove_forgotten(struct nbx_proved *out, const struct nbx_store *store,
                                 const struct nbx_prove_options *options, struct nbx_fault *fault);

#endif
