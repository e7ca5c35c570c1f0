/* SPDX-License-Identifier: MIT
 * The links of an imported log, made once all of it is read.
 *
 * Why:     a log tells them stream by stream, and so often before whom they lead to; and as long as
 *          nobody is linked, what a customer said of consent keeps away no other's events.
 * Owns:    a row for each customer that was linked or forgotten, until nbx_import_links_clear.
 * Threads: one.
 * Errors:  NBX_ELIMIT; of nbx_import_links_make those of nbx_link.
 */
#ifndef NBX_CARE_IMPORT_LINKS_H
#define NBX_CARE_IMPORT_LINKS_H

#include "engine/base/map.h"
#include "engine/customer/customers.h"

/* One that a line tells of. Customers are told apart by their numbers in the log, for who comes
 * back after being forgotten has another. */
struct nbx_import_link {
    struct nbx_str id, type;
    struct nbx_str to, to_number; /* to empty: to nobody who is known */
    int64_t since_ms;
};

struct nbx_import_links {
    struct nbx_map *rows; /* number as in the log -> row */
    struct nbx_import_row {
        struct nbx_import_link link;
        bool linked, forgotten;
    } * p; /* (n) of (room) */
    size_t n, room;
    struct nbx_arena *texts;
};

/* texts: where what is kept of lines lies. */
enum nbx_err nbx_import_links_init(struct nbx_import_links *links, struct nbx_arena *texts);
void nbx_import_links_clear(struct nbx_import_links *links);
/* The customer of that number is linked from now on; link NULL: no more. */
enum nbx_err nbx_import_links_set(struct nbx_import_links *links, struct nbx_str number,
                                  const struct nbx_import_link *link);
/* The customer of that number is no more: no link leads there. */
enum nbx_err nbx_import_links_forget(struct nbx_import_links *links, struct nbx_str number);
/* Makes those that are left. Empties scope->arena. */
enum nbx_err nbx_import_links_make(const struct nbx_import_links *links,
                                   const struct nbx_customer_scope *scope, struct nbx_fault *fault);

#endif
