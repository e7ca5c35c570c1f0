/* SPDX-License-Identifier: MIT */
#include "proto/nbx.h"

#include "tests/unit/client/fake_daemon.h"

#include <criterion/criterion.h>

static struct fake_daemon fake;
static struct nbx *nbx;
static struct nbx_answer answer;

static void set_up(void)
{
    fake_open(&fake, "tcp://127.0.0.1:*");
    cr_assert_eq(nbx_open(&nbx, fake.endpoint), NBX_CLIENT_OK);
}

static void tear_down(void)
{
    nbx_close(nbx);
    fake_close(&fake);
}

TestSuite(libnbx, .init = set_up, .fini = tear_down, .timeout = 60);

Test(libnbx, asks_and_answers)
{
    struct nbx_question q = {.op = "hello"};
    fake_serve(&fake, 2);
    int result = nbx_ask(nbx, &q, 10000, &answer);
    cr_assert_eq(result, NBX_CLIENT_OK);
    cr_assert_str_eq(answer.status, "ok");
    cr_assert_eq(answer.body_bytes, 1);
    cr_assert_eq(*(const char *)answer.body, '\x80', "no body is the empty map");
    q = (struct nbx_question){.op = "recommend",
                              .key = "anna",
                              .key_bytes = 4,
                              .body = "\x81\xa1n\x05",
                              .body_bytes = 4,
                              .tag = 9};
    cr_assert_eq(nbx_ask(nbx, &q, 10000, &answer), NBX_CLIENT_OK);
    fake_join(&fake);
    cr_assert_eq(answer.tag, 9);
    cr_assert_eq(answer.body_bytes, 4);
    cr_assert(nbx_str_is(fake_frame(&fake, 5), "anna"));
}

Test(libnbx, sends_many_and_receives_them)
{
    fake_serve(&fake, 3);
    for (uint64_t tag = 1; tag <= 3; tag++) {
        struct nbx_question q = {.op = "stats", .tag = tag};
        cr_assert_eq(nbx_send(nbx, &q), NBX_CLIENT_OK);
    }
    for (uint64_t tag = 1; tag <= 3; tag++) {
        cr_assert_eq(nbx_receive(nbx, 10000, &answer), NBX_CLIENT_OK);
        cr_assert_eq(answer.tag, tag);
    }
    fake_join(&fake);
}

Test(libnbx, never_waits_longer_than_told)
{
    struct nbx_question q = {.op = "hello"};
    cr_assert_eq(nbx_ask(nbx, &q, 20, &answer), NBX_CLIENT_TIMEOUT);
    cr_assert_null(answer.body);
    cr_assert_eq(nbx_receive(nbx, 0, &answer), NBX_CLIENT_TIMEOUT);
}

Test(libnbx, wrong_arguments_are_refused)
{
    struct nbx_question no_op = {0}, no_key = {.op = "x", .key_bytes = 1},
                        no_body = {.op = "x", .body_bytes = 1};
    cr_assert_eq(nbx_ask(nbx, NULL, 0, &answer), NBX_CLIENT_INVALID);
    cr_assert_eq(nbx_ask(nbx, &no_op, 0, &answer), NBX_CLIENT_INVALID);
    cr_assert_eq(nbx_send(nbx, &no_key), NBX_CLIENT_INVALID);
    cr_assert_eq(nbx_send(nbx, &no_body), NBX_CLIENT_INVALID);
    struct nbx *none = nbx;
    cr_assert_eq(nbx_open(&none, "nonsense"), NBX_CLIENT_INVALID);
    cr_assert_null(none);
    cr_assert_eq(nbx_open(&none, NULL), NBX_CLIENT_INVALID);
    nbx_close(NULL);
}
