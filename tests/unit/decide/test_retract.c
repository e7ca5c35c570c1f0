/* SPDX-License-Identifier: MIT
 * What was retracted has never been: two towns, one of which never hears of it.
 */
#include "tests/unit/decide/histories.h"

#define N_HISTORIES 2000
#define N_AT_ONCE   100

static struct town t, other; /* other: never hears of what is retracted */

static void begin(void)
{
    history_town(&t);
    history_town(&other);
    town_model(&t, NBX_CUSTOMER_FOLDED, "v1");
    town_model(&other, NBX_CUSTOMER_FOLDED, "v1");
}

static void end(void)
{
    town_end(&t);
    town_end(&other);
}

TestSuite(retract, .init = begin, .fini = end, .timeout = 600);

static struct nbx_retracted retract(const char *customer, const struct nbx_retraction *what)
{
    struct nbx_retracted done;
    struct nbx_profile p;
    cr_assert_eq(nbx_profile_load(&p, &t.scope, nbx_str_c(customer)), NBX_OK);
    cr_assert_eq(nbx_retract(&done, &t.scope, &p, what), NBX_OK);
    return done;
}

/* How a history's events are taken back. */
enum way { BY_ID, BY_ITEM, ALL, N_WAYS };

struct plan {
    char name[16];
    struct history_event e[HISTORY_MAX];
    bool gone[HISTORY_MAX];
    uint32_t n;
    enum way way;
    uint32_t items; /* a bit for each item that is taken back */
};

static bool covers(void *context, uint32_t item_no)
{
    const struct plan *p = context;
    for (uint32_t i = 0; i < HISTORY_ITEMS; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%02u", i);
        if (nbx_ids_find(t.shop.ids, nbx_str_c(id)) == item_no)
            return p->items >> i & 1;
    }
    return false;
}

/* Often few of the events, now and then every one. */
static void make_plan(struct plan *p, int number, struct nbx_random *r)
{
    *p = (struct plan){.way = (enum way)nbx_random_below(r, N_WAYS)};
    snprintf(p->name, sizeof p->name, "c%d", number);
    p->n = history_make(p->e, r);
    history_shuffle(p->e, p->n, r);
    uint32_t half = (uint32_t)nbx_random_u64(r);
    p->items = half & (uint32_t)nbx_random_u64(r);
    uint64_t one_in = nbx_random_below(r, 6);
    for (uint32_t i = 0; i < p->n; i++)
        p->gone[i] = p->way == ALL || (p->way == BY_ITEM && p->items >> p->e[i].item & 1) ||
                     (p->way == BY_ID && (one_in == 0 || nbx_random_below(r, one_in) == 0));
}

/* Those that stay, in their order. */
static uint32_t kept_of(const struct plan *p, struct history_event *out)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n; i++)
        if (!p->gone[i])
            out[n++] = p->e[i];
    return n;
}

/* Takes back by id; how many of them were there. */
static uint32_t retract_ids(const struct plan *p)
{
    static char texts[HISTORY_MAX][16];
    struct nbx_str ids[HISTORY_MAX];
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        if (!p->gone[i])
            continue;
        snprintf(texts[n], sizeof texts[n], "e%u", p->e[i].id);
        ids[n] = nbx_str_c(texts[n]);
        n++;
    }
    struct nbx_retracted done = retract(p->name, &(struct nbx_retraction){.ids = ids, .n_ids = n});
    cr_assert_eq(done.retracted + done.unknown, n);
    return done.retracted;
}

static uint32_t retract_plan(struct plan *p)
{
    if (p->way == BY_ID)
        return retract_ids(p);
    struct nbx_retraction what = {.all = p->way == ALL};
    what.covers = p->way == BY_ITEM ? covers : NULL;
    what.context = p;
    return retract(p->name, &what).retracted;
}

/* Ids may be taken back before their events come, in between, and again. */
static void live_through_first(struct plan *p, struct nbx_random *r)
{
    uint32_t half = p->n / 2;
    history_send_all(&t, p->name, p->e, half, r);
    if (p->way == BY_ID && nbx_random_below(r, 2))
        retract_ids(p);
}

static void live_through_rest(struct plan *p, struct nbx_random *r)
{
    uint32_t half = p->n / 2;
    history_send_all(&t, p->name, p->e + half, p->n - half, r);
    retract_plan(p);
    cr_assert_eq(retract_plan(p), 0, "a second time there is nothing left");
    uint32_t again = history_send_all(&t, p->name, p->e, p->n, r);
    cr_assert_eq(again, 0, "their ids stay taken");
}

static struct nbx_str answer(struct town *town, const char *customer)
{
    struct nbx_buf b = {0};
    struct nbx_decision d = town_decide(town, customer, "{n:12,record:'none'}");
    for (uint32_t i = 0; i < d.n; i++)
        nbx_buf_printf(&b, "%u %a %d %d,", d.choices[i].item_no, (double)d.choices[i].score,
                       (int)d.choices[i].source, (int)d.choices[i].reason);
    struct nbx_str s =
        nbx_arena_str(town->shop.arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return s;
}

/* Times and ids of the events kept. */
static struct nbx_str events_of(struct town *town, uint64_t number)
{
    struct nbx_buf b = {0};
    struct nbx_cursor *cursor;
    struct nbx_str key;
    struct nbx_stored stored;
    struct nbx_key from = nbx_key_customer(number), to = nbx_key_customer_end(number);
    cr_assert_eq(nbx_cursor_open(&cursor, town->shop.f.store, NBX_FAMILY_EVENTS, nbx_key_str(&from),
                                 nbx_key_str(&to), false),
                 NBX_OK);
    while (NBX_CUSTOMER_SERIAL(number) && nbx_cursor_next(cursor, &key, &stored) == NBX_OK)
        nbx_buf_put(&b, key.p + 8, key.len - 8);
    nbx_cursor_close(&cursor);
    struct nbx_str s =
        nbx_arena_str(town->shop.arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return s;
}

static void compare_state(const struct plan *p)
{
    struct nbx_profile a = town_profile(&t, p->name), b = town_profile(&other, p->name);
    cr_assert_eq(a.known, b.known, "%s", p->name);
    cr_assert_eq(NBX_CUSTOMER_SERIAL(a.number) == 0, NBX_CUSTOMER_SERIAL(b.number) == 0);
    cr_assert(nbx_str_eq(history_state(&t, &a), history_state(&other, &b)), "%s", p->name);
    cr_assert(nbx_str_eq(events_of(&t, a.number), events_of(&other, b.number)), "%s", p->name);
}

static void same_ranking(const struct nbx_ranking *a, const struct nbx_ranking *b)
{
    cr_assert_eq(a->n, b->n);
    for (size_t i = 0; i < a->n; i++)
        cr_assert(a->item_nos[i] == b->item_nos[i] && a->scores[i] == b->scores[i], "at %zu", i);
}

static void reopen(struct town *town)
{
    nbx_model_release(&town->model);
    nbx_model_release(&town->bare);
    town_reopen(town);
    town_model(town, NBX_CUSTOMER_FOLDED, "v1");
}

/* After a restart of both, so that trends have no sums of halves left over: rankings and answers.
 */
static void compare_answers(const struct plan *plans)
{
    cr_assert(nbx_str_eq(history_counts(&t), history_counts(&other)));
    reopen(&t);
    reopen(&other);
    same_ranking(&t.rankings->popular, &other.rankings->popular);
    for (uint16_t i = 0; i <= t.rankings->n_channels; i++)
        same_ranking(&t.rankings->trend[i], &other.rankings->trend[i]);
    for (int i = 0; i < N_AT_ONCE; i++) {
        nbx_arena_reset(t.shop.arena);
        nbx_arena_reset(other.shop.arena);
        cr_assert(nbx_str_eq(answer(&t, plans[i].name), answer(&other, plans[i].name)), "%s",
                  plans[i].name);
    }
}

static void live_through(struct plan *plans, int first, struct nbx_random *r)
{
    for (int i = 0; i < N_AT_ONCE; i++) {
        make_plan(&plans[i], first + i, r);
        live_through_first(&plans[i], r);
    }
    reopen(&t);
    for (int i = 0; i < N_AT_ONCE; i++) {
        struct history_event kept[HISTORY_MAX];
        nbx_arena_reset(t.shop.arena);
        nbx_arena_reset(other.shop.arena);
        live_through_rest(&plans[i], r);
        history_send_all(&other, plans[i].name, kept, kept_of(&plans[i], kept), r);
        compare_state(&plans[i]);
    }
    compare_answers(plans);
}

Test(retract, what_was_retracted_was_never_sent)
{
    static struct plan plans[N_AT_ONCE];
    struct nbx_random r;
    nbx_random_init(&r, HISTORY_SEED);
    cr_log_info("seed %u", HISTORY_SEED);
    for (int first = 0; first < N_HISTORIES; first += N_AT_ONCE)
        live_through(plans, first, &r);
}

static const struct nbx_retraction everything = {.all = true};

static struct nbx_retracted retract_one(const char *customer, const char *id)
{
    struct nbx_str ids[] = {nbx_str_c(id)};
    return retract(customer, &(struct nbx_retraction){.ids = ids, .n_ids = 1});
}

Test(retract, an_id_comes_before_its_event_and_twice)
{
    struct nbx_str ids[] = {NBX_STR("e1"), NBX_STR("e1"), NBX_STR("e2")};
    struct nbx_retraction what = {.ids = ids, .n_ids = 3};
    struct nbx_retracted done = retract("anna", &what);
    cr_assert_eq(done.retracted, 0);
    cr_assert_eq(done.unknown, 2);
    cr_assert_eq(done.seq, 1);
    cr_assert_not(town_profile(&t, "anna").known);
    cr_assert_eq(retract("anna", &what).seq, 1, "nothing new, nothing written");
    struct nbx_observed o = town_observe(
        &t, "anna", "{id:'e1',type:'view',item:'i01'},{id:'e3',type:'view',item:'i02'}");
    cr_assert_eq(o.applied, 1);
    cr_assert_eq(o.duplicates, 1);
    struct nbx_profile p = town_profile(&t, "anna");
    cr_assert(p.known);
    cr_assert_eq(NBX_CUSTOMER_SERIAL(p.number), 1, "the number that was kept");
    cr_assert_eq(p.seen.n, 1);
}

Test(retract, who_has_nothing_is_a_stranger_and_forgotten_like_anybody)
{
    struct nbx_forgetting done;
    cr_assert_eq(retract("anna", &everything).seq, 0);
    town_observe(&t, "anna", "{id:'e1',type:'view',item:'i01'}");
    uint64_t number = town_profile(&t, "anna").number;
    cr_assert_eq(retract("anna", &everything).retracted, 1);
    cr_assert_not(town_profile(&t, "anna").known);
    reopen(&t);
    cr_assert_not(town_profile(&t, "anna").known);
    town_observe(&t, "anna", "{id:'e2',type:'view',item:'i01'}");
    cr_assert_eq(town_profile(&t, "anna").number, number);
    cr_assert_eq(retract("anna", &everything).retracted, 1);
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("anna")), NBX_OK);
    cr_assert(done.forgotten);
    cr_assert_eq(town_observe(&t, "anna", "{id:'e1',type:'view',item:'i01'}").applied, 1);
}

Test(retract, what_was_put_stays)
{
    struct nbx_customer_put_req req;
    uint64_t seq;
    struct nbx_stored stored;
    cr_assert_eq(
        nbx_message_customer_put(&req, town_body(&t, "{attributes:{a:1}}"), t.shop.arena, &t.fault),
        NBX_OK);
    town_observe(&t, "anna", "{id:'e1',type:'view',item:'i01'}");
    cr_assert_eq(nbx_customer_put(&t.scope, NBX_STR("anna"), &req, &seq, &t.fault), NBX_OK);
    cr_assert_eq(retract("anna", &everything).retracted, 1);
    struct nbx_profile p = town_profile(&t, "anna");
    cr_assert(p.known);
    cr_assert_eq(p.head.attributes->n, 1);
    cr_assert_eq(p.head.totals.n, 0);
    struct nbx_key key = nbx_key_customer(p.number);
    cr_assert_eq(
        nbx_store_get(t.shop.f.store, NBX_FAMILY_SEEN, nbx_key_str(&key), t.shop.arena, &stored),
        NBX_ENOTFOUND);
}

Test(retract, other_customers_events_of_the_same_id_stay)
{
    town_observe(&t, "anna", "{id:'e1',type:'view',item:'i01'}");
    town_observe(&t, "bert", "{id:'e1',type:'view',item:'i01'}");
    cr_assert_eq(retract_one("anna", "e1").retracted, 1);
    cr_assert_eq(town_profile(&t, "bert").seen.n, 1);
}

/* What trends were given is what they get back, whatever types weigh by now. */
Test(retract, a_changed_vocabulary_changes_nothing)
{
    struct nbx_event_type types[] = {
        {.name = {"view", 4}, .class = NBX_CLASS_POSITIVE, .weight = 7, .negative_below = NAN},
        {.name = {"buy", 3}, .class = NBX_CLASS_NEGATIVE, .negative_below = NAN}};
    struct nbx_vocabulary_options options = {.types = types, .n_types = 2};
    struct nbx_vocabulary *changed; /* without any channel */
    town_observe(&t, "anna",
                 "{id:'e1',type:'view',item:'i01'},{id:'e2',type:'buy',item:'i02'},"
                 "{id:'e3',type:'dismiss',item:'i03'}");
    town_observe(&t, "anna", "{id:'e4',type:'buy',item:'i04',channel:'store'}");
    cr_assert_eq(nbx_vocabulary_new(&changed, t.shop.f.store, &options), NBX_OK);
    t.scope.vocabulary = changed;
    cr_assert_eq(retract_one("anna", "e1").retracted, 1);
    cr_assert_eq(retract_one("anna", "e2").retracted, 1);
    cr_assert_eq(history_counts(&t).len, 2 * (10 + 8), "e4, in its channel and of all time");
    cr_assert_eq(retract_one("anna", "e4").retracted, 1);
    cr_assert_eq(history_counts(&t).len, 10 + 8, "its channel is configured no longer");
    t.scope.vocabulary = t.vocabulary;
    nbx_vocabulary_destroy(&changed);
}

Test(retract, a_write_that_fails_changes_nothing)
{
    struct nbx_retracted done;
    town_observe(&t, "anna", "{id:'e1',type:'view',item:'i01'}");
    struct nbx_profile p = town_profile(&t, "anna");
    struct nbx_str before = history_state(&t, &p);
    t.scope.batch->ops.failed = true; /* as where memory is out */
    cr_assert_eq(nbx_retract(&done, &t.scope, &p, &everything), NBX_ELIMIT);
    cr_assert(p.known);
    p = town_profile(&t, "anna");
    cr_assert(nbx_str_eq(history_state(&t, &p), before));
    cr_assert_eq(nbx_customers_seq(t.customers, NBX_CUSTOMER_GROUP(p.number)), 1);
    town_world(&t, true);
    cr_assert_eq(t.rankings->popular.n, 1);
    cr_assert(t.rankings->popular.scores[0] == 0.5f);
    cr_assert_eq(retract("anna", &everything).seq, 2);
    town_world(&t, true);
    cr_assert_eq(t.rankings->popular.n, 0);
}
