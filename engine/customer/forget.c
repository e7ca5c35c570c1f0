/* SPDX-License-Identifier: MIT */
#include "engine/base/log.h"
#include "engine/customer/command.h"
#include "engine/customer/links.h"
#include "engine/customer/rebuild.h"
#include "engine/store/key.h"

#include <stdlib.h>

/* Events on their way out of trends, or back into them. */
struct leaving {
    const struct nbx_customer_scope *scope;
    int sign;
    uint64_t n, most; /* so many, the oldest */
};

/* An nbx_event_drops: every event is dropped, so that nothing is folded. */
static bool leave(void *context, const struct nbx_kept_event *e)
{
    struct leaving *l = context;
    if (l->n < l->most) {
        if (!e->record.held) /* it gave nothing yet */
            nbx_customers__trend(l->scope, &e->record, e->time_ms, l->sign);
        l->n++;
    }
    return true;
}

/* *n: how many of the events' counts left. A damaged event keeps nobody from being forgotten: what
 * it and those behind it gave to trends stays there. */
static enum nbx_err leave_trends(const struct nbx_customer_scope *scope, uint64_t number,
                                 uint64_t *n)
{
    struct nbx_fold none = {0};
    struct leaving l = {.scope = scope, .sign = -1, .most = UINT64_MAX};
    enum nbx_err err = nbx_rebuild_upon(&none, scope, number, leave, &l);
    *n = l.n;
    if (err != NBX_ECORRUPT)
        return err;
    nbx_log_warnx("forget=incomplete trends=kept reason=damaged_event");
    return NBX_OK;
}

/* After a write that failed, with the events still there. */
static void return_to_trends(const struct nbx_customer_scope *scope, uint64_t number, uint64_t n)
{
    struct nbx_fold none = {0};
    struct leaving l = {.scope = scope, .sign = 1, .most = n};
    (void)nbx_rebuild_upon(&none, scope, number, leave, &l); /* as far as it came before */
    nbx_batch_clear(scope->batch);
}

static enum nbx_err count(uint64_t *out, const struct nbx_customer_scope *scope,
                          enum nbx_family family, uint64_t number)
{
    struct nbx_key from = nbx_key_customer(number), to = nbx_key_customer_end(number);
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key = {0};
    struct nbx_stored stored;
    *out = 0;
    enum nbx_err err = nbx_cursor_open(&cursor, nbx_customers_store(scope->customers), family,
                                       nbx_key_str(&from), nbx_key_str(&to), false);
    while (!err) {
        err = nbx_cursor_next(cursor, &key, &stored);
        bool there = !err || (err == NBX_ECORRUPT && key.p);
        *out += there;
        err = there ? NBX_OK : err;
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

/* Notes in the database who goes; the time is made another where it is taken. */
static enum nbx_err put_forgotten(const struct nbx_customer_scope *scope,
                                  struct nbx_forgotten_entry *entry, uint64_t number)
{
    struct nbx_forgotten_record record = {.number = number};
    struct nbx_key key = nbx_key_forgotten(entry->hash, entry->time_ms);
    enum nbx_err err = NBX_OK;
    while (nbx_store_has(nbx_customers_store(scope->customers), NBX_FAMILY_FORGOTTEN,
                         nbx_key_str(&key), &err))
        key = nbx_key_forgotten(entry->hash, ++entry->time_ms);
    if (err)
        return err;
    record.erased_ms = number ? 0 : scope->now_ms; /* nothing was there */
    nbx_forgotten_record_encode(nbx_batch_payload(scope->batch), &record);
    nbx_batch_put_payload(scope->batch, NBX_FAMILY_FORGOTTEN, nbx_key_str(&key),
                          NBX_FORGOTTEN_RECORD);
    return NBX_OK;
}

static void delete_all(const struct nbx_customer_scope *scope, struct nbx_str id, uint64_t number)
{
    struct nbx_key identity = nbx_key_identity(NBX_STR(""), id);
    struct nbx_key from = nbx_key_customer(number), to = nbx_key_customer_end(number);
    for (int f = 0; f < NBX_N_FAMILIES; f++)
        if (nbx_family_is_personal((enum nbx_family)f) && f != NBX_FAMILY_LINKS)
            nbx_batch_delete_range(scope->batch, (enum nbx_family)f, nbx_key_str(&from),
                                   nbx_key_str(&to));
    nbx_batch_delete(scope->batch, NBX_FAMILY_IDENTITIES, nbx_key_str(&identity));
}

/* Whether the identity of the node is there no more. */
static enum nbx_err is_gone(bool *out, const struct nbx_customer_scope *beside, uint64_t number)
{
    struct nbx_link_record record;
    struct nbx_identity_record identity = {0};
    enum nbx_err err = nbx_link_read(&record, beside, number);
    if (!err)
        err = nbx_profile__find(beside, record.id, &identity);
    *out = err == NBX_ENOTFOUND || (!err && identity.number != number);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

/* Into the batch: the number's node goes, and those of identities that were linked to it and are
 * forgotten. *left: these. One that keeps its link does so as long as somebody is there who is
 * linked with it: an unlink may have come between. */
static enum nbx_err leave_links(struct nbx_linked *left, const struct nbx_customer_scope *scope,
                                uint64_t number, bool keeps_link)
{
    struct nbx_customer_scope beside = nbx_customers__beside(scope);
    struct nbx_linked linked;
    enum nbx_err err = NBX_OK;
    left->n = 0;
    nbx_links__of(&linked, scope->customers->links, number);
    for (uint32_t i = 0; !err && i < linked.n; i++) {
        bool gone = linked.parts[i].number == number;
        if (!gone)
            err = is_gone(&gone, &beside, linked.parts[i].number);
        if (gone)
            left->parts[left->n++] = linked.parts[i];
    }
    if (keeps_link && left->n < linked.n)
        left->n = 0;
    for (uint32_t i = 0; !err && i < left->n; i++) {
        struct nbx_key key = nbx_key_customer(left->parts[i].number);
        nbx_batch_delete(scope->batch, NBX_FAMILY_LINKS, nbx_key_str(&key));
    }
    return err;
}

/* Writes the batch and with it what the links are to say afterwards. */
static enum nbx_err commit(const struct nbx_customer_scope *scope, struct nbx_command *command,
                           struct nbx_group before, bool keeps_link)
{
    struct nbx_links *links = scope->customers->links;
    struct nbx_linked left = {.n = 0};
    if (!nbx_links__any(links))
        return nbx_customers__commit(scope, command, before);
    nbx_links__begin(links);
    enum nbx_err err = leave_links(&left, scope, command->entry.number, keeps_link);
    if (err)
        scope->customers->groups[NBX_CUSTOMER_GROUP(command->entry.number)] = before;
    else
        err = nbx_customers__commit(scope, command, before);
    for (uint32_t i = 0; !err && i < left.n; i++)
        nbx_links__remove(links, left.parts[i].number);
    nbx_links__end(links);
    return err;
}

/* All of it in the batch, and written. */
static enum nbx_err forget(struct nbx_forgetting *out, const struct nbx_customer_scope *scope,
                           struct nbx_str id, uint64_t number, bool keeps_link)
{
    uint8_t group = NBX_CUSTOMER_GROUP(number);
    struct nbx_group before = scope->customers->groups[group];
    struct nbx_command command = {.entry = {.kind = NBX_LOG_FORGET, .number = number}};
    uint64_t n_left = 0;
    enum nbx_err err = nbx_sweep__customer(scope, number); /* what trends keep is then settled */
    if (err && err != NBX_ECORRUPT && err != NBX_EVERSION)
        return err;
    if ((err = count(&out->events, scope, NBX_FAMILY_EVENTS, number)) ||
        (err = count(&out->decisions, scope, NBX_FAMILY_DECISIONS, number)) ||
        (err = put_forgotten(scope, &out->receipt, number)) ||
        (err = leave_trends(scope, number, &n_left)) || (err = nbx_command_forget(scope, number)) ||
        (err = nbx_due__release_all(scope, number)))
        goto failed;
    delete_all(scope, id, number);
    out->seq = ++scope->customers->groups[group].seq;
    if (!(err = commit(scope, &command, before, keeps_link)))
        return NBX_OK;
failed:
    return_to_trends(scope, number, n_left);
    return err;
}

static enum nbx_err forget_id(struct nbx_forgetting *out, const struct nbx_customer_scope *scope,
                              struct nbx_str id, bool keeps_link)
{
    struct nbx_identity_record found;
    struct nbx_forgotten *list = scope->customers->forgotten;
    *out = (struct nbx_forgetting){.receipt = {.time_ms = scope->now_ms},
                                   .seq = scope->customers->groups[nbx_group_of(id)].seq};
    nbx_forgotten_hash(list, id, out->receipt.hash);
    enum nbx_err err = nbx_profile__find(scope, id, &found);
    if (err)
        return err == NBX_ENOTFOUND ? NBX_OK : err;
    if ((err = forget(out, scope, id, found.number, keeps_link)))
        return err;
    out->forgotten = true;
    return nbx_forgotten_note(list, &out->receipt);
}

enum nbx_err nbx_customer_forget(struct nbx_forgetting *out, const struct nbx_customer_scope *scope,
                                 struct nbx_str id)
{
    return forget_id(out, scope, id, false);
}

enum nbx_err nbx_customer_forget_linked(struct nbx_forgetting *out,
                                        const struct nbx_customer_scope *scope, struct nbx_str id)
{
    return forget_id(out, scope, id, true);
}

/* again */

/* What a list says of forgotten customers that the database does not. */
struct again {
    const struct nbx_customer_scope *scope;
    struct nbx_forgotten_entries held; /* the file */
    struct nbx_forgotten_entry *p;     /* (n) of these that are not in the database, by hash */
    size_t n, n_found;
};

static int compare_entries(const void *a, const void *b)
{
    const struct nbx_forgotten_entry *x = a, *y = b;
    int order = memcmp(x->hash, y->hash, sizeof x->hash);
    return order ? order : (x->time_ms > y->time_ms) - (x->time_ms < y->time_ms);
}

static enum nbx_err find_unknown(struct again *a)
{
    enum nbx_err err = NBX_OK;
    a->p = calloc(a->held.n + 1, sizeof *a->p);
    if (!a->p)
        return NBX_ELIMIT;
    if (a->held.n)
        qsort(a->held.p, a->held.n, sizeof *a->held.p, compare_entries);
    for (size_t i = 0; !err && i < a->held.n; i++) {
        struct nbx_key key = nbx_key_forgotten(a->held.p[i].hash, a->held.p[i].time_ms);
        if (!nbx_store_has(nbx_customers_store(a->scope->customers), NBX_FAMILY_FORGOTTEN,
                           nbx_key_str(&key), &err))
            a->p[a->n++] = a->held.p[i];
    }
    return err;
}

/* What the database says and the file does not: it ended before the file was written. */
static enum nbx_err complete_file(struct again *a)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    struct nbx_forgotten_entry e;
    enum nbx_err err = nbx_cursor_open(&cursor, nbx_customers_store(a->scope->customers),
                                       NBX_FAMILY_FORGOTTEN, all, all, false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        if (!nbx_key_forgotten_parse(key, e.hash, &e.time_ms))
            err = NBX_ECORRUPT;
        else if (!a->held.n || !bsearch(&e, a->held.p, a->held.n, sizeof e, compare_entries))
            err = nbx_forgotten_note(a->scope->customers->forgotten, &e);
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

static const struct nbx_forgotten_entry *find_entry(const struct again *a, struct nbx_str id)
{
    struct nbx_forgotten_entry e;
    nbx_forgotten_hash(a->scope->customers->forgotten, id, e.hash);
    for (size_t low = 0, high = a->n; low < high;) {
        size_t middle = low + (high - low) / 2;
        int order = memcmp(a->p[middle].hash, e.hash, sizeof e.hash);
        if (order == 0)
            return &a->p[middle];
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

/* A customer's identity: the key is a NUL and the id, which always fits. */
static enum nbx_err look_at(struct again *a, struct nbx_str key)
{
    if (key.len < 2 || key.p[0] != '\0')
        return NBX_OK;
    char text[NBX_KEY_MAX_BYTES];
    struct nbx_str id = {text, key.len - 1};
    memcpy(text, key.p + 1, id.len);
    if (!find_entry(a, id))
        return NBX_OK;
    struct nbx_forgetting done;
    enum nbx_err err = nbx_customer_forget(&done, a->scope, id);
    a->n_found += !err;
    nbx_arena_reset(a->scope->arena);
    return err;
}

static enum nbx_err look_at_all(struct again *a)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    enum nbx_err err = nbx_cursor_open(&cursor, nbx_customers_store(a->scope->customers),
                                       NBX_FAMILY_IDENTITIES, all, all, false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored)))
        err = look_at(a, key);
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

/* The database says from now on what the file said. */
static enum nbx_err put_unknown(struct again *a)
{
    enum nbx_err err = NBX_OK;
    for (size_t i = 0; !err && i < a->n; i++)
        err = put_forgotten(a->scope, &a->p[i], 0);
    return err ? err : nbx_customer_write(a->scope);
}

/* Of linked identities that some were forgotten of when the process ended, the others. */
static enum nbx_err complete_linked(struct again *a, uint64_t number)
{
    const struct nbx_customer_scope *scope = a->scope;
    struct nbx_linked linked;
    struct nbx_forgetting done;
    struct nbx_link_record record;
    bool gone = false;
    enum nbx_err err = is_gone(&gone, scope, number);
    nbx_links__of(&linked, scope->customers->links, number);
    for (uint32_t i = 0; !err && gone && i < linked.n; i++) {
        err = nbx_link_read(&record, scope, linked.parts[i].number);
        if (!err)
            err = nbx_customer_forget(&done, scope, record.id);
        a->n_found += !err && done.forgotten;
        err = err == NBX_ENOTFOUND ? NBX_OK : err; /* its node went with the last one */
        nbx_arena_reset(scope->arena);
    }
    return err;
}

/* Whom links still know is among those whose files are not rid of them: these alone are looked at.
 */
static enum nbx_err complete_all_linked(struct again *a)
{
    struct nbx_customers *customers = a->scope->customers;
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    struct nbx_forgotten_record r;
    if (!nbx_links__any(customers->links))
        return NBX_OK;
    enum nbx_err err = nbx_cursor_open(&cursor, nbx_customers_store(customers),
                                       NBX_FAMILY_FORGOTTEN, all, all, false);
    while (!err && !(err = nbx_cursor_next(cursor, &key, &stored))) {
        err = nbx_forgotten_record_decode(&r, &stored, a->scope->arena);
        if (!err && !r.erased_ms && nbx_customers_links(customers, r.number))
            err = complete_linked(a, r.number);
        nbx_arena_reset(a->scope->arena);
    }
    nbx_cursor_close(&cursor);
    return err == NBX_ENOTFOUND ? NBX_OK : err;
}

enum nbx_err nbx_customers_forget_again(const struct nbx_customer_scope *scope, size_t *n,
                                        struct nbx_fault *fault)
{
    struct again a = {.scope = scope};
    enum nbx_err err =
        nbx_forgotten_read(&a.held, nbx_store_dir(nbx_customers_store(scope->customers)), fault);
    *n = 0;
    if (err)
        return err;
    if (!(err = find_unknown(&a)) && !(err = complete_file(&a)) && a.n && !(err = look_at_all(&a)))
        err = put_unknown(&a);
    if (!err)
        err = complete_all_linked(&a);
    *n = a.n_found;
    if (!err)
        err = nbx_forgotten_sync(scope->customers->forgotten);
    free(a.held.p);
    free(a.p);
    return err ? nbx_fault_set(fault, err, NULL, "who was forgotten cannot be forgotten again: %s",
                               nbx_err_status(err))
               : NBX_OK;
}
