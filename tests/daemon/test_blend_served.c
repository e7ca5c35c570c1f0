/* SPDX-License-Identifier: MIT
 * A blend in service against a brute force in double precision over the bundle's own numbers.
 */
#include "tests/daemon/harness_blend.h"

#include <time.h>

#define SEED 20260803

static struct server s;
static struct peer *p;
static struct blend b;
static int64_t began_ms; /* events come after it, each a second later than the one before */

/* Types of the default settings that are positive, and their weights. */
static const struct {
    const char *name;
    double weight;
} types[] = {{"view", 0.3}, {"click", 0.4}, {"cart", 0.7}, {"purchase", 1}};
enum { VIEW, CLICK, CART, PURCHASE };

static int64_t wall_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void begin(void)
{
    server_start(&s, NULL);
    p = &s.peer;
    began_ms = wall_ms() - 3600000;
    blend_make(&b, SEED);
}

static void end(void)
{
    server_stop(&s);
}

TestSuite(blend_served, .init = begin, .fini = end, .timeout = 180);

static void serve_blend(void)
{
    blend_put_items(&b, p);
    server_bundle(&s, "mix", &b.info);
    server_reload(&s);
    must_be(get(p, "hello", "", "{}"), "model", "{'name': 'mix', 'version': '1'}");
}

/* As the daemon will see it: the weight of a type counts once, the time is the latest. */
static void remember(struct past *past, int type, size_t row, int second)
{
    size_t i = 0;
    while (i < past->n && past->deeds[i].row != row)
        i++;
    struct deed *d = &past->deeds[i];
    if (i == past->n)
        past->deeds[past->n++] = (struct deed){row, 0, INT64_MIN};
    d->weight = d->weight > 0 ? d->weight : types[type].weight; /* tests keep to one type an item */
    d->ms = began_ms + second * 1000 > d->ms ? began_ms + second * 1000 : d->ms;
}

static const char *event(int type, size_t row, int second)
{
    static char text[128];
    snprintf(text, sizeof text, "{'type': '%s', 'item': '%s', 'time': %lld}", types[type].name,
             b.id_text[row], (long long)began_ms + second * 1000LL);
    return text;
}

/* Told to the daemon, and remembered. */
static void act(struct past *past, const char *customer, int type, size_t row, int second)
{
    struct nbx_value *r =
        get(p, "observe", customer, "{'ack': 'memory', 'events': [%s]}", event(type, row, second));
    cr_assert_eq(int_at(r, "applied"), 1);
    remember(past, type, row, second);
}

static void must_answer(const char *customer, struct past *past, const char *rest,
                        const bool *allowed)
{
    struct mix m;
    blend_mix(&m, &b, past);
    struct nbx_value *reply = get(p, "recommend", customer, "{'n': 40%s}", rest);
    cr_assert_eq(count_at(reply, "items"), 40);
    must_mix(reply, &b, &m, allowed, "personal");
    mix_free(&m);
}

/* A few deeds in no order of time. */
static struct past some_past(const char *customer)
{
    struct past past = {0};
    act(&past, customer, PURCHASE, 30, 5);
    act(&past, customer, VIEW, 10, 9);
    act(&past, customer, CART, 77, 2);
    act(&past, customer, PURCHASE, 149, 7);
    act(&past, customer, CLICK, 0, 1);
    act(&past, customer, VIEW, 51, 3);
    return past;
}

Test(blend_served, equals_the_brute_force_after_every_event)
{
    serve_blend();
    for (int c = 0; c < 3; c++) {
        struct past past = {0};
        char name[8];
        snprintf(name, sizeof name, "c%d", c);
        for (int e = 0; e < 14; e++) { /* earlier, later, between */
            act(&past, name, (e + c) % 4, (size_t)(e * 53 + c * 17) % BLEND_ITEMS,
                c == 0   ? e
                : c == 1 ? 100 - e
                         : (e * 37) % 101);
            must_answer(name, &past, "", NULL);
        }
    }
}

Test(blend_served, a_later_event_moves_an_item_to_the_front)
{
    serve_blend();
    struct past past = some_past("anna");
    must_answer("anna", &past, "", NULL);
    for (int i = 0; i < 3; i++) {
        struct mix m;
        act(&past, "anna", i == 1 ? CLICK : CART, i == 1 ? 0 : 77, 20 + i);
        blend_mix(&m, &b, &past);
        cr_assert_eq(past.order[0], i == 1 ? 0 : 77);
        mix_free(&m);
        must_answer("anna", &past, "", NULL);
    }
    act(&past, "anna", VIEW, 10, 1); /* an old event come late moves nothing */
    must_answer("anna", &past, "", NULL);
}

/* Of one moment the item with the lower number counts as the later one. */
Test(blend_served, events_of_one_moment_have_an_order_too)
{
    serve_blend();
    struct past past = {0};
    act(&past, "anna", PURCHASE, 90, 4);
    act(&past, "anna", PURCHASE, 20, 4);
    act(&past, "anna", PURCHASE, 60, 4);
    must_answer("anna", &past, "", NULL);
}

Test(blend_served, events_within_the_request_count)
{
    serve_blend();
    struct past past = some_past("anna");
    for (int i = 0; i < 5; i++) {
        char rest[256];
        remember(&past, PURCHASE, 100 + (size_t)i, 30 + i);
        snprintf(rest, sizeof rest, ", 'observe': [%s]", event(PURCHASE, 100 + (size_t)i, 30 + i));
        must_answer("anna", &past, rest, NULL);
    }
}

Test(blend_served, what_is_disliked_leaves_list_and_taste)
{
    serve_blend();
    struct past past = some_past("anna");
    bool allowed[BLEND_ALL];
    memset(allowed, 1, sizeof allowed);
    allowed[10] = false;
    get(p, "observe", "anna", "{'events': [{'type': 'dismiss', 'item': 'i010'}]}");
    cr_assert_eq(past.deeds[1].row, 10);
    past.deeds[1] = past.deeds[--past.n];
    must_answer("anna", &past, "", allowed);
}

Test(blend_served, filters_and_exclusions_leave_the_best_of_the_rest)
{
    serve_blend();
    struct past past = some_past("anna");
    bool allowed[BLEND_ALL] = {false};
    for (size_t i = 0; i < 80; i++)
        allowed[i] = i != 17;
    for (int again = 0; again < 40; again++) /* often enough for an excerpt */
        must_answer("anna", &past, ", 'filter': {'field': 'price', 'lt': 80}, 'exclude': ['i017']",
                    allowed);
    for (size_t i = 0; i < past.n; i++)
        allowed[past.deeds[i].row] = false;
    must_answer("anna", &past,
                ", 'filter': {'field': 'price', 'lt': 80}, 'exclude': ['i017'],"
                " 'exclude_seen': true",
                allowed);
}

Test(blend_served, ranks_a_few_items_as_it_ranks_all)
{
    serve_blend();
    struct past past = some_past("anna");
    struct mix m;
    bool allowed[BLEND_ALL] = {false};
    allowed[3] = allowed[30] = allowed[76] = allowed[149] = true;
    blend_mix(&m, &b, &past);
    struct nbx_value *r =
        get(p, "rank", "anna", "{'items': ['i076', 'i003', 'nobody', 'i149', 'i030']}");
    cr_assert_eq(count_at(r, "items"), 4);
    must_be(r, "unknown", "['nobody']");
    must_mix(r, &b, &m, allowed, "personal");
    struct nbx_value *all = get(p, "recommend", "anna", "{'n': 150}");
    for (uint32_t i = 0; i < 4; i++) { /* the very same scores */
        const struct nbx_value *item = &at(r, "items")->list[i];
        for (uint32_t k = 0; k < BLEND_ITEMS; k++) {
            const struct nbx_value *other = &at(all, "items")->list[k];
            if (nbx_str_eq(text_at(other, "id"), text_at(item, "id")))
                cr_assert(number_at(other, "score") == number_at(item, "score"));
        }
    }
    mix_free(&m);
}

static void must_explain(const struct nbx_value *item, struct past *past, const struct mix *m)
{
    double shares[BLEND_DEEDS], last = INFINITY, score = number_at(item, "score");
    size_t row = blend_row(&b, text_at(item, "id"));
    const struct nbx_value *because = at(item, "explain.because");
    mix_shares(shares, m, b.joined[row], (uint32_t)row);
    cr_assert(number_at(item, "explain.factors.p") == score);
    cr_assert(because->n <= 3);
    for (uint32_t i = 0; i < because->n; i++) {
        size_t from = blend_row(&b, text_at(&because->list[i], "item")), k = 0;
        double share = number_at(&because->list[i], "share");
        while (k < past->n && past->order[k] != from)
            k++;
        cr_assert(k < past->n && share > 0 && share <= 1 && share <= last);
        cr_assert_float_eq(share, fmin(shares[k] / score, 1), 5e-3, "%g, not %g", share,
                           shares[k] / score);
        last = share;
    }
    must_be(item, "explain.reason.code", "'because_of_items'");
    MUST_LIST(item, "explain.reason.args.items", "", joined(item, "explain.because", "item"));
}

Test(blend_served, explains_by_shares_of_the_score)
{
    serve_blend();
    struct past past = some_past("anna");
    struct mix m;
    blend_mix(&m, &b, &past);
    for (int again = 0; again < 2; again++) { /* then from the cached vector */
        struct nbx_value *r = get(p, "recommend", "anna", "{'n': 20, 'explain': true}");
        for (uint32_t i = 0; i < 20; i++) {
            must_explain(&at(r, "items")->list[i], &past, &m);
            cr_assert(i > 3 || at(&at(r, "items")->list[i], "explain.because")->n > 0);
        }
    }
    mix_free(&m);
}

/* Similar to an item: what somebody gets whose whole history it is, without the item. */
Test(blend_served, similar_asks_for_somebody_with_that_one_item)
{
    serve_blend();
    for (size_t row = 0; row < BLEND_ITEMS; row += 13) {
        struct past past = {.n = 1, .deeds = {{row, 1, 0}}};
        struct mix m;
        bool allowed[BLEND_ALL];
        memset(allowed, 1, sizeof allowed);
        allowed[row] = false;
        blend_mix(&m, &b, &past);
        struct nbx_value *r = get(p, "similar", "", "{'item': '%s', 'n': 30}", b.id_text[row]);
        cr_assert_eq(count_at(r, "items"), 30);
        must_mix(r, &b, &m, allowed, "similar");
        mix_free(&m);
    }
    cr_assert_eq(count_at(get(p, "similar", "", "{'item': 'i000', 'n': 1000}"), "items"),
                 BLEND_ITEMS - 1);
}

Test(blend_served, similar_obeys_filters)
{
    serve_blend();
    struct past past = {.n = 1, .deeds = {{5, 1, 0}}};
    struct mix m;
    bool allowed[BLEND_ALL] = {false};
    for (size_t i = 100; i < BLEND_ITEMS; i++)
        allowed[i] = true;
    blend_mix(&m, &b, &past);
    struct nbx_value *r =
        get(p, "similar", "", "{'item': 'i005', 'n': 50, 'filter': {'field': 'price', 'ge': 100}}");
    cr_assert_eq(count_at(r, "items"), 50);
    must_mix(r, &b, &m, allowed, "similar");
    mix_free(&m);
}

/* A vector that is sent: x as it is, in the joined space, no addends. */
Test(blend_served, a_vector_sent_is_taken_as_it_is)
{
    serve_blend();
    some_past("anna");
    struct nbx_value *r =
        get(p, "recommend", "anna",
            "{'n': 20, 'space': 'blend', 'vector': [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1]}");
    double last = INFINITY;
    for (uint32_t i = 0; i < 20; i++) {
        const struct nbx_value *item = &at(r, "items")->list[i];
        size_t row = blend_row(&b, text_at(item, "id"));
        cr_assert_float_eq(number_at(item, "score"), (double)b.popular[row], 1e-5);
        cr_assert(number_at(item, "score") <= last);
        last = number_at(item, "score");
    }
    REFUSED(ask(p, "recommend", "", "{'vector': [1, 2]}"), "bad_request", "vector", "16");
    REFUSED(ask(p, "recommend", "", "{'vector': [1], 'space': 'taste'}"), "bad_request", "space",
            "blend (16)");
}

static uint32_t same_items(const struct nbx_value *a, const struct nbx_value *c)
{
    cr_assert_eq(count_at(a, "items"), count_at(c, "items"));
    for (uint32_t i = 0; i < count_at(a, "items"); i++) {
        const struct nbx_value *x = &at(a, "items")->list[i], *y = &at(c, "items")->list[i];
        cr_assert(nbx_str_eq(text_at(x, "id"), text_at(y, "id")), "place %u", i);
        cr_assert(number_at(x, "score") == number_at(y, "score"), "place %u", i);
        cr_assert(nbx_str_eq(text_at(x, "source"), text_at(y, "source")), "place %u", i);
    }
    return count_at(a, "items");
}

Test(blend_served, many_customers_are_answered_each_as_alone)
{
    enum { CUSTOMERS = 20 };
    struct nbx_buf names = {0};
    serve_blend();
    for (int c = 0; c < CUSTOMERS; c++) {
        char name[8];
        struct past past = {0};
        snprintf(name, sizeof name, "c%d", c);
        for (int e = 0; e < c % 7; e++) /* some are strangers */
            act(&past, name, e % 4, (size_t)(c * 31 + e * 47) % BLEND_ITEMS, (e * 5) % 7);
        nbx_buf_printf(&names, "%s'%s'", c ? "," : "", name);
    }
    nbx_buf_put_u8(&names, '\0');
    static const char *const rests[] = {"", ", 'n': 150",
                                        ", 'n': 9, 'filter': {'field': 'price', 'ge': 70}"};
    for (size_t i = 0; i < 3; i++) {
        struct nbx_value *all =
            get(p, "recommend", "", "{'customers': [%s]%s}", (const char *)names.p, rests[i]);
        for (int c = 0; c < CUSTOMERS; c++) {
            char path[24], name[8];
            snprintf(path, sizeof path, "results[%d]", c);
            snprintf(name, sizeof name, "c%d", c);
            struct nbx_value *one = get(p, "recommend", name, "{'record': 'none'%s}", rests[i]);
            cr_assert_gt(same_items(at(all, path), one), 0);
        }
    }
    nbx_buf_fini(&names);
}

Test(blend_served, cached_vectors_change_no_bit)
{
    serve_blend();
    struct past past = some_past("anna");
    char body[96];
    snprintf(body, sizeof body, "{'n': 150, 'record': 'none', 'explain': true, 'now': %lld}",
             (long long)wall_ms());
    struct answer first = ask(p, "recommend", "anna", "%s", body);
    struct nbx_buf kept = {0};
    nbx_buf_put(&kept, first.raw.p, first.raw.len);
    cr_assert(!kept.failed && kept.p);
    for (int i = 0; i < 4; i++) {
        if (i == 1) {
            get(p, "recommend", "anna", "{}"); /* its vector is stored */
        } else if (i == 3) {
            server_end(&s);
            server_begin(&s);
        }
        struct answer a = ask(p, "recommend", "anna", "%s", body);
        cr_assert_str_eq(a.status, "ok");
        cr_assert(a.raw.len == kept.len && memcmp(a.raw.p, kept.p, kept.len) == 0, "round %d", i);
    }
    nbx_buf_fini(&kept);
    must_answer("anna", &past, "", NULL);
    act(&past, "anna", VIEW, 51, 50); /* what was stored is stale: same items, another order */
    must_answer("anna", &past, "", NULL);
}

static const char *vector_text(const float *v, size_t n)
{
    static char text[1024];
    size_t at = 0;
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.9g", i ? "," : "[", (double)v[i]);
    snprintf(text + at, sizeof text - at, "]");
    return text;
}

Test(blend_served, an_items_own_vector_is_found_and_taken_back)
{
    serve_blend();
    struct past past = some_past("anna");
    struct mix m;
    must_answer("anna", &past, "", NULL);
    get(p, "recommend", "anna", "{}"); /* a vector is stored now */
    struct blend before = b;
    /* i050 and x0 take what nothing is nearer to than the customer */
    blend_mix(&m, &b, &past);
    for (size_t d = 0; d < BLEND_DIMS; d++) {
        double x = d < BLEND_TASTE ? m.x[0][d] : d < BLEND_DIMS - 1 ? m.x[1][d - BLEND_TASTE] : 1;
        b.joined[50][d] = (float)(x * 3);
        b.joined[BLEND_ITEMS][d] = (float)(x * 2);
    }
    mix_free(&m);
    get(p, "item.patch", "", "{'items': [{'id': 'i050', 'space': 'blend', 'vector': %s}]}",
        vector_text(b.joined[50], BLEND_DIMS));
    must_answer("anna", &past, "", NULL);
    get(p, "item.put", "", "{'items': [{'id': 'x0', 'vector': %s}]}",
        vector_text(b.joined[BLEND_ITEMS], BLEND_DIMS));
    b.has_vector[BLEND_ITEMS] = true;
    must_answer("anna", &past, "", NULL);
    MUST_LIST(get(p, "recommend", "anna", "{'n': 2}"), "items", "id", "i050 x0");
    act(&past, "anna", PURCHASE, BLEND_ITEMS, 60); /* an item with nothing but a vector */
    act(&past, "anna", PURCHASE, 50, 61);
    must_answer("anna", &past, "", NULL);
    struct past one = {.n = 1, .deeds = {{BLEND_ITEMS, 1, 0}}};
    bool allowed[BLEND_ALL];
    memset(allowed, 1, sizeof allowed);
    allowed[BLEND_ITEMS] = false;
    blend_mix(&m, &b, &one);
    must_mix(get(p, "similar", "", "{'item': 'x0', 'n': 30}"), &b, &m, allowed, "similar");
    mix_free(&m);
    get(p, "item.patch", "", "{'items': [{'id': 'i050', 'vector': null}]}");
    memcpy(b.joined[50], before.joined[50], sizeof b.joined[50]);
    must_answer("anna", &past, "", NULL);
    get(p, "item.delete", "", "{'ids': ['x0']}");
    b.has_vector[BLEND_ITEMS] = false;
    past.n--; /* i050 was last; x0 gives up its place */
    past.deeds[past.n - 1] = past.deeds[past.n];
    must_answer("anna", &past, "", NULL);
}

Test(blend_served, whoever_did_nothing_gets_what_is_popular)
{
    serve_blend();
    get(p, "observe", "bob", "{'events': [{'type': 'purchase', 'item': 'i123'}]}");
    struct nbx_value *r = get_until(p, "nobody", "{'n': 1}", "i123");
    cr_assert(!nbx_str_is(text_at(r, "items[0].source"), "personal"));
    r = get(p, "recommend", "nobody", "{'n': 150}");
    for (uint32_t i = 0; i < BLEND_ITEMS; i++)
        cr_assert(!nbx_str_is(text_at(&at(r, "items")->list[i], "source"), "personal"));
    get(p, "observe", "carl", "{'events': [{'type': 'dismiss', 'item': 'i001'}]}");
    r = get(p, "recommend", "carl", "{'n': 1}");
    cr_assert(!nbx_str_is(text_at(r, "items[0].source"), "personal"), "nothing is liked");
}

Test(blend_served, customer_get_shows_the_joined_vector)
{
    serve_blend();
    struct past past = some_past("anna");
    struct mix m;
    blend_mix(&m, &b, &past);
    struct nbx_value *anna = get(p, "customer.get", "anna", "{}");
    cr_assert_eq(count_at(anna, "vector"), BLEND_DIMS);
    for (size_t d = 0; d < BLEND_DIMS; d++) {
        size_t i = d < BLEND_TASTE ? 0 : d < BLEND_DIMS - 1 ? 1 : 2;
        double want = m.scale[i] * m.x[i][d - m.offset[i]];
        cr_assert_float_eq(at(anna, "vector")->list[d].f, want, 1e-3 * (1 + fabs(want)));
    }
    mix_free(&m);
}

/* A newer bundle of that space and nothing else, and its answer. */
static void must_stand_alone(const struct nbx_space *space, const char *version, struct past *past)
{
    b.info.n_neighbours = 0;
    b.info.n_spaces = 1;
    b.info.spaces[0] = *space;
    b.info.version = nbx_str_c(version);
    blend_join(&b);
    server_bundle(&s, version, &b.info);
    server_reload(&s);
    cr_assert(nbx_str_is(text_at(get(p, "hello", "", "{}"), "model.version"), version));
    must_answer("anna", past, "", NULL);
}

/* One kind of space alone; neighbours alone are below. */
Test(blend_served, every_part_may_stand_alone)
{
    static const char *const versions[] = {"2", "3", "4"};
    serve_blend();
    server_configure(&s, "model_min_listed: 0\n"); /* a constant is one list for everybody */
    struct past past = some_past("anna");
    struct blend whole = b;
    for (size_t i = 0; i < 3; i++)
        must_stand_alone(&whole.info.spaces[i], versions[i], &past);
}

/* What the first bundle does not have: no bias, and one group or as many as dimensions. */
Test(blend_served, a_summed_space_has_any_groups)
{
    serve_blend();
    struct past past = some_past("anna");
    struct nbx_space space = b.info.spaces[1];
    space.bias = false;
    space.n_groups = 1;
    must_stand_alone(&space, "2", &past);
    space.n_groups = BLEND_NEXT;
    space.n_positions = 1;
    must_stand_alone(&space, "3", &past);
}

/* No space at all: what nothing speaks for scores 0, own vectors have one dimension of zeros. */
Test(blend_served, neighbours_alone)
{
    b.info.n_spaces = 0;
    b.info.neighbours[1].scaled_by = 0;
    blend_join(&b);
    serve_blend();
    struct past past = some_past("anna");
    for (int again = 0; again < 2; again++)
        must_answer("anna", &past, "", NULL);
    struct past one = {.n = 1, .deeds = {{30, 1, 0}}};
    bool allowed[BLEND_ALL];
    struct mix m;
    memset(allowed, 1, sizeof allowed);
    allowed[30] = false;
    blend_mix(&m, &b, &one);
    must_mix(get(p, "similar", "", "{'item': 'i030', 'n': 30}"), &b, &m, allowed, "similar");
    mix_free(&m);
    struct nbx_value *r = get(p, "recommend", "", "{'n': 150, 'vector': [1]}");
    for (uint32_t i = 0; i < BLEND_ITEMS; i++)
        cr_assert(number_at(&at(r, "items")->list[i], "score") == 0);
    get(p, "item.patch", "", "{'items': [{'id': 'i050', 'vector': [7]}]}");
    must_be(get(p, "recommend", "", "{'n': 1, 'vector': [1]}"), "items[0].id", "'i050'");
    must_answer("anna", &past, "", NULL);
    get(p, "item.patch", "", "{'items': [{'id': 'i050', 'vector': null}]}");
    r = get(p, "recommend", "", "{'n': 150, 'vector': [1]}");
    for (uint32_t i = 0; i < BLEND_ITEMS; i++)
        cr_assert(number_at(&at(r, "items")->list[i], "score") == 0, "place %u", i);
    must_answer("anna", &past, "", NULL);
}

/* From a blend to factors and back, by the newest bundle. */
Test(blend_served, gives_way_to_a_newer_bundle)
{
    serve_blend();
    struct past past = some_past("anna");
    must_answer("anna", &past, "", NULL);
    struct nbx_bundle_info factors = b.info;
    factors.family = NBX_STR("factors");
    factors.name = NBX_STR("taste");
    factors.version = NBX_STR("2");
    factors.created_ms++;
    factors.n_spaces = 1;
    factors.n_neighbours = 0;
    server_bundle(&s, "factors", &factors);
    server_reload(&s);
    must_be(get(p, "recommend", "anna", "{}"), "model", "{'name': 'taste', 'version': '2'}");
    b.info.version = NBX_STR("3");
    b.info.created_ms += 2;
    server_bundle(&s, "again", &b.info);
    server_reload(&s);
    must_be(get(p, "recommend", "anna", "{}"), "model", "{'name': 'mix', 'version': '3'}");
    must_answer("anna", &past, "", NULL);
}

/* Vectors, histories and addends as they were, while items' own vectors come and go. */
Test(blend_served, decisions_are_the_same_when_made_again)
{
    static const char *const requests[] = {"{'n': 40}", "{'n': 9, 'exclude_seen': true}",
                                           "{'n': 200, 'exclude': ['i003', 'i004']}"};
    char ids[9][33], out[1024];
    serve_blend();
    struct past past = some_past("anna");
    for (int i = 0; i < 9; i++) {
        struct nbx_value *r = get(p, "recommend", "anna", requests[i % 3]);
        snprintf(ids[i], sizeof ids[i], "%.*s", NBX_STR_ARG(text_at(r, "decision")));
        act(&past, "anna", i % 2 ? CART : VIEW, (size_t)i * 13 + 1, 20 + i);
        get(p, "item.put", "",
            "{'items': [{'id': 'i%03d', 'vector': [1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, "
            "8]}, {'id': 'i%03d'}]}",
            i * 11, i * 11 + 1);
    }
    for (int i = 0; i < 9; i++) {
        cr_assert_eq(server_replay(&s, ids[i], out, sizeof out), 0, "%d: %s", i, out);
        cr_assert_null(strstr(out, " 0 found"), "%s", out);
    }
}
