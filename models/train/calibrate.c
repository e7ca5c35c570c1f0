/* SPDX-License-Identifier: MIT */
#include "models/calibrate/calibrate.h"

#include "engine/base/hash.h"
#include "models/evaluate/evaluate.h"
#include "models/train/against.h"
#include "models/train/commands.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_K     100
#define VERSION_BYTES 64
/* Behind the version of what was calibrated: ".c" and eight hex digits, so that it sorts behind. */
#define MARK_BYTES 10

static const char usage[] =
    "nbx-train calibrate --bundle BUNDLE --events FILE --test FILE --out BUNDLE [options]\n"
    "\n"
    "Finds out what a score means: the probability of each outcome of an item of a customer's\n"
    "list. Fits 1 / (1 + exp(-(a score + b))) on half of the customers of the test file (Platt),\n"
    "and says on the other half how far predictions are from what happened (expected calibration\n"
    "error), beside a curve of any shape (isotonic) as a check. Writes the bundle with a, b and\n"
    "the figures in its metadata, and a version of its own.\n"
    "\n"
    "  --bundle BUNDLE      the model, as nbx-train fit wrote it\n"
    "  --events FILE        CSV: what customers did before\n"
    "  --test FILE          CSV with customer, item and optionally type: what they did later.\n"
    "                       Where there is no type it is a purchase. Its customers are whom the\n"
    "                       probabilities are of, those who did nothing of interest among them\n"
    "  --out BUNDLE         the file to write; it may be that of --bundle\n"
    "  --outcomes T,...     event types, up to 16 (default: purchase,cart,click,view,dismiss);\n"
    "                       those that never happened to an item of a list are left out\n"
    "  --k K                length of the lists, 1 to 1000 (default: 100)\n"
    "  --repeat             a customer's own items may be in the list again\n"
    "  --seed S             of the two halves (default: 1)\n"
    "  --threads T          (default: every processor)\n"
    "  --types T=W,...      as in nbx-train fit; of the test file the names count, no weights\n"
    "  --weighted           as in nbx-train fit\n"
    "  --json               one JSON object on stdout, as models/FORMAT.md has it, with model,\n"
    "                       version and left_out\n"
    "\n"
    "Exit codes: 0 done, 1 a file is missing or wrong or memory is out, 2 wrong usage.\n";

struct request {
    struct nbx_against against;
    const char *out;
    struct nbx_calibrate_options calibrate;
};

enum option_id { OPT_OUT = NBX_AGAINST_OWN, OPT_OUTCOMES, OPT_K, OPT_REPEAT, OPT_SEED };

static const struct option options[] = {NBX_AGAINST_OPTIONS,
                                        {"out", required_argument, NULL, OPT_OUT},
                                        {"outcomes", required_argument, NULL, OPT_OUTCOMES},
                                        {"k", required_argument, NULL, OPT_K},
                                        {"repeat", no_argument, NULL, OPT_REPEAT},
                                        {"seed", required_argument, NULL, OPT_SEED},
                                        {0}};

/* Whether name (len) can be an outcome, and is not one yet. */
static bool add_outcome(struct nbx_calibrate_options *o, const char *name, size_t len)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    if (len == 0 || len >= NBX_TYPES_NAME_BYTES || strspn(name, allowed) < len ||
        o->n_outcomes == NBX_CALIBRATION_MAX_OUTCOMES)
        return false;
    for (size_t i = 0; i < o->n_outcomes; i++)
        if (strlen(o->outcomes[i]) == len && memcmp(o->outcomes[i], name, len) == 0)
            return false;
    memcpy(o->outcomes[o->n_outcomes], name, len);
    o->outcomes[o->n_outcomes++][len] = '\0';
    return true;
}

static bool take_outcomes(struct nbx_calibrate_options *o, struct nbx_argument a)
{
    o->n_outcomes = 0;
    for (const char *p = a.text;; p++) {
        size_t len = strcspn(p, ",");
        if (!add_outcome(o, p, len)) {
            fprintf(stderr,
                    "nbx-train: %s: must be 1 to %d different types of A-Z a-z 0-9 . _ - with "
                    "commas between, got \"%s\"\n",
                    a.option, NBX_CALIBRATION_MAX_OUTCOMES, a.text);
            return false;
        }
        p += len;
        if (!*p)
            return true;
    }
}

static bool take_option(void *ctx, int id, struct nbx_argument a)
{
    struct request *r = ctx;
    struct nbx_calibrate_options *o = &r->calibrate;
    uint64_t whole = 0;
    bool ok;
    switch (id) {
    case OPT_OUT: r->out = a.text; return true;
    case OPT_OUTCOMES: return take_outcomes(o, a);
    case OPT_REPEAT: o->repeat = true; return true;
    case OPT_SEED: return nbx_argument_whole(&o->seed, a, 0, UINT64_MAX);
    case OPT_K:
        ok = nbx_argument_whole(&whole, a, 1, NBX_EVALUATE_MAX_K);
        o->k = (size_t)whole;
        return ok;
    default: return nbx_against_take(&r->against, id, a);
    }
}

/* An outcome that is no known type says nothing of tastes, but may be in the files. */
static bool know_outcomes(struct request *r)
{
    char entry[NBX_TYPES_NAME_BYTES + 2];
    for (size_t i = 0; i < r->calibrate.n_outcomes; i++) {
        if (nbx_types_find(&r->against.types, nbx_str_c(r->calibrate.outcomes[i])))
            continue;
        snprintf(entry, sizeof entry, "%s=0", r->calibrate.outcomes[i]);
        if (!nbx_argument_types(&r->against.types, (struct nbx_argument){"--outcomes", entry}))
            return false;
    }
    return true;
}

static void print_bins(const struct nbx_calibrated *o)
{
    const struct nbx_reliability *p = &o->platt, *i = &o->isotonic;
    printf("\n  %-14s predicted   observed     pairs   isotonic   observed     pairs\n",
           o->outcome);
    for (size_t b = 0; b < p->n_bins || b < i->n_bins; b++) {
        printf("  %-14s", "");
        if (b < p->n_bins)
            printf("  %8.5f   %8.5f %9zu", p->bins[b].predicted, p->bins[b].observed, p->bins[b].n);
        else
            printf("%31s", "");
        if (b < i->n_bins)
            printf("   %8.5f   %8.5f %9zu", i->bins[b].predicted, i->bins[b].observed,
                   i->bins[b].n);
        printf("\n");
    }
}

static void print_table(const struct nbx_bundle_info *info, const struct nbx_calibration *c)
{
    printf("%.*s %.*s: lists of %zu, fitted on %zu customers, measured on %zu others; %zu without "
           "history\n",
           NBX_STR_ARG(info->name), NBX_STR_ARG(info->version), c->k, c->fitted_customers,
           c->customers, c->cold);
    printf("  %-14s %9s %9s %9s %9s   %8s %8s %8s\n", "", "a", "b", "pairs", "happened", "ECE",
           "isotonic", "before");
    for (size_t i = 0; i < c->n_outcomes; i++) {
        const struct nbx_calibrated *o = &c->outcomes[i];
        printf("  %-14s %9.4f %9.4f %9zu %9zu   %8.5f %8.5f %8.5f\n", o->outcome, o->curve.a,
               o->curve.b, o->n, o->positives, o->platt.ece, o->isotonic.ece, o->ece_before);
    }
    for (size_t i = 0; i < c->n_outcomes; i++)
        print_bins(&c->outcomes[i]);
    if (c->n_left_out)
        printf("\n");
    for (size_t i = 0; i < c->n_left_out; i++)
        printf("  left out: %s %s\n", c->left_out[i].outcome, c->left_out[i].why);
}

static void print_json(const struct nbx_bundle_info *info, const struct nbx_calibration *c,
                       const char *text)
{
    printf("{\"model\":\"%.*s\",\"version\":\"%.*s\",\"left_out\":[", NBX_STR_ARG(info->name),
           NBX_STR_ARG(info->version));
    for (size_t i = 0; i < c->n_left_out; i++)
        printf("%s\"%s\"", i ? "," : "", c->left_out[i].outcome);
    printf("],%s\n", text + 1); /* behind its brace */
}

static bool is_marked(struct nbx_str version)
{
    const char *mark = version.p + version.len - MARK_BYTES;
    return version.len > MARK_BYTES && memcmp(mark, ".c", 2) == 0 &&
           strspn(mark + 2, "0123456789abcdef") >= MARK_BYTES - 2;
}

/* Two bundles with one version must be one. An earlier calibration's mark gives way. */
static void set_version(struct nbx_bundle_info *info, char out[VERSION_BYTES + 1], const char *text)
{
    uint32_t len = info->version.len - (is_marked(info->version) ? MARK_BYTES : 0);
    len = len < VERSION_BYTES - MARK_BYTES ? len : VERSION_BYTES - MARK_BYTES;
    snprintf(out, VERSION_BYTES + 1, "%.*s.c%08" PRIx32, (int)len, info->version.p,
             nbx_hash32(text, strlen(text)));
    info->version = nbx_str_c(out);
}

static enum nbx_err write_bundle(const struct request *r, const struct nbx_bundle_info *bundle,
                                 const struct nbx_calibration *c, struct nbx_fault *fault)
{
    char version[VERSION_BYTES + 1];
    struct nbx_bundle_info info = *bundle;
    struct nbx_buf text = {0};
    nbx_calibration_write(&text, c);
    nbx_buf_put_u8(&text, 0);
    enum nbx_err err =
        text.failed ? nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory") : NBX_OK;
    if (!err) {
        set_version(&info, version, (const char *)text.p);
        err = nbx_bundle_amend(r->out, &info, NBX_CALIBRATION_KEY, (const char *)text.p, fault);
    }
    if (!err && r->against.json)
        print_json(&info, c, (const char *)text.p);
    else if (!err)
        print_table(&info, c);
    if (!err)
        fprintf(r->against.json ? stderr : stdout, "wrote %s\n", r->out);
    nbx_buf_fini(&text);
    return err;
}

static enum nbx_err calibrate(const struct request *r, const struct nbx_dataset *events,
                              const struct nbx_dataset *test, struct nbx_fault *fault)
{
    char text[32];
    struct nbx_bundle *bundle;
    static struct nbx_calibration c;
    enum nbx_err err = nbx_bundle_open(&bundle, r->against.bundle, fault);
    if (err)
        return err;
    const struct nbx_bundle_info *info = nbx_bundle_get(bundle);
    fprintf(
        r->against.json ? stderr : stdout, "memory: calibrating takes at most %s more\n",
        nbx_train_bytes(text, nbx_calibrate_bound_bytes(info, test->n_customers, &r->calibrate)));
    err = nbx_calibrate(&c, info, events, test, &r->calibrate, fault);
    if (!err)
        err = write_bundle(r, info, &c, fault);
    nbx_bundle_close(&bundle);
    return err;
}

static int run(const struct request *r)
{
    char text[32];
    struct nbx_fault fault = {0};
    struct nbx_dataset *events = NULL, *test = NULL;
    struct nbx_dataset_options read = {
        .types = &r->against.types, .weighted = r->against.weighted, .progress_fd = STDERR_FILENO};
    uint64_t bound =
        nbx_dataset_bound_bytes(r->against.events) + nbx_dataset_bound_bytes(r->calibrate.path);
    fprintf(r->against.json ? stderr : stdout, "memory: reading both files takes at most %s\n",
            nbx_train_bytes(text, bound));
    enum nbx_err err = nbx_dataset_read(&events, r->against.events, &read, &fault);
    if (!err)
        err = nbx_calibrate_read(&test, NULL, &r->calibrate, &fault);
    if (!err)
        err = calibrate(r, events, test, &fault);
    nbx_dataset_destroy(&events);
    nbx_dataset_destroy(&test);
    return err ? nbx_train_failed(&fault) : NBX_EXIT_OK;
}

int nbx_train_calibrate(int argc, char **argv)
{
    struct request r = {.calibrate = {.outcomes = {"purchase", "cart", "click", "view", "dismiss"},
                                      .n_outcomes = 5,
                                      .k = DEFAULT_K,
                                      .seed = 1,
                                      .progress_fd = STDERR_FILENO}};
    struct nbx_command command = {usage, options, NBX_AGAINST_HELP, take_option, &r};
    int code;
    nbx_against_init(&r.against);
    if (!nbx_command_take(&command, argc, argv, &code))
        return code;
    if (!nbx_against_given(&r.against) ||
        !nbx_argument_given((struct nbx_argument){"--out", r.out}) || !know_outcomes(&r))
        return NBX_EXIT_USAGE;
    r.calibrate.path = r.against.test;
    r.calibrate.types = &r.against.types;
    r.calibrate.threads = r.against.threads;
    return run(&r);
}
