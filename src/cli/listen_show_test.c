/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/listen_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <usher/usher.h>

#include "support/test.h"

static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
static const char other_secret[] = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

#define NOW_S INT64_C(1710496800) /* 2024-03-15T10:00:00Z */
#define BODY                                                                                       \
    "{\"name\":\"John Doe\",\"email\":\"john@example.com\",\"phone\":1234567890,\"timezone\":"     \
    "\"-04:00\",\"callList\":[{\"webinar\":\"Introduction to Digital Marketing\",\"webinarId\":"   \
    "\"634fc35ddaf58580e2418c40\",\"webinarLink\":\"https://meet.google.com/abc-defg-hij\","       \
    "\"webinarFromTime\":\"2024-03-15T10:00:00.000Z\",\"webinarToTime\":"                          \
    "\"2024-03-15T11:00:00.000Z\",\"webinarFromTimeInCreatorTimezone\":"                           \
    "\"2024-03-15T15:30:00.000Z\",\"webinarToTimeInCreatorTimezone\":"                             \
    "\"2024-03-15T16:30:00.000Z\",\"creatorTimezone\":\"+05:30\"}],\"mangoes\":\"a, b\"}"

#define FIELD(name, value)                                                                         \
    {                                                                                              \
        {name, sizeof(name) - 1},                                                                  \
        {                                                                                          \
            value, sizeof(value) - 1                                                               \
        }                                                                                          \
    }

struct scene {
    struct http_field fields[8];
    size_t count;
    struct usher_verifier *verifier;
    const char *body;
    bool shows_body;
};

static char *
shown(const struct scene *scene)
{
    const struct http_head head = {
        .method = STR("POST"),
        .target = STR("/in/webinars?a=1"),
        .fields = scene->fields,
        .field_count = scene->count,
    };
    const struct shown_call call = {
        .number = 3,
        .at = {NOW_S * US_PER_S},
        .head = &head,
        .body = str_from(scene->body),
        .shows_body = scene->shows_body,
    };
    struct buf say;

    buf_init(&say, 65536);
    call_show(&call, scene->verifier, &say);
    assert_false(buf_is_full(&say));
    return say.ptr;
}

static void
a_call_is_shown_for_both_sides(void **state)
{
    const struct scene scene = {
        .fields = {FIELD("X-Usher-Event", "webinar.created.single"),
            FIELD("x-usher-reason", "updated"), FIELD("x-usher-attempt", "2"),
            FIELD("webhook-id", "msg_1")},
        .count = 4,
        .body = BODY,
    };
    char *text = shown(&scene);

    (void)state;
    assert_string_equal(text,
        "#3  2024-03-15T10:00:00.000Z  POST /in/webinars?a=1\n"
        "    event      webinar.created.single, updated, attempt 2\n"
        "    id         msg_1\n"
        "    attendee   John Doe <john@example.com>, phone 1234567890, zone -04:00\n"
        "    session    Introduction to Digital Marketing (634fc35ddaf58580e2418c40)\n"
        "      link     https://meet.google.com/abc-defg-hij\n"
        "      creator  2024-03-15T15:30:00+05:30 to 2024-03-15T16:30:00+05:30\n"
        "      attendee 2024-03-15T06:00:00-04:00 to 2024-03-15T07:00:00-04:00\n"
        "    mangoes    a, b\n"
        "\n");
    free(text);
}

static void
what_is_strange_is_said(void **state)
{
    static const struct {
        const char *body;
        const char *words;
    } cases[] = {
        {"", "    body       is no JSON\n"},
        {"{", "    body       is no JSON\n"},
        {"{\"n\":1}", "    note       not all of it could be read"},
        {"{\"callList\":[{\"webinarId\":\"a\",\"webinarFromTime\":\"2024-03-15T10:00Z\","
         "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T10:00Z\",\"creatorTimezone\":"
         "\"+05:30\"}]}",
            "    note       its local times contradict"},
        {"{\"webinarId\":\"a\",\"webinarFromTime\":\"2024-03-15T10:00Z\"}",
            "      UTC      2024-03-15T10:00:00.000Z\n"},
        {"{\"name\":\"a\x1b[2Jb\",\"email\":\"x@y.z\"}", "is no JSON"},
        {"{\"name\":\"a\\u001b[2Jb\",\"email\":\"x@y.z\"}", "a\xef\xbf\xbd[2Jb <x@y.z>"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct scene scene = {.body = cases[i].body};
        char *text = shown(&scene);

        if (strstr(text, cases[i].words) == NULL)
            fail_msg("\"%s\" is not in: %s", cases[i].words, text);
        assert_null(strchr(text, '\x1b'));
        free(text);
    }
}

static void
the_body_is_shown_when_asked_for(void **state)
{
    struct scene scene = {.body = "{\"n\":\r\n 1}\n"};
    char *text = shown(&scene);

    (void)state;
    assert_null(strstr(text, "{\"n\""));
    free(text);
    scene.shows_body = true;
    text = shown(&scene);
    assert_non_null(strstr(text, "    body\n| {\"n\":\n|  1}\n\n"));
    free(text);
}

/* What is said of the signature of BODY with these headers by somebody who has the secret. */
static void
assert_judged(const char *maker, const char *body, int64_t age_s, const char *words)
{
    struct usher_signer *signer = NULL;
    struct scene scene = {.body = body, .count = 3};
    const char *signature = NULL;
    char time[32];
    char *text;

    (void)snprintf(time, sizeof(time), "%lld", (long long)(NOW_S - age_s));
    assert_int_equal(usher_signer_new(maker, NULL, &signer), USHER_OK);
    assert_int_equal(usher_sign(signer, "msg_1", NOW_S - age_s, BODY, sizeof(BODY) - 1, &signature),
        USHER_OK);
    assert_int_equal(usher_verifier_new(secret, NULL, LISTEN_TOLERANCE_S, &scene.verifier),
        USHER_OK);
    scene.fields[0] = (struct http_field){STR("webhook-id"), STR("msg_1")};
    scene.fields[1] = (struct http_field){STR("webhook-timestamp"), str_from(time)};
    scene.fields[2] = (struct http_field){STR("webhook-signature"), str_from(signature)};
    text = shown(&scene);
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" is not in: %s", words, text);
    free(text);
    usher_verifier_free(scene.verifier);
    usher_signer_free(signer);
}

static void
a_signature_is_judged(void **state)
{
    (void)state;
    assert_judged(secret, BODY, 0, "    signature  right\n");
    assert_judged(secret, BODY, LISTEN_TOLERANCE_S, "    signature  right\n");
    assert_judged(secret, BODY, 3600, "right, but of another time: 3600 s before now\n");
    assert_judged(secret, BODY, -3600, "right, but of another time: 3600 s after now\n");
    assert_judged(other_secret, BODY, 0, "    signature  WRONG: not made with this secret");
    assert_judged(secret, "{}", 0, "    signature  WRONG: not made with this secret");
    assert_judged(other_secret, BODY, 3600, "    signature  WRONG: not made with this secret");
}

static void
a_signature_that_is_missing_is_told_by_its_headers(void **state)
{
    struct scene scene = {.fields = {FIELD("webhook-id", "msg_1")}, .count = 1, .body = BODY};
    char *text;

    (void)state;
    assert_int_equal(usher_verifier_new(secret, NULL, LISTEN_TOLERANCE_S, &scene.verifier),
        USHER_OK);
    text = shown(&scene);
    assert_non_null(strstr(text,
        "    signature  WRONG: there is no header webhook-timestamp webhook-signature\n"));
    free(text);
    usher_verifier_free(scene.verifier);
    scene.verifier = NULL;
    text = shown(&scene);
    assert_null(strstr(text, "signature"));
    free(text);
    scene.fields[0] = (struct http_field)FIELD("webhook-signature", "v1,abc");
    text = shown(&scene);
    assert_non_null(strstr(text, "    signature  there is one; --secret would judge it\n"));
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_shown_for_both_sides),
        cmocka_unit_test(what_is_strange_is_said),
        cmocka_unit_test(the_body_is_shown_when_asked_for),
        cmocka_unit_test(a_signature_is_judged),
        cmocka_unit_test(a_signature_that_is_missing_is_told_by_its_headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
