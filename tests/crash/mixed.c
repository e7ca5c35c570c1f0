/* SPDX-License-Identifier: MIT
 * State is what the acknowledged commands come to, also of a daemon that is killed again and again:
 * random commands of every kind, kill -9 at random moments, and at the end the log done again into
 * a new folder, which must hold the same state, byte for byte.
 *
 *     mixed [--commands N] [--kills N] [--seed S] [--bin DIR]
 *
 * Commands are counted as the log does: each event is one. After each kill every stream of the log
 * must reach what was acknowledged of it; at the end nbxd --verify and nbxd --rebuild find nothing,
 * beside the daemon and after it.
 *
 * The last line counts kills. Exit code 1 where something does not hold.
 */
#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/progress.h"
#include "engine/base/random.h"
#include "engine/store/key.h"
#include "proto/wire.h"
#include "tests/crash/daemon.h"

#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define COMMANDS       20000
#define KILLS          10
#define WINDOW         64 /* requests under way */
#define CUSTOMERS      1500
#define LINKED         120 /* of the customers: those that are linked now and then */
#define PERSON         6   /* of these, who may be with each other */
#define EVENTS         120 /* ids that a customer's events may have */
#define ITEMS          400
#define RECEIVE_MS     30000 /* nothing for as long: the daemon hangs */
#define LAST_MS        20    /* after the kill: replies that were on their way */
#define DAY_MS         INT64_C(86400000)
#define CATALOGUE      256
#define NAME_BYTES     32
#define SETTINGS       "workers: 3\nlog_level: warn\n"
#define SMALL_SETTINGS SETTINGS "memory_limit: 64MiB\n" /* so that files are made all the time */

enum kind {
    OBSERVE,
    FANNED,
    PUT,
    RETRACT,
    FORGET,
    LINK,
    UNLINK,
    ITEM_PUT,
    ITEM_PATCH,
    ITEM_DELETE,
    N_KINDS
};

/* Of 100. */
static const struct {
    const char *op;
    unsigned share;
} kinds[N_KINDS] = {{"observe", 46},        {"observe", 10},        {"customer.put", 10},
                    {"retract", 8},         {"customer.forget", 2}, {"customer.link", 5},
                    {"customer.unlink", 3}, {"item.put", 6},        {"item.patch", 8},
                    {"item.delete", 2}};

struct request {
    bool busy;
    uint64_t tag;
    enum kind kind;
    uint16_t stream;
};

struct test {
    struct daemon daemon;
    struct nbx_client *client;
    struct nbx_arena *arena;
    struct nbx_buf body;
    struct nbx_random random;
    struct nbx_progress progress;
    struct request window[WINDOW];
    uint64_t acknowledged[CATALOGUE + 1]; /* by stream: the number of the last command told of */
    uint64_t heads[CATALOGUE + 1];
    uint64_t n_requests, n_refused, n_by_kind[N_KINDS];
    uint64_t base; /* commands that the log had when the daemon was started last */
};

static uint64_t below(struct test *t, uint64_t n)
{
    return nbx_random_below(&t->random, n);
}

/* Requests. */

static void customer_name(char out[NAME_BYTES], uint64_t customer)
{
    snprintf(out, NAME_BYTES, "customer-%llu", (unsigned long long)customer);
}

static void kv_random(struct test *t, const char *key, const char *what, uint64_t n)
{
    char text[NAME_BYTES];
    snprintf(text, sizeof text, "%s-%llu", what, (unsigned long long)below(t, n));
    nbx_wire_kv_text(&t->body, key, text);
}

/* Ids come again, times lie in the past, or a little further ahead than is counted at once. */
static void put_event(struct test *t, uint64_t customer, bool named)
{
    static const char *const types[] = {"view", "click", "cart", "purchase", "dismiss", "search"};
    char text[NAME_BYTES];
    bool ahead = below(t, 30) == 0;
    int64_t now_ms = nbx_clock_wall_ms();
    nbx_wire_map(&t->body, named ? 6 : 5);
    nbx_wire_kv_text(&t->body, "type", types[below(t, 6)]);
    snprintf(text, sizeof text, "%llu-%llu", (unsigned long long)customer,
             (unsigned long long)below(t, EVENTS));
    nbx_wire_kv_text(&t->body, "id", text);
    kv_random(t, "item", "item", ITEMS + 50);
    nbx_wire_kv_int(&t->body, "time",
                    ahead ? now_ms + 301000 + (int64_t)below(t, 20000)
                          : now_ms - (int64_t)below(t, 40 * DAY_MS));
    nbx_wire_kv_int(&t->body, "value", (int64_t)below(t, 10000));
    customer_name(text, customer);
    if (named)
        nbx_wire_kv_text(&t->body, "customer", text);
}

static void put_observe(struct test *t, uint64_t customer, bool fanned)
{
    uint32_t n = 1 + (uint32_t)below(t, fanned ? 6 : 3);
    nbx_wire_map(&t->body, 2);
    nbx_wire_kv_text(&t->body, "ack", below(t, 3) ? "memory" : "durable");
    nbx_wire_text(&t->body, "events");
    nbx_wire_list(&t->body, n);
    for (uint32_t i = 0; i < n; i++) {
        bool nobodys = fanned && below(t, 4) == 0;
        put_event(t, fanned ? below(t, CUSTOMERS) : customer, fanned && !nobodys);
    }
}

static void put_customer(struct test *t)
{
    nbx_wire_map(&t->body, 2);
    nbx_wire_text(&t->body, "attributes");
    nbx_wire_map(&t->body, 2);
    nbx_wire_kv_int(&t->body, "age", (int64_t)below(t, 90));
    nbx_wire_text(&t->body, below(t, 2) ? "city" : "size");
    if (below(t, 3))
        nbx_wire_text(&t->body, "some");
    else
        nbx_wire_nil(&t->body);
    nbx_wire_text(&t->body, "consent");
    nbx_wire_map(&t->body, 1);
    nbx_wire_kv_bool(&t->body, below(t, 2) ? "personalise" : "profile", below(t, 4) > 0);
}

static void put_retract(struct test *t, uint64_t customer)
{
    char text[NAME_BYTES];
    nbx_wire_map(&t->body, 1);
    switch (below(t, 20)) {
    case 0: nbx_wire_kv_bool(&t->body, "all", true); return;
    case 1:
    case 2: kv_random(t, "item", "item", ITEMS); return;
    default: break;
    }
    nbx_wire_text(&t->body, "events");
    nbx_wire_list(&t->body, 3);
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof text, "%llu-%llu", (unsigned long long)customer,
                 (unsigned long long)below(t, EVENTS));
        nbx_wire_text(&t->body, text);
    }
}

/* Another of those who may be one person with the customer. */
static uint64_t any_identity(struct test *t, uint64_t customer)
{
    uint64_t first = customer / PERSON * PERSON;
    return first + (customer - first + 1 + below(t, PERSON - 1)) % PERSON;
}

static void put_link(struct test *t, bool undo, uint64_t identity)
{
    char text[NAME_BYTES];
    bool typed = !undo && below(t, 2);
    customer_name(text, identity);
    nbx_wire_map(&t->body, typed ? 3 : 2);
    nbx_wire_kv_text(&t->body, "ack", below(t, 3) ? "memory" : "durable");
    nbx_wire_kv_text(&t->body, "identity", text);
    if (typed)
        kv_random(t, "type", "type", 3);
}

static void put_item(struct test *t, bool patch)
{
    nbx_wire_map(&t->body, patch ? 3 : 5);
    kv_random(t, "id", "item", ITEMS);
    nbx_wire_kv_int(&t->body, "price", (int64_t)below(t, 100000));
    kv_random(t, "brand", "brand", 9);
    if (patch)
        return;
    kv_random(t, "title", "title", 1000);
    nbx_wire_text(&t->body, "vector");
    nbx_wire_list(&t->body, 3);
    for (int i = 0; i < 3; i++)
        nbx_wire_float(&t->body, (double)below(t, 100) / 8);
}

static void put_items(struct test *t, enum kind kind)
{
    uint32_t n = 1 + (uint32_t)below(t, 4);
    nbx_wire_map(&t->body, 1);
    nbx_wire_text(&t->body, kind == ITEM_DELETE ? "ids" : "items");
    nbx_wire_list(&t->body, n);
    for (uint32_t i = 0; i < n; i++) {
        char text[NAME_BYTES];
        snprintf(text, sizeof text, "item-%llu", (unsigned long long)below(t, ITEMS));
        if (kind == ITEM_DELETE)
            nbx_wire_text(&t->body, text);
        else
            put_item(t, kind == ITEM_PATCH);
    }
}

/* Of a customer, who is linked with the identity or will be. */
static void put_body(struct test *t, enum kind kind, uint64_t customer, uint64_t identity)
{
    nbx_buf_clear(&t->body);
    switch (kind) {
    case OBSERVE:
    case FANNED: put_observe(t, customer, kind == FANNED); break;
    case PUT: put_customer(t); break;
    case RETRACT: put_retract(t, customer); break;
    case FORGET: nbx_wire_map(&t->body, 0); break;
    case LINK:
    case UNLINK: put_link(t, kind == UNLINK, identity); break;
    default: put_items(t, kind); break;
    }
    NBX_ASSERT(!t->body.failed);
}

static enum kind any_kind(struct test *t)
{
    uint64_t at = below(t, 100);
    unsigned kind = 0;
    while (at >= kinds[kind].share)
        at -= kinds[kind++].share;
    return (enum kind)kind;
}

static bool send_one(struct test *t, struct request *slot)
{
    char key[NAME_BYTES] = "", changed[NAME_BYTES];
    slot->kind = any_kind(t);
    bool links = slot->kind == LINK || slot->kind == UNLINK;
    uint64_t customer = below(t, links ? LINKED : CUSTOMERS), identity = any_identity(t, customer);
    slot->stream = CATALOGUE;
    if (slot->kind <= UNLINK && slot->kind != FANNED) {
        customer_name(key, customer);
        customer_name(changed, links ? identity : customer);
        slot->stream = nbx_group_of(nbx_str_c(changed));
    }
    put_body(t, slot->kind, customer, identity);
    struct nbx_request request = {.op = kinds[slot->kind].op,
                                  .key = nbx_str_c(key),
                                  .body = {(const char *)t->body.p, (uint32_t)t->body.len},
                                  .tag = slot->tag};
    slot->busy = nbx_client_send(t->client, &request) == NBX_OK;
    t->n_requests += slot->busy;
    return slot->busy;
}

/* What the reply tells. */
static bool settle(struct test *t, const struct request *slot, const struct nbx_reply *reply)
{
    int64_t seq = reply_int(&reply->body, "seq");
    bool links = slot->kind == LINK || slot->kind == UNLINK;
    if (nbx_str_is(reply->status, "busy") || nbx_str_is(reply->status, "storage") ||
        (links && nbx_str_is(reply->status, "conflict"))) {
        t->n_refused++;
        return true;
    }
    if (!nbx_str_is(reply->status, "ok") || seq < 0) {
        printf("%s: %.*s: %.*s\n", kinds[slot->kind].op, NBX_STR_ARG(reply->status),
               NBX_STR_ARG(nbx_value_get(&reply->body, "message")
                               ? nbx_value_get(&reply->body, "message")->s
                               : NBX_STR("no seq")));
        return false;
    }
    t->n_by_kind[slot->kind]++;
    if (slot->kind != FANNED && (uint64_t)seq > t->acknowledged[slot->stream])
        t->acknowledged[slot->stream] = (uint64_t)seq;
    return true;
}

enum received { TOLD, SILENT, WRONG };

static enum received receive(struct test *t, int timeout_ms)
{
    struct nbx_reply reply;
    nbx_arena_reset(t->arena);
    enum nbx_err err = nbx_client_recv(t->client, timeout_ms, t->arena, &reply);
    if (err)
        return err == NBX_EBUSY ? SILENT : WRONG;
    struct request *slot = &t->window[reply.tag % WINDOW];
    if (!slot->busy || slot->tag != reply.tag)
        return WRONG;
    bool fine = settle(t, slot, &reply);
    slot->busy = false;
    slot->tag += WINDOW;
    return fine ? TOLD : WRONG;
}

/* Lives. */

static bool look_at_heads(struct test *t, uint64_t *sum)
{
    struct nbx_reply reply;
    nbx_arena_reset(t->arena);
    if (!daemon_ask(t->client, "log.heads", (struct nbx_str){0}, (struct nbx_str){0}, t->arena,
                    &reply))
        return false;
    const struct nbx_value *heads = nbx_value_get(&reply.body, "heads");
    *sum = 0;
    for (int s = 0; s <= CATALOGUE; s++) {
        uint64_t head = heads && heads->n > CATALOGUE ? (uint64_t)heads->list[s].i : 0;
        if (head < t->acknowledged[s] || head < t->heads[s]) {
            printf("violation: stream %d goes to %llu, acknowledged was %llu\n", s,
                   (unsigned long long)head, (unsigned long long)t->acknowledged[s]);
            return false;
        }
        t->heads[s] = head;
        *sum += head;
    }
    return true;
}

static bool begin_life(struct test *t)
{
    nbx_client_destroy(&t->client);
    for (unsigned i = 0; i < WINDOW; i++)
        t->window[i] = (struct request){.tag = i};
    return daemon_launch(&t->daemon) && daemon_await(&t->daemon, NULL) &&
           nbx_client_new(&t->client, t->daemon.endpoint) == NBX_OK && look_at_heads(t, &t->base);
}

static uint64_t told(const struct test *t)
{
    uint64_t sum = 0;
    for (int s = 0; s <= CATALOGUE; s++)
        sum += t->acknowledged[s] > t->heads[s] ? t->acknowledged[s] - t->heads[s] : 0;
    return t->base + sum;
}

/* Sends and receives until the log has about so many commands. */
static bool live_until(struct test *t, uint64_t commands)
{
    while (told(t) < commands) {
        for (unsigned i = 0; i < WINDOW; i++)
            if (!t->window[i].busy && !send_one(t, &t->window[i]))
                return false;
        enum received got = receive(t, RECEIVE_MS);
        if (got == SILENT)
            printf("no reply for %d ms\n", RECEIVE_MS);
        if (got != TOLD)
            return false;
        nbx_progress_update(&t->progress, told(t));
    }
    return true;
}

/* Whatever was answered before is acknowledged. */
static bool end_life(struct test *t)
{
    enum received got;
    if (!daemon_kill(&t->daemon))
        return false;
    while ((got = receive(t, LAST_MS)) == TOLD)
        continue;
    return got == SILENT;
}

static bool check_beside(const struct test *t)
{
    return daemon_verify(&t->daemon) && daemon_rebuild(&t->daemon);
}

static bool run(struct test *t, uint64_t commands, unsigned kills, unsigned *n_killed)
{
    if (!begin_life(t))
        return false;
    for (*n_killed = 0; *n_killed < kills; ++*n_killed) {
        uint64_t share = commands * (*n_killed + 1) / (kills + 1);
        if (!live_until(t, share - below(t, commands / (kills + 1) / 4 + 1)) || !end_life(t) ||
            !begin_life(t))
            return false;
    }
    if (!live_until(t, commands))
        return false;
    nbx_progress_end(&t->progress);
    return check_beside(t) && look_at_heads(t, &t->base) && daemon_stop(&t->daemon) &&
           check_beside(t);
}

struct options {
    uint64_t commands, seed;
    unsigned kills;
    char bin[PATH_MAX];
};

static bool read_options(struct options *o, int argc, char **argv)
{
    static const struct option known[] = {{"commands", required_argument, NULL, 'c'},
                                          {"kills", required_argument, NULL, 'k'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"bin", required_argument, NULL, 'b'},
                                          {NULL, 0, NULL, 0}};
    *o = (struct options){.commands = COMMANDS, .kills = KILLS, .seed = 1};
    ssize_t n = readlink("/proc/self/exe", o->bin, sizeof o->bin - 1);
    o->bin[n > 0 ? n : 0] = '\0';
    dirname(o->bin);
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'c': o->commands = strtoull(optarg, NULL, 10); break;
        case 'k': o->kills = (unsigned)strtoul(optarg, NULL, 10); break;
        case 's': o->seed = strtoull(optarg, NULL, 10); break;
        case 'b': snprintf(o->bin, sizeof o->bin, "%s", optarg); break;
        default: return false;
        }
    }
    return optind == argc && o->commands > 0;
}

static void sum_up(const struct test *t, unsigned n_killed)
{
    printf("%llu commands in the log; %llu requests, %llu refused, acknowledged:",
           (unsigned long long)t->base, (unsigned long long)t->n_requests,
           (unsigned long long)t->n_refused);
    for (int k = 0; k < N_KINDS; k++)
        printf(" %llu %s%s", (unsigned long long)t->n_by_kind[k], kinds[k].op,
               k == FANNED ? " of many" : "");
    printf("; %u kills\n", n_killed);
}

int main(int argc, char **argv)
{
    static struct test t;
    struct options o;
    char program[PATH_MAX + 16], folder[256];
    unsigned n_killed = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!read_options(&o, argc, argv)) {
        fprintf(stderr, "usage: mixed [--commands N] [--kills N] [--seed S] [--bin DIR]\n");
        return 2;
    }
    snprintf(program, sizeof program, "%s/nbxd", o.bin);
    printf("seed %llu\n%s\n", (unsigned long long)o.seed, program);
    nbx_random_init(&t.random, o.seed);
    t.arena = nbx_arena_new(64 << 20);
    if (!t.arena || !folder_make(folder, sizeof folder, "nbx-mixed") ||
        !daemon_init(&t.daemon, program, folder, SETTINGS))
        return 1;
    t.daemon.settings = t.daemon.sanitized ? SETTINGS : SMALL_SETTINGS;
    nbx_progress_start(&t.progress, STDERR_FILENO, "sending", "commands", o.commands);
    bool held = run(&t, o.commands, o.kills, &n_killed);
    nbx_progress_end(&t.progress);
    if (t.daemon.pid > 0)
        daemon_kill(&t.daemon);
    sum_up(&t, n_killed);
    if (held)
        folder_remove(folder);
    else
        printf("everything is kept in %s\n", folder);
    nbx_client_destroy(&t.client);
    nbx_arena_destroy(&t.arena);
    nbx_buf_fini(&t.body);
    printf("%u passed, %u failed, 0 skipped\n", held ? n_killed : 0, !held);
    return held ? 0 : 1;
}
