/* SPDX-License-Identifier: Apache-2.0 */
#include "store/notices.h"

#include "domain/event_type.h"
#include "domain/notice.h"
#include "store/events.h"

/* A hook's URL and a hundred webhook-ids, with room to spare. */
#define BODY_BYTES_MAX 65536

/* The hook that a notice is about. */
struct subject {
    int64_t hook_pk;
    int64_t account_pk; /* 0: nobody is to be told */
    struct notice_hook hook;
};

/* Most accounts ask for no notices, and then there is no more than this one look. */
static enum err
subject_get(struct engine *engine, int64_t hook_pk, struct str type, struct flush_plan *plan,
    struct subject *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;
    struct subject subject = {.hook_pk = hook_pk};
    const struct event_type *told_of;

    engine_select(engine, &rows,
        "SELECT h.account_pk, h.id, h.url, h.event FROM hook h WHERE h.hook_pk = ?1"
        " AND h.status <> 'deleted' AND EXISTS (SELECT 1 FROM hook s"
        " WHERE s.account_pk = h.account_pk AND s.event = ?2 AND s.status = 'enabled')",
        v_int(hook_pk), v_text(type));
    if (rows_next(&rows)) {
        told_of = event_type_find(rows_str(&rows, 3));
        if (told_of == NULL || !told_of->is_notice) {
            subject.account_pk = rows_int(&rows, 0);
            subject.hook.id = rows_id(&rows, 1);
            subject.hook.url = arena_copy(plan->arena, rows_str(&rows, 2));
            subject.hook.event = arena_copy(plan->arena, rows_str(&rows, 3));
            if (arena_is_full(plan->arena))
                return error_set(reterr, ERR_NOMEM, "out of memory for a notice");
        }
    }
    enum err err = rows_end(&rows, reterr);

    if (err == OK)
        *ret = subject;
    return err;
}

static bool
is_in(const int64_t *pks, size_t count, int64_t pk)
{
    for (size_t i = 0; i < count; i++)
        if (pks[i] == pk)
            return true;
    return false;
}

static enum err
plan_wake(struct flush_plan *plan, const struct event_receipt *receipt, struct error *reterr)
{
    size_t count = plan->wake_count;
    int64_t *wake = arena_alloc_array(plan->arena, count + receipt->hook_count + 1, sizeof(*wake));

    if (wake == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a notice");
    for (size_t i = 0; i < count; i++)
        wake[i] = plan->wake[i];
    for (size_t i = 0; i < receipt->hook_count; i++)
        if (!is_in(wake, count, receipt->hook_pks[i]))
            wake[count++] = receipt->hook_pks[i];
    plan->wake = wake;
    plan->wake_count = count;
    return OK;
}

static enum err
notice_append(struct engine *engine, const struct subject *subject, struct str type,
    const struct buf *body, struct flush_plan *plan, struct error *reterr)
{
    CLEANUP(audience_done) struct audience audience;
    struct event_draft draft = {
        .account_pk = subject->account_pk,
        .type = type,
        .reason = EVENT_NOTICE,
        .webinar_pk = -subject->hook_pk,
        .snapshot = buf_str(body),
        .audience = &audience,
        .now = plan->now,
    };
    struct event_receipt receipt;
    enum err err;

    audience_init(&audience);
    if (buf_is_full(body) || audience_add(&audience, GROUP_NOBODY, 0, 1, false) != OK)
        return error_set(reterr, ERR_NOMEM, "out of memory for a notice");
    draft.id = id_make(plan->ids, plan->now);
    err = event_append(engine, &draft, plan->arena, &receipt, reterr);
    return err == OK ? plan_wake(plan, &receipt, reterr) : err;
}

enum err
notice_health(struct engine *engine, const struct health_notice *notice, struct flush_plan *plan,
    struct error *reterr)
{
    CLEANUP(buf_done) struct buf body;
    struct subject subject = {.account_pk = 0};
    enum err err = subject_get(engine, notice->hook_pk, notice->type, plan, &subject, reterr);

    buf_init(&body, BODY_BYTES_MAX);
    if (err != OK || subject.account_pk == 0)
        return err;
    notice_health_render(&body, &(struct notice_health){
                                    .type = notice->type,
                                    .at = plan->now,
                                    .hook = subject.hook,
                                    .since = notice->since,
                                    .result = notice->failure,
                                    .status = notice->status,
                                    .disabled_by = notice->disabled_by,
                                });
    return notice_append(engine, &subject, notice->type, &body, plan, reterr);
}

static enum err
read_event(struct engine *engine, int64_t fanout_pk, struct notice_dead *ret, struct error *reterr)
{
    CLEANUP(rows_done) struct rows rows;

    engine_select(engine, &rows,
        "SELECT e.id, e.webinar_id, e.event_pk FROM fanout f"
        " JOIN event e ON e.event_pk = f.event_pk WHERE f.fanout_pk = ?1",
        v_int(fanout_pk));
    if (rows_next(&rows)) {
        ret->event = rows_id(&rows, 0);
        ret->webinar = rows_id(&rows, 1);
        ret->sequence = rows_int(&rows, 2);
    }
    return rows_end(&rows, reterr);
}

enum err
notice_dead(struct engine *engine, const struct dead_notice *notice, struct flush_plan *plan,
    struct error *reterr)
{
    CLEANUP(buf_done) struct buf body;
    struct notice_dead dead = {
        .at = plan->now,
        .count = notice->count,
        .attempts = notice->attempts,
        .attendees = (const struct id *)(const void *)notice->attendees.ptr,
        .attendee_count = notice->attendees.len / ID_BYTES,
    };
    struct subject subject = {.account_pk = 0};
    enum err err =
        subject_get(engine, notice->hook_pk, STR(EVENT_DELIVERY_DEAD), plan, &subject, reterr);

    buf_init(&body, BODY_BYTES_MAX);
    if (err != OK || subject.account_pk == 0)
        return err;
    if (dead.attendee_count > DEAD_NAMED_MAX)
        dead.attendee_count = DEAD_NAMED_MAX;
    dead.hook = subject.hook;
    err = read_event(engine, notice->fanout_pk, &dead, reterr);
    if (err != OK)
        return err;
    notice_dead_render(&body, &dead);
    return notice_append(engine, &subject, STR(EVENT_DELIVERY_DEAD), &body, plan, reterr);
}
