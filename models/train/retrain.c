/* SPDX-License-Identifier: MIT */
#include "models/train/retrain.h"

#include "engine/base/clock.h"
#include "proto/client/events.h"
#include "proto/client/fetch.h"
#include "proto/client/push.h"
#include "proto/wire.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define REPLY_BYTES  ((size_t)64 << 20) /* at most, decoded */
#define TIMEOUT_MS   5000
#define ACCEPTING_MS 3600000 /* looking a bundle through takes its time */
#define DAY_MS       INT64_C(86400000)
#define MAX_NOTES    2048
#define MAX_METRICS  8
#define METRIC_BYTES 48
#define DATE_BYTES   32
#define WHO          "nbx-train auto"

static struct nbx_asking asking(const struct nbx_retrain *r)
{
    return (struct nbx_asking){r->client, r->endpoint, TIMEOUT_MS, r->arena};
}

static enum nbx_err make_folder(struct nbx_retrain *r, struct nbx_fault *fault)
{
    const char *parent = getenv("TMPDIR");
    snprintf(r->folder, sizeof r->folder, "%s/nbx-train-XXXXXX",
             parent && *parent ? parent : P_tmpdir);
    if (!mkdtemp(r->folder)) {
        nbx_fault_set(fault, NBX_ESTORAGE, r->folder, "cannot be made: %s", strerror(errno));
        r->folder[0] = '\0';
        return fault->code;
    }
    snprintf(r->events, sizeof r->events, "%s/events.csv", r->folder);
    snprintf(r->trial, sizeof r->trial, "%s/trial.safetensors", r->folder);
    snprintf(r->bundle, sizeof r->bundle, "%s/model.safetensors", r->folder);
    snprintf(r->active, sizeof r->active, "%s/active.safetensors", r->folder);
    return NBX_OK;
}

enum nbx_err nbx_retrain_begin(struct nbx_retrain *r, struct nbx_task *task,
                               struct nbx_fault *fault)
{
    enum nbx_err err = nbx_client_new(&r->client, r->endpoint);
    if (err == NBX_EBAD)
        return nbx_fault_set(fault, err, "--from",
                             "%s is not an endpoint such as tcp://127.0.0.1:7741", r->endpoint);
    r->arena = nbx_arena_new(REPLY_BYTES);
    if (err || !r->arena)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "no memory or descriptor for a connection");
    err = make_folder(r, fault);
    task->events = r->events;
    if (!task->out)
        task->out = r->bundle;
    return err;
}

/* what answers */

static struct nbx_str text_of(const struct nbx_value *map, const char *key)
{
    const struct nbx_value *v = map ? nbx_value_get(map, key) : NULL;
    return v && v->type == NBX_STRING ? v->s : (struct nbx_str){0};
}

static enum nbx_err find_active(struct nbx_retrain *r, struct nbx_fault *fault)
{
    struct nbx_buf body = {0};
    struct nbx_reply reply;
    struct nbx_asking a = asking(r);
    nbx_wire_map(&body, 0);
    enum nbx_err err = nbx_ask_ok(&a, "model.list", &body, &reply, fault);
    nbx_buf_fini(&body);
    const struct nbx_value *active = err ? NULL : nbx_value_get(&reply.body, "active");
    snprintf(r->name, sizeof r->name, "%.*s", NBX_STR_ARG(text_of(active, "name")));
    snprintf(r->version, sizeof r->version, "%.*s", NBX_STR_ARG(text_of(active, "version")));
    snprintf(r->called, sizeof r->called, "%s %s", r->name, r->version);
    return err;
}

enum nbx_err nbx_retrain_fetch(struct nbx_retrain *r, struct nbx_fault *fault)
{
    enum nbx_err err = find_active(r, fault);
    if (err || !r->version[0] || r->judge.against)
        return err;
    struct nbx_fetch fetch = {.from = asking(r),
                              .name = nbx_str_c(r->name),
                              .version = nbx_str_c(r->version),
                              .path = r->active,
                              .progress_fd = STDERR_FILENO};
    r->judge.against = r->active;
    r->judge.called = r->called;
    return nbx_fetch_model(&fetch, fault);
}

/* events */

static enum nbx_err pull_into(struct nbx_retrain *r, FILE *out, struct nbx_fault *fault)
{
    int64_t since_ms = nbx_clock_wall_ms() - (int64_t)r->days * DAY_MS;
    struct nbx_member since = {NBX_STR("since"), nbx_value_int(since_ms > 0 ? since_ms : 0)};
    struct nbx_value wanted = {.type = NBX_MAP, .n = r->days ? 1 : 0, .members = &since};
    struct nbx_pull pull = {.from = asking(r), .wanted = &wanted, .progress_fd = STDERR_FILENO};
    return nbx_pull_events(&pull, out, &r->n_events, fault);
}

enum nbx_err nbx_retrain_pull(struct nbx_retrain *r, struct nbx_fault *fault)
{
    int64_t start_ns = nbx_clock_mono_ns();
    FILE *out = fopen(r->events, "we");
    if (!out)
        return nbx_fault_set(fault, NBX_ESTORAGE, r->events, "cannot be written: %s",
                             strerror(errno));
    enum nbx_err err = pull_into(r, out, fault);
    if (fclose(out) && !err)
        err =
            nbx_fault_set(fault, NBX_ESTORAGE, r->events, "cannot be written: %s", strerror(errno));
    if (err)
        return err;
    printf("pulled %" PRIu64 " events from %s in %.1f s\n", r->n_events, r->endpoint,
           (double)(nbx_clock_mono_ns() - start_ns) / 1e9);
    return r->n_events ? NBX_OK
                       : nbx_fault_set(fault, NBX_EBAD, "--from", "%s has no events to learn from",
                                       r->endpoint);
}

void nbx_retrain_drop_events(const struct nbx_retrain *r)
{
    unlink(r->events);
}

/* the version */

/* Figures under their names. */
struct metrics {
    char names[MAX_METRICS][METRIC_BYTES];
    struct nbx_member members[MAX_METRICS]; /* (n) */
    uint32_t n;
};

static void add_metric(struct metrics *m, struct nbx_value value, const char *name, size_t k)
{
    char *text = m->names[m->n];
    snprintf(text, METRIC_BYTES, k ? "%s@%zu" : "%s", name, k);
    m->members[m->n++] = (struct nbx_member){nbx_str_c(text), value};
}

static void collect(struct metrics *m, const struct nbx_retrain *r, const struct nbx_task *task)
{
    const struct nbx_judge *j = &r->judge;
    *m = (struct metrics){.n = 0};
    add_metric(m, nbx_value_int((int64_t)r->n_events), "events", 0);
    add_metric(m, nbx_value_int((int64_t)task->dataset->n_items), "items", 0);
    add_metric(m, nbx_value_int((int64_t)j->customers), "customers", 0);
    if (j->customers) {
        add_metric(m, nbx_value_float(j->fresh.metrics.ndcg), "ndcg", j->k);
        add_metric(m, nbx_value_float(j->fresh.metrics.recall), "recall", j->k);
        add_metric(m, nbx_value_float(j->fresh.coverage), "coverage", j->k);
    }
    if (j->compares) {
        add_metric(m, nbx_value_float(j->other.metrics.ndcg), "active.ndcg", j->k);
        add_metric(m, nbx_value_float(j->other.metrics.recall), "active.recall", j->k);
    }
}

static void put_date(struct nbx_buf *b, int64_t ms)
{
    char text[DATE_BYTES] = "";
    struct tm tm;
    time_t s = (time_t)(ms / 1000);
    if (gmtime_r(&s, &tm))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    nbx_buf_printf(b, "%s", text);
}

/* What of, by what recipe, how good: for people. */
static void report(struct nbx_buf *b, const struct nbx_retrain *r, const struct nbx_task *task,
                   const struct nbx_recipe *recipe)
{
    const struct nbx_dataset *d = task->dataset;
    const struct nbx_judge *j = &r->judge;
    nbx_buf_printf(b, "%" PRIu64 " events from ", r->n_events);
    put_date(b, d->first_ms);
    nbx_buf_printf(b, " to ");
    put_date(b, d->last_ms);
    nbx_buf_printf(b, ": %zu customers, %zu items; ", d->n_customers, d->n_items);
    for (size_t i = 0; i < recipe->n_parts; i++)
        nbx_buf_printf(b, "%s%s %.3g", i ? ", " : "",
                       nbx_family_info(recipe->parts[i].family)->name, recipe->parts[i].weight);
    if (j->customers)
        nbx_buf_printf(b, "; of the last item of %zu customers ndcg@%zu %.4f, recall@%zu %.4f",
                       j->customers, j->k, j->fresh.metrics.ndcg, j->k, j->fresh.metrics.recall);
    if (j->compares)
        nbx_buf_printf(b, "; %s: %.4f, %.4f", j->called, j->other.metrics.ndcg,
                       j->other.metrics.recall);
}

static enum nbx_err push(struct nbx_retrain *r, const struct nbx_task *task,
                         const struct nbx_value *commit, struct nbx_fault *fault)
{
    struct nbx_value version;
    struct nbx_push push = {.to = asking(r),
                            .commit_timeout_ms = ACCEPTING_MS,
                            .path = task->out,
                            .commit = commit,
                            .progress_fd = STDERR_FILENO};
    enum nbx_err err = nbx_push_model(&push, &version, fault);
    if (!err)
        printf("pushed %.*s %.*s: %.*s\n", NBX_STR_ARG(text_of(&version, "name")),
               NBX_STR_ARG(text_of(&version, "version")), NBX_STR_ARG(text_of(&version, "stage")));
    return err;
}

enum nbx_err nbx_retrain_push(struct nbx_retrain *r, const struct nbx_task *task,
                              const struct nbx_recipe *recipe, struct nbx_fault *fault)
{
    struct metrics m;
    struct nbx_buf notes = {0};
    collect(&m, r, task);
    report(&notes, r, task, recipe);
    uint32_t n_notes = (uint32_t)(notes.len < MAX_NOTES ? notes.len : MAX_NOTES);
    struct nbx_member said[] = {
        {NBX_STR("by"), nbx_value_string(NBX_STR(WHO))},
        {NBX_STR("notes"), nbx_value_string((struct nbx_str){(const char *)notes.p, n_notes})},
        {NBX_STR("metrics"), {.type = NBX_MAP, .n = m.n, .members = m.members}},
        {NBX_STR("parent"), nbx_value_string(nbx_str_c(r->version))}};
    struct nbx_value commit = {.type = NBX_MAP, .n = r->version[0] ? 4 : 3, .members = said};
    enum nbx_err err = notes.failed ? nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory")
                                    : push(r, task, &commit, fault);
    nbx_buf_fini(&notes);
    return err;
}

void nbx_retrain_fini(struct nbx_retrain *r)
{
    nbx_judge_fini(&r->judge);
    nbx_client_destroy(&r->client);
    nbx_arena_destroy(&r->arena);
    if (!r->folder[0])
        return;
    nbx_retrain_drop_events(r);
    unlink(r->trial);
    unlink(r->active);
    unlink(r->bundle);
    rmdir(r->folder);
}
