/* SPDX-License-Identifier: MIT */
#include "engine/base/decimal.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* *value = *value * 10 + digit; false where int64 cannot hold it. */
static bool append(int64_t *value, int digit)
{
    return !__builtin_mul_overflow(*value, 10, value) &&
           !__builtin_add_overflow(*value, digit, value);
}

enum nbx_decimal nbx_decimal_parse(int64_t *out, struct nbx_str text, unsigned scale)
{
    const char *p = text.p, *end = text.p + text.len;
    int sign = p < end && *p == '-' ? -1 : 1;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (p >= end || !is_digit(*p))
        return NBX_DECIMAL_NOT_A_NUMBER;
    int64_t value = 0;
    for (; p < end && is_digit(*p); p++)
        if (!append(&value, sign * (*p - '0')))
            return NBX_DECIMAL_TOO_LARGE;
    bool point = p < end && *p == '.';
    if (point && ++p == end)
        return NBX_DECIMAL_NOT_A_NUMBER;
    unsigned places = 0;
    bool fine = false;
    for (; p < end && is_digit(*p) && point; p++) {
        if (places == scale) {
            fine |= *p != '0';
            continue;
        }
        places++;
        if (!append(&value, sign * (*p - '0')))
            return NBX_DECIMAL_TOO_LARGE;
    }
    if (p != end)
        return NBX_DECIMAL_NOT_A_NUMBER;
    if (point && scale == 0)
        return NBX_DECIMAL_HAS_POINT;
    if (fine)
        return NBX_DECIMAL_TOO_FINE;
    for (; places < scale; places++)
        if (!append(&value, 0))
            return NBX_DECIMAL_TOO_LARGE;
    *out = value;
    return NBX_DECIMAL_OK;
}
