/* SPDX-License-Identifier: Apache-2.0 */
#include "base/csv_rows.h"

#include <string.h>

#include "base/buf.h"
#include "support/test.h"

/* "1[a|b] 2!" : line numbers, fields, and rows that are wrong. */
static void
print_row(const struct csv_row *row, void *arg)
{
    struct buf *buf = arg;

    buf_printf(buf, "%s%lld", buf->len > 0 ? " " : "", (long long)row->line);
    if (row->wrong != NULL) {
        buf_append_char(buf, '!');
        return;
    }
    buf_append_char(buf, '[');
    for (size_t i = 0; i < row->count && i < CSV_FIELDS_MAX; i++)
        buf_printf(buf, "%s%.*s", i > 0 ? "|" : "", STR_FMT(row->fields[i]));
    buf_append_char(buf, ']');
}

/* In pieces of step bytes. */
static void
read_rows(struct str text, size_t step, struct buf *out)
{
    struct csv_rows *rows = NULL;

    buf_init(out, 1 << 20);
    assert_int_equal(csv_rows_new(64, print_row, out, &rows), OK);
    for (size_t at = 0; at < text.len; at += step)
        assert_int_equal(csv_rows_feed(rows, str_slice(text, at, at + step)), OK);
    assert_int_equal(csv_rows_end(rows), OK);
    buf_append(out, "", 1);
    csv_rows_free(rows);
}

static void
rows_are_the_same_however_the_bytes_are_cut(void **state)
{
    static const struct {
        const char *text;
        const char *rows;
    } cases[] = {
        {"", ""},
        {"\n\r\n  \n", ""},
        {"a,b\n1,2\n", "1[a|b] 2[1|2]"},
        {"a,b\r\n1,2\r\n", "1[a|b] 2[1|2]"},
        {"a,b\r1,2", "1[a|b] 2[1|2]"},
        {"\xef\xbb\xbf"
         "a;b\n1,5;2\n",
            "1[a|b] 2[1,5|2]"},
        {"a,b;c\n1,2\n", "1[a|b;c] 2[1|2]"},
        {"a,b\n\n\n1,2\n", "1[a|b] 4[1|2]"},
        {" a , b \n\" x \",\"say \"\"hi\"\"\"\n", "1[a|b] 2[ x |say \"hi\"]"},
        {"a,b\n\"1\n1\",2\n3,4\n", "1[a|b] 2[1\n1|2] 4[3|4]"},
        {"a,b\n,\n1\n", "1[a|b] 2[|] 3[1]"},
        {"a,b\nx\"y,2\n3,4\n", "1[a|b] 2! 3[3|4]"},
        {"a,b\n\"x\"y,2\n3,4\n", "1[a|b] 2! 3[3|4]"},
        {"a,b\n1,\"open\n", "1[a|b] 2!"},
        {"a\n123456789012345678901234567890123456789012345678901234567890123\n3\n",
            "1[a] 2[123456789012345678901234567890123456789012345678901234567890123] 3[3]"},
        {"a\n1234567890123456789012345678901234567890123456789012345678901234\n3\n",
            "1[a] 2! 3[3]"},
        {"a\n\"12345678901234567890123456789\n12345678901234567890123456789012345\n3\n",
            "1[a] 2! 4[3]"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str text = str_from(cases[i].text);

        for (size_t step = 1; step <= text.len + 1; step++) {
            struct buf out;

            read_rows(text, step, &out);
            assert_string_equal(out.ptr, cases[i].rows);
            buf_done(&out);
        }
    }
}

static void
fields_beyond_the_maximum_are_counted(void **state)
{
    char text[64];
    struct buf out;

    (void)state;
    memset(text, ',', 40);
    read_rows((struct str){text, 40}, 40, &out);
    assert_string_equal(out.ptr, "1[|||||||||||||||]");
    buf_done(&out);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_the_same_however_the_bytes_are_cut),
        cmocka_unit_test(fields_beyond_the_maximum_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
