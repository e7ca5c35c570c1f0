/* SPDX-License-Identifier: MIT
 * import items|events FILE.
 */
#include "engine/base/clock.h"
#include "engine/base/progress.h"
#include "proto/cli/cli.h"
#include "proto/cli/import_field.h"
#include "proto/cli/import_source.h"
#include "proto/cli/import_state.h"
#include "proto/cli/import_value.h"
#include "proto/cli/import_window.h"
#include "proto/cli/show.h"
#include "proto/cli/table.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define MIN_TIMEOUT_MS 30000 /* a large batch takes its time */
#define ROW_ARENA      (64UL << 20)

static const struct nbx_cli_option options[] = {
    {"format", "FORMAT", NULL, "csv, jsonl or google (default: as the file looks)", NBX_CLI_TEXT},
    {"map", "COLUMN=FIELD", NULL, "FIELD may be attributes.NAME, or nothing; repeatable",
     NBX_CLI_TEXTS},
    {"default", "FIELD=VALUE", NULL, "for rows without it, such as type=view; repeatable",
     NBX_CLI_TEXTS},
    {"type", "FROM=TO", NULL, "an event type of the file in nbx's words; repeatable",
     NBX_CLI_TEXTS},
    {"price-unit", "UNIT", NULL, "money counts minor units (default) or major: 19.99",
     NBX_CLI_TEXT},
    {"time-unit", "UNIT", NULL, "s, ms or us (default: by size; `time` is ms)", NBX_CLI_TEXT},
    {"delimiter", "CHAR", NULL, "of CSV (default: as the first line looks)", NBX_CLI_TEXT},
    {"allow-refused", NULL, NULL, "refused rows are no failure", NBX_CLI_YES},
    {"restart", NULL, NULL, "forget how far an earlier import of FILE came", NBX_CLI_YES},
};

struct import {
    struct nbx_cli *cli;
    const struct nbx_import_what *what;
    const char *path;
    struct nbx_import_options options;
    struct nbx_source_options source_options;
    bool restart, allow_refused;
    unsigned money_scale;

    struct nbx_source *source;
    struct nbx_import_mapping *mapping;
    struct nbx_import_encoder encoder;
    struct nbx_import_state state;
    struct nbx_import_counts counts;
    struct nbx_import_window window;
    struct nbx_progress progress;
    uint64_t resumed_rows;
    int64_t start_ns;
};

/* options */

static const char *text_option(const struct nbx_cli_args *args, const char *name)
{
    const struct nbx_value *v = nbx_cli_own(args, name);
    return v ? v->s.p : "";
}

static int read_format(struct import *m, const char *format)
{
    if (strcmp(format, "csv") == 0)
        m->source_options.format = NBX_SOURCE_CSV;
    else if (strcmp(format, "jsonl") == 0)
        m->source_options.format = NBX_SOURCE_JSONL;
    else if (strcmp(format, "google") == 0 && m->what == &nbx_import_items)
        m->options.google = true;
    else if (*format)
        return nbx_cli_usage("--format: must be csv, jsonl or, for items, google");
    return NBX_EXIT_OK;
}

static int read_units(struct import *m, const char *price, const char *time)
{
    if (strcmp(price, "major") != 0 && strcmp(price, "minor") != 0 && *price)
        return nbx_cli_usage("--price-unit: must be minor or major");
    /* A merchant feed has its prices as people write them. */
    m->money_scale = strcmp(price, "major") == 0 || (m->options.google && !*price) ? 2 : 0;
    static const char *const units[] = {"", "s", "ms", "us"};
    for (int i = 0; i < 4; i++)
        if (strcmp(time, units[i]) == 0) {
            m->options.time_unit = (enum nbx_time_unit)i;
            m->options.time_unit_given = i > 0;
            return NBX_EXIT_OK;
        }
    return nbx_cli_usage("--time-unit: must be s, ms or us");
}

static int read_options(struct import *m, const struct nbx_cli_args *args)
{
    m->path = args->values[0].p;
    m->options.map = nbx_cli_own(args, "map");
    m->options.defaults = nbx_cli_own(args, "default");
    m->options.types = nbx_cli_own(args, "type");
    m->restart = nbx_cli_own(args, "restart");
    m->allow_refused = nbx_cli_own(args, "allow-refused");
    const char *delimiter = text_option(args, "delimiter");
    if (strcmp(delimiter, "\\t") == 0)
        delimiter = "\t";
    if (strlen(delimiter) > 1)
        return nbx_cli_usage("--delimiter: must be one character");
    m->source_options.delimiter = *delimiter;
    int code = read_format(m, text_option(args, "format"));
    return code ? code
                : read_units(m, text_option(args, "price-unit"), text_option(args, "time-unit"));
}

/* columns */

static bool has_column(const struct import *m, const char *field)
{
    return nbx_import_mapping_fills(m->mapping, field);
}

/* Columns of JSON lines come with the rows, so only CSV can be judged before the first one. */
static enum nbx_err check_columns(struct import *m, struct nbx_fault *fault)
{
    if (nbx_source_n_columns(m->source) == 0)
        return NBX_OK;
    enum nbx_err err = nbx_import_mapping_check(m->mapping, fault);
    if (!err && !has_column(m, m->what->required))
        err = nbx_fault_set(fault, NBX_EBAD, m->path,
                            "no column for `%s`: say --map COLUMN=%s, or --default %s=...",
                            m->what->required, m->what->required, m->what->required);
    return err;
}

static void note_columns(const struct import *m)
{
    char unused[1024];
    nbx_import_mapping_unused(m->mapping, m->source, unused, sizeof unused);
    if (unused[0])
        fprintf(stderr, "nbx: columns not imported: %s (--map COLUMN=FIELD takes one)\n", unused);
    if (m->what == &nbx_import_events && nbx_source_n_columns(m->source) > 0 &&
        !has_column(m, "customer"))
        fprintf(stderr, "nbx: no column for `customer`: the events will be anonymous\n");
}

/* A file of ratings has no column that says so. */
static enum nbx_err make_mapping(struct import *m, struct nbx_fault *fault)
{
    enum nbx_err err = nbx_import_mapping_new(&m->mapping, m->what, &m->options, fault);
    if (!err)
        err = nbx_import_mapping_learn(m->mapping, m->source);
    if (err || m->what != &nbx_import_events || has_column(m, "type") || !has_column(m, "rating"))
        return err;
    struct nbx_value *list = nbx_cli_alloc(m->cli, sizeof *list * 1024);
    struct nbx_value defaults = {.type = NBX_LIST, .list = list};
    for (uint32_t i = 0; m->options.defaults && i < m->options.defaults->n && i < 1023; i++)
        list[defaults.n++] = m->options.defaults->list[i];
    list[defaults.n++] = nbx_value_string(NBX_STR("type=rating"));
    struct nbx_value *kept = nbx_cli_alloc(m->cli, sizeof *kept);
    *kept = defaults;
    m->options.defaults = kept;
    nbx_import_mapping_destroy(&m->mapping);
    err = nbx_import_mapping_new(&m->mapping, m->what, &m->options, fault);
    return err ? err : nbx_import_mapping_learn(m->mapping, m->source);
}

/* rows */

static enum nbx_err add_row(struct import *m, struct nbx_import_batch *b, const struct nbx_row *row)
{
    struct nbx_fault fault;
    enum nbx_err err = nbx_import_mapping_learn(m->mapping, m->source);
    if (err)
        return err;
    err = nbx_import_encode(&m->encoder, row, &b->entries, &fault);
    if (err == NBX_ELIMIT)
        return err;
    if (err) {
        b->n_refused++;
        nbx_import_state_refuse(&m->state, row->line, &fault, NULL);
        return NBX_OK;
    }
    b->lines[b->n++] = row->line;
    return NBX_OK;
}

/* Fills a batch; *ended at the end of the file. */
static enum nbx_err fill(struct import *m, struct nbx_import_batch *b, bool *ended,
                         struct nbx_fault *fault)
{
    while (b->n + b->n_refused < m->what->batch_rows && b->entries.len < NBX_IMPORT_FULL_BYTES) {
        const struct nbx_row *row;
        struct nbx_fault wrong;
        enum nbx_err err = nbx_source_next(m->source, &row, &wrong);
        b->last_row = nbx_source_rows(m->source);
        if (err == NBX_ESTORAGE) {
            *fault = wrong;
            return err;
        }
        if (err) {
            b->n_refused++;
            nbx_import_state_refuse(&m->state, 0, &wrong, NULL);
            continue;
        }
        *ended = !row;
        if (!row)
            return NBX_OK;
        err = add_row(m, b, row);
        if (err)
            return nbx_fault_set(fault, err, NULL, "out of memory");
    }
    return NBX_OK;
}

static enum nbx_err skip_rows(struct import *m, struct nbx_fault *fault)
{
    const struct nbx_row *row;
    m->resumed_rows = m->counts.rows;
    while (nbx_source_rows(m->source) < m->counts.rows) {
        struct nbx_fault wrong;
        enum nbx_err err = nbx_source_next(m->source, &row, &wrong);
        if (err == NBX_ESTORAGE) {
            *fault = wrong;
            return err;
        }
        if (!err && !row)
            break;
        if (!err && nbx_import_mapping_learn(m->mapping, m->source))
            return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    }
    return NBX_OK;
}

static enum nbx_err send_all(struct import *m, struct nbx_fault *fault)
{
    enum nbx_err err = skip_rows(m, fault);
    for (bool ended = false; !err && !ended;) {
        struct nbx_import_batch *b;
        err = nbx_import_window_begin(&m->window, &b, fault);
        if (!err)
            err = fill(m, b, &ended, fault);
        if (!err)
            err = nbx_import_window_send(&m->window, fault);
        nbx_progress_update(&m->progress, nbx_source_bytes_read(m->source));
    }
    return err ? err : nbx_import_window_drain(&m->window, fault);
}

/* the whole */

static void print_summary(const struct import *m)
{
    const struct nbx_import_counts *c = &m->counts;
    double seconds = (double)(nbx_clock_mono_ns() - m->start_ns) / 1e9;
    if (m->cli->json) {
        printf("{\"read\": %" PRIu64 ", \"applied\": %" PRIu64 ", \"duplicates\": %" PRIu64
               ", \"refused\": %" PRIu64 ", \"withheld\": %" PRIu64 ", \"resumed_after\": %" PRIu64
               ", \"seconds\": %.3f}\n",
               c->rows, c->applied, c->duplicates, c->refused, c->withheld, m->resumed_rows,
               seconds);
        return;
    }
    struct nbx_table *t = nbx_table_new(6);
    static const char *const heads[] = {"read",    "applied", "duplicates",
                                        "refused", "seconds", "rows/s"};
    for (int i = 0; i < 6; i++)
        nbx_table_cell(t, nbx_str_c(heads[i]));
    nbx_table_printf(t, "%" PRIu64, c->rows);
    nbx_table_printf(t, "%" PRIu64, c->applied);
    nbx_table_printf(t, "%" PRIu64, c->duplicates);
    nbx_table_printf(t, "%" PRIu64, c->refused);
    nbx_table_printf(t, "%.1f", seconds);
    nbx_table_printf(t, "%.0f", (double)(c->rows - m->resumed_rows) / (seconds > 0 ? seconds : 1));
    nbx_table_print(t, stdout);
    nbx_table_destroy(&t);
    if (c->withheld)
        printf("withheld %" PRIu64 ": customers who withdrew consent to be profiled\n",
               c->withheld);
}

static enum nbx_err prepare(struct import *m, struct nbx_fault *fault)
{
    const char *slash = strrchr(m->path, '/');
    m->encoder = (struct nbx_import_encoder){
        .what = m->what,
        .types = m->options.types,
        .path = m->path,
        .file_name = slash ? slash + 1 : m->path,
        .money_scale = m->money_scale,
        .arena = nbx_arena_new(ROW_ARENA),
    };
    if (!m->encoder.arena)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    enum nbx_err err = nbx_source_open(&m->source, m->path, m->source_options, fault);
    if (!err)
        err = make_mapping(m, fault);
    if (!err)
        err = check_columns(m, fault);
    m->encoder.mapping = m->mapping;
    if (!err)
        err = nbx_import_state_open(&m->state, m->path, m->what->op, m->restart, &m->counts, fault);
    if (!err && m->state.resumed)
        fprintf(stderr, "nbx: going on after row %" PRIu64 " (--restart begins again)\n",
                m->counts.rows);
    return err;
}

static enum nbx_err transfer(struct import *m, struct nbx_fault *fault)
{
    int timeout_ms = m->cli->timeout_ms > MIN_TIMEOUT_MS ? m->cli->timeout_ms : MIN_TIMEOUT_MS;
    if (nbx_import_window_init(&m->window, m->what, m->cli->client, timeout_ms))
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    m->window.state = &m->state;
    m->window.counts = &m->counts;
    note_columns(m);
    nbx_progress_start(&m->progress, STDERR_FILENO, "importing", "bytes",
                       nbx_source_bytes_total(m->source));
    enum nbx_err err = send_all(m, fault);
    nbx_progress_end(&m->progress);
    if (err && m->counts.rows > 0)
        nbx_import_state_save(&m->state, &m->counts, true);
    return err;
}

static void release(struct import *m, bool done)
{
    nbx_import_state_close(&m->state, done);
    nbx_import_window_fini(&m->window);
    nbx_import_encoder_fini(&m->encoder);
    nbx_import_mapping_destroy(&m->mapping);
    nbx_source_close(&m->source);
}

static int run(struct nbx_cli *cli, const struct nbx_cli_args *args,
               const struct nbx_import_what *what)
{
    struct import m = {.cli = cli, .what = what, .start_ns = nbx_clock_mono_ns()};
    struct nbx_fault fault = {0};
    int code = read_options(&m, args);
    if (!code)
        code = nbx_cli_connect(cli);
    if (code)
        return code;
    enum nbx_err err = prepare(&m, &fault);
    bool misused = err && strncmp(fault.field, "--", 2) == 0;
    if (!err)
        err = transfer(&m, &fault);
    release(&m, !err);
    if (misused)
        return nbx_cli_usage("%s: %s", fault.field, fault.message);
    if (err)
        return nbx_cli_fail(&fault);
    print_summary(&m);
    return m.counts.refused && !m.allow_refused ? NBX_EXIT_FAILED : NBX_EXIT_OK;
}

static int run_items(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return run(cli, args, &nbx_import_items);
}

static int run_events(struct nbx_cli *cli, const struct nbx_cli_args *args)
{
    return run(cli, args, &nbx_import_events);
}

#define NOTES                                                                                      \
    "FILE is CSV, TSV or JSON lines with a header or keys; - is standard input.\n"                 \
    "An import that was stopped goes on where it was (FILE.nbx-import says where); what was\n"     \
    "refused stands in FILE.refused.jsonl. A repeat applies nothing twice: an event without an\n"  \
    "id gets one from the file's name, the row's number and its text.\n"                           \
    "Exit code 1 also where a row was refused, unless --allow-refused."

const struct nbx_cli_command nbx_cli_import_items = {
    .group = "import",
    .name = "items",
    .arguments = "FILE",
    .summary = "put a catalogue from CSV, JSON lines or a merchant feed",
    .notes = NOTES "\nnbx's own columns: id, group, kind, title, brand, categories (a|b), price, "
                   "available, url,\nimage and the other fields of item.put.",
    NBX_CLI_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_items,
};

const struct nbx_cli_command nbx_cli_import_events = {
    .group = "import",
    .name = "events",
    .arguments = "FILE",
    .summary = "observe events from CSV or JSON lines",
    .notes = NOTES "\nnbx's own columns: customer, type, item, time (ms), channel, store, session, "
                   "order, quantity,\nvalue, id and the other fields of an event; user_id, "
                   "productId, timestamp and the like are known.",
    NBX_CLI_OPTIONS(options),
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run_events,
};
