/* SPDX-License-Identifier: MIT
 * What the tests of request bodies share: an arena, a fault, and any operation's decoder.
 *
 * Why:     tables of errors run over all operations alike.
 * Owns:    the arena, from bodies_set_up to bodies_tear_down.
 * Threads: one.
 * Errors:  none.
 */
#ifndef NBX_TESTS_PROTO_BODIES_H
#define NBX_TESTS_PROTO_BODIES_H

#include "proto/message.h"
#include "proto/ops.h"
#include "tests/unit/proto/notation.h"

static struct nbx_arena *arena;
static struct nbx_fault fault;
static struct nbx_buf sent;

static void bodies_set_up(void)
{
    arena = nbx_arena_new(64u << 20);
}

static void bodies_tear_down(void)
{
    nbx_arena_destroy(&arena);
    nbx_buf_fini(&sent);
}

/* Bytes of a body in notation, valid until the next call. */
static inline struct nbx_body body_of(const char *text)
{
    nbx_arena_reset(arena);
    nbx_buf_clear(&sent);
    fault = (struct nbx_fault){0};
    notation(&sent, text);
    return (struct nbx_body){sent.p, sent.len};
}

/* Moves the fault of the first refused entry into *fault. */
static inline enum nbx_err bodies_entry(const struct nbx_entry_error *errors, uint32_t n,
                                        enum nbx_err err)
{
    if (err || n == 0)
        return err;
    fault = errors[0].fault;
    return errors[0].fault.code;
}

/* Decodes a body as that operation does (observe with a key; links of the customer "anna"); an
 * entry's error counts as the body's. */
static inline enum nbx_err bodies_decode(enum nbx_op op, struct nbx_body body)
{
    struct nbx_recommend_req recommend;
    struct nbx_similar_req similar;
    struct nbx_observe_req observe;
    struct nbx_retract_req retract;
    struct nbx_export_req export;
    struct nbx_link_req link;
    struct nbx_customer_put_req customer;
    struct nbx_items_req items;
    struct nbx_item_ids_req ids;
    struct nbx_backup_req backup;
    struct nbx_log_read_req log;
    struct nbx_events_read_req events;
    struct nbx_model_push_req push;
    struct nbx_model_version_req version;
    struct nbx_model_read_req read;
    struct nbx_simple_req simple;
    enum nbx_err err;
    switch (op) {
    case NBX_OP_RECOMMEND:
    case NBX_OP_RANK:
        err = nbx_message_recommend(&recommend, body, op == NBX_OP_RANK, arena, &fault);
        err = bodies_entry(recommend.observe.errors, recommend.observe.n_errors, err);
        return bodies_entry(recommend.customers.errors, recommend.customers.n_errors, err);
    case NBX_OP_SIMILAR: return nbx_message_similar(&similar, body, arena, &fault);
    case NBX_OP_OBSERVE:
        err = nbx_message_observe(&observe, body, true, arena, &fault);
        return bodies_entry(observe.events.errors, observe.events.n_errors, err);
    case NBX_OP_CUSTOMER_EXPORT: return nbx_message_export(&export, body, arena, &fault);
    case NBX_OP_CUSTOMER_LINK:
    case NBX_OP_CUSTOMER_UNLINK:
        return nbx_message_link(&link, body, op == NBX_OP_CUSTOMER_LINK, NBX_STR("anna"), arena,
                                &fault);
    case NBX_OP_RETRACT: return nbx_message_retract(&retract, body, arena, &fault);
    case NBX_OP_CUSTOMER_PUT: return nbx_message_customer_put(&customer, body, arena, &fault);
    case NBX_OP_ITEM_PUT:
    case NBX_OP_ITEM_PATCH:
        err = nbx_message_items(&items, body, op == NBX_OP_ITEM_PATCH, arena, &fault);
        return bodies_entry(items.errors, items.n_errors, err);
    case NBX_OP_ITEM_GET:
    case NBX_OP_ITEM_DELETE: return nbx_message_item_ids(&ids, body, arena, &fault);
    case NBX_OP_LOG_READ: return nbx_message_log_read(&log, body, arena, &fault);
    case NBX_OP_EVENTS_READ: return nbx_message_events_read(&events, body, arena, &fault);
    case NBX_OP_MODEL_PUSH: return nbx_message_model_push(&push, body, arena, &fault);
    case NBX_OP_MODEL_GET:
    case NBX_OP_MODEL_ACTIVATE:
    case NBX_OP_MODEL_DELETE:
    case NBX_OP_MODEL_STAGE:
        return nbx_message_model_version(&version, body, op == NBX_OP_MODEL_STAGE, arena, &fault);
    case NBX_OP_MODEL_READ: return nbx_message_model_read(&read, body, arena, &fault);
    case NBX_OP_BACKUP: return nbx_message_backup(&backup, body, arena, &fault);
    default: return nbx_message_simple(&simple, body, arena, &fault);
    }
}

static inline enum nbx_err refusal(enum nbx_op op, const char *text)
{
    return bodies_decode(op, body_of(text));
}

#endif
