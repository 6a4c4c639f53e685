/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams as their readers see them, over the socket: time stands still until the test moves it.
 */
#include "api/stream.h"

#include "api/api.h"
#include "base/check.h"
#include "os/metrics.h"
#include "support/service.h"

#define OTHER 2
#define SHORT 3 /* expires after ten minutes */

struct world {
    struct test_service ts;
    struct api api;
    struct stream_limit limit;
    struct stream_hub *hub;
    struct stream_hub *hubs[1];
};

struct sql_call {
    struct store_call call;
    const char *sql;
};

static enum err
sql_run(struct store_call *call, struct engine *engine)
{
    return engine_exec(engine, ((struct sql_call *)call)->sql, &call->error);
}

static void
execute(struct world *world, const char *sql)
{
    struct sql_call call = {.call = {.run = sql_run, .writes = true}, .sql = sql};

    if (store_run(world->ts.store, &call.call) != OK)
        fail_msg("%s", call.call.error.text);
}

static int
setup(void **state)
{
    static struct world world;
    struct service_options options = {.api = &world.api,
        .tables = &api_stream_routes,
        .table_count = 1};
    struct stream_hub_options hub = {.limit = &world.limit};
    struct error error = {OK, ""};

    memset(&world, 0, sizeof(world));
    stream_limit_init(&world.limit);
    test_service_start_with(&world.ts, &options);
    hub.loop = world.ts.loop;
    hub.clock = &world.ts.clock.base;
    hub.port = &world.ts.port;
    test_must(stream_hub_new(&hub, &world.hub, &error), &error);
    world.hubs[0] = world.hub;
    world.api.streams = world.hubs;
    test_key_make(&world.ts, OTHER, "other", TEST_ALL_SCOPES, 0);
    test_key_make(&world.ts, SHORT, "default", TEST_ALL_SCOPES,
        world.ts.clock.walltime_now.us + 600 * US_PER_S);
    execute(&world,
        "INSERT INTO hook (hook_pk, account_pk, id, url, event, description, phone_format,"
        " signature, secret_sealed, max_in_flight, status, created_us, updated_us)"
        " VALUES (1, 1, CAST('hook-one-aaa' AS BLOB), '', '', '', '', '', x'', 1, 'enabled', 0, 0),"
        " (2, 2, CAST('hook-two-aaa' AS BLOB), '', '', '', '', '', x'', 1, 'enabled', 0, 0)");
    execute(&world,
        "WITH RECURSIVE n (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM n WHERE n < 2000)"
        " INSERT INTO event (event_pk, account_pk, id, type, reason, webinar_pk, webinar_id,"
        " starts_us, snapshot, audience, created_us)"
        " SELECT n, 1 + (n > 1000), CAST(printf('%012d', n) AS BLOB), 't', 'created', 1, x'', 0,"
        " x'', x'', 0 FROM n");
    *state = &world;
    return 0;
}

static int
teardown(void **state)
{
    struct world *world = *state;

    http_server_free(TAKE(world->ts.server));
    while (!stream_hub_is_idle(world->hub))
        loop_turn(world->ts.loop);
    assert_int_equal(metric_get(METRIC_streams), 0);
    stream_hub_free(world->hub);
    test_service_stop(&world->ts);
    stream_limit_done(&world->limit);
    return 0;
}

/* --- fan-outs --- */

/* Events and fan-outs have the same numbers; from 1001 on they are the other account's. */
static void
begin(struct world *world, int first, int last, int changed)
{
    char sql[512];

    (void)snprintf(sql, sizeof(sql),
        "INSERT INTO fanout (fanout_pk, event_pk, hook_pk, webinar_pk, filter_group, end_pos,"
        " changed, created_us) SELECT event_pk, event_pk, account_pk, 1, 0, 100, %d, 0 FROM event"
        " WHERE event_pk BETWEEN %d AND %d",
        changed, first, last);
    execute(world, sql);
}

static void
change(struct world *world, int first, int last, int changed, const char *status)
{
    char sql[512];

    (void)snprintf(sql, sizeof(sql),
        "UPDATE fanout SET changed = %d, status = '%s', delivered = delivered + 1"
        " WHERE fanout_pk BETWEEN %d AND %d",
        changed, status, first, last);
    execute(world, sql);
}

/* --- readers --- */

struct reader {
    struct world *world;
    int fd;
    struct buf in; /* without the head and the framing */
    size_t at;     /* of what was expected already */
    int status;
    bool is_closed;
};

static void
reader_read(struct reader *reader)
{
    static char bytes[1 << 16];
    ssize_t got = recv(reader->fd, bytes, sizeof(bytes), 0);

    if (got > 0)
        buf_append(&reader->in, bytes, (size_t)got);
    else if (got == 0 || errno != EAGAIN)
        reader->is_closed = true;
}

/* A read that does nothing, behind those that wait: there is one reader. */
struct marker {
    struct store_call call;
    bool is_back;
};

static enum err
marker_run(struct store_call *call, struct engine *engine)
{
    (void)call;
    (void)engine;
    return OK;
}

static void
marker_done(struct store_call *call)
{
    ((struct marker *)call)->is_back = true;
}

/* All that can happen at this moment: what sockets and timers bring, what the store then reads, and
 * what comes of that. */
static void
pump(struct world *world)
{
    for (int round = 0; round < 3; round++) {
        struct marker marker = {.call = {.run = marker_run, .done = marker_done}};

        for (int i = 0; i < 20; i++)
            loop_turn(world->ts.loop);
        marker.call.reply = loop_mailbox(world->ts.loop);
        assert_int_equal(store_submit(&world->ts.port, &marker.call), OK);
        while (!marker.is_back)
            loop_turn(world->ts.loop);
    }
    for (int i = 0; i < 20; i++)
        loop_turn(world->ts.loop);
}

static struct reader
reader_open_with(struct world *world, const char *method, const char *query, const char *fields)
{
    struct reader reader = {.world = world, .fd = test_connect(&world->ts)};
    char head[1024];
    int len = snprintf(head, sizeof(head),
        "%s /api/v1/stream%s HTTP/1.1\r\nHost: t\r\nx-api-key: %s\r\n%s\r\n", method, query,
        world->ts.key_text, fields);

    buf_init(&reader.in, 8 << 20);
    test_send(&world->ts, reader.fd, head, (size_t)len);
    for (int i = 0; i < 100000 && !(reader.in.len > 0 && strstr(reader.in.ptr, "\r\n\r\n")); i++) {
        loop_turn(world->ts.loop);
        reader_read(&reader);
    }
    assert_true(reader.in.len > 0);
    reader.status = (int)strtol(reader.in.ptr + strlen("HTTP/1.1 "), NULL, 10);
    return reader;
}

static struct reader
reader_open(struct world *world, const char *query, const char *last_id)
{
    char field[128] = "";

    if (last_id != NULL)
        (void)snprintf(field, sizeof(field), "Last-Event-ID: %s\r\n", last_id);
    return reader_open_with(world, "GET", query, field);
}

static void
reader_close(struct reader *reader)
{
    (void)close(reader->fd);
    buf_done(&reader->in);
}

/* This comes, after what was expected before. */
static void
expect(struct reader *reader, const char *text)
{
    const char *found = NULL;

    for (int i = 0; i < 100000 && found == NULL; i++) {
        loop_turn(reader->world->ts.loop);
        reader_read(reader);
        found = strstr(reader->in.ptr + reader->at, text);
    }
    if (found == NULL)
        fail_msg("no \"%s\" in: %s", text, reader->in.ptr + reader->at);
    reader->at = (size_t)(found - reader->in.ptr) + strlen(text);
}

static size_t
count_progress(struct reader *reader)
{
    struct str rest;
    struct str line;
    size_t count = 0;

    pump(reader->world);
    reader_read(reader);
    rest = buf_str(&reader->in);
    while (str_split(&rest, '\n', &line))
        count += str_equals(line, STR("event: progress"));
    return count;
}

static void
expect_silence(struct reader *reader)
{
    size_t len = reader->in.len;

    pump(reader->world);
    reader_read(reader);
    if (reader->in.len != len)
        fail_msg("not silent: %s", reader->in.ptr + len);
}

static void
expect_end(struct reader *reader)
{
    expect(reader, "0\r\n\r\n");
}

/* Let time pass, and what is due happen. */
static void
advance(struct world *world, int64_t us)
{
    clock_manual_advance(&world->ts.clock, us);
    pump(world);
}

/* --- tests --- */

static void
a_stream_begins_with_what_is_open_and_goes_on_with_what_changes(void **state)
{
    struct world *world = *state;
    struct reader reader;

    begin(world, 1, 2, 10);
    change(world, 2, 2, 20, "done");
    begin(world, 1001, 1001, 30);
    reader = reader_open(world, "", NULL);
    expect(&reader, "Transfer-Encoding: chunked\r\n");
    expect(&reader, "Content-Type: text/event-stream\r\n");
    expect(&reader, "Cache-Control: no-store\r\n");
    expect(&reader, "retry: 2000\n\n");
    expect(&reader, "id: 10-1\nevent: progress\ndata: {\"event\":\"303030303030303030303031\","
                    "\"hook\":\"686f6f6b2d6f6e652d616161\",\"status\":\"sending\",\"total\":100,"
                    "\"delivered\":0,\"failing\":0,\"dead\":0,\"skipped\":0,\"superseded\":0,");
    expect(&reader, "}\n\nid: 30-1001\n\n");
    expect_silence(&reader);

    change(world, 1, 1, 40, "sending");
    expect_silence(&reader); /* not yet */
    advance(world, STREAM_LOOK_US);
    expect(&reader, "id: 40-1\nevent: progress\ndata: {");
    expect(&reader, "\"delivered\":1,");
    change(world, 1, 1, 50, "done");
    change(world, 1001, 1001, 51, "done");
    advance(world, STREAM_LOOK_US);
    expect(&reader, "id: 50-1\n");
    expect(&reader, "\"status\":\"done\"");
    advance(world, STREAM_LOOK_US);
    expect_silence(&reader);
    assert_int_equal(count_progress(&reader), 3);
    reader_close(&reader);
}

static void
who_comes_back_misses_nothing_and_hears_nothing_twice(void **state)
{
    struct world *world = *state;
    struct reader reader;

    begin(world, 1, 900, 10); /* more than two pages, all of one number */
    change(world, 1, 1, 20, "done");
    begin(world, 1001, 2000, 15);
    reader = reader_open(world, "", "10-300");
    expect(&reader, "id: 10-301\n");
    expect(&reader, "id: 10-900\n");
    expect(&reader, "id: 20-1\n");
    expect_silence(&reader);
    assert_int_equal(count_progress(&reader), 601);
    change(world, 5, 5, 30, "done");
    advance(world, STREAM_LOOK_US);
    expect(&reader, "id: 30-5\n");
    reader_close(&reader);

    reader = reader_open(world, "", "30-5");
    advance(world, STREAM_LOOK_US);
    assert_int_equal(count_progress(&reader), 0);
    change(world, 4, 6, 40, "done");
    advance(world, STREAM_LOOK_US);
    expect(&reader, "id: 40-4\n");
    expect(&reader, "id: 40-5\n");
    expect(&reader, "id: 40-6\n");
    assert_int_equal(count_progress(&reader), 3);
    reader_close(&reader);
}

static void
a_stream_may_be_of_one_event_or_one_hook(void **state)
{
    struct world *world = *state;
    struct reader event = reader_open(world, "?event=303030303030303030303032", NULL);
    struct reader hook = reader_open(world, "?hook=686f6f6b2d6f6e652d616161", NULL);
    struct reader none = reader_open(world, "?hook=686f6f6b2d74776f2d616161", NULL);

    advance(world, STREAM_LOOK_US);
    begin(world, 1, 3, 10);
    begin(world, 1001, 1001, 11);
    advance(world, STREAM_LOOK_US);
    expect(&event, "id: 10-2\n");
    expect(&hook, "id: 10-1\n");
    assert_int_equal(count_progress(&event), 1);
    assert_int_equal(count_progress(&hook), 3);
    assert_int_equal(count_progress(&none), 0);
    reader_close(&event);
    reader_close(&hook);
    reader_close(&none);
}

static void
two_accounts_see_their_own(void **state)
{
    struct world *world = *state;
    struct reader one = reader_open(world, "", NULL);
    struct reader two;

    test_key_use(&world->ts, OTHER);
    two = reader_open(world, "", NULL);
    advance(world, STREAM_LOOK_US);
    begin(world, 1, 1, 10);
    begin(world, 1001, 1002, 11);
    advance(world, STREAM_LOOK_US);
    expect(&one, "id: 10-1\n");
    expect(&two, "id: 11-1001\n");
    expect(&two, "id: 11-1002\n");
    assert_int_equal(count_progress(&one), 1);
    assert_int_equal(count_progress(&two), 2);
    reader_close(&one);
    reader_close(&two);
}

static void
streams_of_one_look_are_each_told_what_is_new_to_them(void **state)
{
    struct world *world = *state;
    struct reader early = reader_open(world, "", NULL);
    struct reader late;

    advance(world, STREAM_LOOK_US);
    begin(world, 1, 1, 10);
    late = reader_open(world, "", NULL); /* before the early one was looked after */
    expect(&late, "id: 10-1\n");
    assert_int_equal(count_progress(&early), 0);
    advance(world, STREAM_LOOK_US);
    expect(&early, "id: 10-1\n");
    assert_int_equal(count_progress(&early), 1);
    assert_int_equal(count_progress(&late), 1);
    reader_close(&early);
    reader_close(&late);
}

static void
a_wrong_question_is_refused(void **state)
{
    static const struct {
        const char *query;
        const char *last_id;
        int status;
        const char *named;
    } wrong[] = {
        {"?event=1", NULL, 422, "event"},
        {"?hook=x", NULL, 422, "hook"},
        {"?key=usk_", NULL, 422, "key"},
        {"", "yesterday", 400, "Last-Event-ID"},
        {"", "1-", 400, "Last-Event-ID"},
    };
    struct world *world = *state;

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct reader reader = reader_open(world, wrong[i].query, wrong[i].last_id);

        assert_int_equal(reader.status, wrong[i].status);
        expect(&reader, wrong[i].named);
        reader_close(&reader);
    }
    assert_int_equal(test_ask(&world->ts, "POST", "/api/v1/stream", NULL, NULL), 405);
    world->ts.key_text[0] = '\0';
    assert_int_equal(test_ask(&world->ts, "GET", "/api/v1/stream", NULL, NULL), 401);
    assert_int_equal(metric_get(METRIC_streams), 0);
}

static void
head_is_answered_and_is_no_stream(void **state)
{
    struct world *world = *state;
    struct reader reader = reader_open_with(world, "HEAD", "", "");

    assert_int_equal(reader.status, 200);
    expect(&reader, "text/event-stream");
    assert_int_equal(metric_get(METRIC_streams), 0);
    reader_close(&reader);
}

static void
nothing_to_tell_is_told_every_fifteen_seconds(void **state)
{
    struct world *world = *state;
    struct reader reader = reader_open(world, "", NULL);

    expect(&reader, "id: 0-0\n\n");
    advance(world, STREAM_KEEP_ALIVE_US - US_PER_S);
    expect_silence(&reader);
    advance(world, US_PER_S);
    expect(&reader, ": keep-alive\n\n");
    begin(world, 1, 1, 10);
    advance(world, STREAM_LOOK_US);
    expect(&reader, "id: 10-1\n");
    advance(world, STREAM_KEEP_ALIVE_US - STREAM_LOOK_US);
    expect_silence(&reader);
    advance(world, STREAM_LOOK_US);
    expect(&reader, ": keep-alive\n\n");
    reader_close(&reader);
}

static void
a_key_that_is_no_more_ends_its_streams(void **state)
{
    struct world *world = *state;
    struct reader lasting = reader_open(world, "", NULL);
    struct reader expiring;

    test_key_use(&world->ts, SHORT);
    expiring = reader_open(world, "", NULL);
    for (int minute = 0; minute < 9; minute++)
        advance(world, STREAM_KEY_CHECK_US);
    assert_int_equal(metric_get(METRIC_streams), 2);
    advance(world, STREAM_KEY_CHECK_US);
    expect_end(&expiring);
    assert_int_equal(metric_get(METRIC_streams), 1);
    execute(world, "DELETE FROM api_key");
    advance(world, STREAM_KEY_CHECK_US);
    expect_end(&lasting);
    assert_int_equal(metric_get(METRIC_streams), 0);
    reader_close(&lasting);
    reader_close(&expiring);
}

static void
an_account_has_so_many_and_a_loop_has_so_many(void **state)
{
    struct world *world = *state;
    struct reader readers[STREAMS_PER_LOOP_MAX + 1];
    size_t count = 0;

    for (; count < STREAMS_PER_ACCOUNT_MAX; count++) {
        readers[count] = reader_open(world, "", NULL);
        assert_int_equal(readers[count].status, 200);
    }
    readers[count] = reader_open(world, "", NULL);
    assert_int_equal(readers[count].status, 429);
    expect(&readers[count], "Retry-After: ");
    expect(&readers[count], "close one");
    reader_close(&readers[count]);
    /* One that goes makes room. */
    reader_close(&readers[--count]);
    pump(world);
    readers[count++] = reader_open(world, "", NULL);
    assert_int_equal(readers[count - 1].status, 200);

    while (count < STREAMS_PER_LOOP_MAX) {
        char name[16];

        if (count % STREAMS_PER_ACCOUNT_MAX == 0) {
            (void)snprintf(name, sizeof(name), "account %zu", count);
            test_key_make(&world->ts, (uint8_t)(100 + count), name, TEST_ALL_SCOPES, 0);
            test_key_use(&world->ts, (uint8_t)(100 + count));
        }
        readers[count] = reader_open(world, "", NULL);
        assert_int_equal(readers[count++].status, 200);
    }
    test_key_use(&world->ts, OTHER);
    readers[count] = reader_open(world, "", NULL);
    assert_int_equal(readers[count].status, 503);
    expect(&readers[count], "Retry-After: ");
    for (size_t i = 0; i <= count; i++)
        reader_close(&readers[i]);
    pump(world);
    assert_int_equal(metric_get(METRIC_streams), 0);
}

static void
a_slow_reader_is_told_the_last_of_what_changed(void **state)
{
    struct world *world = *state;
    struct reader slow = reader_open(world, "", NULL);
    struct reader quick = reader_open(world, "", NULL);
    const char *done = "\"status\":\"done\"";
    size_t searched = 0;
    int changed = 20;

    begin(world, 1, 300, 10);
    for (int i = 0; i < 100; i++) { /* some 13 MB */
        change(world, 1, 300, changed++, "sending");
        advance(world, STREAM_LOOK_US);
        reader_read(&quick);
    }
    change(world, 300, 300, changed, "done");
    advance(world, STREAM_LOOK_US);
    for (int i = 0; i < 4000 && strstr(slow.in.ptr + searched, done) == NULL; i++) {
        searched = slow.in.len > strlen(done) ? slow.in.len - strlen(done) : 0;
        reader_read(&slow);
        if (i % 20 == 0)
            advance(world, STREAM_LOOK_US);
        loop_turn(world->ts.loop);
    }
    expect(&slow, done);
    assert_in_range(count_progress(&slow), 300, 100 * 300 - 300);
    assert_false(slow.is_closed);
    reader_close(&slow);
    reader_close(&quick);
}

static void
a_drain_ends_all_streams(void **state)
{
    struct world *world = *state;
    struct reader one = reader_open(world, "", NULL);
    struct reader two = reader_open(world, "", NULL);
    struct reader late;

    stream_hub_drain(world->hub);
    expect_end(&one);
    expect_end(&two);
    assert_true(stream_hub_is_idle(world->hub));
    late = reader_open(world, "", NULL);
    assert_int_equal(late.status, 503);
    reader_close(&one);
    reader_close(&two);
    reader_close(&late);
}

static void
a_store_that_fails_is_asked_again_after_a_while(void **state)
{
    struct world *world = *state;
    struct instant now = clock_instant(&world->ts.clock.base);
    struct reader reader;

    execute(world, "ALTER TABLE fanout RENAME TO hidden");
    reader = reader_open(world, "", NULL);
    expect(&reader, "retry: 2000\n\n");
    pump(world);
    assert_true(stream_hub_tick(world->hub, now).us == now.us + STREAM_LOOK_US);
    execute(world, "ALTER TABLE hidden RENAME TO fanout");
    begin(world, 1, 1, 7);
    expect_silence(&reader);
    advance(world, STREAM_LOOK_US);
    expect(&reader, "event: progress");
    reader_close(&reader);
}

static void
without_streams_there_is_nothing_to_do(void **state)
{
    struct world *world = *state;
    struct instant now = clock_instant(&world->ts.clock.base);
    struct reader reader;

    assert_true(stream_hub_tick(world->hub, now).us == INSTANT_NEVER.us);
    reader = reader_open(world, "", NULL);
    expect(&reader, "id: 0-0\n\n");
    assert_true(stream_hub_tick(world->hub, now).us <= now.us + STREAM_LOOK_US);
    reader_close(&reader);
    pump(world);
    assert_true(stream_hub_is_idle(world->hub));
    assert_true(stream_hub_tick(world->hub, now).us == INSTANT_NEVER.us);
}

#define STREAM_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        STREAM_TEST(a_stream_begins_with_what_is_open_and_goes_on_with_what_changes),
        STREAM_TEST(who_comes_back_misses_nothing_and_hears_nothing_twice),
        STREAM_TEST(a_stream_may_be_of_one_event_or_one_hook),
        STREAM_TEST(two_accounts_see_their_own),
        STREAM_TEST(streams_of_one_look_are_each_told_what_is_new_to_them),
        STREAM_TEST(a_wrong_question_is_refused),
        STREAM_TEST(head_is_answered_and_is_no_stream),
        STREAM_TEST(nothing_to_tell_is_told_every_fifteen_seconds),
        STREAM_TEST(a_key_that_is_no_more_ends_its_streams),
        STREAM_TEST(an_account_has_so_many_and_a_loop_has_so_many),
        STREAM_TEST(a_slow_reader_is_told_the_last_of_what_changed),
        STREAM_TEST(a_drain_ends_all_streams),
        STREAM_TEST(a_store_that_fails_is_asked_again_after_a_while),
        STREAM_TEST(without_streams_there_is_nothing_to_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
