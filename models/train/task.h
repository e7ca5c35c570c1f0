/* SPDX-License-Identifier: MIT
 * What the commands that make a bundle have in common: the events, the options of reading them, and
 * the way from a recipe to a file.
 *
 * Owns:    a task the data set that it read.
 * Threads: one.
 * Errors:  a line on stderr that names the option, or a fault.
 */
#ifndef NBX_MODELS_TRAIN_TASK_H
#define NBX_MODELS_TRAIN_TASK_H

#include "models/attributes/customers.h"
#include "models/attributes/items.h"
#include "models/dataset/dataset.h"
#include "models/recipe/part.h"
#include "models/train/arguments.h"

#include <getopt.h>

/* Options that take_common knows; a command's own begin at NBX_OPT_OWN. */
enum nbx_common_option {
    NBX_OPT_EVENTS = 1,
    NBX_OPT_OUT,
    NBX_OPT_NAME,
    NBX_OPT_SEED,
    NBX_OPT_THREADS,
    NBX_OPT_TYPES,
    NBX_OPT_WEIGHTED,
    NBX_OPT_HALF_LIFE,
    NBX_OPT_ORDERED,
    NBX_OPT_LEAVE_OUT_LAST,
    NBX_OPT_RESUME,
    NBX_OPT_MEMORY,
    NBX_OPT_CREATED_MS,
    NBX_OPT_ITEMS,
    NBX_OPT_CUSTOMERS,
    NBX_OPT_HELP,
    NBX_OPT_OWN,
};

/* Entries of a struct option table. */
#define NBX_COMMON_OPTIONS                                                                         \
    {"events", required_argument, NULL, NBX_OPT_EVENTS},                                           \
        {"out", required_argument, NULL, NBX_OPT_OUT},                                             \
        {"name", required_argument, NULL, NBX_OPT_NAME},                                           \
        {"seed", required_argument, NULL, NBX_OPT_SEED},                                           \
        {"threads", required_argument, NULL, NBX_OPT_THREADS},                                     \
        {"types", required_argument, NULL, NBX_OPT_TYPES},                                         \
        {"weighted", no_argument, NULL, NBX_OPT_WEIGHTED},                                         \
        {"half-life", required_argument, NULL, NBX_OPT_HALF_LIFE},                                 \
        {"ordered", required_argument, NULL, NBX_OPT_ORDERED},                                     \
        {"leave-out-last", no_argument, NULL, NBX_OPT_LEAVE_OUT_LAST},                             \
        {"resume", no_argument, NULL, NBX_OPT_RESUME},                                             \
        {"memory", required_argument, NULL, NBX_OPT_MEMORY},                                       \
        {"created-ms", required_argument, NULL, NBX_OPT_CREATED_MS},                               \
        {"items", required_argument, NULL, NBX_OPT_ITEMS},                                         \
        {"customers", required_argument, NULL, NBX_OPT_CUSTOMERS},                                 \
    {                                                                                              \
        "help", no_argument, NULL, NBX_OPT_HELP                                                    \
    }

/* The lines of --help for them. */
#define NBX_COMMON_USAGE                                                                           \
    "  --items FILE       CSV with a header: id, and brand, categories (a|b), price, title where " \
    "they\n"                                                                                       \
    "                     are; then a new item is found by them the moment it is put\n"            \
    "  --customers FILE   CSV with a header: id, and any others: attributes, several values as "   \
    "a|b;\n"                                                                                       \
    "                     then a customer without history has a list by them\n"                    \
    "  --name NAME        the model's name\n"                                                      \
    "  --seed S           of everything that is drawn (default: 1)\n"                              \
    "  --threads T        (default: every processor)\n"                                            \
    "  --types T=W,...    weights of event types: above 0 positive, below 0 takes the pair "       \
    "back,\n"                                                                                      \
    "                     0 says nothing. Known without it: purchase, cart, click, view, visit,\n" \
    "                     rating 1; call, search, impression 0; dismiss, return -1\n"              \
    "  --weighted         keep the weights of positive types; otherwise each pair weighs 1\n"      \
    "  --half-life DAYS   an event's weight halves with every such age; implies --weighted\n"      \
    "  --ordered yes|no   whether the order of events means something (default: what\n"            \
    "                     dataset.json beside the events says, else whether they have times)\n"    \
    "  --leave-out-last   learn without each customer's last item, which may then be used to\n"    \
    "                     tune on, as published results are made\n"                                \
    "  --resume           go on where an interrupted run of the same was, from what it left "      \
    "behind\n"                                                                                     \
    "                     after each epoch: the same bytes as if nothing had happened\n"           \
    "  --memory MIB       refuse, or pass over, what might take more (default: no limit)\n"        \
    "  --created-ms MS    the bundle's time of creation, in milliseconds since 1970 (default: "    \
    "now).\n"                                                                                      \
    "                     nbxd loads the newest bundle by it. The same data, options, seed and\n"  \
    "                     --created-ms give the same bytes on one machine\n"

struct nbx_task {
    const char *events, *items, *customers, *out, *name; /* items, customers: NULL: not given */
    struct nbx_types types;
    bool weighted, leave_out_last, resume;
    enum { NBX_ORDER_ASK, NBX_ORDER_YES, NBX_ORDER_NO } order;
    float half_life_days;
    uint64_t seed, created_ms, memory_mib;
    unsigned threads;
    /* after nbx_task_read */
    bool ordered;
    struct nbx_dataset *dataset; /* all of it */
    struct nbx_dataset *learn;   /* what may be learnt from: dataset, or without the last items */
    struct nbx_dataset *last;    /* what leave_out_last left out, or NULL */
    struct nbx_item_table table; /* of its items, where `items` was given */
    struct nbx_customer_table customer_table; /* likewise */
};

void nbx_task_init(struct nbx_task *task, const char *name);
void nbx_task_fini(struct nbx_task *task);
/* A common option; false after a line on stderr. */
bool nbx_task_take(struct nbx_task *task, int option, struct nbx_argument a);
/* Whether --events and --out were given and the file can be written there; says so where not, with
 * the exit code in *code. */
bool nbx_task_ready(const struct nbx_task *task, int *code);
/* Reads the events and says what they are. */
enum nbx_err nbx_task_read(struct nbx_task *task, struct nbx_fault *fault);
struct nbx_fit_run nbx_task_run(const struct nbx_task *task);

/* Writes the bundle of parts (recipe->n_parts) as they were fitted. */
enum nbx_err nbx_task_write(const struct nbx_task *task, const struct nbx_recipe *recipe,
                            const struct nbx_part *parts, const char *extra_json,
                            struct nbx_fault *fault);
/* Fits the recipe and writes the bundle. extra_json: NULL, or members for the metadata
 * ("\"validation\":{...}"). */
enum nbx_err nbx_task_make(struct nbx_task *task, const struct nbx_recipe *recipe,
                           const struct nbx_fit_run *run, const char *extra_json,
                           struct nbx_fault *fault);

#endif
