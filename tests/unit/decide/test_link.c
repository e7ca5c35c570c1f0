/* SPDX-License-Identifier: MIT
 * Linked identities are one person in every answer, and as if never linked once that is undone.
 */
#include "engine/customer/consent.h"
#include "tests/unit/decide/dump.h"
#include "tests/unit/decide/histories.h"

#define N_PEOPLE     200
#define N_AT_ONCE    20 /* between two looks at trends */
#define IDENTITY_MAX 5

static struct town t, other; /* other: knows of no link; only where it is needed */

static void begin(void)
{
    history_town(&t);
    town_model(&t, NBX_CUSTOMER_FOLDED, "v1");
}

static void end(void)
{
    town_end(&t);
}

static void begin_other(void)
{
    history_town(&other);
    town_model(&other, NBX_CUSTOMER_FOLDED, "v1");
}

TestSuite(link, .init = begin, .fini = end, .timeout = 600);

static enum nbx_err try_link(const char *customer, const char *identity, struct nbx_linking *out)
{
    struct nbx_link_record record = {.id = nbx_str_c(identity), .type = NBX_STR("session")};
    *out = (struct nbx_linking){.changed = false};
    enum nbx_err err = nbx_link_accept(&t.scope, nbx_str_c(customer), &t.fault);
    return err ? err : nbx_link(out, &t.scope, &record, nbx_str_c(customer), &t.fault);
}

static bool link_to(const char *customer, const char *identity)
{
    struct nbx_linking done;
    cr_assert_eq(try_link(customer, identity, &done), NBX_OK, "%s", t.fault.message);
    return done.changed;
}

static bool unlink_from(const char *customer, const char *identity)
{
    struct nbx_linking done;
    cr_assert_eq(nbx_unlink(&done, &t.scope, nbx_str_c(identity), nbx_str_c(customer), &t.fault),
                 NBX_OK, "%s", t.fault.message);
    return done.changed;
}

static void put(const char *id, const char *body)
{
    struct nbx_customer_put_req req;
    uint64_t seq;
    cr_assert_eq(nbx_message_customer_put(&req, town_body(&t, body), t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, nbx_str_c(id), &req, &seq, &t.fault), NBX_OK);
}

static struct nbx_profile joined(struct town *town, const char *id)
{
    struct nbx_profile p = town_profile(town, id);
    cr_assert_eq(nbx_profile_join(&p, &town->scope, &p), NBX_OK);
    return p;
}

static const char *answer(struct town *town, const char *customer, const char *body)
{
    struct nbx_buf b = {0};
    struct nbx_decision d = town_decide(town, customer, body);
    for (uint32_t i = 0; i < d.n; i++)
        nbx_buf_printf(&b, "%u %a %d %d,", d.choices[i].item_no, (double)d.choices[i].score,
                       (int)d.choices[i].source, (int)d.choices[i].reason);
    struct nbx_str s =
        nbx_arena_str(town->shop.arena, (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_buf_fini(&b);
    return s.p;
}

#define ANY    "{n:12,record:'none'}"
#define UNSEEN "{n:12,record:'none',exclude_seen:true}"

static void reopen(struct town *town)
{
    nbx_model_release(&town->model);
    nbx_model_release(&town->bare);
    town_reopen(town);
    town_model(town, NBX_CUSTOMER_FOLDED, "v1");
}

/* links */

Test(link, a_visit_and_a_session_are_one_history)
{
    town_observe(&t, "card", "{type:'buy',item:'i01',id:'a'},{type:'dismiss',item:'i02',id:'b'}");
    town_observe(&t, "session", "{type:'view',item:'i03',id:'c'}");
    town_observe(&t, "one",
                 "{type:'buy',item:'i01',id:'a'},{type:'dismiss',item:'i02',id:'b'},"
                 "{type:'view',item:'i03',id:'c'}");
    const char *card = answer(&t, "card", ANY);
    const char *one[] = {answer(&t, "one", ANY), answer(&t, "one", UNSEEN)};
    cr_assert_str_neq(card, one[0]);
    cr_assert(link_to("card", "session"));
    cr_assert_str_eq(answer(&t, "card", ANY), one[0]);
    cr_assert_str_eq(answer(&t, "session", ANY), one[0]);
    cr_assert_str_eq(answer(&t, "session", UNSEEN), one[1]);
    cr_assert(unlink_from("card", "session"));
    cr_assert_str_eq(answer(&t, "card", ANY), card);
}

Test(link, a_stranger_is_whom_the_session_is_linked_to)
{
    town_observe(&t, "session", "{type:'view',item:'i03'}");
    const char *known = answer(&t, "session", ANY);
    cr_assert(link_to("new account", "session"));
    cr_assert_not(town_profile(&t, "new account").known);
    cr_assert(joined(&t, "new account").known);
    cr_assert_str_eq(answer(&t, "new account", ANY), known);
    cr_assert(link_to("new account", "device"), "a stranger, too, is linked");
    cr_assert_str_eq(answer(&t, "device", ANY), known);
    town_observe(&t, "device", "{type:'buy',item:'i07'}");
    cr_assert_str_neq(answer(&t, "session", ANY), known);
    cr_assert_str_eq(answer(&t, "session", ANY), answer(&t, "new account", ANY));
}

Test(link, made_twice_it_is_one)
{
    struct nbx_linking done;
    cr_assert(link_to("anna", "s"));
    cr_assert_not(link_to("anna", "s"));
    cr_assert_not(link_to("s", "anna"), "the other way round it is the same");
    uint8_t group = nbx_group_of(NBX_STR("s"));
    uint64_t seq = nbx_customers_seq(t.customers, group);
    cr_assert_eq(try_link("anna", "s", &done), NBX_OK);
    cr_assert_eq(done.seq, seq, "no command");
    cr_assert(unlink_from("anna", "s"));
    cr_assert_not(unlink_from("anna", "s"));
    cr_assert_not(unlink_from("nobody", "s"));
}

Test(link, nobody_is_two_people)
{
    struct nbx_linking done;
    cr_assert(link_to("anna", "s"));
    cr_assert_eq(try_link("bert", "s", &done), NBX_ECONFLICT);
    cr_assert_str_eq(t.fault.field, "identity");
    cr_assert(strstr(t.fault.message, "is linked to another customer"));
    cr_assert(link_to("bert", "anna"), "but the whole person may be linked");
    cr_assert_eq(joined(&t, "s").linked->n, 3);
    cr_assert_eq(nbx_unlink(&done, &t.scope, NBX_STR("bert"), NBX_STR("s"), &t.fault),
                 NBX_ECONFLICT);
    cr_assert(strstr(t.fault.message, "the others are linked to"));
    cr_assert(unlink_from("bert", "anna"));
    cr_assert_eq(joined(&t, "s").linked->n, 2, "and remains what it was");
    cr_assert_null(joined(&t, "bert").linked);
}

Test(link, there_is_a_most)
{
    char id[16];
    struct nbx_linking done;
    for (int i = 1; i < NBX_LINKED_MAX; i++) {
        nbx_arena_reset(t.shop.arena);
        snprintf(id, sizeof id, "s%d", i);
        cr_assert(link_to("anna", id));
    }
    cr_assert_eq(joined(&t, "s1").linked->n, NBX_LINKED_MAX);
    cr_assert_eq(try_link("anna", "more", &done), NBX_ELIMIT);
    cr_assert_str_eq(t.fault.field, "identity");
    cr_assert(link_to("x", "y"));
    cr_assert_eq(try_link("anna", "x", &done), NBX_ELIMIT, "nor two at once");
}

Test(link, what_one_withdraws_is_withdrawn_for_all)
{
    town_observe(&t, "card", "{type:'buy',item:'i01'}");
    cr_assert(link_to("card", "session"));
    const char *nobody = answer(&t, "nobody at all", ANY);
    cr_assert_str_neq(answer(&t, "session", ANY), nobody);
    put("card", "{consent:{personalise:false}}");
    cr_assert_str_eq(answer(&t, "session", ANY), nobody);
    put("card", "{consent:{personalise:true}}");
    cr_assert_str_neq(answer(&t, "session", ANY), nobody);
    put("session", "{consent:{profile:false}}");
    struct nbx_observed o = town_observe(&t, "card", "{type:'view',item:'i05'}");
    cr_assert_eq(o.withheld, 1);
    cr_assert_eq(o.applied, 0);
    cr_assert(unlink_from("card", "session"));
    cr_assert_eq(town_observe(&t, "card", "{type:'view',item:'i05'}").applied, 1);
}

Test(link, what_was_said_of_the_first_counts)
{
    put("root", "{attributes:{a:1,b:2},consent:{contact:true,share:true},locale:'de'}");
    put("s", "{attributes:{b:3,c:4},consent:{contact:false},locale:'fr',timezone:'Europe/Paris'}");
    cr_assert(link_to("root", "s"));
    const char *ids[] = {"root", "s"};
    for (int i = 0; i < 2; i++) {
        struct nbx_customer_record h = joined(&t, ids[i]).head;
        cr_assert_eq(nbx_value_get(h.attributes, "a")->i, 1);
        cr_assert_eq(nbx_value_get(h.attributes, "b")->i, 2);
        cr_assert_eq(nbx_value_get(h.attributes, "c")->i, 4);
        cr_assert_not(nbx_value_get(h.consent, "contact")->b);
        cr_assert(nbx_value_get(h.consent, "share")->b);
        cr_assert(nbx_str_is(h.locale, "de"));
        cr_assert(nbx_str_is(h.timezone, "Europe/Paris"));
        cr_assert(nbx_str_is(h.id, ids[i]));
    }
}

Test(link, a_vector_that_was_given_is_everybodys)
{
    town_model(&t, NBX_CUSTOMER_GIVEN, "v2");
    put("card", "{vector:[1,2,3,4,5,6],space:'main'}");
    const char *with = answer(&t, "card", ANY);
    cr_assert_str_neq(answer(&t, "session", ANY), with);
    cr_assert(link_to("card", "session"));
    cr_assert_str_eq(answer(&t, "session", ANY), with);
}

Test(link, a_decision_says_whose_seen_sets_it_looked_at)
{
    town_observe(&t, "card", "{type:'buy',item:'i01'}");
    cr_assert(link_to("card", "session"));
    struct nbx_profile p = town_profile(&t, "session");
    cr_assert_eq(nbx_profile_for_answer(&p, &t.scope, &p, true), NBX_OK);
    struct nbx_recommend_req req = town_request(&t, "{n:3}", false);
    struct nbx_decision d = town_decide(&t, "session", "{n:3}");
    struct nbx_decision_context context = {.id = nbx_decision_id_make(p.number, SHOP_NOW, 1),
                                           .req = &req,
                                           .profile = &p,
                                           .time_ms = SHOP_NOW};
    struct nbx_decision_record record;
    struct nbx_stored stored;
    cr_assert_neq(NBX_CUSTOMER_SERIAL(p.number), 0, "the session has a number by its link");
    cr_assert_eq(nbx_decision_write(&t.d, &d, &context), NBX_OK);
    struct nbx_key key = nbx_key_decision(context.id);
    cr_assert_eq(nbx_store_get(t.shop.f.store, NBX_FAMILY_DECISIONS, nbx_key_str(&key),
                               t.shop.arena, &stored),
                 NBX_OK);
    cr_assert_eq(nbx_decision_record_decode(&record, &stored, t.shop.arena), NBX_OK);
    cr_assert_eq(record.n_parts, 2);
    cr_assert_eq(record.parts[0].number, town_profile(&t, "card").number, "the first");
    cr_assert_eq(record.parts[0].seen_digest, town_profile(&t, "card").seen.digest);
    cr_assert_eq(record.parts[1].seen_digest, 0);
    cr_assert_eq(record.seen_digest, record.parts[0].seen_digest);
}

Test(link, stays_after_a_restart)
{
    town_observe(&t, "session", "{type:'view',item:'i03'}");
    cr_assert(link_to("card", "session"));
    cr_assert(link_to("mail", "card"));
    cr_assert(link_to("mail", "for a while"));
    cr_assert(unlink_from("mail", "for a while"));
    reopen(&t);
    cr_assert_eq(joined(&t, "mail").linked->n, 3);
    cr_assert_neq(joined(&t, "mail").seen.digest, 0);
    cr_assert_eq(joined(&t, "mail").seen.digest, joined(&t, "session").seen.digest);
    cr_assert_null(joined(&t, "for a while").linked);
    cr_assert(unlink_from("mail", "session"));
    cr_assert_eq(joined(&t, "mail").linked->n, 2);
}

Test(link, a_write_that_fails_links_nobody)
{
    struct nbx_linking done;
    town_observe(&t, "card", "{type:'buy',item:'i01'}");
    town_observe(&t, "session", "{type:'view',item:'i03'}");
    cr_assert_eq(nbx_link_accept(&t.scope, NBX_STR("card"), &t.fault), NBX_OK);
    struct nbx_str before = dump_store(&t);
    t.scope.batch->ops.failed = true; /* as where memory is out */
    cr_assert_eq(try_link("card", "session", &done), NBX_ELIMIT);
    cr_assert_not(done.changed);
    cr_assert(nbx_str_eq(dump_store(&t), before));
    cr_assert_null(joined(&t, "card").linked);
    cr_assert(link_to("card", "session"));
    t.scope.batch->ops.failed = true;
    cr_assert_eq(nbx_unlink(&done, &t.scope, NBX_STR("session"), NBX_STR("card"), &t.fault),
                 NBX_ELIMIT);
    cr_assert_eq(joined(&t, "card").linked->n, 2);
}

/* forgetting */

static bool forget(const char *id, bool last)
{
    struct nbx_forgetting done;
    cr_assert_eq(
        (last ? nbx_customer_forget : nbx_customer_forget_linked)(&done, &t.scope, nbx_str_c(id)),
        NBX_OK);
    return done.forgotten;
}

static size_t count_links(void)
{
    struct nbx_buf b = {0};
    dump_family(&b, &t, NBX_FAMILY_LINKS);
    size_t n = b.len;
    nbx_buf_fini(&b);
    return n;
}

static void link_three(void)
{
    town_observe(&t, "card", "{type:'buy',item:'i01'}");
    town_observe(&t, "session", "{type:'view',item:'i03'}");
    cr_assert(link_to("card", "session"));
    cr_assert(link_to("session", "device"));
}

Test(link, goes_with_the_last_of_the_person)
{
    link_three();
    cr_assert(forget("session", false));
    cr_assert_eq(joined(&t, "card").linked->n, 3, "who asks again finds the others");
    cr_assert(forget("device", false));
    cr_assert_neq(count_links(), 0);
    cr_assert(forget("card", true));
    cr_assert_eq(count_links(), 0);
    const char *ids[] = {"card", "session", "device"};
    for (int i = 0; i < 3; i++) {
        struct nbx_profile p = joined(&t, ids[i]);
        cr_assert_not(p.known);
        cr_assert_null(p.linked);
        cr_assert_eq(p.reserved, 0);
    }
}

Test(link, goes_with_the_last_of_those_who_were_unlinked_meanwhile)
{
    link_three();
    size_t all = count_links();
    cr_assert(unlink_from("card", "session"));
    cr_assert(forget("session", false));
    cr_assert_gt(count_links(), all / 2, "the device is there");
    cr_assert(forget("device", false));
    cr_assert_eq(joined(&t, "card").reserved, 0);
    cr_assert(forget("card", true));
    cr_assert_eq(count_links(), 0);
}

Test(link, who_is_half_forgotten_when_it_ends_is_forgotten_at_the_start)
{
    size_t n;
    link_three();
    town_observe(&t, "bert", "{type:'view',item:'i03'}");
    cr_assert(link_to("bert", "berts"));
    cr_assert(forget("session", false));
    reopen(&t);
    struct nbx_customer_scope scope = t.scope;
    scope.arena = nbx_arena_new((size_t)1 << 20);
    cr_assert_eq(nbx_customers_forget_again(&scope, &n, &t.fault), NBX_OK, "%s", t.fault.message);
    nbx_arena_destroy(&scope.arena);
    cr_assert_eq(n, 2, "card and device: %zu", n);
    cr_assert_not(joined(&t, "card").known);
    cr_assert_not(joined(&t, "device").known);
    cr_assert(joined(&t, "berts").known, "nobody else");
    cr_assert(forget("berts", false));
    cr_assert(forget("bert", true));
    cr_assert_eq(count_links(), 0);
}

/* Whom the request names is the last of them: found as long as one is left. */
Test(link, forgetting_that_fails_halfway_is_finished_by_asking_again)
{
    struct nbx_forgetting done;
    struct nbx_strs ids;
    link_three();
    town_observe(&t, "device", "{type:'view',item:'i05'}");
    cr_assert(forget("session", false));
    t.scope.batch->ops.failed = true; /* as where memory is out */
    cr_assert_eq(nbx_customer_forget_linked(&done, &t.scope, NBX_STR("device")), NBX_ELIMIT);
    cr_assert_not(done.forgotten);
    cr_assert(town_profile(&t, "device").known);
    cr_assert_eq(nbx_linked_ids(&ids, &t.scope, NBX_STR("card")), NBX_OK);
    cr_assert_eq(ids.n, 3);
    cr_assert(nbx_str_is(ids.p[0], "card"));
    unsigned forgotten = 0;
    for (uint32_t i = ids.n; i-- > 0;) {
        char id[16];
        snprintf(id, sizeof id, "%.*s", NBX_STR_ARG(ids.p[i]));
        forgotten += forget(id, i == 0);
    }
    cr_assert_eq(forgotten, 2, "the session was already");
    cr_assert_eq(count_links(), 0);
    reopen(&t);
    cr_assert_not(joined(&t, "card").known);
    cr_assert_not(joined(&t, "device").known);
}

static enum nbx_err retract_all(const char *id, uint32_t *n)
{
    struct nbx_retraction all = {.all = true};
    struct nbx_retracted done = {0};
    struct nbx_profile profile = town_profile(&t, id);
    enum nbx_err err = nbx_retract(&done, &t.scope, &profile, &all);
    *n = done.retracted;
    return err;
}

Test(link, a_retraction_that_fails_halfway_is_finished_by_asking_again)
{
    static const char *const ids[] = {"card", "session", "device"};
    uint32_t n, all = 0;
    link_three();
    town_observe(&t, "device", "{type:'view',item:'i05'},{type:'dismiss',item:'i06'}");
    cr_assert_eq(retract_all("card", &n), NBX_OK);
    cr_assert_eq(n, 1);
    struct nbx_str before = dump_store(&t);
    t.scope.batch->ops.failed = true;
    cr_assert_eq(retract_all("session", &n), NBX_ELIMIT);
    cr_assert(nbx_str_eq(dump_store(&t), before));
    cr_assert_eq(joined(&t, "card").seen.n, 3, "of the two others all is there");
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(retract_all(ids[i], &n), NBX_OK);
        all += n;
    }
    cr_assert_eq(all, 3);
    reopen(&t);
    for (int i = 0; i < 3; i++) {
        struct nbx_profile p = joined(&t, ids[i]);
        cr_assert_not(p.known);
        cr_assert_eq(p.seen.n, 0);
        cr_assert_eq(p.linked->n, 3, "linked they stay");
    }
}

Test(link, of_who_is_forgotten_alone_the_others_stay)
{
    link_three();
    cr_assert(link_to("card", "mail"));
    cr_assert(forget("session", true));
    for (int restarts = 0; restarts < 2; restarts++) {
        cr_assert_null(joined(&t, "device").linked, "who was linked to it is linked to nobody");
        cr_assert_eq(joined(&t, "mail").linked->n, 2);
        reopen(&t);
    }
}

/* whatever happens */

/* One person with some identities, each with a history of its own. */
struct person {
    char ids[IDENTITY_MAX][16];
    struct history_event e[IDENTITY_MAX][HISTORY_MAX];
    uint32_t n[IDENTITY_MAX], n_ids;
    uint32_t parents[IDENTITY_MAX]; /* of all but the first: below itself */
};

static void make_person(struct person *p, int number, struct nbx_random *r)
{
    p->n_ids = 2 + (uint32_t)nbx_random_below(r, IDENTITY_MAX - 1);
    for (uint32_t i = 0; i < p->n_ids; i++) {
        snprintf(p->ids[i], sizeof p->ids[i], "c%d-%u", number, i);
        p->n[i] = nbx_random_below(r, 5) == 0 ? 0 : history_make(p->e[i], r);
        history_shuffle(p->e[i], p->n[i], r);
        p->parents[i] = i ? (uint32_t)nbx_random_below(r, i) : 0;
        for (uint32_t k = 0; k < p->n[i]; k++)
            p->e[i][k].id += i * HISTORY_MAX; /* an id is one event's */
    }
}

/* The first or second half of every identity's events. */
static void live(struct town *town, const struct person *p, int half, struct nbx_random *r)
{
    for (uint32_t i = 0; i < p->n_ids; i++) {
        uint32_t middle = p->n[i] / 2;
        nbx_arena_reset(town->shop.arena);
        history_send_all(town, p->ids[i], p->e[i] + (half ? middle : 0),
                         half ? p->n[i] - middle : middle, r);
    }
}

/* Links every identity, in any order that leaves nobody linked twice. */
static void link_all(const struct person *p, struct nbx_random *r)
{
    uint32_t order[IDENTITY_MAX];
    for (uint32_t i = 0; i < p->n_ids; i++)
        order[i] = i;
    for (uint32_t i = p->n_ids; i > 1; i--) {
        size_t j = nbx_random_below(r, i);
        uint32_t kept = order[i - 1];
        order[i - 1] = order[j];
        order[j] = kept;
    }
    for (uint32_t i = 0; i < p->n_ids; i++)
        if (order[i])
            cr_assert(link_to(p->ids[p->parents[order[i]]], p->ids[order[i]]));
}

static void unlink_all(const struct person *p)
{
    for (uint32_t i = p->n_ids - 1; i > 0; i--)
        cr_assert(unlink_from(p->ids[0], p->ids[i]));
}

static void same_stored(const struct person *p)
{
    for (uint32_t i = 0; i < p->n_ids; i++) {
        nbx_arena_reset(t.shop.arena);
        nbx_arena_reset(other.shop.arena);
        struct nbx_profile a = town_profile(&t, p->ids[i]), b = town_profile(&other, p->ids[i]);
        cr_assert_eq(a.known, b.known, "%s", p->ids[i]);
        cr_assert(nbx_str_eq(history_state(&t, &a), history_state(&other, &b)), "%s", p->ids[i]);
    }
}

static void same_answers(const struct person *p)
{
    for (uint32_t i = 0; i < p->n_ids; i++) {
        nbx_arena_reset(t.shop.arena);
        nbx_arena_reset(other.shop.arena);
        cr_assert_str_eq(answer(&t, p->ids[i], UNSEEN), answer(&other, p->ids[i], UNSEEN), "%s",
                         p->ids[i]);
    }
}

Test(link, undone_it_was_never_made)
{
    static struct person p[N_PEOPLE];
    struct nbx_random r, again;
    begin_other();
    cr_log_info("seed %u", HISTORY_SEED);
    nbx_random_init(&r, HISTORY_SEED);
    for (int i = 0; i < N_PEOPLE; i++) {
        make_person(&p[i], i, &r);
        again = r;
        if (i % 2)
            link_all(&p[i], &r);
        live(&t, &p[i], 0, &r);
        if (i % 2 == 0)
            link_all(&p[i], &r);
        live(&t, &p[i], 1, &r);
        unlink_all(&p[i]);
        live(&other, &p[i], 0, &again);
        live(&other, &p[i], 1, &again);
        same_stored(&p[i]);
    }
    cr_assert(nbx_str_eq(history_counts(&t), history_counts(&other)));
    town_world(&t, true);
    town_world(&other, true);
    for (int i = 0; i < N_PEOPLE; i++)
        same_answers(&p[i]);
    town_end(&other);
}

/* The other town knows one customer who did it all. */
static void same_as_one(const struct person *p)
{
    for (uint32_t k = 0; k < p->n_ids; k++) {
        nbx_arena_reset(t.shop.arena);
        nbx_arena_reset(other.shop.arena);
        cr_assert_str_eq(answer(&t, p->ids[k], UNSEEN), answer(&other, p->ids[0], UNSEEN), "%s",
                         p->ids[k]);
        cr_assert_eq(joined(&t, p->ids[k]).seen.digest,
                     town_profile(&other, p->ids[0]).seen.digest);
    }
}

Test(link, one_person_is_who_did_it_all)
{
    static struct person p[N_AT_ONCE];
    struct nbx_random r;
    begin_other();
    cr_log_info("seed %u", HISTORY_SEED + 1);
    nbx_random_init(&r, HISTORY_SEED + 1);
    for (int i = 0; i < N_PEOPLE; i++) {
        struct person *of = &p[i % N_AT_ONCE];
        make_person(of, i, &r);
        live(&t, of, 0, &r);
        link_all(of, &r);
        live(&t, of, 1, &r);
        for (uint32_t k = 0; k < of->n_ids; k++) {
            nbx_arena_reset(other.shop.arena);
            history_send_all(&other, of->ids[0], of->e[k], of->n[k], &r);
        }
        if ((i + 1) % N_AT_ONCE)
            continue;
        town_world(&t, true);
        town_world(&other, true);
        for (int k = 0; k < N_AT_ONCE; k++)
            same_as_one(&p[k]);
    }
    town_end(&other);
}
