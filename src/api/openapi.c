/* SPDX-License-Identifier: Apache-2.0 */
#include "api/openapi.h"

#include "api/api.h"
#include "http/service.h"

static const struct {
    const char *name;
    const char *text;
} files[] = {

#include "api/openapi_file.inc"
};

struct str
openapi_text(void)
{
    return str_from(files[0].text);
}

static void
serve_openapi(struct call *call)
{
    buf_clear(&call->answer);
    buf_append_str(&call->answer, openapi_text());
    call->status = 200;
    if (buf_is_full(&call->answer))
        call_fail(call, 503, "no memory for the document just now");
    else
        service_answer(call);
}

static const struct route routes[] = {
    {.method = "GET", .path = "/openapi.json", .serve = serve_openapi},
};

const struct route_table api_openapi_routes = {routes, COUNT_OF(routes)};
