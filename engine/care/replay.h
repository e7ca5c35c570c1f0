/* SPDX-License-Identifier: MIT
 * A decision of a data folder made again: whether it gives the list that was answered.
 *
 * Why:     a log is honest where what it says can be made again from what it says it was made of.
 * Owns:    nothing: reads a store and the bundles beside it, changes nothing.
 * Threads: the caller's alone; a store opened read-only may be another process's.
 * Errors:  what keeps it from looking: NBX_ECORRUPT and NBX_EVERSION of a record, NBX_ELIMIT,
 *          NBX_ESTORAGE. That inputs are gone is an answer.
 */
#ifndef NBX_CARE_REPLAY_H
#define NBX_CARE_REPLAY_H

#include "engine/customer/vocabulary.h"
#include "engine/store/key.h"
#include "engine/store/store.h"

#define NBX_REPLAY_WHAT_BYTES 512

enum nbx_replay_verdict {
    NBX_REPLAY_SAME,
    NBX_REPLAY_DIFFERS,
    NBX_REPLAY_GONE /* something that it was made of is not there any more */
};

struct nbx_replay {
    enum nbx_replay_verdict verdict;
    char what[NBX_REPLAY_WHAT_BYTES]; /* the first difference, or what is gone; else what was made
                                         again and what was taken from the record */
};

struct nbx_replay_options {
    const char *data_dir; /* where the bundles lie */
    const struct nbx_vocabulary_options *vocabulary;
    const struct nbx_value *attribute_types; /* as of nbx_catalog_options */
    size_t memory_bytes;                     /* for items and model */
    int64_t now_ms;
    int64_t decision_retention_ms; /* 0: for ever */
};

enum nbx_err nbx_replay(struct nbx_replay *out, struct nbx_store *store, struct nbx_decision_id id,
                        const struct nbx_replay_options *options, struct nbx_fault *fault);

#endif
