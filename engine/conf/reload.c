/* SPDX-License-Identifier: MIT
 * What differs between two configurations, and taking it over. */
#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/conf/conf.h"
#include "engine/conf/table.h"

#include <string.h>

/* Sets both buffers to the setting's text in each configuration; true where they differ. */
static bool differs(const struct conf_row *row, const struct nbx_conf *a, const struct nbx_conf *b,
                    struct nbx_buf *a_text, struct nbx_buf *b_text)
{
    nbx_buf_clear(a_text);
    nbx_buf_clear(b_text);
    nbx_conf__format(a_text, row, a);
    nbx_conf__format(b_text, row, b);
    return a_text->len != b_text->len || memcmp(a_text->p, b_text->p, a_text->len) != 0;
}

void nbx_conf_reloadable_diff(struct nbx_conf_diff *out, const struct nbx_conf *running,
                              const struct nbx_conf *fresh)
{
    struct nbx_buf a = {0}, b = {0};
    *out = (struct nbx_conf_diff){0};
    for (size_t i = 0; i < nbx_conf__top.n; i++) {
        const struct conf_row *row = &nbx_conf__top.rows[i];
        if (!differs(row, running, fresh, &a, &b))
            continue;
        if (row->reloadable)
            out->reloadable[out->n_reloadable++] = row->name;
        else
            out->kept[out->n_kept++] = row->name;
    }
    nbx_buf_fini(&a);
    nbx_buf_fini(&b);
}

/* Copies the texts that a copied entry still borrows. */
static bool own_texts(char *entry, const struct conf_row *list, struct nbx_arena *arena)
{
    static const struct conf_row text = {.type = CONF_TEXT};
    size_t n = list->type == CONF_RECORDS ? list->record->n : 1;
    for (size_t i = 0; i < n; i++) {
        const struct conf_row *row = list->type == CONF_RECORDS ? &list->record->rows[i] : &text;
        const char **member = (const char **)(entry + row->offset);
        if (row->type != CONF_TEXT)
            continue;
        *member = nbx_arena_str(arena, nbx_str_c(*member)).p;
        if (!*member)
            return false;
    }
    return true;
}

static bool take_list(struct nbx_conf *running, const struct conf_row *row,
                      const struct nbx_conf *fresh)
{
    size_t size = row->type == CONF_RECORDS ? row->record->size : sizeof(char *);
    size_t n = *(const size_t *)((const char *)fresh + row->count_offset);
    char *copy = nbx_arena_calloc(running->arena, n ? n : 1, size);
    if (!copy)
        return false;
    if (n)
        memcpy(copy, *(char *const *)((const char *)fresh + row->offset), n * size);
    for (size_t i = 0; i < n; i++) {
        if (!own_texts(copy + i * size, row, running->arena))
            return false;
    }
    *(char **)((char *)running + row->offset) = copy;
    *(size_t *)((char *)running + row->count_offset) = n;
    return true;
}

/* Lists are copied: the fresh configuration goes. What they replace stays in the arena until the
 * end, so whoever still reads it may. false where the arena is out. */
static bool take_over(struct nbx_conf *running, const struct conf_row *row,
                      const struct nbx_conf *fresh)
{
    if (row->type == CONF_TEXTS || row->type == CONF_RECORDS)
        return take_list(running, row, fresh);
    NBX_ASSERT(row->type != CONF_TEXT); /* no text is reloadable */
    size_t size = row->type == CONF_BOOL   ? sizeof(bool)
                  : row->type == CONF_WORD ? sizeof(int)
                                           : sizeof(int64_t);
    memcpy((char *)running + row->offset, (const char *)fresh + row->offset, size);
    return true;
}

static void log_change(const struct conf_row *row, const struct nbx_buf *old,
                       const struct nbx_buf *new)
{
    if (!row->reloadable)
        nbx_log_warnx("setting=%s kept until a restart", row->name);
    else if (row->type == CONF_TEXTS || row->type == CONF_RECORDS)
        nbx_log_info("setting=%s changed", row->name); /* spans lines */
    else
        nbx_log_info("setting=%s old=%.*s new=%.*s", row->name, (int)old->len, (const char *)old->p,
                     (int)new->len, (const char *)new->p);
}

void nbx_conf_adopt(struct nbx_conf *running, const struct nbx_conf *fresh)
{
    struct nbx_buf a = {0}, b = {0};
    for (size_t i = 0; i < nbx_conf__top.n; i++) {
        const struct conf_row *row = &nbx_conf__top.rows[i];
        if (!differs(row, running, fresh, &a, &b))
            continue;
        log_change(row, &a, &b);
        if (row->reloadable && !take_over(running, row, fresh))
            nbx_log_warnx("setting=%s kept: too many changes without a restart", row->name);
    }
    nbx_buf_fini(&a);
    nbx_buf_fini(&b);
}
