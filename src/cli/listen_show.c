/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/listen_show.h"

#include <usher/usher.h>

#include "base/arena.h"
#include "cli/printable.h"

#define SIGNED_ARENA_BYTES ((size_t)64 * 1024)
#define SESSIONS_SHOWN_MAX 20

/* --- lines --- */

static void
label(struct buf *say, const char *name)
{
    buf_printf(say, "    %-10s ", name);
}

static void
line(struct buf *say, const char *name, const char *value)
{
    if (value == NULL || value[0] == '\0')
        return;
    label(say, name);
    printable_append(say, str_from(value));
    buf_append_literal(say, "\n");
}

static void
show_first_line(const struct shown_call *call, struct buf *say)
{
    struct str event = http_head_field(call->head, STR("x-usher-event"));
    struct str reason = http_head_field(call->head, STR("x-usher-reason"));
    struct str attempt = http_head_field(call->head, STR("x-usher-attempt"));
    char time[WALLTIME_TEXT_BYTES];

    walltime_format(call->at, time);
    buf_printf(say, "#%lld  %s  ", (long long)call->number, time);
    printable_append(say, call->head->method);
    buf_append_literal(say, " ");
    printable_append(say, call->head->target);
    buf_append_literal(say, "\n");
    if (event.len > 0) {
        label(say, "event");
        printable_append(say, event);
        if (reason.len > 0) {
            buf_append_literal(say, ", ");
            printable_append(say, reason);
        }
        if (attempt.len > 0 && !str_equals(attempt, STR("1"))) {
            buf_append_literal(say, ", attempt ");
            printable_append(say, attempt);
        }
        buf_append_literal(say, "\n");
    }
}

/* --- the signature --- */

static const char *
copy_field(const struct http_head *head, struct str name, struct arena *arena)
{
    struct str value = http_head_field(head, name);

    return value.ptr != NULL ? arena_copy(arena, value).ptr : NULL;
}

static void
say_other_time(int64_t then_s, int64_t now_s, struct buf *say)
{
    int64_t away_s = now_s > then_s ? now_s - then_s : then_s - now_s;

    buf_printf(say, "right, but of another time: %lld s %s now\n", (long long)away_s,
        then_s < now_s ? "before" : "after");
}

static void
say_missing(const struct usher_call *call, struct buf *say)
{
    buf_append_literal(say, "WRONG: there is no header");
    buf_append_str(say, call->id == NULL ? STR(" webhook-id") : STR(""));
    buf_append_str(say, call->timestamp == NULL ? STR(" webhook-timestamp") : STR(""));
    buf_append_str(say, call->signature == NULL ? STR(" webhook-signature") : STR(""));
    buf_append_literal(say, "\n");
}

static void
verify(struct usher_verifier *verifier, const struct usher_call *call, int64_t now_s,
    struct buf *say)
{
    enum usher_result result = usher_verify(verifier, call, now_s);
    int64_t then_s = 0;

    if (result == USHER_OK)
        buf_append_literal(say, "right\n");
    else if (result == USHER_NOMEM)
        buf_append_literal(say, "not judged: out of memory\n");
    else if (call->id == NULL || call->timestamp == NULL || call->signature == NULL)
        say_missing(call, say);
    else if (str_to_int64(str_from(call->timestamp), &then_s) == OK && then_s >= 0 &&
             usher_verify(verifier, call, then_s) == USHER_OK)
        say_other_time(then_s, now_s, say);
    else
        buf_append_literal(say, "WRONG: not made with this secret, or the body was changed\n");
}

static void
show_signature(const struct shown_call *call, struct usher_verifier *verifier, struct buf *say)
{
    struct arena arena;
    struct usher_call told = {.body = call->body.ptr, .body_len = call->body.len};

    arena_init(&arena, SIGNED_ARENA_BYTES);
    told.id = copy_field(call->head, STR("webhook-id"), &arena);
    told.timestamp = copy_field(call->head, STR("webhook-timestamp"), &arena);
    told.signature = copy_field(call->head, STR("webhook-signature"), &arena);
    line(say, "id", told.id);
    if (verifier != NULL) {
        label(say, "signature");
        verify(verifier, &told, call->at.us / US_PER_S, say);
    } else if (told.signature != NULL) {
        line(say, "signature", "there is one; --secret would judge it");
    }
    arena_done(&arena);
}

/* --- what it says --- */

static void
show_times(const char *name, const char *from, const char *to, struct buf *say)
{
    if (from == NULL && to == NULL)
        return;
    label(say, name);
    if (from != NULL)
        printable_append(say, str_from(from));
    if (to != NULL) {
        buf_append_literal(say, " to ");
        printable_append(say, str_from(to));
    }
    buf_append_literal(say, "\n");
}

static void
show_session(const struct usher_session *session, struct buf *say)
{
    char time[WALLTIME_TEXT_BYTES];

    label(say, "session");
    printable_append(say, str_from(session->webinar));
    if (session->webinar_id != NULL) {
        buf_append_literal(say, " (");
        printable_append(say, str_from(session->webinar_id));
        buf_append_literal(say, ")");
    }
    buf_append_literal(say, "\n");
    line(say, "  link", session->link);
    show_times("  creator", session->from_creator, session->to_creator, say);
    show_times("  attendee", session->from_attendee, session->to_attendee, say);
    if (session->from_creator == NULL && session->from_attendee == NULL &&
        session->from_us != USHER_NO_TIME) {
        walltime_format((struct walltime){session->from_us}, time);
        line(say, "  UTC", time);
    }
}

static void
show_person(const struct usher_payload *payload, struct buf *say)
{
    const char *name = usher_payload_name(payload);
    const char *email = usher_payload_email(payload);
    const char *phone = usher_payload_phone(payload);
    const char *zone = usher_payload_timezone(payload);

    if (name == NULL && email == NULL && phone == NULL)
        return;
    label(say, "attendee");
    printable_append(say, str_from(name));
    if (email != NULL) {
        buf_append_literal(say, " <");
        printable_append(say, str_from(email));
        buf_append_literal(say, ">");
    }
    if (phone != NULL) {
        buf_append_literal(say, ", phone ");
        printable_append(say, str_from(phone));
    }
    if (zone != NULL) {
        buf_append_literal(say, ", zone ");
        printable_append(say, str_from(zone));
    }
    buf_append_literal(say, "\n");
}

static void
show_payload(const struct shown_call *call, struct buf *say)
{
    struct usher_payload *payload = NULL;
    enum usher_result result = usher_payload_parse(call->body.ptr, call->body.len, &payload);
    size_t count;

    if (result != USHER_OK) {
        line(say, "body",
            result == USHER_INVALID ? "is no JSON" : "is too large, or nested too deeply");
        return;
    }
    show_person(payload, say);
    count = usher_payload_session_count(payload);
    for (size_t i = 0; i < count && i < SESSIONS_SHOWN_MAX; i++) {
        struct usher_session session;

        if (usher_payload_session(payload, i, &session) == USHER_OK)
            show_session(&session, say);
    }
    if (count > SESSIONS_SHOWN_MAX)
        buf_printf(say, "    ... and %zu sessions more\n", count - SESSIONS_SHOWN_MAX);
    line(say, "mangoes", usher_payload_mangoes(payload));
    if (usher_payload_is_contradictory(payload) != 0)
        line(say, "note", "its local times contradict its times in UTC");
    if (usher_payload_is_recognised(payload) == 0)
        line(say, "note", "not all of it could be read as an event of the family");
    usher_payload_free(payload);
}

/* Marked, so that no line of it can pass for one of ours. */
static void
show_body(struct str body, struct buf *say)
{
    struct str rest = body;
    struct str piece;

    buf_append_literal(say, "    body\n");
    while (str_split(&rest, '\n', &piece)) {
        if (rest.ptr == NULL && piece.len == 0)
            break; /* behind the last line end */
        if (str_ends(piece, STR("\r")))
            piece = str_slice(piece, 0, piece.len - 1);
        buf_append_literal(say, "| ");
        printable_append_lines(say, piece);
        buf_append_literal(say, "\n");
    }
}

void
call_show(const struct shown_call *call, struct usher_verifier *verifier, struct buf *say)
{
    show_first_line(call, say);
    show_signature(call, verifier, say);
    show_payload(call, say);
    if (call->shows_body && call->body.len > 0)
        show_body(call->body, say);
    buf_append_literal(say, "\n");
}
