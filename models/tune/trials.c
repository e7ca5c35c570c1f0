/* SPDX-License-Identifier: MIT */
#include "models/tune/trials.h"

#include "engine/base/grow.h"
#include "engine/json/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARENA_BYTES ((size_t)64 << 20)

struct trial {
    char *ingredient; /* as nbx_ingredient_write writes it */
    double ndcg, seconds;
};

struct nbx_trials {
    FILE *file; /* NULL: in memory only */
    const char *path;
    struct trial *trials; /* (n) of (room) */
    size_t n, room;
};

static enum nbx_err file_fault(const struct nbx_trials *t, struct nbx_fault *fault)
{
    return nbx_fault_set(fault, NBX_ESTORAGE, t->path, "%s", strerror(errno));
}

static char *text_of(const struct nbx_ingredient *ingredient)
{
    struct nbx_buf text = {0};
    nbx_ingredient_write(&text, ingredient);
    nbx_buf_put_u8(&text, 0);
    char *copy = text.failed ? NULL : strdup((char *)text.p);
    nbx_buf_fini(&text);
    return copy;
}

static enum nbx_err keep(struct nbx_trials *t, const struct nbx_ingredient *ingredient, double ndcg,
                         double seconds)
{
    struct trial *more = nbx_grow(t->trials, t->n, &t->room, sizeof *more);
    if (!more)
        return NBX_ELIMIT;
    t->trials = more;
    char *text = text_of(ingredient);
    if (!text)
        return NBX_ELIMIT;
    t->trials[t->n++] = (struct trial){text, ndcg, seconds};
    return NBX_OK;
}

static bool get_number(double *out, const struct nbx_value *v, const char *key)
{
    const struct nbx_value *n = nbx_value_get(v, key);
    *out = n && n->type == NBX_FLOAT ? n->f : n && n->type == NBX_INT ? (double)n->i : 0;
    return n && (n->type == NBX_FLOAT || n->type == NBX_INT);
}

static enum nbx_err read_trial(struct nbx_trials *t, const struct nbx_value *line,
                               struct nbx_fault *fault)
{
    struct nbx_recipe recipe;
    double ndcg = 0, seconds = 0;
    enum nbx_err err = nbx_recipe_read(&recipe, line, fault);
    if (!err && (!get_number(&ndcg, line, "ndcg") || !get_number(&seconds, line, "seconds")))
        err = nbx_fault_set(fault, NBX_EBAD, "ndcg", "a trial has ndcg and seconds");
    return err ? err : keep(t, &recipe.parts[0], ndcg, seconds);
}

static enum nbx_err check_key(const struct nbx_value *line, const char *key,
                              struct nbx_fault *fault)
{
    const struct nbx_value *v = nbx_value_get(line, "search");
    if (!v || v->type != NBX_STRING)
        return nbx_fault_set(fault, NBX_EBAD, "search", "is missing: not a log of trials");
    if (!nbx_str_is(v->s, key))
        return nbx_fault_set(fault, NBX_EBAD, "search",
                             "is of other data or options (%.*s, now %s): take another file",
                             NBX_STR_ARG(v->s), key);
    return NBX_OK;
}

/* Reads a line without its end. Returns its length, -1 at the end or where it was cut. */
static ssize_t next_line(FILE *file, char **line, size_t *room)
{
    ssize_t n = getline(line, room, file);
    return n > 0 && (*line)[n - 1] == '\n' ? n - 1 : -1;
}

/* *good: up to where the file is whole. */
static enum nbx_err read_log(struct nbx_trials *t, const char *key, long *good,
                             struct nbx_fault *fault)
{
    char *line = NULL;
    size_t room = 0, number = 0;
    ssize_t n;
    enum nbx_err err = NBX_OK;
    struct nbx_arena *arena = nbx_arena_new(ARENA_BYTES);
    while (arena && !err && (n = next_line(t->file, &line, &room)) >= 0) {
        struct nbx_value v;
        number++;
        nbx_arena_reset(arena);
        err = nbx_json_decode(&v, line, (size_t)n, arena, fault);
        if (!err)
            err = number == 1 ? check_key(&v, key, fault) : read_trial(t, &v, fault);
        if (err)
            nbx_fault_prefix(fault, "%s:%zu", t->path, number);
        *good = ftell(t->file);
    }
    free(line);
    nbx_arena_destroy(&arena);
    return err;
}

static enum nbx_err open_log(struct nbx_trials *t, const char *key, struct nbx_fault *fault)
{
    long good = 0;
    t->file = fopen(t->path, "a+");
    if (!t->file)
        return file_fault(t, fault);
    rewind(t->file);
    enum nbx_err err = read_log(t, key, &good, fault);
    if (err)
        return err;
    if (ftruncate(fileno(t->file), good) != 0)
        return file_fault(t, fault);
    if (good == 0)
        fprintf(t->file, "{\"search\":\"%s\"}\n", key);
    return fflush(t->file) == 0 ? NBX_OK : file_fault(t, fault);
}

enum nbx_err nbx_trials_open(struct nbx_trials **out, const char *path, const char *key,
                             struct nbx_fault *fault)
{
    struct nbx_trials *t = calloc(1, sizeof *t);
    *out = t;
    if (!t)
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    t->path = path;
    enum nbx_err err = path ? open_log(t, key, fault) : NBX_OK;
    if (err)
        nbx_trials_close(out);
    return err;
}

void nbx_trials_close(struct nbx_trials **trials)
{
    if (!trials || !*trials)
        return;
    for (size_t i = 0; i < (*trials)->n; i++)
        free((*trials)->trials[i].ingredient);
    free((*trials)->trials);
    if ((*trials)->file)
        fclose((*trials)->file);
    free(*trials);
    *trials = NULL;
}

bool nbx_trials_find(const struct nbx_trials *t, const struct nbx_ingredient *ingredient,
                     double *ndcg, double *seconds)
{
    char *text = text_of(ingredient);
    bool found = false;
    for (size_t i = 0; text && !found && i < t->n; i++) {
        found = strcmp(t->trials[i].ingredient, text) == 0;
        if (found) {
            *ndcg = t->trials[i].ndcg;
            *seconds = t->trials[i].seconds;
        }
    }
    free(text);
    return found;
}

enum nbx_err nbx_trials_add(struct nbx_trials *t, const struct nbx_ingredient *ingredient,
                            double ndcg, double seconds, struct nbx_fault *fault)
{
    if (keep(t, ingredient, ndcg, seconds))
        return nbx_fault_set(fault, NBX_ELIMIT, NULL, "out of memory");
    if (!t->file)
        return NBX_OK;
    fprintf(t->file, "{\"parts\":[%s],\"ndcg\":%.17g,\"seconds\":%.3f}\n",
            t->trials[t->n - 1].ingredient, ndcg, seconds);
    return fflush(t->file) == 0 ? NBX_OK : file_fault(t, fault);
}
