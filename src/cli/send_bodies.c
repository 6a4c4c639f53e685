/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/send_bodies.h"

#include <stdlib.h>
#include <string.h>
#include <usher/usher.h>

#include "base/json.h"
#include "base/limits.h"
#include "cli/suggest.h"
#include "domain/sample.h"
#include "os/files.h"

#define EVENT_BYTES_MAX 128

/* --- samples --- */

static enum err
no_such_event(const char *event, struct error *reterr)
{
    struct suggestion suggestion;

    suggest_start(&suggestion, str_from(event));
    for (size_t i = 0; i < sample_event_count; i++)
        suggest_offer(&suggestion, sample_events[i].ptr);
    if (suggestion.best[0] != '\0')
        return error_set(reterr, ERR_INVALID,
            "--event: there is no sample of \"%.*s\": did you mean %s?", EVENT_BYTES_MAX, event,
            suggestion.best);
    return error_set(reterr, ERR_INVALID,
        "--event: there is no sample of \"%.*s\": see usher(1), or bring a body with --file",
        EVENT_BYTES_MAX, event);
}

enum err
send_bodies_samples(struct send_bodies *bodies, const char *event, struct walltime now,
    struct error *reterr)
{
    bool is_known = false;

    memset(bodies, 0, sizeof(*bodies));
    for (size_t i = 0; i < sample_event_count; i++)
        is_known = is_known || str_equals(sample_events[i], str_from(event));
    if (!is_known)
        return no_such_event(event, reterr);
    bodies->event = event;
    bodies->from = sample_from(now);
    if (usher_zone_new_fixed(SAMPLE_CREATOR_OFFSET_MINUTES, &bodies->zone) != USHER_OK)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    return OK;
}

static enum err
render_single(const struct send_bodies *bodies, int64_t number, struct buf *body)
{
    static const char *const mangoes[] = {SAMPLE_MANGO};
    const struct usher_webinar webinar = {
        .title = SAMPLE_TITLE,
        .id = SAMPLE_WEBINAR_ID,
        .link = SAMPLE_LINK,
        .from_us = bodies->from.us,
        .to_us = bodies->from.us + SAMPLE_SESSION_US,
        .zone = bodies->zone,
        .mangoes = mangoes,
        .mango_count = COUNT_OF(mangoes),
    };
    struct usher_attendee attendee = {0};
    struct usher_zone *zone = NULL;
    struct sample_person person;
    enum usher_result result;
    char *text = NULL;
    size_t len = 0;

    sample_person(number, &person);
    result = usher_zone_new_fixed(person.offset_minutes, &zone);
    if (result == USHER_OK) {
        attendee = (struct usher_attendee){person.name, person.email, person.phone, zone};
        result = usher_payload_build(&attendee, &webinar, &text, &len);
    }
    if (result == USHER_OK)
        buf_append(body, text, len);
    usher_text_free(text);
    usher_zone_free(zone);
    return result == USHER_OK && !buf_is_full(body) ? OK : ERR_NOMEM;
}

/* --- a file --- */

static enum err
out_of_memory(struct error *reterr)
{
    return error_set(reterr, ERR_NOMEM, "out of memory");
}

static enum err
add_body(struct send_bodies *bodies, struct str body)
{
    /* A power of two: full when it is reached. */
    bool is_full = (bodies->count & (bodies->count - 1)) == 0;
    size_t room = bodies->count == 0 ? 1 : 2 * bodies->count;
    struct str *grown = bodies->bodies;

    if (is_full)
        grown = reallocarray(bodies->bodies, room, sizeof(*grown));
    if (grown == NULL)
        return ERR_NOMEM;
    bodies->bodies = grown;
    bodies->bodies[bodies->count++] = body;
    return OK;
}

static enum err
check_body(struct str body, struct arena *arena, struct error *reterr)
{
    struct json *json = NULL;
    enum err err;

    if (body.len > HTTP_BODY_BYTES_MAX)
        return error_set(reterr, ERR_INVALID, "a body may have %d bytes", HTTP_BODY_BYTES_MAX);
    err = json_parse(body, arena, &json, reterr);
    arena_reset(arena);
    return err;
}

/* whole: what is wrong with it as one body. Where already the first line is none, that is what the
 * person wants to know. */
static enum err
add_lines(struct send_bodies *bodies, const char *name, struct arena *arena,
    const struct error *whole, struct error *reterr)
{
    struct str rest = buf_str(&bodies->file);
    struct str line;
    size_t number = 0;

    while (str_split(&rest, '\n', &line)) {
        struct error error = {.code = OK};
        enum err err;

        number++;
        line = str_trim(line);
        if (line.len == 0)
            continue;
        err = check_body(line, arena, &error);
        if (err != OK && bodies->count == 0)
            return error_set(reterr, ERR_INVALID,
                "%s: neither one body of JSON, nor one on each line: %s", name, whole->text);
        if (err != OK)
            return error_set(reterr, ERR_INVALID, "%s:%zu: %s", name, number, error.text);
        if (add_body(bodies, line) != OK)
            return out_of_memory(reterr);
    }
    return OK;
}

enum err
send_bodies_text(struct send_bodies *bodies, const char *name, struct buf *text,
    struct error *reterr)
{
    struct error whole = {.code = OK};
    struct arena arena;
    struct str body;
    enum err err;

    memset(bodies, 0, sizeof(*bodies));
    bodies->file = *text;
    buf_init(text, text->max);
    body = str_trim(buf_str(&bodies->file));
    if (body.len == 0)
        return error_set(reterr, ERR_INVALID, "%s: there is nothing in it to be sent", name);
    arena_init(&arena, REQUEST_ARENA_BYTES_MAX);
    err = check_body(body, &arena, &whole);
    if (err != OK)
        err = add_lines(bodies, name, &arena, &whole, reterr);
    else if (add_body(bodies, body) != OK)
        err = out_of_memory(reterr);
    arena_done(&arena);
    return err;
}

enum err
send_bodies_file(struct send_bodies *bodies, const char *path, struct error *reterr)
{
    bool is_input = strcmp(path, "-") == 0;
    struct buf text;
    enum err err;

    memset(bodies, 0, sizeof(*bodies));
    buf_init(&text, SEND_FILE_BYTES_MAX);
    err = file_read(is_input ? "/dev/stdin" : path, &text, reterr);
    if (err == OK)
        err = send_bodies_text(bodies, is_input ? "standard input" : path, &text, reterr);
    buf_done(&text);
    return err;
}

void
send_bodies_done(struct send_bodies *bodies)
{
    usher_zone_free(bodies->zone);
    free(bodies->bodies);
    buf_done(&bodies->file);
    memset(bodies, 0, sizeof(*bodies));
}

enum err
send_bodies_render(const struct send_bodies *bodies, int64_t index, struct buf *body)
{
    if (bodies->count > 0) {
        buf_append_str(body, bodies->bodies[(size_t)index % bodies->count]);
        return buf_is_full(body) ? ERR_NOMEM : OK;
    }
    if (str_equals(str_from(bodies->event), sample_events[0]))
        return render_single(bodies, index + 1, body);
    return sample_build(body, str_from(bodies->event), index + 1, bodies->from);
}
