/* SPDX-License-Identifier: MIT
 * What is offered, chunk by chunk, as bits that say how long they hold.
 *
 * Why:     presence, availability, channel, stock and validity are asked of every request; the bits
 *          are kept until a chunk changes or the clock leaves the span in which they hold.
 * Owns:    nothing.
 * Threads: any.
 * Errors:  none: names nobody has heard of match nothing.
 */
#ifndef NBX_CATALOG_OFFER_H
#define NBX_CATALOG_OFFER_H

#include "engine/catalog/snapshot.h"

/* An offer's names as codes. */
struct nbx_offer_codes {
    bool any_channel, any_store;
    uint32_t channel, store; /* NBX_WORD_NONE: no item knows it */
    int64_t now_ms;
};

struct nbx_offer_codes nbx_offer_codes(const struct nbx_catalog *c, const struct nbx_offer *offer);

/* bits: (NBX_CHUNK_WORDS). They hold for *from_ms <= now < *until_ms. */
void nbx_offer_chunk(uint64_t *bits, int64_t *from_ms, int64_t *until_ms,
                     const struct nbx_chunk *chunk, const struct nbx_offer_codes *offer);

#endif
