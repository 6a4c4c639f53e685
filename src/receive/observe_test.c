/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "support/source_calls.h"

#define NOW      1614265330
#define BODY     "{\"test\": 2432232314}"
#define HASH_OLD "82675cfb250ffc88948e7c251f74b63b157f3f5f92745aeb37ee62a36231d4e0"
#define GITHUB   "sha256=504457c5eeee4d79e4c541ab9296726c7511337240b2e9b374c45af6fbe44fbe"

static void
assert_observed(const char *section, const struct call_case *call, const char *want)
{
    struct source_case source;
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, 4096);
    source_case_start(&source, section);
    source_observe(source.judge, &call->call, &text);
    assert_string_equal(buf_str(&text).ptr, want);
    source_case_done(&source);
}

static void
it_is_told_what_a_call_brings(void **state)
{
    struct call_case call;

    call_case_init(&call, "tok-old", BODY, NOW);
    call_case_add(&call, "Host", "example.com");
    call_case_add(&call, "Authorization", "Basic aG9vazpwYXNzOndvcmQ=");
    call_case_add(&call, "X-Api-Key", "opaque");
    call_case_add(&call, "Content-Type", "application/json");
    call_case_add(&call, "X-Whose", "opaque");
    assert_observed("accept = token\nobserve = yes\nheader = X-Whose\nheader-value = no\n"
                    "token-sha256 = " HASH_OLD,
        &call,
        "would pass: token; no header: X-Whose is not what is set; token in the path: 7 bytes, "
        "sha256 8267; Authorization: Basic with user:password of 14 bytes, sha256 51f4; X-Api-Key: "
        "6 bytes, sha256 6d22; X-Whose: 6 bytes, sha256 6d22");
    (void)state;
}

static void
it_is_told_whose_signature_a_call_has(void **state)
{
    struct call_case call;

    call_case_init(&call, NULL, BODY, NOW);
    call_case_add(&call, "X-Hub-Signature-256", GITHUB);
    assert_observed("accept = none\nobserve = yes", &call,
        "would pass: nothing; has the signature of github; X-Hub-Signature-256: 71 bytes, sha256 "
        "32ca");
    assert_observed("accept = none\nobserve = yes\nsignature = stripe\nsecret = s3cr3t", &call,
        "would pass: nothing; no signature: there is no Stripe-Signature; has the signature of "
        "github, by our secret; X-Hub-Signature-256: 71 bytes, sha256 32ca");
    assert_observed("accept = none\nobserve = yes\nsignature = github\nsecret = s3cr3t", &call,
        "would pass: signature; has the signature of github; X-Hub-Signature-256: 71 bytes, "
        "sha256 32ca");
    call_case_init(&call, NULL, BODY, NOW);
    call_case_add(&call, "webhook-signature", "");
    assert_observed("accept = none", &call,
        "would pass: nothing; has the signature of standard-webhooks or svix; webhook-signature: 0 "
        "bytes, sha256 e3b0");
    (void)state;
}

static void
a_flood_of_fields_is_cut(void **state)
{
    struct call_case call;
    struct source_case source;
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, 4096);
    call_case_init(&call, NULL, BODY, NOW);
    for (int i = 0; i < 18; i++)
        call_case_add(&call, "x-token", "secret-value");
    source_case_start(&source, "accept = none");
    source_observe(source.judge, &call.call, &text);
    assert_true(str_ends(buf_str(&text), STR("; and more")));
    assert_null(strstr(buf_str(&text).ptr, "secret-value"));
    source_case_done(&source);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_told_what_a_call_brings),
        cmocka_unit_test(it_is_told_whose_signature_a_call_has),
        cmocka_unit_test(a_flood_of_fields_is_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
