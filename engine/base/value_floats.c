/* SPDX-License-Identifier: MIT */
#include "engine/base/value_floats.h"

#include <math.h>

static struct nbx_value float_at(const char *p)
{
    float f;
    memcpy(&f, p, sizeof f);
    return isfinite(f) ? nbx_value_float((double)f) : nbx_value_nil();
}

static enum nbx_err spread(struct nbx_value *v, struct nbx_arena *arena)
{
    struct nbx_str bytes = v->s;
    bool packed = bytes.len % sizeof(float) == 0;
    uint32_t n = packed ? bytes.len / (uint32_t)sizeof(float) : bytes.len;
    struct nbx_value *list = nbx_arena_alloc(arena, n * sizeof *list); /* (n) */
    if (!list)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < n; i++)
        list[i] = packed ? float_at(bytes.p + i * sizeof(float))
                         : nbx_value_int((unsigned char)bytes.p[i]);
    *v = (struct nbx_value){.type = NBX_LIST, .n = n, .list = list};
    return NBX_OK;
}

/* Calls itself through maps and lists: the doors bound their depth. */
enum nbx_err nbx_value_spread_bins(struct nbx_value *v, struct nbx_arena *arena)
{
    if (v->type == NBX_BIN)
        return spread(v, arena);
    uint32_t n = v->type == NBX_LIST || v->type == NBX_MAP ? v->n : 0;
    for (uint32_t i = 0; i < n; i++) {
        struct nbx_value *inner = v->type == NBX_LIST ? &v->list[i] : &v->members[i].value;
        enum nbx_err err = nbx_value_spread_bins(inner, arena);
        if (err)
            return err;
    }
    return NBX_OK;
}
