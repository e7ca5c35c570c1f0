/* SPDX-License-Identifier: MIT */
#include "bench/load/scenario.h"

#include "engine/json/json.h"
#include "proto/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES (16UL << 20)
#define KEY_BYTES   300

struct nbx_load_scenario {
    const struct nbx_load_arguments *a;
    struct nbx_random random;
    struct nbx_buf ids;     /* of customers, end to end, each with its newline */
    struct nbx_buf offsets; /* of size_t (n_ids) */
    uint64_t n_ids;
    struct nbx_buf body;
    char key[KEY_BYTES], item[KEY_BYTES];
};

/* customers */

static enum nbx_err read_customers(struct nbx_load_scenario *s, struct nbx_fault *fault)
{
    FILE *f = fopen(s->a->customers_file, "re");
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    if (!f)
        return nbx_fault_set(fault, NBX_EBAD, "--customers", "cannot be opened: %s",
                             s->a->customers_file);
    while ((n = getline(&line, &cap, f)) > 0) {
        n -= line[n - 1] == '\n';
        if (n < 1 || n > 255)
            continue;
        size_t at = s->ids.len;
        nbx_buf_put(&s->offsets, &at, sizeof at);
        nbx_buf_put(&s->ids, line, (size_t)n);
        nbx_buf_put_u8(&s->ids, '\n');
        s->n_ids++;
    }
    free(line);
    fclose(f);
    if (s->ids.failed || s->offsets.failed)
        return nbx_fault_set(fault, NBX_ELIMIT, "--customers", "out of memory");
    return s->n_ids ? NBX_OK
                    : nbx_fault_set(fault, NBX_EBAD, "--customers", "has no ids: %s",
                                    s->a->customers_file);
}

static struct nbx_str draw_customer(struct nbx_load_scenario *s)
{
    if (s->n_ids) {
        size_t at = ((const size_t *)s->offsets.p)[nbx_random_below(&s->random, s->n_ids)];
        const char *p = (const char *)s->ids.p + at;
        return (struct nbx_str){p, (uint32_t)((const char *)memchr(p, '\n', s->ids.len - at) - p)};
    }
    snprintf(s->key, sizeof s->key, "%.255s%" PRIu64, s->a->customer_prefix,
             nbx_random_below(&s->random, s->a->n_customers));
    return nbx_str_c(s->key);
}

/* bodies */

static enum nbx_err put_filter(struct nbx_load_scenario *s, struct nbx_fault *fault)
{
    struct nbx_arena *arena = nbx_arena_new(ARENA_BYTES);
    struct nbx_value v;
    enum nbx_err err =
        arena ? nbx_json_decode(&v, s->a->filter, strlen(s->a->filter), arena, fault) : NBX_ELIMIT;
    if (err)
        nbx_fault_prefix(fault, "--filter");
    else
        nbx_wire_kv_value(&s->body, "filter", &v);
    nbx_arena_destroy(&arena);
    return err;
}

/* The same for every customer, so it is written once. */
static enum nbx_err make_recommend(struct nbx_load_scenario *s, struct nbx_fault *fault)
{
    const struct nbx_load_arguments *a = s->a;
    uint32_t n_members = 1 + (a->filter != NULL) + (a->channel != NULL) + (a->record != NULL) +
                         a->exclude_seen + a->explain;
    nbx_wire_map(&s->body, n_members);
    nbx_wire_kv_int(&s->body, "n", a->n);
    if (a->channel)
        nbx_wire_kv_text(&s->body, "channel", a->channel);
    if (a->record)
        nbx_wire_kv_text(&s->body, "record", a->record);
    if (a->exclude_seen)
        nbx_wire_kv_bool(&s->body, "exclude_seen", true);
    if (a->explain)
        nbx_wire_kv_bool(&s->body, "explain", true);
    return a->filter ? put_filter(s, fault) : NBX_OK;
}

static void make_observe(struct nbx_load_scenario *s)
{
    const struct nbx_load_arguments *a = s->a;
    snprintf(s->item, sizeof s->item, "%.255s%" PRIu64, a->item_prefix,
             nbx_random_below(&s->random, a->n_items));
    nbx_buf_clear(&s->body);
    nbx_wire_map(&s->body, 1 + (a->ack != NULL));
    if (a->ack)
        nbx_wire_kv_text(&s->body, "ack", a->ack);
    nbx_wire_text(&s->body, "events");
    nbx_wire_list(&s->body, 1);
    nbx_wire_map(&s->body, 2 + (a->channel != NULL));
    nbx_wire_kv_text(&s->body, "type", a->type);
    nbx_wire_kv_text(&s->body, "item", s->item);
    if (a->channel)
        nbx_wire_kv_text(&s->body, "channel", a->channel);
}

enum nbx_err nbx_load_scenario_new(struct nbx_load_scenario **out,
                                   const struct nbx_load_arguments *a, struct nbx_fault *fault)
{
    *out = NULL;
    struct nbx_load_scenario *s = calloc(1, sizeof *s);
    if (!s)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    s->a = a;
    /* Not the numbers the arrivals are drawn from. */
    nbx_random_init(&s->random, a->load.seed ^ UINT64_C(0x9e3779b97f4a7c15));
    enum nbx_err err = a->customers_file ? read_customers(s, fault) : NBX_OK;
    if (!err && !a->observe)
        err = make_recommend(s, fault);
    if (err)
        nbx_load_scenario_destroy(&s);
    *out = s;
    return err;
}

void nbx_load_scenario_destroy(struct nbx_load_scenario **scenario)
{
    if (!*scenario)
        return;
    nbx_buf_fini(&(*scenario)->ids);
    nbx_buf_fini(&(*scenario)->offsets);
    nbx_buf_fini(&(*scenario)->body);
    free(*scenario);
    *scenario = NULL;
}

void nbx_load_scenario_make(void *arg, uint64_t number, struct nbx_request *out)
{
    (void)number;
    struct nbx_load_scenario *s = arg;
    out->op = s->a->observe ? "observe" : "recommend";
    out->key = draw_customer(s);
    if (s->a->observe)
        make_observe(s);
    out->body = (struct nbx_str){(const char *)s->body.p, (uint32_t)s->body.len};
}
