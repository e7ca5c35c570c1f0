/* SPDX-License-Identifier: MIT */
#include "models/tune/search.h"

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "models/tune/mixed.h"
#include "models/tune/pool.h"
#include "models/tune/trials.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of the time there is, what trials may take; the rest is for weighing and for learning from
 * everything, which the caller does. */
#define TRIAL_SHARE 0.6
/* A part that adds less than this share to the blend is left out. */
#define WORTH      0.004
#define POOL_DEPTH 150
/* Of a trial, relative: less is luck. */
#define LEAST_GAIN 1e-3
#define KEY_BYTES  160

/* How far a family has come. */
struct contender {
    struct nbx_ingredient best;
    struct nbx_part part; /* of best, where it was fitted in this run */
    bool fitted, out;     /* out: not for this data, or it failed */
    double ndcg, seconds;
    size_t at;     /* the setting that is moved next */
    size_t idle;   /* settings in a row that did not help */
    int direction; /* 1 or -1 */
};

struct search {
    const struct nbx_search_options *options;
    const struct nbx_dataset *all;
    struct nbx_dataset *train, *held;
    struct nbx_trials *trials;
    struct contender contenders[NBX_FAMILIES];
    struct nbx_search_result *result;
    int64_t start_ns;
    double credit; /* seconds that trials from the log took when they were run */
};

const char *const nbx_hold_out_names[NBX_HOLD_OUTS] = {"last", "mixed", "random", "time"};

static double seconds_since(int64_t start_ns)
{
    return (double)(nbx_clock_mono_ns() - start_ns) / 1e9;
}

static bool time_for(const struct search *s, double seconds)
{
    const struct nbx_search_options *o = s->options;
    if (o->max_trials)
        return s->result->trials < o->max_trials;
    return seconds_since(s->start_ns) + s->credit + seconds <= o->seconds * TRIAL_SHARE;
}

static struct nbx_fit_run run_of(const struct search *s)
{
    return (struct nbx_fit_run){.seed = s->options->seed,
                                .threads = s->options->threads,
                                .progress_fd = s->options->progress_fd,
                                .quiet = true};
}

static struct nbx_pool_options pool_options(const struct search *s, size_t depth)
{
    return (struct nbx_pool_options){.depth = depth,
                                     .customers = s->options->customers,
                                     .seed = s->options->seed,
                                     .threads = s->options->threads,
                                     .progress_fd = s->options->progress_fd};
}

/* How well a part alone ranks what was held out. */
static enum nbx_err judge(double *ndcg, struct search *s, const struct nbx_part *part,
                          struct nbx_fault *fault)
{
    struct nbx_pool *pool;
    double weight = 1;
    struct nbx_pool_options options = pool_options(s, s->options->k);
    enum nbx_err err = nbx_pool_new(&pool, part, 1, s->train, s->held, &options, fault);
    if (err)
        return err;
    *ndcg = nbx_pool_ndcg(pool, &weight, s->options->k);
    s->result->customers = nbx_pool_customers(pool);
    nbx_pool_destroy(&pool);
    return NBX_OK;
}

static void print_trial(const struct search *s, const struct nbx_ingredient *i, double ndcg,
                        double seconds, bool repeated)
{
    struct nbx_buf text = {0};
    const struct nbx_family_info *info = nbx_family_info(i->family);
    for (size_t k = 0; k < info->n_settings; k++)
        if (info->settings[k].n_tries)
            nbx_buf_printf(&text, " %s=%g", info->settings[k].name, i->settings[k]);
    printf("%4llu  %-12s %.4f %7.1f s%s %.*s\n", (unsigned long long)s->result->trials, info->name,
           ndcg, seconds, repeated ? " (log)" : "", (int)text.len, (const char *)text.p);
    nbx_buf_fini(&text);
}

/* Fits and judges; the part is the caller's where *fitted. */
static enum nbx_err try_out(struct search *s, const struct nbx_ingredient *i, struct nbx_part *part,
                            bool *fitted, double *ndcg, double *seconds, struct nbx_fault *fault)
{
    struct nbx_fit_run run = run_of(s);
    *fitted = false;
    s->result->trials++;
    if (nbx_trials_find(s->trials, i, ndcg, seconds)) {
        s->result->repeated++;
        s->credit += *seconds;
        print_trial(s, i, *ndcg, *seconds, true);
        return NBX_OK;
    }
    int64_t start_ns = nbx_clock_mono_ns();
    enum nbx_err err = nbx_part_fit(part, i, s->train, &run, fault);
    if (err)
        return err;
    *fitted = true;
    *ndcg = 0;
    err = judge(ndcg, s, part, fault);
    *seconds = seconds_since(start_ns);
    if (!err)
        err = nbx_trials_add(s->trials, i, *ndcg, *seconds, fault);
    if (err)
        nbx_part_fini(part);
    print_trial(s, i, *ndcg, *seconds, false);
    return err;
}

static bool allowed(const struct search *s, const struct nbx_ingredient *i)
{
    struct nbx_fit_run run = run_of(s);
    uint64_t bytes = nbx_part_bound_bytes(i, s->train, &run);
    bool ok = s->options->memory_bytes == 0 || bytes <= s->options->memory_bytes;
    if (!ok)
        printf("      %-12s passed over: it may take %.1f MiB\n", nbx_family_info(i->family)->name,
               (double)bytes / 1048576);
    return ok && (s->options->ordered || !nbx_family_info(i->family)->ordered);
}

static enum nbx_err enter(struct search *s, enum nbx_family family, struct nbx_fault *fault)
{
    struct contender *c = &s->contenders[family];
    nbx_ingredient_init(&c->best, family);
    nbx_ingredient_suit(&c->best, s->all);
    c->direction = 1;
    double expected = nbx_part_seconds(&c->best, s->all, s->options->threads);
    c->out = !allowed(s, &c->best);
    if (!c->out && !time_for(s, expected) &&
        !nbx_trials_find(s->trials, &c->best, &(double){0}, &(double){0})) {
        printf("      %-12s passed over: no time\n", nbx_family_info(family)->name);
        c->out = true;
    }
    return c->out ? NBX_OK
                  : try_out(s, &c->best, &c->part, &c->fitted, &c->ndcg, &c->seconds, fault);
}

/* The setting's place in its list that is nearest to its value. */
static size_t nearest(const struct nbx_setting *setting, double value)
{
    size_t best = 0;
    for (size_t t = 1; t < setting->n_tries; t++)
        if (fabs(setting->tries[t] - value) < fabs(setting->tries[best] - value))
            best = t;
    return best;
}

/* The next neighbour of the best settings, if there is one in this direction. */
static bool next_move(const struct search *s, struct contender *c, struct nbx_ingredient *out)
{
    const struct nbx_family_info *info = nbx_family_info(c->best.family);
    const struct nbx_setting *setting = &info->settings[c->at];
    *out = c->best;
    bool timed = s->all->first_ms != NBX_DATASET_NO_TIME;
    if (setting->n_tries == 0 || (setting->of_times && !timed))
        return false;
    size_t t = nearest(setting, c->best.settings[c->at]);
    if ((c->direction < 0 && t == 0) || (c->direction > 0 && t + 1 == setting->n_tries))
        return false;
    out->settings[c->at] = setting->tries[c->direction > 0 ? t + 1 : t - 1];
    return true;
}

/* Up, then down, then the next setting. */
static void turn(struct contender *c, bool helped)
{
    const struct nbx_family_info *info = nbx_family_info(c->best.family);
    if (helped) {
        c->idle = 0;
        return; /* further the same way */
    }
    c->direction = -c->direction;
    if (c->direction > 0) {
        c->at = (c->at + 1) % info->n_settings;
        c->idle++;
    }
}

static bool settled(const struct contender *c)
{
    return c->out || c->idle >= nbx_family_info(c->best.family)->n_settings;
}

static void adopt(struct contender *c, const struct nbx_ingredient *i, const struct nbx_part *part,
                  bool fitted, double ndcg, double seconds)
{
    if (c->fitted)
        nbx_part_fini(&c->part);
    c->best = *i;
    c->fitted = fitted;
    if (fitted)
        c->part = *part;
    c->ndcg = ndcg;
    c->seconds = seconds;
}

/* One trial of a family, or none where it has settled. */
static enum nbx_err move(struct search *s, struct contender *c, struct nbx_fault *fault)
{
    struct nbx_ingredient i;
    struct nbx_part part;
    double ndcg, seconds;
    bool fitted;
    while (!settled(c) && !next_move(s, c, &i))
        turn(c, false);
    if (settled(c) || !time_for(s, c->seconds))
        return NBX_OK;
    enum nbx_err err = try_out(s, &i, &part, &fitted, &ndcg, &seconds, fault);
    if (err)
        return err;
    bool helped = ndcg > c->ndcg * (1 + LEAST_GAIN);
    if (helped)
        adopt(c, &i, &part, fitted, ndcg, seconds);
    else if (fitted)
        nbx_part_fini(&part);
    turn(c, helped);
    return NBX_OK;
}

static enum nbx_err try_all(struct search *s, struct nbx_fault *fault)
{
    enum nbx_err err = NBX_OK;
    uint64_t before = 0;
    /* the cheap ones first, so that the dear ones know whether there is time */
    static const enum nbx_family order[NBX_FAMILIES] = {
        NBX_FAMILY_POPULARITY, NBX_FAMILY_NEIGHBOURS, NBX_FAMILY_TRANSITIONS, NBX_FAMILY_IALS,
        NBX_FAMILY_SPECTRAL,   NBX_FAMILY_EASE,       NBX_FAMILY_SEQUENCE};
    printf("      family         NDCG    time  settings\n");
    for (int f = 0; !err && f < NBX_FAMILIES; f++)
        err = enter(s, order[f], fault);
    while (!err && before != s->result->trials) {
        before = s->result->trials;
        for (int f = 0; !err && f < NBX_FAMILIES; f++)
            if (!s->contenders[order[f]].out)
                err = move(s, &s->contenders[order[f]], fault);
    }
    return err;
}

/* Parts of those that are in, fitted where the log knew them. */
static enum nbx_err gather(struct search *s, struct nbx_part *parts, struct nbx_recipe *recipe,
                           struct nbx_fault *fault)
{
    struct nbx_fit_run run = run_of(s);
    enum nbx_err err = NBX_OK;
    for (int f = 0; !err && f < NBX_FAMILIES; f++) {
        struct contender *c = &s->contenders[f];
        if (c->out)
            continue;
        if (!c->fitted)
            err = nbx_part_fit(&c->part, &c->best, s->train, &run, fault);
        c->fitted = !err;
        parts[recipe->n_parts] = c->part;
        recipe->parts[recipe->n_parts++] = c->best;
        if (c->ndcg > s->result->best_alone)
            s->result->best_alone = c->ndcg;
    }
    return err;
}

/* The recipe without the parts whose weight is 0; what is left of the parts becomes the result's.
 */
static void drop_unused(struct search *s, const double *weights)
{
    struct nbx_search_result *r = s->result;
    size_t n = 0;
    for (size_t i = 0; i < r->recipe.n_parts; i++) {
        struct contender *c = &s->contenders[r->recipe.parts[i].family];
        if (!(weights[i] > 0))
            continue;
        r->recipe.parts[n] = r->recipe.parts[i];
        r->recipe.parts[n].weight = weights[i];
        r->parts[n++] = c->part;
        c->fitted = false;
    }
    r->recipe.n_parts = n;
}

static enum nbx_err weigh(struct search *s, struct nbx_fault *fault)
{
    struct nbx_part parts[NBX_FAMILIES];
    double weights[NBX_FAMILIES];
    struct nbx_pool *pool;
    struct nbx_search_result *r = s->result;
    struct nbx_pool_options options = pool_options(s, POOL_DEPTH);
    enum nbx_err err = gather(s, parts, &r->recipe, fault);
    if (!err && r->recipe.n_parts == 0)
        err = nbx_fault_set(fault, NBX_ELIMIT, NULL, "no family could be tried");
    if (!err)
        err = nbx_pool_new(&pool, parts, r->recipe.n_parts, s->train, s->held, &options, fault);
    if (err)
        return err;
    r->ndcg = nbx_pool_fit(pool, weights, s->options->k, WORTH);
    nbx_pool_destroy(&pool);
    drop_unused(s, weights);
    return NBX_OK;
}

/* What a trial's result depends on beside its ingredient. */
static void key_of(char key[KEY_BYTES], const struct nbx_dataset *d,
                   const struct nbx_search_options *o)
{
    size_t n = nbx_csr_entries(&d->by_customer);
    uint64_t data = nbx_hash64(d->sequence, n * sizeof *d->sequence) ^
                    nbx_hash64(d->by_customer.start, (d->n_customers + 1) * sizeof(uint64_t));
    snprintf(key, KEY_BYTES, "data %016llx held out %s %g seed %llu k %zu customers %zu",
             (unsigned long long)data, nbx_hold_out_names[o->hold_out], o->share,
             (unsigned long long)o->seed, o->k, o->customers);
}

static enum nbx_err split(struct search *s, struct nbx_fault *fault)
{
    static const enum nbx_split_kind kinds[NBX_HOLD_OUTS] = {NBX_SPLIT_LAST, NBX_SPLIT_GIVEN,
                                                             NBX_SPLIT_RANDOM, NBX_SPLIT_TIME};
    const struct nbx_search_options *o = s->options;
    bool *is_held = calloc(nbx_csr_entries(&s->all->by_customer) + 1, sizeof *is_held);
    struct nbx_split_options how = {
        .kind = kinds[o->hold_out], .share = o->share, .seed = o->seed, .is_held = is_held};
    enum nbx_err err = is_held ? NBX_OK : nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    if (!err && o->hold_out == NBX_HOLD_MIXED)
        err = nbx_mixed_hold(is_held, s->all, o->share, o->seed, o->threads, fault);
    if (!err && (err = nbx_dataset_split(&s->train, &s->held, s->all, &how)))
        nbx_fault_set(fault, err, "split", "%s",
                      err == NBX_EBAD ? "the data has no times, or the share is out of 0 to 1"
                                      : "out of memory");
    free(is_held);
    return err;
}

static enum nbx_err search(struct search *s, struct nbx_fault *fault)
{
    char key[KEY_BYTES];
    key_of(key, s->all, s->options);
    enum nbx_err err = split(s, fault);
    if (err)
        return err;
    err = nbx_trials_open(&s->trials, s->options->log, key, fault);
    if (!err)
        err = try_all(s, fault);
    return err ? err : weigh(s, fault);
}

void nbx_search_result_fini(struct nbx_search_result *result)
{
    for (size_t i = 0; i < NBX_RECIPE_MAX; i++)
        nbx_part_fini(&result->parts[i]);
}

enum nbx_err nbx_search_recipe(struct nbx_search_result *out, const struct nbx_dataset *all,
                               const struct nbx_search_options *options, struct nbx_fault *fault)
{
    *out = (struct nbx_search_result){0};
    struct search s = {
        .options = options, .all = all, .result = out, .start_ns = nbx_clock_mono_ns()};
    enum nbx_err err = search(&s, fault);
    for (int f = 0; f < NBX_FAMILIES; f++)
        if (s.contenders[f].fitted)
            nbx_part_fini(&s.contenders[f].part);
    nbx_trials_close(&s.trials);
    nbx_dataset_destroy(&s.train);
    nbx_dataset_destroy(&s.held);
    return err;
}
