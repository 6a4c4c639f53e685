/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/committed.h"

#include <stdlib.h>

#include "api/api.h"
#include "http/service.h"
#include "os/log.h"
#include "receive/handle.h"
#include "send/dispatch.h"

/* One hook after the other: calls that change several are rare. Then who was erased. */
struct telling {
    struct lane_change change;
    struct erasure erasure;
    struct call *call; /* borrowed: it is not let go before its answer */
    size_t next;
};

static void
tell_end(struct telling *telling)
{
    struct call *call = telling->call;

    free(telling);
    service_answer(call);
}

static void
on_erased(struct erasure *erasure)
{
    tell_end(CONTAINER_OF(erasure, struct telling, erasure));
}

static void
tell_next(struct telling *telling)
{
    struct call *call = telling->call;

    if (telling->next == call->changed_count && call->erased != 0) {
        telling->erasure.attendee_pk = call->erased;
        telling->erasure.reply = call->store_call.reply;
        telling->erasure.done = on_erased;
        dispatch_erased(call->api->dispatch, &telling->erasure);
        return;
    }
    if (telling->next == call->changed_count) {
        tell_end(telling);
        return;
    }
    telling->change.hook_pk = call->changed[telling->next++];
    dispatch_hook_changed(call->api->dispatch, &telling->change);
}

static void
on_changed(struct lane_change *change)
{
    tell_next(CONTAINER_OF(change, struct telling, change));
}

void
committed_tell(struct call *call)
{
    struct dispatch_set *dispatch = call->api->dispatch;
    struct telling *telling = NULL;

    if (call->wakes_handlers && call->api->handles != NULL)
        handle_wake(call->api->handles, NULL, 0);
    if (dispatch == NULL) {
        service_answer(call);
        return;
    }
    dispatch_wake(dispatch, call->wake, call->wake_count);
    if (call->changed_count > 0 || call->erased != 0) {
        telling = calloc(1, sizeof(*telling));
        /* What was committed stays; the lane then notices at its next look. */
        if (telling == NULL) {
            log_error("hook.unannounced", log_text("error", "out of memory"));
            dispatch_wake(dispatch, call->changed, call->changed_count);
        }
    }
    if (telling == NULL) {
        service_answer(call);
        return;
    }
    telling->call = call;
    telling->change.reply = call->store_call.reply;
    telling->change.done = on_changed;
    tell_next(telling);
}
