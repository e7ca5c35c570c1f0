/* SPDX-License-Identifier: MIT
 * log tail, log export: the commands in the order they were taken, a line of JSON each.
 */
#include "engine/base/grow.h"
#include "engine/base/progress.h"
#include "engine/json/json.h"
#include "proto/cli/cli.h"
#include "proto/message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define N_STREAMS    (NBX_MAX_STREAM + 1)
#define PAGE_BYTES   ((size_t)40 * NBX_CLIENT_MAX_REPLY_BYTES) /* at most, decoded */
#define PAGE_ENTRIES 100
#define TAIL_DEFAULT 10
#define POLL_NS      500000000

/* One run of a command: how far each stream has been read, and where lines go. */
struct reading {
    struct nbx_cli page; /* the command's connection with an arena for the reply at hand */
    int64_t next[N_STREAMS], heads[N_STREAMS];
    FILE *out;
    struct nbx_buf line;
    struct nbx_progress *progress; /* or NULL */
    uint64_t done;                 /* commands written */
};

static int fail(enum nbx_err code, const char *what, const char *why)
{
    struct nbx_fault fault = {0};
    nbx_fault_set(&fault, code, NULL, "%s: %s", what, why);
    return nbx_cli_fail(&fault);
}

static int begin(struct reading *r, struct nbx_cli *cli)
{
    *r = (struct reading){.out = stdout};
    int code = nbx_cli_connect(cli);
    r->page = *cli;
    r->page.arena = nbx_arena_new(PAGE_BYTES);
    for (int s = 0; s < N_STREAMS; s++)
        r->next[s] = 1;
    return code || r->page.arena ? code : fail(NBX_ELIMIT, "the log", "out of memory");
}

static void end(struct reading *r)
{
    nbx_buf_fini(&r->line);
    nbx_arena_destroy(&r->page.arena);
}

static int read_heads(struct reading *r)
{
    struct nbx_value body = {.type = NBX_MAP};
    struct nbx_reply reply;
    nbx_arena_reset(r->page.arena);
    int code = nbx_cli_call(&r->page, "log.heads", (struct nbx_str){0}, &body, &reply);
    const struct nbx_value *heads = code ? NULL : nbx_value_get(&reply.body, "heads");
    if (code)
        return code;
    if (!heads || heads->type != NBX_LIST || heads->n != N_STREAMS)
        return fail(NBX_EINTERNAL, "log.heads", "the reply names no heads");
    for (int s = 0; s < N_STREAMS; s++)
        r->heads[s] = heads->list[s].type == NBX_INT ? heads->list[s].i : 0;
    return NBX_EXIT_OK;
}

/* Entries of a stream from `from` on, in the page's arena until the next call; *next: the number
 * to go on from. NULL where it failed, which was told then. */
static const struct nbx_value *read_page(struct reading *r, int stream, int64_t from, int64_t *next)
{
    struct nbx_member members[] = {{NBX_STR("stream"), nbx_value_int(stream)},
                                   {NBX_STR("from"), nbx_value_int(from)},
                                   {NBX_STR("n"), nbx_value_int(PAGE_ENTRIES)}};
    struct nbx_value body = {.type = NBX_MAP, .n = 3, .members = members};
    struct nbx_reply reply;
    nbx_arena_reset(r->page.arena);
    if (nbx_cli_call(&r->page, "log.read", (struct nbx_str){0}, &body, &reply))
        return NULL;
    const struct nbx_value *entries = nbx_value_get(&reply.body, "entries");
    *next = nbx_cli_int(&reply.body, "next");
    if (entries && entries->type == NBX_LIST && (entries->n == 0 || *next > from))
        return entries;
    fail(NBX_EINTERNAL, "log.read", "the reply has no entries");
    return NULL;
}

static int write_line(struct reading *r, const struct nbx_value *entry)
{
    nbx_buf_clear(&r->line);
    if (nbx_json_encode(&r->line, entry))
        return fail(NBX_EINTERNAL, "an entry", "cannot be written as JSON");
    nbx_buf_put_u8(&r->line, '\n');
    if (r->line.failed || fwrite(r->line.p, 1, r->line.len, r->out) != r->line.len)
        return fail(NBX_ESTORAGE, "the log cannot be written", strerror(errno));
    r->done += (uint64_t)nbx_cli_int(entry, "n");
    return NBX_EXIT_OK;
}

/* Whatever lies between what was read of a stream and its head. */
static int copy_stream(struct reading *r, int stream)
{
    int code = NBX_EXIT_OK;
    while (!code && r->next[stream] <= r->heads[stream]) {
        int64_t next;
        const struct nbx_value *entries = read_page(r, stream, r->next[stream], &next);
        if (!entries)
            return NBX_EXIT_FAILED;
        if (entries->n == 0)
            return fail(NBX_ECORRUPT, "the log", "ends before its head; run nbx verify");
        for (uint32_t i = 0; !code && i < entries->n; i++)
            code = write_line(r, &entries->list[i]);
        r->next[stream] = next;
        if (r->progress)
            nbx_progress_update(r->progress, r->done);
    }
    return code;
}

static int copy_streams(struct reading *r)
{
    int code = NBX_EXIT_OK;
    for (int s = 0; !code && s < N_STREAMS; s++)
        code = copy_stream(r, s);
    if (!code && fflush(r->out))
        code = fail(NBX_ESTORAGE, "the log cannot be written", strerror(errno));
    return code;
}

/* tail */

struct newest {
    int64_t time;
    char *text;
};

struct newest_list {
    struct newest *p; /* (n) of (room) */
    size_t n, room;
};

static bool keep(struct newest_list *list, const struct nbx_value *entry, struct nbx_buf *line)
{
    nbx_buf_clear(line);
    if (nbx_json_encode(line, entry))
        return false;
    nbx_buf_put_u8(line, '\0');
    struct newest *p = nbx_grow(list->p, list->n, &list->room, sizeof *p);
    if (!p)
        return false;
    list->p = p;
    char *text = line->failed ? NULL : strdup((const char *)line->p);
    if (text)
        list->p[list->n++] = (struct newest){nbx_cli_int(entry, "time"), text};
    return text != NULL;
}

static int compare_newest(const void *a, const void *b)
{
    const struct newest *x = a, *y = b;
    return (x->time > y->time) - (x->time < y->time);
}

/* The entries of a stream's last n commands; a first entry may stand for older ones too. */
static int gather(struct reading *r, struct newest_list *list, int stream, int64_t n)
{
    int64_t from = r->heads[stream] - n + 1, next;
    for (from = from > 1 ? from : 1; from <= r->heads[stream]; from = next) {
        const struct nbx_value *entries = read_page(r, stream, from, &next);
        if (!entries)
            return NBX_EXIT_FAILED;
        for (uint32_t i = 0; i < entries->n; i++)
            if (!keep(list, &entries->list[i], &r->line))
                return fail(NBX_ELIMIT, "the log", "out of memory");
        if (entries->n == 0)
            break;
        r->next[stream] = next;
    }
    return NBX_EXIT_OK;
}

/* The newest n entries of all streams, oldest first. */
static int print_newest(struct reading *r, int64_t n)
{
    struct newest_list list = {0};
    int code = read_heads(r);
    for (int s = 0; !code && s < N_STREAMS; s++) {
        r->next[s] = r->heads[s] + 1;
        code = gather(r, &list, s, n);
    }
    if (list.n)
        qsort(list.p, list.n, sizeof *list.p, compare_newest);
    for (size_t i = 0; i < list.n; i++) {
        if (!code && list.n - i <= (size_t)n)
            puts(list.p[i].text);
        free(list.p[i].text);
    }
    free(list.p);
    fflush(stdout);
    return code;
}

static int follow(struct reading *r)
{
    const struct timespec pause = {0, POLL_NS};
    int code = NBX_EXIT_OK;
    while (!code) {
        nanosleep(&pause, NULL);
        code = read_heads(r);
        if (!code)
            code = copy_streams(r);
    }
    return code;
}

static int run_tail(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct reading r;
    const struct nbx_value *n = nbx_cli_own(args, "n");
    if (n && (n->i < 0 || n->i > NBX_MAX_LOG_ENTRIES))
        return nbx_cli_usage("--n: must be 0 to %d", NBX_MAX_LOG_ENTRIES);
    int code = begin(&r, cli);
    if (!code)
        code = print_newest(&r, n ? n->i : TAIL_DEFAULT);
    if (!code && nbx_cli_own(args, "follow"))
        code = follow(&r);
    end(&r);
    return code;
}

/* export */

/* What a line says of its place; false where it is none of an export's. */
static bool parse_place(const char *line, int *stream, int64_t *behind)
{
    long long seq, n;
    if (sscanf(line, "{\"stream\":%d,\"seq\":%lld,\"n\":%lld,", stream, &seq, &n) != 3)
        return false;
    *behind = (int64_t)seq + n;
    return *stream >= 0 && *stream < N_STREAMS && seq >= 1 && n >= 1;
}

/* How far an export that is there came. A last line that was cut short is cut off. */
static int resume(struct reading *r, const char *path)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t len;
    off_t whole = 0;
    int code = NBX_EXIT_OK;
    while (!code && (len = getline(&line, &room, r->out)) > 0 && line[len - 1] == '\n') {
        int stream;
        int64_t behind;
        if (parse_place(line, &stream, &behind))
            r->next[stream] = behind > r->next[stream] ? behind : r->next[stream];
        else
            code = fail(NBX_ECONFLICT, path, "is there and is no export of a log");
        whole += len;
    }
    free(line);
    if (!code &&
        (ferror(r->out) || ftruncate(fileno(r->out), whole) || fseeko(r->out, whole, SEEK_SET)))
        code = fail(NBX_ESTORAGE, path, strerror(errno));
    return code;
}

static int export(struct reading *r, const char *path)
{
    struct nbx_progress progress;
    uint64_t total = 0;
    int code = resume(r, path);
    if (!code)
        code = read_heads(r);
    if (code)
        return code;
    for (int s = 0; s < N_STREAMS; s++)
        total += r->heads[s] >= r->next[s] ? (uint64_t)(r->heads[s] - r->next[s] + 1) : 0;
    r->progress = &progress;
    nbx_progress_start(&progress, STDERR_FILENO, "exporting the log", "commands", total);
    code = copy_streams(r);
    nbx_progress_end(&progress);
    if (!code && fsync(fileno(r->out)))
        code = fail(NBX_ESTORAGE, path, strerror(errno));
    if (!code)
        printf("%llu commands\n", (unsigned long long)r->done);
    return code;
}

static int run_export(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct reading r;
    const char *path = args->values[0].p;
    int code = begin(&r, cli);
    if (!code) {
        r.out = fopen(path, "a+");
        code = r.out ? export(&r, path) : fail(NBX_ESTORAGE, path, strerror(errno));
        if (r.out && fclose(r.out) && !code)
            code = fail(NBX_ESTORAGE, path, strerror(errno));
    }
    end(&r);
    return code;
}

static const struct nbx_cli_option tail_options[] = {
    {"follow", NULL, NULL, "go on with what comes, until interrupted", NBX_CLI_YES},
    {"n", "N", NULL, "entries to begin with (default 10)", NBX_CLI_INT},
};

const struct nbx_cli_command nbx_cli_log_tail = {
    .group = "log",
    .name = "tail",
    .arguments = "",
    .summary = "the newest commands taken, a line of JSON each",
    NBX_CLI_OPTIONS(tail_options),
    .run = run_tail,
};

const struct nbx_cli_command nbx_cli_log_export = {
    .group = "log",
    .name = "export",
    .arguments = "FILE",
    .summary = "every command taken, a line of JSON each, stream by stream",
    .notes = "Where FILE is an earlier export, also one cut short, what it lacks is appended.\n"
             "An entry whose customer was forgotten since stays in the file as it was.",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_export,
};
