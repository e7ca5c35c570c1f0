/* SPDX-License-Identifier: MIT */
#include "proto/ops.h"

#include <stddef.h>

const struct nbx_op_info nbx_ops[NBX_N_OPS] = {
    {NBX_OP_HELLO, "hello", NBX_ROLE_READER, NBX_ROAD_ANY, false},
    {NBX_OP_RECOMMEND, "recommend", NBX_ROLE_READER, NBX_ROAD_CUSTOMER, false},
    {NBX_OP_RANK, "rank", NBX_ROLE_READER, NBX_ROAD_CUSTOMER, false},
    {NBX_OP_SIMILAR, "similar", NBX_ROLE_READER, NBX_ROAD_ANY, false},
    {NBX_OP_OBSERVE, "observe", NBX_ROLE_WRITER, NBX_ROAD_OBSERVE, false},
    {NBX_OP_CUSTOMER_GET, "customer.get", NBX_ROLE_READER, NBX_ROAD_CUSTOMER, true},
    {NBX_OP_CUSTOMER_PUT, "customer.put", NBX_ROLE_WRITER, NBX_ROAD_CUSTOMER, true},
    {NBX_OP_CUSTOMER_FORGET, "customer.forget", NBX_ROLE_ADMIN, NBX_ROAD_CUSTOMER, true},
    {NBX_OP_DECISION_GET, "decision.get", NBX_ROLE_READER, NBX_ROAD_DECISION, true},
    {NBX_OP_ITEM_PUT, "item.put", NBX_ROLE_WRITER, NBX_ROAD_CATALOGUE, false},
    {NBX_OP_ITEM_PATCH, "item.patch", NBX_ROLE_WRITER, NBX_ROAD_CATALOGUE, false},
    {NBX_OP_ITEM_GET, "item.get", NBX_ROLE_READER, NBX_ROAD_ANY, false},
    {NBX_OP_ITEM_DELETE, "item.delete", NBX_ROLE_WRITER, NBX_ROAD_CATALOGUE, false},
    {NBX_OP_STATS, "stats", NBX_ROLE_READER, NBX_ROAD_ANY, false},
};

const struct nbx_op_info *nbx_op_find(struct nbx_str name)
{
    for (int i = 0; i < NBX_N_OPS; i++)
        if (nbx_str_is(name, nbx_ops[i].name))
            return &nbx_ops[i];
    return NULL;
}
