/* SPDX-License-Identifier: MIT */
#include "engine/care/import_links.h"

#include "engine/base/grow.h"

#include <stdlib.h>

enum nbx_err nbx_import_links_init(struct nbx_import_links *links, struct nbx_arena *texts)
{
    *links = (struct nbx_import_links){.rows = nbx_map_new(), .texts = texts};
    return links->rows ? NBX_OK : NBX_ELIMIT;
}

void nbx_import_links_clear(struct nbx_import_links *links)
{
    nbx_map_destroy(&links->rows);
    free(links->p);
    *links = (struct nbx_import_links){0};
}

/* Made where there is none. */
static enum nbx_err row_of(struct nbx_import_links *links, struct nbx_str number,
                           struct nbx_import_row **out)
{
    uint32_t row = nbx_map_get(links->rows, number);
    if (row == NBX_MAP_NONE) {
        struct nbx_import_row *p = nbx_grow(links->p, links->n, &links->room, sizeof *p);
        if (!p)
            return NBX_ELIMIT;
        links->p = p;
        enum nbx_err err = nbx_map_put(links->rows, number, row = (uint32_t)links->n);
        if (err)
            return err;
        links->p[links->n++] = (struct nbx_import_row){.linked = false};
    }
    *out = &links->p[row];
    return NBX_OK;
}

static enum nbx_err keep(struct nbx_str *out, struct nbx_str text, struct nbx_arena *texts)
{
    *out = nbx_arena_str(texts, text);
    return out->p ? NBX_OK : NBX_ELIMIT;
}

enum nbx_err nbx_import_links_set(struct nbx_import_links *links, struct nbx_str number,
                                  const struct nbx_import_link *link)
{
    struct nbx_import_row *row;
    enum nbx_err err = row_of(links, number, &row);
    if (err)
        return err;
    row->linked = link && link->to.len;
    if (!row->linked)
        return NBX_OK;
    struct nbx_import_link *own = &row->link;
    own->since_ms = link->since_ms;
    if ((err = keep(&own->id, link->id, links->texts)) ||
        (err = keep(&own->type, link->type, links->texts)) ||
        (err = keep(&own->to, link->to, links->texts)))
        return err;
    return keep(&own->to_number, link->to_number, links->texts);
}

enum nbx_err nbx_import_links_forget(struct nbx_import_links *links, struct nbx_str number)
{
    struct nbx_import_row *row;
    enum nbx_err err = row_of(links, number, &row);
    if (!err)
        row->forgotten = true;
    return err;
}

static bool leads_somewhere(const struct nbx_import_links *links, const struct nbx_import_row *row)
{
    uint32_t to = row->linked ? nbx_map_get(links->rows, row->link.to_number) : NBX_MAP_NONE;
    return row->linked && !row->forgotten && (to == NBX_MAP_NONE || !links->p[to].forgotten);
}

enum nbx_err nbx_import_links_make(const struct nbx_import_links *links,
                                   const struct nbx_customer_scope *scope, struct nbx_fault *fault)
{
    enum nbx_err err = NBX_OK;
    for (size_t i = 0; !err && i < links->n; i++) {
        const struct nbx_import_link *link = &links->p[i].link;
        struct nbx_link_record record = {.id = link->id, .type = link->type};
        struct nbx_customer_scope then = *scope;
        struct nbx_linking done;
        nbx_arena_reset(scope->arena);
        then.now_ms = link->since_ms;
        if (!leads_somewhere(links, &links->p[i]))
            continue;
        if (!(err = nbx_link_accept(&then, link->to, fault)))
            err = nbx_link(&done, &then, &record, link->to, fault);
    }
    return err;
}
