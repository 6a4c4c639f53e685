/* SPDX-License-Identifier: Apache-2.0 */
#include "base/digest.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define NONCE_BYTES 12
#define TAG_BYTES   16

struct sha256 {
    EVP_MD *digest;      /* owned */
    EVP_MD_CTX *context; /* owned */
};

struct hmac {
    EVP_MAC_CTX *context; /* owned; holds the key */
    size_t len;           /* of what it makes */
};

struct ed25519 {
    EVP_PKEY *pkey;      /* owned */
    EVP_MD_CTX *context; /* owned */
    bool may_sign;
};

static void
cipher_context_freep(EVP_CIPHER_CTX **context)
{
    EVP_CIPHER_CTX_free(*context);
}

static void
mac_freep(EVP_MAC **mac)
{
    EVP_MAC_free(*mac);
}

/* With algorithms and sizes that are fixed here, libcrypto fails only for want of memory. What it
 * noted must go: the next to read this thread's error queue is TLS, which would take it as its
 * own. */
static enum err
crypto_failed(enum err err)
{
    ERR_clear_error();
    return err;
}

enum err
sha256(struct str bytes, uint8_t ret[SHA256_BYTES])
{
    if (EVP_Digest(bytes.ptr, bytes.len, ret, NULL, EVP_sha256(), NULL) != 1)
        return crypto_failed(ERR_NOMEM);
    return OK;
}

struct str
sha256_text(const uint8_t digest[SHA256_BYTES], struct arena *arena)
{
    static const char digits[] = "0123456789abcdef";
    const struct str prefix = STR("sha256:");
    struct str text = {NULL, prefix.len + (size_t)2 * SHA256_BYTES};
    char *start = arena_alloc(arena, text.len);
    char *at;

    if (start == NULL)
        return (struct str){NULL, 0};
    at = str_put(start, prefix);
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        *at++ = digits[digest[i] >> 4];
        *at++ = digits[digest[i] & 0xf];
    }
    text.ptr = start;
    return text;
}

enum err
sha256_new(struct sha256 **ret)
{
    CLEANUP(sha256_freep) struct sha256 *context = calloc(1, sizeof(*context));

    if (context == NULL)
        return ERR_NOMEM;
    context->digest = EVP_MD_fetch(NULL, OSSL_DIGEST_NAME_SHA2_256, NULL);
    context->context = EVP_MD_CTX_new();
    if (context->digest == NULL || context->context == NULL)
        return crypto_failed(ERR_NOMEM);
    *ret = TAKE(context);
    return OK;
}

void
sha256_free(struct sha256 *context)
{
    if (context == NULL)
        return;
    EVP_MD_CTX_free(context->context);
    EVP_MD_free(context->digest);
    free(context);
}

void
sha256_freep(struct sha256 **context)
{
    sha256_free(*context);
}

enum err
sha256_make(struct sha256 *context, struct str bytes, uint8_t ret[SHA256_BYTES])
{
    if (EVP_DigestInit_ex2(context->context, context->digest, NULL) != 1 ||
        EVP_DigestUpdate(context->context, bytes.ptr, bytes.len) != 1 ||
        EVP_DigestFinal_ex(context->context, ret, NULL) != 1)
        return crypto_failed(ERR_NOMEM);
    return OK;
}

enum err
hmac_new(const void *key, size_t key_len, struct hmac **ret)
{
    return hmac_new_with(HMAC_SHA256, key, key_len, ret);
}

enum err
hmac_new_with(enum hmac_digest digest, const void *key, size_t key_len, struct hmac **ret)
{
    static const struct {
        char name[16];
        size_t len;
    } digests[] = {
        [HMAC_SHA256] = {OSSL_DIGEST_NAME_SHA2_256, SHA256_BYTES},
        [HMAC_SHA1] = {OSSL_DIGEST_NAME_SHA1, SHA1_BYTES},
        [HMAC_SHA512] = {OSSL_DIGEST_NAME_SHA2_512, SHA512_BYTES},
    };

    CLEANUP(mac_freep) EVP_MAC *mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
    CLEANUP(hmac_freep) struct hmac *hmac = calloc(1, sizeof(*hmac));
    char name[sizeof(digests[0].name)];
    OSSL_PARAM params[2];

    CHECK((unsigned)digest < COUNT_OF(digests));
    memcpy(name, digests[digest].name, sizeof(name));
    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0);
    params[1] = OSSL_PARAM_construct_end();
    if (mac == NULL || hmac == NULL)
        return crypto_failed(ERR_NOMEM);
    hmac->len = digests[digest].len;
    hmac->context = EVP_MAC_CTX_new(mac);
    /* No key at all means "the one from before" to libcrypto; an empty one needs an address. */
    if (hmac->context == NULL ||
        EVP_MAC_init(hmac->context, key_len > 0 ? key : (const void *)"", key_len, params) != 1)
        return crypto_failed(ERR_NOMEM);
    *ret = TAKE(hmac);
    return OK;
}

void
hmac_free(struct hmac *hmac)
{
    if (hmac == NULL)
        return;
    EVP_MAC_CTX_free(hmac->context);
    free(hmac);
}

void
hmac_freep(struct hmac **hmac)
{
    hmac_free(*hmac);
}

size_t
hmac_bytes(const struct hmac *hmac)
{
    return hmac->len;
}

enum err
hmac_sign(struct hmac *hmac, struct str bytes, uint8_t ret[SHA256_BYTES])
{
    size_t len = 0;

    if (EVP_MAC_init(hmac->context, NULL, 0, NULL) != 1 ||
        EVP_MAC_update(hmac->context, (const unsigned char *)bytes.ptr, bytes.len) != 1 ||
        EVP_MAC_final(hmac->context, ret, &len, SHA256_BYTES) != 1)
        return crypto_failed(ERR_NOMEM);
    CHECK(len == SHA256_BYTES);
    return OK;
}

enum err
hmac_sign_pieces(struct hmac *hmac, const struct str *pieces, size_t count,
    uint8_t ret[HMAC_BYTES_MAX])
{
    size_t len = 0;

    if (EVP_MAC_init(hmac->context, NULL, 0, NULL) != 1)
        return crypto_failed(ERR_NOMEM);
    for (size_t i = 0; i < count; i++) {
        if (EVP_MAC_update(hmac->context, (const unsigned char *)pieces[i].ptr, pieces[i].len) != 1)
            return crypto_failed(ERR_NOMEM);
    }
    if (EVP_MAC_final(hmac->context, ret, &len, HMAC_BYTES_MAX) != 1)
        return crypto_failed(ERR_NOMEM);
    CHECK(len == hmac->len);
    return OK;
}

/* takes pkey, which may be NULL */
static enum err
ed25519_wrap(EVP_PKEY *pkey, bool may_sign, struct ed25519 **ret)
{
    CLEANUP(ed25519_freep) struct ed25519 *key = calloc(1, sizeof(*key));

    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return crypto_failed(ERR_NOMEM);
    }
    key->pkey = pkey;
    key->may_sign = may_sign;
    key->context = EVP_MD_CTX_new();
    if (key->pkey == NULL || key->context == NULL)
        return crypto_failed(ERR_NOMEM);
    *ret = TAKE(key);
    return OK;
}

enum err
ed25519_new(const uint8_t seed[ED25519_SEED_BYTES], struct ed25519 **ret)
{
    return ed25519_wrap(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, ED25519_SEED_BYTES), true, ret);
}

enum err
ed25519_new_public(const uint8_t public_key[ED25519_PUBLIC_BYTES], struct ed25519 **ret)
{
    return ed25519_wrap(
        EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, ED25519_PUBLIC_BYTES),
        false, ret);
}

void
ed25519_free(struct ed25519 *key)
{
    if (key == NULL)
        return;
    EVP_MD_CTX_free(key->context);
    EVP_PKEY_free(key->pkey);
    free(key);
}

void
ed25519_freep(struct ed25519 **key)
{
    ed25519_free(*key);
}

enum err
ed25519_public(const struct ed25519 *key, uint8_t ret[ED25519_PUBLIC_BYTES])
{
    size_t len = ED25519_PUBLIC_BYTES;

    if (EVP_PKEY_get_raw_public_key(key->pkey, ret, &len) != 1)
        return crypto_failed(ERR_NOMEM);
    CHECK(len == ED25519_PUBLIC_BYTES);
    return OK;
}

enum err
ed25519_sign(struct ed25519 *key, struct str bytes, uint8_t ret[ED25519_SIGNED_BYTES])
{
    size_t len = ED25519_SIGNED_BYTES;

    CHECK(key->may_sign);
    if (EVP_MD_CTX_reset(key->context) != 1 ||
        EVP_DigestSignInit(key->context, NULL, NULL, NULL, key->pkey) != 1 ||
        EVP_DigestSign(key->context, ret, &len, (const unsigned char *)bytes.ptr, bytes.len) != 1)
        return crypto_failed(ERR_NOMEM);
    CHECK(len == ED25519_SIGNED_BYTES);
    return OK;
}

enum err
ed25519_verify(struct ed25519 *key, struct str bytes, struct str signature)
{
    if (signature.len != ED25519_SIGNED_BYTES)
        return ERR_DENIED;
    if (EVP_MD_CTX_reset(key->context) != 1 ||
        EVP_DigestVerifyInit(key->context, NULL, NULL, NULL, key->pkey) != 1)
        return crypto_failed(ERR_NOMEM);
    if (EVP_DigestVerify(key->context, (const unsigned char *)signature.ptr, signature.len,
            (const unsigned char *)bytes.ptr, bytes.len) != 1)
        return crypto_failed(ERR_DENIED);
    return OK;
}

enum err
seal(const uint8_t key[SEAL_KEY_BYTES], const uint8_t nonce[12], struct str bound, struct str bytes,
    uint8_t *out)
{
    CLEANUP(cipher_context_freep) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t *hidden = out + NONCE_BYTES;
    int len = 0;
    int rest = 0;

    if (bytes.len > INT_MAX - SEAL_OVERHEAD_BYTES || bound.len > INT_MAX)
        return ERR_LIMIT;
    if (context == NULL || EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce) != 1 ||
        EVP_EncryptUpdate(context, NULL, &len, (const unsigned char *)bound.ptr, (int)bound.len) !=
            1 ||
        EVP_EncryptUpdate(context, hidden, &len, (const unsigned char *)bytes.ptr,
            (int)bytes.len) != 1 ||
        EVP_EncryptFinal_ex(context, hidden + len, &rest) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, hidden + bytes.len) != 1)
        return crypto_failed(ERR_NOMEM);
    CHECK((size_t)len + (size_t)rest == bytes.len);
    memcpy(out, nonce, NONCE_BYTES);
    return OK;
}

enum err
seal_open(const uint8_t key[SEAL_KEY_BYTES], struct str bound, struct str sealed, uint8_t *out)
{
    CLEANUP(cipher_context_freep) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    const unsigned char *in = (const unsigned char *)sealed.ptr;
    uint8_t tag[TAG_BYTES];
    size_t hidden_len;
    int len = 0;
    int rest = 0;

    if (sealed.len < SEAL_OVERHEAD_BYTES)
        return ERR_DENIED;
    if (sealed.len > INT_MAX || bound.len > INT_MAX)
        return ERR_LIMIT;
    hidden_len = sealed.len - SEAL_OVERHEAD_BYTES;
    memcpy(tag, in + NONCE_BYTES + hidden_len, TAG_BYTES);

    if (context == NULL || EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, in) != 1 ||
        EVP_DecryptUpdate(context, NULL, &len, (const unsigned char *)bound.ptr, (int)bound.len) !=
            1 ||
        EVP_DecryptUpdate(context, out, &len, in + NONCE_BYTES, (int)hidden_len) != 1 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) != 1)
        return crypto_failed(ERR_NOMEM);
    if (EVP_DecryptFinal_ex(context, out + len, &rest) != 1) {
        /* Deciphered, but by nobody's authority. */
        wipe(out, hidden_len);
        return crypto_failed(ERR_DENIED);
    }
    CHECK((size_t)len + (size_t)rest == hidden_len);
    return OK;
}

bool
equals_constant_time(const void *a, const void *b, size_t len)
{
    return CRYPTO_memcmp(a, b, len) == 0;
}

void
wipe(void *bytes, size_t len)
{
    OPENSSL_cleanse(bytes, len);
}
