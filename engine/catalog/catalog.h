/* SPDX-License-Identifier: MIT
 * The catalogue: an immutable snapshot of all items, in typed columns, by item number.
 *
 * Why:     a request sees one version from start to end; a change builds a new snapshot that shares
 *          every untouched chunk of 4,096 items with the old one.
 * Owns:    its chunks (shared between snapshots, counted by the writer alone).
 * Threads: building, applying and releasing: the writer thread only. Reading: any number.
 * Errors:  per entry, with a fault that names the field; see nbx_catalog_apply.
 */
#ifndef NBX_CATALOG_CATALOG_H
#define NBX_CATALOG_CATALOG_H

#include "engine/base/arena.h"
#include "engine/base/buf.h"
#include "engine/base/err.h"
#include "engine/base/value.h"
#include "engine/catalog/ids.h"
#include "proto/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBX_CHUNK_ITEMS 4096

struct nbx_catalog;

struct nbx_catalog_options {
    struct nbx_str currency;        /* the one configured; an item naming another is refused */
    const struct nbx_str *channels; /* (n_channels); an item naming another is refused */
    size_t n_channels;
    /* Attribute types fixed by configuration: a map name -> "string" | "strings" | "int" | "float"
     * | "bool", or NULL. Others are fixed by their first write and kept in the store. */
    const struct nbx_value *attribute_types;
    /* NULL: the items as they are; else as they were when the newest change had this number. The
     * types of attributes are today's, which have only grown wider. */
    const uint64_t *as_of;
};

/* The snapshot of what the store holds, or held: see as_of. ids, store and budget outlive every
 * snapshot. */
enum nbx_err nbx_catalog_load(struct nbx_catalog **out, struct nbx_ids *ids,
                              struct nbx_store *store, struct nbx_budget *budget,
                              const struct nbx_catalog_options *options, struct nbx_fault *fault);

enum nbx_change_kind { NBX_CHANGE_PUT, NBX_CHANGE_PATCH, NBX_CHANGE_DELETE };
struct nbx_change {
    struct nbx_str id;
    const struct nbx_value *fields; /* PUT, PATCH: a checked map of proto (nbx_items_req) */
    enum nbx_change_kind kind;
    struct nbx_fault fault; /* set by apply: code 0 where the change was taken */
};

/* When changes are applied: the clock becomes created/updated of the records, the number, which
 * rises from one apply to the next, tells as_of which of them came before. */
struct nbx_change_time {
    int64_t now_ms;
    uint64_t seq;
};

/* Applies the changes in order to a new snapshot *out and adds their records to `batch`, which the
 * caller writes before anybody sees *out. A change that cannot be taken (type conflict, unknown
 * channel, foreign currency, unknown item for a patch, memory budget) gets its fault and the others
 * go on. `old` stays valid until released. Of an item that changes, what it was is kept too. */
enum nbx_err nbx_catalog_apply(struct nbx_catalog **out, const struct nbx_catalog *old,
                               struct nbx_change *changes, size_t n, struct nbx_change_time when,
                               struct nbx_batch *batch);
/* One user more of the very same snapshot. */
struct nbx_catalog *nbx_catalog_share(struct nbx_catalog *catalog);
/* One user less; the last one frees what no other snapshot shares. */
void nbx_catalog_release(struct nbx_catalog **catalog);

/* One more than the greatest item number that this snapshot may hold; bitmaps have this many bits,
 * rounded up to whole chunks. */
size_t nbx_catalog_rows(const struct nbx_catalog *c);
/* Items present (put and not deleted). */
size_t nbx_catalog_count(const struct nbx_catalog *c);
/* Rises with every snapshot. */
uint64_t nbx_catalog_generation(const struct nbx_catalog *c);
bool nbx_catalog_has(const struct nbx_catalog *c, uint32_t item_no);
/* A number equal for items of one group; 0 where the item has none. */
uint32_t nbx_catalog_group(const struct nbx_catalog *c, uint32_t item_no);
int64_t nbx_catalog_created_ms(const struct nbx_catalog *c, uint32_t item_no);
/* Byte order of ids; an nbx_tie_fn with ctx a struct nbx_catalog. */
int nbx_catalog_tie(const void *catalog, uint32_t item_no_a, uint32_t item_no_b);
/* The item's vector of that space as item.put gave it, or n = 0. */
struct nbx_vector nbx_catalog_vector(const struct nbx_catalog *c, uint32_t item_no);
/* Items whose own vector differs between two snapshots; old NULL: all that have one. Fills item
 * numbers, rising, and returns how many there are. */
size_t nbx_catalog_vectors_changed(const struct nbx_catalog *old, const struct nbx_catalog *c,
                                   uint32_t *item_nos, size_t room);
/* Rises whenever an item's own vector is put, changed or removed. */
uint64_t nbx_catalog_vectors_generation(const struct nbx_catalog *c);
/* The same of an item's traits: whether it is present, its vector, brand, title, categories and
 * price. old NULL: all that are present. Takes time in proportion to what changed. */
size_t nbx_catalog_traits_changed(const struct nbx_catalog *old, const struct nbx_catalog *c,
                                  uint32_t *item_nos, size_t room);
uint64_t nbx_catalog_traits_generation(const struct nbx_catalog *c);

/* Known field names: built-in ones and attributes. */
bool nbx_catalog_knows_field(const struct nbx_catalog *c, struct nbx_str field);
/* "id, group, kind, ..., color, size" for messages. */
void nbx_catalog_list_fields(const struct nbx_catalog *c, struct nbx_buf *out);
/* The value of one field of one item; nil where it has none. Strings are borrowed from the
 * snapshot, lists are made in the arena. `stock` gives a map store -> count. */
struct nbx_value nbx_catalog_field(const struct nbx_catalog *c, uint32_t item_no,
                                   struct nbx_str field, struct nbx_arena *arena);

/* All fields of an item that is present, as item.put takes them (a vector as bin), without its id.
 * Strings and vectors are borrowed from the snapshot. false where the arena is out. */
bool nbx_catalog_item(struct nbx_value *out, const struct nbx_catalog *c, uint32_t item_no,
                      struct nbx_arena *arena);

/* What is offered where and when. */
struct nbx_offer {
    struct nbx_str channel; /* empty: any */
    struct nbx_str store;   /* empty: any store with stock counts */
    int64_t now_ms;
};
/* True where the item may be shown: present, `available` not false, valid_from <= now < valid_to,
 * its channels empty or naming the channel; where it has stock counts, that store's (or, with no
 * store named, any store's) above 0. Items without stock counts are not tracked and pass. */
bool nbx_catalog_offered(const struct nbx_catalog *c, uint32_t item_no,
                         const struct nbx_offer *offer);

#endif
