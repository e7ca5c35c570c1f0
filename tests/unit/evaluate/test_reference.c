/* SPDX-License-Identifier: MIT
 * Every figure of nbx-train evaluate, of a bundle of each kind, is that of its definition in NumPy
 * (tests/reference/evaluation.py), which reads the same files.
 */
#include "engine/base/random.h"
#include "models/bundle/bundle.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define SEED       19
#define ITEMS      90
#define UNKNOWN    8 /* items of the events that the bundle does not know */
#define CUSTOMERS  70
#define FIRST      7 /* dimensions of the folded space */
#define SECOND     5 /* and of the summed one */
#define NEIGHBOURS 6
#define NO_NUMPY   77

static char folder[] = P_tmpdir "/nbx-reference-XXXXXX";
static char said[1 << 14];
static struct nbx_random rng;

static char id_text[ITEMS][8];
static struct nbx_str ids[ITEMS];
static float folded[ITEMS * FIRST], items[ITEMS * SECOND], history[ITEMS * SECOND], popular[ITEMS];
static uint64_t start[2][ITEMS + 1];
static uint32_t beside[2][ITEMS * NEIGHBOURS];
static float together[2][ITEMS * NEIGHBOURS];
static const float once[] = {1}, decaying[] = {1, 0.75f, 0.5f, 0}, late[] = {0.5f, 1};
static const float paces[] = {1, 0.5f, 0, 0.25f, -0.5f, 0.75f}; /* (2, 3) */

static void fill(float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(nbx_random_normal(&rng) * 0.4 + 0.1);
}

/* Some rows are empty. */
static void make_neighbours(size_t which)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        start[which][i] = n;
        for (uint32_t j = 0, left = i % 9 ? NEIGHBOURS : 0; j < ITEMS && left; j++)
            if (j != i && nbx_random_unit(&rng) < 0.1) {
                beside[which][n] = j;
                together[which][n++] = (float)nbx_random_unit(&rng);
                left--;
            }
    }
    start[which][ITEMS] = n;
}

static void write_events(void)
{
    static const char *const types[] = {"view", "view", "cart", "purchase", "impression", "return"};
    char path[256];
    snprintf(path, sizeof path, "%s/events.csv", folder);
    FILE *events = fopen(path, "w");
    snprintf(path, sizeof path, "%s/test.csv", folder);
    FILE *test = fopen(path, "w");
    cr_assert(events && test);
    fputs("customer,type,item,time\n", events);
    fputs("customer,item\n", test);
    for (int c = 0; c < CUSTOMERS; c++) {
        double share = c % 7 == 0 ? 0.02 : c % 3 ? 0.12 : 0.4;
        for (int i = 0; i < ITEMS + UNKNOWN; i++)
            for (int again = 0; again < 3 && nbx_random_unit(&rng) < share / (1 + i / 40.0);
                 again++) {
                fprintf(events, "c%d,%s,i%03d,", c, types[nbx_random_below(&rng, 6)], i);
                if (nbx_random_unit(&rng) < 0.9)
                    fprintf(events, "%d", 1000 + (int)nbx_random_below(&rng, 30));
                fputs("\n", events);
            }
        for (int i = 0; i < ITEMS + UNKNOWN && c % 5; i++)
            if (nbx_random_unit(&rng) < 0.06)
                fprintf(test, "c%d,i%03d\n", c, i);
    }
    fputs("test-only,i001\n", test);
    fclose(events);
    fclose(test);
}

static void make_folder(void)
{
    cr_assert_not_null(mkdtemp(folder));
    nbx_random_init(&rng, SEED);
    for (size_t i = 0; i < ITEMS; i++) { /* ids fall while rows rise */
        snprintf(id_text[i], sizeof id_text[i], "i%03zu", ITEMS - 1 - i);
        ids[i] = nbx_str_c(id_text[i]);
    }
    fill(folded, ITEMS * FIRST);
    fill(items, ITEMS * SECOND);
    fill(history, ITEMS * SECOND);
    fill(popular, ITEMS);
    make_neighbours(0);
    make_neighbours(1);
    write_events();
}

static void remove_folder(void)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_expect_eq(system(command), 0);
}

static struct nbx_space folded_space(float weight)
{
    return (struct nbx_space){.name = NBX_STR("taste"),
                              .dims = FIRST,
                              .customer = NBX_CUSTOMER_FOLDED,
                              .item_factors = folded,
                              .alpha0 = 0.05f,
                              .lambda = 0.02f,
                              .nu = 0.8f,
                              .weight = weight};
}

static struct nbx_space summed_space(float weight)
{
    return (struct nbx_space){.name = NBX_STR("spectral"),
                              .dims = SECOND,
                              .customer = NBX_CUSTOMER_SUMMED,
                              .item_factors = items,
                              .history_factors = history,
                              .positions = decaying,
                              .n_positions = 4,
                              .n_groups = 1,
                              .weight = weight};
}

/* Two groups of two dimensions, at two paces, and a bias. */
static struct nbx_space paced_space(float weight)
{
    struct nbx_space space = summed_space(weight);
    space.name = NBX_STR("paces");
    space.positions = paces;
    space.n_positions = 3;
    space.n_groups = 2;
    space.bias = true;
    return space;
}

static struct nbx_space constant_space(float weight)
{
    return (struct nbx_space){.name = NBX_STR("popular"),
                              .dims = 1,
                              .customer = NBX_CUSTOMER_CONSTANT,
                              .item_factors = popular,
                              .weight = weight};
}

static struct nbx_neighbours some_neighbours(size_t which, float weight)
{
    return (struct nbx_neighbours){.name = which ? NBX_STR("next") : NBX_STR("together"),
                                   .start = start[which],
                                   .items = beside[which],
                                   .weights = together[which],
                                   .positions = which ? late : once,
                                   .n_positions = which ? 2 : 1,
                                   .weight = weight};
}

static void write_bundle(struct nbx_bundle_info info)
{
    char path[256];
    struct nbx_fault fault = {0};
    info.name = NBX_STR("m");
    info.version = NBX_STR("1");
    info.n_items = ITEMS;
    info.item_ids = ids;
    snprintf(path, sizeof path, "%s/m.safetensors", folder);
    cr_assert_eq(nbx_bundle_write(path, &info, NULL, &fault), NBX_OK, "%s: %s", fault.field,
                 fault.message);
}

/* Runs in the folder; the exit code. What it says is in `said`. */
static int run(const char *command)
{
    char line[1024];
    snprintf(line, sizeof line, "cd '%s' && %s", folder, command);
    FILE *p = popen(line, "r");
    cr_assert_not_null(p);
    size_t n = fread(said, 1, sizeof said - 1, p);
    said[n] = '\0';
    return WEXITSTATUS(pclose(p));
}

static void expect_agreement(const char *options, int n_k)
{
    char command[768], wanted[64];
    snprintf(command, sizeof command,
             "%s/nbx-train evaluate --bundle m.safetensors --events events.csv --test test.csv "
             "--json %s > said.json 2> memory",
             NBX_BIN_DIR, options);
    cr_assert_eq(run(command), 0, "%s", command);
    snprintf(command, sizeof command,
             "/usr/bin/python3 %s/tests/reference/evaluation.py said.json m.safetensors events.csv "
             "test.csv %s",
             NBX_SOURCE_DIR, options);
    int code = run(command);
    if (code == NO_NUMPY) {
        fprintf(stderr, "reference: skipped, %s", said);
        cr_skip("no NumPy");
    }
    cr_expect_eq(code, 0, "seed %d, %s: %s", SEED, options, said);
    /* of each k 6 metrics twice, 3 of exposure, 2 in each of 5 segments; 4 counts and 5 of users */
    snprintf(wanted, sizeof wanted, "%d figures agree\n", n_k * 25 + 9);
    cr_expect_str_eq(said, wanted);
}

static void expect_agreements(void)
{
    expect_agreement("--k 5,20", 2);
    expect_agreement("--k 10 --repeat", 1);
    expect_agreement("--k 1,3,200 --weighted --types purchase=3,cart=2,view=0.5", 3);
}

Test(reference, a_folded_space, .init = make_folder, .fini = remove_folder)
{
    write_bundle((struct nbx_bundle_info){
        .family = NBX_STR("factors"), .n_spaces = 1, .spaces = {folded_space(0)}});
    expect_agreements();
}

Test(reference, a_blend_of_everything, .init = make_folder, .fini = remove_folder)
{
    write_bundle((struct nbx_bundle_info){
        .family = NBX_STR("blend"),
        .n_spaces = 4,
        .spaces = {folded_space(1), summed_space(0.5f), constant_space(0.25f), paced_space(0.5f)},
        .n_neighbours = 2,
        .neighbours = {some_neighbours(0, 2), some_neighbours(1, 0.75f)}});
    expect_agreements();
}

Test(reference, blends_of_one_part, .init = make_folder, .fini = remove_folder)
{
    write_bundle((struct nbx_bundle_info){
        .family = NBX_STR("blend"), .n_spaces = 1, .spaces = {summed_space(2)}});
    expect_agreements();
    write_bundle((struct nbx_bundle_info){
        .family = NBX_STR("blend"), .n_spaces = 1, .spaces = {paced_space(1)}});
    expect_agreements();
    write_bundle((struct nbx_bundle_info){
        .family = NBX_STR("blend"), .n_spaces = 1, .spaces = {constant_space(2)}});
    expect_agreements();
    write_bundle((struct nbx_bundle_info){
        .family = NBX_STR("blend"), .n_neighbours = 1, .neighbours = {some_neighbours(1, 1)}});
    expect_agreements();
}

Test(reference, would_tell_a_difference, .init = make_folder, .fini = remove_folder)
{
    write_bundle((struct nbx_bundle_info){
        .family = NBX_STR("factors"), .n_spaces = 1, .spaces = {folded_space(0)}});
    expect_agreement("--k 5", 1);
    char command[512];
    snprintf(command, sizeof command,
             "/usr/bin/python3 %s/tests/reference/evaluation.py said.json m.safetensors events.csv "
             "test.csv --k 5 --repeat",
             NBX_SOURCE_DIR);
    cr_expect_eq(run(command), 1);
    cr_expect_not_null(strstr(said, "recall@5: evaluate has"));
}
