/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include <string.h>

#include "base/encode.h"

void
id_source_init(struct id_source *source, const uint8_t random[8])
{
    memcpy(source->process, random, sizeof(source->process));
    atomic_init(&source->counter,
        (unsigned)random[5] << 16 | (unsigned)random[6] << 8 | (unsigned)random[7]);
}

struct id
id_make(struct id_source *source, struct walltime now)
{
    unsigned count = atomic_fetch_add_explicit(&source->counter, 1, memory_order_relaxed);
    /* Four bytes reach to 2106; a clock before 1970 counts as 1970. */
    uint32_t seconds = now.us > 0 ? (uint32_t)(now.us / US_PER_S) : 0;
    struct id id;

    id.bytes[0] = (uint8_t)(seconds >> 24);
    id.bytes[1] = (uint8_t)(seconds >> 16);
    id.bytes[2] = (uint8_t)(seconds >> 8);
    id.bytes[3] = (uint8_t)seconds;
    memcpy(id.bytes + 4, source->process, sizeof(source->process));
    id.bytes[9] = (uint8_t)(count >> 16);
    id.bytes[10] = (uint8_t)(count >> 8);
    id.bytes[11] = (uint8_t)count;
    return id;
}

enum err
id_parse(struct str text, struct id *ret)
{
    struct id id;
    size_t len;

    if (text.len != ID_TEXT_BYTES - 1)
        return ERR_INVALID;
    if (hex_decode(text, id.bytes, sizeof(id.bytes), &len) != OK)
        return ERR_INVALID;
    *ret = id;
    return OK;
}

void
id_format(struct id id, char ret_text[ID_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < ID_BYTES; i++) {
        ret_text[2 * i] = digits[id.bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[id.bytes[i] & 15];
    }
    ret_text[ID_TEXT_BYTES - 1] = '\0';
}

bool
id_equals(struct id a, struct id b)
{
    return memcmp(a.bytes, b.bytes, ID_BYTES) == 0;
}

bool
id_is_zero(struct id id)
{
    return id_equals(id, (struct id){{0}});
}
