/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/cmd.h"
#include "cli/notify.h"
#include "cli/version.h"
#include "cli/wire.h"
#include "os/log.h"

#define CHANGES_BYTES_MAX 4096

/* The process: starting ──▶ serving ──signal──▶ draining ──▶ stopped. A second signal while
 * draining ends it at once. */
struct process {
    struct config *config; /* borrowed */
    int argc;
    const char *const *argv;
    struct wire *wire;
    sigset_t signals;
    int signal_fd;
    bool is_draining;
};

/* Connections are descriptors, and the soft limit is made for programs that use select(2). */
static void
raise_limits(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warning("limit.kept", log_text("error", strerrordesc_np(errno)));
}

/* Secrets in memory are kept out of core files and from other programs of this user. The leak
 * checker of the sanitizers is such a program. */
static void
hide_memory(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return;
#endif
#endif
    (void)prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
}

static void
setup_log(const struct config *config)
{
    static const char *const names[] = {
        [LOG_DEBUG] = "debug",
        [LOG_INFO] = "info",
        [LOG_WARNING] = "warning",
        [LOG_ERROR] = "error",
    };
    enum log_level level = LOG_INFO;

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(config->log_level, names[i]) == 0)
            level = (enum log_level)i;
    }
    log_setup(level, strcmp(config->log_format, "json") == 0);
}

/* --- signals ---------------------------------------------------------------------------------- */

/* Blocked in every thread, they are read from a descriptor by the main thread alone. */
static enum err
signals_open(struct process *process, struct error *reterr)
{
    (void)sigemptyset(&process->signals);
    (void)sigaddset(&process->signals, SIGTERM);
    (void)sigaddset(&process->signals, SIGINT);
    (void)sigaddset(&process->signals, SIGHUP);
    CHECK(sigprocmask(SIG_BLOCK, &process->signals, NULL) == 0);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk, and told so */
    process->signal_fd = signalfd(-1, &process->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (process->signal_fd < 0)
        return error_set(reterr, ERR_IO, "signalfd: %s", strerrordesc_np(errno));
    return OK;
}

/* Settings that only a restart takes up are named, so that nobody waits for them. */
static void
reload(struct process *process)
{
    struct command_line line = {.argc = process->argc, .argv = process->argv};
    struct error error = {.code = OK};
    struct config fresh;
    struct buf changes;
    enum err err = config_init(&fresh, &error);

    if (err == OK) {
        buf_init(&changes, CHANGES_BYTES_MAX);
        err = config_load(&fresh, &line, cmd_environment(), &error);
        if (err == OK)
            config_changes(process->config, &fresh, &changes);
        if (changes.len > 0)
            log_warning("config.unchanged", log_str("restart_for", buf_str(&changes)));
        buf_done(&changes);
        config_done(&fresh);
    }
    if (err == OK)
        err = wire_reload(process->wire, &error);
    if (err == OK)
        log_info("config.reloaded", log_int("pid", getpid()));
    else
        log_error("config.refused", log_text("error", error.text));
}

/* Everything promised is on disk at any time, so ending at once loses nothing. */
static void
end_at_once(struct process *process, int number)
{
    (void)signal(number, SIG_DFL);
    (void)raise(number);
    CHECK(sigprocmask(SIG_UNBLOCK, &process->signals, NULL) == 0);
}

static void
on_signal(struct process *process, int number)
{
    if (number == SIGHUP) {
        reload(process);
    } else if (process->is_draining) {
        end_at_once(process, number);
    } else {
        process->is_draining = true;
        notify_manager("STOPPING=1");
        log_info("process.draining", log_text("signal", sigabbrev_np(number)));
        wire_drain(process->wire);
    }
}

static void
wait_until_stopped(struct process *process)
{
    struct mailbox *mailbox = wire_mailbox(process->wire);
    struct pollfd fds[] = {
        {.fd = process->signal_fd, .events = POLLIN},
        {.fd = mailbox->event_fd, .events = POLLIN},
    };
    struct signalfd_siginfo signal_read;

    while (!wire_is_stopped(process->wire)) {
        (void)poll(fds, COUNT_OF(fds), -1);
        while (read(process->signal_fd, &signal_read, sizeof(signal_read)) ==
               (ssize_t)sizeof(signal_read))
            on_signal(process, (int)signal_read.ssi_signo);
        (void)mailbox_drain(mailbox);
    }
}

/* --- the command ------------------------------------------------------------------------------ */

static void
say_listening(const struct wire *wire)
{
    struct address address = wire_address(wire);
    char text[ADDRESS_TEXT_BYTES];

    address_format(&address, text);
    (void)fprintf(stderr, "listening on %s://%s\n", wire_is_tls(wire) ? "https" : "http", text);
    notify_manager("READY=1");
}

static enum err
serve(struct process *process, struct error *reterr)
{
    enum err err = signals_open(process, reterr);

    if (err != OK)
        return err;
    log_info("process.starting", log_text("version", USHER_VERSION), log_int("pid", getpid()),
        log_text("database", config_db_path(process->config)));
    err = wire_open(process->config, &process->wire, reterr);
    if (err == OK) {
        say_listening(process->wire);
        wait_until_stopped(process);
        wire_close(process->wire);
        log_info("process.stopped", log_int("pid", getpid()));
    }
    (void)close(process->signal_fd);
    return err;
}

enum exit_code
cmd_serve(int argc, const char *const *argv)
{
    struct command_line line = {.argc = argc, .argv = argv};
    struct error error = {.code = OK};
    struct config config;
    struct process process = {.config = &config, .argc = argc, .argv = argv};
    enum exit_code code = EXIT_STOPPED;

    if (!cmd_start(&config, &line, "usher serve [OPTION...]", &code))
        return code;
    setup_log(&config);
    raise_limits();
    hide_memory();
    if (serve(&process, &error) != OK)
        code = cmd_fail(&error);
    config_done(&config);
    return code;
}
