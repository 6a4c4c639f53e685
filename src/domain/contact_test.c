/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/contact.h"

#include <string.h>

#include "base/compiler.h"
#include "support/test.h"

static const struct {
    const char *email;
    const char *phone;
    const char *text;
    const char *blanked;
} cases[] = {
    /* the email, in any case, each time */
    {"ann@example.com", NULL, "no ann@example.com here", "no *************** here"},
    {"ann@example.com", NULL, "ANN@Example.COM", "***************"},
    {"ann@example.com", NULL, "ann@example.comann@example.com", "******************************"},
    {"Ann@Example.com", NULL, "{\"e\":\"ann@example.com\"}", "{\"e\":\"***************\"}"},
    {"ann@example.com", NULL, "ann@example.org", "ann@example.org"},
    {"ann@example.com", NULL, "aann@example.com", "a***************"},
    /* cut off by the end of what is kept */
    {"ann@example.com", NULL, "to ann@exam", "to ********"},
    {"ann@example.com", NULL, "to ann@e", "to ann@e"},
    {"a@b.c", NULL, "a@b.c", "*****"},
    /* the phone, with a plus or without, and however it is set apart */
    {NULL, "+919876543210", "call +919876543210!", "call +************!"},
    {NULL, "+919876543210", "\"phone\":919876543210,", "\"phone\":************,"},
    {NULL, "+91 98765-43210", "919876543210", "************"},
    {NULL, "+919876543210", "(91) 98765 43210", "(***************"},
    {NULL, "+919876543210", "919876543211", "919876543211"},
    {NULL, "+919876543210", "91,9876543210", "91,9876543210"},
    {NULL, "+919876543210", "91987654", "********"},
    {NULL, "+919876543210", "91987", "91987"},
    {NULL, "+919876543210", "99919876543210", "99************"},
    /* any number */
    {NULL, "12345", "12345", "12345"},
    {NULL, "123456", "123456", "******"},
    {NULL, "none", "none", "none"},
    /* both, and neither */
    {"ann@example.com", "123456", "ann@example.com 123456 ok", "*************** ****** ok"},
    {NULL, NULL, "{\"error\":\"full\"}", "{\"error\":\"full\"}"},
    {"ann@example.com", "123456", "", ""},
};

static void
an_email_and_a_phone_are_blanked_wherever_they_stand(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        size_t len = strlen(cases[i].text);
        char text[64];

        assert_true(len < sizeof(text));
        memcpy(text, cases[i].text, len);
        /* What lies behind it is not its own. */
        memcpy(text + len, "example.com", sizeof(text) - len < 11 ? sizeof(text) - len : 11);
        contact_blank(text, len, str_from(cases[i].email), str_from(cases[i].phone));
        assert_int_equal(strlen(cases[i].blanked), len);
        if (memcmp(text, cases[i].blanked, len) != 0)
            fail_msg("\"%s\" became \"%.*s\"", cases[i].text, (int)len, text);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_email_and_a_phone_are_blanked_wherever_they_stand),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
