/* SPDX-License-Identifier: MIT */
#include "engine/care/rebuild_internal.h"

#include "engine/care/files.h"

#include <stdlib.h>

#define ENTRY_BYTES ((size_t)1 << 30) /* at most, as the next */
#define TEXT_BYTES  ((size_t)4 << 30)

static enum nbx_err open_folder(struct nbx_rebuilding *r)
{
    struct nbx_store_options options = {.dir = r->options->dir,
                                        .cache_bytes = r->options->cache_bytes,
                                        .write_buffer_bytes = r->options->write_buffer_bytes};
    if (!nbx_care__is_empty(r->options->dir, NULL))
        return nbx_fault_set(r->fault, NBX_ECONFLICT, NULL, "%s is not empty", r->options->dir);
    enum nbx_err err = nbx_store_open(&r->to, &options, r->fault);
    if (!err)
        nbx_store_be_patient(r->to, true);
    if (!err && r->from)
        err = nbx_rebuild__copy_meta(r, false);
    return err || !r->from ? err : nbx_rebuild__copy(r, NBX_FAMILY_ITEM_IDS);
}

/* What serving has, over the new folder. */
static enum nbx_err load(struct nbx_rebuilding *r)
{
    const struct nbx_rebuild_options *o = r->options;
    struct nbx_catalog_options catalog = {.currency = o->vocabulary->currency,
                                          .channels = o->vocabulary->channels,
                                          .n_channels = o->vocabulary->n_channels,
                                          .attribute_types = o->attribute_types};
    enum nbx_err err = nbx_vocabulary_new(&r->vocabulary, r->to, o->vocabulary);
    if (err)
        return err;
    struct nbx_trends_options trends = {.half_life_ms = o->trend_half_life_ms,
                                        .n_channels = nbx_vocabulary_max_channel(r->vocabulary),
                                        .now_ms = o->now_ms};
    if ((err = nbx_ids_load(&r->ids, r->to, &r->budget)) ||
        (err = nbx_trends_load(&r->trends, r->to, &r->budget, &trends)) ||
        (err = nbx_catalog_load(&r->catalog, r->ids, r->to, &r->budget, &catalog, r->fault)))
        return err;
    return nbx_customers_new(&r->customers, r->to, r->ids, r->trends);
}

enum nbx_err nbx_rebuild__open(struct nbx_rebuilding *r)
{
    enum nbx_err err = open_folder(r);
    return err ? err : load(r);
}

static enum nbx_err rebuild(struct nbx_rebuilding *r)
{
    enum nbx_err err = nbx_rebuild__open(r);
    if (!err)
        err = nbx_rebuild__redo(r);
    if (!err)
        err = nbx_rebuild__copy_rest(r);
    if (!err)
        err = nbx_store_sync(r->to);
    return err ? err : nbx_rebuild__compare(r);
}

void nbx_rebuild__end(struct nbx_rebuilding **rebuilding)
{
    struct nbx_rebuilding *r = *rebuilding;
    if (!r)
        return;
    nbx_customers_destroy(&r->customers);
    nbx_catalog_release(&r->catalog);
    nbx_trends_destroy(&r->trends);
    nbx_ids_destroy(&r->ids);
    nbx_vocabulary_destroy(&r->vocabulary);
    nbx_store_close(&r->to);
    nbx_batch_destroy(&r->batch);
    nbx_arena_destroy(&r->arena);
    nbx_arena_destroy(&r->texts);
    for (int g = 0; g < NBX_N_GROUPS; g++)
        free(r->groups[g].as_stored);
    free(r);
    *rebuilding = NULL;
}

enum nbx_err nbx_rebuild__begin(struct nbx_rebuilding **out, struct nbx_rebuilt *rebuilt,
                                const struct nbx_store *from,
                                const struct nbx_rebuild_options *options, struct nbx_fault *fault)
{
    struct nbx_rebuilding *r = calloc(1, sizeof *r);
    *out = r;
    *rebuilt = (struct nbx_rebuilt){0};
    *fault = (struct nbx_fault){0};
    if (!r)
        return NBX_ELIMIT;
    r->options = options;
    r->out = rebuilt;
    r->fault = fault;
    r->from = from;
    r->budget.limit = SIZE_MAX / 2;
    r->batch = nbx_batch_new();
    r->arena = nbx_arena_new(ENTRY_BYTES);
    r->texts = nbx_arena_new(TEXT_BYTES);
    return r->batch && r->arena && r->texts ? NBX_OK : NBX_ELIMIT;
}

enum nbx_err nbx_rebuild_folder(struct nbx_rebuilt *out, const struct nbx_store *store,
                                const struct nbx_rebuild_options *options, struct nbx_fault *fault)
{
    struct nbx_rebuilding *r;
    *out = (struct nbx_rebuilt){0};
    if (nbx_store_format(store) < NBX_STORE_FORMAT)
        return nbx_fault_set(fault, NBX_EVERSION, NULL,
                             "the folder is of an older format: start nbxd on it once");
    enum nbx_err err = nbx_rebuild__begin(&r, out, store, options, fault);
    if (!err)
        err = rebuild(r);
    if (err && !fault->code)
        nbx_fault_set(fault, err, NULL, "%s could not be made: %s", options->dir,
                      nbx_err_status(err));
    nbx_rebuild__end(&r);
    return err;
}
