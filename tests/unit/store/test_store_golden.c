/* SPDX-License-Identifier: MIT
 * The payload bytes of every version of every record. They never change: a new version adds its
 * own, and the old ones stay readable. */
#include "tests/unit/store/samples.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct nbx_arena *arena;

static void begin(void)
{
    arena = nbx_arena_new(1u << 20);
}

static void end(void)
{
    nbx_arena_destroy(&arena);
}

TestSuite(store_golden, .init = begin, .fini = end);

static const char *hex_of(struct nbx_str s)
{
    char *hex = nbx_arena_alloc(arena, 2 * (size_t)s.len + 1);
    for (uint32_t i = 0; i < s.len; i++)
        snprintf(hex + 2 * i, 3, "%02x", (uint8_t)s.p[i]);
    hex[2 * s.len] = '\0';
    return hex;
}

static struct nbx_stored stored_of(uint8_t version, const char *hex)
{
    uint32_t n = (uint32_t)strlen(hex) / 2;
    char *p = nbx_arena_alloc(arena, n);
    for (uint32_t i = 0; i < n; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        p[i] = (char)strtoul(pair, NULL, 16);
    }
    return (struct nbx_stored){version, {p, n}};
}

/* Encodes `record` to exactly `hex`, and `hex` decodes to the same record. */
#define GOLDEN(kind, same, version, record, hex)                                                   \
    do {                                                                                           \
        struct nbx_##kind##_record in_ = (record), out_;                                           \
        struct nbx_buf b_ = {0};                                                                   \
        nbx_##kind##_record_encode(&b_, &in_);                                                     \
        cr_assert_str_eq(hex_of((struct nbx_str){(const char *)b_.p, (uint32_t)b_.len}), (hex));   \
        nbx_buf_fini(&b_);                                                                         \
        struct nbx_stored stored_ = stored_of((version), (hex));                                   \
        cr_assert_eq(nbx_##kind##_record_decode(&out_, &stored_, arena), NBX_OK);                  \
        cr_assert(same(&in_, &out_));                                                              \
    } while (0)

/* The bytes of an older version, which decode to `record`. */
#define GOLDEN_OLD(kind, same, version, record, hex)                                               \
    do {                                                                                           \
        struct nbx_##kind##_record want_ = (record), out_;                                         \
        struct nbx_stored stored_ = stored_of((version), (hex));                                   \
        cr_assert_eq(nbx_##kind##_record_decode(&out_, &stored_, arena), NBX_OK);                  \
        cr_assert(same(&want_, &out_));                                                            \
    } while (0)

static struct nbx_member members[] = {
    {{"tier", 4}, {.type = NBX_STRING, .s = {"gold", 4}}},
    {{"age", 3}, {.type = NBX_INT, .i = 41}},
    {{"ok", 2}, {.type = NBX_BOOL, .b = true}},
};
static const struct nbx_value map = {.type = NBX_MAP, .n = 3, .members = members};
static const struct nbx_value consent = {.type = NBX_MAP, .n = 1, .members = members + 2};
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

static const struct nbx_decision_item decided_items[] = {{70000, 0.5f, 1}, {3, -2.0f, 4}};

static struct nbx_decision_record full_decision(void)
{
    return (struct nbx_decision_record){.time_ms = 1700000000000,
                                        .now_ms = 1700000000001,
                                        .op = NBX_STR("rank"),
                                        .placement = NBX_STR("home"),
                                        .channel = NBX_STR("web"),
                                        .store = NBX_STR("s1"),
                                        .model_name = NBX_STR("als"),
                                        .model_version = NBX_STR("v7"),
                                        .group_seq = 1000,
                                        .catalogue_seq = 9,
                                        .personal = true,
                                        .shown = true,
                                        .items = decided_items,
                                        .n = 2,
                                        .recall = 1,
                                        .propensity = 1};
}

Test(store_golden, decision_1)
{
    struct nbx_decision_record full = full_decision();
    struct nbx_decision_record least = {.op = NBX_STR("recommend"), .recall = 1, .propensity = 1};
    struct nbx_decision_record other = least;
    other.op = NBX_STR("similar");
    other.time_ms = other.now_ms = 5;
    GOLDEN_OLD(decision, decided_same, 1, full,
               "f70380a0abfef9620204686f6d650377656202733103616c73027637e8070902f0a2040000003f01"
               "03000000c004");
    GOLDEN_OLD(decision, decided_same, 1, least, "0000000000");
    GOLDEN_OLD(decision, decided_same, 1, other, "080a0773696d696c6172000000");
}

/* All of version 2. */
static struct nbx_decision_record fuller_decision(void)
{
    static const uint32_t excluded[] = {7, 5}, ranked[] = {3, 70000}, liked[] = {8, 9};
    static const float vector[] = {1.0f, -0.5f}, weights[] = {1.5f, 0.25f};
    static const struct nbx_decision_factors factors[] = {{0.5f, 1, 1, 1}, {-1, 2, 1, 1}};
    struct nbx_decision_record full = full_decision();
    full.asked = 20;
    full.context = full.filter = &map;
    full.excluded = (struct nbx_item_numbers){excluded, 2};
    full.ranked = (struct nbx_item_numbers){ranked, 2};
    full.exclude_seen = full.distinct_group = full.approximate = full.partial = true;
    full.recall = 0.5f;
    full.vector = (struct nbx_decision_vector){NBX_VECTOR_FOLDED, NBX_STR("s"), vector, 2};
    full.history = (struct nbx_item_numbers){liked, 2};
    full.history_weights = weights;
    full.seen_digest = UINT64_C(0x0123456789abcdef);
    full.policy = 300;
    full.variant = 2;
    full.propensity = 0.5f;
    full.factors = factors;
    return full;
}

Test(store_golden, decision_2)
{
    struct nbx_decision_record full = fuller_decision(), plain = full_decision();
    struct nbx_decision_record least = {.op = NBX_STR("recommend"), .recall = 1, .propensity = 1};
    plain.asked = 2;
    GOLDEN_OLD(decision, decided_same, 2, full,
               "f7ffff0180a0abfef9620204686f6d650377656202733103616c730276371483a474696572a4676f"
               "6c64a361676529a26f6bc31483a474696572a4676f6c64a361676529a26f6bc3020e030206dac508"
               "030173020000803f000000bf0210020000c03f0000803e0000003fefcdab8967452301ac02020000"
               "003fe807091402f0a2040000003f010000003f0000803f0000803f0000803f03000000c004000080"
               "bf000000400000803f0000803f");
    GOLDEN_OLD(decision, decided_same, 2, plain,
               "f70380a0abfef9620204686f6d650377656202733103616c73027637e807090202f0a2040000003f01"
               "03000000c004");
    GOLDEN_OLD(decision, decided_same, 2, least, "000000000000");
}

Test(store_golden, decision_3)
{
    static const struct nbx_type_ttl ttls[] = {{3, 86400000}, {300, 1}};
    struct nbx_decision_record full = fuller_decision(), plain = full_decision();
    struct nbx_decision_record least = {.op = NBX_STR("recommend"), .recall = 1, .propensity = 1};
    plain.asked = 2;
    full.ttls = ttls;
    full.n_ttls = 2;
    GOLDEN_OLD(decision, decided_same, 3, full,
               "f7ffff0380a0abfef9620204686f6d650377656202733103616c730276371483a474696572a4676f"
               "6c64a361676529a26f6bc31483a474696572a4676f6c64a361676529a26f6bc3020e030206dac508"
               "030173020000803f000000bf0210020000c03f0000803e0000003fefcdab8967452301ac02020000"
               "003f020380b89929ac0201e807091402f0a2040000003f010000003f0000803f0000803f0000803f"
               "03000000c004000080bf000000400000803f0000803f");
    GOLDEN_OLD(decision, decided_same, 3, plain,
               "f70380a0abfef9620204686f6d650377656202733103616c73027637e807090202f0a2040000003f01"
               "03000000c004");
    GOLDEN_OLD(decision, decided_same, 3, least, "000000000000");
    struct nbx_stored later = stored_of(3, "80808004000000000000");
    cr_assert_eq(nbx_decision_record_decode(&least, &later, arena), NBX_ECORRUPT,
                 "3 knew no linked ones");
    later.version = 4;
    cr_assert_eq(nbx_decision_record_decode(&least, &later, arena), NBX_OK);
}

/* As version 3, and of whom the seen set was joined. */
Test(store_golden, decision_4)
{
    static const struct nbx_linked_part parts[] = {
        {UINT64_C(0x0500000000000007), UINT64_C(0x0123456789abcdef)},
        {UINT64_C(0xff00000000000001), 0}};
    static const struct nbx_type_ttl ttls[] = {{3, 86400000}, {300, 1}};
    struct nbx_decision_record full = fuller_decision(), plain = full_decision();
    struct nbx_decision_record least = {.op = NBX_STR("recommend"), .recall = 1, .propensity = 1};
    plain.asked = 2;
    full.ttls = ttls;
    full.n_ttls = 2;
    full.parts = parts;
    full.n_parts = 2;
    GOLDEN(decision, decided_same, 4, full,
           "f7ffff0780a0abfef9620204686f6d650377656202733103616c730276371483a474696572a4676f"
           "6c64a361676529a26f6bc31483a474696572a4676f6c64a361676529a26f6bc3020e030206dac508"
           "030173020000803f000000bf0210020000c03f0000803e0000003fefcdab8967452301ac02020000"
           "003f020380b89929ac0201020700000000000005efcdab896745230101000000000000ff000000000000000"
           "0e807091402f0a2040000003f010000003f0000803f0000803f0000803f"
           "03000000c004000080bf000000400000803f0000803f");
    GOLDEN(decision, decided_same, 4, plain,
           "f70380a0abfef9620204686f6d650377656202733103616c73027637e807090202f0a2040000003f01"
           "03000000c004");
    GOLDEN(decision, decided_same, 4, least, "000000000000");
}

Test(store_golden, item_1)
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

Test(store_golden, item_2)
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

Test(store_golden, past_item_1)
{
    struct nbx_past_item_record r = {.ended_ms = 1700000000000, .was = {1, NBX_STR("abc")}};
    GOLDEN(past_item, past_item_same, 1, r, "0068e5cf8b0100000103616263");
}

static struct nbx_log_event log_events[] = {
    {7, 1700000000000, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}},
    {300, 1690000000000, {0xff}},
};

Test(store_golden, log_1_of_customers)
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

Test(store_golden, log_1_of_items_and_places)
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
}

Test(store_golden, model_1)
{
    struct nbx_model_record least = {.bytes = 300, .pushed_ms = 1700000000000}, full, first, gone;
    for (size_t i = 0; i < sizeof least.digest; i++)
        least.digest[i] = (uint8_t)i;
    gone = first = full = least;
    gone.deleted = true;
    full.stage = first.stage = NBX_STAGE_ACTIVE;
    full.activated_ms = first.activated_ms = 1700000000500;
    full.by = NBX_STR("ci");
    full.parent = NBX_STR("v0");
    full.notes = NBX_STR("nightly");
    full.metrics = &map;
    full.replaced_name = NBX_STR("ials");
    full.replaced_version = NBX_STR("v0");
    GOLDEN(model, model_same, 1, full,
           "3e000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfef9"
           "6203026369027630076e696768746c791483a474696572a4676f6c64a361676529a26f6bc3e8a7ab"
           "fef9620469616c73027630");
    GOLDEN(model, model_same, 1, first,
           "20000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfef9"
           "6203e8a7abfef9620000");
    GOLDEN(model, model_same, 1, least,
           "00000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfef9"
           "6200");
    GOLDEN(model, model_same, 1, gone,
           "01000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fac0280a0abfef9"
           "62");
}
