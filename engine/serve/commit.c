/* SPDX-License-Identifier: MIT
 * The commit thread: one sync for everybody waiting, then all their acknowledgements.
 */
#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/serve/server_internal.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Writers that wait for each other's acknowledgements come back soon after them. Where the last
 * sync released several, the next one waits half of what that took, so that they are in it together
 * and not half of them in the one after: 16 writers then get a fifth more through.
 * (PostgreSQL's commit_delay and commit_siblings do the same.) */
#define SIBLINGS    4
#define DELAY_SHARE 2               /* of the last sync: half */
#define DELAY_MOST  INT64_C(300000) /* ns */

static void wait_for_siblings(const struct nbx_commit *c)
{
    int64_t delay_ns = c->sync_ns / DELAY_SHARE;
    if (c->n_released < SIBLINGS)
        return;
    struct timespec delay = {0, delay_ns < DELAY_MOST ? delay_ns : DELAY_MOST};
    nanosleep(&delay, NULL);
}

/* Everything that waits now, beside the n that are gathered. */
static size_t gather(struct nbx_commit *c, size_t n)
{
    for (unsigned w = 0; w < c->server->n_workers; w++)
        while (n < c->max && (c->waiting[n] = nbx_ring_pop(c->server->workers[w].to_commit)))
            n++;
    while (n < c->max && (c->waiting[n] = nbx_ring_pop(c->from_keeper)))
        n++;
    return n;
}

/* A failed fsync may have dropped what it did not write and a second one would not say so: the
 * process ends, and recovery reads what the disk has. */
static void sync_or_die(struct nbx_commit *c)
{
    int64_t start_ns = nbx_clock_mono_ns();
#ifndef NBX_FAULT_NO_SYNC /* tests/crash builds a daemon that forgets, and must catch it */
    if (nbx_store_sync(c->server->store) || nbx_customers_sync(c->server->customers)) {
        nbx_log_errorx("sync=failed action=exit");
        _exit(1);
    }
#endif
    c->sync_ns = nbx_clock_mono_ns() - start_ns;
    nbx_count(&c->counters.syncs, 1);
}

static void release(struct nbx_commit *c, size_t n)
{
    size_t n_answers = 0;
    for (size_t i = 0; i < n; i++) {
        struct nbx_job *job = c->waiting[i]->kind == NBX_MAIL_PART
                                  ? nbx_fan__part_done((struct nbx_part *)c->waiting[i])
                                  : (struct nbx_job *)c->waiting[i];
        if (job)
            c->answers[n_answers++] = job;
    }
    nbx_front__answer(&c->server->front, c->answers, n_answers);
    nbx_count(&c->counters.synced, n);
    c->n_released = n;
}

static bool waits(const struct nbx_commit *c)
{
    for (unsigned w = 0; w < c->server->n_workers; w++)
        if (nbx_ring_depth(c->server->workers[w].to_commit))
            return true;
    return nbx_ring_depth(c->from_keeper) > 0;
}

static void *commit_main(void *arg)
{
    struct nbx_commit *c = arg;
    for (;;) {
        size_t n = gather(c, 0);
        if (n > 0) {
            wait_for_siblings(c);
            n = gather(c, n);
            sync_or_die(c);
            release(c, n);
            continue;
        }
        if (atomic_load(&c->server->stop))
            return NULL;
        nbx_bell_sleep(&c->bell);
        if (!waits(c) && !atomic_load(&c->server->stop))
            nbx_bell_wait(&c->bell, -1);
        nbx_bell_wake(&c->bell);
    }
}

enum nbx_err nbx_commit__start(struct nbx_commit *c, struct nbx_server *server)
{
    c->server = server;
    c->max = server->front.max_jobs;
    c->waiting = calloc(c->max, sizeof(struct nbx_mail *));
    c->from_keeper = nbx_ring_new(c->max);
    c->answers = calloc(c->max, sizeof(struct nbx_job *));
    if (!c->waiting || !c->answers || !c->from_keeper || nbx_bell_init(&c->bell))
        return NBX_ELIMIT;
    return pthread_create(&c->thread, NULL, commit_main, c) ? NBX_ELIMIT : NBX_OK;
}

void nbx_commit__stop(struct nbx_commit *c)
{
    if (!c->thread)
        return;
    nbx_bell_ring(&c->bell);
    pthread_join(c->thread, NULL);
}

void nbx_commit__free(struct nbx_commit *c)
{
    nbx_ring_destroy(&c->from_keeper);
    free(c->waiting);
    free(c->answers);
    nbx_bell_fini(&c->bell);
}
