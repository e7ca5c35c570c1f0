/* SPDX-License-Identifier: MIT
 * model.list, model.get, model.stage, model.delete; and what of the models a start takes.
 */
#include "engine/serve/keeper_models.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/serve/reply.h"
#include "proto/wire.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define GIVES_WAY_NS INT64_C(10000000000)

/* answers */

void nbx_models__refuse(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_fault *fault,
                        const struct nbx_value *id)
{
    nbx_reply_fault(job, fault, id);
    nbx_front__answer(&k->server->front, &job, 1);
}

void nbx_models__answer(struct nbx_keeper *k, struct nbx_job *job)
{
    job->durable = true;
    nbx_reply_finish(job);
    if (job->durable)
        nbx_mail__send(k->server->commit.from_keeper, &k->server->commit.bell, job);
    else
        nbx_front__answer(&k->server->front, &job, 1);
}

static uint32_t n_members(const struct nbx_model_record *r)
{
    return 6 + (r->by.len > 0) + (r->parent.len > 0) + (r->notes.len > 0) + (r->metrics != NULL) +
           (r->activated_ms ? 2 : 0) + (r->share > 0) + (r->verdict.len > 0) +
           (r->accepted != NULL);
}

static void put_name(struct nbx_buf *b, const char *key, struct nbx_str name,
                     struct nbx_str version)
{
    nbx_wire_text(b, key);
    nbx_wire_map(b, 2);
    nbx_wire_kv_str(b, "name", name);
    nbx_wire_kv_str(b, "version", version);
}

/* n_members of them. */
static void put_members(struct nbx_buf *b, const struct nbx_keeper *k, const struct nbx_version *v)
{
    const struct nbx_model_record *r = &v->record;
    nbx_wire_kv_str(b, "name", v->name);
    nbx_wire_kv_str(b, "version", v->version);
    nbx_wire_kv_text(b, "stage", nbx_model_stages[r->stage]);
    nbx_wire_text(b, "digest");
    nbx_wire_hex(b, r->digest, sizeof r->digest);
    nbx_wire_kv_int(b, "bytes", (int64_t)r->bytes);
    nbx_wire_kv_int(b, "pushed", r->pushed_ms);
    if (r->by.len)
        nbx_wire_kv_str(b, "by", r->by);
    if (r->parent.len)
        nbx_wire_kv_str(b, "parent", r->parent);
    if (r->notes.len)
        nbx_wire_kv_str(b, "notes", r->notes);
    if (r->metrics)
        nbx_wire_kv_value(b, "metrics", r->metrics);
    if (r->accepted)
        nbx_wire_kv_value(b, "accepted", r->accepted);
    if (r->verdict.len)
        nbx_wire_kv_str(b, "verdict", r->verdict);
    if (r->share > 0)
        nbx_trials__put(b, k, v);
    if (!r->activated_ms)
        return;
    nbx_wire_kv_int(b, "activated", r->activated_ms);
    put_name(b, "replaced", r->replaced_name, r->replaced_version);
}

void nbx_models__answer_version(struct nbx_keeper *k, struct nbx_job *job,
                                const struct nbx_value *id, const struct nbx_version *v)
{
    nbx_reply_begin(job, n_members(&v->record), id);
    put_members(&job->reply, k, v);
    nbx_models__answer(k, job);
}

/* records */

enum nbx_err nbx_models__read(struct nbx_keeper *k, struct nbx_versions *all,
                              struct nbx_fault *fault)
{
    return nbx_registry_read(all, k->server->store, k->arena, fault);
}

enum nbx_err nbx_models__find(struct nbx_version **out, const struct nbx_versions *all,
                              struct nbx_str name, struct nbx_str version, struct nbx_fault *fault)
{
    *out = nbx_registry_find(all, name, version);
    if (*out && !(*out)->record.deleted)
        return NBX_OK;
    return nbx_fault_set(fault, NBX_ENOTFOUND, "version", "no version %.*s of a model %.*s is kept",
                         NBX_STR_ARG(version), NBX_STR_ARG(name));
}

/* model.list, model.get */

static void put_active(struct nbx_buf *b, struct nbx_keeper *k, const struct nbx_version *active)
{
    struct nbx_version target = {.name = active->record.replaced_name,
                                 .version = active->record.replaced_version};
    put_name(b, "active", active->name, active->version);
    nbx_wire_text(b, "rollback");
    nbx_wire_map(b, 3);
    nbx_wire_kv_str(b, "name", target.name);
    nbx_wire_kv_str(b, "version", target.version);
    nbx_wire_kv_bool(b, "resident", nbx_models__resident(k, target.name.len ? &target : NULL));
}

static void serve_list(struct nbx_keeper *k, struct nbx_job *job)
{
    struct nbx_simple_req req;
    struct nbx_fault fault = {0};
    struct nbx_versions all;
    if (nbx_message_simple(&req, nbx_job_body(job), k->arena, &fault) ||
        nbx_models__read(k, &all, &fault)) {
        nbx_models__refuse(k, job, &fault, &req.id);
        return;
    }
    const struct nbx_version *active = nbx_registry_active(&all);
    nbx_reply_begin(job, active ? 3 : 1, &req.id);
    nbx_wire_text(&job->reply, "models");
    nbx_wire_list(&job->reply, (uint32_t)nbx_registry_count(&all));
    for (size_t i = 0; i < all.n; i++) {
        if (all.p[i].record.deleted)
            continue;
        nbx_wire_map(&job->reply, n_members(&all.p[i].record));
        put_members(&job->reply, k, &all.p[i]);
    }
    if (active)
        put_active(&job->reply, k, active);
    nbx_models__answer(k, job);
}

/* A request for one version: reads it and the registry. */
static enum nbx_err read_request(struct nbx_keeper *k, struct nbx_job *job,
                                 struct nbx_model_version_req *req, struct nbx_versions *all,
                                 struct nbx_fault *fault)
{
    bool stage = job->op->op == NBX_OP_MODEL_STAGE;
    enum nbx_err err = nbx_message_model_version(req, nbx_job_body(job), stage, k->arena, fault);
    return err ? err : nbx_models__read(k, all, fault);
}

/* model.stage */

static enum nbx_err check_stage(const struct nbx_keeper *k, const struct nbx_version *v, int stage,
                                struct nbx_fault *fault)
{
    if (stage == NBX_STAGE_ACTIVE)
        return nbx_fault_set(fault, NBX_EBAD, "stage", "is what model.activate makes of a version");
    if (v->record.stage == NBX_STAGE_ACTIVE)
        return nbx_fault_set(fault, NBX_ECONFLICT, "version",
                             "is active: activate another one, or roll back, first");
    if (stage == NBX_STAGE_STAGED && !nbx_registry_has_file(k->server->options.data_dir, v))
        return nbx_fault_set(fault, NBX_ECONFLICT, "version",
                             "its file is not there any more: put it back, or push it again after "
                             "model.delete");
    return NBX_OK;
}

/* To staged or archived. */
static enum nbx_err change_stage(struct nbx_keeper *k, struct nbx_version *v,
                                 const struct nbx_model_version_req *req, struct nbx_fault *fault)
{
    enum nbx_stage before = v->record.stage;
    enum nbx_err err = check_stage(k, v, req->stage, fault);
    if (!err && req->share > 0)
        err = nbx_fault_set(fault, NBX_EBAD, "share", "is of a shadow or a canary");
    if (err)
        return err;
    nbx_trials__leave(k, &v->record, (enum nbx_stage)req->stage);
    nbx_registry_put(k->batch, v);
    struct nbx_model_deed deed = {.what = "stage", .v = v, .ended = nbx_stage_is_trial(before)};
    if ((err = nbx_models__write(k, &deed, fault)))
        return err;
    nbx_trials__end(k, before);
    nbx_log_info("model=%.*s version=%.*s stage=%s", NBX_STR_ARG(v->name), NBX_STR_ARG(v->version),
                 nbx_model_stages[req->stage]);
    return NBX_OK;
}

/* model.delete */

static bool is_where_rollback_goes(const struct nbx_versions *all, const struct nbx_version *v)
{
    const struct nbx_version *active = nbx_registry_active(all);
    return active && nbx_str_eq(active->record.replaced_name, v->name) &&
           nbx_str_eq(active->record.replaced_version, v->version);
}

static enum nbx_err check_delete(const struct nbx_keeper *k, const struct nbx_versions *all,
                                 const struct nbx_version *v, struct nbx_fault *fault)
{
    if (v->record.stage == NBX_STAGE_ACTIVE)
        return nbx_fault_set(fault, NBX_ECONFLICT, "version",
                             "is active: activate another one, or roll back, first");
    if (nbx_stage_is_trial(v->record.stage))
        return nbx_fault_set(fault, NBX_ECONFLICT, "version",
                             "is the %s: stage or archive it first",
                             nbx_model_stages[v->record.stage]);
    if (is_where_rollback_goes(all, v))
        return nbx_fault_set(fault, NBX_ECONFLICT, "version",
                             "is what model.rollback would go back to");
    if (k->backup.job)
        return nbx_fault_set(fault, NBX_EBUSY, NULL,
                             "a backup is being made, which wants the file");
    return NBX_OK;
}

/* The record is gone from the disk before the file is. */
static enum nbx_err delete_version(struct nbx_keeper *k, const struct nbx_versions *all,
                                   struct nbx_version *v, struct nbx_fault *fault)
{
    char path[NBX_MODELS_PATH_BYTES];
    enum nbx_err err = check_delete(k, all, v, fault);
    if (err)
        return err;
    v->record.deleted = true;
    nbx_registry_put(k->batch, v);
    if ((err = nbx_models__write(k, &(struct nbx_model_deed){.what = "delete", .v = v}, fault)))
        return err;
    if (nbx_store_sync(k->server->store)) {
        nbx_log_errorx("sync=failed action=exit");
        _exit(1); /* as in commit.c: a failed fsync may have dropped what it did not write */
    }
    nbx_registry_path(path, sizeof path, k->server->options.data_dir, v);
    if (unlink(path) && errno != ENOENT)
        nbx_log_warn("file=kept path=%s", path); /* the next start removes it */
    nbx_log_info("model=%.*s version=%.*s stage=deleted", NBX_STR_ARG(v->name),
                 NBX_STR_ARG(v->version));
    return NBX_OK;
}

static void answer_deleted(struct nbx_keeper *k, struct nbx_job *job,
                           const struct nbx_model_version_req *req)
{
    nbx_reply_begin(job, 2, &req->id);
    nbx_wire_kv_str(&job->reply, "name", req->name);
    nbx_wire_kv_str(&job->reply, "version", req->version);
    nbx_models__answer(k, job);
}

/* Requests for one version. */
static void serve_version(struct nbx_keeper *k, struct nbx_job *job)
{
    struct nbx_model_version_req req;
    struct nbx_fault fault = {0};
    struct nbx_versions all;
    struct nbx_version *v = NULL;
    enum nbx_op op = job->op->op;
    enum nbx_err err = read_request(k, job, &req, &all, &fault);
    if (!err)
        err = nbx_models__find(&v, &all, req.name, req.version, &fault);
    bool tried = op == NBX_OP_MODEL_STAGE && nbx_stage_is_trial((enum nbx_stage)req.stage);
    if (!err && op == NBX_OP_MODEL_STAGE && !tried)
        err = change_stage(k, v, &req, &fault);
    if (!err && op == NBX_OP_MODEL_DELETE)
        err = delete_version(k, &all, v, &fault);
    if (err)
        nbx_models__refuse(k, job, &fault, &req.id);
    else if (op == NBX_OP_MODEL_ACTIVATE)
        nbx_models__activate(k, job, &req.id, v);
    else if (tried)
        nbx_models__try(k, job, &req);
    else if (op == NBX_OP_MODEL_DELETE)
        answer_deleted(k, job, &req);
    else
        nbx_models__answer_version(k, job, &req.id, v);
}

bool nbx_keeper__is_of_models(const struct nbx_job *job)
{
    return (job->op->op >= NBX_OP_MODEL_PUSH && job->op->op <= NBX_OP_MODEL_DELETE) ||
           job->op->op == NBX_OP_MODEL_READ;
}

void nbx_keeper__serve_models(struct nbx_keeper *k, struct nbx_job *job)
{
    switch (job->op->op) {
    case NBX_OP_MODEL_PUSH: nbx_models__push(k, job); return;
    case NBX_OP_MODEL_READ: nbx_models__read_file(k, job); return;
    case NBX_OP_MODEL_LIST: serve_list(k, job); return;
    case NBX_OP_MODEL_ROLLBACK: nbx_models__rollback(k, job); return;
    default: serve_version(k, job); return;
    }
}

/* orders, which end beside the keeper */

static bool is_under_way(const struct nbx_aside *a)
{
    return a->running && !nbx_aside_done(a);
}

bool nbx_keeper__models_ended(const struct nbx_keeper *k)
{
    const struct nbx_model_order *o = &k->models.order;
    return o->job && !is_under_way(&o->aside) && !is_under_way(&o->warm_up.aside);
}

/* Whoever asked waits for it, so that it gives way to requests for a time only. */
static void hurry(struct nbx_keeper *k)
{
    struct nbx_model_order *o = &k->models.order;
    if (!o->job || nbx_clock_mono_ns() - o->begun_ns < GIVES_WAY_NS)
        return;
    nbx_aside_hurry(&o->aside);
    nbx_aside_hurry(&o->warm_up.aside);
}

bool nbx_keeper__tend_models(struct nbx_keeper *k)
{
    nbx_models__expire_uploads(k, false);
    nbx_models__follow(k);
    hurry(k);
    if (!nbx_keeper__models_ended(k))
        return false;
    nbx_aside_join(&k->models.order.aside);
    if (k->models.order.upload)
        nbx_models__end_push(k);
    else
        nbx_models__end_load(k);
    nbx_arena_reset(k->arena);
    return true;
}

/* the start and the end */

static enum nbx_err read_at_start(struct nbx_keeper *k, struct nbx_versions *all,
                                  struct nbx_fault *fault)
{
    const char *dir = k->server->options.data_dir;
    enum nbx_err err = nbx_models__read(k, all, fault);
    if (!err)
        err = nbx_registry_check(all, dir, fault);
    if (!err)
        nbx_registry_clean(all, dir);
    return err;
}

enum nbx_err nbx_keeper__load_model(struct nbx_keeper *k, struct nbx_model **out,
                                    struct nbx_fault *fault)
{
    struct nbx_versions all;
    *out = NULL;
    enum nbx_err err = read_at_start(k, &all, fault);
    const struct nbx_version *active = err ? NULL : nbx_registry_active(&all);
    k->models.of_files = !active;
    if (!err)
        err = nbx_models__load(out, k, active, true, fault);
    if (!err)
        err = nbx_trials__load(k, &all, fault);
    nbx_arena_reset(k->arena);
    return err;
}

void nbx_keeper__models_stop(struct nbx_keeper *k)
{
    struct nbx_model_order *o = &k->models.order;
    nbx_aside_join(&o->aside);
    nbx_keeper__pause_asking(k);
    nbx_asker_fini(&o->warm_up);
    nbx_resident_drop(&o->fresh);
    nbx_model_release(&o->model);
    nbx_models__end_judging(&o->judge);
    o->job = NULL;
    o->upload = NULL;
    nbx_models__expire_uploads(k, true);
    nbx_models__drop_previous(k);
}
