/* SPDX-License-Identifier: MIT */
#include "engine/catalog/filter.h"

#include "engine/base/hash.h"
#include "engine/catalog/compile.h"
#include "engine/catalog/offer.h"
#include "proto/wire.h"

#include <stdlib.h>

#define N_BUCKETS     1024
#define COMPILE_BYTES (32u << 20)

/* One chunk's share of a bitmap: what it was made from, and when that holds. */
struct piece {
    uint64_t generation; /* of the chunk; 0: there is none */
    int64_t from_ms, until_ms;
};

struct entry {
    struct entry *next;          /* in its bucket */
    struct entry *older, *newer; /* by last use */
    uint64_t hash;
    uint64_t version; /* of the bits */
    uint64_t of[2];   /* versions of the two that were joined; others have none */
    struct nbx_filter_note note;
    size_t cap;           /* chunks */
    struct piece *pieces; /* (cap) */
    uint64_t *bits;       /* (cap, NBX_CHUNK_WORDS) */
    size_t key_len;
    uint8_t key[]; /* (key_len) the content: a kind, then the offer's names or the filter's bytes */
};

struct nbx_filter_cache {
    size_t max_bytes, bytes;
    struct entry *buckets[N_BUCKETS];
    struct entry *oldest, *newest;
    struct nbx_buf key;
    struct nbx_arena *arena;
    uint64_t n_versions;
    uint64_t hits, misses;
};

enum { KIND_OFFER, KIND_FILTER, KIND_JOINED };

struct nbx_filter_cache *nbx_filter_cache_new(size_t max_bytes)
{
    struct nbx_filter_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    cache->max_bytes = max_bytes;
    cache->arena = nbx_arena_new(COMPILE_BYTES);
    if (!cache->arena)
        nbx_filter_cache_destroy(&cache);
    return cache;
}

static size_t piece_bytes(void)
{
    return sizeof(struct piece) + NBX_CHUNK_WORDS * sizeof(uint64_t);
}

static size_t entry_bytes(const struct entry *e)
{
    return sizeof *e + e->key_len + e->cap * piece_bytes();
}

static void detach(struct nbx_filter_cache *cache, struct entry *e)
{
    *(e->older ? &e->older->newer : &cache->oldest) = e->newer;
    *(e->newer ? &e->newer->older : &cache->newest) = e->older;
    e->older = e->newer = NULL;
}

static void attach_newest(struct nbx_filter_cache *cache, struct entry *e)
{
    e->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = e;
    cache->newest = e;
}

static void entry_free(struct entry *e)
{
    free(e->pieces);
    free(e->bits);
    free(e);
}

static void drop(struct nbx_filter_cache *cache, struct entry *e)
{
    struct entry **at = &cache->buckets[e->hash % N_BUCKETS];
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    detach(cache, e);
    cache->bytes -= entry_bytes(e);
    entry_free(e);
}

void nbx_filter_cache_destroy(struct nbx_filter_cache **cache)
{
    if (!cache || !*cache)
        return;
    while ((*cache)->oldest)
        drop(*cache, (*cache)->oldest);
    nbx_arena_destroy(&(*cache)->arena);
    nbx_buf_fini(&(*cache)->key);
    free(*cache);
    *cache = NULL;
}

/* What a call uses. */
struct used {
    struct entry *offered, *passing, *joined;
};

/* What this call uses is the newest and stays. */
static void trim(struct nbx_filter_cache *cache, const struct used *used)
{
    struct entry *e = cache->oldest;
    while (e && cache->bytes > cache->max_bytes && e != used->offered && e != used->passing &&
           e != used->joined) {
        struct entry *newer = e->newer;
        drop(cache, e);
        e = newer;
    }
}

static struct entry *find(struct nbx_filter_cache *cache, uint64_t hash)
{
    for (struct entry *e = cache->buckets[hash % N_BUCKETS]; e; e = e->next) {
        if (e->hash != hash || e->key_len != cache->key.len ||
            memcmp(e->key, cache->key.p, e->key_len) != 0)
            continue;
        detach(cache, e);
        attach_newest(cache, e);
        return e;
    }
    return NULL;
}

static struct entry *insert(struct nbx_filter_cache *cache, uint64_t hash)
{
    struct entry *e = calloc(1, sizeof *e + cache->key.len);
    if (!e)
        return NULL;
    e->hash = hash;
    e->key_len = cache->key.len;
    memcpy(e->key, cache->key.p, cache->key.len);
    e->next = cache->buckets[hash % N_BUCKETS];
    cache->buckets[hash % N_BUCKETS] = e;
    attach_newest(cache, e);
    cache->bytes += entry_bytes(e);
    return e;
}

static size_t chunks_of(const struct nbx_catalog *c)
{
    return c->n_chunks ? c->n_chunks : 1;
}

/* Room for all chunks of the snapshot; new ones hold nothing, as a chunk that is not there. */
static bool reach(struct nbx_filter_cache *cache, struct entry *e, size_t n_chunks)
{
    if (n_chunks <= e->cap)
        return true;
    struct piece *pieces = realloc(e->pieces, n_chunks * sizeof *pieces);
    if (!pieces)
        return false;
    e->pieces = pieces;
    uint64_t *bits = realloc(e->bits, n_chunks * NBX_CHUNK_WORDS * sizeof *bits);
    if (!bits)
        return false;
    e->bits = bits;
    memset(bits + e->cap * NBX_CHUNK_WORDS, 0,
           (n_chunks - e->cap) * NBX_CHUNK_WORDS * sizeof *bits);
    for (size_t i = e->cap; i < n_chunks; i++)
        pieces[i] = (struct piece){0, INT64_MIN, INT64_MAX};
    cache->bytes += (n_chunks - e->cap) * piece_bytes();
    e->cap = n_chunks;
    return true;
}

static const struct nbx_chunk *chunk_at(const struct nbx_catalog *c, size_t at)
{
    return at < c->n_chunks ? c->chunks[at] : NULL;
}

static bool holds(const struct piece *piece, const struct nbx_chunk *chunk, int64_t now_ms)
{
    return piece->generation == (chunk ? chunk->generation : 0) &&
           (!chunk || (piece->from_ms <= now_ms && now_ms < piece->until_ms));
}

static bool all_hold(const struct entry *e, const struct nbx_catalog *c, int64_t now_ms)
{
    if (e->cap < chunks_of(c))
        return false;
    for (size_t at = 0; at < chunks_of(c); at++)
        if (!holds(&e->pieces[at], chunk_at(c, at), now_ms))
            return false;
    return true;
}

/* The pieces of e that do not hold, made again: by the filter, or by the offer where f is NULL. */
static void refresh(struct nbx_filter_cache *cache, struct entry *e, const struct nbx_catalog *c,
                    const struct nbx_filter_node *f, const struct nbx_offer_codes *offer)
{
    e->version = ++cache->n_versions;
    for (size_t at = 0; at < chunks_of(c); at++) {
        const struct nbx_chunk *chunk = chunk_at(c, at);
        struct piece *piece = &e->pieces[at];
        uint64_t *bits = e->bits + at * NBX_CHUNK_WORDS;
        if (holds(piece, chunk, offer->now_ms))
            continue;
        *piece = (struct piece){chunk ? chunk->generation : 0, INT64_MIN, INT64_MAX};
        if (!chunk)
            memset(bits, 0, NBX_CHUNK_WORDS * sizeof *bits);
        else if (f)
            nbx_filter_chunk(bits, f, chunk, (uint32_t)(at * NBX_CHUNK_ITEMS));
        else
            nbx_offer_chunk(bits, &piece->from_ms, &piece->until_ms, chunk, offer);
    }
}

/* The entry whose content stands in cache->key, with room for all chunks; made where there is none
 * and make says so. NULL: there is none, or memory is out. */
static struct entry *entry_of_key(struct nbx_filter_cache *cache, size_t n_chunks, bool make)
{
    if (cache->key.failed)
        return NULL;
    uint64_t hash = nbx_hash64(cache->key.p, cache->key.len);
    struct entry *e = find(cache, hash);
    if (!e && make)
        e = insert(cache, hash);
    return !make || (e && reach(cache, e, n_chunks)) ? e : NULL;
}

/* The entry whose content stands in cache->key, holding now. filter: NULL for the offer. */
static enum nbx_err entry_for(struct entry **out, struct nbx_filter_cache *cache,
                              const struct nbx_catalog *c, const struct nbx_offer *offer,
                              const struct nbx_value *filter, struct nbx_fault *fault)
{
    struct entry *e = entry_of_key(cache, 0, false);
    *out = e;
    if (e && all_hold(e, c, offer->now_ms)) {
        cache->hits++;
        return NBX_OK;
    }
    struct nbx_filter_node node;
    nbx_arena_reset(cache->arena);
    enum nbx_err err = filter ? nbx_filter_compile(&node, c, filter, cache->arena, fault) : NBX_OK;
    if (err) {
        nbx_fault_prefix(fault, "filter");
        return err;
    }
    cache->misses++;
    e = entry_of_key(cache, chunks_of(c), true);
    if (!e)
        return nbx_fault_set(fault, NBX_ELIMIT, "filter", "out of memory");
    struct nbx_offer_codes codes = nbx_offer_codes(c, offer);
    refresh(cache, e, c, filter ? &node : NULL, &codes);
    *out = e;
    return NBX_OK;
}

static void key_begin(struct nbx_buf *key, uint8_t kind)
{
    nbx_buf_clear(key);
    nbx_buf_put_u8(key, kind);
}

static void key_offer(struct nbx_buf *key, const struct nbx_offer *offer)
{
    nbx_buf_put_str(key, offer->channel);
    nbx_buf_put_str(key, offer->store);
}

/* The entry of what both let pass, joined again where one of them changed. Its key is their hashes:
 * versions, which no two entries share, tell whether it is of these very two. */
static enum nbx_err join(struct used *used, struct nbx_filter_cache *cache, size_t n_chunks)
{
    key_begin(&cache->key, KIND_JOINED);
    nbx_buf_put_u64le(&cache->key, used->offered->hash);
    nbx_buf_put_u64le(&cache->key, used->passing->hash);
    struct entry *e = entry_of_key(cache, n_chunks, true);
    if (!e)
        return NBX_ELIMIT;
    used->joined = e;
    if (e->of[0] == used->offered->version && e->of[1] == used->passing->version)
        return NBX_OK;
    for (size_t w = 0; w < n_chunks * NBX_CHUNK_WORDS; w++)
        e->bits[w] = used->offered->bits[w] & used->passing->bits[w];
    e->of[0] = used->offered->version;
    e->of[1] = used->passing->version;
    e->version = ++cache->n_versions;
    return NBX_OK;
}

/* The entries of the offer and, where there is one, of the filter, and of both. */
static enum nbx_err find_all(struct used *used, struct nbx_filter_cache *cache,
                             const struct nbx_catalog *catalog, const struct nbx_offer *offer,
                             const struct nbx_value *filter, struct nbx_fault *fault)
{
    key_begin(&cache->key, KIND_OFFER);
    key_offer(&cache->key, offer);
    enum nbx_err err = entry_for(&used->offered, cache, catalog, offer, NULL, fault);
    if (err || !filter)
        return err;
    key_begin(&cache->key, KIND_FILTER);
    nbx_wire_value(&cache->key, filter);
    err = entry_for(&used->passing, cache, catalog, offer, filter, fault);
    if (err || !join(used, cache, chunks_of(catalog)))
        return err;
    nbx_fault_set(fault, NBX_ELIMIT, "filter", "out of memory");
    return NBX_ELIMIT;
}

enum nbx_err nbx_filter_pass(struct nbx_passing *out, struct nbx_filter_cache *cache,
                             const struct nbx_catalog *catalog, const struct nbx_offer *offer,
                             const struct nbx_value *filter, struct nbx_fault *fault)
{
    struct used used = {0};
    enum nbx_err err = find_all(&used, cache, catalog, offer, filter, fault);
    trim(cache, &used);
    struct entry *e = filter ? used.joined : used.offered;
    *out = (struct nbx_passing){0};
    if (!err)
        *out = (struct nbx_passing){e->bits, e->hash, e->version, &e->note};
    return err;
}

void nbx_filter_cache_stats(const struct nbx_filter_cache *cache, struct nbx_filter_stats *out)
{
    *out = (struct nbx_filter_stats){cache->hits, cache->misses, cache->bytes};
}
