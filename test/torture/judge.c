/* SPDX-License-Identifier: Apache-2.0 */
/*
 * At the end: does the database say what the endpoints saw, and was everybody told?
 */
#include "domain/delivery.h"
#include "store/integrity.h"
#include "torture/scene_inside.h"

static void
on_fault(void *arg, struct str sentence)
{
    (void)arg;
    print_error("%.*s\n", STR_FMT(sentence));
}

/* It makes a transaction of its own, on a connection of its own. */
static void
check_integrity(const char *path)
{
    const struct engine_options options = {.path = path};
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct integrity integrity = {.found = on_fault};
    struct error error = {OK, ""};

    if (engine_open(&options, &engine, &error) != OK ||
        integrity_check(engine, &integrity, &error) != OK)
        fail_msg("%s", error.text);
    assert_int_equal(integrity.faults, 0);
}

/* Records of attempts that were sent. */
static enum err
count_records(struct act *act, struct engine *engine)
{
    CLEANUP(rows_done) struct rows rows;

    act->pk = 0;
    engine_select(engine, &rows, "SELECT records FROM attempt_block WHERE fanout_pk > ?1",
        v_int(0));
    while (rows_next(&rows)) {
        struct str records = rows_str(&rows, 0);

        for (size_t i = 0; i + RECORD_BYTES <= records.len; i += RECORD_BYTES)
            act->pk += record_decode((const uint8_t *)records.ptr + i).attempt > 0;
    }
    return rows_end(&rows, &act->call.error);
}

/* n: the hook's and the event's number. */
static enum err
count_superseded(struct act *act, struct engine *engine)
{
    struct id hook = numbered(act->n / SCENE_EVENTS);
    struct id event = event_id((size_t)(act->n % SCENE_EVENTS));

    return engine_get_int(engine, &act->pk, &act->call.error,
        "SELECT superseded FROM fanout JOIN hook USING (hook_pk) JOIN event USING (event_pk)"
        " WHERE hook.id = ?1 AND event.id = ?2",
        v_id(&hook), v_id(&event));
}

static void
judge_event(struct scene *scene, size_t hook, size_t event)
{
    const struct ledger *ledger = scene->ledger;
    int64_t superseded =
        perform(&scene->world, count_superseded, (int64_t)(hook * SCENE_EVENTS + event));
    unsigned accepted_max = 1 + ledger->replays[hook][event] + (unsigned)ledger->deaths;
    int64_t told = 0;

    for (size_t i = 0; i < SCENE_MEMBERS; i++) {
        const struct seen *seen = &ledger->seen[hook][event][i];

        told += seen->accepted > 0;
        if (seen->accepted > accepted_max)
            fail_msg("hook %zu, event %zu, member %zu: accepted %u times, of %u", hook, event, i,
                seen->accepted, accepted_max);
    }
    if (told + superseded < SCENE_MEMBERS)
        fail_msg("hook %zu, event %zu: %d of %d told, %d superseded", hook, event, (int)told,
            SCENE_MEMBERS, (int)superseded);
}

void
judge(struct scene *scene)
{
    struct world *world = &scene->world;

    assert_int_equal(number(world, "SELECT count(*) FROM fanout WHERE status <> 'done'"), 0);
    assert_int_equal(number(world, "SELECT count(*) FROM chunk"), 0);
    assert_int_equal(number(world, "SELECT count(*) FROM dead"), 0);
    assert_int_equal(number(world, "SELECT count(*) FROM fanout"
                                   " WHERE delivered + dead + skipped + superseded <> end_pos"),
        0);
    check_integrity(scene->path);
    for (size_t event = 0; event < SCENE_EVENTS; event++) {
        assert_true(scene->ledger->events[event].is_accepted);
        for (size_t hook = 0; hook <= HOOK_LEFT; hook++)
            judge_event(scene, hook, event);
    }
    /* Its newest news have reached everybody. */
    for (size_t hook = 0; hook <= HOOK_LEFT; hook++)
        for (size_t i = 0; i < SCENE_MEMBERS; i++)
            assert_true(scene->ledger->seen[hook][SCENE_EVENTS - 1][i].accepted > 0);
    /* What a death took with it was sent again, and both were answered. */
    if (scene->ledger->deaths == 0)
        assert_int_equal(perform(world, count_records, 0), scene->ledger->answered);
}
