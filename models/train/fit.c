/* SPDX-License-Identifier: MIT */
#include "engine/json/json.h"
#include "models/train/commands.h"
#include "models/train/task.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_SETTINGS (NBX_FAMILIES * NBX_SETTINGS_MAX)
#define OPTION_BYTES 40
#define MAX_RECIPE   (1 << 20)
#define RECIPE_BYTES ((size_t)16 << 20)

static const char usage[] =
    "nbx-train fit --events FILE --out BUNDLE [options]\n"
    "\n"
    "  --events FILE      CSV with a header: customer, item, and optionally type, time and effect\n"
    "  --out BUNDLE       the file to write (.safetensors)\n"
    "  --family F         how to learn (default: ials): a family below\n"
    "  --recipe FILE      instead: families, settings and weights as nbx-train tune wrote "
    "them\n" NBX_COMMON_USAGE "  --SETTING VALUE    of the family:\n";

enum { OPT_FAMILY = NBX_OPT_OWN, OPT_RECIPE, OPT_SETTING };

/* A setting given on the command line: of "--customer-power", customer_power. */
struct given {
    char setting[OPTION_BYTES];
    double value;
};

struct fit {
    struct nbx_task task;
    const char *family, *recipe;
    char names[MAX_SETTINGS][OPTION_BYTES];
    struct option options[NBX_OPT_OWN + 3 + MAX_SETTINGS];
    struct given given[MAX_SETTINGS]; /* (n_given) */
    size_t n_given;
};

/* out (OPTION_BYTES): text with one character in the place of another: settings have _ where
 * options have -. */
static void respell(char *out, const char *text, char from, char to)
{
    snprintf(out, OPTION_BYTES, "%s", text);
    for (char *c = out; *c; c++)
        *c = *c == from ? to : *c;
}

static void add_setting(struct fit *fit, const char *setting, size_t *n_names, size_t *n_options)
{
    char *name = fit->names[*n_names];
    respell(name, setting, '_', '-');
    for (size_t i = 0; i < *n_options; i++)
        if (strcmp(fit->options[i].name, name) == 0)
            return;
    fit->options[*n_options] =
        (struct option){name, required_argument, NULL, OPT_SETTING + (int)*n_names};
    ++*n_options;
    ++*n_names;
}

/* The common options and a setting of any family. */
static void make_options(struct fit *fit)
{
    static const struct option fixed[] = {NBX_COMMON_OPTIONS,
                                          {"family", required_argument, NULL, OPT_FAMILY},
                                          {"recipe", required_argument, NULL, OPT_RECIPE}};
    size_t n_names = 0, n_options = sizeof fixed / sizeof *fixed;
    memcpy(fit->options, fixed, sizeof fixed);
    for (int f = 0; f < NBX_FAMILIES; f++) {
        const struct nbx_family_info *info = nbx_family_info((enum nbx_family)f);
        for (size_t s = 0; s < info->n_settings; s++)
            add_setting(fit, info->settings[s].name, &n_names, &n_options);
    }
}

static bool take_setting(struct fit *fit, struct nbx_argument a)
{
    if (fit->n_given == MAX_SETTINGS)
        return false;
    struct given *g = &fit->given[fit->n_given++];
    float checked;
    respell(g->setting, a.option + 2, '-', '_');
    g->value = strtod(a.text, NULL); /* as a recipe's file has it, to the last digit */
    return nbx_argument_number(&checked, a);
}

static bool take(void *ctx, int option, struct nbx_argument a)
{
    struct fit *fit = ctx;
    switch (option) {
    case OPT_FAMILY: fit->family = a.text; return true;
    case OPT_RECIPE: fit->recipe = a.text; return true;
    default:
        return option >= OPT_SETTING ? take_setting(fit, a) : nbx_task_take(&fit->task, option, a);
    }
}

/* The recipe that the options describe; false after a line on stderr. */
static bool recipe_of_options(struct nbx_recipe *out, const struct fit *fit)
{
    enum nbx_family family;
    struct nbx_fault fault;
    struct nbx_str name = nbx_str_c(fit->family ? fit->family : "ials");
    enum nbx_err err = nbx_family_find(&family, name, &fault);
    *out = (struct nbx_recipe){.n_parts = 1};
    if (!err)
        nbx_ingredient_init(&out->parts[0], family);
    for (size_t i = 0; !err && i < fit->n_given; i++)
        err = nbx_ingredient_set(&out->parts[0], nbx_str_c(fit->given[i].setting),
                                 fit->given[i].value, &fault);
    if (err) {
        char option[OPTION_BYTES];
        respell(option, fault.field, '_', '-');
        fprintf(stderr, "nbx-train: --%s: %s\n", option, fault.message);
    }
    return !err;
}

/* What a recipe says is not said again beside it. */
static bool is_said_once(const struct fit *fit)
{
    if (!fit->recipe || (!fit->family && !fit->n_given))
        return true;
    fprintf(stderr, "nbx-train: --recipe: has families and settings of its own, leave out %s\n",
            fit->family ? "--family" : "settings");
    return false;
}

static enum nbx_err recipe_of_file(struct nbx_recipe *out, const char *path,
                                   struct nbx_fault *fault)
{
    struct nbx_value v;
    struct nbx_arena *arena = nbx_arena_new(RECIPE_BYTES);
    char *text = malloc(MAX_RECIPE);
    FILE *f = fopen(path, "r");
    enum nbx_err err = NBX_OK;
    if (!f)
        err = nbx_fault_set(fault, NBX_ENOTFOUND, path, "%s", strerror(errno));
    else if (!arena || !text)
        err = nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    else
        err = nbx_json_decode(&v, text, fread(text, 1, MAX_RECIPE, f), arena, fault);
    if (!err)
        err = nbx_recipe_read(out, &v, fault);
    if (err && f)
        nbx_fault_prefix(fault, "%s", path);
    if (f)
        fclose(f);
    free(text);
    nbx_arena_destroy(&arena);
    return err;
}

static enum nbx_err check_order(const struct fit *fit, const struct nbx_recipe *recipe,
                                struct nbx_fault *fault)
{
    for (size_t i = 0; i < recipe->n_parts; i++) {
        const struct nbx_family_info *info = nbx_family_info(recipe->parts[i].family);
        if (info->ordered && !fit->task.ordered)
            return nbx_fault_set(fault, NBX_EBAD, "--family",
                                 "%s learns from the order of events, and these have none "
                                 "(--ordered yes says that they have)",
                                 info->name);
    }
    return NBX_OK;
}

static int run(struct fit *fit, struct nbx_recipe *recipe)
{
    struct nbx_fault fault = {0};
    struct nbx_fit_run how = nbx_task_run(&fit->task);
    printf("seed %" PRIu64 ", %u threads\n", fit->task.seed, fit->task.threads);
    enum nbx_err err = fit->recipe ? recipe_of_file(recipe, fit->recipe, &fault) : NBX_OK;
    if (!err)
        err = nbx_task_read(&fit->task, &fault);
    if (!err)
        err = check_order(fit, recipe, &fault);
    if (!err)
        err = nbx_task_make(&fit->task, recipe, &how, NULL, &fault);
    nbx_task_fini(&fit->task);
    return err ? nbx_train_failed(&fault) : NBX_EXIT_OK;
}

/* The settings of every family, behind the fixed lines. */
static char *full_usage(void)
{
    struct nbx_buf text = {0};
    nbx_buf_printf(&text, "%s", usage);
    for (int f = 0; f < NBX_FAMILIES; f++) {
        const struct nbx_family_info *info = nbx_family_info((enum nbx_family)f);
        nbx_buf_printf(&text, "\n%s: %s\n", info->name, info->what);
        for (size_t s = 0; s < info->n_settings; s++) {
            const struct nbx_setting *setting = &info->settings[s];
            char name[OPTION_BYTES];
            respell(name, setting->name, '_', '-');
            nbx_buf_printf(&text, "  --%-17s %s (%g to %g, default %g)\n", name, setting->what,
                           setting->least, setting->most, setting->usual);
        }
    }
    nbx_buf_printf(&text, "\nExit codes: 0 done, 1 a file is missing or wrong or memory is out, 2 "
                          "wrong usage.\n");
    nbx_buf_put_u8(&text, 0);
    return text.failed ? NULL : (char *)text.p;
}

int nbx_train_fit(int argc, char **argv)
{
    static struct fit fit;
    struct nbx_recipe recipe;
    char *help = full_usage();
    int code = NBX_EXIT_FAILED;
    nbx_task_init(&fit.task, "taste");
    make_options(&fit);
    struct nbx_command command = {.usage = help ? help : usage,
                                  .options = fit.options,
                                  .help = NBX_OPT_HELP,
                                  .take = take,
                                  .ctx = &fit};
    if (nbx_command_take(&command, argc, argv, &code)) {
        code = NBX_EXIT_USAGE;
        if (is_said_once(&fit) && recipe_of_options(&recipe, &fit) &&
            nbx_task_ready(&fit.task, &code))
            code = run(&fit, &recipe);
    }
    free(help);
    return code;
}
