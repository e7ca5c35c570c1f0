/* SPDX-License-Identifier: MIT
 * Drawings of figures: bars, and points joined by lines, as SVG inside a page (html.h).
 *
 * Why:     a figure is compared faster by eye than by digits. A drawing is as wide as there is room
 *          (a phone's screen too), takes its colours from the page, dark or light, and says each
 *          value when pointed at.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  none of its own; what is not finite is left out. Names are escaped here.
 */
#ifndef NBX_MODELS_REPORT_CHART_H
#define NBX_MODELS_REPORT_CHART_H

#include "engine/base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define NBX_CHART_SERIES 3 /* at most: so many colours */

struct nbx_series {
    const char *name;
    const double *x; /* (n) of nbx_chart_lines; those of bars have none */
    const double *y; /* (n) */
    size_t n;
    bool apart; /* of nbx_chart_lines: points only */
};

struct nbx_chart {
    const char *title;
    const char *x_name, *y_name; /* of the axes; NULL: none */
    const struct nbx_series *series;
    size_t n_series;
    const char *const *labels; /* bars: (n) below each group */
    bool diagonal;             /* lines: one scale on both axes, and where x is y a broken line */
};

/* Values 0 or above. */
void nbx_chart_bars(struct nbx_buf *out, const struct nbx_chart *chart);
void nbx_chart_lines(struct nbx_buf *out, const struct nbx_chart *chart);

#endif
