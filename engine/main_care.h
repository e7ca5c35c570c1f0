/* SPDX-License-Identifier: MIT
 * nbxd --verify and nbxd --restore: what is done to a data folder without serving it.
 */
#ifndef NBX_MAIN_CARE_H
#define NBX_MAIN_CARE_H

#include "engine/base/err.h"
#include "engine/conf/conf.h"

/* Reads all of conf's data_dir, which a daemon may be using, and prints a line for each finding and
 * one at the end. NBX_OK: all is well. NBX_ECORRUPT: something is not, or the folder cannot be
 * opened for that. Others: it could not be read through; a line on stderr says why. */
enum nbx_err nbx_main_verify(const struct nbx_conf *conf);
/* Makes conf's data_dir of the backup in `dir`, then verifies it. Errors as of nbx_restore; a line
 * on stderr says why. */
enum nbx_err nbx_main_restore(const struct nbx_conf *conf, const char *dir);

#endif
