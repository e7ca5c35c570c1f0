/* SPDX-License-Identifier: MIT
 * What must hold of the log: every command has its place, and names what is there.
 */
#include "engine/care/verify_internal.h"
#include "engine/customer/command.h"
#include "engine/store/log_record.h"

static uint64_t last_of(const struct nbx_check *c, uint16_t stream)
{
    return stream == NBX_STREAM_CATALOGUE ? c->catalogue_seq : c->groups[stream].seq;
}

static enum nbx_err read_event_id(struct nbx_check *c, uint64_t number,
                                  const struct nbx_log_event *e, struct nbx_event_id_record *out)
{
    struct nbx_key key = nbx_key_event_id(number, e->id_hash);
    struct nbx_stored stored;
    enum nbx_err err =
        nbx_store_get(c->store, NBX_FAMILY_EVENT_IDS, nbx_key_str(&key), c->arena, &stored);
    return err ? err : nbx_event_id_record_decode(out, &stored, c->arena);
}

/* An event that is not there any more was retracted, or is too old to be kept. */
static const char *check_absent(struct nbx_check *c, uint64_t number, const struct nbx_log_event *e)
{
    static const char missing[] = "names an event that is not there";
    struct nbx_event_id_record known = {0};
    if (nbx_verify__may_be_gone(c, e->time_ms))
        return NULL;
    const char *what = nbx_verify__read(c, read_event_id(c, number, e, &known), missing);
    return what || c->err || known.retracted || known.folded ? what : missing;
}

/* An event that was held when it came has the number of its becoming due; an id that was forgotten
 * may have come anew. */
static const char *check_event(struct nbx_check *c, const struct nbx_log_record *r, uint32_t i,
                               uint64_t seq)
{
    const struct nbx_log_event *e = &r->events[i];
    struct nbx_log_record alone = {
        .kind = r->kind, .now_ms = r->now_ms, .events = &r->events[i], .n_events = 1};
    struct nbx_key key = nbx_key_event(r->number, e->time_ms, e->id_hash);
    struct nbx_stored stored;
    uint64_t own = 0;
    enum nbx_err err =
        nbx_store_get(c->store, NBX_FAMILY_EVENTS, nbx_key_str(&key), c->arena, &stored);
    if (err == NBX_ENOTFOUND)
        return check_absent(c, r->number, e);
    if (!err)
        err = nbx_event_record_seq(&own, &stored);
    const char *what = nbx_verify__read(c, err, NULL);
    if (what || c->err || own == seq ||
        (own > seq && (nbx_command_holds(&alone) || nbx_verify__may_be_gone(c, e->time_ms))))
        return what;
    return "names an event of another sequence number";
}

static const char *check_events(struct nbx_check *c, const struct nbx_log_record *r, uint64_t seq)
{
    const char *what = NULL;
    for (uint32_t i = 0; !what && !c->err && i < r->n_events; i++) {
        nbx_arena_reset(c->scratch);
        what = check_event(c, r, i, seq + i);
    }
    return what;
}

/* What the customer's events do not lead to must be found by its mention. */
static const char *check_mention(struct nbx_check *c, const struct nbx_log_record *r, uint64_t seq)
{
    enum nbx_err err = NBX_OK;
    bool said = r->kind == NBX_LOG_PUT || r->kind == NBX_LOG_RETRACT || r->kind == NBX_LOG_LINK ||
                r->kind == NBX_LOG_UNLINK;
    bool needed = said || r->customer.len > 0 || nbx_command_holds(r);
    struct nbx_key key = nbx_key_mention(r->number, seq);
    if (!needed)
        return NULL;
    bool there = nbx_store_has(c->store, NBX_FAMILY_MENTIONS, nbx_key_str(&key), &err);
    if (!err && !there)
        err = NBX_ENOTFOUND;
    return nbx_verify__read(c, err, "is not mentioned under its customer");
}

static const char *check_place(struct nbx_check *c, uint16_t stream, uint64_t seq, uint64_t n)
{
    uint64_t *reached = &c->reached[stream];
    const char *what = NULL;
    if (seq != *reached + 1)
        what = seq > *reached ? "commands before it are not there" : "stands twice in the log";
    else if (n > last_of(c, stream) - *reached)
        what = "has a sequence number that was never given";
    *reached = seq + n - 1;
    return what;
}

static const char *check_owner(const struct nbx_log_record *r, uint16_t stream)
{
    if (r->kind == NBX_LOG_GONE)
        return NULL;
    bool catalogue = nbx_log_of_catalogue(r->kind);
    if (catalogue != (stream == NBX_STREAM_CATALOGUE))
        return "is of a kind that does not belong into its stream";
    if (catalogue)
        return NULL;
    bool other = r->customer.len && nbx_group_of(r->customer) != stream;
    return other || NBX_CUSTOMER_GROUP(r->number) != stream
               ? "is of a customer that does not belong into its stream"
               : NULL;
}

const char *nbx_verify__log(struct nbx_check *c, struct nbx_str key,
                            const struct nbx_stored *stored)
{
    uint16_t stream;
    uint64_t seq;
    struct nbx_log_record r = {.n = 1};
    if (!nbx_key_log_parse(key, &stream, &seq) || stream >= NBX_N_STREAMS)
        return "has a key that is no stream and sequence number";
    const char *what = nbx_verify__undecoded(c, nbx_log_record_decode(&r, stored, c->arena));
    if (c->err)
        return NULL;
    if (what) {
        c->reached[stream] = seq + (r.n ? r.n : 1) - 1; /* as far as it can be said */
        return what;
    }
    if ((what = check_place(c, stream, seq, r.n)) || (what = check_owner(&r, stream)))
        return what;
    if (nbx_log_of_events(r.kind) && (what = check_events(c, &r, seq)))
        return what;
    return c->err ? NULL : check_mention(c, &r, seq);
}

void nbx_verify__log_ends(struct nbx_check *c)
{
    bool any = false; /* a folder of an older program has no log yet */
    for (uint16_t s = 0; s < NBX_N_STREAMS; s++)
        any |= c->reached[s] > 0;
    for (uint16_t s = 0; any && s < NBX_N_STREAMS; s++) {
        struct nbx_key key = nbx_key_log(s, c->reached[s] + 1);
        if (c->reached[s] < last_of(c, s))
            nbx_verify__found(c, NBX_FAMILY_LOG, nbx_key_str(&key), "is not there");
    }
}

const char *nbx_verify__mention(struct nbx_check *c, struct nbx_str key,
                                const struct nbx_stored *stored)
{
    static const char missing[] = "names an entry that is not there";
    struct nbx_log_record r = {0};
    struct nbx_stored entry;
    uint64_t number, seq;
    if (!nbx_key_mention_parse(key, &number, &seq))
        return "has a key that is no customer number and sequence number";
    if (stored->version != 1 || stored->payload.len)
        return nbx_verify__undecoded(c, stored->version > 1 ? NBX_EVERSION : NBX_ECORRUPT);
    struct nbx_key at = nbx_key_log(NBX_CUSTOMER_GROUP(number), seq);
    enum nbx_err err = nbx_store_get(c->store, NBX_FAMILY_LOG, nbx_key_str(&at), c->arena, &entry);
    if (!err)
        err = nbx_log_record_decode(&r, &entry, c->arena);
    const char *what = nbx_verify__read(c, err, missing);
    bool expired = r.kind == NBX_LOG_GONE && r.reason == NBX_GONE_EXPIRED;
    return what || c->err || expired || (r.kind != NBX_LOG_GONE && r.number == number) ? what
                                                                                       : missing;
}
