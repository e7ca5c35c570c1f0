/* SPDX-License-Identifier: MIT
 * model push: a bundle's file, sent chunk by chunk from where the daemon has come to.
 */
#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/progress.h"
#include "engine/json/json.h"
#include "proto/cli/cli.h"
#include "proto/cli/model.h"
#include "proto/cli/show.h"
#include "proto/message.h"
#include "proto/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES  (1U << 20)
#define REPLY_ARENA (64UL << 20)
#define NS_PER_MS   1000000

static const struct nbx_cli_option options[] = {
    {"notes", "TEXT", "notes", "anything for people", NBX_CLI_TEXT},
    {"parent", "VERSION", "parent", "the version it was made from", NBX_CLI_TEXT},
    {"by", "WHO", "by", "who pushes it", NBX_CLI_TEXT},
    {"metrics", "KEY=NUMBER", NULL, "what was measured of it; repeatable", NBX_CLI_TEXTS},
    {"activate", NULL, "activate", "serve it at once", NBX_CLI_YES},
};

struct push {
    struct nbx_cli *cli;
    struct nbx_arena *arena; /* of one reply */
    struct nbx_reply reply;
    const char *path;
    int fd;
    int64_t bytes, received;
    int64_t chunk; /* bytes the daemon takes at once */
    char digest[2 * NBX_DIGEST_BYTES + 1];
    uint8_t *data; /* (READ_BYTES or chunk) */
};

/* the file */

static enum nbx_err open_file(struct push *p, struct nbx_fault *fault)
{
    struct stat st;
    p->fd = open(p->path, O_RDONLY | O_CLOEXEC);
    if (p->fd < 0)
        return nbx_fault_set(fault, NBX_ENOTFOUND, p->path, "cannot be opened: %s",
                             strerror(errno));
    if (fstat(p->fd, &st) || !S_ISREG(st.st_mode))
        return nbx_fault_set(fault, NBX_EBAD, p->path, "is no file that can be read twice");
    if (st.st_size == 0)
        return nbx_fault_set(fault, NBX_EBAD, p->path, "is empty");
    p->bytes = st.st_size;
    return NBX_OK;
}

/* Just n bytes from `offset` on, into p->data. */
static enum nbx_err read_file(struct push *p, int64_t offset, size_t n, struct nbx_fault *fault)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(p->fd, p->data + done, n - done, offset + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return nbx_fault_set(fault, NBX_ESTORAGE, p->path, "cannot be read: %s",
                                 strerror(errno));
        if (got == 0)
            return nbx_fault_set(fault, NBX_ECONFLICT, p->path,
                                 "has become shorter while it was pushed");
        done += (size_t)got;
    }
    return NBX_OK;
}

/* The digest comes first: it is the name under which the daemon keeps what it has received. */
static enum nbx_err sum_file(struct push *p, struct nbx_fault *fault)
{
    uint8_t digest[NBX_DIGEST_BYTES];
    struct nbx_digest sum;
    struct nbx_progress progress;
    enum nbx_err err = NBX_OK;
    if (!(p->data = malloc(READ_BYTES)))
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    nbx_digest_begin(&sum);
    nbx_progress_start(&progress, STDERR_FILENO, "reading", "bytes", (uint64_t)p->bytes);
    for (int64_t at = 0; !err && at < p->bytes;) {
        size_t n = p->bytes - at < READ_BYTES ? (size_t)(p->bytes - at) : READ_BYTES;
        err = read_file(p, at, n, fault);
        if (!err)
            nbx_digest_add(&sum, p->data, n);
        at += (int64_t)n;
        nbx_progress_update(&progress, (uint64_t)at);
    }
    nbx_progress_end(&progress);
    nbx_digest_end(&sum, digest);
    nbx_hex(p->digest, digest, sizeof digest);
    return err;
}

/* the daemon */

static enum nbx_err take_refusal(const struct push *p, struct nbx_fault *fault)
{
    nbx_fault_set(fault, nbx_cli_error_of(p->reply.status), NULL, "%.*s",
                  NBX_STR_ARG(nbx_cli_text(&p->reply.body, "message")));
    snprintf(fault->field, sizeof fault->field, "%.*s",
             NBX_STR_ARG(nbx_cli_text(&p->reply.body, "field")));
    return fault->code;
}

/* One request; p->reply is ok then. A busy daemon is asked again as long as one may wait. */
static enum nbx_err ask(struct push *p, struct nbx_buf *body, struct nbx_fault *fault)
{
    struct nbx_str bytes = {(const char *)body->p, (uint32_t)body->len};
    struct nbx_request request = {.op = "model.push", .body = bytes};
    int64_t until_ns = nbx_clock_mono_ns() + (int64_t)p->cli->timeout_ms * NS_PER_MS;
    if (body->failed)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    for (uint32_t n_tries = 1;; n_tries++) {
        nbx_arena_reset(p->arena);
        enum nbx_err err =
            nbx_client_call(p->cli->client, &request, p->cli->timeout_ms, p->arena, &p->reply);
        if (err)
            return nbx_cli_no_reply(p->cli, err, fault);
        if (nbx_str_is(p->reply.status, "ok"))
            return NBX_OK;
        int64_t pause_ns = nbx_cli_pause_ms(n_tries) * NS_PER_MS;
        bool later = nbx_str_is(p->reply.status, "busy");
        if (!later || nbx_clock_mono_ns() + pause_ns > until_ns)
            return take_refusal(p, fault);
        nanosleep(&(struct timespec){pause_ns / 1000000000, pause_ns % 1000000000}, NULL);
    }
}

/* What every request of this push begins with. */
static void put_head(const struct push *p, struct nbx_buf *b, uint32_t n_more)
{
    nbx_wire_map(b, 2 + n_more);
    nbx_wire_kv_text(b, "digest", p->digest);
    nbx_wire_kv_int(b, "bytes", p->bytes);
}

static enum nbx_err take_received(struct push *p, int64_t at_least, struct nbx_fault *fault)
{
    int64_t received = nbx_cli_int(&p->reply.body, "received");
    int64_t chunk = nbx_cli_int(&p->reply.body, "chunk");
    if (received < at_least || received > p->bytes || chunk < 1)
        return nbx_fault_set(fault, NBX_EBAD, NULL,
                             "what answers at %s is not an nbxd that takes models",
                             p->cli->endpoint);
    p->received = received;
    if (!p->chunk)
        p->chunk = chunk < NBX_MAX_CHUNK ? chunk : NBX_MAX_CHUNK;
    return NBX_OK;
}

/* Where to go on, and how much to send at once. */
static enum nbx_err ask_received(struct push *p, struct nbx_fault *fault)
{
    struct nbx_buf b = {0};
    put_head(p, &b, 0);
    enum nbx_err err = ask(p, &b, fault);
    nbx_buf_fini(&b);
    if (!err)
        err = take_received(p, 0, fault);
    if (err)
        return err;
    free(p->data);
    p->data = malloc((size_t)p->chunk);
    return p->data ? NBX_OK : nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
}

static enum nbx_err send_chunk(struct push *p, struct nbx_buf *b, struct nbx_fault *fault)
{
    int64_t left = p->bytes - p->received;
    size_t n = (size_t)(left < p->chunk ? left : p->chunk);
    enum nbx_err err = read_file(p, p->received, n, fault);
    if (err)
        return err;
    nbx_buf_clear(b);
    put_head(p, b, 2);
    nbx_wire_kv_int(b, "offset", p->received);
    nbx_wire_text(b, "data");
    nbx_wire_bin(b, p->data, (uint32_t)n);
    err = ask(p, b, fault);
    return err ? err : take_received(p, p->received + (int64_t)n, fault);
}

static enum nbx_err send_rest(struct push *p, struct nbx_fault *fault)
{
    struct nbx_buf b = {0};
    struct nbx_progress progress;
    enum nbx_err err = NBX_OK;
    int64_t from = p->received;
    nbx_progress_start(&progress, STDERR_FILENO, "pushing", "bytes", (uint64_t)(p->bytes - from));
    while (!err && p->received < p->bytes) {
        err = send_chunk(p, &b, fault);
        nbx_progress_update(&progress, (uint64_t)(p->received - from));
    }
    nbx_progress_end(&progress);
    nbx_buf_fini(&b);
    return err;
}

static enum nbx_err commit(struct push *p, const struct nbx_value *how, struct nbx_fault *fault)
{
    struct nbx_buf b = {0};
    put_head(p, &b, 1);
    nbx_wire_kv_value(&b, "commit", how);
    enum nbx_err err = ask(p, &b, fault);
    nbx_buf_fini(&b);
    return err;
}

/* the whole */

/* "recall@20=0.25"; the name may have an equals sign of its own. */
static int read_metric(struct nbx_cli *cli, struct nbx_value *metrics, struct nbx_str text)
{
    struct nbx_value number;
    struct nbx_fault fault;
    const char *equals = memrchr(text.p, '=', text.len);
    if (!equals || equals == text.p)
        return nbx_cli_usage("--metrics: must be KEY=NUMBER, got %.*s", NBX_STR_ARG(text));
    struct nbx_str key = {text.p, (uint32_t)(equals - text.p)};
    enum nbx_err err =
        nbx_json_decode(&number, equals + 1, text.len - key.len - 1, cli->arena, &fault);
    if (err || (number.type != NBX_INT && number.type != NBX_FLOAT))
        return nbx_cli_usage("--metrics: %.*s must be a number, got %s", NBX_STR_ARG(key),
                             equals + 1);
    return nbx_cli_set(metrics, key, number, cli->arena) ? NBX_EXIT_FAILED : NBX_EXIT_OK;
}

static int read_metrics(struct nbx_cli *cli, const struct nbx_cli_args *args, struct nbx_value *how)
{
    const struct nbx_value *texts = nbx_cli_own(args, "metrics");
    struct nbx_value metrics = {.type = NBX_MAP};
    int code = NBX_EXIT_OK;
    for (uint32_t i = 0; !code && texts && i < texts->n; i++)
        code = read_metric(cli, &metrics, texts->list[i].s);
    if (!code && texts && nbx_cli_set(how, NBX_STR("metrics"), metrics, cli->arena))
        code = NBX_EXIT_FAILED;
    return code;
}

static enum nbx_err push(struct push *p, const struct nbx_cli_args *args,
                         const struct nbx_value *how, struct nbx_fault *fault)
{
    enum nbx_err err = open_file(p, fault);
    if (!err && !(p->arena = nbx_arena_new(REPLY_ARENA)))
        err = nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    if (!err)
        err = sum_file(p, fault);
    if (!err)
        err = ask_received(p, fault);
    if (!err)
        err = send_rest(p, fault);
    if (!err) {
        nbx_cli_model_wait(p->cli, args);
        err = commit(p, how, fault);
    }
    return err;
}

static int run(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct push p = {.cli = cli, .path = args->values[0].p, .fd = -1};
    struct nbx_value how = args->body;
    struct nbx_fault fault = {0};
    int code = read_metrics(cli, args, &how);
    if (!code)
        code = nbx_cli_connect(cli);
    if (code)
        return code;
    if (push(&p, args, &how, &fault))
        code = nbx_cli_fail(&fault);
    else if (cli->json)
        nbx_show_json(&p.reply.body);
    else
        nbx_cli_show_version(cli, &p.reply.body);
    if (p.fd >= 0)
        close(p.fd);
    free(p.data);
    nbx_arena_destroy(&p.arena);
    return code;
}

const struct nbx_cli_command nbx_cli_model_push = {
    .group = "model",
    .name = "push",
    .arguments = "FILE",
    .summary = "bring a bundle to nbxd, which keeps it as a version",
    .notes =
        "Sends the file in chunks; a push that was cut off goes on where it was, for a minute.\n"
        "The daemon then looks the bundle through: waits an hour for that and for --activate,\n"
        "unless --timeout is given. The same file again is the same push.",
    NBX_CLI_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
