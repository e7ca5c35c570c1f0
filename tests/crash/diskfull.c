/* SPDX-License-Identifier: MIT
 * A full disk: reads go on, writes are refused at once, and taken again soon after there is room;
 * what was acknowledged stays, what was refused is not there.
 *
 *     diskfull [--cycles N] [--seed S] [--program NBXD]
 *
 * Each cycle fills a small file system, half of them slowly by the daemon's own tables, half all
 * at once, under its log; looks for two seconds what it answers; makes room; waits until it takes
 * writes again; kills it, and holds what is there against what was told. At last it must not start
 * on a full disk, by a clear word, and start once there is room.
 *
 * As root only, where a file system can be mounted. The last line counts cycles and the start.
 */
#include "tests/crash/daemon.h"
#include "tests/crash/loop.h"

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "proto/wire.h"

#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CYCLES           4
#define DISK_MIB         256
#define ROOM_MIB         64 /* left to the daemon when a cycle begins */
#define EVENTS_A_REQUEST 50
#define NOTE_BYTES       900
#define MAX_REQUESTS     50000
#define FULL_MS          2000 /* looked at while full */
#define REFUSED_MAX_MS   100.0
#define TAKEN_MAX_MS     5000.0
#define TIMEOUT_MS       20000
#define SETTINGS         "workers: 2\nlog_level: warn\nmemory_limit: 64MiB\n"

struct test {
    struct daemon daemon;
    struct nbx_client *client;
    struct nbx_arena *arena;
    struct nbx_buf body;
    struct nbx_random random;
    char folder[256];
    bool *taken; /* (n) of MAX_REQUESTS: request i, of customer-i, was acknowledged */
    unsigned n;
    unsigned reads, refused, lost, there; /* of this cycle */
    double refused_max_ms;
};

/* Requests. */

static void write_events(struct test *t)
{
    char note[NOTE_BYTES], text[32];
    nbx_buf_clear(&t->body);
    nbx_wire_map(&t->body, 2);
    nbx_wire_kv_text(&t->body, "ack", nbx_random_below(&t->random, 2) ? "durable" : "memory");
    nbx_wire_text(&t->body, "events");
    nbx_wire_list(&t->body, EVENTS_A_REQUEST);
    for (unsigned i = 0; i < EVENTS_A_REQUEST; i++) {
        for (size_t b = 0; b + 1 < sizeof note; b++) /* what does not compress */
            note[b] = (char)('!' + nbx_random_below(&t->random, 90));
        note[sizeof note - 1] = '\0';
        nbx_wire_map(&t->body, 3);
        nbx_wire_kv_text(&t->body, "type", "view");
        snprintf(text, sizeof text, "item-%u", i);
        nbx_wire_kv_text(&t->body, "item", text);
        nbx_wire_text(&t->body, "attributes");
        nbx_wire_map(&t->body, 1);
        nbx_wire_kv_text(&t->body, "note", note);
    }
}

enum answer { TAKEN, BUSY, REFUSED, OTHERWISE };

/* All events of a customer of their own. */
static enum answer observe(struct test *t, double *ms)
{
    char key[32];
    struct nbx_reply reply;
    if (t->n == MAX_REQUESTS)
        return OTHERWISE;
    write_events(t);
    snprintf(key, sizeof key, "customer-%u", t->n++);
    struct nbx_request request = {.op = "observe",
                                  .key = nbx_str_c(key),
                                  .body = {(const char *)t->body.p, (uint32_t)t->body.len}};
    nbx_arena_reset(t->arena);
    int64_t start_ns = nbx_clock_mono_ns();
    enum nbx_err err = nbx_client_call(t->client, &request, TIMEOUT_MS, t->arena, &reply);
    *ms = (double)(nbx_clock_mono_ns() - start_ns) / 1e6;
    if (!err && nbx_str_is(reply.status, "ok") &&
        reply_int(&reply.body, "applied") == EVENTS_A_REQUEST) {
        t->taken[t->n - 1] = true;
        return TAKEN;
    }
    if (!err && nbx_str_is(reply.status, "busy")) /* tables are made slower than events come */
        return BUSY;
    if (!err && nbx_str_is(reply.status, "storage"))
        return REFUSED;
    printf("observe: neither taken nor refused: %.*s\n",
           NBX_STR_ARG(err ? NBX_STR("no reply") : reply.status));
    return OTHERWISE;
}

static bool read_all(struct test *t)
{
    char key[32];
    struct nbx_reply reply;
    snprintf(key, sizeof key, "customer-%u", (unsigned)nbx_random_below(&t->random, t->n));
    static const char *const ops[] = {"recommend", "customer.get"};
    for (int i = 0; i < 2; i++) {
        nbx_arena_reset(t->arena);
        struct nbx_request request = {.op = ops[i], .key = nbx_str_c(key), .body = NBX_STR("\x80")};
        enum nbx_err err = nbx_client_call(t->client, &request, TIMEOUT_MS, t->arena, &reply);
        if (err || (!nbx_str_is(reply.status, "ok") && !nbx_str_is(reply.status, "not_found"))) {
            printf("%s while full: %.*s\n", ops[i],
                   NBX_STR_ARG(err ? NBX_STR("no reply") : reply.status));
            return false;
        }
        t->reads++;
    }
    return true;
}

/* A cycle. */

/* Until a write is refused; `at_once`: others take what room there is, after some have been taken.
 */
static bool fill(struct test *t, bool at_once)
{
    double ms;
    unsigned first = t->n;
    enum answer answer = TAKEN;
    while (answer == TAKEN || answer == BUSY) {
        if (at_once && t->n >= first + 20)
            loop_take(t->folder, UINT64_MAX);
        answer = observe(t, &ms);
    }
    return answer == REFUSED;
}

static bool look(struct test *t, bool at_once)
{
    int64_t until_ns = nbx_clock_mono_ns() + FULL_MS * INT64_C(1000000);
    while (nbx_clock_mono_ns() < until_ns) {
        double ms;
        enum answer answer = observe(t, &ms);
        if (answer == OTHERWISE || !read_all(t))
            return false;
        if (at_once && answer != REFUSED) /* the daemon has given back a file */
            loop_take(t->folder, UINT64_MAX);
        t->refused += answer == REFUSED;
        if (answer == REFUSED && ms > t->refused_max_ms)
            t->refused_max_ms = ms;
    }
    return true;
}

static bool await_taken(struct test *t, double *taken_ms)
{
    double ms;
    int64_t start_ns = nbx_clock_mono_ns();
    enum answer answer;
    do {
        answer = observe(t, &ms);
        *taken_ms = (double)(nbx_clock_mono_ns() - start_ns) / 1e6;
    } while ((answer == REFUSED || answer == BUSY) && *taken_ms < 4 * TAKEN_MAX_MS);
    return answer == TAKEN;
}

static bool start(struct test *t)
{
    nbx_client_drop(&t->client);
    return daemon_launch(&t->daemon) && daemon_await(&t->daemon, NULL) &&
           nbx_client_new(&t->client, t->daemon.endpoint) == NBX_OK;
}

/* Every request is there as a whole where it was acknowledged, and not at all where not. */
static bool hold_against(struct test *t)
{
    t->lost = t->there = 0;
    for (unsigned i = 0; i < t->n; i++) {
        char key[32];
        struct nbx_reply reply;
        snprintf(key, sizeof key, "customer-%u", i);
        struct nbx_request request = {
            .op = "customer.get", .key = nbx_str_c(key), .body = NBX_STR("\x80")};
        nbx_arena_reset(t->arena);
        if (nbx_client_call(t->client, &request, TIMEOUT_MS, t->arena, &reply))
            return false;
        const struct nbx_value *events = nbx_value_get(&reply.body, "history");
        unsigned n = events && events->type == NBX_LIST ? events->n : 0;
        t->lost += t->taken[i] && n != EVENTS_A_REQUEST;
        t->there += !t->taken[i] && n > 0;
    }
    return true;
}

static bool cycle(struct test *t, unsigned i)
{
    double taken_ms = 0;
    bool at_once = i % 2 == 1;
    t->reads = t->refused = 0;
    t->refused_max_ms = 0;
    loop_leave(t->folder, (uint64_t)ROOM_MIB << 20);
    bool ok = fill(t, at_once) && look(t, at_once);
    loop_give_back(t->folder);
    ok = ok && await_taken(t, &taken_ms) && daemon_kill(&t->daemon) && start(t) && hold_against(t);
    bool good = ok && t->refused > 0 && t->refused_max_ms <= REFUSED_MAX_MS &&
                taken_ms <= TAKEN_MAX_MS && t->lost == 0 && t->there == 0;
    printf("%5u %-8s %6u %7u %8.1f %8.0f %6u %6u %s\n", i, at_once ? "at once" : "slowly", t->reads,
           t->refused, t->refused_max_ms, taken_ms, t->lost, t->there, good ? "ok" : "FAILED");
    return good;
}

static bool log_says(const struct test *t, const char *word)
{
    char path[DAEMON_PATH_BYTES], line[1024];
    bool said = false;
    snprintf(path, sizeof path, "%s/nbxd.log", t->folder);
    FILE *f = fopen(path, "re");
    while (f && fgets(line, sizeof line, f))
        said |= strstr(line, word) != NULL;
    if (f)
        fclose(f);
    return said;
}

static bool start_full(struct test *t)
{
    if (!daemon_kill(&t->daemon))
        return false;
    loop_take(t->folder, UINT64_MAX);
    int code = daemon_launch(&t->daemon) ? daemon_wait(&t->daemon, TIMEOUT_MS) : -1;
    bool clear = code == 1 && log_says(t, "start=failed") && log_says(t, "are free in");
    loop_give_back(t->folder);
    bool good = clear && start(t) && hold_against(t) && t->lost == 0 && daemon_verify(&t->daemon);
    printf("a start on a full disk: exit code %d, %s\n", code, good ? "ok" : "FAILED");
    return good;
}

static bool set_up(struct test *t, const char *program, uint64_t seed)
{
    nbx_random_init(&t->random, seed);
    t->arena = nbx_arena_new(4 << 20);
    t->taken = calloc(MAX_REQUESTS, sizeof *t->taken);
    return t->arena && t->taken && folder_make(t->folder, sizeof t->folder, "nbx-diskfull") &&
           daemon_init(&t->daemon, program, t->folder, SETTINGS) &&
           loop_make(t->folder, DISK_MIB) && start(t);
}

static void tear_down(struct test *t, bool keep)
{
    if (t->daemon.pid > 0)
        daemon_kill(&t->daemon);
    nbx_client_drop(&t->client);
    loop_end(t->folder);
    if (keep)
        printf("everything is kept in %s\n", t->folder);
    else
        folder_remove(t->folder);
    nbx_arena_destroy(&t->arena);
    nbx_buf_fini(&t->body);
    free(t->taken);
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"cycles", required_argument, NULL, 'c'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"program", required_argument, NULL, 'p'},
                                          {NULL, 0, NULL, 0}};
    static struct test t;
    char program[PATH_MAX + 64];
    unsigned cycles = CYCLES, passed = 0;
    uint64_t seed = 1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    daemon_program(program, sizeof program);
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'c': cycles = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': seed = strtoull(optarg, NULL, 10); break;
        case 'p': snprintf(program, sizeof program, "%s", optarg); break;
        default:
            fprintf(stderr, "usage: diskfull [--cycles N] [--seed S] [--program NBXD]\n");
            return 2;
        }
    }
    const char *why = loop_missing();
    if (why) {
        printf("diskfull: skipped, %s\n0 passed, 0 failed, 1 skipped\n", why);
        return 0;
    }
    printf("seed %llu, %s\ncycle %-8s %6s %7s %8s %8s %6s %6s\n", (unsigned long long)seed, program,
           "filled", "reads", "refused", "most ms", "taken ms", "lost", "there");
    bool ok = set_up(&t, program, seed);
    for (unsigned i = 0; ok && i < cycles; i++)
        passed += ok = cycle(&t, i);
    passed += ok = ok && start_full(&t);
    puts("reads: answered while full; refused: writes, the slowest after most ms; taken: again, "
         "after\n"
         "there was room; lost: acknowledged and not there whole; there: though refused.");
    tear_down(&t, !ok);
    printf("%u passed, %u failed, 0 skipped\n", passed, cycles + 1 - passed);
    return ok ? 0 : 1;
}
