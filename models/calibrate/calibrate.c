/* SPDX-License-Identifier: MIT */
#include "models/calibrate/calibrate.h"

#include "models/calibrate/internal.h"
#include "models/calibrate/isotonic.h"
#include "models/evaluate/evaluate.h"

#include <stdlib.h>

static size_t count(const uint8_t *labels, size_t n)
{
    size_t positives = 0;
    for (size_t i = 0; i < n; i++)
        positives += labels[i];
    return positives;
}

/* NULL, or why no curve can be fitted and judged. */
static const char *obstacle(const struct nbx_calibrated *c)
{
    if (c->fitted_positives + c->positives == 0)
        return "never happened to an item of a list";
    if (c->fitted_positives == 0)
        return "never happened in the half to fit on";
    if (c->positives == 0)
        return "never happened in the half to measure on";
    if (c->fitted_positives == c->fitted_n || c->positives == c->n)
        return "always happened";
    return NULL;
}

/* Cases (n) of the held-out half as each curve sees them. */
static enum nbx_err judge(struct nbx_calibrated *out, const struct nbx_calibrate__cases *c,
                          const struct nbx_isotonic *isotonic)
{
    const float *scores = c->scores + c->n_fitted;
    const uint8_t *labels = c->labels + c->n_fitted;
    struct nbx_case *cases = calloc(out->n, sizeof *cases);
    if (!cases)
        return NBX_ELIMIT;
    for (size_t i = 0; i < out->n; i++)
        cases[i] =
            (struct nbx_case){nbx_platt_apply(out->curve, (double)scores[i]), labels[i] != 0};
    out->platt = nbx_reliability_of(cases, out->n);
    for (size_t i = 0; i < out->n; i++)
        cases[i] = (struct nbx_case){nbx_isotonic_apply(isotonic, scores[i]), labels[i] != 0};
    out->isotonic = nbx_reliability_of(cases, out->n);
    for (size_t i = 0; i < out->n; i++)
        cases[i] = (struct nbx_case){nbx_platt_apply((struct nbx_platt){1, 0}, (double)scores[i]),
                                     labels[i] != 0};
    out->ece_before = nbx_reliability_of(cases, out->n).ece;
    free(cases);
    return NBX_OK;
}

static enum nbx_err fit(struct nbx_calibrated *out, const struct nbx_calibrate__cases *c)
{
    struct nbx_isotonic isotonic;
    out->curve = nbx_platt_fit(c->scores, c->labels, c->n_fitted);
    enum nbx_err err = nbx_isotonic_fit(&isotonic, c->scores, c->labels, c->n_fitted);
    if (err)
        return err;
    err = judge(out, c, &isotonic);
    nbx_isotonic_fini(&isotonic);
    return err;
}

/* One outcome, calibrated or left out. */
static enum nbx_err take_outcome(struct nbx_calibration *out, struct nbx_calibrate__cases *c,
                                 const struct nbx_dataset *pairs, const char *name)
{
    size_t n = c->start[c->n_customers];
    struct nbx_calibrated *o = &out->outcomes[out->n_outcomes];
    enum nbx_err err = nbx_calibrate__label(c, pairs);
    if (err)
        return err;
    *o = (struct nbx_calibrated){.fitted_n = c->n_fitted,
                                 .fitted_positives = count(c->labels, c->n_fitted),
                                 .n = n - c->n_fitted,
                                 .positives = count(c->labels + c->n_fitted, n - c->n_fitted)};
    memcpy(o->outcome, name, strlen(name) + 1);
    const char *why = obstacle(o);
    if (!why) {
        out->n_outcomes++;
        return fit(o, c);
    }
    struct nbx_left_out *left = &out->left_out[out->n_left_out++];
    memcpy(left->outcome, name, strlen(name) + 1);
    left->why = why;
    return NBX_OK;
}

static enum nbx_err take_all(struct nbx_calibration *out, struct nbx_calibrate__cases *c,
                             const struct nbx_calibrate_options *options, struct nbx_fault *fault)
{
    enum nbx_err err = NBX_OK;
    for (size_t i = 0; !err && i < options->n_outcomes; i++) {
        struct nbx_dataset *pairs;
        err = nbx_calibrate_read(&pairs, options->outcomes[i], options, fault);
        if (err)
            return err;
        if (take_outcome(out, c, pairs, options->outcomes[i]))
            err = nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory calibrating");
        nbx_dataset_destroy(&pairs);
    }
    if (!err && out->n_outcomes == 0)
        err = nbx_fault_set(fault, NBX_EBAD, "outcomes", "none can be calibrated: %s %s",
                            out->left_out[0].outcome, out->left_out[0].why);
    return err;
}

enum nbx_err nbx_calibrate(struct nbx_calibration *out, const struct nbx_bundle_info *bundle,
                           const struct nbx_dataset *events, const struct nbx_dataset *test,
                           const struct nbx_calibrate_options *options, struct nbx_fault *fault)
{
    struct nbx_calibrate__cases cases = {.bundle = bundle, .test = test};
    *out =
        (struct nbx_calibration){.k = options->k, .repeat = options->repeat, .seed = options->seed};
    if (options->n_outcomes == 0)
        return nbx_fault_set(fault, NBX_EBAD, "outcomes", "there is none");
    enum nbx_err err = nbx_calibrate__make_cases(&cases, events, options, fault);
    out->fitted_customers = cases.fitted_customers;
    out->customers = cases.held_customers;
    out->cold = cases.cold;
    if (!err)
        err = take_all(out, &cases, options, fault);
    nbx_calibrate__free_cases(&cases);
    return err;
}
