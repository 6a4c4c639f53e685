/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hooks: who wants to be told, where, of what, and in which form.
 *
 *     enabled ◀──▶ disabled ──▶ deleted      (hook_move is the only writer of the state)
 */
#ifndef DOMAIN_HOOK_H
#define DOMAIN_HOOK_H

#include "base/id.h"
#include "domain/fault.h"
#include "domain/payload.h"

enum hook_status { HOOK_ENABLED, HOOK_DISABLED, HOOK_DELETED };

enum hook_signature { HOOK_SIGNATURE_V1, HOOK_SIGNATURE_V1A };

struct hook_header {
    struct str name;
    struct str value;
};

struct hook {
    int64_t pk;
    int64_t account_pk;
    struct id id;
    struct str url;       /* without user info (after hook_read: as it was given) */
    struct str user_info; /* secret; absent when there is none */
    struct str event;
    struct id webinar_id; /* zero: every webinar */
    struct id mango_id;   /* zero: no such filter */
    struct str description;
    struct hook_header headers[HOOK_HEADERS_MAX];
    size_t header_count;
    enum phone_format phone_format;
    enum hook_signature signature;
    struct str secret;     /* "whsec_…" or "whsk_…" */
    struct str old_secret; /* signs too until then; absent when there is none */
    struct walltime old_secret_until;
    double rate_limit; /* requests a second; 0: none set */
    int64_t max_in_flight;
    enum hook_status status;
    struct str disabled_by; /* "owner", "gone", "failing"; absent while enabled */
    struct walltime created;
    struct walltime updated;

    /* Of its lane, read only here (store/lanes.h, hook_health). */
    struct walltime first_failure; /* since the last success; 0: none */
    struct walltime failing;       /* since when; 0: it is not */
    double learned_rate;           /* 0: none */
    double account_rate;           /* of all the account's hooks together; 0: no limit */
};

const char *hook_status_name(enum hook_status status);
MUST_CHECK enum err hook_status_parse(struct str name, enum hook_status *ret);
/* CHECKs that the picture above allows it. */
void hook_move(struct hook *hook, enum hook_status next);

const char *hook_signature_name(enum hook_signature signature); /* "v1", "v1a" */
MUST_CHECK enum err hook_signature_parse(struct str name, enum hook_signature *ret);
const char *phone_format_name(enum phone_format format); /* "number", "string" */
MUST_CHECK enum err phone_format_parse(struct str name, enum phone_format *ret);

/* Header values are write-only; this is shown instead. */
#define HOOK_HEADER_VALUE_SHOWN "********"

#define HOOK_RATE_MIN          0.1
#define HOOK_RATE_MAX          10000.0
#define HOOK_IN_FLIGHT_MAX     256
#define HOOK_IN_FLIGHT_DEFAULT 16

/*
 * Lay the object's fields over the hook: all of a creation onto hook_defaults(), or a PATCH
 * (RFC 7396: null clears, headers are merged by name) onto what is stored. Faults name every field
 * that is unknown or wrong; texts stay in the JSON tree. Only the URL's type and length are judged
 * here; the caller parses it. A secret may be given at creation alone and must be of the
 * signature's kind; it stays absent when it was not.
 */
struct hook hook_defaults(void);
void hook_read(struct hook *inout, const struct json *object, bool is_patch, struct faults *faults);

/* What is wrong with a secret for this signature, as a fault's detail; NULL when it will do. */
const char *hook_secret_is_wrong(enum hook_signature signature, struct str text);

#endif
