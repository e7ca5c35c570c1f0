/* SPDX-License-Identifier: MIT */
#include "models/dataset/internal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* nbx_dataset_bound_bytes: the most that is held at a time, per line, where every line is a pair of
 * its own and brings a new id on both sides: two map entries with their slots, ids and renumbering
 * (140), a pair and its sorted copy (48), both matrices (80), sequence and times (12), or, where it
 * is refused, its id and start (24) instead of a matrix's entries; reading and
 * folding hold less: events twice over while their array grows (72) or is sorted (72), and pairs.
 * Ids' bytes: twice the file. */
#define LINE_BOUND_BYTES 320

static enum nbx_err out_of_memory(struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory reading the data set");
}

struct named {
    struct nbx_str id;
    uint32_t number;
};

static int compare_named(const void *a, const void *b)
{
    return nbx_str_cmp(((const struct named *)a)->id, ((const struct named *)b)->id);
}

/* row_of (count of map): a row for each number marked with 0, by the byte order of ids. *ids: (*n).
 */
static enum nbx_err order_ids(const struct nbx_map *map, uint32_t *row_of, struct nbx_str **ids,
                              size_t *n)
{
    uint32_t count = nbx_map_count(map);
    struct named *sorted = calloc((size_t)count + 1, sizeof *sorted);
    *ids = calloc((size_t)count + 1, sizeof **ids);
    *n = 0;
    if (!sorted || !*ids) {
        free(sorted);
        return NBX_ELIMIT;
    }
    for (uint32_t i = 0; i < count; i++)
        if (row_of[i] == 0)
            sorted[(*n)++] = (struct named){nbx_map_key(map, i), i};
    qsort(sorted, *n, sizeof *sorted, compare_named);
    for (size_t row = 0; row < *n; row++) {
        (*ids)[row] = sorted[row].id;
        row_of[sorted[row].number] = (uint32_t)row;
    }
    free(sorted);
    return NBX_OK;
}

/* (count of map) numbers, none marked. */
static uint32_t *new_rows(const struct nbx_map *map)
{
    size_t bytes = ((size_t)nbx_map_count(map) + 1) * sizeof(uint32_t);
    uint32_t *row_of = malloc(bytes);
    if (row_of)
        memset(row_of, 0xff, bytes);
    return row_of;
}

/* The refused ones of customers that have a row, by customer; item ids are the map's. */
static enum nbx_err keep_refused(struct nbx_dataset__reading *r, const uint32_t *customer_row)
{
    struct nbx_dataset__owner *o = r->owner;
    const struct nbx_dataset__pair *pairs = r->pairs + r->room - r->n_refused;
    size_t n = o->public.n_customers;
    uint64_t *start = o->refused_start = calloc(n + 2, sizeof *start);
    struct nbx_str *ids = o->refused = calloc(r->n_refused + 1, sizeof *ids);
    if (!start || !ids)
        return NBX_ELIMIT;
    for (size_t i = 0; i < r->n_refused; i++)
        if (customer_row[pairs[i].row] != UINT32_MAX)
            start[customer_row[pairs[i].row] + 2]++;
    for (size_t c = 0; c < n; c++)
        start[c + 2] += start[c + 1];
    for (size_t i = r->n_refused; i-- > 0;) /* start[c + 1] runs to where it belongs */
        if (customer_row[pairs[i].row] != UINT32_MAX)
            ids[start[customer_row[pairs[i].row] + 1]++] = nbx_map_key(o->item_map, pairs[i].col);
    o->public.refused_start = start;
    o->public.refused = ids;
    return NBX_OK;
}

/* Numbers in the order of the file become rows in the order of ids, of those that have a pair. */
static enum nbx_err renumber_pairs(struct nbx_dataset__reading *r, uint32_t *customer_row,
                                   uint32_t *item_row)
{
    struct nbx_dataset__owner *o = r->owner;
    for (size_t i = 0; i < r->n_pairs; i++) {
        customer_row[r->pairs[i].row] = 0;
        item_row[r->pairs[i].col] = 0;
    }
    enum nbx_err err =
        order_ids(o->customer_map, customer_row, &o->customer_ids, &o->public.n_customers);
    if (!err)
        err = order_ids(o->item_map, item_row, &o->item_ids, &o->public.n_items);
    for (size_t i = 0; !err && i < r->n_pairs; i++) {
        r->pairs[i].row = customer_row[r->pairs[i].row];
        r->pairs[i].col = item_row[r->pairs[i].col];
    }
    o->public.customer_ids = o->customer_ids;
    o->public.item_ids = o->item_ids;
    return err ? err : keep_refused(r, customer_row);
}

static enum nbx_err renumber(struct nbx_dataset__reading *r)
{
    uint32_t *customer_row = new_rows(r->owner->customer_map);
    uint32_t *item_row = new_rows(r->owner->item_map);
    enum nbx_err err =
        customer_row && item_row ? renumber_pairs(r, customer_row, item_row) : NBX_ELIMIT;
    free(customer_row);
    free(item_row);
    return err;
}

static enum nbx_err read_all(struct nbx_dataset__reading *r, struct nbx_fault *fault)
{
    const struct nbx_dataset_options *o = r->options;
    if (o->half_life_ms < 0)
        return nbx_fault_set(fault, NBX_EBAD, "half_life_ms", "must not be negative");
    enum nbx_err err = nbx_dataset__read_events(r, fault);
    if (err)
        return err;
    if (nbx_dataset__fold_pairs(r) || renumber(r) ||
        nbx_dataset__build(r->owner, r->pairs, r->n_pairs, o->weighted || o->half_life_ms))
        return out_of_memory(fault);
    return NBX_OK;
}

enum nbx_err nbx_dataset_read(struct nbx_dataset **out, const char *path,
                              const struct nbx_dataset_options *options, struct nbx_fault *fault)
{
    *out = NULL;
    struct nbx_types default_types;
    struct nbx_dataset__owner *owner = calloc(1, sizeof *owner);
    struct nbx_dataset *dataset = owner ? &owner->public : NULL;
    if (!owner || !(owner->customer_map = nbx_map_new()) || !(owner->item_map = nbx_map_new())) {
        nbx_dataset_destroy(&dataset);
        return out_of_memory(fault);
    }
    dataset->first_ms = dataset->last_ms = NBX_DATASET_NO_TIME;
    nbx_types_default(&default_types);
    struct nbx_dataset__reading r = {.path = path,
                                     .options = options,
                                     .types = options->types ? options->types : &default_types,
                                     .owner = owner};
    enum nbx_err err = read_all(&r, fault);
    free(r.events);
    free(r.pairs);
    if (err)
        nbx_dataset_destroy(&dataset);
    *out = dataset;
    return err;
}

void nbx_dataset_destroy(struct nbx_dataset **dataset)
{
    if (!dataset || !*dataset)
        return;
    struct nbx_dataset__owner *d = (struct nbx_dataset__owner *)*dataset;
    nbx_map_destroy(&d->customer_map);
    nbx_map_destroy(&d->item_map);
    free(d->customer_ids);
    free(d->item_ids);
    free(d->sequence);
    free(d->times_ms);
    free(d->refused_start);
    free(d->refused);
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
