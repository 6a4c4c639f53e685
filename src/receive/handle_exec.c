/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of the owner's for each item: the body on its input, what is known of it in its
 * environment, never in its arguments, which everybody on the machine can read.
 *
 * Exit code 0 is done, 75 (EX_TEMPFAIL) is not now, all else failed.
 */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/list.h"
#include "receive/child.h"
#include "receive/command.h"
#include "receive/handler.h"
#include "receive/refusals.h"
#include "receive/source.h"

#define VARIABLES_MAX 64
/* Linux takes no text beyond 128 KiB, and of all together no more than a quarter of the stack. */
#define VALUE_BYTES_MAX ((size_t)64 * 1024)
/* USHER_ID and the like, and those of received_value_names. */
#define OWN_VARIABLES_MAX     48
#define ENVIRONMENT_BYTES_MAX ((size_t)2 * 1024 * 1024)
/* The body, once more inside the model, and the model's own texts. */
#define INPUT_BYTES_MAX  ((size_t)4 * HTTP_BODY_BYTES_MAX)
#define HOME_BYTES_MAX   ((size_t)16 * 1024)
#define WORKER_BYTES_MAX ((size_t)256 * 1024)
#define SPARE_MAX        64
/* Memory that a run took for a large item is not kept for small ones. */
#define KEPT_BYTES_MAX ((size_t)64 * 1024)

struct exec_options {
    struct command command;
    bool sends_model;
    struct str folder;                   /* absent: the one that Usher was started in */
    struct str variables[VARIABLES_MAX]; /* "NAME=VALUE", with a NUL */
    size_t variable_count;
};

struct handler_worker {
    const struct handler *handler;
    const struct handler_place *place;
    struct child_options child_options;
    struct arena arena;
    const char *path;
    const char *folder; /* NULL: none */
    const char *variables[VARIABLES_MAX + 4];
    size_t variable_count;
    struct refusals refusals;
    struct buf value; /* of one variable, while an environment is made */
    size_t running;
    struct list spare;
    struct list let_go; /* told as ended; some have ended by now */
    size_t spare_count;
};

struct run {
    struct link link; /* alone while it runs, else in one of the worker's lists */
    struct handler_worker *worker;
    struct handling *handling;
    struct child child;
    struct buf environment; /* texts with their NULs, one behind the other */
    struct buf input;
};

/* --- settings --- */

static enum err
no_memory(struct error *reterr)
{
    return error_set(reterr, ERR_NOMEM, "out of memory for a program");
}

static enum err
set_command(struct exec_options *options, struct arena *arena, struct str value,
    struct error *reterr)
{
    struct error error = {0};
    enum err err;

    if (options->command.count > 0)
        return error_set(reterr, ERR_INVALID, "command: there is one already");
    err = command_split(value, arena, &options->command, &error);
    return err == OK ? OK : error_set(reterr, err, "command: %s", error.text);
}

static enum err
set_input(struct exec_options *options, struct str value, struct error *reterr)
{
    bool is_model = str_equals(value, STR("model"));

    if (!is_model && !str_equals(value, STR("payload")))
        return error_set(reterr, ERR_INVALID, "input: \"%.*s\" is neither payload nor model",
            STR_FMT(value));
    options->sends_model = is_model;
    return OK;
}

static enum err
set_folder(struct exec_options *options, struct arena *arena, struct str value,
    struct error *reterr)
{
    if (value.len == 0 || value.ptr[0] != '/' || str_find(value, '\0', 0) != SIZE_MAX)
        return error_set(reterr, ERR_INVALID,
            "directory: \"%.*s\" is no absolute path: it begins with /", STR_FMT(value));
    options->folder = arena_copy(arena, value);
    return options->folder.ptr != NULL ? OK : no_memory(reterr);
}

static bool
is_variable_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';

        if (!is_letter && (i == 0 || c < '0' || c > '9'))
            return false;
    }
    return name.len > 0;
}

static struct str
variable_name(struct str variable)
{
    return str_slice(variable, 0, str_find(variable, '=', 0));
}

static enum err
add_variable(struct exec_options *options, struct arena *arena, struct str value,
    struct error *reterr)
{
    struct str name = variable_name(value);

    if (name.len == value.len || !is_variable_name(name) || str_find(value, '\0', 0) != SIZE_MAX)
        return error_set(reterr, ERR_INVALID,
            "environment: \"%.*s\" is not NAME=VALUE with a name of letters, digits and _",
            STR_FMT(name));
    if (str_starts(name, STR("USHER_")))
        return error_set(reterr, ERR_INVALID, "environment: names with USHER_ are set by us");
    for (size_t i = 0; i < options->variable_count; i++) {
        if (str_equals(variable_name(options->variables[i]), name))
            return error_set(reterr, ERR_INVALID, "environment: %.*s is there twice",
                STR_FMT(name));
    }
    if (value.len > VALUE_BYTES_MAX || options->variable_count == VARIABLES_MAX)
        return error_set(reterr, ERR_INVALID,
            "environment: more than %d lines, or one of more than 64 KiB", VARIABLES_MAX);
    options->variables[options->variable_count] = arena_copy(arena, value);
    if (options->variables[options->variable_count].ptr == NULL)
        return no_memory(reterr);
    options->variable_count++;
    return OK;
}

static enum err
exec_set(struct handler *handler, struct arena *arena, struct str name, struct str value,
    struct error *reterr)
{
    struct exec_options *options = handler->options;

    if (options == NULL) {
        options = ARENA_NEW(arena, struct exec_options);
        if (options == NULL)
            return no_memory(reterr);
        handler->options = options;
    }
    if (str_equals(name, STR("command")))
        return set_command(options, arena, value, reterr);
    if (str_equals(name, STR("input")))
        return set_input(options, value, reterr);
    if (str_equals(name, STR("directory")))
        return set_folder(options, arena, value, reterr);
    if (str_equals(name, STR("environment")))
        return add_variable(options, arena, value, reterr);
    return ERR_NOT_FOUND;
}

static enum err
exec_check(const struct handler *handler, struct error *reterr)
{
    const struct exec_options *options = handler->options;

    if (options == NULL || options->command.count == 0)
        return error_set(reterr, ERR_INVALID,
            "command is missing: the program to run, such as /usr/local/bin/on-webinar");
    return OK;
}

/* --- opening --- */

static struct str
owned_variable(const struct exec_options *options, struct str name)
{
    for (size_t i = 0; i < options->variable_count; i++) {
        struct str variable = options->variables[i];

        if (str_equals(variable_name(variable), name))
            return str_slice(variable, name.len + 1, variable.len);
    }
    return (struct str){0};
}

/* The user's folder, as the system knows it. */
static struct str
home_find(struct arena *arena)
{
    char *bytes = arena_alloc(arena, HOME_BYTES_MAX);
    struct passwd row;
    struct passwd *found = NULL;

    if (bytes == NULL || getpwuid_r(geteuid(), &row, bytes, HOME_BYTES_MAX, &found) != 0 ||
        found == NULL || found->pw_dir == NULL || found->pw_dir[0] != '/')
        return STR("/");
    return str_from(found->pw_dir);
}

static void
add_default(struct handler_worker *worker, struct str name, struct str value)
{
    if (owned_variable(worker->handler->options, name).ptr == NULL)
        worker->variables[worker->variable_count++] =
            arena_printf(&worker->arena, "%.*s=%.*s", STR_FMT(name), STR_FMT(value)).ptr;
}

/* The same wherever Usher was started from; nothing of our own environment, which may hold
 * secrets. */
static enum err
prepare_variables(struct handler_worker *worker, struct error *reterr)
{
    const struct exec_options *options = worker->handler->options;

    add_default(worker, STR("PATH"), STR(COMMAND_PATH));
    add_default(worker, STR("HOME"), home_find(&worker->arena));
    add_default(worker, STR("LANG"), STR("C.UTF-8"));
    add_default(worker, STR("TZ"), STR("UTC"));
    for (size_t i = 0; i < options->variable_count; i++)
        worker->variables[worker->variable_count++] = options->variables[i].ptr;
    return arena_is_full(&worker->arena) ? no_memory(reterr) : OK;
}

static enum err
prepare_program(struct handler_worker *worker, struct error *reterr)
{
    const struct exec_options *options = worker->handler->options;
    struct str path = owned_variable(options, STR("PATH"));
    struct error error = {0};
    struct stat status;
    enum err err = command_find(str_from(options->command.words[0]),
        path.ptr != NULL ? path : STR(COMMAND_PATH), &worker->arena, &worker->path, &error);

    if (err != OK)
        return error_set(reterr, err, "command: %s", error.text);
    if (options->folder.ptr == NULL)
        return OK;
    worker->folder = options->folder.ptr;
    if (stat(worker->folder, &status) != 0 || !S_ISDIR(status.st_mode) ||
        access(worker->folder, X_OK) != 0)
        return error_set(reterr, ERR_INVALID, "directory: %s is no folder that we may enter",
            worker->folder);
    return OK;
}

static void
run_free(struct run *run)
{
    link_remove(&run->link);
    child_done(&run->child);
    buf_done(&run->environment);
    buf_done(&run->input);
    free(run);
}

static void
free_all(struct list *runs)
{
    while (!list_is_empty(runs))
        run_free(LIST_ENTRY(list_first(runs), struct run, link));
}

static void
exec_close(struct handler_worker *worker)
{
    if (worker == NULL)
        return;
    CHECK(worker->running == 0);
    free_all(&worker->spare);
    free_all(&worker->let_go);
    refusals_done(&worker->refusals);
    buf_done(&worker->value);
    arena_done(&worker->arena);
    free(worker);
}

static void
exec_closep(struct handler_worker **worker)
{
    exec_close(*worker);
}

static enum err
exec_open(const struct handler *handler, const struct handler_place *place,
    struct handler_worker **ret, struct error *reterr)
{
    CLEANUP(exec_closep) struct handler_worker *worker = calloc(1, sizeof(*worker));
    enum err err;

    if (worker == NULL)
        return no_memory(reterr);
    worker->handler = handler;
    worker->place = place;
    worker->child_options = (struct child_options){
        .loop = place->loop,
        .clock = place->clock,
        .term_us = CHILD_TERM_US,
        .kill_us = CHILD_KILL_US,
        .linger_us = CHILD_LINGER_US,
    };
    arena_init(&worker->arena, WORKER_BYTES_MAX);
    buf_init(&worker->value, ENVIRONMENT_BYTES_MAX);
    list_init(&worker->spare);
    list_init(&worker->let_go);
    if (refusals_init(&worker->refusals, place->loop, handler->concurrency) != OK)
        return no_memory(reterr);
    err = child_is_possible(reterr);
    if (err == OK)
        err = prepare_program(worker, reterr);
    if (err == OK)
        err = prepare_variables(worker, reterr);
    if (err == OK)
        *ret = TAKE(worker);
    return err;
}

/* --- the environment of one run --- */

/* A NUL would end the text: U+FFFD stands for it. What is too long is cut between characters. */
static void
append_value(struct buf *texts, struct str value)
{
    size_t len = value.len;

    if (len > VALUE_BYTES_MAX) {
        len = VALUE_BYTES_MAX;
        while (len > 0 && ((unsigned char)value.ptr[len] & 0xc0) == 0x80)
            len--;
    }
    for (size_t from = 0; from < len;) {
        size_t nul = str_find(str_slice(value, 0, len), '\0', from);
        size_t to = nul == SIZE_MAX ? len : nul;

        buf_append_str(texts, str_slice(value, from, to));
        if (to < len)
            buf_append_literal(texts, "\xef\xbf\xbd");
        from = to + 1;
    }
}

static void
append_variable(struct buf *texts, const char *name, struct str value)
{
    buf_append_literal(texts, "USHER_");
    for (; *name != '\0'; name++)
        buf_append_char(texts, *name >= 'a' && *name <= 'z' ? (char)(*name - 'a' + 'A') : *name);
    buf_append_char(texts, '=');
    append_value(texts, value);
    buf_append_char(texts, '\0');
}

static void
append_number(struct buf *texts, const char *name, int64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    append_variable(texts, name, str_from(text));
}

/* "unrecognised,stale" */
static void
append_flags(struct buf *texts, unsigned flags)
{
    static const enum item_flag all[] = {ITEM_UNRECOGNISED, ITEM_CONTRADICTORY, ITEM_STALE,
        ITEM_RELEASED};

    const char *comma = "";

    buf_append_literal(texts, "USHER_FLAGS=");
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if ((flags & all[i]) == 0)
            continue;
        buf_printf(texts, "%s%s", comma, item_flag_name(all[i]));
        comma = ",";
    }
    buf_append_char(texts, '\0');
}

static const char *
change_name(const struct handling *handling)
{
    return arrival_name(handling->is_update ? ARRIVAL_UPDATE : ARRIVAL_NEW);
}

/* Every name is there for every item, so that a script may insist on them (set -u); what an item
 * does not have is empty. */
static void
append_item(struct handler_worker *worker, const struct handling *handling, struct buf *texts)
{
    char received[WALLTIME_TEXT_BYTES];

    walltime_format(handling->received_at, received);
    append_variable(texts, "id", handling->id);
    append_variable(texts, "source", handling->source);
    append_variable(texts, "event", handling->event);
    append_variable(texts, "change", str_from(change_name(handling)));
    append_number(texts, "sequence", handling->sequence);
    append_number(texts, "revision", handling->revision);
    append_number(texts, "attempt", handling->attempt);
    append_variable(texts, "received", str_from(received));
    append_variable(texts, "sender_id", handling->sender_id);
    append_flags(texts, handling->flags | handling->received->flags);
    for (size_t i = 0; received_value_names[i] != NULL; i++) {
        buf_clear(&worker->value);
        (void)received_value(handling->received, str_from(received_value_names[i]), 0,
            &worker->value);
        append_variable(texts, received_value_names[i], buf_str(&worker->value));
    }
    if (worker->value.capacity > KEPT_BYTES_MAX)
        buf_done(&worker->value);
}

/* --- runs --- */

static void run_ended(struct child *child);

static struct run *
run_new(struct handler_worker *worker)
{
    struct run *run = calloc(1, sizeof(*run));

    if (run == NULL)
        return NULL;
    run->worker = worker;
    link_init(&run->link);
    buf_init(&run->environment, ENVIRONMENT_BYTES_MAX);
    buf_init(&run->input, INPUT_BYTES_MAX);
    if (child_init(&run->child, &worker->child_options, run_ended) == OK)
        return run;
    run_free(run);
    return NULL;
}

static void
run_put_back(struct run *run)
{
    struct handler_worker *worker = run->worker;

    if (worker->spare_count >= SPARE_MAX) {
        run_free(run);
        return;
    }
    if (run->environment.capacity > KEPT_BYTES_MAX)
        buf_done(&run->environment);
    if (run->input.capacity > KEPT_BYTES_MAX)
        buf_done(&run->input);
    link_remove(&run->link);
    list_prepend(&worker->spare, &run->link);
    worker->spare_count++;
}

static struct run *
run_take(struct handler_worker *worker)
{
    struct link *link;

    LIST_FOREACH(&worker->let_go, it)
    {
        struct run *run = LIST_ENTRY(it, struct run, link);

        if (run->child.state == CHILD_IDLE)
            run_put_back(run);
    }
    link = list_take_first(&worker->spare);
    if (link == NULL)
        return run_new(worker);
    worker->spare_count--;
    return LIST_ENTRY(link, struct run, link);
}

/* Exit codes other than 0 and 75 are the owner's own language. */
static enum handling_result
run_judge(const struct run *run, char *detail, size_t max)
{
    const struct child *child = &run->child;
    const char *abbreviation;

    detail[0] = '\0';
    switch (child->end) {
    case CHILD_EXITED:
        if (child->number == 0)
            return HANDLING_DONE;
        (void)snprintf(detail, max, "exit %d", child->number);
        return child->number == EX_TEMPFAIL ? HANDLING_LATER : HANDLING_FAILED;
    case CHILD_SIGNAL:
        abbreviation = sigabbrev_np(child->number);
        if (abbreviation != NULL)
            (void)snprintf(detail, max, "killed by SIG%s", abbreviation);
        else
            (void)snprintf(detail, max, "killed by signal %d", child->number);
        return HANDLING_FAILED;
    case CHILD_STOPPED: (void)snprintf(detail, max, "stopped by us"); break;
    case CHILD_OVERDUE:
        (void)snprintf(detail, max, "stopped after %lld ms: its time was over",
            (long long)run->worker->handler->timeout_ms);
        break;
    case CHILD_LOST: (void)snprintf(detail, max, "its exit code was lost"); break;
    }
    return HANDLING_FAILED;
}

static void
run_ended(struct child *child)
{
    struct run *run = CONTAINER_OF(child, struct run, child);
    struct handler_worker *worker = run->worker;
    struct handling *handling = run->handling;
    char detail[128];
    char said[HANDLER_OUTPUT_BYTES_MAX];
    size_t said_len = child->said_len;

    /* The lane looks at the clock as well, and may be first. */
    if (child->end == CHILD_STOPPED &&
        clock_instant(worker->place->clock).us >= handling->deadline.us)
        child->end = CHILD_OVERDUE;
    handling->result = run_judge(run, detail, sizeof(detail));
    memcpy(said, child->said, said_len);
    run->handling = NULL;
    worker->running--;
    if (child->state == CHILD_LET_GO)
        list_append(&worker->let_go, &run->link);
    else
        run_put_back(run);
    handling->own = NULL;
    handling->detail = str_from(detail[0] != '\0' ? detail : NULL);
    handling->output = (struct str){said, said_len};
    handling->retry_after_us = 0;
    /* From here on all may be gone. */
    handling->done(handling);
}

static struct str
run_input(struct run *run, const struct handling *handling)
{
    const struct exec_options *options = run->worker->handler->options;
    const struct received_context context = {
        .id = handling->id,
        .source = handling->source,
        .event = handling->event,
        .change = change_name(handling),
        .sequence = handling->sequence,
        .revision = handling->revision,
        .flags = handling->flags,
        .received = handling->received_at,
    };

    if (!options->sends_model)
        return handling->body;
    buf_clear(&run->input);
    received_render(&run->input, handling->received, &context, handling->body);
    return buf_str(&run->input);
}

static enum err
run_start(struct run *run, struct handling *handling, const char **why)
{
    struct handler_worker *worker = run->worker;
    const struct exec_options *options = worker->handler->options;
    const char *variables[VARIABLES_MAX + 4 + OWN_VARIABLES_MAX + 1] = {0};
    size_t count = worker->variable_count;
    struct str input = run_input(run, handling);
    const struct child_program program = {
        .path = worker->path,
        .arguments = options->command.words,
        .environment = variables,
        .folder = worker->folder,
        .input = input,
        .deadline = handling->deadline,
    };

    buf_clear(&run->environment);
    append_item(worker, handling, &run->environment);
    /* It counts: what lies in the item would otherwise be tried for ever, before all others. */
    if (buf_is_full(&run->environment) || (options->sends_model && buf_is_full(&run->input))) {
        *why = "the values of this item are larger than 4 MiB, or there is no memory for them";
        return ERR_LIMIT;
    }
    memcpy(variables, worker->variables, count * sizeof(variables[0]));
    for (size_t at = 0; at < run->environment.len; at += strlen(variables[count - 1]) + 1) {
        CHECK(count + 1 < COUNT_OF(variables));
        variables[count++] = run->environment.ptr + at;
    }
    return child_start(&run->child, &program, why);
}

static void
exec_start(struct handler_worker *worker, struct handling *handling)
{
    struct run *run = run_take(worker);
    const char *why = "out of memory";
    enum err err = run != NULL ? run_start(run, handling, &why) : ERR_BUSY;

    if (err == OK) {
        run->handling = handling;
        handling->own = run;
        worker->running++;
        return;
    }
    handling->own = NULL;
    if (run != NULL)
        run_put_back(run);
    refusals_add(&worker->refusals, handling, err == ERR_BUSY ? HANDLING_LATER : HANDLING_FAILED,
        why);
}

static void
exec_cancel(struct handler_worker *worker, struct handling *handling)
{
    struct run *run = handling->own;

    (void)worker;
    /* One that was refused is told in this turn anyway. */
    if (run != NULL)
        child_stop(&run->child);
}

static const struct source_setting exec_settings[] = {
    {"command", "WORDS",
        "The program and its arguments, quoted as in a shell, which does not run: /opt/shop/add "
        "--from 'the web'; the body comes on its input, USHER_EVENT and others in its environment; "
        "exit code 0 is done, 75 is not now, others failed"},
    {"input", "payload|model",
        "What comes on its input: the body as it came, or what we read in it; payload without it"},
    {"directory", "PATH", "Where it runs; without it where Usher was started"},
    {"environment", "NAME=VALUE",
        "A variable for it, one a line, beside PATH, HOME, LANG=C.UTF-8 and TZ=UTC, which it may "
        "replace"},
};

const struct handler_kind handler_exec = {
    .name = "exec",
    .set = exec_set,
    .check = exec_check,
    .open = exec_open,
    .start = exec_start,
    .cancel = exec_cancel,
    .close = exec_close,
    .settings = exec_settings,
    .setting_count = COUNT_OF(exec_settings),
};
