/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dial.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

#define DIAL_MAGIC 0xd1a1d1a1U

/* RFC 8305 §5: the recommended Connection Attempt Delay. */
static const struct timeval head_start = {.tv_sec = 0, .tv_usec = 250 * 1000};

/* Somebody closes a descriptor sooner or later; until then it costs next to nothing to ask. */
static const struct timeval again_soon = {.tv_sec = 0, .tv_usec = 100 * 1000};

struct
try {
    struct dial *dial;
    int fd;                  /* -1: not begun, or given up */
    struct event *connected; /* owned */
};

struct dial {
    unsigned magic;
    struct dial_options options;
    struct resolving *resolving; /* NULL once it has answered */
    struct address addresses[RESOLVED_MAX];
    size_t count;
    size_t next;          /* the first address not yet tried */
    size_t under_way;     /* tries with a socket */
    struct event *ticker; /* owned: time for the next address */
    const char *detail;   /* of the first failure, or of the first that is not ours */
    bool is_detail_ours;  /* it says something about this host, not about the peer */
    void (*done)(const struct dialed *dialed, void *arg);
    void *arg;
    struct try tries[RESOLVED_MAX];
};

static void
try_close(struct try *try)
{
    if (try->fd < 0)
        return;
    event_free(try->connected);
    (void)close(try->fd);
    try->fd = -1;
    try->dial->under_way--;
}

static void
dial_free(struct dial *dial)
{
    if (dial->resolving != NULL)
        resolving_cancel(dial->resolving);
    for (size_t i = 0; i < dial->next; i++)
        try_close(&dial->tries[i]);
    if (dial->ticker != NULL)
        event_free(dial->ticker);
    dial->magic = 0;
    free(dial);
}

void
dial_cancel(struct dial *dial)
{
    CHECK(dial->magic == DIAL_MAGIC);
    dial_free(dial);
}

const char *
dial_phase(const struct dial *dial)
{
    return dial->resolving != NULL ? "looking up the name" : "connecting";
}

static void
dial_finish(struct dial *dial, enum http_failure failure, const char *detail, int fd)
{
    struct dialed dialed = {.failure = failure, .detail = detail, .fd = fd};
    void (*done)(const struct dialed *dialed, void *arg) = dial->done;
    void *arg = dial->arg;

    dial_free(dial);
    done(&dialed, arg);
}

static void
note_failure(struct dial *dial, int error)
{
    bool is_ours = error == ENETUNREACH || error == EADDRNOTAVAIL || error == EAFNOSUPPORT;

    /* A host without IPv6 fails on the first address of nearly every name: the reason worth
     * telling is the other family's. */
    if (dial->detail != NULL && (is_ours || !dial->is_detail_ours))
        return;
    dial->detail = strerrordesc_np(error);
    dial->is_detail_ours = is_ours;
}

static void on_connected(evutil_socket_t fd, short what, void *arg);

/* A socket on its way to the address, or the errno. */
static int
try_open(struct try *try, const struct address *address)
{
    int one = 1;
    int fd = socket(address->as.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error;

    if (fd < 0)
        return errno;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
        (connect(fd, &address->as.any, address->len) != 0 && errno != EINPROGRESS)) {
        error = errno;
        (void)close(fd);
        return error;
    }
    try->connected = event_new(loop_base(try->dial->options.loop), fd, EV_WRITE, on_connected, try);
    if (try->connected == NULL) {
        (void)close(fd);
        return ENOMEM;
    }
    CHECK(event_priority_set(try->connected, LOOP_DELIVERY) == 0);
    CHECK(event_add(try->connected, NULL) == 0);
    try->fd = fd;
    try->dial->under_way++;
    return 0;
}

/* There is none to be had just now, for nobody: it says nothing about the address. */
static bool
is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Begin with the next address that can be begun with; the end of all is the end of the dial. */
static void
dial_next(struct dial *dial)
{
    const struct dial_options *options = &dial->options;

    while (dial->next < dial->count) {
        struct try *try = &dial->tries[dial->next];
        int error = try_open(try, &dial->addresses[dial->next]);

        if (is_shortage(error) && options->make_room != NULL &&
            options->make_room(options->room_arg))
            error = try_open(try, &dial->addresses[dial->next]);
        if (is_shortage(error)) {
            (void)event_add(dial->ticker, &again_soon);
            return;
        }
        dial->next++;
        if (error == 0) {
            if (dial->next < dial->count)
                (void)event_add(dial->ticker, &head_start);
            return;
        }
        note_failure(dial, error);
    }
    if (dial->under_way == 0)
        dial_finish(dial, HTTP_FAIL_CONNECT, dial->detail, -1);
}

static void
on_ticker(evutil_socket_t fd, short what, void *arg)
{
    struct dial *dial = arg;

    (void)fd;
    (void)what;
    CHECK(dial->magic == DIAL_MAGIC);
    dial_next(dial);
}

static void
on_connected(evutil_socket_t fd, short what, void *arg)
{
    struct try *try = arg;
    struct dial *dial = try->dial;
    struct address peer = {.len = sizeof(peer.as)};
    int error = 0;
    socklen_t len = sizeof(error);

    (void)what;
    CHECK(dial->magic == DIAL_MAGIC);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error == 0 && getpeername(fd, &peer.as.any, &peer.len) != 0)
        error = errno;
    if (error != 0) {
        try_close(try);
        note_failure(dial, error);
        (void)event_del(dial->ticker);
        dial_next(dial);
        return;
    }

    const char *denied = address_denied(dial->options.guard, &peer);
    if (denied != NULL) {
        dial_finish(dial, HTTP_FAIL_DENIED, denied, -1);
        return;
    }
    event_free(try->connected);
    try->fd = -1;
    dial->under_way--;
    dial_finish(dial, HTTP_OK, NULL, fd);
}

/* IPv6 first, then in turn, each family in the order of the answer (RFC 8305 §4). */
static void
order_addresses(struct dial *dial, const struct resolved *resolved)
{
    size_t at[2] = {0, 0};
    const int families[2] = {AF_INET6, AF_INET};
    size_t turn = 0;

    while (dial->count < resolved->count) {
        size_t *i = &at[turn % 2];

        while (
            *i < resolved->count && resolved->addresses[*i].as.any.sa_family != families[turn % 2])
            (*i)++;
        if (*i < resolved->count)
            dial->addresses[dial->count++] = resolved->addresses[(*i)++];
        turn++;
    }
}

static void
on_resolved(const struct resolved *resolved, void *arg)
{
    struct dial *dial = arg;

    CHECK(dial->magic == DIAL_MAGIC);
    dial->resolving = NULL;
    if (resolved->err != OK) {
        dial_finish(dial, HTTP_FAIL_DNS,
            resolved->err == ERR_NOT_FOUND ? "no such name" : "no answer from the name servers",
            -1);
        return;
    }
    for (size_t i = 0; i < resolved->count; i++) {
        const char *denied = address_denied(dial->options.guard, &resolved->addresses[i]);

        if (denied != NULL) {
            dial_finish(dial, HTTP_FAIL_DENIED, denied, -1);
            return;
        }
    }
    order_addresses(dial, resolved);
    dial_next(dial);
}

enum err
dial_start(const struct dial_options *options, struct str host, uint16_t port,
    void (*done)(const struct dialed *dialed, void *arg), void *arg, struct dial **ret)
{
    struct dial *dial = calloc(1, sizeof(*dial));
    enum err err;

    if (dial == NULL)
        return ERR_NOMEM;
    dial->magic = DIAL_MAGIC;
    dial->options = *options;
    dial->done = done;
    dial->arg = arg;
    for (size_t i = 0; i < RESOLVED_MAX; i++)
        dial->tries[i] = (struct try){.dial = dial, .fd = -1};
    dial->ticker = event_new(loop_base(options->loop), -1, 0, on_ticker, dial);
    if (dial->ticker == NULL) {
        dial_free(dial);
        return ERR_NOMEM;
    }
    CHECK(event_priority_set(dial->ticker, LOOP_DELIVERY) == 0);
    err = resolver_ask(options->resolver, host, port, on_resolved, dial, &dial->resolving);
    if (err != OK) {
        dial->resolving = NULL;
        dial_free(dial);
        return err;
    }
    *ret = dial;
    return OK;
}
