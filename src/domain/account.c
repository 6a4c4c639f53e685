/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/account.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "domain/object.h"

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

/* --- scopes --- */

static const struct {
    enum scope scope;
    const char *name;
} scope_names[] = {
    {SCOPE_READ, "read"},
    {SCOPE_WRITE, "write"},
    {SCOPE_INBOX, "inbox"},
    {SCOPE_ADMIN, "admin"},
};

const char *
scope_name(enum scope scope)
{
    for (size_t i = 0; i < COUNT_OF(scope_names); i++) {
        if (scope_names[i].scope == scope)
            return scope_names[i].name;
    }
    return "none";
}

enum err
scope_parse(struct str text, enum scope *ret)
{
    for (size_t i = 0; i < COUNT_OF(scope_names); i++) {
        bool is_of_account = (scope_names[i].scope & SCOPES_OF_ACCOUNT) != 0;

        if (!is_of_account || !str_equals(text, str_from(scope_names[i].name)))
            continue;
        *ret = scope_names[i].scope;
        return OK;
    }
    return ERR_INVALID;
}

/* --- reading --- */

static void
read_name(struct field_reader *reader, struct str *inout)
{
    struct str name = *inout;

    if (!field_text(reader, STR("name"), ACCOUNT_NAME_BYTES_MAX, &name))
        return;
    if (account_name_is_valid(name))
        *inout = name;
    else
        field_fault(reader, STR("name"),
            "must be text without control characters and without white space at its ends");
}

static void
read_rate_limit(struct field_reader *reader, double *inout)
{
    const struct json *value = field_get(reader, STR("rateLimit"));
    double rate = 0;

    if (value == NULL)
        return;
    if (value->kind != JSON_NULL &&
        (value->kind != JSON_NUMBER || json_to_double(value, &rate) != OK ||
            !(rate >= ACCOUNT_RATE_MIN && rate <= ACCOUNT_RATE_MAX)))
        field_fault(reader, STR("rateLimit"),
            "must be a number of deliveries a second from 0.1 to %d, or null for no limit",
            ACCOUNT_RATE_MAX);
    else
        *inout = rate;
}

void
account_read(struct account *inout, const struct json *object, bool is_patch, struct faults *faults)
{
    struct field_reader reader;

    field_reader_start(&reader, object, faults);
    object_read_own(&reader, is_patch, &inout->id);
    read_name(&reader, &inout->name);
    field_require(&reader, STR("name"), inout->name);
    read_rate_limit(&reader, &inout->rate_limit);
    field_reader_end(&reader);
}

static void
read_scopes(struct field_reader *reader, unsigned *inout)
{
    const struct json *list = field_get(reader, STR("scopes"));
    unsigned scopes = 0;
    bool is_right = list != NULL && list->kind == JSON_ARRAY && list->count > 0;

    if (list == NULL)
        return;
    for (const struct json *item = list->first; is_right && item != NULL; item = item->next) {
        enum scope scope = SCOPE_NONE;

        is_right = item->kind == JSON_STRING && scope_parse(item->text, &scope) == OK;
        scopes |= (unsigned)scope;
    }
    if (is_right)
        *inout = scopes;
    else
        field_fault(reader, STR("scopes"), "must be a list of one or more of read, write, inbox");
}

static void
read_expires(struct field_reader *reader, struct walltime now, struct walltime *inout)
{
    const struct json *value = field_get(reader, STR("expiresAt"));
    struct walltime at = {0};

    if (value == NULL)
        return;
    if (value->kind != JSON_NULL &&
        (value->kind != JSON_STRING || walltime_parse(value->text, &at) != OK || at.us <= now.us))
        field_fault(reader, STR("expiresAt"),
            "must be a time to come, such as 2030-01-31T00:00:00Z, or null for never");
    else
        *inout = at;
}

void
key_read(struct api_key *inout, const struct json *object, struct walltime now,
    struct faults *faults)
{
    struct field_reader reader;

    if (object == NULL)
        return;
    field_reader_start(&reader, object, faults);
    read_name(&reader, &inout->name);
    read_scopes(&reader, &inout->scopes);
    read_expires(&reader, now, &inout->expires);
    field_reader_end(&reader);
}
