/* SPDX-License-Identifier: MIT
 * model list, get, stage, activate, rollback, delete.
 */
#include "proto/cli/model.h"

#include "proto/cli/show.h"
#include "proto/cli/table.h"

#include <stdio.h>
#include <time.h>

#define LOADING_TIMEOUT_MS 3600000

void nbx_cli_model_wait(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    if (!nbx_cli_own(args, "timeout"))
        cli->timeout_ms = LOADING_TIMEOUT_MS;
}

void nbx_cli_show_version(struct nbx_cli *cli, const struct nbx_value *version)
{
    (void)cli;
    printf("model %.*s %.*s %.*s\n", NBX_STR_ARG(nbx_cli_text(version, "name")),
           NBX_STR_ARG(nbx_cli_text(version, "version")),
           NBX_STR_ARG(nbx_cli_text(version, "stage")));
}

/* list */

static void put_time(struct nbx_table *t, int64_t ms)
{
    char text[32] = "";
    struct tm tm;
    time_t s = (time_t)(ms / 1000);
    if (ms && gmtime_r(&s, &tm))
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    nbx_table_cell(t, nbx_str_c(text));
}

static void put_size(struct nbx_table *t, int64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double size = (double)bytes;
    size_t unit = 0;
    for (; size >= 999.5 && unit + 1 < sizeof units / sizeof units[0]; unit++)
        size /= 1000;
    nbx_table_printf(t, "%.*f %s", unit && size < 99.95 ? 1 : 0, size, units[unit]);
}

static void print_rollback(const struct nbx_value *rollback)
{
    const struct nbx_value *resident = nbx_value_get(rollback, "resident");
    struct nbx_str name = nbx_cli_text(rollback, "name");
    if (!rollback)
        return;
    if (name.len)
        printf("a rollback goes to %.*s %.*s, which %s\n", NBX_STR_ARG(name),
               NBX_STR_ARG(nbx_cli_text(rollback, "version")),
               resident && resident->type == NBX_BOOL && resident->b ? "lies ready in memory"
                                                                     : "has to be loaded");
    else
        printf("a rollback goes to the newest bundle in the data folder\n");
}

static void show_models(struct nbx_cli *cli, const struct nbx_value *reply)
{
    static const char *const heads[] = {"name", "version", "stage", "pushed", "size", "by"};
    const struct nbx_value *models = nbx_value_get(reply, "models");
    struct nbx_table *t = nbx_table_new(sizeof heads / sizeof heads[0]);
    (void)cli;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
        nbx_table_cell(t, nbx_str_c(heads[i]));
    for (uint32_t i = 0; models && models->type == NBX_LIST && i < models->n; i++) {
        const struct nbx_value *v = &models->list[i];
        nbx_table_cell(t, nbx_cli_text(v, "name"));
        nbx_table_cell(t, nbx_cli_text(v, "version"));
        nbx_table_cell(t, nbx_cli_text(v, "stage"));
        put_time(t, nbx_cli_int(v, "pushed"));
        put_size(t, nbx_cli_int(v, "bytes"));
        nbx_table_cell(t, nbx_cli_text(v, "by"));
    }
    nbx_table_print(t, stdout);
    nbx_table_destroy(&t);
    print_rollback(nbx_value_get(reply, "rollback"));
}

static int run_list(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return nbx_cli_run(cli, "model.list", (struct nbx_str){0}, &args->body, show_models);
}

/* one version */

static int run_one(struct nbx_cli *cli, const struct nbx_cli_args *args, const char *op,
                   void (*show)(struct nbx_cli *cli, const struct nbx_value *reply))
{
    static const struct nbx_str fields[] = {{"name", 4}, {"version", 7}, {"stage", 5}};
    struct nbx_value body = args->body;
    for (uint32_t i = 0; i < args->n; i++)
        if (nbx_cli_set(&body, fields[i], nbx_value_string(args->values[i]), cli->arena))
            return NBX_EXIT_FAILED;
    return nbx_cli_run(cli, op, (struct nbx_str){0}, &body, show);
}

static void show_deleted(struct nbx_cli *cli, const struct nbx_value *reply)
{
    (void)cli;
    printf("model %.*s %.*s deleted\n", NBX_STR_ARG(nbx_cli_text(reply, "name")),
           NBX_STR_ARG(nbx_cli_text(reply, "version")));
}

static void show_active(struct nbx_cli *cli, const struct nbx_value *reply)
{
    if (nbx_value_get(reply, "name"))
        nbx_cli_show_version(cli, reply);
    else
        puts("no version is active: the newest bundle in the data folder answers");
}

static int run_get(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return run_one(cli, args, "model.get", nbx_show_map);
}

static int run_stage(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    nbx_cli_model_wait(cli, args);
    return run_one(cli, args, "model.stage", nbx_cli_show_version);
}

static int run_activate(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    nbx_cli_model_wait(cli, args);
    return run_one(cli, args, "model.activate", show_active);
}

static int run_rollback(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    nbx_cli_model_wait(cli, args);
    return run_one(cli, args, "model.rollback", show_active);
}

static int run_delete(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return run_one(cli, args, "model.delete", show_deleted);
}

const struct nbx_cli_command nbx_cli_model_list = {
    .group = "model",
    .name = "list",
    .arguments = "",
    .summary = "the versions of models that nbxd keeps",
    .run = run_list,
};

const struct nbx_cli_command nbx_cli_model_get = {
    .group = "model",
    .name = "get",
    .arguments = "NAME VERSION",
    .summary = "what is known of a version",
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_get,
};

static const struct nbx_cli_option stage_options[] = {
    {"share", "SHARE", "share", "of the requests or customers, above 0 and at most 1",
     NBX_CLI_NUMBER},
};

const struct nbx_cli_command nbx_cli_model_stage = {
    .group = "model",
    .name = "stage",
    .arguments = "NAME VERSION staged|shadow|canary|archived",
    .summary = "try a version, put it away, or make it ready again",
    .notes =
        "A shadow is asked a share of the requests (0.1) beside the active version and answers "
        "nobody.\nA canary answers a share of the customers (0.05), and is rolled back by itself "
        "where it does worse.\n`nbx model get` tells how either does. An archived version is kept, "
        "and must be staged again before\nit can be activated. Waits an hour unless --timeout is "
        "given.",
    NBX_CLI_OPTIONS(stage_options),
    .min_arguments = 3,
    .max_arguments = 3,
    .run = run_stage,
};

const struct nbx_cli_command nbx_cli_model_activate = {
    .group = "model",
    .name = "activate",
    .arguments = "NAME VERSION",
    .summary = "let a version answer from now on",
    .notes = "No request fails meanwhile. Waits an hour unless --timeout is given.",
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_activate,
};

const struct nbx_cli_command nbx_cli_model_rollback = {
    .group = "model",
    .name = "rollback",
    .arguments = "",
    .summary = "go back to what the active version replaced",
    .notes = "At once where that still lies in memory, as `nbx model list` tells. Waits an hour "
             "unless\n--timeout is given.",
    .run = run_rollback,
};

const struct nbx_cli_command nbx_cli_model_delete = {
    .group = "model",
    .name = "delete",
    .arguments = "NAME VERSION",
    .summary = "remove a version and its file",
    .notes = "Not the active one, and not the one that a rollback would go to.",
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run_delete,
};
