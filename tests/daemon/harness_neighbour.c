/* SPDX-License-Identifier: MIT */
#include "tests/daemon/harness_neighbour.h"

#include "engine/base/clock.h"
#include "proto/wire.h"

#include <time.h>

static void complain(struct neighbour *n, const char *what, const char *status)
{
    if (n->problems++ == 0)
        snprintf(n->problem, sizeof n->problem, "%s: %s", what, status);
}

/* The customer of the round views "a", and must then not be shown it. */
static void write_body(struct nbx_buf *b)
{
    nbx_buf_clear(b);
    nbx_wire_map(b, 2);
    nbx_wire_kv_bool(b, "exclude_seen", true);
    nbx_wire_text(b, "observe");
    nbx_wire_list(b, 1);
    nbx_wire_map(b, 2);
    nbx_wire_kv_text(b, "type", "view");
    nbx_wire_kv_text(b, "item", "a");
}

static void ask_once(struct neighbour *n, struct nbx_arena *arena, struct nbx_buf *body)
{
    char key[32];
    struct nbx_reply reply;
    int len = snprintf(key, sizeof key, "neighbour%zu", atomic_load(&n->answers) % 100);
    write_body(body);
    struct nbx_request request = {.op = "recommend",
                                  .key = {key, (uint32_t)len},
                                  .body = {(const char *)body->p, (uint32_t)body->len}};
    int64_t start_ns = nbx_clock_mono_ns();
    nbx_arena_reset(arena);
    enum nbx_err err = nbx_client_call(n->client, &request, ASK_TIMEOUT_MS, arena, &reply);
    double took_ms = (double)(nbx_clock_mono_ns() - start_ns) / 1e6;
    n->worst_ms = took_ms > n->worst_ms ? took_ms : n->worst_ms;
    if (err)
        complain(n, "no answer", nbx_err_status(err));
    else if (!nbx_str_is(reply.status, "ok"))
        complain(n, "refused", reply.status.p);
    else if (!at(&reply.body, "observed") || int_at(&reply.body, "observed.applied") != 1)
        complain(n, "not observed", "ok");
    else
        for (uint32_t i = 0; i < at(&reply.body, "items")->n; i++)
            if (nbx_str_is(at(&reply.body, "items")->list[i].members[0].value.s, "a"))
                complain(n, "the item seen is in the answer", "ok");
    atomic_fetch_add(&n->answers, 1);
}

static void *live(void *arg)
{
    struct neighbour *n = arg;
    struct nbx_buf body = {0};
    struct nbx_arena *arena = nbx_arena_new((size_t)8 << 20);
    while (arena && !atomic_load(&n->stop) && n->problems == 0)
        ask_once(n, arena, &body);
    nbx_buf_fini(&body);
    nbx_arena_destroy(&arena);
    return NULL;
}

void neighbour_start(struct neighbour *n, const struct server *s)
{
    *n = (struct neighbour){0};
    cr_assert_eq(nbx_client_new(&n->client, s->endpoint), NBX_OK);
    cr_assert_eq(pthread_create(&n->thread, NULL, live, n), 0);
    neighbour_wait(n, 20);
}

void neighbour_wait(struct neighbour *n, size_t more)
{
    size_t until = atomic_load(&n->answers) + more;
    int64_t end_ns = nbx_clock_mono_ns() + (int64_t)ASK_TIMEOUT_MS * 1000000;
    while (atomic_load(&n->answers) < until) {
        cr_assert(nbx_clock_mono_ns() < end_ns, "the good neighbour gets no answers: %s",
                  n->problem);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
}

void neighbour_stop(struct neighbour *n, double max_ms)
{
    atomic_store(&n->stop, true);
    pthread_join(n->thread, NULL);
    nbx_client_destroy(&n->client);
    cr_assert_eq(n->problems, 0, "the good neighbour: %s", n->problem);
    cr_assert_leq(n->worst_ms, max_ms, "an answer took %.1f ms", n->worst_ms);
    cr_log_info("neighbour: %zu answers, the slowest %.1f ms", atomic_load(&n->answers),
                n->worst_ms);
}
