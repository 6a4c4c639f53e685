/* SPDX-License-Identifier: Apache-2.0 */
#include "torture/scene.h"

#include <poll.h>
#include <string.h>

#include "domain/delivery_id.h"
#include "torture/points.h"
#include "torture/scene_inside.h"

/* Openings that may fail one after the other, and turns that a stop may take. */
#define OPENINGS_MAX 200
#define TURNS_MAX    2000

#define WORST_MEMBER 5

/* --- the endpoints --- */

static size_t
index_of(struct id id, int64_t base, size_t max)
{
    int64_t number = 0;

    for (size_t i = 4; i < ID_BYTES; i++)
        number = number << 8 | id.bytes[i];
    assert_in_range(number, base, base + (int64_t)max - 1);
    return (size_t)(number - base);
}

static int
judge_status(const struct ledger *ledger, size_t hook, size_t member, int64_t attempt)
{
    if (hook == HOOK_WELL || hook == HOOK_WATCH)
        return 200;
    if (hook == HOOK_FLAKY && member % 3 == 0 && attempt == 1)
        return 500;
    if (ledger->is_mended)
        return 200;
    if (hook == HOOK_BROKEN)
        return 500;
    if (hook == HOOK_LEFT)
        return 410;
    return member == WORST_MEMBER ? 500 : 200;
}

/* What an endpoint says, and what it has seen. */
static int
status_of(const struct http_exchange *exchange, void *arg)
{
    struct scene *scene = arg;
    struct ledger *ledger = scene->ledger;
    struct delivery_id id;
    struct seen *seen;
    int status;

    assert_int_equal(delivery_id_parse(field_of(exchange, "webhook-id"), &id), OK);
    ledger->now_us = scene->world.clock.walltime_now.us;
    ledger->answered++;
    size_t hook = index_of(id.hook, 0, SCENE_HOOKS);
    if (hook == HOOK_WATCH)
        return 200;
    size_t event = index_of(id.event, 500000, SCENE_EVENTS);
    size_t member = index_of(id.attendee, 10000, SCENE_MEMBERS);
    status = judge_status(ledger, hook, member, number_of(exchange, "x-usher-attempt"));
    seen = &ledger->seen[hook][event][member];
    if (seen->sequence == 0)
        seen->sequence = id.sequence;
    /* The rest of an id are hook, event and person. */
    assert_int_equal(seen->sequence, id.sequence);
    if (ledger->events[event].is_accepted)
        assert_int_equal(ledger->events[event].sequence, id.sequence);
    seen->accepted += status == 200;
    return status;
}

void
let(struct scene *scene, int64_t us)
{
    pass(&scene->world, &(struct pass){.us = us, .status_of = status_of, .arg = scene});
    scene->ledger->now_us = scene->world.clock.walltime_now.us;
}

/* --- starting and stopping --- */

static enum err
open_world(struct scene *scene)
{
    struct world *world = &scene->world;
    int64_t last_chunk_pk = 0;
    enum err err = world_try_open_at(world, scene->path, 1);

    if (err != OK)
        return err;
    if (scene->ledger->now_us != 0)
        world->clock.walltime_now.us = scene->ledger->now_us;
    world->group = scene->ledger->group;
    err = ask_once(scene, recover, 0, &last_chunk_pk);
    if (err == OK)
        err = world_try_start(world, last_chunk_pk);
    if (err == OK) {
        err = ask_once(scene, scene_open_hooks, 0, NULL);
        if (err != OK)
            world_drop(world);
    }
    if (err != OK) {
        store_close(world->store);
        zones_free(world->zones);
    }
    return err;
}

/* A program that cannot start says why, and is started again. */
static void
open_scene(struct scene *scene)
{
    enum err err;

    for (int i = 0; i < OPENINGS_MAX; i++) {
        memset(&scene->world, 0, sizeof(scene->world));
        err = open_world(scene);
        if (err == OK)
            return;
        scene->ledger->refusals++;
        print_message("not opened: %s\n", scene->world.error.text);
    }
    fail_msg("it cannot be opened: %d %s", (int)err, scene->world.error.text);
}

static void
on_stopped(void *arg)
{
    *(bool *)arg = true;
}

/* What is in flight is not answered, and is broken off at the deadline. */
static void
close_scene(struct scene *scene)
{
    struct world *world = &scene->world;
    bool is_stopped = false;

    dispatch_stop(world->dispatch, instant_add_us(world->clock.instant_now, 10 * US_PER_S),
        on_stopped, &is_stopped);
    for (int i = 0; i < TURNS_MAX && !is_stopped; i++) {
        pump_once(world);
        clock_manual_advance(&world->clock, US_PER_S / 20);
    }
    assert_true(is_stopped);
    scene->ledger->now_us = world->clock.walltime_now.us;
    world_drop(world);
    store_close(world->store);
    zones_free(world->zones);
}

/* --- the steps --- */

static void
wake_all(struct scene *scene)
{
    dispatch_wake(scene->world.set, scene->ledger->hook_pks, SCENE_HOOKS);
}

static void
tell_event(struct scene *scene, size_t event)
{
    struct ledger *ledger = scene->ledger;
    int64_t sequence = 0;
    int64_t count;

    for (;;) {
        enum err err = ask_once(scene, scene_tell, (int64_t)event, &sequence);

        if (err == OK)
            break;
        assert_int_not_equal(err, ERR_CONFLICT);
        /* Who was refused may count on it that nothing has happened. */
        assert_int_equal(ask(scene, scene_count_event, (int64_t)event, &count), OK);
        assert_int_equal(count, 0);
        let(scene, US_PER_S / 5);
    }
    ledger->events[event].sequence = sequence;
    ledger->events[event].is_accepted = true;
    wake_all(scene);
}

/* The one that does well has been told, whatever became of the others. */
static void
check_told(struct scene *scene, size_t event)
{
    for (size_t i = 0; i < SCENE_MEMBERS; i++)
        if (scene->ledger->seen[HOOK_WELL][event][i].accepted == 0)
            fail_msg("member %zu was not told of event %zu", i, event);
}

static void
check_nothing_owed(struct scene *scene)
{
    int64_t owed;

    assert_int_equal(ask(scene, scene_count_owed, 0, &owed), OK);
    assert_int_equal(owed, 0);
}

static void
change(struct scene *scene, enum scene_hook hook,
    enum err (*fn)(struct act *act, struct engine *engine))
{
    int64_t pk = scene->ledger->hook_pks[hook];

    assert_int_equal(ask(scene, fn, pk, NULL), OK);
    tell_change(&scene->world, pk);
}

static void
set_up(struct scene *scene)
{
    struct ledger *ledger = scene->ledger;

    for (int i = 0; i < SCENE_HOOKS; i++)
        assert_int_equal(ask(scene, scene_add_hook, i, &ledger->hook_pks[i]), OK);
    assert_int_equal(ask(scene, scene_add_members, SCENE_MEMBERS, &ledger->group), OK);
    scene->world.group = ledger->group;
    /* They may be there already. */
    (void)ask(scene, scene_add_webinar, 77, NULL);
    (void)ask(scene, scene_add_webinar, 78, NULL);
}

static void
first_event(struct scene *scene)
{
    tell_event(scene, 0);
    let(scene, 60 * US_PER_S);
    check_told(scene, 0);
}

static void
edit(struct scene *scene)
{
    change(scene, HOOK_FLAKY, scene_edit);
    let(scene, US_PER_S);
}

static void
two_more(struct scene *scene)
{
    tell_event(scene, 1);
    tell_event(scene, 2);
    let(scene, 600 * US_PER_S);
    check_told(scene, 1);
    check_told(scene, 2);
}

static void
while_one_is_disabled(struct scene *scene)
{
    change(scene, HOOK_BROKEN, scene_disable);
    tell_event(scene, 3);
    let(scene, 60 * US_PER_S);
    check_told(scene, 3);
}

static void
mend(struct scene *scene)
{
    scene->ledger->is_mended = true;
    change(scene, HOOK_BROKEN, scene_enable);
    change(scene, HOOK_LEFT, scene_enable);
    let(scene, 3600 * US_PER_S);
}

static void
retry(struct scene *scene)
{
    scene->ledger->replays[HOOK_FLAKY][0]++;
    (void)ask(scene, scene_retry, scene->ledger->events[0].sequence, NULL);
    wake_all(scene);
    let(scene, US_PER_S);
}

static void
replay(struct scene *scene)
{
    scene->ledger->replays[HOOK_WELL][2]++;
    /* A newer event of the webinar covers everybody, and may do so. */
    (void)ask(scene, scene_replay, scene->ledger->hook_pks[HOOK_WELL], NULL);
    wake_all(scene);
    let(scene, US_PER_S);
}

static void
recover_all(struct scene *scene)
{
    for (int i = HOOK_FLAKY; i <= HOOK_LEFT; i++)
        assert_int_equal(ask(scene, scene_recover, scene->ledger->hook_pks[i], NULL), OK);
    wake_all(scene);
    let(scene, US_PER_DAY);
    check_nothing_owed(scene);
}

/* An event is told, and before it has got far the program is stopped and started. */
static void
restart(struct scene *scene)
{
    tell_event(scene, 4);
    pump(&scene->world);
    close_scene(scene);
    open_scene(scene);
    let(scene, 2 * US_PER_DAY);
    check_told(scene, 4);
}

static void (*const steps[])(struct scene *scene) = {
    set_up,
    first_event,
    edit,
    two_more,
    while_one_is_disabled,
    mend,
    retry,
    replay,
    recover_all,
    restart,
};

void
scene_play(struct ledger *ledger, const char *path)
{
    struct scene scene = {.ledger = ledger, .path = path};

    open_scene(&scene);
    while ((size_t)ledger->step < COUNT_OF(steps)) {
        steps[ledger->step](&scene);
        ledger->step++;
    }
    points_lift();
    let(&scene, US_PER_DAY);
    judge(&scene);
    close_scene(&scene);
}
