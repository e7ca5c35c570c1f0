/* SPDX-License-Identifier: MIT
 * Whether a bundle is fit to be served, as engine/model/accept.h has it: by the daemon's own
 * bounds, and beside the model in service, by what its customers did last.
 */
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/decide/holdout.h"
#include "engine/serve/keeper_models.h"

#include <stdio.h>

void nbx_models__begin_judging(struct nbx_model_judge *out, const struct nbx_keeper *k)
{
    *out = (struct nbx_model_judge){.server = k->server,
                                    .catalog = nbx_catalog_share(k->catalog),
                                    .vocabulary = nbx_vocabulary_share(k->vocabulary),
                                    .active = k->model ? nbx_model_share(k->model) : NULL,
                                    .bounds = k->accept};
}

void nbx_models__end_judging(struct nbx_model_judge *judge)
{
    nbx_catalog_release(&judge->catalog);
    nbx_vocabulary_destroy(&judge->vocabulary);
    nbx_model_release(&judge->active);
}

static struct nbx_accept_options options_of(struct nbx_server *s, const struct nbx_catalog *catalog,
                                            const struct nbx_accept_bounds *bounds)
{
    return (struct nbx_accept_options){
        .bounds = *bounds, .budget = &s->budget, .ids = s->ids, .catalog = catalog};
}

/* Where a model serves, what its customers did. */
static enum nbx_err read_holdout(struct nbx_holdout *out, const struct nbx_model_judge *judge,
                                 struct nbx_fault *fault)
{
    struct nbx_holdout_source source = {.customers = judge->server->customers,
                                        .vocabulary = judge->vocabulary,
                                        .catalog = judge->catalog,
                                        .now_ms = nbx_clock_wall_ms()};
    *out = (struct nbx_holdout){0};
    enum nbx_err err = judge->active ? nbx_holdout_read(out, &source) : NBX_OK;
    return err ? nbx_fault_set(fault, err, "holdout", "the customers cannot be read: %s",
                               nbx_err_status(err))
               : NBX_OK;
}

static void log_accepted(const struct nbx_accepted *a)
{
    char holdout[128] = "";
    if (a->n_cases)
        snprintf(holdout, sizeof holdout,
                 " cases=%zu hit=%.4f ndcg=%.4f active_hit=%.4f active_ndcg=%.4f", a->n_cases,
                 a->fresh.hit, a->fresh.ndcg, a->active.hit, a->active.ndcg);
    nbx_log_info("model=%s version=%s accepted=true items=%zu without_vector=%.4g unknown=%.4g "
                 "covered=%.4g golden=%zu lists=%zu listed=%zu%s",
                 a->name, a->version, a->n_items, a->without_vector, a->unknown, a->covered,
                 a->n_golden, a->n_lists, a->listed, holdout);
}

enum nbx_err nbx_models__accept(struct nbx_accepted *out, const char *path,
                                const struct nbx_model_judge *judge, struct nbx_fault *fault)
{
    struct nbx_accept_options options = options_of(judge->server, judge->catalog, &judge->bounds);
    struct nbx_holdout holdout;
    enum nbx_err err = read_holdout(&holdout, judge, fault);
    options.active = judge->active;
    options.cases = holdout.cases;
    options.n_cases = holdout.n;
    if (!err)
        err = nbx_model_accept(out, path, &options, fault);
    nbx_holdout_free(&holdout);
    if (!err)
        log_accepted(out);
    return err;
}

enum nbx_err nbx_models__accept_now(const char *path, const struct nbx_keeper *k,
                                    struct nbx_fault *fault)
{
    struct nbx_accepted accepted;
    struct nbx_model_judge judge;
    nbx_models__begin_judging(&judge, k);
    enum nbx_err err = nbx_models__accept(&accepted, path, &judge, fault);
    nbx_models__end_judging(&judge);
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
