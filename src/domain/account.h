/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts and the keys that open them.
 *
 * A key is "usk_" and 43 base64url characters of 32 random bytes; only its SHA-256 is kept.
 */
#ifndef DOMAIN_ACCOUNT_H
#define DOMAIN_ACCOUNT_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/id.h"
#include "base/moment.h"

enum scope { SCOPE_NONE = 0, SCOPE_READ = 1, SCOPE_WRITE = 2, SCOPE_INBOX = 4, SCOPE_ADMIN = 8 };

#define KEY_TEXT_BYTES 48 /* "usk_", 43 characters and a NUL */

struct api_key {
    struct id id;
    int64_t account_pk; /* 0 for an admin key */
    struct str name;
    unsigned scopes;
    struct walltime created;
    struct walltime expires; /* 0: never */
};

void key_format(const uint8_t random[32], char ret_text[KEY_TEXT_BYTES]);
/* ERR_INVALID when it is not even shaped like a key. */
MUST_CHECK enum err key_hash(struct str text, uint8_t ret[SHA256_BYTES]);
/* From its moment of expiry on. */
bool key_is_expired(const struct api_key *key, struct walltime now);
/* 1 to 100 bytes of printable UTF-8, no control characters. */
bool account_name_is_valid(struct str name);

#endif
