/* SPDX-License-Identifier: MIT
 * backup, which the daemon does; verify, restore, rebuild, replay and doctor, which need its data
 * folder and not the daemon: nbxd does them, this finds it and steps aside.
 */
#include "proto/cli/cli.h"
#include "proto/cli/show.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define BACKUP_TIMEOUT_MS 86400000

static const struct nbx_cli_option options[] = {
    {"config", "FILE", NULL, "nbxd's settings, which name the data folder", NBX_CLI_TEXT},
};

static const struct nbx_cli_option verify_options[] = {
    {"config", "FILE", NULL, "nbxd's settings, which name the data folder", NBX_CLI_TEXT},
    {"forgotten", NULL, NULL, "prove that nothing is left of who was forgotten", NBX_CLI_YES},
};

/* The nbxd beside this program, else the one on the path. Returns only where there is none. */
static int become(char *const *argv)
{
    char own[PATH_MAX], path[PATH_MAX + 8];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    own[n > 0 ? n : 0] = '\0';
    snprintf(path, sizeof path, "%s/nbxd", dirname(own));
    execv(path, argv);
    execvp("nbxd", argv);
    struct nbx_fault fault = {0};
    nbx_fault_set(&fault, NBX_ENOTFOUND, NULL, "no program nbxd: %s", strerror(errno));
    return nbx_cli_fail(&fault);
}

/* nbxd with these arguments and the settings of the command. */
static int run_nbxd(const struct nbx_cli_args *args, char *what, char *with)
{
    const struct nbx_value *config = nbx_cli_own(args, "config");
    char *argv[6] = {"nbxd", what};
    int n = 2;
    if (with)
        argv[n++] = with;
    if (config) {
        argv[n++] = "--config";
        argv[n] = (char *)config->s.p;
    }
    return become(argv);
}

/* What is left of forgotten customers: nbxd with as many words as there are ids. */
static int run_forgotten(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    const struct nbx_value *config = nbx_cli_own(args, "config");
    char **argv = nbx_cli_alloc(cli, (args->n + 7) * sizeof *argv);
    size_t n = 0;
    argv[n++] = "nbxd";
    argv[n++] = "--verify";
    argv[n++] = "--forgotten";
    if (config) {
        argv[n++] = "--config";
        argv[n++] = (char *)config->s.p;
    }
    argv[n++] = "--";
    for (uint32_t i = 0; i < args->n; i++)
        argv[n++] = (char *)args->values[i].p;
    argv[n] = NULL;
    return become(argv);
}

static int run_verify(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    if (nbx_cli_own(args, "forgotten"))
        return run_forgotten(cli, args);
    if (args->n)
        return nbx_cli_usage("ids are for --forgotten");
    return run_nbxd(args, "--verify", NULL);
}

static int run_restore(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    (void)cli;
    return run_nbxd(args, "--restore", (char *)args->values[0].p);
}

static int run_replay(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    (void)cli;
    return run_nbxd(args, "--replay", (char *)args->values[0].p);
}

static int run_import(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    (void)cli;
    return run_nbxd(args, "--import", (char *)args->values[0].p);
}

static int run_rebuild(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    (void)cli;
    return run_nbxd(args, "--rebuild", (char *)args->values[0].p);
}

static int run_doctor(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return run_nbxd(args, "--doctor", cli->json ? "--json" : NULL);
}

static int run_model_check(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    const struct nbx_value *config = nbx_cli_own(args, "config");
    char *argv[7] = {"nbxd", "--check-model", (char *)args->values[0].p};
    int n = 3;
    if (cli->json)
        argv[n++] = "--json";
    if (config) {
        argv[n++] = "--config";
        argv[n] = (char *)config->s.p;
    }
    return become(argv);
}

static int run_backup(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    struct nbx_value body = args->body;
    if (nbx_cli_set(&body, NBX_STR("dir"), nbx_value_string(args->values[0]), cli->arena))
        return NBX_EXIT_FAILED;
    if (!nbx_cli_own(args, "timeout"))
        cli->timeout_ms = BACKUP_TIMEOUT_MS;
    return nbx_cli_run(cli, "backup", (struct nbx_str){0}, &body, nbx_show_map);
}

const struct nbx_cli_command nbx_cli_backup = {
    .name = "backup",
    .arguments = "DIR",
    .summary = "save all of the daemon's data in a new folder, while it serves",
    .notes =
        "DIR is an absolute path on the daemon's machine. Waits a day unless --timeout is given.",
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_backup,
};

const struct nbx_cli_command nbx_cli_restore = {
    .name = "restore",
    .arguments = "DIR",
    .summary = "make nbxd's data folder, which must be empty or not there, of a backup",
    .notes = "Runs nbxd --restore. Exit code 3: the backup is damaged, 4: there is data already.",
    NBX_CLI_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_restore,
};

const struct nbx_cli_command nbx_cli_log_import = {
    .group = "log",
    .name = "import",
    .arguments = "FILE",
    .summary = "make nbxd's data folder, which must be empty or not there, of an exported log",
    .notes = "Runs nbxd --import: every command is told again, by the clock of its time.",
    NBX_CLI_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_import,
};

const struct nbx_cli_command nbx_cli_rebuild = {
    .name = "rebuild",
    .arguments = "DIR",
    .summary = "do all of the data folder's log again into DIR; print where the two differ",
    .notes =
        "Runs nbxd --rebuild, also beside a daemon. DIR, which must be empty or not there, is a\n"
        "whole data folder then. Exit code 3: the state is not what the log comes to, or the\n"
        "log cannot be read.",
    NBX_CLI_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_rebuild,
};

const struct nbx_cli_command nbx_cli_verify = {
    .name = "verify",
    .arguments = "[--forgotten [CUSTOMER...]]",
    .summary = "read all of nbxd's data folder; print what is damaged or does not fit",
    .notes = "Needs the folder at hand, not the daemon; runs nbxd --verify, also beside a daemon.\n"
             "--forgotten looks instead for what is left of who was forgotten: of all by number,\n"
             "of the CUSTOMERs named in the bytes of every file.\n"
             "Exit code 3: something was found, or the folder cannot be opened for damage.",
    NBX_CLI_OPTIONS(verify_options),
    .max_arguments = UINT32_MAX,
    .run = run_verify,
};

const struct nbx_cli_command nbx_cli_replay = {
    .name = "replay",
    .arguments = "DECISION",
    .summary = "make a decision again from what was kept of it; say whether it is the same list",
    .notes = "Needs the folder at hand, not the daemon; runs nbxd --replay, also beside a daemon.\n"
             "Exit code 0: the same list, 1: another, 2: what it was made of is gone, 3: stored "
             "data is\ndamaged.",
    NBX_CLI_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_replay,
};

const struct nbx_cli_command nbx_cli_doctor = {
    .name = "doctor",
    .arguments = "",
    .summary = "what is wrong with nbxd and its data folder, since when, what to do",
    .notes =
        "Needs the folder at hand, and asks the daemon where one answers at the address in its\n"
        "settings; runs nbxd --doctor, which changes nothing. Exit code 0: all is well, 1:\n"
        "somebody should look, 3: stored data is damaged or newer than the program.",
    NBX_CLI_OPTIONS(options),
    .run = run_doctor,
};

const struct nbx_cli_command nbx_cli_model_check = {
    .group = "model",
    .name = "check",
    .arguments = "FILE",
    .summary = "whether nbxd would accept a bundle, and what was measured of it",
    .notes =
        "Needs no daemon; runs nbxd --check-model, with the bounds of its settings and, where its\n"
        "data folder is at hand, its catalogue. Exit code 0: it would, 1: it would not.",
    NBX_CLI_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_model_check,
};
