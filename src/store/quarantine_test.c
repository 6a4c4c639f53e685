/* SPDX-License-Identifier: Apache-2.0 */
#include "store/quarantine.h"

#include <stdio.h>
#include <string.h>

#include "os/files.h"
#include "support/engine.h"
#include "support/inbox.h"
#include "support/scratch.h"
#include "support/test.h"

static struct engine *engine;
static struct arena arena;
static struct error error;

static const struct quarantine_bounds wide = {
    .bytes_max = 16 << 20,
    .keep_us = US_PER_DAY,
    .peer_share = 1,
};

static int
setup(void **state)
{
    (void)state;
    engine = test_engine_open();
    arena_init(&arena, 16 << 20);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    engine_close(engine);
    arena_done(&arena);
    return 0;
}

static struct quarantined
call_of(const char *source, const char *peer, int64_t received_us)
{
    return (struct quarantined){
        .source = str_from(source),
        .peer = str_from(peer),
        .reason = STR("the signature is another one"),
        .received = {received_us},
        .token = STR("tok-en"),
        .headers = STR("a: b\r\n"),
        .body = STR("{\"a\":1}"),
    };
}

static void
put(const struct quarantined *call, const struct quarantine_bounds *bounds)
{
    if (quarantine_put(engine, call, 1, bounds, &error) != OK)
        fail_msg("%s", error.text);
}

/* The room that is counted is what the rows say, and of no caller who is gone. */
static void
must_add_up(void)
{
    assert_int_equal(test_count(engine,
                         "SELECT coalesce(sum(bytes), 0) - (SELECT bytes FROM quarantine_room"
                         " WHERE peer = '') FROM quarantine"),
        0);
    assert_int_equal(test_count(engine,
                         "SELECT count(*) FROM (SELECT peer, sum(bytes) FROM quarantine"
                         " GROUP BY peer EXCEPT SELECT peer, bytes FROM quarantine_room)"),
        0);
    assert_int_equal(test_count(engine, "SELECT count(DISTINCT peer) + 1 - (SELECT count(*)"
                                        " FROM quarantine_room) FROM quarantine"),
        0);
}

static size_t
count_of(const char *source)
{
    struct quarantine_query query = {.source = str_from(source), .limit = 10000};
    struct quarantined *calls = NULL;
    size_t count = 0;

    assert_int_equal(quarantine_list(engine, &query, &arena, &calls, &count, &error), OK);
    return count;
}

static void
a_call_comes_back_whole(void **state)
{
    static char body[1024 * 1024];
    struct quarantined calls[3];
    struct quarantined got;

    (void)state;
    memset(body, 'b', sizeof(body));
    calls[0] = call_of("s", "192.0.2.1", 5000);
    calls[1] = call_of("s", "192.0.2.1", 5000);
    calls[1].token = (struct str){NULL, 0};
    calls[1].headers = calls[1].body = (struct str){NULL, 0};
    calls[2] = call_of("s", "192.0.2.1", 4000);
    calls[2].token = STR("");
    calls[2].body = (struct str){body, sizeof(body)};
    assert_int_equal(quarantine_put(engine, calls, 3, &wide, &error), OK);
    assert_int_equal(quarantine_get(engine, 5000, &arena, &got, &error), OK);
    assert_true(str_equals(got.source, STR("s")));
    assert_true(str_equals(got.peer, STR("192.0.2.1")));
    assert_true(str_equals(got.reason, STR("the signature is another one")));
    assert_int_equal(got.received.us, 5000);
    assert_true(str_equals(got.token, STR("tok-en")));
    assert_true(str_equals(got.headers, STR("a: b\r\n")));
    assert_true(str_equals(got.body, STR("{\"a\":1}")));

    assert_int_equal(quarantine_get(engine, 5001, &arena, &got, &error), OK);
    assert_null(got.token.ptr);
    assert_int_equal(got.headers.len + got.body.len, 0);
    assert_int_equal(quarantine_get(engine, 5002, &arena, &got, &error), OK);
    assert_non_null(got.token.ptr);
    assert_int_equal(got.token.len, 0);
    assert_int_equal(got.body.len, sizeof(body));
    must_add_up();
}

static void
lists_are_newest_first_and_releases_oldest_first(void **state)
{
    struct quarantine_query query = {.source = STR("s"), .limit = 2};
    struct quarantined *calls = NULL;
    struct quarantined got = {.quarantine_pk = 0};
    size_t count = 0;

    (void)state;
    for (int64_t i = 0; i < 4; i++) {
        struct quarantined call = call_of(i == 2 ? "t" : "s", "192.0.2.1", 5000 + i);

        put(&call, &wide);
    }
    assert_int_equal(quarantine_list(engine, &query, &arena, &calls, &count, &error), OK);
    assert_int_equal(count, 2);
    assert_int_equal(calls[0].quarantine_pk, 5003);
    assert_int_equal(calls[1].quarantine_pk, 5001);
    assert_null(calls[0].token.ptr);
    assert_null(calls[0].body.ptr);
    query.before_pk = 5001;
    assert_int_equal(quarantine_list(engine, &query, &arena, &calls, &count, &error), OK);
    assert_int_equal(count, 1);
    assert_int_equal(calls[0].quarantine_pk, 5000);
    query = (struct quarantine_query){.limit = 9};
    assert_int_equal(quarantine_list(engine, &query, &arena, &calls, &count, &error), OK);
    assert_int_equal(count, 4);

    assert_int_equal(quarantine_next(engine, STR("s"), 5001, &arena, &got, &error), OK);
    assert_int_equal(got.quarantine_pk, 5003);
    assert_true(str_equals(got.body, STR("{\"a\":1}")));
    assert_int_equal(quarantine_next(engine, (struct str){NULL, 0}, 5001, &arena, &got, &error),
        OK);
    assert_int_equal(got.quarantine_pk, 5002);
    assert_int_equal(quarantine_next(engine, STR("s"), 5003, &arena, &got, &error), ERR_NOT_FOUND);
    assert_int_equal(got.quarantine_pk, 5002);
}

static void
calls_are_let_go_one_by_one_and_by_source(void **state)
{
    int64_t cleared = 0;

    (void)state;
    for (int64_t i = 0; i < 6; i++) {
        struct quarantined call =
            call_of(i % 2 == 0 ? "s" : "t", i < 3 ? "192.0.2.1" : "192.0.2.2", 5000 + i);

        put(&call, &wide);
    }
    assert_int_equal(quarantine_delete(engine, 5000, &error), OK);
    assert_int_equal(quarantine_delete(engine, 5000, &error), ERR_NOT_FOUND);
    must_add_up();
    assert_int_equal(quarantine_clear(engine, STR("t"), &cleared, &error), OK);
    assert_int_equal(cleared, 3);
    must_add_up();
    assert_int_equal(count_of("s"), 2);
    assert_int_equal(quarantine_clear(engine, (struct str){NULL, 0}, &cleared, &error), OK);
    assert_int_equal(cleared, 2);
    must_add_up();

    /* A number that is free again names no other call. */
    struct quarantined call = call_of("s", "192.0.2.1", 4000);
    put(&call, &wide);
    assert_int_equal(quarantine_delete(engine, 5006, &error), OK);
}

static void
the_oldest_go_where_there_is_no_room(void **state)
{
    struct quarantine_bounds bounds = {.bytes_max = 10000, .keep_us = US_PER_DAY, .peer_share = 1};
    struct quarantined got;

    (void)state;
    for (int64_t i = 0; i < 100; i++) {
        struct quarantined call = call_of("s", i % 2 == 0 ? "192.0.2.1" : "192.0.2.2", 5000 + i);

        put(&call, &bounds);
        assert_true(test_count(engine, "SELECT sum(bytes) FROM quarantine") <= 10000);
        must_add_up();
    }
    assert_true(count_of(NULL) >= 10);
    assert_int_equal(quarantine_get(engine, 5099, &arena, &got, &error), OK);
    assert_int_equal(quarantine_get(engine, 5000, &arena, &got, &error), ERR_NOT_FOUND);
}

/* Whoever floods it drives out their own calls alone. */
static void
one_caller_takes_no_more_than_their_share(void **state)
{
    struct quarantine_bounds bounds = {.bytes_max = 40000, .keep_us = US_PER_DAY, .peer_share = 4};
    struct quarantined friendly = call_of("s", "192.0.2.7", 4000);
    struct quarantined got;

    (void)state;
    put(&friendly, &bounds);
    for (int64_t i = 0; i < 200; i++) {
        struct quarantined call = call_of("s", "192.0.2.1", 5000 + i);

        put(&call, &bounds);
        assert_true(test_count(engine, "SELECT sum(bytes) FROM quarantine"
                                       " WHERE peer = '192.0.2.1'") <= 10000);
    }
    assert_int_equal(quarantine_get(engine, 4000, &arena, &got, &error), OK);
    assert_int_equal(quarantine_get(engine, 5199, &arena, &got, &error), OK);
    assert_int_equal(quarantine_get(engine, 5190, &arena, &got, &error), OK);
    assert_int_equal(quarantine_get(engine, 5000, &arena, &got, &error), ERR_NOT_FOUND);
    must_add_up();
}

static void
what_is_more_than_a_share_is_not_kept(void **state)
{
    static const char body[9000] = {'b'};
    struct quarantine_bounds bounds = {.bytes_max = 16000, .keep_us = US_PER_DAY, .peer_share = 2};
    struct quarantined small = call_of("s", "192.0.2.1", 5000);
    struct quarantined large = call_of("s", "192.0.2.1", 5001);

    (void)state;
    large.body = (struct str){body, sizeof(body)};
    put(&small, &bounds);
    put(&large, &bounds);
    assert_int_equal(count_of(NULL), 1);
    must_add_up();
}

static void
what_is_too_old_goes_at_the_next_put(void **state)
{
    struct quarantine_bounds bounds = {.bytes_max = 1 << 20, .keep_us = 1000, .peer_share = 1};
    static const int64_t times[] = {9000, 5000, 5500, 6000, 6200, 6500};
    struct quarantined got;

    (void)state;
    /* The first is from the future, which must not hold up the others. */
    for (size_t i = 0; i < COUNT_OF(times); i++) {
        struct quarantined call = call_of("s", "192.0.2.1", times[i]);

        put(&call, &bounds);
    }
    assert_int_equal(count_of(NULL), 5);
    assert_int_equal(quarantine_get(engine, 9001, &arena, &got, &error), ERR_NOT_FOUND);
    assert_int_equal(quarantine_get(engine, 9002, &arena, &got, &error), OK);
    assert_int_equal(got.received.us, 5500);
    must_add_up();
}

static void
a_caller_without_an_address_counts_as_one(void **state)
{
    struct quarantined call = call_of("s", NULL, 5000);

    (void)state;
    call.source = call.reason = (struct str){NULL, 0};
    put(&call, &wide);
    put(&call, &wide);
    assert_int_equal(count_of(NULL), 2);
    must_add_up();
}

static void
a_call_opens_only_under_its_key_and_in_its_row(void **state)
{
    static const uint8_t other_key[SEAL_KEY_BYTES] = {9};
    struct quarantined call = call_of("s", "192.0.2.1", 5000);
    struct quarantined got = {.quarantine_pk = 42};

    (void)state;
    put(&call, &wide);
    put(&call, &wide);
    assert_int_equal(engine_exec(engine,
                         "UPDATE quarantine SET call_sealed = (SELECT call_sealed FROM quarantine"
                         " WHERE quarantine_pk = 5000) WHERE quarantine_pk = 5001",
                         &error),
        OK);
    assert_int_equal(quarantine_get(engine, 5001, &arena, &got, &error), ERR_DENIED);
    engine_set_seal_key(engine, other_key);
    assert_int_equal(quarantine_get(engine, 5000, &arena, &got, &error), ERR_DENIED);
    engine_set_seal_key(engine, NULL);
    assert_int_equal(quarantine_get(engine, 5000, &arena, &got, &error), ERR_DENIED);
    assert_int_equal(got.quarantine_pk, 42);
    assert_int_equal(count_of(NULL), 2);
}

/* What proves a caller is not to be read in the file. */
static void
nothing_of_a_call_is_in_the_files_bytes(void **state)
{
    static const uint8_t key[SEAL_KEY_BYTES] = {1};
    struct quarantined call = call_of("s", "192.0.2.1", 5000);
    struct engine_options options = {.seal_key = key};
    struct engine *file = NULL;
    struct scratch scratch;
    struct buf bytes;
    char path[128];

    (void)state;
    scratch_init(&scratch);
    (void)snprintf(path, sizeof(path), "%s/db", scratch.dir);
    options.path = path;
    call.token = STR("very-secret-token");
    call.headers = STR("authorization: Basic secret\r\n");
    assert_int_equal(engine_open(&options, &file, &error), OK);
    assert_int_equal(migrate(file, path, &error), OK);
    assert_int_equal(quarantine_put(file, &call, 1, &wide, &error), OK);
    assert_int_equal(engine_checkpoint(file, &error), OK);
    buf_init(&bytes, 64 << 20);
    assert_int_equal(file_read(path, &bytes, &error), OK);
    assert_null(memmem(bytes.ptr, bytes.len, "very-secret-token", 17));
    assert_null(memmem(bytes.ptr, bytes.len, "Basic secret", 12));
    assert_non_null(memmem(bytes.ptr, bytes.len, "192.0.2.1", 9));
    buf_done(&bytes);
    engine_close(file);
    scratch_done(&scratch);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_call_comes_back_whole),
        TEST(lists_are_newest_first_and_releases_oldest_first),
        TEST(calls_are_let_go_one_by_one_and_by_source),
        TEST(the_oldest_go_where_there_is_no_room),
        TEST(one_caller_takes_no_more_than_their_share),
        TEST(what_is_more_than_a_share_is_not_kept),
        TEST(what_is_too_old_goes_at_the_next_put),
        TEST(a_caller_without_an_address_counts_as_one),
        TEST(a_call_opens_only_under_its_key_and_in_its_row),
        cmocka_unit_test(nothing_of_a_call_is_in_the_files_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
