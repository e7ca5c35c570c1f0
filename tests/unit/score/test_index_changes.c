/* SPDX-License-Identifier: MIT
 * An index under changes: whatever was put, removed and packed anew, a search of any view of it is
 * what brute force over the items of that moment says, and all that is charged is given back.
 */
#include "engine/base/random.h"
#include "engine/score/dot.h"
#include "engine/score/search.h"

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED     20240701
#define N_LABELS 9000
#define DIM      12
#define PADDED   16
#define K        25
#define N_OLD    4
#define MAX_PUT  600

/* The items of one moment. */
struct truth {
    float vectors[N_LABELS * PADDED]; /* (N_LABELS, PADDED) */
    bool there[N_LABELS];
    size_t n;
};

static struct nbx_random rng;
static struct nbx_arena *arena;
static struct nbx_budget budget;

static void setup(void)
{
    printf("seed %d\n", SEED);
    nbx_random_init(&rng, SEED);
    arena = nbx_arena_new((size_t)64 << 20);
    budget = (struct nbx_budget){.limit = (size_t)1 << 30};
}

static void teardown(void)
{
    cr_assert_eq(atomic_load(&budget.used), 0, "memory is still charged");
    nbx_arena_destroy(&arena);
}

TestSuite(index_changes, .init = setup, .fini = teardown, .timeout = 300);

static void random_vector(float *x)
{
    float length = expf(0.5F * (float)nbx_random_normal(&rng));
    for (size_t d = 0; d < DIM; d++)
        x[d] = length * (float)nbx_random_normal(&rng);
}

static void put(struct truth *t, uint32_t label, const float *vector)
{
    memset(t->vectors + (size_t)label * PADDED, 0, PADDED * sizeof *vector);
    memcpy(t->vectors + (size_t)label * PADDED, vector, DIM * sizeof *vector);
    t->n += !t->there[label];
    t->there[label] = true;
}

static void must_find_the_best(const struct nbx_index *index, const struct truth *t)
{
    _Alignas(64) float vector[PADDED] = {0};
    struct nbx_hit best[K], hits[K];
    struct nbx_topk top;
    size_t n;
    random_vector(vector);
    nbx_topk_init(&top, best, K, NULL, NULL);
    for (uint32_t i = 0; i < N_LABELS; i++)
        if (t->there[i])
            nbx_topk_offer(&top, nbx_dot(vector, t->vectors + (size_t)i * PADDED, PADDED), i);
    size_t want = nbx_topk_finish(&top);
    struct nbx_query query = {.vector = vector, .k = K};
    nbx_arena_reset(arena);
    cr_assert_eq(nbx_search(index, &query, arena, hits, &n, NULL), NBX_OK);
    cr_assert_eq(n, want);
    cr_assert_eq(nbx_index_count(index), t->n);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(hits[i].row, best[i].row, "place %zu", i);
        cr_assert(hits[i].score == best[i].score, "place %zu", i);
    }
}

/* What one step puts and takes out, its labels distinct. */
struct step {
    float vectors[MAX_PUT * DIM];
    uint32_t labels[MAX_PUT];
    size_t n_put, n_removed;
};

static void make_step(struct step *s, size_t most)
{
    static bool used[N_LABELS];
    size_t n = 1 + nbx_random_below(&rng, most);
    memset(used, 0, sizeof used);
    s->n_removed = nbx_random_below(&rng, n + 1) / 2;
    s->n_put = n - s->n_removed;
    for (size_t i = 0; i < n; i++) {
        do
            s->labels[i] = (uint32_t)nbx_random_below(&rng, N_LABELS);
        while (used[s->labels[i]]);
        used[s->labels[i]] = true;
        random_vector(s->vectors + i * DIM);
    }
}

static void change(struct nbx_index **index, struct truth *t, const struct step *s)
{
    struct nbx_index *next;
    struct nbx_index_changes changes = {
        .put = {.vectors = s->vectors, .labels = s->labels, .n = s->n_put, .dim = DIM},
        .removed = s->labels + s->n_put,
        .n_removed = s->n_removed};
    cr_assert_eq(nbx_index_change(&next, *index, &changes), NBX_OK);
    nbx_index_destroy(index);
    *index = next;
    for (size_t i = 0; i < s->n_put; i++)
        put(t, s->labels[i], s->vectors + i * DIM);
    for (size_t i = s->n_put; i < s->n_put + s->n_removed; i++) {
        t->n -= t->there[s->labels[i]];
        t->there[s->labels[i]] = false;
    }
}

static struct nbx_index *same(const struct nbx_index *index)
{
    static const struct nbx_index_changes none;
    struct nbx_index *view;
    cr_assert_eq(nbx_index_change(&view, index, &none), NBX_OK);
    return view;
}

static struct nbx_index *empty_index(void)
{
    struct nbx_index *index;
    struct nbx_packed_items none = {.dim = DIM, .budget = &budget};
    cr_assert_eq(nbx_index_new(&index, &none), NBX_OK);
    return index;
}

static void adopt(struct nbx_index **index, struct nbx_index **view, struct nbx_packed **fresh)
{
    struct nbx_index *next;
    cr_assert_eq(nbx_index_adopt(&next, *index, *view, fresh), NBX_OK);
    cr_assert_null(*fresh);
    nbx_index_destroy(index);
    nbx_index_destroy(view);
    *index = next;
}

/* Several old views and one being packed anew stay valid and right all the while. */
Test(index_changes, are_what_brute_force_says_now_and_in_old_views)
{
    static struct truth now, old[N_OLD];
    static struct step step;
    struct nbx_index *index = empty_index(), *views[N_OLD] = {NULL}, *packing = NULL;
    struct nbx_packed *fresh = NULL;
    size_t repacks = 0, wanted = 0;
    for (size_t i = 0; i < 1500; i++) {
        make_step(&step, i % 10 ? 4 : MAX_PUT);
        change(&index, &now, &step);
        must_find_the_best(index, &now);
        size_t at = nbx_random_below(&rng, N_OLD);
        if (views[at])
            must_find_the_best(views[at], &old[at]);
        if (i % 7 == 0) {
            nbx_index_destroy(&views[at]);
            views[at] = same(index);
            old[at] = now;
        }
        wanted += nbx_index_wants_repacking(index);
        if (!packing && nbx_index_wants_repacking(index)) {
            packing = same(index);
            cr_assert_eq(nbx_index_repack(&fresh, packing, NULL), NBX_OK);
        } else if (packing && nbx_random_below(&rng, 12) == 0) {
            adopt(&index, &packing, &fresh);
            must_find_the_best(index, &now);
            repacks++;
        }
    }
    cr_assert(repacks > 3, "%zu repacks, %zu steps wanted one", repacks, wanted);
    for (size_t i = 0; i < N_OLD; i++)
        nbx_index_destroy(&views[i]);
    if (packing)
        nbx_packed_release(&fresh);
    nbx_index_destroy(&packing);
    nbx_index_destroy(&index);
}

/* One at a time, each item moves a few times, not each time. */
Test(index_changes, small_packs_grow_by_merging_equals)
{
    static struct truth now;
    static struct step step;
    struct nbx_index *index = empty_index();
    size_t most = 0;
    for (uint32_t i = 0; i < N_LABELS; i++) {
        step = (struct step){.labels = {i}, .n_put = 1};
        random_vector(step.vectors);
        change(&index, &now, &step);
        most = index->n_parts > most ? index->n_parts : most;
        for (size_t p = 2; p + 1 < index->n_parts; p++)
            cr_assert(index->parts[p].n_live > 2 * index->parts[p + 1].n_live);
    }
    must_find_the_best(index, &now);
    cr_assert(most <= 10, "%zu parts", most);
    nbx_index_destroy(&index);
}

Test(index_changes, packs_are_charged_once_and_to_the_byte)
{
    static struct truth now;
    static struct step step;
    struct nbx_index *index = empty_index();
    for (int i = 0; i < 20; i++) {
        make_step(&step, MAX_PUT);
        change(&index, &now, &step);
    }
    size_t used = atomic_load(&budget.used), packs = 0, bits = 0;
    for (size_t p = 0; p < index->n_parts; p++) {
        packs += nbx_packed_bytes(index->parts[p].pack);
        bits += (nbx_packed_words(index->parts[p].pack) + 1) * sizeof(uint64_t);
    }
    cr_assert_eq(used, packs + bits);
    struct nbx_index *another = same(index);
    cr_assert_eq(atomic_load(&budget.used), packs + 2 * bits);
    nbx_index_destroy(&index);
    cr_assert_eq(atomic_load(&budget.used), used);
    nbx_index_destroy(&another);
}

Test(index_changes, past_the_budget_nothing_changes)
{
    static struct truth now;
    static struct step step;
    struct nbx_index *index = empty_index(), *next;
    struct nbx_packed *fresh;
    make_step(&step, MAX_PUT);
    change(&index, &now, &step);
    size_t used = atomic_load(&budget.used);
    for (size_t more = 0; more < 3 * used; more += used / 16 + 1) {
        struct nbx_index_changes changes = {
            .put = {.vectors = step.vectors, .labels = step.labels, .n = step.n_put, .dim = DIM}};
        budget.limit = used + more;
        if (nbx_index_change(&next, index, &changes) == NBX_OK)
            nbx_index_destroy(&next);
        else
            cr_assert_null(next);
        cr_assert_eq(atomic_load(&budget.used), used);
        if (nbx_index_repack(&fresh, index, NULL) == NBX_OK)
            nbx_packed_release(&fresh);
        else
            cr_assert_null(fresh);
        cr_assert_eq(atomic_load(&budget.used), used);
    }
    budget.limit = used;
    cr_assert_eq(nbx_index_repack(&fresh, index, NULL), NBX_ELIMIT);
    must_find_the_best(index, &now);
    nbx_index_destroy(&index);
}

Test(index_changes, a_pack_is_the_same_for_any_number_of_threads)
{
    size_t n = 40000;
    float *vectors = malloc(n * DIM * sizeof *vectors);
    uint32_t *labels = malloc(n * sizeof *labels);
    struct nbx_packed *one, *some;
    for (size_t i = 0; i < n; i++) {
        random_vector(vectors + i * DIM);
        labels[i] = (uint32_t)(n - i);
    }
    struct nbx_packed_items items = {
        .vectors = vectors, .labels = labels, .n = n, .dim = DIM, .stride = DIM};
    cr_assert_eq(nbx_packed_new(&one, &items), NBX_OK);
    for (items.threads = 2; items.threads < 6; items.threads++) {
        cr_assert_eq(nbx_packed_new(&some, &items), NBX_OK);
        cr_assert_eq(some->n_tiles, one->n_tiles);
        cr_assert_eq(some->n_nodes, one->n_nodes);
        size_t positions = one->n_tiles * NBX_TILE_ITEMS;
        cr_assert_arr_eq(some->sketches.codes, one->sketches.codes,
                         one->n_tiles * one->sketches.bytes);
        cr_assert_arr_eq(some->sketches.scales, one->sketches.scales,
                         one->n_tiles * NBX_TILE_SCALES);
        cr_assert_arr_eq(some->rows, one->rows, positions * one->padded * sizeof *one->rows);
        cr_assert_arr_eq(some->labels, one->labels, positions * sizeof *one->labels);
        cr_assert_arr_eq(some->nodes, one->nodes, one->n_nodes * sizeof *one->nodes);
        nbx_packed_release(&some);
    }
    nbx_packed_release(&one);
    free(vectors);
    free(labels);
}
