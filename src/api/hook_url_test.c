/* SPDX-License-Identifier: Apache-2.0 */
#include "api/hook_url.h"

#include <string.h>

#include "support/test.h"

static struct resolved
lead_to(const char *a, const char *b)
{
    struct resolved resolved = {.err = OK};
    const char *const texts[] = {a, b};

    for (size_t i = 0; i < 2 && texts[i] != NULL; i++)
        assert_int_equal(
            address_parse(str_from(texts[i]), &resolved.addresses[resolved.count++], NULL), OK);
    return resolved;
}

static void
urls_are_judged_by_where_they_lead(void **state)
{
    static const struct {
        const char *url;
        const char *open; /* a CIDR that the operator has opened */
        bool allow_http;
        bool allow_all;
        const char *a;
        const char *b;
        const char *says; /* NULL: may be called */
    } cases[] = {
        {"https://h.example/", NULL, false, false, "93.184.216.34", NULL, NULL},
        {"https://h.example/", NULL, false, false, "93.184.216.34", "2606:4700::1111", NULL},
        {"https://93.184.216.34/", NULL, false, false, "93.184.216.34", NULL, NULL},
        {"http://h.example/", NULL, true, false, "93.184.216.34", NULL, NULL},
        {"http://h.example/", NULL, false, true, "10.1.2.3", NULL, NULL},
        {"http://localhost/", "127.0.0.0/8", false, false, "127.0.0.1", NULL, NULL},
        {"https://h.example/", "10.0.0.0/8", false, false, "10.1.2.3", NULL, NULL},

        {"http://h.example/", NULL, false, false, "93.184.216.34", NULL, "must be https"},
        {"http://h.example/", "10.0.0.0/8", false, false, "10.1.2.3", "93.184.216.34",
            "must be https"},
        {"https://h.example/", NULL, false, false, "10.1.2.3", NULL,
            "leads to an address that is not called (private): the server must be started with "
            "--allow-hook-cidr and that address, which its log names, or with "
            "--allow-private-hooks"},
        {"http://127.0.0.1:8080/", NULL, true, false, "127.0.0.1", NULL,
            "is at 127.0.0.1, which is not called (loopback): the server must be started with "
            "--allow-hook-cidr 127.0.0.1, or with --allow-private-hooks"},
        {"https://[::1]/", NULL, false, false, "::1", NULL, "is at ::1, which is not called"},
        {"https://h.example/", NULL, false, false, "93.184.216.34", "169.254.169.254",
            "leads to an address that is not called (metadata)"},
        {"https://h.example/", "10.0.0.0/8", false, false, "192.168.0.1", NULL,
            "leads to an address that is not called (private)"},
        {"http://localhost/", "127.0.0.0/8", false, false, "127.0.0.1", "::1",
            "leads to an address that is not called (loopback)"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct address_guard guard = {.allow_all = cases[i].allow_all};
        struct resolved resolved = lead_to(cases[i].a, cases[i].b);
        struct hook_url_rules rules = {&guard, cases[i].allow_http};
        struct hook_url_denied denied;
        struct arena arena;
        struct url url;
        struct str verdict;

        arena_init(&arena, 65536);
        if (cases[i].open != NULL)
            assert_int_equal(
                cidr_parse(str_from(cases[i].open), &guard.allowed[guard.count++], NULL), OK);
        assert_int_equal(url_parse(str_from(cases[i].url), &arena, &url, NULL), OK);
        verdict = hook_url_judge(&url, &resolved, &rules, &arena, &denied);
        if ((verdict.ptr == NULL) != (cases[i].says == NULL) ||
            (cases[i].says != NULL && strstr(verdict.ptr, cases[i].says) == NULL))
            fail_msg("case %zu, %s: \"%.*s\"", i, cases[i].url, STR_FMT(verdict));
        assert_int_equal(denied.address != NULL,
            cases[i].says != NULL && strstr(cases[i].says, "not called") != NULL);
        arena_done(&arena);
    }
}

static void
a_name_that_is_not_there_is_refused_but_silence_is_not_held_against_it(void **state)
{
    static const struct address_guard guard = {.count = 0};
    const struct hook_url_rules rules = {&guard, false};
    struct resolved resolved = {.err = ERR_NOT_FOUND};
    struct hook_url_denied denied;
    struct arena arena;
    struct url url;

    (void)state;
    arena_init(&arena, 65536);
    assert_int_equal(url_parse(STR("https://nowhere.example/"), &arena, &url, NULL), OK);
    assert_non_null(strstr(hook_url_judge(&url, &resolved, &rules, &arena, &denied).ptr,
        "there is no host nowhere.example"));
    resolved.err = ERR_IO;
    assert_null(hook_url_judge(&url, &resolved, &rules, &arena, &denied).ptr);
    assert_int_equal(url_parse(STR("http://nowhere.example/"), &arena, &url, NULL), OK);
    assert_non_null(hook_url_judge(&url, &resolved, &rules, &arena, &denied).ptr);
    arena_done(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_judged_by_where_they_lead),
        cmocka_unit_test(a_name_that_is_not_there_is_refused_but_silence_is_not_held_against_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
