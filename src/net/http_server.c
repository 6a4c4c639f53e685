/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_server.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "net/http_server_connection.h"
#include "os/metrics.h"
#include "os/random.h"

/* A storm of new connections must not keep those that are open from being served. */
#define ACCEPTS_PER_TURN 64

/* Without descriptors the listener stays readable and would spin; by then some may have closed. */
#define ACCEPT_AGAIN_MS 100

/* Time for a refused peer to read why; it is not served meanwhile, so it costs a descriptor. */
#define LINGER_MS 2000

/* Slots kept for the next requests: as many as are commonly under way at once. */
#define SLOTS_KEPT_MAX 64
/* A slot whose arena has grown past this is given back: one long request must not cost for ever. */
#define SLOT_ARENA_BYTES_KEPT (64 * 1024)

/* ---- shared by the connections ---- */

struct str
server_request_id(char ret_text[HTTP_REQUEST_ID_BYTES])
{
    uint64_t number;

    random_bytes(&number, sizeof(number));
    return http_request_id_format(number, ret_text);
}

struct str
server_date(struct http_server *server)
{
    struct walltime now = clock_walltime(&clock_system);

    if (now.us / US_PER_S != server->date_s) {
        server->date_s = now.us / US_PER_S;
        http_date_format(now, server->date);
    }
    return (struct str){server->date, HTTP_DATE_TEXT_BYTES - 1};
}

void
server_tick_by(struct http_server *server, struct instant due)
{
    if (due.us >= server->tick_at.us)
        return;
    server->tick_at = due;
    timer_set(&server->tick, due);
}

struct http_slot *
server_slot_take(struct http_server *server)
{
    struct http_slot *slot = server->slots;

    if (slot != NULL) {
        server->slots = slot->next;
        server->slot_count--;
        return slot;
    }
    slot = malloc(sizeof(*slot));
    if (slot != NULL)
        arena_init(&slot->arena, REQUEST_ARENA_BYTES_MAX);
    return slot;
}

static void
slot_free(struct http_slot *slot)
{
    arena_done(&slot->arena);
    free(slot);
}

void
server_slot_give(struct http_server *server, struct http_slot *slot)
{
    if (server->slot_count >= SLOTS_KEPT_MAX || slot->arena.used > SLOT_ARENA_BYTES_KEPT) {
        slot_free(slot);
        return;
    }
    arena_reset(&slot->arena);
    slot->next = server->slots;
    server->slots = slot;
    server->slot_count++;
}

static struct connection *
first_waiting(struct http_server *server, enum connection_wait wait)
{
    struct link *link = list_first(&server->waiting[wait]);

    return link != NULL ? LIST_ENTRY(link, struct connection, waiting) : NULL;
}

static void
on_tick(void *arg)
{
    struct http_server *server = arg;
    struct instant now = clock_instant(&clock_system);
    struct instant next = INSTANT_NEVER;

    server->tick_at = INSTANT_NEVER;
    for (unsigned wait = 0; wait < WAIT_KINDS; wait++) {
        struct connection *connection = first_waiting(server, wait);

        while (connection != NULL && connection->due.us <= now.us) {
            connection_expire(connection);
            connection = first_waiting(server, wait);
        }
    }
    for (unsigned wait = 0; wait < WAIT_KINDS; wait++) {
        struct connection *connection = first_waiting(server, wait);

        if (connection != NULL)
            next = instant_earlier(next, connection->due);
    }
    server_tick_by(server, next);
}

/* ---- peers ---- */

/* Whoever has an address of IPv6 has all of its last half. Those of IPv4 share a key with none of
 * them: no network begins with 0:ffff::. */
static uint64_t
peer_key(const struct address *address)
{
    const uint8_t *bytes = address->as.v6.sin6_addr.s6_addr;
    uint64_t key = 0;

    if (address->as.any.sa_family == AF_INET)
        return UINT64_C(0xffff) << 32 | ntohl(address->as.v4.sin_addr.s_addr);
    if (IN6_IS_ADDR_V4MAPPED(&address->as.v6.sin6_addr)) {
        key = 0xffff;
        bytes += 12;
        for (unsigned i = 0; i < 4; i++)
            key = key << 8 | bytes[i];
        return key;
    }
    for (unsigned i = 0; i < 8; i++)
        key = key << 8 | bytes[i];
    return key;
}

static bool
is_proxy(const struct http_server *server, const struct address *address)
{
    for (size_t i = 0; i < server->options.proxy_count; i++)
        if (cidr_holds(&server->options.proxies[i], address))
            return true;
    return false;
}

static struct connection *
peer_oldest_idle(const struct http_peer *peer)
{
    struct connection *oldest = NULL;

    LIST_FOREACH(&peer->connections, link)
    {
        struct connection *connection = LIST_ENTRY(link, struct connection, of_peer);

        if (connection->wait == WAIT_IDLE &&
            (oldest == NULL || connection->due.us < oldest->due.us))
            oldest = connection;
    }
    return oldest;
}

/* May one more of this peer come in? */
static bool
peer_has_room(struct http_server *server, const struct address *address)
{
    unsigned max = server->options.peer_connections_max;
    struct http_peer *peer = max > 0 ? map_find(&server->peers, peer_key(address)) : NULL;
    struct connection *oldest;

    if (peer == NULL || peer->count < max)
        return true;
    oldest = peer_oldest_idle(peer);
    if (oldest == NULL)
        return false;
    connection_free(oldest); /* the last one of a peer takes the peer with it */
    return true;
}

/* Without memory it goes uncounted. */
static void
peer_enter(struct http_server *server, struct connection *connection)
{
    uint64_t key = peer_key(&connection->peer);
    struct http_peer *peer = map_find(&server->peers, key);

    if (server->options.peer_connections_max == 0 || is_proxy(server, &connection->peer))
        return;
    if (peer == NULL) {
        peer = malloc(sizeof(*peer));
        if (peer == NULL)
            return;
        *peer = (struct http_peer){.key = key};
        list_init(&peer->connections);
        if (map_set(&server->peers, key, peer) != OK) {
            free(peer);
            return;
        }
    }
    peer->count++;
    list_append(&peer->connections, &connection->of_peer);
    connection->counted = peer;
}

void
server_peer_leave(struct connection *connection)
{
    struct http_peer *peer = connection->counted;

    if (peer == NULL)
        return;
    connection->counted = NULL;
    link_remove(&connection->of_peer);
    if (--peer->count > 0)
        return;
    (void)map_remove(&connection->server->peers, peer->key);
    free(peer);
}

/* ---- accepting ---- */

/* An idle connection may be closed at any time, and its peer must be ready for that. */
static bool
make_room(struct http_server *server)
{
    struct connection *oldest = first_waiting(server, WAIT_IDLE);

    if (oldest == NULL)
        return false;
    connection_free(oldest);
    return true;
}

static void
accept_pause(struct http_server *server)
{
    (void)event_del(server->listener);
    timer_set(&server->again, instant_add_ms(clock_instant(&clock_system), ACCEPT_AGAIN_MS));
}

static void
on_accept_again(void *arg)
{
    struct http_server *server = arg;

    if (!server->is_draining)
        CHECK(event_add(server->listener, NULL) == 0);
}

/* Saying so may fail, and TLS cannot be said anything so soon. */
static void
connection_turn_away(struct http_server *server, int fd, const char *detail)
{
    char id[HTTP_REQUEST_ID_BYTES];
    const struct http_field fields[] = {
        {STR("Content-Type"), STR("application/problem+json")},
        {STR("X-Request-Id"), server_request_id(id)},
        {STR("Retry-After"), STR("1")},
    };
    struct http_answer answer = {.status = 503,
        .fields = fields,
        .field_count = COUNT_OF(fields),
        .close = true};
    struct http_answer_frame frame = {.date = server_date(server)};
    struct buf body;
    struct buf text;

    metric_add(METRIC_http_refused_total, 1);
    if (server->options.tls == NULL) {
        buf_init(&body, 1024);
        buf_init(&text, 4096);
        http_problem_append(&body, 503, str_from(detail));
        answer.body = buf_str(&body);
        http_answer_append(&text, &answer, &frame);
        (void)!send(fd, text.ptr, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        buf_done(&text);
        buf_done(&body);
    }
    (void)close(fd);
}

enum accepted { ACCEPTED, ACCEPTED_NONE, ACCEPTED_EXHAUSTED };

static enum accepted
accept_one(struct http_server *server)
{
    struct address peer = {.len = sizeof(peer.as)};
    int fd = accept4(server->listen_fd, &peer.as.any, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct connection *connection;

    if (fd < 0) {
        switch (errno) {
        case EINTR:
        case ECONNABORTED: return ACCEPTED;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM: return ACCEPTED_EXHAUSTED;
        default: return ACCEPTED_NONE;
        }
    }
    if (server->connection_count >= server->options.connections_max && !make_room(server)) {
        connection_turn_away(server, fd, "All connections are in use; try again later.");
    } else if (!peer_has_room(server, &peer)) {
        connection_turn_away(server, fd, "Too many connections come from your address; use fewer.");
    } else {
        connection = connection_open(server, fd, &peer);
        if (connection != NULL)
            peer_enter(server, connection);
    }
    return ACCEPTED;
}

static void
on_listener(evutil_socket_t fd, short what, void *arg)
{
    struct http_server *server = arg;
    enum accepted accepted = accept_one(server);

    (void)fd;
    (void)what;
    /* Only now is it certain that somebody waits: the kernel wants a descriptor before it looks. */
    if (accepted == ACCEPTED_EXHAUSTED) {
        if (!make_room(server) || accept_one(server) == ACCEPTED_EXHAUSTED)
            accept_pause(server);
        return;
    }
    for (unsigned i = 1; i < ACCEPTS_PER_TURN && accepted == ACCEPTED; i++)
        accepted = accept_one(server);
}

/* ---- life ---- */

static enum err
listen_fail(const struct address *address, const char *what, struct error *reterr)
{
    int number = errno;
    char text[ADDRESS_TEXT_BYTES];

    address_format(address, text);
    return error_set(reterr, ERR_IO, "cannot listen on %s: %s: %s", text, what,
        strerrordesc_np(number));
}

static enum err
server_listen(struct http_server *server, struct error *reterr)
{
    const struct address *address = &server->options.listen;
    int on = 1;

    server->listen_fd =
        socket(address->as.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (server->listen_fd < 0)
        return listen_fail(address, "socket", reterr);
    /* Accepted sockets inherit TCP_NODELAY: one system call less for each. */
    if (setsockopt(server->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        setsockopt(server->listen_fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) != 0 ||
        setsockopt(server->listen_fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
        return listen_fail(address, "socket options", reterr);
    if (bind(server->listen_fd, &address->as.any, address->len) != 0)
        return listen_fail(address, "bind", reterr);
    if (listen(server->listen_fd, HTTP_LISTEN_BACKLOG) != 0)
        return listen_fail(address, "listen", reterr);
    server->address.len = sizeof(server->address.as);
    if (getsockname(server->listen_fd, &server->address.as.any, &server->address.len) != 0)
        return listen_fail(address, "address", reterr);
    return OK;
}

static enum err
server_watch(struct http_server *server, struct error *reterr)
{
    struct loop *loop = server->loop;

    if (timer_init(&server->tick, loop, LOOP_SERVER, on_tick, server) != OK ||
        timer_init(&server->again, loop, LOOP_SERVER, on_accept_again, server) != OK)
        return error_set(reterr, ERR_NOMEM, "HTTP server: out of memory");
    server->listener =
        event_new(loop_base(loop), server->listen_fd, EV_READ | EV_PERSIST, on_listener, server);
    if (server->listener == NULL || event_priority_set(server->listener, LOOP_SERVER) != 0 ||
        event_add(server->listener, NULL) != 0)
        return error_set(reterr, ERR_NOMEM, "HTTP server: out of memory");
    return OK;
}

static void
server_freep(struct http_server **server)
{
    http_server_free(*server);
}

enum err
http_server_new(struct loop *loop, const struct http_server_options *options,
    const struct http_handler *handler, struct http_server **ret, struct error *reterr)
{
    CLEANUP(server_freep) struct http_server *server = calloc(1, sizeof(*server));
    enum err err;

    if (server == NULL)
        return error_set(reterr, ERR_NOMEM, "HTTP server: out of memory");
    server->loop = loop;
    server->options = *options;
    server->handler = *handler;
    server->listen_fd = -1;
    server->date_s = -1;
    server->tick_at = INSTANT_NEVER;
    server->wait_ms[WAIT_HEAD] = options->head_ms;
    server->wait_ms[WAIT_BODY] = options->body_ms;
    server->wait_ms[WAIT_IDLE] = options->idle_ms;
    server->wait_ms[WAIT_WRITE] = options->body_ms;
    server->wait_ms[WAIT_LINGER] = LINGER_MS;
    list_init(&server->connections);
    map_init(&server->peers);
    for (unsigned wait = 0; wait < WAIT_KINDS; wait++)
        list_init(&server->waiting[wait]);
    buf_init(&server->answer, REQUEST_ARENA_BYTES_MAX + HTTP_HEAD_BYTES_MAX);

    err = server_listen(server, reterr);
    if (err == OK)
        err = server_watch(server, reterr);
    if (err != OK)
        return err;
    *ret = TAKE(server);
    return OK;
}

static void
server_deafen(struct http_server *server)
{
    if (server->listener != NULL)
        event_free(server->listener);
    server->listener = NULL;
    if (server->listen_fd >= 0)
        (void)close(server->listen_fd);
    server->listen_fd = -1;
}

void
http_server_drain(struct http_server *server)
{
    CHECK(server->running == 0);
    if (server->is_draining)
        return;
    /* Who is in the queue was told that the connection stands, and may have sent a request. */
    for (unsigned i = 0; i < HTTP_LISTEN_BACKLOG && accept_one(server) == ACCEPTED; i++)
        continue;
    server->is_draining = true;
    timer_clear(&server->again);
    server_deafen(server);
    LIST_FOREACH(&server->connections, link)
    {
        connection_drain(LIST_ENTRY(link, struct connection, all));
    }
}

bool
http_server_is_drained(const struct http_server *server)
{
    return server->is_draining && server->connection_count == 0;
}

void
http_server_free(struct http_server *server)
{
    if (server == NULL)
        return;
    CHECK(server->running == 0);
    server_deafen(server);
    for (;;) {
        struct link *link = list_first(&server->connections);
        if (link == NULL)
            break;
        connection_free(LIST_ENTRY(link, struct connection, all));
    }
    map_done(&server->peers);
    timer_done(&server->tick);
    timer_done(&server->again);
    while (server->slots != NULL) {
        struct http_slot *slot = server->slots;
        server->slots = slot->next;
        slot_free(slot);
    }
    buf_done(&server->answer);
    free(server);
}

struct address
http_server_address(const struct http_server *server)
{
    return server->address;
}
