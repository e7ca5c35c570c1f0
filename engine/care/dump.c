/* SPDX-License-Identifier: MIT */
#include "engine/care/dump_internal.h"

#include "engine/base/grow.h"

#include <stdlib.h>

#define NAME_BYTES  ((size_t)4 << 30) /* at most, as the next */
#define ARENA_BYTES ((size_t)1 << 30)

/* items */

static void put_item(struct nbx_dump *d, uint32_t item_no)
{
    struct nbx_key key = nbx_key_item(item_no);
    struct nbx_stored stored;
    struct nbx_item_record item;
    enum nbx_err err =
        nbx_store_get(d->store, NBX_FAMILY_ITEMS, nbx_key_str(&key), d->arena, &stored);
    if (err == NBX_ENOTFOUND)
        return;
    if (!err)
        err = nbx_item_record_decode(&item, &stored, d->arena);
    d->err = err;
    if (err)
        return;
    struct nbx_object o = {.n = 0};
    nbx_object_text(&o, "id", item.id);
    nbx_object_int(&o, "created", item.created_ms);
    nbx_object_int(&o, "updated", item.updated_ms);
    nbx_object_value(&o, "fields", item.fields);
    nbx_dump__line(d, "item", &o);
}

/* By id, which item_ids are sorted by. */
static void put_items(struct nbx_dump *d)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    uint64_t no;
    enum nbx_err err = nbx_cursor_open(&cursor, d->store, NBX_FAMILY_ITEM_IDS, all, all, false);
    while (!err && !d->err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        nbx_arena_reset(d->arena);
        if (!(err = nbx_record_u64_decode(&no, &stored)))
            put_item(d, (uint32_t)no);
    }
    nbx_cursor_close(&cursor);
    if (!d->err && err != NBX_ENOTFOUND)
        d->err = err;
}

/* customers, by id as identities are sorted */

static void put_customers(struct nbx_dump *d)
{
    const struct nbx_dump_options *o = d->options;
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    struct nbx_identity_record identity;
    enum nbx_err err = nbx_cursor_open(&cursor, d->store, NBX_FAMILY_IDENTITIES, all, all, false);
    while (!err && !d->err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        nbx_arena_reset(d->arena);
        err = nbx_identity_record_decode(&identity, &stored, d->arena);
        if (err || (o->skips && o->skips(o->ctx, identity.number)))
            continue;
        if (!identity.vacant)
            nbx_dump__customer(d, &identity);
        if (!d->err)
            nbx_dump__link(d, identity.number);
    }
    nbx_cursor_close(&cursor);
    if (!d->err && err != NBX_ENOTFOUND)
        d->err = err;
}

/* Events of nobody lie in any group, sorted in each: one cursor for each. */
struct heads {
    struct {
        struct nbx_cursor *cursor;
        struct nbx_str key; /* p NULL: at its end */
        struct nbx_stored stored;
    } p[NBX_N_GROUPS];
};

static enum nbx_err advance(struct heads *h, int g)
{
    enum nbx_err err = nbx_cursor_next(h->p[g].cursor, &h->p[g].key, &h->p[g].stored);
    if (err == NBX_ENOTFOUND)
        h->p[g].key = (struct nbx_str){0};
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static enum nbx_err open_heads(struct heads *h, const struct nbx_dump *d)
{
    enum nbx_err err = NBX_OK;
    for (int g = 0; !err && g < NBX_N_GROUPS; g++) {
        struct nbx_key from = nbx_key_customer(NBX_CUSTOMER((uint64_t)g, 0));
        struct nbx_key to = nbx_key_customer_end(NBX_CUSTOMER((uint64_t)g, 0));
        err = nbx_cursor_open(&h->p[g].cursor, d->store, NBX_FAMILY_EVENTS, nbx_key_str(&from),
                              nbx_key_str(&to), false);
        if (!err)
            err = advance(h, g);
    }
    return err;
}

/* The group whose event is first by time and id; -1: none is left. */
static int first_of(const struct heads *h)
{
    int best = -1;
    for (int g = 0; g < NBX_N_GROUPS; g++)
        if (h->p[g].key.p && (best < 0 || memcmp(h->p[g].key.p + 8, h->p[best].key.p + 8, 24) < 0))
            best = g;
    return best;
}

static void put_nobodys(struct nbx_dump *d)
{
    struct heads *h = calloc(1, sizeof *h);
    enum nbx_err err = h ? open_heads(h, d) : NBX_ELIMIT;
    for (int g; !err && !d->err && (g = first_of(h)) >= 0;) {
        uint64_t number;
        int64_t time_ms;
        struct nbx_event_record e;
        nbx_arena_reset(d->arena);
        err = nbx_event_record_decode(&e, &h->p[g].stored, d->arena);
        if (!err && !nbx_key_event_parse(h->p[g].key, &number, &time_ms, NULL))
            err = NBX_ECORRUPT;
        if (!err)
            nbx_dump__event(d, (struct nbx_str){0}, time_ms, &e);
        if (!err)
            err = advance(h, g);
    }
    for (int g = 0; h && g < NBX_N_GROUPS; g++)
        nbx_cursor_close(&h->p[g].cursor);
    free(h);
    d->err = d->err ? d->err : err;
}

/* trends */

/* Counts of one channel and bucket, to be sorted by item id. */
struct counts {
    struct count {
        struct nbx_str item;
        int64_t n;
    } * p; /* (n) of (room) */
    size_t n, room;
    uint32_t bucket;
};

static int compare_counts(const void *a, const void *b)
{
    return nbx_str_cmp(((const struct count *)a)->item, ((const struct count *)b)->item);
}

/* Gives out what was gathered of a bucket. */
static void put_counts(struct nbx_dump *d, struct counts *c, struct nbx_str channel, bool total)
{
    if (c->n)
        qsort(c->p, c->n, sizeof *c->p, compare_counts);
    for (size_t i = 0; i < c->n && !d->err; i++) {
        struct nbx_object o = {.n = 0};
        nbx_object_text(&o, "channel", channel);
        if (!total)
            nbx_object_int(&o, "bucket", c->bucket);
        nbx_object_text(&o, "item", c->p[i].item);
        nbx_object_int(&o, "count", c->p[i].n);
        nbx_dump__line(d, total ? "total" : "trend", &o);
    }
    c->n = 0;
}

static enum nbx_err gather(struct nbx_dump *d, struct counts *c, uint32_t item_no, int64_t n)
{
    if (n == 0)
        return NBX_OK;
    struct count *p = nbx_grow(c->p, c->n, &c->room, sizeof *p);
    if (!p)
        return NBX_ELIMIT;
    c->p = p;
    c->p[c->n++] = (struct count){nbx_dump__name(d, &d->items, item_no), n};
    return NBX_OK;
}

/* The counts of a channel, or the totals of all time. */
static void put_channel(struct nbx_dump *d, uint16_t channel_no, struct nbx_str name)
{
    bool total = channel_no == NBX_TREND_ALL;
    uint32_t oldest = total ? 0 : (uint32_t)d->options->oldest_bucket;
    struct nbx_key from = nbx_key_trend(channel_no, oldest, 0);
    struct nbx_key to = nbx_key_trend(channel_no + 1u, 0, 0);
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    struct counts c = {.bucket = oldest};
    uint16_t channel;
    uint32_t bucket, item_no;
    enum nbx_err err = nbx_cursor_open(&cursor, d->store, NBX_FAMILY_TRENDS, nbx_key_str(&from),
                                       total ? (struct nbx_str){0} : nbx_key_str(&to), false);
    while (!err && !d->err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        if (!nbx_key_trend_parse(key, &channel, &bucket, &item_no)) {
            err = NBX_ECORRUPT;
            break;
        }
        if (bucket != c.bucket)
            put_counts(d, &c, name, total);
        c.bucket = bucket;
        err = gather(d, &c, item_no, nbx_stored_count(&stored));
    }
    nbx_cursor_close(&cursor);
    if (!d->err && err != NBX_ENOTFOUND)
        d->err = err;
    if (!d->err)
        put_counts(d, &c, name, total);
    free(c.p);
}

/* The channel whose name comes next behind `last`; 0: none does. */
static uint16_t next_channel(const struct nbx_dump *d, struct nbx_str last)
{
    uint16_t best = 0;
    for (size_t i = 1; i < d->channels.room; i++) {
        struct nbx_str own = d->channels.p[i];
        if (own.len && nbx_str_cmp(own, last) > 0 &&
            (!best || nbx_str_cmp(own, d->channels.p[best]) < 0))
            best = (uint16_t)i;
    }
    return best;
}

static void put_trends(struct nbx_dump *d)
{
    struct nbx_str name = {"", 0};
    uint16_t channel_no = 0;
    put_channel(d, NBX_TREND_ALL, (struct nbx_str){0});
    do {
        if (!d->err)
            put_channel(d, channel_no, name);
        channel_no = next_channel(d, name);
        name = channel_no ? d->channels.p[channel_no] : name;
    } while (channel_no && !d->err);
}

static void dump_all(struct nbx_dump *d)
{
    const struct nbx_dump_options *o = d->options;
    nbx_dump__names(d);
    if (!d->err && !o->no_items)
        put_items(d);
    if (!d->err)
        put_customers(d);
    if (!d->err && !(o->skips && o->skips(o->ctx, 0)))
        put_nobodys(d);
    if (!d->err && !o->no_trends)
        put_trends(d);
}

enum nbx_err nbx_state_dump(const struct nbx_store *store, const struct nbx_dump_options *options)
{
    struct nbx_dump d = {.store = store,
                         .options = options,
                         .names = nbx_arena_new(NAME_BYTES),
                         .arena = nbx_arena_new(ARENA_BYTES),
                         .lines = nbx_arena_new(ARENA_BYTES)};
    if (d.names && d.arena && d.lines)
        dump_all(&d);
    else
        d.err = NBX_ELIMIT;
    free(d.items.p);
    free(d.types.p);
    free(d.channels.p);
    nbx_buf_fini(&d.line);
    nbx_buf_fini(&d.customer);
    nbx_arena_destroy(&d.names);
    nbx_arena_destroy(&d.arena);
    nbx_arena_destroy(&d.lines);
    return d.err;
}
