/* SPDX-License-Identifier: MIT */
#include "engine/serve/asker.h"

#include "engine/base/clock.h"
#include "engine/serve/server_internal.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES  ((size_t)64 << 20)
#define FILTER_BYTES ((size_t)8 << 20)

struct nbx_question *nbx_question_of(struct nbx_job *job)
{
    struct nbx_str key = nbx_job_key(job);
    struct nbx_body body = nbx_job_body(job);
    struct nbx_question *q = malloc(sizeof *q + key.len + body.len);
    if (!q)
        return NULL;
    *q = (struct nbx_question){.op = job->op->op,
                               .group = job->group,
                               .arrived_ms = job->arrived_ms,
                               .key_len = (uint32_t)key.len,
                               .body_len = (uint32_t)body.len};
    memcpy(q->bytes, key.p, key.len);
    memcpy(q->bytes + key.len, body.p, body.len);
    return q;
}

/* comparing */

/* (n_a) where in b each of a is, n_b: nowhere. Returns how many are there. */
static uint32_t places(uint32_t *at, const struct nbx_choice *a, uint32_t n_a,
                       const struct nbx_choice *b, uint32_t n_b)
{
    uint32_t common = 0;
    for (uint32_t i = 0; i < n_a; i++) {
        at[i] = 0;
        while (at[i] < n_b && b[at[i]].item_no != a[i].item_no)
            at[i]++;
        common += at[i] < n_b;
    }
    return common;
}

bool nbx_shadow_compare(double *tau, double *overlap, const struct nbx_choice *a, uint32_t n_a,
                        const struct nbx_choice *b, uint32_t n_b)
{
    uint32_t at[NBX_SHADOW_K];
    n_a = n_a < NBX_SHADOW_K ? n_a : NBX_SHADOW_K;
    n_b = n_b < NBX_SHADOW_K ? n_b : NBX_SHADOW_K;
    uint32_t longer = n_a > n_b ? n_a : n_b;
    uint32_t common = places(at, a, n_a, b, n_b);
    int64_t agreed = 0;
    for (uint32_t i = 0; i < n_a; i++)
        for (uint32_t j = i + 1; at[i] < n_b && j < n_a; j++)
            if (at[j] < n_b)
                agreed += at[i] < at[j] ? 1 : -1;
    *overlap = longer ? (double)common / longer : 1;
    *tau = common < 2 ? 0 : (double)agreed * 2 / ((double)common * (common - 1));
    return common >= 2;
}

static double personal_share(const struct nbx_decision *d)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < d->n; i++)
        n += d->choices[i].source == NBX_SOURCE_PERSONAL;
    return d->n ? (double)n / d->n : 0;
}

static void note(struct nbx_shadow_figures *f, const struct nbx_decision *d, const int64_t *took_ns)
{
    const struct nbx_decision *tried = &d[NBX_ASKED_TRIED], *serving = &d[NBX_ASKED_SERVING];
    double tau, overlap;
    if (nbx_shadow_compare(&tau, &overlap, serving->choices, serving->n, tried->choices,
                           tried->n)) {
        f->correlation += tau;
        f->n_correlations++;
    }
    f->overlap += overlap;
    f->compared++;
    for (int i = 0; i < NBX_N_ASKED; i++) {
        f->personal[i] += personal_share(&d[i]);
        nbx_hist_add(&f->took_ns[i], (uint64_t)took_ns[i]);
    }
}

/* asking */

struct asked {
    struct nbx_recommend_req req;
    struct nbx_customer_scope scope;
    struct nbx_profile profile;
};

/* As the request was read when it was answered; its events are in the store by now. */
static enum nbx_err read(struct asked *out, struct nbx_asker *x, const struct nbx_question *q)
{
    struct nbx_fault fault;
    struct nbx_str key = {(const char *)q->bytes, q->key_len};
    struct nbx_body body = {q->bytes + q->key_len, q->body_len};
    enum nbx_err err =
        nbx_message_recommend(&out->req, body, q->op == NBX_OP_RANK, x->arena, &fault);
    if (err)
        return err;
    out->scope = (struct nbx_customer_scope){
        .customers = x->server->customers,
        .vocabulary = x->worlds[NBX_ASKED_TRIED].vocabulary,
        .arena = x->arena,
        .now_ms = out->req.now_ms == NBX_TIME_UNSET ? q->arrived_ms : out->req.now_ms};
    err = nbx_profile_load(&out->profile, &out->scope, key);
    if (key.len == 0)
        out->profile.number = NBX_CUSTOMER(q->group, 0);
    return err ? err
               : nbx_profile_for_answer(&out->profile, &out->scope, &out->profile,
                                        out->req.personal);
}

static enum nbx_err decide(struct nbx_decision *out, int64_t *took_ns, struct nbx_asker *x, int of,
                           const struct asked *a)
{
    struct nbx_fault fault = {0};
    struct nbx_decide d = {
        .world = &x->worlds[of], .scope = &a->scope, .ids = x->server->ids, .filters = x->filters};
    int64_t from_ns = nbx_clock_thread_ns();
    enum nbx_err err = nbx_decide_recommend(out, &d, &a->req, &a->profile, &fault);
    *took_ns = nbx_clock_thread_ns() - from_ns;
    return err;
}

/* The model that is tried goes first every other time: the second finds the customer's records in
 * the processor's caches. */
static void ask(struct nbx_asker *x, const struct nbx_question *q, bool swapped)
{
    struct asked a;
    struct nbx_decision decisions[NBX_N_ASKED] = {0};
    int64_t took_ns[NBX_N_ASKED] = {0};
    enum nbx_err err = read(&a, x, q);
    for (int i = 0; !err && i < (x->compares ? NBX_N_ASKED : 1); i++) {
        int of = x->compares && swapped ? NBX_N_ASKED - 1 - i : i;
        err = decide(&decisions[of], &took_ns[of], x, of, &a);
    }
    if (err)
        x->found.failed++;
    else if (x->compares)
        note(&x->found, decisions, took_ns);
}

/* Where memory is out the rest is made when it is wished again. */
static void fill_excerpts(struct nbx_asker *x)
{
    x->n_filled = 0;
    while (x->n_filled < x->n_excerpts && !atomic_load(&x->stop) &&
           !nbx_model_excerpt_fill(x->excerpts[x->n_filled]))
        x->n_filled++;
}

static void work(void *arg)
{
    struct nbx_asker *x = arg;
    fill_excerpts(x);
    while (x->n_asked < x->n_questions && !atomic_load(&x->stop)) {
        ask(x, x->questions[x->n_asked], x->n_asked % 2);
        x->n_asked++;
        nbx_arena_reset(x->arena);
    }
}

static void forget_questions(struct nbx_asker *x)
{
    while (x->n_questions)
        free(x->questions[--x->n_questions]);
}

enum nbx_err nbx_asker_start(struct nbx_asker *x, struct nbx_bell *bell, bool idle)
{
    if (!x->arena)
        x->arena = nbx_arena_new(ARENA_BYTES);
    if (!x->filters)
        x->filters = nbx_filter_cache_new(FILTER_BYTES);
    x->aside = (struct nbx_aside){.work = work, .arg = x, .bell = bell, .idle = idle};
    atomic_store(&x->stop, false);
    x->found = (struct nbx_shadow_figures){0};
    x->n_asked = 0;
    enum nbx_err err = x->arena && x->filters ? nbx_aside_start(&x->aside) : NBX_ELIMIT;
    if (err)
        forget_questions(x);
    return err;
}

bool nbx_asker_runs(const struct nbx_asker *x)
{
    return x->aside.running;
}

bool nbx_asker_is_done(const struct nbx_asker *x)
{
    return nbx_aside_done(&x->aside);
}

static void add(struct nbx_shadow_figures *sum, const struct nbx_shadow_figures *found)
{
    sum->compared += found->compared;
    sum->failed += found->failed;
    sum->dropped += found->dropped;
    sum->overlap += found->overlap;
    sum->correlation += found->correlation;
    sum->n_correlations += found->n_correlations;
    for (int i = 0; i < NBX_N_ASKED; i++) {
        sum->personal[i] += found->personal[i];
        nbx_hist_merge(&sum->took_ns[i], &found->took_ns[i]);
    }
}

void nbx_asker_end(struct nbx_asker *x, struct nbx_shadow_figures *sum)
{
    if (!x->aside.running)
        return;
    atomic_store(&x->stop, true);
    nbx_aside_join(&x->aside);
    x->found.dropped = x->n_questions - x->n_asked;
    forget_questions(x);
    if (sum)
        add(sum, &x->found);
}

void nbx_asker_fini(struct nbx_asker *x)
{
    nbx_asker_end(x, NULL);
    forget_questions(x);
    while (x->n_excerpts)
        nbx_model_excerpt_destroy(&x->excerpts[--x->n_excerpts]);
    nbx_filter_cache_destroy(&x->filters);
    nbx_arena_destroy(&x->arena);
}
