/* SPDX-License-Identifier: Apache-2.0 */
#include "store/lanes.h"

#include <stdio.h>
#include <string.h>

#include "store/audience.h"
#include "store/events.h"
#include "support/engine.h"
#include "support/test.h"

static const struct walltime start = {INT64_C(1710496800000000)};

/* An account with two mangoes, a webinar of both, and a hook for everything. */
struct world {
    struct engine *engine;
    struct arena arena;
    struct zones *zones;
    struct error error;
    int64_t mango_group[2];
    int64_t webinar_group;
    int64_t next_id;
    struct walltime now;
};

static struct id
numbered(int64_t n)
{
    struct id id = {{0}};

    for (int i = 0; i < 8; i++)
        id.bytes[11 - i] = (uint8_t)(n >> (8 * i));
    return id;
}

static int64_t
add_attendee(struct world *world, const char *name)
{
    struct id id = numbered(1000 + world->next_id++);

    assert_int_equal(engine_run(world->engine, &world->error,
                         "INSERT INTO attendee (account_pk, id, name, email, email_key,"
                         " created_us, updated_us) VALUES (1, ?1, ?2, ?2, ?2, 0, 0)",
                         v_id(&id), v_text(str_from(name))),
        OK);
    return engine_last_pk(world->engine);
}

static void
add_member(struct world *world, int64_t group, int64_t attendee)
{
    int64_t ord;
    bool added;

    assert_int_equal(member_add(world->engine, group, attendee, &ord, &added, &world->error), OK);
    assert_true(added);
}

static int64_t
add_hook(struct world *world, int64_t n, const struct id *webinar, const struct id *mango)
{
    struct id id = numbered(n);

    assert_int_equal(engine_run(world->engine, &world->error,
                         "INSERT INTO hook (account_pk, id, url, event, webinar_id, mango_id,"
                         " description, phone_format, signature, secret_sealed, max_in_flight,"
                         " status, created_us, updated_us) VALUES (1, ?1, 'https://example.com/',"
                         " 'webinar.created.single', ?2, ?3, '', 'number', 'v1', x'00', 16,"
                         " 'enabled', 0, 0)",
                         v_id(&id), webinar != NULL ? v_id(webinar) : v_null(),
                         mango != NULL ? v_id(mango) : v_null()),
        OK);
    return engine_last_pk(world->engine);
}

static void
world_open(struct world *world)
{
    struct id id = numbered(1);

    memset(world, 0, sizeof(*world));
    world->engine = test_engine_open();
    world->now = start;
    arena_init(&world->arena, 1 << 24);
    assert_int_equal(zones_new(NULL, &world->zones, &world->error), OK);
    assert_int_equal(engine_run(world->engine, &world->error,
                         "INSERT INTO account (account_pk, id, name, created_us)"
                         " VALUES (1, ?1, 'default', 0)",
                         v_id(&id)),
        OK);
    for (int i = 0; i < 2; i++) {
        struct id mango = numbered(10 + i);

        assert_int_equal(group_create(world->engine, 1, &world->mango_group[i], &world->error), OK);
        assert_int_equal(engine_run(world->engine, &world->error,
                             "INSERT INTO mango (account_pk, id, name, group_pk, created_us,"
                             " updated_us) VALUES (1, ?1, 'mango', ?2, 0, 0)",
                             v_id(&mango), v_int(world->mango_group[i])),
            OK);
    }
    assert_int_equal(group_create(world->engine, 1, &world->webinar_group, &world->error), OK);
}

static void
world_close(struct world *world)
{
    zones_free(world->zones);
    arena_done(&world->arena);
    engine_close(world->engine);
}

/* An event to the webinar's whole audience: its own registrations, then both mangoes. */
static struct event_receipt
tell_all(struct world *world)
{
    struct event_receipt receipt = {0};
    struct audience audience;
    struct event_draft draft = {
        .id = numbered(5000 + world->next_id++),
        .account_pk = 1,
        .reason = EVENT_UPDATED,
        .webinar_pk = 77,
        .webinar_id = numbered(77),
        .starts = start,
        .snapshot = STR(",\"callList\":[],\"mangoes\":\"\"}"),
        .audience = &audience,
        .now = world->now,
    };

    audience_init(&audience);
    assert_int_equal(
        group_ranges(world->engine, world->webinar_group, false, &audience, &world->error), OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            group_ranges(world->engine, world->mango_group[i], false, &audience, &world->error),
            OK);
    assert_int_equal(event_append(world->engine, &draft, &world->arena, &receipt, &world->error),
        OK);
    audience_done(&audience);
    return receipt;
}

/* The fates of a fan-out's members as text, "d" due, "-" skipped, "s" superseded, with the names of
 * those who are due: "ann bob - cem". */
static const char *
members_of(struct world *world, struct lane_fanout *fanout, int64_t hook, bool is_retry)
{
    static char text[256];
    struct lane_member members[16];
    size_t count = (size_t)fanout->end_pos;
    uint8_t todo[BITMAP_BYTES_MAX];
    const struct chunk_members_args args = {
        .fanout = fanout,
        .hook_pk = hook,
        .count = count,
        .todo = todo,
        .is_retry = is_retry,
        .zones = world->zones,
        .arena = &world->arena,
        .ret_members = members,
    };
    size_t len = 0;

    assert_true(count <= COUNT_OF(members));
    bitmap_fill(todo, count);
    assert_int_equal(chunk_members(world->engine, &args, &world->error), OK);
    for (size_t i = 0; i < count; i++) {
        struct str word = members[i].fate == MEMBER_DUE       ? members[i].name
                          : members[i].fate == MEMBER_SKIPPED ? STR("-")
                                                              : STR("old");

        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s", i > 0 ? " " : "",
            STR_FMT(word));
    }
    return text;
}

static struct lane_fanout
only_startable(struct world *world, int64_t hook)
{
    struct lane_fanout fanouts[4];
    size_t count = COUNT_OF(fanouts);

    assert_int_equal(
        fanouts_startable(world->engine, hook, &world->arena, fanouts, &count, &world->error), OK);
    assert_int_equal(count, 1);
    return fanouts[0];
}

static void
flush_one(struct world *world, const struct flush_item *item)
{
    assert_int_equal(lanes_flush(world->engine, item, 1, world->now, &world->error), OK);
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
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, NULL);

    add_member(&world, world.webinar_group, add_attendee(&world, "ann"));
    add_member(&world, world.webinar_group, add_attendee(&world, "bob"));
    tell_all(&world);
    fanout = only_startable(&world, hook);
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

/* Nobody is put off for longer than the longest delay. */
static void
a_chunk_whose_due_moment_cannot_be_is_due(void **state)
{
    struct world world;
    struct lane_fanout fanout;
    struct lane_chunk chunk = {0};
    struct walltime next = {0};
    uint8_t todo = 0x1;

    (void)state;
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, NULL);

    add_member(&world, world.webinar_group, add_attendee(&world, "ann"));
    tell_all(&world);
    fanout = only_startable(&world, hook);
    flush_one(&world, &(struct flush_item){
                          .kind = FLUSH_CHUNK_SAVE,
                          .hook_pk = hook,
                          .fanout_pk = fanout.pk,
                          .chunk_pk = 9,
                          .count = 1,
                          .attempts = 1,
                          .at = {start.us + US_PER_DAY},
                          .bytes = {(const char *)&todo, 1},
                      });
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
    uint8_t todo = 0x2;

    (void)state;
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, NULL);

    add_member(&world, world.webinar_group, add_attendee(&world, "ann"));
    add_member(&world, world.webinar_group, add_attendee(&world, "bob"));
    tell_all(&world);
    fanout = only_startable(&world, hook);
    struct flush_item item = {
        .kind = FLUSH_CHUNK_SAVE,
        .hook_pk = hook,
        .fanout_pk = fanout.pk,
        .chunk_pk = 9,
        .count = 2,
        .attempts = 1,
        .at = {start.us + 5},
        .bytes = {(const char *)&todo, 1},
    };
    flush_one(&world, &item);
    assert_int_equal(chunk_due(world.engine, &(struct chunk_query){.hook_pk = hook, .now = start},
                         &chunk, &next, &world.error),
        ERR_NOT_FOUND);
    assert_int_equal(next.us, start.us + 5);
    assert_int_equal(chunk_due(world.engine,
                         &(struct chunk_query){.hook_pk = hook, .now = {start.us + 5}}, &chunk,
                         &next, &world.error),
        OK);
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
    assert_int_equal(fanout_is_sending(world.engine, fanout.pk, &is_sending, &world.error), OK);
    assert_true(is_sending);
    item.kind = FLUSH_CHUNK_DELETE;
    flush_one(&world, &item);
    flush_one(&world, &drained);
    assert_int_equal(fanout_is_sending(world.engine, fanout.pk, &is_sending, &world.error), OK);
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
    uint8_t todo = 0x1;
    int64_t last = 0;

    (void)state;
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, NULL);

    add_member(&world, world.webinar_group, add_attendee(&world, "ann"));
    tell_all(&world);
    fanout = only_startable(&world, hook);
    flush_one(&world, &(struct flush_item){
                          .kind = FLUSH_CHUNK_SAVE,
                          .hook_pk = hook,
                          .fanout_pk = fanout.pk,
                          .chunk_pk = 41,
                          .count = 1,
                          .bytes = {(const char *)&todo, 1},
                      });
    assert_int_equal(chunk_due(world.engine, &(struct chunk_query){.hook_pk = hook, .now = start},
                         &chunk, &next, &world.error),
        ERR_NOT_FOUND);
    assert_int_equal(lanes_recover(world.engine, &last, &world.error), OK);
    assert_int_equal(last, 41);
    assert_int_equal(chunk_due(world.engine, &(struct chunk_query){.hook_pk = hook, .now = start},
                         &chunk, &next, &world.error),
        OK);
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
    uint8_t todo = 0x1;
    bool is_sending = true;
    int64_t chunks = -1;

    (void)state;
    world_open(&world);
    int64_t hook = add_hook(&world, 1, NULL, NULL);

    add_member(&world, world.webinar_group, add_attendee(&world, "ann"));
    tell_all(&world);
    fanout = only_startable(&world, hook);
    assert_int_equal(
        event_cancel_webinar(world.engine, 77, world.now, &world.arena, &receipt, &world.error),
        OK);
    assert_int_equal(receipt.hook_count, 1);
    assert_int_equal(receipt.hook_pks[0], hook);
    assert_int_equal(fanout_is_sending(world.engine, fanout.pk, &is_sending, &world.error), OK);
    assert_false(is_sending);

    /* What a lane had in hand does not come back with its next flush. */
    flush_one(&world, &(struct flush_item){
                          .kind = FLUSH_CHUNK_SAVE,
                          .hook_pk = hook,
                          .fanout_pk = fanout.pk,
                          .chunk_pk = 3,
                          .count = 1,
                          .bytes = {(const char *)&todo, 1},
                      });
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
        cmocka_unit_test(however_many_newer_events_there_are_a_retry_can_be_read),
        cmocka_unit_test(the_oldest_and_the_shortest_have_half_of_the_places_each),
        cmocka_unit_test(a_chunk_whose_due_moment_cannot_be_is_due),
        cmocka_unit_test(failed_members_wait_as_one_row_until_they_are_due),
        cmocka_unit_test(what_was_in_hand_when_the_process_ended_is_due_at_once),
        cmocka_unit_test(a_cancelled_webinar_takes_its_fanouts_and_chunks_along),
        cmocka_unit_test(a_sequence_grows_though_the_clock_goes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
