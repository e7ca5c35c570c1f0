/* SPDX-License-Identifier: MIT
 * Random and fixed records of every kind for the record tests, and their comparison.
 *
 * Owns:    nothing: everything lives in the arena given.
 * Threads: one.
 * Errors:  none.
 */
#ifndef NBX_TEST_STORE_SAMPLES_H
#define NBX_TEST_STORE_SAMPLES_H

#include "engine/base/check.h"
#include "engine/base/random.h"
#include "engine/store/log_record.h"
#include "proto/message.h"

#include <math.h>

static inline bool chance(struct nbx_random *r)
{
    return nbx_random_u64(r) & 1;
}

static inline int64_t any_time(struct nbx_random *r)
{
    switch (nbx_random_below(r, 8)) {
    case 0: return INT64_MIN;
    case 1: return INT64_MAX;
    case 2: return 0;
    default: return 1700000000000 + (int64_t)nbx_random_below(r, 40000000000);
    }
}

static inline uint64_t any_u64(struct nbx_random *r)
{
    return nbx_random_u64(r) >> nbx_random_below(r, 64);
}

/* Half the time empty, else up to 20 letters. */
static inline struct nbx_str any_text(struct nbx_random *r, struct nbx_arena *arena)
{
    char text[20];
    uint32_t n = chance(r) ? 0 : (uint32_t)nbx_random_below(r, sizeof text) + 1;
    for (uint32_t i = 0; i < n; i++)
        text[i] = (char)('a' + nbx_random_below(r, 26));
    return nbx_arena_str(arena, (struct nbx_str){text, n});
}

static inline struct nbx_value any_scalar(struct nbx_random *r, struct nbx_arena *arena)
{
    switch (nbx_random_below(r, 4)) {
    case 0: return nbx_value_bool(chance(r));
    case 1: return nbx_value_int((int64_t)any_u64(r));
    case 2: return nbx_value_float(nbx_random_normal(r));
    default: return nbx_value_string(any_text(r, arena));
    }
}

/* NULL half the time: records know no empty maps. */
static inline const struct nbx_value *any_map(struct nbx_random *r, struct nbx_arena *arena)
{
    if (chance(r))
        return NULL;
    struct nbx_value *v = nbx_arena_calloc(arena, 1, sizeof *v);
    *v = (struct nbx_value){.type = NBX_MAP, .n = 1 + (uint32_t)nbx_random_below(r, 4)};
    v->members = nbx_arena_calloc(arena, v->n, sizeof *v->members);
    for (uint32_t i = 0; i < v->n; i++) {
        char key[2] = {(char)('k' + i), '\0'};
        v->members[i].key = nbx_arena_str(arena, nbx_str_c(key));
        v->members[i].value = any_scalar(r, arena);
    }
    return v;
}

static inline const struct nbx_value *any_list(struct nbx_random *r, struct nbx_arena *arena)
{
    if (chance(r))
        return NULL;
    struct nbx_value *v = nbx_arena_calloc(arena, 1, sizeof *v);
    *v = (struct nbx_value){.type = NBX_LIST, .n = 1 + (uint32_t)nbx_random_below(r, 3)};
    v->list = nbx_arena_calloc(arena, v->n, sizeof *v->list);
    for (uint32_t i = 0; i < v->n; i++)
        v->list[i] = nbx_value_string(any_text(r, arena));
    return v;
}

static inline bool value_same(const struct nbx_value *a, const struct nbx_value *b)
{
    return a && b ? nbx_value_eq(a, b) : a == b;
}

static inline struct nbx_totals any_totals(struct nbx_random *r, struct nbx_arena *arena)
{
    struct nbx_totals t = {.n = chance(r) ? 0 : 1 + (uint32_t)nbx_random_below(r, 5)};
    if (t.n == 0)
        return t;
    t.digest = any_u64(r);
    t.first_ms = any_time(r);
    t.types = nbx_arena_calloc(arena, t.n, sizeof *t.types);
    for (uint32_t i = 0; i < t.n; i++)
        t.types[i] = (struct nbx_type_total){
            .type_no = (uint16_t)(i * 9000 + nbx_random_below(r, 9000)),
            .n = 1 + any_u64(r) / 2,
            .last_ms = any_time(r),
        };
    return t;
}

static inline bool totals_same(const struct nbx_totals *a, const struct nbx_totals *b)
{
    bool same = a->digest == b->digest && a->first_ms == b->first_ms && a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++)
        same = a->types[i].type_no == b->types[i].type_no && a->types[i].n == b->types[i].n &&
               a->types[i].last_ms == b->types[i].last_ms;
    return same;
}

static inline struct nbx_customer_record any_customer(struct nbx_random *r, struct nbx_arena *arena)
{
    return (struct nbx_customer_record){
        .id = any_text(r, arena),
        .put_ms = any_time(r),
        .attributes = any_map(r, arena),
        .consent = any_map(r, arena),
        .identities = any_map(r, arena),
        .timezone = any_text(r, arena),
        .locale = any_text(r, arena),
        .channels = any_list(r, arena),
        .totals = any_totals(r, arena),
    };
}

static inline bool customer_same(const struct nbx_customer_record *a,
                                 const struct nbx_customer_record *b)
{
    return nbx_str_eq(a->id, b->id) && a->put_ms == b->put_ms &&
           value_same(a->attributes, b->attributes) && value_same(a->consent, b->consent) &&
           value_same(a->identities, b->identities) && nbx_str_eq(a->timezone, b->timezone) &&
           nbx_str_eq(a->locale, b->locale) && value_same(a->channels, b->channels) &&
           a->totals_unknown == b->totals_unknown && totals_same(&a->totals, &b->totals);
}

static inline struct nbx_identity_record any_identity(struct nbx_random *r, struct nbx_arena *arena)
{
    (void)arena;
    return (struct nbx_identity_record){
        .number = any_u64(r), .vacant = chance(r), .withdrawn = (uint8_t)nbx_random_below(r, 32)};
}

static inline bool identity_same(const struct nbx_identity_record *a,
                                 const struct nbx_identity_record *b)
{
    return a->number == b->number && a->vacant == b->vacant && a->withdrawn == b->withdrawn &&
           a->withdrawn_unknown == b->withdrawn_unknown;
}

static inline struct nbx_forgotten_record any_forgotten(struct nbx_random *r,
                                                        struct nbx_arena *arena)
{
    (void)arena;
    bool erased = chance(r);
    return (struct nbx_forgotten_record){.number = any_u64(r),
                                         .erased_ms = erased ? 1 + (int64_t)(any_u64(r) >> 20) : 0,
                                         .before_file = erased ? any_u64(r) : 0};
}

static inline bool forgotten_same(const struct nbx_forgotten_record *a,
                                  const struct nbx_forgotten_record *b)
{
    return a->number == b->number && a->erased_ms == b->erased_ms &&
           a->before_file == b->before_file;
}

static inline struct nbx_event_id_record any_event_id(struct nbx_random *r, struct nbx_arena *arena)
{
    (void)arena;
    struct nbx_event_id_record e = {.time_ms = any_time(r), .retracted = chance(r)};
    e.folded = !e.retracted && chance(r);
    return e;
}

static inline bool event_id_same(const struct nbx_event_id_record *a,
                                 const struct nbx_event_id_record *b)
{
    return a->time_ms == b->time_ms && a->retracted == b->retracted;
}

static inline struct nbx_seen_record any_seen(struct nbx_random *r, struct nbx_arena *arena)
{
    struct nbx_seen_record s = {.n = (uint32_t)nbx_random_below(r, 60),
                                .level = (uint32_t)any_u64(r),
                                .digest = any_u64(r)};
    s.entries = nbx_arena_calloc(arena, s.n, sizeof *s.entries);
    uint64_t order = 0; /* item, type, sign and scope as one rising number of 51 bits */
    for (uint32_t i = 0; i < s.n; i++) {
        order += 1 + (nbx_random_below(r, UINT64_C(1) << 40) >> nbx_random_below(r, 40));
        s.entries[i] = (struct nbx_seen_entry){
            .item_no = (uint32_t)(order >> 19),
            .type_no = (uint16_t)(order >> 3),
            .negative = order & 4,
            .scope = order & 3,
            .last_ms = any_time(r),
        };
    }
    return s;
}

static inline bool seen_same(const struct nbx_seen_record *a, const struct nbx_seen_record *b)
{
    bool same = a->n == b->n && a->level == b->level && a->digest == b->digest;
    for (uint32_t i = 0; same && i < a->n; i++) {
        const struct nbx_seen_entry *x = &a->entries[i], *y = &b->entries[i];
        same = x->item_no == y->item_no && x->type_no == y->type_no && x->negative == y->negative &&
               x->scope == y->scope && x->last_ms == y->last_ms;
    }
    return same;
}

static inline const float *any_floats(struct nbx_random *r, uint32_t n, struct nbx_arena *arena)
{
    float *p = nbx_arena_floats(arena, n);
    for (uint32_t i = 0; i < n; i++)
        p[i] = (float)nbx_random_normal(r);
    return p;
}

static inline struct nbx_vector_record any_vector(struct nbx_random *r, struct nbx_arena *arena)
{
    bool given = chance(r);
    struct nbx_vector_record v = {.given = given,
                                  .made_ms = any_time(r),
                                  .n = (uint32_t)nbx_random_below(r, 130),
                                  .model_tag = any_text(r, arena),
                                  .source_digest = any_u64(r)};
    if (given) {
        v.model_tag = NBX_STR("");
        v.source_digest = 0;
    }
    v.p = any_floats(r, v.n, arena);
    return v;
}

static inline bool vector_same(const struct nbx_vector_record *a, const struct nbx_vector_record *b)
{
    return a->given == b->given && nbx_str_eq(a->model_tag, b->model_tag) &&
           a->source_digest == b->source_digest && a->made_ms == b->made_ms && a->n == b->n &&
           (a->n == 0 || memcmp(a->p, b->p, a->n * sizeof *a->p) == 0);
}

static inline double any_number(struct nbx_random *r)
{
    static const double edges[] = {0, -0.0, 1, -1, 0x1p52, -0x1p52, 0x1p53, 1e300, -1e-300, 0.1};
    uint64_t i = nbx_random_below(r, 12);
    return i < 10 ? edges[i] : nbx_random_normal(r) * 100;
}

static inline struct nbx_str any_decision(struct nbx_random *r, struct nbx_arena *arena)
{
    char hex[33];
    nbx_decision_id_hex(nbx_decision_id_make(any_u64(r), any_time(r), 7), hex);
    return chance(r) ? nbx_arena_str(arena, nbx_str_c(hex)) : any_text(r, arena);
}

static inline struct nbx_event_record any_event(struct nbx_random *r, struct nbx_arena *arena)
{
    return (struct nbx_event_record){
        .id = any_text(r, arena),
        .seq = any_u64(r),
        .arrived_ms = any_time(r),
        .held = chance(r),
        .effect = nbx_random_below(r, NBX_EFFECT_UNKNOWN),
        .trend_amount = chance(r) ? 0 : (int64_t)(any_u64(r) >> 4),
        .type_no = (uint16_t)any_u64(r),
        .item_no = (uint32_t)any_u64(r),
        .channel_no = chance(r) ? 0 : (uint16_t)any_u64(r),
        .placement = any_text(r, arena),
        .store = any_text(r, arena),
        .session = any_text(r, arena),
        .order = any_text(r, arena),
        .currency = any_text(r, arena),
        .actor = any_text(r, arena),
        .decision = any_decision(r, arena),
        .quantity = any_number(r),
        .rating = chance(r) ? NAN : any_number(r),
        .value = chance(r) ? NBX_MONEY_UNSET : (int64_t)any_u64(r),
        .scope = (uint8_t)nbx_random_below(r, 3),
        .attributes = any_map(r, arena),
    };
}

static inline bool double_same(double a, double b)
{
    return isnan(a) ? isnan(b) : a == b && signbit(a) == signbit(b);
}

static inline bool event_same(const struct nbx_event_record *a, const struct nbx_event_record *b)
{
    return nbx_str_eq(a->id, b->id) && a->seq == b->seq && a->arrived_ms == b->arrived_ms &&
           a->held == b->held && a->effect == b->effect && a->trend_amount == b->trend_amount &&
           a->type_no == b->type_no && a->item_no == b->item_no && a->channel_no == b->channel_no &&
           nbx_str_eq(a->placement, b->placement) && nbx_str_eq(a->store, b->store) &&
           nbx_str_eq(a->session, b->session) && nbx_str_eq(a->order, b->order) &&
           nbx_str_eq(a->currency, b->currency) && nbx_str_eq(a->actor, b->actor) &&
           nbx_str_eq(a->decision, b->decision) && double_same(a->quantity, b->quantity) &&
           double_same(a->rating, b->rating) && a->value == b->value && a->scope == b->scope &&
           value_same(a->attributes, b->attributes);
}

static inline struct nbx_base_record any_base(struct nbx_random *r, struct nbx_arena *arena)
{
    return (struct nbx_base_record){.totals = any_totals(r, arena), .seen = any_seen(r, arena)};
}

static inline bool base_same(const struct nbx_base_record *a, const struct nbx_base_record *b)
{
    return totals_same(&a->totals, &b->totals) && seen_same(&a->seen, &b->seen);
}

static inline struct nbx_due_record any_due(struct nbx_random *r, struct nbx_arena *arena)
{
    return (struct nbx_due_record){.customer = any_text(r, arena)};
}

static inline bool due_same(const struct nbx_due_record *a, const struct nbx_due_record *b)
{
    return nbx_str_eq(a->customer, b->customer);
}

static inline struct nbx_link_record any_link(struct nbx_random *r, struct nbx_arena *arena)
{
    struct nbx_link_record l = {.id = any_text(r, arena)};
    if (chance(r))
        return l;
    l.parent = 1 + any_u64(r) / 2;
    l.since_ms = any_time(r);
    l.type = any_text(r, arena);
    return l;
}

static inline bool link_same(const struct nbx_link_record *a, const struct nbx_link_record *b)
{
    return nbx_str_eq(a->id, b->id) && a->parent == b->parent && a->since_ms == b->since_ms &&
           nbx_str_eq(a->type, b->type);
}

static inline struct nbx_item_record any_item(struct nbx_random *r, struct nbx_arena *arena)
{
    return (struct nbx_item_record){.id = any_text(r, arena),
                                    .created_ms = any_time(r),
                                    .updated_ms = any_time(r),
                                    .seq = any_u64(r),
                                    .fields = any_map(r, arena)};
}

static inline bool item_same(const struct nbx_item_record *a, const struct nbx_item_record *b)
{
    return nbx_str_eq(a->id, b->id) && a->created_ms == b->created_ms &&
           a->updated_ms == b->updated_ms && a->seq == b->seq && value_same(a->fields, b->fields);
}

static inline struct nbx_past_item_record any_past_item(struct nbx_random *r,
                                                        struct nbx_arena *arena)
{
    return (struct nbx_past_item_record){.ended_ms = any_time(r),
                                         .was = {(uint8_t)nbx_random_u64(r), any_text(r, arena)}};
}

static inline bool past_item_same(const struct nbx_past_item_record *a,
                                  const struct nbx_past_item_record *b)
{
    return a->ended_ms == b->ended_ms && a->was.version == b->was.version &&
           nbx_str_eq(a->was.payload, b->was.payload);
}

static inline void any_hash(uint8_t out[16], struct nbx_random *r)
{
    for (int i = 0; i < 16; i++)
        out[i] = (uint8_t)nbx_random_u64(r);
}

static inline struct nbx_model_record any_model(struct nbx_random *r, struct nbx_arena *arena)
{
    struct nbx_model_record m = {
        .bytes = any_u64(r), .pushed_ms = any_time(r), .deleted = nbx_random_below(r, 4) == 0};
    any_hash(m.digest, r);
    any_hash(m.digest + 16, r);
    if (m.deleted)
        return m;
    m.stage = (enum nbx_stage)nbx_random_below(r, NBX_N_STAGES);
    m.by = any_text(r, arena);
    m.parent = any_text(r, arena);
    m.notes = any_text(r, arena);
    m.metrics = any_map(r, arena);
    if (m.stage == NBX_STAGE_SHADOW || m.stage == NBX_STAGE_CANARY) {
        m.share = (double)(1 + nbx_random_below(r, 100)) / 100;
        m.trial_ms = any_time(r);
    }
    m.verdict = any_text(r, arena);
    m.accepted = any_map(r, arena);
    m.activated_ms = nbx_random_below(r, 2) ? any_time(r) : 0;
    if (!m.activated_ms)
        return m;
    m.replaced_name = any_text(r, arena);
    m.replaced_version = any_text(r, arena);
    return m;
}

static inline bool model_same(const struct nbx_model_record *a, const struct nbx_model_record *b)
{
    return a->stage == b->stage && a->deleted == b->deleted && a->bytes == b->bytes &&
           memcmp(a->digest, b->digest, sizeof a->digest) == 0 && a->pushed_ms == b->pushed_ms &&
           a->activated_ms == b->activated_ms && nbx_str_eq(a->by, b->by) &&
           nbx_str_eq(a->parent, b->parent) && nbx_str_eq(a->notes, b->notes) &&
           value_same(a->metrics, b->metrics) && nbx_str_eq(a->replaced_name, b->replaced_name) &&
           nbx_str_eq(a->replaced_version, b->replaced_version) && a->share == b->share &&
           a->trial_ms == b->trial_ms && nbx_str_eq(a->verdict, b->verdict) &&
           value_same(a->accepted, b->accepted);
}

#endif
