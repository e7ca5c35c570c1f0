/* SPDX-License-Identifier: MIT
 * The operations: name, role and road, in one table.
 *
 * Why:     the front routes by this table and nothing else; `hello` lists it; roles will be
 *          checked against it.
 * Owns:    constants.
 * Threads: any.
 * Errors:  an unknown name is NULL.
 */
#ifndef NBX_PROTO_OPS_H
#define NBX_PROTO_OPS_H

#include "engine/base/str.h"

#include <stdbool.h>

#define NBX_PROTOCOL_VERSION 1
#define NBX_MAGIC            "NBX1"

enum nbx_op {
    NBX_OP_HELLO,
    NBX_OP_RECOMMEND,
    NBX_OP_RANK,
    NBX_OP_SIMILAR,
    NBX_OP_OBSERVE,
    NBX_OP_CUSTOMER_GET,
    NBX_OP_CUSTOMER_PUT,
    NBX_OP_CUSTOMER_FORGET,
    NBX_OP_DECISION_GET,
    NBX_OP_ITEM_PUT,
    NBX_OP_ITEM_PATCH,
    NBX_OP_ITEM_GET,
    NBX_OP_ITEM_DELETE,
    NBX_OP_STATS,
    NBX_OP_BACKUP,
    NBX_OP_RETRACT,
    NBX_OP_LOG_HEADS,
    NBX_OP_LOG_READ,
    NBX_OP_CUSTOMER_EXPORT,
    NBX_OP_CUSTOMER_LINK,
    NBX_OP_CUSTOMER_UNLINK,
    NBX_OP_MODEL_PUSH,
    NBX_OP_MODEL_LIST,
    NBX_OP_MODEL_GET,
    NBX_OP_MODEL_STAGE,
    NBX_OP_MODEL_ACTIVATE,
    NBX_OP_MODEL_ROLLBACK,
    NBX_OP_MODEL_DELETE,
    NBX_OP_EVENTS_READ,
    NBX_OP_MODEL_READ,
    NBX_N_OPS
};

/* Who may call it, once roles are checked. */
enum nbx_role { NBX_ROLE_READER, NBX_ROLE_WRITER, NBX_ROLE_ADMIN };

/* Where the front sends it. The key frame decides, never the body. */
enum nbx_road {
    NBX_ROAD_CUSTOMER, /* the worker that owns the key's group; an empty key goes to any worker */
    NBX_ROAD_OBSERVE,  /* as CUSTOMER; an empty key goes to the fan-out */
    NBX_ROAD_DECISION, /* the key is a decision id: its first byte is the group */
    NBX_ROAD_ANY,      /* any worker; the key must be empty */
    NBX_ROAD_CATALOGUE /* the catalogue's writer; the key must be empty */
};

struct nbx_op_info {
    const char *name; /* as on the wire */
    enum nbx_op op;
    enum nbx_role role;
    enum nbx_road road;
    bool key_required; /* an empty key is refused */
};

/* (NBX_N_OPS), indexed by enum nbx_op. */
extern const struct nbx_op_info nbx_ops[NBX_N_OPS];

/* The operation of that name, or NULL. */
const struct nbx_op_info *nbx_op_find(struct nbx_str name);

#endif
