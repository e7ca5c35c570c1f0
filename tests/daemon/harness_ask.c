/* SPDX-License-Identifier: MIT */
#include "tests/daemon/harness.h"

#include "engine/base/clock.h"
#include "engine/json/json.h"
#include "proto/wire.h"

#include <stdlib.h>
#include <time.h>

#define PATH_BYTES   256
#define JOINED_BYTES 65536

static struct nbx_value from_json(struct nbx_arena *arena, char *text)
{
    struct nbx_value v;
    struct nbx_fault fault;
    for (char *c = text; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    cr_assert_eq(nbx_json_decode(&v, text, strlen(text), arena, &fault), NBX_OK, "%s: %s", text,
                 fault.message);
    return v;
}

struct nbx_str peer_vbody(struct peer *p, const char *format, va_list args)
{
    char *text = NULL;
    struct nbx_buf b = {0};
    cr_assert(vasprintf(&text, format, args) >= 0);
    struct nbx_value v = from_json(p->arena, text);
    nbx_wire_value(&b, &v);
    cr_assert(!b.failed);
    struct nbx_str body =
        nbx_arena_str(p->arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    free(text);
    return body;
}

struct nbx_str peer_body(struct peer *p, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct nbx_str body = peer_vbody(p, format, args);
    va_end(args);
    return body;
}

struct answer ask_raw(struct peer *p, const char *op, struct nbx_str key, struct nbx_str body)
{
    struct nbx_request request = {.op = op, .key = key, .body = body};
    struct nbx_reply reply;
    enum nbx_err err = nbx_client_call(p->client, &request, ASK_TIMEOUT_MS, p->arena, &reply);
    cr_assert_eq(err, NBX_OK, "%s: no answer (%s)", op, nbx_err_status(err));
    struct nbx_value *copy = nbx_arena_alloc(p->arena, sizeof *copy);
    cr_assert_not_null(copy);
    *copy = reply.body;
    return (struct answer){reply.status.p, copy, reply.raw};
}

struct answer ask(struct peer *p, const char *op, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct nbx_str body = peer_vbody(p, format, args);
    va_end(args);
    return ask_raw(p, op, nbx_str_c(key), body);
}

struct nbx_value *get(struct peer *p, const char *op, const char *key, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct nbx_str body = peer_vbody(p, format, args);
    va_end(args);
    struct answer a = ask_raw(p, op, nbx_str_c(key), body);
    const struct nbx_value *message = nbx_value_get(a.body, "message");
    const struct nbx_value *field = nbx_value_get(a.body, "field");
    cr_assert_str_eq(a.status, "ok", "%s %s: %s: %.*s: %.*s", op, key, a.status,
                     field ? (int)field->s.len : 0, field ? field->s.p : "",
                     message ? (int)message->s.len : 0, message ? message->s.p : "");
    return a.body;
}

void must_refuse(struct answer a, struct refusal want)
{
    const struct nbx_value *message = nbx_value_get(a.body, "message");
    const struct nbx_value *field = nbx_value_get(a.body, "field");
    struct nbx_str said = message ? message->s : NBX_STR("");
    struct nbx_str named = field ? field->s : NBX_STR("");
    cr_assert_str_eq(a.status, want.status, "%s: '%.*s': %.*s", a.status, NBX_STR_ARG(named),
                     NBX_STR_ARG(said));
    cr_assert(message && said.len > 0, "a refusal says why");
    if (want.field)
        cr_assert(nbx_str_is(named, want.field), "names '%.*s', not '%s' (%.*s)",
                  NBX_STR_ARG(named), want.field, NBX_STR_ARG(said));
    if (want.message)
        cr_assert_not_null(memmem(said.p, said.len, want.message, strlen(want.message)),
                           "'%.*s' lacks '%s'", NBX_STR_ARG(said), want.message);
}

/* One step of a path: ".name" or "[3]"; *path moves behind it. */
static const struct nbx_value *step(const struct nbx_value *v, const char **path)
{
    if (**path == '[') {
        char *end;
        unsigned long i = strtoul(*path + 1, &end, 10);
        cr_assert_eq(*end, ']');
        *path = end + 1;
        return v->type == NBX_LIST && i < v->n ? &v->list[i] : NULL;
    }
    *path += **path == '.';
    size_t n = strcspn(*path, ".[");
    struct nbx_str name = {*path, (uint32_t)n};
    *path += n;
    return nbx_value_get_str(v, name);
}

const struct nbx_value *at(const struct nbx_value *v, const char *path)
{
    while (v && *path)
        v = step(v, &path);
    return v;
}

static const struct nbx_value *typed(const struct nbx_value *v, const char *path,
                                     enum nbx_value_type type)
{
    const struct nbx_value *got = at(v, path);
    cr_assert_not_null(got, "%s is missing", path);
    cr_assert_eq(got->type, type, "%s is %s", path, nbx_value_type_name(got->type));
    return got;
}

int64_t int_at(const struct nbx_value *v, const char *path)
{
    return typed(v, path, NBX_INT)->i;
}

double number_at(const struct nbx_value *v, const char *path)
{
    return typed(v, path, NBX_FLOAT)->f;
}

struct nbx_str text_at(const struct nbx_value *v, const char *path)
{
    return typed(v, path, NBX_STRING)->s;
}

bool bool_at(const struct nbx_value *v, const char *path)
{
    return typed(v, path, NBX_BOOL)->b;
}

uint32_t count_at(const struct nbx_value *v, const char *path)
{
    const struct nbx_value *got = at(v, path);
    cr_assert(got && (got->type == NBX_LIST || got->type == NBX_MAP), "%s has no entries", path);
    return got->n;
}

void must_be(const struct nbx_value *v, const char *path, const char *json)
{
    struct nbx_arena *arena = nbx_arena_new((size_t)16 << 20);
    char *text = strdup(json);
    struct nbx_buf said = {0};
    cr_assert(arena && text);
    struct nbx_value want = from_json(arena, text);
    const struct nbx_value *got = at(v, path);
    cr_assert_not_null(got, "%s is missing", path);
    if (nbx_json_encode(&said, got) == NBX_OK)
        cr_assert(nbx_value_eq(got, &want), "%s is %.*s, not %s", path, (int)said.len,
                  (const char *)said.p, text);
    else
        cr_assert(nbx_value_eq(got, &want), "%s is not %s", path, text);
    nbx_buf_fini(&said);
    free(text);
    nbx_arena_destroy(&arena);
}

const char *joined(const struct nbx_value *v, const char *path, const char *member)
{
    static char buffers[8][JOINED_BYTES];
    static unsigned turn;
    char *out = buffers[turn++ % 8];
    size_t used = 0;
    const struct nbx_value *list = typed(v, path, NBX_LIST);
    out[0] = '\0';
    for (uint32_t i = 0; i < list->n; i++) {
        const struct nbx_value *word = *member ? at(&list->list[i], member) : &list->list[i];
        cr_assert(word && word->type == NBX_STRING, "%s[%u].%s is no text", path, i, member);
        int n =
            snprintf(out + used, JOINED_BYTES - used, "%s%.*s", i ? " " : "", NBX_STR_ARG(word->s));
        used += (size_t)n;
        cr_assert(used < JOINED_BYTES);
    }
    return out;
}

struct nbx_value *get_until(struct peer *p, const char *key, const char *body, const char *want)
{
    int64_t until_ns = nbx_clock_mono_ns() + (int64_t)ASK_TIMEOUT_MS * 1000000;
    for (;;) {
        struct nbx_value *reply = get(p, "recommend", key, "%s", body);
        const char *got = joined(reply, "items", "id");
        if (strcmp(got, want) == 0)
            return reply;
        cr_assert(nbx_clock_mono_ns() < until_ns, "still '%s', not '%s'", got, want);
        nanosleep(&(struct timespec){0, 5000000}, NULL);
    }
}
