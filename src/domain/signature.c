/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/signature.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/encode.h"
#include "base/limits.h"

/* "v1a," and base64 of an Ed25519 signature, the longest there is. */
#define ENTRY_BYTES_MAX (4 + 88)

/* The id, the time, two dots, and the largest body that comes in or goes out. */
#define SIGNED_BYTES_MAX (SIGNATURE_ID_BYTES_MAX + 32 + HTTP_BODY_BYTES_MAX)
/* One giant body must not be held as memory by its lane ever after. */
#define SIGNED_BYTES_KEPT 65536

static const struct secret_rule {
    const char *prefix;
    size_t len_min;
    size_t len_max;
} rules[] = {
    [SECRET_V1] = {"whsec_", SECRET_V1_BYTES_MIN, SECRET_V1_BYTES_MAX},
    [SECRET_V1A] = {"whsk_", ED25519_SEED_BYTES + ED25519_PUBLIC_BYTES,
        ED25519_SEED_BYTES + ED25519_PUBLIC_BYTES},
    [SECRET_V1A_PUBLIC] = {"whpk_", ED25519_PUBLIC_BYTES, ED25519_PUBLIC_BYTES},
};

static enum err
derive_public(const uint8_t seed[ED25519_SEED_BYTES], uint8_t ret[ED25519_PUBLIC_BYTES])
{
    CLEANUP(ed25519_freep) struct ed25519 *key = NULL;
    enum err err = ed25519_new(seed, &key);

    return err == OK ? ed25519_public(key, ret) : err;
}

static enum err
check_pair(const struct secret *secret, struct error *reterr)
{
    uint8_t public_key[ED25519_PUBLIC_BYTES];
    enum err err = derive_public(secret->bytes, public_key);

    if (err != OK)
        return error_set(reterr, err, "the public key could not be derived");
    if (!equals_constant_time(public_key, secret->bytes + ED25519_SEED_BYTES, sizeof(public_key)))
        return error_set(reterr, ERR_INVALID,
            "the public key in this whsk_ secret does not belong to its private key");
    return OK;
}

/* Which of the kinds the prefix says; COUNT_OF(rules) for none. */
static size_t
kind_find(struct str text)
{
    size_t kind = 0;

    while (kind < COUNT_OF(rules) && !str_starts(text, str_from(rules[kind].prefix)))
        kind++;
    return kind;
}

enum err
secret_parse(struct str text, struct secret *ret, struct error *reterr)
{
    CLEANUP(secret_wipe) struct secret secret = {0};
    size_t kind = kind_find(text);
    const struct secret_rule *rule;
    enum err err;

    if (kind == COUNT_OF(rules))
        return error_set(reterr, ERR_INVALID,
            "a secret starts with whsec_, whsk_ or whpk_ and then base64");
    rule = &rules[kind];
    err = base64_decode(str_slice(text, strlen(rule->prefix), text.len), secret.bytes,
        sizeof(secret.bytes), &secret.len);
    if (err == ERR_INVALID)
        return error_set(reterr, ERR_INVALID, "what follows %s is not base64", rule->prefix);
    if (err != OK || secret.len < rule->len_min || secret.len > rule->len_max)
        return error_set(reterr, ERR_INVALID, "what follows %s must be %zu to %zu bytes in base64",
            rule->prefix, rule->len_min, rule->len_max);
    secret.kind = (enum secret_kind)kind;
    if (secret.kind == SECRET_V1A) {
        err = check_pair(&secret, reterr);
        if (err != OK)
            return err;
    }
    *ret = secret;
    return OK;
}

void
secret_format(const struct secret *secret, char ret_text[SECRET_TEXT_BYTES])
{
    const struct secret_rule *rule = &rules[secret->kind];
    size_t len = strlen(rule->prefix);

    CHECK(secret->len >= rule->len_min && secret->len <= rule->len_max);
    memcpy(ret_text, rule->prefix, len);
    len += base64_encode(secret->bytes, secret->len, ret_text + len);
    ret_text[len] = '\0';
}

enum err
secret_generate(enum secret_kind kind, const uint8_t random[SECRET_RANDOM_BYTES],
    struct secret *ret)
{
    CLEANUP(secret_wipe) struct secret secret = {.kind = kind, .len = SECRET_RANDOM_BYTES};

    CHECK(kind != SECRET_V1A_PUBLIC);
    memcpy(secret.bytes, random, SECRET_RANDOM_BYTES);
    if (kind == SECRET_V1A) {
        enum err err = derive_public(secret.bytes, secret.bytes + ED25519_SEED_BYTES);

        if (err != OK)
            return err;
        secret.len = ED25519_SEED_BYTES + ED25519_PUBLIC_BYTES;
    }
    *ret = secret;
    return OK;
}

void
secret_public(const struct secret *secret, struct secret *ret)
{
    CHECK(secret->kind == SECRET_V1A);
    *ret = (struct secret){.kind = SECRET_V1A_PUBLIC, .len = ED25519_PUBLIC_BYTES};
    memcpy(ret->bytes, secret->bytes + ED25519_SEED_BYTES, ED25519_PUBLIC_BYTES);
}

void
secret_wipe(struct secret *secret)
{
    wipe(secret, sizeof(*secret));
}

/* A secret made ready: exactly one of the two is there. */
struct key {
    struct hmac *hmac;       /* owned; v1 */
    struct ed25519 *ed25519; /* owned; v1a */
};

/* What signer and verifier have in common. */
struct keys {
    struct key list[SIGNATURE_SECRETS_MAX];
    size_t count;
    struct buf signed_bytes; /* "id.timestamp.body": copied once, so that the digest runs over one
                              * piece; the copy is a fiftieth of the digest's cost */
};

struct signer {
    struct keys keys;
};

struct verifier {
    struct keys keys;
    int64_t tolerance_s;
};

static enum err
key_init(struct key *key, const struct secret *secret)
{
    switch (secret->kind) {
    case SECRET_V1: return hmac_new(secret->bytes, secret->len, &key->hmac);
    case SECRET_V1A: return ed25519_new(secret->bytes, &key->ed25519);
    case SECRET_V1A_PUBLIC: return ed25519_new_public(secret->bytes, &key->ed25519);
    }
    UNREACHABLE;
}

static enum err
keys_init(struct keys *keys, const struct secret *secrets, size_t count)
{
    enum err err = OK;

    CHECK(count >= 1 && count <= SIGNATURE_SECRETS_MAX);
    buf_init(&keys->signed_bytes, SIGNED_BYTES_MAX);
    for (; err == OK && keys->count < count; keys->count++)
        err = key_init(&keys->list[keys->count], &secrets[keys->count]);
    return err;
}

static void
keys_done(struct keys *keys)
{
    for (size_t i = 0; i < COUNT_OF(keys->list); i++) {
        hmac_free(keys->list[i].hmac);
        ed25519_free(keys->list[i].ed25519);
    }
    buf_done(&keys->signed_bytes);
}

/* Lay out what is signed; ERR_LIMIT when the body is too large. */
static enum err
keys_lay_out(struct keys *keys, struct str id, struct str timestamp, struct str body)
{
    struct buf *buf = &keys->signed_bytes;

    buf_clear(buf);
    if (buf_reserve(buf, id.len + timestamp.len + body.len + 2) == NULL)
        return ERR_LIMIT;
    buf_append_str(buf, id);
    buf_append_char(buf, '.');
    buf_append_str(buf, timestamp);
    buf_append_char(buf, '.');
    buf_append_str(buf, body);
    return OK;
}

static void
keys_forget(struct keys *keys)
{
    if (keys->signed_bytes.capacity > SIGNED_BYTES_KEPT)
        buf_done(&keys->signed_bytes);
}

/* A dot in the id would let one signature stand for two different splits of the same bytes. */
static bool
id_is_sound(struct str id)
{
    return id.len > 0 && id.len <= SIGNATURE_ID_BYTES_MAX && str_find(id, '.', 0) == SIZE_MAX;
}

enum err
signer_new(const struct secret *secrets, size_t count, struct signer **ret)
{
    CLEANUP(signer_freep) struct signer *signer = NULL;
    enum err err;

    for (size_t i = 0; i < count; i++) {
        if (secrets[i].kind == SECRET_V1A_PUBLIC)
            return ERR_INVALID;
    }
    signer = calloc(1, sizeof(*signer));
    if (signer == NULL)
        return ERR_NOMEM;
    err = keys_init(&signer->keys, secrets, count);
    if (err != OK)
        return err;
    *ret = TAKE(signer);
    return OK;
}

void
signer_free(struct signer *signer)
{
    if (signer == NULL)
        return;
    keys_done(&signer->keys);
    free(signer);
}

void
signer_freep(struct signer **signer)
{
    signer_free(*signer);
    *signer = NULL;
}

/* Write "v1,…" to out and say how long it is. */
static enum err
key_sign(struct key *key, struct str bytes, char out[ENTRY_BYTES_MAX], size_t *ret_len)
{
    uint8_t signature[ED25519_SIGNED_BYTES];
    enum err err;

    if (key->hmac != NULL) {
        err = hmac_sign(key->hmac, bytes, signature);
        if (err != OK)
            return err;
        memcpy(out, "v1,", 3);
        *ret_len = 3 + base64_encode(signature, SHA256_BYTES, out + 3);
        return OK;
    }
    err = ed25519_sign(key->ed25519, bytes, signature);
    if (err != OK)
        return err;
    memcpy(out, "v1a,", 4);
    *ret_len = 4 + base64_encode(signature, ED25519_SIGNED_BYTES, out + 4);
    return OK;
}

/* Decimal digits of a time that is not negative. */
static struct str
timestamp_format(int64_t timestamp_s, char digits[20])
{
    size_t at = 20;

    do {
        digits[--at] = (char)('0' + timestamp_s % 10);
        timestamp_s /= 10;
    } while (timestamp_s > 0);
    return (struct str){digits + at, 20 - at};
}

enum err
signer_sign(struct signer *signer, struct str id, int64_t timestamp_s, struct str body,
    struct buf *header)
{
    struct keys *keys = &signer->keys;
    char entries[SIGNATURE_SECRETS_MAX * (ENTRY_BYTES_MAX + 1)];
    char digits[20];
    size_t len = 0;
    enum err err;

    if (!id_is_sound(id) || timestamp_s < 0)
        return ERR_INVALID;
    err = keys_lay_out(keys, id, timestamp_format(timestamp_s, digits), body);
    for (size_t i = 0; err == OK && i < keys->count; i++) {
        size_t entry_len = 0;

        if (i > 0)
            entries[len++] = ' ';
        err = key_sign(&keys->list[i], buf_str(&keys->signed_bytes), entries + len, &entry_len);
        len += entry_len;
    }
    keys_forget(keys);
    if (err != OK)
        return err;
    if (buf_reserve(header, len) == NULL)
        return ERR_LIMIT;
    buf_append(header, entries, len);
    return OK;
}

enum err
verifier_new(const struct secret *secrets, size_t count, int64_t tolerance_s, struct verifier **ret)
{
    CLEANUP(verifier_freep) struct verifier *verifier = calloc(1, sizeof(*verifier));
    enum err err;

    if (verifier == NULL)
        return ERR_NOMEM;
    verifier->tolerance_s = tolerance_s;
    err = keys_init(&verifier->keys, secrets, count);
    if (err != OK)
        return err;
    *ret = TAKE(verifier);
    return OK;
}

void
verifier_free(struct verifier *verifier)
{
    if (verifier == NULL)
        return;
    keys_done(&verifier->keys);
    free(verifier);
}

void
verifier_freep(struct verifier **verifier)
{
    verifier_free(*verifier);
    *verifier = NULL;
}

static enum err
check_timestamp(struct str text, struct walltime now, int64_t tolerance_s, struct error *reterr)
{
    int64_t now_s = now.us / US_PER_S;
    int64_t timestamp_s = 0;

    if (text.len == 0 || text.ptr[0] == '-' || str_to_int64(text, &timestamp_s) != OK)
        return error_set(reterr, ERR_DENIED, "webhook-timestamp is not a number of seconds");
    if (timestamp_s < now_s - tolerance_s)
        return error_set(reterr, ERR_DENIED, "webhook-timestamp is %lld s old, %lld are allowed",
            (long long)(now_s - timestamp_s), (long long)tolerance_s);
    if (timestamp_s > now_s + tolerance_s)
        return error_set(reterr, ERR_DENIED, "webhook-timestamp is %lld s ahead, %lld are allowed",
            (long long)(timestamp_s - now_s), (long long)tolerance_s);
    return OK;
}

static enum err
check_fields(const struct verifier *verifier, const struct signature_fields *fields,
    struct walltime now, struct error *reterr)
{
    if (fields->id.ptr == NULL)
        return error_set(reterr, ERR_DENIED, "there is no webhook-id");
    if (fields->timestamp.ptr == NULL)
        return error_set(reterr, ERR_DENIED, "there is no webhook-timestamp");
    if (fields->signature.ptr == NULL)
        return error_set(reterr, ERR_DENIED, "there is no webhook-signature");
    if (!id_is_sound(fields->id))
        return error_set(reterr, ERR_DENIED, "webhook-id is empty, has a dot or more than %d bytes",
            SIGNATURE_ID_BYTES_MAX);
    return check_timestamp(fields->timestamp, now, verifier->tolerance_s, reterr);
}

/* One entry of the header, taken apart. */
struct entry {
    bool is_v1;
    uint8_t bytes[ED25519_SIGNED_BYTES];
    size_t len;
};

/* False for a version that we do not know or a text that is no signature. */
static bool
entry_parse(struct str text, struct entry *ret)
{
    size_t want;
    size_t prefix;

    if (str_starts(text, STR("v1,"))) {
        ret->is_v1 = true;
        prefix = 3;
        want = SHA256_BYTES;
    } else if (str_starts(text, STR("v1a,"))) {
        ret->is_v1 = false;
        prefix = 4;
        want = ED25519_SIGNED_BYTES;
    } else {
        return false;
    }
    return base64_decode(str_slice(text, prefix, text.len), ret->bytes, sizeof(ret->bytes),
               &ret->len) == OK &&
           ret->len == want;
}

/* The v1 signatures that would be right, made once however many entries there are. */
struct expected {
    uint8_t bytes[SIGNATURE_SECRETS_MAX][HMAC_BYTES_MAX];
};

/* And what is signed laid out, where a key takes it in one piece alone. */
static enum err
expected_make(struct keys *keys, const struct signature_fields *fields, struct str body,
    struct expected *ret)
{
    const struct str pieces[] = {fields->id, STR("."), fields->timestamp, STR("."), body};
    bool is_laid_out = false;
    enum err err = body.len <= HTTP_BODY_BYTES_MAX ? OK : ERR_LIMIT;

    for (size_t i = 0; err == OK && i < keys->count; i++) {
        if (keys->list[i].hmac != NULL) {
            err = hmac_sign_pieces(keys->list[i].hmac, pieces, COUNT_OF(pieces), ret->bytes[i]);
        } else if (!is_laid_out) {
            err = keys_lay_out(keys, fields->id, fields->timestamp, body);
            is_laid_out = true;
        }
    }
    return err;
}

static bool
entry_matches(const struct entry *entry, struct keys *keys, const struct expected *expected)
{
    struct str signature = {(const char *)entry->bytes, entry->len};
    bool match = false;

    for (size_t i = 0; i < keys->count; i++) {
        struct key *key = &keys->list[i];

        if (entry->is_v1 && key->hmac != NULL)
            match |= equals_constant_time(entry->bytes, expected->bytes[i], SHA256_BYTES);
        else if (!entry->is_v1 && key->ed25519 != NULL)
            match |= ed25519_verify(key->ed25519, buf_str(&keys->signed_bytes), signature) == OK;
    }
    return match;
}

static enum err
check_entries(struct keys *keys, struct str header, const struct expected *expected,
    struct error *reterr)
{
    struct entry entry;
    struct str piece;
    int count = 0;
    int known = 0;

    while (str_split(&header, ' ', &piece)) {
        if (piece.len == 0)
            continue;
        if (++count > SIGNATURE_ENTRIES_MAX)
            return error_set(reterr, ERR_DENIED, "webhook-signature has more than %d signatures",
                SIGNATURE_ENTRIES_MAX);
        if (!entry_parse(piece, &entry))
            continue;
        known++;
        if (entry_matches(&entry, keys, expected))
            return OK;
    }
    if (known == 0)
        return error_set(reterr, ERR_DENIED,
            "none of the %d entries of webhook-signature is a v1 or v1a signature", count);
    return error_set(reterr, ERR_DENIED,
        "none of the %d signatures is by our %s: another secret, or a body that was changed", known,
        keys->count > 1 ? "secrets" : "secret");
}

bool
signature_is_computed(const struct verifier *verifier, const struct signature_fields *fields,
    struct walltime now)
{
    return check_fields(verifier, fields, now, NULL) == OK;
}

enum err
signature_verify(struct verifier *verifier, const struct signature_fields *fields, struct str body,
    struct walltime now, struct error *reterr)
{
    struct keys *keys = &verifier->keys;
    struct expected expected;
    enum err err = check_fields(verifier, fields, now, reterr);

    if (err != OK)
        return err;
    err = expected_make(keys, fields, body, &expected);
    if (err != OK)
        error_set(reterr, err, "the signature could not be computed");
    else
        err = check_entries(keys, fields->signature, &expected, reterr);
    keys_forget(keys);
    return err;
}
