/* SPDX-License-Identifier: MIT */
#include "engine/care/import.h"

#include "engine/base/map.h"
#include "engine/base/random.h"
#include "engine/care/import_links.h"
#include "engine/care/rebuild_internal.h"
#include "engine/json/json.h"
#include "proto/wire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVERY 1000
#define HASH_BYTES     16

struct importing {
    struct nbx_rebuilding *r; /* the new folder with all that serving has; without what it is
                                 rebuilt from */
    struct nbx_imported *out;
    struct nbx_map *customers; /* number in hex -> place in ids, so that ids are kept once */
    struct nbx_map *ids;       /* customer id -> its place */
    struct nbx_import_links links;
    uint64_t next[NBX_N_STREAMS]; /* the number that must come */
    uint64_t catalogue_seq;       /* of the new folder */
};

/* One line of the file. */
struct line {
    const struct nbx_value *v;
    uint16_t stream;
    uint64_t seq, n;
    int64_t time_ms;
    struct nbx_str kind;
    struct nbx_str customer; /* empty: nobody's, or not known any more */
};

static enum nbx_err bad(struct importing *m, const char *field, const char *what)
{
    return nbx_fault_set(m->r->fault, NBX_EBAD, field, "%s", what);
}

static bool get_int(const struct nbx_value *map, const char *key, int64_t least, int64_t *out)
{
    const struct nbx_value *v = nbx_value_get(map, key);
    *out = v && v->type == NBX_INT ? v->i : 0;
    return v && v->type == NBX_INT && v->i >= least;
}

static struct nbx_str get_text(const struct nbx_value *map, const char *key)
{
    const struct nbx_value *v = nbx_value_get(map, key);
    return v && v->type == NBX_STRING ? v->s : (struct nbx_str){0};
}

static const struct nbx_value *get_list(const struct nbx_value *map, const char *key)
{
    static const struct nbx_value none = {.type = NBX_LIST};
    const struct nbx_value *v = nbx_value_get(map, key);
    return v && v->type == NBX_LIST ? v : &none;
}

/* Whose it is: said here, or where the number was given. */
static enum nbx_err find_customer(struct importing *m, struct line *l)
{
    struct nbx_str number = get_text(l->v, "number");
    l->customer = get_text(l->v, "customer");
    if (l->customer.len && number.len) {
        uint32_t place = nbx_map_get(m->ids, l->customer);
        enum nbx_err err = NBX_OK;
        if (place == NBX_MAP_NONE)
            err = nbx_map_put(m->ids, l->customer, place = nbx_map_count(m->ids));
        if (!err && nbx_map_get(m->customers, number) == NBX_MAP_NONE)
            err = nbx_map_put(m->customers, number, place);
        return err;
    }
    uint32_t place = number.len ? nbx_map_get(m->customers, number) : NBX_MAP_NONE;
    if (place != NBX_MAP_NONE)
        l->customer = nbx_map_key(m->ids, place);
    return NBX_OK;
}

static enum nbx_err read_line(struct importing *m, struct line *out, const struct nbx_value *v)
{
    int64_t stream, seq, n;
    *out = (struct line){.v = v, .kind = get_text(v, "kind")};
    if (v->type != NBX_MAP || !get_int(v, "stream", 0, &stream) || stream >= NBX_N_STREAMS)
        return bad(m, "stream", "must be an int from 0 to 256");
    if (!get_int(v, "seq", 1, &seq) || !get_int(v, "n", 1, &n))
        return bad(m, "seq", "must be an int from 1, as must `n`");
    if (!get_int(v, "time", INT64_MIN, &out->time_ms) || !out->kind.len)
        return bad(m, "time", "must be an int, and `kind` a string");
    out->stream = (uint16_t)stream;
    out->seq = (uint64_t)seq;
    out->n = (uint64_t)n;
    if (out->seq != m->next[stream])
        return bad(m, "seq", "does not follow the line before of its stream");
    m->next[stream] += out->n;
    return find_customer(m, out);
}

/* A value as the body of a message, in the arena. */
static enum nbx_err to_body(struct importing *m, const struct nbx_value *v, struct nbx_body *out)
{
    struct nbx_buf b = {0};
    nbx_wire_value(&b, v);
    struct nbx_str kept =
        nbx_arena_str(m->r->arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    bool failed = b.failed || !kept.p;
    nbx_buf_fini(&b);
    *out = (struct nbx_body){kept.p, kept.len};
    return failed ? NBX_ELIMIT : NBX_OK;
}

/* {name: [those of the list that are kept]}, as a body. */
static enum nbx_err list_body(struct importing *m, const char *name, const struct nbx_value *list,
                              struct nbx_body *out, uint32_t *n)
{
    struct nbx_value kept = {.type = NBX_LIST};
    struct nbx_member member = {nbx_str_c(name), {0}};
    struct nbx_value body = {.type = NBX_MAP, .n = 1, .members = &member};
    kept.list = nbx_arena_calloc(m->r->arena, list->n, sizeof *kept.list);
    if (!kept.list)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < list->n; i++)
        if (!nbx_value_get(&list->list[i], "gone"))
            kept.list[kept.n++] = list->list[i];
    *n = kept.n;
    member.value = kept;
    return to_body(m, &body, out);
}

static struct nbx_customer_scope scope_of(struct importing *m, int64_t now_ms)
{
    return (struct nbx_customer_scope){.customers = m->r->customers,
                                       .vocabulary = m->r->vocabulary,
                                       .arena = m->r->arena,
                                       .batch = m->r->batch,
                                       .now_ms = now_ms};
}

static enum nbx_err import_events(struct importing *m, const struct line *l)
{
    struct nbx_customer_scope scope = scope_of(m, l->time_ms);
    struct nbx_observe_req req;
    struct nbx_observed observed = {0};
    struct nbx_profile profile;
    struct nbx_body body;
    uint32_t n;
    bool nobodys = l->customer.len == 0;
    enum nbx_err err = list_body(m, "events", get_list(l->v, "events"), &body, &n);
    if (err || n == 0)
        return err;
    if ((err = nbx_message_observe(&req, body, !nobodys, scope.arena, m->r->fault)))
        return err;
    if (nobodys) {
        err = nbx_observe_anonymous(&observed, &scope, (uint8_t)l->stream, &req.events);
    } else if (!(err = nbx_profile_load(&profile, &scope, l->customer))) {
        err = nbx_observe(&observed, &scope, &profile, &req.events, false, m->r->fault);
    }
    if (!err && observed.n_errors) {
        *m->r->fault = observed.errors[0].fault;
        err = observed.errors[0].fault.code;
    }
    return err;
}

static enum nbx_err import_due(struct importing *m, const struct line *l)
{
    struct nbx_customer_scope scope = scope_of(m, l->time_ms);
    uint32_t applied;
    return nbx_due_apply(&scope, (uint8_t)l->stream, &applied);
}

static enum nbx_err import_put(struct importing *m, const struct line *l)
{
    struct nbx_customer_scope scope = scope_of(m, l->time_ms);
    struct nbx_customer_put_req req;
    struct nbx_body body;
    uint64_t seq;
    const struct nbx_value *put = nbx_value_get(l->v, "put");
    if (!put || !l->customer.len)
        return bad(m, "put", "is missing, or whose it is");
    enum nbx_err err = to_body(m, put, &body);
    if (!err)
        err = nbx_message_customer_put(&req, body, scope.arena, m->r->fault);
    return err ? err : nbx_customer_put(&scope, l->customer, &req, &seq, m->r->fault);
}

static bool read_hash(uint8_t out[HASH_BYTES], struct nbx_str hex)
{
    struct nbx_decision_id id;
    if (!nbx_decision_id_parse(hex, &id))
        return false;
    memcpy(out, id.b, HASH_BYTES);
    return true;
}

/* By the hashes of ids, for that is all that is left of the events. */
static enum nbx_err import_retract(struct importing *m, const struct line *l)
{
    struct nbx_customer_scope scope = scope_of(m, l->time_ms);
    const struct nbx_value *events = get_list(l->v, "events"), *rest = get_list(l->v, "hashes");
    uint8_t(*hashes)[HASH_BYTES] =
        nbx_arena_calloc(scope.arena, (size_t)events->n + rest->n, sizeof *hashes);
    struct nbx_retraction what = {.hashes = (const uint8_t(*)[HASH_BYTES])hashes};
    struct nbx_retracted done;
    struct nbx_profile profile;
    bool good = l->customer.len > 0;
    if (!hashes)
        return NBX_ELIMIT;
    for (uint32_t i = 0; good && i < events->n; i++)
        good = read_hash(hashes[what.n_hashes++], get_text(&events->list[i], "hash"));
    for (uint32_t i = 0; good && i < rest->n; i++)
        good =
            rest->list[i].type == NBX_STRING && read_hash(hashes[what.n_hashes++], rest->list[i].s);
    if (!good)
        return bad(m, "hashes", "must be of 32 hex digits, and somebody's");
    enum nbx_err err = nbx_profile_load(&profile, &scope, l->customer);
    return err ? err : nbx_retract(&done, &scope, &profile, &what);
}

/* A change as item.put, item.patch or item.delete takes it. */
static enum nbx_err read_change(struct importing *m, const struct nbx_value *v,
                                struct nbx_change *change, struct nbx_log_change *logged)
{
    const struct nbx_value *put = nbx_value_get(v, "put"), *patch = nbx_value_get(v, "patch");
    const struct nbx_value *entry = put ? put : patch;
    struct nbx_str id = get_text(v, "delete");
    struct nbx_items_req req;
    struct nbx_body body;
    *logged = (struct nbx_log_change){.what = NBX_LOG_ITEM_DELETE, .id = id};
    *change = (struct nbx_change){.kind = NBX_CHANGE_DELETE, .id = id};
    if (!entry)
        return id.len ? NBX_OK : bad(m, "changes", "must be of put, patch or delete");
    struct nbx_value one = *entry, list = {.type = NBX_LIST, .n = 1, .list = &one};
    struct nbx_member member = {NBX_STR("items"), list};
    enum nbx_err err =
        to_body(m, &(struct nbx_value){.type = NBX_MAP, .n = 1, .members = &member}, &body);
    if (!err)
        err = nbx_message_items(&req, body, patch != NULL, m->r->arena, m->r->fault);
    if (err || req.n_errors) {
        *m->r->fault = err ? *m->r->fault : req.errors[0].fault;
        return err ? err : req.errors[0].fault.code;
    }
    *logged = (struct nbx_log_change){.what = put ? NBX_LOG_ITEM_PUT : NBX_LOG_ITEM_PATCH,
                                      .entry = req.items[0]};
    *change = (struct nbx_change){.kind = put ? NBX_CHANGE_PUT : NBX_CHANGE_PATCH,
                                  .id = nbx_value_get(req.items[0], "id")->s,
                                  .fields = req.items[0]};
    return NBX_OK;
}

/* The entry of the catalogue's newest command, with whatever it did. */
static enum nbx_err write_entry(struct importing *m, struct nbx_log_record *entry)
{
    struct nbx_key seq = nbx_key_meta(NBX_META_CATALOGUE_SEQ);
    nbx_random_system(entry->id, sizeof entry->id);
    nbx_log_put(m->r->batch, NBX_STREAM_CATALOGUE, m->catalogue_seq, entry);
    nbx_record_u64_put(m->r->batch, NBX_FAMILY_META, nbx_key_str(&seq), m->catalogue_seq);
    enum nbx_err err = nbx_store_write(m->r->to, m->r->batch);
    nbx_batch_clear(m->r->batch);
    return err;
}

/* Writes the changes with their entry in the new folder's log. */
static enum nbx_err apply_changes(struct importing *m, const struct line *l,
                                  struct nbx_change *changes, struct nbx_log_record *entry)
{
    struct nbx_rebuilding *r = m->r;
    struct nbx_catalog *next;
    struct nbx_change_time when = {l->time_ms, ++m->catalogue_seq};
    enum nbx_err err =
        nbx_catalog_apply(&next, r->catalog, changes, entry->n_changes, when, r->batch);
    if (err)
        return err;
    nbx_catalog_release(&r->catalog);
    r->catalog = next;
    for (uint32_t i = 0; i < entry->n_changes; i++)
        if (changes[i].fault.code)
            return nbx_fault_set(r->fault, NBX_EBAD, changes[i].fault.field, "%s",
                                 changes[i].fault.message);
    return write_entry(m, entry);
}

static enum nbx_err import_items(struct importing *m, const struct line *l)
{
    const struct nbx_value *list = get_list(l->v, "changes");
    struct nbx_log_record entry = {.kind = NBX_LOG_ITEMS, .now_ms = l->time_ms};
    struct nbx_change *changes = nbx_arena_calloc(m->r->arena, list->n, sizeof *changes);
    entry.changes = nbx_arena_calloc(m->r->arena, list->n, sizeof *entry.changes);
    enum nbx_err err = changes && entry.changes ? NBX_OK : NBX_ELIMIT;
    for (; !err && entry.n_changes < list->n; entry.n_changes++)
        err = read_change(m, &list->list[entry.n_changes], &changes[entry.n_changes],
                          &entry.changes[entry.n_changes]);
    if (!err)
        err = apply_changes(m, l, changes, &entry);
    nbx_batch_clear(m->r->batch);
    return err;
}

/* What was done is known on; the models' files are not in an export. */
static enum nbx_err import_model(struct importing *m, const struct line *l)
{
    struct nbx_log_record entry = {
        .kind = NBX_LOG_MODEL, .now_ms = l->time_ms, .body = nbx_value_get(l->v, "model")};
    if (!entry.body || entry.body->type != NBX_MAP)
        return bad(m, "model", "must be a map");
    m->catalogue_seq++;
    return write_entry(m, &entry);
}

static enum nbx_err import_gone(struct importing *m, const struct line *l)
{
    m->out->gone += l->n;
    return NBX_OK;
}

static enum nbx_err import_link(struct importing *m, const struct line *l)
{
    struct nbx_str number = get_text(l->v, "number");
    struct nbx_import_link link = {.id = l->customer,
                                   .type = get_text(l->v, "type"),
                                   .to = get_text(l->v, "to"),
                                   .to_number = get_text(l->v, "to_number"),
                                   .since_ms = l->time_ms};
    if (!number.len || !l->customer.len)
        return bad(m, "number", "is missing, or whose it is");
    bool undone = nbx_str_is(l->kind, nbx_log_kind_name(NBX_LOG_UNLINK));
    return nbx_import_links_set(&m->links, number, undone ? NULL : &link);
}

/* What the file has of the customer is from before; of an export made since, it has nothing. */
static enum nbx_err import_forget(struct importing *m, const struct line *l)
{
    struct nbx_customer_scope scope = scope_of(m, l->time_ms);
    struct nbx_forgetting done;
    enum nbx_err err = nbx_import_links_forget(&m->links, get_text(l->v, "number"));
    return !err && l->customer.len ? nbx_customer_forget(&done, &scope, l->customer) : err;
}

static enum nbx_err import_line(struct importing *m, const struct line *l)
{
    static enum nbx_err (*const of[NBX_N_LOG_KINDS])(struct importing *, const struct line *) = {
        [NBX_LOG_GONE] = import_gone,     [NBX_LOG_EVENTS] = import_events,
        [NBX_LOG_PUT] = import_put,       [NBX_LOG_RETRACT] = import_retract,
        [NBX_LOG_FORGET] = import_forget, [NBX_LOG_ITEMS] = import_items,
        [NBX_LOG_DUE] = import_due,       [NBX_LOG_LINK] = import_link,
        [NBX_LOG_UNLINK] = import_link,   [NBX_LOG_MODEL] = import_model};
    for (int kind = 0; kind < NBX_N_LOG_KINDS; kind++) {
        bool catalogue = l->stream == NBX_STREAM_CATALOGUE;
        if (nbx_str_is(l->kind, nbx_log_kind_name((enum nbx_log_kind)kind)) &&
            (kind == NBX_LOG_GONE || nbx_log_of_catalogue((enum nbx_log_kind)kind) == catalogue))
            return of[kind](m, l);
    }
    return bad(m, "kind", "is none of its stream");
}

static enum nbx_err import_text(struct importing *m, const char *text, size_t len)
{
    struct nbx_value v;
    struct line l;
    nbx_arena_reset(m->r->arena);
    enum nbx_err err = nbx_json_decode(&v, text, len, m->r->arena, m->r->fault);
    if (!err)
        err = read_line(m, &l, &v);
    if (!err)
        err = import_line(m, &l);
    if (err)
        return err;
    m->out->lines++;
    m->out->commands += l.n;
    const struct nbx_rebuild_options *o = m->r->options;
    if (o->progress && m->out->lines % PROGRESS_EVERY == 0)
        o->progress(o->ctx, m->out->commands);
    return NBX_OK;
}

static enum nbx_err import_file(struct importing *m, FILE *file)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t len;
    struct nbx_customer_scope scope = scope_of(m, 0);
    enum nbx_err err = NBX_OK;
    while (!err && (len = getline(&text, &room, file)) > 0)
        err = text[len - 1] == '\n' ? import_text(m, text, (size_t)len - 1)
                                    : bad(m, "", "the line is cut short");
    if (!err && ferror(file))
        err = nbx_fault_set(m->r->fault, NBX_ESTORAGE, NULL, "%s", strerror(errno));
    free(text);
    if (!err)
        err = nbx_import_links_make(&m->links, &scope, m->r->fault);
    return err ? err : nbx_store_sync(m->r->to);
}

/* Names where in the file it is. */
static enum nbx_err tell(struct importing *m, const char *path, enum nbx_err err)
{
    struct nbx_fault was = *m->r->fault;
    const char *what = was.message[0] ? was.message : nbx_err_status(err);
    return nbx_fault_set(m->r->fault, err, NULL, "%s:%llu: %s%s%s", path,
                         (unsigned long long)m->out->lines + 1, was.field, was.field[0] ? ": " : "",
                         what);
}

static enum nbx_err import(struct importing *m, const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return nbx_fault_set(m->r->fault, NBX_ENOTFOUND, NULL, "%s: %s", path, strerror(errno));
    enum nbx_err err = nbx_rebuild__open(m->r);
    if (!err && !(m->customers && m->ids))
        err = NBX_ELIMIT;
    if (!err && (err = import_file(m, file)))
        err = tell(m, path, err);
    fclose(file);
    return err;
}

enum nbx_err nbx_import_log(struct nbx_imported *out, const char *path,
                            const struct nbx_rebuild_options *options, struct nbx_fault *fault)
{
    struct nbx_rebuilt unused;
    struct importing m = {.out = out, .customers = nbx_map_new(), .ids = nbx_map_new()};
    *out = (struct nbx_imported){0};
    for (int s = 0; s < NBX_N_STREAMS; s++)
        m.next[s] = 1;
    enum nbx_err err = nbx_rebuild__begin(&m.r, &unused, NULL, options, fault);
    if (!err)
        err = nbx_import_links_init(&m.links, m.r->texts);
    if (!err)
        err = import(&m, path);
    if (err && !fault->code)
        nbx_fault_set(fault, err, NULL, "%s could not be made: %s", options->dir,
                      nbx_err_status(err));
    nbx_import_links_clear(&m.links);
    nbx_rebuild__end(&m.r);
    nbx_map_destroy(&m.customers);
    nbx_map_destroy(&m.ids);
    return err;
}
