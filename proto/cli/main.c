/* SPDX-License-Identifier: MIT
 * nbx: every operation of nbxd from the command line.
 */
#include "proto/cli/cli.h"

#include "version.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES   (512UL << 20)
#define MAX_TIMEOUT_S 86400

static const struct nbx_cli_command *const commands[] = {
    &nbx_cli_recommend,       &nbx_cli_rank,           &nbx_cli_similar,
    &nbx_cli_observe,         &nbx_cli_retract,        &nbx_cli_customer_get,
    &nbx_cli_customer_put,    &nbx_cli_customer_link,  &nbx_cli_customer_unlink,
    &nbx_cli_customer_forget, &nbx_cli_decision_get,   &nbx_cli_item_put,
    &nbx_cli_item_get,        &nbx_cli_item_patch,     &nbx_cli_item_delete,
    &nbx_cli_import_items,    &nbx_cli_import_events,  &nbx_cli_stats,
    &nbx_cli_hello,           &nbx_cli_log_tail,       &nbx_cli_log_export,
    &nbx_cli_backup,          &nbx_cli_restore,        &nbx_cli_verify,
    &nbx_cli_customer_export, &nbx_cli_replay,         &nbx_cli_rebuild,
    &nbx_cli_log_import,      &nbx_cli_doctor,         &nbx_cli_model_push,
    &nbx_cli_model_list,      &nbx_cli_model_get,      &nbx_cli_model_stage,
    &nbx_cli_model_activate,  &nbx_cli_model_rollback, &nbx_cli_model_delete,
    &nbx_cli_model_check,     &nbx_cli_events_export,  &nbx_cli_model_pull,
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static const struct nbx_cli_option global_options[] = {
    {"endpoint", "ENDPOINT", NULL, "nbxd's (default tcp://127.0.0.1:7741, or $NBX_ENDPOINT)",
     NBX_CLI_TEXT},
    {"timeout", "SECONDS", NULL, "how long to wait for a reply (default 5)", NBX_CLI_NUMBER},
    {"json", NULL, NULL, "print the reply as JSON", NBX_CLI_YES},
    {"help", NULL, NULL, "this text", NBX_CLI_YES},
};
#define N_GLOBAL (sizeof global_options / sizeof global_options[0])

static const char exit_codes[] =
    "\nExit codes: 0 done, 1 refused, failed or unreachable (the "
    "reason is on stderr), 2 wrong usage;\na command's own help may name others.\n";

static void print_help(void)
{
    printf("usage: nbx COMMAND [ARGUMENTS] [OPTIONS]\n\n");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const struct nbx_cli_command *c = commands[i];
        char name[64];
        snprintf(name, sizeof name, "%s%s%s", c->group ? c->group : "", c->group ? " " : "",
                 c->name);
        printf("  %-16s %s\n", name, c->summary);
    }
    printf("\nOptions of every command (nbx COMMAND --help shows its own):\n");
    nbx_cli_print_options((struct nbx_cli_option_table){global_options, N_GLOBAL});
    printf("%s", exit_codes);
}

static int print_command_help(const struct nbx_cli_command *c)
{
    printf("usage: nbx %s%s%s %s [OPTIONS]\n\n%s\n", c->group ? c->group : "", c->group ? " " : "",
           c->name, c->arguments, c->summary);
    if (c->notes)
        printf("\n%s\n", c->notes);
    printf("\nOptions:\n");
    nbx_cli_print_options((struct nbx_cli_option_table){c->options, c->n_options});
    nbx_cli_print_options((struct nbx_cli_option_table){global_options, N_GLOBAL});
    printf("%s", exit_codes);
    return NBX_EXIT_OK;
}

/* The command named by the first words; *n_words of them. */
static const struct nbx_cli_command *find_command(int argc, char **argv, int *n_words)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const struct nbx_cli_command *c = commands[i];
        *n_words = c->group ? 2 : 1;
        if (argc < *n_words)
            continue;
        if (c->group ? strcmp(argv[0], c->group) == 0 && strcmp(argv[1], c->name) == 0
                     : strcmp(argv[0], c->name) == 0)
            return c;
    }
    return NULL;
}

static int unknown_command(const char *word)
{
    size_t n_in_group = 0;
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (commands[i]->group && strcmp(commands[i]->group, word) == 0)
            fprintf(stderr, "%s%s", n_in_group++ ? ", " : "nbx: usage: one of these must follow: ",
                    commands[i]->name);
    if (n_in_group) {
        fputs("\n", stderr);
        return NBX_EXIT_USAGE;
    }
    return nbx_cli_usage("no such command: %s; see nbx --help", word);
}

/* Words before the command can only be global options; they count as if they stood behind it. */
static int count_leading_options(int argc, char **argv)
{
    int n = 0;
    while (n < argc && strncmp(argv[n], "--", 2) == 0) {
        bool takes_value = strcmp(argv[n], "--endpoint") == 0 || strcmp(argv[n], "--timeout") == 0;
        n += takes_value ? 2 : 1;
    }
    return n < argc ? n : argc;
}

static int apply_global(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    const char *from_env = getenv("NBX_ENDPOINT");
    const struct nbx_value *endpoint = nbx_cli_own(args, "endpoint");
    const struct nbx_value *timeout = nbx_cli_own(args, "timeout");
    cli->endpoint = endpoint                ? endpoint->s.p
                    : from_env && *from_env ? from_env
                                            : "tcp://127.0.0.1:7741";
    double seconds = !timeout ? 5 : timeout->type == NBX_FLOAT ? timeout->f : (double)timeout->i;
    if (!(seconds > 0 && seconds <= MAX_TIMEOUT_S))
        return nbx_cli_usage("--timeout: must be above 0 and at most %d seconds", MAX_TIMEOUT_S);
    cli->timeout_ms = (int)(seconds * 1000) > 0 ? (int)(seconds * 1000) : 1;
    cli->json = nbx_cli_own(args, "json");
    return NBX_EXIT_OK;
}

static int parse_and_run(struct nbx_cli *cli, const struct nbx_cli_command *c, int argc,
                         char **argv)
{
    size_t n_all = c->n_options + N_GLOBAL;
    struct nbx_cli_option *all = nbx_cli_alloc(cli, n_all * sizeof *all);
    if (c->n_options)
        memcpy(all, c->options, c->n_options * sizeof *all);
    memcpy(all + c->n_options, global_options, sizeof global_options);
    struct nbx_cli_args args;
    struct nbx_fault fault = {0};
    struct nbx_cli_option_table table = {all, (uint32_t)n_all};
    if (nbx_cli_parse(&args, table, argc, argv, cli->arena, &fault))
        return nbx_cli_usage("%s%s%s", fault.field, fault.field[0] ? ": " : "", fault.message);
    if (nbx_cli_own(&args, "help"))
        return print_command_help(c);
    int code = apply_global(cli, &args);
    if (code)
        return code;
    if (args.n < c->min_arguments || args.n > c->max_arguments)
        return nbx_cli_usage("nbx %s%s%s %s; see --help", c->group ? c->group : "",
                             c->group ? " " : "", c->name, c->arguments);
    return c->run(cli, &args);
}

/* What stands around the command's words: first the options before them, then the rest. */
static char **without_command(struct nbx_cli *cli, int argc, char **argv, int n_leading,
                              int n_words)
{
    int n_behind = argc - n_leading - n_words;
    char **words = nbx_cli_alloc(cli, ((size_t)argc + 1) * sizeof *words);
    memcpy(words, argv, (size_t)n_leading * sizeof *words);
    memcpy(words + n_leading, argv + n_leading + n_words, (size_t)n_behind * sizeof *words);
    words[n_leading + n_behind] = NULL;
    return words;
}

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "C.UTF-8"); /* the width of characters */
    argc--;
    argv++;
    int n_leading = count_leading_options(argc, argv), n_words;
    if (n_leading == argc) {
        bool asked = argc > 0 && strcmp(argv[0], "--help") == 0;
        if (argc > 0 && strcmp(argv[0], "--version") == 0)
            return printf("nbx %s\n", NBX_VERSION) > 0 ? NBX_EXIT_OK : NBX_EXIT_FAILED;
        if (!asked)
            return nbx_cli_usage("nbx COMMAND ...; see nbx --help");
        print_help();
        return NBX_EXIT_OK;
    }
    const struct nbx_cli_command *c = find_command(argc - n_leading, argv + n_leading, &n_words);
    if (!c)
        return unknown_command(argv[n_leading]);
    struct nbx_cli cli = {.arena = nbx_arena_new(ARENA_BYTES)};
    if (!cli.arena)
        return NBX_EXIT_FAILED;
    char **words = without_command(&cli, argc, argv, n_leading, n_words);
    int code = parse_and_run(&cli, c, argc - n_words, words);
    nbx_client_destroy(&cli.client);
    nbx_arena_destroy(&cli.arena);
    return code;
}
