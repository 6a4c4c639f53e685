/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signature schemes of senders, as rows of one table: which field, which prefix, what is signed,
 * which digest and encoding. GitHub, Stripe, Shopify, Slack, Zoom and the generic one; Standard
 * Webhooks and Svix go through domain/signature.h, which knows their keys.
 *
 * Always over the bytes as they came. Comparison takes the same time wherever it fails; the reason
 * is for our log and never for the caller.
 */
#ifndef DOMAIN_SCHEME_H
#define DOMAIN_SCHEME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/moment.h"

#define SCHEME_SECRETS_MAX      2
#define SCHEME_SECRET_BYTES_MAX 512
/* Entries of a header that are looked at. */
#define SCHEME_ENTRIES_MAX 16

/* In the order of scheme_signed_names. */
enum scheme_signed {
    SIGNED_BODY,
    SIGNED_TIME_DOT_BODY,
    SIGNED_TIME_COLON_BODY,
    SIGNED_V0_TIME_COLON_BODY,
    SIGNED_ID_TIME_BODY
};

/* "body", "time.body", "time:body", "v0:time:body", "id.time.body"; NULL at the end. */
extern const char *const scheme_signed_names[];

enum scheme_encoding { SCHEME_HEX, SCHEME_BASE64 };

struct scheme {
    const char *name;       /* "github", or "hmac" for the generic one */
    struct str field;       /* header that has the signature */
    struct str prefix;      /* in front of each signature: "sha256=", "v1=" */
    struct str time_field;  /* header with the timestamp; absent: none, or inside the signature's */
    struct str time_prefix; /* "t=": the timestamp is an entry of the signature's header */
    struct str id_field;    /* header with the sender's id of the call; absent: none */
    struct str event_field; /* header with the event's name; absent: none */
    struct str id_path;     /* or a field of the body: "id"; absent */
    struct str event_path;  /* "type", "event.type" */
    enum scheme_signed what;
    enum hmac_digest digest;
    enum scheme_encoding encoding;

    enum scheme_challenge { CHALLENGE_NONE, CHALLENGE_ZOOM, CHALLENGE_SLACK } challenge;

    char separator;    /* between several; 0: there is one */
    bool takes_future; /* its own library accepts a time ahead; we refuse it unless set */
};

/* NULL: there is none. That of "hmac" is a beginning, of which a copy is completed. */
const struct scheme *scheme_find(struct str name);
/* Names for an error message, in the table's order: "github, stripe, …". */
void scheme_names(struct buf *buf);
/* The table, in that order; NULL at its end. */
const struct scheme *scheme_at(size_t index);
/* Is a time part of what is signed? */
bool scheme_has_time(const struct scheme *scheme);

/* Look up a header of the call; absent when it is not there. A field that is there twice is told by
 * the first. */
struct scheme_call {
    struct str (*field)(const void *arg, struct str name);
    const void *arg;
    struct str body;
    struct walltime now;
};

/* One or two secrets that are live. */
struct scheme_keys;
/* ERR_INVALID: no secret, more than two, or one that is empty or too long. */
MUST_CHECK enum err scheme_keys_new(const struct scheme *scheme, const struct str *secrets,
    size_t count, struct scheme_keys **ret, struct error *reterr);
void scheme_keys_free(struct scheme_keys *keys); /* NULL is fine */
void scheme_keys_freep(struct scheme_keys **keys);

/* OK, or ERR_DENIED with the reason. Keys belong to one thread at a time. The digests are made
 * whatever the header holds, so what is missing or stale takes as long as what is wrong. */
MUST_CHECK enum err scheme_verify(const struct scheme *scheme, struct scheme_keys *keys,
    const struct scheme_call *call, int64_t tolerance_s, struct error *reterr);

/* The answer to a sender's question whether it is us, of the call that was verified last with these
 * keys, by the secret that it proved; false: this is no question, or that call was not verified.
 * Zoom: {"plainToken","encryptedToken"}; Slack: {"challenge"}. */
bool scheme_answer(const struct scheme *scheme, struct scheme_keys *keys, const struct json *body,
    struct buf *answer);

#endif
