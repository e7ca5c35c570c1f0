/* SPDX-License-Identifier: MIT */
#include "proto/ops.h"

#include <criterion/criterion.h>

Test(ops, the_table_is_in_order_and_every_name_is_found)
{
    for (int op = 0; op < NBX_N_OPS; op++) {
        cr_assert_eq((int)nbx_ops[op].op, op);
        cr_assert_eq(nbx_op_find(nbx_str_c(nbx_ops[op].name)), &nbx_ops[op]);
    }
}

Test(ops, unknown_names_are_null)
{
    static const char *const names[] = {"", "Recommend", "recommend ", "recommen", "item", "x"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        cr_assert_null(nbx_op_find(nbx_str_c(names[i])), "%s", names[i]);
    cr_assert_null(nbx_op_find((struct nbx_str){NULL, 0}));
}

Test(ops, keys_are_required_where_the_road_needs_one)
{
    for (int op = 0; op < NBX_N_OPS; op++) {
        const struct nbx_op_info *o = &nbx_ops[op];
        if (o->road == NBX_ROAD_ANY || o->road == NBX_ROAD_CATALOGUE)
            cr_assert_not(o->key_required, "%s", o->name);
    }
    cr_assert(nbx_ops[NBX_OP_CUSTOMER_PUT].key_required);
    cr_assert(nbx_ops[NBX_OP_DECISION_GET].key_required);
    cr_assert_not(nbx_ops[NBX_OP_RECOMMEND].key_required);
    cr_assert_not(nbx_ops[NBX_OP_OBSERVE].key_required);
}
