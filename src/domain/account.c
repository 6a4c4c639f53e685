/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/account.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"

#define ACCOUNT_NAME_BYTES_MAX 100

static const struct str key_prefix = {"usk_", 4};

void
key_format(const uint8_t random[32], char ret_text[KEY_TEXT_BYTES])
{
    struct buf text;

    buf_init(&text, KEY_TEXT_BYTES - 1);
    buf_append_str(&text, key_prefix);
    base64url_append(&text, random, 32);
    CHECK(!buf_is_full(&text) && text.len == KEY_TEXT_BYTES - 1);
    memcpy(ret_text, text.ptr, KEY_TEXT_BYTES);
    wipe(text.ptr, text.len);
    buf_done(&text);
}

enum err
key_hash(struct str text, uint8_t ret[SHA256_BYTES])
{
    uint8_t random[32];
    size_t len = 0;
    enum err err;

    if (text.len != KEY_TEXT_BYTES - 1 || !str_starts(text, key_prefix))
        return ERR_INVALID;
    err = base64url_decode(str_slice(text, key_prefix.len, text.len), random, sizeof(random), &len);
    wipe(random, sizeof(random));
    if (err != OK || len != sizeof(random))
        return ERR_INVALID;
    return sha256(text, ret);
}

bool
key_is_expired(const struct api_key *key, struct walltime now)
{
    return key->expires.us != 0 && now.us >= key->expires.us;
}

bool
account_name_is_valid(struct str name)
{
    if (name.len == 0 || name.len > ACCOUNT_NAME_BYTES_MAX || !str_is_utf8(name))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        unsigned char byte = (unsigned char)name.ptr[i];

        /* U+0080 to U+009F are controls, too; in UTF-8 they begin with C2. */
        if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && (unsigned char)name.ptr[i + 1] < 0xa0))
            return false;
    }
    return str_trim(name).len == name.len;
}
