/* SPDX-License-Identifier: MIT
 * A calibration as the text of a bundle's metadata, and back.
 */
#include "engine/json/json.h"
#include "models/calibrate/calibrate.h"

#include <inttypes.h>
#include <stdlib.h>

#define SCRATCH_BYTES ((size_t)64 << 20)

static void write_bins(struct nbx_buf *out, const struct nbx_reliability *r)
{
    for (size_t i = 0; i < r->n_bins; i++)
        nbx_buf_printf(out, "%s[%.9g,%.9g,%zu]", i ? "," : "", r->bins[i].predicted,
                       r->bins[i].observed, r->bins[i].n);
}

static void write_outcome(struct nbx_buf *out, const struct nbx_calibrated *o)
{
    nbx_buf_printf(out, "\"%s\":{\"a\":%.9g,\"b\":%.9g,\"ece\":%.9g,\"n\":%zu,\"positives\":%zu,",
                   o->outcome, o->curve.a, o->curve.b, o->platt.ece, o->n, o->positives);
    nbx_buf_printf(out, "\"fitted_n\":%zu,\"fitted_positives\":%zu,\"ece_before\":%.9g,\"bins\":[",
                   o->fitted_n, o->fitted_positives, o->ece_before);
    write_bins(out, &o->platt);
    nbx_buf_printf(out, "],\"ece_isotonic\":%.9g,\"bins_isotonic\":[", o->isotonic.ece);
    write_bins(out, &o->isotonic);
    nbx_buf_printf(out, "]}");
}

void nbx_calibration_write(struct nbx_buf *out, const struct nbx_calibration *c)
{
    nbx_buf_printf(out,
                   "{\"k\":%zu,\"repeat\":%s,\"seed\":\"%" PRIu64
                   "\",\"fitted_customers\":%zu,\"customers\":%zu,\"outcomes\":{",
                   c->k, c->repeat ? "true" : "false", c->seed, c->fitted_customers, c->customers);
    for (size_t i = 0; i < c->n_outcomes; i++) {
        nbx_buf_printf(out, "%s", i ? "," : "");
        write_outcome(out, &c->outcomes[i]);
    }
    nbx_buf_printf(out, "}}");
}

/* Reading: a reader that met what it did not expect has failed. */
struct reader {
    bool failed;
};

static double value_of(struct reader *r, const struct nbx_value *v)
{
    if (v && v->type == NBX_FLOAT)
        return v->f;
    if (v && v->type == NBX_INT)
        return (double)v->i;
    r->failed = true;
    return 0;
}

static double number(struct reader *r, const struct nbx_value *map, const char *key)
{
    return value_of(r, nbx_value_get(map, key));
}

static size_t whole_of(struct reader *r, const struct nbx_value *v)
{
    if (v && v->type == NBX_INT && v->i >= 0)
        return (size_t)v->i;
    r->failed = true;
    return 0;
}

static size_t whole(struct reader *r, const struct nbx_value *map, const char *key)
{
    return whole_of(r, nbx_value_get(map, key));
}

static void read_bins(struct reader *r, struct nbx_reliability *out, const struct nbx_value *map,
                      const char *key)
{
    const struct nbx_value *list = nbx_value_get(map, key);
    if (!list || list->type != NBX_LIST || list->n > NBX_RELIABILITY_BINS) {
        r->failed = true;
        return;
    }
    for (uint32_t i = 0; i < list->n; i++) {
        const struct nbx_value *bin = &list->list[i];
        if (bin->type != NBX_LIST || bin->n != 3) {
            r->failed = true;
            return;
        }
        out->bins[out->n_bins++] = (struct nbx_reliability_bin){
            value_of(r, &bin->list[0]), value_of(r, &bin->list[1]), whole_of(r, &bin->list[2])};
    }
}

static void read_outcome(struct reader *r, struct nbx_calibrated *out,
                         const struct nbx_member *member)
{
    const struct nbx_value *v = &member->value;
    if (member->key.len >= sizeof out->outcome) {
        r->failed = true;
        return;
    }
    *out = (struct nbx_calibrated){.curve = {number(r, v, "a"), number(r, v, "b")},
                                   .fitted_n = whole(r, v, "fitted_n"),
                                   .fitted_positives = whole(r, v, "fitted_positives"),
                                   .n = whole(r, v, "n"),
                                   .positives = whole(r, v, "positives"),
                                   .ece_before = number(r, v, "ece_before")};
    memcpy(out->outcome, member->key.p, member->key.len);
    out->platt.ece = number(r, v, "ece");
    out->isotonic.ece = number(r, v, "ece_isotonic");
    read_bins(r, &out->platt, v, "bins");
    read_bins(r, &out->isotonic, v, "bins_isotonic");
}

static bool read_all(struct nbx_calibration *out, const struct nbx_value *v)
{
    struct reader r = {false};
    const struct nbx_value *outcomes = nbx_value_get(v, "outcomes");
    const struct nbx_value *repeat = nbx_value_get(v, "repeat");
    const struct nbx_value *seed = nbx_value_get(v, "seed");
    if (!outcomes || outcomes->type != NBX_MAP || outcomes->n > NBX_CALIBRATION_MAX_OUTCOMES ||
        !repeat || repeat->type != NBX_BOOL || !seed || seed->type != NBX_STRING)
        return false;
    out->k = whole(&r, v, "k");
    out->repeat = repeat->b;
    out->seed = strtoull(seed->s.p, NULL, 10);
    out->fitted_customers = whole(&r, v, "fitted_customers");
    out->customers = whole(&r, v, "customers");
    for (uint32_t i = 0; i < outcomes->n; i++)
        read_outcome(&r, &out->outcomes[out->n_outcomes++], &outcomes->members[i]);
    return !r.failed && out->n_outcomes > 0;
}

bool nbx_calibration_read(struct nbx_calibration *out, const char *metadata_json)
{
    struct nbx_value metadata, v;
    struct nbx_fault fault;
    struct nbx_arena *arena = nbx_arena_new(SCRATCH_BYTES);
    const struct nbx_value *text = NULL;
    *out = (struct nbx_calibration){0};
    bool ok =
        arena && metadata_json &&
        nbx_json_decode(&metadata, metadata_json, strlen(metadata_json), arena, &fault) == NBX_OK &&
        (text = nbx_value_get(&metadata, NBX_CALIBRATION_KEY)) && text->type == NBX_STRING &&
        nbx_json_decode(&v, text->s.p, text->s.len, arena, &fault) == NBX_OK && read_all(out, &v);
    nbx_arena_destroy(&arena);
    return ok;
}
