/* SPDX-License-Identifier: MIT
 * A count of bytes that several owners share, with a limit that holds.
 *
 * Threads: any.
 * Errors:  nbx_budget_take answers NBX_ELIMIT and takes nothing. A budget of NULL has no limit.
 */
#ifndef NBX_BASE_BUDGET_H
#define NBX_BASE_BUDGET_H

#include "engine/base/err.h"

#include <stdatomic.h>
#include <stddef.h>

struct nbx_budget {
    size_t limit; /* bytes */
    _Atomic size_t used;
};

static inline enum nbx_err nbx_budget_take(struct nbx_budget *b, size_t bytes)
{
    if (!b)
        return NBX_OK;
    size_t before = atomic_fetch_add(&b->used, bytes);
    if (before + bytes <= b->limit)
        return NBX_OK;
    atomic_fetch_sub(&b->used, bytes);
    return NBX_ELIMIT;
}

static inline void nbx_budget_give(struct nbx_budget *b, size_t bytes)
{
    if (b)
        atomic_fetch_sub(&b->used, bytes);
}

#endif
