/* SPDX-License-Identifier: MIT
 * Which columns there are: the fields of every item, then the attributes in the order they came.
 *
 * Why:     an attribute's type is fixed once, by configuration or by its first write, so that a
 *          filter compiled against it can never meet another.
 * Owns:    its names. A new attribute makes a new schema; snapshots share it.
 * Threads: shares are counted by the writer alone; reading: any number.
 * Errors:  NBX_ELIMIT past NBX_MAX_COLUMNS or where memory is out.
 */
#ifndef NBX_CATALOG_SCHEMA_H
#define NBX_CATALOG_SCHEMA_H

#include "engine/base/buf.h"
#include "engine/base/map.h"
#include "engine/catalog/columns.h"

#define NBX_MAX_COLUMNS 1024

/* The columns every item has. Those with an empty name cannot be asked for by name. */
enum nbx_built_in {
    NBX_COL_GROUP,
    NBX_COL_KIND,
    NBX_COL_TITLE,
    NBX_COL_URL,
    NBX_COL_IMAGE,
    NBX_COL_BRAND,
    NBX_COL_CATEGORIES,
    NBX_COL_PRICE,
    NBX_COL_SALE_PRICE,
    NBX_COL_MARGIN,
    NBX_COL_CURRENCY,
    NBX_COL_CHANNELS,
    NBX_COL_AVAILABLE,
    NBX_COL_STOCK,
    NBX_COL_VALID_FROM,
    NBX_COL_VALID_TO,
    NBX_COL_CREATED,
    NBX_COL_VECTOR,
    NBX_N_BUILT_IN
};
/* The id is no column: it is the item's number. */
#define NBX_COL_ID   (UINT32_MAX - 1)
#define NBX_COL_NONE UINT32_MAX

struct nbx_column {
    struct nbx_str name; /* lives in the words, or is a constant */
    enum nbx_column_type type;
    bool stored; /* an attribute's type stands in the store */
};

struct nbx_schema {
    uint32_t shares;
    uint32_t n;
    struct nbx_map *by_name;     /* -> column; the nameless apart */
    struct nbx_column columns[]; /* (n), the first NBX_N_BUILT_IN as above */
};

/* The built-in columns alone. */
enum nbx_err nbx_schema_new(struct nbx_schema **out);
/* A copy of `old` with more columns; its names are borrowed for as long as it lives. */
enum nbx_err nbx_schema_extend(struct nbx_schema **out, const struct nbx_schema *old,
                               const struct nbx_column *more, uint32_t n_more);
void nbx_schema_release(struct nbx_schema **schema);
/* The column of that name; NBX_COL_ID for "id"; NBX_COL_NONE where unknown. */
uint32_t nbx_schema_find(const struct nbx_schema *schema, struct nbx_str name);
/* "id, group, ..., attributes in byte order". */
void nbx_schema_list(const struct nbx_schema *schema, struct nbx_buf *out);

#endif
