/* SPDX-License-Identifier: MIT */
#include "engine/customer/seen.h"

#include <stdlib.h>
#include <string.h>

int nbx_seen_compare(const struct nbx_seen_entry *a, const struct nbx_seen_entry *b)
{
    if (a->item_no != b->item_no)
        return a->item_no < b->item_no ? -1 : 1;
    if (a->type_no != b->type_no)
        return a->type_no < b->type_no ? -1 : 1;
    if (a->negative != b->negative)
        return a->negative ? 1 : -1;
    return (a->scope > b->scope) - (a->scope < b->scope);
}

/* The first place whose entry is not less than e. */
static uint32_t lower_bound(const struct nbx_seen_record *seen, const struct nbx_seen_entry *e)
{
    uint32_t from = 0, to = seen->n;
    while (from < to) {
        uint32_t mid = from + (to - from) / 2;
        if (nbx_seen_compare(&seen->entries[mid], e) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from;
}

static uint32_t count_of(const struct nbx_seen_record *seen, uint32_t type_no)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < seen->n; i++)
        n += seen->entries[i].type_no == type_no;
    return n;
}

/* The least type number of the set from `from` on; past UINT16_MAX where there is none. */
static uint32_t next_type(const struct nbx_seen_record *seen, uint32_t from)
{
    uint32_t next = UINT16_MAX + 1;
    for (uint32_t i = 0; i < seen->n; i++) {
        uint32_t type_no = seen->entries[i].type_no;
        next = type_no >= from && type_no < next ? type_no : next;
    }
    return next;
}

/* Of those of one time, the first in order counts as the oldest. */
static void drop_oldest(struct nbx_seen_record *seen, uint32_t type_no)
{
    uint32_t oldest = seen->n;
    for (uint32_t i = 0; i < seen->n; i++)
        if (seen->entries[i].type_no == type_no &&
            (oldest == seen->n || seen->entries[i].last_ms < seen->entries[oldest].last_ms))
            oldest = i;
    memmove(&seen->entries[oldest], &seen->entries[oldest + 1],
            (seen->n - oldest - 1) * sizeof *seen->entries);
    seen->n--;
}

/* One entry too many: the largest level that fits is one below the longest type's count. */
static void lower_level(struct nbx_seen_record *seen)
{
    uint32_t longest = 0;
    for (uint32_t t = next_type(seen, 0); t <= UINT16_MAX; t = next_type(seen, t + 1)) {
        uint32_t n = count_of(seen, t);
        longest = n > longest ? n : longest;
    }
    seen->level = longest - 1;
    for (uint32_t t = next_type(seen, 0); t <= UINT16_MAX; t = next_type(seen, t + 1))
        if (count_of(seen, t) > seen->level)
            drop_oldest(seen, t);
}

/* Adds one to an array that has room for it. */
static void add(struct nbx_seen_record *seen, const struct nbx_seen_entry *entry, uint32_t most)
{
    uint32_t at = lower_bound(seen, entry);
    if (at < seen->n && nbx_seen_compare(&seen->entries[at], entry) == 0) {
        struct nbx_seen_entry *e = &seen->entries[at];
        if (entry->last_ms > e->last_ms)
            e->last_ms = entry->last_ms;
        return;
    }
    memmove(&seen->entries[at + 1], &seen->entries[at], (seen->n - at) * sizeof *seen->entries);
    seen->entries[at] = *entry;
    seen->n++;
    if (seen->level && count_of(seen, entry->type_no) > seen->level)
        drop_oldest(seen, entry->type_no);
    else if (seen->n > most)
        lower_level(seen);
}

static int compare_entries(const void *a, const void *b)
{
    return nbx_seen_compare(a, b);
}

/* Puts e, which comes after all there are or is the last one's equal, behind them. */
static void append(struct nbx_seen_record *seen, const struct nbx_seen_entry *e)
{
    struct nbx_seen_entry *last = seen->n ? &seen->entries[seen->n - 1] : NULL;
    if (!last || nbx_seen_compare(last, e) != 0)
        seen->entries[seen->n++] = *e;
    else if (e->last_ms > last->last_ms)
        last->last_ms = e->last_ms;
}

enum nbx_err nbx_seen_join_within(struct nbx_seen_record *seen, struct nbx_seen_entry *more,
                                  uint32_t n, uint32_t most, struct nbx_arena *arena)
{
    struct nbx_seen_record out = {.level = seen->level, .digest = seen->digest};
    out.entries = nbx_arena_calloc(arena, (size_t)seen->n + n, sizeof *out.entries);
    if (!out.entries)
        return NBX_ELIMIT;
    if (n)
        qsort(more, n, sizeof *more, compare_entries);
    bool fits = !seen->level && (size_t)seen->n + n <= most;
    for (uint32_t i = 0, k = 0; i < seen->n || (fits && k < n);) {
        bool mine =
            !fits || k == n || (i < seen->n && nbx_seen_compare(&seen->entries[i], &more[k]) <= 0);
        append(&out, mine ? &seen->entries[i++] : &more[k++]);
    }
    for (uint32_t k = 0; !fits && k < n; k++)
        add(&out, &more[k], most);
    *seen = out;
    return NBX_OK;
}

enum nbx_err nbx_seen_join(struct nbx_seen_record *seen, struct nbx_seen_entry *more, uint32_t n,
                           struct nbx_arena *arena)
{
    return nbx_seen_join_within(seen, more, n, NBX_SEEN_MAX, arena);
}

enum nbx_err nbx_seen_add(struct nbx_seen_record *seen, const struct nbx_seen_record *other,
                          struct nbx_arena *arena)
{
    seen->digest += other->digest;
    /* sorted in place: it is so already */
    return other->n ? nbx_seen_join(seen, other->entries, other->n, arena) : NBX_OK;
}

int nbx_seen_compare_liked(const void *a, const void *b)
{
    const struct nbx_seen_item *x = a, *y = b;
    if (x->liked_ms != y->liked_ms)
        return x->liked_ms > y->liked_ms ? -1 : 1;
    return (x->item_no > y->item_no) - (x->item_no < y->item_no);
}

/* What one entry says of its item. */
static void tell(struct nbx_seen_item *out, int64_t *disliked_ms, const struct nbx_seen_entry *e,
                 const struct nbx_event_type *type, int64_t now_ms)
{
    if (e->negative) {
        *disliked_ms = e->last_ms > *disliked_ms ? e->last_ms : *disliked_ms;
        out->scope = e->scope > out->scope ? e->scope : out->scope;
        return;
    }
    out->liked_ms = e->last_ms > out->liked_ms ? e->last_ms : out->liked_ms;
    if (type)
        out->weight += nbx_event_weight(type, e->last_ms, now_ms);
}

/* The item at *at, all its entries; false where all of them have expired. */
static bool read_item(const struct nbx_seen_record *seen, const struct nbx_vocabulary *vocabulary,
                      int64_t now_ms, uint32_t *at, struct nbx_seen_item *out)
{
    int64_t disliked_ms = INT64_MIN;
    bool there = false;
    *out = (struct nbx_seen_item){.item_no = seen->entries[*at].item_no, .liked_ms = INT64_MIN};
    for (; *at < seen->n && seen->entries[*at].item_no == out->item_no; (*at)++) {
        const struct nbx_seen_entry *e = &seen->entries[*at];
        const struct nbx_event_type *type = nbx_vocabulary_type_no(vocabulary, e->type_no);
        if (type && nbx_event_expired(type->ttl_ms, e->last_ms, now_ms))
            continue;
        there = true;
        tell(out, &disliked_ms, e, type, now_ms);
    }
    out->disliked = disliked_ms != INT64_MIN && disliked_ms >= out->liked_ms;
    return there;
}

bool nbx_seen_next(const struct nbx_seen_record *seen, const struct nbx_vocabulary *vocabulary,
                   int64_t now_ms, uint32_t *at, struct nbx_seen_item *out)
{
    while (*at < seen->n)
        if (read_item(seen, vocabulary, now_ms, at, out))
            return true;
    return false;
}
