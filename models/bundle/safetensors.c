/* SPDX-License-Identifier: MIT */
#include "models/bundle/safetensors.h"

#include "engine/json/json.h"

#include <stdio.h>
#include <string.h>

#define LENGTH_BYTES 8

static const struct {
    const char *name;
    uint8_t size;
} dtypes[] = {
    [NBX_DTYPE_BOOL] = {"BOOL", 1}, [NBX_DTYPE_U8] = {"U8", 1},   [NBX_DTYPE_I8] = {"I8", 1},
    [NBX_DTYPE_I16] = {"I16", 2},   [NBX_DTYPE_U16] = {"U16", 2}, [NBX_DTYPE_F16] = {"F16", 2},
    [NBX_DTYPE_BF16] = {"BF16", 2}, [NBX_DTYPE_I32] = {"I32", 4}, [NBX_DTYPE_U32] = {"U32", 4},
    [NBX_DTYPE_F32] = {"F32", 4},   [NBX_DTYPE_I64] = {"I64", 8}, [NBX_DTYPE_U64] = {"U64", 8},
    [NBX_DTYPE_F64] = {"F64", 8},
};
#define N_DTYPES (sizeof dtypes / sizeof *dtypes)

const char *nbx_dtype_name(enum nbx_dtype dtype)
{
    return dtypes[dtype].name;
}

static enum nbx_err refuse(struct nbx_fault *fault, struct nbx_str tensor, const char *reason)
{
    char field[NBX_FAULT_FIELD_BYTES];
    size_t n = tensor.len < sizeof field - 1 ? tensor.len : sizeof field - 1;
    if (n)
        memcpy(field, tensor.p, n);
    field[n] = '\0';
    return nbx_fault_set(fault, NBX_EBAD, field, "%s", reason);
}

static enum nbx_err read_dtype(struct nbx_tensor *t, const struct nbx_value *v,
                               struct nbx_fault *fault)
{
    if (!v || v->type != NBX_STRING)
        return refuse(fault, t->name, "dtype must be a string such as \"F32\"");
    for (size_t i = 0; i < N_DTYPES; i++) {
        if (nbx_str_is(v->s, dtypes[i].name)) {
            t->dtype = (enum nbx_dtype)i;
            return NBX_OK;
        }
    }
    return refuse(fault, t->name, "unknown dtype");
}

static enum nbx_err refuse_truncated(struct nbx_fault *fault, struct nbx_str tensor, uint64_t end,
                                     uint64_t data_bytes)
{
    char reason[128];
    snprintf(reason, sizeof reason,
             "truncated: it ends at byte %llu of the tensors', the file at %llu",
             (unsigned long long)end, (unsigned long long)data_bytes);
    return refuse(fault, tensor, reason);
}

/* Shape and, from it, the tensor's bytes. */
static enum nbx_err read_shape(struct nbx_tensor *t, const struct nbx_value *v,
                               struct nbx_fault *fault)
{
    if (!v || v->type != NBX_LIST || v->n > NBX_SAFETENSORS_MAX_DIMS)
        return refuse(fault, t->name, "shape must be a list of at most 8 sizes");
    t->n_dims = v->n;
    t->bytes = dtypes[t->dtype].size;
    for (uint32_t i = 0; i < v->n; i++) {
        const struct nbx_value *size = &v->list[i];
        if (size->type != NBX_INT)
            return refuse(fault, t->name, "shape must hold integers");
        if (size->i < 0)
            return refuse(fault, t->name, "shape must hold integers of at least 0");
        t->shape[i] = (uint64_t)size->i;
        if (__builtin_mul_overflow(t->bytes, t->shape[i], &t->bytes))
            return refuse(fault, t->name, "shape is larger than any file");
    }
    return NBX_OK;
}

struct layout {
    const uint8_t *file;
    uint64_t data_start; /* where offsets count from */
    uint64_t data_bytes;
    uint64_t filled; /* of data_bytes, by the tensors so far */
};

static enum nbx_err read_offsets(struct nbx_tensor *t, const struct nbx_value *v,
                                 struct layout *layout, struct nbx_fault *fault)
{
    if (!v || v->type != NBX_LIST || v->n != 2 || v->list[0].type != NBX_INT ||
        v->list[1].type != NBX_INT || v->list[0].i < 0 || v->list[1].i < v->list[0].i)
        return refuse(fault, t->name, "data_offsets must be [begin, end]");
    uint64_t begin = (uint64_t)v->list[0].i, end = (uint64_t)v->list[1].i;
    if (end > layout->data_bytes)
        return refuse_truncated(fault, t->name, end, layout->data_bytes);
    if (begin < layout->filled)
        return refuse(fault, t->name, "overlaps the tensor before it, or is not in file order");
    if (begin > layout->filled)
        return refuse(fault, t->name, "leaves a hole before it, or is not in file order");
    if (end - begin != t->bytes)
        return refuse(fault, t->name, "data_offsets do not fit shape and dtype");
    if ((layout->data_start + begin) % dtypes[t->dtype].size)
        return refuse(fault, t->name, "is not aligned to the size of its dtype");
    t->data = layout->file + layout->data_start + begin;
    layout->filled = end;
    return NBX_OK;
}

static enum nbx_err read_tensor(struct nbx_tensor *t, const struct nbx_member *m,
                                struct layout *layout, struct nbx_fault *fault)
{
    *t = (struct nbx_tensor){.name = m->key};
    if (m->value.type != NBX_MAP || m->value.n != 3)
        return refuse(fault, t->name, "must be {dtype, shape, data_offsets}");
    enum nbx_err err = read_dtype(t, nbx_value_get(&m->value, "dtype"), fault);
    if (!err)
        err = read_shape(t, nbx_value_get(&m->value, "shape"), fault);
    if (!err)
        err = read_offsets(t, nbx_value_get(&m->value, "data_offsets"), layout, fault);
    return err;
}

static enum nbx_err read_metadata(struct nbx_value *out, const struct nbx_value *v,
                                  struct nbx_fault *fault)
{
    bool strings = v->type == NBX_MAP;
    for (uint32_t i = 0; strings && i < v->n; i++)
        strings = v->members[i].value.type == NBX_STRING;
    if (!strings)
        return nbx_fault_set(fault, NBX_EBAD, "__metadata__", "must map strings to strings");
    *out = *v;
    return NBX_OK;
}

static enum nbx_err read_members(struct nbx_safetensors *out, const struct nbx_value *header,
                                 struct layout *layout, struct nbx_arena *arena,
                                 struct nbx_fault *fault)
{
    if (header->n > NBX_SAFETENSORS_MAX_TENSORS + 1)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "more than %d tensors",
                             NBX_SAFETENSORS_MAX_TENSORS);
    struct nbx_tensor *tensors = nbx_arena_calloc(arena, header->n, sizeof *tensors);
    if (!tensors)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    out->tensors = tensors;
    enum nbx_err err = NBX_OK;
    for (uint32_t i = 0; i < header->n && !err; i++) {
        const struct nbx_member *m = &header->members[i];
        if (nbx_str_is(m->key, "__metadata__"))
            err = read_metadata(&out->metadata, &m->value, fault);
        else
            err = read_tensor(&tensors[out->n_tensors++], m, layout, fault);
    }
    if (!err && layout->filled != layout->data_bytes)
        err = nbx_fault_set(fault, NBX_EBAD, NULL, "%llu bytes lie after the last tensor",
                            (unsigned long long)(layout->data_bytes - layout->filled));
    return err;
}

enum nbx_err nbx_safetensors_parse(struct nbx_safetensors *out, const void *file, size_t bytes,
                                   struct nbx_arena *arena, struct nbx_fault *fault)
{
    *out = (struct nbx_safetensors){.metadata = nbx_value_nil()};
    struct nbx_reader r = nbx_reader_of(file, bytes);
    uint64_t header_bytes = nbx_read_u64le(&r);
    if (r.failed)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "truncated: %zu bytes are no safetensors file",
                             bytes);
    if (header_bytes > NBX_SAFETENSORS_MAX_HEADER_BYTES)
        return nbx_fault_set(fault, NBX_EBAD, "header", "declares %llu bytes, at most %u are read",
                             (unsigned long long)header_bytes, NBX_SAFETENSORS_MAX_HEADER_BYTES);
    if (header_bytes > bytes - LENGTH_BYTES)
        return nbx_fault_set(fault, NBX_EBAD, "header", "truncated: declares %llu bytes of %zu",
                             (unsigned long long)header_bytes, bytes - LENGTH_BYTES);
    const char *text = (const char *)file + LENGTH_BYTES;
    struct nbx_value header;
    enum nbx_err err = nbx_json_decode(&header, text, (size_t)header_bytes, arena, fault);
    if (err) {
        nbx_fault_prefix(fault, "header");
        return err;
    }
    if (header.type != NBX_MAP || text[0] != '{')
        return nbx_fault_set(fault, NBX_EBAD, "header",
                             "must be a JSON object from its first byte");
    struct layout layout = {.file = file,
                            .data_start = LENGTH_BYTES + header_bytes,
                            .data_bytes = bytes - LENGTH_BYTES - header_bytes};
    return read_members(out, &header, &layout, arena, fault);
}

const struct nbx_tensor *nbx_safetensors_find(const struct nbx_safetensors *file,
                                              struct nbx_str name)
{
    for (uint32_t i = 0; i < file->n_tensors; i++)
        if (nbx_str_eq(file->tensors[i].name, name))
            return &file->tensors[i];
    return NULL;
}

static enum nbx_err write_member(struct nbx_buf *out, struct nbx_str key, const struct nbx_value *v)
{
    struct nbx_value name = nbx_value_string(key);
    if (out->len > 1) /* the opening brace */
        nbx_buf_put_u8(out, ',');
    enum nbx_err err = nbx_json_encode(out, &name);
    nbx_buf_put_u8(out, ':');
    return err ? err : nbx_json_encode(out, v);
}

static enum nbx_err write_tensor(struct nbx_buf *out, const struct nbx_tensor *t, uint64_t *filled)
{
    struct nbx_value shape[NBX_SAFETENSORS_MAX_DIMS];
    uint64_t bytes = dtypes[t->dtype].size;
    for (uint32_t i = 0; i < t->n_dims; i++) {
        shape[i] = nbx_value_int((int64_t)t->shape[i]);
        if (__builtin_mul_overflow(bytes, t->shape[i], &bytes))
            return NBX_EBAD;
    }
    struct nbx_value offsets[] = {nbx_value_int((int64_t)*filled),
                                  nbx_value_int((int64_t)(*filled + bytes))};
    struct nbx_member members[] = {
        {NBX_STR("dtype"), nbx_value_string(nbx_str_c(dtypes[t->dtype].name))},
        {NBX_STR("shape"), {.type = NBX_LIST, .n = t->n_dims, .list = shape}},
        {NBX_STR("data_offsets"), {.type = NBX_LIST, .n = 2, .list = offsets}},
    };
    struct nbx_value v = {.type = NBX_MAP, .n = 3, .members = members};
    *filled += bytes;
    return write_member(out, t->name, &v);
}

enum nbx_err nbx_safetensors_header(struct nbx_buf *out, const struct nbx_value *metadata,
                                    const struct nbx_tensor *tensors, size_t n)
{
    struct nbx_buf text = {0};
    uint64_t filled = 0;
    enum nbx_err err = NBX_OK;
    nbx_buf_put_u8(&text, '{');
    if (text.failed)
        return NBX_ELIMIT;
    if (metadata->type == NBX_MAP)
        err = write_member(&text, NBX_STR("__metadata__"), metadata);
    for (size_t i = 0; i < n && !err; i++)
        err = write_tensor(&text, &tensors[i], &filled);
    nbx_buf_put_u8(&text, '}');
    while (!text.failed && (text.len + LENGTH_BYTES) % NBX_SAFETENSORS_ALIGN)
        nbx_buf_put_u8(&text, ' ');
    if (!err && text.len > NBX_SAFETENSORS_MAX_HEADER_BYTES)
        err = NBX_EBAD;
    nbx_buf_put_u64le(out, text.len);
    nbx_buf_put(out, text.p, text.len);
    if (!err && (text.failed || out->failed))
        err = NBX_ELIMIT;
    nbx_buf_fini(&text);
    return err;
}
