/* SPDX-License-Identifier: Apache-2.0 */
#include "net/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* ::ffff:0:0/96, where an IPv4 address lives among IPv6 ones (RFC 4291 §2.5.5.2). */
#define MAPPED_BITS 96

static const uint8_t mapped_prefix[12] = {[10] = 0xff, [11] = 0xff};

struct range {
    uint8_t prefix[16];
    unsigned bits;
    const char *reason;
};

/* IANA's special-purpose registry, and two addresses from which clouds hand out credentials. The
 * first match gives the reason. */
static const struct range denied_v4[] = {
    {{0}, 8, "this network"},
    {{10}, 8, "private"},
    {{100, 64}, 10, "shared"},
    {{127}, 8, "loopback"},
    {{168, 63, 129, 16}, 32, "metadata"},
    {{169, 254, 169, 254}, 32, "metadata"},
    {{169, 254}, 16, "link-local"},
    {{172, 16}, 12, "private"},
    {{192, 0, 0}, 24, "protocol assignment"},
    {{192, 0, 2}, 24, "documentation"},
    {{192, 88, 99}, 24, "6to4 relay"},
    {{192, 168}, 16, "private"},
    {{198, 18}, 15, "benchmarking"},
    {{198, 51, 100}, 24, "documentation"},
    {{203, 0, 113}, 24, "documentation"},
    {{224}, 4, "multicast"},
    {{255, 255, 255, 255}, 32, "broadcast"},
    {{240}, 4, "reserved"},
};

static const struct range denied_v6[] = {
    {{0}, 128, "unspecified"},
    {{[15] = 1}, 128, "loopback"},
    {{0}, 96, "IPv4-compatible"},
    {{0x00, 0x64, 0xff, 0x9b}, 96, "NAT64"},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, "NAT64"},
    {{0x01}, 64, "discard"},
    {{0x20, 0x01}, 32, "Teredo"},
    {{0x20, 0x01}, 23, "protocol assignment"},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, "documentation"},
    {{0x20, 0x02}, 16, "6to4"},
    {{0x3f, 0xff}, 20, "documentation"},
    {{0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}, 128, "metadata"},
    {{0xfc}, 7, "private"},
    {{0xfe, 0x80}, 10, "link-local"},
    {{0xfe, 0xc0}, 10, "site-local"},
    {{0xff}, 8, "multicast"},
};

/* All global unicast addresses that IANA has given out so far. */
static const struct range global_unicast = {{0x20}, 3, NULL};

/* IPv4 inside IPv6: where the prefix matches, the bytes at offset are an address that a gateway
 * would go on to. Teredo writes the client's inverted. */
static const struct embedding {
    uint8_t prefix[16];
    size_t offset;
    unsigned bits;
    uint8_t inverted;
} embeddings[] = {
    {{0}, 12, 96, 0},
    {{0x00, 0x64, 0xff, 0x9b}, 12, 96, 0},
    {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 12, 48, 0},
    {{0x20, 0x02}, 2, 16, 0},
    {{0x20, 0x01}, 4, 32, 0},
    {{0x20, 0x01}, 12, 32, 0xff},
};

static bool
bits_match(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

/* The address in 16 bytes, IPv4 as ::ffff:a.b.c.d; false for any other family. */
static bool
address_bytes(const struct address *address, uint8_t ret[16])
{
    if (address->as.any.sa_family == AF_INET) {
        memcpy(ret, mapped_prefix, sizeof(mapped_prefix));
        memcpy(ret + 12, &address->as.v4.sin_addr, 4);
        return true;
    }
    if (address->as.any.sa_family == AF_INET6) {
        memcpy(ret, &address->as.v6.sin6_addr, 16);
        return true;
    }
    return false;
}

static bool
is_mapped(const uint8_t bytes[16])
{
    return memcmp(bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

/* ::/0 is every IPv6 address and no IPv4 one: who writes it does not think of mapped ones. */
static bool
cidr_holds_bytes(const struct cidr *cidr, const uint8_t bytes[16])
{
    if (is_mapped(bytes) && cidr->bits < MAPPED_BITS)
        return false;
    return bits_match(bytes, cidr->network.s6_addr, cidr->bits);
}

static bool
guard_opens(const struct address_guard *guard, const uint8_t bytes[16])
{
    for (size_t i = 0; i < guard->count; i++)
        if (cidr_holds_bytes(&guard->allowed[i], bytes))
            return true;
    return false;
}

static const char *
denied_in(const struct range *ranges, size_t count, const uint8_t *bytes)
{
    for (size_t i = 0; i < count; i++)
        if (bits_match(bytes, ranges[i].prefix, ranges[i].bits))
            return ranges[i].reason;
    return NULL;
}

static const char *
v4_denied(const struct address_guard *guard, const uint8_t v4[4])
{
    uint8_t mapped[16];

    memcpy(mapped, mapped_prefix, sizeof(mapped_prefix));
    memcpy(mapped + 12, v4, 4);
    if (guard_opens(guard, mapped))
        return NULL;
    return denied_in(denied_v4, COUNT_OF(denied_v4), v4);
}

/* ISATAP (RFC 5214) may stand under any prefix: it is told by the interface's half. */
static bool
is_isatap(const uint8_t bytes[16])
{
    static const uint8_t local[4] = {0x00, 0x00, 0x5e, 0xfe};
    static const uint8_t global[4] = {0x02, 0x00, 0x5e, 0xfe};

    return memcmp(bytes + 8, local, 4) == 0 || memcmp(bytes + 8, global, 4) == 0;
}

/* Why the IPv4 address inside may not be called; NULL when there is none or it may. */
static const char *
embedded_denied(const struct address_guard *guard, const uint8_t bytes[16])
{
    if (is_isatap(bytes)) {
        const char *reason = v4_denied(guard, bytes + 12);
        if (reason != NULL)
            return reason;
    }
    for (size_t i = 0; i < COUNT_OF(embeddings); i++) {
        const struct embedding *embedding = &embeddings[i];
        uint8_t v4[4];

        if (!bits_match(bytes, embedding->prefix, embedding->bits))
            continue;
        for (size_t j = 0; j < sizeof(v4); j++)
            v4[j] = bytes[embedding->offset + j] ^ embedding->inverted;
        const char *reason = v4_denied(guard, v4);
        if (reason != NULL)
            return reason;
    }
    return NULL;
}

static const char *
v6_denied(const struct address_guard *guard, const uint8_t bytes[16])
{
    const char *reason = denied_in(denied_v6, COUNT_OF(denied_v6), bytes);
    const char *inner;
    bool is_own = bits_match(bytes, denied_v6[0].prefix, denied_v6[0].bits) ||
                  bits_match(bytes, denied_v6[1].prefix, denied_v6[1].bits);

    /* :: and ::1 lie among the IPv4-compatible addresses but mean nothing else than themselves. */
    inner = is_own ? NULL : embedded_denied(guard, bytes);
    if (inner != NULL)
        return inner;
    if (guard_opens(guard, bytes))
        return NULL;
    if (reason == NULL && !bits_match(bytes, global_unicast.prefix, global_unicast.bits))
        return "reserved";
    return reason;
}

const char *
address_denied(const struct address_guard *guard, const struct address *address)
{
    uint8_t bytes[16];

    if (!address_bytes(address, bytes))
        return "of an unknown family";
    if (guard->allow_all)
        return NULL;
    return is_mapped(bytes) ? v4_denied(guard, bytes + 12) : v6_denied(guard, bytes);
}

bool
cidr_holds(const struct cidr *cidr, const struct address *address)
{
    uint8_t bytes[16];

    return address_bytes(address, bytes) && cidr_holds_bytes(cidr, bytes);
}

/* An IP address alone, of either family. */
static bool
ip_parse(struct str text, struct address *ret)
{
    char buffer[INET6_ADDRSTRLEN] = "";
    struct address address = {.len = 0};

    if (text.len == 0 || text.len >= sizeof(buffer) || memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    memcpy(buffer, text.ptr, text.len);
    if (inet_pton(AF_INET, buffer, &address.as.v4.sin_addr) == 1) {
        address.as.v4.sin_family = AF_INET;
        address.len = sizeof(address.as.v4);
    } else if (inet_pton(AF_INET6, buffer, &address.as.v6.sin6_addr) == 1) {
        address.as.v6.sin6_family = AF_INET6;
        address.len = sizeof(address.as.v6);
    } else {
        return false;
    }
    *ret = address;
    return true;
}

static bool
number_parse(struct str text, int64_t min, int64_t max, int64_t *ret)
{
    int64_t number = 0;

    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[0] == '0') ||
        str_to_int64(text, &number) != OK || number < min || number > max)
        return false;
    *ret = number;
    return true;
}

enum err
cidr_parse(struct str text, struct cidr *ret, struct error *reterr)
{
    size_t slash = str_find(text, '/', 0);
    struct address address = {.len = 0};
    struct cidr cidr = {.bits = 128};
    int64_t bits = 0;

    if (!ip_parse(str_slice(text, 0, slash), &address))
        return error_set(reterr, ERR_INVALID,
            "\"%.*s\" is not an address range; write it like 10.0.0.0/8 or fd00::/8.",
            (int)(text.len < 64 ? text.len : 64), text.len > 0 ? text.ptr : "");
    bool is_v4 = address.as.any.sa_family == AF_INET;
    if (slash != SIZE_MAX) {
        if (!number_parse(str_slice(text, slash + 1, SIZE_MAX), 0, is_v4 ? 32 : 128, &bits))
            return error_set(reterr, ERR_INVALID,
                "\"%.*s\": behind the '/' a number from 0 to %d must stand.", STR_FMT(text),
                is_v4 ? 32 : 128);
        cidr.bits = (unsigned)bits + (is_v4 ? MAPPED_BITS : 0);
    }
    (void)address_bytes(&address, cidr.network.s6_addr);

    for (unsigned i = cidr.bits; i < 128; i++)
        if (cidr.network.s6_addr[i / 8] & (0x80U >> (i % 8)))
            return error_set(reterr, ERR_INVALID,
                "\"%.*s\" has bits set behind its prefix of %lld; name the range by its first "
                "address.",
                STR_FMT(text), (long long)bits);
    *ret = cidr;
    return OK;
}

enum err
address_parse(struct str text, struct address *ret, struct error *reterr)
{
    struct address address = {.len = 0};
    struct str port = {NULL, 0};
    int64_t number = 0;
    bool is_ip;

    if (str_starts(text, STR("["))) {
        size_t end = str_find(text, ']', 0);

        is_ip = end != SIZE_MAX && ip_parse(str_slice(text, 1, end), &address) &&
                address.as.any.sa_family == AF_INET6;
        if (is_ip && end + 1 < text.len) {
            is_ip = text.ptr[end + 1] == ':';
            port = str_slice(text, end + 2, SIZE_MAX);
        }
        is_ip = is_ip && (end + 1 == text.len || port.len > 0);
    } else {
        size_t colon = str_find(text, ':', 0);
        bool has_port = colon != SIZE_MAX && str_find(text, ':', colon + 1) == SIZE_MAX;

        is_ip = ip_parse(has_port ? str_slice(text, 0, colon) : text, &address);
        if (has_port) {
            port = str_slice(text, colon + 1, SIZE_MAX);
            is_ip = is_ip && port.len > 0;
        }
    }
    if (!is_ip || (port.len > 0 && !number_parse(port, 0, UINT16_MAX, &number)))
        return error_set(reterr, ERR_INVALID,
            "\"%.*s\" is not an address; write it like 127.0.0.1:8080 or [::1]:8080.",
            (int)(text.len < 64 ? text.len : 64), text.len > 0 ? text.ptr : "");
    address_set_port(&address, (uint16_t)number);
    *ret = address;
    return OK;
}

void
address_format(const struct address *address, char ret_text[ADDRESS_TEXT_BYTES])
{
    char ip[INET6_ADDRSTRLEN] = "";
    bool is_v6 = address->as.any.sa_family == AF_INET6;
    uint16_t port = address_port(address);
    const void *bytes =
        is_v6 ? (const void *)&address->as.v6.sin6_addr : (const void *)&address->as.v4.sin_addr;

    CHECK(is_v6 || address->as.any.sa_family == AF_INET);
    CHECK(inet_ntop(address->as.any.sa_family, bytes, ip, sizeof(ip)) != NULL);
    if (port == 0)
        (void)snprintf(ret_text, ADDRESS_TEXT_BYTES, "%s", ip);
    else
        (void)snprintf(ret_text, ADDRESS_TEXT_BYTES, is_v6 ? "[%s]:%u" : "%s:%u", ip,
            (unsigned)port);
}

uint16_t
address_port(const struct address *address)
{
    return ntohs(
        address->as.any.sa_family == AF_INET6 ? address->as.v6.sin6_port : address->as.v4.sin_port);
}

void
address_set_port(struct address *address, uint16_t port)
{
    if (address->as.any.sa_family == AF_INET6)
        address->as.v6.sin6_port = htons(port);
    else
        address->as.v4.sin_port = htons(port);
}
