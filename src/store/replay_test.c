/* SPDX-License-Identifier: Apache-2.0 */
#include "store/replay.h"

#include "support/told.h"

/* A hook, and an event of webinar 77 for ann, bob and cem. */
struct fixture {
    struct world world;
    int64_t hook_pk;
    struct event_row event;
};

static struct event_row
newest_event(struct world *world)
{
    const struct event_query query = {.account_pk = 1, .before = INT64_MAX, .max = 1};
    struct event_row event;
    size_t count;

    assert_int_equal(events_list(world->engine, &query, &event, &count, &world->error), OK);
    assert_int_equal(count, 1);
    return event;
}

static void
setup(struct fixture *f)
{
    world_open(&f->world);
    f->hook_pk = add_hook(&f->world, 1, NULL, NULL);
    add_member(&f->world, f->world.webinar_group, add_attendee(&f->world, "ann"));
    add_member(&f->world, f->world.webinar_group, add_attendee(&f->world, "bob"));
    add_member(&f->world, f->world.webinar_group, add_attendee(&f->world, "cem"));
    (void)tell_all(&f->world);
    f->event = newest_event(&f->world);
}

static struct hook
hook_of(struct fixture *f, int64_t pk)
{
    struct hook hook = hook_defaults();
    CLEANUP(rows_done) struct rows rows;

    engine_select(f->world.engine, &rows, "SELECT event FROM hook WHERE hook_pk = ?1", v_int(pk));
    assert_true(rows_next(&rows));
    hook.pk = pk;
    hook.account_pk = 1;
    hook.event = arena_copy(&f->world.arena, rows_str(&rows, 0));
    return hook;
}

/* Ann was delivered, bob waits for his third attempt, cem is dead. */
static void
flush_some(struct fixture *f)
{
    static const struct attempt_record attempts[] = {
        {.index = 0, .attempt = 1, .result = 200},
        {.index = 1, .attempt = 2, .result = 500},
        {.index = 2, .attempt = 3, .result = 500},
    };
    uint8_t records[COUNT_OF(attempts) * RECORD_BYTES];
    struct flush_item items[] = {
        {.kind = FLUSH_CHUNK_SAVE,
            .chunk_pk = 1,
            .attempts = 2,
            .at = {start.us + US_PER_S},
            .bytes = {"\x2", 1}},
        {.kind = FLUSH_DEAD, .attempts = 3, .at = start, .bytes = {"\x4", 1}},
        {.kind = FLUSH_RECORDS, .at = start, .bytes = {(const char *)records, sizeof(records)}},
        {.kind = FLUSH_FANOUT, .base = 3, .delivered = 1, .dead = 1},
    };

    for (size_t i = 0; i < COUNT_OF(attempts); i++)
        record_encode(&attempts[i], records + i * RECORD_BYTES);
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        items[i].hook_pk = f->hook_pk;
        items[i].fanout_pk = 1;
        items[i].count = 3;
    }
    flush_items(&f->world, items, COUNT_OF(items));
}

static void
teardown(struct fixture *f)
{
    world_close(&f->world);
}

/* --- one delivery --- */

static enum err
retry(struct fixture *f, int64_t pos, bool *ret_changed)
{
    const struct delivery_found found = {
        .hook_pk = f->hook_pk,
        .fanout = {.pk = 1},
        .pos = pos,
    };

    return delivery_retry(f->world.engine, &found, f->world.now, ret_changed, &f->world.error);
}

static enum delivery_status
status_at(struct fixture *f, int64_t pos)
{
    enum delivery_status status = DELIVERY_CANCELLED;

    assert_int_equal(delivery_status_get(f->world.engine, 1, pos, &status, &f->world.error), OK);
    return status;
}

static struct lane_chunk
next_due(struct fixture *f)
{
    const struct chunk_query query = {.hook_pk = f->hook_pk, .now = f->world.now};
    struct lane_chunk chunk = {0};
    struct walltime next;

    if (chunk_due(f->world.engine, &query, &chunk, &next, &f->world.error) != OK)
        fail_msg("%s", f->world.error.text);
    return chunk;
}

static void
one_that_waits_is_due_at_once_and_goes_on_counting(void **state)
{
    struct fixture f;
    struct lane_chunk chunk;
    bool changed = false;

    (void)state;
    setup(&f);
    flush_some(&f);
    assert_int_equal(status_at(&f, 1), DELIVERY_WAITING);
    assert_int_equal(retry(&f, 1, &changed), OK);
    assert_true(changed);
    chunk = next_due(&f);
    assert_true(chunk.is_manual);
    assert_int_equal(chunk.base, 1);
    assert_int_equal(chunk.count, 1);
    assert_int_equal(chunk.attempts, 2);
    assert_true(bitmap_get(chunk.todo, 0));
    assert_int_equal(status_at(&f, 1), DELIVERY_PENDING);

    /* Asked for again, it is on its way already. */
    assert_int_equal(retry(&f, 1, &changed), OK);
    assert_false(changed);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM chunk"), 2);
    assert_int_equal(number(&f.world, "SELECT delivered + dead FROM fanout"), 2);
    teardown(&f);
}

static void
a_dead_one_is_open_again(void **state)
{
    struct fixture f;
    bool changed = false;

    (void)state;
    setup(&f);
    flush_some(&f);
    execute(&f.world, "DELETE FROM chunk; UPDATE fanout SET status = 'done', finished_us = 5");
    int64_t before = number(&f.world, "SELECT changed FROM fanout");
    assert_int_equal(status_at(&f, 2), DELIVERY_DEAD);
    assert_int_equal(retry(&f, 2, &changed), OK);
    assert_true(changed);
    assert_int_equal(next_due(&f).attempts, 0);
    assert_int_equal(next_due(&f).base, 2);
    assert_int_equal(status_at(&f, 2), DELIVERY_PENDING);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM dead"), 0);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM fanout WHERE status = 'sending'"
                                      " AND finished_us IS NULL AND dead = 0 AND delivered = 1"),
        1);
    assert_true(number(&f.world, "SELECT changed FROM fanout") > before);
    teardown(&f);
}

static void
of_those_that_died_together_the_others_stay_dead(void **state)
{
    struct fixture f;
    bool changed = false;

    (void)state;
    setup(&f);
    flush_some(&f);
    execute(&f.world, "UPDATE dead SET todo = x'06'; DELETE FROM chunk;"
                      "UPDATE fanout SET dead = 2");
    assert_int_equal(retry(&f, 2, &changed), OK);
    assert_true(changed);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM dead WHERE todo = x'02'"), 1);
    assert_int_equal(status_at(&f, 1), DELIVERY_DEAD);
    assert_int_equal(number(&f.world, "SELECT dead FROM fanout"), 1);
    teardown(&f);
}

static void
a_delivered_one_is_sent_once_more(void **state)
{
    struct fixture f;
    bool changed = false;

    (void)state;
    setup(&f);
    flush_some(&f);
    assert_int_equal(status_at(&f, 0), DELIVERY_DELIVERED);
    assert_int_equal(retry(&f, 0, &changed), OK);
    assert_true(changed);
    assert_int_equal(number(&f.world, "SELECT delivered FROM fanout"), 0);
    assert_int_equal(next_due(&f).base, 0);
    assert_int_equal(status_at(&f, 0), DELIVERY_PENDING);
    teardown(&f);
}

static void
one_that_is_on_its_way_is_left_alone(void **state)
{
    struct fixture f;
    bool changed = true;

    (void)state;
    setup(&f);
    /* Nobody was taken up yet. */
    assert_int_equal(retry(&f, 0, &changed), OK);
    assert_false(changed);
    /* In hand; given back. */
    flush_some(&f);
    execute(&f.world, "UPDATE chunk SET due_us = 0");
    changed = true;
    assert_int_equal(retry(&f, 1, &changed), OK);
    assert_false(changed);
    execute(&f.world, "UPDATE chunk SET due_us = 1");
    changed = true;
    assert_int_equal(retry(&f, 1, &changed), OK);
    assert_false(changed);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM chunk"), 1);
    teardown(&f);
}

static void
record(struct fixture *f, unsigned index, unsigned result)
{
    uint8_t bytes[RECORD_BYTES];

    record_encode(&(struct attempt_record){.index = index, .result = result}, bytes);
    flush_one(&f->world, &(struct flush_item){
                             .kind = FLUSH_RECORDS,
                             .fanout_pk = 1,
                             .at = {f->world.now.us + 1},
                             .bytes = {(const char *)bytes, sizeof(bytes)},
                         });
}

static void
what_was_not_to_be_sent_is_not_retried(void **state)
{
    struct fixture f;
    bool changed = true;

    (void)state;
    setup(&f);
    flush_some(&f);
    execute(&f.world, "DELETE FROM chunk; DELETE FROM dead");
    record(&f, 0, RECORD_SKIPPED);
    record(&f, 1, RECORD_SUPERSEDED);
    assert_int_equal(retry(&f, 0, &changed), ERR_CONFLICT);
    assert_int_equal(retry(&f, 1, &changed), ERR_CONFLICT);
    execute(&f.world, "UPDATE fanout SET status = 'cancelled'");
    assert_int_equal(retry(&f, 2, &changed), ERR_CONFLICT);
    execute(&f.world, "UPDATE fanout SET status = 'done'; DELETE FROM webinar");
    record(&f, 0, 200);
    assert_int_equal(retry(&f, 0, &changed), ERR_CONFLICT);
    execute(&f.world, "DELETE FROM fanout");
    assert_int_equal(retry(&f, 0, &changed), ERR_NOT_FOUND);
    assert_true(changed);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM chunk"), 0);
    teardown(&f);
}

/* --- an event --- */

static void
a_replay_starts_from_the_beginning_in_a_new_round(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    flush_some(&f);
    struct hook hook = hook_of(&f, f.hook_pk);
    int64_t before = number(&f.world, "SELECT changed FROM fanout");

    execute(&f.world, "UPDATE fanout SET status = 'done', finished_us = 5");
    assert_int_equal(event_replay(f.world.engine, &f.event, &hook, f.world.now, &f.world.error),
        OK);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM chunk"), 0);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM dead"), 0);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM fanout WHERE round = 1"
                                      " AND next_pos = 0 AND delivered = 0 AND dead = 0"
                                      " AND started_us IS NULL AND finished_us IS NULL"
                                      " AND late_from = event_pk AND status = 'sending'"),
        1);
    assert_true(number(&f.world, "SELECT changed FROM fanout") > before);
    /* The log remembers the delivery, and yet it is to be made again. */
    assert_int_equal(status_at(&f, 0), DELIVERY_PENDING);
    flush_some(&f);
    assert_int_equal(number(&f.world, "SELECT next_pos FROM fanout"), 0);
    assert_int_equal(status_at(&f, 0), DELIVERY_PENDING);
    teardown(&f);
}

static void
a_hook_that_was_never_told_is_told_by_a_replay(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    int64_t pk = add_hook(&f.world, 2, NULL, NULL);
    struct hook hook = hook_of(&f, pk);

    assert_int_equal(event_replay(f.world.engine, &f.event, &hook, f.world.now, &f.world.error),
        OK);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM fanout WHERE hook_pk = 2"
                                      " AND end_pos = 3 AND late_from = event_pk AND changed > 0"),
        1);
    teardown(&f);
}

static void
an_event_goes_to_no_hook_that_does_not_want_it(void **state)
{
    struct fixture f;
    struct id other = numbered(78);
    struct id mango = numbered(10);

    (void)state;
    setup(&f);
    struct hook hook = hook_of(&f, add_hook(&f.world, 2, &other, NULL));
    int64_t sequence = 7;

    assert_int_equal(event_replay(f.world.engine, &f.event, &hook, f.world.now, &f.world.error),
        ERR_CONFLICT);
    /* Nobody of that mango is in the audience. */
    hook = hook_of(&f, add_hook(&f.world, 3, NULL, &mango));
    assert_int_equal(event_replay(f.world.engine, &f.event, &hook, f.world.now, &f.world.error),
        ERR_CONFLICT);
    const struct fresh_replay fresh = {
        .event = &f.event,
        .account_pk = 1,
        .id = numbered(900),
        .hook_pks = (const int64_t[]){2, 3},
        .hook_count = 2,
        .now = f.world.now,
    };
    assert_int_equal(event_replay_fresh(f.world.engine, &fresh, &sequence, &f.world.error),
        ERR_CONFLICT);
    assert_int_equal(sequence, 7);
    teardown(&f);
}

static void
an_event_whose_webinar_was_deleted_is_not_replayed(void **state)
{
    struct fixture f;
    int64_t sequence = 7;

    (void)state;
    setup(&f);
    struct hook hook = hook_of(&f, f.hook_pk);
    const struct fresh_replay fresh = {
        .event = &f.event,
        .account_pk = 1,
        .id = numbered(900),
        .hook_pks = &f.hook_pk,
        .hook_count = 1,
        .now = f.world.now,
    };

    execute(&f.world, "DELETE FROM webinar");
    assert_int_equal(event_replay(f.world.engine, &f.event, &hook, f.world.now, &f.world.error),
        ERR_CONFLICT);
    assert_int_equal(event_replay_fresh(f.world.engine, &fresh, &sequence, &f.world.error),
        ERR_CONFLICT);
    assert_int_equal(sequence, 7);
    assert_int_equal(number(&f.world, "SELECT round FROM fanout"), 0);
    teardown(&f);
}

/* --- news, newer and older --- */

static struct lane_fanout
fanout_of(struct fixture *f, int64_t sequence)
{
    struct lane_fanout fanout;
    int64_t pk;

    assert_int_equal(engine_get_int(f->world.engine, &pk, &f->world.error,
                         "SELECT fanout_pk FROM fanout WHERE event_pk = ?1", v_int(sequence)),
        OK);
    assert_int_equal(fanout_get(f->world.engine, pk, &f->world.arena, &fanout, &f->world.error),
        OK);
    return fanout;
}

static void
assert_members(struct fixture *f, int64_t sequence, bool is_retry, const char *wanted)
{
    struct lane_fanout fanout = fanout_of(f, sequence);

    assert_string_equal(members_of(&f->world, &fanout, f->hook_pk, is_retry), wanted);
    audience_done(&fanout.audience);
}

static int64_t
replay_fresh(struct fixture *f, const struct event_row *event)
{
    const struct fresh_replay fresh = {
        .event = event,
        .account_pk = 1,
        .id = numbered(900 + f->world.next_id++),
        .hook_pks = &f->hook_pk,
        .hook_count = 1,
        .now = f->world.now,
    };
    int64_t sequence = 0;

    if (event_replay_fresh(f->world.engine, &fresh, &sequence, &f->world.error) != OK)
        fail_msg("%s", f->world.error.text);
    return sequence;
}

/* Cem leaves, and so the newer event is for ann and bob. */
static int64_t
tell_without_cem(struct fixture *f)
{
    int64_t sequence;

    assert_int_equal(sequence_next(f->world.engine, f->world.now, &sequence, &f->world.error), OK);
    assert_int_equal(
        member_leave(f->world.engine, f->world.webinar_group, 3, sequence, &f->world.error), OK);
    return tell_all(&f->world).sequence;
}

static void
a_replay_tells_those_whom_nothing_newer_covers(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    struct hook hook = hook_of(&f, f.hook_pk);

    assert_int_equal(event_replay(f.world.engine, &f.event, &hook, f.world.now, &f.world.error),
        OK);
    assert_members(&f, f.event.sequence, false, "ann bob cem");
    tell_without_cem(&f);
    assert_members(&f, f.event.sequence, false, "old old cem");
    execute(&f.world, "UPDATE fanout SET status = 'cancelled' WHERE late_from = 0");
    assert_members(&f, f.event.sequence, false, "ann bob cem");
    teardown(&f);
}

static void
a_fresh_replay_is_a_new_event_with_old_news(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    int64_t first = replay_fresh(&f, &f.event);
    struct event_row event = newest_event(&f.world);

    assert_true(first > f.event.sequence);
    assert_int_equal(event.sequence, first);
    assert_int_equal(event.reason, EVENT_REPLAY);
    assert_true(str_equals(event.type, f.event.type));
    assert_true(id_equals(event.webinar_id, f.event.webinar_id));
    assert_members(&f, first, false, "ann bob cem");

    /* Repeated again, from the first or from the repetition, each tells everybody. */
    int64_t second = replay_fresh(&f, &f.event);
    int64_t third = replay_fresh(&f, &event);

    assert_members(&f, first, false, "ann bob cem");
    assert_members(&f, second, false, "ann bob cem");
    assert_members(&f, third, false, "ann bob cem");
    assert_members(&f, f.event.sequence, true, "ann bob cem");
    teardown(&f);
}

static void
a_fresh_replay_stands_behind_news_that_are_newer_than_what_it_repeats(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    int64_t newer = tell_without_cem(&f);
    int64_t fresh = replay_fresh(&f, &f.event);

    /* Cem has left since: a new event is not for him. */
    assert_members(&f, fresh, false, "old old -");
    assert_members(&f, newer, true, "ann bob -");
    assert_members(&f, f.event.sequence, true, "old old cem");
    teardown(&f);
}

/* --- all that a hook missed --- */

/* Step until it is over; returns how many steps it took. */
static unsigned
recover(struct fixture *f, int64_t hook_pk, int64_t since_us, struct recovery *ret)
{
    struct hook hook = hook_of(f, hook_pk);
    unsigned steps = 0;

    *ret = (struct recovery){.since = {since_us}, .now = f->world.now};
    while (!ret->is_over) {
        if (hook_recover_step(f->world.engine, &hook, ret, &f->world.error) != OK)
            fail_msg("%s", f->world.error.text);
        assert_true(++steps < 1000);
    }
    return steps;
}

static void
a_hook_recovers_what_it_missed_and_nothing_twice(void **state)
{
    struct fixture f;
    struct recovery recovery;

    (void)state;
    setup(&f);
    execute(&f.world, "UPDATE hook SET status = 'disabled'");
    f.world.now.us += US_PER_S;
    int64_t missed = tell_all(&f.world).sequence;
    f.world.now.us += US_PER_S;
    (void)tell_all(&f.world);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM fanout"), 1);

    recover(&f, f.hook_pk, start.us + 2 * US_PER_S, &recovery);
    assert_int_equal(recovery.events, 1);
    recover(&f, f.hook_pk, 0, &recovery);
    assert_int_equal(recovery.events, 1);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM fanout"), 3);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM fanout WHERE late_from = event_pk"), 2);
    assert_members(&f, missed, false, "old old old");
    recover(&f, f.hook_pk, 0, &recovery);
    assert_int_equal(recovery.events, 0);
    assert_int_equal(recovery.deliveries, 0);
    teardown(&f);
}

static void
a_hook_recovers_only_what_it_wants(void **state)
{
    struct fixture f;
    struct recovery recovery;
    struct id other = numbered(78);
    struct id mango = numbered(11);
    struct id unknown = numbered(999);

    (void)state;
    setup(&f);
    int64_t of_other = add_hook(&f.world, 2, &other, NULL);
    int64_t of_mango = add_hook(&f.world, 3, NULL, &mango);
    int64_t of_unknown = add_hook(&f.world, 4, NULL, &unknown);
    int64_t of_notices = add_hook(&f.world, 5, NULL, NULL);

    execute(&f.world, "UPDATE hook SET status = 'disabled';"
                      "UPDATE hook SET event = 'hook.failing' WHERE hook_pk = 5");
    add_member(&f.world, f.world.mango_group[1], 2);
    (void)tell_all(&f.world);
    const int64_t none[] = {of_other, of_unknown, of_notices};
    for (size_t i = 0; i < COUNT_OF(none); i++) {
        recover(&f, none[i], 0, &recovery);
        assert_int_equal(recovery.events, 0);
    }
    recover(&f, of_mango, 0, &recovery);
    assert_int_equal(recovery.events, 1);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM fanout WHERE hook_pk = 3"
                                      " AND end_pos = 1 AND filter_group <> 0"),
        1);

    /* Neither a repetition for others, nor what is of a webinar that is gone. */
    (void)replay_fresh(&f, &f.event);
    int64_t late = add_hook(&f.world, 6, NULL, NULL);

    recover(&f, late, 0, &recovery);
    assert_int_equal(recovery.events, 2);
    execute(&f.world, "DELETE FROM fanout WHERE hook_pk = 6; DELETE FROM webinar");
    recover(&f, late, 0, &recovery);
    assert_int_equal(recovery.events, 0);
    teardown(&f);
}

/* Numbers run ahead of the clock where much happens at once. */
static void
an_event_before_since_is_not_recovered_though_its_number_is_larger(void **state)
{
    struct fixture f;
    struct recovery recovery;

    (void)state;
    setup(&f);
    execute(&f.world, "DELETE FROM fanout");
    assert_true(f.event.created.us <= start.us);
    execute(&f.world, "UPDATE event SET event_pk = event_pk + 1000");
    recover(&f, f.hook_pk, start.us + 1, &recovery);
    assert_int_equal(recovery.events, 0);
    recover(&f, f.hook_pk, start.us, &recovery);
    assert_int_equal(recovery.events, 1);
    teardown(&f);
}

static void
a_deleted_hook_recovers_nothing(void **state)
{
    struct fixture f;
    struct recovery recovery;

    (void)state;
    setup(&f);
    execute(&f.world, "DELETE FROM fanout; UPDATE hook SET status = 'deleted'");
    recover(&f, f.hook_pk, 0, &recovery);
    assert_int_equal(recovery.events, 0);
    teardown(&f);
}

/* The same event so many times more. */
static void
repeat_event(struct fixture *f, int times)
{
    char sql[500];

    (void)snprintf(sql, sizeof(sql),
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
        " INSERT INTO event SELECT e.event_pk + i, e.account_pk, randomblob(12), e.type, e.reason,"
        " e.webinar_pk, e.webinar_id, e.starts_us, e.snapshot, e.audience, e.created_us"
        " FROM event e, n",
        times);
    execute(&f->world, sql);
}

static void
many_missed_events_take_several_steps(void **state)
{
    struct fixture f;
    struct recovery recovery;

    (void)state;
    setup(&f);
    repeat_event(&f, 450);
    assert_int_equal(recover(&f, f.hook_pk, start.us, &recovery), 4);
    assert_int_equal(recovery.events, 450);
    teardown(&f);
}

/* Whatever is sent in between is superseded by what is there already. */
static void
the_newest_missed_events_come_first(void **state)
{
    struct fixture f;
    struct recovery recovery = {.since = start};
    struct hook hook;

    (void)state;
    setup(&f);
    repeat_event(&f, 450);
    recovery.now = f.world.now;
    hook = hook_of(&f, f.hook_pk);
    assert_int_equal(hook_recover_step(f.world.engine, &hook, &recovery, &f.world.error), OK);
    assert_int_equal(recovery.events, 200);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM fanout WHERE late_from > 0"
                                      " AND event_pk > (SELECT max(event_pk) - 200 FROM event)"),
        200);
    teardown(&f);
}

static void
what_has_died_is_reopened(void **state)
{
    struct fixture f;
    struct recovery recovery;

    (void)state;
    setup(&f);
    flush_some(&f);
    execute(&f.world, "DELETE FROM chunk; UPDATE fanout SET status = 'done', finished_us = 5");
    int64_t before = number(&f.world, "SELECT changed FROM fanout");

    recover(&f, f.hook_pk, start.us + 1, &recovery);
    assert_int_equal(recovery.deliveries, 0);
    /* Who dies again while it goes on has been recovered. */
    execute(&f.world, "UPDATE dead SET at_us = at_us + 60000000");
    recover(&f, f.hook_pk, start.us, &recovery);
    assert_int_equal(recovery.deliveries, 0);
    execute(&f.world, "UPDATE dead SET at_us = at_us - 60000000");
    recover(&f, f.hook_pk, start.us, &recovery);
    assert_int_equal(recovery.deliveries, 1);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM dead"), 0);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM fanout WHERE status = 'sending'"
                                      " AND finished_us IS NULL AND dead = 0 AND delivered = 1"),
        1);
    assert_true(number(&f.world, "SELECT changed FROM fanout") > before);
    struct lane_chunk chunk = next_due(&f);
    assert_false(chunk.is_manual);
    assert_int_equal(chunk.attempts, 0);
    assert_int_equal(chunk.base, 0);
    assert_int_equal(chunk.count, 3);
    assert_int_equal(chunk.todo[0], 4);
    assert_int_equal(status_at(&f, 2), DELIVERY_PENDING);
    recover(&f, f.hook_pk, start.us, &recovery);
    assert_int_equal(recovery.deliveries, 0);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM chunk"), 1);
    teardown(&f);
}

static void
the_dead_of_what_was_cancelled_stay_dead(void **state)
{
    struct fixture f;
    struct recovery recovery;

    (void)state;
    setup(&f);
    flush_some(&f);
    execute(&f.world, "UPDATE fanout SET status = 'cancelled'");
    recover(&f, f.hook_pk, 0, &recovery);
    assert_int_equal(recovery.deliveries, 0);
    execute(&f.world, "UPDATE fanout SET status = 'done'; DELETE FROM webinar");
    recover(&f, f.hook_pk, 0, &recovery);
    assert_int_equal(recovery.deliveries, 0);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM dead"), 1);
    teardown(&f);
}

/* More of one moment than a step takes, between others that are not wanted. */
static void
many_deaths_take_several_steps(void **state)
{
    struct fixture f;
    struct recovery recovery;

    (void)state;
    setup(&f);
    execute(&f.world,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150)"
        " INSERT INTO dead (fanout_pk, hook_pk, base, count, attempts, at_us, todo)"
        " SELECT 1, 1, 0, 3, 10, 7 + i / 140, x'03' FROM n;"
        "UPDATE fanout SET dead = 300");
    assert_int_equal(recover(&f, f.hook_pk, 0, &recovery), 1 + 3);
    assert_int_equal(recovery.deliveries, 300);
    assert_int_equal(number(&f.world, "SELECT dead FROM fanout"), 0);
    assert_int_equal(number(&f.world, "SELECT count(*) FROM chunk"), 150);
    teardown(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_waits_is_due_at_once_and_goes_on_counting),
        cmocka_unit_test(a_dead_one_is_open_again),
        cmocka_unit_test(of_those_that_died_together_the_others_stay_dead),
        cmocka_unit_test(a_delivered_one_is_sent_once_more),
        cmocka_unit_test(one_that_is_on_its_way_is_left_alone),
        cmocka_unit_test(what_was_not_to_be_sent_is_not_retried),
        cmocka_unit_test(a_replay_starts_from_the_beginning_in_a_new_round),
        cmocka_unit_test(a_hook_that_was_never_told_is_told_by_a_replay),
        cmocka_unit_test(an_event_goes_to_no_hook_that_does_not_want_it),
        cmocka_unit_test(an_event_whose_webinar_was_deleted_is_not_replayed),
        cmocka_unit_test(a_replay_tells_those_whom_nothing_newer_covers),
        cmocka_unit_test(a_fresh_replay_is_a_new_event_with_old_news),
        cmocka_unit_test(a_fresh_replay_stands_behind_news_that_are_newer_than_what_it_repeats),
        cmocka_unit_test(a_hook_recovers_what_it_missed_and_nothing_twice),
        cmocka_unit_test(a_hook_recovers_only_what_it_wants),
        cmocka_unit_test(an_event_before_since_is_not_recovered_though_its_number_is_larger),
        cmocka_unit_test(a_deleted_hook_recovers_nothing),
        cmocka_unit_test(many_missed_events_take_several_steps),
        cmocka_unit_test(the_newest_missed_events_come_first),
        cmocka_unit_test(what_has_died_is_reopened),
        cmocka_unit_test(the_dead_of_what_was_cancelled_stay_dead),
        cmocka_unit_test(many_deaths_take_several_steps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
