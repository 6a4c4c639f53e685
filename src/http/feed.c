/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that go on: a call that stays with whoever feeds it.
 */
#include "base/check.h"
#include "http/answer.h"
#include "http/service.h"

static bool
feed_goes_on(struct call *call, bool is_taken)
{
    if (!is_taken)
        call->request = NULL;
    return is_taken;
}

bool
call_feed_start(struct call *call, void (*gone)(struct call *call))
{
    struct http_field fields[ANSWER_FIELDS_MAX];
    struct http_answer answer;

    CHECK(call->stage == CALL_PREPARING && call->request != NULL);
    answer_head(call, true, fields, &answer);
    call->stage = CALL_FEEDING;
    call->gone = gone;
    return feed_goes_on(call, http_respond_start(call->request, &answer));
}

bool
call_feed(struct call *call, struct str piece)
{
    CHECK(call->stage == CALL_FEEDING);
    return feed_goes_on(call, http_respond_piece(call->request, piece));
}

size_t
call_feed_waiting(const struct call *call)
{
    CHECK(call->stage == CALL_FEEDING);
    return http_respond_waiting(call->request);
}

void
call_feed_end(struct call *call)
{
    struct http_request *request = call->request;

    CHECK(call->stage == CALL_FEEDING);
    call->request = NULL;
    http_respond_end(request);
    call_drop(call);
}
