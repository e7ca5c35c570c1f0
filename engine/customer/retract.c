/* SPDX-License-Identifier: MIT */
#include "engine/base/hash.h"
#include "engine/customer/command.h"
#include "engine/customer/rebuild.h"

#include <stdlib.h>

struct wanted {
    uint8_t hash[16];
    bool found; /* an event that is kept has it */
    bool fresh; /* none has, nor was it taken before */
};

/* An event that goes, with what it gave to trends and nothing else of its record. */
struct taken {
    int64_t time_ms;
    uint8_t id_hash[16];
    uint64_t seq;
    bool held; /* it gave nothing */
    struct nbx_event_record gave;
};

struct search {
    const struct nbx_retraction *what;
    struct nbx_arena *arena;
    struct wanted *wanted; /* (n_wanted) by hash, each once */
    uint32_t n_wanted;
    struct taken *taken; /* (n) of (cap) */
    uint32_t n, cap;
    bool failed; /* the arena is out */
};

static int compare_hash(const void *a, const void *b)
{
    const struct wanted *x = a, *y = b;
    return memcmp(x->hash, y->hash, sizeof x->hash);
}

static enum nbx_err begin_search(struct search *s, const struct nbx_retraction *what,
                                 struct nbx_arena *arena)
{
    *s = (struct search){.what = what, .arena = arena};
    uint32_t n = what->n_ids + what->n_hashes;
    s->wanted = nbx_arena_calloc(arena, n, sizeof *s->wanted);
    if (!s->wanted)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < what->n_ids; i++)
        nbx_hash128(what->ids[i].p, what->ids[i].len, s->wanted[i].hash);
    for (uint32_t i = 0; i < what->n_hashes; i++)
        memcpy(s->wanted[what->n_ids + i].hash, what->hashes[i], sizeof s->wanted->hash);
    qsort(s->wanted, n, sizeof *s->wanted, compare_hash);
    for (uint32_t i = 0; i < n; i++)
        if (s->n_wanted == 0 || compare_hash(&s->wanted[s->n_wanted - 1], &s->wanted[i]) != 0)
            s->wanted[s->n_wanted++] = s->wanted[i];
    return NBX_OK;
}

static struct wanted *find_wanted(const struct search *s, const uint8_t hash[16])
{
    struct wanted key;
    memcpy(key.hash, hash, sizeof key.hash);
    return s->n_wanted ? bsearch(&key, s->wanted, s->n_wanted, sizeof key, compare_hash) : NULL;
}

static bool is_wanted(struct search *s, const struct nbx_kept_event *e)
{
    if (s->what->covers)
        return e->record.item_no && s->what->covers(s->what->context, e->record.item_no);
    struct wanted *hit = find_wanted(s, e->id_hash);
    if (hit)
        hit->found = true;
    return hit || s->what->all;
}

static bool grow(struct search *s)
{
    uint32_t cap = s->cap ? s->cap * 2 : 16;
    struct taken *taken = nbx_arena_calloc(s->arena, cap, sizeof *taken);
    s->failed = !taken;
    if (!taken)
        return false;
    if (s->n)
        memcpy(taken, s->taken, s->n * sizeof *taken);
    s->taken = taken;
    s->cap = cap;
    return true;
}

/* An nbx_event_drops: notes what it takes out. */
static bool take(void *context, const struct nbx_kept_event *e)
{
    struct search *s = context;
    if (s->failed || !is_wanted(s, e) || (s->n == s->cap && !grow(s)))
        return false;
    struct taken *t = &s->taken[s->n++];
    t->time_ms = e->time_ms;
    t->seq = e->record.seq;
    memcpy(t->id_hash, e->id_hash, sizeof t->id_hash);
    t->held = e->record.held;
    t->gave = (struct nbx_event_record){.channel_no = e->record.channel_no,
                                        .item_no = e->record.item_no,
                                        .trend_amount = t->held ? 0 : e->record.trend_amount};
    return true;
}

static void count_trends(const struct nbx_customer_scope *scope, const struct search *s, int sign)
{
    for (uint32_t i = 0; i < s->n; i++)
        nbx_customers__trend(scope, &s->taken[i].gave, s->taken[i].time_ms, sign);
}

static void put_gone(const struct nbx_customer_scope *scope, uint64_t number,
                     const uint8_t id_hash[16])
{
    nbx_customers__put_event_id(
        scope, number, id_hash,
        (struct nbx_event_id_record){.time_ms = scope->now_ms, .retracted = true});
}

/* Under what the customer's events lie; 0: there are none. */
static uint64_t number_of(const struct nbx_profile *profile)
{
    return profile->known ? profile->number : profile->reserved;
}

/* What was found leaves the store and trends; what it came to is replaced. Of a stranger only held
 * ones can be found. */
static void remove_taken(struct nbx_profile *profile, const struct nbx_customer_scope *scope,
                         const struct search *s, const struct nbx_fold *fold)
{
    uint64_t number = number_of(profile);
    for (uint32_t i = 0; i < s->n; i++) {
        const struct taken *t = &s->taken[i];
        struct nbx_key key = nbx_key_event(number, t->time_ms, t->id_hash);
        nbx_batch_delete(scope->batch, NBX_FAMILY_EVENTS, nbx_key_str(&key));
        put_gone(scope, number, t->id_hash);
        if (t->held)
            nbx_due__release(scope, number, t->time_ms, t->id_hash);
    }
    count_trends(scope, s, -1);
    if (!profile->known)
        return;
    profile->seen = fold->seen;
    profile->head.totals = fold->totals;
    profile->seen_changed = true;
    if (fold->totals.n == 0 && !profile->head.put_ms)
        nbx_profile__vacate(profile, scope);
    else
        nbx_profile__put(profile, scope);
}

/* Takes the ids that no event had, so that a late one counts for nothing. *n: how many are fresh.
 */
static enum nbx_err take_unknown(struct nbx_profile *profile,
                                 const struct nbx_customer_scope *scope, struct search *s,
                                 uint32_t *n)
{
    enum nbx_err err = NBX_OK;
    *n = 0;
    for (uint32_t i = 0; !err && i < s->n_wanted; i++) {
        if (s->wanted[i].found)
            continue;
        if (!profile->known && !profile->reserved)
            nbx_profile__reserve(profile, scope);
        uint64_t number = number_of(profile);
        bool swept = true, taken = false; /* swept by search */
        if ((err = nbx_sweep__id_is_taken(scope, number, s->wanted[i].hash, &swept, &taken)) ||
            taken)
            continue;
        put_gone(scope, number, s->wanted[i].hash);
        s->wanted[i].fresh = true;
        ++*n;
    }
    return err;
}

static enum nbx_err search(struct search *s, struct nbx_fold *fold, struct nbx_profile *profile,
                           const struct nbx_customer_scope *scope,
                           const struct nbx_retraction *what)
{
    enum nbx_err err = begin_search(s, what, scope->arena);
    if (err || !number_of(profile))
        return err;
    if ((err = nbx_profile_load_head(profile, scope)))
        return err;
    if ((err = nbx_sweep__customer(scope, number_of(profile))))
        return err;
    err = nbx_rebuild(fold, scope, number_of(profile), take, s);
    return s->failed ? NBX_ELIMIT : err;
}

/* What is taken back, and n_new ids, as the log has them. */
static enum nbx_err log_retraction(struct nbx_command *out, const struct search *s, uint32_t n_new)
{
    struct nbx_log_record *entry = &out->entry;
    entry->kind = NBX_LOG_RETRACT;
    entry->events = nbx_arena_calloc(s->arena, s->n, sizeof *entry->events);
    entry->ids = nbx_arena_calloc(s->arena, n_new, sizeof *entry->ids);
    if (!entry->events || !entry->ids)
        return NBX_ELIMIT;
    for (uint32_t i = 0; i < s->n; i++) {
        struct nbx_log_event *e = &entry->events[entry->n_events++];
        *e = (struct nbx_log_event){.seq = s->taken[i].seq, .time_ms = s->taken[i].time_ms};
        memcpy(e->id_hash, s->taken[i].id_hash, sizeof e->id_hash);
    }
    for (uint32_t i = 0; i < s->n_wanted; i++)
        if (s->wanted[i].fresh)
            memcpy(entry->ids[entry->n_ids++], s->wanted[i].hash, sizeof *entry->ids);
    return NBX_OK;
}

/* Adds all that changes to the batch, and writes it. */
static enum nbx_err apply(struct nbx_profile *profile, const struct nbx_customer_scope *scope,
                          struct search *s, const struct nbx_fold *fold)
{
    struct nbx_command command = {.customer = profile->id};
    uint8_t group = NBX_CUSTOMER_GROUP(profile->number);
    struct nbx_group before = scope->customers->groups[group];
    uint32_t n_new;
    enum nbx_err err = take_unknown(profile, scope, s, &n_new);
    if (!err)
        err = log_retraction(&command, s, n_new);
    if (err || s->n + n_new == 0) {
        scope->customers->groups[group] = before;
        nbx_batch_clear(scope->batch);
        return err;
    }
    if (s->n)
        remove_taken(profile, scope, s, fold);
    command.entry.number = profile->known ? profile->number : profile->reserved;
    scope->customers->groups[group].seq++;
    err = nbx_customers__commit(scope, &command, before);
    if (err)
        count_trends(scope, s, 1);
    nbx_batch_clear(scope->batch);
    return err;
}

/* Which of the ids an event had. */
static void tell_found(const struct search *s)
{
    const struct nbx_retraction *what = s->what;
    for (uint32_t i = 0; what->found && i < what->n_ids; i++) {
        uint8_t hash[16];
        nbx_hash128(what->ids[i].p, what->ids[i].len, hash);
        what->found[i] = find_wanted(s, hash)->found;
    }
}

enum nbx_err nbx_retract(struct nbx_retracted *out, const struct nbx_customer_scope *scope,
                         struct nbx_profile *profile, const struct nbx_retraction *what)
{
    struct nbx_profile changed = *profile;
    struct nbx_fold fold = {0};
    struct search s;
    enum nbx_err err = search(&s, &fold, &changed, scope, what);
    if (err || (err = apply(&changed, scope, &s, &fold)))
        return err;
    *profile = changed;
    *out = (struct nbx_retracted){
        .retracted = s.n,
        .seq = nbx_customers_seq(scope->customers, NBX_CUSTOMER_GROUP(changed.number))};
    for (uint32_t i = 0; i < s.n_wanted; i++)
        out->unknown += !s.wanted[i].found;
    tell_found(&s);
    return NBX_OK;
}
