/* SPDX-License-Identifier: MIT */
#include "models/train/task.h"

#include "engine/base/clock.h"
#include "engine/base/parallel.h"
#include "engine/json/json.h"
#include "models/dataset/split.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_CREATED_MS  UINT64_C(253402300799999) /* the year 9999 */
#define MAX_DAYS        36500
#define DAY_MS          86400000.0
#define WORD_BYTES      64
#define DESCRIPTION     "dataset.json"
#define MAX_DESCRIPTION (1 << 20)

void nbx_task_init(struct nbx_task *task, const char *name)
{
    *task = (struct nbx_task){.name = name, .seed = 1, .threads = nbx_parallel_processors()};
    nbx_types_default(&task->types);
    task->created_ms = (uint64_t)nbx_clock_wall_ms();
}

void nbx_task_fini(struct nbx_task *task)
{
    if (task->learn != task->dataset)
        nbx_dataset_destroy(&task->learn);
    nbx_dataset_destroy(&task->last);
    nbx_dataset_destroy(&task->dataset);
    nbx_item_table_fini(&task->table);
    nbx_customer_table_fini(&task->customer_table);
}

static bool take_word(const char **out, struct nbx_argument a)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(a.text);
    *out = a.text;
    if (len >= 1 && len <= WORD_BYTES && a.text[0] != '.' && strspn(a.text, allowed) == len)
        return true;
    fprintf(stderr, "nbx-train: %s: must be 1 to %d of A-Z a-z 0-9 . _ -, the first no point\n",
            a.option, WORD_BYTES);
    return false;
}

static bool take_order(struct nbx_task *task, struct nbx_argument a)
{
    task->order = strcmp(a.text, "yes") == 0 ? NBX_ORDER_YES : NBX_ORDER_NO;
    if (task->order == NBX_ORDER_YES || strcmp(a.text, "no") == 0)
        return true;
    fprintf(stderr, "nbx-train: %s: must be yes or no, got \"%s\"\n", a.option, a.text);
    return false;
}

static bool take_half_life(struct nbx_task *task, struct nbx_argument a)
{
    if (!nbx_argument_number(&task->half_life_days, a))
        return false;
    if (task->half_life_days > 0 && task->half_life_days <= MAX_DAYS)
        return true;
    fprintf(stderr, "nbx-train: %s: must be above 0 to %d days, got \"%s\"\n", a.option, MAX_DAYS,
            a.text);
    return false;
}

bool nbx_task_take(struct nbx_task *task, int option, struct nbx_argument a)
{
    uint64_t whole = 0;
    bool ok = true;
    switch (option) {
    case NBX_OPT_EVENTS: task->events = a.text; break;
    case NBX_OPT_ITEMS: task->items = a.text; break;
    case NBX_OPT_CUSTOMERS: task->customers = a.text; break;
    case NBX_OPT_OUT: task->out = a.text; break;
    case NBX_OPT_NAME: return take_word(&task->name, a);
    case NBX_OPT_SEED: return nbx_argument_whole(&task->seed, a, 0, UINT64_MAX);
    case NBX_OPT_TYPES: return nbx_argument_types(&task->types, a);
    case NBX_OPT_WEIGHTED: task->weighted = true; break;
    case NBX_OPT_HALF_LIFE: return take_half_life(task, a);
    case NBX_OPT_ORDERED: return take_order(task, a);
    case NBX_OPT_LEAVE_OUT_LAST: task->leave_out_last = true; break;
    case NBX_OPT_RESUME: task->resume = true; break;
    case NBX_OPT_MEMORY: return nbx_argument_whole(&task->memory_mib, a, 1, UINT64_C(1) << 30);
    case NBX_OPT_CREATED_MS: return nbx_argument_whole(&task->created_ms, a, 0, MAX_CREATED_MS);
    default:
        ok = nbx_argument_whole(&whole, a, 1, NBX_PARALLEL_MAX_THREADS);
        task->threads = (unsigned)whole;
        break;
    }
    return ok;
}

/* A run of minutes must not end at a folder that is not there. */
static bool can_write(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    bool ok = folder && access(folder, W_OK | X_OK) == 0;
    if (!ok)
        fprintf(stderr, "nbx-train: %s: cannot write there: %s\n", path, strerror(errno));
    free(folder);
    return ok;
}

bool nbx_task_ready(const struct nbx_task *task, int *code)
{
    *code = NBX_EXIT_USAGE;
    if (!nbx_argument_given((struct nbx_argument){"--events", task->events}) ||
        !nbx_argument_given((struct nbx_argument){"--out", task->out}))
        return false;
    *code = NBX_EXIT_FAILED;
    return can_write(task->out);
}

/* The whole of a small file into text (MAX_DESCRIPTION); its length, 0 where it is not there. */
static size_t read_description(char *text, const char *events)
{
    const char *slash = strrchr(events, '/');
    char *path;
    size_t n = 0;
    if (asprintf(&path, "%.*s" DESCRIPTION, slash ? (int)(slash + 1 - events) : 0, events) < 0)
        return 0;
    FILE *f = fopen(path, "r");
    if (f) {
        n = fread(text, 1, MAX_DESCRIPTION, f);
        fclose(f);
    }
    free(path);
    return n;
}

/* What the data set's description says of its order, if it says it. */
static bool described_order(const char *events, bool *ordered)
{
    struct nbx_value v;
    struct nbx_fault fault;
    const struct nbx_value *said = NULL;
    char *text = malloc(MAX_DESCRIPTION);
    struct nbx_arena *arena = nbx_arena_new((size_t)16 << 20);
    size_t n = text ? read_description(text, events) : 0;
    if (n && arena && nbx_json_decode(&v, text, n, arena, &fault) == NBX_OK)
        said = nbx_value_get(&v, "ordered");
    bool found = said && said->type == NBX_BOOL;
    if (found)
        *ordered = said->b;
    nbx_arena_destroy(&arena);
    free(text);
    return found;
}

static bool find_order(const struct nbx_task *task)
{
    bool ordered = task->dataset->first_ms != NBX_DATASET_NO_TIME;
    if (task->order == NBX_ORDER_ASK)
        (void)described_order(task->events, &ordered);
    else
        ordered = task->order == NBX_ORDER_YES;
    return ordered;
}

static void print_dataset(const struct nbx_task *task, double seconds)
{
    const struct nbx_dataset *d = task->dataset;
    const struct nbx_dataset_counts *c = &d->counts;
    printf("read %" PRIu64 " events in %.1f s: %zu customers, %zu items, %zu pairs", c->rows,
           seconds, d->n_customers, d->n_items, nbx_csr_entries(&d->by_customer));
    printf(" (%" PRIu64 " anonymous, %" PRIu64 " without item, %" PRIu64 " neutral, %" PRIu64
           " negative, %" PRIu64 " duplicate), %s\n",
           c->anonymous, c->no_item, c->neutral, c->negative, c->duplicates,
           task->ordered ? "ordered" : "not ordered");
}

static enum nbx_err leave_out_last(struct nbx_task *task, struct nbx_fault *fault)
{
    struct nbx_split_options split = {.kind = NBX_SPLIT_LAST};
    task->learn = task->dataset;
    if (!task->leave_out_last)
        return NBX_OK;
    enum nbx_err err = nbx_dataset_split(&task->learn, &task->last, task->dataset, &split);
    if (err) {
        task->learn = NULL;
        return nbx_fault_set(fault, err, NULL, "out of memory");
    }
    printf("left out each customer's last item: %zu pairs\n",
           nbx_csr_entries(&task->last->by_customer));
    return NBX_OK;
}

/* The file of --items, before anything is learnt that its faults would waste. */
static enum nbx_err read_items(struct nbx_task *task, struct nbx_fault *fault)
{
    const struct nbx_dataset *d = task->dataset;
    if (!task->items)
        return NBX_OK;
    enum nbx_err err =
        nbx_item_table_read(&task->table, task->items, d->item_ids, d->n_items, fault);
    if (!err)
        printf("read %s: %zu of %zu items\n", task->items, task->table.n_known, d->n_items);
    return err;
}

/* Likewise that of --customers. */
static enum nbx_err read_customers(struct nbx_task *task, struct nbx_fault *fault)
{
    const struct nbx_dataset *d = task->dataset;
    struct nbx_customer_table *table = &task->customer_table;
    if (!task->customers)
        return NBX_OK;
    enum nbx_err err =
        nbx_customer_table_read(table, task->customers, d->customer_ids, d->n_customers, fault);
    if (!err)
        printf("read %s: %zu of %zu customers\n", task->customers, table->n_known, d->n_customers);
    return err;
}

enum nbx_err nbx_task_read(struct nbx_task *task, struct nbx_fault *fault)
{
    char text[32];
    struct nbx_dataset_options read = {.types = &task->types,
                                       .weighted = task->weighted,
                                       .half_life_ms =
                                           (int64_t)((double)task->half_life_days * DAY_MS),
                                       .progress_fd = STDERR_FILENO};
    printf("memory: reading %s takes at most %s\n", task->events,
           nbx_train_bytes(text, nbx_dataset_bound_bytes(task->events)));
    int64_t start_ns = nbx_clock_mono_ns();
    enum nbx_err err = nbx_dataset_read(&task->dataset, task->events, &read, fault);
    if (err)
        return err;
    task->ordered = find_order(task);
    print_dataset(task, (double)(nbx_clock_mono_ns() - start_ns) / 1e9);
    if (task->dataset->n_items == 0)
        return nbx_fault_set(fault, NBX_EBAD, task->events, "has no pair to learn from");
    err = read_items(task, fault);
    if (!err)
        err = read_customers(task, fault);
    return err ? err : leave_out_last(task, fault);
}

struct nbx_fit_run nbx_task_run(const struct nbx_task *task)
{
    return (struct nbx_fit_run){.seed = task->seed,
                                .threads = task->threads,
                                .progress_fd = STDERR_FILENO,
                                .checkpoints = task->out,
                                .resume = task->resume};
}
