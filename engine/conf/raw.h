/* SPDX-License-Identifier: MIT
 * The settings as texts, loaded by a schema made from the table: the door to libcyaml.
 *
 * Why:     libcyaml does the loading; every text becomes a value only later, so that all wrong
 *          values are told at once.
 * Owns:    a loaded tree owns its cells.
 * Threads: one at a time.
 * Errors:  NBX_EBAD with libcyaml's reason, which only what nbx_conf__doc_check lets through
 *          can meet; NBX_ELIMIT where memory is out.
 */
#ifndef NBX_CONF_RAW_H
#define NBX_CONF_RAW_H

#include "engine/conf/table.h"

/* One key's value: a text, a list of texts, or a list of records, each (record->n) cells. */
struct conf_cell {
    void *p; /* NULL: the key is not there */
    unsigned n;
};

struct conf_raw;

enum nbx_err nbx_conf__raw_load(struct conf_raw **out, const char *text, size_t len,
                                const char **reason) NBX_MUST_CHECK;
void nbx_conf__raw_destroy(struct conf_raw **raw);
/* The cell of top row i. */
const struct conf_cell *nbx_conf__raw_cell(const struct conf_raw *raw, size_t i);

#endif
