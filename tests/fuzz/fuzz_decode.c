/* SPDX-License-Identifier: MIT
 * Every decoder of request bodies. The first byte picks the operation, the rest is the body. What
 * passes is written again and must read as the same tree. */
#include "engine/base/check.h"
#include "proto/message.h"
#include "proto/ops.h"
#include "proto/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(enum nbx_op op, bool flag, struct nbx_body body, struct nbx_arena *arena)
{
    struct nbx_recommend_req recommend;
    struct nbx_similar_req similar;
    struct nbx_observe_req observe;
    struct nbx_retract_req retract;
    struct nbx_link_req link;
    struct nbx_customer_put_req customer;
    struct nbx_items_req items;
    struct nbx_item_ids_req ids;
    struct nbx_backup_req backup;
    struct nbx_log_read_req log;
    struct nbx_events_read_req events;
    struct nbx_export_req export;
    struct nbx_model_push_req push;
    struct nbx_model_version_req version;
    struct nbx_model_read_req read;
    struct nbx_simple_req simple;
    struct nbx_fault fault = {0};
    enum nbx_err err;
    switch (op) {
    case NBX_OP_RECOMMEND:
    case NBX_OP_RANK:
        err = nbx_message_recommend(&recommend, body, op == NBX_OP_RANK, arena, &fault);
        break;
    case NBX_OP_SIMILAR: err = nbx_message_similar(&similar, body, arena, &fault); break;
    case NBX_OP_OBSERVE: err = nbx_message_observe(&observe, body, flag, arena, &fault); break;
    case NBX_OP_CUSTOMER_LINK:
        err = nbx_message_link(&link, body, flag, NBX_STR("a"), arena, &fault);
        break;
    case NBX_OP_RETRACT: err = nbx_message_retract(&retract, body, arena, &fault); break;
    case NBX_OP_CUSTOMER_PUT: err = nbx_message_customer_put(&customer, body, arena, &fault); break;
    case NBX_OP_ITEM_PUT:
    case NBX_OP_ITEM_PATCH:
        err = nbx_message_items(&items, body, op == NBX_OP_ITEM_PATCH, arena, &fault);
        break;
    case NBX_OP_ITEM_GET:
    case NBX_OP_ITEM_DELETE: err = nbx_message_item_ids(&ids, body, arena, &fault); break;
    case NBX_OP_LOG_READ: err = nbx_message_log_read(&log, body, arena, &fault); break;
    case NBX_OP_EVENTS_READ: err = nbx_message_events_read(&events, body, arena, &fault); break;
    case NBX_OP_CUSTOMER_EXPORT: err = nbx_message_export(&export, body, arena, &fault); break;
    case NBX_OP_MODEL_PUSH: err = nbx_message_model_push(&push, body, arena, &fault); break;
    case NBX_OP_MODEL_GET:
    case NBX_OP_MODEL_ACTIVATE:
    case NBX_OP_MODEL_DELETE:
    case NBX_OP_MODEL_STAGE:
        err = nbx_message_model_version(&version, body, op == NBX_OP_MODEL_STAGE, arena, &fault);
        break;
    case NBX_OP_MODEL_READ: err = nbx_message_model_read(&read, body, arena, &fault); break;
    case NBX_OP_BACKUP: err = nbx_message_backup(&backup, body, arena, &fault); break;
    default: err = nbx_message_simple(&simple, body, arena, &fault); break;
    }
    NBX_ASSERT(err == NBX_OK || (fault.code == err && fault.message[0]));
    NBX_ASSERT(err == NBX_OK || err == NBX_EBAD || err == NBX_ELIMIT);
}

static void write_again(struct nbx_body body, struct nbx_arena *arena)
{
    struct nbx_value v, again;
    if (nbx_wire_decode(&v, body.p, body.len, arena, NULL))
        return;
    struct nbx_buf b = {0};
    nbx_wire_value(&b, &v);
    enum nbx_err err = nbx_wire_decode(&again, b.p, b.len, arena, NULL);
    NBX_ASSERT(err == NBX_ELIMIT || (err == NBX_OK && nbx_value_eq(&v, &again)));
    nbx_buf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct nbx_arena *arena;
    if (!arena)
        arena = nbx_arena_new(8u << 20);
    if (!arena || size == 0)
        return 0;
    struct nbx_body body = {data + 1, size - 1};
    nbx_arena_reset(arena);
    decode((enum nbx_op)(data[0] % NBX_N_OPS), data[0] & 0x80, body, arena);
    nbx_arena_reset(arena);
    write_again(body, arena);
    return 0;
}
