/* SPDX-License-Identifier: MIT
 * log.heads, log.read: any worker reads any stream, from the store and never through its copies,
 * which are of its own customers only.
 */
#include "engine/serve/reply_event.h"
#include "engine/store/log_record.h"
#include "proto/wire.h"

#include <stdio.h>

#define ENTRY_BYTES ((size_t)1 << 30) /* at most: an item.put of 64 MiB, decoded */
#define REPLY_BYTES ((size_t)1 << 20) /* a page that has as many is full */
#define LOOKED_MOST 2000              /* events read for one: customers wait meanwhile */
#define HASH_BYTES  16

void nbx_request_log_heads(struct nbx_request *r)
{
    struct nbx_simple_req req;
    uint64_t heads[NBX_N_STREAMS];
    enum nbx_err err = nbx_message_simple(&req, nbx_job_body(r->job), r->scope.arena, &r->fault);
    for (uint16_t s = 0; !err && s < NBX_N_STREAMS; s++)
        if ((err = nbx_log_head(r->worker->server->store, s, r->scope.arena, &heads[s])))
            nbx_fault_set(&r->fault, err, NULL, "the log cannot be read");
    if (err) {
        nbx_reply_fault(r->job, &r->fault, &req.id);
        return;
    }
    nbx_reply_begin(r->job, 1, &req.id);
    nbx_wire_text(&r->job->reply, "heads");
    nbx_wire_list(&r->job->reply, NBX_N_STREAMS);
    for (uint16_t s = 0; s < NBX_N_STREAMS; s++)
        nbx_wire_int(&r->job->reply, (int64_t)heads[s]);
    nbx_reply_finish(r->job);
}

/* A page being made. */
struct page {
    struct nbx_request *r;
    struct nbx_customer_scope scope; /* the store itself, for the entry at hand */
    uint16_t stream;
    struct nbx_buf entries;
    uint32_t n, n_looked; /* entries; events read for them */
    uint64_t next;        /* the first number behind them */
};

/* The members of one entry; counts them. */
struct members {
    struct nbx_buf b;
    uint32_t n;
};

/* An event by its key: what a retraction took back, or what is kept no longer. */
static void put_event_key(struct nbx_buf *b, const struct nbx_log_event *e, bool retraction)
{
    nbx_wire_map(b, 3);
    nbx_wire_kv_int(b, "time", e->time_ms);
    if (retraction)
        nbx_wire_kv_int(b, "seq", (int64_t)e->seq);
    else
        nbx_wire_kv_bool(b, "gone", true);
    nbx_wire_text(b, "hash");
    nbx_wire_hex(b, e->id_hash, HASH_BYTES);
}

static enum nbx_err put_event(struct page *p, struct nbx_buf *b, uint64_t number,
                              const struct nbx_log_event *e)
{
    struct nbx_key key = nbx_key_event(number, e->time_ms, e->id_hash);
    struct nbx_stored stored;
    struct nbx_event_record record;
    enum nbx_err err = nbx_store_get(nbx_customers_store(p->scope.customers), NBX_FAMILY_EVENTS,
                                     nbx_key_str(&key), p->scope.arena, &stored);
    if (err == NBX_ENOTFOUND) {
        put_event_key(b, e, false);
        return NBX_OK;
    }
    if (err || (err = nbx_event_record_decode(&record, &stored, p->scope.arena)))
        return err;
    nbx_reply_event(b, p->r, NBX_STR(""), e->time_ms, &record);
    return NBX_OK;
}

static enum nbx_err put_events(struct page *p, struct members *m, const struct nbx_log_record *e)
{
    enum nbx_err err = NBX_OK;
    nbx_wire_text(&m->b, "events");
    nbx_wire_list(&m->b, e->n_events);
    for (uint32_t i = 0; !err && i < e->n_events; i++)
        if (e->kind == NBX_LOG_RETRACT)
            put_event_key(&m->b, &e->events[i], true);
        else
            err = put_event(p, &m->b, e->number, &e->events[i]);
    m->n++;
    p->n_looked += e->n_events;
    return err;
}

static void put_ids(struct members *m, const struct nbx_log_record *e)
{
    nbx_wire_text(&m->b, "hashes");
    nbx_wire_list(&m->b, e->n_ids);
    for (uint32_t i = 0; i < e->n_ids; i++)
        nbx_wire_hex(&m->b, e->ids[i], HASH_BYTES);
    m->n++;
}

static void put_changes(struct members *m, const struct nbx_log_record *e)
{
    static const char *const whats[NBX_N_LOG_WHATS] = {"put", "patch", "delete"};
    nbx_wire_text(&m->b, "changes");
    nbx_wire_list(&m->b, e->n_changes);
    for (uint32_t i = 0; i < e->n_changes; i++) {
        nbx_wire_map(&m->b, 1);
        if (e->changes[i].what == NBX_LOG_ITEM_DELETE)
            nbx_wire_kv_str(&m->b, whats[e->changes[i].what], e->changes[i].id);
        else
            nbx_wire_kv_value(&m->b, whats[e->changes[i].what], e->changes[i].entry);
    }
    m->n++;
}

static void put_number(struct members *m, const char *key, uint64_t number)
{
    char hex[17];
    snprintf(hex, sizeof hex, "%016llx", (unsigned long long)number);
    nbx_wire_kv_text(&m->b, key, hex);
    m->n++;
}

/* Who may be known by links alone; empty where the customer was forgotten. */
static enum nbx_err find_id(struct page *p, uint64_t number, struct nbx_str *out)
{
    struct nbx_link_record link = {0};
    enum nbx_err err = nbx_customer_id_of(&p->scope, number, out);
    if (err || out->len || !nbx_customers_links(p->scope.customers, number))
        return err;
    err = nbx_link_read(&link, &p->scope, number);
    *out = link.id;
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

/* Whose it was, where that is still known. */
static enum nbx_err put_customer(struct page *p, struct members *m, const struct nbx_log_record *e)
{
    struct nbx_str id = e->customer;
    bool of_somebody = NBX_CUSTOMER_SERIAL(e->number) != 0;
    enum nbx_err err = id.len || !of_somebody ? NBX_OK : find_id(p, e->number, &id);
    if (of_somebody)
        put_number(m, "number", e->number);
    if (id.len)
        nbx_wire_kv_str(&m->b, "customer", id), m->n++;
    if (e->customer.len)
        nbx_wire_kv_bool(&m->b, "new", true), m->n++;
    return err;
}

/* To whom, and as what; without a number, that others may be linked. */
static enum nbx_err put_link(struct page *p, struct members *m, const struct nbx_log_record *e)
{
    struct nbx_str id = {0};
    enum nbx_err err = e->parent ? find_id(p, e->parent, &id) : NBX_OK;
    if (e->parent)
        put_number(m, "to_number", e->parent);
    else
        nbx_wire_kv_bool(&m->b, "accepts", true), m->n++;
    if (id.len)
        nbx_wire_kv_str(&m->b, "to", id), m->n++;
    if (e->type.len)
        nbx_wire_kv_str(&m->b, "type", e->type), m->n++;
    return err;
}

static void put_what(struct page *p, struct members *m, const struct nbx_log_record *e,
                     uint64_t seq)
{
    nbx_wire_kv_int(&m->b, "stream", p->stream);
    nbx_wire_kv_int(&m->b, "seq", (int64_t)seq);
    nbx_wire_kv_int(&m->b, "n", (int64_t)e->n);
    nbx_wire_kv_int(&m->b, "time", e->now_ms);
    nbx_wire_kv_text(&m->b, "kind", nbx_log_kind_name(e->kind));
    m->n += 5;
    if (e->kind == NBX_LOG_GONE || nbx_log_of_events(e->kind))
        return;
    nbx_wire_text(&m->b, "command");
    nbx_wire_hex(&m->b, e->id, HASH_BYTES);
    m->n++;
}

static enum nbx_err put_members(struct page *p, struct members *m, const struct nbx_log_record *e,
                                uint64_t seq)
{
    put_what(p, m, e, seq);
    enum nbx_err err = put_customer(p, m, e);
    if (!err && (nbx_log_of_events(e->kind) || e->kind == NBX_LOG_RETRACT))
        err = put_events(p, m, e);
    if (e->kind == NBX_LOG_RETRACT)
        put_ids(m, e);
    if (!err && e->kind == NBX_LOG_LINK)
        err = put_link(p, m, e);
    if (e->kind == NBX_LOG_PUT)
        nbx_wire_kv_value(&m->b, "put", e->body), m->n++;
    if (e->kind == NBX_LOG_MODEL)
        nbx_wire_kv_value(&m->b, "model", e->body), m->n++;
    if (e->kind == NBX_LOG_ITEMS)
        put_changes(m, e);
    if (e->kind == NBX_LOG_GONE)
        nbx_wire_kv_text(&m->b, "reason", nbx_log_reason_name(e->reason)), m->n++;
    return err;
}

static enum nbx_err put_entry(struct page *p, const struct nbx_log_record *e, uint64_t seq)
{
    struct members m = {0};
    enum nbx_err err = put_members(p, &m, e, seq);
    nbx_wire_map(&p->entries, m.n);
    nbx_buf_put(&p->entries, m.b.p, m.b.len);
    p->entries.failed |= m.b.failed;
    nbx_buf_fini(&m.b);
    p->next = seq + e->n;
    p->n++;
    return err;
}

/* Entries from the one that stands for `from` on. */
static enum nbx_err put_entries(struct page *p, uint64_t from, uint32_t n)
{
    struct nbx_store *store = p->r->worker->server->store;
    struct nbx_log_record entry;
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    uint64_t first = from;
    uint16_t stream;
    p->next = from;
    enum nbx_err err = nbx_log_find(&entry, &first, store, p->stream, from, p->scope.arena);
    if (err)
        return err == NBX_ENOTFOUND ? NBX_OK : err;
    struct nbx_key at = nbx_key_log(p->stream, first), end = nbx_key_log(p->stream + 1, 0);
    err =
        nbx_cursor_open(&cursor, store, NBX_FAMILY_LOG, nbx_key_str(&at), nbx_key_str(&end), false);
    while (!err && p->n < n && p->entries.len < REPLY_BYTES && p->n_looked < LOOKED_MOST &&
           !(err = nbx_cursor_next(cursor, &key, &stored))) {
        nbx_arena_reset(p->scope.arena);
        err = nbx_log_record_decode(&entry, &stored, p->scope.arena);
        if (!err && !nbx_key_log_parse(key, &stream, &first))
            err = NBX_ECORRUPT;
        if (!err)
            err = put_entry(p, &entry, first);
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static void reply(struct nbx_request *r, const struct page *p, uint64_t head,
                  const struct nbx_value *id)
{
    struct nbx_buf *b = &r->job->reply;
    nbx_reply_begin(r->job, 3, id);
    nbx_wire_text(b, "entries");
    nbx_wire_list(b, p->n);
    nbx_buf_put(b, p->entries.p, p->entries.len);
    b->failed |= p->entries.failed;
    nbx_wire_kv_int(b, "next", (int64_t)p->next);
    nbx_wire_kv_int(b, "head", (int64_t)head);
    nbx_reply_finish(r->job);
}

void nbx_request_log_read(struct nbx_request *r)
{
    struct nbx_log_read_req req;
    uint64_t head = 0;
    struct page p = {.r = r, .scope = r->scope};
    p.scope.arena = nbx_arena_new(ENTRY_BYTES);
    p.scope.recent = NULL;
    enum nbx_err err = nbx_message_log_read(&req, nbx_job_body(r->job), r->scope.arena, &r->fault);
    if (!err) {
        p.stream = (uint16_t)req.stream;
        err = p.scope.arena
                  ? nbx_log_head(r->worker->server->store, p.stream, r->scope.arena, &head)
                  : NBX_ELIMIT;
        if (!err)
            err = put_entries(&p, (uint64_t)req.from, req.n);
        if (err)
            nbx_fault_set(&r->fault, err, NULL, "the log cannot be read");
    }
    if (err)
        nbx_reply_fault(r->job, &r->fault, &req.id);
    else
        reply(r, &p, head, &req.id);
    nbx_buf_fini(&p.entries);
    nbx_arena_destroy(&p.scope.arena);
}
