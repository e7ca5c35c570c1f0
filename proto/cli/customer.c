/* SPDX-License-Identifier: MIT
 * customer get, put, link, unlink, forget; decision get.
 */
#include "proto/cli/cli.h"
#include "proto/cli/show.h"

static const struct nbx_cli_option put_options[] = {
    {"attributes", "JSON", "attributes", "a map; a null member removes", NBX_CLI_JSON},
    {"timezone", "NAME", "timezone", "such as Europe/Berlin", NBX_CLI_TEXT},
    {"locale", "NAME", "locale", "such as de-DE", NBX_CLI_TEXT},
    {"consent", "JSON", "consent", "a map of purpose to true or false", NBX_CLI_JSON},
    {"identities", "JSON", "identities", "a map of type to id", NBX_CLI_JSON},
    {"channels", "A,B", "channels", "where the customer may be reached", NBX_CLI_WORDS},
    {"vector", "JSON", "vector", "for a space whose customer vectors are given", NBX_CLI_JSON},
    {"space", "NAME", "space", "the vector's space", NBX_CLI_TEXT},
};
static const struct nbx_cli_option link_options[] = {
    {"type", "T", "type", "what kind of identity it is, such as card", NBX_CLI_TEXT},
    {"ack", "LEVEL", "ack", "durable (default) or memory", NBX_CLI_TEXT},
};
static const struct nbx_cli_option unlink_options[] = {
    {"ack", "LEVEL", "ack", "durable (default) or memory", NBX_CLI_TEXT},
};
static const struct nbx_cli_option forget_options[] = {
    {"yes", NULL, NULL, "needed: there is no way back", NBX_CLI_YES},
};

static int run_get(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return nbx_cli_run(cli, "customer.get", args->values[0], &args->body, nbx_show_map);
}

static int run_put(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return nbx_cli_run(cli, "customer.put", args->values[0], &args->body, nbx_show_map);
}

static int run_with_identity(struct nbx_cli *cli, const struct nbx_cli_args *args, const char *op)
{
    struct nbx_value body = args->body;
    struct nbx_value identity = nbx_value_string(args->values[1]);
    if (nbx_cli_set(&body, NBX_STR("identity"), identity, cli->arena))
        return NBX_EXIT_FAILED;
    return nbx_cli_run(cli, op, args->values[0], &body, nbx_show_map);
}

static int run_link(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return run_with_identity(cli, args, "customer.link");
}

static int run_unlink(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return run_with_identity(cli, args, "customer.unlink");
}

static int run_forget(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    if (!nbx_cli_own(args, "yes"))
        return nbx_cli_usage("customer forget deletes all there is of a customer: say --yes");
    return nbx_cli_run(cli, "customer.forget", args->values[0], &args->body, nbx_show_map);
}

static int run_decision(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return nbx_cli_run(cli, "decision.get", args->values[0], &args->body, nbx_show_map);
}

const struct nbx_cli_command nbx_cli_customer_get = {
    .group = "customer",
    .name = "get",
    .arguments = "CUSTOMER",
    .summary = "what is known of a customer",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_get,
};

const struct nbx_cli_command nbx_cli_customer_put = {
    .group = "customer",
    .name = "put",
    .arguments = "CUSTOMER",
    .summary = "add to what is known of a customer",
    NBX_CLI_OPTIONS(put_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_put,
};

const struct nbx_cli_command nbx_cli_customer_link = {
    .group = "customer",
    .name = "link",
    .arguments = "CUSTOMER IDENTITY",
    .summary = "say that an identity is the same person",
    .notes =
        "IDENTITY is another id of the person: a session, a card. Both keep what is theirs, so\n"
        "that customer unlink undoes it.",
    NBX_CLI_OPTIONS(link_options),
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_link,
};

const struct nbx_cli_command nbx_cli_customer_unlink = {
    .group = "customer",
    .name = "unlink",
    .arguments = "CUSTOMER IDENTITY",
    .summary = "undo customer link: as if it had never been",
    NBX_CLI_OPTIONS(unlink_options),
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_unlink,
};

const struct nbx_cli_command nbx_cli_customer_forget = {
    .group = "customer",
    .name = "forget",
    .arguments = "CUSTOMER --yes",
    .summary = "delete a customer with events, decisions and linked identities",
    NBX_CLI_OPTIONS(forget_options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_forget,
};

const struct nbx_cli_command nbx_cli_decision_get = {
    .group = "decision",
    .name = "get",
    .arguments = "DECISION",
    .summary = "what was answered, when and by which model",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_decision,
};
