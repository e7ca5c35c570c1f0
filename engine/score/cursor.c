/* SPDX-License-Identifier: MIT */
#include "engine/score/cursor.h"

#define FIRST_ROOM 64

static size_t place_of(const struct nbx_number_set *set, uint32_t number)
{
    size_t at = number * UINT32_C(2654435769) & (set->room - 1);
    while (set->slots[at] && set->slots[at] != number)
        at = (at + 1) & (set->room - 1);
    return at;
}

static bool has(const struct nbx_number_set *set, uint32_t number)
{
    return set->room && set->slots[place_of(set, number)];
}

static enum nbx_err grow(struct nbx_number_set *set, struct nbx_arena *arena)
{
    struct nbx_number_set larger = {.n = set->n, .room = set->room ? set->room * 2 : FIRST_ROOM};
    larger.slots = nbx_arena_calloc(arena, larger.room, sizeof *larger.slots);
    if (!larger.slots)
        return NBX_ELIMIT;
    for (size_t i = 0; i < set->room; i++)
        if (set->slots[i])
            larger.slots[place_of(&larger, set->slots[i])] = set->slots[i];
    *set = larger;
    return NBX_OK;
}

static enum nbx_err add(struct nbx_number_set *set, uint32_t number, struct nbx_arena *arena)
{
    if (2 * set->n >= set->room && grow(set, arena))
        return NBX_ELIMIT;
    set->slots[place_of(set, number)] = number;
    set->n++;
    return NBX_OK;
}

static bool not_returned(const void *ctx, uint32_t label)
{
    const struct nbx_search_cursor *c = ctx;
    if (has(&c->returned, label + 1))
        return false;
    if (c->asked.group && c->groups.n) {
        uint32_t group = c->asked.group(c->asked.tie_ctx, label);
        if (group && has(&c->groups, group))
            return false;
    }
    return !c->asked.admits || c->asked.admits(c->asked.admits_ctx, label);
}

void nbx_search_open(struct nbx_search_cursor *cursor, const struct nbx_index *index,
                     const struct nbx_query *query, struct nbx_arena *arena)
{
    *cursor = (struct nbx_search_cursor){
        .index = index, .query = *query, .asked = *query, .arena = arena};
    cursor->query.admits = not_returned;
    cursor->query.admits_ctx = cursor;
}

/* As many as were asked for at first, then twice the last page. */
static enum nbx_err turn_page(struct nbx_search_cursor *c)
{
    size_t count = nbx_index_count(c->index);
    size_t k = c->page ? 2 * c->query.k : c->asked.k > 0 ? c->asked.k : 1;
    c->query.k = k < count ? k : count;
    c->page = nbx_arena_calloc(c->arena, c->query.k, sizeof *c->page);
    c->at = c->n = 0;
    if (!c->page)
        return NBX_ELIMIT;
    enum nbx_err err = nbx_search(c->index, &c->query, c->arena, c->page, &c->n, NULL);
    c->last_page = !err && c->n < c->query.k;
    return err;
}

static enum nbx_err note_returned(struct nbx_search_cursor *c, uint32_t label)
{
    uint32_t group = c->asked.group ? c->asked.group(c->asked.tie_ctx, label) : 0;
    enum nbx_err err = add(&c->returned, label + 1, c->arena);
    return err || !group ? err : add(&c->groups, group, c->arena);
}

enum nbx_err nbx_search_next(struct nbx_search_cursor *c, struct nbx_hit *hit)
{
    if (c->at == c->n) {
        enum nbx_err err = c->last_page ? NBX_ENOTFOUND : turn_page(c);
        if (err || c->n == 0)
            return err ? err : NBX_ENOTFOUND;
    }
    enum nbx_err err = note_returned(c, c->page[c->at].row);
    if (!err)
        *hit = c->page[c->at++];
    return err;
}
