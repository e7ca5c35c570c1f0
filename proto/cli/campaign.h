/* SPDX-License-Identifier: MIT
 * `nbx recommend --customers`: a file of customers in, their answers out, in the file's order.
 *
 * Why:     a few lists are under way while the last ones are written, so that neither side waits;
 *          memory stays that of those few, however long the file is.
 * Owns:    its buffers while it runs.
 * Threads: main.
 * Errors:  the exit code. A refused row is printed by file and line, and the rest goes on; where
 * the daemon stays away or refuses a whole list, what was answered before has been written.
 */
#ifndef NBX_CLI_CAMPAIGN_H
#define NBX_CLI_CAMPAIGN_H

#include "proto/cli/cli.h"

int nbx_cli_campaign(struct nbx_cli *cli, const struct nbx_cli_args *args);

#endif
