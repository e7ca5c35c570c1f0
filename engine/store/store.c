/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include "engine/base/folder.h"
#include "engine/base/log.h"
#include "engine/store/key.h"
#include "engine/store/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT_KEY "format"
#define LOOKS      100 /* beside a daemon */

/* A new folder is only safe from a power cut once its parent is synced. */
static void sync_parent(char *path, char *slash)
{
    char kept = slash ? slash[1] : '\0';
    if (slash)
        slash[1] = '\0';
    if (!nbx_folder_sync(slash ? path : "."))
        nbx_log_warn("cannot sync folder %s", slash ? path : ".");
    if (slash)
        slash[1] = kept;
}

static enum nbx_err make_folder(char *path, struct nbx_fault *fault)
{
    if (mkdir(path, 0750) == 0) {
        sync_parent(path, strrchr(path, '/'));
        return NBX_OK;
    }
    struct stat st;
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return NBX_OK;
    nbx_log_error("cannot make folder %s", path);
    return nbx_fault_set(fault, NBX_ESTORAGE, NULL, "cannot make folder %s: %s", path,
                         strerror(errno));
}

static enum nbx_err make_folders(const char *dir, struct nbx_fault *fault)
{
    enum nbx_err err = NBX_OK;
    char *path = strdup(dir);
    if (!path)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    for (char *p = path + 1; !err && *p; p++) {
        if (*p != '/' || p[-1] == '/')
            continue;
        *p = '\0';
        err = make_folder(path, fault);
        *p = '/';
    }
    if (!err)
        err = make_folder(path, fault);
    free(path);
    return err;
}

/* Where RocksDB does not say in which file: a log, a table, or the file that names the others. */
static enum nbx_err refuse_damaged(const char *reason, const char *dir, struct nbx_fault *fault)
{
    struct nbx_store__logs logs;
    char names[NBX_FAULT_MESSAGE_BYTES] = "", table[64];
    if (strstr(reason, "MANIFEST") && strstr(reason, "No such file"))
        return nbx_fault_set(fault, NBX_ECORRUPT, NULL,
                             "%s/CURRENT is damaged, or what it names is gone: %s", dir, reason);
    if (strstr(reason, "MANIFEST") && nbx_store__find_damaged_table(table, sizeof table, dir))
        return nbx_fault_set(fault, NBX_ECORRUPT, NULL, "%s/%s is damaged: %s", dir, table, reason);
    if (strstr(reason, dir))
        return nbx_fault_set(fault, NBX_ECORRUPT, NULL, "%s is damaged: %s", dir, reason);
    nbx_store__list_logs(&logs, dir);
    for (size_t i = 0, n = 0; i < logs.n && n + 32 < sizeof names; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, " %06llu.log",
                              (unsigned long long)logs.p[i].number);
    return nbx_fault_set(fault, NBX_ECORRUPT, NULL, "%s is damaged, in one of its logs,%s: %s", dir,
                         names, reason);
}

/* Names the folder and what to do; takes `text`. */
static enum nbx_err refuse_open(char *text, const struct nbx_store *store, struct nbx_fault *fault)
{
    const char *dir = store->dir;
    char reason[NBX_FAULT_MESSAGE_BYTES];
    snprintf(reason, sizeof reason, "%s", text);
    enum nbx_err err =
        store->read_only ? nbx_store__error_quietly(text) : nbx_store__error(text, "open", dir);
    if (strncmp(reason, "IO error: No such file", 22) == 0) /* that another of the folder's names */
        err = NBX_ECORRUPT;
    switch (err) {
    case NBX_ECONFLICT:
        return nbx_fault_set(fault, err, NULL, "%s is in use by another process", dir);
    case NBX_EVERSION:
        return nbx_fault_set(fault, err, NULL, "%s was written by a newer nbx: %s", dir, reason);
    case NBX_ECORRUPT: return refuse_damaged(reason, dir, fault);
    default: return nbx_fault_set(fault, err, NULL, "cannot open %s: %s", dir, reason);
    }
}

/* The family of that name; NBX_N_FAMILIES: none we know. */
static int family_named(const char *name)
{
    int f = 0;
    while (f < NBX_N_FAMILIES && strcmp(name, nbx_family_name((enum nbx_family)f)) != 0)
        f++;
    return f;
}

/* The families that are there, which may be an older program's: nothing is made. `each` are the
 * options of all. */
static enum nbx_err open_present(struct nbx_store *store, rocksdb_options_t *const *each,
                                 struct nbx_fault *fault)
{
    char *text = NULL;
    size_t n = 0, n_known = 0;
    int known[NBX_N_FAMILIES] = {0};
    const char *names[NBX_N_FAMILIES];
    const rocksdb_options_t *options[NBX_N_FAMILIES];
    rocksdb_column_family_handle_t *handles[NBX_N_FAMILIES] = {NULL};
    char **present = rocksdb_list_column_families(each[NBX_FAMILY_META], store->dir, &n, &text);
    for (size_t i = 0; i < n && n_known < NBX_N_FAMILIES; i++) {
        known[n_known] = family_named(present[i]);
        if (known[n_known] == NBX_N_FAMILIES)
            continue;
        names[n_known] = present[i];
        options[n_known] = each[known[n_known]];
        n_known++;
    }
    if (!text && n_known == n)
        store->db = rocksdb_open_for_read_only_column_families(
            each[NBX_FAMILY_META], store->dir, (int)n, names, options, handles, 0, &text);
    for (size_t i = 0; store->db && i < n_known; i++)
        store->families[known[i]] = handles[i];
    rocksdb_list_column_families_destroy(present, n);
    if (text)
        return refuse_open(text, store, fault);
    return store->db ? NBX_OK
                     : nbx_fault_set(fault, NBX_EVERSION, NULL, "%s was written by a newer nbx",
                                     store->dir);
}

static enum nbx_err open_database(struct nbx_store *store, const struct nbx_store_options *options,
                                  struct nbx_fault *fault)
{
    char *text = NULL;
    const char *names[NBX_N_FAMILIES];
    rocksdb_options_t *each[NBX_N_FAMILIES] = {NULL};
    for (int f = 0; f < NBX_N_FAMILIES && !text; f++) {
        names[f] = nbx_family_name((enum nbx_family)f);
        each[f] = nbx_store__options(store, (enum nbx_family)f, options, &text);
    }
    enum nbx_err err = NBX_OK;
    if (!text && store->read_only)
        err = open_present(store, each, fault);
    else if (!text)
        store->db = rocksdb_open_column_families(each[NBX_FAMILY_META], store->dir, NBX_N_FAMILIES,
                                                 names, (const rocksdb_options_t *const *)each,
                                                 store->families, &text);
    for (int f = 0; f < NBX_N_FAMILIES; f++)
        if (each[f])
            rocksdb_options_destroy(each[f]);
    return text ? refuse_open(text, store, fault) : err;
}

enum nbx_err nbx_store_raise_format(struct nbx_store *store, uint64_t format)
{
    struct nbx_key key = nbx_key_meta(FORMAT_KEY);
    struct nbx_batch *batch = nbx_batch_new();
    if (!batch)
        return NBX_ELIMIT;
    nbx_record_u64_put(batch, NBX_FAMILY_META, nbx_key_str(&key), format);
    enum nbx_err err = nbx_store_write(store, batch);
    nbx_batch_destroy(&batch);
    if (!err)
        err = nbx_store_sync(store);
    if (!err)
        store->format = format;
    return err;
}

uint64_t nbx_store_format(const struct nbx_store *store)
{
    return store->format;
}

static enum nbx_err check_format(struct nbx_store *store, struct nbx_fault *fault)
{
    struct nbx_key key = nbx_key_meta(FORMAT_KEY);
    struct nbx_arena *arena = nbx_arena_new(1024);
    if (!arena)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    uint64_t format = 0;
    enum nbx_err err =
        nbx_record_u64_get(store, NBX_FAMILY_META, nbx_key_str(&key), arena, &format);
    nbx_arena_destroy(&arena);
    if (err == NBX_ENOTFOUND && store->read_only)
        return nbx_fault_set(fault, NBX_ECORRUPT, NULL,
                             "%s has no format number: nbx did not make it", store->dir);
    if (err == NBX_ENOTFOUND) {
        err = nbx_store_raise_format(store, NBX_STORE_FORMAT);
        format = NBX_STORE_FORMAT;
    }
    if (err)
        return nbx_fault_set(fault, err, NULL, "cannot read or write the format number of %s",
                             store->dir);
    if (format > NBX_STORE_FORMAT) {
        nbx_log_errorx("%s has format %llu, newer than %d", store->dir, (unsigned long long)format,
                       NBX_STORE_FORMAT);
        return nbx_fault_set(fault, NBX_EVERSION, NULL,
                             "%s has format %llu, this program knows up to %d", store->dir,
                             (unsigned long long)format, NBX_STORE_FORMAT);
    }
    store->format = format;
    return NBX_OK;
}

static struct nbx_store *store_new(const struct nbx_store_options *options)
{
    struct nbx_store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->dir = strdup(options->dir);
    store->acknowledged_fd = store->manifest_fd = -1;
    pthread_mutex_init(&store->acknowledging, NULL);
    store->read_only = options->read_only;
    store->damaged = &store->damage;
    store->cache = rocksdb_cache_create_lru(options->cache_bytes);
    store->read = rocksdb_readoptions_create();
    store->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_no_slowdown(store->write, 1);
    atomic_bool *armed = &store->retention_armed;
    atomic_uint *begun = &store->compactions;
    int64_t events_ms = options->event_retention_ms;
    store->retentions[0] = (struct nbx_retention){NBX_FAMILY_EVENT_IDS, events_ms, armed, begun};
    store->retentions[1] = (struct nbx_retention){NBX_FAMILY_LOG, events_ms, armed, begun};
    store->retentions[2] =
        (struct nbx_retention){NBX_FAMILY_DECISIONS, options->decision_retention_ms, armed, begun};
    store->retentions[3] =
        (struct nbx_retention){NBX_FAMILY_PAST_ITEMS, options->decision_retention_ms, armed, begun};
    return store;
}

struct nbx_store *nbx_store__peek(const struct nbx_store_options *options, bool torn)
{
    struct nbx_fault fault;
    struct nbx_store *store = store_new(options);
    if (store)
        store->torn = torn;
    if (store && (!store->dir || open_database(store, options, &fault)))
        nbx_store_close(&store);
    return store;
}

/* A power cut may keep later bytes of what was never synced and lose earlier ones: a file system
 * writes in the order it likes, and then the log's end reads as damage. Where all that was ever
 * synced lies before it, that end is dropped. Looked at read-only first: whoever opens to write
 * drops it for good. */
static enum nbx_err open_torn(struct nbx_store *store, const struct nbx_store_options *options,
                              struct nbx_fault *fault)
{
    struct nbx_store_options peeking = *options;
    peeking.read_only = true;
    struct nbx_store *peek = store->says_changes ? nbx_store__peek(&peeking, true) : NULL;
    uint64_t changes = peek ? rocksdb_get_latest_sequence_number(peek->db) : 0;
    bool whole = peek && changes >= store->acknowledged_changes;
    nbx_store_close(&peek);
    if (!whole)
        return NBX_ECORRUPT;
    store->torn = true;
    enum nbx_err err = open_database(store, options, fault);
    if (!err)
        nbx_log_warnx("%s: the end of its log, never synced, is torn and %s; it ends at change "
                      "%llu, %llu were synced",
                      store->dir, store->read_only ? "not read" : "dropped",
                      (unsigned long long)changes, (unsigned long long)store->acknowledged_changes);
    return err;
}

/* Closes what was opened, to open it anew. */
static void drop_database(struct nbx_store *store)
{
    for (int f = 0; f < NBX_N_FAMILIES; f++)
        if (store->families[f])
            rocksdb_column_family_handle_destroy(store->families[f]);
    memset(store->families, 0, sizeof store->families);
    if (store->db)
        rocksdb_close(store->db);
    store->db = NULL;
}

/* Beside a daemon a file may go between its listing and its opening, also a log whose changes then
 * lie in a table that the manifest just read does not know. Each such change of files makes a new
 * manifest: only where it is the same before and after has one moment been read. */
static enum nbx_err open_beside(struct nbx_store *store, const struct nbx_store_options *options,
                                struct nbx_fault *fault)
{
    for (int i = 0; i < LOOKS; i++) {
        uint64_t before = nbx_store__current_manifest(store->dir);
        enum nbx_err err = open_database(store, options, fault);
        if (nbx_store__current_manifest(store->dir) == before)
            return err;
        drop_database(store);
    }
    return nbx_fault_set(fault, NBX_EBUSY, NULL,
                         "the daemon of %s changes its files faster than they can be opened",
                         store->dir);
}

static enum nbx_err open_whole_or_torn(struct nbx_store *store,
                                       const struct nbx_store_options *options,
                                       struct nbx_fault *fault)
{
    enum nbx_err err = store->read_only ? open_beside(store, options, fault)
                                        : open_database(store, options, fault);
    return err == NBX_ECORRUPT ? open_torn(store, options, fault) : err;
}

void nbx_store_be_patient(struct nbx_store *store, bool patient)
{
    rocksdb_writeoptions_set_no_slowdown(store->write, !patient);
}

enum nbx_err nbx_store_open(struct nbx_store **out, const struct nbx_store_options *options,
                            struct nbx_fault *fault)
{
    *out = NULL;
    enum nbx_err err = options->read_only ? NBX_OK : make_folders(options->dir, fault);
    if (!err && !options->read_only)
        err = nbx_store__check_room(options->dir, fault);
    if (err)
        return err;
    struct nbx_store *store = store_new(options);
    if (!store || !store->dir)
        err = nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    if (!err)
        err = nbx_store__expect(store, fault);
    if (!err)
        err = open_whole_or_torn(store, options, fault);
    if (!err)
        err = nbx_store__check_acknowledged(store, fault);
    if (!err)
        err = check_format(store, fault);
    /* From here on what lies there is held to be there. */
    if (!err && !store->read_only && nbx_store_sync(store))
        err = nbx_fault_set(fault, NBX_ESTORAGE, NULL, "cannot sync %s", store->dir);
    if (err) {
        nbx_store_close(&store);
        return err;
    }
    atomic_store(&store->retention_armed, !store->read_only);
    store->least_room = nbx_store__least_room(options);
    nbx_store__lower_background();
    *out = store;
    return NBX_OK;
}

static void close_database(struct nbx_store *store)
{
    if (store->db && !store->read_only)
        (void)nbx_store_sync(store); /* logged where it fails; there is nobody left to tell */
    drop_database(store);
}

void nbx_store_close(struct nbx_store **store)
{
    if (!store || !*store)
        return;
    struct nbx_store *s = *store;
    close_database(s);
    /* RocksDB has waited for its threads; this says so of what they read of us. */
    (void)atomic_load_explicit(&s->compactions, memory_order_acquire);
    rocksdb_readoptions_destroy(s->read);
    rocksdb_writeoptions_destroy(s->write);
    rocksdb_cache_destroy(s->cache);
    if (s->acknowledged_fd >= 0)
        close(s->acknowledged_fd);
    if (s->manifest_fd >= 0)
        close(s->manifest_fd);
    pthread_mutex_destroy(&s->acknowledging);
    free(s->dir);
    free(s);
    *store = NULL;
}

const char *nbx_store_dir(const struct nbx_store *store)
{
    return store->dir;
}
