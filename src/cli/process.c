/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/process.h"

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
#include "cli/inbox_config.h"
#include "cli/notify.h"
#include "cli/version.h"
#include "cli/wire.h"
#include "os/log.h"

#define CHANGES_BYTES_MAX 4096

struct process {
    struct process_options options;
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
    (void)sigaddset(&process->signals, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &process->signals, NULL) == 0);
    (void)signal(SIGUSR1, SIG_DFL); /* ignored until now; what a handler runs is to have it */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a full disk, and told so */
    process->signal_fd = signalfd(-1, &process->signals, SFD_CLOEXEC | SFD_NONBLOCK);
    if (process->signal_fd < 0)
        return error_set(reterr, ERR_IO, "signalfd: %s", strerrordesc_np(errno));
    return OK;
}

/* Settings that only a restart takes up are named, so that nobody waits for them. */
static void
tell_changes(const struct config *before, const struct config *after)
{
    struct buf changes;

    buf_init(&changes, CHANGES_BYTES_MAX);
    config_changes(before, after, &changes);
    if (changes.len > 0)
        log_warning("config.unchanged", log_str("restart_for", buf_str(&changes)));
    buf_done(&changes);
}

static void
reload(struct process *process)
{
    struct command_line line = *process->options.line;
    struct error error = {.code = OK};
    struct setup *setup = NULL;
    struct config fresh;
    enum err err = config_init(&fresh, &error);

    if (err == OK) {
        err = config_load(&fresh, &line, cmd_environment(), &error);
        if (err == OK)
            tell_changes(process->options.config, &fresh);
        if (err == OK && process->options.is_inbox)
            err = inbox_config_setup(&fresh, &setup, &error);
        if (err == OK)
            err = wire_reload(process->wire, setup, &error);
        setup_drop(setup);
        config_done(&fresh);
    }
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
    } else if (number == SIGUSR1) {
        wire_wake(process->wire);
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

/* --- the whole -------------------------------------------------------------------------------- */

/* Where senders are to call. A token is known to its sender alone. */
static void
say_sources(const struct process *process)
{
    const struct setup *setup = wire_setup(process->wire);
    const char *url = process->options.config->public_url;
    struct str base = str_from(url);

    if (setup == NULL || url == NULL)
        return;
    while (str_ends(base, STR("/")))
        base = str_slice(base, 0, base.len - 1);
    for (size_t i = 0; i < setup->source_count; i++) {
        const struct source *source = &setup->sources[i];

        (void)fprintf(stderr, "source %.*s: %.*s/in/%.*s%s\n", STR_FMT(source->name), STR_FMT(base),
            STR_FMT(source->name), source->token_count > 0 ? "/TOKEN" : "");
    }
}

static void
say_listening(const struct process *process)
{
    struct address address = wire_address(process->wire);
    char text[ADDRESS_TEXT_BYTES];

    address_format(&address, text);
    (void)fprintf(stderr, "listening on %s://%s\n", wire_is_tls(process->wire) ? "https" : "http",
        text);
    say_sources(process);
    notify_manager("READY=1");
}

static enum err
serve(struct process *process, struct setup *setup, struct error *reterr)
{
    const struct process_options *options = &process->options;
    const struct wire_parts parts = {.platform = options->is_platform, .inbox = setup};
    enum err err = signals_open(process, reterr);

    if (err != OK)
        return err;
    log_info("process.starting", log_text("version", USHER_VERSION), log_int("pid", getpid()),
        log_text("database", config_db_path(options->config)));
    if (setup == NULL && options->config->sections != NULL)
        log_warning("inbox.ignored", log_text("missing", "with-inbox"));
    err = wire_open(options->config, &parts, &process->wire, reterr);
    if (err == OK) {
        say_listening(process);
        wait_until_stopped(process);
        wire_close(process->wire);
        log_info("process.stopped", log_int("pid", getpid()));
    }
    (void)close(process->signal_fd);
    return err;
}

enum exit_code
process_run(const struct process_options *options)
{
    struct process process = {.options = *options};
    struct error error = {.code = OK};
    struct setup *setup = NULL;
    enum err err = OK;

    if (options->is_inbox)
        err = inbox_config_setup(options->config, &setup, &error);
    if (err == OK) {
        setup_log(options->config);
        raise_limits();
        hide_memory();
        err = serve(&process, setup, &error);
    }
    setup_drop(setup);
    return err == OK ? EXIT_STOPPED : cmd_fail(&error);
}
