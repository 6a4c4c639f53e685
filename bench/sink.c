/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An endpoint that costs as little as one can: answers 200 to whatever is posted, for benchmarks.
 *
 *     sink [--ports N] [--certificate FILE --key FILE] [--counters FILE [--arrivals N]]
 *          [--distinct]
 *
 * One thread, epoll, keep-alive, Content-Length only; N listeners at ports that were free, which
 * are printed in one line. --counters keeps struct counters in a file that others may map;
 * --arrivals puts behind them when each of the last N requests came. --distinct also counts the
 * different webhook-ids. From SIGUSR1 on it accepts and reads but answers nobody. Ends at SIGTERM
 * or SIGINT and then prints what it has counted. Not a server for strangers: it trusts its client.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"

#define BUFFER_BYTES 65536
#define EVENTS_MAX   256
#define PORTS_MAX    1024
#define ARRIVALS_MAX (1L << 22)
#define ANSWER       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

/* Places for ids, a power of two; as many ids as half of that are told apart quickly. */
#define IDS_MAX ((uint64_t)1 << 22)

/* bench/sink.py reads these as four numbers in this order, then the arrivals. */
struct counters {
    uint64_t requests;
    uint64_t distinct;        /* webhook-ids, with --distinct */
    uint64_t last_arrival_ns; /* CLOCK_MONOTONIC, of the newest batch of requests */
    uint64_t connections;     /* accepted so far */
    /* CLOCK_MONOTONIC of the first byte of request i, counted from 0, at i modulo --arrivals. */
    uint64_t arrivals_ns[];
};

struct visitor {
    struct link link; /* in sink->visitors */
    int fd;
    bool is_listener;
    SSL *ssl;          /* NULL: plain */
    uint64_t since_ns; /* with --arrivals, while len > 0: when its first byte came */
    size_t len;
    char bytes[BUFFER_BYTES];
};

struct sink {
    long port_count;
    const char *certificate_path;
    const char *key_path;
    const char *counters_path;
    uint64_t arrivals; /* 0: their times are not taken */
    bool is_distinct;

    int epoll;
    struct list visitors; /* struct visitor, the listeners too */
    SSL_CTX *ctx;         /* NULL: plain */
    uint64_t *ids;
    struct counters *counters; /* mapped, or own */
    struct counters own;
};

static volatile sig_atomic_t is_stopping;
static volatile sig_atomic_t is_silent;

static void
on_signal(int number)
{
    if (number == SIGUSR1)
        is_silent = 1;
    else
        is_stopping = 1;
}

/* --- counting --------------------------------------------------------------------------------- */

static bool
counters_open(struct sink *sink)
{
    size_t bytes = sizeof(struct counters) + sink->arrivals * sizeof(uint64_t);
    void *mapped;
    int fd;

    sink->counters = &sink->own;
    if (sink->is_distinct && (sink->ids = calloc(IDS_MAX, sizeof(*sink->ids))) == NULL)
        return false;
    if (sink->counters_path == NULL)
        return true;
    fd = open(sink->counters_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
        return false;
    mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (mapped == MAP_FAILED)
        return false;
    sink->counters = mapped;
    return true;
}

/* By a digest of 64 bits (FNV-1a), which tells a million ids apart but once in 37 million runs. */
static void
count_id(struct sink *sink, const char *head, size_t head_len)
{
    static const char name[] = "\r\nwebhook-id: ";
    const char *id = memmem(head, head_len, name, sizeof(name) - 1);
    uint64_t digest = 0xcbf29ce484222325U;

    if (id == NULL || sink->counters->distinct == IDS_MAX - 1)
        return;
    for (id += sizeof(name) - 1; *id != '\r'; id++)
        digest = (digest ^ (unsigned char)*id) * 0x100000001b3U;
    digest |= digest == 0;
    for (uint64_t at = digest % IDS_MAX;; at = (at + 1) % IDS_MAX) {
        if (sink->ids[at] == digest)
            return;
        if (sink->ids[at] == 0) {
            sink->ids[at] = digest;
            sink->counters->distinct++;
            return;
        }
    }
}

static uint64_t
now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* --- visitors --------------------------------------------------------------------------------- */

/* The length of the first request in the buffer, or 0 while it is not whole. */
static size_t
request_len(const struct visitor *visitor, size_t *ret_head_len)
{
    static const char name[] = "\ncontent-length:";
    const char *end = memmem(visitor->bytes, visitor->len, "\r\n\r\n", 4);
    size_t head_len;
    size_t body_len = 0;

    if (end == NULL)
        return 0;
    head_len = (size_t)(end - visitor->bytes) + 4;
    for (const char *line = memchr(visitor->bytes, '\n', head_len); line != NULL && line < end;
         line = memchr(line + 1, '\n', head_len - (size_t)(line + 1 - visitor->bytes)))
        if ((line[1] | 0x20) == 'c' && strncasecmp(line, name, sizeof(name) - 1) == 0)
            body_len = strtoul(line + sizeof(name) - 1, NULL, 10);
    *ret_head_len = head_len;
    return head_len + body_len <= visitor->len ? head_len + body_len : 0;
}

static ssize_t
visitor_read(struct visitor *visitor)
{
    char *to = visitor->bytes + visitor->len;
    size_t room = sizeof(visitor->bytes) - visitor->len;

    if (visitor->ssl == NULL)
        return recv(visitor->fd, to, room, 0);
    int count = SSL_read(visitor->ssl, to, (int)room);
    if (count > 0)
        return count;
    int error = SSL_get_error(visitor->ssl, count);
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EIO;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

/* The answers are short: a socket that does not take one at once is given up. */
static bool
visitor_write(struct visitor *visitor, const char *bytes, size_t len)
{
    if (visitor->ssl != NULL)
        return SSL_write(visitor->ssl, bytes, (int)len) == (int)len;
    return send(visitor->fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void
count_request(struct sink *sink, const struct visitor *visitor, size_t head_len)
{
    struct counters *counters = sink->counters;

    if (sink->is_distinct)
        count_id(sink, visitor->bytes, head_len);
    if (sink->arrivals > 0)
        counters->arrivals_ns[counters->requests % sink->arrivals] = visitor->since_ns;
    counters->requests++;
}

/* Answer all that is whole; false when the visitor is to be shown out. */
static bool
visitor_serve(struct visitor *visitor, struct sink *sink)
{
    for (;;) {
        ssize_t count = visitor_read(visitor);
        size_t head_len;
        size_t len;

        if (count <= 0)
            return count < 0 && errno == EAGAIN;
        if (visitor->len == 0 && sink->arrivals > 0)
            visitor->since_ns = now_ns();
        visitor->len += (size_t)count;
        while ((len = request_len(visitor, &head_len)) > 0) {
            count_request(sink, visitor, head_len);
            if (!is_silent && !visitor_write(visitor, ANSWER, sizeof(ANSWER) - 1))
                return false;
            visitor->len -= len;
            memmove(visitor->bytes, visitor->bytes + len, visitor->len);
        }
        if (visitor->len == sizeof(visitor->bytes))
            return false;
        if (visitor->ssl == NULL)
            return true;
    }
}

static void
visitor_free(struct visitor *visitor)
{
    link_remove(&visitor->link);
    SSL_free(visitor->ssl);
    (void)close(visitor->fd);
    free(visitor);
}

/* Takes the descriptor. */
static bool
visitor_new(struct sink *sink, int fd, bool is_listener)
{
    struct visitor *visitor = malloc(sizeof(*visitor)); /* the buffer is not touched before use */
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = visitor};

    if (visitor == NULL) {
        (void)close(fd);
        return false;
    }
    link_init(&visitor->link);
    list_append(&sink->visitors, &visitor->link);
    visitor->fd = fd;
    visitor->is_listener = is_listener;
    visitor->ssl = NULL;
    visitor->len = 0;
    if (sink->ctx != NULL && !is_listener) {
        visitor->ssl = SSL_new(sink->ctx);
        if (visitor->ssl == NULL || SSL_set_fd(visitor->ssl, fd) != 1) {
            visitor_free(visitor);
            return false;
        }
        SSL_set_read_ahead(visitor->ssl, 1);
        SSL_set_accept_state(visitor->ssl);
    }
    if (epoll_ctl(sink->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return true;
    visitor_free(visitor);
    return false;
}

static void
welcome(struct sink *sink, int listener)
{
    int one = 1;
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        if (visitor_new(sink, fd, false))
            sink->counters->connections++;
    }
}

/* --- the whole -------------------------------------------------------------------------------- */

static bool
listener_open(struct sink *sink)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        return false;
    (void)printf(" %u", (unsigned)ntohs(address.sin_port));
    return visitor_new(sink, fd, true);
}

static bool
ctx_open(struct sink *sink)
{
    if (sink->certificate_path == NULL)
        return true;
    sink->ctx = SSL_CTX_new(TLS_server_method());
    return sink->ctx != NULL &&
           SSL_CTX_use_certificate_chain_file(sink->ctx, sink->certificate_path) == 1 &&
           SSL_CTX_use_PrivateKey_file(sink->ctx, sink->key_path, SSL_FILETYPE_PEM) == 1;
}

static bool
sink_open(struct sink *sink)
{
    list_init(&sink->visitors);
    sink->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (sink->epoll < 0 || !counters_open(sink) || !ctx_open(sink))
        return false;
    (void)printf("ports");
    for (long i = 0; i < sink->port_count; i++)
        if (!listener_open(sink))
            return false;
    (void)printf("\n");
    return fflush(stdout) == 0;
}

static void
sink_run(struct sink *sink)
{
    struct epoll_event events[EVENTS_MAX];

    while (!is_stopping) {
        int count = epoll_wait(sink->epoll, events, EVENTS_MAX, -1);
        uint64_t before = sink->counters->requests;

        for (int i = 0; i < count; i++) {
            struct visitor *visitor = events[i].data.ptr;

            if (visitor->is_listener)
                welcome(sink, visitor->fd);
            else if (!visitor_serve(visitor, sink))
                visitor_free(visitor);
        }
        if (sink->counters->requests != before)
            sink->counters->last_arrival_ns = now_ns();
    }
}

static bool
options_parse(int argc, char **argv, struct sink *sink)
{
    static const struct option options[] = {
        {"ports", required_argument, NULL, 'p'},
        {"certificate", required_argument, NULL, 'c'},
        {"key", required_argument, NULL, 'k'},
        {"counters", required_argument, NULL, 'o'},
        {"arrivals", required_argument, NULL, 'a'},
        {"distinct", no_argument, NULL, 'd'},
        {NULL, 0, NULL, 0},
    };
    long arrivals = 0;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'p': sink->port_count = strtol(optarg, NULL, 10); break;
        case 'c': sink->certificate_path = optarg; break;
        case 'k': sink->key_path = optarg; break;
        case 'o': sink->counters_path = optarg; break;
        case 'a': arrivals = strtol(optarg, NULL, 10); break;
        case 'd': sink->is_distinct = true; break;
        default: return false;
        }
    }
    if (arrivals < 0 || arrivals > ARRIVALS_MAX)
        return false;
    sink->arrivals = (uint64_t)arrivals;
    return optind == argc && sink->port_count >= 1 && sink->port_count <= PORTS_MAX &&
           (arrivals == 0 || sink->counters_path != NULL) &&
           (sink->certificate_path == NULL) == (sink->key_path == NULL);
}

static void
sink_close(struct sink *sink)
{
    for (struct link *link; (link = list_first(&sink->visitors)) != NULL;)
        visitor_free(LIST_ENTRY(link, struct visitor, link));
    SSL_CTX_free(sink->ctx);
    (void)close(sink->epoll);
    free(sink->ids);
}

/* Thousands of hanging requests are a connection each. */
static void
descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int
main(int argc, char **argv)
{
    static struct sink sink = {.port_count = 1};
    const struct sigaction stop = {.sa_handler = on_signal};

    if (!options_parse(argc, argv, &sink)) {
        (void)fprintf(stderr,
            "usage: sink [--ports 1..%d] [--certificate FILE --key FILE] "
            "[--counters FILE [--arrivals 1..%ld]] [--distinct]\n",
            PORTS_MAX, ARRIVALS_MAX);
        return 2;
    }
    (void)signal(SIGPIPE, SIG_IGN);
    descriptors_raise();
    (void)sigaction(SIGUSR1, &stop, NULL);
    (void)sigaction(SIGTERM, &stop, NULL);
    (void)sigaction(SIGINT, &stop, NULL);
    if (!sink_open(&sink)) {
        (void)fprintf(stderr, "sink: cannot start: %s\n", strerror(errno));
        return 1;
    }
    sink_run(&sink);
    (void)printf("%" PRIu64 " requests, %" PRIu64 " distinct, %" PRIu64 " connections\n",
        sink.counters->requests, sink.counters->distinct, sink.counters->connections);
    sink_close(&sink);
    return 0;
}
