/* SPDX-License-Identifier: MIT
 * Reports for people: a model's evaluation, and a search for one, each a page of its own.
 *
 * Why:     whoever decides whether a model goes into service sees at once what it is, how it does
 *          beside a list of popular items, for whom and on what, and whether its probabilities
 *          hold. The page has every figure that --json has, in elements found by data-figure.
 * Owns:    nothing: the page goes to the caller's buffer (html.h).
 * Threads: any.
 * Errors:  the buffer's `failed` where memory is out.
 */
#ifndef NBX_MODELS_REPORT_REPORT_H
#define NBX_MODELS_REPORT_REPORT_H

#include "engine/base/buf.h"
#include "models/bundle/bundle.h"
#include "models/evaluate/evaluate.h"
#include "models/tune/search.h"

#include <stdbool.h>

struct nbx_report_evaluation {
    const struct nbx_bundle_info *bundle;
    const struct nbx_evaluation *evaluation;
    const char *protocol;
    bool repeat;
};

void nbx_report_evaluation(struct nbx_buf *out, const struct nbx_report_evaluation *in);

struct nbx_report_search {
    const char *name;     /* of the model */
    const char *hold_out; /* what was held out to choose by */
    size_t k;             /* NDCG at k decided */
    const struct nbx_search_result *result;
    const struct nbx_bundle_info *bundle; /* what was made of it, or NULL */
};

/* The recipe, how it was come by, and every trial. Memory that is out shows in out->failed. */
void nbx_report_search(struct nbx_buf *out, const struct nbx_report_search *in);

/* Parts of a page. What the bundle says of itself; of its calibration nothing where it has none. */
void nbx_report__bundle(struct nbx_buf *out, const struct nbx_bundle_info *bundle);
void nbx_report__calibration(struct nbx_buf *out, const struct nbx_bundle_info *bundle);

#endif
