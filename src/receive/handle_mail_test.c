/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "os/files.h"
#include "support/certificates.h"
#include "support/kind.h"
#include "support/mime.h"
#include "support/peer.h"
#include "support/testdata.h"

static const char *testdata_folder;

/* What the mail server says at each step; NULL: what a friendly one does. */
struct server {
    const char *greeting;
    const char *mail;
    const char *rcpt;
    const char *data;
    const char *end;
    bool is_left_politely;   /* QUIT comes, and is answered */
    struct letter *at_end;   /* delivered instead of an answer to the whole mail */
    struct mailbox *mailbox; /* to this */
    bool wants_login;
    size_t mails; /* that it takes on one connection */

    /* What it was told. */
    struct buf heard;
    struct buf mail_heard; /* the last one */
};

struct world {
    struct kind_world kind;
    struct server server;
    struct peer *peer;
};

static const char *
or_friendly(const char *given, const char *friendly)
{
    return given != NULL ? given : friendly;
}

/* One command; false when the other side is gone. */
static bool
hear(struct peer *peer, struct server *server)
{
    if (!peer_read_until(peer, "\r\n"))
        return false;
    buf_append_str(&server->heard, peer_request_text(peer));
    return true;
}

/* Is it good news? */
static bool
say(struct peer *peer, const char *reply)
{
    peer_send(peer, reply);
    return reply[0] == '2' || reply[0] == '3';
}

static void
take_mail(struct peer *peer, struct server *server)
{
    hear(peer, server);
    if (!say(peer, or_friendly(server->mail, "250 ok\r\n")))
        return;
    hear(peer, server);
    if (!say(peer, or_friendly(server->rcpt, "250 ok\r\n")))
        return;
    hear(peer, server);
    if (!say(peer, or_friendly(server->data, "354 go on\r\n")))
        return;
    peer_read_until(peer, "\r\n.\r\n");
    buf_clear(&server->mail_heard);
    buf_append_str(&server->mail_heard, peer_request_text(peer));
    if (server->at_end != NULL)
        mailbox_post(server->mailbox, server->at_end);
    else
        say(peer, or_friendly(server->end, "250 taken\r\n"));
}

static void
serve(struct peer *peer, void *arg)
{
    struct server *server = arg;

    peer_accept(peer);
    if (say(peer, or_friendly(server->greeting, "220 mail.example.com\r\n"))) {
        hear(peer, server);
        say(peer, server->wants_login ? "250-mail.example.com\r\n250 AUTH PLAIN\r\n"
                                      : "250 mail.example.com\r\n");
        if (server->wants_login) {
            hear(peer, server);
            peer_send(peer, "334 \r\n");
            hear(peer, server);
            peer_send(peer, "235 welcome\r\n");
        }
        for (size_t i = 0; i < server->mails; i++)
            take_mail(peer, server);
    }
    if (server->is_left_politely && hear(peer, server))
        say(peer, "221 bye\r\n");
    /* Else QUIT, to which nothing is answered, or not even that. */
    peer_wait_close(peer);
}

static int
start(void **state)
{
    struct world *world = calloc(1, sizeof(*world));

    assert_non_null(world);
    (void)signal(SIGPIPE, SIG_IGN);
    kind_start(&world->kind, &handler_mail);
    kind_must_set(&world->kind, "from", "Sam Host <sam@example.com>");
    buf_init(&world->server.heard, 1 << 24);
    buf_init(&world->server.mail_heard, 1 << 24);
    world->server.mails = 1;
    *state = world;
    return 0;
}

static int
stop(void **state)
{
    struct world *world = *state;

    kind_stop(&world->kind);
    if (world->peer != NULL)
        assert_true(peer_stop(world->peer));
    buf_done(&world->server.heard);
    buf_done(&world->server.mail_heard);
    free(world);
    return 0;
}

static void
open_to(struct world *world, const char *scheme)
{
    char url[64];

    (void)snprintf(url, sizeof(url), "%s://127.0.0.1:%u", scheme, (unsigned)peer_port(world->peer));
    kind_must_set(&world->kind, "smtp", url);
    kind_open(&world->kind);
}

static void
open_plain(struct world *world)
{
    world->peer = peer_start(serve, &world->server);
    open_to(world, "smtp");
}

static void
expect(struct kind_given *given, enum handling_result result, const char *words)
{
    if (given->handling.result != result || strstr(given->detail, words) == NULL)
        fail_msg("%d and not %d: %s", (int)given->handling.result, (int)result, given->detail);
}

/* The parts of a mail with one invitation, decoded. */
static void
parts_of(struct str mail, struct buf *text, struct buf *invite)
{
    const struct str plain = STR("quoted-printable\r\n\r\n");
    const struct str base64 = STR("base64\r\n\r\n");
    const struct str boundary = STR("--=_usher_");
    size_t at = mime_find(mail, plain);
    struct str part;

    assert_int_not_equal(at, SIZE_MAX);
    part = str_slice(mail, at + plain.len, mail.len);
    mime_quoted_printable(str_slice(part, 0, mime_find(part, boundary)), text);
    at = mime_find(mail, base64);
    assert_int_not_equal(at, SIZE_MAX);
    part = str_slice(mail, at + base64.len, mail.len);
    part = str_slice(part, 0, mime_find(part, boundary));
    while (part.len > 0) {
        struct str line = mime_line(&part, 76);
        char bytes[64];
        size_t len = 0;

        assert_int_equal(base64_decode(line, bytes, sizeof(bytes), &len), OK);
        buf_append(invite, bytes, len);
    }
}

static void
an_attendee_is_told_and_invited(void **state)
{
    struct world *world = *state;
    struct kind_given given;
    struct buf text;
    struct buf invite;
    struct buf lines;

    buf_init(&text, 1 << 20);
    buf_init(&invite, 1 << 20);
    buf_init(&lines, 1 << 20);
    open_plain(world);
    kind_give(&world->kind, &given, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    expect(&given, HANDLING_DONE, "");
    assert_string_equal(given.output, "250 taken");
    kind_close(&world->kind);
    assert_true(peer_stop(TAKE(world->peer)));

    assert_non_null(strstr(world->server.heard.ptr, "MAIL FROM:<sam@example.com>"));
    assert_non_null(strstr(world->server.heard.ptr, "RCPT TO:<ann@example.com>\r\nDATA\r\n"));
    assert_non_null(
        strstr(world->server.mail_heard.ptr, "Subject: Intro\r\n"
                                             "Message-ID: "
                                             "<in_0000000000000007.h@example.com>\r\n"));
    parts_of(buf_str(&world->server.mail_heard), &text, &invite);
    assert_string_equal(text.ptr, "Hello Ann Lee,\n"
                                  "\n"
                                  "Intro\n"
                                  "Starts: Friday, 15 March 2024, 15:30 (UTC+05:30)\n"
                                  "Ends:   Friday, 15 March 2024, 16:30 (UTC+05:30)\n"
                                  "Join:   https://meet.example/a\n"
                                  "\n");
    mime_unfold(buf_str(&invite), 75, &lines);
    assert_non_null(strstr(lines.ptr, "\nSEQUENCE:2\n"));
    assert_non_null(strstr(lines.ptr, "\nDTSTART:20240315T100000Z\nDTEND:20240315T110000Z\n"));
    assert_non_null(strstr(lines.ptr, ";CN=\"Ann Lee\":mailto:ann@example.com\n"));
    assert_non_null(strstr(lines.ptr, "\nORGANIZER;CN=\"Sam Host\":mailto:sam@example.com\n"));
    buf_done(&lines);
    buf_done(&invite);
    buf_done(&text);
}

static void
the_owner_says_what_it_says(void **state)
{
    struct world *world = *state;
    const char *path = scratch_path(&world->kind.scratch, "template");
    struct kind_given given;

    assert_int_equal(
        file_create_secret(path, STR("{{#updated}}moved: {{/updated}}{{phone}}\n"), NULL), OK);
    kind_must_set(&world->kind, "template", path);
    kind_must_set(&world->kind, "subject", "{{webinar}} for {{name}}");
    kind_must_set(&world->kind, "reply-to", "help@example.com");
    kind_must_set(&world->kind, "calendar", "no");
    open_plain(world);
    kind_give(&world->kind, &given, KIND_BODY);
    given.handling.is_update = true;
    (void)kind_run(&world->kind, &given);
    expect(&given, HANDLING_DONE, "");
    kind_close(&world->kind);
    assert_true(peer_stop(TAKE(world->peer)));
    assert_non_null(strstr(world->server.mail_heard.ptr, "Reply-To: <help@example.com>\r\n"
                                                         "Subject: Intro for Ann Lee\r\n"));
    assert_non_null(strstr(world->server.mail_heard.ptr, "\r\n\r\nmoved: 1234567890\r\n.\r\n"));
    assert_null(strstr(world->server.mail_heard.ptr, "text/calendar"));
}

static void
a_connection_is_kept(void **state)
{
    struct world *world = *state;
    struct kind_given given;

    world->server.mails = 3;
    open_plain(world);
    for (size_t i = 0; i < 3; i++) {
        kind_give(&world->kind, &given, KIND_BODY);
        (void)kind_run(&world->kind, &given);
        expect(&given, HANDLING_DONE, "");
    }
    assert_int_equal(peer_accepted(world->peer), 1);
}

static void
who_cannot_be_written_to_is_refused(void **state)
{
    static const struct {
        const char *body;
        const char *words;
    } rows[] = {
        {"{\"name\":\"Ann\"}", "has no e-mail address"},
        {"{\"name\":\"Ann\",\"email\":\"\"}", "has no e-mail address"},
        {"{\"email\":\"ann\"}", "no mail can be sent to \"ann\""},
        {"{\"email\":\"a@b\\r\\nRCPT TO:<c@d>\"}", "no mail can be sent to"},
        {"{\"email\":\"a@b, c@d\"}", "no mail can be sent to"},
        {"{\"email\":\"m\xc3\xbc@example.com\"}", "no mail can be sent to"},
    };
    struct world *world = *state;
    struct kind_given given;

    kind_must_set(&world->kind, "smtp", "smtp://127.0.0.1:1");
    kind_open(&world->kind);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        kind_give(&world->kind, &given, rows[i].body);
        (void)kind_run(&world->kind, &given);
        expect(&given, HANDLING_REFUSED, rows[i].words);
    }
}

/* A reply at one step, and what it means. */
static void
expect_reply(const struct server *says, enum handling_result result, const char *words)
{
    struct world *world = NULL;
    struct kind_given given;

    (void)start((void **)&world);
    world->server.greeting = says->greeting;
    world->server.mail = says->mail;
    world->server.rcpt = says->rcpt;
    world->server.data = says->data;
    world->server.end = says->end;
    world->server.is_left_politely = says->greeting == NULL && says->end == NULL;
    open_plain(world);
    kind_give(&world->kind, &given, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    expect(&given, result, words);
    (void)stop((void **)&world);
}

static void
a_reply_is_judged_by_what_it_is_about(void **state)
{
    static const struct {
        struct server says;
        enum handling_result result;
        const char *words;
    } rows[] = {
        {{.greeting = "421 too many of you\r\n"}, HANDLING_LATER, "421 too many"},
        {{.greeting = "554 not you\r\n"}, HANDLING_FAILED, "554 not you"},
        {{.mail = "451 busy\r\n"}, HANDLING_LATER, "451 busy"},
        {{.mail = "550 not from there\r\n"}, HANDLING_FAILED, "550 not from there"},
        {{.rcpt = "450 greylisted\r\n"}, HANDLING_FAILED, "450 greylisted"},
        {{.rcpt = "421 closing\r\n"}, HANDLING_LATER, "421 closing"},
        {{.rcpt = "550-no\r\n550 such user\r\n"}, HANDLING_REFUSED, "550-no such user"},
        {{.data = "452 disk full\r\n"}, HANDLING_FAILED, "452 disk full"},
        {{.end = "451 try again\r\n"}, HANDLING_FAILED, "451 try again"},
        {{.end = "554 spam\r\n"}, HANDLING_FAILED, "554 spam"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        expect_reply(&rows[i].says, rows[i].result, rows[i].words);
}

static void
a_server_that_is_not_there_is_no_fault_of_the_item(void **state)
{
    struct world *world = *state;
    struct kind_given given;
    uint16_t port;
    int fd = peer_refused_open(&port);
    char url[64];

    (void)snprintf(url, sizeof(url), "smtp://127.0.0.1:%u", (unsigned)port);
    kind_must_set(&world->kind, "smtp", url);
    kind_open(&world->kind);
    kind_give(&world->kind, &given, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    expect(&given, HANDLING_LATER, "no mail could be handed over");
    (void)close(fd);
}

struct canceller {
    struct letter letter;
    struct kind_given *given;
};

static void
cancel_it(struct letter *letter)
{
    struct kind_given *given = CONTAINER_OF(letter, struct canceller, letter)->given;

    handler_mail.cancel(given->world->worker, &given->handling);
}

static void
a_server_that_hangs_is_given_up_when_the_handling_is_cancelled(void **state)
{
    struct world *world = *state;
    struct kind_given given;
    struct canceller canceller = {.letter = {.deliver = cancel_it}, .given = &given};

    world->server.at_end = &canceller.letter;
    world->server.mailbox = loop_mailbox(world->kind.loop);
    open_plain(world);
    kind_give(&world->kind, &given, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    expect(&given, HANDLING_FAILED, "its time was over");
}

static void
tls_is_checked_and_the_password_given_inside_of_it(void **state)
{
    struct world *world = *state;
    struct certificates certificates;
    struct kind_given given;
    const char *path = scratch_path(&world->kind.scratch, "password");

    certificates_make(&certificates);
    assert_int_equal(file_create_secret(path, STR("s3cret\n"), NULL), OK);
    kind_must_set(&world->kind, "user", "sam");
    kind_must_set(&world->kind, "password-file", path);
    kind_must_set(&world->kind, "ca-file", certificates.ca);
    world->server.wants_login = true;
    world->peer = peer_start_tls(certificates.good, certificates.key, serve, &world->server);
    open_to(world, "smtps");
    kind_give(&world->kind, &given, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    expect(&given, HANDLING_DONE, "");
    kind_close(&world->kind);
    assert_true(peer_stop(TAKE(world->peer)));
    /* "\0sam\0s3cret" */
    assert_non_null(strstr(world->server.heard.ptr, "AHNhbQBzM2NyZXQ="));
    certificates_remove(&certificates);
}

static void
serve_nobody(struct peer *peer, void *arg)
{
    (void)arg;
    peer_accept_refused(peer);
}

static void
a_server_with_a_wrong_certificate_is_told_nothing(void **state)
{
    struct world *world = *state;
    struct certificates certificates;
    struct kind_given given;

    certificates_make(&certificates);
    kind_must_set(&world->kind, "ca-file", certificates.ca);
    world->peer = peer_start_tls(certificates.other_host, certificates.key, serve_nobody, NULL);
    open_to(world, "smtps");
    kind_give(&world->kind, &given, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    expect(&given, HANDLING_LATER, "no mail could be handed over");
    certificates_remove(&certificates);
}

static void
a_server_that_cannot_turn_to_tls_is_told_nothing(void **state)
{
    struct world *world = *state;
    struct kind_given given;

    kind_must_set(&world->kind, "tls", "required");
    world->server.mails = 0;
    open_plain(world);
    kind_give(&world->kind, &given, KIND_BODY);
    (void)kind_run(&world->kind, &given);
    expect(&given, HANDLING_LATER, "no mail could be handed over");
}

static void
a_reminder_invites_nobody(void **state)
{
    struct world *world = *state;
    struct kind_given given;

    open_plain(world);
    kind_give(&world->kind, &given, KIND_BODY);
    given.received.shape = RECEIVED_REMINDER;
    (void)kind_run(&world->kind, &given);
    expect(&given, HANDLING_DONE, "");
    kind_close(&world->kind);
    assert_true(peer_stop(TAKE(world->peer)));
    assert_null(strstr(world->server.mail_heard.ptr, "text/calendar"));
}

static void
no_naughty_string_becomes_a_header(void **state)
{
    struct world *world = *state;
    struct json *json = NULL;
    struct arena arena;
    struct buf buf;
    char path[PATH_MAX];

    buf_init(&buf, 1 << 20);
    arena_init(&arena, 1 << 24);
    testdata_read(testdata_path(testdata_folder, "blns.json", path), &buf);
    assert_int_equal(json_parse(buf_str(&buf), &arena, &json, NULL), OK);
    world->server.mails = json->count;
    kind_must_set(&world->kind, "subject", "{{name}}: {{webinar}}");
    open_plain(world);
    for (const struct json *item = json->first; item != NULL; item = item->next) {
        struct kind_given given;
        struct str mail;
        size_t headers = 0;

        kind_give(&world->kind, &given, KIND_BODY);
        given.received.name = item->text;
        given.received.sessions[0].webinar = item->text;
        given.received.sessions[0].link = item->text;
        (void)kind_run(&world->kind, &given);
        expect(&given, HANDLING_DONE, "");
        mail = buf_str(&world->server.mail_heard);
        for (mail = str_slice(mail, 0, mime_find(mail, STR("\r\n\r\n")) + 2); mail.len > 0;) {
            struct str line = mime_line(&mail, 78);

            headers += line.ptr[0] != ' ' ? 1 : 0;
        }
        assert_int_equal(headers, 8);
    }
    arena_done(&arena);
    buf_done(&buf);
}

static void
a_mistake_in_the_settings_is_told(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *words;
    } rows[] = {
        {"smtp", "mail.example.com", "does not begin with smtp:// or smtps://"},
        {"smtp", "http://mail.example.com", "does not begin with smtp:// or smtps://"},
        {"smtp", "smtp://", "is not smtp://HOST"},
        {"smtp", "smtp://user:secret@mail.example.com", "have settings of their own"},
        {"smtp", "smtp://mail.example.com/path", "is not smtp://HOST"},
        {"smtp", "smtp://mail.example.com:99999", "is not smtp://HOST"},
        {"from", "Sam", "from: \"Sam\" is not an address"},
        {"reply-to", "a@b\r\nX: y", "reply-to: control characters"},
        {"user", "", "user: nothing is said"},
        {"subject", "{{nickname}}", "subject: line 1: there is no value \"nickname\""},
        {"calendar", "perhaps", "calendar: \"perhaps\" is neither yes nor no"},
        {"tls", "yes", "tls: \"yes\" is neither required nor no"},
    };
    struct world *world = *state;

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        kind_must_refuse(&world->kind, rows[i].name, rows[i].value, rows[i].words);
    kind_must_refuse(&world->kind, "smtp", "smtp://user:secret@mail.example.com", "");
    assert_null(strstr(world->kind.error.text, "secret"));
    assert_int_equal(kind_set(&world->kind, "database", "x"), ERR_NOT_FOUND);
}

static void
a_mistake_in_a_file_is_told(void **state)
{
    struct world *world = *state;
    const char *path = scratch_path(&world->kind.scratch, "file");

    assert_int_equal(kind_set(&world->kind, "template", path), ERR_NOT_FOUND);
    assert_int_equal(file_create_secret(path, STR("\nHello {{nickname}}"), NULL), OK);
    kind_must_refuse(&world->kind, "template", path,
        "file: line 2: there is no value \"nickname\"");
    kind_must_refuse(&world->kind, "password-file", path, "control characters");
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(kind_set(&world->kind, "password-file", path), ERR_DENIED);
}

static void
check_refuses(struct world *world, const char *words)
{
    assert_int_equal(handler_mail.check(&world->kind.handler, &world->kind.error), ERR_INVALID);
    if (strstr(world->kind.error.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", world->kind.error.text, words);
}

static void
what_is_not_whole_is_refused(void **state)
{
    struct world *world = *state;
    struct handler empty = {.name = STR("h"), .kind = &handler_mail};

    assert_int_equal(handler_mail.check(&empty, &world->kind.error), ERR_INVALID);
    check_refuses(world, "handler h: smtp is missing");
    kind_must_set(&world->kind, "smtp", "smtp://mail.example.com:587");
    kind_must_set(&world->kind, "user", "sam");
    check_refuses(world, "neither password nor password-file");
    kind_must_set(&world->kind, "password", "secret");
    assert_int_equal(handler_mail.check(&world->kind.handler, &world->kind.error), OK);
    kind_must_set(&world->kind, "tls", "no");
    check_refuses(world, "the password would cross the network");
    kind_must_set(&world->kind, "smtp", "smtp://127.0.0.1");
    assert_int_equal(handler_mail.check(&world->kind.handler, &world->kind.error), OK);
    world->kind.handler.concurrency = 65;
    check_refuses(world, "at most 64 mails");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int
main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(an_attendee_is_told_and_invited),
        TEST(the_owner_says_what_it_says),
        TEST(a_connection_is_kept),
        TEST(who_cannot_be_written_to_is_refused),
        cmocka_unit_test(a_reply_is_judged_by_what_it_is_about),
        TEST(a_server_that_is_not_there_is_no_fault_of_the_item),
        TEST(a_server_that_hangs_is_given_up_when_the_handling_is_cancelled),
        TEST(tls_is_checked_and_the_password_given_inside_of_it),
        TEST(a_server_with_a_wrong_certificate_is_told_nothing),
        TEST(a_server_that_cannot_turn_to_tls_is_told_nothing),
        TEST(a_reminder_invites_nobody),
        TEST(no_naughty_string_becomes_a_header),
        TEST(a_mistake_in_the_settings_is_told),
        TEST(a_mistake_in_a_file_is_told),
        TEST(what_is_not_whole_is_refused),
    };

    testdata_folder = argc > 1 ? argv[1] : NULL;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
