/* SPDX-License-Identifier: MIT
 * Memory that is charged to a budget.
 *
 * Owns:    nothing: the caller remembers how many bytes he took.
 * Threads: any.
 * Errors:  NULL past the budget or where memory is out; nothing is charged then.
 */
#ifndef NBX_BASE_CHARGED_H
#define NBX_BASE_CHARGED_H

#include "engine/base/budget.h"

#include <stdlib.h>

/* Zeros; where they are many, pages nobody touches are not taken from the machine. */
static inline void *nbx_charged_calloc(struct nbx_budget *budget, size_t bytes)
{
    if (nbx_budget_take(budget, bytes))
        return NULL;
    void *p = calloc(1, bytes);
    if (!p)
        nbx_budget_give(budget, bytes);
    return p;
}

/* Uninitialised, aligned to 64 bytes. */
static inline void *nbx_charged_aligned(struct nbx_budget *budget, size_t bytes)
{
    if (nbx_budget_take(budget, bytes))
        return NULL;
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p)
        nbx_budget_give(budget, bytes);
    return p;
}

static inline void nbx_charged_free(struct nbx_budget *budget, void *p, size_t bytes)
{
    if (!p)
        return;
    free(p);
    nbx_budget_give(budget, bytes);
}

#endif
