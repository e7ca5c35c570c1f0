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

/* The spaces, as JSON inside a JSON string. */
static void put_spaces(struct nbx_buf *b, const struct nbx_bundle_info *info)
{
    nbx_buf_printf(b, ",\"spaces\":\"[");
    for (size_t s = 0; s < info->n_spaces; s++) {
        const struct nbx_space *space = &info->spaces[s];
        nbx_buf_printf(b,
                       "%s{\\\"name\\\":\\\"%.*s\\\",\\\"dims\\\":%zu,\\\"metric\\\":\\\"%s\\\","
                       "\\\"customer\\\":\\\"%s\\\"",
                       s ? "," : "", NBX_STR_ARG(space->name), space->dims,
                       space->metric == NBX_METRIC_DOT ? "dot" : "cosine",
                       space->customer == NBX_CUSTOMER_FOLDED ? "folded" : "given");
        if (space->customer == NBX_CUSTOMER_FOLDED)
            nbx_buf_printf(b, ",\\\"alpha0\\\":%.9g,\\\"lambda\\\":%.9g,\\\"nu\\\":%.9g",
                           (double)space->alpha0, (double)space->lambda, (double)space->nu);
        nbx_buf_printf(b, "}");
    }
    nbx_buf_printf(b, "]\"");
}

static size_t ids_bytes(const struct nbx_bundle_info *info)
{
    size_t n = 0;
    for (size_t i = 0; i < info->n_items; i++)
        n += info->item_ids[i].len;
    return n;
}

static void put_header(struct nbx_buf *b, const struct nbx_bundle_info *info)
{
    size_t at = 0, n = info->n_items;
    char created[32];
    snprintf(created, sizeof created, "%lld", (long long)info->created_ms);
    nbx_buf_printf(b, "{\"__metadata__\":{\"nbx_format\":\"1\"");
    put_text(b, "name", info->name);
    put_text(b, "version", info->version);
    put_text(b, "family", NBX_STR("factors"));
    put_text(b, "created_ms", nbx_str_c(created));
    put_spaces(b, info);
    nbx_buf_printf(b,
                   "},\"item_ids.offsets\":{\"dtype\":\"U32\",\"shape\":[%zu],\"data_offsets\":[%d,"
                   "%zu]}",
                   n + 1, 0, (n + 1) * 4);
    at = (n + 1) * 4;
    for (size_t s = 0; s < info->n_spaces; s++) {
        size_t bytes = n * info->spaces[s].dims * 4;
        nbx_buf_printf(b,
                       ",\"space.%.*s.item_factors\":{\"dtype\":\"F32\",\"shape\":[%zu,%zu],"
                       "\"data_offsets\":[%zu,%zu]}",
                       NBX_STR_ARG(info->spaces[s].name), n, info->spaces[s].dims, at, at + bytes);
        at += bytes;
    }
    nbx_buf_printf(
        b,
        ",\"item_ids.bytes\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]"
        "}}",
        ids_bytes(info), at, at + ids_bytes(info));
    while ((8 + b->len) % ALIGN)
        nbx_buf_put_u8(b, ' ');
}

static void put_tensors(struct nbx_buf *b, const struct nbx_bundle_info *info)
{
    uint32_t offset = 0;
    nbx_buf_put_u32le(b, 0);
    for (size_t i = 0; i < info->n_items; i++)
        nbx_buf_put_u32le(b, offset += info->item_ids[i].len);
    for (size_t s = 0; s < info->n_spaces; s++)
        for (size_t i = 0; i < info->n_items * info->spaces[s].dims; i++)
            nbx_buf_put_f32le(b, info->spaces[s].item_factors[i]);
    for (size_t i = 0; i < info->n_items; i++)
        nbx_buf_put(b, info->item_ids[i].p, info->item_ids[i].len);
}

void server_bundle(const struct server *s, const char *file, const struct nbx_bundle_info *info)
{
    struct nbx_buf header = {0}, tensors = {0}, length = {0};
    char path[256], beside[256];
    snprintf(path, sizeof path, "%s/%s.safetensors", s->data, file);
    snprintf(beside, sizeof beside, "%s/%s.part", s->data, file);
    put_header(&header, info);
    put_tensors(&tensors, info);
    nbx_buf_put_u64le(&length, header.len);
    cr_assert(!header.failed && !tensors.failed && !length.failed);
    FILE *f = fopen(beside, "w");
    cr_assert_not_null(f);
    fwrite(length.p, 1, length.len, f);
    fwrite(header.p, 1, header.len, f);
    fwrite(tensors.p, 1, tensors.len, f);
    cr_assert_eq(fclose(f), 0);
    cr_assert_eq(rename(beside, path), 0);
    nbx_buf_fini(&header);
    nbx_buf_fini(&tensors);
    nbx_buf_fini(&length);
}
