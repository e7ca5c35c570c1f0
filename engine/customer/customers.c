/* SPDX-License-Identifier: MIT */
#include "engine/customer/customers.h"

#include "engine/base/check.h"
#include "engine/base/log.h"
#include "engine/customer/customers_internal.h"
#include "engine/customer/fold.h"
#include "engine/customer/links.h"
#include "engine/store/log_record.h"

#include <stdlib.h>

#define SCRATCH_BYTES 65536

static enum nbx_err load_counter(const struct nbx_store *store, const char *name, uint8_t group,
                                 struct nbx_arena *arena, uint64_t *out)
{
    struct nbx_key key = nbx_key_meta_group(name, group);
    enum nbx_err err = nbx_record_u64_get(store, NBX_FAMILY_META, nbx_key_str(&key), arena, out);
    nbx_arena_reset(arena);
    if (err != NBX_ENOTFOUND)
        return err;
    *out = 0;
    return NBX_OK;
}

enum nbx_err nbx_customers_new(struct nbx_customers **out, struct nbx_store *store,
                               struct nbx_ids *ids, struct nbx_trends *trends)
{
    struct nbx_fault fault = {0};
    enum nbx_err err = NBX_ELIMIT;
    struct nbx_customers *c = calloc(1, sizeof *c);
    struct nbx_arena *arena = nbx_arena_new(SCRATCH_BYTES);
    *out = NULL;
    if (!c || !arena)
        goto out;
    c->store = store;
    c->ids = ids;
    c->trends = trends;
    nbx_customers_keep(c, 0, 0);
    pthread_mutex_init(&c->anonymous, NULL);
    if ((err = nbx_forgotten_open(&c->forgotten, store, &fault))) {
        nbx_log_errorx("%s", fault.message);
        goto out;
    }
    for (int g = 0; g < NBX_N_GROUPS; g++) {
        if ((err = load_counter(store, NBX_META_SEQ, (uint8_t)g, arena, &c->groups[g].seq)) ||
            (err = load_counter(store, NBX_META_SERIAL, (uint8_t)g, arena, &c->groups[g].serial)) ||
            (err = nbx_log_begin(store, (uint16_t)g, c->groups[g].seq)))
            goto out;
    }
    if ((err = nbx_links__load(&c->links, store)) || (err = nbx_due__load(c)))
        goto out;
    *out = c;
    c = NULL;
out:
    nbx_arena_destroy(&arena);
    nbx_customers_destroy(&c);
    return err;
}

void nbx_customers_destroy(struct nbx_customers **customers)
{
    if (!customers || !*customers)
        return;
    pthread_mutex_destroy(&(*customers)->anonymous);
    nbx_forgotten_close(&(*customers)->forgotten);
    nbx_links__destroy(&(*customers)->links);
    free(*customers);
    *customers = NULL;
}

void nbx_customers_keep(struct nbx_customers *c, int64_t retention_ms, uint64_t history_max)
{
    c->retention_ms = retention_ms ? retention_ms : INT64_MAX;
    c->history_max = history_max ? history_max : UINT64_MAX;
}

uint64_t nbx_customers_seq(const struct nbx_customers *c, uint8_t group)
{
    return c->groups[group].seq;
}

enum nbx_err nbx_customer_read(const struct nbx_customer_scope *scope, enum nbx_family family,
                               struct nbx_str key, struct nbx_stored *out)
{
    return nbx_recent_get(scope->recent, scope->customers->store, family, key, scope->arena, out);
}

enum nbx_err nbx_customer_write(const struct nbx_customer_scope *scope)
{
    enum nbx_err err = nbx_recent_write(scope->recent, scope->customers->store, scope->batch);
    nbx_batch_clear(scope->batch);
    return err;
}

void nbx_customers__trend(const struct nbx_customer_scope *scope,
                          const struct nbx_event_record *event, int64_t time_ms, int sign)
{
    if (!event->trend_amount)
        return;
    struct nbx_trend_event trend = {.channel_no = event->channel_no,
                                    .item_no = event->item_no,
                                    .weight =
                                        sign * (double)event->trend_amount / NBX_TREND_AMOUNT_UNITS,
                                    .time_ms = time_ms};
    if (event->channel_no > nbx_vocabulary_max_channel(scope->vocabulary)) {
        trend.channel_no = 0;
        trend.time_ms = -1; /* in no bucket */
    }
    if (nbx_trends_add(scope->customers->trends, &trend, scope->batch))
        nbx_log_warnx("trends=behind reason=memory_limit");
}

void nbx_customers__put_event_id(const struct nbx_customer_scope *scope, uint64_t number,
                                 const uint8_t id_hash[16], struct nbx_event_id_record record)
{
    struct nbx_key key = nbx_key_event_id(number, id_hash);
    nbx_event_id_record_encode(nbx_batch_payload(scope->batch), &record);
    nbx_batch_put_payload(scope->batch, NBX_FAMILY_EVENT_IDS, nbx_key_str(&key),
                          NBX_EVENT_ID_RECORD);
}

struct nbx_store *nbx_customers_store(const struct nbx_customers *c)
{
    return c->store;
}

enum nbx_err nbx_customers_sync(struct nbx_customers *c)
{
    return nbx_forgotten_sync(c->forgotten);
}
