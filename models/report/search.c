/* SPDX-License-Identifier: MIT */
#include "models/report/chart.h"
#include "models/report/html.h"
#include "models/report/report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_BYTES 64

static void write_settings(struct nbx_buf *out, const struct nbx_ingredient *i)
{
    const struct nbx_family_info *info = nbx_family_info(i->family);
    nbx_buf_printf(out, "<td class=\"text\">");
    for (size_t s = 0; s < info->n_settings; s++)
        nbx_buf_printf(out, "%s%s %g", s ? ", " : "", info->settings[s].name, i->settings[s]);
    nbx_buf_printf(out, "</td>");
}

static void write_recipe(struct nbx_buf *out, const struct nbx_recipe *recipe)
{
    static const char *const heads[] = {"part", "weight", "settings"};
    char key[KEY_BYTES];
    nbx_html_section(out, "The recipe");
    nbx_buf_printf(out, "<p>A score is the sum of these parts, each standardised, times its "
                        "weight.</p>\n");
    nbx_html_table(out, heads, 3);
    for (size_t i = 0; i < recipe->n_parts; i++) {
        const struct nbx_ingredient *part = &recipe->parts[i];
        const struct nbx_family_info *info = nbx_family_info(part->family);
        nbx_buf_printf(out, "<tr><th>%s<small>%s</small></th>", info->name, info->what);
        snprintf(key, sizeof key, "recipe.%s.weight", info->name);
        nbx_html_figure(out, key, part->weight, 4);
        write_settings(out, part);
        nbx_buf_printf(out, "</tr>\n");
    }
    nbx_html_table_end(out);
    if (recipe->compress.dim)
        nbx_buf_printf(out,
                       "<p>What counts a whole history alike is compressed into %zu dimensions and "
                       "%zu neighbours of each item.</p>\n",
                       recipe->compress.dim, recipe->compress.keep);
    nbx_html_close(out, "section");
}

/* number, ndcg and best (trials): each trial's place, what it gave, and the best so far. */
static void draw_curve(struct nbx_buf *out, const struct nbx_search_result *r, double *columns)
{
    size_t n = (size_t)r->trials;
    double *number = columns, *ndcg = columns + n, *best = columns + 2 * n;
    for (size_t i = 0; i < n; i++) {
        number[i] = (double)(i + 1);
        ndcg[i] = r->history[i].ndcg;
        best[i] = i && best[i - 1] > ndcg[i] ? best[i - 1] : ndcg[i];
    }
    const struct nbx_series series[] = {{"the best so far", number, best, n, false},
                                        {"a trial", number, ndcg, n, true}};
    nbx_chart_lines(out, &(struct nbx_chart){.title = "One part alone, trial by trial",
                                             .x_name = "trial",
                                             .y_name = "ndcg",
                                             .series = series,
                                             .n_series = 2});
}

/* The best trial of each family that was tried, and the blend. */
static void draw_families(struct nbx_buf *out, const struct nbx_search_result *r)
{
    double best[NBX_FAMILIES + 1] = {0}, shown[NBX_FAMILIES + 1];
    bool tried[NBX_FAMILIES] = {false};
    const char *labels[NBX_FAMILIES + 1];
    size_t n = 0;
    for (uint64_t i = 0; i < r->trials; i++) {
        const struct nbx_search_trial *t = &r->history[i];
        tried[t->ingredient.family] = true;
        if (t->ndcg > best[t->ingredient.family])
            best[t->ingredient.family] = t->ndcg;
    }
    for (int f = 0; f < NBX_FAMILIES; f++) {
        if (!tried[f])
            continue;
        labels[n] = nbx_family_info((enum nbx_family)f)->name;
        shown[n++] = best[f];
    }
    labels[n] = "blend";
    shown[n++] = r->ndcg;
    const struct nbx_series series = {"the best of each family alone, and the blend of them", NULL,
                                      shown, n, false};
    nbx_chart_bars(out, &(struct nbx_chart){.title = "Families",
                                            .y_name = "ndcg",
                                            .series = &series,
                                            .n_series = 1,
                                            .labels = labels});
}

static void write_curves(struct nbx_buf *out, const struct nbx_search_result *r)
{
    double *columns = calloc(3 * (size_t)r->trials + 1, sizeof *columns);
    out->failed = out->failed || !columns;
    if (!columns)
        return;
    nbx_html_section(out, "What was learnt");
    nbx_buf_printf(out, "<div class=\"charts\">\n");
    draw_curve(out, r, columns);
    draw_families(out, r);
    nbx_html_close(out, "div");
    nbx_html_close(out, "section");
    free(columns);
}

static void write_trials(struct nbx_buf *out, const struct nbx_search_result *r)
{
    static const char *const heads[] = {"trial", "ndcg", "seconds", "settings"};
    char key[KEY_BYTES];
    nbx_html_section(out, "Every trial");
    nbx_html_table(out, heads, 4);
    for (uint64_t i = 0; i < r->trials; i++) {
        const struct nbx_search_trial *t = &r->history[i];
        nbx_buf_printf(out, "<tr><th>%" PRIu64 " %s%s</th>", i + 1,
                       nbx_family_info(t->ingredient.family)->name,
                       t->repeated ? "<small>from the log</small>" : "");
        snprintf(key, sizeof key, "trial.%" PRIu64 ".ndcg", i + 1);
        nbx_html_figure(out, key, t->ndcg, 4);
        snprintf(key, sizeof key, "trial.%" PRIu64 ".seconds", i + 1);
        nbx_html_figure(out, key, t->seconds, 1);
        write_settings(out, &t->ingredient);
        nbx_buf_printf(out, "</tr>\n");
    }
    nbx_html_table_end(out);
    nbx_html_close(out, "section");
}

static void write_tiles(struct nbx_buf *out, const struct nbx_report_search *in)
{
    const struct nbx_search_result *r = in->result;
    nbx_buf_printf(out, "<div class=\"tiles\">\n");
    nbx_buf_printf(out,
                   "<div class=\"tile\">ndcg @ %zu<b data-figure=\"ndcg\">%.4f</b>"
                   "<span class=\"dim\">of the blend</span></div>\n",
                   in->k, r->ndcg);
    nbx_buf_printf(out,
                   "<div class=\"tile\">ndcg @ %zu<b data-figure=\"best_alone\">%.4f</b>"
                   "<span class=\"dim\">of its best part alone</span></div>\n",
                   in->k, r->best_alone);
    nbx_buf_printf(out,
                   "<div class=\"tile\">trials<b data-figure=\"trials\">%" PRIu64
                   "</b><span class=\"dim\">%" PRIu64 " of them from the log</span></div>\n",
                   r->trials, r->repeated);
    nbx_buf_printf(out,
                   "<div class=\"tile\">customers<b data-figure=\"customers\">%zu</b>"
                   "<span class=\"dim\">whose held-out items were asked for</span></div>\n",
                   r->customers);
    nbx_html_close(out, "div");
}

void nbx_report_search(struct nbx_buf *out, const struct nbx_report_search *in)
{
    nbx_html_begin(out, nbx_str_c(in->name));
    nbx_buf_printf(out,
                   "<p class=\"dim\">A search for what suits the data. Held out to choose by: ");
    nbx_html_text(out, nbx_str_c(in->hold_out));
    nbx_buf_printf(out, ".</p>\n");
    write_tiles(out, in);
    write_recipe(out, &in->result->recipe);
    write_curves(out, in->result);
    write_trials(out, in->result);
    if (in->bundle)
        nbx_report__bundle(out, in->bundle);
    nbx_html_end(out);
}
