/* SPDX-License-Identifier: MIT
 * model.activate, model.rollback: another model comes into service while requests go on.
 *
 * It is loaded beside the one in use, on a thread of its own; then the records are written, and
 * then every worker is handed the new world. The model that served until then stays in memory and
 * follows the catalogue, so that a rollback need not load it; where memory is short it goes.
 */
#include "engine/serve/keeper_models.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/serve/reply.h"

#include <stdio.h>
#include <string.h>

#define FOLLOW_NS INT64_C(1000000000) /* how often the previous model looks at the catalogue */

/* the previous model */

void nbx_models__drop_previous(struct nbx_keeper *k)
{
    struct nbx_previous_model *p = &k->models.previous;
    nbx_model_release(&p->model);
    nbx_catalog_release(&p->catalog);
    *p = (struct nbx_previous_model){0};
}

static enum nbx_err follow(struct nbx_keeper *k)
{
    struct nbx_previous_model *p = &k->models.previous;
    struct nbx_model *fresh;
    p->followed_ns = nbx_clock_mono_ns();
    if (p->catalog == k->catalog)
        return NBX_OK;
    if (nbx_model_minds(p->model, p->catalog, k->catalog)) {
        enum nbx_err err = nbx_model_refresh(&fresh, p->model, p->catalog, k->catalog);
        if (err)
            return err;
        nbx_model_release(&p->model);
        p->model = fresh;
    }
    nbx_catalog_release(&p->catalog);
    p->catalog = nbx_catalog_share(k->catalog);
    return NBX_OK;
}

static void give_up_previous(struct nbx_keeper *k)
{
    struct nbx_model *m = k->models.previous.model;
    nbx_log_warnx("previous=dropped model=%.*s version=%.*s reason=memory "
                  "text=\"model.rollback will load it\"",
                  NBX_STR_ARG(nbx_model_name(m)), NBX_STR_ARG(nbx_model_version(m)));
    nbx_models__drop_previous(k);
}

void nbx_models__follow(struct nbx_keeper *k)
{
    const struct nbx_previous_model *p = &k->models.previous;
    if (p->model && nbx_clock_mono_ns() - p->followed_ns > FOLLOW_NS && follow(k))
        give_up_previous(k);
}

bool nbx_models__is_resident(const struct nbx_keeper *k, const struct nbx_version *v)
{
    const struct nbx_previous_model *p = &k->models.previous;
    if (!p->model || !v)
        return p->model && p->of_files;
    return !p->of_files && nbx_str_eq(nbx_model_name(p->model), v->name) &&
           nbx_str_eq(nbx_model_version(p->model), v->version);
}

/* what a request wants */

/* From the active version (NULL: none) to another (NULL: none, the folder's bundles). */
struct change {
    struct nbx_version *active, *target;
    bool back; /* a rollback: the target keeps what it had replaced itself */
};

static enum nbx_err check_target(const struct nbx_version *v, struct nbx_fault *fault)
{
    return v->record.stage == NBX_STAGE_ARCHIVED
               ? nbx_fault_set(fault, NBX_ECONFLICT, "version",
                               "version %.*s of model %.*s is archived: stage it first",
                               NBX_STR_ARG(v->version), NBX_STR_ARG(v->name))
               : NBX_OK;
}

static enum nbx_err plan_activation(struct change *out, struct nbx_versions *all,
                                    struct nbx_str name, struct nbx_str version,
                                    struct nbx_fault *fault)
{
    *out = (struct change){.active = nbx_registry_active(all)};
    enum nbx_err err = nbx_models__find(&out->target, all, name, version, fault);
    return err ? err : check_target(out->target, fault);
}

static enum nbx_err plan_rollback(struct change *out, const struct nbx_versions *all,
                                  struct nbx_fault *fault)
{
    *out = (struct change){.active = nbx_registry_active(all), .back = true};
    if (!out->active)
        return nbx_fault_set(fault, NBX_ECONFLICT, NULL,
                             "no version is active: there is nothing to go back from");
    const struct nbx_model_record *r = &out->active->record;
    if (r->replaced_name.len == 0)
        return NBX_OK;
    if (nbx_models__find(&out->target, all, r->replaced_name, r->replaced_version, fault))
        return nbx_fault_set(fault, NBX_ECONFLICT, "version",
                             "version %.*s of model %.*s, which was active before, was deleted: "
                             "activate another one",
                             NBX_STR_ARG(r->replaced_version), NBX_STR_ARG(r->replaced_name));
    return check_target(out->target, fault);
}

/* handing over */

static void put_records(struct nbx_keeper *k, const struct change *c)
{
    if (c->active) {
        c->active->record.stage = NBX_STAGE_STAGED;
        nbx_registry_put(k->batch, c->active);
    }
    if (!c->target)
        return;
    struct nbx_model_record *r = &c->target->record;
    r->stage = NBX_STAGE_ACTIVE;
    r->activated_ms = nbx_clock_wall_ms();
    if (!c->back) {
        r->replaced_name = c->active ? c->active->name : NBX_STR("");
        r->replaced_version = c->active ? c->active->version : NBX_STR("");
    }
    nbx_registry_put(k->batch, c->target);
}

/* fresh (NULL: there is no bundle) serves from now on; it is written: it must be obeyed. */
static void swap(struct nbx_keeper *k, struct nbx_model *fresh, bool of_files)
{
    struct nbx_previous_model old = {
        .model = k->model, .of_files = k->models.of_files, .followed_ns = nbx_clock_mono_ns()};
    k->model = fresh;
    k->models.of_files = of_files;
    while (nbx_keeper__publish(k))
        nbx_log_errorx("model=waiting reason=memory");
    nbx_models__drop_previous(k);
    if (!old.model)
        return;
    old.catalog = nbx_catalog_share(k->catalog);
    k->models.previous = old;
}

static void log_change(const struct nbx_keeper *k, const struct change *c)
{
    nbx_log_info("model=%.*s version=%.*s stage=active %s",
                 NBX_STR_ARG(k->model ? nbx_model_name(k->model) : NBX_STR("")),
                 NBX_STR_ARG(k->model ? nbx_model_version(k->model) : NBX_STR("")),
                 c->back ? "by=rollback" : "by=activate");
}

static void answer_change(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                          const struct change *c)
{
    if (c->target) {
        nbx_models__answer_version(k, job, id, c->target);
        return;
    }
    nbx_reply_begin(job, 0, id);
    nbx_models__answer(k, job);
}

/* Writes it and hands over to `fresh`, which has the catalogue's items; takes it. */
static void carry_out(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                      struct change *c, struct nbx_model *fresh)
{
    struct nbx_fault fault = {0};
    put_records(k, c);
    if (nbx_models__write(k, &fault)) {
        nbx_model_release(&fresh);
        nbx_models__refuse(k, job, &fault, id);
        return;
    }
    swap(k, fresh, !c->target);
    log_change(k, c);
    answer_change(k, job, id, c);
}

/* The previous model, with the items of now; NULL where memory does not suffice for that. */
static struct nbx_model *take_previous(struct nbx_keeper *k)
{
    struct nbx_previous_model *p = &k->models.previous;
    if (follow(k)) {
        give_up_previous(k);
        return NULL;
    }
    struct nbx_model *m = p->model;
    p->model = NULL;
    nbx_models__drop_previous(k);
    return m;
}

/* loading */

/* The file of a version, NULL: the newest bundle of the folder itself, of which there may be none:
 * *out is NULL then. judge: by which keeper the file must be accepted; NULL: by none. Fills path.
 */
static enum nbx_err load_file(struct nbx_model **out, struct nbx_server *server, char *path,
                              const struct nbx_version *v, struct nbx_keeper *judge,
                              struct nbx_fault *fault)
{
    struct nbx_accepted accepted;
    *out = NULL;
    enum nbx_err err = NBX_OK;
    if (v)
        nbx_registry_path(path, NBX_MODELS_PATH_BYTES, server->options.data_dir, v);
    else
        err = nbx_bundle_newest(server->options.data_dir, path, NBX_MODELS_PATH_BYTES);
    if (err == NBX_ENOTFOUND)
        return NBX_OK;
    if (!err && judge)
        err = nbx_models__accept(&accepted, path, server, judge->catalog, &judge->accept, fault);
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
    o->aside = (struct nbx_aside){.work = load, .arg = o, .bell = &k->bell};
    if (nbx_aside_start(&o->aside))
        nbx_fault_set(&o->fault, NBX_ELIMIT, NULL, "no thread to load the model");
}

static void begin_load(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                       const struct change *c)
{
    struct nbx_model_order fresh = {
        .server = k->server, .job = job, .back = c->back, .begun_ns = nbx_clock_mono_ns()};
    struct nbx_fault fault = {0};
    if (k->models.order.job) {
        nbx_fault_set(&fault, NBX_EBUSY, NULL, "another version is being looked through or loaded");
        nbx_models__refuse(k, job, &fault, id);
        return;
    }
    fresh.id = *id; /* a text in it lies in the job's body */
    if (c->target) {
        snprintf(fresh.name, sizeof fresh.name, "%.*s", NBX_STR_ARG(c->target->name));
        snprintf(fresh.version, sizeof fresh.version, "%.*s", NBX_STR_ARG(c->target->version));
    }
    k->models.order = fresh;
    start_load(k);
}

/* From memory at once, or from the file. */
static void begin(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                  struct change *c)
{
    struct nbx_model *m = nbx_models__is_resident(k, c->target) ? take_previous(k) : NULL;
    if (m)
        carry_out(k, job, id, c, m);
    else
        begin_load(k, job, id, c);
}

void nbx_models__activate(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                          const struct nbx_version *v)
{
    struct nbx_fault fault = {0};
    struct nbx_versions all;
    struct change c;
    enum nbx_err err = nbx_models__read(k, &all, &fault);
    if (!err)
        err = plan_activation(&c, &all, v->name, v->version, &fault);
    if (err)
        nbx_models__refuse(k, job, &fault, id);
    else if (c.active == c.target)
        nbx_models__answer_version(k, job, id, c.target);
    else
        begin(k, job, id, &c);
}

void nbx_models__rollback(struct nbx_keeper *k, struct nbx_job *job)
{
    struct nbx_simple_req req;
    struct nbx_fault fault = {0};
    struct nbx_versions all;
    struct change c;
    enum nbx_err err = nbx_message_simple(&req, nbx_job_body(job), k->arena, &fault);
    if (!err)
        err = nbx_models__read(k, &all, &fault);
    if (!err)
        err = plan_rollback(&c, &all, &fault);
    if (err)
        nbx_models__refuse(k, job, &fault, &req.id);
    else
        begin(k, job, &req.id, &c);
}

/* Versions may have changed while the model was loaded. */
static enum nbx_err plan_again(struct change *out, struct nbx_keeper *k, struct nbx_versions *all,
                               struct nbx_fault *fault)
{
    const struct nbx_model_order *o = &k->models.order;
    struct nbx_str name = nbx_str_c(o->name), version = nbx_str_c(o->version);
    enum nbx_err err = nbx_models__read(k, all, fault);
    if (err)
        return err;
    if (!o->back)
        return plan_activation(out, all, name, version, fault);
    if ((err = plan_rollback(out, all, fault)))
        return err;
    bool same = out->target ? nbx_str_eq(out->target->name, name) &&
                                  nbx_str_eq(out->target->version, version)
                            : name.len == 0;
    return same ? NBX_OK
                : nbx_fault_set(fault, NBX_ECONFLICT, NULL,
                                "another version became active meanwhile");
}

/* The loaded model with the catalogue's items; *fault where memory does not suffice. */
static struct nbx_model *refresh(struct nbx_keeper *k, struct nbx_fault *fault)
{
    struct nbx_model_order *o = &k->models.order;
    struct nbx_model *fresh = NULL;
    if (!o->model)
        return NULL;
    enum nbx_err err = nbx_model_refresh(&fresh, o->model, NULL, k->catalog);
    nbx_model_release(&o->model);
    if (err)
        nbx_fault_set(fault, err, NULL, "no memory for the vectors of items beside the model");
    return fresh;
}

/* Where memory was short the previous model goes, and the load is done again. */
static bool load_again(struct nbx_keeper *k, const struct nbx_fault *fault)
{
    if (fault->code != NBX_ELIMIT || !k->models.previous.model)
        return false;
    nbx_model_release(&k->models.order.model);
    give_up_previous(k);
    start_load(k);
    return true;
}

void nbx_models__end_load(struct nbx_keeper *k)
{
    struct nbx_model_order *o = &k->models.order;
    struct nbx_job *job = o->job;
    struct nbx_value id = o->id;
    struct nbx_fault fault = o->fault;
    struct nbx_versions all;
    struct change c = {0};
    struct nbx_model *fresh = fault.code ? NULL : refresh(k, &fault);
    if (load_again(k, &fault))
        return;
    if (!fault.code)
        plan_again(&c, k, &all, &fault);
    o->job = NULL;
    if (fault.code) {
        nbx_log_warnx("activate=refused model=%s version=%s reason=\"%s\"", o->name, o->version,
                      fault.message);
        nbx_model_release(&fresh);
        nbx_models__refuse(k, job, &fault, &id);
    } else if (c.active == c.target) {
        nbx_model_release(&fresh);
        answer_change(k, job, &id, &c);
    } else {
        carry_out(k, job, &id, &c, fresh);
    }
}

/* at the start, and by SIGHUP */

/* A version that was found good once and is not now is damage, not a mistake. */
static enum nbx_err damaged(const char *path, struct nbx_fault *fault)
{
    struct nbx_fault why = *fault;
    return nbx_fault_set(fault, NBX_ECORRUPT, NULL, "%s, which is active, is damaged: %s%s%s", path,
                         why.field, why.field[0] ? ": " : "", why.message);
}

enum nbx_err nbx_models__load(struct nbx_model **out, struct nbx_keeper *k,
                              const struct nbx_version *v, bool starting, struct nbx_fault *fault)
{
    char path[NBX_MODELS_PATH_BYTES] = "";
    struct nbx_model *bare = NULL;
    *out = NULL;
    enum nbx_err err = load_file(&bare, k->server, path, v, starting ? NULL : k, fault);
    if (err == NBX_EBAD && v)
        err = damaged(path, fault);
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
        if (k->models.previous.of_files)
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
