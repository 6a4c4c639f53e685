/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/delivery.h"

#include <string.h>

#include "base/compiler.h"
#include "support/test.h"

static void
a_full_bitmap_has_no_bit_beyond_its_count(void **state)
{
    static const size_t counts[] = {1, 7, 8, 9, 16, 1023, 1024};
    uint8_t bitmap[BITMAP_BYTES_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        bitmap_fill(bitmap, counts[i]);
        assert_int_equal(bitmap_count(bitmap, counts[i]), counts[i]);
        assert_true(bitmap_get(bitmap, counts[i] - 1));
    }
}

static void
bits_are_found_in_order(void **state)
{
    static const size_t on[] = {0, 5, 8, 63, 64, 99};
    uint8_t bitmap[BITMAP_BYTES(100)] = {0};
    size_t at = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(on); i++)
        bitmap_set(bitmap, on[i]);
    for (size_t i = 0; i < COUNT_OF(on); i++) {
        at = bitmap_next(bitmap, 100, at);
        assert_int_equal(at, on[i]);
        at++;
    }
    assert_int_equal(bitmap_next(bitmap, 100, at), 100);

    bitmap_clear(bitmap, 5);
    assert_int_equal(bitmap_next(bitmap, 100, 1), 8);
    assert_int_equal(bitmap_count(bitmap, 100), COUNT_OF(on) - 1);
}

static void
a_record_keeps_what_fits_in_eight_bytes(void **state)
{
    static const struct attempt_record records[] = {
        {0, 1, 200, 0, 0},
        {1023, 10, 503, 30000, 120},
        {17, 0, RECORD_SKIPPED, 0, 655350},
        {1, 63, 999, 65535, 10},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(records); i++) {
        uint8_t bytes[RECORD_BYTES];
        struct attempt_record again;

        record_encode(&records[i], bytes);
        again = record_decode(bytes);
        assert_int_equal(again.index, records[i].index);
        assert_int_equal(again.attempt, records[i].attempt);
        assert_int_equal(again.result, records[i].result);
        assert_int_equal(again.latency_ms, records[i].latency_ms);
        assert_int_equal(again.started_ms, records[i].started_ms);
    }
}

static void
what_does_not_fit_is_kept_as_the_largest_that_does(void **state)
{
    const struct attempt_record record = {1, 100, 200, 90000, -5};
    uint8_t bytes[RECORD_BYTES];
    struct attempt_record again;

    (void)state;
    record_encode(&record, bytes);
    again = record_decode(bytes);
    assert_int_equal(again.attempt, RECORD_ATTEMPTS_MAX);
    assert_int_equal(again.latency_ms, UINT16_MAX);
    assert_int_equal(again.started_ms, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_bitmap_has_no_bit_beyond_its_count),
        cmocka_unit_test(bits_are_found_in_order),
        cmocka_unit_test(a_record_keeps_what_fits_in_eight_bytes),
        cmocka_unit_test(what_does_not_fit_is_kept_as_the_largest_that_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
