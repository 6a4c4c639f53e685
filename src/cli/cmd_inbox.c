/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usher inbox list, and show.
 */
#include <stdio.h>

#include "cli/beside.h"
#include "cli/inbox_text.h"
#include "domain/attendee.h"

/* Read at once, and what a person or a script may ask for. */
#define PAGE_ITEMS      250
#define LIMIT_MAX       100000
#define LIMIT_DEFAULT   50
#define PAGE_BYTES_MAX  ((size_t)32 * 1024 * 1024)
#define CELLS_BYTES_MAX ((size_t)256 * 1024 * 1024)

/* --- list ------------------------------------------------------------------------------------- */

struct list_arguments {
    const char *source;
    const char *status;
    const char *email;
    const char *flag;
    const char *after;
    const char *before;
    const char *limit;
    bool is_json;
};

static enum err
parse_words(const struct list_arguments *arguments, struct inbox_query *inout, struct error *reterr)
{
    struct str email = str_from(arguments->email);
    enum item_flag flag = 0;

    if (arguments->status != NULL &&
        inbox_status_parse(str_from(arguments->status), &inout->status) != OK)
        return error_set(reterr, ERR_INVALID, "--status is waiting, dead or settled");
    if (arguments->flag != NULL && item_flag_parse(str_from(arguments->flag), &flag) != OK)
        return error_set(reterr, ERR_INVALID,
            "--flag is unrecognised, contradictory, stale or released");
    if (email.ptr != NULL && email_is_wrong(email) != NULL)
        return error_set(reterr, ERR_INVALID, "--email %s", email_is_wrong(email));
    inout->flags = flag;
    inout->email = email;
    inout->source = str_from(arguments->source);
    return OK;
}

static enum err
parse_list(const struct list_arguments *arguments, struct inbox_query *ret, int64_t *ret_limit,
    struct error *reterr)
{
    struct inbox_query query = {.status = INBOX_ANY};
    int64_t limit = LIMIT_DEFAULT;
    enum err err = parse_words(arguments, &query, reterr);

    if (err == OK)
        err = beside_time("after", arguments->after, &query.after, reterr);
    if (err == OK)
        err = beside_time("before", arguments->before, &query.before, reterr);
    if (err == OK)
        err = beside_limit(arguments->limit, LIMIT_MAX, &limit, reterr);
    if (err != OK)
        return err;
    *ret = query;
    *ret_limit = limit;
    return OK;
}

/* A line of JSON for each, or a row of columns. */
static void
print_rows(const struct inbox_rows *rows, struct columns *columns, struct buf *text)
{
    for (size_t i = 0; i < rows->count; i++) {
        struct json_writer writer;

        if (columns != NULL) {
            item_columns_add(columns, &rows->list[i]);
            continue;
        }
        json_start(&writer, text);
        write_inbox_row(&writer, &rows->list[i]);
        buf_append_char(text, '\n');
    }
}

/* Page by page; *inout_left: rows that are still asked for. */
static enum err
print_pages(struct engine *engine, struct inbox_query *query, int64_t limit,
    struct columns *columns, struct buf *text, struct error *reterr)
{
    CLEANUP(arena_done) struct arena arena;
    enum err err = OK;

    arena_init(&arena, PAGE_BYTES_MAX);
    do {
        struct inbox_rows rows;

        arena_reset(&arena);
        query->limit = limit < PAGE_ITEMS ? (size_t)limit : PAGE_ITEMS;
        err = inbox_rows_read(engine, query, &arena, &rows, reterr);
        if (err != OK)
            return err;
        print_rows(&rows, columns, text);
        limit -= (int64_t)rows.count;
        query->before_pk = rows.next_pk;
    } while (limit > 0 && query->before_pk != 0);
    return OK;
}

static enum err
list(const struct config *config, const void *arg, struct buf *text, struct error *reterr)
{
    const struct list_arguments *arguments = arg;
    CLEANUP(engine_closep) struct engine *engine = NULL;
    CLEANUP(arena_done) struct arena cells;
    struct inbox_query query;
    struct columns columns;
    int64_t limit = 0;
    enum err err;

    arena_init(&cells, CELLS_BYTES_MAX);
    item_columns_init(&columns, &cells);
    err = parse_list(arguments, &query, &limit, reterr);
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
    if (query.before_pk != 0 && arguments->limit == NULL && !arguments->is_json)
        (void)fprintf(stderr, "usher: there may be more: --limit N shows them\n");
    return OK;
}

enum exit_code
cmd_inbox_list(int argc, const char *const *argv)
{
    struct list_arguments arguments = {0};
    const struct command_option options[] = {
        {"source", "NAME", "Only of this source", &arguments.source, NULL},
        {"status", "WORD", "Only those that are waiting, dead or settled", &arguments.status, NULL},
        {"email", "ADDRESS", "Only of this person", &arguments.email, NULL},
        {"flag", "WORD", "Only unrecognised, contradictory, stale or released ones",
            &arguments.flag, NULL},
        {"after", "TIME", "Received then or later", &arguments.after, NULL},
        {"before", "TIME", "Received earlier than then", &arguments.before, NULL},
        {"limit", "N", "So many at most; 50 when not given", &arguments.limit, NULL},
        {"json", NULL, "A line of JSON for each, as the API has it", NULL, &arguments.is_json},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options)};
    const struct beside_action action = {"usher inbox list [OPTION...]", list, &arguments};

    return beside_command(&line, &action);
}

/* --- show ------------------------------------------------------------------------------------- */

struct show_arguments {
    const char *id;
    bool is_json;
};

static enum err
show(const struct config *config, const void *arg, struct buf *text, struct error *reterr)
{
    const struct show_arguments *arguments = arg;
    CLEANUP(engine_closep) struct engine *engine = NULL;
    CLEANUP(arena_done) struct arena arena;
    struct inbox_whole whole;
    struct json_writer writer;
    int64_t inbox_pk = 0;
    enum err err;

    arena_init(&arena, INBOX_ARENA_BYTES_MAX);
    if (arguments->id == NULL || item_id_parse(str_from(arguments->id), &inbox_pk) != OK)
        return error_set(reterr, ERR_INVALID,
            "inbox show takes the ID of an item, in_ and 16 hex digits: usher inbox list shows "
            "them");
    err = beside_open(config, &engine, reterr);
    if (err == OK)
        err = inbox_whole_read(engine, inbox_pk, &arena, &whole, reterr);
    if (err != OK)
        return err;
    if (arguments->is_json) {
        json_start(&writer, text);
        err = write_inbox_whole(&writer, &arena, &whole);
        buf_append_char(text, '\n');
    } else {
        item_text(text, &arena, &whole);
    }
    if (err != OK || arena_is_full(&arena))
        return error_set(reterr, ERR_NOMEM, "out of memory");
    return OK;
}

enum exit_code
cmd_inbox_show(int argc, const char *const *argv)
{
    struct show_arguments arguments = {0};
    const struct command_option options[] = {
        {"json", NULL, "As JSON, with what is read from it", NULL, &arguments.is_json},
    };
    struct command_line line = {.argc = argc,
        .argv = argv,
        .options = options,
        .option_count = COUNT_OF(options),
        .operand = "ID",
        .ret_operand = &arguments.id};
    const struct beside_action action = {"usher inbox show ID [OPTION...]", show, &arguments};

    return beside_command(&line, &action);
}
