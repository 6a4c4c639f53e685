/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/interrupt.h"

#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"

static void
on_signal(void *arg, unsigned what)
{
    struct interrupt *interrupt = arg;
    struct signalfd_siginfo info;
    bool has_any = false;

    (void)what;
    while (read(interrupt->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        has_any = true;
    if (has_any)
        interrupt->fn(interrupt->arg);
}

enum err
interrupt_open(struct interrupt *interrupt, struct loop *loop, void (*fn)(void *arg), void *arg,
    struct error *reterr)
{
    sigset_t signals;
    enum err err;

    *interrupt = (struct interrupt){.fd = -1, .fn = fn, .arg = arg};
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)signal(SIGPIPE, SIG_IGN);
    interrupt->fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (interrupt->fd < 0)
        return error_set(reterr, ERR_IO, "signalfd: %s", strerrordesc_np(errno));
    CHECK(pthread_sigmask(SIG_BLOCK, &signals, &interrupt->before) == 0);
    err = watch_init(&interrupt->watch, loop, LOOP_LETTERS, on_signal, interrupt);
    if (err == OK)
        err = watch_start(&interrupt->watch, interrupt->fd, WATCH_READ);
    if (err != OK) {
        interrupt_close(interrupt);
        return error_set(reterr, err, "cannot watch for signals");
    }
    return OK;
}

void
interrupt_close(struct interrupt *interrupt)
{
    if (interrupt->fn == NULL)
        return;
    watch_done(&interrupt->watch);
    if (interrupt->fd >= 0) {
        (void)close(interrupt->fd);
        CHECK(pthread_sigmask(SIG_SETMASK, &interrupt->before, NULL) == 0);
    }
    *interrupt = (struct interrupt){.fd = -1};
}
