/* SPDX-License-Identifier: MIT */
#include "engine/base/clock.h"
#include "engine/store/log_record.h"
#include "tests/unit/store/fixture.h"

#define DAY_MS INT64_C(86400000)

static struct fixture f;

static void begin(void)
{
    fixture_folder(&f);
    f.options.event_retention_ms = 10 * DAY_MS;
    f.options.decision_retention_ms = 3 * DAY_MS;
    fixture_open(&f);
}

static void end(void)
{
    fixture_end(&f);
}

TestSuite(store_retention, .init = begin, .fini = end);

struct mark {
    struct nbx_key event, kept_id, event_id, decision, past_item;
};

/* Ids whose event is kept no longer, retracted or in a base, by turns. */
static void put_event_id(const struct nbx_key *key, uint8_t no, int64_t time_ms)
{
    struct nbx_event_id_record record = {
        .time_ms = time_ms, .retracted = no % 2 == 0, .folded = no % 2 == 1};
    struct nbx_buf b = {0};
    nbx_event_id_record_encode(&b, &record);
    nbx_batch_put(f.batch, NBX_FAMILY_EVENT_IDS, nbx_key_str(key), NBX_EVENT_ID_RECORD,
                  (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
}

static void put_past_item(const struct nbx_key *key, int64_t time_ms)
{
    struct nbx_past_item_record record = {.ended_ms = time_ms, .was = {1, NBX_STR("i")}};
    struct nbx_buf *b = nbx_batch_payload(f.batch);
    nbx_past_item_record_encode(b, &record);
    nbx_batch_put(f.batch, NBX_FAMILY_PAST_ITEMS, nbx_key_str(key), NBX_PAST_ITEM_RECORD,
                  (struct nbx_str){(const char *)b->p, (uint32_t)b->len});
}

/* An event and its id, the id of one that is gone and a decision of that age, all of customer 1,
 * and what an item was until then. */
static struct mark put_mark(uint8_t no, int64_t time_ms)
{
    uint8_t id[16] = {no}, gone[16] = {no, 1};
    struct mark m = {
        nbx_key_event(1, time_ms, id), nbx_key_event_id(1, id), nbx_key_event_id(1, gone),
        nbx_key_decision(nbx_decision_id_make(1, time_ms, no)), nbx_key_past_item(1, no)};
    nbx_batch_put(f.batch, NBX_FAMILY_EVENTS, nbx_key_str(&m.event), 1, NBX_STR("e"));
    nbx_record_u64_put(f.batch, NBX_FAMILY_EVENT_IDS, nbx_key_str(&m.kept_id), (uint64_t)time_ms);
    put_event_id(&m.event_id, no, time_ms);
    put_past_item(&m.past_item, time_ms);
    nbx_batch_put(f.batch, NBX_FAMILY_DECISIONS, nbx_key_str(&m.decision), 1, NBX_STR("d"));
    fixture_write(&f);
    return m;
}

static void compact(void)
{
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_EVENTS), NBX_OK);
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_EVENT_IDS), NBX_OK);
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_DECISIONS), NBX_OK);
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_PAST_ITEMS), NBX_OK);
}

static bool has(enum nbx_family family, struct nbx_key key)
{
    enum nbx_err err;
    bool found = nbx_store_has(f.store, family, nbx_key_str(&key), &err);
    cr_assert_eq(err, NBX_OK);
    return found;
}

Test(store_retention, compaction_drops_what_is_older_and_nothing_else)
{
    int64_t now_ms = nbx_clock_wall_ms();
    const struct {
        int64_t time_ms;
        bool id, decision;
    } cases[] = {
        {now_ms, true, true},
        {now_ms + 5 * 60000, true, true},
        {now_ms - 2 * DAY_MS, true, true},
        {now_ms - 4 * DAY_MS, true, false},
        {now_ms - 9 * DAY_MS, true, false},
        {now_ms - 11 * DAY_MS, false, false},
        {1, false, false},
        {-DAY_MS, false, false},
    };
    struct mark marks[8];
    for (uint8_t i = 0; i < 8; i++)
        marks[i] = put_mark(i, cases[i].time_ms);
    for (int i = 0; i < 8; i++)
        cr_assert(has(NBX_FAMILY_EVENT_IDS, marks[i].event_id), "%d went before compaction", i);
    compact();
    for (int i = 0; i < 8; i++) {
        cr_assert(has(NBX_FAMILY_EVENTS, marks[i].event), "an event leaves into a base alone");
        cr_assert(has(NBX_FAMILY_EVENT_IDS, marks[i].kept_id), "and its id with it");
        cr_assert_eq(has(NBX_FAMILY_EVENT_IDS, marks[i].event_id), cases[i].id, "id %d", i);
        cr_assert_eq(has(NBX_FAMILY_DECISIONS, marks[i].decision), cases[i].decision, "decision %d",
                     i);
        cr_assert_eq(has(NBX_FAMILY_PAST_ITEMS, marks[i].past_item), cases[i].decision,
                     "past item %d", i);
    }
}

Test(store_retention, zero_keeps_for_ever)
{
    f.options.event_retention_ms = 0;
    f.options.decision_retention_ms = 0;
    fixture_reopen(&f);
    struct mark m = put_mark(1, 1);
    compact();
    cr_assert(has(NBX_FAMILY_EVENTS, m.event));
    cr_assert(has(NBX_FAMILY_EVENT_IDS, m.event_id));
    cr_assert(has(NBX_FAMILY_DECISIONS, m.decision));
    cr_assert(has(NBX_FAMILY_PAST_ITEMS, m.past_item));
}

Test(store_retention, what_a_filter_cannot_read_stays)
{
    fixture_put(&f, NBX_FAMILY_EVENTS, "no event key", "e");
    fixture_put(&f, NBX_FAMILY_EVENT_IDS, "no time", "e");
    fixture_put(&f, NBX_FAMILY_DECISIONS, "no decision key", "d");
    compact();
    fixture_is(&f, NBX_FAMILY_EVENTS, "no event key", "e");
    fixture_is(&f, NBX_FAMILY_EVENT_IDS, "no time", "e");
    fixture_is(&f, NBX_FAMILY_DECISIONS, "no decision key", "d");
}

Test(store_retention, other_families_are_kept)
{
    struct nbx_key key = nbx_key_event(1, 1, (uint8_t[16]){1});
    nbx_batch_put(f.batch, NBX_FAMILY_SEEN, nbx_key_str(&key), 1, NBX_STR("s"));
    fixture_write(&f);
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_SEEN), NBX_OK);
    cr_assert(has(NBX_FAMILY_SEEN, key));
}

Test(store_retention, nothing_is_dropped_before_the_format_is_known)
{
    atomic_store(&f.store->retention_armed, false);
    struct mark m = put_mark(1, 1);
    compact();
    cr_assert(has(NBX_FAMILY_EVENT_IDS, m.event_id));
    atomic_store(&f.store->retention_armed, true);
    compact();
    cr_assert_not(has(NBX_FAMILY_EVENT_IDS, m.event_id));
}

/* Puts it as the entry of that number in stream 1. */
static void put_entry(uint64_t seq, const struct nbx_log_record *entry)
{
    nbx_log_put(f.batch, 1, seq, entry);
    fixture_write(&f);
}

static struct nbx_log_record entry_of(uint64_t seq)
{
    struct nbx_log_record entry;
    uint64_t first;
    cr_assert_eq(nbx_log_find(&entry, &first, f.store, 1, seq, f.arena), NBX_OK);
    return entry;
}

/* Places stay; what lies in them goes with the last of its events, or with the age of changes of
 * items; what customers were told stays. */
Test(store_retention, entries_of_the_log_keep_their_places)
{
    int64_t now_ms = nbx_clock_wall_ms(), old_ms = now_ms - 11 * DAY_MS;
    struct nbx_log_event old[] = {{.time_ms = old_ms}, {.time_ms = old_ms}};
    struct nbx_log_event mixed[] = {{.time_ms = old_ms}, {.time_ms = now_ms}};
    struct nbx_log_record entries[] = {
        {.kind = NBX_LOG_EVENTS,
         .n = 2,
         .now_ms = old_ms,
         .events = old,
         .n_events = 2,
         .customer = NBX_STR("anna")},
        {.kind = NBX_LOG_EVENTS, .n = 2, .now_ms = old_ms, .events = mixed, .n_events = 2},
        {.kind = NBX_LOG_EVENTS, .n = 2, .now_ms = now_ms, .events = old, .n_events = 2}, /* late */
        {.kind = NBX_LOG_ITEMS, .n = 1, .now_ms = old_ms},
        {.kind = NBX_LOG_ITEMS, .n = 1, .now_ms = now_ms},
        {.kind = NBX_LOG_FORGET, .n = 1, .now_ms = old_ms},
        {.kind = NBX_LOG_GONE, .n = 1, .now_ms = old_ms},
    };
    enum nbx_log_kind after[] = {NBX_LOG_GONE,  NBX_LOG_EVENTS, NBX_LOG_EVENTS, NBX_LOG_GONE,
                                 NBX_LOG_ITEMS, NBX_LOG_FORGET, NBX_LOG_GONE};
    for (int round = 0; round < 2; round++) {
        uint64_t seq = 1;
        for (int i = 0; i < 7; seq += entries[i++].n) {
            if (round == 0)
                put_entry(seq, &entries[i]);
            struct nbx_log_record is = entry_of(seq + entries[i].n - 1);
            cr_assert_eq(is.kind, round ? after[i] : entries[i].kind, "entry %d", i);
            cr_assert_eq(is.n, entries[i].n, "entry %d", i);
            cr_assert(!round || is.kind != NBX_LOG_GONE || i == 6 || is.reason == NBX_GONE_EXPIRED);
        }
        cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_LOG), NBX_OK);
    }
    fixture_put(&f, NBX_FAMILY_LOG, "no entry", "e");
    cr_assert_eq(nbx_store__compact(f.store, NBX_FAMILY_LOG), NBX_OK);
    fixture_is(&f, NBX_FAMILY_LOG, "no entry", "e");
}
