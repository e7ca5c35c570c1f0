/* SPDX-License-Identifier: MIT */
#include "models/report/chart.h"

#include "models/report/html.h"

#include <math.h>
#include <stdio.h>

/* In units of the drawing, which is scaled to the room there is. */
#define WIDTH  480
#define HEIGHT 300
#define LEFT   58
#define RIGHT  14
#define TOP    20
#define BOTTOM 46
#define PLOT_W (WIDTH - LEFT - RIGHT)
#define PLOT_H (HEIGHT - TOP - BOTTOM)

#define TICKS        6    /* wanted on an axis */
#define HEADROOM     1.02 /* above the largest value */
#define MOST_ABREAST 5    /* labels below groups on one line */
#define GROUP_SHARE  0.72 /* of a group's room, that its bars take */

/* An axis from 0 to most. */
struct axis {
    double most, step;
};

static double x_of(const struct axis *a, double v)
{
    return LEFT + PLOT_W * v / a->most;
}

static double y_of(const struct axis *a, double v)
{
    return TOP + PLOT_H * (1 - v / a->most);
}

/* Steps of 1, 2 or 5 times a power of ten. */
static struct axis axis_to(double largest)
{
    double most = largest > 0 ? largest * HEADROOM : 1, rough = most / TICKS;
    double power = pow(10, floor(log10(rough))), times = rough / power;
    double step = power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
    return (struct axis){most, step};
}

static double largest_of(const struct nbx_chart *c, bool of_x)
{
    double most = 0;
    for (size_t s = 0; s < c->n_series; s++)
        for (size_t i = 0; i < c->series[s].n; i++) {
            double v = of_x ? c->series[s].x[i] : c->series[s].y[i];
            most = isfinite(v) && v > most ? v : most;
        }
    return most;
}

static void text(struct nbx_buf *out, const char *s)
{
    nbx_html_text(out, nbx_str_c(s));
}

static void begin(struct nbx_buf *out, const struct nbx_chart *c)
{
    nbx_buf_printf(out, "<figure>\n<h3>");
    text(out, c->title);
    nbx_buf_printf(out, "</h3>\n<figcaption>");
    for (size_t s = 0; c->n_series > 1 && s < c->n_series; s++) {
        nbx_buf_printf(out, "<span class=\"key\"><i class=\"s%zu\"></i>", s);
        text(out, c->series[s].name);
        nbx_buf_printf(out, "</span>");
    }
    if (c->n_series == 1)
        text(out, c->series[0].name);
    nbx_buf_printf(out, "</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"",
                   WIDTH, HEIGHT);
    text(out, c->title);
    nbx_buf_printf(out, "\">\n");
}

static void end(struct nbx_buf *out)
{
    nbx_buf_printf(out, "</svg>\n</figure>\n");
}

static void draw_y_axis(struct nbx_buf *out, const struct nbx_chart *c, const struct axis *a)
{
    for (int i = 0; i * a->step <= a->most; i++) {
        double v = i * a->step;
        nbx_buf_printf(out,
                       "<path class=\"grid\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" "
                       "text-anchor=\"end\">%g</text>\n",
                       LEFT, y_of(a, v), WIDTH - RIGHT, LEFT - 7, y_of(a, v) + 5, v);
    }
    if (!c->y_name)
        return;
    nbx_buf_printf(out, "<text x=\"4\" y=\"%d\">", TOP - 8);
    text(out, c->y_name);
    nbx_buf_printf(out, "</text>\n");
}

static void draw_x_axis(struct nbx_buf *out, const struct nbx_chart *c, const struct axis *a)
{
    for (int i = 0; i * a->step <= a->most; i++)
        nbx_buf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%g</text>\n",
                       x_of(a, i * a->step), HEIGHT - BOTTOM + 20, i * a->step);
    if (!c->x_name)
        return;
    nbx_buf_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", WIDTH - RIGHT, HEIGHT - 6);
    text(out, c->x_name);
    nbx_buf_printf(out, "</text>\n");
}

/* The names of what is pointed at; its values follow. */
static void begin_title(struct nbx_buf *out, const char *a, const char *b)
{
    nbx_buf_printf(out, "<title>");
    text(out, a);
    if (b) {
        nbx_buf_printf(out, ", ");
        text(out, b);
    }
}

/* Above a bar there is room for few digits: no 0 before the point. */
static void draw_value(struct nbx_buf *out, double x, double y, double v)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%.3f", v);
    nbx_buf_printf(out,
                   "<text class=\"value\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" "
                   "style=\"font-size:12px\">%s</text>",
                   x, y, digits[0] == '0' ? digits + 1 : digits);
}

static void draw_bar(struct nbx_buf *out, const struct nbx_chart *c, const struct axis *a, size_t s,
                     size_t i)
{
    double room = (double)PLOT_W / (double)c->series[0].n;
    double width = room * GROUP_SHARE / (double)c->n_series;
    double x = LEFT + room * ((double)i + (1 - GROUP_SHARE) / 2) + width * (double)s;
    double v = c->series[s].y[i], y = y_of(a, v);
    if (!isfinite(v))
        return;
    nbx_buf_printf(out,
                   "<rect class=\"s%zu\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                   "rx=\"2\">",
                   s, x, y, width - 2, TOP + PLOT_H - y);
    begin_title(out, c->labels[i], c->series[s].name);
    nbx_buf_printf(out, ": %.4f</title></rect>", v);
    if (c->n_series <= 2)
        draw_value(out, x + width / 2 - 1, y - 4, v);
    nbx_buf_printf(out, "\n");
}

void nbx_chart_bars(struct nbx_buf *out, const struct nbx_chart *chart)
{
    struct axis a = axis_to(largest_of(chart, false));
    size_t n = chart->series[0].n;
    begin(out, chart);
    draw_y_axis(out, chart, &a);
    for (size_t i = 0; i < n; i++) {
        for (size_t s = 0; s < chart->n_series; s++)
            draw_bar(out, chart, &a, s, i);
        /* where there are many, every other label stands a line lower */
        nbx_buf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">",
                       LEFT + PLOT_W * ((double)i + 0.5) / (double)n,
                       HEIGHT - BOTTOM + (n > MOST_ABREAST && i % 2 ? 38 : 20));
        text(out, chart->labels[i]);
        nbx_buf_printf(out, "</text>\n");
    }
    end(out);
}

static void draw_line(struct nbx_buf *out, const struct nbx_series *s, size_t colour,
                      const struct axis *x, const struct axis *y)
{
    bool any = false;
    nbx_buf_printf(out, "<path class=\"line s%zu\" d=\"", colour);
    for (size_t i = 0; i < s->n; i++) {
        if (!isfinite(s->x[i]) || !isfinite(s->y[i]))
            continue;
        nbx_buf_printf(out, "%c%.1f %.1f", any ? 'L' : 'M', x_of(x, s->x[i]), y_of(y, s->y[i]));
        any = true;
    }
    nbx_buf_printf(out, "\"/>\n");
}

static void draw_points(struct nbx_buf *out, const struct nbx_series *s, size_t colour,
                        const struct axis *x, const struct axis *y)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!isfinite(s->x[i]) || !isfinite(s->y[i]))
            continue;
        nbx_buf_printf(out, "<circle class=\"s%zu\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\">", colour,
                       x_of(x, s->x[i]), y_of(y, s->y[i]));
        begin_title(out, s->name, NULL);
        nbx_buf_printf(out, ": %.5g at %.5g</title></circle>\n", s->y[i], s->x[i]);
    }
}

void nbx_chart_lines(struct nbx_buf *out, const struct nbx_chart *chart)
{
    double of_x = largest_of(chart, true), of_y = largest_of(chart, false);
    struct axis x = axis_to(chart->diagonal ? fmax(of_x, of_y) : of_x);
    struct axis y = axis_to(chart->diagonal ? fmax(of_x, of_y) : of_y);
    begin(out, chart);
    draw_y_axis(out, chart, &y);
    draw_x_axis(out, chart, &x);
    if (chart->diagonal)
        nbx_buf_printf(out, "<path class=\"ideal\" d=\"M%d %dL%d %d\"/>\n", LEFT, TOP + PLOT_H,
                       LEFT + PLOT_W, TOP);
    for (size_t s = chart->n_series; s-- > 0;) { /* the first on top */
        if (!chart->series[s].apart)
            draw_line(out, &chart->series[s], s, &x, &y);
        draw_points(out, &chart->series[s], s, &x, &y);
    }
    end(out);
}
