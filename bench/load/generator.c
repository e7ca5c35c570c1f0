/* SPDX-License-Identifier: MIT */
#include "bench/load/generator.h"

#include "bench/load/schedule.h"
#include "engine/base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

/* A request that was sent. */
struct under_way {
    int64_t due_ns; /* 0: none */
    uint64_t number;
    unsigned kind;
};

struct generator {
    struct nbx_load_options options;
    nbx_load_make *make;
    void *arg;
    struct nbx_load_result *result;
    struct nbx_fault *fault;

    struct nbx_client *clients[NBX_LOAD_MAX_CONNECTIONS];
    struct pollfd fds[NBX_LOAD_MAX_CONNECTIONS];
    struct nbx_arena *arena;
    struct nbx_load_schedule schedule;
    struct under_way *under_way; /* (NBX_LOAD_MAX_UNDER_WAY) by number modulo */
    uint64_t next_number, n_under_way;
    int64_t counted_from_ns, end_ns, give_up_ns, last_reply_ns;
    int64_t waiting_since_ns; /* the first send after the last reply; 0: none yet */
    int64_t silent_since_ns;  /* the last reply, or the first send where none was under way */
};

/* starting */

static enum nbx_err connect_one(struct generator *g, unsigned i)
{
    struct nbx_request hello = {.op = "hello", .body = NBX_STR("\x80")};
    struct nbx_reply reply;
    const char *endpoint = g->options.endpoint;
    enum nbx_err err = nbx_client_new(&g->clients[i], endpoint);
    if (err == NBX_EBAD)
        return nbx_fault_set(g->fault, err, "--endpoint", "not an endpoint: %s", endpoint);
    if (!err)
        err = nbx_client_call(g->clients[i], &hello, (int)g->options.timeout_ms, g->arena, &reply);
    if (err == NBX_EBUSY)
        return nbx_fault_set(g->fault, err, "--endpoint", "nobody answers at %s within %u ms",
                             endpoint, g->options.timeout_ms);
    if (err)
        return nbx_fault_set(g->fault, err == NBX_EBAD ? NBX_EINTERNAL : err, "--endpoint",
                             "%s: %s", endpoint,
                             err == NBX_EBAD ? "what answers there is no nbxd"
                                             : "no memory, descriptors or sockets left");
    g->fds[i] = (struct pollfd){.fd = nbx_client_fd(g->clients[i]), .events = POLLIN};
    return NBX_OK;
}

static enum nbx_err connect_all(struct generator *g)
{
    enum nbx_err err = NBX_OK;
    for (unsigned i = 0; i < g->options.connections && !err; i++)
        err = connect_one(g, i);
    return err;
}

static void release(struct generator *g)
{
    for (unsigned i = 0; i < g->options.connections; i++)
        nbx_client_drop(&g->clients[i]);
    nbx_arena_destroy(&g->arena);
    free(g->under_way);
}

/* sending */

/* A free slot for the next number. One that was never answered frees its own after timeout_ms:
 * what a restarted server lost must not block the numbers that come round to it. */
static struct under_way *find_slot(struct generator *g, int64_t now)
{
    struct under_way *slot = &g->under_way[g->next_number % NBX_LOAD_MAX_UNDER_WAY];
    if (slot->due_ns && now - slot->due_ns > g->options.timeout_ms * NS_PER_MS) {
        slot->due_ns = 0;
        g->n_under_way--;
    }
    return slot->due_ns ? NULL : slot;
}

static void send_one(struct generator *g, int64_t due_ns)
{
    struct nbx_request request = {.op = NULL};
    unsigned kind = g->make(g->arg, g->next_number, &request);
    struct nbx_load_tally *tally = &g->result->kinds[kind];
    bool counted = due_ns >= g->counted_from_ns;
    int64_t now = nbx_clock_mono_ns();
    struct under_way *slot = find_slot(g, now);
    request.tag = g->next_number++;
    if (!slot || nbx_client_send(g->clients[request.tag % g->options.connections], &request)) {
        tally->not_sent += counted;
        return;
    }
    *slot = (struct under_way){due_ns, request.tag, kind};
    if (g->n_under_way++ == 0)
        g->silent_since_ns = now;
    if (!g->waiting_since_ns)
        g->waiting_since_ns = now;
    if (!counted)
        return;
    tally->sent++;
    tally->late += now - due_ns > NBX_LOAD_LATE_NS;
    nbx_hist_add(&g->result->lateness_ns, (uint64_t)(now - due_ns));
}

static bool has_more(const struct generator *g)
{
    return g->schedule.due_ns < g->end_ns;
}

/* Everything due until now; a generator that woke late sends the rest at once, and the lateness
 * is part of the latency. */
static void send_all_due(struct generator *g)
{
    int64_t now = nbx_clock_mono_ns();
    while (g->schedule.due_ns <= now && has_more(g))
        send_one(g, nbx_load_schedule_take(&g->schedule));
}

/* replies */

static void end_silence(struct generator *g, int64_t now, bool counted)
{
    int64_t silence_ns = now - g->silent_since_ns;
    if (counted && silence_ns > g->result->longest_silence_ns)
        g->result->longest_silence_ns = silence_ns;
    g->silent_since_ns = now;
}

static void take(struct generator *g, const struct nbx_reply *reply)
{
    struct under_way *slot = &g->under_way[reply->tag % NBX_LOAD_MAX_UNDER_WAY];
    struct under_way request = *slot;
    int64_t now = nbx_clock_mono_ns();
    g->waiting_since_ns = 0;
    if (!request.due_ns || request.number != reply->tag)
        return;
    slot->due_ns = 0;
    g->n_under_way--;
    bool counted = request.due_ns >= g->counted_from_ns;
    end_silence(g, now, counted);
    if (!counted)
        return;
    g->last_reply_ns = now;
    nbx_load_tally_answer(&g->result->kinds[request.kind], reply->status,
                          (uint64_t)(now - request.due_ns));
}

/* The descriptors tell of changes only, so each client is asked until it has nothing left. */
static enum nbx_err take_all(struct generator *g)
{
    for (unsigned i = 0; i < g->options.connections; i++) {
        enum nbx_err err = NBX_OK;
        while (!err) {
            struct nbx_reply reply;
            err = nbx_client_recv(g->clients[i], 0, g->arena, &reply);
            if (!err)
                take(g, &reply);
            nbx_arena_reset(g->arena);
        }
        if (err != NBX_EBUSY)
            return nbx_fault_set(g->fault, NBX_EINTERNAL, "--endpoint",
                                 "a reply from %s cannot be read", g->options.endpoint);
    }
    return NBX_OK;
}

/* the loop */

/* A server that is gone does not say so: ZeroMQ goes on connecting. */
static enum nbx_err check_silence(struct generator *g, int64_t now)
{
    bool silent =
        g->waiting_since_ns && now - g->waiting_since_ns > g->options.timeout_ms * NS_PER_MS;
    return silent ? nbx_fault_set(g->fault, NBX_EBUSY, "--endpoint",
                                  "%s has not answered anything for %u ms; stopped",
                                  g->options.endpoint, g->options.timeout_ms)
                  : NBX_OK;
}

static enum nbx_err sleep_until(struct generator *g, int64_t until_ns)
{
    int64_t left = until_ns - nbx_clock_mono_ns();
    left = left > 0 ? left : 0;
    struct timespec wait = {.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
    if (ppoll(g->fds, g->options.connections, &wait, NULL) < 0 && errno != EINTR)
        return nbx_fault_set(g->fault, NBX_EINTERNAL, NULL, "poll failed: %s", strerror(errno));
    return NBX_OK;
}

static int64_t next_look_ns(const struct generator *g)
{
    if (!has_more(g))
        return g->give_up_ns;
    int64_t silent = g->waiting_since_ns + (g->options.timeout_ms + 1) * NS_PER_MS;
    bool sooner = g->waiting_since_ns && silent < g->schedule.due_ns;
    return sooner ? silent : g->schedule.due_ns;
}

static enum nbx_err loop(struct generator *g)
{
    enum nbx_err err = NBX_OK;
    int64_t now = nbx_clock_mono_ns();
    while (!err && (has_more(g) || g->n_under_way > 0) && now < g->give_up_ns) {
        send_all_due(g);
        err = take_all(g);
        /* What came since is found by the next look, since a send may have eaten its signal. */
        if (!err && (has_more(g) || g->n_under_way > 0))
            err = sleep_until(g, next_look_ns(g));
        now = nbx_clock_mono_ns();
        if (!err && has_more(g))
            err = check_silence(g, now);
        if (g->options.progress)
            nbx_progress_update(g->options.progress, g->next_number);
    }
    return err;
}

static double cpu_seconds(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void sum_up(struct generator *g)
{
    struct nbx_load_result *r = g->result;
    for (unsigned i = 0; i < NBX_LOAD_MAX_KINDS; i++) {
        r->kinds[i].lost = r->kinds[i].sent - r->kinds[i].answered;
        nbx_load_tally_merge(&r->total, &r->kinds[i]);
    }
    if (r->total.answered)
        r->seconds = (double)(g->last_reply_ns - g->counted_from_ns) / (double)NS_PER_S;
}

static enum nbx_err run(struct generator *g)
{
    const struct nbx_load_options *o = &g->options;
    double cpu_before = cpu_seconds();
    int64_t start_ns = nbx_clock_mono_ns();
    nbx_load_schedule_begin(&g->schedule, o->seed, o->rate, o->constant, start_ns);
    g->counted_from_ns = start_ns + (int64_t)(o->warmup_seconds * (double)NS_PER_S);
    g->end_ns = g->counted_from_ns + (int64_t)(o->seconds * (double)NS_PER_S);
    g->give_up_ns = g->end_ns + o->timeout_ms * NS_PER_MS;
    enum nbx_err err = loop(g);
    sum_up(g);
    g->result->cpu_share =
        (cpu_seconds() - cpu_before) * (double)NS_PER_S / (double)(nbx_clock_mono_ns() - start_ns);
    return err;
}

enum nbx_err nbx_load_run(struct nbx_load_result *out, const struct nbx_load_options *options,
                          nbx_load_make *make, void *arg, struct nbx_fault *fault)
{
    memset(out, 0, sizeof *out);
    struct generator g = {
        .options = *options, .make = make, .arg = arg, .result = out, .fault = fault};
    g.arena = nbx_arena_new(NBX_CLIENT_MAX_REPLY_BYTES);
    g.under_way = calloc(NBX_LOAD_MAX_UNDER_WAY, sizeof *g.under_way);
    prctl(PR_SET_TIMERSLACK, 1UL);
    enum nbx_err err = g.arena && g.under_way
                           ? connect_all(&g)
                           : nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    if (!err)
        err = run(&g);
    release(&g);
    return err;
}

double nbx_load_late_share(const struct nbx_load_result *r)
{
    return r->total.sent ? (double)r->total.late / (double)r->total.sent : 0;
}

double nbx_load_achieved(const struct nbx_load_result *r, const struct nbx_load_tally *tally)
{
    return r->seconds > 0 ? (double)tally->answered / r->seconds : 0;
}
