/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/hook.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"

#define MINIMUM "\"hookUrl\":\"https://example.com/h\",\"event\":\"webinar.created.single\""
#define WHSEC   "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

struct fixture {
    struct arena arena;
    struct faults faults;
    struct hook hook;
};

static void
read_onto(struct fixture *f, const char *text, bool is_patch)
{
    struct json *object = NULL;

    faults_init(&f->faults, &f->arena);
    assert_int_equal(json_parse(str_from(text), &f->arena, &object, NULL), OK);
    hook_read(&f->hook, object, is_patch, &f->faults);
}

static void
start(struct fixture *f)
{
    arena_init(&f->arena, REQUEST_ARENA_BYTES_MAX);
    f->hook = hook_defaults();
}

static void
done(struct fixture *f)
{
    arena_done(&f->arena);
}

static void
assert_str(struct str is, const char *wanted)
{
    if (!str_equals(is, str_from(wanted)))
        fail_msg("is \"%.*s\", wanted \"%s\"", STR_FMT(is), wanted);
}

static void
assert_no_faults(const struct faults *faults)
{
    if (faults->count > 0)
        fail_msg("%.*s: %.*s", STR_FMT(faults->list[0].pointer), STR_FMT(faults->list[0].detail));
}

static void
the_published_subscription_is_taken(void **state)
{
    struct fixture f;
    char text[ID_TEXT_BYTES];

    (void)state;
    start(&f);
    read_onto(&f,
        "{\"hookUrl\":\"https://example.com/hook\",\"event\":\"webinar.created.single\","
        "\"webinar\":\"634fc35ddaf58580e2418c40\"}",
        false);
    assert_no_faults(&f.faults);
    assert_str(f.hook.url, "https://example.com/hook");
    assert_str(f.hook.event, "webinar.created.single");
    id_format(f.hook.webinar_id, text);
    assert_string_equal(text, "634fc35ddaf58580e2418c40");
    assert_true(id_is_zero(f.hook.mango_id));
    assert_str(f.hook.description, "");
    assert_int_equal(f.hook.phone_format, PHONE_NUMBER);
    assert_int_equal(f.hook.signature, HOOK_SIGNATURE_V1);
    assert_true(f.hook.rate_limit <= 0);
    assert_int_equal(f.hook.max_in_flight, 16);
    assert_int_equal(f.hook.status, HOOK_ENABLED);
    assert_null(f.hook.secret.ptr);
    done(&f);
}

static void
what_may_be_given_is_taken(void **state)
{
    static const char *const good[] = {
        "\"webinar\":null",
        "\"mango\":\"634FC35DDAF58580E2418C40\"",
        "\"webinar\":null,\"mango\":null,\"course\":null,\"page\":null",
        "\"description\":\"\"",
        "\"description\":\"two\\nlines\"",
        "\"description\":null",
        "\"headers\":{}",
        "\"headers\":null",
        "\"headers\":{\"Authorization\":\"Bearer x\",\"x-empty\":\"\"}",
        "\"headers\":{\"x-gone\":null}",
        "\"phoneFormat\":\"string\"",
        "\"phoneFormat\":null",
        "\"signature\":\"v1a\"",
        "\"secret\":\"" WHSEC "\"",
        "\"secret\":null",
        "\"rateLimit\":0.1",
        "\"rateLimit\":10000",
        "\"rateLimit\":1e2",
        "\"rateLimit\":null",
        "\"maxInFlight\":1",
        "\"maxInFlight\":256",
        "\"maxInFlight\":null",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct fixture f;
        char text[500];

        start(&f);
        (void)snprintf(text, sizeof(text), "{" MINIMUM ",%s}", good[i]);
        read_onto(&f, text, false);
        assert_no_faults(&f.faults);
        done(&f);
    }
}

static const struct {
    const char *fields;
    const char *pointer;
} wrong_fields[] = {
    {MINIMUM ",\"webinarID\":\"634fc35ddaf58580e2418c40\"", "/webinarID"},
    {MINIMUM ",\"webinar\":\"634fc35ddaf58580e2418c4\"", "/webinar"},
    {MINIMUM ",\"webinar\":\"000000000000000000000000\"", "/webinar"},
    {MINIMUM ",\"webinar\":\"\"", "/webinar"},
    {MINIMUM ",\"webinar\":5", "/webinar"},
    {MINIMUM ",\"mango\":[]", "/mango"},
    {MINIMUM ",\"course\":\"634fc35ddaf58580e2418c40\"", "/course"},
    {MINIMUM ",\"page\":\"x\"", "/page"},
    {"\"event\":\"webinar.created.single\"", "/hookUrl"},
    {"\"hookUrl\":null,\"event\":\"webinar.created.single\"", "/hookUrl"},
    {"\"hookUrl\":\"\",\"event\":\"webinar.created.single\"", "/hookUrl"},
    {"\"hookUrl\":7,\"event\":\"webinar.created.single\"", "/hookUrl"},
    {"\"hookUrl\":\"https://example.com/h\"", "/event"},
    {"\"hookUrl\":\"https://example.com/h\",\"event\":null", "/event"},
    {"\"hookUrl\":\"https://example.com/h\",\"event\":\"webinar.created\"", "/event"},
    {MINIMUM ",\"description\":5", "/description"},
    {MINIMUM ",\"description\":\"a\\u0000\"", "/description"},
    {MINIMUM ",\"headers\":[]", "/headers"},
    {MINIMUM ",\"headers\":{\"host\":\"x\"}", "/headers/host"},
    {MINIMUM ",\"headers\":{\"Content-Length\":\"1\"}", "/headers/Content-Length"},
    {MINIMUM ",\"headers\":{\"content-type\":\"x\"}", "/headers/content-type"},
    {MINIMUM ",\"headers\":{\"Transfer-Encoding\":\"x\"}", "/headers/Transfer-Encoding"},
    {MINIMUM ",\"headers\":{\"connection\":\"x\"}", "/headers/connection"},
    {MINIMUM ",\"headers\":{\"te\":\"x\"}", "/headers/te"},
    {MINIMUM ",\"headers\":{\"Upgrade\":\"x\"}", "/headers/Upgrade"},
    {MINIMUM ",\"headers\":{\"user-agent\":\"x\"}", "/headers/user-agent"},
    {MINIMUM ",\"headers\":{\"Webhook-Id\":\"x\"}", "/headers/Webhook-Id"},
    {MINIMUM ",\"headers\":{\"x-usher-event\":\"x\"}", "/headers/x-usher-event"},
    {MINIMUM ",\"headers\":{\"a b\":\"x\"}", "/headers/a b"},
    {MINIMUM ",\"headers\":{\"\":\"x\"}", "/headers/"},
    {MINIMUM ",\"headers\":{\"a:\":\"x\"}", "/headers/a:"},
    {MINIMUM ",\"headers\":{\"a\\u0000\":\"x\"}", NULL},
    {MINIMUM ",\"headers\":{\"x\":5}", "/headers/x"},
    {MINIMUM ",\"headers\":{\"x\":\"a\\r\\nHost: b\"}", "/headers/x"},
    {MINIMUM ",\"headers\":{\"x\":\"\xc3\xa4\"}", "/headers/x"},
    {MINIMUM ",\"headers\":{\"x\":\" a\"}", "/headers/x"},
    {MINIMUM ",\"headers\":{\"x\":\"********\"}", "/headers/x"},
    {MINIMUM ",\"headers\":{\"x\":\"1\",\"X\":\"2\"}", "/headers/X"},
    {MINIMUM ",\"phoneFormat\":\"text\"", "/phoneFormat"},
    {MINIMUM ",\"signature\":\"v2\"", "/signature"},
    {MINIMUM ",\"signature\":1", "/signature"},
    {MINIMUM ",\"secret\":\"whsec_c2hvcnQ=\"", "/secret"},
    {MINIMUM ",\"secret\":\"hello\"", "/secret"},
    {MINIMUM ",\"secret\":7", "/secret"},
    {MINIMUM ",\"signature\":\"v1a\",\"secret\":\"" WHSEC "\"", "/secret"},
    {MINIMUM ",\"rateLimit\":0", "/rateLimit"},
    {MINIMUM ",\"rateLimit\":0.09", "/rateLimit"},
    {MINIMUM ",\"rateLimit\":10001", "/rateLimit"},
    {MINIMUM ",\"rateLimit\":\"5\"", "/rateLimit"},
    {MINIMUM ",\"rateLimit\":1e999", "/rateLimit"},
    {MINIMUM ",\"maxInFlight\":0", "/maxInFlight"},
    {MINIMUM ",\"maxInFlight\":257", "/maxInFlight"},
    {MINIMUM ",\"maxInFlight\":1.5", "/maxInFlight"},
    {MINIMUM ",\"id\":\"634fc35ddaf58580e2418c40\"", "/id"},
    {MINIMUM ",\"createdAt\":\"2024-03-15T10:00:00.000Z\"", "/createdAt"},
    {MINIMUM ",\"status\":\"disabled\"", "/status"},
};

static void
what_is_wrong_is_refused_at_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(wrong_fields); i++) {
        struct fixture f;
        char text[500];

        start(&f);
        (void)snprintf(text, sizeof(text), "{%s}", wrong_fields[i].fields);
        read_onto(&f, text, false);
        if (f.faults.count != 1)
            fail_msg("%s: %zu faults", text, f.faults.count);
        if (wrong_fields[i].pointer != NULL)
            assert_str(f.faults.list[0].pointer, wrong_fields[i].pointer);
        done(&f);
    }
}

static void
all_faults_are_named_at_once(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    read_onto(&f,
        "{\"event\":\"nothing\",\"webinar\":1,\"maxInFlight\":0,\"headers\":{\"te\":\"\"},\"x\":1}",
        false);
    assert_int_equal(f.faults.count, 6);
    done(&f);
}

static void
texts_and_headers_have_their_bounds(void **state)
{
    struct fixture f;
    static char text[120000];
    size_t len;

    (void)state;
    start(&f);
    len = (size_t)snprintf(text, sizeof(text), "{" MINIMUM ",\"headers\":{");
    for (int i = 0; i < HOOK_HEADERS_MAX + 1; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\"x-%d\":\"v\"",
            i > 0 ? "," : "", i);
    (void)snprintf(text + len, sizeof(text) - len, "}}");
    read_onto(&f, text, false);
    assert_int_equal(f.faults.count, 1);
    assert_str(f.faults.list[0].pointer, "/headers/x-20");
    assert_int_equal(f.hook.header_count, HOOK_HEADERS_MAX);

    f.hook = hook_defaults();
    (void)snprintf(text, sizeof(text), "{" MINIMUM ",\"headers\":{\"x\":\"%04097d\"}}", 0);
    read_onto(&f, text, false);
    assert_int_equal(f.faults.count, 1);
    (void)snprintf(text, sizeof(text), "{" MINIMUM ",\"headers\":{\"x\":\"%04096d\"}}", 0);
    read_onto(&f, text, false);
    assert_no_faults(&f.faults);

    (void)snprintf(text, sizeof(text), "{" MINIMUM ",\"description\":\"%01025d\"}", 0);
    read_onto(&f, text, false);
    assert_int_equal(f.faults.count, 1);
    (void)snprintf(text, sizeof(text), "{\"hookUrl\":\"https://e/%02040d\"}", 0);
    read_onto(&f, text, true);
    assert_int_equal(f.faults.count, 1);
    done(&f);
}

static void
a_patch_changes_what_it_names_and_null_clears(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    read_onto(&f,
        "{" MINIMUM ",\"webinar\":\"634fc35ddaf58580e2418c40\",\"description\":\"d\","
        "\"headers\":{\"x-a\":\"1\",\"x-b\":\"2\",\"x-c\":\"3\"},\"phoneFormat\":\"string\","
        "\"rateLimit\":5,\"maxInFlight\":4}",
        false);
    assert_no_faults(&f.faults);

    read_onto(&f, "{}", true);
    assert_no_faults(&f.faults);
    assert_str(f.hook.url, "https://example.com/h");
    assert_int_equal(f.hook.max_in_flight, 4);

    read_onto(&f,
        "{\"webinar\":null,\"description\":null,\"headers\":{\"X-B\":null,\"X-C\":\"4\"},"
        "\"phoneFormat\":null,\"rateLimit\":null,\"maxInFlight\":null,\"signature\":\"v1\"}",
        true);
    assert_no_faults(&f.faults);
    assert_true(id_is_zero(f.hook.webinar_id));
    assert_str(f.hook.description, "");
    assert_int_equal(f.hook.header_count, 2);
    assert_str(f.hook.headers[0].name, "x-a");
    assert_str(f.hook.headers[1].name, "X-C");
    assert_str(f.hook.headers[1].value, "4");
    assert_int_equal(f.hook.phone_format, PHONE_NUMBER);
    assert_true(f.hook.rate_limit <= 0);
    assert_int_equal(f.hook.max_in_flight, 16);

    read_onto(&f, "{\"headers\":null}", true);
    assert_int_equal(f.hook.header_count, 0);
    done(&f);
}

static void
a_patch_of_what_is_fixed_is_refused(void **state)
{
    static const char *const bad[] = {
        "\"event\":\"webinar.created.single\"",
        "\"id\":\"634fc35ddaf58580e2418c40\"",
        "\"createdAt\":null",
        "\"updatedAt\":\"2024-03-15T10:00:00.000Z\"",
        "\"status\":\"disabled\"",
        "\"secret\":\"" WHSEC "\"",
        "\"secret\":null",
        "\"signature\":\"v1a\"",
        "\"secretHint\":\"x\"",
        "\"hookUrl\":null",
        "\"course\":\"634fc35ddaf58580e2418c40\"",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct fixture f;
        char text[200];

        start(&f);
        read_onto(&f, "{" MINIMUM "}", false);
        (void)snprintf(text, sizeof(text), "{%s}", bad[i]);
        read_onto(&f, text, true);
        if (f.faults.count != 1)
            fail_msg("%s: %zu faults", text, f.faults.count);
        assert_str(f.hook.url, "https://example.com/h");
        assert_str(f.hook.event, "webinar.created.single");
        assert_int_equal(f.hook.signature, HOOK_SIGNATURE_V1);
        assert_null(f.hook.secret.ptr);
        done(&f);
    }
}

static void
what_is_no_object_is_refused(void **state)
{
    struct fixture f;

    (void)state;
    start(&f);
    read_onto(&f, "[]", false);
    assert_int_equal(f.faults.count, 1);
    assert_str(f.faults.list[0].pointer, "");
    done(&f);
}

static void
states_follow_the_picture(void **state)
{
    struct hook hook = hook_defaults();
    enum hook_status parsed = HOOK_DELETED;

    (void)state;
    hook_move(&hook, HOOK_DISABLED);
    hook_move(&hook, HOOK_ENABLED);
    hook_move(&hook, HOOK_DISABLED);
    hook_move(&hook, HOOK_DELETED);
    assert_string_equal(hook_status_name(hook.status), "deleted");
    assert_int_equal(hook_status_parse(STR("disabled"), &parsed), OK);
    assert_int_equal(parsed, HOOK_DISABLED);
    assert_int_equal(hook_status_parse(STR("gone"), &parsed), ERR_INVALID);
    assert_int_equal(parsed, HOOK_DISABLED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_subscription_is_taken),
        cmocka_unit_test(what_may_be_given_is_taken),
        cmocka_unit_test(what_is_wrong_is_refused_at_its_place),
        cmocka_unit_test(all_faults_are_named_at_once),
        cmocka_unit_test(texts_and_headers_have_their_bounds),
        cmocka_unit_test(a_patch_changes_what_it_names_and_null_clears),
        cmocka_unit_test(a_patch_of_what_is_fixed_is_refused),
        cmocka_unit_test(what_is_no_object_is_refused),
        cmocka_unit_test(states_follow_the_picture),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
