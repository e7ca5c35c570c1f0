/* SPDX-License-Identifier: MIT */
#include "engine/serve/resident.h"

#include "engine/base/clock.h"

void nbx_resident_hold(struct nbx_resident *r, struct nbx_model *model, struct nbx_catalog *catalog)
{
    *r = (struct nbx_resident){
        .model = model, .catalog = nbx_catalog_share(catalog), .followed_ns = nbx_clock_mono_ns()};
}

enum nbx_err nbx_resident_follow(struct nbx_resident *r, struct nbx_catalog *catalog,
                                 struct nbx_model **old)
{
    struct nbx_model *fresh;
    *old = NULL;
    r->followed_ns = nbx_clock_mono_ns();
    if (r->catalog == catalog)
        return NBX_OK;
    if (nbx_model_minds(r->model, r->catalog, catalog)) {
        enum nbx_err err = nbx_model_refresh(&fresh, r->model, r->catalog, catalog);
        if (err)
            return err;
        *old = r->model;
        r->model = fresh;
    }
    nbx_catalog_release(&r->catalog);
    r->catalog = nbx_catalog_share(catalog);
    return NBX_OK;
}

struct nbx_model *nbx_resident_take(struct nbx_resident *r)
{
    struct nbx_model *model = r->model;
    nbx_catalog_release(&r->catalog);
    *r = (struct nbx_resident){0};
    return model;
}

void nbx_resident_drop(struct nbx_resident *r)
{
    struct nbx_model *model = nbx_resident_take(r);
    nbx_model_release(&model);
}

bool nbx_resident_is(const struct nbx_resident *r, const struct nbx_version *v)
{
    return r->model && nbx_str_eq(nbx_model_name(r->model), v->name) &&
           nbx_str_eq(nbx_model_version(r->model), v->version);
}
