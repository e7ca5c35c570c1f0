/* SPDX-License-Identifier: MIT
 * The answers for many customers as text: rows of CSV or JSON lines.
 *
 * Owns:    nothing: text is appended to the caller's buffer.
 * Threads: main.
 * Errors:  a buffer that ran out of memory stays failed.
 */
#ifndef NBX_CLI_ANSWER_TEXT_H
#define NBX_CLI_ANSWER_TEXT_H

#include "engine/base/buf.h"
#include "engine/base/value.h"

struct nbx_answer_text {
    bool jsonl;
    const struct nbx_value *fields; /* list of item fields asked for, a column each, or NULL */
};

/* customer_id,rank,item_id,score and the fields; nothing of JSON lines. */
void nbx_answer_text_head(struct nbx_buf *b, const struct nbx_answer_text *t);
/* One customer's result of PROTOCOL.md: a row an item, or one line. */
void nbx_answer_text_put(struct nbx_buf *b, const struct nbx_answer_text *t,
                         const struct nbx_value *result);

#endif
