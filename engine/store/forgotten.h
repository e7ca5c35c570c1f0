/* SPDX-License-Identifier: MIT
 * The file `forgotten` beside the database: who was forgotten, as salted hashes.
 *
 * Why:     a backup from before knows them still. With this file beside it, restored, it forgets
 *          them again before anybody is answered.
 * Owns:    the open file.
 * Threads: note and sync any; the rest one.
 * Errors:  NBX_ESTORAGE: the disk; NBX_ECORRUPT: a line that is followed by others is damaged;
 *          NBX_ECONFLICT: the file is of another folder. *fault names the file.
 */
#ifndef NBX_STORE_FORGOTTEN_H
#define NBX_STORE_FORGOTTEN_H

#include "engine/store/store.h"

#define NBX_FORGOTTEN_NAME       "forgotten"
#define NBX_FORGOTTEN_HASH_BYTES 16

struct nbx_forgotten_entry {
    uint8_t hash[NBX_FORGOTTEN_HASH_BYTES]; /* of the customer id, keyed with the folder's salt */
    int64_t time_ms;                        /* when; of one hash every time is another */
};
/* What a file says. */
struct nbx_forgotten_entries {
    uint8_t salt[NBX_FORGOTTEN_HASH_BYTES];
    struct nbx_forgotten_entry *p; /* (n) of (room), malloc'ed */
    size_t n, room;
};

/* The folder's file; NBX_ENOTFOUND where there is none. To be freed with free(out->p). */
enum nbx_err nbx_forgotten_read(struct nbx_forgotten_entries *out, const char *dir,
                                struct nbx_fault *fault);
/* Adds to the file of the folder `to` what that of `from` has more, or makes it, and syncs it.
 * Nothing where `from` has none. */
enum nbx_err nbx_forgotten_merge(const char *to, const char *from, struct nbx_fault *fault);

struct nbx_forgotten;
/* The store's own, made where missing. The salt is the database's, else the file's, else a new one,
 * and is in both afterwards. NULL where the store is opened read-only: nobody is forgotten there.
 */
enum nbx_err nbx_forgotten_open(struct nbx_forgotten **out, struct nbx_store *store,
                                struct nbx_fault *fault);
void nbx_forgotten_close(struct nbx_forgotten **list);
void nbx_forgotten_hash(const struct nbx_forgotten *list, struct nbx_str customer,
                        uint8_t out[NBX_FORGOTTEN_HASH_BYTES]);
/* Appends; on the disk only after the next sync. */
enum nbx_err nbx_forgotten_note(struct nbx_forgotten *list,
                                const struct nbx_forgotten_entry *entry);
/* What was appended before the call is on the disk. An error is final, as nbx_store_sync's. */
enum nbx_err nbx_forgotten_sync(struct nbx_forgotten *list);

#endif
