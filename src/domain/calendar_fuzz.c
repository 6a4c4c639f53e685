/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/calendar.h"

#include "support/mime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"BEGIN:VCALENDAR",
    "VERSION:", "PRODID:", "CALSCALE:", "METHOD:", "BEGIN:VEVENT", "UID:", "SEQUENCE:", "DTSTAMP:",
    "DTSTART:", "DTEND:", "SUMMARY:", "DESCRIPTION:", "LOCATION:", "URL:", "ORGANIZER;CN=\"",
    "ATTENDEE;ROLE=", "STATUS:", "TRANSP:", "END:VEVENT", "END:VCALENDAR"};

/* A TEXT value back (RFC 5545 §3.3.11). */
static void
unescape(struct str value, struct buf *text)
{
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];

        CHECK(c != ';' && c != ',');
        if (c == '\\') {
            i++;
            CHECK(i < value.len && memchr("\\;,n", value.ptr[i], 4) != NULL);
            c = value.ptr[i] == 'n' ? '\n' : value.ptr[i];
        }
        buf_append_char(text, c);
    }
}

/* Line ends as one LF, and what cannot be written left out. */
static void
normalise(struct str given, struct buf *text)
{
    for (size_t i = 0; i < given.len; i++) {
        unsigned char c = (unsigned char)given.ptr[i];

        if (c == '\r' && i + 1 < given.len && given.ptr[i + 1] == '\n')
            continue;
        if (c == '\r' || c == '\n')
            buf_append_char(text, '\n');
        else if ((c >= 0x20 && c != 0x7f) || c == '\t')
            buf_append_char(text, (char)c);
    }
}

/* With any text in all its places an invitation has the same properties in the same order, lines of
 * at most 75 bytes that are UTF-8 where the text was, and unfolded and unescaped it is the text. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    const struct calendar calendar = {
        .uid = "uid",
        .from = {INT64_C(1710496800000000)},
        .to = {INT64_C(1710500400000000)},
        .summary = text,
        .description = text,
        .link = text,
        .organizer_name = text,
        .organizer_email = text,
        .attendee_name = text,
        .attendee_email = text,
    };
    struct buf whole;
    struct buf lines;
    struct buf read;
    struct buf expected;
    struct str rest;
    struct str line;

    if (size == 0 || size > 20000)
        return 0;
    buf_init(&whole, 1 << 20);
    buf_init(&lines, 1 << 20);
    buf_init(&read, 1 << 20);
    buf_init(&expected, 1 << 20);
    calendar_format(&calendar, &whole);
    CHECK(!buf_is_full(&whole));
    for (rest = buf_str(&whole); rest.len > 0;) {
        line = mime_line(&rest, 75);
        CHECK(str_is_utf8(line) || !str_is_utf8(text));
    }
    mime_unfold(buf_str(&whole), 75, &lines);
    rest = buf_str(&lines);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        CHECK(str_split(&rest, '\n', &line) && str_starts(line, str_from(names[i])));
        if (str_equals(str_from(names[i]), STR("DESCRIPTION:")))
            unescape(str_slice(line, strlen(names[i]), line.len), &read);
    }
    CHECK(rest.ptr == NULL);
    normalise(text, &expected);
    CHECK(str_equals(buf_str(&read), buf_str(&expected)));
    buf_done(&expected);
    buf_done(&read);
    buf_done(&lines);
    buf_done(&whole);
    return 0;
}
