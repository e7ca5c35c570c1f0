/* SPDX-License-Identifier: MIT
 * The power cut: turns a data folder into what the notes of powercut.c say a disk still has.
 *
 * Why:     powercut.c tells the model; this is its other half.
 * Owns:    the folder power/ beside data/: notes, and a link to each file.
 * Threads: main, while no daemon runs.
 * Errors:  false, after saying why on stdout.
 */
#ifndef NBX_TEST_CRASH_POWER_H
#define NBX_TEST_CRASH_POWER_H

#include "engine/base/random.h"

#include <stdbool.h>

struct power_loss {
    unsigned files, bytes; /* gone, or cut short */
};

/* Before each start: what lies in folder/data now is safe, and noted as such. */
bool power_begin(const char *folder);
/* After the kill. Changes of names in doubt: a random first part of them happened. Bytes in doubt:
 * none survive; with `torn` those of some files made first do, of one more a random first part, and
 * of those made after it none, as a kernel writes back what was dirtied first. A disk that kept the
 * end of a log and lost that of the one before it would be worse: RocksDB reads on behind the hole,
 * and what was never acknowledged as durable may then be there in part. */
bool power_cut(const char *folder, struct nbx_random *random, bool torn, struct power_loss *loss);

#endif
