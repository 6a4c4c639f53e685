/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/zone_rule.h"

#include "base/moment.h"

#define S_PER_DAY        86400
#define ABBREVIATION_MIN 3
#define HOURS_MAX        167 /* RFC 9636 §3.3.2: a week less an hour, either way */

/* What is left to read. */
struct reader {
    const char *at;
    const char *end;
};

static bool
reader_is_done(const struct reader *reader)
{
    return reader->at == reader->end;
}

static char
reader_peek(const struct reader *reader)
{
    return reader->at < reader->end ? *reader->at : '\0';
}

static bool
reader_take(struct reader *reader, char c)
{
    if (reader_is_done(reader) || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* One to three digits within [min, max]. */
static bool
read_number(struct reader *reader, int min, int max, int *ret)
{
    int value = 0;
    int digits = 0;

    while (is_digit(reader_peek(reader)) && digits < 3) {
        value = value * 10 + (*reader->at - '0');
        reader->at++;
        digits++;
    }
    if (digits == 0 || is_digit(reader_peek(reader)) || value < min || value > max)
        return false;
    *ret = value;
    return true;
}

/* The abbreviation is only passed over: offsets are all that anyone asks us for. */
static bool
skip_abbreviation(struct reader *reader)
{
    bool quoted = reader_take(reader, '<');
    int length = 0;

    for (; !reader_is_done(reader); reader->at++, length++) {
        char c = *reader->at;
        bool belongs = is_letter(c) || (quoted && (is_digit(c) || c == '+' || c == '-'));

        if (!belongs)
            break;
    }
    if (quoted && !reader_take(reader, '>'))
        return false;
    return length >= ABBREVIATION_MIN;
}

/* [+-]hh[:mm[:ss]] */
static bool
read_clock(struct reader *reader, int hours_max, int32_t *ret_s)
{
    bool negative = reader_take(reader, '-');
    int hours = 0;
    int minutes = 0;
    int seconds = 0;

    if (!negative)
        (void)reader_take(reader, '+');
    if (!read_number(reader, 0, hours_max, &hours))
        return false;
    if (reader_take(reader, ':')) {
        if (!read_number(reader, 0, 59, &minutes))
            return false;
        if (reader_take(reader, ':') && !read_number(reader, 0, 59, &seconds))
            return false;
    }
    *ret_s = hours * 3600 + minutes * 60 + seconds;
    if (negative)
        *ret_s = -*ret_s;
    return true;
}

/* POSIX counts west of Greenwich as positive; we count east. */
static bool
read_offset(struct reader *reader, int32_t *ret_s)
{
    int32_t west_s = 0;

    if (!read_clock(reader, 24, &west_s))
        return false;
    if (west_s > ZONE_OFFSET_S_MAX || west_s < -ZONE_OFFSET_S_MAX)
        return false;
    *ret_s = -west_s;
    return true;
}

static bool
read_date(struct reader *reader, struct zone_date *ret)
{
    struct zone_date date = {.time_s = 2 * 3600};

    if (!reader_take(reader, ','))
        return false;
    if (reader_take(reader, 'M')) {
        date.kind = ZONE_DATE_WEEKDAY;
        if (!read_number(reader, 1, 12, &date.month) || !reader_take(reader, '.') ||
            !read_number(reader, 1, 5, &date.week) || !reader_take(reader, '.') ||
            !read_number(reader, 0, 6, &date.day))
            return false;
    } else if (reader_take(reader, 'J')) {
        date.kind = ZONE_DATE_JULIAN;
        if (!read_number(reader, 1, 365, &date.day))
            return false;
    } else {
        date.kind = ZONE_DATE_ORDINAL;
        if (!read_number(reader, 0, 365, &date.day))
            return false;
    }
    if (reader_take(reader, '/') && !read_clock(reader, HOURS_MAX, &date.time_s))
        return false;
    *ret = date;
    return true;
}

static bool
read_rule(struct reader *reader, struct zone_rule *rule)
{
    if (!skip_abbreviation(reader) || !read_offset(reader, &rule->standard_s))
        return false;
    if (reader_is_done(reader))
        return true;

    rule->has_daylight = true;
    rule->daylight_s = rule->standard_s + 3600;
    if (!skip_abbreviation(reader))
        return false;
    if (reader_peek(reader) != ',' && !read_offset(reader, &rule->daylight_s))
        return false;
    return rule->daylight_s <= ZONE_OFFSET_S_MAX && read_date(reader, &rule->start) &&
           read_date(reader, &rule->end) && reader_is_done(reader);
}

enum err
zone_rule_parse(struct str text, struct zone_rule *ret, struct error *reterr)
{
    struct reader reader = {text.ptr, text.ptr};
    struct zone_rule rule = {0};

    if (text.len > 0)
        reader.end = text.ptr + text.len;
    if (!read_rule(&reader, &rule))
        return error_set(reterr, ERR_INVALID, "the rule is not understood at its byte %zu",
            text.len > 0 ? (size_t)(reader.at - text.ptr) : 0);
    *ret = rule;
    return OK;
}

static bool
is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int
days_in_month(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

/* 1970-01-01 was a Thursday. */
static int
weekday(int64_t days)
{
    return (int)(((days % 7) + 11) % 7);
}

/* The date in that year, as seconds since 1970 by the local clock. */
static int64_t
date_seconds(const struct zone_date *date, int64_t year)
{
    int64_t days = 0;

    switch (date->kind) {
    case ZONE_DATE_JULIAN:
        days = days_from_civil(year, 1, 1) + date->day - 1;
        if (date->day >= 60 && is_leap(year))
            days++;
        break;
    case ZONE_DATE_ORDINAL: days = days_from_civil(year, 1, 1) + date->day; break;
    case ZONE_DATE_WEEKDAY: {
        int64_t first = days_from_civil(year, date->month, 1);
        int day = (date->day - weekday(first) + 7) % 7 + (date->week - 1) * 7;

        while (day >= days_in_month(year, date->month))
            day -= 7;
        days = first + day;
        break;
    }
    }
    return days * S_PER_DAY + date->time_s;
}

int32_t
zone_rule_offset_at(const struct zone_rule *rule, int64_t utc_s)
{
    int64_t days = utc_s / S_PER_DAY - (utc_s % S_PER_DAY < 0 ? 1 : 0);
    int64_t year = 0;
    int month = 0;
    int day = 0;
    int64_t latest = INT64_MIN;
    int32_t offset_s = rule->standard_s;

    if (!rule->has_daylight)
        return rule->standard_s;

    /* A date may lie a week outside its year, so the last change before utc_s is one of these. */
    civil_from_days(days, &year, &month, &day);
    for (int64_t y = year - 2; y <= year + 1; y++) {
        int64_t start = date_seconds(&rule->start, y) - rule->standard_s;
        int64_t end = date_seconds(&rule->end, y) - rule->daylight_s;

        if (end <= utc_s && end > latest) {
            latest = end;
            offset_s = rule->standard_s;
        }
        if (start <= utc_s && start >= latest) {
            latest = start;
            offset_s = rule->daylight_s;
        }
    }
    return offset_s;
}
