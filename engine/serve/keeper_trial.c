/* SPDX-License-Identifier: MIT
 * Shadows and canaries: versions that are tried on live traffic before they answer all of it.
 *
 * A shadow is asked a share of what customers ask, beside them, and answers nobody. A canary
 * answers a share of the customers; where it does worse than the active model, by the guard, it is
 * rolled back here. What is found is told by model.get, and as the version's verdict once it has
 * ended.
 */
#include "engine/serve/keeper_models.h"

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "proto/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERDICT_BYTES 512

/* questions */

void nbx_trials__want_questions(struct nbx_keeper *k)
{
    double share = k->models.shadow.model ? k->trials.shadow_share : 0;
    if (nbx_models__is_loading(k))
        share = 1;
    atomic_store_explicit(&k->ask_share, (uint64_t)(share * (double)NBX_ASK_ALL),
                          memory_order_relaxed);
}

void nbx_trials__take_questions(struct nbx_keeper *k, struct nbx_asker *x)
{
    for (unsigned w = 0; w < k->server->n_workers; w++) {
        struct nbx_ring *asked = k->server->workers[w].asked;
        struct nbx_question *q;
        while (x->n_questions < NBX_QUESTIONS_MAX && (q = nbx_ring_pop(asked)))
            x->questions[x->n_questions++] = q;
    }
}

/* They name customers, who may be forgotten: none waits for longer than somebody wants it. */
static void drop_questions(struct nbx_keeper *k)
{
    for (unsigned w = 0; w < k->server->n_workers; w++)
        for (struct nbx_question *q; (q = nbx_ring_pop(k->server->workers[w].asked));)
            free(q);
}

/* While a model is loaded all requests are handed on, and of those no shadow waits for any. */
static void count_unasked(struct nbx_keeper *k)
{
    uint64_t unasked = 0;
    for (unsigned w = 0; w < k->server->n_workers; w++)
        unasked += nbx_counted(&k->server->workers[w].counters.unasked);
    if (k->models.shadow.model && !nbx_models__is_loading(k))
        k->trials.shadow.dropped += unasked - k->trials.unasked;
    k->trials.unasked = unasked;
}

/* the shadow */

/* What came before it is not its own. */
static void forget_figures(struct nbx_keeper *k)
{
    drop_questions(k);
    count_unasked(k);
    k->trials.shadow = (struct nbx_shadow_figures){0};
}

/* Neither has excerpts, so that what they take can be compared. */
static void ask_shadow(struct nbx_keeper *k)
{
    struct nbx_asker *x = &k->trials.asker;
    struct nbx_resident *shadow = &k->models.shadow;
    struct nbx_model *old;
    count_unasked(k);
    nbx_trials__take_questions(k, x);
    if (!x->n_questions)
        return;
    /* Without memory for new items it answers with those it has. */
    if (nbx_resident_follow(shadow, k->catalog, &old))
        nbx_log_warnx("shadow=stale reason=memory");
    nbx_model_release(&old);
    x->server = k->server;
    x->compares = true;
    x->worlds[NBX_ASKED_TRIED] = nbx_keeper__world(k, shadow->model);
    x->worlds[NBX_ASKED_TRIED].catalog = shadow->catalog;
    x->worlds[NBX_ASKED_SERVING] = nbx_keeper__world(k, k->model);
    size_t n = x->n_questions;
    if (nbx_asker_start(x, &k->bell, true))
        k->trials.shadow.dropped += n;
}

void nbx_keeper__pause_asking(struct nbx_keeper *k)
{
    nbx_asker_end(&k->trials.asker, &k->trials.shadow);
    nbx_asker_end(&k->models.order.warm_up, NULL);
}

/* the canary */

static void forget_arms(struct nbx_keeper *k)
{
    for (int i = 0; i < NBX_N_ARMS; i++) {
        for (unsigned w = 0; w < k->server->n_workers; w++)
            nbx_arm_take(&k->server->workers[w].arms[i], &k->trials.window[i]);
        k->trials.window[i] = k->trials.judged[i] = (struct nbx_arm_figures){0};
    }
}

struct nbx_model *nbx_keeper__follow_canary(struct nbx_keeper *k)
{
    struct nbx_resident *canary = &k->models.canary;
    struct nbx_model *old = NULL;
    if (!canary->model || !nbx_resident_follow(canary, k->catalog, &old))
        return old;
    nbx_log_warnx("canary=ending reason=memory");
    return nbx_resident_take(canary);
}

/* The record comes behind: a canary that does harm ends even where nothing can be written. */
static void roll_back(struct nbx_keeper *k, const char *why)
{
    char verdict[VERDICT_BYTES];
    struct nbx_fault fault = {0};
    struct nbx_versions all;
    nbx_trials__end(k, NBX_STAGE_CANARY);
    enum nbx_err err = nbx_models__read(k, &all, &fault);
    struct nbx_version *v = err ? NULL : nbx_registry_in(&all, NBX_STAGE_CANARY);
    if (v) {
        snprintf(verdict, sizeof verdict, "canary rolled back: %s", why);
        nbx_trials__leave(k, &v->record, NBX_STAGE_STAGED);
        v->record.verdict = nbx_str_c(verdict);
        nbx_registry_put(k->batch, v);
        struct nbx_model_deed deed = {.what = "stage", .v = v, .ended = true};
        err = nbx_models__write(k, &deed, &fault);
        nbx_log_warnx("model=%.*s version=%.*s stage=staged by=guard reason=\"%s\"",
                      NBX_STR_ARG(v->name), NBX_STR_ARG(v->version), why);
    }
    if (err)
        nbx_log_warnx("canary=rolled_back record=kept reason=\"%s\" text=\"the next start tries it "
                      "again\"",
                      fault.message);
    nbx_arena_reset(k->arena);
}

static void add_judged(struct nbx_keeper *k)
{
    for (int i = 0; i < NBX_N_ARMS; i++) {
        struct nbx_arm_figures *sum = &k->trials.judged[i], *window = &k->trials.window[i];
        sum->asked += window->asked;
        sum->failed += window->failed;
        nbx_hist_merge(&sum->took_ns, &window->took_ns);
        *window = (struct nbx_arm_figures){0};
    }
}

/* True where it was rolled back. */
static bool judge(struct nbx_keeper *k)
{
    char why[VERDICT_BYTES - 32];
    for (int i = 0; i < NBX_N_ARMS; i++)
        for (unsigned w = 0; w < k->server->n_workers; w++)
            nbx_arm_take(&k->server->workers[w].arms[i], &k->trials.window[i]);
    switch (nbx_guard_judge(&k->trials.guard, k->trials.window, why, sizeof why)) {
    case NBX_VERDICT_OPEN: return false;
    case NBX_VERDICT_GOOD: add_judged(k); return false;
    default: roll_back(k, why); return true;
    }
}

/* both */

bool nbx_keeper__trials_ended(const struct nbx_keeper *k)
{
    return nbx_asker_is_done(&k->trials.asker);
}

bool nbx_keeper__tend_trials(struct nbx_keeper *k)
{
    bool ended = nbx_keeper__trials_ended(k);
    if (ended)
        nbx_asker_end(&k->trials.asker, &k->trials.shadow);
    if (k->models.shadow.model && !nbx_asker_runs(&k->trials.asker))
        ask_shadow(k);
    if (!k->models.shadow.model && !nbx_models__is_loading(k))
        drop_questions(k);
    if (k->models.canary.model)
        return judge(k) || ended;
    if (k->trials.canary_share > 0) {
        roll_back(k, "no memory for the vectors of items beside the model");
        return true;
    }
    return ended;
}

struct nbx_model *nbx_trials__take(struct nbx_keeper *k, struct nbx_resident *r)
{
    if (r == &k->models.canary)
        k->trials.canary_share = 0;
    return nbx_resident_take(r);
}

/* Only the keeper's thread knows of a model in its place; the records know of the trial. */
void nbx_trials__end(struct nbx_keeper *k, enum nbx_stage stage)
{
    if (stage == NBX_STAGE_CANARY) {
        struct nbx_model *model = nbx_trials__take(k, &k->models.canary);
        nbx_keeper__must_publish(k);
        nbx_model_release(&model);
    } else if (stage == NBX_STAGE_SHADOW) {
        nbx_keeper__pause_asking(k);
        nbx_resident_drop(&k->models.shadow);
        nbx_trials__want_questions(k);
    }
}

void nbx_trials__place(struct nbx_keeper *k, const struct nbx_move *c, struct nbx_model *fresh)
{
    bool canary = c->stage == NBX_STAGE_CANARY;
    struct nbx_resident *place = canary ? &k->models.canary : &k->models.shadow;
    struct nbx_resident *r = fresh ? NULL : nbx_models__resident(k, c->target);
    bool was_canary = r == &k->models.canary;
    if (r != place) {
        nbx_resident_hold(place, r ? nbx_trials__take(k, r) : fresh, k->catalog);
        if (canary)
            forget_arms(k);
        else
            forget_figures(k);
    }
    if (canary)
        k->trials.canary_share = c->share;
    else
        k->trials.shadow_share = c->share;
    if (canary || was_canary)
        nbx_keeper__must_publish(k);
}

static struct nbx_str shadow_verdict(const struct nbx_keeper *k)
{
    const struct nbx_shadow_figures *f = &k->trials.shadow;
    char text[VERDICT_BYTES];
    snprintf(text, sizeof text, "shadow: %llu compared, overlap %.3f, rank correlation %.3f",
             (unsigned long long)f->compared, f->compared ? f->overlap / (double)f->compared : 0,
             f->n_correlations ? f->correlation / (double)f->n_correlations : 0);
    return nbx_arena_str(k->arena, nbx_str_c(text));
}

static uint64_t asked(const struct nbx_keeper *k, enum nbx_arm_kind arm)
{
    return k->trials.judged[arm].asked + k->trials.window[arm].asked;
}

static uint64_t failed(const struct nbx_keeper *k, enum nbx_arm_kind arm)
{
    return k->trials.judged[arm].failed + k->trials.window[arm].failed;
}

static struct nbx_str canary_verdict(const struct nbx_keeper *k)
{
    char text[VERDICT_BYTES];
    snprintf(text, sizeof text, "canary: answered %llu, failed %llu of them",
             (unsigned long long)asked(k, NBX_ARM_CANARY),
             (unsigned long long)failed(k, NBX_ARM_CANARY));
    return nbx_arena_str(k->arena, nbx_str_c(text));
}

void nbx_trials__leave(const struct nbx_keeper *k, struct nbx_model_record *r, enum nbx_stage stage)
{
    if (r->stage == NBX_STAGE_SHADOW)
        r->verdict = shadow_verdict(k);
    if (r->stage == NBX_STAGE_CANARY)
        r->verdict = canary_verdict(k);
    r->stage = stage;
    r->share = 0;
}

/* model.get */

static void put_quantiles(struct nbx_buf *b, const char *key, const struct nbx_hist *ns)
{
    nbx_wire_text(b, key);
    nbx_wire_map(b, 2);
    nbx_wire_kv_float(b, "p50", (double)nbx_hist_quantile(ns, .5) / 1e3);
    nbx_wire_kv_float(b, "p99", (double)nbx_hist_quantile(ns, .99) / 1e3);
}

static double mean(double sum, uint64_t n)
{
    return n ? sum / (double)n : 0;
}

static void put_shadow(struct nbx_buf *b, const struct nbx_keeper *k)
{
    const struct nbx_shadow_figures *f = &k->trials.shadow;
    nbx_wire_kv_int(b, "compared", (int64_t)f->compared);
    nbx_wire_kv_int(b, "failed", (int64_t)f->failed);
    nbx_wire_kv_int(b, "dropped", (int64_t)f->dropped);
    nbx_wire_kv_float(b, "overlap", mean(f->overlap, f->compared));
    nbx_wire_kv_float(b, "rank_correlation", mean(f->correlation, f->n_correlations));
    nbx_wire_kv_float(b, "personal", mean(f->personal[NBX_ASKED_TRIED], f->compared));
    nbx_wire_kv_float(b, "active_personal", mean(f->personal[NBX_ASKED_SERVING], f->compared));
    put_quantiles(b, "decide_us", &f->took_ns[NBX_ASKED_TRIED]);
    put_quantiles(b, "active_decide_us", &f->took_ns[NBX_ASKED_SERVING]);
}

static void put_arm(struct nbx_buf *b, const struct nbx_keeper *k, enum nbx_arm_kind arm)
{
    static const char *const keys[NBX_N_ARMS][3] = {
        {"active_answered", "active_failed", "active_decide_us"},
        {"answered", "failed", "decide_us"}};
    struct nbx_hist took_ns = k->trials.judged[arm].took_ns;
    nbx_hist_merge(&took_ns, &k->trials.window[arm].took_ns);
    nbx_wire_kv_int(b, keys[arm][0], (int64_t)asked(k, arm));
    nbx_wire_kv_int(b, keys[arm][1], (int64_t)failed(k, arm));
    put_quantiles(b, keys[arm][2], &took_ns);
}

void nbx_trials__put(struct nbx_buf *b, const struct nbx_keeper *k, const struct nbx_version *v)
{
    const struct nbx_model_record *r = &v->record;
    bool shadow = r->stage == NBX_STAGE_SHADOW;
    nbx_wire_text(b, "trial");
    nbx_wire_map(b, shadow ? 11 : 8);
    nbx_wire_kv_float(b, "share", r->share);
    nbx_wire_kv_int(b, "since", r->trial_ms);
    if (shadow) {
        put_shadow(b, k);
        return;
    }
    put_arm(b, k, NBX_ARM_CANARY);
    put_arm(b, k, NBX_ARM_ACTIVE);
}

/* the start and the end */

static enum nbx_err load(struct nbx_keeper *k, struct nbx_version *v, struct nbx_fault *fault)
{
    struct nbx_model *model;
    struct nbx_fault why = {0};
    bool canary = v->record.stage == NBX_STAGE_CANARY;
    if (!nbx_models__load(&model, k, v, true, &why)) {
        nbx_resident_hold(canary ? &k->models.canary : &k->models.shadow, model, k->catalog);
        *(canary ? &k->trials.canary_share : &k->trials.shadow_share) = v->record.share;
        return NBX_OK;
    }
    nbx_log_warnx("model=%.*s version=%.*s stage=staged reason=\"%s\"", NBX_STR_ARG(v->name),
                  NBX_STR_ARG(v->version), why.message);
    nbx_trials__leave(k, &v->record, NBX_STAGE_STAGED);
    v->record.verdict = NBX_STR("could not be loaded at a start");
    nbx_registry_put(k->batch, v);
    return nbx_models__write(k, &(struct nbx_model_deed){.what = "stage", .v = v, .ended = true},
                             fault);
}

enum nbx_err nbx_trials__load(struct nbx_keeper *k, struct nbx_versions *all,
                              struct nbx_fault *fault)
{
    enum nbx_err err = NBX_OK;
    for (size_t i = 0; !err && i < all->n; i++)
        if (!all->p[i].record.deleted && nbx_stage_is_trial(all->p[i].record.stage))
            err = load(k, &all->p[i], fault);
    nbx_trials__want_questions(k);
    return err;
}

void nbx_keeper__models_free(struct nbx_keeper *k)
{
    nbx_asker_fini(&k->trials.asker);
    nbx_resident_drop(&k->models.shadow);
    nbx_resident_drop(&k->models.canary);
}
