/* SPDX-License-Identifier: MIT
 * verify: the work is nbxd's, which knows the data; this finds it and steps aside.
 */
#include "proto/cli/cli.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

static const struct nbx_cli_option options[] = {
    {"config", "FILE", NULL, "nbxd's settings, which name the data folder", NBX_CLI_TEXT},
};

/* The nbxd beside this program, else the one on the path. Returns only where there is none. */
static void become(char *const *argv)
{
    char own[PATH_MAX], path[PATH_MAX + 8];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    own[n > 0 ? n : 0] = '\0';
    snprintf(path, sizeof path, "%s/nbxd", dirname(own));
    execv(path, argv);
    execvp("nbxd", argv);
}

static int run(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    const struct nbx_value *config = nbx_cli_own(args, "config");
    char *argv[] = {"nbxd", "--verify", config ? "--config" : NULL, NULL, NULL};
    (void)cli;
    if (config)
        argv[3] = (char *)config->s.p;
    become(argv);
    struct nbx_fault fault = {0};
    nbx_fault_set(&fault, NBX_ENOTFOUND, NULL, "no program nbxd: %s", strerror(errno));
    return nbx_cli_fail(&fault);
}

const struct nbx_cli_command nbx_cli_verify = {
    .name = "verify",
    .arguments = "",
    .summary = "read all of nbxd's data folder; print what is damaged or does not fit",
    .notes = "Needs the folder at hand, not the daemon; runs nbxd --verify, also beside a daemon.\n"
             "Exit code 3: something was found, or the folder cannot be opened for damage.",
    NBX_CLI_OPTIONS(options),
    .run = run,
};
