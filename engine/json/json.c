/* SPDX-License-Identifier: MIT */
#include "engine/json/json.h"

#include "engine/base/utf8.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* jansson itself would accept 2,048 levels; looking first also bounds what it builds. */
static enum nbx_err check_depth(const char *text, size_t len, struct nbx_fault *fault)
{
    size_t depth = 0, line = 1, column = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        column += ((unsigned char)c & 0xC0) != 0x80;
        if (in_string) {
            bool escape = c == '\\' && i + 1 < len;
            i += escape;
            column += escape;
            in_string = c != '"';
            continue;
        }
        if (c == '\n') {
            line++;
            column = 0;
        }
        bool starts_value = c && !strchr(" \t\r\n,:]}", c);
        if (starts_value && depth >= NBX_VALUE_MAX_DEPTH)
            return nbx_fault_set(fault, NBX_EBAD, NULL,
                                 "line %zu column %zu: nested deeper than %d levels", line, column,
                                 NBX_VALUE_MAX_DEPTH);
        depth += c == '[' || c == '{';
        depth -= depth > 0 && (c == ']' || c == '}');
        in_string = c == '"';
    }
    return NBX_OK;
}

static enum nbx_err convert(struct nbx_value *out, json_t *j, struct nbx_arena *arena,
                            struct nbx_fault *fault);

static enum nbx_err out_of_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "needs more memory than a request may use");
}

static enum nbx_err convert_text(struct nbx_str *out, const char *p, size_t len,
                                 struct nbx_arena *arena, struct nbx_fault *fault)
{
    if (len > UINT32_MAX)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "a text is longer than 4 GiB");
    *out = nbx_arena_str(arena, (struct nbx_str){p, (uint32_t)len});
    return out->p ? NBX_OK : out_of_memory(fault);
}

/* NOLINTNEXTLINE(misc-no-recursion): check_depth has bounded it. */
static enum nbx_err convert_list(struct nbx_value *out, json_t *j, struct nbx_arena *arena,
                                 struct nbx_fault *fault)
{
    size_t n = json_array_size(j);
    struct nbx_value *list = nbx_arena_calloc(arena, n, sizeof *list);
    if (!list || n > UINT32_MAX)
        return out_of_memory(fault);
    *out = (struct nbx_value){.type = NBX_LIST, .n = (uint32_t)n, .list = list};
    enum nbx_err err = NBX_OK;
    for (size_t i = 0; i < n && !err; i++)
        err = convert(&list[i], json_array_get(j, i), arena, fault);
    return err;
}

/* NOLINTNEXTLINE(misc-no-recursion): check_depth has bounded it. */
static enum nbx_err convert_map(struct nbx_value *out, json_t *j, struct nbx_arena *arena,
                                struct nbx_fault *fault)
{
    size_t n = json_object_size(j);
    struct nbx_member *members = nbx_arena_calloc(arena, n, sizeof *members);
    if (!members || n > UINT32_MAX)
        return out_of_memory(fault);
    *out = (struct nbx_value){.type = NBX_MAP, .n = (uint32_t)n, .members = members};
    enum nbx_err err = NBX_OK;
    struct nbx_member *m = members;
    for (void *it = json_object_iter(j); it && !err; it = json_object_iter_next(j, it), m++) {
        const char *key = json_object_iter_key(it); /* jansson refuses NUL in keys */
        err = convert_text(&m->key, key, strlen(key), arena, fault);
        if (!err)
            err = convert(&m->value, json_object_iter_value(it), arena, fault);
    }
    return err;
}

/* NOLINTNEXTLINE(misc-no-recursion): check_depth has bounded it. */
static enum nbx_err convert(struct nbx_value *out, json_t *j, struct nbx_arena *arena,
                            struct nbx_fault *fault)
{
    switch (json_typeof(j)) {
    case JSON_TRUE:
    case JSON_FALSE: *out = nbx_value_bool(json_is_true(j)); return NBX_OK;
    case JSON_INTEGER: *out = nbx_value_int(json_integer_value(j)); return NBX_OK;
    case JSON_REAL: *out = nbx_value_float(json_real_value(j)); return NBX_OK;
    case JSON_STRING:
        out->type = NBX_STRING;
        return convert_text(&out->s, json_string_value(j), json_string_length(j), arena, fault);
    case JSON_ARRAY: return convert_list(out, j, arena, fault);
    case JSON_OBJECT: return convert_map(out, j, arena, fault);
    case JSON_NULL: break;
    }
    *out = nbx_value_nil();
    return NBX_OK;
}

static enum nbx_err syntax_error(const json_error_t *error, struct nbx_fault *fault)
{
    /* jansson quotes the text around the error and may cut it inside a character */
    bool printable = nbx_utf8_valid(nbx_str_c(error->text));
    return nbx_fault_set(fault, NBX_EBAD, NULL, "line %d column %d: %s",
                         error->line > 0 ? error->line : 1, error->column > 0 ? error->column : 1,
                         printable ? error->text : "not JSON");
}

enum nbx_err nbx_json_decode(struct nbx_value *out, const char *text, size_t len,
                             struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = nbx_value_nil();
    enum nbx_err err = check_depth(text, len, fault);
    if (err)
        return err;
    json_error_t error;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!j)
        return syntax_error(&error, fault);
    err = convert(out, j, arena, fault);
    json_decref(j);
    return err;
}

struct writer {
    struct nbx_buf *out;
    bool indented;
};

static void write_text(struct nbx_buf *out, struct nbx_str s)
{
    static const char hex[] = "0123456789abcdef";
    static const char shorts[] = "btn?fr"; /* 8, 9, 10, -, 12, 13 */
    nbx_buf_put_u8(out, '"');
    for (uint32_t i = 0, from = 0; i <= s.len; i++) {
        unsigned char c = i < s.len ? (unsigned char)s.p[i] : 0;
        if (i < s.len && c >= 0x20 && c != '"' && c != '\\')
            continue;
        nbx_buf_put(out, s.p + from, i - from);
        from = i + 1;
        if (i == s.len)
            break;
        if (c == '"' || c == '\\')
            nbx_buf_put(out, (char[]){'\\', (char)c}, 2);
        else if (c >= 8 && c <= 13 && c != 11)
            nbx_buf_put(out, (char[]){'\\', shorts[c - 8]}, 2);
        else
            nbx_buf_put(out, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
    }
    nbx_buf_put_u8(out, '"');
}

static enum nbx_err write_float(struct nbx_buf *out, double f)
{
    if (!isfinite(f))
        return NBX_EBAD;
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, f);
        if (strtod(text, NULL) == f)
            break;
    }
    nbx_buf_printf(out, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
    return NBX_OK;
}

static void write_break(const struct writer *w, int level)
{
    if (!w->indented)
        return;
    nbx_buf_put_u8(w->out, '\n');
    for (int i = 0; i < level; i++)
        nbx_buf_put(w->out, "  ", 2);
}

static enum nbx_err write_value(const struct writer *w, const struct nbx_value *v, int depth);

/* NOLINTNEXTLINE(misc-no-recursion): depth is bounded by NBX_JSON_MAX_ENCODE_DEPTH. */
static enum nbx_err write_container(const struct writer *w, const struct nbx_value *v, int depth)
{
    bool map = v->type == NBX_MAP;
    enum nbx_err err = NBX_OK;
    nbx_buf_put_u8(w->out, map ? '{' : '[');
    for (uint32_t i = 0; i < v->n && !err; i++) {
        if (i)
            nbx_buf_put_u8(w->out, ',');
        write_break(w, depth);
        if (map) {
            write_text(w->out, v->members[i].key);
            nbx_buf_put(w->out, ": ", w->indented ? 2 : 1);
        }
        err = write_value(w, map ? &v->members[i].value : &v->list[i], depth + 1);
    }
    if (v->n)
        write_break(w, depth - 1);
    nbx_buf_put_u8(w->out, map ? '}' : ']');
    return err;
}

/* NOLINTNEXTLINE(misc-no-recursion): depth is bounded by NBX_JSON_MAX_ENCODE_DEPTH. */
static enum nbx_err write_value(const struct writer *w, const struct nbx_value *v, int depth)
{
    if (depth > NBX_JSON_MAX_ENCODE_DEPTH)
        return NBX_EBAD;
    switch (v->type) {
    case NBX_NIL: nbx_buf_put(w->out, "null", 4); return NBX_OK;
    case NBX_BOOL: nbx_buf_put(w->out, v->b ? "true" : "false", v->b ? 4 : 5); return NBX_OK;
    case NBX_INT: nbx_buf_printf(w->out, "%lld", (long long)v->i); return NBX_OK;
    case NBX_FLOAT: return write_float(w->out, v->f);
    case NBX_STRING: write_text(w->out, v->s); return NBX_OK;
    case NBX_LIST:
    case NBX_MAP: return write_container(w, v, depth);
    case NBX_BIN: break;
    }
    return NBX_EBAD;
}

static enum nbx_err encode(struct nbx_buf *out, const struct nbx_value *v, bool indented)
{
    size_t before = out->len;
    enum nbx_err err = write_value(&(struct writer){out, indented}, v, 1);
    if (!err && out->failed)
        err = NBX_ELIMIT;
    if (err)
        out->len = before;
    return err;
}

enum nbx_err nbx_json_encode(struct nbx_buf *out, const struct nbx_value *v)
{
    return encode(out, v, false);
}

enum nbx_err nbx_json_encode_indented(struct nbx_buf *out, const struct nbx_value *v)
{
    return encode(out, v, true);
}
