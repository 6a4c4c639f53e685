/* SPDX-License-Identifier: Apache-2.0 */
#include "http/pages.h"

#include "os/fault.h"
#include "support/service.h"

static void
start(struct test_service *ts, struct service_options options)
{
    options.tables = &page_routes;
    options.table_count = 1;
    test_service_start_with(ts, &options);
    ts->key_text[0] = '\0';
}

static void
must_answer(struct test_service *ts, int status, const char *body)
{
    assert_int_equal(test_ask(ts, "GET", "/readyz", NULL, NULL), status);
    assert_string_equal(ts->body, body);
}

static void
a_server_with_room_on_its_disk_is_ready(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts, (struct service_options){.disk_path = "/tmp", .disk_reserve_bytes = 1});
    must_answer(&ts, 200,
        "{\"status\":\"ok\",\"checks\":{\"store\":{\"status\":\"ok\"},\"disk\":{\"status\":\"ok\"},"
        "\"draining\":{\"status\":\"ok\"}}}");
    test_service_stop(&ts);
}

static void
a_disk_with_too_little_room_is_named(void **state)
{
    struct test_service ts;

    (void)state;
    start(&ts,
        (struct service_options){.disk_path = "/tmp", .disk_reserve_bytes = INT64_C(1) << 60});
    assert_int_equal(test_ask(&ts, "GET", "/readyz", NULL, NULL), 503);
    assert_true(test_has(&ts, "{\"status\":\"failing\",\"checks\":{\"store\":{\"status\":\"ok\"}"));
    assert_true(test_has(&ts, "\"disk\":{\"status\":\"failing\",\"detail\":\""));
    assert_true(
        test_has(&ts, " MiB are free on the database's disk, and 1099511627776 are wanted"));
    test_service_stop(&ts);
}

/* A database in memory, or a disk that cannot be asked: what there is to say the store says. */
static void
without_a_disk_nothing_is_said_against_it(void **state)
{
    static const char *const paths[] = {NULL, "/nowhere/usher.db"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct test_service ts;

        start(&ts, (struct service_options){.disk_path = paths[i], .disk_reserve_bytes = 1});
        assert_int_equal(test_ask(&ts, "GET", "/readyz", NULL, NULL), 200);
        test_service_stop(&ts);
    }
}

#ifdef USHER_FAULTS
static enum err
write_nothing(struct store_call *call, struct engine *engine)
{
    (void)call;
    (void)engine;
    return OK;
}
#endif

static void
a_store_that_failed_is_named_until_it_is_well(void **state)
{
#ifdef USHER_FAULTS
    struct test_service ts;
    struct store_call call = {.run = write_nothing, .writes = true};

    (void)state;
    start(&ts, (struct service_options){.disk_path = "/tmp"});
    fault_arm("store.commit", 1);
    assert_int_not_equal(store_run(ts.store, &call), OK);
    assert_true(fault_fired());
    assert_int_equal(test_ask(&ts, "GET", "/readyz", NULL, NULL), 503);
    assert_true(test_has(&ts, "\"store\":{\"status\":\"failing\",\"detail\":\""));
    assert_int_equal(store_run(ts.store, &call), OK);
    assert_int_equal(test_ask(&ts, "GET", "/readyz", NULL, NULL), 200);
    test_service_stop(&ts);
#else
    (void)state;
    skip();
#endif
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_with_room_on_its_disk_is_ready),
        cmocka_unit_test(a_disk_with_too_little_room_is_named),
        cmocka_unit_test(without_a_disk_nothing_is_said_against_it),
        cmocka_unit_test(a_store_that_failed_is_named_until_it_is_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
