/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/delivery_id.h"

#include <assert.h>
#include <string.h>

#include "base/check.h"
#include "base/encode.h"

#define PREFIX       "msg_"
#define PREFIX_BYTES (sizeof(PREFIX) - 1)
#define IDS_BYTES    (3 * ID_BYTES)
#define IDS_CHARS    ((IDS_BYTES * 8 + 4) / 5)
#define HEAD_BYTES   (PREFIX_BYTES + IDS_CHARS + 1)
#define DIGITS_MAX   19

static_assert(HEAD_BYTES + DIGITS_MAX + 1 == DELIVERY_ID_TEXT_BYTES, "the header counts as we do");

static size_t
sequence_format(int64_t sequence, char *out)
{
    char reversed[DIGITS_MAX];
    size_t count = 0;

    do {
        reversed[count++] = (char)('0' + sequence % 10);
        sequence /= 10;
    } while (sequence > 0);
    for (size_t i = 0; i < count; i++)
        out[i] = reversed[count - 1 - i];
    return count;
}

size_t
delivery_id_format(const struct delivery_id *id, char ret_text[DELIVERY_ID_TEXT_BYTES])
{
    uint8_t ids[IDS_BYTES];
    size_t len;

    CHECK(id->sequence >= 0);
    memcpy(ids, id->event.bytes, ID_BYTES);
    memcpy(ids + ID_BYTES, id->hook.bytes, ID_BYTES);
    memcpy(ids + 2 * ID_BYTES, id->attendee.bytes, ID_BYTES);

    memcpy(ret_text, PREFIX, PREFIX_BYTES);
    (void)base32_encode(ids, sizeof(ids), ret_text + PREFIX_BYTES);
    ret_text[HEAD_BYTES - 1] = '_';
    len = HEAD_BYTES + sequence_format(id->sequence, ret_text + HEAD_BYTES);
    ret_text[len] = '\0';
    return len;
}

/* Digits without a leading zero: str_to_int64 alone would take "-1" and "007". */
static enum err
sequence_parse(struct str digits, int64_t *ret)
{
    if (digits.len == 0 || digits.ptr[0] == '-' || (digits.ptr[0] == '0' && digits.len > 1))
        return ERR_INVALID;
    return str_to_int64(digits, ret);
}

enum err
delivery_id_parse(struct str text, struct delivery_id *ret)
{
    struct str encoded = str_slice(text, PREFIX_BYTES, HEAD_BYTES - 1);
    struct delivery_id id;
    uint8_t ids[IDS_BYTES];
    size_t len = 0;

    if (text.len <= HEAD_BYTES || !str_starts(text, STR(PREFIX)) || text.ptr[HEAD_BYTES - 1] != '_')
        return ERR_INVALID;
    if (base32_decode(encoded, ids, sizeof(ids), &len) != OK || len != sizeof(ids))
        return ERR_INVALID;
    if (sequence_parse(str_slice(text, HEAD_BYTES, text.len), &id.sequence) != OK)
        return ERR_INVALID;

    memcpy(id.event.bytes, ids, ID_BYTES);
    memcpy(id.hook.bytes, ids + ID_BYTES, ID_BYTES);
    memcpy(id.attendee.bytes, ids + 2 * ID_BYTES, ID_BYTES);
    *ret = id;
    return OK;
}
