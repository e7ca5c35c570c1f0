/* SPDX-License-Identifier: MIT */
#include "tests/crash/questions.h"

#include "models/bundle/bundle.h"
#include "proto/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define ITEMS      80
#define CUSTOMERS  40
#define DECISIONS  20
#define DIMS       8
#define VISITS     4 /* of each customer; half of them lie in tables, half in logs */
#define EVENTS     6 /* a visit */
#define TIMEOUT_MS 60000
#define CLOCK_MS   INT64_C(1767225600000) /* of all events, and of recommending */

struct making {
    struct questions *questions;
    struct daemon *daemon;
    struct nbx_client *client;
    struct nbx_arena *arena;
    struct nbx_buf body;
    struct nbx_random random;
};

/* Two of the same vectors: where one file is damaged, the other answers alike. */
static bool write_bundle(struct making *m, const char *version, uint64_t seed)
{
    static float factors[ITEMS * DIMS];
    static char texts[ITEMS][16];
    struct nbx_str ids[ITEMS];
    char path[DAEMON_PATH_BYTES];
    struct nbx_fault fault = {0};
    struct nbx_random random;
    nbx_random_init(&random, seed);
    for (unsigned i = 0; i < ITEMS * DIMS; i++)
        factors[i] = (float)nbx_random_unit(&random) - 0.5F;
    for (unsigned i = 0; i < ITEMS; i++) {
        snprintf(texts[i], sizeof texts[i], "item-%02u", i);
        ids[i] = nbx_str_c(texts[i]);
    }
    struct nbx_bundle_info info = {.name = NBX_STR("taste"),
                                   .version = nbx_str_c(version),
                                   .family = NBX_STR("factors"),
                                   .created_ms = version[0],
                                   .n_items = ITEMS,
                                   .item_ids = ids,
                                   .n_spaces = 1};
    info.spaces[0] = (struct nbx_space){.name = NBX_STR("taste"),
                                        .dims = DIMS,
                                        .customer = NBX_CUSTOMER_FOLDED,
                                        .item_factors = factors,
                                        .alpha0 = 0.1F,
                                        .lambda = 1.0F,
                                        .nu = 1.0F};
    snprintf(path, sizeof path, "%s/data", m->daemon->folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/data/taste-%s" NBX_BUNDLE_SUFFIX, m->daemon->folder, version);
    if (nbx_bundle_write(path, &info, NULL, &fault) == NBX_OK)
        return true;
    printf("bundle: %s\n", fault.message);
    return false;
}

static bool ask(struct making *m, const char *op, const char *key, struct nbx_reply *reply)
{
    nbx_arena_reset(m->arena);
    struct nbx_str body = {(const char *)m->body.p, (uint32_t)m->body.len};
    return daemon_ask(m->client, op, nbx_str_c(key), body, m->arena, reply);
}

static bool put_items(struct making *m)
{
    char text[16];
    struct nbx_reply reply;
    nbx_buf_clear(&m->body);
    nbx_wire_map(&m->body, 1);
    nbx_wire_text(&m->body, "items");
    nbx_wire_list(&m->body, ITEMS);
    for (unsigned i = 0; i < ITEMS; i++) {
        snprintf(text, sizeof text, "item-%02u", i);
        nbx_wire_map(&m->body, 2);
        nbx_wire_kv_text(&m->body, "id", text);
        nbx_wire_kv_int(&m->body, "price", i);
    }
    return ask(m, "item.put", "", &reply);
}

static void write_visit(struct making *m, unsigned customer, unsigned visit)
{
    char text[32];
    nbx_buf_clear(&m->body);
    nbx_wire_map(&m->body, 2);
    nbx_wire_kv_text(&m->body, "ack", "durable");
    nbx_wire_text(&m->body, "events");
    nbx_wire_list(&m->body, EVENTS);
    for (unsigned i = 0; i < EVENTS; i++) {
        nbx_wire_map(&m->body, 4);
        nbx_wire_kv_text(&m->body, "type", i ? "view" : "purchase");
        snprintf(text, sizeof text, "e-%u-%u-%u", customer, visit, i);
        nbx_wire_kv_text(&m->body, "id", text);
        nbx_wire_kv_int(&m->body, "time", CLOCK_MS - (int64_t)(visit * EVENTS + i) * 60000);
        snprintf(text, sizeof text, "item-%02u", (unsigned)nbx_random_below(&m->random, ITEMS));
        nbx_wire_kv_text(&m->body, "item", text);
    }
}

static bool visit_all(struct making *m, unsigned visit)
{
    struct nbx_reply reply;
    char key[32];
    for (unsigned c = 0; c < CUSTOMERS; c++) {
        snprintf(key, sizeof key, "customer-%u", c);
        write_visit(m, c, visit);
        if (!ask(m, "observe", key, &reply))
            return false;
        if (reply_int(&reply.body, "applied") != EVENTS) {
            printf("events of %s are not taken\n", key);
            return false;
        }
        nbx_buf_clear(&m->body);
        nbx_wire_map(&m->body, 1);
        nbx_wire_text(&m->body, "attributes");
        nbx_wire_map(&m->body, 1);
        nbx_wire_kv_int(&m->body, "visits", visit);
        if (!ask(m, "customer.put", key, &reply))
            return false;
    }
    return true;
}

/* The questions. */

static struct question *add(struct questions *q, const char *op, const char *key)
{
    struct question *p = &q->p[q->n++];
    p->op = op;
    snprintf(p->key, sizeof p->key, "%s", key);
    return p;
}

static void write_recommend(struct nbx_buf *b, const char *record)
{
    nbx_wire_map(b, 3);
    nbx_wire_kv_int(b, "n", 10);
    nbx_wire_kv_text(b, "record", record);
    nbx_wire_kv_int(b, "now", CLOCK_MS);
}

static void write_ids(struct nbx_buf *b, const char *id)
{
    nbx_wire_map(b, 1);
    nbx_wire_text(b, "ids");
    nbx_wire_list(b, 1);
    nbx_wire_str(b, nbx_str_c(id));
}

/* Recommends and keeps the record, which is asked for again. */
static bool add_decision(struct making *m, const char *key)
{
    struct nbx_reply reply;
    char id[40];
    nbx_buf_clear(&m->body);
    write_recommend(&m->body, "decision");
    if (!ask(m, "recommend", key, &reply))
        return false;
    const struct nbx_value *decision = nbx_value_get(&reply.body, "decision");
    if (!decision || decision->type != NBX_STRING) {
        printf("recommend to %s keeps no decision\n", key);
        return false;
    }
    snprintf(id, sizeof id, "%.*s", NBX_STR_ARG(decision->s));
    nbx_wire_map(&add(m->questions, "decision.get", id)->body, 0);
    return true;
}

static bool add_questions(struct making *m)
{
    char text[32];
    for (unsigned c = 0; c < CUSTOMERS; c++) {
        snprintf(text, sizeof text, "customer-%u", c);
        nbx_wire_map(&add(m->questions, "customer.get", text)->body, 0);
        write_recommend(&add(m->questions, "recommend", text)->body, "none");
        if (c < DECISIONS && !add_decision(m, text))
            return false;
    }
    for (unsigned i = 0; i < ITEMS; i++) {
        snprintf(text, sizeof text, "item-%02u", i);
        write_ids(&add(m->questions, "item.get", "")->body, text);
    }
    return true;
}

/* What must be the same: status, and of a recommendation the items with all that is said of them;
 * which of two equal bundles they come from is not. */
static struct nbx_str comparable(const struct question *p, const struct nbx_reply *reply,
                                 struct nbx_buf *scratch)
{
    const struct nbx_value *items = nbx_value_get(&reply->body, "items");
    nbx_buf_clear(scratch);
    nbx_buf_put(scratch, reply->status.p, reply->status.len);
    if (strcmp(p->op, "recommend") != 0) {
        nbx_buf_put(scratch, reply->raw.p, reply->raw.len);
    } else if (items && items->type == NBX_LIST) {
        for (uint32_t i = 0; i < items->n; i++) {
            const struct nbx_value *id = nbx_value_get(&items->list[i], "id");
            const struct nbx_value *score = nbx_value_get(&items->list[i], "score");
            if (id && score)
                nbx_buf_printf(scratch, " %.*s %a", NBX_STR_ARG(id->s), score->f);
        }
    }
    return (struct nbx_str){(const char *)scratch->p, (uint32_t)scratch->len};
}

static bool put(struct nbx_client *client, const struct question *p, struct nbx_arena *arena,
                struct nbx_reply *reply)
{
    struct nbx_request request = {.op = p->op,
                                  .key = nbx_str_c(p->key),
                                  .body = {(const char *)p->body.p, (uint32_t)p->body.len}};
    nbx_arena_reset(arena);
    return nbx_client_call(client, &request, TIMEOUT_MS, arena, reply) == NBX_OK;
}

static bool keep_answers(struct making *m)
{
    for (unsigned i = 0; i < m->questions->n; i++) {
        struct nbx_reply reply;
        struct question *p = &m->questions->p[i];
        if (!put(m->client, p, m->arena, &reply) || !nbx_str_is(reply.status, "ok")) {
            printf("%s of %s is not answered\n", p->op, p->key);
            return false;
        }
        comparable(p, &reply, &p->first);
        if (strcmp(p->op, "recommend") == 0 && p->first.len <= reply.status.len) {
            printf("nothing is recommended to %s\n", p->key);
            return false;
        }
    }
    return true;
}

bool questions_ask(const struct questions *q, const struct daemon *d, struct answers *out)
{
    struct nbx_client *client = NULL;
    struct nbx_arena *arena = nbx_arena_new(4 << 20);
    struct nbx_buf scratch = {0};
    *out = (struct answers){0};
    bool answered = arena && nbx_client_new(&client, d->endpoint) == NBX_OK;
    for (unsigned i = 0; answered && i < q->n; i++) {
        struct nbx_reply reply;
        answered = put(client, &q->p[i], arena, &reply);
        if (!answered)
            break;
        struct nbx_str now = comparable(&q->p[i], &reply, &scratch);
        const struct nbx_buf *first = &q->p[i].first;
        bool same = now.p && now.len == first->len && memcmp(now.p, first->p, now.len) == 0;
        bool told = !same && nbx_str_is(reply.status, "storage");
        out->told += told;
        out->other += !same && !told;
        if (!same && !told)
            printf("%s of %s: %.*s, before %.*s\n", q->p[i].op, q->p[i].key, (int)now.len, now.p,
                   (int)first->len, (const char *)first->p);
    }
    nbx_client_destroy(&client);
    nbx_arena_destroy(&arena);
    nbx_buf_fini(&scratch);
    return answered;
}

static bool start(struct making *m)
{
    nbx_client_destroy(&m->client);
    return daemon_launch(m->daemon) && daemon_await(m->daemon, NULL) &&
           nbx_client_new(&m->client, m->daemon->endpoint) == NBX_OK;
}

/* A start writes all that lies in logs into tables. */
static bool fill(struct making *m)
{
    bool ok = put_items(m);
    for (unsigned v = 0; ok && v < VISITS; v++) {
        ok = visit_all(m, v);
        if (ok && v == VISITS / 2 - 1)
            ok = daemon_stop(m->daemon) && start(m);
    }
    return ok;
}

/* Decisions are written without a sync: somebody's durable event makes sure of them too. */
static bool sync_all(struct making *m)
{
    struct nbx_reply reply;
    write_visit(m, CUSTOMERS, 0);
    return ask(m, "observe", "nobody asked for", &reply);
}

bool questions_prepare(struct questions *q, struct daemon *d, uint64_t seed)
{
    struct making m = {.questions = q, .daemon = d, .arena = nbx_arena_new(4 << 20)};
    nbx_random_init(&m.random, seed);
    bool ok = m.arena && write_bundle(&m, "1", seed) && write_bundle(&m, "2", seed) && start(&m) &&
              fill(&m) && add_questions(&m) && keep_answers(&m) && sync_all(&m);
    ok = daemon_kill(d) && ok;
    nbx_client_destroy(&m.client);
    nbx_arena_destroy(&m.arena);
    nbx_buf_fini(&m.body);
    return ok;
}

void questions_fini(struct questions *q)
{
    for (unsigned i = 0; i < q->n; i++) {
        nbx_buf_fini(&q->p[i].body);
        nbx_buf_fini(&q->p[i].first);
    }
}
