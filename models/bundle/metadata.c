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
const char *const nbx_bundle__sources[4] = {
    [NBX_CUSTOMER_FOLDED] = "folded",
    [NBX_CUSTOMER_GIVEN] = "given",
    [NBX_CUSTOMER_SUMMED] = "summed",
    [NBX_CUSTOMER_CONSTANT] = "constant",
};
const char *const nbx_bundle__families[] = {"factors", "blend", NULL};
const char *const nbx_bundle__keys[] = {"nbx_format",      "name",       "version",
                                        "family",          "created_ms", "spaces",
                                        NBX_BUNDLE_DIGEST, "neighbours", NULL};

/* What a part may be, which depends on the family. */
struct reading {
    struct nbx_bundle_info *info;
    const struct nbx_value *metadata;
    struct nbx_arena *arena;
    bool blend;
};

bool nbx_bundle_is_blend(const struct nbx_bundle_info *info)
{
    return nbx_str_is(info->family, "blend");
}

size_t nbx_bundle_dims(const struct nbx_bundle_info *info)
{
    size_t dims = 0;
    for (size_t i = 0; i < info->n_spaces; i++)
        dims += info->spaces[i].dims;
    return dims;
}

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

/* The index of a string in words (n). */
static enum nbx_err get_choice(int *out, const struct nbx_value *map, const char *key,
                               const char *const *words, int n, struct nbx_fault *fault)
{
    struct nbx_str text = {NULL, 0};
    struct nbx_buf known = {0};
    enum nbx_err err = get_text(&text, map, key, fault);
    if (err)
        return err;
    for (*out = 0; *out < n; ++*out)
        if (nbx_str_is(text, words[*out]))
            return NBX_OK;
    for (int i = 0; i < n; i++)
        nbx_buf_printf(&known, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", words[i]);
    err = nbx_fault_set(fault, NBX_EBAD, key, "must be %.*s, not %.*s", (int)known.len,
                        (const char *)known.p, NBX_STR_ARG(text));
    nbx_buf_fini(&known);
    return err;
}

static double number_of(const struct nbx_value *v)
{
    return v->type == NBX_FLOAT ? v->f : v->type == NBX_INT ? (double)v->i : NAN;
}

static enum nbx_err get_float(float *out, const struct nbx_value *map, const char *key, double most,
                              struct nbx_fault *fault)
{
    const struct nbx_value *v = nbx_value_get(map, key);
    if (!v)
        return nbx_fault_set(fault, NBX_EBAD, key, "is missing");
    double f = number_of(v);
    if (!(f >= 0 && f <= most))
        return nbx_fault_set(fault, NBX_EBAD, key, "must be a number from 0 to %g", most);
    *out = (float)f;
    return NBX_OK;
}

/* known: NULL-terminated. */
static enum nbx_err check_keys(const struct nbx_value *v, const char *const *known,
                               struct nbx_fault *fault)
{
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
    enum nbx_err err = get_float(&space->alpha0, v, "alpha0", NBX_BUNDLE_MOST, fault);
    if (!err)
        err = get_float(&space->lambda, v, "lambda", NBX_BUNDLE_MOST, fault);
    if (!err && !(space->lambda > 0))
        err = nbx_fault_set(fault, NBX_EBAD, "lambda", "must be above 0");
    return err ? err : get_float(&space->nu, v, "nu", 4, fault);
}

static enum nbx_err read_positions(const float **out, size_t *n, const struct nbx_value *v,
                                   struct nbx_arena *arena, struct nbx_fault *fault)
{
    const struct nbx_value *list = nbx_value_get(v, "positions");
    if (!list || list->type != NBX_LIST || list->n < 1 || list->n > NBX_BUNDLE_MAX_POSITIONS)
        return nbx_fault_set(fault, NBX_EBAD, "positions", "must be a list of 1 to %d numbers",
                             NBX_BUNDLE_MAX_POSITIONS);
    float *positions = nbx_arena_calloc(arena, list->n, sizeof *positions);
    if (!positions)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    for (uint32_t i = 0; i < list->n; i++) {
        double f = number_of(&list->list[i]);
        if (!(fabs(f) <= NBX_BUNDLE_MOST))
            return nbx_fault_set(fault, NBX_EBAD, "positions", "number %u must be from %g to %g", i,
                                 -NBX_BUNDLE_MOST, NBX_BUNDLE_MOST);
        positions[i] = (float)f;
    }
    *out = positions;
    *n = list->n;
    return NBX_OK;
}

static enum nbx_err read_weight(float *weight, const struct nbx_value *v, struct nbx_fault *fault)
{
    enum nbx_err err = get_float(weight, v, "weight", NBX_BUNDLE_MOST, fault);
    if (!err && !(*weight > 0))
        err = nbx_fault_set(fault, NBX_EBAD, "weight", "must be above 0");
    return err;
}

/* How many lists of positions, and whether the last dimension is a bias: both may be absent. */
static enum nbx_err read_groups(struct nbx_space *space, const struct nbx_value *v,
                                struct nbx_fault *fault)
{
    const struct nbx_value *groups = nbx_value_get(v, "groups"), *bias = nbx_value_get(v, "bias");
    if (bias && bias->type != NBX_BOOL)
        return nbx_fault_set(fault, NBX_EBAD, "bias", "must be true or false");
    space->bias = bias && bias->b;
    size_t summed = space->dims - space->bias;
    if (summed == 0)
        return nbx_fault_set(fault, NBX_EBAD, "bias", "must be false where there is 1 dimension");
    if (groups && (groups->type != NBX_INT || groups->i < 1 || groups->i > NBX_BUNDLE_MAX_GROUPS))
        return nbx_fault_set(fault, NBX_EBAD, "groups", "must be 1 to %d", NBX_BUNDLE_MAX_GROUPS);
    space->n_groups = groups ? (size_t)groups->i : 1;
    if (summed % space->n_groups)
        return nbx_fault_set(fault, NBX_EBAD, "groups", "must divide the %zu summed dimensions",
                             summed);
    if (space->n_positions % space->n_groups)
        return nbx_fault_set(fault, NBX_EBAD, "positions", "must be as many for each of %zu groups",
                             space->n_groups);
    space->n_positions /= space->n_groups;
    return NBX_OK;
}

/* What is of spaces of another kind only. */
static enum nbx_err refuse_foreign(const struct nbx_space *space, const struct nbx_value *v,
                                   struct nbx_fault *fault)
{
    static const struct {
        const char *key;
        enum nbx_customer_source of;
    } keys[] = {
        {"alpha0", NBX_CUSTOMER_FOLDED}, {"lambda", NBX_CUSTOMER_FOLDED},
        {"nu", NBX_CUSTOMER_FOLDED},     {"positions", NBX_CUSTOMER_SUMMED},
        {"groups", NBX_CUSTOMER_SUMMED}, {"bias", NBX_CUSTOMER_SUMMED},
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i].of != space->customer && nbx_value_get(v, keys[i].key))
            return nbx_fault_set(fault, NBX_EBAD, keys[i].key, "is of %s spaces only",
                                 nbx_bundle__sources[keys[i].of]);
    return NBX_OK;
}

/* What a blend asks of a space beside what every space has. */
static enum nbx_err read_blended(struct nbx_space *space, const struct nbx_value *v,
                                 struct nbx_arena *arena, struct nbx_fault *fault)
{
    if (space->customer == NBX_CUSTOMER_GIVEN)
        return nbx_fault_set(fault, NBX_EBAD, "customer", "given is not for a blend");
    if (space->metric != NBX_METRIC_DOT)
        return nbx_fault_set(fault, NBX_EBAD, "metric", "must be dot in a blend");
    if (space->customer == NBX_CUSTOMER_CONSTANT && space->dims != 1)
        return nbx_fault_set(fault, NBX_EBAD, "dims", "must be 1 where customer is constant");
    enum nbx_err err = refuse_foreign(space, v, fault);
    if (!err)
        err = read_weight(&space->weight, v, fault);
    if (!err && space->customer == NBX_CUSTOMER_SUMMED)
        err = read_positions(&space->positions, &space->n_positions, v, arena, fault);
    if (!err && space->customer == NBX_CUSTOMER_SUMMED)
        err = read_groups(space, v, fault);
    return err;
}

static enum nbx_err read_dims(size_t *out, const struct nbx_value *v, struct nbx_fault *fault)
{
    const struct nbx_value *dims = nbx_value_get(v, "dims");
    if (!dims || dims->type != NBX_INT || dims->i < 1 || dims->i > NBX_BUNDLE_MAX_DIMS)
        return nbx_fault_set(fault, NBX_EBAD, "dims", "must be 1 to %d", NBX_BUNDLE_MAX_DIMS);
    *out = (size_t)dims->i;
    return NBX_OK;
}

static enum nbx_err read_space(struct reading *r, struct nbx_space *space,
                               const struct nbx_value *v, struct nbx_fault *fault)
{
    static const char *const keys[] = {"name",   "dims",   "metric", "customer",
                                       "alpha0", "lambda", "nu",     "positions",
                                       "groups", "bias",   "weight", NULL};
    static const char *const old_keys[] = {"name",   "dims",   "metric", "customer",
                                           "alpha0", "lambda", "nu",     NULL};
    int metric = 0, customer = 0;
    enum nbx_err err = check_keys(v, r->blend ? keys : old_keys, fault);
    if (!err)
        err = get_word(&space->name, v, "name", fault);
    if (!err)
        err = get_choice(&metric, v, "metric", nbx_bundle__metrics, 2, fault);
    if (!err)
        err = get_choice(&customer, v, "customer", nbx_bundle__sources, r->blend ? 4 : 2, fault);
    if (!err)
        err = read_dims(&space->dims, v, fault);
    if (err)
        return err;
    space->metric = (enum nbx_metric)metric;
    space->customer = (enum nbx_customer_source)customer;
    if (space->customer == NBX_CUSTOMER_FOLDED)
        err = read_folding(space, v, fault);
    return err || !r->blend ? err : read_blended(space, v, r->arena, fault);
}

/* Which space's deviation counts for neighbours; may be absent. */
static enum nbx_err read_scaled_by(size_t *out, const struct reading *r, const struct nbx_value *v,
                                   struct nbx_fault *fault)
{
    struct nbx_str name = {NULL, 0};
    const struct nbx_bundle_info *info = r->info;
    if (!nbx_value_get(v, "scaled_by"))
        return NBX_OK;
    enum nbx_err err = get_text(&name, v, "scaled_by", fault);
    if (err)
        return err;
    for (size_t i = 0; i < info->n_spaces; i++)
        if (nbx_str_eq(info->spaces[i].name, name) &&
            info->spaces[i].customer != NBX_CUSTOMER_CONSTANT) {
            *out = i + 1;
            return NBX_OK;
        }
    return nbx_fault_set(fault, NBX_EBAD, "scaled_by",
                         "must be the name of a space that is not constant");
}

static enum nbx_err read_neighbours(struct reading *r, struct nbx_neighbours *neighbours,
                                    const struct nbx_value *v, struct nbx_fault *fault)
{
    static const char *const keys[] = {"name", "positions", "weight", "scaled_by", NULL};
    enum nbx_err err = check_keys(v, keys, fault);
    if (!err)
        err = get_word(&neighbours->name, v, "name", fault);
    if (!err)
        err = read_positions(&neighbours->positions, &neighbours->n_positions, v, r->arena, fault);
    if (!err)
        err = read_scaled_by(&neighbours->scaled_by, r, v, fault);
    return err ? err : read_weight(&neighbours->weight, v, fault);
}

/* Names of spaces and of neighbours (n in all) say in a report which part is meant. */
static struct nbx_str part_name(const struct nbx_bundle_info *info, size_t i)
{
    return i < info->n_spaces ? info->spaces[i].name : info->neighbours[i - info->n_spaces].name;
}

static enum nbx_err check_names(const struct nbx_bundle_info *info, struct nbx_fault *fault)
{
    for (size_t i = 0; i < info->n_spaces + info->n_neighbours; i++)
        for (size_t j = 0; j < i; j++)
            if (nbx_str_eq(part_name(info, i), part_name(info, j)))
                return nbx_fault_set(fault, NBX_EBAD, i < info->n_spaces ? "spaces" : "neighbours",
                                     "%.*s is there twice", NBX_STR_ARG(part_name(info, i)));
    return NBX_OK;
}

/* The list that a metadata key holds as JSON text. */
static enum nbx_err get_list(struct nbx_value *list, const struct reading *r, const char *key,
                             uint32_t least, uint32_t most, struct nbx_fault *fault)
{
    struct nbx_str text = {NULL, 0};
    enum nbx_err err = get_text(&text, r->metadata, key, fault);
    if (err)
        return err;
    err = nbx_json_decode(list, text.p, text.len, r->arena, fault);
    if (err) {
        nbx_fault_prefix(fault, key);
        return err;
    }
    if (list->type != NBX_LIST || list->n < least || list->n > most)
        return nbx_fault_set(fault, NBX_EBAD, key, "must be a JSON list of %u to %u %s", least,
                             most, key);
    return NBX_OK;
}

static enum nbx_err read_spaces(struct reading *r, struct nbx_fault *fault)
{
    struct nbx_value list;
    enum nbx_err err = get_list(&list, r, "spaces", r->blend ? 0 : 1, NBX_BUNDLE_MAX_SPACES, fault);
    for (uint32_t i = 0; !err && i < list.n; i++) {
        err = read_space(r, &r->info->spaces[r->info->n_spaces++], &list.list[i], fault);
        if (err)
            nbx_fault_prefix(fault, "spaces[%u]", i);
    }
    return err;
}

/* Of `factors` the key is one like any other. */
static enum nbx_err read_all_neighbours(struct reading *r, struct nbx_fault *fault)
{
    struct nbx_value list;
    if (!r->blend || !nbx_value_get(r->metadata, "neighbours"))
        return NBX_OK;
    enum nbx_err err = get_list(&list, r, "neighbours", 0, NBX_BUNDLE_MAX_NEIGHBOURS, fault);
    for (uint32_t i = 0; !err && i < list.n; i++) {
        err =
            read_neighbours(r, &r->info->neighbours[r->info->n_neighbours++], &list.list[i], fault);
        if (err)
            nbx_fault_prefix(fault, "neighbours[%u]", i);
    }
    return err;
}

static enum nbx_err read_parts(struct nbx_bundle_info *info, const struct nbx_value *metadata,
                               struct nbx_arena *arena, struct nbx_fault *fault)
{
    struct reading r = {info, metadata, arena, nbx_bundle_is_blend(info)};
    enum nbx_err err = read_spaces(&r, fault);
    if (!err)
        err = read_all_neighbours(&r, fault);
    if (!err && info->n_spaces + info->n_neighbours == 0)
        err = nbx_fault_set(fault, NBX_EBAD, "spaces", "a blend needs a part");
    return err ? err : check_names(info, fault);
}

static enum nbx_err check_format(int64_t *out, const struct nbx_value *metadata,
                                 struct nbx_fault *fault)
{
    int64_t format = 0;
    enum nbx_err err = get_decimal(&format, metadata, "nbx_format", fault);
    *out = format;
    if (err)
        return err;
    if (format > NBX_BUNDLE_FORMAT)
        return nbx_fault_set(fault, NBX_EVERSION, "nbx_format",
                             "is %lld, this program reads up to %d", (long long)format,
                             NBX_BUNDLE_FORMAT);
    return format >= 1
               ? NBX_OK
               : nbx_fault_set(fault, NBX_EBAD, "nbx_format", "must be 1 to %d", NBX_BUNDLE_FORMAT);
}

static enum nbx_err check_format_of(const char *what, int64_t want, int64_t format,
                                    struct nbx_fault *fault)
{
    return format == want ? NBX_OK
                          : nbx_fault_set(fault, NBX_EBAD, "family", "%s is of nbx_format %d", what,
                                          (int)want);
}

static enum nbx_err read_family(struct nbx_bundle_info *info, const struct nbx_value *metadata,
                                int64_t format, bool attributes, struct nbx_fault *fault)
{
    bool known = false;
    enum nbx_err err = get_text(&info->family, metadata, "family", fault);
    if (err)
        return err;
    for (const char *const *f = nbx_bundle__families; *f; f++)
        known = known || nbx_str_is(info->family, *f);
    if (!known)
        return nbx_fault_set(fault, NBX_EBAD, "family",
                             "%.*s is unknown, the families are: factors, blend",
                             NBX_STR_ARG(info->family));
    if (nbx_bundle_is_blend(info))
        return check_format_of("blend", NBX_BUNDLE_BLEND_FMT, format, fault);
    return attributes
               ? check_format_of("factors with attributes", NBX_BUNDLE_FEATURES_FMT, format, fault)
               : check_format_of("factors", NBX_BUNDLE_FACTORS_FMT, format, fault);
}

enum nbx_err nbx_bundle__read_metadata(struct nbx_bundle_info *info,
                                       const struct nbx_safetensors *file, struct nbx_arena *arena,
                                       struct nbx_fault *fault)
{
    const struct nbx_value *metadata = &file->metadata;
    int64_t format = 0;
    if (metadata->type != NBX_MAP)
        return nbx_fault_set(fault, NBX_EBAD, "__metadata__", "is missing");
    enum nbx_err err = check_format(&format, metadata, fault);
    if (!err)
        err = get_word(&info->name, metadata, "name", fault);
    if (!err)
        err = get_word(&info->version, metadata, "version", fault);
    if (!err)
        err = read_family(info, metadata, format, nbx_bundle__has_features(file), fault);
    if (!err)
        err = get_decimal(&info->created_ms, metadata, "created_ms", fault);
    if (!err)
        err = read_parts(info, metadata, arena, fault);
    if (err)
        nbx_fault_prefix(fault, "__metadata__");
    return err;
}
