/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/subscribe.h"

#include <string.h>

#include "support/test.h"

#define PATH "/api/v1/integration/webhook/webhook"

static enum err
target_of(const char *api, struct buf *target, struct error *reterr)
{
    struct arena arena;
    struct url url;
    enum err err;

    arena_init(&arena, 16384);
    assert_int_equal(url_parse(str_from(api), &arena, &url, NULL), OK);
    err = subscribe_target(&url, target, reterr);
    arena_done(&arena);
    return err;
}

static void
the_path_is_there_once(void **state)
{
    static const struct {
        const char *api;
        const char *target;
    } cases[] = {
        {"https://api-prod-new.tagmango.com", PATH},
        {"https://api-prod-new.tagmango.com/", PATH},
        {"https://api-prod-new.tagmango.com" PATH, PATH},
        {"https://api-prod-new.tagmango.com" PATH "/", PATH},
        {"http://127.0.0.1:8080/usher", "/usher" PATH},
        {"http://127.0.0.1:8080/usher//", "/usher" PATH},
        {"http://127.0.0.1:8080/usher" PATH, "/usher" PATH},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf target;

        buf_init(&target, 4096);
        assert_int_equal(target_of(cases[i].api, &target, NULL), OK);
        assert_string_equal(target.ptr, cases[i].target);
        buf_done(&target);
    }
}

static void
a_query_is_refused(void **state)
{
    struct error error;
    struct buf target;

    (void)state;
    buf_init(&target, 4096);
    assert_int_equal(target_of("https://example.com/?key=1", &target, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "--api"));
    assert_int_equal(target.len, 0);
    buf_done(&target);
}

static void
the_body_is_the_documents(void **state)
{
    struct subscribe subscribe = {
        .hook_url = "https://example.com/hook",
        .event = "webinar.created.single",
        .webinar = "634fc35ddaf58580e2418c40",
    };
    struct buf body;

    (void)state;
    buf_init(&body, 4096);
    subscribe_body(&subscribe, &body);
    assert_string_equal(body.ptr,
        "{\"hookUrl\":\"https://example.com/hook\",\"event\":\"webinar.created.single\","
        "\"webinar\":\"634fc35ddaf58580e2418c40\"}");
    buf_clear(&body);
    subscribe.webinar = NULL;
    subscribe_body(&subscribe, &body);
    assert_string_equal(body.ptr,
        "{\"hookUrl\":\"https://example.com/hook\",\"event\":\"webinar.created.single\"}");
    buf_clear(&body);
    subscribe.mango = "m\"1";
    subscribe_body(&subscribe, &body);
    assert_non_null(strstr(body.ptr, ",\"mango\":\"m\\\"1\"}"));
    buf_done(&body);
}

static void
report(const char *hook_url, const char *answer, struct buf *say, bool expected)
{
    const struct subscribe subscribe = {.hook_url = hook_url, .event = "webinar.created.single"};
    bool is_understood = !expected;

    buf_init(say, 65536);
    subscribe_report(&subscribe, 201, str_from(answer), say, &is_understood);
    assert_int_equal(is_understood, expected);
    assert_false(buf_is_full(say));
}

static void
id_and_secret_are_told_with_what_to_write(void **state)
{
    static const char answer[] = "{\"id\":\"634fc35ddaf58580e2418c41\",\"secret\":\"whsec_abc\"}";

    static const struct {
        const char *hook_url;
        const char *section;
    } cases[] = {
        {"https://example.com/in/tag-mango/token", "    [source tag-mango]\n"},
        {"https://example.com/hooks/in/a_1?x=1", "    [source a_1]\n"},
        {"https://example.com/in/", "    [source webinars]\n"},
        {"https://example.com/hook", "    [source webinars]\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf say;

        report(cases[i].hook_url, answer, &say, true);
        assert_non_null(strstr(say.ptr, cases[i].section));
        assert_non_null(strstr(say.ptr, "    id      634fc35ddaf58580e2418c41\n"));
        assert_non_null(strstr(say.ptr, "    signature = standard-webhooks\n"));
        assert_non_null(strstr(say.ptr, "    secret = whsec_abc\n"));
        buf_done(&say);
    }
}

static void
what_is_not_understood_is_told_as_it_is(void **state)
{
    static const char *const answers[] = {"{\"message\":\"ok\",\"success\":true}", "[1]", "created",
        "{\"id\":7,\"secret\":\"s\"}", "{\"id\":\"7\"}", "{\"id\":\"\",\"secret\":\"\"}"};
    struct buf say;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        report("https://example.com/in/a", answers[i], &say, false);
        assert_non_null(strstr(say.ptr, answers[i]));
        assert_non_null(strstr(say.ptr, "the answer was 201"));
        buf_done(&say);
    }
    report("https://example.com/in/a", "", &say, false);
    assert_string_equal(say.ptr,
        "The hook is registered: the answer was 201, with nothing else.\n");
    buf_done(&say);
    report("https://example.com/in/a", "\x1b[2J", &say, false);
    assert_null(strchr(say.ptr, '\x1b'));
    buf_done(&say);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_path_is_there_once),
        cmocka_unit_test(a_query_is_refused),
        cmocka_unit_test(the_body_is_the_documents),
        cmocka_unit_test(id_and_secret_are_told_with_what_to_write),
        cmocka_unit_test(what_is_not_understood_is_told_as_it_is),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
