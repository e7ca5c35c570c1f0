/* SPDX-License-Identifier: MIT
 * model push: a bundle's file, and what is said of it.
 */
#include "engine/json/json.h"
#include "proto/cli/cli.h"
#include "proto/cli/model.h"
#include "proto/cli/show.h"
#include "proto/client/push.h"

#include <unistd.h>

#define REPLY_ARENA (64UL << 20)

static const struct nbx_cli_option options[] = {
    {"notes", "TEXT", "notes", "anything for people", NBX_CLI_TEXT},
    {"parent", "VERSION", "parent", "the version it was made from", NBX_CLI_TEXT},
    {"by", "WHO", "by", "who pushes it", NBX_CLI_TEXT},
    {"metrics", "KEY=NUMBER", NULL, "what was measured of it; repeatable", NBX_CLI_TEXTS},
    {"activate", NULL, "activate", "serve it at once", NBX_CLI_YES},
};

/* "recall@20=0.25"; the name may have an equals sign of its own. */
static int read_metric(struct nbx_cli *cli, struct nbx_value *metrics, struct nbx_str text)
{
    struct nbx_value number;
    struct nbx_fault fault;
    const char *equals = memrchr(text.p, '=', text.len);
    if (!equals || equals == text.p)
        return nbx_cli_usage("--metrics: must be KEY=NUMBER, got %.*s", NBX_STR_ARG(text));
    struct nbx_str key = {text.p, (uint32_t)(equals - text.p)};
    enum nbx_err err =
        nbx_json_decode(&number, equals + 1, text.len - key.len - 1, cli->arena, &fault);
    if (err || (number.type != NBX_INT && number.type != NBX_FLOAT))
        return nbx_cli_usage("--metrics: %.*s must be a number, got %s", NBX_STR_ARG(key),
                             equals + 1);
    return nbx_cli_set(metrics, key, number, cli->arena) ? NBX_EXIT_FAILED : NBX_EXIT_OK;
}

static int read_metrics(struct nbx_cli *cli, const struct nbx_cli_args *args, struct nbx_value *how)
{
    const struct nbx_value *texts = nbx_cli_own(args, "metrics");
    struct nbx_value metrics = {.type = NBX_MAP};
    int code = NBX_EXIT_OK;
    for (uint32_t i = 0; !code && texts && i < texts->n; i++)
        code = read_metric(cli, &metrics, texts->list[i].s);
    if (!code && texts && nbx_cli_set(how, NBX_STR("metrics"), metrics, cli->arena))
        code = NBX_EXIT_FAILED;
    return code;
}

static int run(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct nbx_value how = args->body, version;
    struct nbx_fault fault = {0};
    int code = read_metrics(cli, args, &how);
    if (!code)
        code = nbx_cli_connect(cli);
    if (code)
        return code;
    struct nbx_push push = {.to = {cli->client, cli->endpoint, cli->timeout_ms},
                            .path = args->values[0].p,
                            .commit = &how,
                            .progress_fd = STDERR_FILENO};
    nbx_cli_model_wait(cli, args);
    push.commit_timeout_ms = cli->timeout_ms;
    push.to.arena = nbx_arena_new(REPLY_ARENA);
    if (!push.to.arena)
        nbx_fault_set(&fault, NBX_ELIMIT, NULL, "out of memory");
    if (!push.to.arena || nbx_push_model(&push, &version, &fault))
        code = nbx_cli_fail(&fault);
    else if (cli->json)
        nbx_show_json(&version);
    else
        nbx_cli_show_version(cli, &version);
    nbx_arena_destroy(&push.to.arena);
    return code;
}

const struct nbx_cli_command nbx_cli_model_push = {
    .group = "model",
    .name = "push",
    .arguments = "FILE",
    .summary = "bring a bundle to nbxd, which keeps it as a version",
    .notes =
        "Sends the file in chunks; a push that was cut off goes on where it was, for a minute.\n"
        "The daemon then looks the bundle through: waits an hour for that and for --activate,\n"
        "unless --timeout is given. The same file again is the same push.",
    NBX_CLI_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
