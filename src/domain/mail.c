/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/mail.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"

/* RFC 5322 §2.1.1 wishes for 78, RFC 2047 §2 demands 76 where there are encoded words. */
#define LINE_BYTES_MAX 76

/* Of an encoded word: "=?UTF-8?B?", four characters for three bytes, "?=". */
#define WORD_BYTES_MAX    75
#define WORD_MARKUP_BYTES 12

#define LOCAL_PART_BYTES_MAX 64
#define HOST_BYTES_MAX       255

/* --- addresses -------------------------------------------------------------------------------- */

static bool
is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Characters of RFC 5322's atext with dots between them. */
static bool
local_part_is_sane(struct str local)
{
    if (local.len == 0 || local.len > LOCAL_PART_BYTES_MAX || local.ptr[0] == '.' ||
        local.ptr[local.len - 1] == '.')
        return false;
    for (size_t i = 0; i < local.len; i++) {
        char c = local.ptr[i];

        if (c == '.' && local.ptr[i - 1] == '.')
            return false;
        if (c == '\0' || (!is_letter_or_digit(c) && strchr("!#$%&'*+-/=?^_`{|}~.", c) == NULL))
            return false;
    }
    return true;
}

static bool
host_is_sane(struct str host)
{
    struct str rest = host;
    struct str label = {NULL, 0};

    if (host.len == 0 || host.len > HOST_BYTES_MAX)
        return false;
    while (str_split(&rest, '.', &label)) {
        if (label.len == 0 || label.len > 63 || label.ptr[0] == '-' ||
            label.ptr[label.len - 1] == '-')
            return false;
        for (size_t i = 0; i < label.len; i++)
            if (!is_letter_or_digit(label.ptr[i]) && label.ptr[i] != '-')
                return false;
    }
    return true;
}

bool
mail_email_is_sane(struct str email)
{
    size_t at = str_find(email, '@', 0);

    return at != SIZE_MAX && local_part_is_sane(str_slice(email, 0, at)) &&
           host_is_sane(str_slice(email, at + 1, email.len));
}

enum err
mail_address_parse(struct str text, struct mail_address *ret, struct error *reterr)
{
    struct mail_address address = {.email = str_trim(text)};
    size_t at = str_find(address.email, '<', 0);
    bool is_sane = true;

    if (at != SIZE_MAX && str_ends(address.email, STR(">"))) {
        address.name = str_trim(str_slice(address.email, 0, at));
        address.email = str_slice(address.email, at + 1, address.email.len - 1);
        if (address.name.len >= 2 && str_starts(address.name, STR("\"")) &&
            str_ends(address.name, STR("\"")))
            address.name = str_slice(address.name, 1, address.name.len - 1);
        is_sane = str_find(address.name, '"', 0) == SIZE_MAX && str_is_utf8(address.name);
    }
    if (!is_sane || !mail_email_is_sane(address.email))
        return error_set(reterr, ERR_INVALID,
            "\"%.*s\" is not an address such as ann@example.com or Ann Smith <ann@example.com>",
            STR_FMT(text));
    *ret = address;
    return OK;
}

/* --- header values ---------------------------------------------------------------------------- */

static bool
is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

/* May it stand on the header's own line as it is? */
static bool
is_plain(struct str text, size_t room)
{
    if (text.len > room)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (is_control(text.ptr[i]) || (unsigned char)text.ptr[i] >= 0x80)
            return false;
        /* It would be read as an encoded word. */
        if (text.ptr[i] == '=' && i + 1 < text.len && text.ptr[i + 1] == '?')
            return false;
    }
    return text.len == 0 || (text.ptr[0] != ' ' && text.ptr[text.len - 1] != ' ');
}

static void
append_word(struct buf *buf, struct str text)
{
    char clean[WORD_BYTES_MAX];

    CHECK(text.len <= sizeof(clean));
    for (size_t i = 0; i < text.len; i++)
        clean[i] = is_control(text.ptr[i]) ? ' ' : text.ptr[i];
    buf_append_literal(buf, "=?UTF-8?B?");
    base64_append(buf, clean, text.len);
    buf_append_literal(buf, "?=");
}

/* As encoded words, of which none splits a character; used: bytes of the line that are taken. */
static void
append_words(struct buf *buf, struct str text, size_t used)
{
    while (text.len > 0) {
        size_t room = (LINE_BYTES_MAX - used - WORD_MARKUP_BYTES) / 4 * 3;
        size_t len = text.len;

        if (room > 45)
            room = 45;
        if (len > room) {
            len = room;
            while (len > 0 && ((unsigned char)text.ptr[len] & 0xC0U) == 0x80)
                len--;
            if (len == 0)
                len = room;
        }
        append_word(buf, str_slice(text, 0, len));
        text = str_slice(text, len, text.len);
        used = 1;
        if (text.len > 0)
            buf_append_literal(buf, "\r\n ");
    }
}

static void
append_unstructured(struct buf *buf, const char *name, struct str value)
{
    size_t used = strlen(name) + 2;

    buf_printf(buf, "%s: ", name);
    if (is_plain(value, LINE_BYTES_MAX - used))
        buf_append_str(buf, value);
    else
        append_words(buf, value, used);
    buf_append_literal(buf, "\r\n");
}

static void
append_address(struct buf *buf, const char *name, const struct mail_address *address)
{
    size_t used = strlen(name) + 2;

    buf_printf(buf, "%s: ", name);
    if (address->name.len > 0) {
        /* Each of its characters might need a backslash. */
        if (is_plain(address->name, (LINE_BYTES_MAX - used - 2) / 2)) {
            buf_append_char(buf, '"');
            for (size_t i = 0; i < address->name.len; i++) {
                if (address->name.ptr[i] == '"' || address->name.ptr[i] == '\\')
                    buf_append_char(buf, '\\');
                buf_append_char(buf, address->name.ptr[i]);
            }
            buf_append_char(buf, '"');
        } else {
            append_words(buf, address->name, used);
        }
        buf_append_literal(buf, "\r\n ");
    }
    buf_printf(buf, "<%.*s>\r\n", STR_FMT(address->email));
}

/* RFC 5322 §3.3, in UTC. */
static void
append_date(struct buf *buf, struct walltime at)
{
    static const char *const weekdays[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
        "Sep", "Oct", "Nov", "Dec"};
    int64_t days = at.us / US_PER_DAY - (at.us % US_PER_DAY < 0 ? 1 : 0);
    int64_t seconds = (at.us - days * US_PER_DAY) / US_PER_S;
    int64_t year;
    int month;
    int day;

    civil_from_days(days, &year, &month, &day);
    buf_printf(buf, "Date: %s, %d %s %lld %02d:%02d:%02d +0000\r\n", weekdays[(days % 7 + 7) % 7],
        day, months[month - 1], (long long)year, (int)(seconds / 3600), (int)(seconds / 60 % 60),
        (int)(seconds % 60));
}

/* --- bodies ----------------------------------------------------------------------------------- */

/* RFC 2045 §6.7. A dot that begins a line is encoded, too: relays have swallowed them. */
static void
append_quoted_printable(struct buf *buf, struct str text)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool is_line_end = c == '\n' || (c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n');
        bool ends_line = i + 1 == text.len || text.ptr[i + 1] == '\n' || text.ptr[i + 1] == '\r';
        bool is_as_it_is = (c > 0x20 && c < 0x7f && c != '=' && (c != '.' || used > 0)) ||
                           ((c == ' ' || c == '\t') && !ends_line);

        if (is_line_end) {
            if (c == '\r')
                i++;
            buf_append_literal(buf, "\r\n");
            used = 0;
            continue;
        }
        if (used + (is_as_it_is ? 1 : 3) > LINE_BYTES_MAX - 1) {
            buf_append_literal(buf, "=\r\n");
            used = 0;
            is_as_it_is &= c != '.';
        }
        if (is_as_it_is) {
            buf_append_char(buf, (char)c);
            used++;
        } else {
            buf_append_char(buf, '=');
            buf_append_char(buf, digits[c >> 4]);
            buf_append_char(buf, digits[c & 15]);
            used += 3;
        }
    }
    if (used > 0)
        buf_append_literal(buf, "\r\n");
}

static void
append_base64_lines(struct buf *buf, struct str bytes)
{
    const size_t line = 57; /* of 76 characters */

    for (size_t at = 0; at < bytes.len; at += line) {
        base64_append(buf, bytes.ptr + at, bytes.len - at < line ? bytes.len - at : line);
        buf_append_literal(buf, "\r\n");
    }
}

static void
append_text_part(struct buf *buf, struct str text)
{
    buf_append_literal(buf, "Content-Type: text/plain; charset=utf-8\r\n"
                            "Content-Transfer-Encoding: quoted-printable\r\n"
                            "\r\n");
    append_quoted_printable(buf, text);
}

/* One invitation is another form of the text, which is how mail programs offer to take it in;
 * several stand after it. Neither encoding ever makes a line that begins with "--=". */
static void
append_parts(struct buf *buf, const struct mail *mail)
{
    buf_printf(buf, "Content-Type: multipart/%s; boundary=\"=_usher_\"\r\n\r\n--=_usher_\r\n",
        mail->invite_count == 1 ? "alternative" : "mixed");
    append_text_part(buf, mail->text);
    for (size_t i = 0; i < mail->invite_count; i++) {
        buf_append_literal(buf, "--=_usher_\r\n"
                                "Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n"
                                "Content-Transfer-Encoding: base64\r\n"
                                "\r\n");
        append_base64_lines(buf, mail->invites[i]);
    }
    buf_append_literal(buf, "--=_usher_--\r\n");
}

void
mail_format(const struct mail *mail, struct buf *buf)
{
    size_t at = str_find(mail->from.email, '@', 0);

    CHECK(mail_email_is_sane(mail->from.email) && mail_email_is_sane(mail->to.email));
    append_date(buf, mail->date);
    append_address(buf, "From", &mail->from);
    append_address(buf, "To", &mail->to);
    if (mail->reply_to.email.len > 0)
        append_address(buf, "Reply-To", &mail->reply_to);
    append_unstructured(buf, "Subject", mail->subject);
    buf_printf(buf, "Message-ID: <%.*s%.*s>\r\n", STR_FMT(mail->id),
        STR_FMT(str_slice(mail->from.email, at, mail->from.email.len)));
    /* Nobody's holiday notice is wanted for it (RFC 3834). */
    buf_append_literal(buf, "Auto-Submitted: auto-generated\r\n"
                            "MIME-Version: 1.0\r\n");
    if (mail->invite_count > 0)
        append_parts(buf, mail);
    else
        append_text_part(buf, mail->text);
}
