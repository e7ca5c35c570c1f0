/* SPDX-License-Identifier: MIT */
#include "tests/crash/pushing.h"

#include "engine/base/random.h"
#include "models/bundle/bundle.h"
#include "proto/wire.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool pushing_program(char *path, size_t bytes, int argc, char **argv)
{
    static const struct option known[] = {{"program", required_argument, NULL, 'p'},
                                          {NULL, 0, NULL, 0}};
    setvbuf(stdout, NULL, _IOLBF, 0);
    daemon_program(path, bytes);
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (c != 'p') {
            fprintf(stderr, "usage: %s [--program NBXD]\n", argv[0]);
            return false;
        }
        snprintf(path, bytes, "%s", optarg);
    }
    return true;
}

#define ID_BYTES   8
#define SEED       1
#define TIMEOUT_MS 60000

/* files */

static bool write_bundle(const char *path, const char *version, size_t n_items)
{
    float *factors = calloc(n_items * PUSHING_DIMS, sizeof *factors);
    struct nbx_str *ids = calloc(n_items, sizeof *ids + ID_BYTES);
    struct nbx_random random;
    struct nbx_fault fault = {0};
    bool made = factors && ids;
    char *text = made ? (char *)(ids + n_items) : NULL;
    nbx_random_init(&random, SEED);
    for (size_t i = 0; made && i < n_items * PUSHING_DIMS; i++)
        factors[i] = (float)nbx_random_normal(&random);
    for (size_t i = 0; made && i < n_items; i++, text += ID_BYTES) {
        snprintf(text, ID_BYTES, "i%u", (unsigned)i);
        ids[i] = nbx_str_c(text);
    }
    struct nbx_bundle_info info = {.name = NBX_STR(PUSHING_NAME),
                                   .version = nbx_str_c(version),
                                   .family = NBX_STR("factors"),
                                   .created_ms = 1700000000000,
                                   .n_items = n_items,
                                   .item_ids = ids,
                                   .n_spaces = 1};
    info.spaces[0] = (struct nbx_space){.name = NBX_STR("main"),
                                        .dims = PUSHING_DIMS,
                                        .customer = NBX_CUSTOMER_FOLDED,
                                        .item_factors = factors,
                                        .alpha0 = 0.1F,
                                        .lambda = 0.1F,
                                        .nu = 1};
    made = made && nbx_bundle_write(path, &info, NULL, &fault) == NBX_OK;
    if (!made)
        printf("%s cannot be written: %s\n", path, fault.message);
    free(factors);
    free(ids);
    return made;
}

static bool read_file(struct pushed *out, const char *path)
{
    uint8_t digest[NBX_DIGEST_BYTES];
    struct nbx_digest sum;
    FILE *f = fopen(path, "re");
    long n = f && fseek(f, 0, SEEK_END) == 0 ? ftell(f) : 0;
    *out = (struct pushed){.p = n > 0 ? malloc((size_t)n) : NULL};
    if (out->p) {
        rewind(f);
        out->n = fread(out->p, 1, (size_t)n, f);
    }
    if (f)
        fclose(f);
    if (!out->p || out->n != (size_t)n)
        return false;
    nbx_digest_begin(&sum);
    nbx_digest_add(&sum, out->p, out->n);
    nbx_digest_end(&sum, digest);
    nbx_hex(out->digest, digest, sizeof digest);
    return true;
}

bool pushed_make(struct pushed *out, const char *folder, const char *version, size_t n_items)
{
    char path[DAEMON_PATH_BYTES];
    snprintf(path, sizeof path, "%s/pushed", folder);
    return write_bundle(path, version, n_items) && read_file(out, path) && unlink(path) == 0;
}

void pushed_free(struct pushed *f)
{
    free(f->p);
    *f = (struct pushed){0};
}

/* requests */

bool pushing_ask(struct pushing *p, const char *op, struct nbx_str body, struct nbx_reply *out)
{
    struct nbx_request request = {.op = op, .body = body};
    nbx_arena_reset(p->arena);
    if (nbx_client_call(p->client, &request, TIMEOUT_MS, p->arena, out) == NBX_OK)
        return true;
    printf("%s: no reply\n", op);
    return false;
}

static struct nbx_str body_of(const struct pushing *p)
{
    return (struct nbx_str){(const char *)p->body.p, (uint32_t)p->body.len};
}

/* A model.push but for its data or commit, which follow. */
static void begin(struct pushing *p, const struct pushed *f, size_t from)
{
    nbx_buf_clear(&p->body);
    nbx_wire_map(&p->body, 4);
    nbx_wire_kv_text(&p->body, "digest", f->digest);
    nbx_wire_kv_int(&p->body, "bytes", (int64_t)f->n);
    nbx_wire_kv_int(&p->body, "offset", (int64_t)from);
}

static bool push(struct pushing *p, const struct pushed *f, size_t from, size_t n,
                 struct nbx_reply *out)
{
    begin(p, f, from);
    nbx_wire_text(&p->body, "data");
    nbx_wire_bin(&p->body, f->p + from, (uint32_t)n);
    return pushing_ask(p, "model.push", body_of(p), out);
}

bool pushing_until(struct pushing *p, const struct pushed *f, size_t to, struct nbx_reply *out)
{
    if (!push(p, f, 0, 0, out))
        return false;
    while (nbx_str_is(out->status, "ok") && reply_int(&out->body, "received") < (int64_t)to) {
        size_t from = (size_t)reply_int(&out->body, "received");
        size_t chunk = (size_t)reply_int(&out->body, "chunk");
        if (!push(p, f, from, chunk < to - from ? chunk : to - from, out))
            return false;
    }
    return true;
}

bool pushing_commit(struct pushing *p, const struct pushed *f, struct nbx_reply *out)
{
    begin(p, f, 0);
    nbx_wire_text(&p->body, "commit");
    nbx_wire_map(&p->body, 0);
    return pushing_ask(p, "model.push", body_of(p), out);
}

bool pushing_all(struct pushing *p, const struct pushed *f, struct nbx_reply *out)
{
    return pushing_until(p, f, f->n, out) &&
           (!nbx_str_is(out->status, "ok") || pushing_commit(p, f, out));
}

bool pushing_version(struct pushing *p, const char *op, const char *version, struct nbx_reply *out)
{
    nbx_buf_clear(&p->body);
    nbx_wire_map(&p->body, 2);
    nbx_wire_kv_text(&p->body, "name", PUSHING_NAME);
    nbx_wire_kv_text(&p->body, "version", version);
    return pushing_ask(p, op, body_of(p), out) &&
           (nbx_str_is(out->status, "ok") || pushing_is(out, "ok"));
}

bool pushing_serves(struct pushing *p, const char *version)
{
    struct nbx_reply reply;
    if (!pushing_ask(p, "recommend", NBX_STR("\x80"), &reply) || !pushing_is(&reply, "ok"))
        return false;
    const struct nbx_value *model = nbx_value_get(&reply.body, "model");
    const struct nbx_value *is = model ? nbx_value_get(model, "version") : NULL;
    if (is && nbx_str_is(is->s, version))
        return true;
    printf("another model answers, not version %s\n", version);
    return false;
}

bool pushing_is(const struct nbx_reply *reply, const char *status)
{
    const struct nbx_value *message = nbx_value_get(&reply->body, "message");
    if (message)
        printf("  %.*s: %.*s\n", NBX_STR_ARG(reply->status), NBX_STR_ARG(message->s));
    return nbx_str_is(reply->status, status);
}
