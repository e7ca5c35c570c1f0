/* SPDX-License-Identifier: MIT */
#include "models/dataset/types.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct nbx_type defaults[] = {
    {"purchase", 1},   {"cart", 1},     {"click", 1},   {"view", 1},
    {"visit", 1},      {"rating", 1},   {"call", 0},    {"search", 0},
    {"impression", 0}, {"dismiss", -1}, {"return", -1},
};

void nbx_types_default(struct nbx_types *out)
{
    memset(out, 0, sizeof *out);
    out->n = sizeof defaults / sizeof *defaults;
    memcpy(out->type, defaults, sizeof defaults);
}

const struct nbx_type *nbx_types_find(const struct nbx_types *types, struct nbx_str name)
{
    for (size_t i = 0; i < types->n; i++)
        if (nbx_str_is(name, types->type[i].name))
            return &types->type[i];
    return NULL;
}

static enum nbx_err set(struct nbx_types *types, struct nbx_str name, float weight,
                        struct nbx_fault *fault)
{
    struct nbx_type *found = (struct nbx_type *)nbx_types_find(types, name);
    if (found) {
        found->weight = weight;
        return NBX_OK;
    }
    if (types->n == NBX_TYPES_MAX)
        return nbx_fault_set(fault, NBX_ELIMIT, "types", "more than %d types", NBX_TYPES_MAX);
    struct nbx_type *type = &types->type[types->n++];
    memset(type, 0, sizeof *type);
    memcpy(type->name, name.p, name.len);
    type->weight = weight;
    return NBX_OK;
}

static enum nbx_err parse_entry(struct nbx_types *types, struct nbx_str entry,
                                struct nbx_fault *fault)
{
    char number[32], *end;
    const char *equals = entry.len ? memchr(entry.p, '=', entry.len) : NULL;
    size_t name_len = equals ? (size_t)(equals - entry.p) : 0;
    size_t number_len = equals ? entry.len - name_len - 1 : 0;
    if (name_len == 0 || name_len >= NBX_TYPES_NAME_BYTES || number_len == 0 ||
        number_len >= sizeof number)
        return nbx_fault_set(fault, NBX_EBAD, "types", "\"%.*s\" is not NAME=WEIGHT",
                             NBX_STR_ARG(entry));
    memcpy(number, equals + 1, number_len);
    number[number_len] = '\0';
    float weight = strtof(number, &end);
    if (*end || !isfinite(weight))
        return nbx_fault_set(fault, NBX_EBAD, "types", "the weight of \"%.*s\" is not a number",
                             NBX_STR_ARG(entry));
    return set(types, (struct nbx_str){entry.p, (uint32_t)name_len}, weight, fault);
}

enum nbx_err nbx_types_parse(struct nbx_types *types, const char *text, struct nbx_fault *fault)
{
    for (const char *p = text;;) {
        size_t len = strcspn(p, ",");
        enum nbx_err err = parse_entry(types, (struct nbx_str){p, (uint32_t)len}, fault);
        if (err)
            return err;
        if (!p[len])
            return NBX_OK;
        p += len + 1;
    }
}

void nbx_types_list(const struct nbx_types *types, char *out, size_t out_bytes)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < types->n && used < out_bytes; i++)
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", i ? ", " : "",
                                 types->type[i].name);
}
