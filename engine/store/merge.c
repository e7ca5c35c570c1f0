/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include <stdlib.h>

/* Counts are added modulo 2^64, so that any grouping of the same additions gives the same sum. */
struct sum {
    uint64_t total;
    struct nbx_str damaged; /* the first operand that fails its checksum; NULL where none does */
    bool unknown;           /* an operand of a newer version */
};

static void add(struct sum *s, const char *p, size_t n)
{
    int64_t v = 0;
    struct nbx_str frame = {p, (uint32_t)n};
    enum nbx_err err = nbx_store__count_unframe(&v, frame);
    if (err == NBX_EVERSION)
        s->unknown = true;
    else if (err && !s->damaged.p)
        s->damaged = frame;
    s->total += (uint64_t)v;
}

static void add_all(struct sum *s, const char *const *operands, const size_t *lengths, int n)
{
    for (int i = 0; i < n; i++)
        add(s, operands[i], lengths[i]);
}

static char *refuse(unsigned char *success, size_t *n)
{
    *success = 0;
    *n = 0;
    return NULL;
}

/* The bytes handed to RocksDB, which gives them back to free_value. */
static char *answer(const void *p, size_t len, unsigned char *success, size_t *n)
{
    char *copy = malloc(len);
    if (!copy)
        return refuse(success, n);
    memcpy(copy, p, len);
    *success = 1;
    *n = len;
    return copy;
}

static char *answer_total(const struct sum *s, unsigned char *success, size_t *n)
{
    struct nbx_buf frame = {0};
    nbx_store__count_frame(&frame, (int64_t)s->total);
    char *out = frame.failed ? refuse(success, n) : answer(frame.p, frame.len, success, n);
    nbx_buf_fini(&frame);
    return out;
}

/* A failed merge would stop every compaction of the database, so a damaged operand becomes the
 * result: its checksum still fails, and only this key is lost. */
/* NOLINTNEXTLINE(readability-function-size): the parameters are RocksDB's. */
static char *full_merge(void *state, const char *key, size_t key_len, const char *existing,
                        size_t existing_len, const char *const *operands, const size_t *lengths,
                        int n_operands, unsigned char *success, size_t *n)
{
    (void)state, (void)key, (void)key_len;
    struct sum s = {0};
    if (existing)
        add(&s, existing, existing_len);
    add_all(&s, operands, lengths, n_operands);
    if (s.unknown)
        return refuse(success, n);
    return s.damaged.p ? answer(s.damaged.p, s.damaged.len, success, n)
                       : answer_total(&s, success, n);
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are RocksDB's. */
static char *partial_merge(void *state, const char *key, size_t key_len,
                           const char *const *operands, const size_t *lengths, int n_operands,
                           unsigned char *success, size_t *n)
{
    (void)state, (void)key, (void)key_len;
    struct sum s = {0};
    add_all(&s, operands, lengths, n_operands);
    return s.unknown || s.damaged.p ? refuse(success, n) : answer_total(&s, success, n);
}

static void free_value(void *state, const char *value, size_t n)
{
    (void)state, (void)n;
    free((void *)value);
}

static void no_state(void *state)
{
    (void)state;
}

static const char *name(void *state)
{
    (void)state;
    return "nbx.add"; /* stored in the folder: never changed */
}

rocksdb_mergeoperator_t *nbx_store__adder(void)
{
    return rocksdb_mergeoperator_create(NULL, no_state, full_merge, partial_merge, free_value,
                                        name);
}
