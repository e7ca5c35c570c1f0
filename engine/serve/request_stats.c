/* SPDX-License-Identifier: MIT
 * stats: every thread's counters, queues and memory as one map of numbers.
 */
#include "engine/base/clock.h"
#include "engine/score/dot.h"
#include "engine/serve/request.h"
#include "proto/wire.h"

#include <stdio.h>
#include <unistd.h>

/* A map being written whose size is known only at its end. */
struct stats {
    struct nbx_buf members;
    uint32_t n;
};

static void put(struct stats *s, const char *name, uint64_t v)
{
    nbx_wire_kv_int(&s->members, name, (int64_t)v);
    s->n++;
}

static void put_requests(struct stats *s, const struct nbx_server *server)
{
    char name[64];
    for (int op = 0; op < NBX_N_OPS; op++) {
        snprintf(name, sizeof name, "requests.%s", nbx_ops[op].name);
        put(s, name, nbx_counted(&server->front.counters.requests[op]));
    }
    put(s, "requests.refused", nbx_counted(&server->front.counters.refused));
    put(s, "requests.shed", nbx_counted(&server->front.counters.shed));
    put(s, "requests.malformed", nbx_counted(&server->front.counters.malformed));
    put(s, "replies.unsent", nbx_counted(&server->front.counters.unsent));
}

static void put_work(struct stats *s, const struct nbx_worker *worker)
{
    const struct nbx_server *server = worker->server;
    uint64_t events = 0, duplicates = 0, withheld = 0, decisions = 0, lost = 0;
    uint64_t impressions = 0, listed = 0, depth = 0;
    for (unsigned w = 0; w < server->n_workers; w++) {
        const struct nbx_counters *c = &server->workers[w].counters;
        events += nbx_counted(&c->events);
        duplicates += nbx_counted(&c->duplicates);
        withheld += nbx_counted(&c->withheld);
        decisions += nbx_counted(&c->decisions);
        lost += nbx_counted(&c->decisions_lost);
        impressions += nbx_counted(&c->impressions);
        listed += nbx_counted(&c->listed);
        depth += nbx_ring_depth(server->workers[w].from_front);
    }
    put(s, "workers", server->n_workers);
    put(s, "workers.waiting", depth);
    put(s, "events.applied", events);
    put(s, "events.duplicates", duplicates);
    put(s, "events.withheld", withheld);
    put(s, "decisions.recorded", decisions);
    put(s, "decisions.lost", lost);
    put(s, "impressions", impressions);
    put(s, "customers.listed", listed);
    put(s, "forgotten.erased", nbx_counted(&server->keeper.counters.erased));
    put(s, "forgotten.to_erase", nbx_server__to_erase(server));
    put(s, "identities.linked", nbx_customers_n_linked(server->customers));
    put(s, "syncs", nbx_counted(&server->commit.counters.syncs));
    put(s, "syncs.acknowledged", nbx_counted(&server->commit.counters.synced));
    put(s, "worlds", nbx_counted(&server->keeper.counters.worlds));
    put(s, "repacks.begun", nbx_counted(&server->keeper.counters.repacks_begun));
    put(s, "repacks.ended", nbx_counted(&server->keeper.counters.repacks_ended));
    put(s, "excerpts.made", nbx_counted(&server->keeper.counters.excerpts_made));
    put(s, "excerpts.refused", nbx_counted(&server->keeper.counters.excerpts_refused));
    put(s, "excerpts.bytes", nbx_counted(&server->keeper.counters.excerpt_bytes));
    put(s, "excerpts", worker->world->n_excerpts);
}

static uint64_t resident_bytes(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%*u %lu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void put_memory(struct stats *s, const struct nbx_worker *w)
{
    const struct nbx_server *server = w->server;
    struct nbx_store_stats store;
    struct nbx_filter_stats filters;
    nbx_store_get_stats(server->store, &store);
    nbx_filter_cache_stats(w->filters, &filters);
    put(s, "memory.resident_bytes", resident_bytes());
    put(s, "memory.limit_bytes", server->options.memory_limit);
    put(s, "memory.state_bytes", atomic_load(&server->budget.used));
    put(s, "store.cache_bytes", store.cache_bytes);
    put(s, "store.memtable_bytes", store.memtable_bytes);
    put(s, "store.disk_bytes", store.disk_bytes);
    put(s, "store.background_errors", store.background_errors);
    put(s, "store.write_stopped", store.write_stopped);
    put(s, "store.disk_full", store.disk_full);
    put(s, "filters.hits", filters.hits);
    put(s, "filters.misses", filters.misses);
    put(s, "filters.bytes", filters.bytes);
}

void nbx_request_stats(struct nbx_request *r)
{
    struct nbx_simple_req req;
    struct stats s = {0};
    const struct nbx_worker *w = r->worker;
    if (nbx_message_simple(&req, nbx_job_body(r->job), r->scope.arena, &r->fault)) {
        nbx_reply_fault(r->job, &r->fault, &req.id);
        return;
    }
    put(&s, "uptime_ms", (uint64_t)(nbx_clock_mono_ns() - w->server->started_ns) / 1000000);
    put(&s, "items", nbx_catalog_count(w->world->catalog));
    put_requests(&s, w->server);
    put_work(&s, w);
    put_memory(&s, w);
    nbx_reply_begin(r->job, s.n + 1, &req.id);
    nbx_wire_kv_text(&r->job->reply, "kernel", nbx_dot_kernel());
    nbx_buf_put(&r->job->reply, s.members.p, s.members.len);
    r->job->reply.failed |= s.members.failed;
    nbx_buf_fini(&s.members);
    nbx_reply_finish(r->job);
}
