/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/scheme.h"

#include <string.h>

#include "base/check.h"
#include "base/encode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TIME "1614265330"
#define BODY "{\"test\": 2432232314}"

static const struct walltime now = {INT64_C(1614265330) * US_PER_S};

/* What the fuzzer says stands in a header; of the others, what would be right. */
struct call {
    const struct scheme *scheme;
    struct str signature;
    struct str time;
};

static struct str
field_of(const void *arg, struct str name)
{
    const struct call *call = arg;

    if (str_equals(name, call->scheme->field))
        return call->signature;
    if (str_equals(name, call->scheme->time_field))
        return call->time;
    return STR("msg_1");
}

static enum err
verify(const struct call *call, struct scheme_keys *keys, struct str body)
{
    const struct scheme_call asked = {field_of, call, body, now};

    return scheme_verify(call->scheme, keys, &asked, 300, NULL);
}

/* A signature that nobody made is denied whatever it looks like, and so is a right one over another
 * time or body. */
static void
check_forgery(const struct scheme *scheme, struct scheme_keys *keys, struct str text)
{
    const struct call as_signature = {scheme, text, STR(TIME)};
    const struct call as_time = {scheme, STR("v0=00"), text};

    CHECK(verify(&as_signature, keys, STR(BODY)) == ERR_DENIED);
    CHECK(verify(&as_signature, keys, text) == ERR_DENIED);
    CHECK(verify(&as_time, keys, STR(BODY)) == ERR_DENIED);
}

static void
lay_out(const struct scheme *scheme, struct str body, struct buf *buf)
{
    switch (scheme->what) {
    case SIGNED_BODY: break;
    case SIGNED_TIME_DOT_BODY: buf_append_literal(buf, TIME "."); break;
    case SIGNED_TIME_COLON_BODY: buf_append_literal(buf, TIME ":"); break;
    case SIGNED_V0_TIME_COLON_BODY: buf_append_literal(buf, "v0:" TIME ":"); break;
    case SIGNED_ID_TIME_BODY: buf_append_literal(buf, "msg_1." TIME "."); break;
    }
    buf_append_str(buf, body);
}

/* A body that was signed passes, by its text laid out here once more; with a byte less, or another
 * bit in the signature, it does not. */
static void
check_own(const struct scheme *scheme, struct scheme_keys *keys, struct hmac *hmac, struct str body)
{
    CLEANUP(buf_done) struct buf header;
    CLEANUP(buf_done) struct buf text;
    uint8_t tag[HMAC_BYTES_MAX];
    struct str signed_text;
    struct call call = {scheme, {NULL, 0}, STR(TIME)};
    size_t from;

    buf_init(&header, 512);
    buf_init(&text, 131072);
    lay_out(scheme, body, &text);
    signed_text = buf_str(&text);
    CHECK(hmac_sign_pieces(hmac, &signed_text, 1, tag) == OK);
    if (scheme->time_prefix.ptr != NULL)
        buf_append_literal(&header, "t=" TIME ",");
    buf_append_str(&header, scheme->prefix);
    from = header.len;
    if (scheme->encoding == SCHEME_HEX)
        hex_append(&header, tag, hmac_bytes(hmac));
    else
        base64_append(&header, tag, hmac_bytes(hmac));
    call.signature = buf_str(&header);
    CHECK(verify(&call, keys, body) == OK);
    if (body.len > 0)
        CHECK(verify(&call, keys, str_slice(body, 0, body.len - 1)) == ERR_DENIED);
    header.ptr[from + body.len % 26] = header.ptr[from + body.len % 26] == '0' ? '1' : '0';
    CHECK(verify(&call, keys, body) == ERR_DENIED);
}

static void
check_scheme(const struct scheme *scheme, struct str input)
{
    /* Worthless: the fuzzer cannot guess an HMAC, whatever the key. */
    const struct str secret = STR("fuzz");
    CLEANUP(scheme_keys_freep) struct scheme_keys *keys = NULL;
    CLEANUP(hmac_freep) struct hmac *hmac = NULL;

    CHECK(scheme_keys_new(scheme, &secret, 1, &keys, NULL) == OK);
    CHECK(hmac_new_with(scheme->digest, secret.ptr, secret.len, &hmac) == OK);
    check_forgery(scheme, keys, input);
    check_own(scheme, keys, hmac, input);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct scheme generic[] = {
        {.name = "hmac",
            .field = {"X-Signature", 11},
            .time_field = {"X-Time", 6},
            .what = SIGNED_TIME_COLON_BODY,
            .digest = HMAC_SHA512},
        {.name = "hmac",
            .field = {"X-Signature", 11},
            .time_field = {"X-Time", 6},
            .id_field = {"X-Id", 4},
            .prefix = {"v1,", 3},
            .separator = ' ',
            .what = SIGNED_ID_TIME_BODY,
            .digest = HMAC_SHA1,
            .encoding = SCHEME_BASE64},
    };
    struct str input = {(const char *)data, size};
    const struct scheme *scheme;

    if (size > 65536)
        return 0;
    for (size_t i = 0; (scheme = scheme_at(i)) != NULL; i++) {
        if (scheme->field.ptr != NULL)
            check_scheme(scheme, input);
    }
    for (size_t i = 0; i < COUNT_OF(generic); i++)
        check_scheme(&generic[i], input);
    return 0;
}
