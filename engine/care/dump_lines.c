/* SPDX-License-Identifier: MIT */
#include "engine/base/check.h"
#include "engine/base/value_floats.h"
#include "engine/care/dump_internal.h"
#include "engine/json/json.h"

#include <stdio.h>
#include <stdlib.h>

static void add(struct nbx_object *o, const char *key, struct nbx_value v)
{
    NBX_ASSERT(o->n < NBX_DUMP_MEMBERS);
    o->members[o->n++] = (struct nbx_member){nbx_str_c(key), v};
}

void nbx_object_int(struct nbx_object *o, const char *key, int64_t v)
{
    add(o, key, nbx_value_int(v));
}

void nbx_object_text(struct nbx_object *o, const char *key, struct nbx_str v)
{
    if (v.len)
        add(o, key, nbx_value_string(v));
}

void nbx_object_value(struct nbx_object *o, const char *key, const struct nbx_value *v)
{
    if (v)
        add(o, key, *v);
}

static struct nbx_str print_hex(struct nbx_arena *arena, uint64_t v)
{
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)v);
    return nbx_arena_str(arena, nbx_str_c(text));
}

void nbx_object_hex(struct nbx_dump *d, struct nbx_object *o, const char *key, uint64_t v)
{
    struct nbx_str text = print_hex(d->lines, v);
    if (text.p)
        add(o, key, nbx_value_string(text));
    else
        d->err = NBX_ELIMIT;
}

void nbx_dump__line(struct nbx_dump *d, const char *word, struct nbx_object *o)
{
    struct nbx_value map = {.type = NBX_MAP, .n = o->n, .members = o->members}, copy;
    nbx_buf_clear(&d->line);
    nbx_buf_printf(&d->line, "%s ", word);
    if (!d->err && !nbx_value_copy(&copy, &map, d->lines))
        d->err = NBX_ELIMIT;
    if (!d->err)
        d->err = nbx_value_spread_bins(&copy, d->lines);
    if (!d->err)
        d->err = nbx_json_encode(&d->line, &copy);
    if (!d->err && d->line.failed)
        d->err = NBX_ELIMIT;
    struct nbx_str line = {(const char *)d->line.p, (uint32_t)d->line.len};
    if (!d->err && !d->options->line(d->options->ctx, line))
        d->err = NBX_ESTORAGE;
    nbx_arena_reset(d->lines);
}

/* names */

static bool reach(struct nbx_numbered *of, uint64_t no)
{
    if (no < of->room)
        return true;
    size_t room = (size_t)no * 2 + 64;
    struct nbx_str *p = realloc(of->p, room * sizeof *p);
    if (!p)
        return false;
    memset(p + of->room, 0, (room - of->room) * sizeof *p);
    of->p = p;
    of->room = room;
    return true;
}

/* Keys of the family that begin with `prefix` are names behind it, the values their numbers. */
static enum nbx_err read_names(struct nbx_dump *d, struct nbx_numbered *of, enum nbx_family family,
                               struct nbx_str prefix)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key, all = {0};
    struct nbx_stored stored;
    uint64_t no;
    enum nbx_err err = nbx_cursor_open(&cursor, d->store, family, prefix, all, false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        if (key.len < prefix.len || (prefix.len && memcmp(key.p, prefix.p, prefix.len) != 0))
            break;
        if ((err = nbx_record_u64_decode(&no, &stored)))
            break;
        struct nbx_str name =
            nbx_arena_str(d->names, (struct nbx_str){key.p + prefix.len, key.len - prefix.len});
        if (no > UINT32_MAX || !name.p || !reach(of, no))
            err = no > UINT32_MAX ? NBX_ECORRUPT : NBX_ELIMIT;
        else
            of->p[no] = name;
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

void nbx_dump__names(struct nbx_dump *d)
{
    if ((d->err = read_names(d, &d->items, NBX_FAMILY_ITEM_IDS, (struct nbx_str){0})) ||
        (d->err = read_names(d, &d->types, NBX_FAMILY_META, NBX_STR("type/"))))
        return;
    d->err = read_names(d, &d->channels, NBX_FAMILY_META, NBX_STR("channel/"));
}

struct nbx_str nbx_dump__name(struct nbx_dump *d, const struct nbx_numbered *of, uint64_t no)
{
    char text[24];
    if (no == 0 || (no < of->room && of->p[no].len))
        return no ? of->p[no] : (struct nbx_str){0};
    snprintf(text, sizeof text, "?%llu", (unsigned long long)no);
    return nbx_arena_str(d->lines, nbx_str_c(text));
}
