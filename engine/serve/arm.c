/* SPDX-License-Identifier: MIT */
#include "engine/serve/arm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void nbx_arm_note(struct nbx_arm *arm, int64_t took_ns, enum nbx_err err,
                  const struct nbx_decision *decision)
{
    struct nbx_arm_figures *f = &arm->figures;
    pthread_mutex_lock(&arm->lock);
    f->asked++;
    f->failed += err != NBX_OK;
    nbx_hist_add(&f->took_ns, (uint64_t)took_ns);
    for (uint32_t i = 0; !err && i < decision->n && f->n_shown < NBX_ARM_SHOWN; i++)
        f->shown[f->n_shown++] = decision->choices[i].item_no;
    pthread_mutex_unlock(&arm->lock);
}

void nbx_arm_take(struct nbx_arm *arm, struct nbx_arm_figures *sum)
{
    struct nbx_arm_figures *f = &arm->figures;
    pthread_mutex_lock(&arm->lock);
    if (!f->asked) { /* as most times: it is looked at in every round */
        pthread_mutex_unlock(&arm->lock);
        return;
    }
    uint32_t room = NBX_ARM_SHOWN - sum->n_shown;
    uint32_t n = f->n_shown < room ? f->n_shown : room;
    memcpy(sum->shown + sum->n_shown, f->shown, n * sizeof *f->shown);
    sum->n_shown += n;
    sum->asked += f->asked;
    sum->failed += f->failed;
    nbx_hist_merge(&sum->took_ns, &f->took_ns);
    *f = (struct nbx_arm_figures){0};
    pthread_mutex_unlock(&arm->lock);
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

uint32_t nbx_arm_distinct(const struct nbx_arm_figures *figures, uint32_t n)
{
    uint32_t sorted[NBX_ARM_SHOWN], distinct = 0;
    memcpy(sorted, figures->shown, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_number);
    for (uint32_t i = 0; i < n; i++)
        distinct += i == 0 || sorted[i] != sorted[i - 1];
    return distinct;
}

static double share_failed(const struct nbx_arm_figures *f)
{
    return f->asked ? (double)f->failed / (double)f->asked : 0;
}

static bool fails(const struct nbx_guard *g, const struct nbx_arm_figures *arms, char *why,
                  size_t bytes)
{
    const struct nbx_arm_figures *canary = &arms[NBX_ARM_CANARY];
    double of_canary = share_failed(canary), of_active = share_failed(&arms[NBX_ARM_ACTIVE]);
    if (of_canary <= of_active + g->max_failed)
        return false;
    snprintf(why, bytes,
             "%llu of %llu requests failed, a share of %.4g where the active model's is %.4g; "
             "canary_max_failed allows %.4g more",
             (unsigned long long)canary->failed, (unsigned long long)canary->asked, of_canary,
             of_active, g->max_failed);
    return true;
}

static bool dawdles(const struct nbx_guard *g, const struct nbx_arm_figures *arms, char *why,
                    size_t bytes)
{
    uint64_t canary = nbx_hist_quantile(&arms[NBX_ARM_CANARY].took_ns, .99);
    uint64_t active = nbx_hist_quantile(&arms[NBX_ARM_ACTIVE].took_ns, .99);
    if (canary <= NBX_GUARD_FAST_NS || (double)canary <= g->max_slower * (double)active)
        return false;
    snprintf(why, bytes,
             "deciding takes %.3f ms at the 99th percentile where the active model takes %.3f; "
             "canary_max_slower allows %.4g times as long",
             (double)canary / 1e6, (double)active / 1e6, g->max_slower);
    return true;
}

/* Of as many shown by each: the more are shown, the more are distinct. */
static bool repeats(const struct nbx_guard *g, const struct nbx_arm_figures *arms, char *why,
                    size_t bytes)
{
    const struct nbx_arm_figures *canary = &arms[NBX_ARM_CANARY], *active = &arms[NBX_ARM_ACTIVE];
    uint32_t n = canary->n_shown < active->n_shown ? canary->n_shown : active->n_shown;
    uint32_t of_canary = nbx_arm_distinct(canary, n), of_active = nbx_arm_distinct(active, n);
    if ((double)of_canary >= g->min_coverage * (double)of_active)
        return false;
    snprintf(why, bytes,
             "of %u items shown %u are distinct where of the active model's %u are; "
             "canary_min_coverage wants a share of %.4g",
             n, of_canary, of_active, g->min_coverage);
    return true;
}

enum nbx_verdict nbx_guard_judge(const struct nbx_guard *guard, const struct nbx_arm_figures *arms,
                                 char *why, size_t bytes)
{
    const struct nbx_arm_figures *canary = &arms[NBX_ARM_CANARY];
    bool full = canary->asked >= guard->window && arms[NBX_ARM_ACTIVE].asked >= guard->window;
    if (!full && canary->failed < NBX_GUARD_FAILURES)
        return NBX_VERDICT_OPEN;
    if (fails(guard, arms, why, bytes) ||
        (full && (dawdles(guard, arms, why, bytes) || repeats(guard, arms, why, bytes))))
        return NBX_VERDICT_BAD;
    return full ? NBX_VERDICT_GOOD : NBX_VERDICT_OPEN;
}
