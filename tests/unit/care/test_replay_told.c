/* SPDX-License-Identifier: MIT
 * What is said of a decision that is made again: where a changed record differs, and why one cannot
 * be made again.
 */
#include "tests/unit/care/replaying.h"

TestSuite(replay_told, .init = replaying_begin, .fini = replaying_end, .timeout = 600);

static struct nbx_decision_record read_record(struct nbx_decision_id id)
{
    struct nbx_decision_record record;
    struct nbx_stored stored;
    struct nbx_key key = nbx_key_decision(id);
    cr_assert_eq(nbx_store_get(t.shop.f.store, NBX_FAMILY_DECISIONS, nbx_key_str(&key),
                               t.shop.arena, &stored),
                 NBX_OK);
    cr_assert_eq(nbx_decision_record_decode(&record, &stored, t.shop.arena), NBX_OK);
    return record;
}

static void write_record(struct nbx_decision_id id, const struct nbx_decision_record *record)
{
    struct nbx_key key = nbx_key_decision(id);
    struct nbx_buf *b = nbx_batch_payload(t.shop.f.batch);
    nbx_decision_record_encode(b, record);
    nbx_batch_put(t.shop.f.batch, NBX_FAMILY_DECISIONS, nbx_key_str(&key), NBX_DECISION_RECORD,
                  (struct nbx_str){(const char *)b->p, (uint32_t)b->len});
    fixture_write(&t.shop.f);
}

/* A town with a model, in which anna has done something; her decision. */
static struct nbx_decision_id scored_decision(const char *text)
{
    for (int i = 0; i < TOWN_ITEMS; i++) {
        char id[8], fields[32];
        snprintf(id, sizeof id, "i%02d", i);
        snprintf(fields, sizeof fields, "{price:%d}", i);
        shop_takes(shop_put(&t.shop, id, fields));
    }
    shop_takes(shop_put(&t.shop, "x00", "{price:3}"));
    shop_takes(shop_put(&t.shop, "x01", "{price:4}"));
    change_model();
    town_observe(&t, "anna",
                 "{type:'buy',item:'i03',id:'e1'},{type:'view',item:'i08',id:'e2'},"
                 "{type:'dismiss',item:'i09',id:'e3'}");
    return decide("anna", text);
}

/* The record with its items, the first two of which are scored, in an array of their own. */
static struct nbx_decision_item *own_items(struct nbx_decision_record *record)
{
    struct nbx_decision_item *items = nbx_arena_calloc(t.shop.arena, record->n + 1, sizeof *items);
    memcpy(items, record->items, record->n * sizeof *items);
    record->items = items;
    return items;
}

Test(replay_told, a_changed_record_differs_and_says_where)
{
    struct nbx_decision_id id = scored_decision("{n:40,filter:{field:'price',lt:25}}");
    struct nbx_decision_record as_made = read_record(id), record = as_made;
    uint32_t last = record.n - 1;
    must_say(id, NBX_REPLAY_SAME, "found and scored again");
    cr_assert_eq(record.n, 26, "25 below the price, two without a vector, one disliked");

    float *vector = nbx_arena_floats(t.shop.arena, TOWN_DIMS);
    memcpy(vector, record.vector.p, TOWN_DIMS * sizeof *vector);
    ((uint8_t *)vector)[0] ^= 1; /* the least bit of the first float */
    record.vector.p = vector;
    write_record(id, &record);
    must_say(id, NBX_REPLAY_DIFFERS, "has score");

    record = as_made;
    ((uint8_t *)&own_items(&record)[5].score)[0] ^= 1;
    write_record(id, &record);
    must_say(id, NBX_REPLAY_DIFFERS, "position 5");

    record = as_made;
    struct nbx_decision_item *items = own_items(&record), first = items[0];
    items[0] = items[1];
    items[1] = first;
    write_record(id, &record);
    must_say(id, NBX_REPLAY_DIFFERS, "position 0: the record has");

    record = as_made;
    own_items(&record)[last].item_no = shop_no(&t.shop, "i09");
    write_record(id, &record);
    must_say(id, NBX_REPLAY_DIFFERS, "i09 may not be shown there");

    record = as_made;
    own_items(&record)[last].source = 1;
    write_record(id, &record);
    must_say(id, NBX_REPLAY_DIFFERS, "nothing of that source");

    record = as_made;
    record.n--;
    write_record(id, &record);
    must_say(id, NBX_REPLAY_DIFFERS, "lacks");

    record = as_made;
    record.filter = NULL;
    write_record(id, &record);
    must_say(id, NBX_REPLAY_DIFFERS, "the vector ranks");

    record = as_made;
    record.catalogue_seq -= 3; /* x00 was not there */
    write_record(id, &record);
    must_say(id, NBX_REPLAY_DIFFERS, "may not be shown");
    write_record(id, &as_made);
    must_be_same(id);
}

/* Each byte of each item and score that the vector ranked. */
Test(replay_told, no_byte_of_a_scored_list_may_change)
{
    struct nbx_decision_id id = scored_decision("{n:12}");
    struct nbx_decision_record as_made = read_record(id);
    cr_assert_eq(as_made.n, 12);
    for (uint32_t i = 0; i < as_made.n; i++)
        for (size_t b = 0; b < 8; b++) {
            struct nbx_decision_record record = as_made;
            uint8_t *item = (uint8_t *)&own_items(&record)[i];
            item[b] ^= (uint8_t)(1u << below(8)); /* item number, then score */
            write_record(id, &record);
            must_say(id, NBX_REPLAY_DIFFERS, "position");
        }
    write_record(id, &as_made);
    must_be_same(id);
}

/* Whatever ttl types have by now: what had expired by then is what the record says. */
Test(replay_told, goes_by_the_ttl_of_then)
{
    struct nbx_event_type types[TOWN_TYPES];
    char old[192];
    memcpy(types, town_types, sizeof types);
    types[0].ttl_ms = types[3].ttl_ms = 24 * TOWN_HOUR_MS;
    scored_decision("{n:3}");
    snprintf(old, sizeof old,
             "{type:'view',item:'i10',time:%lld},{type:'dismiss',item:'i11',"
             "time:%lld}",
             (long long)(SHOP_NOW - 48 * TOWN_HOUR_MS), (long long)(SHOP_NOW - 48 * TOWN_HOUR_MS));
    town_observe(&t, "anna", old);
    struct nbx_decision_id without = decide("anna", "{n:40,exclude_seen:true}");
    town_change_types(&t, types);
    struct nbx_decision_id with = decide("anna", "{n:40,exclude_seen:true}");
    cr_assert_eq(read_record(without).n + 2, read_record(with).n, "i10 and i11 are back");
    cr_assert_eq(read_record(without).n_ttls, 0);
    cr_assert_eq(read_record(with).n_ttls, 2);
    for (int hours = 0; hours < 100; hours += 24) {
        ttl_ms = hours * TOWN_HOUR_MS;
        must_be_same(without);
        must_be_same(with);
    }
    struct nbx_decision_record record = read_record(with);
    record.n_ttls = 0;
    write_record(with, &record);
    must_say(with, NBX_REPLAY_DIFFERS, "position");
}

Test(replay_told, a_damaged_record_is_an_error)
{
    struct nbx_decision_id id = scored_decision("{n:3}");
    struct nbx_key key = nbx_key_decision(id);
    struct nbx_replay_options options = {.data_dir = t.shop.f.dir, .now_ms = SHOP_NOW};
    struct nbx_replay out;
    nbx_batch_put(t.shop.f.batch, NBX_FAMILY_DECISIONS, nbx_key_str(&key), NBX_DECISION_RECORD,
                  NBX_STR("no decision"));
    fixture_write(&t.shop.f);
    cr_assert_eq(nbx_replay(&out, t.shop.f.store, id, &options, &t.fault), NBX_ECORRUPT);
    cr_assert_str_eq(t.fault.message, "the decision is damaged: nbx verify says more");
}

Test(replay_told, rankings_fall_within_themselves)
{
    town_observe(&t, "bert", "{type:'buy',item:'a'},{type:'view',item:'b'}");
    shop_takes(shop_put(&t.shop, "a", "{}"));
    shop_takes(shop_put(&t.shop, "b", "{}"));
    shop_takes(shop_put(&t.shop, "c", "{}"));
    town_world(&t, true);
    struct nbx_decision_id id = decide("anna", "{}");
    struct nbx_decision_record record = read_record(id);
    must_say(id, NBX_REPLAY_SAME, "3 of rankings");
    own_items(&record)[1].score = 1e9F;
    write_record(id, &record);
    must_say(id, NBX_REPLAY_DIFFERS, "position 1: score");
}

Test(replay_told, of_an_approximate_search_scores_are_made_again)
{
    struct nbx_decision_id id = scored_decision("{n:5}");
    struct nbx_decision_record record = read_record(id);
    struct nbx_decision_item *items = own_items(&record);
    items[1] = items[2];
    items[2] = items[3];
    items[3] = items[4];
    record.n = record.asked = 4;
    write_record(id, &record);
    must_say(id, NBX_REPLAY_DIFFERS, "position 1");
    record.approximate = record.partial = true;
    write_record(id, &record);
    must_say(id, NBX_REPLAY_SAME, "scores were made again");
    ((uint8_t *)&items[2].score)[0] ^= 1;
    write_record(id, &record);
    must_say(id, NBX_REPLAY_DIFFERS, "position 2");
}

Test(replay_told, items_and_events_since_make_no_difference)
{
    struct nbx_decision_id id = scored_decision("{n:10,exclude_seen:true}");
    shop_takes(shop_delete(&t.shop, "i01"));
    shop_takes(shop_put(&t.shop, "i02", "{price:99,available:false}"));
    shop_takes(shop_put(&t.shop, "fresh", "{vector:[9,9,9,9,9,9]}"));
    town_observe(&t, "anna", "{type:'buy',item:'i05'},{type:'dismiss',item:'i06'}");
    must_be_same(id);
    shop_takes(shop_put(&t.shop, "i01", "{}"));
    restart();
    must_be_same(id);
}

Test(replay_told, what_is_gone_is_said)
{
    struct nbx_decision_id id = scored_decision("{n:10}"), none = id;
    char path[160];
    none.b[15] ^= 1;
    must_say(none, NBX_REPLAY_GONE, "no such decision");
    struct nbx_replay late = replay_within(id, 500);
    cr_assert(late.verdict == NBX_REPLAY_GONE && strstr(late.what, "older"), "%s", late.what);
    cr_assert_eq(replay_within(id, 5000).verdict, NBX_REPLAY_SAME);

    struct nbx_str events[] = {NBX_STR("e2")};
    struct nbx_retraction what = {.ids = events, .n_ids = 1};
    struct nbx_retracted done;
    struct nbx_profile anna = town_profile(&t, "anna");
    struct nbx_decision_id other = decide("anna", "{n:10,personal:false}");
    cr_assert_eq(nbx_retract(&done, &t.scope, &anna, &what), NBX_OK);
    cr_assert_eq(done.retracted, 1);
    must_say(id, NBX_REPLAY_GONE, "retracted");
    must_be_same(other);

    struct nbx_decision_id asked = decide("nobody", "{n:3,vector:[1,2,3,4,5,6],channel:'web'}");
    must_be_same(asked);
    snprintf(path, sizeof path, "%s/1.safetensors", t.shop.f.dir);
    cr_assert_eq(remove(path), 0);
    must_say(asked, NBX_REPLAY_GONE, "no bundle of model taste version 1");
}

static void retract_one(const char *customer, const char *id)
{
    struct nbx_str events[] = {nbx_str_c(id)};
    struct nbx_retraction what = {.ids = events, .n_ids = 1};
    struct nbx_retracted done;
    struct nbx_profile profile = town_profile(&t, customer);
    cr_assert_eq(nbx_retract(&done, &t.scope, &profile, &what), NBX_OK);
    cr_assert_eq(done.retracted, 1);
}

/* Each one's set is found by what it had come to, wherever the others are by now. */
Test(replay_told, of_linked_customers_the_sets_are_joined_as_they_were)
{
    struct nbx_decision_id ids[5];
    ids[0] = scored_decision("{n:10,exclude_seen:true}");
    town_observe(&t, "bert", "{type:'buy',item:'i04',id:'b1'},{type:'show',item:'i05',id:'b2'}");
    town_link(&t, "bert", "anna", "card");
    town_link(&t, "cleo", "anna", "device");
    ids[1] = decide("anna", "{n:10,exclude_seen:true}");
    ids[2] = decide("bert", "{n:20}");
    ids[3] = decide("cleo", "{n:20}");
    struct nbx_decision_record record = read_record(ids[3]);
    cr_assert_eq(record.n_parts, 3);
    cr_assert_eq(record.parts[0].seen_digest + record.parts[1].seen_digest +
                     record.parts[2].seen_digest,
                 record.seen_digest);
    cr_assert_eq(read_record(ids[0]).n_parts, 0);
    town_observe(&t, "cleo", "{type:'view',item:'i10',id:'c1'}");
    town_observe(&t, "bert", "{type:'dismiss',item:'i11',id:'b3',time:1600000000000}");
    ids[4] = decide("anna", "{n:20}");
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < 5; i++)
            must_be_same(ids[i]);
        switch (round) {
        case 0: town_observe(&t, "anna", "{type:'buy',item:'i12'},{type:'view',item:'i04'}"); break;
        case 1: town_unlink(&t, "bert", "anna"); break;
        default:
            town_link(&t, "anna", "bert", "");
            town_observe(&t, "bert", "{type:'view',item:'i13'}");
            restart();
            break;
        }
        cr_assert_eq(read_record(decide("bert", "{n:3}")).n_parts, round == 1 ? 0 : 3);
    }
    retract_one("bert", "b2"); /* had no part in any */
    must_be_same(ids[2]);
    retract_one("bert", "b3");
    must_be_same(ids[3]);
    must_say(ids[4], NBX_REPLAY_GONE, "of what the customer and those linked to it had done");
    retract_one("bert", "b1");
    must_be_same(ids[0]);
    must_say(ids[1], NBX_REPLAY_GONE, "retracted");
    must_say(ids[3], NBX_REPLAY_GONE, "retracted");
}

/* Of either identity what had expired by then is what the record says. */
Test(replay_told, of_linked_customers_each_goes_by_the_ttl_of_then)
{
    struct nbx_event_type types[TOWN_TYPES];
    char old[192];
    memcpy(types, town_types, sizeof types);
    types[0].ttl_ms = types[3].ttl_ms = 24 * TOWN_HOUR_MS;
    scored_decision("{n:3}");
    snprintf(old, sizeof old,
             "{type:'view',item:'i10',time:%lld},{type:'dismiss',item:'i11',time:%lld}",
             (long long)(SHOP_NOW - 48 * TOWN_HOUR_MS), (long long)(SHOP_NOW - 48 * TOWN_HOUR_MS));
    town_observe(&t, "bert", old);
    town_link(&t, "bert", "anna", "card");
    struct nbx_decision_id without = decide("anna", "{n:40,exclude_seen:true}");
    town_change_types(&t, types);
    struct nbx_decision_id with = decide("anna", "{n:40,exclude_seen:true}");
    struct nbx_decision_id by_bert = decide("bert", "{n:40,exclude_seen:true}");
    cr_assert_eq(read_record(without).n + 2, read_record(with).n, "i10 and i11 are back");
    cr_assert_eq(read_record(with).n_ttls, 2);
    cr_assert_eq(read_record(with).n_parts, 2);
    cr_assert_eq(read_record(by_bert).n, read_record(with).n);
    for (int hours = 0; hours < 100; hours += 24) {
        ttl_ms = hours * TOWN_HOUR_MS;
        must_be_same(without);
        must_be_same(with);
        must_be_same(by_bert);
    }
    town_unlink(&t, "bert", "anna");
    town_observe(&t, "bert", "{type:'buy',item:'i11'},{type:'dismiss',item:'i10'}");
    must_be_same(without);
    must_be_same(with);
    struct nbx_decision_record record = read_record(with);
    record.n_ttls = 0;
    write_record(with, &record);
    must_say(with, NBX_REPLAY_DIFFERS, "position");
}

/* A set that the record does not name is another list. */
Test(replay_told, a_part_that_is_left_out_differs)
{
    scored_decision("{n:1}");
    town_observe(&t, "bert", "{type:'buy',item:'i04',id:'b1'}");
    town_link(&t, "bert", "anna", "card");
    struct nbx_decision_id id = decide("anna", "{n:30,exclude_seen:true}");
    struct nbx_decision_record record = read_record(id);
    must_be_same(id);
    cr_assert_eq(record.n_parts, 2);
    record.n_parts = 1;
    write_record(id, &record);
    must_say(id, NBX_REPLAY_DIFFERS, "i04");
}

Test(replay_told, decisions_of_older_programs_do_not_say_enough)
{
    static const char bytes[] = {0, 0, 0, 0, 0};
    struct nbx_decision_id id = nbx_decision_id_make(NBX_CUSTOMER(3, 0), SHOP_NOW, 1);
    struct nbx_key key = nbx_key_decision(id);
    nbx_batch_put(t.shop.f.batch, NBX_FAMILY_DECISIONS, nbx_key_str(&key), 1,
                  (struct nbx_str){bytes, sizeof bytes});
    fixture_write(&t.shop.f);
    must_say(id, NBX_REPLAY_GONE, "older program");
}
