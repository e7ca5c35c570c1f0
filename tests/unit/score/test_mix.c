/* SPDX-License-Identifier: MIT
 * Blends of random parts against the brute force of mix.h, and searched as one query.
 */
#include "tests/unit/score/brute.h"
#include "tests/unit/score/mix.h"

#include <criterion/criterion.h>
#include <float.h>

#define SEED        20260803
#define MAX_ITEMS   400
#define MAX_HISTORY 60
#define MAX_LABEL   5000
#define MAX_JOINED  (NBX_BLEND_MAX_PARTS * MIX_DIMS)
#define TOLERANCE   1e-3 /* of what each part gives, and of its weight */
#define WORLDS      150
#define MAX_GROUPS  4

static struct nbx_random rng;
static struct nbx_arena *arena;

static void setup(void)
{
    nbx_random_init(&rng, SEED);
    arena = nbx_arena_new((size_t)64 << 20);
}
static void teardown(void)
{
    nbx_arena_destroy(&arena);
}
TestSuite(mix, .init = setup, .fini = teardown, .timeout = 300);

static size_t below(size_t n)
{
    return (size_t)nbx_random_below(&rng, n);
}
static float normal(void)
{
    return (float)nbx_random_normal(&rng);
}

/* Parts and a history, everything random. */
struct scene {
    struct nbx_blend_options o;
    struct nbx_blend_part parts[NBX_BLEND_MAX_PARTS];
    uint32_t labels[MAX_ITEMS];
    struct nbx_blend *blend;
    size_t dims;  /* of all spaces, 0 where there is none */
    float *items; /* (n_items, padded) joined; of a blend without spaces zeros */
    size_t padded;
    struct nbx_blend_history h;
    uint32_t rows[MAX_HISTORY];
    float weights[MAX_HISTORY];
    const float *vectors[MAX_HISTORY];
    float own[MAX_HISTORY][MAX_JOINED]; /* vectors of items without a row, or with another */
};

/* (n, dims) around a mean that is up to three deviations off, as scores of popularity are. */
static float *matrix(size_t n, size_t dims)
{
    float scale = expf(2 * normal()), *out = malloc((n * dims + 1) * sizeof *out), mean[MIX_DIMS];
    for (size_t d = 0; d < dims; d++)
        mean[d] = below(2) ? 0 : 6 * (float)nbx_random_unit(&rng) - 3;
    for (size_t i = 0; i < n * dims; i++)
        out[i] = scale * (normal() + mean[i % dims]);
    return out;
}

/* A list for each group; one number in four is negative. */
static void make_positions(struct nbx_blend_part *p, size_t n_groups)
{
    float *out = malloc(MAX_GROUPS * 8 * sizeof *out);
    p->n_groups = n_groups;
    p->n_positions = 1 + below(8);
    for (size_t i = 0; i < n_groups * p->n_positions; i++)
        out[i] = (below(4) ? 1 : -1) * (below(4) ? (float)nbx_random_unit(&rng) : (float)below(2));
    p->positions = out;
}

static void make_summed(struct nbx_blend_part *p, size_t n_items)
{
    make_positions(p, 1 + below(MAX_GROUPS));
    p->bias = below(2);
    p->dims = p->n_groups * (1 + below(below(4) ? 12 : (MIX_DIMS - 1) / p->n_groups)) + p->bias;
    p->item_factors = matrix(n_items, p->dims);
    p->history_factors = matrix(n_items, p->dims);
}

/* Each row with none, few or many of the items, ascending. */
static void make_neighbours(struct nbx_blend_part *p, size_t n_items)
{
    static const double densities[] = {0, 0.01, 0.2, 1};
    double density = densities[below(4)];
    uint64_t *start = malloc((n_items + 1) * sizeof *start), n = 0;
    uint32_t *to = malloc((n_items * n_items + 1) * sizeof *to);
    float *weights = malloc((n_items * n_items + 1) * sizeof *weights), scale = expf(2 * normal());
    for (size_t i = 0; i < n_items; i++) {
        start[i] = n;
        for (uint32_t j = 0; j < n_items; j++)
            if (nbx_random_unit(&rng) < density) {
                to[n] = j;
                weights[n++] = scale * (below(4) ? fabsf(normal()) : normal());
            }
    }
    start[n_items] = n;
    p->start = start;
    p->neighbours = to;
    p->weights = weights;
}

static void make_part(struct nbx_blend_part *p, enum nbx_blend_kind kind, size_t n_items)
{
    *p = (struct nbx_blend_part){.kind = kind, .weight = 0.1F + 2 * (float)nbx_random_unit(&rng)};
    if (kind == NBX_BLEND_NEIGHBOURS) {
        make_neighbours(p, n_items);
        make_positions(p, 1);
    } else if (kind == NBX_BLEND_SUMMED) {
        make_summed(p, n_items);
    } else {
        p->dims = kind == NBX_BLEND_CONSTANT ? 1 : 1 + below(below(4) ? 12 : MIX_DIMS);
        p->item_factors = matrix(n_items, p->dims);
    }
    if (kind == NBX_BLEND_FOLDED)
        p->fold = (struct nbx_fold_in_options){.alpha0 = 0.01F + (float)nbx_random_unit(&rng),
                                               .lambda = 0.1F,
                                               .nu = (float)nbx_random_unit(&rng)};
}

static void free_part(const struct nbx_blend_part *p)
{
    free((void *)p->item_factors);
    free((void *)p->history_factors);
    free((void *)p->positions);
    free((void *)p->start);
    free((void *)p->neighbours);
    free((void *)p->weights);
}

/* Items as an index takes them. */
static void join_items(struct scene *s)
{
    s->dims = nbx_blend_dims(s->blend);
    s->padded = nbx_padded(s->dims ? s->dims : 1);
    s->items = aligned_alloc(64, s->o.n_items * s->padded * sizeof *s->items);
    memset(s->items, 0, s->o.n_items * s->padded * sizeof *s->items);
    for (size_t i = 0; i < s->o.n_items; i++)
        nbx_blend_item(s->blend, i, s->items + i * s->padded);
}

/* Labels in no order, with gaps. */
static void make_labels(struct scene *s)
{
    uint32_t label = 0;
    for (size_t i = 0; i < s->o.n_items; i++)
        s->labels[i] = label += 1 + (uint32_t)below(MAX_LABEL / MAX_ITEMS);
    for (size_t i = s->o.n_items; i-- > 1;) {
        size_t j = below(i + 1);
        uint32_t keep = s->labels[i];
        s->labels[i] = s->labels[j];
        s->labels[j] = keep;
    }
}

/* Distinct rows; one in five has a vector of its own, of which half have no row. */
static void make_history(struct scene *s, size_t n)
{
    size_t first = below(s->o.n_items);
    s->h = (struct nbx_blend_history){s->rows, s->weights, s->vectors,
                                      n < s->o.n_items ? n : s->o.n_items};
    for (size_t k = 0; k < s->h.n; k++) {
        size_t row = (first + k * 7919) % s->o.n_items; /* prime to every number of items */
        s->rows[k] = (uint32_t)row;
        s->weights[k] = below(2) ? 1 : 0.1F + 3 * (float)nbx_random_unit(&rng);
        s->vectors[k] = s->items + row * s->padded;
        if (below(5))
            continue;
        for (size_t d = 0; d < s->dims; d++)
            s->own[k][d] = 2 * s->vectors[k][d] + 0.1F * normal();
        s->vectors[k] = s->own[k];
        s->rows[k] = below(2) ? NBX_BLEND_NO_ROW : s->rows[k];
    }
}

/* Some neighbours correct a space, before or behind them. */
static void scale_neighbours(struct scene *s)
{
    for (size_t i = 0; i < s->o.n_parts; i++) {
        size_t by = below((uint32_t)s->o.n_parts);
        enum nbx_blend_kind kind = s->parts[by].kind;
        if (s->parts[i].kind == NBX_BLEND_NEIGHBOURS &&
            (kind == NBX_BLEND_FOLDED || kind == NBX_BLEND_SUMMED))
            s->parts[i].scaled_by = by + 1;
    }
}

static void scene_begin(struct scene *s, size_t n_parts, size_t n_items, bool standardise)
{
    s->o = (struct nbx_blend_options){.parts = s->parts,
                                      .n_parts = n_parts,
                                      .n_items = n_items,
                                      .labels = below(2) ? s->labels : NULL,
                                      .standardise = standardise};
    make_labels(s);
    for (size_t i = 0; i < n_parts; i++)
        make_part(&s->parts[i], (enum nbx_blend_kind)below(4), n_items);
    scale_neighbours(s);
}

static void scene_ready(struct scene *s)
{
    cr_assert_eq(nbx_blend_new(&s->blend, &s->o), NBX_OK);
    cr_assert_gt(nbx_blend_bytes(s->blend), 0);
    join_items(s);
}

static void scene_end(struct scene *s)
{
    nbx_blend_destroy(&s->blend);
    cr_assert_null(s->blend);
    free(s->items);
    for (size_t i = 0; i < s->o.n_parts; i++)
        free_part(&s->parts[i]);
}

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
                  SEED);
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
        cr_assert_eq(brute_difference(got, n, want, n_want), -1, "seed %d", SEED);
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

Test(mix, groups_have_positions_of_their_own_and_a_bias_has_none)
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
Test(mix, what_passes_the_largest_float_never_gets_into_a_query)
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

Test(mix, too_little_memory_is_said)
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
