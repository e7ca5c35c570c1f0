/* SPDX-License-Identifier: MIT
 * stats and hello.
 */
#include "proto/cli/cli.h"
#include "proto/cli/show.h"

static int run_stats(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return nbx_cli_run(cli, "stats", (struct nbx_str){0}, &args->body, nbx_show_map);
}

static int run_hello(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return nbx_cli_run(cli, "hello", (struct nbx_str){0}, &args->body, nbx_show_map);
}

const struct nbx_cli_command nbx_cli_stats = {
    .name = "stats",
    .arguments = "",
    .summary = "the daemon's counters",
    .run = run_stats,
};

const struct nbx_cli_command nbx_cli_hello = {
    .name = "hello",
    .arguments = "",
    .summary = "version, operations, model and readiness of the daemon",
    .run = run_hello,
};
