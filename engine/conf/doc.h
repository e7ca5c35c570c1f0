/* SPDX-License-Identifier: MIT
 * The settings file as a tree with places: the door to libyaml.
 *
 * Why:     libcyaml stops at the first error and names places roughly; here every error of shape
 *          is found, and every later complaint finds its line and column.
 * Owns:    an open document owns its nodes.
 * Threads: one at a time.
 * Errors:  told to the diagnostics; NBX_EBAD where there are any that stop the load.
 */
#ifndef NBX_CONF_DOC_H
#define NBX_CONF_DOC_H

#include "engine/conf/table.h"

struct conf_doc;

/* Reads the text; NBX_EBAD tells the first syntax error. diagnostics may be NULL. */
enum nbx_err nbx_conf__doc_open(struct conf_doc **out, const char *text, size_t len,
                                struct nbx_diagnostics *diagnostics) NBX_MUST_CHECK;
void nbx_conf__doc_close(struct conf_doc **doc);

/* Reports unknown and doubled keys, missing ones, and values of the wrong shape. *loadable: no
 * error but unknown or missing keys. Returns the number of errors. */
size_t nbx_conf__doc_check(struct conf_doc *doc, const struct conf_record *record, bool *loadable);

/* Where in the document: key of the top level; entry of its list or -1; key in that entry or
 * NULL. */
struct conf_place {
    const char *key;
    int64_t entry;
    const char *member;
};

/* Adds "listen[1]: message" at that place; the nearest that exists where the document does not
 * have it. */
void nbx_conf__doc_report(const struct conf_doc *doc, struct conf_place place, const char *fmt, ...)
    NBX_PRINTF(3, 4);

#endif
