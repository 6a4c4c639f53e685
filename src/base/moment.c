/* SPDX-License-Identifier: Apache-2.0 */
#include "base/moment.h"

#include <stdbool.h>
#include <string.h>

#define US_PER_MINUTE (INT64_C(60) * US_PER_S)

/* 0000-01-01T00:00:00Z and the last microsecond of 9999, the years that four digits can say. */
#define US_FIRST (INT64_C(-719528) * US_PER_DAY)
#define US_LAST  (INT64_C(2932897) * US_PER_DAY - 1)

/* Years begin in March here, so that the leap day is the last of its year; an era is 400 years.
 * After H. Hinnant, "chrono-compatible low-level date algorithms". */
int64_t
days_from_civil(int64_t year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * 146097 + day_of_era - 719468;
}

void
civil_from_days(int64_t days, int64_t *ret_year, int *ret_month, int *ret_day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t day_of_era = z - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;

    *ret_day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = year_of_era + era * 400 + (*ret_month <= 2 ? 1 : 0);
}

static void
put_digits(char *text, int64_t value, size_t count)
{
    for (size_t i = count; i > 0; i--) {
        text[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
}

void
walltime_format(struct walltime at, char ret_text[WALLTIME_TEXT_BYTES])
{
    int64_t us = at.us < US_FIRST ? US_FIRST : at.us > US_LAST ? US_LAST : at.us;
    int64_t since_first = us - US_FIRST;
    int64_t of_day = since_first % US_PER_DAY;
    int64_t year;
    int month;
    int day;

    civil_from_days((us - of_day) / US_PER_DAY, &year, &month, &day);
    memcpy(ret_text, "0000-00-00T00:00:00.000Z", WALLTIME_TEXT_BYTES);
    put_digits(ret_text, year, 4);
    put_digits(ret_text + 5, month, 2);
    put_digits(ret_text + 8, day, 2);
    put_digits(ret_text + 11, of_day / (60 * US_PER_MINUTE), 2);
    put_digits(ret_text + 14, of_day / US_PER_MINUTE % 60, 2);
    put_digits(ret_text + 17, of_day / US_PER_S % 60, 2);
    put_digits(ret_text + 20, of_day / US_PER_MS % 1000, 3);
}

/* Exactly count digits off the front of *rest, between low and high. */
static bool
take_number(struct str *rest, size_t count, int low, int high, int *ret)
{
    int value = 0;

    if (rest->len < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (rest->ptr[i] < '0' || rest->ptr[i] > '9')
            return false;
        value = value * 10 + (rest->ptr[i] - '0');
    }
    if (value < low || value > high)
        return false;
    *rest = str_slice(*rest, count, rest->len);
    *ret = value;
    return true;
}

static bool
take_char(struct str *rest, char c)
{
    if (rest->len == 0 || rest->ptr[0] != c)
        return false;
    *rest = str_slice(*rest, 1, rest->len);
    return true;
}

static int
days_in_month(int year, int month)
{
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    if (month == 2)
        return leap ? 29 : 28;
    return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

static bool
take_date(struct str *rest, int64_t *ret_us)
{
    int year;
    int month;
    int day;

    if (!take_number(rest, 4, 0, 9999, &year) || !take_char(rest, '-') ||
        !take_number(rest, 2, 1, 12, &month) || !take_char(rest, '-') ||
        !take_number(rest, 2, 1, days_in_month(year, month), &day))
        return false;
    *ret_us = days_from_civil(year, month, day) * US_PER_DAY;
    return true;
}

static bool
take_fraction(struct str *rest, int64_t *ret_us)
{
    int64_t unit = US_PER_S / 10;
    int64_t us = 0;
    int digit;

    if (!take_number(rest, 1, 0, 9, &digit))
        return false;
    do {
        us += digit * unit;
        unit /= 10;
    } while (take_number(rest, 1, 0, 9, &digit));
    *ret_us = us;
    return true;
}

static bool
take_time(struct str *rest, int64_t *ret_us)
{
    int hour;
    int minute;
    int second = 0;
    int64_t fraction = 0;

    if (!take_number(rest, 2, 0, 23, &hour) || !take_char(rest, ':') ||
        !take_number(rest, 2, 0, 59, &minute))
        return false;
    if (take_char(rest, ':')) {
        if (!take_number(rest, 2, 0, 60, &second))
            return false;
        if (take_char(rest, '.') && !take_fraction(rest, &fraction))
            return false;
    }
    *ret_us = (hour * INT64_C(60) + minute) * US_PER_MINUTE + second * US_PER_S + fraction;
    return true;
}

/* How far the clock on that wall is ahead of UTC. */
static bool
take_offset(struct str *rest, int64_t *ret_us)
{
    bool negative;
    int hour;
    int minute;

    if (take_char(rest, 'Z') || take_char(rest, 'z')) {
        *ret_us = 0;
        return true;
    }
    negative = take_char(rest, '-');
    if (!negative && !take_char(rest, '+'))
        return false;
    if (!take_number(rest, 2, 0, 23, &hour) || !take_char(rest, ':') ||
        !take_number(rest, 2, 0, 59, &minute))
        return false;
    *ret_us = (hour * INT64_C(60) + minute) * US_PER_MINUTE * (negative ? -1 : 1);
    return true;
}

enum err
walltime_parse(struct str text, struct walltime *ret)
{
    struct str rest = text;
    int64_t date;
    int64_t time;
    int64_t offset;
    int64_t us;

    if (!take_date(&rest, &date) || (!take_char(&rest, 'T') && !take_char(&rest, 't')) ||
        !take_time(&rest, &time) || !take_offset(&rest, &offset) || rest.len != 0)
        return ERR_INVALID;
    us = date + time - offset;
    if (us < US_FIRST || us > US_LAST)
        return ERR_INVALID;
    *ret = (struct walltime){us};
    return OK;
}
