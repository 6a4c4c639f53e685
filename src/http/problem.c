/* SPDX-License-Identifier: Apache-2.0 */
#include "http/problem.h"

#include "base/check.h"
#include "base/json.h"

int
problem_status(enum err err)
{
    switch (err) {
    case OK: break; /* is no problem */
    case ERR_INVALID: return 422;
    case ERR_DENIED: return 401;
    case ERR_NOT_FOUND: return 404;
    case ERR_CONFLICT: return 409;
    case ERR_LIMIT: return 413;
    case ERR_BUSY: return 503;
    case ERR_DISK: return 503;
    case ERR_IO: return 500;
    case ERR_NOMEM: return 503;
    }
    CHECK(err != OK);
    return 500;
}

const char *
problem_title(int status)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
    };

    for (size_t i = 0; i < COUNT_OF(titles); i++) {
        if (titles[i].status == status)
            return titles[i].title;
    }
    return status < 500 ? "Request Refused" : "Request Failed";
}

struct str
problem_detail(const char *text)
{
    struct str detail = str_from(text);

    while (!str_is_utf8(detail))
        detail.len--;
    return detail;
}

static void
write_member(struct json_writer *writer, struct str name, struct str text)
{
    json_name(writer, name);
    json_string(writer, text);
}

/* A fault of the query is named at "?limit", which is no JSON pointer: show it as what it is. */
static void
write_fault(struct json_writer *writer, const struct fault *fault)
{
    json_object_open(writer);
    if (str_starts(fault->pointer, STR("?")))
        write_member(writer, STR("parameter"), str_slice(fault->pointer, 1, fault->pointer.len));
    else
        write_member(writer, STR("pointer"), fault->pointer);
    write_member(writer, STR("detail"), fault->detail);
    json_object_close(writer);
}

void
problem_write(struct buf *buf, int status, struct str detail, const struct faults *faults)
{
    struct json_writer writer;

    json_start(&writer, buf);
    json_object_open(&writer);
    write_member(&writer, STR("type"), STR("about:blank"));
    write_member(&writer, STR("title"), str_from(problem_title(status)));
    json_name(&writer, STR("status"));
    json_int(&writer, status);
    write_member(&writer, STR("detail"), detail);
    if (faults != NULL && faults->count > 0) {
        json_name(&writer, STR("errors"));
        json_array_open(&writer);
        for (size_t i = 0; i < faults->count; i++)
            write_fault(&writer, &faults->list[i]);
        json_array_close(&writer);
    }
    json_object_close(&writer);
}
