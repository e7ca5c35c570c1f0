/* SPDX-License-Identifier: MIT
 * The payload bytes of every version of items, the log and models. They never change: a new
 * version adds its own, and the old ones stay readable.
 */
#include "tests/unit/store/golden.h"

TestSuite(store_golden_log, .init = golden_begin, .fini = golden_end);

Test(store_golden_log, item_1)
{
    struct nbx_item_record full = {.id = NBX_STR("i-1"),
                                   .created_ms = 1700000000000,
                                   .updated_ms = 1700000000500,
                                   .fields = &map};
    struct nbx_item_record least = {.id = NBX_STR("i")};
    GOLDEN_OLD(item, item_same, 1, full,
               "0103692d3180a0abfef962e8071483a474696572a4676f6c64a361676529a26f6bc3");
    GOLDEN_OLD(item, item_same, 1, least, "0001690000");
}

Test(store_golden_log, item_2)
{
    struct nbx_item_record full = {.id = NBX_STR("i-1"),
                                   .created_ms = 1700000000000,
                                   .updated_ms = 1700000000500,
                                   .seq = 300,
                                   .fields = &map};
    struct nbx_item_record least = {.id = NBX_STR("i")};
    GOLDEN(item, item_same, 2, full,
           "0303692d3180a0abfef962e8071483a474696572a4676f6c64a361676529a26f6bc3ac02");
    GOLDEN(item, item_same, 2, least, "0001690000");
}

Test(store_golden_log, past_item_1)
{
    struct nbx_past_item_record r = {.ended_ms = 1700000000000, .was = {1, NBX_STR("abc")}};
    GOLDEN(past_item, past_item_same, 1, r, "0068e5cf8b0100000103616263");
}

static struct nbx_log_event log_events[] = {
    {7, 1700000000000, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
    {300, 1690000000000, {0xff}},
};

Test(store_golden_log, log_1_of_customers)
{
    struct nbx_log_event events[] = {log_events[0], log_events[1]};
    uint8_t ids[1][16] = {{0xaa, 0xbb}};
    struct nbx_log_record happened = {.kind = NBX_LOG_EVENTS,
                                      .n = 2,
                                      .now_ms = 1700000000001,
                                      .number = UINT64_C(0x0500000000000007),
                                      .customer = NBX_STR("c-1"),
                                      .events = events,
                                      .n_events = 2};
    struct nbx_log_record retracted = happened, put = {.kind = NBX_LOG_PUT, .n = 1}, forgot = put;
    memcpy(happened.id, events[0].id_hash, 16);
    retracted.kind = NBX_LOG_RETRACT;
    retracted.n = 1;
    retracted.customer = NBX_STR("");
    memcpy(retracted.id, "0123456789abcdef", 16);
    retracted.ids = ids;
    retracted.n_ids = 1;
    put.number = forgot.number = happened.number;
    put.now_ms = -1;
    put.body = &map;
    forgot.kind = NBX_LOG_FORGET;
    GOLDEN(log, log_same, 1, retracted,
           "030082a0abfef962303132333435363738396162636465660700000000000005020701010203"
           "0405060708090a0b0c0d0e0f10ac028190dfc04aff00000000000000000000000000000001aa"
           "bb0000000000000000000000000000");
    GOLDEN(log, log_same, 1, put,
           "0200010000000000000000000000000000000007000000000000051483a474696572a4676f6c"
           "64a361676529a26f6bc3");
    GOLDEN(log, log_same, 1, forgot, "040000000000000000000000000000000000000700000000000005");
    struct nbx_log_record linked = forgot, unlinked = forgot, node = forgot;
    linked.kind = node.kind = NBX_LOG_LINK;
    linked.parent = UINT64_C(0xff00000000000001);
    linked.type = NBX_STR("card");
    node.customer = NBX_STR("c-1");
    unlinked.kind = NBX_LOG_UNLINK;
    GOLDEN(log, log_same, 1, linked,
           "070000000000000000000000000000000000000700000000000005"
           "01000000000000ff0463617264");
    GOLDEN(log, log_same, 1, node,
           "07010000000000000000000000000000000000070000000000000503632d31"
           "000000000000000000");
    GOLDEN(log, log_same, 1, unlinked, "080000000000000000000000000000000000000700000000000005");
    events[0].seq = events[1].seq = 0;
    GOLDEN(log, log_same, 1, happened,
           "010182a0abfef962070000000000000503632d3102010102030405060708090a0b0c0d0e0f10"
           "8190dfc04aff000000000000000000000000000000");
    happened.kind = NBX_LOG_DUE;
    GOLDEN(log, log_same, 1, happened,
           "060182a0abfef962070000000000000503632d3102010102030405060708090a0b0c0d0e0f10"
           "8190dfc04aff000000000000000000000000000000");
}

Test(store_golden_log, log_1_of_items_and_places)
{
    struct nbx_log_change changes[] = {{.what = NBX_LOG_ITEM_PUT, .entry = &map},
                                       {.what = NBX_LOG_ITEM_PATCH, .entry = &consent},
                                       {.what = NBX_LOG_ITEM_DELETE, .id = NBX_STR("i-1")}};
    struct nbx_log_record items = {
        .kind = NBX_LOG_ITEMS, .n = 1, .now_ms = 1700000000000, .changes = changes, .n_changes = 3};
    struct nbx_log_record gone = {
        .kind = NBX_LOG_GONE, .n = 300, .now_ms = 1700000000000, .reason = NBX_GONE_EXPIRED};
    memcpy(items.id, "0123456789abcdef", 16);
    GOLDEN(log, log_same, 1, items,
           "050080a0abfef9623031323334353637383961626364656603001483a474696572a4676f6c64"
           "a361676529a26f6bc3010581a26f6bc30203692d31");
    GOLDEN(log, log_same, 1, gone, "000080a0abfef96201ac02");
    struct nbx_log_record model = {
        .kind = NBX_LOG_MODEL, .n = 1, .now_ms = 1700000000000, .body = &map};
    memcpy(model.id, "0123456789abcdef", 16);
    GOLDEN(log, log_same, 1, model,
           "090080a0abfef962303132333435363738396162636465661483a474696572a4676f6c64a361676529"
           "a26f6bc3");
}

static struct nbx_model_record least_model(void)
{
    struct nbx_model_record least = {.bytes = 300, .pushed_ms = 1700000000000};
    for (size_t i = 0; i < sizeof least.digest; i++)
        least.digest[i] = (uint8_t)i;
    return least;
}

static struct nbx_model_record full_model(void)
{
    struct nbx_model_record full = least_model();
    full.stage = NBX_STAGE_ACTIVE;
    full.activated_ms = 1700000000500;
    full.by = NBX_STR("ci");
    full.parent = NBX_STR("v0");
    full.notes = NBX_STR("nightly");
    full.metrics = &map;
    full.replaced_name = NBX_STR("ials");
    full.replaced_version = NBX_STR("v0");
    return full;
}

Test(store_golden_log, model_1)
{
    struct nbx_model_record full = full_model(), least = least_model();
    GOLDEN_OLD(model, model_same, 1, full,
               "3e000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfef9"
               "6203026369027630076e696768746c791483a474696572a4676f6c64a361676529a26f6bc3e8a7ab"
               "fef9620469616c73027630");
    GOLDEN_OLD(model, model_same, 1, least,
               "00000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfef9"
               "6200");
    struct nbx_stored later = stored_of(
        1, "40000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfef9"
           "62000581a26f6bc3");
    cr_assert_eq(nbx_model_record_decode(&least, &later, arena), NBX_ECORRUPT);
}

Test(store_golden_log, model_2)
{
    struct nbx_model_record tried = least_model(), failed = tried;
    tried.stage = NBX_STAGE_CANARY;
    tried.share = 0.25;
    tried.trial_ms = 1700000000700;
    failed.verdict = NBX_STR("slow");
    GOLDEN_OLD(model, model_same, 2, tried,
               "40000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfef9"
               "6202000000000000d03ff8aaabfef962");
    GOLDEN_OLD(model, model_same, 2, failed,
               "8001000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfe"
               "f9620004736c6f77");
}

Test(store_golden_log, model_3)
{
    struct nbx_model_record full = full_model(), least = least_model(), first = least, gone = least;
    struct nbx_model_record tried = least, failed = least;
    gone.deleted = true;
    first.stage = NBX_STAGE_ACTIVE;
    first.activated_ms = 1700000000500;
    full.accepted = first.accepted = &consent;
    GOLDEN(model, model_same, 3, full,
           "be02000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfef9"
           "6203026369027630076e696768746c791483a474696572a4676f6c64a361676529a26f6bc3e8a7ab"
           "fef9620469616c730276300581a26f6bc3");
    GOLDEN(model, model_same, 3, first,
           "a002000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfef9"
           "6203e8a7abfef96200000581a26f6bc3");
    tried.stage = NBX_STAGE_CANARY;
    tried.share = 0.25;
    tried.trial_ms = 1700000000700;
    failed.verdict = NBX_STR("slow");
    GOLDEN(model, model_same, 3, tried,
           "40000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfef9"
           "6202000000000000d03ff8aaabfef962");
    GOLDEN(model, model_same, 3, failed,
           "8001000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfe"
           "f9620004736c6f77");
    GOLDEN(model, model_same, 3, least,
           "00000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfef9"
           "6200");
    GOLDEN(model, model_same, 3, gone,
           "01000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfef9"
           "62");
}
