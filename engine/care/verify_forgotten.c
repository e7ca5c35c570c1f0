/* SPDX-License-Identifier: MIT
 * What must hold of who was forgotten.
 */
#include "engine/care/erase.h"
#include "engine/care/verify_internal.h"

const char *nbx_verify__forgotten(struct nbx_check *c, struct nbx_str key,
                                  const struct nbx_stored *stored)
{
    struct nbx_forgotten_record r;
    uint8_t hash[NBX_FORGOTTEN_HASH_BYTES];
    int64_t time_ms;
    const char *what = nbx_verify__undecoded(c, nbx_forgotten_record_decode(&r, stored, c->arena));
    if (what || c->err)
        return what;
    if (!nbx_key_forgotten_parse(key, hash, &time_ms))
        return "has a key that is no hash and time";
    struct nbx_erase_ranges ranges = {.n = 0};
    if (r.number)
        nbx_erase_ranges_of(&ranges, r.number);
    for (size_t i = 0; !c->err && i < ranges.n; i++)
        if (nbx_family_is_personal(ranges.p[i].family) &&
            ranges.p[i].family != NBX_FAMILY_LINKS && /* may wait for others: see verify_links.c */
            nbx_erase_has_record(c->store, &ranges.p[i], &c->err))
            return "something is there of who was forgotten";
    return NULL;
}
