/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inbox_text.h"

#include <inttypes.h>
#include <string.h>

/* What one column has to say of several handlers or flags. */
#define NOTE_BYTES_MAX 512

static void
add_time(struct columns *columns, struct walltime at)
{
    char text[WALLTIME_TEXT_BYTES];

    if (at.us > 1)
        walltime_format(at, text);
    columns_add(columns, str_from(at.us > 1 ? text : NULL));
}

/* --- items ------------------------------------------------------------------------------------ */

/* "attendees: waiting, mail: dead" of those that are not done with it. */
static void
add_handlings(struct columns *columns, const struct inbox_row *row)
{
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, NOTE_BYTES_MAX);
    for (size_t i = 0; i < row->handling_count; i++) {
        const struct handling_state *state = &row->handlings[i];

        if (strcmp(state->status, "settled") != 0)
            buf_printf(&text, "%s%.*s: %s", text.len > 0 ? ", " : "", STR_FMT(state->handler),
                state->status);
    }
    if (text.len == 0 && row->handling_count > 0)
        buf_append_literal(&text, "settled");
    columns_add(columns, buf_str(&text));
}

static void
append_flags(struct buf *text, unsigned flags)
{
    for (unsigned flag = ITEM_UNRECOGNISED; flag <= ITEM_RELEASED; flag <<= 1) {
        if ((flags & flag) != 0)
            buf_printf(text, "%s%s", text->len > 0 ? ", " : "",
                item_flag_name((enum item_flag)flag));
    }
}

static void
add_notes(struct columns *columns, const struct inbox_item *item)
{
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, NOTE_BYTES_MAX);
    append_flags(&text, item->flags);
    if (item->revision > 0)
        buf_printf(&text, "%srevision %" PRId64, text.len > 0 ? ", " : "", item->revision);
    if (item->duplicates > 0)
        buf_printf(&text, "%s%" PRId64 " %s", text.len > 0 ? ", " : "", item->duplicates,
            item->duplicates == 1 ? "duplicate" : "duplicates");
    columns_add(columns, buf_str(&text));
}

void
item_columns_init(struct columns *columns, struct arena *arena)
{
    static const char *const titles[] = {"ID", "RECEIVED", "SOURCE", "EVENT", "PERSON", "HANDLERS",
        "NOTES"};

    columns_init(columns, arena, titles, COUNT_OF(titles));
}

void
item_columns_add(struct columns *columns, const struct inbox_row *row)
{
    const struct inbox_item *item = &row->item;
    char id[ITEM_ID_BYTES];

    item_id_format(item->inbox_pk, id);
    columns_add(columns, str_from(id));
    add_time(columns, item->received);
    columns_add(columns, item->source);
    columns_add(columns, item->event);
    columns_add(columns, inbox_person(item));
    add_handlings(columns, row);
    add_notes(columns, item);
}

/* --- an item whole ---------------------------------------------------------------------------- */

static void
line(struct buf *buf, const char *name, struct str value)
{
    buf_printf(buf, "%-16s", name);
    plain_append(buf, value.len > 0 ? value : STR("-"));
    buf_append_char(buf, '\n');
}

static void
time_line(struct buf *buf, const char *name, struct walltime at)
{
    char text[WALLTIME_TEXT_BYTES];

    walltime_format(at, text);
    line(buf, name, str_from(text));
}

static void
facts_text(struct buf *buf, struct arena *arena, const struct inbox_item *item)
{
    CLEANUP(buf_done) struct buf flags;
    char id[ITEM_ID_BYTES];

    buf_init(&flags, NOTE_BYTES_MAX);
    append_flags(&flags, item->flags);
    item_id_format(item->inbox_pk, id);
    line(buf, "id", str_from(id));
    time_line(buf, "received", item->received);
    line(buf, "source", item->source);
    line(buf, "event", item->event);
    line(buf, "object", item->object);
    line(buf, "person", inbox_person(item));
    line(buf, "sender's id", item->sender_id);
    if (item->sender_sequence != 0)
        line(buf, "sequence", arena_printf(arena, "%" PRId64, item->sender_sequence));
    line(buf, "flags", buf_str(&flags));
    if (item->previous_pk != 0)
        item_id_format(item->previous_pk, id);
    line(buf, "revision",
        arena_printf(arena, "%" PRId64 "%s%s%s", item->revision, item->is_latest ? ", latest" : "",
            item->previous_pk != 0 ? ", after " : "", item->previous_pk != 0 ? id : ""));
    line(buf, "duplicates", arena_printf(arena, "%" PRId64, item->duplicates));
}

static void
handlings_text(struct buf *buf, struct arena *arena, const struct inbox_row *row)
{
    static const char *const titles[] = {"HANDLER", "STATUS", "ATTEMPTS", "DUE"};
    struct columns columns;

    columns_init(&columns, arena, titles, COUNT_OF(titles));
    for (size_t i = 0; i < row->handling_count; i++) {
        const struct handling_state *state = &row->handlings[i];

        columns_add(&columns, state->handler);
        columns_add(&columns, str_from(state->status));
        columns_printf(&columns, "%" PRIu32, state->attempts);
        add_time(&columns, state->due);
    }
    if (row->handling_count > 0)
        buf_append_char(buf, '\n');
    columns_print(&columns, buf);
}

static void
log_text(struct buf *buf, struct arena *arena, const struct inbox_whole *whole)
{
    static const char *const titles[] = {"AT", "HANDLER", "ATTEMPT", "TOOK", "OUTCOME", "DETAIL"};
    struct columns columns;

    columns_init(&columns, arena, titles, COUNT_OF(titles));
    for (size_t i = 0; i < whole->log_count; i++) {
        const struct handling_record *record = &whole->log[i].record;

        add_time(&columns, record->at);
        columns_add(&columns, whole->log[i].handler);
        columns_printf(&columns, "%" PRIu32, record->attempt);
        columns_printf(&columns, "%" PRId64 " ms", record->took_us / US_PER_MS);
        columns_add(&columns, str_from(record->outcome));
        columns_add(&columns, record->detail);
    }
    if (whole->log_count > 0)
        buf_append_char(buf, '\n');
    columns_print(&columns, buf);
    for (size_t i = 0; i < whole->log_count; i++) {
        const struct handling_record *record = &whole->log[i].record;

        if (record->output.len == 0)
            continue;
        buf_printf(buf, "\n%.*s, attempt %" PRIu32 ", said:\n", STR_FMT(whole->log[i].handler),
            record->attempt);
        plain_append_block(buf, "    ", record->output);
    }
}

void
item_text(struct buf *buf, struct arena *arena, const struct inbox_whole *whole)
{
    const struct inbox_item *item = &whole->row.item;

    facts_text(buf, arena, item);
    handlings_text(buf, arena, &whole->row);
    log_text(buf, arena, whole);
    buf_append_char(buf, '\n');
    plain_append_block(buf, "", item->headers);
    buf_append_char(buf, '\n');
    plain_append_block(buf, "", item->body);
}

/* --- refused calls ---------------------------------------------------------------------------- */

void
refused_columns_init(struct columns *columns, struct arena *arena)
{
    static const char *const titles[] = {"ID", "RECEIVED", "SOURCE", "PEER", "REASON"};

    columns_init(columns, arena, titles, COUNT_OF(titles));
}

void
refused_columns_add(struct columns *columns, const struct quarantined *call)
{
    char id[ITEM_ID_BYTES];

    refused_id_format(call->quarantine_pk, id);
    columns_add(columns, str_from(id));
    add_time(columns, call->received);
    columns_add(columns, call->source);
    columns_add(columns, call->peer);
    columns_add(columns, call->reason);
}

void
refused_text(struct buf *buf, struct arena *arena, const struct setup *setup,
    const struct quarantined *call)
{
    const struct source *source = setup != NULL ? setup_find_source(setup, call->source) : NULL;
    struct str rest = call->headers;
    struct str name;
    struct str value;
    char id[ITEM_ID_BYTES];

    refused_id_format(call->quarantine_pk, id);
    line(buf, "id", str_from(id));
    time_line(buf, "received", call->received);
    line(buf, "source", call->source);
    line(buf, "peer", call->peer);
    line(buf, "reason", call->reason);
    line(buf, "token", refused_hint(arena, call->token));
    buf_append_char(buf, '\n');
    while (next_header(&rest, &name, &value)) {
        plain_append(buf, name);
        buf_append_literal(buf, ": ");
        plain_append(buf, refused_value(arena, source, name, value));
        buf_append_char(buf, '\n');
    }
    buf_append_char(buf, '\n');
    plain_append_block(buf, "", call->body);
}
