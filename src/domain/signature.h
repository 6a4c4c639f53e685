/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard Webhooks: secrets, the webhook-signature header, and its verification.
 *
 * What is signed is "id.timestamp.body", byte for byte as it is on the wire. v1 is HMAC-SHA256
 * under a shared secret (whsec_), v1a is Ed25519 (whsk_ private, whpk_ public). While a secret is
 * being rotated there are two, and a header carries a signature of each. Signers and verifiers
 * keep their keys ready for use and belong to one thread; both are wiped when freed.
 */
#ifndef DOMAIN_SIGNATURE_H
#define DOMAIN_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"
#include "base/moment.h"
#include "base/str.h"

#define SECRET_V1_BYTES_MIN 24
#define SECRET_V1_BYTES_MAX 64
/* A prefix, base64 of 64 bytes, a NUL */
#define SECRET_TEXT_BYTES   (6 + 88 + 1)
#define SECRET_RANDOM_BYTES 32

/* The old and the new one of a rotation. */
#define SIGNATURE_SECRETS_MAX 2
/* Entries of a header that are looked at; a sender in a rotation of two kinds needs four. */
#define SIGNATURE_ENTRIES_MAX  16
#define SIGNATURE_ID_BYTES_MAX 256
/* What the reference libraries allow a clock to be wrong, and a captured call to be repeated. */
#define SIGNATURE_TOLERANCE_S 300

enum secret_kind {
    SECRET_V1,         /* whsec_: 24 to 64 bytes, shared */
    SECRET_V1A,        /* whsk_: seed and public key; signs and verifies */
    SECRET_V1A_PUBLIC, /* whpk_: verifies */
};

struct secret {
    enum secret_kind kind;
    size_t len;
    uint8_t bytes[SECRET_V1_BYTES_MAX];
};

/* ERR_INVALID says what is wrong without repeating any of the text. A whsk_ whose two halves do
 * not belong together is refused. */
MUST_CHECK enum err secret_parse(struct str text, struct secret *ret, struct error *reterr);
void secret_format(const struct secret *secret, char ret_text[SECRET_TEXT_BYTES]);
/* A new one of kind SECRET_V1 or SECRET_V1A; random comes from os/random. */
MUST_CHECK enum err secret_generate(enum secret_kind kind,
    const uint8_t random[SECRET_RANDOM_BYTES], struct secret *ret);
/* The whpk_ that belongs to a whsk_ and may be shown to anybody. */
void secret_public(const struct secret *secret, struct secret *ret);
void secret_wipe(struct secret *secret);

struct signer;

/* 1 to SIGNATURE_SECRETS_MAX secrets, the newest first; a whpk_ is ERR_INVALID. */
MUST_CHECK enum err signer_new(const struct secret *secrets, size_t count, struct signer **ret);
void signer_free(struct signer *signer);
void signer_freep(struct signer **signer);

/* Append the header's value, "v1,… v1,…", to header. ERR_INVALID for an id that is empty, too long
 * or has a dot; ERR_LIMIT when header is full or the body beyond HTTP_BODY_BYTES_MAX. A failure
 * leaves header as it was. */
MUST_CHECK enum err signer_sign(struct signer *signer, struct str id, int64_t timestamp_s,
    struct str body, struct buf *header);

/* The three fields as they came; absent ones are absent texts. */
struct signature_fields {
    struct str id;
    struct str timestamp;
    struct str signature;
};

struct verifier;

/* 1 to SIGNATURE_SECRETS_MAX secrets of any kinds; tolerance_s both into the past and the future,
 * usually SIGNATURE_TOLERANCE_S. */
MUST_CHECK enum err verifier_new(const struct secret *secrets, size_t count, int64_t tolerance_s,
    struct verifier **ret);
void verifier_free(struct verifier *verifier);
void verifier_freep(struct verifier **verifier);

/* OK when any entry of the header is a signature by any of the secrets; entries of other versions
 * are passed over. ERR_DENIED otherwise, with the reason: for our log, never for the caller, who
 * is told nothing. ERR_LIMIT for a body beyond HTTP_BODY_BYTES_MAX. Comparison takes the same time
 * wherever it fails. */
MUST_CHECK enum err signature_verify(struct verifier *verifier,
    const struct signature_fields *fields, struct str body, struct walltime now,
    struct error *reterr);
/* Will it have to sign the body for that? Not of a call that its fields alone refuse. */
bool signature_is_computed(const struct verifier *verifier, const struct signature_fields *fields,
    struct walltime now);

#endif
