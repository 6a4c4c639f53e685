/* SPDX-License-Identifier: Apache-2.0 */
#include "support/handling.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/check.h"
#include "receive/setup.h"

/* Far more than anything here takes. */
#define TURNS_MAX 20000

/* --- the scripted handler --- */

struct handler_worker {
    const struct handler *handler;
    struct script *script;
};

/* Of the world that was made last. */
static struct script *opening;

static enum err
script_set(struct handler *handler, struct arena *arena, struct str name, struct str value,
    struct error *reterr)
{
    (void)handler;
    (void)arena;
    (void)name;
    (void)value;
    (void)reterr;
    return ERR_NOT_FOUND;
}

static enum err
script_check(const struct handler *handler, struct error *reterr)
{
    (void)handler;
    (void)reterr;
    return OK;
}

static enum err
script_open(const struct handler *handler, const struct handler_place *place,
    struct handler_worker **ret, struct error *reterr)
{
    struct handler_worker *worker;

    assert_non_null(place->loop);
    if (opening->is_unopenable)
        return error_set(reterr, ERR_IO, "it is not there");
    worker = calloc(1, sizeof(*worker));
    if (worker == NULL)
        return ERR_NOMEM;
    worker->handler = handler;
    worker->script = opening;
    opening->opened++;
    *ret = worker;
    return OK;
}

static void
script_start(struct handler_worker *worker, struct handling *handling)
{
    struct script *script = worker->script;

    assert_true(script->count < COUNT_OF(script->under_way));
    handling->own = worker;
    script->under_way[script->count++] = handling;
    script->started++;
    if (script->count > script->most)
        script->most = script->count;
}

static void
script_end(struct script *script, size_t i)
{
    struct handling *handling = script->under_way[i];

    memmove(&script->under_way[i], &script->under_way[i + 1],
        (script->count - i - 1) * sizeof(struct handling *));
    script->count--;
    handling->done(handling);
}

static void
script_cancel(struct handler_worker *worker, struct handling *handling)
{
    struct script *script = worker->script;

    script->cancelled++;
    assert_ptr_equal(handling->own, worker);
    for (size_t i = 0; i < script->count && !script->is_stubborn; i++) {
        if (script->under_way[i] != handling)
            continue;
        handling->result = HANDLING_FAILED;
        handling->detail = STR("broken off");
        script_end(script, i);
        return;
    }
    assert_true(script->is_stubborn);
}

static void
script_close(struct handler_worker *worker)
{
    struct script *script = worker->script;

    for (size_t i = 0; i < script->count; i++)
        assert_ptr_not_equal(script->under_way[i]->own, worker);
    script->closed++;
    free(worker);
}

static const struct handler_kind scripted = {
    .name = "script",
    .set = script_set,
    .check = script_check,
    .open = script_open,
    .start = script_start,
    .cancel = script_cancel,
    .close = script_close,
};

/* In place of the program's own. */
const struct handler_kind *const handler_kinds[] = {&scripted};
const size_t handler_kind_count = 1;

struct handling *
given(struct world *world, size_t i)
{
    assert_true(i < world->script.count);
    return world->script.under_way[i];
}

size_t
find_given(const struct world *world, const char *name)
{
    for (size_t i = 0; i < world->script.count; i++) {
        const struct handler_worker *worker = world->script.under_way[i]->own;

        if (str_equals(worker->handler->name, str_from(name)))
            return i;
    }
    return SIZE_MAX;
}

void
end_with(struct world *world, size_t i, enum handling_result result, const char *detail)
{
    struct handling *handling = given(world, i);

    handling->result = result;
    handling->detail = str_from(detail);
    script_end(&world->script, i);
}

void
end(struct world *world, size_t i, enum handling_result result)
{
    end_with(world, i, result, NULL);
    pump(world);
}

size_t
end_all(struct world *world, enum handling_result result)
{
    size_t ended = 0;

    for (; world->script.count > 0; ended++)
        end(world, 0, result);
    return ended;
}

/* --- the world --- */

static void
flush_port(void *arg)
{
    store_port_flush(arg);
}

void
world_start(struct world *world)
{
    struct handle_options options;

    world->script = (struct script){.count = 0};
    opening = &world->script;
    world->is_stopped = false;
    store_port_init(&world->port, world->store, flush_port, &world->port);
    store_port_init(&world->own_port, world->store, flush_port, &world->own_port);
    assert_int_equal(loop_new(0, &world->loop, &world->error), OK);
    assert_int_equal(handle_set_new(1, &world->set, &world->error), OK);
    options = (struct handle_options){
        .set = world->set,
        .loop = world->loop,
        .clock = &world->clock.base,
        .port = &world->port,
        .user_agent = "test",
        .seed = 1,
    };
    assert_int_equal(handle_new(&options, &world->handle, &world->error), OK);
}

static enum err
recover(struct world *world, struct engine *engine)
{
    return handlers_recover(engine, &world->error);
}

void
world_open_at(struct world *world, const char *path)
{
    const struct store_options options = {
        .path = path,
        .readers = 2,
        .queue_max = 64,
        .clock = &clock_system,
    };

    /* A little after what the store counts from, so that a new handler's place is told. */
    clock_manual_init(&world->clock, (struct walltime){INT64_C(1710496800000000)});
    /* Far ahead of the loop's own clock: its timers stay quiet, and pump looks instead. */
    world->clock.instant_now = instant_add_us(clock_instant(&clock_system), US_PER_DAY);
    if (store_open(&options, &world->store, &world->error) != OK)
        fail_msg("%s", world->error.text);
    world_start(world);
    run_in_store(world, recover);
}

void
world_open(struct world *world)
{
    memset(world, 0, sizeof(*world));
    scratch_init(&world->scratch);
    world_open_at(world, scratch_path(&world->scratch, "usher.db"));
}

static void
on_stopped(void *arg)
{
    ((struct world *)arg)->is_stopped = true;
}

void
world_stop(struct world *world, struct instant deadline)
{
    handle_stop(world->handle, deadline, on_stopped, world);
}

void
world_drop(struct world *world)
{
    handle_free(world->handle);
    handle_set_free(world->set);
    loop_free(world->loop);
    assert_int_equal(world->script.opened, world->script.closed);
}

void
world_halt(struct world *world)
{
    world_stop(world, INSTANT_NEVER);
    (void)end_all(world, HANDLING_DONE);
    for (int i = 0; i < TURNS_MAX && !world->is_stopped; i++)
        pump_once(world);
    assert_true(world->is_stopped);
    world_drop(world);
}

void
world_close(struct world *world)
{
    if (!world->is_stopped)
        world_halt(world);
    setup_drop(TAKE(world->setup));
    store_close(world->store);
    scratch_done(&world->scratch);
}

static void
copy_file(const char *from_path, const char *to_path)
{
    static char bytes[1 << 16];
    FILE *from = fopen(from_path, "rb");
    FILE *to;

    if (from == NULL)
        return;
    to = fopen(to_path, "wb");
    assert_non_null(to);
    for (size_t len; (len = fread(bytes, 1, sizeof(bytes), from)) > 0;)
        assert_int_equal(fwrite(bytes, 1, len, to), len);
    (void)fclose(from);
    assert_int_equal(fclose(to), 0);
    assert_int_equal(chmod(to_path, 0600), 0);
}

void
world_copy(struct world *world, const char *name)
{
    static const char *const endings[] = {"", "-wal", ".key"};

    for (size_t i = 0; i < COUNT_OF(endings); i++) {
        char from[600];
        char to[600];

        (void)snprintf(from, sizeof(from), "%s/usher.db%s", world->scratch.dir, endings[i]);
        (void)snprintf(to, sizeof(to), "%s/%s%s", world->scratch.dir, name, endings[i]);
        copy_file(from, to);
    }
}

/* --- the setup --- */

static void
add_source(struct setup *setup, const char *name, bool has_policy, enum duplicate_policy policy)
{
    struct source *source;

    assert_int_equal(setup_add_source(setup, str_from(name), &source, NULL), OK);
    source->has_policy = has_policy;
    source->policy = policy;
}

static void
add_handler(struct world *world, struct setup *setup, struct str section)
{
    size_t colon = str_find(section, ':', 0);
    struct str rest = str_slice(section, colon + 1, section.len);
    struct str line = {NULL, 0};
    struct handler *handler;

    assert_true(colon < section.len);
    assert_int_equal(
        setup_add_handler(setup, str_trim(str_slice(section, 0, colon)), &handler, &world->error),
        OK);
    assert_int_equal(handler_set(handler, &setup->arena, STR("type"), STR("script"), &world->error),
        OK);
    while (str_split(&rest, ';', &line)) {
        size_t equals = str_find(line, '=', 0);

        if (str_trim(line).len == 0)
            continue;
        assert_true(equals < line.len);
        if (handler_set(handler, &setup->arena, str_trim(str_slice(line, 0, equals)),
                str_trim(str_slice(line, equals + 1, line.len)), &world->error) != OK)
            fail_msg("%s", world->error.text);
    }
    assert_int_equal(handler_check(handler, &world->error), OK);
}

static enum err
register_setup(struct world *world, struct engine *engine)
{
    return setup_register(world->setup, engine, world->clock.walltime_now, &world->error);
}

void
use_handlers(struct world *world, const char *sections)
{
    struct str rest = str_from(sections);
    struct str section = {NULL, 0};
    struct setup *setup;

    assert_int_equal(setup_new(&setup, &world->error), OK);
    add_source(setup, "web", false, DUPLICATE_LATEST);
    add_source(setup, "shop", true, DUPLICATE_ONCE);
    add_source(setup, "raw", true, DUPLICATE_NONE);
    while (str_split(&rest, '|', &section))
        add_handler(world, setup, section);
    setup_drop(world->setup);
    world->setup = setup;
    run_in_store(world, register_setup);
    handle_setup(world->set, setup);
    pump(world);
}

int64_t
handler_pk(struct world *world, const char *name)
{
    char sql[128];

    (void)snprintf(sql, sizeof(sql), "SELECT handler_pk FROM handler WHERE name = '%s'", name);
    return number(world, sql);
}

struct handler_lane *
lane_of(struct world *world, const char *name)
{
    LIST_FOREACH(&world->handle->lanes, it)
    {
        struct handler_lane *lane = LIST_ENTRY(it, struct handler_lane, link);

        if (str_equals(lane->handler->name, str_from(name)))
            return lane;
    }
    return NULL;
}

/* --- time --- */

static bool
is_waiting(const struct world *world)
{
    return world->handle->reads > 0 || handle_flush_is_running(world->handle->flush);
}

void
pump_once(struct world *world)
{
    struct pollfd pollfd = {.fd = loop_mailbox(world->loop)->event_fd, .events = POLLIN};

    (void)handle_tick(world->handle, world->clock.instant_now);
    loop_turn(world->loop);
    if (is_waiting(world))
        (void)poll(&pollfd, 1, 1000);
}

void
look(struct world *world, int times)
{
    struct pollfd pollfd = {.fd = loop_mailbox(world->loop)->event_fd, .events = POLLIN};

    for (int i = 0; i < times; i++) {
        (void)handle_tick(world->handle, world->clock.instant_now);
        loop_turn(world->loop);
        (void)poll(&pollfd, 1, 2);
    }
}

void
pump(struct world *world)
{
    int turns = 0;

    for (int quiet = 0; quiet < 4; quiet++) {
        size_t started = world->script.started;

        pump_once(world);
        if (is_waiting(world) || world->script.started != started)
            quiet = 0;
        assert_true(++turns < TURNS_MAX);
    }
}

void
advance(struct world *world, int64_t us)
{
    clock_manual_advance(&world->clock, us);
    pump(world);
}

struct instant
next_tick(struct world *world)
{
    return handle_tick(world->handle, world->clock.instant_now);
}

void
pass(struct world *world, int64_t us)
{
    struct instant over = instant_add_us(world->clock.instant_now, us);

    pump(world);
    for (int turns = 0; world->clock.instant_now.us < over.us; turns++) {
        struct instant next = instant_earlier(next_tick(world), over);

        assert_true(turns < TURNS_MAX);
        advance(world,
            next.us > world->clock.instant_now.us ? next.us - world->clock.instant_now.us : 0);
    }
}

/* --- transactions --- */

struct act {
    struct store_call call;
    struct world *world;
    enum err (*fn)(struct world *world, struct engine *engine);
    const char *sql;
    int64_t number;
    struct inbox_arrival *arrivals[512];
    size_t arrival_count;
    struct str source;
};

static enum err
act_run(struct store_call *call, struct engine *engine)
{
    struct act *act = CONTAINER_OF(call, struct act, call);

    return act->fn(act->world, engine);
}

static void
act_perform(struct world *world, struct act *act)
{
    act->call.writes = true;
    if (store_run(world->store, &act->call) != OK)
        fail_msg("%s", act->call.error.text);
}

void
run_in_store(struct world *world, enum err (*fn)(struct world *world, struct engine *engine))
{
    struct act act = {.call.run = act_run, .world = world, .fn = fn};

    act_perform(world, &act);
}

static enum err
execute_run(struct store_call *call, struct engine *engine)
{
    return engine_exec(engine, CONTAINER_OF(call, struct act, call)->sql, &call->error);
}

void
execute(struct world *world, const char *sql)
{
    struct act act = {.call.run = execute_run, .sql = sql};

    act_perform(world, &act);
}

static enum err
number_run(struct store_call *call, struct engine *engine)
{
    struct act *act = CONTAINER_OF(call, struct act, call);

    return engine_get_int(engine, &act->number, &call->error, act->sql);
}

int64_t
number(struct world *world, const char *sql)
{
    struct act act = {.call.run = number_run, .sql = sql};

    act_perform(world, &act);
    return act.number;
}

/* --- what comes in --- */

static enum err
take_run(struct store_call *call, struct engine *engine)
{
    struct act *act = CONTAINER_OF(call, struct act, call);
    int64_t source_pk = 0;
    enum err err = source_register(engine, act->source, &source_pk, &call->error);

    for (size_t i = 0; i < act->arrival_count; i++)
        act->arrivals[i]->source_pk = source_pk;
    if (err == OK)
        err = inbox_take(engine, act->arrivals, act->arrival_count, &call->error);
    return err;
}

static struct inbox_arrival
arrival_of(struct world *world, const char *object, const char *body)
{
    struct inbox_arrival arrival = {
        .identity = {.event = STR("webinar.created.single"),
            .object = str_from(object != NULL ? object : ""),
            .person = str_from(object != NULL ? "e:ann@example.com" : "")},
        .policy = object != NULL ? DUPLICATE_LATEST : DUPLICATE_NONE,
        .received = world->clock.walltime_now,
        .headers = STR("content-type: application/json\n"),
        .body = str_from(body),
    };

    world->said++;
    memcpy(arrival.version, &world->said, sizeof(world->said));
    return arrival;
}

int64_t
put(struct world *world, const char *source, const char *object, const char *body)
{
    struct inbox_arrival arrival = arrival_of(world, object, body);
    struct act act = {
        .call.run = take_run,
        .arrivals = {&arrival},
        .arrival_count = 1,
        .source = str_from(source),
    };

    act_perform(world, &act);
    return arrival.inbox_pk;
}

int64_t
arrive_from(struct world *world, const char *source, const char *object, const char *body)
{
    int64_t pk = put(world, source, object, body);
    char sql[128];
    int64_t source_pk;

    (void)snprintf(sql, sizeof(sql), "SELECT source_pk FROM source WHERE name = '%s'", source);
    source_pk = number(world, sql);
    handle_wake(world->set, &source_pk, 1);
    pump(world);
    return pk;
}

int64_t
arrive_about(struct world *world, const char *object)
{
    return arrive_from(world, "web", object, "{\"name\":\"Ann\",\"email\":\"ann@example.com\"}");
}

int64_t
arrive_many(struct world *world, size_t count)
{
    static struct inbox_arrival arrivals[512];
    static char objects[512][32];
    struct act act = {.call.run = take_run, .arrival_count = count, .source = STR("web")};

    assert_true(count <= COUNT_OF(arrivals));
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(objects[i], sizeof(objects[i]), "o%llu", (unsigned long long)world->said);
        arrivals[i] = arrival_of(world, objects[i], "{\"name\":\"Ann\"}");
        act.arrivals[i] = &arrivals[i];
    }
    act_perform(world, &act);
    wake_all(world);
    return arrivals[0].inbox_pk;
}

void
wake_all(struct world *world)
{
    handle_wake(world->set, NULL, 0);
    pump(world);
}

/* --- what is logged --- */

void
log_catch(struct world *world)
{
    int fd =
        open(scratch_path(&world->scratch, "log"), O_CREAT | O_RDWR | O_TRUNC | O_APPEND, 0600);

    world->caught_fd = dup(STDERR_FILENO);
    assert_true(fd >= 0 && world->caught_fd >= 0 && dup2(fd, STDERR_FILENO) >= 0);
    (void)close(fd);
}

size_t
log_count(struct world *world, const char *text)
{
    FILE *file = fopen(scratch_path(&world->scratch, "log"), "r");
    char line[4096];
    size_t count = 0;

    (void)dup2(world->caught_fd, STDERR_FILENO);
    (void)close(world->caught_fd);
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        count += strstr(line, text) != NULL;
    (void)fclose(file);
    return count;
}

/* --- a store that is held up --- */

static enum err
gate_run(struct store_call *call, struct engine *engine)
{
    struct gate *gate = CONTAINER_OF(call, struct gate, call);

    (void)engine;
    (void)sem_post(&gate->reached);
    while (sem_wait(&gate->open) != 0)
        ;
    return OK;
}

static void
gate_done(struct store_call *call)
{
    CONTAINER_OF(call, struct gate, call)->is_over = true;
}

void
gate_hold(struct world *world, struct gate *gate, bool writes)
{
    *gate = (struct gate){
        .call = {.run = gate_run,
            .done = gate_done,
            .reply = loop_mailbox(world->loop),
            .writes = writes},
    };
    assert_int_equal(sem_init(&gate->reached, 0, 0), 0);
    assert_int_equal(sem_init(&gate->open, 0, 0), 0);
    assert_int_equal(store_submit(&world->own_port, &gate->call), OK);
    store_port_flush(&world->own_port);
    while (sem_wait(&gate->reached) != 0)
        ;
}

void
gate_release(struct world *world, struct gate *gate)
{
    (void)sem_post(&gate->open);
    for (int i = 0; i < TURNS_MAX && !gate->is_over; i++)
        pump_once(world);
    assert_true(gate->is_over);
    (void)sem_destroy(&gate->reached);
    (void)sem_destroy(&gate->open);
}
