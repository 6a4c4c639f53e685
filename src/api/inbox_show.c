/* SPDX-License-Identifier: Apache-2.0 */
#include "api/inbox.h"
#include "api/objects.h"
#include "base/encode.h"
#include "base/limits.h"
#include "receive/header_name.h"

/* The model: the body once more, each of its texts at its longest, and what is made of it. */
#define MODEL_BYTES_MAX (4 * HTTP_BODY_BYTES_MAX)

/* --- items ------------------------------------------------------------------------------------ */

enum err
inbox_rows_read(struct engine *engine, const struct inbox_query *query, struct arena *arena,
    struct inbox_rows *ret, struct error *reterr)
{
    struct inbox_rows rows = {.list = NULL};
    struct inbox_page page;
    enum err err = inbox_list(engine, query, arena, &page, reterr);

    if (err != OK)
        return err;
    rows.next_pk = page.next_pk;
    rows.list = arena_alloc_array(arena, page.count + 1, sizeof(*rows.list));
    if (rows.list == NULL)
        return error_set(reterr, ERR_NOMEM, "out of memory for a list of items");
    for (; err == OK && rows.count < page.count; rows.count++) {
        struct inbox_row *row = &rows.list[rows.count];

        row->item = page.items[rows.count];
        err = inbox_handlings(engine, row->item.inbox_pk, arena, &row->handlings,
            &row->handling_count, reterr);
    }
    if (err == OK)
        *ret = rows;
    return err;
}

enum err
inbox_status_parse(struct str text, enum inbox_status *ret)
{
    static const char *const names[] = {
        [INBOX_WAITING] = "waiting",
        [INBOX_DEAD] = "dead",
        [INBOX_SETTLED] = "settled",
    };

    for (size_t i = INBOX_WAITING; i < COUNT_OF(names); i++) {
        if (str_equals(text, str_from(names[i]))) {
            *ret = (enum inbox_status)i;
            return OK;
        }
    }
    return ERR_INVALID;
}

struct str
inbox_person(const struct inbox_item *item)
{
    struct str person = item->person;

    if (person.len == 0)
        return (struct str){NULL, 0};
    if (person.len > 2 && person.ptr[1] == ':')
        person = str_slice(person, 2, person.len);
    return person;
}

/* An empty text is none. */
static void
write_text(struct json_writer *writer, struct str name, struct str text)
{
    json_field_str(writer, name, text.len > 0 ? text : (struct str){NULL, 0});
}

static void
write_flags(struct json_writer *writer, unsigned flags)
{
    json_name(writer, STR("flags"));
    json_array_open(writer);
    for (unsigned flag = ITEM_UNRECOGNISED; flag <= ITEM_RELEASED; flag <<= 1) {
        if ((flags & flag) != 0)
            json_string(writer, str_from(item_flag_name((enum item_flag)flag)));
    }
    json_array_close(writer);
}

static void
write_item_id(struct json_writer *writer, struct str name, int64_t inbox_pk)
{
    char id[ITEM_ID_BYTES];

    if (inbox_pk != 0)
        item_id_format(inbox_pk, id);
    json_field_str(writer, name, str_from(inbox_pk != 0 ? id : NULL));
}

/* 1: due since before the process began. */
static struct walltime
due_shown(const struct handling_state *state)
{
    return (struct walltime){state->due.us > 1 ? state->due.us : 0};
}

static void
write_handlings(struct json_writer *writer, const struct inbox_row *row)
{
    json_name(writer, STR("handlings"));
    json_array_open(writer);
    for (size_t i = 0; i < row->handling_count; i++) {
        const struct handling_state *state = &row->handlings[i];

        json_object_open(writer);
        json_field_str(writer, STR("handler"), state->handler);
        json_field_str(writer, STR("status"), str_from(state->status));
        json_field_int(writer, STR("attempts"), state->attempts);
        json_field_time(writer, STR("dueAt"), due_shown(state));
        json_object_close(writer);
    }
    json_array_close(writer);
}

static void
write_row_fields(struct json_writer *writer, const struct inbox_row *row)
{
    const struct inbox_item *item = &row->item;

    write_item_id(writer, STR("id"), item->inbox_pk);
    json_field_str(writer, STR("source"), item->source);
    write_text(writer, STR("event"), item->event);
    write_text(writer, STR("object"), item->object);
    write_text(writer, STR("person"), inbox_person(item));
    write_text(writer, STR("senderId"), item->sender_id);
    json_name(writer, STR("senderSequence"));
    if (item->sender_sequence != 0)
        json_int(writer, item->sender_sequence);
    else
        json_null(writer);
    write_flags(writer, item->flags);
    json_field_int(writer, STR("revision"), item->revision);
    json_field_bool(writer, STR("latest"), item->is_latest);
    write_item_id(writer, STR("previous"), item->previous_pk);
    json_field_int(writer, STR("duplicates"), item->duplicates);
    json_field_time(writer, STR("receivedAt"), item->received);
    write_handlings(writer, row);
}

void
write_inbox_row(struct json_writer *writer, const struct inbox_row *row)
{
    json_object_open(writer);
    write_row_fields(writer, row);
    json_object_close(writer);
}

/* --- an item whole ---------------------------------------------------------------------------- */

static enum err
model_render(const struct inbox_item *item, const struct received *received, struct arena *arena,
    struct str *ret)
{
    struct received_context context = {
        .source = item->source,
        .event = item->event,
        .change = arrival_name(item->revision > 0 ? ARRIVAL_UPDATE : ARRIVAL_NEW),
        .sequence = item->inbox_pk,
        .revision = item->revision,
        .flags = item->flags,
        .received = item->received,
    };
    CLEANUP(buf_done) struct buf buf;
    char id[ITEM_ID_BYTES];

    buf_init(&buf, MODEL_BYTES_MAX);
    item_id_format(item->inbox_pk, id);
    context.id = str_from(id);
    received_render(&buf, received, &context, item->body);
    *ret = buf_is_full(&buf) ? (struct str){NULL, 0} : arena_copy(arena, buf_str(&buf));
    return arena_is_full(arena) ? ERR_NOMEM : OK;
}

/* A body that its sender was told was JSON may be no such thing to a later version. */
static enum err
model_make(const struct inbox_item *item, struct arena *arena, struct str *ret)
{
    CLEANUP(arena_done) struct arena scratch;
    struct received received;
    struct json *body = NULL;
    enum err err;

    arena_init(&scratch, INBOX_ARENA_BYTES_MAX);
    err = received_parse(item->body, &scratch, &body, NULL);
    if (err == ERR_INVALID || err == ERR_LIMIT)
        return OK;
    if (err == OK)
        err = received_read(body, &scratch, &received);
    return err == OK ? model_render(item, &received, arena, ret) : err;
}

enum err
inbox_whole_read(struct engine *engine, int64_t inbox_pk, struct arena *arena,
    struct inbox_whole *ret, struct error *reterr)
{
    struct inbox_whole whole = {.log = NULL};
    struct inbox_row *row = &whole.row;
    enum err err = inbox_get(engine, inbox_pk, arena, &row->item, reterr);

    if (err == OK)
        err =
            inbox_handlings(engine, inbox_pk, arena, &row->handlings, &row->handling_count, reterr);
    if (err == OK)
        err = inbox_log(engine, inbox_pk, arena, &whole.log, &whole.log_count, reterr);
    if (err != OK)
        return err;
    if (whole.log_count > INBOX_LOG_SHOWN) {
        whole.log += whole.log_count - INBOX_LOG_SHOWN;
        whole.log_count = INBOX_LOG_SHOWN;
    }
    err = model_make(&row->item, arena, &whole.model);
    if (err != OK)
        return error_set(reterr, err, "out of memory for an item");
    *ret = whole;
    return OK;
}

bool
next_header(struct str *rest, struct str *ret_name, struct str *ret_value)
{
    struct str line;

    while (str_split(rest, '\n', &line)) {
        size_t colon = str_find(line, ':', 0);

        if (colon == SIZE_MAX)
            continue;
        *ret_name = str_slice(line, 0, colon);
        *ret_value = str_trim(str_slice(line, colon + 1, line.len));
        return true;
    }
    return false;
}

static void
write_header(struct json_writer *writer, struct str name, struct str value)
{
    json_object_open(writer);
    json_field_str(writer, STR("name"), name);
    json_field_str(writer, STR("value"), value);
    json_object_close(writer);
}

static void
write_logged(struct json_writer *writer, struct arena *arena, const struct handling_logged *logged)
{
    const struct handling_record *record = &logged->record;

    json_object_open(writer);
    json_field_str(writer, STR("handler"), logged->handler);
    json_field_int(writer, STR("attempt"), record->attempt);
    json_field_time(writer, STR("at"), record->at);
    json_field_int(writer, STR("tookMs"), record->took_us / US_PER_MS);
    json_field_str(writer, STR("outcome"), str_from(record->outcome));
    write_text(writer, STR("detail"), safe_text(arena, record->detail));
    write_text(writer, STR("output"), safe_text(arena, record->output));
    json_object_close(writer);
}

enum err
write_inbox_whole(struct json_writer *writer, struct arena *arena, const struct inbox_whole *whole)
{
    const struct inbox_item *item = &whole->row.item;
    struct str rest = item->headers;
    struct str name;
    struct str value;

    json_object_open(writer);
    write_row_fields(writer, &whole->row);
    json_name(writer, STR("log"));
    json_array_open(writer);
    for (size_t i = 0; i < whole->log_count; i++)
        write_logged(writer, arena, &whole->log[i]);
    json_array_close(writer);
    json_name(writer, STR("headers"));
    json_array_open(writer);
    while (next_header(&rest, &name, &value))
        write_header(writer, name, safe_text(arena, value));
    json_array_close(writer);
    json_field_str(writer, STR("body"), safe_text(arena, item->body));
    json_name(writer, STR("model"));
    if (whole->model.ptr != NULL)
        json_raw(writer, whole->model);
    else
        json_null(writer);
    json_object_close(writer);
    return arena_is_full(arena) ? ERR_NOMEM : OK;
}

/* --- refused calls ---------------------------------------------------------------------------- */

void
write_refused_fields(struct json_writer *writer, const struct quarantined *call)
{
    char id[ITEM_ID_BYTES];

    refused_id_format(call->quarantine_pk, id);
    json_field_str(writer, STR("id"), str_from(id));
    json_field_str(writer, STR("source"), call->source);
    json_field_str(writer, STR("peer"), call->peer);
    json_field_str(writer, STR("reason"), call->reason);
    json_field_time(writer, STR("receivedAt"), call->received);
}

struct str
refused_hint(struct arena *arena, struct str value)
{
    uint8_t digest[SHA256_BYTES];

    if (value.ptr == NULL)
        return value;
    if (sha256(value, digest) != OK)
        return arena_printf(arena, "%zu bytes", value.len);
    return arena_printf(arena, "%zu bytes, sha256 %02x%02x", value.len, digest[0], digest[1]);
}

struct str
refused_value(struct arena *arena, const struct source *source, struct str name, struct str value)
{
    bool is_hidden = source_field_proves(source, name) && !header_name_is_standard(name);

    return is_hidden ? refused_hint(arena, value) : safe_text(arena, value);
}

static void
write_refused_headers(struct json_writer *writer, struct arena *arena, const struct source *source,
    struct str rest)
{
    struct str name;
    struct str value;

    json_name(writer, STR("headers"));
    json_array_open(writer);
    while (next_header(&rest, &name, &value))
        write_header(writer, safe_text(arena, name), refused_value(arena, source, name, value));
    json_array_close(writer);
}

/* Any bytes at all: what is no text is told in base64. */
static void
write_refused_body(struct json_writer *writer, struct str body)
{
    CLEANUP(buf_done) struct buf text;
    bool is_text = str_is_utf8(body);

    buf_init(&text, 2 * HTTP_BODY_BYTES_MAX);
    if (!is_text)
        base64_append(&text, body.ptr, body.len);
    if (buf_is_full(&text))
        writer->buf->full = true; /* what is cut must not look whole */
    json_field_str(writer, STR("body"), is_text ? body : (struct str){NULL, 0});
    json_field_str(writer, STR("bodyBase64"), is_text ? (struct str){NULL, 0} : buf_str(&text));
}

enum err
write_refused(struct json_writer *writer, struct arena *arena, const struct setup *setup,
    const struct quarantined *call)
{
    const struct source *source = setup != NULL ? setup_find_source(setup, call->source) : NULL;

    json_object_open(writer);
    write_refused_fields(writer, call);
    json_field_str(writer, STR("token"), refused_hint(arena, call->token));
    write_refused_headers(writer, arena, source, call->headers);
    write_refused_body(writer, call->body);
    json_object_close(writer);
    return arena_is_full(arena) ? ERR_NOMEM : OK;
}
