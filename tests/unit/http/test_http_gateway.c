/* SPDX-License-Identifier: MIT */
#include "tests/unit/http/http_fixture.h"

Test(http, a_body_reaches_the_front_and_its_reply_comes_back, .init = start, .fini = stop)
{
    struct answer a = post("/v1/recommend", "{\"n\": 3, \"customer\": \"ada\", \"context\": "
                                            "{\"x\": [1.5, true, null, \"\\u00e9\"]}}");
    expect_answer(a, 200,
                  "{\"op\":\"recommend\",\"key\":\"ada\",\"body\":{\"n\":3,\"context\":"
                  "{\"x\":[1.5,true,null,\"\xc3\xa9\"]}},\"ready\":true}");
    cr_expect(strcasestr(a.head, "Content-Type: application/json") != NULL);
}

Test(http, each_path_has_its_operation, .init = start, .fini = stop)
{
    expect_answer(post("/v1/rank", "{\"customer\":\"c\"}"), 200, "\"op\":\"rank\",\"key\":\"c\"");
    expect_answer(post("/v1/observe", "{\"customer\":\"c\"}"), 200, "\"key\":\"c\",\"body\":{}");
    expect_answer(post("/v1/link", "{\"customer\":\"c\",\"identity\":\"i\"}"), 200,
                  "\"op\":\"customer.link\",\"key\":\"c\",\"body\":{\"identity\":\"i\"}");
    expect_answer(post("/v1/unlink", "{\"customer\":\"c\",\"identity\":\"i\"}"), 200,
                  "\"op\":\"customer.unlink\",\"key\":\"c\"");
    expect_answer(post("/v1/observe", "{}"), 200, "\"op\":\"observe\",\"key\":\"\"");
    expect_answer(post("/v1/items", "{}"), 200, "\"op\":\"item.put\"");
}

Test(http, only_operations_on_a_customer_take_one, .init = start, .fini = stop)
{
    expect_answer(post("/v1/similar", "{\"customer\":\"c\"}"), 200,
                  "\"key\":\"\",\"body\":{\"customer\":\"c\"}");
    expect_answer(post("/v1/recommend", "{\"context\":{\"customer\":\"c\"}}"), 200,
                  "\"key\":\"\",\"body\":{\"context\":{\"customer\":\"c\"}}");
}

Test(http, a_wrong_customer_is_refused_here, .init = start, .fini = stop)
{
    expect_answer(post("/v1/recommend", "{\"customer\": 7}"), 400,
                  "{\"status\":\"bad_request\",\"message\":\"must be a string, got int\","
                  "\"field\":\"customer\"}");
    expect_answer(post("/v1/recommend", "{\"customer\": \"\"}"), 400, "\"field\":\"customer\"");
    char body[400];
    snprintf(body, sizeof body, "{\"customer\": \"%0256d\"}", 1);
    expect_answer(post("/v1/recommend", body), 400, "1 to 255 bytes");
}

Test(http, statuses_become_codes, .init = start, .fini = stop)
{
    static const struct {
        const char *status;
        int code;
    } known[] = {{"bad_request", 400}, {"denied", 403},   {"not_found", 404},
                 {"conflict", 409},    {"limit", 413},    {"busy", 503},
                 {"storage", 507},     {"internal", 500}, {"unheard", 500}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char body[128], want[128];
        snprintf(body, sizeof body, "{\"do\": \"%s\", \"field\": \"n\"}", known[i].status);
        snprintf(want, sizeof want, "{\"status\":\"%s\",\"message\":\"because\",\"field\":\"n\"}",
                 known[i].status);
        expect_answer(post("/v1/similar", body), known[i].code, want);
    }
    struct answer a = post("/v1/items", "{\"do\": \"limit\"}");
    expect_answer(a, 429, "{\"status\":\"limit\",\"message\":\"because\"}");
    cr_expect(strstr(a.head, "Retry-After: 1") != NULL);
    a = post("/v1/items", "{\"do\": \"busy\"}");
    cr_expect(strstr(a.head, "Retry-After: 1") != NULL);
}

Test(http, vectors_become_numbers, .init = start, .fini = stop)
{
    expect_answer(post("/v1/similar", "{\"do\": \"vector\"}"), 200, "{\"vector\":[0.5,-1.0]}");
}

Test(http, what_is_no_json_is_refused_with_line_and_column, .init = start, .fini = stop)
{
    expect_answer(post("/v1/recommend", "{\n  \"n\": }"), 400, "line 2 column ");
    expect_answer(post("/v1/recommend", ""), 400, "line 1 column ");
    expect_answer(post("/v1/recommend", "[1]"), 400, "must be a JSON object, got list");
    expect_answer(post("/v1/recommend", "{\"n\":1,\"n\":2}"), 400, "\"status\":\"bad_request\"");
}

Test(http, unknown_paths_name_the_known, .init = start, .fini = stop)
{
    expect_answer(
        get("/v2/recommend"), 404,
        "\"no such path: /v2/recommend; known: POST /v1/recommend, /v1/rank, /v1/similar, "
        "/v1/observe, /v1/items, /v1/link, /v1/unlink, /v1/models/list, /v1/models/get, "
        "/v1/models/stage, /v1/models/activate, /v1/models/rollback, /v1/models/delete, "
        "GET /healthz, /readyz\"");
    expect_answer(get("/%ff"), 404, "no such path; known");
}

Test(http, a_wrong_method_names_the_right_one, .init = start, .fini = stop)
{
    struct answer a = get("/v1/rank");
    expect_answer(a, 405, "/v1/rank takes POST");
    cr_expect(strstr(a.head, "Allow: POST\r\n") != NULL, "%s", a.head);
    a = post("/readyz", "{}");
    expect_answer(a, 405, "/readyz takes GET, HEAD");
    cr_expect(strstr(a.head, "Allow: GET, HEAD\r\n") != NULL);
}

Test(http, a_form_is_not_json, .init = start, .fini = stop)
{
    static const char form[] = "POST /v1/rank HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                               "Content-Type: application/x-www-form-urlencoded\r\n\r\n{}";
    expect_answer(exchange_text(form, true), 415, "Content-Type: application/json");
    static const char other[] = "POST /v1/rank HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                                "Content-Type: application/jsonx\r\n\r\n{}";
    expect_answer(exchange_text(other, true), 415, "Content-Type: application/json");
    static const char charset[] = "POST /v1/rank HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                                  "Content-Type: Application/JSON; charset=utf-8\r\n\r\n{}";
    expect_answer(exchange_text(charset, true), 200, "\"op\":\"rank\"");
}

Test(http, health_is_the_gateways_and_readiness_the_fronts, .init = start, .fini = stop)
{
    expect_answer(get("/healthz"), 200, "{\"status\":\"ok\"}");
    expect_answer(get("/readyz"), 200, "\"op\":\"hello\"");
    is_ready = false;
    expect_answer(get("/readyz"), 503, "\"ready\":false");
    expect_answer(get("/healthz"), 200, "{\"status\":\"ok\"}");
    is_ready = true;
    cr_expect_eq(exchange_text("HEAD /readyz HTTP/1.1\r\nHost: x\r\n\r\n", false).code, 200);
}

Test(http, a_connection_serves_many_requests, .init = start, .fini = stop)
{
    int fd = dial();
    for (int i = 0; i < 50; i++) {
        char body[64], want[64];
        snprintf(body, sizeof body, "{\"n\":%d}", i);
        snprintf(want, sizeof want, "\"body\":{\"n\":%d}", i);
        put_request(fd, i == 20 ? "/nowhere" : "/v1/recommend", body);
        expect_answer(read_answer(fd, true), i == 20 ? 404 : 200, i == 20 ? "no such path" : want);
    }
    for (int i = 0; i < 3; i++)
        put_request(fd, "/v1/recommend", i ? "{\"n\":2}" : "{\"n\":1}");
    for (int i = 0; i < 3; i++)
        expect_answer(read_answer(fd, true), 200, i ? "{\"n\":2}" : "{\"n\":1}");
    close(fd);
}

Test(http, replies_find_their_connections, .init = start, .fini = stop)
{
    enum { N = 64 };
    int fds[N];
    for (int i = 0; i < N; i++) {
        char body[64];
        snprintf(body, sizeof body, "{\"customer\":\"c%d\"}", i);
        fds[i] = dial();
        put_request(fds[i], "/v1/recommend", body);
    }
    for (int i = N - 1; i >= 0; i--) {
        char want[64];
        snprintf(want, sizeof want, "\"key\":\"c%d\",", i);
        expect_answer(read_answer(fds[i], true), 200, want);
        close(fds[i]);
    }
}

Test(http, wrong_addresses_are_refused)
{
    static const char *const wrong[] = {"7742",        ":7742",          "127.0.0.1:", "::1:7742",
                                        "1.2.3.4.5:1", "127.0.0.1:http", "[::1:7742"};
    void *ctx = zmq_ctx_new();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct nbx_fault fault = {0};
        struct nbx_http *none;
        struct nbx_http_options o = {.listen = wrong[i], .front = FRONT, .zmq_context = ctx};
        cr_expect_eq(nbx_http_start(&none, &o, &fault), NBX_EBAD, "%s", wrong[i]);
        cr_expect_str_eq(fault.field, "http");
        cr_expect_null(none);
    }
    zmq_ctx_term(ctx);
}

Test(http, a_taken_port_is_refused_with_the_reason, .init = start, .fini = stop)
{
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%u", nbx_http_port(http));
    struct nbx_fault fault = {0};
    struct nbx_http *second;
    struct nbx_http_options o = {.listen = address, .front = FRONT, .zmq_context = context};
    cr_expect_eq(nbx_http_start(&second, &o, &fault), NBX_EBAD);
    cr_expect(strstr(fault.message, "in use") != NULL, "%s", fault.message);
}
