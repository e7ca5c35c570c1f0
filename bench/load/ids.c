/* SPDX-License-Identifier: MIT */
#include "bench/load/ids.h"

#include "proto/wire.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define SAMPLES      8 /* requests; each tells of up to SAMPLE_ITEMS */
#define SAMPLE_ITEMS 1000
#define MAX_ANSWERS  (64UL << 20)

/* Where an id lies in the text, which may move while it grows. */
struct place {
    size_t at;
    uint32_t len;
};

static struct place *places_of(const struct nbx_load_ids *ids)
{
    return (struct place *)ids->places.p;
}

static void add(struct nbx_load_ids *ids, struct nbx_str id)
{
    struct place place = {.at = ids->text.len, .len = id.len};
    nbx_buf_put(&ids->text, id.p, id.len);
    nbx_buf_put(&ids->places, &place, sizeof place);
    ids->n++;
}

static void shuffle(struct nbx_load_ids *ids, uint64_t seed)
{
    struct nbx_random random;
    struct place *places = places_of(ids);
    nbx_random_init(&random, seed);
    for (uint64_t i = ids->n; i > 1; i--) {
        uint64_t j = nbx_random_below(&random, i);
        struct place swapped = places[i - 1];
        places[i - 1] = places[j];
        places[j] = swapped;
    }
}

void nbx_load_ids_fini(struct nbx_load_ids *ids)
{
    nbx_buf_fini(&ids->text);
    nbx_buf_fini(&ids->places);
}

struct nbx_str nbx_load_ids_at(struct nbx_load_ids *ids, uint64_t i)
{
    if (ids->prefix) {
        snprintf(ids->made, sizeof ids->made, "%s%" PRIu64, ids->prefix, i % ids->n);
        return nbx_str_c(ids->made);
    }
    struct place place = places_of(ids)[i % ids->n];
    return (struct nbx_str){(const char *)ids->text.p + place.at, place.len};
}

/* from a file */

static enum nbx_err read_lines(struct nbx_load_ids *ids, FILE *file, const char *path,
                               const char *option, struct nbx_fault *fault)
{
    char *line = NULL;
    size_t cap = 0;
    enum nbx_err err = NBX_OK;
    for (unsigned number = 1; !err && getline(&line, &cap, file) >= 0; number++) {
        struct nbx_str id = {line, (uint32_t)strcspn(line, "\r\n")};
        if (id.len > NBX_LOAD_MAX_ID_BYTES)
            err = nbx_fault_set(fault, NBX_EBAD, option, "%s:%u: an id has at most %d bytes", path,
                                number, NBX_LOAD_MAX_ID_BYTES);
        else if (id.len > 0)
            add(ids, id);
    }
    free(line);
    return err;
}

enum nbx_err nbx_load_ids_read(struct nbx_load_ids *ids, const char *path, const char *option,
                               uint64_t seed, struct nbx_fault *fault)
{
    *ids = (struct nbx_load_ids){.n = 0};
    FILE *file = fopen(path, "re");
    if (!file)
        return nbx_fault_set(fault, NBX_EBAD, option, "cannot be opened: %s", path);
    enum nbx_err err = read_lines(ids, file, path, option, fault);
    if (!err && (ferror(file) || ids->text.failed || ids->places.failed))
        err = nbx_fault_set(fault, NBX_EBAD, option, "cannot be read: %s", path);
    if (!err && ids->n == 0)
        err = nbx_fault_set(fault, NBX_EBAD, option, "has no ids: %s", path);
    fclose(file);
    if (err)
        nbx_load_ids_fini(ids);
    else
        shuffle(ids, seed);
    return err;
}

/* from the daemon */

static int by_bytes(const void *a, const void *b, void *text)
{
    const struct place *x = a, *y = b;
    const char *p = text;
    return nbx_str_cmp((struct nbx_str){p + x->at, x->len}, (struct nbx_str){p + y->at, y->len});
}

static void leave_each_once(struct nbx_load_ids *ids)
{
    struct place *places = places_of(ids);
    uint64_t kept = 0;
    qsort_r(places, ids->n, sizeof *places, by_bytes, ids->text.p);
    for (uint64_t i = 0; i < ids->n; i++)
        if (i == 0 || by_bytes(&places[i], &places[kept - 1], ids->text.p) != 0)
            places[kept++] = places[i];
    ids->n = kept;
}

static void add_items(struct nbx_load_ids *ids, const struct nbx_value *body)
{
    const struct nbx_value *items = nbx_value_get(body, "items");
    for (uint32_t i = 0; items && items->type == NBX_LIST && i < items->n; i++) {
        const struct nbx_value *id = nbx_value_get(&items->list[i], "id");
        if (id && id->type == NBX_STRING)
            add(ids, id->s);
    }
}

static enum nbx_err ask(struct nbx_load_ids *ids, struct nbx_client *client, struct nbx_str key,
                        unsigned timeout_ms, struct nbx_arena *arena)
{
    struct nbx_buf body = {0};
    nbx_wire_map(&body, 2);
    nbx_wire_kv_int(&body, "n", SAMPLE_ITEMS);
    nbx_wire_kv_text(&body, "record", "none");
    struct nbx_request request = {.op = "recommend", .key = key};
    request.body = (struct nbx_str){(const char *)body.p, (uint32_t)body.len};
    struct nbx_reply reply;
    nbx_arena_reset(arena);
    enum nbx_err err = body.failed
                           ? NBX_ELIMIT
                           : nbx_client_call(client, &request, (int)timeout_ms, arena, &reply);
    if (!err)
        add_items(ids, &reply.body);
    nbx_buf_fini(&body);
    return err == NBX_EBAD ? NBX_EINTERNAL : err;
}

static enum nbx_err ask_all(struct nbx_load_ids *ids, const struct nbx_load_options *o,
                            struct nbx_load_ids *customers)
{
    struct nbx_client *client = NULL;
    struct nbx_arena *arena = nbx_arena_new(MAX_ANSWERS);
    struct nbx_random random;
    nbx_random_init(&random, o->seed);
    enum nbx_err err = arena ? nbx_client_new(&client, o->endpoint) : NBX_ELIMIT;
    if (!err)
        err = ask(ids, client, NBX_STR(""), o->timeout_ms, arena);
    for (int i = 1; i < SAMPLES && !err; i++) {
        uint64_t who = nbx_random_below(&random, customers->n);
        err = ask(ids, client, nbx_load_ids_at(customers, who), o->timeout_ms, arena);
    }
    nbx_client_drop(&client);
    nbx_arena_destroy(&arena);
    return err || !(ids->text.failed || ids->places.failed) ? err : NBX_ELIMIT;
}

static enum nbx_err explain(enum nbx_err err, const struct nbx_load_options *o,
                            struct nbx_fault *fault)
{
    switch (err) {
    case NBX_OK:
        return nbx_fault_set(fault, NBX_ENOTFOUND, "--items",
                             "nbxd at %s shows no items to sample; give --items or --n-items",
                             o->endpoint);
    case NBX_EBAD:
        return nbx_fault_set(fault, err, "--endpoint", "not an endpoint: %s", o->endpoint);
    case NBX_EBUSY:
        return nbx_fault_set(fault, err, "--endpoint", "nobody answers at %s within %u ms",
                             o->endpoint, o->timeout_ms);
    default:
        return nbx_fault_set(fault, err, "--items", "nbxd at %s cannot be asked for items (%s)",
                             o->endpoint, nbx_err_status(err));
    }
}

enum nbx_err nbx_load_ids_sample(struct nbx_load_ids *ids, const struct nbx_load_options *options,
                                 struct nbx_load_ids *customers, struct nbx_fault *fault)
{
    *ids = (struct nbx_load_ids){.n = 0};
    enum nbx_err err = ask_all(ids, options, customers);
    if (err || ids->n == 0) {
        nbx_load_ids_fini(ids);
        return explain(err, options, fault);
    }
    leave_each_once(ids);
    shuffle(ids, options->seed);
    return NBX_OK;
}
