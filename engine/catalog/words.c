/* SPDX-License-Identifier: MIT */
#include "engine/catalog/words.h"

#include "engine/base/charged.h"
#include "engine/base/check.h"
#include "engine/base/hash.h"

#include <pthread.h>
#include <stdlib.h>

#define FIRST_SLOTS       64
#define FIRST_PAGE        64 /* codes on page 0; every next page is twice as long */
#define N_PAGES           27 /* 64 * (2^27 - 1) > 2^32 */
#define FIRST_BLOCK_BYTES 4096
#define BLOCK_BYTES       65536
#define LEN_BYTES         2 /* in front of each text */

/* The tag alone places a code, so growing never looks at a text. */
struct slot {
    uint32_t tag, code;
};

struct block {
    struct block *older;
    size_t used, cap;
    char text[];
};

struct nbx_words {
    struct nbx_budget *budget;
    pthread_mutex_t adding; /* held by who changes anything, so that he may look without `lock` */
    pthread_rwlock_t lock;  /* held for writing while it is changed, for reading by all others */
    struct slot *slots;     /* (n_slots), a power of two */
    size_t n_slots;
    struct block *block;
    _Atomic(const char **) pages[N_PAGES]; /* page k: (FIRST_PAGE << k) texts, length in front */
    _Atomic uint32_t end;
};

static unsigned page_of(uint32_t code)
{
    return 31 - (unsigned)__builtin_clz(code / FIRST_PAGE + 1);
}

static uint32_t page_start(unsigned page)
{
    return FIRST_PAGE * ((UINT32_C(1) << page) - 1);
}

static size_t page_bytes(unsigned page)
{
    return ((size_t)FIRST_PAGE << page) * sizeof(const char *);
}

enum nbx_err nbx_words_new(struct nbx_words **out, struct nbx_budget *budget)
{
    *out = NULL;
    struct nbx_words *w = nbx_charged_calloc(budget, sizeof *w);
    if (!w)
        return NBX_ELIMIT;
    w->budget = budget;
    w->n_slots = FIRST_SLOTS;
    w->slots = nbx_charged_calloc(budget, w->n_slots * sizeof *w->slots);
    if (!w->slots) {
        nbx_charged_free(budget, w, sizeof *w);
        return NBX_ELIMIT;
    }
    atomic_init(&w->end, 1);
    NBX_ASSERT(pthread_rwlock_init(&w->lock, NULL) == 0);
    NBX_ASSERT(pthread_mutex_init(&w->adding, NULL) == 0);
    *out = w;
    return NBX_OK;
}

void nbx_words_destroy(struct nbx_words **words)
{
    if (!words || !*words)
        return;
    struct nbx_words *w = *words;
    for (unsigned k = 0; k < N_PAGES; k++)
        nbx_charged_free(w->budget, (void *)atomic_load(&w->pages[k]), page_bytes(k));
    for (struct block *b = w->block, *older; b; b = older) {
        older = b->older;
        nbx_charged_free(w->budget, b, sizeof *b + b->cap);
    }
    nbx_charged_free(w->budget, w->slots, w->n_slots * sizeof *w->slots);
    pthread_rwlock_destroy(&w->lock);
    pthread_mutex_destroy(&w->adding);
    nbx_charged_free(w->budget, w, sizeof *w);
    *words = NULL;
}

/* What points at the text of a code that was added. */
static const char **place_of(const struct nbx_words *w, uint32_t code)
{
    NBX_ASSERT(code != NBX_WORD_NONE && code < atomic_load_explicit(&w->end, memory_order_acquire));
    unsigned k = page_of(code);
    return atomic_load_explicit(&w->pages[k], memory_order_acquire) + (code - page_start(k));
}

void nbx_words_expect(const struct nbx_words *w, const uint32_t *codes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(place_of(w, codes[i]));
    for (size_t i = 0; i < n; i++)
        __builtin_prefetch(*place_of(w, codes[i]));
}

struct nbx_str nbx_words_text(const struct nbx_words *w, uint32_t code)
{
    const char *p = *place_of(w, code);
    uint16_t len;
    memcpy(&len, p, LEN_BYTES);
    return (struct nbx_str){p + LEN_BYTES, len};
}

uint32_t nbx_words_end(const struct nbx_words *w)
{
    return atomic_load_explicit(&w->end, memory_order_acquire);
}

/* The slot of the text, or the free one where it would go. */
static struct slot *find_slot(const struct nbx_words *w, struct nbx_str text, uint32_t tag)
{
    for (size_t at = tag & (w->n_slots - 1);; at = (at + 1) & (w->n_slots - 1)) {
        struct slot *s = &w->slots[at];
        if (!s->code || (s->tag == tag && nbx_str_eq(nbx_words_text(w, s->code), text)))
            return s;
    }
}

uint32_t nbx_words_find(const struct nbx_words *words, struct nbx_str text)
{
    struct nbx_words *w = (struct nbx_words *)words;
    uint32_t tag = nbx_hash32(text.p, text.len);
    pthread_rwlock_rdlock(&w->lock);
    uint32_t code = find_slot(w, text, tag)->code;
    pthread_rwlock_unlock(&w->lock);
    return code;
}

static enum nbx_err grow_slots(struct nbx_words *w)
{
    size_t n = w->n_slots * 2;
    struct slot *slots = nbx_charged_calloc(w->budget, n * sizeof *slots);
    if (!slots)
        return NBX_ELIMIT;
    for (size_t i = 0; i < w->n_slots; i++) {
        if (!w->slots[i].code)
            continue;
        size_t at = w->slots[i].tag & (n - 1);
        while (slots[at].code)
            at = (at + 1) & (n - 1);
        slots[at] = w->slots[i];
    }
    nbx_charged_free(w->budget, w->slots, w->n_slots * sizeof *w->slots);
    w->slots = slots;
    w->n_slots = n;
    return NBX_OK;
}

static enum nbx_err grow_block(struct nbx_words *w, size_t need)
{
    size_t cap = w->block ? w->block->cap * 2 : FIRST_BLOCK_BYTES;
    cap = cap > BLOCK_BYTES ? BLOCK_BYTES : cap;
    cap = cap < need ? need : cap;
    struct block *b = nbx_charged_calloc(w->budget, sizeof *b + cap);
    if (!b)
        return NBX_ELIMIT;
    b->cap = cap;
    b->older = w->block;
    w->block = b;
    return NBX_OK;
}

static enum nbx_err reserve(struct nbx_words *w, uint32_t len)
{
    uint32_t end = atomic_load(&w->end);
    if (len > UINT16_MAX || end == UINT32_MAX)
        return NBX_ELIMIT;
    if ((size_t)end * 4 >= w->n_slots * 3 && grow_slots(w))
        return NBX_ELIMIT;
    unsigned k = page_of(end);
    if (!atomic_load(&w->pages[k])) {
        const char **page = nbx_charged_calloc(w->budget, page_bytes(k));
        if (!page)
            return NBX_ELIMIT;
        atomic_store_explicit(&w->pages[k], page, memory_order_release);
    }
    size_t need = LEN_BYTES + (size_t)len;
    return w->block && w->block->cap - w->block->used >= need ? NBX_OK : grow_block(w, need);
}

enum nbx_err nbx_words_reserve(struct nbx_words *w, uint32_t len)
{
    pthread_mutex_lock(&w->adding);
    pthread_rwlock_wrlock(&w->lock);
    enum nbx_err err = reserve(w, len);
    pthread_rwlock_unlock(&w->lock);
    pthread_mutex_unlock(&w->adding);
    return err;
}

static uint32_t append(struct nbx_words *w, struct slot *slot, struct nbx_str text, uint32_t tag)
{
    uint32_t code = atomic_load(&w->end);
    char *p = w->block->text + w->block->used;
    uint16_t len = (uint16_t)text.len;
    memcpy(p, &len, LEN_BYTES);
    if (len)
        memcpy(p + LEN_BYTES, text.p, len);
    w->block->used += LEN_BYTES + (size_t)len;
    unsigned k = page_of(code);
    atomic_load(&w->pages[k])[code - page_start(k)] = p;
    *slot = (struct slot){tag, code};
    atomic_store_explicit(&w->end, code + 1, memory_order_release);
    return code;
}

static enum nbx_err add_new(struct nbx_words *w, struct nbx_str text, uint32_t tag, uint32_t *out)
{
    pthread_rwlock_wrlock(&w->lock);
    enum nbx_err err = reserve(w, text.len);
    if (!err)
        *out = append(w, find_slot(w, text, tag), text, tag);
    pthread_rwlock_unlock(&w->lock);
    return err;
}

enum nbx_err nbx_words_add(struct nbx_words *w, struct nbx_str text, uint32_t *out)
{
    uint32_t tag = nbx_hash32(text.p, text.len);
    pthread_mutex_lock(&w->adding);
    *out = find_slot(w, text, tag)->code;
    enum nbx_err err = *out ? NBX_OK : add_new(w, text, tag, out);
    pthread_mutex_unlock(&w->adding);
    return err;
}
