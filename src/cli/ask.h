/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests of a command to the one address that a person typed.
 *
 * It may lie anywhere, on this machine too: no guard stands before it. Certificates are checked,
 * redirects are not followed. The head of a request is built here, so that each carries the same
 * lines; a field that was taken from outside is checked before, by ask_field_is_sane.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include "cli/config.h"
#include "net/http_client.h"

#define ASK_TIMEOUT_MS     INT64_C(30000) /* what a sender gives a receiver */
#define ASK_HEAD_BYTES_MAX ((size_t)64 * 1024)

struct asker {
    struct loop *loop; /* borrowed: outlives us */
    struct arena arena;
    struct url url;
    struct address_guard guard;
    struct resolver *resolver; /* owned, as what follows */
    struct tls_client *tls;
    struct http_client *client;
    struct http_endpoint *endpoint;
};

/* url: as typed; connections_max: that are kept open. ERR_INVALID says what is wrong with it. Of
 * the settings those for names and certificates count. It must not move until done. */
MUST_CHECK enum err asker_init(struct asker *asker, struct loop *loop, const struct config *config,
    const char *url, unsigned connections_max, struct error *reterr);
/* No request may be under way. Half-initialised or zeroed is fine. */
void asker_done(struct asker *asker);

/* "POST target HTTP/1.1", Host and, from a user:password in the address, Authorization. Fields
 * follow, then ask_head_end. A head that did not fit marks the buffer. */
void asker_request(const struct asker *asker, struct str target, struct buf *head);
/* The same with our User-Agent. */
void asker_head(const struct asker *asker, struct str target, struct buf *head);
void ask_field(struct buf *head, struct str name, struct str value);
void ask_head_end(struct buf *head, size_t body_len);
/* Nothing in it could end the line. */
bool ask_field_is_sane(struct str value);

/* Send it and run the loop until it is answered. answer: appended to. ERR_IO: there was no answer,
 * and why. */
MUST_CHECK enum err asker_ask(struct asker *asker, struct str head, struct str body,
    struct buf *answer, int *ret_status, struct error *reterr);

/* "connect: connection refused"; of an exchange without a whole answer. */
void ask_failure_append(struct buf *buf, const struct http_result *result);
/* What an answer says of itself to a person: of JSON its detail with the faults it names, or its
 * message, else how it begins; nothing when it is empty. On one line, and fit for a terminal. */
void ask_reason_append(struct buf *buf, struct str body);

#endif
