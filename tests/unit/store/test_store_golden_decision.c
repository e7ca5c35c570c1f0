/* SPDX-License-Identifier: MIT
 * The payload bytes of every version of a decision. They never change: a new
 * version adds its own, and the old ones stay readable.
 */
#include "tests/unit/store/golden.h"

TestSuite(store_golden_decision, .init = golden_begin, .fini = golden_end);

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

Test(store_golden_decision, decision_1)
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

Test(store_golden_decision, decision_2)
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

Test(store_golden_decision, decision_3)
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
Test(store_golden_decision, decision_4)
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
