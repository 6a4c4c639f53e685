/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usher inbox quarantine: refused calls are listed, shown, let in, thrown away.
 */
#include <inttypes.h>
#include <stdio.h>

#include "cli/beside.h"
#include "cli/inbox_config.h"
#include "cli/inbox_text.h"
#include "receive/release.h"

#define PAGE_CALLS      250
#define LIMIT_MAX       100000
#define LIMIT_DEFAULT   50
#define PAGE_BYTES_MAX  ((size_t)4 * 1024 * 1024)
#define CELLS_BYTES_MAX ((size_t)256 * 1024 * 1024)

/* --- list ------------------------------------------------------------------------------------- */

struct list_arguments {
    const char *source;
    const char *limit;
    bool is_json;
};

static void
print_call(const struct quarantined *call, struct columns *columns, struct buf *text)
{
    struct json_writer writer;

    if (columns != NULL) {
        refused_columns_add(columns, call);
        return;
    }
    json_start(&writer, text);
    json_object_open(&writer);
    write_refused_fields(&writer, call);
    json_object_close(&writer);
    buf_append_char(text, '\n');
}

static enum err
print_pages(struct engine *engine, struct quarantine_query *query, int64_t limit,
    struct columns *columns, struct buf *text, struct error *reterr)
{
    CLEANUP(arena_done) struct arena arena;
    size_t count = PAGE_CALLS;

    arena_init(&arena, PAGE_BYTES_MAX);
    while (limit > 0 && count == PAGE_CALLS) {
        struct quarantined *calls = NULL;
        enum err err;

        arena_reset(&arena);
        query->limit = PAGE_CALLS;
        err = quarantine_list(engine, query, &arena, &calls, &count, reterr);
        if (err != OK)
            return err;
        for (size_t i = 0; i < count && limit > 0; i++, limit--) {
            print_call(&calls[i], columns, text);
            query->before_pk = calls[i].quarantine_pk;
        }
    }
    return OK;
}

static enum err
list(const struct config *config, const void *arg, struct buf *text, struct error *reterr)
{
    const struct list_arguments *arguments = arg;
    CLEANUP(engine_closep) struct engine *engine = NULL;
    CLEANUP(arena_done) struct arena cells;
    struct quarantine_query query = {.source = str_from(arguments->source)};
    struct columns columns;
    int64_t limit = LIMIT_DEFAULT;
    enum err err;

    arena_init(&cells, CELLS_BYTES_MAX);
    refused_columns_init(&columns, &cells);
    err = beside_limit(arguments->limit, LIMIT_MAX, &limit, reterr);
    if (err == OK)
        err = beside_open(config, &engine, reterr);
    if (err == OK)
        err =
            print_pages(engine, &query, limit, arguments->is_json ? NULL : &columns, text, reterr);
    if (err != OK)
        return err;
    if (arena_is_full(&cells))
        return error_set(reterr, ERR_NOMEM, "out of memory: take a smaller --limit");
    columns_print(&columns, text);
    return OK;
}

enum exit_code
cmd_quarantine_list(int argc, const char *const *argv)
{
    struct list_arguments arguments = {0};
    const struct command_option options[] = {
        {"source", "NAME", "Only calls to this source", &arguments.source, NULL},
        {"limit", "N", "So many at most; 50 when not given", &arguments.limit, NULL},
        {"json", NULL, "A line of JSON for each, as the API has it", NULL, &arguments.is_json},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options)};
    const struct beside_action action = {"usher inbox quarantine list [OPTION...]", list,
        &arguments};

    return beside_command(&line, &action);
}

/* --- show ------------------------------------------------------------------------------------- */

struct show_arguments {
    const char *id;
    bool is_json;
};

static enum err
parse_id(const char *text, int64_t *ret, struct error *reterr)
{
    if (text != NULL && refused_id_parse(str_from(text), ret) == OK && *ret != 0)
        return OK;
    return error_set(reterr, ERR_INVALID,
        "the ID of a refused call is re_ and 16 hex digits: usher inbox quarantine list shows "
        "them");
}

static enum err
print_whole(struct engine *engine, const struct config *config, int64_t pk, bool is_json,
    struct buf *text, struct error *reterr)
{
    CLEANUP(setup_dropp) struct setup *setup = NULL;
    CLEANUP(arena_done) struct arena arena;
    struct quarantined call;
    struct json_writer writer;
    enum err err;

    arena_init(&arena, INBOX_ARENA_BYTES_MAX);
    err = quarantine_get(engine, pk, &arena, &call, reterr);
    if (err != OK)
        return err;
    /* It only tells what is to be hidden beside what is known anyway. */
    (void)!inbox_config_setup(config, &setup, NULL);
    if (is_json) {
        json_start(&writer, text);
        err = write_refused(&writer, &arena, setup, &call);
        buf_append_char(text, '\n');
    } else {
        refused_text(text, &arena, setup, &call);
    }
    if (err != OK || arena_is_full(&arena))
        return error_set(reterr, ERR_NOMEM, "out of memory");
    return OK;
}

static enum err
show(const struct config *config, const void *arg, struct buf *text, struct error *reterr)
{
    const struct show_arguments *arguments = arg;
    CLEANUP(engine_closep) struct engine *engine = NULL;
    int64_t pk = 0;
    enum err err = parse_id(arguments->id, &pk, reterr);

    if (err == OK)
        err = beside_open_sealed(config, &engine, reterr);
    return err == OK ? print_whole(engine, config, pk, arguments->is_json, text, reterr) : err;
}

enum exit_code
cmd_quarantine_show(int argc, const char *const *argv)
{
    struct show_arguments arguments = {0};
    const struct command_option options[] = {
        {"json", NULL, "As JSON", NULL, &arguments.is_json},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options),
        .operand = "ID",
        .ret_operand = &arguments.id};
    const struct beside_action action = {"usher inbox quarantine show ID [OPTION...]", show,
        &arguments};

    return beside_command(&line, &action);
}

/* --- release ---------------------------------------------------------------------------------- */

struct release_arguments {
    const char *id;
    const char *source;
    bool is_json;
};

struct release {
    struct setup *setup;
    struct release_choice choice;
    int64_t from_pk;
    struct release_tally tally;
};

static enum err
release_one_step(void *arg, struct engine *engine, bool *ret_over, struct error *reterr)
{
    struct release *release = arg;
    enum err err = OK;

    if (release->setup->source_pks == NULL)
        err = setup_register_sources(release->setup, engine, reterr);
    if (err == OK)
        err = release_step(engine, release->setup, &release->choice, &release->from_pk,
            &release->tally, reterr);
    *ret_over = release->from_pk == INT64_MAX;
    return err;
}

static enum err
parse_release(const struct config *config, const struct release_arguments *arguments,
    struct release *ret, struct error *reterr)
{
    struct release release = {.choice.source = str_from(arguments->source)};
    enum err err = OK;

    if (arguments->id != NULL && arguments->source != NULL)
        return error_set(reterr, ERR_INVALID, "--source does not go with an ID: take one of them");
    if (arguments->id != NULL)
        err = parse_id(arguments->id, &release.choice.only_pk, reterr);
    if (err == OK)
        err = inbox_config_setup(config, &release.setup, reterr);
    if (err != OK)
        return err;
    if (arguments->source != NULL &&
        setup_find_source(release.setup, release.choice.source) == NULL) {
        setup_drop(release.setup);
        return error_set(reterr, ERR_INVALID, "there is no [source %.64s] in %s", arguments->source,
            config->file);
    }
    *ret = release;
    return OK;
}

static void
say_released(struct buf *text, bool is_json, const struct release_tally *tally)
{
    buf_printf(text,
        is_json ? "{\"released\":%" PRId64 ",\"duplicates\":%" PRId64 ",\"stillRefused\":%" PRId64
                  "}\n"
                : "%" PRId64 " released, %" PRId64 " duplicates, %" PRId64 " still refused\n",
        tally->released, tally->duplicates, tally->still_refused);
}

static enum err
release_run(const struct config *config, const void *arg, struct buf *text, struct error *reterr)
{
    const struct release_arguments *arguments = arg;
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct release release = {.setup = NULL};
    enum err err = parse_release(config, arguments, &release, reterr);

    if (err == OK)
        err = beside_open_sealed(config, &engine, reterr);
    if (err == OK)
        err = beside_steps(engine, release_one_step, &release, reterr);
    if (release.tally.released > 0)
        (void)beside_wake(config);
    if (err == OK)
        say_released(text, arguments->is_json, &release.tally);
    setup_drop(release.setup);
    return err;
}

enum exit_code
cmd_quarantine_release(int argc, const char *const *argv)
{
    struct release_arguments arguments = {0};
    const struct command_option options[] = {
        {"source", "NAME", "Only calls to this source; all when neither it nor ID is given",
            &arguments.source, NULL},
        {"json", NULL, "Answer in JSON", NULL, &arguments.is_json},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options),
        .operand = "ID",
        .ret_operand = &arguments.id};
    const struct beside_action action = {"usher inbox quarantine release [ID] [OPTION...]",
        release_run, &arguments};

    return beside_command(&line, &action);
}

/* --- clear ------------------------------------------------------------------------------------ */

struct clear_arguments {
    const char *source;
    bool is_all;
    bool is_json;
};

struct clear {
    struct str source;
    int64_t count;
};

static enum err
clear_step(void *arg, struct engine *engine, bool *ret_over, struct error *reterr)
{
    struct clear *clear = arg;

    *ret_over = true;
    return quarantine_clear(engine, clear->source, &clear->count, reterr);
}

static enum err
clear_run(const struct config *config, const void *arg, struct buf *text, struct error *reterr)
{
    const struct clear_arguments *arguments = arg;
    CLEANUP(engine_closep) struct engine *engine = NULL;
    struct clear clear = {.source = str_from(arguments->source)};
    enum err err;

    if (arguments->is_all == (arguments->source != NULL))
        return error_set(reterr, ERR_INVALID,
            "inbox quarantine clear takes --source NAME, or --all");
    err = beside_open(config, &engine, reterr);
    if (err == OK)
        err = beside_steps(engine, clear_step, &clear, reterr);
    if (err != OK)
        return err;
    if (arguments->is_json)
        buf_printf(text, "{\"erased\":%" PRId64 "}\n", clear.count);
    else
        buf_printf(text, "%" PRId64 " refused %s gone\n", clear.count,
            clear.count == 1 ? "call is" : "calls are");
    return OK;
}

enum exit_code
cmd_quarantine_clear(int argc, const char *const *argv)
{
    struct clear_arguments arguments = {0};
    const struct command_option options[] = {
        {"source", "NAME", "Calls to this source go", &arguments.source, NULL},
        {"all", NULL, "All calls go", NULL, &arguments.is_all},
        {"json", NULL, "Answer in JSON", NULL, &arguments.is_json},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options)};
    const struct beside_action action = {
        "usher inbox quarantine clear --source NAME | --all [OPTION...]", clear_run, &arguments};

    return beside_command(&line, &action);
}
