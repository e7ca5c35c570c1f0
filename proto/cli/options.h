/* SPDX-License-Identifier: MIT
 * The options of a command as a table: most of them are a field of the request's body.
 *
 * Why:     a new field of the protocol is one row here, and `--help` comes from the same rows.
 * Owns:    nothing: values live in the arena or in argv.
 * Threads: main.
 * Errors:  NBX_EBAD with the option as the field.
 */
#ifndef NBX_CLI_OPTIONS_H
#define NBX_CLI_OPTIONS_H

#include "engine/base/arena.h"
#include "engine/base/err.h"
#include "engine/base/value.h"

enum nbx_cli_kind {
    NBX_CLI_YES,    /* takes no value: true */
    NBX_CLI_NO,     /* takes no value: false */
    NBX_CLI_INT,    /* a whole number */
    NBX_CLI_NUMBER, /* a number */
    NBX_CLI_TEXT,   /* a string */
    NBX_CLI_TEXTS,  /* a string; may stand several times: a list */
    NBX_CLI_WORDS,  /* strings between commas: a list */
    NBX_CLI_JSON,   /* any JSON */
    NBX_CLI_TIME,   /* milliseconds since 1970, or a date as in RFC 3339 */
};

struct nbx_cli_option {
    const char *name;  /* without "--" */
    const char *value; /* its name in the help; NULL where it takes none */
    const char *field; /* of the body; NULL: the command's own, under `name` */
    const char *help;
    enum nbx_cli_kind kind;
};

struct nbx_cli_args {
    struct nbx_value body;  /* the fields named by options */
    struct nbx_value own;   /* the command's own options */
    struct nbx_str *values; /* (n): what is not an option */
    uint32_t n;
};

struct nbx_cli_option_table {
    const struct nbx_cli_option *options; /* (n) */
    uint32_t n;
};

/* Reads argv (argc) against the table; "--" ends the options. An option given twice counts by its
 * last, except NBX_CLI_TEXTS. */
enum nbx_err nbx_cli_parse(struct nbx_cli_args *out, struct nbx_cli_option_table table, int argc,
                           char **argv, struct nbx_arena *arena,
                           struct nbx_fault *fault) NBX_MUST_CHECK;

/* One line per option on stdout. */
void nbx_cli_print_options(struct nbx_cli_option_table table);

/* Sets a member of a map made by nbx_cli_parse, replacing it. NBX_ELIMIT where memory is out. */
enum nbx_err nbx_cli_set(struct nbx_value *map, struct nbx_str key, struct nbx_value value,
                         struct nbx_arena *arena) NBX_MUST_CHECK;
/* The command's own option, or NULL. */
const struct nbx_value *nbx_cli_own(const struct nbx_cli_args *args, const char *name);

#endif
