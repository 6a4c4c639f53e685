/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of the HTTP client under test: a loop with all that the client needs, and exchanges that
 * note what came of them.
 *
 * The guard allows everything, the certificates' authority is trusted, and the name server is
 * silent; a test may change the guard.
 */
#ifndef TEST_SUPPORT_CALLS_H
#define TEST_SUPPORT_CALLS_H

#include "net/http_client.h"
#include "support/certificates.h"
#include "support/peer.h"

#define HEAD                                                                                       \
    "POST /hook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"                 \
    "content-length: 13\r\n\r\n"
#define BODY      "{\"hello\":\"x\"}"
#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct calls {
    struct loop *loop;
    struct resolver *resolver;
    struct tls_client *tls;
    struct address_guard guard;
    struct http_client *client;
};

/* An exchange and what came of it. */
struct call {
    struct http_exchange exchange;
    unsigned done_count;
    enum http_failure failure;
    int status;
    char body[HTTP_ANSWER_BYTES_KEPT + 1];
    size_t body_len;
    bool is_body_cut;
    char retry_after[64];
    char detail[128];
    int64_t latency_us;
    struct call *next_call; /* to be started from inside done */
    struct http_endpoint *next_endpoint;
};

extern struct certificates calls_certificates; /* from calls_setup_all on */

/* cmocka's fixtures, for the group and for each test. They also ignore SIGPIPE. */
int calls_setup_all(void **state);
int calls_teardown_all(void **state);
int calls_setup(void **state);
int calls_teardown(void **state);

/* http or https to /hook of that host. */
struct http_endpoint *calls_endpoint(struct calls *calls, const char *scheme, const char *host,
    uint16_t port);
void calls_turn(struct calls *calls); /* wait for something to happen, and let it */

void call_init(struct call *call, int64_t deadline_ms); /* HEAD and BODY */
void call_init_text(struct call *call, int64_t deadline_ms, struct str head_text,
    struct str body_text);
void call_wait(struct calls *calls, struct call *call);
/* Init, start and wait. */
void call_post(struct calls *calls, struct http_endpoint *endpoint, struct call *call);
void call_post_until(struct calls *calls, struct http_endpoint *endpoint, struct call *call,
    int64_t ms);
/* One POST to a peer that follows the script. */
void call_post_to(struct calls *calls, void (*script)(struct peer *peer, void *arg), void *arg,
    struct call *call);

/* With a detail that holds this text. */
void assert_call_failed(const struct call *call, enum http_failure failure, const char *detail);
void assert_call_answered(const struct call *call, int status, const char *text);

/* Scripts. arg is the answer where one is needed. */
void script_answer_once(struct peer *peer, void *arg);        /* and close */
void script_answer_and_stay(struct peer *peer, void *arg);    /* and wait for the close */
void script_answer_three_times(struct peer *peer, void *arg); /* OK_ANSWER on one connection */
void script_accept_and_wait(struct peer *peer, void *arg);

#define TEST(name) cmocka_unit_test_setup_teardown(name, calls_setup, calls_teardown)

#endif
