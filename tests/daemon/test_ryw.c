/* SPDX-License-Identifier: MIT
 * Read your own write: an acknowledged event is in that customer's next answer, from any
 * connection.
 *
 * 100,000 pairs of a customer and an item, each used once, in random order: the customer views the
 * item on one connection, and once that is acknowledged asks on another for this very item with
 * exclude_seen. An answer that still has it is a miss.
 */
#include "tests/daemon/harness.h"

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "proto/wire.h"

#include <pthread.h>
#include <stdlib.h>

#define N_THREADS     8
#define N_CUSTOMERS   2000
#define N_ITEMS       50
#define N_PAIRS       (N_CUSTOMERS * N_ITEMS)
#define WINDOW        32 /* pairs under way on a connection */
#define DURABLE_EVERY 16 /* windows: the others are acknowledged as memory */
#define SEED          20240612

struct pair {
    uint16_t customer, item;
};

/* One thread: a slice of the pairs, two connections. */
struct client {
    pthread_t thread;
    struct nbx_client *writes, *reads;
    struct nbx_arena *arena;
    struct nbx_buf body;
    const struct pair *pairs; /* (n) */
    size_t n, misses, failures;
    bool inside;       /* observe inside recommend */
    char problem[256]; /* the first failure */
};

static void fail(struct client *c, const char *what, struct nbx_str detail)
{
    if (c->failures++ == 0)
        snprintf(c->problem, sizeof c->problem, "%s: %.*s", what, NBX_STR_ARG(detail));
}

static struct nbx_str item_name(char name[16], const struct pair *pair)
{
    int n = snprintf(name, 16, "i%u", pair->item);
    return (struct nbx_str){name, (uint32_t)n};
}

/* The list of the one event: the customer views the item. */
static void put_events(struct nbx_buf *b, const char *member, const struct pair *pair)
{
    char item[16];
    nbx_wire_text(b, member);
    nbx_wire_list(b, 1);
    nbx_wire_map(b, 2);
    nbx_wire_kv_text(b, "type", "view");
    nbx_wire_kv_str(b, "item", item_name(item, pair));
}

static void write_observe(struct nbx_buf *b, const struct pair *pair, bool durable)
{
    nbx_buf_clear(b);
    nbx_wire_map(b, 2);
    nbx_wire_kv_text(b, "ack", durable ? "durable" : "memory");
    put_events(b, "events", pair);
}

static void write_recommend(struct nbx_buf *b, const struct pair *pair, bool inside)
{
    char item[16];
    nbx_buf_clear(b);
    nbx_wire_map(b, 4 + inside);
    nbx_wire_kv_int(b, "n", 1);
    nbx_wire_kv_bool(b, "exclude_seen", true);
    nbx_wire_kv_text(b, "record", "none");
    nbx_wire_text(b, "filter");
    nbx_wire_map(b, 2);
    nbx_wire_kv_text(b, "field", "id");
    nbx_wire_kv_str(b, "eq", item_name(item, pair));
    if (inside)
        put_events(b, "observe", pair);
}

static void send_one(struct client *c, struct nbx_client *to, const char *op, size_t at)
{
    char key[16];
    int n = snprintf(key, sizeof key, "c%u", c->pairs[at].customer);
    struct nbx_request request = {.op = op,
                                  .key = {key, (uint32_t)n},
                                  .body = {(const char *)c->body.p, (uint32_t)c->body.len},
                                  .tag = at};
    enum nbx_err err = nbx_client_send(to, &request);
    if (err)
        fail(c, "cannot send", nbx_str_c(nbx_err_status(err)));
}

/* One reply of the window; looks where `list` must be empty or hold nothing but ok. */
static bool receive_one(struct client *c, struct nbx_client *from, bool is_answer)
{
    struct nbx_reply reply;
    nbx_arena_reset(c->arena);
    enum nbx_err err = nbx_client_recv(from, ASK_TIMEOUT_MS, c->arena, &reply);
    if (err) {
        fail(c, "no reply", nbx_str_c(nbx_err_status(err)));
        return false;
    }
    if (!nbx_str_is(reply.status, "ok")) {
        fail(c, "refused", reply.status);
        return true;
    }
    const struct nbx_value *items = nbx_value_get(&reply.body, "items");
    const struct nbx_value *applied = nbx_value_get(&reply.body, "applied");
    if (is_answer)
        c->misses += !items || items->n > 0;
    else if (!applied || applied->i != 1)
        fail(c, "not applied", reply.status);
    return true;
}

static void run_window(struct client *c, size_t from, size_t to)
{
    bool durable = from / WINDOW % DURABLE_EVERY == 0;
    for (size_t i = from; i < to && !c->inside; i++) {
        write_observe(&c->body, &c->pairs[i], durable);
        send_one(c, c->writes, "observe", i);
    }
    for (size_t i = from; i < to && !c->inside; i++)
        if (!receive_one(c, c->writes, false))
            return;
    for (size_t i = from; i < to; i++) {
        write_recommend(&c->body, &c->pairs[i], c->inside);
        send_one(c, c->reads, "recommend", i);
    }
    for (size_t i = from; i < to; i++)
        if (!receive_one(c, c->reads, true))
            return;
}

static void *run_client(void *arg)
{
    struct client *c = arg;
    for (size_t i = 0; i < c->n && !c->failures; i += WINDOW)
        run_window(c, i, i + WINDOW < c->n ? i + WINDOW : c->n);
    return NULL;
}

static struct pair *shuffled_pairs(void)
{
    struct nbx_random r;
    struct pair *pairs = calloc(N_PAIRS, sizeof *pairs);
    cr_assert_not_null(pairs);
    nbx_random_init(&r, SEED);
    for (uint32_t i = 0; i < N_PAIRS; i++)
        pairs[i] = (struct pair){(uint16_t)(i % N_CUSTOMERS), (uint16_t)(i / N_CUSTOMERS)};
    for (uint32_t i = N_PAIRS; i > 1; i--) {
        uint64_t j = nbx_random_below(&r, i);
        struct pair kept = pairs[i - 1];
        pairs[i - 1] = pairs[j];
        pairs[j] = kept;
    }
    return pairs;
}

static void put_items(struct peer *p)
{
    for (int i = 0; i < N_ITEMS; i++)
        get(p, "item.put", "", "{'items': [{'id': 'i%d'}]}", i);
}

/* Everything that was observed is in the end there, and nothing else: the check can fail. */
static void check_end(struct peer *p)
{
    cr_assert_eq(count_at(get(p, "recommend", "stranger", "{'n': 1000}"), "items"), N_ITEMS);
    for (int i = 0; i < N_CUSTOMERS; i += 97) {
        char key[16];
        snprintf(key, sizeof key, "c%d", i);
        must_be(get(p, "customer.get", key, "{}"), "seen", "50");
        cr_assert_eq(count_at(get(p, "recommend", key, "{'n': 50, 'exclude_seen': true}"), "items"),
                     0);
    }
    cr_assert_eq(nbx_value_get(get(p, "stats", "", "{}"), "requests.shed")->i, 0);
}

static void run(bool inside)
{
    struct server s;
    struct client clients[N_THREADS] = {0};
    struct pair *pairs = shuffled_pairs();
    size_t misses = 0, slice = N_PAIRS / N_THREADS;
    server_start(&s, &(struct server_options){.settings = "queue_time: 60s\nworkers: 2\n"});
    put_items(&s.peer);
    int64_t start_ns = nbx_clock_mono_ns();
    for (size_t t = 0; t < N_THREADS; t++) {
        struct client *c = &clients[t];
        c->inside = inside;
        c->pairs = pairs + t * slice;
        c->n = slice;
        c->arena = nbx_arena_new((size_t)1 << 20);
        cr_assert(c->arena);
        cr_assert_eq(nbx_client_new(&c->writes, s.endpoint), NBX_OK);
        cr_assert_eq(nbx_client_new(&c->reads, s.endpoint), NBX_OK);
        cr_assert_eq(pthread_create(&c->thread, NULL, run_client, c), 0);
    }
    for (size_t t = 0; t < N_THREADS; t++) {
        struct client *c = &clients[t];
        pthread_join(c->thread, NULL);
        misses += c->misses;
        cr_expect_eq(c->failures, 0, "thread %zu: %s", t, c->problem);
        nbx_client_destroy(&c->writes);
        nbx_client_destroy(&c->reads);
        nbx_arena_destroy(&c->arena);
        nbx_buf_fini(&c->body);
    }
    printf("read your own write, %s: %d pairs, %d threads, seed %d: %zu misses in %.1f s\n",
           inside ? "observe inside recommend" : "observe, then recommend on another connection",
           N_PAIRS, N_THREADS, SEED, misses, (double)(nbx_clock_mono_ns() - start_ns) / 1e9);
    fflush(stdout);
    cr_assert_eq(misses, 0);
    check_end(&s.peer);
    free(pairs);
    server_stop(&s);
}

Test(ryw, acknowledged_event_is_in_the_next_answer_from_any_connection, .timeout = 180)
{
    run(false);
}

Test(ryw, observe_inside_recommend_is_in_that_very_answer, .timeout = 180)
{
    run(true);
}
