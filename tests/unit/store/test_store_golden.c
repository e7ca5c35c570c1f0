/* SPDX-License-Identifier: MIT
 * The payload bytes of every version of every record of customers. They never change: a new
 * version adds its own, and the old ones stay readable.
 */
#include "tests/unit/store/golden.h"

TestSuite(store_golden, .init = golden_begin, .fini = golden_end);

static const struct nbx_value identities = {.type = NBX_MAP, .n = 1, .members = members};
static struct nbx_value channel_names[] = {{.type = NBX_STRING, .s = {"web", 3}}};
static const struct nbx_value channels = {.type = NBX_LIST, .n = 1, .list = channel_names};

static struct nbx_customer_record full_customer(void)
{
    return (struct nbx_customer_record){
        .id = NBX_STR("c-1"),
        .put_ms = 1700000000000,
        .attributes = &map,
        .consent = &consent,
        .identities = &identities,
        .timezone = NBX_STR("Europe/Vienna"),
        .locale = NBX_STR("de"),
        .channels = &channels,
    };
}

Test(store_golden, customer_1)
{
    struct nbx_customer_record full = full_customer();
    struct nbx_customer_record least = {.id = NBX_STR("c"), .put_ms = -1};
    full.totals_unknown = least.totals_unknown = true;
    GOLDEN_OLD(customer, customer_same, 1, full,
               "7f03632d3180a0abfef9621483a474696572a4676f6c64a361676529a26f6bc30581a26f6bc30b81"
               "a474696572a4676f6c640d4575726f70652f5669656e6e610264650591a3776562ac02d00f");
    GOLDEN_OLD(customer, customer_same, 1, least, "00016301");
}

Test(store_golden, customer_2)
{
    struct nbx_type_total types[] = {{1, 300, 1700000001000}, {700, 1, 1690000000000}};
    struct nbx_customer_record full = full_customer();
    struct nbx_customer_record least = {.id = NBX_STR("c")};
    full.totals = (struct nbx_totals){
        .digest = UINT64_C(0x0123456789abcdef), .first_ms = 1690000000000, .types = types, .n = 2};
    GOLDEN(customer, customer_same, 2, full,
           "ff0103632d311483a474696572a4676f6c64a361676529a26f6bc30581a26f6bc30b81"
           "a474696572a4676f6c640d4575726f70652f5669656e6e610264650591a377656280a0abfef962ef"
           "cdab89674523018090ccbdaf620201ac02e8cfafa025bb050100");
    GOLDEN(customer, customer_same, 2, least, "000163");
}

Test(store_golden, identity_1_to_3)
{
    struct nbx_identity_record held = {.number = UINT64_C(0x0500000000000007)};
    struct nbx_identity_record vacant = {.number = held.number, .vacant = true};
    struct nbx_identity_record withdrawn = {.number = held.number, .withdrawn = 17};
    GOLDEN(identity, identity_same, 3, held, "070000000000000500");
    GOLDEN(identity, identity_same, 3, vacant, "070000000000000501");
    GOLDEN(identity, identity_same, 3, withdrawn, "070000000000000522");
    held.withdrawn_unknown = vacant.withdrawn_unknown = true;
    GOLDEN_OLD(identity, identity_same, 1, held, "0700000000000005");
    GOLDEN_OLD(identity, identity_same, 2, held, "070000000000000500");
    GOLDEN_OLD(identity, identity_same, 2, vacant, "070000000000000501");
    struct nbx_stored later = stored_of(2, "070000000000000522");
    cr_assert_eq(nbx_identity_record_decode(&held, &later, arena), NBX_ECORRUPT);
}

Test(store_golden, forgotten_1)
{
    struct nbx_forgotten_record noted = {.number = UINT64_C(0x0500000000000007)};
    struct nbx_forgotten_record erased = {
        .number = noted.number, .erased_ms = 1700000000000, .before_file = 300};
    GOLDEN(forgotten, forgotten_same, 1, noted, "070000000000000500");
    GOLDEN(forgotten, forgotten_same, 1, erased, "07000000000000050180a0abfef962ac02");
}

Test(store_golden, event_id_1_to_3)
{
    struct nbx_event_id_record kept = {.time_ms = -2};
    struct nbx_event_id_record retracted = {.time_ms = 1700000000000, .retracted = true};
    GOLDEN_OLD(event_id, event_id_same, 1, kept, "feffffffffffffff");
    struct nbx_event_id_record folded = {.time_ms = 1700000000000, .folded = true}, out;
    GOLDEN_OLD(event_id, event_id_same, 2, kept, "feffffffffffffff00");
    GOLDEN_OLD(event_id, event_id_same, 2, retracted, "0068e5cf8b01000001");
    GOLDEN(event_id, event_id_same, 3, kept, "feffffffffffffff00");
    GOLDEN(event_id, event_id_same, 3, retracted, "0068e5cf8b01000001");
    GOLDEN(event_id, event_id_same, 3, folded, "0068e5cf8b01000002");
    struct nbx_stored old = stored_of(2, "0068e5cf8b01000002");
    cr_assert_eq(nbx_event_id_record_decode(&out, &old, arena), NBX_ECORRUPT, "2 knew no base");
}

Test(store_golden, seen_1)
{
    struct nbx_seen_entry entries[] = {
        {.item_no = 1, .type_no = 1, .last_ms = 1700000000000},
        {.item_no = 1, .type_no = 1, .negative = true, .last_ms = 1699999999999},
        {.item_no = 70000, .type_no = 300, .last_ms = 1690000000000},
    };
    struct nbx_seen_record full = {.entries = entries, .n = 3, .digest = 200};
    struct nbx_seen_record least = {.n = 0};
    GOLDEN_OLD(seen, seen_same, 1, full, "03c80180a0abfef96201100000130201efa204c02580c8afa025");
    GOLDEN_OLD(seen, seen_same, 1, least, "000000");
}

Test(store_golden, seen_2)
{
    struct nbx_seen_entry entries[] = {
        {.item_no = 1, .type_no = 1, .last_ms = 1700000000000},
        {.item_no = 1, .type_no = 1, .negative = true, .scope = 2, .last_ms = 1699999999999},
        {.item_no = 70000, .type_no = 300, .last_ms = 1690000000000},
    };
    struct nbx_seen_record full = {
        .entries = entries, .n = 3, .level = 130, .digest = UINT64_C(0x0123456789abcdef)};
    struct nbx_seen_record least = {.n = 0};
    GOLDEN(seen, seen_same, 2, full,
           "8201efcdab89674523010380a0abfef962010800000e01efa204e01280c8afa025");
    GOLDEN(seen, seen_same, 2, least, "0000000000000000000000");
}

Test(store_golden, vector_1)
{
    static const float p[] = {1.0f, -0.5f, 0.0f};
    struct nbx_vector_record folded = {
        .model_tag = NBX_STR("v7"), .source_digest = 300, .made_ms = 1700000000000, .p = p, .n = 3};
    struct nbx_vector_record given = {.given = true, .made_ms = 1, .p = p, .n = 2};
    GOLDEN_OLD(vector, vector_same, 1, folded,
               "0080a0abfef962027637ac02030000803f000000bf00000000");
    GOLDEN_OLD(vector, vector_same, 1, given, "0102020000803f000000bf");
}

Test(store_golden, vector_2)
{
    static const float p[] = {1.0f, -0.5f, 0.0f};
    struct nbx_vector_record folded = {.model_tag = NBX_STR("v7"),
                                       .source_digest = UINT64_C(0x0123456789abcdef),
                                       .made_ms = 1700000000000,
                                       .p = p,
                                       .n = 3};
    struct nbx_vector_record given = {.given = true, .made_ms = 1, .p = p, .n = 2};
    GOLDEN_OLD(vector, vector_same, 2, folded,
               "0080a0abfef962027637efcdab8967452301030000803f000000bf00000000");
    GOLDEN_OLD(vector, vector_same, 2, given, "0102020000803f000000bf");
}

Test(store_golden, vector_3)
{
    static const float p[] = {1.0f, -0.5f, 0.0f};
    struct nbx_vector_record folded = {.model_tag = NBX_STR("v7"),
                                       .source_digest = UINT64_C(0x0123456789abcdef),
                                       .made_ms = 1700000000000,
                                       .p = p,
                                       .n = 3};
    struct nbx_vector_record given = {.given = true, .made_ms = 1, .p = p, .n = 2};
    GOLDEN(vector, vector_same, 3, folded,
           "0080a0abfef962027637efcdab8967452301030000803f000000bf00000000");
    GOLDEN(vector, vector_same, 3, given, "0102020000803f000000bf");
}

static struct nbx_event_record full_event(void)
{
    return (struct nbx_event_record){
        .id = NBX_STR("e-1"),
        .seq = 1000,
        .arrived_ms = 1700000000000,
        .type_no = 3,
        .item_no = 70000,
        .channel_no = 2,
        .placement = NBX_STR("home"),
        .store = NBX_STR("s1"),
        .session = NBX_STR("x"),
        .order = NBX_STR("o9"),
        .currency = NBX_STR("EUR"),
        .actor = NBX_STR("a"),
        .decision = NBX_STR("050000000000004d018bcfe5687b002a"),
        .quantity = 2,
        .rating = 4.5,
        .value = -1999,
        .scope = NBX_SCOPE_BRAND,
        .attributes = &map,
    };
}

static struct nbx_event_record least_event(void)
{
    return (struct nbx_event_record){.id = NBX_STR("e"),
                                     .seq = 1,
                                     .type_no = 1,
                                     .item_no = NBX_ITEM_NONE,
                                     .quantity = 1,
                                     .rating = NAN,
                                     .value = NBX_MONEY_UNSET};
}

Test(store_golden, event_1)
{
    struct nbx_event_record full = full_event(), least = least_event();
    full.effect = least.effect = NBX_EFFECT_UNKNOWN;
    struct nbx_event_record odd = least;
    odd.decision = NBX_STR("no id");
    GOLDEN_OLD(event, event_same, 1, full,
               "ff5f03652d31e80780a0abfef96203f0a2040204686f6d650273310178026f39089d1f0345555201"
               "0000000000001240010161050000000000004d018bcfe5687b002a1483a474696572a4676f6c64a3"
               "61676529a26f6bc3");
    GOLDEN_OLD(event, event_same, 1, least, "00016501000100");
    GOLDEN_OLD(event, event_same, 1, odd, "8020016501000100056e6f206964");
}

Test(store_golden, event_2)
{
    struct nbx_event_record full = full_event(), least = least_event();
    full.effect = NBX_EFFECT_POSITIVE;
    full.trend_amount = 1500;
    struct nbx_event_record odd = least;
    odd.effect = NBX_EFFECT_NEGATIVE;
    odd.decision = NBX_STR("no id");
    GOLDEN_OLD(
        event, event_same, 2, full,
        "e80780a0abfef962ff5ff12e03652d3103f0a2040204686f6d650273310178026f39089d1f0345555201"
        "0000000000001240010161050000000000004d018bcfe5687b002a1483a474696572a4676f6c64a3"
        "61676529a26f6bc3");
    GOLDEN_OLD(event, event_same, 2, least, "0100000001650100");
    GOLDEN_OLD(event, event_same, 2, odd, "010080200201650100056e6f206964");
}

/* As version 2, and held. */
Test(store_golden, event_3)
{
    struct nbx_event_record full = full_event(), least = least_event(), out;
    full.effect = NBX_EFFECT_POSITIVE;
    full.trend_amount = 1500;
    full.held = true;
    struct nbx_event_record odd = least;
    odd.effect = NBX_EFFECT_NEGATIVE;
    odd.decision = NBX_STR("no id");
    GOLDEN(
        event, event_same, 3, full,
        "e80780a0abfef962ffdf01f12e03652d3103f0a2040204686f6d650273310178026f39089d1f034555520100"
        "00000000001240010161050000000000004d018bcfe5687b002a1483a474696572a4676f6c64a36167652"
        "9a26f6bc3");
    GOLDEN(event, event_same, 3, least, "0100000001650100");
    GOLDEN(event, event_same, 3, odd, "010080200201650100056e6f206964");
    struct nbx_stored old = stored_of(2, "01008080010001650100");
    cr_assert_eq(nbx_event_record_decode(&out, &old, arena), NBX_ECORRUPT, "2 knew no such flag");
}

Test(store_golden, base_1)
{
    struct nbx_type_total types[] = {{3, 2, 1700000000001}, {5, 1, 1700000000000}};
    struct nbx_seen_entry entries[] = {{.item_no = 7, .type_no = 3, .last_ms = 1700000000001}};
    struct nbx_base_record base = {.totals = {.digest = UINT64_C(0x0102030405060708),
                                              .first_ms = 1700000000000,
                                              .types = types,
                                              .n = 2,
                                              .cap = 2},
                                   .seen = {.entries = entries, .n = 1, .level = 4, .digest = 9}};
    GOLDEN(base, base_same, 1, base,
           "01080706050403020180a0abfef96202030201020100020409000000000000000182a0abfef962071800");
    base.totals = (struct nbx_totals){0};
    GOLDEN(base, base_same, 1, base,
           "000204090000000000000001"
           "82a0abfef962071800");
}

Test(store_golden, link_1)
{
    struct nbx_link_record linked = {.id = NBX_STR("c-1"),
                                     .parent = UINT64_C(0x0500000000000007),
                                     .since_ms = 1700000000000,
                                     .type = NBX_STR("card")};
    struct nbx_link_record least = linked, node = {.id = NBX_STR("c-1")};
    least.type = NBX_STR("");
    least.since_ms = 0;
    GOLDEN(link, link_same, 1, linked, "0103632d31070000000000000580a0abfef9620463617264");
    GOLDEN(link, link_same, 1, least, "0103632d3107000000000000050000");
    GOLDEN(link, link_same, 1, node, "0003632d31");
}

Test(store_golden, due_1)
{
    struct nbx_due_record anna = {.customer = NBX_STR("anna")}, nobody = {0};
    GOLDEN(due, due_same, 1, anna, "04616e6e61");
    GOLDEN(due, due_same, 1, nobody, "00");
}
