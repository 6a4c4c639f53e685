/* SPDX-License-Identifier: Apache-2.0 */
#include "http/problem.h"

#include <string.h>

#include "support/test.h"

static void
each_err_has_its_status(void **state)
{
    static const struct {
        enum err err;
        int status;
    } cases[] = {
        {ERR_INVALID, 422},
        {ERR_DENIED, 401},
        {ERR_NOT_FOUND, 404},
        {ERR_CONFLICT, 409},
        {ERR_LIMIT, 413},
        {ERR_BUSY, 503},
        {ERR_DISK, 503},
        {ERR_IO, 500},
        {ERR_NOMEM, 503},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(problem_status(cases[i].err), cases[i].status);
}

static void
a_problem_names_every_fault(void **state)
{
    struct arena arena;
    struct faults faults;
    struct buf buf;

    (void)state;
    arena_init(&arena, 65536);
    faults_init(&faults, &arena);
    fault_add(&faults, STR("/hookUrl"), "must be %s", "https");
    fault_add(&faults, STR("?limit"), "is \"not\" right");
    buf_init(&buf, 65536);
    problem_write(&buf, 422, STR("2 faults"), &faults);
    assert_string_equal(buf.ptr,
        "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,"
        "\"detail\":\"2 faults\",\"errors\":[{\"pointer\":\"/hookUrl\",\"detail\":\"must be "
        "https\"},{\"parameter\":\"limit\",\"detail\":\"is \\\"not\\\" right\"}]}");
    buf_done(&buf);
    arena_done(&arena);
}

static void
a_problem_without_faults_has_no_errors(void **state)
{
    struct buf buf;

    (void)state;
    buf_init(&buf, 65536);
    problem_write(&buf, 404, STR("no such hook"), NULL);
    assert_string_equal(buf.ptr, "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                                 "\"detail\":\"no such hook\"}");
    buf_done(&buf);
}

static void
a_text_cut_inside_a_character_loses_that_character(void **state)
{
    (void)state;
    assert_true(str_equals(problem_detail("caf\xc3"), STR("caf")));
    assert_true(str_equals(problem_detail("caf\xc3\xa9"), STR("caf\xc3\xa9")));
    assert_true(str_equals(problem_detail(""), STR("")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_err_has_its_status),
        cmocka_unit_test(a_problem_names_every_fault),
        cmocka_unit_test(a_problem_without_faults_has_no_errors),
        cmocka_unit_test(a_text_cut_inside_a_character_loses_that_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
