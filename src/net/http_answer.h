/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTP/1.1 answer as bytes. Pure.
 *
 * Content-Length, Transfer-Encoding, Date and Connection are set here; a field that came from
 * outside cannot end its line early, for control characters in it become spaces.
 */
#ifndef NET_HTTP_ANSWER_H
#define NET_HTTP_ANSWER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/moment.h"
#include "net/http_parse.h"

struct http_answer {
    int status;
    const struct http_field *fields; /* beside those that are set here */
    size_t field_count;
    struct str body; /* copied where it cannot be written at once */
    bool close;
};

/* What the answer has to know of the exchange it belongs to. */
struct http_answer_frame {
    struct str date;     /* http_date_format's */
    bool is_head_method; /* the length is told, the body left out */
    bool is_minor_0;     /* HTTP/1.0 must be told that the connection is kept */
    bool goes_on;        /* the body follows piece by piece: chunked, or until the close */
};

/* "Sun, 06 Nov 1994 08:49:37 GMT" and its NUL */
#define HTTP_DATE_TEXT_BYTES 30

void http_date_format(struct walltime at, char ret_text[HTTP_DATE_TEXT_BYTES]);

/* "req_" and 16 hex digits: names an answer, so that a person can ask about it. */
#define HTTP_REQUEST_ID_BYTES 21

struct str http_request_id_format(uint64_t number, char ret_text[HTTP_REQUEST_ID_BYTES]);

/* "Not Found"; "" for a status without a name. */
struct str http_status_name(int status);

/* HEAD, 1xx, 204 and 304 get no body, and the last three no Content-Length either. One that goes on
 * has no body yet: HTTP/1.0 reads it to the close, which the answer must say. */
void http_answer_append(struct buf *buf, const struct http_answer *answer,
    const struct http_answer_frame *frame);

/* A piece of a body that goes on; an empty one is nothing. */
void http_chunk_append(struct buf *buf, struct str piece);
/* Behind the last. */
void http_chunk_append_end(struct buf *buf);

/* The body of a refusal: application/problem+json (RFC 9457). */
void http_problem_append(struct buf *buf, int status, struct str detail);

#endif
