/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real HTTP server and its callers on one loop in one thread: whatever waits turns the loop, so
 * nothing sleeps, and a test may look into the server's side at any time.
 *
 * The handler goes by the path: /echo answers "METHOD target body"; /early answers 401 to the head
 * alone, /early-in-body to the first piece; /small takes 10 bytes; /pause stops before the body;
 * /hold keeps the request until serving_release; /feed begins an answer that goes on; /large
 * answers SERVING_LARGE_BYTES; /none answers 204; /pass is passed to another handler, which takes
 * 10 bytes and answers "passed" and the body. Every wait gives up after 10 s.
 */
#ifndef TEST_SUPPORT_SERVING_H
#define TEST_SUPPORT_SERVING_H

#include <stdbool.h>

#include "base/buf.h"
#include "net/http_server.h"

/* What every request of version 1.1 says. */
#define HOST "Host: a.example\r\n"

#define SERVING_LARGE_BYTES (6 * 1024 * 1024)
#define SERVING_HELD_MAX    16

struct serving {
    struct loop *loop;
    struct http_server *server;
    struct http_request *held[SERVING_HELD_MAX]; /* in the order of their ends */
    size_t held_count;
    struct http_request *paused;
    struct http_request
        *fed; /* the last that was begun, until it is gone; the test may forget it */
    struct http_handler other; /* of /pass */
    struct buf body;           /* of the request under way */
    size_t body_bytes;         /* of all bodies */
    uint32_t body_sum;         /* of their bytes */
    unsigned heads;
    unsigned gone;
    unsigned passed_gone;
};

/* Options that are 0 are made generous. */
void serving_start(struct serving *serving, struct http_server_options options);
void serving_stop(struct serving *serving);
/* Fixtures: the state is one with generous options, and in the end no connection is left. They are
 * of each test, for a failure in the teardown of a group is not counted. */
int serving_setup(void **state);
int serving_teardown(void **state);
#define SERVING_TEST(name) cmocka_unit_test_setup_teardown(name, serving_setup, serving_teardown)
void serving_turn(struct serving *serving);
/* Turn until count requests are held. */
void serving_wait_held(struct serving *serving, size_t count);
void serving_wait_gone(struct serving *serving, unsigned count);
/* Answer the first held request with this body. */
void serving_release(struct serving *serving, const char *body);

struct caller {
    struct serving *serving;
    int fd;
    struct ssl_st *ssl; /* NULL: plain */
    struct buf in;      /* what has come and was not expected yet */
    bool is_closed;
};

/* rcvbuf 0: the system's. */
void caller_open(struct caller *caller, struct serving *serving, int rcvbuf);
void caller_connect(struct caller *caller, struct serving *serving, int fd);
/* ssl is owned from here; the handshake is done when it returns. */
void caller_open_tls(struct caller *caller, struct serving *serving, struct ssl_st *ssl);
void caller_close(struct caller *caller); /* FIN; resets if something was left unread */
void caller_reset(struct caller *caller); /* RST */
/* Read what there is; false when nothing has come. */
bool caller_read(struct caller *caller);
void caller_send(struct caller *caller, const char *text);
void caller_send_bytes(struct caller *caller, struct str bytes);
/* Send as long as it is taken, at most so many; stops when refused for 50 turns. */
size_t caller_send_until_blocked(struct caller *caller, struct str bytes);
/* The next answer has this status and its body this text in it (NULL: any). Returns its head, valid
 * until the next. */
struct str caller_expect(struct caller *caller, int status, const char *body_part);
/* Like it, for the answer to a HEAD. */
struct str caller_expect_head(struct caller *caller, int status);
/* Exactly this text is what has come next. */
void caller_expect_text(struct caller *caller, const char *text);
/* The server closes, and nothing comes before. */
void caller_expect_closed(struct caller *caller);
/* Nothing comes during some turns. */
void caller_expect_silence(struct caller *caller);

bool text_has(struct str text, const char *part);

#endif
