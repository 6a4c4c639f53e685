/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/mail.h"

#include <string.h>

#include "base/json.h"
#include "support/mime.h"
#include "support/test.h"
#include "support/testdata.h"

static const char *testdata_folder;

static struct mail
a_mail(void)
{
    return (struct mail){
        .from = {STR("Sam Host"), STR("sam@example.com")},
        .to = {STR("Ann"), STR("ann@example.org")},
        .subject = STR("Introduction"),
        .date = {INT64_C(1710496800000000)},
        .id = STR("in_0000000000000001.welcome"),
        .text = STR("Hello Ann,\n\nsee you\n"),
    };
}

static void
a_mail_without_invitation_is_a_text(void **state)
{
    const struct mail mail = a_mail();
    struct buf buf;

    (void)state;
    buf_init(&buf, MAIL_BYTES_MAX);
    mail_format(&mail, &buf);
    assert_string_equal(buf.ptr, "Date: Fri, 15 Mar 2024 10:00:00 +0000\r\n"
                                 "From: \"Sam Host\"\r\n <sam@example.com>\r\n"
                                 "To: \"Ann\"\r\n <ann@example.org>\r\n"
                                 "Subject: Introduction\r\n"
                                 "Message-ID: <in_0000000000000001.welcome@example.com>\r\n"
                                 "Auto-Submitted: auto-generated\r\n"
                                 "MIME-Version: 1.0\r\n"
                                 "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Transfer-Encoding: quoted-printable\r\n"
                                 "\r\n"
                                 "Hello Ann,\r\n\r\nsee you\r\n");
    buf_done(&buf);
}

static void
one_invitation_is_another_form_of_the_text_and_more_stand_after_it(void **state)
{
    const struct str invites[] = {STR("BEGIN:VCALENDAR\r\n"), STR("END:VCALENDAR\r\n")};
    struct mail mail = a_mail();
    struct buf buf;

    (void)state;
    buf_init(&buf, MAIL_BYTES_MAX);
    mail.invites = invites;
    mail.invite_count = 1;
    mail.reply_to = (struct mail_address){STR(""), STR("help@example.com")};
    mail_format(&mail, &buf);
    assert_non_null(strstr(buf.ptr, "Reply-To: <help@example.com>\r\n"));
    assert_non_null(strstr(buf.ptr, "Content-Type: multipart/alternative; boundary=\"=_usher_\"\r\n"
                                    "\r\n"
                                    "--=_usher_\r\n"
                                    "Content-Type: text/plain; charset=utf-8\r\n"
                                    "Content-Transfer-Encoding: quoted-printable\r\n"
                                    "\r\n"
                                    "Hello Ann,\r\n\r\nsee you\r\n"
                                    "--=_usher_\r\n"
                                    "Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n"
                                    "Content-Transfer-Encoding: base64\r\n"
                                    "\r\n"
                                    "QkVHSU46VkNBTEVOREFSDQo=\r\n"
                                    "--=_usher_--\r\n"));
    buf_clear(&buf);
    mail.invite_count = 2;
    mail_format(&mail, &buf);
    assert_non_null(strstr(buf.ptr, "Content-Type: multipart/mixed;"));
    assert_non_null(strstr(buf.ptr, "\r\nRU5EOlZDQUxFTkRBUg0K\r\n--=_usher_--\r\n"));
    buf_done(&buf);
}

/* Control characters as spaces, as a header's value has them. */
static void
clean(struct str text, struct buf *buf)
{
    for (size_t i = 0; i < text.len; i++) {
        bool is_control = (unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f;

        buf_append_char(buf, is_control ? ' ' : text.ptr[i]);
    }
}

static void
lines_end(struct str text, struct buf *buf)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '\r' || i + 1 == text.len || text.ptr[i + 1] != '\n')
            buf_append_char(buf, text.ptr[i]);
    if (text.len > 0 && text.ptr[text.len - 1] != '\n')
        buf_append_char(buf, '\n');
}

/* As subject, as name and as text; it comes back, and nothing else has changed. */
static void
expect_harmless(struct str text)
{
    static const char *const names[] = {"Date", "From", "To", "Subject", "Message-ID",
        "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"};
    struct mail mail = a_mail();
    struct buf buf;
    struct buf read;
    struct buf expected;
    size_t fields = 0;
    size_t head_end;
    struct str head;
    struct str body;

    buf_init(&buf, MAIL_BYTES_MAX);
    buf_init(&read, MAIL_BYTES_MAX);
    buf_init(&expected, MAIL_BYTES_MAX);
    mail.subject = text;
    mail.to.name = text;
    mail.text = text;
    mail_format(&mail, &buf);
    head_end = mime_find(buf_str(&buf), STR("\r\n\r\n"));
    assert_int_not_equal(head_end, SIZE_MAX);
    head = str_slice(buf_str(&buf), 0, head_end + 2);
    body = str_slice(buf_str(&buf), head_end + 4, buf.len);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        buf_clear(&read);
        mime_header(head, names[i], &read);
    }
    for (struct str rest = head; rest.len > 0;) {
        struct str line = mime_line(&rest, 78);

        fields += line.ptr[0] != ' ' ? 1 : 0;
        for (size_t i = 0; i < line.len; i++)
            assert_in_range((unsigned char)line.ptr[i], 0x20, 0x7e);
    }
    assert_int_equal(fields, COUNT_OF(names));

    buf_clear(&read);
    buf_clear(&expected);
    mime_header(head, "Subject", &expected);
    mime_words(buf_str(&expected), &read);
    buf_clear(&expected);
    clean(text, &expected);
    assert_true(str_equals(buf_str(&read), buf_str(&expected)));

    buf_clear(&read);
    buf_clear(&expected);
    mime_quoted_printable(body, &read);
    lines_end(text, &expected);
    assert_true(str_equals(buf_str(&read), buf_str(&expected)));
    buf_done(&expected);
    buf_done(&read);
    buf_done(&buf);
}

static void
no_text_makes_a_header_of_its_own(void **state)
{
    static const char *const texts[] = {
        "",
        "plain",
        "Ann\r\nBcc: everybody@example.com",
        "Ann\nBcc: everybody@example.com\n\nand a body",
        "=?UTF-8?B?SGVsbG8=?=",
        " leading and trailing ",
        "M\xc3\xbcller \xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa5\x8d\xe0\xa4\xa4\xe0\xa5\x87",
        "🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉",
        ".\n..\n.x\nFrom here\n--=_usher_\n--=_usher_--\n",
        "a line that is longer than seventy-six bytes, which quoted-printable has to break. Here.",
        "a line that is exactly as long as it may be, and the next would begin with.. a dot",
        "trailing space \nand tab\t\n=3D\n",
        "\x01\x02\x7f",
        "\"quoted\" \\ (comment) <a@b>, ;:",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        expect_harmless(str_from(texts[i]));
}

static void
naughty_strings_come_through_as_they_are(void **state)
{
    char path[PATH_MAX];
    struct json *json = NULL;
    struct arena arena;
    struct buf buf;
    size_t count = 0;

    (void)state;
    buf_init(&buf, 1 << 20);
    arena_init(&arena, 1 << 24);
    testdata_read(testdata_path(testdata_folder, "blns.json", path), &buf);
    assert_int_equal(json_parse(buf_str(&buf), &arena, &json, NULL), OK);
    for (const struct json *item = json->first; item != NULL; item = item->next, count++)
        expect_harmless(item->text);
    assert_in_range(count, 400, 1000);
    arena_done(&arena);
    buf_done(&buf);
}

static void
only_plain_addresses_are_sane(void **state)
{
    static const char *const sane[] = {"a@b", "ann@example.com", "ann.b+c=d@mail.example.co.uk",
        "o'neil@example.com", "!#$%&'*+-/=?^_`{|}~@x.y", "1@2.3"};
    static const char *const others[] = {"", "@", "a@", "@b", "a", "a@b@c", "a b@c", "a@b c",
        "a@b\r\nRCPT TO:<c@d>", "<a@b>", "a@b>", "a..b@c", ".a@b", "a.@b", "a@-b", "a@b-", "a@b..c",
        "a@.b", "\"a b\"@c", "a@[127.0.0.1]", "m\xc3\xbcller@example.com", "a@m\xc3\xbcller.de",
        "a,b@c", "a(b)@c", "a\\@c",
        "a0123456789012345678901234567890123456789012345678901234567890123@example.com"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sane); i++)
        if (!mail_email_is_sane(str_from(sane[i])))
            fail_msg("%s", sane[i]);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (mail_email_is_sane(str_from(others[i])))
            fail_msg("%s", others[i]);
    assert_false(mail_email_is_sane((struct str){"a\0b@c", 5}));
}

static void
an_address_is_an_email_with_or_without_a_name(void **state)
{
    static const struct {
        const char *text;
        const char *name;
        const char *email;
    } rows[] = {
        {"ann@example.com", "", "ann@example.com"},
        {" ann@example.com ", "", "ann@example.com"},
        {"<ann@example.com>", "", "ann@example.com"},
        {"Ann Smith <ann@example.com>", "Ann Smith", "ann@example.com"},
        {"\"Smith, Ann\" <ann@example.com>", "Smith, Ann", "ann@example.com"},
        {"M\xc3\xbcller <m@example.com>", "M\xc3\xbcller", "m@example.com"},
    };

    static const char *const others[] = {"", "Ann", "Ann <>", "Ann <ann@example.com", "Ann ann@b",
        "\"Ann <ann@example.com>", "\xff <ann@example.com>", "A <b@c> <d@e>"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct mail_address address = {{NULL, 0}, {NULL, 0}};
        struct error error = {.code = OK};

        assert_int_equal(mail_address_parse(str_from(rows[i].text), &address, &error), OK);
        assert_true(str_equals(address.name, str_from(rows[i].name)));
        assert_true(str_equals(address.email, str_from(rows[i].email)));
    }
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        struct mail_address address = {STR("untouched"), {NULL, 0}};
        struct error error = {.code = OK};

        assert_int_equal(mail_address_parse(str_from(others[i]), &address, &error), ERR_INVALID);
        assert_true(str_equals(address.name, STR("untouched")));
        assert_non_null(strstr(error.text, "is not an address"));
    }
}

static void
a_mail_that_is_too_large_shows(void **state)
{
    const struct mail mail = a_mail();
    struct buf buf;

    (void)state;
    buf_init(&buf, 200);
    mail_format(&mail, &buf);
    assert_true(buf_is_full(&buf));
    buf_done(&buf);
}

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_without_invitation_is_a_text),
        cmocka_unit_test(one_invitation_is_another_form_of_the_text_and_more_stand_after_it),
        cmocka_unit_test(no_text_makes_a_header_of_its_own),
        cmocka_unit_test(naughty_strings_come_through_as_they_are),
        cmocka_unit_test(only_plain_addresses_are_sane),
        cmocka_unit_test(an_address_is_an_email_with_or_without_a_name),
        cmocka_unit_test(a_mail_that_is_too_large_shows),
    };

    testdata_folder = argc > 1 ? argv[1] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
