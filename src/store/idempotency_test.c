/* SPDX-License-Identifier: Apache-2.0 */
#include "store/idempotency.h"

#include <string.h>

#include "support/engine.h"

static const struct walltime now = {INT64_C(1710496800000000)};
static const struct kept_answer untouched = {-1, {"u", 1}, {"u", 1}};
static struct engine *engine;
static struct arena arena;
static struct error error;

static int
setup(void **state)
{
    (void)state;
    engine = test_engine_open();
    arena_init(&arena, 65536);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    arena_done(&arena);
    engine_close(engine);
    return 0;
}

static struct idempotency_key
key_of(uint8_t request, uint8_t body)
{
    return (struct idempotency_key){{request}, {body}};
}

static struct walltime
hours_later(int64_t hours)
{
    return (struct walltime){now.us + hours * US_PER_HOUR};
}

static void
keep(struct idempotency_key key, struct walltime at, const char *body)
{
    const struct kept_answer answer = {201, STR("ETag: \"7\"\n"), str_from(body)};

    if (idempotency_keep(engine, &key, at, &answer, &arena, &error) != OK)
        fail_msg("%s", error.text);
}

/* As a request does that comes at this time, where answers are kept for a day. */
static enum err
find(struct idempotency_key key, struct walltime at, struct kept_answer *ret)
{
    struct walltime since = {at.us - 24 * US_PER_HOUR};

    return idempotency_find(engine, &key, since, &arena, ret, &error);
}

static int64_t
number(const char *sql)
{
    int64_t n = -1;

    assert_int_equal(engine_get_int(engine, &n, &error, sql), OK);
    return n;
}

static void
an_answer_comes_back_as_it_was(void **state)
{
    struct kept_answer found = {0};

    (void)state;
    keep(key_of(1, 1), now, "{\"secret\":\"whsec_x\"}");
    keep(key_of(2, 1), now, "");
    assert_int_equal(find(key_of(1, 1), now, &found), OK);
    assert_int_equal(found.status, 201);
    assert_true(str_equals(found.fields, STR("ETag: \"7\"\n")));
    assert_true(str_equals(found.body, STR("{\"secret\":\"whsec_x\"}")));
    assert_int_equal(find(key_of(2, 1), now, &found), OK);
    assert_int_equal(found.body.len, 0);
}

static void
nothing_lies_there_in_clear(void **state)
{
    (void)state;
    keep(key_of(1, 1), now, "{\"secret\":\"whsec_x\"}");
    assert_int_equal(
        number("SELECT count(*) FROM idempotency WHERE instr(answer_sealed, x'7768736563')"), 0);
}

static void
an_unknown_key_has_no_answer(void **state)
{
    struct kept_answer found = untouched;

    (void)state;
    keep(key_of(1, 1), now, "{}");
    assert_int_equal(find(key_of(2, 1), now, &found), ERR_NOT_FOUND);
    assert_memory_equal(&found, &untouched, sizeof(found));
}

static void
another_body_is_told_so(void **state)
{
    struct kept_answer found = untouched;

    (void)state;
    keep(key_of(1, 1), now, "{}");
    assert_int_equal(find(key_of(1, 2), now, &found), ERR_CONFLICT);
    assert_memory_equal(&found, &untouched, sizeof(found));
}

static void
an_old_answer_counts_as_none_and_makes_room(void **state)
{
    struct kept_answer found = untouched;

    (void)state;
    keep(key_of(1, 1), now, "{}");
    keep(key_of(2, 1), now, "{}");
    assert_int_equal(find(key_of(1, 2), hours_later(24), &found), ERR_NOT_FOUND);
    assert_memory_equal(&found, &untouched, sizeof(found));
    keep(key_of(1, 2), hours_later(24), "{\"n\":2}");
    assert_int_equal(find(key_of(1, 2), hours_later(47), &found), OK);
    assert_true(str_equals(found.body, STR("{\"n\":2}")));
    assert_int_equal(number("SELECT count(*) FROM idempotency"), 2);
    /* Its number is the newest, as its time is. */
    assert_int_equal(number("SELECT count(*) FROM idempotency AS a JOIN idempotency AS b"
                            " WHERE a.idempotency_pk < b.idempotency_pk"
                            " AND a.created_us > b.created_us"),
        0);
}

static void
an_answer_opens_only_under_its_own_key(void **state)
{
    struct kept_answer found = untouched;

    (void)state;
    keep(key_of(1, 1), now, "{}");
    keep(key_of(2, 1), now, "{}");
    assert_int_equal(engine_exec(engine,
                         "UPDATE idempotency SET answer_sealed ="
                         " (SELECT answer_sealed FROM idempotency WHERE idempotency_pk = 1)",
                         &error),
        OK);
    assert_int_equal(find(key_of(2, 1), now, &found), ERR_DENIED);
    assert_memory_equal(&found, &untouched, sizeof(found));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_comes_back_as_it_was, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_lies_there_in_clear, setup, teardown),
        cmocka_unit_test_setup_teardown(an_unknown_key_has_no_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(another_body_is_told_so, setup, teardown),
        cmocka_unit_test_setup_teardown(an_old_answer_counts_as_none_and_makes_room, setup,
            teardown),
        cmocka_unit_test_setup_teardown(an_answer_opens_only_under_its_own_key, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
