/* SPDX-License-Identifier: MIT */
#include "proto/field.h"

#include <inttypes.h>
#include <math.h>

enum nbx_err nbx_field_entries(const struct nbx_value *v, const struct nbx_field *f,
                               struct nbx_decoding *d, const char *what)
{
    if (v->type != NBX_LIST)
        return nbx_fault_set(d->fault, NBX_EBAD, NULL,
                             "must be a list of %" PRId64 " to %" PRId64 " %s, got %s", f->min,
                             f->max, what, nbx_value_type_name(v->type));
    if (v->n < f->min || v->n > f->max)
        return nbx_fault_set(d->fault, NBX_EBAD, NULL,
                             "must be a list of %" PRId64 " to %" PRId64 " %s, got %u", f->min,
                             f->max, what, v->n);
    return NBX_OK;
}

/* lists of strings */

static enum nbx_err read_strs(struct nbx_strs *at, const struct nbx_value *v,
                              const struct nbx_field *f, struct nbx_decoding *d,
                              NBX_FIELD_READER((*read_one)))
{
    enum nbx_err err = nbx_field_entries(v, f, d, "strings");
    if (err)
        return err;
    struct nbx_strs strs = {NULL, v->n};
    if (at && !(strs.p = nbx_arena_alloc(d->arena, v->n * sizeof *strs.p)))
        return nbx_field_no_memory(d);
    for (uint32_t i = 0; i < v->n; i++) {
        err = read_one(at ? &strs.p[i] : NULL, &v->list[i], f, d);
        if (err) {
            nbx_fault_prefix(d->fault, "[%u]", i);
            return err;
        }
    }
    if (at)
        *at = strs;
    return NBX_OK;
}

enum nbx_err nbx_field_ids(void *at, const struct nbx_value *v, const struct nbx_field *f,
                           struct nbx_decoding *d)
{
    return read_strs(at, v, f, d, nbx_field_id);
}

enum nbx_err nbx_field_names(void *at, const struct nbx_value *v, const struct nbx_field *f,
                             struct nbx_decoding *d)
{
    return read_strs(at, v, f, d, nbx_field_name);
}

enum nbx_err nbx_field_new_ids(void *at, const struct nbx_value *v, const struct nbx_field *f,
                               struct nbx_decoding *d)
{
    struct nbx_strs *strs = nbx_arena_calloc(d->arena, 1, sizeof *strs);
    if (!strs)
        return nbx_field_no_memory(d);
    enum nbx_err err = nbx_field_ids(strs, v, f, d);
    if (!err && at)
        *(const struct nbx_strs **)at = strs;
    return err;
}

/* vectors */

static enum nbx_err refuse_dims(const struct nbx_value *v, struct nbx_decoding *d)
{
    return nbx_fault_set(d->fault, NBX_EBAD, NULL,
                         "must be a list of 1 to %d numbers, or a bin of as many little-endian "
                         "32-bit floats, got a %s of %u",
                         NBX_MAX_DIMS, nbx_value_type_name(v->type),
                         v->type == NBX_BIN ? v->s.len : v->n);
}

/* One component; false where it is not a number a 32-bit float can hold. */
static bool component(float *out, const struct nbx_value *v, uint32_t i)
{
    if (v->type == NBX_BIN) {
        memcpy(out, v->s.p + (size_t)i * sizeof *out, sizeof *out);
        return isfinite(*out);
    }
    const struct nbx_value *x = &v->list[i];
    if (x->type != NBX_INT && x->type != NBX_FLOAT)
        return false;
    *out = x->type == NBX_INT ? (float)x->i : (float)x->f;
    return isfinite(*out);
}

enum nbx_err nbx_field_floats(void *at, const struct nbx_value *v, const struct nbx_field *f,
                              struct nbx_decoding *d)
{
    (void)f;
    if (v->type != NBX_LIST && v->type != NBX_BIN)
        return nbx_field_wrong_type(v, d, "a list of numbers or a bin of 32-bit floats");
    uint32_t n = v->type == NBX_LIST ? v->n : v->s.len / sizeof(float);
    bool whole = v->type == NBX_LIST || v->s.len % sizeof(float) == 0;
    if (n < 1 || n > NBX_MAX_DIMS || !whole)
        return refuse_dims(v, d);
    float *floats = at ? nbx_arena_floats(d->arena, n) : NULL; /* (n) */
    if (at && !floats)
        return nbx_field_no_memory(d);
    for (uint32_t i = 0; i < n; i++) {
        float x;
        if (!component(&x, v, i)) {
            nbx_fault_set(d->fault, NBX_EBAD, NULL,
                          "must be a finite number within a 32-bit float");
            nbx_fault_prefix(d->fault, "[%u]", i);
            return NBX_EBAD;
        }
        if (floats)
            floats[i] = x;
    }
    if (at) {
        struct nbx_vector *vector = at;
        vector->p = floats;
        vector->n = n;
    }
    return NBX_OK;
}

enum nbx_err nbx_field_check_space(const struct nbx_vector *vector, struct nbx_decoding *d)
{
    if (vector->space.len > 0 && !vector->p)
        return nbx_fault_set(d->fault, NBX_EBAD, "space", "needs a `vector` beside it");
    return NBX_OK;
}

enum nbx_err nbx_vector_read(struct nbx_vector *out, const struct nbx_value *v,
                             struct nbx_arena *arena, struct nbx_fault *fault)
{
    struct nbx_decoding d = {.arena = arena, .fault = fault};
    return nbx_field_floats(out, v, NULL, &d);
}

/* errors of entries */

struct nbx_entry_error *nbx_entry_errors_add(struct nbx_entry_errors *errors,
                                             struct nbx_arena *arena)
{
    if (errors->n == errors->cap) {
        uint32_t cap = errors->cap ? 2 * errors->cap : 4;
        struct nbx_entry_error *p = nbx_arena_alloc(arena, cap * sizeof *p);
        if (!p)
            return NULL;
        if (errors->n)
            memcpy(p, errors->p, errors->n * sizeof *p);
        errors->p = p;
        errors->cap = cap;
    }
    return &errors->p[errors->n++];
}
