/* SPDX-License-Identifier: MIT
 * What must hold of who was forgotten.
 */
#include "engine/care/verify_internal.h"

static bool is_gone(struct nbx_check *c, enum nbx_family family, uint64_t number)
{
    struct nbx_key from = nbx_key_customer(number), to = nbx_key_customer_end(number);
    struct nbx_cursor *cursor = NULL;
    struct nbx_str key;
    struct nbx_stored stored;
    enum nbx_err err =
        nbx_cursor_open(&cursor, c->store, family, nbx_key_str(&from), nbx_key_str(&to), false);
    if (!err)
        err = nbx_cursor_next(cursor, &key, &stored);
    nbx_cursor_close(&cursor);
    if (err && err != NBX_ENOTFOUND && err != NBX_ECORRUPT)
        c->err = err;
    return err == NBX_ENOTFOUND;
}

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
    for (int f = 0; r.number && !c->err && f < NBX_N_FAMILIES; f++)
        if (nbx_family_is_personal((enum nbx_family)f) && !is_gone(c, (enum nbx_family)f, r.number))
            return c->err ? NULL : "something is there of who was forgotten";
    return NULL;
}
