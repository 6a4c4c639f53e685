/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_answer.h"

#include <string.h>

#include "support/test.h"

static void
a_date_is_written_as_http_wants_it(void **state)
{
    static const struct {
        int64_t s;
        const char *text;
    } examples[] = {
        {784111777, "Sun, 06 Nov 1994 08:49:37 GMT"},
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782400, "Tue, 29 Feb 2000 00:00:00 GMT"},
        {1735689599, "Tue, 31 Dec 2024 23:59:59 GMT"},
        {-1, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {INT64_C(253402300800), "Fri, 31 Dec 9999 23:59:59 GMT"},
    };

    char text[HTTP_DATE_TEXT_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        http_date_format((struct walltime){examples[i].s * US_PER_S}, text);
        assert_string_equal(text, examples[i].text);
    }
}

static void
check_answer(const struct http_answer *answer, const struct http_answer_frame *frame,
    const char *expected)
{
    struct buf buf;

    buf_init(&buf, 4096);
    http_answer_append(&buf, answer, frame);
    assert_string_equal(buf.ptr, expected);
    buf_done(&buf);
}

static void
an_answer_that_goes_on_is_chunked_or_ends_with_the_connection(void **state)
{
    const struct http_answer_frame plain = {.date = STR("D"), .goes_on = true};
    const struct http_answer_frame older = {.date = STR("D"), .is_minor_0 = true, .goes_on = true};
    struct buf buf;

    (void)state;
    check_answer(&(struct http_answer){.status = 200}, &plain,
        "HTTP/1.1 200 OK\r\nDate: D\r\nTransfer-Encoding: chunked\r\n\r\n");
    check_answer(&(struct http_answer){.status = 200, .close = true}, &older,
        "HTTP/1.1 200 OK\r\nDate: D\r\nConnection: close\r\n\r\n");

    buf_init(&buf, 4096);
    http_chunk_append(&buf, STR("0123456789abcdefg"));
    http_chunk_append(&buf, STR(""));
    http_chunk_append_end(&buf);
    assert_string_equal(buf.ptr, "11\r\n0123456789abcdefg\r\n0\r\n\r\n");
    buf_done(&buf);
}

static void
an_answer_has_exactly_what_its_status_allows(void **state)
{
    const struct http_field fields[] = {{STR("Content-Type"), STR("text/plain")}};
    const struct http_answer_frame plain = {.date = STR("D")};
    const struct http_answer_frame head = {.date = STR("D"), .is_head_method = true};
    const struct http_answer_frame older = {.date = STR("D"), .is_minor_0 = true};

    (void)state;
    check_answer(&(struct http_answer){200, fields, 1, STR("hello"), false}, &plain,
        "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello");
    check_answer(&(struct http_answer){200, fields, 1, STR("hello"), true}, &head,
        "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Length: 5\r\nConnection: close\r\n"
        "Content-Type: text/plain\r\n\r\n");
    check_answer(&(struct http_answer){404, NULL, 0, STR(""), false}, &older,
        "HTTP/1.1 404 Not Found\r\nDate: D\r\nContent-Length: 0\r\n"
        "Connection: keep-alive\r\n\r\n");
    check_answer(&(struct http_answer){204, NULL, 0, STR("no"), false}, &plain,
        "HTTP/1.1 204 No Content\r\nDate: D\r\n\r\n");
    check_answer(&(struct http_answer){304, NULL, 0, STR("no"), false}, &plain,
        "HTTP/1.1 304 Not Modified\r\nDate: D\r\n\r\n");
    check_answer(&(struct http_answer){299, NULL, 0, STR(""), false}, &plain,
        "HTTP/1.1 299 \r\nDate: D\r\nContent-Length: 0\r\n\r\n");
}

static void
a_field_cannot_end_its_line_early(void **state)
{
    const struct http_field fields[] = {{STR("X\r\nY"), STR("a\r\nSet-Cookie: b\r\n\r\n\x7f\0c")}};
    const struct http_answer_frame frame = {.date = STR("D")};

    (void)state;
    check_answer(&(struct http_answer){200, fields, 1, STR(""), false}, &frame,
        "HTTP/1.1 200 OK\r\nDate: D\r\nContent-Length: 0\r\n"
        "X  Y: a  Set-Cookie: b      c\r\n\r\n");
}

static void
a_problem_is_json_that_names_the_status(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 1024);
    http_problem_append(&buf, 413, STR("Say \"less\"."));
    assert_string_equal(buf.ptr, "{\"type\":\"about:blank\",\"title\":\"Content Too Large\","
                                 "\"status\":413,\"detail\":\"Say \\\"less\\\".\"}");
    buf_done(&buf);
}

static void
every_name_has_its_length(void **state)
{
    (void)state;
    for (int status = 100; status < 1000; status++) {
        struct str name = http_status_name(status);
        assert_int_equal(name.len, strlen(name.ptr));
    }
    assert_int_equal(http_status_name(299).len, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_date_is_written_as_http_wants_it),
        cmocka_unit_test(an_answer_that_goes_on_is_chunked_or_ends_with_the_connection),
        cmocka_unit_test(an_answer_has_exactly_what_its_status_allows),
        cmocka_unit_test(a_field_cannot_end_its_line_early),
        cmocka_unit_test(a_problem_is_json_that_names_the_status),
        cmocka_unit_test(every_name_has_its_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
