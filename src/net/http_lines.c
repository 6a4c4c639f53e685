/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_lines.h"

#include "base/limits.h"

static size_t
plain_len(const char *bytes, size_t len)
{
    size_t i = 0;

    while (i < len) {
        unsigned char c = (unsigned char)bytes[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            break;
        i++;
    }
    return i;
}

static enum http_lines_state
lines_refuse(struct http_refusal *ret_refusal, int status, const char *detail)
{
    ret_refusal->status = status;
    ret_refusal->detail = detail;
    return HTTP_LINES_REFUSED;
}

/* As much of a run of plain bytes as the limits allow; refused when that is nothing. The exact byte
 * matters, so that the answer does not depend on how the input was cut. */
static enum http_lines_state
lines_add(struct http_lines *lines, char first, size_t *run, struct http_refusal *ret_refusal)
{
    size_t room = lines->bytes_max - lines->bytes;

    if (lines->line_bytes == 0 && (first == ' ' || first == '\t'))
        return lines_refuse(ret_refusal, 400,
            "A line must not begin with white space; folded fields are not accepted.");
    if (lines->line_bytes == 0 && lines->lines > 0 && first == ':')
        return lines_refuse(ret_refusal, 400, "A field must have a name before the colon.");
    if (lines->line_bytes == 0 && lines->lines > lines->fields_max)
        return lines_refuse(ret_refusal, 431, "There are too many fields; send at most 100.");
    if (lines->lines == 0 && lines->line_bytes == HTTP_REQUEST_LINE_BYTES_MAX)
        return lines_refuse(ret_refusal, 414,
            "The request line is too long; it may take 8192 bytes.");
    if (room == 0)
        return lines_refuse(ret_refusal, 431,
            "The fields are too long; all together may take 16 KiB.");

    if (*run > room)
        *run = room;
    if (lines->lines == 0 && *run > HTTP_REQUEST_LINE_BYTES_MAX - lines->line_bytes)
        *run = HTTP_REQUEST_LINE_BYTES_MAX - lines->line_bytes;
    lines->bytes += *run;
    lines->line_bytes += *run;
    return HTTP_LINES_MORE;
}

static enum http_lines_state
lines_end(struct http_lines *lines, char c, struct http_refusal *ret_refusal)
{
    if (lines->was_cr && c != '\n')
        return lines_refuse(ret_refusal, 400, "CR must be followed by LF.");
    if (c == '\n' && !lines->was_cr)
        return lines_refuse(ret_refusal, 400, "Lines must end in CR LF; there is an LF alone.");
    if (c != '\r' && c != '\n')
        return lines_refuse(ret_refusal, 400, "There is a control character in the head.");
    if (lines->bytes == lines->bytes_max)
        return lines_refuse(ret_refusal, 431,
            "The fields are too long; all together may take 16 KiB.");

    lines->bytes++;
    lines->was_cr = c == '\r';
    if (c == '\r')
        return HTTP_LINES_MORE;
    if (lines->line_bytes == 0)
        return HTTP_LINES_BLANK;
    lines->lines++;
    lines->line_bytes = 0;
    return HTTP_LINES_MORE;
}

enum http_lines_state
http_lines_see(struct http_lines *lines, struct str text, size_t *ret_taken,
    struct http_refusal *ret_refusal)
{
    enum http_lines_state state = HTTP_LINES_MORE;
    size_t i = 0;

    while (i < text.len && state == HTTP_LINES_MORE) {
        size_t run = lines->was_cr ? 0 : plain_len(text.ptr + i, text.len - i);

        if (run > 0) {
            state = lines_add(lines, text.ptr[i], &run, ret_refusal);
        } else {
            state = lines_end(lines, text.ptr[i], ret_refusal);
            run = 1;
        }
        if (state != HTTP_LINES_REFUSED)
            i += run;
    }
    *ret_taken = i;
    return state;
}

void
http_lines_start(struct http_lines *lines, size_t bytes_max, size_t fields_max)
{
    *lines = (struct http_lines){
        .bytes_max = bytes_max < HTTP_HEAD_BYTES_MAX ? bytes_max : HTTP_HEAD_BYTES_MAX,
        .fields_max = fields_max < HTTP_FIELDS_MAX ? fields_max : HTTP_FIELDS_MAX,
    };
}
