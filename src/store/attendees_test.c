/* SPDX-License-Identifier: Apache-2.0 */
#include "store/attendees.h"

#include <string.h>

#include "os/files.h"
#include "store/audience.h"
#include "support/engine.h"
#include "support/scratch.h"
#include "support/test.h"

static struct engine *engine;
static struct arena arena;
static struct error error;

static int
setup(void **state)
{
    (void)state;
    engine = test_engine_open();
    arena_init(&arena, 1 << 22);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    engine_close(engine);
    arena_done(&arena);
    return 0;
}

static struct attendee
new_attendee(int64_t account, uint8_t number, const char *email)
{
    struct attendee attendee = {.account_pk = account,
        .id = {{number}},
        .name = STR("John Doe"),
        .email = str_from(email),
        .created = {1000},
        .updated = {1000}};

    assert_int_equal(attendee_insert(engine, &attendee, &error), OK);
    return attendee;
}

static void
what_was_given_comes_back(void **state)
{
    struct attendee attendee = {.account_pk = 1,
        .id = {{9}},
        .name = STR("\xe0\xa4\x86"),
        .email = STR(" John@X.com "),
        .phone = STR("+91 1"),
        .timezone = STR("Asia/Kolkata"),
        .created = {1},
        .updated = {2}};
    struct attendee got;

    (void)state;
    assert_int_equal(attendee_insert(engine, &attendee, &error), OK);
    assert_int_equal(attendee_get(engine, 1, attendee.id, &arena, &got, &error), OK);
    assert_true(attendee_is_same(&attendee, &got));
    assert_int_equal(got.updated.us, 2);

    got.phone = got.timezone = (struct str){NULL, 0};
    got.updated.us = 3;
    assert_int_equal(attendee_update(engine, &got, &error), OK);
    assert_int_equal(attendee_get(engine, 1, attendee.id, &arena, &attendee, &error), OK);
    assert_null(attendee.phone.ptr);
    assert_null(attendee.timezone.ptr);
    assert_int_equal(attendee.updated.us, 3);
}

static void
an_address_is_found_in_any_case_and_in_its_account_alone(void **state)
{
    struct attendee attendee = new_attendee(1, 9, "John@X.com");
    struct attendee got = {.pk = 42};

    (void)state;
    assert_int_equal(attendee_find_email(engine, 1, STR(" JOHN@x.com"), &arena, &got, &error), OK);
    assert_int_equal(got.pk, attendee.pk);
    got.pk = 42;
    assert_int_equal(attendee_find_email(engine, 2, STR("john@x.com"), &arena, &got, &error),
        ERR_NOT_FOUND);
    assert_int_equal(attendee_get(engine, 2, attendee.id, &arena, &got, &error), ERR_NOT_FOUND);
    assert_int_equal(got.pk, 42);
}

static void
a_known_address_is_refused_and_its_holder_named(void **state)
{
    struct attendee twin = {.account_pk = 1,
        .id = {{10}},
        .name = STR("b"),
        .email = STR("JOHN@x.com")};

    (void)state;
    (void)new_attendee(1, 9, "John@X.com");
    (void)new_attendee(2, 9, "John@X.com");
    assert_int_equal(attendee_insert(engine, &twin, &error), ERR_CONFLICT);
    assert_non_null(strstr(error.text, "090000000000000000000000"));
    assert_int_equal(twin.pk, 0);

    twin = new_attendee(1, 10, "b@x");
    twin.email = STR("john@x.com");
    assert_int_equal(attendee_update(engine, &twin, &error), ERR_CONFLICT);
    twin.email = STR("B@x");
    assert_int_equal(attendee_update(engine, &twin, &error), OK);

    twin.email = STR("c@x");
    assert_int_equal(attendee_insert(engine, &twin, &error), ERR_CONFLICT);
    assert_non_null(strstr(error.text, "id"));
}

static void
lists_are_newest_first_and_filtered(void **state)
{
    struct attendee a = new_attendee(1, 1, "a@x");
    struct attendee b = new_attendee(1, 2, "b@x");
    struct attendee other = new_attendee(2, 3, "a@x");
    struct attendee_query query = {.account_pk = 1, .before_pk = INT64_MAX, .limit = 10};
    struct attendee_list list;

    (void)state;
    (void)other;
    assert_int_equal(attendee_list(engine, &query, &arena, &list, &error), OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.list[0].pk, b.pk);
    assert_int_equal(list.positions[0], b.pk);
    query.email = STR("A@X");
    assert_int_equal(attendee_list(engine, &query, &arena, &list, &error), OK);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.list[0].pk, a.pk);
    query.before_pk = a.pk;
    assert_int_equal(attendee_list(engine, &query, &arena, &list, &error), OK);
    assert_int_equal(list.count, 0);
}

static void
a_groups_list_shows_visible_members(void **state)
{
    struct attendee people[5];
    struct attendee_query query = {.account_pk = 1, .before_pk = INT64_MAX, .limit = 2};
    struct attendee_list list;
    int64_t ord;
    bool added;

    (void)state;
    assert_int_equal(group_create(engine, 1, &query.group_pk, &error), OK);
    for (uint8_t i = 0; i < 5; i++) {
        char email[] = {(char)('a' + i), '@', 'x', '\0'};

        people[i] = new_attendee(1, (uint8_t)(i + 1), email);
        if (i == 2) /* an unfinished bulk's */
            assert_int_equal(group_reserve(engine, query.group_pk, 1, &ord, &error), OK);
        if (i == 2)
            assert_int_equal(
                member_place(engine, query.group_pk, ord, people[i].pk, &added, &error), OK);
        else
            assert_int_equal(member_add(engine, query.group_pk, people[i].pk, &ord, &added, &error),
                OK);
    }
    assert_int_equal(member_leave(engine, query.group_pk, people[1].pk, 99, &error), OK);
    assert_int_equal(attendee_list(engine, &query, &arena, &list, &error), OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.list[0].pk, people[4].pk);
    assert_int_equal(list.list[1].pk, people[3].pk);
    query.before_pk = list.positions[1];
    assert_int_equal(attendee_list(engine, &query, &arena, &list, &error), OK);
    assert_int_equal(list.count, 1);
    assert_int_equal(list.list[0].pk, people[0].pk);
}

static void
an_erased_attendee_leaves_nothing(void **state)
{
    struct attendee attendee = new_attendee(1, 9, "a@x");
    struct attendee got;
    int64_t group;
    int64_t ord;
    int64_t n = -1;
    bool added;

    (void)state;
    assert_int_equal(group_create(engine, 1, &group, &error), OK);
    assert_int_equal(member_add(engine, group, attendee.pk, &ord, &added, &error), OK);
    assert_int_equal(attendee_erase(engine, &attendee, &error), OK);
    assert_int_equal(attendee_get(engine, 1, attendee.id, &arena, &got, &error), ERR_NOT_FOUND);
    assert_int_equal(group_live(engine, group, &n, &error), OK);
    assert_int_equal(n, 0);
    assert_int_equal(engine_get_int(engine, &n, &error, "PRAGMA secure_delete"), OK);
    assert_int_equal(n, 2); /* fast */

    /* Their number names nobody else. */
    got = new_attendee(1, 9, "a@x");
    assert_true(got.pk > attendee.pk);
}

static bool
file_holds(const char *path, const char *text)
{
    struct buf bytes;
    bool found;

    buf_init(&bytes, 64 << 20);
    assert_int_equal(file_read(path, &bytes, &error), OK);
    found = memmem(bytes.ptr, bytes.len, text, strlen(text)) != NULL;
    buf_done(&bytes);
    return found;
}

static void
an_erased_attendee_is_not_in_the_files_bytes(void **state)
{
    struct scratch scratch;
    struct engine_options options = {0};
    struct engine *file = NULL;
    struct attendee attendee = {.account_pk = 1,
        .id = {{9}},
        .name = STR("Erasmus"),
        .email = STR("Forget@Me.example"),
        .phone = STR("+49 555 0199")};
    static const char *const texts[] = {"Erasmus", "Forget@Me.example", "forget@me.example",
        "555 0199"};
    char path[128];

    (void)state;
    scratch_init(&scratch);
    (void)snprintf(path, sizeof(path), "%s/db", scratch.dir);
    options.path = path;
    assert_int_equal(engine_open(&options, &file, &error), OK);
    assert_int_equal(migrate(file, path, &error), OK);
    assert_int_equal(attendee_insert(file, &attendee, &error), OK);
    assert_int_equal(engine_checkpoint(file, &error), OK);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_true(file_holds(path, texts[i]));

    assert_int_equal(attendee_erase(file, &attendee, &error), OK);
    assert_true(engine_owes_checkpoint(file));
    assert_int_equal(engine_checkpoint(file, &error), OK);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_false(file_holds(path, texts[i]));
    engine_close(file);
    scratch_done(&scratch);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_was_given_comes_back),
        TEST(an_address_is_found_in_any_case_and_in_its_account_alone),
        TEST(a_known_address_is_refused_and_its_holder_named),
        TEST(lists_are_newest_first_and_filtered),
        TEST(a_groups_list_shows_visible_members),
        TEST(an_erased_attendee_leaves_nothing),
        cmocka_unit_test(an_erased_attendee_is_not_in_the_files_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
