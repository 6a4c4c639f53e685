/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/peer.h"

#include <string.h>

/* Proxies in a row that are looked at. */
#define HOPS_MAX 16

static bool
is_proxy(const struct address *address, const struct cidr *proxies, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (cidr_holds(&proxies[i], address))
            return true;
    return false;
}

/* --- the fields, from right to left ----------------------------------------------------------- */

/* Commas between quotes do not count. *rest: what is left of it, absent at the end. */
static struct str
take_last(struct str *rest)
{
    size_t at = rest->len;
    bool is_quoted = false;
    struct str last;

    while (at > 0 && (is_quoted || rest->ptr[at - 1] != ',')) {
        if (rest->ptr[at - 1] == '"')
            is_quoted = !is_quoted;
        at--;
    }
    last = str_trim(str_slice(*rest, at, rest->len));
    *rest = at > 0 ? str_slice(*rest, 0, at - 1) : (struct str){NULL, 0};
    return last;
}

/* The next list element of all fields of that name, the last first; false when there is none. */
struct walk {
    const struct http_head *head;
    struct str name;
    size_t field; /* those below it are to come */
    struct str rest;
};

static bool
walk_next(struct walk *walk, struct str *ret)
{
    while (walk->rest.ptr == NULL) {
        if (walk->field == 0)
            return false;
        walk->field--;
        if (str_equals_nocase(walk->head->fields[walk->field].name, walk->name))
            walk->rest = walk->head->fields[walk->field].value;
    }
    *ret = take_last(&walk->rest);
    return true;
}

/* "for=…" of an element of Forwarded, without its quotes; absent when there is none. */
static struct str
forwarded_for(struct str element)
{
    struct str pair;

    while (str_split(&element, ';', &pair)) {
        size_t equals = str_find(pair, '=', 0);
        struct str value;

        if (equals == SIZE_MAX ||
            !str_equals_nocase(str_trim(str_slice(pair, 0, equals)), STR("for")))
            continue;
        value = str_trim(str_slice(pair, equals + 1, pair.len));
        if (value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"')
            value = str_slice(value, 1, value.len - 1);
        return value;
    }
    return (struct str){NULL, 0};
}

/* "[2001:db8::1]", as Forwarded has it without a port. */
static struct str
without_brackets(struct str text)
{
    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        return str_slice(text, 1, text.len - 1);
    return text;
}

/* Back over the proxies to the first that is none; where the way is lost, the last one known. */
static struct address
trace(struct walk *walk, bool is_forwarded, const struct cidr *proxies, size_t proxy_count,
    struct address from)
{
    struct str element;

    for (unsigned i = 0; i < HOPS_MAX && walk_next(walk, &element); i++) {
        struct str text = is_forwarded ? forwarded_for(element) : element;
        struct address address;

        if (address_parse(without_brackets(text), &address, NULL) != OK)
            return from;
        address_set_port(&address, 0);
        from = address;
        if (!is_proxy(&address, proxies, proxy_count))
            return from;
    }
    return from;
}

static bool
is_same(const struct address *a, const struct address *b)
{
    char a_text[ADDRESS_TEXT_BYTES];
    char b_text[ADDRESS_TEXT_BYTES];

    address_format(a, a_text);
    address_format(b, b_text);
    return strcmp(a_text, b_text) == 0;
}

struct address
peer_find(const struct http_head *head, const struct address *connected, const struct cidr *proxies,
    size_t proxy_count)
{
    struct walk by_list = {head, STR("x-forwarded-for"), head->field_count, {NULL, 0}};
    struct walk by_forwarded = {head, STR("forwarded"), head->field_count, {NULL, 0}};
    struct address proxy = *connected;
    struct address listed;
    struct address forwarded;

    if (!is_proxy(connected, proxies, proxy_count))
        return *connected;
    address_set_port(&proxy, 0);
    listed = trace(&by_list, false, proxies, proxy_count, proxy);
    forwarded = trace(&by_forwarded, true, proxies, proxy_count, proxy);
    if (http_head_field(head, STR("forwarded")).ptr == NULL)
        return listed;
    if (http_head_field(head, STR("x-forwarded-for")).ptr == NULL || is_same(&listed, &forwarded))
        return forwarded;
    return proxy;
}
