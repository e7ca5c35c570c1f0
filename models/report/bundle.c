/* SPDX-License-Identifier: MIT
 * What a bundle says of itself, as it stands in its metadata.
 */
#include "engine/json/json.h"
#include "models/calibrate/calibrate.h"
#include "models/report/chart.h"
#include "models/report/html.h"
#include "models/report/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define SCRATCH_BYTES ((size_t)64 << 20)
#define MOST_MEMBERS  60 /* shown of a list or an object */

static bool is_scalar(const struct nbx_value *v)
{
    return v->type != NBX_LIST && v->type != NBX_MAP;
}

static void write_scalar(struct nbx_buf *out, const struct nbx_value *v)
{
    switch (v->type) {
    case NBX_BOOL: nbx_buf_printf(out, "%s", v->b ? "yes" : "no"); break;
    case NBX_INT: nbx_buf_printf(out, "%lld", (long long)v->i); break;
    case NBX_FLOAT: nbx_buf_printf(out, "%.6g", v->f); break;
    case NBX_STRING: nbx_html_text(out, v->s); break;
    default: nbx_buf_printf(out, "none"); break;
    }
}

/* Behind a number of milliseconds, what a person reads in it. */
static void write_date(struct nbx_buf *out, struct nbx_str key, const struct nbx_value *v)
{
    char date[32];
    struct tm tm;
    bool is_time = key.len > 3 && memcmp(key.p + key.len - 3, "_ms", 3) == 0;
    int64_t ms = v->type == NBX_INT                       ? v->i
                 : v->type == NBX_STRING && v->s.len < 16 ? strtoll(v->s.p, NULL, 10)
                                                          : 0;
    time_t seconds = (time_t)(ms / 1000);
    if (is_time && ms > 0 && gmtime_r(&seconds, &tm) &&
        strftime(date, sizeof date, "%Y-%m-%d %H:%M", &tm))
        nbx_buf_printf(out, " <span class=\"dim\">%s UTC</span>", date);
}

static void write_value(struct nbx_buf *out, const struct nbx_value *v);

static void write_words(struct nbx_buf *out, struct nbx_str key)
{
    for (uint32_t i = 0; i < key.len; i++)
        nbx_html_text(out, key.p[i] == '_' ? NBX_STR(" ") : (struct nbx_str){key.p + i, 1});
}

static void write_member(struct nbx_buf *out, struct nbx_str key, const struct nbx_value *v)
{
    nbx_buf_printf(out, "<dt>");
    write_words(out, key);
    nbx_buf_printf(out, "</dt><dd>");
    write_value(out, v);
    write_date(out, key, v);
    nbx_buf_printf(out, "</dd>\n");
}

/* One of many objects: "name ials, dims 64". */
static void write_on_a_line(struct nbx_buf *out, const struct nbx_value *v)
{
    for (uint32_t i = 0; i < v->n && i < MOST_MEMBERS; i++) {
        nbx_buf_printf(out, "%s<span class=\"dim\">", i ? ", " : "");
        write_words(out, v->members[i].key);
        nbx_buf_printf(out, "</span> ");
        write_value(out, &v->members[i].value);
    }
}

static void write_list(struct nbx_buf *out, const struct nbx_value *v)
{
    bool scalars = true;
    uint32_t n = v->n < MOST_MEMBERS ? v->n : MOST_MEMBERS;
    for (uint32_t i = 0; i < n; i++)
        scalars = scalars && is_scalar(&v->list[i]);
    nbx_buf_printf(out, scalars ? "" : "<ol>");
    for (uint32_t i = 0; i < n; i++) {
        nbx_buf_printf(out, scalars ? (i ? ", " : "") : "<li>");
        if (v->list[i].type == NBX_MAP)
            write_on_a_line(out, &v->list[i]);
        else
            write_value(out, &v->list[i]);
        nbx_buf_printf(out, scalars ? "" : "</li>");
    }
    nbx_buf_printf(out, scalars ? "" : "</ol>");
    if (n < v->n)
        nbx_buf_printf(out, " and %u more", v->n - n);
}

/* What is nested no deeper than JSON may be (engine/base/value.h), so this ends. */
static void write_value(struct nbx_buf *out, const struct nbx_value *v)
{
    if (is_scalar(v)) {
        write_scalar(out, v);
    } else if (v->type == NBX_LIST) {
        write_list(out, v);
    } else {
        nbx_buf_printf(out, "<dl>\n");
        for (uint32_t i = 0; i < v->n && i < MOST_MEMBERS; i++)
            write_member(out, v->members[i].key, &v->members[i].value);
        nbx_buf_printf(out, "</dl>");
    }
}

/* Metadata values are texts; those that are JSON objects or lists are shown as such. */
static void write_entry(struct nbx_buf *out, const struct nbx_member *m, struct nbx_arena *arena)
{
    struct nbx_value v;
    struct nbx_fault fault;
    const struct nbx_str *s = &m->value.s;
    bool nested = m->value.type == NBX_STRING && s->len && (s->p[0] == '{' || s->p[0] == '[');
    if (nbx_str_is(m->key, NBX_CALIBRATION_KEY))
        return;
    if (nested && nbx_json_decode(&v, s->p, s->len, arena, &fault) == NBX_OK)
        write_member(out, m->key, &v);
    else
        write_member(out, m->key, &m->value);
}

void nbx_report__bundle(struct nbx_buf *out, const struct nbx_bundle_info *bundle)
{
    struct nbx_value metadata = {.type = NBX_NIL};
    struct nbx_fault fault;
    const char *text = bundle->metadata_json ? bundle->metadata_json : "{}";
    struct nbx_arena *arena = nbx_arena_new(SCRATCH_BYTES);
    nbx_html_section(out, "What the bundle is");
    if (!arena || nbx_json_decode(&metadata, text, strlen(text), arena, &fault))
        metadata.n = 0;
    nbx_buf_printf(out, "<dl>\n<dt>items</dt><dd>%zu</dd>\n", bundle->n_items);
    for (uint32_t i = 0; metadata.type == NBX_MAP && i < metadata.n; i++)
        write_entry(out, &metadata.members[i], arena);
    nbx_buf_printf(out, "</dl>\n");
    nbx_html_close(out, "section");
    nbx_arena_destroy(&arena);
}

static size_t columns_of(const struct nbx_reliability *r, double *x, double *y)
{
    for (size_t i = 0; i < r->n_bins; i++) {
        x[i] = r->bins[i].predicted;
        y[i] = r->bins[i].observed;
    }
    return r->n_bins;
}

static void draw_reliability(struct nbx_buf *out, const struct nbx_calibrated *o)
{
    double x[2][NBX_RELIABILITY_BINS], y[2][NBX_RELIABILITY_BINS];
    size_t n_platt = columns_of(&o->platt, x[0], y[0]);
    size_t n_isotonic = columns_of(&o->isotonic, x[1], y[1]);
    const struct nbx_series series[] = {{"logistic curve", x[0], y[0], n_platt},
                                        {"isotonic, as a check", x[1], y[1], n_isotonic}};
    nbx_chart_lines(out, &(struct nbx_chart){.title = o->outcome,
                                             .x_name = "predicted",
                                             .y_name = "happened",
                                             .series = series,
                                             .n_series = 2,
                                             .diagonal = true});
}

static void write_outcome(struct nbx_buf *out, const struct nbx_calibrated *o)
{
    char key[NBX_TYPES_NAME_BYTES + 64];
    const struct {
        const char *name;
        double value;
        int digits;
    } figures[] = {{"a", o->curve.a, 4},
                   {"b", o->curve.b, 4},
                   {"ece", o->platt.ece, 5},
                   {"ece_isotonic", o->isotonic.ece, 5},
                   {"ece_before", o->ece_before, 5},
                   {"n", (double)o->n, 0},
                   {"positives", (double)o->positives, 0}};
    nbx_buf_printf(out, "<tr><th>");
    nbx_html_text(out, nbx_str_c(o->outcome));
    nbx_buf_printf(out, "</th>");
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        snprintf(key, sizeof key, "calibration.%s.%s", o->outcome, figures[i].name);
        nbx_buf_printf(out, "<td data-figure=\"");
        nbx_html_text(out, nbx_str_c(key));
        nbx_buf_printf(out, "\">%.*f</td>", figures[i].digits, figures[i].value);
    }
    nbx_buf_printf(out, "</tr>\n");
}

void nbx_report__calibration(struct nbx_buf *out, const struct nbx_bundle_info *bundle)
{
    static const char *const heads[] = {"outcome",  "a",      "b",     "ECE",
                                        "isotonic", "before", "cases", "happened"};
    struct nbx_calibration c;
    if (!nbx_calibration_read(&c, bundle->metadata_json))
        return;
    nbx_html_section(out, "What a score means");
    nbx_buf_printf(out,
                   "<p>The probability of each outcome of an item in a list of %zu is 1 / (1 + "
                   "exp(-(a score + b))), fitted on %zu customers. Of %zu others, in ten groups "
                   "by what was predicted for them: the mean prediction and the share of cases "
                   "in which it happened. On the broken line the two agree.</p>\n",
                   c.k, c.fitted_customers, c.customers);
    nbx_buf_printf(out, "<div class=\"charts\">\n");
    for (size_t i = 0; i < c.n_outcomes; i++)
        draw_reliability(out, &c.outcomes[i]);
    nbx_html_close(out, "div");
    nbx_html_table(out, heads, sizeof heads / sizeof *heads);
    for (size_t i = 0; i < c.n_outcomes; i++)
        write_outcome(out, &c.outcomes[i]);
    nbx_html_table_end(out);
    nbx_buf_printf(out, "<p class=\"dim\">ECE: expected calibration error, the mean distance of "
                        "the two. Isotonic: that of the best curve that does not fall. Before: "
                        "that of 1 / (1 + exp(-score)).</p>\n");
    nbx_html_close(out, "section");
}
