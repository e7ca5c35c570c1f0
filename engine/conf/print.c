/* SPDX-License-Identifier: MIT
 * Settings as YAML. */
#include "engine/conf/conf.h"
#include "engine/conf/table.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WRAP_COLUMNS 96

/* Plain where YAML reads it back as the same text, quoted where it might not. */
static void format_text(struct nbx_buf *out, const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_./:-";
    size_t len = strlen(text);
    if (len > 0 && strspn(text, plain) == len && text[0] != '-' && text[0] != ':' &&
        text[len - 1] != ':') {
        nbx_buf_put(out, text, len);
        return;
    }
    nbx_buf_put_u8(out, '"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            nbx_buf_printf(out, "\\%c", c);
        else if (c < 0x20 || c == 0x7f)
            nbx_buf_printf(out, "\\x%02x", c);
        else
            nbx_buf_put_u8(out, c);
    }
    nbx_buf_put_u8(out, '"');
}

/* As few digits as read back as the same number. */
static void format_number(struct nbx_buf *out, double value)
{
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    nbx_buf_printf(out, "%s", isnan(value) ? ".nan" : text);
}

static bool is_preset(const struct conf_row *row, const void *base)
{
    struct nbx_buf text = {0};
    nbx_conf__format(&text, row, base);
    bool same = row->preset && text.len == strlen(row->preset) &&
                memcmp(text.p, row->preset, text.len) == 0;
    nbx_buf_fini(&text);
    return same;
}

static void format_record(struct nbx_buf *out, const struct conf_record *record, const void *base)
{
    const char *separator = "{";
    for (size_t i = 0; i < record->n; i++) {
        if (is_preset(&record->rows[i], base))
            continue;
        nbx_buf_printf(out, "%s%s: ", separator, record->rows[i].name);
        nbx_conf__format(out, &record->rows[i], base);
        separator = ", ";
    }
    nbx_buf_put_u8(out, '}');
}

static void format_list(struct nbx_buf *out, const struct conf_row *row, const void *base)
{
    size_t n = *(const size_t *)((const char *)base + row->count_offset);
    const char *entries = *(const char *const *)((const char *)base + row->offset);
    if (n == 0)
        nbx_buf_printf(out, "[]");
    for (size_t i = 0; i < n; i++) {
        nbx_buf_printf(out, "\n  - ");
        if (row->type == CONF_RECORDS)
            format_record(out, row->record, entries + i * row->record->size);
        else
            format_text(out, ((const char *const *)entries)[i]);
    }
}

void nbx_conf__format(struct nbx_buf *out, const struct conf_row *row, const void *base)
{
    const void *member = (const char *)base + row->offset;
    switch (row->type) {
    case CONF_TEXT: format_text(out, *(const char *const *)member); break;
    case CONF_INT: nbx_buf_printf(out, "%" PRId64, *(const int64_t *)member); break;
    case CONF_BYTES: nbx_conf__format_bytes(out, *(const int64_t *)member); break;
    case CONF_DURATION: nbx_conf__format_duration(out, *(const int64_t *)member); break;
    case CONF_NUMBER: format_number(out, *(const double *)member); break;
    case CONF_BOOL: nbx_buf_printf(out, "%s", *(const bool *)member ? "true" : "false"); break;
    case CONF_WORD: nbx_buf_printf(out, "%s", row->words[*(const int *)member]); break;
    case CONF_TEXTS:
    case CONF_RECORDS: format_list(out, row, base); break;
    }
}

/* A comment wrapped at word ends. */
static void print_comment(FILE *out, const char *text)
{
    while (*text) {
        size_t len = strlen(text), cut = len;
        if (len > WRAP_COLUMNS) {
            for (cut = WRAP_COLUMNS; cut > 0 && text[cut] != ' '; cut--)
                ;
            cut = cut ? cut : len;
        }
        fprintf(out, "# %.*s\n", (int)cut, text);
        text += cut;
        text += strspn(text, " ");
    }
}

static void put_bounds(struct nbx_buf *out, const struct conf_row *row)
{
    void (*put)(struct nbx_buf *, int64_t) = row->type == CONF_BYTES ? nbx_conf__format_bytes
                                             : row->type == CONF_DURATION
                                                 ? nbx_conf__format_duration
                                                 : NULL;
    if (row->type == CONF_INT) {
        nbx_buf_printf(out, " %" PRId64 " to %" PRId64 ".", row->min, row->max);
    } else if (put) {
        nbx_buf_put_u8(out, ' ');
        put(out, row->min);
        nbx_buf_printf(out, " to ");
        put(out, row->max);
        nbx_buf_put_u8(out, '.');
    } else if (row->type == CONF_TEXTS || row->type == CONF_RECORDS) {
        nbx_buf_printf(out, " At most %" PRId64 ".", row->max);
    }
}

void nbx_conf_print(const struct nbx_conf *conf, FILE *out)
{
    for (size_t i = 0; i < nbx_conf__top.n; i++) {
        const struct conf_row *row = &nbx_conf__top.rows[i];
        bool list = row->type == CONF_TEXTS || row->type == CONF_RECORDS;
        struct nbx_buf text = {0};
        nbx_buf_printf(&text, "%s", row->sentence);
        put_bounds(&text, row);
        if (!list)
            nbx_buf_printf(&text, " Default: %s.", strcmp(row->preset, "") ? row->preset : "empty");
        nbx_buf_printf(&text, "%s", row->reloadable ? " Taken over by SIGHUP." : "");
        nbx_buf_put_u8(&text, 0);
        fprintf(out, "%s", i ? "\n" : "");
        if (!text.failed)
            print_comment(out, (const char *)text.p);
        nbx_buf_clear(&text);
        nbx_conf__format(&text, row, conf);
        fprintf(out, "%s:%s%.*s\n", row->name, text.len && text.p[0] == '\n' ? "" : " ",
                (int)text.len, (const char *)text.p);
        nbx_buf_fini(&text);
    }
}
