/* SPDX-License-Identifier: MIT */
#include "engine/base/decimal.h"

#include <criterion/criterion.h>
#include <inttypes.h>

static void expect(const char *text, unsigned scale, int64_t want)
{
    int64_t got = 7;
    cr_expect_eq(nbx_decimal_parse(&got, nbx_str_c(text), scale), NBX_DECIMAL_OK, "%s", text);
    cr_expect_eq(got, want, "%s at %u is %" PRId64, text, scale, got);
}

static void refuse(const char *text, unsigned scale, enum nbx_decimal why)
{
    int64_t got = 7;
    cr_expect_eq(nbx_decimal_parse(&got, nbx_str_c(text), scale), why, "%s", text);
    cr_expect_eq(got, 7);
}

Test(decimal, scales_exactly)
{
    expect("19.99", 2, 1999);
    expect("19.9", 2, 1990);
    expect("19", 2, 1900);
    expect("-0.05", 2, -5);
    expect("+1.500", 2, 150);
    expect("1.2345", 4, 12345);
    expect("007", 0, 7);
    expect("9223372036854775807", 0, INT64_MAX);
    expect("-9223372036854775808", 0, INT64_MIN);
    expect("92233720368547758.07", 2, INT64_MAX);
}

Test(decimal, refuses_with_the_reason)
{
    refuse("", 2, NBX_DECIMAL_NOT_A_NUMBER);
    refuse("-", 2, NBX_DECIMAL_NOT_A_NUMBER);
    refuse(".5", 2, NBX_DECIMAL_NOT_A_NUMBER);
    refuse("5.", 2, NBX_DECIMAL_NOT_A_NUMBER);
    refuse("1,5", 2, NBX_DECIMAL_NOT_A_NUMBER);
    refuse("1e3", 2, NBX_DECIMAL_NOT_A_NUMBER);
    refuse("15 EUR", 2, NBX_DECIMAL_NOT_A_NUMBER);
    refuse("1.999", 2, NBX_DECIMAL_TOO_FINE);
    refuse("15.00", 0, NBX_DECIMAL_HAS_POINT);
    refuse("9223372036854775808", 0, NBX_DECIMAL_TOO_LARGE);
    refuse("92233720368547758.08", 2, NBX_DECIMAL_TOO_LARGE);
    refuse("92233720368547759", 2, NBX_DECIMAL_TOO_LARGE);
}
