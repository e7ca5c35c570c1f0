/* SPDX-License-Identifier: MIT
 * What verify says of links that lead nowhere, round, or to somebody else. */
#include "tests/unit/care/whole.h"

#include "engine/care/erase.h"
#include "engine/store/log_record.h"

static uint64_t kate, lena, mila; /* kate is linked to lena, mila was */

static void begin_linked(void)
{
    begin();
    kate = town_profile(&t, "kate").reserved;
    lena = town_profile(&t, "lena").number;
    mila = town_profile(&t, "mila").reserved;
    cr_assert(kate && lena && mila);
}

TestSuite(verify_links, .init = begin_linked, .fini = end);

static void write_link(uint64_t number, const char *id, uint64_t parent)
{
    struct nbx_key key = nbx_key_customer(number);
    struct nbx_link_record record = {.id = nbx_str_c(id), .parent = parent};
    nbx_link_record_encode(nbx_batch_payload(t.shop.f.batch), &record);
    nbx_batch_put_payload(t.shop.f.batch, NBX_FAMILY_LINKS, nbx_key_str(&key), NBX_LINK_RECORD);
    fixture_write(&t.shop.f);
}

static struct copy link_of(uint64_t number)
{
    struct nbx_key key = nbx_key_customer(number);
    return first(NBX_FAMILY_LINKS, &key);
}

static void restore(const struct copy *was)
{
    write_raw(NBX_FAMILY_LINKS, &was->key, was->version, was->payload);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
}

Test(verify_links, a_link_of_another_is_noticed)
{
    struct copy was = link_of(kate);
    struct nbx_key far = nbx_key_customer(kate + 1000);
    write_link(kate, "nobody at all", lena);
    finds("links: its id names nobody\n");
    write_link(kate, "lena", lena);
    finds("links: its id names another customer\n");
    restore(&was);
    write_link(kate + 1000, "kate", lena);
    finds("links: names a number that was never given\n");
    delete (NBX_FAMILY_LINKS, &far);
    write_link(kate, "kate", lena + 1000);
    finds("links: names a number that was never given\n");
    restore(&was);
}

Test(verify_links, a_link_that_leads_nowhere_is_noticed_where_somebody_is_there)
{
    struct copy was = link_of(lena);
    delete (NBX_FAMILY_LINKS, &was.key);
    finds("links: is linked to a customer who has no such record\n");
    restore(&was);
    write_link(lena, "lena", mila); /* of whom nothing is known */
    was = link_of(mila);
    delete (NBX_FAMILY_LINKS, &was.key);
    finds("links: is linked to a customer who has no such record\n");
    restore(&was);
}

Test(verify_links, a_customer_forgotten_by_himself_leaves_a_link_to_nobody)
{
    struct nbx_forgetting done;
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("lena")), NBX_OK);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    town_reopen(&t);
    cr_assert_null(town_profile(&t, "kate").linked);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
}

Test(verify_links, a_link_that_leads_back_is_noticed)
{
    struct copy was = link_of(lena);
    write_link(lena, "lena", kate);
    finds("links: is linked to itself in the end\n");
    cr_assert_eq(verified.findings, 2, "both of them");
    write_link(lena, "lena", lena);
    finds("links: is linked to itself in the end\n");
    finds("links: is further from whom all are linked to than there may be linked\n");
    restore(&was);
}

/* As one under the other, and all under one. */
Test(verify_links, more_than_may_be_linked_are_noticed)
{
    uint64_t numbers[NBX_LINKED_MAX + 2];
    char id[16];
    for (int i = 0; i < NBX_LINKED_MAX + 2; i++) {
        snprintf(id, sizeof id, "many-%d", i);
        cr_assert_eq(nbx_link_accept(&t.scope, nbx_str_c(id), &t.fault), NBX_OK);
        numbers[i] = town_profile(&t, id).reserved;
    }
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    for (int i = 1; i < NBX_LINKED_MAX + 2; i++) {
        snprintf(id, sizeof id, "many-%d", i);
        write_link(numbers[i], id, numbers[0]);
        cr_assert_eq(verify(t.shop.f.store, SHOP_NOW)[0] == 0, i < NBX_LINKED_MAX, "at %d", i);
    }
    finds("links: more are linked to it than may be\n");
    cr_assert_eq(verified.findings, 1);
    for (int i = 1; i < NBX_LINKED_MAX + 2; i++) {
        snprintf(id, sizeof id, "many-%d", i);
        write_link(numbers[i], id, numbers[i - 1]);
    }
    finds("links: more are linked to it than may be\n");
}

/* Until the last one's turn the record of one who is forgotten stays, and so do the files. */
Test(verify_links, linked_customers_being_forgotten_are_no_fault_until_all_are)
{
    struct nbx_forgetting done;
    size_t n;
    t.shop.f.options.event_retention_ms = 0; /* the events are of long ago */
    town_reopen(&t);
    struct copy was = link_of(lena);
    cr_assert_eq(nbx_erase_forgotten(&n, t.customers, SHOP_NOW), NBX_OK);
    cr_assert_eq(n, 1, "cleo");
    cr_assert_eq(nbx_customer_forget_linked(&done, &t.scope, NBX_STR("lena")), NBX_OK);
    cr_assert(done.forgotten);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    cr_assert_eq(nbx_erase_forgotten(&n, t.customers, SHOP_NOW), NBX_OK);
    cr_assert_eq(n, 0, "her id is in the files still");
    cr_assert_eq(nbx_customer_forget(&done, &t.scope, NBX_STR("kate")), NBX_OK);
    cr_assert(done.forgotten);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    cr_assert_eq(nbx_erase_forgotten(&n, t.customers, SHOP_NOW), NBX_OK);
    cr_assert_eq(n, 2);
    write_raw(NBX_FAMILY_LINKS, &was.key, was.version, was.payload);
    finds("links: is of who was forgotten\n");
}

static void put_decision(struct nbx_decision_id id, const struct nbx_decision_record *record)
{
    struct nbx_key key = nbx_key_decision(id);
    nbx_decision_record_encode(nbx_batch_payload(t.shop.f.batch), record);
    nbx_batch_put_payload(t.shop.f.batch, NBX_FAMILY_DECISIONS, nbx_key_str(&key),
                          NBX_DECISION_RECORD);
    fixture_write(&t.shop.f);
}

Test(verify_links, whom_a_decision_was_made_for_is_looked_at)
{
    static const char cannot[] = "decisions: is of linked customers who cannot have been\n";
    struct nbx_linked_part parts[NBX_LINKED_MAX + 1] = {{lena, 7}, {kate, 5}};
    struct nbx_decision_id id = nbx_decision_id_make(lena, SHOP_NOW, 9);
    struct nbx_decision_record record = {.op = NBX_STR("recommend"),
                                         .recall = 1,
                                         .propensity = 1,
                                         .seen_digest = 12,
                                         .parts = parts,
                                         .n_parts = 2};
    put_decision(id, &record);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    record.seen_digest = 13;
    put_decision(id, &record);
    finds(cannot);
    record.seen_digest = 12;
    parts[0].number = mila;
    put_decision(id, &record);
    finds(cannot);
    parts[0].number = lena;
    parts[1].number = kate + 1000;
    put_decision(id, &record);
    finds("decisions: is of a number that was never given\n");
    parts[1] = (struct nbx_linked_part){0, 0};
    record.n_parts = 1;
    record.seen_digest = 7;
    put_decision(id, &record);
    finds(cannot);
    for (int i = 1; i <= NBX_LINKED_MAX; i++)
        parts[i] = (struct nbx_linked_part){kate, 0};
    record.n_parts = NBX_LINKED_MAX;
    put_decision(id, &record);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    record.n_parts++;
    put_decision(id, &record);
    finds(cannot);
}

/* Whoever forgets the customer finds the entry by its mention alone: that it was linked, which gave
 * it the number, and that it was unlinked. */
Test(verify_links, an_entry_of_a_link_that_is_not_mentioned_is_noticed)
{
    uint64_t last = nbx_customers_seq(t.customers, NBX_CUSTOMER_GROUP(mila));
    cr_assert_eq(last, 2);
    for (uint64_t seq = 1; seq <= last; seq++) {
        struct nbx_key from = nbx_key_mention(mila, seq);
        struct copy was = first(NBX_FAMILY_MENTIONS, &from);
        delete (NBX_FAMILY_MENTIONS, &was.key);
        finds("log: is not mentioned under its customer\n");
        cr_assert_eq(verified.findings, 1);
        write_raw(NBX_FAMILY_MENTIONS, &was.key, was.version, was.payload);
    }
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
}
