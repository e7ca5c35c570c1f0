/* SPDX-License-Identifier: MIT */
#include "engine/store/record_internal.h"

/* What follows time_ms, in this order; after it the sequence numbers and the items. */
enum {
    PERSONAL = 1, /* a fact, nothing follows */
    SHOWN = 2,    /* likewise */
    RANK = 4,     /* the operation: neither of the two is "recommend" */
    OTHER_OP = 8, /* its name follows */
    CLOCK = 16,   /* now_ms is not time_ms */
    PLACEMENT = 32,
    CHANNEL = 64,
    STORE = 128,
    MODEL = 256, /* name and version */
    CONTEXT = 512,
    FLAGS_1 = 1023, /* all of version 1 */
    FILTER = 1024,
    EXCLUDED = 2048,
    EXCLUDE_SEEN = 4096, /* a fact */
    DISTINCT = 8192,     /* a fact */
    RANKED = 16384,
    VECTOR = 32768,
    HISTORY = 65536,
    RECALL = 131072,  /* less than the exact list was good enough */
    PARTIAL = 262144, /* a fact; with RECALL only */
    SEEN = 524288,
    CHOSEN = 1048576,  /* policy, variant and propensity are not 0, 0, 1 */
    FACTORS = 2097152, /* behind each item */
    FLAGS_2 = 4194303,
    TTLS = 4194304,
    FLAGS_3 = 8388607,
    PARTS = 8388608,
    FLAGS_4 = 16777215
};

#define ITEM_MIN_BYTES  6  /* item number, score, source */
#define FACTORS_BYTES   16 /* four floats */
#define LIKED_MIN_BYTES 5  /* item number, weight */
#define TTL_MIN_BYTES   2  /* type number, milliseconds */
#define PART_BYTES      16 /* number, digest */

static unsigned op_flag(struct nbx_str op)
{
    if (nbx_str_is(op, "recommend"))
        return 0;
    return nbx_str_is(op, "rank") ? RANK : OTHER_OP;
}

static unsigned flags_of_answer(const struct nbx_decision_record *r)
{
    bool by_default = r->policy == 0 && r->variant == 0 && r->propensity == 1;
    return (r->personal ? PERSONAL : 0) | (r->shown ? SHOWN : 0) | op_flag(r->op) |
           (r->now_ms != r->time_ms ? CLOCK : 0) |
           (r->model_name.len || r->model_version.len ? MODEL : 0) | (r->vector.from ? VECTOR : 0) |
           (r->history.n ? HISTORY : 0) | (r->approximate ? RECALL : 0) |
           (r->partial ? PARTIAL : 0) | (r->seen_digest ? SEEN : 0) | (by_default ? 0 : CHOSEN) |
           (r->factors ? FACTORS : 0) | (r->n_ttls ? TTLS : 0) | (r->n_parts ? PARTS : 0);
}

static unsigned flags_of(const struct nbx_decision_record *r)
{
    return flags_of_answer(r) | (r->placement.len ? PLACEMENT : 0) |
           (r->channel.len ? CHANNEL : 0) | (r->store.len ? STORE : 0) |
           (nbx_record__is_empty(r->context) ? 0 : CONTEXT) |
           (nbx_record__is_empty(r->filter) ? 0 : FILTER) | (r->excluded.n ? EXCLUDED : 0) |
           (r->exclude_seen ? EXCLUDE_SEEN : 0) | (r->distinct_group ? DISTINCT : 0) |
           (r->ranked.n ? RANKED : 0);
}

static void put_circumstances(struct nbx_buf *out, const struct nbx_decision_record *r,
                              unsigned flags)
{
    if (flags & OTHER_OP)
        nbx_buf_put_str(out, r->op);
    if (flags & CLOCK)
        nbx_record__put_near(out, r->now_ms, r->time_ms);
    if (flags & PLACEMENT)
        nbx_buf_put_str(out, r->placement);
    if (flags & CHANNEL)
        nbx_buf_put_str(out, r->channel);
    if (flags & STORE)
        nbx_buf_put_str(out, r->store);
    if (flags & MODEL) {
        nbx_buf_put_str(out, r->model_name);
        nbx_buf_put_str(out, r->model_version);
    }
    if (flags & CONTEXT)
        nbx_record__put_value(out, r->context);
}

static void put_numbers(struct nbx_buf *out, struct nbx_item_numbers numbers)
{
    nbx_buf_put_varint(out, numbers.n);
    for (uint32_t i = 0; i < numbers.n; i++)
        nbx_record__put_near(out, numbers.p[i], i ? numbers.p[i - 1] : 0);
}

static void put_vector(struct nbx_buf *out, const struct nbx_decision_vector *v)
{
    nbx_buf_put_u8(out, (uint8_t)v->from);
    nbx_buf_put_str(out, v->space);
    nbx_buf_put_varint(out, v->n);
    nbx_buf_put(out, v->p, (size_t)v->n * sizeof *v->p);
}

static void put_ttls(struct nbx_buf *out, const struct nbx_decision_record *r)
{
    nbx_buf_put_varint(out, r->n_ttls);
    for (uint32_t i = 0; i < r->n_ttls; i++) {
        nbx_buf_put_varint(out, r->ttls[i].type_no);
        nbx_buf_put_varint(out, (uint64_t)r->ttls[i].ttl_ms);
    }
}

static void put_parts(struct nbx_buf *out, const struct nbx_decision_record *r)
{
    nbx_buf_put_varint(out, r->n_parts);
    for (uint32_t i = 0; i < r->n_parts; i++) {
        nbx_buf_put_u64le(out, r->parts[i].number);
        nbx_buf_put_u64le(out, r->parts[i].seen_digest);
    }
}

static void put_inputs(struct nbx_buf *out, const struct nbx_decision_record *r, unsigned flags)
{
    if (flags & FILTER)
        nbx_record__put_value(out, r->filter);
    if (flags & EXCLUDED)
        put_numbers(out, r->excluded);
    if (flags & RANKED)
        put_numbers(out, r->ranked);
    if (flags & VECTOR)
        put_vector(out, &r->vector);
    if (flags & HISTORY) {
        put_numbers(out, r->history);
        nbx_buf_put(out, r->history_weights, (size_t)r->history.n * sizeof *r->history_weights);
    }
    if (flags & RECALL)
        nbx_buf_put_f32le(out, r->recall);
    if (flags & SEEN)
        nbx_buf_put_u64le(out, r->seen_digest);
    if (flags & CHOSEN) {
        nbx_buf_put_varint(out, r->policy);
        nbx_buf_put_varint(out, r->variant);
        nbx_buf_put_f32le(out, r->propensity);
    }
    if (flags & TTLS)
        put_ttls(out, r);
    if (flags & PARTS)
        put_parts(out, r);
}

static void put_factors(struct nbx_buf *out, const struct nbx_decision_factors *f)
{
    nbx_buf_put_f32le(out, f->p);
    nbx_buf_put_f32le(out, f->c);
    nbx_buf_put_f32le(out, f->v);
    nbx_buf_put_f32le(out, f->l);
}

void nbx_decision_record_encode(struct nbx_buf *out, const struct nbx_decision_record *r)
{
    unsigned flags = flags_of(r);
    nbx_buf_put_varint(out, flags);
    nbx_buf_put_varsint(out, r->time_ms);
    put_circumstances(out, r, flags);
    put_inputs(out, r, flags);
    nbx_buf_put_varint(out, r->group_seq);
    nbx_buf_put_varint(out, r->catalogue_seq);
    nbx_buf_put_varint(out, r->asked);
    nbx_buf_put_varint(out, r->n);
    for (uint32_t i = 0; i < r->n; i++) {
        nbx_buf_put_varint(out, r->items[i].item_no);
        nbx_buf_put_f32le(out, r->items[i].score);
        nbx_buf_put_u8(out, r->items[i].source);
        if (r->factors)
            put_factors(out, &r->factors[i]);
    }
}

static void read_circumstances(struct nbx_decision_record *d, struct nbx_record_reader *rr,
                               uint64_t flags)
{
    d->op = flags & RANK ? NBX_STR("rank") : NBX_STR("recommend");
    if (flags & OTHER_OP)
        d->op = nbx_read_str(&rr->r);
    d->now_ms = flags & CLOCK ? nbx_record__near(rr, d->time_ms) : d->time_ms;
    if (flags & PLACEMENT)
        d->placement = nbx_read_str(&rr->r);
    if (flags & CHANNEL)
        d->channel = nbx_read_str(&rr->r);
    if (flags & STORE)
        d->store = nbx_read_str(&rr->r);
    if (flags & MODEL) {
        d->model_name = nbx_read_str(&rr->r);
        d->model_version = nbx_read_str(&rr->r);
    }
    if (flags & CONTEXT)
        d->context = nbx_record__value(rr, NBX_MAP);
}

/* Item numbers of entries of at least min_bytes each, of which these are the first part. */
static struct nbx_item_numbers read_numbers(struct nbx_record_reader *rr, size_t min_bytes)
{
    uint32_t n = nbx_record__count(rr, min_bytes);
    uint32_t *numbers = rr->r.failed ? NULL : nbx_record__alloc(rr, n, sizeof *numbers);
    for (uint32_t i = 0; numbers && i < n; i++) {
        int64_t v = nbx_record__near(rr, i ? numbers[i - 1] : 0);
        rr->r.failed |= v < 0 || v > UINT32_MAX;
        numbers[i] = rr->r.failed ? 0 : (uint32_t)v;
    }
    return (struct nbx_item_numbers){numbers, n};
}

static void read_vector(struct nbx_decision_vector *v, struct nbx_record_reader *rr)
{
    uint8_t from = nbx_read_u8(&rr->r);
    rr->r.failed |= from == NBX_VECTOR_NONE || from >= NBX_N_VECTOR_FROM;
    v->from = (enum nbx_vector_from)from;
    v->space = nbx_read_str(&rr->r);
    v->n = nbx_record__count(rr, sizeof *v->p);
    v->p = nbx_record__floats(rr, v->n);
}

static void read_ttls(struct nbx_decision_record *d, struct nbx_record_reader *rr)
{
    uint32_t n = nbx_record__count(rr, TTL_MIN_BYTES);
    struct nbx_type_ttl *ttls = rr->r.failed ? NULL : nbx_record__alloc(rr, n, sizeof *ttls);
    for (uint32_t i = 0; ttls && i < n; i++) {
        uint32_t type_no = nbx_record__u32(rr);
        uint64_t ttl_ms = nbx_read_varint(&rr->r);
        rr->r.failed |= type_no > UINT16_MAX || ttl_ms > INT64_MAX;
        ttls[i] = (struct nbx_type_ttl){(uint16_t)type_no, (int64_t)ttl_ms};
    }
    d->ttls = ttls;
    d->n_ttls = ttls ? n : 0;
}

static void read_parts(struct nbx_decision_record *d, struct nbx_record_reader *rr)
{
    d->n_parts = nbx_record__count(rr, PART_BYTES);
    struct nbx_linked_part *parts =
        rr->r.failed ? NULL : nbx_record__alloc(rr, d->n_parts, sizeof *parts);
    for (uint32_t i = 0; parts && i < d->n_parts; i++) {
        parts[i].number = nbx_read_u64le(&rr->r);
        parts[i].seen_digest = nbx_read_u64le(&rr->r);
    }
    d->parts = parts;
}

static void read_inputs(struct nbx_decision_record *d, struct nbx_record_reader *rr, uint64_t flags)
{
    if (flags & FILTER)
        d->filter = nbx_record__value(rr, NBX_MAP);
    if (flags & EXCLUDED)
        d->excluded = read_numbers(rr, 1);
    if (flags & RANKED)
        d->ranked = read_numbers(rr, 1);
    if (flags & VECTOR)
        read_vector(&d->vector, rr);
    if (flags & HISTORY) {
        d->history = read_numbers(rr, LIKED_MIN_BYTES);
        d->history_weights = nbx_record__floats(rr, d->history.n);
    }
    if (flags & RECALL)
        d->recall = nbx_read_f32le(&rr->r);
    if (flags & SEEN)
        d->seen_digest = nbx_read_u64le(&rr->r);
    if (flags & CHOSEN) {
        d->policy = nbx_record__u32(rr);
        d->variant = nbx_record__u32(rr);
        d->propensity = nbx_read_f32le(&rr->r);
    }
    if (flags & TTLS)
        read_ttls(d, rr);
    if (flags & PARTS)
        read_parts(d, rr);
}

static void read_factors(struct nbx_decision_factors *f, struct nbx_reader *r)
{
    f->p = nbx_read_f32le(r);
    f->c = nbx_read_f32le(r);
    f->v = nbx_read_f32le(r);
    f->l = nbx_read_f32le(r);
}

static void read_items(struct nbx_decision_record *d, struct nbx_record_reader *rr, bool factored)
{
    d->n = nbx_record__count(rr, ITEM_MIN_BYTES + (factored ? FACTORS_BYTES : 0));
    struct nbx_decision_item *items =
        rr->r.failed ? NULL : nbx_record__alloc(rr, d->n, sizeof *items);
    struct nbx_decision_factors *factors =
        factored && items ? nbx_record__alloc(rr, d->n, sizeof *factors) : NULL;
    for (uint32_t i = 0; items && i < d->n; i++) {
        items[i].item_no = nbx_record__u32(rr);
        items[i].score = nbx_read_f32le(&rr->r);
        items[i].source = nbx_read_u8(&rr->r);
        if (factors)
            read_factors(&factors[i], &rr->r);
    }
    d->items = items;
    d->factors = factors;
}

static bool are_flags(uint64_t flags, uint8_t version)
{
    uint64_t most = version == 1   ? FLAGS_1
                    : version == 2 ? FLAGS_2
                    : version == 3 ? FLAGS_3
                                   : FLAGS_4;
    return flags <= most && !((flags & RANK) && (flags & OTHER_OP)) &&
           !((flags & PARTIAL) && !(flags & RECALL));
}

enum nbx_err nbx_decision_record_decode(struct nbx_decision_record *out,
                                        const struct nbx_stored *stored, struct nbx_arena *arena)
{
    struct nbx_record_reader rr = nbx_record__begin(stored, NBX_DECISION_RECORD, arena);
    struct nbx_decision_record d = {.recall = 1, .propensity = 1};
    uint64_t flags = nbx_read_varint(&rr.r);
    rr.r.failed |= !are_flags(flags, stored->version);
    d.personal = flags & PERSONAL;
    d.shown = flags & SHOWN;
    d.exclude_seen = flags & EXCLUDE_SEEN;
    d.distinct_group = flags & DISTINCT;
    d.approximate = flags & RECALL;
    d.partial = flags & PARTIAL;
    d.time_ms = nbx_read_varsint(&rr.r);
    read_circumstances(&d, &rr, flags);
    read_inputs(&d, &rr, flags);
    d.group_seq = nbx_read_varint(&rr.r);
    d.catalogue_seq = nbx_read_varint(&rr.r);
    d.asked = stored->version == 1 ? 0 : nbx_record__u32(&rr);
    read_items(&d, &rr, flags & FACTORS);
    *out = d;
    return nbx_record__end(&rr);
}
