/* SPDX-License-Identifier: MIT */
#include "engine/base/parallel.h"

#include "engine/base/check.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

struct loop {
    nbx_parallel_fn fn;
    void *ctx;
    size_t n_chunks;
    _Atomic size_t next;
    pthread_mutex_t lock; /* of the two below */
    size_t failed_chunk;
    enum nbx_err err;
};

struct worker {
    struct loop *loop;
    unsigned number;
    pthread_t thread;
};

static void note_failure(struct loop *loop, size_t chunk, enum nbx_err err)
{
    pthread_mutex_lock(&loop->lock);
    if (!loop->err || chunk < loop->failed_chunk) {
        loop->failed_chunk = chunk;
        loop->err = err;
    }
    pthread_mutex_unlock(&loop->lock);
    atomic_store(&loop->next, loop->n_chunks);
}

static void *run(void *arg)
{
    struct worker *w = arg;
    struct loop *loop = w->loop;
    for (;;) {
        size_t chunk = atomic_fetch_add(&loop->next, 1);
        if (chunk >= loop->n_chunks)
            return NULL;
        enum nbx_err err = loop->fn(loop->ctx, w->number, chunk);
        if (err)
            note_failure(loop, chunk, err);
    }
}

enum nbx_err nbx_parallel(unsigned threads, size_t n_chunks, nbx_parallel_fn fn, void *ctx)
{
    NBX_ASSERT(threads >= 1 && threads <= NBX_PARALLEL_MAX_THREADS);
    struct loop loop = {.fn = fn, .ctx = ctx, .n_chunks = n_chunks};
    struct worker workers[NBX_PARALLEL_MAX_THREADS];
    unsigned started = 1;
    pthread_mutex_init(&loop.lock, NULL);
    workers[0] = (struct worker){&loop, 0, pthread_self()};
    while (started < threads && started < n_chunks) {
        workers[started] = (struct worker){.loop = &loop, .number = started};
        if (pthread_create(&workers[started].thread, NULL, run, &workers[started]))
            break;
        started++;
    }
    run(&workers[0]);
    for (unsigned i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_mutex_destroy(&loop.lock);
    return loop.err;
}

unsigned nbx_parallel_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    /* Who runs when nobody else wants a processor leaves the others one to wake up on. */
    int n = sched_getscheduler(0) == SCHED_IDLE ? 1 : CPU_COUNT(&set);
    return n < 1 ? 1 : n > NBX_PARALLEL_MAX_THREADS ? NBX_PARALLEL_MAX_THREADS : (unsigned)n;
}
