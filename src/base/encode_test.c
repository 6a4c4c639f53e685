/* SPDX-License-Identifier: Apache-2.0 */
#include "base/encode.h"

#include <string.h>

#include "support/test.h"

struct form {
    const char *name;
    void (*append)(struct buf *buf, const void *bytes, size_t len);
    enum err (*decode)(struct str text, void *out, size_t capacity, size_t *ret_len);
};

static const struct form hex = {"hex", hex_append, hex_decode};
static const struct form base64 = {"base64", base64_append, base64_decode};
static const struct form base64url = {"base64url", base64url_append, base64url_decode};
static const struct form base32 = {"base32", base32_append, base32_decode};
static const struct form *const forms[] = {&hex, &base64, &base64url, &base32};

/* RFC 4648 section 10, and the digits in which the alphabets differ. */
static void
the_vectors_of_the_standard_go_both_ways(void **state)
{
    static const struct {
        const struct form *form;
        struct str bytes;
        const char *text;
    } cases[] = {
        {&hex, {"", 0}, ""},
        {&hex, {"\x00\x09\xaf\xff", 4}, "0009afff"},
        {&base64, {"", 0}, ""},
        {&base64, {"f", 1}, "Zg=="},
        {&base64, {"fo", 2}, "Zm8="},
        {&base64, {"foo", 3}, "Zm9v"},
        {&base64, {"foob", 4}, "Zm9vYg=="},
        {&base64, {"fooba", 5}, "Zm9vYmE="},
        {&base64, {"foobar", 6}, "Zm9vYmFy"},
        {&base64, {"\xfb\xff\xbf", 3}, "+/+/"},
        {&base64url, {"", 0}, ""},
        {&base64url, {"f", 1}, "Zg"},
        {&base64url, {"fo", 2}, "Zm8"},
        {&base64url, {"foo", 3}, "Zm9v"},
        {&base64url, {"\xfb\xff\xbf", 3}, "-_-_"},
        {&base32, {"", 0}, ""},
        {&base32, {"f", 1}, "my"},
        {&base32, {"fo", 2}, "mzxq"},
        {&base32, {"foo", 3}, "mzxw6"},
        {&base32, {"foob", 4}, "mzxw6yq"},
        {&base32, {"fooba", 5}, "mzxw6ytb"},
        {&base32, {"foobar", 6}, "mzxw6ytboi"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(buf_done) struct buf buf;
        char out[16];
        size_t len = 99;

        buf_init(&buf, 100);
        cases[i].form->append(&buf, cases[i].bytes.ptr, cases[i].bytes.len);
        assert_string_equal(buf_str(&buf).ptr, cases[i].text);
        assert_int_equal(cases[i].form->decode(buf_str(&buf), out, sizeof(out), &len), OK);
        assert_true(str_equals((struct str){out, len}, cases[i].bytes));
    }
}

static void
every_byte_goes_both_ways_at_every_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        for (size_t len = 0; len < 70; len++) {
            CLEANUP(buf_done) struct buf buf;
            unsigned char bytes[70];
            unsigned char out[70];
            size_t out_len = 99;

            for (size_t j = 0; j < len; j++)
                bytes[j] = (unsigned char)(j * 37 + len * 11 + 200);
            buf_init(&buf, 200);
            forms[i]->append(&buf, bytes, len);
            assert_false(buf_is_full(&buf));
            assert_int_equal(forms[i]->decode(buf_str(&buf), out, len, &out_len), OK);
            assert_int_equal(out_len, len);
            assert_memory_equal(out, bytes, len);
            if (len > 0)
                assert_int_equal(forms[i]->decode(buf_str(&buf), out, len - 1, &out_len),
                    ERR_LIMIT);
            assert_int_equal(out_len, len);
        }
    }
}

static void
the_forms_for_hot_paths_write_the_same(void **state)
{
    (void)state;
    for (size_t len = 0; len < 40; len++) {
        CLEANUP(buf_done) struct buf buf;
        char bytes[40];
        char text[80];
        size_t written;

        memset(bytes, (int)(len * 7 + 1), sizeof(bytes));
        buf_init(&buf, 200);
        base64_append(&buf, bytes, len);
        written = base64_encode(bytes, len, text);
        assert_int_equal(written, 4 * ((len + 2) / 3));
        assert_true(str_equals(buf_str(&buf), (struct str){text, written}));
        buf_clear(&buf);
        base32_append(&buf, bytes, len);
        written = base32_encode(bytes, len, text);
        assert_int_equal(written, (len * 8 + 4) / 5);
        assert_true(str_equals(buf_str(&buf), (struct str){text, written}));
    }
}

static void
what_was_not_written_by_us_is_refused(void **state)
{
    static const struct {
        const struct form *form;
        const char *text;
    } refused[] = {
        {&hex, "0"},
        {&hex, "0g"},
        {&hex, " 00"},
        {&hex, "0x00"},
        {&base64, "Zg"},
        {&base64, "Zg="},
        {&base64, "Zg==="},
        {&base64, "===="},
        {&base64, "Z==="},
        {&base64, "="},
        {&base64, "Zm9v="},
        {&base64, "Zg==Zg=="},
        {&base64, "Zh=="},
        {&base64, "Zm9="},
        {&base64, "Zm9v\n"},
        {&base64, " Zm9"},
        {&base64, "-_-_"},
        {&base64url, "Zg=="},
        {&base64url, "Z"},
        {&base64url, "A"},
        {&base64url, "Zm9vA"},
        {&base64url, "Zm9vZ"},
        {&base64url, "Zh"},
        {&base64url, "+/+/"},
        {&base64url, "Zm 9"},
        {&base32, "m"},
        {&base32, "a"},
        {&base32, "mzxw6a"},
        {&base32, "mzx"},
        {&base32, "mzxw6y"},
        {&base32, "mz"},
        {&base32, "MY"},
        {&base32, "m1"},
        {&base32, "m0"},
        {&base32, "m8"},
        {&base32, "my======"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        char out[16];
        size_t len = 99;
        enum err err = refused[i].form->decode(str_from(refused[i].text), out, sizeof(out), &len);

        if (err != ERR_INVALID)
            fail_msg("%s: \"%s\" was taken", refused[i].form->name, refused[i].text);
        assert_int_equal(len, 99);
    }
}

static void
hex_of_either_case_is_read(void **state)
{
    unsigned char out[2];
    size_t len = 99;

    (void)state;
    assert_int_equal(hex_decode(STR("aBFf"), out, sizeof(out), &len), OK);
    assert_int_equal(len, 2);
    assert_int_equal(out[0], 0xab);
    assert_int_equal(out[1], 0xff);
}

static void
a_full_buffer_takes_none_of_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        CLEANUP(buf_done) struct buf buf;

        buf_init(&buf, 5);
        forms[i]->append(&buf, "foobar", 6);
        assert_true(buf_is_full(&buf));
        assert_int_equal(buf.len, 0);
    }
}

static void
percent_escapes_go_both_ways(void **state)
{
    static const struct {
        const char *text;
        const char *escaped;
    } cases[] = {
        {"", ""},
        {"AZaz09-._~", "AZaz09-._~"},
        {"a b+c/d?e=f&g%", "a%20b%2Bc%2Fd%3Fe%3Df%26g%25"},
        {"\xc3\xa9", "%C3%A9"},
    };
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, 1000);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_clear(&buf);
        percent_append(&buf, str_from(cases[i].text));
        assert_true(str_equals(buf_str(&buf), str_from(cases[i].escaped)));
        buf_clear(&buf);
        assert_int_equal(percent_decode(str_from(cases[i].escaped), &buf), OK);
        assert_true(str_equals(buf_str(&buf), str_from(cases[i].text)));
    }
    buf_clear(&buf);
    assert_int_equal(percent_decode(STR("a+b%c3%A9 /"), &buf), OK);
    assert_true(str_equals(buf_str(&buf), STR("a+b\xc3\xa9 /")));
}

static void
broken_percent_escapes_are_refused(void **state)
{
    static const struct str refused[] = {{"%", 1}, {"a%4", 3}, {"%g0", 3}, {"%0g", 3}, {"%%41", 4},
        {"a%00", 4}, {"a\0b", 3}};
    CLEANUP(buf_done) struct buf buf;

    (void)state;
    buf_init(&buf, 10);
    assert_int_equal(percent_decode(STR("%zz"), &buf), ERR_INVALID);
    buf_append_literal(&buf, "kept");
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        assert_int_equal(percent_decode(refused[i], &buf), ERR_INVALID);
        assert_string_equal(buf_str(&buf).ptr, "kept");
        assert_int_equal(buf.len, 4);
    }
    assert_int_equal(percent_decode(STR("1234567"), &buf), ERR_LIMIT);
    assert_string_equal(buf_str(&buf).ptr, "kept");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_the_standard_go_both_ways),
        cmocka_unit_test(every_byte_goes_both_ways_at_every_length),
        cmocka_unit_test(the_forms_for_hot_paths_write_the_same),
        cmocka_unit_test(what_was_not_written_by_us_is_refused),
        cmocka_unit_test(hex_of_either_case_is_read),
        cmocka_unit_test(a_full_buffer_takes_none_of_it),
        cmocka_unit_test(percent_escapes_go_both_ways),
        cmocka_unit_test(broken_percent_escapes_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
