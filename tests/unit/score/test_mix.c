/* SPDX-License-Identifier: MIT
 * Blends of random parts against the brute force of mix.h, and searched as one query.
 */
#include "tests/unit/score/brute.h"
#include "tests/unit/score/scene.h"

#define TOLERANCE 1e-3 /* of what each part gives, and of its weight */
#define WORLDS    150

TestSuite(mix, .init = scene_setup, .fini = scene_teardown, .timeout = 300);

/* A customer as the search is asked: x, and addends by row. */
struct asked {
    float *x; /* (padded) */
    struct nbx_addends addends;
    float by_row[MAX_ITEMS];
};

static size_t row_of(const struct scene *s, uint32_t label)
{
    size_t row = 0;
    while (row < s->o.n_items && (s->o.labels ? s->o.labels[row] : row) != label)
        row++;
    cr_assert(row < s->o.n_items, "label %u is nobody's", label);
    return row;
}

/* together: vector and addends at once. */
static void ask_blend(struct asked *a, const struct scene *s, bool together)
{
    a->x = nbx_arena_floats(arena, s->padded);
    memset(a->x, 0, s->padded * sizeof *a->x);
    memset(a->by_row, 0, sizeof a->by_row);
    for (size_t d = 0; d < nbx_padded(s->dims); d++)
        a->x[d] = NAN;
    if (together) {
        cr_assert_eq(nbx_blend_query(s->blend, &s->h, arena, a->x, &a->addends), NBX_OK);
    } else {
        cr_assert_eq(nbx_blend_vector(s->blend, &s->h, arena, a->x), NBX_OK);
        cr_assert_eq(nbx_blend_addends(s->blend, &s->h, arena, &a->addends), NBX_OK);
    }
    for (size_t d = s->dims; d < s->padded; d++)
        cr_assert(a->x[d] == 0);
    for (size_t i = 0; i < a->addends.n; i++)
        a->by_row[row_of(s, a->addends.labels[i])] += a->addends.values[i];
}

/* How far from the reference rounding may take a score of that item. */
static double slack(const struct mix *m, const float *y, uint32_t row)
{
    double sum = 1e-6;
    for (size_t i = 0; i < m->o->n_parts; i++)
        sum +=
            fabs(mix_gives(m, i, y, row)) + (m->scale[i] > 0 ? (double)m->o->parts[i].weight : 0);
    return TOLERANCE * sum;
}

static double joined_dot(const struct scene *s, const float *x, const float *y)
{
    double sum = 0;
    for (size_t d = 0; d < s->dims; d++)
        sum += (double)x[d] * (double)y[d];
    return sum;
}

static void check_scores(const struct scene *s, const struct mix *m, const struct asked *a)
{
    for (uint32_t row = 0; row < s->o.n_items; row++) {
        const float *y = s->items + row * s->padded;
        double got = joined_dot(s, a->x, y) + (double)a->by_row[row], want = mix_score(m, y, row);
        cr_assert(fabs(got - want) <= slack(m, y, row),
                  "row %u of %zu scores %.9g, not %.9g, seed %d", row, s->o.n_items, got, want,
                  SCENE_SEED);
    }
    for (size_t k = 0; k < s->h.n; k++) { /* of items with vectors of their own too */
        const float *y = s->h.vectors[k];
        double got = joined_dot(s, a->x, y), want = mix_score(m, y, NBX_BLEND_NO_ROW);
        cr_assert(fabs(got - want) <= slack(m, y, NBX_BLEND_NO_ROW), "own %zu", k);
    }
}

/* The same history gives the same bits. */
static void check_repeats(const struct scene *s, const struct asked *a, bool together)
{
    static struct asked again;
    ask_blend(&again, s, together);
    cr_assert_eq(memcmp((const char *)again.x, (const char *)a->x, s->padded * sizeof *a->x), 0);
    cr_assert_eq(again.addends.n, a->addends.n);
    if (a->addends.n == 0)
        return;
    cr_assert_eq(memcmp(again.addends.labels, a->addends.labels, a->addends.n * sizeof(uint32_t)),
                 0);
    cr_assert_eq(memcmp((const char *)again.addends.values, (const char *)a->addends.values,
                        a->addends.n * sizeof(float)),
                 0);
}

/* Each share is the reference's, and with the constant parts and biases they are the score. */
static void check_shares_of(const struct scene *s, const struct mix *m, const float *y,
                            uint32_t row)
{
    double want[MAX_HISTORY], sum = 0;
    float shares[MAX_HISTORY];
    cr_assert_eq(nbx_blend_explain(s->blend, &s->h, y, row, arena, shares), NBX_OK);
    mix_shares(want, m, y, row);
    double all = slack(m, y, row);
    for (size_t k = 0; k < s->h.n; k++)
        all += TOLERANCE * fabs(want[k]);
    for (size_t k = 0; k < s->h.n; k++) {
        cr_assert(fabs((double)shares[k] - want[k]) <= all, "share %zu of %zu: %.9g, not %.9g", k,
                  s->h.n, (double)shares[k], want[k]);
        sum += (double)shares[k];
    }
    for (size_t i = 0; i < s->o.n_parts; i++)
        sum += mix_unasked(m, i, y);
    cr_assert(fabs(sum - mix_score(m, y, row)) <= all, "shares sum to %.9g, the score is %.9g", sum,
              mix_score(m, y, row));
}

static void check_shares(const struct scene *s, const struct mix *m)
{
    for (int i = 0; i < 5; i++) {
        uint32_t row = (uint32_t)below(s->o.n_items);
        check_shares_of(s, m, s->items + row * s->padded, row);
    }
    if (s->h.n) {
        size_t k = below(s->h.n);
        check_shares_of(s, m, s->h.vectors[k], s->h.rows[k]);
        check_shares_of(s, m, s->h.vectors[k], NBX_BLEND_NO_ROW);
    }
}

/* The search over the joined vectors gives the order of canonical score + addend, to the bit. */
static void check_search(const struct scene *s, const struct asked *a)
{
    static uint32_t labels[MAX_ITEMS];
    static struct nbx_hit want[MAX_ITEMS], got[MAX_ITEMS + 1];
    struct nbx_index *index = NULL;
    for (uint32_t i = 0; i < s->o.n_items; i++)
        labels[i] = s->o.labels ? s->o.labels[i] : i;
    struct nbx_packed_items items = {.vectors = s->items,
                                     .labels = labels,
                                     .n = s->o.n_items,
                                     .dim = s->dims ? s->dims : 1,
                                     .stride = s->padded};
    cr_assert_eq(nbx_index_new(&index, &items), NBX_OK);
    const struct brute_items all = {s->items, labels, s->o.n_items, s->padded};
    for (int i = 0; i < 2; i++) {
        struct nbx_query q = {.vector = a->x,
                              .k = i ? s->o.n_items + 1 : 1 + below(s->o.n_items),
                              .addends = a->addends.n ? &a->addends : NULL};
        size_t n, n_want = brute_force(want, &all, &q, q.k);
        cr_assert_eq(nbx_search(index, &q, arena, got, &n, NULL), NBX_OK);
        cr_assert_eq(brute_difference(got, n, want, n_want), -1, "seed %d", SCENE_SEED);
    }
    nbx_index_destroy(&index);
}

static void check_customer(struct scene *s, size_t n_history)
{
    static struct asked a;
    struct mix m;
    make_history(s, n_history);
    mix_make(&m, &s->o, &s->h);
    ask_blend(&a, s, false);
    check_scores(s, &m, &a);
    check_repeats(s, &a, false);
    check_repeats(s, &a, true);
    check_shares(s, &m);
    check_search(s, &a);
    mix_free(&m);
    nbx_arena_reset(arena);
}

static void check_world(size_t n_parts, size_t n_items, bool standardise)
{
    static struct scene s;
    static const size_t lengths[] = {0, 1, 2, 5, 17, MAX_HISTORY};
    scene_begin(&s, n_parts, n_items, standardise);
    scene_ready(&s);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        check_customer(&s, lengths[i]);
    scene_end(&s);
}

Test(mix, random_blends_equal_the_brute_force)
{
    for (size_t w = 0; w < WORLDS; w++)
        check_world(1 + below(5), 2 + below(w % 3 ? 60 : MAX_ITEMS - 1), true);
}

Test(mix, plain_sums_equal_the_brute_force)
{
    for (size_t w = 0; w < WORLDS / 2; w++)
        check_world(1 + below(5), 1 + below(w % 3 ? 60 : MAX_ITEMS), false);
}

Test(mix, as_many_parts_as_there_may_be)
{
    for (int w = 0; w < 4; w++)
        check_world(NBX_BLEND_MAX_PARTS, 2 + below(100), true);
}

/* One item: nothing deviates. */
Test(mix, one_item_has_no_score)
{
    static struct scene s;
    static struct asked a;
    for (int w = 0; w < 20; w++) {
        scene_begin(&s, 1 + below(4), 1, true);
        scene_ready(&s);
        make_history(&s, 1);
        ask_blend(&a, &s, false);
        cr_expect(fabs(joined_dot(&s, a.x, s.items)) + fabs((double)a.by_row[0]) <= 0);
        nbx_arena_reset(arena);
        scene_end(&s);
    }
}

/* Every item with the first one's factors; a constant of 0.1, which no sum of floats hits. */
static void make_factors_alike(const struct nbx_blend_part *p, size_t n_items)
{
    float *factors = (float *)p->item_factors;
    if (p->kind == NBX_BLEND_CONSTANT)
        factors[0] = 0.1F;
    for (size_t i = 1; i < n_items; i++)
        memcpy(factors + i * p->dims, factors, p->dims * sizeof *factors);
}

/* Every row with every item, all of one weight. */
static void make_rows_alike(const struct nbx_blend_part *p, size_t n_items)
{
    uint64_t *start = (uint64_t *)p->start;
    uint32_t *to = (uint32_t *)p->neighbours;
    float *weights = (float *)p->weights;
    for (size_t i = 0; i < n_items; i++) {
        start[i + 1] = (i + 1) * n_items;
        for (size_t j = 0; j < n_items; j++) {
            to[i * n_items + j] = (uint32_t)j;
            weights[i * n_items + j] = 0.1F * (float)(i + 1);
        }
    }
}

/* All items alike in one part, far from 0: it adds nothing, and takes nothing from the others. */
Test(mix, a_part_that_tells_nothing_apart_adds_nothing)
{
    static struct scene s;
    for (int kind = 0; kind < 4; kind++) {
        scene_begin(&s, 2, 300, true);
        free_part(&s.parts[1]);
        make_part(&s.parts[1], (enum nbx_blend_kind)kind, 300);
        if (kind == NBX_BLEND_NEIGHBOURS)
            make_rows_alike(&s.parts[1], 300);
        else
            make_factors_alike(&s.parts[1], 300);
        scene_ready(&s);
        check_customer(&s, 3);
        check_customer(&s, 1);
        scene_end(&s);
    }
}

/* A thousand times less: what squares in single precision would lose. */
Test(mix, a_small_deviation_about_a_large_mean_counts_in_full)
{
    static struct scene s;
    for (int w = 0; w < 10; w++) {
        scene_begin(&s, 2, 300, true);
        free_part(&s.parts[1]);
        make_part(&s.parts[1], NBX_BLEND_CONSTANT, 300);
        float *factors = (float *)s.parts[1].item_factors;
        for (size_t i = 0; i < 300; i++)
            factors[i] = 1000 + normal();
        scene_ready(&s);
        check_customer(&s, 3);
        scene_end(&s);
    }
}
