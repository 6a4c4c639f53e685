/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/contact.h"

#include <string.h>

/* Of an email that is cut off: fewer than these say nothing, and may be the end of any word. */
#define CUT_BYTES_MIN 6

static size_t
email_at(struct str rest, struct str email)
{
    size_t len = rest.len < email.len ? rest.len : email.len;

    if (len < email.len && len < CUT_BYTES_MIN)
        return 0;
    return str_equals_nocase(str_slice(rest, 0, len), str_slice(email, 0, len)) ? len : 0;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_separator(char c)
{
    return c == ' ' || c == '-' || c == '.' || c == '/' || c == '(' || c == ')';
}

/* It begins and ends with a digit. */
static size_t
phone_at(struct str rest, struct str phone)
{
    size_t digits = 0;
    size_t end = 0;

    for (size_t i = 0; i < phone.len; i++) {
        size_t at = end;

        if (!is_digit(phone.ptr[i]))
            continue;
        while (digits > 0 && at < rest.len && is_separator(rest.ptr[at]))
            at++;
        if (at == rest.len)
            break;
        if (rest.ptr[at] != phone.ptr[i])
            return 0;
        digits++;
        end = at + 1;
    }
    return digits >= CONTACT_DIGITS_MIN ? end : 0;
}

void
contact_blank(char *text, size_t len, struct str email, struct str phone)
{
    for (size_t at = 0; at < len;) {
        struct str rest = {text + at, len - at};
        size_t found = email_at(rest, email);

        if (found == 0)
            found = phone_at(rest, phone);
        memset(text + at, '*', found);
        at += found > 0 ? found : 1;
    }
}
