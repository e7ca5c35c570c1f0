/* SPDX-License-Identifier: MIT
 * Items as they were: what a change ends is kept beside what it makes.
 *
 * Why:     a decision can be made again only with the items of its moment. An item's record says
 *          since which change it is so, a past one until which: of all that an item ever was, one
 *          or none holds at a given number. An item that is put as it already is has not changed.
 * Owns:    struct nbx_items_past its bits.
 * Threads: the writer thread.
 * Errors:  the store's; NBX_ECORRUPT: a key or record makes no sense.
 */
#ifndef NBX_CATALOG_PAST_H
#define NBX_CATALOG_PAST_H

#include "engine/catalog/snapshot.h"
#include "engine/store/record.h"

/* An item's record before a change; nothing where the store has none. */
struct nbx_past {
    bool stored;
    struct nbx_stored was;
    struct nbx_item_record record; /* was, decoded */
};
/* Into the home's scratch. One that cannot be read is lost: the log says so, the change goes on. */
void nbx_past_read(struct nbx_past *out, const struct nbx_catalog_home *home, uint32_t item_no);
/* Whether the item has these very fields already. */
bool nbx_past_stays(const struct nbx_past *past, const struct nbx_value *fields);
/* Adds to the batch what the item was until then; nothing where it was nothing. */
void nbx_past_keep(const struct nbx_past *past, struct nbx_batch *batch, uint32_t item_no,
                   const struct nbx_change_time *when);

/* Items of which past records say what they were at a moment, be it not there. {0}: none. */
struct nbx_items_past {
    uint64_t *bits; /* (n_words) over item numbers */
    size_t n_words;
};
typedef enum nbx_err nbx_past_take(void *context, uint32_t item_no, const struct nbx_stored *was);
/* Gives `take` what each item that has changed since was when the newest change had number as_of.
 * A record may also be of a later one: then the item was not there. */
enum nbx_err nbx_past_load(struct nbx_items_past *out, const struct nbx_catalog_home *home,
                           uint64_t as_of, nbx_past_take *take, void *context);
void nbx_past_fini(struct nbx_items_past *past);
static inline bool nbx_past_settled(const struct nbx_items_past *past, uint32_t item_no)
{
    return item_no / 64 < past->n_words && (past->bits[item_no / 64] >> (item_no % 64) & 1);
}

#endif
