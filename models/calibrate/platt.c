/* SPDX-License-Identifier: MIT */
#include "models/calibrate/platt.h"

#include <math.h>
#include <stdbool.h>

#define MAX_STEPS   100
#define RIDGE       1e-12 /* keeps the system solvable where all scores are nearly equal */
#define CLOSE       1e-10 /* mean gradient at which the fit is done */
#define SUFFICIENT  1e-4  /* of what a step promises, the share it must keep */
#define MAX_HALVED  34
#define LEAST_SHARE 1e-12 /* of the scores' size that is no deviation but rounding */

/* The data as they are fitted: scores standardised, so that a and b are of like size. */
struct data {
    const float *scores;   /* (n) */
    const uint8_t *labels; /* (n) */
    size_t n;
    double mean, deviation;
    double yes, no; /* targets of labels 1 and 0 */
};

/* Gradient and Hessian of the loss, over n. */
struct slopes {
    double ga, gb, haa, hab, hbb;
};

static double standard(const struct data *d, size_t i)
{
    return ((double)d->scores[i] - d->mean) / d->deviation;
}

static double target(const struct data *d, size_t i)
{
    return d->labels[i] ? d->yes : d->no;
}

double nbx_platt_apply(struct nbx_platt p, double score)
{
    return 1 / (1 + exp(-(p.a * score + p.b)));
}

/* Mean cross-entropy, written so that no exponential overflows. */
static double loss(const struct data *d, struct nbx_platt p)
{
    double sum = 0;
    for (size_t i = 0; i < d->n; i++) {
        double f = p.a * standard(d, i) + p.b, t = target(d, i);
        sum += f >= 0 ? (1 - t) * f + log1p(exp(-f)) : -t * f + log1p(exp(f));
    }
    return sum / (double)d->n;
}

static struct slopes slopes_at(const struct data *d, struct nbx_platt p)
{
    struct slopes s = {.haa = 0};
    for (size_t i = 0; i < d->n; i++) {
        double z = standard(d, i), q = nbx_platt_apply(p, z);
        double wrong = q - target(d, i), curve = q * (1 - q);
        s.ga += wrong * z;
        s.gb += wrong;
        s.haa += curve * z * z;
        s.hab += curve * z;
        s.hbb += curve;
    }
    double n = (double)d->n;
    return (struct slopes){s.ga / n, s.gb / n, s.haa / n + RIDGE, s.hab / n, s.hbb / n + RIDGE};
}

/* One Newton step, halved until it helps; false where none does. */
static bool step(const struct data *d, struct nbx_platt *p, double *now)
{
    struct slopes s = slopes_at(d, *p);
    if (fabs(s.ga) < CLOSE && fabs(s.gb) < CLOSE)
        return false;
    double det = s.haa * s.hbb - s.hab * s.hab;
    double da = -(s.hbb * s.ga - s.hab * s.gb) / det, db = -(s.haa * s.gb - s.hab * s.ga) / det;
    double promise = s.ga * da + s.gb * db;
    double share = 1;
    for (int halved = 0; halved < MAX_HALVED; halved++, share /= 2) {
        struct nbx_platt next = {p->a + share * da, p->b + share * db};
        double then = loss(d, next);
        if (then < *now + SUFFICIENT * share * promise) {
            *p = next;
            *now = then;
            return true;
        }
    }
    return false;
}

static void standardise(struct data *d)
{
    double sum = 0, squares = 0, largest = 0;
    for (size_t i = 0; i < d->n; i++) {
        sum += (double)d->scores[i];
        largest = fmax(largest, fabs((double)d->scores[i]));
    }
    d->mean = sum / (double)d->n;
    for (size_t i = 0; i < d->n; i++)
        squares += ((double)d->scores[i] - d->mean) * ((double)d->scores[i] - d->mean);
    d->deviation = sqrt(squares / (double)d->n);
    if (d->deviation <= LEAST_SHARE * largest)
        d->deviation = INFINITY; /* every score is the mean */
}

struct nbx_platt nbx_platt_fit(const float *scores, const uint8_t *labels, size_t n)
{
    struct data d = {.scores = scores, .labels = labels, .n = n};
    double positives = 0, negatives = 0;
    for (size_t i = 0; i < n; i++)
        positives += labels[i] != 0;
    negatives = (double)n - positives;
    d.yes = (positives + 1) / (positives + 2);
    d.no = 1 / (negatives + 2);
    standardise(&d);
    struct nbx_platt p = {0, log((positives + 1) / (negatives + 1))};
    double now = loss(&d, p);
    for (int i = 0; i < MAX_STEPS && step(&d, &p, &now); i++)
        ;
    return (struct nbx_platt){p.a / d.deviation, p.b - p.a * d.mean / d.deviation};
}
