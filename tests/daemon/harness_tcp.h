/* SPDX-License-Identifier: MIT
 * Raw TCP to the daemon's ports, and HTTP by hand.
 *
 * Owns:    a descriptor is the caller's to close; texts are malloc'ed.
 * Threads: any.
 * Errors:  tcp_* fail the test where even connecting fails.
 */
#ifndef NBX_TEST_DAEMON_HARNESS_TCP_H
#define NBX_TEST_DAEMON_HARNESS_TCP_H

#include "tests/daemon/harness.h"

/* A connection whose reads and writes give up after 10 s. */
int tcp_open(int port);
/* Sends what the peer takes; a peer that closed is no failure here. */
void tcp_send(int fd, const void *p, size_t n);
/* Everything until the peer closes, or until `enough` of a HTTP reply is there; may be "". */
char *tcp_read(int fd);
/* True where the peer closes the connection within 10 s. */
bool tcp_closes(int fd);

struct http_reply {
    int code;               /* 0: no reply */
    struct nbx_value *body; /* decoded JSON in the peer's arena, NULL where it is none */
};
/* One request with a JSON body (' for ") over a connection of its own. */
struct http_reply http_call(struct server *s, const char *method, const char *path,
                            const char *body);
/* The code of a reply to these very bytes; 0 where the door just closes. */
int http_raw(const struct server *s, const void *p, size_t n);

#endif
