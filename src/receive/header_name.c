/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/header_name.h"

#include <string.h>

/* A dash at the end stands for all names that begin so. */

/* How a message is framed, and what is agreed between two neighbours (RFC 9110 §7.6.1). */
static const char *const framing[] = {"connection", "keep-alive", "proxy-", "te", "trailer",
    "transfer-encoding", "upgrade", "http2-settings", "host", "content-length", "content-encoding",
    "expect"};

/* Who is calling, through whom, and what may be answered. */
static const char *const callers[] = {"authorization", "cookie", "forwarded", "x-forwarded-",
    "x-real-ip", "via", "accept", "accept-", "range", "if-"};

static const char *const ours[] = {"user-agent", "idempotency-key", "webhook-id",
    "webhook-timestamp", "webhook-signature", "x-usher-event", "x-usher-sequence",
    "x-usher-attempt"};

static const char *const standards[] = {"webhook-id", "webhook-timestamp", "webhook-signature",
    "svix-id", "svix-timestamp", "svix-signature"};

static const char *const senders[] = {"content-type", "x-usher-reason", "x-github-",
    "x-hub-signature", "x-hub-signature-256", "stripe-signature", "x-shopify-", "x-slack-",
    "x-zm-"};

static bool
is_among(struct str name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct str other = str_from(names[i]);

        if (str_ends(other, STR("-")) ? str_equals_nocase(str_slice(name, 0, other.len), other)
                                      : str_equals_nocase(name, other))
            return true;
    }
    return false;
}

bool
header_name_is_token(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.ptr[i];

        if (c <= ' ' || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
            return false;
    }
    return name.len > 0 && name.len <= HEADER_NAME_BYTES_MAX;
}

bool
header_name_is_hop(struct str name)
{
    return is_among(name, framing, COUNT_OF(framing)) || is_among(name, callers, COUNT_OF(callers));
}

bool
header_name_is_ours(struct str name)
{
    return is_among(name, ours, COUNT_OF(ours)) || is_among(name, framing, COUNT_OF(framing));
}

bool
header_name_is_standard(struct str name)
{
    return is_among(name, standards, COUNT_OF(standards));
}

bool
header_name_is_of_sender(struct str name)
{
    return is_among(name, senders, COUNT_OF(senders));
}
