/* SPDX-License-Identifier: MIT */
#include "models/report/chart.h"
#include "models/report/html.h"
#include "models/report/report.h"

#include <inttypes.h>
#include <stdio.h>

#define KEY_BYTES  64
#define HEAD_BYTES 32
#define N_METRICS  6

struct named {
    const char *name, *what;
    double value;
};

static void name_metrics(struct named out[N_METRICS], const struct nbx_metrics *m)
{
    out[0] = (struct named){"recall", "of what they took to, the share in the list", m->recall};
    out[1] = (struct named){"ndcg", "the same, more where it comes first", m->ndcg};
    out[2] = (struct named){"precision", "of the list, the share they took to", m->precision};
    out[3] = (struct named){"hit", "customers with any of it in the list", m->hit};
    out[4] = (struct named){"mrr", "1 / place of the first", m->mrr};
    out[5] = (struct named){"map", "mean precision at each", m->map};
}

static const char *key_of(char out[KEY_BYTES], const char *prefix, const char *name, size_t k)
{
    snprintf(out, KEY_BYTES, "%s%s@%zu", prefix, name, k);
    return out;
}

/* A table with a column for each k. */
static void begin_table(struct nbx_buf *out, const struct nbx_evaluation *e, const char *first)
{
    char heads[NBX_EVALUATE_MAX_N_K][HEAD_BYTES];
    const char *list[1 + NBX_EVALUATE_MAX_N_K] = {first};
    for (size_t i = 0; i < e->n_k; i++) {
        snprintf(heads[i], HEAD_BYTES, "@ %zu", e->at[i].k);
        list[i + 1] = heads[i];
    }
    nbx_html_table(out, list, 1 + e->n_k);
}

static void write_metric(struct nbx_buf *out, const struct nbx_evaluation *e, size_t metric)
{
    struct named model[N_METRICS], popularity[N_METRICS];
    char keys[2][KEY_BYTES];
    for (size_t i = 0; i < e->n_k; i++) {
        name_metrics(model, &e->at[i].metrics);
        name_metrics(popularity, &e->at[i].popularity);
        const struct named *m = &model[metric], *p = &popularity[metric];
        if (i == 0)
            nbx_buf_printf(out, "<tr><th>%s<small>%s</small></th>", m->name, m->what);
        nbx_html_two_figures(out,
                             (const char *[]){key_of(keys[0], "", m->name, e->at[i].k),
                                              key_of(keys[1], "popularity.", p->name, e->at[i].k)},
                             (const double[]){m->value, p->value}, 4);
    }
    nbx_buf_printf(out, "</tr>\n");
}

static void write_metrics(struct nbx_buf *out, const struct nbx_evaluation *e)
{
    nbx_html_section(out, "How well its lists do");
    nbx_buf_printf(out, "<p>Means over customers, at each length of the list. Below each figure, "
                        "small: what one list of popular items for all reaches.</p>\n");
    begin_table(out, e, "");
    for (size_t m = 0; m < N_METRICS; m++)
        write_metric(out, e, m);
    nbx_html_table_end(out);
    nbx_html_close(out, "section");
}

/* order (n_k): the lengths, shortest first; returns the place of the longest. */
static size_t sort_k(size_t *order, const struct nbx_evaluation *e)
{
    for (size_t i = 0; i < e->n_k; i++) {
        size_t j = i;
        for (; j > 0 && e->at[order[j - 1]].k > e->at[i].k; j--)
            order[j] = order[j - 1];
        order[j] = i;
    }
    return e->n_k ? order[e->n_k - 1] : 0;
}

/* recall (of_ndcg false) or ndcg at each k. */
static void draw_over_k(struct nbx_buf *out, const struct nbx_evaluation *e, bool of_ndcg)
{
    double k[NBX_EVALUATE_MAX_N_K], model[NBX_EVALUATE_MAX_N_K], popular[NBX_EVALUATE_MAX_N_K];
    size_t order[NBX_EVALUATE_MAX_N_K];
    (void)sort_k(order, e);
    for (size_t i = 0; i < e->n_k; i++) {
        const struct nbx_evaluation_at *at = &e->at[order[i]];
        k[i] = (double)at->k;
        model[i] = of_ndcg ? at->metrics.ndcg : at->metrics.recall;
        popular[i] = of_ndcg ? at->popularity.ndcg : at->popularity.recall;
    }
    const struct nbx_series series[] = {{"model", k, model, e->n_k},
                                        {"popular items", k, popular, e->n_k}};
    nbx_chart_lines(out, &(struct nbx_chart){.title = of_ndcg ? "ndcg" : "recall",
                                             .x_name = "length of the list",
                                             .series = series,
                                             .n_series = 2});
}

static void write_lengths(struct nbx_buf *out, const struct nbx_evaluation *e)
{
    if (e->n_k < 2)
        return;
    nbx_html_section(out, "By the length of the list");
    nbx_buf_printf(out, "<div class=\"charts\">\n");
    draw_over_k(out, e, false);
    draw_over_k(out, e, true);
    nbx_html_close(out, "div");
    nbx_html_close(out, "section");
}

static void write_segment_row(struct nbx_buf *out, const struct nbx_evaluation *e, size_t s)
{
    static const char *const what[NBX_SEGMENTS] = {
        "customers with fewer than 5 items", "customers with 5 to 19", "customers with 20 and more",
        "items that have half of all pairs", "all other items"};
    char key[KEY_BYTES], prefix[KEY_BYTES], keys[2][KEY_BYTES];
    snprintf(prefix, sizeof prefix, "segments.%s.", nbx_segment_names[s]);
    nbx_buf_printf(out, "<tr><th>%s<small>%s</small></th>", nbx_segment_names[s], what[s]);
    snprintf(key, sizeof key, "segments.%s.users", nbx_segment_names[s]);
    nbx_html_count(out, key, e->segment_customers[s]);
    for (size_t i = 0; i < e->n_k; i++) {
        size_t k = e->at[i].k;
        const struct nbx_metrics *m = &e->at[i].segments[s];
        nbx_html_two_figures(out,
                             (const char *[]){key_of(keys[0], prefix, "recall", k),
                                              key_of(keys[1], prefix, "ndcg", k)},
                             (const double[]){m->recall, m->ndcg}, 4);
    }
    nbx_buf_printf(out, "</tr>\n");
}

static void draw_segments(struct nbx_buf *out, const struct nbx_evaluation_at *at)
{
    double recall[NBX_SEGMENTS], ndcg[NBX_SEGMENTS];
    char title[64];
    for (size_t s = 0; s < NBX_SEGMENTS; s++) {
        recall[s] = at->segments[s].recall;
        ndcg[s] = at->segments[s].ndcg;
    }
    const struct nbx_series series[] = {{"recall", NULL, recall, NBX_SEGMENTS},
                                        {"ndcg", NULL, ndcg, NBX_SEGMENTS}};
    snprintf(title, sizeof title, "Lists of %zu", at->k);
    nbx_buf_printf(out, "<div class=\"charts\">\n");
    nbx_chart_bars(
        out, &(struct nbx_chart){
                 .title = title, .series = series, .n_series = 2, .labels = nbx_segment_names});
    nbx_html_close(out, "div");
}

static void write_segments(struct nbx_buf *out, const struct nbx_evaluation *e)
{
    char heads[NBX_EVALUATE_MAX_N_K][HEAD_BYTES];
    const char *list[2 + NBX_EVALUATE_MAX_N_K] = {"", "customers"};
    size_t order[NBX_EVALUATE_MAX_N_K];
    for (size_t i = 0; i < e->n_k; i++) {
        snprintf(heads[i], HEAD_BYTES, "@ %zu", e->at[i].k);
        list[2 + i] = heads[i];
    }
    nbx_html_section(out, "For whom, and on what");
    draw_segments(out, &e->at[sort_k(order, e)]);
    nbx_buf_printf(out, "<p>Recall, and below it, small, ndcg.</p>\n");
    nbx_html_table(out, list, 2 + e->n_k);
    for (size_t s = 0; s < NBX_SEGMENTS; s++)
        write_segment_row(out, e, s);
    nbx_html_table_end(out);
    nbx_html_close(out, "section");
}

static void write_exposure(struct nbx_buf *out, const struct nbx_evaluation *e)
{
    static const char *const names[] = {"coverage", "gini", "novelty"};
    static const char *const what[] = {"share of the items in any list",
                                       "0 where all items are shown as often",
                                       "bits: how little known what is shown is"};
    char key[KEY_BYTES];
    nbx_html_section(out, "What all lists show of the catalogue");
    begin_table(out, e, "all lists together");
    for (size_t r = 0; r < 3; r++) {
        nbx_buf_printf(out, "<tr><th>%s<small>%s</small></th>", names[r], what[r]);
        for (size_t i = 0; i < e->n_k; i++) {
            const struct nbx_exposure *x = &e->at[i].exposure;
            double value = r == 0 ? x->coverage : r == 1 ? x->gini : x->novelty;
            nbx_html_figure(out, key_of(key, "", names[r], e->at[i].k), value, 4);
        }
        nbx_buf_printf(out, "</tr>\n");
    }
    nbx_html_table_end(out);
    nbx_html_close(out, "section");
}

static void write_tile(struct nbx_buf *out, const char *name, double value, const char *behind)
{
    nbx_buf_printf(out, "<div class=\"tile\">%s<b>%.4f</b><span class=\"dim\">%s</span></div>\n",
                   name, value, behind);
}

static void write_tiles(struct nbx_buf *out, const struct nbx_evaluation_at *at)
{
    char name[48], behind[64];
    const struct nbx_metrics *m = &at->metrics, *p = &at->popularity;
    nbx_buf_printf(out, "<div class=\"tiles\">\n");
    snprintf(name, sizeof name, "recall @ %zu", at->k);
    snprintf(behind, sizeof behind, "popular items: %.4f", p->recall);
    write_tile(out, name, m->recall, behind);
    snprintf(name, sizeof name, "ndcg @ %zu", at->k);
    snprintf(behind, sizeof behind, "popular items: %.4f", p->ndcg);
    write_tile(out, name, m->ndcg, behind);
    snprintf(name, sizeof name, "hit @ %zu", at->k);
    snprintf(behind, sizeof behind, "popular items: %.4f", p->hit);
    write_tile(out, name, m->hit, behind);
    snprintf(name, sizeof name, "coverage @ %zu", at->k);
    write_tile(out, name, at->exposure.coverage, "of the catalogue in any list");
    nbx_html_close(out, "div");
}

static void write_data(struct nbx_buf *out, const struct nbx_report_evaluation *in)
{
    static const char *const heads[] = {"what it was measured on", ""};
    const struct nbx_evaluation *e = in->evaluation;
    const struct {
        const char *key, *what;
        size_t value;
    } rows[] = {
        {"users", "customers of the test file", e->customers},
        {"cold", "of them without history", e->cold},
        {"described", "of these with a list by their attributes; the others have none",
         e->described},
        {"items", "items of the bundle, all of them ranked for everybody", in->bundle->n_items},
        {"head_items", "of them with half of all pairs", e->head_items},
        {"test_pairs", "pairs held out", e->test_pairs},
        {"unknown_pairs", "of them on items the bundle does not know", e->unknown_pairs}};
    nbx_html_section(out, "The data");
    nbx_html_table(out, heads, 2);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        nbx_buf_printf(out, "<tr><th>%s</th>", rows[i].what);
        nbx_html_count(out, rows[i].key, rows[i].value);
        nbx_buf_printf(out, "</tr>\n");
    }
    nbx_buf_printf(out, "<tr><th>seconds it took</th>");
    nbx_html_figure(out, "seconds", e->seconds, 3);
    nbx_buf_printf(out, "</tr>\n");
    nbx_html_table_end(out);
    nbx_html_close(out, "section");
}

void nbx_report_evaluation(struct nbx_buf *out, const struct nbx_report_evaluation *in)
{
    size_t order[NBX_EVALUATE_MAX_N_K];
    const struct nbx_evaluation *e = in->evaluation;
    nbx_html_begin(out, in->bundle->name);
    nbx_buf_printf(out, "<p class=\"dim\">Version ");
    nbx_html_text(out, in->bundle->version);
    nbx_buf_printf(out, ", evaluated by protocol ");
    nbx_html_text(out, nbx_str_c(in->protocol));
    nbx_buf_printf(out,
                   ": %zu customers, folded in from their events%s; every item is ranked.</p>\n",
                   e->customers, in->repeat ? ", their own items among what is ranked" : "");
    write_tiles(out, &e->at[sort_k(order, e)]);
    write_metrics(out, e);
    write_lengths(out, e);
    write_segments(out, e);
    write_exposure(out, e);
    nbx_report__calibration(out, in->bundle);
    write_data(out, in);
    nbx_report__bundle(out, in->bundle);
    nbx_html_end(out);
}
