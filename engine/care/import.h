/* SPDX-License-Identifier: MIT
 * A data folder made of an exported log: every command told again, by the clock of its time.
 *
 * Why:     the commands are the truth, wherever they are told; customers, items and names get new
 *          numbers here.
 * Owns:    nothing: the new folder is complete and closed on return.
 * Threads: the caller's alone.
 * Errors:  NBX_ECONFLICT: the folder is not empty. NBX_EBAD: *fault names the file's line and what
 * is wrong with it, such as a type of events that the settings do not know. The store's.
 */
#ifndef NBX_CARE_IMPORT_H
#define NBX_CARE_IMPORT_H

#include "engine/care/rebuild.h"

struct nbx_imported {
    uint64_t lines, commands;
    uint64_t gone; /* of these: places of what the log no longer says */
};

/* Makes options->dir of the file that `nbx log export` wrote; `differs` is not called. What entries
 * kept no place for is not there, so the state is that of the log from its beginning on. */
enum nbx_err nbx_import_log(struct nbx_imported *out, const char *path,
                            const struct nbx_rebuild_options *options, struct nbx_fault *fault);

#endif
