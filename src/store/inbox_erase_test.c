/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "os/files.h"
#include "store/handlers.h"
#include "store/inbox_inside.h"
#include "store/quarantine.h"
#include "support/engine.h"
#include "support/inbox.h"
#include "support/scratch.h"
#include "support/test.h"

static struct engine *engine;
static struct error error;
static int64_t source;

static int
setup(void **state)
{
    (void)state;
    engine = test_engine_open();
    source = test_source(engine, "tagmango");
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    engine_close(engine);
    return 0;
}

static int64_t
erase(struct engine *from, const char *email)
{
    int64_t at = 0;
    int64_t erased = 0;

    for (int steps = 0; at != INT64_MAX; steps++) {
        assert_true(steps < 100);
        if (inbox_erase_step(from, str_from(email), &at, &erased, &error) != OK)
            fail_msg("%s", error.text);
    }
    return erased;
}

static int64_t
purge(int64_t before_us, bool also_waiting)
{
    int64_t at = 0;
    int64_t purged = 0;

    while (at != INT64_MAX) {
        if (inbox_purge_step(engine, (struct walltime){before_us}, also_waiting, &at, &purged,
                &error) != OK)
            fail_msg("%s", error.text);
    }
    return purged;
}

/* --- whose address it is --- */

static const struct {
    const char *body;
    bool holds;
} bodies[] = {
    {"{\"email\":\"john@x.com\"}", true},
    {"{\"email\":\"JOHN@X.com\"}", true},
    {"john@x.com", true},
    {"write to john@x.com.", true},
    {"<john@x.com>,mailto:john@x.com?subject=a", true},
    {"{\"email\":\"john\\u0040x.com\"}", true},
    {"{\"list\":[{\"note\":\"Hello\\njohn@x.com\"}]}", true},
    {"{\"john\\u0040x.com\":1}", true},
    {"other.john@x.com john@x.com", true},
    {"{\"email\":\"john@x.co\"}", false},
    {"{\"email\":\"big-john@x.com\"}", false},
    {"{\"email\":\"john@x.com.au\"}", false},
    {"{\"email\":\"john@x.community\"}", false},
    {"{\"email\":\"john@x.com-pany.de\"}", false},
    {"{\"email\":\"a+john@x.com\",\"b\":\"a\\nb\"}", false},
    {"@x.com", false},
    {"john@x.co", false},
    {"", false},
};

static void
an_address_is_found_and_not_in_another_one(void **state)
{
    struct arena scratch;

    (void)state;
    arena_init(&scratch, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        if (body_holds_email(str_from(bodies[i].body), STR("john@x.com"), &scratch) !=
            bodies[i].holds)
            fail_msg("%s", bodies[i].body);
    }
    arena_done(&scratch);
}

/* --- erasing --- */

static void
an_erased_persons_items_go_with_all_that_hangs_on_them(void **state)
{
    int64_t person = test_item(engine, source, "w1", "e:john@x.com", "{}");
    int64_t newer = test_item(engine, source, "w1", "e:john@x.com", "{\"a\":1}");
    int64_t inside = test_item(engine, source, "w1", "e:host@x.com", "{\"guest\":\"John@X.com\"}");
    struct inbox_arrival head = test_arrival(source, "w1", "e:b@x.com", "{}");
    int64_t other = test_item(engine, source, "w1", "e:big-john@x.com", "{}");
    struct handling_change changes[] = {
        {.what = HANDLING_DEAD, .inbox_pk = person, .at = {9}},
        {.what = HANDLING_DEAD, .inbox_pk = other, .at = {9}},
    };
    struct handling_record records[] = {
        {.inbox_pk = newer, .outcome = "failed", .output = STR("no")},
        {.inbox_pk = other, .outcome = "failed", .output = STR("no")},
    };
    struct handler_flush flush = {.changes = changes,
        .change_count = 2,
        .records = records,
        .record_count = 2};

    (void)state;
    head.headers = STR("x-for: john@x.com\r\n");
    (void)test_take(engine, &head);
    assert_int_equal(handler_register(engine, STR("a"), true, &flush.handler_pk, &error), OK);
    assert_int_equal(handlers_flush(engine, &flush, 1, &error), OK);

    assert_int_equal(erase(engine, " John@x.com"), 4);
    assert_true(inside > 0);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM inbox"), 1);
    assert_int_equal(test_count(engine, "SELECT inbox_pk FROM inbox"), other);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM inbox_latest"), 1);
    assert_int_equal(test_count(engine, "SELECT inbox_pk FROM handling"), other);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM handling_log"), 1);
    assert_int_equal(test_count(engine, "PRAGMA secure_delete"), 2); /* fast */
    assert_int_equal(erase(engine, "john@x.com"), 0);
}

static void
a_search_that_finds_nothing_owes_no_checkpoint(void **state)
{
    (void)state;
    (void)test_item(engine, source, "w1", "e:john@x.com", "{}");
    assert_int_equal(erase(engine, "jane@x.com"), 0);
    assert_false(engine_owes_checkpoint(engine));
    assert_int_equal(erase(engine, "john@x.com"), 1);
    assert_true(engine_owes_checkpoint(engine));
}

static void
many_items_are_erased_in_steps(void **state)
{
    int64_t at = 0;
    int64_t erased = 0;

    (void)state;
    for (int i = 0; i < 1200; i++)
        (void)test_item(engine, source, "w1", i % 3 == 0 ? "e:john@x.com" : "e:b@x.com",
            i % 2 == 0 ? "ten" : "eleven");
    assert_int_equal(inbox_erase_step(engine, STR("john@x.com"), &at, &erased, &error), OK);
    assert_true(at > 0 && at < INT64_MAX);
    assert_true(erased > 0 && erased < 400);
    assert_int_equal(erased + erase(engine, "john@x.com"), 400);
}

/* A step ends early where bodies are large; what comes after is looked at, too. */
static void
large_bodies_are_searched_in_more_steps(void **state)
{
    static char body[1024 * 1024];
    int64_t at = 0;
    int64_t erased = 0;

    (void)state;
    memset(body, ' ', sizeof(body) - 1);
    for (int i = 0; i < 6; i++) {
        if (i == 5)
            memcpy(body + sizeof(body) - 20, "john@x.com", 10);
        (void)test_item(engine, source, "w1", "e:b@x.com", body);
        body[0]++;
    }
    assert_int_equal(inbox_erase_step(engine, STR("john@x.com"), &at, &erased, &error), OK);
    assert_int_equal(erased, 0);
    assert_true(at > 0 && at < INT64_MAX);
    assert_int_equal(erase(engine, "john@x.com"), 1);
}

static void
the_quarantine_is_searched_too(void **state)
{
    static const struct quarantine_bounds bounds = {1 << 20, US_PER_DAY, 1};
    const struct quarantined calls[] = {
        {.source = STR("s"), .peer = STR("::1"), .body = STR("{\"a\":\"john@x.com\"}")},
        {.source = STR("s"), .peer = STR("::1"), .headers = STR("x: john@x.com\r\n")},
        {.source = STR("s"), .peer = STR("::1"), .token = STR("john@x.com")},
        {.source = STR("s"), .peer = STR("::1"), .body = STR("{\"a\":\"jane@x.com\"}")},
    };
    int64_t at = 0;
    int64_t erased = 0;

    (void)state;
    assert_int_equal(quarantine_put(engine, calls, COUNT_OF(calls), &bounds, &error), OK);
    (void)test_item(engine, source, "w1", "e:john@x.com", "{}");
    assert_int_equal(erase(engine, "john@x.com"), 4);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM quarantine"), 1);

    engine_set_seal_key(engine, NULL);
    assert_int_equal(inbox_erase_step(engine, STR("john@x.com"), &at, &erased, &error), OK);
    assert_int_equal(inbox_erase_step(engine, STR("john@x.com"), &at, &erased, &error), ERR_DENIED);
    assert_int_equal(erased, 0);
}

static void
what_is_no_address_is_refused(void **state)
{
    static const char *const wrong[] = {"", "  ", "john", "john.x.com"};
    char address[400];
    int64_t at = 7;
    int64_t erased = 42;

    (void)state;
    memset(address, '@', sizeof(address));
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(inbox_erase_step(engine, str_from(wrong[i]), &at, &erased, &error),
            ERR_INVALID);
    assert_int_equal(
        inbox_erase_step(engine, (struct str){address, sizeof(address)}, &at, &erased, &error),
        ERR_INVALID);
    assert_int_equal(at, 7);
    assert_int_equal(erased, 42);
}

static bool
file_holds(const char *path, const char *text)
{
    struct buf bytes;
    bool found;

    buf_init(&bytes, 64 << 20);
    assert_int_equal(file_read(path, &bytes, &error), OK);
    found = memmem(bytes.ptr, bytes.len, text, strlen(text)) != NULL;
    buf_done(&bytes);
    return found;
}

/* Among 500 others, some of whom have bodies of several pages, and with versions and duplicates
 * that were written over. */
static void
fill(struct engine *file)
{
    static char large[40000];
    struct inbox_arrival whole = test_arrival(source, "w1", "e:forget@me.example", "{\"e\":1}");

    memset(large, ' ', sizeof(large) - 1);
    memcpy(large + sizeof(large) - 24, "\"forget@me.example\"", 19);
    for (int i = 0; i < 500; i++) {
        char person[32];
        struct inbox_arrival arrival;

        (void)snprintf(person, sizeof(person), "e:other%d@x.example", i);
        arrival = test_arrival(source, "w1", person, "{\"e\":\"a body like others\"}");
        if (i % 50 == 7)
            arrival.body = str_from(large);
        (void)test_take(file, &arrival);
        if (i % 100 == 50) {
            whole.version[0] = (uint8_t)i;
            (void)test_take(file, &whole);
            (void)test_take(file, &whole);
        }
    }
    whole.sender_id = STR("forget@me.example/1");
    whole.headers = STR("x-for: forget@me.example\r\n");
    whole.body = STR("{\"email\":\"Forget@Me.example\",\"n\":\"Erasmus\"}");
    (void)test_take(file, &whole);
    (void)test_take(file, &whole);
}

static void
an_erased_person_is_not_in_the_files_bytes(void **state)
{
    static const char *const texts[] = {"forget@me.example", "Forget@Me.example", "Erasmus"};
    struct scratch scratch;
    struct engine_options options = {0};
    struct engine *file = NULL;
    char path[128];

    (void)state;
    scratch_init(&scratch);
    (void)snprintf(path, sizeof(path), "%s/db", scratch.dir);
    options.path = path;
    assert_int_equal(engine_open(&options, &file, &error), OK);
    assert_int_equal(migrate(file, path, &error), OK);
    assert_int_equal(test_source(file, "tagmango"), source);
    fill(file);
    assert_int_equal(engine_checkpoint(file, &error), OK);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_true(file_holds(path, texts[i]));

    assert_int_equal(erase(file, "forget@me.example"), 16);
    assert_true(engine_owes_checkpoint(file));
    assert_int_equal(engine_checkpoint(file, &error), OK);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_false(file_holds(path, texts[i]));
    assert_true(file_holds(path, "other3@x.example"));
    engine_close(file);
    scratch_done(&scratch);
}

/* --- purging --- */

static int64_t
item_at(int64_t us, const char *object, const char *body)
{
    struct inbox_arrival arrival = test_arrival(source, object, "e:a@x.com", body);

    arrival.received.us = us;
    (void)test_take(engine, &arrival);
    return arrival.inbox_pk;
}

static void
what_is_old_and_settled_is_purged(void **state)
{
    int64_t handler = 0;
    int64_t old = item_at(1000, "w1", "1");
    int64_t failed = item_at(2000, "w2", "1");
    int64_t failed_newer = item_at(2500, "w2", "2");
    int64_t done_older = item_at(2600, "w3", "1");
    int64_t done_newer = item_at(2700, "w3", "2");
    int64_t young = item_at(3000, "w4", "1");
    struct handling_change change = {.what = HANDLING_WAITS, .inbox_pk = failed, .at = {99}};
    struct handler_flush flush = {.next_pk = young, .changes = &change, .change_count = 1};

    (void)state;
    assert_int_equal(handler_register(engine, STR("a"), true, &handler, &error), OK);
    assert_int_equal(purge(3000, false), 0);
    flush.handler_pk = handler;
    assert_int_equal(handlers_flush(engine, &flush, 1, &error), OK);

    /* The newer version of what waits stays: without it the old one would seem the latest. */
    assert_int_equal(purge(3000, false), 3);
    assert_int_equal(test_count(engine, "SELECT min(inbox_pk) FROM inbox"), failed);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM inbox"), 3);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM inbox_latest"), 2);
    assert_true(old < failed && done_older < done_newer && failed_newer > failed);
    assert_int_equal(purge(3000, true), 2);
    assert_int_equal(test_count(engine, "SELECT inbox_pk FROM inbox"), young);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM handling"), 0);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM inbox_latest"), 1);
}

static void
without_handlers_all_that_is_old_is_purged_in_steps(void **state)
{
    int64_t at = 0;
    int64_t purged = 0;

    (void)state;
    for (int64_t i = 0; i < 700; i++)
        (void)item_at(1000 + i, "w1", i % 2 == 0 ? "ten" : "eleven");
    assert_int_equal(inbox_purge_step(engine, (struct walltime){1600}, false, &at, &purged, &error),
        OK);
    assert_true(at > 0 && at < INT64_MAX);
    assert_int_equal(purged, 500);
    assert_int_equal(purge(1600, false), 100);
    assert_int_equal(test_count(engine, "SELECT min(received_us) FROM inbox"), 1600);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_found_and_not_in_another_one),
        TEST(an_erased_persons_items_go_with_all_that_hangs_on_them),
        TEST(a_search_that_finds_nothing_owes_no_checkpoint),
        TEST(many_items_are_erased_in_steps),
        TEST(large_bodies_are_searched_in_more_steps),
        TEST(the_quarantine_is_searched_too),
        TEST(what_is_no_address_is_refused),
        TEST(an_erased_person_is_not_in_the_files_bytes),
        TEST(what_is_old_and_settled_is_purged),
        TEST(without_handlers_all_that_is_old_is_purged_in_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
