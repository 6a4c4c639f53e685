/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One kind of handler, alone with a loop: a test gives it handlings and waits for what comes of
 * them.
 */
#ifndef TEST_SUPPORT_KIND_H
#define TEST_SUPPORT_KIND_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "receive/handler.h"
#include "support/scratch.h"
#include "support/test.h"

#define KIND_BODY                                                                                  \
    "{\"name\":\"Ann Lee\",\"email\":\"ann@example.com\",\"phone\":1234567890,"                    \
    "\"timezone\":\"+05:30\",\"callList\":[{\"webinar\":\"Intro\",\"webinarId\":\"634f\","         \
    "\"webinarLink\":\"https://meet.example/a\","                                                  \
    "\"webinarFromTime\":\"2024-03-15T10:00:00.000Z\","                                            \
    "\"webinarToTime\":\"2024-03-15T11:00:00.000Z\","                                              \
    "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T11:00:00.000Z\","                           \
    "\"webinarToTimeInCreatorTimezone\":\"2024-03-15T12:00:00.000Z\","                             \
    "\"creatorTimezone\":\"+01:00\"}],\"mangoes\":\"m1, m2\"}"

struct kind_world {
    struct loop *loop;
    struct handler_place place;
    struct handler handler;
    struct arena arena;
    struct handler_worker *worker; /* NULL: not open */
    struct scratch scratch;
    struct error error;
    unsigned awaited;
    bool is_starting;
};

/* A handling and what came of it. */
struct kind_given {
    struct handling handling;
    struct received received;
    struct kind_world *world;
    unsigned done_count;
    char detail[512];
    char output[1024];
};

static inline void
kind_start(struct kind_world *world, const struct handler_kind *kind)
{
    *world = (struct kind_world){.worker = NULL};
    assert_int_equal(loop_new(0, &world->loop, &world->error), OK);
    world->place = (struct handler_place){.loop = world->loop, .clock = &clock_system};
    scratch_init(&world->scratch);
    arena_init(&world->arena, 1 << 26);
    world->handler = (struct handler){
        .name = STR("h"),
        .kind = kind,
        .concurrency = 1,
        .timeout_ms = 20000,
    };
}

static inline void
kind_close(struct kind_world *world)
{
    if (world->worker != NULL)
        world->handler.kind->close(TAKE(world->worker));
}

static inline void
kind_stop(struct kind_world *world)
{
    kind_close(world);
    scratch_done(&world->scratch);
    arena_done(&world->arena);
    loop_free(world->loop);
}

static inline enum err
kind_set(struct kind_world *world, const char *name, const char *value)
{
    return world->handler.kind->set(&world->handler, &world->arena, str_from(name), str_from(value),
        &world->error);
}

static inline void
kind_must_set(struct kind_world *world, const char *name, const char *value)
{
    if (kind_set(world, name, value) != OK)
        fail_msg("%s = %s: %s", name, value, world->error.text);
}

/* It says what is wrong in these words. */
static inline void
kind_must_refuse(struct kind_world *world, const char *name, const char *value, const char *words)
{
    assert_int_equal(kind_set(world, name, value), ERR_INVALID);
    if (strstr(world->error.text, words) == NULL)
        fail_msg("%s = %s: \"%s\" does not say \"%s\"", name, value, world->error.text, words);
}

static inline void
kind_open(struct kind_world *world)
{
    if (world->handler.kind->check(&world->handler, &world->error) != OK ||
        world->handler.kind->open(&world->handler, &world->place, &world->worker, &world->error) !=
            OK)
        fail_msg("%s", world->error.text);
}

static inline void
kind_on_done(struct handling *handling)
{
    struct kind_given *given = CONTAINER_OF(handling, struct kind_given, handling);

    CHECK(!given->world->is_starting);
    given->done_count++;
    (void)snprintf(given->detail, sizeof(given->detail), "%.*s", STR_FMT(handling->detail));
    (void)snprintf(given->output, sizeof(given->output), "%.*s", STR_FMT(handling->output));
    if (--given->world->awaited == 0)
        loop_stop(given->world->loop);
}

/* An item with this body, which must outlive it. */
static inline void
kind_give(struct kind_world *world, struct kind_given *given, const char *body)
{
    struct json *json = NULL;

    *given = (struct kind_given){
        .world = world,
        .handling =
            {
                .id = STR("in_0000000000000007"),
                .sequence = 7,
                .revision = 2,
                .attempt = 1,
                .source = STR("shop"),
                .event = STR("webinar.created.single"),
                .object = STR("634f"),
                .person = STR("e:ann@example.com"),
                .received_at = {INT64_C(1710496800000000)},
                .body = str_from(body),
                .received = &given->received,
                .deadline = INSTANT_NEVER,
                .done = kind_on_done,
            },
    };
    assert_int_equal(json_parse(str_from(body), &world->arena, &json, &world->error), OK);
    assert_int_equal(received_read(json, &world->arena, &given->received), OK);
}

static inline void
kind_begin(struct kind_world *world, struct kind_given *given)
{
    world->awaited++;
    world->is_starting = true;
    world->handler.kind->start(world->worker, &given->handling);
    world->is_starting = false;
    assert_int_equal(given->done_count, 0);
}

static inline void
kind_wait(struct kind_world *world)
{
    while (world->awaited > 0)
        loop_run(world->loop);
}

static inline enum handling_result
kind_run(struct kind_world *world, struct kind_given *given)
{
    given->done_count = 0;
    kind_begin(world, given);
    kind_wait(world);
    assert_int_equal(given->done_count, 1);
    return given->handling.result;
}

#endif
