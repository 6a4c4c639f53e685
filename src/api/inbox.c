/* SPDX-License-Identifier: Apache-2.0 */
#include "api/inbox.h"

#include "api/objects.h"
#include "receive/handler.h"
#include "store/accounts.h"

#define INBOX "/api/v1/inbox"

enum err
inbox_account_check(struct call *call)
{
    if (call->account_pk == ACCOUNT_FIRST_PK)
        return OK;
    return call_problem(call, 404, "there is no %.*s here", STR_FMT(str_slice(call->path, 0, 200)));
}

/* --- lists ------------------------------------------------------------------------------------ */

static void
read_status(struct call *call, enum inbox_status *inout)
{
    struct str text = call_query(call, STR("status"));

    if (text.ptr != NULL && inbox_status_parse(text, inout) != OK)
        fault_add(&call->faults, STR("?status"), "must be waiting, dead or settled");
}

static void
read_flag(struct call *call, unsigned *inout)
{
    struct str text = call_query(call, STR("flag"));
    enum item_flag flag;

    if (text.ptr == NULL)
        return;
    if (item_flag_parse(text, &flag) == OK)
        *inout = flag;
    else
        fault_add(&call->faults, STR("?flag"),
            "must be unrecognised, contradictory, stale or released");
}

static void
check_email(struct call *call, struct str email)
{
    const char *wrong = email.ptr != NULL ? email_is_wrong(email) : NULL;

    if (wrong != NULL)
        fault_add(&call->faults, STR("?email"), "%s", wrong);
}

static enum err
read_query(struct call *call, struct inbox_query *ret)
{
    struct inbox_query query = {
        .source = call_query(call, STR("source")),
        .email = call_query(call, STR("email")),
    };
    struct page page;
    enum err err = call_page(call, &page);

    read_status(call, &query.status);
    read_flag(call, &query.flags);
    check_email(call, query.email);
    call_query_time(call, STR("after"), &query.after);
    call_query_time(call, STR("before"), &query.before);
    if (err != OK || call->faults.count > 0)
        return call_refuse(call);
    query.before_pk = page.before_pk;
    query.limit = (size_t)page.limit;
    *ret = query;
    return OK;
}

static enum err
list_items(struct call *call, struct engine *engine)
{
    struct inbox_query query;
    struct inbox_rows rows;
    struct json_writer writer;
    enum err err = inbox_account_check(call);

    if (err == OK)
        err = read_query(call, &query);
    if (err == OK)
        err = inbox_rows_read(engine, &query, &call->arena, &rows, &call->store_call.error);
    if (err != OK)
        return err;
    writer = call_answer(call, 200);
    page_open(&writer);
    for (size_t i = 0; i < rows.count; i++)
        write_inbox_row(&writer, &rows.list[i]);
    page_close(call, &writer, rows.next_pk != 0, rows.next_pk);
    return OK;
}

static enum err
path_item(const struct call *call, int64_t *ret)
{
    return item_id_parse(call->params[0], ret) == OK ? OK : ERR_NOT_FOUND;
}

static enum err
show_item(struct call *call, struct engine *engine)
{
    CLEANUP(arena_done) struct arena arena;
    struct inbox_whole whole;
    struct json_writer writer;
    int64_t inbox_pk = 0;
    enum err err = inbox_account_check(call);

    arena_init(&arena, INBOX_ARENA_BYTES_MAX);
    if (err == OK)
        err = path_item(call, &inbox_pk);
    if (err == OK)
        err = inbox_whole_read(engine, inbox_pk, &arena, &whole, &call->store_call.error);
    if (err != OK)
        return err;
    writer = call_answer(call, 200);
    err = write_inbox_whole(&writer, &arena, &whole);
    return err == OK ? OK : error_set(&call->store_call.error, err, "out of memory for an item");
}

/* --- handle again ----------------------------------------------------------------------------- */

static enum err
answer_count(struct call *call, int status, struct str name, int64_t count)
{
    struct json_writer writer = call_answer(call, status);

    json_object_open(&writer);
    json_field_int(&writer, name, count);
    json_object_close(&writer);
    return OK;
}

/* A name that the store does not know is a fault of the body. From the end on nothing is done but
 * to look at the names. */
static enum err
check_name(struct call *call, struct engine *engine, const struct inbox_retry_query *named,
    struct str pointer)
{
    struct error error = {.code = OK};
    int64_t from_pk = INT64_MAX;
    int64_t count = 0;
    enum err err = inbox_retry_step(engine, named, call->now, &from_pk, &count, &error);

    if (err == ERR_NOT_FOUND) {
        fault_add(&call->faults, pointer, "%s", error.text);
        return OK;
    }
    if (err != OK)
        call->store_call.error = error;
    return err;
}

static enum err
check_names(struct call *call, struct engine *engine, struct str handler, struct str source)
{
    const struct inbox_retry_query of_handler = {.handler = handler};
    const struct inbox_retry_query of_source = {.source = source};
    enum err err = check_name(call, engine, &of_handler, STR("/handler"));

    if (err == OK)
        err = check_name(call, engine, &of_source, STR("/source"));
    return err == OK && call->faults.count > 0 ? call_refuse(call) : err;
}

static enum err
retry_item(struct call *call, struct engine *engine)
{
    struct str handler = {NULL, 0};
    struct field_reader reader;
    int64_t inbox_pk = 0;
    int64_t count = 0;
    enum err err = inbox_account_check(call);

    if (err == OK)
        err = path_item(call, &inbox_pk);
    if (err != OK)
        return err;
    if (call->body != NULL) {
        field_reader_start(&reader, call->body, &call->faults);
        (void)field_text(&reader, STR("handler"), HANDLER_NAME_BYTES_MAX, &handler);
        field_reader_end(&reader);
    }
    err = check_names(call, engine, handler, (struct str){NULL, 0});
    if (err == OK)
        err = inbox_retry(engine, inbox_pk, handler, call->now, &count, &call->store_call.error);
    if (err != OK)
        return err;
    call_wake_handlers(call);
    return answer_count(call, 202, STR("handlings"), count);
}

/* How far steps have come as of the last that was committed, and of the one under way: by the
 * parity of call->step (http/call.h). */
struct inbox_steps {
    struct inbox_retry_query retry;

    struct {
        int64_t from_pk;
        int64_t count;
    } at[2];
};

static enum err
steps_start(struct call *call, const struct inbox_retry_query *retry)
{
    struct inbox_steps *steps = ARENA_NEW(&call->arena, struct inbox_steps);

    if (steps == NULL)
        return error_set(&call->store_call.error, ERR_NOMEM, "out of memory");
    if (retry != NULL)
        steps->retry = *retry;
    call->prepared = steps;
    return OK;
}

static void
steps_go_on(struct call *call, int64_t from_pk, int64_t count)
{
    struct inbox_steps *steps = call->prepared;
    unsigned next = (call->step + 1) % 2;

    steps->at[next].from_pk = from_pk;
    steps->at[next].count = count;
    if (from_pk != INT64_MAX)
        call_again(call);
}

static enum err
read_retry(struct call *call, struct inbox_retry_query *ret)
{
    struct inbox_retry_query query = {.only_dead = true};
    struct str since = {NULL, 0};
    struct field_reader reader;

    if (call->body != NULL) {
        field_reader_start(&reader, call->body, &call->faults);
        (void)field_text(&reader, STR("handler"), HANDLER_NAME_BYTES_MAX, &query.handler);
        (void)field_text(&reader, STR("source"), SOURCE_NAME_BYTES_MAX, &query.source);
        (void)field_bool(&reader, STR("onlyDead"), &query.only_dead);
        if (field_text(&reader, STR("since"), 64, &since) &&
            walltime_parse(since, &query.since) != OK)
            field_fault(&reader, STR("since"), "must be a time such as 2024-03-15T10:00:00Z");
        if (since.ptr == NULL && !query.only_dead)
            field_fault(&reader, STR("since"), "is required where onlyDead is false");
        field_reader_end(&reader);
    }
    if (call->faults.count > 0)
        return call_refuse(call);
    *ret = query;
    return OK;
}

static enum err
retry_start(struct call *call, struct engine *engine)
{
    struct inbox_retry_query query;
    enum err err = inbox_account_check(call);

    if (err == OK)
        err = read_retry(call, &query);
    if (err == OK)
        err = check_names(call, engine, query.handler, query.source);
    return err == OK ? steps_start(call, &query) : err;
}

static enum err
retry_items(struct call *call, struct engine *engine)
{
    struct inbox_steps *steps;
    enum err err = call->step == 0 ? retry_start(call, engine) : OK;
    int64_t from_pk;
    int64_t count;

    if (err != OK)
        return err;
    steps = call->prepared;
    from_pk = steps->at[call->step % 2].from_pk;
    count = steps->at[call->step % 2].count;
    err = inbox_retry_step(engine, &steps->retry, call->now, &from_pk, &count,
        &call->store_call.error);
    if (err != OK)
        return err;
    call_wake_handlers(call);
    steps_go_on(call, from_pk, count);
    return answer_count(call, 202, STR("handlings"), count);
}

/* --- delete ----------------------------------------------------------------------------------- */

struct removal {
    struct str email; /* absent: what is old */
    struct walltime before;
    bool also_waiting;
};

static enum err
read_removal(struct call *call, struct removal *ret)
{
    struct removal removal = {.email = call_query(call, STR("email"))};
    struct str before = call_query(call, STR("before"));

    check_email(call, removal.email);
    call_query_time(call, STR("before"), &removal.before);
    call_query_bool(call, STR("alsoWaiting"), &removal.also_waiting);
    if (removal.email.ptr == NULL && before.ptr == NULL)
        fault_add(&call->faults, STR("?email"),
            "is required: whose items are to go, or before, to take away what is old");
    if (removal.email.ptr != NULL && before.ptr != NULL)
        fault_add(&call->faults, STR("?before"), "does not go with email: take one of them");
    if (before.ptr == NULL && call_query(call, STR("alsoWaiting")).ptr != NULL)
        fault_add(&call->faults, STR("?alsoWaiting"), "goes with before alone");
    if (call->faults.count > 0)
        return call_refuse(call);
    *ret = removal;
    return OK;
}

static enum err
remove_items(struct call *call, struct engine *engine)
{
    struct error *error = &call->store_call.error;
    struct inbox_steps *steps;
    struct removal removal = {.also_waiting = false};
    enum err err = inbox_account_check(call);
    int64_t from_pk;
    int64_t count;

    if (err == OK)
        err = read_removal(call, &removal);
    if (err == OK && call->step == 0)
        err = steps_start(call, NULL);
    if (err != OK)
        return err;
    steps = call->prepared;
    from_pk = steps->at[call->step % 2].from_pk;
    count = steps->at[call->step % 2].count;
    if (removal.email.ptr != NULL)
        err = inbox_erase_step(engine, removal.email, &from_pk, &count, error);
    else
        err =
            inbox_purge_step(engine, removal.before, removal.also_waiting, &from_pk, &count, error);
    if (err != OK)
        return err;
    steps_go_on(call, from_pk, count);
    return answer_count(call, 200, STR("erased"), count);
}

static const struct route routes[] = {
    {.method = "GET",
        .path = INBOX,
        .scope = SCOPE_INBOX,
        .query = "limit cursor source status email flag after before",
        .perform = list_items},
    {.method = "DELETE",
        .path = INBOX,
        .scope = SCOPE_INBOX,
        .writes = true,
        .query = "email before alsoWaiting",
        .perform = remove_items},
    {.method = "POST",
        .path = INBOX "/retry",
        .scope = SCOPE_INBOX,
        .writes = true,
        .body = BODY_OPTIONAL_JSON,
        .perform = retry_items},
    {.method = "GET", .path = INBOX "/{id}", .scope = SCOPE_INBOX, .perform = show_item},
    {.method = "POST",
        .path = INBOX "/{id}/retry",
        .scope = SCOPE_INBOX,
        .writes = true,
        .body = BODY_OPTIONAL_JSON,
        .perform = retry_item},
};

const struct route_table api_inbox_routes = {routes, COUNT_OF(routes)};
