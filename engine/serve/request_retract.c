/* SPDX-License-Identifier: MIT
 * retract
 */
#include "engine/serve/request.h"

/* Which items' events go: one item, or those whose field has the value. */
struct coverage {
    const struct nbx_catalog *catalog;
    struct nbx_arena *arena;
    uint32_t item_no;            /* where field is empty */
    struct nbx_str field, value; /* a text, or a list of texts */
};

static bool has_text(const struct nbx_value *v, struct nbx_str text)
{
    if (v->type == NBX_STRING)
        return nbx_str_eq(v->s, text);
    for (uint32_t i = 0; v->type == NBX_LIST && i < v->n; i++)
        if (has_text(&v->list[i], text))
            return true;
    return false;
}

static bool covers(void *context, uint32_t item_no)
{
    const struct coverage *c = context;
    if (c->field.len == 0)
        return item_no == c->item_no;
    if (!nbx_catalog_has(c->catalog, item_no))
        return false;
    struct nbx_value v = nbx_catalog_field(c->catalog, item_no, c->field, c->arena);
    return has_text(&v, c->value);
}

/* What the request says, for the floor that knows no catalogue. */
static struct nbx_retraction retraction_of(const struct nbx_retract_req *req,
                                           const struct nbx_request *r, struct coverage *c)
{
    *c = (struct coverage){.catalog = r->worker->world->catalog, .arena = r->scope.arena};
    if (req->item.len) {
        c->item_no = nbx_ids_find(r->worker->server->ids, req->item);
    } else {
        c->field = req->brand.len ? NBX_STR("brand") : NBX_STR("categories");
        c->value = req->brand.len ? req->brand : req->category;
    }
    bool by_id = req->all || req->events.n;
    return (struct nbx_retraction){.ids = req->events.p,
                                   .n_ids = req->events.n,
                                   .covers = by_id ? NULL : covers,
                                   .context = c,
                                   .all = req->all};
}

enum nbx_err nbx_request_retract_of(struct nbx_request *r, struct nbx_profile *profile,
                                    const struct nbx_retract_req *req, bool *found,
                                    struct nbx_retracted *done)
{
    struct coverage coverage;
    struct nbx_retraction what = retraction_of(req, r, &coverage);
    what.found = found;
    enum nbx_err err = nbx_retract(done, &r->scope, profile, &what);
    return err ? nbx_fault_set(&r->fault, err, NULL, "the events cannot be retracted") : NBX_OK;
}

void nbx_request_retract(struct nbx_request *r)
{
    struct nbx_retract_req req;
    struct nbx_profile profile;
    struct nbx_retracted done;
    enum nbx_err err = nbx_message_retract(&req, nbx_job_body(r->job), r->scope.arena, &r->fault);
    if (!err && (err = nbx_profile_load(&profile, &r->scope, nbx_job_key(r->job))))
        nbx_fault_set(&r->fault, err, NULL, "the customer cannot be read");
    if (!err && profile.linked) {
        r->job->fans_out = true;
        return;
    }
    if (!err)
        err = nbx_request_retract_of(r, &profile, &req, NULL, &done);
    if (err) {
        nbx_reply_fault(r->job, &r->fault, &req.id);
        return;
    }
    /* what another retraction did may still wait for its sync */
    r->job->durable = req.ack != NBX_ACK_MEMORY;
    nbx_reply_retracted(r->job, &done, &req.id);
}
