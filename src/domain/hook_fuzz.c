/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever is accepted as a hook, written out again, is accepted again and is the same hook.
 */
#include "domain/hook.h"

#include <stdio.h>

#include "base/check.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
write_text(struct json_writer *writer, struct str name, struct str text)
{
    json_name(writer, name);
    json_string_or_null(writer, text);
}

static void
write_id(struct json_writer *writer, struct str name, struct id id)
{
    char text[ID_TEXT_BYTES];

    id_format(id, text);
    write_text(writer, name, id_is_zero(id) ? (struct str){NULL, 0} : str_from(text));
}

static void
write_hook(struct buf *buf, const struct hook *hook)
{
    struct json_writer writer;
    char rate[40];

    json_start(&writer, buf);
    json_object_open(&writer);
    write_text(&writer, STR("hookUrl"), hook->url);
    write_text(&writer, STR("event"), hook->event);
    write_id(&writer, STR("webinar"), hook->webinar_id);
    write_id(&writer, STR("mango"), hook->mango_id);
    write_text(&writer, STR("description"), hook->description);
    write_text(&writer, STR("phoneFormat"), str_from(phone_format_name(hook->phone_format)));
    write_text(&writer, STR("signature"), str_from(hook_signature_name(hook->signature)));
    write_text(&writer, STR("secret"), hook->secret);
    json_name(&writer, STR("maxInFlight"));
    json_int(&writer, hook->max_in_flight);
    if (hook->rate_limit > 0) {
        (void)snprintf(rate, sizeof(rate), "%.17g", hook->rate_limit);
        json_name(&writer, STR("rateLimit"));
        json_raw(&writer, str_from(rate));
    }
    json_name(&writer, STR("headers"));
    json_object_open(&writer);
    for (size_t i = 0; i < hook->header_count; i++)
        write_text(&writer, hook->headers[i].name, hook->headers[i].value);
    json_object_close(&writer);
    json_object_close(&writer);
}

static bool
read_hook(struct str text, struct arena *arena, struct hook *ret)
{
    struct json *object = NULL;
    struct faults faults;

    faults_init(&faults, arena);
    *ret = hook_defaults();
    if (json_parse(text, arena, &object, NULL) != OK)
        return false;
    hook_read(ret, object, false, &faults);
    return faults.count_seen == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct hook hook;
    struct hook again;
    struct buf first;
    struct buf second;

    arena_init(&arena, REQUEST_ARENA_BYTES_MAX);
    buf_init(&first, REQUEST_ARENA_BYTES_MAX);
    buf_init(&second, REQUEST_ARENA_BYTES_MAX);
    if (read_hook((struct str){(const char *)data, size}, &arena, &hook)) {
        CHECK(hook.url.len > 0 && hook.event.len > 0);
        CHECK(hook.max_in_flight >= 1 && hook.max_in_flight <= HOOK_IN_FLIGHT_MAX);
        write_hook(&first, &hook);
        CHECK(read_hook(buf_str(&first), &arena, &again));
        write_hook(&second, &again);
        CHECK(str_equals(buf_str(&first), buf_str(&second)));
    }
    buf_done(&first);
    buf_done(&second);
    arena_done(&arena);
    return 0;
}
