/* SPDX-License-Identifier: MIT */
#include "engine/base/random.h"
#include "models/bundle/bundle.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define SEED      5
#define CUSTOMERS 80
#define ITEMS     50

static char folder[] = P_tmpdir "/nbx-train-XXXXXX";
static char said[1 << 16];

static FILE *create(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    return f;
}

/* Customers of taste t (of 5) take items of taste t mostly; one pair each is held out. */
static void make_folder(void)
{
    struct nbx_random random;
    cr_assert_not_null(mkdtemp(folder));
    FILE *events = create("events.csv"), *test = create("test.csv");
    nbx_random_init(&random, SEED);
    fputs("customer,type,item,time\n,view,i1,5\n", events);
    fputs("customer,item\n", test);
    for (int c = 0; c < CUSTOMERS; c++) {
        int held_out = c % 5 + 5 * (c / 5 % 10);
        fprintf(test, "c%d,i%d\n", c, held_out);
        for (int i = 0; i < ITEMS; i++)
            if (i != held_out && nbx_random_unit(&random) < (i % 5 == c % 5 ? 0.6 : 0.03))
                fprintf(events, "c%d,%s,i%d,%d\n", c, i % 2 ? "view" : "purchase", i, 1000 + i);
    }
    fclose(events);
    fclose(test);
}

static void remove_folder(void)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    cr_expect_eq(system(command), 0);
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

static bool same_files(const char *a, const char *b)
{
    char command[512];
    snprintf(command, sizeof command, "cmp -s '%s/%s' '%s/%s'", folder, a, folder, b);
    return system(command) == 0;
}

static double number_after(const char *key)
{
    const char *at = strstr(said, key);
    cr_assert_not_null(at, "no %s in %s", key, said);
    return strtod(at + strlen(key), NULL);
}

Test(train_program, fits_and_evaluates, .init = make_folder, .fini = remove_folder)
{
    cr_assert_eq(train("fit --events events.csv --out m.safetensors --dim 8 --seed 3"), 0, "%s",
                 said);
    cr_expect_not_null(strstr(said, "seed 3,"));
    cr_expect_not_null(strstr(said, "dim=8 epochs=4"));
    cr_expect_not_null(strstr(said, "1 anonymous"));
    cr_expect_not_null(strstr(said, "memory: training takes"));
    cr_expect_not_null(strstr(said, "epoch 4/4: loss"));
    cr_assert_eq(train("evaluate --bundle m.safetensors --events events.csv --test test.csv --k 10 "
                       "--json"),
                 0, "%s", said);
    cr_expect_eq(number_after("\"users\":"), CUSTOMERS);
    cr_expect_eq(number_after("\"test_pairs\":"), CUSTOMERS);
    cr_expect_not_null(strstr(said, "folded in from their events"));
    /* chance has the held-out item in the first 10 of about 43 for .23 of the customers */
    cr_expect_gt(number_after("\"recall@10\":"), 0.6, "%s", said);
    cr_expect_gt(number_after("\"ndcg@10\":"), 0.35, "%s", said);
    cr_assert_eq(train("evaluate --bundle m.safetensors --events events.csv --test test.csv"), 0);
    cr_expect_not_null(strstr(said, "recall@20"));
}

static void write_recipe(const char *compress)
{
    char path[256];
    snprintf(path, sizeof path, "%s/recipe.json", folder);
    FILE *f = fopen(path, "w");
    fprintf(f, "{\"parts\":[{\"family\":\"%s\",\"weight\":2},{\"family\":\"ials\",\"dim\":12}]%s}",
            "neighbours", compress);
    fclose(f);
}

/* Fewer numbers, in one space and one set of neighbours, that rank nearly alike. */
Test(train_program, compresses_what_a_recipe_says, .init = make_folder, .fini = remove_folder)
{
    static const char evaluate[] =
        "evaluate --bundle m.safetensors --events events.csv --test test.csv --k 10 --json";
    write_recipe("");
    cr_assert_eq(train("fit --events events.csv --recipe recipe.json --out m.safetensors"), 0);
    cr_assert_eq(train(evaluate), 0, "%s", said);
    double whole = number_after("\"ndcg@10\":");
    write_recipe(",\"compress\":{\"dim\":4,\"keep\":30}");
    cr_assert_eq(train("fit --events events.csv --recipe recipe.json --out m.safetensors"), 0);
    cr_expect_not_null(strstr(said, "compress: dim=4 keep=30\nmemory: it takes at most"));
    cr_expect_not_null(strstr(said, "compressed 12 dimensions in"));
    cr_assert_eq(train(evaluate), 0, "%s", said);
    cr_expect_float_eq(number_after("\"ndcg@10\":"), whole, 0.1 * whole, "%g: %s", whole, said);
    write_recipe(",\"compress\":{\"dim\":4}");
    cr_assert_eq(train("fit --events events.csv --recipe recipe.json --out m"), 1);
    cr_expect_not_null(strstr(said, "recipe.json.compress.keep: is missing"), "%s", said);
}

Test(train_program, the_bundle_says_how_it_was_made, .init = make_folder, .fini = remove_folder)
{
    struct nbx_bundle *bundle;
    struct nbx_fault fault;
    char path[256];
    cr_assert_eq(train("fit --events events.csv --out m.safetensors --dim 8 --name shop "
                       "--alpha0 0.1 --lambda 0.01 --nu 0.5 --created-ms 1700000000123"),
                 0, "%s", said);
    snprintf(path, sizeof path, "%s/m.safetensors", folder);
    cr_assert_eq(nbx_bundle_open(&bundle, path, &fault), NBX_OK, "%s", fault.message);
    const struct nbx_bundle_info *info = nbx_bundle_get(bundle);
    cr_expect(nbx_str_is(info->name, "shop"));
    cr_expect(nbx_str_is(info->family, "factors"));
    cr_expect_eq(info->created_ms, 1700000000123);
    cr_expect_eq(strncmp(info->version.p, "20231114T221320-", 16), 0);
    cr_expect_eq(info->n_items, ITEMS);
    cr_expect_eq(info->n_spaces, 1);
    cr_expect(nbx_str_is(info->spaces[0].name, "ials"));
    cr_expect_eq(info->spaces[0].dims, 8);
    cr_expect_eq(info->spaces[0].customer, NBX_CUSTOMER_FOLDED);
    cr_expect_eq(info->spaces[0].alpha0, 0.1f);
    cr_expect_eq(info->spaces[0].lambda, 0.01f);
    cr_expect_eq(info->spaces[0].nu, 0.5f);
    cr_expect_not_null(strstr(info->metadata_json, "data_window"));
    cr_expect_not_null(strstr(info->metadata_json, "1049")); /* the last time */
    nbx_bundle_close(&bundle);
}

Test(train_program, the_same_seed_gives_the_same_bytes, .init = make_folder, .fini = remove_folder)
{
    cr_assert_eq(train("fit --events events.csv --out a --dim 8 --created-ms 1 --threads 1"), 0);
    cr_assert_eq(train("fit --events events.csv --out b --dim 8 --created-ms 1 --threads 3"), 0);
    cr_assert_eq(train("fit --events events.csv --out c --dim 8 --created-ms 1 --seed 2"), 0);
    cr_expect(same_files("a", "b"));
    cr_expect_not(same_files("a", "c"));
}

Test(train_program, wrong_usage_exits_2, .init = make_folder, .fini = remove_folder)
{
    static const struct {
        const char *arguments, *why;
    } cases[] = {
        {"", "nbx-train fit"},
        {"learn", "unknown command \"learn\", known are fit, tune, auto, evaluate, calibrate"},
        {"fit --events events.csv", "--out is missing"},
        {"fit --out x", "--events is missing"},
        {"fit --events e --out x --dim 0", "--dim: must be a whole number from 1"},
        {"fit --events e --out x --dim 8x", "--dim: must be"},
        {"fit --events e --out x --epochs -1", "--epochs: must be"},
        {"fit --events e --out x --lambda abc", "--lambda: must be a number"},
        {"fit --events e --out x --lambda 0", "--lambda: must be a number from"},
        {"fit --events e --out x --family bpr", "unknown \"bpr\", known are ials"},
        {"fit --events e --out x --family ease --alpha0 1", "--alpha0: family ease has no such"},
        {"fit --events e --out x --recipe r --dim 8", "--recipe: has families and settings of"},
        {"fit --events e --out x --recipe r --family ials", "leave out --family"},
        {"fit --events e --out x --name a/b", "--name: must be"},
        {"fit --events e --out x --types view", "--types: \"view\" is not NAME=WEIGHT"},
        {"fit --events e --out x extra", "\"extra\" is no option"},
        {"fit --nonsense", "nonsense"},
        {"evaluate --bundle b --events e", "--test is missing"},
        {"evaluate --bundle b --events e --test t --protocol x", "known are lightgcn"},
        {"evaluate --bundle b --events e --test t --k 1001", "--k: must be"},
        {"evaluate --bundle b --events e --test t --k 10,,20", "--k: must be"},
        {"evaluate --bundle b --events e --test t --k 10,", "--k: must be"},
        {"evaluate --bundle b --events e --test t --k 1,2,3,4,5,6,7,8,9", "--k: must be 1 to 8"},
        {"evaluate --bundle b --events e --test t more", "\"more\" is no option"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(train(cases[i].arguments), 2, "%s", cases[i].arguments);
        cr_expect_not_null(strstr(said, cases[i].why), "%s: %s", cases[i].arguments, said);
    }
}

Test(train_program, bad_input_exits_1, .init = make_folder, .fini = remove_folder)
{
    fclose(create("empty.csv"));
    fputs("customer,item\n", create("none.csv"));
    fflush(NULL);
    cr_expect_eq(train("fit --events missing.csv --out m"), 1);
    cr_expect_not_null(strstr(said, "missing.csv"));
    cr_expect_eq(train("fit --events empty.csv --out m"), 1);
    cr_expect_not_null(strstr(said, "empty.csv:1:1: no header"));
    cr_expect_eq(train("fit --events none.csv --out m"), 1);
    cr_expect_not_null(strstr(said, "no pair to learn from"));
    cr_expect_eq(train("fit --events events.csv --out nowhere/m"), 1);
    cr_expect_not_null(strstr(said, "cannot write there"));
    cr_expect_eq(train("evaluate --bundle missing --events events.csv --test test.csv"), 1);
    cr_expect_eq(train("evaluate --bundle events.csv --events events.csv --test test.csv"), 1);
}

/* As many positions for each group as a bundle has room for, and no more. */
Test(train_program, a_long_history_in_groups_fits_a_bundle, .init = make_folder,
     .fini = remove_folder)
{
    cr_assert_eq(train("fit --family sequence --events events.csv --out m --dim 8 --epochs 1 "
                       "--recent 100 --groups 4"),
                 0, "%s", said);
    cr_expect_eq(train("evaluate --bundle m --events events.csv --test test.csv --k 5"), 0, "%s",
                 said);
}

Test(train_program, one_customer_and_one_item_are_enough, .init = make_folder,
     .fini = remove_folder)
{
    fputs("customer,item,time\nu,x,5\nu,x,5", create("one.csv"));
    fputs("customer,item\nu,x\nstranger,x\n", create("later.csv"));
    fflush(NULL);
    cr_assert_eq(train("fit --events one.csv --out m --dim 4"), 0, "%s", said);
    cr_expect_eq(train("evaluate --bundle m --events one.csv --test later.csv --k 1,5"), 0, "%s",
                 said);
    cr_expect_not_null(strstr(said, "1 customers without history"));
    cr_expect_eq(train("evaluate --bundle m --events one.csv --test later.csv --k 5 --repeat "
                       "--json"),
                 0, "%s", said);
    cr_expect_eq(number_after("\"recall@5\":"), 0.5);
    cr_expect_eq(number_after("\"coverage@5\":"), 1);
}

Test(train_program, bad_events_are_named_by_line, .init = make_folder, .fini = remove_folder)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"customer,item,time\nu,x,1700000000\n", "bad.csv:2:5: looks like seconds since 1970"},
        {"customer,item,time\nu,x,1700000000000\nu,y,1700000000\n",
         "bad.csv:3:5: 1700000000 looks"},
        {"customer,item,time\nu,x,-5\n", "bad.csv:2:5: \"-5\" is not a time"},
        {"customer,item,time\nu,x,5\nu,y", "bad.csv:3:1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        FILE *f = create("bad.csv");
        fputs(cases[i].text, f);
        fclose(f);
        cr_expect_eq(train("fit --events bad.csv --out m"), 1, "%s", cases[i].text);
        cr_expect_not_null(strstr(said, cases[i].why), "%s: %s", cases[i].why, said);
    }
    cr_expect_eq(train("fit --events events.csv --out m --types purchase=nan"), 2);
    cr_expect_not_null(strstr(said, "the weight of \"purchase=nan\" is not a number"));
}

Test(train_program, protocols_refuse_what_does_not_fit, .init = make_folder, .fini = remove_folder)
{
    fputs("customer,item,time\nc1,i1,1000\n", create("early.csv"));
    fputs("customer,item\nc1,i1\nc1,i2\n", create("two.csv"));
    fflush(NULL);
    cr_assert_eq(train("fit --events events.csv --out m --dim 4"), 0, "%s", said);
    cr_expect_eq(train("evaluate --bundle m --events events.csv --test early.csv "
                       "--protocol time-split"),
                 1);
    cr_expect_not_null(strstr(said, "test: customer \"c1\" has a held-out item of 1000"));
    cr_expect_eq(train("evaluate --bundle m --events events.csv --test two.csv "
                       "--protocol leave-one-out"),
                 1);
    cr_expect_not_null(strstr(said, "test: customer \"c1\" has 2 held-out items"));
    cr_expect_eq(train("evaluate --bundle m --events events.csv --test test.csv "
                       "--protocol leave-one-out"),
                 0);
    cr_expect_eq(train("evaluate --bundle m --events events.csv --test test.csv "
                       "--protocol strong --k 3,10"),
                 0);
    cr_expect_not_null(strstr(said, "recall@10"));
    cr_expect_not_null(strstr(said, "loyal    20 and more"));
}

Test(train_program, help_and_version)
{
    strcpy(folder, P_tmpdir);
    cr_expect_eq(train("--help"), 0);
    cr_expect_eq(train("fit --help"), 0);
    cr_expect_not_null(strstr(said, "--created-ms"));
    cr_expect_eq(train("evaluate --help"), 0);
    cr_expect_not_null(strstr(said, "leave-one-out"));
    cr_expect_eq(train("--version"), 0);
    cr_expect_not_null(strstr(said, "nbx-train "));
}

/* Every item names its taste. */
static void make_items(void)
{
    FILE *f = create("items.csv");
    fputs("id,title,categories,price\nelsewhere,Not sold,,\n", f);
    for (int i = 0; i < ITEMS; i++)
        fprintf(f, "i%d,Thing %d,goods|taste %d,%d\n", i, i % 3, i % 5, 100 * i);
    fclose(f);
}

static size_t count_features(const char *file, const char *wanted)
{
    char path[256];
    struct nbx_bundle *b = NULL;
    struct nbx_fault fault = {0};
    snprintf(path, sizeof path, "%s/%s", folder, file);
    cr_assert_eq(nbx_bundle_open(&b, path, &fault), NBX_OK, "%s", fault.message);
    const struct nbx_features *features = &nbx_bundle_get(b)->features;
    bool found = false;
    size_t n = features->n;
    for (size_t i = 0; i < n; i++)
        found = found || nbx_str_is(features->names[i], wanted);
    cr_expect_eq(found, n > 0, "%s", wanted);
    nbx_bundle_close(&b);
    return n;
}

Test(train_program, items_tell_what_attributes_mean, .init = make_folder, .fini = remove_folder)
{
    make_items();
    const char *fit = "fit --events events.csv --items items.csv --dim 8 --created-ms 5 ";
    char command[256];
    snprintf(command, sizeof command, "%s --out a.safetensors", fit);
    cr_assert_eq(train(command), 0, "%s", said);
    cr_expect_not_null(strstr(said, "read items.csv: 50 of 50 items"), "%s", said);
    /* item, goods and five tastes, "thing", ten prices; numbers of one digit are no words */
    cr_expect_not_null(strstr(said, "attributes: 18 features, 9 price bounds"), "%s", said);
    cr_expect_eq(count_features("a.safetensors", "category=taste 3"), 18);
    snprintf(command, sizeof command, "%s --out b.safetensors", fit);
    cr_assert_eq(train(command), 0, "%s", said);
    cr_expect(same_files("a.safetensors", "b.safetensors"));
    cr_assert_eq(train("evaluate --bundle a.safetensors --events events.csv --test test.csv"), 0,
                 "%s", said);
    cr_assert_eq(train("auto --events events.csv --items items.csv --trials 1 --out "
                       "c.safetensors"),
                 0, "%s", said);
    cr_expect_eq(count_features("c.safetensors", "word=thing"), 18, "%s", said);
}

/* Every other customer takes half of the items; customers of the test file are new. */
static void make_customers(void)
{
    FILE *events = create("halves.csv"), *test = create("cold.csv"), *f = create("customers.csv");
    fputs("customer,item\n", events);
    fputs("customer,item\n", test);
    fputs("id,half\n", f);
    for (int c = 0; c < 60; c++) {
        fprintf(f, "h%d,%s\n", c, c % 2 ? "odd" : "even");
        for (int i = 0; i < 20; i++)
            if (i % 2 == c % 2 && (i * 7 + c) % 5)
                fprintf(c < 50 ? events : test, "h%d,i%02d\n", c, i);
    }
    fputs("h99,i00\n", test);
    fclose(events);
    fclose(test);
    fclose(f);
}

static double number_behind(const char *key)
{
    const char *at = strstr(said, key);
    cr_assert_not_null(at, "%s in %s", key, said);
    return strtod(at + strlen(key), NULL);
}

Test(train_program, customers_tell_what_attributes_mean, .init = make_folder, .fini = remove_folder)
{
    make_customers();
    cr_assert_eq(train("fit --events halves.csv --customers customers.csv --dim 8 --out "
                       "a.safetensors"),
                 0, "%s", said);
    cr_expect_not_null(strstr(said, "read customers.csv: 50 of 50 customers"), "%s", said);
    cr_expect_not_null(strstr(said, "attributes of customers: 3 features"), "%s", said);
    const char *evaluate = "evaluate --bundle a.safetensors --events halves.csv --test cold.csv "
                           "--k 10 --json";
    char command[256];
    cr_assert_eq(train(evaluate), 0, "%s", said);
    cr_expect_eq(number_behind("\"cold\":"), 11);
    cr_expect_eq(number_behind("\"described\":"), 0);
    cr_expect_eq(number_behind("\"recall@10\":"), 0);
    snprintf(command, sizeof command, "%s --customers customers.csv", evaluate);
    cr_assert_eq(train(command), 0, "%s", said);
    cr_expect_eq(number_behind("\"described\":"), 10, "one has no line");
    cr_expect_geq(number_behind("\"recall@10\":"), 0.9, "%s", said);
}

Test(train_program, customers_that_are_wrong_are_named, .init = make_folder, .fini = remove_folder)
{
    make_customers();
    cr_expect_eq(train("tune --events halves.csv --sample ten --out r.json"), 2);
    cr_expect_not_null(strstr(said, "--sample: must be"), "%s", said);
    cr_expect_eq(train("tune --events halves.csv --customers customers.csv --out r.json"), 2);
    cr_expect_not_null(strstr(said, "--customers"), "%s", said);
    cr_expect_eq(train("fit --events halves.csv --customers customers.csv --out n.safetensors "
                       "--family neighbours"),
                 0);
    cr_expect_not_null(strstr(said, "--customers: left out"), "%s", said);
    cr_expect_eq(train("evaluate --bundle n.safetensors --events halves.csv --test cold.csv "
                       "--customers customers.csv"),
                 1);
    cr_expect_not_null(strstr(said, "--customers: the bundle says nothing"), "%s", said);
    fputs("id,home town\nh1,x\n", create("bad.csv"));
    fflush(NULL);
    cr_expect_eq(train("fit --events halves.csv --customers bad.csv --out m.safetensors"), 1);
    cr_expect_not_null(strstr(said, "bad.csv:1:4"), "%s", said);
}

Test(train_program, items_that_are_wrong_are_named, .init = make_folder, .fini = remove_folder)
{
    make_items();
    cr_expect_eq(train("tune --events events.csv --items items.csv --out r.json"), 2);
    cr_expect_not_null(strstr(said, "--items"), "%s", said);
    cr_expect_eq(train("fit --events events.csv --items no.csv --out m.safetensors"), 1);
    cr_expect_not_null(strstr(said, "no.csv"), "%s", said);
    cr_expect_eq(train("fit --events events.csv --items items.csv --out n.safetensors "
                       "--family neighbours"),
                 0);
    cr_expect_not_null(strstr(said, "--items: left out"), "%s", said);
    cr_expect_eq(count_features("n.safetensors", "item"), 0);
    FILE *f = create("bad.csv");
    fputs("id,price\ni1,cheap\n", f);
    fclose(f);
    cr_expect_eq(train("fit --events events.csv --items bad.csv --out m.safetensors"), 1);
    cr_expect_not_null(strstr(said, "bad.csv:2:4: \"cheap\" is not a price"), "%s", said);
    cr_expect(!same_files("m.safetensors", "m.safetensors"), "a model was written");
}
