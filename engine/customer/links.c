/* SPDX-License-Identifier: MIT */
#include "engine/customer/links.h"

#include "engine/base/check.h"
#include "engine/base/grow.h"
#include "engine/base/map.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define NONE          UINT32_MAX
#define SCRATCH_BYTES 65536

/* Rows of the table; parent, first child and next child of the same parent, or NONE. */
struct node {
    uint64_t number; /* 0: removed */
    uint32_t parent, first, next;
};

struct nbx_links {
    pthread_rwlock_t table;    /* everything below; a leaf */
    pthread_mutex_t changing;  /* from the look to the change; `table` is taken within */
    _Atomic uint32_t n;        /* rows */
    _Atomic uint32_t n_linked; /* that have a parent */
    struct node *nodes;        /* (n) of (room) */
    size_t room;
    struct nbx_map *rows;
};

static struct nbx_str key_of(const uint64_t *number)
{
    return (struct nbx_str){(const char *)number, sizeof *number};
}

static uint32_t find(const struct nbx_links *links, uint64_t number)
{
    uint32_t row = nbx_map_get(links->rows, key_of(&number));
    return row != NBX_MAP_NONE && links->nodes[row].number ? row : NONE;
}

static enum nbx_err make(struct nbx_links *links, uint64_t number)
{
    uint32_t n = atomic_load(&links->n);
    if (find(links, number) != NONE)
        return NBX_OK;
    struct node *nodes = nbx_grow(links->nodes, n, &links->room, sizeof *nodes);
    if (!nodes)
        return NBX_ELIMIT;
    links->nodes = nodes;
    enum nbx_err err = nbx_map_put(links->rows, key_of(&number), n);
    if (err)
        return err;
    links->nodes[n] = (struct node){.number = number, .parent = NONE, .first = NONE, .next = NONE};
    atomic_store(&links->n, n + 1);
    return NBX_OK;
}

static void detach(struct nbx_links *links, uint32_t row)
{
    struct node *node = &links->nodes[row];
    if (node->parent == NONE)
        return;
    uint32_t *at = &links->nodes[node->parent].first;
    while (*at != row)
        at = &links->nodes[*at].next;
    *at = node->next;
    node->parent = node->next = NONE;
    atomic_fetch_sub(&links->n_linked, 1);
}

static void attach(struct nbx_links *links, uint32_t row, uint32_t parent)
{
    struct node *node = &links->nodes[row];
    detach(links, row);
    if (parent == NONE)
        return;
    node->parent = parent;
    node->next = links->nodes[parent].first;
    links->nodes[parent].first = row;
    atomic_fetch_add(&links->n_linked, 1);
}

static uint32_t root_of(const struct nbx_links *links, uint32_t row)
{
    while (links->nodes[row].parent != NONE)
        row = links->nodes[row].parent;
    return row;
}

/* A parent that has no record was forgotten by itself: the others stay. */
static enum nbx_err tie(struct nbx_links *links, uint32_t row, uint64_t parent_number)
{
    uint32_t parent = find(links, parent_number);
    if (parent != NONE && root_of(links, parent) == row)
        return NBX_ECORRUPT;
    attach(links, row, parent);
    return NBX_OK;
}

/* Who is to be tied to whom, once all have rows: a parent may come after its child. */
struct ties {
    struct pending {
        uint64_t parent;
        uint32_t row;
    } * p; /* (n) of (room) */
    size_t n, room;
};

static enum nbx_err note(struct ties *ties, uint32_t row, uint64_t parent)
{
    struct pending *p = nbx_grow(ties->p, ties->n, &ties->room, sizeof *p);
    if (!p)
        return NBX_ELIMIT;
    ties->p = p;
    ties->p[ties->n++] = (struct pending){parent, row};
    return NBX_OK;
}

/* A row for every record of the family. */
static enum nbx_err read_rows(struct nbx_links *links, const struct nbx_store *store,
                              struct ties *ties)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    struct nbx_link_record record;
    uint64_t number;
    struct nbx_arena *arena = nbx_arena_new(SCRATCH_BYTES);
    enum nbx_err err =
        arena ? nbx_cursor_open(&cursor, store, NBX_FAMILY_LINKS, all, all, false) : NBX_ELIMIT;
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        nbx_arena_reset(arena);
        if (!nbx_key_number_parse(key, &number))
            err = NBX_ECORRUPT;
        else if (!(err = nbx_link_record_decode(&record, &stored, arena)))
            err = make(links, number);
        if (!err && record.parent)
            err = note(ties, find(links, number), record.parent);
    }
    nbx_cursor_close(&cursor);
    nbx_arena_destroy(&arena);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static enum nbx_err read_all(struct nbx_links *links, const struct nbx_store *store)
{
    struct ties ties = {0};
    enum nbx_err err = read_rows(links, store, &ties);
    for (size_t i = 0; !err && i < ties.n; i++)
        err = tie(links, ties.p[i].row, ties.p[i].parent);
    free(ties.p);
    return err;
}

enum nbx_err nbx_links__load(struct nbx_links **out, const struct nbx_store *store)
{
    struct nbx_links *links = calloc(1, sizeof *links);
    *out = links;
    if (!links)
        return NBX_ELIMIT;
    pthread_rwlock_init(&links->table, NULL);
    pthread_mutex_init(&links->changing, NULL);
    links->rows = nbx_map_new();
    return links->rows ? read_all(links, store) : NBX_ELIMIT;
}

void nbx_links__destroy(struct nbx_links **links)
{
    struct nbx_links *l = *links;
    if (!l)
        return;
    pthread_rwlock_destroy(&l->table);
    pthread_mutex_destroy(&l->changing);
    nbx_map_destroy(&l->rows);
    free(l->nodes);
    free(l);
    *links = NULL;
}

bool nbx_links__any(const struct nbx_links *links)
{
    return atomic_load_explicit(&links->n, memory_order_acquire) > 0;
}

uint32_t nbx_links__n_linked(const struct nbx_links *links)
{
    return atomic_load_explicit(&links->n_linked, memory_order_relaxed);
}

static int compare_parts(const void *a, const void *b)
{
    const struct nbx_linked_part *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static void collect(struct nbx_linked *out, const struct nbx_links *links, uint32_t row)
{
    uint32_t queue[NBX_LINKED_MAX] = {root_of(links, row)}, n = 1;
    for (uint32_t i = 0; i < n; i++) {
        const struct node *node = &links->nodes[queue[i]];
        out->parts[out->n++] = (struct nbx_linked_part){.number = node->number};
        for (uint32_t c = node->first; c != NONE && n < NBX_LINKED_MAX; c = links->nodes[c].next)
            queue[n++] = c;
    }
    if (out->n > 2)
        qsort(&out->parts[1], out->n - 1, sizeof out->parts[0], compare_parts);
}

void nbx_links__of(struct nbx_linked *out, struct nbx_links *links, uint64_t number)
{
    out->n = 0;
    pthread_rwlock_rdlock(&links->table);
    uint32_t row = find(links, number);
    if (row != NONE)
        collect(out, links, row);
    pthread_rwlock_unlock(&links->table);
}

uint64_t nbx_links__parent(struct nbx_links *links, uint64_t number)
{
    pthread_rwlock_rdlock(&links->table);
    uint32_t row = find(links, number);
    uint32_t parent = row == NONE ? NONE : links->nodes[row].parent;
    uint64_t out = parent == NONE ? 0 : links->nodes[parent].number;
    pthread_rwlock_unlock(&links->table);
    return out;
}

void nbx_links__begin(struct nbx_links *links)
{
    pthread_mutex_lock(&links->changing);
}

void nbx_links__end(struct nbx_links *links)
{
    pthread_mutex_unlock(&links->changing);
}

enum nbx_err nbx_links__make(struct nbx_links *links, uint64_t number)
{
    pthread_rwlock_wrlock(&links->table);
    enum nbx_err err = make(links, number);
    pthread_rwlock_unlock(&links->table);
    return err;
}

void nbx_links__attach(struct nbx_links *links, uint64_t number, uint64_t parent)
{
    pthread_rwlock_wrlock(&links->table);
    uint32_t row = find(links, number);
    NBX_ASSERT(row != NONE);
    attach(links, row, parent ? find(links, parent) : NONE);
    pthread_rwlock_unlock(&links->table);
}

void nbx_links__remove(struct nbx_links *links, uint64_t number)
{
    pthread_rwlock_wrlock(&links->table);
    uint32_t row = find(links, number);
    if (row != NONE) {
        detach(links, row);
        while (links->nodes[row].first != NONE)
            detach(links, links->nodes[row].first);
        links->nodes[row].number = 0;
    }
    pthread_rwlock_unlock(&links->table);
}
