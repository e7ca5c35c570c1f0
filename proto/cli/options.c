/* SPDX-License-Identifier: MIT */
#include "proto/cli/options.h"

#include "engine/base/timestamp.h"
#include "engine/json/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct parsing {
    struct nbx_arena *arena;
    struct nbx_fault *fault;
    struct nbx_cli_option_table table;
};

/* values */

static enum nbx_err no_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
}

static enum nbx_err read_int(struct nbx_value *out, const char *text, struct nbx_fault *fault)
{
    char *end;
    errno = 0;
    long long i = strtoll(text, &end, 10);
    if (*end || end == text || errno)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "must be a whole number, got %s", text);
    *out = nbx_value_int(i);
    return NBX_OK;
}

static enum nbx_err read_number(struct nbx_value *out, const char *text, struct nbx_fault *fault)
{
    char *end;
    double f = strtod(text, &end);
    if (*end || end == text || !isfinite(f))
        return nbx_fault_set(fault, NBX_EBAD, NULL, "must be a number, got %s", text);
    *out = f == floor(f) && fabs(f) < 1e15 ? nbx_value_int((int64_t)f) : nbx_value_float(f);
    return NBX_OK;
}

static enum nbx_err read_words(struct nbx_value *out, const char *text, struct parsing *p)
{
    uint32_t n = 1;
    for (const char *c = text; *c; c++)
        n += *c == ',';
    struct nbx_value *list = nbx_arena_calloc(p->arena, n, sizeof *list);
    if (!list)
        return no_memory(p->fault);
    uint32_t k = 0;
    for (const char *from = text; from; k++) {
        const char *comma = strchr(from, ',');
        uint32_t len = comma ? (uint32_t)(comma - from) : (uint32_t)strlen(from);
        list[k] = nbx_value_string((struct nbx_str){from, len});
        from = comma ? comma + 1 : NULL;
    }
    *out = (struct nbx_value){.type = NBX_LIST, .n = n, .list = list};
    return NBX_OK;
}

static enum nbx_err read_time(struct nbx_value *out, const char *text, struct nbx_fault *fault)
{
    int64_t ms;
    if (!nbx_timestamp_parse(&ms, nbx_str_c(text), NBX_TIME_MS))
        return nbx_fault_set(fault, NBX_EBAD, NULL,
                             "must be milliseconds since 1970 or a date such as "
                             "2026-01-31T12:00:00Z, got %s",
                             text);
    *out = nbx_value_int(ms);
    return NBX_OK;
}

static enum nbx_err read_value(struct nbx_value *out, enum nbx_cli_kind kind, const char *text,
                               struct parsing *p)
{
    switch (kind) {
    case NBX_CLI_YES: *out = nbx_value_bool(true); return NBX_OK;
    case NBX_CLI_NO: *out = nbx_value_bool(false); return NBX_OK;
    case NBX_CLI_INT: return read_int(out, text, p->fault);
    case NBX_CLI_NUMBER: return read_number(out, text, p->fault);
    case NBX_CLI_TEXT:
    case NBX_CLI_TEXTS: *out = nbx_value_string(nbx_str_c(text)); return NBX_OK;
    case NBX_CLI_WORDS: return read_words(out, text, p);
    case NBX_CLI_JSON: return nbx_json_decode(out, text, strlen(text), p->arena, p->fault);
    case NBX_CLI_TIME: return read_time(out, text, p->fault);
    }
    return NBX_EINTERNAL;
}

/* maps */

static struct nbx_value *find(struct nbx_value *map, struct nbx_str key)
{
    for (uint32_t i = 0; i < map->n; i++)
        if (nbx_str_eq(map->members[i].key, key))
            return &map->members[i].value;
    return NULL;
}

enum nbx_err nbx_cli_set(struct nbx_value *map, struct nbx_str key, struct nbx_value value,
                         struct nbx_arena *arena)
{
    struct nbx_value *there = find(map, key);
    if (there) {
        *there = value;
        return NBX_OK;
    }
    struct nbx_member *members = nbx_arena_alloc(arena, (map->n + 1) * sizeof *members);
    if (!members)
        return NBX_ELIMIT;
    if (map->n)
        memcpy(members, map->members, map->n * sizeof *members);
    members[map->n++] = (struct nbx_member){key, value};
    map->members = members;
    return NBX_OK;
}

static enum nbx_err append(struct nbx_value *map, struct nbx_str key, struct nbx_value value,
                           struct nbx_arena *arena)
{
    struct nbx_value *there = find(map, key);
    uint32_t n = there ? there->n : 0;
    struct nbx_value *list = nbx_arena_alloc(arena, (n + 1) * sizeof *list);
    if (!list)
        return NBX_ELIMIT;
    if (n)
        memcpy(list, there->list, n * sizeof *list);
    list[n] = value;
    struct nbx_value whole = {.type = NBX_LIST, .n = n + 1, .list = list};
    return nbx_cli_set(map, key, whole, arena);
}

/* argv */

static const struct nbx_cli_option *find_option(struct nbx_cli_option_table table, const char *name,
                                                size_t len)
{
    for (uint32_t i = 0; i < table.n; i++)
        if (strlen(table.options[i].name) == len && memcmp(table.options[i].name, name, len) == 0)
            return &table.options[i];
    return NULL;
}

static enum nbx_err store(struct nbx_cli_args *out, const struct nbx_cli_option *option,
                          const char *text, struct parsing *p)
{
    struct nbx_value value;
    enum nbx_err err = read_value(&value, option->kind, text, p);
    if (err)
        return err;
    struct nbx_value *map = option->field ? &out->body : &out->own;
    struct nbx_str key = nbx_str_c(option->field ? option->field : option->name);
    err = option->kind == NBX_CLI_TEXTS ? append(map, key, value, p->arena)
                                        : nbx_cli_set(map, key, value, p->arena);
    return err ? no_memory(p->fault) : NBX_OK;
}

/* One option at argv[*at]; *at moves to its last word. */
static enum nbx_err read_option(struct nbx_cli_args *out, int argc, char **argv, int *at,
                                struct parsing *p)
{
    const char *word = argv[*at], *equals = strchr(word, '=');
    size_t len = (equals ? (size_t)(equals - word) : strlen(word)) - 2;
    const struct nbx_cli_option *option = find_option(p->table, word + 2, len);
    const char *text = equals ? equals + 1 : NULL;
    enum nbx_err err = NBX_OK;
    if (!option)
        err = nbx_fault_set(p->fault, NBX_EBAD, NULL, "no such option; see --help");
    else if (text && !option->value)
        err = nbx_fault_set(p->fault, NBX_EBAD, NULL, "takes no value");
    else if (!text && option->value && *at + 1 >= argc)
        err = nbx_fault_set(p->fault, NBX_EBAD, NULL, "needs a value: %s", option->value);
    else if (!text && option->value)
        text = argv[++*at];
    if (!err)
        err = store(out, option, text ? text : "", p);
    if (err)
        nbx_fault_prefix(p->fault, "%.*s", (int)len + 2, word);
    return err;
}

enum nbx_err nbx_cli_parse(struct nbx_cli_args *out, struct nbx_cli_option_table table, int argc,
                           char **argv, struct nbx_arena *arena, struct nbx_fault *fault)
{
    struct parsing p = {arena, fault, table};
    *out = (struct nbx_cli_args){.body = {.type = NBX_MAP}, .own = {.type = NBX_MAP}};
    out->values = nbx_arena_calloc(arena, (size_t)argc + 1, sizeof *out->values);
    if (!out->values)
        return no_memory(fault);
    bool plain = false;
    for (int i = 0; i < argc; i++) {
        bool option = !plain && strncmp(argv[i], "--", 2) == 0;
        if (option && argv[i][2] == '\0') {
            plain = true;
        } else if (option) {
            enum nbx_err err = read_option(out, argc, argv, &i, &p);
            if (err)
                return err;
        } else {
            out->values[out->n++] = nbx_str_c(argv[i]);
        }
    }
    return NBX_OK;
}

void nbx_cli_print_options(struct nbx_cli_option_table table)
{
    for (uint32_t i = 0; i < table.n; i++) {
        const struct nbx_cli_option *o = &table.options[i];
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        printf("  %-26s %s\n", left, o->help);
    }
}

const struct nbx_value *nbx_cli_own(const struct nbx_cli_args *args, const char *name)
{
    return nbx_value_get(&args->own, name);
}
