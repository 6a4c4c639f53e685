/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/test.h"
#include "usher/usher.h"

/* The vector that all libraries of Standard Webhooks share. */
static const char vector_secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
static const char vector_id[] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
static const char vector_time[] = "1614265330";
static const char vector_body[] = "{\"test\": 2432232314}";
static const char vector_signature[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
#define VECTOR_TIME 1614265330

static const char published[] =
    "{\"name\":\"John Doe\",\"email\":\"john@example.com\",\"phone\":1234567890,\"timezone\":"
    "\"-04:00\",\"callList\":[{\"webinar\":\"Introduction to Digital Marketing\",\"webinarId\":"
    "\"634fc35ddaf58580e2418c40\",\"webinarLink\":\"https://meet.google.com/abc-defg-hij\","
    "\"webinarFromTime\":\"2024-03-15T10:00:00.000Z\",\"webinarToTime\":\"2024-03-15T11:00:00."
    "000Z\","
    "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T15:30:00.000Z\","
    "\"webinarToTimeInCreatorTimezone\":\"2024-03-15T16:30:00.000Z\",\"creatorTimezone\":"
    "\"+05:30\"}],\"mangoes\":\"mango1, mango2, mango3\"}";
#define PUBLISHED_FROM_US INT64_C(1710496800000000)

/* --- signatures --- */

static void
the_shared_vector_is_signed_and_verified(void **state)
{
    struct usher_signer *signer = NULL;
    struct usher_verifier *verifier = NULL;
    const char *header = NULL;

    (void)state;
    assert_int_equal(usher_signer_new(vector_secret, NULL, &signer), USHER_OK);
    assert_int_equal(
        usher_sign(signer, vector_id, VECTOR_TIME, vector_body, strlen(vector_body), &header),
        USHER_OK);
    assert_string_equal(header, vector_signature);
    assert_int_equal(usher_verifier_new(vector_secret, NULL, 300, &verifier), USHER_OK);
    const struct usher_call any_time = {vector_id, vector_time, vector_signature, vector_body,
        strlen(vector_body)};
    const struct usher_call call = {vector_id, vector_time, header, vector_body,
        strlen(vector_body)};

    assert_int_equal(usher_verify(verifier, &call, VECTOR_TIME + 300), USHER_OK);
    usher_signer_free(signer);
    usher_verifier_free(verifier);
    assert_int_equal(usher_verifier_new(vector_secret, NULL, INT64_MAX, &verifier), USHER_OK);
    assert_int_equal(usher_verify(verifier, &any_time, INT64_MAX / 1000000), USHER_OK);
    usher_verifier_free(verifier);
}

static void
what_is_not_signed_so_is_denied(void **state)
{
    static const struct {
        struct usher_call call;
        int64_t now_s;
    } calls[] = {
        {{"msg_other", vector_time, vector_signature, vector_body, sizeof(vector_body) - 1},
            VECTOR_TIME},
        {{NULL, vector_time, vector_signature, vector_body, sizeof(vector_body) - 1}, VECTOR_TIME},
        {{vector_id, "1614265331", vector_signature, vector_body, sizeof(vector_body) - 1},
            VECTOR_TIME},
        {{vector_id, NULL, vector_signature, vector_body, sizeof(vector_body) - 1}, VECTOR_TIME},
        {{vector_id, "soon", vector_signature, vector_body, sizeof(vector_body) - 1}, VECTOR_TIME},
        {{vector_id, vector_time, NULL, vector_body, sizeof(vector_body) - 1}, VECTOR_TIME},
        {{vector_id, vector_time, "", vector_body, sizeof(vector_body) - 1}, VECTOR_TIME},
        {{vector_id, vector_time, "v1,AAAA", vector_body, sizeof(vector_body) - 1}, VECTOR_TIME},
        {{vector_id, vector_time, vector_signature, "{\"test\": 2432232315}",
             sizeof("{\"test\": 2432232315}") - 1},
            VECTOR_TIME},
        {{vector_id, vector_time, vector_signature, vector_body, sizeof(vector_body) - 1},
            VECTOR_TIME + 301},
        {{vector_id, vector_time, vector_signature, vector_body, sizeof(vector_body) - 1},
            VECTOR_TIME - 301},
    };
    struct usher_verifier *verifier = NULL;

    (void)state;
    assert_int_equal(usher_verifier_new(vector_secret, NULL, 300, &verifier), USHER_OK);
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        if (usher_verify(verifier, &calls[i].call, calls[i].now_s) != USHER_DENIED)
            fail_msg("row %zu is not denied", i);
    }
    usher_verifier_free(verifier);
}

static void
while_a_secret_is_rotated_both_are_signed_and_either_is_verified(void **state)
{
    static const unsigned char random[32] = {7};
    struct usher_signer *signer = NULL;
    struct usher_verifier *verifier = NULL;
    char fresh[USHER_SECRET_BYTES];
    const char *header = NULL;

    (void)state;
    assert_int_equal(usher_secret_make(random, fresh), USHER_OK);
    assert_int_equal(usher_signer_new(fresh, vector_secret, &signer), USHER_OK);
    assert_int_equal(usher_sign(signer, vector_id, VECTOR_TIME, "x", 1, &header), USHER_OK);
    assert_non_null(strchr(header, ' '));
    const struct usher_call call = {vector_id, vector_time, header, "x", 1};

    for (int i = 0; i < 2; i++) {
        assert_int_equal(usher_verifier_new(i == 0 ? fresh : vector_secret, NULL, 300, &verifier),
            USHER_OK);
        assert_int_equal(usher_verify(verifier, &call, VECTOR_TIME), USHER_OK);
        usher_verifier_free(verifier);
    }
    usher_signer_free(signer);
}

static void
a_secret_that_is_none_is_refused(void **state)
{
    static const char *const secrets[] = {"", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", "whsec_****"};
    struct usher_verifier *verifier = NULL;
    struct usher_signer *signer = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(secrets) / sizeof(*secrets); i++) {
        assert_int_equal(usher_verifier_new(secrets[i], NULL, 300, &verifier), USHER_INVALID);
        assert_int_equal(usher_signer_new(secrets[i], NULL, &signer), USHER_INVALID);
        assert_int_equal(usher_signer_new(vector_secret, secrets[i], &signer), USHER_INVALID);
    }
    assert_int_equal(usher_verifier_new(NULL, NULL, 300, &verifier), USHER_INVALID);
    assert_int_equal(usher_verifier_new(vector_secret, NULL, -1, &verifier), USHER_INVALID);
    assert_null(verifier);
    assert_null(signer);
}

/* --- payloads --- */

static void
the_published_payload_is_read_with_times_that_are_unambiguous(void **state)
{
    struct usher_payload *payload = NULL;
    struct usher_session session;

    (void)state;
    assert_int_equal(usher_payload_parse(published, strlen(published), &payload), USHER_OK);
    assert_string_equal(usher_payload_name(payload), "John Doe");
    assert_string_equal(usher_payload_email(payload), "john@example.com");
    assert_string_equal(usher_payload_phone(payload), "1234567890");
    assert_string_equal(usher_payload_timezone(payload), "-04:00");
    assert_string_equal(usher_payload_mangoes(payload), "mango1, mango2, mango3");
    assert_true(usher_payload_is_recognised(payload));
    assert_false(usher_payload_is_contradictory(payload));
    assert_int_equal(usher_payload_session_count(payload), 1);
    assert_int_equal(usher_payload_session(payload, 0, &session), USHER_OK);
    assert_string_equal(session.webinar, "Introduction to Digital Marketing");
    assert_string_equal(session.webinar_id, "634fc35ddaf58580e2418c40");
    assert_int_equal(session.from_us, PUBLISHED_FROM_US);
    assert_string_equal(session.from_creator, "2024-03-15T15:30:00+05:30");
    assert_string_equal(session.to_creator, "2024-03-15T16:30:00+05:30");
    assert_string_equal(session.from_attendee, "2024-03-15T06:00:00-04:00");
    assert_int_equal(usher_payload_session(payload, 1, &session), USHER_INVALID);
    usher_payload_free(payload);
}

static void
json_of_any_shape_is_read_and_what_is_no_json_is_not(void **state)
{
    static const char *const bodies[] = {"{}", "[]", "3", "null", "{\"callList\":7,\"name\":[]}",
        "{\"name\":\"A\",\"name\":\"B\"}"};
    static const char *const others[] = {"", "{", "{\"a\":1,\"a\":2", "\xff", "nul"};
    struct usher_payload *payload = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(*bodies); i++) {
        assert_int_equal(usher_payload_parse(bodies[i], strlen(bodies[i]), &payload), USHER_OK);
        assert_null(usher_payload_name(payload));
        assert_int_equal(usher_payload_session_count(payload), 0);
        usher_payload_free(payload);
    }
    payload = NULL;
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        assert_int_equal(usher_payload_parse(others[i], strlen(others[i]), &payload),
            USHER_INVALID);
    assert_null(payload);
}

static void
what_means_the_same_has_the_same_version(void **state)
{
    static const char one[] = "{\"name\":\"A\",\"phone\":12}";
    static const char same[] = " { \"phone\" : 12 , \"name\" : \"\\u0041\" } ";
    static const char other[] = "{\"name\":\"A\",\"phone\":\"12\"}";
    const char *const bodies[] = {one, same, other};
    unsigned char digests[3][32];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct usher_payload *payload = NULL;

        assert_int_equal(usher_payload_parse(bodies[i], strlen(bodies[i]), &payload), USHER_OK);
        assert_int_equal(usher_payload_version(payload, digests[i]), USHER_OK);
        usher_payload_free(payload);
    }
    assert_memory_equal(digests[0], digests[1], 32);
    assert_memory_not_equal(digests[0], digests[2], 32);
}

static void
the_published_payload_is_built_to_the_byte(void **state)
{
    static const char *const mangoes[] = {"mango1", "mango2", "mango3"};
    struct usher_zone *kolkata = NULL;
    struct usher_zone *santiago = NULL;
    char *body = NULL;
    size_t len = 0;

    (void)state;
    assert_int_equal(usher_zone_new_fixed(330, &kolkata), USHER_OK);
    assert_int_equal(usher_zone_new_fixed(-240, &santiago), USHER_OK);
    struct usher_attendee attendee = {"John Doe", "john@example.com", "+123 456 7890", santiago};
    struct usher_webinar webinar = {"Introduction to Digital Marketing", "634fc35ddaf58580e2418c40",
        "https://meet.google.com/abc-defg-hij", PUBLISHED_FROM_US,
        PUBLISHED_FROM_US + INT64_C(3600000000), kolkata, mangoes, 3};

    assert_int_equal(usher_payload_build(&attendee, &webinar, &body, &len), USHER_OK);
    assert_string_equal(body, published);
    assert_int_equal(len, strlen(published));
    usher_text_free(body);

    body = NULL;
    attendee.email = "\xff@";
    assert_int_equal(usher_payload_build(&attendee, &webinar, &body, &len), USHER_INVALID);
    attendee.email = "a@b";
    webinar.id = "634fc35d";
    assert_int_equal(usher_payload_build(&attendee, &webinar, &body, &len), USHER_INVALID);
    webinar.id = "634fc35ddaf58580e2418c40";
    webinar.from_us = INT64_MIN;
    assert_int_equal(usher_payload_build(&attendee, &webinar, &body, &len), USHER_INVALID);
    assert_null(body);
    usher_zone_free(kolkata);
    usher_zone_free(santiago);
}

/* --- zones --- */

static void
a_zone_file_tells_offsets_and_what_a_wall_clock_means(void **state)
{
    static char tzif[65536];
    FILE *file = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
    struct usher_zone *zone = NULL;
    int64_t at_us = 0;
    int adjusted = -1;
    size_t len;

    (void)state;
    assert_non_null(file);
    len = fread(tzif, 1, sizeof(tzif), file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(usher_zone_new("Europe/Berlin", tzif, len, &zone), USHER_OK);
    assert_int_equal(usher_zone_offset_minutes(zone, INT64_C(1720000000000000)), 120);
    assert_int_equal(usher_zone_offset_minutes(zone, INT64_C(1705000000000000)), 60);
    (void)usher_zone_offset_minutes(zone, INT64_MIN);
    (void)usher_zone_offset_minutes(zone, INT64_MAX);
    assert_int_equal(usher_zone_resolve(zone, "2024-03-31T02:30:00", &at_us, &adjusted), USHER_OK);
    assert_int_equal(adjusted, 1);
    assert_int_equal(at_us, INT64_C(1711848600000000));
    assert_int_equal(usher_zone_resolve(zone, "2024-10-27T02:30:00", &at_us, &adjusted), USHER_OK);
    assert_int_equal(adjusted, 2);
    assert_int_equal(usher_zone_resolve(zone, "2024-03-15T15:30:00Z", &at_us, NULL), USHER_INVALID);
    usher_zone_free(zone);
    zone = NULL;
    assert_int_equal(usher_zone_new("Europe/Berlin", tzif, 40, &zone), USHER_INVALID);
    assert_int_equal(usher_zone_new_fixed(1081, &zone), USHER_INVALID);
    assert_null(zone);
}

static void
what_is_not_there_may_be_freed(void **state)
{
    (void)state;
    usher_verifier_free(NULL);
    usher_signer_free(NULL);
    usher_payload_free(NULL);
    usher_zone_free(NULL);
    usher_text_free(NULL);
    assert_string_equal(usher_result_name(USHER_DENIED), "denied");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shared_vector_is_signed_and_verified),
        cmocka_unit_test(what_is_not_signed_so_is_denied),
        cmocka_unit_test(while_a_secret_is_rotated_both_are_signed_and_either_is_verified),
        cmocka_unit_test(a_secret_that_is_none_is_refused),
        cmocka_unit_test(the_published_payload_is_read_with_times_that_are_unambiguous),
        cmocka_unit_test(json_of_any_shape_is_read_and_what_is_no_json_is_not),
        cmocka_unit_test(what_means_the_same_has_the_same_version),
        cmocka_unit_test(the_published_payload_is_built_to_the_byte),
        cmocka_unit_test(a_zone_file_tells_offsets_and_what_a_wall_clock_means),
        cmocka_unit_test(what_is_not_there_may_be_freed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
