/* SPDX-License-Identifier: MIT */
#include "proto/wire.h"

#include "engine/base/check.h"
#include "engine/base/hash.h"
#include "engine/base/utf8.h"
#include "proto/wire_bounds.h"

#include <math.h>
#include <msgpack.h>
#include <stdlib.h>

#define FEW_KEYS 24 /* up to here comparing all pairs beats sorting */

/* reading */

struct reading {
    struct nbx_arena *arena;
    struct nbx_fault *fault;
};

/* Calls itself through maps and lists: nbx_wire_bounds has bounded the depth. */
static enum nbx_err convert(struct nbx_value *out, const msgpack_object *o, struct reading *r);

static enum nbx_err out_of_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "needs more memory than one request may use");
}

static int compare_keys(const void *a, const void *b)
{
    return nbx_str_cmp(*(const struct nbx_str *)a, *(const struct nbx_str *)b);
}

/* A key of a small map that stands twice, or NULL. */
static const struct nbx_str *twice_of_few(const struct nbx_member *members, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = 0; j < i; j++)
            if (nbx_str_eq(members[i].key, members[j].key))
                return &members[i].key;
    return NULL;
}

static enum nbx_err refuse_twice(const struct nbx_str *key, struct nbx_fault *fault)
{
    nbx_fault_set(fault, NBX_EBAD, NULL, "this key stands twice in one map");
    nbx_fault_prefix(fault, "%.*s", NBX_STR_ARG(*key));
    return NBX_EBAD;
}

static enum nbx_err check_keys(const struct nbx_value *map, struct reading *r)
{
    if (map->n <= FEW_KEYS) {
        const struct nbx_str *twice = twice_of_few(map->members, map->n);
        return twice ? refuse_twice(twice, r->fault) : NBX_OK;
    }
    struct nbx_str *keys = nbx_arena_calloc(r->arena, map->n, sizeof *keys); /* (n) */
    if (!keys)
        return out_of_memory(r->fault);
    for (uint32_t i = 0; i < map->n; i++)
        keys[i] = map->members[i].key;
    qsort(keys, map->n, sizeof *keys, compare_keys);
    for (uint32_t i = 1; i < map->n; i++)
        if (nbx_str_eq(keys[i], keys[i - 1]))
            return refuse_twice(&keys[i], r->fault);
    return NBX_OK;
}

static enum nbx_err convert_key(struct nbx_str *out, const msgpack_object *o, struct reading *r)
{
    if (o->type != MSGPACK_OBJECT_STR)
        return nbx_fault_set(r->fault, NBX_EBAD, NULL, "the keys of a map must be strings");
    *out = (struct nbx_str){o->via.str.ptr, o->via.str.size};
    if (!nbx_utf8_valid(*out))
        return nbx_fault_set(r->fault, NBX_EBAD, NULL, "a key is not UTF-8");
    return NBX_OK;
}

static enum nbx_err convert_map(struct nbx_value *out, const msgpack_object_map *map,
                                struct reading *r)
{
    struct nbx_member *members = nbx_arena_alloc(r->arena, map->size * sizeof *members);
    if (!members)
        return out_of_memory(r->fault);
    for (uint32_t i = 0; i < map->size; i++) {
        enum nbx_err err = convert_key(&members[i].key, &map->ptr[i].key, r);
        if (err)
            return err;
        err = convert(&members[i].value, &map->ptr[i].val, r);
        if (err) {
            nbx_fault_prefix(r->fault, "%.*s", NBX_STR_ARG(members[i].key));
            return err;
        }
    }
    *out = (struct nbx_value){.type = NBX_MAP, .n = map->size, .members = members};
    return check_keys(out, r);
}

static enum nbx_err convert_list(struct nbx_value *out, const msgpack_object_array *array,
                                 struct reading *r)
{
    struct nbx_value *list = nbx_arena_alloc(r->arena, array->size * sizeof *list);
    if (!list)
        return out_of_memory(r->fault);
    for (uint32_t i = 0; i < array->size; i++) {
        enum nbx_err err = convert(&list[i], &array->ptr[i], r);
        if (err) {
            nbx_fault_prefix(r->fault, "[%u]", i);
            return err;
        }
    }
    *out = (struct nbx_value){.type = NBX_LIST, .n = array->size, .list = list};
    return NBX_OK;
}

static enum nbx_err convert_str(struct nbx_value *out, const msgpack_object_str *str,
                                struct reading *r)
{
    *out = nbx_value_string((struct nbx_str){str->ptr, str->size});
    return nbx_utf8_valid(out->s) ? NBX_OK
                                  : nbx_fault_set(r->fault, NBX_EBAD, NULL, "must be UTF-8");
}

static enum nbx_err convert_float(struct nbx_value *out, double v, struct reading *r)
{
    *out = nbx_value_float(v);
    return isfinite(v) ? NBX_OK
                       : nbx_fault_set(r->fault, NBX_EBAD, NULL, "must not be NaN or infinite");
}

/* msgpack-c calls "positive" all that was sent unsigned. */
static enum nbx_err convert_unsigned(struct nbx_value *out, uint64_t v, struct reading *r)
{
    *out = nbx_value_int((int64_t)v);
    return v <= INT64_MAX
               ? NBX_OK
               : nbx_fault_set(r->fault, NBX_EBAD, NULL,
                               "must fit a signed 64-bit integer, got %llu", (unsigned long long)v);
}

static enum nbx_err convert(struct nbx_value *out, const msgpack_object *o, struct reading *r)
{
    switch (o->type) {
    case MSGPACK_OBJECT_NIL: *out = nbx_value_nil(); return NBX_OK;
    case MSGPACK_OBJECT_BOOLEAN: *out = nbx_value_bool(o->via.boolean); return NBX_OK;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: *out = nbx_value_int(o->via.i64); return NBX_OK;
    case MSGPACK_OBJECT_POSITIVE_INTEGER: return convert_unsigned(out, o->via.u64, r);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64: return convert_float(out, o->via.f64, r);
    case MSGPACK_OBJECT_STR: return convert_str(out, &o->via.str, r);
    case MSGPACK_OBJECT_BIN:
        *out = (struct nbx_value){.type = NBX_BIN, .s = {o->via.bin.ptr, o->via.bin.size}};
        return NBX_OK;
    case MSGPACK_OBJECT_ARRAY: return convert_list(out, &o->via.array, r);
    case MSGPACK_OBJECT_MAP: return convert_map(out, &o->via.map, r);
    case MSGPACK_OBJECT_EXT: break;
    }
    return nbx_fault_set(r->fault, NBX_EBAD, NULL, "msgpack extension types are not taken");
}

enum nbx_err nbx_wire_decode(struct nbx_value *out, const void *p, size_t len,
                             struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = nbx_value_nil();
    size_t n_inner;
    enum nbx_err err = nbx_wire_bounds(&n_inner, p, len, fault);
    if (err)
        return err;
    /* The tree's size is known, so msgpack-c's zone is one piece of the arena: no malloc, and
     * the arena's cap holds for it too. A map's pair is as large as two objects. */
    _Static_assert(sizeof(msgpack_object_kv) == 2 * sizeof(msgpack_object), "pair");
    size_t zone_bytes = n_inner * sizeof(msgpack_object);
    char *room = nbx_arena_alloc(arena, zone_bytes);
    if (!room)
        return out_of_memory(fault);
    msgpack_zone zone = {.chunk_list = {.free = zone_bytes, .ptr = room}};
    msgpack_object root;
    size_t offset = 0;
    msgpack_unpack_return got = msgpack_unpack(p, len, &offset, &zone, &root);
    NBX_ASSERT(zone.chunk_list.head == NULL);
    if (got != MSGPACK_UNPACK_SUCCESS)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "not msgpack");
    err = convert(out, &root, &(struct reading){arena, fault});
    if (err)
        *out = nbx_value_nil();
    return err;
}

/* writing */

static int put(void *buf, const char *p, size_t n)
{
    nbx_buf_put(buf, p, n);
    return 0;
}

/* A packer has no state of its own, so each call makes one. */
#define PACK(b, what, ...)                                                                         \
    do {                                                                                           \
        msgpack_packer packer_ = {(b), put};                                                       \
        msgpack_pack_##what(&packer_ __VA_OPT__(, ) __VA_ARGS__);                                  \
    } while (0)

void nbx_wire_map(struct nbx_buf *b, uint32_t n_members)
{
    PACK(b, map, n_members);
}

void nbx_wire_list(struct nbx_buf *b, uint32_t n)
{
    PACK(b, array, n);
}

void nbx_wire_nil(struct nbx_buf *b)
{
    PACK(b, nil);
}

void nbx_wire_bool(struct nbx_buf *b, bool v)
{
    if (v)
        PACK(b, true);
    else
        PACK(b, false);
}

void nbx_wire_int(struct nbx_buf *b, int64_t v)
{
    PACK(b, int64, v);
}

void nbx_wire_float(struct nbx_buf *b, double v)
{
    PACK(b, double, v);
}

void nbx_wire_str(struct nbx_buf *b, struct nbx_str s)
{
    PACK(b, str, s.len);
    nbx_buf_put(b, s.p, s.len);
}

void nbx_wire_hex(struct nbx_buf *b, const void *p, uint32_t n)
{
    char digits[2 * NBX_WIRE_HEX_MAX];
    NBX_ASSERT(n <= NBX_WIRE_HEX_MAX);
    nbx_hex(digits, p, n);
    nbx_wire_str(b, (struct nbx_str){digits, 2 * n});
}

void nbx_wire_bin(struct nbx_buf *b, const void *p, uint32_t n)
{
    PACK(b, bin, n);
    nbx_buf_put(b, p, n);
}

void nbx_wire_value(struct nbx_buf *b, const struct nbx_value *v)
{
    switch (v->type) {
    case NBX_NIL: nbx_wire_nil(b); return;
    case NBX_BOOL: nbx_wire_bool(b, v->b); return;
    case NBX_INT: nbx_wire_int(b, v->i); return;
    case NBX_FLOAT: nbx_wire_float(b, v->f); return;
    case NBX_STRING: nbx_wire_str(b, v->s); return;
    case NBX_BIN: nbx_wire_bin(b, v->s.p, v->s.len); return;
    case NBX_LIST:
        nbx_wire_list(b, v->n);
        for (uint32_t i = 0; i < v->n; i++)
            nbx_wire_value(b, &v->list[i]);
        return;
    case NBX_MAP:
        nbx_wire_map(b, v->n);
        for (uint32_t i = 0; i < v->n; i++) {
            nbx_wire_str(b, v->members[i].key);
            nbx_wire_value(b, &v->members[i].value);
        }
        return;
    }
}

void nbx_wire_kv_int(struct nbx_buf *b, const char *key, int64_t v)
{
    nbx_wire_text(b, key);
    nbx_wire_int(b, v);
}

void nbx_wire_kv_bool(struct nbx_buf *b, const char *key, bool v)
{
    nbx_wire_text(b, key);
    nbx_wire_bool(b, v);
}

void nbx_wire_kv_value(struct nbx_buf *b, const char *key, const struct nbx_value *v)
{
    nbx_wire_text(b, key);
    nbx_wire_value(b, v);
}

void nbx_wire_fault(struct nbx_buf *b, const struct nbx_fault *fault, const struct nbx_value *id)
{
    bool has_field = fault->field[0] != '\0', has_id = id && id->type != NBX_NIL;
    nbx_wire_map(b, 1 + has_field + has_id);
    nbx_wire_kv_text(b, "message", fault->message);
    if (has_field)
        nbx_wire_kv_text(b, "field", fault->field);
    if (has_id)
        nbx_wire_kv_value(b, "id", id);
}
