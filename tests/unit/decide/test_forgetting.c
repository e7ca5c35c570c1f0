/* SPDX-License-Identifier: MIT
 * Who was forgotten was never known: two towns, one of which never hears of some customers.
 */
#include "tests/unit/decide/dump.h"
#include "tests/unit/decide/histories.h"

#define N_ROUNDS  10
#define N_AT_ONCE 60

static struct town t, other; /* other: never hears of who is forgotten */

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

TestSuite(forgetting, .init = begin, .fini = end, .timeout = 600);

struct person {
    char name[16];
    bool goes;
    struct history_event e[HISTORY_MAX];
    uint32_t n;
};

static struct nbx_forgetting forget(struct town *town, const char *customer)
{
    struct nbx_forgetting done;
    cr_assert_eq(nbx_customer_forget(&done, &town->scope, nbx_str_c(customer)), NBX_OK);
    return done;
}

static void put_customer(struct town *town, const char *id)
{
    struct nbx_customer_put_req req;
    uint64_t seq;
    cr_assert_eq(nbx_message_customer_put(&req, town_body(town, "{attributes:{a:1}}"),
                                          town->shop.arena, &town->fault),
                 NBX_OK);
    cr_assert_eq(nbx_customer_put(&town->scope, nbx_str_c(id), &req, &seq, &town->fault), NBX_OK);
}

static void live(struct town *town, const struct person *p, struct nbx_random *r)
{
    nbx_arena_reset(town->shop.arena);
    if (p->n % 3 == 0)
        put_customer(town, p->name);
    history_send_all(town, p->name, p->e, p->n, r);
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

static void compare(const struct person *p)
{
    nbx_arena_reset(t.shop.arena);
    nbx_arena_reset(other.shop.arena);
    struct nbx_profile a = town_profile(&t, p->name), b = town_profile(&other, p->name);
    cr_assert_eq(a.known, b.known, "%s", p->name);
    cr_assert(nbx_str_eq(history_state(&t, &a), history_state(&other, &b)), "%s", p->name);
    cr_assert(nbx_str_eq(answer(&t, p->name), answer(&other, p->name)), "%s", p->name);
}

static void reopen(struct town *town)
{
    nbx_model_release(&town->model);
    nbx_model_release(&town->bare);
    town_reopen(town);
    town_model(town, NBX_CUSTOMER_FOLDED, "v1");
}

/* Everybody, by the rankings of now. */
static void compare_all(const struct person *people)
{
    nbx_arena_reset(t.shop.arena);
    nbx_arena_reset(other.shop.arena);
    cr_assert(nbx_str_eq(history_counts(&t), history_counts(&other)));
    town_world(&t, true);
    town_world(&other, true);
    for (int i = 0; i < N_AT_ONCE; i++)
        compare(&people[i]);
}

static void round_of(struct person *people, int round, struct nbx_random *r)
{
    struct nbx_random again;
    for (int i = 0; i < N_AT_ONCE; i++) {
        struct person *p = &people[i];
        snprintf(p->name, sizeof p->name, "c%d-%d", round, i);
        p->n = history_make(p->e, r);
        p->goes = nbx_random_below(r, 2);
        again = *r;
        live(&t, p, r);
        if (!p->goes)
            live(&other, p, &again);
    }
    for (int i = 0; i < N_AT_ONCE; i++) {
        if (!people[i].goes)
            continue;
        struct nbx_forgetting done = forget(&t, people[i].name);
        cr_assert(done.forgotten);
        cr_assert_eq(done.events, people[i].n);
        cr_assert_not(forget(&t, people[i].name).forgotten);
    }
    compare_all(people);
    reopen(&t);
    reopen(&other);
    compare_all(people);
    for (int i = 0; i < N_AT_ONCE; i++) { /* who comes back begins anew */
        again = *r;
        if (people[i].goes) {
            live(&t, &people[i], r);
            live(&other, &people[i], &again);
        }
    }
    compare_all(people);
}

Test(forgetting, who_was_forgotten_was_never_known)
{
    static struct person people[N_AT_ONCE];
    struct nbx_random r;
    nbx_random_init(&r, HISTORY_SEED);
    cr_log_info("seed %u", HISTORY_SEED);
    for (int round = 0; round < N_ROUNDS; round++)
        round_of(people, round, &r);
}

Test(forgetting, a_write_that_fails_changes_nothing)
{
    struct nbx_forgetting done;
    town_observe(&t, "anna", "{id:'e1',type:'view',item:'i01'},{id:'e2',type:'buy',item:'i02'}");
    struct nbx_str before = dump_store(&t);
    t.scope.batch->ops.failed = true; /* as where memory is out */
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("anna")), NBX_ELIMIT);
    cr_assert_not(done.forgotten);
    cr_assert(nbx_str_eq(dump_store(&t), before));
    town_world(&t, true);
    cr_assert_eq(t.rankings->popular.n, 2);
    cr_assert(t.rankings->popular.scores[0] == 2.0f);
    cr_assert(forget(&t, "anna").forgotten);
    town_world(&t, true);
    cr_assert_eq(t.rankings->popular.n, 0);
}

/* as a restored backup */

static size_t forget_again(void)
{
    size_t n;
    cr_assert_eq(nbx_customers_forget_again(&t.scope, &n, &t.fault), NBX_OK, "%s", t.fault.message);
    return n;
}

/* The database as it was before it knew who was forgotten; the file stays. */
static void go_back(const struct nbx_forgotten_entry *e)
{
    struct nbx_key key = nbx_key_forgotten(e->hash, e->time_ms);
    nbx_batch_delete(t.shop.f.batch, NBX_FAMILY_FORGOTTEN, nbx_key_str(&key));
    fixture_write(&t.shop.f);
}

Test(forgetting, whom_only_the_list_knows_is_forgotten_again_and_who_came_back_is_not)
{
    town_observe(&t, "anna", "{id:'e1',type:'view',item:'i01'}");
    town_observe(&t, "bert", "{id:'e1',type:'view',item:'i01'}");
    struct nbx_forgetting anna = forget(&t, "anna"), bert = forget(&t, "bert");
    town_observe(&t, "anna", "{id:'e1',type:'view',item:'i01'}");
    town_observe(&t, "bert", "{id:'e1',type:'view',item:'i01'}");
    cr_assert_eq(forget_again(), 0, "both came back");
    go_back(&anna.receipt);
    cr_assert_eq(forget_again(), 1);
    cr_assert_not(town_profile(&t, "anna").known);
    cr_assert(town_profile(&t, "bert").known);
    town_observe(&t, "anna", "{id:'e1',type:'view',item:'i01'}");
    reopen(&t);
    cr_assert_eq(forget_again(), 0, "once is enough");
    cr_assert(town_profile(&t, "anna").known);
    go_back(&bert.receipt);
    t.scope.now_ms = bert.receipt.time_ms; /* the same instant */
    cr_assert_eq(forget_again(), 1);
    cr_assert_eq(forget_again(), 0);
}

Test(forgetting, what_the_file_lost_is_written_again)
{
    char path[120];
    struct nbx_forgotten_entries held;
    town_observe(&t, "anna", "{id:'e1',type:'view',item:'i01'}");
    town_observe(&t, "bert", "{id:'e1',type:'view',item:'i01'}");
    struct nbx_forgetting anna = forget(&t, "anna");
    forget(&t, "bert");
    snprintf(path, sizeof path, "%s/" NBX_FORGOTTEN_NAME, t.shop.f.dir);
    nbx_model_release(&t.model);
    nbx_model_release(&t.bare);
    town_close(&t);
    cr_assert_eq(truncate(path, 63 + 5), 0); /* ended before it was written */
    town_open(&t);
    cr_assert_eq(forget_again(), 0);
    cr_assert_eq(nbx_forgotten_read(&held, t.shop.f.dir, &t.fault), NBX_OK);
    cr_assert_eq(held.n, 2);
    bool first = memcmp(held.p[0].hash, anna.receipt.hash, 16) == 0;
    cr_assert(first || memcmp(held.p[1].hash, anna.receipt.hash, 16) == 0);
    free(held.p);
}
