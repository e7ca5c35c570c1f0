/* SPDX-License-Identifier: MIT */
#include "engine/serve/reply_decision.h"

#include "proto/wire.h"

static void put_ids(struct nbx_buf *b, const struct nbx_shown_decision *s, const char *name,
                    struct nbx_item_numbers items)
{
    nbx_wire_text(b, name);
    nbx_wire_list(b, items.n);
    for (uint32_t i = 0; i < items.n; i++)
        nbx_wire_str(b, nbx_ids_name(s->r->worker->server->ids, items.p[i]));
}

static void put_factors(struct nbx_buf *b, const struct nbx_decision_factors *f)
{
    nbx_wire_text(b, "factors");
    nbx_wire_map(b, 4);
    nbx_wire_kv_float(b, "p", (double)f->p);
    nbx_wire_kv_float(b, "c", (double)f->c);
    nbx_wire_kv_float(b, "v", (double)f->v);
    nbx_wire_kv_float(b, "l", (double)f->l);
}

static void put_items(struct nbx_buf *b, const struct nbx_shown_decision *s)
{
    const struct nbx_decision_record *d = s->record;
    nbx_wire_text(b, "items");
    nbx_wire_list(b, d->n);
    for (uint32_t i = 0; i < d->n; i++) {
        struct nbx_decision_factors plain = {d->items[i].score, 1, 1, 1};
        nbx_wire_map(b, 5);
        nbx_wire_kv_str(b, "id", nbx_ids_name(s->r->worker->server->ids, d->items[i].item_no));
        nbx_wire_kv_int(b, "position", i);
        nbx_wire_kv_float(b, "score", (double)d->items[i].score);
        nbx_wire_kv_text(b, "source", nbx_source_name((enum nbx_source)d->items[i].source));
        put_factors(b, d->factors ? &d->factors[i] : &plain);
    }
}

/* What the request asked for, as far as it is kept: three members and the four that may be. */
static void put_asked(struct nbx_buf *b, const struct nbx_shown_decision *s)
{
    const struct nbx_decision_record *d = s->record;
    nbx_wire_kv_int(b, "n", d->asked);
    put_ids(b, s, "exclude", d->excluded);
    nbx_wire_kv_bool(b, "exclude_seen", d->exclude_seen);
    if (d->distinct_group)
        nbx_wire_kv_text(b, "distinct", "group");
    if (d->filter)
        nbx_wire_kv_value(b, "filter", d->filter);
    if (d->ranked.n)
        put_ids(b, s, "ranked", d->ranked);
    if (d->approximate)
        nbx_wire_kv_float(b, "recall", (double)d->recall);
}

static void put_circumstances(struct nbx_buf *b, const struct nbx_shown_decision *s)
{
    const struct nbx_decision_record *d = s->record;
    char hex[33];
    nbx_decision_id_hex(s->id, hex);
    nbx_wire_kv_text(b, "id", hex);
    nbx_wire_kv_int(b, "time", d->time_ms);
    if (s->customer.len)
        nbx_wire_kv_str(b, "customer", s->customer);
    nbx_wire_kv_str(b, "operation", d->op);
    nbx_wire_kv_str(b, "placement", d->placement);
    nbx_wire_kv_str(b, "channel", d->channel);
    nbx_wire_kv_str(b, "store", d->store);
    if (d->context)
        nbx_wire_kv_value(b, "context", d->context);
}

/* By what it was decided. */
static void put_means(struct nbx_buf *b, const struct nbx_decision_record *d)
{
    static const char *const vectors[] = {"none", "query", "given", "folded", "described"};
    nbx_wire_text(b, "model");
    nbx_wire_map(b, 2);
    nbx_wire_kv_str(b, "name", d->model_name);
    nbx_wire_kv_str(b, "version", d->model_version);
    if (d->asked)
        nbx_wire_kv_text(b, "vector", vectors[d->vector.from]);
    nbx_wire_kv_int(b, "policy", d->policy);
    nbx_wire_kv_int(b, "variant", d->variant);
    nbx_wire_kv_float(b, "propensity", (double)d->propensity);
    nbx_wire_kv_int(b, "now", d->now_ms);
    nbx_wire_kv_bool(b, "personal", d->personal);
    nbx_wire_kv_bool(b, "shown", d->shown);
    nbx_wire_kv_int(b, "seq", (int64_t)d->group_seq);
    nbx_wire_kv_int(b, "catalogue_seq", (int64_t)d->catalogue_seq);
}

/* By a record of version 1 it was not said what was asked for. */
static bool says_asked(const struct nbx_shown_decision *s)
{
    return s->record->asked > 0;
}

uint32_t nbx_reply_n_decision(const struct nbx_shown_decision *s)
{
    const struct nbx_decision_record *d = s->record;
    uint32_t n_asked =
        4 + d->distinct_group + (d->filter != NULL) + (d->ranked.n > 0) + d->approximate;
    return 16 + (s->customer.len > 0) + (d->context != NULL) + (says_asked(s) ? n_asked : 0);
}

void nbx_reply_decision(struct nbx_buf *b, const struct nbx_shown_decision *s)
{
    put_circumstances(b, s);
    if (says_asked(s))
        put_asked(b, s);
    put_items(b, s);
    put_means(b, s->record);
}
