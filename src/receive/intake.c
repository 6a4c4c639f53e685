/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/intake.h"

#include <stdlib.h>

#include "base/check.h"
#include "os/log.h"
#include "os/metrics.h"

/* So many go before the turn ends, also while the store has others: it need not stand still when it
 * is done with those. Fewer are better off in a larger group: where all threads share a core, as
 * many groups as there were turns took a tenth off the rate. */
#define GATHERED_CALLS_MAX 32

/* At 10 us each no group holds the writer for longer than its other work may. */
#define GROUP_CALLS_MAX 256

/* On its way to disk, and waiting behind that; one more has come back and is being answered. */
#define UNDER_WAY_MAX 2
#define GROUPS_MAX    (UNDER_WAY_MAX + 1)

/* The store's queue is full of others' work; nothing of ours is under way whose end would tell when
 * to ask again. */
#define ASK_AGAIN_MS 20

struct group {
    struct store_call store_call;
    struct intake *intake;
    struct group *next; /* free ones */
    size_t count;
    struct intake_call *calls[GROUP_CALLS_MAX];
    struct inbox_arrival *arrivals[GROUP_CALLS_MAX];
};

struct intake {
    struct intake_options options;
    struct list gathered;
    size_t gathered_count;
    struct list waiting;
    size_t busy;
    struct turn_end turn_end;
    struct timer silence;
    bool is_silence_set;
    struct timer again;
    bool is_failing;    /* the last group failed, and was told */
    unsigned under_way; /* groups that the store has */
    struct group *free_groups;
    struct group groups[GROUPS_MAX];
};

static void hand_over(struct intake *intake);

/* --- calls ------------------------------------------------------------------------------------ */

static void
gather(struct intake *intake, struct intake_call *call)
{
    call->is_gathered = true;
    list_append(&intake->gathered, &call->line);
    intake->gathered_count++;
}

static void
ungather(struct intake *intake, struct intake_call *call)
{
    call->is_gathered = false;
    link_remove(&call->line);
    intake->gathered_count--;
}

/* It is the caller's again. */
static void
finish(struct intake *intake, struct intake_call *call, enum err err)
{
    CHECK(!call->is_gathered);
    link_remove(&call->waiting);
    intake->busy--;
    metric_add(METRIC_inbox_waiting, -1);
    intake->options.done(call, err);
}

/* --- groups ----------------------------------------------------------------------------------- */

static enum err
run_group(struct store_call *store_call, struct engine *engine)
{
    struct group *group = CONTAINER_OF(store_call, struct group, store_call);

    return inbox_take(engine, group->arrivals, group->count, &store_call->error);
}

/* Once when it begins and once when it ends: a full disk would fill the log. */
static void
tell_health(struct intake *intake, const struct group *group)
{
    bool is_failing = group->store_call.err != OK;

    if (is_failing == intake->is_failing)
        return;
    intake->is_failing = is_failing;
    if (is_failing)
        log_error("intake.failed", log_text("error", group->store_call.error.text),
            log_int("calls", (int64_t)group->count));
    else
        log_info("intake.recovered", log_int("calls", (int64_t)group->count));
}

static void
wake_handlers(struct intake *intake, const struct group *group)
{
    int64_t pks[GROUP_CALLS_MAX];
    size_t count = 0;

    if (intake->options.handles == NULL)
        return;
    for (size_t i = 0; i < group->count; i++) {
        const struct inbox_arrival *arrival = group->arrivals[i];
        size_t at = 0;

        if (arrival->arrival != ARRIVAL_NEW && arrival->arrival != ARRIVAL_UPDATE)
            continue;
        while (at < count && pks[at] != arrival->source_pk)
            at++;
        if (at == count)
            pks[count++] = arrival->source_pk;
    }
    if (count > 0)
        handle_wake(intake->options.handles, pks, count);
}

/* The disk and a store without room fail all alike; anything else may be one call's doing. */
static bool
is_to_be_split(const struct group *group)
{
    return group->count > 1 && group->store_call.err != ERR_DISK &&
           group->store_call.err != ERR_BUSY;
}

static void
on_stored(struct store_call *store_call)
{
    struct group *group = CONTAINER_OF(store_call, struct group, store_call);
    struct intake *intake = group->intake;
    bool is_split = store_call->err != OK && is_to_be_split(group);

    if (!is_split)
        tell_health(intake, group);
    if (store_call->err == OK)
        wake_handlers(intake, group);
    intake->under_way--;
    /* Before the answers: the disk is idle as long as they take. */
    hand_over(intake);
    for (size_t i = 0; i < group->count; i++) {
        if (is_split && !group->calls[i]->is_late) {
            group->calls[i]->goes_alone = true;
            gather(intake, group->calls[i]);
        } else {
            finish(intake, group->calls[i], store_call->err);
        }
    }
    group->next = intake->free_groups;
    intake->free_groups = group;
    if (is_split)
        hand_over(intake);
}

static void
group_fill(struct intake *intake, struct group *group)
{
    group->count = 0;
    while (group->count < GROUP_CALLS_MAX) {
        struct link *link = list_first(&intake->gathered);
        struct intake_call *call = link != NULL ? LIST_ENTRY(link, struct intake_call, line) : NULL;

        if (call == NULL || (call->goes_alone && group->count > 0))
            break;
        ungather(intake, call);
        group->calls[group->count] = call;
        group->arrivals[group->count] = &call->arrival;
        group->count++;
        if (call->goes_alone)
            break;
    }
}

/* Back to where they stood. */
static void
group_empty(struct intake *intake, struct group *group)
{
    while (group->count > 0) {
        struct intake_call *call = group->calls[--group->count];

        call->is_gathered = true;
        list_prepend(&intake->gathered, &call->line);
        intake->gathered_count++;
    }
}

static bool
may_hand_over(const struct intake *intake)
{
    if (intake->under_way == 0)
        return intake->gathered_count > 0;
    return intake->under_way < UNDER_WAY_MAX && intake->gathered_count >= GATHERED_CALLS_MAX;
}

static void
hand_over(struct intake *intake)
{
    bool is_submitted = false;

    while (may_hand_over(intake)) {
        struct group *group = intake->free_groups;

        CHECK(group != NULL);
        group_fill(intake, group);
        if (store_submit(intake->options.port, &group->store_call) != OK) {
            group_empty(intake, group);
            if (intake->under_way == 0)
                timer_set(&intake->again,
                    instant_add_ms(clock_instant(&clock_system), ASK_AGAIN_MS));
            break;
        }
        intake->free_groups = group->next;
        intake->under_way++;
        is_submitted = true;
    }
    /* At once: this is the end of the turn, or there are many. */
    if (is_submitted)
        store_port_flush(intake->options.port);
}

static void
on_hand_over(void *arg)
{
    hand_over(arg);
}

/* --- silence ---------------------------------------------------------------------------------- */

static struct intake_call *
first_not_late(const struct intake *intake)
{
    LIST_FOREACH(&intake->waiting, link)
    {
        struct intake_call *call = LIST_ENTRY(link, struct intake_call, waiting);

        if (!call->is_late)
            return call;
    }
    return NULL;
}

static void
silence_set(struct intake *intake)
{
    const struct intake_call *call = first_not_late(intake);

    intake->is_silence_set = call != NULL;
    if (call != NULL)
        timer_set(&intake->silence, instant_add_us(call->since, intake->options.silence_us));
}

static void
on_silence(void *arg)
{
    struct intake *intake = arg;
    struct instant now = clock_instant(&clock_system);
    int64_t count = 0;
    struct intake_call *call;

    while ((call = first_not_late(intake)) != NULL &&
           now.us - call->since.us >= intake->options.silence_us) {
        count++;
        call->is_late = true;
        intake->options.late(call);
        /* The store has not heard of it yet. */
        if (call->is_gathered) {
            ungather(intake, call);
            finish(intake, call, ERR_BUSY);
        }
    }
    if (count > 0)
        log_error("intake.delayed", log_int("calls", count),
            log_int("silent_s", intake->options.silence_us / US_PER_S));
    silence_set(intake);
}

/* --- life ------------------------------------------------------------------------------------- */

enum err
intake_new(const struct intake_options *options, struct intake **ret, struct error *reterr)
{
    struct intake *intake = calloc(1, sizeof(*intake));
    struct loop *loop = options->loop;

    if (intake == NULL)
        return error_set(reterr, ERR_NOMEM, "intake: out of memory");
    intake->options = *options;
    list_init(&intake->gathered);
    list_init(&intake->waiting);
    for (unsigned i = 0; i < GROUPS_MAX; i++) {
        struct group *group = &intake->groups[i];

        group->intake = intake;
        group->store_call.run = run_group;
        group->store_call.done = on_stored;
        group->store_call.reply = loop_mailbox(loop);
        group->store_call.writes = true;
        group->next = intake->free_groups;
        intake->free_groups = group;
    }
    /* When all sockets that are ready in this turn have been read. */
    if (turn_end_init(&intake->turn_end, loop, LOOP_SERVER, on_hand_over, intake) != OK ||
        timer_init(&intake->again, loop, LOOP_SERVER, on_hand_over, intake) != OK ||
        timer_init(&intake->silence, loop, LOOP_SERVER, on_silence, intake) != OK) {
        intake_free(intake);
        return error_set(reterr, ERR_NOMEM, "intake: out of memory");
    }
    *ret = intake;
    return OK;
}

void
intake_free(struct intake *intake)
{
    if (intake == NULL)
        return;
    CHECK(intake->busy == 0);
    turn_end_done(&intake->turn_end);
    timer_done(&intake->again);
    timer_done(&intake->silence);
    free(intake);
}

void
intake_add(struct intake *intake, struct intake_call *call)
{
    call->since = clock_instant(&clock_system); /* the timers' */
    call->is_late = false;
    call->goes_alone = false;
    link_init(&call->line);
    link_init(&call->waiting);
    list_append(&intake->waiting, &call->waiting);
    intake->busy++;
    metric_add(METRIC_inbox_waiting, 1);
    gather(intake, call);
    if (!intake->is_silence_set)
        silence_set(intake);
    if (intake->gathered_count == 1)
        turn_end_ask(&intake->turn_end);
    else if (intake->gathered_count >= GATHERED_CALLS_MAX)
        hand_over(intake);
}

size_t
intake_busy(const struct intake *intake)
{
    return intake->busy;
}
