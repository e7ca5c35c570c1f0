/* SPDX-License-Identifier: MIT
 * From a recipe to a bundle.
 */
#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "models/attributes/learn.h"
#include "models/train/served.h"
#include "models/train/task.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VERSION_BYTES 32

/* What tells this training from every other: its time and a hash of all that it learnt. */
static const char *version_of(char out[VERSION_BYTES], const struct nbx_task *task,
                              const struct nbx_part *parts, size_t n)
{
    char stamp[20] = "";
    struct tm tm;
    time_t seconds = (time_t)(task->created_ms / 1000);
    uint64_t hashes[NBX_RECIPE_MAX][2] = {{0}};
    for (size_t i = 0; i < n; i++) {
        const struct nbx_part *p = &parts[i];
        size_t factors = p->sparse ? 0 : task->dataset->n_items * p->space.dims;
        hashes[i][0] = nbx_hash64(p->item_factors, factors * sizeof(float));
        hashes[i][1] = nbx_hash64(p->rows.weight, nbx_csr_entries(&p->rows) * sizeof(float));
    }
    if (gmtime_r(&seconds, &tm))
        strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", &tm);
    snprintf(out, VERSION_BYTES, "%s-%08" PRIx32, stamp, nbx_hash32(hashes, sizeof hashes));
    return out;
}

static void put_time(struct nbx_buf *json, const char *key, int64_t ms)
{
    if (ms == NBX_DATASET_NO_TIME)
        nbx_buf_printf(json, "\"%s\":null", key);
    else
        nbx_buf_printf(json, "\"%s\":%" PRId64, key, ms);
}

/* What the bundle says of its making; nothing that differs between two equal runs. */
static void describe(struct nbx_buf *json, const struct nbx_task *task,
                     const struct nbx_recipe *recipe, const struct nbx_part *parts,
                     const char *extra_json)
{
    const struct nbx_dataset *d = task->dataset;
    const struct nbx_dataset_counts *c = &d->counts;
    nbx_buf_printf(json, "{\"recipe\":");
    nbx_recipe_write(json, recipe);
    nbx_buf_printf(json,
                   ",\"settings\":{\"seed\":\"%" PRIu64
                   "\",\"weighted\":%s,\"ordered\":%s,\"half_life_days\":%.9g,"
                   "\"leave_out_last\":%s},",
                   task->seed, task->weighted ? "true" : "false", task->ordered ? "true" : "false",
                   (double)task->half_life_days, task->leave_out_last ? "true" : "false");
    nbx_buf_printf(json,
                   "\"counts\":{\"customers\":%zu,\"items\":%zu,\"pairs\":%zu,\"rows\":%" PRIu64
                   ",\"anonymous\":%" PRIu64 ",\"no_item\":%" PRIu64 ",\"neutral\":%" PRIu64
                   ",\"negative\":%" PRIu64 ",\"duplicates\":%" PRIu64 "},\"data_window\":{",
                   d->n_customers, d->n_items, nbx_csr_entries(&task->learn->by_customer), c->rows,
                   c->anonymous, c->no_item, c->neutral, c->negative, c->duplicates);
    put_time(json, "first_ms", d->first_ms);
    nbx_buf_printf(json, ",");
    put_time(json, "last_ms", d->last_ms);
    nbx_buf_printf(json, "},\"training\":{");
    for (size_t i = 0; i < recipe->n_parts; i++)
        nbx_buf_printf(json, "%s\"%s_loss\":%.17g", i ? "," : "",
                       nbx_family_info(parts[i].family)->name, parts[i].loss);
    nbx_buf_printf(json, "}%s%s}", extra_json ? "," : "", extra_json ? extra_json : "");
    nbx_buf_put_u8(json, 0);
}

/* What auto found is worth having all the same where it has none. */
static bool has_space(const struct nbx_bundle_info *info, const char *option, const char *to)
{
    if (nbx_bundle_dims(info))
        return true;
    fprintf(stderr, "nbx-train: %s: left out, a model of neighbours alone has no space to %s\n",
            option, to);
    return false;
}

/* What the items' attributes mean in the spaces of info, where --items was given. */
static enum nbx_err learn_attributes(struct nbx_learnt *out, const struct nbx_task *task,
                                     struct nbx_bundle_info *info, struct nbx_fault *fault)
{
    *out = (struct nbx_learnt){0};
    if (!task->items)
        return NBX_OK;
    if (!has_space(info, "--items", "put items in"))
        return NBX_OK;
    int64_t start_ns = nbx_clock_mono_ns();
    float *counts = calloc(info->n_items + 1, sizeof *counts);
    if (!counts)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    for (size_t i = 0; i < info->n_items; i++)
        counts[i] = (float)nbx_csr_row_entries(&task->learn->by_item, i);
    struct nbx_learn_items_options options = {
        .table = &task->table, .info = info, .counts = counts, .lambda = NBX_LEARNT_LAMBDA};
    enum nbx_err err = nbx_learn_items(out, &options, fault);
    if (!err)
        printf("attributes: %zu features, %zu price bounds, %.1f s\n", out->features.n,
               out->features.n_price_bounds, (double)(nbx_clock_mono_ns() - start_ns) / 1e9);
    info->features = out->features;
    free(counts);
    return err;
}

/* What the customers' attributes mean to the model, where --customers was given. */
static enum nbx_err learn_customers(struct nbx_learnt *out, const struct nbx_task *task,
                                    struct nbx_bundle_info *info, struct nbx_fault *fault)
{
    *out = (struct nbx_learnt){0};
    if (!task->customers || !has_space(info, "--customers", "ask in"))
        return NBX_OK;
    int64_t start_ns = nbx_clock_mono_ns();
    struct nbx_learn_customers_options options = {.table = &task->customer_table,
                                                  .info = info,
                                                  .events = task->learn,
                                                  .lambda = NBX_LEARNT_LAMBDA};
    enum nbx_err err = nbx_learn_customers(out, &options, fault);
    if (!err)
        printf("attributes of customers: %zu features, %.1f s\n", out->features.n,
               (double)(nbx_clock_mono_ns() - start_ns) / 1e9);
    info->customer_features = out->features;
    return err;
}

static enum nbx_err write_served(const struct nbx_task *task, const struct nbx_recipe *recipe,
                                 const struct nbx_part *parts, const struct nbx_served *served,
                                 const char *extra_json, struct nbx_fault *fault)
{
    char version[VERSION_BYTES];
    struct nbx_buf json = {0};
    struct nbx_bundle_info info = {
        .name = nbx_str_c(task->name),
        .version = nbx_str_c(version_of(version, task, served->as.parts, served->as.n)),
        .created_ms = (int64_t)task->created_ms,
        .n_items = task->dataset->n_items,
        .item_ids = task->dataset->item_ids};
    nbx_parts_describe(&info, served->as.parts, served->as.weights, served->as.n);
    struct nbx_learnt learnt, of_customers = {0};
    enum nbx_err err = learn_attributes(&learnt, task, &info, fault);
    if (!err)
        err = learn_customers(&of_customers, task, &info, fault);
    if (!err) {
        describe(&json, task, recipe, parts, extra_json);
        err = json.failed ? nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory")
                          : nbx_bundle_write(task->out, &info, (char *)json.p, fault);
    }
    nbx_buf_fini(&json);
    nbx_learnt_fini(&learnt);
    nbx_learnt_fini(&of_customers);
    if (!err)
        printf("wrote %s: %s %s, %zu items\n", task->out, task->name, version, info.n_items);
    return err;
}

enum nbx_err nbx_task_write(const struct nbx_task *task, const struct nbx_recipe *recipe,
                            const struct nbx_part *parts, const char *extra_json,
                            struct nbx_fault *fault)
{
    struct nbx_served served;
    enum nbx_err err = nbx_served_init(&served, task, recipe, parts, fault);
    if (!err)
        err = write_served(task, recipe, parts, &served, extra_json, fault);
    nbx_served_fini(&served);
    return err;
}

/* Says what a part is made of and what memory it takes, before it takes it. */
static enum nbx_err announce(const struct nbx_task *task, const struct nbx_ingredient *i,
                             const struct nbx_fit_run *run, struct nbx_fault *fault)
{
    char text[32];
    uint64_t bytes = nbx_part_bound_bytes(i, task->learn, run);
    const struct nbx_family_info *info = nbx_family_info(i->family);
    printf("%s:", info->name);
    for (size_t s = 0; s < info->n_settings; s++)
        printf(" %s=%g", info->settings[s].name, i->settings[s]);
    printf("\nmemory: training takes at most %s more\n", nbx_train_bytes(text, bytes));
    if (task->memory_mib && bytes > task->memory_mib << 20)
        return nbx_fault_set(fault, NBX_ELIMIT, "--memory", "%s may take %s", info->name, text);
    return NBX_OK;
}

enum nbx_err nbx_task_make(struct nbx_task *task, const struct nbx_recipe *recipe,
                           const struct nbx_fit_run *run, const char *extra_json,
                           struct nbx_fault *fault)
{
    struct nbx_part parts[NBX_RECIPE_MAX] = {0};
    enum nbx_err err = NBX_OK;
    size_t n = 0;
    int64_t start_ns = nbx_clock_mono_ns();
    for (; !err && n < recipe->n_parts; n++) {
        err = announce(task, &recipe->parts[n], run, fault);
        if (!err)
            err = nbx_part_fit(&parts[n], &recipe->parts[n], task->learn, run, fault);
    }
    if (!err) {
        printf("trained in %.1f s\n", (double)(nbx_clock_mono_ns() - start_ns) / 1e9);
        err = nbx_task_write(task, recipe, parts, extra_json, fault);
    }
    for (size_t i = 0; i < n; i++)
        nbx_part_fini(&parts[i]);
    return err;
}
