/* SPDX-License-Identifier: MIT
 * Whether a bundle is fit to be served, as engine/model/accept.h has it, by the daemon's own
 * bounds.
 */
#include "engine/base/log.h"
#include "engine/serve/keeper_models.h"

static struct nbx_accept_options options_of(struct nbx_server *s, const struct nbx_catalog *catalog,
                                            const struct nbx_accept_bounds *bounds)
{
    return (struct nbx_accept_options){
        .bounds = *bounds, .budget = &s->budget, .ids = s->ids, .catalog = catalog};
}

enum nbx_err nbx_models__accept(struct nbx_accepted *out, const char *path, struct nbx_server *s,
                                const struct nbx_catalog *catalog,
                                const struct nbx_accept_bounds *bounds, struct nbx_fault *fault)
{
    struct nbx_accept_options options = options_of(s, catalog, bounds);
    enum nbx_err err = nbx_model_accept(out, path, &options, fault);
    if (!err)
        nbx_log_info("model=%s version=%s accepted=true items=%zu without_vector=%.4g unknown=%.4g "
                     "covered=%.4g golden=%zu lists=%zu listed=%zu",
                     out->name, out->version, out->n_items, out->without_vector, out->unknown,
                     out->covered, out->n_golden, out->n_lists, out->listed);
    return err;
}

void nbx_models__doubt(const struct nbx_keeper *k, const struct nbx_model *m)
{
    struct nbx_accepted accepted;
    struct nbx_fault fault = {0};
    struct nbx_accept_options options = options_of(k->server, k->catalog, &k->accept);
    if (nbx_model_accept_loaded(&accepted, m, &options, &fault))
        nbx_log_warnx("model=%.*s version=%.*s accepted=false action=served reason=\"%s%s%s\"",
                      NBX_STR_ARG(nbx_model_name(m)), NBX_STR_ARG(nbx_model_version(m)),
                      fault.field, fault.field[0] ? ": " : "", fault.message);
}
