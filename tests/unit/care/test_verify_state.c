/* SPDX-License-Identifier: MIT
 * What verify says of a state that is not what base and events come to, or of events that wait. */
#include "tests/unit/care/whole.h"

#include "engine/base/hash.h"

TestSuite(verify_state, .init = begin, .fini = end);

Test(verify_state, a_base_that_is_not_what_is_missing_is_noticed)
{
    struct nbx_key hugo = nbx_key_customer(town_profile(&t, "hugo").number);
    struct copy was = first(NBX_FAMILY_BASES, &hugo);
    struct nbx_stored stored = {.version = was.version, .payload = was.payload};
    struct nbx_base_record base;
    struct nbx_buf text = {0};
    delete (NBX_FAMILY_BASES, &was.key);
    finds("customers: does not count what its events come to\n");
    for (int what = 0; what < 2; what++) {
        cr_assert_eq(nbx_base_record_decode(&base, &stored, t.shop.arena), NBX_OK);
        base.totals.types[0].n += what == 0;
        base.seen.entries[0].item_no += what == 1 ? 1000 : 0;
        nbx_buf_clear(&text);
        nbx_base_record_encode(&text, &base);
        write_raw(NBX_FAMILY_BASES, &was.key, was.version,
                  (struct nbx_str){(char *)text.p, (uint32_t)text.len});
        finds(what ? "customers: has a seen set that is not what its events come to\n"
                   : "customers: does not count what its events come to\n");
    }
    finds("bases: holds an item that has no id\n");
    hugo = nbx_key_customer(town_profile(&t, "hugo").number + 1000);
    write_raw(NBX_FAMILY_BASES, &was.key, was.version, was.payload);
    write_raw(NBX_FAMILY_BASES, &hugo, was.version, was.payload);
    finds("bases: its customer is not there\n");
    delete (NBX_FAMILY_BASES, &hugo);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    nbx_buf_fini(&text);
}

/* What is due and what is held go together. */
Test(verify_state, an_event_that_is_held_for_ever_and_one_that_is_due_twice_are_noticed)
{
    struct nbx_key from = nbx_key_due_from(nbx_group_of(NBX_STR("gina")), 0);
    struct copy due = first(NBX_FAMILY_DUE, &from), event;
    struct nbx_stored stored;
    struct nbx_event_record r;
    struct nbx_buf text = {0};
    delete (NBX_FAMILY_DUE, &due.key);
    finds("events: is held for ever\n");
    write_raw(NBX_FAMILY_DUE, &due.key, due.version, NBX_STR("\004bert"));
    finds("due: names another customer\n");
    write_raw(NBX_FAMILY_DUE, &due.key, due.version, NBX_STR("\004none"));
    finds("due: names nobody\n");
    write_raw(NBX_FAMILY_DUE, &due.key, due.version, NBX_STR("\000"));
    finds("due: names another customer\n");
    write_raw(NBX_FAMILY_DUE, &due.key, due.version, due.payload);
    uint64_t number = town_profile(&t, "gina").number;
    uint8_t hash[16];
    nbx_hash128("h1", 2, hash);
    from = nbx_key_event(number, 1700009000000, hash);
    event = first(NBX_FAMILY_EVENTS, &from);
    delete (NBX_FAMILY_EVENTS, &event.key);
    finds("due: its event is not there\n");
    stored = (struct nbx_stored){.version = event.version, .payload = event.payload};
    cr_assert_eq(nbx_event_record_decode(&r, &stored, t.shop.arena), NBX_OK);
    cr_assert(r.held);
    r.held = false;
    nbx_event_record_encode(&text, &r);
    write_raw(NBX_FAMILY_EVENTS, &event.key, event.version,
              (struct nbx_str){(char *)text.p, (uint32_t)text.len});
    finds("due: its event is not held\n");
    finds("customers: does not count what its events come to\n");
    write_raw(NBX_FAMILY_EVENTS, &event.key, event.version, event.payload);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    nbx_buf_fini(&text);
}

/* From before they are due to when all are forgotten. */
Test(verify_state, what_was_held_and_is_due_is_no_fault)
{
    static const char *const customers[] = {"gina", "fred"};
    struct nbx_customer_scope scope = t.scope;
    uint32_t applied, all = 0;
    scope.arena = nbx_arena_new((size_t)1 << 20);
    scope.now_ms = INT64_C(1700009000000);
    for (unsigned g = 0; g < NBX_N_GROUPS; g++) {
        cr_assert_eq(nbx_due_apply(&scope, (uint8_t)g, &applied), NBX_OK);
        all += applied;
    }
    nbx_arena_destroy(&scope.arena);
    cr_assert_eq(all, 3);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    struct nbx_str id = NBX_STR("h1");
    struct nbx_retraction what = {.ids = &id, .n_ids = 1};
    struct nbx_retracted done;
    struct nbx_profile p = town_profile(&t, "gina");
    cr_assert_eq(nbx_retract(&done, &t.scope, &p, &what), NBX_OK);
    cr_assert_eq(done.retracted, 1);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    for (int i = 0; i < 2; i++) {
        struct nbx_forgetting gone;
        cr_assert_eq(nbx_customer_forget(&gone, &t.scope, nbx_str_c(customers[i])), NBX_OK);
        cr_assert(gone.forgotten);
        cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    }
}

/* A seen set and totals that differ from the fold in one number each. */
Test(verify_state, a_state_that_is_not_the_fold_of_its_events_is_noticed)
{
    struct nbx_key anna = nbx_key_customer(town_profile(&t, "anna").number);
    struct copy was = first(NBX_FAMILY_SEEN, &anna), head = first(NBX_FAMILY_CUSTOMERS, &anna);
    struct nbx_stored stored = {.version = was.version, .payload = was.payload};
    struct nbx_seen_record seen;
    struct nbx_customer_record customer;
    struct nbx_buf text = {0};
    for (int what = 0; what < 3; what++) {
        cr_assert_eq(nbx_seen_record_decode(&seen, &stored, t.shop.arena), NBX_OK);
        seen.entries[0].last_ms -= what == 0;
        seen.digest += what == 1;
        seen.n -= what == 2;
        nbx_buf_clear(&text);
        nbx_seen_record_encode(&text, &seen);
        write_raw(NBX_FAMILY_SEEN, &was.key, was.version,
                  (struct nbx_str){(char *)text.p, (uint32_t)text.len});
        finds("customers: has a seen set that is not what its events come to\n");
    }
    write_raw(NBX_FAMILY_SEEN, &was.key, was.version, was.payload);
    stored = (struct nbx_stored){.version = head.version, .payload = head.payload};
    for (int what = 0; what < 3; what++) {
        cr_assert_eq(nbx_customer_record_decode(&customer, &stored, t.shop.arena), NBX_OK);
        customer.totals.digest += what == 0;
        customer.totals.types[0].n += what == 1;
        customer.totals.types[0].last_ms -= what == 2;
        nbx_buf_clear(&text);
        nbx_customer_record_encode(&text, &customer);
        write_raw(NBX_FAMILY_CUSTOMERS, &head.key, head.version,
                  (struct nbx_str){(char *)text.p, (uint32_t)text.len});
        finds("customers: does not count what its events come to\n");
    }
    write_raw(NBX_FAMILY_CUSTOMERS, &head.key, head.version, head.payload);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    nbx_buf_fini(&text);
}

/* What retention took stays in the state; an entry that a kept event explains must be there. */
Test(verify_state, of_old_customers_what_is_kept_must_be_in_the_state)
{
    int64_t later = SHOP_NOW + INT64_C(2) * 86400000;
    struct nbx_key anna = nbx_key_customer(town_profile(&t, "anna").number);
    struct copy was = first(NBX_FAMILY_SEEN, &anna);
    struct nbx_stored stored = {.version = was.version, .payload = was.payload};
    struct nbx_seen_record seen;
    struct nbx_buf text = {0};
    cr_assert_eq(nbx_seen_record_decode(&seen, &stored, t.shop.arena), NBX_OK);
    seen.n--;
    nbx_seen_record_encode(&text, &seen);
    write_raw(NBX_FAMILY_SEEN, &was.key, was.version,
              (struct nbx_str){(char *)text.p, (uint32_t)text.len});
    cr_assert_str_eq(verify(t.shop.f.store, later),
                     "customers: has a seen set that is not what its events come to\n");
    write_raw(NBX_FAMILY_SEEN, &was.key, was.version, was.payload);
    cr_assert_str_eq(verify(t.shop.f.store, later), "");
    nbx_buf_fini(&text);
}

/* Decisions and vectors of somebody whose every event was retracted have no customer's record. */
Test(verify_state, of_who_became_a_stranger_again_the_rest_is_not_missed)
{
    struct nbx_profile profile;
    struct nbx_retracted done;
    struct nbx_retraction all = {.all = true};
    decide("bert", 3);
    uint64_t number = town_profile(&t, "bert").number;
    struct nbx_key vector = nbx_key_vector(number, NBX_STR("main"));
    struct nbx_key anna = nbx_key_customer(town_profile(&t, "anna").number);
    struct copy like = first(NBX_FAMILY_VECTORS, &anna);
    write_raw(NBX_FAMILY_VECTORS, &vector, like.version, like.payload);
    profile = town_profile(&t, "bert");
    cr_assert_eq(nbx_retract(&done, &t.scope, &profile, &all), NBX_OK);
    cr_assert(done.retracted > 0 && !profile.known && profile.reserved == number);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    vector = nbx_key_vector(number + 1000, NBX_STR("main"));
    write_raw(NBX_FAMILY_VECTORS, &vector, like.version, like.payload);
    finds("vectors: its customer is not there\n");
}

Test(verify_state, what_retention_may_have_taken_is_not_missed)
{
    struct nbx_key anna = nbx_key_customer(town_profile(&t, "anna").number);
    struct copy id = first(NBX_FAMILY_EVENT_IDS, &anna);
    delete (NBX_FAMILY_EVENT_IDS, &id.key);
    finds("events: its id is not remembered\n");
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW + INT64_C(2) * 86400000), "");
}

Test(verify_state, versions_have_their_files)
{
    static const char digest[] = /* printf 12345 | b2sum -l 256 */
        "0c79cdda0b4fca6014a1a171b608f17d4f373bc7f1187c3cf87fcffa490fc638";
    char path[160];
    struct nbx_version v = {NBX_STR("taste"), NBX_STR("2"), {.bytes = 5}};
    for (size_t i = 0; i < sizeof v.record.digest; i++)
        v.record.digest[i] =
            (uint8_t)strtoul((char[]){digest[2 * i], digest[2 * i + 1], '\0'}, NULL, 16);
    nbx_registry_put(t.shop.f.batch, &v);
    fixture_write(&t.shop.f);
    finds("models: its file is missing or has another size\n");
    cr_assert_eq(nbx_registry_make_folder(t.shop.f.dir, &t.fault), NBX_OK);
    nbx_registry_path(path, sizeof path, t.shop.f.dir, &v);
    FILE *file = fopen(path, "w");
    cr_assert_not_null(file);
    fputs("12345", file);
    cr_assert_eq(fflush(file), 0);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    rewind(file);
    fputs("12346", file);
    cr_assert_eq(fclose(file), 0);
    finds("models: its file is damaged: it has another digest than what was pushed\n");
    v.record.deleted = true;
    nbx_registry_put(t.shop.f.batch, &v);
    fixture_write(&t.shop.f);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    put_version("3", NBX_STAGE_ACTIVE);
    put_version("4", NBX_STAGE_ACTIVE);
    finds("models: is active, and so is another one\n");
    put_version("3", NBX_STAGE_SHADOW);
    put_version("4", NBX_STAGE_SHADOW);
    finds("models: is the shadow, and so is another one\n");
    put_version("4", NBX_STAGE_CANARY);
    put_version("5", NBX_STAGE_CANARY);
    finds("models: is the canary, and so is another one\n");
}
