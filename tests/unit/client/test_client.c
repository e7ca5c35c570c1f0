/* SPDX-License-Identifier: MIT */
#include "proto/client/client.h"

#include "engine/base/clock.h"
#include "tests/unit/client/fake_daemon.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <stdio.h>

#define BODY NBX_STR("\x81\xa1n\x05") /* {n: 5} */

static struct fake_daemon fake;
static struct nbx_client *client;
static struct nbx_arena *arena;
static struct nbx_reply reply;

static void set_up(void)
{
    fake_open(&fake, "tcp://127.0.0.1:*");
    arena = nbx_arena_new(1 << 20);
    cr_assert_eq(nbx_client_new(&client, fake.endpoint), NBX_OK);
}

static void tear_down(void)
{
    nbx_client_destroy(&client);
    nbx_arena_destroy(&arena);
    fake_close(&fake);
}

TestSuite(client, .init = set_up, .fini = tear_down, .timeout = 60);

static void send_tagged(uint64_t tag)
{
    struct nbx_request r = {"recommend", NBX_STR("anna"), BODY, tag};
    cr_assert_eq(nbx_client_send(client, &r), NBX_OK);
}

Test(client, a_request_is_six_frames)
{
    send_tagged(0x0102030405060708);
    fake_take(&fake);
    cr_assert_eq(fake.n, 7);
    cr_assert(nbx_str_eq(fake_frame(&fake, 1), NBX_STR("\1\2\3\4\5\6\7\10")));
    cr_assert_eq(fake_frame(&fake, 2).len, 0);
    cr_assert(nbx_str_is(fake_frame(&fake, 3), "NBX1"));
    cr_assert(nbx_str_is(fake_frame(&fake, 4), "recommend"));
    cr_assert(nbx_str_is(fake_frame(&fake, 5), "anna"));
    cr_assert(nbx_str_eq(fake_frame(&fake, 6), BODY));
}

Test(client, replies_carry_tag_status_and_body)
{
    send_tagged(7);
    fake_take(&fake);
    fake_reply(&fake, "bad_request",
               NBX_STR("\x81\xa5"
                       "field\xa1n"));
    cr_assert_eq(nbx_client_recv(client, 10000, arena, &reply), NBX_OK);
    cr_assert_eq(reply.tag, 7);
    cr_assert(nbx_str_is(reply.status, "bad_request"));
    cr_assert(nbx_str_is(nbx_value_get(&reply.body, "field")->s, "n"));
    cr_assert_eq(reply.raw.len, 9);
}

Test(client, replies_come_in_any_order)
{
    zmq_msg_t first_tag;
    send_tagged(1);
    send_tagged(2);
    fake_take(&fake);
    zmq_msg_init(&first_tag);
    zmq_msg_copy(&first_tag, &fake.frames[1]);
    fake_take(&fake);
    fake_reply(&fake, "ok", BODY);
    zmq_msg_copy(&fake.frames[1], &first_tag);
    fake_reply(&fake, "ok", BODY);
    zmq_msg_close(&first_tag);
    cr_assert_eq(nbx_client_recv(client, 10000, arena, &reply), NBX_OK);
    cr_assert_eq(reply.tag, 2);
    cr_assert_eq(nbx_client_recv(client, 10000, arena, &reply), NBX_OK);
    cr_assert_eq(reply.tag, 1);
}

Test(client, silence_is_busy)
{
    cr_assert_eq(nbx_client_recv(client, 0, arena, &reply), NBX_EBUSY);
    cr_assert_eq(nbx_client_recv(client, 20, arena, &reply), NBX_EBUSY);
    struct nbx_request r = {"hello", {NULL, 0}, BODY, 0};
    cr_assert_eq(nbx_client_call(client, &r, 20, arena, &reply), NBX_EBUSY);
}

Test(client, a_call_drops_replies_to_others)
{
    send_tagged(1);
    fake_serve(&fake, 2);
    struct nbx_request r = {"hello", {NULL, 0}, NBX_STR("\x80"), 42};
    cr_assert_eq(nbx_client_call(client, &r, 10000, arena, &reply), NBX_OK);
    fake_join(&fake);
    cr_assert_eq(reply.tag, 42);
    cr_assert_eq(reply.body.n, 0);
    cr_assert_eq(nbx_client_recv(client, 0, arena, &reply), NBX_EBUSY);
}

Test(client, what_is_not_a_reply_is_refused)
{
    struct nbx_str good[] = {{NULL, 0}, {"", 0}, NBX_STR("NBX1"), NBX_STR("ok"), BODY};
    for (int i = 0; i < 6; i++) {
        send_tagged(9);
        fake_take(&fake);
        struct nbx_str frames[6];
        memcpy(frames, good, sizeof good);
        frames[0] = fake_frame(&fake, 1);
        frames[5] = BODY;
        if (i == 0)
            frames[0] = NBX_STR("short");
        if (i == 1)
            frames[1] = NBX_STR("x");
        if (i == 2)
            frames[2] = NBX_STR("NBX9");
        if (i == 3)
            frames[4] = NBX_STR("\xdd\xff\xff\xff\xff");
        fake_send(&fake, frames, i == 4 ? 4 : i == 5 ? 6 : 5);
        cr_assert_eq(nbx_client_recv(client, 10000, arena, &reply), NBX_EBAD, "case %d", i);
    }
    send_tagged(9);
    fake_take(&fake);
    fake_reply(&fake, "ok", BODY);
    cr_assert_eq(nbx_client_recv(client, 10000, arena, &reply), NBX_OK, "it goes on after that");
}

Test(client, its_descriptor_wakes_a_poll)
{
    struct pollfd p = {.fd = nbx_client_fd(client), .events = POLLIN};
    send_tagged(3);
    fake_serve(&fake, 1);
    enum nbx_err err = nbx_client_recv(client, 0, arena, &reply);
    while (err == NBX_EBUSY && poll(&p, 1, 10000) == 1)
        err = nbx_client_recv(client, 0, arena, &reply);
    fake_join(&fake);
    cr_assert_eq(err, NBX_OK);
    cr_assert_eq(reply.tag, 3);
}

Test(client, comes_back_to_a_daemon_that_was_away)
{
    char endpoint[128];
    snprintf(endpoint, sizeof endpoint, "%s", fake.endpoint);
    struct nbx_request r = {"hello", {NULL, 0}, BODY, 0};
    fake_serve(&fake, 1);
    cr_assert_eq(nbx_client_call(client, &r, 10000, arena, &reply), NBX_OK);
    fake_join(&fake);
    fake_close(&fake);
    cr_assert_eq(nbx_client_call(client, &r, 20, arena, &reply), NBX_EBUSY);
    fake_open(&fake, endpoint);
    fake_serve(&fake, -1);
    /* What was sent before the client saw the old connection end is lost: ask again. */
    enum nbx_err err = NBX_EBUSY;
    for (int i = 0; i < 20 && err == NBX_EBUSY; i++)
        err = nbx_client_call(client, &r, 500, arena, &reply);
    fake_stop(&fake);
    cr_assert_eq(err, NBX_OK);
}

Test(client, a_full_queue_is_busy)
{
    struct nbx_client *lonely;
    cr_assert_eq(nbx_client_new(&lonely, "tcp://127.0.0.1:1"), NBX_OK);
    struct nbx_request r = {"hello", {NULL, 0}, BODY, 0};
    enum nbx_err err = NBX_OK;
    for (int i = 0; i < 100000 && !err; i++)
        err = nbx_client_send(lonely, &r);
    cr_assert_eq(err, NBX_EBUSY);
    nbx_client_destroy(&lonely);
}

Test(client, dropping_does_not_wait_for_what_nobody_takes)
{
    struct nbx_client *lonely;
    cr_assert_eq(nbx_client_new(&lonely, "tcp://127.0.0.1:1"), NBX_OK);
    struct nbx_request r = {"hello", {NULL, 0}, BODY, 0};
    cr_assert_eq(nbx_client_send(lonely, &r), NBX_OK);
    int64_t before = nbx_clock_mono_ns();
    nbx_client_drop(&lonely);
    cr_expect_null(lonely);
    cr_expect_lt(nbx_clock_mono_ns() - before, 900000000); /* destroy waits a whole second */
    nbx_client_drop(&lonely);
    nbx_client_drop(NULL);
}

Test(client, a_bad_endpoint_is_refused)
{
    struct nbx_client *none = client;
    cr_assert_eq(nbx_client_new(&none, "nonsense"), NBX_EBAD);
    cr_assert_null(none);
    nbx_client_destroy(&none);
    nbx_client_destroy(NULL);
}

Test(client, a_reply_larger_than_the_arena_is_limit)
{
    struct nbx_arena *small = nbx_arena_new(64);
    send_tagged(1);
    fake_serve(&fake, 1);
    enum nbx_err err = nbx_client_recv(client, 10000, small, &reply);
    fake_join(&fake);
    cr_assert_eq(err, NBX_ELIMIT);
    nbx_arena_destroy(&small);
}
