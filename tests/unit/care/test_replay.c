/* SPDX-License-Identifier: MIT
 * Every decision can be made again, whatever has become of items, models and customers since; what
 * cannot be is told, and why.
 */
#include "engine/care/replay.h"
#include "engine/decide/taste.h"
#include "tests/unit/decide/linking.h"

#define SEED      20261127u
#define STEPS     1700
#define DECISIONS 600 /* of the steps, about a third: at most */
#define N_EXTRA   8   /* x00 to x07, which no bundle has */
#define N_ITEMS   (TOWN_ITEMS + N_EXTRA)

static struct town t;
static struct nbx_random r;
static struct nbx_decision_id made[DECISIONS];
static unsigned n_made, n_models;

/* Bundles lie in the store's folder, as the daemon has them. Nothing expires: the shop's clock is
 * years behind. */
static void begin(void)
{
    n_made = n_models = 0;
    nbx_random_init(&r, SEED);
    town_begin(&t);
    t.shop.f.options.event_retention_ms = t.shop.f.options.decision_retention_ms = 0;
    town_reopen(&t);
}

static void end(void)
{
    town_end(&t);
}

TestSuite(replay, .init = begin, .fini = end, .timeout = 600);

static unsigned below(unsigned n)
{
    return (unsigned)nbx_random_below(&r, n);
}

static const char *any_item(void)
{
    static char text[8];
    unsigned i = below(N_ITEMS);
    if (i < TOWN_ITEMS)
        snprintf(text, sizeof text, "i%02u", i);
    else
        snprintf(text, sizeof text, "x%02u", i - TOWN_ITEMS);
    return text;
}

static const char *any_customer(void)
{
    static const char *const names[] = {"anna", "bert", "cleo", "dora", "emil", "a stranger"};
    return names[below(6)];
}

static void print_vector(struct nbx_buf *b)
{
    nbx_buf_printf(b, "vector:[");
    for (int i = 0; i < TOWN_DIMS; i++)
        nbx_buf_printf(b, "%s%d.%u", i ? "," : "", (int)below(5) - 2, below(1000));
    nbx_buf_printf(b, "]");
}

static char *text_of(struct nbx_buf *b)
{
    nbx_buf_put_u8(b, '\0');
    struct nbx_str s =
        nbx_arena_str(t.shop.arena, (struct nbx_str){(char *)b->p, (uint32_t)b->len});
    nbx_buf_fini(b);
    return (char *)s.p;
}

static const char *any_fields(void)
{
    struct nbx_buf b = {0};
    nbx_buf_printf(&b, "{price:%u", below(20));
    if (below(2))
        nbx_buf_printf(&b, ",brand:'b%u'", below(4));
    if (below(2))
        nbx_buf_printf(&b, ",categories:['c%u','d%u']", below(3), below(3));
    if (below(2))
        nbx_buf_printf(&b, ",group:'g%u'", below(6));
    if (below(6) == 0)
        nbx_buf_printf(&b, ",available:false");
    if (below(4) == 0)
        nbx_buf_printf(&b, ",channels:['%s']", below(2) ? "web" : "store");
    if (below(4) == 0)
        nbx_buf_printf(&b, ",stock:{north:%u}", below(2));
    if (below(5) == 0)
        nbx_buf_printf(&b, ",attributes:{color:'%s',size:%u}", below(2) ? "red" : "blue", below(9));
    if (below(5) == 0) {
        nbx_buf_printf(&b, ",");
        print_vector(&b);
    }
    nbx_buf_printf(&b, "}");
    return text_of(&b);
}

/* As the keeper has it: the model follows what changed. */
static void follow(struct nbx_catalog *before)
{
    struct nbx_model *fresh;
    if (t.model) {
        cr_assert_eq(nbx_model_refresh(&fresh, t.model, before, t.shop.c), NBX_OK);
        nbx_model_release(&t.model);
        t.model = fresh;
    }
    nbx_catalog_release(&before);
    town_world(&t, below(3) == 0);
}

/* One to four changes, some of the same item, in one batch; some are refused. */
static void change_items(void)
{
    struct nbx_change changes[4];
    size_t n = 1 + below(4);
    struct nbx_catalog *before;
    for (size_t i = 0; i < n; i++) {
        struct nbx_str id = nbx_arena_str(t.shop.arena, nbx_str_c(any_item()));
        unsigned kind = below(8);
        changes[i] = (struct nbx_change){.id = i && below(3) == 0 ? changes[i - 1].id : id};
        changes[i].kind = kind == 0  ? NBX_CHANGE_DELETE
                          : kind < 4 ? NBX_CHANGE_PATCH
                                     : NBX_CHANGE_PUT;
        if (changes[i].kind != NBX_CHANGE_DELETE)
            changes[i].fields = shop_value(&t.shop, any_fields());
    }
    t.shop.now_ms++;
    shop_apply(&t.shop, changes, n, &before);
    follow(before);
}

/* Another bundle, of other factors: every third takes customers' vectors as they are given. */
static void change_model(void)
{
    static char texts[TOWN_ITEMS][8];
    static struct nbx_str ids[TOWN_ITEMS];
    char path[160], version[16];
    snprintf(version, sizeof version, "%u", ++n_models);
    snprintf(path, sizeof path, "%s/%s.safetensors", t.shop.f.dir, version);
    for (int i = 0; i < TOWN_ITEMS; i++) {
        snprintf(texts[i], sizeof texts[i], "i%02d", i);
        ids[i] = nbx_str_c(texts[i]);
    }
    for (int i = 0; i < TOWN_ITEMS * TOWN_DIMS; i++)
        t.factors[i] = (float)nbx_random_normal(&r);
    struct nbx_bundle_info info = {.name = NBX_STR("taste"),
                                   .version = nbx_str_c(version),
                                   .family = NBX_STR("factors"),
                                   .created_ms = SHOP_NOW + n_models,
                                   .n_items = TOWN_ITEMS,
                                   .item_ids = ids,
                                   .n_spaces = 1};
    info.spaces[0] =
        (struct nbx_space){.name = NBX_STR("main"),
                           .dims = TOWN_DIMS,
                           .customer = n_models % 3 ? NBX_CUSTOMER_FOLDED : NBX_CUSTOMER_GIVEN,
                           .metric = n_models % 2 ? NBX_METRIC_DOT : NBX_METRIC_COSINE,
                           .item_factors = t.factors,
                           .alpha0 = 0.1F,
                           .lambda = 0.05F,
                           .nu = 1};
    cr_assert_eq(nbx_bundle_write(path, &info, NULL, &t.fault), NBX_OK, "%s", t.fault.message);
    nbx_model_release(&t.bare);
    cr_assert_eq(nbx_model_load(&t.bare, path, t.shop.ids, &t.shop.budget, &t.fault), NBX_OK);
    town_refresh_model(&t);
}

static void restart(void)
{
    char path[160];
    nbx_model_release(&t.model);
    nbx_model_release(&t.bare);
    town_reopen(&t);
    if (n_models == 0)
        return;
    cr_assert_eq(nbx_bundle_newest(t.shop.f.dir, path, sizeof path), NBX_OK);
    cr_assert_eq(nbx_model_load(&t.bare, path, t.shop.ids, &t.shop.budget, &t.fault), NBX_OK);
    town_refresh_model(&t);
}

static void send_event(void)
{
    static const char *const types[] = {"view", "buy", "show", "dismiss"};
    static const char *const scopes[] = {"item", "brand", "category"};
    char text[160];
    unsigned type = below(8);
    type = type < 4 ? 0 : type < 6 ? 1 : type - 4;
    int n = snprintf(text, sizeof text, "{type:'%s',item:'%s',time:%lld", types[type], any_item(),
                     (long long)(SHOP_NOW - below(100) * TOWN_HOUR_MS));
    if (type == 3)
        n += snprintf(text + n, sizeof text - (size_t)n, ",scope:'%s'", scopes[below(3)]);
    snprintf(text + n, sizeof text - (size_t)n, "%s}", below(2) ? ",channel:'web'" : "");
    const char *customer = any_customer();
    if (strcmp(customer, "a stranger") != 0)
        town_observe(&t, customer, text);
}

static void give_vector(void)
{
    struct nbx_customer_put_req req;
    struct nbx_buf b = {0};
    uint64_t seq;
    nbx_buf_printf(&b, "{");
    print_vector(&b);
    nbx_buf_printf(&b, "}");
    cr_assert_eq(nbx_message_customer_put(&req, town_body(&t, text_of(&b)), t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, NBX_STR("dora"), &req, &seq, &t.fault), NBX_OK);
}

static const char *any_request(void)
{
    static const char *const filters[] = {
        "{field:'price',lt:10}", "{field:'brand',in:['b0','b1']}",
        "{any:[{field:'categories',in:['c0']},{field:'price',ge:15}]}",
        "{not:{field:'id',eq:'i03'}}"};
    struct nbx_buf b = {0};
    nbx_buf_printf(&b, "{n:%u", 1 + below(2 * N_ITEMS));
    if (below(2))
        nbx_buf_printf(&b, ",filter:%s", filters[below(4)]);
    if (below(3) == 0)
        nbx_buf_printf(&b, ",exclude:['i%02u','nobody knows it','x%02u']", below(30), below(8));
    if (below(3) == 0)
        nbx_buf_printf(&b, ",exclude_seen:true");
    if (below(3) == 0)
        nbx_buf_printf(&b, ",distinct:'group'");
    if (below(3) == 0)
        nbx_buf_printf(&b, ",channel:'%s'", below(2) ? "web" : "store");
    if (below(5) == 0)
        nbx_buf_printf(&b, ",store:'north'");
    if (below(5) == 0)
        nbx_buf_printf(&b, ",personal:false");
    if (below(5) == 0)
        nbx_buf_printf(&b, ",recall:0.9");
    nbx_buf_printf(&b, ",now:%lld", (long long)(SHOP_NOW + below(50) * TOWN_HOUR_MS));
    if (t.model && below(5) == 0) {
        nbx_buf_printf(&b, ",");
        print_vector(&b);
    }
    if (below(5) == 0)
        nbx_buf_printf(&b, ",items:['i01','i%02u','x%02u','nobody knows it either']", 2 + below(28),
                       below(8));
    nbx_buf_printf(&b, "}");
    return text_of(&b);
}

/* Decides, records, and gives the id. */
static struct nbx_decision_id decide(const char *customer, const char *text)
{
    static uint16_t counter;
    t.world.catalogue_seq = t.shop.seq;
    t.scope.now_ms = SHOP_NOW;
    struct nbx_profile profile = town_profile(&t, customer);
    struct nbx_recommend_req req = town_request(&t, text, strstr(text, "items:") != NULL);
    struct nbx_decision decision = town_decide(&t, customer, text);
    cr_assert_eq(nbx_profile_for_answer(&profile, &t.scope, &profile, req.personal), NBX_OK);
    struct nbx_decision_context context = {
        .id = nbx_decision_id_make(profile.number, SHOP_NOW, ++counter),
        .req = &req,
        .profile = &profile,
        .time_ms = SHOP_NOW};
    cr_assert_eq(nbx_decision_write(&t.d, &decision, &context), NBX_OK);
    t.scope.now_ms = SHOP_NOW;
    return context.id;
}

static int64_t ttl_ms; /* of a view, in the settings that replay gets */

static struct nbx_replay replay_within(struct nbx_decision_id id, int64_t keep_ms)
{
    struct nbx_event_type types[] = {{.name = {"view", 4},
                                      .class = NBX_CLASS_POSITIVE,
                                      .weight = 9,
                                      .ttl_ms = ttl_ms,
                                      .negative_below = NAN}};
    struct nbx_vocabulary_options words = {.types = types,
                                           .n_types = 1,
                                           .channels = t.shop.channels,
                                           .n_channels = 2,
                                           .currency = NBX_STR("EUR")};
    struct nbx_replay_options options = {.data_dir = t.shop.f.dir,
                                         .vocabulary = &words,
                                         .memory_bytes = (size_t)1 << 30,
                                         .now_ms = SHOP_NOW + 1000,
                                         .decision_retention_ms = keep_ms};
    struct nbx_replay out;
    cr_assert_eq(nbx_replay(&out, t.shop.f.store, id, &options, &t.fault), NBX_OK, "%s",
                 t.fault.message);
    return out;
}

static struct nbx_replay replay(struct nbx_decision_id id)
{
    return replay_within(id, 0);
}

static struct nbx_replay must_be_same(struct nbx_decision_id id)
{
    char hex[33];
    struct nbx_replay out = replay(id);
    nbx_decision_id_hex(id, hex);
    cr_assert_eq(out.verdict, NBX_REPLAY_SAME, "seed %u, %s: %s", SEED, hex, out.what);
    return out;
}

static void must_say(struct nbx_decision_id id, enum nbx_replay_verdict verdict, const char *what)
{
    struct nbx_replay out = replay(id);
    cr_assert(out.verdict == verdict && strstr(out.what, what), "verdict %d: %s, wanted %d: %s",
              out.verdict, out.what, verdict, what);
}

/* Whatever cannot be linked stays as it is. */
static void change_links(void)
{
    char identity[16];
    snprintf(identity, sizeof identity, "%s", any_customer());
    enum nbx_err err = below(3) ? town_try_link(&t, identity, any_customer(), "card")
                                : town_try_unlink(&t, identity, any_customer());
    cr_assert(err == NBX_OK || err == NBX_ECONFLICT, "%s", t.fault.message);
}

static void step(void)
{
    unsigned what = below(100);
    if (what < 30 && n_made < DECISIONS)
        made[n_made++] = decide(any_customer(), any_request());
    else if (what < 60)
        change_items();
    else if (what < 92)
        send_event();
    else if (what < 93)
        change_links();
    else if (what < 95)
        give_vector();
    else if (what < 97)
        change_model();
    else if (what < 98)
        restart();
    else if (n_made)
        must_be_same(made[below(n_made)]);
    if (nbx_arena_used(t.shop.arena) > (size_t)256 << 20)
        nbx_arena_reset(t.shop.arena);
}

Test(replay, gives_the_same_lists_whatever_happened_since)
{
    unsigned n_scored = 0;
    fprintf(stderr, "seed %u\n", SEED);
    for (int i = 0; i < STEPS; i++)
        step();
    restart();
    for (unsigned i = 0; i < n_made; i++)
        n_scored += strstr(must_be_same(made[i]).what, " 0 found") == NULL;
    cr_assert(n_made > 400 && n_scored > 200 && n_models > 10, "%u made, %u scored, %u models",
              n_made, n_scored, n_models);
}

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

Test(replay, a_changed_record_differs_and_says_where)
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
Test(replay, no_byte_of_a_scored_list_may_change)
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
Test(replay, goes_by_the_ttl_of_then)
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

Test(replay, a_damaged_record_is_an_error)
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

Test(replay, rankings_fall_within_themselves)
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

Test(replay, of_an_approximate_search_scores_are_made_again)
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

Test(replay, items_and_events_since_make_no_difference)
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

Test(replay, what_is_gone_is_said)
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
Test(replay, of_linked_customers_the_sets_are_joined_as_they_were)
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

/* A set that the record does not name is another list. */
Test(replay, a_part_that_is_left_out_differs)
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

Test(replay, decisions_of_older_programs_do_not_say_enough)
{
    static const char bytes[] = {0, 0, 0, 0, 0};
    struct nbx_decision_id id = nbx_decision_id_make(NBX_CUSTOMER(3, 0), SHOP_NOW, 1);
    struct nbx_key key = nbx_key_decision(id);
    nbx_batch_put(t.shop.f.batch, NBX_FAMILY_DECISIONS, nbx_key_str(&key), 1,
                  (struct nbx_str){bytes, sizeof bytes});
    fixture_write(&t.shop.f);
    must_say(id, NBX_REPLAY_GONE, "older program");
}
