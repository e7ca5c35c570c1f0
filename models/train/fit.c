/* SPDX-License-Identifier: MIT */
#include "engine/base/buf.h"
#include "engine/base/clock.h"
#include "engine/base/hash.h"
#include "engine/base/parallel.h"
#include "engine/base/progress.h"
#include "models/bundle/bundle.h"
#include "models/dataset/dataset.h"
#include "models/ials/ials.h"
#include "models/train/arguments.h"
#include "models/train/commands.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_EPOCHS     10000
#define MAX_CREATED_MS UINT64_C(253402300799999) /* the year 9999 */
#define SPACE          "ials"
#define WORD_BYTES     64
#define VERSION_BYTES  32

static const char usage[] =
    "nbx-train fit --events FILE --out BUNDLE [options]\n"
    "\n"
    "  --events FILE      CSV with a header: customer, item, and optionally type and time\n"
    "  --out BUNDLE       the file to write (.safetensors)\n"
    "  --family ials      how to learn; ials is the only family so far and the default\n"
    "  --name NAME        the model's name (default: ials)\n"
    "  --dim D            dimensions of a factor, 1 to 4096 (default: 64)\n"
    "  --epochs E         rounds over customers and items (default: 8)\n"
    "  --alpha0 A         weight of pairs that were not observed (default: 0.01)\n"
    "  --lambda L         regularisation, above 0 (default: 0.003)\n"
    "  --nu N             how regularisation grows with the number of pairs (default: 1)\n"
    "  --seed S           seed of the first factors (default: 1)\n"
    "  --threads T        (default: every processor)\n"
    "  --types T=W,...    weights of event types: above 0 positive, below 0 takes the pair back,\n"
    "                     0 says nothing. Known without it: purchase, cart, click, view, visit,\n"
    "                     rating 1; call, search, impression 0; dismiss, return -1\n"
    "  --weighted         keep the weights of positive types; otherwise each pair weighs 1\n"
    "  --created-ms MS    the bundle's time of creation, in milliseconds since 1970 (default: "
    "now).\n"
    "                     nbxd loads the newest bundle by it. The same data, options, seed and\n"
    "                     --created-ms give the same bytes on one machine, on any number of "
    "threads\n"
    "\n"
    "Exit codes: 0 done, 1 a file is missing or wrong or memory is out, 2 wrong usage.\n";

struct fit {
    const char *events, *out, *name;
    struct nbx_types types;
    bool weighted;
    struct nbx_ials_options ials;
    uint64_t epochs, created_ms;
    double loss;
};

enum option_id {
    OPT_EVENTS = 1,
    OPT_OUT,
    OPT_FAMILY,
    OPT_NAME,
    OPT_DIM,
    OPT_EPOCHS,
    OPT_ALPHA0,
    OPT_LAMBDA,
    OPT_NU,
    OPT_SEED,
    OPT_THREADS,
    OPT_TYPES,
    OPT_WEIGHTED,
    OPT_CREATED_MS,
    OPT_HELP,
};

static const struct option options[] = {
    {"events", required_argument, NULL, OPT_EVENTS},
    {"out", required_argument, NULL, OPT_OUT},
    {"family", required_argument, NULL, OPT_FAMILY},
    {"name", required_argument, NULL, OPT_NAME},
    {"dim", required_argument, NULL, OPT_DIM},
    {"epochs", required_argument, NULL, OPT_EPOCHS},
    {"alpha0", required_argument, NULL, OPT_ALPHA0},
    {"lambda", required_argument, NULL, OPT_LAMBDA},
    {"nu", required_argument, NULL, OPT_NU},
    {"seed", required_argument, NULL, OPT_SEED},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"types", required_argument, NULL, OPT_TYPES},
    {"weighted", no_argument, NULL, OPT_WEIGHTED},
    {"created-ms", required_argument, NULL, OPT_CREATED_MS},
    {"help", no_argument, NULL, OPT_HELP},
    {0},
};

static bool is_word(const char *option, const char *text)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(text);
    if (len >= 1 && len <= WORD_BYTES && text[0] != '.' && strspn(text, allowed) == len)
        return true;
    fprintf(stderr, "nbx-train: %s: must be 1 to %d of A-Z a-z 0-9 . _ -, the first no point\n",
            option, WORD_BYTES);
    return false;
}

static bool is_family(const char *text)
{
    if (strcmp(text, "ials") == 0)
        return true;
    fprintf(stderr, "nbx-train: --family: unknown \"%s\", known are ials\n", text);
    return false;
}

static bool take_number(struct fit *fit, int id, struct nbx_argument a)
{
    uint64_t whole = 0;
    bool ok = true;
    switch (id) {
    case OPT_DIM:
        ok = nbx_argument_whole(&whole, a, 1, NBX_IALS_MAX_DIM);
        fit->ials.dim = whole;
        break;
    case OPT_THREADS:
        ok = nbx_argument_whole(&whole, a, 1, NBX_PARALLEL_MAX_THREADS);
        fit->ials.threads = (unsigned)whole;
        break;
    case OPT_EPOCHS: return nbx_argument_whole(&fit->epochs, a, 1, MAX_EPOCHS);
    case OPT_SEED: return nbx_argument_whole(&fit->ials.seed, a, 0, UINT64_MAX);
    case OPT_CREATED_MS: return nbx_argument_whole(&fit->created_ms, a, 0, MAX_CREATED_MS);
    case OPT_ALPHA0: return nbx_argument_number(&fit->ials.alpha0, a);
    case OPT_LAMBDA: return nbx_argument_number(&fit->ials.lambda, a);
    default: return nbx_argument_number(&fit->ials.nu, a);
    }
    return ok;
}

static bool take_option(void *ctx, int id, struct nbx_argument a)
{
    struct fit *fit = ctx;
    switch (id) {
    case OPT_EVENTS: fit->events = a.text; return true;
    case OPT_OUT: fit->out = a.text; return true;
    case OPT_FAMILY: return is_family(a.text);
    case OPT_NAME: fit->name = a.text; return is_word(a.option, a.text);
    case OPT_TYPES: return nbx_argument_types(&fit->types, a);
    case OPT_WEIGHTED: fit->weighted = true; return true;
    default: return take_number(fit, id, a);
    }
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

static const char *version_of(char out[VERSION_BYTES], const struct fit *fit, const float *factors,
                              size_t n)
{
    char stamp[20] = "";
    struct tm tm;
    time_t seconds = (time_t)(fit->created_ms / 1000);
    uint32_t hash = nbx_hash32(factors, n * sizeof *factors);
    if (gmtime_r(&seconds, &tm))
        strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", &tm);
    snprintf(out, VERSION_BYTES, "%s-%08" PRIx32, stamp, hash);
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
static void describe(struct nbx_buf *json, const struct fit *fit, const struct nbx_dataset *d)
{
    const struct nbx_ials_options *o = &fit->ials;
    nbx_buf_printf(json,
                   "{\"algorithm\":\"ials\",\"settings\":{\"dim\":%zu,\"epochs\":%" PRIu64
                   ",\"alpha0\":%.9g,\"lambda\":%.9g,\"nu\":%.9g,\"seed\":\"%" PRIu64
                   "\",\"weighted\":%s},",
                   o->dim, fit->epochs, (double)o->alpha0, (double)o->lambda, (double)o->nu,
                   o->seed, fit->weighted ? "true" : "false");
    nbx_buf_printf(json,
                   "\"counts\":{\"customers\":%zu,\"items\":%zu,\"pairs\":%zu,\"rows\":%" PRIu64
                   ",\"anonymous\":%" PRIu64 ",\"no_item\":%" PRIu64 ",\"neutral\":%" PRIu64
                   ",\"negative\":%" PRIu64 "},\"data_window\":{",
                   d->n_customers, d->n_items, nbx_csr_entries(&d->by_customer), d->counts.rows,
                   d->counts.anonymous, d->counts.no_item, d->counts.neutral, d->counts.negative);
    put_time(json, "first_ms", d->first_ms);
    nbx_buf_printf(json, ",");
    put_time(json, "last_ms", d->last_ms);
    nbx_buf_printf(json, "},\"training\":{\"loss\":%.17g}}", fit->loss);
    nbx_buf_put_u8(json, 0);
}

static enum nbx_err write_bundle(const struct fit *fit, const struct nbx_dataset *d,
                                 const float *factors, struct nbx_fault *fault)
{
    char version[VERSION_BYTES];
    struct nbx_buf json = {0};
    struct nbx_bundle_info info = {
        .name = nbx_str_c(fit->name),
        .version = nbx_str_c(version_of(version, fit, factors, d->n_items * fit->ials.dim)),
        .family = NBX_STR("factors"),
        .created_ms = (int64_t)fit->created_ms,
        .n_items = d->n_items,
        .item_ids = d->item_ids,
        .n_spaces = 1,
        .spaces = {{.name = NBX_STR(SPACE),
                    .dims = fit->ials.dim,
                    .metric = NBX_METRIC_DOT,
                    .customer = NBX_CUSTOMER_FOLDED,
                    .item_factors = factors,
                    .alpha0 = fit->ials.alpha0,
                    .lambda = fit->ials.lambda,
                    .nu = fit->ials.nu}},
    };
    describe(&json, fit, d);
    enum nbx_err err = json.failed ? nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory")
                                   : nbx_bundle_write(fit->out, &info, (char *)json.p, fault);
    nbx_buf_fini(&json);
    if (!err)
        printf("wrote %s: %s %s, %zu items\n", fit->out, fit->name, version, d->n_items);
    return err;
}

static enum nbx_err train(struct fit *fit, struct nbx_ials *ials, struct nbx_fault *fault)
{
    struct nbx_progress progress;
    double before = 0;
    int64_t start_ns = nbx_clock_mono_ns();
    enum nbx_err err = NBX_OK;
    nbx_progress_start(&progress, STDERR_FILENO, "training", "epochs", fit->epochs);
    for (uint64_t epoch = 1; !err && epoch <= fit->epochs; epoch++) {
        nbx_progress_update(&progress, epoch - 1);
        int64_t epoch_ns = nbx_clock_mono_ns();
        err = nbx_ials_epoch(ials, fault);
        double seconds = (double)(nbx_clock_mono_ns() - epoch_ns) / 1e9;
        if (!err)
            err = nbx_ials_loss(ials, &fit->loss, fault);
        nbx_progress_end(&progress);
        if (err)
            break;
        printf("epoch %" PRIu64 "/%" PRIu64 ": loss %.1f", epoch, fit->epochs, fit->loss);
        if (epoch > 1)
            printf(" (%+.2f %%)", 100 * (fit->loss - before) / before);
        printf(", %.3f s\n", seconds);
        before = fit->loss;
    }
    if (!err)
        printf("trained in %.1f s\n", (double)(nbx_clock_mono_ns() - start_ns) / 1e9);
    return err;
}

static void print_dataset(const struct nbx_dataset *d, double seconds)
{
    printf("read %" PRIu64 " events in %.1f s: %zu customers, %zu items, %zu pairs", d->counts.rows,
           seconds, d->n_customers, d->n_items, nbx_csr_entries(&d->by_customer));
    printf(" (%" PRIu64 " anonymous, %" PRIu64 " without item, %" PRIu64 " neutral, %" PRIu64
           " negative)\n",
           d->counts.anonymous, d->counts.no_item, d->counts.neutral, d->counts.negative);
}

static enum nbx_err learn(struct fit *fit, const struct nbx_dataset *d, struct nbx_fault *fault)
{
    char text[32];
    struct nbx_ials *ials;
    if (d->n_items == 0)
        return nbx_fault_set(fault, NBX_EBAD, fit->events, "has no pair to learn from");
    printf("memory: training takes %s more\n",
           nbx_train_bytes(text, nbx_ials_bound_bytes(d->n_customers, d->n_items, &fit->ials)));
    enum nbx_err err = nbx_ials_new(&ials, &d->by_customer, &d->by_item, &fit->ials, fault);
    if (err)
        return err;
    err = train(fit, ials, fault);
    if (!err)
        err = write_bundle(fit, d, nbx_ials_items(ials), fault);
    nbx_ials_destroy(&ials);
    return err;
}

static int run(struct fit *fit)
{
    char text[32];
    struct nbx_fault fault = {0};
    struct nbx_dataset *d;
    struct nbx_dataset_options read = {
        .types = &fit->types, .weighted = fit->weighted, .progress_fd = STDERR_FILENO};
    printf("seed %" PRIu64 ", %zu dimensions, %" PRIu64
           " epochs, alpha0 %g, lambda %g, nu %g, %u threads\n",
           fit->ials.seed, fit->ials.dim, fit->epochs, (double)fit->ials.alpha0,
           (double)fit->ials.lambda, (double)fit->ials.nu, fit->ials.threads);
    printf("memory: reading %s takes at most %s\n", fit->events,
           nbx_train_bytes(text, nbx_dataset_bound_bytes(fit->events)));
    int64_t start_ns = nbx_clock_mono_ns();
    enum nbx_err err = nbx_dataset_read(&d, fit->events, &read, &fault);
    if (!err) {
        print_dataset(d, (double)(nbx_clock_mono_ns() - start_ns) / 1e9);
        err = learn(fit, d, &fault);
    }
    nbx_dataset_destroy(&d);
    return err ? nbx_train_failed(&fault) : NBX_EXIT_OK;
}

int nbx_train_fit(int argc, char **argv)
{
    struct fit fit = {.name = "ials", .epochs = NBX_IALS_DEFAULT_EPOCHS};
    struct nbx_command command = {usage, options, OPT_HELP, take_option, &fit};
    int code;
    nbx_ials_defaults(&fit.ials);
    nbx_types_default(&fit.types);
    fit.created_ms = (uint64_t)nbx_clock_wall_ms();
    if (!nbx_command_take(&command, argc, argv, &code))
        return code;
    if (!nbx_argument_given((struct nbx_argument){"--events", fit.events}) ||
        !nbx_argument_given((struct nbx_argument){"--out", fit.out}))
        return NBX_EXIT_USAGE;
    return can_write(fit.out) ? run(&fit) : NBX_EXIT_FAILED;
}
