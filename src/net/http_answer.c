/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_answer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/json.h"

static const struct status_name {
    int status;
    struct str name;
} names[] = {
    {100, {"Continue", 8}},
    {200, {"OK", 2}},
    {201, {"Created", 7}},
    {202, {"Accepted", 8}},
    {204, {"No Content", 10}},
    {301, {"Moved Permanently", 17}},
    {302, {"Found", 5}},
    {303, {"See Other", 9}},
    {304, {"Not Modified", 12}},
    {307, {"Temporary Redirect", 18}},
    {308, {"Permanent Redirect", 18}},
    {400, {"Bad Request", 11}},
    {401, {"Unauthorized", 12}},
    {403, {"Forbidden", 9}},
    {404, {"Not Found", 9}},
    {405, {"Method Not Allowed", 18}},
    {406, {"Not Acceptable", 14}},
    {408, {"Request Timeout", 15}},
    {409, {"Conflict", 8}},
    {410, {"Gone", 4}},
    {411, {"Length Required", 15}},
    {412, {"Precondition Failed", 19}},
    {413, {"Content Too Large", 17}},
    {414, {"URI Too Long", 12}},
    {415, {"Unsupported Media Type", 22}},
    {417, {"Expectation Failed", 18}},
    {421, {"Misdirected Request", 19}},
    {422, {"Unprocessable Content", 21}},
    {428, {"Precondition Required", 21}},
    {429, {"Too Many Requests", 17}},
    {431, {"Request Header Fields Too Large", 31}},
    {500, {"Internal Server Error", 21}},
    {501, {"Not Implemented", 15}},
    {502, {"Bad Gateway", 11}},
    {503, {"Service Unavailable", 19}},
    {504, {"Gateway Timeout", 15}},
    {505, {"HTTP Version Not Supported", 26}},
    {507, {"Insufficient Storage", 20}},
};

struct str
http_request_id_format(uint64_t number, char ret_text[HTTP_REQUEST_ID_BYTES])
{
    int len = snprintf(ret_text, HTTP_REQUEST_ID_BYTES, "req_%016" PRIx64, number);

    return (struct str){ret_text, (size_t)len};
}

struct str
http_status_name(int status)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (names[i].status == status)
            return names[i].name;
    }
    return STR("");
}

void
http_date_format(struct walltime at, char ret_text[HTTP_DATE_TEXT_BYTES])
{
    static const char days_of_week[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
        "Sep", "Oct", "Nov", "Dec"};
    /* Four digits of year: a clock beyond them is wrong, and any date will do. */
    const int64_t s_max = INT64_C(253402300799);
    int64_t s = at.us / US_PER_S;
    int64_t year;
    int month;
    int day;
    int of_day;
    char text[64];

    if (s < 0 || s > s_max)
        s = s < 0 ? 0 : s_max;
    civil_from_days(s / 86400, &year, &month, &day);
    of_day = (int)(s % 86400);
    /* 1970-01-01 was a Thursday. */
    (void)snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT",
        days_of_week[(s / 86400 + 4) % 7], day, months[month - 1], (int)year, of_day / 3600,
        of_day / 60 % 60, of_day % 60);
    CHECK(strlen(text) == HTTP_DATE_TEXT_BYTES - 1);
    memcpy(ret_text, text, HTTP_DATE_TEXT_BYTES);
}

static void
append_clean(struct buf *buf, struct str text)
{
    char *out = buf_reserve(buf, text.len);

    if (out == NULL)
        return;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        out[i] = c < 0x20 || c == 0x7f ? ' ' : text.ptr[i];
    }
    buf_added(buf, text.len);
}

void
http_answer_append(struct buf *buf, const struct http_answer *answer,
    const struct http_answer_frame *frame)
{
    bool is_bodiless = answer->status < 200 || answer->status == 204 || answer->status == 304;

    CHECK(answer->status >= 100 && answer->status <= 999);
    CHECK(!frame->goes_on || (!is_bodiless && answer->body.len == 0));
    CHECK(!frame->goes_on || !frame->is_minor_0 || answer->close);
    buf_append_literal(buf, "HTTP/1.1 ");
    buf_append_int(buf, answer->status);
    buf_append_char(buf, ' ');
    buf_append_str(buf, http_status_name(answer->status));
    buf_append_literal(buf, "\r\nDate: ");
    buf_append_str(buf, frame->date);
    if (frame->goes_on && !frame->is_minor_0) {
        buf_append_literal(buf, "\r\nTransfer-Encoding: chunked");
    } else if (!frame->goes_on && !is_bodiless) {
        buf_append_literal(buf, "\r\nContent-Length: ");
        buf_append_int(buf, (int64_t)answer->body.len);
    }
    if (answer->close)
        buf_append_literal(buf, "\r\nConnection: close");
    else if (frame->is_minor_0)
        buf_append_literal(buf, "\r\nConnection: keep-alive");
    for (size_t i = 0; i < answer->field_count; i++) {
        buf_append_literal(buf, "\r\n");
        append_clean(buf, answer->fields[i].name);
        buf_append_literal(buf, ": ");
        append_clean(buf, answer->fields[i].value);
    }
    buf_append_literal(buf, "\r\n\r\n");
    if (!is_bodiless && !frame->is_head_method)
        buf_append_str(buf, answer->body);
}

void
http_chunk_append(struct buf *buf, struct str piece)
{
    if (piece.len == 0)
        return; /* it would be the last */
    buf_printf(buf, "%zx\r\n", piece.len);
    buf_append_str(buf, piece);
    buf_append_literal(buf, "\r\n");
}

void
http_chunk_append_end(struct buf *buf)
{
    buf_append_literal(buf, "0\r\n\r\n");
}

void
http_problem_append(struct buf *buf, int status, struct str detail)
{
    buf_append_literal(buf, "{\"type\":\"about:blank\",\"title\":");
    json_append_string(buf, http_status_name(status));
    buf_append_literal(buf, ",\"status\":");
    buf_append_int(buf, status);
    buf_append_literal(buf, ",\"detail\":");
    json_append_string(buf, detail);
    buf_append_char(buf, '}');
}
