/* SPDX-License-Identifier: Apache-2.0 */
#include "store/lanes.h"

#include "support/told.h"

/* A hook that is owed an event, by which ann is told; or ann and bob. */
static int64_t
open_owed(struct world *world, int people, struct lane_fanout *ret_fanout)
{
    static const char *const names[] = {"ann", "bob"};
    int64_t hook;

    world_open(world);
    hook = add_hook(world, 1, NULL, NULL);
    for (int i = 0; i < people; i++)
        add_member(world, world->webinar_group, add_attendee(world, names[i]));
    tell_all(world);
    *ret_fanout = only_startable(world, hook);
    return hook;
}

static void
a_person_in_several_groups_is_told_once_by_the_first(void **state)
{
    struct world world;
    struct lane_fanout fanout;

    (void)state;
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, NULL);
    int64_t ann = add_attendee(&world, "ann");
    int64_t bob = add_attendee(&world, "bob");

    add_member(&world, world.webinar_group, ann);
    add_member(&world, world.mango_group[0], ann);
    add_member(&world, world.mango_group[0], bob);
    add_member(&world, world.mango_group[1], bob);
    add_member(&world, world.mango_group[1], ann);
    assert_int_equal(tell_all(&world).hook_count, 1);
    fanout = only_startable(&world, hook);
    assert_int_equal(fanout.end_pos, 5);
    assert_string_equal(members_of(&world, &fanout, hook, false), "ann - bob - -");
    audience_done(&fanout.audience);
    world_close(&world);
}

static void
who_leaves_one_group_after_the_event_is_still_told_once(void **state)
{
    struct world world;
    struct lane_fanout fanout;
    int64_t sequence;

    (void)state;
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, NULL);
    int64_t ann = add_attendee(&world, "ann");
    int64_t bob = add_attendee(&world, "bob");

    add_member(&world, world.mango_group[0], ann);
    add_member(&world, world.mango_group[1], ann);
    add_member(&world, world.mango_group[1], bob);
    assert_int_equal(sequence_next(world.engine, world.now, &sequence, &world.error), OK);
    assert_int_equal(member_leave(world.engine, world.mango_group[1], bob, sequence, &world.error),
        OK);
    tell_all(&world);
    assert_int_equal(sequence_next(world.engine, world.now, &sequence, &world.error), OK);
    assert_int_equal(member_leave(world.engine, world.mango_group[0], ann, sequence, &world.error),
        OK);
    fanout = only_startable(&world, hook);
    /* Ann left after the event: told through the first group all the same, and not through the
     * second. Bob had left before it. */
    assert_string_equal(members_of(&world, &fanout, hook, false), "ann - -");
    audience_done(&fanout.audience);
    world_close(&world);
}

static void
an_erased_attendee_is_passed_over(void **state)
{
    struct world world;
    struct lane_fanout fanout;

    (void)state;
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, NULL);
    int64_t ann = add_attendee(&world, "ann");

    add_member(&world, world.webinar_group, ann);
    add_member(&world, world.webinar_group, add_attendee(&world, "bob"));
    tell_all(&world);
    assert_int_equal(engine_run(world.engine, &world.error,
                         "DELETE FROM attendee WHERE attendee_pk = ?1", v_int(ann)),
        OK);
    fanout = only_startable(&world, hook);
    assert_string_equal(members_of(&world, &fanout, hook, false), "- bob");
    audience_done(&fanout.audience);
    world_close(&world);
}

static void
a_hook_of_one_mango_hears_of_its_members_only(void **state)
{
    struct world world;
    struct lane_fanout fanout;
    struct id second = numbered(11);
    struct id unknown = numbered(999);
    struct id other_webinar = numbered(78);

    (void)state;
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, &second);
    int64_t ann = add_attendee(&world, "ann");

    add_hook(&world, 2, NULL, &unknown);
    add_hook(&world, 3, &other_webinar, NULL);
    add_member(&world, world.mango_group[0], ann);
    add_member(&world, world.mango_group[1], add_attendee(&world, "bob"));
    add_member(&world, world.mango_group[1], ann);
    assert_int_equal(tell_all(&world).hook_count, 1);
    fanout = only_startable(&world, hook);
    assert_string_equal(members_of(&world, &fanout, hook, false), "bob ann");
    audience_done(&fanout.audience);
    world_close(&world);
}

static void
events_of_one_webinar_start_first_in_first_out(void **state)
{
    struct world world;
    struct lane_fanout first;
    struct lane_fanout second;

    (void)state;
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, NULL);

    add_member(&world, world.webinar_group, add_attendee(&world, "ann"));
    int64_t sequence = tell_all(&world).sequence;
    assert_true(tell_all(&world).sequence > sequence);
    first = only_startable(&world, hook);
    assert_int_equal(first.sequence, sequence);
    flush_one(&world, &(struct flush_item){.kind = FLUSH_FANOUT, .fanout_pk = first.pk, .base = 1});
    second = only_startable(&world, hook);
    assert_true(second.sequence > sequence);
    audience_done(&first.audience);
    audience_done(&second.audience);
    world_close(&world);
}

static void
a_retry_is_superseded_by_newer_news_that_covers_the_person(void **state)
{
    struct world world;
    struct lane_fanout fanout;
    int64_t sequence;

    (void)state;
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, NULL);
    int64_t bob = add_attendee(&world, "bob");

    add_member(&world, world.webinar_group, add_attendee(&world, "ann"));
    add_member(&world, world.webinar_group, bob);
    tell_all(&world);
    fanout = only_startable(&world, hook);
    assert_string_equal(members_of(&world, &fanout, hook, true), "ann bob");
    assert_int_equal(sequence_next(world.engine, world.now, &sequence, &world.error), OK);
    assert_int_equal(member_leave(world.engine, world.webinar_group, bob, sequence, &world.error),
        OK);
    tell_all(&world);
    assert_string_equal(members_of(&world, &fanout, hook, true), "old bob");
    audience_done(&fanout.audience);
    world_close(&world);
}

/* Ann, of the webinar's own group, joins one of its mangoes. Only hooks that filter by that mango
 * have not told her: the others pass over her there, and so still owe her the older news. */
static void
news_that_passes_over_the_person_supersedes_nothing(void **state)
{
    struct world world;
    struct audience joined;
    struct lane_fanout fanout;

    (void)state;
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, NULL);
    int64_t ann = add_attendee(&world, "ann");

    add_member(&world, world.webinar_group, ann);
    tell_all(&world);
    fanout = only_startable(&world, hook);
    add_member(&world, world.mango_group[0], ann);
    audience_init(&joined);
    assert_int_equal(group_ranges(world.engine, world.mango_group[0], false, &joined, &world.error),
        OK);
    assert_int_equal(group_ranges(world.engine, world.webinar_group, true, &joined, &world.error),
        OK);
    tell_these(&world, &joined);
    assert_string_equal(members_of(&world, &fanout, hook, true), "ann");
    audience_done(&fanout.audience);
    world_close(&world);
}

/* Registrations one by one, while the endpoint is down: each is newer than what waits. */
static void
however_many_newer_events_there_are_a_retry_can_be_read(void **state)
{
    struct world world;
    struct lane_fanout fanout;
    struct arena arena;
    struct lane_member members[2];
    uint8_t todo = 0x3;

    (void)state;
    int64_t hook = open_owed(&world, 2, &fanout);
    /* Each for somebody else, but the very first, which is for bob. */
    assert_int_equal(
        engine_exec(world.engine,
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
            " INSERT INTO event SELECT e.event_pk + i, e.account_pk, randomblob(12), e.type,"
            " e.reason, e.webinar_pk, e.webinar_id, e.starts_us, e.snapshot,"
            " CASE i WHEN 1 THEN CAST(x'01' || substr(e.audience, 2, 8) || x'0100000000000000'"
            " || x'0200000000000000' || x'00' AS BLOB) ELSE x'01' END, e.created_us FROM event e, "
            "n;"
            "INSERT INTO fanout (event_pk, hook_pk, webinar_pk, filter_group, end_pos, created_us)"
            " SELECT event_pk, 1, 77, 0, 1, 0 FROM event WHERE event_pk NOT IN"
            " (SELECT event_pk FROM fanout)",
            &world.error),
        OK);
    /* As much as a lane gives a chunk of this size, and its texts. */
    arena_init(&arena, (size_t)1024 * 1024);
    const struct chunk_members_args args = {
        .fanout = &fanout,
        .hook_pk = hook,
        .count = 2,
        .todo = &todo,
        .is_retry = true,
        .zones = world.zones,
        .arena = &arena,
        .ret_members = members,
    };
    assert_int_equal(chunk_members(world.engine, &args, &world.error), OK);
    assert_int_equal(members[0].fate, MEMBER_DUE);
    assert_int_equal(members[1].fate, MEMBER_SUPERSEDED);
    arena_done(&arena);
    audience_done(&fanout.audience);
    world_close(&world);
}

static void
the_oldest_and_the_shortest_have_half_of_the_places_each(void **state)
{
    struct world world;
    struct lane_fanout fanouts[8];
    size_t count = COUNT_OF(fanouts);
    int64_t *hook_pks = NULL;
    size_t hook_count = 0;

    (void)state;
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, NULL);

    add_hook(&world, 2, NULL, NULL);
    add_member(&world, world.webinar_group, add_attendee(&world, "ann"));
    tell_all(&world);
    /* Of webinars of their own, each shorter than the one before; the last is not alone. */
    assert_int_equal(
        engine_exec(world.engine,
            "UPDATE fanout SET end_pos = 1000;"
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20)"
            " INSERT INTO event SELECT e.event_pk + i, e.account_pk, randomblob(12), e.type,"
            " e.reason, 100 + min(i, 19), e.webinar_id, e.starts_us, e.snapshot, e.audience,"
            " e.created_us FROM event e, n;"
            "INSERT INTO fanout (event_pk, hook_pk, webinar_pk, filter_group, end_pos, created_us)"
            " SELECT event_pk, 1, webinar_pk, 0, 200 - webinar_pk, 0 FROM event"
            " WHERE webinar_pk <> 77",
            &world.error),
        OK);
    assert_int_equal(
        fanouts_startable(world.engine, hook, &world.arena, fanouts, &count, &world.error), OK);
    assert_int_equal(count, 8);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(fanouts[i].webinar_pk, i == 0 ? 77 : 100 + (int64_t)i);
    for (size_t i = 4; i < 8; i++)
        assert_int_equal(fanouts[i].webinar_pk, 119 - (int64_t)(i - 4));
    for (size_t i = 0; i < count; i++)
        audience_done(&fanouts[i].audience);

    assert_int_equal(lanes_open(world.engine, &world.arena, &hook_pks, &hook_count, &world.error),
        OK);
    assert_int_equal(hook_count, 2);
    world_close(&world);
}

/* Thousands registered for one webinar while the hook was away. */
static void
a_heap_of_one_webinar_hides_no_other(void **state)
{
    struct world world;
    struct lane_fanout fanouts[8];
    size_t count = COUNT_OF(fanouts);

    (void)state;
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, NULL);

    add_member(&world, world.webinar_group, add_attendee(&world, "ann"));
    int64_t first = tell_all(&world).sequence;

    assert_int_equal(
        engine_exec(world.engine,
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3002)"
            " INSERT INTO event SELECT e.event_pk + i, e.account_pk, randomblob(12), e.type,"
            " e.reason, CASE WHEN i > 3000 THEN i - 3000 ELSE e.webinar_pk END, e.webinar_id,"
            " e.starts_us, e.snapshot, e.audience, e.created_us FROM event e, n;"
            "INSERT INTO fanout (event_pk, hook_pk, webinar_pk, filter_group, end_pos, created_us)"
            " SELECT event_pk, 1, webinar_pk, 0, 1, 0 FROM event e"
            " WHERE event_pk > (SELECT min(event_pk) FROM event)",
            &world.error),
        OK);
    assert_int_equal(
        fanouts_startable(world.engine, hook, &world.arena, fanouts, &count, &world.error), OK);
    assert_int_equal(count, 3);
    assert_int_equal(fanouts[0].sequence, first);
    assert_int_equal(fanouts[1].sequence, first + 3001);
    assert_int_equal(fanouts[2].sequence, first + 3002);
    for (size_t i = 0; i < count; i++)
        audience_done(&fanouts[i].audience);
    world_close(&world);
}

/* --- chunks --- */

/* A first chunk of so many, the first of whom still is to be told. */
static struct flush_item
chunk_of(int64_t hook, const struct lane_fanout *fanout, int64_t chunk_pk)
{
    return (struct flush_item){
        .kind = FLUSH_CHUNK_SAVE,
        .hook_pk = hook,
        .fanout_pk = fanout->pk,
        .chunk_pk = chunk_pk,
        .count = 1,
        .bytes = {"\x1", 1},
    };
}

/* The hook's chunk that is due then, and when the next one is. */
static enum err
due_at(struct world *world, int64_t hook, int64_t us, struct lane_chunk *ret_chunk,
    struct walltime *ret_next)
{
    const struct chunk_query query = {.hook_pk = hook, .now = {us}};

    return chunk_due(world->engine, &query, ret_chunk, ret_next, &world->error);
}

/* Nobody is put off for longer than the longest delay. */
static void
a_chunk_whose_due_moment_cannot_be_is_due(void **state)
{
    struct world world;
    struct lane_fanout fanout;
    struct lane_chunk chunk = {0};
    struct walltime next = {0};

    (void)state;
    int64_t hook = open_owed(&world, 1, &fanout);
    struct flush_item item = chunk_of(hook, &fanout, 9);
    item.attempts = 1;
    item.at.us = start.us + US_PER_DAY;
    flush_one(&world, &item);
    struct chunk_query query = {
        .hook_pk = hook,
        .now = start,
        .latest = {start.us + US_PER_DAY},
    };
    assert_int_equal(chunk_due(world.engine, &query, &chunk, &next, &world.error), ERR_NOT_FOUND);
    query.latest.us--;
    assert_int_equal(chunk_due(world.engine, &query, &chunk, &next, &world.error), OK);
    assert_int_equal(chunk.pk, 9);
    audience_done(&fanout.audience);
    world_close(&world);
}

static void
failed_members_wait_as_one_row_until_they_are_due(void **state)
{
    struct world world;
    struct lane_fanout fanout;
    struct lane_chunk chunk = {0};
    struct walltime next = {0};

    (void)state;
    int64_t hook = open_owed(&world, 2, &fanout);
    struct flush_item item = chunk_of(hook, &fanout, 9);
    item.count = 2;
    item.attempts = 1;
    item.at.us = start.us + 5;
    item.bytes.ptr = "\x2";
    flush_one(&world, &item);
    assert_int_equal(due_at(&world, hook, start.us, &chunk, &next), ERR_NOT_FOUND);
    assert_int_equal(next.us, start.us + 5);
    assert_int_equal(due_at(&world, hook, start.us + 5, &chunk, &next), OK);
    assert_int_equal(chunk.pk, 9);
    assert_int_equal(chunk.attempts, 1);
    assert_int_equal(bitmap_count(chunk.todo, chunk.count), 1);
    assert_int_equal(chunk_due(world.engine,
                         &(struct chunk_query){.hook_pk = hook,
                             .now = {start.us + 5},
                             .skip = &chunk.pk,
                             .skip_count = 1},
                         &chunk, &next, &world.error),
        ERR_NOT_FOUND);
    assert_int_equal(next.us, INT64_MAX);

    /* Done only when nothing of it is left anywhere. */
    struct flush_item drained = {.kind = FLUSH_FANOUT,
        .fanout_pk = fanout.pk,
        .base = 2,
        .is_drained = true};
    bool is_sending = false;
    flush_one(&world, &drained);
    assert_int_equal(fanout_is_sending(world.engine, fanout.pk, 0, &is_sending, &world.error), OK);
    assert_true(is_sending);
    item.kind = FLUSH_CHUNK_DELETE;
    flush_one(&world, &item);
    flush_one(&world, &drained);
    assert_int_equal(fanout_is_sending(world.engine, fanout.pk, 0, &is_sending, &world.error), OK);
    assert_false(is_sending);
    audience_done(&fanout.audience);
    world_close(&world);
}

static void
what_was_in_hand_when_the_process_ended_is_due_at_once(void **state)
{
    struct world world;
    struct lane_fanout fanout;
    struct lane_chunk chunk = {0};
    struct walltime next = {0};
    int64_t last = 0;

    (void)state;
    int64_t hook = open_owed(&world, 1, &fanout);
    struct flush_item item = chunk_of(hook, &fanout, 41);
    flush_one(&world, &item);
    assert_int_equal(due_at(&world, hook, start.us, &chunk, &next), ERR_NOT_FOUND);
    assert_int_equal(lanes_recover(world.engine, &last, &world.error), OK);
    assert_int_equal(last, 41);
    assert_int_equal(due_at(&world, hook, start.us, &chunk, &next), OK);
    assert_int_equal(chunk.attempts, 0);
    audience_done(&fanout.audience);
    world_close(&world);
}

static void
a_cancelled_webinar_takes_its_fanouts_and_chunks_along(void **state)
{
    struct world world;
    struct lane_fanout fanout;
    struct event_receipt receipt = {0};
    bool is_sending = true;
    int64_t chunks = -1;

    (void)state;
    int64_t hook = open_owed(&world, 1, &fanout);
    execute(&world, "UPDATE fanout SET changed = 0");
    assert_int_equal(
        event_cancel_webinar(world.engine, 77, world.now, &world.arena, &receipt, &world.error),
        OK);
    assert_int_equal(receipt.hook_count, 1);
    assert_int_equal(receipt.hook_pks[0], hook);
    assert_int_equal(number(&world, "SELECT changed FROM fanout"),
        number(&world, "SELECT value FROM meta WHERE name = 'sequence'"));
    assert_int_equal(fanout_is_sending(world.engine, fanout.pk, 0, &is_sending, &world.error), OK);
    assert_false(is_sending);

    /* What a lane had in hand does not come back with its next flush. */
    struct flush_item item = chunk_of(hook, &fanout, 3);
    flush_one(&world, &item);
    assert_int_equal(engine_get_int(world.engine, &chunks, &world.error,
                         "SELECT count(*) FROM chunk WHERE chunk_pk >= ?1", v_int(0)),
        OK);
    assert_int_equal(chunks, 0);
    audience_done(&fanout.audience);
    world_close(&world);
}

static void
a_sequence_grows_though_the_clock_goes_back(void **state)
{
    struct world world;
    int64_t first = 0;
    int64_t second = 0;

    (void)state;
    world_open(&world);
    assert_int_equal(sequence_next(world.engine, start, &first, &world.error), OK);
    assert_int_equal(first, start.us);
    assert_int_equal(sequence_next(world.engine, (struct walltime){5}, &second, &world.error), OK);
    assert_int_equal(second, first + 1);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_person_in_several_groups_is_told_once_by_the_first),
        cmocka_unit_test(who_leaves_one_group_after_the_event_is_still_told_once),
        cmocka_unit_test(an_erased_attendee_is_passed_over),
        cmocka_unit_test(a_hook_of_one_mango_hears_of_its_members_only),
        cmocka_unit_test(events_of_one_webinar_start_first_in_first_out),
        cmocka_unit_test(a_retry_is_superseded_by_newer_news_that_covers_the_person),
        cmocka_unit_test(news_that_passes_over_the_person_supersedes_nothing),
        cmocka_unit_test(however_many_newer_events_there_are_a_retry_can_be_read),
        cmocka_unit_test(the_oldest_and_the_shortest_have_half_of_the_places_each),
        cmocka_unit_test(a_heap_of_one_webinar_hides_no_other),
        cmocka_unit_test(a_chunk_whose_due_moment_cannot_be_is_due),
        cmocka_unit_test(failed_members_wait_as_one_row_until_they_are_due),
        cmocka_unit_test(what_was_in_hand_when_the_process_ended_is_due_at_once),
        cmocka_unit_test(a_cancelled_webinar_takes_its_fanouts_and_chunks_along),
        cmocka_unit_test(a_sequence_grows_though_the_clock_goes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
