/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/printable.h"

#include "base/check.h"

#define OUT_BYTES_MAX ((size_t)4 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_quiet(struct str text, bool may_have_lines)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool is_line = c == '\n' || c == '\t';

        if ((c < ' ' && !(is_line && may_have_lines)) || c == 0x7f)
            return false;
    }
    return str_is_utf8(text);
}

/* Whatever comes in, what is printed is UTF-8 without control characters, and as harmless as it
 * will get. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct buf first;
    struct buf second;

    if (size > OUT_BYTES_MAX / 4)
        return 0;
    for (int pass = 0; pass < 2; pass++) {
        void (*append)(struct buf * buf, struct str text) =
            pass == 0 ? printable_append : printable_append_lines;

        buf_init(&first, OUT_BYTES_MAX);
        buf_init(&second, OUT_BYTES_MAX);
        append(&first, text);
        CHECK(!buf_is_full(&first));
        CHECK(is_quiet(buf_str(&first), pass == 1));
        append(&second, buf_str(&first));
        CHECK(str_equals(buf_str(&first), buf_str(&second)));
        buf_done(&first);
        buf_done(&second);
    }
    return 0;
}
