/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/object.h"

#include <string.h>

#include "support/test.h"

struct fixture {
    struct arena arena;
    struct faults faults;
    struct field_reader reader;
};

static void
start(struct fixture *fixture, const char *text)
{
    struct json *json = NULL;

    arena_init(&fixture->arena, 1 << 20);
    faults_init(&fixture->faults, &fixture->arena);
    assert_int_equal(json_parse(str_from(text), &fixture->arena, &json, NULL), OK);
    field_reader_start(&fixture->reader, json, &fixture->faults);
}

static void
assert_fault(const struct faults *faults, size_t index, const char *pointer)
{
    assert_true(index < faults->count);
    assert_true(str_equals(faults->list[index].pointer, str_from(pointer)));
}

static void
an_address_has_one_at_and_no_spaces(void **state)
{
    static const char *const right[] = {"a@b", "John.Doe+tag@Example.COM", " a@b\t",
        "\xc3\xa4@b.de", "a@[192.0.2.1]"};
    static const char *const wrong[] = {"", "  ", "a", "@", "a@", "@b", "a@b@c", "a b@c", "a@b c",
        "a\x01@b", "a\x7f@b"};
    char long_one[EMAIL_BYTES_MAX + 2];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(right); i++)
        assert_null(email_is_wrong(str_from(right[i])));
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_non_null(email_is_wrong(str_from(wrong[i])));
    memset(long_one, 'a', sizeof(long_one));
    long_one[1] = '@';
    assert_null(email_is_wrong((struct str){long_one, EMAIL_BYTES_MAX}));
    assert_non_null(email_is_wrong((struct str){long_one, EMAIL_BYTES_MAX + 1}));
}

static void
a_link_is_an_absolute_uri_that_no_browser_runs(void **state)
{
    static const char *const right[] = {"https://meet.google.com/abc-defg-hij", "http://x",
        "tel:+1", "HTTPS://EXAMPLE.COM/?a=b#c", "zoommtg://zoom.us/join?confno=1", "mailto:a@b"};
    static const char *const wrong[] = {"", "meet.google.com/abc", "https:", "https://",
        "https:///x", "https:/x", "//x", ":x", "1a:b", "https://a b", "https://a\"b",
        "javascript:alert(1)", "JavaScript:x", "data:text/html,x", "vbscript:x", "ht tp://x",
        "https://x\n", "https://?x"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(right); i++)
        assert_null(link_is_wrong(str_from(right[i])));
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_non_null(link_is_wrong(str_from(wrong[i])));
}

static void
a_zone_is_a_name_or_an_offset(void **state)
{
    static const char *const right[] = {"Asia/Kolkata", "UTC", "+05:30", "-09:30"};
    static const char *const wrong[] = {"", "-00:00", "+5:30", "../etc/passwd", "+19:00",
        "Asia/ Kolkata"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(right); i++)
        assert_null(zone_is_wrong(str_from(right[i])));
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_non_null(zone_is_wrong(str_from(wrong[i])));
}

static void
a_creation_may_bring_its_id_and_no_timestamps(void **state)
{
    struct fixture f;
    struct id id = {0};
    char text[ID_TEXT_BYTES];

    (void)state;
    start(&f, "{\"id\":\"634fc35ddaf58580e2418c40\",\"createdAt\":\"x\"}");
    object_read_own(&f.reader, false, &id);
    field_reader_end(&f.reader);
    id_format(id, text);
    assert_string_equal(text, "634fc35ddaf58580e2418c40");
    assert_int_equal(f.faults.count, 1);
    assert_fault(&f.faults, 0, "/createdAt");
    arena_done(&f.arena);
}

static void
a_patch_may_not_name_id_or_timestamps(void **state)
{
    struct fixture f;
    struct id id = {0};

    (void)state;
    start(&f, "{\"id\":\"634fc35ddaf58580e2418c40\",\"createdAt\":1,\"updatedAt\":null}");
    object_read_own(&f.reader, true, &id);
    field_reader_end(&f.reader);
    assert_true(id_is_zero(id));
    assert_int_equal(f.faults.count, 3);
    assert_fault(&f.faults, 0, "/id");
    assert_fault(&f.faults, 1, "/createdAt");
    assert_fault(&f.faults, 2, "/updatedAt");
    arena_done(&f.arena);
}

static void
an_id_list_names_every_wrong_and_doubled_id(void **state)
{
    struct fixture f;
    struct id_list list = {0};

    (void)state;
    start(&f, "{\"m\":[\"634fc35ddaf58580e2418c40\",1,\"634FC35DDAF58580E2418C40\",\"x\"],"
              "\"n\":null,\"o\":[\"634fc35ddaf58580e2418c40\"],\"p\":{}}");
    assert_false(field_ids(&f.reader, STR("m"), 10, &list));
    assert_false(list.is_given);
    assert_int_equal(f.faults.count, 3);
    assert_fault(&f.faults, 0, "/m/1");
    assert_fault(&f.faults, 1, "/m/2");
    assert_fault(&f.faults, 2, "/m/3");

    assert_true(field_ids(&f.reader, STR("n"), 10, &list));
    assert_true(list.is_given);
    assert_int_equal(list.count, 0);
    list.is_given = false;
    assert_false(field_ids(&f.reader, STR("absent"), 10, &list));
    assert_false(list.is_given);
    assert_true(field_ids(&f.reader, STR("o"), 1, &list));
    assert_int_equal(list.count, 1);
    assert_false(field_ids(&f.reader, STR("p"), 1, &list));
    assert_false(field_ids(&f.reader, STR("m"), 3, &list));
    assert_int_equal(list.count, 1);
    arena_done(&f.arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_one_at_and_no_spaces),
        cmocka_unit_test(a_link_is_an_absolute_uri_that_no_browser_runs),
        cmocka_unit_test(a_zone_is_a_name_or_an_offset),
        cmocka_unit_test(a_creation_may_bring_its_id_and_no_timestamps),
        cmocka_unit_test(a_patch_may_not_name_id_or_timestamps),
        cmocka_unit_test(an_id_list_names_every_wrong_and_doubled_id),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
