/* SPDX-License-Identifier: MIT */
#include "models/dataset/internal.h"

#include <math.h>
#include <stdlib.h>

/* However old, a pair is there: its weight does not round to nothing. */
#define LEAST_SHARE 0x1p-40

static int compare_events(const void *a, const void *b)
{
    const struct nbx_dataset__event *x = a, *y = b;
    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    if (x->time_ms != y->time_ms)
        return x->time_ms < y->time_ms ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* Events by customer, a customer's by (item, time, order): counting sort, then each customer's
 * few by comparison. */
static enum nbx_err sort_events(struct nbx_dataset__reading *r)
{
    size_t n_customers = nbx_map_count(r->owner->customer_map);
    size_t *end = calloc(n_customers + 1, sizeof *end);
    struct nbx_dataset__event *sorted = calloc(r->n_events + 1, sizeof *sorted);
    if (!end || !sorted) {
        free(end);
        free(sorted);
        return NBX_ELIMIT;
    }
    for (size_t i = 0; i < r->n_events; i++)
        end[r->events[i].customer + 1]++;
    for (size_t c = 0; c < n_customers; c++)
        end[c + 1] += end[c];
    for (size_t i = 0; i < r->n_events; i++)
        sorted[end[r->events[i].customer]++] = r->events[i];
    for (size_t c = 0, from = 0; c < n_customers; from = end[c++])
        qsort(sorted + from, end[c] - from, sizeof *sorted, compare_events);
    free(end);
    free(r->events);
    r->events = sorted;
    return NBX_OK;
}

/* What age leaves of a weight; an event without a time is as old as the first that has one. */
static double share_left(const struct nbx_dataset__reading *r, int64_t time_ms)
{
    const struct nbx_dataset *d = &r->owner->public;
    int64_t half_life_ms = r->options->half_life_ms;
    if (half_life_ms == 0 || d->first_ms == NBX_DATASET_NO_TIME)
        return 1;
    int64_t since = time_ms == NBX_DATASET_NO_TIME ? d->first_ms : time_ms;
    return fmax(exp2(-(double)(d->last_ms - since) / (double)half_life_ms), LEAST_SHARE);
}

float nbx_dataset__weight(const struct nbx_dataset__reading *r, uint32_t type)
{
    switch (type) {
    case NBX_DATASET__NO_TYPE: return 1;
    case NBX_DATASET__REFUSAL: return -1;
    case NBX_DATASET__NEUTRAL: return 0;
    default: return r->types->type[type].weight;
    }
}

static float weigh(const struct nbx_dataset__reading *r, const struct nbx_dataset__event *event)
{
    float weight = nbx_dataset__weight(r, event->type);
    return weight < 0 ? weight : (float)(weight * share_left(r, event->time_ms));
}

/* What is left of one customer's events on one item, n > 0 of them in order: 0 is nothing. */
static float fold_events(const struct nbx_dataset__reading *r,
                         const struct nbx_dataset__event *events, size_t n)
{
    float weight = 0;
    for (size_t i = 0; i < n; i++) {
        float w = weigh(r, &events[i]);
        weight = w < 0 ? 0 : fmaxf(weight, w);
    }
    return weight;
}

/* Of one customer's events on one item, n in order, those that an earlier one equals in time and
 * type. */
static uint64_t count_duplicates(const struct nbx_dataset__event *events, size_t n)
{
    uint64_t seen[NBX_DATASET__NEUTRAL / 64 + 1] = {0}, duplicates = 0;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && events[i].time_ms != events[i - 1].time_ms)
            memset(seen, 0, sizeof seen);
        uint64_t *word = &seen[events[i].type / 64], bit = UINT64_C(1) << events[i].type % 64;
        duplicates += (*word & bit) != 0;
        *word |= bit;
    }
    return duplicates;
}

static size_t same_pair(const struct nbx_dataset__reading *r, size_t from)
{
    const struct nbx_dataset__event *first = &r->events[from];
    size_t n = 1;
    while (from + n < r->n_events && first[n].customer == first->customer &&
           first[n].item == first->item)
        n++;
    return n;
}

enum nbx_err nbx_dataset__fold_pairs(struct nbx_dataset__reading *r)
{
    enum nbx_err err = sort_events(r);
    if (err)
        return err;
    r->room = r->n_events;
    r->pairs = calloc(r->room + 1, sizeof *r->pairs);
    if (!r->pairs)
        return NBX_ELIMIT;
    for (size_t i = 0, n; i < r->n_events; i += n) {
        const struct nbx_dataset__event *first = &r->events[i];
        n = same_pair(r, i);
        const struct nbx_dataset__event *last = &first[n - 1];
        float weight = fold_events(r, first, n);
        size_t at = weight > 0 ? r->n_pairs++ : r->room - ++r->n_refused;
        r->pairs[at] = (struct nbx_dataset__pair){first->customer, first->item, weight, last->order,
                                                  last->time_ms};
        r->owner->public.counts.duplicates += count_duplicates(first, n);
    }
    free(r->events);
    r->events = NULL;
    return NBX_OK;
}
