/* SPDX-License-Identifier: MIT
 * A page of HTML that needs nothing but itself.
 *
 * Why:     a report is mailed, filed and opened years later without a network: style and drawings
 *          lie in the page, nothing is fetched, no script runs. It is XML as well, every element
 *          closed, so that any parser can read the figures back.
 * Owns:    nothing: text goes to the caller's buffer, whose `failed` says that memory was out.
 * Threads: any.
 * Errors:  none of its own.
 *
 * Whatever was not written in this program, ids and names first, goes through nbx_html_text.
 */
#ifndef NBX_MODELS_REPORT_HTML_H
#define NBX_MODELS_REPORT_HTML_H

#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/str.h"

#include <stddef.h>

/* Up to the heading. title: escaped here. */
void nbx_html_begin(struct nbx_buf *out, struct nbx_str title);
void nbx_html_end(struct nbx_buf *out);
/* Escaped for text and for attributes; control characters, which XML has not, become spaces. */
void nbx_html_text(struct nbx_buf *out, struct nbx_str text);
/* A section with its heading, which is ours; close with nbx_html_close(out, "section"). */
void nbx_html_section(struct nbx_buf *out, const char *heading);
void nbx_html_close(struct nbx_buf *out, const char *element);
/* A table of numbers: the heads (n) of its columns, the first that of the rows' names. */
void nbx_html_table(struct nbx_buf *out, const char *const *heads, size_t n);
void nbx_html_table_end(struct nbx_buf *out);
/* A cell that holds a figure, findable by key: <td data-figure="key">value</td>. */
void nbx_html_figure(struct nbx_buf *out, const char *key, double value, int digits);
/* One large, and below it another, small. */
void nbx_html_two_figures(struct nbx_buf *out, const char *const keys[2], const double values[2],
                          int digits);
void nbx_html_count(struct nbx_buf *out, const char *key, size_t value);

/* Writes the page to a file, over what is there. NBX_ESTORAGE, NBX_ELIMIT where it failed. */
enum nbx_err nbx_html_save(const char *path, const struct nbx_buf *page,
                           struct nbx_fault *fault) NBX_MUST_CHECK;

#endif
