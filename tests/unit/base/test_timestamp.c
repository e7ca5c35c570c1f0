/* SPDX-License-Identifier: MIT */
#include "engine/base/timestamp.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static void expect(const char *text, enum nbx_time_unit unit, int64_t want)
{
    int64_t ms = -1;
    cr_expect(nbx_timestamp_parse(&ms, nbx_str_c(text), unit), "%s", text);
    cr_expect_eq(ms, want, "%s is %" PRId64 ", not %" PRId64, text, want, ms);
}

static void refuse(const char *text)
{
    int64_t ms = 7;
    cr_expect_not(nbx_timestamp_parse(&ms, nbx_str_c(text), NBX_TIME_AUTO), "%s", text);
    cr_expect_eq(ms, 7, "%s", text);
}

Test(timestamp, numbers_are_told_by_their_size)
{
    expect("0", NBX_TIME_AUTO, 0);
    expect("978300760", NBX_TIME_AUTO, 978300760000);
    expect("978300760.0", NBX_TIME_AUTO, 978300760000);
    expect("978300760.123", NBX_TIME_AUTO, 978300760123);
    expect("9.7830076e8", NBX_TIME_AUTO, 978300760000);
    expect("1700000000123", NBX_TIME_AUTO, 1700000000123);
    expect("1700000000123456", NBX_TIME_AUTO, 1700000000123);
}

Test(timestamp, a_unit_is_obeyed)
{
    expect("5000", NBX_TIME_S, 5000000);
    expect("5000", NBX_TIME_MS, 5000);
    expect("5000", NBX_TIME_US, 5);
    expect("253402300799999", NBX_TIME_MS, 253402300799999);
}

Test(timestamp, dates_are_read)
{
    expect("2010-12-01T08:26:00Z", NBX_TIME_AUTO, 1291191960000);
    expect("2010-12-01 08:26:00", NBX_TIME_AUTO, 1291191960000);
    expect("2010-12-01 08:26", NBX_TIME_AUTO, 1291191960000);
    expect("2010/12/01 08:26", NBX_TIME_AUTO, 1291191960000);
    expect("2010-12-01T09:26:00+01:00", NBX_TIME_AUTO, 1291191960000);
    expect("2010-12-01T04:26:00.1239-0400", NBX_TIME_AUTO, 1291191960123);
    expect("2019-10-01 00:00:00 UTC", NBX_TIME_AUTO, 1569888000000);
    expect("1970-01-01", NBX_TIME_MS, 0);
    expect("2016-12-31T23:59:60Z", NBX_TIME_AUTO, 1483228800000);
    expect("9999-12-31T23:59:59.999Z", NBX_TIME_AUTO, 253402300799999);
}

Test(timestamp, every_day_agrees_with_libc)
{
    for (int64_t day = 0; day < 60000; day += 13) {
        time_t t = (time_t)(day * 86400);
        struct tm tm;
        char text[32];
        gmtime_r(&t, &tm);
        strftime(text, sizeof text, "%Y-%m-%d", &tm);
        expect(text, NBX_TIME_AUTO, day * 86400000);
    }
}

Test(timestamp, nonsense_is_refused)
{
    static const char *const wrong[] = {"",
                                        "x",
                                        "-5",
                                        "1e99",
                                        "nan",
                                        "12 34",
                                        "2010-13-01",
                                        "2010-02-29",
                                        "2010-00-10",
                                        "2010-1-1",
                                        "1969-12-31",
                                        "2010-12-01T",
                                        "2010-12-01T24:00",
                                        "2010-12-01T08",
                                        "2010-12-01T08:26:00+1",
                                        "2010-12-01T08:26:00.",
                                        "2010-12-01 08:26:00 CET",
                                        "2010-12-01x",
                                        "0x10",
                                        "1.2.3",
                                        "2010-"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        refuse(wrong[i]);
}
