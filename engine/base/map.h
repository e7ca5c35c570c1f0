/* SPDX-License-Identifier: MIT
 * A hash map from a run of bytes to a 32-bit number: ids to rows, words to codes.
 *
 * Why:     open addressing over a table of (tag, index) pairs; the keys lie packed in one pool,
 *          so a million ids cost their bytes and 14 more each.
 * Owns:    copies of its keys.
 * Threads: many readers or one writer.
 * Errors:  nbx_map_put answers NBX_ELIMIT where memory is out; the map is then unchanged.
 */
#ifndef NBX_BASE_MAP_H
#define NBX_BASE_MAP_H

#include "engine/base/err.h"
#include "engine/base/str.h"

#include <stddef.h>

#define NBX_MAP_NONE UINT32_MAX

struct nbx_map;

struct nbx_map *nbx_map_new(void);
void nbx_map_destroy(struct nbx_map **map);
/* The number stored for key, or NBX_MAP_NONE. */
uint32_t nbx_map_get(const struct nbx_map *map, struct nbx_str key);
/* Sets key to `number` (any but NBX_MAP_NONE), replacing what was there. */
enum nbx_err nbx_map_put(struct nbx_map *map, struct nbx_str key, uint32_t number);
/* Keys held. Entries are numbered 0.. in the order they were first put. */
uint32_t nbx_map_count(const struct nbx_map *map);
/* Entry e: its key (borrowed until the next put) and number. */
struct nbx_str nbx_map_key(const struct nbx_map *map, uint32_t entry);
uint32_t nbx_map_number(const struct nbx_map *map, uint32_t entry);
/* Bytes of memory held. */
size_t nbx_map_bytes(const struct nbx_map *map);

#endif
