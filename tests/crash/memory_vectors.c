/* SPDX-License-Identifier: MIT */
#include "tests/crash/memory.h"

#include "models/bundle/bundle.h"
#include "proto/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LIMIT_MIB       96.0
#define DIMS            64
#define ITEMS_A_REQUEST 200
#define MAX_REQUESTS    2000
#define TIMEOUT_MS      60000

/* One item of one space: own vectors are all that matters here. */
static bool write_bundle(const struct daemon *d)
{
    static const float factors[DIMS] = {1};
    static const struct nbx_str ids[] = {NBX_STR("first")};
    char path[DAEMON_PATH_BYTES];
    struct nbx_fault fault = {0};
    struct nbx_bundle_info info = {.name = NBX_STR("vectors"),
                                   .version = NBX_STR("1"),
                                   .family = NBX_STR("factors"),
                                   .created_ms = 1,
                                   .n_items = 1,
                                   .item_ids = ids,
                                   .n_spaces = 1};
    info.spaces[0] = (struct nbx_space){.name = NBX_STR("taste"),
                                        .dims = DIMS,
                                        .customer = NBX_CUSTOMER_GIVEN,
                                        .item_factors = factors};
    snprintf(path, sizeof path, "%s/data", d->folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/data/vectors" NBX_BUNDLE_SUFFIX, d->folder);
    return nbx_bundle_write(path, &info, NULL, &fault) == NBX_OK;
}

static void write_vector(struct nbx_buf *b, unsigned number)
{
    float x[DIMS] = {0};
    x[number % DIMS] = 1 + (float)number; /* the last put is the best along its axis */
    nbx_wire_text(b, "vector");
    nbx_wire_bin(b, x, sizeof x);
}

static void write_items(struct nbx_buf *b, unsigned request)
{
    char id[16];
    nbx_buf_clear(b);
    nbx_wire_map(b, 1);
    nbx_wire_text(b, "items");
    nbx_wire_list(b, ITEMS_A_REQUEST);
    for (unsigned i = 0; i < ITEMS_A_REQUEST; i++) {
        unsigned number = request * ITEMS_A_REQUEST + i;
        snprintf(id, sizeof id, "v%u", number);
        nbx_wire_map(b, 2);
        nbx_wire_kv_text(b, "id", id);
        write_vector(b, number);
    }
}

struct talk {
    struct memory_case *c;
    struct nbx_client *client;
    struct nbx_arena *arena;
    struct nbx_buf body;
    struct nbx_reply reply;
    double peak_mib;
};

static bool ask(struct talk *t, const char *op)
{
    struct nbx_request request = {.op = op,
                                  .body = {(const char *)t->body.p, (uint32_t)t->body.len}};
    nbx_arena_reset(t->arena);
    bool answered = !nbx_client_call(t->client, &request, TIMEOUT_MS, t->arena, &t->reply);
    double mib = daemon_resident_mib(&t->c->daemon);
    t->peak_mib = mib > t->peak_mib ? mib : t->peak_mib;
    if (!answered)
        printf("vectors   %s gets no answer\n", op);
    return answered;
}

static bool is_whole_refusal(const struct nbx_reply *r)
{
    const struct nbx_value *field = nbx_value_get(&r->body, "field");
    const struct nbx_value *message = nbx_value_get(&r->body, "message");
    if (nbx_str_is(r->status, "limit") && field && nbx_str_is(field->s, "items[0].vector") &&
        message && nbx_str_is(message->s, "the memory for vectors is used up"))
        return true;
    printf("vectors   refused as %.*s %.*s: %.*s\n", NBX_STR_ARG(r->status),
           NBX_STR_ARG(field ? field->s : NBX_STR("")),
           NBX_STR_ARG(message ? message->s : NBX_STR("")));
    return false;
}

/* The place of item v<number> in the answer for its own vector, -1 where it is not there. */
static int place_of(struct talk *t, unsigned number)
{
    char id[16];
    nbx_buf_clear(&t->body);
    nbx_wire_map(&t->body, 2);
    nbx_wire_kv_text(&t->body, "record", "none");
    write_vector(&t->body, number);
    snprintf(id, sizeof id, "v%u", number);
    const struct nbx_value *items =
        ask(t, "recommend") ? nbx_value_get(&t->reply.body, "items") : NULL;
    for (uint32_t i = 0; items && i < items->n; i++)
        if (nbx_str_is(nbx_value_get(&items->list[i], "id")->s, id))
            return (int)i;
    return -1;
}

/* What was taken is found, what was refused is not, and items go on being deleted and put. */
static bool rest_goes_on(struct talk *t, unsigned requests)
{
    unsigned last = requests * ITEMS_A_REQUEST - 1;
    char id[16];
    if (place_of(t, last) != 0 || place_of(t, last + 1) != -1) {
        printf("vectors   the answers are not of what was taken\n");
        return false;
    }
    snprintf(id, sizeof id, "v%u", last);
    nbx_buf_clear(&t->body);
    nbx_wire_map(&t->body, 1);
    nbx_wire_text(&t->body, "ids");
    nbx_wire_list(&t->body, 1);
    nbx_wire_text(&t->body, id);
    return ask(t, "item.delete") && nbx_str_is(t->reply.status, "ok") && place_of(t, last) == -1;
}

static bool put_until_refused(struct talk *t)
{
    for (unsigned i = 0; i < MAX_REQUESTS; i++) {
        write_items(&t->body, i);
        if (!ask(t, "item.put"))
            return false;
        const struct nbx_value *errors = nbx_value_get(&t->reply.body, "errors");
        if (nbx_str_is(t->reply.status, "ok") && errors && errors->n == 0)
            continue;
        bool ok = is_whole_refusal(&t->reply) && i > 0 && rest_goes_on(t, i);
        printf("vectors   %u items taken, then refused; %.1f MiB resident at most\n",
               i * ITEMS_A_REQUEST, t->peak_mib);
        return ok;
    }
    printf("vectors   memory_limit holds nothing\n");
    return false;
}

enum verdict memory_vectors(struct memory_case *c)
{
    struct talk t = {.c = c, .arena = nbx_arena_new(16 << 20)};
    bool ok = t.arena && write_bundle(&c->daemon) && daemon_launch(&c->daemon) &&
              daemon_await(&c->daemon, NULL) &&
              nbx_client_new(&t.client, c->daemon.endpoint) == NBX_OK && put_until_refused(&t);
    nbx_client_destroy(&t.client);
    nbx_arena_destroy(&t.arena);
    nbx_buf_fini(&t.body);
    if (!ok)
        daemon_print_log(&c->daemon);
    return ok && t.peak_mib < LIMIT_MIB && daemon_stop(&c->daemon) ? PASSED : FAILED;
}
