/* SPDX-License-Identifier: MIT
 * A real nbxd as a child: started on a socket of its own each time, killed, or asked to end.
 *
 * Why:     a new socket for each start keeps what an old connection still holds from reaching the
 *          next daemon.
 * Owns:    the child; it dies with us, whatever happens.
 * Threads: main.
 * Errors:  false, after saying on stdout what went wrong and how the daemon's log ends.
 */
#ifndef NBX_TEST_CRASH_DAEMON_H
#define NBX_TEST_CRASH_DAEMON_H

#include "proto/client/client.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DAEMON_PATH_BYTES 512

struct daemon {
    const char *program;  /* path of nbxd */
    const char *folder;   /* settings, log and sockets lie here, the data in data/ below it */
    const char *settings; /* more lines of YAML */
    bool power;           /* preload powercut.so from the program's own folder */
    bool sanitized;       /* built with a sanitizer: its times say nothing */
    pid_t pid;            /* 0: not running */
    int watch, pidfd;     /* for daemon_await */
    unsigned starts;
    int64_t launched_ns;
    char endpoint[DAEMON_PATH_BYTES]; /* of the last start */
    char socket_name[64];
};

/* Looks at the program and takes what the struct's first four members say. */
bool daemon_init(struct daemon *d, const char *program, const char *folder, const char *settings);
/* Starts it, without waiting. */
bool daemon_launch(struct daemon *d);
/* Waits until `hello` says ready; *ready_ms (may be NULL) counts from the launch. */
bool daemon_await(struct daemon *d, double *ready_ms);
/* The same, and nothing said: it may end before. */
bool daemon_await_quietly(struct daemon *d);
/* kill -9; false where it had ended by itself before. */
bool daemon_kill(struct daemon *d);
/* SIGTERM; false unless it ends with 0. */
bool daemon_stop(struct daemon *d);
/* Waits for its end without asking for it, at most timeout_ms: the exit code, or -1. */
int daemon_wait(struct daemon *d, int timeout_ms);
/* nbxd --verify on its folder, whether it runs or not; false, with all findings told, where there
 * are any. */
bool daemon_verify(const struct daemon *d);
/* The same without a word: its exit code, -1 where it did not end by itself. */
int daemon_verify_code(const struct daemon *d);
/* nbxd --rebuild of its folder into another, whether it runs or not, which is removed; false, with
 * all that it says told, where the states differ, or where a part was taken as it is stored. */
bool daemon_rebuild(const struct daemon *d);
/* VmRSS in MiB; 0 where it is gone. */
double daemon_resident_mib(const struct daemon *d);
/* The last lines of its log. */
void daemon_print_log(const struct daemon *d);

/* One request and its ok reply, for the parts of a test that wait for each; false and a line on
 * stdout where there is none. `body` empty: the empty map. */
bool daemon_ask(struct nbx_client *client, const char *op, struct nbx_str key, struct nbx_str body,
                struct nbx_arena *arena, struct nbx_reply *out);
/* A member of a reply as a number; -1 where it is none. */
int64_t reply_int(const struct nbx_value *body, const char *name);

/* A program found by PATH, to its end; false, after saying so, unless it ends with 0. */
bool run_program(const char *const argv[]);
/* The path of a program in our own folder. */
void program_beside(char *path, size_t path_bytes, const char *name);
/* The nbxd in our own folder; where that is sanitized, the release build's, if there is one: for
 * tests of sizes, which a sanitizer changes. */
void daemon_program(char *path, size_t path_bytes);
/* A new folder under $TMPDIR or the usual place, and its removal with all in it. */
bool folder_make(char *path, size_t path_bytes, const char *name);
void folder_remove(const char *path);

#endif
