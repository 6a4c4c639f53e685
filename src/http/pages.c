/* SPDX-License-Identifier: Apache-2.0 */
#include "http/pages.h"

#include <inttypes.h>

#include "http/service.h"
#include "os/metrics.h"

#define MIB (INT64_C(1024) * 1024)

static void
serve_healthz(struct call *call)
{
    struct json_writer writer = call_answer(call, 200);

    json_object_open(&writer);
    json_field_str(&writer, STR("status"), STR("ok"));
    json_object_close(&writer);
    service_answer(call);
}

static void
write_check(struct json_writer *writer, struct str name, bool is_good, struct str detail)
{
    json_name(writer, name);
    json_object_open(writer);
    json_field_str(writer, STR("status"), is_good ? STR("ok") : STR("failing"));
    if (!is_good)
        json_field_str(writer, STR("detail"), detail);
    json_object_close(writer);
}

/* What failed in the store is for the log and the operator: the page may be open to all. */
static void
serve_readyz(struct call *call)
{
    bool is_store_good = store_health(service_store(call->service), NULL) == OK;
    bool is_draining = service_is_draining(call->service);
    int64_t free_bytes;
    int64_t reserve_bytes;
    bool has_room;
    bool is_ready;
    struct json_writer writer;

    service_disk(call->service, &free_bytes, &reserve_bytes);
    has_room = free_bytes >= reserve_bytes;
    is_ready = is_store_good && has_room && !is_draining;
    writer = call_answer(call, is_ready ? 200 : 503);
    json_object_open(&writer);
    json_field_str(&writer, STR("status"), is_ready ? STR("ok") : STR("failing"));
    json_name(&writer, STR("checks"));
    json_object_open(&writer);
    write_check(&writer, STR("store"), is_store_good,
        STR("the last transaction could not be committed; the log says why"));
    write_check(&writer, STR("disk"), has_room,
        arena_printf(&call->arena,
            "%" PRId64 " MiB are free on the database's disk, and %" PRId64 " are wanted",
            free_bytes / MIB, reserve_bytes / MIB));
    write_check(&writer, STR("draining"), !is_draining,
        STR("the process ends when what it has begun is done"));
    json_object_close(&writer);
    json_object_close(&writer);
    service_answer(call);
}

static void
serve_metrics(struct call *call)
{
    buf_clear(&call->answer);
    metrics_format(&call->answer);
    service_more_metrics(call->service, &call->answer);
    call->status = 200;
    call->content_type = "text/plain; version=0.0.4; charset=utf-8";
    if (buf_is_full(&call->answer))
        call_fail(call, 503, "no memory for the page just now");
    else
        service_answer(call);
}

static const struct route routes[] = {
    {.method = "GET", .path = "/healthz", .serve = serve_healthz},
    {.method = "GET", .path = "/readyz", .serve = serve_readyz},
    {.method = "GET",
        .path = "/metrics",
        .scope = SCOPE_READ,
        .is_open_nearby = true,
        .serve = serve_metrics},
};

const struct route_table page_routes = {routes, COUNT_OF(routes)};
