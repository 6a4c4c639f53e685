/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/signature.h"

#include <string.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct walltime now = {INT64_C(1614265330) * US_PER_S};

/* A secret that parses prints back as the same bytes. */
static void
check_secret(struct str text)
{
    CLEANUP(secret_wipe) struct secret secret;
    char printed[SECRET_TEXT_BYTES];

    memset(&secret, 0, sizeof(secret));
    if (secret_parse(text, &secret, NULL) != OK)
        return;
    secret_format(&secret, printed);
    CHECK(str_equals(text, str_from(printed)));
}

/* A header that nobody signed is denied, whatever it looks like, and so is any timestamp or id. */
static void
check_forgery(struct verifier *verifier, struct str text)
{
    const struct signature_fields as_header = {STR("msg_1"), STR("1614265330"), text};
    const struct signature_fields as_timestamp = {STR("msg_1"), text, STR("v1,AAAA")};
    const struct signature_fields as_id = {text, STR("1614265330"), STR("v1a,AAAA")};

    CHECK(signature_verify(verifier, &as_header, STR("{}"), now, NULL) == ERR_DENIED);
    CHECK(signature_verify(verifier, &as_timestamp, STR("{}"), now, NULL) == ERR_DENIED);
    CHECK(signature_verify(verifier, &as_id, STR("{}"), now, NULL) == ERR_DENIED);
}

/* A body that we signed is accepted; with a byte less, or a bit of the signature changed, not. */
static void
check_own(struct signer *signer, struct verifier *verifier, struct str body)
{
    CLEANUP(buf_done) struct buf header;
    struct signature_fields fields = {STR("msg_1"), STR("1614265330"), {NULL, 0}};

    buf_init(&header, 256);
    CHECK(signer_sign(signer, fields.id, now.us / US_PER_S, body, &header) == OK);
    fields.signature = buf_str(&header);
    CHECK(signature_verify(verifier, &fields, body, now, NULL) == OK);
    if (body.len > 0)
        CHECK(signature_verify(verifier, &fields, str_slice(body, 0, body.len - 1), now, NULL) ==
              ERR_DENIED);
    header.ptr[3 + body.len % 40] ^= 1;
    CHECK(signature_verify(verifier, &fields, body, now, NULL) == ERR_DENIED);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Fixed and worthless: the fuzzer cannot guess an HMAC, whatever the key. */
    const struct secret secret = {.kind = SECRET_V1, .len = SECRET_V1_BYTES_MIN};
    CLEANUP(signer_freep) struct signer *signer = NULL;
    CLEANUP(verifier_freep) struct verifier *verifier = NULL;
    struct str input = {(const char *)data, size};

    if (size > 65536)
        return 0;
    CHECK(signer_new(&secret, 1, &signer) == OK);
    CHECK(verifier_new(&secret, 1, SIGNATURE_TOLERANCE_S, &verifier) == OK);
    check_secret(input);
    check_forgery(verifier, input);
    check_own(signer, verifier, input);
    return 0;
}
