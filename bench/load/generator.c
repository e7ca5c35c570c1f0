/* SPDX-License-Identifier: MIT */
#include "bench/load/generator.h"

#include "engine/base/clock.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)
#define HELLO_MS  5000

struct generator {
    struct nbx_load_options options;
    nbx_load_make *make;
    void *arg;
    struct nbx_load_result *result;

    struct nbx_client *clients[NBX_LOAD_MAX_CONNECTIONS];
    struct pollfd fds[NBX_LOAD_MAX_CONNECTIONS];
    struct nbx_arena *arena;
    struct nbx_random random;
    int64_t *intended_ns; /* (NBX_LOAD_MAX_UNDER_WAY) by number modulo; 0: not under way */
    uint64_t next_number, n_under_way;
    int64_t due_ns, counted_from_ns, last_reply_ns;
};

int64_t nbx_load_gap_ns(struct nbx_random *random, double rate, bool constant)
{
    double gap = (double)NS_PER_S / rate;
    return (int64_t)(constant ? gap : -log1p(-nbx_random_unit(random)) * gap);
}

/* starting */

static enum nbx_err connect_all(struct generator *g)
{
    for (unsigned i = 0; i < g->options.connections; i++) {
        enum nbx_err err = nbx_client_new(&g->clients[i], g->options.endpoint);
        if (err)
            return err;
        struct nbx_request hello = {.op = "hello", .body = NBX_STR("\x80")};
        struct nbx_reply reply;
        err = nbx_client_call(g->clients[i], &hello, HELLO_MS, g->arena, &reply);
        if (err)
            return err;
        g->fds[i] = (struct pollfd){.fd = nbx_client_fd(g->clients[i]), .events = POLLIN};
    }
    return NBX_OK;
}

static void release(struct generator *g)
{
    for (unsigned i = 0; i < g->options.connections; i++)
        nbx_client_destroy(&g->clients[i]);
    nbx_arena_destroy(&g->arena);
    free(g->intended_ns);
}

/* sending */

static void send_due(struct generator *g, int64_t due_ns)
{
    uint64_t number = g->next_number++;
    int64_t *slot = &g->intended_ns[number % NBX_LOAD_MAX_UNDER_WAY];
    struct nbx_request request = {.op = NULL};
    bool counted = due_ns >= g->counted_from_ns;
    g->make(g->arg, number, &request);
    request.tag = number;
    if (*slot || nbx_client_send(g->clients[number % g->options.connections], &request)) {
        g->result->not_sent += counted;
        return;
    }
    *slot = due_ns;
    g->n_under_way++;
    g->result->sent += counted;
}

/* Everything due until now; a generator that woke late sends the rest at once, and the lateness
 * is part of the latency. */
static void send_all_due(struct generator *g, int64_t end_ns)
{
    int64_t now = nbx_clock_mono_ns();
    while (g->due_ns <= now && g->due_ns < end_ns) {
        send_due(g, g->due_ns);
        g->due_ns += nbx_load_gap_ns(&g->random, g->options.rate, g->options.constant);
    }
}

/* replies */

static void count_status(struct nbx_load_result *r, struct nbx_str status)
{
    uint32_t i = 0;
    while (i < r->n_statuses && !nbx_str_is(status, r->statuses[i].name))
        i++;
    if (i == NBX_LOAD_MAX_STATUSES)
        return;
    if (i == r->n_statuses) {
        size_t n = sizeof r->statuses[i].name - 1;
        n = status.len < n ? status.len : n;
        memcpy(r->statuses[i].name, status.p, n);
        r->n_statuses++;
    }
    r->statuses[i].n++;
}

static void take(struct generator *g, const struct nbx_reply *reply)
{
    int64_t *slot = &g->intended_ns[reply->tag % NBX_LOAD_MAX_UNDER_WAY];
    int64_t intended = *slot, now = nbx_clock_mono_ns();
    if (!intended || reply->tag >= g->next_number)
        return;
    *slot = 0;
    g->n_under_way--;
    if (intended < g->counted_from_ns)
        return;
    g->last_reply_ns = now;
    g->result->answered++;
    nbx_hist_add(&g->result->latency_ns, (uint64_t)(now - intended));
    count_status(g->result, reply->status);
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
            return err;
    }
    return NBX_OK;
}

static enum nbx_err sleep_until(struct generator *g, int64_t until_ns)
{
    int64_t left = until_ns - nbx_clock_mono_ns();
    left = left > 0 ? left : 0;
    struct timespec wait = {.tv_sec = left / NS_PER_S, .tv_nsec = left % NS_PER_S};
    if (ppoll(g->fds, g->options.connections, &wait, NULL) < 0 && errno != EINTR)
        return NBX_EINTERNAL;
    return NBX_OK;
}

static enum nbx_err loop(struct generator *g)
{
    int64_t start = nbx_clock_mono_ns();
    g->counted_from_ns = start + (int64_t)(g->options.warmup_seconds * NS_PER_S);
    int64_t end_ns = g->counted_from_ns + (int64_t)(g->options.seconds * NS_PER_S);
    int64_t give_up_ns = end_ns + g->options.timeout_ms * NS_PER_MS;
    g->due_ns = start + nbx_load_gap_ns(&g->random, g->options.rate, g->options.constant);
    enum nbx_err err = NBX_OK;
    while (!err && (g->due_ns < end_ns || g->n_under_way > 0) && nbx_clock_mono_ns() < give_up_ns) {
        send_all_due(g, end_ns);
        err = take_all(g);
        /* What came since is found by the next look, since a send may have eaten its signal. */
        if (!err && (g->due_ns < end_ns || g->n_under_way > 0))
            err = sleep_until(g, g->due_ns < end_ns ? g->due_ns : give_up_ns);
    }
    g->result->seconds = (double)(g->last_reply_ns - g->counted_from_ns) / (double)NS_PER_S;
    g->result->lost = g->result->sent - g->result->answered;
    return err;
}

enum nbx_err nbx_load_run(struct nbx_load_result *out, const struct nbx_load_options *options,
                          nbx_load_make *make, void *arg)
{
    *out = (struct nbx_load_result){0};
    struct generator g = {.options = *options, .make = make, .arg = arg, .result = out};
    nbx_random_init(&g.random, options->seed);
    g.arena = nbx_arena_new(NBX_CLIENT_MAX_REPLY_BYTES);
    g.intended_ns = calloc(NBX_LOAD_MAX_UNDER_WAY, sizeof *g.intended_ns);
    prctl(PR_SET_TIMERSLACK, 1UL);
    enum nbx_err err = g.arena && g.intended_ns ? connect_all(&g) : NBX_ELIMIT;
    if (!err)
        err = loop(&g);
    release(&g);
    return err;
}
