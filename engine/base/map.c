/* SPDX-License-Identifier: MIT */
#include "engine/base/map.h"

#include "engine/base/hash.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 16

/* tag holds the top hash bits so that most misses never touch a key; entry_1 is entry + 1, 0 free
 */
struct slot {
    uint32_t tag, entry_1;
};

struct entry {
    uint64_t at; /* first byte of the key in pool */
    uint32_t len, number;
};

struct nbx_map {
    struct slot *slots;    /* (n_slots), a power of two */
    struct entry *entries; /* (n_entries) of (cap_entries) */
    char *pool;            /* (pool_len) of (pool_cap) */
    size_t n_slots, pool_len, pool_cap;
    uint32_t n_entries, cap_entries;
};

struct nbx_map *nbx_map_new(void)
{
    struct nbx_map *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->n_slots = FIRST_SLOTS;
    m->slots = calloc(m->n_slots, sizeof *m->slots);
    if (!m->slots) {
        free(m);
        return NULL;
    }
    return m;
}

void nbx_map_destroy(struct nbx_map **map)
{
    if (!map || !*map)
        return;
    free((*map)->slots);
    free((*map)->entries);
    free((*map)->pool);
    free(*map);
    *map = NULL;
}

struct nbx_str nbx_map_key(const struct nbx_map *m, uint32_t entry)
{
    return (struct nbx_str){m->pool + m->entries[entry].at, m->entries[entry].len};
}

uint32_t nbx_map_number(const struct nbx_map *m, uint32_t entry)
{
    return m->entries[entry].number;
}

/* The slot that holds key, or the free one where it would go. */
static struct slot *find(const struct nbx_map *m, struct nbx_str key, uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 32);
    for (size_t at = hash & (m->n_slots - 1);; at = (at + 1) & (m->n_slots - 1)) {
        struct slot *s = &m->slots[at];
        if (!s->entry_1 || (s->tag == tag && nbx_str_eq(nbx_map_key(m, s->entry_1 - 1), key)))
            return s;
    }
}

uint32_t nbx_map_get(const struct nbx_map *m, struct nbx_str key)
{
    struct slot *s = find(m, key, nbx_hash64_str(key));
    return s->entry_1 ? m->entries[s->entry_1 - 1].number : NBX_MAP_NONE;
}

/* Doubles the slots. Keys are hashed again: cheaper than 8 more bytes each for ever. */
static enum nbx_err grow_slots(struct nbx_map *m)
{
    size_t n = m->n_slots * 2;
    struct slot *old = m->slots, *fresh = calloc(n, sizeof *fresh);
    if (!fresh)
        return NBX_ELIMIT;
    m->slots = fresh;
    m->n_slots = n;
    for (uint32_t e = 0; e < m->n_entries; e++) {
        uint64_t hash = nbx_hash64_str(nbx_map_key(m, e));
        size_t at = hash & (n - 1);
        while (fresh[at].entry_1)
            at = (at + 1) & (n - 1);
        fresh[at] = (struct slot){(uint32_t)(hash >> 32), e + 1};
    }
    free(old);
    return NBX_OK;
}

static enum nbx_err make_room(struct nbx_map *m, uint32_t key_len)
{
    if (m->n_entries == m->cap_entries) {
        uint32_t cap = m->cap_entries ? m->cap_entries * 2 : FIRST_SLOTS;
        struct entry *entries = realloc(m->entries, cap * sizeof *entries);
        if (!entries)
            return NBX_ELIMIT;
        m->entries = entries;
        m->cap_entries = cap;
    }
    if (m->pool_cap - m->pool_len < key_len) {
        size_t cap = m->pool_cap * 2 + key_len + 64;
        char *pool = realloc(m->pool, cap);
        if (!pool)
            return NBX_ELIMIT;
        m->pool = pool;
        m->pool_cap = cap;
    }
    /* at most 3/4 full */
    return (size_t)m->n_entries + 1 > m->n_slots / 4 * 3 ? grow_slots(m) : NBX_OK;
}

enum nbx_err nbx_map_put(struct nbx_map *m, struct nbx_str key, uint32_t number)
{
    uint64_t hash = nbx_hash64_str(key);
    struct slot *s = find(m, key, hash);
    if (s->entry_1) {
        m->entries[s->entry_1 - 1].number = number;
        return NBX_OK;
    }
    enum nbx_err err = make_room(m, key.len);
    if (err)
        return err;
    s = find(m, key, hash);
    if (key.len)
        memcpy(m->pool + m->pool_len, key.p, key.len);
    m->entries[m->n_entries] = (struct entry){m->pool_len, key.len, number};
    m->pool_len += key.len;
    *s = (struct slot){(uint32_t)(hash >> 32), ++m->n_entries};
    return NBX_OK;
}

uint32_t nbx_map_count(const struct nbx_map *m)
{
    return m->n_entries;
}

size_t nbx_map_bytes(const struct nbx_map *m)
{
    return sizeof *m + m->n_slots * sizeof *m->slots + m->cap_entries * sizeof *m->entries +
           m->pool_cap;
}
