/* SPDX-License-Identifier: Apache-2.0 */
#include "api/stream.h"

#include <stdlib.h>
#include <string.h>

#include "api/objects.h"
#include "base/check.h"
#include "http/service.h"
#include "os/log.h"
#include "os/metrics.h"
#include "store/accounts.h"
#include "store/progress.h"

/* A page of changes with its texts. */
#define LOOK_BYTES_MAX (1024 * 1024)

/* The reader of a browser waits so long before it comes back. */
#define STREAM_BEGIN STR("retry: 2000\n\n")

/* --- the limit -------------------------------------------------------------------------------- */

void
stream_limit_init(struct stream_limit *limit)
{
    *limit = (struct stream_limit){0};
    CHECK(pthread_mutex_init(&limit->mutex, NULL) == 0);
}

void
stream_limit_done(struct stream_limit *limit)
{
    CHECK(pthread_mutex_destroy(&limit->mutex) == 0);
}

/* The account's place, or a free one. */
static struct stream_place *
place_find(struct stream_limit *limit, int64_t account_pk)
{
    struct stream_place *place = NULL;

    for (size_t i = 0; i < COUNT_OF(limit->places); i++) {
        if (limit->places[i].count > 0 && limit->places[i].account_pk == account_pk)
            return &limit->places[i];
        if (limit->places[i].count == 0 && place == NULL)
            place = &limit->places[i];
    }
    return place;
}

bool
stream_limit_take(struct stream_limit *limit, int64_t account_pk)
{
    struct stream_place *place;
    bool is_taken;

    CHECK(pthread_mutex_lock(&limit->mutex) == 0);
    place = place_find(limit, account_pk);
    is_taken = place != NULL && place->count < STREAMS_PER_ACCOUNT_MAX;
    if (is_taken) {
        place->account_pk = account_pk;
        place->count++;
    }
    CHECK(pthread_mutex_unlock(&limit->mutex) == 0);
    return is_taken;
}

void
stream_limit_give(struct stream_limit *limit, int64_t account_pk)
{
    struct stream_place *place;

    CHECK(pthread_mutex_lock(&limit->mutex) == 0);
    place = place_find(limit, account_pk);
    CHECK(place != NULL && place->count > 0);
    place->count--;
    CHECK(pthread_mutex_unlock(&limit->mutex) == 0);
}

/* --- streams and their hub -------------------------------------------------------------------- */

enum watch_stage { WATCH_STARTING, WATCH_BEHIND, WATCH_LIVE };

/* One stream; lies in its call's arena. */
struct watcher {
    struct stream_hub *hub; /* borrowed: outlives us */
    struct call *call;
    struct link link;
    uint64_t serial;
    enum watch_stage watch;
    struct progress_cursor at; /* all up to here was told */
    int64_t account_pk;
    uint8_t key_hash[SHA256_BYTES];
    struct id event_id; /* zero: any */
    struct id hook_id;  /* zero: any */
    struct instant spoken;
    struct instant key_checked;
};

struct key_check {
    uint64_t serial;
    int64_t account_pk;
    uint8_t hash[SHA256_BYTES];
    bool is_good; /* set by the worker */
};

/* What a store worker reads meanwhile. It knows nothing of streams, which may go. */
struct look {
    struct store_call call;
    struct walltime now;
    enum watch_stage watch;
    uint64_t serial; /* the stream that it is for; 0: all that are live */
    struct progress_cursor after;
    int64_t account_pks[STREAMS_PER_LOOP_MAX];
    size_t account_count;
    struct key_check checks[STREAMS_PER_LOOP_MAX];
    size_t check_count;

    /* Set by the worker. */
    struct arena arena;
    struct progress_page page;
};

struct stream_hub {
    struct stream_hub_options options;
    struct timer timer;
    struct list watchers; /* who was looked after last is at the end */
    unsigned count;
    uint64_t serial;
    struct look look;
    bool is_looking;
    bool is_stalled; /* and it was said */
    struct instant next_live;
    bool is_draining;
};

static struct stream_hub *
hub_of(const struct call *call)
{
    return call->api->streams[call->loop_index];
}

/* The call is over after this. */
static void
watcher_forget(struct watcher *watcher)
{
    struct stream_hub *hub = watcher->hub;

    link_remove(&watcher->link);
    hub->count--;
    metric_add(METRIC_streams, -1);
    stream_limit_give(hub->options.limit, watcher->account_pk);
}

static void
on_gone(struct call *call)
{
    watcher_forget(call->prepared);
    call_drop(call);
}

static void
watcher_end(struct watcher *watcher)
{
    watcher_forget(watcher);
    call_feed_end(watcher->call);
}

/* False: it is gone. */
static bool
watcher_say(struct watcher *watcher, struct str text, struct instant now)
{
    watcher->spoken = now;
    if (call_feed(watcher->call, text))
        return true;
    on_gone(watcher->call);
    return false;
}

static bool
is_clogged(const struct watcher *watcher)
{
    return call_feed_waiting(watcher->call) > STREAM_WAITING_BYTES_MAX;
}

static struct watcher *
watcher_of(struct link *link)
{
    return link != NULL ? LIST_ENTRY(link, struct watcher, link) : NULL;
}

/* --- what is said ----------------------------------------------------------------------------- */

static bool
wants(const struct watcher *watcher, const struct progress_row *row)
{
    return row->account_pk == watcher->account_pk &&
           progress_cursor_is_before(watcher->at, row->at) &&
           (id_is_zero(watcher->event_id) || id_equals(watcher->event_id, row->event_id)) &&
           (id_is_zero(watcher->hook_id) || id_equals(watcher->hook_id, row->progress.hook_id));
}

static void
append_id(struct buf *text, struct progress_cursor at)
{
    char cursor[PROGRESS_CURSOR_TEXT_BYTES];

    progress_cursor_format(at, cursor);
    buf_printf(text, "id: %s\n", cursor);
}

static void
append_row(struct buf *text, const struct progress_row *row, struct walltime now)
{
    struct json_writer writer;

    append_id(text, row->at);
    buf_append_literal(text, "event: progress\ndata: ");
    json_start(&writer, text);
    json_object_open(&writer);
    json_field_id(&writer, STR("event"), row->event_id);
    write_progress_fields(&writer, &row->progress, now);
    json_object_close(&writer);
    buf_append_literal(text, "\n\n");
}

/* Tell it of the page, which it may not outlive. */
static void
watcher_tell(struct watcher *watcher, const struct look *look, struct instant now)
{
    const struct progress_page *page = &look->page;
    struct buf text;

    buf_init(&text, HTTP_PIECES_WAIT_BYTES_MAX);
    for (size_t i = 0; i < page->count; i++) {
        if (wants(watcher, &page->rows[i]))
            append_row(&text, &page->rows[i], look->now);
    }
    /* Without an event, which only sets where to come back to: there may have been nothing. */
    if (look->watch == WATCH_STARTING) {
        append_id(&text, page->next);
        buf_append_literal(&text, "\n");
    }
    if (buf_is_full(&text)) { /* no memory: it comes back in a while, and misses nothing */
        watcher_end(watcher);
    } else {
        if (progress_cursor_is_before(watcher->at, page->next))
            watcher->at = page->next;
        watcher->watch = page->is_last || look->watch == WATCH_LIVE ? WATCH_LIVE : WATCH_BEHIND;
        if (text.len > 0)
            (void)watcher_say(watcher, buf_str(&text), now);
    }
    buf_done(&text);
}

/* --- a look at the store ---------------------------------------------------------------------- */

static enum err
check_key(struct look *look, struct engine *engine, struct key_check *check)
{
    struct error *reterr = &look->call.error;
    struct api_key key;
    enum err err = key_find_hash(engine, check->hash, &look->arena, &key, reterr);

    if (err != OK && err != ERR_NOT_FOUND)
        return err;
    check->is_good = err == OK && !key_is_expired(&key, look->now) &&
                     key.account_pk == check->account_pk && (key.scopes & SCOPE_READ) != 0;
    return OK;
}

/* On a worker. */
static enum err
look_run(struct store_call *call, struct engine *engine)
{
    struct look *look = CONTAINER_OF(call, struct look, call);
    const struct progress_query query = {
        .after = look->after,
        .account_pks = look->account_pks,
        .account_count = look->account_count,
        .max = STREAM_PAGE_MAX,
    };
    enum err err = OK;

    arena_reset(&look->arena);
    for (size_t i = 0; err == OK && i < look->check_count; i++)
        err = check_key(look, engine, &look->checks[i]);
    if (err != OK)
        return err;
    if (look->account_count == 0)
        return OK;
    if (look->watch == WATCH_STARTING)
        return progress_open(engine, look->account_pks[0], STREAM_PAGE_MAX, &look->arena,
            &look->page, &call->error);
    return progress_changed(engine, &query, &look->arena, &look->page, &call->error);
}

static void
end_where_key_is_bad(struct stream_hub *hub, const struct key_check *check, struct instant now)
{
    LIST_FOREACH(&hub->watchers, link)
    {
        struct watcher *watcher = watcher_of(link);

        if (watcher->serial != check->serial)
            continue;
        watcher->key_checked = now;
        if (!check->is_good)
            watcher_end(watcher);
        return;
    }
}

static void
tell_all(struct stream_hub *hub, struct instant now)
{
    const struct look *look = &hub->look;

    LIST_FOREACH(&hub->watchers, link)
    {
        struct watcher *watcher = watcher_of(link);
        bool is_meant =
            look->serial != 0 ? watcher->serial == look->serial : watcher->watch == WATCH_LIVE;

        if (is_meant)
            watcher_tell(watcher, look, now);
    }
}

static void
hub_schedule(struct stream_hub *hub, struct instant now)
{
    timer_set(&hub->timer, stream_hub_tick(hub, now));
}

static void
look_done(struct store_call *call)
{
    struct look *look = CONTAINER_OF(call, struct look, call);
    struct stream_hub *hub = CONTAINER_OF(look, struct stream_hub, look);
    struct instant now = clock_instant(hub->options.clock);

    hub->is_looking = false;
    if (call->err != OK) {
        if (!hub->is_stalled)
            log_error("stream.stalled", log_text("error", call->error.text));
        hub->next_live = instant_add_us(now, STREAM_LOOK_US);
    } else {
        for (size_t i = 0; i < look->check_count; i++)
            end_where_key_is_bad(hub, &look->checks[i], now);
        tell_all(hub, now);
        if (look->watch == WATCH_LIVE && !look->page.is_last)
            hub->next_live = now;
    }
    hub->is_stalled = call->err != OK;
    hub_schedule(hub, now);
}

/* Who is not live yet and can be told more, the one that has waited longest. */
static struct watcher *
next_to_catch_up(struct stream_hub *hub)
{
    LIST_FOREACH(&hub->watchers, link)
    {
        struct watcher *watcher = watcher_of(link);

        if (watcher->watch != WATCH_LIVE && !is_clogged(watcher))
            return watcher;
    }
    return NULL;
}

static void
look_add_account(struct look *look, int64_t account_pk)
{
    for (size_t i = 0; i < look->account_count; i++) {
        if (look->account_pks[i] == account_pk)
            return;
    }
    look->account_pks[look->account_count++] = account_pk;
}

static void
look_for_one(struct look *look, struct watcher *watcher)
{
    struct list *watchers = &watcher->hub->watchers;

    look->watch = watcher->watch;
    look->serial = watcher->serial;
    look->after = watcher->at;
    look_add_account(look, watcher->account_pk);
    /* The others are before it next time. */
    link_remove(&watcher->link);
    list_append(watchers, &watcher->link);
}

static void
look_for_live(struct stream_hub *hub, struct look *look)
{
    bool has_any = false;

    look->watch = WATCH_LIVE;
    LIST_FOREACH(&hub->watchers, link)
    {
        struct watcher *watcher = watcher_of(link);

        if (watcher->watch == WATCH_LIVE && is_clogged(watcher))
            watcher->watch = WATCH_BEHIND;
        if (watcher->watch != WATCH_LIVE)
            continue;
        if (!has_any || progress_cursor_is_before(watcher->at, look->after))
            look->after = watcher->at;
        has_any = true;
        look_add_account(look, watcher->account_pk);
    }
}

static void
look_add_checks(struct stream_hub *hub, struct look *look, struct instant now)
{
    LIST_FOREACH(&hub->watchers, link)
    {
        const struct watcher *watcher = watcher_of(link);
        struct key_check *check = &look->checks[look->check_count];

        if (now.us - watcher->key_checked.us < STREAM_KEY_CHECK_US)
            continue;
        *check = (struct key_check){.serial = watcher->serial, .account_pk = watcher->account_pk};
        memcpy(check->hash, watcher->key_hash, SHA256_BYTES);
        look->check_count++;
    }
}

/* The live ones in their time, in between whoever has to catch up. */
static void
look_start(struct stream_hub *hub, struct instant now)
{
    struct look *look = &hub->look;
    struct watcher *late = next_to_catch_up(hub);

    look->serial = 0;
    look->account_count = 0;
    look->check_count = 0;
    look->now = clock_walltime(hub->options.clock);
    look->after = (struct progress_cursor){0, 0};
    look->page = (struct progress_page){0};
    look_add_checks(hub, look, now);
    if (now.us >= hub->next_live.us) {
        look_for_live(hub, look);
        hub->next_live = instant_add_us(now, STREAM_LOOK_US);
    }
    if (look->account_count == 0 && late != NULL)
        look_for_one(look, late);
    /* Without anybody who is live there may still be keys to check. */
    if (look->account_count == 0 && look->check_count == 0)
        return;
    look->call = (struct store_call){
        .run = look_run,
        .done = look_done,
        .reply = loop_mailbox(hub->options.loop),
    };
    hub->is_looking = store_submit(hub->options.port, &look->call) == OK;
    if (!hub->is_looking)
        hub->next_live = instant_add_us(now, STREAM_LOOK_US);
}

/* --- time ------------------------------------------------------------------------------------- */

static void
end_all(struct stream_hub *hub)
{
    struct link *link;

    while ((link = list_first(&hub->watchers)) != NULL)
        watcher_end(watcher_of(link));
}

/* Returns when the next one is due. */
static struct instant
keep_alive(struct stream_hub *hub, struct instant now)
{
    struct instant next = INSTANT_NEVER;

    LIST_FOREACH(&hub->watchers, link)
    {
        struct watcher *watcher = watcher_of(link);
        struct instant due = instant_add_us(watcher->spoken, STREAM_KEEP_ALIVE_US);

        if (due.us <= now.us) {
            due = instant_add_us(now, STREAM_KEEP_ALIVE_US);
            if (!watcher_say(watcher, STR(": keep-alive\n\n"), now))
                continue;
        }
        next = instant_earlier(next, due);
    }
    return next;
}

struct instant
stream_hub_tick(struct stream_hub *hub, struct instant now)
{
    struct instant next;
    bool may_catch_up;

    if (hub->is_draining && !hub->is_looking)
        end_all(hub);
    if (hub->count == 0)
        return INSTANT_NEVER;
    next = keep_alive(hub, now);
    if (hub->is_looking)
        return next; /* then it goes on by itself */
    /* A store that has just failed is not asked again at once. */
    may_catch_up = !hub->is_stalled && next_to_catch_up(hub) != NULL;
    if (now.us >= hub->next_live.us || may_catch_up)
        look_start(hub, now);
    return hub->is_looking ? next : instant_earlier(next, hub->next_live);
}

static void
on_timer(void *arg)
{
    struct stream_hub *hub = arg;

    hub_schedule(hub, clock_instant(hub->options.clock));
}

/* --- life ------------------------------------------------------------------------------------- */

enum err
stream_hub_new(const struct stream_hub_options *options, struct stream_hub **ret,
    struct error *reterr)
{
    struct stream_hub *hub = calloc(1, sizeof(*hub));

    if (hub == NULL || timer_init(&hub->timer, options->loop, LOOP_TIMERS, on_timer, hub) != OK) {
        free(hub);
        return error_set(reterr, ERR_NOMEM, "streams: out of memory");
    }
    hub->options = *options;
    list_init(&hub->watchers);
    arena_init(&hub->look.arena, LOOK_BYTES_MAX);
    hub->next_live = clock_instant(options->clock);
    *ret = hub;
    return OK;
}

void
stream_hub_free(struct stream_hub *hub)
{
    if (hub == NULL)
        return;
    CHECK(stream_hub_is_idle(hub));
    timer_done(&hub->timer);
    arena_done(&hub->look.arena);
    free(hub);
}

void
stream_hub_drain(struct stream_hub *hub)
{
    hub->is_draining = true;
    hub_schedule(hub, clock_instant(hub->options.clock));
}

bool
stream_hub_is_idle(const struct stream_hub *hub)
{
    return hub->count == 0 && !hub->is_looking;
}

/* --- the route -------------------------------------------------------------------------------- */

/* False: it was answered. */
static bool
read_wish(struct call *call, struct watcher *watcher)
{
    struct str last = http_head_field(http_request_head(call->request), STR("last-event-id"));

    call_query_id(call, STR("event"), &watcher->event_id);
    call_query_id(call, STR("hook"), &watcher->hook_id);
    if (call->faults.count > 0) {
        call->store_call.err = call_refuse(call);
        call_finish(call);
        return false;
    }
    watcher->watch = last.len > 0 ? WATCH_BEHIND : WATCH_STARTING;
    if (last.len == 0 || progress_cursor_parse(last, &watcher->at) == OK)
        return true;
    call_fail(call, 400,
        "Last-Event-ID is not an id of this stream: leave it out, to begin with what is open now");
    return false;
}

/* False: it was answered. */
static bool
find_place(struct call *call, struct stream_hub *hub)
{
    if (hub->is_draining) {
        call_fail(call, 503, "the server ends: come back in a moment");
        return false;
    }
    if (hub->count >= STREAMS_PER_LOOP_MAX) {
        call_field(call, "Retry-After", STR("10"));
        call_fail(call, 503, "%d streams are open here, which is all there may be: try again later",
            STREAMS_PER_LOOP_MAX);
        return false;
    }
    if (!stream_limit_take(hub->options.limit, call->account_pk)) {
        call_field(call, "Retry-After", STR("10"));
        call_fail(call, 429, "this account has %d streams open, which is all it may: close one",
            STREAMS_PER_ACCOUNT_MAX);
        return false;
    }
    return true;
}

static void
watcher_begin(struct watcher *watcher)
{
    struct stream_hub *hub = watcher->hub;
    struct call *call = watcher->call;
    struct instant now = clock_instant(hub->options.clock);

    call->prepared = watcher;
    watcher->serial = ++hub->serial;
    watcher->account_pk = call->account_pk;
    watcher->spoken = watcher->key_checked = now;
    link_init(&watcher->link);
    list_append(&hub->watchers, &watcher->link);
    hub->count++;
    metric_add(METRIC_streams, 1);
    call->status = 200;
    call->content_type = "text/event-stream";
    if (!call_feed_start(call, on_gone)) {
        on_gone(call);
    } else if (str_equals(call->method, STR("HEAD"))) {
        watcher_end(watcher);
    } else if (watcher_say(watcher, STREAM_BEGIN, now)) {
        /* From the loop: nothing of this turn is to wait for it. */
        timer_set(&hub->timer, now);
    }
}

static void
serve_stream(struct call *call)
{
    struct watcher *watcher = ARENA_NEW(&call->arena, struct watcher);

    if (watcher == NULL || key_hash(call->key_text, watcher->key_hash) != OK) {
        call_fail(call, 503, "no memory for a stream just now: try again in a second");
        return;
    }
    watcher->hub = hub_of(call);
    watcher->call = call;
    if (read_wish(call, watcher) && find_place(call, watcher->hub))
        watcher_begin(watcher);
}

static const struct route routes[] = {
    {.method = "GET",
        .path = "/api/v1/stream",
        .scope = SCOPE_READ,
        .query = "event hook",
        .serve = serve_stream},
};

const struct route_table api_stream_routes = {routes, COUNT_OF(routes)};
