/* SPDX-License-Identifier: MIT
 * nbx_calibrate and the program, on outcomes drawn by a known curve from the scores of a bundle.
 */
#include "models/calibrate/calibrate.h"

#include "engine/base/random.h"
#include "engine/score/topk.h"
#include "models/evaluate/evaluate.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define SEED      23
#define CUSTOMERS 700
#define ITEMS     80
#define DIMS      6
#define HISTORY   5
#define K         30

static const struct nbx_platt bought = {2, -2}, dismissed = {-1.5, -1};

static char folder[] = P_tmpdir "/nbx-calibrate-XXXXXX";
static char said[1 << 16];
static struct nbx_random rng;
static struct nbx_bundle *bundle;
static struct nbx_dataset *events, *test;
static struct nbx_types types;
static FILE *drawn; /* the test file being written */

static const char *in_folder(const char *name)
{
    static char path[4][256];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof *path, "%s/%s", folder, name);
    return p;
}

static FILE *create(const char *name)
{
    FILE *f = fopen(in_folder(name), "w");
    cr_assert_not_null(f);
    return f;
}

static void write_bundle(void)
{
    static char text[ITEMS][8];
    static struct nbx_str ids[ITEMS];
    static float factors[ITEMS * DIMS];
    struct nbx_fault fault;
    for (size_t i = 0; i < ITEMS; i++) {
        snprintf(text[i], sizeof text[i], "i%02zu", i);
        ids[i] = nbx_str_c(text[i]);
    }
    for (size_t i = 0; i < ITEMS * DIMS; i++)
        factors[i] = (float)nbx_random_normal(&rng);
    struct nbx_bundle_info info = {.name = NBX_STR("planted"),
                                   .version = NBX_STR("20260101T000000-0001"),
                                   .family = NBX_STR("blend"),
                                   .created_ms = 1767225600000,
                                   .n_items = ITEMS,
                                   .item_ids = ids,
                                   .spaces = {{.name = NBX_STR("ials"),
                                               .dims = DIMS,
                                               .customer = NBX_CUSTOMER_FOLDED,
                                               .item_factors = factors,
                                               .alpha0 = 0.1F,
                                               .lambda = 0.01F,
                                               .nu = 1,
                                               .weight = 1}},
                                   .n_spaces = 1};
    cr_assert_eq(nbx_bundle_write(in_folder("m"), &info, "{\"recipe\":{\"x\":[1]}}", &fault), 0,
                 "%s", fault.message);
    cr_assert_eq(nbx_bundle_open(&bundle, in_folder("m"), &fault), NBX_OK);
}

static struct nbx_dataset *read_events(const char *name)
{
    struct nbx_dataset *out;
    struct nbx_fault fault;
    struct nbx_dataset_options read = {.types = &types, .progress_fd = -1};
    cr_assert_eq(nbx_dataset_read(&out, in_folder(name), &read, &fault), NBX_OK, "%s",
                 fault.message);
    return out;
}

static void draw(void *ctx, size_t customer, const struct nbx_hit *hits, size_t n)
{
    struct nbx_str id = ((struct nbx_dataset *)ctx)->customer_ids[customer];
    for (size_t i = 0; i < n; i++) {
        const char *item = nbx_bundle_get(bundle)->item_ids[hits[i].row].p;
        double score = (double)hits[i].score;
        if (nbx_random_unit(&rng) < nbx_platt_apply(bought, score))
            fprintf(drawn, "%.*s,,%.3s\n", NBX_STR_ARG(id), item); /* without a type: a purchase */
        if (nbx_random_unit(&rng) < nbx_platt_apply(dismissed, score))
            fprintf(drawn, "%.*s,dismiss,%.3s\n", NBX_STR_ARG(id), item);
    }
}

/* Events, then what everybody on a list of K did, by the curves above. */
static void make_folder(void)
{
    struct nbx_evaluation unused;
    struct nbx_fault fault;
    cr_assert_not_null(mkdtemp(folder));
    nbx_random_init(&rng, SEED);
    nbx_types_default(&types);
    write_bundle();
    FILE *f = create("events.csv"), *everybody = create("everybody.csv");
    fputs("customer,item\n", f);
    fputs("customer,item\nstranger,i01\n", everybody);
    for (int c = 0; c < CUSTOMERS; c++) {
        fprintf(everybody, "c%03d,i00\n", c);
        for (int i = 0; i < HISTORY; i++)
            fprintf(f, "c%03d,i%02d\n", c, (int)nbx_random_below(&rng, ITEMS));
    }
    fclose(f);
    fclose(everybody);
    events = read_events("events.csv");
    struct nbx_dataset *all = read_events("everybody.csv");
    drawn = create("test.csv");
    fputs("customer,type,item\nstranger,view,i01\n", drawn);
    for (int c = 0; c < CUSTOMERS; c++)
        fprintf(drawn, "c%03d,impression,i00\n", c);
    struct nbx_evaluate_options o = {.protocol = "lightgcn",
                                     .k = {K},
                                     .n_k = 1,
                                     .threads = 1,
                                     .progress_fd = -1,
                                     .list = draw,
                                     .list_ctx = all};
    cr_assert_eq(nbx_evaluate(&unused, nbx_bundle_get(bundle), events, all, &o, &fault), NBX_OK);
    fclose(drawn);
    nbx_dataset_destroy(&all);
}

static void remove_folder(void)
{
    char command[256];
    nbx_bundle_close(&bundle);
    nbx_dataset_destroy(&events);
    nbx_dataset_destroy(&test);
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_expect_eq(system(command), 0);
}

static struct nbx_calibrate_options options(unsigned threads)
{
    return (struct nbx_calibrate_options){.outcomes = {"purchase", "dismiss", "cart"},
                                          .n_outcomes = 3,
                                          .types = &types,
                                          .k = K,
                                          .seed = 5,
                                          .threads = threads,
                                          .progress_fd = -1};
}

static enum nbx_err calibrate(struct nbx_calibration *out, const char *name,
                              struct nbx_calibrate_options *o, struct nbx_fault *fault)
{
    o->path = in_folder(name);
    nbx_dataset_destroy(&test);
    cr_assert_eq(nbx_calibrate_read(&test, NULL, o, fault), NBX_OK, "%s", fault->message);
    return nbx_calibrate(out, nbx_bundle_get(bundle), events, test, o, fault);
}

/* nbx-train with arguments, run in the folder; its exit code. stdout and stderr are in `said`. */
static int train(const char *arguments)
{
    char command[1024];
    snprintf(command, sizeof command, "cd '%s' && %s/nbx-train %s 2>&1", folder, NBX_BIN_DIR,
             arguments);
    FILE *p = popen(command, "r");
    cr_assert_not_null(p);
    size_t n = fread(said, 1, sizeof said - 1, p);
    said[n] = '\0';
    return WEXITSTATUS(pclose(p));
}

Test(calibrate, recovers_planted_curves, .init = make_folder, .fini = remove_folder)
{
    struct nbx_calibration c;
    struct nbx_fault fault;
    struct nbx_calibrate_options o = options(2);
    cr_assert_eq(calibrate(&c, "test.csv", &o, &fault), NBX_OK, "%s", fault.message);
    cr_assert_eq(c.n_outcomes, 2);
    cr_expect_eq(c.cold, 1);
    cr_expect_eq(c.fitted_customers + c.customers, CUSTOMERS);
    cr_expect_gt(c.fitted_customers, CUSTOMERS * 2 / 5);
    cr_expect_gt(c.customers, CUSTOMERS * 2 / 5);
    cr_expect_eq(c.outcomes[0].fitted_n, c.fitted_customers * K);
    cr_expect_eq(c.outcomes[0].n, c.customers * K);
    static const struct nbx_platt truth[] = {{2, -2}, {-1.5, -1}};
    for (size_t i = 0; i < 2; i++) {
        const struct nbx_calibrated *found = &c.outcomes[i];
        cr_expect_float_eq(found->curve.a, truth[i].a, 0.2, "a %g", found->curve.a);
        cr_expect_float_eq(found->curve.b, truth[i].b, 0.25, "b %g", found->curve.b);
        cr_expect_lt(found->platt.ece, 0.02);
        cr_expect_gt(found->ece_before, 0.1);
        cr_expect_eq(found->platt.n_bins, NBX_RELIABILITY_BINS);
    }
    cr_expect_lt(c.outcomes[0].isotonic.ece, 0.03);
    /* of what falls with the score a curve that does not fall knows little but the mean */
    cr_expect_leq(c.outcomes[1].isotonic.n_bins, 4);
    cr_assert_eq(c.n_left_out, 1);
    cr_expect_str_eq(c.left_out[0].outcome, "cart");
    cr_expect_str_eq(c.left_out[0].why, "never happened to an item of a list");
}

Test(calibrate, is_the_same_on_any_number_of_threads, .init = make_folder, .fini = remove_folder)
{
    struct nbx_calibration c;
    struct nbx_fault fault;
    struct nbx_buf text[3] = {{0}, {0}, {0}};
    for (unsigned i = 0; i < 3; i++) {
        struct nbx_calibrate_options o = options(i + 1);
        o.seed = i < 2 ? 5 : 6;
        cr_assert_eq(calibrate(&c, "test.csv", &o, &fault), NBX_OK);
        nbx_calibration_write(&text[i], &c);
    }
    cr_expect_eq(text[0].len, text[1].len);
    cr_expect_eq(memcmp(text[0].p, text[1].p, text[0].len), 0);
    cr_expect(text[0].len != text[2].len || memcmp(text[0].p, text[2].p, text[0].len) != 0);
    for (int i = 0; i < 3; i++)
        nbx_buf_fini(&text[i]);
}

Test(calibrate, a_bundle_keeps_it, .init = make_folder, .fini = remove_folder)
{
    struct nbx_calibration c, kept;
    struct nbx_fault fault;
    struct nbx_bundle *again;
    struct nbx_buf text = {0}, other = {0};
    struct nbx_calibrate_options o = options(2);
    cr_assert_eq(calibrate(&c, "test.csv", &o, &fault), NBX_OK);
    nbx_calibration_write(&text, &c);
    nbx_buf_put_u8(&text, 0);
    cr_assert_eq(nbx_bundle_amend(in_folder("out"), nbx_bundle_get(bundle), NBX_CALIBRATION_KEY,
                                  (char *)text.p, &fault),
                 NBX_OK, "%s", fault.message);
    cr_assert_eq(nbx_bundle_open(&again, in_folder("out"), &fault), NBX_OK, "%s", fault.message);
    cr_expect_not_null(strstr(nbx_bundle_get(again)->metadata_json, "\"recipe\":\"{"));
    cr_assert(nbx_calibration_read(&kept, nbx_bundle_get(again)->metadata_json));
    nbx_calibration_write(&other, &kept);
    cr_expect_eq(other.len, text.len - 1);
    cr_expect_eq(memcmp(other.p, text.p, other.len), 0);
    cr_expect_not(nbx_calibration_read(&kept, nbx_bundle_get(bundle)->metadata_json));
    cr_expect_not(nbx_calibration_read(&kept, "{\"calibration\":\"{\\\"k\\\":1}\"}"));
    cr_expect_not(nbx_calibration_read(&kept, "{\"calibration\":3}"));
    cr_expect_not(nbx_calibration_read(&kept, "no JSON"));
    nbx_bundle_close(&again);
    nbx_buf_fini(&text);
    nbx_buf_fini(&other);
}

Test(calibrate, refuses_what_says_nothing, .init = make_folder, .fini = remove_folder)
{
    struct nbx_calibration c;
    struct nbx_fault fault;
    struct nbx_calibrate_options o = options(1);
    FILE *f = create("strangers.csv");
    fputs("customer,item\nstranger,i01\nother,i02\n", f);
    fclose(f);
    f = create("nothing.csv");
    fputs("customer,type,item\nc001,impression,i01\nc002,search,i02\nc003,impression,i01\n", f);
    fclose(f);
    cr_expect_eq(calibrate(&c, "strangers.csv", &o, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, "test");
    cr_expect_eq(calibrate(&c, "nothing.csv", &o, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, "outcomes");
    cr_expect_str_eq(fault.message,
                     "none can be calibrated: purchase never happened to an item of a list");
    o.n_outcomes = 0;
    cr_expect_eq(calibrate(&c, "nothing.csv", &o, &fault), NBX_EBAD);
}

#define FILES "--bundle m --events events.csv --test test.csv --out c "

Test(calibrate_program, writes_and_says, .init = make_folder, .fini = remove_folder)
{
    struct nbx_bundle *b;
    struct nbx_fault fault;
    struct nbx_calibration c;
    cr_assert_eq(train("calibrate " FILES "--k 30 --seed 5"), 0, "%s", said);
    cr_expect_not_null(strstr(said, "  purchase "));
    cr_expect_not_null(strstr(said, "left out: cart never happened"));
    cr_expect_not_null(strstr(said, "1 without history"));
    cr_assert_eq(
        train("calibrate " FILES "--k 30 --seed 5 --json --outcomes purchase,odd 2>/dev/null"), 0,
        "%s", said);
    cr_expect_not_null(strstr(said, "\"left_out\":[\"odd\"],\"k\":30,"), "%s", said);
    cr_assert_eq(nbx_bundle_open(&b, in_folder("c"), &fault), NBX_OK);
    const struct nbx_bundle_info *info = nbx_bundle_get(b);
    cr_expect(nbx_calibration_read(&c, info->metadata_json));
    cr_expect_eq(c.n_outcomes, 1);
    cr_expect_eq(strncmp(info->version.p, "20260101T000000-0001.c", 22), 0);
    cr_expect_eq(info->version.len, 30);
    nbx_bundle_close(&b);
    /* once more: one mark, and over the bundle itself */
    cr_assert_eq(train("calibrate --bundle c --events events.csv --test test.csv --out c --k 7"),
                 0);
    cr_assert_eq(nbx_bundle_open(&b, in_folder("c"), &fault), NBX_OK);
    cr_expect_eq(nbx_bundle_get(b)->version.len, 30);
    cr_expect(nbx_calibration_read(&c, nbx_bundle_get(b)->metadata_json));
    cr_expect_eq(c.k, 7);
    nbx_bundle_close(&b);
}

Test(calibrate_program, wrong_usage, .init = make_folder, .fini = remove_folder)
{
    static const struct {
        const char *arguments;
        int code;
        const char *why;
    } cases[] = {
        {"calibrate --help", 0, "--outcomes"},
        {"calibrate --bundle m --events e --test t", 2, "--out is missing"},
        {"calibrate " FILES "--k 0", 2, "--k: must be"},
        {"calibrate " FILES "--outcomes a,,b", 2, "--outcomes: must be"},
        {"calibrate " FILES "--outcomes a,a", 2, "--outcomes: must be"},
        {"calibrate " FILES "--outcomes 'a b'", 2, "--outcomes: must be"},
        {"calibrate " FILES "--outcomes ''", 2, "--outcomes: must be"},
        {"calibrate " FILES "--outcomes cart", 1, "outcomes: none can be calibrated: cart never"},
        {"calibrate --bundle m --events events.csv --test none.csv --out c", 1, "none.csv"},
        {"calibrate --bundle test.csv --events events.csv --test test.csv --out c", 1, ""},
        {"calibrate --bundle m --events events.csv --test test.csv --out no/c --k 5", 1,
         "cannot create"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(train(cases[i].arguments), cases[i].code, "%s: %s", cases[i].arguments, said);
        cr_expect_not_null(strstr(said, cases[i].why), "%s: %s", cases[i].arguments, said);
    }
}
