/* SPDX-License-Identifier: MIT
 * item.get, hello.
 */
#include "engine/serve/request.h"
#include "proto/wire.h"

/* One item as item.put took it; false where there is none. */
static enum nbx_err put_item(struct nbx_buf *b, const struct nbx_request *r, struct nbx_str id,
                             bool *found)
{
    uint32_t item_no = nbx_ids_find(r->worker->server->ids, id);
    struct nbx_key key = nbx_key_item(item_no);
    struct nbx_stored stored;
    struct nbx_item_record item;
    *found = item_no && nbx_catalog_has(r->worker->world->catalog, item_no);
    if (!*found)
        return NBX_OK;
    enum nbx_err err = nbx_store_get(r->worker->server->store, NBX_FAMILY_ITEMS, nbx_key_str(&key),
                                     r->scope.arena, &stored);
    if (err || (err = nbx_item_record_decode(&item, &stored, r->scope.arena)))
        return err;
    uint32_t n = item.fields ? item.fields->n : 0;
    nbx_wire_map(b, n + 1);
    nbx_wire_kv_str(b, "id", id);
    for (uint32_t i = 0; i < n; i++) {
        nbx_wire_str(b, item.fields->members[i].key);
        nbx_wire_value(b, &item.fields->members[i].value);
    }
    return NBX_OK;
}

static enum nbx_err put_items(struct nbx_buf *b, const struct nbx_request *r,
                              const struct nbx_strs *ids)
{
    struct nbx_buf items = {0}, unknown = {0};
    uint32_t n_items = 0, n_unknown = 0;
    enum nbx_err err = NBX_OK;
    for (uint32_t i = 0; !err && i < ids->n; i++) {
        bool found;
        err = put_item(&items, r, ids->p[i], &found);
        n_items += found;
        if (found)
            continue;
        nbx_wire_str(&unknown, ids->p[i]);
        n_unknown++;
    }
    nbx_wire_text(b, "items");
    nbx_wire_list(b, n_items);
    nbx_buf_put(b, items.p, items.len);
    nbx_wire_text(b, "unknown");
    nbx_wire_list(b, n_unknown);
    nbx_buf_put(b, unknown.p, unknown.len);
    b->failed |= items.failed || unknown.failed;
    nbx_buf_fini(&items);
    nbx_buf_fini(&unknown);
    return err;
}

void nbx_request_item_get(struct nbx_request *r)
{
    struct nbx_item_ids_req req;
    enum nbx_err err = nbx_message_item_ids(&req, nbx_job_body(r->job), r->scope.arena, &r->fault);
    if (!err) {
        nbx_reply_begin(r->job, 2, &req.id);
        err = put_items(&r->job->reply, r, &req.ids);
        if (err)
            nbx_fault_set(&r->fault, err, "ids", "an item cannot be read");
    }
    if (err)
        nbx_reply_fault(r->job, &r->fault, &req.id);
    else
        nbx_reply_finish(r->job);
}

void nbx_request_hello(struct nbx_request *r)
{
    struct nbx_simple_req req;
    struct nbx_buf *b = &r->job->reply;
    if (nbx_message_simple(&req, nbx_job_body(r->job), r->scope.arena, &r->fault)) {
        nbx_reply_fault(r->job, &r->fault, &req.id);
        return;
    }
    nbx_reply_begin(r->job, 7, &req.id);
    nbx_wire_kv_text(b, "name", "nbx");
    nbx_wire_kv_text(b, "version", r->worker->server->options.version);
    nbx_wire_kv_int(b, "protocol", NBX_PROTOCOL_VERSION);
    nbx_wire_text(b, "operations");
    nbx_wire_list(b, NBX_N_OPS);
    for (int op = 0; op < NBX_N_OPS; op++)
        nbx_wire_text(b, nbx_ops[op].name);
    nbx_wire_text(b, "features");
    nbx_wire_list(b, 3);
    nbx_wire_text(b, "customers");
    nbx_wire_text(b, "consent");
    nbx_wire_text(b, "links");
    nbx_reply_model(b, r->worker->world);
    nbx_wire_kv_bool(b, "ready", !atomic_load(&r->worker->server->front.draining));
    nbx_reply_finish(r->job);
}
