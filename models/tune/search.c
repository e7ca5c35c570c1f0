/* SPDX-License-Identifier: MIT */
#include "models/tune/search.h"

#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "models/tune/compact.h"
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
#define WORTH      0.001
#define POOL_DEPTH 150
/* What a space can give shows in a large one, the larger the more items there are; smaller ones are
 * tried from there. */
#define START_DIM      256
#define MOST_START_DIM 512
#define ITEMS_A_DIM    64
/* Of a trial, relative: less is luck. */
#define LEAST_GAIN 1e-3
#define KEY_BYTES  160

/* An ingredient and what came of it. */
struct attempt {
    struct nbx_ingredient ingredient;
    struct nbx_part part; /* where fitted: in this run, not read from the log */
    bool fitted;
    double ndcg, seconds;
};

/* How far a family has come. */
struct contender {
    struct attempt best;
    bool out;      /* not for this data, or no time for it */
    size_t at;     /* the setting that is moved next */
    size_t idle;   /* settings in a row that did not help */
    int direction; /* 1 or -1 */
    bool came;     /* by a step of this setting: what lies behind is known */
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
    return (struct nbx_pool_options){.train = s->train,
                                     .held = s->held,
                                     .depth = depth,
                                     .customers = s->options->customers,
                                     .seed = s->options->seed,
                                     .threads = s->options->threads,
                                     .progress_fd = s->options->progress_fd};
}

/* How well a part alone ranks what was held out. */
static enum nbx_err judge(struct attempt *a, struct search *s, struct nbx_fault *fault)
{
    struct nbx_pool *pool;
    double weight = 1;
    struct nbx_pool_options options = pool_options(s, s->options->k);
    enum nbx_err err = nbx_pool_new(&pool, &a->part, 1, &options, fault);
    if (err)
        return err;
    a->ndcg = nbx_pool_ndcg(pool, &weight, s->options->k);
    s->result->customers = nbx_pool_customers(pool);
    nbx_pool_destroy(&pool);
    return NBX_OK;
}

static void print_trial(const struct search *s, const struct attempt *a)
{
    struct nbx_buf text = {0};
    const struct nbx_family_info *info = nbx_family_info(a->ingredient.family);
    for (size_t k = 0; k < info->n_settings; k++)
        if (info->settings[k].n_tries)
            nbx_buf_printf(&text, " %s=%g", info->settings[k].name, a->ingredient.settings[k]);
    printf("%4llu  %-12s %.4f %7.1f s%s %.*s\n", (unsigned long long)s->result->trials, info->name,
           a->ndcg, a->seconds, a->fitted ? "" : " (log)", (int)text.len, (const char *)text.p);
    nbx_buf_fini(&text);
}

/* Puts an attempt down, of which there are `trials` by now, and says what it gave. */
static enum nbx_err put_down(struct search *s, const struct attempt *a, struct nbx_fault *fault)
{
    struct nbx_search_result *r = s->result;
    struct nbx_search_trial *more = realloc(r->history, r->trials * sizeof *more);
    if (!more)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    r->history = more;
    more[r->trials - 1] = (struct nbx_search_trial){a->ingredient, a->ndcg, a->seconds, !a->fitted};
    print_trial(s, a);
    return NBX_OK;
}

/* Fits and judges, or looks it up in the log. After an error nothing is left to fini. */
static enum nbx_err try_out(struct attempt *a, struct search *s, struct nbx_fault *fault)
{
    struct nbx_fit_run run = run_of(s);
    int64_t start_ns = nbx_clock_mono_ns();
    enum nbx_err err = NBX_OK;
    s->result->trials++;
    a->fitted = !nbx_trials_find(s->trials, &a->ingredient, &a->ndcg, &a->seconds);
    if (a->fitted) {
        err = nbx_part_fit(&a->part, &a->ingredient, s->train, &run, fault);
        if (err)
            return err;
        err = judge(a, s, fault);
        a->seconds = seconds_since(start_ns);
        if (!err)
            err = nbx_trials_add(s->trials, &a->ingredient, a->ndcg, a->seconds, fault);
    } else {
        s->result->repeated++;
        s->credit += a->seconds;
    }
    if (!err)
        err = put_down(s, a, fault);
    if (err && a->fitted) {
        nbx_part_fini(&a->part);
        a->fitted = false;
    }
    return err;
}

/* Whether the data has what the family needs, and there is the memory. */
static bool allowed(const struct search *s, const struct nbx_ingredient *i)
{
    struct nbx_fit_run run = run_of(s);
    const struct nbx_family_info *info = nbx_family_info(i->family);
    uint64_t bytes = nbx_part_bound_bytes(i, s->train, &run);
    bool fits = s->options->memory_bytes == 0 || bytes <= s->options->memory_bytes;
    if (!fits)
        printf("      %-12s passed over: it may take %.1f MiB\n", info->name,
               (double)bytes / 1048576);
    return fits && (s->options->ordered || !info->ordered);
}

static bool has_time(const struct search *s, const struct nbx_ingredient *i)
{
    double ndcg, seconds;
    bool ok = time_for(s, nbx_part_seconds(i, s->all, s->options->threads)) ||
              nbx_trials_find(s->trials, i, &ndcg, &seconds);
    if (!ok)
        printf("      %-12s passed over: no time\n", nbx_family_info(i->family)->name);
    return ok;
}

static double start_dim(const struct search *s)
{
    size_t dim = START_DIM;
    while (dim < MOST_START_DIM && 2 * dim * ITEMS_A_DIM <= s->all->n_items)
        dim *= 2;
    return (double)dim;
}

static enum nbx_err enter(struct search *s, enum nbx_family family, struct nbx_fault *fault)
{
    struct contender *c = &s->contenders[family];
    nbx_ingredient_init(&c->best.ingredient, family);
    if (family == NBX_FAMILY_IALS || family == NBX_FAMILY_SPECTRAL)
        (void)nbx_ingredient_set(&c->best.ingredient, NBX_STR("dim"), start_dim(s), fault);
    c->direction = 1;
    c->out = !allowed(s, &c->best.ingredient) || !has_time(s, &c->best.ingredient);
    return c->out ? NBX_OK : try_out(&c->best, s, fault);
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
static bool next_move(struct nbx_ingredient *out, const struct search *s, const struct contender *c)
{
    const struct nbx_family_info *info = nbx_family_info(c->best.ingredient.family);
    const struct nbx_setting *setting = &info->settings[c->at];
    bool timed = s->all->first_ms != NBX_DATASET_NO_TIME;
    *out = c->best.ingredient;
    if (setting->n_tries == 0 || (setting->of_times && !timed))
        return false;
    size_t t = nearest(setting, out->settings[c->at]);
    if ((c->direction < 0 && t == 0) || (c->direction > 0 && t + 1 == setting->n_tries))
        return false;
    out->settings[c->at] = setting->tries[c->direction > 0 ? t + 1 : t - 1];
    return true;
}

static size_t settings_of(const struct contender *c)
{
    return nbx_family_info(c->best.ingredient.family)->n_settings;
}

/* Up, then down, then the next setting. */
static void turn(struct contender *c, bool helped)
{
    if (helped) { /* further the same way */
        c->idle = 0;
        c->came = true;
        return;
    }
    if (c->direction > 0 && !c->came) {
        c->direction = -1;
        return;
    }
    c->direction = 1;
    c->came = false;
    c->at = (c->at + 1) % settings_of(c);
    c->idle++;
}

static bool settled(const struct contender *c)
{
    return c->out || c->idle >= settings_of(c);
}

/* One trial of a family, or none where it has settled. */
static enum nbx_err move(struct search *s, struct contender *c, struct nbx_fault *fault)
{
    struct attempt next = {0};
    while (!settled(c) && !next_move(&next.ingredient, s, c))
        turn(c, false);
    if (settled(c) || !time_for(s, c->best.seconds))
        return NBX_OK;
    enum nbx_err err = try_out(&next, s, fault);
    if (err)
        return err;
    bool helped = next.ndcg > c->best.ndcg * (1 + LEAST_GAIN);
    struct attempt *worse = helped ? &c->best : &next;
    if (worse->fitted)
        nbx_part_fini(&worse->part);
    if (helped)
        c->best = next;
    turn(c, helped);
    return NBX_OK;
}

/* The best of each family side by side: parts and recipe (NBX_FAMILIES). Those that only the log
 * knows are fitted. */
static enum nbx_err gather(struct search *s, struct nbx_part *parts, struct nbx_recipe *recipe,
                           struct nbx_fault *fault)
{
    struct nbx_fit_run run = run_of(s);
    enum nbx_err err = NBX_OK;
    *recipe = (struct nbx_recipe){0};
    for (int f = 0; !err && f < NBX_FAMILIES; f++) {
        struct attempt *best = &s->contenders[f].best;
        if (s->contenders[f].out)
            continue;
        if (!best->fitted)
            err = nbx_part_fit(&best->part, &best->ingredient, s->train, &run, fault);
        best->fitted = !err;
        parts[recipe->n_parts] = best->part;
        recipe->parts[recipe->n_parts++] = best->ingredient;
    }
    if (!err && recipe->n_parts == 0)
        err = nbx_fault_set(fault, NBX_ELIMIT, NULL, "no family could be tried");
    return err;
}

/* What each of them counts: recipe's weights, 0 for those that only cost. */
static enum nbx_err weigh(struct search *s, struct nbx_recipe *recipe, double *ndcg,
                          struct nbx_fault *fault)
{
    struct nbx_part parts[NBX_FAMILIES];
    double weights[NBX_FAMILIES];
    struct nbx_pool *pool;
    struct nbx_pool_options options = pool_options(s, POOL_DEPTH);
    enum nbx_err err = gather(s, parts, recipe, fault);
    if (!err)
        err = nbx_pool_new(&pool, parts, recipe->n_parts, &options, fault);
    if (err)
        return err;
    s->result->customers = nbx_pool_customers(pool); /* also where the log knew every trial */
    *ndcg = nbx_pool_fit(pool, weights, s->options->k, WORTH);
    for (size_t i = 0; i < recipe->n_parts; i++)
        recipe->parts[i].weight = weights[i];
    nbx_pool_destroy(&pool);
    return NBX_OK;
}

/* Time goes to the families that count beside the others as they are. */
static enum nbx_err leave_idle_ones(struct search *s, struct nbx_fault *fault)
{
    struct nbx_recipe recipe;
    double ndcg;
    enum nbx_err err = weigh(s, &recipe, &ndcg, fault);
    if (err)
        return err;
    printf("      together       %.4f:", ndcg);
    for (size_t i = 0; i < recipe.n_parts; i++) {
        struct contender *c = &s->contenders[recipe.parts[i].family];
        if (recipe.parts[i].weight > 0)
            printf(" %s %.3g", nbx_family_info(recipe.parts[i].family)->name,
                   recipe.parts[i].weight);
        else
            c->idle = settings_of(c);
    }
    printf("\n");
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
    if (!err)
        err = leave_idle_ones(s, fault);
    while (!err && before != s->result->trials) {
        before = s->result->trials;
        for (int f = 0; !err && f < NBX_FAMILIES; f++)
            if (!s->contenders[order[f]].out)
                err = move(s, &s->contenders[order[f]], fault);
    }
    return err;
}

/* The recipe of what counts; its parts become the result's. */
static enum nbx_err conclude(struct search *s, struct nbx_fault *fault)
{
    struct nbx_recipe all;
    struct nbx_search_result *r = s->result;
    enum nbx_err err = weigh(s, &all, &r->ndcg, fault);
    for (size_t i = 0; !err && i < all.n_parts; i++) {
        struct attempt *best = &s->contenders[all.parts[i].family].best;
        r->best_alone = best->ndcg > r->best_alone ? best->ndcg : r->best_alone;
        if (!(all.parts[i].weight > 0))
            continue;
        r->recipe.parts[r->recipe.n_parts] = all.parts[i];
        r->parts[r->recipe.n_parts++] = best->part;
        best->fitted = false;
    }
    return err;
}

/* Whether the parts can be joined, with the time that is left. */
static enum nbx_err compact(struct search *s, struct nbx_fault *fault)
{
    const struct nbx_search_options *o = s->options;
    double left = o->seconds - seconds_since(s->start_ns) - s->credit;
    struct nbx_compact_options options = {.pool = pool_options(s, POOL_DEPTH),
                                          .k = o->k,
                                          .quick = NBX_COMPACT_QUICK,
                                          .seconds = o->max_trials ? INFINITY : left,
                                          .memory_bytes = o->memory_bytes};
    return nbx_compact(s->result, &options, fault);
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
    if (!err)
        err = conclude(s, fault);
    return err ? err : compact(s, fault);
}

void nbx_search_result_fini(struct nbx_search_result *result)
{
    for (size_t i = 0; i < NBX_RECIPE_MAX; i++)
        nbx_part_fini(&result->parts[i]);
    free(result->history);
    result->history = NULL;
}

enum nbx_err nbx_search_recipe(struct nbx_search_result *out, const struct nbx_dataset *all,
                               const struct nbx_search_options *options, struct nbx_fault *fault)
{
    *out = (struct nbx_search_result){0};
    struct search s = {
        .options = options, .all = all, .result = out, .start_ns = nbx_clock_mono_ns()};
    enum nbx_err err = search(&s, fault);
    for (int f = 0; f < NBX_FAMILIES; f++)
        if (s.contenders[f].best.fitted)
            nbx_part_fini(&s.contenders[f].best.part);
    nbx_trials_close(&s.trials);
    nbx_dataset_destroy(&s.train);
    nbx_dataset_destroy(&s.held);
    if (err)
        nbx_search_result_fini(out);
    return err;
}
