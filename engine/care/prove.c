/* SPDX-License-Identifier: MIT */
#include "engine/care/prove.h"

#include "engine/base/hash.h"
#include "engine/care/erase.h"
#include "engine/care/files.h"
#include "engine/store/forgotten.h"
#include "engine/store/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRATCH_BYTES 65536
#define CHUNK_BYTES   ((size_t)1 << 20)
#define ID_BYTES      255 /* of the longest: what two chunks share */

struct proof {
    struct nbx_proved *out;
    const struct nbx_store *store;
    const struct nbx_prove_options *options;
    struct nbx_fault *fault;
    struct nbx_arena *arena;
    char *chunk; /* (ID_BYTES + CHUNK_BYTES) */
};

static void found(struct proof *p, const char *fmt, ...) NBX_PRINTF(2, 3);

static void found(struct proof *p, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    p->out->findings++;
    p->options->found(p->options->ctx, line);
}

/* by number */

static enum nbx_err look_at_number(struct proof *p, const struct nbx_forgotten_record *r)
{
    struct nbx_erase_ranges ranges;
    enum nbx_err err = NBX_OK;
    nbx_erase_ranges_of(&ranges, r->number);
    for (size_t i = 0; !err && i < ranges.n; i++) {
        const char *family = nbx_family_name(ranges.p[i].family);
        if (nbx_family_is_personal(ranges.p[i].family) &&
            nbx_erase_has_record(p->store, &ranges.p[i], &err))
            found(p, "%s: a record of forgotten customer %016llx is there", family,
                  (unsigned long long)r->number);
        if (r->erased_ms && !nbx_store_is_erased(p->store, &ranges.p[i], r->before_file))
            found(p, "%s: a table from before customer %016llx was erased is there", family,
                  (unsigned long long)r->number);
    }
    return err;
}

static enum nbx_err look_at_numbers(struct proof *p)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    struct nbx_forgotten_record r;
    enum nbx_err err = nbx_cursor_open(&cursor, p->store, NBX_FAMILY_FORGOTTEN, all, all, false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        nbx_arena_reset(p->arena);
        if ((err = nbx_forgotten_record_decode(&r, &stored, p->arena)))
            break;
        p->out->customers++;
        p->out->pending += !r.erased_ms;
        if (!r.erased_ms)
            found(p, "forgotten customer %016llx is not yet out of the files",
                  (unsigned long long)r.number);
        if (r.number)
            err = look_at_number(p, &r);
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

/* by id */

static bool is_listed(const struct nbx_forgotten_entries *list, struct nbx_str id)
{
    uint8_t hash[NBX_FORGOTTEN_HASH_BYTES];
    nbx_keyed_hash128(list->salt, id.p, id.len, hash);
    for (size_t i = 0; i < list->n; i++)
        if (memcmp(list->p[i].hash, hash, sizeof hash) == 0)
            return true;
    return false;
}

static enum nbx_err look_in_list(struct proof *p)
{
    struct nbx_forgotten_entries list;
    enum nbx_err err = nbx_forgotten_read(&list, nbx_store_dir(p->store), p->fault);
    if (err && err != NBX_ENOTFOUND)
        return err;
    for (size_t i = 0; i < p->options->n_ids; i++)
        if (!is_listed(&list, p->options->ids[i]))
            found(p, "%.*s is not in the list of who was forgotten",
                  NBX_STR_ARG(p->options->ids[i]));
    free(list.p);
    return NBX_OK;
}

static void look_in_bytes(struct proof *p, const char *name, size_t n, bool *told)
{
    for (size_t i = 0; i < p->options->n_ids; i++) {
        struct nbx_str id = p->options->ids[i];
        if (told[i] || !memmem(p->chunk, n, id.p, id.len))
            continue;
        told[i] = true;
        found(p, "%s holds the bytes %.*s", name, NBX_STR_ARG(id));
    }
}

/* Each chunk begins with the end of the one before. A file that is gone by now holds nothing. */
static enum nbx_err look_in_file(struct proof *p, int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
    bool *told = calloc(p->options->n_ids + 1, sizeof *told);
    ssize_t n = fd >= 0 && told ? 1 : 0;
    size_t kept = 0;
    while (n > 0) {
        n = read(fd, p->chunk + kept, CHUNK_BYTES);
        size_t all = kept + (n > 0 ? (size_t)n : 0);
        look_in_bytes(p, name, all, told);
        kept = all < ID_BYTES ? all : ID_BYTES;
        memmove(p->chunk, p->chunk + all - kept, kept);
    }
    bool failed = n < 0 || !told || (fd < 0 && errno != ENOENT);
    free(told);
    if (fd >= 0)
        close(fd);
    p->out->files++;
    return failed ? nbx_fault_set(p->fault, NBX_ESTORAGE, NULL, "cannot read %s", name) : NBX_OK;
}

static enum nbx_err look_in_files(struct proof *p)
{
    DIR *dir = opendir(nbx_store_dir(p->store));
    enum nbx_err err = NBX_OK;
    if (!dir)
        return nbx_care__refuse("open", nbx_store_dir(p->store), p->fault);
    for (struct dirent *e; !err && (e = readdir(dir));)
        if (e->d_type != DT_DIR)
            err = look_in_file(p, dirfd(dir), e->d_name);
    closedir(dir);
    return err;
}

enum nbx_err nbx_prove_forgotten(struct nbx_proved *out, const struct nbx_store *store,
                                 const struct nbx_prove_options *options, struct nbx_fault *fault)
{
    *out = (struct nbx_proved){0};
    struct proof p = {.out = out,
                      .store = store,
                      .options = options,
                      .fault = fault,
                      .arena = nbx_arena_new(SCRATCH_BYTES),
                      .chunk = malloc(ID_BYTES + CHUNK_BYTES)};
    enum nbx_err err = p.arena && p.chunk ? look_at_numbers(&p) : NBX_ELIMIT;
    if (!err && options->n_ids && !(err = look_in_list(&p)))
        err = look_in_files(&p);
    nbx_arena_destroy(&p.arena);
    free(p.chunk);
    if (err && !fault->code)
        nbx_fault_set(fault, err, NULL, "%s could not be looked through: %s", nbx_store_dir(store),
                      nbx_err_status(err));
    return err;
}
