/* SPDX-License-Identifier: MIT
 * What the commands about versions of models share.
 *
 * Threads: main.
 * Errors:  none.
 */
#ifndef NBX_CLI_MODEL_H
#define NBX_CLI_MODEL_H

#include "proto/cli/cli.h"

/* Waits for as long as looking a bundle through and loading it may take, where the caller has not
 * said how long. */
void nbx_cli_model_wait(struct nbx_cli *cli, const struct nbx_cli_args *args);

/* A version's name, version and stage, in one line. */
void nbx_cli_show_version(struct nbx_cli *cli, const struct nbx_value *version);

#endif
