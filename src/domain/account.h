/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts and the keys that open them.
 *
 * A key is "usk_" and 43 base64url characters of 32 random bytes; only its SHA-256 is kept, and its
 * last four characters as a hint for people.
 */
#ifndef DOMAIN_ACCOUNT_H
#define DOMAIN_ACCOUNT_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/id.h"
#include "base/moment.h"
#include "domain/fault.h"

enum scope { SCOPE_NONE = 0, SCOPE_READ = 1, SCOPE_WRITE = 2, SCOPE_INBOX = 4, SCOPE_ADMIN = 8 };

/* What a key of an account has unless it says otherwise. */
#define SCOPES_OF_ACCOUNT ((unsigned)(SCOPE_READ | SCOPE_WRITE | SCOPE_INBOX))

#define KEY_TEXT_BYTES 48 /* "usk_", 43 characters and a NUL */
#define KEY_HINT_BYTES 4

/* Deliveries a second, over all hooks of an account. */
#define ACCOUNT_RATE_MIN 0.1
#define ACCOUNT_RATE_MAX 1000000

struct account {
    int64_t pk;
    struct id id;
    struct str name;
    double rate_limit; /* 0: none */
    struct walltime created;
    struct walltime updated;
};

struct api_key {
    int64_t pk;
    struct id id;
    int64_t account_pk;      /* 0 for an admin key */
    struct str account_name; /* in a list alone; absent for an admin key */
    struct str name;
    struct str hint;
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

const char *scope_name(enum scope scope);
/* "read", "write" or "inbox": what a key of an account may have. */
MUST_CHECK enum err scope_parse(struct str text, enum scope *ret);

/* Lay the object's fields over the account: a creation onto one with the rate limit that it is to
 * have where it names none, a PATCH onto what is stored. Texts stay in the JSON tree. */
void account_read(struct account *inout, const struct json *object, bool is_patch,
    struct faults *faults);
/* name, scopes and expiresAt of a new key, over those that it has where they are not given. object
 * may be NULL. */
void key_read(struct api_key *inout, const struct json *object, struct walltime now,
    struct faults *faults);

#endif
