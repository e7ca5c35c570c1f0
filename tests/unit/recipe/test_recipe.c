/* SPDX-License-Identifier: MIT */
#include "models/recipe/part.h"

#include "engine/blas/blas.h"
#include "engine/json/json.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct nbx_fault fault;

static enum nbx_err read_text(struct nbx_recipe *out, const char *text, struct nbx_arena *arena)
{
    struct nbx_value v;
    cr_assert_eq(nbx_json_decode(&v, text, strlen(text), arena, &fault), NBX_OK, "%s",
                 fault.message);
    return nbx_recipe_read(out, &v, &fault);
}

Test(recipe, is_read_as_it_was_written)
{
    struct nbx_recipe recipe = {.n_parts = NBX_FAMILIES, .compress = {64, 256}}, again;
    struct nbx_arena *arena = nbx_arena_new(1 << 20);
    struct nbx_buf text = {0}, second = {0};
    for (int f = 0; f < NBX_FAMILIES; f++) {
        nbx_ingredient_init(&recipe.parts[f], (enum nbx_family)f);
        recipe.parts[f].weight = 0.5 + f;
        for (size_t s = 0; s < nbx_family_info((enum nbx_family)f)->n_settings; s++)
            recipe.parts[f].settings[s] = nbx_family_info((enum nbx_family)f)->settings[s].most;
    }
    nbx_recipe_write(&text, &recipe);
    nbx_buf_put_u8(&text, 0);
    cr_assert_eq(read_text(&again, (char *)text.p, arena), NBX_OK, "%s: %s", fault.field,
                 fault.message);
    nbx_recipe_write(&second, &again);
    nbx_buf_put_u8(&second, 0);
    cr_expect_str_eq((char *)text.p, (char *)second.p);
    cr_expect(again.compress.dim == 64 && again.compress.keep == 256);
    nbx_buf_fini(&text);
    nbx_buf_fini(&second);
    nbx_arena_destroy(&arena);
}

Test(recipe, usual_settings_are_within_their_bounds_and_lists)
{
    for (int f = 0; f < NBX_FAMILIES; f++) {
        const struct nbx_family_info *info = nbx_family_info((enum nbx_family)f);
        cr_assert(info->n_settings <= NBX_SETTINGS_MAX);
        for (size_t s = 0; s < info->n_settings; s++) {
            const struct nbx_setting *x = &info->settings[s];
            cr_expect(x->usual >= x->least && x->usual <= x->most, "%s %s", info->name, x->name);
            for (size_t t = 0; t < x->n_tries; t++) {
                cr_expect(x->tries[t] >= x->least && x->tries[t] <= x->most, "%s %s", info->name,
                          x->name);
                cr_expect(t == 0 || x->tries[t] > x->tries[t - 1], "%s %s", info->name, x->name);
            }
        }
    }
}

Test(recipe, says_what_is_wrong)
{
    static const struct {
        const char *text, *field, *message;
    } cases[] = {
        {"{}", "parts", "list of 1 to"},
        {"{\"parts\":[]}", "parts", "list of 1 to"},
        {"{\"parts\":[{}]}", "parts[0].family", "missing"},
        {"{\"parts\":[{\"family\":\"magic\"}]}", "parts[0].family", "known are ials, neighbours"},
        {"{\"parts\":[{\"family\":\"ials\",\"dim\":0}]}", "parts[0].dim", "whole number from 1"},
        {"{\"parts\":[{\"family\":\"ials\",\"dim\":2.5}]}", "parts[0].dim", "whole number"},
        {"{\"parts\":[{\"family\":\"ials\",\"dim\":\"8\"}]}", "parts[0].dim", "whole number"},
        {"{\"parts\":[{\"family\":\"ials\",\"keep\":8}]}", "parts[0].keep", "no such setting"},
        {"{\"parts\":[{\"family\":\"ials\",\"weight\":0}]}", "parts[0].weight", "above 0"},
        {"{\"parts\":[{\"family\":\"ials\"}],\"compress\":{\"dim\":64}}", "compress.keep",
         "missing"},
        {"{\"parts\":[{\"family\":\"ials\"}],\"compress\":{\"dim\":0,\"keep\":1}}", "compress.dim",
         "whole number from 1"},
        {"{\"parts\":[{\"family\":\"ials\"}],\"compress\":{\"dim\":8,\"keep\":1e9}}",
         "compress.keep", "to 65536"},
        {"{\"parts\":[{\"family\":\"ials\"},{\"family\":\"ease\",\"lambda\":-1}]}",
         "parts[1].lambda", "from"},
    };
    struct nbx_recipe recipe;
    struct nbx_arena *arena = nbx_arena_new(1 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(read_text(&recipe, cases[i].text, arena), NBX_EBAD, "%s", cases[i].text);
        cr_expect_str_eq(fault.field, cases[i].field);
        cr_expect_not_null(strstr(fault.message, cases[i].message), "%s", fault.message);
    }
    nbx_arena_destroy(&arena);
}

/* Six customers, five items, in a known order. */
static struct nbx_dataset *make_shop(const char *header)
{
    char path[] = P_tmpdir "/nbx-recipe-XXXXXX";
    struct nbx_dataset *d;
    struct nbx_dataset_options options = {.progress_fd = -1};
    FILE *f = fdopen(mkstemp(path), "w");
    fputs(header, f);
    for (int c = 0; c < 6; c++)
        for (int i = 0; i < 3; i++)
            fprintf(f, "c%d,i%d,%lld\n", c, (c + i) % 5, 1700000000000LL + i * 86400000LL);
    fclose(f);
    cr_assert_eq(nbx_dataset_read(&d, path, &options, &fault), NBX_OK, "%s", fault.message);
    unlink(path);
    return d;
}

static void fit(struct nbx_part *part, struct nbx_ingredient *i, const struct nbx_dataset *d)
{
    struct nbx_fit_run run = {.seed = 4, .threads = 2, .progress_fd = -1, .quiet = true};
    uint64_t bound = nbx_part_bound_bytes(i, d, &run);
    cr_expect(bound > 0);
    cr_expect(nbx_part_seconds(i, d, 2) > 0);
    cr_assert_eq(nbx_part_fit(part, i, d, &run, &fault), NBX_OK, "%s: %s", fault.field,
                 fault.message);
}

Test(recipe, every_family_is_part_of_a_bundle)
{
    struct nbx_part parts[NBX_FAMILIES];
    double weights[NBX_FAMILIES];
    struct nbx_bundle *bundle;
    char file[] = P_tmpdir "/nbx-recipe-out-XXXXXX";
    nbx_blas_init();
    struct nbx_dataset *d = make_shop("customer,item,time\n");
    struct nbx_bundle_info info = {.name = NBX_STR("all"),
                                   .version = NBX_STR("1"),
                                   .created_ms = 1,
                                   .n_items = d->n_items,
                                   .item_ids = d->item_ids};
    for (int f = 0; f < NBX_FAMILIES; f++) {
        struct nbx_ingredient i;
        nbx_ingredient_init(&i, (enum nbx_family)f);
        if (nbx_ingredient_has(&i, NBX_STR("dim")))
            cr_assert_eq(nbx_ingredient_set(&i, NBX_STR("dim"), 4, &fault), NBX_OK);
        fit(&parts[f], &i, d);
        weights[f] = 1 + f;
    }
    nbx_parts_describe(&info, parts, weights, NBX_FAMILIES);
    close(mkstemp(file));
    cr_assert_eq(nbx_bundle_write(file, &info, NULL, &fault), NBX_OK, "%s: %s", fault.field,
                 fault.message);
    cr_assert_eq(nbx_bundle_open(&bundle, file, &fault), NBX_OK);
    cr_expect(nbx_bundle_is_blend(nbx_bundle_get(bundle)));
    cr_expect_eq(nbx_bundle_get(bundle)->n_spaces + nbx_bundle_get(bundle)->n_neighbours,
                 (size_t)NBX_FAMILIES);
    nbx_bundle_close(&bundle);
    unlink(file);
    for (int f = 0; f < NBX_FAMILIES; f++)
        nbx_part_fini(&parts[f]);
    nbx_dataset_destroy(&d);
}

Test(recipe, one_folded_space_is_of_family_factors)
{
    struct nbx_part part;
    struct nbx_ingredient i;
    struct nbx_bundle_info info = {0};
    double weight = 1;
    nbx_blas_init();
    struct nbx_dataset *d = make_shop("customer,item,time\n");
    nbx_ingredient_init(&i, NBX_FAMILY_IALS);
    fit(&part, &i, d);
    nbx_parts_describe(&info, &part, &weight, 1);
    cr_expect(!nbx_bundle_is_blend(&info));
    nbx_part_fini(&part);
    nbx_dataset_destroy(&d);
}

Test(recipe, popularity_by_age_needs_times)
{
    struct nbx_part part;
    struct nbx_ingredient i;
    struct nbx_fit_run run = {.seed = 4, .threads = 1, .progress_fd = -1, .quiet = true};
    struct nbx_dataset *d = make_shop("customer,item,when\n");
    nbx_ingredient_init(&i, NBX_FAMILY_POPULARITY);
    cr_assert_eq(nbx_ingredient_set(&i, NBX_STR("half_life_days"), 1, &fault), NBX_OK);
    cr_expect_eq(nbx_part_fit(&part, &i, d, &run, &fault), NBX_EBAD);
    cr_expect_str_eq(fault.field, "half_life_days");
    nbx_dataset_destroy(&d);
}

#define LONG_EPOCHS 400

/* A fit in another process, killed as soon as it has left something behind. */
static void interrupt_fit(const struct nbx_ingredient *i, const struct nbx_dataset *d,
                          const struct nbx_fit_run *run, const char *checkpoint)
{
    struct nbx_part part;
    pid_t child = fork();
    if (child == 0) {
        _exit(nbx_part_fit(&part, i, d, run, &fault) ? 1 : 0);
    }
    while (access(checkpoint, F_OK) != 0)
        sched_yield();
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* Fitted at one go and in two, the second of which goes on: the same bits, and no file left. */
static void compare_resumed(enum nbx_family family)
{
    struct nbx_part whole, resumed;
    struct nbx_ingredient i;
    char name[] = P_tmpdir "/nbx-checkpoint-XXXXXX", checkpoint[128];
    struct nbx_fit_run run = {.seed = 9, .threads = 1, .progress_fd = -1, .quiet = true};
    struct nbx_dataset *d = make_shop("customer,item,time\n");
    close(mkstemp(name));
    snprintf(checkpoint, sizeof checkpoint, "%s.%s.checkpoint", name,
             nbx_family_info(family)->name);
    nbx_ingredient_init(&i, family);
    cr_assert_eq(nbx_ingredient_set(&i, NBX_STR("dim"), 4, &fault), NBX_OK);
    cr_assert_eq(nbx_ingredient_set(&i, NBX_STR("epochs"), LONG_EPOCHS, &fault), NBX_OK);
    cr_assert_eq(nbx_part_fit(&whole, &i, d, &run, &fault), NBX_OK, "%s", fault.message);
    run.checkpoints = name;
    interrupt_fit(&i, d, &run, checkpoint);
    run.resume = true;
    cr_assert_eq(nbx_part_fit(&resumed, &i, d, &run, &fault), NBX_OK, "%s: %s", fault.field,
                 fault.message);
    cr_expect_arr_eq(whole.item_factors, resumed.item_factors,
                     d->n_items * whole.space.dims * sizeof(float));
    cr_expect_neq(access(checkpoint, F_OK), 0);
    nbx_part_fini(&whole);
    nbx_part_fini(&resumed);
    nbx_dataset_destroy(&d);
    unlink(name);
}

Test(recipe, an_interrupted_fit_goes_on_to_the_same_bits, .timeout = 120)
{
    nbx_blas_init();
    compare_resumed(NBX_FAMILY_IALS);
    compare_resumed(NBX_FAMILY_SEQUENCE);
}

Test(recipe, a_checkpoint_of_another_fit_is_refused)
{
    struct nbx_part part;
    struct nbx_ingredient i;
    char name[] = P_tmpdir "/nbx-checkpoint-XXXXXX", checkpoint[128];
    struct nbx_fit_run run = {
        .seed = 9, .threads = 1, .progress_fd = -1, .quiet = true, .resume = true};
    struct nbx_dataset *d = make_shop("customer,item,time\n");
    nbx_blas_init();
    close(mkstemp(name));
    snprintf(checkpoint, sizeof checkpoint, "%s.ials.checkpoint", name);
    run.checkpoints = name;
    nbx_ingredient_init(&i, NBX_FAMILY_IALS);
    FILE *f = fopen(checkpoint, "w");
    fputs("nbx-checkpoint 1 0123456789abcdef\n", f);
    fclose(f);
    cr_expect_eq(nbx_part_fit(&part, &i, d, &run, &fault), NBX_ECONFLICT);
    cr_expect_str_eq(fault.field, checkpoint);
    cr_expect_not_null(strstr(fault.message, "other data, settings or seed"));
    unlink(checkpoint);
    unlink(name);
    nbx_dataset_destroy(&d);
}
