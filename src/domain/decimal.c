/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/decimal.h"

#define EXPONENT_DIGITS_MAX 15

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t
digits_end(struct str text, size_t at)
{
    while (at < text.len && is_digit(text.ptr[at]))
        at++;
    return at;
}

/* "e-05" from at to the end of the text. */
static enum err
exponent_parse(struct str text, size_t at, int64_t *ret)
{
    bool is_negative = false;
    int64_t value = 0;

    at++;
    if (at < text.len && (text.ptr[at] == '+' || text.ptr[at] == '-'))
        is_negative = text.ptr[at++] == '-';
    if (at == text.len || digits_end(text, at) != text.len)
        return ERR_INVALID;
    while (at < text.len && text.ptr[at] == '0')
        at++;
    if (text.len - at > EXPONENT_DIGITS_MAX)
        return ERR_LIMIT;
    for (; at < text.len; at++)
        value = value * 10 + (text.ptr[at] - '0');
    *ret = is_negative ? -value : value;
    return OK;
}

enum err
decimal_parse(struct str text, struct decimal *ret)
{
    struct decimal decimal = {0};
    size_t from = text.len > 0 && text.ptr[0] == '-' ? 1 : 0;
    size_t point = digits_end(text, from);
    size_t to = point;
    int64_t exponent = 0;

    if (point == from || (point > from + 1 && text.ptr[from] == '0'))
        return ERR_INVALID;
    if (to < text.len && text.ptr[to] == '.') {
        to = digits_end(text, to + 1);
        if (to == point + 1)
            return ERR_INVALID;
    }
    if (to < text.len) {
        enum err err = ERR_INVALID;

        if (text.ptr[to] == 'e' || text.ptr[to] == 'E')
            err = exponent_parse(text, to, &exponent);
        if (err != OK)
            return err;
    }

    decimal.is_negative = from == 1;
    while (from < to && (text.ptr[from] == '0' || text.ptr[from] == '.'))
        from++;
    while (to > from && (text.ptr[to - 1] == '0' || text.ptr[to - 1] == '.'))
        to--;
    if (from == to) {
        *ret = (struct decimal){0};
        return OK;
    }
    /* How far the first digit stands before the point; behind it, the point itself is passed. */
    decimal.power = exponent + (int64_t)point - (int64_t)from + (from > point ? 1 : 0);
    decimal.digits = str_slice(text, from, to);
    *ret = decimal;
    return OK;
}

/* The next digit at *at, or NUL behind the last. A NUL is below any digit, and right so: the last
 * digit is no zero, so who has more of them is more. */
static char
next_digit(struct str digits, size_t *at)
{
    if (*at < digits.len && digits.ptr[*at] == '.')
        (*at)++;
    return *at < digits.len ? digits.ptr[(*at)++] : '\0';
}

static int
compare_digits(struct str a, struct str b)
{
    size_t a_at = 0;
    size_t b_at = 0;

    for (;;) {
        char left = next_digit(a, &a_at);
        char right = next_digit(b, &b_at);

        if (left != right)
            return left < right ? -1 : 1;
        if (left == '\0')
            return 0;
    }
}

static int
sign_of(const struct decimal *decimal)
{
    if (decimal->digits.len == 0)
        return 0;
    return decimal->is_negative ? -1 : 1;
}

int
decimal_compare(const struct decimal *a, const struct decimal *b)
{
    int sign = sign_of(a);

    if (sign != sign_of(b))
        return sign < sign_of(b) ? -1 : 1;
    if (sign == 0)
        return 0;
    if (a->power != b->power)
        return a->power < b->power ? -sign : sign;
    return sign * compare_digits(a->digits, b->digits);
}

static size_t
write_power(int64_t power, char *out)
{
    char digits[20];
    size_t count = 0;
    size_t len = 0;
    uint64_t rest = power < 0 ? 0 - (uint64_t)power : (uint64_t)power;

    do {
        digits[count++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (power < 0)
        out[len++] = '-';
    while (count > 0)
        out[len++] = digits[--count];
    return len;
}

size_t
decimal_write(const struct decimal *decimal, char *out)
{
    size_t len = 0;
    size_t at = 0;

    if (decimal->is_negative)
        out[len++] = '-';
    for (;;) {
        char digit = next_digit(decimal->digits, &at);

        if (digit == '\0')
            break;
        out[len++] = digit;
    }
    out[len++] = 'e';
    return len + write_power(decimal->power, out + len);
}
