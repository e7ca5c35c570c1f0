/* SPDX-License-Identifier: MIT
 * A data folder made anew from the log of another, and held against it.
 *
 * Why:     that all that is stored follows from the commands is a claim until it is done; and what
 *          was lost but the log and the events is made again this way.
 * Owns:    nothing: the new folder is complete and closed on return.
 * Threads: the caller's alone; the store read from may be another process's.
 * Errors:  NBX_ECONFLICT: the new folder is not empty. NBX_ECORRUPT: the log has a gap or an entry
 *          that does not decode. The stores' otherwise.
 *
 * Derived from log and events: customers, what they have seen, their given vectors, identities,
 * ids that count no more, trends, items. Copied: the numbers of items and names, events, the log
 * itself, decisions, items as they were, who was forgotten. Where the log no longer says all of it
 * (commands of before there was one, or past event_retention), what is stored is the checkpoint
 * that the rest replays onto: such a customer's records, and where need be items or trends, are
 * taken as they are stored.
 */
#ifndef NBX_CARE_REBUILD_H
#define NBX_CARE_REBUILD_H

#include "engine/base/err.h"
#include "engine/base/value.h"
#include "engine/customer/vocabulary.h"
#include "engine/store/store.h"

struct nbx_rebuild_options {
    const char *dir; /* of the new folder, which is not there or empty */
    const struct nbx_vocabulary_options *vocabulary;
    const struct nbx_value *attribute_types; /* map or NULL */
    int64_t trend_half_life_ms, now_ms;
    size_t cache_bytes, write_buffer_bytes;
    /* Called for lines of state (dump.h) that are not the same in both. */
    void (*differs)(void *ctx, struct nbx_str line, bool stored);
    void (*progress)(void *ctx, uint64_t commands); /* done so far; may be NULL */
    void *ctx;
};

struct nbx_rebuilt {
    uint64_t commands;      /* that the log has places for */
    uint64_t lines;         /* of state that were compared */
    uint64_t differences;   /* of them that are not the same */
    uint64_t as_stored;     /* customers taken as they are stored */
    bool nobodys_as_stored; /* events of nobody */
    bool items_as_stored, trends_as_stored;
};

enum nbx_err nbx_rebuild_folder(struct nbx_rebuilt *out, const struct nbx_store *store,
                                const struct nbx_rebuild_options *options, struct nbx_fault *fault);

#endif
