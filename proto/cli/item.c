/* SPDX-License-Identifier: MIT
 * item put, patch, get, delete.
 */
#include "proto/cli/cli.h"
#include "proto/cli/show.h"

#include "engine/json/json.h"

#include <stdio.h>

static int change(struct nbx_cli *cli, const char *op, struct nbx_str list_name,
                  struct nbx_value list)
{
    struct nbx_value body = {.type = NBX_MAP};
    struct nbx_reply reply;
    if (nbx_cli_set(&body, list_name, list, cli->arena))
        return NBX_EXIT_FAILED;
    int code = nbx_cli_call(cli, op, (struct nbx_str){0}, &body, &reply);
    if (code)
        return code;
    if (cli->json)
        nbx_show_json(&reply.body);
    else
        printf("applied %lld\n", (long long)nbx_cli_int(&reply.body, "applied"));
    return nbx_cli_report_entries(&reply.body, list_name.p) ? NBX_EXIT_FAILED : NBX_EXIT_OK;
}

/* Each argument is one item in JSON. */
static int change_items(struct nbx_cli *cli, const char *op, const struct nbx_cli_args *args)
{
    struct nbx_value *list = nbx_cli_alloc(cli, args->n * sizeof *list);
    for (uint32_t i = 0; i < args->n; i++) {
        struct nbx_fault fault;
        enum nbx_err err =
            nbx_json_decode(&list[i], args->values[i].p, args->values[i].len, cli->arena, &fault);
        if (err)
            return nbx_cli_usage("item %u: %s", i + 1, fault.message);
    }
    struct nbx_value items = {.type = NBX_LIST, .n = args->n, .list = list};
    return change(cli, op, NBX_STR("items"), items);
}

static struct nbx_value ids(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct nbx_value *list = nbx_cli_alloc(cli, args->n * sizeof *list);
    for (uint32_t i = 0; i < args->n; i++)
        list[i] = nbx_value_string(args->values[i]);
    return (struct nbx_value){.type = NBX_LIST, .n = args->n, .list = list};
}

static int run_put(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return change_items(cli, "item.put", args);
}

static int run_patch(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return change_items(cli, "item.patch", args);
}

static int run_delete(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return change(cli, "item.delete", NBX_STR("ids"), ids(cli, args));
}

static int run_get(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct nbx_value body = {.type = NBX_MAP};
    if (nbx_cli_set(&body, NBX_STR("ids"), ids(cli, args), cli->arena))
        return NBX_EXIT_FAILED;
    return nbx_cli_run(cli, "item.get", (struct nbx_str){0}, &body, nbx_show_map);
}

const struct nbx_cli_command nbx_cli_item_put = {
    .group = "item",
    .name = "put",
    .arguments = "JSON...",
    .summary = "create items, or replace them whole",
    .notes = "JSON such as '{\"id\": \"i1\", \"title\": \"Mug\", \"price\": 1999}'; for files see "
             "`nbx import items`.\nExit code 1 also where an item was refused.",
    .min_arguments = 1,
    .max_arguments = UINT32_MAX,
    .run = run_put,
};

const struct nbx_cli_command nbx_cli_item_patch = {
    .group = "item",
    .name = "patch",
    .arguments = "JSON...",
    .summary = "change the fields named, of items that exist",
    .notes = "JSON such as '{\"id\": \"i1\", \"price\": 1499, \"sale_price\": null}'; null "
             "removes.\nExit code 1 also where an item was refused.",
    .min_arguments = 1,
    .max_arguments = UINT32_MAX,
    .run = run_patch,
};

const struct nbx_cli_command nbx_cli_item_get = {
    .group = "item",
    .name = "get",
    .arguments = "ITEM...",
    .summary = "items as they were put",
    .min_arguments = 1,
    .max_arguments = UINT32_MAX,
    .run = run_get,
};

const struct nbx_cli_command nbx_cli_item_delete = {
    .group = "item",
    .name = "delete",
    .arguments = "ITEM...",
    .summary = "take items out of the catalogue",
    .min_arguments = 1,
    .max_arguments = UINT32_MAX,
    .run = run_delete,
};
