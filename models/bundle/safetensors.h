/* SPDX-License-Identifier: MIT
 * The safetensors container: a JSON header that names tensors, then their bytes.
 *
 * Why:     the one format PyTorch, JAX and NumPy all write and that runs no code when read.
 *          models/FORMAT.md has the layout and every bound.
 * Owns:    nothing: tensors point into the caller's bytes, the rest lives in the caller's arena.
 * Threads: any.
 * Errors:  NBX_EBAD with the tensor's name as the fault's field, NBX_ELIMIT where the arena is out.
 */
#ifndef NBX_MODELS_BUNDLE_SAFETENSORS_H
#define NBX_MODELS_BUNDLE_SAFETENSORS_H

#include "engine/base/arena.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/value.h"

#include <stddef.h>
#include <stdint.h>

#define NBX_SAFETENSORS_MAX_HEADER_BYTES (16u << 20)
#define NBX_SAFETENSORS_MAX_TENSORS      1024
#define NBX_SAFETENSORS_MAX_DIMS         8
#define NBX_SAFETENSORS_ALIGN            64 /* of the first tensor in files we write */

enum nbx_dtype {
    NBX_DTYPE_BOOL,
    NBX_DTYPE_U8,
    NBX_DTYPE_I8,
    NBX_DTYPE_I16,
    NBX_DTYPE_U16,
    NBX_DTYPE_F16,
    NBX_DTYPE_BF16,
    NBX_DTYPE_I32,
    NBX_DTYPE_U32,
    NBX_DTYPE_F32,
    NBX_DTYPE_I64,
    NBX_DTYPE_U64,
    NBX_DTYPE_F64,
};

/* "F32", ... as the header spells it. */
const char *nbx_dtype_name(enum nbx_dtype dtype);

struct nbx_tensor {
    struct nbx_str name;
    enum nbx_dtype dtype;
    uint32_t n_dims;
    uint64_t shape[NBX_SAFETENSORS_MAX_DIMS]; /* (n_dims) */
    uint64_t bytes;                           /* product of shape x size of dtype */
    const void *data;                         /* aligned to the dtype's size */
};

struct nbx_safetensors {
    const struct nbx_tensor *tensors; /* (n_tensors), in file order */
    uint32_t n_tensors;
    struct nbx_value metadata; /* a map from string to string; NBX_NIL where there is none */
};

/* Reads a whole file that lies at file (8-byte aligned, `bytes` long). Touches the header only. */
enum nbx_err nbx_safetensors_parse(struct nbx_safetensors *out, const void *file, size_t bytes,
                                   struct nbx_arena *arena, struct nbx_fault *fault) NBX_MUST_CHECK;
/* The tensor of that name, or NULL. */
const struct nbx_tensor *nbx_safetensors_find(const struct nbx_safetensors *file,
                                              struct nbx_str name);

/* Appends what precedes the tensors' bytes: length, header, spaces up to NBX_SAFETENSORS_ALIGN.
 * tensors (n) in the order their bytes will follow, without gaps, larger element sizes first;
 * `bytes` and `data` are not read. metadata: a map from string to string, or NBX_NIL. */
enum nbx_err nbx_safetensors_header(struct nbx_buf *out, const struct nbx_value *metadata,
                                    const struct nbx_tensor *tensors, size_t n) NBX_MUST_CHECK;

#endif
