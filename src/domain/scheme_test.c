/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/scheme.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "support/test.h"

#define NOW         1614265330
#define TIME        "1614265330"
#define BODY        "{\"test\": 2432232314}"
#define TOLERANCE_S 300
#define CALL_MAX    4
#define VALUE_MAX   600

/* A call as it would come in; its texts can be changed. */
struct call {
    struct {
        const char *name;
        char value[VALUE_MAX];
    } fields[CALL_MAX];

    size_t count;
    char body[VALUE_MAX];
    int64_t now_s;
};

/* Of other implementations: @octokit/webhooks-methods, stripe, and else Python's hmac. */
static const struct sample {
    struct scheme generic; /* where name is "hmac" */
    const char *name;
    const char *secret;
    const char *signature;
    const char *before; /* in front of it in the header */
    const char *after;
} samples[] = {
    {.name = "github",
        .secret = "s3cr3t",
        .before = "sha256=",
        .signature = "504457c5eeee4d79e4c541ab9296726c7511337240b2e9b374c45af6fbe44fbe"},
    {.name = "stripe",
        .secret = "whsec_test",
        .before = "t=" TIME ",v1=",
        .signature = "98a6304ac7cd966786ee1b93ad76319d9cd63829827fa0f93cb3e367cf67086d",
        .after = ",v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39"},
    {.name = "shopify",
        .secret = "hush",
        .signature = "GSMkouYq910XCW7wBeiXYHW1KhmYc/L3xj5h5r26zw4="},
    {.name = "slack",
        .secret = "slacksecret",
        .before = "v0=",
        .signature = "273bde169984526adeadb85c0940934b5fecfbb1f7971674019b49816cb6e177"},
    {.name = "zoom",
        .secret = "zoomsecret",
        .before = "v0=",
        .signature = "4b514e5b32ac9e2e6b8c5964468b2b3aad18d26a5b7dcb1db1be054208993173"},
    {.name = "hmac",
        .generic = {.digest = HMAC_SHA1},
        .secret = "key",
        .signature = "8e26225c9a1fc38c1e51967540ccd8f7b7b87d39"},
    {.name = "hmac",
        .generic = {.what = SIGNED_TIME_COLON_BODY, .digest = HMAC_SHA512},
        .secret = "key",
        .signature = "0e187adc7af5020a3f84d2dca74fcb6f1f728e55f34733c41c8d0d52bf66f793"
                     "08760d97a6bc119c605deac3c4617ebce538be47ebdaec38116d3bfdc3f405de"},
    {.name = "hmac",
        .generic = {.what = SIGNED_ID_TIME_BODY,
            .digest = HMAC_SHA1,
            .encoding = SCHEME_BASE64,
            .separator = ' ',
            .prefix = {"v1,", 3}},
        .secret = "key",
        .before = "v9,AAAA v1,",
        .signature = "+MlW4svPCI9vW03z7OGTr87O2aI="},
};

static struct scheme
scheme_of(const struct sample *sample)
{
    struct scheme scheme = sample->generic;
    const struct scheme *found = scheme_find(str_from(sample->name));

    assert_non_null(found);
    if (strcmp(sample->name, "hmac") != 0)
        return *found;
    scheme.name = "hmac";
    scheme.field = STR("X-Signature");
    if (scheme.what != SIGNED_BODY)
        scheme.time_field = STR("X-Time");
    if (scheme.what == SIGNED_ID_TIME_BODY)
        scheme.id_field = STR("X-Id");
    return scheme;
}

static void
call_add(struct call *call, struct str name, const char *value)
{
    assert_true(call->count < CALL_MAX);
    call->fields[call->count].name = name.ptr;
    (void)snprintf(call->fields[call->count++].value, VALUE_MAX, "%s", value);
}

/* The signature's field is the first. */
static struct call
call_of(const struct sample *sample, const struct scheme *scheme)
{
    struct call call = {.now_s = NOW};

    call_add(&call, scheme->field, "");
    (void)snprintf(call.fields[0].value, VALUE_MAX, "%s%s%s",
        sample->before != NULL ? sample->before : "", sample->signature,
        sample->after != NULL ? sample->after : "");
    if (scheme->time_field.ptr != NULL)
        call_add(&call, scheme->time_field, TIME);
    if (scheme->what == SIGNED_ID_TIME_BODY)
        call_add(&call, scheme->id_field, "msg_1");
    (void)snprintf(call.body, sizeof(call.body), "%s", BODY);
    return call;
}

static struct str
field_of(const void *arg, struct str name)
{
    const struct call *call = arg;

    for (size_t i = 0; i < call->count; i++) {
        if (str_equals_nocase(str_from(call->fields[i].name), name))
            return str_from(call->fields[i].value);
    }
    return (struct str){NULL, 0};
}

static enum err
verify(const struct scheme *scheme, struct scheme_keys *keys, const struct call *call,
    struct error *reterr)
{
    const struct scheme_call asked = {field_of, call, str_from(call->body),
        {call->now_s * US_PER_S}};

    return scheme_verify(scheme, keys, &asked, TOLERANCE_S, reterr);
}

static struct scheme_keys *
keys_of(const struct scheme *scheme, const char *first, const char *second)
{
    struct scheme_keys *keys = NULL;
    const struct str secrets[] = {str_from(first), str_from(second)};

    assert_int_equal(scheme_keys_new(scheme, secrets, second != NULL ? 2 : 1, &keys, NULL), OK);
    return keys;
}

static void
assert_passes(const struct sample *sample, const struct call *call, const char *what)
{
    const struct scheme scheme = scheme_of(sample);
    CLEANUP(scheme_keys_freep) struct scheme_keys *keys = keys_of(&scheme, sample->secret, NULL);
    struct error error = {.text = "untouched"};

    if (verify(&scheme, keys, call, &error) != OK)
        fail_msg("%s, %s: %s", sample->name, what, error.text);
    assert_string_equal(error.text, "untouched");
}

static void
assert_denied(const struct sample *sample, const struct call *call, const char *what)
{
    const struct scheme scheme = scheme_of(sample);
    CLEANUP(scheme_keys_freep) struct scheme_keys *keys = keys_of(&scheme, sample->secret, NULL);
    struct error error = {0};

    if (verify(&scheme, keys, call, &error) != ERR_DENIED)
        fail_msg("%s, %s: was let in", sample->name, what);
    assert_int_equal(error.code, ERR_DENIED);
    assert_int_not_equal(strlen(error.text), 0);
    if (strstr(error.text, sample->secret) != NULL)
        fail_msg("the reason holds the secret: %s", error.text);
}

/* Where the signature's own text begins in its field. */
static char *
signature_in(const struct sample *sample, struct call *call)
{
    return call->fields[0].value + (sample->before != NULL ? strlen(sample->before) : 0);
}

#define FOR_EACH_SAMPLE(it)                                                                        \
    for (const struct sample *it = samples; it < samples + COUNT_OF(samples); it++)

static void
what_others_sign_is_verified(void **state)
{
    FOR_EACH_SAMPLE(it)
    {
        const struct scheme scheme = scheme_of(it);
        struct call call = call_of(it, &scheme);

        assert_passes(it, &call, "as it is");
    }
    (void)state;
}

/* The example of GitHub's documentation. */
static void
github_hello_world(void **state)
{
    const struct sample sample = {.name = "github",
        .secret = "It's a Secret to Everybody",
        .before = "sha256=",
        .signature = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"};
    struct call call = call_of(&sample, scheme_find(STR("github")));

    memcpy(call.body, "Hello, World!", 14);
    assert_passes(&sample, &call, "hello");
    (void)state;
}

static void
any_changed_byte_is_denied(void **state)
{
    FOR_EACH_SAMPLE(it)
    {
        const struct scheme scheme = scheme_of(it);
        const struct call right = call_of(it, &scheme);

        for (size_t i = 0; i < strlen(BODY); i++) {
            struct call call = right;

            call.body[i] ^= 1;
            assert_denied(it, &call, "changed body");
        }
        for (size_t i = 0; i + 1 < strlen(it->signature); i++) {
            struct call call = right;
            char *c = signature_in(it, &call) + i;

            *c = *c == 'a' ? 'b' : 'a';
            if (strcmp(call.fields[0].value, right.fields[0].value) != 0)
                assert_denied(it, &call, "changed signature");
        }
    }
    (void)state;
}

static void
longer_and_shorter_bodies_are_denied(void **state)
{
    FOR_EACH_SAMPLE(it)
    {
        const struct scheme scheme = scheme_of(it);
        struct call call = call_of(it, &scheme);

        (void)snprintf(call.body, sizeof(call.body), "%s", BODY " ");
        assert_denied(it, &call, "longer body");
        call.body[0] = '\0';
        assert_denied(it, &call, "no body");
    }
    (void)state;
}

static void
a_time_is_signed_and_must_be_near(void **state)
{
    FOR_EACH_SAMPLE(it)
    {
        const struct scheme scheme = scheme_of(it);
        const struct call right = call_of(it, &scheme);
        struct call call = right;

        call.now_s = NOW + TOLERANCE_S;
        assert_passes(it, &call, "as old as may be");
        call.now_s = NOW - TOLERANCE_S;
        assert_passes(it, &call, "as far ahead as may be");
        call.now_s = NOW + TOLERANCE_S + 1;
        if (scheme_has_time(&scheme))
            assert_denied(it, &call, "stale");
        else
            assert_passes(it, &call, "of any age");
        call.now_s = NOW - TOLERANCE_S - 1;
        if (scheme_has_time(&scheme))
            assert_denied(it, &call, "future");
    }
    (void)state;
}

static void
a_time_that_is_changed_or_none_is_denied(void **state)
{
    static const char *const times[] = {"1614265331", "1614265330.0", "+1614265330", " 1614265330",
        "-1614265330", "01614265330", "", "0x60379b32", "1614265330000", "99999999999999999999",
        "now"};

    FOR_EACH_SAMPLE(it)
    {
        const struct scheme scheme = scheme_of(it);
        struct call call = call_of(it, &scheme);

        for (size_t i = 0; scheme_has_time(&scheme) && i < COUNT_OF(times); i++) {
            if (scheme.time_prefix.ptr != NULL)
                (void)snprintf(call.fields[0].value, VALUE_MAX, "t=%s,v1=%s", times[i],
                    it->signature);
            else
                (void)snprintf(call.fields[1].value, VALUE_MAX, "%s", times[i]);
            assert_denied(it, &call, times[i]);
        }
        if (scheme.time_field.ptr != NULL) {
            call = call_of(it, &scheme);
            call.fields[1].name = "X-Other";
            assert_denied(it, &call, "no time");
        }
    }
    (void)state;
}

static void
stripe_with_none_or_two_times_is_denied(void **state)
{
    const struct sample *stripe = &samples[1];
    const struct scheme scheme = scheme_of(stripe);
    struct call call = call_of(stripe, &scheme);

    (void)snprintf(call.fields[0].value, VALUE_MAX, "v1=%s", stripe->signature);
    assert_denied(stripe, &call, "no time");
    (void)snprintf(call.fields[0].value, VALUE_MAX, "t=" TIME ",t=1614265331,v1=%s",
        stripe->signature);
    assert_denied(stripe, &call, "two times");
    (void)snprintf(call.fields[0].value, VALUE_MAX, "t=1614265331,t=" TIME ",v1=%s",
        stripe->signature);
    assert_denied(stripe, &call, "two times, the signed one last");
    (void)snprintf(call.fields[0].value, VALUE_MAX, "v1=%s, t=" TIME, stripe->signature);
    assert_passes(stripe, &call, "in another order");
    (void)snprintf(call.fields[0].value, VALUE_MAX, "t=" TIME ",v0=%s", stripe->signature);
    assert_denied(stripe, &call, "a signature of v0");
    (void)state;
}

static void
the_wrong_encoding_is_denied(void **state)
{
    FOR_EACH_SAMPLE(it)
    {
        const struct scheme scheme = scheme_of(it);
        struct call call = call_of(it, &scheme);
        CLEANUP(buf_done) struct buf other;
        uint8_t bytes[HMAC_BYTES_MAX];
        size_t len = 0;

        buf_init(&other, 256);
        if (scheme.encoding == SCHEME_HEX) {
            assert_int_equal(hex_decode(str_from(it->signature), bytes, sizeof(bytes), &len), OK);
            base64_append(&other, bytes, len);
        } else {
            assert_int_equal(base64_decode(str_from(it->signature), bytes, sizeof(bytes), &len),
                OK);
            hex_append(&other, bytes, len);
        }
        (void)snprintf(signature_in(it, &call), VALUE_MAX / 2, "%s%s", buf_str(&other).ptr,
            it->after != NULL ? it->after : "");
        assert_denied(it, &call, "wrong encoding");
    }
    (void)state;
}

static void
a_prefix_is_part_of_a_signature(void **state)
{
    FOR_EACH_SAMPLE(it)
    {
        const struct scheme scheme = scheme_of(it);
        struct call call = call_of(it, &scheme);
        char *prefix = signature_in(it, &call) - scheme.prefix.len;

        if (scheme.prefix.len == 0)
            continue;
        prefix[0] = (char)(prefix[0] - 'a' + 'A');
        assert_denied(it, &call, "prefix in upper case");
        (void)snprintf(prefix, VALUE_MAX / 2, "%s", it->signature);
        assert_denied(it, &call, "no prefix");
    }
    (void)state;
}

static void
hex_may_be_in_upper_case(void **state)
{
    FOR_EACH_SAMPLE(it)
    {
        const struct scheme scheme = scheme_of(it);
        struct call call = call_of(it, &scheme);
        char *c = signature_in(it, &call);

        for (size_t i = 0; i < strlen(it->signature); i++, c++) {
            if (*c >= 'a' && *c <= 'f')
                *c = (char)(*c - 'a' + 'A');
        }
        if (scheme.encoding == SCHEME_HEX)
            assert_passes(it, &call, "upper case");
        else
            assert_denied(it, &call, "upper case");
    }
    (void)state;
}

static void
a_signature_that_is_cut_or_goes_on_is_denied(void **state)
{
    FOR_EACH_SAMPLE(it)
    {
        const struct scheme scheme = scheme_of(it);
        struct call call = call_of(it, &scheme);
        size_t len = strlen(it->signature);

        for (size_t i = 0; i < len; i++) {
            (void)snprintf(signature_in(it, &call), VALUE_MAX / 2, "%.*s", (int)i, it->signature);
            assert_denied(it, &call, "cut");
        }
        (void)snprintf(signature_in(it, &call), VALUE_MAX / 2, "%s00", it->signature);
        assert_denied(it, &call, "too long");
        call.fields[0].value[0] = '\0';
        assert_denied(it, &call, "empty");
        call.fields[0].name = "X-Other";
        assert_denied(it, &call, "absent");
    }
    (void)state;
}

static void
of_a_doubled_header_the_first_counts(void **state)
{
    FOR_EACH_SAMPLE(it)
    {
        const struct scheme scheme = scheme_of(it);
        struct call call = call_of(it, &scheme);

        call_add(&call, scheme.field, "v0=00");
        assert_passes(it, &call, "a wrong one behind");
        (void)snprintf(call.fields[call.count - 1].value, VALUE_MAX, "%s", call.fields[0].value);
        (void)snprintf(call.fields[0].value, VALUE_MAX, "v0=00");
        assert_denied(it, &call, "a wrong one before");
    }
    (void)state;
}

static void
while_a_secret_is_replaced_both_are_live(void **state)
{
    FOR_EACH_SAMPLE(it)
    {
        const struct scheme scheme = scheme_of(it);
        struct call call = call_of(it, &scheme);
        CLEANUP(scheme_keys_freep) struct scheme_keys *old = keys_of(&scheme, it->secret, "next");
        CLEANUP(scheme_keys_freep) struct scheme_keys *new = keys_of(&scheme, "last", it->secret);
        CLEANUP(scheme_keys_freep) struct scheme_keys *none = keys_of(&scheme, "last", "next");

        assert_int_equal(verify(&scheme, old, &call, NULL), OK);
        assert_int_equal(verify(&scheme, new, &call, NULL), OK);
        assert_int_equal(verify(&scheme, none, &call, NULL), ERR_DENIED);
    }
    (void)state;
}

static void
several_signatures_may_stand_in_one_header(void **state)
{
    const struct sample *stripe = &samples[1];
    const struct scheme scheme = scheme_of(stripe);
    struct call call = call_of(stripe, &scheme);
    CLEANUP(buf_done) struct buf header;

    for (int wrong = 0; wrong <= SCHEME_ENTRIES_MAX; wrong++) {
        buf_init(&header, VALUE_MAX);
        buf_append_literal(&header, "t=" TIME);
        for (int i = 0; i < wrong; i++)
            buf_append_literal(&header, ",v1=00");
        buf_printf(&header, ",v1=%s", stripe->signature);
        (void)snprintf(call.fields[0].value, VALUE_MAX, "%s", buf_str(&header).ptr);
        if (wrong + 2 <= SCHEME_ENTRIES_MAX)
            assert_passes(stripe, &call, "after wrong ones");
        else
            assert_denied(stripe, &call, "too many");
        buf_done(&header);
    }
    (void)state;
}

static void
an_id_with_a_dot_is_denied(void **state)
{
    /* "msg_1.1614265330." and the body are signed: cut elsewhere they would be another call. */
    static const char *const ids[] = {"msg_1.1614265330", "", "msg_2", "msg."};
    const struct sample *sample = &samples[COUNT_OF(samples) - 1];
    const struct scheme scheme = scheme_of(sample);

    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct call call = call_of(sample, &scheme);

        (void)snprintf(call.fields[2].value, VALUE_MAX, "%s", ids[i]);
        assert_denied(sample, &call, ids[i]);
        call.fields[2].name = "X-Other";
        assert_denied(sample, &call, "no id");
    }
    (void)state;
}

/* Signed by the right secret, as a sender would that spells an id or a time in a way of its own. */
static void
what_cannot_be_split_in_one_way_is_denied_though_signed(void **state)
{
    static const struct {
        const char *id;
        const char *time;
        enum err want;
    } table[] = {{"msg_1", TIME, OK}, {"msg.1", TIME, ERR_DENIED}, {"", TIME, ERR_DENIED},
        {"msg_1", "-" TIME, ERR_DENIED}, {"msg_1", "", ERR_DENIED}, {"msg_1", "now", ERR_DENIED},
        {"msg_1", "-9223372036854775808", ERR_DENIED},
        {"msg_1", "9223372036854775807", ERR_DENIED}};
    const struct sample *sample = &samples[COUNT_OF(samples) - 1];
    const struct scheme scheme = scheme_of(sample);

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        CLEANUP(scheme_keys_freep) struct scheme_keys *keys = keys_of(&scheme, "key", NULL);
        CLEANUP(hmac_freep) struct hmac *hmac = NULL;
        CLEANUP(buf_done) struct buf text;
        struct call call = call_of(sample, &scheme);
        uint8_t tag[HMAC_BYTES_MAX];
        struct str signed_text;

        buf_init(&text, 1000);
        buf_printf(&text, "%s.%s.%s", table[i].id, table[i].time, BODY);
        signed_text = buf_str(&text);
        assert_int_equal(hmac_new_with(HMAC_SHA1, "key", 3, &hmac), OK);
        assert_int_equal(hmac_sign_pieces(hmac, &signed_text, 1, tag), OK);
        buf_clear(&text);
        buf_append_literal(&text, "v1,");
        base64_append(&text, tag, hmac_bytes(hmac));
        (void)snprintf(call.fields[0].value, VALUE_MAX, "%s", buf_str(&text).ptr);
        (void)snprintf(call.fields[1].value, VALUE_MAX, "%s", table[i].time);
        (void)snprintf(call.fields[2].value, VALUE_MAX, "%s", table[i].id);
        assert_int_equal(verify(&scheme, keys, &call, NULL), table[i].want);
    }
    (void)state;
}

static void
secrets_that_are_none_are_refused(void **state)
{
    static const char long_text[SCHEME_SECRET_BYTES_MAX + 1];
    const struct str table[][3] = {
        {{"", 0}, {NULL, 0}, {NULL, 0}},
        {{NULL, 0}, {NULL, 0}, {NULL, 0}},
        {{"a", 1}, {"", 0}, {NULL, 0}},
        {{long_text, sizeof(long_text)}, {NULL, 0}, {NULL, 0}},
        {{"a", 1}, {"b", 1}, {"c", 1}},
    };
    static const size_t counts[] = {1, 1, 2, 1, 3};

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct scheme_keys *keys = NULL;
        struct error error = {0};

        assert_int_equal(
            scheme_keys_new(scheme_find(STR("github")), table[i], counts[i], &keys, &error),
            ERR_INVALID);
        assert_null(keys);
        assert_int_not_equal(strlen(error.text), 0);
    }
    {
        struct scheme_keys *keys = NULL;

        assert_int_equal(scheme_keys_new(scheme_find(STR("github")), NULL, 0, &keys, NULL),
            ERR_INVALID);
        assert_null(keys);
    }
    (void)state;
}

static bool
answer(const char *name, struct scheme_keys *keys, const char *body, struct buf *text)
{
    struct arena arena;
    struct json *json = NULL;
    bool is_question;

    arena_init(&arena, 65536);
    assert_int_equal(json_parse(str_from(body), &arena, &json, NULL), OK);
    is_question = scheme_answer(scheme_find(str_from(name)), keys, json, text);
    arena_done(&arena);
    return is_question;
}

#define ZOOM_QUESTION                                                                              \
    "{\"event\":\"endpoint.url_validation\",\"payload\":{\"plainToken\":"                          \
    "\"qgg8vlvZRS6UYooatFL8Aw\"}}"

/* Sign the body as the sample's sender does, and let it be verified. */
static void
prove(const struct sample *sample, struct scheme_keys *keys)
{
    const struct scheme scheme = scheme_of(sample);
    struct call call = call_of(sample, &scheme);

    assert_int_equal(verify(&scheme, keys, &call, NULL), OK);
}

static void
zoom_is_answered_by_the_secret_it_proved(void **state)
{
    const struct sample *zoom = &samples[4];
    const struct scheme scheme = scheme_of(zoom);

    for (int i = 0; i < 2; i++) {
        CLEANUP(scheme_keys_freep)
        struct scheme_keys *keys = i == 0 ? keys_of(&scheme, zoom->secret, "next")
                                          : keys_of(&scheme, "last", zoom->secret);
        CLEANUP(buf_done) struct buf text;

        buf_init(&text, 4096);
        prove(zoom, keys);
        assert_true(answer("zoom", keys, ZOOM_QUESTION, &text));
        assert_string_equal(buf_str(&text).ptr,
            "{\"plainToken\":\"qgg8vlvZRS6UYooatFL8Aw\",\"encryptedToken\":"
            "\"83b2a60d4bbe49dc93763ed9e727a9a7690cbe4c1f8bb0adc0ffccd09ecb1384\"}");
    }
    (void)state;
}

static void
nobody_is_answered_who_has_not_proven_the_secret(void **state)
{
    const struct sample *zoom = &samples[4];
    const struct scheme scheme = scheme_of(zoom);
    CLEANUP(scheme_keys_freep) struct scheme_keys *keys = keys_of(&scheme, zoom->secret, NULL);
    struct call call = call_of(zoom, &scheme);
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, 4096);
    assert_false(answer("zoom", keys, ZOOM_QUESTION, &text));
    prove(zoom, keys);
    call.body[0] = ' ';
    assert_int_equal(verify(&scheme, keys, &call, NULL), ERR_DENIED);
    assert_false(answer("zoom", keys, ZOOM_QUESTION, &text));
    prove(zoom, keys);
    call.now_s += 2 * TOLERANCE_S;
    assert_int_equal(verify(&scheme, keys, &call, NULL), ERR_DENIED);
    assert_false(answer("zoom", keys, ZOOM_QUESTION, &text));
    assert_int_equal(text.len, 0);
    (void)state;
}

static void
slack_is_answered_with_its_challenge(void **state)
{
    const struct sample *slack = &samples[3];
    const struct scheme scheme = scheme_of(slack);
    CLEANUP(scheme_keys_freep) struct scheme_keys *keys = keys_of(&scheme, slack->secret, NULL);
    CLEANUP(buf_done) struct buf text;

    buf_init(&text, 4096);
    prove(slack, keys);
    assert_true(answer("slack", keys,
        "{\"token\":\"x\",\"challenge\":\"3eZ\\\"bR\",\"type\":\"url_verification\"}", &text));
    assert_string_equal(buf_str(&text).ptr, "{\"challenge\":\"3eZ\\\"bR\"}");
    (void)state;
}

static void
what_is_no_question_is_not_answered(void **state)
{
    static const char *const bodies[] = {"null", "[]", "\"endpoint.url_validation\"", "{}",
        "{\"event\":\"endpoint.url_validation\"}",
        "{\"event\":\"endpoint.url_validation\",\"payload\":\"plainToken\"}",
        "{\"event\":\"endpoint.url_validation\",\"payload\":{\"plainToken\":1}}",
        "{\"event\":\"endpoint.url_validation\",\"payload\":{\"plainToken\":\"\"}}",
        "{\"event\":\"meeting.started\",\"payload\":{\"plainToken\":\"a\"}}",
        "{\"type\":\"url_verification\"}", "{\"type\":\"url_verification\",\"challenge\":\"\"}",
        "{\"type\":\"event_callback\",\"challenge\":\"a\"}"};

    for (size_t i = 3; i <= 4; i++) {
        const struct scheme scheme = scheme_of(&samples[i]);
        CLEANUP(scheme_keys_freep)
        struct scheme_keys *keys = keys_of(&scheme, samples[i].secret, NULL);
        CLEANUP(buf_done) struct buf text;

        buf_init(&text, 4096);
        prove(&samples[i], keys);
        for (size_t j = 0; j < COUNT_OF(bodies); j++) {
            if (answer(samples[i].name, keys, bodies[j], &text))
                fail_msg("%s answered %s", samples[i].name, bodies[j]);
        }
        assert_int_equal(text.len, 0);
    }
    {
        const struct scheme scheme = scheme_of(&samples[0]);
        CLEANUP(scheme_keys_freep)
        struct scheme_keys *keys = keys_of(&scheme, samples[0].secret, NULL);
        CLEANUP(buf_done) struct buf text;

        buf_init(&text, 4096);
        prove(&samples[0], keys);
        assert_false(answer("github", keys, ZOOM_QUESTION, &text));
    }
    (void)state;
}

static void
schemes_are_found_by_name(void **state)
{
    CLEANUP(buf_done) struct buf names;

    buf_init(&names, 100);
    scheme_names(&names);
    assert_string_equal(buf_str(&names).ptr, "github, stripe, shopify, slack, zoom, hmac");
    for (size_t i = 0; scheme_at(i) != NULL; i++)
        assert_ptr_equal(scheme_find(str_from(scheme_at(i)->name)), scheme_at(i));
    assert_null(scheme_find(STR("GitHub")));
    assert_null(scheme_find(STR("")));
    (void)state;
}

static void
a_library_that_takes_times_ahead_can_be_followed(void **state)
{
    const struct sample *stripe = &samples[1];
    struct scheme scheme = scheme_of(stripe);
    CLEANUP(scheme_keys_freep) struct scheme_keys *keys = keys_of(&scheme, stripe->secret, NULL);
    struct call call = call_of(stripe, &scheme);

    call.now_s = NOW - 3600;
    assert_int_equal(verify(&scheme, keys, &call, NULL), ERR_DENIED);
    scheme.takes_future = true;
    assert_int_equal(verify(&scheme, keys, &call, NULL), OK);
    call.now_s = NOW + 3600;
    assert_int_equal(verify(&scheme, keys, &call, NULL), ERR_DENIED);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_others_sign_is_verified),
        cmocka_unit_test(github_hello_world),
        cmocka_unit_test(any_changed_byte_is_denied),
        cmocka_unit_test(longer_and_shorter_bodies_are_denied),
        cmocka_unit_test(a_time_is_signed_and_must_be_near),
        cmocka_unit_test(a_time_that_is_changed_or_none_is_denied),
        cmocka_unit_test(stripe_with_none_or_two_times_is_denied),
        cmocka_unit_test(the_wrong_encoding_is_denied),
        cmocka_unit_test(a_prefix_is_part_of_a_signature),
        cmocka_unit_test(hex_may_be_in_upper_case),
        cmocka_unit_test(a_signature_that_is_cut_or_goes_on_is_denied),
        cmocka_unit_test(of_a_doubled_header_the_first_counts),
        cmocka_unit_test(while_a_secret_is_replaced_both_are_live),
        cmocka_unit_test(several_signatures_may_stand_in_one_header),
        cmocka_unit_test(an_id_with_a_dot_is_denied),
        cmocka_unit_test(what_cannot_be_split_in_one_way_is_denied_though_signed),
        cmocka_unit_test(secrets_that_are_none_are_refused),
        cmocka_unit_test(zoom_is_answered_by_the_secret_it_proved),
        cmocka_unit_test(nobody_is_answered_who_has_not_proven_the_secret),
        cmocka_unit_test(slack_is_answered_with_its_challenge),
        cmocka_unit_test(what_is_no_question_is_not_answered),
        cmocka_unit_test(schemes_are_found_by_name),
        cmocka_unit_test(a_library_that_takes_times_ahead_can_be_followed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
