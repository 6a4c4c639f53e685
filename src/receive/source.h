/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A source: a name under /in/, how its callers prove who they are, and how its calls are read.
 *
 * Proofs are combined: `accept = token and address or signature` is met when all of one of its
 * alternatives are met. Of tokens, passwords and header values only SHA-256 is kept; comparison
 * takes the same time wherever it fails, and for a source that is not there as for one that is.
 * A source is part of a setup and never changes; a judge holds its keys ready, for one thread.
 */
#ifndef RECEIVE_SOURCE_H
#define RECEIVE_SOURCE_H

#include "domain/identity.h"
#include "domain/scheme.h"
#include "domain/signature.h"
#include "net/address.h"
#include "net/http_parse.h"

#define SOURCE_NAME_BYTES_MAX   64
#define SOURCE_ALTERNATIVES_MAX 8
#define SOURCE_SECRETS_MAX      2 /* the old and the new one of a rotation */
/* "user:password" that is longer is nobody's. */
#define SOURCE_BASIC_BYTES_MAX 512

enum proof {
    PROOF_TOKEN = 1 << 0,     /* /in/NAME/TOKEN */
    PROOF_BASIC = 1 << 1,     /* Authorization: Basic, also from https://user:password@host/ */
    PROOF_HEADER = 1 << 2,    /* a header of a fixed value */
    PROOF_SIGNATURE = 1 << 3, /* Standard Webhooks, Svix, or a scheme of the table */
    PROOF_ADDRESS = 1 << 4,   /* the caller's address is in a list */
};

/* "token", "basic", "header", "signature", "address" of one of them. */
const char *proof_name(enum proof proof);

struct source {
    struct str name;
    struct str event; /* what all its calls are; absent: a field or the shape tells */
    unsigned alternatives[SOURCE_ALTERNATIVES_MAX]; /* sets of proofs; one of them must be whole */
    size_t alternative_count;
    bool accepts_all; /* `accept = none`, spelled out */
    uint8_t token_hashes[SOURCE_SECRETS_MAX][SHA256_BYTES];
    size_t token_count;
    uint8_t basic_hashes[SOURCE_SECRETS_MAX][SHA256_BYTES]; /* of "user:password" */
    size_t basic_count;
    struct str header_name;
    uint8_t header_hashes[SOURCE_SECRETS_MAX][SHA256_BYTES];
    size_t header_count;
    bool is_standard;            /* Standard Webhooks or Svix instead of a scheme */
    const struct scheme *scheme; /* NULL: none */
    struct scheme *own_scheme;   /* what the hmac-… settings make of it; NULL: there are none */
    struct str secrets[SOURCE_SECRETS_MAX];
    char *secret_bytes[SOURCE_SECRETS_MAX]; /* where they lie, to be wiped */
    size_t secret_count;
    int64_t tolerance_s; /* both ways; means nothing where no signed time is */
    struct cidr *addresses;
    size_t address_count;
    bool has_policy;
    enum duplicate_policy policy; /* where has_policy; else by the event */
    struct identity_fields identity;
    struct identity_fields ignored; /* fields that change without meaning */
    struct str id_field;            /* a header or, with "body.", a path: the sender's id */
    struct field_path id_path;
    bool is_observed;    /* which scheme its callers would pass is written to the log */
    bool is_quarantined; /* refused calls are kept for a while */
    double rate;         /* calls a second, more are answered 429; 0: none is refused for load */
    int64_t body_bytes_max;
    uint64_t given; /* rows of source_settings that its section has */
};

struct setup;

/* One line of its section, in any order. ERR_INVALID says what is wrong, and what there is;
 * ERR_NOT_FOUND: there is no such setting. value is not kept. */
MUST_CHECK enum err source_set(struct source *source, struct arena *arena, struct str name,
    struct str value, struct error *reterr);
/* The section is whole: does it say who may call, and is all there that its proofs need? */
MUST_CHECK enum err source_check(const struct source *source, struct error *reterr);
void source_init(struct source *source, struct str name);
/* Its secrets, when it is not used any more. */
void source_wipe(struct source *source);
/* All proofs that any of its alternatives names. */
unsigned source_proofs(const struct source *source);
/* Those for which something is set up, named there or not. */
unsigned source_proofs_set(const struct source *source);

/* May a header of this name prove a caller, so that its value is not to be shown? By words in it
 * ("auth", "token", "sign" …), and the source's own; source may be NULL. */
bool source_field_proves(const struct source *source, struct str name);

/* Names of a source's settings with their help, for the manual and for a mistyped name. */
struct source_setting {
    const char *name;
    const char *argument;
    const char *help;
};
extern const struct source_setting source_settings[];
extern const size_t source_setting_count;

/* What a call brings. Borrowed. */
struct source_call {
    const struct http_head *head;
    struct str token; /* what stands behind the name in the path; absent: nothing */
    struct str body;
    struct address peer; /* behind trusted proxies: who they say it was */
    struct walltime now; /* when it came */
};

struct source_judge; /* one thread's */
/* source is borrowed: outlives it. NULL: judges for a name that is not there and always says no. A
 * refusal takes about as long for any name, however large the body is: what its own proofs did not
 * need of the call's token, its password, a header and the signature of its body is made up for.
 * (v1a alone is dearer.) */
MUST_CHECK enum err source_judge_new(const struct source *source, struct source_judge **ret,
    struct error *reterr);
void source_judge_free(struct source_judge *judge);

/* OK, or ERR_DENIED with the reason, which is for the log; ERR_NOMEM: it could not be judged. */
MUST_CHECK enum err source_judge(struct source_judge *judge, const struct source_call *call,
    struct error *reterr);
/* scheme_answer of its scheme, to the call judged last; false where not its signature was proven:
 * the answer would tell anybody what the secret makes of a text of theirs. */
bool source_answer(struct source_judge *judge, const struct json *body, struct buf *answer);

/* What the call says of itself; absent texts and 0 where it does not. Borrowed from call and body,
 * or the arena's. */
struct source_facts {
    struct str event; /* the source's own, else x-usher-event or the scheme's field, else absent */
    struct str sender_id;    /* webhook-id, svix-id, the scheme's or the source's field */
    int64_t sender_sequence; /* x-usher-sequence, unless the source accepts everybody */
};

/* An id that is longer, or not plain text, is told by its digest: "sha256:" and hex. */
#define SOURCE_SENDER_ID_BYTES_MAX 256
#define SOURCE_EVENT_BYTES_MAX     128

void source_facts(const struct source *source, const struct source_call *call,
    const struct json *body, struct arena *arena, struct source_facts *ret);

/* observe: names of the fields that may be proofs, with length and 4 hex digits of their digest,
 * and which proofs the call would pass: one text for the log, without any secret. */
void source_observe(struct source_judge *judge, const struct source_call *call, struct buf *text);

#endif
