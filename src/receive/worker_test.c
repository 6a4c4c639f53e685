/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/worker.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "support/test.h"

#define ROOM 4

struct world {
    struct loop *loop;
    struct worker *worker;
    sem_t has_begun; /* a thread has works in hand */
    sem_t may_end;   /* and is let go */
    unsigned awaited;
    bool is_starting;
    size_t batches[16]; /* sizes; the thread's until the worker is closed */
    size_t batch_count;
    struct given *restarts; /* started from inside of the first done */
};

struct given {
    struct handling handling;
    struct world *world;
    unsigned done_count;
    char detail[WORK_DETAIL_BYTES_MAX];
    char output[WORK_OUTPUT_BYTES_MAX + 1];
};

static void
run(void *arg, unsigned thread, struct work *const works[], size_t count)
{
    struct world *world = arg;

    CHECK(thread == 0 && count >= 1);
    world->batches[world->batch_count++] = count;
    CHECK(sem_post(&world->has_begun) == 0);
    CHECK(sem_wait(&world->may_end) == 0);
    for (size_t i = 0; i < count; i++) {
        if (works[i]->is_cancelled)
            work_end(works[i], HANDLING_FAILED, "stopped");
        else if (works[i]->handling->sequence < 0)
            work_end(works[i], HANDLING_LATER, "%s", works[i]->handling->body.ptr);
        else
            work_output(works[i], works[i]->handling->body);
    }
}

static void
begin(struct given *given)
{
    struct world *world = given->world;

    world->awaited++;
    world->is_starting = true;
    worker_start(world->worker, &given->handling);
    world->is_starting = false;
}

static void
on_done(struct handling *handling)
{
    struct given *given = CONTAINER_OF(handling, struct given, handling);
    struct world *world = given->world;

    CHECK(!world->is_starting);
    given->done_count++;
    (void)snprintf(given->detail, sizeof(given->detail), "%.*s", STR_FMT(handling->detail));
    (void)snprintf(given->output, sizeof(given->output), "%.*s", STR_FMT(handling->output));
    if (world->restarts != NULL)
        begin(TAKE(world->restarts));
    if (--world->awaited == 0)
        loop_stop(world->loop);
}

static void
give(struct world *world, struct given *given, int64_t sequence, const char *body)
{
    *given = (struct given){
        .handling = {.sequence = sequence, .body = str_from(body), .done = on_done},
        .world = world,
    };
}

static int
start(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct worker_options options = {
        .clock = &clock_system,
        .thread_name = "test",
        .threads = 1,
        .room = ROOM,
        .batch_max = 2,
        .run = run,
        .arg = world,
    };

    assert_non_null(world);
    assert_int_equal(loop_new(0, &world->loop, NULL), OK);
    assert_int_equal(sem_init(&world->has_begun, 0, 0), 0);
    assert_int_equal(sem_init(&world->may_end, 0, 0), 0);
    options.loop = world->loop;
    assert_int_equal(worker_open(&options, &world->worker, NULL), OK);
    *state = world;
    return 0;
}

static int
stop(void **state)
{
    struct world *world = *state;

    worker_close(world->worker);
    loop_free(world->loop);
    assert_int_equal(sem_destroy(&world->has_begun), 0);
    assert_int_equal(sem_destroy(&world->may_end), 0);
    free(world);
    return 0;
}

static void
let_go(struct world *world, unsigned batches)
{
    for (unsigned i = 0; i < batches; i++)
        assert_int_equal(sem_post(&world->may_end), 0);
}

static void
what_waits_together_is_run_together(void **state)
{
    struct world *world = *state;
    struct given given[ROOM];

    for (size_t i = 0; i < ROOM; i++)
        give(world, &given[i], 1, "said");
    begin(&given[0]);
    assert_int_equal(sem_wait(&world->has_begun), 0);
    for (size_t i = 1; i < ROOM; i++)
        begin(&given[i]);
    let_go(world, 3);
    loop_run(world->loop);
    worker_close(TAKE(world->worker));
    for (size_t i = 0; i < ROOM; i++) {
        assert_int_equal(given[i].done_count, 1);
        assert_int_equal(given[i].handling.result, HANDLING_DONE);
        assert_string_equal(given[i].output, "said");
        assert_string_equal(given[i].detail, "");
        assert_null(given[i].handling.own);
    }
    assert_int_equal(world->batch_count, 3);
    assert_int_equal(world->batches[0], 1);
    assert_int_equal(world->batches[1], 2);
    assert_int_equal(world->batches[2], 1);
}

static void
what_was_not_begun_fails_when_it_is_cancelled_but_not_inside_the_call(void **state)
{
    struct world *world = *state;
    struct given given[ROOM];

    for (size_t i = 0; i < ROOM; i++)
        give(world, &given[i], 1, "said");
    begin(&given[0]);
    assert_int_equal(sem_wait(&world->has_begun), 0);
    for (size_t i = 1; i < ROOM; i++)
        begin(&given[i]);
    /* The one in the middle, and the last, after which the next is put. */
    worker_cancel(world->worker, &given[2].handling);
    worker_cancel(world->worker, &given[3].handling);
    assert_int_equal(given[2].done_count, 0);
    loop_turn(world->loop);
    for (size_t i = 2; i < 4; i++) {
        assert_int_equal(given[i].done_count, 1);
        assert_int_equal(given[i].handling.result, HANDLING_FAILED);
        assert_string_equal(given[i].detail, "its time was over before it was begun");
    }
    give(world, &given[3], 1, "again");
    begin(&given[3]);
    let_go(world, 2);
    loop_run(world->loop);
    assert_int_equal(given[1].handling.result, HANDLING_DONE);
    assert_string_equal(given[3].output, "again");
    assert_int_equal(given[2].done_count, 1);
}

static void
what_was_begun_is_told_that_it_is_cancelled(void **state)
{
    struct world *world = *state;
    struct given given;

    give(world, &given, 1, "said");
    begin(&given);
    assert_int_equal(sem_wait(&world->has_begun), 0);
    worker_cancel(world->worker, &given.handling);
    let_go(world, 1);
    loop_run(world->loop);
    assert_int_equal(given.handling.result, HANDLING_FAILED);
    assert_string_equal(given.detail, "stopped");
}

static void
the_next_may_be_started_from_inside_of_done(void **state)
{
    struct world *world = *state;
    struct given given[ROOM + 1];

    for (size_t i = 0; i < ROOM + 1; i++)
        give(world, &given[i], 1, "said");
    world->restarts = &given[ROOM];
    for (size_t i = 0; i < ROOM; i++)
        begin(&given[i]);
    let_go(world, ROOM + 1);
    loop_run(world->loop);
    for (size_t i = 0; i < ROOM + 1; i++)
        assert_string_equal(given[i].output, "said");
}

static void
what_is_said_is_cut_between_characters(void **state)
{
    struct world *world = *state;
    struct given given;
    char text[1000];

    /* Three bytes each, from the second byte on. */
    text[0] = 'x';
    for (size_t i = 1; i + 3 < sizeof(text); i += 3)
        memcpy(text + i, "\xe2\x82\xac\0", 4);
    give(world, &given, -1, text);
    begin(&given);
    let_go(world, 1);
    loop_run(world->loop);
    assert_int_equal(given.handling.result, HANDLING_LATER);
    assert_int_equal(strlen(given.detail), 238);
    assert_true(str_is_utf8(str_from(given.detail)));

    give(world, &given, 1, text);
    begin(&given);
    let_go(world, 1);
    loop_run(world->loop);
    assert_int_equal(strlen(given.output), 511);
    assert_true(str_is_utf8(str_from(given.output)));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_waits_together_is_run_together),
        TEST(what_was_not_begun_fails_when_it_is_cancelled_but_not_inside_the_call),
        TEST(what_was_begun_is_told_that_it_is_cancelled),
        TEST(the_next_may_be_started_from_inside_of_done),
        TEST(what_is_said_is_cut_between_characters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
