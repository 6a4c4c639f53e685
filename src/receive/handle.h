/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handling: each loop owns the lanes of its share of the handlers and keeps them moving.
 *
 * A lane is a handler's cursor over the inbox. It reads what comes next, gives it out at the
 * handler's rate, and writes what became of it: the cursor moves past what is settled, what failed
 * gets a row with its next attempt. Nothing that a handler does holds up another, or the intake. A
 * newer version of the same thing overtakes an older one that was not handled yet, under the policy
 * `latest`. What was handled and not yet written when the process died is handled again.
 */
#ifndef RECEIVE_HANDLE_H
#define RECEIVE_HANDLE_H

#include "receive/setup.h"
#include "store/store.h"

struct handle;
struct handle_set; /* the handles of all loops */

struct handle_options {
    struct handle_set *set;
    unsigned index; /* of the loop in the set */
    struct loop *loop;
    const struct clock *clock;
    struct store_port *port;
    struct http_client *client; /* of this loop; may call any address */
    const char *user_agent;
    uint64_t seed; /* of the jitter, for tests; 0: a random one */
};

MUST_CHECK enum err handle_set_new(unsigned count, struct handle_set **ret, struct error *reterr);
void handle_set_free(struct handle_set *set);

MUST_CHECK enum err handle_new(const struct handle_options *options, struct handle **ret,
    struct error *reterr);
void handle_free(struct handle *handle); /* stopped, or never set up */

/* Work by this setup from now on: all loops take it up, each when what it has in hand is done with
 * the old one. Any thread; holds the setup as long as it is used. */
void handle_setup(struct handle_set *set, struct setup *setup);

/* There is something new in the store, of these sources or of all (count 0); any thread, cheap. */
void handle_wake(struct handle_set *set, const int64_t *source_pks, size_t count);

/* Do everything that is due and return the next moment there will be something to do. */
struct instant handle_tick(struct handle *handle, struct instant now);

/* Start nothing any more; stopped is called on the loop's thread once all that was under way has
 * ended and is on disk. At the deadline it is cancelled. */
void handle_stop(struct handle *handle, struct instant deadline, void (*stopped)(void *arg),
    void *arg);

#endif
