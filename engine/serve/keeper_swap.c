/* SPDX-License-Identifier: MIT
 * model.activate, model.rollback, model.stage to shadow or canary: what becomes of a version, and
 * how another model comes into service while requests go on.
 *
 * The records are written, then every worker is handed the new world. The model that served until
 * then stays in memory and follows the catalogue, so that a rollback need not load it; where memory
 * is short it goes.
 */
#include "engine/serve/keeper_models.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/serve/reply.h"

#define USUAL_SHADOW_SHARE 0.1
#define USUAL_CANARY_SHARE 0.05
/* A canary that served most customers would leave nobody to hold it against. */
#define MOST_CANARY_SHARE 0.5

static const char *const names[] = {
    [NBX_MOVE_ACTIVATE] = "activate", [NBX_MOVE_ROLLBACK] = "rollback", [NBX_MOVE_TRY] = "stage"};

/* plans */

static enum nbx_err check_target(const struct nbx_version *v, struct nbx_fault *fault)
{
    return v->record.stage == NBX_STAGE_ARCHIVED
               ? nbx_fault_set(fault, NBX_ECONFLICT, "version",
                               "version %.*s of model %.*s is archived: stage it first",
                               NBX_STR_ARG(v->version), NBX_STR_ARG(v->name))
               : NBX_OK;
}

static enum nbx_err plan_activation(struct nbx_move *out, struct nbx_versions *all,
                                    struct nbx_str name, struct nbx_str version,
                                    struct nbx_fault *fault)
{
    *out = (struct nbx_move){.kind = NBX_MOVE_ACTIVATE, .active = nbx_registry_active(all)};
    enum nbx_err err = nbx_models__find(&out->target, all, name, version, fault);
    return err ? err : check_target(out->target, fault);
}

static enum nbx_err plan_rollback(struct nbx_move *out, const struct nbx_versions *all,
                                  struct nbx_fault *fault)
{
    *out = (struct nbx_move){.kind = NBX_MOVE_ROLLBACK, .active = nbx_registry_active(all)};
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

static enum nbx_err check_trial(const struct nbx_move *c, const struct nbx_versions *all,
                                struct nbx_fault *fault)
{
    const char *stage = nbx_model_stages[c->stage];
    const struct nbx_version *other = nbx_registry_in(all, c->stage);
    if (c->target->record.stage == NBX_STAGE_ACTIVE)
        return nbx_fault_set(fault, NBX_ECONFLICT, "version",
                             "is active: activate another one, or roll back, first");
    if (other && other != c->target)
        return nbx_fault_set(fault, NBX_ECONFLICT, "stage",
                             "version %.*s of model %.*s is the %s: stage or archive it first",
                             NBX_STR_ARG(other->version), NBX_STR_ARG(other->name), stage);
    return check_target(c->target, fault);
}

/* share: 0: as large as usual. */
static enum nbx_err plan_trial(struct nbx_move *out, struct nbx_versions *all,
                               const struct nbx_model_version_req *req, struct nbx_fault *fault)
{
    bool canary = req->stage == NBX_STAGE_CANARY;
    *out = (struct nbx_move){.kind = NBX_MOVE_TRY,
                             .active = nbx_registry_active(all),
                             .stage = (enum nbx_stage)req->stage,
                             .share = req->share};
    if (out->share == 0)
        out->share = canary ? USUAL_CANARY_SHARE : USUAL_SHADOW_SHARE;
    if (canary && out->share > MOST_CANARY_SHARE)
        return nbx_fault_set(fault, NBX_EBAD, "share",
                             "of a canary must be at most %g, so that there are answers of the "
                             "active model to hold its own against",
                             MOST_CANARY_SHARE);
    enum nbx_err err = nbx_models__find(&out->target, all, req->name, req->version, fault);
    return err ? err : check_trial(out, all, fault);
}

bool nbx_models__is_done(const struct nbx_move *c)
{
    if (c->kind != NBX_MOVE_TRY || !c->target)
        return c->active == c->target;
    const struct nbx_model_record *r = &c->target->record;
    return r->stage == c->stage && r->share == c->share;
}

static enum nbx_err plan_rollback_again(struct nbx_move *out, const struct nbx_versions *all,
                                        const struct nbx_model_order *o, struct nbx_fault *fault)
{
    struct nbx_str name = nbx_str_c(o->name), version = nbx_str_c(o->version);
    enum nbx_err err = plan_rollback(out, all, fault);
    if (err)
        return err;
    bool same = out->target ? nbx_str_eq(out->target->name, name) &&
                                  nbx_str_eq(out->target->version, version)
                            : name.len == 0;
    return same ? NBX_OK
                : nbx_fault_set(fault, NBX_ECONFLICT, NULL,
                                "another version became active meanwhile");
}

enum nbx_err nbx_models__plan_again(struct nbx_move *out, struct nbx_keeper *k,
                                    struct nbx_versions *all, struct nbx_fault *fault)
{
    const struct nbx_model_order *o = &k->models.order;
    struct nbx_model_version_req req = {.name = nbx_str_c(o->name),
                                        .version = nbx_str_c(o->version),
                                        .stage = o->stage,
                                        .share = o->share};
    enum nbx_err err = nbx_models__read(k, all, fault);
    if (err)
        return err;
    switch (o->kind) {
    case NBX_MOVE_ROLLBACK: return plan_rollback_again(out, all, o, fault);
    case NBX_MOVE_TRY: return plan_trial(out, all, &req, fault);
    default: return plan_activation(out, all, req.name, req.version, fault);
    }
}

/* handing over */

static void put_activation(struct nbx_keeper *k, const struct nbx_move *c)
{
    if (c->active) {
        c->active->record.stage = NBX_STAGE_STAGED;
        nbx_registry_put(k->batch, c->active);
    }
    if (!c->target)
        return;
    struct nbx_model_record *r = &c->target->record;
    nbx_trials__leave(k, r, NBX_STAGE_ACTIVE);
    r->activated_ms = nbx_clock_wall_ms();
    if (c->kind != NBX_MOVE_ROLLBACK) {
        r->replaced_name = c->active ? c->active->name : NBX_STR("");
        r->replaced_version = c->active ? c->active->version : NBX_STR("");
    }
    nbx_registry_put(k->batch, c->target);
}

/* Of another share the trial goes on, and its record says since when. */
static void put_trial(struct nbx_keeper *k, const struct nbx_move *c)
{
    struct nbx_model_record *r = &c->target->record;
    if (r->stage != c->stage) {
        nbx_trials__leave(k, r, c->stage);
        r->trial_ms = nbx_clock_wall_ms();
    }
    r->share = c->share;
    nbx_registry_put(k->batch, c->target);
}

/* fresh, or what is in memory (NULL target and none there: no bundle at all), serves from now on;
 * it is written: it must be obeyed. */
static void swap(struct nbx_keeper *k, const struct nbx_move *c, struct nbx_model *fresh)
{
    struct nbx_model *old = k->model;
    bool old_of_files = k->models.of_files;
    struct nbx_resident *r = fresh ? NULL : nbx_models__resident(k, c->target);
    k->model = r ? nbx_trials__take(k, r) : fresh;
    k->models.of_files = !c->target;
    nbx_keeper__must_publish(k);
    nbx_models__drop_previous(k);
    if (!old)
        return;
    nbx_resident_hold(&k->models.previous, old, k->catalog);
    k->models.previous_of_files = old_of_files;
}

static void log_move(const struct nbx_keeper *k, const struct nbx_move *c)
{
    struct nbx_version files = {.record.stage = NBX_STAGE_ACTIVE};
    if (k->model) {
        files.name = nbx_model_name(k->model);
        files.version = nbx_model_version(k->model);
    }
    const struct nbx_version *v = c->target ? c->target : &files;
    nbx_log_info("model=%.*s version=%.*s stage=%s by=%s", NBX_STR_ARG(v->name),
                 NBX_STR_ARG(v->version), nbx_model_stages[v->record.stage], names[c->kind]);
}

void nbx_models__answer_move(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                             const struct nbx_move *c)
{
    if (c->target) {
        nbx_models__answer_version(k, job, id, c->target);
        return;
    }
    nbx_reply_begin(job, 0, id);
    nbx_models__answer(k, job);
}

void nbx_models__carry_out(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                           const struct nbx_move *c, struct nbx_model *fresh)
{
    struct nbx_fault fault = {0};
    bool tried = c->kind == NBX_MOVE_TRY && c->target;
    struct nbx_model_deed deed = {.what = names[c->kind],
                                  .v = c->target,
                                  .ended =
                                      c->target && nbx_stage_is_trial(c->target->record.stage)};
    if (tried)
        put_trial(k, c);
    else
        put_activation(k, c);
    if (nbx_models__write(k, &deed, &fault)) {
        nbx_model_release(&fresh);
        nbx_models__refuse(k, job, &fault, id);
        return;
    }
    if (tried)
        nbx_trials__place(k, c, fresh);
    else
        swap(k, c, fresh);
    nbx_trials__want_questions(k);
    log_move(k, c);
    nbx_models__answer_move(k, job, id, c);
}

/* requests */

static void begin(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                  const struct nbx_move *c)
{
    if (nbx_models__is_done(c))
        nbx_models__answer_move(k, job, id, c);
    else
        nbx_models__begin(k, job, id, c);
}

void nbx_models__activate(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                          const struct nbx_version *v)
{
    struct nbx_fault fault = {0};
    struct nbx_versions all;
    struct nbx_move c;
    enum nbx_err err = nbx_models__read(k, &all, &fault);
    if (!err)
        err = plan_activation(&c, &all, v->name, v->version, &fault);
    if (err)
        nbx_models__refuse(k, job, &fault, id);
    else
        begin(k, job, id, &c);
}

void nbx_models__rollback(struct nbx_keeper *k, struct nbx_job *job)
{
    struct nbx_simple_req req;
    struct nbx_fault fault = {0};
    struct nbx_versions all;
    struct nbx_move c;
    enum nbx_err err = nbx_message_simple(&req, nbx_job_body(job), k->arena, &fault);
    if (!err)
        err = nbx_models__read(k, &all, &fault);
    if (!err)
        err = plan_rollback(&c, &all, &fault);
    if (err)
        nbx_models__refuse(k, job, &fault, &req.id);
    else
        nbx_models__begin(k, job, &req.id, &c);
}

void nbx_models__try(struct nbx_keeper *k, struct nbx_job *job,
                     const struct nbx_model_version_req *req)
{
    struct nbx_fault fault = {0};
    struct nbx_versions all;
    struct nbx_move c;
    enum nbx_err err = nbx_models__read(k, &all, &fault);
    if (!err)
        err = plan_trial(&c, &all, req, &fault);
    if (err)
        nbx_models__refuse(k, job, &fault, &req->id);
    else
        begin(k, job, &req->id, &c);
}
