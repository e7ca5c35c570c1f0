/* SPDX-License-Identifier: MIT
 * One value: text to member and back. */
#include "engine/base/check.h"
#include "engine/conf/table.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct unit {
    const char *name;
    int64_t size;
};

/* Largest first, so that formatting takes the first that divides. */
static const struct unit byte_units[] = {
    {"TiB", INT64_C(1) << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}};
static const struct unit time_units[] = {
    {"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
#define N_UNITS 5

/* Whole decimal number; *rest is what follows it. */
static bool parse_whole(int64_t *out, const char *text, const char **rest)
{
    char *end;
    errno = 0;
    if (!isdigit((unsigned char)*text) && *text != '-')
        return false;
    long long value = strtoll(text, &end, 10);
    *out = value;
    *rest = end;
    return errno == 0 && end != text;
}

static bool parse_with_unit(int64_t *out, const char *text, const struct unit *units)
{
    const char *rest;
    if (!parse_whole(out, text, &rest))
        return false;
    if (*out == 0 && *rest == '\0')
        return true;
    for (int i = 0; i < N_UNITS; i++) {
        if (strcmp(rest, units[i].name) == 0)
            return !__builtin_mul_overflow(*out, units[i].size, out);
    }
    return false;
}

static bool parse_bytes(int64_t *out, const char *text)
{
    const char *rest;
    return (parse_whole(out, text, &rest) && *rest == '\0') ||
           parse_with_unit(out, text, byte_units);
}

static bool parse_int(int64_t *out, const char *text)
{
    const char *rest;
    return parse_whole(out, text, &rest) && *rest == '\0';
}

static void format_with_unit(struct nbx_buf *out, int64_t value, const struct unit *units)
{
    for (int i = 0; i < N_UNITS && value != 0; i++) {
        if (value % units[i].size == 0) {
            nbx_buf_printf(out, "%" PRId64 "%s", value / units[i].size, units[i].name);
            return;
        }
    }
    nbx_buf_printf(out, "0");
}

void nbx_conf__format_bytes(struct nbx_buf *out, int64_t bytes)
{
    format_with_unit(out, bytes, byte_units);
}

void nbx_conf__format_duration(struct nbx_buf *out, int64_t ms)
{
    format_with_unit(out, ms, time_units);
}

static void format_whole(struct nbx_buf *out, enum conf_type type, int64_t value)
{
    if (type == CONF_BYTES)
        nbx_conf__format_bytes(out, value);
    else if (type == CONF_DURATION)
        nbx_conf__format_duration(out, value);
    else
        nbx_buf_printf(out, "%" PRId64, value);
}

static bool set_whole(int64_t *member, const struct conf_row *row, const char *text,
                      struct nbx_buf *why)
{
    int64_t value = 0;
    const char *what = row->type == CONF_BYTES      ? "a size such as 512MiB"
                       : row->type == CONF_DURATION ? "a duration such as 30d, 12h, 5m, 10s, 100ms"
                                                    : "a whole number";
    bool good = row->type == CONF_BYTES      ? parse_bytes(&value, text)
                : row->type == CONF_DURATION ? parse_with_unit(&value, text, time_units)
                                             : parse_int(&value, text);
    if (!good) {
        nbx_buf_printf(why, "must be %s, got \"%s\"", what, text);
        return false;
    }
    if (value < row->min || value > row->max) {
        nbx_buf_printf(why, "must be ");
        format_whole(why, row->type, row->min);
        nbx_buf_printf(why, " to ");
        format_whole(why, row->type, row->max);
        nbx_buf_printf(why, ", got %s", text);
        return false;
    }
    *member = value;
    return true;
}

static bool set_number(double *member, const struct conf_row *row, const char *text,
                       struct nbx_buf *why)
{
    char *end;
    if (row->preset && strcmp(text, ".nan") == 0 && strcmp(row->preset, ".nan") == 0) {
        *member = NAN;
        return true;
    }
    double value = strtod(text, &end);
    /* strtod also takes "inf", "nan" and hexadecimal, which no person means here. */
    if (end == text || *end || strspn(text, "0123456789+-.eE") != strlen(text)) {
        nbx_buf_printf(why, "must be a number, got \"%s\"", text);
        return false;
    }
    if (!(value >= row->least && value <= row->most)) {
        nbx_buf_printf(why, "must be %.15g to %.15g, got %s", row->least, row->most, text);
        return false;
    }
    *member = value;
    return true;
}

static bool set_word(int *member, const struct conf_row *row, const char *text, struct nbx_buf *why)
{
    for (int i = 0; row->words[i]; i++) {
        if (strcmp(row->words[i], text) == 0) {
            *member = i;
            return true;
        }
    }
    nbx_buf_printf(why, "must be ");
    for (int i = 0; row->words[i]; i++)
        nbx_buf_printf(why, "%s%s", i == 0 ? "" : row->words[i + 1] ? ", " : " or ", row->words[i]);
    nbx_buf_printf(why, ", got \"%s\"", text);
    return false;
}

static bool set_text(const char **member, const struct conf_row *row, const char *text,
                     struct nbx_arena *arena, struct nbx_buf *why)
{
    const char *reason = row->check ? row->check(text) : NULL;
    if (reason) {
        nbx_buf_printf(why, "%s, got \"%s\"", reason, text);
        return false;
    }
    *member = nbx_arena_str(arena, nbx_str_c(text)).p;
    if (!*member)
        nbx_buf_printf(why, "out of memory");
    return *member != NULL;
}

static bool set_bool(bool *member, const char *text, struct nbx_buf *why)
{
    *member = strcmp(text, "true") == 0;
    if (*member || strcmp(text, "false") == 0)
        return true;
    nbx_buf_printf(why, "must be true or false, got \"%s\"", text);
    return false;
}

bool nbx_conf__parse(void *member, const struct conf_row *row, const char *text,
                     struct nbx_arena *arena, struct nbx_buf *why)
{
    switch (row->type) {
    case CONF_TEXT:
    case CONF_TEXTS: return set_text(member, row, text, arena, why);
    case CONF_INT:
    case CONF_BYTES:
    case CONF_DURATION: return set_whole(member, row, text, why);
    case CONF_NUMBER: return set_number(member, row, text, why);
    case CONF_BOOL: return set_bool(member, text, why);
    case CONF_WORD: return set_word(member, row, text, why);
    case CONF_RECORDS: break;
    }
    nbx_check_failed("a record is no single value", __FILE__, __LINE__);
}
