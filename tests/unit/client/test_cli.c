/* SPDX-License-Identifier: MIT
 * The commands of `nbx` but import, from the words to the request and from the reply to the
 * screen.
 */
#include "tests/unit/client/cli_fixture.h"

TestSuite(cli, .init = setup, .fini = teardown);

Test(cli, options_become_fields_of_the_body)
{
    run_nbx("recommend", "ada", "--json", "--n", "3", "--exclude", "i1", "--exclude=i2",
            "--exclude-seen", "--no-personal", "--fields", "title,price", "--filter",
            "{\"field\": \"price\", \"lt\": 5000}", "--now", "2010-12-01T08:26:00Z");
    expect_exit(0);
    expect_out("\"op\": \"recommend\"");
    expect_out("\"key\": \"ada\"");
    expect_out("\"n\": 3");
    expect_out("\"exclude_seen\": true");
    expect_out("\"personal\": false");
    expect_out("\"lt\": 5000");
    expect_out("\"now\": 1291191960000");
    cr_expect(strstr(result.out, "\"i1\"") && strstr(result.out, "\"i2\""));
    cr_expect(strstr(result.out, "\"title\"") && strstr(result.out, "\"price\""));
}

Test(cli, options_may_stand_before_the_command_and_ids_may_look_like_options)
{
    run_nbx("--json", "--timeout", "3", "item", "get", "--", "--odd", "i2");
    expect_exit(0);
    expect_out("\"op\": \"item.get\"");
    expect_out("\"--odd\"");
}

Test(cli, rank_and_similar_take_items)
{
    run_nbx("rank", "-", "i1", "i2", "--json");
    expect_exit(0);
    expect_out("\"key\": \"\"");
    expect_out("\"items\": [");
    run_nbx("similar", "i9", "--json");
    expect_out("\"item\": \"i9\"");
}

Test(cli, customers_decisions_and_the_server_are_asked)
{
    run_nbx("customer", "get", "ada", "--json");
    expect_out("\"op\": \"customer.get\"");
    run_nbx("customer", "put", "ada", "--consent", "{\"mail\": true}", "--channels", "web,app",
            "--json");
    expect_out("\"mail\": true");
    expect_out("\"op\": \"customer.put\"");
    run_nbx("decision", "get", "00112233445566778899aabbccddeeff", "--json");
    expect_out("\"key\": \"00112233445566778899aabbccddeeff\"");
    run_nbx("stats", "--json");
    expect_out("\"op\": \"stats\"");
    run_nbx("hello", "--json");
    expect_out("\"op\": \"hello\"");
}

Test(cli, events_are_retracted_by_id_or_by_what_they_have)
{
    run_nbx("retract", "ada", "e1", "e2", "--json");
    expect_exit(0);
    expect_out("\"op\": \"retract\"");
    expect_out("\"key\": \"ada\"");
    expect_out("\"events\": [");
    expect_out("\"e2\"");
    run_nbx("retract", "ada", "--brand", "b", "--ack", "memory", "--json");
    expect_out("\"brand\": \"b\"");
    expect_out("\"ack\": \"memory\"");
    run_nbx("retract", "ada", "--all", "--json");
    expect_out("\"all\": true");
    run_nbx("retract", "ada", "e1", "--item", "i1");
    expect_exit(2);
    expect_err("just one of");
    run_nbx("retract", "ada", "--ack", "memory");
    expect_exit(2);
}

Test(cli, identities_are_linked_and_unlinked)
{
    run_nbx("customer", "link", "ada", "card-1", "--type", "card", "--json");
    expect_exit(0);
    expect_out("\"op\": \"customer.link\"");
    expect_out("\"key\": \"ada\"");
    expect_out("\"identity\": \"card-1\"");
    expect_out("\"type\": \"card\"");
    run_nbx("customer", "unlink", "ada", "card-1", "--ack", "memory", "--json");
    expect_exit(0);
    expect_out("\"op\": \"customer.unlink\"");
    expect_out("\"identity\": \"card-1\"");
    expect_out("\"ack\": \"memory\"");
    run_nbx("customer", "link", "ada");
    expect_exit(2);
    run_nbx("customer", "unlink", "ada", "card-1", "--type", "card");
    expect_exit(2);
}

Test(cli, forgetting_needs_a_yes)
{
    run_nbx("customer", "forget", "ada");
    expect_exit(2);
    expect_err("--yes");
    run_nbx("customer", "forget", "ada", "--yes", "--json");
    expect_exit(0);
    expect_out("\"op\": \"customer.forget\"");
}

Test(cli, an_event_is_made_of_words_and_options)
{
    run_nbx("observe", "ada", "purchase", "i1", "--quantity", "2", "--value", "1999", "--ack",
            "memory", "--json");
    expect_exit(0);
    expect_out("\"key\": \"ada\"");
    expect_out("\"type\": \"purchase\"");
    expect_out("\"item\": \"i1\"");
    expect_out("\"quantity\": 2");
    expect_out("\"ack\": \"memory\"");
    run_nbx("observe", "--events", "[{\"customer\": \"a\", \"type\": \"view\"}]", "--json");
    expect_exit(0);
    expect_out("\"customer\": \"a\"");
    run_nbx("observe", "ada");
    expect_exit(2);
    run_nbx("observe", "ada", "view", "i1", "--events", "[]");
    expect_exit(2);
}

Test(cli, wrong_usage_is_told_from_failure)
{
    run_nbx("recommend", "--frobnicate");
    expect_exit(2);
    expect_err("nbx: usage: --frobnicate: no such option");
    run_nbx("recommend", "--n", "many");
    expect_exit(2);
    expect_err("--n: must be a whole number, got many");
    run_nbx("recommend", "--n");
    expect_exit(2);
    run_nbx("recommend", "--explain=yes");
    expect_exit(2);
    run_nbx("recommend", "--filter", "{");
    expect_exit(2);
    expect_err("--filter: line 1 column");
    run_nbx("recommend", "a", "b");
    expect_exit(2);
    run_nbx("reccomend");
    expect_exit(2);
    expect_err("no such command: reccomend");
    run_nbx("item", "gut");
    expect_exit(2);
    expect_err("put, get, patch, delete");
    run_nbx("hello", "--endpoint", "nonsense");
    expect_exit(2);
    run_nbx("hello", "--timeout", "0");
    expect_exit(2);
}

Test(cli, every_command_explains_itself)
{
    run_nbx("--help");
    expect_exit(0);
    expect_out("import events");
    static char *const names[][2] = {
        {"recommend", NULL},  {"rank", NULL},        {"similar", NULL},      {"observe", NULL},
        {"stats", NULL},      {"hello", NULL},       {"customer", "get"},    {"customer", "put"},
        {"item", "put"},      {"item", "get"},       {"item", "patch"},      {"item", "delete"},
        {"decision", "get"},  {"import", "events"},  {"customer", "forget"}, {"import", "items"},
        {"customer", "link"}, {"customer", "unlink"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        run_words(
            (char *[]){"nbx", names[i][0], names[i][1] ? names[i][1] : "--help", "--help", NULL});
        expect_exit(0);
        expect_out("Exit codes: 0 done, 1 refused");
        expect_out("--endpoint ENDPOINT");
    }
    run_nbx("--version");
    expect_exit(0);
}

static const char *refuse(struct nbx_buf *out, const struct asked *asked)
{
    (void)asked;
    nbx_wire_map(out, 2);
    nbx_wire_kv_text(out, "message", "must be 1 to 1000, got 0");
    nbx_wire_kv_text(out, "field", "n");
    return "bad_request";
}

Test(cli, a_refusal_names_status_field_and_message)
{
    answer = refuse;
    run_nbx("recommend", "ada", "--n", "0");
    expect_exit(1);
    cr_expect_str_eq(result.err, "nbx: bad_request: n: must be 1 to 1000, got 0\n");
    cr_expect_str_eq(result.out, "");
}

static const char *stay_silent(struct nbx_buf *out, const struct asked *asked)
{
    (void)out;
    (void)asked;
    return NULL;
}

Test(cli, silence_ends_in_time)
{
    answer = stay_silent;
    run_nbx("hello", "--timeout", "0.1");
    expect_exit(1);
    expect_err("nbx: busy: no reply from tcp://127.0.0.1:");
}

static const char *recommend(struct nbx_buf *out, const struct asked *asked)
{
    (void)asked;
    nbx_wire_map(out, 4);
    nbx_wire_kv_text(out, "decision", "0123456789abcdef0123456789abcdef");
    nbx_wire_text(out, "items");
    nbx_wire_list(out, 2);
    nbx_wire_map(out, 5);
    nbx_wire_kv_text(out, "id", "i1");
    nbx_wire_kv_float(out, "score", 0.25);
    nbx_wire_kv_text(out, "source", "personal");
    nbx_wire_text(out, "fields");
    nbx_wire_map(out, 1);
    nbx_wire_kv_text(out, "title", "K\xc3\xa4se\x1b[31m");
    nbx_wire_text(out, "explain");
    nbx_wire_map(out, 2);
    nbx_wire_text(out, "reason");
    nbx_wire_map(out, 1);
    nbx_wire_kv_text(out, "code", "because_of_items");
    nbx_wire_text(out, "because");
    nbx_wire_list(out, 1);
    nbx_wire_map(out, 2);
    nbx_wire_kv_text(out, "item", "i7");
    nbx_wire_kv_float(out, "share", 0.816);
    nbx_wire_map(out, 3);
    nbx_wire_kv_text(out, "id", "i22222");
    nbx_wire_kv_float(out, "score", 10.5);
    nbx_wire_kv_text(out, "source", "popular");
    nbx_wire_text(out, "model");
    nbx_wire_map(out, 2);
    nbx_wire_kv_text(out, "name", "shop");
    nbx_wire_kv_text(out, "version", "7");
    nbx_wire_text(out, "customer");
    nbx_wire_map(out, 1);
    nbx_wire_kv_bool(out, "known", true);
    return "ok";
}

Test(cli, recommendations_stand_in_columns)
{
    answer = recommend;
    run_nbx("recommend", "ada", "--explain");
    expect_exit(0);
    cr_expect_str_eq(result.out,
                     "#  item    title      score  source    why\n"
                     "1  i1      K\xc3\xa4se [31m   0.25  personal  because_of_items: i7 82%\n"
                     "2  i22222              10.5  popular   \n"
                     "decision 0123456789abcdef0123456789abcdef  model shop 7  customer known\n");
}

static const char *partly(struct nbx_buf *out, const struct asked *asked)
{
    (void)asked;
    nbx_wire_map(out, 2);
    nbx_wire_kv_int(out, "applied", 1);
    nbx_wire_text(out, "errors");
    nbx_wire_list(out, 1);
    nbx_wire_map(out, 3);
    nbx_wire_kv_int(out, "index", 1);
    nbx_wire_kv_text(out, "field", "price");
    nbx_wire_kv_text(out, "message", "must be int");
    return "ok";
}

Test(cli, refused_entries_are_named_and_are_a_failure)
{
    answer = partly;
    run_nbx("item", "put", "{\"id\": \"i1\"}", "{\"id\": \"i2\", \"price\": \"x\"}");
    expect_exit(1);
    expect_out("applied 1");
    expect_err("nbx: bad_request: items[1].price: must be int");
    run_nbx("observe", "ada", "view", "i1");
    expect_exit(1);
    run_nbx("item", "put", "{\"id\": ");
    expect_exit(2);
    expect_err("item 1: line 1 column");
}

static const char *customer(struct nbx_buf *out, const struct asked *asked)
{
    (void)asked;
    float vector[2] = {0.5F, 1};
    nbx_wire_map(out, 4);
    nbx_wire_kv_text(out, "id", "ada");
    nbx_wire_text(out, "consent");
    nbx_wire_map(out, 1);
    nbx_wire_kv_bool(out, "mail", false);
    nbx_wire_text(out, "history");
    nbx_wire_list(out, 2);
    nbx_wire_map(out, 2);
    nbx_wire_kv_text(out, "type", "view");
    nbx_wire_kv_text(out, "item", "i1");
    nbx_wire_map(out, 2);
    nbx_wire_kv_text(out, "type", "cart");
    nbx_wire_kv_int(out, "quantity", 12);
    nbx_wire_text(out, "vector");
    nbx_wire_bin(out, vector, sizeof vector);
    return "ok";
}

Test(cli, a_customer_is_shown_as_names_and_tables)
{
    answer = customer;
    run_nbx("customer", "get", "ada");
    expect_exit(0);
    cr_expect_str_eq(result.out, "id            ada\n"
                                 "consent.mail  false\n"
                                 "vector        [0.5,1.0]\n"
                                 "\n"
                                 "history\n"
                                 "type  item  quantity\n"
                                 "view  i1            \n"
                                 "cart              12\n");
}

/* Three pages; the first says who it is. */
static const char *export_pages(struct nbx_buf *out, const struct asked *asked)
{
    const struct nbx_value *after = nbx_value_get(&asked->body, "after");
    int page = !after ? 0 : nbx_str_is(after->s, "events:01") ? 1 : 2;
    cr_expect(nbx_str_is(asked->op, "customer.export") && nbx_str_is(asked->key, "ada"));
    nbx_wire_map(out, page == 1 ? 2 : page == 0 ? 3 : 1);
    if (page == 0)
        nbx_wire_kv_text(out, "customer", "ada");
    nbx_wire_text(out, "events");
    nbx_wire_list(out, 2);
    nbx_wire_int(out, 2 * page);
    nbx_wire_int(out, 2 * page + 1);
    if (page < 2)
        nbx_wire_kv_text(out, "next", page ? "events:02" : "events:01");
    return "ok";
}

Test(cli, an_export_is_all_of_its_pages)
{
    static const uint8_t want[] = "\x82\xa8"
                                  "customer\xa3"
                                  "ada\xa6"
                                  "events\x96\x00\x01\x02\x03\x04\x05";
    answer = export_pages;
    run_nbx("customer", "export", "ada");
    expect_exit(0);
    cr_expect_str_eq(result.out, "{\n  \"customer\": \"ada\",\n  \"events\": [\n    0,\n    1,\n"
                                 "    2,\n    3,\n    4,\n    5\n  ]\n}\n");
    run_nbx("customer", "export", "ada", "--msgpack");
    cr_expect_eq(memcmp(result.out, want, sizeof want - 1), 0);
    run_nbx("customer", "export");
    expect_exit(2);
}
