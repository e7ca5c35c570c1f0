/* SPDX-License-Identifier: MIT */
#include "engine/base/parallel.h"

#include <criterion/criterion.h>
#include <stdatomic.h>

#define CHUNKS 1000

struct count {
    _Atomic unsigned visits[CHUNKS];
    _Atomic unsigned largest_worker;
    size_t fail_from; /* chunks from here on fail, each with its own code */
};

static enum nbx_err visit(void *ctx, unsigned worker, size_t chunk)
{
    struct count *c = ctx;
    atomic_fetch_add(&c->visits[chunk], 1);
    if (worker > atomic_load(&c->largest_worker))
        atomic_store(&c->largest_worker, worker);
    if (chunk == c->fail_from)
        return NBX_EBAD;
    return chunk > c->fail_from ? NBX_ELIMIT : NBX_OK;
}

Test(parallel, every_chunk_runs_once)
{
    for (unsigned threads = 1; threads <= 5; threads++) {
        struct count c = {.fail_from = CHUNKS};
        cr_expect_eq(nbx_parallel(threads, CHUNKS, visit, &c), NBX_OK);
        for (size_t i = 0; i < CHUNKS; i++)
            cr_assert_eq(c.visits[i], 1);
        cr_expect_lt(c.largest_worker, threads);
    }
}

Test(parallel, nothing_to_do)
{
    cr_expect_eq(nbx_parallel(4, 0, visit, NULL), NBX_OK);
}

Test(parallel, the_first_failing_chunk_is_reported)
{
    struct count c = {.fail_from = 10};
    cr_expect_eq(nbx_parallel(3, CHUNKS, visit, &c), NBX_EBAD);
    cr_expect_eq(c.visits[CHUNKS - 1], 0);
}

Test(parallel, processors_are_counted)
{
    cr_expect_geq(nbx_parallel_processors(), 1);
    cr_expect_leq(nbx_parallel_processors(), NBX_PARALLEL_MAX_THREADS);
}
