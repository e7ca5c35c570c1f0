/* SPDX-License-Identifier: MIT */
#include "engine/care/dump.h"
#include "engine/care/rebuild_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* The lines of one state, in a file that has no name. */
struct lines {
    struct nbx_rebuilding *r;
    FILE *file;
    char *line; /* the one at hand */
    size_t room;
    ssize_t len; /* of it; 0: there is none any more */
};

static bool write_line(void *ctx, struct nbx_str line)
{
    struct lines *l = ctx;
    return fwrite(line.p, 1, line.len, l->file) == line.len && putc('\n', l->file) == '\n';
}

static bool skips(void *ctx, uint64_t number)
{
    return nbx_rebuild__is_as_stored(((struct lines *)ctx)->r, number);
}

static enum nbx_err oldest_bucket(struct nbx_rebuilding *r, const struct nbx_store *store,
                                  uint64_t *out)
{
    struct nbx_key key = nbx_key_meta("trends/oldest_bucket");
    uint64_t v = 0;
    nbx_arena_reset(r->arena);
    enum nbx_err err = nbx_record_u64_get(store, NBX_FAMILY_META, nbx_key_str(&key), r->arena, &v);
    *out = v > *out ? v : *out;
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static enum nbx_err next(struct lines *l)
{
    l->len = getline(&l->line, &l->room, l->file);
    if (l->len > 0)
        l->line[--l->len] = '\0';
    else
        l->len = 0;
    return ferror(l->file) ? NBX_ESTORAGE : NBX_OK;
}

static enum nbx_err tell(struct nbx_rebuilding *r, struct lines *l, bool stored)
{
    if (l->len)
        r->options->differs(r->options->ctx, (struct nbx_str){l->line, (uint32_t)l->len}, stored);
    return l->len ? next(l) : NBX_OK;
}

/* Line by line: behind one that only one of them has, all others may differ too. */
static enum nbx_err compare_lines(struct nbx_rebuilding *r, struct lines *a, struct lines *b)
{
    enum nbx_err err = next(a);
    if (!err)
        err = next(b);
    while (!err && (a->len || b->len)) {
        bool same = a->len == b->len && memcmp(a->line, b->line, (size_t)a->len) == 0;
        r->out->lines++;
        r->out->differences += !same;
        err = same ? next(a) : tell(r, a, true);
        if (!err)
            err = same ? next(b) : tell(r, b, false);
    }
    return err;
}

static enum nbx_err dump(struct lines *l, const struct nbx_store *store, uint64_t bucket)
{
    const struct nbx_rebuilt *out = l->r->out;
    struct nbx_dump_options options = {.oldest_bucket = bucket,
                                       .no_items = out->items_as_stored,
                                       .no_trends = out->trends_as_stored,
                                       .skips = skips,
                                       .line = write_line,
                                       .ctx = l};
    l->file = tmpfile();
    enum nbx_err err = l->file ? nbx_state_dump(store, &options) : NBX_ESTORAGE;
    if (!err && (fflush(l->file) || fseek(l->file, 0, SEEK_SET)))
        err = NBX_ESTORAGE;
    return err;
}

enum nbx_err nbx_rebuild__compare(struct nbx_rebuilding *r)
{
    struct lines stored = {.r = r}, rebuilt = {.r = r};
    uint64_t bucket = 0;
    enum nbx_err err = oldest_bucket(r, r->from, &bucket);
    if (!err)
        err = oldest_bucket(r, r->to, &bucket);
    if (!err)
        err = dump(&stored, r->from, bucket);
    if (!err)
        err = dump(&rebuilt, r->to, bucket);
    if (!err)
        err = compare_lines(r, &stored, &rebuilt);
    if (stored.file)
        fclose(stored.file);
    if (rebuilt.file)
        fclose(rebuilt.file);
    free(stored.line);
    free(rebuilt.line);
    return err;
}
