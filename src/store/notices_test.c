/* SPDX-License-Identifier: Apache-2.0 */
#include "store/notices.h"

#include <stdio.h>

#include "domain/delivery_id.h"
#include "support/told.h"

/* Hook 1 is told of webinars; hook 2 of the type. */
static int64_t
told_open(struct world *world, const char *type)
{
    int64_t hook;

    world_open(world);
    hook = add_hook(world, 1, NULL, NULL);
    assert_int_equal(add_hook(world, 2, NULL, NULL), 2);
    assert_int_equal(engine_run(world->engine, &world->error,
                         "UPDATE hook SET event = ?1, url = 'https://example.com/notices'"
                         " WHERE hook_pk = 2",
                         v_text(str_from(type))),
        OK);
    add_member(world, world->webinar_group, add_attendee(world, "ann"));
    add_member(world, world->webinar_group, add_attendee(world, "bob"));
    (void)tell_all(world);
    return hook;
}

/* Of how many notices it was told, those of any type. */
static int64_t
notices(struct world *world)
{
    return number(world, "SELECT count(*) FROM event WHERE reason = 'notice'");
}

static struct flush_plan
flush_health(struct world *world, int64_t hook, int64_t failing_us)
{
    const struct flush_item item = {
        .kind = FLUSH_HOOK_HEALTH,
        .hook_pk = hook,
        .failure = STR("status"),
        .status = 503,
        .health = {.first_failure = {failing_us}, .failing = {failing_us}},
    };

    return flush_items(world, &item, 1);
}

static struct flush_plan
flush_disable(struct world *world, int64_t hook, const char *by)
{
    const struct flush_item item = {
        .kind = FLUSH_HOOK_DISABLE,
        .hook_pk = hook,
        .failure = str_from(by),
    };

    return flush_items(world, &item, 1);
}

static void
assert_body(struct world *world, const char *wanted)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select_values(world->engine, &rows,
        "SELECT snapshot FROM event WHERE reason = 'notice' ORDER BY event_pk DESC", NULL, 0);
    assert_true(rows_next(&rows));
    if (!str_equals(rows_str(&rows, 0), str_from(wanted)))
        fail_msg("is %.*s", STR_FMT(rows_str(&rows, 0)));
}

static void
that_a_hook_fails_is_told_once(void **state)
{
    struct world world;
    struct flush_plan plan;

    (void)state;
    int64_t hook = told_open(&world, EVENT_HOOK_FAILING);

    plan = flush_health(&world, hook, start.us);
    assert_int_equal(plan.wake_count, 1);
    assert_int_equal(plan.wake[0], 2);
    assert_body(&world, "{\"type\":\"hook.failing\",\"timestamp\":\"2024-03-15T10:00:00.000Z\","
                        "\"data\":{\"hook\":\"000000000000000000000001\","
                        "\"hookUrl\":\"https://example.com/\","
                        "\"event\":\"webinar.created.single\","
                        "\"failingSince\":\"2024-03-15T10:00:00.000Z\","
                        "\"lastResult\":\"status\",\"lastStatus\":503}}");
    plan = flush_health(&world, hook, start.us);
    assert_int_equal(plan.wake_count, 0);
    assert_int_equal(notices(&world), 1);

    /* That it has recovered, nobody here asked for; that it fails again is news. */
    flush_health(&world, hook, 0);
    assert_int_equal(notices(&world), 1);
    flush_health(&world, hook, start.us);
    assert_int_equal(notices(&world), 2);
    world_close(&world);
}

static void
that_a_hook_has_recovered_is_told_once_and_since_when_it_failed(void **state)
{
    struct world world;

    (void)state;
    int64_t hook = told_open(&world, EVENT_HOOK_RECOVERED);

    flush_health(&world, hook, start.us);
    assert_int_equal(notices(&world), 0);
    world.now.us += 60 * US_PER_S;
    assert_int_equal(flush_health(&world, hook, 0).wake_count, 1);
    flush_health(&world, hook, 0);
    assert_int_equal(notices(&world), 1);
    assert_body(&world, "{\"type\":\"hook.recovered\",\"timestamp\":\"2024-03-15T10:01:00.000Z\","
                        "\"data\":{\"hook\":\"000000000000000000000001\","
                        "\"hookUrl\":\"https://example.com/\","
                        "\"event\":\"webinar.created.single\","
                        "\"failingSince\":\"2024-03-15T10:00:00.000Z\","
                        "\"recoveredAt\":\"2024-03-15T10:01:00.000Z\"}}");
    world_close(&world);
}

static void
that_a_hook_was_disabled_is_told_with_by_whom(void **state)
{
    struct world world;

    (void)state;
    int64_t hook = told_open(&world, EVENT_HOOK_DISABLED);

    assert_int_equal(flush_disable(&world, hook, "gone").wake_count, 1);
    assert_body(&world, "{\"type\":\"hook.disabled\",\"timestamp\":\"2024-03-15T10:00:00.000Z\","
                        "\"data\":{\"hook\":\"000000000000000000000001\","
                        "\"hookUrl\":\"https://example.com/\","
                        "\"event\":\"webinar.created.single\",\"failingSince\":null,"
                        "\"lastResult\":\"status\",\"lastStatus\":410,\"disabledBy\":\"gone\"}}");
    assert_int_equal(flush_disable(&world, hook, "gone").wake_count, 0);
    assert_int_equal(notices(&world), 1);
    world_close(&world);
}

/* It failed so rarely that its breaker never opened, and yet for days. */
static void
a_hook_disabled_for_failing_was_told_to_fail_before(void **state)
{
    struct world world;

    (void)state;
    int64_t hook = told_open(&world, EVENT_HOOK_FAILING);
    int64_t other = add_hook(&world, 3, NULL, NULL);

    execute(&world, "UPDATE hook SET event = 'hook.disabled' WHERE hook_pk = 3;"
                    "UPDATE hook SET first_failure_us = 7000000 WHERE hook_pk = 1");
    struct flush_plan plan = flush_disable(&world, hook, "failing");
    assert_int_equal(plan.wake_count, 2);
    assert_int_equal(plan.wake[0], 2);
    assert_int_equal(plan.wake[1], other);
    assert_int_equal(number(&world, "SELECT count(*) FROM event WHERE type = 'hook.failing'"), 1);
    assert_body(&world, "{\"type\":\"hook.disabled\",\"timestamp\":\"2024-03-15T10:00:00.000Z\","
                        "\"data\":{\"hook\":\"000000000000000000000001\","
                        "\"hookUrl\":\"https://example.com/\","
                        "\"event\":\"webinar.created.single\","
                        "\"failingSince\":\"1970-01-01T00:00:07.000Z\",\"lastResult\":null,"
                        "\"lastStatus\":null,\"disabledBy\":\"failing\"}}");

    /* Whose breaker had opened is not told to fail twice. */
    execute(&world, "UPDATE hook SET status = 'enabled' WHERE hook_pk = 1");
    plan = flush_disable(&world, hook, "failing");
    assert_int_equal(plan.wake_count, 1);
    assert_int_equal(plan.wake[0], other);
    world_close(&world);
}

/* The dead members' row, with the ids of some of them. */
static struct flush_plan
flush_dead(struct world *world, int64_t hook, size_t named)
{
    static const char todo[] = "\x3";
    static char ids[(DEAD_NAMED_MAX + 1) * ID_BYTES];
    const struct flush_item item = {
        .kind = FLUSH_DEAD,
        .hook_pk = hook,
        .fanout_pk = 1,
        .count = 2,
        .attempts = 10,
        .bytes = {todo, 1},
        .detail = {ids, named * ID_BYTES},
    };

    return flush_items(world, &item, 1);
}

static void
deaths_are_told_with_their_webhook_ids(void **state)
{
    struct world world;
    char wanted[1024];

    (void)state;
    int64_t hook = told_open(&world, EVENT_DELIVERY_DEAD);
    struct delivery_id id = {.event = {{0}}, .hook = numbered(1)};
    char text[DELIVERY_ID_TEXT_BYTES];
    char event[ID_TEXT_BYTES];

    {
        CLEANUP(rows_done) struct rows rows;

        engine_select_values(world.engine, &rows, "SELECT id, event_pk FROM event", NULL, 0);
        assert_true(rows_next(&rows));
        id.event = rows_id(&rows, 0);
        id.sequence = rows_int(&rows, 1);
    }
    (void)delivery_id_format(&id, text);
    id_format(id.event, event);
    assert_int_equal(flush_dead(&world, hook, 1).wake_count, 1);
    (void)snprintf(wanted, sizeof(wanted),
        "{\"type\":\"delivery.dead\",\"timestamp\":\"2024-03-15T10:00:00.000Z\","
        "\"data\":{\"hook\":\"000000000000000000000001\",\"hookUrl\":\"https://example.com/\","
        "\"event\":\"webinar.created.single\",\"eventId\":\"%s\","
        "\"webinar\":\"00000000000000000000004d\",\"count\":2,\"attempts\":10,"
        "\"deliveries\":[\"%s\"]}}",
        event, text);
    assert_body(&world, wanted);
    world_close(&world);
}

static void
a_hook_with_two_notices_is_woken_once(void **state)
{
    struct world world;
    const char todo[] = "\x1";

    (void)state;
    int64_t hook = told_open(&world, EVENT_DELIVERY_DEAD);
    const struct flush_item items[] = {
        {.kind = FLUSH_DEAD, .hook_pk = hook, .fanout_pk = 1, .count = 1, .bytes = {todo, 1}},
        {.kind = FLUSH_DEAD,
            .hook_pk = hook,
            .fanout_pk = 1,
            .base = 1,
            .count = 1,
            .bytes = {todo, 1}},
    };

    assert_int_equal(flush_items(&world, items, COUNT_OF(items)).wake_count, 1);
    assert_int_equal(notices(&world), 2);
    world_close(&world);
}

static void
no_more_than_some_of_the_dead_are_named(void **state)
{
    struct world world;

    (void)state;
    int64_t hook = told_open(&world, EVENT_DELIVERY_DEAD);

    flush_dead(&world, hook, DEAD_NAMED_MAX + 1);
    assert_int_equal(number(&world, "SELECT json_array_length(snapshot, '$.data.deliveries')"
                                    " FROM event WHERE reason = 'notice'"),
        DEAD_NAMED_MAX);
    world_close(&world);
}

static void
deaths_of_an_earlier_round_are_not_told(void **state)
{
    struct world world;

    (void)state;
    int64_t hook = told_open(&world, EVENT_DELIVERY_DEAD);

    execute(&world, "UPDATE fanout SET round = 1");
    assert_int_equal(flush_dead(&world, hook, 1).wake_count, 0);
    assert_int_equal(notices(&world), 0);
    world_close(&world);
}

static void
where_nobody_asks_nothing_is_written(void **state)
{
    struct world world;

    (void)state;
    int64_t hook = told_open(&world, EVENT_HOOK_FAILING);

    /* Of another account, or disabled. */
    execute(&world, "INSERT INTO account (account_pk, id, name, created_us)"
                    " VALUES (2, x'02', 'other', 0);"
                    "UPDATE hook SET account_pk = 2 WHERE hook_pk = 2");
    flush_health(&world, hook, 5);
    execute(&world, "UPDATE hook SET account_pk = 1, status = 'disabled' WHERE hook_pk = 2");
    flush_health(&world, hook, 0);
    flush_health(&world, hook, 5);
    assert_int_equal(notices(&world), 0);
    world_close(&world);
}

/* Or a dead endpoint would be told of its own death for ever. */
static void
what_happens_to_a_hook_of_notices_is_told_to_nobody(void **state)
{
    struct world world;

    (void)state;
    (void)told_open(&world, EVENT_HOOK_FAILING);
    flush_health(&world, 2, 5);
    execute(&world, "UPDATE hook SET event = 'hook.disabled' WHERE hook_pk = 2");
    flush_disable(&world, 2, "gone");
    assert_int_equal(number(&world, "SELECT failing_us FROM hook WHERE hook_pk = 2"), 5);
    assert_int_equal(notices(&world), 0);
    world_close(&world);
}

static void
a_notice_has_one_position_that_is_nobody_and_is_never_superseded(void **state)
{
    struct world world;
    struct lane_fanout fanout;
    struct lane_member member;
    uint8_t todo = 1;

    (void)state;
    int64_t hook = told_open(&world, EVENT_HOOK_FAILING);

    flush_health(&world, hook, 5);
    fanout = only_startable(&world, 2);
    flush_health(&world, hook, 0);
    flush_health(&world, hook, 5);
    /* Notices about a hook go one after another. */
    audience_done(&fanout.audience);
    fanout = only_startable(&world, 2);
    assert_int_equal(fanout.reason, EVENT_NOTICE);
    assert_int_equal(fanout.end_pos, 1);
    assert_true(fanout_is_notice(&fanout));
    const struct chunk_members_args args = {
        .fanout = &fanout,
        .hook_pk = 2,
        .count = 1,
        .todo = &todo,
        .is_retry = true,
        .zones = world.zones,
        .arena = &world.arena,
        .ret_members = &member,
    };
    assert_int_equal(chunk_members(world.engine, &args, &world.error), OK);
    assert_int_equal(member.fate, MEMBER_DUE);
    assert_true(member.is_nobody);
    assert_true(id_is_zero(member.id));
    audience_done(&fanout.audience);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(that_a_hook_fails_is_told_once),
        cmocka_unit_test(that_a_hook_has_recovered_is_told_once_and_since_when_it_failed),
        cmocka_unit_test(that_a_hook_was_disabled_is_told_with_by_whom),
        cmocka_unit_test(a_hook_disabled_for_failing_was_told_to_fail_before),
        cmocka_unit_test(deaths_are_told_with_their_webhook_ids),
        cmocka_unit_test(a_hook_with_two_notices_is_woken_once),
        cmocka_unit_test(no_more_than_some_of_the_dead_are_named),
        cmocka_unit_test(deaths_of_an_earlier_round_are_not_told),
        cmocka_unit_test(where_nobody_asks_nothing_is_written),
        cmocka_unit_test(what_happens_to_a_hook_of_notices_is_told_to_nobody),
        cmocka_unit_test(a_notice_has_one_position_that_is_nobody_and_is_never_superseded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
