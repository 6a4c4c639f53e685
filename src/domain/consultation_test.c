/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/consultation.h"

#include "support/test.h"

#define DETAILS                                                                                    \
    "\"title\":\"1-1\",\"link\":\"tel:+1\",\"from\":\"2024-03-15T10:00:00Z\","                     \
    "\"to\":\"2024-03-15T11:00:00Z\",\"timezone\":\"+05:30\""

static size_t
read_text(struct arena *arena, const char *text, bool is_patch, struct webinar *inout,
    struct consultation_wish *ret)
{
    struct json *json = NULL;
    struct faults faults;

    faults_init(&faults, arena);
    assert_int_equal(json_parse(str_from(text), arena, &json, NULL), OK);
    consultation_read(inout, ret, json, is_patch, &faults);
    return faults.count;
}

static void
the_attendee_is_named_by_id_or_by_their_details(void **state)
{
    struct arena arena;
    struct webinar webinar = {0};
    struct consultation_wish wish;

    (void)state;
    arena_init(&arena, 1 << 20);
    assert_int_equal(read_text(&arena, "{" DETAILS ",\"attendee\":\"634fc35ddaf58580e2418c40\"}",
                         false, &webinar, &wish),
        0);
    assert_false(id_is_zero(wish.attendee_id));
    assert_null(wish.attendee);
    assert_true(wish.notify);
    assert_false(wish.mango.is_given);

    assert_int_equal(read_text(&arena,
                         "{" DETAILS ",\"attendee\":{\"name\":\"a\"},"
                         "\"mango\":\"634fc35ddaf58580e2418c40\"}",
                         false, &webinar, &wish),
        0);
    assert_true(id_is_zero(wish.attendee_id));
    assert_non_null(wish.attendee);
    assert_int_equal(wish.mango.count, 1);

    assert_int_equal(read_text(&arena, "{" DETAILS "}", false, &webinar, &wish), 1);
    assert_int_equal(read_text(&arena, "{" DETAILS ",\"attendee\":5}", false, &webinar, &wish), 1);
    assert_int_equal(
        read_text(&arena, "{" DETAILS ",\"attendee\":\"x\",\"mango\":[]}", false, &webinar, &wish),
        2);
    arena_done(&arena);
}

static void
a_patch_may_clear_the_mango_and_book_for_another(void **state)
{
    struct arena arena;
    struct webinar webinar = {0};
    struct consultation_wish wish;

    (void)state;
    arena_init(&arena, 1 << 20);
    assert_int_equal(read_text(&arena, "{" DETAILS ",\"attendee\":{}}", false, &webinar, &wish), 0);
    assert_int_equal(read_text(&arena, "{}", true, &webinar, &wish), 0);
    assert_false(wish.mango.is_given);
    assert_int_equal(read_text(&arena, "{\"mango\":null,\"attendee\":\"634fc35ddaf58580e2418c40\"}",
                         true, &webinar, &wish),
        0);
    assert_true(wish.mango.is_given);
    assert_int_equal(wish.mango.count, 0);
    assert_int_equal(read_text(&arena, "{\"attendee\":{\"name\":\"a\"}}", true, &webinar, &wish),
        1);
    assert_int_equal(read_text(&arena, "{\"attendee\":null}", true, &webinar, &wish), 1);
    assert_int_equal(read_text(&arena, "{\"mangoes\":[]}", true, &webinar, &wish), 1);
    arena_done(&arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_attendee_is_named_by_id_or_by_their_details),
        cmocka_unit_test(a_patch_may_clear_the_mango_and_book_for_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
