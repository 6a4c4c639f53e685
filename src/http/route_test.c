/* SPDX-License-Identifier: Apache-2.0 */
#include "http/route.h"

#include <string.h>

#include "support/test.h"

static const struct route mangoes[] = {
    {.method = "GET", .path = "/v1/mangoes"},
    {.method = "POST", .path = "/v1/mangoes"},
    {.method = "GET", .path = "/v1/mangoes/{id}"},
    {.method = "PATCH", .path = "/v1/mangoes/{id}"},
    {.method = "DELETE", .path = "/v1/mangoes/{id}/attendees/{attendee}"},
};

static const struct route others[] = {
    {.method = "DELETE", .path = "/v1/mangoes/{id}"},
    {.method = "PUT", .path = "/v1/only"},
    {.method = "GET", .path = "/"},
};

static const struct route_table tables[] = {{mangoes, COUNT_OF(mangoes)},
    {others, COUNT_OF(others)}};

static enum route_match
find(const char *method, const char *path, const struct route **ret, struct str *params,
    char *ret_allow)
{
    const struct route_question ask = {str_from(method), str_from(path)};

    return route_find(tables, COUNT_OF(tables), &ask, ret, params, ret_allow);
}

static void
a_route_is_found_by_method_and_path(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        const struct route *route;
        const char *params[ROUTE_PARAMS_MAX];
    } cases[] = {
        {"GET", "/v1/mangoes", &mangoes[0], {0}},
        {"HEAD", "/v1/mangoes", &mangoes[0], {0}},
        {"POST", "/v1/mangoes", &mangoes[1], {0}},
        {"GET", "/v1/mangoes/abc", &mangoes[2], {"abc"}},
        {"GET", "/v1/mangoes/%2F", &mangoes[2], {"%2F"}},
        {"DELETE", "/v1/mangoes/abc", &others[0], {"abc"}},
        {"DELETE", "/v1/mangoes/abc/attendees/d", &mangoes[4], {"abc", "d"}},
        {"GET", "/", &others[2], {0}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct route *route = NULL;
        struct str params[ROUTE_PARAMS_MAX] = {0};
        char allow[ROUTE_ALLOW_BYTES] = "before";

        assert_int_equal(find(cases[i].method, cases[i].path, &route, params, allow), ROUTE_FOUND);
        assert_ptr_equal(route, cases[i].route);
        assert_string_equal(allow, "before");
        for (size_t j = 0; j < ROUTE_PARAMS_MAX; j++)
            assert_true(str_equals(params[j], str_from(cases[i].params[j])));
    }
}

static void
what_is_no_path_of_ours_is_unknown(void **state)
{
    static const char *const bad[] = {"", "/v1", "/v1/mangoes/", "/v1/mangoes//attendees/x",
        "/v1//mangoes", "v1/mangoes", "/V1/mangoes", "/v1/mangoes/a/b", "//", "/v1/only/"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        const struct route *route = NULL;
        struct str params[ROUTE_PARAMS_MAX] = {0};
        char allow[ROUTE_ALLOW_BYTES] = "before";

        assert_int_equal(find("GET", bad[i], &route, params, allow), ROUTE_UNKNOWN);
        assert_null(route);
        assert_null(params[0].ptr);
        assert_string_equal(allow, "before");
    }
}

static void
another_method_is_told_which_there_are(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        const char *allow;
    } cases[] = {
        {"PUT", "/v1/mangoes", "GET, HEAD, POST"},
        {"POST", "/v1/mangoes/x", "GET, HEAD, PATCH, DELETE"},
        {"GET", "/v1/only", "PUT"},
        {"get", "/v1/mangoes", "GET, HEAD, POST"},
        {"HEAD", "/v1/only", "PUT"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct route *route = NULL;
        struct str params[ROUTE_PARAMS_MAX] = {0};
        char allow[ROUTE_ALLOW_BYTES] = "";

        assert_int_equal(find(cases[i].method, cases[i].path, &route, params, allow),
            ROUTE_OTHER_METHOD);
        assert_string_equal(allow, cases[i].allow);
        assert_null(route);
        assert_null(params[0].ptr);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_is_found_by_method_and_path),
        cmocka_unit_test(what_is_no_path_of_ours_is_unknown),
        cmocka_unit_test(another_method_is_told_which_there_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
