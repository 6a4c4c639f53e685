/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "domain/signature.h"
#include "lib/inside.h"

/* Two signatures of the longer kind, "v1a," and 88 characters, with a space between; and a NUL. */
#define HEADER_BYTES_MAX 256

struct usher_verifier {
    struct verifier *verifier; /* owned */
};

struct usher_signer {
    struct signer *signer; /* owned */
    struct buf header;
};

/* One or two secrets; what was read of them is the caller's to wipe. */
static enum err
secrets_read(const char *secret, const char *old_secret, struct secret ret[SIGNATURE_SECRETS_MAX],
    size_t *ret_count)
{
    enum err err = secret != NULL ? secret_parse(str_from(secret), &ret[0], NULL) : ERR_INVALID;

    if (err == OK && old_secret != NULL)
        err = secret_parse(str_from(old_secret), &ret[1], NULL);
    if (err == OK)
        *ret_count = old_secret != NULL ? 2 : 1;
    return err;
}

static void
secrets_wipe(struct secret secrets[SIGNATURE_SECRETS_MAX])
{
    secret_wipe(&secrets[0]);
    secret_wipe(&secrets[1]);
}

enum usher_result
usher_verifier_new(const char *secret, const char *old_secret, int64_t tolerance_s,
    struct usher_verifier **ret_verifier)
{
    struct secret secrets[SIGNATURE_SECRETS_MAX] = {0};
    struct usher_verifier *verifier = calloc(1, sizeof(*verifier));
    size_t count = 0;
    enum err err = verifier != NULL ? OK : ERR_NOMEM;

    if (err == OK && tolerance_s < 0)
        err = ERR_INVALID;
    if (tolerance_s > INT64_MAX / US_PER_S) /* as far as any clock can be from ours */
        tolerance_s = INT64_MAX / US_PER_S;
    if (err == OK)
        err = secrets_read(secret, old_secret, secrets, &count);
    if (err == OK)
        err = verifier_new(secrets, count, tolerance_s, &verifier->verifier);
    secrets_wipe(secrets);
    if (err == OK)
        *ret_verifier = verifier;
    else
        free(verifier);
    return result_of(err);
}

void
usher_verifier_free(struct usher_verifier *verifier)
{
    if (verifier == NULL)
        return;
    verifier_free(verifier->verifier);
    free(verifier);
}

enum usher_result
usher_verify(struct usher_verifier *verifier, const struct usher_call *call, int64_t now_s)
{
    const struct signature_fields fields = {
        .id = str_from(call->id),
        .timestamp = str_from(call->timestamp),
        .signature = str_from(call->signature),
    };

    if (now_s < 0 || now_s > INT64_MAX / US_PER_S || (call->body == NULL && call->body_len > 0))
        return USHER_INVALID;
    return result_of(signature_verify(verifier->verifier, &fields,
        (struct str){call->body, call->body_len}, (struct walltime){now_s * US_PER_S}, NULL));
}

enum usher_result
usher_signer_new(const char *secret, const char *old_secret, struct usher_signer **ret_signer)
{
    struct secret secrets[SIGNATURE_SECRETS_MAX] = {0};
    struct usher_signer *signer = calloc(1, sizeof(*signer));
    size_t count = 0;
    enum err err = signer != NULL ? OK : ERR_NOMEM;

    if (err == OK)
        err = secrets_read(secret, old_secret, secrets, &count);
    if (err == OK)
        err = signer_new(secrets, count, &signer->signer);
    secrets_wipe(secrets);
    if (err == OK) {
        buf_init(&signer->header, HEADER_BYTES_MAX);
        *ret_signer = signer;
    } else {
        free(signer);
    }
    return result_of(err);
}

void
usher_signer_free(struct usher_signer *signer)
{
    if (signer == NULL)
        return;
    signer_free(signer->signer);
    buf_done(&signer->header);
    free(signer);
}

enum usher_result
usher_sign(struct usher_signer *signer, const char *id, int64_t timestamp_s, const void *body,
    size_t body_len, const char **ret_header)
{
    enum err err;

    if (id == NULL || (body == NULL && body_len > 0))
        return USHER_INVALID;
    buf_clear(&signer->header);
    err = signer_sign(signer->signer, str_from(id), timestamp_s, (struct str){body, body_len},
        &signer->header);
    if (err != OK)
        return result_of(err);
    buf_append_char(&signer->header, '\0');
    if (buf_is_full(&signer->header))
        return USHER_NOMEM;
    *ret_header = buf_str(&signer->header).ptr;
    return USHER_OK;
}

enum usher_result
usher_secret_make(const unsigned char random[32], char text[USHER_SECRET_BYTES])
{
    struct secret secret;
    enum err err;

    _Static_assert(USHER_SECRET_BYTES == SECRET_TEXT_BYTES, "the header tells the room there is");
    err = secret_generate(SECRET_V1, random, &secret);
    if (err != OK)
        return result_of(err);
    secret_format(&secret, text);
    secret_wipe(&secret);
    return USHER_OK;
}
