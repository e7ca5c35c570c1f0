/* SPDX-License-Identifier: MIT */
#include "engine/base/utf8.h"

/* Length of the sequence that begins at p, or 0 where it is not well-formed (RFC 3629, ch. 4). */
static unsigned sequence(const unsigned char *p, unsigned left)
{
    unsigned char a = p[0];
    if (a < 0x80)
        return 1;
    unsigned n = a >= 0xF0 ? 4 : a >= 0xE0 ? 3 : 2;
    if (a < 0xC2 || a > 0xF4 || left < n)
        return 0;
    for (unsigned i = 1; i < n; i++)
        if ((p[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (a == 0xE0 && p[1] < 0xA0) || (a == 0xF0 && p[1] < 0x90);
    bool surrogate = a == 0xED && p[1] > 0x9F;
    bool too_large = a == 0xF4 && p[1] > 0x8F;
    return overlong || surrogate || too_large ? 0 : n;
}

bool nbx_utf8_valid(struct nbx_str s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    for (uint32_t i = 0; i < s.len;) {
        unsigned n = sequence(p + i, s.len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

bool nbx_id_valid(struct nbx_str s)
{
    return s.len >= 1 && s.len <= NBX_ID_MAX_BYTES && !memchr(s.p, '\0', s.len) &&
           nbx_utf8_valid(s);
}
