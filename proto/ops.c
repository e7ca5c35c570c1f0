/* SPDX-License-Identifier: MIT */
#include "proto/ops.h"

#include <stddef.h>

const struct nbx_op_info nbx_ops[NBX_N_OPS] = {
    {"hello", NBX_OP_HELLO, NBX_ROLE_READER, NBX_ROAD_ANY, false},
    {"recommend", NBX_OP_RECOMMEND, NBX_ROLE_READER, NBX_ROAD_CUSTOMER, false},
    {"rank", NBX_OP_RANK, NBX_ROLE_READER, NBX_ROAD_CUSTOMER, false},
    {"similar", NBX_OP_SIMILAR, NBX_ROLE_READER, NBX_ROAD_ANY, false},
    {"observe", NBX_OP_OBSERVE, NBX_ROLE_WRITER, NBX_ROAD_OBSERVE, false},
    {"customer.get", NBX_OP_CUSTOMER_GET, NBX_ROLE_READER, NBX_ROAD_CUSTOMER, true},
    {"customer.put", NBX_OP_CUSTOMER_PUT, NBX_ROLE_WRITER, NBX_ROAD_CUSTOMER, true},
    {"customer.forget", NBX_OP_CUSTOMER_FORGET, NBX_ROLE_ADMIN, NBX_ROAD_CUSTOMER, true},
    {"decision.get", NBX_OP_DECISION_GET, NBX_ROLE_READER, NBX_ROAD_DECISION, true},
    {"item.put", NBX_OP_ITEM_PUT, NBX_ROLE_WRITER, NBX_ROAD_CATALOGUE, false},
    {"item.patch", NBX_OP_ITEM_PATCH, NBX_ROLE_WRITER, NBX_ROAD_CATALOGUE, false},
    {"item.get", NBX_OP_ITEM_GET, NBX_ROLE_READER, NBX_ROAD_ANY, false},
    {"item.delete", NBX_OP_ITEM_DELETE, NBX_ROLE_WRITER, NBX_ROAD_CATALOGUE, false},
    {"stats", NBX_OP_STATS, NBX_ROLE_READER, NBX_ROAD_ANY, false},
    {"backup", NBX_OP_BACKUP, NBX_ROLE_ADMIN, NBX_ROAD_CATALOGUE, false},
    {"retract", NBX_OP_RETRACT, NBX_ROLE_WRITER, NBX_ROAD_CUSTOMER, true},
    {"log.heads", NBX_OP_LOG_HEADS, NBX_ROLE_ADMIN, NBX_ROAD_ANY, false},
    {"log.read", NBX_OP_LOG_READ, NBX_ROLE_ADMIN, NBX_ROAD_ANY, false},
    {"customer.export", NBX_OP_CUSTOMER_EXPORT, NBX_ROLE_ADMIN, NBX_ROAD_CUSTOMER, true},
    {"customer.link", NBX_OP_CUSTOMER_LINK, NBX_ROLE_WRITER, NBX_ROAD_CUSTOMER, true},
    {"customer.unlink", NBX_OP_CUSTOMER_UNLINK, NBX_ROLE_WRITER, NBX_ROAD_CUSTOMER, true},
    {"model.push", NBX_OP_MODEL_PUSH, NBX_ROLE_ADMIN, NBX_ROAD_CATALOGUE, false},
    {"model.list", NBX_OP_MODEL_LIST, NBX_ROLE_READER, NBX_ROAD_CATALOGUE, false},
    {"model.get", NBX_OP_MODEL_GET, NBX_ROLE_READER, NBX_ROAD_CATALOGUE, false},
    {"model.stage", NBX_OP_MODEL_STAGE, NBX_ROLE_ADMIN, NBX_ROAD_CATALOGUE, false},
    {"model.activate", NBX_OP_MODEL_ACTIVATE, NBX_ROLE_ADMIN, NBX_ROAD_CATALOGUE, false},
    {"model.rollback", NBX_OP_MODEL_ROLLBACK, NBX_ROLE_ADMIN, NBX_ROAD_CATALOGUE, false},
    {"model.delete", NBX_OP_MODEL_DELETE, NBX_ROLE_ADMIN, NBX_ROAD_CATALOGUE, false},
    {"events.read", NBX_OP_EVENTS_READ, NBX_ROLE_ADMIN, NBX_ROAD_ANY, false},
    {"model.read", NBX_OP_MODEL_READ, NBX_ROLE_ADMIN, NBX_ROAD_CATALOGUE, false},
};

const struct nbx_op_info *nbx_op_find(struct nbx_str name)
{
    for (int i = 0; i < NBX_N_OPS; i++)
        if (nbx_str_is(name, nbx_ops[i].name))
            return &nbx_ops[i];
    return NULL;
}
