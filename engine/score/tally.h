/* SPDX-License-Identifier: MIT
 * Sums by number, in the order of arrival: a small open-addressing table.
 *
 * Why:     a history touches some thousands of a million items; an array for all of them would cost
 *          more to wipe than the sums to make. Where it touches so many that the table would be as
 *          large as that array, numbers are their own places: no hash, nothing in the way.
 * Owns:    nothing: its arrays lie in the arena.
 * Threads: one at a time.
 * Errors:  NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_SCORE_TALLY_H
#define NBX_SCORE_TALLY_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/score/moments.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nbx_tally {
    uint32_t *keys; /* (n) of (room), in the order they came */
    float *values;  /* (n) */
    size_t n;
    uint32_t *slots; /* (mask + 1, or n_keys) 1 + place of a key, 0 where free */
    uint32_t mask;
    bool direct; /* a key's slot is the key */
};

/* room: how many keys at most; n_keys: all are below it. */
static inline enum nbx_err nbx_tally_init(struct nbx_tally *t, size_t room, size_t n_keys,
                                          struct nbx_arena *arena)
{
    size_t n_slots = 16;
    if (room > UINT32_MAX / 2)
        return NBX_ELIMIT;
    while (n_slots < room * 2)
        n_slots *= 2;
    *t = (struct nbx_tally){.mask = (uint32_t)(n_slots - 1), .direct = n_keys <= n_slots};
    t->keys = nbx_arena_alloc(arena, room * sizeof *t->keys);
    t->values = nbx_arena_alloc(arena, room * sizeof *t->values);
    t->slots = nbx_arena_calloc(arena, t->direct ? n_keys : n_slots, sizeof *t->slots);
    return t->keys && t->values && t->slots ? NBX_OK : NBX_ELIMIT;
}

/* The slot that holds the key, or the free one where it would be. */
static inline uint32_t nbx_tally_slot(const struct nbx_tally *t, uint32_t key)
{
    if (t->direct)
        return key;
    uint32_t at = (uint32_t)(key * UINT64_C(0x9E3779B97F4A7C15) >> 32) & t->mask;
    while (t->slots[at] && t->keys[t->slots[at] - 1] != key)
        at = (at + 1) & t->mask;
    return at;
}

/* 0 where the key never came. */
static inline float nbx_tally_get(const struct nbx_tally *t, uint32_t key)
{
    uint32_t slot = t->slots[nbx_tally_slot(t, key)];
    return slot ? t->values[slot - 1] : 0;
}

/* There must be room for a new key. */
static inline void nbx_tally_add(struct nbx_tally *t, uint32_t key, float value)
{
    uint32_t at = nbx_tally_slot(t, key);
    if (t->slots[at]) {
        t->values[t->slots[at] - 1] += value;
        return;
    }
    t->keys[t->n] = key;
    t->values[t->n] = value;
    t->slots[at] = (uint32_t)++t->n;
}

/* Over n_items, of which those that are not in t have 0. */
static inline struct nbx_spread nbx_tally_spread(const struct nbx_tally *t, size_t n_items)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < t->n; i++) {
        sum += (double)t->values[i];
        squares += (double)t->values[i] * (double)t->values[i];
    }
    double mean = sum / (double)n_items;
    return (struct nbx_spread){mean, squares / (double)n_items - mean * mean};
}

#endif
