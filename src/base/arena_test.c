/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <string.h>

#include "support/test.h"

static bool
is_zero(const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != 0)
            return false;
    }
    return true;
}

static void
pieces_are_zeroed_aligned_and_apart(void **state)
{
    CLEANUP(arena_done) struct arena arena;
    unsigned char *pieces[300];

    (void)state;
    arena_init(&arena, 1000000);
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        pieces[i] = arena_alloc(&arena, i);
        assert_non_null(pieces[i]);
        assert_true(is_zero(pieces[i], i));
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        memset(pieces[i], (int)(i % 255) + 1, i);
    }
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        for (size_t j = 0; j < i; j++)
            assert_int_equal(pieces[i][j], i % 255 + 1);
    }
    assert_false(arena_is_full(&arena));
}

static void
what_does_not_fit_gives_null_and_leaves_a_mark(void **state)
{
    CLEANUP(arena_done) struct arena arena;

    (void)state;
    arena_init(&arena, 1024);
    assert_non_null(arena_alloc(&arena, 512));
    assert_non_null(arena_alloc(&arena, 512));
    assert_false(arena_is_full(&arena));
    assert_null(arena_alloc(&arena, 1));
    assert_true(arena_is_full(&arena));
}

static void
sizes_that_overflow_are_refused(void **state)
{
    CLEANUP(arena_done) struct arena arena;

    (void)state;
    arena_init(&arena, SIZE_MAX);
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_true(arena_is_full(&arena));
    arena_reset(&arena);
    assert_null(arena_alloc_array(&arena, SIZE_MAX / 16 + 2, 16));
    assert_true(arena_is_full(&arena));
}

static void
a_big_piece_does_not_waste_the_block_before_it(void **state)
{
    CLEANUP(arena_done) struct arena arena;

    (void)state;
    arena_init(&arena, 10 * 1024 * 1024);
    assert_non_null(arena_alloc(&arena, 16));
    assert_non_null(arena_alloc(&arena, 5 * 1024 * 1024));
    assert_non_null(arena_alloc(&arena, 16));
    assert_true(arena.used <= 5 * 1024 * 1024 + 64);
    assert_null(arena_alloc(&arena, 6 * 1024 * 1024));
}

static void
a_reset_arena_is_empty_and_zeroed_again(void **state)
{
    CLEANUP(arena_done) struct arena arena;

    (void)state;
    arena_init(&arena, 8192);
    for (int round = 0; round < 5; round++) {
        unsigned char *piece;

        while ((piece = arena_alloc(&arena, 100)) != NULL) {
            assert_true(is_zero(piece, 100));
            memset(piece, 0xee, 100);
        }
        assert_true(arena_is_full(&arena));
        arena_reset(&arena);
        assert_false(arena_is_full(&arena));
        assert_int_equal(arena.used, 0);
    }
    arena_done(&arena);
    assert_non_null(ARENA_NEW(&arena, struct arena));
}

static void
texts_are_copied_with_a_nul(void **state)
{
    CLEANUP(arena_done) struct arena arena;
    char original[] = "abc";
    struct str copy;

    (void)state;
    arena_init(&arena, 64);
    copy = arena_copy(&arena, (struct str){original, 3});
    original[0] = 'x';
    assert_int_equal(copy.len, 3);
    assert_string_equal(copy.ptr, "abc");
    assert_non_null(arena_copy(&arena, STR("")).ptr);
    assert_null(arena_copy(&arena, (struct str){NULL, 0}).ptr);
    assert_false(arena_is_full(&arena));
    assert_null(arena_copy(&arena, STR("far more than what is left of these sixty-four")).ptr);
    assert_true(arena_is_full(&arena));
}

static void
texts_are_formatted(void **state)
{
    CLEANUP(arena_done) struct arena arena;
    struct str text;

    (void)state;
    arena_init(&arena, 64);
    text = arena_printf(&arena, "%d %s", 42, "hooks");
    assert_true(str_equals(text, STR("42 hooks")));
    assert_int_equal(text.ptr[text.len], '\0');
    assert_null(arena_printf(&arena, "%100d", 1).ptr);
    assert_true(arena_is_full(&arena));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
        cmocka_unit_test(what_does_not_fit_gives_null_and_leaves_a_mark),
        cmocka_unit_test(sizes_that_overflow_are_refused),
        cmocka_unit_test(a_big_piece_does_not_waste_the_block_before_it),
        cmocka_unit_test(a_reset_arena_is_empty_and_zeroed_again),
        cmocka_unit_test(texts_are_copied_with_a_nul),
        cmocka_unit_test(texts_are_formatted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
