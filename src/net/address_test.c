/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"

static struct address
address_from(const char *text)
{
    struct address address = {.len = 0};

    if (address_parse(str_from(text), &address, NULL) != OK)
        fail_msg("%s: not an address", text);
    return address;
}

static void
guard_open(struct address_guard *guard, const char *text)
{
    assert_int_equal(cidr_parse(str_from(text), &guard->allowed[guard->count], NULL), OK);
    guard->count++;
}

/* Who may not be called, and why. */
static const char *const denied[][2] = {
    {"0.0.0.0", "this network"},
    {"0.255.255.255", "this network"},
    {"10.0.0.0", "private"},
    {"10.255.255.255", "private"},
    {"100.64.0.0", "shared"},
    {"100.100.100.200", "shared"},
    {"100.127.255.255", "shared"},
    {"127.0.0.1", "loopback"},
    {"127.255.255.255", "loopback"},
    {"168.63.129.16", "metadata"},
    {"169.254.0.0", "link-local"},
    {"169.254.169.254", "metadata"},
    {"169.254.170.2", "link-local"},
    {"172.16.0.0", "private"},
    {"172.31.255.255", "private"},
    {"192.0.0.8", "protocol assignment"},
    {"192.0.0.192", "protocol assignment"},
    {"192.0.2.1", "documentation"},
    {"192.88.99.1", "6to4 relay"},
    {"192.168.0.0", "private"},
    {"192.168.255.255", "private"},
    {"198.18.0.0", "benchmarking"},
    {"198.19.255.255", "benchmarking"},
    {"198.51.100.7", "documentation"},
    {"203.0.113.7", "documentation"},
    {"224.0.0.1", "multicast"},
    {"239.255.255.255", "multicast"},
    {"240.0.0.0", "reserved"},
    {"255.255.255.254", "reserved"},
    {"255.255.255.255", "broadcast"},
    {"::", "unspecified"},
    {"::1", "loopback"},
    {"::ffff:127.0.0.1", "loopback"},
    {"::ffff:7f00:1", "loopback"},
    {"::ffff:10.0.0.1", "private"},
    {"::ffff:169.254.169.254", "metadata"},
    {"::127.0.0.1", "loopback"},
    {"::8.8.8.8", "IPv4-compatible"},
    {"64:ff9b::127.0.0.1", "loopback"},
    {"64:ff9b::8.8.8.8", "NAT64"},
    {"64:ff9b:1::10.0.0.1", "private"},
    {"64:ff9b:1::8.8.8.8", "NAT64"},
    {"64:ff9b:2::1", "reserved"},
    {"100::1", "discard"},
    {"2001::1", "this network"},
    {"2001:0:808:808::f7f7:f7f7", "Teredo"},
    {"2001:0:7f00:1::f7f7:f7f7", "loopback"},
    {"2001:0:808:808::80ff:fffe", "loopback"},
    {"2001:2::1", "protocol assignment"},
    {"2001:10::1", "protocol assignment"},
    {"2001:20::1", "protocol assignment"},
    {"2001:db8::1", "documentation"},
    {"2002:7f00:1::1", "loopback"},
    {"2002:a00:1::1", "private"},
    {"2002:808:808::1", "6to4"},
    {"2606:4700::5efe:10.0.0.1", "private"},
    {"2606:4700::200:5efe:127.0.0.1", "loopback"},
    {"3fff::1", "documentation"},
    {"3fff:fff::1", "documentation"},
    {"4000::1", "reserved"},
    {"5f00::1", "reserved"},
    {"fc00::1", "private"},
    {"fd00:ec2::254", "metadata"},
    {"fd12:3456::1", "private"},
    {"fd20:ce::254", "private"},
    {"fe80::1", "link-local"},
    {"febf::1", "link-local"},
    {"fec0::1", "site-local"},
    {"ff02::1", "multicast"},
    {"ff0e::1", "multicast"},
};

static void
nobodys_own_network_may_be_called(void **state)
{
    const struct address_guard guard = {.count = 0};
    const struct address_guard open = {.allow_all = true};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(denied); i++) {
        struct address address = address_from(denied[i][0]);
        const char *reason = address_denied(&guard, &address);

        if (reason == NULL || strcmp(reason, denied[i][1]) != 0)
            fail_msg("%s: %s, not %s", denied[i][0], reason != NULL ? reason : "allowed",
                denied[i][1]);
        assert_null(address_denied(&open, &address));
    }
}

static void
public_addresses_may_be_called(void **state)
{
    static const char *const cases[] = {
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        /* Special, and yet meant to be reached (RFC 7535, 7450, 7534). */
        "192.31.196.1",
        "192.52.193.1",
        "192.175.48.1",
        "2620:4f:8000::1",
        "192.88.98.255",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:8.8.8.8",
        "2001:200::1",
        "2001:4860:4860::8888",
        "2001:db7::1",
        "2001:db9::1",
        "2003::1",
        "2606:4700:4700::1111",
        "2606:4700::5efe:8.8.8.8",
        "2a00:1450::1",
        "3ffe:ffff::1",
    };
    const struct address_guard guard = {.count = 0};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct address address = address_from(cases[i]);

        if (address_denied(&guard, &address) != NULL)
            fail_msg("%s: %s", cases[i], address_denied(&guard, &address));
    }
}

/* Every range that is denied, with its ends; before and after are its neighbours. */
static const struct {
    const char *first;
    const char *last;
    const char *reason; /* "*": denied for what is inside, which differs */
    const char *before; /* NULL: may be called; "": there is none */
    const char *after;
} ranges[] = {
    {"0.0.0.0", "0.255.255.255", "this network", "", NULL},
    {"10.0.0.0", "10.255.255.255", "private", NULL, NULL},
    {"100.64.0.0", "100.127.255.255", "shared", NULL, NULL},
    {"127.0.0.0", "127.255.255.255", "loopback", NULL, NULL},
    {"168.63.129.16", "168.63.129.16", "metadata", NULL, NULL},
    {"169.254.0.0", "169.254.169.253", "link-local", NULL, "metadata"},
    {"169.254.169.254", "169.254.169.254", "metadata", "link-local", "link-local"},
    {"169.254.169.255", "169.254.255.255", "link-local", "metadata", NULL},
    {"172.16.0.0", "172.31.255.255", "private", NULL, NULL},
    {"192.0.0.0", "192.0.0.255", "protocol assignment", NULL, NULL},
    {"192.0.2.0", "192.0.2.255", "documentation", NULL, NULL},
    {"192.88.99.0", "192.88.99.255", "6to4 relay", NULL, NULL},
    {"192.168.0.0", "192.168.255.255", "private", NULL, NULL},
    {"198.18.0.0", "198.19.255.255", "benchmarking", NULL, NULL},
    {"198.51.100.0", "198.51.100.255", "documentation", NULL, NULL},
    {"203.0.113.0", "203.0.113.255", "documentation", NULL, NULL},
    {"224.0.0.0", "239.255.255.255", "multicast", NULL, "reserved"},
    {"240.0.0.0", "255.255.255.254", "reserved", "multicast", "broadcast"},
    {"255.255.255.255", "255.255.255.255", "broadcast", "reserved", ""},
    {"::", "::", "unspecified", "", "loopback"},
    {"::1", "::1", "loopback", "unspecified", "*"},
    {"::2", "::255.255.255.255", "*", "loopback", "reserved"},
    {"::1.0.0.0", "::9.255.255.255", "IPv4-compatible", "this network", "private"},
    {"::1:0:0", "::fffe:ffff:ffff", "reserved", "broadcast", "this network"},
    {"::ffff:10.0.0.0", "::ffff:10.255.255.255", "private", NULL, NULL},
    {"::ffff:240.0.0.0", "::ffff:255.255.255.254", "reserved", "multicast", "broadcast"},
    {"::1:0:0:0", "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", "reserved", "broadcast", "*"},
    {"64:ff9b::", "64:ff9b::255.255.255.255", "*", "reserved", "reserved"},
    {"64:ff9b::1.0.0.0", "64:ff9b::9.255.255.255", "NAT64", "this network", "private"},
    {"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "*", "reserved", "reserved"},
    {"100::", "100::ffff:ffff:ffff:ffff", "discard", "reserved", "reserved"},
    {"100:0:0:1::", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved", "discard", NULL},
    {"2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "*", NULL, "protocol assignment"},
    {"2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", "protocol assignment", "*", NULL},
    {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "documentation", NULL, NULL},
    {"2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "*", NULL, NULL},
    {"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", "documentation", NULL, NULL},
    {"4000::", "fbff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "reserved", NULL, "private"},
    {"fc00::", "fd00:ec2::253", "private", "reserved", "metadata"},
    {"fd00:ec2::254", "fd00:ec2::254", "metadata", "private", "private"},
    {"fd00:ec2::255", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "private", "metadata", "reserved"},
    {"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "link-local", "reserved", "site-local"},
    {"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "site-local", "link-local", "multicast"},
    {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "multicast", "site-local", ""},
};

/* One up or down, as if the address were a number. */
static void
address_step(struct address *address, int step)
{
    bool is_v6 = address->as.any.sa_family == AF_INET6;
    uint8_t *bytes = is_v6 ? address->as.v6.sin6_addr.s6_addr : (uint8_t *)&address->as.v4.sin_addr;
    uint8_t end = step > 0 ? 0xff : 0;
    size_t i = is_v6 ? 15 : 3;

    for (; bytes[i] == end; i--)
        bytes[i] = (uint8_t)~end;
    bytes[i] = (uint8_t)(bytes[i] + step);
}

static void
assert_judged(const struct address *address, const char *expected)
{
    const struct address_guard guard = {.count = 0};
    const char *reason = address_denied(&guard, address);
    char text[ADDRESS_TEXT_BYTES];

    address_format(address, text);
    if (expected == NULL ? reason != NULL
                         : reason == NULL || (expected[0] != '*' && strcmp(reason, expected) != 0))
        fail_msg("%s: %s, not %s", text, reason != NULL ? reason : "allowed",
            expected != NULL ? expected : "allowed");
}

static void
each_range_is_denied_from_its_first_address_to_its_last(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        struct address first = address_from(ranges[i].first);
        struct address last = address_from(ranges[i].last);

        assert_judged(&first, ranges[i].reason);
        assert_judged(&last, ranges[i].reason);
        if (ranges[i].before == NULL || ranges[i].before[0] != '\0') {
            address_step(&first, -1);
            assert_judged(&first, ranges[i].before);
        }
        if (ranges[i].after == NULL || ranges[i].after[0] != '\0') {
            address_step(&last, 1);
            assert_judged(&last, ranges[i].after);
        }
    }
}

static void
an_unknown_family_is_denied(void **state)
{
    const struct address_guard guard = {.count = 0};
    const struct address_guard open = {.allow_all = true};
    struct address address = {.len = sizeof(address.as.any)};

    (void)state;
    address.as.any.sa_family = AF_UNIX;
    assert_non_null(address_denied(&guard, &address));
    assert_non_null(address_denied(&open, &address));
}

static void
an_opened_range_may_be_called_and_nothing_else(void **state)
{
    struct address_guard guard = {.count = 0};

    static const struct {
        const char *text;
        bool may;
    } cases[] = {
        {"10.1.2.3", true},
        {"::ffff:10.1.2.3", true},
        {"10.2.0.0", false},
        {"10.0.255.255", false},
        {"::1", true},
        {"127.0.0.1", false},
        {"fd00::1", true},
        {"fdff::1", false},
        /* A gateway's range opens only what may be called behind it. */
        {"64:ff9b::8.8.8.8", true},
        {"64:ff9b::10.1.2.3", true},
        {"64:ff9b::10.2.0.0", false},
        {"64:ff9b::127.0.0.1", false},
        {"2002:a01:203::1", false},
    };

    (void)state;
    guard_open(&guard, "10.1.0.0/16");
    guard_open(&guard, "::1");
    guard_open(&guard, "fd00::/16");
    guard_open(&guard, "64:ff9b::/96");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct address address = address_from(cases[i].text);

        if ((address_denied(&guard, &address) == NULL) != cases[i].may)
            fail_msg("%s", cases[i].text);
    }
}

static void
a_range_is_read(void **state)
{
    static const struct {
        const char *cidr;
        const char *inside;  /* or NULL */
        const char *outside; /* or NULL */
    } cases[] = {
        {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
        {"10.0.0.1", "10.0.0.1", "10.0.0.2"},
        {"10.0.0.1/32", "::ffff:10.0.0.1", "10.0.0.0"},
        {"192.168.4.0/23", "192.168.5.255", "192.168.6.0"},
        {"0.0.0.0/0", "255.255.255.255", "::1"},
        {"::/0", "ff02::1", "10.0.0.1"},
        {"::1", "::1", "::"},
        {"::1/128", "::1", "::2"},
        {"fd00::/8", "fdff:ffff::1", "fc00::1"},
        {"::ffff:10.0.0.0/104", "10.9.9.9", "11.0.0.0"},
        {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct cidr cidr;
        struct address inside = address_from(cases[i].inside);
        struct address outside = address_from(cases[i].outside);

        assert_int_equal(cidr_parse(str_from(cases[i].cidr), &cidr, NULL), OK);
        assert_true(cidr_holds(&cidr, &inside));
        assert_false(cidr_holds(&cidr, &outside));
    }
}

static void
a_doubtful_range_is_refused(void **state)
{
    static const char *const cases[] = {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
        "10.0.0.0/08", "10.0.0.0/8/8", "10.0.0.1/8", "10.0.0.0/ 8", " 10.0.0.0/8", "10.0.0/8",
        "10.0.0.0/8x", "010.0.0.0/8", "::/129", "::1/64", "fd00::1%eth0/128", "[::1]", "[::]/0",
        "example.com", "10.0.0.0:80/8", "fe80::/8", "10.0.0.0/99999999999"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct cidr cidr = {.bits = 4711};
        struct error error = {.code = OK};

        if (cidr_parse(str_from(cases[i]), &cidr, &error) != ERR_INVALID)
            fail_msg("\"%s\" was taken", cases[i]);
        assert_int_equal(error.code, ERR_INVALID);
        assert_int_equal(cidr.bits, 4711);
    }
}

static void
an_address_is_read_and_printed(void **state)
{
    static const struct {
        const char *text;
        const char *printed;
        uint16_t port;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", 0},
        {"127.0.0.1:80", "127.0.0.1:80", 80},
        {"127.0.0.1:0", "127.0.0.1", 0},
        {"255.255.255.255:65535", "255.255.255.255:65535", 65535},
        {"::1", "::1", 0},
        {"[::1]", "::1", 0},
        {"[::1]:8080", "[::1]:8080", 8080},
        {"[2001:DB8:0:0::1]:1", "[2001:db8::1]:1", 1},
        {"ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct address address;
        char text[ADDRESS_TEXT_BYTES];

        assert_int_equal(address_parse(str_from(cases[i].text), &address, NULL), OK);
        assert_int_equal(address_port(&address), cases[i].port);
        address_format(&address, text);
        assert_string_equal(text, cases[i].printed);
        address_set_port(&address, 4711);
        assert_int_equal(address_port(&address), 4711);
    }
}

static void
a_doubtful_address_is_refused(void **state)
{
    static const char *const cases[] = {"", "localhost", "127.1", "0x7f.0.0.1",
        "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:080", "127.0.0.1:x",
        "127.0.0.1 ", " 127.0.0.1", "[127.0.0.1]:80", "[::1", "::1]", "[::1]80",
        "[::1]:", "[::1]:65536", "fe80::1%lo", "127.0.0.1.", ":80", "[]:80", "1.2.3.4:5:6"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct address address = {.len = 4711};
        struct error error = {.code = OK};

        if (address_parse(str_from(cases[i]), &address, &error) != ERR_INVALID)
            fail_msg("\"%s\" was taken", cases[i]);
        assert_int_equal(error.code, ERR_INVALID);
        assert_int_equal(address.len, 4711);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobodys_own_network_may_be_called),
        cmocka_unit_test(public_addresses_may_be_called),
        cmocka_unit_test(each_range_is_denied_from_its_first_address_to_its_last),
        cmocka_unit_test(an_unknown_family_is_denied),
        cmocka_unit_test(an_opened_range_may_be_called_and_nothing_else),
        cmocka_unit_test(a_range_is_read),
        cmocka_unit_test(a_doubtful_range_is_refused),
        cmocka_unit_test(an_address_is_read_and_printed),
        cmocka_unit_test(a_doubtful_address_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
