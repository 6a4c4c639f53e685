/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading back what domain/mail and domain/calendar wrote, strictly and by other means: a second
 * opinion for unit tests and fuzz targets. What is not as the standards say ends the program.
 */
#ifndef TEST_SUPPORT_MIME_H
#define TEST_SUPPORT_MIME_H

#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/encode.h"

/* Take a line off, which must end in CRLF and have no other CR or LF, nor more than max bytes. */
static inline struct str
mime_line(struct str *rest, size_t max)
{
    size_t end = str_find(*rest, '\r', 0);
    struct str line;

    CHECK(end != SIZE_MAX && end + 1 < rest->len && rest->ptr[end + 1] == '\n');
    line = str_slice(*rest, 0, end);
    CHECK(str_find(line, '\n', 0) == SIZE_MAX && line.len <= max);
    *rest = str_slice(*rest, end + 2, rest->len);
    return line;
}

/* Lines that begin with a space go on the one before; the space itself is dropped. */
static inline void
mime_unfold(struct str text, size_t max, struct buf *lines)
{
    for (bool is_first = true; text.len > 0; is_first = false) {
        struct str line = mime_line(&text, max);

        if (str_starts(line, STR(" "))) {
            CHECK(!is_first);
            buf_append_str(lines, str_slice(line, 1, line.len));
            continue;
        }
        if (!is_first)
            buf_append_char(lines, '\n');
        buf_append_str(lines, line);
    }
}

/* The value of one header, unfolded; there must be exactly one of it. The head ends without its
 * empty line. */
static inline void
mime_header(struct str head, const char *name, struct buf *value)
{
    bool is_ours = false;
    size_t found = 0;

    while (head.len > 0) {
        struct str line = mime_line(&head, 998);
        size_t colon = str_find(line, ':', 0);

        if (str_starts(line, STR(" "))) {
            if (is_ours)
                buf_append_str(value, line);
            continue;
        }
        CHECK(colon != SIZE_MAX && colon > 0);
        is_ours = str_equals(str_slice(line, 0, colon), str_from(name));
        if (!is_ours)
            continue;
        found++;
        buf_append_str(value, str_slice(line, colon + 2, line.len));
    }
    CHECK(found == 1);
}

/* RFC 2047: words in B encoding, the white space between two of them dropped. */
static inline void
mime_words(struct str value, struct buf *text)
{
    const struct str mark = STR("=?UTF-8?B?");

    while (str_starts(value, mark)) {
        char bytes[64];
        size_t len = 0;
        size_t end = str_find(value, '?', mark.len);

        CHECK(end != SIZE_MAX && end + 1 < value.len && value.ptr[end + 1] == '=');
        CHECK(end + 2 <= 75);
        CHECK(base64_decode(str_slice(value, mark.len, end), bytes, sizeof(bytes), &len) == OK);
        buf_append(text, bytes, len);
        value = str_slice(value, end + 2, value.len);
        if (str_starts(value, STR(" =?")))
            value = str_slice(value, 1, value.len);
    }
    buf_append_str(text, value);
}

static inline int
mime_hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    CHECK(c >= 'A' && c <= 'F');
    return c - 'A' + 10;
}

/* RFC 2045 §6.7, up to the end of the text; lines come back with LF. */
static inline void
mime_quoted_printable(struct str body, struct buf *text)
{
    while (body.len > 0) {
        struct str line = mime_line(&body, 76);
        bool is_soft = str_ends(line, STR("="));

        CHECK(line.len == 0 || (line.ptr[line.len - 1] != ' ' && line.ptr[line.len - 1] != '\t'));
        CHECK(line.len == 0 || line.ptr[0] != '.');
        if (is_soft)
            line.len--;
        for (size_t i = 0; i < line.len; i++) {
            char c = line.ptr[i];

            CHECK(c == '\t' || ((unsigned char)c >= 0x20 && (unsigned char)c < 0x7f));
            if (c == '=') {
                CHECK(i + 2 < line.len);
                c = (char)(mime_hex(line.ptr[i + 1]) * 16 + mime_hex(line.ptr[i + 2]));
                i += 2;
            }
            buf_append_char(text, c);
        }
        if (!is_soft)
            buf_append_char(text, '\n');
    }
}

/* Where the text stands in another, or SIZE_MAX. */
static inline size_t
mime_find(struct str text, struct str what)
{
    const char *at = text.len >= what.len ? memmem(text.ptr, text.len, what.ptr, what.len) : NULL;

    return at != NULL ? (size_t)(at - text.ptr) : SIZE_MAX;
}

#endif
