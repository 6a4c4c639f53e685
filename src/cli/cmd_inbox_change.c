/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usher inbox retry, purge, and erase: in bounded steps, so that a server beside us is not held up.
 */
#include <inttypes.h>

#include "cli/beside.h"
#include "os/clock.h"
#include "store/handlers.h"

static void
say_gone(struct buf *text, bool is_json, int64_t count, const char *things)
{
    if (is_json)
        buf_printf(text, "{\"erased\":%" PRId64 "}\n", count);
    else
        buf_printf(text, "%" PRId64 " %s gone\n", count, things);
}

/* --- retry ------------------------------------------------------------------------------------ */

struct retry_arguments {
    const char *id;
    const char *handler;
    const char *source;
    const char *since;
    bool is_dead;
    bool is_json;
};

struct retry {
    int64_t inbox_pk; /* 0: all that match */
    struct inbox_retry_query query;
    struct walltime now;
    int64_t from_pk;
    int64_t count;
};

static enum err
parse_retry(const struct retry_arguments *arguments, struct retry *ret, struct error *reterr)
{
    struct retry retry = {
        .now = clock_walltime(&clock_system),
        .query =
            {
                .handler = str_from(arguments->handler),
                .source = str_from(arguments->source),
                .only_dead = arguments->is_dead,
            },
    };
    bool is_many = arguments->is_dead || arguments->since != NULL;
    enum err err = beside_time("since", arguments->since, &retry.query.since, reterr);

    if (err != OK)
        return err;
    if (is_many == (arguments->id != NULL))
        return error_set(reterr, ERR_INVALID,
            "inbox retry takes the ID of an item, or --dead, or --since TIME for all that was "
            "received since");
    if (arguments->id != NULL && arguments->source != NULL)
        return error_set(reterr, ERR_INVALID, "--source goes with --dead or --since: an ID is one");
    if (arguments->id != NULL && item_id_parse(str_from(arguments->id), &retry.inbox_pk) != OK)
        return error_set(reterr, ERR_INVALID,
            "\"%.40s\" is not the ID of an item, in_ and 16 hex digits: usher inbox list shows "
            "them",
            arguments->id);
    *ret = retry;
    return OK;
}

static enum err
retry_step(void *arg, struct engine *engine, bool *ret_over, struct error *reterr)
{
    struct retry *retry = arg;
    enum err err;

    if (retry->inbox_pk != 0) {
        *ret_over = true;
        return inbox_retry(engine, retry->inbox_pk, retry->query.handler, retry->now, &retry->count,
            reterr);
    }
    err =
        inbox_retry_step(engine, &retry->query, retry->now, &retry->from_pk, &retry->count, reterr);
    *ret_over = retry->from_pk == INT64_MAX;
    return err;
}

static void
say_retried(struct buf *text, bool is_json, int64_t count, int64_t pid)
{
    if (is_json)
        buf_printf(text, "{\"handlings\":%" PRId64 "}\n", count);
    else if (count == 0)
        buf_append_literal(text, "nothing to be handled again: what matches is in hand, or its "
                                 "handler comes to it yet\n");
    else if (pid != 0)
        buf_printf(text, "%" PRId64 " to be handled again; process %" PRId64 " was told\n", count,
            pid);
    else
        buf_printf(text, "%" PRId64 " to be handled again, when a server runs\n", count);
}

static enum err
retry_run(const struct config *config, const void *arg, struct buf *text, struct error *reterr)
{
    const struct retry_arguments *arguments = arg;
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct retry retry;
    int64_t pid;
    enum err err = parse_retry(arguments, &retry, reterr);

    if (err == OK)
        err = beside_open(config, &engine, reterr);
    if (err != OK)
        return err;
    err = beside_steps(engine, retry_step, &retry, reterr);
    /* Also where a later step failed: what the others did is to be done. */
    pid = retry.count > 0 ? beside_wake(config) : 0;
    if (err == OK)
        say_retried(text, arguments->is_json, retry.count, pid);
    return err;
}

enum exit_code
cmd_inbox_retry(int argc, const char *const *argv)
{
    struct retry_arguments arguments = {0};
    const struct command_option options[] = {
        {"handler", "NAME", "By this handler; by all that had it when not given",
            &arguments.handler, NULL},
        {"dead", NULL, "All that were given up", NULL, &arguments.is_dead},
        {"since", "TIME", "All that was received then or later; with --dead, of these",
            &arguments.since, NULL},
        {"source", "NAME", "With --dead or --since: only of this source", &arguments.source, NULL},
        {"json", NULL, "Answer in JSON", NULL, &arguments.is_json},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options),
        .operand = "ID",
        .ret_operand = &arguments.id};
    const struct beside_action action = {"usher inbox retry ID | --dead | --since TIME [OPTION...]",
        retry_run, &arguments};

    return beside_command(&line, &action);
}

/* --- purge ------------------------------------------------------------------------------------ */

struct purge_arguments {
    const char *before;
    bool also_waiting;
    bool is_json;
};

struct purge {
    struct walltime before;
    bool also_waiting;
    int64_t from_pk;
    int64_t count;
};

static enum err
purge_step(void *arg, struct engine *engine, bool *ret_over, struct error *reterr)
{
    struct purge *purge = arg;
    enum err err = inbox_purge_step(engine, purge->before, purge->also_waiting, &purge->from_pk,
        &purge->count, reterr);

    *ret_over = purge->from_pk == INT64_MAX;
    return err;
}

static enum err
purge_run(const struct config *config, const void *arg, struct buf *text, struct error *reterr)
{
    const struct purge_arguments *arguments = arg;
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct purge purge = {.also_waiting = arguments->also_waiting};
    enum err err = beside_time("before", arguments->before, &purge.before, reterr);

    if (err == OK && arguments->before == NULL)
        return error_set(reterr, ERR_INVALID,
            "inbox purge takes --before TIME: what was received earlier goes");
    if (err == OK)
        err = beside_open(config, &engine, reterr);
    if (err == OK)
        err = beside_steps(engine, purge_step, &purge, reterr);
    if (err == OK)
        err = beside_forget(engine, reterr);
    if (err == OK)
        say_gone(text, arguments->is_json, purge.count, purge.count == 1 ? "item is" : "items are");
    return err;
}

enum exit_code
cmd_inbox_purge(int argc, const char *const *argv)
{
    struct purge_arguments arguments = {0};
    const struct command_option options[] = {
        {"before", "TIME", "What was received earlier goes", &arguments.before, NULL},
        {"also-waiting", NULL, "Also what is still owed to a handler", NULL,
            &arguments.also_waiting},
        {"json", NULL, "Answer in JSON", NULL, &arguments.is_json},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options)};
    const struct beside_action action = {"usher inbox purge --before TIME [OPTION...]", purge_run,
        &arguments};

    return beside_command(&line, &action);
}

/* --- erase ------------------------------------------------------------------------------------ */

struct erase_arguments {
    const char *email;
    bool is_json;
};

struct erase {
    struct str email;
    int64_t from_pk;
    int64_t count;
};

static enum err
erase_step(void *arg, struct engine *engine, bool *ret_over, struct error *reterr)
{
    struct erase *erase = arg;
    enum err err = inbox_erase_step(engine, erase->email, &erase->from_pk, &erase->count, reterr);

    *ret_over = erase->from_pk == INT64_MAX;
    return err;
}

static enum err
erase_run(const struct config *config, const void *arg, struct buf *text, struct error *reterr)
{
    const struct erase_arguments *arguments = arg;
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct erase erase = {.email = str_from(arguments->email)};
    enum err err;

    if (arguments->email == NULL)
        return error_set(reterr, ERR_INVALID, "inbox erase takes the ADDRESS of a person");
    err = beside_open_sealed(config, &engine, reterr);
    if (err == OK)
        err = beside_steps(engine, erase_step, &erase, reterr);
    if (err == OK)
        err = beside_forget(engine, reterr);
    if (err == OK)
        say_gone(text, arguments->is_json, erase.count,
            erase.count == 1 ? "item or refused call is" : "items and refused calls are");
    return err;
}

enum exit_code
cmd_inbox_erase(int argc, const char *const *argv)
{
    struct erase_arguments arguments = {0};
    const struct command_option options[] = {
        {"json", NULL, "Answer in JSON", NULL, &arguments.is_json},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options),
        .operand = "ADDRESS",
        .ret_operand = &arguments.email};
    const struct beside_action action = {"usher inbox erase ADDRESS [OPTION...]", erase_run,
        &arguments};

    return beside_command(&line, &action);
}
