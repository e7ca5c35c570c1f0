/* SPDX-License-Identifier: MIT
 * What is accepted, and both sides of every bound.
 */
#include "engine/json/json.h"
#include "engine/model/accept_internal.h"
#include "tests/unit/model/fit.h"

TestSuite(accept, .init = fit_begin, .fini = fit_end);

Test(accept, a_sound_bundle_and_what_is_measured_of_it)
{
    fit_takes();
    cr_expect_eq(accepted.n_norms, 1);
    cr_expect_str_eq(accepted.norms[0].tensor, "space.main.item_factors");
    cr_expect_eq(accepted.norms[0].zeros, 0);
    cr_expect(accepted.norms[0].median > 2 && accepted.norms[0].median < 3.5); /* of chi, 8 */
    cr_expect(accepted.norms[0].largest > 4 && accepted.norms[0].largest < 8);
    cr_expect_eq(accepted.n_lists, NBX_ACCEPT_LISTS);
    cr_expect(accepted.listed > 200, "%zu", accepted.listed);
    cr_expect_not(accepted.compared);
    cr_expect_eq(accepted.n_golden + accepted.n_cases, 0);
    cr_expect_eq(nbx_ids_end(s.ids), 1, "no item has got a number");
}

Test(accept, the_same_bundle_is_measured_alike)
{
    fit_takes();
    struct nbx_accepted first = accepted;
    cr_assert_eq(fit_ask(), NBX_OK);
    cr_expect_eq(memcmp(&first, &accepted, sizeof first), 0);
}

Test(accept, one_that_is_loaded)
{
    struct nbx_model *m;
    fit_takes();
    struct nbx_accepted alone = accepted;
    fit_put(100, 300);
    cr_assert_eq(nbx_model_load(&m, file, s.ids, &budget, &fault), NBX_OK);
    cr_assert_eq(nbx_model_accept_loaded(&accepted, m, &options, &fault), NBX_OK, "%s",
                 fault.message);
    cr_expect_eq(accepted.listed, alone.listed);
    cr_expect_float_eq(accepted.unknown, 0.5, 1e-12);
    cr_expect_float_eq(accepted.covered, 1, 1e-12);
    options.bounds.max_unknown = 0.49;
    cr_expect_eq(nbx_model_accept_loaded(&accepted, m, &options, &fault), NBX_EBAD);
    nbx_model_release(&m);
}

Test(accept, every_family)
{
    info.spaces[0].customer = NBX_CUSTOMER_GIVEN;
    fit_takes();
    info.spaces[0].metric = NBX_METRIC_COSINE;
    fit_takes();
    info.spaces[1] = fit_space("second", NBX_CUSTOMER_FOLDED);
    info.n_spaces = 2;
    fit_takes();
    cr_expect_eq(accepted.n_norms, 2);
    fit_fill();
    fit_blend();
    fit_takes();
    cr_expect_eq(accepted.n_norms, 4, "a summed space has two tensors");
    info.spaces[0] = info.spaces[1];
    info.n_spaces = 1;
    info.n_neighbours = 0;
    fit_takes();
    info.spaces[0] = fit_space("popular", NBX_CUSTOMER_CONSTANT);
    info.n_spaces = 1;
    options.bounds.min_listed = 0; /* everybody gets the popular ones */
    fit_takes();
}

Test(accept, neighbours_alone)
{
    fit_blend();
    info.n_spaces = 0;
    fit_takes();
    cr_expect_eq(accepted.n_norms, 0);
    cr_expect_eq(accepted.n_lists, NBX_ACCEPT_LISTS);
    memset(start, 0, sizeof start); /* not one of them */
    fit_refuses("spaces", "have a zero vector in every space");
}

Test(accept, attributes)
{
    static const struct nbx_str names[] = {NBX_STR("brand=a"), NBX_STR("brand=b")};
    info.features = (struct nbx_features){.names = names, .n = 2, .vectors = factors};
    info.customer_features = (struct nbx_features){.names = names, .n = 2, .vectors = factors};
    fit_takes();
}

Test(accept, very_small_ones)
{
    for (size_t n = 1; n <= 30; n++) {
        info.n_items = n;
        fit_takes();
    }
    fit_blend();
    start[1] = 0; /* one item has no other as its neighbour */
    info.n_items = 1;
    fit_takes();
}

static void zero_rows(size_t n)
{
    memset(factors, 0, n * FIT_DIMS * sizeof *factors);
}

Test(accept, a_share_of_items_without_a_vector)
{
    zero_rows(2);
    fit_takes();
    cr_expect_float_eq(accepted.without_vector, 0.005, 1e-12);
    cr_expect_eq(accepted.norms[0].zeros, 2);
    zero_rows(3);
    fit_refuses("spaces", "3 of 400 items (0.75 %) have a zero vector in every space, such as item "
                          "0 ('i000'); at most 0.5 %");
    fit_blend(); /* a constant, and neighbours */
    fit_takes();
    cr_expect_float_eq(accepted.without_vector, 0, 1e-12);
}

/* Rows of length 1, but for one. */
static void unit_rows(float longest)
{
    memset(factors, 0, sizeof factors);
    for (size_t i = 0; i < FIT_ITEMS; i++) {
        factors[i * FIT_DIMS + i % FIT_DIMS] = 0.6F;
        factors[i * FIT_DIMS + (i / FIT_DIMS + i + 1) % FIT_DIMS] += 0.8F;
    }
    memset(factors + (size_t)7 * FIT_DIMS, 0, FIT_DIMS * sizeof *factors);
    factors[7 * FIT_DIMS] = longest;
}

Test(accept, a_vector_that_is_far_longer_than_others)
{
    options.bounds.max_norm = 100;
    options.bounds.min_listed = 0;
    unit_rows(99.9F);
    fit_takes();
    unit_rows(100.1F);
    fit_refuses("space.main.item_factors",
                "item 7 ('i007') has length 100, 100.1 times the median, 1; at most 100 times");
}

Test(accept, squares_that_can_be_reckoned_with)
{
    const float root = sqrtf(FLT_MAX), least = sqrtf(FLT_MIN);
    info.spaces[0].metric = NBX_METRIC_COSINE;
    info.spaces[0].customer = NBX_CUSTOMER_GIVEN;
    options.bounds = NBX_ACCEPT_ANY;
    unit_rows(root * 0.999F);
    fit_takes();
    unit_rows(root * 1.001F);
    fit_refuses("space.main.item_factors", "whose square is beyond 3.4e+38");
    memset(factors, 0, sizeof factors);
    factors[0] = factors[FIT_DIMS + 1] = least * 1.001F;
    fit_takes();
    factors[0] = factors[FIT_DIMS + 1] = least * 0.999F;
    fit_refuses("space.main.item_factors", "whose square is below 1.18e-38");
}

Test(accept, directions)
{
    for (size_t i = 1; i < FIT_ITEMS; i++)
        memcpy(factors + i * FIT_DIMS, factors, FIT_DIMS * sizeof *factors);
    fit_refuses("space.main.item_factors", "all 400 vectors are the same, as of item 0 ('i000')");
    factors[0] *= 1.001F; /* one differs; so little that lists do not */
    options.bounds = NBX_ACCEPT_ANY;
    fit_takes();
    fit_fill();
    for (size_t i = 1; i < FIT_ITEMS; i++)
        for (size_t j = 0; j < FIT_DIMS; j++)
            factors[i * FIT_DIMS + j] = factors[j] * (i % 2 ? 1 : -1) * (float)i;
    fit_refuses("space.main.item_factors", "all 400 vectors are multiples of one");
}

Test(accept, items_the_catalogue_does_not_know)
{
    fit_put(0, 199);
    fit_refuses("item_ids.bytes",
                "201 of 400 items (50.25 %) are unknown to the catalogue, such as "
                "item 199 ('i199'); at most 50 %");
    cr_expect(accepted.compared);
    cr_expect_float_eq(accepted.unknown, 0.5025, 1e-12);
    fit_put(199, 200);
    fit_takes();
    cr_expect_float_eq(accepted.unknown, 0.5, 1e-12);
    shop_takes(shop_delete(&s, "i003")); /* it has a number still */
    options.catalog = s.c;
    fit_refuses("item_ids.bytes", "201 of 400");
}

Test(accept, an_empty_catalogue_is_not_compared)
{
    options.catalog = s.c;
    fit_takes();
    cr_expect_not(accepted.compared);
}

Test(accept, a_catalogue_that_is_not_covered)
{
    char name[16];
    info.n_items = 40;
    fit_put(0, 40);
    for (int i = 40; i < 800; i++) {
        snprintf(name, sizeof name, "new%d", i);
        shop_takes(shop_put(&s, name, "{}"));
    }
    options.catalog = s.c;
    fit_takes();
    cr_expect_float_eq(accepted.covered, 0.05, 1e-12);
    shop_takes(shop_put(&s, "another", "{}"));
    options.catalog = s.c;
    fit_refuses("item_ids.bytes", "has 40 of the catalogue's 801 items (4.994 %); at least 5 %");
    static const struct nbx_str names[] = {NBX_STR("item")};
    info.features = (struct nbx_features){.names = names, .n = 1, .vectors = factors};
    fit_takes(); /* which makes vectors for all others */
}

/* All vectors point much the same way, the first the longest. */
static void point_alike(void)
{
    for (size_t i = 0; i < FIT_ITEMS; i++)
        for (size_t j = 0; j < FIT_DIMS; j++)
            factors[i * FIT_DIMS + j] = (float)(FIT_ITEMS - i) + 0.01F * factors[i * FIT_DIMS + j];
}

/* Only `few` items can ever stand in a list: the others are short. */
static void collapse(size_t few)
{
    for (size_t i = few * FIT_DIMS; i < FIT_ITEMS * FIT_DIMS; i++)
        factors[i] *= 1e-3F;
}

Test(accept, lists_that_are_much_the_same)
{
    point_alike();
    fit_refuses("spaces", "500 lists of 20 show ");
    cr_expect_lt(accepted.listed, 50);
    fit_fill();
    collapse(80);
    fit_takes();
    size_t listed = accepted.listed;
    cr_assert(listed >= 50 && listed < 100, "%zu", listed);
    options.bounds.min_listed = (double)listed / FIT_ITEMS;
    fit_takes();
    options.bounds.min_listed = ((double)listed + 0.5) / FIT_ITEMS;
    fit_refuses("spaces", "at least ");
    options.bounds.min_listed = 0;
    fit_takes();
}

Test(accept, at_most_a_quarter_of_the_items_must_be_listed)
{
    options.bounds.min_listed = 1;
    collapse(80);
    fit_refuses("spaces", "at least 100,");
    fit_fill();
    collapse(120);
    fit_takes();
}

#define GOLDEN(text) "{\"golden\":[{" text "}]}"

Test(accept, golden_queries_of_a_history)
{
    fit_axes();
    extra = GOLDEN("\"history\":[\"i003\"],\"expect\":[\"i395\",\"i387\",\"i379\"]");
    fit_takes();
    cr_expect_eq(accepted.n_golden, 1);
    extra = GOLDEN("\"history\":[[\"i395\",0.5],\"i387\"],\"expect\":[\"i379\",\"i371\"]");
    fit_takes(); /* which does not stand in its own list */
    extra = GOLDEN("\"history\":[\"i003\"],\"expect\":[\"i395\",\"i379\"]");
    fit_refuses("__metadata__.golden[0].expect", "place 2 is item 387 ('i387'), not item 379");
    extra = "{\"golden\":[]}";
    fit_takes();
    extra = "{\"golden\":\"[]\"}";
    fit_takes();
}

Test(accept, golden_queries_with_tolerance)
{
    fit_axes();
#define FOUR "\"history\":[\"i003\"],\"expect\":[\"i387\",\"i000\",\"i395\",\"i379\"],"
    extra = GOLDEN(FOUR "\"tolerance\":0.25");
    fit_takes();
    extra = GOLDEN(FOUR "\"tolerance\":0.24");
    fit_refuses("__metadata__.golden[0].expect",
                "1 of 4 items are missing, such as item 0 ('i000'); at most 24 %");
}

Test(accept, golden_queries_of_a_vector)
{
    char text[512];
    int len = snprintf(text, sizeof text, "{\"golden\":[{\"vector\":[");
    info.spaces[0].customer = NBX_CUSTOMER_GIVEN;
    for (size_t j = 0; j < FIT_DIMS; j++)
        len += snprintf(text + len, sizeof text - (size_t)len, "%s%.9g", j ? "," : "",
                        (double)factors[5 * FIT_DIMS + j]);
    size_t best = 0;
    double most = -INFINITY;
    for (size_t i = 0; i < FIT_ITEMS; i++) {
        double score = 0;
        for (size_t j = 0; j < FIT_DIMS; j++)
            score += (double)factors[5 * FIT_DIMS + j] * (double)factors[i * FIT_DIMS + j];
        if (score > most) {
            most = score;
            best = i;
        }
    }
    snprintf(text + len, sizeof text - (size_t)len,
             "],\"space\":\"main\",\"expect\":[\"i%03zu\"]}]}", best);
    extra = text;
    fit_takes();
    cr_expect_eq(accepted.n_golden, 1);
    info.spaces[0].metric = NBX_METRIC_COSINE; /* nothing is nearer to item 5 than it is */
    extra = strcpy(strstr(text, "\"expect\""), "\"expect\":[\"i005\"]}]}") ? text : NULL;
    fit_takes();
}

Test(accept, golden_queries_of_a_blend)
{
    memset(factors, 0, sizeof factors);
    fit_blend();
    info.n_spaces = 0;
    extra = GOLDEN("\"history\":[\"i003\"],\"expect\":[\"i004\"]");
    fit_takes();
    cr_expect_eq(accepted.n_golden, 1);
    extra = GOLDEN("\"history\":[\"i003\"],\"expect\":[\"i005\"]");
    fit_refuses("__metadata__.golden[0].expect", "place 1 is item 4 ('i004'), not item 5");
}

#define CASES 64

static struct nbx_accept_case cases[CASES];
static uint32_t liked[CASES];
static const float weight_of_one[1] = {1};

/* Who liked item i took item i + 2 * FIT_DIMS, on the same axis, next. */
static void make_cases(size_t n)
{
    fit_put(0, FIT_ITEMS);
    for (size_t i = 0; i < n; i++) {
        size_t row = i * 5;
        liked[i] = nbx_ids_find(s.ids, ids[row]);
        cases[i] = (struct nbx_accept_case){
            .items = &liked[i],
            .weights = weight_of_one,
            .n = 1,
            .held_out = nbx_ids_find(s.ids, ids[FIT_ITEMS - FIT_DIMS + row % FIT_DIMS])};
    }
    options.cases = cases;
    options.n_cases = n;
}

static struct nbx_model *active(void)
{
    struct nbx_model *m;
    fit_axes();
    fit_write();
    cr_assert_eq(nbx_model_load(&m, file, s.ids, &budget, &fault), NBX_OK);
    options.active = m;
    return m;
}

Test(accept, a_holdout_of_the_active_model_itself)
{
    make_cases(CASES);
    struct nbx_model *m = active();
    fit_takes();
    cr_expect_eq(accepted.n_cases, CASES);
    cr_expect_float_eq(accepted.active.hit, 1, 1e-9);
    cr_expect_float_eq(accepted.active.ndcg, 1, 1e-9); /* in the first place */
    cr_expect_float_eq(accepted.fresh.hit, 1, 1e-9);
    cr_expect_float_eq(accepted.fresh.ndcg, 1, 1e-9);
    nbx_model_release(&m);
}

/* Of `n` axes of the eight the last item is short, and behind all others. */
static void worsen(size_t n)
{
    fit_axes();
    for (size_t a = 0; a < n; a++)
        factors[(FIT_ITEMS - FIT_DIMS + a) * FIT_DIMS + a] = 0.5F;
}

Test(accept, a_holdout_on_both_sides_of_the_margin)
{
    make_cases(CASES);
    struct nbx_model *m = active();
    worsen(4); /* of the eight axes: half of the customers miss */
    options.bounds.max_loss = 0.5;
    fit_takes();
    cr_expect_float_eq(accepted.fresh.hit, 0.5, 1e-9);
    options.bounds.max_loss = 0.25;
    fit_refuses("holdout.hit@20",
                "0.5000 on 64 customers, the active model's is 1.0000; at least 0.7500, 25 % less");
    options.bounds.max_loss = 0;
    fit_axes(); /* second instead of first: the same hits */
    for (size_t a = 0; a < FIT_DIMS; a++)
        factors[(FIT_ITEMS - FIT_DIMS + a) * FIT_DIMS + a] =
            factors[(FIT_ITEMS - 2 * FIT_DIMS + a) * FIT_DIMS + a] - 0.001F;
    fit_refuses("holdout.ndcg@20", "0.6309 on 64 customers");
    cr_expect_float_eq(accepted.fresh.hit, 1, 1e-9);
    nbx_model_release(&m);
}

/* 8 misses of 64: a loss of 12.5 % with a standard error of 4.2 %. */
Test(accept, a_loss_that_chance_explains_refuses_nothing)
{
    make_cases(CASES);
    struct nbx_model *m = active();
    worsen(1);
    options.bounds.max_loss = 0.1;
    fit_takes();
    cr_expect_float_eq(accepted.fresh.hit, 0.875, 1e-9);
    options.bounds.max_loss = 0;
    fit_refuses("holdout.hit@20", "at least 1.0000, 0 % less (model_max_loss)");
    nbx_model_release(&m);
}

Test(accept, where_a_scan_is_long_fewer_are_asked)
{
    struct nbx_model *m = active();
    size_t dims = m->base->spaces[0].dims;
    cr_expect_eq(nbx_accept__sample_size(m, NBX_ACCEPT_CASES), NBX_ACCEPT_CASES);
    m->base->spaces[0].dims = (1 << 24) / FIT_ITEMS; /* twice what is scanned for all */
    size_t half = nbx_accept__sample_size(m, NBX_ACCEPT_CASES);
    cr_expect(half >= NBX_ACCEPT_CASES / 2 && half <= NBX_ACCEPT_CASES / 2 + 1, "%zu", half);
    m->base->spaces[0].dims = (size_t)1 << 40;
    cr_expect_eq(nbx_accept__sample_size(m, NBX_ACCEPT_CASES), NBX_ACCEPT_CASES / 5);
    cr_expect_eq(nbx_accept__sample_size(m, NBX_ACCEPT_LISTS), NBX_ACCEPT_FEWEST_LISTS);
    m->base->spaces[0].dims = dims;
    nbx_model_release(&m);
}

Test(accept, few_cases_are_measured_and_refuse_nothing)
{
    make_cases(NBX_ACCEPT_MIN_CASES - 1);
    struct nbx_model *m = active();
    worsen(FIT_DIMS);
    fit_takes();
    cr_expect_eq(accepted.n_cases, NBX_ACCEPT_MIN_CASES - 1);
    cr_expect_float_eq(accepted.fresh.hit, 0, 1e-9);
    make_cases(NBX_ACCEPT_MIN_CASES);
    fit_refuses("holdout.hit@20", "0.0000 on 50 customers");
    nbx_model_release(&m);
}

Test(accept, a_holdout_among_items_that_are_there)
{
    make_cases(CASES);
    struct nbx_model *m = active();
    for (size_t i = 0; i < FIT_ITEMS; i++) /* what stands in front is gone from the catalogue */
        if (i >= FIT_ITEMS - FIT_DIMS)
            shop_takes(shop_delete(&s, texts[i]));
    options.catalog = s.c;
    fit_takes();
    cr_expect_float_eq(accepted.active.hit, 0, 1e-9);
    cr_expect_float_eq(accepted.fresh.hit, 0, 1e-9);
    nbx_model_release(&m);
}

Test(accept, no_holdout_where_customers_have_no_history)
{
    make_cases(CASES);
    struct nbx_model *m = active();
    fit_fill();
    info.spaces[0].customer = NBX_CUSTOMER_GIVEN;
    fit_takes();
    cr_expect_eq(accepted.n_cases, 0);
    nbx_model_release(&m);
}

Test(accept, what_cannot_be_tried_for_want_of_memory)
{
    fit_write();
    budget.limit = 1000;
    cr_assert_eq(fit_ask(), NBX_ELIMIT);
    cr_expect_str_eq(fault.message, "no memory to try the bundle");
    snprintf(file, sizeof file, "%s/none.safetensors", s.f.root);
    cr_assert_eq(fit_ask(), NBX_ENOTFOUND);
}

Test(accept, what_was_measured_as_a_map)
{
    struct nbx_value v;
    make_cases(CASES);
    struct nbx_model *m = active();
    fit_takes();
    cr_assert_eq(nbx_accepted_value(&v, &accepted, s.arena), NBX_OK);
    struct nbx_buf text = {0};
    cr_assert_eq(nbx_json_encode(&text, &v), NBX_OK);
    nbx_buf_put_u8(&text, 0);
    char want[512];
    snprintf(want, sizeof want,
             "{\"items\":400,\"without_vector\":0.0,\"unknown\":0.0,\"covered\":1.0,\"norms\":"
             "{\"space.main.item_factors\":{\"median\":1.5,\"largest\":1.99749");
    cr_expect_eq(strncmp((char *)text.p, want, strlen(want)), 0, "%s", (char *)text.p);
    snprintf(want, sizeof want, "\"zeros\":0}},\"golden\":0,\"lists\":500,\"listed\":%zu,",
             accepted.listed);
    cr_expect_not_null(strstr((char *)text.p, want), "%s", (char *)text.p);
    cr_expect_not_null(strstr((char *)text.p, "\"holdout\":{\"cases\":64,\"hit\":"), "%s",
                       (char *)text.p);
    nbx_buf_fini(&text);
    nbx_model_release(&m);
}
