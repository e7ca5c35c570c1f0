/* SPDX-License-Identifier: MIT
 * What the commands of `nbx` share: one connection, one arena, one way to fail.
 *
 * Why:     each command says what it asks for and how its answer is shown, nothing else.
 * Owns:    struct nbx_cli owns the client and the arena; they live until the process ends its
 *          command.
 * Threads: main.
 * Errors:  a command returns the exit code. Whoever finds an error prints it, once, as
 *          "nbx: status: field: message" on stderr.
 */
#ifndef NBX_CLI_CLI_H
#define NBX_CLI_CLI_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/base/value.h"
#include "proto/cli/options.h"
#include "proto/client/client.h"

enum nbx_cli_exit {
    NBX_EXIT_OK = 0,
    NBX_EXIT_FAILED = 1, /* refused, unreachable, or something of it was refused */
    NBX_EXIT_USAGE = 2,
};

struct nbx_cli {
    const char *endpoint;
    int timeout_ms;
    bool json;
    struct nbx_client *client; /* made by the first call */
    struct nbx_arena *arena;   /* never reset: one command, one process */
};

struct nbx_cli_command {
    const char *group, *name;                         /* group is NULL for `nbx recommend` */
    const char *arguments;                            /* "CUSTOMER ITEM...", for the help */
    const char *summary;                              /* one line */
    const char *notes;                                /* more lines of help, or NULL */
    const struct nbx_cli_option *options;             /* (n_options) */
    uint32_t n_options, min_arguments, max_arguments; /* UINT32_MAX: any number */
    int (*run)(struct nbx_cli *cli, const struct nbx_cli_args *args);
};

#define NBX_CLI_OPTIONS(array) .options = (array), .n_options = sizeof(array) / sizeof((array)[0])

extern const struct nbx_cli_command nbx_cli_recommend, nbx_cli_rank, nbx_cli_similar,
    nbx_cli_observe, nbx_cli_customer_get, nbx_cli_customer_put, nbx_cli_customer_forget,
    nbx_cli_customer_link, nbx_cli_customer_unlink, nbx_cli_decision_get, nbx_cli_item_put,
    nbx_cli_item_get, nbx_cli_item_patch, nbx_cli_item_delete, nbx_cli_import_items,
    nbx_cli_import_events, nbx_cli_stats, nbx_cli_hello, nbx_cli_backup, nbx_cli_restore,
    nbx_cli_verify, nbx_cli_retract, nbx_cli_log_tail, nbx_cli_log_export, nbx_cli_customer_export,
    nbx_cli_replay, nbx_cli_rebuild, nbx_cli_log_import, nbx_cli_doctor, nbx_cli_model_push,
    nbx_cli_model_list, nbx_cli_model_get, nbx_cli_model_stage, nbx_cli_model_activate,
    nbx_cli_model_rollback, nbx_cli_model_delete, nbx_cli_model_check, nbx_cli_events_export,
    nbx_cli_model_pull;

/* Prints "nbx: status: field: message" and gives NBX_EXIT_FAILED. */
int nbx_cli_fail(const struct nbx_fault *fault);
/* The same for a mistake of the caller's; NBX_EXIT_USAGE. */
int nbx_cli_usage(const char *fmt, ...) NBX_PRINTF(1, 2);

/* Connects where that has not happened. */
int nbx_cli_connect(struct nbx_cli *cli);
/* One request and its reply; body is a map. Anything but an ok reply is printed. */
int nbx_cli_call(struct nbx_cli *cli, const char *op, struct nbx_str key,
                 const struct nbx_value *body, struct nbx_reply *reply);
/* Calls; prints the reply as JSON, or as `show` does. */
int nbx_cli_run(struct nbx_cli *cli, const char *op, struct nbx_str key,
                const struct nbx_value *body,
                void (*show)(struct nbx_cli *cli, const struct nbx_value *reply));
/* Prints the `errors` of a reply's entries on stderr; their number. */
uint32_t nbx_cli_report_entries(const struct nbx_value *reply, const char *list);

/* A member's text, or empty. */
struct nbx_str nbx_cli_text(const struct nbx_value *map, const char *key);
/* A member's integer, or 0. */
int64_t nbx_cli_int(const struct nbx_value *map, const char *key);
/* Memory from the arena; ends the process where it is out. */
void *nbx_cli_alloc(struct nbx_cli *cli, size_t size);

#endif
