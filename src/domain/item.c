/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/item.h"

#include <stddef.h>
#include <string.h>

#include "base/check.h"

/* Both as long. */
#define ID_PREFIX      "in_"
#define REFUSED_PREFIX "re_"

static const char *const policy_names[] = {
    [DUPLICATE_LATEST] = "latest",
    [DUPLICATE_ONCE] = "once",
    [DUPLICATE_EXACT] = "exact",
    [DUPLICATE_NONE] = "none",
};

static const char *const arrival_names[] = {
    [ARRIVAL_NEW] = "created",
    [ARRIVAL_UPDATE] = "updated",
    [ARRIVAL_DUPLICATE] = "duplicate",
    [ARRIVAL_STALE] = "stale",
};

enum arrival
item_judge(enum duplicate_policy policy, const struct item_known *known, int64_t sender_sequence,
    const uint8_t version[SHA256_BYTES])
{
    if (!known->has_latest)
        return ARRIVAL_NEW;
    if (sender_sequence != 0 && known->sender_sequence != 0 &&
        sender_sequence < known->sender_sequence)
        return ARRIVAL_STALE;

    switch (policy) {
    case DUPLICATE_LATEST:
        return memcmp(known->version, version, SHA256_BYTES) == 0 ? ARRIVAL_DUPLICATE
                                                                  : ARRIVAL_UPDATE;
    case DUPLICATE_ONCE: return ARRIVAL_DUPLICATE;
    /* The same bytes would have been known by their digest, which stands for the sender's id. */
    case DUPLICATE_EXACT:
    case DUPLICATE_NONE: return ARRIVAL_UPDATE;
    }
    UNREACHABLE;
}

const char *
duplicate_policy_name(enum duplicate_policy policy)
{
    CHECK((unsigned)policy < COUNT_OF(policy_names));
    return policy_names[policy];
}

enum err
duplicate_policy_parse(struct str text, enum duplicate_policy *ret)
{
    for (size_t i = 0; i < COUNT_OF(policy_names); i++) {
        if (str_equals(text, str_from(policy_names[i]))) {
            *ret = (enum duplicate_policy)i;
            return OK;
        }
    }
    return ERR_INVALID;
}

const char *
arrival_name(enum arrival arrival)
{
    CHECK((unsigned)arrival < COUNT_OF(arrival_names));
    return arrival_names[arrival];
}

const char *
item_flag_name(enum item_flag flag)
{
    switch (flag) {
    case ITEM_UNRECOGNISED: return "unrecognised";
    case ITEM_CONTRADICTORY: return "contradictory";
    case ITEM_STALE: return "stale";
    case ITEM_RELEASED: return "released";
    }
    UNREACHABLE;
}

enum err
item_flag_parse(struct str text, enum item_flag *ret)
{
    for (unsigned flag = ITEM_UNRECOGNISED; flag <= ITEM_RELEASED; flag <<= 1) {
        if (str_equals(text, str_from(item_flag_name((enum item_flag)flag)))) {
            *ret = (enum item_flag)flag;
            return OK;
        }
    }
    return ERR_INVALID;
}

/* --- ids -------------------------------------------------------------------------------------- */

static void
prefixed_format(const char prefix[sizeof(ID_PREFIX)], int64_t pk, char ret[ITEM_ID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t rest = (uint64_t)pk;

    CHECK(pk >= 0);
    memcpy(ret, prefix, sizeof(ID_PREFIX));
    for (size_t i = ITEM_ID_BYTES - 1; i-- > sizeof(ID_PREFIX) - 1;) {
        ret[i] = digits[rest & 0xfU];
        rest >>= 4;
    }
    ret[ITEM_ID_BYTES - 1] = '\0';
}

static enum err
prefixed_parse(const char *prefix, struct str text, int64_t *ret)
{
    uint64_t value = 0;

    if (text.len != ITEM_ID_BYTES - 1 || !str_starts(text, str_from(prefix)))
        return ERR_INVALID;
    for (size_t i = sizeof(ID_PREFIX) - 1; i < text.len; i++) {
        char c = text.ptr[i];

        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return ERR_INVALID;
    }
    if (value > INT64_MAX)
        return ERR_INVALID;
    *ret = (int64_t)value;
    return OK;
}

void
item_id_format(int64_t inbox_pk, char ret[ITEM_ID_BYTES])
{
    prefixed_format(ID_PREFIX, inbox_pk, ret);
}

enum err
item_id_parse(struct str text, int64_t *ret)
{
    return prefixed_parse(ID_PREFIX, text, ret);
}

void
refused_id_format(int64_t quarantine_pk, char ret[ITEM_ID_BYTES])
{
    prefixed_format(REFUSED_PREFIX, quarantine_pk, ret);
}

enum err
refused_id_parse(struct str text, int64_t *ret)
{
    return prefixed_parse(REFUSED_PREFIX, text, ret);
}
