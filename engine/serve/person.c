/* SPDX-License-Identifier: MIT */
#include "engine/serve/person.h"

#include "proto/wire.h"

enum nbx_err nbx_person_read(struct nbx_person *out, const struct nbx_customer_scope *scope,
                             const struct nbx_profile *p)
{
    uint64_t own = p->known ? p->number : p->reserved;
    *out = (struct nbx_person){.numbers = {own}, .n = own != 0, .linked = p->linked != NULL};
    if (!p->linked)
        return NBX_OK;
    out->n = p->linked->n;
    for (uint32_t i = 0; i < out->n; i++) {
        out->numbers[i] = p->linked->parts[i].number;
        out->own = out->numbers[i] == own ? i : out->own;
    }
    return nbx_linked_read(out->links, scope, p->linked);
}

/* To whom it is linked; empty: to none of those there are. */
static struct nbx_str parent_of(const struct nbx_person *person, uint32_t i)
{
    for (uint32_t k = 0; person->links[i].parent && k < person->n; k++)
        if (person->numbers[k] == person->links[i].parent)
            return person->links[k].id;
    return NBX_STR("");
}

void nbx_person_put_linked(struct nbx_buf *b, const struct nbx_person *person)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < person->n; i++)
        n += person->links[i].id.len > 0;
    nbx_wire_text(b, "linked");
    nbx_wire_list(b, n);
    for (uint32_t i = 0; i < person->n; i++) {
        const struct nbx_link_record *link = &person->links[i];
        struct nbx_str parent = parent_of(person, i);
        bool has_type = parent.len && link->type.len;
        if (!link->id.len)
            continue;
        nbx_wire_map(b, 1 + (parent.len ? 2 : 0) + has_type);
        nbx_wire_kv_str(b, "id", link->id);
        if (parent.len) {
            nbx_wire_kv_str(b, "to", parent);
            nbx_wire_kv_int(b, "since", link->since_ms);
        }
        if (has_type)
            nbx_wire_kv_str(b, "type", link->type);
    }
}

/* events */

static enum nbx_err open_reader(struct nbx_person_events *e, uint32_t i,
                                const struct nbx_store *store, struct nbx_person_span span)
{
    static const uint8_t least[16];
    struct nbx_person_reader *reader = &e->readers[i];
    uint64_t number = e->person->numbers[i];
    struct nbx_key from = nbx_key_event(number, span.from_ms, least);
    struct nbx_key to = nbx_key_event(number, span.to_ms, least);
    if (e->person->linked && i != e->person->own)
        reader->next.identity = e->person->links[i].id;
    return nbx_cursor_open(&reader->cursor, store, NBX_FAMILY_EVENTS, nbx_key_str(&from),
                           nbx_key_str(&to), span.newest_first);
}

enum nbx_err nbx_person_events_open(struct nbx_person_events *out, const struct nbx_request *r,
                                    const struct nbx_person *person, struct nbx_person_span span)
{
    enum nbx_err err = NBX_OK;
    *out = (struct nbx_person_events){
        .person = person, .arena = r->scope.arena, .newest_first = span.newest_first};
    for (uint32_t i = 0; !err && i < person->n; i++)
        err = open_reader(out, i, nbx_customers_store(r->scope.customers), span);
    return err;
}

/* Reads the next event; at the end closes the cursor. */
static enum nbx_err advance(struct nbx_person_events *e, struct nbx_person_reader *reader)
{
    struct nbx_str key;
    struct nbx_stored stored;
    uint64_t number;
    enum nbx_err err = nbx_cursor_next(reader->cursor, &key, &stored);
    if (err == NBX_ENOTFOUND) {
        nbx_cursor_close(&reader->cursor);
        return NBX_OK;
    }
    if (!err && !nbx_key_event_parse(key, &number, &reader->next.time_ms, NULL))
        err = NBX_ECORRUPT;
    reader->fresh = true;
    return err ? err : nbx_event_record_decode(&reader->next.record, &stored, e->arena);
}

enum nbx_err nbx_person_events_next(struct nbx_person_events *e,
                                    const struct nbx_person_event **out)
{
    struct nbx_person_reader *best = NULL;
    for (uint32_t i = 0; i < e->person->n; i++) {
        struct nbx_person_reader *reader = &e->readers[i];
        enum nbx_err err = reader->cursor && !reader->fresh ? advance(e, reader) : NBX_OK;
        if (err)
            return err;
        if (!reader->cursor)
            continue;
        if (!best || (e->newest_first ? reader->next.time_ms > best->next.time_ms
                                      : reader->next.time_ms < best->next.time_ms))
            best = reader;
    }
    if (!best)
        return NBX_ENOTFOUND;
    best->fresh = false;
    *out = &best->next;
    return NBX_OK;
}

void nbx_person_events_close(struct nbx_person_events *e)
{
    for (uint32_t i = 0; i < NBX_LINKED_MAX; i++)
        nbx_cursor_close(&e->readers[i].cursor);
}
