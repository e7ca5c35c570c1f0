/* SPDX-License-Identifier: MIT
 * A recommend for many customers: each answered by the worker that owns it, a few in one pass over
 * the items, the results in the order asked.
 */
#include "engine/base/clock.h"
#include "engine/serve/fan.h"
#include "engine/serve/request.h"
#include "proto/wire.h"

#define MAX_REPLY_BYTES ((size_t)16 << 20)
#define SLICE_NS        INT64_C(300000) /* a request that comes meanwhile waits for so long */
#define MAX_TOGETHER    16              /* more in one pass gain nothing */
#define FIRST_TOGETHER  2               /* while it is not known how long one takes */

static enum nbx_err decode(struct nbx_fan *fan, struct nbx_fault *fault)
{
    fan->id = &fan->req.recommend.id;
    return nbx_message_recommend(&fan->req.recommend, nbx_job_body(fan->job), false, fan->arena,
                                 fault);
}

/* splitting */

static struct nbx_part *owner_of(const struct nbx_fan *fan, uint32_t i)
{
    return &fan->parts[nbx_group_of(fan->req.recommend.customers.p[i]) % fan->n_parts];
}

/* Room for its seats in every part. */
static bool make_seats(struct nbx_fan *fan)
{
    const struct nbx_customer_ids *customers = &fan->req.recommend.customers;
    uint32_t *counts = nbx_arena_calloc(fan->arena, fan->n_parts, sizeof *counts); /* (n_parts) */
    if (!counts)
        return false;
    for (uint32_t i = 0; i < customers->n; i++)
        counts[owner_of(fan, i) - fan->parts]++;
    for (uint32_t p = 0; p < fan->n_parts; p++) {
        fan->parts[p].seats = nbx_arena_calloc(fan->arena, counts[p], sizeof *fan->parts[p].seats);
        if (!fan->parts[p].seats)
            return false;
    }
    return true;
}

static bool split(struct nbx_fan *fan)
{
    const struct nbx_customer_ids *customers = &fan->req.recommend.customers;
    if (!make_seats(fan))
        return false;
    for (uint32_t i = 0; i < customers->n; i++) {
        struct nbx_part *part = owner_of(fan, i);
        part->seats[part->n++] =
            (struct nbx_seat){.customer = customers->p[i], .index = customers->index[i]};
    }
    return true;
}

/* serving */

/* Those of a slice whom one model answers. */
struct side {
    struct nbx_decide d;
    struct nbx_decide_entry *entries; /* (n) in the order of the seats */
    uint32_t n, n_put;
    struct nbx_str model[2];
};

/* A slice being served: the next seats of a part, in one world. */
struct slice {
    struct nbx_request request;
    struct nbx_customer_scope scope; /* by the clock of the request */
    struct nbx_part *part;
    const struct nbx_recommend_req *req;
    struct nbx_seat *seats; /* (n) */
    uint32_t n;
    struct nbx_profile *profiles; /* (n) */
    struct side **side_of;        /* (n) NULL: a seat without an answer */
    struct side sides[2];         /* the active model's and the canary's */
};

static bool begin_side(struct side *side, struct slice *s, const struct nbx_world *world)
{
    struct nbx_arena *arena = s->part->arena;
    side->d = nbx_request_decide(&s->request, &s->scope);
    side->d.world = world;
    side->entries = nbx_arena_calloc(s->scope.arena, s->n, sizeof *side->entries);
    const struct nbx_model *model = world->model;
    side->model[0] = nbx_arena_str(arena, model ? nbx_model_name(model) : NBX_STR(""));
    side->model[1] = nbx_arena_str(arena, model ? nbx_model_version(model) : NBX_STR(""));
    return side->entries && side->model[0].p && side->model[1].p;
}

static bool begin_slice(struct slice *s, struct nbx_worker *w, struct nbx_part *part)
{
    *s = (struct slice){.request = nbx_request_of(w, part->fan->job),
                        .part = part,
                        .req = &part->fan->req.recommend,
                        .seats = part->seats + part->n_done};
    int64_t fit = w->customer_ns ? SLICE_NS / w->customer_ns : FIRST_TOGETHER;
    int64_t most = fit < 1 ? 1 : fit > MAX_TOGETHER ? MAX_TOGETHER : fit;
    s->n = part->n - part->n_done < most ? part->n - part->n_done : (uint32_t)most;
    s->scope = s->request.scope;
    if (s->req->now_ms != NBX_TIME_UNSET)
        s->scope.now_ms = s->req->now_ms;
    s->profiles = nbx_arena_calloc(w->arena, s->n, sizeof *s->profiles);
    s->side_of = nbx_arena_calloc(w->arena, s->n, sizeof(struct side *));
    const struct nbx_world *canary = w->world->canary;
    return s->profiles && s->side_of && begin_side(&s->sides[0], s, w->world) &&
           (!canary || begin_side(&s->sides[1], s, canary));
}

/* Those that can be read take a side. */
static void load_profiles(struct slice *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        enum nbx_err err = nbx_profile_load(&s->profiles[i], &s->scope, s->seats[i].customer);
        if (!err)
            err = nbx_profile_for_answer(&s->profiles[i], &s->scope, &s->profiles[i],
                                         s->req->personal);
        if (err) {
            nbx_fault_set(&s->seats[i].fault, err, NULL, "the customer cannot be read");
            continue;
        }
        const struct nbx_world *world = s->sides[0].d.world;
        struct side *side =
            &s->sides[nbx_canary_world(world, s->req, &s->profiles[i])->is_canary ? 1 : 0];
        s->side_of[i] = side;
        side->entries[side->n++].profile = &s->profiles[i];
    }
}

/* The members of a result, of which the fan makes a map. */
static void put_answer(struct slice *s, struct nbx_seat *seat, const struct side *side,
                       const struct nbx_decide_entry *entry)
{
    struct nbx_buf *b = &s->part->answers;
    struct nbx_decision_context context = {
        .req = s->req, .profile = entry->profile, .time_ms = s->request.job->arrived_ms};
    bool recorded = nbx_request_record(s->request.worker, &side->d, &entry->decision, &context);
    seat->at = b->len;
    seat->n_members = 3 + recorded + entry->decision.approximate;
    nbx_wire_kv_str(b, "customer", seat->customer);
    nbx_wire_kv_bool(b, "known", entry->profile->known);
    if (recorded) {
        char hex[33];
        nbx_decision_id_hex(context.id, hex);
        nbx_wire_kv_text(b, "decision", hex);
    }
    struct nbx_reply_list list = {.d = &side->d,
                                  .decision = &entry->decision,
                                  .fields = s->req->fields,
                                  .channel = s->req->channel};
    nbx_reply_items(b, &list);
    if (entry->decision.approximate)
        nbx_wire_kv_float(b, "recall", (double)entry->decision.recall);
    seat->len = b->len - seat->at;
    seat->model[0] = side->model[0];
    seat->model[1] = side->model[1];
}

static void put_answers(struct slice *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        struct side *side = s->side_of[i];
        if (!side)
            continue;
        const struct nbx_decide_entry *entry = &side->entries[side->n_put++];
        if (entry->fault.code)
            s->seats[i].fault = entry->fault;
        else
            put_answer(s, &s->seats[i], side, entry);
    }
}

static enum nbx_err refuse(struct nbx_part *part, const char *why)
{
    return nbx_fault_set(&part->fault, NBX_ELIMIT, "customers", "%s", why);
}

/* How much all workers have written so far decides, so that it does not matter how many they are.
 */
static enum nbx_err check_size(struct nbx_part *part, size_t before)
{
    size_t added = part->answers.len - before;
    size_t all = atomic_fetch_add(&part->fan->answer_bytes, added) + added;
    if (part->answers.failed)
        return refuse(part, "no memory for this request");
    return all > MAX_REPLY_BYTES ? refuse(part, "the reply is above 16 MiB: ask for fewer at once")
                                 : NBX_OK;
}

/* Those that a slice can have. */
static void apply_due(struct nbx_worker *w, const struct nbx_part *part)
{
    for (uint32_t i = part->n_done; i < part->n && i < part->n_done + MAX_TOGETHER; i++)
        nbx_worker__due(w, nbx_group_of(part->seats[i].customer), part->fan->job->arrived_ms);
}

static enum nbx_err serve_some(struct slice *s, struct nbx_worker *w, struct nbx_part *part)
{
    size_t before = part->answers.len;
    apply_due(w, part);
    if (!begin_slice(s, w, part))
        return refuse(part, "no memory for this request");
    if (part->n_done == 0 && nbx_decide_check(&s->sides[0].d, s->req, &part->fault))
        return part->fault.code;
    load_profiles(s);
    for (int i = 0; i < 2; i++)
        if (s->sides[i].n)
            nbx_decide_many(s->sides[i].entries, s->sides[i].n, &s->sides[i].d, s->req);
    put_answers(s);
    nbx_count(&w->counters.listed, s->n);
    return check_size(part, before);
}

static enum nbx_err serve(struct nbx_worker *w, struct nbx_part *part)
{
    struct slice s;
    int64_t from_ns = nbx_clock_thread_ns();
    enum nbx_err err = serve_some(&s, w, part);
    nbx_arena_reset(w->arena);
    part->n_done = err ? part->n : part->n_done + s.n;
    if (!err) {
        int64_t each_ns = (nbx_clock_thread_ns() - from_ns) / s.n;
        w->customer_ns = w->customer_ns ? (3 * w->customer_ns + each_ns) / 4 : each_ns;
    }
    return NBX_OK;
}

/* the reply */

/* All seats in the order asked: (n) of the good ids. */
static struct nbx_seat **line_up(struct nbx_fan *fan)
{
    uint32_t n = fan->req.recommend.customers.n;
    struct nbx_seat **seats = nbx_arena_calloc(fan->arena, n, sizeof(struct nbx_seat *));
    uint32_t *next = nbx_arena_calloc(fan->arena, fan->n_parts, sizeof *next); /* (n_parts) */
    if (!seats || !next)
        return NULL;
    for (uint32_t i = 0; i < n; i++) {
        struct nbx_part *part = owner_of(fan, i);
        seats[i] = &part->seats[next[part - fan->parts]++];
    }
    return seats;
}

static void put_model(struct nbx_buf *b, const struct nbx_str model[2])
{
    nbx_wire_text(b, "model");
    nbx_wire_map(b, 2);
    nbx_wire_kv_str(b, "name", model[0]);
    nbx_wire_kv_str(b, "version", model[1]);
}

static void put_results(struct nbx_buf *b, const struct nbx_fan *fan, struct nbx_seat *const *seats,
                        uint32_t n_good)
{
    const struct nbx_str *model = NULL, none[2] = {NBX_STR(""), NBX_STR("")};
    nbx_wire_text(b, "results");
    nbx_wire_list(b, n_good);
    for (uint32_t i = 0; i < fan->req.recommend.customers.n; i++) {
        const struct nbx_seat *seat = seats[i];
        if (seat->fault.code)
            continue;
        model = model ? model : seat->model;
        bool other = !nbx_str_eq(model[0], seat->model[0]) || !nbx_str_eq(model[1], seat->model[1]);
        nbx_wire_map(b, seat->n_members + other);
        nbx_buf_put(b, owner_of(fan, i)->answers.p + seat->at, seat->len);
        if (other)
            put_model(b, seat->model);
    }
    put_model(b, model ? model : none);
}

/* Errors of ids that are none, and of customers that could not be answered. */
static bool put_errors(struct nbx_buf *b, struct nbx_fan *fan, struct nbx_seat *const *seats,
                       uint32_t n_bad)
{
    const struct nbx_customer_ids *customers = &fan->req.recommend.customers;
    uint32_t n = 0;
    struct nbx_entry_error *errors =
        nbx_arena_calloc(fan->arena, customers->n_errors + n_bad, sizeof *errors);
    if (!errors)
        return false;
    for (; n < customers->n_errors; n++)
        errors[n] = customers->errors[n];
    for (uint32_t i = 0; i < customers->n; i++) {
        if (!seats[i]->fault.code)
            continue;
        errors[n] = (struct nbx_entry_error){seats[i]->index, seats[i]->fault};
        nbx_fault_prefix(&errors[n++].fault, "customers[%u]", seats[i]->index);
    }
    nbx_reply_errors(b, errors, n);
    return true;
}

static void reply(struct nbx_fan *fan)
{
    struct nbx_job *job = fan->job;
    const struct nbx_fault *fault = nbx_fan_find_fault(fan);
    if (fault) {
        nbx_reply_fault(job, fault, fan->id);
        return;
    }
    struct nbx_seat **seats = line_up(fan);
    uint32_t n = fan->req.recommend.customers.n, n_bad = 0;
    for (uint32_t i = 0; seats && i < n; i++)
        n_bad += seats[i]->fault.code != NBX_OK;
    nbx_reply_begin(job, 3, fan->id);
    if (seats)
        put_results(&job->reply, fan, seats, n - n_bad);
    if (!seats || !put_errors(&job->reply, fan, seats, n_bad))
        job->reply.failed = true;
    nbx_reply_finish(job);
}

const struct nbx_fan_kind nbx_fan_recommend = {.lane = NBX_LANE_CUSTOMERS,
                                               .name = "recommend part",
                                               .list = "customers",
                                               .decode = decode,
                                               .split = split,
                                               .serve = serve,
                                               .reply = reply};
