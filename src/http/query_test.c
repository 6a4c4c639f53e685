/* SPDX-License-Identifier: Apache-2.0 */
#include "http/query.h"

#include "support/test.h"

struct fixture {
    struct arena arena;
    struct faults faults;
    struct query query;
};

static void
parse(struct fixture *f, const char *text, const char *names)
{
    arena_init(&f->arena, 65536);
    faults_init(&f->faults, &f->arena);
    query_parse(str_from(text), names, &f->faults, &f->query);
}

static void
assert_str(struct str is, const char *wanted)
{
    if (!str_equals(is, str_from(wanted)))
        fail_msg("is \"%.*s\", wanted \"%s\"", STR_FMT(is), wanted);
}

static void
parameters_are_decoded(void **state)
{
    struct fixture f;

    (void)state;
    parse(&f, "limit=5&email=a%2Bb+c%40x&empty=&bare&u=%C3%A4", "limit email empty bare u absent");
    assert_int_equal(f.faults.count, 0);
    assert_str(query_find(&f.query, STR("limit")), "5");
    assert_str(query_find(&f.query, STR("email")), "a+b+c@x");
    assert_str(query_find(&f.query, STR("u")), "\xc3\xa4");
    assert_non_null(query_find(&f.query, STR("empty")).ptr);
    assert_non_null(query_find(&f.query, STR("bare")).ptr);
    assert_null(query_find(&f.query, STR("absent")).ptr);
    arena_done(&f.arena);
}

static void
no_query_and_an_empty_one_are_the_same(void **state)
{
    static const char *const empty[] = {NULL, "", "&", "&&"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(empty); i++) {
        struct fixture f;

        parse(&f, empty[i], NULL);
        assert_int_equal(f.faults.count, 0);
        assert_int_equal(f.query.count, 0);
        arena_done(&f.arena);
    }
}

static void
what_is_wrong_is_named(void **state)
{
    static const struct {
        const char *text;
        const char *names;
        const char *pointer;
        const char *detail;
    } bad[] = {
        {"limits=5", "limit cursor", "?limits", "is not known here; known are: limit cursor"},
        {"x=5", NULL, "?x", "is not known: this route takes no query parameters"},
        {"limit=5&limit=6", "limit", "?limit", "is given twice"},
        {"limit=%zz", "limit", "?limit",
            "is not percent-encoded UTF-8: write %25 for a percent sign"},
        {"limit=%00", "limit", "?limit",
            "is not percent-encoded UTF-8: write %25 for a percent sign"},
        {"limit=%ff", "limit", "?limit",
            "is not percent-encoded UTF-8: write %25 for a percent sign"},
        {"%=1", "limit", "?", "a parameter's name is not percent-encoded UTF-8"},
        {"=5", "limit", "?", "is not known here; known are: limit"},
        {"limit%20cursor=5", "limit cursor", "?limit cursor",
            "is not known here; known are: limit cursor"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct fixture f;

        parse(&f, bad[i].text, bad[i].names);
        assert_int_equal(f.faults.count, 1);
        assert_str(f.faults.list[0].pointer, bad[i].pointer);
        assert_str(f.faults.list[0].detail, bad[i].detail);
        arena_done(&f.arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters_are_decoded),
        cmocka_unit_test(no_query_and_an_empty_one_are_the_same),
        cmocka_unit_test(what_is_wrong_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
