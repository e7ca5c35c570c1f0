/* SPDX-License-Identifier: MIT */
#include "proto/cli/cli.h"
#include "proto/cli/show.h"

#include <stdio.h>

/* `ack` and `atomic` belong to the request, the rest to the event. */
static const struct nbx_cli_option options[] = {
    {"id", "ID", "id", "sending it again changes nothing", NBX_CLI_TEXT},
    {"time", "TIME", "time", "when (default now)", NBX_CLI_TIME},
    {"channel", "NAME", "channel", "web, app, store ...", NBX_CLI_TEXT},
    {"placement", "NAME", "placement", "the slot on the page", NBX_CLI_TEXT},
    {"store", "ID", "store", "", NBX_CLI_TEXT},
    {"session", "ID", "session", "", NBX_CLI_TEXT},
    {"order", "ID", "order", "", NBX_CLI_TEXT},
    {"quantity", "N", "quantity", "default 1", NBX_CLI_NUMBER},
    {"value", "MINOR", "value", "money in minor units: 1999 is 19.99", NBX_CLI_INT},
    {"currency", "CODE", "currency", "", NBX_CLI_TEXT},
    {"rating", "N", "rating", "", NBX_CLI_NUMBER},
    {"scope", "SCOPE", "scope", "item, brand or category: how far a dismissal reaches",
     NBX_CLI_TEXT},
    {"actor", "ID", "actor", "who acted for the customer", NBX_CLI_TEXT},
    {"decision", "ID", "decision", "the decision this is an outcome of", NBX_CLI_TEXT},
    {"attributes", "JSON", "attributes", "a map", NBX_CLI_JSON},
    {"ack", "LEVEL", NULL, "durable (default) or memory", NBX_CLI_TEXT},
    {"events", "JSON", NULL, "a list of events instead of TYPE and ITEM", NBX_CLI_JSON},
    {"atomic", NULL, NULL, "all of --events or none", NBX_CLI_YES},
};

/* The body: the event of the arguments and options, or the list of --events. */
static enum nbx_err make_body(struct nbx_cli *cli, const struct nbx_cli_args *args,
                              struct nbx_value *body)
{
    *body = (struct nbx_value){.type = NBX_MAP};
    const struct nbx_value *given = nbx_cli_own(args, "events");
    struct nbx_value *event = nbx_cli_alloc(cli, sizeof *event);
    *event = args->body;
    struct nbx_value events =
        given ? *given : (struct nbx_value){.type = NBX_LIST, .n = 1, .list = event};
    enum nbx_err err = NBX_OK;
    if (args->n > 1)
        err = nbx_cli_set(event, NBX_STR("type"), nbx_value_string(args->values[1]), cli->arena);
    if (!err && args->n > 2)
        err = nbx_cli_set(event, NBX_STR("item"), nbx_value_string(args->values[2]), cli->arena);
    if (!err)
        err = nbx_cli_set(body, NBX_STR("events"), events, cli->arena);
    static const char *const passed[] = {"ack", "atomic"};
    for (int i = 0; i < 2 && !err; i++) {
        const struct nbx_value *v = nbx_cli_own(args, passed[i]);
        if (v)
            err = nbx_cli_set(body, nbx_str_c(passed[i]), *v, cli->arena);
    }
    return err;
}

static void show(struct nbx_cli *cli, const struct nbx_value *reply)
{
    (void)cli;
    printf("applied %lld, duplicates %lld, held %lld", (long long)nbx_cli_int(reply, "applied"),
           (long long)nbx_cli_int(reply, "duplicates"), (long long)nbx_cli_int(reply, "held"));
    if (nbx_cli_int(reply, "withheld"))
        printf(", withheld %lld", (long long)nbx_cli_int(reply, "withheld"));
    printf("\n");
}

static int run(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    bool listed = nbx_cli_own(args, "events");
    if (listed != (args->n < 2) || (listed && args->body.n > 0))
        return nbx_cli_usage("either CUSTOMER TYPE [ITEM], or --events alone; see --help");
    struct nbx_value body;
    if (make_body(cli, args, &body))
        return NBX_EXIT_FAILED;
    struct nbx_str customer = args->n ? args->values[0] : (struct nbx_str){0};
    struct nbx_reply reply;
    int code = nbx_cli_call(
        cli, "observe", nbx_str_is(customer, "-") ? (struct nbx_str){0} : customer, &body, &reply);
    if (code)
        return code;
    if (cli->json)
        nbx_show_json(&reply.body);
    else
        show(cli, &reply.body);
    return nbx_cli_report_entries(&reply.body, "events") ? NBX_EXIT_FAILED : NBX_EXIT_OK;
}

const struct nbx_cli_command nbx_cli_observe = {
    .name = "observe",
    .arguments = "CUSTOMER TYPE [ITEM] | [CUSTOMER] --events JSON",
    .summary = "tell what happened",
    .notes = "CUSTOMER - is anonymous; in --events without CUSTOMER each event names its own.\n"
             "Exit code 1 also where an event was refused.",
    NBX_CLI_OPTIONS(options),
    .max_arguments = 3,
    .run = run,
};
