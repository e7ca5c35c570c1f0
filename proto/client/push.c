/* SPDX-License-Identifier: MIT */
#include "proto/client/push.h"

#include "engine/base/hash.h"
#include "engine/base/progress.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES (1U << 20)

/* A push under way. */
struct upload {
    const struct nbx_push *push;
    struct nbx_reply reply;
    int fd;
    int64_t bytes, received;
    int64_t chunk; /* bytes the daemon takes at once */
    char digest[2 * NBX_DIGEST_BYTES + 1];
    uint8_t *data; /* (READ_BYTES or chunk) */
};

/* the file */

static enum nbx_err open_file(struct upload *u, struct nbx_fault *fault)
{
    struct stat st;
    u->fd = open(u->push->path, O_RDONLY | O_CLOEXEC);
    if (u->fd < 0)
        return nbx_fault_set(fault, NBX_ENOTFOUND, u->push->path, "cannot be opened: %s",
                             strerror(errno));
    if (fstat(u->fd, &st) || !S_ISREG(st.st_mode))
        return nbx_fault_set(fault, NBX_EBAD, u->push->path, "is no file that can be read twice");
    if (st.st_size == 0)
        return nbx_fault_set(fault, NBX_EBAD, u->push->path, "is empty");
    u->bytes = st.st_size;
    return NBX_OK;
}

/* Just n bytes from `offset` on, into u->data. */
static enum nbx_err read_file(struct upload *u, int64_t offset, size_t n, struct nbx_fault *fault)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(u->fd, u->data + done, n - done, offset + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return nbx_fault_set(fault, NBX_ESTORAGE, u->push->path, "cannot be read: %s",
                                 strerror(errno));
        if (got == 0)
            return nbx_fault_set(fault, NBX_ECONFLICT, u->push->path,
                                 "has become shorter while it was pushed");
        done += (size_t)got;
    }
    return NBX_OK;
}

/* The digest comes first: it is the name under which the daemon keeps what it has received. */
static enum nbx_err sum_file(struct upload *u, struct nbx_fault *fault)
{
    uint8_t digest[NBX_DIGEST_BYTES];
    struct nbx_digest sum;
    struct nbx_progress progress;
    enum nbx_err err = NBX_OK;
    if (!(u->data = malloc(READ_BYTES)))
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    nbx_digest_begin(&sum);
    nbx_progress_start(&progress, u->push->progress_fd, "reading", "bytes", (uint64_t)u->bytes);
    for (int64_t at = 0; !err && at < u->bytes;) {
        size_t n = u->bytes - at < READ_BYTES ? (size_t)(u->bytes - at) : READ_BYTES;
        err = read_file(u, at, n, fault);
        if (!err)
            nbx_digest_add(&sum, u->data, n);
        at += (int64_t)n;
        nbx_progress_update(&progress, (uint64_t)at);
    }
    nbx_progress_end(&progress);
    nbx_digest_end(&sum, digest);
    nbx_hex(u->digest, digest, sizeof digest);
    return err;
}

/* the daemon */

/* What every request of this push begins with. */
static void put_head(const struct upload *u, struct nbx_buf *b, uint32_t n_more)
{
    nbx_wire_map(b, 2 + n_more);
    nbx_wire_kv_text(b, "digest", u->digest);
    nbx_wire_kv_int(b, "bytes", u->bytes);
}

/* A member's integer, or 0. */
static int64_t int_of(const struct nbx_value *map, const char *key)
{
    const struct nbx_value *v = nbx_value_get(map, key);
    return v && v->type == NBX_INT ? v->i : 0;
}

static enum nbx_err take_received(struct upload *u, int64_t at_least, struct nbx_fault *fault)
{
    int64_t received = int_of(&u->reply.body, "received");
    int64_t chunk = int_of(&u->reply.body, "chunk");
    if (received < at_least || received > u->bytes || chunk < 1)
        return nbx_fault_set(fault, NBX_EBAD, NULL,
                             "what answers at %s is not an nbxd that takes models",
                             u->push->to.endpoint);
    u->received = received;
    if (!u->chunk)
        u->chunk = chunk < NBX_MAX_CHUNK ? chunk : NBX_MAX_CHUNK;
    return NBX_OK;
}

/* Where to go on, and how much to send at once. */
static enum nbx_err ask_received(struct upload *u, struct nbx_fault *fault)
{
    struct nbx_buf b = {0};
    put_head(u, &b, 0);
    enum nbx_err err = nbx_ask_ok(&u->push->to, "model.push", &b, &u->reply, fault);
    nbx_buf_fini(&b);
    if (!err)
        err = take_received(u, 0, fault);
    if (err)
        return err;
    free(u->data);
    u->data = malloc((size_t)u->chunk);
    return u->data ? NBX_OK : nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
}

static enum nbx_err send_chunk(struct upload *u, struct nbx_buf *b, struct nbx_fault *fault)
{
    int64_t left = u->bytes - u->received;
    size_t n = (size_t)(left < u->chunk ? left : u->chunk);
    enum nbx_err err = read_file(u, u->received, n, fault);
    if (err)
        return err;
    nbx_buf_clear(b);
    put_head(u, b, 2);
    nbx_wire_kv_int(b, "offset", u->received);
    nbx_wire_text(b, "data");
    nbx_wire_bin(b, u->data, (uint32_t)n);
    err = nbx_ask_ok(&u->push->to, "model.push", b, &u->reply, fault);
    return err ? err : take_received(u, u->received + (int64_t)n, fault);
}

static enum nbx_err send_rest(struct upload *u, struct nbx_fault *fault)
{
    struct nbx_buf b = {0};
    struct nbx_progress progress;
    enum nbx_err err = NBX_OK;
    int64_t from = u->received;
    nbx_progress_start(&progress, u->push->progress_fd, "pushing", "bytes",
                       (uint64_t)(u->bytes - from));
    while (!err && u->received < u->bytes) {
        err = send_chunk(u, &b, fault);
        nbx_progress_update(&progress, (uint64_t)(u->received - from));
    }
    nbx_progress_end(&progress);
    nbx_buf_fini(&b);
    return err;
}

static enum nbx_err commit(struct upload *u, struct nbx_fault *fault)
{
    struct nbx_buf b = {0};
    struct nbx_asking patient = u->push->to;
    patient.timeout_ms = u->push->commit_timeout_ms;
    put_head(u, &b, 1);
    nbx_wire_kv_value(&b, "commit", u->push->commit);
    enum nbx_err err = nbx_ask_ok(&patient, "model.push", &b, &u->reply, fault);
    nbx_buf_fini(&b);
    return err;
}

/* the whole */

enum nbx_err nbx_push_model(const struct nbx_push *push, struct nbx_value *version,
                            struct nbx_fault *fault)
{
    struct upload u = {.push = push, .fd = -1};
    enum nbx_err err = open_file(&u, fault);
    if (!err)
        err = sum_file(&u, fault);
    if (!err)
        err = ask_received(&u, fault);
    if (!err)
        err = send_rest(&u, fault);
    if (!err)
        err = commit(&u, fault);
    if (u.fd >= 0)
        close(u.fd);
    free(u.data);
    *version = u.reply.body;
    return err;
}
