/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include <stdio.h>

#define TUNING_BYTES 512
#define DAY_S        INT64_C(86400)
#define BUCKET_SHARE 512 /* bytes of a write buffer for each bucket, a pointer */

/* Why not the defaults, where it is not plain:
 * - WAL tracking stays off: with nbx_store_sync it can report a missing log falsely (RocksDB
 *   #10892, before 7.10).
 * - kTolerateCorruptedTailRecords: a log cut short opens, a damaged one refuses. The default would
 *   open in silence with whatever lies before the damage; see open_torn in store.c.
 * - 24 MB of log: playing it back after a crash costs 0.3 s on an idle machine, 1 s on a busy one.
 *   It is flushed at each start, never kept: a log with a torn tail that outlives the start reads
 *   as damage once a family has files newer than it.
 * - two write buffers a family: with more, a flush that is retried may write in the wrong order
 *   (before 7.9).
 * - no concurrent writes into a memtable: hash memtables (below) cannot take them. One insert into
 *   a hash costs a fraction of one into a skip list of the same size, so that a leader who writes
 *   for all is the faster.
 * - no lines in RocksDB's LOG but those of the start: with the disk full, the second line that it
 *   cannot write ends the process by an assertion. Its errors reach us by the calls.
 * - a new manifest with every change of the tables: it names their first and last keys, customer
 * ids among them, and what was erased may not stay in it. It has some kilobytes.
 * - no row cache, no rate limiter, no compressed log: each has a fault in 7.8. */
static const char database_options[] =
    "create_if_missing=true;create_missing_column_families=true;"
    "max_background_jobs=2;max_file_opening_threads=2;max_open_files=-1;"
    "wal_recovery_mode=kTolerateCorruptedTailRecords;track_and_verify_wals_in_manifest=false;"
    "force_consistency_checks=true;max_total_wal_size=25165824;max_manifest_file_size=1;"
    "bytes_per_sync=1048576;wal_bytes_per_sync=524288;"
    "keep_log_file_num=4;max_log_file_size=4194304;info_log_level=FATAL_LEVEL;"
    "stats_dump_period_sec=0;stats_persist_period_sec=0;"
    "allow_concurrent_memtable_write=false;max_write_buffer_number=2;compression=kNoCompression;"
    "block_based_table_factory={block_size=4096;format_version=5;"
    "data_block_index_type=kDataBlockBinaryAndHash;data_block_hash_table_util_ratio=0.75;"
    "cache_index_and_filter_blocks=true;pin_l0_filter_and_index_blocks_in_cache=true;"
    "optimize_filters_for_memory=true}";

/* Read by key, often for a key that is not there. */
static const char point_options[] =
    "memtable_whole_key_filtering=true;memtable_prefix_bloom_size_ratio=0.02;"
    "block_based_table_factory={filter_policy=bloomfilter:10:false}";
/* Appended and read in order: no filter, larger blocks, compressed. */
static const char append_options[] =
    "compression=kLZ4Compression;bottommost_compression=kZSTD;"
    "block_based_table_factory={block_size=16384;data_block_index_type=kDataBlockBinarySearch}";

/* Each stream's entries come in order: an insert begins where the stream's last one ended, which is
 * what makes it cheap. */
#define BY_STREAM "memtable_insert_with_hint_prefix_extractor=rocksdb.FixedPrefix.2;"
static const char log_options[] =
    BY_STREAM "compression=kLZ4Compression;bottommost_compression=kZSTD;"
              "block_based_table_factory={block_size=16384;data_block_index_type="
              "kDataBlockBinarySearch}";

static const struct {
    const char *name; /* never changed; RocksDB insists on a family named default */
    const char *options;
    bool by_key;   /* while serving, read by whole keys only */
    bool personal; /* see nbx_family_is_personal */
} families[NBX_N_FAMILIES] = {
    [NBX_FAMILY_META] = {"default", ""},
    [NBX_FAMILY_IDENTITIES] = {"identities", point_options, true},
    [NBX_FAMILY_CUSTOMERS] = {"customers", point_options, true, true},
    [NBX_FAMILY_VECTORS] = {"vectors", point_options, true, true},
    [NBX_FAMILY_SEEN] = {"seen", point_options, true, true},
    [NBX_FAMILY_EVENTS] = {"events", append_options, false, true},
    [NBX_FAMILY_EVENT_IDS] = {"event_ids", point_options, true, true},
    [NBX_FAMILY_DECISIONS] = {"decisions", append_options, true, true},
    [NBX_FAMILY_ITEM_IDS] = {"item_ids", point_options, true},
    [NBX_FAMILY_ITEMS] = {"items", point_options, true},
    [NBX_FAMILY_TRENDS] = {"trends", ""},
    [NBX_FAMILY_LOG] = {"log", log_options},
    [NBX_FAMILY_MENTIONS] = {"mentions", append_options, false, true},
    [NBX_FAMILY_DUE] = {"due", ""},
    [NBX_FAMILY_PAST_ITEMS] = {"past_items", append_options, true},
    [NBX_FAMILY_FORGOTTEN] = {"forgotten", ""},
    [NBX_FAMILY_BASES] = {"bases", point_options, true, true},
    [NBX_FAMILY_LINKS] = {"links", point_options, true, true},
    [NBX_FAMILY_MODELS] = {"models", ""},
};

const char *nbx_family_name(enum nbx_family family)
{
    return families[family].name;
}

bool nbx_family_is_personal(enum nbx_family family)
{
    return families[family].personal;
}

static size_t clamp(size_t v, size_t low, size_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* parsed = base with `text` over it. NULL and *error where RocksDB does not take it. */
static rocksdb_options_t *parse(const rocksdb_options_t *base, const char *text, char **error)
{
    rocksdb_options_t *parsed = rocksdb_options_create();
    rocksdb_get_options_from_string(base, text, parsed, error);
    if (*error) {
        rocksdb_options_destroy(parsed);
        return NULL;
    }
    return parsed;
}

/* Defaults with a block cache that every family's options are derived from, and so share. */
static rocksdb_options_t *with_cache(rocksdb_cache_t *cache)
{
    rocksdb_options_t *options = rocksdb_options_create();
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, cache);
    rocksdb_options_set_block_based_table_factory(options, table);
    rocksdb_block_based_options_destroy(table);
    return options;
}

static struct nbx_retention *retention_of(struct nbx_store *store, enum nbx_family family)
{
    for (int i = 0; i < NBX_N_RETENTIONS; i++)
        if (store->retentions[i].family == family && store->retentions[i].keep_ms > 0)
            return &store->retentions[i];
    return NULL;
}

/* A quarter of all write buffers for one family: with an eighth the largest one stalled while the
 * others were flushed before it. */
static size_t buffer_bytes(const struct nbx_store_options *options)
{
    return clamp(options->write_buffer_bytes / 4, 65536, (size_t)64 << 20);
}

/* The prefix that finds a bucket is the key itself. Buckets take a sixty-fourth of the buffer. */
static void hash_memtable(rocksdb_options_t *options, size_t bytes)
{
    rocksdb_options_set_prefix_extractor(options, rocksdb_slicetransform_create_noop());
    rocksdb_options_set_hash_link_list_rep(options, bytes / BUCKET_SHARE);
}

/* What the family writes over the common string. A record that expires in a file nobody
 * touches waits for the file's periodic compaction: at most a tenth of its retention, at least a
 * day. */
static void tune(char *text, enum nbx_family family, const struct nbx_store_options *options,
                 const struct nbx_retention *retention, bool torn)
{
    int n =
        snprintf(text, TUNING_BYTES, "db_write_buffer_size=%zu;write_buffer_size=%zu;%s%s",
                 options->write_buffer_bytes, buffer_bytes(options),
                 torn ? "wal_recovery_mode=kPointInTimeRecovery;" : "", families[family].options);
    if (!retention)
        return;
    int64_t period_s = retention->keep_ms / 10000;
    period_s = period_s < DAY_S ? DAY_S : period_s > 30 * DAY_S ? 30 * DAY_S : period_s;
    snprintf(text + n, TUNING_BYTES - (size_t)n, ";periodic_compaction_seconds=%lld",
             (long long)period_s);
}

rocksdb_options_t *nbx_store__options(struct nbx_store *store, enum nbx_family family,
                                      const struct nbx_store_options *options, char **text)
{
    rocksdb_options_t *base = with_cache(store->cache), *common = NULL, *out = NULL;
    common = parse(base, database_options, text);
    if (!common)
        goto out;
    struct nbx_retention *retention = retention_of(store, family);
    char tuning[TUNING_BYTES];
    tune(tuning, family, options, retention, store->torn);
    out = parse(common, tuning, text);
    if (!out)
        goto out;
    if (families[family].by_key)
        hash_memtable(out, buffer_bytes(options));
    if (retention)
        rocksdb_options_set_compaction_filter_factory(out, nbx_store__retention_filter(retention));
    if (family == NBX_FAMILY_TRENDS)
        rocksdb_options_set_merge_operator(out, nbx_store__adder());
out:
    if (common)
        rocksdb_options_destroy(common);
    rocksdb_options_destroy(base);
    return out;
}
