/* SPDX-License-Identifier: Apache-2.0 */
#include "net/url.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/limits.h"

/* RFC 1035 §2.3.4 */
#define HOST_BYTES_MAX  253
#define LABEL_BYTES_MAX 63

#define PORT_HTTP  80
#define PORT_HTTPS 443

/* What RFC 3986 lets stand in each part beside letters, digits and percent escapes. */
#define MARKS_USER_INFO "-._~!$&'()*+,;=:"
#define MARKS_TARGET    MARKS_USER_INFO "@/?"

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool
is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* The escape at s[at], which is_text_of has found whole. */
static unsigned
escape_value(struct str s, size_t at)
{
    unsigned value = 0;

    for (size_t i = at + 1; i <= at + 2; i++) {
        char c = s.ptr[i];
        unsigned digit = (unsigned)(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
        value = value * 16 + digit;
    }
    return value;
}

/* Letters, digits, marks and whole percent escapes. */
static enum err
check_characters(struct str s, const char *marks, const char *part, struct error *reterr)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (is_letter(c) || is_digit(c) || is_one_of(c, marks))
            continue;
        if (c != '%')
            return error_set(reterr, ERR_INVALID,
                "The URL's %s holds '%c', which must be written as %%%02X.", part, c,
                (unsigned)(unsigned char)c);
        if (s.len - i < 3 || !is_hex(s.ptr[i + 1]) || !is_hex(s.ptr[i + 2]))
            return error_set(reterr, ERR_INVALID,
                "The URL's %s holds a '%%' without two hex digits; write %%25 for the sign itself.",
                part);
        i += 2;
    }
    return OK;
}

/* What no part of a URL may hold, so that each gets a sentence of its own. */
static enum err
check_bytes(struct str text, struct error *reterr)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c == ' ' || (c >= '\t' && c <= '\r'))
            return error_set(reterr, ERR_INVALID,
                "The URL holds white space at byte %zu; remove it or write it as %%%02X.", i,
                (unsigned)c);
        if (c < 0x20 || c == 0x7f)
            return error_set(reterr, ERR_INVALID, "The URL holds a control character at byte %zu.",
                i);
        if (c >= 0x80)
            return error_set(reterr, ERR_INVALID,
                "The URL holds a character beyond ASCII at byte %zu; write the host as punycode "
                "(xn--...) and everything else percent-encoded.",
                i);
        if (c == '\\')
            return error_set(reterr, ERR_INVALID,
                "The URL holds a backslash; URLs are written with '/'.");
        if (c == '#')
            return error_set(reterr, ERR_INVALID,
                "The URL has a fragment ('#...'), which is never sent; remove it.");
    }
    return OK;
}

static enum err
parse_scheme(struct str *rest, struct url *url, struct error *reterr)
{
    size_t colon = str_find(*rest, ':', 0);
    struct str scheme = str_slice(*rest, 0, colon);

    if (colon == SIZE_MAX || !str_starts(str_slice(*rest, colon, SIZE_MAX), STR("://")))
        return error_set(reterr, ERR_INVALID,
            "The URL must begin with \"https://\" or \"http://\".");
    if (str_equals_nocase(scheme, STR("https")))
        url->is_tls = true;
    else if (!str_equals_nocase(scheme, STR("http")))
        return error_set(reterr, ERR_INVALID,
            "The URL's scheme must be https or http, not \"%.*s\".",
            (int)(scheme.len < 32 ? scheme.len : 32), scheme.ptr);
    *rest = str_slice(*rest, colon + 3, SIZE_MAX);
    return OK;
}

/* Basic credentials cannot carry control characters, and a colon ends the user's name. */
static enum err
check_user_info(struct str info, struct error *reterr)
{
    enum err err = check_characters(info, MARKS_USER_INFO, "user info", reterr);
    bool is_name = true;

    if (err != OK)
        return err;
    if (info.len == 0)
        return error_set(reterr, ERR_INVALID,
            "The URL has an '@' but no user name before it; remove the '@'.");
    for (size_t i = 0; i < info.len; i++) {
        if (info.ptr[i] == ':')
            is_name = false;
        if (info.ptr[i] != '%')
            continue;
        unsigned value = escape_value(info, i);
        if (value < 0x20 || value == 0x7f)
            return error_set(reterr, ERR_INVALID,
                "The URL's user info holds an escaped control character, which Basic "
                "authentication cannot carry.");
        if (value == ':' && is_name)
            return error_set(reterr, ERR_INVALID,
                "The URL's user name holds an escaped colon, which Basic authentication cannot "
                "carry.");
    }
    return OK;
}

static enum err
parse_user_info(struct str *authority, struct url *url, struct error *reterr)
{
    size_t at = str_find(*authority, '@', 0);

    if (at == SIZE_MAX)
        return OK;
    if (str_find(*authority, '@', at + 1) != SIZE_MAX)
        return error_set(reterr, ERR_INVALID,
            "The URL has a second '@' before its path; write it as %%40.");
    url->user_info = str_slice(*authority, 0, at);
    *authority = str_slice(*authority, at + 1, SIZE_MAX);
    return check_user_info(url->user_info, reterr);
}

static enum err
parse_port(struct str text, struct url *url, struct error *reterr)
{
    int64_t port = 0;

    if (text.len == 0 || text.len > 5 || text.ptr[0] == '0' || text.ptr[0] == '-' ||
        str_to_int64(text, &port) != OK || port > UINT16_MAX)
        return error_set(reterr, ERR_INVALID,
            "The URL's port must be a plain number from 1 to 65535, or be left out with its "
            "colon.");
    url->port = (uint16_t)port;
    return OK;
}

/* The canonical form, so that one address has one spelling. */
static enum err
parse_ipv6(struct str text, struct arena *arena, struct url *url, struct error *reterr)
{
    char buffer[INET6_ADDRSTRLEN] = "";
    struct in6_addr ip;

    if (str_find(text, '%', 0) != SIZE_MAX)
        return error_set(reterr, ERR_INVALID,
            "The URL's IPv6 address names a network interface ('%%...'); leave that out.");
    if (text.len < sizeof(buffer))
        memcpy(buffer, text.ptr, text.len);
    if (text.len >= sizeof(buffer) || strlen(buffer) != text.len ||
        inet_pton(AF_INET6, buffer, &ip) != 1 ||
        inet_ntop(AF_INET6, &ip, buffer, sizeof(buffer)) == NULL)
        return error_set(reterr, ERR_INVALID,
            "The URL's host in brackets is not an IPv6 address like [2001:db8::1].");
    url->host = arena_copy(arena, str_from(buffer));
    url->is_host_ipv6 = true;
    return OK;
}

/* A last label of this form makes inet_aton and browsers read the whole host as a number. */
static bool
is_numeric_label(struct str label)
{
    size_t i = 0;
    bool is_hexadecimal = label.len >= 2 && label.ptr[0] == '0' && (label.ptr[1] | 0x20) == 'x';

    if (is_hexadecimal)
        i = 2;
    for (; i < label.len; i++)
        if (is_hexadecimal ? !is_hex(label.ptr[i]) : !is_digit(label.ptr[i]))
            return false;
    return true;
}

static bool
is_plain_ipv4(struct str text)
{
    char buffer[INET_ADDRSTRLEN] = "";
    char again[INET_ADDRSTRLEN] = "";
    struct in_addr ip;

    if (text.len >= sizeof(buffer))
        return false;
    memcpy(buffer, text.ptr, text.len);
    return inet_pton(AF_INET, buffer, &ip) == 1 &&
           inet_ntop(AF_INET, &ip, again, sizeof(again)) != NULL && strcmp(buffer, again) == 0;
}

static enum err
check_label(struct str label, struct error *reterr)
{
    if (label.len == 0)
        return error_set(reterr, ERR_INVALID, "The URL's host has an empty part between dots.");
    if (label.len > LABEL_BYTES_MAX)
        return error_set(reterr, ERR_INVALID,
            "A part of the URL's host is longer than %d characters.", LABEL_BYTES_MAX);
    if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
        return error_set(reterr, ERR_INVALID,
            "A part of the URL's host begins or ends with '-', which no name may.");
    for (size_t i = 0; i < label.len; i++) {
        char c = label.ptr[i];

        if (c == '%')
            return error_set(reterr, ERR_INVALID,
                "The URL's host is percent-encoded; write it as it is, or as punycode (xn--...).");
        if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_')
            return error_set(reterr, ERR_INVALID,
                "The URL's host holds '%c'; only letters, digits, '-', '_' and dots may stand "
                "there.",
                c);
    }
    return OK;
}

static enum err
parse_name(struct str text, struct arena *arena, struct url *url, struct error *reterr)
{
    struct str name = text;
    struct str rest;
    struct str label = {NULL, 0};

    if (text.len == 0)
        return error_set(reterr, ERR_INVALID, "The URL has no host.");
    if (name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len > HOST_BYTES_MAX)
        return error_set(reterr, ERR_INVALID, "The URL's host is longer than %d characters.",
            HOST_BYTES_MAX);
    rest = name;
    while (str_split(&rest, '.', &label)) {
        enum err err = check_label(label, reterr);
        if (err != OK)
            return err;
    }
    if (is_numeric_label(label)) {
        if (name.len != text.len || !is_plain_ipv4(name))
            return error_set(reterr, ERR_INVALID,
                "The URL's host looks like an IPv4 address; write it as four plain decimal "
                "numbers like 192.0.2.1, without a dot behind.");
        url->is_host_ipv4 = true;
    }
    char *copy = arena_alloc(arena, name.len + 1);
    if (copy == NULL)
        return OK; /* the arena keeps the mark; url_parse asks once */
    for (size_t i = 0; i < name.len; i++)
        copy[i] =
            (char)(name.ptr[i] >= 'A' && name.ptr[i] <= 'Z' ? name.ptr[i] | 0x20 : name.ptr[i]);
    url->host = (struct str){copy, name.len};
    return OK;
}

static enum err
parse_host_and_port(struct str authority, struct arena *arena, struct url *url,
    struct error *reterr)
{
    struct str rest;
    enum err err;

    if (str_starts(authority, STR("["))) {
        size_t end = str_find(authority, ']', 0);

        if (end == SIZE_MAX)
            return error_set(reterr, ERR_INVALID,
                "The URL's IPv6 address lacks its closing bracket.");
        err = parse_ipv6(str_slice(authority, 1, end), arena, url, reterr);
        rest = str_slice(authority, end + 1, SIZE_MAX);
        if (err == OK && rest.len > 0 && rest.ptr[0] != ':')
            return error_set(reterr, ERR_INVALID,
                "Behind the URL's IPv6 address only ':' and a port may follow.");
    } else {
        size_t colon = str_find(authority, ':', 0);

        err = parse_name(str_slice(authority, 0, colon), arena, url, reterr);
        rest = colon == SIZE_MAX ? STR("") : str_slice(authority, colon, SIZE_MAX);
    }
    if (err != OK)
        return err;

    uint16_t port_default = url->is_tls ? PORT_HTTPS : PORT_HTTP;
    url->port = port_default;
    if (rest.len > 0) {
        err = parse_port(str_slice(rest, 1, SIZE_MAX), url, reterr);
        if (err != OK)
            return err;
    }
    url->is_port_default = url->port == port_default;
    return OK;
}

/* Where the authority ends: at the first '/' or '?'. */
static size_t
authority_len(struct str rest)
{
    size_t len = 0;

    while (len < rest.len && rest.ptr[len] != '/' && rest.ptr[len] != '?')
        len++;
    return len;
}

enum err
url_parse(struct str text, struct arena *arena, struct url *ret, struct error *reterr)
{
    struct url url = {.is_tls = false};
    struct str rest = text;
    enum err err;

    if (text.len == 0)
        return error_set(reterr, ERR_INVALID, "The URL is empty.");
    if (text.len > URL_BYTES_MAX)
        return error_set(reterr, ERR_INVALID, "The URL is longer than %d bytes.", URL_BYTES_MAX);
    if ((err = check_bytes(text, reterr)) != OK || (err = parse_scheme(&rest, &url, reterr)) != OK)
        return err;

    size_t len = authority_len(rest);
    struct str authority = str_slice(rest, 0, len);
    struct str target = str_slice(rest, len, SIZE_MAX);
    if ((err = parse_user_info(&authority, &url, reterr)) != OK ||
        (err = parse_host_and_port(authority, arena, &url, reterr)) != OK ||
        (err = check_characters(target, MARKS_TARGET, "path or query", reterr)) != OK)
        return err;

    bool needs_slash = target.len == 0 || target.ptr[0] == '?';
    url.target = arena_printf(arena, "%s%.*s", needs_slash ? "/" : "", STR_FMT(target));
    if (url.user_info.ptr != NULL)
        url.user_info = arena_copy(arena, url.user_info);
    if (arena_is_full(arena))
        return error_set(reterr, ERR_NOMEM, "There is no memory for the URL.");
    *ret = url;
    return OK;
}

void
url_append_authority(const struct url *url, struct buf *buf)
{
    if (url->is_host_ipv6)
        buf_append_char(buf, '[');
    buf_append_str(buf, url->host);
    if (url->is_host_ipv6)
        buf_append_char(buf, ']');
    if (!url->is_port_default) {
        buf_append_char(buf, ':');
        buf_append_int(buf, url->port);
    }
}

void
url_append_public(const struct url *url, struct buf *buf)
{
    buf_append_str(buf, url->is_tls ? STR("https://") : STR("http://"));
    url_append_authority(url, buf);
    buf_append_str(buf, url->target);
}

static void
buf_wipe(struct buf *buf)
{
    if (buf->ptr != NULL)
        wipe(buf->ptr, buf->capacity);
    buf_done(buf);
}

enum err
url_append_basic(const struct url *url, struct buf *buf)
{
    CLEANUP(buf_wipe) struct buf plain;
    enum err err;

    /* One allocation of the final size, so that no copy of the secret is left behind. */
    buf_init(&plain, URL_BYTES_MAX + 1);
    if (url->user_info.ptr == NULL)
        return OK;
    if (buf_reserve(&plain, url->user_info.len + 1) == NULL)
        return ERR_NOMEM;
    err = percent_decode(url->user_info, &plain);
    if (err != OK)
        return err;
    if (str_find(url->user_info, ':', 0) == SIZE_MAX)
        buf_append_char(&plain, ':');
    if (buf_is_full(&plain))
        return ERR_LIMIT;
    buf_append_literal(buf, "Basic ");
    base64_append(buf, plain.ptr, plain.len);
    return buf_is_full(buf) ? ERR_LIMIT : OK;
}
