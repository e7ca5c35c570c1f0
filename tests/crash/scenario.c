/* SPDX-License-Identifier: MIT */
#include "tests/crash/scenario.h"

#include "tests/crash/daemon.h"
#include "tests/crash/loop.h"
#include "tests/crash/power.h"
#include "tests/crash/writer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SETTINGS "workers: 2\nlog_level: warn\n"
/* Small write buffers: files are made, and logs changed, all the time. A sanitizer needs more. */
#define SMALL             SETTINGS "memory_limit: 64MiB\n"
#define LIFE_MIN_MS       5 /* of the writers before the kill */
#define LIFE_MAX_MS       250
#define POWER_LIFE_MAX_MS 600 /* some files of each kind lie behind it then */
#define EARLY_IN          8   /* one start in this many is killed before it is ready */
#define EARLY_MS          150 /* at most so long after its launch */
#define EARLY_FIRST       4   /* so often while the store is being made */
#define LOOP_MIB          512

struct run {
    const struct scenario *scenario;
    struct outcome *out;
    struct daemon daemon;
    struct verifier verifier;
    struct nbx_random random;
    struct writer writers[WRITERS];
    struct shelf shelves[WRITERS][SHELVES];
    struct ledger *ledgers; /* (rounds, WRITERS) */
    double *ready_ms;       /* (out->rounds) */
};

/* A moment is what the test is about: it passes time, it waits for nothing. */
static void live(struct run *r, unsigned min_ms, unsigned max_ms)
{
    uint64_t us = min_ms * 1000UL + nbx_random_below(&r->random, (max_ms - min_ms) * 1000UL);
    struct timespec t = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    nanosleep(&t, NULL);
}

static bool connect_verifier(struct run *r)
{
    nbx_client_destroy(&r->verifier.client);
    return nbx_client_new(&r->verifier.client, r->daemon.endpoint) == NBX_OK;
}

static bool launch(struct run *r)
{
    if (r->daemon.power && !power_begin(r->daemon.folder))
        return false;
    return daemon_launch(&r->daemon);
}

static bool cut_power(struct run *r)
{
    struct power_loss loss;
    bool torn = nbx_random_below(&r->random, 2) == 1;
    if (!power_cut(r->daemon.folder, &r->random, torn, &loss))
        return false;
    r->out->files += loss.files;
    r->out->bytes += loss.bytes;
    return true;
}

/* Dead, and where asked the power gone. */
static bool die(struct run *r)
{
    bool loop = r->scenario->death == DEATH_LOOP;
    if (loop && (kill(r->daemon.pid, SIGSTOP) || !loop_copy(r->daemon.folder)))
        return false;
    if (!daemon_kill(&r->daemon))
        return false;
    return loop ? loop_replace(r->daemon.folder) : !r->daemon.power || cut_power(r);
}

/* Dies on the way to being ready. */
static bool stillbirth(struct run *r)
{
    if (!launch(r))
        return false;
    live(r, 0, EARLY_MS);
    r->out->early++;
    return die(r);
}

static bool start(struct run *r, double *ready_ms)
{
    return launch(r) && daemon_await(&r->daemon, ready_ms) && connect_verifier(r);
}

/* Starts again; now and then dies once more before. */
static bool revive(struct run *r, double *ready_ms)
{
    if (nbx_random_below(&r->random, EARLY_IN) == 0 && !stillbirth(r))
        return false;
    return start(r, ready_ms);
}

/* The first start, of a store that was often not quite made. */
static bool begin(struct run *r)
{
    for (unsigned i = 0; i < EARLY_FIRST; i++)
        if (!stillbirth(r))
            return false;
    return start(r, NULL) && verify_begin(&r->verifier);
}

static bool start_writers(struct run *r, unsigned round)
{
    for (unsigned w = 0; w < WRITERS; w++) {
        struct ledger *l = &r->ledgers[round * WRITERS + w];
        ledger_init(l, round, w);
        if (!writer_start(&r->writers[w], r->daemon.endpoint, l, r->shelves[w],
                          nbx_random_u64(&r->random)))
            return false;
    }
    return true;
}

static bool settle_writers(struct run *r)
{
    bool all = true;
    for (unsigned w = 0; w < WRITERS; w++) {
        writer_settle(&r->writers[w]);
        if (r->writers[w].failed)
            printf("writer %u cannot read what it is told\n", w);
        all &= !r->writers[w].failed;
    }
    return all;
}

/* An earlier round, whose events nothing since may have touched. */
static bool look_back(struct run *r, unsigned round)
{
    if (round == 0)
        return true;
    unsigned earlier = (unsigned)nbx_random_below(&r->random, round);
    unsigned w = (unsigned)nbx_random_below(&r->random, WRITERS);
    return verify_again(&r->verifier, &r->ledgers[earlier * WRITERS + w]);
}

static bool run_round(struct run *r, unsigned round)
{
    double *ready_ms = &r->ready_ms[round];
    if (!start_writers(r, round))
        return false;
    live(r, LIFE_MIN_MS, r->scenario->death == DEATH_KILL ? LIFE_MAX_MS : POWER_LIFE_MAX_MS);
    bool died = die(r), settled = settle_writers(r);
    bool revived = died && settled && revive(r, ready_ms);
    for (unsigned w = 0; w < WRITERS; w++)
        writer_join(&r->writers[w]);
    if (!revived)
        return false;
    if (r->scenario->ready_max_ms > 0 && *ready_ms > r->scenario->ready_max_ms) {
        printf("violation: ready after %.0f ms\n", *ready_ms);
        r->out->slow++;
    }
    if (!verify_round(&r->verifier, &r->ledgers[round * WRITERS], r->shelves) ||
        !look_back(r, round))
        return false;
    r->out->rounds = round + 1;
    return true;
}

static bool run_rounds(struct run *r)
{
    const struct scenario *s = r->scenario;
    if (!begin(r))
        return false;
    for (unsigned round = 0; round < s->rounds; round++) {
        if (!run_round(r, round))
            return false;
        if (s->until_loss && tally_violations(&r->out->tally))
            return daemon_kill(&r->daemon);
    }
    for (unsigned i = 0; i < r->out->rounds * WRITERS; i++)
        if (!verify_again(&r->verifier, &r->ledgers[i]))
            return false;
    if (s->until_loss)
        return daemon_stop(&r->daemon);
    return daemon_verify(&r->daemon) && daemon_stop(&r->daemon) && daemon_verify(&r->daemon);
}

static int compare_ms(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void sum_up(struct run *r)
{
    unsigned n = r->out->rounds;
    if (n == 0)
        return;
    qsort(r->ready_ms, n, sizeof *r->ready_ms, compare_ms);
    r->out->p50_ms = r->ready_ms[n / 2];
    r->out->p99_ms = r->ready_ms[(n * 99 - 1) / 100];
    r->out->max_ms = r->ready_ms[n - 1];
}

static bool set_up(struct run *r, const struct scenario *s, const char *folder)
{
    r->ledgers = calloc((size_t)s->rounds * WRITERS, sizeof *r->ledgers);
    r->ready_ms = calloc(s->rounds, sizeof *r->ready_ms);
    r->verifier = (struct verifier){
        .tally = &r->out->tally, .power = s->death != DEATH_KILL, .quiet = s->until_loss};
    r->verifier.arena = nbx_arena_new(4 << 20);
    nbx_random_init(&r->random, s->seed);
    if (!r->ledgers || !r->ready_ms || !r->verifier.arena ||
        !daemon_init(&r->daemon, s->program, folder, SETTINGS) ||
        (s->death == DEATH_LOOP && !loop_make(folder, LOOP_MIB)))
        return false;
    r->daemon.power = s->death == DEATH_POWER;
    if (!r->daemon.sanitized)
        r->daemon.settings = SMALL;
    return true;
}

static void tear_down(struct run *r)
{
    if (r->daemon.pid > 0)
        daemon_kill(&r->daemon);
    if (r->scenario->death == DEATH_LOOP)
        loop_end(r->daemon.folder);
    nbx_client_destroy(&r->verifier.client);
    nbx_arena_destroy(&r->verifier.arena);
    for (unsigned i = 0; r->ledgers && i < r->scenario->rounds * WRITERS; i++)
        ledger_fini(&r->ledgers[i]);
    free(r->ledgers);
    free(r->ready_ms);
}

void scenario_run(const struct scenario *s, struct outcome *out)
{
    char folder[256];
    struct run *r = calloc(1, sizeof *r);
    *out = (struct outcome){.broken = true};
    if (!r || !folder_make(folder, sizeof folder, "nbx-crash"))
        abort();
    r->scenario = s;
    r->out = out;
    if (set_up(r, s, folder))
        out->broken = !run_rounds(r);
    sum_up(r);
    tear_down(r);
    free(r);
    bool keep = out->broken || (tally_violations(&out->tally) && !s->until_loss);
    if (keep)
        printf("%s: everything is kept in %s\n", s->name, folder);
    else
        folder_remove(folder);
}
