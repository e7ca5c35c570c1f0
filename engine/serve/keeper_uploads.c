/* SPDX-License-Identifier: MIT
 * model.push: files that come in chunks, and become versions once they are looked through.
 */
#include "engine/serve/keeper_models.h"

#include "engine/base/clock.h"
#include "engine/base/folder.h"
#include "engine/base/log.h"
#include "engine/serve/reply.h"
#include "proto/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_BYTES  ((size_t)1 << 20)  /* at a time, for the digest */
#define CHUNK_SHARE 2                  /* of max_message: what a client should send */
#define CHUNK_MOST  ((size_t)64 << 10) /* longer ones hold up whoever comes behind */

/* uploads */

static void path_of(char *path, size_t bytes, const struct nbx_keeper *k,
                    const struct nbx_upload *u)
{
    snprintf(path, bytes, "%s/" NBX_REGISTRY_FOLDER "/upload-%s" NBX_REGISTRY_UPLOAD,
             k->server->options.data_dir, u->digest);
}

/* The one with that digest; "": a free one. */
static struct nbx_upload *find_upload(struct nbx_keeper *k, struct nbx_str digest)
{
    for (size_t i = 0; i < NBX_UPLOADS_MAX; i++)
        if (nbx_str_is(digest, k->models.uploads[i].digest))
            return &k->models.uploads[i];
    return NULL;
}

static void close_upload(struct nbx_upload *u)
{
    close(u->fd);
    *u = (struct nbx_upload){0};
}

static void remove_upload(struct nbx_keeper *k, struct nbx_upload *u)
{
    char path[NBX_MODELS_PATH_BYTES];
    path_of(path, sizeof path, k, u);
    if (unlink(path) && errno != ENOENT)
        nbx_log_warn("file=kept path=%s", path); /* the next start removes it */
    close_upload(u);
}

void nbx_models__expire_uploads(struct nbx_keeper *k, bool now)
{
    int64_t idle_ns = k->server->options.model_push_idle_ms * 1000000;
    for (size_t i = 0; i < NBX_UPLOADS_MAX; i++) {
        struct nbx_upload *u = &k->models.uploads[i];
        if (!u->digest[0] || u == k->models.order.upload ||
            (!now && nbx_clock_mono_ns() - u->touched_ns < idle_ns))
            continue;
        nbx_log_info("upload=removed digest=%s received=%" PRIu64 " bytes=%" PRIu64, u->digest,
                     u->received, u->bytes);
        remove_upload(k, u);
    }
}

/* What all uploads will still write. */
static uint64_t to_come(const struct nbx_keeper *k)
{
    uint64_t n = 0;
    for (size_t i = 0; i < NBX_UPLOADS_MAX; i++)
        n += k->models.uploads[i].bytes - k->models.uploads[i].received;
    return n;
}

static enum nbx_err check_room(const struct nbx_keeper *k, uint64_t bytes, struct nbx_fault *fault)
{
    struct nbx_store_options options = nbx_server_store_options(&k->server->options);
    struct nbx_store_room room = nbx_store_get_room(&options);
    uint64_t wanted = bytes + to_come(k) + room.writes;
    if (room.free >= wanted)
        return NBX_OK;
    return nbx_fault_set(fault, NBX_ESTORAGE, "bytes",
                         "%" PRIu64 " MiB are free on the disk, %" PRIu64 " are wanted",
                         room.free >> 20, wanted >> 20);
}

/* A new one; *out is NULL where it fails. */
static enum nbx_err begin_upload(struct nbx_upload **out, struct nbx_keeper *k,
                                 const struct nbx_model_push_req *req, struct nbx_fault *fault)
{
    char path[NBX_MODELS_PATH_BYTES];
    struct nbx_upload *u = find_upload(k, NBX_STR(""));
    *out = NULL;
    if (!u)
        return nbx_fault_set(fault, NBX_EBUSY, "digest", "%d uploads are under way already",
                             NBX_UPLOADS_MAX);
    enum nbx_err err = nbx_registry_make_folder(k->server->options.data_dir, fault);
    if (err)
        return err;
    snprintf(u->digest, sizeof u->digest, "%.*s", NBX_STR_ARG(req->digest));
    path_of(path, sizeof path, k, u);
    u->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (u->fd < 0) {
        nbx_fault_set(fault, NBX_ESTORAGE, "bytes", "cannot make %s: %s", path, strerror(errno));
        *u = (struct nbx_upload){0};
        return NBX_ESTORAGE;
    }
    u->bytes = (uint64_t)req->bytes;
    *out = u;
    return NBX_OK;
}

static bool write_all(const struct nbx_upload *u, struct nbx_str data)
{
    for (uint32_t written = 0; written < data.len;) {
        ssize_t n =
            pwrite(u->fd, data.p + written, data.len - written, (off_t)(u->received + written));
        if (n < 0 && errno != EINTR)
            return false;
        written += n > 0 ? (uint32_t)n : 0;
    }
    return true;
}

static enum nbx_err append(struct nbx_upload *u, struct nbx_str data, struct nbx_fault *fault)
{
    if (!write_all(u, data))
        return nbx_fault_set(fault, NBX_ESTORAGE, "bytes", "cannot write the file: %s",
                             strerror(errno));
    /* The disk begins now, so that there is little to wait for at the end. */
    (void)sync_file_range(u->fd, (off_t)u->received, data.len, SYNC_FILE_RANGE_WRITE);
    u->received += data.len;
    u->touched_ns = nbx_clock_mono_ns();
    return NBX_OK;
}

/* chunks */

/* u: the upload so far, or NULL. */
static enum nbx_err check_chunk(const struct nbx_keeper *k, const struct nbx_upload *u,
                                const struct nbx_model_push_req *req, struct nbx_fault *fault)
{
    uint64_t received = u ? u->received : 0, bytes = (uint64_t)req->bytes;
    if (bytes > k->server->options.model_max_bytes)
        return nbx_fault_set(fault, NBX_ELIMIT, "bytes", "must be at most %zu (model_max)",
                             k->server->options.model_max_bytes);
    if (u && u == k->models.order.upload)
        return nbx_fault_set(fault, NBX_EBUSY, "digest", "that file is being looked through");
    if (u && u->bytes != bytes)
        return nbx_fault_set(fault, NBX_ECONFLICT, "bytes", "the upload began with %" PRIu64,
                             u->bytes);
    if (req->data.len && (uint64_t)req->offset != received)
        return nbx_fault_set(fault, NBX_ECONFLICT, "offset",
                             "%" PRIu64 " bytes were received: go on from there", received);
    if (req->data.len > bytes - received)
        return nbx_fault_set(fault, NBX_EBAD, "data", "is longer than the %" PRIu64 " bytes left",
                             bytes - received);
    if (!req->commit.asked)
        return NBX_OK;
    if (received + req->data.len < bytes)
        return nbx_fault_set(fault, NBX_ECONFLICT, "commit",
                             "the file is not complete: %" PRIu64 " of %" PRIu64 " bytes are there",
                             received + req->data.len, bytes);
    if (k->models.order.job)
        return nbx_fault_set(fault, NBX_EBUSY, "digest",
                             "another version is being looked through or loaded");
    return NBX_OK;
}

static enum nbx_err take_chunk(struct nbx_keeper *k, struct nbx_upload **u,
                               const struct nbx_model_push_req *req, struct nbx_fault *fault)
{
    enum nbx_err err = check_chunk(k, *u, req, fault);
    if (!err && !*u)
        err = check_room(k, (uint64_t)req->bytes, fault);
    if (!err && !*u && req->data.len)
        err = begin_upload(u, k, req, fault);
    if (err || !*u || !req->data.len)
        return err;
    if ((err = append(*u, req->data, fault)))
        remove_upload(k, *u); /* a full disk is needed for others */
    return err;
}

static void answer_received(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_value *id,
                            uint64_t received)
{
    size_t chunk = k->server->options.max_message_bytes / CHUNK_SHARE;
    nbx_reply_begin(job, 2, id);
    nbx_wire_kv_int(&job->reply, "received", (int64_t)received);
    nbx_wire_kv_int(&job->reply, "chunk", (int64_t)(chunk < CHUNK_MOST ? chunk : CHUNK_MOST));
    nbx_reply_finish(job);
    nbx_front__answer(&k->server->front, &job, 1);
}

/* The version whose file that is; *out is NULL where it is none. */
static enum nbx_err find_known(struct nbx_version **out, struct nbx_keeper *k,
                               const struct nbx_model_push_req *req, struct nbx_fault *fault)
{
    char hex[NBX_MODEL_DIGITS + 1] = "";
    struct nbx_versions all;
    *out = NULL;
    enum nbx_err err = nbx_models__read(k, &all, fault);
    for (size_t i = 0; !err && i < all.n && !*out; i++) {
        nbx_hex(hex, all.p[i].record.digest, NBX_DIGEST_BYTES);
        if (!all.p[i].record.deleted && nbx_str_is(req->digest, hex))
            *out = &all.p[i];
    }
    if (*out && (*out)->record.bytes != (uint64_t)req->bytes)
        return nbx_fault_set(fault, NBX_ECONFLICT, "bytes",
                             "the file with that digest has %" PRIu64, (*out)->record.bytes);
    return err;
}

static void answer_known(struct nbx_keeper *k, struct nbx_job *job,
                         const struct nbx_model_push_req *req, const struct nbx_version *v)
{
    if (!req->commit.asked)
        answer_received(k, job, &req->id, v->record.bytes);
    else if (req->commit.activate)
        nbx_models__activate(k, job, &req->id, v);
    else
        nbx_models__answer_version(k, job, &req->id, v);
}

/* from upload to version */

/* Whether the file has the digest that it was announced with. */
static enum nbx_err check_digest(const struct nbx_upload *u, uint8_t *digest,
                                 struct nbx_fault *fault)
{
    char hex[NBX_MODEL_DIGITS + 1] = "";
    struct nbx_digest sum;
    uint8_t *p = malloc(READ_BYTES);
    ssize_t n = p ? 1 : -1;
    nbx_digest_begin(&sum);
    for (off_t at = 0; n > 0; at += n) {
        n = pread(u->fd, p, READ_BYTES, at);
        if (n > 0)
            nbx_digest_add(&sum, p, (size_t)n);
    }
    free(p);
    if (n < 0)
        return nbx_fault_set(fault, NBX_ESTORAGE, "digest", "the file cannot be read: %s",
                             strerror(errno));
    nbx_digest_end(&sum, digest);
    nbx_hex(hex, digest, NBX_DIGEST_BYTES);
    return strcmp(hex, u->digest) == 0 ? NBX_OK
                                       : nbx_fault_set(fault, NBX_EBAD, "digest",
                                                       "what was received has the digest %s", hex);
}

/* Whether it may serve; fills the order with what the bundle calls itself. */
static void check_bundle(struct nbx_model_order *o)
{
    enum nbx_err err = nbx_models__accept(&o->accepted, o->path, &o->judge, &o->fault);
    if (err) {
        o->fault.code = err == NBX_EVERSION ? NBX_EBAD : err; /* the sender's, not ours */
        return;
    }
    snprintf(o->name, sizeof o->name, "%s", o->accepted.name);
    snprintf(o->version, sizeof o->version, "%s", o->accepted.version);
}

void nbx_models__look_through(void *arg)
{
    struct nbx_model_order *o = arg;
    enum nbx_err err = fsync(o->upload->fd) ? NBX_ESTORAGE : NBX_OK;
    if (err)
        nbx_fault_set(&o->fault, err, "bytes", "the file cannot be synced: %s", strerror(errno));
    if (!err && check_digest(o->upload, o->digest, &o->fault) == NBX_OK)
        check_bundle(o);
}

static void start_look(struct nbx_keeper *k)
{
    struct nbx_model_order *o = &k->models.order;
    o->fault = (struct nbx_fault){0};
    nbx_models__begin_judging(&o->judge, k);
    o->aside = (struct nbx_aside){
        .work = nbx_models__look_through, .arg = o, .bell = &k->bell, .idle = true};
    if (nbx_aside_start(&o->aside))
        nbx_fault_set(&o->fault, NBX_ELIMIT, NULL, "no thread to look through the file");
}

static void begin_commit(struct nbx_keeper *k, struct nbx_job *job, struct nbx_upload *u)
{
    struct nbx_model_order *o = &k->models.order;
    *o = (struct nbx_model_order){.server = k->server, .job = job, .upload = u};
    path_of(o->path, sizeof o->path, k, u);
    o->begun_ns = nbx_clock_mono_ns();
    start_look(k);
}

/* Where memory was short the previous model goes, and the file is looked through again. */
static bool look_again(struct nbx_keeper *k)
{
    struct nbx_model_order *o = &k->models.order;
    nbx_models__end_judging(&o->judge);
    if (o->fault.code != NBX_ELIMIT || !k->models.previous.model)
        return false;
    nbx_models__give_up_previous(k);
    start_look(k);
    return true;
}

void nbx_models__push(struct nbx_keeper *k, struct nbx_job *job)
{
    struct nbx_model_push_req req;
    struct nbx_fault fault = {0};
    struct nbx_version *known = NULL;
    enum nbx_err err = nbx_message_model_push(&req, nbx_job_body(job), k->arena, &fault);
    struct nbx_upload *u = err ? NULL : find_upload(k, req.digest);
    if (!err && !u)
        err = find_known(&known, k, &req, &fault);
    if (!err && !known)
        err = take_chunk(k, &u, &req, &fault);
    if (err)
        nbx_models__refuse(k, job, &fault, &req.id);
    else if (known)
        answer_known(k, job, &req, known);
    else if (req.commit.asked)
        begin_commit(k, job, u);
    else
        answer_received(k, job, &req.id, u ? u->received : 0);
}

/* Whether there is, or was, another file of that name, or no room for one more. v: the version of
 * that name, NULL: none. */
static enum nbx_err check_version(const struct nbx_model_order *o, const struct nbx_versions *all,
                                  const struct nbx_version *v, struct nbx_fault *fault)
{
    bool there = v && !v->record.deleted;
    if (v && memcmp(v->record.digest, o->digest, sizeof o->digest) != 0)
        return nbx_fault_set(fault, NBX_ECONFLICT, "version",
                             "version %s of model %s %s another file; versions never change: give "
                             "this one a name of its own",
                             o->version, o->name, there ? "is" : "was");
    if (!there && nbx_registry_count(all) >= NBX_REGISTRY_VERSIONS)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "%d versions are kept: delete some",
                             NBX_REGISTRY_VERSIONS);
    return NBX_OK;
}

/* The version that was looked through, in the keeper's arena; *same: it is one already. NULL where
 * it cannot be. */
static struct nbx_version *make_version(struct nbx_keeper *k, const struct nbx_model_push_req *req,
                                        bool *same, struct nbx_fault *fault)
{
    const struct nbx_model_order *o = &k->models.order;
    struct nbx_str name = nbx_str_c(o->name), version = nbx_str_c(o->version);
    struct nbx_versions all;
    if (nbx_models__read(k, &all, fault))
        return NULL;
    struct nbx_version *v = nbx_registry_find(&all, name, version);
    *same = v && !v->record.deleted;
    if (check_version(o, &all, v, fault))
        return NULL;
    if (*same)
        return v;
    struct nbx_value *accepted = nbx_arena_calloc(k->arena, 1, sizeof *accepted);
    v = nbx_arena_calloc(k->arena, 1, sizeof *v);
    if (!v || !accepted || nbx_accepted_value(accepted, &o->accepted, k->arena)) {
        nbx_fault_set(fault, NBX_ELIMIT, NULL, "no memory for this request");
        return NULL;
    }
    *v = (struct nbx_version){name,
                              version,
                              {.bytes = o->upload->bytes,
                               .pushed_ms = nbx_clock_wall_ms(),
                               .by = req->commit.by,
                               .parent = req->commit.parent,
                               .notes = req->commit.notes,
                               .metrics = req->commit.metrics,
                               .accepted = accepted}};
    memcpy(v->record.digest, o->digest, sizeof v->record.digest);
    return v;
}

/* The file gets its name, for good; then the record is written. */
static void keep(struct nbx_keeper *k, const struct nbx_version *v, struct nbx_fault *fault)
{
    char path[NBX_MODELS_PATH_BYTES], folder[NBX_MODELS_PATH_BYTES];
    const char *dir = k->server->options.data_dir;
    const struct nbx_model_order *o = &k->models.order;
    nbx_registry_path(path, sizeof path, dir, v);
    snprintf(folder, sizeof folder, "%s/" NBX_REGISTRY_FOLDER, dir);
    if (rename(o->path, path)) {
        nbx_fault_set(fault, NBX_ESTORAGE, NULL, "cannot make %s: %s", path, strerror(errno));
        return;
    }
    bool synced = nbx_folder_sync(folder);
    nbx_registry_put(k->batch, v);
    struct nbx_model_deed deed = {.what = "push", .v = v, .pushed = true};
    enum nbx_err err = synced ? nbx_models__write(k, &deed, fault)
                              : nbx_fault_set(fault, NBX_ESTORAGE, NULL, "cannot sync %s", folder);
    nbx_batch_clear(k->batch);
    if (err && unlink(path))
        nbx_log_warn("file=kept path=%s", path); /* the next start removes it */
    if (err)
        return;
    close_upload(o->upload);
    nbx_log_info("model=%s version=%s stage=staged bytes=%" PRIu64 " took_ms=%lld", o->name,
                 o->version, v->record.bytes,
                 (long long)((nbx_clock_mono_ns() - o->begun_ns) / 1000000));
}

void nbx_models__end_push(struct nbx_keeper *k)
{
    struct nbx_model_order *o = &k->models.order;
    if (look_again(k))
        return;
    struct nbx_job *job = o->job;
    struct nbx_fault fault = o->fault;
    struct nbx_model_push_req req;
    struct nbx_version *v = NULL;
    bool same = false;
    /* It was read before; what it points at lay in an arena since emptied. */
    enum nbx_err err =
        nbx_message_model_push(&req, nbx_job_body(job), k->arena, fault.code ? NULL : &fault);
    if (!err && !fault.code)
        v = make_version(k, &req, &same, &fault);
    if (v && !same)
        keep(k, v, &fault);
    err = fault.code;
    if (o->upload->digest[0])
        remove_upload(k, o->upload);
    if (err)
        nbx_log_warnx("push=refused field=%s reason=\"%s\"", fault.field, fault.message);
    o->job = NULL;
    o->upload = NULL;
    if (err)
        nbx_models__refuse(k, job, &fault, &req.id);
    else if (req.commit.activate)
        nbx_models__activate(k, job, &req.id, v);
    else
        nbx_models__answer_version(k, job, &req.id, v);
}
