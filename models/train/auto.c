/* SPDX-License-Identifier: MIT
 * Finding a recipe (tune), and making a bundle by it at once (auto).
 */
#include "models/report/html.h"
#include "models/report/report.h"
#include "models/train/commands.h"
#include "models/train/retrain.h"
#include "models/train/task.h"
#include "models/tune/search.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_MINUTES   10000
#define MAX_DAYS      36500
#define MAX_LOSS      0.1F
#define DEFAULT_K     10
#define DEFAULT_SHARE 0.2F
#define CUSTOMERS     5000

#define OWN_USAGE                                                                                  \
    "  --minutes M        for everything (default: 10)\n"                                          \
    "  --trials N         instead: so many trials, which makes the result repeatable\n"            \
    "  --split S          what is held out to choose by: last, each customer's last item (the\n"   \
    "                     default where the order means something); mixed, a share of each\n"      \
    "                     customer's items, of half of them by chance, of the others what is\n"    \
    "                     alike (the default where it does not); random, a share of all pairs;\n"  \
    "                     time, the last share of the time\n"                                      \
    "  --share P          of all but last, above 0 and below 1 (default: 0.2)\n"                   \
    "  --k K              NDCG at K decides (default: 10)\n"                                       \
    "  --sample N         how many customers to ask, drawn by seed; 0: all (default: 5000)\n"      \
    "  --log FILE         the trials, a line of JSON each; where it exists they are not run "      \
    "again,\n"                                                                                     \
    "                     so that a search that was cut goes on\n"                                 \
    "  --html FILE        writes a page with the recipe, every trial and what the search learnt "  \
    "when;\n"                                                                                      \
    "                     it needs no network\n"

static const char tune_usage[] =
    "nbx-train tune --events FILE --out RECIPE [options]\n"
    "\n"
    "Searches families, settings and weights on a part of the events that is held out, and writes\n"
    "what ranks it best, for nbx-train fit --recipe.\n"
    "\n"
    "  --events FILE      CSV with a header: customer, item, and optionally type, time and effect\n"
    "  --out RECIPE       the file to write, JSON\n" OWN_USAGE NBX_COMMON_USAGE "\n"
    "Exit codes: 0 done, 1 a file is missing or wrong or memory is out, 2 wrong usage.\n";

static const char auto_usage[] =
    "nbx-train auto --events FILE --out BUNDLE [options]\n"
    "nbx-train auto --from ENDPOINT [options]\n"
    "\n"
    "Searches families, settings and weights on a part of the events that is held out, then "
    "learns\n"
    "from all of them and writes the bundle.\n"
    "\n"
    "  --events FILE      CSV with a header: customer, item, and optionally type, time and effect\n"
    "  --out BUNDLE       the file to write (.safetensors)\n"
    "  --from ENDPOINT    instead of --events: takes them from the nbxd at, say, "
    "tcp://127.0.0.1:7741,\n"
    "                     judges what it finds by each customer's last item, which is held out "
    "then,\n"
    "                     and pushes the bundle as a staged version, with figures and notes. The "
    "version\n"
    "                     that answers there is asked for what customers did since it was made, "
    "too.\n"
    "                     Without --out no file stays\n"
    "  --from-since DAYS  events of the last so many days only (default: all)\n"
    "  --against BUNDLE   with --from, a file to judge against in place of the version that "
    "answers\n"
    "  --max-loss SHARE   nothing is pushed where ndcg or recall falls short of that model's by "
    "more\n"
    "                     than this share, 0 to 1 (default: 0.1)\n" OWN_USAGE NBX_COMMON_USAGE "\n"
    "Exit codes: 0 done, 1 a file is missing or wrong, nbxd is away or refuses the model, or "
    "memory\n"
    "is out, 2 wrong usage, 3 the new model is worse and was not pushed.\n";

enum {
    OPT_MINUTES = NBX_OPT_OWN,
    OPT_TRIALS,
    OPT_SPLIT,
    OPT_SHARE,
    OPT_K,
    OPT_SAMPLE,
    OPT_LOG,
    OPT_HTML,
    OPT_FROM,
    OPT_FROM_SINCE,
    OPT_AGAINST,
    OPT_MAX_LOSS
};

static const struct option options[] = {NBX_COMMON_OPTIONS,
                                        {"minutes", required_argument, NULL, OPT_MINUTES},
                                        {"trials", required_argument, NULL, OPT_TRIALS},
                                        {"split", required_argument, NULL, OPT_SPLIT},
                                        {"share", required_argument, NULL, OPT_SHARE},
                                        {"k", required_argument, NULL, OPT_K},
                                        {"sample", required_argument, NULL, OPT_SAMPLE},
                                        {"log", required_argument, NULL, OPT_LOG},
                                        {"html", required_argument, NULL, OPT_HTML},
                                        {"from", required_argument, NULL, OPT_FROM},
                                        {"from-since", required_argument, NULL, OPT_FROM_SINCE},
                                        {"against", required_argument, NULL, OPT_AGAINST},
                                        {"max-loss", required_argument, NULL, OPT_MAX_LOSS},
                                        {0}};

struct automatic {
    struct nbx_task task;
    uint64_t minutes, trials, k, customers;
    float share;
    const char *log, *html;
    int hold_out; /* enum nbx_hold_out, or -1: by the data */
    struct nbx_retrain retrain;
};

static bool take_split(struct automatic *a, struct nbx_argument arg)
{
    for (a->hold_out = 0; a->hold_out < NBX_HOLD_OUTS; a->hold_out++)
        if (strcmp(arg.text, nbx_hold_out_names[a->hold_out]) == 0)
            return true;
    fprintf(stderr, "nbx-train: %s: must be last, mixed, random or time, got \"%s\"\n", arg.option,
            arg.text);
    return false;
}

static bool take_share(struct automatic *a, struct nbx_argument arg)
{
    if (!nbx_argument_number(&a->share, arg))
        return false;
    if (a->share > 0 && a->share < 1)
        return true;
    fprintf(stderr, "nbx-train: %s: must be above 0 and below 1, got \"%s\"\n", arg.option,
            arg.text);
    return false;
}

static bool take_loss(struct automatic *a, struct nbx_argument arg)
{
    float *loss = &a->retrain.max_loss;
    if (!nbx_argument_number(loss, arg))
        return false;
    if (*loss >= 0 && *loss <= 1)
        return true;
    fprintf(stderr, "nbx-train: %s: must be 0 to 1, got \"%s\"\n", arg.option, arg.text);
    return false;
}

static bool take(void *ctx, int option, struct nbx_argument arg)
{
    struct automatic *a = ctx;
    switch (option) {
    case OPT_MINUTES: return nbx_argument_whole(&a->minutes, arg, 1, MAX_MINUTES);
    case OPT_TRIALS: return nbx_argument_whole(&a->trials, arg, 1, 1000000);
    case OPT_SPLIT: return take_split(a, arg);
    case OPT_SHARE: return take_share(a, arg);
    case OPT_K: return nbx_argument_whole(&a->k, arg, 1, 1000);
    case OPT_SAMPLE: return nbx_argument_whole(&a->customers, arg, 0, UINT32_MAX);
    case OPT_LOG: a->log = arg.text; return true;
    case OPT_HTML: a->html = arg.text; return true;
    case OPT_FROM: a->retrain.endpoint = arg.text; return true;
    case OPT_FROM_SINCE: return nbx_argument_whole(&a->retrain.days, arg, 1, MAX_DAYS);
    case OPT_AGAINST: a->retrain.judge.against = arg.text; return true;
    case OPT_MAX_LOSS: return take_loss(a, arg);
    default: return nbx_task_take(&a->task, option, arg);
    }
}

static struct nbx_search_options search_options(const struct automatic *a)
{
    enum nbx_hold_out usual = a->task.ordered ? NBX_HOLD_LAST : NBX_HOLD_MIXED;
    return (struct nbx_search_options){.hold_out =
                                           a->hold_out < 0 ? usual : (enum nbx_hold_out)a->hold_out,
                                       .share = (double)a->share,
                                       .ordered = a->task.ordered,
                                       .k = a->k,
                                       .customers = a->customers,
                                       .seconds = (double)a->minutes * 60,
                                       .max_trials = a->trials,
                                       .memory_bytes = a->task.memory_mib << 20,
                                       .seed = a->task.seed,
                                       .threads = a->task.threads,
                                       .progress_fd = STDERR_FILENO,
                                       .log = a->log};
}

static void print_result(const struct automatic *a, const struct nbx_search_result *r)
{
    printf("%" PRIu64 " trials (%" PRIu64 " from the log) on %zu customers: NDCG@%" PRIu64
           " %.4f, of the best part alone %.4f\n",
           r->trials, r->repeated, r->customers, a->k, r->ndcg, r->best_alone);
    for (size_t i = 0; i < r->recipe.n_parts; i++)
        printf("  %-12s weight %.3g\n", nbx_family_info(r->recipe.parts[i].family)->name,
               r->recipe.parts[i].weight);
    if (r->recipe.compress.dim)
        printf("  compressed into %zu dimensions and %zu neighbours\n", r->recipe.compress.dim,
               r->recipe.compress.keep);
}

/* What may be learnt from; where the last items are left out anyway, they are what is asked for. */
static const struct nbx_dataset *searched(const struct automatic *a, enum nbx_hold_out hold_out)
{
    if (a->retrain.endpoint)
        return a->retrain.judge.train;
    return hold_out == NBX_HOLD_LAST ? a->task.dataset : a->task.learn;
}

static enum nbx_err search(struct automatic *a, struct nbx_search_result *out,
                           struct nbx_fault *fault)
{
    struct nbx_search_options o;
    printf("seed %" PRIu64 ", %u threads, %" PRIu64 " minutes\n", a->task.seed, a->task.threads,
           a->minutes);
    enum nbx_err err = a->retrain.endpoint ? nbx_retrain_pull(&a->retrain, fault) : NBX_OK;
    if (!err)
        err = nbx_task_read(&a->task, fault);
    if (a->retrain.endpoint)
        nbx_retrain_drop_events(&a->retrain);
    if (!err && a->retrain.endpoint)
        err = nbx_judge_hold_out(&a->retrain.judge, a->task.dataset, fault);
    if (err)
        return err;
    o = search_options(a);
    printf("held out to choose by: %s\n", nbx_hold_out_names[o.hold_out]);
    err = nbx_search_recipe(out, searched(a, o.hold_out), &o, fault);
    if (!err)
        print_result(a, out);
    return err;
}

/* With --from: whether the recipe is good enough to be pushed. */
static enum nbx_err judge(struct automatic *a, const struct nbx_search_result *r, int *code,
                          struct nbx_fault *fault)
{
    struct nbx_retrain *retrain = &a->retrain;
    if (!retrain->endpoint)
        return NBX_OK;
    enum nbx_err err = nbx_judge_try(&retrain->judge, &a->task, &r->recipe, retrain->trial, fault);
    if (err || !nbx_judge_is_worse(&retrain->judge, (double)retrain->max_loss, fault))
        return err;
    *code = NBX_EXIT_WORSE;
    return fault->code;
}

static enum nbx_err write_recipe(const struct automatic *a, const struct nbx_search_result *r,
                                 struct nbx_fault *fault)
{
    struct nbx_buf text = {0};
    nbx_recipe_write(&text, &r->recipe);
    nbx_buf_printf(&text, "\n");
    FILE *f = fopen(a->task.out, "w");
    bool ok = f && !text.failed && fwrite(text.p, 1, text.len, f) == text.len;
    ok = f && fclose(f) == 0 && ok;
    nbx_buf_fini(&text);
    if (!ok)
        return nbx_fault_set(fault, NBX_ESTORAGE, a->task.out, "%s", strerror(errno));
    printf("wrote %s\n", a->task.out);
    return NBX_OK;
}

/* Where the last items are left out anyway, the parts have learnt already what they may. */
static enum nbx_err make_bundle(struct automatic *a, const struct nbx_search_result *r,
                                struct nbx_fault *fault)
{
    char said[256];
    struct nbx_fit_run run = nbx_task_run(&a->task);
    struct nbx_search_options o = search_options(a);
    run.quiet = true;
    snprintf(said, sizeof said,
             "\"validation\":{\"split\":\"%s\",\"customers\":%zu,\"ndcg@%" PRIu64
             "\":%.6f,\"trials\":%" PRIu64 "}",
             nbx_hold_out_names[o.hold_out], r->customers, a->k, r->ndcg, r->trials);
    if (a->task.leave_out_last && o.hold_out == NBX_HOLD_LAST)
        return nbx_task_write(&a->task, &r->recipe, r->parts, said, fault);
    return nbx_task_make(&a->task, &r->recipe, &run, said, fault);
}

/* Of auto with the bundle that was written, read back; of tune without. */
static enum nbx_err write_page(const struct automatic *a, const struct nbx_search_result *r,
                               bool with_bundle, struct nbx_fault *fault)
{
    struct nbx_bundle *bundle = NULL;
    struct nbx_buf page = {0};
    enum nbx_err err = with_bundle ? nbx_bundle_open(&bundle, a->task.out, fault) : NBX_OK;
    if (err)
        return err;
    struct nbx_search_options o = search_options(a);
    nbx_report_search(
        &page, &(struct nbx_report_search){.name = a->task.name,
                                           .hold_out = nbx_hold_out_names[o.hold_out],
                                           .k = a->k,
                                           .result = r,
                                           .bundle = bundle ? nbx_bundle_get(bundle) : NULL});
    err = nbx_html_save(a->html, &page, fault);
    nbx_buf_fini(&page);
    nbx_bundle_close(&bundle);
    if (!err)
        printf("wrote %s\n", a->html);
    return err;
}

/* Options that do not go together. */
static bool fits_together(const struct automatic *a, bool bundle)
{
    const struct nbx_retrain *r = &a->retrain;
    const char *alone = r->days ? "--from-since" : r->judge.against ? "--against" : NULL;
    const char *twice = a->task.events           ? "--events"
                        : a->task.leave_out_last ? "--leave-out-last"
                                                 : NULL;
    if (!bundle && (a->task.items || a->task.customers))
        fprintf(stderr, "nbx-train: %s: is for fit and auto, a recipe holds no attributes\n",
                a->task.items ? "--items" : "--customers");
    else if (!bundle && r->endpoint)
        fputs("nbx-train: --from: is for auto, which pushes what it makes\n", stderr);
    else if (!r->endpoint && alone)
        fprintf(stderr, "nbx-train: %s: goes with --from only\n", alone);
    else if (r->endpoint && twice)
        fprintf(stderr, "nbx-train: %s: does not go with --from\n", twice);
    else
        return true;
    return false;
}

static enum nbx_err work(struct automatic *a, bool bundle, int *code, struct nbx_fault *fault)
{
    struct nbx_search_result result = {0};
    enum nbx_err err = a->retrain.endpoint ? nbx_retrain_fetch(&a->retrain, fault) : NBX_OK;
    if (!err)
        err = nbx_judge_begin(&a->retrain.judge, fault);
    if (!err)
        err = search(a, &result, fault);
    if (!err)
        err = judge(a, &result, code, fault);
    if (!err)
        err = bundle ? make_bundle(a, &result, fault) : write_recipe(a, &result, fault);
    if (!err && a->html)
        err = write_page(a, &result, bundle, fault);
    if (!err && a->retrain.endpoint)
        err = nbx_retrain_push(&a->retrain, &a->task, &result.recipe, fault);
    nbx_search_result_fini(&result);
    return err;
}

static int run(struct automatic *a, bool bundle)
{
    int code = NBX_EXIT_FAILED;
    struct nbx_fault fault = {0};
    enum nbx_err err = NBX_OK;
    a->retrain.judge.k = a->k;
    if (!fits_together(a, bundle))
        return NBX_EXIT_USAGE;
    if (a->retrain.endpoint)
        err = nbx_retrain_begin(&a->retrain, &a->task, &fault);
    if (!err && !nbx_task_ready(&a->task, &code))
        return code;
    code = err == NBX_EBAD ? NBX_EXIT_USAGE : NBX_EXIT_FAILED;
    if (!err)
        err = work(a, bundle, &code, &fault);
    if (!err)
        return NBX_EXIT_OK;
    nbx_train_failed(&fault);
    return code;
}

static int run_command(int argc, char **argv, bool bundle)
{
    int code = NBX_EXIT_FAILED;
    struct automatic a = {.minutes = 10,
                          .k = DEFAULT_K,
                          .customers = CUSTOMERS,
                          .share = DEFAULT_SHARE,
                          .hold_out = -1,
                          .retrain = {.max_loss = MAX_LOSS}};
    nbx_task_init(&a.task, "taste");
    struct nbx_command command = {.usage = bundle ? auto_usage : tune_usage,
                                  .options = options,
                                  .help = NBX_OPT_HELP,
                                  .take = take,
                                  .ctx = &a};
    if (!nbx_command_take(&command, argc, argv, &code))
        return code;
    code = run(&a, bundle);
    nbx_retrain_fini(&a.retrain); /* before the task, of whose data set it has parts */
    nbx_task_fini(&a.task);
    return code;
}

int nbx_train_tune(int argc, char **argv)
{
    return run_command(argc, argv, false);
}

int nbx_train_auto(int argc, char **argv)
{
    return run_command(argc, argv, true);
}
