/* SPDX-License-Identifier: MIT */
#include "engine/catalog/ids.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/catalog/words.h"
#include "engine/store/key.h"
#include "engine/store/record.h"

#include <pthread.h>
#include <stdlib.h>

#define ITEM_ID_RECORD 1 /* of nbx_record_u64_put */

/* Numbers are the codes of the words. The mutex keeps those who add in line while the store is
 * written; those who look up never wait for the store. */
struct nbx_ids {
    struct nbx_words *words;
    struct nbx_store *store;
    struct nbx_batch *batch;
    pthread_mutex_t adding;
};

/* The store hands ids out in byte order; they must be added in the order of their numbers. */
struct numbered {
    uint32_t number, len;
    uint64_t at;
};

static int by_number(const void *a, const void *b)
{
    uint32_t x = ((const struct numbered *)a)->number, y = ((const struct numbered *)b)->number;
    return (x > y) - (x < y);
}

/* texts: the ids, packed; list: their places in it. */
static enum nbx_err read_all(const struct nbx_store *store, struct nbx_buf *texts,
                             struct nbx_buf *list)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str from = {0}, id;
    struct nbx_stored stored;
    enum nbx_err err = nbx_cursor_open(&cursor, store, NBX_FAMILY_ITEM_IDS, from, from, false);
    while (!err && !(err = nbx_cursor_next(cursor, &id, &stored))) {
        struct nbx_reader r = nbx_reader_of(stored.payload.p, stored.payload.len);
        uint64_t number = nbx_read_u64le(&r);
        struct numbered n = {(uint32_t)number, id.len, texts->len};
        if (stored.version > ITEM_ID_RECORD)
            err = NBX_EVERSION;
        else if (r.failed || r.p != r.end || number > UINT32_MAX)
            err = NBX_ECORRUPT;
        nbx_buf_put(texts, id.p, id.len);
        nbx_buf_put(list, &n, sizeof n);
    }
    nbx_cursor_close(&cursor);
    if (err != NBX_ENOTFOUND)
        return err;
    return texts->failed || list->failed ? NBX_ELIMIT : NBX_OK;
}

static enum nbx_err add_next(struct nbx_words *words, struct nbx_str id, uint32_t expected)
{
    uint32_t number;
    enum nbx_err err = nbx_words_add(words, id, &number);
    if (err || number == expected)
        return err;
    nbx_log_errorx("what=item_ids number=%u expected=%u", expected, number);
    return NBX_ECORRUPT;
}

static enum nbx_err add_all(struct nbx_words *words, const struct nbx_buf *texts,
                            struct nbx_buf *list)
{
    struct numbered *n = (struct numbered *)list->p;
    size_t count = list->len / sizeof *n;
    if (count)
        qsort(n, count, sizeof *n, by_number);
    enum nbx_err err = NBX_OK;
    for (size_t i = 0; !err && i < count; i++) {
        struct nbx_str id = {(const char *)texts->p + n[i].at, n[i].len};
        err = add_next(words, id, n[i].number);
    }
    return err;
}

enum nbx_err nbx_ids_load(struct nbx_ids **out, struct nbx_store *store, struct nbx_budget *budget)
{
    *out = NULL;
    struct nbx_buf texts = {0}, list = {0};
    struct nbx_ids *ids = calloc(1, sizeof *ids);
    if (!ids)
        return NBX_ELIMIT;
    NBX_ASSERT(pthread_mutex_init(&ids->adding, NULL) == 0);
    ids->store = store;
    ids->batch = nbx_batch_new();
    enum nbx_err err = ids->batch ? nbx_words_new(&ids->words, budget) : NBX_ELIMIT;
    if (!err)
        err = read_all(store, &texts, &list);
    if (!err)
        err = add_all(ids->words, &texts, &list);
    nbx_buf_fini(&texts);
    nbx_buf_fini(&list);
    if (err)
        nbx_ids_destroy(&ids);
    *out = ids;
    return err;
}

void nbx_ids_destroy(struct nbx_ids **ids)
{
    if (!ids || !*ids)
        return;
    nbx_words_destroy(&(*ids)->words);
    nbx_batch_destroy(&(*ids)->batch);
    pthread_mutex_destroy(&(*ids)->adding);
    free(*ids);
    *ids = NULL;
}

uint32_t nbx_ids_find(const struct nbx_ids *ids, struct nbx_str id)
{
    return nbx_words_find(ids->words, id);
}

/* Stored first, then known: nobody may write a record that names a number the store lacks. */
static enum nbx_err add(struct nbx_ids *ids, struct nbx_str id, uint32_t *out)
{
    enum nbx_err err = nbx_words_reserve(ids->words, id.len);
    if (err)
        return err;
    uint32_t number = nbx_words_end(ids->words);
    struct nbx_key key = nbx_key_item_id(id);
    nbx_batch_clear(ids->batch);
    nbx_record_u64_put(ids->batch, NBX_FAMILY_ITEM_IDS, nbx_key_str(&key), number);
    err = nbx_store_write(ids->store, ids->batch);
    if (err)
        return err;
    NBX_ASSERT(nbx_words_add(ids->words, id, out) == NBX_OK && *out == number);
    return NBX_OK;
}

enum nbx_err nbx_ids_intern(struct nbx_ids *ids, struct nbx_str id, uint32_t *out)
{
    *out = nbx_words_find(ids->words, id);
    if (*out)
        return NBX_OK;
    pthread_mutex_lock(&ids->adding);
    *out = nbx_words_find(ids->words, id);
    enum nbx_err err = *out ? NBX_OK : add(ids, id, out);
    pthread_mutex_unlock(&ids->adding);
    return err;
}

struct nbx_str nbx_ids_name(const struct nbx_ids *ids, uint32_t item_no)
{
    return nbx_words_text(ids->words, item_no);
}

void nbx_ids_expect(const struct nbx_ids *ids, const uint32_t *item_nos, size_t n)
{
    nbx_words_expect(ids->words, item_nos, n);
}

uint32_t nbx_ids_end(const struct nbx_ids *ids)
{
    return nbx_words_end(ids->words);
}
