/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store: everything that must survive a crash, behind threads of its own.
 *
 * A call is a whole transaction in the domain's words: `run` reads, asks the pure rules and writes,
 * on a worker thread; `done` comes back to the asker's mailbox. Writes are committed in groups:
 * what arrived while the last commit was on its way to disk is the next transaction, each call a
 * savepoint in it, and nobody hears OK before the commit that holds their write. Where one failure
 * takes the whole transaction with it, the others are run again one by one, so each gets its own
 * true answer. Reads go to reader threads. The queue is bounded: ERR_BUSY, never a growing list.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>

#include "os/clock.h"
#include "os/mailbox.h"
#include "store/engine.h"

struct store;

struct store_call {
    struct letter letter; /* the store's; may be used by the owner before and after */
    /* Runs on a worker thread, perhaps more than once: it starts anew from the arguments each
     * time, and must not touch what belongs to a loop. On failure it fills call->error. */
    enum err (*run)(struct store_call *call, struct engine *engine);
    /* Runs where the reply mailbox is drained, once. err is OK only when it is on disk. */
    void (*done)(struct store_call *call);
    struct mailbox *reply; /* borrowed */
    bool writes;
    enum err err;
    struct error error;
};

struct store_options {
    const char *path;
    const char *key_path; /* the sealing key's file; NULL: beside the database */
    const char *key_hex;  /* from the environment instead, or NULL */
    unsigned readers;     /* 0, and a database in memory: the writer reads, too */
    unsigned queue_max;   /* calls waiting, writes and reads each */
    const struct clock *clock;
};

/* Lock the file (ERR_CONFLICT names the process that holds it), migrate, check the key, start the
 * workers. ERR_DENIED: the sealing key is missing or is another one. */
MUST_CHECK enum err store_open(const struct store_options *options, struct store **ret,
    struct error *reterr);
/* Finish what is queued, close. No call may be submitted any more. NULL is fine. */
void store_close(struct store *store);

/* A connection beside a server that may be running, for the command line: without the lock and
 * without the sealing key. A new or older database is set up first, while nobody else holds it. */
MUST_CHECK enum err store_open_beside(const struct store_options *options, struct engine **ret,
    struct error *reterr);

/* Each loop submits through its own port, which hands over once per turn or every 32 calls. */
struct store_port {
    struct store *store;
    struct letter *first;
    struct letter **end;
    unsigned count;
    void (*ask_flush)(void *arg); /* have store_port_flush called at the end of the turn */
    void *arg;
};

void store_port_init(struct store_port *port, struct store *store, void (*ask_flush)(void *arg),
    void *arg);
/* ERR_BUSY when the queue is full: nothing happens and done is not called. */
MUST_CHECK enum err store_submit(struct store_port *port, struct store_call *call);
void store_port_flush(struct store_port *port);

/* Submit and wait; for start-up, the command line and tests, never on a loop's thread. done may be
 * NULL and reply is not looked at. Returns the call's err. */
enum err store_run(struct store *store, struct store_call *call);

/* For /readyz: OK while commits succeed; else the last failure. */
enum err store_health(struct store *store, struct error *reterr);

#endif
