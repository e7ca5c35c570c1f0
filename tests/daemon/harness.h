/* SPDX-License-Identifier: MIT
 * What the daemon's tests share: a real nbxd in a folder of its own, peers that speak to it in JSON
 * notation, and assertions over replies.
 *
 * Why:     a test reads as a conversation: ask, look at the answer.
 * Owns:    a started daemon its folder, its process and one peer; a peer its connection and every
 *          answer it got. The process dies with the test program, whatever happens.
 * Threads: one per peer; the daemon's own functions the test's.
 * Errors:  whatever fails here fails the test.
 *
 * Bodies are JSON with ' for ", made as printf does: ask(p, "recommend", "anna", "{'n': %d}", 3).
 */
#ifndef NBX_TEST_DAEMON_HARNESS_H
#define NBX_TEST_DAEMON_HARNESS_H

#include "engine/base/buf.h"
#include "engine/base/value.h"
#include "models/bundle/bundle.h"
#include "proto/client/client.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/types.h>

#define ASK_TIMEOUT_MS 30000
#define JSON_PRINTF(f) __attribute__((format(printf, (f), (f) + 1)))

/* What a peer got last. */
struct answer {
    const char *status;     /* "ok" or an error's */
    struct nbx_value *body; /* in the peer's arena */
    struct nbx_str raw;     /* the body as it came */
};

struct peer {
    struct nbx_client *client;
    struct nbx_arena *arena;
};

struct server_options {
    const char *settings; /* YAML lines beside data_dir, listen, http and queue_time; NULL: none */
    const char *program;  /* NULL: the nbxd built with the tests */
    bool tcp;             /* also listens on a free TCP port */
    bool http;            /* opens the HTTP door on a free port */
};

struct server {
    struct server_options options;
    char folder[64]; /* holds the rest */
    char data[96], config[96], log[96], socket[96];
    char endpoint[112]; /* ipc:// */
    int tcp_port, http_port;
    pid_t pid;
    struct peer peer;
};

/* Starts nbxd on an empty folder and returns when it is ready. */
void server_start(struct server *s, const struct server_options *options);
/* SIGTERM; it must end with 0 and have said nothing a sanitizer says. Removes the folder. */
void server_stop(struct server *s);
/* The two halves of it, for starting again on the same folder; s->options may change between. */
void server_end(struct server *s);
void server_begin(struct server *s);
void server_remove(struct server *s);
/* Writes the settings file again. */
void server_configure(struct server *s, const char *settings);
/* SIGHUP; returns when the daemon says it is done, which its log does at most 5 times in 10 s. */
void server_reload(struct server *s);
/* kill -9, without a word. */
void server_kill(struct server *s);
/* Waits until it has ended by itself and returns its exit code, or -1 where it does not. */
int server_wait(struct server *s);
/* Runs nbx with these words and the server's settings, which may be down; what it said in `out`. */
int server_nbx(const struct server *s, const char *words, char *out, size_t room);
/* `nbx replay` of a decision: 0 the same list, 1 another, 2 what it was made of is gone. */
int server_replay(const struct server *s, const char *decision, char *out, size_t room);
/* Everything it has logged so far; the caller frees it. */
char *server_log(const struct server *s);
/* VmRSS in bytes. */
size_t server_resident(const struct server *s);

/* Another connection. */
void peer_open(struct peer *p, const struct server *s);
void peer_close(struct peer *p);
/* A request's body as msgpack in the arena. */
struct nbx_str peer_body(struct peer *p, const char *format, ...) JSON_PRINTF(2);
struct nbx_str peer_vbody(struct peer *p, const char *format, va_list args);

/* Sends and waits for the answer; bodies of bytes with ask_raw. */
struct answer ask(struct peer *p, const char *op, const char *key, const char *format, ...)
    JSON_PRINTF(4);
struct answer ask_raw(struct peer *p, const char *op, struct nbx_str key, struct nbx_str body);
/* As ask, where the answer must be ok: its body. */
struct nbx_value *get(struct peer *p, const char *op, const char *key, const char *format, ...)
    JSON_PRINTF(4);

/* What a refusal must say; NULL members are not looked at. */
struct refusal {
    const char *status, *field, *message; /* message: a part of it */
};
void must_refuse(struct answer a, struct refusal want);
#define REFUSED(answer, status_, field_, message_)                                                 \
    must_refuse(answer, (struct refusal){status_, field_, message_})

/* The value at a path such as "items[0].explain.factors.p", or NULL. */
const struct nbx_value *at(const struct nbx_value *v, const char *path);
/* The same where it must be there and of that type. */
int64_t int_at(const struct nbx_value *v, const char *path);
double number_at(const struct nbx_value *v, const char *path);
struct nbx_str text_at(const struct nbx_value *v, const char *path);
bool bool_at(const struct nbx_value *v, const char *path);
uint32_t count_at(const struct nbx_value *v, const char *path);
/* The value at the path is this JSON (' for "); maps compare in any order. */
void must_be(const struct nbx_value *v, const char *path, const char *json);
/* One member of each entry of the list at the path, joined by blanks, in a buffer of the test's
 * that lasts until the 8th next call: joined(reply, "items", "id") is "a b c". An empty member
 * joins a list of strings. */
const char *joined(const struct nbx_value *v, const char *path, const char *member);
#define MUST_LIST(body, path, member, want) cr_assert_str_eq(joined(body, path, member), want)

/* Asks again until the reply's list is as wanted: rankings follow their counts with a pause. Fails
 * after ASK_TIMEOUT_MS. */
struct nbx_value *get_until(struct peer *p, const char *key, const char *body, const char *want);

/* Writes info as `file` in the daemon's data folder, by FORMAT.md and with no help of nbx's own
 * writer, as a data scientist would. */
void server_bundle(const struct server *s, const char *file, const struct nbx_bundle_info *info);

#endif
