/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/calendar.h"

#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/encode.h"

#define LINE_BYTES_MAX 75

/* A text of a webinar, escaped, many times over. */
#define VALUE_BYTES_MAX (256 * 1024)

/* SEQUENCE is an INTEGER: RFC 5545 §3.3.8. */
#define SEQUENCE_MAX INT32_MAX

enum err
calendar_uid(struct str webinar_id, size_t occurrence, struct str person,
    char ret_uid[CALENDAR_UID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    CLEANUP(buf_done) struct buf text;
    uint8_t digest[SHA256_BYTES];
    enum err err;

    buf_init(&text, VALUE_BYTES_MAX);
    /* The length before it, so that no two pairs give the same text. */
    buf_printf(&text, "%zu:", webinar_id.len);
    buf_append_str(&text, webinar_id);
    buf_printf(&text, "%zu:", occurrence);
    buf_append_str(&text, person);
    if (buf_is_full(&text))
        return ERR_NOMEM;
    err = sha256(buf_str(&text), digest);
    if (err != OK)
        return err;
    for (size_t i = 0; i < 16; i++) {
        ret_uid[2 * i] = digits[digest[i] >> 4];
        ret_uid[2 * i + 1] = digits[digest[i] & 15];
    }
    memcpy(ret_uid + 32, "@usher", sizeof("@usher"));
    return OK;
}

/* --- lines ------------------------------------------------------------------------------------ */

/* How much of the text, at most max bytes, ends between characters. Of what is no UTF-8 at all the
 * bytes are as good as any. */
static size_t
piece_of(struct str text, size_t max)
{
    size_t len = max;

    if (text.len <= max)
        return text.len;
    while (len > 0 && max - len < 4 && ((unsigned char)text.ptr[len] & 0xC0U) == 0x80)
        len--;
    return len > 0 && max - len < 4 ? len : max;
}

static void
append_line(struct buf *buf, struct str line)
{
    size_t max = LINE_BYTES_MAX;

    while (line.len > max) {
        size_t len = piece_of(line, max);

        buf_append(buf, line.ptr, len);
        buf_append_literal(buf, "\r\n ");
        line = str_slice(line, len, line.len);
        /* The space belongs to the next one. */
        max = LINE_BYTES_MAX - 1;
    }
    buf_append_str(buf, line);
    buf_append_literal(buf, "\r\n");
}

/* RFC 5545 §3.3.11. What cannot be written (other control characters) is left out. */
static void
append_text(struct buf *buf, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n')
            continue;
        if (c == '\n' || c == '\r')
            buf_append_literal(buf, "\\n");
        else if (c == '\\' || c == ';' || c == ',')
            buf_printf(buf, "\\%c", c);
        else if ((c >= 0x20 || c == '\t') && c != 0x7f)
            buf_append_char(buf, (char)c);
    }
}

/* As a parameter's value, in quotes; not every reader knows a way to write a quote in it. A caret
 * stands twice where one who knows RFC 6868 would take it, with what is behind it, for another. */
static void
append_quoted(struct buf *buf, struct str text)
{
    buf_append_char(buf, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        char next = i + 1 < text.len ? text.ptr[i + 1] : '\0';

        if (c == '^' && next != '\0' && strchr("^n'\"", next) != NULL)
            buf_append_literal(buf, "^^");
        else if (c == '"')
            buf_append_char(buf, '\'');
        else if (c < 0x20 || c == 0x7f)
            buf_append_char(buf, ' ');
        else
            buf_append_char(buf, (char)c);
    }
    buf_append_char(buf, '"');
}

/* As it is, but for what cannot stand in a URI (RFC 3986 §2). */
static void
append_uri(struct buf *buf, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c <= 0x20 || c >= 0x7f || strchr("\"<>\\^`{|}", c) != NULL)
            buf_printf(buf, "%%%02X", c);
        else
            buf_append_char(buf, (char)c);
    }
}

struct lines {
    struct buf *buf;
    struct buf line;
};

/* The line that was built. One that did not fit is missed, which the buffer tells. */
static void
line_end(struct lines *lines)
{
    if (buf_is_full(&lines->line))
        lines->buf->full = true;
    else
        append_line(lines->buf, buf_str(&lines->line));
    buf_clear(&lines->line);
}

static void
line_text(struct lines *lines, const char *name, struct str text)
{
    if (text.len == 0)
        return;
    buf_append_str(&lines->line, str_from(name));
    append_text(&lines->line, text);
    line_end(lines);
}

static void
line_time(struct lines *lines, const char *name, struct walltime at)
{
    char text[WALLTIME_TEXT_BYTES];

    /* "2024-03-15T10:00:00.000Z" without its signs and milliseconds. */
    walltime_format(at, text);
    buf_printf(&lines->line, "%s%.4s%.2s%.2s%c%.2s%.2s%.2sZ", name, text, text + 5, text + 8,
        text[10], text + 11, text + 14, text + 17);
    line_end(lines);
}

static void
line_person(struct lines *lines, const char *name, struct str full_name, struct str email)
{
    if (email.len == 0)
        return;
    buf_append_str(&lines->line, str_from(name));
    if (full_name.len > 0) {
        buf_append_literal(&lines->line, ";CN=");
        append_quoted(&lines->line, full_name);
    }
    buf_append_literal(&lines->line, ":mailto:");
    append_uri(&lines->line, email);
    line_end(lines);
}

static void
line_uri(struct lines *lines, const char *name, struct str uri)
{
    if (uri.len == 0)
        return;
    buf_append_str(&lines->line, str_from(name));
    append_uri(&lines->line, uri);
    line_end(lines);
}

void
calendar_format(const struct calendar *calendar, struct buf *buf)
{
    struct lines lines = {.buf = buf};
    int64_t sequence = calendar->sequence < 0 ? 0 : calendar->sequence;

    buf_init(&lines.line, VALUE_BYTES_MAX);
    buf_append_literal(buf, "BEGIN:VCALENDAR\r\n"
                            "VERSION:2.0\r\n"
                            "PRODID:-//Usher//Usher//EN\r\n"
                            "CALSCALE:GREGORIAN\r\n"
                            "METHOD:REQUEST\r\n"
                            "BEGIN:VEVENT\r\n");
    line_text(&lines, "UID:", str_from(calendar->uid));
    buf_printf(buf, "SEQUENCE:%lld\r\n",
        (long long)(sequence > SEQUENCE_MAX ? SEQUENCE_MAX : sequence));
    line_time(&lines, "DTSTAMP:", calendar->stamp);
    line_time(&lines, "DTSTART:", calendar->from);
    line_time(&lines, "DTEND:", calendar->to);
    line_text(&lines, "SUMMARY:", calendar->summary.len > 0 ? calendar->summary : STR("Webinar"));
    line_text(&lines, "DESCRIPTION:", calendar->description);
    line_text(&lines, "LOCATION:", calendar->link);
    line_uri(&lines, "URL:", calendar->link);
    line_person(&lines, "ORGANIZER", calendar->organizer_name, calendar->organizer_email);
    line_person(&lines, "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=FALSE",
        calendar->attendee_name, calendar->attendee_email);
    buf_append_literal(buf, "STATUS:CONFIRMED\r\n"
                            "TRANSP:OPAQUE\r\n"
                            "END:VEVENT\r\n"
                            "END:VCALENDAR\r\n");
    buf_done(&lines.line);
}
