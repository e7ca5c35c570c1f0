/* SPDX-License-Identifier: MIT
 * What the store's tests share: a folder of their own, a store in it, short writes and reads.
 *
 * Owns:    the folder, removed by fixture_end.
 * Threads: one.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TEST_STORE_FIXTURE_H
#define NBX_TEST_STORE_FIXTURE_H

#include "engine/store/key.h"
#include "engine/store/record.h"
#include "engine/store/store_internal.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture {
    char root[64], dir[80]; /* dir is root/data, made by the store */
    struct nbx_store_options options;
    struct nbx_store *store;
    struct nbx_batch *batch;
    struct nbx_arena *arena;
};

static inline void fixture_open(struct fixture *f)
{
    struct nbx_fault fault = {0};
    cr_assert_eq(nbx_store_open(&f->store, &f->options, &fault), NBX_OK, "%s", fault.message);
}

static inline void fixture_reopen(struct fixture *f)
{
    nbx_store_close(&f->store);
    fixture_open(f);
}

static inline void fixture_folder(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    snprintf(f->root, sizeof f->root, "%s/nbx-store-XXXXXX", P_tmpdir);
    cr_assert_not_null(mkdtemp(f->root));
    snprintf(f->dir, sizeof f->dir, "%s/data", f->root);
    f->options = (struct nbx_store_options){.dir = f->dir,
                                            .cache_bytes = 4u << 20,
                                            .write_buffer_bytes = 4u << 20,
                                            .event_retention_ms = INT64_C(400) * 86400000,
                                            .decision_retention_ms = INT64_C(30) * 86400000};
    f->batch = nbx_batch_new();
    f->arena = nbx_arena_new(64u << 20);
    cr_assert(f->batch && f->arena);
}

static inline void fixture_begin(struct fixture *f)
{
    fixture_folder(f);
    fixture_open(f);
}

static inline int fixture_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static inline void fixture_end(struct fixture *f)
{
    nbx_store_close(&f->store);
    nbx_batch_destroy(&f->batch);
    nbx_arena_destroy(&f->arena);
    nftw(f->root, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static inline void fixture_write(struct fixture *f)
{
    cr_assert_eq(nbx_store_write(f->store, f->batch), NBX_OK);
    nbx_batch_clear(f->batch);
}

static inline void fixture_put(struct fixture *f, enum nbx_family family, const char *key,
                               const char *value)
{
    nbx_batch_put(f->batch, family, nbx_str_c(key), 1, nbx_str_c(value));
    fixture_write(f);
}

/* The payload under key as text in the arena, or NULL where there is none. */
static inline const char *fixture_get(struct fixture *f, enum nbx_family family, const char *key)
{
    struct nbx_stored stored;
    enum nbx_err err = nbx_store_get(f->store, family, nbx_str_c(key), f->arena, &stored);
    cr_assert(err == NBX_OK || err == NBX_ENOTFOUND, "get answers %d", err);
    return err ? NULL : stored.payload.p;
}

static inline void fixture_is(struct fixture *f, enum nbx_family family, const char *key,
                              const char *value)
{
    const char *got = fixture_get(f, family, key);
    cr_assert_not_null(got, "%s is missing", key);
    cr_assert_str_eq(got, value);
}

#endif
