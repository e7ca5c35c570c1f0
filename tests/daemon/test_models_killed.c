/* SPDX-License-Identifier: MIT
 * kill -9 at any moment of a push, an activation, a rollback, a trial's begin or end, a deletion:
 * the daemon starts with exactly the old or the new state, and no file that no version has.
 */
#include "tests/daemon/harness_push.h"
#include "tests/daemon/harness_taste.h"

#include "engine/base/clock.h"
#include "engine/base/random.h"

#include <stdlib.h>
#include <time.h>

#define SEED       20261128
#define N_ITEMS    200
#define N_MODELS   3
#define KILLS      80
#define SPREAD     3 /* halves of what a step takes, within which the end comes */
#define LIST_BYTES 512

static struct server s;
static struct model m[N_MODELS];
static struct pushed f[N_MODELS]; /* taste@1 to taste@3 */
static struct nbx_random rng;
static int64_t push_us, quick_us; /* what they take here, with nobody in between */

/* What the daemon has: a letter for each version (- none, s staged, H shadow, C canary, A active),
 * and where a rollback goes to. */
struct state {
    char stages[N_MODELS + 1];
    int active, back; /* 0: none */
};

static struct state read_state(void)
{
    struct state now = {.stages = "---"};
    struct nbx_value *all = get(&s.peer, "model.list", "", "{}");
    const struct nbx_value *list = at(all, "models");
    for (uint32_t i = 0; i < list->n; i++) {
        int no = text_at(&list->list[i], "version").p[0] - '1';
        struct nbx_str stage = text_at(&list->list[i], "stage");
        now.stages[no] = nbx_str_is(stage, "active")   ? 'A'
                         : nbx_str_is(stage, "shadow") ? 'H'
                         : nbx_str_is(stage, "canary") ? 'C'
                                                       : 's';
    }
    if (!at(all, "active"))
        return now;
    now.active = text_at(all, "active.version").p[0] - '0';
    struct nbx_str back = text_at(all, "rollback.version");
    now.back = back.len ? back.p[0] - '0' : 0;
    return now;
}

/* The daemon serves what it says, and its folder holds just what it names. */
static void must_be_whole(const struct state *now)
{
    char want[LIST_BYTES] = "";
    for (int i = 0; i < N_MODELS; i++)
        if (now->stages[i] != '-')
            snprintf(want + strlen(want), sizeof want - strlen(want), "%staste@%d.safetensors",
                     want[0] ? " " : "", i + 1);
    cr_assert_str_eq(models_on_disk(&s), want);
    struct nbx_value *r = get(&s.peer, "recommend", "anna", "{'record': 'none'}");
    struct nbx_str version = text_at(r, "model.version");
    int no = version.len ? version.p[0] - '0' : 0;
    cr_assert(no == now->active || now->stages[no - 1] == 'C', "%d answers of %s", no, now->stages);
    if (!no)
        return;
    const struct model *by = &m[no - 1];
    struct deeds deeds = {.n = 1, .row = {3}, .weight = {1}};
    double x[TASTE_MAX_DIMS];
    taste_fold(x, by, &deeds);
    must_rank(r, by, &(struct expected){.x = x, .source = "personal"});
}

/* A request, and what it makes of a state. */
struct step {
    const char *op;
    int no; /* version; 0: rollback */
    bool activate;
    char to; /* of model.stage: its letter */
};

static struct state after(struct state was, const struct step *step)
{
    struct state now = was;
    bool push = strcmp(step->op, "model.push") == 0;
    if (push && was.stages[step->no - 1] == '-')
        now.stages[step->no - 1] = 's';
    if (strcmp(step->op, "model.delete") == 0)
        now.stages[step->no - 1] = '-';
    if (strcmp(step->op, "model.stage") == 0)
        now.stages[step->no - 1] = step->to;
    int active = step->no;
    if (strcmp(step->op, "model.rollback") == 0)
        active = was.back;
    else if (!step->activate)
        return now;
    if (active == was.active)
        return now;
    if (was.active)
        now.stages[was.active - 1] = 's';
    now.active = active;
    if (active)
        now.stages[active - 1] = 'A';
    now.back =
        step->no ? was.active : -1; /* of a rollback: what it was before, which is not kept here */
    return now;
}

static bool is_same(const struct state *a, const struct state *b)
{
    return strcmp(a->stages, b->stages) == 0 && a->active == b->active &&
           (a->back == b->back || a->back < 0 || b->back < 0);
}

/* One that can be done. */
static struct step choose(const struct state *was)
{
    for (;;) {
        int no = 1 + (int)nbx_random_below(&rng, N_MODELS);
        bool there = was->stages[no - 1] != '-';
        char to = "HCs"[nbx_random_below(&rng, 3)];
        switch (nbx_random_below(&rng, 6)) {
        case 0:
            if (!there)
                return (struct step){"model.push", no, false, 0};
            break;
        case 1:
            if (!there)
                return (struct step){"model.push", no, true, 0};
            break;
        case 2:
            if (there && no != was->active)
                return (struct step){"model.activate", no, true, 0};
            break;
        case 3:
            if (was->active && (was->back == 0 || was->stages[was->back - 1] != '-'))
                return (struct step){"model.rollback", 0, false, 0};
            break;
        case 4:
            if (there && no != was->active && (to == 's' || !strchr(was->stages, to)))
                return (struct step){"model.stage", no, false, to};
            break;
        default:
            if (was->stages[no - 1] == 's' && no != was->back)
                return (struct step){"model.delete", no, false, 0};
        }
    }
}

static void send_one(const char *op, struct nbx_str body)
{
    struct nbx_request request = {.op = op, .body = body};
    cr_assert_eq(nbx_client_send(s.peer.client, &request), NBX_OK);
}

/* Sends the request, a push in three parts, without waiting for an answer. */
static void send_step(const struct step *step)
{
    struct peer *p = &s.peer;
    if (strcmp(step->op, "model.push") == 0) {
        const struct pushed *file = &f[step->no - 1];
        size_t third = file->n / 3;
        const char *commit = step->activate ? "{'activate': true}" : "{}";
        send_one(step->op, push_body(p, file, (struct pushed_part){0, third, NULL}));
        send_one(step->op, push_body(p, file, (struct pushed_part){third, third, NULL}));
        send_one(step->op,
                 push_body(p, file, (struct pushed_part){2 * third, file->n - 2 * third, commit}));
    } else if (step->to) {
        send_one(step->op,
                 peer_body(p, "{'name': 'taste', 'version': '%d', 'stage': '%s'}", step->no,
                           step->to == 'H'   ? "shadow"
                           : step->to == 'C' ? "canary"
                                             : "staged"));
    } else if (step->no) {
        send_one(step->op, peer_body(p, "{'name': 'taste', 'version': '%d'}", step->no));
    } else {
        send_one(step->op, peer_body(p, "{}"));
    }
}

/* How many answers come until the time is up; the last one is the step's. */
static int wait_us(int64_t us)
{
    struct nbx_reply reply;
    int64_t until_ns = nbx_clock_mono_ns() + us * 1000;
    int n = 0;
    while (nbx_clock_mono_ns() < until_ns) {
        if (nbx_client_recv(s.peer.client, 0, s.peer.arena, &reply) == NBX_OK)
            n++;
        nanosleep(&(struct timespec){0, 50000}, NULL);
    }
    return n;
}

static void begin(void)
{
    static const size_t dims[N_MODELS] = {16, 8, 24};
    static const char *const versions[N_MODELS] = {"1", "2", "3"};
    printf("seed %d\n", SEED);
    nbx_random_init(&rng, SEED);
    server_start(&s, NULL);
    for (size_t i = 0; i < N_MODELS; i++) {
        model_make(&m[i], N_ITEMS, dims[i], SEED + i);
        m[i].info.version = nbx_str_c(versions[i]);
        pushed_make(&f[i], &s, &m[i].info);
    }
    model_put_items(&m[0], &s.peer);
    get(&s.peer, "observe", "anna",
        "{'ack': 'durable', 'events': [{'type': 'purchase', "
        "'item': 'i003'}]}");
}

static void end(void)
{
    for (size_t i = 0; i < N_MODELS; i++) {
        model_free(&m[i]);
        pushed_free(&f[i]);
    }
    server_stop(&s);
}

static int64_t since_us(int64_t begun_ns)
{
    return (nbx_clock_mono_ns() - begun_ns) / 1000;
}

/* How long the steps take on this machine. */
static void measure(void)
{
    int64_t begun_ns = nbx_clock_mono_ns();
    must_push(&s.peer, &f[0], "{'activate': true}");
    push_us = since_us(begun_ns);
    must_push(&s.peer, &f[1], "{}");
    begun_ns = nbx_clock_mono_ns();
    get(&s.peer, "model.activate", "", "{'name': 'taste', 'version': '2'}");
    quick_us = since_us(begun_ns);
    get(&s.peer, "model.rollback", "", "{}");
    get(&s.peer, "model.delete", "", "{'name': 'taste', 'version': '2'}");
    printf("a push takes %lld us, an activation %lld\n", (long long)push_us, (long long)quick_us);
}

TestSuite(models_killed, .init = begin, .fini = end, .timeout = 300);

Test(models_killed, the_state_is_the_old_or_the_new_one)
{
    int n_old = 0, n_new = 0, n_told = 0;
    measure();
    for (int i = 0; i < KILLS; i++) {
        struct state was = read_state();
        struct step step = choose(&was);
        struct state wanted = after(was, &step), pushed = was;
        bool push = strcmp(step.op, "model.push") == 0;
        if (push)
            pushed.stages[step.no - 1] = 's'; /* a version it is before it is activated */
        uint64_t takes_us = (uint64_t)(push ? push_us : quick_us);
        int64_t us = (int64_t)nbx_random_below(&rng, takes_us * SPREAD / 2 + 1);
        send_step(&step);
        int answers = wait_us(us);
        server_kill(&s);
        server_begin(&s);
        struct state now = read_state();
        bool told = answers == (push ? 3 : 1);
        bool is_new = is_same(&now, &wanted), is_old = is_same(&now, &was);
        cr_assert(is_new || (!told && (is_old || (step.activate && is_same(&now, &pushed)))),
                  "%d: %s %d after %lld us, told %d: from %s (%d) to %s (%d)", i, step.op, step.no,
                  (long long)us, told, was.stages, was.active, now.stages, now.active);
        must_be_whole(&now);
        n_new += is_new;
        n_old += is_old;
        n_told += told;
    }
    printf("%d kills: %d old, %d new, %d told\n", KILLS, n_old, n_new, n_told);
    cr_assert(n_old > 0 && n_new > 0);
}
