/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Our own look at every byte of a head or of trailers, before any parser sees it.
 *
 * Lines end in CR LF and nothing else; no control bytes, no folded or nameless fields; the request
 * line, the fields' number and the whole are bounded. What a field means is not looked at. The
 * same bytes give the same answer at the same byte however they are cut.
 */
#ifndef NET_HTTP_LINES_H
#define NET_HTTP_LINES_H

#include <stdbool.h>

#include "base/str.h"

struct http_refusal {
    int status;         /* 400, 414, 417, 431, 501 or 505; of an answer always 502 */
    const char *detail; /* a sentence that says what to do; static */
};

struct http_lines {
    size_t bytes;      /* so far, line ends included */
    size_t line_bytes; /* of the line under way, without its end */
    size_t lines;      /* ended so far; the first is the request or status line */
    size_t bytes_max;
    size_t fields_max;
    bool was_cr;
};

enum http_lines_state {
    HTTP_LINES_MORE,
    HTTP_LINES_BLANK, /* the empty line that ends them was the last taken */
    HTTP_LINES_REFUSED,
};

/* The maxima are cut to HTTP_HEAD_BYTES_MAX and HTTP_FIELDS_MAX. For trailers set lines to 1
 * afterwards: the first of them is a field already. */
void http_lines_start(struct http_lines *lines, size_t bytes_max, size_t fields_max);

/* Take bytes up to the end of the empty line; *ret_taken of them were sound. */
enum http_lines_state http_lines_see(struct http_lines *lines, struct str text, size_t *ret_taken,
    struct http_refusal *ret_refusal);

#endif
