/* SPDX-License-Identifier: MIT */
#include "models/dataset/dataset.h"

#include "engine/base/csv.h"
#include "engine/base/map.h"
#include "engine/base/progress.h"
#include "engine/base/utf8.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* nbx_dataset_bound_bytes: an event while reading and its sorted copy, a pair as a triple, in both
 * matrices and in the copy that sorts them, and, where every line brings a new id on both sides,
 * two map entries with their slots, ids and renumbering. Ids' bytes: twice the file. */
#define LINE_BOUND_BYTES 280
#define MAX_EVENTS       (UINT32_MAX - 1)
#define PROGRESS_ROWS    4096

struct event {
    uint32_t customer, item, order;
    float weight; /* as nbx_type's */
    int64_t time_ms;
};

/* Ids in the order they came, and later their rows in byte order. */
struct names {
    struct nbx_map *map;
    uint32_t *row_of; /* (count of map) its final row, NBX_MAP_NONE where left out */
};

struct columns {
    size_t customer, item, type, time;
};

struct reading {
    const struct nbx_dataset_options *options;
    struct nbx_types default_types;
    const struct nbx_types *types;
    struct nbx_csv *csv;
    struct columns columns;
    struct names customers, items;
    struct event *events; /* (n_events) of (cap_events) */
    size_t n_events, cap_events;
    struct nbx_triple *pairs; /* (n_pairs) */
    size_t n_pairs;
    struct nbx_dataset *dataset;
};

struct dataset {
    struct nbx_dataset public; /* first, so that the two share an address */
    struct nbx_map *customer_map, *item_map;
    struct nbx_str *customer_ids, *item_ids;
};

static enum nbx_err out_of_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory reading the data set");
}

static enum nbx_err need_column(struct reading *r, size_t *column, const char *name,
                                const char *path, struct nbx_fault *fault)
{
    *column = nbx_csv_column(r->csv, name);
    if (*column != NBX_CSV_NO_COLUMN)
        return NBX_OK;
    char where[NBX_FAULT_FIELD_BYTES];
    snprintf(where, sizeof where, "%s:1:1", path);
    return nbx_fault_set(fault, NBX_EBAD, where, "no column \"%s\"", name);
}

static enum nbx_err open_file(struct reading *r, const char *path, struct nbx_fault *fault)
{
    enum nbx_err err = nbx_csv_open(&r->csv, path, (struct nbx_csv_options){0}, fault);
    if (!err)
        err = need_column(r, &r->columns.customer, "customer", path, fault);
    if (!err)
        err = need_column(r, &r->columns.item, "item", path, fault);
    if (err)
        return err;
    r->columns.type = nbx_csv_column(r->csv, "type");
    r->columns.time = nbx_csv_column(r->csv, "time");
    return NBX_OK;
}

static enum nbx_err number_id(struct names *names, struct nbx_str id, uint32_t *number)
{
    *number = nbx_map_get(names->map, id);
    if (*number != NBX_MAP_NONE)
        return NBX_OK;
    *number = nbx_map_count(names->map);
    return nbx_map_put(names->map, id, *number);
}

static enum nbx_err check_id(struct reading *r, size_t column, const struct nbx_csv_row *row,
                             struct nbx_fault *fault)
{
    if (nbx_id_valid(row->fields[column]))
        return NBX_OK;
    return nbx_csv_fault(r->csv, fault, NBX_EBAD, column, "an id has 1 to %d bytes, this has %u",
                         NBX_ID_MAX_BYTES, row->fields[column].len);
}

static enum nbx_err read_weight(struct reading *r, const struct nbx_csv_row *row, float *weight,
                                struct nbx_fault *fault)
{
    *weight = 1.0f;
    if (r->columns.type == NBX_CSV_NO_COLUMN || row->fields[r->columns.type].len == 0)
        return NBX_OK;
    struct nbx_str name = row->fields[r->columns.type];
    const struct nbx_type *type = nbx_types_find(r->types, name);
    if (type) {
        *weight = type->weight;
        return NBX_OK;
    }
    char known[200];
    nbx_types_list(r->types, known, sizeof known);
    return nbx_csv_fault(r->csv, fault, NBX_EBAD, r->columns.type,
                         "unknown type \"%.*s\", known are %s", name.len > 64 ? 64 : (int)name.len,
                         name.p, known);
}

static enum nbx_err read_time(struct reading *r, const struct nbx_csv_row *row, int64_t *time_ms,
                              struct nbx_fault *fault)
{
    *time_ms = NBX_DATASET_NO_TIME;
    if (r->columns.time == NBX_CSV_NO_COLUMN || row->fields[r->columns.time].len == 0)
        return NBX_OK;
    struct nbx_str text = row->fields[r->columns.time];
    int64_t v = 0;
    bool ok = text.len <= 15;
    for (uint32_t i = 0; ok && i < text.len; i++) {
        ok = text.p[i] >= '0' && text.p[i] <= '9';
        v = v * 10 + (text.p[i] - '0');
    }
    if (!ok)
        return nbx_csv_fault(r->csv, fault, NBX_EBAD, r->columns.time,
                             "\"%.*s\" is not a time in milliseconds since 1970",
                             text.len > 64 ? 64 : (int)text.len, text.p);
    *time_ms = v;
    if (r->dataset->first_ms == NBX_DATASET_NO_TIME || v < r->dataset->first_ms)
        r->dataset->first_ms = v;
    if (v > r->dataset->last_ms)
        r->dataset->last_ms = v;
    return NBX_OK;
}

static enum nbx_err keep_event(struct reading *r, const struct nbx_csv_row *row, struct event event,
                               struct nbx_fault *fault)
{
    if (r->n_events == r->cap_events) {
        size_t cap = r->cap_events ? r->cap_events * 2 : 4096;
        struct event *events = realloc(r->events, cap * sizeof *events);
        if (!events)
            return out_of_memory(fault);
        r->events = events;
        r->cap_events = cap;
    }
    if (r->n_events == MAX_EVENTS)
        return nbx_csv_fault(r->csv, fault, NBX_ELIMIT, 0, "more than %u events", MAX_EVENTS);
    event.order = (uint32_t)r->n_events;
    if (number_id(&r->customers, row->fields[r->columns.customer], &event.customer) ||
        number_id(&r->items, row->fields[r->columns.item], &event.item))
        return out_of_memory(fault);
    r->events[r->n_events++] = event;
    return NBX_OK;
}

static enum nbx_err read_event(struct reading *r, const struct nbx_csv_row *row,
                               struct nbx_fault *fault)
{
    struct nbx_dataset_counts *counts = &r->dataset->counts;
    struct event event = {0};
    enum nbx_err err = read_weight(r, row, &event.weight, fault);
    if (!err)
        err = read_time(r, row, &event.time_ms, fault);
    if (err)
        return err;
    counts->rows++;
    if (row->fields[r->columns.customer].len == 0) {
        counts->anonymous++;
        return NBX_OK;
    }
    if (row->fields[r->columns.item].len == 0) {
        counts->no_item++;
        return NBX_OK;
    }
    err = check_id(r, r->columns.customer, row, fault);
    if (!err)
        err = check_id(r, r->columns.item, row, fault);
    if (err)
        return err;
    counts->neutral += event.weight == 0;
    counts->negative += event.weight < 0;
    return event.weight == 0 ? NBX_OK : keep_event(r, row, event, fault);
}

static enum nbx_err read_events(struct reading *r, struct nbx_fault *fault)
{
    const struct nbx_csv_row *row;
    struct nbx_progress progress;
    enum nbx_err err;
    nbx_progress_start(&progress, r->options->progress_fd, "reading events", "bytes",
                       nbx_csv_bytes_total(r->csv));
    while (!(err = nbx_csv_next(r->csv, &row, fault)) && row) {
        err = read_event(r, row, fault);
        if (err)
            break;
        if (row->number % PROGRESS_ROWS == 0)
            nbx_progress_update(&progress, nbx_csv_bytes_read(r->csv));
    }
    nbx_progress_end(&progress);
    return err;
}

static int compare_events(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* Events by customer, a customer's by (item, time, order): counting sort, then each customer's
 * few by comparison. */
static enum nbx_err sort_events(struct reading *r)
{
    size_t n_customers = nbx_map_count(r->customers.map);
    size_t *end = calloc(n_customers + 1, sizeof *end);
    struct event *sorted = calloc(r->n_events + 1, sizeof *sorted);
    if (!end || !sorted) {
        free(end);
        free(sorted);
        return NBX_ELIMIT;
    }
    for (size_t i = 0; i < r->n_events; i++)
        end[r->events[i].customer + 1]++;
    for (size_t c = 0; c < n_customers; c++)
        end[c + 1] += end[c];
    for (size_t i = 0; i < r->n_events; i++)
        sorted[end[r->events[i].customer]++] = r->events[i];
    for (size_t c = 0, from = 0; c < n_customers; from = end[c++])
        qsort(sorted + from, end[c] - from, sizeof *sorted, compare_events);
    free(end);
    free(r->events);
    r->events = sorted;
    return NBX_OK;
}

/* What is left of one customer's events on one item, n > 0 of them in order: 0 is nothing. */
static float fold_events(const struct event *events, size_t n)
{
    float weight = 0;
    for (size_t i = 0; i < n; i++) {
        if (events[i].weight < 0)
            weight = 0;
        else if (events[i].weight > weight)
            weight = events[i].weight;
    }
    return weight;
}

static enum nbx_err fold_pairs(struct reading *r)
{
    enum nbx_err err = sort_events(r);
    if (err)
        return err;
    r->pairs = calloc(r->n_events + 1, sizeof *r->pairs);
    if (!r->pairs)
        return NBX_ELIMIT;
    for (size_t i = 0, n; i < r->n_events; i += n) {
        const struct event *first = &r->events[i];
        for (n = 1; i + n < r->n_events; n++)
            if (first[n].customer != first->customer || first[n].item != first->item)
                break;
        float weight = fold_events(first, n);
        if (weight > 0)
            r->pairs[r->n_pairs++] = (struct nbx_triple){first->customer, first->item, weight};
    }
    free(r->events);
    r->events = NULL;
    return NBX_OK;
}

struct named {
    struct nbx_str id;
    uint32_t number;
};

static int compare_named(const void *a, const void *b)
{
    return nbx_str_cmp(((const struct named *)a)->id, ((const struct named *)b)->id);
}

/* Rows for the ids marked with 0 in row_of, in byte order. *ids: (*n). */
static enum nbx_err order_names(struct names *names, struct nbx_str **ids, size_t *n)
{
    uint32_t count = nbx_map_count(names->map);
    struct named *sorted = calloc((size_t)count + 1, sizeof *sorted);
    *ids = calloc((size_t)count + 1, sizeof **ids);
    *n = 0;
    if (!sorted || !*ids) {
        free(sorted);
        return NBX_ELIMIT;
    }
    for (uint32_t i = 0; i < count; i++)
        if (names->row_of[i] == 0)
            sorted[(*n)++] = (struct named){nbx_map_key(names->map, i), i};
    qsort(sorted, *n, sizeof *sorted, compare_named);
    for (size_t row = 0; row < *n; row++) {
        (*ids)[row] = sorted[row].id;
        names->row_of[sorted[row].number] = (uint32_t)row;
    }
    free(sorted);
    return NBX_OK;
}

static bool mark_all(struct names *names)
{
    uint32_t count = nbx_map_count(names->map);
    names->row_of = calloc((size_t)count + 1, sizeof *names->row_of);
    if (!names->row_of)
        return false;
    memset(names->row_of, 0xff, count * sizeof *names->row_of);
    return true;
}

static enum nbx_err renumber(struct reading *r, struct dataset *d)
{
    if (!mark_all(&r->customers) || !mark_all(&r->items))
        return NBX_ELIMIT;
    for (size_t i = 0; i < r->n_pairs; i++) {
        r->customers.row_of[r->pairs[i].row] = 0;
        r->items.row_of[r->pairs[i].col] = 0;
    }
    enum nbx_err err = order_names(&r->customers, &d->customer_ids, &d->public.n_customers);
    if (!err)
        err = order_names(&r->items, &d->item_ids, &d->public.n_items);
    if (err)
        return err;
    for (size_t i = 0; i < r->n_pairs; i++) {
        r->pairs[i].row = r->customers.row_of[r->pairs[i].row];
        r->pairs[i].col = r->items.row_of[r->pairs[i].col];
    }
    d->public.customer_ids = d->customer_ids;
    d->public.item_ids = d->item_ids;
    return NBX_OK;
}

/* Two transpositions leave both matrices with ascending columns. */
static enum nbx_err build_matrices(struct reading *r)
{
    struct nbx_csr unsorted = {0};
    struct nbx_dataset *d = r->dataset;
    enum nbx_err err = nbx_csr_from_triples(&unsorted, r->pairs, r->n_pairs, d->n_customers,
                                            d->n_items, r->options->weighted);
    if (!err)
        err = nbx_csr_transpose(&d->by_item, &unsorted);
    nbx_csr_fini(&unsorted);
    return err ? err : nbx_csr_transpose(&d->by_customer, &d->by_item);
}

static enum nbx_err read_all(struct reading *r, struct dataset *d, const char *path,
                             struct nbx_fault *fault)
{
    enum nbx_err err = open_file(r, path, fault);
    if (!err)
        err = read_events(r, fault);
    if (err)
        return err;
    if (fold_pairs(r) || renumber(r, d) || build_matrices(r))
        return out_of_memory(fault);
    return NBX_OK;
}

enum nbx_err nbx_dataset_read(struct nbx_dataset **out, const char *path,
                              const struct nbx_dataset_options *options, struct nbx_fault *fault)
{
    *out = NULL;
    struct dataset *d = calloc(1, sizeof *d);
    if (!d || !(d->customer_map = nbx_map_new()) || !(d->item_map = nbx_map_new())) {
        struct nbx_dataset *half = d ? &d->public : NULL;
        nbx_dataset_destroy(&half);
        return out_of_memory(fault);
    }
    struct nbx_dataset *dataset = &d->public;
    dataset->first_ms = dataset->last_ms = NBX_DATASET_NO_TIME;
    struct reading r = {.options = options,
                        .types = options->types,
                        .customers.map = d->customer_map,
                        .items.map = d->item_map,
                        .dataset = dataset};
    nbx_types_default(&r.default_types);
    if (!r.types)
        r.types = &r.default_types;
    enum nbx_err err = read_all(&r, d, path, fault);
    nbx_csv_close(&r.csv);
    free(r.events);
    free(r.pairs);
    free(r.customers.row_of);
    free(r.items.row_of);
    if (err)
        nbx_dataset_destroy(&dataset);
    *out = dataset;
    return err;
}

void nbx_dataset_destroy(struct nbx_dataset **dataset)
{
    if (!dataset || !*dataset)
        return;
    struct dataset *d = (struct dataset *)*dataset;
    nbx_map_destroy(&d->customer_map);
    nbx_map_destroy(&d->item_map);
    free(d->customer_ids);
    free(d->item_ids);
    nbx_csr_fini(&d->public.by_customer);
    nbx_csr_fini(&d->public.by_item);
    free(d);
    *dataset = NULL;
}

size_t nbx_dataset_find(const struct nbx_str *ids, size_t n, struct nbx_str id)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = nbx_str_cmp(ids[middle], id);
        if (c == 0)
            return middle;
        if (c < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NBX_DATASET_NO_ROW;
}

uint64_t nbx_dataset_bound_bytes(const char *path)
{
    static const size_t buffer_bytes = 1 << 20;
    struct stat st;
    uint64_t lines = 1, size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *buffer = malloc(buffer_bytes);
    ssize_t n = -1;
    bool regular = fd >= 0 && buffer && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    while (regular && (n = read(fd, buffer, buffer_bytes)) > 0) {
        size += (uint64_t)n;
        for (const char *p = buffer; (p = memchr(p, '\n', (size_t)(buffer + n - p))); p++)
            lines++;
    }
    free(buffer);
    if (fd >= 0)
        close(fd);
    return n < 0 ? 0 : lines * LINE_BOUND_BYTES + 2 * size;
}
