/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/mango.h"

#include "support/test.h"

static size_t
read_text(const char *text, bool is_patch, struct mango *inout, struct arena *arena,
    struct faults *faults)
{
    struct json *json = NULL;

    faults_init(faults, arena);
    assert_int_equal(json_parse(str_from(text), arena, &json, NULL), OK);
    mango_read(inout, json, is_patch, faults);
    return faults->count;
}

static void
a_mango_is_a_name_and_perhaps_an_id(void **state)
{
    static const struct {
        const char *text;
        bool is_patch;
        size_t faults;
    } cases[] = {
        {"{\"name\":\"Gold\"}", false, 0},
        {"{\"name\":\"\xe0\xa4\x86\xe0\xa4\xae\",\"id\":\"634fc35ddaf58580e2418c40\"}", false, 0},
        {"{}", true, 0},
        {"{\"name\":\"Silver\"}", true, 0},
        {"{}", false, 1},
        {"{\"name\":null}", true, 1},
        {"{\"name\":\"a\\u0000b\"}", false, 1},
        {"{\"name\":\"\"}", false, 1},
        {"{\"name\":5,\"colour\":1,\"id\":\"x\"}", false, 3},
        {"{\"id\":\"634fc35ddaf58580e2418c40\"}", true, 1},
        {"[]", false, 1},
    };
    struct arena arena;
    struct faults faults;

    (void)state;
    arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct mango mango = {0};

        if (cases[i].is_patch)
            mango.name = STR("Old");
        assert_int_equal(read_text(cases[i].text, cases[i].is_patch, &mango, &arena, &faults),
            cases[i].faults);
        assert_true(cases[i].faults > 0 || mango.name.len > 0);
    }
    arena_done(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mango_is_a_name_and_perhaps_an_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
