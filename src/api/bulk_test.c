/* SPDX-License-Identifier: Apache-2.0 */
#include "support/domain_api.h"

#define NDJSON "Content-Type: application/x-ndjson\r\n"
#define CSV    "Content-Type: text/csv; charset=utf-8\r\n"

#define WEBINAR                                                                                    \
    "\"title\":\"Intro\",\"link\":\"https://x\",\"from\":\"2024-03-16T10:00:00Z\","                \
    "\"to\":\"2024-03-16T11:00:00Z\",\"timezone\":\"UTC\""

static void
must_put(struct domain_api *f, int status, const char *path, const char *fields, const char *body)
{
    if (test_ask(&f->ts, "PUT", text_of("/api/v1%s", path), fields, body) != status)
        fail_msg("PUT %s: %s", path, f->ts.text);
}

static void
must_leave_nothing_behind(struct domain_api *f)
{
    assert_int_equal(count_of(f, "SELECT count(*) FROM bulk"), 0);
    assert_int_equal(count_of(f, "SELECT count(*) FROM bulk_line"), 0);
    assert_int_equal(count_of(f, "SELECT count(*) FROM bulk_newcomer"), 0);
}

static const char *
new_webinar_path(struct domain_api *f)
{
    return text_of("/webinars/%s/attendees", must_make(f, "/webinars", "{" WEBINAR "}").text);
}

static void
lines_become_registrations_and_one_event(void **state)
{
    struct domain_api *f = *state;
    const char *path = new_webinar_path(f);

    (void)must_make(f, "/integration/webhook/webhook",
        "{\"hookUrl\":\"http://127.0.0.1:9/h\",\"event\":\"webinar.created.single\"}");
    f->woken = 0;
    must_put(f, 200, path, NDJSON,
        "{\"name\":\"A\",\"email\":\"a@x\"}\n{\"name\":\"B\",\"email\":\"b@x\",\"phone\":12}\n");
    must_have(f, "{\"created\":2,\"updated\":0,\"unchanged\":0,\"skipped\":0,\"events\":[\"");
    assert_int_equal(f->woken, 1);
    assert_int_equal(events_of(f, "registered"), 1);
    must_ask(f, 200, "GET", path, NULL);
    must_have(f, "\"email\":\"b@x\",\"phone\":\"12\"");
    must_leave_nothing_behind(f);

    must_put(f, 200, path, CSV, "Email;Name;Phone\r\na@x;A;\r\nb@x;B;13\r\nc@x;C;14\r\n");
    must_have(f, "{\"created\":1,\"updated\":1,\"unchanged\":1,\"skipped\":0,\"events\":[\"");
    assert_int_equal(events_of(f, "registered"), 2);
    must_put(f, 200, path, CSV, "name,email\nA,a@x\n");
    must_have(f, "\"unchanged\":1,\"skipped\":0,\"events\":[]");
    must_put(f, 200, text_of("%s?notify=false", path), CSV, "name,email\nD,d@x\n");
    must_have(f, "{\"created\":1,\"updated\":0,\"unchanged\":0,\"skipped\":0,\"events\":[]}");
    assert_int_equal(events_of(f, "registered"), 2);
    must_leave_nothing_behind(f);
}

static void
members_of_a_mango_are_told_of_each_of_its_webinars(void **state)
{
    struct domain_api *f = *state;
    struct id_text mango = must_make(f, "/mangoes", "{\"name\":\"Gold\"}");

    for (int i = 0; i < 2; i++)
        (void)must_make(f, "/webinars", text_of("{" WEBINAR ",\"mangoes\":[\"%s\"]}", mango.text));
    must_put(f, 200, text_of("/mangoes/%s/attendees", mango.text), NDJSON,
        "{\"name\":\"A\",\"email\":\"a@x\"}");
    must_have(f, "{\"created\":1,");
    assert_int_equal(events_of(f, "registered"), 2);
}

static void
nothing_is_applied_unless_every_line_is_good(void **state)
{
    struct domain_api *f = *state;
    const char *path = new_webinar_path(f);
    const char *body = "name,email,timezone\nA,a@x,UTC\nB,b,\nC,c@x,Mars/Olympus\n\"D,d@x,\n";

    must_put(f, 422, path, CSV, body);
    must_have(f, "\"pointer\":\"/lines/3/email\"");
    must_have(f, "\"pointer\":\"/lines/4/timezone\"");
    must_have(f, "\"pointer\":\"/lines/5\"");
    assert_int_equal(count_of(f, "SELECT count(*) FROM attendee"), 0);
    must_leave_nothing_behind(f);

    must_put(f, 200, text_of("%s?onError=skip", path), CSV, body);
    must_have(f, "{\"created\":1,\"updated\":0,\"unchanged\":0,\"skipped\":3,\"events\":[\"");
    must_put(f, 422, text_of("%s?onError=skip", path), CSV, "A,a@x\n");
    must_have(f, "header");
    must_leave_nothing_behind(f);
}

static void
a_dry_run_only_checks(void **state)
{
    struct domain_api *f = *state;
    const char *path = new_webinar_path(f);

    must_put(f, 200, text_of("%s?dryRun=true", path), CSV, "name,email\nA,a@x\n");
    must_have(f, "{\"created\":1,\"updated\":0,\"unchanged\":0,\"skipped\":0,\"events\":[]}");
    must_put(f, 422, text_of("%s?dryRun=true", path), CSV, "name,email\nA,a\n");
    assert_int_equal(count_of(f, "SELECT count(*) FROM attendee"), 0);
    assert_int_equal(count_of(f, "SELECT count(*) FROM bulk"), 0);
}

static void
what_is_no_upload_is_refused(void **state)
{
    struct domain_api *f = *state;
    const char *path = new_webinar_path(f);

    must_put(f, 415, path, "Content-Type: application/json\r\n", "[]");
    must_put(f, 415, path, NULL, "[]");
    must_put(f, 422, text_of("%s?onError=ignore&dryRun=1&colour=red", path), CSV, "");
    must_put(f, 422, text_of("%s?onError=ignore&dryRun=1", path), CSV, "");
    must_have(f, "onError");
    must_have(f, "dryRun");
    must_put(f, 404, "/webinars/634fc35ddaf58580e2418c40/attendees", CSV, "name,email\n");
    must_put(f, 404, "/mangoes/gold/attendees", CSV, "name,email\n");
    f->ts.key_text[0] = '\0';
    must_put(f, 401, path, CSV, "name,email\n");
    must_leave_nothing_behind(f);
}

static void
only_the_first_hundred_faults_are_named_and_reading_ends_there(void **state)
{
    struct domain_api *f = *state;
    const char *path = new_webinar_path(f);
    struct buf body;

    buf_init(&body, 1 << 20);
    for (int i = 0; i < 5000; i++)
        buf_printf(&body, "{\"name\":\"A\",\"email\":\"%d\"}\n", i);
    must_put(f, 422, path, NDJSON, body.ptr);
    must_have(f, "\"/lines/100/email\"");
    must_not_have(f, "\"/lines/101/email\"");
    buf_done(&body);
    must_leave_nothing_behind(f);
}

static void
thousands_of_lines_are_staged_while_they_stream_in(void **state)
{
    struct domain_api *f = *state;
    const char *path = new_webinar_path(f);
    struct buf body;

    buf_init(&body, 1 << 22);
    buf_append_literal(&body, "name,email,timezone\n");
    for (int i = 0; i < 5000; i++)
        buf_printf(&body, "N%d,%d@x,Asia/Kolkata\n", i, (i * 7919) % 5000);
    must_put(f, 200, path, CSV, body.ptr);
    must_have(f, "{\"created\":5000,\"updated\":0,\"unchanged\":0,\"skipped\":0,\"events\":[\"");
    assert_int_equal(count_of(f, "SELECT live FROM audience_group"), 5000);
    assert_int_equal(count_of(f, "SELECT count(*) FROM group_range"), 1);
    must_put(f, 200, path, CSV, body.ptr);
    must_have(f, "{\"created\":0,\"updated\":0,\"unchanged\":5000,\"skipped\":0,\"events\":[]");
    buf_done(&body);
    must_leave_nothing_behind(f);
}

/* Send the head and a part of the body; then the peer is gone. */
static void
put_and_go(struct domain_api *f, const char *path, const char *part, size_t whole_bytes)
{
    const char *head = text_of("PUT /api/v1%s HTTP/1.1\r\nHost: t\r\nx-api-key: %s\r\n" NDJSON
                               "Content-Length: %zu\r\n\r\n",
        path, f->ts.key_text, whole_bytes);
    int fd = test_connect(&f->ts);

    test_send(&f->ts, fd, head, strlen(head));
    test_send(&f->ts, fd, part, strlen(part));
    for (int i = 0; i < 3; i++)
        loop_turn(f->ts.loop);
    (void)close(fd);
    while (service_busy(f->ts.service) > 0)
        loop_turn(f->ts.loop);
}

static void
an_upload_that_breaks_off_is_thrown_away(void **state)
{
    struct domain_api *f = *state;
    const char *path = new_webinar_path(f);
    struct buf body;

    buf_init(&body, 1 << 20);
    for (int i = 0; i < 2000; i++)
        buf_printf(&body, "{\"name\":\"A\",\"email\":\"%d@x\"}\n", i);
    put_and_go(f, path, "{\"name\":\"A\",\"email\":\"a@x\"}\n", 1000);
    put_and_go(f, path, body.ptr, body.len + 1000);
    buf_done(&body);
    assert_int_equal(count_of(f, "SELECT count(*) FROM attendee"), 0);
    must_leave_nothing_behind(f);
}

static void
an_upload_whose_peer_does_not_wait_is_applied_whole_or_not_at_all(void **state)
{
    struct domain_api *f = *state;
    const char *path = new_webinar_path(f);
    struct buf body;
    int64_t live;

    buf_init(&body, 1 << 20);
    for (int i = 0; i < 3000; i++)
        buf_printf(&body, "{\"name\":\"A\",\"email\":\"%d@x\"}\n", i);
    put_and_go(f, path, body.ptr, body.len);
    buf_done(&body);
    live = count_of(f, "SELECT live FROM audience_group");
    assert_true(live == 0 || live == 3000);
    assert_int_equal(count_of(f, "SELECT count(*) FROM attendee"), live);
    assert_int_equal(events_of(f, "registered"), live == 0 ? 0 : 1);
    must_leave_nothing_behind(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DOMAIN_API_TEST(lines_become_registrations_and_one_event),
        DOMAIN_API_TEST(members_of_a_mango_are_told_of_each_of_its_webinars),
        DOMAIN_API_TEST(nothing_is_applied_unless_every_line_is_good),
        DOMAIN_API_TEST(a_dry_run_only_checks),
        DOMAIN_API_TEST(what_is_no_upload_is_refused),
        DOMAIN_API_TEST(only_the_first_hundred_faults_are_named_and_reading_ends_there),
        DOMAIN_API_TEST(thousands_of_lines_are_staged_while_they_stream_in),
        DOMAIN_API_TEST(an_upload_that_breaks_off_is_thrown_away),
        DOMAIN_API_TEST(an_upload_whose_peer_does_not_wait_is_applied_whole_or_not_at_all),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
