/* SPDX-License-Identifier: Apache-2.0 */
#include "send/attempt.h"

#include <stdlib.h>

#include "base/check.h"
#include "domain/delivery_id.h"
#include "domain/schedule.h"
#include "os/log.h"
#include "os/metrics.h"
#include "send/dispatch_inside.h"
#include "send/lane_health.h"
#include "send/request.h"

/* The texts of an event's snapshot, which may have 1 MiB, and of a person, escaped; and a head with
 * 20 long headers. */
#define BODY_BYTES_MAX ((size_t)1024 * 1024 + (size_t)64 * 1024)
#define HEAD_BYTES_MAX ((size_t)128 * 1024)

static struct attempt *
attempt_new(struct dispatch *dispatch)
{
    struct link *link = list_take_first(&dispatch->spare);
    struct attempt *attempt;

    if (link != NULL) {
        attempt = LIST_ENTRY(link, struct attempt, link);
        buf_clear(&attempt->head);
        buf_clear(&attempt->body);
        return attempt;
    }
    attempt = calloc(1, sizeof(*attempt));
    if (attempt == NULL)
        return NULL;
    link_init(&attempt->link);
    buf_init(&attempt->head, HEAD_BYTES_MAX);
    buf_init(&attempt->body, BODY_BYTES_MAX);
    return attempt;
}

void
attempt_free(struct attempt *attempt)
{
    link_remove(&attempt->link);
    buf_done(&attempt->head);
    buf_done(&attempt->body);
    free(attempt);
}

static enum err
attempt_head(struct attempt *attempt)
{
    const struct fanout *fanout = attempt->chunk->fanout;
    struct lane *lane = attempt->lane;
    const struct delivery_id id = {
        .event = fanout->row.event_id,
        .hook = lane->hook_id,
        .attendee = attempt->chunk->members[attempt->index].id,
        .sequence = fanout->row.sequence,
    };
    char id_text[DELIVERY_ID_TEXT_BYTES];
    const struct request_detail detail = {
        .reason = fanout->row.reason,
        .sequence = fanout->row.sequence,
        .attempt = attempt->chunk->attempts + 1,
        .id = {id_text, delivery_id_format(&id, id_text)},
        .timestamp_s = attempt->started_at.us / US_PER_S,
        .body = buf_str(&attempt->body),
    };

    if (buf_is_full(&attempt->body))
        return ERR_NOMEM;
    buf_append_str(&attempt->head, buf_str(&lane->head));
    return request_head_end(&detail, lane->signer, &attempt->head);
}

/* "status", or why there was no whole answer. */
static const char *
failure_class(const struct http_result *result)
{
    return result->failure == HTTP_OK ? "status" : http_failure_name(result->failure);
}

static void
attempt_note(const struct attempt *attempt, const struct http_result *result)
{
    chunk_note(attempt->chunk, &(struct failure_note){
                                   .pos = attempt->chunk->base + (int64_t)attempt->index,
                                   .attempt = attempt->chunk->attempts + 1,
                                   .at = attempt->started_at,
                                   .failure = failure_class(result),
                                   .status = result->status,
                                   .detail = str_from(result->detail),
                                   .answer = result->body,
                               });
}

static void
attempt_record(const struct attempt *attempt, const struct http_result *result)
{
    chunk_record(attempt->chunk,
        &(struct attempt_record){
            .index = (unsigned)attempt->index,
            .attempt = attempt->chunk->attempts + 1,
            .result = result->failure == HTTP_OK ? (unsigned)result->status
                                                 : RECORD_FAILURE_BASE + (unsigned)result->failure,
            .latency_ms = result->latency_us / US_PER_MS,
        },
        attempt->started_at);
}

static void
attempt_dead(struct attempt *attempt)
{
    chunk_dead(attempt->chunk, attempt->index);
    metric_add(METRIC_deliveries_dead_total, 1);
}

/* When to try again, or never. What the endpoint asks for (Retry-After) only ever delays. */
static void
attempt_retry(struct attempt *attempt, int64_t asked_us)
{
    struct dispatch *dispatch = attempt->lane->dispatch;
    int64_t delay_us;

    if (schedule_next(dispatch->options.schedule, attempt->chunk->attempts + 1,
            random_next(&dispatch->random), asked_us, &delay_us))
        chunk_failed(attempt->chunk, attempt->index,
            (struct walltime){dispatch_walltime(dispatch).us + delay_us}, asked_us > 0);
    else
        attempt_dead(attempt);
}

static void
attempt_settle(struct attempt *attempt, const struct lane_outcome *outcome, bool counts)
{
    if (outcome->outcome == OUTCOME_ACCEPTED) {
        chunk_delivered(attempt->chunk, attempt->index);
        metric_add(METRIC_deliveries_delivered_total, 1);
        return;
    }
    metric_add(METRIC_attempts_failed_total, 1);
    if (outcome->outcome == OUTCOME_GONE)
        attempt_dead(attempt);
    else if (counts)
        attempt_retry(attempt, outcome->asked_us);
    else
        chunk_returned(attempt->chunk, attempt->index);
}

static void
attempt_judge(struct attempt *attempt, const struct http_result *result)
{
    struct lane *lane = attempt->lane;
    struct lane_outcome outcome = {
        .outcome = outcome_of(result->failure == HTTP_OK, result->status),
        .failure = failure_class(result),
        .status = result->status,
        .started = attempt->started,
    };

    if (result->retry_after.ptr != NULL &&
        retry_after_parse(result->retry_after, dispatch_walltime(lane->dispatch),
            &outcome.asked_us) != OK)
        outcome.asked_us = 0;
    metric_add(METRIC_attempts_total, 1);
    attempt_record(attempt, result);
    if (outcome.outcome != OUTCOME_ACCEPTED)
        attempt_note(attempt, result);
    attempt_settle(attempt, &outcome, lane_note_outcome(lane, &outcome));
    window_give(&lane->window, outcome.outcome == OUTCOME_ACCEPTED);
}

static void
attempt_done(struct http_exchange *exchange, const struct http_result *result)
{
    struct attempt *attempt = (struct attempt *)exchange;
    struct lane *lane = attempt->lane;
    struct dispatch *dispatch = lane->dispatch;
    struct chunk *chunk = attempt->chunk;

    if (result->failure == HTTP_FAIL_CANCELLED) {
        chunk_returned(chunk, attempt->index);
        lane_note_cancelled(lane);
        window_give(&lane->window, false);
    } else {
        attempt_judge(attempt, result);
    }
    lane_give_place(lane);
    turns_end(&dispatch->turns, attempt);
    metric_add(METRIC_attempts_in_flight, -1);
    list_prepend(&dispatch->spare, &attempt->link);
    lane_dirty(lane, chunk_is_settled(chunk) && fanout_left(chunk->fanout) == 0);
    lane_update(lane, dispatch_now(dispatch));
}

enum err
attempt_start(struct lane *lane, struct chunk *chunk, size_t index, struct instant now)
{
    struct dispatch *dispatch = lane->dispatch;
    struct attempt *attempt = attempt_new(dispatch);
    enum err err = ERR_NOMEM;

    /* What cannot be recorded must not be sent. */
    if (attempt != NULL && chunk_may_record(chunk)) {
        attempt->lane = lane;
        attempt->chunk = chunk;
        attempt->index = index;
        attempt->started = now;
        attempt->started_at = dispatch_walltime(dispatch);
        request_body(&chunk->members[index], lane->phone_format, chunk->fanout->row.snapshot,
            &attempt->body);
        err = attempt_head(attempt);
    }
    if (err != OK) {
        log_warning("attempt.unbuilt", log_int("hook", lane->hook_pk), log_int("err", err));
        if (attempt != NULL)
            list_append(&dispatch->spare, &attempt->link);
        chunk_returned(chunk, index);
        return err;
    }
    attempt->exchange = (struct http_exchange){
        .head = buf_str(&attempt->head),
        .body = buf_str(&attempt->body),
        .deadline = instant_add_ms(now, dispatch->options.attempt_ms),
        .done = attempt_done,
    };
    turns_start(&dispatch->turns, attempt);
    window_take(&lane->window);
    metric_add(METRIC_attempts_in_flight, 1);
    http_exchange_start(lane->endpoint, &attempt->exchange);
    return OK;
}
