/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "cli/ask.h"
#include "cli/cmd.h"
#include "cli/subscribe.h"

#define ANSWER_BYTES_MAX ((size_t)HTTP_ANSWER_BYTES_MAX)
#define BODY_BYTES_MAX   ((size_t)64 * 1024)
#define SAY_BYTES_MAX    ((size_t)512 * 1024)
#define KEY_VARIABLE     "USHER_API_KEY"

struct subscribe_arguments {
    const char *api;
    const char *key;
    const char *key_file;
    struct subscribe hook;
};

/* --- the key --- */

static const char *
key_of_environment(void)
{
    static const char prefix[] = KEY_VARIABLE "=";

    for (const char *const *at = cmd_environment(); *at != NULL; at++) {
        if (strncmp(*at, prefix, sizeof(prefix) - 1) == 0)
            return *at + sizeof(prefix) - 1;
    }
    return NULL;
}

static enum err
read_key(const struct subscribe_arguments *arguments, struct buf *key, struct error *reterr)
{
    const char *text = arguments->key;
    enum err err;

    if (text == NULL && arguments->key_file == NULL)
        text = key_of_environment();
    err = cmd_read_secret("api-key", text, arguments->key_file, key, reterr);
    if (err != OK)
        return err;
    if (key->len == 0)
        return error_set(reterr, ERR_INVALID,
            "the API's key is missing: put it into " KEY_VARIABLE
            ", or into a file for --api-key-file, or behind --api-key");
    return OK;
}

/* --- the request --- */

static enum err
check(const struct subscribe_arguments *arguments, struct error *reterr)
{
    struct error error = {.code = OK};
    struct arena arena;
    struct url url;
    enum err err;

    if (arguments->api == NULL)
        return error_set(reterr, ERR_INVALID,
            "--api is missing: where hooks are registered, such as http://127.0.0.1:8080");
    if (arguments->hook.hook_url == NULL)
        return error_set(reterr, ERR_INVALID,
            "--hook-url is missing: what is to be called, such as https://example.com/in/webinars");
    if (arguments->hook.event == NULL)
        return error_set(reterr, ERR_INVALID,
            "--event is missing: what it is called for, such as webinar.created.single");
    arena_init(&arena, BODY_BYTES_MAX);
    err = url_parse(str_from(arguments->hook.hook_url), &arena, &url, &error);
    if (err == OK)
        err = url_parse(str_from(arguments->api), &arena, &url, reterr);
    else
        (void)error_set(reterr, err, "--hook-url: %s", error.text);
    if (err != OK && error.code == OK)
        (void)error_prefix(reterr, "--api");
    arena_done(&arena);
    if (err == OK && (!str_is_utf8(str_from(arguments->hook.event)) ||
                         !str_is_utf8(str_from(arguments->hook.webinar)) ||
                         !str_is_utf8(str_from(arguments->hook.mango))))
        return error_set(reterr, ERR_INVALID, "--event, --webinar and --mango are UTF-8");
    return err;
}

static enum err
refused(int status, struct str answer, struct error *reterr)
{
    struct buf reason;
    bool has_reason;

    buf_init(&reason, 8192);
    ask_reason_append(&reason, answer);
    has_reason = reason.len > 0;
    if (status >= 300 && status < 400)
        (void)error_set(reterr, ERR_IO,
            "the API answered %d: it is elsewhere now, and is not followed there; name its new "
            "address with --api",
            status);
    else
        (void)error_set(reterr, ERR_IO, "the API answered %d%s%.*s", status, has_reason ? ": " : "",
            STR_FMT(buf_str(&reason)));
    buf_done(&reason);
    return ERR_IO;
}

struct request {
    struct buf key;
    struct buf target;
    struct buf head;
    struct buf body;
    struct buf answer;
};

static void
request_done(struct request *request)
{
    if (request->key.ptr != NULL)
        wipe(request->key.ptr, request->key.len);
    if (request->head.ptr != NULL)
        wipe(request->head.ptr, request->head.len);
    if (request->answer.ptr != NULL)
        wipe(request->answer.ptr, request->answer.len);
    buf_done(&request->key);
    buf_done(&request->target);
    buf_done(&request->head);
    buf_done(&request->body);
    buf_done(&request->answer);
}

/* Header by header and name by name as in the document. */
static enum err
request_ask(struct request *request, struct asker *asker, const struct subscribe *hook,
    int *ret_status, struct error *reterr)
{
    enum err err = subscribe_target(&asker->url, &request->target, reterr);
    struct buf *head = &request->head;

    if (err != OK)
        return err;
    subscribe_body(hook, &request->body);
    asker_head(asker, buf_str(&request->target), head);
    ask_field(head, STR("accept"), STR("application/json"));
    ask_field(head, STR("x-api-key"), buf_str(&request->key));
    ask_field(head, STR("Content-Type"), STR("application/json"));
    ask_head_end(head, request->body.len);
    if (buf_is_full(head) || buf_is_full(&request->body))
        return error_set(reterr, ERR_INVALID, "the request is too large");
    return asker_ask(asker, buf_str(head), buf_str(&request->body), &request->answer, ret_status,
        reterr);
}

static enum err
run(const struct config *config, const struct subscribe_arguments *arguments, struct buf *say,
    struct error *reterr)
{
    CLEANUP(loop_freep) struct loop *loop = NULL;
    struct request request;
    struct asker asker = {0};
    bool is_understood = false;
    int status = 0;
    enum err err;

    buf_init(&request.key, CMD_SECRET_BYTES_MAX);
    buf_init(&request.target, BODY_BYTES_MAX);
    buf_init(&request.head, ASK_HEAD_BYTES_MAX);
    buf_init(&request.body, BODY_BYTES_MAX);
    buf_init(&request.answer, ANSWER_BYTES_MAX);
    err = read_key(arguments, &request.key, reterr);
    if (err == OK)
        err = loop_new(0, &loop, reterr);
    if (err == OK)
        err = asker_init(&asker, loop, config, arguments->api, 1, reterr);
    if (err == OK)
        err = request_ask(&request, &asker, &arguments->hook, &status, reterr);
    asker_done(&asker);
    if (err == OK && (status < 200 || status >= 300))
        err = refused(status, buf_str(&request.answer), reterr);
    if (err == OK)
        subscribe_report(&arguments->hook, status, buf_str(&request.answer), say, &is_understood);
    request_done(&request);
    return err;
}

enum exit_code
cmd_subscribe(int argc, const char *const *argv)
{
    struct subscribe_arguments arguments = {0};
    const struct command_option options[] = {
        {"api", "URL", "Where hooks are registered: usher serve's address, or TagMango's",
            &arguments.api, NULL},
        {"api-key", "KEY", "The key there; better in " KEY_VARIABLE ", which others cannot read",
            &arguments.key, NULL},
        {"api-key-file", "FILE", "Or a file that holds it, and that only you may read",
            &arguments.key_file, NULL},
        {"event", "NAME", "What is told of, such as webinar.created.single", &arguments.hook.event,
            NULL},
        {"hook-url", "URL", "What is called then", &arguments.hook.hook_url, NULL},
        {"webinar", "ID", "Only of this webinar", &arguments.hook.webinar, NULL},
        {"mango", "ID", "Only of this mango", &arguments.hook.mango, NULL},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options)};
    struct error error = {.code = OK};
    struct config config;
    struct buf say;
    enum exit_code code;
    enum err err;

    if (!cmd_start(&config, &line,
            "usher subscribe --api URL --event NAME --hook-url URL [OPTION...]", &code))
        return code;
    buf_init(&say, SAY_BYTES_MAX);
    err = check(&arguments, &error);
    if (err == OK)
        err = run(&config, &arguments, &say, &error);
    config_done(&config);
    if (err == OK)
        return cmd_print(&say);
    buf_done(&say);
    return cmd_fail(&error);
}
