/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/header_name.h"

#include <string.h>

#include "support/test.h"

static void
names_are_told_apart_in_any_case(void **state)
{
    /* h: hop, o: ours, s: standard, n: a sender's own */
    static const char *const cases[][2] = {
        {"Connection", "ho"},
        {"Transfer-Encoding", "ho"},
        {"TE", "ho"},
        {"Proxy-Authorization", "ho"},
        {"proxy-connection", "ho"},
        {"Host", "ho"},
        {"Content-Length", "ho"},
        {"Content-Encoding", "ho"},
        {"Authorization", "h"},
        {"Cookie", "h"},
        {"X-Forwarded-For", "h"},
        {"Forwarded", "h"},
        {"Accept", "h"},
        {"Accept-Encoding", "h"},
        {"User-Agent", "o"},
        {"Idempotency-Key", "o"},
        {"Webhook-Id", "os"},
        {"webhook-timestamp", "os"},
        {"WEBHOOK-SIGNATURE", "os"},
        {"svix-id", "s"},
        {"Svix-Signature", "s"},
        {"x-usher-event", "o"},
        {"x-usher-reason", "n"},
        {"Content-Type", "n"},
        {"X-GitHub-Event", "n"},
        {"X-Hub-Signature-256", "n"},
        {"Stripe-Signature", "n"},
        {"X-Shopify-Topic", "n"},
        {"X-Remote-User", ""},
        {"content-type-options", ""},
        {"x-github", ""},
        {"acceptance", ""},
        {"proxy", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str name = str_from(cases[i][0]);
        char kinds[8] = "";
        size_t len = 0;

        if (header_name_is_hop(name))
            kinds[len++] = 'h';
        if (header_name_is_ours(name))
            kinds[len++] = 'o';
        if (header_name_is_standard(name))
            kinds[len++] = 's';
        if (header_name_is_of_sender(name))
            kinds[len++] = 'n';
        if (strcmp(kinds, cases[i][1]) != 0)
            fail_msg("%s is \"%s\"", cases[i][0], kinds);
    }
}

static void
only_tokens_are_names(void **state)
{
    static const char *const wrong[] = {"", "a b", "a:", "a\r\nb", "caf\xc3\xa9", "a(b)", "a\"",
        "a,b", "a/b", "a\x7f", "a@b", "a\\b"};
    char name[HEADER_NAME_BYTES_MAX + 1];

    (void)state;
    memset(name, 'a', sizeof(name));
    assert_true(header_name_is_token(STR("X-My_Header.1")));
    assert_true(header_name_is_token((struct str){name, sizeof(name) - 1}));
    assert_false(header_name_is_token((struct str){name, sizeof(name)}));
    assert_false(header_name_is_token((struct str){"a\0b", 3}));
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        if (header_name_is_token(str_from(wrong[i])))
            fail_msg("\"%s\" is taken", wrong[i]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_told_apart_in_any_case),
        cmocka_unit_test(only_tokens_are_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
