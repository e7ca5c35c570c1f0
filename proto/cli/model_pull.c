/* SPDX-License-Identifier: MIT
 * model pull: a version's bundle, into a file.
 */
#include "proto/cli/cli.h"
#include "proto/client/fetch.h"

#include <stdio.h>
#include <unistd.h>

#define REPLY_ARENA (64UL << 20)

static int run(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct nbx_fault fault = {0};
    int code = nbx_cli_connect(cli);
    if (code)
        return code;
    struct nbx_fetch fetch = {.from = {cli->client, cli->endpoint, cli->timeout_ms},
                              .name = args->values[0],
                              .version = args->values[1],
                              .path = args->values[2].p,
                              .progress_fd = STDERR_FILENO};
    fetch.from.arena = nbx_arena_new(REPLY_ARENA);
    if (!fetch.from.arena)
        nbx_fault_set(&fault, NBX_ELIMIT, NULL, "out of memory");
    if (!fetch.from.arena || nbx_fetch_model(&fetch, &fault))
        code = nbx_cli_fail(&fault);
    else
        printf("wrote %s\n", fetch.path);
    nbx_arena_destroy(&fetch.from.arena);
    return code;
}

const struct nbx_cli_command nbx_cli_model_pull = {
    .group = "model",
    .name = "pull",
    .arguments = "NAME VERSION FILE",
    .summary = "take a version's bundle from nbxd",
    .notes = "FILE appears once all of it is there and has the digest it should have.",
    .min_arguments = 3,
    .max_arguments = 3,
    .run = run,
};
