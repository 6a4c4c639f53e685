/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strict HTTP/1.x framing, both directions: bytes in, one verdict at a time out.
 *
 * Pure: no sockets, no time, no memory but the caller's room. It never calls back; the caller acts
 * on each verdict in one place. The same bytes give the same verdicts however they are cut.
 *
 *   start ─▶ MORE* ─▶ HEAD ─▶ (MORE | BODY)* ─▶ END ─▶ start again for the next message
 *                  REFUSED may come at any point and is final
 */
#ifndef NET_HTTP_PARSE_H
#define NET_HTTP_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/limits.h"
#include "base/str.h"
#include "net/http_lines.h"

/* The line before a chunk: 16 digits of size and CRLFs are 20 bytes. Extensions mean nothing to
 * us, and without a bound of their own they are a body that no limit counts. */
#define HTTP_CHUNK_LINE_BYTES_MAX 256

struct http_field {
    struct str name;  /* as sent; compare with str_equals_nocase */
    struct str value; /* without white space around it */
};

struct http_head {
    struct str method; /* of a request, as are target, path and query */
    struct str target; /* as sent, origin form */
    struct str path;   /* before '?' */
    struct str query;  /* after '?', or absent */
    int status;        /* of an answer; 0 in a request */
    int minor;         /* HTTP/1.minor: 0 or 1 */
    const struct http_field *fields;
    size_t field_count;
    int64_t body_bytes; /* Content-Length; 0 without a body, -1 when chunked or until the close */
    /* The connection may carry another message after this one. In an answer also: its end does
     * not depend on the close, and its framing left no doubt. */
    bool is_keep_alive;
    bool is_continue_expected; /* Expect: 100-continue */
};

/* The first field of that name, or absent. */
struct str http_head_field(const struct http_head *head, struct str name);
/* Does a comma-separated list hold this token? Letters' case does not matter. */
bool http_list_has(struct str list, struct str token);

/* Where a head is kept; what struct http_head points at lies here until the next start. A head
 * that does not fit is refused with 431, so give HTTP_HEAD_BYTES_MAX and HTTP_FIELDS_MAX. */
struct http_room {
    char *bytes;
    size_t bytes_max;
    struct http_field *fields;
    size_t fields_max;
};

enum http_verdict {
    HTTP_PARSE_MORE,    /* all input is used up: come back with more */
    HTTP_PARSE_HEAD,    /* parser->head is filled in */
    HTTP_PARSE_BODY,    /* *ret_piece is the next piece of the body, inside the input given */
    HTTP_PARSE_END,     /* the message is whole; what is left of the input follows it */
    HTTP_PARSE_REFUSED, /* parser->refusal says why; nothing after it can be understood */
};

struct http_parser {
    struct http_head head;       /* from HTTP_PARSE_HEAD to the next start */
    struct http_refusal refusal; /* after HTTP_PARSE_REFUSED */
    /* The rest is the parser's own. */
    struct http_room room;
    struct http_lines lines;

    enum {
        HTTP_STAGE_HEAD,
        HTTP_STAGE_LENGTH,     /* body_left bytes of body to come */
        HTTP_STAGE_CHUNK_LINE, /* line_left bytes the line may still take */
        HTTP_STAGE_CHUNK,      /* body_left bytes of this chunk to come */
        HTTP_STAGE_TRAILERS,
        HTTP_STAGE_UNTIL_CLOSE,
        HTTP_STAGE_ENDED,
        HTTP_STAGE_REFUSED,
    } stage;

    bool is_answer;
    bool is_head_method; /* the answer to a HEAD has no body */
    bool has_begun;      /* a byte of this message was seen */
    bool has_blank;      /* an empty line before the request line was passed over */
    bool is_name_done;   /* what comes next of a field is its value */
    bool is_llhttp_done; /* llhttp stopped where it was to stop */
    unsigned interim;    /* 1xx answers passed over */
    uint64_t body_left;
    size_t line_left;
    /* llhttp's own state; its header stays out of the other files. */
    _Alignas(8) unsigned char llhttp[96];
};

/* Get ready for one message, forgetting the one before. room is copied, what it points at is
 * borrowed. */
void http_parser_start_request(struct http_parser *parser, const struct http_room *room);
/* is_head_method: the request was a HEAD. 1xx answers before the real one are passed over; 101 is
 * refused, since we never ask for it. */
void http_parser_start_answer(struct http_parser *parser, const struct http_room *room,
    bool is_head_method);

/* Take bytes off the front of *input and say what they came to. Call again with the rest, even
 * an empty one, until HTTP_PARSE_MORE, END or REFUSED. */
MUST_CHECK enum http_verdict http_parser_feed(struct http_parser *parser, struct str *input,
    struct str *ret_piece);

/* The peer has closed. END: the message ended so; MORE: none had begun; REFUSED: it was cut. */
MUST_CHECK enum http_verdict http_parser_finish(struct http_parser *parser);

#endif
