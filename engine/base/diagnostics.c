/* SPDX-License-Identifier: MIT */
#include "engine/base/diagnostics.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void clear(struct nbx_diagnostics *d)
{
    for (size_t i = 0; i < d->n; i++)
        free(d->items[i].message);
    d->n = 0;
    d->failed = false;
}

void nbx_diagnostics_fini(struct nbx_diagnostics *d)
{
    clear(d);
    free(d->items);
    free(d->file);
    *d = (struct nbx_diagnostics){0};
}

void nbx_diagnostics_start(struct nbx_diagnostics *d, const char *file)
{
    if (!d)
        return;
    clear(d);
    free(d->file);
    d->file = strdup(file);
    d->failed = !d->file;
}

static bool grow(struct nbx_diagnostics *d)
{
    if (d->n < d->cap)
        return true;
    size_t cap = d->cap ? 2 * d->cap : 8;
    struct nbx_diagnostic *items = realloc(d->items, cap * sizeof *items);
    if (!items)
        return false;
    d->items = items;
    d->cap = cap;
    return true;
}

static bool is_after(const struct nbx_diagnostic *a, uint32_t line, uint32_t column)
{
    return a->line != line ? a->line > line : a->column > column;
}

void nbx_diagnostics_add(struct nbx_diagnostics *d, uint32_t line, uint32_t column, const char *fmt,
                         ...)
{
    if (!d)
        return;
    char *message = NULL;
    va_list args;
    va_start(args, fmt);
    int len = vasprintf(&message, fmt, args);
    va_end(args);
    if (len < 0 || !grow(d)) {
        if (len >= 0)
            free(message);
        d->failed = true;
        return;
    }
    size_t at = d->n;
    while (at > 0 && is_after(&d->items[at - 1], line, column))
        at--;
    memmove(&d->items[at + 1], &d->items[at], (d->n - at) * sizeof d->items[0]);
    d->items[at] = (struct nbx_diagnostic){line, column, message};
    d->n++;
}

bool nbx_diagnostics_clean(const struct nbx_diagnostics *d)
{
    return d->n == 0 && !d->failed;
}

void nbx_diagnostics_print(const struct nbx_diagnostics *d, FILE *out)
{
    for (size_t i = 0; i < d->n; i++)
        fprintf(out, "%s:%u:%u: %s\n", d->file ? d->file : "", d->items[i].line, d->items[i].column,
                d->items[i].message);
    if (d->failed)
        fprintf(out, "%s: out of memory\n", d->file ? d->file : "");
}
