/* SPDX-License-Identifier: MIT
 * Between the keeper's two files: keeper.c hands out worlds, keeper_items.c serves item.*.
 *
 * Threads: keeper.
 */
#ifndef NBX_SERVE_KEEPER_H
#define NBX_SERVE_KEEPER_H

#include "engine/serve/server_internal.h"

/* Hands the world of what the keeper holds now to every worker; returns when each obeys it. Then
 * whatever the old world named may be freed. NBX_ELIMIT: nothing was handed out. */
enum nbx_err nbx_keeper__publish(struct nbx_keeper *keeper);
/* Serves the item changes that wait, all in one snapshot; false where none waited. */
bool nbx_keeper__serve_items(struct nbx_keeper *keeper);
/* Adds the catalogue's sequence number to the batch. */
void nbx_keeper__put_seq(struct nbx_keeper *keeper);

#endif
