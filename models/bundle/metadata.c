/* SPDX-License-Identifier: MIT */
#include "models/bundle/internal.h"

#include "engine/json/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const nbx_bundle__metrics[2] = {
    [NBX_METRIC_DOT] = "dot",
    [NBX_METRIC_COSINE] = "cosine",
};
const char *const nbx_bundle__sources[2] = {
    [NBX_CUSTOMER_FOLDED] = "folded",
    [NBX_CUSTOMER_GIVEN] = "given",
};
const char *const nbx_bundle__families[] = {"factors", NULL};
const char *const nbx_bundle__keys[] = {"nbx_format", "name",   "version", "family",
                                        "created_ms", "spaces", NULL};

static enum nbx_err get_text(struct nbx_str *out, const struct nbx_value *map, const char *key,
                             struct nbx_fault *fault)
{
    const struct nbx_value *v = nbx_value_get(map, key);
    if (!v || v->type != NBX_STRING)
        return nbx_fault_set(fault, NBX_EBAD, key, v ? "must be a string" : "is missing");
    *out = v->s;
    return NBX_OK;
}

/* Names end up in file names, tensor names and logs. */
static enum nbx_err get_word(struct nbx_str *out, const struct nbx_value *map, const char *key,
                             struct nbx_fault *fault)
{
    enum nbx_err err = get_text(out, map, key, fault);
    if (err)
        return err;
    bool good = out->len >= 1 && out->len <= NBX_BUNDLE_WORD_BYTES && out->p[0] != '.';
    for (uint32_t i = 0; good && i < out->len; i++) {
        char c = out->p[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '.' || c == '_' || c == '-';
    }
    return good ? NBX_OK
                : nbx_fault_set(fault, NBX_EBAD, key,
                                "must be 1 to %d of A-Z a-z 0-9 . _ -, the first no point",
                                NBX_BUNDLE_WORD_BYTES);
}

/* A number of at most 15 digits, exact in every language's double. */
static enum nbx_err get_decimal(int64_t *out, const struct nbx_value *map, const char *key,
                                struct nbx_fault *fault)
{
    struct nbx_str text = {NULL, 0};
    enum nbx_err err = get_text(&text, map, key, fault);
    if (err)
        return err;
    bool good = text.len >= 1 && text.len <= 15;
    *out = 0;
    for (uint32_t i = 0; good && i < text.len; i++) {
        good = text.p[i] >= '0' && text.p[i] <= '9';
        *out = *out * 10 + (text.p[i] - '0');
    }
    return good ? NBX_OK
                : nbx_fault_set(fault, NBX_EBAD, key, "must be a number of 1 to 15 digits");
}

/* The index of a string in words. */
static enum nbx_err get_choice(int *out, const struct nbx_value *map, const char *key,
                               const char *const words[2], struct nbx_fault *fault)
{
    struct nbx_str text = {NULL, 0};
    enum nbx_err err = get_text(&text, map, key, fault);
    if (err)
        return err;
    for (*out = 0; *out < 2; ++*out)
        if (nbx_str_is(text, words[*out]))
            return NBX_OK;
    return nbx_fault_set(fault, NBX_EBAD, key, "must be %s or %s, not %.*s", words[0], words[1],
                         NBX_STR_ARG(text));
}

static enum nbx_err get_float(float *out, const struct nbx_value *map, const char *key, double most,
                              struct nbx_fault *fault)
{
    const struct nbx_value *v = nbx_value_get(map, key);
    if (!v)
        return nbx_fault_set(fault, NBX_EBAD, key, "is missing");
    double f = v->type == NBX_FLOAT ? v->f : v->type == NBX_INT ? (double)v->i : NAN;
    if (!(f >= 0 && f <= most))
        return nbx_fault_set(fault, NBX_EBAD, key, "must be a number from 0 to %g", most);
    *out = (float)f;
    return NBX_OK;
}

static enum nbx_err check_space_keys(const struct nbx_value *v, struct nbx_fault *fault)
{
    static const char *const known[] = {"name",   "dims",   "metric", "customer",
                                        "alpha0", "lambda", "nu",     NULL};
    if (v->type != NBX_MAP)
        return nbx_fault_set(fault, NBX_EBAD, NULL, "must be an object");
    for (uint32_t i = 0; i < v->n; i++) {
        const char *const *k = known;
        while (*k && !nbx_str_is(v->members[i].key, *k))
            k++;
        if (!*k)
            return nbx_fault_set(fault, NBX_EBAD, NULL, "unknown key %.*s",
                                 NBX_STR_ARG(v->members[i].key));
    }
    return NBX_OK;
}

static enum nbx_err read_folding(struct nbx_space *space, const struct nbx_value *v,
                                 struct nbx_fault *fault)
{
    enum nbx_err err = get_float(&space->alpha0, v, "alpha0", 1e6, fault);
    if (!err)
        err = get_float(&space->lambda, v, "lambda", 1e6, fault);
    if (!err && !(space->lambda > 0))
        err = nbx_fault_set(fault, NBX_EBAD, "lambda", "must be above 0");
    return err ? err : get_float(&space->nu, v, "nu", 4, fault);
}

static enum nbx_err read_space(struct nbx_space *space, const struct nbx_value *v,
                               struct nbx_fault *fault)
{
    int metric = 0, customer = 0;
    enum nbx_err err = check_space_keys(v, fault);
    if (!err)
        err = get_word(&space->name, v, "name", fault);
    if (!err)
        err = get_choice(&metric, v, "metric", nbx_bundle__metrics, fault);
    if (!err)
        err = get_choice(&customer, v, "customer", nbx_bundle__sources, fault);
    if (err)
        return err;
    const struct nbx_value *dims = nbx_value_get(v, "dims");
    if (!dims || dims->type != NBX_INT || dims->i < 1 || dims->i > NBX_BUNDLE_MAX_DIMS)
        return nbx_fault_set(fault, NBX_EBAD, "dims", "must be 1 to %d", NBX_BUNDLE_MAX_DIMS);
    space->dims = (size_t)dims->i;
    space->metric = (enum nbx_metric)metric;
    space->customer = (enum nbx_customer_source)customer;
    return space->customer == NBX_CUSTOMER_FOLDED ? read_folding(space, v, fault) : NBX_OK;
}

static enum nbx_err check_space_names(const struct nbx_bundle_info *info, struct nbx_fault *fault)
{
    for (size_t i = 0; i < info->n_spaces; i++)
        for (size_t j = 0; j < i; j++)
            if (nbx_str_eq(info->spaces[i].name, info->spaces[j].name))
                return nbx_fault_set(fault, NBX_EBAD, "spaces", "%.*s is there twice",
                                     NBX_STR_ARG(info->spaces[i].name));
    return NBX_OK;
}

static enum nbx_err read_spaces(struct nbx_bundle_info *info, const struct nbx_value *metadata,
                                struct nbx_arena *arena, struct nbx_fault *fault)
{
    struct nbx_str text = {NULL, 0};
    struct nbx_value list;
    enum nbx_err err = get_text(&text, metadata, "spaces", fault);
    if (err)
        return err;
    err = nbx_json_decode(&list, text.p, text.len, arena, fault);
    if (err) {
        nbx_fault_prefix(fault, "spaces");
        return err;
    }
    if (list.type != NBX_LIST || list.n < 1 || list.n > NBX_BUNDLE_MAX_SPACES)
        return nbx_fault_set(fault, NBX_EBAD, "spaces", "must be a JSON list of 1 to %d spaces",
                             NBX_BUNDLE_MAX_SPACES);
    for (uint32_t i = 0; i < list.n && !err; i++) {
        err = read_space(&info->spaces[info->n_spaces++], &list.list[i], fault);
        if (err)
            nbx_fault_prefix(fault, "spaces[%u]", i);
    }
    return err ? err : check_space_names(info, fault);
}

static enum nbx_err check_format(const struct nbx_value *metadata, struct nbx_fault *fault)
{
    int64_t format = 0;
    enum nbx_err err = get_decimal(&format, metadata, "nbx_format", fault);
    if (err)
        return err;
    if (format > NBX_BUNDLE_FORMAT)
        return nbx_fault_set(fault, NBX_EVERSION, "nbx_format",
                             "is %lld, this program reads up to %d", (long long)format,
                             NBX_BUNDLE_FORMAT);
    return format == NBX_BUNDLE_FORMAT
               ? NBX_OK
               : nbx_fault_set(fault, NBX_EBAD, "nbx_format", "must be %d", NBX_BUNDLE_FORMAT);
}

static enum nbx_err read_family(struct nbx_bundle_info *info, const struct nbx_value *metadata,
                                struct nbx_fault *fault)
{
    enum nbx_err err = get_text(&info->family, metadata, "family", fault);
    if (err)
        return err;
    for (const char *const *f = nbx_bundle__families; *f; f++)
        if (nbx_str_is(info->family, *f))
            return NBX_OK;
    return nbx_fault_set(fault, NBX_EBAD, "family", "%.*s is unknown, the families are: factors",
                         NBX_STR_ARG(info->family));
}

enum nbx_err nbx_bundle__read_metadata(struct nbx_bundle_info *info,
                                       const struct nbx_value *metadata, struct nbx_arena *arena,
                                       struct nbx_fault *fault)
{
    if (metadata->type != NBX_MAP)
        return nbx_fault_set(fault, NBX_EBAD, "__metadata__", "is missing");
    enum nbx_err err = check_format(metadata, fault);
    if (!err)
        err = get_word(&info->name, metadata, "name", fault);
    if (!err)
        err = get_word(&info->version, metadata, "version", fault);
    if (!err)
        err = read_family(info, metadata, fault);
    if (!err)
        err = get_decimal(&info->created_ms, metadata, "created_ms", fault);
    if (!err)
        err = read_spaces(info, metadata, arena, fault);
    if (err)
        nbx_fault_prefix(fault, "__metadata__");
    return err;
}
