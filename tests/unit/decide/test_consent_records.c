/* SPDX-License-Identifier: MIT
 * What is withdrawn, as stored: the identity says it, and nothing else remains of what was
 * withheld.
 */
#include "engine/customer/consent.h"
#include "tests/unit/decide/dump.h"
#include "tests/unit/decide/histories.h"

static struct town t;

static void begin(void)
{
    history_town(&t);
}

static void end(void)
{
    town_end(&t);
}

TestSuite(consent_records, .init = begin, .fini = end, .timeout = 120);

static void put_customer(const char *id, const char *body)
{
    struct nbx_customer_put_req req;
    uint64_t seq;
    cr_assert_eq(nbx_message_customer_put(&req, town_body(&t, body), t.shop.arena, &t.fault),
                 NBX_OK);
    cr_assert_eq(nbx_customer_put(&t.scope, nbx_str_c(id), &req, &seq, &t.fault), NBX_OK);
}

static uint8_t withdrawn(const char *id)
{
    return town_profile(&t, id).withdrawn;
}

Test(consent_records, each_purpose_has_its_bit)
{
    static const struct {
        const char *consent;
        uint8_t want;
    } cases[] = {{"personalise:false", NBX_PURPOSE_PERSONALISE},
                 {"profile:false", NBX_PURPOSE_PERSONALISE | NBX_PURPOSE_PROFILE},
                 {"train:false, fax:false", NBX_PURPOSES_ALL & ~24},
                 {"contact:false, personalise:true", NBX_PURPOSES_ALL & ~17},
                 {"share:false", NBX_PURPOSES_ALL & ~1},
                 {"profile:true, train:true, contact:true, share:true", 0}};
    char body[128];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(body, sizeof body, "{consent:{%s}}", cases[i].consent);
        put_customer("anna", body);
        cr_assert_eq(withdrawn("anna"), cases[i].want, "%s", cases[i].consent);
        town_reopen(&t);
        cr_assert_eq(withdrawn("anna"), cases[i].want, "%s", cases[i].consent);
    }
    put_customer("anna", "{consent:{share:false}}");
    put_customer("anna", "{locale:'de'}");
    town_observe(&t, "anna", "{type:'view',item:'i01'}");
    cr_assert_eq(withdrawn("anna"), NBX_PURPOSE_SHARE, "other changes leave it alone");
}

/* As a program wrote it that heeded no consent. */
static void make_identity_old(const char *id)
{
    struct nbx_buf b = {0};
    struct nbx_key key = nbx_key_identity(NBX_STR(""), nbx_str_c(id));
    nbx_buf_put_u64le(&b, town_profile(&t, id).number);
    nbx_buf_put_varint(&b, 0);
    nbx_batch_put(t.shop.f.batch, NBX_FAMILY_IDENTITIES, nbx_key_str(&key), 2,
                  (struct nbx_str){(const char *)b.p, (uint32_t)b.len});
    fixture_write(&t.shop.f);
    nbx_buf_fini(&b);
}

static uint8_t identity_version(const char *id)
{
    struct nbx_key key = nbx_key_identity(NBX_STR(""), nbx_str_c(id));
    struct nbx_stored stored;
    cr_assert_eq(nbx_store_get(t.shop.f.store, NBX_FAMILY_IDENTITIES, nbx_key_str(&key),
                               t.shop.arena, &stored),
                 NBX_OK);
    return stored.version;
}

Test(consent_records, what_was_said_before_it_was_heeded_is_heeded)
{
    put_customer("anna", "{consent:{profile:false}}");
    put_customer("bert", "{consent:{profile:true}}");
    make_identity_old("anna");
    make_identity_old("bert");
    cr_assert_eq(withdrawn("anna"), NBX_PURPOSE_PROFILE);
    cr_assert_eq(withdrawn("bert"), 0);
    cr_assert_eq(town_observe(&t, "anna", "{type:'view',item:'i01'}").withheld, 1);
    cr_assert_eq(town_observe(&t, "bert", "{type:'view',item:'i01'}").applied, 1);
    cr_assert_eq(identity_version("anna"), 2, "nothing was written");
    cr_assert_eq(identity_version("bert"), NBX_IDENTITY_RECORD);
    put_customer("anna", "{locale:'de'}");
    cr_assert_eq(identity_version("anna"), NBX_IDENTITY_RECORD);
    cr_assert_eq(withdrawn("anna"), NBX_PURPOSE_PROFILE);
}

Test(consent_records, withheld_events_leave_the_store_as_it_was)
{
    struct history_event e[HISTORY_MAX] = {0};
    struct nbx_random r;
    nbx_random_init(&r, HISTORY_SEED);
    cr_log_info("seed %u", HISTORY_SEED);
    for (int round = 0; round < 50; round++) {
        char id[16];
        nbx_arena_reset(t.shop.arena);
        snprintf(id, sizeof id, "c%d", round);
        uint32_t n = history_make(e, &r), kept = (uint32_t)nbx_random_below(&r, n);
        history_send_all(&t, id, e, kept, &r);
        put_customer(id, "{consent:{profile:false}}");
        struct nbx_str before = dump_store(&t);
        cr_assert_eq(history_send_all(&t, id, e, n, &r), 0);
        cr_assert_eq(town_observe(&t, id, "{type:'buy',item:'never heard of'}").withheld, 1);
        cr_assert(nbx_str_eq(before, dump_store(&t)), "%s", id);
        put_customer(id, "{consent:{profile:true}}");
        cr_assert_eq(history_send_all(&t, id, e, n, &r), n - kept, "ids were not taken");
    }
}
