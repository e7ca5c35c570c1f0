/* SPDX-License-Identifier: MIT */
#include "engine/base/check.h"
#include "engine/store/log_record.h"
#include "engine/store/record_internal.h"

#define HASH_BYTES 16

enum { NAMES = 1, ALL_FLAGS = 1 };

static const char *const kind_names[NBX_N_LOG_KINDS] = {
    "gone", "events", "put", "retract", "forget", "items", "due", "link", "unlink", "model"};

const char *nbx_log_kind_name(enum nbx_log_kind kind)
{
    return kind_names[kind];
}

const char *nbx_log_reason_name(enum nbx_log_reason reason)
{
    static const char *const names[NBX_N_GONE_REASONS] = {"forgotten", "expired", "before"};
    return names[reason];
}

bool nbx_log_of_events(enum nbx_log_kind kind)
{
    return kind == NBX_LOG_EVENTS || kind == NBX_LOG_DUE;
}

bool nbx_log_of_catalogue(enum nbx_log_kind kind)
{
    return kind == NBX_LOG_ITEMS || kind == NBX_LOG_MODEL;
}

static bool is_of_customer(enum nbx_log_kind kind)
{
    return kind != NBX_LOG_GONE && !nbx_log_of_catalogue(kind);
}

/* An event's id is its command's id. */
static bool has_id(enum nbx_log_kind kind)
{
    return kind != NBX_LOG_GONE && !nbx_log_of_events(kind);
}

static void put_events(struct nbx_buf *out, const struct nbx_log_record *r)
{
    nbx_buf_put_varint(out, r->n_events);
    for (uint32_t i = 0; i < r->n_events; i++) {
        const struct nbx_log_event *e = &r->events[i];
        if (r->kind == NBX_LOG_RETRACT)
            nbx_buf_put_varint(out, e->seq);
        nbx_record__put_near(out, e->time_ms, r->now_ms);
        nbx_buf_put(out, e->id_hash, HASH_BYTES);
    }
}

static void put_ids(struct nbx_buf *out, const struct nbx_log_record *r)
{
    nbx_buf_put_varint(out, r->n_ids);
    if (r->n_ids)
        nbx_buf_put(out, r->ids, (size_t)r->n_ids * HASH_BYTES);
}

static void put_changes(struct nbx_buf *out, const struct nbx_log_record *r)
{
    nbx_buf_put_varint(out, r->n_changes);
    for (uint32_t i = 0; i < r->n_changes; i++) {
        const struct nbx_log_change *c = &r->changes[i];
        nbx_buf_put_u8(out, (uint8_t)c->what);
        if (c->what == NBX_LOG_ITEM_DELETE)
            nbx_buf_put_str(out, c->id);
        else
            nbx_record__put_value(out, c->entry);
    }
}

void nbx_log_record_encode(struct nbx_buf *out, const struct nbx_log_record *r)
{
    nbx_buf_put_u8(out, (uint8_t)r->kind);
    nbx_buf_put_varint(out, r->customer.len ? NAMES : 0);
    nbx_buf_put_varsint(out, r->now_ms);
    if (has_id(r->kind))
        nbx_buf_put(out, r->id, sizeof r->id);
    if (is_of_customer(r->kind))
        nbx_buf_put_u64le(out, r->number);
    if (r->customer.len)
        nbx_buf_put_str(out, r->customer);
    switch (r->kind) {
    case NBX_LOG_GONE:
        nbx_buf_put_u8(out, (uint8_t)r->reason);
        nbx_buf_put_varint(out, r->n);
        break;
    case NBX_LOG_RETRACT:
        put_events(out, r);
        put_ids(out, r);
        break;
    case NBX_LOG_EVENTS:
    case NBX_LOG_DUE: put_events(out, r); break;
    case NBX_LOG_PUT:
    case NBX_LOG_MODEL: nbx_record__put_value(out, r->body); break;
    case NBX_LOG_ITEMS: put_changes(out, r); break;
    case NBX_LOG_LINK:
        nbx_buf_put_u64le(out, r->parent);
        nbx_buf_put_str(out, r->type);
        break;
    default: break;
    }
}

static void read_hash(uint8_t out[HASH_BYTES], struct nbx_record_reader *rr)
{
    struct nbx_str bytes = nbx_read_bytes(&rr->r, HASH_BYTES);
    if (bytes.len == HASH_BYTES)
        memcpy(out, bytes.p, HASH_BYTES);
}

static void read_events(struct nbx_log_record *r, struct nbx_record_reader *rr)
{
    r->n_events = nbx_record__count(rr, HASH_BYTES + 1);
    r->events = nbx_record__alloc(rr, r->n_events, sizeof *r->events);
    if (!r->events)
        r->n_events = 0;
    for (uint32_t i = 0; i < r->n_events; i++) {
        struct nbx_log_event *e = &r->events[i];
        if (r->kind == NBX_LOG_RETRACT)
            e->seq = nbx_read_varint(&rr->r);
        e->time_ms = nbx_record__near(rr, r->now_ms);
        read_hash(e->id_hash, rr);
    }
    if (!nbx_log_of_events(r->kind))
        return;
    rr->r.failed |= r->n_events == 0 && !rr->err;
    r->n = r->n_events;
    if (r->n_events)
        memcpy(r->id, r->events[0].id_hash, sizeof r->id);
}

static void read_ids(struct nbx_log_record *r, struct nbx_record_reader *rr)
{
    r->n_ids = nbx_record__count(rr, HASH_BYTES);
    struct nbx_str bytes = nbx_read_bytes(&rr->r, (size_t)r->n_ids * HASH_BYTES);
    r->ids = nbx_record__alloc(rr, r->n_ids, sizeof *r->ids);
    if (r->ids && bytes.len)
        memcpy(r->ids, bytes.p, bytes.len);
}

static void read_changes(struct nbx_log_record *r, struct nbx_record_reader *rr)
{
    r->n_changes = nbx_record__count(rr, 2);
    r->changes = nbx_record__alloc(rr, r->n_changes, sizeof *r->changes);
    if (!r->changes)
        r->n_changes = 0;
    for (uint32_t i = 0; i < r->n_changes && !rr->r.failed; i++) {
        struct nbx_log_change *c = &r->changes[i];
        uint8_t what = nbx_read_u8(&rr->r);
        rr->r.failed |= what >= NBX_N_LOG_WHATS;
        c->what = (enum nbx_log_what)what;
        if (what == NBX_LOG_ITEM_DELETE)
            c->id = nbx_read_str(&rr->r);
        else
            c->entry = nbx_record__value(rr, NBX_MAP);
    }
}

static void read_gone(struct nbx_log_record *r, struct nbx_record_reader *rr)
{
    uint8_t reason = nbx_read_u8(&rr->r);
    r->reason = (enum nbx_log_reason)reason;
    r->n = nbx_read_varint(&rr->r);
    rr->r.failed |= reason >= NBX_N_GONE_REASONS || r->n == 0;
}

static void read_content(struct nbx_log_record *r, struct nbx_record_reader *rr)
{
    switch (r->kind) {
    case NBX_LOG_GONE: read_gone(r, rr); break;
    case NBX_LOG_EVENTS:
    case NBX_LOG_DUE: read_events(r, rr); break;
    case NBX_LOG_PUT:
    case NBX_LOG_MODEL: r->body = nbx_record__value(rr, NBX_MAP); break;
    case NBX_LOG_RETRACT:
        read_events(r, rr);
        read_ids(r, rr);
        break;
    case NBX_LOG_ITEMS: read_changes(r, rr); break;
    case NBX_LOG_LINK:
        r->parent = nbx_read_u64le(&rr->r);
        r->type = nbx_read_str(&rr->r);
        break;
    case NBX_LOG_FORGET:
    case NBX_LOG_UNLINK: break;
    default: rr->r.failed = true;
    }
}

enum nbx_err nbx_log_record_decode(struct nbx_log_record *out, const struct nbx_stored *stored,
                                   struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_LOG_RECORD, arena);
    struct nbx_log_record r = {.kind = (enum nbx_log_kind)nbx_read_u8(&rr.r), .n = 1};
    uint64_t flags = nbx_read_varint(&rr.r);
    rr.r.failed |= flags > ALL_FLAGS || (flags && !is_of_customer(r.kind));
    r.now_ms = nbx_read_varsint(&rr.r);
    if (has_id(r.kind))
        read_hash(r.id, &rr);
    if (is_of_customer(r.kind))
        r.number = nbx_read_u64le(&rr.r);
    if (flags & NAMES)
        r.customer = nbx_read_str(&rr.r);
    if (!rr.r.failed && !rr.err)
        read_content(&r, &rr);
    *out = r;
    return nbx_record__end(&rr);
}

void nbx_log_put(struct nbx_batch *batch, uint16_t stream, uint64_t seq,
                 const struct nbx_log_record *r)
{
    struct nbx_key key = nbx_key_log(stream, seq);
    nbx_log_record_encode(nbx_batch_payload(batch), r);
    nbx_batch_put_payload(batch, NBX_FAMILY_LOG, nbx_key_str(&key), NBX_LOG_RECORD);
}

struct nbx_log_record nbx_log_gone(const struct nbx_log_record *r, enum nbx_log_reason reason)
{
    return (struct nbx_log_record){
        .kind = NBX_LOG_GONE, .n = r->n, .now_ms = r->now_ms, .reason = reason};
}

/* Without an arena: a compaction asks of every entry. */
bool nbx_log_expires(struct nbx_log_record *out, const struct nbx_stored *stored,
                     int64_t horizon_ms)
{
    struct nbx_record_reader rr = {.r = nbx_reader_of(stored->payload.p, stored->payload.len)};
    struct nbx_log_record r = {.kind = (enum nbx_log_kind)nbx_read_u8(&rr.r), .n = 1};
    uint64_t flags = nbx_read_varint(&rr.r);
    r.now_ms = nbx_read_varsint(&rr.r);
    if (stored->version != NBX_LOG_RECORD || rr.r.failed)
        return false;
    *out = nbx_log_gone(&r, NBX_GONE_EXPIRED);
    if (r.kind == NBX_LOG_ITEMS)
        return r.now_ms < horizon_ms;
    if (!nbx_log_of_events(r.kind) || r.now_ms >= horizon_ms) /* an event is as old as it came */
        return false;
    nbx_read_u64le(&rr.r);
    if (flags & NAMES)
        nbx_read_str(&rr.r);
    out->n = nbx_read_varint(&rr.r);
    for (uint64_t i = 0; i < out->n && !rr.r.failed; i++) {
        if (nbx_record__near(&rr, r.now_ms) >= horizon_ms)
            return false;
        nbx_read_bytes(&rr.r, HASH_BYTES);
    }
    return !rr.r.failed && out->n > 0;
}

enum nbx_err nbx_log_head(const struct nbx_store *store, uint16_t stream, struct nbx_arena *arena,
                          uint64_t *out)
{
    struct nbx_key key = stream == NBX_STREAM_CATALOGUE
                             ? nbx_key_meta(NBX_META_CATALOGUE_SEQ)
                             : nbx_key_meta_group(NBX_META_SEQ, (uint8_t)stream);
    *out = 0;
    enum nbx_err err = nbx_record_u64_get(store, NBX_FAMILY_META, nbx_key_str(&key), arena, out);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

enum nbx_err nbx_log_find(struct nbx_log_record *out, uint64_t *first,
                          const struct nbx_store *store, uint16_t stream, uint64_t seq,
                          struct nbx_arena *arena)
{
    struct nbx_key from = nbx_key_log(stream, 0), to = nbx_key_log(stream, seq + 1);
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    uint16_t in;
    enum nbx_err err =
        nbx_cursor_open(&cursor, store, NBX_FAMILY_LOG, nbx_key_str(&from), nbx_key_str(&to), true);
    if (!err)
        err = nbx_cursor_next(cursor, &key, &stored);
    if (!err)
        err = nbx_key_log_parse(key, &in, first) ? nbx_log_record_decode(out, &stored, arena)
                                                 : NBX_ECORRUPT;
    nbx_cursor_close(&cursor);
    return !err && seq - *first >= out->n ? NBX_ENOTFOUND : err;
}

enum nbx_err nbx_log_begin(struct nbx_store *store, uint16_t stream, uint64_t seq)
{
    struct nbx_key first = nbx_key_log(stream, 1);
    enum nbx_err err = NBX_OK;
    if (seq == 0 || nbx_store_has(store, NBX_FAMILY_LOG, nbx_key_str(&first), &err) || err)
        return err;
    struct nbx_log_record before = {.kind = NBX_LOG_GONE, .n = seq, .reason = NBX_GONE_BEFORE};
    struct nbx_batch *batch = nbx_batch_new();
    if (!batch)
        return NBX_ELIMIT;
    nbx_log_put(batch, stream, 1, &before);
    err = nbx_store_write(store, batch);
    nbx_batch_destroy(&batch);
    return err;
}
