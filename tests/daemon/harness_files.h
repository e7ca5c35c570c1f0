/* SPDX-License-Identifier: MIT
 * What lies in a daemon's data folder, and whether it is rid of who was forgotten.
 *
 * Owns:    nothing.
 * Threads: the test's.
 * Errors:  whatever fails here fails the test.
 */
#ifndef NBX_TEST_DAEMON_HARNESS_FILES_H
#define NBX_TEST_DAEMON_HARNESS_FILES_H

#include "tests/daemon/harness.h"

/* Files of the data folder that have the bytes; `found` gets the name of the last of them. */
int server_count_files(const struct server *s, const char *text, char found[256]);
/* A counter of stats. */
int64_t server_stat(struct server *s, const char *name);
/* Within a minute nobody is left whom the files are to be rid of. */
void server_wait_erased(struct server *s);
/* nbxd --config with these words (NULL: none); its exit code. */
int server_run(const struct server *s, const char *what, const char *with);
/* nbxd --verify --forgotten with (n) ids, 8 at most; its exit code. */
int server_prove(const struct server *s, const char *const *ids, int n);

#endif
