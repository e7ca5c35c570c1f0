/* SPDX-License-Identifier: MIT */
#include "models/attributes/vector.h"

#include "engine/base/map.h"

#include <stdlib.h>

struct nbx_describer {
    const struct nbx_features *features;
    size_t dims;
    struct nbx_map *by_name;
};

enum nbx_err nbx_describer_new(struct nbx_describer **out, const struct nbx_features *features,
                               size_t dims)
{
    struct nbx_describer *d = calloc(1, sizeof *d);
    *out = d;
    if (!d)
        return NBX_ELIMIT;
    *d = (struct nbx_describer){.features = features, .dims = dims, .by_name = nbx_map_new()};
    enum nbx_err err = d->by_name ? NBX_OK : NBX_ELIMIT;
    for (size_t i = 0; !err && i < features->n; i++)
        err = nbx_map_put(d->by_name, features->names[i], (uint32_t)i);
    if (err)
        nbx_describer_destroy(out);
    return err;
}

void nbx_describer_destroy(struct nbx_describer **describer)
{
    if (!describer || !*describer)
        return;
    nbx_map_destroy(&(*describer)->by_name);
    free(*describer);
    *describer = NULL;
}

size_t nbx_describer_bytes(const struct nbx_describer *d)
{
    return sizeof *d + nbx_map_bytes(d->by_name);
}

/* The features that are known of an item or a customer: ascending, each once. */
struct found {
    const struct nbx_describer *describer;
    uint32_t everybodys; /* the first that was told, or NBX_MAP_NONE */
    size_t n_told, n;
    uint32_t at[NBX_FEATURE_MAX]; /* (n) */
};

static void find_begin(struct found *f, const struct nbx_describer *d)
{
    f->describer = d;
    f->everybodys = NBX_MAP_NONE;
    f->n_told = f->n = 0;
}

static void find(void *ctx, struct nbx_str name)
{
    struct found *f = ctx;
    uint32_t feature = nbx_map_get(f->describer->by_name, name);
    size_t i = f->n;
    if (f->n_told++ == 0)
        f->everybodys = feature;
    if (feature == NBX_MAP_NONE)
        return;
    while (i > 0 && f->at[i - 1] > feature)
        i--;
    if (i > 0 && f->at[i - 1] == feature)
        return;
    memmove(&f->at[i + 1], &f->at[i], (f->n++ - i) * sizeof *f->at);
    f->at[i] = feature;
}

/* out (dims); false, and zeros, where nothing was found but what everybody has. */
static bool sum_up(float *out, const struct found *f)
{
    const struct nbx_describer *d = f->describer;
    memset(out, 0, d->dims * sizeof *out);
    if (f->n == 0 || (f->n == 1 && f->at[0] == f->everybodys))
        return false;
    for (size_t i = 0; i < f->n; i++)
        for (size_t k = 0; k < d->dims; k++)
            out[k] += d->features->vectors[f->at[i] * d->dims + k];
    return true;
}

bool nbx_describe(float *out, const struct nbx_describer *d, const struct nbx_item_facts *facts)
{
    struct found f;
    const struct nbx_features *features = d->features;
    find_begin(&f, d);
    nbx_features_name(facts,
                      (struct nbx_price_bounds){features->price_bounds, features->n_price_bounds},
                      find, &f);
    return sum_up(out, &f);
}

bool nbx_describe_customer(float *out, const struct nbx_describer *d,
                           const struct nbx_customer_facts *facts)
{
    struct found f;
    find_begin(&f, d);
    nbx_customer_features_name(facts, find, &f);
    return sum_up(out, &f);
}
