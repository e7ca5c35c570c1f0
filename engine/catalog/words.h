/* SPDX-License-Identifier: MIT
 * Strings and their codes: 1, 2, 3, ... in the order they came, never reused.
 *
 * Why:     columns hold codes of 4 bytes, equal strings cost their bytes once, and filters compare
 *          numbers. All snapshots share one table, so a code means the same in each of them.
 * Owns:    copies of the strings; they stay where they are until destroy. About 18 to 28 bytes a
 *          string beyond its own. A string that no item uses any more stays until restart.
 * Threads: any. Find takes a read lock, add a write lock where the string is new, text none:
 *          whoever knows a code got it from somebody who saw it added.
 * Errors:  NBX_ELIMIT past the memory budget, 65,535 bytes in one string or 2^32 - 2 strings.
 */
#ifndef NBX_CATALOG_WORDS_H
#define NBX_CATALOG_WORDS_H

#include "engine/base/budget.h"
#include "engine/base/err.h"
#include "engine/base/str.h"

#include <stdint.h>

#define NBX_WORD_NONE 0

struct nbx_words;

/* The budget outlives the table. */
enum nbx_err nbx_words_new(struct nbx_words **out, struct nbx_budget *budget);
void nbx_words_destroy(struct nbx_words **words);
/* The code, or NBX_WORD_NONE. */
uint32_t nbx_words_find(const struct nbx_words *words, struct nbx_str text);
/* The code of a string, added where it is new. */
enum nbx_err nbx_words_add(struct nbx_words *words, struct nbx_str text, uint32_t *out);
/* Memory for one more string of that length: the next add of it by the only adder cannot fail. */
enum nbx_err nbx_words_reserve(struct nbx_words *words, uint32_t len);
struct nbx_str nbx_words_text(const struct nbx_words *words, uint32_t code);
/* Asks for the texts (n), which lie apart, all at once: nbx_words_text then waits for none. */
void nbx_words_expect(const struct nbx_words *words, const uint32_t *codes, size_t n);
/* One more than the greatest code. */
uint32_t nbx_words_end(const struct nbx_words *words);

#endif
