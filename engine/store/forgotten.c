/* SPDX-License-Identifier: MIT */
#include "engine/store/forgotten.h"

#include "engine/base/folder.h"
#include "engine/base/grow.h"
#include "engine/base/hash.h"
#include "engine/base/log.h"
#include "engine/base/random.h"
#include "engine/store/record.h"
#include "engine/store/store_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Lines of one length: 32 hex digits, a space, 20 decimal digits, a space, 8 hex digits of the
 * checksum of what stands before, a line feed. The first has the salt and the format's number. */
#define HEX_DIGITS  (2 * NBX_FORGOTTEN_HASH_BYTES)
#define SAID_BYTES  (HEX_DIGITS + 21)
#define LINE_BYTES  (SAID_BYTES + 10)
#define FILE_FORMAT 1
#define META_SALT   "forgotten_salt"
#define MAX_READ    ((size_t)1 << 30)

struct nbx_forgotten {
    uint8_t salt[NBX_FORGOTTEN_HASH_BYTES];
    int fd;
    _Atomic bool unsynced;
    pthread_mutex_t lock; /* of an append: a leaf */
};

static void path_of(char path[NBX_STORE_PATH_BYTES], const char *dir)
{
    snprintf(path, NBX_STORE_PATH_BYTES, "%s/" NBX_FORGOTTEN_NAME, dir);
}

static enum nbx_err refuse(const char *doing, const char *path, struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ESTORAGE, NULL, "cannot %s %s: %s", doing, path,
                         strerror(errno));
}

/* lines */

static void print_line(char line[LINE_BYTES + 1], const struct nbx_forgotten_entry *e)
{
    nbx_hex(line, e->hash, NBX_FORGOTTEN_HASH_BYTES);
    snprintf(line + HEX_DIGITS, LINE_BYTES + 1 - HEX_DIGITS, " %020" PRId64, e->time_ms);
    snprintf(line + SAID_BYTES, LINE_BYTES + 1 - SAID_BYTES, " %08" PRIx32 "\n",
             nbx_hash32(line, SAID_BYTES));
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}

static bool parse_line(struct nbx_forgotten_entry *out, const char *line)
{
    char again[LINE_BYTES + 1], time[21];
    for (ptrdiff_t i = 0; i < NBX_FORGOTTEN_HASH_BYTES; i++)
        out->hash[i] = (uint8_t)(digit(line[2 * i]) << 4 | digit(line[2 * i + 1]));
    memcpy(time, line + HEX_DIGITS + 1, sizeof time - 1);
    time[sizeof time - 1] = '\0';
    out->time_ms = strtoll(time, NULL, 10);
    print_line(again, out);
    return memcmp(again, line, LINE_BYTES) == 0;
}

/* reading */

static bool add(struct nbx_forgotten_entries *list, const struct nbx_forgotten_entry *e)
{
    struct nbx_forgotten_entry *p = nbx_grow(list->p, list->n, &list->room, sizeof *p);
    if (!p)
        return false;
    list->p = p;
    list->p[list->n++] = *e;
    return true;
}

/* What a power cut left of lines that were never synced is at the end and is none. */
static enum nbx_err parse(struct nbx_forgotten_entries *out, const char *text, size_t n,
                          const char *path, struct nbx_fault *fault)
{
    struct nbx_forgotten_entry e;
    size_t bad = 0;
    for (size_t i = 0; i < n / LINE_BYTES; i++) {
        bool good = parse_line(&e, text + i * LINE_BYTES);
        if (!good)
            bad = bad ? bad : i + 1;
        else if (bad)
            return nbx_fault_set(fault, NBX_ECORRUPT, NULL, "%s: line %zu is damaged", path, bad);
        else if (i == 0)
            memcpy(out->salt, e.hash, sizeof out->salt);
        else if (!add(out, &e))
            return nbx_fault_set(fault, NBX_ELIMIT, NULL, "no memory to read %s", path);
        if (good && i == 0 && e.time_ms != FILE_FORMAT)
            return nbx_fault_set(fault, NBX_EVERSION, NULL, "%s was written by a newer nbx", path);
    }
    if (bad == 1)
        return nbx_fault_set(fault, NBX_ECORRUPT, NULL, "%s: line 1 is damaged", path);
    return NBX_OK;
}

static enum nbx_err read_all(char **text, size_t *n, const char *path, struct nbx_fault *fault)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? NBX_ENOTFOUND : refuse("open", path, fault);
    bool sized = fstat(fd, &st) == 0 && (uint64_t)st.st_size < MAX_READ;
    *text = sized ? malloc((size_t)st.st_size + 1) : NULL;
    ssize_t got = *text ? read(fd, *text, (size_t)st.st_size) : -1;
    close(fd);
    *n = got > 0 ? (size_t)got : 0;
    return got < 0 ? refuse("read", path, fault) : NBX_OK;
}

enum nbx_err nbx_forgotten_read(struct nbx_forgotten_entries *out, const char *dir,
                                struct nbx_fault *fault)
{
    char path[NBX_STORE_PATH_BYTES], *text = NULL;
    size_t n = 0;
    *out = (struct nbx_forgotten_entries){0};
    path_of(path, dir);
    enum nbx_err err = read_all(&text, &n, path, fault);
    if (!err && n < LINE_BYTES) /* ended while being made: nothing was noted yet */
        err = NBX_ENOTFOUND;
    if (!err)
        err = parse(out, text, n, path, fault);
    free(text);
    if (err) {
        free(out->p);
        *out = (struct nbx_forgotten_entries){0};
    }
    return err;
}

/* writing */

static enum nbx_err append(int fd, const struct nbx_forgotten_entry *e)
{
    char line[LINE_BYTES + 1];
    print_line(line, e);
    ssize_t n = write(fd, line, LINE_BYTES);
    /* Lines have their places: a part of one would make all behind it unreadable. */
    if (n > 0 && n < LINE_BYTES && ftruncate(fd, lseek(fd, 0, SEEK_END) - n))
        nbx_log_warn("a part of a line is left in " NBX_FORGOTTEN_NAME);
    return n == LINE_BYTES ? NBX_OK : NBX_ESTORAGE;
}

/* A descriptor that appends behind the n entries that are good; the file is made where n is 0 and
 * there is none. */
static enum nbx_err open_to_append(int *out, const char *dir,
                                   const struct nbx_forgotten_entries *held,
                                   struct nbx_fault *fault)
{
    char path[NBX_STORE_PATH_BYTES];
    path_of(path, dir);
    struct nbx_forgotten_entry first = {.time_ms = FILE_FORMAT};
    memcpy(first.hash, held->salt, sizeof first.hash);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
    off_t good = (off_t)((held->n + 1) * LINE_BYTES);
    struct stat st;
    bool is_new =
        fd >= 0 && fstat(fd, &st) == 0 && st.st_size < LINE_BYTES && ftruncate(fd, 0) == 0;
    if (fd < 0 ||
        (is_new                ? append(fd, &first)
         : ftruncate(fd, good) ? NBX_ESTORAGE
                               : NBX_OK) ||
        fsync(fd)) {
        if (fd >= 0)
            close(fd);
        return refuse("write", path, fault);
    }
    enum nbx_err err = is_new && !nbx_folder_sync(dir) ? refuse("sync", dir, fault) : NBX_OK;
    if (err)
        close(fd);
    else
        *out = fd;
    return err;
}

static bool holds(const struct nbx_forgotten_entries *list, const struct nbx_forgotten_entry *e)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->p[i].time_ms == e->time_ms &&
            memcmp(list->p[i].hash, e->hash, sizeof e->hash) == 0)
            return true;
    return false;
}

static enum nbx_err of_another(const char *dir, struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ECONFLICT, NULL,
                         "%s/" NBX_FORGOTTEN_NAME " is of another data folder", dir);
}

enum nbx_err nbx_forgotten_merge(const char *to, const char *from, struct nbx_fault *fault)
{
    struct nbx_forgotten_entries more, held = {0};
    int fd = -1;
    enum nbx_err err = nbx_forgotten_read(&more, from, fault);
    if (err)
        return err == NBX_ENOTFOUND ? NBX_OK : err;
    err = nbx_forgotten_read(&held, to, fault);
    if (err == NBX_ENOTFOUND) {
        memcpy(held.salt, more.salt, sizeof held.salt);
        err = NBX_OK;
    }
    if (!err && memcmp(held.salt, more.salt, sizeof held.salt) != 0)
        err = of_another(from, fault);
    if (!err)
        err = open_to_append(&fd, to, &held, fault);
    for (size_t i = 0; !err && i < more.n; i++)
        if (!holds(&held, &more.p[i]) && append(fd, &more.p[i]))
            err = refuse("write in", to, fault);
    if (!err && fsync(fd))
        err = refuse("sync in", to, fault);
    if (fd >= 0)
        close(fd);
    free(more.p);
    free(held.p);
    return err;
}

/* the store's own */

static enum nbx_err read_salt(uint8_t out[NBX_FORGOTTEN_HASH_BYTES], const struct nbx_store *store)
{
    struct nbx_arena *arena = nbx_arena_new(1024);
    enum nbx_err err = arena ? NBX_OK : NBX_ELIMIT;
    for (uint8_t half = 0; !err && half < 2; half++) {
        struct nbx_key key = nbx_key_meta_group(META_SALT, half);
        uint64_t v;
        err = nbx_record_u64_get(store, NBX_FAMILY_META, nbx_key_str(&key), arena, &v);
        if (!err)
            memcpy(out + half * sizeof v, &v, sizeof v);
    }
    nbx_arena_destroy(&arena);
    return err;
}

static enum nbx_err write_salt(struct nbx_store *store,
                               const uint8_t salt[NBX_FORGOTTEN_HASH_BYTES])
{
    struct nbx_batch *batch = nbx_batch_new();
    if (!batch)
        return NBX_ELIMIT;
    for (uint8_t half = 0; half < 2; half++) {
        struct nbx_key key = nbx_key_meta_group(META_SALT, half);
        uint64_t v;
        memcpy(&v, salt + half * sizeof v, sizeof v);
        nbx_record_u64_put(batch, NBX_FAMILY_META, nbx_key_str(&key), v);
    }
    enum nbx_err err = nbx_store_write(store, batch);
    nbx_batch_destroy(&batch);
    return err ? err : nbx_store_sync(store);
}

/* The database's salt and the file's are one; held->salt is it. */
static enum nbx_err agree(struct nbx_forgotten_entries *held, bool has_file,
                          struct nbx_store *store, struct nbx_fault *fault)
{
    uint8_t salt[NBX_FORGOTTEN_HASH_BYTES];
    enum nbx_err err = read_salt(salt, store);
    if (err == NBX_ENOTFOUND) {
        if (!has_file)
            nbx_random_system(held->salt, sizeof held->salt);
        err = write_salt(store, held->salt);
    } else if (!err && has_file && memcmp(salt, held->salt, sizeof salt) != 0) {
        return of_another(store->dir, fault);
    } else if (!err) {
        memcpy(held->salt, salt, sizeof salt);
    }
    return err ? nbx_fault_set(fault, err, NULL, "the salt of %s cannot be read or written",
                               store->dir)
               : NBX_OK;
}

enum nbx_err nbx_forgotten_open(struct nbx_forgotten **out, struct nbx_store *store,
                                struct nbx_fault *fault)
{
    struct nbx_forgotten_entries held;
    *out = NULL;
    if (store->read_only)
        return NBX_OK;
    enum nbx_err err = nbx_forgotten_read(&held, store->dir, fault);
    bool has_file = !err;
    if (err && err != NBX_ENOTFOUND)
        return err;
    struct nbx_forgotten *list = calloc(1, sizeof *list);
    if (!list)
        err = nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    else if (!(err = agree(&held, has_file, store, fault)) &&
             !(err = open_to_append(&list->fd, store->dir, &held, fault))) {
        memcpy(list->salt, held.salt, sizeof list->salt);
        pthread_mutex_init(&list->lock, NULL);
        *out = list;
        list = NULL;
    }
    free(list);
    free(held.p);
    return err;
}

void nbx_forgotten_close(struct nbx_forgotten **list)
{
    if (!list || !*list)
        return;
    close((*list)->fd);
    pthread_mutex_destroy(&(*list)->lock);
    free(*list);
    *list = NULL;
}

void nbx_forgotten_hash(const struct nbx_forgotten *list, struct nbx_str customer,
                        uint8_t out[NBX_FORGOTTEN_HASH_BYTES])
{
    nbx_keyed_hash128(list->salt, customer.p, customer.len, out);
}

enum nbx_err nbx_forgotten_note(struct nbx_forgotten *list, const struct nbx_forgotten_entry *entry)
{
    pthread_mutex_lock(&list->lock);
    enum nbx_err err = append(list->fd, entry);
    atomic_store(&list->unsynced, true);
    pthread_mutex_unlock(&list->lock);
    return err;
}

enum nbx_err nbx_forgotten_sync(struct nbx_forgotten *list)
{
    if (!atomic_exchange(&list->unsynced, false))
        return NBX_OK;
    return fsync(list->fd) ? NBX_ESTORAGE : NBX_OK;
}
