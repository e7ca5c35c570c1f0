/* SPDX-License-Identifier: MIT
 * Ridding the files of who was forgotten, beside the keeper: some seconds after the first of them,
 * so that many go together, or after the start, where an end came between. RocksDB's threads do the
 * work, which yield to whoever answers; the one here waits for them.
 */
#include "engine/serve/keeper.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/care/erase.h"

#define GATHER_NS INT64_C(3000000000)
#define RETRY_NS  INT64_C(20000000000) /* after an error */

uint64_t nbx_server__to_erase(const struct nbx_server *s)
{
    uint64_t forgotten = nbx_counted(&s->keeper.counters.forgotten);
    uint64_t erased = nbx_counted(&s->keeper.counters.erased);
    for (unsigned w = 0; w < s->n_workers; w++)
        forgotten += nbx_counted(&s->workers[w].counters.forgotten);
    return forgotten > erased ? forgotten - erased : 0;
}

enum nbx_err nbx_keeper__erase_load(struct nbx_keeper *k)
{
    size_t n;
    enum nbx_err err = nbx_erase_count(&n, k->server->store);
    nbx_count(&k->counters.forgotten, n);
    return err;
}

static void work(void *arg)
{
    struct nbx_keeper_erase *e = arg;
    e->err = nbx_erase_forgotten(&e->n, e->customers, nbx_clock_wall_ms());
}

static void begin(struct nbx_keeper *k)
{
    struct nbx_keeper_erase *e = &k->erase;
    int64_t now_ns = nbx_clock_mono_ns();
    if (!nbx_server__to_erase(k->server))
        return;
    if (!e->not_before_ns)
        e->not_before_ns = now_ns + GATHER_NS;
    if (now_ns < e->not_before_ns)
        return;
    e->customers = k->server->customers;
    e->begun_ns = now_ns;
    e->not_before_ns = now_ns + RETRY_NS;
    /* Not idle: it takes the store's locks. */
    e->aside = (struct nbx_aside){.work = work, .arg = e, .bell = &k->bell};
    if (nbx_aside_start(&e->aside))
        nbx_log_warnx("erase=later reason=no_thread");
}

bool nbx_keeper__erase_ended(const struct nbx_keeper *k)
{
    return nbx_aside_done(&k->erase.aside);
}

bool nbx_keeper__erase(struct nbx_keeper *k)
{
    struct nbx_keeper_erase *e = &k->erase;
    if (!e->aside.running)
        begin(k);
    if (!nbx_keeper__erase_ended(k))
        return false;
    nbx_aside_join(&e->aside);
    nbx_count(&k->counters.erased, e->n);
    if (e->err) {
        nbx_log_warnx("erase=later reason=%s", nbx_err_status(e->err));
        e->not_before_ns = nbx_clock_mono_ns() + RETRY_NS;
        return true;
    }
    e->not_before_ns = 0;
    if (e->n)
        nbx_log_info("erase=done customers=%zu took_ms=%lld", e->n,
                     (long long)((nbx_clock_mono_ns() - e->begun_ns) / 1000000));
    return true;
}

void nbx_keeper__erase_stop(struct nbx_keeper *k)
{
    if (k->erase.aside.running)
        nbx_store_stop_erasing(k->server->store);
    nbx_aside_join(&k->erase.aside);
}
