/* SPDX-License-Identifier: MIT
 * A file system of a known size in a file, mounted over a loop device: one that gets full, and one
 * whose power can be cut.
 *
 * Why:     what the kernel has not yet written to the file is not in a copy of it: a copy taken
 *          while the daemon writes is what a disk would have after a power cut, journal and all.
 * Owns:    folder/disk.img, and folder/disk where it is mounted; folder/data is a link into it.
 * Threads: main.
 * Errors:  false, after saying why on stdout.
 */
#ifndef NBX_TEST_CRASH_LOOP_H
#define NBX_TEST_CRASH_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* NULL where loops can be mounted here; else why not. */
const char *loop_missing(void);
/* Makes, mounts and links an ext4 file system of so many MiB. */
bool loop_make(const char *folder, unsigned mib);
/* What a power cut now would leave, aside; who writes meanwhile should be stopped. */
bool loop_copy(const char *folder);
/* Once nobody uses the mount: it is replaced by the copy. */
bool loop_replace(const char *folder);
/* Unmounts, where it is mounted. */
bool loop_end(const char *folder);
/* Others' data: takes so many bytes more, or all there is; takes all but so many; goes. */
void loop_take(const char *folder, uint64_t bytes);
void loop_leave(const char *folder, uint64_t bytes);
void loop_give_back(const char *folder);
/* Bytes that a file may still take. */
uint64_t loop_free_bytes(const char *folder);

#endif
