/* SPDX-License-Identifier: MIT */
#include "proto/cli/import_value.h"

#include "engine/base/decimal.h"
#include "engine/base/hash.h"
#include "engine/json/json.h"
#include "proto/wire.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define NUMBER_BYTES 64

struct encoding {
    struct nbx_import_encoder *e;
    const struct nbx_cell *cell;
    const struct nbx_import_target *target;
    uint32_t n_members, n_attributes;
    bool has_id, has_currency, has_attributes;
    struct nbx_str currency; /* beside an amount, where no column says one */
    struct nbx_fault *fault;
};

static enum nbx_err refuse(struct encoding *x, const char *fmt, ...) NBX_PRINTF(2, 3);
static enum nbx_err refuse(struct encoding *x, const char *fmt, ...)
{
    char where[NBX_FAULT_FIELD_BYTES], message[NBX_FAULT_MESSAGE_BYTES];
    if (x->cell->from)
        snprintf(where, sizeof where, "%.112s:%" PRIu64 ":%u", x->e->path, x->cell->line,
                 x->cell->from);
    else
        snprintf(where, sizeof where, "%.112s:%" PRIu64, x->e->path, x->cell->line);
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return nbx_fault_set(x->fault, NBX_EBAD, where, "%s: %s", x->target->field->name, message);
}

/* kinds of values */

static bool copy_text(char *out, size_t out_bytes, struct nbx_str s)
{
    if (s.len == 0 || s.len >= out_bytes)
        return false;
    memcpy(out, s.p, s.len);
    out[s.len] = '\0';
    return true;
}

static bool parse_double(struct nbx_str s, double *out)
{
    char text[NUMBER_BYTES], *end;
    if (!copy_text(text, sizeof text, s) || strspn(text, "+-0123456789.eE") != s.len)
        return false;
    *out = strtod(text, &end);
    return !*end && end != text && isfinite(*out);
}

static enum nbx_err put_number(struct encoding *x, struct nbx_buf *out, struct nbx_str s)
{
    double f;
    if (!parse_double(s, &f))
        return refuse(x, "\"%.*s\" is not a number", NBX_STR_ARG(s));
    if (f == floor(f) && fabs(f) < 1e15)
        nbx_wire_int(out, (int64_t)f);
    else
        nbx_wire_float(out, f);
    return NBX_OK;
}

static enum nbx_err put_time(struct encoding *x, struct nbx_buf *out, struct nbx_str s)
{
    int64_t ms;
    if (!nbx_timestamp_parse(&ms, s, x->target->time_unit))
        return refuse(x, "\"%.*s\" is neither a number nor a date such as 2026-01-31T12:00:00Z",
                      NBX_STR_ARG(s));
    nbx_wire_int(out, ms);
    return NBX_OK;
}

/* Currencies whose minor unit is not a hundredth (ISO 4217). */
static unsigned scale_of(struct nbx_str currency)
{
    static const char none[] =
        "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF";
    static const char thousandths[] = "BHD IQD JOD KWD LYD OMR TND";
    char code[4];
    if (currency.len != 3 || !copy_text(code, sizeof code, currency))
        return 2;
    return strstr(none, code) ? 0 : strstr(thousandths, code) ? 3 : 2;
}

/* "15.00 USD" or "USD 15.00": the amount, and the currency behind or before it. */
static struct nbx_str take_currency(struct nbx_str s, struct nbx_str *currency)
{
    *currency = (struct nbx_str){0};
    if (s.len > 4 && s.p[s.len - 4] == ' ' && isupper((unsigned char)s.p[s.len - 1])) {
        *currency = (struct nbx_str){s.p + s.len - 3, 3};
        return (struct nbx_str){s.p, s.len - 4};
    }
    if (s.len > 4 && s.p[3] == ' ' && isupper((unsigned char)s.p[0])) {
        *currency = (struct nbx_str){s.p, 3};
        return (struct nbx_str){s.p + 4, s.len - 4};
    }
    return s;
}

static enum nbx_err put_money(struct encoding *x, struct nbx_buf *out, struct nbx_str s)
{
    struct nbx_str currency, amount = take_currency(s, &currency);
    unsigned scale = x->e->money_scale;
    if (currency.len && scale)
        scale = scale_of(currency);
    int64_t minor = 0;
    switch (nbx_decimal_parse(&minor, amount, scale)) {
    case NBX_DECIMAL_OK: break;
    case NBX_DECIMAL_HAS_POINT:
        return refuse(x,
                      "\"%.*s\" has a decimal point, but money counts minor units (1999 is "
                      "19.99); --price-unit major takes it as it is",
                      NBX_STR_ARG(s));
    case NBX_DECIMAL_TOO_FINE:
        return refuse(x, "\"%.*s\" has more than %u decimal places", NBX_STR_ARG(s), scale);
    case NBX_DECIMAL_TOO_LARGE: return refuse(x, "\"%.*s\" is too large", NBX_STR_ARG(s));
    case NBX_DECIMAL_NOT_A_NUMBER: return refuse(x, "\"%.*s\" is not an amount", NBX_STR_ARG(s));
    }
    if (currency.len)
        x->currency = currency;
    nbx_wire_int(out, minor);
    return NBX_OK;
}

static enum nbx_err put_bool(struct encoding *x, struct nbx_buf *out, struct nbx_str s)
{
    static const char yes[] = " true 1 yes y t instock preorder backorder limitedavailability ";
    static const char no[] = " false 0 no n f outofstock soldout discontinued ";
    char word[NUMBER_BYTES] = " ";
    size_t n = nbx_import_simplify(word + 1, sizeof word - 2, s);
    memcpy(word + 1 + n, " ", 2);
    if (n == 0 || (!strstr(yes, word) && !strstr(no, word)))
        return refuse(x, "\"%.*s\" is neither true nor false", NBX_STR_ARG(s));
    nbx_wire_bool(out, strstr(yes, word) != NULL);
    return NBX_OK;
}

static struct nbx_str next_part(struct nbx_str *rest, const char *separator)
{
    size_t n = strlen(separator);
    const char *at = memmem(rest->p, rest->len, separator, n);
    struct nbx_str part = {rest->p, at ? (uint32_t)(at - rest->p) : rest->len};
    uint32_t used = at ? part.len + (uint32_t)n : rest->len;
    *rest = (struct nbx_str){rest->p + used, rest->len - used};
    while (part.len && part.p[0] == ' ')
        part = (struct nbx_str){part.p + 1, part.len - 1};
    while (part.len && part.p[part.len - 1] == ' ')
        part.len--;
    return part;
}

static enum nbx_err put_list(struct encoding *x, struct nbx_buf *out, struct nbx_str s)
{
    uint32_t n = 0;
    for (struct nbx_str rest = s; rest.len;)
        n += next_part(&rest, x->target->separator).len > 0;
    nbx_wire_list(out, n);
    while (s.len) {
        struct nbx_str part = next_part(&s, x->target->separator);
        if (part.len)
            nbx_wire_str(out, part);
    }
    return NBX_OK;
}

#define MAX_DEPTH (NBX_VALUE_MAX_DEPTH - 3) /* body, list, entry */

/* Calls itself; the decoder has bounded the depth. */
static int depth_of(const struct nbx_value *v)
{
    int deepest = 0;
    uint32_t n = v->type == NBX_LIST || v->type == NBX_MAP ? v->n : 0;
    for (uint32_t i = 0; i < n; i++) {
        int depth = depth_of(v->type == NBX_LIST ? &v->list[i] : &v->members[i].value);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

static enum nbx_err put_value(struct encoding *x, struct nbx_buf *out, const struct nbx_value *v)
{
    if (depth_of(v) > MAX_DEPTH)
        return refuse(x, "is nested too deeply");
    nbx_wire_value(out, v);
    return NBX_OK;
}

static enum nbx_err put_json(struct encoding *x, struct nbx_buf *out, struct nbx_str s)
{
    struct nbx_value v;
    struct nbx_fault inner;
    if (nbx_json_decode(&v, s.p, s.len, x->e->arena, &inner))
        return refuse(x, "must be JSON: %s", inner.message);
    return put_value(x, out, &v);
}

static enum nbx_err put_text(struct encoding *x, struct nbx_buf *out, struct nbx_str s)
{
    switch (x->target->field->kind) {
    case NBX_IMPORT_TEXT: nbx_wire_str(out, s); return NBX_OK;
    case NBX_IMPORT_TYPE: nbx_wire_str(out, nbx_import_type(s, x->e->types)); return NBX_OK;
    case NBX_IMPORT_TIME: return put_time(x, out, s);
    case NBX_IMPORT_NUMBER: return put_number(x, out, s);
    case NBX_IMPORT_MONEY: return put_money(x, out, s);
    case NBX_IMPORT_BOOL: return put_bool(x, out, s);
    case NBX_IMPORT_LIST: return put_list(x, out, s);
    case NBX_IMPORT_JSON: return put_json(x, out, s);
    case NBX_IMPORT_ATTRIBUTE: break;
    }
    double f;
    if (parse_double(s, &f))
        return put_number(x, out, s);
    if (nbx_str_is(s, "true") || nbx_str_is(s, "false"))
        nbx_wire_bool(out, s.len == 4);
    else
        nbx_wire_str(out, s);
    return NBX_OK;
}

/* rows */

static enum nbx_err put_cell(struct encoding *x)
{
    const struct nbx_import_field *field = x->target->field;
    bool is_attribute = field->kind == NBX_IMPORT_ATTRIBUTE;
    struct nbx_buf *out = is_attribute ? &x->e->attributes : &x->e->members;
    nbx_wire_str(out, is_attribute ? x->target->attribute : nbx_str_c(field->name));
    x->n_attributes += is_attribute;
    x->n_members += !is_attribute;
    x->has_id |= strcmp(field->name, "id") == 0;
    x->has_currency |= strcmp(field->name, "currency") == 0;
    x->has_attributes |= strcmp(field->name, "attributes") == 0;
    if (x->has_attributes && x->n_attributes)
        return refuse(x, "attributes come either from one column or from several");
    if (!x->cell->value)
        return put_text(x, out, x->cell->text);
    if (field->kind != NBX_IMPORT_LIST && field->kind != NBX_IMPORT_JSON && !is_attribute)
        return refuse(x, "must not be a %s", nbx_value_type_name(x->cell->value->type));
    return put_value(x, out, x->cell->value);
}

static enum nbx_err put_default(struct encoding *x, uint32_t f, struct nbx_str text, uint64_t line)
{
    struct nbx_cell cell = {.text = text, .line = line};
    struct nbx_import_target target = {
        .field = &x->e->what->fields[f], .separator = "|", .time_unit = NBX_TIME_AUTO};
    x->cell = &cell;
    x->target = &target;
    enum nbx_err err = put_cell(x);
    x->cell = NULL;
    x->target = NULL;
    return err;
}

/* Fields no cell of the row fills. */
static enum nbx_err put_defaults(struct encoding *x, uint64_t filled, uint64_t line)
{
    enum nbx_err err = NBX_OK;
    for (uint32_t f = 0; f < x->e->what->n_fields && !err; f++) {
        struct nbx_str text = nbx_import_mapping_default(x->e->mapping, f);
        if (text.len && !(filled >> f & 1))
            err = put_default(x, f, text, line);
    }
    return err;
}

static enum nbx_err put_cells(struct encoding *x, const struct nbx_row *row)
{
    uint64_t filled = 0;
    for (uint32_t i = 0; i < row->n; i++) {
        x->cell = &row->cells[i];
        x->target = nbx_import_mapping_target(x->e->mapping, x->cell->column);
        if (!x->target->field)
            continue;
        bool is_attribute = x->target->field->kind == NBX_IMPORT_ATTRIBUTE;
        filled |= is_attribute ? 0 : UINT64_C(1) << (x->target->field - x->e->what->fields);
        enum nbx_err err = put_cell(x);
        if (err)
            return err;
    }
    return put_defaults(x, filled, row->line);
}

/* An event without an id gets one that the same line of the same file always gets. */
static void put_id(struct encoding *x, const struct nbx_row *row)
{
    struct nbx_buf *b = &x->e->hashed;
    nbx_buf_clear(b);
    nbx_buf_put(b, x->e->file_name, strlen(x->e->file_name) + 1);
    nbx_buf_put_u64le(b, row->number);
    nbx_buf_put(b, row->bytes.p, row->bytes.len);
    static const char hex[] = "0123456789abcdef";
    uint8_t hash[16];
    char id[32];
    nbx_hash128(b->p, b->len, hash);
    for (int i = 0; i < 16; i++) {
        id[2 * i] = hex[hash[i] >> 4];
        id[2 * i + 1] = hex[hash[i] & 15];
    }
    nbx_wire_kv_str(&x->e->members, "id", (struct nbx_str){id, sizeof id});
    x->n_members++;
}

enum nbx_err nbx_import_encode(struct nbx_import_encoder *e, const struct nbx_row *row,
                               struct nbx_buf *out, struct nbx_fault *fault)
{
    struct encoding x = {.e = e, .fault = fault};
    nbx_buf_clear(&e->members);
    nbx_buf_clear(&e->attributes);
    nbx_arena_reset(e->arena);
    enum nbx_err err = put_cells(&x, row);
    if (err)
        return err;
    if (!x.has_id && e->what == &nbx_import_events)
        put_id(&x, row);
    if (x.currency.len && !x.has_currency) {
        nbx_wire_kv_str(&e->members, "currency", x.currency);
        x.n_members++;
    }
    nbx_wire_map(out, x.n_members + (x.n_attributes > 0));
    nbx_buf_put(out, e->members.p, e->members.len);
    if (x.n_attributes) {
        nbx_wire_text(out, "attributes");
        nbx_wire_map(out, x.n_attributes);
        nbx_buf_put(out, e->attributes.p, e->attributes.len);
    }
    return out->failed || e->members.failed || e->attributes.failed
               ? nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory")
               : NBX_OK;
}

void nbx_import_encoder_fini(struct nbx_import_encoder *e)
{
    nbx_buf_fini(&e->members);
    nbx_buf_fini(&e->attributes);
    nbx_buf_fini(&e->hashed);
    nbx_arena_destroy(&e->arena);
}
