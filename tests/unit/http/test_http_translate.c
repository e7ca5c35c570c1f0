/* SPDX-License-Identifier: MIT */
#include "engine/http/routes.h"
#include "engine/http/translate.h"

#include "proto/wire.h"

#include <criterion/criterion.h>
#include <string.h>

static struct nbx_arena *arena;
static struct nbx_buf out;
static struct nbx_fault fault;

static void setup(void)
{
    arena = nbx_arena_new(1 << 16);
}

static void teardown(void)
{
    nbx_arena_destroy(&arena);
    nbx_buf_fini(&out);
}

Test(http_translate, a_customer_anywhere_in_the_map_is_taken, .init = setup, .fini = teardown)
{
    static const char *const texts[] = {"{\"customer\":\"a\",\"n\":1,\"m\":2}",
                                        "{\"n\":1,\"customer\":\"a\",\"m\":2}",
                                        "{\"n\":1,\"m\":2,\"customer\":\"a\"}"};
    for (int i = 0; i < 3; i++) {
        struct nbx_http_key key;
        nbx_buf_clear(&out);
        cr_assert_eq(
            nbx_http_translate_request(&out, &key, nbx_str_c(texts[i]), true, arena, &fault),
            NBX_OK);
        cr_expect(key.len == 1 && key.p[0] == 'a');
        cr_expect_arr_eq(out.p, "\x82\xa1n\x01\xa1m\x02", 7);
        cr_expect_eq(out.len, 7);
    }
}

Test(http_translate, a_body_too_large_for_the_arena_is_a_limit, .init = setup, .fini = teardown)
{
    static char text[60001];
    memset(text, ',', sizeof text - 1);
    for (size_t i = 1; i < sizeof text - 1; i += 2)
        text[i] = '1';
    memcpy(text, "{\"a\":[1", 7);
    memcpy(text + sizeof text - 4, "1]}", 3);
    struct nbx_http_key key;
    cr_expect_eq(nbx_http_translate_request(&out, &key, nbx_str_c(text), true, arena, &fault),
                 NBX_ELIMIT);
}

Test(http_translate, too_many_values_are_a_limit_before_they_are_parsed, .init = setup,
     .fini = teardown)
{
    static char text[2 * NBX_HTTP_MAX_MARKS + 3];
    memset(text, '[', NBX_HTTP_MAX_MARKS + 1);
    struct nbx_http_key key;
    cr_expect_eq(nbx_http_translate_request(&out, &key, nbx_str_c(text), true, arena, &fault),
                 NBX_ELIMIT);
    /* In a string they are text, behind an escaped quote as well. */
    memset(text, ',', 2 * NBX_HTTP_MAX_MARKS);
    memcpy(text, "\"\\\",", 4);
    text[2 * NBX_HTTP_MAX_MARKS] = '"';
    cr_expect_eq(nbx_http_translate_request(&out, &key, nbx_str_c(text), true, arena, &fault),
                 NBX_ELIMIT, "the arena is too small for it");
    cr_expect(strstr(fault.message, "too many values") == NULL, "%s", fault.message);
}

Test(http_translate, a_reply_must_be_a_map, .init = setup, .fini = teardown)
{
    cr_expect_eq(nbx_http_translate_reply(&out, NBX_STR("ok"), NBX_STR("\x93\x01\x02\x03"), arena),
                 500);
    cr_expect(memmem(out.p, out.len, "is not a map", 12) != NULL);
    cr_expect_eq(nbx_http_translate_reply(&out, NBX_STR("ok"), NBX_STR(""), arena), 500);
}

Test(http_translate, an_errors_id_is_echoed, .init = setup, .fini = teardown)
{
    struct nbx_buf body = {0};
    struct nbx_value id = nbx_value_int(7);
    nbx_fault_set(&fault, NBX_EBAD, "n", "no");
    nbx_wire_fault(&body, &fault, &id);
    cr_expect_eq(
        nbx_http_translate_reply(&out, NBX_STR("bad_request"),
                                 (struct nbx_str){(const char *)body.p, (uint32_t)body.len}, arena),
        400);
    static const char want[] = "{\"status\":\"bad_request\",\"message\":\"no\",\"field\":\"n\","
                               "\"id\":7}";
    cr_expect(out.len == sizeof want - 1 && memcmp(out.p, want, out.len) == 0, "%.*s", (int)out.len,
              (const char *)out.p);
    nbx_buf_fini(&body);
}

Test(http_translate, limits_tell_size_from_shortage)
{
    cr_expect_eq(nbx_http_code(NBX_STR("limit"), true), 413);
    cr_expect_eq(nbx_http_code(NBX_STR("limit"), false), 429);
    cr_expect_eq(nbx_http_code(NBX_STR("ok"), false), 200);
}

Test(http_translate, ready_is_only_what_says_so, .init = setup, .fini = teardown)
{
    cr_expect(nbx_http_says_ready(NBX_STR("{\"ready\":true}"), arena));
    cr_expect_not(nbx_http_says_ready(NBX_STR("{\"ready\":1}"), arena));
    cr_expect_not(nbx_http_says_ready(NBX_STR("{}"), arena));
    cr_expect_not(nbx_http_says_ready(NBX_STR("{"), arena));
}

Test(http_translate, routes_are_found_by_path_and_method)
{
    unsigned code = 0;
    const char *allow;
    const struct nbx_http_route *route =
        nbx_http_route_find("/v1/items", "POST", &code, &allow, &fault);
    cr_assert_not_null(route);
    cr_expect_str_eq(route->op, "item.put");
    cr_expect_null(nbx_http_route_find("/v1/items", "DELETE", &code, &allow, &fault));
    cr_expect_eq(code, 405);
    cr_expect_str_eq(allow, "POST");
    cr_expect_null(nbx_http_route_find("/v1/items/", "POST", &code, &allow, &fault));
    cr_expect_eq(code, 404);
    cr_expect_null(allow);
}
