/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "support/test.h"

/* What became of some bytes, as one text: "HEAD POST /a?b 5 keep|BODY hello|END|…". */
struct story {
    struct buf text;
    struct http_parser parser;
    struct http_room room;
    char bytes[HTTP_HEAD_BYTES_MAX];
    struct http_field fields[HTTP_FIELDS_MAX];
    bool is_answer;
    bool is_head_method;
    bool was_body; /* pieces of a body are joined: how they are cut says nothing */
};

static void
story_start(struct story *story)
{
    if (story->is_answer)
        http_parser_start_answer(&story->parser, &story->room, story->is_head_method);
    else
        http_parser_start_request(&story->parser, &story->room);
    story->was_body = false;
}

static struct story *
story_new(bool is_answer, bool is_head_method)
{
    struct story *story = calloc(1, sizeof(*story));

    assert_non_null(story);
    buf_init(&story->text, 1 << 20);
    story->is_answer = is_answer;
    story->is_head_method = is_head_method;
    story->room =
        (struct http_room){story->bytes, sizeof(story->bytes), story->fields, HTTP_FIELDS_MAX};
    story_start(story);
    return story;
}

static void
story_free(struct story *story)
{
    buf_done(&story->text);
    free(story);
}

static void
story_head(struct story *story)
{
    const struct http_head *head = &story->parser.head;

    if (story->is_answer)
        buf_printf(&story->text, "HEAD %d", head->status);
    else
        buf_printf(&story->text, "HEAD %.*s %.*s", STR_FMT(head->method), STR_FMT(head->target));
    buf_printf(&story->text, " %d%s%s|", (int)head->body_bytes,
        head->is_keep_alive ? " keep" : " close", head->is_continue_expected ? " expects" : "");
}

/* True while more may be fed. */
static bool
story_feed(struct story *story, struct str input)
{
    for (;;) {
        struct str piece = {NULL, 0};
        enum http_verdict verdict = http_parser_feed(&story->parser, &input, &piece);

        if (story->was_body && verdict != HTTP_PARSE_BODY && verdict != HTTP_PARSE_MORE) {
            buf_append_char(&story->text, '|');
            story->was_body = false;
        }
        switch (verdict) {
        case HTTP_PARSE_MORE: return true;
        case HTTP_PARSE_HEAD: story_head(story); break;
        case HTTP_PARSE_BODY:
            assert_true(piece.len > 0);
            if (!story->was_body)
                buf_append_literal(&story->text, "BODY ");
            buf_append_str(&story->text, piece);
            story->was_body = true;
            break;
        case HTTP_PARSE_END:
            buf_append_literal(&story->text, "END|");
            story_start(story);
            if (input.len == 0)
                return true;
            break;
        case HTTP_PARSE_REFUSED:
            buf_printf(&story->text, "REFUSED %d %s|", story->parser.refusal.status,
                story->parser.refusal.detail);
            return false;
        }
    }
}

static struct story *
story_of(struct str text, bool is_answer, size_t step)
{
    struct story *story = story_new(is_answer, false);

    for (size_t at = 0; at < text.len; at += step) {
        if (!story_feed(story, str_slice(text, at, at + step)))
            break;
    }
    return story;
}

static void
check_story(struct str text, bool is_answer, const char *expected)
{
    static const size_t steps[] = {SIZE_MAX / 2, 1, 2, 7, 63};

    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct story *story = story_of(text, is_answer, steps[i]);
        size_t len = strlen(expected);

        assert_true(len > 0);
        if (story->text.ptr == NULL || strncmp(story->text.ptr, expected, len) != 0)
            fail_msg("in steps of %zu, of\n%.*s\ncame %s, not %s", steps[i], STR_FMT(text),
                story->text.ptr != NULL ? story->text.ptr : "nothing", expected);
        story_free(story);
    }
}

struct example {
    const char *text;
    size_t len;
    const char *story; /* the beginning of what must come */
};

#define EXAMPLE(text, story)                                                                       \
    {                                                                                              \
        text, sizeof(text) - 1, story                                                              \
    }

static void
check_examples(const struct example *examples, size_t count, bool is_answer)
{
    for (size_t i = 0; i < count; i++)
        check_story((struct str){examples[i].text, examples[i].len}, is_answer, examples[i].story);
}

#define HOST "Host: a.example\r\n"

static void
well_formed_requests_are_read(void **state)
{
    static const struct example examples[] = {
        EXAMPLE("GET / HTTP/1.1\r\n" HOST "\r\n", "HEAD GET / 0 keep|END|"),
        EXAMPLE("GET /a/b?c=d&e HTTP/1.1\r\n" HOST "\r\n", "HEAD GET /a/b?c=d&e 0 keep|END|"),
        EXAMPLE("POST /x HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello",
            "HEAD POST /x 5 keep|BODY hello|END|"),
        EXAMPLE("POST /x HTTP/1.1\r\n" HOST "content-length:0\r\n\r\n", "HEAD POST /x 0 keep|END|"),
        EXAMPLE("DELETE /x HTTP/1.1\r\n" HOST "Connection: foo , Close\r\n\r\n",
            "HEAD DELETE /x 0 close|END|"),
        EXAMPLE("GET / HTTP/1.0\r\n\r\n", "HEAD GET / 0 close|END|"),
        EXAMPLE("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HEAD GET / 0 keep|END|"),
        EXAMPLE("GET / HTTP/1.0\r\nExpect: a miracle\r\n\r\n", "HEAD GET / 0 close|END|"),
        /* Two in one piece, the second after an empty line. */
        EXAMPLE("GET /1 HTTP/1.1\r\n" HOST "\r\n\r\nGET /2 HTTP/1.1\r\n" HOST "\r\n",
            "HEAD GET /1 0 keep|END|HEAD GET /2 0 keep|END|"),
        EXAMPLE("POST /c HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n"
                "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nGET /n HTTP/1.1\r\n" HOST "\r\n",
            "HEAD POST /c -1 keep|BODY abc0123456789|END|HEAD GET /n 0 keep|END|"),
        EXAMPLE("POST /c HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                "1;x=y\r\na\r\n0\r\nX-Sum: 1\r\nY: \r\n\r\n",
            "HEAD POST /c -1 keep|BODY a|END|"),
        EXAMPLE("PUT /e HTTP/1.1\r\n" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
            "HEAD PUT /e 1 keep expects|BODY x|END|"),
        /* Upgrade is not for us: read as if it were not there, with or without a body. */
        EXAMPLE("GET /u HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
                "GET /v HTTP/1.1\r\n" HOST "\r\n",
            "HEAD GET /u 0 keep|END|HEAD GET /v 0 keep|END|"),
        EXAMPLE("POST /u HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n"
                "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
            "HEAD POST /u -1 keep|BODY a|END|"),
        EXAMPLE("POST /u HTTP/1.1\r\n" HOST "Connection: Upgrade\r\nUpgrade: h2c\r\n"
                "Content-Length: 2\r\n\r\nab",
            "HEAD POST /u 2 keep|BODY ab|END|"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "HEAD GET / 0 keep|END|"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\nX: \xc3\xa9\r\nEmpty:\r\nTab:\ta\tb\t\r\n"
                "\r\n",
            "HEAD GET / 0 keep|END|"),
    };

    (void)state;
    check_examples(examples, COUNT_OF(examples), false);
}

static void
doubtful_line_ends_and_names_are_refused(void **state)
{
    static const struct example examples[] = {
        EXAMPLE("GET / HTTP/1.1\n" HOST "\r\n", "REFUSED 400 Lines must end"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: a\n\r\n", "REFUSED 400 Lines must end"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: a\r\n\n", "REFUSED 400 Lines must end"),
        EXAMPLE("GET / HTTP/1.1\r\n" HOST "X:\rNext: v\r\n\r\n", "REFUSED 400 CR must"),
        EXAMPLE("GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", "REFUSED 400 CR must"),
        EXAMPLE("GET / HTTP/1.1\r\r\n" HOST "\r\n", "REFUSED 400 CR must"),
        EXAMPLE("GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", "REFUSED 400 A line must not"),
        EXAMPLE("GET / HTTP/1.1\r\n" HOST "X: a\r\n\tb\r\n\r\n", "REFUSED 400 A line must not"),
        EXAMPLE("GET / HTTP/1.1\r\n Host: a\r\n\r\n", "REFUSED 400 A line must not"),
        EXAMPLE(" GET / HTTP/1.1\r\n" HOST "\r\n", "REFUSED 400 A line must not"),
        EXAMPLE("GET / HTTP/1.1\r\nHost : a\r\n\r\n", "REFUSED 400 A field's name"),
        EXAMPLE("GET / HTTP/1.1\r\n" HOST "Content-Length : 1\r\n\r\na", "REFUSED 400 A field's"),
        EXAMPLE("GET / HTTP/1.1\r\n" HOST "X: a\0b\r\n\r\n", "REFUSED 400 There is a control"),
        EXAMPLE("GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", "REFUSED 400 There is a control"),
        EXAMPLE("GET / HTTP/1.1\r\n" HOST "X: a\x7f\r\n\r\n", "REFUSED 400 There is a control"),
        EXAMPLE("\x16\x03\x01\x02\x00", "REFUSED 400 There is a control"),
        EXAMPLE("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", "REFUSED 400 The first line is empty"),
        EXAMPLE("GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n", "REFUSED 400 A field's name"),
        EXAMPLE("GET / HTTP/1.1\r\n" HOST ": v\r\n\r\n", "REFUSED 400 A field must"),
        EXAMPLE("GET / HTTP/1.1\r\n" HOST "X(y): v\r\n\r\n", "REFUSED 400 A field's name"),
        EXAMPLE("GET / HTTP/1.1\r\n" HOST "\xc3\xa9: v\r\n\r\n", "REFUSED 400 A field's name"),
    };

    (void)state;
    check_examples(examples, COUNT_OF(examples), false);
}

static void
doubtful_request_lines_are_refused(void **state)
{
    static const struct example examples[] = {
        EXAMPLE("GET /\r\n\r\n", "REFUSED 400 The request line"),
        EXAMPLE("GET\r\n\r\n", "REFUSED 400 The request line"),
        EXAMPLE("GET / \r\n" HOST "\r\n", "REFUSED 400 The request line"),
        EXAMPLE("GET / HTTQ/1.1\r\n" HOST "\r\n", "REFUSED 400 The request line"),
        EXAMPLE("GET / ICE/1.1\r\n" HOST "\r\n", "REFUSED 400 The request line"),
        EXAMPLE("GET / HTTP/1.1 \r\n" HOST "\r\n", "REFUSED 400 The request line"),
        EXAMPLE("G@T / HTTP/1.1\r\n" HOST "\r\n", "REFUSED 400 The request line must begin"),
        EXAMPLE("GET\t/ HTTP/1.1\r\n" HOST "\r\n", "REFUSED 400 The request line"),
        EXAMPLE("GET /a b HTTP/1.1\r\n" HOST "\r\n", "REFUSED 400 The request target"),
        EXAMPLE("GET /a\tb HTTP/1.1\r\n" HOST "\r\n", "REFUSED 400 The request target"),
        EXAMPLE("GET  / HTTP/1.1\r\n" HOST "\r\n", "REFUSED 400 The request target"),
        EXAMPLE("GET /  HTTP/1.1\r\n" HOST "\r\n", "REFUSED 400 The request target"),
        EXAMPLE("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", "REFUSED 400 The request target"),
        EXAMPLE("GET /a#b HTTP/1.1\r\n" HOST "\r\n", "REFUSED 400 The request target must not"),
        EXAMPLE("GET http://a.example/ HTTP/1.1\r\n" HOST "\r\n", "REFUSED 400 The request target"),
        EXAMPLE("GET a.example:80 HTTP/1.1\r\n" HOST "\r\n", "REFUSED 400 The request target"),
        EXAMPLE("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", "REFUSED 400 The request target"),
        EXAMPLE("CONNECT a.example:80 HTTP/1.1\r\n" HOST "\r\n", "REFUSED 501 This is not a proxy"),
        EXAMPLE("BREW / HTTP/1.1\r\n" HOST "\r\n", "REFUSED 501 This method"),
        EXAMPLE("get / HTTP/1.1\r\n" HOST "\r\n", "REFUSED 501 This method"),
        EXAMPLE("GET / HTTP/1.2\r\n" HOST "\r\n", "REFUSED 505"),
        EXAMPLE("GET / HTTP/2.0\r\n" HOST "\r\n", "REFUSED 505"),
        EXAMPLE("GET / HTTP/0.9\r\n\r\n", "REFUSED 505"),
        EXAMPLE("GET / HTTP/11\r\n\r\n", "REFUSED 505"),
        EXAMPLE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "REFUSED 505"),
    };

    (void)state;
    check_examples(examples, COUNT_OF(examples), false);
}

static void
doubtful_hosts_and_lengths_are_refused(void **state)
{
    static const struct example examples[] = {
        EXAMPLE("GET / HTTP/1.1\r\n\r\n", "REFUSED 400 Send exactly one Host"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", "REFUSED 400 Send exactly one"),
        EXAMPLE("GET / HTTP/1.0\r\nHost: a\r\nhost: a\r\n\r\n", "REFUSED 400 Send exactly one"),
        EXAMPLE("GET / HTTP/1.1\r\nHost:\r\n\r\n", "REFUSED 400 The Host field"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "REFUSED 400 The Host field"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", "REFUSED 400 The Host field"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", "REFUSED 400 The Host field"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "REFUSED 400 The Host field"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "REFUSED 400 The Host field"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", "REFUSED 400 The Host field"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "REFUSED 400 The Host field"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", "REFUSED 400 The Host field"),
        EXAMPLE("GET / HTTP/1.1\r\nHost: []\r\n\r\n", "REFUSED 400 The Host field"),
        /* Content-Length */
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
            "REFUSED 400 Send one Content-Length"),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\na",
            "REFUSED 400 Send one Content-Length"),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Content-Length: 1, 1\r\n\r\na",
            "REFUSED 400 Content-L"),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Content-Length: +1\r\n\r\na", "REFUSED 400 Content-L"),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\na", "REFUSED 400 Content-L"),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Content-Length: 0x1\r\n\r\na", "REFUSED 400 Content-L"),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Content-Length: 1 1\r\n\r\na", "REFUSED 400 Content-L"),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\na", "REFUSED 400 Content-L"),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Content-Length: 9223372036854775808\r\n\r\na",
            "REFUSED 400 Content-L"),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Content-Length: 99999999999999999999999\r\n\r\na",
            "REFUSED 400 Content-L"),
        /* Transfer-Encoding */
        EXAMPLE("POST / HTTP/1.1\r\n" HOST
                "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "REFUSED 400 Send one Content-Length"),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST
                "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
            "REFUSED 400 Send one Content-Length"),
        EXAMPLE("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "REFUSED 400 HTTP/1.0 has no"),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", "REFUSED 501 "),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\n", "REFUSED 501 "),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n",
            "REFUSED 501 "),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", "REFUSED 501 "),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n",
            "REFUSED 501 "),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", "REFUSED 501 "),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked;q=1\r\n\r\n",
            "REFUSED 501 "),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
                "Transfer-Encoding: chunked\r\n\r\n",
            "REFUSED 400 "),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n"
                "Transfer-Encoding: identity\r\n\r\n",
            "REFUSED 400 "),
        EXAMPLE("POST / HTTP/1.1\r\n" HOST "Expect: a miracle\r\n\r\n", "REFUSED 417 "),
    };

    (void)state;
    check_examples(examples, COUNT_OF(examples), false);
}

#define CHUNKED "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"

static void
doubtful_chunks_are_refused(void **state)
{
    static const struct example examples[] = {
        EXAMPLE(CHUNKED "0x1\r\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "+1\r\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "-1\r\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "1_0\r\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED " 1\r\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "1 \r\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "\r\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED ";a\r\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "g\r\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "10000000000000001\r\na", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "1\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "1\r\na\n0\r\n\r\n", "HEAD POST / -1 keep|BODY a|REFUSED 400 "),
        EXAMPLE(CHUNKED "1\r\nab\r\n0\r\n\r\n", "HEAD POST / -1 keep|BODY a|REFUSED 400 "),
        EXAMPLE(CHUNKED "1\r\na0\r\n\r\n", "HEAD POST / -1 keep|BODY a|REFUSED 400 "),
        EXAMPLE(CHUNKED "1;a\nb\r\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "1;a\rb\r\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "1;a\x01\r\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "1\rX\na\r\n0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        /* trailers */
        EXAMPLE(CHUNKED "0\r\nX: a\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "0\r\nX: a\rb\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "0\r\n X: a\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "0\r\nX: a\r\n b\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "0\r\n: a\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "0\r\nX : a\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "0\r\nX: a\0\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "0\r\n\n", "HEAD POST / -1 keep|REFUSED 400 "),
        EXAMPLE(CHUNKED "0\r\nGET / HTTP/1.1\r\n\r\n", "HEAD POST / -1 keep|REFUSED 400 "),
    };

    (void)state;
    check_examples(examples, COUNT_OF(examples), false);
}

static void
check_long(const char *before, const char *part, size_t count, const char *after,
    const char *expected)
{
    struct buf text;

    buf_init(&text, 1 << 20);
    buf_append_str(&text, str_from(before));
    for (size_t i = 0; i < count; i++)
        buf_append_str(&text, str_from(part));
    buf_append_str(&text, str_from(after));
    assert_false(buf_is_full(&text));
    check_story(buf_str(&text), false, expected);
    buf_done(&text);
}

static void
each_limit_lets_its_last_byte_pass_and_not_one_more(void **state)
{
    /* "GET /" and " HTTP/1.1" are 14 bytes of the 8192. */
    const char *end = " HTTP/1.1\r\n" HOST "\r\n";
    /* The first two lines and the end take 33 + 2, "X: " and CR LF 5 of the 16384. */
    const char *start = "GET / HTTP/1.1\r\n" HOST;
    size_t long_value = HTTP_HEAD_BYTES_MAX - strlen(start) - 2 - 5;

    (void)state;
    check_long("GET /", "a", 8192 - 14, end, "HEAD GET /aaa");
    check_long("GET /", "a", 8192 - 13, end, "REFUSED 414");
    check_long("GET /", "a", 20000, end, "REFUSED 414");
    check_long("GET /", "a", 20000, "", "REFUSED 414");

    check_long("GET / HTTP/1.1\r\n" HOST "X: ", "a", long_value, "\r\n\r\n", "HEAD GET / 0");
    check_long("GET / HTTP/1.1\r\n" HOST "X: ", "a", long_value + 1, "\r\n\r\n", "REFUSED 431");
    check_long("GET / HTTP/1.1\r\n" HOST "X: ", "a", 30000, "", "REFUSED 431");
    check_long(start, "X: a\r\n", 99, "\r\n", "HEAD GET / 0");
    check_long(start, "X: a\r\n", 100, "\r\n", "REFUSED 431");
    check_long(start, "X: a\r\n", 10000, "", "REFUSED 431");

    check_long(CHUNKED "1;a=", "b", 256 - 4 - 2, "\r\na\r\n0\r\n\r\n",
        "HEAD POST / -1 keep|BODY a|END|");
    check_long(CHUNKED "1;a=", "b", 256 - 4 - 1, "\r\na\r\n0\r\n\r\n",
        "HEAD POST / -1 keep|REFUSED 400 The line before");
    check_long(CHUNKED "1;a=", "b", 10000, "", "HEAD POST / -1 keep|REFUSED 400 The line before");
    check_long(CHUNKED "0\r\n", "X: a\r\n", 100, "\r\n", "HEAD POST / -1 keep|END|");
    check_long(CHUNKED "0\r\n", "X: a\r\n", 101, "\r\n", "HEAD POST / -1 keep|REFUSED 431");
    check_long(CHUNKED "0\r\nX: ", "a", 16384, "\r\n\r\n", "HEAD POST / -1 keep|REFUSED 431");
}

static void
well_formed_answers_are_read(void **state)
{
    static const struct example examples[] = {
        EXAMPLE("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "HEAD 200 2 keep|BODY ok|END|"),
        EXAMPLE("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", "HEAD 200 0 keep|END|"),
        EXAMPLE("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", "HEAD 200 0 keep|END|"),
        EXAMPLE("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\na",
            "HEAD 200 1 close|BODY a|END|"),
        EXAMPLE("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "HEAD 200 1 close|BODY a|END|"),
        EXAMPLE("HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\na",
            "HEAD 200 1 keep|BODY a|END|"),
        EXAMPLE("HTTP/1.1 204 No Content\r\n\r\n", "HEAD 204 0 keep|END|"),
        EXAMPLE("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", "HEAD 204 0 keep|END|"),
        EXAMPLE("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "HEAD 304 0 keep|END|"),
        EXAMPLE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "HEAD 200 -1 keep|BODY ok|END|"),
        EXAMPLE("HTTP/1.1 500 Oh\r\n\r\nuntil the end", "HEAD 500 -1 close|BODY until the end"),
        /* what comes before the real answer */
        EXAMPLE("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: <a>\r\n\r\n"
                "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
            "HEAD 201 0 keep|END|"),
        /* doubts that cost the connection but not the answer */
        EXAMPLE("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
            "HEAD 200 2 close|BODY ok|END|"),
        EXAMPLE("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n"
                "2\r\nok\r\n0\r\n\r\n",
            "HEAD 200 -1 close|BODY ok|END|"),
        EXAMPLE("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n"
                "2\r\nok\r\n0\r\n\r\n",
            "HEAD 200 -1 close|BODY ok|END|"),
        EXAMPLE("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
                "2\r\nok\r\n0\r\n\r\n",
            "HEAD 200 -1 close|BODY ok|END|"),
        /* an offer to upgrade is not an upgrade */
        EXAMPLE("HTTP/1.1 200 OK\r\nUpgrade: h2\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\n"
                "ok",
            "HEAD 200 2 keep|BODY ok|END|"),
    };

    (void)state;
    check_examples(examples, COUNT_OF(examples), true);
}

static void
doubtful_answers_are_refused(void **state)
{
    static const struct example examples[] = {
        EXAMPLE("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
            "REFUSED 502 The answer switches"),
        EXAMPLE("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            "REFUSED 502 The answer has two lengths"),
        EXAMPLE("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na", "REFUSED 502 "),
        EXAMPLE("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\na", "REFUSED 502 "),
        EXAMPLE("HTTP/1.1 200 OK\r\nContent-Length: 9223372036854775808\r\n\r\na", "REFUSED 502 "),
        EXAMPLE("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\na", "REFUSED 502 "),
        EXAMPLE("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "REFUSED 502 "),
        EXAMPLE("HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "REFUSED 502 "),
        EXAMPLE("HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n", "REFUSED 502 "),
        EXAMPLE("HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n", "REFUSED 502 "),
        EXAMPLE("HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n", "REFUSED 502 "),
        EXAMPLE("HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n", "REFUSED 502 "),
        EXAMPLE("HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n", "REFUSED 502 "),
        EXAMPLE("HTTP/1.1 200 OK\nContent-Length: 0\n\n", "REFUSED 502 Lines must end"),
        EXAMPLE("HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n", "REFUSED 502 A line"),
        EXAMPLE("HTTP/1.1 200 OK\r\nnothing\r\nContent-Length: 0\r\n\r\n", "REFUSED 502 A field's"),
        EXAMPLE("HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", "REFUSED 502 A field's"),
        EXAMPLE("\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "REFUSED 502 The first line"),
        EXAMPLE("220 mail.example ESMTP\r\n\r\n", "REFUSED 502 "),
        EXAMPLE("GET / HTTP/1.1\r\n" HOST "\r\n", "REFUSED 502 "),
        EXAMPLE("ICY 200 OK\r\n\r\n", "REFUSED 502 "),
    };
    struct buf text;

    (void)state;
    check_examples(examples, COUNT_OF(examples), true);

    buf_init(&text, 1 << 20);
    for (size_t i = 0; i < 17; i++)
        buf_append_literal(&text, "HTTP/1.1 100 Continue\r\n\r\n");
    check_story(buf_str(&text), true, "REFUSED 502 The answer is preceded by too many");
    buf_done(&text);
}

static void
the_answer_to_a_head_has_no_body(void **state)
{
    struct story *story = story_new(true, true);

    (void)state;
    assert_true(
        story_feed(story, STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 404 No\r\n"
                              "Transfer-Encoding: chunked\r\n\r\n")));
    assert_string_equal(story->text.ptr, "HEAD 200 0 keep|END|HEAD 404 0 keep|END|");
    story_free(story);
}

static void
fields_are_found_by_name_and_trimmed(void **state)
{
    struct story *story = story_new(false, false);
    struct str input = STR("GET /p?q=1?2 HTTP/1.1\r\nHost: a\r\nX-One: \t 1 \t\r\nx-two:\r\n"
                           "X-ONE: 2\r\nThree:3\r\n\r\n");
    struct str piece = {NULL, 0};
    const struct http_head *head = &story->parser.head;

    (void)state;
    assert_int_equal(http_parser_feed(&story->parser, &input, &piece), HTTP_PARSE_HEAD);
    assert_int_equal(input.len, 0);
    assert_int_equal(head->field_count, 5);
    assert_true(str_equals(http_head_field(head, STR("x-one")), STR("1")));
    assert_true(str_equals(http_head_field(head, STR("THREE")), STR("3")));
    assert_true(str_equals(head->fields[3].value, STR("2")));
    assert_true(str_equals(head->path, STR("/p")));
    assert_true(str_equals(head->query, STR("q=1?2")));
    /* An empty field is there, a missing one is not. */
    assert_int_equal(http_head_field(head, STR("X-Two")).len, 0);
    assert_non_null(http_head_field(head, STR("X-Two")).ptr);
    assert_null(http_head_field(head, STR("X-Four")).ptr);
    assert_null(piece.ptr);
    story_free(story);
}

static void
a_list_is_searched_by_whole_tokens(void **state)
{
    (void)state;
    assert_true(http_list_has(STR("close"), STR("close")));
    assert_true(http_list_has(STR("a, CLOSE ,b"), STR("close")));
    assert_false(http_list_has(STR("closed"), STR("close")));
    assert_false(http_list_has(STR("a close"), STR("close")));
    assert_false(http_list_has((struct str){NULL, 0}, STR("close")));
}

static void
a_smaller_room_refuses_what_does_not_fit(void **state)
{
    char bytes[40];
    struct http_field fields[1];
    struct http_room room = {bytes, sizeof(bytes), fields, 1};
    struct http_parser parser;
    struct str piece;
    struct str input = STR("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\r\n");

    (void)state;
    http_parser_start_request(&parser, &room);
    assert_int_equal(http_parser_feed(&parser, &input, &piece), HTTP_PARSE_REFUSED);
    assert_int_equal(parser.refusal.status, 431);

    input = STR("GET / HTTP/1.1\r\nHost: abcdefghijklmnopqrstuvwxyz\r\n\r\n");
    http_parser_start_request(&parser, &room);
    assert_int_equal(http_parser_feed(&parser, &input, &piece), HTTP_PARSE_REFUSED);
    assert_int_equal(parser.refusal.status, 431);
    /* A refusal is final. */
    input = STR("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(http_parser_feed(&parser, &input, &piece), HTTP_PARSE_REFUSED);
}

static enum http_verdict
finish_after(const char *text, bool is_answer)
{
    struct story *story = story_new(is_answer, false);
    enum http_verdict verdict;

    (void)story_feed(story, str_from(text));
    verdict = http_parser_finish(&story->parser);
    story_free(story);
    return verdict;
}

static void
a_close_ends_only_what_may_end_so(void **state)
{
    (void)state;
    assert_int_equal(finish_after("", true), HTTP_PARSE_MORE);
    assert_int_equal(finish_after("", false), HTTP_PARSE_MORE);
    assert_int_equal(finish_after("GET / HTTP/1.1\r\n" HOST "\r\n", false), HTTP_PARSE_MORE);
    assert_int_equal(finish_after("HTTP/1.1 200 OK\r\n\r\nabc", true), HTTP_PARSE_END);
    assert_int_equal(finish_after("HTTP/1.1 200 OK\r\n\r\n", true), HTTP_PARSE_END);
    assert_int_equal(finish_after("H", true), HTTP_PARSE_REFUSED);
    assert_int_equal(finish_after("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", true),
        HTTP_PARSE_REFUSED);
    assert_int_equal(
        finish_after("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", true),
        HTTP_PARSE_REFUSED);
    assert_int_equal(finish_after("HTTP/1.1 100 Continue\r\n\r\n", true), HTTP_PARSE_REFUSED);
    assert_int_equal(finish_after(CHUNKED "1\r\na", false), HTTP_PARSE_REFUSED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_requests_are_read),
        cmocka_unit_test(doubtful_line_ends_and_names_are_refused),
        cmocka_unit_test(doubtful_request_lines_are_refused),
        cmocka_unit_test(doubtful_hosts_and_lengths_are_refused),
        cmocka_unit_test(doubtful_chunks_are_refused),
        cmocka_unit_test(each_limit_lets_its_last_byte_pass_and_not_one_more),
        cmocka_unit_test(well_formed_answers_are_read),
        cmocka_unit_test(doubtful_answers_are_refused),
        cmocka_unit_test(the_answer_to_a_head_has_no_body),
        cmocka_unit_test(fields_are_found_by_name_and_trimmed),
        cmocka_unit_test(a_list_is_searched_by_whole_tokens),
        cmocka_unit_test(a_smaller_room_refuses_what_does_not_fit),
        cmocka_unit_test(a_close_ends_only_what_may_end_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
