/* SPDX-License-Identifier: MIT */
#include "engine/base/timestamp.h"

#include <math.h>
#include <stdlib.h>

#define MAX_MS     INT64_C(253402300799999) /* the year 9999 */
#define MS_PER_MIN INT64_C(60000)
#define MS_PER_DAY (24 * 60 * MS_PER_MIN)
#define NUMBER_MAX 40
#define AUTO_MS    1e11
#define AUTO_US    1e14

static bool within(int64_t *ms, double value)
{
    if (!(value >= 0 && value <= (double)MAX_MS))
        return false;
    *ms = (int64_t)value;
    return true;
}

static bool parse_number(int64_t *ms, struct nbx_str text, enum nbx_time_unit unit)
{
    char copy[NUMBER_MAX + 1], *end;
    if (text.len == 0 || text.len > NUMBER_MAX || strspn(text.p, "0123456789.eE+") < text.len)
        return false;
    memcpy(copy, text.p, text.len);
    copy[text.len] = '\0';
    double value = strtod(copy, &end);
    if (*end || end == copy)
        return false;
    if (unit == NBX_TIME_AUTO)
        unit = value < AUTO_MS ? NBX_TIME_S : value < AUTO_US ? NBX_TIME_MS : NBX_TIME_US;
    if (unit == NBX_TIME_S)
        return within(ms, round(value * 1000));
    return within(ms, unit == NBX_TIME_MS ? value : value / 1000);
}

/* dates */

struct cursor {
    const char *p, *end;
    bool failed;
};

/* n digits, or 0 and failed. */
static int digits(struct cursor *c, int n)
{
    int value = 0;
    for (int i = 0; i < n; i++, c->p++) {
        if (c->p >= c->end || *c->p < '0' || *c->p > '9') {
            c->failed = true;
            return 0;
        }
        value = value * 10 + (*c->p - '0');
    }
    return value;
}

static bool take(struct cursor *c, char wanted)
{
    if (c->p >= c->end || *c->p != wanted)
        return false;
    c->p++;
    return true;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar; the year begins in March, so that the
 * leap day is its last (Hinnant, "chrono-compatible low-level date algorithms"). */
static int64_t days_of(int year, int month, int day)
{
    year -= month <= 2;
    int era = year / 400, of_era = year % 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return (int64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static int64_t parse_day(struct cursor *c)
{
    int year = digits(c, 4);
    char mark = c->p < c->end && *c->p == '/' ? '/' : '-';
    c->failed |= !take(c, mark);
    int month = digits(c, 2);
    c->failed |= !take(c, mark);
    int day = digits(c, 2);
    if (c->failed || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) {
        c->failed = true;
        return 0;
    }
    return days_of(year, month, day) * MS_PER_DAY;
}

static int64_t parse_fraction(struct cursor *c)
{
    int64_t ms = 0, weight = 100;
    c->failed |= c->p >= c->end || *c->p < '0' || *c->p > '9';
    for (; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++, weight /= 10)
        ms += (*c->p - '0') * weight;
    return ms;
}

/* 60 is a leap second: the next minute's first. */
static int64_t parse_clock(struct cursor *c)
{
    int hour = digits(c, 2), second = 0;
    c->failed |= !take(c, ':');
    int minute = digits(c, 2);
    int64_t ms = 0;
    if (take(c, ':'))
        second = digits(c, 2);
    if (take(c, '.'))
        ms = parse_fraction(c);
    c->failed |= hour > 23 || minute > 59 || second > 60;
    return ((int64_t)hour * 60 + minute) * MS_PER_MIN + second * INT64_C(1000) + ms;
}

/* What is to be taken off to get UTC. */
static int64_t parse_zone(struct cursor *c)
{
    if (take(c, 'Z') || take(c, 'z'))
        return 0;
    if (c->end - c->p == 4 && memcmp(c->p, " UTC", 4) == 0) {
        c->p += 4;
        return 0;
    }
    int sign = take(c, '+') ? 1 : take(c, '-') ? -1 : 0;
    if (!sign)
        return 0;
    int hour = digits(c, 2);
    take(c, ':');
    int minute = digits(c, 2);
    c->failed |= hour > 23 || minute > 59;
    return sign * (int64_t)(hour * 60 + minute) * MS_PER_MIN;
}

static bool parse_date(int64_t *ms, struct nbx_str text)
{
    struct cursor c = {text.p, text.p + text.len, false};
    int64_t value = parse_day(&c);
    if (take(&c, 'T') || take(&c, 't') || take(&c, ' '))
        value += parse_clock(&c);
    value -= parse_zone(&c);
    if (c.failed || c.p != c.end || value < 0 || value > MAX_MS)
        return false;
    *ms = value;
    return true;
}

bool nbx_timestamp_parse(int64_t *ms, struct nbx_str text, enum nbx_time_unit unit)
{
    return text.len > 4 && (text.p[4] == '-' || text.p[4] == '/') ? parse_date(ms, text)
                                                                  : parse_number(ms, text, unit);
}
