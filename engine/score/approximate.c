/* SPDX-License-Identifier: MIT */
#include "engine/score/approximate.h"

#include "engine/base/random.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SEED   1
#define SAMPLE 128 /* queries */
/* Items that a query is the sum of: with 4 a recall of .995 was found .984. */
#define MOST_LIKED  16
#define LONG_LIST   100
#define ARENA_BYTES ((size_t)64 << 20)

static const float reaches[NBX_REACHES] = {1, 2, 3, 3.5F, 4, 4.5F, 5, 6};
static const size_t lengths[] = {10, LONG_LIST};

/* The sum of a few items drawn at random. vector: (padded). */
static void draw_query(float *vector, const struct nbx_packed *pack, struct nbx_random *random)
{
    size_t n = 1 + nbx_random_below(random, MOST_LIKED);
    memset(vector, 0, pack->padded * sizeof *vector);
    while (n > 0) {
        uint32_t at = (uint32_t)nbx_random_below(random, pack->n_tiles * NBX_TILE_ITEMS);
        if (pack->labels[at] == NBX_NO_LABEL)
            continue;
        for (size_t d = 0; d < pack->dim; d++)
            vector[d] += nbx_packed_row(pack, at)[d];
        n--;
    }
}

static size_t count_common(const struct nbx_hit *a, size_t n_a, const struct nbx_hit *b, size_t n_b)
{
    size_t common = 0;
    for (size_t i = 0; i < n_a; i++)
        for (size_t j = 0; j < n_b; j++)
            common += a[i].row == b[j].row;
    return common;
}

/* One query: adds what each reach finds of the exact answers to found (reaches, lengths). */
static enum nbx_err try_query(double found[NBX_REACHES][2], const struct nbx_index *index,
                              const float *vector, struct nbx_arena *arena)
{
    struct nbx_hit exact[LONG_LIST], near[LONG_LIST];
    for (size_t l = 0; l < 2; l++) {
        struct nbx_query query = {.vector = vector, .k = lengths[l]};
        size_t n_exact, n_near;
        enum nbx_err err = nbx_search(index, &query, arena, exact, &n_exact, NULL);
        for (size_t r = 0; !err && r < NBX_REACHES; r++) {
            nbx_arena_reset(arena);
            query.reach = reaches[r];
            err = nbx_search(index, &query, arena, near, &n_near, NULL);
            if (!err && n_exact)
                found[r][l] +=
                    (double)count_common(exact, n_exact, near, n_near) / (double)n_exact / SAMPLE;
        }
        nbx_arena_reset(arena);
        if (err)
            return err;
    }
    return NBX_OK;
}

/* A view of one pack, all of it alive. live: (nbx_packed_words), the caller's to free. */
static uint64_t *all_live(const struct nbx_packed *pack)
{
    uint64_t *live = calloc(nbx_packed_words(pack) + 1, sizeof *live);
    for (size_t at = 0; live && at < pack->n_tiles * NBX_TILE_ITEMS; at++)
        if (pack->labels[at] != NBX_NO_LABEL)
            live[at / 64] |= UINT64_C(1) << at % 64;
    return live;
}

enum nbx_err nbx_approximation_measure(struct nbx_packed *pack)
{
    struct nbx_random random;
    double found[NBX_REACHES][2] = {{0}};
    if (pack->cells.n == 0)
        return NBX_OK;
    struct nbx_arena *arena = nbx_arena_new(ARENA_BYTES);
    float *vector = aligned_alloc(64, pack->padded * sizeof *vector);
    struct nbx_index_part part = {pack, all_live(pack), pack->n};
    struct nbx_index index = {.dim = pack->dim,
                              .padded = pack->padded,
                              .stretch = pack->stretch,
                              .n_parts = 1,
                              .parts = &part};
    enum nbx_err err = arena && vector && part.live ? NBX_OK : NBX_ELIMIT;
    nbx_random_init(&random, SEED);
    for (int i = 0; !err && i < SAMPLE; i++) {
        draw_query(vector, pack, &random);
        err = try_query(found, &index, vector, arena);
    }
    for (size_t r = 0; r < NBX_REACHES; r++)
        pack->cells.recalls[r] = err ? 0 : (float)fmin(found[r][0], found[r][1]);
    free(part.live);
    free(vector);
    nbx_arena_destroy(&arena);
    return err;
}

float nbx_approximation_reach(const struct nbx_index *index, float recall, float *measured)
{
    *measured = 1;
    for (size_t r = 0; recall < 1 && r < NBX_REACHES; r++) {
        float least = 1;
        for (size_t p = 0; p < index->n_parts; p++)
            if (index->parts[p].pack->cells.n)
                least = fminf(least, index->parts[p].pack->cells.recalls[r]);
        if (least < recall || least == 1)
            continue;
        *measured = least;
        return reaches[r];
    }
    return 0;
}
