/* SPDX-License-Identifier: MIT
 * What a bundle says of attributes: four tensors of items', three of customers', all or none.
 */
#include "models/bundle/internal.h"

/* Whose attributes: the tensors they lie in. */
struct kind {
    struct nbx_bundle__list names;
    const char *vectors, *price_bounds; /* price_bounds: NULL: there are none */
};

static const struct kind of_items = {
    {NBX_BUNDLE_FEATURE_OFFSETS, NBX_BUNDLE_FEATURE_BYTES, "feature", NBX_BUNDLE_MAX_FEATURES},
    NBX_BUNDLE_FEATURE_VECTORS,
    NBX_BUNDLE_PRICE_BOUNDS};
static const struct kind of_customers = {
    {NBX_BUNDLE_CUSTOMER_OFFSETS, NBX_BUNDLE_CUSTOMER_BYTES, "feature", NBX_BUNDLE_MAX_FEATURES},
    NBX_BUNDLE_CUSTOMER_VECTORS,
    NULL};

static bool is_of(const struct kind *kind, struct nbx_str name)
{
    return nbx_str_is(name, kind->names.offsets) || nbx_str_is(name, kind->names.bytes) ||
           nbx_str_is(name, kind->vectors) ||
           (kind->price_bounds && nbx_str_is(name, kind->price_bounds));
}

bool nbx_bundle__is_of_features(struct nbx_str name)
{
    return is_of(&of_items, name) || is_of(&of_customers, name);
}

static enum nbx_err read_vectors(struct nbx_features *f, const char *name, size_t dims,
                                 const struct nbx_safetensors *file, struct nbx_fault *fault)
{
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

static bool has(const struct kind *kind, const struct nbx_safetensors *file)
{
    for (uint32_t i = 0; i < file->n_tensors; i++)
        if (is_of(kind, file->tensors[i].name))
            return true;
    return false;
}

bool nbx_bundle__has_features(const struct nbx_safetensors *file)
{
    return has(&of_items, file) || has(&of_customers, file);
}

/* names: malloc, the caller frees it even after a fault. */
static enum nbx_err read_kind(struct nbx_features *f, struct nbx_str **names,
                              const struct kind *kind, size_t dims,
                              const struct nbx_safetensors *file, struct nbx_fault *fault)
{
    if (!has(kind, file))
        return NBX_OK;
    if (dims == 0)
        return nbx_fault_set(fault, NBX_EBAD, kind->vectors, "there is no space");
    enum nbx_err err = nbx_bundle__read_ids(names, &f->n, &kind->names, file, fault);
    f->names = *names;
    if (!err)
        err = read_vectors(f, kind->vectors, dims, file, fault);
    return err || !kind->price_bounds ? err : read_price_bounds(f, file, fault);
}

enum nbx_err nbx_bundle__read_features(struct nbx_bundle_info *info,
                                       struct nbx_bundle__texts *texts,
                                       const struct nbx_safetensors *file, struct nbx_fault *fault)
{
    size_t dims = nbx_bundle_dims(info);
    enum nbx_err err = read_kind(&info->features, &texts->names, &of_items, dims, file, fault);
    return err ? err
               : read_kind(&info->customer_features, &texts->customer_names, &of_customers, dims,
                           file, fault);
}
