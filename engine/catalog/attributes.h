/* SPDX-License-Identifier: MIT
 * The types of attributes, as they are kept: by configuration, and in the store by first write.
 *
 * Why:     a type outlives the item that fixed it, and every restart.
 * Owns:    nothing.
 * Threads: the writer thread.
 * Errors:  NBX_EBAD: configuration names a type there is not. NBX_ECONFLICT: it names another than
 *          the stored values have (int may become float). NBX_ECORRUPT, NBX_EVERSION.
 */
#ifndef NBX_CATALOG_ATTRIBUTES_H
#define NBX_CATALOG_ATTRIBUTES_H

#include "engine/catalog/snapshot.h"
#include "engine/store/store.h"

/* Adds to the batch the types of those attributes of an item (NULL: it has none) that the store
 * does not know, under meta "attribute/<name>". Configured ones are stored by their first write
 * too. */
void nbx_attributes_store(struct nbx_batch *batch, struct nbx_catalog *draft,
                          const struct nbx_value *attributes);
/* Widens the draft, which has only the built-in columns, by all that are known. */
enum nbx_err nbx_attributes_load(struct nbx_catalog *draft, const struct nbx_value *configured,
                                 struct nbx_fault *fault);

#endif
