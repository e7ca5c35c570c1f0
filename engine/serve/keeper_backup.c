/* SPDX-License-Identifier: MIT
 * backup: made beside the keeper, one at a time; reading all of the data takes as long as it takes.
 */
#include "engine/serve/keeper.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/serve/reply.h"
#include "proto/wire.h"

#include <stdio.h>
#include <stdlib.h>

static void work(void *arg)
{
    struct nbx_keeper_backup *b = arg;
    struct nbx_backup_options options = {.data_dir = b->server->options.data_dir,
                                         .dir = b->dir,
                                         .now_ms = nbx_clock_wall_ms(),
                                         .unhurried = true};
    nbx_backup(&b->manifest, b->server->store, &options, &b->fault);
}

static void answer(struct nbx_keeper *k, struct nbx_job *job, const struct nbx_fault *fault,
                   const struct nbx_value *id)
{
    nbx_reply_fault(job, fault, id);
    nbx_front__answer(&k->server->front, &job, 1);
}

void nbx_keeper__begin_backup(struct nbx_keeper *k, struct nbx_job *job)
{
    struct nbx_keeper_backup *b = &k->backup;
    struct nbx_backup_req req;
    struct nbx_fault fault = {0};
    if (nbx_message_backup(&req, nbx_job_body(job), k->arena, &fault)) {
        answer(k, job, &fault, &req.id);
        return;
    }
    if (b->job)
        nbx_fault_set(&fault, NBX_ECONFLICT, NULL, "a backup to %s is being made", b->dir);
    else if (!(b->dir = strndup(req.dir.p, req.dir.len)))
        nbx_fault_set(&fault, NBX_ELIMIT, NULL, "no memory for a backup");
    if (fault.code) {
        answer(k, job, &fault, &req.id);
        return;
    }
    b->server = k->server;
    b->job = job;
    b->id = req.id; /* a text in it lies in the job's body */
    b->fault = (struct nbx_fault){0};
    b->begun_ns = nbx_clock_mono_ns();
    /* Not idle: it takes locks, the store's and the file system's. */
    b->aside = (struct nbx_aside){.work = work, .arg = b, .bell = &k->bell};
    if (nbx_aside_start(&b->aside))
        nbx_fault_set(&b->fault, NBX_ELIMIT, NULL, "no thread for a backup");
}

static void reply(const struct nbx_keeper_backup *b, struct nbx_job *job)
{
    if (b->fault.code) {
        nbx_reply_fault(job, &b->fault, &b->id);
        return;
    }
    int64_t took_ms = (nbx_clock_mono_ns() - b->begun_ns) / 1000000;
    nbx_reply_begin(job, 4, &b->id);
    nbx_wire_kv_int(&job->reply, "files", (int64_t)b->manifest.n);
    nbx_wire_kv_int(&job->reply, "bytes", (int64_t)b->manifest.bytes);
    nbx_wire_kv_int(&job->reply, "changes", (int64_t)b->manifest.changes);
    nbx_wire_kv_int(&job->reply, "took_ms", took_ms);
    nbx_reply_finish(job);
    nbx_log_info("backup=done dir=%s files=%zu bytes=%llu took_ms=%lld", b->dir, b->manifest.n,
                 (unsigned long long)b->manifest.bytes, (long long)took_ms);
}

bool nbx_keeper__backup_ended(const struct nbx_keeper *k)
{
    return k->backup.job && (!k->backup.aside.running || nbx_aside_done(&k->backup.aside));
}

bool nbx_keeper__end_backup(struct nbx_keeper *k)
{
    struct nbx_keeper_backup *b = &k->backup;
    struct nbx_job *job = b->job;
    if (!nbx_keeper__backup_ended(k))
        return false;
    nbx_aside_join(&b->aside);
    reply(b, job);
    nbx_keeper__backup_stop(k);
    nbx_front__answer(&k->server->front, &job, 1);
    return true;
}

void nbx_keeper__backup_stop(struct nbx_keeper *k)
{
    struct nbx_keeper_backup *b = &k->backup;
    nbx_aside_join(&b->aside);
    nbx_manifest_fini(&b->manifest);
    free(b->dir);
    *b = (struct nbx_keeper_backup){0};
}
