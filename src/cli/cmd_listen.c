/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <usher/usher.h>

#include "base/digest.h"
#include "cli/cmd.h"
#include "cli/interrupt.h"
#include "cli/listen_forward.h"
#include "cli/listen_show.h"
#include "net/http_server.h"

#define LISTEN_ADDRESS         "127.0.0.1:8090"
#define HEAD_MS                INT64_C(10000)
#define BODY_MS                INT64_C(30000)
#define IDLE_MS                INT64_C(60000)
#define LISTEN_CONNECTIONS_MAX 256 /* below the usual limit of descriptors */
/* A body, each byte of which may come out as three, and what is said of it. */
#define SAY_BYTES_MAX ((size_t)4 * HTTP_BODY_BYTES_MAX)

struct listen_arguments {
    const char *secret;
    const char *secret_file;
    const char *forward;
    const char *status;
    bool shows_body;
};

struct listener {
    struct loop *loop;
    struct http_server *server;
    struct interrupt interrupt;
    struct forwarder *forwarder;     /* NULL: nothing is passed on */
    struct usher_verifier *verifier; /* NULL: no secret was given */
    int64_t status;
    int64_t count;
    bool shows_body;
    bool is_cut; /* nobody reads our output any more */
};

/* --- output --- */

/* Whoever read it is gone: there is nobody to listen for. */
static void
print(void *arg, struct str text)
{
    struct listener *listener = arg;

    if (listener->is_cut ||
        (fwrite(text.ptr, 1, text.len, stdout) == text.len && fflush(stdout) == 0))
        return;
    listener->is_cut = true;
    loop_stop(listener->loop);
}

/* --- calls --- */

static void
answer(struct http_request *request, int status, struct str text)
{
    const struct http_field fields[] = {
        {STR("Content-Type"), STR("text/plain; charset=utf-8")},
        {STR("Allow"), STR("POST, GET, HEAD")},
    };
    const struct http_answer told = {
        .status = status,
        .fields = fields,
        .field_count = status == 405 ? 2 : 1,
        .body = text,
    };

    http_respond(request, &told);
}

static void
on_head(struct http_request *request, int64_t *ret_body_max, void *arg)
{
    const struct http_head *head = http_request_head(request);
    struct buf *body;

    (void)arg;
    *ret_body_max = HTTP_BODY_BYTES_MAX;
    if (str_equals(head->method, STR("GET")) || str_equals(head->method, STR("HEAD"))) {
        answer(request, 200, STR("usher listen is here: POST an event to this address.\n"));
        return;
    }
    if (!str_equals(head->method, STR("POST"))) {
        answer(request, 405, STR("Calls are POSTs.\n"));
        return;
    }
    body = ARENA_NEW(http_request_arena(request), struct buf);
    if (body == NULL) {
        answer(request, 503, STR("Out of memory.\n"));
        return;
    }
    buf_init(body, HTTP_BODY_BYTES_MAX);
    http_request_set(request, body);
}

static void
on_body(struct http_request *request, struct str piece, void *arg)
{
    (void)arg;
    buf_append_str(http_request_get(request), piece);
}

static void
on_end(struct http_request *request, void *arg)
{
    struct listener *listener = arg;
    struct buf *body = http_request_get(request);
    const struct shown_call call = {
        .number = ++listener->count,
        .at = clock_walltime(&clock_system),
        .head = http_request_head(request),
        .body = buf_str(body),
        .shows_body = listener->shows_body,
    };
    struct buf say;

    if (buf_is_full(body)) {
        buf_done(body);
        answer(request, 503, STR("Out of memory.\n"));
        return;
    }
    buf_init(&say, SAY_BYTES_MAX);
    call_show(&call, listener->verifier, &say);
    print(listener, buf_is_full(&say) ? STR("A call was too large to be shown.\n") : buf_str(&say));
    buf_done(&say);
    if (listener->forwarder != NULL)
        forwarder_pass(listener->forwarder, call.number, call.head, call.body);
    buf_done(body);
    answer(request, (int)listener->status, STR(""));
}

static void
on_gone(struct http_request *request, void *arg)
{
    struct buf *body = http_request_get(request);

    (void)arg;
    if (body != NULL)
        buf_done(body);
}

static void
on_interrupt(void *arg)
{
    struct listener *listener = arg;

    loop_stop(listener->loop);
}

/* --- opening --- */

/* The first line is for programs, too: what listens where. */
static void
say_how_to_call(const struct listener *listener)
{
    struct address address = http_server_address(listener->server);
    char text[ADDRESS_TEXT_BYTES];

    address_format(&address, text);
    (void)fprintf(stderr,
        "listening on http://%s\n"
        "Every POST there, at any path, is answered %lld and shown here. Ctrl-C ends it.\n"
        "\n"
        "From this machine:  usher send --url http://%s/\n"
        "From elsewhere:     let a tunnel or a reverse proxy lead here, such as one of\n"
        "                        cloudflared tunnel --url http://%s\n"
        "                        ngrok http %u\n"
        "                    and give senders the https address that it names.\n"
        "\n",
        text, (long long)listener->status, text, text, (unsigned)address_port(&address));
}

static enum err
make_verifier(struct listener *listener, const struct listen_arguments *arguments,
    struct error *reterr)
{
    enum usher_result result = USHER_OK;
    struct buf secret;
    enum err err;

    buf_init(&secret, CMD_SECRET_BYTES_MAX);
    err = cmd_read_secret("secret", arguments->secret, arguments->secret_file, &secret, reterr);
    if (err == OK && secret.len > 0)
        result = usher_verifier_new(secret.ptr, NULL, LISTEN_TOLERANCE_S, &listener->verifier);
    if (err == OK && result != USHER_OK)
        err = error_set(reterr, ERR_INVALID,
            "--secret: what verifies begins with whsec_ or whpk_, with base64 behind it");
    if (secret.ptr != NULL)
        wipe(secret.ptr, secret.len);
    buf_done(&secret);
    return err;
}

static enum err
open_server(struct listener *listener, const struct config *config, struct error *reterr)
{
    const struct http_handler handler = {
        .on_head = on_head,
        .on_body = on_body,
        .on_end = on_end,
        .on_gone = on_gone,
        .arg = listener,
    };
    struct http_server_options options = {
        .head_ms = HEAD_MS,
        .body_ms = BODY_MS,
        .idle_ms = IDLE_MS,
        .connections_max = LISTEN_CONNECTIONS_MAX,
    };
    enum err err = address_parse(str_from(config->listen), &options.listen, reterr);

    if (err == OK)
        err = http_server_new(listener->loop, &options, &handler, &listener->server, reterr);
    return err;
}

static enum err
open_listener(struct listener *listener, const struct config *config,
    const struct listen_arguments *arguments, struct error *reterr)
{
    struct forwarder_options options = {
        .config = config,
        .url = arguments->forward,
        .say = print,
        .arg = listener,
    };
    enum err err = make_verifier(listener, arguments, reterr);

    listener->status = 200;
    listener->shows_body = arguments->shows_body;
    if (err == OK)
        err = cmd_read_number("status", arguments->status, 599, &listener->status, reterr);
    if (err == OK && listener->status < 200)
        err = error_set(reterr, ERR_INVALID, "--status: \"%s\" is not a number from 200 to 599",
            arguments->status);
    if (err == OK)
        err = loop_new(0, &listener->loop, reterr);
    options.loop = listener->loop;
    if (err == OK && arguments->forward != NULL) {
        err = forwarder_new(&options, &listener->forwarder, reterr);
        if (err == ERR_INVALID)
            (void)error_prefix(reterr, "--forward");
    }
    if (err == OK)
        err = interrupt_open(&listener->interrupt, listener->loop, on_interrupt, listener, reterr);
    if (err == OK)
        err = open_server(listener, config, reterr);
    return err;
}

static void
close_listener(struct listener *listener)
{
    if (listener->server != NULL)
        http_server_free(listener->server);
    interrupt_close(&listener->interrupt);
    forwarder_free(listener->forwarder);
    usher_verifier_free(listener->verifier);
    loop_free(listener->loop);
}

static enum err
listen_until_stopped(const struct config *config, const struct listen_arguments *arguments,
    struct error *reterr)
{
    struct listener listener = {0};
    enum err err = open_listener(&listener, config, arguments, reterr);

    if (err == OK) {
        say_how_to_call(&listener);
        loop_run(listener.loop);
        (void)fprintf(stderr, "%lld calls\n", (long long)listener.count);
        if (listener.is_cut)
            err = error_set(reterr, ERR_IO, "cannot write to standard output");
    }
    close_listener(&listener);
    return err;
}

enum exit_code
cmd_listen(int argc, const char *const *argv)
{
    struct listen_arguments arguments = {0};
    const struct command_option options[] = {
        {"secret", "SECRET", "Judge signatures with this, whsec_... or whpk_...", &arguments.secret,
            NULL},
        {"secret-file", "FILE", "Or with what stands in this file, that only you may read",
            &arguments.secret_file, NULL},
        {"forward", "URL", "Pass each call on as it came, and say what was answered there",
            &arguments.forward, NULL},
        {"status", "N", "Answer this, from 200 to 599, instead of 200", &arguments.status, NULL},
        {"body", NULL, "Print the bodies as they came, too", NULL, &arguments.shows_body},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options),
        .listen = LISTEN_ADDRESS};
    struct error error = {.code = OK};
    struct config config;
    enum exit_code code;
    enum err err;

    if (!cmd_start(&config, &line, "usher listen [OPTION...]", &code))
        return code;
    err = listen_until_stopped(&config, &arguments, &error);
    config_done(&config);
    return err == OK ? EXIT_STOPPED : cmd_fail(&error);
}
