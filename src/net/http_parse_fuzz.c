/* SPDX-License-Identifier: Apache-2.0 */
/*
 * However the bytes are cut, the same is read; and nothing that is handed out lies elsewhere than
 * in the room or in the input.
 *
 * The first byte chooses the direction, the second how to cut.
 */
#include "net/http_parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reader {
    struct http_parser parser;
    struct http_room room;
    struct buf story;
    bool is_answer;
    bool is_head_method;
    bool was_body;
    bool is_refused;
};

static void
message_start(struct reader *reader)
{
    if (reader->is_answer)
        http_parser_start_answer(&reader->parser, &reader->room, reader->is_head_method);
    else
        http_parser_start_request(&reader->parser, &reader->room);
    reader->was_body = false;
}

static void
reader_start(struct reader *reader, uint8_t kind, struct http_room room)
{
    reader->room = room;
    reader->is_answer = (kind & 1) != 0;
    reader->is_head_method = (kind & 2) != 0;
    reader->is_refused = false;
    buf_init(&reader->story, 8 << 20);
    message_start(reader);
}

static void
check_inside(struct str part, struct str whole)
{
    if (part.len == 0)
        return;
    CHECK(part.ptr >= whole.ptr);
    CHECK(part.ptr + part.len <= whole.ptr + whole.len);
}

static void
tell_head(struct reader *reader)
{
    const struct http_head *head = &reader->parser.head;
    struct str room = {reader->room.bytes, reader->room.bytes_max};

    CHECK(head->field_count <= reader->room.fields_max);
    CHECK(head->body_bytes >= -1);
    CHECK(head->minor == 0 || head->minor == 1);
    check_inside(head->method, room);
    check_inside(head->target, room);
    buf_printf(&reader->story, "HEAD %.*s %.*s %d %d %d %d %d|", STR_FMT(head->method),
        STR_FMT(head->target), head->status, head->minor, (int)head->body_bytes,
        head->is_keep_alive, head->is_continue_expected);
    for (size_t i = 0; i < head->field_count; i++) {
        check_inside(head->fields[i].name, room);
        check_inside(head->fields[i].value, room);
        CHECK(head->fields[i].name.len > 0);
        CHECK(memchr(head->fields[i].value.ptr, '\n', head->fields[i].value.len) == NULL);
        CHECK(memchr(head->fields[i].value.ptr, '\r', head->fields[i].value.len) == NULL);
        buf_append_str(&reader->story, head->fields[i].name);
        buf_append_char(&reader->story, '=');
        buf_append_str(&reader->story, head->fields[i].value);
        buf_append_char(&reader->story, '|');
    }
}

static void
reader_feed(struct reader *reader, struct str input)
{
    struct str all = input;

    while (!reader->is_refused) {
        struct str piece = {NULL, 0};
        size_t before = input.len;
        enum http_verdict verdict = http_parser_feed(&reader->parser, &input, &piece);

        CHECK(input.ptr + input.len == all.ptr + all.len);
        CHECK(input.len <= before);
        if (verdict != HTTP_PARSE_BODY && verdict != HTTP_PARSE_MORE)
            reader->was_body = false;
        switch (verdict) {
        case HTTP_PARSE_MORE: CHECK(input.len == 0); return;
        case HTTP_PARSE_HEAD: tell_head(reader); break;
        case HTTP_PARSE_BODY:
            CHECK(piece.len > 0);
            CHECK(piece.len <= before - input.len);
            check_inside(piece, all);
            if (!reader->was_body)
                buf_append_literal(&reader->story, "|BODY ");
            buf_append_str(&reader->story, piece);
            reader->was_body = true;
            break;
        case HTTP_PARSE_END:
            buf_append_literal(&reader->story, "|END|");
            message_start(reader);
            if (input.len == 0)
                return;
            break;
        case HTTP_PARSE_REFUSED:
            CHECK(reader->parser.refusal.status >= 400);
            buf_printf(&reader->story, "|REFUSED %d %s|", reader->parser.refusal.status,
                reader->parser.refusal.detail);
            reader->is_refused = true;
            break;
        }
    }
}

static void
reader_close(struct reader *reader)
{
    if (!reader->is_refused)
        buf_printf(&reader->story, "|CLOSE %d", (int)http_parser_finish(&reader->parser));
    CHECK(!buf_is_full(&reader->story));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char bytes[2][HTTP_HEAD_BYTES_MAX];
    static struct http_field fields[2][HTTP_FIELDS_MAX];
    static struct reader whole;
    static struct reader cut;
    struct str text;
    uint32_t seed;

    if (size < 2 || size > (1 << 20))
        return 0;
    text = (struct str){(const char *)data + 2, size - 2};
    seed = data[1];
    reader_start(&whole, data[0],
        (struct http_room){bytes[0], sizeof(bytes[0]), fields[0], HTTP_FIELDS_MAX});
    reader_feed(&whole, text);
    reader_close(&whole);

    reader_start(&cut, data[0],
        (struct http_room){bytes[1], sizeof(bytes[1]), fields[1], HTTP_FIELDS_MAX});
    for (size_t at = 0; at < text.len;) {
        /* An empty piece now and then, short ones mostly; each in memory of its own. */
        seed = seed * 1103515245U + 12345U;
        size_t step = data[1] == 0 ? 1 : (seed >> 16) % (data[1] + 1U);
        struct str piece = str_slice(text, at, at + step);
        char *copy = malloc(piece.len > 0 ? piece.len : 1);

        CHECK(copy != NULL);
        if (piece.len > 0)
            memcpy(copy, piece.ptr, piece.len);
        reader_feed(&cut, (struct str){copy, piece.len});
        free(copy);
        at += piece.len;
    }
    reader_close(&cut);

    CHECK(str_equals(buf_str(&whole.story), buf_str(&cut.story)));
    buf_done(&whole.story);
    buf_done(&cut.story);
    return 0;
}
