/* SPDX-License-Identifier: MIT */
#include "engine/catalog/schema.h"

#include <stdlib.h>

#define COLUMN(text, t)                                                                            \
    {                                                                                              \
        .name = {(text), sizeof(text) - 1}, .type = NBX_COLUMN_##t                                 \
    }

static const struct nbx_column built_in[NBX_N_BUILT_IN] = {
    [NBX_COL_GROUP] = COLUMN("group", STRING),
    [NBX_COL_KIND] = COLUMN("kind", STRING),
    [NBX_COL_TITLE] = COLUMN("title", STRING),
    [NBX_COL_URL] = COLUMN("url", STRING),
    [NBX_COL_IMAGE] = COLUMN("image", STRING),
    [NBX_COL_BRAND] = COLUMN("brand", STRING),
    [NBX_COL_CATEGORIES] = COLUMN("categories", STRINGS),
    [NBX_COL_PRICE] = COLUMN("price", INT),
    [NBX_COL_SALE_PRICE] = COLUMN("sale_price", INT),
    [NBX_COL_MARGIN] = COLUMN("margin", INT),
    [NBX_COL_CURRENCY] = COLUMN("currency", STRING),
    [NBX_COL_CHANNELS] = COLUMN("channels", STRINGS),
    [NBX_COL_AVAILABLE] = COLUMN("available", BOOL),
    [NBX_COL_STOCK] = COLUMN("stock", COUNTS),
    [NBX_COL_VALID_FROM] = COLUMN("valid_from", INT),
    [NBX_COL_VALID_TO] = COLUMN("valid_to", INT),
    [NBX_COL_CREATED] = COLUMN("", INT),
    [NBX_COL_VECTOR] = COLUMN("", VECTOR),
};

static enum nbx_err index_names(struct nbx_schema *s)
{
    s->by_name = nbx_map_new();
    if (!s->by_name)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < s->n; i++)
        if (s->columns[i].name.len && nbx_map_put(s->by_name, s->columns[i].name, i))
            return NBX_ELIMIT;
    return nbx_map_put(s->by_name, NBX_STR("id"), NBX_COL_ID);
}

static enum nbx_err make(struct nbx_schema **out, const struct nbx_column *first, uint32_t n_first,
                         const struct nbx_column *more, uint32_t n_more)
{
    *out = NULL;
    uint32_t n = n_first + n_more;
    struct nbx_schema *s = n <= NBX_MAX_COLUMNS ? calloc(1, sizeof *s + n * sizeof *first) : NULL;
    if (!s)
        return NBX_ELIMIT;
    s->shares = 1;
    s->n = n;
    memcpy(s->columns, first, n_first * sizeof *first);
    if (n_more)
        memcpy(s->columns + n_first, more, n_more * sizeof *more);
    enum nbx_err err = index_names(s);
    if (err)
        nbx_schema_release(&s);
    *out = s;
    return err;
}

enum nbx_err nbx_schema_new(struct nbx_schema **out)
{
    return make(out, built_in, NBX_N_BUILT_IN, NULL, 0);
}

enum nbx_err nbx_schema_extend(struct nbx_schema **out, const struct nbx_schema *old,
                               const struct nbx_column *more, uint32_t n_more)
{
    return make(out, old->columns, old->n, more, n_more);
}

void nbx_schema_release(struct nbx_schema **schema)
{
    struct nbx_schema *s = *schema;
    *schema = NULL;
    if (!s || --s->shares)
        return;
    nbx_map_destroy(&s->by_name);
    free(s);
}

uint32_t nbx_schema_find(const struct nbx_schema *s, struct nbx_str name)
{
    return name.len ? nbx_map_get(s->by_name, name) : NBX_COL_NONE;
}

static int by_name(const void *a, const void *b)
{
    return nbx_str_cmp(((const struct nbx_column *)a)->name, ((const struct nbx_column *)b)->name);
}

void nbx_schema_list(const struct nbx_schema *s, struct nbx_buf *out)
{
    struct nbx_column attributes[NBX_MAX_COLUMNS];
    uint32_t n = s->n - NBX_N_BUILT_IN;
    memcpy(attributes, s->columns + NBX_N_BUILT_IN, n * sizeof *attributes);
    qsort(attributes, n, sizeof *attributes, by_name);
    nbx_buf_printf(out, "id");
    for (uint32_t i = 0; i < NBX_N_BUILT_IN; i++)
        if (s->columns[i].name.len)
            nbx_buf_printf(out, ", %.*s", NBX_STR_ARG(s->columns[i].name));
    for (uint32_t i = 0; i < n; i++)
        nbx_buf_printf(out, ", %.*s", NBX_STR_ARG(attributes[i].name));
}
