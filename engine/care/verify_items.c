/* SPDX-License-Identifier: MIT
 * What must hold of counters, items and trends.
 */
#include "engine/care/verify_internal.h"

#include <stdlib.h>

/* KEYS.md names these. */

const char *nbx_verify__undecoded(struct nbx_check *c, enum nbx_err err)
{
    switch (err) {
    case NBX_OK: return NULL;
    case NBX_EVERSION: return "is of a newer version than this program knows";
    case NBX_ELIMIT: c->err = err; return NULL;
    default: return "does not decode";
    }
}

const char *nbx_verify__read(struct nbx_check *c, enum nbx_err err, const char *missing)
{
    switch (err) {
    case NBX_OK: return NULL;
    case NBX_ENOTFOUND: return missing;
    case NBX_ECORRUPT:
    case NBX_EVERSION: return "what it names cannot be read";
    default: c->err = err; return NULL;
    }
}

/* Where the counter of that key is noted; NULL where the key is of none. */
static uint64_t *counter_of(struct nbx_check *c, struct nbx_str key)
{
    static const char *const names[] = {NBX_META_SEQ, NBX_META_SERIAL};
    if (nbx_str_is(key, NBX_META_CATALOGUE_SEQ))
        return &c->catalogue_seq;
    for (int i = 0; i < 2; i++) {
        size_t n = strlen(names[i]);
        if (key.len != n + 2 || memcmp(key.p, names[i], n + 1) != 0)
            continue;
        uint8_t group = (uint8_t)key.p[n + 1];
        return i == 0 ? &c->groups[group].seq : &c->groups[group].serial;
    }
    return NULL;
}

const char *nbx_verify__meta(struct nbx_check *c, struct nbx_str key,
                             const struct nbx_stored *stored)
{
    uint64_t v = 0;
    const char *what = nbx_verify__undecoded(c, nbx_record_u64_decode(&v, stored));
    uint64_t *counter = what ? NULL : counter_of(c, key);
    if (counter)
        *counter = v;
    return what;
}

bool nbx_verify__has_item(const struct nbx_check *c, uint32_t item_no)
{
    return item_no && item_no <= c->items.last && c->items.bits[item_no / 8] >> item_no % 8 & 1;
}

/* Room for the bit of an item; false, with c->err set, where there is none. */
static bool reach(struct nbx_check *c, uint32_t item_no)
{
    size_t need = (size_t)item_no / 8 + 1;
    if (need <= c->items.room)
        return true;
    size_t room = 2 * need + 4096;
    uint8_t *bits = realloc(c->items.bits, room);
    if (!bits) {
        c->err = NBX_ELIMIT;
        return false;
    }
    memset(bits + c->items.room, 0, room - c->items.room);
    c->items.bits = bits;
    c->items.room = room;
    return true;
}

const char *nbx_verify__item_id(struct nbx_check *c, struct nbx_str key,
                                const struct nbx_stored *stored)
{
    uint64_t v = 0;
    (void)key;
    const char *what = nbx_verify__undecoded(c, nbx_record_u64_decode(&v, stored));
    if (what)
        return what;
    if (v == 0 || v > UINT32_MAX)
        return "has no item number";
    uint32_t item_no = (uint32_t)v;
    if (nbx_verify__has_item(c, item_no))
        return "has the number of another id";
    if (!reach(c, item_no))
        return NULL;
    c->items.bits[item_no / 8] |= (uint8_t)(1u << item_no % 8);
    c->items.last = item_no > c->items.last ? item_no : c->items.last;
    return NULL;
}

const char *nbx_verify__item(struct nbx_check *c, struct nbx_str key,
                             const struct nbx_stored *stored)
{
    uint32_t item_no;
    uint64_t v = 0;
    struct nbx_item_record r;
    if (!nbx_key_item_parse(key, &item_no))
        return "has a key that is no item number";
    const char *what = nbx_verify__undecoded(c, nbx_item_record_decode(&r, stored, c->arena));
    if (what || c->err)
        return what;
    struct nbx_key id = nbx_key_item_id(r.id);
    enum nbx_err err =
        nbx_record_u64_get(c->store, NBX_FAMILY_ITEM_IDS, nbx_key_str(&id), c->arena, &v);
    what = nbx_verify__read(c, err, "its id is not there");
    return !what && v != item_no ? "its id has another item number" : what;
}

const char *nbx_verify__past_item(struct nbx_check *c, struct nbx_str key,
                                  const struct nbx_stored *stored)
{
    uint32_t item_no;
    uint64_t seq;
    struct nbx_past_item_record past;
    struct nbx_item_record r;
    if (!nbx_key_past_item_parse(key, &item_no, &seq))
        return "has a key that is no item and change";
    const char *what =
        nbx_verify__undecoded(c, nbx_past_item_record_decode(&past, stored, c->arena));
    if (!what && !c->err)
        what = nbx_verify__undecoded(c, nbx_item_record_decode(&r, &past.was, c->arena));
    if (what || c->err)
        return what;
    if (!nbx_verify__has_item(c, item_no))
        return "is of an item that has no id";
    return r.seq < seq ? NULL : "ended before it began";
}

const char *nbx_verify__trend(struct nbx_check *c, struct nbx_str key,
                              const struct nbx_stored *stored)
{
    uint16_t channel_no;
    uint32_t bucket, item_no;
    if (!nbx_key_trend_parse(key, &channel_no, &bucket, &item_no) ||
        (channel_no == NBX_TREND_ALL && bucket))
        return "has a key that is no channel, time and item";
    if (!nbx_verify__has_item(c, item_no))
        return "counts an item that has no id";
    bool zero = stored->payload.len == 1 && stored->payload.p[0] == 0;
    return !zero && nbx_stored_count(stored) == 0 ? "does not decode" : NULL;
}
