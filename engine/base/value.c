/* SPDX-License-Identifier: MIT */
#include "engine/base/value.h"

const struct nbx_value *nbx_value_get_str(const struct nbx_value *v, struct nbx_str key)
{
    if (!v || v->type != NBX_MAP)
        return NULL;
    for (uint32_t i = 0; i < v->n; i++)
        if (nbx_str_eq(v->members[i].key, key))
            return &v->members[i].value;
    return NULL;
}

const struct nbx_value *nbx_value_get(const struct nbx_value *v, const char *key)
{
    return nbx_value_get_str(v, nbx_str_c(key));
}

const char *nbx_value_type_name(enum nbx_value_type type)
{
    static const char *const names[] = {"nil",    "bool", "int",  "float",
                                        "string", "bin",  "list", "map"};
    return names[type];
}

/* NOLINTNEXTLINE(misc-no-recursion): depth is bounded by NBX_VALUE_MAX_DEPTH at the doors. */
bool nbx_value_copy(struct nbx_value *out, const struct nbx_value *v, struct nbx_arena *arena)
{
    *out = *v;
    switch (v->type) {
    case NBX_STRING:
    case NBX_BIN: out->s = nbx_arena_str(arena, v->s); return out->s.p != NULL;
    case NBX_LIST:
        out->list = nbx_arena_calloc(arena, v->n, sizeof *out->list);
        for (uint32_t i = 0; out->list && i < v->n; i++)
            if (!nbx_value_copy(&out->list[i], &v->list[i], arena))
                return false;
        return out->list != NULL;
    case NBX_MAP:
        out->members = nbx_arena_calloc(arena, v->n, sizeof *out->members);
        for (uint32_t i = 0; out->members && i < v->n; i++) {
            out->members[i].key = nbx_arena_str(arena, v->members[i].key);
            if (!out->members[i].key.p ||
                !nbx_value_copy(&out->members[i].value, &v->members[i].value, arena))
                return false;
        }
        return out->members != NULL;
    default: return true;
    }
}

static bool maps_eq(const struct nbx_value *a, const struct nbx_value *b)
{
    for (uint32_t i = 0; i < a->n; i++) {
        const struct nbx_value *other = nbx_value_get_str(b, a->members[i].key);
        if (!other || !nbx_value_eq(&a->members[i].value, other))
            return false;
    }
    return true;
}

bool nbx_value_eq(const struct nbx_value *a, const struct nbx_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case NBX_NIL: return true;
    case NBX_BOOL: return a->b == b->b;
    case NBX_INT: return a->i == b->i;
    case NBX_FLOAT: return a->f == b->f;
    case NBX_STRING:
    case NBX_BIN: return nbx_str_eq(a->s, b->s);
    case NBX_LIST:
        if (a->n != b->n)
            return false;
        for (uint32_t i = 0; i < a->n; i++)
            if (!nbx_value_eq(&a->list[i], &b->list[i]))
                return false;
        return true;
    case NBX_MAP: return a->n == b->n && maps_eq(a, b);
    }
    return false;
}
