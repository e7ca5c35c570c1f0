/* SPDX-License-Identifier: MIT
 * nbxd --verify, --forgotten, --restore, --rebuild, --replay, --doctor, --check-model: what is done
 * with a folder, or a file, without serving it.
 */
#ifndef NBX_MAIN_CARE_H
#define NBX_MAIN_CARE_H

#include "engine/base/err.h"
#include "engine/conf/conf.h"

#include <stdbool.h>

/* Reads all of conf's data_dir, which a daemon may be using, and prints a line for each finding and
 * one at the end. NBX_OK: all is well. NBX_ECORRUPT: something is not, or the folder cannot be
 * opened for that. Others: it could not be read through; a line on stderr says why. */
enum nbx_err nbx_main_verify(const struct nbx_conf *conf);
/* Looks for what is left of forgotten customers in conf's data_dir, which a daemon may be using: of
 * all by their numbers, of those whose ids (n) are given in the bytes of every file. Prints and
 * answers as nbx_main_verify. */
enum nbx_err nbx_main_prove(const struct nbx_conf *conf, char *const *ids, int n);
/* Makes conf's data_dir of the backup in `dir`, then verifies it. Errors as of nbx_restore; a line
 * on stderr says why. */
enum nbx_err nbx_main_restore(const struct nbx_conf *conf, const char *dir);
/* Makes the folder `dir` anew from the log of conf's data_dir, which a daemon may be using, and
 * prints whether the two states differ. NBX_OK: they do not. NBX_ECORRUPT: they do, or the log
 * cannot be read. Others: it could not be made; a line on stderr says why. */
enum nbx_err nbx_main_rebuild(const struct nbx_conf *conf, const char *dir);
/* Makes conf's data_dir of a log that `nbx log export` wrote in `path`. Errors as of
 * nbx_import_log; a line on stderr says why. */
enum nbx_err nbx_main_import(const struct nbx_conf *conf, const char *path);
/* Makes a decision, by its id in hex, again from conf's data_dir, which a daemon may be using. The
 * exit code: 0 the same list, 1 another, 2 it cannot be made again, 3 stored data is damaged or
 * newer. A line on stdout, of 2 and 3 on stderr, says what and why. */
int nbx_main_replay(const struct nbx_conf *conf, const char *decision);

/* Says on one screen, or as JSON, what is wrong with conf's data_dir and the daemon on it, since
 * when, and what to do. `config` is the settings' file, or NULL. The exit code: 0 all is well, 1
 * somebody should look, 3 stored data is damaged or newer. */
int nbx_main_doctor(const struct nbx_conf *conf, const char *config, bool json);

/* Says as text or as JSON whether the bundle at `path` would be accepted within conf's bounds, and
 * by the catalogue of its data_dir, where there is one. The exit code: 0 it would, 1 it would not.
 */
int nbx_main_check_model(const struct nbx_conf *conf, const char *path, bool json);

#endif
