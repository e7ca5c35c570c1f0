/* SPDX-License-Identifier: MIT
 * events export: what customers did, as a file that nbx-train reads.
 */
#include "proto/client/events.h"
#include "proto/cli/cli.h"
#include "proto/cli/show.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define PAGE_BYTES ((size_t)64 << 20) /* at most, decoded */

static const struct nbx_cli_option options[] = {
    {"since", "TIME", "since", "events from then on", NBX_CLI_TIME},
    {"until", "TIME", "until", "events before then", NBX_CLI_TIME},
    {"types", "TYPE,...", "types", "events of these types only", NBX_CLI_WORDS},
};

static int fail(const char *path)
{
    struct nbx_fault fault;
    nbx_fault_set(&fault, NBX_ESTORAGE, path, "cannot be written: %s", strerror(errno));
    return nbx_cli_fail(&fault);
}

static int pull(struct nbx_cli *cli, const struct nbx_cli_args *args, FILE *out, uint64_t *n)
{
    struct nbx_fault fault = {0};
    struct nbx_pull pull = {.wanted = &args->body, .progress_fd = STDERR_FILENO};
    int code = nbx_cli_connect(cli);
    if (code)
        return code;
    struct nbx_arena *arena = nbx_arena_new(PAGE_BYTES);
    pull.from = (struct nbx_asking){cli->client, cli->endpoint, cli->timeout_ms, arena};
    if (!arena)
        nbx_fault_set(&fault, NBX_ELIMIT, NULL, "out of memory");
    if (!arena || nbx_pull_events(&pull, out, n, &fault))
        code = nbx_cli_fail(&fault);
    nbx_arena_destroy(&arena);
    return code;
}

/* The file has its name once all of it is there. */
static int export(struct nbx_cli *cli, const struct nbx_cli_args *args, const char *path)
{
    size_t room = strlen(path) + sizeof ".part";
    char *part = nbx_cli_alloc(cli, room);
    uint64_t n = 0;
    snprintf(part, room, "%s.part", path);
    FILE *out = fopen(part, "we");
    if (!out)
        return fail(part);
    int code = pull(cli, args, out, &n);
    if (!code && fsync(fileno(out)))
        code = fail(part);
    if (fclose(out) && !code)
        code = fail(part);
    if (!code && rename(part, path))
        code = fail(path);
    if (code)
        unlink(part);
    else
        printf("%llu events\n", (unsigned long long)n);
    return code;
}

static int run(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    uint64_t n;
    const char *path = args->values[0].p;
    if (strcmp(path, "-") == 0)
        return pull(cli, args, stdout, &n);
    return export(cli, args, path);
}

const struct nbx_cli_command nbx_cli_events_export = {
    .group = "events",
    .name = "export",
    .arguments = "FILE",
    .summary = "what customers did, as CSV that nbx-train reads",
    .notes =
        "Of customers who may be learnt from: not of who withdrew `train`, and nobody's. Linked\n"
        "identities are one customer. FILE appears once it is whole; - writes to stdout.",
    NBX_CLI_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
