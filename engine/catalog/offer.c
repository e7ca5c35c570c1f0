/* SPDX-License-Identifier: MIT */
#include "engine/catalog/offer.h"

struct nbx_offer_codes nbx_offer_codes(const struct nbx_catalog *c, const struct nbx_offer *offer)
{
    struct nbx_offer_codes codes = {.any_channel = !offer->channel.len,
                                    .any_store = !offer->store.len,
                                    .now_ms = offer->now_ms};
    if (!codes.any_channel)
        codes.channel = nbx_words_find(c->home->words, offer->channel);
    if (!codes.any_store)
        codes.store = nbx_words_find(c->home->words, offer->store);
    return codes;
}

static bool on_channel(const struct nbx_segment *s, uint32_t row,
                       const struct nbx_offer_codes *offer)
{
    uint32_t n;
    const uint32_t *codes = nbx_segment_many(s, row, &n);
    if (!codes)
        return true;
    for (uint32_t i = 0; i < n; i++)
        if (codes[i] == offer->channel)
            return true;
    return false;
}

static bool in_stock(const struct nbx_segment *s, uint32_t row, const struct nbx_offer_codes *offer)
{
    uint32_t n;
    const uint32_t *pairs = nbx_segment_many(s, row, &n);
    if (!pairs)
        return true;
    for (uint32_t i = 0; i < n; i += 2)
        if ((offer->any_store || pairs[i] == offer->store) && pairs[i + 1] > 0)
            return true;
    return false;
}

/* Clears the bits of the rows that fail; those already clear are not asked. */
static void keep(uint64_t *bits, const struct nbx_segment *s,
                 bool (*passes)(const struct nbx_segment *, uint32_t,
                                const struct nbx_offer_codes *),
                 const struct nbx_offer_codes *offer)
{
    for (uint32_t w = 0; w < NBX_CHUNK_WORDS; w++)
        for (uint64_t left = bits[w]; left; left &= left - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(left);
            if (!passes(s, w * 64 + bit, offer))
                bits[w] &= ~(UINT64_C(1) << bit);
        }
}

static void keep_available(uint64_t *bits, const struct nbx_segment *s)
{
    for (uint32_t w = 0; w < NBX_CHUNK_WORDS; w++) {
        uint64_t passes = 0;
        for (uint32_t i = 0; i < 64; i++)
            passes |= (uint64_t)(s->data[w * 64 + i] != NBX_BOOL_FALSE) << i;
        bits[w] &= passes;
    }
}

/* Where a border (an end of validity) lies before now or at it, the bits began to hold there at the
 * earliest; where it lies ahead, they end there at the latest. */
static void narrow(int64_t *from_ms, int64_t *until_ms, int64_t border, int64_t now_ms)
{
    if (border <= now_ms && border > *from_ms)
        *from_ms = border;
    if (border > now_ms && border < *until_ms)
        *until_ms = border;
}

/* begins: items are offered from their border on; else up to before it. */
static void keep_valid(uint64_t *bits, int64_t *from_ms, int64_t *until_ms,
                       const struct nbx_segment *s, bool begins, int64_t now_ms)
{
    const int64_t *borders = nbx_segment_ints(s);
    for (uint32_t w = 0; w < NBX_CHUNK_WORDS; w++)
        for (uint64_t left = bits[w]; left; left &= left - 1) {
            uint32_t bit = (uint32_t)__builtin_ctzll(left);
            int64_t border = borders[w * 64 + bit];
            if (border == NBX_INT_MISSING)
                continue;
            narrow(from_ms, until_ms, border, now_ms);
            if ((border <= now_ms) != begins)
                bits[w] &= ~(UINT64_C(1) << bit);
        }
}

void nbx_offer_chunk(uint64_t *bits, int64_t *from_ms, int64_t *until_ms,
                     const struct nbx_chunk *chunk, const struct nbx_offer_codes *offer)
{
    const struct nbx_segment *available = nbx_chunk_segment(chunk, NBX_COL_AVAILABLE);
    const struct nbx_segment *channels = nbx_chunk_segment(chunk, NBX_COL_CHANNELS);
    const struct nbx_segment *stock = nbx_chunk_segment(chunk, NBX_COL_STOCK);
    const struct nbx_segment *begin = nbx_chunk_segment(chunk, NBX_COL_VALID_FROM);
    const struct nbx_segment *end = nbx_chunk_segment(chunk, NBX_COL_VALID_TO);
    *from_ms = INT64_MIN;
    *until_ms = INT64_MAX;
    memcpy(bits, chunk->present, sizeof chunk->present);
    if (available)
        keep_available(bits, available);
    if (channels && !offer->any_channel)
        keep(bits, channels, on_channel, offer);
    if (stock)
        keep(bits, stock, in_stock, offer);
    /* Whom its beginning hides has its end behind that, so the order asks enough of both. */
    if (begin)
        keep_valid(bits, from_ms, until_ms, begin, true, offer->now_ms);
    if (end)
        keep_valid(bits, from_ms, until_ms, end, false, offer->now_ms);
}

bool nbx_catalog_offered(const struct nbx_catalog *c, uint32_t item_no,
                         const struct nbx_offer *offer)
{
    uint32_t row;
    const struct nbx_chunk *chunk = nbx_catalog__find(c, item_no, &row);
    if (!chunk)
        return false;
    struct nbx_offer_codes codes = nbx_offer_codes(c, offer);
    const struct nbx_segment *s = nbx_chunk_segment(chunk, NBX_COL_AVAILABLE);
    if (s && s->data[row] == NBX_BOOL_FALSE)
        return false;
    s = nbx_chunk_segment(chunk, NBX_COL_CHANNELS);
    if (s && !codes.any_channel && !on_channel(s, row, &codes))
        return false;
    s = nbx_chunk_segment(chunk, NBX_COL_STOCK);
    if (s && !in_stock(s, row, &codes))
        return false;
    s = nbx_chunk_segment(chunk, NBX_COL_VALID_FROM);
    if (s && nbx_segment_ints(s)[row] > offer->now_ms) /* missing is the smallest number */
        return false;
    s = nbx_chunk_segment(chunk, NBX_COL_VALID_TO);
    int64_t end = s ? nbx_segment_ints(s)[row] : NBX_INT_MISSING;
    return end == NBX_INT_MISSING || end > offer->now_ms;
}
