/* SPDX-License-Identifier: MIT
 * Who took to what: an events file as a sparse matrix of customers by items.
 *
 * Why:     every family of models learns from the same pairs, made once and in one order: rows and
 *          columns are ids in byte order, so the matrices do not depend on the order of lines; a
 *          sequence does where times are equal or none.
 * Owns:    ids, matrices and sequence.
 * Threads: immutable once read.
 * Errors:  those of the CSV reader, and by file:line:column: NBX_EBAD for a missing column
 *          (customer, item), an id that is not valid, an unknown type (the known ones are named),
 *          a time that is not digits, times that all look like seconds since 1970 (10^8 up to
 *          10^11) or are of both kinds (both lines are named). NBX_ELIMIT: memory is out, or more
 *          than 2^32 - 2 events.
 *
 * Events of one customer on one item count in order of time, lines of equal or no time in the
 * order of the file; the last that is not neutral decides: after a positive one the pair is there,
 * after a negative one it is not. Its weight is the largest since the last negative one.
 * Customers and items left without any pair are left out.
 */
#ifndef NBX_MODELS_DATASET_DATASET_H
#define NBX_MODELS_DATASET_DATASET_H

#include "engine/base/err.h"
#include "engine/base/str.h"
#include "models/dataset/csr.h"
#include "models/dataset/types.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_DATASET_NO_TIME INT64_MIN
#define NBX_DATASET_NO_ROW  SIZE_MAX

struct nbx_dataset_options {
    const struct nbx_types *types; /* NULL: nbx_types_default */
    /* The type of a row that has none, one of types; NULL: none, positive, weight 1. */
    const char *untyped;
    bool weighted; /* keep weights; else every pair weighs 1 */
    /* Above 0: an event's weight halves with every such age, counted back from the file's last
     * time; never below 2^-40 of it. An event without a time is as old as the first that has one.
     * Implies `weighted`. */
    int64_t half_life_ms;
    int progress_fd; /* where a progress line goes, if that is a terminal; -1: nowhere */
};

struct nbx_dataset_counts {
    uint64_t rows;       /* of the file */
    uint64_t anonymous;  /* passed over: no customer */
    uint64_t no_item;    /* passed over: no item */
    uint64_t neutral;    /* passed over: their type says nothing */
    uint64_t negative;   /* took a pair back, if it was there */
    uint64_t duplicates; /* of those that count, an earlier line's customer, item, type and time
                            once more: no harm */
};

struct nbx_dataset {
    size_t n_customers, n_items;
    const struct nbx_str *customer_ids; /* (n_customers) in byte order */
    const struct nbx_str *item_ids;     /* (n_items) in byte order */
    struct nbx_csr by_customer;         /* (n_customers, n_items) */
    struct nbx_csr by_item;             /* (n_items, n_customers), the same pairs */
    /* (pairs) customer c's items are sequence[by_customer.start[c]] .. [start[c + 1]): those of its
     * row, by the time of the last event that is not neutral, oldest first; where times are equal
     * or none, in the order of the file. */
    const uint32_t *sequence;
    /* (pairs) beside sequence: that event's time, NBX_DATASET_NO_TIME where it has none */
    const int64_t *times_ms;
    /* What customers took back and have not taken to again, of whom there is a row: customer c's
     * are refused[refused_start[c]] .. [refused_start[c + 1]), as ids, since nobody may have the
     * item. */
    const uint64_t *refused_start; /* (n_customers + 1) */
    const struct nbx_str *refused;
    struct nbx_dataset_counts counts;
    int64_t first_ms, last_ms; /* the data window, NBX_DATASET_NO_TIME where no row has a time */
};

/* Columns by name: customer and item; type (absent or empty: `untyped`) and time (absent or empty:
 * none) are optional, and effect, positive, negative or neutral as nbxd wrote it: it is what an
 * event of an unknown type counts by, and negative takes the pair back whatever the type; others
 * are ignored. */
enum nbx_err nbx_dataset_read(struct nbx_dataset **out, const char *path,
                              const struct nbx_dataset_options *options,
                              struct nbx_fault *fault) NBX_MUST_CHECK;
void nbx_dataset_destroy(struct nbx_dataset **dataset);

/* The row of an id among ids (n) in byte order, or NBX_DATASET_NO_ROW. */
size_t nbx_dataset_find(const struct nbx_str *ids, size_t n, struct nbx_str id);

/* The most memory nbx_dataset_read can need for the file, counted from its lines; 0 where the
 * file cannot be read (reading it will say why). */
uint64_t nbx_dataset_bound_bytes(const char *path);

#endif
