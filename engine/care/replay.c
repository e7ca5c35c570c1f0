/* SPDX-License-Identifier: MIT */
#include "engine/care/replay.h"

#include "engine/customer/rebuild.h"
#include "engine/customer/seen.h"
#include "engine/decide/replay.h"
#include "engine/model/registry.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define ARENA_BYTES  ((size_t)1 << 30)
#define FILTER_BYTES ((size_t)64 << 20)
#define PATH_BYTES   4096

/* The world of a moment, and who is in it. */
struct scene {
    const struct nbx_replay_options *options;
    struct nbx_store *store;
    struct nbx_replay *out;
    struct nbx_fault *fault;
    struct nbx_decision_id id;
    struct nbx_decision_record record;
    struct nbx_budget budget;
    struct nbx_ids *ids;
    struct nbx_customers *customers;
    struct nbx_vocabulary *vocabulary;
    struct nbx_catalog *catalog;
    struct nbx_model *bare, *model; /* without and with the items' own vectors */
    struct nbx_filter_cache *filters;
    struct nbx_customer_scope scope;
    struct nbx_profile profile;
};

/* Ends the replay: it cannot be made again. */
__attribute__((format(printf, 2, 3))) static enum nbx_err gone(struct scene *s, const char *format,
                                                               ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->out->what, sizeof s->out->what, format, args);
    va_end(args);
    s->out->verdict = NBX_REPLAY_GONE;
    return NBX_ENOTFOUND;
}

static enum nbx_err failed(struct scene *s, enum nbx_err err, const char *what)
{
    if (err == NBX_ECORRUPT)
        return nbx_fault_set(s->fault, err, NULL, "%s is damaged: nbx verify says more", what);
    return nbx_fault_set(s->fault, err, NULL, "%s cannot be read: %s", what, nbx_err_status(err));
}

static enum nbx_err read_record(struct scene *s)
{
    struct nbx_key key = nbx_key_decision(s->id);
    struct nbx_stored stored;
    int64_t keep_ms = s->options->decision_retention_ms;
    enum nbx_err err =
        nbx_store_get(s->store, NBX_FAMILY_DECISIONS, nbx_key_str(&key), s->scope.arena, &stored);
    if (err == NBX_ENOTFOUND)
        return gone(s, "there is no such decision, or it is no longer kept");
    if (!err)
        err = nbx_decision_record_decode(&s->record, &stored, s->scope.arena);
    if (err)
        return failed(s, err, "the decision");
    if (s->record.asked == 0)
        return gone(s, "an older program kept the decision and not all that it was made of");
    if (keep_ms && nbx_decision_id_time_ms(s->id) < s->options->now_ms - keep_ms)
        return gone(s, "the decision is older than decisions are kept, and so are the items");
    return NBX_OK;
}

/* The event types without their ttl of today: what had expired by then is left out of the seen set
 * (drop_expired). */
static enum nbx_err load_vocabulary(struct scene *s)
{
    struct nbx_vocabulary_options words = *s->options->vocabulary;
    struct nbx_event_type *types = nbx_arena_calloc(s->scope.arena, words.n_types, sizeof *types);
    if (!types)
        return NBX_ELIMIT;
    for (size_t i = 0; i < words.n_types; i++) {
        types[i] = words.types[i];
        types[i].ttl_ms = 0;
    }
    words.types = types;
    return nbx_vocabulary_new(&s->vocabulary, s->store, &words);
}

static enum nbx_err load_words(struct scene *s)
{
    enum nbx_err err = nbx_ids_load(&s->ids, s->store, &s->budget);
    if (!err)
        err = nbx_customers_new(&s->customers, s->store, s->ids, NULL);
    if (err)
        return failed(s, err, "the folder");
    err = load_vocabulary(s);
    s->scope.customers = s->customers;
    s->scope.vocabulary = s->vocabulary;
    s->scope.now_ms = s->record.now_ms;
    return err ? nbx_fault_set(s->fault, err, NULL,
                               "the settings name event types or channels that the folder does "
                               "not know: they are not those it was served with")
               : NBX_OK;
}

static enum nbx_err load_items(struct scene *s)
{
    const struct nbx_vocabulary_options *words = s->options->vocabulary;
    struct nbx_catalog_options options = {.currency = words->currency,
                                          .channels = words->channels,
                                          .n_channels = words->n_channels,
                                          .attribute_types = s->options->attribute_types,
                                          .as_of = &s->record.catalogue_seq};
    return nbx_catalog_load(&s->catalog, s->ids, s->store, &s->budget, &options, s->fault);
}

/* A version that the daemon keeps, or a bundle of the folder itself. path: PATH_BYTES. */
static enum nbx_err find_bundle(struct scene *s, char *path)
{
    struct nbx_version v = {.name = s->record.model_name, .version = s->record.model_version};
    nbx_registry_path(path, PATH_BYTES, s->options->data_dir, &v);
    return access(path, F_OK) == 0
               ? NBX_OK
               : nbx_bundle_find(s->options->data_dir, v.name, v.version, path, PATH_BYTES);
}

static enum nbx_err load_model(struct scene *s)
{
    char path[PATH_BYTES];
    struct nbx_str name = s->record.model_name, version = s->record.model_version;
    if (name.len == 0 && version.len == 0)
        return NBX_OK;
    enum nbx_err err = find_bundle(s, path);
    if (err == NBX_ENOTFOUND)
        return gone(s, "no bundle of model %.*s version %.*s lies in %s", NBX_STR_ARG(name),
                    NBX_STR_ARG(version), s->options->data_dir);
    if (!err)
        err = nbx_model_load(&s->bare, path, s->ids, &s->budget, s->fault);
    if (!err)
        err = nbx_model_refresh(&s->model, s->bare, NULL, s->catalog);
    return err && !s->fault->code ? failed(s, err, "the model") : err;
}

/* Leaves of the set what had an effect at the decision's clock, by the ttl that types had then. */
static void drop_expired(struct nbx_seen_record *seen, const struct nbx_decision_record *r)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < seen->n; i++) {
        const struct nbx_seen_entry *e = &seen->entries[i];
        int64_t ttl_ms = 0;
        for (uint32_t t = 0; t < r->n_ttls; t++)
            if (r->ttls[t].type_no == e->type_no)
                ttl_ms = r->ttls[t].ttl_ms;
        if (!nbx_event_expired(ttl_ms, e->last_ms, r->now_ms))
            seen->entries[n++] = *e;
    }
    seen->n = n;
}

/* The seen set as it was; of linked customers those of each, joined as they were then. */
static enum nbx_err find_seen(struct scene *s)
{
    const struct nbx_decision_record *r = &s->record;
    uint64_t number = nbx_decision_id_customer(s->id);
    struct nbx_linked_part own = {number, r->seen_digest};
    const struct nbx_linked_part *parts = r->n_parts ? r->parts : &own;
    uint32_t n = r->n_parts ? r->n_parts : 1;
    enum nbx_err err = NBX_OK;
    s->profile = (struct nbx_profile){.known = NBX_CUSTOMER_SERIAL(number), .number = number};
    for (uint32_t i = 0; !err && i < n; i++) {
        struct nbx_seen_record seen;
        if (parts[i].seen_digest == 0) /* an empty set */
            continue;
        err = nbx_rebuild_seen(&seen, &s->scope, parts[i].number, parts[i].seen_digest);
        if (!err)
            err = nbx_seen_add(&s->profile.seen, &seen, s->scope.arena);
    }
    if (err == NBX_ENOTFOUND)
        return gone(s,
                    "of what the customer%s had done by then something was retracted since, or is "
                    "kept no longer",
                    r->n_parts ? " and those linked to it" : "");
    if (err)
        return failed(s, err, "the customer's history");
    drop_expired(&s->profile.seen, r);
    return NBX_OK;
}

static void tell(struct scene *s, const struct nbx_replayed *again)
{
    const struct nbx_decision_record *r = &s->record;
    uint32_t n_scored = 0;
    while (n_scored < r->n && r->items[n_scored].source == 0)
        n_scored++;
    s->out->verdict = again->same ? NBX_REPLAY_SAME : NBX_REPLAY_DIFFERS;
    if (!again->same)
        snprintf(s->out->what, sizeof s->out->what, "%s", again->difference);
    else
        snprintf(s->out->what, sizeof s->out->what,
                 "%u items: %u %s, %u of rankings, which were taken from the record and held "
                 "against the gate",
                 r->n, n_scored,
                 r->partial ? "of an approximate search, whose scores were made again"
                            : "found and scored again",
                 r->n - n_scored);
}

static enum nbx_err decide(struct scene *s)
{
    struct nbx_replayed again;
    struct nbx_fault fault = {0};
    struct nbx_world world = {
        .catalog = s->catalog, .model = s->model, .vocabulary = s->vocabulary};
    struct nbx_decide d = {
        .world = &world, .scope = &s->scope, .ids = s->ids, .filters = s->filters};
    enum nbx_err err = nbx_decide_again(&again, &d, &s->record, &s->profile, &fault);
    if (err == NBX_EBAD)
        return gone(s, "%s%s%s", fault.field, fault.field[0] ? ": " : "", fault.message);
    if (err)
        *s->fault = fault;
    else
        tell(s, &again);
    return err;
}

static enum nbx_err play(struct scene *s)
{
    enum nbx_err err;
    if ((err = read_record(s)) || (err = load_words(s)) || (err = load_items(s)) ||
        (err = load_model(s)) || (err = find_seen(s)))
        return err;
    return decide(s);
}

static void clear(struct scene *s)
{
    nbx_model_release(&s->model);
    nbx_model_release(&s->bare);
    nbx_catalog_release(&s->catalog);
    nbx_vocabulary_destroy(&s->vocabulary);
    nbx_customers_destroy(&s->customers);
    nbx_ids_destroy(&s->ids);
    nbx_filter_cache_destroy(&s->filters);
    nbx_arena_destroy(&s->scope.arena);
}

enum nbx_err nbx_replay(struct nbx_replay *out, struct nbx_store *store, struct nbx_decision_id id,
                        const struct nbx_replay_options *options, struct nbx_fault *fault)
{
    struct scene s = {.options = options, .store = store, .out = out, .fault = fault, .id = id};
    *out = (struct nbx_replay){.verdict = NBX_REPLAY_SAME};
    *fault = (struct nbx_fault){.code = NBX_OK};
    s.budget.limit = options->memory_bytes;
    s.scope.arena = nbx_arena_new(ARENA_BYTES);
    s.filters = nbx_filter_cache_new(FILTER_BYTES);
    enum nbx_err err = NBX_ELIMIT;
    if (s.scope.arena && s.filters)
        err = play(&s);
    else
        nbx_fault_set(fault, err, NULL, "no memory");
    clear(&s);
    return out->verdict == NBX_REPLAY_GONE ? NBX_OK : err;
}
