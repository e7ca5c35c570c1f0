/* SPDX-License-Identifier: MIT */
#include "tests/daemon/harness_push.h"

#include "engine/base/hash.h"
#include "proto/wire.h"

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

#define NAMES_MAX 64

void pushed_sign(struct pushed *f)
{
    uint8_t digest[NBX_DIGEST_BYTES];
    struct nbx_digest sum;
    nbx_digest_begin(&sum);
    nbx_digest_add(&sum, f->p, f->n);
    nbx_digest_end(&sum, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(f->digest + 2 * i, 3, "%02x", digest[i]);
}

void pushed_make(struct pushed *f, const struct server *s, const struct nbx_bundle_info *info)
{
    char path[160];
    server_bundle(s, "../pushed", info);
    snprintf(path, sizeof path, "%s/pushed" NBX_BUNDLE_SUFFIX, s->folder);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file, "%s", path);
    fseek(file, 0, SEEK_END);
    long n = ftell(file);
    rewind(file);
    cr_assert(n > 0);
    *f = (struct pushed){.p = malloc((size_t)n), .n = (size_t)n};
    cr_assert_not_null(f->p);
    cr_assert_eq(fread(f->p, 1, f->n, file), f->n);
    fclose(file);
    cr_assert_eq(unlink(path), 0);
    pushed_sign(f);
}

void pushed_free(struct pushed *f)
{
    free(f->p);
    *f = (struct pushed){0};
}

struct nbx_str push_body(struct peer *p, const struct pushed *f, struct pushed_part part)
{
    struct nbx_buf b = {0};
    nbx_wire_map(&b, 4 + (part.commit != NULL));
    nbx_wire_kv_text(&b, "digest", f->digest);
    nbx_wire_kv_int(&b, "bytes", (int64_t)f->n);
    nbx_wire_kv_int(&b, "offset", (int64_t)part.offset);
    nbx_wire_text(&b, "data");
    nbx_wire_bin(&b, f->p + part.offset, (uint32_t)part.n);
    if (part.commit) {
        struct nbx_str commit = peer_body(p, "%s", part.commit);
        nbx_wire_text(&b, "commit");
        nbx_buf_put(&b, commit.p, commit.len);
    }
    cr_assert(!b.failed);
    struct nbx_str body =
        nbx_arena_str(p->arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return body;
}

struct answer push(struct peer *p, const struct pushed *f, struct pushed_part part)
{
    return ask_raw(p, "model.push", NBX_STR(""), push_body(p, f, part));
}

struct answer push_all(struct peer *p, const struct pushed *f, const char *commit)
{
    struct answer a = push(p, f, (struct pushed_part){0});
    while (strcmp(a.status, "ok") == 0) {
        size_t at = (size_t)int_at(a.body, "received"), chunk = (size_t)int_at(a.body, "chunk");
        size_t n = f->n - at < chunk ? f->n - at : chunk;
        bool last = at + n == f->n;
        a = push(p, f, (struct pushed_part){at, n, last ? commit : NULL});
        if (last)
            break;
    }
    return a;
}

struct nbx_value *must_push(struct peer *p, const struct pushed *f, const char *commit)
{
    struct answer a = push_all(p, f, commit);
    const struct nbx_value *message = nbx_value_get(a.body, "message");
    cr_assert_str_eq(a.status, "ok", "model.push: %s: %.*s", a.status,
                     message ? (int)message->s.len : 0, message ? message->s.p : "");
    return a.body;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *models_on_disk(const struct server *s)
{
    static char out[NAMES_MAX * 160];
    char path[128], *names[NAMES_MAX];
    size_t n = 0, used = 0;
    snprintf(path, sizeof path, "%s/models", s->data);
    DIR *d = opendir(path);
    out[0] = '\0';
    for (struct dirent *e; d && n < NAMES_MAX && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            names[n++] = strdup(e->d_name);
    if (d)
        closedir(d);
    if (n)
        qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%s", i ? " " : "", names[i]);
        free(names[i]);
    }
    return out;
}
