/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API of domain_api.h with an inbox: a source "open" that takes everybody's calls and one
 * "locked" that wants the token "sesame", and two handlers, "mail" and "table", which do nothing by
 * themselves. Items are put into the store as the gateway does, and what a handler said of them as
 * its lane does.
 */
#ifndef TEST_SUPPORT_INBOX_API_H
#define TEST_SUPPORT_INBOX_API_H

#include "domain/received.h"
#include "receive/setup_holder.h"
#include "store/handlers.h"
#include "store/quarantine.h"
#include "support/domain_api.h"
#include "support/inbox.h"

/* SHA-256 of "sesame" */
#define SESAME_HASH "d0c04f4b1951e4aeaaec8223ed2039e542f3aae805a6fa7f6d794e5afff5d272"

/* 2024-03-15T10:00:00Z, when all this is. */
#define NOON_US INT64_C(1710496800000000)

static struct setup_holder test_setups;
static int64_t test_mail_pk;
static int64_t test_table_pk;

/* One transaction of the test's, on the writer's thread. */
struct inbox_act {
    struct store_call call;
    enum err (*run)(struct inbox_act *act, struct engine *engine, struct error *reterr);
    struct setup *setup;
    struct inbox_arrival arrival;
    int64_t handler_pk;
    struct handling_change change;
    struct handling_record record;
    struct quarantined refused;
};

static inline enum err
inbox_act_run(struct store_call *call, struct engine *engine)
{
    struct inbox_act *act = CONTAINER_OF(call, struct inbox_act, call);

    return act->run(act, engine, &call->error);
}

static inline void
inbox_act(struct domain_api *f, struct inbox_act *act)
{
    act->call = (struct store_call){.run = inbox_act_run, .writes = true};
    if (store_run(f->ts.store, &act->call) != OK)
        fail_msg("%s", act->call.error.text);
}

static inline enum err
inbox_act_start(struct inbox_act *act, struct engine *engine, struct error *reterr)
{
    enum err err = setup_register_sources(act->setup, engine, reterr);

    if (err == OK)
        err = handler_register(engine, STR("mail"), true, &test_mail_pk, reterr);
    if (err == OK)
        err = handler_register(engine, STR("table"), true, &test_table_pk, reterr);
    return err;
}

static inline void
inbox_source(struct setup *setup, const char *name, const char *const *settings)
{
    struct source *source = NULL;
    struct error error = {OK, ""};
    enum err err = setup_add_source(setup, str_from(name), &source, &error);

    for (; err == OK && settings[0] != NULL; settings += 2)
        err =
            source_set(source, &setup->arena, str_from(settings[0]), str_from(settings[1]), &error);
    if (err != OK)
        fail_msg("%s", error.text);
}

static inline int
inbox_api_setup(void **state)
{
    static const char *const open[] = {"accept", "none", NULL};
    static const char *const locked[] = {"accept", "token", "token-sha256", SESAME_HASH, "event",
        "webinar.created.single", NULL};
    struct inbox_act act = {.run = inbox_act_start};
    struct domain_api *f;

    (void)domain_api_setup(state);
    f = *state;
    setup_holder_init(&test_setups);
    assert_int_equal(setup_new(&act.setup, NULL), OK);
    inbox_source(act.setup, "open", open);
    inbox_source(act.setup, "locked", locked);
    assert_int_equal(setup_check(act.setup, NULL), OK);
    inbox_act(f, &act);
    setup_holder_set(&test_setups, act.setup);
    setup_drop(act.setup);
    f->api.setups = &test_setups;
    return 0;
}

static inline int
inbox_api_teardown(void **state)
{
    int failed = domain_api_teardown(state);

    setup_holder_done(&test_setups);
    return failed;
}

#define INBOX_API_TEST(name)                                                                       \
    cmocka_unit_test_setup_teardown(name, inbox_api_setup, inbox_api_teardown)

static inline enum err
inbox_act_take(struct inbox_act *act, struct engine *engine, struct error *reterr)
{
    struct inbox_arrival *const arrivals[] = {&act->arrival};
    enum err err = source_register(engine, STR("open"), &act->arrival.source_pk, reterr);

    return err == OK ? inbox_take(engine, arrivals, 1, reterr) : err;
}

/* Take a call in to "open", at so many seconds after noon; its number. */
static inline int64_t
must_take(struct domain_api *f, const char *object, const char *person, const char *body,
    int64_t at_s)
{
    struct inbox_act act = {
        .run = inbox_act_take,
        .arrival = test_arrival(0, object, person, body),
    };

    act.arrival.received.us = NOON_US + at_s * US_PER_S;
    inbox_act(f, &act);
    return act.arrival.inbox_pk;
}

static inline enum err
inbox_act_handle(struct inbox_act *act, struct engine *engine, struct error *reterr)
{
    const struct handler_flush flush = {
        .handler_pk = act->handler_pk,
        .next_pk = act->change.inbox_pk + 1,
        .changes = &act->change,
        .change_count = 1,
        .records = &act->record,
        .record_count = act->record.outcome != NULL ? 1 : 0,
    };

    return handlers_flush(engine, &flush, 1, reterr);
}

/* A lane has come to this item. output: what the handler said; absent: nothing is in the log. */
static inline void
must_handle(struct domain_api *f, int64_t handler_pk, int64_t inbox_pk, enum handling_move what,
    struct str output)
{
    struct inbox_act act = {
        .run = inbox_act_handle,
        .handler_pk = handler_pk,
        .change =
            {
                .what = what,
                .inbox_pk = inbox_pk,
                .attempts = 3,
                .at = {NOON_US + 600 * US_PER_S},
            },
    };

    if (output.ptr != NULL)
        act.record = (struct handling_record){
            .inbox_pk = inbox_pk,
            .attempt = 3,
            .at = {NOON_US},
            .took_us = 41500,
            .outcome = "failed",
            .detail = STR("exit code 1"),
            .output = output,
        };
    inbox_act(f, &act);
}

static inline enum err
inbox_act_refuse(struct inbox_act *act, struct engine *engine, struct error *reterr)
{
    static const struct quarantine_bounds bounds = {64 << 20, US_PER_DAY, 1};

    return quarantine_put(engine, &act->refused, 1, &bounds, reterr);
}

/* A call to the source was refused, at so many seconds after noon, which tell its id, too. */
static inline void
must_refuse(struct domain_api *f, const char *source, const char *token, struct str body,
    int64_t at_s)
{
    struct inbox_act act = {
        .run = inbox_act_refuse,
        .refused =
            {
                .source = str_from(source),
                .peer = STR("192.0.2.7:50112"),
                .reason = STR("the token is another one"),
                .received = {NOON_US + at_s * US_PER_S},
                .token = str_from(token),
                .headers = str_from(text_of("content-type: application/json\nauthorization: Basic "
                                            "c2VjcmV0\nwebhook-id: msg_%lld\n",
                    (long long)at_s)),
                .body = body,
            },
    };

    inbox_act(f, &act);
}

static inline const char *
item_id(int64_t inbox_pk)
{
    char id[ITEM_ID_BYTES];

    item_id_format(inbox_pk, id);
    return text_of("%s", id);
}

#endif
