/* SPDX-License-Identifier: MIT */
#include "engine/store/recent.h"

#include "engine/base/hash.h"
#include "engine/base/pages.h"
#include "engine/store/store_internal.h"

#include <stdlib.h>

#define SLOT_SHARE 128  /* bytes of copies for each slot: a third of a typical one */
#define MAX_KEPT   4096 /* a larger record is not copied: it would push out too many */
#define MIN_SLOTS  64
#define N_PLACES   2 /* a key may lie in one slot or its neighbour */

struct copy {
    uint32_t key_len, payload_len;
    uint8_t family, version;
    uint8_t bytes[]; /* (key_len + payload_len) */
};

/* The hash beside the pointer: a copy's memory is waited for only where it is the right one. */
struct slot {
    uint64_t hash;
    struct copy *copy; /* NULL: empty */
};

struct nbx_recent {
    size_t max_bytes, bytes;
    size_t mask, hand;
    struct slot slots[]; /* (mask + 1) */
};

static size_t bytes_of_slots(size_t n)
{
    return sizeof(struct nbx_recent) + n * sizeof(struct slot);
}

struct nbx_recent *nbx_recent_new(size_t max_bytes)
{
    size_t n = MIN_SLOTS;
    while (n * SLOT_SHARE < max_bytes)
        n *= 2;
    struct nbx_recent *r = nbx_pages_new(bytes_of_slots(n));
    if (!r)
        return NULL;
    r->max_bytes = max_bytes;
    r->mask = n - 1;
    return r;
}

static size_t bytes_of(const struct copy *c)
{
    return sizeof *c + c->key_len + c->payload_len;
}

static void drop(struct nbx_recent *r, struct slot *slot)
{
    if (!slot->copy)
        return;
    r->bytes -= bytes_of(slot->copy);
    free(slot->copy);
    slot->copy = NULL;
}

void nbx_recent_destroy(struct nbx_recent **recent)
{
    if (!recent || !*recent)
        return;
    for (size_t i = 0; i <= (*recent)->mask; i++)
        free((*recent)->slots[i].copy);
    nbx_pages_free(*recent, bytes_of_slots((*recent)->mask + 1));
    *recent = NULL;
}

static bool is_kept(enum nbx_family family)
{
    return family == NBX_FAMILY_IDENTITIES || family == NBX_FAMILY_SEEN ||
           family == NBX_FAMILY_VECTORS;
}

static uint64_t hash_of(enum nbx_family family, struct nbx_str key)
{
    return nbx_hash64(key.p, key.len) + (uint64_t)family * UINT64_C(0x9e3779b97f4a7c15);
}

static struct nbx_str key_of(const struct copy *c)
{
    return (struct nbx_str){(const char *)c->bytes, c->key_len};
}

static bool holds(const struct slot *slot, uint64_t hash, enum nbx_family family,
                  struct nbx_str key)
{
    const struct copy *c = slot->copy;
    return c && slot->hash == hash && c->family == family && nbx_str_eq(key_of(c), key);
}

/* Where the record's copy is, or should go. */
static struct slot *slot_for(struct nbx_recent *r, uint64_t hash, enum nbx_family family,
                             struct nbx_str key)
{
    struct slot *free_slot = NULL;
    for (size_t i = 0; i < N_PLACES; i++) {
        struct slot *slot = &r->slots[(hash + i) & r->mask];
        if (holds(slot, hash, family, key))
            return slot;
        if (!slot->copy && !free_slot)
            free_slot = slot;
    }
    return free_slot ? free_slot : &r->slots[(hash + (hash >> 32) % N_PLACES) & r->mask];
}

/* The hand passes over the slots and takes whatever it meets until there is room. */
static void make_room(struct nbx_recent *r, size_t bytes)
{
    while (r->bytes + bytes > r->max_bytes && r->bytes > 0)
        drop(r, &r->slots[r->hand++ & r->mask]);
}

static void keep(struct nbx_recent *r, enum nbx_family family, struct nbx_str key,
                 const struct nbx_stored *value)
{
    uint64_t hash = hash_of(family, key);
    drop(r, slot_for(r, hash, family, key));
    struct copy *c = NULL;
    size_t bytes = sizeof *c + key.len + value->payload.len;
    if (bytes > MAX_KEPT || bytes > r->max_bytes || !(c = malloc(bytes)))
        return;
    make_room(r, bytes);
    c->family = (uint8_t)family;
    c->version = value->version;
    c->key_len = key.len;
    c->payload_len = value->payload.len;
    memcpy(c->bytes, key.p, key.len);
    memcpy(c->bytes + key.len, value->payload.p, value->payload.len);
    *slot_for(r, hash, family, key) = (struct slot){hash, c};
    r->bytes += bytes;
}

enum nbx_err nbx_recent_get(struct nbx_recent *r, const struct nbx_store *store,
                            enum nbx_family family, struct nbx_str key, struct nbx_arena *arena,
                            struct nbx_stored *out)
{
    if (!r || !is_kept(family))
        return nbx_store_get(store, family, key, arena, out);
    uint64_t hash = hash_of(family, key);
    const struct slot *slot = slot_for(r, hash, family, key);
    const struct copy *c = slot->copy;
    if (!holds(slot, hash, family, key)) {
        enum nbx_err err = nbx_store_get(store, family, key, arena, out);
        if (!err)
            keep(r, family, key, out);
        return err;
    }
    struct nbx_str payload = {(const char *)c->bytes + c->key_len, c->payload_len};
    out->version = c->version;
    out->payload = nbx_arena_str(arena, payload);
    return out->payload.p ? NBX_OK : NBX_ELIMIT;
}

/* Rare (a customer is forgotten), so every slot is looked at. */
static void drop_range(struct nbx_recent *r, const struct nbx_store__change *change)
{
    for (size_t i = 0; i <= r->mask; i++) {
        const struct copy *c = r->slots[i].copy;
        if (c && c->family == change->family && nbx_str_cmp(key_of(c), change->a) >= 0 &&
            nbx_str_cmp(key_of(c), change->b) < 0)
            drop(r, &r->slots[i]);
    }
}

/* written false: what the store holds now is for it to say. */
static void follow(struct nbx_recent *r, const struct nbx_store__change *change, bool written)
{
    struct nbx_stored value;
    if (!is_kept(change->family))
        return;
    uint64_t hash = hash_of(change->family, change->a);
    struct slot *slot = slot_for(r, hash, change->family, change->a);
    if (change->kind == NBX_STORE_DELETE_RANGE)
        drop_range(r, change);
    else if (written && change->kind == NBX_STORE_PUT &&
             nbx_store__unframe(&value, change->b) == NBX_OK)
        keep(r, change->family, change->a, &value);
    else if (holds(slot, hash, change->family, change->a))
        drop(r, slot);
}

enum nbx_err nbx_recent_write(struct nbx_recent *r, struct nbx_store *store,
                              struct nbx_batch *batch)
{
    enum nbx_err err = nbx_store_write(store, batch);
    struct nbx_store__change change;
    struct nbx_reader changes = nbx_reader_of(batch->ops.p, batch->ops.len);
    while (r && !batch->ops.failed && nbx_store__next_change(&changes, &change))
        follow(r, &change, err == NBX_OK);
    return err;
}

size_t nbx_recent_bytes(const struct nbx_recent *r)
{
    return r ? r->bytes : 0;
}
