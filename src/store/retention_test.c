/* SPDX-License-Identifier: Apache-2.0 */
#include "store/retention.h"

#include <string.h>

#include "domain/event.h"
#include "os/clock.h"
#include "store/events.h"
#include "store/lanes.h"
#include "support/engine.h"
#include "support/test.h"

#define MINUTE (60 * US_PER_S)
#define HOUR   (60 * MINUTE)

static const struct walltime start = {INT64_C(1710496800000000)};

static const struct retention keep = {
    .events_us = HOUR,
    .dead_us = 30 * MINUTE,
    .attempts_us = 20 * MINUTE,
    .idempotency_us = 10 * MINUTE,
};

#define MEMBERS 20
#define HOOKS   4
/* The last hook was disabled: what was begun for it is frozen. */
#define FROZEN HOOKS

struct world {
    struct engine *engine;
    struct arena arena;
    struct error error;
    struct clock_manual clock;
    struct id_source ids;
    struct audience audience;
    int64_t next_chunk;
    int64_t swept_events;
    int64_t woken; /* hooks that were to be told */
};

static void
must(struct world *world, enum err err)
{
    if (err != OK)
        fail_msg("%s", world->error.text);
}

static int64_t
count(struct world *world, const char *sql, int64_t at_us)
{
    int64_t n = -1;

    must(world, engine_get_int(world->engine, &n, &world->error, sql, v_int(at_us)));
    return n;
}

static void
world_open(struct world *world)
{
    static const uint8_t random[8] = {7};

    memset(world, 0, sizeof(*world));
    world->engine = test_engine_open();
    clock_manual_init(&world->clock, start);
    id_source_init(&world->ids, random);
    arena_init(&world->arena, 1 << 20);
    audience_init(&world->audience);
    must(world, audience_add(&world->audience, 1, 0, MEMBERS, false));
    for (int i = 0; i < HOOKS; i++) {
        struct id id = id_make(&world->ids, start);

        must(world,
            engine_run(world->engine, &world->error,
                "INSERT INTO hook (account_pk, id, url, event, description, phone_format,"
                " signature, secret_sealed, max_in_flight, status, created_us, updated_us)"
                " VALUES (1, ?1, 'https://example.com/', 'webinar.created.single', '', 'number',"
                " 'v1', x'00', 16, 'enabled', 0, 0)",
                v_id(&id)));
    }
}

static void
world_close(struct world *world)
{
    audience_done(&world->audience);
    arena_done(&world->arena);
    engine_close(world->engine);
}

static struct walltime
now_of(const struct world *world)
{
    return clock_walltime(&world->clock.base);
}

/* --- what happens to an event, as a flush writes it --- */

static int64_t
tell(struct world *world)
{
    struct event_receipt receipt;
    struct event_draft draft = {
        .id = id_make(&world->ids, now_of(world)),
        .account_pk = 1,
        .type = STR(EVENT_WEBINAR_CREATED_SINGLE),
        .reason = EVENT_UPDATED,
        .webinar_pk = 7,
        .webinar_id = id_make(&world->ids, start),
        .starts = start,
        .snapshot = STR(",\"callList\":[],\"mangoes\":\"\"}"),
        .audience = &world->audience,
        .now = now_of(world),
    };

    arena_reset(&world->arena);
    must(world, event_append(world->engine, &draft, &world->arena, &receipt, &world->error));
    assert_int_equal(receipt.hook_count, HOOKS);
    return receipt.sequence;
}

static struct flush_item
item_of(enum flush_kind kind, int64_t fanout_pk, int64_t hook_pk)
{
    static const uint8_t two[BITMAP_BYTES(MEMBERS)] = {3};

    return (struct flush_item){
        .kind = kind,
        .hook_pk = hook_pk,
        .fanout_pk = fanout_pk,
        .count = MEMBERS,
        .attempts = 1,
        .bytes = {(const char *)two, sizeof(two)},
        .failure = STR("status"),
        .status = 500,
    };
}

/* Most are delivered; with each two fail: they wait at one hook, and are given up at the next. */
static void
settle(struct world *world, int64_t sequence, int64_t hook)
{
    static const char records[MEMBERS * RECORD_BYTES];
    struct walltime now = now_of(world);
    struct flush_item items[5];
    struct flush_plan plan = {.items = items,
        .now = now,
        .ids = &world->ids,
        .arena = &world->arena};
    int64_t fanout = 0;
    bool is_waiting = hook == 2;

    must(world, engine_get_int(world->engine, &fanout, &world->error,
                    "SELECT fanout_pk FROM fanout WHERE event_pk = ?1 AND hook_pk = ?2",
                    v_int(sequence), v_int(hook)));
    if (hook > 1) {
        items[plan.count] = item_of(is_waiting ? FLUSH_CHUNK_SAVE : FLUSH_DEAD, fanout, hook);
        items[plan.count].chunk_pk = ++world->next_chunk;
        items[plan.count++].at.us = now.us + (is_waiting ? HOUR : 0);
        items[plan.count] = item_of(FLUSH_FAILURE, fanout, hook);
        items[plan.count].detail = STR("no");
        items[plan.count++].at = now;
    }
    items[plan.count] = item_of(FLUSH_RECORDS, fanout, hook);
    items[plan.count].bytes = (struct str){records, sizeof(records)};
    items[plan.count++].at = now;
    items[plan.count] = item_of(FLUSH_FANOUT, fanout, hook);
    items[plan.count].base = MEMBERS;
    items[plan.count].delivered = hook > 1 ? MEMBERS - 2 : MEMBERS;
    items[plan.count].dead = hook > 2 ? 2 : 0;
    items[plan.count++].is_drained = true;
    must(world, lanes_flush(world->engine, &plan, &world->error));
}

static void
answer_idempotent(struct world *world)
{
    struct id id = id_make(&world->ids, now_of(world));

    must(world, engine_run(world->engine, &world->error,
                    "INSERT INTO idempotency (digest, body_digest, status, fields, answer_sealed,"
                    " created_us) VALUES (?1, x'00', 201, '', x'00', ?2)",
                    v_id(&id), v_time(now_of(world))));
}

static void
live(struct world *world)
{
    int64_t sequence = tell(world);

    for (int64_t hook = 1; hook < FROZEN; hook++)
        settle(world, sequence, hook);
    answer_idempotent(world);
}

/* --- sweeping --- */

/* Steps, each a transaction, until it is over; returns how many. */
static int
sweep(struct world *world, const struct retention *how, size_t rows_max)
{
    struct sweep state = {.now = now_of(world), .rows_max = rows_max};
    int steps = 0;

    while (state.stage != SWEEP_OVER) {
        must(world, engine_begin(world->engine, &world->error));
        must(world, retention_step(world->engine, how, &state, &world->error));
        must(world, engine_commit(world->engine, &world->error));
        world->woken += (int64_t)state.wake_count;
        steps++;
        assert_true(steps < 100000);
    }
    world->swept_events += state.events;
    return steps;
}

static const struct {
    const char *name;
    const char *older; /* rows of a time before ?1 */
    int64_t kept_us;
} ages[] = {
    {"event", "SELECT count(*) FROM event WHERE created_us < ?1", HOUR},
    {"fanout", "SELECT count(*) FROM fanout WHERE created_us < ?1", HOUR},
    {"chunk", "SELECT count(*) FROM chunk WHERE due_us < ?1 + 3600000000", HOUR},
    {"dead", "SELECT count(*) FROM dead WHERE at_us < ?1", 30 * MINUTE},
    {"attempt_block", "SELECT count(*) FROM attempt_block WHERE started_us < ?1", 20 * MINUTE},
    {"attempt_failure", "SELECT count(*) FROM attempt_failure WHERE at_us < ?1", 20 * MINUTE},
    {"idempotency", "SELECT count(*) FROM idempotency WHERE created_us < ?1", 10 * MINUTE},
};

/* After so many minutes of an event each, `per_minute` rows of each are there for each minute that
 * it is kept, and no other. */
static void
must_hold(struct world *world, int64_t minutes)
{
    static const int64_t per_minute[] = {1, HOOKS, 1, 1, 3, 2, 1};

    for (size_t i = 0; i < COUNT_OF(ages); i++) {
        int64_t kept = ages[i].kept_us / MINUTE;
        int64_t wanted = per_minute[i] * (minutes < kept ? minutes : kept);
        int64_t old = count(world, ages[i].older, now_of(world).us - ages[i].kept_us);
        int64_t all = count(world, ages[i].older, INT64_C(1) << 60);

        if (old != 0 || all != wanted)
            fail_msg("%s after %lld minutes: %lld rows instead of %lld, %lld too old", ages[i].name,
                (long long)minutes, (long long)all, (long long)wanted, (long long)old);
    }
}

/* --- the tests --- */

static void
what_is_old_goes_and_nothing_younger(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    for (int64_t minute = 1; minute <= 70; minute++) {
        live(&world);
        clock_manual_advance(&world.clock, MINUTE);
        (void)sweep(&world, &keep, 1000);
        must_hold(&world, minute);
    }
    world_close(&world);
}

/* A day of it, with what is kept scaled down: the file stays as large as after the first hours. */
static void
a_day_of_events_leaves_the_file_as_it_was(void **state)
{
    struct world world;
    int64_t pages = 0;

    (void)state;
    world_open(&world);
    for (int64_t second = 0; second < 24 * 3600; second += 20) {
        live(&world);
        clock_manual_advance(&world.clock, 20 * US_PER_S);
        if (second % 60 == 40)
            (void)sweep(&world, &keep, 256);
        if (second == 2 * 3600)
            must(&world, engine_get_int(world.engine, &pages, &world.error, "PRAGMA page_count"));
    }
    assert_true(pages > 50);
    assert_true(count(&world, "SELECT page_count FROM pragma_page_count WHERE ?1", 1) <=
                pages + pages / 20);
    assert_int_equal(world.swept_events, (24 - 1) * 180);
    world_close(&world);
}

static void
small_steps_take_the_same_away(void **state)
{
    struct world worlds[2];
    int steps[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        world_open(&worlds[i]);
        for (int n = 0; n < 90; n++) {
            live(&worlds[i]);
            clock_manual_advance(&worlds[i].clock, MINUTE);
        }
        steps[i] = sweep(&worlds[i], &keep, i == 0 ? SWEEP_ROWS_MIN : SWEEP_ROWS_MAX);
        for (size_t k = 0; k < COUNT_OF(ages); k++)
            assert_int_equal(count(&worlds[i], ages[k].older, INT64_C(1) << 60),
                count(&worlds[0], ages[k].older, INT64_C(1) << 60));
    }
    assert_int_equal(count(&worlds[0], "SELECT count(*) FROM event WHERE ?1", 1), 60);
    assert_true(steps[0] > 20);
    assert_int_equal(steps[1], 1);
    world_close(&worlds[0]);
    world_close(&worlds[1]);
}

static void
a_sweep_that_finds_nothing_is_one_step(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    assert_int_equal(sweep(&world, &keep, SWEEP_ROWS_MIN), 1);
    live(&world);
    assert_int_equal(sweep(&world, &keep, SWEEP_ROWS_MIN), 1);
    world_close(&world);
}

/* The frozen ones of a disabled hook, and what still waits: their lanes have to hear of it. */
static void
what_is_under_way_expires_and_its_hooks_are_told(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    live(&world);
    must(&world, engine_exec(world.engine, "UPDATE hook SET status = 'disabled' WHERE hook_pk = 4",
                     &world.error));
    clock_manual_advance(&world.clock, HOUR);
    (void)sweep(&world, &keep, 1000);
    assert_int_equal(world.woken, 0);
    clock_manual_advance(&world.clock, 1);
    (void)sweep(&world, &keep, 1000);
    assert_int_equal(world.woken, 2); /* hook 2 has a chunk that waits, hook 4 is frozen */
    for (size_t i = 0; i < COUNT_OF(ages); i++)
        assert_int_equal(count(&world, ages[i].older, INT64_C(1) << 60), 0);
    world_close(&world);
}

/* More of them than a step may end: between two steps none is left half taken away and open. */
static void
an_event_of_many_hooks_is_ended_before_anything_of_it_goes(void **state)
{
    struct world world;
    struct sweep sweep_state = {.rows_max = 100};
    int64_t told = 0;

    (void)state;
    world_open(&world);
    live(&world);
    must(&world,
        engine_exec(world.engine,
            "WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 299)"
            " INSERT INTO fanout (event_pk, hook_pk, webinar_pk, filter_group, end_pos, created_us)"
            " SELECT event_pk, i, 7, 0, 20, created_us FROM event, n",
            &world.error));
    clock_manual_advance(&world.clock, 2 * HOUR);
    sweep_state.now = now_of(&world);
    while (sweep_state.stage != SWEEP_OVER) {
        must(&world, retention_step(world.engine, &keep, &sweep_state, &world.error));
        told += (int64_t)sweep_state.wake_count;
        if (count(&world, "SELECT count(*) FROM fanout WHERE status = 'sending' AND ?1", 1) > 0)
            assert_int_equal(count(&world, "SELECT count(*) FROM chunk WHERE ?1", 1), 1);
    }
    assert_int_equal(told, 202);
    assert_int_equal(count(&world, "SELECT count(*) FROM fanout WHERE fanout_pk > ?1", 0), 0);
    assert_int_equal(count(&world, "SELECT count(*) FROM event WHERE event_pk > ?1", 0), 0);
    world_close(&world);
}

static void
rows_from_the_future_hold_up_nothing(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    clock_manual_advance(&world.clock, 24 * HOUR);
    live(&world); /* the clock was a day ahead */
    world.clock.walltime_now.us -= 24 * HOUR;
    live(&world);
    clock_manual_advance(&world.clock, 2 * HOUR);
    live(&world);
    (void)sweep(&world, &keep, 1000);
    assert_int_equal(count(&world, "SELECT count(*) FROM event WHERE event_pk > ?1", 0), 2);
    assert_int_equal(count(&world, "SELECT count(*) FROM attempt_block WHERE rowid > ?1", 0), 6);
    assert_int_equal(count(&world, "SELECT count(*) FROM dead WHERE dead_pk > ?1", 0), 2);
    clock_manual_advance(&world.clock, 24 * HOUR);
    (void)sweep(&world, &keep, 1000);
    assert_int_equal(count(&world, "SELECT count(*) FROM event WHERE event_pk > ?1", 0), 0);
    assert_int_equal(count(&world, "SELECT count(*) FROM attempt_block WHERE rowid > ?1", 0), 0);
    world_close(&world);
}

/* --- the inbox --- */

static const struct retention keep_inbox = {
    .events_us = HOUR,
    .dead_us = HOUR,
    .attempts_us = HOUR,
    .idempotency_us = HOUR,
    .inbox_us = 30 * MINUTE,
    .quarantine_us = 10 * MINUTE,
};

static const char *const inbox_tables[] = {
    "SELECT count(*) FROM inbox WHERE ?1",
    "SELECT count(*) FROM inbox_latest WHERE ?1",
    "SELECT count(*) FROM handling_log WHERE ?1",
    "SELECT count(*) FROM handling WHERE ?1",
    "SELECT count(*) FROM quarantine WHERE ?1",
    "SELECT sum(bytes) / 1000 FROM quarantine_room WHERE peer = '' AND ?1",
};

/* A minute of it: a call that was refused, and an item, whose handler has failed and waits. */
static void
live_inbox(struct world *world, int64_t minute)
{
    struct walltime now = now_of(world);

    must(world,
        engine_run(world->engine, &world->error,
            "INSERT INTO inbox (inbox_pk, source_pk, event, object, person, flags, revision,"
            " received_us, headers, body) VALUES (?1, 1, 'e', ?2, '', 0, 0, ?1, '', x'7b7d')",
            v_time(now), v_int(minute)));
    must(world, engine_run(world->engine, &world->error,
                    "INSERT INTO inbox_latest (source_pk, event, object, person, inbox_pk,"
                    " revision, version) VALUES (1, 'e', ?2, '', ?1, 0, x'00')",
                    v_time(now), v_int(minute)));
    must(world, engine_run(world->engine, &world->error,
                    "INSERT INTO handling (handler_pk, inbox_pk, attempts, due_us)"
                    " VALUES (1, ?1, 1, ?1 + 86400000000)",
                    v_time(now)));
    must(world, engine_run(world->engine, &world->error,
                    "INSERT INTO handling_log (handler_pk, inbox_pk, attempt, at_us, took_us,"
                    " outcome, detail, output) VALUES (1, ?1, 1, ?1, 1, 'failed', '', x'')",
                    v_time(now)));
    must(world, engine_run(world->engine, &world->error,
                    "INSERT INTO quarantine (quarantine_pk, source, peer, reason, received_us,"
                    " bytes, call_sealed) VALUES (?1, 's', '::1', '', ?1, 1000, x'00')",
                    v_time(now)));
    must(world, engine_exec(world->engine,
                    "INSERT INTO quarantine_room (peer, bytes) VALUES ('', 1000), ('::1', 1000)"
                    " ON CONFLICT (peer) DO UPDATE SET bytes = bytes + excluded.bytes",
                    &world->error));
}

static void
must_hold_inbox(struct world *world, int64_t minutes)
{
    static const int64_t kept_minutes[] = {30, 30, 30, 30, 10, 10};

    for (size_t i = 0; i < COUNT_OF(inbox_tables); i++) {
        int64_t wanted = minutes < kept_minutes[i] ? minutes : kept_minutes[i];

        if (count(world, inbox_tables[i], 1) != wanted)
            fail_msg("%s after %lld minutes: not %lld", inbox_tables[i], (long long)minutes,
                (long long)wanted);
    }
}

static void
items_go_with_all_that_is_theirs_whether_they_wait_or_not(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    for (int64_t minute = 1; minute <= 50; minute++) {
        live_inbox(&world, minute);
        clock_manual_advance(&world.clock, MINUTE);
        (void)sweep(&world, &keep_inbox, 1000);
        must_hold_inbox(&world, minute);
    }
    assert_int_equal(count(&world,
                         "SELECT count(*) FROM inbox_latest l JOIN inbox i"
                         " ON i.inbox_pk = l.inbox_pk WHERE ?1",
                         1),
        30);
    world_close(&world);
}

static void
a_large_inbox_goes_in_small_steps(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    for (int64_t minute = 1; minute <= 200; minute++) {
        live_inbox(&world, minute);
        clock_manual_advance(&world.clock, MINUTE);
    }
    assert_true(sweep(&world, &keep_inbox, SWEEP_ROWS_MIN) > 20);
    must_hold_inbox(&world, 200);
    world_close(&world);
}

/* A younger version of the same thing is what is known of it, and stays known. */
static void
what_is_known_of_a_thing_goes_with_its_latest_version_only(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    live_inbox(&world, 1);
    clock_manual_advance(&world.clock, 20 * MINUTE);
    live_inbox(&world, 2);
    must(&world, engine_exec(world.engine,
                     "DELETE FROM inbox_latest WHERE object = '1';"
                     "UPDATE inbox SET object = '2'",
                     &world.error));
    clock_manual_advance(&world.clock, 20 * MINUTE);
    (void)sweep(&world, &keep_inbox, 1000);
    assert_int_equal(count(&world, inbox_tables[0], 1), 1);
    assert_int_equal(count(&world, inbox_tables[1], 1), 1);
    world_close(&world);
}

static void
what_is_kept_for_ever_stays(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    live_inbox(&world, 1);
    clock_manual_advance(&world.clock, 1000 * 24 * HOUR);
    (void)sweep(&world, &keep, 1000);
    for (size_t i = 0; i < COUNT_OF(inbox_tables); i++)
        assert_int_equal(count(&world, inbox_tables[i], 1), 1);
    world_close(&world);
}

static void
items_from_the_future_hold_up_nothing(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    clock_manual_advance(&world.clock, 24 * HOUR);
    live_inbox(&world, 1);
    world.clock.walltime_now.us -= 24 * HOUR;
    /* The next number is larger, though it was received earlier. */
    live_inbox(&world, 2);
    must(&world, engine_exec(world.engine,
                     "UPDATE inbox SET inbox_pk = inbox_pk + 90000000000 WHERE object = '2';"
                     "UPDATE inbox_latest SET inbox_pk = inbox_pk + 90000000000"
                     " WHERE object = '2'",
                     &world.error));
    clock_manual_advance(&world.clock, 2 * HOUR);
    (void)sweep(&world, &keep_inbox, 1000);
    assert_int_equal(count(&world, inbox_tables[0], 1), 1);
    assert_int_equal(count(&world, inbox_tables[1], 1), 1);
    clock_manual_advance(&world.clock, 24 * HOUR);
    (void)sweep(&world, &keep_inbox, 1000);
    assert_int_equal(count(&world, inbox_tables[0], 1), 0);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_go_with_all_that_is_theirs_whether_they_wait_or_not),
        cmocka_unit_test(a_large_inbox_goes_in_small_steps),
        cmocka_unit_test(what_is_known_of_a_thing_goes_with_its_latest_version_only),
        cmocka_unit_test(what_is_kept_for_ever_stays),
        cmocka_unit_test(items_from_the_future_hold_up_nothing),
        cmocka_unit_test(what_is_old_goes_and_nothing_younger),
        cmocka_unit_test(a_day_of_events_leaves_the_file_as_it_was),
        cmocka_unit_test(small_steps_take_the_same_away),
        cmocka_unit_test(a_sweep_that_finds_nothing_is_one_step),
        cmocka_unit_test(what_is_under_way_expires_and_its_hooks_are_told),
        cmocka_unit_test(an_event_of_many_hooks_is_ended_before_anything_of_it_goes),
        cmocka_unit_test(rows_from_the_future_hold_up_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
