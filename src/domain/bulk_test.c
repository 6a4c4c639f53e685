/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/bulk.h"

#include <string.h>

#include "support/test.h"

static struct buf out;

static void
on_line(const struct bulk_line *line, void *arg)
{
    const struct attendee *attendee = &line->attendee;

    (void)arg;
    buf_printf(&out, "%lld %.*s <%.*s>", (long long)line->number, STR_FMT(attendee->name),
        STR_FMT(attendee->email));
    if (line->has_phone)
        buf_printf(&out, " p=%.*s", STR_FMT(attendee->phone));
    if (line->has_timezone)
        buf_printf(&out, " z=%.*s", STR_FMT(attendee->timezone));
    buf_append_char(&out, '\n');
}

static void
on_bad_line(int64_t number, const struct faults *faults, void *arg)
{
    (void)arg;
    (void)number;
    for (size_t i = 0; i < faults->count; i++)
        buf_printf(&out, "!%.*s\n", STR_FMT(faults->list[i].pointer));
}

static const struct bulk_reader_events events = {on_line, on_bad_line, NULL};

static void
read_lines(enum bulk_format format, struct str text, size_t step)
{
    struct bulk_reader *reader = NULL;

    buf_init(&out, 1 << 20);
    assert_int_equal(bulk_reader_new(format, &events, &reader), OK);
    for (size_t at = 0; at < text.len; at += step)
        assert_int_equal(bulk_reader_feed(reader, str_slice(text, at, at + step)), OK);
    assert_int_equal(bulk_reader_end(reader), OK);
    buf_append(&out, "", 1);
    bulk_reader_free(reader);
}

struct test_case {
    const char *text;
    const char *lines;
};

static void
check_cases(enum bulk_format format, const struct test_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct str text = str_from(cases[i].text);

        for (size_t step = 1; step <= text.len + 1; step += step < 8 ? 1 : 13) {
            read_lines(format, text, step);
            assert_string_equal(out.ptr, cases[i].lines);
            buf_done(&out);
        }
    }
}

static void
each_line_of_ndjson_is_an_attendee_or_its_faults(void **state)
{
    static const struct test_case cases[] = {
        {"", ""},
        {"{\"name\":\"A\",\"email\":\"a@x\"}", "1 A <a@x>\n"},
        {"\xef\xbb\xbf{\"name\":\"A\",\"email\":\"a@x\"}\r\n\n"
         "{\"email\":\"B@x\",\"name\":\"B\",\"phone\":12,\"timezone\":\"UTC\"}\n",
            "1 A <a@x>\n3 B <B@x> p=12 z=UTC\n"},
        {"{\"name\":\"A\",\"email\":\"a@x\",\"phone\":null,\"timezone\":null}\n",
            "1 A <a@x> p= z=\n"},
        {"{\"name\":\"A\",\"email\":\"a\",\"id\":1}\n{\"name\":\"B\",\"email\":\"b@x\"}\n",
            "!/lines/1/email\n!/lines/1/id\n2 B <b@x>\n"},
        {"{}\n[]\n{\nnull\n\"x\"\n",
            "!/lines/1/name\n!/lines/1/email\n!/lines/2\n!/lines/3\n!/lines/4\n!/lines/5\n"},
        {"{\"name\":\"A\",\"email\":\"a@x\"} {}\n", "!/lines/1\n"},
        {"{\"name\":\"\xff\",\"email\":\"a@x\"}\n", "!/lines/1\n"},
        {"{\"name\":\"a\\u0000b\",\"email\":\"a@x\"}\n", "!/lines/1/name\n"},
    };

    (void)state;
    check_cases(BULK_NDJSON, cases, COUNT_OF(cases));
}

static void
each_row_of_csv_is_an_attendee_or_its_faults(void **state)
{
    static const struct test_case cases[] = {
        {"", "!/lines/1\n!/lines/1\n"},
        {"name,email\nA,a@x\n", "2 A <a@x>\n"},
        {"\xef\xbb\xbf Email ; NAME;timezone;phone\r\n"
         "a@x;\"Doe, A\";Asia/Kolkata;+91 1\r\nb@x;B;;\r\n",
            "2 Doe, A <a@x> p=+91 1 z=Asia/Kolkata\n3 B <b@x>\n"},
        {"name,email\nA\nA,a@x,1\n,a@x\nA,\nB,b@x", "!/lines/2\n!/lines/3\n!/lines/4/name\n"
                                                    "!/lines/5/email\n6 B <b@x>\n"},
        {"name,email\n\"A\nB\",a@x\nC,c@x\n", "!/lines/2/name\n4 C <c@x>\n"},
        {"name,email\n\xff,a@x\nx\"y,b@x\nC,c@x\n", "!/lines/2\n!/lines/3\n4 C <c@x>\n"},
        {"name,email\nC,c@x\n\"D,d@x\n", "2 C <c@x>\n!/lines/3\n"},
    };

    (void)state;
    check_cases(BULK_CSV, cases, COUNT_OF(cases));
}

static void
without_a_good_header_no_row_is_read(void **state)
{
    static const struct test_case cases[] = {
        {"A,a@x\nB,b@x\n", "!/lines/1\n!/lines/1\n!/lines/1\n!/lines/1\n"},
        {"name\nA\n", "!/lines/1\n"},
        {"\nemail,name,name\n", "!/lines/2\n"},
        {"name,email,shoe size\nA,a@x,44\n", "!/lines/1\n"},
        {"name,email,\xff\nA,a@x,1\n", "!/lines/1\n"},
        {"na\"me,email\nA,a@x\n", "!/lines/1\n"},
        {",,,,,,,,,,,,,,,,,,,,name,email\nA,a@x\n", NULL},
    };

    (void)state;
    check_cases(BULK_CSV, cases, COUNT_OF(cases) - 1);
    read_lines(BULK_CSV, str_from(cases[COUNT_OF(cases) - 1].text), 1000);
    assert_null(strstr(out.ptr, "<a@x>"));
    buf_done(&out);
}

static void
a_line_without_end_is_refused_and_the_next_one_read(void **state)
{
    static const size_t lens[] = {BULK_LINE_BYTES_MAX - 30, BULK_LINE_BYTES_MAX + 1, 100000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        for (size_t step = 1000; step < 200000; step += 99000) {
            struct buf text;

            buf_init(&text, 1 << 20);
            buf_append_literal(&text, "{\"name\":\"A\",\"email\":\"a@x\"}");
            for (size_t n = text.len; n < lens[i]; n++)
                buf_append_char(&text, ' ');
            buf_append_literal(&text, "\n{\"name\":\"B\",\"email\":\"b@x\"}\n");
            read_lines(BULK_NDJSON, buf_str(&text), step);
            assert_string_equal(out.ptr,
                i == 0 ? "1 A <a@x>\n2 B <b@x>\n" : "!/lines/1\n2 B <b@x>\n");
            buf_done(&out);
            buf_done(&text);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_line_of_ndjson_is_an_attendee_or_its_faults),
        cmocka_unit_test(each_row_of_csv_is_an_attendee_or_its_faults),
        cmocka_unit_test(without_a_good_header_no_row_is_read),
        cmocka_unit_test(a_line_without_end_is_refused_and_the_next_one_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
