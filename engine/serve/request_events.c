/* SPDX-License-Identifier: MIT
 * events.read: what customers did, for who learns from it, a page at a time in the order of the
 * keys.
 *
 * Any worker reads any group, from the store and never through its copies, which are of its own
 * customers only. A page ends where the worker has spent PAGE_NS on it, or LEAST_NS and somebody
 * waits behind it; where the next one goes on is a key in hex, which outlives the daemon.
 */
#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/utf8.h"
#include "engine/customer/consent.h"
#include "engine/serve/reply_event.h"
#include "proto/wire.h"

#define PAGE_NS     500000
#define LEAST_NS    50000
#define PAGE_BYTES  ((size_t)1 << 20) /* of a reply, and one event more */
#define ENTRY_BYTES ((size_t)64 << 20)
#define LEAST_AT    8          /* bytes of a key: a customer's number */
#define MOST_AT     33         /* one behind an event's */
#define NOBODY      UINT64_MAX /* no customer has that number */

/* Whose events come now. */
struct whose {
    uint64_t number;
    bool wanted; /* they may be learnt from */
    bool linked; /* as who is not the first of the person: `own` is said too */
    char id[NBX_ID_MAX_BYTES], own[NBX_ID_MAX_BYTES]; /* (n_id), (n_own) the person's; its own */
    uint32_t n_id, n_own;
};

/* A page being made. */
struct page {
    struct nbx_request *r;
    struct nbx_events_read_req req;
    struct nbx_customer_scope scope; /* the store itself, with an arena for the entry at hand */
    const struct nbx_event_type *types[NBX_MAX_EVENT_TYPES]; /* (req.types.n) */
    struct nbx_cursor *cursor;
    struct nbx_key at; /* the first key that was not looked at */
    int64_t begun_ns;
    struct whose whose;
    struct nbx_buf events;
    uint32_t n;
};

static bool is_full(const struct page *p)
{
    int64_t took_ns = nbx_clock_mono_ns() - p->begun_ns;
    bool awaited = nbx_ring_depth(p->r->worker->from_front) > 0;
    return p->n >= p->req.n || p->events.len >= PAGE_BYTES ||
           took_ns >= (awaited ? LEAST_NS : PAGE_NS);
}

static enum nbx_err seek(struct page *p, struct nbx_key at)
{
    struct nbx_str end = {0};
    p->at = at;
    nbx_cursor_close(&p->cursor);
    return nbx_cursor_open(&p->cursor, nbx_customers_store(p->scope.customers), NBX_FAMILY_EVENTS,
                           nbx_key_str(&p->at), end, false);
}

/* whose they are */

static uint32_t keep_id(char out[NBX_ID_MAX_BYTES], struct nbx_str id)
{
    uint32_t n = id.len < NBX_ID_MAX_BYTES ? id.len : NBX_ID_MAX_BYTES;
    memcpy(out, id.p, n);
    return n;
}

/* Of a linked identity: the person goes by the first one's id, and one consent denied is denied by
 * all. An identity whose first was forgotten meanwhile goes by its own. */
static enum nbx_err meet_person(struct page *p, uint8_t *withdrawn)
{
    struct whose *w = &p->whose;
    struct nbx_profile profile;
    struct nbx_link_record first;
    enum nbx_err err = nbx_profile_load(&profile, &p->scope, (struct nbx_str){w->own, w->n_own});
    *withdrawn |= profile.also_withdrawn;
    if (err || !profile.linked || profile.linked->parts[0].number == w->number)
        return err;
    err = nbx_link_read(&first, &p->scope, profile.linked->parts[0].number);
    if (!err && first.id.len) {
        w->n_id = keep_id(w->id, first.id);
        w->linked = true;
    }
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

/* Nobody known: events of nobody, of somebody forgotten since the cursor was opened, held ones. */
static enum nbx_err meet(struct page *p, uint64_t number)
{
    struct whose *w = &p->whose;
    struct nbx_key key = nbx_key_customer(number);
    struct nbx_stored stored;
    struct nbx_customer_record head;
    *w = (struct whose){.number = number};
    if (NBX_CUSTOMER_SERIAL(number) == 0)
        return NBX_OK;
    enum nbx_err err =
        nbx_customer_read(&p->scope, NBX_FAMILY_CUSTOMERS, nbx_key_str(&key), &stored);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
    if (err || (err = nbx_customer_record_decode(&head, &stored, p->scope.arena)))
        return err;
    uint8_t withdrawn = nbx_consent_withdrawn(head.consent);
    w->n_own = keep_id(w->own, head.id);
    w->n_id = keep_id(w->id, head.id);
    if (nbx_customers_links(p->scope.customers, number))
        err = meet_person(p, &withdrawn);
    w->wanted = !(withdrawn & NBX_PURPOSE_TRAIN);
    return err;
}

/* what they did */

static bool is_wanted(const struct page *p, const struct nbx_event_type *type)
{
    for (uint32_t i = 0; i < p->req.types.n; i++)
        if (p->types[i] == type)
            return true;
    return type && p->req.types.n == 0;
}

static enum nbx_err put_event(struct page *p, int64_t time_ms, const struct nbx_stored *stored)
{
    const struct whose *w = &p->whose;
    struct nbx_event_record e;
    enum nbx_err err = nbx_event_record_decode(&e, stored, p->scope.arena);
    if (err || e.held || nbx_event_is_past(&p->scope, &e, time_ms) ||
        !is_wanted(p, nbx_vocabulary_type_no(p->scope.vocabulary, e.type_no)))
        return err;
    struct nbx_event_owner owner = {{w->id, w->n_id}, {w->own, w->linked ? w->n_own : 0}};
    nbx_reply_owned_event(&p->events, p->r, &owner, time_ms, &e);
    p->n++;
    return NBX_OK;
}

/* Past what is not wanted of a customer nothing is read. */
static enum nbx_err look_at(struct page *p, struct nbx_str key, const struct nbx_stored *stored)
{
    static const uint8_t least[16];
    uint64_t number;
    int64_t time_ms;
    nbx_arena_reset(p->scope.arena);
    if (!nbx_key_event_parse(key, &number, &time_ms, NULL))
        return NBX_ECORRUPT;
    enum nbx_err err = number == p->whose.number ? NBX_OK : meet(p, number);
    if (err)
        return err;
    if (!p->whose.wanted || time_ms >= p->req.until_ms)
        return seek(p, nbx_key_customer_end(number));
    if (time_ms < p->req.since_ms)
        return seek(p, nbx_key_event(number, p->req.since_ms, least));
    memcpy(p->at.p, key.p, key.len);
    p->at.p[key.len] = 0; /* the first key behind it */
    p->at.len = key.len + 1;
    return put_event(p, time_ms, stored);
}

/* the request */

static enum nbx_err find_types(struct page *p)
{
    const struct nbx_vocabulary *words = p->scope.vocabulary;
    for (uint32_t i = 0; i < p->req.types.n; i++) {
        char field[32];
        snprintf(field, sizeof field, "types[%u]", i);
        p->types[i] = nbx_vocabulary_type(words, p->req.types.p[i]);
        if (!p->types[i])
            return nbx_fault_set(&p->r->fault, NBX_EBAD, field,
                                 "unknown event type '%.*s', known: %s",
                                 NBX_STR_ARG(p->req.types.p[i]), nbx_vocabulary_list_types(words));
    }
    return NBX_OK;
}

static enum nbx_err read_after(struct page *p)
{
    struct nbx_str text = p->req.after;
    uint32_t n = text.len / 2;
    p->at = nbx_key_customer(0);
    if (!text.len)
        return NBX_OK;
    if (text.len % 2 || n < LEAST_AT || n > MOST_AT || !nbx_unhex(p->at.p, text.p, n))
        return nbx_fault_set(&p->r->fault, NBX_EBAD, "after",
                             "is not what `next` of the page before said");
    p->at.len = n;
    return NBX_OK;
}

/* NBX_ENOTFOUND: there are no more events. */
static enum nbx_err put_events(struct page *p)
{
    struct nbx_str key;
    struct nbx_stored stored;
    enum nbx_err err = seek(p, p->at);
    do {
        if (!err)
            err = nbx_cursor_next(p->cursor, &key, &stored);
        if (!err)
            err = look_at(p, key, &stored);
    } while (!err && !is_full(p));
    nbx_cursor_close(&p->cursor);
    return err;
}

static void reply(struct nbx_request *r, const struct page *p, bool more)
{
    struct nbx_buf *b = &r->job->reply;
    nbx_reply_begin(r->job, 1 + more, &p->req.id);
    nbx_wire_text(b, "events");
    nbx_wire_list(b, p->n);
    nbx_buf_put(b, p->events.p, p->events.len);
    b->failed |= p->events.failed;
    if (more) {
        nbx_wire_text(b, "next");
        nbx_wire_hex(b, p->at.p, p->at.len);
    }
    nbx_reply_finish(r->job);
}

static enum nbx_err gather(struct page *p)
{
    struct nbx_request *r = p->r;
    enum nbx_err err =
        nbx_message_events_read(&p->req, nbx_job_body(r->job), r->scope.arena, &r->fault);
    if (err || (err = find_types(p)) || (err = read_after(p)))
        return err;
    p->scope.arena = nbx_arena_new(ENTRY_BYTES);
    err = p->scope.arena ? put_events(p) : NBX_ELIMIT;
    if (err && err != NBX_ENOTFOUND)
        nbx_fault_set(&r->fault, err, NULL, "the events cannot be read");
    return err;
}

void nbx_request_events_read(struct nbx_request *r)
{
    struct page p = {
        .r = r, .scope = r->scope, .begun_ns = nbx_clock_mono_ns(), .whose = {.number = NOBODY}};
    p.scope.recent = NULL;
    p.scope.arena = NULL;
    enum nbx_err err = gather(&p);
    if (err && err != NBX_ENOTFOUND)
        nbx_reply_fault(r->job, &r->fault, &p.req.id);
    else
        reply(r, &p, !err);
    nbx_buf_fini(&p.events);
    nbx_arena_destroy(&p.scope.arena);
}
