/* SPDX-License-Identifier: MIT
 * What is older than its type's ttl might as well never have come: answers, whether their vector
 * was cached or not, are those of a customer who never did it. Nothing that is kept changes.
 */
#include "engine/customer/seen.h"
#include "engine/decide/taste.h"
#include "tests/unit/decide/histories.h"

#define N_HISTORIES 600
#define SHOWN       TOWN_ITEMS /* all there are */

static struct town t;
static struct nbx_event_type types[TOWN_TYPES];

static void begin(void)
{
    history_town(&t);
    memcpy(types, town_types, sizeof types);
    town_model(&t, NBX_CUSTOMER_FOLDED, "v1");
}

static void end(void)
{
    town_end(&t);
}

TestSuite(ttl, .init = begin, .fini = end, .timeout = 600);

static void print_seen(struct nbx_buf *b, const struct nbx_profile *p)
{
    struct nbx_seen_item item;
    uint32_t at = 0;
    while (nbx_seen_next(&p->seen, t.vocabulary, t.scope.now_ms, &at, &item))
        nbx_buf_printf(b, "%u %d %d %a %lld,", item.item_no, item.disliked, item.scope, item.weight,
                       (long long)item.liked_ms);
}

/* Everything that is answered of the customer at the clock: two lists to the bit, and the walk. */
static struct nbx_str answers(const char *customer)
{
    struct nbx_buf b = {0};
    int64_t now_ms = t.scope.now_ms;
    struct nbx_profile profile = town_profile(&t, customer);
    for (int seen = 0; seen < 2; seen++) {
        char text[64];
        snprintf(text, sizeof text, "{n:%d,record:'none',exclude_seen:%s}", SHOWN,
                 seen ? "true" : "false");
        struct nbx_decision d = town_decide(&t, customer, text);
        cr_assert_eq(t.scope.now_ms, now_ms);
        for (uint32_t i = 0; i < d.n; i++)
            nbx_buf_printf(&b, "%u %a %d %d,", d.choices[i].item_no, (double)d.choices[i].score,
                           (int)d.choices[i].source, (int)d.choices[i].reason);
        nbx_buf_printf(&b, ";");
        if (d.taste->space)
            nbx_buf_put(&b, d.taste->vector, TOWN_DIMS * sizeof(float));
    }
    print_seen(&b, &profile);
    struct nbx_str s =
        nbx_arena_str(t.shop.arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return s;
}

/* A recorded decision, which leaves its vector in the cache. */
static struct nbx_decision decide_and_keep(const char *customer)
{
    static uint16_t counter;
    int64_t now_ms = t.scope.now_ms;
    struct nbx_profile profile = town_profile(&t, customer);
    struct nbx_recommend_req req = town_request(&t, "{}", false);
    struct nbx_decision out = town_decide(&t, customer, "{}");
    struct nbx_decision_context context = {
        .id = nbx_decision_id_make(profile.number, now_ms, ++counter),
        .req = &req,
        .profile = &profile};
    cr_assert_eq(nbx_decision_write(&t.d, &out, &context), NBX_OK);
    return out;
}

static struct nbx_taste taste_of(const char *customer)
{
    struct nbx_taste taste;
    struct nbx_profile profile = town_profile(&t, customer);
    cr_assert_eq(nbx_taste_of_customer(&taste, &t.d, &profile, &t.fault), NBX_OK);
    return taste;
}

/* Types with or without a half-life, and with a ttl of none to eight days, in hours and parts of
 * them. */
static void any_ttls(struct nbx_random *r)
{
    for (int i = 0; i < TOWN_TYPES; i++)
        types[i].ttl_ms =
            nbx_random_below(r, 3) ? 1 + (int64_t)nbx_random_below(r, 192 * TOWN_HOUR_MS) : 0;
    /* where nothing fades, ttl alone makes a cached vector old */
    types[1].half_life_ms = nbx_random_below(r, 2) ? town_types[1].half_life_ms : 0;
    town_change_types(&t, types);
}

/* The events that have an effect at the clock, from the definition. Their number. */
static uint32_t live_of(struct history_event *out, const struct history_event *e, uint32_t n)
{
    uint32_t kept = 0;
    int64_t hour_ms = t.scope.now_ms - t.scope.now_ms % TOWN_HOUR_MS;
    for (uint32_t i = 0; i < n; i++) {
        int64_t ttl_ms = types[e[i].type].ttl_ms;
        if (ttl_ms == 0 || e[i].time_ms + ttl_ms >= hour_ms)
            out[kept++] = e[i];
    }
    return kept;
}

static void must_be_as_if_never(const char *customer, const char *other,
                                const struct history_event *e, uint32_t n, struct nbx_random *r)
{
    struct history_event live[HISTORY_MAX];
    int64_t now_ms = t.scope.now_ms;
    uint32_t n_live = live_of(live, e, n);
    t.scope.now_ms = SHOP_NOW + 400 * TOWN_HOUR_MS; /* when it is sent makes no difference */
    history_send_all(&t, other, live, n_live, r);
    t.scope.now_ms = now_ms;
    cr_assert(nbx_str_eq(answers(customer), answers(other)), "%s, %u of %u live", customer, n_live,
              n);
}

/* At three clocks, the vector of the one before in the cache: within the hour, and hours later. */
static void live_through(int number, uint32_t *n_expired, struct nbx_random *r)
{
    struct history_event e[HISTORY_MAX];
    char name[16], other[16];
    uint32_t n = history_make(e, r);
    for (uint32_t i = 0; i < n; i++)
        e[i].time_ms += (int64_t)nbx_random_below(r, TOWN_HOUR_MS);
    history_shuffle(e, n, r);
    snprintf(name, sizeof name, "a%d", number);
    history_send_all(&t, name, e, n, r);
    any_ttls(r);
    for (int clock = 0; clock < 3; clock++) {
        struct history_event live[HISTORY_MAX];
        snprintf(other, sizeof other, "%c%d", "bcd"[clock], number);
        must_be_as_if_never(name, other, e, n, r);
        *n_expired += n - live_of(live, e, n);
        decide_and_keep(name);
        must_be_as_if_never(name, other, e, 0, r); /* again, with what is cached now */
        t.scope.now_ms += clock ? (int64_t)nbx_random_below(r, 50 * TOWN_HOUR_MS)
                                : (int64_t)nbx_random_below(r, TOWN_HOUR_MS / 8);
    }
    t.scope.now_ms = SHOP_NOW;
}

Test(ttl, what_expired_might_never_have_come)
{
    struct nbx_random r;
    uint32_t n_expired = 0;
    nbx_random_init(&r, HISTORY_SEED);
    cr_log_info("seed %u", HISTORY_SEED);
    for (int i = 0; i < N_HISTORIES; i++) {
        nbx_arena_reset(t.shop.arena);
        live_through(i, &n_expired, &r);
    }
    cr_assert_gt(n_expired, (uint32_t)N_HISTORIES, "%u expired", n_expired);
}

static void watch(const char *customer, const char *more)
{
    char text[256];
    snprintf(text, sizeof text, "{type:'buy',item:'i02',time:%lld}%s", (long long)SHOP_NOW, more);
    town_observe(&t, customer, text);
}

/* Other settings, and the same again: what is cached is of the settings it was made with. */
Test(ttl, a_reload_takes_effect_at_once_and_back)
{
    char old[96];
    snprintf(old, sizeof old, ",{type:'view',item:'i01',time:%lld}",
             (long long)(SHOP_NOW - 48 * TOWN_HOUR_MS));
    watch("anna", old);
    watch("bert", "");
    struct nbx_profile before = town_profile(&t, "anna");
    struct nbx_str both = answers("anna"), one = answers("bert");
    cr_assert_not(nbx_str_eq(both, one));
    decide_and_keep("anna");
    cr_assert(taste_of("anna").cached);
    types[0].ttl_ms = 24 * TOWN_HOUR_MS;
    town_change_types(&t, types);
    cr_assert_not(taste_of("anna").cached);
    cr_assert_eq(taste_of("anna").history.n, 1);
    cr_assert(nbx_str_eq(answers("anna"), one));
    cr_assert_not_null(decide_and_keep("anna").fresh_vector);
    cr_assert(taste_of("anna").cached);
    cr_assert(nbx_str_eq(answers("anna"), one), "from the cache");
    town_change_types(&t, town_types);
    cr_assert_not(taste_of("anna").cached);
    cr_assert(nbx_str_eq(answers("anna"), both));
    struct nbx_profile after = town_profile(&t, "anna");
    cr_assert(nbx_str_eq(history_state(&t, &before), history_state(&t, &after)));
}

Test(ttl, another_weight_or_half_life_makes_cached_vectors_old)
{
    watch("anna", ",{type:'view',item:'i01'}");
    decide_and_keep("anna");
    cr_assert(taste_of("anna").cached);
    types[0].weight = 1.5;
    town_change_types(&t, types);
    cr_assert_not(taste_of("anna").cached);
    decide_and_keep("anna");
    cr_assert(taste_of("anna").cached);
    types[0].half_life_ms = TOWN_HOUR_MS;
    town_change_types(&t, types);
    cr_assert_not(taste_of("anna").cached);
    struct nbx_event_type swapped[TOWN_TYPES] = {types[3], types[2], types[1], types[0]};
    decide_and_keep("anna");
    town_change_types(&t, swapped);
    cr_assert(taste_of("anna").cached, "the order of types in the settings says nothing");
}
