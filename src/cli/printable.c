/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/printable.h"

#define REPLACEMENT "\xef\xbf\xbd"

/* How many bytes the character at the front has; 0: none is well-formed there. */
static size_t
character_bytes(struct str text)
{
    for (size_t len = 1; len <= 4 && len <= text.len; len++) {
        if (str_is_utf8(str_slice(text, 0, len)))
            return len;
    }
    return 0;
}

static bool
is_harmless(struct str character)
{
    const unsigned char *bytes = (const unsigned char *)character.ptr;

    if (character.len == 1)
        return bytes[0] >= ' ' && bytes[0] != 0x7f;
    if (character.len == 2)
        return bytes[0] != 0xc2 || bytes[1] >= 0xa0; /* U+0080 to U+009F */
    if (character.len == 3 && bytes[0] == 0xe2 && bytes[1] == 0x80)
        return (bytes[2] < 0x8e || bytes[2] > 0x8f) && (bytes[2] < 0xa8 || bytes[2] > 0xae);
    if (character.len == 3 && bytes[0] == 0xe2 && bytes[1] == 0x81)
        return bytes[2] < 0xa6 || bytes[2] > 0xa9; /* U+2066 to U+2069 */
    return true;
}

static void
append(struct buf *buf, struct str text, bool keeps_lines)
{
    while (text.len > 0) {
        size_t len = character_bytes(text);
        struct str character = str_slice(text, 0, len > 0 ? len : 1);

        text = str_slice(text, character.len, text.len);
        if (keeps_lines && character.ptr[0] == '\r' && text.len > 0 && text.ptr[0] == '\n')
            continue;
        if (len > 0 && (is_harmless(character) ||
                           (keeps_lines && (character.ptr[0] == '\n' || character.ptr[0] == '\t'))))
            buf_append_str(buf, character);
        else
            buf_append_literal(buf, REPLACEMENT);
    }
}

void
printable_append(struct buf *buf, struct str text)
{
    append(buf, text, false);
}

void
printable_append_lines(struct buf *buf, struct str text)
{
    append(buf, text, true);
}
