/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parse.h"

#include <llhttp.h>
#include <string.h>

#include "base/check.h"

#if !LLHTTP_STRICT_MODE
#error "llhttp must be built strict: its other parser accepts bare line feeds and worse"
#endif

_Static_assert(sizeof(llhttp_t) <= sizeof(((struct http_parser *)0)->llhttp),
    "struct http_parser has no room for llhttp's state");

/* Nobody sends more than two or three 1xx before an answer; without a bound a peer could keep a
 * loop busy with them until the deadline. */
#define INTERIM_ANSWERS_MAX 16

/* What the fields say about framing and the connection. */
struct framing {
    struct str host;
    struct str length;
    struct str coding;
    unsigned hosts;
    unsigned lengths;
    unsigned codings;
    bool is_close;
    bool is_keep_alive;
    bool has_continue;
    bool has_other_expectation;
};

static llhttp_t *
engine(struct http_parser *parser)
{
    return (llhttp_t *)(void *)parser->llhttp;
}

static enum http_verdict
refuse(struct http_parser *parser, int status, const char *detail)
{
    parser->stage = HTTP_STAGE_REFUSED;
    parser->refusal.status = parser->is_answer ? 502 : status;
    parser->refusal.detail = detail;
    return HTTP_PARSE_REFUSED;
}

struct str
http_head_field(const struct http_head *head, struct str name)
{
    for (size_t i = 0; i < head->field_count; i++) {
        if (str_equals_nocase(head->fields[i].name, name))
            return head->fields[i].value;
    }
    return (struct str){NULL, 0};
}

bool
http_list_has(struct str list, struct str token)
{
    struct str rest = list;
    struct str item;

    while (str_split(&rest, ',', &item)) {
        if (str_equals_nocase(str_trim(item), token))
            return true;
    }
    return false;
}

/* ---- what llhttp reports ---- */

static int
on_name(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http_parser *parser = llhttp->data;
    struct http_field *fields = parser->room.fields;
    size_t count = parser->head.field_count;

    if (parser->stage != HTTP_STAGE_HEAD)
        return 0; /* a trailer: checked, and else ignored */
    /* The head lies in one piece, so a name that comes in two pieces goes on where it was. */
    if (count > 0 && !parser->is_name_done) {
        fields[count - 1].name.len += len;
        fields[count - 1].value.ptr = at + len;
        return 0;
    }
    if (count == parser->room.fields_max)
        return -1;
    fields[count] = (struct http_field){.name = {at, len}, .value = {at + len, 0}};
    parser->head.field_count++;
    parser->is_name_done = false;
    return 0;
}

static int
on_name_done(llhttp_t *llhttp)
{
    struct http_parser *parser = llhttp->data;

    parser->is_name_done = true;
    return 0;
}

static int
on_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http_parser *parser = llhttp->data;
    struct http_field *field;

    if (parser->stage != HTTP_STAGE_HEAD || parser->head.field_count == 0)
        return 0;
    field = &parser->room.fields[parser->head.field_count - 1];
    if (field->value.len == 0)
        field->value.ptr = at;
    field->value.len = (size_t)(at + len - field->value.ptr);
    return 0;
}

static int
on_stop(llhttp_t *llhttp)
{
    struct http_parser *parser = llhttp->data;

    parser->is_llhttp_done = true;
    return HPE_PAUSED;
}

/* It stops after the head, after each line before a chunk, and after the trailers; in between
 * it is fed what cannot make it stop elsewhere. */
static const llhttp_settings_t settings = {
    .on_header_field = on_name,
    .on_header_field_complete = on_name_done,
    .on_header_value = on_value,
    .on_headers_complete = on_stop,
    .on_chunk_header = on_stop,
    .on_message_complete = on_stop,
};

static enum http_verdict
refuse_llhttp(struct http_parser *parser, llhttp_errno_t number)
{
    switch ((int)number) {
    case HPE_INVALID_METHOD:
        return refuse(parser, 400, "The request line must begin with a method.");
    case HPE_INVALID_URL:
        return refuse(parser, 400,
            "The request target must be a path; percent-encode all but visible ASCII in it.");
    case HPE_INVALID_VERSION:
    case HPE_INVALID_CONSTANT: return refuse(parser, 400, "The first line is not one of HTTP/1.1.");
    case HPE_INVALID_STATUS: return refuse(parser, 400, "The status must be three digits.");
    case HPE_INVALID_HEADER_TOKEN:
        return refuse(parser, 400,
            "A field's name may hold only letters, digits and !#$%&'*+-.^_`|~, and the colon "
            "follows it without a space; its value may not hold control characters.");
    case HPE_UNEXPECTED_CONTENT_LENGTH:
        return refuse(parser, 400,
            "Send one Content-Length or one Transfer-Encoding, not two and not both.");
    case HPE_INVALID_CONTENT_LENGTH:
        return refuse(parser, 400, "Content-Length must be one number of decimal digits.");
    case HPE_INVALID_TRANSFER_ENCODING:
        return refuse(parser, 400, "Transfer-Encoding must be chunked, once.");
    case HPE_INVALID_CHUNK_SIZE:
        return refuse(parser, 400, "A chunk's size must be hexadecimal digits and fit 64 bits.");
    case HPE_STRICT:
    case HPE_CR_EXPECTED:
    case HPE_LF_EXPECTED:
        return refuse(parser, 400, "A line or chunk must end in CR LF where its length says so.");
    default: return refuse(parser, 400, "The message is not well-formed HTTP/1.1.");
    }
}

/* Let llhttp see these bytes; *ret_taken says how many it took until it stopped, or all. */
static llhttp_errno_t
llhttp_see(struct http_parser *parser, struct str bytes, size_t *ret_taken)
{
    llhttp_t *llhttp = engine(parser);
    llhttp_errno_t number;

    *ret_taken = bytes.len;
    if (bytes.len == 0)
        return HPE_OK;
    parser->is_llhttp_done = false;
    number = llhttp_execute(llhttp, bytes.ptr, bytes.len);
    if (number == HPE_PAUSED && parser->is_llhttp_done) {
        *ret_taken = (size_t)(llhttp_get_error_pos(llhttp) - bytes.ptr);
        llhttp_resume(llhttp);
        return HPE_OK;
    }
    return number;
}

/* ---- judging a whole head ---- */

static bool
is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_token(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_alnum(s.ptr[i]) && memchr("!#$%&'*+-.^_`|~", s.ptr[i], 15) == NULL)
            return false;
    }
    return s.len > 0;
}

static bool
holds_only(struct str s, const char *others, size_t others_len)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_alnum(s.ptr[i]) && memchr(others, s.ptr[i], others_len) == NULL)
            return false;
    }
    return s.len > 0;
}

/* "example.com", "10.0.0.1:8080", "[::1]:80": narrower than the grammar, which allows what no
 * real host name holds. */
static bool
is_host_sane(struct str host)
{
    size_t end = host.len > 0 && host.ptr[0] == '[' ? str_find(host, ']', 0) : 0;
    struct str name;
    struct str port;

    if (end == SIZE_MAX)
        return false;
    if (end > 0) {
        name = str_slice(host, 1, end);
        end++;
        if (!holds_only(name, ":.", 2))
            return false;
    } else {
        end = str_find(host, ':', 0);
        if (end == SIZE_MAX)
            end = host.len;
        name = str_slice(host, 0, end);
        if (!holds_only(name, ".-_~", 4))
            return false;
    }
    port = str_slice(host, end, host.len);
    if (port.len == 0)
        return true;
    if (port.ptr[0] != ':' || port.len > 6)
        return false;
    for (size_t i = 1; i < port.len; i++) {
        if (port.ptr[i] < '0' || port.ptr[i] > '9')
            return false;
    }
    return true;
}

static void
field_weigh(const struct http_field *field, struct framing *framing)
{
    /* The length first: most fields are done with after one comparison. */
    switch (field->name.len) {
    case 4:
        if (str_equals_nocase(field->name, STR("host"))) {
            framing->hosts++;
            framing->host = field->value;
        }
        break;
    case 6:
        if (str_equals_nocase(field->name, STR("expect"))) {
            bool is_continue = str_equals_nocase(field->value, STR("100-continue"));
            framing->has_continue |= is_continue;
            framing->has_other_expectation |= !is_continue;
        }
        break;
    case 10:
        if (str_equals_nocase(field->name, STR("connection"))) {
            framing->is_close |= http_list_has(field->value, STR("close"));
            framing->is_keep_alive |= http_list_has(field->value, STR("keep-alive"));
        }
        break;
    case 14:
        if (str_equals_nocase(field->name, STR("content-length"))) {
            framing->lengths++;
            framing->length = field->value;
        }
        break;
    case 17:
        if (str_equals_nocase(field->name, STR("transfer-encoding"))) {
            framing->codings++;
            framing->coding = field->value;
        }
        break;
    default: break;
    }
}

static void
fields_weigh(struct http_parser *parser, struct framing *framing)
{
    for (size_t i = 0; i < parser->head.field_count; i++) {
        struct http_field *field = &parser->room.fields[i];
        field->value = str_trim(field->value);
        field_weigh(field, framing);
    }
    parser->head.fields = parser->room.fields;
    parser->head.is_keep_alive =
        !framing->is_close && (parser->head.minor == 1 || framing->is_keep_alive);
}

/* The line's three parts; the version before all else, since in another version nothing that
 * follows means what we think it does. */
static enum http_verdict
request_line_split(struct http_parser *parser)
{
    struct http_head *head = &parser->head;
    struct str line = {parser->room.bytes, parser->lines.bytes};
    struct str version;
    size_t method_len;
    size_t last = SIZE_MAX;

    line.len = str_find(line, '\r', 0);
    method_len = str_find(line, ' ', 0);
    for (size_t at = method_len; at != SIZE_MAX; at = str_find(line, ' ', at + 1))
        last = at;
    if (method_len == SIZE_MAX || last == method_len)
        return refuse(parser, 400, "The request line must be a method, a path and HTTP/1.1.");

    version = str_slice(line, last + 1, line.len);
    if (!str_starts(version, STR("HTTP/")))
        return refuse(parser, 400, "The request line must be a method, a path and HTTP/1.1.");
    if (str_equals(version, STR("HTTP/1.1")))
        head->minor = 1;
    else if (str_equals(version, STR("HTTP/1.0")))
        head->minor = 0;
    else
        return refuse(parser, 505, "Only HTTP/1.1 and HTTP/1.0 are spoken here.");

    head->method = str_slice(line, 0, method_len);
    head->target = str_slice(line, method_len + 1, last);
    if (!is_token(head->method))
        return refuse(parser, 400, "The request line must begin with a method.");
    if (str_equals(head->method, STR("CONNECT")))
        return refuse(parser, 501, "This is not a proxy: CONNECT is not served.");
    if (!str_starts(head->target, STR("/")))
        return refuse(parser, 400,
            "The request target must be a path that begins with /, not a whole URL and not *.");
    if (str_find(head->target, ' ', 0) != SIZE_MAX || str_find(head->target, '#', 0) != SIZE_MAX)
        return refuse(parser, 400, "The request target must not hold a space or a fragment (#).");
    return HTTP_PARSE_MORE;
}

static void
target_split(struct http_head *head)
{
    size_t mark = str_find(head->target, '?', 0);

    if (mark == SIZE_MAX) {
        head->path = head->target;
        return;
    }
    head->path = str_slice(head->target, 0, mark);
    head->query = str_slice(head->target, mark + 1, head->target.len);
}

static enum http_verdict
request_judge(struct http_parser *parser)
{
    struct http_head *head = &parser->head;
    struct framing framing = {0};

    fields_weigh(parser, &framing);
    if (framing.hosts > 1 || (framing.hosts == 0 && head->minor == 1))
        return refuse(parser, 400, "Send exactly one Host field.");
    if (framing.hosts == 1 && !is_host_sane(framing.host))
        return refuse(parser, 400, "The Host field must be a name or an address and its port.");
    if (framing.lengths > 1 || (framing.lengths > 0 && framing.codings > 0))
        return refuse(parser, 400,
            "Send one Content-Length or one Transfer-Encoding, not two and not both.");
    if (framing.codings > 0 && head->minor == 0)
        return refuse(parser, 400, "HTTP/1.0 has no Transfer-Encoding; send Content-Length.");
    if (framing.codings > 1)
        return refuse(parser, 400, "Transfer-Encoding must be chunked, once.");
    if (framing.codings == 1 && !str_equals_nocase(framing.coding, STR("chunked")))
        return refuse(parser, 501, "The only Transfer-Encoding understood here is chunked.");
    if (framing.lengths == 1 && str_to_int64(framing.length, &head->body_bytes) != OK)
        return refuse(parser, 400, "Content-Length must be one number of decimal digits.");
    /* An HTTP/1.0 client cannot know the field; RFC 9110 §10.1.1 has us pass over it. */
    if (head->minor == 1 && framing.has_other_expectation)
        return refuse(parser, 417, "The only expectation met here is 100-continue.");

    head->is_continue_expected = head->minor == 1 && framing.has_continue;
    target_split(head);
    if (framing.codings == 1) {
        head->body_bytes = -1;
        parser->stage = HTTP_STAGE_CHUNK_LINE;
    } else {
        parser->body_left = (uint64_t)head->body_bytes;
        parser->stage = HTTP_STAGE_LENGTH;
    }
    return HTTP_PARSE_HEAD;
}

static enum http_verdict
answer_judge(struct http_parser *parser, bool was_length_dropped)
{
    struct http_head *head = &parser->head;
    struct framing framing = {0};
    llhttp_t *llhttp = engine(parser);

    head->status = llhttp_get_status_code(llhttp);
    head->minor = llhttp_get_http_minor(llhttp);
    if (llhttp_get_http_major(llhttp) != 1 || head->minor > 1)
        return refuse(parser, 502, "The answer is not HTTP/1.1 or HTTP/1.0.");
    if (head->status < 100)
        return refuse(parser, 502, "The answer's status is below 100.");
    if (head->status == 101)
        return refuse(parser, 502, "The answer switches to a protocol nobody asked for.");
    fields_weigh(parser, &framing);
    if (framing.codings > 1 ||
        (framing.codings == 1 && !str_equals_nocase(framing.coding, STR("chunked"))))
        return refuse(parser, 502, "The answer's Transfer-Encoding is not chunked.");
    if (framing.lengths == 1 && str_to_int64(framing.length, &head->body_bytes) != OK)
        return refuse(parser, 502, "The answer's Content-Length is not a number.");

    if (was_length_dropped || (framing.codings > 0 && head->minor == 0))
        head->is_keep_alive = false;
    parser->stage = HTTP_STAGE_LENGTH;
    if (parser->is_head_method || head->status < 200 || head->status == 204 ||
        head->status == 304) {
        head->body_bytes = 0;
    } else if (framing.codings == 1) {
        head->body_bytes = -1;
        parser->stage = HTTP_STAGE_CHUNK_LINE;
    } else if (framing.lengths == 0) {
        head->body_bytes = -1;
        head->is_keep_alive = false;
        parser->stage = HTTP_STAGE_UNTIL_CLOSE;
    }
    parser->body_left = head->body_bytes > 0 ? (uint64_t)head->body_bytes : 0;
    return HTTP_PARSE_HEAD;
}

/* The next line with its end; false after the last. */
static bool
line_next(struct str *rest, struct str *ret_line)
{
    size_t end = str_find(*rest, '\n', 0);

    if (end == SIZE_MAX)
        return false;
    *ret_line = str_slice(*rest, 0, end + 1);
    *rest = str_slice(*rest, end + 1, rest->len);
    return true;
}

/* The value of a line with this field name, or absent. */
static struct str
line_value(struct str line, struct str name)
{
    if (line.len <= name.len || line.ptr[name.len] != ':' ||
        !str_equals_nocase(str_slice(line, 0, name.len), name))
        return (struct str){NULL, 0};
    return str_trim(str_slice(line, name.len + 1, line.len));
}

/* llhttp knows no excuse for a second Content-Length or one beside Transfer-Encoding. Of an answer
 * to our own request the event counts as delivered, so two equal lengths are one, and chunked
 * overrides the length (RFC 9112 §6.3); the connection is just not used again. */
static llhttp_errno_t
answer_see(struct http_parser *parser, bool *ret_dropped, bool *ret_differs)
{
    struct str head = {parser->room.bytes, parser->lines.bytes};
    struct str length = {NULL, 0};
    struct str rest = head;
    struct str line;
    bool has_coding = false;
    size_t taken;

    while (line_next(&rest, &line))
        has_coding |= line_value(line, STR("transfer-encoding")).ptr != NULL;
    rest = head;
    while (line_next(&rest, &line)) {
        struct str value = line_value(line, STR("content-length"));
        llhttp_errno_t number;

        if (value.ptr != NULL && (has_coding || length.ptr != NULL)) {
            *ret_differs |= length.ptr != NULL && !str_equals(value, length);
            *ret_dropped = true;
            length = value;
            continue;
        }
        if (value.ptr != NULL)
            length = value;
        number = llhttp_see(parser, line, &taken);
        if (number != HPE_OK)
            return number;
    }
    return HPE_OK;
}

static enum http_verdict
answer_head(struct http_parser *parser)
{
    bool was_dropped = false;
    bool differs = false;
    llhttp_errno_t number = answer_see(parser, &was_dropped, &differs);

    if (differs)
        return refuse(parser, 502, "The answer has two lengths that differ.");
    if (number != HPE_OK)
        return refuse_llhttp(parser, number);
    if (!parser->is_llhttp_done)
        return refuse(parser, 502, "The answer's head is not well-formed HTTP/1.1.");
    return answer_judge(parser, was_dropped);
}

static enum http_verdict
request_head(struct http_parser *parser)
{
    size_t taken;
    llhttp_errno_t number;

    if (request_line_split(parser) == HTTP_PARSE_REFUSED)
        return HTTP_PARSE_REFUSED;
    number = llhttp_see(parser, (struct str){parser->room.bytes, parser->lines.bytes}, &taken);
    /* The line was judged a token and a path: a method that llhttp does not know is just that. */
    if (number == HPE_INVALID_METHOD)
        return refuse(parser, 501, "This method is not known here.");
    if (number != HPE_OK)
        return refuse_llhttp(parser, number);
    /* Both of us must have seen the same end. */
    if (!parser->is_llhttp_done || taken != parser->lines.bytes)
        return refuse(parser, 400, "The head is not well-formed HTTP/1.1.");
    return request_judge(parser);
}

/* ---- feeding ---- */

static void
message_start(struct http_parser *parser)
{
    llhttp_t *llhttp = engine(parser);

    parser->head = (struct http_head){0};
    parser->stage = HTTP_STAGE_HEAD;
    parser->is_name_done = false;
    parser->is_llhttp_done = false;
    parser->has_blank = false;
    parser->body_left = 0;
    parser->line_left = HTTP_CHUNK_LINE_BYTES_MAX;
    http_lines_start(&parser->lines, parser->room.bytes_max, parser->room.fields_max);
    llhttp_init(llhttp, parser->is_answer ? HTTP_RESPONSE : HTTP_REQUEST, &settings);
    llhttp->data = parser;
}

static void
parser_start(struct http_parser *parser, const struct http_room *room)
{
    parser->room = *room;
    parser->refusal = (struct http_refusal){0};
    parser->has_begun = false;
    parser->interim = 0;
    message_start(parser);
}

void
http_parser_start_request(struct http_parser *parser, const struct http_room *room)
{
    parser->is_answer = false;
    parser->is_head_method = false;
    parser_start(parser, room);
}

void
http_parser_start_answer(struct http_parser *parser, const struct http_room *room,
    bool is_head_method)
{
    parser->is_answer = true;
    parser->is_head_method = is_head_method;
    parser_start(parser, room);
}

static void
advance(struct str *input, size_t len)
{
    input->ptr += len;
    input->len -= len;
}

static enum http_verdict
head_whole(struct http_parser *parser)
{
    enum http_verdict verdict;

    if (parser->lines.lines == 0) {
        /* RFC 9112 §2.2: old clients send an empty line after a body. */
        if (parser->is_answer || parser->has_blank)
            return refuse(parser, 400, "The first line is empty.");
        http_lines_start(&parser->lines, parser->room.bytes_max, parser->room.fields_max);
        parser->has_blank = true;
        return HTTP_PARSE_MORE;
    }
    verdict = parser->is_answer ? answer_head(parser) : request_head(parser);
    if (verdict == HTTP_PARSE_HEAD && parser->is_answer && parser->head.status < 200) {
        if (++parser->interim > INTERIM_ANSWERS_MAX)
            return refuse(parser, 502, "The answer is preceded by too many 1xx.");
        message_start(parser);
        return HTTP_PARSE_MORE;
    }
    return verdict;
}

static enum http_verdict
head_feed(struct http_parser *parser, struct str *input)
{
    enum http_verdict verdict = HTTP_PARSE_MORE;

    while (input->len > 0 && verdict == HTTP_PARSE_MORE) {
        size_t before = parser->lines.bytes;
        size_t taken = 0;
        struct http_refusal refusal;
        enum http_lines_state state = http_lines_see(&parser->lines, *input, &taken, &refusal);

        parser->has_begun = true;
        memcpy(parser->room.bytes + before, input->ptr, taken);
        advance(input, taken);
        if (state == HTTP_LINES_REFUSED)
            return refuse(parser, refusal.status, refusal.detail);
        if (state == HTTP_LINES_BLANK)
            verdict = head_whole(parser);
    }
    return verdict;
}

static enum http_verdict
length_feed(struct http_parser *parser, struct str *input, struct str *ret_piece)
{
    size_t len = input->len;

    if (parser->body_left == 0) {
        parser->stage = HTTP_STAGE_ENDED;
        return HTTP_PARSE_END;
    }
    if (len == 0)
        return HTTP_PARSE_MORE;
    if (len > parser->body_left)
        len = (size_t)parser->body_left;
    *ret_piece = str_slice(*input, 0, len);
    parser->body_left -= len;
    advance(input, len);
    return HTTP_PARSE_BODY;
}

static enum http_verdict
chunk_line_feed(struct http_parser *parser, struct str *input)
{
    struct str window = *input;
    size_t taken;
    llhttp_errno_t number;

    if (window.len == 0)
        return HTTP_PARSE_MORE;

    /* Never more than the line may hold, so that the limit strikes at the same byte however the
     * input is cut. */
    if (window.len > parser->line_left)
        window.len = parser->line_left;
    number = llhttp_see(parser, window, &taken);
    if (number != HPE_OK)
        return refuse_llhttp(parser, number);
    advance(input, taken);
    parser->line_left -= taken;
    if (!parser->is_llhttp_done) {
        if (parser->line_left == 0)
            return refuse(parser, 400, "The line before a chunk may take 256 bytes.");
        return HTTP_PARSE_MORE;
    }

    parser->body_left = engine(parser)->content_length;
    if (parser->body_left > 0) {
        parser->stage = HTTP_STAGE_CHUNK;
    } else {
        parser->stage = HTTP_STAGE_TRAILERS;
        http_lines_start(&parser->lines, parser->room.bytes_max, parser->room.fields_max);
        parser->lines.lines = 1; /* no request line here */
    }
    return HTTP_PARSE_MORE;
}

static enum http_verdict
chunk_feed(struct http_parser *parser, struct str *input, struct str *ret_piece)
{
    struct str piece = *input;
    size_t taken;
    llhttp_errno_t number;

    if (piece.len == 0)
        return HTTP_PARSE_MORE;
    if (piece.len > parser->body_left)
        piece.len = (size_t)parser->body_left;
    number = llhttp_see(parser, piece, &taken);
    if (number != HPE_OK)
        return refuse_llhttp(parser, number);
    CHECK(taken == piece.len);
    parser->body_left -= piece.len;
    if (parser->body_left == 0) {
        parser->stage = HTTP_STAGE_CHUNK_LINE;
        parser->line_left = HTTP_CHUNK_LINE_BYTES_MAX;
    }
    advance(input, piece.len);
    *ret_piece = piece;
    return HTTP_PARSE_BODY;
}

static enum http_verdict
trailers_feed(struct http_parser *parser, struct str *input)
{
    struct http_refusal refusal = {0};
    size_t sound = 0;
    size_t taken;
    enum http_lines_state state;
    llhttp_errno_t number;

    if (input->len == 0)
        return HTTP_PARSE_MORE;
    state = http_lines_see(&parser->lines, *input, &sound, &refusal);
    number = llhttp_see(parser, str_slice(*input, 0, sound), &taken);

    /* Whose complaint comes first in the bytes comes first here, however the input is cut. */
    if (number != HPE_OK)
        return refuse_llhttp(parser, number);
    if (state == HTTP_LINES_REFUSED)
        return refuse(parser, refusal.status, refusal.detail);
    if (sound > 0 && parser->is_llhttp_done != (state == HTTP_LINES_BLANK))
        return refuse(parser, 400, "The trailers are not well-formed HTTP/1.1.");
    advance(input, sound);
    if (state == HTTP_LINES_MORE)
        return HTTP_PARSE_MORE;
    parser->stage = HTTP_STAGE_ENDED;
    return HTTP_PARSE_END;
}

enum http_verdict
http_parser_feed(struct http_parser *parser, struct str *input, struct str *ret_piece)
{
    enum http_verdict verdict = HTTP_PARSE_MORE;

    /* A stage that ends without a verdict of its own leaves the rest to the next one. */
    do {
        switch (parser->stage) {
        case HTTP_STAGE_HEAD: verdict = head_feed(parser, input); break;
        case HTTP_STAGE_LENGTH: verdict = length_feed(parser, input, ret_piece); break;
        case HTTP_STAGE_CHUNK_LINE: verdict = chunk_line_feed(parser, input); break;
        case HTTP_STAGE_CHUNK: verdict = chunk_feed(parser, input, ret_piece); break;
        case HTTP_STAGE_TRAILERS: verdict = trailers_feed(parser, input); break;
        case HTTP_STAGE_UNTIL_CLOSE:
            if (input->len == 0)
                return HTTP_PARSE_MORE;
            *ret_piece = *input;
            advance(input, input->len);
            return HTTP_PARSE_BODY;
        case HTTP_STAGE_ENDED: return HTTP_PARSE_END;
        case HTTP_STAGE_REFUSED: return HTTP_PARSE_REFUSED;
        }
    } while (verdict == HTTP_PARSE_MORE && input->len > 0);
    return verdict;
}

enum http_verdict
http_parser_finish(struct http_parser *parser)
{
    switch (parser->stage) {
    case HTTP_STAGE_UNTIL_CLOSE: parser->stage = HTTP_STAGE_ENDED; return HTTP_PARSE_END;
    case HTTP_STAGE_ENDED: return HTTP_PARSE_END;
    case HTTP_STAGE_REFUSED: return HTTP_PARSE_REFUSED;
    case HTTP_STAGE_HEAD:
        if (!parser->has_begun)
            return HTTP_PARSE_MORE;
        break;
    case HTTP_STAGE_LENGTH:
        if (parser->body_left == 0) {
            parser->stage = HTTP_STAGE_ENDED;
            return HTTP_PARSE_END;
        }
        break;
    case HTTP_STAGE_CHUNK_LINE:
    case HTTP_STAGE_CHUNK:
    case HTTP_STAGE_TRAILERS: break;
    }
    return refuse(parser, 400, "The connection was closed in the middle of the message.");
}
