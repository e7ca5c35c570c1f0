/* SPDX-License-Identifier: MIT
 * nbxd --check-model: whether a bundle would be accepted, for people and as JSON.
 */
#include "engine/base/log.h"
#include "engine/json/json.h"
#include "engine/main_care.h"
#include "engine/main_options.h"
#include "version.h"

#include <stdio.h>
#include <unistd.h>

#define CACHE_BYTES  ((size_t)64 << 20)
#define BUFFER_BYTES ((size_t)64 << 20) /* the log is read into it */
#define ARENA_BYTES  ((size_t)1 << 20)
#define PATH_BYTES   4096

enum { EXIT_ACCEPTED, EXIT_REFUSED };

/* The catalogue of the data folder, which a daemon may be using. */
struct shop {
    struct nbx_store *store;
    struct nbx_ids *ids;
    struct nbx_catalog *catalog;
    struct nbx_budget budget;
    struct nbx_fault fault; /* why there is none */
};

static void close_shop(struct shop *shop)
{
    nbx_catalog_release(&shop->catalog);
    nbx_ids_destroy(&shop->ids);
    nbx_store_close(&shop->store);
}

/* RocksDB's own first file. */
static bool has_store(const char *dir)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/CURRENT", dir);
    return access(path, F_OK) == 0;
}

static void open_shop(struct shop *shop, const struct nbx_server_options *o)
{
    struct nbx_store_options store = {.dir = o->data_dir,
                                      .cache_bytes = CACHE_BYTES,
                                      .write_buffer_bytes = BUFFER_BYTES,
                                      .read_only = true};
    struct nbx_catalog_options items = {.currency = o->vocabulary.currency,
                                        .channels = o->vocabulary.channels,
                                        .n_channels = o->vocabulary.n_channels,
                                        .attribute_types = o->attribute_types};
    if (!has_store(o->data_dir)) {
        nbx_fault_set(&shop->fault, NBX_ENOTFOUND, NULL, "there is none in %s", o->data_dir);
        return;
    }
    enum nbx_err err = nbx_store_open(&shop->store, &store, &shop->fault);
    if (!err && (err = nbx_ids_load(&shop->ids, shop->store, &shop->budget)))
        nbx_fault_set(&shop->fault, err, NULL, "its item ids cannot be read: %s",
                      nbx_err_status(err));
    if (!err)
        err = nbx_catalog_load(&shop->catalog, shop->ids, shop->store, &shop->budget, &items,
                               &shop->fault);
    if (err)
        close_shop(shop);
}

/* What was found of a file. */
struct verdict {
    const char *path;
    enum nbx_err err;
    struct nbx_fault fault;
    struct nbx_accepted accepted;
    char uncompared[NBX_FAULT_MESSAGE_BYTES]; /* why not with a catalogue; empty where it was */
};

static void print_norms(const struct nbx_accepted *a)
{
    for (size_t i = 0; i < a->n_norms; i++)
        printf("  %-24s lengths: median %.4g, largest %.4g; %zu of %zu zero\n", a->norms[i].tensor,
               a->norms[i].median, a->norms[i].largest, a->norms[i].zeros, a->n_items);
}

static void print_text(const struct verdict *v)
{
    const struct nbx_accepted *a = &v->accepted;
    if (v->err)
        printf("%s: refused: %s%s%s\n", v->path, v->fault.field, v->fault.field[0] ? ": " : "",
               v->fault.message);
    else
        printf("%s: accepted: %s %s, %zu items\n", v->path, a->name, a->version, a->n_items);
    print_norms(a);
    if (v->err)
        return;
    printf("  items without a vector: %.4g %%\n", 100 * a->without_vector);
    if (a->compared)
        printf("  items unknown to the catalogue: %.4g %%; of the catalogue's the bundle has %.4g "
               "%%\n",
               100 * a->unknown, 100 * a->covered);
    else
        printf("  not compared with a catalogue: %s\n", v->uncompared);
    printf("  golden queries answered as stated: %zu\n", a->n_golden);
    printf("  %zu lists of %d show %zu items\n", a->n_lists, NBX_ACCEPT_K, a->listed);
}

static struct nbx_value text(const char *s)
{
    return nbx_value_string(nbx_str_c(s));
}

/* {file, accepted, name, version, field, reason, not_compared, measured}: nil what does not apply.
 */
static bool print_json(const struct verdict *v, struct nbx_arena *arena)
{
    struct nbx_value nil = nbx_value_nil(), measured;
    struct nbx_buf out = {0};
    if (nbx_accepted_value(&measured, &v->accepted, arena))
        return false;
    struct nbx_member members[] = {
        {NBX_STR("file"), text(v->path)},
        {NBX_STR("accepted"), nbx_value_bool(!v->err)},
        {NBX_STR("name"), v->accepted.name[0] ? text(v->accepted.name) : nil},
        {NBX_STR("version"), v->accepted.version[0] ? text(v->accepted.version) : nil},
        {NBX_STR("field"), v->err ? text(v->fault.field) : nil},
        {NBX_STR("reason"), v->err ? text(v->fault.message) : nil},
        {NBX_STR("not_compared"), v->uncompared[0] ? text(v->uncompared) : nil},
        {NBX_STR("measured"), measured},
    };
    struct nbx_value all = {
        .type = NBX_MAP, .n = sizeof members / sizeof *members, .members = members};
    bool written = nbx_json_encode_indented(&out, &all) == NBX_OK;
    if (written)
        printf("%.*s\n", (int)out.len, (const char *)out.p);
    nbx_buf_fini(&out);
    return written;
}

static void try_bundle(struct verdict *v, const struct nbx_server_options *o)
{
    struct shop shop = {.budget = {.limit = o->memory_limit}};
    open_shop(&shop, o);
    struct nbx_accept_options options = {
        .bounds = o->accept, .budget = &shop.budget, .ids = shop.ids, .catalog = shop.catalog};
    v->err = nbx_model_accept(&v->accepted, v->path, &options, &v->fault);
    if (!v->accepted.compared)
        snprintf(v->uncompared, sizeof v->uncompared, "%s",
                 shop.catalog ? "it has no items" : shop.fault.message);
    close_shop(&shop);
}

int nbx_main_check_model(const struct nbx_conf *conf, const char *path, bool json)
{
    struct verdict v = {.path = path};
    struct nbx_arena *arena = nbx_arena_new(ARENA_BYTES);
    struct nbx_main_options *words = nbx_main_options_new(conf, NBX_VERSION);
    nbx_log_set_level(NBX_LOG_ERROR); /* what matters is in the verdict */
    bool printed = arena && words;
    if (printed)
        try_bundle(&v, &words->server);
    if (printed && json)
        printed = print_json(&v, arena);
    else if (printed)
        print_text(&v);
    if (!printed)
        fprintf(stderr, "nbxd: no memory, or a name that is no UTF-8\n");
    nbx_main_options_destroy(&words);
    nbx_arena_destroy(&arena);
    return printed && !v.err ? EXIT_ACCEPTED : EXIT_REFUSED;
}
