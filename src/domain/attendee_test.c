/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/attendee.h"

#include <stdio.h>

#include "support/test.h"

struct fixture {
    struct arena arena;
    struct faults faults;
    struct attendee_wish wish;
};

static void
read_text(struct fixture *fixture, const char *text, bool is_patch, struct attendee *inout)
{
    struct json *json = NULL;

    faults_init(&fixture->faults, &fixture->arena);
    assert_int_equal(json_parse(str_from(text), &fixture->arena, &json, NULL), OK);
    attendee_read(inout, &fixture->wish, json, is_patch, &fixture->faults);
}

static void
assert_text(struct str text, const char *expected)
{
    assert_true(str_equals(text, str_from(expected)));
}

static int
setup(void **state)
{
    static struct fixture fixture;

    arena_init(&fixture.arena, 1 << 20);
    *state = &fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fixture = *state;

    arena_done(&fixture->arena);
    return 0;
}

static void
addresses_are_compared_trimmed_and_in_lower_case(void **state)
{
    char buffer[EMAIL_BYTES_MAX];

    (void)state;
    assert_text(email_key(STR("  John.Doe@Example.COM\t"), buffer), "john.doe@example.com");
    assert_text(email_key(STR("\xc3\x84@b"), buffer), "\xc3\x84@b");
}

static void
a_whole_attendee_is_read(void **state)
{
    struct fixture *f = *state;
    struct attendee attendee = {0};

    read_text(f,
        "{\"id\":\"634fc35ddaf58580e2418c40\",\"name\":\"John Doe\",\"email\":\"John@X.com\","
        "\"phone\":\"+91 98\",\"timezone\":\"Asia/Kolkata\","
        "\"mangoes\":[\"634fc35ddaf58580e2418c41\"],\"notify\":false}",
        false, &attendee);
    assert_int_equal(f->faults.count, 0);
    assert_text(attendee.name, "John Doe");
    assert_text(attendee.email, "John@X.com");
    assert_text(attendee.phone, "+91 98");
    assert_text(attendee.timezone, "Asia/Kolkata");
    assert_int_equal(f->wish.mangoes.count, 1);
    assert_false(f->wish.notify);
}

static void
a_phone_may_be_a_text_a_number_or_nothing(void **state)
{
    static const struct {
        const char *json;
        const char *phone; /* NULL: none */
        size_t faults;
    } cases[] = {
        {"\"0049 (0)30 1\"", "0049 (0)30 1", 0},
        {"1234567890", "1234567890", 0},
        {"null", NULL, 0},
        {"\"\"", NULL, 0},
        {"-5", "old", 1},
        {"1.5", "old", 1},
        {"1e9", "old", 1},
        {"true", "old", 1},
        {"[]", "old", 1},
        {"\"12\\n3\"", "old", 1},
        {"12345678901234567890123456789012345678901234567890123456789012345", "old", 1},
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct attendee attendee = {.name = STR("a"),
            .email = STR("a@b"),
            .phone = STR("old"),
            .timezone = STR("UTC")};
        char text[256];

        (void)snprintf(text, sizeof(text), "{\"phone\":%s}", cases[i].json);
        read_text(f, text, true, &attendee);
        assert_int_equal(f->faults.count, cases[i].faults);
        assert_int_equal(attendee.phone.ptr == NULL, cases[i].phone == NULL);
        if (cases[i].phone != NULL)
            assert_text(attendee.phone, cases[i].phone);
    }
}

static void
every_fault_is_named_at_once_and_nothing_wrong_is_taken(void **state)
{
    struct fixture *f = *state;
    struct attendee attendee = {0};
    static const char *const pointers[] = {"/email", "/timezone", "/name", "/mangoes/0", "/notify",
        "/shoeSize"};

    read_text(f,
        "{\"email\":\"nobody\",\"timezone\":\"/etc/passwd\",\"mangoes\":[1],\"notify\":1,"
        "\"shoeSize\":44}",
        false, &attendee);
    assert_int_equal(f->faults.count, COUNT_OF(pointers));
    for (size_t i = 0; i < COUNT_OF(pointers); i++)
        assert_text(f->faults.list[i].pointer, pointers[i]);
    assert_null(attendee.name.ptr);
    assert_null(attendee.email.ptr);
    assert_null(attendee.timezone.ptr);
}

static void
a_patch_clears_with_null_and_leaves_the_rest(void **state)
{
    struct fixture *f = *state;
    struct attendee attendee = {.name = STR("a"),
        .email = STR("a@b"),
        .phone = STR("1"),
        .timezone = STR("UTC")};
    struct attendee before = attendee;

    read_text(f, "{}", true, &attendee);
    assert_int_equal(f->faults.count, 0);
    assert_true(attendee_is_same(&attendee, &before));
    assert_true(f->wish.notify);
    assert_false(f->wish.mangoes.is_given);

    read_text(f, "{\"phone\":null,\"timezone\":null,\"mangoes\":null}", true, &attendee);
    assert_int_equal(f->faults.count, 0);
    assert_null(attendee.phone.ptr);
    assert_null(attendee.timezone.ptr);
    assert_text(attendee.name, "a");
    assert_false(attendee_is_same(&attendee, &before));
    assert_true(f->wish.mangoes.is_given);

    read_text(f, "{\"name\":null,\"email\":null}", true, &attendee);
    assert_int_equal(f->faults.count, 2);
    assert_text(attendee.name, "a");
}

static void
another_case_of_the_address_is_a_difference(void **state)
{
    struct attendee a = {.name = STR("a"), .email = STR("a@b")};
    struct attendee b = {.name = STR("a"), .email = STR("A@b")};

    (void)state;
    assert_false(attendee_is_same(&a, &b));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_compared_trimmed_and_in_lower_case),
        cmocka_unit_test_setup_teardown(a_whole_attendee_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_phone_may_be_a_text_a_number_or_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(every_fault_is_named_at_once_and_nothing_wrong_is_taken,
            setup, teardown),
        cmocka_unit_test_setup_teardown(a_patch_clears_with_null_and_leaves_the_rest, setup,
            teardown),
        cmocka_unit_test(another_case_of_the_address_is_a_difference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
