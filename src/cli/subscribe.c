/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/subscribe.h"

#include <ctype.h>

#include "base/json.h"
#include "cli/printable.h"

#define ANSWER_ARENA_BYTES ((size_t)256 * 1024)
#define SOURCE_DEFAULT     "webinars"

enum err
subscribe_target(const struct url *api, struct buf *target, struct error *reterr)
{
    struct str path = api->target;

    if (str_find(path, '?', 0) != SIZE_MAX)
        return error_set(reterr, ERR_INVALID,
            "--api: the address of the API has no query: leave out what follows the question mark");
    while (str_ends(path, STR("/")))
        path = str_slice(path, 0, path.len - 1);
    if (str_ends(path, STR(SUBSCRIBE_PATH)))
        path = str_slice(path, 0, path.len - (sizeof(SUBSCRIBE_PATH) - 1));
    buf_append_str(target, path);
    buf_append_literal(target, SUBSCRIBE_PATH);
    return buf_is_full(target) ? error_set(reterr, ERR_NOMEM, "out of memory") : OK;
}

static void
write_member(struct json_writer *writer, const char *name, const char *value)
{
    if (value == NULL)
        return;
    json_name(writer, str_from(name));
    json_string(writer, str_from(value));
}

void
subscribe_body(const struct subscribe *subscribe, struct buf *body)
{
    struct json_writer writer;

    json_start(&writer, body);
    json_object_open(&writer);
    write_member(&writer, "hookUrl", subscribe->hook_url);
    write_member(&writer, "event", subscribe->event);
    write_member(&writer, "webinar", subscribe->webinar);
    write_member(&writer, "mango", subscribe->mango);
    json_object_close(&writer);
}

/* --- the answer --- */

static struct str
text_of(const struct json *object, struct str name)
{
    const struct json *member = json_find(object, name);

    return member != NULL && member->kind == JSON_STRING ? member->text : (struct str){NULL, 0};
}

/* What the section of the receiver is called, by the hook's address: https://host/in/NAME. */
static struct str
source_name(const char *hook_url)
{
    struct str url = str_from(hook_url);
    struct str rest = {NULL, 0};
    struct str name = {NULL, 0};

    for (size_t at = str_find(url, '/', 0); at != SIZE_MAX; at = str_find(url, '/', at + 1)) {
        if (str_starts(str_slice(url, at, url.len), STR("/in/"))) {
            rest = str_slice(url, at + 4, url.len);
            break;
        }
    }
    while (name.len < rest.len && (isalnum((unsigned char)rest.ptr[name.len]) ||
                                      rest.ptr[name.len] == '-' || rest.ptr[name.len] == '_'))
        name = str_slice(rest, 0, name.len + 1);
    return name.len > 0 ? name : STR(SOURCE_DEFAULT);
}

static void
write_advice(const struct subscribe *subscribe, struct str secret, struct buf *say)
{
    struct str source = source_name(subscribe->hook_url);

    buf_append_literal(say,
        "\n"
        "Calls are signed with this secret. For \"usher receive\" it belongs into usher.conf, "
        "which\n"
        "nobody else may read (chmod 600):\n"
        "\n");
    buf_printf(say, "    [source %.*s]\n    event = ", STR_FMT(source));
    printable_append(say, str_from(subscribe->event));
    buf_append_literal(say, "\n"
                            "    accept = signature\n"
                            "    signature = standard-webhooks\n"
                            "    secret = ");
    printable_append(say, secret);
    buf_append_literal(say, "\n"
                            "\n"
                            "Keep it: it is shown only now.\n");
}

void
subscribe_report(const struct subscribe *subscribe, int status, struct str answer, struct buf *say,
    bool *ret_is_understood)
{
    struct json *json = NULL;
    struct str id = {NULL, 0};
    struct str secret = {NULL, 0};
    struct arena arena;

    arena_init(&arena, ANSWER_ARENA_BYTES);
    if (json_parse(answer, &arena, &json, NULL) == OK) {
        id = text_of(json, STR("id"));
        secret = text_of(json, STR("secret"));
    }
    *ret_is_understood = id.len > 0 && secret.len > 0;
    if (*ret_is_understood) {
        buf_append_literal(say, "The hook is registered. ");
        printable_append(say, str_from(subscribe->hook_url));
        buf_append_literal(say, "\nis called for ");
        printable_append(say, str_from(subscribe->event));
        buf_append_literal(say, ".\n\n    id      ");
        printable_append(say, id);
        buf_append_literal(say, "\n    secret  ");
        printable_append(say, secret);
        buf_append_literal(say, "\n");
        write_advice(subscribe, secret, say);
    } else {
        buf_printf(say, "The hook is registered: the answer was %d%s\n", status,
            answer.len > 0 ? " and" : ", with nothing else.");
        printable_append_lines(say, answer);
        if (answer.len > 0 && !str_ends(answer, STR("\n")))
            buf_append_literal(say, "\n");
    }
    arena_done(&arena);
}
