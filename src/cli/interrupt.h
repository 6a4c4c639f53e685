/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ctrl-C and the like, as something that happens on a loop. One at a time in a process.
 *
 * From open to close SIGINT and SIGTERM do nothing but call back; SIGPIPE is ignored.
 */
#ifndef CLI_INTERRUPT_H
#define CLI_INTERRUPT_H

#include <signal.h>

#include "net/loop.h"

struct interrupt {
    int fd;          /* owned; -1: not open */
    sigset_t before; /* what was blocked until then */
    struct watch watch;
    void (*fn)(void *arg);
    void *arg;
};

/* Before other threads are started; it must not move while open. */
MUST_CHECK enum err interrupt_open(struct interrupt *interrupt, struct loop *loop,
    void (*fn)(void *arg), void *arg, struct error *reterr);
/* One that was zeroed and never opened is fine. */
void interrupt_close(struct interrupt *interrupt);

#endif
