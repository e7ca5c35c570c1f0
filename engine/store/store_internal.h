/* SPDX-License-Identifier: MIT
 * What the files of the store share and nobody else includes, its tests apart.
 *
 * Why:     reading, writing, cursors and upkeep are a file each over one struct.
 * Owns:    nothing of its own.
 * Threads: as store.h; a struct nbx_retention is read by RocksDB's compaction thread.
 * Errors:  as store.h.
 */
#ifndef NBX_STORE_INTERNAL_H
#define NBX_STORE_INTERNAL_H

#include "engine/base/buf.h"
#include "engine/store/store.h"

#include <pthread.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <time.h>

/* How long a family's records live. Nothing is dropped before `armed` is set: a folder of another
 * format must be left as it is. */
struct nbx_retention {
    enum nbx_family family;
    int64_t keep_ms;
    atomic_bool *armed;
    atomic_uint *begun; /* compactions that have read this; whoever closes looks at it last */
};

#define NBX_N_RETENTIONS 4 /* event ids, the log, decisions, past items */

/* Logs that were there at a sync. */
#define NBX_LOGS_MAX   64
#define NBX_LOGS_BYTES (64 + NBX_LOGS_MAX * 42) /* as text */
struct nbx_store__logs {
    struct nbx_store__log {
        uint64_t number, bytes; /* bytes 0: it still grew */
    } p[NBX_LOGS_MAX];          /* (n) */
    size_t n;
};

#define NBX_STORE_PATH_BYTES 4096
#define NBX_MANIFEST_BYTES   60 /* its line in the file */

struct nbx_store {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *families[NBX_N_FAMILIES]; /* NULL: not there, read-only */
    rocksdb_readoptions_t *read;
    rocksdb_writeoptions_t *write;
    rocksdb_cache_t *cache;
    struct nbx_retention retentions[NBX_N_RETENTIONS];
    atomic_bool retention_armed;
    atomic_uint compactions;        /* begun with one of the retentions */
    uint64_t acknowledged_changes;  /* what the folder said at the start */
    bool says_changes;              /* it did say */
    uint64_t newest_log;            /* its number, then; 0: there was none */
    int acknowledged_fd;            /* -1: not open */
    pthread_mutex_t acknowledging;  /* guards the file and what follows */
    struct timespec logs_seen;      /* the folder's time when its logs were listed */
    struct nbx_store__log manifest; /* in use, as far as it is synced */
    int manifest_fd;                /* -1: not open */
    uint64_t least_room; /* bytes free without which nothing is written; 0: while opening */
    uint64_t format;     /* of the folder */
    _Atomic int64_t look_ns;
    atomic_bool full;     /* at the last look */
    atomic_bool damage;   /* something that was read is damaged */
    atomic_bool *damaged; /* the same, for whoever only reads */
    bool torn;            /* opened up to where its logs cannot be read, see store.c */
    bool read_only;
    char *dir;
};

struct nbx_batch {
    struct nbx_buf ops; /* see batch.c; the values in it are framed */
    size_t n;
    rocksdb_writebatch_t *out; /* scratch of nbx_store_write */
    struct nbx_buf payload;    /* scratch of the caller, see nbx_batch_payload */
};

/* One change as it lies in a batch. */
enum nbx_store__change_kind {
    NBX_STORE_PUT,
    NBX_STORE_DELETE,
    NBX_STORE_DELETE_RANGE,
    NBX_STORE_ADD
};
struct nbx_store__change {
    enum nbx_store__change_kind kind;
    enum nbx_family family;
    struct nbx_str a, b; /* key and frame, or from and to */
};
/* The next one; false at the end. Borrows from the batch. */
bool nbx_store__next_change(struct nbx_reader *changes, struct nbx_store__change *out);

/* acknowledged.c. Before the database is opened: reads how far its history must reach. */
enum nbx_err nbx_store__expect(struct nbx_store *store, struct nbx_fault *fault);
/* After that: whether it does. Makes the file where there is none. */
enum nbx_err nbx_store__check_acknowledged(struct nbx_store *store, struct nbx_fault *fault);
/* Before a sync: what it will have made sure of. */
struct nbx_store__sure {
    uint64_t changes;
    struct nbx_store__log manifest;
    struct nbx_store__logs logs;
    bool listed; /* the logs are not those of the sync before */
};
void nbx_store__before_sync(struct nbx_store *store, struct nbx_store__sure *out);
/* After it. */
void nbx_store__acknowledge(struct nbx_store *store, const struct nbx_store__sure *sure);

/* manifest.c. The number of the one that CURRENT names; 0: none that we can read. */
uint64_t nbx_store__current_manifest(const char *dir);
/* Opens the one in use, where it is another than before. */
void nbx_store__reopen_manifest(struct nbx_store *store);
/* Notes how long it is; syncs it where it has grown. */
void nbx_store__look_at_manifest(struct nbx_store *store);
/* Its line as text, and back; {0} where there is none or it is damaged. */
void nbx_store__print_manifest(char out[NBX_MANIFEST_BYTES + 1],
                               const struct nbx_store__log *manifest);
void nbx_store__parse_manifest(struct nbx_store__log *out, const char *text);
/* Before the database is opened: NBX_ECORRUPT where what was noted is not there. */
enum nbx_err nbx_store__check_manifest(const struct nbx_store__log *noted, const char *dir,
                                       struct nbx_fault *fault);

/* logs.c. Those in the folder. */
void nbx_store__list_logs(struct nbx_store__logs *out, const char *dir);
/* The number of the newest; 0: none. */
uint64_t nbx_store__newest_log(const char *dir);
/* As text of the length returned, and back; no logs where the text is damaged. */
size_t nbx_store__print_logs(char out[NBX_LOGS_BYTES], const struct nbx_store__logs *logs);
void nbx_store__parse_logs(struct nbx_store__logs *out, const char *text);
/* The number of a log that is gone or shorter though the database needs it; 0: none. Opens the
 * database read-only where one is gone. */
uint64_t nbx_store__lost_log(const struct nbx_store__logs *logs, const char *dir);
/* The database opened read-only and nothing looked at; NULL where that fails. torn: up to where its
 * logs cannot be read. */
struct nbx_store *nbx_store__peek(const struct nbx_store_options *options, bool torn);

/* tables.c. The first table of which something is damaged that opening the database reads; name
 * (bytes) is its file's. False where none is. */
bool nbx_store__find_damaged_table(char *name, size_t bytes, const char *dir);

/* room.c. NBX_ESTORAGE where there is too little to start at all. */
enum nbx_err nbx_store__check_room(const char *dir, struct nbx_fault *fault);
uint64_t nbx_store__least_room(const struct nbx_store_options *options);
bool nbx_store__is_full(struct nbx_store *store);

/* What RocksDB says, as a code. Logs and frees `text`. `doing` completes "cannot ...". */
enum nbx_err nbx_store__error(char *text, const char *doing, const char *where);
/* The same without a word: of what is tried again, or told by whoever tried. */
enum nbx_err nbx_store__error_quietly(char *text);
/* err, noted where it says that stored data is damaged: nbx_store_is_damaged. */
enum nbx_err nbx_store__note(const struct nbx_store *store, enum nbx_err err);

/* RocksDB's options of one family; of the whole database where family is NBX_FAMILY_META. NULL and
 * *text (to be given to nbx_store__error) where RocksDB refuses them. */
rocksdb_options_t *nbx_store__options(struct nbx_store *store, enum nbx_family family,
                                      const struct nbx_store_options *options, char **text);

/* A value as it lies in the database: version byte, payload, XXH3-32 of both, little-endian. */
#define NBX_FRAME_BYTES 5
void nbx_store__frame(struct nbx_buf *out, uint8_t version, struct nbx_str payload);
/* The payload borrows from `frame`. NBX_ECORRUPT where the checksum is wrong. */
enum nbx_err nbx_store__unframe(struct nbx_stored *out, struct nbx_str frame);

/* Trend values: version, then one zigzag varint. */
#define NBX_COUNT_VALUE 1
void nbx_store__count_frame(struct nbx_buf *out, int64_t v);
/* NBX_ECORRUPT, NBX_EVERSION as the decoders of record.h. */
enum nbx_err nbx_store__count_unframe(int64_t *out, struct nbx_str frame);

/* Adds int64 counts. RocksDB owns it once it is in options. NULL where memory is out. */
rocksdb_mergeoperator_t *nbx_store__adder(void);

/* Drops what is older than `retention` keeps; `retention` outlives the database. RocksDB owns it
 * once it is in options. */
rocksdb_compactionfilterfactory_t *nbx_store__retention_filter(struct nbx_retention *retention);

/* What compacts yields to what answers. RocksDB's threads are there once a database is
 * open. */
void nbx_store__lower_background(void);

/* Writes memtables out and compacts a whole family now: what is deleted or expired leaves the
 * disk. Takes as long as reading and writing the family. */
enum nbx_err nbx_store__compact(struct nbx_store *store, enum nbx_family family);

#endif
