/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole way of an API call in one process: a socket of 127.0.0.1, the server, the service with
 * the tables that the test brings, and a store in a scratch folder. For tests of routes.
 *
 *     test_service_start(&ts, tables, COUNT_OF(tables), &api);
 *     assert_int_equal(test_ask(&ts, "GET", "/things", NULL, NULL), 200);
 *     assert_non_null(strstr(ts.body, "\"data\""));
 *     test_service_stop(&ts);
 *
 * One thread: asking turns the loop until the answer is whole. The key of the account "default"
 * goes with each request, unless ts.key_text is set to another, or "" for none.
 */
#ifndef TEST_SUPPORT_SERVICE_H
#define TEST_SUPPORT_SERVICE_H

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "http/service.h"
#include "store/accounts.h"
#include "support/scratch.h"
#include "support/test.h"

#define TEST_ALL_SCOPES ((unsigned)(SCOPE_READ | SCOPE_WRITE | SCOPE_INBOX))

struct test_service {
    struct scratch scratch;
    struct clock_manual clock;
    struct store *store;
    struct loop *loop;
    struct turn_end turn_end;
    struct store_port port;
    struct service *service;
    struct http_server *server;
    char key_text[KEY_TEXT_BYTES];
    /* Of the last answer. */
    int status;
    char *text; /* all of it */
    char *body; /* inside text */
};

struct test_key_call {
    struct store_call call;
    struct api_key key;
    const char *account; /* NULL: an admin key */
    char text[KEY_TEXT_BYTES];
};

static inline enum err
test_key_run(struct store_call *call, struct engine *engine)
{
    struct test_key_call *self = (struct test_key_call *)call;
    struct account account = {0};
    struct arena arena;
    enum err err = OK;

    arena_init(&arena, 4096);
    if (self->account != NULL) {
        struct str name = str_from(self->account);

        err = account_find(engine, name, &arena, &account, &call->error);
        if (err == ERR_NOT_FOUND) {
            account = (struct account){.id = {{1, self->key.id.bytes[1]}},
                .name = name,
                .created = self->key.created,
                .updated = self->key.created};
            err = account_create(engine, &account, &account.pk, &call->error);
        }
    }
    self->key.account_pk = account.pk;
    if (err == OK)
        err = key_create(engine, &self->key, str_from(self->text), &call->error);
    arena_done(&arena);
    return err;
}

/* number: any that no other key of the test has; it makes the key's text. */
static inline void
test_key_make(struct test_service *ts, uint8_t number, const char *account, unsigned scopes,
    int64_t expires_us)
{
    uint8_t random[32] = {number};
    struct test_key_call call = {.call = {.run = test_key_run, .writes = true},
        .account = account,
        .key = {.id = {{2, number}},
            .name = STR("test"),
            .scopes = scopes,
            .created = ts->clock.walltime_now,
            .expires = {expires_us}}};

    key_format(random, call.text);
    if (store_run(ts->store, &call.call) != OK)
        fail_msg("%s", call.call.error.text);
}

static inline void
test_key_use(struct test_service *ts, uint8_t number)
{
    uint8_t random[32] = {number};

    key_format(random, ts->key_text);
}

static inline void
test_service_flush(void *arg)
{
    store_port_flush(arg);
}

static inline void
test_service_ask_flush(void *arg)
{
    turn_end_ask(arg);
}

static inline void
test_must(enum err err, const struct error *error)
{
    if (err != OK)
        fail_msg("%s", error->text);
}

static inline void
test_service_start_with(struct test_service *ts, struct service_options *options)
{
    struct store_options store_options = {.readers = 1, .queue_max = 64};
    struct http_server_options server_options = {.head_ms = 10000,
        .body_ms = 30000,
        .idle_ms = 60000,
        .connections_max = 256};
    struct error error = {OK, ""};
    char path[256];
    char key_path[256];

    memset(ts, 0, sizeof(*ts));
    scratch_init(&ts->scratch);
    clock_manual_init(&ts->clock, (struct walltime){INT64_C(1710496800000000)});
    (void)snprintf(path, sizeof(path), "%s/db", ts->scratch.dir);
    (void)snprintf(key_path, sizeof(key_path), "%s/key", ts->scratch.dir);
    store_options.path = path;
    store_options.key_path = key_path;
    store_options.clock = &ts->clock.base;
    test_must(store_open(&store_options, &ts->store, &error), &error);
    test_must(loop_new(0, &ts->loop, &error), &error);
    test_must(turn_end_init(&ts->turn_end, ts->loop, LOOP_TIMERS, test_service_flush, &ts->port),
        &error);
    store_port_init(&ts->port, ts->store, test_service_ask_flush, &ts->turn_end);

    options->loop = ts->loop;
    options->clock = &ts->clock.base;
    options->port = &ts->port;
    test_must(service_new(options, &ts->service, &error), &error);
    test_must(address_parse(STR("127.0.0.1:0"), &server_options.listen, &error), &error);
    test_must(http_server_new(ts->loop, &server_options, service_handler(ts->service), &ts->server,
                  &error),
        &error);
    test_key_make(ts, 1, "default", TEST_ALL_SCOPES, 0);
    test_key_use(ts, 1);
}

static inline void
test_service_start(struct test_service *ts, const struct route_table *tables, size_t count,
    struct api *api)
{
    struct service_options options = {.api = api, .tables = tables, .table_count = count};

    test_service_start_with(ts, &options);
}

static inline void
test_service_stop(struct test_service *ts)
{
    while (service_busy(ts->service) > 0)
        loop_turn(ts->loop);
    http_server_free(ts->server);
    while (service_busy(ts->service) > 0)
        loop_turn(ts->loop);
    service_free(ts->service);
    turn_end_done(&ts->turn_end);
    store_close(ts->store);
    loop_free(ts->loop);
    free(ts->text);
    scratch_done(&ts->scratch);
}

/* A connection that never blocks. */
static inline int
test_connect(struct test_service *ts)
{
    struct address address = http_server_address(ts->server);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &address.as.any, address.len), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static inline void
test_send(struct test_service *ts, int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, bytes, len, MSG_NOSIGNAL);

        if (sent < 0 && errno != EAGAIN)
            return; /* refused before the end: the answer says why */
        if (sent > 0) {
            bytes += sent;
            len -= (size_t)sent;
        }
        loop_turn(ts->loop);
    }
}

/* Read to the close, turning the loop; sets status, text and body. */
static inline void
test_receive(struct test_service *ts, int fd)
{
    size_t capacity = (size_t)1 << 20;
    size_t len = 0;

    free(ts->text);
    ts->text = malloc(capacity + 1);
    assert_non_null(ts->text);
    for (;;) {
        ssize_t got = recv(fd, ts->text + len, capacity - len, 0);

        if (got == 0 || (got < 0 && errno != EAGAIN))
            break;
        if (got > 0)
            len += (size_t)got;
        loop_turn(ts->loop);
    }
    (void)close(fd);
    ts->text[len] = '\0';
    ts->body = strstr(ts->text, "\r\n\r\n");
    if (ts->body == NULL)
        fail_msg("no whole answer: \"%s\"", ts->text);
    ts->body += 4;
    ts->status = (int)strtol(ts->text + strlen("HTTP/1.1 "), NULL, 10);
}

/* fields: more lines, each ended with CRLF, or NULL. body NULL: none. Returns the status. */
static inline int
test_ask(struct test_service *ts, const char *method, const char *path, const char *fields,
    const char *body)
{
    static char head[8192];
    int fd = test_connect(ts);
    int len =
        snprintf(head, sizeof(head), "%s %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n%s%s%s%s",
            method, path, ts->key_text[0] != '\0' ? "x-api-key: " : "", ts->key_text,
            ts->key_text[0] != '\0' ? "\r\n" : "", fields != NULL ? fields : "");

    assert_true(len > 0 && (size_t)len < sizeof(head) - 100);
    if (body != NULL)
        len += snprintf(head + len, sizeof(head) - (size_t)len, "Content-Length: %zu\r\n",
            strlen(body));
    len += snprintf(head + len, sizeof(head) - (size_t)len, "\r\n");
    test_send(ts, fd, head, (size_t)len);
    if (body != NULL)
        test_send(ts, fd, body, strlen(body));
    test_receive(ts, fd);
    return ts->status;
}

static inline bool
test_has(const struct test_service *ts, const char *text)
{
    return strstr(ts->text, text) != NULL;
}

#endif
