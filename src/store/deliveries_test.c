/* SPDX-License-Identifier: Apache-2.0 */
#include "store/deliveries.h"

#include <stdio.h>
#include <string.h>

#include "store/audience.h"
#include "store/events.h"
#include "support/engine.h"
#include "support/test.h"

#define MEMBERS 10

static const struct walltime start = {INT64_C(1710496800000000)};

/* Two accounts; the first has two hooks, and ten members who were told of two events. */
struct world {
    struct engine *engine;
    struct arena arena;
    struct error error;
    struct id hooks[2];
    struct id events[2];
    int64_t sequences[2];
};

static struct id
numbered(int64_t n)
{
    struct id id = {{0}};

    for (int i = 0; i < 8; i++)
        id.bytes[11 - i] = (uint8_t)(n >> (8 * i));
    return id;
}

static void
run(struct world *world, const char *sql)
{
    if (engine_exec(world->engine, sql, &world->error) != OK)
        fail_msg("%s", world->error.text);
}

static void
tell(struct world *world, size_t event, int64_t group)
{
    struct event_receipt receipt = {0};
    struct audience audience;
    const struct event_draft draft = {
        .id = world->events[event],
        .account_pk = 1,
        .type = STR(EVENT_WEBINAR_CREATED_SINGLE),
        .reason = EVENT_UPDATED,
        .webinar_pk = 77,
        .webinar_id = numbered(77),
        .starts = start,
        .snapshot = STR(",\"callList\":[],\"mangoes\":\"\"}"),
        .audience = &audience,
        .now = start,
    };

    audience_init(&audience);
    assert_int_equal(group_ranges(world->engine, group, false, &audience, &world->error), OK);
    assert_int_equal(event_append(world->engine, &draft, &world->arena, &receipt, &world->error),
        OK);
    assert_int_equal(receipt.hook_count, 2);
    world->sequences[event] = receipt.sequence;
    audience_done(&audience);
}

static void
world_open(struct world *world)
{
    int64_t group = 0;

    memset(world, 0, sizeof(*world));
    world->engine = test_engine_open();
    arena_init(&world->arena, 1 << 24);
    run(world, "INSERT INTO account (account_pk, id, name, created_us)"
               " VALUES (1, x'01', 'one', 0), (2, x'02', 'two', 0)");
    for (int i = 0; i < 2; i++) {
        world->hooks[i] = numbered(10 + i);
        world->events[i] = numbered(20 + i);
        assert_int_equal(engine_run(world->engine, &world->error,
                             "INSERT INTO hook (account_pk, id, url, event, description,"
                             " phone_format, signature, secret_sealed, max_in_flight, status,"
                             " created_us, updated_us) VALUES (1, ?1, 'https://example.com/',"
                             " 'webinar.created.single', '', 'number', 'v1', x'00', 16,"
                             " 'enabled', 0, 0)",
                             v_id(&world->hooks[i])),
            OK);
    }
    assert_int_equal(group_create(world->engine, 1, &group, &world->error), OK);
    for (int i = 0; i < MEMBERS; i++) {
        struct id id = numbered(1000 + i);
        char email[32];
        int64_t ord;
        bool added;

        (void)snprintf(email, sizeof(email), "%d@example.com", i);
        assert_int_equal(engine_run(world->engine, &world->error,
                             "INSERT INTO attendee (account_pk, id, name, email, email_key,"
                             " created_us, updated_us) VALUES (1, ?1, 'n', ?2, ?2, 0, 0)",
                             v_id(&id), v_text(str_from(email))),
            OK);
        assert_int_equal(member_add(world->engine, group, engine_last_pk(world->engine), &ord,
                             &added, &world->error),
            OK);
    }
    tell(world, 0, group);
    tell(world, 1, group);
}

static void
world_close(struct world *world)
{
    arena_done(&world->arena);
    engine_close(world->engine);
}

/* Of the first event to the first hook: 0 and 1 were delivered, 2 failed and waits, 3 is dead, 4 is
 * in hand, 5 was passed over, the rest is beyond the cursor. */
static void
flush_some(struct world *world)
{
    static const struct attempt_record attempts[] = {
        {.index = 0, .attempt = 1, .result = 200, .latency_ms = 7},
        {.index = 1, .attempt = 1, .result = 204},
        {.index = 2, .attempt = 1, .result = 500},
        {.index = 3, .attempt = 1, .result = 503},
        {.index = 5, .result = RECORD_SKIPPED},
    };
    uint8_t records[COUNT_OF(attempts) * RECORD_BYTES];
    uint8_t waits = 1U << 2;
    uint8_t dead = 1U << 3;
    uint8_t in_hand = 1U << 4;

    for (size_t i = 0; i < COUNT_OF(attempts); i++)
        record_encode(&attempts[i], records + i * RECORD_BYTES);
    const struct flush_item items[] = {
        {.kind = FLUSH_CHUNK_SAVE,
            .chunk_pk = 1,
            .at = {start.us + US_PER_S},
            .attempts = 1,
            .bytes = {(const char *)&waits, 1}},
        {.kind = FLUSH_DEAD, .at = start, .bytes = {(const char *)&dead, 1}},
        {.kind = FLUSH_CHUNK_SAVE, .chunk_pk = 2, .bytes = {(const char *)&in_hand, 1}},
        {.kind = FLUSH_RECORDS, .at = start, .bytes = {(const char *)records, sizeof(records)}},
        {.kind = FLUSH_FANOUT, .base = 6, .delivered = 2, .dead = 1, .skipped = 1},
    };
    for (size_t i = 0; i < COUNT_OF(items); i++) {
        struct flush_item item = items[i];

        item.hook_pk = 1;
        item.fanout_pk = 1;
        item.count = 6;
        assert_int_equal(lanes_flush(world->engine,
                             &(struct flush_plan){.items = &item, .count = 1, .now = start},
                             &world->error),
            OK);
    }
}

/* All that the query finds, page by page, as "event hook member, …" in one text. */
static size_t
list_all(struct world *world, struct delivery_query query, size_t page_max, char *text, size_t room)
{
    size_t count = 0;
    size_t len = 0;
    bool has_more = true;

    query.fanout_pk = INT64_MAX;
    query.pos = INT64_MAX;
    if (query.account_pk == 0)
        query.account_pk = 1;
    text[0] = '\0';
    for (int pages = 0; has_more; pages++) {
        struct delivery found[64];
        struct delivery_page page = {.found = found, .max = page_max};

        assert_true(pages < 1000);
        if (deliveries_list(world->engine, &query, &world->arena, &page, &world->error) != OK)
            fail_msg("%s", world->error.text);
        assert_true(page.count <= page_max);
        for (size_t i = 0; i < page.count; i++)
            len += (size_t)snprintf(text + len, room - len, "%d%d%d ",
                found[i].id.event.bytes[11] - 20, found[i].id.hook.bytes[11] - 10,
                found[i].id.attendee.bytes[11] - (1000 & 0xff));
        count += page.count;
        has_more = page.has_more;
    }
    return count;
}

static void
each_is_listed_once_whatever_the_size_of_a_page(void **state)
{
    struct world world;
    char whole[2048];
    char text[2048];

    (void)state;
    world_open(&world);
    flush_some(&world);
    assert_int_equal(list_all(&world, (struct delivery_query){0}, 64, whole, sizeof(whole)),
        4 * MEMBERS);
    /* The newest fan-out first, and of it the last position. */
    assert_memory_equal(whole, "119 118 117", 11);
    for (size_t max = 1; max <= 41; max++) {
        assert_int_equal(list_all(&world, (struct delivery_query){0}, max, text, sizeof(text)),
            4 * MEMBERS);
        assert_string_equal(text, whole);
    }
    assert_int_equal(
        list_all(&world, (struct delivery_query){.account_pk = 2}, 5, text, sizeof(text)), 0);
    world_close(&world);
}

static void
each_filter_leaves_out_the_others(void **state)
{
    struct world world;
    char text[2048];

    (void)state;
    world_open(&world);
    flush_some(&world);

    const struct {
        struct delivery_query query;
        size_t count;
        const char *text; /* NULL: only the number counts */
    } cases[] = {
        {{.hook = world.hooks[0]}, 2 * MEMBERS, NULL},
        {{.event = world.events[1]}, 2 * MEMBERS, NULL},
        {{.attendee = numbered(1003)}, 4, "113 103 013 003 "},
        {{.attendee = numbered(1003), .hook = world.hooks[1]}, 2, "113 013 "},
        {{.has_status = true, .status = DELIVERY_DELIVERED}, 2, "001 000 "},
        {{.has_status = true, .status = DELIVERY_WAITING}, 1, "002 "},
        {{.has_status = true, .status = DELIVERY_DEAD}, 1, "003 "},
        {{.has_status = true, .status = DELIVERY_SKIPPED}, 1, "005 "},
        {{.has_status = true, .status = DELIVERY_CANCELLED}, 0, ""},
        {{.has_status = true, .status = DELIVERY_PENDING}, 4 * MEMBERS - 5, NULL},
        {{.has_status = true,
             .status = DELIVERY_PENDING,
             .event = world.events[0],
             .hook = world.hooks[0]},
            5, "009 008 007 006 004 "},
        {{.after = {start.us + 1}}, 0, ""},
        {{.before = {start.us}}, 0, ""},
        {{.hook = numbered(99)}, 0, ""},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t max = 1; max <= 64; max += 9) {
            assert_int_equal(list_all(&world, cases[i].query, max, text, sizeof(text)),
                cases[i].count);
            if (cases[i].text != NULL)
                assert_string_equal(text, cases[i].text);
        }
    }
    world_close(&world);
}

static void
one_is_found_by_its_id_with_its_attempts(void **state)
{
    static const enum delivery_status statuses[MEMBERS] = {DELIVERY_DELIVERED, DELIVERY_DELIVERED,
        DELIVERY_WAITING, DELIVERY_DEAD, DELIVERY_PENDING, DELIVERY_SKIPPED, DELIVERY_PENDING,
        DELIVERY_PENDING, DELIVERY_PENDING, DELIVERY_PENDING};
    struct world world;

    (void)state;
    world_open(&world);
    flush_some(&world);
    for (int i = 0; i < MEMBERS; i++) {
        struct delivery_found found = {0};
        struct delivery_id id = {
            .event = world.events[0],
            .hook = world.hooks[0],
            .attendee = numbered(1000 + i),
            .sequence = world.sequences[0],
        };

        assert_int_equal(delivery_get(world.engine, 1, &id, &world.arena, &found, &world.error),
            OK);
        assert_int_equal(found.delivery.status, statuses[i]);
        assert_int_equal(found.attempt_count, i < 4 ? 1 : 0);
        assert_int_equal(found.pos, i);
        audience_done(&found.fanout.audience);

        assert_int_equal(delivery_get(world.engine, 2, &id, &world.arena, &found, &world.error),
            ERR_NOT_FOUND);
        id.sequence++;
        assert_int_equal(delivery_get(world.engine, 1, &id, &world.arena, &found, &world.error),
            ERR_NOT_FOUND);
    }
    world_close(&world);
}

/* An event's snapshot may be large, and is not what a list shows. */
static void
a_page_of_many_large_events_fits_into_a_small_answer(void **state)
{
    struct world world;
    struct arena arena;
    struct delivery found[8];
    struct delivery_page page = {.found = found, .max = COUNT_OF(found)};
    struct delivery_query query = {
        .account_pk = 1,
        .attendee = numbered(1009),
        .fanout_pk = INT64_MAX,
        .pos = INT64_MAX,
    };

    (void)state;
    world_open(&world);
    run(&world, "UPDATE event SET snapshot = zeroblob(200000)");
    arena_init(&arena, 300000);
    assert_int_equal(deliveries_list(world.engine, &query, &arena, &page, &world.error), OK);
    assert_int_equal(page.count, 4);
    arena_done(&arena);
    world_close(&world);
}

static struct delivery_found
found_at(struct world *world, int64_t member)
{
    const struct delivery_id id = {
        .event = world->events[0],
        .hook = world->hooks[0],
        .attendee = numbered(1000 + member),
        .sequence = world->sequences[0],
    };
    struct delivery_found found;

    if (delivery_get(world->engine, 1, &id, &world->arena, &found, &world->error) != OK)
        fail_msg("%s", world->error.text);
    audience_done(&found.fanout.audience);
    return found;
}

static void
after_a_replay_nothing_counts_that_was_before(void **state)
{
    struct world world;
    char text[2048];
    struct delivery_query query = {.has_status = true, .status = DELIVERY_DELIVERED};
    enum delivery_status status = DELIVERY_DEAD;

    (void)state;
    world_open(&world);
    flush_some(&world);
    run(&world, "UPDATE fanout SET round = 1, next_pos = 0 WHERE fanout_pk = 1;"
                "DELETE FROM chunk; DELETE FROM dead");
    assert_int_equal(found_at(&world, 0).delivery.status, DELIVERY_PENDING);
    assert_int_equal(list_all(&world, query, 7, text, sizeof(text)), 0);
    assert_int_equal(delivery_status_get(world.engine, 1, 0, &status, &world.error), OK);
    assert_int_equal(status, DELIVERY_PENDING);
    /* The cursor has passed the first: what the log says of them holds again. */
    run(&world, "UPDATE fanout SET next_pos = 1 WHERE fanout_pk = 1");
    assert_int_equal(found_at(&world, 0).delivery.status, DELIVERY_DELIVERED);
    assert_int_equal(found_at(&world, 1).delivery.status, DELIVERY_PENDING);
    assert_int_equal(list_all(&world, query, 7, text, sizeof(text)), 1);
    run(&world, "UPDATE fanout SET status = 'cancelled' WHERE fanout_pk = 1");
    assert_int_equal(found_at(&world, 1).delivery.status, DELIVERY_CANCELLED);
    status = DELIVERY_DEAD;
    assert_int_equal(delivery_status_get(world.engine, 99, 0, &status, &world.error),
        ERR_NOT_FOUND);
    assert_int_equal(status, DELIVERY_DEAD);
    world_close(&world);
}

static void
one_that_waits_and_is_wanted_now_is_pending(void **state)
{
    struct world world;
    struct delivery_found found;

    (void)state;
    world_open(&world);
    flush_some(&world);
    assert_int_equal(found_at(&world, 2).delivery.status, DELIVERY_WAITING);
    run(&world, "INSERT INTO chunk (chunk_pk, fanout_pk, hook_pk, base, count, attempts, due_us,"
                " is_manual, todo) VALUES (-5, 1, 1, 2, 1, 1, 1, 1, x'01')");
    found = found_at(&world, 2);
    assert_int_equal(found.delivery.status, DELIVERY_PENDING);
    assert_int_equal(found.delivery.due.us, 0);
    world_close(&world);
}

/* The log is kept for a shorter time than events: what was settled must not look as if it were
 * due. */
static void
without_its_log_a_settled_one_has_expired(void **state)
{
    struct world world;

    (void)state;
    world_open(&world);
    flush_some(&world);
    run(&world, "DELETE FROM attempt_block");
    assert_int_equal(found_at(&world, 0).delivery.status, DELIVERY_EXPIRED);
    assert_int_equal(found_at(&world, 2).delivery.status, DELIVERY_WAITING);
    assert_int_equal(found_at(&world, 3).delivery.status, DELIVERY_DEAD);
    assert_int_equal(found_at(&world, 4).delivery.status, DELIVERY_PENDING);
    assert_int_equal(found_at(&world, 6).delivery.status, DELIVERY_PENDING);
    world_close(&world);
}

static void
each_sample_stands_beside_the_attempt_that_it_is_of(void **state)
{
    struct world world;
    struct delivery_found found;
    uint8_t bytes[RECORD_BYTES];

    (void)state;
    world_open(&world);
    flush_some(&world);
    /* The second was made in a later round, with the same number. */
    record_encode(&(struct attempt_record){.index = 2, .attempt = 1, .result = 502}, bytes);
    assert_int_equal(
        engine_run(world.engine, &world.error, "INSERT INTO attempt_block VALUES (1, 0, ?1, ?2)",
            v_int(start.us + US_PER_S), v_blob((struct str){(const char *)bytes, sizeof(bytes)})),
        OK);
    assert_int_equal(
        engine_run(world.engine, &world.error,
            "INSERT INTO attempt_failure (fanout_pk, pos, attempt, at_us, failure,"
            " status, detail, answer) VALUES (1, 2, 1, ?1, 'status', 500, 'first', x''),"
            " (1, 2, 1, ?2, 'status', 502, 'second', x''),"
            " (1, 2, 9, ?2, 'status', 502, 'of none', x''),"
            " (1, 3, 1, 5, 'status', 503, 'clock set back', x'')",
            v_int(start.us + 9), v_int(start.us + US_PER_S + 9)),
        OK);
    found = found_at(&world, 2);
    assert_int_equal(found.attempt_count, 2);
    assert_true(str_equals(found.attempts[0].detail, STR("first")));
    assert_true(str_equals(found.attempts[1].detail, STR("second")));
    found = found_at(&world, 3);
    assert_true(str_equals(found.attempts[0].detail, STR("clock set back")));
    world_close(&world);
}

static void
a_notice_is_a_delivery_to_nobody(void **state)
{
    struct world world;
    struct event_receipt receipt;
    struct audience audience;
    struct delivery found[4];
    struct delivery_page page = {.found = found, .max = COUNT_OF(found)};
    struct delivery_query query = {.account_pk = 1, .fanout_pk = INT64_MAX, .pos = INT64_MAX};
    struct delivery_found one;
    const struct event_draft draft = {
        .id = numbered(30),
        .account_pk = 1,
        .type = STR(EVENT_HOOK_FAILING),
        .reason = EVENT_NOTICE,
        .webinar_pk = -1,
        .snapshot = STR("{}"),
        .audience = &audience,
        .now = {start.us + US_PER_DAY},
    };

    (void)state;
    world_open(&world);
    run(&world, "UPDATE hook SET event = 'hook.failing' WHERE hook_pk = 2");
    audience_init(&audience);
    assert_int_equal(audience_add(&audience, GROUP_NOBODY, 0, 1, false), OK);
    assert_int_equal(event_append(world.engine, &draft, &world.arena, &receipt, &world.error), OK);
    audience_done(&audience);
    query.after = draft.now;
    assert_int_equal(deliveries_list(world.engine, &query, &world.arena, &page, &world.error), OK);
    assert_int_equal(page.count, 1);
    assert_true(id_is_zero(found[0].id.attendee));
    assert_null(found[0].email.ptr);

    assert_int_equal(delivery_get(world.engine, 1, &found[0].id, &world.arena, &one, &world.error),
        OK);
    assert_int_equal(one.delivery.status, DELIVERY_PENDING);
    assert_int_equal(one.pos, 0);
    assert_null(one.delivery.email.ptr);
    audience_done(&one.fanout.audience);

    /* Nobody gets a webinar's event, and somebody no notice. */
    found[0].id.attendee = numbered(1000);
    assert_int_equal(delivery_get(world.engine, 1, &found[0].id, &world.arena, &one, &world.error),
        ERR_NOT_FOUND);
    found[0].id = (struct delivery_id){
        .event = world.events[0],
        .hook = world.hooks[0],
        .sequence = world.sequences[0],
    };
    assert_int_equal(delivery_get(world.engine, 1, &found[0].id, &world.arena, &one, &world.error),
        ERR_NOT_FOUND);
    query.attendee = numbered(1000);
    query.fanout_pk = INT64_MAX;
    query.pos = INT64_MAX;
    assert_int_equal(deliveries_list(world.engine, &query, &world.arena, &page, &world.error), OK);
    assert_int_equal(page.count, 0);
    world_close(&world);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_listed_once_whatever_the_size_of_a_page),
        cmocka_unit_test(each_filter_leaves_out_the_others),
        cmocka_unit_test(one_is_found_by_its_id_with_its_attempts),
        cmocka_unit_test(a_page_of_many_large_events_fits_into_a_small_answer),
        cmocka_unit_test(after_a_replay_nothing_counts_that_was_before),
        cmocka_unit_test(one_that_waits_and_is_wanted_now_is_pending),
        cmocka_unit_test(without_its_log_a_settled_one_has_expired),
        cmocka_unit_test(each_sample_stands_beside_the_attempt_that_it_is_of),
        cmocka_unit_test(a_notice_is_a_delivery_to_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
