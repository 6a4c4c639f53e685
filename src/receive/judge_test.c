/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "receive/judge_inside.h"
#include "support/source_calls.h"

#define NOW  1614265330
#define BODY "{\"test\": 2432232314}"

/* SHA-256 of "tok-old", "tok-new" */
#define HASH_OLD "82675cfb250ffc88948e7c251f74b63b157f3f5f92745aeb37ee62a36231d4e0"
#define HASH_NEW "2cb3e362808c82e72f087acfe6fcb44a6a915d98e502ba256ff6f0cbef847b34"

/* The vectors of the Standard Webhooks specification; then one by 32 bytes of 'a'. */
#define SECRET  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define PUBLIC  "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
#define OTHER   "whsec_YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE="
#define ID      "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define V1      "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
#define V1OTHER "v1,wsivFD0Jwwm+FWzOku2XLTKB/H5tjlWs6fpshfqdPsU="
#define V1A                                                                                        \
    "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="

#define GITHUB "sha256=504457c5eeee4d79e4c541ab9296726c7511337240b2e9b374c45af6fbe44fbe"

#define STANDARD_SECTION "accept = signature\nsignature = standard-webhooks\nsecret = " SECRET

static void
assert_judged(struct source_case *source, const struct call_case *call, const char *word)
{
    struct error error = {.text = "untouched"};
    enum err err = source_judge(source->judge, &call->call, &error);

    if (word == NULL && err != OK)
        fail_msg("refused: %s", error.text);
    if (word == NULL) {
        assert_string_equal(error.text, "untouched");
        return;
    }
    assert_int_equal(err, ERR_DENIED);
    assert_int_equal(error.code, ERR_DENIED);
    if (strstr(error.text, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.text, word);
    assert_int_equal(source_judge(source->judge, &call->call, NULL), ERR_DENIED);
}

static void
a_token_in_the_path_proves_the_caller(void **state)
{
    static const struct {
        const char *token;
        const char *word;
    } table[] = {{"tok-old", NULL}, {"tok-new", NULL}, {"tok-ol", "not the one"},
        {"tok-old ", "not the one"}, {"TOK-OLD", "not the one"}, {HASH_OLD, "not the one"},
        {"", "none in the path"}, {NULL, "none in the path"}};
    struct source_case source;

    source_case_start(&source,
        "accept = token\ntoken-sha256 = " HASH_OLD "\ntoken-sha256 = " HASH_NEW);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct call_case call;

        call_case_init(&call, table[i].token, BODY, NOW);
        assert_judged(&source, &call, table[i].word);
    }
    source_case_done(&source);
    (void)state;
}

/* Somebody may have set the digest of nothing, by a variable that was not there. */
static void
nothing_is_no_token_whatever_was_set(void **state)
{
    struct source_case source;
    struct call_case call;

    source_case_start(&source, "accept = token\ntoken-sha256 = "
                               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    call_case_init(&call, NULL, BODY, NOW);
    assert_judged(&source, &call, "none in the path");
    source_case_done(&source);

    source_case_start(&source, "accept = basic or header\nheader = X-Key\nheader-sha256 = "
                               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n"
                               "basic-sha256 = "
                               "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    call_case_init(&call, NULL, BODY, NOW);
    assert_judged(&source, &call, "no Authorization: Basic; header: there is no X-Key");
    call_case_add(&call, "X-Key", "");
    call_case_add(&call, "Authorization", "Bearer x");
    assert_judged(&source, &call, "no Authorization: Basic; header: X-Key is not what is set");
    source_case_done(&source);
    (void)state;
}

static void
a_password_proves_the_caller(void **state)
{
    static const struct {
        const char *value;
        const char *word;
    } table[] = {{"Basic aG9vazpwYXNzOndvcmQ=", NULL}, {"basic aG9vazpwYXNzOndvcmQ=", NULL},
        {"Basic   aG9vazpwYXNzOndvcmQ=", NULL}, {"Basic aG9vazpvdGhlcg==", NULL},
        {"Basic aG9vazpwYXNzOndvcmU=", "not the one"}, {"Basic aG9vazpwYXNzOndvcmQ", "is no"},
        {"Basic hook:pass:word", "is no"}, {"Basic ", "not the one"}, {"Basic", "is no"},
        {"Bearer aG9vazpwYXNzOndvcmQ=", "is no"}, {"", "is no"}};
    struct source_case source;

    source_case_start(&source, "accept = basic\nbasic = hook:pass:word\nbasic = hook:other");
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct call_case call;

        call_case_init(&call, NULL, BODY, NOW);
        assert_judged(&source, &call, "there is no Authorization");
        call_case_add(&call, "authorization", table[i].value);
        if (table[i].word != NULL && strcmp(table[i].word, "is no") == 0)
            assert_judged(&source, &call, "there is no Authorization: Basic");
        else
            assert_judged(&source, &call, table[i].word);
    }
    source_case_done(&source);
    (void)state;
}

static void
a_fixed_header_proves_the_caller(void **state)
{
    struct source_case source;
    struct call_case call;

    source_case_start(&source,
        "accept = header\nheader = X-Api-Key\nheader-value = k 1\nheader-sha256 = " HASH_OLD);
    call_case_init(&call, NULL, BODY, NOW);
    assert_judged(&source, &call, "there is no X-Api-Key");
    call_case_add(&call, "x-api-key", "k 1");
    assert_judged(&source, &call, NULL);
    call.fields[0].value = STR("tok-old");
    assert_judged(&source, &call, NULL);
    call.fields[0].value = STR("k 2");
    assert_judged(&source, &call, "X-Api-Key is not what is set");
    /* Of two the first counts. */
    call_case_add(&call, "X-Api-Key", "k 1");
    assert_judged(&source, &call, "X-Api-Key is not what is set");
    source_case_done(&source);
    (void)state;
}

static void
an_address_proves_the_caller(void **state)
{
    static const struct {
        const char *peer;
        const char *word;
    } table[] = {{"192.0.2.0", NULL}, {"192.0.2.255", NULL}, {"192.0.3.0", "192.0.3.0 is in no"},
        {"::ffff:192.0.2.9", NULL}, {"2001:db8::1", NULL}, {"2001:db9::1", "is in no"}};
    struct source_case source;

    source_case_start(&source, "accept = address\naddress = 192.0.2.0/24, 2001:db8::/32");
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct call_case call;

        call_case_init(&call, NULL, BODY, NOW);
        assert_int_equal(address_parse(str_from(table[i].peer), &call.call.peer, NULL), OK);
        assert_judged(&source, &call, table[i].word);
    }
    source_case_done(&source);
    (void)state;
}

static void
add_standard(struct call_case *call, const char *family, const char *id, const char *signature)
{
    const bool is_svix = strcmp(family, "svix") == 0;

    call_case_add(call, is_svix ? "svix-id" : "webhook-id", id);
    call_case_add(call, is_svix ? "svix-timestamp" : "Webhook-Timestamp", "1614265330");
    call_case_add(call, is_svix ? "Svix-Signature" : "webhook-signature", signature);
}

static void
standard_webhooks_and_svix_are_one(void **state)
{
    static const char *const families[] = {"webhook", "svix"};
    static const char *const names[] = {"standard-webhooks", "svix"};

    for (size_t i = 0; i < 4; i++) {
        struct source_case source;
        struct call_case call;
        char section[256];

        (void)snprintf(section, sizeof(section),
            "accept = signature\nsignature = %s\nsecret = " SECRET "\nsecret = " PUBLIC,
            names[i / 2]);
        source_case_start(&source, section);
        call_case_init(&call, NULL, BODY, NOW);
        assert_judged(&source, &call, "there is no webhook-id");
        add_standard(&call, families[i % 2], ID, V1);
        assert_judged(&source, &call, NULL);
        call.fields[2].value = STR(V1A);
        assert_judged(&source, &call, NULL);
        call.fields[2].value = STR(V1OTHER);
        assert_judged(&source, &call, "signature: none of the 1 signatures");
        call.fields[2].value = STR(V1);
        call.call.body = STR(BODY " ");
        assert_judged(&source, &call, "a body that was changed");
        source_case_done(&source);
    }
    (void)state;
}

static void
a_standard_call_is_denied_in_all_its_parts(void **state)
{
    static const struct {
        size_t field;
        const char *value;
        int64_t now_s;
    } table[] = {{0, "msg_2", NOW}, {1, "1614265331", NOW}, {1, "", NOW}, {2, "", NOW},
        {2, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", NOW},
        {2, "V1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", NOW}, {0, ID, NOW + 301},
        {0, ID, NOW - 301}};
    struct source_case source;

    source_case_start(&source, STANDARD_SECTION);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct call_case call;

        call_case_init(&call, NULL, BODY, table[i].now_s);
        add_standard(&call, "webhook", ID, V1);
        call.fields[table[i].field].value = str_from(table[i].value);
        assert_judged(&source, &call, "signature: ");
    }
    source_case_done(&source);
    (void)state;
}

static void
while_a_standard_secret_is_replaced_both_are_live(void **state)
{
    struct source_case source;
    struct call_case call;

    source_case_start(&source, STANDARD_SECTION "\nsecret = " OTHER "\ntolerance = 60");
    call_case_init(&call, NULL, BODY, NOW + 60);
    add_standard(&call, "webhook", ID, V1);
    assert_judged(&source, &call, NULL);
    call.fields[2].value = STR(V1OTHER);
    assert_judged(&source, &call, NULL);
    call.call.now.us += US_PER_S;
    assert_judged(&source, &call, "61 s old");
    source_case_done(&source);
    (void)state;
}

/* Only one family's id is signed: the other's beside it must change nothing. */
static void
families_of_headers_are_not_mixed(void **state)
{
    struct source_case source;
    struct call_case call;

    source_case_start(&source, STANDARD_SECTION);
    call_case_init(&call, NULL, BODY, NOW);
    add_standard(&call, "svix", ID, V1);
    call_case_add(&call, "webhook-id", "msg_forged");
    assert_judged(&source, &call, NULL);
    assert_true(str_equals(standard_fields(&call.head).id, STR(ID)));
    call_case_add(&call, "webhook-signature", V1);
    assert_judged(&source, &call, "there is no webhook-timestamp");
    source_case_done(&source);
    (void)state;
}

static void
a_scheme_of_the_table_is_verified(void **state)
{
    struct source_case source;
    struct call_case call;

    source_case_start(&source, "accept = signature\nsignature = github\nsecret = s3cr3t");
    call_case_init(&call, NULL, BODY, NOW);
    assert_judged(&source, &call, "there is no X-Hub-Signature-256");
    call_case_add(&call, "X-Hub-Signature-256", GITHUB);
    assert_judged(&source, &call, NULL);
    call.call.body = STR("{}");
    assert_judged(&source, &call, "not by our secret");
    source_case_done(&source);
    (void)state;
}

static void
the_generic_scheme_is_what_its_section_says(void **state)
{
    struct source_case source;
    struct call_case call;

    source_case_start(&source,
        "accept = signature\nhmac-header = X-Sig\nhmac-prefix = v1=\nhmac-time-prefix = t=\n"
        "hmac-separator = comma\nhmac-signed = time.body\nsignature = hmac\nsecret = whsec_test\n"
        "tolerance = 30");
    call_case_init(&call, NULL, BODY, NOW + 30);
    call_case_add(&call, "x-sig",
        "t=1614265330,"
        "v1=98a6304ac7cd966786ee1b93ad76319d9cd63829827fa0f93cb3e367cf67086d");
    assert_judged(&source, &call, NULL);
    call.call.now.us += US_PER_S;
    assert_judged(&source, &call, "31 s old, 30 are allowed");
    source_case_done(&source);
    (void)state;
}

/* Which of three proofs a call brings, and whether that is enough. */
static void
proofs_are_joined_by_and_and_or(void **state)
{
    static const struct {
        const char *accept;
        const char *enough; /* for token + 2 * header + 4 * address, '1' where it is let in */
    } table[] = {
        {"token", "01010101"},
        {"token and header", "00010001"},
        {"token or header", "01110111"},
        {"token and address or header", "00110111"},
        {"header or address and token", "00110111"},
        {"token and header and address", "00000001"},
        {"token or header or address", "01111111"},
        {"address and token or address and header", "00000111"},
    };

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct source_case source;
        char section[512];

        (void)snprintf(section, sizeof(section),
            "accept = %s\nobserve = yes\ntoken-sha256 = " HASH_OLD
            "\nheader = X-Key\nheader-value = k\naddress = 192.0.2.7",
            table[i].accept);
        source_case_start(&source, section);
        for (unsigned brought = 0; brought < 8; brought++) {
            struct call_case call;

            call_case_init(&call, (brought & 1) != 0 ? "tok-old" : "tok", BODY, NOW);
            call_case_add(&call, "X-Key", (brought & 2) != 0 ? "k" : "l");
            if ((brought & 4) == 0)
                assert_int_equal(address_parse(STR("192.0.2.8"), &call.call.peer, NULL), OK);
            if ((source_judge(source.judge, &call.call, NULL) == OK) !=
                (table[i].enough[brought] == '1'))
                fail_msg("%s: %u", table[i].accept, brought);
        }
        source_case_done(&source);
    }
    (void)state;
}

static void
the_reason_names_all_that_was_missing(void **state)
{
    struct source_case source;
    struct call_case call;

    source_case_start(&source, "accept = token and address or signature\ntoken-sha256 = " HASH_OLD
                               "\naddress = ::1\nsignature = github\nsecret = s3cr3t");
    call_case_init(&call, "tok", BODY, NOW);
    assert_judged(&source, &call,
        "token: not the one that is set; signature: there is no X-Hub-Signature-256; address: "
        "192.0.2.7 is in no range that is set");
    source_case_done(&source);
    (void)state;
}

static void
everybody_is_let_in_where_it_says_so(void **state)
{
    struct source_case source;
    struct call_case call;

    source_case_start(&source, "accept = none");
    call_case_init(&call, NULL, "", 0);
    assert_judged(&source, &call, NULL);
    source_case_done(&source);
    (void)state;
}

static void
a_name_that_is_not_there_lets_nobody_in(void **state)
{
    struct source_case nobody = {.judge = NULL};
    struct call_case call;
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, 1000);
    arena_init(&nobody.arena, 0);
    assert_int_equal(source_judge_new(NULL, &nobody.judge, NULL), OK);
    call_case_init(&call, "tok-old", BODY, NOW);
    add_standard(&call, "webhook", ID, V1);
    call_case_add(&call, "X-Hub-Signature-256", GITHUB);
    call_case_add(&call, "Authorization", "Basic aG9vazpwYXNzOndvcmQ=");
    assert_judged(&nobody, &call, "no such source");
    assert_int_equal(nobody.judge->digests, SOURCE_SECRETS_MAX);
    assert_false(source_answer(nobody.judge, NULL, &text));
    source_observe(nobody.judge, &call.call, &text);
    assert_non_null(strstr(buf_str(&text).ptr, "would pass: nothing"));
    source_case_done(&nobody);
    source_judge_free(NULL);
    (void)state;
}

/* However it is refused and whoever was meant, as often as the longest refusal makes it. */
static void
a_refusal_makes_the_same_digests_of_any_body(void **state)
{
    static const struct {
        const char *section;
        const char *name; /* of a field; NULL: none */
        const char *value;
        const char *id; /* of Standard Webhooks; NULL: none of its fields */
    } table[] = {
        {"accept = token\ntoken-sha256 = " HASH_OLD, NULL, NULL, NULL},
        {"accept = basic\nbasic = hook:pass", "Authorization", "Basic aG9vazpvdGhlcg==", NULL},
        {STANDARD_SECTION, NULL, NULL, NULL},
        {STANDARD_SECTION, NULL, NULL, ID},
        /* These its fields alone refuse. */
        {STANDARD_SECTION, NULL, NULL, "msg.2"},
        {STANDARD_SECTION, NULL, NULL, ""},
        {STANDARD_SECTION "\nsecret = " OTHER, NULL, NULL, ID},
        {"accept = signature\nsignature = svix\nsecret = " PUBLIC, NULL, NULL, ID},
        {"accept = signature\nsignature = github\nsecret = s", NULL, NULL, NULL},
        {"accept = signature\nsignature = github\nsecret = s", "x-hub-signature-256", GITHUB, NULL},
        {"accept = signature\nsignature = github\nsecret = s\nsecret = t", NULL, NULL, NULL},
    };

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct source_case source;
        struct call_case call;

        source_case_start(&source, table[i].section);
        call_case_init(&call, "tok-other", "{}", NOW);
        if (table[i].name != NULL)
            call_case_add(&call, table[i].name, table[i].value);
        if (table[i].id != NULL)
            add_standard(&call, "webhook", table[i].id, V1);
        assert_judged(&source, &call, "");
        assert_int_equal(source.judge->digests, SOURCE_SECRETS_MAX);
        source_case_done(&source);
    }
    (void)state;
}

#define ZOOM_BODY "{\"event\":\"endpoint.url_validation\",\"payload\":{\"plainToken\":\"abc\"}}"
#define ZOOM      "v0=43a953a768fb43ecb55aa94834566093bbb1f06ee3c5c320e03eabc7a098ebc6"

static bool
answer(struct source_case *source, struct buf *text)
{
    struct json *json = NULL;

    assert_int_equal(json_parse(STR(ZOOM_BODY), &source->arena, &json, NULL), OK);
    return source_answer(source->judge, json, text);
}

static void
zoom_is_answered_only_by_who_knows_the_secret(void **state)
{
    struct source_case source;
    struct call_case call;
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, 1000);
    source_case_start(&source,
        "accept = token or signature\nsignature = zoom\nsecret = zs\ntoken-sha256 = " HASH_OLD);
    call_case_init(&call, "tok-old", ZOOM_BODY, NOW);
    assert_judged(&source, &call, NULL);
    assert_false(answer(&source, &text));
    call_case_add(&call, "x-zm-signature", ZOOM);
    call_case_add(&call, "x-zm-request-timestamp", "1614265330");
    assert_judged(&source, &call, NULL);
    assert_true(answer(&source, &text));
    assert_string_equal(buf_str(&text).ptr,
        "{\"plainToken\":\"abc\",\"encryptedToken\":"
        "\"eeb335f9c014d2c03ae378312884e7b2945a7d9aa0d1f3f77b6109ccf228a40f\"}");
    buf_clear(&text);
    call.call.now.us += US_PER_HOUR;
    assert_judged(&source, &call, NULL); /* by its token still */
    assert_false(answer(&source, &text));
    assert_int_equal(text.len, 0);
    source_case_done(&source);
    (void)state;
}

/* What an observed call proved must not count for the next one, whose signature nobody sees. */
static void
a_signature_that_was_only_observed_answers_nobody(void **state)
{
    struct source_case source;
    struct call_case call;
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, 1000);
    source_case_start(&source,
        "accept = token\nobserve = yes\nsignature = zoom\nsecret = zs\ntoken-sha256 = " HASH_OLD);
    call_case_init(&call, "tok-old", ZOOM_BODY, NOW);
    call_case_add(&call, "x-zm-signature", ZOOM);
    call_case_add(&call, "x-zm-request-timestamp", "1614265330");
    assert_judged(&source, &call, NULL);
    source_observe(source.judge, &call.call, &text);
    assert_non_null(strstr(buf_str(&text).ptr, "would pass: token, signature"));
    call.head.field_count = 0;
    assert_judged(&source, &call, NULL);
    buf_clear(&text);
    assert_false(answer(&source, &text));
    assert_int_equal(text.len, 0);
    source_case_done(&source);
    (void)state;
}

static void
one_judge_judges_again_and_again(void **state)
{
    struct source_case source;
    struct call_case right;
    struct call_case wrong;

    source_case_start(&source, STANDARD_SECTION);
    call_case_init(&right, NULL, BODY, NOW);
    add_standard(&right, "webhook", ID, V1);
    wrong = right;
    wrong.head.fields = wrong.fields;
    wrong.call.head = &wrong.head;
    wrong.fields[0].value = STR("msg_2");
    for (int i = 0; i < 10; i++) {
        assert_judged(&source, &right, NULL);
        assert_judged(&source, &wrong, "signature: ");
    }
    source_case_done(&source);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_in_the_path_proves_the_caller),
        cmocka_unit_test(nothing_is_no_token_whatever_was_set),
        cmocka_unit_test(a_password_proves_the_caller),
        cmocka_unit_test(a_fixed_header_proves_the_caller),
        cmocka_unit_test(an_address_proves_the_caller),
        cmocka_unit_test(standard_webhooks_and_svix_are_one),
        cmocka_unit_test(a_standard_call_is_denied_in_all_its_parts),
        cmocka_unit_test(while_a_standard_secret_is_replaced_both_are_live),
        cmocka_unit_test(families_of_headers_are_not_mixed),
        cmocka_unit_test(a_scheme_of_the_table_is_verified),
        cmocka_unit_test(the_generic_scheme_is_what_its_section_says),
        cmocka_unit_test(proofs_are_joined_by_and_and_or),
        cmocka_unit_test(the_reason_names_all_that_was_missing),
        cmocka_unit_test(everybody_is_let_in_where_it_says_so),
        cmocka_unit_test(a_name_that_is_not_there_lets_nobody_in),
        cmocka_unit_test(a_refusal_makes_the_same_digests_of_any_body),
        cmocka_unit_test(zoom_is_answered_only_by_who_knows_the_secret),
        cmocka_unit_test(a_signature_that_was_only_observed_answers_nobody),
        cmocka_unit_test(one_judge_judges_again_and_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
