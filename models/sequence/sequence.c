/* SPDX-License-Identifier: MIT */
#include "models/sequence/sequence.h"

#include "engine/base/check.h"
#include "engine/base/parallel.h"
#include "engine/base/progress.h"
#include "models/sequence/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Steps over which the rate rises, but for a tenth of all at most. */
#define RISING_STEPS 100

void nbx_sequence_defaults(struct nbx_sequence_options *out)
{
    *out = (struct nbx_sequence_options){.dim = 64,
                                         .recent = 50,
                                         .groups = 4,
                                         .epochs = 10,
                                         .batch = 1024,
                                         .rate = 0.003f,
                                         .history_dropout = 0.2f,
                                         .dropout = 0.2f,
                                         .negatives = 2048,
                                         .seed = 1,
                                         .threads = nbx_parallel_processors(),
                                         .progress_fd = -1};
}

static enum nbx_err check_counts(const struct nbx_sequence_options *o, struct nbx_fault *fault)
{
    const struct {
        const char *name;
        size_t value, most;
    } counts[] = {{"dim", o->dim, NBX_SEQUENCE_MAX_DIM},
                  {"recent", o->recent, NBX_SEQUENCE_MAX_RECENT},
                  {"groups", o->groups, NBX_SEQUENCE_MAX_GROUPS},
                  {"epochs", o->epochs, NBX_SEQUENCE_MAX_EPOCHS},
                  {"batch", o->batch, NBX_SEQUENCE_MAX_BATCH},
                  {"threads", o->threads, NBX_PARALLEL_MAX_THREADS}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i].value < 1 || counts[i].value > counts[i].most)
            return nbx_fault_set(fault, NBX_EBAD, counts[i].name, "must be 1 to %zu, got %zu",
                                 counts[i].most, counts[i].value);
    if (o->dim % o->groups != 0)
        return nbx_fault_set(fault, NBX_EBAD, "groups", "must divide dim, %zu, got %zu", o->dim,
                             o->groups);
    return NBX_OK;
}

static enum nbx_err check_options(const struct nbx_sequence_options *o, struct nbx_fault *fault)
{
    const struct {
        const char *name;
        float value;
    } shares[] = {{"history_dropout", o->history_dropout}, {"dropout", o->dropout}};
    enum nbx_err err = check_counts(o, fault);
    if (err)
        return err;
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++)
        if (!(shares[i].value >= 0 && shares[i].value < 1))
            return nbx_fault_set(fault, NBX_EBAD, shares[i].name, "must be 0 up to 1, got %g",
                                 (double)shares[i].value);
    if (!(o->rate > 0 && o->rate <= 1))
        return nbx_fault_set(fault, NBX_EBAD, "rate", "must be above 0 and at most 1, got %g",
                             (double)o->rate);
    if (!(o->decay >= 0 && o->decay * o->rate < 1))
        return nbx_fault_set(fault, NBX_EBAD, "decay", "must be 0 up to 1 / rate, got %g",
                             (double)o->decay);
    return NBX_OK;
}

/* What depends on how many items a step meets. */
struct capacities {
    bool sampled;
    size_t candidates, items, history;
};

static struct capacities capacities_of(size_t n_items, const struct nbx_sequence_options *o)
{
    if (o->negatives == 0 || o->negatives >= n_items || o->negatives + o->batch >= n_items)
        return (struct capacities){false, n_items, n_items, n_items};
    return (struct capacities){true, o->negatives, o->negatives + o->batch,
                               nbx_sequence__max_slots(o)};
}

uint64_t nbx_sequence_bound_bytes(const struct nbx_dataset *dataset,
                                  const struct nbx_sequence_options *options)
{
    struct capacities most = capacities_of(dataset->n_items, options);
    uint64_t width = options->dim + 1, n = dataset->n_items;
    return sizeof(struct nbx_sequence) + nbx_sequence__table_bytes(n, width, most.items) +
           nbx_sequence__table_bytes(n, width, most.history) +
           nbx_sequence__table_bytes(options->groups, options->recent + 1, options->groups) +
           nbx_sequence__batch_bytes(dataset, options) + nbx_sequence__window_bytes(options) +
           nbx_sequence__softmax_bytes(width, options->batch, most.candidates) +
           (most.sampled ? nbx_sequence__sample_bytes(n, most.candidates) +
                               most.candidates * width * sizeof(float)
                         : 0) +
           options->batch * sizeof(uint32_t);
}

static enum nbx_err allocate(struct nbx_sequence *s)
{
    const struct nbx_sequence_options *o = &s->options;
    const struct nbx_dataset *d = s->dataset;
    struct capacities most = capacities_of(d->n_items, o);
    size_t width = o->dim + 1;
    s->sampled = most.sampled;
    s->places = malloc(o->batch * sizeof *s->places);
    enum nbx_err err = s->places ? NBX_OK : NBX_ELIMIT;
    if (!err)
        err = nbx_sequence__table_init(&s->items, d->n_items, width, most.items);
    if (!err)
        err = nbx_sequence__table_init(&s->history, d->n_items, width, most.history);
    if (!err)
        err = nbx_sequence__table_init(&s->positions, o->groups, o->recent + 1, o->groups);
    if (!err)
        err = nbx_sequence__chunks_init(&s->chunks, d, o);
    if (!err)
        err = nbx_sequence__batch_init(&s->batch, &s->chunks);
    if (!err)
        err = nbx_sequence__window_init(&s->window, o);
    if (!err)
        err = nbx_sequence__softmax_init(&s->softmax, width, o->batch, most.candidates);
    if (err || !s->sampled)
        return err;
    s->candidates = malloc(most.candidates * width * sizeof *s->candidates);
    err = nbx_sequence__sample_init(&s->sample, d->by_item.start, d->n_items, most.candidates);
    return s->candidates ? err : NBX_ELIMIT;
}

/* What an item gives by its popularity alone, around 0. */
static float start_bias(const struct nbx_dataset *d, size_t item)
{
    double mean = (double)nbx_csr_entries(&d->by_item) / (double)d->n_items;
    double n = (double)nbx_csr_row_entries(&d->by_item, item);
    return (float)(log(n + 1) - log(mean + 1));
}

/* Each group with a pace of its own: falling with the position, of length 1. */
static void start_positions(struct nbx_sequence *s)
{
    static const double paces[] = {0.5, 0.8, 0.95, 0.99, 0.9, 0.7, 0.98, 0.3};
    size_t recent = s->options.recent;
    for (size_t g = 0; g < s->options.groups; g++) {
        double pace = s->options.groups == 1 ? 0.8 : paces[g % (sizeof paces / sizeof *paces)];
        double square = (1 - pow(pace, 2 * (double)recent)) / (1 - pace * pace);
        for (size_t p = 0; p < recent; p++)
            s->positions.value[g * (recent + 1) + p] = (float)(pow(pace, (double)p) / sqrt(square));
    }
}

static void start(struct nbx_sequence *s)
{
    struct nbx_random random;
    size_t dim = s->options.dim, width = dim + 1;
    double deviation = 1 / sqrt((double)dim);
    nbx_random_init(&random, s->options.seed);
    for (size_t i = 0; i < s->dataset->n_items; i++) {
        for (size_t j = 0; j < dim; j++) {
            s->history.value[i * width + j] = (float)(nbx_random_normal(&random) * deviation);
            s->items.value[i * width + j] = (float)(nbx_random_normal(&random) * deviation);
        }
        s->items.value[i * width + dim] = start_bias(s->dataset, i);
    }
    s->items.decaying = s->history.decaying = dim;
    start_positions(s);
}

static enum nbx_err explain(enum nbx_err err, struct nbx_fault *fault)
{
    if (err == NBX_EBAD)
        return nbx_fault_set(fault, err, "rate", "too high: the numbers overflowed");
    return err ? nbx_fault_set(fault, err, NULL, "out of memory for sequence") : NBX_OK;
}

enum nbx_err nbx_sequence_new(struct nbx_sequence **out, const struct nbx_dataset *dataset,
                              const struct nbx_sequence_options *options, struct nbx_fault *fault)
{
    *out = NULL;
    enum nbx_err err = check_options(options, fault);
    if (err)
        return err;
    struct nbx_sequence *s = calloc(1, sizeof *s);
    if (!s)
        return explain(NBX_ELIMIT, fault);
    s->options = *options;
    s->dataset = dataset;
    err = allocate(s);
    if (err) {
        nbx_sequence_destroy(&s);
        return explain(err, fault);
    }
    start(s);
    *out = s;
    return NBX_OK;
}

void nbx_sequence_destroy(struct nbx_sequence **sequence)
{
    struct nbx_sequence *s = *sequence;
    if (!s)
        return;
    nbx_sequence__table_fini(&s->items);
    nbx_sequence__table_fini(&s->history);
    nbx_sequence__table_fini(&s->positions);
    nbx_sequence__chunks_fini(&s->chunks);
    nbx_sequence__batch_fini(&s->batch);
    nbx_sequence__window_fini(&s->window);
    nbx_sequence__softmax_fini(&s->softmax);
    nbx_sequence__sample_fini(&s->sample);
    free(s->candidates);
    free(s->places);
    free(s);
    *sequence = NULL;
}

static enum nbx_err forward_part(void *ctx, unsigned worker, size_t part)
{
    (void)worker;
    nbx_sequence__forward(ctx, part);
    return NBX_OK;
}

static enum nbx_err backward_part(void *ctx, unsigned worker, size_t part)
{
    (void)worker;
    nbx_sequence__backward(ctx, part);
    return NBX_OK;
}

/* Draws candidates, which take the first places of the gradient. */
static void draw_candidates(struct nbx_sequence *s)
{
    struct nbx_random random;
    size_t width = s->items.width;
    nbx_sequence__stream(&random, s->options.seed, s->epoch,
                         NBX_SEQUENCE_STREAM_BATCH + s->batch.chunks[0]);
    nbx_sequence__sample_draw(&s->sample, &random);
    for (size_t i = 0; i < s->sample.n; i++) {
        uint32_t item = s->sample.items[i];
        nbx_sequence__table_place(&s->items, item);
        memcpy(s->candidates + i * width, s->items.value + (size_t)item * width,
               width * sizeof *s->candidates);
        s->candidates[i * width + width - 1] += s->sample.added[i];
    }
}

static enum nbx_err softmax(struct nbx_sequence *s, double *loss)
{
    if (s->sampled)
        draw_candidates(s);
    for (size_t t = 0; t < s->batch.n_targets; t++)
        s->places[t] = nbx_sequence__table_place(&s->items, s->batch.targets[t]);
    struct nbx_sequence_problem problem = {
        .n_targets = s->batch.n_targets,
        .x = s->window.x,
        .dx = s->window.dx,
        .targets = s->batch.targets,
        .places = s->places,
        .n_candidates = s->sampled ? s->sample.n : s->dataset->n_items,
        .candidates = s->sampled ? s->candidates : s->items.value,
        .items = &s->items,
    };
    return nbx_sequence__softmax(&s->softmax, &problem, s->options.threads, loss);
}

enum nbx_err nbx_sequence__gradients(struct nbx_sequence *s, double *loss)
{
    struct nbx_sequence_pass pass = {
        .window = &s->window,
        .chunks = &s->chunks,
        .batch = &s->batch,
        .history = s->history.value,
        .seed = s->options.seed,
        .epoch = s->epoch,
    };
    for (size_t i = 0; i < s->batch.n_slots; i++)
        nbx_sequence__table_place(&s->history, s->batch.slots[i]);
    nbx_sequence__window_paces(&s->window, s->positions.value);
    enum nbx_err err = nbx_parallel(s->options.threads, NBX_SEQUENCE_PARTS, forward_part, &pass);
    if (!err)
        err = softmax(s, loss);
    if (!err)
        err = nbx_parallel(s->options.threads, NBX_SEQUENCE_PARTS, backward_part, &pass);
    if (!err)
        nbx_sequence__gather(&pass, &s->history, &s->positions);
    return err;
}

struct update_job {
    struct nbx_sequence_table *tables[3];
};

static struct update_job all_tables(struct nbx_sequence *s)
{
    return (struct update_job){{&s->items, &s->history, &s->positions}};
}

static enum nbx_err update_block(void *ctx, unsigned worker, size_t block)
{
    const struct update_job *job = ctx;
    size_t table = 0;
    (void)worker;
    for (; block >= nbx_sequence__table_blocks(job->tables[table]); table++)
        block -= nbx_sequence__table_blocks(job->tables[table]);
    nbx_sequence__table_update(job->tables[table], block);
    return NBX_OK;
}

static enum nbx_err do_step(struct nbx_sequence *s, float rate, double *loss)
{
    struct update_job job = all_tables(s);
    size_t blocks = 0;
    s->steps++;
    for (size_t i = 0; i < 3; i++)
        nbx_sequence__table_begin(job.tables[i], s->steps, rate, s->options.decay);
    enum nbx_err err = nbx_sequence__gradients(s, loss);
    if (err)
        return err;
    for (size_t i = 0; i < 3; i++)
        blocks += nbx_sequence__table_blocks(job.tables[i]);
    err = nbx_parallel(s->options.threads, blocks, update_block, &job);
    for (size_t i = 0; i < 3; i++)
        nbx_sequence__table_done(job.tables[i]);
    return err;
}

/* Rises over the first steps, falls to 0 with the share of all targets that is done. */
static float rate_now(const struct nbx_sequence *s, uint64_t done)
{
    double share = ((double)done / (double)s->chunks.n_targets + s->epoch) / s->options.epochs;
    double all_steps = (double)s->chunks.n_targets * s->options.epochs / (double)s->options.batch;
    double rising = all_steps / 10 < RISING_STEPS ? all_steps / 10 : RISING_STEPS;
    double risen = (s->steps + 1) / rising;
    return (float)(s->options.rate * (1 - share) * (risen < 1 ? risen : 1));
}

static enum nbx_err do_epoch(struct nbx_sequence *s, struct nbx_progress *progress, double *sum)
{
    enum nbx_err err = NBX_OK;
    uint64_t done = 0;
    double loss = 0;
    nbx_sequence__shuffle(&s->chunks, s->options.seed, s->epoch);
    while (!err && done < s->chunks.n_targets) {
        nbx_sequence__batch_next(&s->batch, &s->chunks, s->dataset->sequence);
        err = do_step(s, rate_now(s, done), &loss);
        if (!err && !isfinite(loss))
            err = NBX_EBAD;
        *sum += loss;
        done += s->batch.n_targets;
        nbx_progress_update(progress, done);
    }
    struct update_job job = all_tables(s);
    for (size_t i = 0; i < 3; i++)
        nbx_sequence__table_settle(job.tables[i]);
    return err;
}

enum nbx_err nbx_sequence_epoch(struct nbx_sequence *sequence, double *loss,
                                struct nbx_fault *fault)
{
    struct nbx_progress progress;
    uint64_t n = sequence->chunks.n_targets;
    NBX_ASSERT(sequence->epoch < sequence->options.epochs);
    *loss = 0;
    nbx_progress_start(&progress, sequence->options.progress_fd, "sequence", "targets", n);
    enum nbx_err err = do_epoch(sequence, &progress, loss);
    nbx_progress_end(&progress);
    sequence->epoch++;
    *loss /= n ? (double)n : 1;
    return explain(err, fault);
}

unsigned nbx_sequence_epochs(const struct nbx_sequence *sequence)
{
    return sequence->epoch;
}

const float *nbx_sequence_items(const struct nbx_sequence *sequence)
{
    return sequence->items.value;
}

const float *nbx_sequence_history(const struct nbx_sequence *sequence)
{
    return sequence->history.value;
}

const float *nbx_sequence_positions(const struct nbx_sequence *sequence)
{
    return sequence->positions.value;
}
