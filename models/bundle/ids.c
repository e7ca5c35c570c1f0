/* SPDX-License-Identifier: MIT
 * Ids of items, or names of features, as they lie in a file: offsets and bytes.
 */
#include "engine/base/map.h"
#include "engine/base/utf8.h"
#include "models/bundle/internal.h"

#include <stdlib.h>

static uint64_t offset_at(const struct nbx_tensor *offsets, size_t i)
{
    return offsets->dtype == NBX_DTYPE_U64 ? ((const uint64_t *)offsets->data)[i]
                                           : ((const uint32_t *)offsets->data)[i];
}

static enum nbx_err check_shapes(const struct nbx_bundle__list *list,
                                 const struct nbx_tensor *offsets, const struct nbx_tensor *bytes,
                                 struct nbx_fault *fault)
{
    if ((offsets->dtype != NBX_DTYPE_U32 && offsets->dtype != NBX_DTYPE_U64) ||
        offsets->n_dims != 1)
        return nbx_fault_set(fault, NBX_EBAD, list->offsets,
                             "must be U32 or U64 of one dimension, is %s of %u",
                             nbx_dtype_name(offsets->dtype), offsets->n_dims);
    if (bytes->dtype != NBX_DTYPE_U8 || bytes->n_dims != 1)
        return nbx_fault_set(fault, NBX_EBAD, list->bytes,
                             "must be U8 of one dimension, is %s of %u",
                             nbx_dtype_name(bytes->dtype), bytes->n_dims);
    if (offsets->shape[0] < 2 || offsets->shape[0] - 1 > list->most)
        return nbx_fault_set(fault, NBX_EBAD, list->offsets,
                             "must be for 1 to %zu %ss, has %llu numbers", list->most, list->entry,
                             (unsigned long long)offsets->shape[0]);
    uint64_t first = offset_at(offsets, 0), last = offset_at(offsets, offsets->shape[0] - 1);
    if (first != 0 || last != bytes->bytes)
        return nbx_fault_set(fault, NBX_EBAD, list->offsets,
                             "must go from 0 to %llu, the bytes of ids",
                             (unsigned long long)bytes->bytes);
    return NBX_OK;
}

/* ids: as many as offsets says. */
static enum nbx_err fill(struct nbx_str *ids, const struct nbx_bundle__list *list,
                         const struct nbx_tensor *offsets, const struct nbx_tensor *bytes,
                         struct nbx_fault *fault)
{
    uint64_t at = 0;
    for (size_t i = 0; i < offsets->shape[0] - 1; i++) {
        uint64_t end = offset_at(offsets, i + 1);
        if (end <= at || end - at > NBX_ID_MAX_BYTES || end > bytes->bytes)
            return nbx_fault_set(fault, NBX_EBAD, list->offsets,
                                 "%s %zu: an id is 1 to %d bytes, offsets go from %llu to %llu",
                                 list->entry, i, NBX_ID_MAX_BYTES, (unsigned long long)at,
                                 (unsigned long long)end);
        ids[i] = (struct nbx_str){(const char *)bytes->data + at, (uint32_t)(end - at)};
        if (!nbx_id_valid(ids[i]))
            return nbx_fault_set(fault, NBX_EBAD, list->bytes, "%s %zu: an id is UTF-8 without NUL",
                                 list->entry, i);
        at = end;
    }
    return NBX_OK;
}

static enum nbx_err check_unique(const struct nbx_bundle__list *list, const struct nbx_str *ids,
                                 size_t n, struct nbx_fault *fault)
{
    struct nbx_map *seen = nbx_map_new();
    enum nbx_err err = seen ? NBX_OK : NBX_ELIMIT;
    for (size_t i = 0; i < n && !err; i++) {
        uint32_t first = nbx_map_get(seen, ids[i]);
        if (first != NBX_MAP_NONE)
            err =
                nbx_fault_set(fault, NBX_EBAD, list->bytes, "%ss %u and %zu have the same id %.*s",
                              list->entry, first, i, NBX_STR_ARG(ids[i]));
        else
            err = nbx_map_put(seen, ids[i], (uint32_t)i);
    }
    if (err == NBX_ELIMIT)
        (void)nbx_fault_set(fault, err, NULL, "out of memory");
    nbx_map_destroy(&seen);
    return err;
}

enum nbx_err nbx_bundle__read_ids(struct nbx_str **out, size_t *n,
                                  const struct nbx_bundle__list *list,
                                  const struct nbx_safetensors *file, struct nbx_fault *fault)
{
    const struct nbx_tensor *offsets = nbx_bundle__find(file, list->offsets, fault);
    if (!offsets)
        return NBX_EBAD;
    const struct nbx_tensor *bytes = nbx_bundle__find(file, list->bytes, fault);
    if (!bytes)
        return NBX_EBAD;
    enum nbx_err err = check_shapes(list, offsets, bytes, fault);
    if (err)
        return err;
    *n = (size_t)offsets->shape[0] - 1;
    *out = calloc(*n, sizeof **out);
    if (!*out)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    err = fill(*out, list, offsets, bytes, fault);
    return err ? err : check_unique(list, *out, *n, fault);
}
