/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/peer.h"

#include "support/test.h"

#define LIST      "X-Forwarded-For"
#define FORWARDED "Forwarded"

struct row {
    const char *connected;
    struct http_field fields[4];
    const char *peer;
};

#define FIELD(name, value)                                                                         \
    {                                                                                              \
        {("" name), sizeof(name) - 1},                                                             \
        {                                                                                          \
            ("" value), sizeof(value) - 1                                                          \
        }                                                                                          \
    }

static const struct row rows[] = {
    /* Who is no proxy is who it is. */
    {"203.0.113.1:80", {FIELD(LIST, "198.51.100.1")}, "203.0.113.1:80"},
    {"10.0.0.1:80", {{{NULL, 0}, {NULL, 0}}}, "10.0.0.1"},
    /* The last that is no proxy. */
    {"10.0.0.1:80", {FIELD(LIST, "198.51.100.1")}, "198.51.100.1"},
    {"10.0.0.1", {FIELD("x-forwarded-FOR", "198.51.100.1:4711")}, "198.51.100.1"},
    {"10.0.0.1", {FIELD(LIST, "198.51.100.1, 203.0.113.9 ,10.9.9.9")}, "203.0.113.9"},
    {"10.0.0.1", {FIELD(LIST, "198.51.100.1"), FIELD(LIST, "203.0.113.9")}, "203.0.113.9"},
    {"10.0.0.1", {FIELD(LIST, "198.51.100.1,203.0.113.9"), FIELD(LIST, "10.2.2.2")}, "203.0.113.9"},
    {"10.0.0.1", {FIELD(LIST, "2001:db8::7")}, "2001:db8::7"},
    {"10.0.0.1", {FIELD(LIST, "[2001:db8::7]:1234")}, "2001:db8::7"},
    {"10.0.0.1", {FIELD(LIST, "10.3.3.3, 10.2.2.2")}, "10.3.3.3"},
    /* Where the way is lost, the last that is known. */
    {"10.0.0.1", {FIELD(LIST, "198.51.100.1, unknown")}, "10.0.0.1"},
    {"10.0.0.1", {FIELD(LIST, "198.51.100.1, unknown, 10.2.2.2")}, "10.2.2.2"},
    {"10.0.0.1", {FIELD(LIST, "198.51.100.1,")}, "10.0.0.1"},
    {"10.0.0.1", {FIELD(LIST, "")}, "10.0.0.1"},
    /* RFC 7239 */
    {"10.0.0.1", {FIELD(FORWARDED, "for=198.51.100.1")}, "198.51.100.1"},
    {"10.0.0.1", {FIELD(FORWARDED, "For=198.51.100.1;proto=http;by=203.0.113.43")}, "198.51.100.1"},
    {"10.0.0.1", {FIELD(FORWARDED, "proto=https; for=\"[2001:db8:cafe::17]:4711\"")},
        "2001:db8:cafe::17"},
    {"10.0.0.1", {FIELD(FORWARDED, "for=\"[2001:db8:cafe::17]\"")}, "2001:db8:cafe::17"},
    {"10.0.0.1", {FIELD(FORWARDED, "for=198.51.100.1, for=203.0.113.9, for=10.2.2.2")},
        "203.0.113.9"},
    {"10.0.0.1", {FIELD(FORWARDED, "host=\"a, for=198.51.100.1\";for=203.0.113.9")}, "203.0.113.9"},
    {"10.0.0.1", {FIELD(FORWARDED, "for=198.51.100.1, for=_hidden")}, "10.0.0.1"},
    {"10.0.0.1", {FIELD(FORWARDED, "for=198.51.100.1, proto=http")}, "10.0.0.1"},
    /* It has set one of them, and the other may be anybody's. */
    {"10.0.0.1", {FIELD(FORWARDED, "for=198.51.100.1"), FIELD(LIST, "198.51.100.1")},
        "198.51.100.1"},
    {"10.0.0.1", {FIELD(FORWARDED, "for=203.0.113.9"), FIELD(LIST, "198.51.100.1")}, "10.0.0.1"},
};

static void
the_caller_is_the_last_that_no_proxy_of_ours_could_have_made_up(void **state)
{
    struct cidr proxies[2];

    (void)state;
    assert_int_equal(cidr_parse(STR("10.0.0.0/8"), &proxies[0], NULL), OK);
    assert_int_equal(cidr_parse(STR("fd00::/8"), &proxies[1], NULL), OK);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_head head = {.fields = rows[i].fields};
        struct address connected;
        struct address peer;
        char text[ADDRESS_TEXT_BYTES];

        while (head.field_count < 4 && rows[i].fields[head.field_count].name.ptr != NULL)
            head.field_count++;
        assert_int_equal(address_parse(str_from(rows[i].connected), &connected, NULL), OK);
        peer = peer_find(&head, &connected, proxies, COUNT_OF(proxies));
        address_format(&peer, text);
        if (!str_equals(str_from(text), str_from(rows[i].peer)))
            fail_msg("row %zu: %s instead of %s", i, text, rows[i].peer);
    }
}

static void
a_chain_without_end_is_not_followed(void **state)
{
    struct http_field fields[40];
    struct http_head head = {.fields = fields, .field_count = COUNT_OF(fields)};
    struct cidr proxy;
    struct address peer;
    char text[ADDRESS_TEXT_BYTES];

    (void)state;
    assert_int_equal(cidr_parse(STR("10.0.0.0/8"), &proxy, NULL), OK);
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        fields[i] = (struct http_field){STR(LIST), i == 0 ? STR("192.0.2.1") : STR("10.0.0.7")};
    assert_int_equal(address_parse(STR("10.0.0.1"), &peer, NULL), OK);
    peer = peer_find(&head, &peer, &proxy, 1);
    address_format(&peer, text);
    assert_string_equal(text, "10.0.0.7");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_caller_is_the_last_that_no_proxy_of_ours_could_have_made_up),
        cmocka_unit_test(a_chain_without_end_is_not_followed),
    };

    return cmocka_run_group_tests_name("peer", tests, NULL, NULL);
}
