/* SPDX-License-Identifier: MIT
 * Blends by hand, past the largest float and without memory.
 */
#include "tests/unit/score/scene.h"

#include <float.h>

TestSuite(mix_limits, .init = scene_setup, .fini = scene_teardown, .timeout = 300);

/* A summed space by hand: of its two groups the first sees the latest item, the second what came
 * before, subtracted; the last dimension is 1 for everybody. */
static const float by_hand_items[] = {1, 2, 4, 8, 16, /**/ 1, 0, 0, 0, 0, /**/ 0, 1, 1, 0, -3};
static const float by_hand_history[] = {3, 5, 7, 9, 99, /**/ 2, 4, 6, 8, 99, /**/ 1, 1, 1, 1, 99};
static const float by_hand_positions[] = {1, 0, 0, -0.5F};

static struct nbx_blend *blend_by_hand(void)
{
    struct nbx_blend *blend;
    const struct nbx_blend_part part = {.kind = NBX_BLEND_SUMMED,
                                        .weight = 2,
                                        .dims = 5,
                                        .item_factors = by_hand_items,
                                        .history_factors = by_hand_history,
                                        .bias = true,
                                        .positions = by_hand_positions,
                                        .n_positions = 2,
                                        .n_groups = 2};
    const struct nbx_blend_options o = {.parts = &part, .n_parts = 1, .n_items = 3};
    cr_assert_eq(nbx_blend_new(&blend, &o), NBX_OK);
    return blend;
}

Test(mix_limits, groups_have_positions_of_their_own_and_a_bias_has_none)
{
    struct nbx_blend *blend = blend_by_hand();
    const uint32_t rows[] = {0, 2, NBX_BLEND_NO_ROW, 1};
    const float weights[] = {1, 2, 1, 4};
    const float *const vectors[] = {by_hand_items, by_hand_items + 10, by_hand_items,
                                    by_hand_items + 5};
    struct nbx_blend_history h = {rows, weights, vectors, 4};
    const float want[] = {2 * 3, 2 * 5, 2 * (-1 - 12), 2 * (-1 - 16), 2};
    const float want_shares[] = {2 * (3 + 10), 2 * (-4 - 8), 0, 2 * (-48 - 128)};
    float *x = nbx_arena_floats(arena, nbx_padded(5)), shares[4], sum = 2 * 16;
    cr_assert_eq(nbx_blend_vector(blend, &h, arena, x), NBX_OK);
    for (size_t d = 0; d < 5; d++)
        cr_expect(x[d] == want[d], "dimension %zu is %g", d, (double)x[d]);
    cr_assert_eq(nbx_blend_explain(blend, &h, by_hand_items, 0, arena, shares), NBX_OK);
    for (size_t k = 0; k < 4; k++) {
        cr_expect(shares[k] == want_shares[k], "share %zu is %g", k, (double)shares[k]);
        sum += shares[k];
    }
    for (size_t d = 0; d < 5; d++)
        sum -= x[d] * by_hand_items[d];
    cr_expect(sum == 0, "shares and bias miss the score by %g", (double)sum);
    h.n = 0;
    cr_assert_eq(nbx_blend_vector(blend, &h, arena, x), NBX_OK);
    for (size_t d = 0; d < 5; d++)
        cr_expect(x[d] == (d == 4 ? 2 : 0), "dimension %zu is %g", d, (double)x[d]);
    nbx_blend_destroy(&blend);
}

static enum nbx_err vector_and_addends(const struct scene *s)
{
    float *x = nbx_arena_floats(arena, s->padded);
    struct nbx_addends addends;
    enum nbx_err err = nbx_blend_vector(s->blend, &s->h, arena, x);
    enum nbx_err also = nbx_blend_addends(s->blend, &s->h, arena, &addends);
    for (size_t d = 0; !err && d < nbx_padded(s->dims); d++)
        cr_assert(isfinite(x[d]), "dimension %zu", d);
    for (size_t i = 0; !also && i < addends.n; i++)
        cr_assert(isfinite(addends.values[i]), "addend %zu", i);
    return err ? err : also;
}

/* A search must never see what is not finite: too large is refused, or adds nothing. */
Test(mix_limits, what_passes_the_largest_float_never_gets_into_a_query)
{
    static struct scene s;
    size_t refused = 0;
    for (int w = 0; w < 60; w++) {
        scene_begin(&s, 1 + below(3), 40, w % 4 != 0);
        for (size_t i = 0; i < s.o.n_parts; i++) {
            struct nbx_blend_part *p = &s.parts[i];
            float *arrays[] = {(float *)p->history_factors, (float *)p->weights};
            size_t n[] = {40 * p->dims, p->start ? (size_t)p->start[40] : 0};
            for (size_t a = 0; a < 2; a++)
                for (size_t e = 0; arrays[a] && e < n[a]; e++)
                    arrays[a][e] = (below(2) ? 1 : -1) * FLT_MAX / (float)(1 + below(100));
        }
        scene_ready(&s);
        make_history(&s, 20);
        refused += vector_and_addends(&s) != NBX_OK;
        nbx_arena_reset(arena);
        scene_end(&s);
    }
    cr_expect_gt(refused, 0);
}

Test(mix_limits, too_little_memory_is_said)
{
    static struct scene s;
    scene_begin(&s, 5, 200, true);
    for (int kind = 0; kind < 4; kind++) {
        free_part(&s.parts[kind]);
        make_part(&s.parts[kind], (enum nbx_blend_kind)kind, 200);
    }
    scene_ready(&s);
    make_history(&s, 30);
    struct nbx_arena *whole = arena;
    size_t refused = 0, bytes = 256;
    enum nbx_err err = NBX_ELIMIT;
    for (; err; bytes += 256) {
        arena = nbx_arena_new(bytes + s.padded * sizeof(float) + 64);
        err = vector_and_addends(&s);
        cr_assert(err == NBX_OK || err == NBX_ELIMIT);
        refused += err != NBX_OK;
        nbx_arena_destroy(&arena);
    }
    cr_expect_gt(refused, 0);
    arena = whole;
    scene_end(&s);
}
