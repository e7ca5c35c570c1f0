/* SPDX-License-Identifier: MIT
 * customer.export: everything that is held of a customer, a page at a time.
 *
 * A page goes through the sections in order, each by the order of its keys, until it is full; what
 * the next one goes on behind is told as "<section>:<key in hex>", the key without the customer's
 * number. Of linked identities a page has what lies under one, the one asked for first; its number
 * in hex and a colon then stand before.
 */
#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/customer/seen.h"
#include "engine/serve/person.h"
#include "engine/serve/reply_decision.h"
#include "engine/serve/reply_event.h"
#include "engine/store/log_record.h"
#include "proto/wire.h"

#define PAGE_BYTES  ((size_t)256 << 10) /* of a reply, and one entry more */
#define PAGE_LOOKED 2000                /* entries: other customers wait meanwhile */
#define AFTER_BYTES 24                  /* of a key behind the number: the longest is an event's */
#define SEEN_BYTES  8
#define NAMED_CHARS 16 /* of a number in hex */

enum section { EVENTS, SEEN, VECTORS, DECISIONS, RETRACTED, COMMANDS, N_SECTIONS };

/* A page being made. */
struct export
{
    struct nbx_request *r;
    struct nbx_person person;
    uint64_t named;    /* by `after`: whose records the page has; 0: those of whom was asked for */
    uint32_t at;       /* its place in person */
    struct nbx_str id; /* of whose records they are */
    struct nbx_profile profile;
    uint64_t number; /* of the customer, or the one that is reserved; 0: none */
    struct nbx_buf lists[N_SECTIONS];
    uint32_t n[N_SECTIONS], n_looked;
    enum section section; /* where the page began; where it stopped. N_SECTIONS: the end */
    uint8_t after[AFTER_BYTES];
    uint32_t n_after; /* 0: from the section's beginning */
    bool first;       /* page of the identity */
};

static bool is_full(const struct export *x)
{
    size_t bytes = 0;
    for (int s = 0; s < N_SECTIONS; s++)
        bytes += x->lists[s].len;
    return bytes >= PAGE_BYTES || x->n_looked >= PAGE_LOOKED;
}

/* Each puts what a record of its section says, or nothing. */

static enum nbx_err put_event(struct export *x, struct nbx_str key, const struct nbx_stored *stored)
{
    struct nbx_event_record event;
    uint64_t owner;
    int64_t time_ms;
    if (!nbx_key_event_parse(key, &owner, &time_ms, NULL))
        return NBX_ECORRUPT;
    enum nbx_err err = nbx_event_record_decode(&event, stored, x->r->scope.arena);
    if (err)
        return err;
    nbx_reply_whole_event(&x->lists[EVENTS], x->r, time_ms, &event);
    x->n[EVENTS]++;
    return NBX_OK;
}

static void put_floats(struct nbx_buf *b, const float *p, uint32_t n)
{
    nbx_wire_list(b, n);
    for (uint32_t i = 0; i < n; i++)
        nbx_wire_float(b, (double)p[i]);
}

static bool is_of_space(const struct export *x, struct nbx_str key, struct nbx_str space)
{
    struct nbx_key named = nbx_key_vector(x->number, space);
    return nbx_str_eq(key, nbx_key_str(&named));
}

/* Records name a space by its hash: whose it is, the model in service may know. */
static struct nbx_str find_space(const struct export *x, struct nbx_str key)
{
    const struct nbx_model *model = x->r->worker->world->model;
    if (is_of_space(x, key, NBX_STR("")))
        return NBX_STR("the model's first");
    for (size_t s = 0; model && s < nbx_model_n_spaces(model); s++)
        if (is_of_space(x, key, nbx_model_space_at(model, s)->name))
            return nbx_model_space_at(model, s)->name;
    return NBX_STR("unknown");
}

/* "NAME@VERSION", or the version alone. */
static struct nbx_str version_of(struct nbx_str tag)
{
    const char *at = tag.len ? memchr(tag.p, '@', tag.len) : NULL;
    uint32_t skipped = at ? (uint32_t)(at + 1 - tag.p) : 0;
    return (struct nbx_str){tag.p + skipped, tag.len - skipped};
}

static enum nbx_err put_vector(struct export *x, struct nbx_str key,
                               const struct nbx_stored *stored)
{
    struct nbx_buf *b = &x->lists[VECTORS];
    struct nbx_vector_record v;
    enum nbx_err err = nbx_vector_record_decode(&v, stored, x->r->scope.arena);
    if (err)
        return err;
    nbx_wire_map(b, v.given ? 4 : 5);
    nbx_wire_kv_str(b, "space", find_space(x, key));
    nbx_wire_kv_bool(b, "given", v.given);
    nbx_wire_kv_int(b, "made", v.made_ms);
    if (!v.given)
        nbx_wire_kv_str(b, "model_version", version_of(v.model_tag));
    nbx_wire_text(b, "vector");
    put_floats(b, v.p, v.n);
    x->n[VECTORS]++;
    return NBX_OK;
}

/* What the list was scored with, which is the customer's too. */
static void put_used(struct nbx_buf *b, const struct export *x, const struct nbx_decision_record *d)
{
    nbx_wire_text(b, "scored_by");
    nbx_wire_map(b, 3);
    nbx_wire_kv_str(b, "space", d->vector.space);
    nbx_wire_text(b, "vector");
    put_floats(b, d->vector.p, d->vector.n);
    nbx_wire_text(b, "history");
    nbx_wire_list(b, d->history.n);
    for (uint32_t i = 0; i < d->history.n; i++) {
        nbx_wire_map(b, 2);
        nbx_wire_kv_str(b, "item", nbx_ids_name(x->r->worker->server->ids, d->history.p[i]));
        nbx_wire_kv_float(b, "weight", (double)d->history_weights[i]);
    }
}

static enum nbx_err put_decision(struct export *x, struct nbx_str key,
                                 const struct nbx_stored *stored)
{
    struct nbx_buf *b = &x->lists[DECISIONS];
    struct nbx_decision_record record;
    struct nbx_shown_decision decision = {.r = x->r, .record = &record, .customer = x->id};
    if (key.len != sizeof decision.id.b)
        return NBX_ECORRUPT;
    memcpy(decision.id.b, key.p, key.len);
    enum nbx_err err = nbx_decision_record_decode(&record, stored, x->r->scope.arena);
    if (err)
        return err;
    bool used = record.vector.from != NBX_VECTOR_NONE;
    nbx_wire_map(b, nbx_reply_n_decision(&decision) + used);
    nbx_reply_decision(b, &decision);
    if (used)
        put_used(b, x, &record);
    x->n[DECISIONS]++;
    return NBX_OK;
}

/* Ids of events that were taken back; those that are kept stand in the events. */
static enum nbx_err put_retracted(struct export *x, struct nbx_str key,
                                  const struct nbx_stored *stored)
{
    struct nbx_buf *b = &x->lists[RETRACTED];
    struct nbx_event_id_record record;
    enum nbx_err err = nbx_event_id_record_decode(&record, stored, x->r->scope.arena);
    if (err || !record.retracted)
        return err;
    nbx_wire_map(b, 2);
    nbx_wire_kv_int(b, "time", record.time_ms);
    nbx_wire_text(b, "id_hash");
    nbx_wire_hex(b, key.p + sizeof x->number, key.len - (uint32_t)sizeof x->number);
    x->n[RETRACTED]++;
    return NBX_OK;
}

/* What the log says beside the events: where a customer.put or a retraction lies in it. */
static enum nbx_err put_command(struct export *x, struct nbx_str key,
                                const struct nbx_stored *stored)
{
    struct nbx_buf *b = &x->lists[COMMANDS];
    struct nbx_log_record entry;
    uint64_t number, seq, first;
    (void)stored;
    if (!nbx_key_mention_parse(key, &number, &seq))
        return NBX_ECORRUPT;
    enum nbx_err err = nbx_log_find(&entry, &first, nbx_customers_store(x->r->scope.customers),
                                    NBX_CUSTOMER_GROUP(number), seq, x->r->scope.arena);
    if (err)
        return err == NBX_ENOTFOUND ? NBX_OK : err;
    nbx_wire_map(b, entry.body ? 4 : 3);
    nbx_wire_kv_int(b, "seq", (int64_t)seq);
    nbx_wire_kv_int(b, "time", entry.now_ms);
    nbx_wire_kv_text(b, "kind", nbx_log_kind_name(entry.kind));
    if (entry.body)
        nbx_wire_kv_value(b, "body", entry.body);
    x->n[COMMANDS]++;
    return NBX_OK;
}

static const struct {
    const char *name;
    enum nbx_err (*put)(struct export *x, struct nbx_str key, const struct nbx_stored *stored);
    enum nbx_family family;
    uint32_t key_bytes; /* behind the number */
} sections[N_SECTIONS] = {
    [EVENTS] = {"events", put_event, NBX_FAMILY_EVENTS, 24},
    [SEEN] = {"seen", NULL, NBX_FAMILY_SEEN, SEEN_BYTES},
    [VECTORS] = {"vectors", put_vector, NBX_FAMILY_VECTORS, 8},
    [DECISIONS] = {"decisions", put_decision, NBX_FAMILY_DECISIONS, 8},
    [RETRACTED] = {"retracted", put_retracted, NBX_FAMILY_EVENT_IDS, 16},
    [COMMANDS] = {"commands", put_command, NBX_FAMILY_MENTIONS, 8},
};

/* sections */

static void note_after(struct export *x, struct nbx_str key)
{
    NBX_ASSERT(key.len <= sizeof x->after);
    memcpy(x->after, key.p, key.len);
    x->n_after = key.len;
    x->n_looked++;
}

/* The first key of the section that the page has; behind `after`: one byte longer. */
static struct nbx_key first_key(const struct export *x)
{
    struct nbx_key k = nbx_key_customer(x->number);
    memcpy(k.p + k.len, x->after, x->n_after);
    k.len += x->n_after;
    if (x->n_after)
        k.p[k.len++] = 0;
    return k;
}

/* NBX_OK: the page is full. NBX_ENOTFOUND: the section is at its end. */
static enum nbx_err put_family(struct export *x)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_key from = first_key(x), to = nbx_key_customer_end(x->number);
    struct nbx_str key;
    struct nbx_stored stored;
    enum nbx_err err =
        nbx_cursor_open(&cursor, nbx_customers_store(x->r->scope.customers),
                        sections[x->section].family, nbx_key_str(&from), nbx_key_str(&to), false);
    while (!err && !is_full(x) && !(err = nbx_cursor_next(cursor, &key, &stored)))
        if (!(err = sections[x->section].put(x, key, &stored)))
            note_after(x, (struct nbx_str){key.p + sizeof x->number,
                                           key.len - (uint32_t)sizeof x->number});
    nbx_cursor_close(&cursor);
    return err;
}

static void seen_key(const struct nbx_seen_entry *e, char out[SEEN_BYTES])
{
    for (int i = 0; i < 4; i++)
        out[i] = (char)(e->item_no >> (24 - 8 * i));
    out[4] = (char)(e->type_no >> 8);
    out[5] = (char)e->type_no;
    out[6] = (char)e->negative;
    out[7] = (char)e->scope;
}

static void put_seen_entry(struct export *x, const struct nbx_seen_entry *e)
{
    static const char *const scopes[] = {"item", "brand", "category"};
    struct nbx_buf *b = &x->lists[SEEN];
    const struct nbx_event_type *type =
        nbx_vocabulary_type_no(x->r->worker->world->vocabulary, e->type_no);
    nbx_wire_map(b, 5);
    nbx_wire_kv_str(b, "item", nbx_ids_name(x->r->worker->server->ids, e->item_no));
    nbx_wire_kv_str(b, "type", type ? type->name : NBX_STR("unknown"));
    nbx_wire_kv_bool(b, "negative", e->negative);
    nbx_wire_kv_text(b, "scope", scopes[e->scope]);
    nbx_wire_kv_int(b, "last", e->last_ms);
    x->n[SEEN]++;
}

/* As put_family, of the one record that holds them all. */
static enum nbx_err put_seen(struct export *x)
{
    const struct nbx_seen_record *seen = &x->profile.seen;
    for (uint32_t i = 0; i < seen->n; i++) {
        char key[SEEN_BYTES];
        seen_key(&seen->entries[i], key);
        if (x->n_after && memcmp(key, x->after, sizeof key) <= 0)
            continue;
        if (is_full(x))
            return NBX_OK;
        put_seen_entry(x, &seen->entries[i]);
        note_after(x, (struct nbx_str){key, sizeof key});
    }
    return NBX_ENOTFOUND;
}

static enum nbx_err put_sections(struct export *x)
{
    while (x->section < N_SECTIONS) {
        enum nbx_err err = !x->number           ? NBX_ENOTFOUND
                           : x->section == SEEN ? put_seen(x)
                                                : put_family(x);
        if (err != NBX_ENOTFOUND)
            return err;
        x->section++;
        x->n_after = 0;
    }
    return NBX_OK;
}

/* the request */

static enum nbx_err bad_after(struct export *x)
{
    return nbx_fault_set(&x->r->fault, NBX_EBAD, "after",
                         "is not what `next` of the page before said");
}

/* The number at the text's beginning, where there is one, goes. */
static void read_named(struct export *x, struct nbx_str *text)
{
    uint8_t number[NAMED_CHARS / 2];
    if (text->len <= NAMED_CHARS || text->p[NAMED_CHARS] != ':' ||
        !nbx_unhex(number, text->p, sizeof number))
        return;
    for (size_t i = 0; i < sizeof number; i++)
        x->named = x->named << 8 | number[i];
    *text = (struct nbx_str){text->p + NAMED_CHARS + 1, text->len - NAMED_CHARS - 1};
}

/* Where the page before ended. */
static enum nbx_err read_after(struct export *x, struct nbx_str text)
{
    read_named(x, &text);
    const char *colon = memchr(text.p, ':', text.len);
    if (!colon)
        return bad_after(x);
    struct nbx_str name = {text.p, (uint32_t)(colon - text.p)};
    while (x->section < N_SECTIONS && !nbx_str_is(name, sections[x->section].name))
        x->section++;
    if (x->section == N_SECTIONS)
        return bad_after(x);
    uint32_t n = text.len - name.len - 1;
    if (n != 0 && n != 2 * sections[x->section].key_bytes)
        return bad_after(x);
    if (!nbx_unhex(x->after, colon + 1, n / 2))
        return bad_after(x);
    x->n_after = n / 2;
    x->first = x->named && x->section == 0 && n == 0;
    return NBX_OK;
}

/* Whose records the page has. */
static enum nbx_err find_identity(struct export *x)
{
    const struct nbx_person *person = &x->person;
    x->at = person->own;
    x->id = nbx_job_key(x->r->job);
    if (!x->named || (person->n && person->numbers[person->own] == x->named))
        return NBX_OK;
    for (x->at = 0; x->at < person->n && person->numbers[x->at] != x->named;)
        x->at++;
    if (x->at == person->n)
        return nbx_fault_set(&x->r->fault, NBX_ECONFLICT, "after",
                             "is of an identity that is not linked with the customer any more");
    x->id = person->links[x->at].id;
    return NBX_OK;
}

/* Of another identity by its own id, past what this worker read lately of its own customers. */
static enum nbx_err read_identity(struct export *x)
{
    struct nbx_customer_scope scope = x->r->scope;
    enum nbx_err err = NBX_OK;
    if (x->at != x->person.own) {
        scope.recent = NULL;
        err = nbx_profile_load(&x->profile, &scope, x->id);
    }
    if (!err)
        err = nbx_profile_load_head(&x->profile, &scope);
    x->number = x->profile.known ? x->profile.number : x->profile.reserved;
    return err;
}

static enum nbx_err gather(struct export *x)
{
    struct nbx_request *r = x->r;
    enum nbx_err err = nbx_profile_load(&x->profile, &r->scope, nbx_job_key(r->job));
    if (!err)
        err = nbx_person_read(&x->person, &r->scope, &x->profile);
    if (!err && find_identity(x))
        return r->fault.code;
    if (!err)
        err = read_identity(x);
    if (!err)
        err = put_sections(x);
    return err ? nbx_fault_set(&r->fault, err, NULL, "the customer cannot be read") : NBX_OK;
}

/* The place of the identity behind this one: after the one asked for all others in their order; n:
 * it was the last. */
static uint32_t next_identity(const struct export *x)
{
    uint32_t next = x->at == x->person.own ? 0 : x->at + 1;
    return next == x->person.own ? next + 1 : next;
}

/* the reply */

static void put_map(struct nbx_buf *b, const char *key, const struct nbx_value *map)
{
    struct nbx_value none = {.type = NBX_MAP};
    nbx_wire_kv_value(b, key, map ? map : &none);
}

static void put_totals(struct nbx_buf *b, const struct export *x)
{
    const struct nbx_totals *totals = &x->profile.head.totals;
    nbx_wire_text(b, "totals");
    nbx_wire_list(b, totals->n);
    for (uint32_t i = 0; i < totals->n; i++) {
        const struct nbx_event_type *type =
            nbx_vocabulary_type_no(x->r->worker->world->vocabulary, totals->types[i].type_no);
        nbx_wire_map(b, 3);
        nbx_wire_kv_str(b, "type", type ? type->name : NBX_STR("unknown"));
        nbx_wire_kv_int(b, "events", (int64_t)totals->types[i].n);
        nbx_wire_kv_int(b, "last", totals->types[i].last_ms);
    }
}

/* Who it is; the sections follow. */
static void put_customer(struct nbx_buf *b, const struct export *x)
{
    const struct nbx_customer_record *head = &x->profile.head;
    struct nbx_value no_channels = {.type = NBX_LIST};
    bool put = head->put_ms != 0, acted = head->totals.n > 0;
    nbx_wire_text(b, "customer");
    nbx_wire_map(b, 9 + put + acted);
    nbx_wire_kv_str(b, "id", x->id);
    nbx_wire_kv_bool(b, "known", x->profile.known);
    if (put)
        nbx_wire_kv_int(b, "put", head->put_ms);
    if (acted)
        nbx_wire_kv_int(b, "first_event", head->totals.first_ms);
    put_map(b, "attributes", head->attributes);
    put_map(b, "consent", head->consent);
    put_map(b, "identities", head->identities);
    nbx_wire_kv_str(b, "timezone", head->timezone);
    nbx_wire_kv_str(b, "locale", head->locale);
    nbx_wire_kv_value(b, "channels", head->channels ? head->channels : &no_channels);
    put_totals(b, x);
}

static void put_next(struct nbx_buf *b, const struct export *x)
{
    struct nbx_buf next = {0};
    char hex[2 * AFTER_BYTES];
    bool ended = x->section == N_SECTIONS;
    if (x->person.linked)
        nbx_buf_printf(&next, "%016llx:",
                       (unsigned long long)x->person.numbers[ended ? next_identity(x) : x->at]);
    nbx_buf_printf(&next, "%s:", sections[ended ? 0 : x->section].name);
    nbx_hex(hex, x->after, x->n_after);
    nbx_buf_put(&next, hex, (size_t)2 * x->n_after);
    nbx_wire_kv_str(b, "next", (struct nbx_str){(const char *)next.p, (uint32_t)next.len});
    b->failed |= next.failed;
    nbx_buf_fini(&next);
}

static void reply(struct export *x, const struct nbx_value *id)
{
    struct nbx_buf *b = &x->r->job->reply;
    bool linked = x->person.linked, tells_links = linked && x->first && !x->named;
    bool more = x->section < N_SECTIONS || (linked && next_identity(x) < x->person.n);
    nbx_reply_begin(x->r->job, N_SECTIONS + x->first + more + linked + tells_links, id);
    if (linked)
        nbx_wire_kv_str(b, "identity", x->id);
    if (tells_links)
        nbx_person_put_linked(b, &x->person);
    if (x->first)
        put_customer(b, x);
    for (int s = 0; s < N_SECTIONS; s++) {
        nbx_wire_text(b, sections[s].name);
        nbx_wire_list(b, x->n[s]);
        nbx_buf_put(b, x->lists[s].p, x->lists[s].len);
        b->failed |= x->lists[s].failed;
    }
    if (more)
        put_next(b, x);
    nbx_reply_finish(x->r->job);
}

void nbx_request_customer_export(struct nbx_request *r)
{
    struct nbx_export_req req;
    struct export x = {.r = r};
    enum nbx_err err = nbx_message_export(&req, nbx_job_body(r->job), r->scope.arena, &r->fault);
    x.first = req.after.len == 0;
    if (!err && req.after.len)
        err = read_after(&x, req.after);
    if (!err)
        err = gather(&x);
    if (err)
        nbx_reply_fault(r->job, &r->fault, &req.id);
    else
        reply(&x, &req.id);
    for (int s = 0; s < N_SECTIONS; s++)
        nbx_buf_fini(&x.lists[s]);
}
