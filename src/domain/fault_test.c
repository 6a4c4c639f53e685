/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/fault.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"

struct fixture {
    struct arena arena;
    struct faults faults;
    struct json *object;
    struct field_reader reader;
};

static void
start(struct fixture *fixture, const char *text)
{
    arena_init(&fixture->arena, REQUEST_ARENA_BYTES_MAX);
    faults_init(&fixture->faults, &fixture->arena);
    assert_int_equal(json_parse(str_from(text), &fixture->arena, &fixture->object, NULL), OK);
    field_reader_start(&fixture->reader, fixture->object, &fixture->faults);
}

static void
done(struct fixture *fixture)
{
    arena_done(&fixture->arena);
}

static void
assert_str(struct str is, const char *wanted)
{
    if (!str_equals(is, str_from(wanted)))
        fail_msg("is \"%.*s\", wanted \"%s\"", STR_FMT(is), wanted);
}

static void
assert_fault(const struct faults *faults, size_t i, const char *pointer, const char *detail)
{
    assert_true(i < faults->count);
    assert_str(faults->list[i].pointer, pointer);
    assert_str(faults->list[i].detail, detail);
}

static void
every_unknown_field_is_named_with_those_that_are_known(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, "{\"name\":\"A\",\"webinarID\":\"x\",\"a/b~c\":1}");
    assert_non_null(field_get(&f.reader, STR("name")));
    assert_null(field_get(&f.reader, STR("webinar")));
    field_reader_end(&f.reader);
    assert_int_equal(f.faults.count, 2);
    assert_fault(&f.faults, 0, "/webinarID", "is not known here; known are name, webinar");
    assert_fault(&f.faults, 1, "/a~1b~0c", "is not known here; known are name, webinar");
    done(&f);
}

static void
what_is_no_object_is_one_fault_and_has_no_fields(void **state)
{
    struct fixture f;
    struct str name = STR("before");

    (void)state;
    start(&f, "[1]");
    assert_false(field_text(&f.reader, STR("name"), 10, &name));
    field_reader_end(&f.reader);
    assert_int_equal(f.faults.count, 1);
    assert_str(f.faults.list[0].pointer, "");
    assert_str(name, "before");

    faults_init(&f.faults, &f.arena);
    field_reader_start(&f.reader, NULL, &f.faults);
    field_reader_end(&f.reader);
    assert_int_equal(f.faults.count, 1);
    done(&f);
}

static void
an_object_inside_another_is_named_from_the_top(void **state)
{
    struct fixture f;
    struct field_reader inner;

    (void)state;
    start(&f, "{\"attendee\":{\"emial\":\"a@b\"}}");
    field_reader_start_at(&inner, field_get(&f.reader, STR("attendee")), STR("/attendee"),
        &f.faults);
    assert_null(field_get(&inner, STR("email")));
    field_reader_end(&inner);
    field_reader_end(&f.reader);
    assert_int_equal(f.faults.count, 1);
    assert_fault(&f.faults, 0, "/attendee/emial", "is not known here; known are email");
    done(&f);
}

static void
texts_that_are_right_are_taken(void **state)
{
    static const char *const good[] = {"a", "two words", "äöü", "1234567890", " x "};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct fixture f;
        struct str text = {NULL, 0};
        char json[100];

        (void)snprintf(json, sizeof(json), "{\"name\":\"%s\"}", good[i]);
        start(&f, json);
        assert_true(field_text(&f.reader, STR("name"), 10, &text));
        assert_str(text, good[i]);
        assert_int_equal(f.faults.count_seen, 0);
        done(&f);
    }
}

static void
texts_that_are_wrong_are_refused_and_leave_what_was(void **state)
{
    static const struct {
        const char *value;
        const char *detail;
    } bad[] = {
        {"null", "must be a string, not null"},
        {"12", "must be a string, not a number"},
        {"\"\"", "must not be empty"},
        {"\" \\t\"", "must not be empty"},
        {"\"a\\nb\"", "must be one line of text, without control characters"},
        {"\"a\\u0000b\"", "must be one line of text, without control characters"},
        {"\"a\\u007fb\"", "must be one line of text, without control characters"},
        {"\"12345678901\"", "must be at most 10 bytes of UTF-8, not 11"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct fixture f;
        struct str text = STR("before");
        char json[100];

        (void)snprintf(json, sizeof(json), "{\"name\":%s}", bad[i].value);
        start(&f, json);
        assert_false(field_text(&f.reader, STR("name"), 10, &text));
        assert_str(text, "before");
        assert_int_equal(f.faults.count, 1);
        assert_fault(&f.faults, 0, "/name", bad[i].detail);
        done(&f);
    }
}

static void
null_makes_a_text_absent_where_that_is_allowed(void **state)
{
    struct fixture f;
    struct str text = STR("before");

    (void)state;
    start(&f, "{\"phone\":null,\"other\":\"x\"}");
    assert_false(field_text_or_null(&f.reader, STR("missing"), 10, &text));
    assert_str(text, "before");
    assert_true(field_text_or_null(&f.reader, STR("other"), 10, &text));
    assert_str(text, "x");
    assert_true(field_text_or_null(&f.reader, STR("phone"), 10, &text));
    assert_null(text.ptr);
    assert_int_equal(f.faults.count, 0);
    done(&f);
}

static void
numbers_must_be_whole_and_within_their_bounds(void **state)
{
    static const char *const bad[] = {"0", "101", "1.5", "1e1", "\"5\"", "null", "true",
        "99999999999999999999"};
    struct fixture f;
    int64_t number = 7;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char json[100];

        (void)snprintf(json, sizeof(json), "{\"n\":%s}", bad[i]);
        start(&f, json);
        assert_false(field_int(&f.reader, STR("n"), 1, 100, &number));
        assert_int_equal(number, 7);
        assert_int_equal(f.faults.count, 1);
        done(&f);
    }
    start(&f, "{\"n\":100,\"m\":1}");
    assert_true(field_int(&f.reader, STR("n"), 1, 100, &number));
    assert_int_equal(number, 100);
    assert_true(field_int(&f.reader, STR("m"), 1, 100, &number));
    assert_int_equal(number, 1);
    assert_false(field_int(&f.reader, STR("absent"), 1, 100, &number));
    assert_int_equal(number, 1);
    assert_int_equal(f.faults.count, 0);
    done(&f);
}

static void
only_true_and_false_are_truths(void **state)
{
    struct fixture f;
    bool value = true;

    (void)state;
    start(&f, "{\"a\":false,\"b\":1,\"c\":null}");
    assert_true(field_bool(&f.reader, STR("a"), &value));
    assert_false(value);
    assert_false(field_bool(&f.reader, STR("b"), &value));
    assert_false(field_bool(&f.reader, STR("c"), &value));
    assert_false(field_bool(&f.reader, STR("d"), &value));
    assert_int_equal(f.faults.count, 2);
    assert_false(value);
    done(&f);
}

static void
the_first_hundred_faults_are_kept_and_all_are_counted(void **state)
{
    struct fixture f;

    (void)state;
    start(&f, "{}");
    for (int i = 0; i < 250; i++)
        fault_add(&f.faults, STR("/x"), "number %d", i);
    assert_int_equal(f.faults.count, FAULTS_MAX);
    assert_int_equal(f.faults.count_seen, 250);
    assert_fault(&f.faults, 99, "/x", "number 99");
    done(&f);
}

static void
a_detail_that_is_too_long_ends_with_a_whole_character(void **state)
{
    struct fixture f;
    char text[1200];

    (void)state;
    start(&f, "{}");
    text[0] = 'x';
    for (size_t i = 1; i + 2 < sizeof(text); i += 2)
        memcpy(text + i, "\xc3\xa4", 3);
    fault_add(&f.faults, STR(""), "%s", text);
    assert_true(f.faults.list[0].detail.len > 500);
    assert_true(str_is_utf8(f.faults.list[0].detail));
    done(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_unknown_field_is_named_with_those_that_are_known),
        cmocka_unit_test(what_is_no_object_is_one_fault_and_has_no_fields),
        cmocka_unit_test(an_object_inside_another_is_named_from_the_top),
        cmocka_unit_test(texts_that_are_right_are_taken),
        cmocka_unit_test(texts_that_are_wrong_are_refused_and_leave_what_was),
        cmocka_unit_test(null_makes_a_text_absent_where_that_is_allowed),
        cmocka_unit_test(numbers_must_be_whole_and_within_their_bounds),
        cmocka_unit_test(only_true_and_false_are_truths),
        cmocka_unit_test(the_first_hundred_faults_are_kept_and_all_are_counted),
        cmocka_unit_test(a_detail_that_is_too_long_ends_with_a_whole_character),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
