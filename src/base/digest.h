/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digests, signatures and sealing, on OpenSSL's libcrypto: the one place that knows it.
 *
 * Keyed objects belong to one thread. Secrets are wiped when they are done.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#define SHA256_BYTES         32
#define SHA1_BYTES           20 /* for HMAC alone */
#define SHA512_BYTES         64
#define HMAC_BYTES_MAX       SHA512_BYTES
#define ED25519_SEED_BYTES   32
#define ED25519_PUBLIC_BYTES 32
#define ED25519_SIGNED_BYTES 64
#define SEAL_KEY_BYTES       32
#define SEAL_OVERHEAD_BYTES  28 /* nonce of 12 in front, tag of 16 behind */

MUST_CHECK enum err sha256(struct str bytes, uint8_t ret[SHA256_BYTES]);

/* "sha256:" and the digest in hex. Where there is no memory the arena shows it. */
struct str sha256_text(const uint8_t digest[SHA256_BYTES], struct arena *arena);

/* A context kept for many digests: setting one up costs four times as much as a short text. */
struct sha256;
MUST_CHECK enum err sha256_new(struct sha256 **ret);
void sha256_free(struct sha256 *context);
void sha256_freep(struct sha256 **context);
MUST_CHECK enum err sha256_make(struct sha256 *context, struct str bytes,
    uint8_t ret[SHA256_BYTES]);

enum hmac_digest { HMAC_SHA256, HMAC_SHA1, HMAC_SHA512 };

struct hmac; /* HMAC (RFC 2104) under one key */
MUST_CHECK enum err hmac_new(const void *key, size_t key_len, struct hmac **ret); /* SHA-256 */
MUST_CHECK enum err hmac_new_with(enum hmac_digest digest, const void *key, size_t key_len,
    struct hmac **ret);
void hmac_free(struct hmac *hmac);
void hmac_freep(struct hmac **hmac);
size_t hmac_bytes(const struct hmac *hmac); /* of its digest: 20, 32 or 64 */
/* Of one with SHA-256. */
MUST_CHECK enum err hmac_sign(struct hmac *hmac, struct str bytes, uint8_t ret[SHA256_BYTES]);
/* Of the pieces one behind another, of any digest: hmac_bytes of ret are written. */
MUST_CHECK enum err hmac_sign_pieces(struct hmac *hmac, const struct str *pieces, size_t count,
    uint8_t ret[HMAC_BYTES_MAX]);

struct ed25519; /* RFC 8032, a key pair or a public key alone */
MUST_CHECK enum err ed25519_new(const uint8_t seed[ED25519_SEED_BYTES], struct ed25519 **ret);
MUST_CHECK enum err ed25519_new_public(const uint8_t public_key[ED25519_PUBLIC_BYTES],
    struct ed25519 **ret);
void ed25519_free(struct ed25519 *key);
void ed25519_freep(struct ed25519 **key);
MUST_CHECK enum err ed25519_public(const struct ed25519 *key, uint8_t ret[ED25519_PUBLIC_BYTES]);
MUST_CHECK enum err ed25519_sign(struct ed25519 *key, struct str bytes,
    uint8_t ret[ED25519_SIGNED_BYTES]);
/* ERR_DENIED when the signature is not this key's over these bytes. */
MUST_CHECK enum err ed25519_verify(struct ed25519 *key, struct str bytes, struct str signature);

/* AES-256-GCM. `bound` is authenticated but not hidden: it ties a secret to its row, so that one
 * moved to another row does not open. nonce must be fresh random. out holds len + overhead. */
MUST_CHECK enum err seal(const uint8_t key[SEAL_KEY_BYTES], const uint8_t nonce[12],
    struct str bound, struct str bytes, uint8_t *out);
/* out holds sealed.len - overhead; ERR_DENIED for a wrong key, other binding or changed bytes. */
MUST_CHECK enum err seal_open(const uint8_t key[SEAL_KEY_BYTES], struct str bound,
    struct str sealed, uint8_t *out);

bool equals_constant_time(const void *a, const void *b, size_t len);
void wipe(void *bytes, size_t len);

#endif
