/* SPDX-License-Identifier: MIT */
#include "engine/base/arena.h"
#include "engine/base/check.h"
#include "engine/conf/conf.h"
#include "engine/conf/doc.h"
#include "engine/conf/raw.h"
#include "engine/conf/rules.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE_BYTES  (1024 * 1024)
#define MAX_ARENA_BYTES (16 * 1024 * 1024)

/* One text on its way into a configuration. */
struct load {
    struct nbx_conf *conf;
    struct conf_doc *doc;
    size_t errors;
    bool events_broken; /* an event has a value that could not be read */
    enum nbx_err fatal; /* not the file's fault */
};

static void set_value(struct load *load, void *member, const struct conf_row *row, const char *text,
                      struct conf_place place)
{
    struct nbx_buf why = {0};
    if (!nbx_conf__parse(member, row, text, load->conf->arena, &why)) {
        nbx_buf_put_u8(&why, 0);
        nbx_conf__doc_report(load->doc, place, "%s", why.failed ? "is wrong" : (char *)why.p);
        load->errors++;
        load->events_broken |= strcmp(place.key, "events") == 0;
    }
    nbx_buf_fini(&why);
}

static void set_record(struct load *load, char *base, const struct conf_row *list, int64_t entry,
                       const struct conf_cell *cells)
{
    for (size_t j = 0; j < list->record->n; j++) {
        const struct conf_row *row = &list->record->rows[j];
        const char *text = cells[j].p ? cells[j].p : row->preset;
        struct conf_place place = {list->name, entry, row->name};
        if (text)
            set_value(load, base + row->offset, row, text, place);
        else /* doc.c has said that it is missing */
            load->events_broken |= strcmp(list->name, "events") == 0;
    }
}

static void set_list(struct load *load, const struct conf_row *row, const struct conf_cell *cell)
{
    size_t size = row->type == CONF_RECORDS ? row->record->size : sizeof(char *);
    char *base = nbx_arena_calloc(load->conf->arena, cell->n ? cell->n : 1, size);
    if (!base) {
        load->fatal = NBX_ELIMIT;
        return;
    }
    for (unsigned i = 0; i < cell->n; i++) {
        if (row->type == CONF_RECORDS)
            set_record(load, base + i * size, row, i,
                       (const struct conf_cell *)cell->p + i * row->record->n);
        else
            set_value(load, base + i * size, row, ((char *const *)cell->p)[i],
                      (struct conf_place){row->name, i, NULL});
    }
    *(void **)((char *)load->conf + row->offset) = base;
    *(size_t *)((char *)load->conf + row->count_offset) = cell->n;
}

static void set_all(struct load *load, const struct conf_raw *raw)
{
    for (size_t i = 0; i < nbx_conf__top.n && !load->fatal; i++) {
        const struct conf_row *row = &nbx_conf__top.rows[i];
        const struct conf_cell *cell = nbx_conf__raw_cell(raw, i);
        if (!cell->p)
            continue;
        if (row->type == CONF_TEXTS || row->type == CONF_RECORDS)
            set_list(load, row, cell);
        else
            set_value(load, (char *)load->conf + row->offset, row, cell->p,
                      (struct conf_place){row->name, -1, NULL});
    }
}

/* Lays the text's keys over what conf holds. */
static enum nbx_err apply(struct nbx_conf *conf, const char *text, size_t len,
                          struct nbx_diagnostics *diagnostics)
{
    struct load load = {.conf = conf};
    struct conf_raw *raw = NULL;
    bool loadable;
    const char *reason = "cannot be read";
    enum nbx_err err = nbx_conf__doc_open(&load.doc, text, len, diagnostics);
    if (err)
        return err;
    load.errors = nbx_conf__doc_check(load.doc, &nbx_conf__top, &loadable);
    if (!loadable) {
        err = NBX_EBAD;
        goto out;
    }
    err = nbx_conf__raw_load(&raw, text, len, &reason);
    if (err == NBX_EBAD)
        nbx_diagnostics_add(diagnostics, 1, 1, "%s", reason);
    if (err)
        goto out;
    set_all(&load, raw);
    err = load.fatal;
    if (!err && nbx_conf__rules(conf, load.doc, !load.events_broken) + load.errors > 0)
        err = NBX_EBAD;
out:
    nbx_conf__raw_destroy(&raw);
    nbx_conf__doc_close(&load.doc);
    return err;
}

static enum nbx_err apply_defaults(struct nbx_conf *conf)
{
    struct nbx_buf text = {0};
    for (size_t i = 0; i < nbx_conf__top.n; i++)
        nbx_buf_printf(&text, "%s: %s\n", nbx_conf__top.rows[i].name, nbx_conf__top.rows[i].preset);
    enum nbx_err err = text.failed ? NBX_ELIMIT : apply(conf, (const char *)text.p, text.len, NULL);
    nbx_buf_fini(&text);
    NBX_ASSERT(err != NBX_EBAD); /* the table itself would be wrong */
    return err;
}

static enum nbx_err read_file(struct nbx_buf *out, const char *path, struct nbx_diagnostics *d)
{
    FILE *file = fopen(path, "re");
    if (!file) {
        enum nbx_err code = errno == ENOENT ? NBX_ENOTFOUND : NBX_ESTORAGE;
        nbx_diagnostics_add(d, 1, 1, "cannot be opened: %s", strerror(errno));
        return code;
    }
    enum nbx_err err = NBX_OK;
    uint8_t *room = nbx_buf_reserve(out, MAX_FILE_BYTES + 1);
    size_t n = room ? fread(room, 1, MAX_FILE_BYTES + 1, file) : 0;
    if (!room || n > MAX_FILE_BYTES) {
        nbx_diagnostics_add(d, 1, 1, "is larger than 1 MiB");
        err = NBX_ELIMIT;
    } else if (ferror(file)) {
        nbx_diagnostics_add(d, 1, 1, "cannot be read: %s", strerror(errno));
        err = NBX_ESTORAGE;
    } else {
        out->len += n;
    }
    (void)fclose(file);
    return err;
}

/* Settings that stand for something the machine or the code decides. */
static void resolve(struct nbx_conf *conf)
{
    cpu_set_t cores;
    conf->workers = conf->workers_asked;
    if (conf->workers == 0) {
        int n = sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 2;
        conf->workers = n > 2 ? n - 1 : 1;
    }
    int64_t slots = 1;
    while (slots < conf->request_queue)
        slots *= 2;
    conf->request_queue = slots;
}

static struct nbx_conf *conf_new(void)
{
    struct nbx_conf *conf = calloc(1, sizeof *conf);
    if (!conf)
        return NULL;
    conf->arena = nbx_arena_new(MAX_ARENA_BYTES);
    if (!conf->arena)
        nbx_conf_destroy(&conf);
    return conf;
}

enum nbx_err nbx_conf_load(struct nbx_conf **out, const char *path,
                           struct nbx_diagnostics *diagnostics)
{
    struct nbx_buf text = {0};
    struct nbx_conf *conf = conf_new();
    enum nbx_err err = conf ? NBX_OK : NBX_ELIMIT;
    *out = NULL;
    nbx_diagnostics_start(diagnostics, path ? path : "defaults");
    if (!err)
        err = apply_defaults(conf);
    if (!err && path)
        err = read_file(&text, path, diagnostics);
    if (!err && path)
        err = apply(conf, (const char *)text.p, text.len, diagnostics);
    if (err) {
        nbx_conf_destroy(&conf);
    } else {
        resolve(conf);
        *out = conf;
    }
    nbx_buf_fini(&text);
    return err;
}

void nbx_conf_destroy(struct nbx_conf **conf)
{
    if (!*conf)
        return;
    nbx_arena_destroy(&(*conf)->arena);
    free(*conf);
    *conf = NULL;
}
