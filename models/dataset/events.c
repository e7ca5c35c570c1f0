/* SPDX-License-Identifier: MIT */
#include "models/dataset/internal.h"

#include "engine/base/csv.h"
#include "engine/base/grow.h"
#include "engine/base/progress.h"
#include "engine/base/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_EVENTS       (UINT32_MAX - 1)
#define PROGRESS_ROWS    4096
#define SHOWN_PATH_BYTES 112 /* leaves room for line and column in a fault's field */
#define SHOWN_BYTES      64
#define UNKNOWN          UINT32_MAX /* no type */

/* A time of a shop is, in milliseconds, above 10^11 since 1973; from 10^8 up to there lie the
 * seconds of 1973 to 5138. Smaller numbers may be either, or counted from another start. */
#define SECONDS_FROM      INT64_C(100000000)
#define MILLISECONDS_FROM INT64_C(100000000000)

struct columns {
    size_t customer, item, type, time, effect;
};

struct source {
    struct nbx_dataset__reading *to;
    struct nbx_csv *csv;
    struct columns columns;
    uint32_t untyped; /* the type of a row without one */
    /* the first time of each kind; line 0: none so far */
    struct nbx_csv_place seconds, milliseconds;
};

static enum nbx_err out_of_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory reading the data set");
}

static int shown(struct nbx_str text)
{
    return text.len > SHOWN_BYTES ? SHOWN_BYTES : (int)text.len;
}

/* "file:line:column", the path's beginning cut off where it is too long. */
static const char *name_place(char out[NBX_FAULT_FIELD_BYTES], const char *path,
                              struct nbx_csv_place place)
{
    size_t len = strlen(path), cut = len > SHOWN_PATH_BYTES ? len - SHOWN_PATH_BYTES : 0;
    snprintf(out, NBX_FAULT_FIELD_BYTES, "%s%s:%" PRIu64 ":%u", cut ? "..." : "", path + cut,
             place.line, place.column);
    return out;
}

static enum nbx_err need_column(struct source *s, size_t *column, const char *name,
                                struct nbx_fault *fault)
{
    char where[NBX_FAULT_FIELD_BYTES];
    *column = nbx_csv_column(s->csv, name);
    if (*column != NBX_CSV_NO_COLUMN)
        return NBX_OK;
    return nbx_fault_set(fault, NBX_EBAD,
                         name_place(where, s->to->path, (struct nbx_csv_place){1, 1}),
                         "no column \"%s\"", name);
}

static enum nbx_err find_untyped(struct source *s, struct nbx_fault *fault)
{
    const struct nbx_types *types = s->to->types;
    const char *name = s->to->options->untyped;
    const struct nbx_type *type = name ? nbx_types_find(types, nbx_str_c(name)) : NULL;
    s->untyped = type ? (uint32_t)(type - types->type) : NBX_DATASET__NO_TYPE;
    return type || !name
               ? NBX_OK
               : nbx_fault_set(fault, NBX_EBAD, "types", "\"%s\" is not among them", name);
}

static enum nbx_err open_file(struct source *s, struct nbx_fault *fault)
{
    enum nbx_err err = nbx_csv_open(&s->csv, s->to->path, (struct nbx_csv_options){0}, fault);
    if (!err)
        err = need_column(s, &s->columns.customer, "customer", fault);
    if (!err)
        err = need_column(s, &s->columns.item, "item", fault);
    if (err)
        return err;
    s->columns.type = nbx_csv_column(s->csv, "type");
    s->columns.time = nbx_csv_column(s->csv, "time");
    s->columns.effect = nbx_csv_column(s->csv, "effect");
    return find_untyped(s, fault);
}

static enum nbx_err number_id(struct nbx_map *map, struct nbx_str id, uint32_t *number)
{
    *number = nbx_map_get(map, id);
    if (*number != NBX_MAP_NONE)
        return NBX_OK;
    *number = nbx_map_count(map);
    return nbx_map_put(map, id, *number);
}

static enum nbx_err check_id(struct source *s, size_t column, const struct nbx_csv_row *row,
                             struct nbx_fault *fault)
{
    if (nbx_id_valid(row->fields[column]))
        return NBX_OK;
    return nbx_csv_fault(s->csv, fault, NBX_EBAD, column, "an id has 1 to %d bytes, this has %u",
                         NBX_ID_MAX_BYTES, row->fields[column].len);
}

/* What the row says of its item, which nbxd knows whatever the type is called; UNKNOWN where it
 * does not. */
static uint32_t read_effect(const struct source *s, const struct nbx_csv_row *row)
{
    struct nbx_str effect = {0};
    if (s->columns.effect != NBX_CSV_NO_COLUMN)
        effect = row->fields[s->columns.effect];
    return nbx_str_is(effect, "positive")   ? NBX_DATASET__NO_TYPE
           : nbx_str_is(effect, "negative") ? NBX_DATASET__REFUSAL
           : nbx_str_is(effect, "neutral")  ? NBX_DATASET__NEUTRAL
                                            : UNKNOWN;
}

static enum nbx_err read_type(struct source *s, const struct nbx_csv_row *row, uint32_t *number,
                              struct nbx_fault *fault)
{
    const struct nbx_types *types = s->to->types;
    *number = s->untyped;
    if (s->columns.type == NBX_CSV_NO_COLUMN || row->fields[s->columns.type].len == 0)
        return NBX_OK;
    struct nbx_str name = row->fields[s->columns.type];
    const struct nbx_type *type = nbx_types_find(types, name);
    *number = type ? (uint32_t)(type - types->type) : read_effect(s, row);
    if (*number != UNKNOWN)
        return NBX_OK;
    char known[200];
    nbx_types_list(types, known, sizeof known);
    return nbx_csv_fault(s->csv, fault, NBX_EBAD, s->columns.type,
                         "unknown type \"%.*s\", known are %s", shown(name), name.p, known);
}

/* A file must not mix seconds and milliseconds: its order would be nonsense. */
static enum nbx_err check_unit(struct source *s, const struct nbx_csv_row *row, int64_t time_ms,
                               struct nbx_fault *fault)
{
    if (time_ms < SECONDS_FROM)
        return NBX_OK;
    bool seconds = time_ms < MILLISECONDS_FROM;
    struct nbx_csv_place *mine = seconds ? &s->seconds : &s->milliseconds;
    if (mine->line == 0)
        *mine = row->from[s->columns.time];
    if (s->seconds.line == 0 || s->milliseconds.line == 0)
        return NBX_OK;
    if (seconds)
        return nbx_csv_fault(s->csv, fault, NBX_EBAD, s->columns.time,
                             "%" PRId64 " looks like seconds since 1970, but line %" PRIu64
                             " has milliseconds",
                             time_ms, s->milliseconds.line);
    return nbx_csv_fault(s->csv, fault, NBX_EBAD, s->columns.time,
                         "%" PRId64 " looks like milliseconds since 1970, but line %" PRIu64
                         " has seconds: nbx takes milliseconds",
                         time_ms, s->seconds.line);
}

static enum nbx_err read_time(struct source *s, const struct nbx_csv_row *row, int64_t *time_ms,
                              struct nbx_fault *fault)
{
    struct nbx_dataset *d = &s->to->owner->public;
    *time_ms = NBX_DATASET_NO_TIME;
    if (s->columns.time == NBX_CSV_NO_COLUMN || row->fields[s->columns.time].len == 0)
        return NBX_OK;
    struct nbx_str text = row->fields[s->columns.time];
    int64_t v = 0;
    bool ok = text.len <= 15;
    for (uint32_t i = 0; ok && i < text.len; i++) {
        ok = text.p[i] >= '0' && text.p[i] <= '9';
        v = v * 10 + (text.p[i] - '0');
    }
    if (!ok)
        return nbx_csv_fault(s->csv, fault, NBX_EBAD, s->columns.time,
                             "\"%.*s\" is not a time in milliseconds since 1970", shown(text),
                             text.p);
    *time_ms = v;
    if (d->first_ms == NBX_DATASET_NO_TIME || v < d->first_ms)
        d->first_ms = v;
    if (v > d->last_ms)
        d->last_ms = v;
    return check_unit(s, row, v, fault);
}

static enum nbx_err keep_event(struct source *s, const struct nbx_csv_row *row,
                               struct nbx_dataset__event event, struct nbx_fault *fault)
{
    struct nbx_dataset__reading *r = s->to;
    struct nbx_dataset__event *events =
        nbx_grow(r->events, r->n_events, &r->cap_events, sizeof *events);
    if (!events)
        return out_of_memory(fault);
    r->events = events;
    if (r->n_events == MAX_EVENTS)
        return nbx_csv_fault(s->csv, fault, NBX_ELIMIT, 0, "more than %u events", MAX_EVENTS);
    event.order = (uint32_t)r->n_events;
    if (number_id(r->owner->customer_map, row->fields[s->columns.customer], &event.customer) ||
        number_id(r->owner->item_map, row->fields[s->columns.item], &event.item))
        return out_of_memory(fault);
    r->events[r->n_events++] = event;
    return NBX_OK;
}

static enum nbx_err read_event(struct source *s, const struct nbx_csv_row *row,
                               struct nbx_fault *fault)
{
    struct nbx_dataset_counts *counts = &s->to->owner->public.counts;
    struct nbx_dataset__event event = {0};
    enum nbx_err err = read_type(s, row, &event.type, fault);
    if (!err)
        err = read_time(s, row, &event.time_ms, fault);
    if (err)
        return err;
    counts->rows++;
    if (row->fields[s->columns.customer].len == 0) {
        counts->anonymous++;
        return NBX_OK;
    }
    if (row->fields[s->columns.item].len == 0) {
        counts->no_item++;
        return NBX_OK;
    }
    err = check_id(s, s->columns.customer, row, fault);
    if (!err)
        err = check_id(s, s->columns.item, row, fault);
    if (err)
        return err;
    float weight = nbx_dataset__weight(s->to, event.type);
    if (weight > 0 && read_effect(s, row) == NBX_DATASET__REFUSAL) {
        event.type = NBX_DATASET__REFUSAL; /* a bad rating */
        weight = nbx_dataset__weight(s->to, event.type);
    }
    counts->neutral += weight == 0;
    counts->negative += weight < 0;
    return weight == 0 ? NBX_OK : keep_event(s, row, event, fault);
}

static enum nbx_err read_rows(struct source *s, struct nbx_fault *fault)
{
    const struct nbx_csv_row *row;
    struct nbx_progress progress;
    enum nbx_err err;
    nbx_progress_start(&progress, s->to->options->progress_fd, "reading events", "bytes",
                       nbx_csv_bytes_total(s->csv));
    while (!(err = nbx_csv_next(s->csv, &row, fault)) && row) {
        err = read_event(s, row, fault);
        if (err)
            break;
        if (row->number % PROGRESS_ROWS == 0)
            nbx_progress_update(&progress, nbx_csv_bytes_read(s->csv));
    }
    nbx_progress_end(&progress);
    return err;
}

enum nbx_err nbx_dataset__read_events(struct nbx_dataset__reading *r, struct nbx_fault *fault)
{
    char where[NBX_FAULT_FIELD_BYTES];
    const struct nbx_dataset *d = &r->owner->public;
    struct source s = {.to = r};
    enum nbx_err err = open_file(&s, fault);
    if (!err)
        err = read_rows(&s, fault);
    nbx_csv_close(&s.csv);
    if (!err && d->first_ms >= SECONDS_FROM && d->last_ms < MILLISECONDS_FROM)
        err = nbx_fault_set(fault, NBX_EBAD, name_place(where, r->path, s.seconds),
                            "looks like seconds since 1970, nbx takes milliseconds");
    return err;
}
