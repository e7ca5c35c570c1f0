/* SPDX-License-Identifier: MIT
 * Who was forgotten: the list of them can be read, and the files are rid of them in time.
 */
#include "engine/care/doctor_internal.h"
#include "engine/store/forgotten.h"
#include "engine/store/key.h"
#include "engine/store/record.h"

#include <stdlib.h>

#define ARENA_BYTES 65536
#define LATE_MS     600000 /* a daemon needs a minute */

struct forgotten {
    size_t all, pending;
    int64_t oldest_ms; /* of those pending */
};

static enum nbx_err look(struct forgotten *out, struct nbx_str key, const struct nbx_stored *stored,
                         struct nbx_arena *arena)
{
    struct nbx_forgotten_record r;
    uint8_t hash[NBX_FORGOTTEN_HASH_BYTES];
    int64_t time_ms = 0;
    enum nbx_err err = nbx_forgotten_record_decode(&r, stored, arena);
    nbx_arena_reset(arena);
    if (!err && !nbx_key_forgotten_parse(key, hash, &time_ms))
        err = NBX_ECORRUPT;
    if (err)
        return err;
    out->all++;
    if (!r.erased_ms && (!out->pending++ || time_ms < out->oldest_ms))
        out->oldest_ms = time_ms;
    return NBX_OK;
}

static enum nbx_err count(struct forgotten *out, const struct nbx_store *store)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    struct nbx_arena *arena = nbx_arena_new(ARENA_BYTES);
    enum nbx_err err =
        arena ? nbx_cursor_open(&cursor, store, NBX_FAMILY_FORGOTTEN, all, all, false) : NBX_ELIMIT;
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored)))
        err = look(out, key, &stored, arena);
    nbx_cursor_close(&cursor);
    nbx_arena_destroy(&arena);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static void say_unread(struct nbx_doctor__exam *exam, struct nbx_doctor_check *check,
                       enum nbx_err err, const char *why)
{
    bool damaged = err == NBX_ECORRUPT || err == NBX_EVERSION;
    nbx_doctor__say(check, damaged ? NBX_DOCTOR_DAMAGED : NBX_DOCTOR_WRONG,
                    "who was forgotten cannot be read: %s", why);
    nbx_doctor__advise(check, "nbx verify%s; then nbx restore BACKUP", exam->with_config);
}

void nbx_doctor__forgotten(struct nbx_doctor__exam *exam, const struct nbx_store *store)
{
    struct nbx_fault fault = {0};
    struct forgotten forgotten = {0};
    struct nbx_forgotten_entries list = {0};
    struct nbx_doctor_check *check = nbx_doctor__check(exam, "forgets");
    enum nbx_err err = nbx_forgotten_read(&list, exam->dir, &fault);
    free(list.p);
    if (err && err != NBX_ENOTFOUND) {
        say_unread(exam, check, err, fault.message);
        check->since_ms = nbx_doctor__changed_ms(exam->dir, NBX_FORGOTTEN_NAME);
    } else if ((err = count(&forgotten, store))) {
        say_unread(exam, check, err, nbx_err_status(err));
    } else if (forgotten.pending && exam->options->now_ms - forgotten.oldest_ms > LATE_MS) {
        nbx_doctor__say(check, NBX_DOCTOR_WARN,
                        "of %zu forgotten, the files are not rid of %zu yet", forgotten.all,
                        forgotten.pending);
        check->since_ms = forgotten.oldest_ms;
        nbx_doctor__advise(check,
                           exam->daemon.holder
                               ? "the daemon's log, at erase=later, then nbx doctor%s"
                               : "nbxd%s, which does it within a minute; nbx verify --forgotten",
                           exam->with_config);
    } else {
        nbx_doctor__say(check, NBX_DOCTOR_OK, "%zu forgotten, %zu of them just now", forgotten.all,
                        forgotten.pending);
    }
}
