/* SPDX-License-Identifier: MIT */
#include "bench/load/scenario.h"

#include "bench/load/ids.h"
#include "engine/base/random.h"
#include "engine/json/json.h"
#include "proto/wire.h"

#include <stdlib.h>

#define ARENA_BYTES (16UL << 20)
/* Not the numbers the arrivals are drawn from. */
#define OTHER_SEED UINT64_C(0x9e3779b97f4a7c15)

struct nbx_load_scenario {
    const struct nbx_load_arguments *a;
    struct nbx_random random;
    struct nbx_load_ids customers, items;
    struct nbx_buf recommend; /* the whole body: the same for every customer */
    struct nbx_buf rank;      /* the same members, then a list of items, which changes */
    size_t rank_items_at;     /* where the list begins */
    struct nbx_buf observe;
};

/* bodies */

static enum nbx_err put_filter(struct nbx_buf *body, const char *text, struct nbx_fault *fault)
{
    struct nbx_arena *arena = nbx_arena_new(ARENA_BYTES);
    struct nbx_value v;
    enum nbx_err err = arena ? nbx_json_decode(&v, text, strlen(text), arena, fault)
                             : nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    if (err)
        nbx_fault_prefix(fault, "--filter");
    else
        nbx_wire_kv_value(body, "filter", &v);
    nbx_arena_destroy(&arena);
    return err;
}

/* A map of n_more members beyond those that recommend and rank have in common. */
static enum nbx_err put_common(struct nbx_buf *body, const struct nbx_load_arguments *a,
                               uint32_t n_more, struct nbx_fault *fault)
{
    nbx_wire_map(body, n_more + 2 + (a->filter != NULL) + (a->channel != NULL) + a->exclude_seen +
                           a->explain);
    nbx_wire_kv_int(body, "n", a->n);
    nbx_wire_kv_text(body, "record", nbx_load_records[a->record]);
    if (a->channel)
        nbx_wire_kv_text(body, "channel", a->channel);
    if (a->exclude_seen)
        nbx_wire_kv_bool(body, "exclude_seen", true);
    if (a->explain)
        nbx_wire_kv_bool(body, "explain", true);
    return a->filter ? put_filter(body, a->filter, fault) : NBX_OK;
}

static void make_rank(struct nbx_load_scenario *s)
{
    uint64_t n = s->items.n < s->a->rank_items ? s->items.n : s->a->rank_items;
    uint64_t first = nbx_random_below(&s->random, s->items.n);
    s->rank.len = s->rank_items_at;
    nbx_wire_list(&s->rank, (uint32_t)n);
    for (uint64_t i = 0; i < n; i++)
        nbx_wire_str(&s->rank, nbx_load_ids_at(&s->items, first + i));
}

static void make_observe(struct nbx_load_scenario *s)
{
    const struct nbx_load_arguments *a = s->a;
    nbx_buf_clear(&s->observe);
    nbx_wire_map(&s->observe, 2);
    nbx_wire_kv_text(&s->observe, "ack", nbx_load_acks[a->ack]);
    nbx_wire_text(&s->observe, "events");
    nbx_wire_list(&s->observe, 1);
    nbx_wire_map(&s->observe, 2 + (a->channel != NULL));
    nbx_wire_kv_text(&s->observe, "type", a->type);
    nbx_wire_kv_str(&s->observe, "item",
                    nbx_load_ids_at(&s->items, nbx_random_below(&s->random, s->items.n)));
    if (a->channel)
        nbx_wire_kv_text(&s->observe, "channel", a->channel);
}

/* the parts */

static enum nbx_err choose_customers(struct nbx_load_scenario *s, struct nbx_fault *fault)
{
    const struct nbx_load_arguments *a = s->a;
    s->customers = (struct nbx_load_ids){.n = a->n_customers, .prefix = a->customer_prefix};
    return a->customers_file ? nbx_load_ids_read(&s->customers, a->customers_file, "--customers",
                                                 a->load.seed, fault)
                             : NBX_OK;
}

static enum nbx_err choose_items(struct nbx_load_scenario *s, struct nbx_fault *fault)
{
    const struct nbx_load_arguments *a = s->a;
    if (a->scenario == NBX_LOAD_RECOMMEND)
        return NBX_OK;
    if (a->items_file)
        return nbx_load_ids_read(&s->items, a->items_file, "--items", a->load.seed, fault);
    if (a->n_items == 0)
        return nbx_load_ids_sample(&s->items, &a->load, &s->customers, fault);
    s->items = (struct nbx_load_ids){.n = a->n_items, .prefix = a->item_prefix};
    return NBX_OK;
}

static enum nbx_err begin_bodies(struct nbx_load_scenario *s, struct nbx_fault *fault)
{
    enum nbx_err err = put_common(&s->recommend, s->a, 0, fault);
    if (!err)
        err = put_common(&s->rank, s->a, 1, fault);
    nbx_wire_text(&s->rank, "items");
    s->rank_items_at = s->rank.len;
    return err;
}

enum nbx_err nbx_load_scenario_new(struct nbx_load_scenario **out,
                                   const struct nbx_load_arguments *a, struct nbx_fault *fault)
{
    *out = NULL;
    struct nbx_load_scenario *s = calloc(1, sizeof *s);
    if (!s)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    s->a = a;
    nbx_random_init(&s->random, a->load.seed ^ OTHER_SEED);
    enum nbx_err err = begin_bodies(s, fault);
    if (!err)
        err = choose_customers(s, fault);
    if (!err)
        err = choose_items(s, fault);
    if (err)
        nbx_load_scenario_destroy(&s);
    *out = s;
    return err;
}

void nbx_load_scenario_destroy(struct nbx_load_scenario **scenario)
{
    struct nbx_load_scenario *s = *scenario;
    if (!s)
        return;
    nbx_load_ids_fini(&s->customers);
    nbx_load_ids_fini(&s->items);
    nbx_buf_fini(&s->recommend);
    nbx_buf_fini(&s->rank);
    nbx_buf_fini(&s->observe);
    free(s);
    *scenario = NULL;
}

/* requests */

static unsigned draw_kind(struct nbx_load_scenario *s)
{
    const unsigned *weights = s->a->weights;
    if (s->a->scenario != NBX_LOAD_MIXED)
        return s->a->scenario;
    uint64_t sum = 0;
    for (unsigned i = 0; i < NBX_LOAD_N_KINDS; i++)
        sum += weights[i];
    uint64_t drawn = nbx_random_below(&s->random, sum);
    unsigned kind = 0;
    while (drawn >= weights[kind])
        drawn -= weights[kind++];
    return kind;
}

static const struct nbx_buf *make_body(struct nbx_load_scenario *s, unsigned kind)
{
    if (kind == NBX_LOAD_RECOMMEND)
        return &s->recommend;
    if (kind == NBX_LOAD_RANK) {
        make_rank(s);
        return &s->rank;
    }
    make_observe(s);
    return &s->observe;
}

unsigned nbx_load_scenario_make(void *arg, uint64_t number, struct nbx_request *out)
{
    struct nbx_load_scenario *s = arg;
    unsigned kind = draw_kind(s);
    const struct nbx_buf *body = make_body(s, kind);
    out->op = nbx_load_scenarios[kind];
    uint64_t who = s->a->in_turn ? number : nbx_random_below(&s->random, s->customers.n);
    out->key = nbx_load_ids_at(&s->customers, who);
    out->body = (struct nbx_str){(const char *)body->p, (uint32_t)body->len};
    return kind;
}
