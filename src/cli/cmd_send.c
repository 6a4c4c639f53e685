/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <usher/usher.h>

#include "base/digest.h"
#include "cli/cmd.h"
#include "cli/send_run.h"
#include "domain/event.h"
#include "os/clock.h"
#include "receive/header_name.h"

#define CONCURRENCY_DEFAULT   8
#define FIELDS_BYTES_MAX      ((size_t)64 * 1024)
#define FIELD_VALUE_BYTES_MAX 4096
#define EVENT_NAME_BYTES_MAX  128
#define SUMMARY_BYTES_MAX     ((size_t)64 * 1024)

struct send_arguments {
    const char *url;
    const char *event;
    const char *file;
    const char *secret;
    const char *secret_file;
    const char *count;
    const char *rate;
    const char *concurrency;
    struct command_texts headers;
};

/* What the arguments come to. */
struct send {
    struct send_run_options options;
    struct send_bodies bodies;
    struct usher_signer *signer; /* owned */
    struct buf fields;
};

static enum err
add_header(struct send *send, const char *text, struct error *reterr)
{
    struct str line = str_from(text);
    struct str name = str_slice(line, 0, str_find(line, ':', 0));
    struct str value = str_trim(str_slice(line, name.len + 1, line.len));

    if (name.len == line.len || !header_name_is_token(name))
        return error_set(reterr, ERR_INVALID,
            "--header: \"%.*s\" is no name of a header: write 'name: value'",
            (int)(name.len < 100 ? name.len : 100), name.ptr);
    if (header_name_is_ours(name))
        return error_set(reterr, ERR_INVALID, "--header: %.*s is set by us: leave it out",
            STR_FMT(name));
    if (value.len > FIELD_VALUE_BYTES_MAX || !ask_field_is_sane(value))
        return error_set(reterr, ERR_INVALID,
            "--header: the value of %.*s has a control character, or more than %d bytes",
            STR_FMT(name), FIELD_VALUE_BYTES_MAX);
    if (str_equals_nocase(name, STR("content-type")))
        send->options.has_type = true;
    ask_field(&send->fields, name, value);
    return buf_is_full(&send->fields)
               ? error_set(reterr, ERR_INVALID, "--header: all of them have more than %zu bytes",
                     FIELDS_BYTES_MAX)
               : OK;
}

static enum err
make_signer(struct send *send, const struct send_arguments *arguments, struct error *reterr)
{
    enum usher_result result = USHER_OK;
    struct buf secret;
    enum err err;

    buf_init(&secret, CMD_SECRET_BYTES_MAX);
    err = cmd_read_secret("secret", arguments->secret, arguments->secret_file, &secret, reterr);
    if (err == OK && secret.len > 0)
        result = usher_signer_new(secret.ptr, NULL, &send->signer);
    if (err == OK && result != USHER_OK)
        err = error_set(reterr, ERR_INVALID,
            "--secret: what signs begins with whsec_ or whsk_, with base64 behind it");
    if (secret.ptr != NULL)
        wipe(secret.ptr, secret.len);
    buf_done(&secret);
    return err;
}

static enum err
open_bodies(struct send *send, const struct send_arguments *arguments, struct error *reterr)
{
    const char *event = arguments->event;
    struct str told = str_from(event);
    enum err err;

    if (told.len > EVENT_NAME_BYTES_MAX || !ask_field_is_sane(told))
        return error_set(reterr, ERR_INVALID, "--event: a name of at most %d bytes is expected",
            EVENT_NAME_BYTES_MAX);
    if (arguments->file != NULL) {
        err = send_bodies_file(&send->bodies, arguments->file, reterr);
        send->options.count = (int64_t)send->bodies.count;
    } else {
        if (event == NULL)
            told = str_from(event = EVENT_WEBINAR_CREATED_SINGLE);
        err = send_bodies_samples(&send->bodies, event, clock_walltime(&clock_system), reterr);
        send->options.count = 1;
    }
    send->options.event = told;
    return err;
}

static enum err
prepare(struct send *send, const struct send_arguments *arguments, struct error *reterr)
{
    struct send_run_options *options = &send->options;
    enum err err = OK;

    if (arguments->url == NULL)
        return error_set(reterr, ERR_INVALID,
            "--url is missing: where to send it, such as http://127.0.0.1:8090/in/webinars");
    options->concurrency = CONCURRENCY_DEFAULT;
    for (size_t i = 0; err == OK && i < arguments->headers.count; i++)
        err = add_header(send, arguments->headers.texts[i], reterr);
    if (err == OK)
        err = make_signer(send, arguments, reterr);
    if (err == OK)
        err = open_bodies(send, arguments, reterr);
    if (err == OK)
        err = cmd_read_number("count", arguments->count, SEND_COUNT_MAX, &options->count, reterr);
    if (err == OK)
        err = cmd_read_number("rate", arguments->rate, SEND_RATE_MAX, &options->rate, reterr);
    if (err == OK)
        err = cmd_read_number("concurrency", arguments->concurrency, SEND_CONCURRENCY_MAX,
            &options->concurrency, reterr);
    options->url = arguments->url;
    options->signer = send->signer;
    options->bodies = &send->bodies;
    options->fields = buf_str(&send->fields);
    return err;
}

static enum exit_code
run(const struct send_run_options *options)
{
    struct tally *tally = malloc(sizeof(*tally));
    struct error error = {.code = OK};
    enum exit_code code = EXIT_FAILED;
    int64_t elapsed_us = 0;
    struct buf summary;
    bool is_good;

    if (tally == NULL) {
        (void)error_set(&error, ERR_NOMEM, "out of memory");
        return cmd_fail(&error);
    }
    if (send_run(options, tally, &elapsed_us, &error) != OK) {
        if (error.code == ERR_INVALID)
            (void)error_prefix(&error, "--url");
        code = cmd_fail(&error);
    } else {
        buf_init(&summary, SUMMARY_BYTES_MAX);
        is_good = tally_is_good(tally) && tally->count == options->count;
        tally_write(tally, options->count, elapsed_us, &summary);
        code = cmd_print(&summary);
        if (!is_good)
            code = EXIT_FAILED;
    }
    free(tally);
    return code;
}

static enum exit_code
send_with(const struct config *config, const struct send_arguments *arguments)
{
    struct send send = {.options = {.config = config}};
    struct error error = {.code = OK};
    enum exit_code code;

    buf_init(&send.fields, FIELDS_BYTES_MAX);
    code = prepare(&send, arguments, &error) == OK ? run(&send.options) : cmd_fail(&error);
    send_bodies_done(&send.bodies);
    usher_signer_free(send.signer);
    buf_done(&send.fields);
    return code;
}

enum exit_code
cmd_send(int argc, const char *const *argv)
{
    struct send_arguments arguments = {0};
    const struct command_option options[] = {
        {"url", "URL", "Where to send it", &arguments.url, NULL},
        {"event", "NAME", "A sample of this; webinar.created.single when not given",
            &arguments.event, NULL},
        {"file", "FILE", "Bodies instead: one of JSON, or one on each line; - is the input",
            &arguments.file, NULL},
        {"secret", "SECRET", "Sign with this, whsec_... or whsk_...", &arguments.secret, NULL},
        {"secret-file", "FILE", "Or with what stands in this file, that only you may read",
            &arguments.secret_file, NULL},
        {"count", "N", "So many in all; 1, or the file's lines, when not given", &arguments.count,
            NULL},
        {"rate", "N", "So many a second at most", &arguments.rate, NULL},
        {"concurrency", "N", "So many at a time at most; 8 when not given", &arguments.concurrency,
            NULL},
        {"header", "TEXT", "Another header, 'name: value'; may be repeated", NULL, NULL,
            &arguments.headers},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options)};
    struct config config;
    enum exit_code code;

    if (!cmd_start(&config, &line, "usher send --url URL [OPTION...]", &code))
        return code;
    code = send_with(&config, &arguments);
    config_done(&config);
    return code;
}
