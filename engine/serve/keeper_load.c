/* SPDX-License-Identifier: MIT
 * Models for a change of versions: those in memory, and such as are loaded for it.
 *
 * A model is loaded beside the one in use, on a thread of its own, and then asked on it what
 * customers asked meanwhile; excerpts for filters that come often are made there too. So the first
 * request finds everything warm, and no request waits for any of it.
 */
#include "engine/serve/keeper_models.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"

#include <stdio.h>

#define FOLLOW_NS INT64_C(1000000000) /* how often the previous model looks at the catalogue */

/* in memory */

void nbx_models__drop_previous(struct nbx_keeper *k)
{
    nbx_resident_drop(&k->models.previous);
    k->models.previous_of_files = false;
}

void nbx_models__give_up_previous(struct nbx_keeper *k)
{
    struct nbx_model *m = k->models.previous.model;
    nbx_log_warnx("previous=dropped model=%.*s version=%.*s reason=memory "
                  "text=\"model.rollback will load it\"",
                  NBX_STR_ARG(nbx_model_name(m)), NBX_STR_ARG(nbx_model_version(m)));
    nbx_models__drop_previous(k);
}

/* Of one that no worker reads. */
static enum nbx_err follow(struct nbx_keeper *k, struct nbx_resident *r)
{
    struct nbx_model *old;
    enum nbx_err err = nbx_resident_follow(r, k->catalog, &old);
    nbx_model_release(&old);
    return err;
}

void nbx_models__follow(struct nbx_keeper *k)
{
    struct nbx_resident *p = &k->models.previous;
    if (p->model && nbx_clock_mono_ns() - p->followed_ns > FOLLOW_NS && follow(k, p))
        nbx_models__give_up_previous(k);
}

struct nbx_resident *nbx_models__resident(struct nbx_keeper *k, const struct nbx_version *v)
{
    struct nbx_keeper_models *m = &k->models;
    if (m->previous.model && m->previous_of_files == !v && (!v || nbx_resident_is(&m->previous, v)))
        return &m->previous;
    if (v && nbx_resident_is(&m->canary, v))
        return &m->canary;
    return v && nbx_resident_is(&m->shadow, v) ? &m->shadow : NULL;
}

/* Whether it is in memory with the items of now. */
static bool is_ready(struct nbx_keeper *k, const struct nbx_version *v)
{
    struct nbx_resident *r = nbx_models__resident(k, v);
    if (!r || r == &k->models.canary) /* which has them */
        return r != NULL;
    nbx_keeper__pause_asking(k);
    if (!follow(k, r))
        return true;
    if (r == &k->models.previous)
        nbx_models__give_up_previous(k);
    return false;
}

/* loading */

/* The file of a version, NULL: the newest bundle of the folder itself, of which there may be none:
 * *out is NULL then. judge: by which keeper the file must be accepted; NULL: by none. Fills path.
 */
static enum nbx_err load_file(struct nbx_model **out, struct nbx_server *server, char *path,
                              const struct nbx_version *v, const struct nbx_keeper *judge,
                              struct nbx_fault *fault)
{
    *out = NULL;
    enum nbx_err err = NBX_OK;
    if (v)
        nbx_registry_path(path, NBX_MODELS_PATH_BYTES, server->options.data_dir, v);
    else
        err = nbx_bundle_newest(server->options.data_dir, path, NBX_MODELS_PATH_BYTES);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
    if (!err && judge)
        err = nbx_models__accept_now(path, judge, fault);
    if (!err)
        err = nbx_model_load(out, path, server->ids, &server->budget, fault);
    if (err && !fault->code)
        nbx_fault_set(fault, err, NULL, "%s cannot be loaded: %s", path, nbx_err_status(err));
    return err;
}

static void load(void *arg)
{
    struct nbx_model_order *o = arg;
    struct nbx_version v = {.name = nbx_str_c(o->name), .version = nbx_str_c(o->version)};
    o->fault.code =
        load_file(&o->model, o->server, o->path, o->name[0] ? &v : NULL, NULL, &o->fault);
}

static void start_load(struct nbx_keeper *k)
{
    struct nbx_model_order *o = &k->models.order;
    o->fault = (struct nbx_fault){0};
    o->aside = (struct nbx_aside){.work = load, .arg = o, .bell = &k->bell, .idle = true};
    if (nbx_aside_start(&o->aside))
        nbx_fault_set(&o->fault, NBX_ELIMIT, NULL, "no thread to load the model");
}

static void begin_load(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                       const struct nbx_move *c)
{
    struct nbx_model_order fresh = {.server = k->server,
                                    .job = job,
                                    .id = *id, /* a text in it lies in the job's body */
                                    .kind = c->kind,
                                    .stage = c->stage,
                                    .share = c->share,
                                    .begun_ns = nbx_clock_mono_ns()};
    struct nbx_fault fault = {0};
    if (k->models.order.job) {
        nbx_fault_set(&fault, NBX_EBUSY, NULL, "another version is being looked through or loaded");
        nbx_models__refuse(k, job, &fault, id);
        return;
    }
    if (c->target) {
        snprintf(fresh.name, sizeof fresh.name, "%.*s", NBX_STR_ARG(c->target->name));
        snprintf(fresh.version, sizeof fresh.version, "%.*s", NBX_STR_ARG(c->target->version));
    }
    k->models.order = fresh;
    start_load(k);
    nbx_trials__want_questions(k);
}

void nbx_models__begin(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                       const struct nbx_move *c)
{
    if (is_ready(k, c->target))
        nbx_models__carry_out(k, job, id, c, NULL);
    else
        begin_load(k, job, id, c);
}

bool nbx_models__is_loading(const struct nbx_keeper *k)
{
    return k->models.order.job && !k->models.order.upload;
}

/* The loaded model with the catalogue's items; *fault where memory does not suffice. */
static void refresh(struct nbx_keeper *k, struct nbx_fault *fault)
{
    struct nbx_model_order *o = &k->models.order;
    struct nbx_model *fresh = NULL;
    if (!o->model)
        return;
    enum nbx_err err = nbx_model_refresh(&fresh, o->model, NULL, k->catalog);
    nbx_model_release(&o->model);
    if (err)
        nbx_fault_set(fault, err, NULL, "no memory for the vectors of items beside the model");
    else
        nbx_resident_hold(&o->fresh, fresh, k->catalog);
}

/* Where memory was short the previous model goes, and the load is done again. */
static bool load_again(struct nbx_keeper *k, const struct nbx_fault *fault)
{
    if (fault->code != NBX_ELIMIT || !k->models.previous.model)
        return false;
    nbx_model_release(&k->models.order.model);
    nbx_models__give_up_previous(k);
    start_load(k);
    return true;
}

/* Asks the model what customers have asked since it was begun to be loaded; false where nobody did,
 * and it needs no excerpt. A shadow has time to get warm. */
static bool warm_up(struct nbx_keeper *k)
{
    struct nbx_model_order *o = &k->models.order;
    struct nbx_asker *x = &o->warm_up;
    if (!o->fresh.model || o->stage == NBX_STAGE_SHADOW)
        return false;
    x->server = k->server;
    x->worlds[NBX_ASKED_TRIED] = nbx_keeper__world(k, o->fresh.model);
    x->n_excerpts = nbx_keeper__begin_excerpts(k, x->excerpts, o->fresh.model);
    nbx_trials__take_questions(k, x);
    return x->n_excerpts + x->n_questions > 0 && !nbx_asker_start(x, &k->bell, true);
}

static void refuse(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                   const struct nbx_fault *fault)
{
    const struct nbx_model_order *o = &k->models.order;
    nbx_log_warnx("model=refused name=%s version=%s reason=\"%s\"", o->name, o->version,
                  fault->message);
    nbx_models__refuse(k, job, fault, id);
}

/* Versions, and items, may have changed while the model was loaded and asked. */
static void finish(struct nbx_keeper *k, struct nbx_fault *fault)
{
    struct nbx_model_order *o = &k->models.order;
    struct nbx_job *job = o->job;
    struct nbx_value id = o->id;
    struct nbx_versions all;
    struct nbx_move c = {0};
    if (!fault->code && o->fresh.model && follow(k, &o->fresh))
        nbx_fault_set(fault, NBX_ELIMIT, NULL, "no memory for the vectors of items");
    if (!fault->code)
        nbx_models__plan_again(&c, k, &all, fault);
    struct nbx_model *fresh = nbx_resident_take(&o->fresh);
    o->job = NULL;
    if (!fault->code && !nbx_models__is_done(&c)) {
        nbx_keeper__take_excerpts(k, o->warm_up.excerpts, o->warm_up.n_filled);
        nbx_models__carry_out(k, job, &id, &c, fresh);
        fresh = NULL;
    } else if (fault->code) {
        refuse(k, job, &id, fault);
    } else {
        nbx_models__answer_move(k, job, &id, &c);
    }
    nbx_model_release(&fresh);
    nbx_asker_fini(&o->warm_up);
    nbx_trials__want_questions(k);
}

void nbx_models__end_load(struct nbx_keeper *k)
{
    struct nbx_model_order *o = &k->models.order;
    struct nbx_fault fault = o->fault;
    bool warmed = o->fresh.model != NULL;
    if (!warmed && !fault.code)
        refresh(k, &fault);
    if (load_again(k, &fault))
        return;
    if (!warmed && !fault.code && warm_up(k))
        return;
    nbx_asker_end(&o->warm_up, NULL);
    finish(k, &fault);
}

/* at the start, and by SIGHUP */

/* A version that was found good once and is not now is damage, not a mistake. */
static enum nbx_err damaged(const char *path, enum nbx_stage stage, struct nbx_fault *fault)
{
    struct nbx_fault why = *fault;
    return nbx_fault_set(fault, NBX_ECORRUPT, NULL, "%s, which is %s, is damaged: %s%s%s", path,
                         nbx_model_stages[stage], why.field, why.field[0] ? ": " : "", why.message);
}

enum nbx_err nbx_models__load(struct nbx_model **out, struct nbx_keeper *k,
                              const struct nbx_version *v, bool starting, struct nbx_fault *fault)
{
    char path[NBX_MODELS_PATH_BYTES] = "";
    struct nbx_model *bare = NULL;
    *out = NULL;
    enum nbx_err err = load_file(&bare, k->server, path, v, starting ? NULL : k, fault);
    if (err == NBX_EBAD && v)
        err = damaged(path, v->record.stage, fault);
    if (!err && bare && starting && !v)
        nbx_models__doubt(k, bare);
    if (!err && bare)
        err = nbx_model_refresh(out, bare, NULL, k->catalog);
    if (!err && *out)
        nbx_log_info("model=%.*s version=%.*s file=%s", NBX_STR_ARG(nbx_model_name(*out)),
                     NBX_STR_ARG(nbx_model_version(*out)), path);
    nbx_model_release(&bare);
    return err;
}

void nbx_keeper__reload_model(struct nbx_keeper *k)
{
    struct nbx_fault fault = {0};
    struct nbx_model *fresh = NULL, *old = k->model;
    if (!k->models.of_files) {
        if (k->models.previous_of_files)
            nbx_models__drop_previous(k); /* there may be a newer one to go back to */
        return;
    }
    if (nbx_models__load(&fresh, k, NULL, false, &fault) || !fresh) {
        nbx_log_warnx("model=kept reason=\"%s%s%s\"", fault.field, fault.field[0] ? ": " : "",
                      fault.message[0] ? fault.message : "no bundle");
        return;
    }
    k->model = fresh;
    if (nbx_keeper__publish(k)) {
        k->model = old;
        old = fresh;
    }
    nbx_model_release(&old);
}
