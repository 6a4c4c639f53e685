/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A denied IPv4 address is denied in every dress, whatever the operator has opened: none may lead
 * to where the plain one does not. And what parses as an address or a range prints or holds what
 * it was.
 *
 * The input: 4 bytes of IPv4, 12 bytes to put around it, then ranges to open, one a line.
 */
#include "net/address.h"

#include <string.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct address
address_v6(const uint8_t bytes[16])
{
    struct address address = {.len = sizeof(address.as.v6)};

    address.as.v6.sin6_family = AF_INET6;
    memcpy(&address.as.v6.sin6_addr, bytes, 16);
    return address;
}

static void
check_dresses(const struct address_guard *guard, const uint8_t v4[4], const uint8_t around[12])
{
    static const struct {
        size_t prefix_len;
        size_t offset;
        uint8_t prefix[12];
        uint8_t inverted;
    } dresses[] = {
        {12, 12, {[10] = 0xff, [11] = 0xff}, 0},
        {12, 12, {0}, 0},
        {12, 12, {0x00, 0x64, 0xff, 0x9b}, 0},
        {6, 12, {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 0},
        {2, 2, {0x20, 0x02}, 0},
        {4, 4, {0x20, 0x01, 0x00, 0x00}, 0},
        {4, 12, {0x20, 0x01, 0x00, 0x00}, 0xff},
    };

    for (size_t i = 0; i < COUNT_OF(dresses); i++) {
        uint8_t bytes[16];

        memcpy(bytes, around, 12);
        memcpy(bytes + 12, around, 4);
        memcpy(bytes, dresses[i].prefix, dresses[i].prefix_len);
        for (size_t j = 0; j < 4; j++)
            bytes[dresses[i].offset + j] = v4[j] ^ dresses[i].inverted;
        /* :: and ::1 are addresses of their own. */
        if (i == 1 && v4[0] == 0 && v4[1] == 0 && v4[2] == 0 && v4[3] <= 1)
            continue;
        struct address dressed = address_v6(bytes);
        CHECK(address_denied(guard, &dressed) != NULL);
    }

    /* ISATAP under any prefix. An IPv4-mapped one cannot be: its middle is fixed. */
    uint8_t isatap[16];
    memcpy(isatap, around, 8);
    memcpy(isatap + 8, (const uint8_t[]){around[8] & 0x02, 0x00, 0x5e, 0xfe}, 4);
    memcpy(isatap + 12, v4, 4);
    struct address dressed = address_v6(isatap);
    CHECK(address_denied(guard, &dressed) != NULL);
}

static void
check_text(struct str text)
{
    struct address address;
    struct address again;
    char printed[ADDRESS_TEXT_BYTES];

    if (address_parse(text, &address, NULL) != OK)
        return;
    address_format(&address, printed);
    CHECK(address_parse(str_from(printed), &again, NULL) == OK);
    CHECK(again.len == address.len);
    CHECK(memcmp(&again.as, &address.as, again.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct address_guard guard = {.count = 0};
    struct address plain = {.len = sizeof(plain.as.v4)};
    struct str rest;
    struct str line;

    if (size < 16)
        return 0;
    rest = (struct str){(const char *)data + 16, size - 16};
    while (guard.count < CIDR_MAX && str_split(&rest, '\n', &line)) {
        check_text(line);
        if (cidr_parse(line, &guard.allowed[guard.count], NULL) == OK)
            guard.count++;
    }
    plain.as.v4.sin_family = AF_INET;
    memcpy(&plain.as.v4.sin_addr, data, 4);
    if (address_denied(&guard, &plain) != NULL)
        check_dresses(&guard, data, data + 4);
    return 0;
}
