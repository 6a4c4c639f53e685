/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whatever stands in the fields: who is no proxy is taken for who it is; and what a caller puts in
 * front of what the proxies wrote never changes whom they are taken to have seen.
 */
#include "receive/peer.h"

#include <string.h>

#include "base/buf.h"
#include "base/check.h"

#define FIELDS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
is_same(const struct address *a, const struct address *b)
{
    char a_text[ADDRESS_TEXT_BYTES];
    char b_text[ADDRESS_TEXT_BYTES];

    address_format(a, a_text);
    address_format(b, b_text);
    return strcmp(a_text, b_text) == 0;
}

static bool
holds_quote(struct str text)
{
    return str_find(text, '"', 0) != SIZE_MAX;
}

/* Lines: "X" and a value of X-Forwarded-For, anything else and one of Forwarded. */
static size_t
read_fields(struct str input, struct http_field fields[FIELDS_MAX])
{
    size_t count = 0;
    struct str line;

    while (count < FIELDS_MAX && str_split(&input, '\n', &line)) {
        bool is_list = line.len > 0 && line.ptr[0] == 'X';

        fields[count].name = is_list ? STR("X-Forwarded-For") : STR("Forwarded");
        fields[count].value = str_trim(str_slice(line, 1, line.len));
        count++;
    }
    return count;
}

static void
check_forged(const struct http_head *head, const struct address *proxy, const struct cidr *proxies,
    struct http_field *first)
{
    struct address before = peer_find(head, proxy, proxies, 1);
    struct buf longer;
    struct address after;

    /* Where the proxies named nobody there was nothing to be in front of. */
    if (cidr_holds(proxies, &before))
        return;
    buf_init(&longer, 1 << 22);
    buf_append_literal(&longer, "192.0.2.66, for=192.0.2.66, 10.6.6.6, ");
    buf_append_str(&longer, first->value);
    first->value = buf_str(&longer);
    after = peer_find(head, proxy, proxies, 1);
    CHECK(is_same(&before, &after));
    buf_done(&longer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = {(const char *)data, size};
    struct http_field fields[FIELDS_MAX];
    struct http_head head = {.fields = fields, .field_count = read_fields(input, fields)};
    struct address stranger;
    struct address proxy;
    struct address peer;
    struct cidr proxies;

    CHECK(address_parse(STR("203.0.113.1:80"), &stranger, NULL) == OK);
    CHECK(address_parse(STR("10.0.0.1:80"), &proxy, NULL) == OK);
    CHECK(cidr_parse(STR("10.0.0.0/8"), &proxies, NULL) == OK);
    peer = peer_find(&head, &stranger, &proxies, 1);
    CHECK(is_same(&peer, &stranger));
    /* A quote that is not closed reaches over commas. */
    if (head.field_count > 0 && !holds_quote(fields[0].value))
        check_forged(&head, &proxy, &proxies, &fields[0]);
    return 0;
}
