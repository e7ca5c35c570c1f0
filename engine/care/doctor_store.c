/* SPDX-License-Identifier: MIT
 * The database of a folder, opened read-only.
 */
#include "engine/care/doctor_internal.h"
#include "engine/store/key.h"
#include "engine/store/log_record.h"
#include "engine/store/record.h"

#include <stdio.h>

#define CACHE_BYTES ((size_t)16 << 20)
#define ARENA_BYTES ((size_t)1 << 30) /* at most: an entry of the log */
#define TRIES       5                 /* while a daemon moves files about */
#define MIB(bytes)  ((unsigned long long)(bytes) >> 20)

static enum nbx_err open_to_look(struct nbx_store **out, const struct nbx_doctor__exam *exam,
                                 struct nbx_fault *fault)
{
    struct nbx_store_options options = *exam->options->store;
    options.read_only = true;
    options.cache_bytes = CACHE_BYTES;
    enum nbx_err err = nbx_store_open(out, &options, fault);
    for (int i = 1; err && exam->daemon.holder && i < TRIES; i++)
        err = nbx_store_open(out, &options, fault);
    return err;
}

/* It was whole when it was last synced. */
static void say_unopened(struct nbx_doctor__exam *exam, struct nbx_doctor_check *check,
                         enum nbx_err err, const struct nbx_fault *fault)
{
    bool damaged = err == NBX_ECORRUPT || err == NBX_EVERSION;
    nbx_doctor__say(check, damaged ? NBX_DOCTOR_DAMAGED : NBX_DOCTOR_WRONG, "%s", fault->message);
    check->since_ms = nbx_doctor__changed_ms(exam->dir, "acknowledged");
    if (err == NBX_EVERSION)
        nbx_doctor__advise(check, "nbxd --version; install the newer one that wrote it");
    else if (damaged)
        nbx_doctor__advise(check, "mv %s %s.damaged; nbx restore BACKUP%s", exam->dir, exam->dir,
                           exam->with_config);
    else
        nbx_doctor__advise(check, "ls -l %s", exam->dir);
}

void nbx_doctor__history(struct nbx_doctor__exam *exam, const struct nbx_store_health *health)
{
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "history");
    unsigned long long changes = health->changes, acknowledged = health->acknowledged;
    if (!health->says_acknowledged) {
        nbx_doctor__say(check, NBX_DOCTOR_WARN,
                        "ends at change %llu; the file `acknowledged`, which tells whether that "
                        "is all, is not there",
                        changes);
        nbx_doctor__advise(check, "nbx verify%s; the next start makes the file", exam->with_config);
    } else if (health->torn) {
        nbx_doctor__say(check, NBX_DOCTOR_WARN,
                        "ends at change %llu, %llu were synced; what follows was torn by a cut, "
                        "and the next start drops it",
                        changes, acknowledged);
        check->since_ms = nbx_doctor__changed_ms(exam->dir, "acknowledged");
        nbx_doctor__advise(check, "nbxd%s", exam->with_config);
    } else {
        nbx_doctor__say(check, NBX_DOCTOR_OK, "ends at change %llu, %llu were synced", changes,
                        acknowledged);
    }
}

void nbx_doctor__files(struct nbx_doctor__exam *exam, const struct nbx_store_health *health)
{
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "files");
    bool behind = health->log_bytes > 4 * health->log_want;
    nbx_doctor__say(check, behind ? NBX_DOCTOR_WARN : NBX_DOCTOR_OK,
                    "%llu tables of %llu MiB, %llu logs of %llu MiB%s",
                    (unsigned long long)health->tables, MIB(health->table_bytes),
                    (unsigned long long)health->logs, MIB(health->log_bytes),
                    behind ? ", which are not being written to tables" : "");
    if (behind)
        nbx_doctor__advise(check, "df %s; iostat -x 1: the disk is full or too slow", exam->dir);
}

/* The number of the last command in the log of a stream; 0 where there is none. */
static enum nbx_err read_logged(const struct nbx_store *store, uint16_t stream,
                                struct nbx_arena *arena, uint64_t *out)
{
    struct nbx_key from = nbx_key_log(stream, 0), to = nbx_key_log((uint16_t)(stream + 1), 0);
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    struct nbx_log_record r = {.n = 1};
    uint16_t of;
    *out = 0;
    enum nbx_err err =
        nbx_cursor_open(&cursor, store, NBX_FAMILY_LOG, nbx_key_str(&from), nbx_key_str(&to), true);
    if (!err)
        err = nbx_cursor_next(cursor, &key, &stored);
    if (!err && !nbx_key_log_parse(key, &of, out))
        err = NBX_ECORRUPT;
    if (!err && !(err = nbx_log_record_decode(&r, &stored, arena)))
        *out += r.n - 1;
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

struct streams {
    uint64_t commands; /* in the log */
    int empty;         /* a stream with commands and without a log; -1: none */
};

/* Compares one stream; false where something was said of it. */
static bool is_like(struct nbx_doctor_check *check, const struct nbx_store *store, uint16_t stream,
                    struct nbx_arena *arena, struct streams *all)
{
    uint64_t last = 0, logged = 0;
    enum nbx_err err = nbx_log_head(store, stream, arena, &last);
    if (!err)
        err = read_logged(store, stream, arena, &logged);
    nbx_arena_reset(arena);
    all->commands += logged;
    if (err)
        nbx_doctor__say(check,
                        err == NBX_ECORRUPT || err == NBX_EVERSION ? NBX_DOCTOR_DAMAGED
                                                                   : NBX_DOCTOR_WRONG,
                        "the end of stream %u cannot be read: %s", stream, nbx_err_status(err));
    else if (logged && logged != last)
        nbx_doctor__say(check, NBX_DOCTOR_DAMAGED,
                        "stream %u ends at command %llu, but %llu were given", stream,
                        (unsigned long long)logged, (unsigned long long)last);
    else if (!logged && last)
        all->empty = stream;
    return !err && (!logged || logged == last);
}

/* A folder of an older program has no log at all yet. */
void nbx_doctor__log(struct nbx_doctor__exam *exam, const struct nbx_store *store)
{
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "log");
    struct nbx_arena *arena = nbx_arena_new(ARENA_BYTES);
    struct streams all = {.empty = -1};
    bool alike = true;
    for (uint16_t s = 0; arena && alike && s < NBX_N_STREAMS; s++)
        alike = is_like(check, store, s, arena, &all);
    if (!arena)
        nbx_doctor__say(check, NBX_DOCTOR_WARN, "no memory to look at it");
    else if (alike && all.commands && all.empty >= 0)
        nbx_doctor__say(check, NBX_DOCTOR_DAMAGED, "nothing is left of stream %d", all.empty);
    else if (alike)
        nbx_doctor__say(check, NBX_DOCTOR_OK, "%llu commands%s", (unsigned long long)all.commands,
                        all.empty >= 0 ? "; it begins with the next one" : ", all that were given");
    if (check->verdict)
        nbx_doctor__advise(check, "nbx verify%s; then nbx restore BACKUP", exam->with_config);
    nbx_arena_destroy(&arena);
}

void nbx_doctor__store(struct nbx_doctor__exam *exam)
{
    struct nbx_fault fault = {0};
    struct nbx_store *store = NULL;
    struct nbx_store_health health;
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "database");
    enum nbx_err err = open_to_look(&store, exam, &fault);
    if (err) {
        say_unopened(exam, check, err, &fault);
        return;
    }
    nbx_store_get_health(store, &health);
    nbx_doctor__say(check, NBX_DOCTOR_OK, "opens, format %llu", (unsigned long long)health.format);
    nbx_doctor__history(exam, &health);
    nbx_doctor__log(exam, store);
    nbx_doctor__forgotten(exam, store);
    nbx_doctor__models(exam, store);
    nbx_doctor__files(exam, &health);
    nbx_store_close(&store);
}
