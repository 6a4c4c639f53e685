/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API without what sends, up and running for a test, with a look into its store. It is
 * 2024-03-15T10:00:00Z until the test moves the clock.
 */
#ifndef TEST_SUPPORT_DOMAIN_API_H
#define TEST_SUPPORT_DOMAIN_API_H

#include "api/api.h"
#include "base/check.h"
#include "support/service.h"

struct domain_api {
    struct test_service ts;
    struct api api;
    struct address_guard guard;
    struct id_source ids;
    struct resolver *resolver;
    size_t changed; /* hooks whose lanes would have been told to read anew */
    size_t woken;
    size_t handlers_woken; /* so often */
};

static struct domain_api *domain_api_here;

static inline void
domain_api_committed(struct call *call)
{
    domain_api_here->changed += call->changed_count;
    domain_api_here->woken += call->wake_count;
    domain_api_here->handlers_woken += call->wakes_handlers;
    service_answer(call);
}

static inline int
domain_api_setup(void **state)
{
    static const uint8_t random[8] = {1, 2, 3};
    static struct domain_api self;
    static struct route_table all[13];
    struct service_options options = {.api = &self.api,
        .tables = all,
        .committed = domain_api_committed};

    all[0] = api_mango_routes;
    all[1] = api_attendee_routes;
    all[2] = api_webinar_routes;
    all[3] = api_consultation_routes;
    all[4] = api_bulk_routes;
    all[5] = api_hook_routes;
    all[6] = api_event_routes;
    all[7] = api_delivery_routes;
    all[8] = api_replay_routes;
    all[9] = api_account_routes;
    all[10] = api_inbox_setup_routes;
    all[11] = api_quarantine_routes;
    all[12] = api_inbox_routes;
    options.table_count = COUNT_OF(all);
    memset(&self, 0, sizeof(self));
    domain_api_here = &self;
    id_source_init(&self.ids, random);
    assert_int_equal(cidr_parse(STR("127.0.0.0/8"), &self.guard.allowed[self.guard.count++], NULL),
        OK);
    assert_int_equal(zones_new(NULL, &self.api.zones, NULL), OK);
    self.api.ids = &self.ids;
    self.api.guard = &self.guard;
    self.api.resolvers = &self.resolver;
    test_service_start_with(&self.ts, &options);
    self.api.clock = &self.ts.clock.base;
    self.api.store = self.ts.store;
    assert_int_equal(resolver_new(self.ts.loop, "127.0.0.1:9", &self.resolver, NULL), OK);
    *state = &self;
    return 0;
}

static inline int
domain_api_teardown(void **state)
{
    struct domain_api *self = *state;

    resolver_free(self->resolver);
    test_service_stop(&self->ts);
    zones_free(self->api.zones);
    return 0;
}

/* Paths are below /api/v1. */
static inline void
must_ask(struct domain_api *self, int status, const char *method, const char *path,
    const char *body)
{
    char whole[1024];

    (void)snprintf(whole, sizeof(whole), "/api/v1%s", path);
    if (test_ask(&self->ts, method, whole, NULL, body) != status)
        fail_msg("%s %s %s: %s", method, path, body != NULL ? body : "", self->ts.text);
}

static inline void
must_have(const struct domain_api *self, const char *text)
{
    if (!test_has(&self->ts, text))
        fail_msg("no %s in %s", text, self->ts.text);
}

static inline void
must_not_have(const struct domain_api *self, const char *text)
{
    if (test_has(&self->ts, text))
        fail_msg("%s in %s", text, self->ts.text);
}

struct id_text {
    char text[ID_TEXT_BYTES];
};

/* Make it and return its id. */
static inline struct id_text
must_make(struct domain_api *self, const char *path, const char *body)
{
    struct id_text id = {""};
    const char *at;

    must_ask(self, 201, "POST", path, body);
    at = strstr(self->ts.body, "\"id\":\"");
    assert_non_null(at);
    memcpy(id.text, at + 6, ID_TEXT_BYTES - 1);
    return id;
}

/* Text of a format, in one of many buffers that take turns. */
PRINTF(1, 2)

static inline const char *
text_of(const char *fmt, ...)
{
    static char buffers[64][1024]; /* a test holds on to some for long */
    static unsigned turn;
    char *buffer = buffers[turn++ % COUNT_OF(buffers)];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(buffer, sizeof(buffers[0]), fmt, args);
    va_end(args);
    return buffer;
}

struct count_call {
    struct store_call call;
    const char *sql;
    int64_t count;
};

static inline enum err
count_run(struct store_call *call, struct engine *engine)
{
    struct count_call *self = (struct count_call *)call;

    return engine_get_int(engine, &self->count, &call->error, self->sql);
}

static inline int64_t
count_of(struct domain_api *self, const char *sql)
{
    struct count_call call = {.call = {.run = count_run}, .sql = sql, .count = -1};

    if (store_run(self->ts.store, &call.call) != OK)
        fail_msg("%s", call.call.error.text);
    return call.count;
}

struct sql_call {
    struct store_call call;
    const char *sql;
};

static inline enum err
sql_run(struct store_call *call, struct engine *engine)
{
    return engine_exec(engine, ((struct sql_call *)call)->sql, &call->error);
}

/* Statements without an answer, for what only sending does. */
static inline void
change_store(struct domain_api *self, const char *sql)
{
    struct sql_call call = {.call = {.run = sql_run, .writes = true}, .sql = sql};

    if (store_run(self->ts.store, &call.call) != OK)
        fail_msg("%s", call.call.error.text);
}

static inline int64_t
events_of(struct domain_api *self, const char *reason)
{
    return count_of(self, text_of("SELECT count(*) FROM event WHERE reason = '%s'", reason));
}

#define DOMAIN_API_TEST(name)                                                                      \
    cmocka_unit_test_setup_teardown(name, domain_api_setup, domain_api_teardown)

#endif
