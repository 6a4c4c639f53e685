/* SPDX-License-Identifier: Apache-2.0 */
#include "store/inbox.h"

#include <stdio.h>

#include "support/engine.h"
#include "support/inbox.h"
#include "support/scratch.h"
#include "support/test.h"

static struct engine *engine;
static struct arena arena;
static struct error error;
static int64_t source;

static int
setup(void **state)
{
    (void)state;
    engine = test_engine_open();
    arena_init(&arena, 1 << 22);
    source = test_source(engine, "tagmango");
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

static struct inbox_item
item(int64_t inbox_pk)
{
    struct inbox_item got = {.inbox_pk = 0};

    if (inbox_get(engine, inbox_pk, &arena, &got, &error) != OK)
        fail_msg("%s", error.text);
    return got;
}

static void
a_source_keeps_its_number(void **state)
{
    (void)state;
    assert_int_equal(test_source(engine, "tagmango"), source);
    assert_int_not_equal(test_source(engine, "stripe"), source);
}

static void
what_came_in_is_there(void **state)
{
    struct inbox_arrival arrival = test_arrival(source, "w1", "e:a@x.com", "{\"a\":\"\\u0000\"}");
    struct inbox_item got;

    (void)state;
    arrival.flags = ITEM_CONTRADICTORY;
    arrival.sender_id = STR("msg_1");
    arrival.sender_sequence = 77;
    assert_int_equal(test_take(engine, &arrival), ARRIVAL_NEW);
    got = item(arrival.inbox_pk);
    assert_int_equal(got.source_pk, source);
    assert_true(str_equals(got.source, STR("tagmango")));
    assert_true(str_equals(got.event, STR("webinar.created.single")));
    assert_true(str_equals(got.object, STR("w1")));
    assert_true(str_equals(got.person, STR("e:a@x.com")));
    assert_true(str_equals(got.sender_id, STR("msg_1")));
    assert_int_equal(got.sender_sequence, 77);
    assert_int_equal(got.flags, ITEM_CONTRADICTORY);
    assert_int_equal(got.revision, 0);
    assert_int_equal(got.previous_pk, 0);
    assert_int_equal(got.received.us, 1000);
    assert_true(str_equals(got.headers, arrival.headers));
    assert_true(str_equals(got.body, arrival.body));
    assert_true(got.is_latest);

    got.inbox_pk = 42;
    assert_int_equal(inbox_get(engine, arrival.inbox_pk + 1, &arena, &got, &error), ERR_NOT_FOUND);
    assert_int_equal(got.inbox_pk, 42);
}

static void
moved_and_moved_back_are_two_updates(void **state)
{
    struct inbox_arrival a = test_arrival(source, "w1", "e:a@x.com", "ten");
    struct inbox_arrival b = test_arrival(source, "w1", "e:a@x.com", "eleven");
    struct inbox_arrival back = a;
    struct inbox_arrival again = a;

    (void)state;
    assert_int_equal(test_take(engine, &a), ARRIVAL_NEW);
    assert_int_equal(test_take(engine, &b), ARRIVAL_UPDATE);
    assert_int_equal(test_take(engine, &back), ARRIVAL_UPDATE);
    assert_int_equal(test_take(engine, &again), ARRIVAL_DUPLICATE);
    assert_int_equal(again.inbox_pk, back.inbox_pk);
    assert_int_equal(item(back.inbox_pk).revision, 2);
    assert_int_equal(item(back.inbox_pk).previous_pk, b.inbox_pk);
    assert_int_equal(item(back.inbox_pk).duplicates, 1);
    assert_int_equal(item(a.inbox_pk).duplicates, 0);
    assert_true(item(back.inbox_pk).is_latest);
    assert_false(item(a.inbox_pk).is_latest);
    assert_false(item(b.inbox_pk).is_latest);
}

/* Each differs from the first in one part of the identity. */
static void
other_events_objects_persons_and_sources_are_other_things(void **state)
{
    struct inbox_arrival others[5];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        others[i] = test_arrival(source, "w1", "e:a@x.com", "same");
    others[1].identity.event = STR("webinar.completed.all");
    others[2].identity.object = STR("w2");
    others[3].identity.person = STR("e:b@x.com");
    others[4].source_pk = test_source(engine, "stripe");
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_int_equal(test_take(engine, &others[i]), ARRIVAL_NEW);
}

static void
of_two_equal_ones_in_a_batch_one_is_the_others_duplicate(void **state)
{
    struct inbox_arrival batch[4];
    struct inbox_arrival *const arrivals[] = {&batch[0], &batch[1], &batch[2], &batch[3]};

    (void)state;
    batch[0] = test_arrival(source, "w1", "e:a@x.com", "ten");
    batch[1] = batch[0];
    batch[2] = test_arrival(source, "w1", "e:b@x.com", "ten");
    batch[2].sender_id = STR("msg_1");
    batch[3] = batch[2];
    assert_int_equal(inbox_take(engine, arrivals, 4, &error), OK);
    assert_int_equal(batch[0].arrival, ARRIVAL_NEW);
    assert_int_equal(batch[1].arrival, ARRIVAL_DUPLICATE);
    assert_int_equal(batch[1].inbox_pk, batch[0].inbox_pk);
    assert_int_equal(batch[2].arrival, ARRIVAL_NEW);
    assert_int_equal(batch[3].arrival, ARRIVAL_DUPLICATE);
    assert_int_equal(batch[3].inbox_pk, batch[2].inbox_pk);
    assert_true(batch[2].inbox_pk > batch[0].inbox_pk);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM inbox"), 2);
    assert_int_equal(test_count(engine, "SELECT sum(duplicates) FROM inbox"), 2);
}

static void
an_empty_batch_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(inbox_take(engine, NULL, 0, &error), OK);
    assert_int_equal(test_count(engine, "SELECT value FROM meta WHERE name = 'inbox_sequence'"), 0);
}

static void
where_there_is_a_senders_id_it_alone_decides(void **state)
{
    struct inbox_arrival first = test_arrival(source, "w1", "e:a@x.com", "ten");
    struct inbox_arrival same_body = first;
    struct inbox_arrival same_id = test_arrival(source, "w1", "e:a@x.com", "eleven");
    struct inbox_arrival elsewhere = first;

    (void)state;
    first.sender_id = STR("msg_1");
    same_body.sender_id = STR("msg_2");
    same_body.policy = DUPLICATE_ONCE;
    same_id.sender_id = STR("msg_1");
    elsewhere.sender_id = STR("msg_1");
    elsewhere.source_pk = test_source(engine, "stripe");
    assert_int_equal(test_take(engine, &first), ARRIVAL_NEW);
    assert_int_equal(test_take(engine, &same_body), ARRIVAL_UPDATE);
    assert_int_equal(test_take(engine, &same_id), ARRIVAL_DUPLICATE);
    assert_int_equal(same_id.inbox_pk, first.inbox_pk);
    assert_int_equal(item(first.inbox_pk).duplicates, 1);
    assert_int_equal(test_take(engine, &elsewhere), ARRIVAL_NEW);
    assert_true(item(same_body.inbox_pk).is_latest);
}

static void
what_is_about_nothing_is_no_version_of_anything(void **state)
{
    struct inbox_arrival calls[3];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        calls[i] = test_arrival(source, NULL, NULL, i == 1 ? "[2]" : "[1]");
        calls[i].identity.event = (struct str){NULL, 0};
        calls[i].policy = DUPLICATE_EXACT;
        calls[i].sender_id = i == 1 ? STR("sha256:22") : STR("sha256:11");
    }
    assert_int_equal(test_take(engine, &calls[0]), ARRIVAL_NEW);
    assert_int_equal(test_take(engine, &calls[1]), ARRIVAL_NEW);
    assert_int_equal(test_take(engine, &calls[2]), ARRIVAL_DUPLICATE);
    assert_int_equal(calls[2].inbox_pk, calls[0].inbox_pk);
    assert_true(item(calls[0].inbox_pk).is_latest);
    assert_int_equal(test_count(engine, "SELECT count(*) FROM inbox_latest"), 0);
}

/* After "ten": what the same again, something else, and the first once more are. */
static void
each_policy_tells_duplicates_in_its_own_way(void **state)
{
    static const struct {
        enum duplicate_policy policy;
        enum arrival same;
        enum arrival other;
        enum arrival back;
    } cases[] = {
        {DUPLICATE_LATEST, ARRIVAL_DUPLICATE, ARRIVAL_UPDATE, ARRIVAL_UPDATE},
        {DUPLICATE_ONCE, ARRIVAL_DUPLICATE, ARRIVAL_DUPLICATE, ARRIVAL_DUPLICATE},
        {DUPLICATE_EXACT, ARRIVAL_DUPLICATE, ARRIVAL_UPDATE, ARRIVAL_DUPLICATE},
        {DUPLICATE_NONE, ARRIVAL_UPDATE, ARRIVAL_UPDATE, ARRIVAL_UPDATE},
    };

    static const char *const objects[] = {"w1", "w2", "w3", "w4"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct inbox_arrival first = test_arrival(source, objects[i], "e:a@x.com", "ten");
        struct inbox_arrival other = test_arrival(source, objects[i], "e:a@x.com", "eleven");
        struct inbox_arrival same;
        struct inbox_arrival back;

        first.policy = other.policy = cases[i].policy;
        if (cases[i].policy == DUPLICATE_EXACT) {
            first.sender_id = STR("sha256:10");
            other.sender_id = STR("sha256:11");
        }
        same = back = first;
        assert_int_equal(test_take(engine, &first), ARRIVAL_NEW);
        assert_int_equal(test_take(engine, &same), cases[i].same);
        assert_int_equal(test_take(engine, &other), cases[i].other);
        assert_int_equal(test_take(engine, &back), cases[i].back);
    }
}

static void
what_is_older_than_its_senders_latest_is_kept_and_stale(void **state)
{
    struct inbox_arrival newer = test_arrival(source, "w1", "e:a@x.com", "eleven");
    struct inbox_arrival older = test_arrival(source, "w1", "e:a@x.com", "ten");
    struct inbox_arrival next = test_arrival(source, "w1", "e:a@x.com", "twelve");

    (void)state;
    newer.sender_sequence = 20;
    older.sender_sequence = 10;
    next.sender_sequence = 30;
    older.flags = ITEM_CONTRADICTORY;
    assert_int_equal(test_take(engine, &newer), ARRIVAL_NEW);
    assert_int_equal(test_take(engine, &older), ARRIVAL_STALE);
    assert_int_equal(item(older.inbox_pk).flags, ITEM_STALE | ITEM_CONTRADICTORY);
    assert_int_equal(item(older.inbox_pk).previous_pk, 0);
    assert_false(item(older.inbox_pk).is_latest);
    assert_true(item(newer.inbox_pk).is_latest);
    assert_int_equal(test_take(engine, &next), ARRIVAL_UPDATE);
    assert_int_equal(item(next.inbox_pk).previous_pk, newer.inbox_pk);
    assert_int_equal(item(next.inbox_pk).revision, 1);
}

static void
a_known_id_is_a_duplicate_even_when_it_is_stale(void **state)
{
    struct inbox_arrival first = test_arrival(source, "w1", "e:a@x.com", "ten");
    struct inbox_arrival newer = test_arrival(source, "w1", "e:a@x.com", "eleven");
    struct inbox_arrival again;

    (void)state;
    first.sender_id = STR("msg_1");
    first.sender_sequence = 10;
    newer.sender_id = STR("msg_2");
    newer.sender_sequence = 20;
    again = first;
    assert_int_equal(test_take(engine, &first), ARRIVAL_NEW);
    assert_int_equal(test_take(engine, &newer), ARRIVAL_UPDATE);
    assert_int_equal(test_take(engine, &again), ARRIVAL_DUPLICATE);
    assert_int_equal(again.inbox_pk, first.inbox_pk);
}

static void
a_duplicate_moves_its_senders_count_on(void **state)
{
    struct inbox_arrival first = test_arrival(source, "w1", "e:a@x.com", "ten");
    struct inbox_arrival same = first;
    struct inbox_arrival between = test_arrival(source, "w1", "e:a@x.com", "eleven");
    struct inbox_arrival unnumbered = test_arrival(source, "w1", "e:a@x.com", "twelve");
    struct inbox_arrival late = between;

    (void)state;
    first.sender_sequence = 10;
    same.sender_sequence = 30;
    between.sender_sequence = late.sender_sequence = 20;
    assert_int_equal(test_take(engine, &first), ARRIVAL_NEW);
    assert_int_equal(test_take(engine, &same), ARRIVAL_DUPLICATE);
    assert_int_equal(test_take(engine, &between), ARRIVAL_STALE);
    assert_int_equal(test_take(engine, &unnumbered), ARRIVAL_UPDATE);
    assert_int_equal(test_take(engine, &late), ARRIVAL_STALE);
}

static void
numbers_follow_the_clock_and_only_grow(void **state)
{
    struct inbox_arrival a = test_arrival(source, "w1", "e:a@x.com", "1");
    struct inbox_arrival b = test_arrival(source, "w2", "e:a@x.com", "1");
    struct inbox_arrival c = test_arrival(source, "w3", "e:a@x.com", "1");

    (void)state;
    a.received.us = 5000;
    b.received.us = 4000; /* the clock was set back */
    c.received.us = 9000;
    (void)test_take(engine, &a);
    (void)test_take(engine, &b);
    (void)test_take(engine, &c);
    assert_int_equal(a.inbox_pk, 5000);
    assert_int_equal(b.inbox_pk, 5001);
    assert_int_equal(c.inbox_pk, 9000);
}

static struct engine *
file_open(const char *path)
{
    struct engine_options options = {.path = path};
    struct engine *file = NULL;

    if (engine_open(&options, &file, &error) != OK || migrate(file, path, &error) != OK)
        fail_msg("%s", error.text);
    return file;
}

/* What is known survives; and numbers that the copy never saw are not given again. */
static void
a_restart_and_a_restored_copy_know_what_they_knew(void **state)
{
    struct inbox_arrival first = test_arrival(source, "w1", "e:a@x.com", "ten");
    struct inbox_arrival lost = test_arrival(source, "w1", "e:a@x.com", "eleven");
    struct inbox_arrival again;
    struct inbox_arrival after;
    struct scratch scratch;
    struct engine *file;
    char path[128];
    char copy[128];

    (void)state;
    scratch_init(&scratch);
    (void)snprintf(path, sizeof(path), "%s/db", scratch.dir);
    (void)snprintf(copy, sizeof(copy), "%s/copy", scratch.dir);
    file = file_open(path);
    assert_int_equal(test_source(file, "tagmango"), source);
    first.received.us = 5000;
    assert_int_equal(test_take(file, &first), ARRIVAL_NEW);
    engine_close(file);

    file = file_open(path);
    again = first;
    assert_int_equal(test_take(file, &again), ARRIVAL_DUPLICATE);
    assert_int_equal(engine_run(file, &error, "VACUUM INTO ?1", v_text(str_from(copy))), OK);
    lost.received.us = 6000;
    assert_int_equal(test_take(file, &lost), ARRIVAL_UPDATE);
    engine_close(file);

    file = file_open(copy);
    again = first;
    assert_int_equal(test_take(file, &again), ARRIVAL_DUPLICATE);
    assert_int_equal(again.inbox_pk, first.inbox_pk);
    after = lost;
    after.received.us = 7000;
    assert_int_equal(test_take(file, &after), ARRIVAL_UPDATE);
    assert_true(after.inbox_pk > lost.inbox_pk);
    engine_close(file);
    scratch_done(&scratch);
}

static void
a_full_arena_is_told(void **state)
{
    int64_t pk = test_item(engine, source, "w1", "e:a@x.com", "a body of some length");
    struct inbox_item got = {.inbox_pk = 42};
    struct arena small;

    (void)state;
    arena_init(&small, 64);
    assert_int_equal(inbox_get(engine, pk, &small, &got, &error), ERR_NOMEM);
    assert_int_equal(got.inbox_pk, 42);
    arena_done(&small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_source_keeps_its_number),
        TEST(what_came_in_is_there),
        TEST(moved_and_moved_back_are_two_updates),
        TEST(other_events_objects_persons_and_sources_are_other_things),
        TEST(of_two_equal_ones_in_a_batch_one_is_the_others_duplicate),
        TEST(an_empty_batch_is_nothing),
        TEST(where_there_is_a_senders_id_it_alone_decides),
        TEST(what_is_about_nothing_is_no_version_of_anything),
        TEST(each_policy_tells_duplicates_in_its_own_way),
        TEST(what_is_older_than_its_senders_latest_is_kept_and_stale),
        TEST(a_known_id_is_a_duplicate_even_when_it_is_stale),
        TEST(a_duplicate_moves_its_senders_count_on),
        TEST(numbers_follow_the_clock_and_only_grow),
        TEST(a_restart_and_a_restored_copy_know_what_they_knew),
        TEST(a_full_arena_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
