/* SPDX-License-Identifier: Apache-2.0 */
#include "net/url.h"

#include <string.h>

#include "base/limits.h"
#include "support/test.h"

static void
assert_str(struct str actual, const char *expected)
{
    char text[URL_BYTES_MAX + 1] = "";

    assert_true(actual.len < sizeof(text));
    if (actual.len > 0)
        memcpy(text, actual.ptr, actual.len);
    assert_string_equal(text, expected);
}

/* What is taken, and its parts. */
static const struct {
    const char *text;
    const char *host;
    const char *target;
    const char *user_info; /* NULL: none */
    const char *authority;
    const char *again;
    int port;
    bool is_tls;
    bool is_ipv4;
    bool is_ipv6;
} taken[] = {
    {"https://example.com", "example.com", "/", NULL, "example.com", "https://example.com/", 443,
        true, false, false},
    {"HTTP://Example.COM:8080/a/B?c=%41&d", "example.com", "/a/B?c=%41&d", NULL, "example.com:8080",
        "http://example.com:8080/a/B?c=%41&d", 8080, false, false, false},
    {"https://example.com.:443?x", "example.com", "/?x", NULL, "example.com",
        "https://example.com/?x", 443, true, false, false},
    {"http://example.com:443/", "example.com", "/", NULL, "example.com:443",
        "http://example.com:443/", 443, false, false, false},
    {"http://192.0.2.1/x", "192.0.2.1", "/x", NULL, "192.0.2.1", "http://192.0.2.1/x", 80, false,
        true, false},
    {"https://[2001:DB8:0::1]:8443/", "2001:db8::1", "/", NULL, "[2001:db8::1]:8443",
        "https://[2001:db8::1]:8443/", 8443, true, false, true},
    {"http://[::ffff:7f00:1]/", "::ffff:127.0.0.1", "/", NULL, "[::ffff:127.0.0.1]",
        "http://[::ffff:127.0.0.1]/", 80, false, false, true},
    {"https://user:p%40ss@example.com/", "example.com", "/", "user:p%40ss", "example.com",
        "https://example.com/", 443, true, false, false},
    {"http://good@127.0.0.1/", "127.0.0.1", "/", "good", "127.0.0.1", "http://127.0.0.1/", 80,
        false, true, false},
    {"http://127.0.0.1:80@example.com/", "example.com", "/", "127.0.0.1:80", "example.com",
        "http://example.com/", 80, false, false, false},
    {"http://example.com%2f:80@127.0.0.1:81/", "127.0.0.1", "/", "example.com%2f:80",
        "127.0.0.1:81", "http://127.0.0.1:81/", 81, false, true, false},
    {"http://LOCALHOST/", "localhost", "/", NULL, "localhost", "http://localhost/", 80, false,
        false, false},
    {"http://[0:0:0:0:0:FFFF:7F00:0001]/", "::ffff:127.0.0.1", "/", NULL, "[::ffff:127.0.0.1]",
        "http://[::ffff:127.0.0.1]/", 80, false, false, true},
    {"http://[0000::0001]/", "::1", "/", NULL, "[::1]", "http://[::1]/", 80, false, false, true},
    {"https://xn--bcher-kva.example/a:b@c", "xn--bcher-kva.example", "/a:b@c", NULL,
        "xn--bcher-kva.example", "https://xn--bcher-kva.example/a:b@c", 443, true, false, false},
    {"http://my_service/hook/../x", "my_service", "/hook/../x", NULL, "my_service",
        "http://my_service/hook/../x", 80, false, false, false},
    {"http://localhost.:65535/", "localhost", "/", NULL, "localhost:65535",
        "http://localhost:65535/", 65535, false, false, false},
    {"http://1.2.3.4.example/", "1.2.3.4.example", "/", NULL, "1.2.3.4.example",
        "http://1.2.3.4.example/", 80, false, false, false},
};

static void
a_url_is_taken_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(taken); i++) {
        struct arena arena;
        struct buf buf;
        struct url url;
        struct error error;

        arena_init(&arena, 65536);
        buf_init(&buf, 65536);
        assert_int_equal(url_parse(str_from(taken[i].text), &arena, &url, &error), OK);
        assert_str(url.host, taken[i].host);
        assert_str(url.target, taken[i].target);
        assert_int_equal(url.user_info.ptr != NULL, taken[i].user_info != NULL);
        if (taken[i].user_info != NULL)
            assert_str(url.user_info, taken[i].user_info);
        assert_int_equal(url.port, taken[i].port);
        assert_int_equal(url.is_port_default, url.port == (url.is_tls ? 443 : 80));
        assert_int_equal(url.is_tls, taken[i].is_tls);
        assert_int_equal(url.is_host_ipv4, taken[i].is_ipv4);
        assert_int_equal(url.is_host_ipv6, taken[i].is_ipv6);
        url_append_authority(&url, &buf);
        assert_str(buf_str(&buf), taken[i].authority);
        buf_clear(&buf);
        url_append_public(&url, &buf);
        assert_str(buf_str(&buf), taken[i].again);
        buf_done(&buf);
        arena_done(&arena);
    }
}

static void
assert_refused(struct str text, const char *because)
{
    struct arena arena;
    struct url url = {.port = 4711};
    struct error error = {.code = OK};

    arena_init(&arena, 65536);
    assert_int_equal(url_parse(text, &arena, &url, &error), ERR_INVALID);
    if (strstr(error.text, because) == NULL)
        fail_msg("%.*s: \"%s\" does not speak of \"%s\"", STR_FMT(text), error.text, because);
    assert_int_equal(url.port, 4711);
    arena_done(&arena);
}

/* What is refused, and a word of the reason. */
static const char *const refused[][2] = {
    {"", "empty"},
    {"example.com", "begin with"},
    {"/hook", "begin with"},
    {"https:/example.com", "begin with"},
    {"https:example.com", "begin with"},
    {"ftp://example.com/", "must be https or http"},
    {"httpss://example.com/", "must be https or http"},
    {"https://", "no host"},
    {"https:///path", "no host"},
    {"https://:80/", "no host"},
    {"https://?x", "no host"},
    {"https://user@/", "no host"},
    {"https://@example.com/", "no user name"},
    {"https://a@b@example.com/", "second '@'"},
    {"https://us[er@example.com/", "%5B"},
    {"https://u%00@example.com/", "control"},
    {"https://u%0a:p@example.com/", "control"},
    {"https://u%3ap:q@example.com/", "colon"},
    {"https://u%4@example.com/", "two hex digits"},
    {" https://example.com/", "white space"},
    {"https://example.com/ ", "white space"},
    {"https://exa\tmple.com/", "white space"},
    {"https://example.com/\r\nX-Evil: 1", "white space"},
    {"https://example.com/\x01", "control"},
    {"https://example.com/\x7f", "control"},
    {"https://example.com\\@evil.example/", "backslash"},
    {"https://example.com/#top", "fragment"},
    {"https://example.com#@evil.example/", "fragment"},
    {"https://b\xc3\xbc"
     "cher.example/",
        "punycode"},
    {"http://\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1/", "punycode"},
    /* What normalisation makes a digit, a dot or nothing of. */
    {"http://127\xe3\x80\x82"
     "0.0.1/",
        "punycode"},
    {"http://127\xef\xbc\x8e"
     "0.0.1/",
        "punycode"},
    {"http://127\xef\xbd\xa1"
     "0.0.1/",
        "punycode"},
    {"http://\xe2\x91\xa0.0.0.1/", "punycode"},
    {"http://local\xc2\xadhost/", "punycode"},
    {"http:\\\\127.0.0.1/", "backslash"},
    {"http://127.0.0.1\\@example.com/", "backslash"},
    {"http:////127.0.0.1/", "no host"},
    {"http://127.0.0.1#@example.com/", "fragment"},
    {"http://127.0.0.1\t/", "white space"},
    {"http://127.0.0.1%00.example.com/", "percent-encoded"},
    {"http://127.0.0.1%09/", "percent-encoded"},
    {"http://127.0.0.1%20/", "percent-encoded"},
    {"http://127.0.0.1%2f/", "percent-encoded"},
    {"http://127%2e0%2e0%2e1/", "percent-encoded"},
    {"http://%6cocalhost/", "percent-encoded"},
    {"http://2130706433/", "IPv4"},
    {"http://0x7f000001/", "IPv4"},
    {"http://0x7f.1/", "IPv4"},
    {"http://0X7F.0.0.0x1/", "IPv4"},
    {"http://0x7f.0x0.0x0.0x1/", "IPv4"},
    {"http://127.0.0.0x1/", "IPv4"},
    {"http://0177.0.0.1/", "IPv4"},
    {"http://017700000001/", "IPv4"},
    {"http://0000127.0.0.1/", "IPv4"},
    {"http://127.0.1/", "IPv4"},
    {"http://256/", "IPv4"},
    {"http://4294967297/", "IPv4"},
    {"http://127.0.0.1.:80/", "IPv4"},
    {"http://127.0.0.1../", "empty part"},
    {"http://127.1/", "IPv4"},
    {"http://127.0.0.01/", "IPv4"},
    {"http://127.0.0.1./", "IPv4"},
    {"http://127.0.0.256/", "IPv4"},
    {"http://1.2.3.4.5/", "IPv4"},
    {"http://0/", "IPv4"},
    {"http://0x/", "IPv4"},
    {"http://foo.0x7f/", "IPv4"},
    {"http://foo.1/", "IPv4"},
    {"http://[::1/", "closing bracket"},
    {"http://[]/", "not an IPv6"},
    {"http://[fe80::1%25eth0]/", "network interface"},
    {"http://[fe80::1%eth0]/", "network interface"},
    {"http://[127.0.0.1]/", "not an IPv6"},
    {"http://[::ffff:127.1]/", "not an IPv6"},
    {"http://[::ffff:0x7f.0.0.1]/", "not an IPv6"},
    {"http://[::ffff:0177.0.0.1]/", "not an IPv6"},
    {"http://[::ffff:2130706433]/", "not an IPv6"},
    {"http://[::1%00]/", "network interface"},
    {"http://[v1.x]/", "not an IPv6"},
    {"http://[1:2:3:4:5:6:7:8:9]/", "not an IPv6"},
    {"http://[::1]x/", "a port may follow"},
    {"http://[::1]./", "a port may follow"},
    {"http://::1/", "no host"},
    {"http://a..b/", "empty part"},
    {"http://./", "empty part"},
    {"http://a.../", "empty part"},
    {"http://.a/", "empty part"},
    {"http://-a.b/", "begins or ends"},
    {"http://a.b-/", "begins or ends"},
    {"http://a,b/", "holds ','"},
    {"http://a\"b/", "holds '\"'"},
    {"http://a:/", "port"},
    {"http://a:0/", "port"},
    {"http://a:080/", "port"},
    {"http://a:65536/", "port"},
    {"http://a:+80/", "port"},
    {"http://a:-1/", "port"},
    {"http://a:8 0/", "white space"},
    {"http://a:80:81/", "port"},
    {"http://a:99999999999999999999/", "port"},
    {"http://a/<b>", "%3C"},
    {"http://a/?q=\"b\"", "%22"},
    {"http://a/{x}", "%7B"},
    {"http://a/%zz", "two hex digits"},
    {"http://a/%4", "two hex digits"},
    {"http://a/%", "two hex digits"},
};

static void
a_doubtful_url_is_refused_with_a_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        assert_refused(str_from(refused[i][0]), refused[i][1]);
    assert_refused((struct str){"http://a\0b/", 11}, "control");
}

static void
lengths_are_bounded(void **state)
{
    static const char prefix[] = "http://";
    char text[URL_BYTES_MAX + 2];
    struct arena arena;
    struct url url;

    (void)state;
    arena_init(&arena, 65536);
    memset(text, 'a', sizeof(text));
    memcpy(text, "http://a/", 9);
    assert_int_equal(url_parse((struct str){text, URL_BYTES_MAX}, &arena, &url, NULL), OK);
    assert_refused((struct str){text, URL_BYTES_MAX + 1}, "longer");

    /* Labels of 63 and a host of 253 are the most there can be. */
    memset(text, 'a', sizeof(text));
    memcpy(text, prefix, 7);
    for (size_t i = 1; i <= 3; i++)
        text[7 + i * 64 - 1] = '.';
    assert_int_equal(url_parse((struct str){text, 7 + 253}, &arena, &url, NULL), OK);
    assert_int_equal(url.host.len, 253);
    assert_refused((struct str){text, 7 + 254}, "longer");
    text[7 + 63] = 'a';
    assert_refused((struct str){text, 7 + 64}, "longer");
    arena_done(&arena);
}

static void
a_full_arena_is_told(void **state)
{
    struct arena arena;
    struct url url = {.port = 4711};

    (void)state;
    arena_init(&arena, 8);
    assert_int_equal(url_parse(STR("http://example.com/abc"), &arena, &url, NULL), ERR_NOMEM);
    assert_int_equal(url.port, 4711);
    arena_done(&arena);
}

static void
user_info_becomes_basic_credentials(void **state)
{
    /* RFC 7617 §2 has the first one. */
    static const char *const cases[][2] = {
        {"https://Aladdin:open%20sesame@a/", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        {"https://token@a/", "Basic dG9rZW46"},
        {"https://:secret@a/", "Basic OnNlY3JldA=="},
        {"https://u:a:b@a/", "Basic dTphOmI="},
        {"https://u:%c3%bc@a/", "Basic dTrDvA=="},
        {"https://a/", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena;
        struct buf buf;
        struct url url;

        arena_init(&arena, 65536);
        buf_init(&buf, 1024);
        assert_int_equal(url_parse(str_from(cases[i][0]), &arena, &url, NULL), OK);
        assert_int_equal(url_append_basic(&url, &buf), OK);
        assert_str(buf_str(&buf), cases[i][1]);
        buf_done(&buf);
        buf_init(&buf, 7);
        assert_int_equal(url_append_basic(&url, &buf), cases[i][1][0] != '\0' ? ERR_LIMIT : OK);
        buf_done(&buf);
        arena_done(&arena);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_url_is_taken_apart),
        cmocka_unit_test(a_doubtful_url_is_refused_with_a_reason),
        cmocka_unit_test(lengths_are_bounded),
        cmocka_unit_test(a_full_arena_is_told),
        cmocka_unit_test(user_info_becomes_basic_credentials),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
