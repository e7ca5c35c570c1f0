/* SPDX-License-Identifier: MIT */
#include "proto/cli/import_state.h"

#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/json/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAVE_EVERY_NS  INT64_C(200000000)
#define MAX_SHOWN      20
#define MAX_FILE_BYTES 4096

static const char *const names[] = {"rows", "applied", "duplicates", "refused", "withheld"};
#define N_NAMES (sizeof names / sizeof *names)

static void warn(struct nbx_import_state *s, const char *path)
{
    if (!s->warned)
        fprintf(stderr, "nbx: cannot write %s: %s; the import goes on without it\n", path,
                strerror(errno));
    s->warned = true;
}

/* progress */

static uint64_t *count_of(struct nbx_import_counts *counts, size_t i)
{
    uint64_t *all[N_NAMES] = {&counts->rows, &counts->applied, &counts->duplicates,
                              &counts->refused, &counts->withheld};
    return all[i];
}

static enum nbx_err read_progress(struct nbx_import_state *s, const struct nbx_value *v,
                                  struct nbx_import_counts *counts, struct nbx_fault *fault)
{
    const struct nbx_value *bytes = nbx_value_get(v, "file_bytes"), *op = nbx_value_get(v, "op");
    if (!bytes || bytes->type != NBX_INT || (uint64_t)bytes->i != s->file_bytes || !op ||
        op->type != NBX_STRING || !nbx_str_is(op->s, s->op))
        return nbx_fault_set(fault, NBX_EBAD, s->progress_path,
                             "is left from another import, or the file has changed since; "
                             "--restart begins again");
    for (size_t i = 0; i < N_NAMES; i++) {
        const struct nbx_value *count = nbx_value_get(v, names[i]);
        *count_of(counts, i) = count && count->type == NBX_INT ? (uint64_t)count->i : 0;
    }
    s->resumed = true;
    return NBX_OK;
}

static enum nbx_err load(struct nbx_import_state *s, struct nbx_import_counts *counts,
                         struct nbx_fault *fault)
{
    char text[MAX_FILE_BYTES];
    FILE *f = fopen(s->progress_path, "re");
    if (!f)
        return NBX_OK;
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    struct nbx_arena *arena = nbx_arena_new(64 * MAX_FILE_BYTES);
    struct nbx_value v = nbx_value_nil();
    struct nbx_fault inner;
    /* What cannot be read is refused below, as what belongs to another file is. */
    if (!arena || nbx_json_decode(&v, text, n, arena, &inner))
        v = nbx_value_nil();
    enum nbx_err err = read_progress(s, &v, counts, fault);
    nbx_arena_destroy(&arena);
    return err;
}

enum nbx_err nbx_import_state_open(struct nbx_import_state *s, const char *path, const char *op,
                                   bool restart, struct nbx_import_counts *counts,
                                   struct nbx_fault *fault)
{
    struct stat st;
    *s = (struct nbx_import_state){.path = path, .op = op};
    *counts = (struct nbx_import_counts){0};
    if (strcmp(path, "-") == 0 || stat(path, &st) || !S_ISREG(st.st_mode))
        return NBX_OK;
    s->file_bytes = (uint64_t)st.st_size;
    if (asprintf(&s->progress_path, "%s.nbx-import", path) < 0)
        s->progress_path = NULL;
    if (asprintf(&s->refused_path, "%s.refused.jsonl", path) < 0)
        s->refused_path = NULL;
    if (!s->progress_path || !s->refused_path)
        return nbx_fault_set(fault, NBX_ELIMIT, path, "out of memory");
    enum nbx_err err = restart ? NBX_OK : load(s, counts, fault);
    if (!err && !s->resumed)
        unlink(s->refused_path);
    return err;
}

/* A whole new file takes the old one's place, so that none is ever half written. */
static bool replace(const char *path, const struct nbx_buf *text)
{
    char *fresh;
    if (asprintf(&fresh, "%s.new", path) < 0)
        return false;
    FILE *f = fopen(fresh, "we");
    bool good = f && fwrite(text->p, 1, text->len, f) == text->len;
    good = f && fclose(f) == 0 && good;
    good = good && rename(fresh, path) == 0;
    free(fresh);
    return good;
}

void nbx_import_state_save(struct nbx_import_state *s, const struct nbx_import_counts *counts,
                           bool now)
{
    int64_t ns = nbx_clock_mono_ns();
    if (!s->progress_path || (!now && ns - s->saved_ns < SAVE_EVERY_NS))
        return;
    s->saved_ns = ns;
    struct nbx_buf b = {0};
    nbx_buf_printf(&b,
                   "{\"op\": \"%s\", \"file_bytes\": %" PRIu64 ", \"rows\": %" PRIu64
                   ", \"applied\": %" PRIu64 ", \"duplicates\": %" PRIu64 ", \"refused\": %" PRIu64
                   ", \"withheld\": %" PRIu64 "}\n",
                   s->op, s->file_bytes, counts->rows, counts->applied, counts->duplicates,
                   counts->refused, counts->withheld);
    if (b.failed || !replace(s->progress_path, &b))
        warn(s, s->progress_path);
    nbx_buf_fini(&b);
}

/* refused rows */

static void show(struct nbx_import_state *s, uint64_t line, const struct nbx_fault *fault)
{
    if (s->n_shown++ >= MAX_SHOWN) {
        if (s->n_shown == MAX_SHOWN + 1)
            fprintf(stderr, "nbx: more rows were refused%s%s\n", s->refused_path ? ": see " : "",
                    s->refused_path ? s->refused_path : "");
        return;
    }
    bool placed = strncmp(fault->field, s->path, strlen(s->path)) == 0;
    if (placed)
        fprintf(stderr, "nbx: %s: %s\n", fault->field, fault->message);
    else
        fprintf(stderr, "nbx: %s:%" PRIu64 ": %s%s%s\n", s->path, line, fault->field,
                fault->field[0] ? ": " : "", fault->message);
}

void nbx_import_state_refuse(struct nbx_import_state *s, uint64_t line,
                             const struct nbx_fault *fault, const struct nbx_value *entry)
{
    show(s, line, fault);
    if (!s->refused_path)
        return;
    if (!s->refused)
        s->refused = fopen(s->refused_path, "ae");
    struct nbx_member members[4] = {
        {NBX_STR("field"), nbx_value_string(nbx_str_c(fault->field))},
        {NBX_STR("message"), nbx_value_string(nbx_str_c(fault->message))},
    };
    struct nbx_value map = {.type = NBX_MAP, .n = 2, .members = members};
    if (line) /* else the field names the place */
        members[map.n++] = (struct nbx_member){NBX_STR("line"), nbx_value_int((int64_t)line)};
    if (entry)
        members[map.n++] = (struct nbx_member){NBX_STR("entry"), *entry};
    struct nbx_buf b = {0};
    if (nbx_json_encode(&b, &map) == NBX_OK)
        nbx_buf_put_u8(&b, '\n');
    if (!s->refused || fwrite(b.p, 1, b.len, s->refused) != b.len)
        warn(s, s->refused_path);
    nbx_buf_fini(&b);
}

void nbx_import_state_close(struct nbx_import_state *s, bool done)
{
    if (s->refused && fclose(s->refused))
        warn(s, s->refused_path);
    if (done && s->progress_path)
        unlink(s->progress_path);
    free(s->progress_path);
    free(s->refused_path);
}
