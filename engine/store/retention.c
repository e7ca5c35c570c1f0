/* SPDX-License-Identifier: MIT */
#include "engine/store/store_internal.h"

#include "engine/base/clock.h"
#include "engine/store/key.h"
#include "engine/store/log_record.h"
#include "engine/store/record.h"

#include <stdlib.h>

/* One compaction. Its clock is read once, so that all its entries share a horizon. */
struct sweep {
    enum nbx_family family;
    int64_t horizon_ms;   /* what is older goes */
    struct nbx_buf frame; /* what takes an entry's place */
};

/* false where the entry does not tell, and then it stays. */
static bool time_of(int64_t *out, enum nbx_family family, struct nbx_str key, struct nbx_str value)
{
    struct nbx_stored stored;
    struct nbx_event_id_record known;
    struct nbx_decision_id id;
    switch (family) {
    case NBX_FAMILY_EVENT_IDS: /* one that has its event leaves with it */
        if (nbx_store__unframe(&stored, value) || nbx_event_id_record_peek(&known, &stored))
            return false;
        *out = known.time_ms;
        return known.retracted || known.folded;
    case NBX_FAMILY_PAST_ITEMS:
        if (nbx_store__unframe(&stored, value) || stored.payload.len < sizeof *out)
            return false; /* the time stands first in every version */
        memcpy(out, stored.payload.p, sizeof *out);
        return true;
    case NBX_FAMILY_DECISIONS:
        if (key.len != sizeof id.b)
            return false;
        memcpy(id.b, key.p, sizeof id.b);
        *out = nbx_decision_id_time_ms(id);
        return true;
    default: return false;
    }
}

/* An entry of the log keeps its place. */
static bool replaced(struct sweep *sweep, struct nbx_str value)
{
    struct nbx_stored stored;
    struct nbx_log_record gone;
    struct nbx_buf payload = {0};
    if (nbx_store__unframe(&stored, value) || !nbx_log_expires(&gone, &stored, sweep->horizon_ms))
        return false;
    nbx_log_record_encode(&payload, &gone);
    nbx_buf_clear(&sweep->frame);
    nbx_store__frame(&sweep->frame, NBX_LOG_RECORD,
                     (struct nbx_str){(const char *)payload.p, (uint32_t)payload.len});
    bool made = !payload.failed && !sweep->frame.failed;
    nbx_buf_fini(&payload);
    return made;
}

/* NOLINTNEXTLINE(readability-function-size): the parameters are RocksDB's. */
static unsigned char expired(void *state, int level, const char *key, size_t key_len,
                             const char *value, size_t value_len, char **new_value,
                             size_t *new_value_len, unsigned char *changed)
{
    (void)level;
    struct sweep *sweep = state;
    int64_t time_ms;
    if (sweep->family == NBX_FAMILY_LOG) {
        *changed = replaced(sweep, (struct nbx_str){value, (uint32_t)value_len});
        *new_value = (char *)sweep->frame.p; /* RocksDB copies it */
        *new_value_len = sweep->frame.len;
        return 0;
    }
    return time_of(&time_ms, sweep->family, (struct nbx_str){key, (uint32_t)key_len},
                   (struct nbx_str){value, (uint32_t)value_len}) &&
           time_ms < sweep->horizon_ms;
}

static void end(void *state)
{
    struct sweep *sweep = state;
    nbx_buf_fini(&sweep->frame);
    free(sweep);
}

static const char *name(void *state)
{
    (void)state;
    return "nbx.retention";
}

static rocksdb_compactionfilter_t *start(void *state, rocksdb_compactionfiltercontext_t *context)
{
    (void)context;
    const struct nbx_retention *retention = state;
    struct sweep *sweep = atomic_load(retention->armed) ? malloc(sizeof *sweep) : NULL;
    if (sweep)
        *sweep = (struct sweep){.family = retention->family,
                                .horizon_ms = nbx_clock_wall_ms() - retention->keep_ms};
    atomic_fetch_add_explicit(retention->begun, 1, memory_order_release);
    if (!sweep)
        return NULL; /* this compaction drops nothing */
    return rocksdb_compactionfilter_create(sweep, end, expired, name);
}

static void not_owned(void *state)
{
    (void)state;
}

rocksdb_compactionfilterfactory_t *nbx_store__retention_filter(struct nbx_retention *retention)
{
    return rocksdb_compactionfilterfactory_create(retention, not_owned, start, name);
}

enum nbx_err nbx_store__compact(struct nbx_store *store, enum nbx_family family)
{
    enum nbx_err err = nbx_store_flush(store, family);
    if (err)
        return err;
    rocksdb_compactoptions_t *how = rocksdb_compactoptions_create();
    rocksdb_compactoptions_set_bottommost_level_compaction(how, 2); /* kForce: filter every file */
    rocksdb_compact_range_cf_opt(store->db, store->families[family], how, NULL, 0, NULL, 0);
    rocksdb_compactoptions_destroy(how);
    return NBX_OK;
}
