/* SPDX-License-Identifier: MIT
 * A bundle's items against the catalogue's. A bundle may know items that are gone or still to come,
 * and a catalogue items that came since; where most are foreign the file is of another shop.
 */
#include "engine/model/accept_internal.h"

#include <stdio.h>

#define FIELD "item_ids.bytes"

/* A bundle that says what attributes mean has a vector for every item put. */
static enum nbx_err check_covered(struct nbx_accept *a, size_t known)
{
    const struct nbx_catalog *catalog = a->options->catalog;
    size_t n = nbx_catalog_count(catalog);
    double least = a->options->bounds.min_covered;
    a->out->covered = (double)known / (double)n;
    if (a->info->features.n || a->out->covered >= least)
        return NBX_OK;
    return nbx_fault_set(a->fault, NBX_EBAD, FIELD,
                         "has %zu of the catalogue's %zu items (%.4g %%); at least %g %%", known, n,
                         100 * a->out->covered, 100 * least);
}

enum nbx_err nbx_accept__items(struct nbx_accept *a)
{
    const struct nbx_catalog *catalog = a->options->catalog;
    size_t n = a->info->n_items, unknown = 0, first = 0;
    char item[NBX_ACCEPT__ITEM_BYTES];
    double most = a->options->bounds.max_unknown;
    if (!catalog || nbx_catalog_count(catalog) == 0)
        return NBX_OK;
    for (size_t i = 0; i < n; i++) {
        uint32_t item_no = nbx_ids_find(a->options->ids, a->info->item_ids[i]);
        if (item_no && nbx_catalog_has(catalog, item_no))
            continue;
        first = unknown++ ? first : i;
    }
    a->out->compared = true;
    a->out->unknown = (double)unknown / (double)n;
    if (a->out->unknown > most)
        return nbx_fault_set(a->fault, NBX_EBAD, FIELD,
                             "%zu of %zu items (%.4g %%) are unknown to the catalogue, such as %s; "
                             "at most %g %%",
                             unknown, n, 100 * a->out->unknown,
                             nbx_accept__item(item, a->info, first), 100 * most);
    return check_covered(a, n - unknown);
}
