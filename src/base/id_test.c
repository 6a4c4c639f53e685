/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include <string.h>

#include "support/test.h"

static const uint8_t random_bytes[8] = {0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xff, 0xff, 0xfe};

static void
an_id_is_time_process_and_counter(void **state)
{
    struct id_source source;
    char text[ID_TEXT_BYTES];

    (void)state;
    id_source_init(&source, random_bytes);
    id_format(id_make(&source, (struct walltime){INT64_C(0x65f41ca0) * US_PER_S + 999999}), text);
    assert_string_equal(text, "65f41ca0a1a2a3a4a5fffffe");
    id_format(id_make(&source, (struct walltime){0}), text);
    assert_string_equal(text, "00000000a1a2a3a4a5ffffff");
    id_format(id_make(&source, (struct walltime){-5 * US_PER_S}), text);
    assert_string_equal(text, "00000000a1a2a3a4a5000000");
}

static void
ids_sort_by_their_second(void **state)
{
    struct id_source source;
    struct id early;
    struct id late;

    (void)state;
    id_source_init(&source, random_bytes);
    early = id_make(&source, (struct walltime){INT64_C(1710496800) * US_PER_S});
    late = id_make(&source, (struct walltime){INT64_C(1710497056) * US_PER_S});
    assert_true(memcmp(early.bytes, late.bytes, ID_BYTES) < 0);
}

static void
ids_of_either_case_are_read(void **state)
{
    char text[ID_TEXT_BYTES];
    struct id id;

    (void)state;
    assert_int_equal(id_parse(STR("634fc35ddaf58580e2418C4F"), &id), OK);
    id_format(id, text);
    assert_string_equal(text, "634fc35ddaf58580e2418c4f");
    assert_false(id_is_zero(id));
    assert_int_equal(id_parse(STR("000000000000000000000000"), &id), OK);
    assert_true(id_is_zero(id));
}

static void
what_is_no_id_is_refused(void **state)
{
    static const char *const refused[] = {"", "634fc35ddaf58580e2418c4",
        "634fc35ddaf58580e2418c400", "634fc35ddaf58580e2418c4g", "634fc35ddaf58580e2418c4 ",
        "0x4fc35ddaf58580e2418c40", "634fc35ddaf58580e2418c"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        struct id id = {{7}};

        assert_int_equal(id_parse(str_from(refused[i]), &id), ERR_INVALID);
        assert_true(id_equals(id, (struct id){{7}}));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_is_time_process_and_counter),
        cmocka_unit_test(ids_sort_by_their_second),
        cmocka_unit_test(ids_of_either_case_are_read),
        cmocka_unit_test(what_is_no_id_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
