/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/source.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "support/scratch.h"
#include "support/source_calls.h"

/* SHA-256 of "token" */
#define HASH "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0"

#define TOKEN    "token-sha256 = " HASH "\n"
#define STANDARD "signature = standard-webhooks\nsecret = whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"

static void
sections_that_are_whole_are_taken(void **state)
{
    static const char *const sections[] = {
        "accept = none",
        "accept = token\n" TOKEN,
        "accept = token\n" TOKEN TOKEN,
        TOKEN "accept = token or address and header\n"
              "address = 192.0.2.0/24, 2001:db8::/32\naddress = ::1 10.0.0.0/8\n"
              "header-value = x\nheader = X-Api-Key\n",
        "accept=basic\nbasic = user:pass:word\nbasic-sha256 = " HASH,
        "accept = signature\n" STANDARD,
        "accept = signature\nsecret = MfKQ\nsignature = github",
        "accept = signature\nsignature = svix\ntolerance = 30\n"
        "secret = whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"
        "secret = whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=\n",
        "accept = signature\nsignature = stripe\nsecret = whsec_a\nsecret = b\ntolerance = 3600",
        "accept = signature\nhmac-header = X-Sig\nhmac-digest = sha512\nhmac-encoding = base64\n"
        "hmac-prefix = v1=\nhmac-signed = time.body\nhmac-time-prefix = t=\n"
        "hmac-separator = comma\nhmac-event-header = X-Event\nsignature = hmac\nsecret = a",
        "accept = signature\nsignature = hmac\nsecret = a\nhmac-header = X-Sig\n"
        "hmac-signed = id.time.body\nhmac-time-header = X-Time\nhmac-id-header = X-Id",
        "accept = token\nobserve = yes\nsignature = zoom\nsecret = a\n" TOKEN,
        "accept = none\nevent = webinar.created.single\nduplicates = once\n"
        "identity = callList.0.webinarId, email\nidentity = phone\nignore = body.sentAt\n"
        "id = body.data.id\nquarantine = off\nrate = 12.5\nbody-max-kib = 64",
        "accept = none\nid = X-Request-Id\nrate = 0",
    };

    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        struct source_case self;
        struct error error = {0};

        if (source_case_read(&self, sections[i], &error) != OK)
            fail_msg("%s\n%s", sections[i], error.text);
        source_case_done(&self);
    }
    (void)state;
}

static void
what_is_said_is_kept(void **state)
{
    struct source_case self;
    struct source *source = &self.source;

    source_case_start(&self,
        "accept = token and address or header or token\n" TOKEN "address = 192.0.2.0/24\n"
        "header = X-Key\nheader-value = a\nheader-value = b\n"
        "duplicates = exact\nidentity = a.b, c\nignore = body.d\nid = body.e.f\nevent = "
        "order.paid\n"
        "rate = 2.5\nbody-max-kib = 3\nquarantine = no\nobserve = on\n");
    assert_int_equal(source->alternative_count, 3);
    assert_int_equal(source->alternatives[0], PROOF_TOKEN | PROOF_ADDRESS);
    assert_int_equal(source->alternatives[1], PROOF_HEADER);
    assert_int_equal(source->alternatives[2], PROOF_TOKEN);
    assert_false(source->accepts_all);
    assert_int_equal(source_proofs(source), PROOF_TOKEN | PROOF_ADDRESS | PROOF_HEADER);
    assert_int_equal(source->header_count, 2);
    assert_true(source->has_policy);
    assert_int_equal(source->policy, DUPLICATE_EXACT);
    assert_int_equal(source->identity.count, 2);
    assert_int_equal(source->identity.paths[0].step_count, 2);
    assert_int_equal(source->ignored.count, 1);
    assert_int_equal(source->ignored.paths[0].step_count, 1);
    assert_int_equal(source->id_path.step_count, 2);
    assert_true(str_equals(source->event, STR("order.paid")));
    assert_true(source->rate > 2.49 && source->rate < 2.51);
    assert_int_equal(source->body_bytes_max, 3072);
    assert_false(source->is_quarantined);
    assert_true(source->is_observed);
    source_case_done(&self);

    source_case_start(&self, "accept = none");
    assert_true(self.source.accepts_all);
    assert_true(self.source.is_quarantined);
    assert_false(self.source.is_observed);
    assert_int_equal(self.source.tolerance_s, 300);
    assert_int_equal(self.source.body_bytes_max, 1024 * 1024);
    source_case_done(&self);
    (void)state;
}

/* What is wrong, and a word that the sentence for it must have. */
static const struct refusal {
    const char *section;
    const char *word;
} refusals[] = {
    {"", "accept = none is everybody"},
    {"event = a", "who may call"},
    {TOKEN, "accept = token"},
    {TOKEN "header = X-Key\nheader-value = a", "accept = token and header"},
    {"acept = token", "there are accept"},
    {"acept = token", "body-max-kib"},
    {"Accept = token", "there are accept"},
    {"accept =", "value is missing"},
    {"accept = tokens", "token, basic, header, signature, address"},
    {"accept = token,", "accept names token"},
    {"accept = token or", "missing at the end"},
    {"accept = and token", "no proof"},
    {"accept = token token", "`and` or `or` is expected"},
    {"accept = (token)", "no proof"},
    {"accept = none or token", "stands alone"},
    {"accept = token or none", "stands alone"},
    {"accept = token or token or token or token or token or token or token or token or token",
        "more than 8"},
    {"accept = token\naccept = none", "given before"},
    {"accept = token", "token-sha256"},
    {"accept = basic", "user:password"},
    {"accept = header", "header-value"},
    {"accept = signature", "secret"},
    {"accept = address", "address ="},
    {"accept = none\n" TOKEN, "token is set up, but accept does not name it"},
    {"accept = token\n" TOKEN STANDARD, "signature is set up"},
    {"token-sha256 = secret-token", "64 hex digits"},
    {"token-sha256 = " HASH "00", "64 hex digits"},
    {"token-sha256 = 3c469e9d", "64 hex digits"},
    {TOKEN TOKEN TOKEN, "two already"},
    {"basic = user", "user:password"},
    {"basic = :password", "user:password"},
    {"basic = user:", "user:password"},
    {"basic-sha256 = user:password", "SHA-256 of user:password"},
    {"accept = header\nheader = X-Key", "header-value"},
    {"accept = header\nheader-value = a", "header"},
    {"header = X Key", "name of a header"},
    {"header = X-Key:", "name of a header"},
    {"header-sha256 = abc", "64 hex digits"},
    {"signature = githup", "standard-webhooks, svix, github, stripe, shopify, slack, zoom, hmac"},
    {"accept = signature\nsignature = github", "needs secret"},
    {"accept = signature\nsecret = a", "which scheme"},
    {"secret =", "value is missing"},
    {"secret = a\nsecret = b\nsecret = c", "two already"},
    {"accept = signature\nsignature = svix\nsecret = MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_"},
    {"accept = signature\nsignature = github\nsecret = a\nhmac-prefix = x", "hmac-prefix"},
    {"accept = signature\nsignature = github\nsecret = a\ntolerance = 60", "signed time"},
    {"accept = none\ntolerance = 60", "signed time"},
    {"tolerance = 29", "30 to 3600"},
    {"tolerance = 5m", "30 to 3600"},
    {"accept = signature\nsignature = hmac\nsecret = a", "hmac-header"},
    {"accept = signature\nsignature = hmac\nsecret = a\nhmac-header = X\nhmac-signed = time.body",
        "hmac-time-header"},
    {"accept = signature\nsignature = hmac\nsecret = a\nhmac-header = X\nhmac-time-header = Y",
        "signs no time"},
    {"accept = signature\nsignature = hmac\nsecret = a\nhmac-header = X\nhmac-time-header = Y\n"
     "hmac-time-prefix = t=\nhmac-signed = time.body",
        "keep one"},
    {"accept = signature\nsignature = hmac\nsecret = a\nhmac-header = X\nhmac-time-prefix = t=\n"
     "hmac-signed = time.body",
        "hmac-separator"},
    {"accept = signature\nsignature = hmac\nsecret = a\nhmac-header = X\nhmac-time-header = t\n"
     "hmac-signed = id.time.body",
        "hmac-id-header"},
    {"hmac-signed = body.time", "body, time.body, time:body, v0:time:body, id.time.body"},
    {"hmac-digest = md5", "sha256, sha1, sha512"},
    {"hmac-encoding = base64url", "hex, base64"},
    {"hmac-separator = :", "comma, space, ; and |"},
    {"hmac-prefix = abcdefghijklmnopqrstuvwxyz0123456789", "at most 32"},
    {"address = 192.0.2.1/24", "address:"},
    {"address = localhost", "address:"},
    {"event = webinar created", "one word"},
    {"duplicates = newest", "latest, once, exact, none"},
    {"identity = a, b, c, d, e, f, g, h, i", "more than 8"},
    {"identity = a..b", "identity:"},
    {"ignore = .", "ignore:"},
    {"id = X Id", "name of a header"},
    {"id = body.", "id:"},
    {"observe = maybe", "neither yes nor no"},
    {"quarantine = 2", "neither yes nor no"},
    {"rate = fast", "calls a second"},
    {"rate = -1", "calls a second"},
    {"rate = nan", "calls a second"},
    {"rate = 1e3", "calls a second"},
    {"rate = 1.2.3", "calls a second"},
    {"rate = 1000001", "calls a second"},
    {"body-max-kib = 0", "1 to 1024"},
    {"body-max-kib = 1025", "1 to 1024"},
    {"event = a\tb\x01", "control character"},
    {"event = a\nevent = b", "given before"},
    {"secret-file = /nowhere/at/all", "/nowhere/at/all"},
};

static void
what_is_wrong_is_refused_with_what_there_is(void **state)
{
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        struct source_case self;
        struct error error = {0};

        if (source_case_read(&self, refusals[i].section, &error) == OK)
            fail_msg("was taken: %s", refusals[i].section);
        if (strstr(error.text, refusals[i].word) == NULL)
            fail_msg("%s\n\"%s\" does not say \"%s\"", refusals[i].section, error.text,
                refusals[i].word);
        /* A sentence that was cut helps nobody. */
        assert_true(strlen(error.text) + 1 < sizeof(error.text));
        source_case_done(&self);
    }
    (void)state;
}

static void
a_name_that_is_none_is_told_apart(void **state)
{
    struct source_case self;

    assert_int_equal(source_case_read(&self, "tokn = a", NULL), ERR_NOT_FOUND);
    source_case_done(&self);
    assert_int_equal(source_case_read(&self, "rate = a", NULL), ERR_INVALID);
    source_case_done(&self);
    (void)state;
}

static void
a_refused_line_leaves_the_source_as_it_was(void **state)
{
    static const char *const lines[][2] = {{"accept", "token or"}, {"token-sha256", "x"},
        {"basic", "user"}, {"signature", "none"}, {"duplicates", "never"}, {"rate", "x"},
        {"observe", "x"}, {"hmac-signed", "x"}, {"tolerance", "1"}, {"body-max-kib", "x"},
        {"event", "a b"}, {"id", "body."}};
    struct source_case self;
    struct source before;

    assert_int_equal(source_case_read(&self, "hmac-digest = sha1", NULL), ERR_INVALID);
    before = self.source;
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        assert_int_not_equal(source_set(&self.source, &self.arena, str_from(lines[i][0]),
                                 str_from(lines[i][1]), NULL),
            OK);
        assert_int_equal(self.source.given, before.given);
        assert_int_equal(self.source.alternative_count, 0);
        assert_int_equal(self.source.token_count + self.source.basic_count, 0);
        assert_null(self.source.scheme);
        assert_false(self.source.has_policy);
        assert_int_equal(self.source.tolerance_s, before.tolerance_s);
        assert_int_equal(self.source.body_bytes_max, before.body_bytes_max);
        assert_int_equal(self.source.event.len + self.source.id_field.len, 0);
        assert_int_equal(self.source.id_path.step_count, 0);
    }
    source_case_done(&self);
    (void)state;
}

/* A message must not repeat what may be a secret in the wrong place. */
static void
a_secret_in_the_wrong_place_is_not_repeated(void **state)
{
    static const char *const sections[] = {"token-sha256 = hunter2", "basic = hunter2",
        "header-sha256 = hunter2", "accept = signature\nsignature = svix\nsecret = hunter2"};

    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        struct source_case self;
        struct error error = {0};

        assert_int_equal(source_case_read(&self, sections[i], &error), ERR_INVALID);
        assert_null(strstr(error.text, "hunter2"));
        source_case_done(&self);
    }
    (void)state;
}

/* A file of that content; its path is borrowed from scratch. */
static const char *
write_secrets(struct scratch *scratch, const char *content, mode_t mode)
{
    const char *path = scratch_path(scratch, "secrets");
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static enum err
read_with_file(struct source_case *self, const char *path, struct error *reterr)
{
    char section[160];

    (void)snprintf(section, sizeof(section),
        "accept = signature\nsignature = github\nsecret-file = %s", path);
    return source_case_read(self, section, reterr);
}

static void
a_secret_may_stand_in_a_file_of_its_owner(void **state)
{
    struct source_case self;
    struct error error = {0};
    struct scratch scratch;
    const char *path;

    scratch_init(&scratch);
    path = write_secrets(&scratch, "old secret\n\n  new secret \r\n", 0600);
    assert_int_equal(read_with_file(&self, path, &error), OK);
    assert_int_equal(self.source.secret_count, 2);
    assert_true(str_equals(self.source.secrets[0], STR("old secret")));
    assert_true(str_equals(self.source.secrets[1], STR("new secret")));
    source_case_done(&self);

    path = write_secrets(&scratch, "secret", 0644);
    assert_int_not_equal(read_with_file(&self, path, &error), OK);
    assert_non_null(strstr(error.text, path));
    source_case_done(&self);
    path = write_secrets(&scratch, "\n \n", 0600);
    assert_int_equal(read_with_file(&self, path, &error), ERR_INVALID);
    assert_non_null(strstr(error.text, "empty"));
    source_case_done(&self);
    path = write_secrets(&scratch, "a\nb\nc\n", 0600);
    assert_int_equal(read_with_file(&self, path, &error), ERR_INVALID);
    source_case_done(&self);
    scratch_done(&scratch);
    (void)state;
}

static void
every_setting_has_help_and_a_way_to_be_set(void **state)
{
    for (size_t i = 0; i < source_setting_count; i++) {
        struct source_case self;
        struct error error = {0};

        assert_true(strlen(source_settings[i].help) > 0);
        assert_true(strlen(source_settings[i].argument) > 0);
        (void)source_case_read(&self, "", NULL);
        /* Too long for all that is bounded, and no value of what has words. */
        if (source_set(&self.source, &self.arena, str_from(source_settings[i].name), STR(" "),
                &error) != ERR_INVALID)
            fail_msg("%s took nothing", source_settings[i].name);
        assert_non_null(strstr(error.text, source_settings[i].name));
        source_case_done(&self);
    }
    (void)state;
}

static void
no_memory_is_said(void **state)
{
    static const char *const lines[][2] = {{"event", "a"}, {"secret", "a"}, {"header", "a"},
        {"address", "::1"}, {"secret-file", "/tmp"}, {"hmac-prefix", "a"}};

    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        struct arena arena;
        struct source source;

        arena_init(&arena, 0);
        source_init(&source, STR("shop"));
        assert_int_equal(
            source_set(&source, &arena, str_from(lines[i][0]), str_from(lines[i][1]), NULL),
            ERR_NOMEM);
        assert_int_equal(source.given, 0);
        arena_done(&arena);
    }
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_that_are_whole_are_taken),
        cmocka_unit_test(what_is_said_is_kept),
        cmocka_unit_test(what_is_wrong_is_refused_with_what_there_is),
        cmocka_unit_test(a_name_that_is_none_is_told_apart),
        cmocka_unit_test(a_refused_line_leaves_the_source_as_it_was),
        cmocka_unit_test(a_secret_in_the_wrong_place_is_not_repeated),
        cmocka_unit_test(a_secret_may_stand_in_a_file_of_its_owner),
        cmocka_unit_test(every_setting_has_help_and_a_way_to_be_set),
        cmocka_unit_test(no_memory_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
