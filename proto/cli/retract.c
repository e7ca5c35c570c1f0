/* SPDX-License-Identifier: MIT */
#include "proto/cli/cli.h"
#include "proto/cli/show.h"

static const struct nbx_cli_option options[] = {
    {"item", "ID", "item", "every event with this item", NBX_CLI_TEXT},
    {"brand", "ID", "brand", "every event with an item of this brand", NBX_CLI_TEXT},
    {"category", "ID", "category", "every event with an item of this category", NBX_CLI_TEXT},
    {"all", NULL, "all", "every event of the customer", NBX_CLI_YES},
    {"ack", "LEVEL", "ack", "durable (default) or memory", NBX_CLI_TEXT},
};

/* The ids behind the customer, as the body's `events`. */
static enum nbx_err add_events(struct nbx_cli *cli, const struct nbx_cli_args *args,
                               struct nbx_value *body)
{
    uint32_t n = args->n - 1;
    struct nbx_value *list = nbx_cli_alloc(cli, n * sizeof *list);
    for (uint32_t i = 0; i < n; i++)
        list[i] = nbx_value_string(args->values[i + 1]);
    struct nbx_value events = {.type = NBX_LIST, .n = n, .list = list};
    return nbx_cli_set(body, NBX_STR("events"), events, cli->arena);
}

static int run(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct nbx_value body = args->body;
    int n = args->n > 1;
    for (uint32_t i = 0; i < body.n; i++)
        n += !nbx_str_is(body.members[i].key, "ack");
    if (n != 1)
        return nbx_cli_usage("just one of EVENT..., --item, --brand, --category and --all");
    if (args->n > 1 && add_events(cli, args, &body))
        return NBX_EXIT_FAILED;
    return nbx_cli_run(cli, "retract", args->values[0], &body, nbx_show_map);
}

const struct nbx_cli_command nbx_cli_retract = {
    .name = "retract",
    .arguments = "CUSTOMER [EVENT...]",
    .summary = "take events back, as if they had never been",
    .notes = "EVENT is the id of an event. There is no way back: the ids stay taken.",
    NBX_CLI_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = UINT32_MAX,
    .run = run,
};
