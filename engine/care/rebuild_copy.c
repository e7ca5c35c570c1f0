/* SPDX-License-Identifier: MIT */
#include "engine/care/files.h"
#include "engine/care/rebuild_internal.h"
#include "engine/store/forgotten.h"

#define BATCH_RECORDS 1000

static enum nbx_err flush(struct nbx_rebuilding *r, size_t at_least)
{
    if (nbx_batch_count(r->batch) < at_least)
        return NBX_OK;
    enum nbx_err err = nbx_store_write(r->to, r->batch);
    nbx_batch_clear(r->batch);
    return err;
}

typedef bool wanted_fn(struct nbx_rebuilding *r, struct nbx_str key,
                       const struct nbx_stored *stored);

/* Records in [from, to) that are wanted; NULL: all. */
struct copying {
    enum nbx_family family;
    struct nbx_str from, to;
    wanted_fn *wanted;
};

static void put(struct nbx_rebuilding *r, enum nbx_family family, struct nbx_str key,
                const struct nbx_stored *stored)
{
    if (family == NBX_FAMILY_TRENDS)
        nbx_batch_add(r->batch, key, nbx_stored_count(stored));
    else
        nbx_batch_put(r->batch, family, key, stored->version, stored->payload);
}

static enum nbx_err copy(struct nbx_rebuilding *r, const struct copying *what)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    enum nbx_err err = nbx_cursor_open(&cursor, r->from, what->family, what->from, what->to, false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        nbx_arena_reset(r->arena);
        if (!what->wanted || what->wanted(r, key, &stored))
            put(r, what->family, key, &stored);
        err = flush(r, BATCH_RECORDS);
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? flush(r, 1) : err;
}

enum nbx_err nbx_rebuild__copy(struct nbx_rebuilding *r, enum nbx_family family)
{
    return copy(r, &(struct copying){.family = family});
}

static bool counts_commands(struct nbx_str key)
{
    static const char *const names[] = {NBX_META_SEQ, NBX_META_SERIAL};
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(names[i]);
        if (key.len == n + 2 && memcmp(key.p, names[i], n + 1) == 0)
            return true;
    }
    return nbx_str_is(key, NBX_META_CATALOGUE_SEQ);
}

static bool is_counter(struct nbx_rebuilding *r, struct nbx_str key,
                       const struct nbx_stored *stored)
{
    (void)r, (void)stored;
    return counts_commands(key);
}

static bool is_no_counter(struct nbx_rebuilding *r, struct nbx_str key,
                          const struct nbx_stored *stored)
{
    (void)r, (void)stored;
    return !counts_commands(key);
}

enum nbx_err nbx_rebuild__copy_meta(struct nbx_rebuilding *r, bool counters)
{
    return copy(r, &(struct copying){.family = NBX_FAMILY_META,
                                     .wanted = counters ? is_counter : is_no_counter});
}

bool nbx_rebuild__is_as_stored(const struct nbx_rebuilding *r, uint64_t number)
{
    uint64_t serial = NBX_CUSTOMER_SERIAL(number);
    uint8_t group = NBX_CUSTOMER_GROUP(number);
    if (!serial)
        return r->out->nobodys_as_stored;
    return serial < r->groups[group].n && r->groups[group].as_stored[serial];
}

static bool key_is_as_stored(struct nbx_rebuilding *r, struct nbx_str key,
                             const struct nbx_stored *stored)
{
    uint64_t number;
    (void)stored;
    return nbx_key_number_parse(key, &number) && nbx_rebuild__is_as_stored(r, number);
}

static bool due_as_stored(struct nbx_rebuilding *r, struct nbx_str key,
                          const struct nbx_stored *stored)
{
    uint64_t number;
    int64_t time_ms;
    uint8_t id_hash[16];
    (void)stored;
    return nbx_key_due_parse(key, &number, &time_ms, id_hash) &&
           nbx_rebuild__is_as_stored(r, number);
}

static bool names_as_stored(struct nbx_rebuilding *r, struct nbx_str key,
                            const struct nbx_stored *stored)
{
    struct nbx_identity_record identity;
    (void)key;
    return nbx_identity_record_decode(&identity, stored, r->arena) == NBX_OK &&
           nbx_rebuild__is_as_stored(r, identity.number);
}

/* What was derived of the customer goes. */
static enum nbx_err drop(struct nbx_rebuilding *r, uint64_t number)
{
    struct nbx_key from = nbx_key_customer(number), to = nbx_key_customer_end(number);
    for (int f = 0; f < NBX_N_FAMILIES; f++)
        if (nbx_family_is_personal((enum nbx_family)f))
            nbx_batch_delete_range(r->batch, (enum nbx_family)f, nbx_key_str(&from),
                                   nbx_key_str(&to));
    r->out->as_stored++;
    return flush(r, BATCH_RECORDS);
}

/* Only those of whom something is there; of numbers that nobody has there is nothing to take. */
static enum nbx_err drop_all(struct nbx_rebuilding *r)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    struct nbx_identity_record identity;
    enum nbx_err err = nbx_cursor_open(&cursor, r->from, NBX_FAMILY_IDENTITIES, all, all, false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        nbx_arena_reset(r->arena);
        err = nbx_identity_record_decode(&identity, &stored, r->arena);
        if (!err && nbx_rebuild__is_as_stored(r, identity.number))
            err = drop(r, identity.number);
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? flush(r, 1) : err;
}

static enum nbx_err copy_customers(struct nbx_rebuilding *r)
{
    enum nbx_err err = drop_all(r);
    if (err || (r->out->as_stored == 0 && !r->out->nobodys_as_stored))
        return err;
    err = copy(r, &(struct copying){.family = NBX_FAMILY_IDENTITIES, .wanted = names_as_stored});
    for (int f = 0; !err && f < NBX_N_FAMILIES; f++)
        if (nbx_family_is_personal((enum nbx_family)f))
            err = copy(r,
                       &(struct copying){.family = (enum nbx_family)f, .wanted = key_is_as_stored});
    return err ? err
               : copy(r, &(struct copying){.family = NBX_FAMILY_DUE, .wanted = due_as_stored});
}

/* A family as it is stored in place of what was derived. */
static enum nbx_err replace(struct nbx_rebuilding *r, enum nbx_family family)
{
    struct nbx_key end = nbx_key_customer_end(UINT64_MAX); /* behind every key */
    nbx_batch_delete_range(r->batch, family, NBX_STR(""), nbx_key_str(&end));
    enum nbx_err err = flush(r, 1);
    return err ? err : nbx_rebuild__copy(r, family);
}

/* Who was forgotten; nothing of them was ever in the new folder's files. */
static bool forgotten_anew(struct nbx_rebuilding *r, struct nbx_str key,
                           const struct nbx_stored *stored)
{
    struct nbx_forgotten_record record;
    if (nbx_forgotten_record_decode(&record, stored, r->arena))
        return true; /* as it is: verify tells of it */
    record.before_file = 0;
    nbx_forgotten_record_encode(nbx_batch_payload(r->batch), &record);
    nbx_batch_put_payload(r->batch, NBX_FAMILY_FORGOTTEN, key, NBX_FORGOTTEN_RECORD);
    return false;
}

static enum nbx_err copy_forgotten(struct nbx_rebuilding *r)
{
    enum nbx_err err =
        copy(r, &(struct copying){.family = NBX_FAMILY_FORGOTTEN, .wanted = forgotten_anew});
    return err ? err : nbx_forgotten_merge(nbx_store_dir(r->to), nbx_store_dir(r->from), r->fault);
}

enum nbx_err nbx_rebuild__copy_rest(struct nbx_rebuilding *r)
{
    enum nbx_err err = copy_customers(r);
    if (!err && r->out->items_as_stored)
        err = replace(r, NBX_FAMILY_ITEMS);
    if (!err && r->out->trends_as_stored)
        err = replace(r, NBX_FAMILY_TRENDS);
    if (!err) /* those that decisions still need */
        err = replace(r, NBX_FAMILY_PAST_ITEMS);
    if (!err)
        err = nbx_rebuild__copy(r, NBX_FAMILY_DECISIONS);
    if (!err)
        err = copy_forgotten(r);
    if (!err) /* no change of customers or items, so the log says nothing of them */
        err = nbx_care__save_models(nbx_store_dir(r->from), nbx_store_dir(r->to), r->fault);
    if (!err)
        err = nbx_rebuild__copy(r, NBX_FAMILY_MODELS);
    return err ? err : nbx_rebuild__copy_meta(r, true);
}
