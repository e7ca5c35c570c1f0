/* SPDX-License-Identifier: MIT
 * What a model is to be made of: families, their settings, and what each counts.
 *
 * Why:     a command line, a file, a search over settings and a bundle's description all speak of
 *          the same numbers; each stands once, in a family's table.
 * Owns:    nothing; plain values.
 * Threads: any.
 * Errors:  NBX_EBAD names the part and the setting.
 *
 * As JSON: {"parts": [{"family": "ials", "weight": 1, "dim": 64, ...}, ...], "compress": {"dim":
 * 64, "keep": 256}}; a setting that is absent has its usual value, weight 1; without `compress`
 * parts stay as they are.
 */
#ifndef NBX_MODELS_RECIPE_RECIPE_H
#define NBX_MODELS_RECIPE_RECIPE_H

#include "engine/base/arena.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/str.h"
#include "engine/base/value.h"

#include <stdbool.h>
#include <stddef.h>

enum nbx_family {
    NBX_FAMILY_IALS,
    NBX_FAMILY_NEIGHBOURS,
    NBX_FAMILY_TRANSITIONS,
    NBX_FAMILY_EASE,
    NBX_FAMILY_SPECTRAL,
    NBX_FAMILY_SEQUENCE,
    NBX_FAMILY_POPULARITY,
    NBX_FAMILIES,
};

#define NBX_SETTINGS_MAX 12
#define NBX_RECIPE_MAX   8

struct nbx_setting {
    const char *name; /* "dim"; an option is "--dim" */
    double least, most, usual;
    const char *what;    /* for help and documents */
    const double *tries; /* (n_tries) ascending: what a search goes through; NULL: it leaves it */
    size_t n_tries;
    bool whole, of_times; /* a whole number; means something only where events have times */
};

struct nbx_family_info {
    const char *name, *what;
    bool ordered; /* learns from the order of events; needs data that has one */
    const struct nbx_setting *settings; /* (n_settings) */
    size_t n_settings;
};

const struct nbx_family_info *nbx_family_info(enum nbx_family family);
/* NBX_EBAD on field `family`, with the names that are known. */
enum nbx_err nbx_family_find(enum nbx_family *out, struct nbx_str name, struct nbx_fault *fault);

struct nbx_ingredient {
    enum nbx_family family;
    double weight;                     /* above 0 */
    double settings[NBX_SETTINGS_MAX]; /* (n_settings of the family) */
};

#define NBX_COMPRESS_MAX_DIM  4096
#define NBX_COMPRESS_MAX_KEEP 65536

/* How parts are joined for serving (models/compress). */
struct nbx_compression {
    size_t dim;  /* of the joint space; 0: they are not */
    size_t keep; /* entries of each row of what it leaves out */
};

struct nbx_recipe {
    struct nbx_ingredient parts[NBX_RECIPE_MAX]; /* (n_parts) */
    size_t n_parts;
    struct nbx_compression compress;
};

/* Weight 1 and usual settings. */
void nbx_ingredient_init(struct nbx_ingredient *out, enum nbx_family family);
/* The setting of that name, which the family must have. */
double nbx_ingredient_get(const struct nbx_ingredient *part, const char *setting);
bool nbx_ingredient_has(const struct nbx_ingredient *part, struct nbx_str setting);
/* NBX_EBAD on the setting's name where the family has none such or the value is out of bounds. */
enum nbx_err nbx_ingredient_set(struct nbx_ingredient *part, struct nbx_str setting, double value,
                                struct nbx_fault *fault);

/* A recipe from JSON's {"parts": ...}. */
enum nbx_err nbx_recipe_read(struct nbx_recipe *out, const struct nbx_value *v,
                             struct nbx_fault *fault);
/* Appends one part, or the recipe, as JSON. */
void nbx_ingredient_write(struct nbx_buf *out, const struct nbx_ingredient *part);
void nbx_recipe_write(struct nbx_buf *out, const struct nbx_recipe *recipe);

#endif
