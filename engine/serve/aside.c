/* SPDX-License-Identifier: MIT */
#include "engine/serve/aside.h"

#include <sched.h>
#include <stdatomic.h>

static void *aside_main(void *arg)
{
    struct nbx_aside *a = arg;
    a->work(a->arg);
    atomic_store(&a->done, true);
    nbx_bell_ring(a->bell);
    return NULL;
}

enum nbx_err nbx_aside_start(struct nbx_aside *a)
{
    static const struct sched_param none;
    atomic_store(&a->done, false);
    a->running = pthread_create(&a->thread, NULL, aside_main, a) == 0;
    if (!a->running)
        return NBX_ELIMIT;
    if (a->idle)
        pthread_setschedparam(a->thread, SCHED_IDLE, &none); /* a wish */
    return NBX_OK;
}

bool nbx_aside_done(const struct nbx_aside *a)
{
    return a->running && atomic_load(&a->done);
}

void nbx_aside_hurry(struct nbx_aside *a)
{
    static const struct sched_param none;
    if (a->running && a->idle)
        pthread_setschedparam(a->thread, SCHED_OTHER, &none);
    a->idle = false;
}

void nbx_aside_join(struct nbx_aside *a)
{
    if (!a->running)
        return;
    nbx_aside_hurry(a); /* somebody waits now */
    pthread_join(a->thread, NULL);
    a->running = false;
}
