/* SPDX-License-Identifier: MIT
 * A bundle written from the text of models/FORMAT.md alone.
 */
#include "tests/daemon/harness.h"

#include <stdlib.h>

#define ALIGN 64

/* A value of __metadata__: a text in quotes. */
static void put_text(struct nbx_buf *b, const char *key, struct nbx_str value)
{
    nbx_buf_printf(b, ",\"%s\":\"%.*s\"", key, NBX_STR_ARG(value));
}

static bool is_blend(const struct nbx_bundle_info *info)
{
    return nbx_str_is(info->family, "blend");
}

static void put_positions(struct nbx_buf *b, const float *positions, size_t n)
{
    nbx_buf_printf(b, ",\\\"positions\\\":[");
    for (size_t i = 0; i < n; i++)
        nbx_buf_printf(b, "%s%.9g", i ? "," : "", (double)positions[i]);
    nbx_buf_printf(b, "]");
}

/* What is as if it were not there is left out. */
static void put_summing(struct nbx_buf *b, const struct nbx_space *space)
{
    put_positions(b, space->positions, space->n_groups * space->n_positions);
    if (space->n_groups > 1)
        nbx_buf_printf(b, ",\\\"groups\\\":%zu", space->n_groups);
    if (space->bias)
        nbx_buf_printf(b, ",\\\"bias\\\":true");
}

/* The spaces, as JSON inside a JSON string. */
static void put_spaces(struct nbx_buf *b, const struct nbx_bundle_info *info)
{
    static const char *const sources[] = {[NBX_CUSTOMER_FOLDED] = "folded",
                                          [NBX_CUSTOMER_GIVEN] = "given",
                                          [NBX_CUSTOMER_SUMMED] = "summed",
                                          [NBX_CUSTOMER_CONSTANT] = "constant"};
    nbx_buf_printf(b, ",\"spaces\":\"[");
    for (size_t s = 0; s < info->n_spaces; s++) {
        const struct nbx_space *space = &info->spaces[s];
        nbx_buf_printf(b,
                       "%s{\\\"name\\\":\\\"%.*s\\\",\\\"dims\\\":%zu,\\\"metric\\\":\\\"%s\\\","
                       "\\\"customer\\\":\\\"%s\\\"",
                       s ? "," : "", NBX_STR_ARG(space->name), space->dims,
                       space->metric == NBX_METRIC_DOT ? "dot" : "cosine",
                       sources[space->customer]);
        if (space->customer == NBX_CUSTOMER_FOLDED)
            nbx_buf_printf(b, ",\\\"alpha0\\\":%.9g,\\\"lambda\\\":%.9g,\\\"nu\\\":%.9g",
                           (double)space->alpha0, (double)space->lambda, (double)space->nu);
        if (space->customer == NBX_CUSTOMER_SUMMED)
            put_summing(b, space);
        if (is_blend(info))
            nbx_buf_printf(b, ",\\\"weight\\\":%.9g", (double)space->weight);
        nbx_buf_printf(b, "}");
    }
    nbx_buf_printf(b, "]\"");
}

static void put_neighbours(struct nbx_buf *b, const struct nbx_bundle_info *info)
{
    if (!info->n_neighbours)
        return;
    nbx_buf_printf(b, ",\"neighbours\":\"[");
    for (size_t i = 0; i < info->n_neighbours; i++) {
        const struct nbx_neighbours *n = &info->neighbours[i];
        nbx_buf_printf(b, "%s{\\\"name\\\":\\\"%.*s\\\"", i ? "," : "", NBX_STR_ARG(n->name));
        put_positions(b, n->positions, n->n_positions);
        nbx_buf_printf(b, ",\\\"weight\\\":%.9g", (double)n->weight);
        if (n->scaled_by)
            nbx_buf_printf(b, ",\\\"scaled_by\\\":\\\"%.*s\\\"",
                           NBX_STR_ARG(info->spaces[n->scaled_by - 1].name));
        nbx_buf_printf(b, "}");
    }
    nbx_buf_printf(b, "]\"");
}

/* The tensors of a file: their entries in the header and their bytes, side by side. */
struct file {
    struct nbx_buf header, bytes;
};

/* An entry for the bytes that came since `begin`. shape: as in the header. part: NULL: none. */
static void put_entry(struct file *f, const char *kind, const struct nbx_str *part,
                      const char *name, const char *dtype, const char *shape, size_t begin)
{
    nbx_buf_printf(&f->header, ",\"%s%.*s.%s\":{\"dtype\":\"%s\",\"shape\":[%s],", kind,
                   part ? (int)part->len : 0, part ? part->p : "", name, dtype, shape);
    nbx_buf_printf(&f->header, "\"data_offsets\":[%zu,%zu]}", begin, f->bytes.len);
}

static void put_floats(struct file *f, const char *kind, const struct nbx_str *part,
                       const char *name, const float *x, size_t rows, size_t columns)
{
    char shape[64];
    size_t begin = f->bytes.len, n = rows * (columns ? columns : 1);
    for (size_t i = 0; i < n; i++)
        nbx_buf_put_f32le(&f->bytes, x[i]);
    snprintf(shape, sizeof shape, columns ? "%zu,%zu" : "%zu", rows, columns);
    put_entry(f, kind, part, name, "F32", shape, begin);
}

static void put_starts(struct file *f, const struct nbx_bundle_info *info)
{
    char shape[32];
    snprintf(shape, sizeof shape, "%zu", info->n_items + 1);
    for (size_t i = 0; i < info->n_neighbours; i++) {
        size_t begin = f->bytes.len;
        for (size_t r = 0; r <= info->n_items; r++)
            nbx_buf_put_u64le(&f->bytes, info->neighbours[i].start[r]);
        put_entry(f, "neighbours.", &info->neighbours[i].name, "start", "U64", shape, begin);
    }
}

/* Where each of the texts (n) begins, and behind them the end; of item_ids, or names. */
static void put_offsets(struct file *f, const char *of, const struct nbx_str *texts, size_t n)
{
    char shape[32];
    size_t begin = f->bytes.len;
    uint32_t offset = 0;
    snprintf(shape, sizeof shape, "%zu", n + 1);
    nbx_buf_put_u32le(&f->bytes, 0);
    for (size_t i = 0; i < n; i++)
        nbx_buf_put_u32le(&f->bytes, offset += texts[i].len);
    put_entry(f, of, NULL, "offsets", "U32", shape, begin);
}

static void put_price_bounds(struct file *f, const struct nbx_features *features)
{
    char shape[32];
    size_t begin = f->bytes.len;
    snprintf(shape, sizeof shape, "%zu", features->n_price_bounds);
    for (size_t i = 0; i < features->n_price_bounds; i++)
        nbx_buf_put_u64le(&f->bytes, (uint64_t)features->price_bounds[i]);
    put_entry(f, "attributes", NULL, "price_bounds", "I64", shape, begin);
}

static void put_features(struct file *f, const struct nbx_bundle_info *info)
{
    const struct nbx_features *of_items = &info->features, *of_customers = &info->customer_features;
    size_t dims = 0;
    for (size_t s = 0; s < info->n_spaces; s++)
        dims += info->spaces[s].dims;
    if (of_items->n) {
        put_offsets(f, "attributes.names", of_items->names, of_items->n);
        put_floats(f, "attributes", NULL, "vectors", of_items->vectors, of_items->n, dims);
    }
    if (of_customers->n) {
        put_offsets(f, "customer_attributes.names", of_customers->names, of_customers->n);
        put_floats(f, "customer_attributes", NULL, "vectors", of_customers->vectors,
                   of_customers->n, dims);
    }
}

static void put_factors(struct file *f, const struct nbx_bundle_info *info)
{
    for (size_t s = 0; s < info->n_spaces; s++) {
        const struct nbx_space *space = &info->spaces[s];
        put_floats(f, "space.", &space->name, "item_factors", space->item_factors, info->n_items,
                   space->dims);
        if (space->customer == NBX_CUSTOMER_SUMMED)
            put_floats(f, "space.", &space->name, "history_factors", space->history_factors,
                       info->n_items, space->dims);
    }
}

static void put_lists(struct file *f, const struct nbx_bundle_info *info)
{
    for (size_t i = 0; i < info->n_neighbours; i++) {
        const struct nbx_neighbours *n = &info->neighbours[i];
        char shape[32];
        size_t begin = f->bytes.len, entries = (size_t)n->start[info->n_items];
        for (size_t e = 0; e < entries; e++)
            nbx_buf_put_u32le(&f->bytes, n->items[e]);
        snprintf(shape, sizeof shape, "%zu", entries);
        put_entry(f, "neighbours.", &n->name, "items", "U32", shape, begin);
        put_floats(f, "neighbours.", &n->name, "weights", n->weights, entries, 0);
    }
}

static void put_bytes(struct file *f, const char *of, const struct nbx_str *texts, size_t n)
{
    char shape[32];
    size_t begin = f->bytes.len;
    for (size_t i = 0; i < n; i++)
        nbx_buf_put(&f->bytes, texts[i].p, texts[i].len);
    snprintf(shape, sizeof shape, "%zu", f->bytes.len - begin);
    put_entry(f, of, NULL, "bytes", "U8", shape, begin);
}

static void put_metadata(struct nbx_buf *b, const struct nbx_bundle_info *info)
{
    char created[32];
    snprintf(created, sizeof created, "%lld", (long long)info->created_ms);
    nbx_buf_printf(b, "{\"__metadata__\":{\"nbx_format\":\"%d\"",
                   is_blend(info) || info->features.n || info->customer_features.n ? 2 : 1);
    put_text(b, "name", info->name);
    put_text(b, "version", info->version);
    put_text(b, "family", is_blend(info) ? info->family : NBX_STR("factors"));
    put_text(b, "created_ms", nbx_str_c(created));
    put_spaces(b, info);
    put_neighbours(b, info);
    nbx_buf_printf(b, "}");
}

static void put_file(struct file *f, const struct nbx_bundle_info *info)
{
    put_metadata(&f->header, info);
    put_starts(f, info);
    if (info->features.n)
        put_price_bounds(f, &info->features);
    put_offsets(f, "item_ids", info->item_ids, info->n_items);
    put_factors(f, info);
    put_lists(f, info);
    put_features(f, info);
    put_bytes(f, "item_ids", info->item_ids, info->n_items);
    if (info->features.n)
        put_bytes(f, "attributes.names", info->features.names, info->features.n);
    if (info->customer_features.n)
        put_bytes(f, "customer_attributes.names", info->customer_features.names,
                  info->customer_features.n);
    nbx_buf_printf(&f->header, "}");
    while ((8 + f->header.len) % ALIGN)
        nbx_buf_put_u8(&f->header, ' ');
}

void server_bundle(const struct server *s, const char *file, const struct nbx_bundle_info *info)
{
    struct file parts = {0};
    struct nbx_buf length = {0};
    char path[256], beside[256];
    snprintf(path, sizeof path, "%s/%s.safetensors", s->data, file);
    snprintf(beside, sizeof beside, "%s/%s.part", s->data, file);
    put_file(&parts, info);
    nbx_buf_put_u64le(&length, parts.header.len);
    cr_assert(!parts.header.failed && !parts.bytes.failed && !length.failed);
    FILE *f = fopen(beside, "w");
    cr_assert_not_null(f);
    fwrite(length.p, 1, length.len, f);
    fwrite(parts.header.p, 1, parts.header.len, f);
    fwrite(parts.bytes.p, 1, parts.bytes.len, f);
    cr_assert_eq(fclose(f), 0);
    cr_assert_eq(rename(beside, path), 0);
    nbx_buf_fini(&parts.header);
    nbx_buf_fini(&parts.bytes);
    nbx_buf_fini(&length);
}
