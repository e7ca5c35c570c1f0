/* SPDX-License-Identifier: MIT
 * item.put, item.patch, item.delete: all that wait become one snapshot, one batch, one world.
 */
#include "engine/serve/keeper.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/random.h"
#include "engine/serve/reply.h"
#include "engine/store/log_record.h"
#include "proto/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define JOBS_A_ROUND      64
#define BYTES_A_ROUND     ((size_t)32 << 20) /* decoded; what is left waits for the next round */
#define STALL_PATIENCE_NS INT64_C(10000000000)

/* One request of the round: its share of the changes, or what was wrong with it. */
struct order {
    struct nbx_job *job;
    struct nbx_items_req req;   /* item.delete: `items` stays empty */
    struct nbx_change *changes; /* (n) */
    uint32_t *index;            /* (n) place in the list that was sent */
    uint32_t n;
    struct nbx_fault fault; /* code not 0: the request is refused whole */
    uint64_t seq;
};

static enum nbx_err read_changes(struct order *o, struct nbx_arena *arena)
{
    bool patch = o->job->op->op == NBX_OP_ITEM_PATCH;
    enum nbx_err err = nbx_message_items(&o->req, nbx_job_body(o->job), patch, arena, &o->fault);
    if (err)
        return err;
    o->n = o->req.n;
    o->index = o->req.index;
    o->changes = nbx_arena_calloc(arena, o->n, sizeof *o->changes);
    if (!o->changes)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < o->n; i++)
        o->changes[i] = (struct nbx_change){.kind = patch ? NBX_CHANGE_PATCH : NBX_CHANGE_PUT,
                                            .id = nbx_value_get(o->req.items[i], "id")->s,
                                            .fields = o->req.items[i]};
    return NBX_OK;
}

static enum nbx_err read_deletes(struct order *o, struct nbx_arena *arena)
{
    struct nbx_item_ids_req req;
    enum nbx_err err = nbx_message_item_ids(&req, nbx_job_body(o->job), arena, &o->fault);
    o->req.id = req.id;
    if (err)
        return err;
    o->n = req.ids.n;
    o->changes = nbx_arena_calloc(arena, o->n, sizeof *o->changes);
    o->index = nbx_arena_calloc(arena, o->n, sizeof *o->index);
    if (!o->changes || !o->index)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < o->n; i++) {
        o->index[i] = i;
        o->changes[i] = (struct nbx_change){.kind = NBX_CHANGE_DELETE, .id = req.ids.p[i]};
    }
    return NBX_OK;
}

static void read_order(struct order *o, struct nbx_job *job, struct nbx_arena *arena)
{
    *o = (struct order){.job = job};
    enum nbx_err err =
        job->op->op == NBX_OP_ITEM_DELETE ? read_deletes(o, arena) : read_changes(o, arena);
    if (!err)
        return;
    o->n = 0;
    if (!o->fault.code)
        nbx_fault_set(&o->fault, err, "items", "no memory for this request");
}

/* True if the store stalls writes and it is worth trying again, after a moment. Nobody but other
 * item changes waits for this thread. */
static bool stalled(enum nbx_err err, int64_t since_ns)
{
    struct timespec pause = {0, 2000000};
    if (err != NBX_EBUSY || nbx_clock_mono_ns() - since_ns > STALL_PATIENCE_NS)
        return false;
    nanosleep(&pause, NULL);
    return true;
}

/* Gives new items their numbers, which are written at once; an id that gets none is refused by the
 * catalogue. */
static void number_new_items(struct nbx_keeper *k, const struct order *o)
{
    int64_t since_ns = nbx_clock_mono_ns();
    for (uint32_t i = 0; i < o->n; i++) {
        uint32_t item_no;
        if (o->changes[i].kind == NBX_CHANGE_PUT)
            while (stalled(nbx_ids_intern(k->server->ids, o->changes[i].id, &item_no), since_ns))
                continue;
    }
}

/* The log's entry of an order: the changes that were made. `changes` has room for them. */
static void log_changes(struct nbx_keeper *k, const struct order *o, struct nbx_log_change *changes)
{
    static const enum nbx_log_what whats[] = {[NBX_CHANGE_PUT] = NBX_LOG_ITEM_PUT,
                                              [NBX_CHANGE_PATCH] = NBX_LOG_ITEM_PATCH,
                                              [NBX_CHANGE_DELETE] = NBX_LOG_ITEM_DELETE};
    struct nbx_log_record entry = {
        .kind = NBX_LOG_ITEMS, .now_ms = o->job->arrived_ms, .changes = changes};
    for (uint32_t i = 0; i < o->n; i++)
        if (!o->changes[i].fault.code)
            changes[entry.n_changes++] = (struct nbx_log_change){
                whats[o->changes[i].kind], o->changes[i].id, o->changes[i].fields};
    nbx_random_system(entry.id, sizeof entry.id);
    nbx_log_put(k->batch, NBX_STREAM_CATALOGUE, k->catalogue_seq, &entry);
}

/* Applies one order to the newest snapshot; the snapshots in between are freed at once. */
static void apply(struct nbx_keeper *k, struct order *o, struct nbx_catalog **newest)
{
    struct nbx_catalog *next = NULL;
    if (o->n == 0 || o->fault.code) {
        o->seq = k->catalogue_seq;
        return;
    }
    struct nbx_log_change *logged = nbx_arena_calloc(k->arena, o->n, sizeof *logged);
    number_new_items(k, o);
    struct nbx_change_time when = {o->job->arrived_ms, k->catalogue_seq + 1};
    enum nbx_err err =
        !logged ? NBX_ELIMIT : nbx_catalog_apply(&next, *newest, o->changes, o->n, when, k->batch);
    if (err) {
        nbx_fault_set(&o->fault, err, "items", "the catalogue cannot be changed");
        return;
    }
    if (*newest != k->catalog)
        nbx_catalog_release(newest);
    *newest = next;
    o->seq = k->catalogue_seq = when.seq;
    log_changes(k, o, logged);
}

static uint32_t count_applied(const struct order *o)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < o->n; i++)
        n += o->changes[i].fault.code == NBX_OK;
    return n;
}

/* Errors of entries: those the decoder found, then those the catalogue found. */
static struct nbx_entry_error *gather_errors(const struct order *o, struct nbx_arena *arena,
                                             uint32_t *n)
{
    const char *list = o->job->op->op == NBX_OP_ITEM_DELETE ? "ids" : "items";
    size_t room = (size_t)o->req.n_errors + o->n;
    struct nbx_entry_error *errors = nbx_arena_calloc(arena, room, sizeof *errors);
    *n = 0;
    for (uint32_t i = 0; errors && i < o->req.n_errors; i++)
        errors[(*n)++] = o->req.errors[i];
    for (uint32_t i = 0; errors && i < o->n; i++) {
        if (!o->changes[i].fault.code)
            continue;
        errors[*n] = (struct nbx_entry_error){o->index[i], o->changes[i].fault};
        if (o->changes[i].kind == NBX_CHANGE_DELETE)
            errors[*n].fault.field[0] = '\0'; /* the entry is the id itself */
        nbx_fault_prefix(&errors[(*n)++].fault, "%s[%u]", list, o->index[i]);
    }
    return errors;
}

static void reply(struct nbx_keeper *k, struct order *o)
{
    struct nbx_job *job = o->job;
    uint32_t n_errors;
    struct nbx_entry_error *errors = gather_errors(o, k->arena, &n_errors);
    if (!errors && !o->fault.code)
        nbx_fault_set(&o->fault, NBX_ELIMIT, NULL, "no memory for the reply");
    if (o->fault.code) {
        nbx_reply_fault(job, &o->fault, &o->req.id);
        nbx_front__answer(&k->server->front, &job, 1);
        return;
    }
    nbx_reply_begin(job, 3, &o->req.id);
    nbx_wire_kv_int(&job->reply, "applied", count_applied(o));
    nbx_wire_kv_int(&job->reply, "seq", (int64_t)o->seq);
    nbx_reply_errors(&job->reply, errors, n_errors);
    job->durable = true;
    nbx_reply_finish(job);
    if (job->durable)
        nbx_mail__send(k->server->commit.from_keeper, &k->server->commit.bell, job);
    else
        nbx_front__answer(&k->server->front, &job, 1);
}

/* The model as it is with the items of `catalog`; the old one where it minds none of the changes.
 */
static enum nbx_err follow_vectors(struct nbx_keeper *k, const struct nbx_catalog *catalog,
                                   struct nbx_model **out)
{
    *out = k->model;
    if (!k->model || !nbx_model_minds(k->model, k->catalog, catalog))
        return NBX_OK;
    return nbx_model_refresh(out, k->model, k->catalog, catalog);
}

/* Writes the batch, then makes every worker obey. Nobody sees what was not written. */
static enum nbx_err adopt(struct nbx_keeper *k, struct nbx_catalog *newest)
{
    struct nbx_catalog *old_catalog = k->catalog;
    struct nbx_model *old_model = k->model, *model;
    enum nbx_err err = follow_vectors(k, newest, &model);
    if (!err) {
        nbx_keeper__put_seq(k);
        int64_t since_ns = nbx_clock_mono_ns();
        do
            err = nbx_store_write(k->server->store, k->batch);
        while (stalled(err, since_ns));
        if (err && model != old_model)
            nbx_model_release(&model);
    }
    if (err) {
        nbx_catalog_release(&newest);
        return err;
    }
    k->catalog = newest;
    k->model = model;
    struct nbx_model *old_canary = nbx_keeper__follow_canary(k);
    nbx_keeper__must_publish(k);
    nbx_catalog_release(&old_catalog);
    nbx_model_release(&old_canary);
    if (model != old_model)
        nbx_model_release(&old_model);
    return NBX_OK;
}

/* Brings the orders into service, all in one snapshot, or none of them. */
static enum nbx_err take(struct nbx_keeper *k, struct order *orders, size_t n)
{
    struct nbx_catalog *newest = k->catalog;
    uint64_t seq_before = k->catalogue_seq;
    for (size_t i = 0; i < n; i++)
        apply(k, &orders[i], &newest);
    enum nbx_err err = newest == k->catalog ? NBX_OK : adopt(k, newest);
    nbx_batch_clear(k->batch);
    if (err)
        k->catalogue_seq = seq_before;
    return err;
}

/* Beyond the catalogue's own memory, which it refuses entry by entry, vectors take the index's;
 * also those that a model makes of attributes, which no field names. */
static void refuse(struct order *o, enum nbx_err err)
{
    char field[NBX_FAULT_FIELD_BYTES];
    if (o->n == 0 || o->fault.code)
        return;
    for (uint32_t i = 0; err == NBX_ELIMIT && i < o->n; i++) {
        if (!o->changes[i].fields || !nbx_value_get(o->changes[i].fields, "vector"))
            continue;
        snprintf(field, sizeof field, "items[%u].vector", o->index[i]);
        nbx_fault_set(&o->fault, err, field, "the memory for vectors is used up");
        return;
    }
    nbx_fault_set(&o->fault, err, NULL,
                  err == NBX_ELIMIT ? "the memory for vectors is used up"
                                    : "the catalogue cannot be written");
}

static void serve_round(struct nbx_keeper *k, struct order *orders, size_t n)
{
    enum nbx_err err = take(k, orders, n);
    bool apart = err == NBX_ELIMIT && n > 1; /* those that still fit do not suffer */
    for (size_t i = 0; i < n; i++) {
        enum nbx_err own = apart ? take(k, &orders[i], 1) : err;
        if (own)
            refuse(&orders[i], own);
        reply(k, &orders[i]);
    }
    nbx_arena_reset(k->arena);
}

bool nbx_keeper__serve_items(struct nbx_keeper *k)
{
    struct order orders[JOBS_A_ROUND];
    size_t n = 0, n_popped = 0;
    struct nbx_job *job;
    while (n_popped < JOBS_A_ROUND && nbx_arena_used(k->arena) < BYTES_A_ROUND &&
           (job = nbx_ring_pop(k->from_front))) {
        n_popped++;
        if (job->op->op == NBX_OP_BACKUP)
            nbx_keeper__begin_backup(k, job);
        else if (nbx_keeper__is_of_models(job))
            nbx_keeper__serve_models(k, job);
        else
            read_order(&orders[n++], job, k->arena);
    }
    if (n > 0)
        serve_round(k, orders, n);
    nbx_arena_reset(k->arena);
    return n_popped > 0;
}
