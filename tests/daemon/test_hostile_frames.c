/* SPDX-License-Identifier: MIT
 * Messages that are no requests: frame counts, envelopes, and bodies that are not msgpack or lie
 * about their lengths.
 */
#include "engine/base/random.h"
#include "proto/wire.h"
#include "tests/daemon/harness_neighbour.h"

#include <stdlib.h>
#include <zmq.h>

#define SEED       20240613
#define RECV_MS    10000
#define SILENCE_MS 200
#define MEMORY_MAX                                                                                 \
    ((size_t)96 << 20) /* growth of RSS a test may see; sanitizers keep freed bytes */

static struct server s;
static struct peer *p;
static void *context, *dealer;

static void begin(void)
{
    setenv("ASAN_OPTIONS", "abort_on_error=1:quarantine_size_mb=8", 1);
    server_start(&s, NULL);
    p = &s.peer;
    get(p, "item.put", "", "{'items': [{'id': 'a'}, {'id': 'b'}]}");
    context = zmq_ctx_new();
    dealer = zmq_socket(context, ZMQ_DEALER);
    int linger = 0, wait_ms = RECV_MS;
    zmq_setsockopt(dealer, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(dealer, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    cr_assert_eq(zmq_connect(dealer, s.endpoint), 0);
}

static void end(void)
{
    zmq_close(dealer);
    zmq_ctx_term(context);
    server_stop(&s);
}

TestSuite(hostile_frames, .init = begin, .fini = end, .timeout = 120);

static void send_frames(const struct nbx_str *frames, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cr_assert(zmq_send(dealer, frames[i].p, frames[i].len, i + 1 < n ? ZMQ_SNDMORE : 0) >= 0);
}

/* One whole reply into `text`, its frames joined by '|'; false where none comes in time. */
static bool receive(char *text, size_t room, int wait_ms)
{
    zmq_msg_t frame;
    size_t used = 0;
    int more = 1;
    zmq_setsockopt(dealer, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms);
    text[0] = '\0';
    while (more) {
        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, dealer, 0) < 0)
            return false;
        size_t n = zmq_msg_size(&frame);
        more = zmq_msg_more(&frame);
        cr_assert(used + n + 2 < room);
        memcpy(text + used, zmq_msg_data(&frame), n);
        used += n;
        text[used++] = '|';
        zmq_msg_close(&frame);
    }
    text[used] = '\0';
    return true;
}

/* A good request on the same connection is answered, and by its own reply. */
static void must_still_answer(void)
{
    char text[4096];
    static int turn;
    char tag[16];
    int n = snprintf(tag, sizeof tag, "t%d", turn++);
    struct nbx_str frames[] = {{tag, (uint32_t)n}, {"", 0}, NBX_STR("NBX1"),
                               NBX_STR("hello"),   {"", 0}, NBX_STR("\x80")};
    send_frames(frames, 6);
    cr_assert(receive(text, sizeof text, RECV_MS), "no answer to a good request");
    cr_assert_eq(strncmp(text, tag, (size_t)n), 0);
    cr_assert_eq(strncmp(text + n, "||NBX1|ok|", 10), 0, "%s", text);
}

static void must_be_refused(const struct nbx_str *frames, size_t n)
{
    char text[4096];
    send_frames(frames, n);
    cr_assert(receive(text, sizeof text, RECV_MS), "%zu frames are not answered", n);
    cr_assert_eq(strncmp(text, "|NBX1|bad_request|", 18), 0, "%zu frames: %s", n, text);
    must_still_answer();
}

/* Nobody to answer: nothing comes, and the connection goes on. */
static void must_be_dropped(const struct nbx_str *frames, size_t n)
{
    send_frames(frames, n);
    must_still_answer(); /* which sees a stray reply first, where there is one */
}

Test(hostile_frames, every_number_of_frames_is_answered_or_dropped)
{
    const struct nbx_str all[] = {{"", 0},         NBX_STR("NBX1"), NBX_STR("hello"),
                                  {"", 0},         NBX_STR("\x80"), NBX_STR("more"),
                                  NBX_STR("more"), {"", 0},         NBX_STR("x")};
    for (size_t n = 1; n <= 9; n++)
        if (n != 5)
            must_be_refused(all, n);
    for (size_t n = 1; n <= 8; n++)
        must_be_dropped(all + 1, n <= 2 ? n : 2); /* no empty frame at all */
    must_be_refused((struct nbx_str[]){{"", 0}, {"", 0}, {"", 0}}, 3);
    must_be_refused(
        (struct nbx_str[]){{"", 0}, {"", 0}, NBX_STR("NBX1"), NBX_STR("hello"), {"", 0}}, 5);
    must_be_refused(
        (struct nbx_str[]){{"", 0}, NBX_STR("NBX2"), NBX_STR("hello"), {"", 0}, NBX_STR("\x80")},
        5);
    must_be_refused(
        (struct nbx_str[]){{"", 0}, NBX_STR("nbx1"), NBX_STR("hello"), {"", 0}, NBX_STR("\x80")},
        5);
}

Test(hostile_frames, envelopes_come_back_or_are_dropped)
{
    char text[4096], longest[65];
    memset(longest, 'e', sizeof longest);
    struct nbx_str frames[10] = {NBX_STR("1"),     NBX_STR("2"), NBX_STR("3"),
                                 {longest, 64},    {"", 0},      NBX_STR("NBX1"),
                                 NBX_STR("hello"), {"", 0},      NBX_STR("\x80")};
    send_frames(frames, 9);
    cr_assert(receive(text, sizeof text, RECV_MS));
    cr_assert_eq(strncmp(text, "1|2|3|eeee", 10), 0, "%s", text);
    cr_assert_not_null(strstr(text, "||NBX1|ok|"));
    frames[6] = NBX_STR("nonsense"); /* errors carry it too */
    send_frames(frames, 9);
    cr_assert(receive(text, sizeof text, RECV_MS));
    cr_assert_eq(strncmp(text, "1|2|3|eeee", 10), 0, "%s", text);
    cr_assert_not_null(strstr(text, "||NBX1|bad_request|"));
    frames[6] = NBX_STR("hello");
    frames[3] = (struct nbx_str){longest, 65};
    must_be_dropped(frames, 9);
    frames[3] = NBX_STR("4");
    memmove(frames + 5, frames + 4, 5 * sizeof *frames);
    frames[4] = NBX_STR("5");
    must_be_dropped(frames, 10);
}

Test(hostile_frames, endless_frames_do_not_confuse)
{
    struct neighbour good;
    neighbour_start(&good, &s);
    size_t before = server_resident(&s);
    for (int i = 0; i < 20000; i++)
        cr_assert(zmq_send(dealer, "x", 1, ZMQ_SNDMORE) >= 0);
    cr_assert(zmq_send(dealer, "x", 1, 0) >= 0);
    must_still_answer();
    neighbour_stop(&good, 5000);
    cr_assert_leq(server_resident(&s), before + MEMORY_MAX);
}

static void must_refuse_body(const char *bytes, size_t n, const char *what)
{
    struct answer a = ask_raw(p, "observe", NBX_STR("anna"), (struct nbx_str){bytes, (uint32_t)n});
    cr_assert_str_eq(a.status, "bad_request", "%s is %s", what, a.status);
    cr_assert_not_null(nbx_value_get(a.body, "message"), "%s", what);
}

#define BODY(bytes, what) must_refuse_body(bytes, sizeof(bytes) - 1, what)

Test(hostile_frames, declared_lengths_are_not_believed)
{
    size_t before = server_resident(&s);
    for (int i = 0; i < 200; i++) {
        BODY("\xdf\xff\xff\xff\xff", "a map of 4 G members");
        BODY("\xdd\xff\xff\xff\xff", "a list of 4 G elements");
        BODY("\xdb\xff\xff\xff\xff", "a text of 4 GB");
        BODY("\xc6\xff\xff\xff\xff", "a bin of 4 GB");
        BODY("\x81\xa6"
             "events\xdd\xff\xff\xff\xff",
             "4 G events");
        BODY("\x81\xa6"
             "events\xdd\x00\x01\x00\x00\x80",
             "65,536 events in a byte");
        BODY("\x81\xa6"
             "events\x91\xdf\x80\x00\x00\x00\xa1",
             "2 G members in a byte");
        BODY("\xdf\x10\x00\x00\x00\xa1\x61\xdd\x10\x00\x00\x00\xdd\x10\x00\x00\x00", "all of them");
    }
    cr_assert_leq(server_resident(&s), before + MEMORY_MAX);
    must_be(get(p, "customer.get", "anna", "{}"), "known", "false");
}

Test(hostile_frames, nesting_is_bounded)
{
    size_t n = 900000, before = server_resident(&s);
    char *deep = malloc(n);
    cr_assert_not_null(deep);
    memset(deep, '\x91', n);
    static const size_t depths[] = {1, 16, 17, 100, 10000};
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++)
        must_refuse_body(deep, depths[i], "a list without an end");
    must_refuse_body(deep, n, "a list without an end");
    for (size_t i = 0; i + 3 <= n; i += 3)
        memcpy(deep + i, "\x81\xa1k", 3);
    must_refuse_body(deep, n, "a map without an end");
    deep[n - 1] = '\xc0';
    must_refuse_body(deep, n, "a very deep map");
    free(deep);
    cr_assert_leq(server_resident(&s), before + MEMORY_MAX);
}

Test(hostile_frames, what_is_no_msgpack_map_is_refused)
{
    BODY("", "nothing");
    BODY("\xc1", "the byte that is never used");
    BODY("\xc0", "nil");
    BODY("\x90", "a list");
    BODY("\x05", "a number");
    BODY("\x80\x80", "a map and a byte more");
    BODY("\x82\xa1"
         "a\x01\xa1"
         "a\x02",
         "a key twice");
    BODY("\x81\x01\x02", "a number for a key");
    BODY("\x81\xa2\xff\xfe\x01", "a key that is no UTF-8");
    BODY("\x81\xa2id\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", "NaN");
    BODY("\x81\xa2id\xca\x7f\x80\x00\x00", "infinity");
    BODY("\x81\xa2id\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "an integer beyond 64 signed bits");
    BODY("\x81\xa2id\xd4\x01\x00", "an extension");
    BODY("\x81\xa2id\xc7\x01\x01\x00", "an extension");
}

Test(hostile_frames, every_cut_and_every_flipped_byte_is_survived)
{
    struct nbx_random r;
    nbx_random_init(&r, SEED);
    struct nbx_str good = peer_body(
        p, "{'events': [{'type': 'view', 'item': 'a', 'time': 5, 'attributes': {'x': [1.5]}}]}");
    char *bytes = malloc(good.len);
    cr_assert_not_null(bytes);
    for (uint32_t n = 0; n < good.len; n++)
        must_refuse_body(good.p, n, "a body cut short");
    for (uint32_t i = 0; i < good.len * 8; i++) {
        memcpy(bytes, good.p, good.len);
        bytes[i / 8] ^= (char)(1 << i % 8);
        ask_raw(p, "recommend", NBX_STR(""), (struct nbx_str){bytes, good.len});
    }
    for (int i = 0; i < 3000; i++) {
        char junk[64];
        for (size_t j = 0; j < sizeof junk; j++)
            junk[j] = (char)nbx_random_u64(&r);
        junk[0] = (char)(0x80 | (junk[0] & 0x0f)); /* begins as a map, to come further */
        must_refuse_body(junk, 1 + nbx_random_below(&r, sizeof junk), "random bytes");
    }
    free(bytes);
    must_be(get(p, "customer.get", "anna", "{}"), "known", "false");
}
