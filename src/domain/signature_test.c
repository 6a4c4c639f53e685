/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/signature.h"

#include <string.h>

#include "base/limits.h"
#include "support/test.h"

/* The vectors of the Standard Webhooks specification. */
#define V1_SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define V1        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define V1A_SECRET                                                                                 \
    "whsk_6Xb/dCcHpPea21PS1N9VY/"                                                                  \
    "NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
#define V1A_PUBLIC "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
#define V1A                                                                                        \
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
#define ID        "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIMESTAMP 1614265330
#define BODY      "{\"test\": 2432232314}"
/* 32 bytes of 'a' */
#define OTHER_SECRET "whsec_YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="

/* 65 bytes of 'a' */
static const char too_long[] =
    "whsec_"
    "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=";
/* V1A_SECRET with a bit of its public key changed. */
static const char mixed_pair[] =
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvw==";
static const struct walltime now = {TIMESTAMP * US_PER_S};

static struct secret
secret_of(const char *text)
{
    struct secret secret = {0};
    struct error error = {0};

    if (secret_parse(str_from(text), &secret, &error) != OK)
        fail_msg("%s: %s", text, error.text);
    return secret;
}

static struct signer *
signer_of(const char *first, const char *second)
{
    struct signer *signer = NULL;
    struct secret secrets[2] = {secret_of(first)};

    if (second != NULL)
        secrets[1] = secret_of(second);
    assert_int_equal(signer_new(secrets, second != NULL ? 2 : 1, &signer), OK);
    return signer;
}

static struct verifier *
verifier_of(const char *first, const char *second)
{
    struct verifier *verifier = NULL;
    struct secret secrets[2] = {secret_of(first)};

    if (second != NULL)
        secrets[1] = secret_of(second);
    assert_int_equal(
        verifier_new(secrets, second != NULL ? 2 : 1, SIGNATURE_TOLERANCE_S, &verifier), OK);
    return verifier;
}

static void
secrets_come_out_as_they_went_in(void **state)
{
    static const char *const texts[] = {V1_SECRET, V1A_SECRET, V1A_PUBLIC, OTHER_SECRET};

    static const enum secret_kind kinds[] = {SECRET_V1, SECRET_V1A, SECRET_V1A_PUBLIC, SECRET_V1};
    struct secret secret;
    struct secret public_half;
    char text[SECRET_TEXT_BYTES];

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        secret = secret_of(texts[i]);
        assert_int_equal(secret.kind, kinds[i]);
        secret_format(&secret, text);
        assert_string_equal(text, texts[i]);
    }
    secret = secret_of(V1A_SECRET);
    secret_public(&secret, &public_half);
    secret_format(&public_half, text);
    assert_string_equal(text, V1A_PUBLIC);
    (void)state;
}

static void
what_is_no_secret_is_refused_without_repeating_it(void **state)
{
    static const char *const texts[] = {"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "WHSEC_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_",
        "whsec_ MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n",
        too_long,
        /* a private key of 32 bytes, one with another's public key, a public key of 24 */
        "whsk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", mixed_pair,
        "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct secret secret = {.len = 7};
        struct error error = {0};

        if (secret_parse(str_from(texts[i]), &secret, &error) != ERR_INVALID)
            fail_msg("%s was accepted", texts[i]);
        assert_int_equal(secret.len, 7);
        assert_int_not_equal(strlen(error.text), 0);
        assert_null(strstr(error.text, "MfKQ"));
    }
    (void)state;
}

static void
a_generated_secret_can_be_parsed_and_signs(void **state)
{
    static const uint8_t random[SECRET_RANDOM_BYTES] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

    static const enum secret_kind kinds[] = {SECRET_V1, SECRET_V1A};

    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct secret secret;
        char text[SECRET_TEXT_BYTES];

        assert_int_equal(secret_generate(kinds[i], random, &secret), OK);
        secret_format(&secret, text);
        struct secret again = secret_of(text);
        assert_int_equal(again.kind, kinds[i]);
        assert_int_equal(again.len, secret.len);
        assert_memory_equal(again.bytes, secret.bytes, secret.len);
        secret_wipe(&again);
        assert_int_equal(again.len, 0);
        assert_int_equal(again.bytes[0], 0);
    }
    (void)state;
}

static void
the_specifications_vectors_are_signed_alike(void **state)
{
    static const struct {
        const char *first;
        const char *second;
        const char *header;
    } cases[] = {
        {V1_SECRET, NULL, V1},
        {V1A_SECRET, NULL, V1A},
        {V1_SECRET, V1A_SECRET, V1 " " V1A},
        {V1A_SECRET, V1_SECRET, V1A " " V1},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(signer_freep) struct signer *signer = signer_of(cases[i].first, cases[i].second);
        CLEANUP(buf_done) struct buf header;

        buf_init(&header, 1024);
        for (int again = 0; again < 3; again++) {
            buf_clear(&header);
            assert_int_equal(signer_sign(signer, STR(ID), TIMESTAMP, STR(BODY), &header), OK);
            assert_string_equal(header.ptr, cases[i].header);
        }
    }
    (void)state;
}

static void
what_cannot_be_signed_leaves_the_header_alone(void **state)
{
    CLEANUP(signer_freep) struct signer *signer = signer_of(V1_SECRET, NULL);
    CLEANUP(buf_done) struct buf header;
    CLEANUP(buf_done) struct buf body;
    char long_id[SIGNATURE_ID_BYTES_MAX + 1];
    struct secret public_key = secret_of(V1A_PUBLIC);
    struct signer *none = NULL;

    memset(long_id, 'x', sizeof(long_id));
    buf_init(&header, strlen(V1) - 1);
    assert_int_equal(signer_sign(signer, STR(""), TIMESTAMP, STR(BODY), &header), ERR_INVALID);
    assert_int_equal(signer_sign(signer, STR("a.b"), TIMESTAMP, STR(BODY), &header), ERR_INVALID);
    assert_int_equal(
        signer_sign(signer, (struct str){long_id, sizeof(long_id)}, TIMESTAMP, STR(BODY), &header),
        ERR_INVALID);
    assert_int_equal(signer_sign(signer, STR(ID), -1, STR(BODY), &header), ERR_INVALID);
    assert_false(buf_is_full(&header));
    assert_int_equal(signer_sign(signer, STR(ID), TIMESTAMP, STR(BODY), &header), ERR_LIMIT);
    assert_int_equal(header.len, 0);

    buf_init(&body, HTTP_BODY_BYTES_MAX * 2);
    assert_non_null(buf_reserve(&body, HTTP_BODY_BYTES_MAX * 2));
    memset(body.ptr, ' ', HTTP_BODY_BYTES_MAX * 2);
    buf_added(&body, HTTP_BODY_BYTES_MAX * 2);
    assert_int_equal(signer_sign(signer, STR(ID), TIMESTAMP, buf_str(&body), &header), ERR_LIMIT);
    assert_int_equal(signer_new(&public_key, 1, &none), ERR_INVALID);
    assert_null(none);
    (void)state;
}

static void
the_largest_body_is_signed_and_verified(void **state)
{
    CLEANUP(signer_freep) struct signer *signer = signer_of(V1_SECRET, NULL);
    CLEANUP(verifier_freep) struct verifier *verifier = verifier_of(V1_SECRET, NULL);
    CLEANUP(buf_done) struct buf header;
    CLEANUP(buf_done) struct buf body;

    buf_init(&header, 256);
    buf_init(&body, HTTP_BODY_BYTES_MAX);
    assert_non_null(buf_reserve(&body, HTTP_BODY_BYTES_MAX));
    memset(body.ptr, ' ', HTTP_BODY_BYTES_MAX);
    buf_added(&body, HTTP_BODY_BYTES_MAX);
    assert_int_equal(signer_sign(signer, STR(ID), TIMESTAMP, buf_str(&body), &header), OK);
    const struct signature_fields fields = {STR(ID), STR("1614265330"), buf_str(&header)};
    assert_int_equal(signature_verify(verifier, &fields, buf_str(&body), now, NULL), OK);
    (void)state;
}

static void
a_good_signature_is_found_among_others(void **state)
{
    static const struct {
        const char *first;
        const char *second;
        const char *header;
    } cases[] = {
        {V1_SECRET, NULL, V1},
        {V1A_PUBLIC, NULL, V1A},
        {V1A_SECRET, NULL, V1A},
        {OTHER_SECRET, V1_SECRET, V1},
        {V1_SECRET, OTHER_SECRET, V1},
        {V1_SECRET, V1A_PUBLIC, V1A},
        {V1_SECRET, NULL, V1A " " V1},
        {V1_SECRET, NULL, "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= " V1},
        {V1_SECRET, NULL, "v2,new v1 v1, v1,short garbage  " V1 " "},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(verifier_freep)
        struct verifier *verifier = verifier_of(cases[i].first, cases[i].second);
        const struct signature_fields fields = {STR(ID), STR("1614265330"),
            str_from(cases[i].header)};
        struct error error = {0};

        if (signature_verify(verifier, &fields, STR(BODY), now, &error) != OK)
            fail_msg("%s: %s", cases[i].header, error.text);
    }
    (void)state;
}

static void
a_bad_call_is_denied_with_the_reason(void **state)
{
    static const struct {
        const char *id;
        const char *timestamp;
        const char *signature;
        const char *body;
        const char *reason;
    } cases[] = {
        {NULL, "1614265330", V1, BODY, "there is no webhook-id"},
        {ID, NULL, V1, BODY, "there is no webhook-timestamp"},
        {ID, "1614265330", NULL, BODY, "there is no webhook-signature"},
        {"", "1614265330", V1, BODY, "webhook-id is empty"},
        {"msg.1", "1614265330", V1, BODY, "has a dot"},
        {ID, "", V1, BODY, "not a number"},
        {ID, "-1614265330", V1, BODY, "not a number"},
        {ID, "+1614265330", V1, BODY, "not a number"},
        {ID, "1614265330.0", V1, BODY, "not a number"},
        {ID, "Infinity", V1, BODY, "not a number"},
        {ID, "99999999999999999999", V1, BODY, "not a number"},
        {ID, "9223372036854775807", V1, BODY, "ahead"},
        {ID, "1614265029", V1, BODY, "is 301 s old, 300 are allowed"},
        {ID, "1614265631", V1, BODY, "is 301 s ahead, 300 are allowed"},
        {ID, "01614265330", V1, BODY, "none of the 1 signatures"},
        {ID, "1614265331", V1, BODY, "none of the 1 signatures"},
        {"msg_other", "1614265330", V1, BODY, "none of the 1 signatures"},
        {ID, "1614265330", V1, "{\"test\": 2432232315}", "none of the 1 signatures"},
        {ID, "1614265330", V1, "{\"test\":2432232314}", "none of the 1 signatures"},
        {ID, "1614265330", V1, "", "none of the 1 signatures"},
        {ID, "1614265330", V1A, BODY, "none of the 1 signatures"},
        {ID, "1614265330", "", BODY, "none of the 0 entries"},
        {ID, "1614265330", "v2,abc", BODY, "none of the 1 entries"},
        {ID, "1614265330", "v1,AAAA v1a,AAAA", BODY, "none of the 2 entries"},
        {ID, "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF=", BODY, "none of the"},
        {ID, "1614265330", "V1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", BODY, "none of the"},
        {ID, "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE", BODY, "none of the"},
        {ID, "1614265330", "v1=g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", BODY, "none of the"},
        {ID, "1614265330", "a b c d e f g h i j k l m n o p " V1, BODY, "more than 16"},
    };
    CLEANUP(verifier_freep) struct verifier *verifier = verifier_of(V1_SECRET, NULL);

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct signature_fields fields = {str_from(cases[i].id), str_from(cases[i].timestamp),
            str_from(cases[i].signature)};
        struct error error = {0};
        enum err err = signature_verify(verifier, &fields, str_from(cases[i].body), now, &error);

        if (err != ERR_DENIED || strstr(error.text, cases[i].reason) == NULL)
            fail_msg("case %zu: %d \"%s\"", i, (int)err, error.text);
        /* What the header holds is compared with what had to be computed. */
        if (signature_is_computed(verifier, &fields, now) !=
            (strstr(error.text, "none of") != NULL || strstr(error.text, "more than 16") != NULL))
            fail_msg("case %zu: is_computed is not so", i);
    }
    (void)state;
}

static void
the_tolerance_includes_its_ends(void **state)
{
    CLEANUP(verifier_freep) struct verifier *verifier = verifier_of(V1_SECRET, NULL);
    const struct signature_fields fields = {STR(ID), STR("1614265330"), STR(V1)};
    struct walltime at = now;

    at.us = (TIMESTAMP + INT64_C(300)) * US_PER_S + 999999;
    assert_int_equal(signature_verify(verifier, &fields, STR(BODY), at, NULL), OK);
    at.us = (TIMESTAMP - INT64_C(300)) * US_PER_S;
    assert_int_equal(signature_verify(verifier, &fields, STR(BODY), at, NULL), OK);
    at.us = (TIMESTAMP + INT64_C(301)) * US_PER_S;
    assert_int_equal(signature_verify(verifier, &fields, STR(BODY), at, NULL), ERR_DENIED);
    (void)state;
}

static void
an_old_secret_no_longer_verifies_once_it_is_gone(void **state)
{
    CLEANUP(signer_freep) struct signer *signer = signer_of(OTHER_SECRET, V1_SECRET);
    CLEANUP(verifier_freep) struct verifier *keeps_old = verifier_of(V1_SECRET, NULL);
    CLEANUP(verifier_freep) struct verifier *has_new = verifier_of(OTHER_SECRET, NULL);
    CLEANUP(signer_freep) struct signer *after = signer_of(OTHER_SECRET, NULL);
    CLEANUP(buf_done) struct buf header;

    buf_init(&header, 1024);
    assert_int_equal(signer_sign(signer, STR(ID), TIMESTAMP, STR(BODY), &header), OK);
    struct signature_fields fields = {STR(ID), STR("1614265330"), buf_str(&header)};
    assert_int_equal(signature_verify(keeps_old, &fields, STR(BODY), now, NULL), OK);
    assert_int_equal(signature_verify(has_new, &fields, STR(BODY), now, NULL), OK);

    buf_clear(&header);
    assert_int_equal(signer_sign(after, STR(ID), TIMESTAMP, STR(BODY), &header), OK);
    fields.signature = buf_str(&header);
    assert_int_equal(signature_verify(keeps_old, &fields, STR(BODY), now, NULL), ERR_DENIED);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secrets_come_out_as_they_went_in),
        cmocka_unit_test(what_is_no_secret_is_refused_without_repeating_it),
        cmocka_unit_test(a_generated_secret_can_be_parsed_and_signs),
        cmocka_unit_test(the_specifications_vectors_are_signed_alike),
        cmocka_unit_test(what_cannot_be_signed_leaves_the_header_alone),
        cmocka_unit_test(the_largest_body_is_signed_and_verified),
        cmocka_unit_test(a_good_signature_is_found_among_others),
        cmocka_unit_test(a_bad_call_is_denied_with_the_reason),
        cmocka_unit_test(the_tolerance_includes_its_ends),
        cmocka_unit_test(an_old_secret_no_longer_verifies_once_it_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
