/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/delivery_id.h"

#include <string.h>

#include "support/test.h"

/* Ids of all zeros, all ones and a pattern. */
#define ZEROS "msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_"
#define ONES  "msg_7777777777777777777777777777777777777777777777777777777774_"

static struct delivery_id
filled(uint8_t byte, int64_t sequence)
{
    struct delivery_id id;

    memset(&id, byte, sizeof(id));
    id.sequence = sequence;
    return id;
}

static void
an_id_comes_back_as_it_went(void **state)
{
    static const int64_t sequences[] = {0, 1, 9, 10, 4294967296, INT64_MAX};

    for (size_t i = 0; i < COUNT_OF(sequences); i++) {
        struct delivery_id id = filled(0, sequences[i]);
        struct delivery_id back = filled(0xee, -1);
        char text[DELIVERY_ID_TEXT_BYTES];
        size_t len;

        memset(id.event.bytes, 0x65, ID_BYTES);
        memset(id.hook.bytes, 0xf4, ID_BYTES);
        memset(id.attendee.bytes, 0x0b, ID_BYTES);
        len = delivery_id_format(&id, text);
        assert_int_equal(len, strlen(text));
        assert_null(strchr(text, '.'));
        assert_int_equal(delivery_id_parse(str_from(text), &back), OK);
        assert_true(id_equals(back.event, id.event));
        assert_true(id_equals(back.hook, id.hook));
        assert_true(id_equals(back.attendee, id.attendee));
        assert_int_equal(back.sequence, id.sequence);
    }
    (void)state;
}

static void
the_form_is_fixed(void **state)
{
    struct delivery_id zeros = filled(0, 7);
    struct delivery_id ones = filled(0xff, INT64_MAX);
    char text[DELIVERY_ID_TEXT_BYTES];

    assert_int_equal(delivery_id_format(&zeros, text), 64);
    assert_string_equal(text, ZEROS "7");
    assert_int_equal(delivery_id_format(&ones, text), DELIVERY_ID_TEXT_BYTES - 1);
    assert_string_equal(text, ONES "9223372036854775807");
    (void)state;
}

static void
what_is_no_delivery_id_is_refused(void **state)
{
    static const char *const bad[] = {"", "msg_", ZEROS, ZEROS "-1", ZEROS "+1", ZEROS "01",
        ZEROS "00", ZEROS "1 ", ZEROS "1.5", ZEROS "x", ZEROS "9223372036854775808", ZEROS "1_",
        "MSG_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_7",
        "evt_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_7",
        "msg_Aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_7",
        "msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab_7",
        "msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_7",
        "msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa_7",
        "msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa1_7",
        "msg_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-7"};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct delivery_id id = filled(0xee, 77);

        if (delivery_id_parse(str_from(bad[i]), &id) != ERR_INVALID)
            fail_msg("\"%s\" was accepted", bad[i]);
        assert_int_equal(id.sequence, 77);
        assert_int_equal(id.event.bytes[0], 0xee);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_comes_back_as_it_went),
        cmocka_unit_test(the_form_is_fixed),
        cmocka_unit_test(what_is_no_delivery_id_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
