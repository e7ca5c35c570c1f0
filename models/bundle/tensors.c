/* SPDX-License-Identifier: MIT */
#include "models/bundle/internal.h"

#include <stdio.h>
#include <string.h>

const struct nbx_tensor *nbx_bundle__find(const struct nbx_safetensors *file, const char *name,
                                          struct nbx_fault *fault)
{
    const struct nbx_tensor *t = nbx_safetensors_find(file, nbx_str_c(name));
    if (!t)
        (void)nbx_fault_set(fault, NBX_EBAD, name, "is missing");
    return t;
}

/* In blocks, so that the common case is a plain
 * maximum over the bits without sign, which the compiler turns into vector code. */
size_t nbx_bundle__first_not_finite(const float *x, size_t n)
{
    enum { BLOCK = 256 };
    const uint32_t infinite = 0x7f800000;
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        uint32_t bits[BLOCK], most = 0;
        memcpy(bits, x + i, sizeof bits);
        for (size_t j = 0; j < BLOCK; j++) {
            uint32_t magnitude = bits[j] & 0x7fffffff;
            most = magnitude > most ? magnitude : most;
        }
        if (most >= infinite)
            break;
    }
    for (; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        if ((bits & 0x7fffffff) >= infinite)
            break;
    }
    return i;
}

static const char *part_tensor(char name[NBX_BUNDLE_NAME_BYTES], const char *pattern,
                               struct nbx_str part)
{
    (void)snprintf(name, NBX_BUNDLE_NAME_BYTES, pattern, NBX_STR_ARG(part));
    return name;
}

/* The (n_items, dims) floats of a space's tensor. */
static enum nbx_err read_factors(const float **out, const struct nbx_space *space,
                                 const char *pattern, size_t n_items,
                                 const struct nbx_safetensors *file, struct nbx_fault *fault)
{
    char name[NBX_BUNDLE_NAME_BYTES];
    const struct nbx_tensor *t =
        nbx_bundle__find(file, part_tensor(name, pattern, space->name), fault);
    if (!t)
        return NBX_EBAD;
    if (t->dtype != NBX_DTYPE_F32 || t->n_dims != 2)
        return nbx_fault_set(fault, NBX_EBAD, name, "must be F32 of two dimensions, is %s of %u",
                             nbx_dtype_name(t->dtype), t->n_dims);
    if (t->shape[0] != n_items || t->shape[1] != space->dims)
        return nbx_fault_set(
            fault, NBX_EBAD, name, "must be [%zu, %zu] (items, dims of the space), is [%llu, %llu]",
            n_items, space->dims, (unsigned long long)t->shape[0], (unsigned long long)t->shape[1]);
    *out = t->data;
    size_t n = n_items * space->dims, bad = nbx_bundle__first_not_finite(*out, n);
    if (bad < n)
        return nbx_fault_set(fault, NBX_EBAD, name, "item %zu, dimension %zu is NaN or infinite",
                             bad / space->dims, bad % space->dims);
    return NBX_OK;
}

static enum nbx_err read_space(struct nbx_space *space, size_t n_items,
                               const struct nbx_safetensors *file, struct nbx_fault *fault)
{
    enum nbx_err err =
        read_factors(&space->item_factors, space, NBX_BUNDLE_FACTORS, n_items, file, fault);
    if (!err && space->customer == NBX_CUSTOMER_SUMMED)
        err =
            read_factors(&space->history_factors, space, NBX_BUNDLE_HISTORY, n_items, file, fault);
    return err;
}

/* The tensor of neighbours with that dtype and n numbers (SIZE_MAX: any). */
static const struct nbx_tensor *find_list(const struct nbx_safetensors *file, const char *name,
                                          enum nbx_dtype dtype, size_t n, struct nbx_fault *fault)
{
    const struct nbx_tensor *t = nbx_bundle__find(file, name, fault);
    if (!t)
        return NULL;
    if (t->dtype == dtype && t->n_dims == 1 && (n == SIZE_MAX || t->shape[0] == n))
        return t;
    if (n == SIZE_MAX)
        (void)nbx_fault_set(fault, NBX_EBAD, name, "must be %s of one dimension",
                            nbx_dtype_name(dtype));
    else
        (void)nbx_fault_set(fault, NBX_EBAD, name, "must be %s [%zu]", nbx_dtype_name(dtype), n);
    return NULL;
}

static enum nbx_err check_starts(const struct nbx_neighbours *neighbours, size_t n_items,
                                 size_t n_entries, struct nbx_fault *fault)
{
    char name[NBX_BUNDLE_NAME_BYTES];
    const uint64_t *start = neighbours->start;
    part_tensor(name, NBX_BUNDLE_START, neighbours->name);
    for (size_t i = 0; i < n_items; i++)
        if (start[i] > start[i + 1])
            return nbx_fault_set(fault, NBX_EBAD, name, "item %zu: ends before it begins", i);
    if (start[0] != 0 || start[n_items] != n_entries)
        return nbx_fault_set(fault, NBX_EBAD, name, "must go from 0 to %zu, the number of items",
                             n_entries);
    return NBX_OK;
}

static enum nbx_err check_neighbours(const struct nbx_neighbours *neighbours, size_t n_items,
                                     struct nbx_fault *fault)
{
    char name[NBX_BUNDLE_NAME_BYTES];
    part_tensor(name, NBX_BUNDLE_NEIGHBOURS, neighbours->name);
    for (size_t i = 0; i < n_items; i++) {
        uint64_t least = 0;
        for (uint64_t e = neighbours->start[i]; e < neighbours->start[i + 1]; e++) {
            uint32_t item = neighbours->items[e];
            if (item >= n_items || item < least)
                return nbx_fault_set(fault, NBX_EBAD, name,
                                     "item %zu: its neighbours must ascend and be below %zu", i,
                                     n_items);
            least = (uint64_t)item + 1;
        }
    }
    size_t n = (size_t)neighbours->start[n_items],
           bad = nbx_bundle__first_not_finite(neighbours->weights, n);
    part_tensor(name, NBX_BUNDLE_WEIGHTS, neighbours->name);
    return bad < n ? nbx_fault_set(fault, NBX_EBAD, name, "entry %zu is NaN or infinite", bad)
                   : NBX_OK;
}

static enum nbx_err read_neighbours(struct nbx_neighbours *neighbours, size_t n_items,
                                    const struct nbx_safetensors *file, struct nbx_fault *fault)
{
    char name[NBX_BUNDLE_NAME_BYTES];
    const struct nbx_tensor *items, *weights,
        *start = find_list(file, part_tensor(name, NBX_BUNDLE_START, neighbours->name),
                           NBX_DTYPE_U64, n_items + 1, fault);
    if (!start ||
        !(items = find_list(file, part_tensor(name, NBX_BUNDLE_NEIGHBOURS, neighbours->name),
                            NBX_DTYPE_U32, SIZE_MAX, fault)) ||
        !(weights = find_list(file, part_tensor(name, NBX_BUNDLE_WEIGHTS, neighbours->name),
                              NBX_DTYPE_F32, (size_t)items->shape[0], fault)))
        return NBX_EBAD;
    neighbours->start = start->data;
    neighbours->items = items->data;
    neighbours->weights = weights->data;
    enum nbx_err err = check_starts(neighbours, n_items, (size_t)items->shape[0], fault);
    return err ? err : check_neighbours(neighbours, n_items, fault);
}

static bool is_tensor_of(struct nbx_str name, const char *pattern, struct nbx_str part)
{
    char text[NBX_BUNDLE_NAME_BYTES];
    return nbx_str_is(name, part_tensor(text, pattern, part));
}

static bool is_ours(struct nbx_str name, const struct nbx_bundle_info *info)
{
    bool ours = nbx_str_is(name, NBX_BUNDLE_IDS_OFFSETS) || nbx_str_is(name, NBX_BUNDLE_IDS_BYTES);
    ours = ours || nbx_bundle__is_of_features(name);
    for (size_t i = 0; !ours && i < info->n_spaces; i++) {
        const struct nbx_space *space = &info->spaces[i];
        ours = is_tensor_of(name, NBX_BUNDLE_FACTORS, space->name) ||
               (space->customer == NBX_CUSTOMER_SUMMED &&
                is_tensor_of(name, NBX_BUNDLE_HISTORY, space->name));
    }
    for (size_t i = 0; !ours && i < info->n_neighbours; i++) {
        struct nbx_str part = info->neighbours[i].name;
        ours = is_tensor_of(name, NBX_BUNDLE_START, part) ||
               is_tensor_of(name, NBX_BUNDLE_NEIGHBOURS, part) ||
               is_tensor_of(name, NBX_BUNDLE_WEIGHTS, part);
    }
    return ours;
}

static enum nbx_err check_no_others(const struct nbx_bundle_info *info,
                                    const struct nbx_safetensors *file, struct nbx_fault *fault)
{
    for (uint32_t i = 0; i < file->n_tensors; i++) {
        struct nbx_str name = file->tensors[i].name;
        if (is_ours(name, info))
            continue;
        char field[NBX_FAULT_FIELD_BYTES];
        snprintf(field, sizeof field, "%.*s", NBX_STR_ARG(name));
        return nbx_fault_set(fault, NBX_EBAD, field, "belongs to no %s of this bundle",
                             nbx_bundle_is_blend(info) ? "part" : "space");
    }
    return NBX_OK;
}

enum nbx_err nbx_bundle__read_tensors(struct nbx_bundle_info *info, struct nbx_bundle__texts *texts,
                                      const struct nbx_safetensors *file, struct nbx_fault *fault)
{
    static const struct nbx_bundle__list items = {NBX_BUNDLE_IDS_OFFSETS, NBX_BUNDLE_IDS_BYTES,
                                                  "item", NBX_BUNDLE_MAX_ITEMS};
    enum nbx_err err = check_no_others(info, file, fault);
    if (!err)
        err = nbx_bundle__read_ids(&texts->ids, &info->n_items, &items, file, fault);
    info->item_ids = texts->ids;
    for (size_t i = 0; i < info->n_spaces && !err; i++)
        err = read_space(&info->spaces[i], info->n_items, file, fault);
    for (size_t i = 0; i < info->n_neighbours && !err; i++)
        err = read_neighbours(&info->neighbours[i], info->n_items, file, fault);
    return err ? err : nbx_bundle__read_features(info, texts, file, fault);
}
