/* SPDX-License-Identifier: MIT
 * Bundles that are accepted and refused by a daemon that serves, by one that starts, and by
 * `nbx model check` beside them.
 */
#include "tests/daemon/harness_taste.h"

#include <stdlib.h>

#define ITEMS 300
#define DIMS  8

static struct server s;
static struct model m;
static char out[8192];

static void begin(void)
{
    server_start(&s, NULL);
    model_make(&m, ITEMS, DIMS, 20261126);
    model_put_items(&m, &s.peer);
    m.info.family = NBX_STR("factors");
}

static void end(void)
{
    model_free(&m);
    server_stop(&s);
}

TestSuite(model_accept, .init = begin, .fini = end, .timeout = 120);

/* A bundle by nbx's own writer, in the data folder. */
static void write_bundle(const char *version, const char *extra)
{
    char path[160];
    struct nbx_fault fault = {0};
    m.info.version = nbx_str_c(version);
    m.info.created_ms++;
    snprintf(path, sizeof path, "%s/%s.safetensors", s.data, version);
    cr_assert_eq(nbx_bundle_write(path, &m.info, extra, &fault), NBX_OK, "%s: %s", fault.field,
                 fault.message);
}

static void must_serve(const char *version)
{
    char want[32];
    snprintf(want, sizeof want, "'%s'", version);
    must_be(get(&s.peer, "hello", "", "{}"), "model.version", want);
}

static void must_log(const char *words)
{
    char *log = server_log(&s);
    cr_assert_not_null(strstr(log, words), "no \"%s\" in the log:\n%s", words, log);
    free(log);
}

/* All vectors point much the same way, the first the longest: everybody gets one list. */
static void point_alike(void)
{
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t j = 0; j < DIMS; j++)
            m.factors[i * DIMS + j] = (float)(ITEMS - i) + 0.01F * m.factors[i * DIMS + j];
    m.info.spaces[0].customer = NBX_CUSTOMER_GIVEN; /* folding in would pull them apart */
}

Test(model_accept, what_is_refused_leaves_the_old_model_serving)
{
    write_bundle("1", NULL);
    server_reload(&s);
    must_serve("1");
    must_log("model=taste version=1 accepted=true items=300");
    get(&s.peer, "observe", "anna", "{'events': [{'type': 'purchase', 'item': 'i003'}]}");
    const char *body = "{'n': 50, 'record': 'none', 'now': 1700000000000}";
    struct nbx_str before = ask(&s.peer, "recommend", "anna", "%s", body).raw;
    point_alike();
    write_bundle("2", NULL);
    server_reload(&s);
    must_serve("1");
    must_log("model=kept reason=\"spaces: 500 lists of 20 show ");
    struct nbx_str after = ask(&s.peer, "recommend", "anna", "%s", body).raw;
    cr_assert(nbx_str_eq(before, after), "the answers are another");
    server_configure(&s, "model_min_listed: 0\n"); /* bounds are taken over too */
    server_reload(&s);
    must_serve("2");
}

Test(model_accept, a_bundle_of_another_shop)
{
    write_bundle("1", NULL);
    server_reload(&s);
    for (size_t i = 0; i < ITEMS; i++)
        m.ids[i].p = memcpy((char *)(uintptr_t)m.ids[i].p, i < 140 ? "i" : "j", 1);
    write_bundle("2", NULL);
    server_reload(&s);
    must_serve("1");
    must_log(
        "item_ids.bytes: 160 of 300 items (53.33 %) are unknown to the catalogue, such as item "
        "140 ('j140'); at most 50 %");
    server_configure(&s, "model_max_unknown: 0.6\n");
    server_reload(&s);
    must_serve("2");
}

/* What is recommended is what a golden query of the same history gets. */
Test(model_accept, golden_queries_are_answered_as_customers_are)
{
    char extra[1024];
    write_bundle("1", NULL);
    server_reload(&s);
    get(&s.peer, "observe", "anna", "{'events': [{'type': 'purchase', 'item': 'i003'}]}");
    const struct nbx_value *r = get(&s.peer, "recommend", "anna", "{'exclude_seen': true}");
    int len = snprintf(extra, sizeof extra, "{\"golden\":[{\"history\":[\"i003\"],\"expect\":[");
    for (uint32_t i = 0; i < count_at(r, "items"); i++)
        len += snprintf(extra + len, sizeof extra - (size_t)len, "%s\"%.*s\"", i ? "," : "",
                        NBX_STR_ARG(text_at(&at(r, "items")->list[i], "id")));
    snprintf(extra + len, sizeof extra - (size_t)len, "]}]}");
    write_bundle("2", extra);
    server_reload(&s);
    must_serve("2");
    must_log("golden=1");
    for (size_t i = 0; i < DIMS; i++) /* the rows came apart from their ids */
        m.factors[3 * DIMS + i] = m.factors[4 * DIMS + i];
    write_bundle("3", extra);
    server_reload(&s);
    must_serve("2");
    must_log("model=kept reason=\"__metadata__.golden[0].expect: place 1 is ");
}

Test(model_accept, a_start_serves_the_newest_and_says_what_is_wrong_with_it)
{
    write_bundle("1", NULL);
    server_end(&s);
    server_begin(&s);
    must_serve("1");
    char *log = server_log(&s);
    cr_assert_null(strstr(log, "accepted=false"), "%s", log);
    free(log);
    point_alike();
    write_bundle("2", NULL);
    server_end(&s);
    server_begin(&s);
    must_serve("2");
    must_log("model=taste version=2 accepted=false action=served reason=\"spaces: 500 lists");
}

static void check(const char *version, const char *more, int code, const char *says)
{
    char words[256];
    snprintf(words, sizeof words, "model check %s/%s.safetensors %s", s.data, version, more);
    cr_assert_eq(server_nbx(&s, words, out, sizeof out), code, "%s", out);
    cr_assert_not_null(strstr(out, says), "no \"%s\": %s", says, out);
}

Test(model_accept, nbx_model_check)
{
    enum { ACCEPTED, REFUSED, MISUSED };
    write_bundle("1", NULL);
    check("1", "", ACCEPTED, "accepted: taste 1, 300 items");
    cr_assert_not_null(strstr(out, "unknown to the catalogue: 0 %"), "%s", out);
    cr_assert_not_null(strstr(out, "golden queries answered as stated: 0"), "%s", out);
    check("1", "--json", ACCEPTED, "\"accepted\": true");
    cr_assert_not_null(strstr(out, "\"covered\": 1.0"), "%s", out);
    cr_assert_not_null(strstr(out, "\"reason\": null"), "%s", out);
    m.factors[0] = 1e20F;
    write_bundle("2", NULL);
    check("2", "", REFUSED, "refused: space.main.item_factors: item 0 ('i000') has length 1e+20");
    check("2", "--json", REFUSED, "\"field\": \"space.main.item_factors\"");
    check("3", "", REFUSED, "refused: cannot open");
    cr_assert_eq(server_nbx(&s, "model check", out, sizeof out), MISUSED, "%s", out);
    server_end(&s);
    check("1", "", ACCEPTED, "unknown to the catalogue: 0 %"); /* without a daemon too */
    server_remove(&s);
    m.factors[0] = 1;
    server_start(&s, NULL); /* a catalogue without items */
    write_bundle("4", NULL);
    check("4", "", ACCEPTED, "not compared with a catalogue: it has no items");
}
