/* SPDX-License-Identifier: MIT
 * model.read: a version's file, a part at a time. The file never changes, so that parts which are
 * asked for one by one are of one file; the caller holds their sum against the digest.
 */
#include "engine/serve/keeper_models.h"
#include "engine/serve/reply.h"
#include "proto/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PART_BYTES ((size_t)1 << 20) /* some 0.2 ms: what else the keeper has to do waits */

/* Up to PART_BYTES from `offset` on; *n is fewer at the end. */
static enum nbx_err read_part(uint8_t *data, size_t *n, const char *path, int64_t offset)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 0;
    if (fd < 0)
        return errno == ENOENT ? NBX_ENOTFOUND : NBX_ESTORAGE;
    for (*n = 0; *n < PART_BYTES; *n += (size_t)got) {
        got = pread(fd, data + *n, PART_BYTES - *n, offset + (off_t)*n);
        if (got < 0 && errno == EINTR)
            got = 0;
        else if (got <= 0)
            break;
    }
    close(fd);
    return got < 0 ? NBX_ESTORAGE : NBX_OK;
}

static enum nbx_err gather(struct nbx_keeper *k, const struct nbx_version *v, int64_t offset,
                           struct nbx_str *out, struct nbx_fault *fault)
{
    char path[NBX_MODELS_PATH_BYTES];
    size_t n = 0;
    uint8_t *data = nbx_arena_alloc(k->arena, PART_BYTES);
    if (!data)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    nbx_registry_path(path, sizeof path, k->server->options.data_dir, v);
    enum nbx_err err = read_part(data, &n, path, offset);
    *out = (struct nbx_str){(const char *)data, (uint32_t)n};
    if (err == NBX_ENOTFOUND)
        return nbx_fault_set(fault, NBX_ECONFLICT, "version", "its file is not there any more");
    return err ? nbx_fault_set(fault, err, "version", "its file cannot be read: %s",
                               strerror(errno))
               : NBX_OK;
}

void nbx_models__read_file(struct nbx_keeper *k, struct nbx_job *job)
{
    struct nbx_model_read_req req;
    struct nbx_fault fault = {0};
    struct nbx_versions all;
    struct nbx_version *v = NULL;
    struct nbx_str data = {0};
    enum nbx_err err = nbx_message_model_read(&req, nbx_job_body(job), k->arena, &fault);
    if (!err)
        err = nbx_models__read(k, &all, &fault);
    if (!err)
        err = nbx_models__find(&v, &all, req.name, req.version, &fault);
    if (!err)
        err = gather(k, v, req.offset, &data, &fault);
    if (err) {
        nbx_models__refuse(k, job, &fault, &req.id);
        return;
    }
    nbx_reply_begin(job, 2, &req.id);
    nbx_wire_kv_int(&job->reply, "bytes", (int64_t)v->record.bytes);
    nbx_wire_text(&job->reply, "data");
    nbx_wire_bin(&job->reply, data.p, data.len);
    nbx_reply_finish(job);
    nbx_front__answer(&k->server->front, &job, 1);
}
