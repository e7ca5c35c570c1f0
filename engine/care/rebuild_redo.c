/* SPDX-License-Identifier: MIT */
#include "engine/care/rebuild_internal.h"
#include "engine/customer/redo.h"

#include <stdlib.h>

#define PROGRESS_EVERY 1000

/* A group's stream being done again. */
struct stream {
    struct nbx_rebuilding *r;
    uint16_t no;
    uint64_t next;       /* the number that must come */
    struct nbx_str *ids; /* by serial: whose number it is; p NULL: the log does not say */
};

static enum nbx_err corrupt(struct nbx_rebuilding *r, uint16_t stream, uint64_t seq)
{
    return nbx_fault_set(r->fault, NBX_ECORRUPT, NULL,
                         "the log's stream %u lacks or has damaged what stands at %llu", stream,
                         (unsigned long long)seq);
}

/* The number of the group's newest customer. */
static enum nbx_err read_serial(struct nbx_rebuilding *r, uint16_t group, uint64_t *out)
{
    struct nbx_key key = nbx_key_meta_group(NBX_META_SERIAL, (uint8_t)group);
    *out = 0;
    enum nbx_err err =
        nbx_record_u64_get(r->from, NBX_FAMILY_META, nbx_key_str(&key), r->arena, out);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static void take_as_stored(struct nbx_rebuilding *r, uint64_t number)
{
    uint64_t serial = NBX_CUSTOMER_SERIAL(number);
    if (serial < r->groups[NBX_CUSTOMER_GROUP(number)].n)
        r->groups[NBX_CUSTOMER_GROUP(number)].as_stored[serial] = true;
}

/* An event that is not there though nobody took it back. */
static enum nbx_err find_expired(struct nbx_rebuilding *r, const struct nbx_log_record *entry,
                                 bool *expired)
{
    enum nbx_err err = NBX_OK;
    *expired = false;
    for (uint32_t i = 0; !err && !*expired && i < entry->n_events; i++) {
        const struct nbx_log_event *e = &entry->events[i];
        struct nbx_key event = nbx_key_event(entry->number, e->time_ms, e->id_hash);
        struct nbx_key id = nbx_key_event_id(entry->number, e->id_hash);
        struct nbx_event_id_record known = {0};
        struct nbx_stored stored;
        if (nbx_store_has(r->from, NBX_FAMILY_EVENTS, nbx_key_str(&event), &err) || err)
            continue;
        err = nbx_store_get(r->from, NBX_FAMILY_EVENT_IDS, nbx_key_str(&id), r->arena, &stored);
        if (!err)
            err = nbx_event_id_record_decode(&known, &stored, r->arena);
        err = err == NBX_ENOTFOUND ? NBX_OK : err;
        *expired = !err && !known.retracted;
    }
    return err;
}

/* Notes the entry alone: whose it is, the log does not say. */
static enum nbx_err pass_over(struct stream *s, const struct nbx_log_record *entry)
{
    struct nbx_rebuilding *r = s->r;
    take_as_stored(r, entry->number);
    nbx_log_put(r->batch, s->no, s->next, entry);
    enum nbx_err err = nbx_store_write(r->to, r->batch);
    nbx_batch_clear(r->batch);
    return err;
}

static enum nbx_err do_again(struct stream *s, const struct nbx_log_record *entry,
                             struct nbx_str customer)
{
    struct nbx_rebuilding *r = s->r;
    struct nbx_customer_scope scope = {.customers = r->customers,
                                       .vocabulary = r->vocabulary,
                                       .arena = r->arena,
                                       .batch = r->batch};
    struct nbx_redo redo = {.scope = &scope,
                            .from = r->from,
                            .group = s->no,
                            .seq = s->next,
                            .entry = entry,
                            .customer = customer};
    struct nbx_fault fault;
    uint32_t absent;
    bool expired = false;
    enum nbx_err err = nbx_redo(&redo, &absent, &fault);
    if (err == NBX_EBAD) /* of settings that are no longer: what came of it is stored */
        return pass_over(s, entry);
    if (!err && absent)
        err = find_expired(r, entry, &expired);
    if (expired)
        take_as_stored(r, entry->number);
    r->out->nobodys_as_stored |= expired && !NBX_CUSTOMER_SERIAL(entry->number);
    r->out->trends_as_stored |= expired;
    return err;
}

static enum nbx_err redo_entry(struct stream *s, const struct nbx_log_record *entry)
{
    struct nbx_rebuilding *r = s->r;
    uint64_t serial = NBX_CUSTOMER_SERIAL(entry->number);
    bool gone = entry->kind == NBX_LOG_GONE;
    bool unsaid = gone && entry->reason != NBX_GONE_FORGOTTEN; /* who was, is nowhere any more */
    r->out->trends_as_stored |= unsaid;
    r->out->nobodys_as_stored |= unsaid;
    if (serial >= r->groups[s->no].n)
        return corrupt(r, s->no, s->next);
    if (entry->customer.len) {
        s->ids[serial] = nbx_arena_str(r->texts, entry->customer);
        if (!s->ids[serial].p)
            return NBX_ELIMIT;
    }
    bool of_somebody = serial && !gone && entry->kind != NBX_LOG_FORGET;
    if (!of_somebody || s->ids[serial].p)
        return do_again(s, entry, of_somebody ? s->ids[serial] : (struct nbx_str){0});
    r->out->trends_as_stored = true;
    return pass_over(s, entry);
}

static enum nbx_err redo_items(struct nbx_rebuilding *r, const struct nbx_log_record *entry,
                               uint64_t seq)
{
    static const enum nbx_change_kind kinds[NBX_N_LOG_WHATS] = {
        [NBX_LOG_ITEM_PUT] = NBX_CHANGE_PUT,
        [NBX_LOG_ITEM_PATCH] = NBX_CHANGE_PATCH,
        [NBX_LOG_ITEM_DELETE] = NBX_CHANGE_DELETE};
    struct nbx_catalog *next;
    struct nbx_change *changes = nbx_arena_calloc(r->arena, entry->n_changes, sizeof *changes);
    r->out->items_as_stored |= entry->kind == NBX_LOG_GONE;
    if (!changes)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < entry->n_changes; i++) {
        const struct nbx_log_change *c = &entry->changes[i];
        const struct nbx_value *id = c->entry ? nbx_value_get(c->entry, "id") : NULL;
        changes[i] = (struct nbx_change){.kind = kinds[c->what], .fields = c->entry, .id = c->id};
        if (id && id->type == NBX_STRING)
            changes[i].id = id->s;
    }
    enum nbx_err err = nbx_catalog_apply(&next, r->catalog, changes, entry->n_changes,
                                         (struct nbx_change_time){entry->now_ms, seq}, r->batch);
    if (err)
        return err;
    nbx_catalog_release(&r->catalog);
    r->catalog = next;
    for (uint32_t i = 0; i < entry->n_changes; i++) /* of settings that are no longer */
        r->out->items_as_stored |= changes[i].fault.code != NBX_OK;
    return NBX_OK;
}

static enum nbx_err redo_catalogue(struct stream *s, const struct nbx_log_record *entry)
{
    struct nbx_rebuilding *r = s->r;
    enum nbx_err err = redo_items(r, entry, s->next);
    if (!err) {
        nbx_log_put(r->batch, s->no, s->next, entry);
        err = nbx_store_write(r->to, r->batch);
    }
    nbx_batch_clear(r->batch);
    return err;
}

/* What stands at s->next. */
static enum nbx_err redo_next(struct stream *s, struct nbx_str key, const struct nbx_stored *stored)
{
    struct nbx_rebuilding *r = s->r;
    struct nbx_log_record entry;
    uint16_t stream;
    uint64_t seq;
    enum nbx_err err = nbx_log_record_decode(&entry, stored, r->arena);
    if (err == NBX_ECORRUPT || !nbx_key_log_parse(key, &stream, &seq) || seq != s->next)
        return corrupt(r, s->no, s->next);
    if (!err)
        err = s->no == NBX_STREAM_CATALOGUE ? redo_catalogue(s, &entry) : redo_entry(s, &entry);
    s->next += entry.n;
    r->out->commands += entry.n;
    if (r->options->progress &&
        r->out->commands / PROGRESS_EVERY != (r->out->commands - entry.n) / PROGRESS_EVERY)
        r->options->progress(r->options->ctx, r->out->commands);
    return err;
}

static enum nbx_err redo_all(struct stream *s)
{
    struct nbx_rebuilding *r = s->r;
    struct nbx_key from = nbx_key_log(s->no, 0), to = nbx_key_log(s->no + 1, 0);
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    enum nbx_err err = nbx_cursor_open(&cursor, r->from, NBX_FAMILY_LOG, nbx_key_str(&from),
                                       nbx_key_str(&to), false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        nbx_arena_reset(r->arena);
        err = redo_next(s, key, &stored);
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

/* Customers of whom the log does not say that they came are taken as they are stored. */
static void find_unnamed(struct stream *s)
{
    for (uint64_t serial = 1; serial < s->r->groups[s->no].n; serial++)
        if (!s->ids[serial].p)
            take_as_stored(s->r, NBX_CUSTOMER((uint64_t)s->no, serial));
}

/* So are those some of whose events lie in a base alone: the log does not say what they were. */
static enum nbx_err find_based(struct stream *s)
{
    struct nbx_key from = nbx_key_customer(NBX_CUSTOMER((uint64_t)s->no, 0));
    struct nbx_key to =
        nbx_key_customer_end(NBX_CUSTOMER((uint64_t)s->no, UINT64_C(0x00FFFFFFFFFFFFFF)));
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    uint64_t number;
    enum nbx_err err = nbx_cursor_open(&cursor, s->r->from, NBX_FAMILY_BASES, nbx_key_str(&from),
                                       nbx_key_str(&to), false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored)))
        if (nbx_key_number_parse(key, &number)) {
            take_as_stored(s->r, number);
            s->r->out->trends_as_stored = true;
        }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static enum nbx_err redo_group(struct stream *s)
{
    struct nbx_rebuilding *r = s->r;
    uint64_t serial;
    enum nbx_err err = read_serial(r, s->no, &serial);
    if (err)
        return err;
    r->groups[s->no].n = serial + 1;
    r->groups[s->no].as_stored = calloc(serial + 1, 1);
    s->ids = calloc(serial + 1, sizeof *s->ids);
    err = r->groups[s->no].as_stored && s->ids ? redo_all(s) : NBX_ELIMIT;
    if (!err)
        find_unnamed(s);
    if (!err)
        err = find_based(s);
    free(s->ids);
    nbx_arena_reset(r->texts);
    return err;
}

enum nbx_err nbx_rebuild__redo(struct nbx_rebuilding *r)
{
    enum nbx_err err = NBX_OK;
    for (uint16_t no = 0; !err && no < NBX_N_STREAMS; no++) {
        struct stream s = {.r = r, .no = no, .next = 1};
        uint64_t last = 0;
        bool catalogue = no == NBX_STREAM_CATALOGUE;
        err = catalogue ? redo_all(&s) : redo_group(&s);
        if (!err)
            err = nbx_log_head(r->from, no, r->arena, &last);
        if (!err && s.next != last + 1)
            err = corrupt(r, no, s.next);
    }
    return err;
}
