/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/retry_after.h"

#include <stdbool.h>

#include "base/compiler.h"

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int64_t
cut(int64_t us)
{
    return us > RETRY_AFTER_US_MAX ? RETRY_AFTER_US_MAX : us;
}

/* However many digits there are: past a day the value no longer grows. */
static enum err
seconds_parse(struct str text, int64_t *ret_us)
{
    int64_t us = 0;
    int64_t unit_us = US_PER_S;
    size_t i = 0;

    for (; i < text.len && is_digit(text.ptr[i]); i++)
        us = cut(us * 10 + (text.ptr[i] - '0') * US_PER_S);
    if (i == 0)
        return ERR_INVALID;
    if (i < text.len) {
        if (text.ptr[i] != '.' || i + 1 == text.len)
            return ERR_INVALID;
        for (i++; i < text.len; i++) {
            if (!is_digit(text.ptr[i]))
                return ERR_INVALID;
            unit_us /= 10;
            us += (text.ptr[i] - '0') * unit_us;
        }
    }
    *ret_us = cut(us);
    return OK;
}

/* In the pattern A is a letter, D a digit, P a digit or a space; all else stands for itself. */
static bool
matches(struct str text, struct str pattern)
{
    if (text.len != pattern.len)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

        switch (pattern.ptr[i]) {
        case 'A':
            if (!is_letter)
                return false;
            break;
        case 'D':
            if (!is_digit(c))
                return false;
            break;
        case 'P':
            if (!is_digit(c) && c != ' ')
                return false;
            break;
        default:
            if (c != pattern.ptr[i])
                return false;
        }
    }
    return true;
}

/* Position of text in the list, or -1. */
static int
position(struct str text, const char *const *list, int count)
{
    for (int i = 0; i < count; i++) {
        if (str_equals(text, str_from(list[i])))
            return i;
    }
    return -1;
}

/* Decimal digits, of which the first may be a space. */
static int
number(struct str text, size_t from, size_t len)
{
    int value = 0;

    for (size_t i = from; i < from + len; i++)
        value = value * 10 + (text.ptr[i] == ' ' ? 0 : text.ptr[i] - '0');
    return value;
}

struct date {
    int64_t year;
    int day;
    struct str month;
    size_t clock; /* where "08:49:37" begins */
};

/* The year with these last two digits, at most 50 years ahead of now (RFC 9110 §5.6.7). */
static int64_t
year_from_two_digits(int two_digits, struct walltime now)
{
    int64_t year = 0;
    int month = 0;
    int day = 0;

    civil_from_days(now.us / US_PER_DAY, &year, &month, &day);
    year += 50;
    return year - ((year - two_digits) % 100 + 100) % 100;
}

/* Which of the three forms, and where its parts are. */
static bool
date_find(struct str text, struct walltime now, struct date *ret)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const long_days[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday",
        "Friday", "Saturday"};
    bool has_day = position(str_slice(text, 0, 3), days, COUNT_OF(days)) >= 0;
    size_t comma = str_find(text, ',', 0);

    if (has_day && matches(text, STR("AAA, DD AAA DDDD DD:DD:DD GMT"))) {
        *ret = (struct date){number(text, 12, 4), number(text, 5, 2), str_slice(text, 8, 11), 17};
        return true;
    }
    if (has_day && matches(text, STR("AAA AAA PD DD:DD:DD DDDD"))) {
        *ret = (struct date){number(text, 20, 4), number(text, 8, 2), str_slice(text, 4, 7), 11};
        return true;
    }
    if (comma == SIZE_MAX ||
        position(str_slice(text, 0, comma), long_days, COUNT_OF(long_days)) < 0 ||
        !matches(str_slice(text, comma, text.len), STR(", DD-AAA-DD DD:DD:DD GMT")))
        return false;
    *ret = (struct date){year_from_two_digits(number(text, comma + 9, 2), now),
        number(text, comma + 2, 2), str_slice(text, comma + 5, comma + 8), comma + 12};
    return true;
}

/* The name of the day is not held against the date: the date alone says when. */
static enum err
http_date_parse(struct str text, struct walltime now, struct walltime *ret)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
        "Sep", "Oct", "Nov", "Dec"};
    struct date date;
    int month;
    int hour;
    int minute;
    int second;
    int64_t days;
    int64_t year_back = 0;
    int month_back = 0;
    int day_back = 0;

    if (!date_find(text, now, &date))
        return ERR_INVALID;
    month = position(date.month, months, COUNT_OF(months)) + 1;
    hour = number(text, date.clock, 2);
    minute = number(text, date.clock + 3, 2);
    second = number(text, date.clock + 6, 2);
    if (month == 0 || date.day < 1 || date.day > 31 || hour > 23 || minute > 59 || second > 60)
        return ERR_INVALID;

    /* 30 February would come back as another day. */
    days = days_from_civil(date.year, month, date.day);
    civil_from_days(days, &year_back, &month_back, &day_back);
    if (day_back != date.day)
        return ERR_INVALID;
    ret->us = days * US_PER_DAY + (hour * 3600 + minute * 60 + second) * US_PER_S;
    return OK;
}

enum err
retry_after_parse(struct str text, struct walltime now, int64_t *ret_us)
{
    struct walltime date;

    text = str_trim(text);
    if (text.len > 0 && is_digit(text.ptr[0]))
        return seconds_parse(text, ret_us);
    if (http_date_parse(text, now, &date) != OK)
        return ERR_INVALID;
    *ret_us = date.us <= now.us ? 0 : cut(date.us - now.us);
    return OK;
}
