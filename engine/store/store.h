/* SPDX-License-Identifier: MIT
 * The store: families of records in RocksDB. The only file set that knows RocksDB.
 *
 * Why:     every value is framed (version, payload, checksum) here, so no reader forgets.
 * Owns:    the database, its caches and its lock on the folder.
 * Threads: one store for all threads; a batch and a cursor belong to one thread each.
 * Errors:  NBX_ENOTFOUND: no such key. NBX_ECORRUPT: a value fails its checksum. NBX_EVERSION: the
 *          folder was written by a newer nbx. NBX_ECONFLICT: another process holds the folder.
 *          NBX_EBUSY: writes are stalled. NBX_ESTORAGE: everything else, the disk being full too.
 *          RocksDB's own text is logged where it happens.
 */
#ifndef NBX_STORE_STORE_H
#define NBX_STORE_STORE_H

#include "engine/base/arena.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Families, in the order of their creation; never renumbered, only appended. See key.h. */
enum nbx_family {
    NBX_FAMILY_META,
    NBX_FAMILY_IDENTITIES,
    NBX_FAMILY_CUSTOMERS,
    NBX_FAMILY_VECTORS,
    NBX_FAMILY_SEEN,
    NBX_FAMILY_EVENTS,
    NBX_FAMILY_EVENT_IDS,
    NBX_FAMILY_DECISIONS,
    NBX_FAMILY_ITEM_IDS,
    NBX_FAMILY_ITEMS,
    NBX_FAMILY_TRENDS,
    NBX_FAMILY_LOG,
    NBX_FAMILY_MENTIONS,
    NBX_FAMILY_DUE,
    NBX_FAMILY_PAST_ITEMS,
    NBX_FAMILY_FORGOTTEN,
    NBX_FAMILY_BASES,
    NBX_FAMILY_LINKS,
    NBX_FAMILY_MODELS,
    NBX_N_FAMILIES
};

/* Its name in the folder. */
const char *nbx_family_name(enum nbx_family family);
/* Whether every key begins with a customer's number, so that forgetting is a range delete. */
bool nbx_family_is_personal(enum nbx_family family);

#define NBX_STORE_FORMAT 2 /* of the whole folder; see KEYS.md for how it changes */

struct nbx_store;

struct nbx_store_options {
    const char *dir;            /* made where missing */
    size_t cache_bytes;         /* block cache, index and filter blocks included */
    size_t write_buffer_bytes;  /* all memtables together */
    int64_t event_retention_ms; /* ids without an event, what the log says of events; 0: for ever */
    int64_t decision_retention_ms; /* decisions and past items; 0: kept for ever */
    /* Shows the folder as it is, also beside a process that writes to it, and changes nothing: no
     * write and no sync may follow. */
    bool read_only;
};

/* NBX_ECORRUPT also where the folder lacks changes that were synced in it: *fault names it. */
enum nbx_err nbx_store_open(struct nbx_store **out, const struct nbx_store_options *options,
                            struct nbx_fault *fault);
void nbx_store_close(struct nbx_store **store);
/* Its folder, as it was given. */
const char *nbx_store_dir(const struct nbx_store *store);
/* The folder's format: what it was when opened, or raised to. */
uint64_t nbx_store_format(const struct nbx_store *store);
/* Behind the last step of a migration: it is of this format from now on, and synced. */
enum nbx_err nbx_store_raise_format(struct nbx_store *store, uint64_t format);

/* One stored value: the version its writer gave and the payload, checksum verified. */
struct nbx_stored {
    uint8_t version;
    struct nbx_str payload; /* lives in the arena */
};

/* Point read; the payload is copied into `arena`. */
enum nbx_err nbx_store_get(const struct nbx_store *store, enum nbx_family family,
                           struct nbx_str key, struct nbx_arena *arena, struct nbx_stored *out);
/* Whether something that was read since the store was opened is damaged: NBX_ECORRUPT. */
bool nbx_store_is_damaged(const struct nbx_store *store);
/* True if the key exists; cheap where it does not (bloom filter). *err is 0 or the read's error. */
bool nbx_store_has(const struct nbx_store *store, enum nbx_family family, struct nbx_str key,
                   enum nbx_err *err);

/* Changes that become visible and durable together. */
struct nbx_batch;
struct nbx_batch *nbx_batch_new(void);
void nbx_batch_destroy(struct nbx_batch **batch);
void nbx_batch_clear(struct nbx_batch *batch);
void nbx_batch_put(struct nbx_batch *batch, enum nbx_family family, struct nbx_str key,
                   uint8_t version, struct nbx_str payload);
void nbx_batch_delete(struct nbx_batch *batch, enum nbx_family family, struct nbx_str key);
/* Deletes all keys in [from, to). */
void nbx_batch_delete_range(struct nbx_batch *batch, enum nbx_family family, struct nbx_str from,
                            struct nbx_str to);
/* NBX_FAMILY_TRENDS only: adds to the int64 stored under key (a merge, no read). */
void nbx_batch_add(struct nbx_batch *batch, struct nbx_str key, int64_t delta);
size_t nbx_batch_count(const struct nbx_batch *batch);
/* An empty buffer, the batch's own, to encode a payload in; and the put of what is in it. */
struct nbx_buf *nbx_batch_payload(struct nbx_batch *batch);
void nbx_batch_put_payload(struct nbx_batch *batch, enum nbx_family family, struct nbx_str key,
                           uint8_t version);

/* Writes the batch to the log and the memtables: visible to every reader at once, survives kill -9,
 * survives a power cut only after nbx_store_sync. The batch stays as it is: clear it to use it
 * again. NBX_ELIMIT where memory ran out while it was filled, NBX_ESTORAGE where the disk is full;
 * nothing is written then. */
enum nbx_err nbx_store_write(struct nbx_store *store, struct nbx_batch *batch);
/* Whether writes wait where the store is behind with its files, in place of NBX_EBUSY: while it is
 * opened for serving, and where nobody waits for an answer. Not while others write. */
void nbx_store_be_patient(struct nbx_store *store, bool patient);
/* Everything written before this call is on the disk when it returns. An error is final: the
 * caller ends the process, since a failed fsync may have dropped what it did not write. */
enum nbx_err nbx_store_sync(struct nbx_store *store);

/* A copy of the folder as it is now, in a new folder `dir` beside which there is room; tables are
 * hard links where they can be. While others write: nobody waits for it. *changes: what the copy
 * holds at least, for nbx_store_acknowledge_copy. The copy is not synced. */
enum nbx_err nbx_store_checkpoint(struct nbx_store *store, const char *dir, uint64_t *changes);
/* Says in a folder that no store has open how far its history reaches: see KEYS.md. */
enum nbx_err nbx_store_acknowledge_copy(const char *dir, uint64_t changes, struct nbx_fault *fault);

/* Keys of a family in [from, to), `to` empty: to the end; reverse: greatest first. */
struct nbx_cursor;
enum nbx_err nbx_cursor_open(struct nbx_cursor **out, const struct nbx_store *store,
                             enum nbx_family family, struct nbx_str from, struct nbx_str to,
                             bool reverse);
void nbx_cursor_close(struct nbx_cursor **cursor);
/* The next entry; key and payload are borrowed until the next call. NBX_ENOTFOUND at the end.
 * NBX_ECORRUPT: key is filled, value is not, and the call after it goes on behind; where key.p is
 * NULL a part of the file cannot be read, and there is no way past it. */
enum nbx_err nbx_cursor_next(struct nbx_cursor *cursor, struct nbx_str *key,
                             struct nbx_stored *value);
/* The int64 of a NBX_FAMILY_TRENDS value; 0 where it is none. */
int64_t nbx_stored_count(const struct nbx_stored *value);

/* Keys of a family in [from, to); `to` empty: to the end. */
struct nbx_store_range {
    enum nbx_family family;
    struct nbx_str from, to;
};
/* Of what was deleted in the ranges (n) before the call no table or log holds anything afterwards.
 * While others work; takes as long as reading and writing the tables that overlap them.
 * *before_file: every table of before has a smaller number. The manifest still names keys of what
 * is gone until something is flushed after it. NBX_ESTORAGE: something is left. */
enum nbx_err nbx_store_erase(struct nbx_store *store, const struct nbx_store_range *ranges,
                             size_t n, uint64_t *before_file);
/* From another thread, before the end: an erasing under way gives up, and no other begins. */
void nbx_store_stop_erasing(struct nbx_store *store);
/* Whether no table with a smaller number than that overlaps the range. */
bool nbx_store_is_erased(const struct nbx_store *store, const struct nbx_store_range *range,
                         uint64_t before_file);
/* Writes the family's memtable out. */
enum nbx_err nbx_store_flush(struct nbx_store *store, enum nbx_family family);

/* For stats and the watchdog. */
struct nbx_store_stats {
    uint64_t cache_bytes, memtable_bytes, table_reader_bytes, disk_bytes;
    uint64_t background_errors; /* writes of the database's own that failed since it was opened */
    bool write_stopped;
    bool disk_full; /* writes are refused */
};
void nbx_store_get_stats(struct nbx_store *store, struct nbx_store_stats *out);

/* Bytes on the disk of a folder: free (UINT64_MAX: it does not say), wanted for a start, wanted
 * before anything is written. Needs no open store; the folder must be there. */
struct nbx_store_room {
    uint64_t free, start, writes;
};
struct nbx_store_room nbx_store_get_room(const struct nbx_store_options *options);

/* What can be told of an open store without reading its records. */
struct nbx_store_health {
    uint64_t format;
    uint64_t changes, acknowledged;     /* the last change; the last that was said to be synced */
    bool says_acknowledged;             /* the folder said so when it was opened */
    bool torn;                          /* the end of its logs, never synced, cannot be read */
    uint64_t tables, table_bytes;       /* files of records */
    uint64_t logs, log_bytes, log_want; /* files of what is not in tables yet; what is usual */
};
void nbx_store_get_health(const struct nbx_store *store, struct nbx_store_health *out);

#endif
