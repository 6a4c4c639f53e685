/* SPDX-License-Identifier: Apache-2.0 */
#include "net/resolver.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/list.h"
#include "os/files.h"
#include "os/log.h"

#define RESOLVING_MAGIC 0x7e501f1dU

/* RFC 1035 §2.3.4; one dot may follow. */
#define NAME_BYTES_MAX  253
#define LABEL_BYTES_MAX 63

/* Thousands of entries; more is no hosts file. */
#define HOSTS_BYTES_MAX (1024 * 1024)

/* Three packets, two seconds apart: one may be lost, and a name server that is gone costs two
 * seconds before the next is asked. */
#define TRIES      "3"
#define TRY_TIME_S "2"

/* A question is two packets, A and AAAA. */
#define PACKETS_MAX "2048"
_Static_assert(RESOLVER_QUESTIONS_MAX * 2 == 2048, "PACKETS_MAX must follow");

/* With addresses of one family in hand the other one gets this long; some name servers never
 * answer AAAA. */
static const struct timeval second_family_wait = {.tv_sec = 0, .tv_usec = 500 * 1000};

enum family { FAMILY_V4, FAMILY_V6, FAMILIES };

struct resolver {
    struct loop *loop;        /* borrowed: outlives us */
    char *nameserver;         /* owned; NULL: those of /etc/resolv.conf */
    struct evdns_base *evdns; /* owned; exists while evdns has questions of ours */
    struct list questions;    /* of struct resolving, by link */
    size_t question_count;
    size_t evdns_count; /* questions among them that evdns works on */
};

struct resolving {
    unsigned magic;
    struct resolver *resolver; /* borrowed; not to be touched once is_over */
    struct link link;
    struct event *ready; /* owned: an answer known at once, or the wait for the second family */
    struct evdns_request *requests[FAMILIES]; /* evdns' own; NULL once it called back */
    unsigned callbacks_due;                   /* evdns still holds our pointer this many times */
    bool is_asking_evdns;
    bool is_over;
    uint16_t port;
    void (*done)(const struct resolved *resolved, void *arg);
    void *arg;
    struct resolved resolved;
};

/* What evdns has to say would else go to standard error in a form of its own. */
static void
on_evdns_log(int is_warning, const char *text)
{
    (void)is_warning;
    log_debug("resolver.noted", log_text("text", text));
}

static void
evdns_log_set(void)
{
    evdns_set_log_fn(on_evdns_log);
}

enum err
resolver_new(struct loop *loop, const char *nameserver, struct resolver **ret, struct error *reterr)
{
    static pthread_once_t log_once = PTHREAD_ONCE_INIT;
    struct resolver *resolver = NULL;
    struct address address;

    CHECK(pthread_once(&log_once, evdns_log_set) == 0);
    if (nameserver != NULL) {
        enum err err = address_parse(str_from(nameserver), &address, reterr);
        if (err != OK)
            return error_prefix(reterr, "name server");
    }
    resolver = calloc(1, sizeof(*resolver));
    if (resolver == NULL)
        return error_set(reterr, ERR_NOMEM, "resolver: out of memory");
    resolver->loop = loop;
    list_init(&resolver->questions);
    if (nameserver != NULL) {
        resolver->nameserver = strdup(nameserver);
        if (resolver->nameserver == NULL) {
            free(resolver);
            return error_set(reterr, ERR_NOMEM, "resolver: out of memory");
        }
    }
    *ret = resolver;
    return OK;
}

void
resolver_free(struct resolver *resolver)
{
    if (resolver == NULL)
        return;
    CHECK(list_is_empty(&resolver->questions));
    CHECK(resolver->evdns == NULL);
    free(resolver->nameserver);
    free(resolver);
}

/*
 * evdns lives only while it has something to ask. So an idle loop holds no socket and no timer of
 * it; each burst of questions comes from fresh source ports, reads resolv.conf again, and begins
 * without the memory of which server failed (which evdns would mend by asking for google.com).
 */
static bool
evdns_open(struct resolver *resolver)
{
    static const char *const options[][2] = {
        {"timeout:", TRY_TIME_S},
        {"attempts:", TRIES},
        {"max-inflight:", PACKETS_MAX},
        /* No hourly probe in the middle of an endless burst either, or as seldom as can be. */
        {"initial-probe-timeout:", "3600"},
        /* Random case guards nothing here: with it this evdns compares names without case, and
         * some name servers stumble over it. Without it the comparison is exact. */
        {"randomize-case:", "0"},
    };
    struct evdns_base *evdns;
    bool is_good = true;

    if (resolver->evdns != NULL)
        return true;
    evdns = evdns_base_new(loop_base(resolver->loop), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (evdns == NULL)
        return false;
    for (size_t i = 0; i < COUNT_OF(options); i++)
        is_good = is_good && evdns_base_set_option(evdns, options[i][0], options[i][1]) == 0;
    if (resolver->nameserver != NULL)
        is_good = is_good && evdns_base_nameserver_ip_add(evdns, resolver->nameserver) == 0;
    else
        (void)evdns_base_resolv_conf_parse(evdns, DNS_OPTION_NAMESERVERS, "/etc/resolv.conf");
    if (is_good && evdns_base_count_nameservers(evdns) == 0)
        is_good = evdns_base_nameserver_ip_add(evdns, "127.0.0.1") == 0;
    if (!is_good) {
        evdns_base_free(evdns, 0);
        return false;
    }
    resolver->evdns = evdns;
    return true;
}

static void
resolving_free_if_unheld(struct resolving *resolving)
{
    if (!resolving->is_over || resolving->callbacks_due > 0)
        return;
    event_free(resolving->ready);
    resolving->magic = 0;
    free(resolving);
}

/* Out of the resolver's hands; what evdns still owes comes back to on_evdns, which frees it. */
static void
resolving_end(struct resolving *resolving)
{
    struct resolver *resolver = resolving->resolver;

    CHECK(!resolving->is_over);
    resolving->is_over = true;
    (void)event_del(resolving->ready);
    link_remove(&resolving->link);
    resolver->question_count--;
    if (!resolving->is_asking_evdns)
        return;
    for (size_t i = 0; i < FAMILIES; i++)
        if (resolving->requests[i] != NULL)
            evdns_cancel_request(resolver->evdns, resolving->requests[i]);
    if (--resolver->evdns_count == 0) {
        evdns_base_free(resolver->evdns, 0);
        resolver->evdns = NULL;
    }
}

static void
resolving_finish(struct resolving *resolving)
{
    resolving_end(resolving);
    if (resolving->resolved.count > 0)
        resolving->resolved.err = OK;
    resolving->done(&resolving->resolved, resolving->arg);
    resolving_free_if_unheld(resolving);
}

void
resolving_cancel(struct resolving *resolving)
{
    CHECK(resolving->magic == RESOLVING_MAGIC);
    resolving_end(resolving);
    resolving_free_if_unheld(resolving);
}

static void
on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct resolving *resolving = arg;

    (void)fd;
    (void)what;
    CHECK(resolving->magic == RESOLVING_MAGIC);
    resolving_finish(resolving);
}

static void
add_address(struct resolving *resolving, int family, const void *bytes)
{
    struct resolved *resolved = &resolving->resolved;
    struct address *address = &resolved->addresses[resolved->count];

    if (resolved->count == RESOLVED_MAX)
        return;
    *address = (struct address){.len = 0};
    if (family == AF_INET) {
        address->as.v4.sin_family = AF_INET;
        memcpy(&address->as.v4.sin_addr, bytes, sizeof(address->as.v4.sin_addr));
        address->len = sizeof(address->as.v4);
    } else {
        address->as.v6.sin6_family = AF_INET6;
        memcpy(&address->as.v6.sin6_addr, bytes, sizeof(address->as.v6.sin6_addr));
        address->len = sizeof(address->as.v6);
    }
    address_set_port(address, resolving->port);
    resolved->count++;
}

static bool
add_literal(struct resolving *resolving, const char *text)
{
    uint8_t bytes[sizeof(struct in6_addr)];

    for (int i = 0; i < 2; i++) {
        int family = i == 0 ? AF_INET : AF_INET6;

        if (inet_pton(family, text, bytes) == 1) {
            add_address(resolving, family, bytes);
            return true;
        }
    }
    return false;
}

static bool
add_loopback(struct resolving *resolving, struct str name)
{
    if (!str_equals_nocase(name, STR("localhost")) &&
        (name.len < 10 ||
            !str_equals_nocase(str_slice(name, name.len - 10, SIZE_MAX), STR(".localhost"))))
        return false;
    return add_literal(resolving, "::1") && add_literal(resolving, "127.0.0.1");
}

/* The next word of a line; absent at its end. */
static struct str
next_word(struct str *line)
{
    size_t from = 0;
    size_t to;
    struct str word;

    while (from < line->len && (line->ptr[from] == ' ' || line->ptr[from] == '\t'))
        from++;
    to = from;
    while (to < line->len && line->ptr[to] != ' ' && line->ptr[to] != '\t')
        to++;
    word = str_slice(*line, from, to);
    *line = str_slice(*line, to, SIZE_MAX);
    return word;
}

static void
add_from_hosts_line(struct resolving *resolving, struct str line, struct str name)
{
    char text[INET6_ADDRSTRLEN];
    struct str address;

    line = str_trim(str_slice(line, 0, str_find(line, '#', 0)));
    address = next_word(&line);
    for (struct str word = next_word(&line); word.len > 0; word = next_word(&line)) {
        if (!str_equals_nocase(word, name))
            continue;
        if (snprintf(text, sizeof(text), "%.*s", STR_FMT(address)) < (int)sizeof(text))
            (void)add_literal(resolving, text);
        return;
    }
}

/* Read each time, like libc does: it is small, and asking is rare beside posting. */
static bool
add_from_hosts(struct resolving *resolving, struct str name)
{
    CLEANUP(buf_done) struct buf text;
    struct str rest;
    struct str line;

    buf_init(&text, HOSTS_BYTES_MAX);
    if (file_read("/etc/hosts", &text, NULL) != OK)
        return false;
    rest = buf_str(&text);
    while (str_split(&rest, '\n', &line))
        add_from_hosts_line(resolving, line, name);
    return resolving->resolved.count > 0;
}

static enum err
err_from_evdns(int result)
{
    return result == DNS_ERR_NOTEXIST || result == DNS_ERR_NODATA ? ERR_NOT_FOUND : ERR_IO;
}

static void
on_answer(struct resolving *resolving, enum family family, int result, int count,
    const void *addresses)
{
    size_t size = family == FAMILY_V4 ? sizeof(struct in_addr) : sizeof(struct in6_addr);

    CHECK(resolving->magic == RESOLVING_MAGIC);
    resolving->callbacks_due--;
    resolving->requests[family] = NULL;
    if (resolving->is_over) {
        resolving_free_if_unheld(resolving);
        return;
    }
    if (result == DNS_ERR_NONE) {
        /* Half the room for each family, so that neither crowds the other out. */
        for (int i = 0; i < count && i < RESOLVED_MAX / 2; i++)
            add_address(resolving, family == FAMILY_V4 ? AF_INET : AF_INET6,
                (const char *)addresses + (size_t)i * size);
    } else if (err_from_evdns(result) == ERR_IO) {
        /* "No answer" outweighs "no such address": it may be there next time. */
        resolving->resolved.err = ERR_IO;
    }
    if (resolving->callbacks_due == 0)
        resolving_finish(resolving);
    else if (resolving->resolved.count > 0)
        CHECK(event_add(resolving->ready, &second_family_wait) == 0);
}

static void
on_ipv4(int result, char type, int count, int ttl, void *addresses, void *arg)
{
    (void)type;
    (void)ttl;
    on_answer(arg, FAMILY_V4, result, count, addresses);
}

static void
on_ipv6(int result, char type, int count, int ttl, void *addresses, void *arg)
{
    (void)type;
    (void)ttl;
    on_answer(arg, FAMILY_V6, result, count, addresses);
}

static enum err
ask_evdns(struct resolving *resolving, const char *name)
{
    struct resolver *resolver = resolving->resolver;

    if (!evdns_open(resolver))
        return ERR_NOMEM;
    resolving->is_asking_evdns = true;
    resolver->evdns_count++;
    resolving->requests[FAMILY_V4] =
        evdns_base_resolve_ipv4(resolver->evdns, name, DNS_QUERY_NO_SEARCH, on_ipv4, resolving);
    resolving->requests[FAMILY_V6] =
        evdns_base_resolve_ipv6(resolver->evdns, name, DNS_QUERY_NO_SEARCH, on_ipv6, resolving);
    for (size_t i = 0; i < FAMILIES; i++)
        resolving->callbacks_due += resolving->requests[i] != NULL;
    return resolving->callbacks_due > 0 ? OK : ERR_INVALID;
}

static bool
is_name(struct str name)
{
    struct str label;

    if (name.len == 0 || name.len > NAME_BYTES_MAX || memchr(name.ptr, '\0', name.len) != NULL)
        return false;
    while (str_split(&name, '.', &label))
        if (label.len == 0 || label.len > LABEL_BYTES_MAX)
            return false;
    return true;
}

enum err
resolver_ask(struct resolver *resolver, struct str host, uint16_t port,
    void (*done)(const struct resolved *resolved, void *arg), void *arg, struct resolving **ret)
{
    char text[NAME_BYTES_MAX + 1];
    struct str name = host;
    struct resolving *resolving;
    enum err err = OK;

    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (!is_name(name))
        return ERR_INVALID;
    if (resolver->question_count >= RESOLVER_QUESTIONS_MAX)
        return ERR_BUSY;
    resolving = calloc(1, sizeof(*resolving));
    if (resolving == NULL)
        return ERR_NOMEM;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';

    *resolving = (struct resolving){
        .magic = RESOLVING_MAGIC,
        .resolver = resolver,
        .port = port,
        .done = done,
        .arg = arg,
        .resolved = {.err = ERR_NOT_FOUND},
    };
    link_init(&resolving->link);
    resolving->ready = event_new(loop_base(resolver->loop), -1, 0, on_ready, resolving);
    if (resolving->ready == NULL) {
        free(resolving);
        return ERR_NOMEM;
    }
    CHECK(event_priority_set(resolving->ready, LOOP_DELIVERY) == 0);
    list_append(&resolver->questions, &resolving->link);
    resolver->question_count++;

    if (add_literal(resolving, text) || add_loopback(resolving, name) ||
        add_from_hosts(resolving, name))
        event_active(resolving->ready, EV_TIMEOUT, 0);
    else
        err = ask_evdns(resolving, text);
    if (err != OK) {
        resolving_cancel(resolving);
        return err;
    }
    *ret = resolving;
    return OK;
}
