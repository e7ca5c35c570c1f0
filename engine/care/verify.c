/* SPDX-License-Identifier: MIT */
#include "engine/care/verify.h"

#include "engine/care/verify_internal.h"

#include <stdlib.h>

#define ARENA_BYTES ((size_t)1 << 30) /* at most: one record and what it is held against */

void nbx_verify__found(struct nbx_check *c, enum nbx_family family, struct nbx_str key,
                       const char *what)
{
    struct nbx_finding finding = {family, key, what};
    c->out->findings++;
    c->options->found(c->options->ctx, &finding);
}

/* Item ids come first, so that everybody else can ask what an item number names; customers before
 * what is theirs. */
static const struct {
    enum nbx_family family;
    nbx_check_fn *check;
} passes[] = {
    {NBX_FAMILY_META, nbx_verify__meta},
    {NBX_FAMILY_ITEM_IDS, nbx_verify__item_id},
    {NBX_FAMILY_ITEMS, nbx_verify__item},
    {NBX_FAMILY_TRENDS, nbx_verify__trend},
    {NBX_FAMILY_IDENTITIES, nbx_verify__identity},
    {NBX_FAMILY_CUSTOMERS, nbx_verify__customer},
    {NBX_FAMILY_SEEN, nbx_verify__seen},
    {NBX_FAMILY_VECTORS, nbx_verify__vector},
    {NBX_FAMILY_EVENTS, nbx_verify__event},
    {NBX_FAMILY_EVENT_IDS, nbx_verify__event_id},
    {NBX_FAMILY_DECISIONS, nbx_verify__decision},
    {NBX_FAMILY_LOG, nbx_verify__log},
    {NBX_FAMILY_MENTIONS, nbx_verify__mention},
    {NBX_FAMILY_DUE, nbx_verify__due},
    {NBX_FAMILY_PAST_ITEMS, nbx_verify__past_item},
    {NBX_FAMILY_FORGOTTEN, nbx_verify__forgotten},
    {NBX_FAMILY_BASES, nbx_verify__base},
    {NBX_FAMILY_LINKS, nbx_verify__link},
    {NBX_FAMILY_MODELS, nbx_verify__model},
};
_Static_assert(sizeof passes / sizeof *passes == NBX_N_FAMILIES, "every family is looked at");

/* One entry, as the cursor answered. False at the end of what can be read. */
static bool look(struct nbx_check *c, size_t pass, enum nbx_err err, struct nbx_str key,
                 const struct nbx_stored *stored)
{
    enum nbx_family family = passes[pass].family;
    const char *what = NULL;
    if (err == NBX_ECORRUPT && !key.p) {
        nbx_verify__found(c, family, key,
                          "a part of a file cannot be read; the line above names it");
        return false;
    }
    if (err == NBX_ENOTFOUND)
        return false;
    if (err == NBX_ECORRUPT)
        what = "fails its checksum";
    else if (err)
        c->err = err;
    else
        what = passes[pass].check(c, key, stored);
    c->out->records++;
    if (what && !c->err)
        nbx_verify__found(c, family, key, what);
    nbx_arena_reset(c->arena);
    return !c->err;
}

static void scan(struct nbx_check *c, size_t pass)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    c->err = nbx_cursor_open(&cursor, c->store, passes[pass].family, all, all, false);
    while (!c->err && look(c, pass, nbx_cursor_next(cursor, &key, &stored), key, &stored))
        continue;
    nbx_cursor_close(&cursor);
}

/* Items get the numbers from 1 on without a gap: one that lacks is an id that was lost. */
static void check_item_numbers(struct nbx_check *c)
{
    for (uint32_t no = 1; no <= c->items.last; no++) {
        struct nbx_key key = nbx_key_item(no);
        if (!nbx_verify__has_item(c, no))
            nbx_verify__found(c, NBX_FAMILY_ITEM_IDS, nbx_key_str(&key),
                              "no id has this item number");
    }
}

enum nbx_err nbx_verify(struct nbx_verified *out, const struct nbx_store *store,
                        const struct nbx_verify_options *options)
{
    *out = (struct nbx_verified){0};
    struct nbx_check *c = calloc(1, sizeof *c);
    if (!c)
        return NBX_ELIMIT;
    c->store = store;
    c->options = options;
    c->out = out;
    c->arena = nbx_arena_new(ARENA_BYTES);
    c->scratch = nbx_arena_new(ARENA_BYTES);
    c->err = c->arena && c->scratch ? NBX_OK : NBX_ELIMIT;
    for (size_t pass = 0; !c->err && pass < NBX_N_FAMILIES; pass++) {
        scan(c, pass);
        if (!c->err && passes[pass].family == NBX_FAMILY_ITEM_IDS)
            check_item_numbers(c);
        if (!c->err && passes[pass].family == NBX_FAMILY_IDENTITIES)
            nbx_verify__sort_vacant(c);
        if (!c->err && passes[pass].family == NBX_FAMILY_LOG)
            nbx_verify__log_ends(c);
        if (!c->err && passes[pass].family == NBX_FAMILY_LINKS)
            nbx_verify__link_ends(c);
    }
    enum nbx_err err = c->err;
    free(c->items.bits);
    free(c->vacant.p);
    free(c->links.p);
    nbx_arena_destroy(&c->arena);
    nbx_arena_destroy(&c->scratch);
    free(c);
    return err;
}
