/* SPDX-License-Identifier: MIT
 * A whole store is silent; whatever is damaged, missing or too much in any family is named. */
#include "tests/unit/care/whole.h"

#include "engine/care/erase.h"
#include "engine/care/prove.h"
#include "engine/store/log_record.h"

TestSuite(verify, .init = begin, .fini = end);

Test(verify, a_whole_store_is_silent_also_beside_who_writes_to_it)
{
    struct nbx_store *shown = NULL;
    struct nbx_store_options options = t.shop.f.options;
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    uint64_t records = verified.records;
    cr_assert_gt(records, 40);
    options.read_only = true;
    cr_assert_eq(nbx_store_open(&shown, &options, &t.fault), NBX_OK, "%s", t.fault.message);
    town_observe(&t, "emil", "{type:'view',item:'a'}");
    cr_assert_str_eq(verify(shown, SHOP_NOW), "");
    cr_assert_eq(verified.records, records, "what was there when it was opened");
    nbx_store_close(&shown);
    town_reopen(&t);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    cr_assert_gt(verified.records, records);
}

Test(verify, a_folder_that_is_none_is_not_made)
{
    struct nbx_store *shown = NULL;
    char path[160];
    struct nbx_store_options options = {.dir = path, .cache_bytes = 1 << 20, .read_only = true};
    snprintf(path, sizeof path, "%s/none", t.shop.f.root);
    cr_assert_neq(nbx_store_open(&shown, &options, &t.fault), NBX_OK);
    cr_assert_null(shown);
    cr_assert_not_null(strstr(t.fault.message, path), "%s", t.fault.message);
    cr_assert_neq(access(path, F_OK), 0);
}
Test(verify, damage_is_named_in_every_family)
{
    static const struct nbx_key begin_of_all;
    for (int f = 0; f < NBX_N_FAMILIES; f++) {
        enum nbx_family family = (enum nbx_family)f;
        struct copy was = first(family, &begin_of_all);
        char want[80];
        nbx_batch_put(t.shop.f.batch, family, nbx_key_str(&was.key), was.version, was.payload);
        t.shop.f.batch->ops.p[t.shop.f.batch->ops.len - 1] ^= 1;
        fixture_write(&t.shop.f);
        snprintf(want, sizeof want, "%s: fails its checksum\n", nbx_family_name(family));
        finds(want);
        write_raw(family, &was.key, was.version, NBX_STR("\xFF\xFF\xFF\xFF"));
        snprintf(want, sizeof want, "%s: does not decode\n", nbx_family_name(family));
        finds(want);
        write_raw(family, &was.key, 200, was.payload);
        snprintf(want, sizeof want, "%s: %s", nbx_family_name(family),
                 family == NBX_FAMILY_TRENDS ? "does not decode\n" : "is of a newer version");
        finds(want);
        write_raw(family, &was.key, was.version, was.payload);
        cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    }
}

Test(verify, what_is_missing_is_missed)
{
    struct nbx_key anna = nbx_key_customer(town_profile(&t, "anna").number);
    struct nbx_key id = nbx_key_identity(NBX_STR(""), NBX_STR("anna"));
    const struct {
        enum nbx_family family;
        struct nbx_key from;
        const char *findings[5];
    } cases[] = {
        {NBX_FAMILY_IDENTITIES, id, {"customers: its id names nobody\n"}},
        {NBX_FAMILY_CUSTOMERS,
         anna,
         {"identities: its customer is not there\n", "seen: its customer is not there\n",
          "vectors: its customer is not there\n", "events: its customer is not there\n",
          "decisions: its customer is not there\n"}},
        {NBX_FAMILY_EVENTS, anna, {"event_ids: its event is not there\n"}},
        {NBX_FAMILY_EVENT_IDS, anna, {"events: its id is not remembered\n"}},
        {NBX_FAMILY_ITEM_IDS,
         nbx_key_item_id(NBX_STR("a")),
         {"item_ids: no id has this item number\n", "items: its id is not there\n",
          "trends: counts an item that has no id\n", "seen: holds an item that has no id\n",
          "events: names an item that has no id\n"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct copy was = first(cases[i].family, &cases[i].from);
        delete (cases[i].family, &was.key);
        for (int j = 0; j < 5 && cases[i].findings[j]; j++)
            finds(cases[i].findings[j]);
        write_raw(cases[i].family, &was.key, was.version, was.payload);
        cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    }
}

Test(verify, what_an_item_cannot_have_been_is_noticed)
{
    struct nbx_key all = {.len = 0};
    struct copy was = first(NBX_FAMILY_PAST_ITEMS, &all);
    uint32_t item_no;
    uint64_t seq;
    cr_assert(nbx_key_past_item_parse(nbx_key_str(&was.key), &item_no, &seq));
    struct nbx_key key = nbx_key_past_item(item_no, 1);
    write_raw(NBX_FAMILY_PAST_ITEMS, &key, was.version, was.payload);
    finds("past_items: ended before it began\n");
    delete (NBX_FAMILY_PAST_ITEMS, &key);
    key = nbx_key_past_item(1000, seq);
    write_raw(NBX_FAMILY_PAST_ITEMS, &key, was.version, was.payload);
    finds("past_items: is of an item that has no id\n");
    delete (NBX_FAMILY_PAST_ITEMS, &key);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
}

static void put_number(enum nbx_family family, const struct nbx_key *key, uint64_t v)
{
    nbx_record_u64_put(t.shop.f.batch, family, nbx_key_str(key), v);
    fixture_write(&t.shop.f);
}

static void left(void *ctx, const char *what)
{
    (void)ctx;
    nbx_buf_printf(&findings, "%s\n", what);
}

static const char *prove(void)
{
    struct nbx_proved proved;
    struct nbx_prove_options options = {.found = left};
    nbx_buf_clear(&findings);
    cr_assert_eq(nbx_prove_forgotten(&proved, t.shop.f.store, &options, &t.fault), NBX_OK);
    cr_assert_eq(proved.customers, 1);
    nbx_buf_put_u8(&findings, 0);
    return (const char *)findings.p;
}

Test(verify, what_is_left_of_who_was_forgotten_is_found)
{
    size_t n;
    struct nbx_key key = nbx_key_customer(NBX_CUSTOMER(nbx_group_of(NBX_STR("cleo")), 1));
    t.shop.f.options.event_retention_ms = 0; /* the events are of long ago */
    town_reopen(&t);
    cr_assert_not_null(strstr(prove(), "is not yet out of the files"));
    cr_assert_eq(nbx_erase_forgotten(&n, t.scope.customers, SHOP_NOW), NBX_OK);
    cr_assert_eq(n, 1);
    cr_assert_str_eq(prove(), "");
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    nbx_batch_put(t.shop.f.batch, NBX_FAMILY_SEEN, nbx_key_str(&key), NBX_SEEN_RECORD,
                  NBX_STR("anything"));
    fixture_write(&t.shop.f);
    finds("forgotten: something is there of who was forgotten\n");
    cr_assert_not_null(strstr(prove(), "seen: a record of forgotten customer"));
}

/* A table that the erasing left, as if it had not looked at it. */
Test(verify, a_table_from_before_the_erasing_is_found)
{
    struct nbx_cursor *cursor = NULL;
    struct nbx_str all = {0}, key;
    struct nbx_stored stored;
    struct nbx_forgotten_record record;
    struct nbx_buf b = {0};
    town_reopen(&t); /* into tables */
    cr_assert_eq(nbx_cursor_open(&cursor, t.shop.f.store, NBX_FAMILY_FORGOTTEN, all, all, false),
                 NBX_OK);
    cr_assert_eq(nbx_cursor_next(cursor, &key, &stored), NBX_OK);
    cr_assert_eq(nbx_forgotten_record_decode(&record, &stored, t.shop.arena), NBX_OK);
    record.erased_ms = SHOP_NOW;
    record.before_file = 1000000;
    nbx_forgotten_record_encode(&b, &record);
    nbx_batch_put(t.shop.f.batch, NBX_FAMILY_FORGOTTEN, key, NBX_FORGOTTEN_RECORD,
                  (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    nbx_cursor_close(&cursor);
    nbx_buf_fini(&b);
    fixture_write(&t.shop.f);
    cr_assert_not_null(strstr(prove(), "identities: a table from before customer"));
}

Test(verify, what_an_identity_says_of_consents_is_theirs)
{
    struct nbx_buf b = {0};
    struct nbx_key key = nbx_key_identity(NBX_STR(""), NBX_STR("anna"));
    struct nbx_identity_record identity = {.number = town_profile(&t, "anna").number};
    put_customer("anna", "{consent:{profile:false}}");
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
    nbx_identity_record_encode(&b, &identity);
    nbx_batch_put(t.shop.f.batch, NBX_FAMILY_IDENTITIES, nbx_key_str(&key), NBX_IDENTITY_RECORD,
                  (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    fixture_write(&t.shop.f);
    finds("customers: its id says other than its consents\n");
    nbx_buf_fini(&b);
}

Test(verify, what_names_another_is_noticed)
{
    uint64_t anna = town_profile(&t, "anna").number, bert = town_profile(&t, "bert").number;
    struct nbx_key id = nbx_key_identity(NBX_STR(""), NBX_STR("anna"));
    put_number(NBX_FAMILY_IDENTITIES, &id, bert);
    finds("identities: names a customer of another id\n");
    finds("customers: its id names another customer\n");
    put_number(NBX_FAMILY_IDENTITIES, &id, anna);
    id = nbx_key_item_id(NBX_STR("a"));
    put_number(NBX_FAMILY_ITEM_IDS, &id, nbx_ids_find(t.shop.ids, NBX_STR("b")));
    finds("item_ids: has the number of another id\n");
    finds("items: its id has another item number\n");
    put_number(NBX_FAMILY_ITEM_IDS, &id, nbx_ids_find(t.shop.ids, NBX_STR("a")));
    struct nbx_key key = nbx_key_customer(anna);
    struct copy event = first(NBX_FAMILY_EVENTS, &key);
    struct nbx_key moved = event.key;
    moved.p[15] ^= 1;
    write_raw(NBX_FAMILY_EVENTS, &moved, event.version, event.payload);
    finds("events: its id is remembered with another time\n");
    delete (NBX_FAMILY_EVENTS, &moved);
    moved = event.key;
    moved.p[20] ^= 1;
    write_raw(NBX_FAMILY_EVENTS, &moved, event.version, event.payload);
    finds("events: lies under the key of another event\n");
    delete (NBX_FAMILY_EVENTS, &moved);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
}

Test(verify, numbers_that_were_never_given_are_noticed)
{
    uint8_t group = nbx_group_of(NBX_STR("anna"));
    struct nbx_key seq = nbx_key_meta_group("seq", group);
    struct nbx_key serial = nbx_key_meta_group("serial", group);
    put_number(NBX_FAMILY_META, &seq, 0);
    finds("events: has a sequence number that was never given\n");
    finds("decisions: knows a sequence number that was never given\n");
    put_number(NBX_FAMILY_META, &seq, 3);
    put_number(NBX_FAMILY_META, &serial, 0);
    finds("customers: has a number that was never given\n");
    put_number(NBX_FAMILY_META, &serial, 1);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
}

Test(verify, keys_of_no_shape_are_noticed)
{
    struct nbx_key key = nbx_key_meta("short");
    const struct {
        enum nbx_family family;
        const char *what;
    } cases[] = {
        {NBX_FAMILY_ITEMS, "items: has a key that is no item number\n"},
        {NBX_FAMILY_PAST_ITEMS, "past_items: has a key that is no item and change\n"},
        {NBX_FAMILY_TRENDS, "trends: has a key that is no channel, time and item\n"},
        {NBX_FAMILY_CUSTOMERS, "customers: has a key that is no customer number\n"},
        {NBX_FAMILY_SEEN, "seen: has a key that is no customer number\n"},
        {NBX_FAMILY_VECTORS, "vectors: has a key that is no customer number and space\n"},
        {NBX_FAMILY_EVENTS, "events: has a key that is no customer number, time and id\n"},
        {NBX_FAMILY_EVENT_IDS, "event_ids: has a key that is no customer number and id\n"},
        {NBX_FAMILY_DECISIONS, "decisions: has a key that is no decision id\n"},
        {NBX_FAMILY_LOG, "log: has a key that is no stream and sequence number\n"},
        {NBX_FAMILY_MENTIONS,
         "mentions: has a key that is no customer number and sequence number\n"},
        {NBX_FAMILY_BASES, "bases: has a key that is no customer number\n"},
        {NBX_FAMILY_LINKS, "links: has a key that is no customer number\n"},
        {NBX_FAMILY_MODELS, "models: does not decode\n"},
        {NBX_FAMILY_DUE, "due: has a key that is no group, time, customer and id\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_raw(cases[i].family, &key, 1, NBX_STR("\0"));
        finds(cases[i].what);
        delete (cases[i].family, &key);
    }
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
}

Test(verify, a_log_with_a_hole_or_of_something_else_is_noticed)
{
    struct nbx_profile anna = town_profile(&t, "anna");
    uint8_t group = NBX_CUSTOMER_GROUP(anna.number);
    struct nbx_key at = nbx_key_log(group, 1), last = nbx_key_log(group, 3);
    struct nbx_key event = nbx_key_customer(anna.number);
    struct copy events = first(NBX_FAMILY_LOG, &at), put = first(NBX_FAMILY_LOG, &last);
    struct copy mention = first(NBX_FAMILY_MENTIONS, &event);
    delete (NBX_FAMILY_LOG, &events.key);
    finds("log: commands before it are not there\n");
    finds("mentions: names an entry that is not there\n");
    write_raw(NBX_FAMILY_LOG, &events.key, events.version, events.payload);
    delete (NBX_FAMILY_LOG, &put.key);
    finds("log: is not there\n");
    at = nbx_key_log(group, 2);
    write_raw(NBX_FAMILY_LOG, &at, put.version, put.payload);
    finds("log: stands twice in the log\n");
    delete (NBX_FAMILY_LOG, &at);
    at = nbx_key_log(group, 4);
    write_raw(NBX_FAMILY_LOG, &put.key, put.version, put.payload);
    write_raw(NBX_FAMILY_LOG, &at, put.version, put.payload);
    finds("log: has a sequence number that was never given\n");
    delete (NBX_FAMILY_LOG, &at);
    delete (NBX_FAMILY_MENTIONS, &mention.key);
    finds("log: is not mentioned under its customer\n");
    write_raw(NBX_FAMILY_MENTIONS, &mention.key, mention.version, mention.payload);
    struct nbx_log_record other = {.kind = NBX_LOG_FORGET, .number = anna.number + (1ull << 56)};
    nbx_log_put(t.shop.f.batch, group, 3, &other);
    fixture_write(&t.shop.f);
    finds("log: is of a customer that does not belong into its stream\n");
    other.kind = NBX_LOG_ITEMS;
    nbx_log_put(t.shop.f.batch, group, 3, &other);
    fixture_write(&t.shop.f);
    finds("log: is of a kind that does not belong into its stream\n");
    write_raw(NBX_FAMILY_LOG, &put.key, put.version, put.payload);
    struct copy gone = first(NBX_FAMILY_EVENTS, &event);
    delete (NBX_FAMILY_EVENTS, &gone.key);
    finds("log: names an event that is not there\n");
    write_raw(NBX_FAMILY_EVENTS, &gone.key, gone.version, gone.payload);
    cr_assert_str_eq(verify(t.shop.f.store, SHOP_NOW), "");
}
