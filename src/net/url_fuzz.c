/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What parses, printed and parsed again is the same URL, is made of visible ASCII only, and has a
 * host that the system reads as an IPv4 address only where we say so.
 */
#include "net/url.h"

#include <arpa/inet.h>

#include "base/check.h"
#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_visible(struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        CHECK(s.ptr[i] > ' ' && s.ptr[i] < 0x7f && s.ptr[i] != '\\' && s.ptr[i] != '#');
}

static void
print(const struct url *url, struct buf *buf)
{
    buf_append_str(buf, url->is_tls ? STR("https://") : STR("http://"));
    if (url->user_info.ptr != NULL) {
        buf_append_str(buf, url->user_info);
        buf_append_char(buf, '@');
    }
    url_append_authority(url, buf);
    buf_append_str(buf, url->target);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct arena arena;
    struct buf printed;
    struct buf basic;
    struct url url;
    struct url again;
    struct in_addr ip;

    arena_init(&arena, 65536);
    buf_init(&printed, 8192);
    buf_init(&basic, 8192);
    if (url_parse(text, &arena, &url, NULL) == OK) {
        print(&url, &printed);
        check_visible(buf_str(&printed));
        /* The slash of an empty path is the one byte that printing may add. */
        if (printed.len <= URL_BYTES_MAX) {
            CHECK(url_parse(buf_str(&printed), &arena, &again, NULL) == OK);
            CHECK(str_equals(again.host, url.host));
            CHECK(str_equals(again.target, url.target));
            CHECK(str_equals(again.user_info, url.user_info));
            CHECK(again.port == url.port && again.is_tls == url.is_tls);
            CHECK(again.is_port_default == url.is_port_default);
            CHECK(again.is_host_ipv4 == url.is_host_ipv4);
            CHECK(again.is_host_ipv6 == url.is_host_ipv6);
        }
        CHECK((inet_aton(url.host.ptr, &ip) != 0) == url.is_host_ipv4);
        CHECK(url_append_basic(&url, &basic) == OK);
        CHECK((basic.len > 0) == (url.user_info.ptr != NULL));
    }
    buf_done(&basic);
    buf_done(&printed);
    arena_done(&arena);
    return 0;
}
