/* SPDX-License-Identifier: MIT */
#include "tests/crash/fill.h"

#include "engine/base/clock.h"
#include "engine/base/random.h"
#include "proto/wire.h"

#include <math.h>
#include <stdio.h>

#define EVENTS_A_REQUEST 500
#define ITEMS_A_REQUEST  1000
#define EVENTS_A_VISIT   4  /* of one customer, together */
#define WINDOW           16 /* requests under way */
#define LOOK_EVERY       64 /* replies between looks at the resident size */
#define TIMEOUT_MS       60000

struct filling {
    const struct daemon *daemon;
    const struct fill *fill;
    struct filled *out;
    struct nbx_client *client;
    struct nbx_arena *arena;
    struct nbx_random random;
    struct nbx_buf body;
    uint64_t next, end; /* events sent, and to send */
    unsigned under_way;
    uint64_t replies;
};

/* Items are wanted as they are in a shop: few much, most little. */
static unsigned pick_item(struct filling *f)
{
    double u = nbx_random_unit(&f->random);
    return (unsigned)(u * u * u * (double)f->fill->items);
}

static bool put_items(struct filling *f)
{
    struct nbx_reply reply;
    char text[32];
    for (unsigned from = 0; from < f->fill->items; from += ITEMS_A_REQUEST) {
        unsigned n = f->fill->items - from;
        n = n < ITEMS_A_REQUEST ? n : ITEMS_A_REQUEST;
        nbx_buf_clear(&f->body);
        nbx_arena_reset(f->arena);
        nbx_wire_map(&f->body, 1);
        nbx_wire_text(&f->body, "items");
        nbx_wire_list(&f->body, n);
        for (unsigned i = from; i < from + n; i++) {
            nbx_wire_map(&f->body, 2);
            snprintf(text, sizeof text, "item-%u", i);
            nbx_wire_kv_text(&f->body, "id", text);
            nbx_wire_kv_int(&f->body, "price", i);
        }
        struct nbx_str body = {(const char *)f->body.p, (uint32_t)f->body.len};
        if (!daemon_ask(f->client, "item.put", NBX_STR(""), body, f->arena, &reply))
            return false;
    }
    return true;
}

static bool send_events(struct filling *f)
{
    static const char *const types[] = {"view", "view", "view", "click", "cart", "purchase"};
    char text[32];
    uint64_t n = f->end - f->next < EVENTS_A_REQUEST ? f->end - f->next : EVENTS_A_REQUEST;
    nbx_buf_clear(&f->body);
    nbx_wire_map(&f->body, 2);
    nbx_wire_kv_text(&f->body, "ack", "memory");
    nbx_wire_text(&f->body, "events");
    nbx_wire_list(&f->body, (uint32_t)n);
    for (; n > 0; n--, f->next++) {
        nbx_wire_map(&f->body, 3);
        nbx_wire_kv_text(&f->body, "type", types[nbx_random_below(&f->random, 6)]);
        snprintf(text, sizeof text, "customer-%llu",
                 (unsigned long long)(f->next / EVENTS_A_VISIT % f->fill->customers));
        nbx_wire_kv_text(&f->body, "customer", text);
        snprintf(text, sizeof text, "item-%u", pick_item(f));
        nbx_wire_kv_text(&f->body, "item", text);
    }
    struct nbx_request request = {.op = "observe",
                                  .body = {(const char *)f->body.p, (uint32_t)f->body.len}};
    f->under_way++;
    return !f->body.failed && nbx_client_send(f->client, &request) == NBX_OK;
}

/* A reply must say that all was taken: a run that sheds load would measure less than it says. */
static bool take_reply(struct filling *f)
{
    struct nbx_reply reply;
    nbx_arena_reset(f->arena);
    enum nbx_err err = nbx_client_recv(f->client, TIMEOUT_MS, f->arena, &reply);
    const struct nbx_value *errors = err ? NULL : nbx_value_get(&reply.body, "errors");
    if (!errors || errors->n > 0) {
        const struct nbx_value *at = errors ? &errors->list[0] : err ? NULL : &reply.body;
        const struct nbx_value *why = at ? nbx_value_get(at, "message") : NULL;
        printf("observe: %.*s\n", NBX_STR_ARG(why ? why->s : NBX_STR("no reply")));
        return false;
    }
    f->under_way--;
    if (f->replies++ % LOOK_EVERY == 0)
        f->out->peak_mib = fmax(f->out->peak_mib, daemon_resident_mib(f->daemon));
    return true;
}

static bool run(struct filling *f)
{
    if (!put_items(f))
        return false;
    int64_t start_ns = nbx_clock_mono_ns();
    while (f->next < f->end || f->under_way > 0) {
        if (f->next < f->end && f->under_way < WINDOW) {
            if (!send_events(f))
                return false;
        } else if (!take_reply(f)) {
            return false;
        }
    }
    f->out->seconds = (double)(nbx_clock_mono_ns() - start_ns) / 1e9;
    return true;
}

bool fill_daemon(const struct daemon *d, const struct fill *fill, struct filled *out)
{
    struct filling f = {.daemon = d, .fill = fill, .out = out};
    *out = (struct filled){0};
    nbx_random_init(&f.random, fill->seed);
    f.end = (uint64_t)fill->customers * fill->events;
    f.arena = nbx_arena_new(16 << 20);
    bool ok = f.arena && nbx_client_new(&f.client, d->endpoint) == NBX_OK && run(&f);
    nbx_client_destroy(&f.client);
    nbx_arena_destroy(&f.arena);
    nbx_buf_fini(&f.body);
    return ok;
}
