/* SPDX-License-Identifier: MIT */
#include "engine/customer/fold.h"

#include "engine/base/buf.h"
#include "engine/base/hash.h"

#include <math.h>
#include <string.h>

#define AMOUNT_MOST 0x1p59 /* as far as a record holds it */

static enum nbx_effect effect_of(const struct nbx_event_record *event,
                                 const struct nbx_event_type *type)
{
    if (!type || type->class == NBX_CLASS_NEUTRAL)
        return NBX_EFFECT_NEUTRAL;
    bool badly_rated = !isnan(event->rating) && event->rating < type->negative_below;
    return type->class == NBX_CLASS_NEGATIVE || badly_rated ? NBX_EFFECT_NEGATIVE
                                                            : NBX_EFFECT_POSITIVE;
}

void nbx_fold_decide(struct nbx_event_record *event, const struct nbx_event_type *type)
{
    event->effect = effect_of(event, type);
    event->trend_amount = 0;
    if (event->effect == NBX_EFFECT_POSITIVE && event->item_no)
        event->trend_amount = llround(fmin(type->weight * NBX_TREND_AMOUNT_UNITS, AMOUNT_MOST));
}

uint64_t nbx_fold_term(const uint8_t id_hash[16], int64_t time_ms)
{
    uint8_t bytes[24];
    memcpy(bytes, id_hash, 16);
    nbx_be64_put(bytes + 16, (uint64_t)time_ms);
    return nbx_hash64(bytes, sizeof bytes);
}

bool nbx_fold_is_seen(const struct nbx_event_record *event)
{
    return event->item_no && event->effect != NBX_EFFECT_NEUTRAL;
}

enum nbx_err nbx_fold_seen(struct nbx_seen_record *seen, const struct nbx_event_record *event,
                           int64_t time_ms, const uint8_t id_hash[16], struct nbx_arena *arena)
{
    struct nbx_seen_entry entry = {.item_no = event->item_no,
                                   .type_no = event->type_no,
                                   .negative = event->effect == NBX_EFFECT_NEGATIVE,
                                   .scope = event->scope,
                                   .last_ms = time_ms};
    enum nbx_err err = nbx_seen_add(seen, &entry, arena);
    if (!err)
        seen->digest += nbx_fold_term(id_hash, time_ms);
    return err;
}
