/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http_client.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "net/client_connection.h"
#include "net/dial.h"

#define CLIENT_MAGIC   0xc11e4700U
#define ENDPOINT_MAGIC 0xe4d90147U
#define CHANNEL_MAGIC  0xc4a44e10U

struct client {
    struct http_client base; /* first */
    unsigned magic;
    struct http_client_options options;
    struct client_commons commons;
    size_t endpoint_count;

    struct heap deadlines; /* of struct http_exchange, by due */
    struct timer deadline_timer;
    struct instant deadline_set; /* when the timer runs out */

    struct list resting; /* of struct channel, by age: the longest unused first */
    size_t resting_count;
    struct timer idle_timer;
    bool is_idle_timer_set;

    struct list failed; /* of struct http_exchange, by link: to be told at the end of the turn */
    struct turn_end turn_end;
};

struct endpoint {
    struct http_endpoint base; /* first */
    unsigned magic;
    char *host; /* owned */
    bool is_host_ip;
    bool is_tls;
    uint16_t port;
    unsigned connections_max;
    struct list resting; /* of struct channel, by idle: the last used first */
    unsigned resting_count;
    size_t exchange_count;
    SSL_SESSION *session; /* owned; the newest */
};

/* A connection with its place among the others: dialled, in use or at rest. */
struct channel {
    unsigned magic;
    struct endpoint *endpoint;      /* borrowed: outlives us */
    struct http_exchange *exchange; /* borrowed; NULL at rest */
    struct dial *dial;              /* owned; until it has answered */
    struct client_connection connection;
    bool is_reused;
    bool has_given_session;
    struct link idle;
    struct link age;
    struct instant resting_since;
};

static struct client *
client_of(const struct endpoint *endpoint)
{
    struct client *client = (struct client *)(void *)endpoint->base.client;

    CHECK(client->magic == CLIENT_MAGIC);
    return client;
}

static struct endpoint *
endpoint_of(struct http_endpoint *base)
{
    struct endpoint *endpoint = (struct endpoint *)(void *)base;

    CHECK(endpoint->magic == ENDPOINT_MAGIC);
    return endpoint;
}

static void on_ended(struct client_connection *connection, enum http_failure failure,
    const char *detail);

static struct channel *
channel_new(struct endpoint *endpoint)
{
    struct channel *channel = calloc(1, sizeof(*channel));

    if (channel == NULL)
        return NULL;
    channel->magic = CHANNEL_MAGIC;
    channel->endpoint = endpoint;
    link_init(&channel->idle);
    link_init(&channel->age);
    client_connection_init(&channel->connection, &client_of(endpoint)->commons, on_ended);
    return channel;
}

/* Off the lists of those at rest; no-op where it is in use. */
static void
channel_wake(struct channel *channel)
{
    if (link_is_alone(&channel->idle))
        return;
    link_remove(&channel->idle);
    link_remove(&channel->age);
    channel->endpoint->resting_count--;
    client_of(channel->endpoint)->resting_count--;
}

static void
channel_free(struct channel *channel)
{
    if (channel == NULL)
        return;
    channel_wake(channel);
    if (channel->dial != NULL)
        dial_cancel(channel->dial);
    client_connection_close(&channel->connection);
    channel->magic = 0;
    free(channel);
}

/* The tickets of TLS 1.3 come with or after the first answer. */
static void
channel_give_session(struct channel *channel)
{
    SSL_SESSION *session;

    if (!channel->endpoint->is_tls || channel->has_given_session)
        return;
    session = client_connection_session(&channel->connection);
    if (session == NULL)
        return;
    SSL_SESSION_free(channel->endpoint->session);
    channel->endpoint->session = session;
    channel->has_given_session = true;
}

static void
idle_timer_set(struct client *client)
{
    struct link *oldest = list_first(&client->resting);

    if (oldest == NULL || client->is_idle_timer_set)
        return;
    struct channel *channel = LIST_ENTRY(oldest, struct channel, age);
    timer_set(&client->idle_timer, instant_add_ms(channel->resting_since, client->options.idle_ms));
    client->is_idle_timer_set = true;
}

/* The timer is not moved when a connection is taken up again: it finds out when it runs out, and
 * so costs nothing while there is much to do. */
static void
on_idle_timer(void *arg)
{
    struct client *client = arg;
    struct instant now = clock_instant(&clock_system);
    struct link *oldest;

    client->is_idle_timer_set = false;
    while ((oldest = list_first(&client->resting)) != NULL) {
        struct channel *channel = LIST_ENTRY(oldest, struct channel, age);

        if (instant_add_ms(channel->resting_since, client->options.idle_ms).us > now.us)
            break;
        channel_free(channel);
    }
    idle_timer_set(client);
}

/* A connection at rest is the one thing that nobody waits for. */
static bool
close_longest_unused(void *arg)
{
    struct client *client = arg;
    struct link *oldest = list_first(&client->resting);

    if (oldest == NULL)
        return false;
    channel_free(LIST_ENTRY(oldest, struct channel, age));
    return true;
}

static void
channel_rest(struct channel *channel, struct instant now)
{
    struct endpoint *endpoint = channel->endpoint;
    struct client *client = client_of(endpoint);

    if (endpoint->connections_max == 0 || client->options.idle_max == 0) {
        channel_free(channel);
        return;
    }
    if (endpoint->resting_count >= endpoint->connections_max)
        channel_free(LIST_ENTRY(list_last(&endpoint->resting), struct channel, idle));
    if (client->resting_count >= client->options.idle_max)
        (void)close_longest_unused(client);
    client_connection_rest(&channel->connection);
    channel->is_reused = true;
    channel->resting_since = now;
    list_prepend(&endpoint->resting, &channel->idle);
    list_append(&client->resting, &channel->age);
    endpoint->resting_count++;
    client->resting_count++;
    idle_timer_set(client);
}

/* Told at the end of the turn, because start never calls back. */
static void
exchange_fail_later(struct http_exchange *exchange, enum http_failure failure, const char *detail)
{
    struct client *client = client_of(endpoint_of(exchange->endpoint));

    exchange->failure = failure;
    exchange->detail = detail;
    list_append(&client->failed, &exchange->link);
    turn_end_ask(&client->turn_end);
}

static void
fill_answer(struct http_result *result, const struct client_answer *answer)
{
    if (answer == NULL || !answer->has_head)
        return;
    result->status = answer->parser.head.status;
    result->retry_after = http_head_field(&answer->parser.head, STR("retry-after"));
    result->body = (struct str){answer->kept, answer->kept_bytes};
    result->is_body_cut = !answer->is_whole || answer->body_bytes > answer->kept_bytes;
}

/* The one end of every exchange. The channel goes back to its pool or is closed before the caller
 * hears of it, so that done may start the next one on it, or free the endpoint. */
static void
exchange_finish(struct http_exchange *exchange, enum http_failure failure, const char *detail)
{
    struct endpoint *endpoint = endpoint_of(exchange->endpoint);
    struct client *client = client_of(endpoint);
    struct channel *channel = exchange->connection;
    struct client_answer *answer = NULL;
    struct instant now = clock_instant(&clock_system);
    struct http_result result = {
        .failure = failure,
        .detail = detail,
        .latency_us = now.us - exchange->started.us,
    };

    heap_remove(&client->deadlines, &exchange->due);
    link_remove(&exchange->link);
    exchange->connection = NULL;
    endpoint->exchange_count--;
    if (channel != NULL) {
        bool may_rest = failure == HTTP_OK && client_connection_may_rest(&channel->connection);

        if (failure == HTTP_OK)
            channel_give_session(channel);
        answer = TAKE(channel->connection.answer);
        channel->exchange = NULL;
        if (may_rest)
            channel_rest(channel, now);
        else
            channel_free(channel);
    }
    fill_answer(&result, answer);
    exchange->done(exchange, &result);
    client_answer_free(&client->commons, answer);
}

static void on_dialed(const struct dialed *dialed, void *arg);

/* A connection of its own for the exchange. */
static void
exchange_dial(struct http_exchange *exchange)
{
    struct endpoint *endpoint = endpoint_of(exchange->endpoint);
    struct client *client = client_of(endpoint);
    struct channel *channel = channel_new(endpoint);
    const struct dial_options options = {
        .loop = client->options.loop,
        .resolver = client->options.resolver,
        .guard = client->options.guard,
        .make_room = close_longest_unused,
        .room_arg = client,
    };
    enum err err;

    if (channel == NULL) {
        exchange_fail_later(exchange, HTTP_FAIL_CONNECT, "out of memory");
        return;
    }
    err = dial_start(&options, str_from(endpoint->host), endpoint->port, on_dialed, channel,
        &channel->dial);
    if (err != OK) {
        channel->dial = NULL;
        channel_free(channel);
        exchange_fail_later(exchange, HTTP_FAIL_DNS,
            err == ERR_BUSY      ? "too many names are being looked up"
            : err == ERR_INVALID ? "no such name"
                                 : "out of memory");
        return;
    }
    channel->exchange = exchange;
    exchange->connection = channel;
}

static void
on_dialed(const struct dialed *dialed, void *arg)
{
    struct channel *channel = arg;
    struct endpoint *endpoint = channel->endpoint;
    struct http_exchange *exchange = channel->exchange;

    CHECK(channel->magic == CHANNEL_MAGIC);
    channel->dial = NULL;
    if (dialed->failure != HTTP_OK) {
        exchange_finish(exchange, dialed->failure, dialed->detail);
        return;
    }
    const struct client_connection_tls tls = {
        .ctx = endpoint->is_tls ? tls_client_ctx(client_of(endpoint)->options.tls) : NULL,
        .host = endpoint->host,
        .is_host_ip = endpoint->is_host_ip,
        .session = endpoint->session,
    };
    if (client_connection_open(&channel->connection, dialed->fd, &tls) != OK) {
        exchange_finish(exchange, HTTP_FAIL_CONNECT, "out of memory");
        return;
    }
    client_connection_send(&channel->connection, exchange->head, exchange->body);
}

static void
on_ended(struct client_connection *connection, enum http_failure failure, const char *detail)
{
    struct channel *channel = CONTAINER_OF(connection, struct channel, connection);
    struct http_exchange *exchange = channel->exchange;

    CHECK(channel->magic == CHANNEL_MAGIC);
    if (exchange == NULL) {
        channel_free(channel);
        return;
    }
    /* The peer may have closed just before our request came in: nobody can know, so this one case
     * is tried again at once. Being a fresh connection, the second one is not. */
    if (failure == HTTP_FAIL_RESET && channel->is_reused && connection->answer == NULL) {
        exchange->connection = NULL;
        channel_free(channel);
        exchange_dial(exchange);
        return;
    }
    exchange_finish(exchange, failure, detail);
}

static void
deadline_timer_set(struct client *client)
{
    const struct heap_node *first = heap_first(&client->deadlines);

    /* Only ever earlier: deadlines mostly grow, so the timer is rarely touched. */
    if (first == NULL || first->key >= client->deadline_set.us)
        return;
    client->deadline_set = (struct instant){first->key};
    timer_set(&client->deadline_timer, client->deadline_set);
}

static const char *
exchange_phase(const struct http_exchange *exchange)
{
    const struct channel *channel = exchange->connection;

    if (channel == NULL)
        return exchange->detail;
    return channel->dial != NULL ? dial_phase(channel->dial)
                                 : client_connection_phase(&channel->connection);
}

static void
on_deadline_timer(void *arg)
{
    struct client *client = arg;
    struct instant now = clock_instant(&clock_system);
    struct heap_node *first;

    client->deadline_set = INSTANT_NEVER;
    while ((first = heap_first(&client->deadlines)) != NULL && first->key <= now.us) {
        struct http_exchange *exchange = CONTAINER_OF(first, struct http_exchange, due);
        exchange_finish(exchange, HTTP_FAIL_TIMEOUT, exchange_phase(exchange));
    }
    deadline_timer_set(client);
}

static void
on_turn_end(void *arg)
{
    struct client *client = arg;
    struct list failed;
    struct link *link;

    /* Those that fail while these are told wait for the next turn, or a caller that starts anew at
     * each failure would keep us here for good. */
    list_init(&failed);
    while ((link = list_take_first(&client->failed)) != NULL)
        list_append(&failed, link);
    while ((link = list_first(&failed)) != NULL) {
        struct http_exchange *exchange = LIST_ENTRY(link, struct http_exchange, link);
        exchange_finish(exchange, exchange->failure, exchange->detail);
    }
}

static void
exchange_start(struct http_endpoint *base, struct http_exchange *exchange)
{
    struct endpoint *endpoint = endpoint_of(base);
    struct client *client = client_of(endpoint);
    struct link *last_used = list_first(&endpoint->resting);

    exchange->endpoint = base;
    exchange->connection = NULL;
    exchange->started = clock_instant(&clock_system);
    exchange->failure = HTTP_OK;
    exchange->detail = NULL;
    link_init(&exchange->link);
    heap_node_init(&exchange->due);
    endpoint->exchange_count++;

    if (exchange->deadline.us <= exchange->started.us) {
        exchange_fail_later(exchange, HTTP_FAIL_TIMEOUT, "starting");
        return;
    }
    if (heap_set(&client->deadlines, &exchange->due, exchange->deadline.us) != OK) {
        exchange_fail_later(exchange, HTTP_FAIL_CONNECT, "out of memory");
        return;
    }
    deadline_timer_set(client);
    if (last_used == NULL) {
        exchange_dial(exchange);
        return;
    }
    struct channel *channel = LIST_ENTRY(last_used, struct channel, idle);
    channel_wake(channel);
    channel->exchange = exchange;
    exchange->connection = channel;
    client_connection_send(&channel->connection, exchange->head, exchange->body);
}

static void
exchange_cancel(struct http_exchange *exchange)
{
    exchange_finish(exchange, HTTP_FAIL_CANCELLED, NULL);
}

static void
endpoint_free(struct http_endpoint *base)
{
    struct endpoint *endpoint = endpoint_of(base);
    struct link *link;

    CHECK(endpoint->exchange_count == 0);
    while ((link = list_first(&endpoint->resting)) != NULL)
        channel_free(LIST_ENTRY(link, struct channel, idle));
    client_of(endpoint)->endpoint_count--;
    SSL_SESSION_free(endpoint->session);
    free(endpoint->host);
    endpoint->magic = 0;
    free(endpoint);
}

static enum err
endpoint_new(struct http_client *base, const struct url *url, unsigned connections_max,
    struct http_endpoint **ret)
{
    struct endpoint *endpoint = calloc(1, sizeof(*endpoint));

    if (endpoint == NULL)
        return ERR_NOMEM;
    endpoint->host = strndup(url->host.ptr, url->host.len);
    if (endpoint->host == NULL) {
        free(endpoint);
        return ERR_NOMEM;
    }
    endpoint->base.client = base;
    endpoint->magic = ENDPOINT_MAGIC;
    endpoint->is_host_ip = url->is_host_ipv4 || url->is_host_ipv6;
    endpoint->is_tls = url->is_tls;
    endpoint->port = url->port;
    endpoint->connections_max = connections_max;
    list_init(&endpoint->resting);
    client_of(endpoint)->endpoint_count++;
    *ret = &endpoint->base;
    return OK;
}

static void
client_free(struct http_client *base)
{
    struct client *client = (struct client *)(void *)base;

    CHECK(client->magic == CLIENT_MAGIC);
    CHECK(client->endpoint_count == 0);
    timer_done(&client->deadline_timer);
    timer_done(&client->idle_timer);
    turn_end_done(&client->turn_end);
    heap_done(&client->deadlines);
    client_commons_done(&client->commons);
    client->magic = 0;
    free(client);
}

static const struct http_client_ops client_ops = {
    .endpoint_new = endpoint_new,
    .endpoint_free = endpoint_free,
    .start = exchange_start,
    .cancel = exchange_cancel,
    .free = client_free,
};

enum err
http_client_new(const struct http_client_options *options, struct http_client **ret,
    struct error *reterr)
{
    struct client *client = calloc(1, sizeof(*client));
    enum err err;

    if (client == NULL)
        return error_set(reterr, ERR_NOMEM, "HTTP client: out of memory");
    client->base.ops = &client_ops;
    client->magic = CLIENT_MAGIC;
    client->options = *options;
    client->deadline_set = INSTANT_NEVER;
    heap_init(&client->deadlines);
    list_init(&client->resting);
    list_init(&client->failed);
    if ((err = client_commons_init(&client->commons, options->loop)) != OK ||
        (err = timer_init(&client->deadline_timer, options->loop, LOOP_DELIVERY, on_deadline_timer,
             client)) != OK ||
        (err = timer_init(&client->idle_timer, options->loop, LOOP_DELIVERY, on_idle_timer,
             client)) != OK ||
        (err = turn_end_init(&client->turn_end, options->loop, LOOP_DELIVERY, on_turn_end,
             client)) != OK) {
        client_free(&client->base);
        return error_set(reterr, err, "HTTP client: out of memory");
    }
    *ret = &client->base;
    return OK;
}

const char *
http_failure_name(enum http_failure failure)
{
    static const char *const names[HTTP_FAILURES_COUNT] = {
        [HTTP_OK] = "ok",
        [HTTP_FAIL_DNS] = "dns",
        [HTTP_FAIL_DENIED] = "denied",
        [HTTP_FAIL_CONNECT] = "connect",
        [HTTP_FAIL_TLS] = "tls",
        [HTTP_FAIL_TIMEOUT] = "timeout",
        [HTTP_FAIL_RESET] = "reset",
        [HTTP_FAIL_PROTOCOL] = "protocol",
        [HTTP_FAIL_CANCELLED] = "cancelled",
    };

    CHECK((unsigned)failure < HTTP_FAILURES_COUNT);
    return names[failure];
}
