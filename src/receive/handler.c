/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/handler.h"

#include "base/buf.h"
#include "base/compiler.h"

/* Longer than any that is known. */
#define EVENT_NAME_BYTES_MAX 256
#define CONCURRENCY_MAX      1000
#define RATE_MIN             0.001
#define RATE_MAX             1000000.0
#define TIMEOUT_S_MAX        86400
#define TIMEOUT_S_DEFAULT    30
#define DELAY_S_MAX          (7 * 86400)
#define ATTEMPTS_MAX         (SCHEDULE_DELAYS_MAX + 1)

const struct source_setting handler_settings[] = {
    {"type", "exec|http|sql|mail", "What is done with an item; stands before what is its own"},
    {"source", "NAME", "Only what comes in here; several with commas or lines; all without it"},
    {"event", "NAME",
        "Only these events; several with commas or lines; webinar.* is all that start with it"},
    {"where", "CONDITION",
        "Only bodies of which this holds, such as callList.0.webinarId = 634fc35d; all of several "
        "lines must"},
    {"rate", "N", "At most so many are begun a second, such as 5 or 0.5; 0 is no limit"},
    {"concurrency", "N",
        "At most so many are under way at a time; without it 1, and 256 of sql, which does them in "
        "one "
        "transaction"},
    {"timeout", "SECONDS", "Time that one may take; 30 without it"},
    {"retry-delays", "LIST",
        "Seconds between attempts, such as 5,300,1800; 5 s, 5 min, 30 min, 2, 5, 10, 14, 20 and "
        "24 h without it"},
    {"attempts-max", "N",
        "Attempts before an item is given up; the last of the delays is repeated"},
    {"start", "now|all",
        "Where a new handler begins: with what comes from now on, or with all that is there"},
};
const size_t handler_setting_count = COUNT_OF(handler_settings);

void
handler_init(struct handler *handler, struct str name)
{
    *handler = (struct handler){
        .name = name,
        .timeout_ms = TIMEOUT_S_DEFAULT * US_PER_S / US_PER_MS,
        .schedule = schedule_standard(SCHEDULE_ATTEMPTS_DEFAULT),
    };
}

/* --- values --- */

static enum err
no_memory(struct error *reterr)
{
    return error_set(reterr, ERR_NOMEM, "out of memory for a handler");
}

static enum err
number_set(struct str name, struct str value, int64_t max, int64_t *ret, struct error *reterr)
{
    int64_t number;

    if (str_to_int64(value, &number) != OK || number < 1 || number > max)
        return error_set(reterr, ERR_INVALID, "%.*s: \"%.*s\" is not a whole number from 1 to %lld",
            STR_FMT(name), STR_FMT(value), (long long)max);
    *ret = number;
    return OK;
}

/* Digits with at most one point between them. */
static bool
is_decimal(struct str text)
{
    size_t points = 0;

    if (text.len == 0 || text.ptr[0] == '.' || text.ptr[text.len - 1] == '.')
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '.')
            points++;
        else if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
    }
    return points <= 1;
}

static enum err
rate_set(struct handler *handler, struct str value, struct error *reterr)
{
    const struct json number = {.kind = JSON_NUMBER, .text = value};
    double rate = -1;

    if (is_decimal(value) && json_to_double(&number, &rate) != OK)
        rate = -1;
    /* Rather than a rate so small that it seems to stand still. */
    if (rate < 0 || rate > RATE_MAX || (rate > 0 && rate < RATE_MIN))
        return error_set(reterr, ERR_INVALID,
            "rate: \"%.*s\" is not a number of starts a second from 0.001 to 1000000, nor 0 for no "
            "limit",
            STR_FMT(value));
    handler->rate = rate;
    return OK;
}

static enum err
concurrency_set(struct handler *handler, struct str value, struct error *reterr)
{
    int64_t number;
    enum err err = number_set(STR("concurrency"), value, CONCURRENCY_MAX, &number, reterr);

    if (err == OK)
        handler->concurrency = (unsigned)number;
    return err;
}

static enum err
timeout_set(struct handler *handler, struct str value, struct error *reterr)
{
    int64_t number;
    enum err err = number_set(STR("timeout"), value, TIMEOUT_S_MAX, &number, reterr);

    if (err == OK)
        handler->timeout_ms = number * (US_PER_S / US_PER_MS);
    return err;
}

/* The two settings come in either order. */
static void
schedule_fit(struct handler *handler)
{
    struct schedule *schedule = &handler->schedule;
    size_t wanted = handler->attempts_max - 1;

    if (handler->attempts_max == 0)
        return;
    if (!handler->has_delays) {
        *schedule = schedule_standard(handler->attempts_max);
        return;
    }
    for (size_t i = schedule->count; i < wanted; i++)
        schedule->delays_us[i] = schedule->delays_us[schedule->count - 1];
    schedule->count = wanted;
}

static enum err
delays_set(struct handler *handler, struct str value, struct error *reterr)
{
    struct schedule schedule = {.count = 0};
    struct str rest = value;
    struct str piece = {NULL, 0};

    while (str_split(&rest, ',', &piece)) {
        int64_t seconds;

        piece = str_trim(piece);
        if (str_to_int64(piece, &seconds) != OK || seconds < 0 || seconds > DELAY_S_MAX)
            return error_set(reterr, ERR_INVALID,
                "retry-delays: \"%.*s\" is not a number of seconds from 0 to %d", STR_FMT(piece),
                DELAY_S_MAX);
        if (schedule.count == SCHEDULE_DELAYS_MAX)
            return error_set(reterr, ERR_INVALID, "retry-delays: more than %d delays",
                SCHEDULE_DELAYS_MAX);
        schedule.delays_us[schedule.count++] = seconds * US_PER_S;
    }
    if (schedule.count == 0)
        return error_set(reterr, ERR_INVALID,
            "retry-delays: there is none; attempts-max = 1 is for a single attempt");
    handler->schedule = schedule;
    handler->has_delays = true;
    schedule_fit(handler);
    return OK;
}

static enum err
attempts_set(struct handler *handler, struct str value, struct error *reterr)
{
    int64_t number;
    enum err err = number_set(STR("attempts-max"), value, ATTEMPTS_MAX, &number, reterr);

    if (err != OK)
        return err;
    handler->attempts_max = (uint32_t)number;
    schedule_fit(handler);
    return OK;
}

static enum err
start_set(struct handler *handler, struct str value, struct error *reterr)
{
    bool is_all = str_equals(value, STR("all"));

    if (!is_all && !str_equals(value, STR("now")))
        return error_set(reterr, ERR_INVALID, "start: \"%.*s\" is neither now nor all",
            STR_FMT(value));
    handler->starts_with_all = is_all;
    return OK;
}

/* --- lists --- */

struct name_list {
    const char *name;
    size_t bytes_max;
    struct str *names;
    size_t *count;
};

static bool
name_list_has(const struct name_list *list, struct str name)
{
    for (size_t i = 0; i < *list->count; i++)
        if (str_equals(list->names[i], name))
            return true;
    return false;
}

static enum err
name_list_add(const struct name_list *list, struct arena *arena, struct str name,
    struct error *reterr)
{
    struct str copy;

    if (name.len == 0 || name.len > list->bytes_max)
        return error_set(reterr, ERR_INVALID, "%s: a name has 1 to %zu bytes", list->name,
            list->bytes_max);
    if (name_list_has(list, name))
        return OK;
    if (*list->count == HANDLER_SOURCES_MAX)
        return error_set(reterr, ERR_INVALID, "%s: more than %d names", list->name,
            HANDLER_SOURCES_MAX);
    copy = arena_copy(arena, name);
    if (copy.ptr == NULL)
        return no_memory(reterr);
    list->names[(*list->count)++] = copy;
    return OK;
}

/* All of a line or nothing of it. */
static enum err
names_add(const struct name_list *list, struct arena *arena, struct str value, struct error *reterr)
{
    size_t before = *list->count;
    struct str rest = value.len > 0 ? value : STR("");
    struct str piece = {NULL, 0};
    enum err err = OK;

    while (err == OK && str_split(&rest, ',', &piece))
        err = name_list_add(list, arena, str_trim(piece), reterr);
    if (err != OK)
        *list->count = before;
    return err;
}

static enum err
sources_add(struct handler *handler, struct arena *arena, struct str value, struct error *reterr)
{
    const struct name_list list = {
        .name = "source",
        .bytes_max = SOURCE_NAME_BYTES_MAX,
        .names = handler->sources,
        .count = &handler->source_count,
    };

    return names_add(&list, arena, value, reterr);
}

static enum err
events_add(struct handler *handler, struct arena *arena, struct str value, struct error *reterr)
{
    const struct name_list list = {
        .name = "event",
        .bytes_max = EVENT_NAME_BYTES_MAX,
        .names = handler->events,
        .count = &handler->event_count,
    };

    return names_add(&list, arena, value, reterr);
}

static enum err
condition_add(struct handler *handler, struct arena *arena, struct str value, struct error *reterr)
{
    struct field_condition *condition;
    struct error error;
    enum err err;

    if (handler->condition_count == HANDLER_CONDITIONS_MAX)
        return error_set(reterr, ERR_INVALID, "where: more than %d conditions",
            HANDLER_CONDITIONS_MAX);
    err = field_condition_parse(value, arena, &condition, &error);
    if (err != OK)
        return error_set(reterr, err, "where: %s", error.text);
    handler->conditions[handler->condition_count++] = condition;
    return OK;
}

/* --- the section --- */

static enum err
type_set(struct handler *handler, struct str value, struct error *reterr)
{
    struct buf names;

    if (handler->kind != NULL)
        return error_set(reterr, ERR_INVALID, "type: it is %s already", handler->kind->name);
    for (size_t i = 0; i < handler_kind_count; i++) {
        if (!str_equals(value, str_from(handler_kinds[i]->name)))
            continue;
        handler->kind = handler_kinds[i];
        if (handler->concurrency == 0)
            handler->concurrency = handler->kind->concurrency > 0 ? handler->kind->concurrency : 1;
        return OK;
    }
    buf_init(&names, sizeof(struct error));
    for (size_t i = 0; i < handler_kind_count; i++)
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", handler_kinds[i]->name);
    (void)error_set(reterr, ERR_INVALID, "type: \"%.*s\" is none of %.*s", STR_FMT(value),
        STR_FMT(buf_str(&names)));
    buf_done(&names);
    return ERR_INVALID;
}

/* What is not common. */
static enum err
own_set(struct handler *handler, struct arena *arena, struct str name, struct str value,
    struct error *reterr)
{
    struct buf names;
    enum err err;

    if (handler->kind == NULL)
        return error_set(reterr, ERR_INVALID,
            "\"%.*s\" is no setting that all handlers have, and type, which comes first, is not "
            "said",
            STR_FMT(name));
    err = handler->kind->set(handler, arena, name, value, reterr);
    if (err != ERR_NOT_FOUND)
        return err;
    buf_init(&names, sizeof(struct error));
    for (size_t i = 0; i < handler->kind->setting_count; i++)
        buf_printf(&names, "%s, ", handler->kind->settings[i].name);
    for (size_t i = 0; i < handler_setting_count; i++)
        buf_printf(&names, "%s%s", i > 0 ? ", " : "", handler_settings[i].name);
    (void)error_set(reterr, ERR_INVALID, "\"%.*s\" is no setting of %s: there are %.*s",
        STR_FMT(name), handler->kind->name, STR_FMT(buf_str(&names)));
    buf_done(&names);
    return ERR_INVALID;
}

enum err
handler_set(struct handler *handler, struct arena *arena, struct str name, struct str value,
    struct error *reterr)
{
    if (str_equals(name, STR("type")))
        return type_set(handler, value, reterr);
    if (str_equals(name, STR("source")))
        return sources_add(handler, arena, value, reterr);
    if (str_equals(name, STR("event")))
        return events_add(handler, arena, value, reterr);
    if (str_equals(name, STR("where")))
        return condition_add(handler, arena, value, reterr);
    if (str_equals(name, STR("rate")))
        return rate_set(handler, value, reterr);
    if (str_equals(name, STR("concurrency")))
        return concurrency_set(handler, value, reterr);
    if (str_equals(name, STR("timeout")))
        return timeout_set(handler, value, reterr);
    if (str_equals(name, STR("retry-delays")))
        return delays_set(handler, value, reterr);
    if (str_equals(name, STR("attempts-max")))
        return attempts_set(handler, value, reterr);
    if (str_equals(name, STR("start")))
        return start_set(handler, value, reterr);
    return own_set(handler, arena, name, value, reterr);
}

enum err
handler_check(const struct handler *handler, struct error *reterr)
{
    if (handler->kind == NULL)
        return error_set(reterr, ERR_INVALID, "type is missing: what is to be done with an item?");
    return handler->kind->check(handler, reterr);
}

/* --- what it wants --- */

static bool
event_is_named(struct str pattern, struct str event)
{
    if (str_ends(pattern, STR("*")))
        return str_starts(event, str_slice(pattern, 0, pattern.len - 1));
    return str_equals(pattern, event);
}

static bool
wants_event(const struct handler *handler, struct str event)
{
    for (size_t i = 0; i < handler->event_count; i++)
        if (event_is_named(handler->events[i], event))
            return true;
    return handler->event_count == 0;
}

static bool
wants_source(const struct handler *handler, struct str source)
{
    for (size_t i = 0; i < handler->source_count; i++)
        if (str_equals(handler->sources[i], source))
            return true;
    return handler->source_count == 0;
}

bool
handler_wants_named(const struct handler *handler, struct str source, struct str event)
{
    return wants_source(handler, source) && wants_event(handler, event);
}

bool
handler_wants(const struct handler *handler, struct str source, struct str event,
    const struct json *body)
{
    if (!handler_wants_named(handler, source, event))
        return false;
    for (size_t i = 0; i < handler->condition_count; i++)
        if (body == NULL || !field_condition_holds(handler->conditions[i], body))
            return false;
    return true;
}
