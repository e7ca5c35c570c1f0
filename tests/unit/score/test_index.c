/* SPDX-License-Identifier: MIT */
#include "engine/score/index.h"

#include "tests/unit/score/worlds.h"

#define SEED         1234
#define MODEL_LABELS 12000
#define MODEL_DIM    20
#define MODEL_ROW    32   /* floats: MODEL_DIM padded */
#define MOST_CHANGED 5000 /* in one change */
#define SEQUENCES    220
#define STEPS        10
#define ARENA_BYTES  (64u << 20)

/* What should be there: by label. */
struct model {
    size_t dim, padded, n_labels;
    bool there[MODEL_LABELS];
    float rows[MODEL_LABELS * MODEL_ROW]; /* (n_labels, padded) */
};

/* A change being put together. */
struct change {
    float vectors[MOST_CHANGED * MODEL_DIM]; /* (n_put, dim) */
    uint32_t labels[2 * MOST_CHANGED];       /* (n_put + n_removed) */
    struct nbx_index_changes c;
};

static struct nbx_random rng;
static struct nbx_arena *arena;
static struct model model, old_model;
static struct change change;
static _Alignas(64) float vector[MODEL_ROW];

static void setup(void)
{
    nbx_random_init(&rng, SEED);
    arena = nbx_arena_new(ARENA_BYTES);
}
static void teardown(void)
{
    nbx_arena_destroy(&arena);
}
TestSuite(index, .init = setup, .fini = teardown, .timeout = 300);

/* ---- the plain model ---- */

static void begin_model(size_t dim, size_t n_labels)
{
    model.dim = dim;
    model.padded = nbx_padded(dim);
    model.n_labels = n_labels;
    memset(model.there, 0, sizeof model.there);
    memset(model.rows, 0, sizeof model.rows);
}

static size_t count_there(const struct model *m)
{
    size_t n = 0;
    for (size_t l = 0; l < m->n_labels; l++)
        n += m->there[l];
    return n;
}

/* n_put labels get a new vector, n_removed others go, known or not. */
static void random_change(size_t n_put, size_t n_removed)
{
    struct nbx_index_changes *c = &change.c;
    world_choose_labels(&rng, change.labels, n_put + n_removed, (uint32_t)model.n_labels);
    enum world_kind kind = world_one_in(&rng, 3) ? WORLD_COARSE : WORLD_NORMAL;
    for (size_t i = 0; i < n_put; i++) {
        float *row = change.vectors + i * model.dim;
        world_vector(&rng, kind, row, model.dim);
        memcpy(model.rows + change.labels[i] * model.padded, row, model.dim * sizeof *row);
        model.there[change.labels[i]] = true;
    }
    for (size_t i = n_put; i < n_put + n_removed; i++)
        model.there[change.labels[i]] = false;
    *c = (struct nbx_index_changes){.put = {.vectors = change.vectors,
                                            .labels = change.labels,
                                            .n = n_put,
                                            .dim = model.dim,
                                            .stride = world_one_in(&rng, 2) ? 0 : model.dim},
                                    .removed = change.labels + n_put,
                                    .n_removed = n_removed};
}

static struct brute_items items_of(const struct model *m)
{
    static float rows[MODEL_LABELS * MODEL_ROW];
    static uint32_t labels[MODEL_LABELS];
    struct brute_items items = {rows, labels, 0, m->padded};
    for (uint32_t l = 0; l < m->n_labels; l++) {
        if (!m->there[l])
            continue;
        memcpy(rows + items.n * m->padded, m->rows + l * m->padded, m->padded * sizeof *rows);
        labels[items.n++] = l;
    }
    return items;
}

static void check_vectors(const struct nbx_index *index, const struct model *m, uint64_t seed)
{
    cr_assert_eq(nbx_index_count(index), count_there(m), "seed %llu", (unsigned long long)seed);
    for (uint32_t l = 0; l < m->n_labels; l++) {
        const float *row = nbx_index_vector(index, l);
        cr_assert_eq(row != NULL, m->there[l], "seed %llu label %u", (unsigned long long)seed, l);
        cr_assert(!row || ((uintptr_t)row % 64 == 0 &&
                           memcmp(row, m->rows + l * m->padded, m->padded * sizeof *row) == 0),
                  "seed %llu label %u", (unsigned long long)seed, l);
    }
    cr_assert_null(nbx_index_vector(index, (uint32_t)m->n_labels));
    cr_assert_null(nbx_index_vector(index, UINT32_MAX - 1));
}

static void check_answers(const struct nbx_index *index, const struct model *m, uint64_t seed)
{
    static struct nbx_hit want[MODEL_LABELS], got[MODEL_LABELS];
    struct brute_items items = items_of(m);
    memset(vector, 0, sizeof vector);
    world_vector(&rng, WORLD_NORMAL, vector, m->dim);
    struct nbx_query q = {.vector = vector,
                          .k = world_one_in(&rng, 8) ? m->n_labels : 1 + world_below(&rng, 60)};
    size_t n_want = brute_force(want, &items, &q, q.k), n_got;
    cr_assert_eq(nbx_search(index, &q, arena, got, &n_got, NULL), NBX_OK);
    long at = brute_difference(got, n_got, want, n_want);
    cr_assert(at < 0, "seed %llu place %ld", (unsigned long long)seed, at);
    nbx_arena_reset(arena);
}

static void check_view(const struct nbx_index *index, const struct model *m, uint64_t seed)
{
    check_vectors(index, m, seed);
    check_answers(index, m, seed);
}

static struct nbx_index *empty_index(void)
{
    struct nbx_index *index = NULL;
    struct nbx_packed_items none = {.dim = model.dim};
    cr_assert_eq(nbx_index_new(&index, &none), NBX_OK);
    return index;
}

static void apply(struct nbx_index **index)
{
    struct nbx_index *next = NULL;
    cr_assert_eq(nbx_index_change(&next, *index, &change.c), NBX_OK);
    nbx_index_destroy(index);
    *index = next;
}

/* Up to `most` things put and taken out. */
static void change_some(struct nbx_index **index, size_t most)
{
    size_t n_put = world_below(&rng, most + 1);
    random_change(n_put, world_below(&rng, most - n_put + 1));
    apply(index);
}

/* ---- sequences ---- */

Test(index, changes_equal_a_plain_model)
{
    for (uint64_t seed = SEED; seed < SEED + SEQUENCES; seed++) {
        nbx_random_init(&rng, seed);
        begin_model(1 + world_below(&rng, MODEL_DIM), 1 + world_below(&rng, 500));
        struct nbx_index *index = empty_index();
        for (int step = 0; step < STEPS; step++) {
            change_some(&index, model.n_labels);
            check_view(index, &model, seed);
        }
        nbx_index_destroy(&index);
    }
}

/* Large parts are shared by views; their items die in one view and live in another. */
Test(index, old_views_stay_what_they_were)
{
    begin_model(4, MODEL_LABELS);
    struct nbx_index *index = empty_index(), *old = NULL, *again = NULL;
    for (int i = 0; i < 3; i++) {
        random_change(MOST_CHANGED, 0);
        apply(&index);
    }
    for (int round = 0; round < 6; round++) {
        old_model = model;
        cr_assert_eq(nbx_index_change(&old, index, &(struct nbx_index_changes){0}), NBX_OK);
        change_some(&index, 300);
        change_some(&index, 300);
        cr_assert_eq(nbx_index_change(&again, old, &(struct nbx_index_changes){0}), NBX_OK);
        check_view(index, &model, SEED);
        check_view(old, &old_model, SEED);
        nbx_index_destroy(&old);
        check_view(index, &model, SEED);
        check_view(again, &old_model, SEED);
        nbx_index_destroy(&again);
    }
    nbx_index_destroy(&index);
}

/* A part of some size joins a new one of half its size or more, so that small parts' sizes fall by
 * two: at most log2(8,192) of them stand behind the large ones. */
Test(index, parts_stay_few)
{
    begin_model(2, MODEL_LABELS);
    struct nbx_index *index = empty_index();
    size_t put = 0;
    for (int i = 0; i < 150; i++) {
        random_change(1 + world_below(&rng, i % 50 ? 150 : 3000), world_below(&rng, 40));
        put += change.c.put.n;
        apply(&index);
        cr_assert_leq(index->n_parts, 2 + put / 4096 + 13);
    }
    check_view(index, &model, SEED);
    nbx_index_destroy(&index);
}

/* ---- packing anew ---- */

static float repack_weights[MODEL_LABELS];

/* Packs a view, changes on, adopts. */
static void repack(struct nbx_index **index, size_t changes, size_t most)
{
    struct nbx_index *view = NULL, *next = NULL;
    struct nbx_packed *fresh = NULL;
    cr_assert_eq(nbx_index_change(&view, *index, &(struct nbx_index_changes){0}), NBX_OK);
    for (size_t i = 0; i < changes / 2; i++)
        change_some(index, most);
    cr_assert_eq(nbx_index_repack(&fresh, view, world_one_in(&rng, 2) ? repack_weights : NULL),
                 NBX_OK);
    for (size_t i = changes / 2; i < changes; i++)
        change_some(index, most);
    cr_assert_eq(nbx_index_adopt(&next, *index, view, &fresh), NBX_OK);
    cr_assert_null(fresh);
    nbx_index_destroy(&view);
    nbx_index_destroy(index);
    *index = next;
}

static void repack_rounds(struct nbx_index **index, int rounds, size_t most, uint64_t seed)
{
    world_column(&rng, repack_weights, MODEL_LABELS);
    for (int i = 0; i < rounds; i++) {
        change_some(index, most);
        repack(index, world_below(&rng, 5), most);
        check_view(*index, &model, seed);
        change_some(index, most);
        check_view(*index, &model, seed);
    }
}

Test(index, packing_anew_beside_changes_equals_a_plain_model)
{
    for (uint64_t seed = SEED; seed < SEED + 60; seed++) {
        nbx_random_init(&rng, seed);
        begin_model(1 + world_below(&rng, MODEL_DIM), 1 + world_below(&rng, 400));
        struct nbx_index *index = empty_index();
        repack_rounds(&index, 4, model.n_labels, seed);
        nbx_index_destroy(&index);
    }
}

Test(index, packing_large_parts_anew_equals_a_plain_model)
{
    begin_model(3, MODEL_LABELS);
    struct nbx_index *index = empty_index();
    for (int i = 0; i < 4; i++) {
        random_change(MOST_CHANGED, 10);
        apply(&index);
    }
    cr_assert_gt(index->n_parts, 1);
    repack_rounds(&index, 6, 300, SEED);
    repack_rounds(&index, 4, MOST_CHANGED, SEED);
    nbx_index_destroy(&index);
}

/* Nothing is lost of what a view held, and nothing of what was packed comes back. */
Test(index, everything_may_go_while_it_is_packed)
{
    begin_model(3, 500);
    struct nbx_index *index = empty_index(), *next = NULL, *view = NULL;
    random_change(500, 0);
    apply(&index);
    cr_assert_eq(nbx_index_change(&view, index, &(struct nbx_index_changes){0}), NBX_OK);
    random_change(0, 500);
    apply(&index);
    struct nbx_packed *fresh = NULL;
    cr_assert_eq(nbx_index_repack(&fresh, view, NULL), NBX_OK);
    cr_assert_eq(fresh->n, 500);
    cr_assert_eq(nbx_index_adopt(&next, index, view, &fresh), NBX_OK);
    cr_expect_eq(nbx_index_count(next), 0);
    check_view(next, &model, SEED);
    nbx_index_destroy(&view);
    nbx_index_destroy(&index);
    nbx_index_destroy(&next);
}

/* An index large enough not to be put together at each change. */
Test(index, wants_repacking_where_a_quarter_is_dead)
{
    begin_model(2, MODEL_LABELS);
    struct nbx_index *index = NULL;
    struct nbx_packed_items items = {.vectors = model.rows, .n = MODEL_LABELS, .dim = 2};
    for (size_t l = 0; l < MODEL_LABELS; l++) {
        world_vector(&rng, WORLD_NORMAL, model.rows + l * model.padded, 2);
        model.there[l] = true;
    }
    items.stride = model.padded;
    cr_assert_eq(nbx_index_new(&index, &items), NBX_OK);
    cr_expect_not(nbx_index_wants_repacking(index));
    random_change(0, MODEL_LABELS / 4 - 100);
    apply(&index);
    cr_expect_not(nbx_index_wants_repacking(index));
    random_change(0, 200);
    apply(&index);
    cr_assert(count_there(&model) < MODEL_LABELS / 4 * 3, "seed %d", SEED);
    cr_expect(nbx_index_wants_repacking(index));
    check_view(index, &model, SEED);
    repack(&index, 0, 0);
    cr_expect_not(nbx_index_wants_repacking(index));
    check_view(index, &model, SEED);
    nbx_index_destroy(&index);
}

Test(index, wants_repacking_where_parts_are_many)
{
    static float row[8200];
    static uint32_t labels[8200];
    struct nbx_index *index = NULL, *next = NULL;
    struct nbx_packed_items none = {.dim = 1};
    cr_assert_eq(nbx_index_new(&index, &none), NBX_OK);
    while (index->n_parts < 16) {
        for (uint32_t i = 0; i < 8200; i++)
            labels[i] = (uint32_t)nbx_index_count(index) + i;
        struct nbx_index_changes c = {
            .put = {.vectors = row, .labels = labels, .n = 8200, .dim = 1}};
        cr_assert_not(nbx_index_wants_repacking(index));
        cr_assert_eq(nbx_index_change(&next, index, &c), NBX_OK);
        nbx_index_destroy(&index);
        index = next;
    }
    labels[0] = UINT32_C(1) << 20;
    struct nbx_index_changes one = {.put = {.vectors = row, .labels = labels, .n = 1, .dim = 1}};
    cr_assert_eq(nbx_index_change(&next, index, &one), NBX_OK);
    cr_expect(nbx_index_wants_repacking(next));
    nbx_index_destroy(&index);
    nbx_index_destroy(&next);
}

/* ---- memory and corners ---- */

static double bytes_beside(size_t n, size_t dim, double *all)
{
    struct nbx_index *index = NULL;
    float *rows = malloc(n * dim * sizeof *rows);
    for (size_t i = 0; i < n * dim; i++)
        rows[i] = world_normal(&rng);
    struct nbx_packed_items items = {.vectors = rows, .n = n, .dim = dim};
    cr_assert_eq(nbx_index_new(&index, &items), NBX_OK);
    double beside = (double)nbx_index_bytes_beside(index) / (double)(n * dim);
    *all = (double)nbx_index_bytes(index) / (double)(n * dim);
    nbx_index_destroy(&index);
    free(rows);
    return beside;
}

/* Bytes for each number of the vectors, beside its four. */
Test(index, sketches_take_an_eighth_of_the_vectors)
{
    static const size_t dims[] = {32, 64, 128, 256};
    static const double most[] = {0.86, 0.68, 0.59, 0.55};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        double all, beside = bytes_beside(10000, dims[i], &all);
        cr_log_info("%zu dimensions: %.3f bytes beside, %.3f in all", dims[i], beside, all);
        cr_expect_leq(beside, most[i], "%zu dimensions: %.3f", dims[i], beside);
        cr_expect_geq(beside, 0.5);
        cr_expect(all - beside > 3.999 && all - beside < 4.1, "%zu dimensions: %.3f", dims[i], all);
    }
}

Test(index, vectors_are_copied_and_labelled_by_place)
{
    float rows[3 * 5] = {1, 2, 9, 9, 9, 3, 4, 9, 9, 9, 5, 6};
    struct nbx_index *index = NULL;
    struct nbx_packed_items items = {.vectors = rows, .n = 3, .dim = 2, .stride = 5};
    cr_assert_eq(nbx_index_new(&index, &items), NBX_OK);
    memset(rows, 0, sizeof rows);
    for (uint32_t l = 0; l < 3; l++) {
        const float *row = nbx_index_vector(index, l);
        cr_assert_not_null(row);
        cr_expect(row[0] == (float)(2 * l + 1) && row[1] == (float)(2 * l + 2));
        for (size_t d = 2; d < index->padded; d++)
            cr_expect(row[d] == 0 && !signbit(row[d]));
    }
    nbx_index_destroy(&index);
    cr_expect_null(index);
    nbx_index_destroy(&index);
    nbx_index_destroy(NULL);
}

Test(index, the_largest_label_is_found)
{
    float rows[2] = {1, 2};
    uint32_t labels[2] = {UINT32_MAX - 1, 0};
    struct nbx_index *index = NULL;
    struct nbx_packed_items items = {.vectors = rows, .labels = labels, .n = 2, .dim = 1};
    cr_assert_eq(nbx_index_new(&index, &items), NBX_OK);
    cr_expect_eq(nbx_index_vector(index, UINT32_MAX - 1)[0], 1);
    cr_expect_eq(nbx_index_vector(index, 0)[0], 2);
    cr_expect_null(nbx_index_vector(index, 1));
    nbx_index_destroy(&index);
}
