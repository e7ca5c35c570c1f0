/* SPDX-License-Identifier: MIT
 * Packing anew, beside the keeper, an index that many changes have scattered.
 *
 * The keeper begins it, goes on serving changes, and is woken by its bell when the work is done;
 * the new packing comes into service as any other world does. Where another bundle came into
 * service meanwhile, or the daemon stops, the work is thrown away.
 */
#include "engine/serve/keeper.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"

#define RETRY_NS INT64_C(10000000000) /* after memory was out */

static void work(void *repack)
{
    nbx_repack_run(repack);
}

/* A scattered index still answers: somewhat slower, never wrong. */
static void try_later(struct nbx_keeper_repack *r)
{
    r->not_before_ns = nbx_clock_mono_ns() + RETRY_NS;
    if (!r->told)
        nbx_log_warnx("index=scattered reason=memory retry_s=%lld",
                      (long long)(RETRY_NS / 1000000000));
    r->told = true;
}

static void begin(struct nbx_keeper *k)
{
    struct nbx_keeper_repack *r = &k->repack;
    int64_t now_ns = nbx_clock_mono_ns();
    if (!k->model || now_ns < r->not_before_ns)
        return;
    enum nbx_err err = nbx_repack_begin(&r->repack, k->model);
    if (!err && !r->repack)
        return;
    r->aside = (struct nbx_aside){.work = work, .arg = r->repack, .bell = &k->bell, .idle = true};
    r->begun_ns = now_ns;
    if (err || nbx_aside_start(&r->aside)) {
        nbx_repack_discard(&r->repack);
        try_later(r);
        return;
    }
    nbx_count(&k->counters.repacks_begun, 1);
}

/* True if the world changed. */
static bool end(struct nbx_keeper *k)
{
    struct nbx_keeper_repack *r = &k->repack;
    struct nbx_model *fresh, *old = k->model;
    nbx_aside_join(&r->aside);
    enum nbx_err err = nbx_repack_end(&fresh, k->model, &r->repack);
    if (!err) {
        k->model = fresh;
        err = nbx_keeper__publish(k);
        if (err) {
            k->model = old;
            old = fresh;
        }
        nbx_model_release(&old);
    }
    if (err == NBX_ECONFLICT)
        nbx_log_info("index=discarded reason=\"another model came into service\"");
    else if (err)
        try_later(r);
    else {
        r->told = false;
        nbx_log_info("index=packed ms=%lld",
                     (long long)((nbx_clock_mono_ns() - r->begun_ns) / 1000000));
    }
    nbx_count(&k->counters.repacks_ended, 1);
    return !err;
}

bool nbx_keeper__repack(struct nbx_keeper *k)
{
    if (!k->repack.aside.running) {
        begin(k);
        return false;
    }
    return nbx_keeper__repacked(k) && end(k);
}

bool nbx_keeper__repacked(const struct nbx_keeper *k)
{
    return nbx_aside_done(&k->repack.aside);
}

void nbx_keeper__repack_stop(struct nbx_keeper *k)
{
    nbx_aside_join(&k->repack.aside);
    nbx_repack_discard(&k->repack.repack);
}
