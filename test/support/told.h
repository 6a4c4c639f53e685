/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An account whose hooks are told of a webinar's events, in a database in memory: for tests of what
 * becomes of fan-outs.
 */
#ifndef TEST_SUPPORT_TOLD_H
#define TEST_SUPPORT_TOLD_H

#include <stdio.h>
#include <string.h>

#include "store/audience.h"
#include "store/events.h"
#include "store/lanes.h"
#include "support/engine.h"

static const struct walltime start = {INT64_C(1710496800000000)};

/* An account with two mangoes, a webinar of both, and a hook for everything. */
struct world {
    struct engine *engine;
    struct arena arena;
    struct zones *zones;
    struct id_source ids;
    struct error error;
    int64_t mango_group[2];
    int64_t webinar_group;
    int64_t next_id;
    struct walltime now;
};

static inline struct id
numbered(int64_t n)
{
    struct id id = {{0}};

    for (int i = 0; i < 8; i++)
        id.bytes[11 - i] = (uint8_t)(n >> (8 * i));
    return id;
}

static inline int64_t
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

static inline void
add_member(struct world *world, int64_t group, int64_t attendee)
{
    int64_t ord;
    bool added;

    assert_int_equal(member_add(world->engine, group, attendee, &ord, &added, &world->error), OK);
    assert_true(added);
}

static inline int64_t
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

static inline void
world_open(struct world *world)
{
    static const uint8_t random[8] = {7};
    struct id id = numbered(1);

    memset(world, 0, sizeof(*world));
    world->engine = test_engine_open();
    world->now = start;
    id_source_init(&world->ids, random);
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
    id = numbered(77);
    assert_int_equal(engine_run(world->engine, &world->error,
                         "INSERT INTO webinar (webinar_pk, account_pk, id, kind, title, link,"
                         " from_us, to_us, timezone, group_pk, created_us, updated_us)"
                         " VALUES (77, 1, ?1, 'webinar', 't', '', 0, 0, 'UTC', ?2, 0, 0)",
                         v_id(&id), v_int(world->webinar_group)),
        OK);
}

static inline void
world_close(struct world *world)
{
    zones_free(world->zones);
    arena_done(&world->arena);
    engine_close(world->engine);
}

/* Takes the audience. */
static inline struct event_receipt
tell_these(struct world *world, struct audience *audience)
{
    struct event_receipt receipt = {0};
    struct event_draft draft = {
        .id = numbered(5000 + world->next_id++),
        .account_pk = 1,
        .type = STR(EVENT_WEBINAR_CREATED_SINGLE),
        .reason = EVENT_UPDATED,
        .webinar_pk = 77,
        .webinar_id = numbered(77),
        .starts = start,
        .snapshot = STR(",\"callList\":[],\"mangoes\":\"\"}"),
        .audience = audience,
        .now = world->now,
    };

    assert_int_equal(event_append(world->engine, &draft, &world->arena, &receipt, &world->error),
        OK);
    audience_done(audience);
    return receipt;
}

/* An event to the webinar's whole audience: its own registrations, then both mangoes. */
static inline struct event_receipt
tell_all(struct world *world)
{
    struct audience audience;

    audience_init(&audience);
    assert_int_equal(
        group_ranges(world->engine, world->webinar_group, false, &audience, &world->error), OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            group_ranges(world->engine, world->mango_group[i], false, &audience, &world->error),
            OK);
    return tell_these(world, &audience);
}

/* The fates of a fan-out's members as text, "d" due, "-" skipped, "s" superseded, with the names of
 * those who are due: "ann bob - cem". */
static inline const char *
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

static inline struct lane_fanout
only_startable(struct world *world, int64_t hook)
{
    struct lane_fanout fanouts[4];
    size_t count = COUNT_OF(fanouts);

    assert_int_equal(
        fanouts_startable(world->engine, hook, &world->arena, fanouts, &count, &world->error), OK);
    assert_int_equal(count, 1);
    return fanouts[0];
}

/* Returns the plan as it was left: its wake lies in the world's arena. */
static inline struct flush_plan
flush_items(struct world *world, const struct flush_item *items, size_t count)
{
    struct flush_plan plan = {
        .items = items,
        .count = count,
        .now = world->now,
        .ids = &world->ids,
        .arena = &world->arena,
    };

    if (lanes_flush(world->engine, &plan, &world->error) != OK)
        fail_msg("%s", world->error.text);
    return plan;
}

static inline void
flush_one(struct world *world, const struct flush_item *item)
{
    (void)flush_items(world, item, 1);
}

/* What the SQL, which has no parameters, says. */
static inline int64_t
number(struct world *world, const char *sql)
{
    int64_t ret = 0;

    if (engine_get_int_values(world->engine, sql, NULL, 0, &ret, &world->error) != OK)
        fail_msg("%s", world->error.text);
    return ret;
}

static inline void
execute(struct world *world, const char *sql)
{
    if (engine_exec(world->engine, sql, &world->error) != OK)
        fail_msg("%s", world->error.text);
}

#endif
