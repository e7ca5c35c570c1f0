/* SPDX-License-Identifier: MIT */
#include "tests/daemon/harness_blend.h"

#include "engine/base/random.h"

#define TOLERANCE 5e-4 /* of a score of a few deviations */

static const float paces[] = {1, 0.7F, 0.4F, 0.1F, /**/ 1, -0.5F, -0.25F, 0};
static const float two[] = {1, -0.5F, 0}, alike[] = {1};

static void fill(struct nbx_random *r, float *x, size_t n, float scale, float mean)
{
    for (size_t i = 0; i < n; i++)
        x[i] = mean + scale * (float)nbx_random_normal(r);
}

/* As loud as the groups, whose factors are small and history is large. */
static void fill_bias(struct blend *b, struct nbx_random *r)
{
    for (size_t row = 0; row < BLEND_ITEMS; row++)
        b->next[row * BLEND_NEXT + BLEND_NEXT - 1] = 0.2F + 0.5F * (float)nbx_random_normal(r);
}

/* About six neighbours a row. */
static void fill_neighbours(struct blend *b, size_t i, struct nbx_random *r)
{
    uint64_t n = 0;
    for (size_t row = 0; row < BLEND_ITEMS; row++) {
        b->start[i][row] = n;
        for (uint32_t to = 0; to < BLEND_ITEMS; to++)
            if (nbx_random_below(r, 25) == 0) {
                b->items[i][n] = to;
                b->weights[i][n++] = (float)nbx_random_unit(r) - 0.1F;
            }
    }
    b->start[i][BLEND_ITEMS] = n;
}

static void name_items(struct blend *b)
{
    for (unsigned i = 0; i < BLEND_ALL; i++) {
        if (i < BLEND_ITEMS)
            snprintf(b->id_text[i], sizeof b->id_text[i], "i%03u", i);
        else
            snprintf(b->id_text[i], sizeof b->id_text[i], "x%u", i - BLEND_ITEMS);
        b->ids[i] = nbx_str_c(b->id_text[i]);
    }
}

static void describe_spaces(struct blend *b)
{
    b->info.n_spaces = 3;
    b->info.spaces[0] = (struct nbx_space){.name = NBX_STR("taste"),
                                           .dims = BLEND_TASTE,
                                           .customer = NBX_CUSTOMER_FOLDED,
                                           .item_factors = b->taste,
                                           .alpha0 = 0.1F,
                                           .lambda = 0.05F,
                                           .nu = 0.9F,
                                           .weight = 1};
    b->info.spaces[1] = (struct nbx_space){.name = NBX_STR("next"),
                                           .dims = BLEND_NEXT,
                                           .customer = NBX_CUSTOMER_SUMMED,
                                           .item_factors = b->next,
                                           .history_factors = b->history,
                                           .positions = paces,
                                           .n_positions = 4,
                                           .n_groups = 2,
                                           .bias = true,
                                           .weight = 0.8F};
    b->info.spaces[2] = (struct nbx_space){.name = NBX_STR("popular"),
                                           .dims = 1,
                                           .customer = NBX_CUSTOMER_CONSTANT,
                                           .item_factors = b->popular,
                                           .weight = 0.3F};
}

static void describe_neighbours(struct blend *b)
{
    static const struct nbx_str names[] = {{"recent", 6}, {"always", 6}};
    b->info.n_neighbours = 2;
    for (size_t i = 0; i < 2; i++)
        b->info.neighbours[i] = (struct nbx_neighbours){.name = names[i],
                                                        .start = b->start[i],
                                                        .items = b->items[i],
                                                        .weights = b->weights[i],
                                                        .positions = i ? alike : two,
                                                        .n_positions = i ? 1 : 3,
                                                        .scaled_by = i ? 2 : 0, /* next */
                                                        .weight = i ? 0.5F : 1.5F};
}

void blend_make(struct blend *b, uint64_t seed)
{
    struct nbx_random r;
    nbx_random_init(&r, seed);
    memset(b, 0, sizeof *b);
    name_items(b);
    fill(&r, b->taste, BLEND_ITEMS * BLEND_TASTE, 1, 0);
    fill(&r, b->next, BLEND_ITEMS * BLEND_NEXT, 0.01F, 0.02F);
    fill_bias(b, &r);
    fill(&r, b->history, BLEND_ITEMS * BLEND_NEXT, 30, 0);
    fill(&r, b->popular, BLEND_ITEMS, 1.5F, 9);
    fill_neighbours(b, 0, &r);
    fill_neighbours(b, 1, &r);
    b->info = (struct nbx_bundle_info){.name = NBX_STR("mix"),
                                       .version = NBX_STR("1"),
                                       .family = NBX_STR("blend"),
                                       .created_ms = 1700000000000,
                                       .n_items = BLEND_ITEMS,
                                       .item_ids = b->ids};
    describe_spaces(b);
    describe_neighbours(b);
    blend_join(b);
}

static struct nbx_blend_part space_part(const struct nbx_space *s)
{
    return (struct nbx_blend_part){.kind = s->customer == NBX_CUSTOMER_FOLDED ? NBX_BLEND_FOLDED
                                           : s->customer == NBX_CUSTOMER_SUMMED
                                               ? NBX_BLEND_SUMMED
                                               : NBX_BLEND_CONSTANT,
                                   .weight = s->weight,
                                   .dims = s->dims,
                                   .item_factors = s->item_factors,
                                   .history_factors = s->history_factors,
                                   .fold = {s->alpha0, s->lambda, s->nu},
                                   .positions = s->positions,
                                   .n_positions = s->n_positions,
                                   .n_groups = s->n_groups,
                                   .bias = s->bias};
}

static void join_space(struct blend *b, const struct nbx_space *s, size_t at)
{
    for (size_t row = 0; row < BLEND_ITEMS; row++)
        memcpy(b->joined[row] + at, s->item_factors + row * s->dims, s->dims * sizeof(float));
}

void blend_join(struct blend *b)
{
    size_t n = 0, at = 0;
    memset(b->joined, 0, sizeof b->joined);
    for (size_t i = 0; i < BLEND_ALL; i++)
        b->has_vector[i] = i < BLEND_ITEMS;
    for (size_t s = 0; s < b->info.n_spaces; at += b->info.spaces[s++].dims) {
        b->parts[n++] = space_part(&b->info.spaces[s]);
        join_space(b, &b->info.spaces[s], at);
    }
    for (size_t i = 0; i < b->info.n_neighbours; i++) {
        const struct nbx_neighbours *s = &b->info.neighbours[i];
        b->parts[n++] = (struct nbx_blend_part){.kind = NBX_BLEND_NEIGHBOURS,
                                                .weight = s->weight,
                                                .start = s->start,
                                                .neighbours = s->items,
                                                .weights = s->weights,
                                                .positions = s->positions,
                                                .n_positions = s->n_positions,
                                                .scaled_by = s->scaled_by,
                                                .n_groups = 1};
    }
    b->options = (struct nbx_blend_options){
        .parts = b->parts, .n_parts = n, .n_items = BLEND_ITEMS, .standardise = true};
}

void blend_put_items(const struct blend *b, struct peer *p)
{
    struct nbx_buf text = {0};
    for (size_t i = 0; i < BLEND_ITEMS; i++)
        nbx_buf_printf(&text, "%s{'id': '%s', 'price': %zu}", i ? "," : "", b->id_text[i], i);
    nbx_buf_put_u8(&text, '\0');
    struct nbx_value *r = get(p, "item.put", "", "{'items': [%s]}", (const char *)text.p);
    cr_assert_eq(int_at(r, "applied"), BLEND_ITEMS);
    nbx_buf_fini(&text);
}

/* The latest first, of one moment in the order of the items. */
static int latest_first(const void *a, const void *b)
{
    const struct deed *x = a, *y = b;
    if (x->ms != y->ms)
        return x->ms > y->ms ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

void blend_mix(struct mix *m, const struct blend *b, struct past *past)
{
    struct deed sorted[BLEND_DEEDS];
    memcpy(sorted, past->deeds, sizeof sorted);
    qsort(sorted, past->n, sizeof *sorted, latest_first);
    for (size_t k = 0; k < past->n; k++) {
        past->order[k] = sorted[k].row;
        past->rows[k] = sorted[k].row < BLEND_ITEMS ? (uint32_t)sorted[k].row : NBX_BLEND_NO_ROW;
        past->weights[k] = (float)sorted[k].weight;
        past->vectors[k] = b->joined[sorted[k].row];
    }
    past->history = (struct nbx_blend_history){past->rows, past->weights, past->vectors, past->n};
    mix_make(m, &b->options, &past->history);
}

double blend_score(const struct mix *m, const struct blend *b, size_t row)
{
    return mix_score(m, b->joined[row], row < BLEND_ITEMS ? (uint32_t)row : NBX_BLEND_NO_ROW);
}

size_t blend_row(const struct blend *b, struct nbx_str id)
{
    for (size_t i = 0; i < BLEND_ALL; i++)
        if (nbx_str_eq(b->ids[i], id))
            return i;
    cr_assert_fail("'%.*s' is no item of the blend", NBX_STR_ARG(id));
    return 0;
}

static int falling(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x < y) - (x > y);
}

void must_mix(const struct nbx_value *reply, const struct blend *b, const struct mix *m,
              const bool *allowed, const char *source)
{
    double best[BLEND_ALL];
    const struct nbx_value *items = at(reply, "items");
    size_t n = 0;
    for (size_t r = 0; r < BLEND_ALL; r++)
        if (b->has_vector[r] && (!allowed || allowed[r]))
            best[n++] = blend_score(m, b, r);
    qsort(best, n, sizeof *best, falling);
    cr_assert(items && items->type == NBX_LIST && items->n <= n);
    for (uint32_t i = 0; i < items->n; i++) {
        const struct nbx_value *item = &items->list[i];
        size_t row = blend_row(b, text_at(item, "id"));
        double got = number_at(item, "score"), own = blend_score(m, b, row);
        double slack = TOLERANCE * (1 + fabs(own));
        cr_assert(b->has_vector[row] && (!allowed || allowed[row]), "%s must not be here",
                  b->id_text[row]);
        cr_assert_float_eq(got, own, slack, "%s scores %.9g, not %.9g", b->id_text[row], got, own);
        cr_assert_float_eq(got, best[i], slack, "place %u scores %.9g, the best is %.9g", i, got,
                           best[i]);
        cr_assert(nbx_str_is(text_at(item, "source"), source), "place %u is %.*s", i,
                  NBX_STR_ARG(text_at(item, "source")));
    }
}
