/* SPDX-License-Identifier: MIT */
#include "proto/client/fetch.h"

#include "engine/base/hash.h"
#include "engine/base/progress.h"
#include "proto/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DIGITS ((size_t)2 * NBX_DIGEST_BYTES)

/* A file under way. */
struct download {
    const struct nbx_fetch *fetch;
    struct nbx_reply reply;
    char *part; /* the file's name until it is whole */
    FILE *out;
    int64_t bytes, received;
    char digest[DIGITS]; /* as the daemon says it */
    struct nbx_digest sum;
};

static enum nbx_err ask(struct download *d, const char *op, struct nbx_fault *fault)
{
    struct nbx_buf b = {0};
    bool part = d->bytes > 0;
    nbx_wire_map(&b, 2 + part);
    nbx_wire_kv_str(&b, "name", d->fetch->name);
    nbx_wire_kv_str(&b, "version", d->fetch->version);
    if (part)
        nbx_wire_kv_int(&b, "offset", d->received);
    enum nbx_err err = nbx_ask_ok(&d->fetch->from, op, &b, &d->reply, fault);
    nbx_buf_fini(&b);
    return err;
}

static enum nbx_err no_models(const struct download *d, struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_EBAD, NULL, "what answers at %s is no nbxd that gives models",
                         d->fetch->from.endpoint);
}

/* How large it is, and its digest. */
static enum nbx_err ask_version(struct download *d, struct nbx_fault *fault)
{
    enum nbx_err err = ask(d, "model.get", fault);
    if (err)
        return err;
    const struct nbx_value *bytes = nbx_value_get(&d->reply.body, "bytes");
    const struct nbx_value *digest = nbx_value_get(&d->reply.body, "digest");
    if (!bytes || bytes->type != NBX_INT || bytes->i < 1 || !digest || digest->type != NBX_STRING ||
        digest->s.len != DIGITS)
        return no_models(d, fault);
    d->bytes = bytes->i;
    memcpy(d->digest, digest->s.p, DIGITS);
    return NBX_OK;
}

static enum nbx_err not_written(const struct download *d, struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ESTORAGE, d->fetch->path, "cannot be written: %s",
                         strerror(errno));
}

static enum nbx_err take_part(struct download *d, struct nbx_fault *fault)
{
    enum nbx_err err = ask(d, "model.read", fault);
    const struct nbx_value *data = err ? NULL : nbx_value_get(&d->reply.body, "data");
    if (err)
        return err;
    if (!data || data->type != NBX_BIN || data->s.len == 0 || data->s.len > d->bytes - d->received)
        return no_models(d, fault);
    nbx_digest_add(&d->sum, data->s.p, data->s.len);
    d->received += data->s.len;
    return fwrite(data->s.p, 1, data->s.len, d->out) == data->s.len ? NBX_OK
                                                                    : not_written(d, fault);
}

static enum nbx_err take_parts(struct download *d, struct nbx_fault *fault)
{
    struct nbx_progress progress;
    enum nbx_err err = NBX_OK;
    nbx_digest_begin(&d->sum);
    nbx_progress_start(&progress, d->fetch->progress_fd, "pulling", "bytes", (uint64_t)d->bytes);
    while (!err && d->received < d->bytes) {
        err = take_part(d, fault);
        nbx_progress_update(&progress, (uint64_t)d->received);
    }
    nbx_progress_end(&progress);
    return err;
}

static enum nbx_err check_sum(struct download *d, struct nbx_fault *fault)
{
    uint8_t digest[NBX_DIGEST_BYTES];
    char digits[DIGITS];
    nbx_digest_end(&d->sum, digest);
    nbx_hex(digits, digest, sizeof digest);
    if (memcmp(digits, d->digest, DIGITS) == 0)
        return NBX_OK;
    return nbx_fault_set(fault, NBX_ECORRUPT, d->fetch->path,
                         "what came is not the file of that digest");
}

/* The file, under the name of a part. */
static enum nbx_err fill(struct download *d, struct nbx_fault *fault)
{
    d->out = fopen(d->part, "we");
    if (!d->out)
        return not_written(d, fault);
    enum nbx_err err = take_parts(d, fault);
    if (!err)
        err = check_sum(d, fault);
    if (!err && (fflush(d->out) || fsync(fileno(d->out))))
        err = not_written(d, fault);
    if (fclose(d->out) && !err)
        err = not_written(d, fault);
    if (!err && rename(d->part, d->fetch->path))
        err = not_written(d, fault);
    if (err)
        unlink(d->part);
    return err;
}

enum nbx_err nbx_fetch_model(const struct nbx_fetch *fetch, struct nbx_fault *fault)
{
    struct download d = {.fetch = fetch};
    enum nbx_err err = ask_version(&d, fault);
    if (err)
        return err;
    if (asprintf(&d.part, "%s.part", fetch->path) < 0)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    err = fill(&d, fault);
    free(d.part);
    return err;
}
