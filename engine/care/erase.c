/* SPDX-License-Identifier: MIT */
#include "engine/care/erase.h"

#include "engine/store/forgotten.h"
#include "engine/store/record.h"

#include <stdlib.h>

#define SCRATCH_BYTES 65536
#define MAX_AT_ONCE   64 /* customers; of more, one after the other */

/* Who is to be erased. */
struct pending {
    struct nbx_forgotten_entry entry;
    uint64_t number;
};

struct list {
    const struct nbx_customers *customers; /* NULL: also those that links still know */
    struct pending p[MAX_AT_ONCE];         /* (n) */
    size_t n, all;                         /* all: also those there was no room for */
};

static enum nbx_err look(struct list *list, struct nbx_str key, const struct nbx_stored *stored,
                         struct nbx_arena *arena)
{
    struct nbx_forgotten_record r;
    struct pending *p = &list->p[list->n];
    enum nbx_err err = nbx_forgotten_record_decode(&r, stored, arena);
    nbx_arena_reset(arena);
    if (err || r.erased_ms || (list->customers && nbx_customers_links(list->customers, r.number)))
        return err;
    list->all++;
    if (list->n == MAX_AT_ONCE)
        return NBX_OK;
    p->number = r.number;
    list->n++;
    return nbx_key_forgotten_parse(key, p->entry.hash, &p->entry.time_ms) ? NBX_OK : NBX_ECORRUPT;
}

static enum nbx_err find_pending(struct list *list, const struct nbx_store *store,
                                 const struct nbx_customers *customers)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    struct nbx_arena *arena = nbx_arena_new(SCRATCH_BYTES);
    *list = (struct list){.customers = customers};
    enum nbx_err err =
        arena ? nbx_cursor_open(&cursor, store, NBX_FAMILY_FORGOTTEN, all, all, false) : NBX_ELIMIT;
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored)))
        err = look(list, key, &stored, arena);
    nbx_cursor_close(&cursor);
    nbx_arena_destroy(&arena);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

enum nbx_err nbx_erase_count(size_t *out, const struct nbx_store *store)
{
    struct list *list = malloc(sizeof *list);
    enum nbx_err err = list ? find_pending(list, store, NULL) : NBX_ELIMIT;
    *out = err ? 0 : list->all;
    free(list);
    return err;
}

static void add(struct nbx_erase_ranges *r, enum nbx_family family, const struct nbx_key *from,
                const struct nbx_key *to)
{
    r->p[r->n++] = (struct nbx_store_range){family, nbx_key_str(from), nbx_key_str(to)};
}

void nbx_erase_ranges_of(struct nbx_erase_ranges *r, uint64_t number)
{
    static const struct nbx_key nothing;
    uint8_t group = NBX_CUSTOMER_GROUP(number);
    r->n = 0;
    r->from = nbx_key_customer(number);
    r->to = nbx_key_customer_end(number);
    r->group_from = nbx_key_due_from(group, INT64_MIN);
    r->group_to = nbx_key_due_end(group);
    r->log_from = nbx_key_log(group, 0);
    r->log_to = nbx_key_log((uint16_t)(group + 1), 0);
    for (int f = 0; f < NBX_N_FAMILIES; f++)
        if (nbx_family_is_personal((enum nbx_family)f))
            add(r, (enum nbx_family)f, &r->from, &r->to);
    add(r, NBX_FAMILY_DUE, &r->group_from, &r->group_to);
    add(r, NBX_FAMILY_LOG, &r->log_from, &r->log_to);
    add(r, NBX_FAMILY_IDENTITIES, &nothing, &nothing);
}

static void put_erased(struct nbx_batch *batch, const struct pending *p,
                       const struct nbx_forgotten_record *record)
{
    struct nbx_key key = nbx_key_forgotten(p->entry.hash, p->entry.time_ms);
    nbx_forgotten_record_encode(nbx_batch_payload(batch), record);
    nbx_batch_put_payload(batch, NBX_FAMILY_FORGOTTEN, nbx_key_str(&key), NBX_FORGOTTEN_RECORD);
}

/* The flush behind it rids the manifest of keys. */
static enum nbx_err note(const struct list *list, struct nbx_store *store, int64_t now_ms,
                         uint64_t before_file)
{
    struct nbx_batch *batch = nbx_batch_new();
    if (!batch)
        return NBX_ELIMIT;
    for (size_t i = 0; i < list->n; i++) {
        struct nbx_forgotten_record record = {
            .number = list->p[i].number, .erased_ms = now_ms, .before_file = before_file};
        put_erased(batch, &list->p[i], &record);
    }
    enum nbx_err err = nbx_store_write(store, batch);
    nbx_batch_destroy(&batch);
    return err ? err : nbx_store_flush(store, NBX_FAMILY_FORGOTTEN);
}

/* What many have in common is gone through once. */
static size_t gather(struct nbx_store_range *out, struct nbx_erase_ranges *each,
                     const struct list *list)
{
    size_t n = 0;
    for (size_t i = 0; i < list->n; i++) {
        nbx_erase_ranges_of(&each[i], list->p[i].number);
        for (size_t k = 0; k < each[i].n; k++)
            out[n++] = each[i].p[k];
    }
    return n;
}

enum nbx_err nbx_erase_forgotten(size_t *n, const struct nbx_customers *customers, int64_t now_ms)
{
    struct nbx_store *store = nbx_customers_store(customers);
    struct list *list = malloc(sizeof *list);
    struct nbx_erase_ranges *each = calloc(MAX_AT_ONCE, sizeof *each);
    struct nbx_store_range *ranges = calloc((size_t)MAX_AT_ONCE * NBX_ERASE_RANGES, sizeof *ranges);
    uint64_t before_file;
    enum nbx_err err = list && each && ranges ? NBX_OK : NBX_ELIMIT;
    *n = 0;
    while (!err && !(err = find_pending(list, store, customers)) && list->n) {
        err = nbx_store_erase(store, ranges, gather(ranges, each, list), &before_file);
        if (!err)
            err = note(list, store, now_ms, before_file);
        *n += err ? 0 : list->n;
    }
    free(list);
    free(each);
    free(ranges);
    return err;
}

bool nbx_erase_has_record(const struct nbx_store *store, const struct nbx_store_range *range,
                          enum nbx_err *err)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    *err = nbx_cursor_open(&cursor, store, range->family, range->from, range->to, false);
    if (!*err)
        *err = nbx_cursor_next(cursor, &key, &stored);
    nbx_cursor_close(&cursor);
    bool there = !*err || *err == NBX_ECORRUPT;
    *err = *err == NBX_ENOTFOUND || there ? NBX_OK : *err;
    return there;
}
