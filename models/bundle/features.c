/* SPDX-License-Identifier: MIT
 * What a bundle says of items' attributes: four tensors, all or none of them.
 */
#include "models/bundle/internal.h"

static const struct nbx_bundle__list names = {NBX_BUNDLE_FEATURE_OFFSETS, NBX_BUNDLE_FEATURE_BYTES,
                                              "feature", NBX_BUNDLE_MAX_FEATURES};

bool nbx_bundle__is_of_features(struct nbx_str name)
{
    return nbx_str_is(name, NBX_BUNDLE_FEATURE_OFFSETS) ||
           nbx_str_is(name, NBX_BUNDLE_FEATURE_BYTES) ||
           nbx_str_is(name, NBX_BUNDLE_FEATURE_VECTORS) ||
           nbx_str_is(name, NBX_BUNDLE_PRICE_BOUNDS);
}

static enum nbx_err read_vectors(struct nbx_features *f, size_t dims,
                                 const struct nbx_safetensors *file, struct nbx_fault *fault)
{
    static const char name[] = NBX_BUNDLE_FEATURE_VECTORS;
    const struct nbx_tensor *t = nbx_bundle__find(file, name, fault);
    if (!t)
        return NBX_EBAD;
    if (t->dtype != NBX_DTYPE_F32 || t->n_dims != 2 || t->shape[0] != f->n || t->shape[1] != dims)
        return nbx_fault_set(fault, NBX_EBAD, name,
                             "must be F32 [%zu, %zu] (features, dims of all spaces)", f->n, dims);
    f->vectors = t->data;
    size_t bad = nbx_bundle__first_not_finite(f->vectors, f->n * dims);
    if (bad < f->n * dims)
        return nbx_fault_set(fault, NBX_EBAD, name, "feature %zu, dimension %zu is NaN or infinite",
                             bad / dims, bad % dims);
    return NBX_OK;
}

static enum nbx_err read_price_bounds(struct nbx_features *f, const struct nbx_safetensors *file,
                                      struct nbx_fault *fault)
{
    static const char name[] = NBX_BUNDLE_PRICE_BOUNDS;
    const struct nbx_tensor *t = nbx_bundle__find(file, name, fault);
    if (!t)
        return NBX_EBAD;
    if (t->dtype != NBX_DTYPE_I64 || t->n_dims != 1 || t->shape[0] > NBX_BUNDLE_MAX_PRICE_BOUNDS)
        return nbx_fault_set(fault, NBX_EBAD, name, "must be I64 of one dimension, at most %d",
                             NBX_BUNDLE_MAX_PRICE_BOUNDS);
    f->price_bounds = t->data;
    f->n_price_bounds = (size_t)t->shape[0];
    for (size_t i = 1; i < f->n_price_bounds; i++)
        if (f->price_bounds[i] <= f->price_bounds[i - 1])
            return nbx_fault_set(fault, NBX_EBAD, name, "bound %zu is not above the one before", i);
    return NBX_OK;
}

bool nbx_bundle__has_features(const struct nbx_safetensors *file)
{
    for (uint32_t i = 0; i < file->n_tensors; i++)
        if (nbx_bundle__is_of_features(file->tensors[i].name))
            return true;
    return false;
}

enum nbx_err nbx_bundle__read_features(struct nbx_bundle_info *info, struct nbx_str **list,
                                       const struct nbx_safetensors *file, struct nbx_fault *fault)
{
    struct nbx_features *f = &info->features;
    size_t dims = nbx_bundle_dims(info);
    if (!nbx_bundle__has_features(file))
        return NBX_OK;
    if (dims == 0)
        return nbx_fault_set(fault, NBX_EBAD, NBX_BUNDLE_FEATURE_VECTORS, "there is no space");
    enum nbx_err err = nbx_bundle__read_ids(list, &f->n, &names, file, fault);
    f->names = *list;
    if (!err)
        err = read_vectors(f, dims, file, fault);
    return err ? err : read_price_bounds(f, file, fault);
}
