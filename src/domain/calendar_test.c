/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/calendar.h"

#include <string.h>

#include "support/mime.h"
#include "support/test.h"

static struct calendar
an_invitation(void)
{
    return (struct calendar){
        .uid = "0123456789abcdef0123456789abcdef@usher",
        .sequence = 2,
        .stamp = {INT64_C(1710300000000000)},
        .from = {INT64_C(1710496800000000)},
        .to = {INT64_C(1710500400000000)},
        .summary = STR("Introduction to Digital Marketing"),
        .description = STR("Line one; two, three\\\r\nJoin"),
        .link = STR("https://meet.example.com/abc?x=1&y=2"),
        .organizer_name = STR("Sam \"The Man\" Host"),
        .organizer_email = STR("sam@example.com"),
        .attendee_name = STR("Ann\r\nX-Evil: 1"),
        .attendee_email = STR("ann@example.com"),
    };
}

static void
an_invitation_reads_as_the_standard_says(void **state)
{
    const struct calendar calendar = an_invitation();
    struct buf buf;
    struct buf lines;

    (void)state;
    buf_init(&buf, 1 << 16);
    buf_init(&lines, 1 << 16);
    calendar_format(&calendar, &buf);
    mime_unfold(buf_str(&buf), 75, &lines);
    assert_string_equal(lines.ptr,
        "BEGIN:VCALENDAR\n"
        "VERSION:2.0\n"
        "PRODID:-//Usher//Usher//EN\n"
        "CALSCALE:GREGORIAN\n"
        "METHOD:REQUEST\n"
        "BEGIN:VEVENT\n"
        "UID:0123456789abcdef0123456789abcdef@usher\n"
        "SEQUENCE:2\n"
        "DTSTAMP:20240313T032000Z\n"
        "DTSTART:20240315T100000Z\n"
        "DTEND:20240315T110000Z\n"
        "SUMMARY:Introduction to Digital Marketing\n"
        "DESCRIPTION:Line one\\; two\\, three\\\\\\nJoin\n"
        "LOCATION:https://meet.example.com/abc?x=1&y=2\n"
        "URL:https://meet.example.com/abc?x=1&y=2\n"
        "ORGANIZER;CN=\"Sam 'The Man' Host\":mailto:sam@example.com\n"
        "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=FALSE;CN=\"Ann  X-Evil: 1\""
        ":mailto:ann@example.com\n"
        "STATUS:CONFIRMED\n"
        "TRANSP:OPAQUE\n"
        "END:VEVENT\n"
        "END:VCALENDAR");
    buf_done(&lines);
    buf_done(&buf);
}

static void
what_is_not_said_is_left_out(void **state)
{
    struct calendar calendar = an_invitation();
    struct buf buf;

    (void)state;
    buf_init(&buf, 1 << 16);
    calendar.summary = STR("");
    calendar.description = STR("");
    calendar.link = (struct str){NULL, 0};
    calendar.attendee_name = STR("");
    calendar.sequence = INT64_MAX;
    calendar_format(&calendar, &buf);
    assert_int_equal(mime_find(buf_str(&buf), STR("DESCRIPTION")), SIZE_MAX);
    assert_int_equal(mime_find(buf_str(&buf), STR("LOCATION")), SIZE_MAX);
    assert_int_equal(mime_find(buf_str(&buf), STR("URL")), SIZE_MAX);
    assert_int_not_equal(mime_find(buf_str(&buf), STR("SUMMARY:Webinar\r\n")), SIZE_MAX);
    assert_int_not_equal(mime_find(buf_str(&buf), STR("SEQUENCE:2147483647\r\n")), SIZE_MAX);
    buf_done(&buf);
}

/* RFC 6868: ^n is a line end, ^' a quote, ^^ a caret, and any other caret is itself. */
static void
a_caret_of_a_name_stays_one(void **state)
{
    static const struct {
        const char *name;
        const char *written;
    } rows[] = {
        {"a^b ^ ^", "CN=\"a^b ^ ^\""},
        {"^n^^n", "CN=\"^^n^^^^n\""},
        {"^'", "CN=\"^^'\""},
        {"^\"", "CN=\"^^'\""},
        {"^^^", "CN=\"^^^^^\""},
    };
    struct calendar calendar = an_invitation();
    struct buf buf;

    (void)state;
    buf_init(&buf, 1 << 16);
    calendar.attendee_name = STR("");
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        buf_clear(&buf);
        calendar.organizer_name = str_from(rows[i].name);
        calendar_format(&calendar, &buf);
        if (mime_find(buf_str(&buf), str_from(rows[i].written)) == SIZE_MAX)
            fail_msg("%s: %.*s", rows[i].name, STR_FMT(buf_str(&buf)));
    }
    buf_done(&buf);
}

static void
a_line_is_folded_after_75_bytes_and_never_inside_a_character(void **state)
{
    struct calendar calendar = an_invitation();
    char title[300];
    struct buf buf;
    struct buf lines;

    (void)state;
    buf_init(&buf, 1 << 16);
    buf_init(&lines, 1 << 16);
    for (size_t shift = 0; shift < 4; shift++) {
        struct str rest;

        memset(title, 'a', sizeof(title));
        for (size_t i = shift; i + 4 <= sizeof(title); i += 4)
            memcpy(title + i, "\xf0\x9f\x8e\x89", 4);
        calendar.summary = (struct str){title, shift + (sizeof(title) - shift) / 4 * 4};
        buf_clear(&buf);
        buf_clear(&lines);
        calendar_format(&calendar, &buf);
        for (rest = buf_str(&buf); rest.len > 0;) {
            struct str line = mime_line(&rest, 75);

            assert_true(str_is_utf8(line));
            /* No fold that was not needed. */
            if (rest.len > 0 && rest.ptr[0] == ' ')
                assert_in_range(line.len, 72, 75);
        }
        mime_unfold(buf_str(&buf), 75, &lines);
        assert_int_not_equal(mime_find(buf_str(&lines), calendar.summary), SIZE_MAX);
    }
    buf_done(&lines);
    buf_done(&buf);
}

static void
a_folded_line_is_as_long_as_it_may_be_its_space_included(void **state)
{
    struct calendar calendar = an_invitation();
    char title[75 - 8 + 74 + 10];
    struct buf buf;
    const char *at;

    (void)state;
    buf_init(&buf, 1 << 16);
    memset(title, 'a', sizeof(title));
    calendar.summary = (struct str){title, sizeof(title)};
    calendar_format(&calendar, &buf);
    at = strstr(buf.ptr, "SUMMARY:");
    assert_non_null(at);
    assert_memory_equal(at + 75, "\r\n a", 4);
    assert_memory_equal(at + 75 + 2 + 75, "\r\n a", 4);
    assert_memory_equal(at + 75 + 2 + 75 + 2 + 11, "\r\n", 2);
    buf_done(&buf);
}

static void
a_link_cannot_leave_its_line(void **state)
{
    struct calendar calendar = an_invitation();
    struct buf buf;

    (void)state;
    buf_init(&buf, 1 << 16);
    calendar.link = STR("https://x/a b\r\nX-EVIL:1\"\xc3\xa4");
    calendar_format(&calendar, &buf);
    assert_int_not_equal(
        mime_find(buf_str(&buf), STR("URL:https://x/a%20b%0D%0AX-EVIL:1%22%C3%A4\r\n")), SIZE_MAX);
    assert_int_equal(mime_find(buf_str(&buf), STR("\nX-EVIL")), SIZE_MAX);
    buf_done(&buf);
}

static void
a_full_buffer_shows(void **state)
{
    const struct calendar calendar = an_invitation();
    struct buf buf;

    (void)state;
    buf_init(&buf, 300);
    calendar_format(&calendar, &buf);
    assert_true(buf_is_full(&buf));
    buf_done(&buf);
}

static void
the_uid_is_the_same_for_the_same_session_and_person(void **state)
{
    char uids[5][CALENDAR_UID_BYTES];

    (void)state;
    assert_int_equal(calendar_uid(STR("634f"), 0, STR("e:ann@example.com"), uids[0]), OK);
    assert_int_equal(calendar_uid(STR("634f"), 1, STR("e:ann@example.com"), uids[1]), OK);
    assert_int_equal(calendar_uid(STR("634f"), 0, STR("e:bob@example.com"), uids[2]), OK);
    assert_int_equal(calendar_uid(STR("634"), 0, STR("fe:ann@example.com"), uids[3]), OK);
    assert_int_equal(calendar_uid(STR("634f"), 0, STR("e:ann@example.com"), uids[4]), OK);
    assert_string_equal(uids[0], "314c1979358866ef37cf034b212bca8e@usher");
    assert_string_equal(uids[0], uids[4]);
    for (size_t i = 0; i < 4; i++)
        for (size_t k = i + 1; k < 4; k++)
            assert_string_not_equal(uids[i], uids[k]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_invitation_reads_as_the_standard_says),
        cmocka_unit_test(what_is_not_said_is_left_out),
        cmocka_unit_test(a_caret_of_a_name_stays_one),
        cmocka_unit_test(a_line_is_folded_after_75_bytes_and_never_inside_a_character),
        cmocka_unit_test(a_folded_line_is_as_long_as_it_may_be_its_space_included),
        cmocka_unit_test(a_link_cannot_leave_its_line),
        cmocka_unit_test(a_full_buffer_shows),
        cmocka_unit_test(the_uid_is_the_same_for_the_same_session_and_person),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
