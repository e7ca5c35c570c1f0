/* SPDX-License-Identifier: MIT */
#include "models/recipe/recipe.h"

#include "engine/base/check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static double number_of(const struct nbx_value *v)
{
    return v->type == NBX_FLOAT ? v->f : v->type == NBX_INT ? (double)v->i : NAN;
}

static size_t find_setting(const struct nbx_family_info *family, struct nbx_str name)
{
    size_t i = 0;
    while (i < family->n_settings && !nbx_str_is(name, family->settings[i].name))
        i++;
    return i;
}

enum nbx_err nbx_family_find(enum nbx_family *out, struct nbx_str name, struct nbx_fault *fault)
{
    struct nbx_buf known = {0};
    for (int f = 0; f < NBX_FAMILIES; f++) {
        *out = (enum nbx_family)f;
        if (nbx_str_is(name, nbx_family_info(*out)->name))
            return NBX_OK;
    }
    for (int f = 0; f < NBX_FAMILIES; f++)
        nbx_buf_printf(&known, "%s%s", f ? ", " : "", nbx_family_info((enum nbx_family)f)->name);
    enum nbx_err err = nbx_fault_set(fault, NBX_EBAD, "family", "unknown \"%.*s\", known are %.*s",
                                     name.len > 64 ? 64 : (int)name.len, name.p, (int)known.len,
                                     (const char *)known.p);
    nbx_buf_fini(&known);
    return err;
}

void nbx_ingredient_init(struct nbx_ingredient *out, enum nbx_family family)
{
    const struct nbx_family_info *info = nbx_family_info(family);
    *out = (struct nbx_ingredient){.family = family, .weight = 1};
    for (size_t i = 0; i < info->n_settings; i++)
        out->settings[i] = info->settings[i].usual;
}

bool nbx_ingredient_has(const struct nbx_ingredient *part, struct nbx_str setting)
{
    const struct nbx_family_info *info = nbx_family_info(part->family);
    return find_setting(info, setting) < info->n_settings;
}

double nbx_ingredient_get(const struct nbx_ingredient *part, const char *setting)
{
    const struct nbx_family_info *info = nbx_family_info(part->family);
    size_t i = find_setting(info, nbx_str_c(setting));
    NBX_ASSERT(i < info->n_settings);
    return part->settings[i];
}

static enum nbx_err check_value(double value, double least, double most, bool whole,
                                const char *name, struct nbx_fault *fault)
{
    if (value >= least && value <= most && (!whole || value == floor(value)))
        return NBX_OK;
    return nbx_fault_set(fault, NBX_EBAD, name, "must be a %s from %g to %g",
                         whole ? "whole number" : "number", least, most);
}

enum nbx_err nbx_ingredient_set(struct nbx_ingredient *part, struct nbx_str setting, double value,
                                struct nbx_fault *fault)
{
    const struct nbx_family_info *info = nbx_family_info(part->family);
    size_t i = find_setting(info, setting);
    if (i == info->n_settings) {
        char name[64];
        snprintf(name, sizeof name, "%.*s", NBX_STR_ARG(setting));
        return nbx_fault_set(fault, NBX_EBAD, name, "family %s has no such setting", info->name);
    }
    const struct nbx_setting *s = &info->settings[i];
    enum nbx_err err = check_value(value, s->least, s->most, s->whole, s->name, fault);
    if (!err)
        part->settings[i] = value;
    return err;
}

static enum nbx_err read_part(struct nbx_ingredient *out, const struct nbx_value *v,
                              struct nbx_fault *fault)
{
    enum nbx_family family;
    const struct nbx_value *name = nbx_value_get(v, "family");
    if (!name || name->type != NBX_STRING)
        return nbx_fault_set(fault, NBX_EBAD, "family", "is missing");
    enum nbx_err err = nbx_family_find(&family, name->s, fault);
    if (err)
        return err;
    nbx_ingredient_init(out, family);
    for (uint32_t i = 0; !err && i < v->n; i++) {
        const struct nbx_member *m = &v->members[i];
        double value = number_of(&m->value);
        if (nbx_str_is(m->key, "family"))
            continue;
        if (!nbx_str_is(m->key, "weight")) {
            err = nbx_ingredient_set(out, m->key, value, fault);
        } else if (!(value > 0 && value <= 1e6)) {
            err = nbx_fault_set(fault, NBX_EBAD, "weight", "must be a number above 0 to 1e6");
        } else {
            out->weight = value;
        }
    }
    return err;
}

static enum nbx_err read_size(size_t *out, const struct nbx_value *v, const char *name, double most,
                              struct nbx_fault *fault)
{
    const struct nbx_value *n = nbx_value_get(v, name);
    if (!n)
        return nbx_fault_set(fault, NBX_EBAD, name, "is missing");
    double value = number_of(n);
    enum nbx_err err = check_value(value, 1, most, true, name, fault);
    *out = err ? 0 : (size_t)value;
    return err;
}

static enum nbx_err read_compression(struct nbx_compression *out, const struct nbx_value *v,
                                     struct nbx_fault *fault)
{
    if (!v)
        return NBX_OK;
    enum nbx_err err = read_size(&out->dim, v, "dim", NBX_COMPRESS_MAX_DIM, fault);
    if (!err)
        err = read_size(&out->keep, v, "keep", NBX_COMPRESS_MAX_KEEP, fault);
    if (err)
        nbx_fault_prefix(fault, "compress");
    return err;
}

enum nbx_err nbx_recipe_read(struct nbx_recipe *out, const struct nbx_value *v,
                             struct nbx_fault *fault)
{
    const struct nbx_value *parts = nbx_value_get(v, "parts");
    enum nbx_err err = NBX_OK;
    *out = (struct nbx_recipe){0};
    if (!parts || parts->type != NBX_LIST || parts->n < 1 || parts->n > NBX_RECIPE_MAX)
        return nbx_fault_set(fault, NBX_EBAD, "parts", "must be a list of 1 to %d parts",
                             NBX_RECIPE_MAX);
    for (uint32_t i = 0; !err && i < parts->n; i++) {
        err = read_part(&out->parts[out->n_parts++], &parts->list[i], fault);
        if (err)
            nbx_fault_prefix(fault, "parts[%u]", i);
    }
    return err ? err : read_compression(&out->compress, nbx_value_get(v, "compress"), fault);
}

void nbx_ingredient_write(struct nbx_buf *out, const struct nbx_ingredient *part)
{
    const struct nbx_family_info *info = nbx_family_info(part->family);
    nbx_buf_printf(out, "{\"family\":\"%s\",\"weight\":%.6g", info->name, part->weight);
    for (size_t i = 0; i < info->n_settings; i++)
        nbx_buf_printf(out, ",\"%s\":%.9g", info->settings[i].name, part->settings[i]);
    nbx_buf_printf(out, "}");
}

void nbx_recipe_write(struct nbx_buf *out, const struct nbx_recipe *recipe)
{
    nbx_buf_printf(out, "{\"parts\":[");
    for (size_t i = 0; i < recipe->n_parts; i++) {
        nbx_buf_printf(out, i ? "," : "");
        nbx_ingredient_write(out, &recipe->parts[i]);
    }
    nbx_buf_printf(out, "]");
    if (recipe->compress.dim)
        nbx_buf_printf(out, ",\"compress\":{\"dim\":%zu,\"keep\":%zu}", recipe->compress.dim,
                       recipe->compress.keep);
    nbx_buf_printf(out, "}");
}
