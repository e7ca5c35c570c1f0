/* SPDX-License-Identifier: MIT
 * What concerns linked identities beside the customer that the key names: customer.link and
 * customer.unlink, which the worker of the identity does, and retract and customer.forget of a
 * customer that is linked, of which each identity's worker does its part.
 *
 * A person is forgotten whole or, where the process ends in between, completed at the next start:
 * whom the key names goes last, for what links the others goes with it. Its part waits for all
 * others, at the head of its worker's lane. No two fans wait for each other: one thread pushes all
 * parts, those of a fan before those of the next, so that of two fans the same one is ahead in
 * every lane.
 */
#include "engine/serve/fan.h"
#include "engine/serve/request.h"
#include "proto/wire.h"

#include <stdlib.h>

/* decoding */

static enum nbx_err decode_link(struct nbx_fan *fan, struct nbx_fault *fault)
{
    bool link = fan->job->op->op == NBX_OP_CUSTOMER_LINK;
    fan->id = &fan->req.link.id;
    fan->identities = (struct nbx_strs){&fan->req.link.identity, 1};
    return nbx_message_link(&fan->req.link, nbx_job_body(fan->job), link, nbx_job_key(fan->job),
                            fan->arena, fault);
}

/* All that the customer is linked with now. */
static enum nbx_err find_identities(struct nbx_fan *fan, struct nbx_fault *fault)
{
    struct nbx_customer_scope scope = {
        .customers = fan->server->customers, .arena = fan->arena, .now_ms = fan->job->arrived_ms};
    enum nbx_err err = nbx_linked_ids(&fan->identities, &scope, nbx_job_key(fan->job));
    return err ? nbx_fault_set(fault, err, NULL, "the customer cannot be read") : NBX_OK;
}

static enum nbx_err decode_retract(struct nbx_fan *fan, struct nbx_fault *fault)
{
    fan->id = &fan->req.retract.id;
    enum nbx_err err =
        nbx_message_retract(&fan->req.retract, nbx_job_body(fan->job), fan->arena, fault);
    return err ? err : find_identities(fan, fault);
}

static enum nbx_err decode_forget(struct nbx_fan *fan, struct nbx_fault *fault)
{
    fan->id = &fan->req.forget.id;
    enum nbx_err err =
        nbx_message_simple(&fan->req.forget, nbx_job_body(fan->job), fan->arena, fault);
    return err ? err : find_identities(fan, fault);
}

/* splitting */

static struct nbx_part *owner_of(const struct nbx_fan *fan, struct nbx_str id)
{
    return &fan->parts[nbx_group_of(id) % fan->n_parts];
}

/* Whom the key names comes last in its part. */
static bool split(struct nbx_fan *fan)
{
    for (uint32_t n = fan->identities.n; n-- > 0;) {
        struct nbx_part *part = owner_of(fan, fan->identities.p[n]);
        if (!part->identities)
            part->identities =
                nbx_arena_calloc(fan->arena, fan->identities.n, sizeof *part->identities);
        if (!part->identities)
            return false;
        part->identities[part->n++].id = fan->identities.p[n];
    }
    return true;
}

static bool split_retract(struct nbx_fan *fan)
{
    uint32_t n_ids = fan->req.retract.events.n;
    bool made = split(fan);
    for (uint32_t p = 0; made && p < fan->n_parts; p++)
        for (uint32_t i = 0; made && i < fan->parts[p].n; i++) {
            bool *found = nbx_arena_calloc(fan->arena, n_ids, sizeof *found);
            fan->parts[p].identities[i].found = found;
            made = found != NULL;
        }
    return made;
}

/* serving */

/* One identity a slice, by what the operation does with it. */
static enum nbx_err serve_next(struct nbx_worker *w, struct nbx_part *part,
                               enum nbx_err (*apply)(struct nbx_request *r, struct nbx_part *part,
                                                     struct nbx_fan_identity *identity))
{
    struct nbx_request r = nbx_request_of(w, part->fan->job);
    struct nbx_fan_identity *identity = &part->identities[part->n_done];
    nbx_worker__due(w, nbx_group_of(identity->id), r.scope.now_ms);
    enum nbx_err err = apply(&r, part, identity);
    nbx_arena_reset(w->arena);
    if (err == NBX_EBUSY && nbx_fan_may_wait(part))
        return NBX_EBUSY;
    part->n_done = err ? part->n : part->n_done + 1;
    if (err)
        part->fault = r.fault;
    return NBX_OK;
}

static enum nbx_err apply_link(struct nbx_request *r, struct nbx_part *part,
                               struct nbx_fan_identity *identity)
{
    const struct nbx_link_req *req = &part->fan->req.link;
    struct nbx_link_record link = {.id = req->identity, .type = req->type};
    struct nbx_str customer = nbx_job_key(r->job);
    bool undo = r->job->op->op == NBX_OP_CUSTOMER_UNLINK;
    enum nbx_err err =
        undo ? nbx_unlink(&identity->done.linking, &r->scope, link.id, customer, &r->fault)
             : nbx_link(&identity->done.linking, &r->scope, &link, customer, &r->fault);
    /* what is so already may still wait for the sync of the first */
    part->durable = !err && req->ack != NBX_ACK_MEMORY;
    return err;
}

static enum nbx_err apply_retract(struct nbx_request *r, struct nbx_part *part,
                                  struct nbx_fan_identity *identity)
{
    const struct nbx_retract_req *req = &part->fan->req.retract;
    struct nbx_profile profile;
    enum nbx_err err = nbx_profile_load(&profile, &r->scope, identity->id);
    if (err)
        return nbx_fault_set(&r->fault, err, NULL, "the customer cannot be read");
    err = nbx_request_retract_of(r, &profile, req, identity->found, &identity->done.retracted);
    part->durable |= !err && req->ack != NBX_ACK_MEMORY;
    return err;
}

static bool is_named(const struct nbx_fan *fan, struct nbx_str id)
{
    return nbx_str_eq(id, nbx_job_key(fan->job));
}

static enum nbx_err apply_forget(struct nbx_request *r, struct nbx_part *part,
                                 struct nbx_fan_identity *identity)
{
    part->durable = true;
    return nbx_request_forget_of(r, identity->id, !is_named(part->fan, identity->id),
                                 &identity->done.forgetting);
}

static enum nbx_err serve_link(struct nbx_worker *w, struct nbx_part *part)
{
    return serve_next(w, part, apply_link);
}

static enum nbx_err serve_retract(struct nbx_worker *w, struct nbx_part *part)
{
    return serve_next(w, part, apply_retract);
}

static enum nbx_err serve_forget(struct nbx_worker *w, struct nbx_part *part)
{
    struct nbx_fan *fan = part->fan;
    if (is_named(fan, part->identities[part->n_done].id)) {
        if (atomic_load(&fan->left) > 1)
            return NBX_EBUSY;
        if (nbx_fan_find_fault(
                fan)) { /* it stays known, so that whoever asks again finds the rest */
            part->n_done = part->n;
            return NBX_OK;
        }
    }
    return serve_next(w, part, apply_forget);
}

/* replies */

static const struct nbx_fan_identity *find_named(const struct nbx_fan *fan)
{
    const struct nbx_part *part = owner_of(fan, nbx_job_key(fan->job));
    return &part->identities[part->n - 1];
}

/* True where one of the parts failed, and that is the reply. */
static bool reply_fault(struct nbx_fan *fan)
{
    const struct nbx_fault *fault = nbx_fan_find_fault(fan);
    if (fault)
        nbx_reply_fault(fan->job, fault, fan->id);
    return fault != NULL;
}

static void reply_link(struct nbx_fan *fan)
{
    struct nbx_job *job = fan->job;
    bool undo = job->op->op == NBX_OP_CUSTOMER_UNLINK;
    if (reply_fault(fan))
        return;
    const struct nbx_part *part = owner_of(fan, fan->req.link.identity);
    const struct nbx_linking *done = &part->identities[0].done.linking;
    nbx_reply_begin(job, 2, fan->id);
    nbx_wire_kv_bool(&job->reply, undo ? "unlinked" : "linked", done->changed);
    nbx_wire_kv_int(&job->reply, "seq", (int64_t)done->seq);
    nbx_reply_finish(job);
}

static bool was_found(const struct nbx_fan *fan, uint32_t i)
{
    for (uint32_t p = 0; p < fan->n_parts; p++)
        for (uint32_t k = 0; k < fan->parts[p].n; k++)
            if (fan->parts[p].identities[k].found[i])
                return true;
    return false;
}

static int compare_ids(const void *a, const void *b)
{
    return nbx_str_cmp(*(const struct nbx_str *)a, *(const struct nbx_str *)b);
}

/* Ids that no identity had an event of, each once. */
static uint32_t count_unknown(struct nbx_fan *fan)
{
    struct nbx_str *ids = fan->req.retract.events.p;
    uint32_t n = 0, n_unknown = 0;
    for (uint32_t i = 0; i < fan->req.retract.events.n; i++)
        if (!was_found(fan, i))
            ids[n++] = ids[i];
    if (n)
        qsort(ids, n, sizeof *ids, compare_ids);
    for (uint32_t i = 0; i < n; i++)
        n_unknown += i == 0 || !nbx_str_eq(ids[i - 1], ids[i]);
    return n_unknown;
}

static void reply_retract(struct nbx_fan *fan)
{
    if (reply_fault(fan))
        return;
    struct nbx_retracted all = {.seq = find_named(fan)->done.retracted.seq};
    for (uint32_t p = 0; p < fan->n_parts; p++)
        for (uint32_t i = 0; i < fan->parts[p].n; i++)
            all.retracted += fan->parts[p].identities[i].done.retracted.retracted;
    all.unknown = count_unknown(fan);
    nbx_reply_retracted(fan->job, &all, fan->id);
}

static void reply_forget(struct nbx_fan *fan)
{
    if (reply_fault(fan))
        return;
    struct nbx_forgetting all = find_named(fan)->done.forgetting;
    uint32_t n = 0;
    all.events = all.decisions = 0;
    for (uint32_t p = 0; p < fan->n_parts; p++)
        for (uint32_t i = 0; i < fan->parts[p].n; i++) {
            const struct nbx_forgetting *one = &fan->parts[p].identities[i].done.forgetting;
            all.events += one->events;
            all.decisions += one->decisions;
            n += one->forgotten;
        }
    nbx_reply_forgotten(fan->job, &all, n, fan->id);
}

const struct nbx_fan_kind nbx_fan_link = {.lane = NBX_LANE_EVENTS,
                                          .name = "link part",
                                          .decode = decode_link,
                                          .split = split,
                                          .serve = serve_link,
                                          .reply = reply_link};
const struct nbx_fan_kind nbx_fan_retract = {.lane = NBX_LANE_EVENTS,
                                             .name = "retract part",
                                             .list = "events",
                                             .decode = decode_retract,
                                             .split = split_retract,
                                             .serve = serve_retract,
                                             .reply = reply_retract};
const struct nbx_fan_kind nbx_fan_forget = {.lane = NBX_LANE_EVENTS,
                                            .name = "forget part",
                                            .decode = decode_forget,
                                            .split = split,
                                            .serve = serve_forget,
                                            .reply = reply_forget};
