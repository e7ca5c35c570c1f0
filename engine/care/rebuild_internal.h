/* SPDX-License-Identifier: MIT
 * Between the files of the rebuilding: rebuild.c opens and closes, rebuild_redo.c does the log
 * again, rebuild_copy.c takes what is not derived, rebuild_compare.c holds the two states together.
 *
 * Threads: one.
 */
#ifndef NBX_CARE_REBUILD_INTERNAL_H
#define NBX_CARE_REBUILD_INTERNAL_H

#include "engine/base/budget.h"
#include "engine/care/rebuild.h"
#include "engine/catalog/catalog.h"
#include "engine/catalog/trends.h"
#include "engine/customer/customers.h"
#include "engine/store/log_record.h"

struct nbx_rebuilding {
    const struct nbx_rebuild_options *options;
    struct nbx_rebuilt *out;
    struct nbx_fault *fault;
    const struct nbx_store *from; /* NULL: none */
    struct nbx_store *to;
    struct nbx_budget budget;
    struct nbx_vocabulary *vocabulary;
    struct nbx_ids *ids;
    struct nbx_trends *trends;
    struct nbx_catalog *catalog;
    struct nbx_customers *customers;
    struct nbx_batch *batch;
    struct nbx_arena *arena; /* of the entry at hand */
    struct nbx_arena *texts; /* of the group at hand */
    struct {
        uint8_t *as_stored; /* (n) by serial: true where the log does not say all */
        uint64_t n;
    } groups[NBX_N_GROUPS];
};

/* rebuild.c. Everything but the folder; `end` also where it failed. `from` NULL: not made of
 * another folder. */
enum nbx_err nbx_rebuild__begin(struct nbx_rebuilding **out, struct nbx_rebuilt *rebuilt,
                                const struct nbx_store *from,
                                const struct nbx_rebuild_options *options, struct nbx_fault *fault);
/* The folder, and over it what serving has. */
enum nbx_err nbx_rebuild__open(struct nbx_rebuilding *r);
void nbx_rebuild__end(struct nbx_rebuilding **rebuilding);

/* rebuild_redo.c: every entry in order. */
enum nbx_err nbx_rebuild__redo(struct nbx_rebuilding *r);

/* rebuild_copy.c. Whether the customer's records, or with serial 0 events of nobody, are taken as
 * they are stored. */
bool nbx_rebuild__is_as_stored(const struct nbx_rebuilding *r, uint64_t number);
/* All of a family. */
enum nbx_err nbx_rebuild__copy(struct nbx_rebuilding *r, enum nbx_family family);
/* Names, formats and the like: meta but for what counts commands. */
enum nbx_err nbx_rebuild__copy_meta(struct nbx_rebuilding *r, bool counters);
/* In place of what was derived, what is stored where the log does not say all. */
enum nbx_err nbx_rebuild__copy_rest(struct nbx_rebuilding *r);

/* rebuild_compare.c */
enum nbx_err nbx_rebuild__compare(struct nbx_rebuilding *r);

#endif
