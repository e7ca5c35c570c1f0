/* SPDX-License-Identifier: MIT
 * Replies for people and as JSON, on stdout.
 *
 * Threads: main.
 * Errors:  none; a stdout that cannot be written is the shell's to notice.
 */
#ifndef NBX_CLI_SHOW_H
#define NBX_CLI_SHOW_H

#include "engine/base/value.h"

struct nbx_cli;

/* Indented JSON and a newline. */
void nbx_show_json(const struct nbx_value *v);

/* Any map: its plain members as name and value, inner maps by dotted names, and each list of maps
 * as a table of its own. */
void nbx_show_map(struct nbx_cli *cli, const struct nbx_value *map);

/* The items of recommend, rank and similar: place, id, wanted fields, score, source, why. */
void nbx_show_items(struct nbx_cli *cli, const struct nbx_value *reply);

#endif
