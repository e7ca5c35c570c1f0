/* SPDX-License-Identifier: MIT
 * A random blend and what its answers must be: double precision over the bundle's own numbers
 * (tests/unit/score/mix.h), and nothing of nbx but its structs.
 *
 * Owns:    the blend its arrays, until blend_free; answers of blend_mix, until mix_free.
 * Threads: any, while nobody changes it.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TEST_DAEMON_HARNESS_BLEND_H
#define NBX_TEST_DAEMON_HARNESS_BLEND_H

#include "tests/daemon/harness.h"
#include "tests/unit/score/mix.h"

#define BLEND_ITEMS 150
#define BLEND_EXTRA 2 /* items that the bundle does not have */
#define BLEND_ALL   (BLEND_ITEMS + BLEND_EXTRA)
#define BLEND_TASTE 8 /* dimensions of the folded space, */
#define BLEND_NEXT  7 /* of the summed one: two groups and a bias; the constant one has 1 */
#define BLEND_DIMS  (BLEND_TASTE + BLEND_NEXT + 1)
#define BLEND_DEEDS 40

/* Items "i000", "i001", ... and "x0", "x1", which are not in the bundle. Spaces "taste" (folded),
 * "next" (summed: one group fades, one tells the latest from what came before), "popular"
 * (constant), neighbours "recent" (the last two items) and "always" (all alike). */
struct blend {
    struct nbx_str ids[BLEND_ALL];
    char id_text[BLEND_ALL][8];
    float taste[BLEND_ITEMS * BLEND_TASTE];
    float next[BLEND_ITEMS * BLEND_NEXT], history[BLEND_ITEMS * BLEND_NEXT];
    float popular[BLEND_ITEMS];
    uint64_t start[2][BLEND_ITEMS + 1];
    uint32_t items[2][BLEND_ITEMS * BLEND_ITEMS];
    float weights[2][BLEND_ITEMS * BLEND_ITEMS];
    struct nbx_bundle_info info;
    /* As it is in service: vectors side by side; items may get their own. */
    float joined[BLEND_ALL][BLEND_DIMS];
    bool has_vector[BLEND_ALL];
    struct nbx_blend_part parts[NBX_BLEND_MAX_PARTS];
    struct nbx_blend_options options;
};

void blend_make(struct blend *b, uint64_t seed);
/* After a change of info.spaces or info.neighbours: parts and joined vectors anew. */
void blend_join(struct blend *b);
/* Puts the items of the bundle, in its order. */
void blend_put_items(const struct blend *b, struct peer *p);

/* What a customer took to: each item once, with its weight and its last time. */
struct past {
    size_t n;
    struct deed {
        size_t row; /* of joined */
        double weight;
        int64_t ms;
    } deeds[BLEND_DEEDS];
    /* of the last blend_mix: */
    uint32_t rows[BLEND_DEEDS];
    float weights[BLEND_DEEDS];
    const float *vectors[BLEND_DEEDS];
    size_t order[BLEND_DEEDS]; /* rows of joined, most recent first */
    struct nbx_blend_history history;
};

/* What the blend makes of the past, most recent first. */
void blend_mix(struct mix *m, const struct blend *b, struct past *past);
/* The score of a row of joined. */
double blend_score(const struct mix *m, const struct blend *b, size_t row);

/* The answer's items[] are the best of those allowed (BLEND_ALL; NULL: all with a vector), with
 * their scores and the source. Where rounding decides, each may stand in the other's place. */
void must_mix(const struct nbx_value *reply, const struct blend *b, const struct mix *m,
              const bool *allowed, const char *source);
/* Row of joined by id. */
size_t blend_row(const struct blend *b, struct nbx_str id);

#endif
