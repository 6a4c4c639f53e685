/* SPDX-License-Identifier: Apache-2.0 */
#include "receive/quarantine_line.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/list.h"
#include "os/log.h"
#include "os/metrics.h"
#include "os/random.h"

/* Sealing and writing one takes some 10 us, and the writer is not to be held for a millisecond. */
#define WRITE_CALLS_MAX 64
#define WRITE_BYTES_MAX (256 * 1024)
#define WRITE_EVERY_MS  200

/* A peer may fill a quarter. Peers are told apart by a table that cannot grow: those that fall into
 * the same place share it. */
#define PEER_SHARE 4
#define PEER_ROWS  1024

struct waiting_call {
    struct link link;
    size_t bytes; /* all of this one */
    size_t peer_row;
    struct quarantined call; /* its texts follow */
};

struct quarantine_line {
    struct quarantine_line_options options;
    struct list waiting;
    size_t waiting_count; /* those being written included */
    int64_t bytes;
    int64_t peer_bytes[PEER_ROWS];
    uint64_t seed;
    struct timer timer;
    bool is_timer_set;
    bool is_draining;
    bool is_failing;
    struct store_call store_call;
    bool is_writing;
    struct quarantined writing[WRITE_CALLS_MAX];
    size_t writing_count; /* of the first ones waiting */
};

/* --- peers ------------------------------------------------------------------------------------ */

/* Of IPv6 the first half: whoever has one address there has all of them. */
static size_t
peer_row(const struct quarantine_line *line, const struct address *peer)
{
    bool is_v4 = peer->as.any.sa_family == AF_INET;
    const uint8_t *bytes =
        is_v4 ? (const uint8_t *)&peer->as.v4.sin_addr.s_addr : peer->as.v6.sin6_addr.s6_addr;
    uint64_t sum = line->seed;

    for (unsigned i = 0; i < (is_v4 ? 4 : 8); i++)
        sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
    return (size_t)((sum ^ sum >> 32) % PEER_ROWS);
}

/* --- copies ----------------------------------------------------------------------------------- */

static size_t
headers_len(const struct http_head *head)
{
    size_t len = 0;

    for (size_t i = 0; i < head->field_count; i++)
        len += head->fields[i].name.len + 2 + head->fields[i].value.len + 1;
    return len;
}

static struct str
place(char **at, struct str text)
{
    struct str copy = {text.ptr != NULL ? *at : NULL, text.len};

    *at = str_put(*at, text);
    return copy;
}

static struct str
place_headers(char **at, const struct http_head *head)
{
    char *start = *at;

    for (size_t i = 0; i < head->field_count; i++) {
        *at = str_put(*at, head->fields[i].name);
        *at = str_put(*at, STR(": "));
        *at = str_put(*at, head->fields[i].value);
        *at = str_put(*at, STR("\n"));
    }
    return (struct str){start, (size_t)(*at - start)};
}

static struct waiting_call *
waiting_call_new(const struct refused_call *call, const char *peer, size_t bytes)
{
    struct waiting_call *waiting = malloc(bytes);
    char *at;

    if (waiting == NULL)
        return NULL;
    at = (char *)(waiting + 1);
    *waiting = (struct waiting_call){.bytes = bytes};
    link_init(&waiting->link);
    waiting->call.source = place(&at, call->source);
    waiting->call.peer = place(&at, str_from(peer));
    waiting->call.reason = place(&at, str_from(call->reason));
    waiting->call.received = call->received;
    waiting->call.token = place(&at, call->token);
    waiting->call.headers = place_headers(&at, call->head);
    waiting->call.body = place(&at, call->body);
    CHECK(at == (char *)waiting + bytes);
    return waiting;
}

/* --- writing ---------------------------------------------------------------------------------- */

static void
drop_first(struct quarantine_line *line)
{
    struct link *link = list_take_first(&line->waiting);
    struct waiting_call *waiting = LIST_ENTRY(link, struct waiting_call, link);

    line->waiting_count--;
    line->bytes -= (int64_t)waiting->bytes;
    line->peer_bytes[waiting->peer_row] -= (int64_t)waiting->bytes;
    /* What may have proven the caller lies in it. */
    wipe(waiting, waiting->bytes);
    free(waiting);
}

static enum err
run_write(struct store_call *store_call, struct engine *engine)
{
    struct quarantine_line *line = CONTAINER_OF(store_call, struct quarantine_line, store_call);

    return quarantine_put(engine, line->writing, line->writing_count, &line->options.bounds,
        &store_call->error);
}

static void
write_some(struct quarantine_line *line)
{
    size_t bytes = 0;

    line->writing_count = 0;
    LIST_FOREACH(&line->waiting, link)
    {
        struct waiting_call *waiting = LIST_ENTRY(link, struct waiting_call, link);

        if (line->writing_count == WRITE_CALLS_MAX ||
            (line->writing_count > 0 && bytes + waiting->bytes > WRITE_BYTES_MAX))
            break;
        bytes += waiting->bytes;
        line->writing[line->writing_count++] = waiting->call;
    }
    line->is_writing =
        line->writing_count > 0 && store_submit(line->options.port, &line->store_call) == OK;
}

/* One writes at a time, and the next not before its time. */
static void
write_next(struct quarantine_line *line)
{
    if (line->is_writing || line->waiting_count == 0)
        return;
    if (line->is_draining)
        write_some(line);
    if (line->is_writing || line->is_timer_set)
        return;
    line->is_timer_set = true;
    timer_set(&line->timer, instant_add_ms(clock_instant(&clock_system), WRITE_EVERY_MS));
}

static void
on_timer(void *arg)
{
    struct quarantine_line *line = arg;

    line->is_timer_set = false;
    if (!line->is_writing)
        write_some(line);
    write_next(line);
}

static void
on_written(struct store_call *store_call)
{
    struct quarantine_line *line = CONTAINER_OF(store_call, struct quarantine_line, store_call);
    bool is_failing = store_call->err != OK;
    int64_t count = (int64_t)line->writing_count;

    if (is_failing && !line->is_failing)
        log_warning("quarantine.failed", log_text("error", store_call->error.text));
    line->is_failing = is_failing;
    metric_add(is_failing ? METRIC_quarantine_dropped_total : METRIC_quarantine_kept_total, count);
    for (size_t i = 0; i < line->writing_count; i++)
        drop_first(line);
    line->writing_count = 0;
    line->is_writing = false;
    write_next(line);
}

/* --- life ------------------------------------------------------------------------------------- */

enum err
quarantine_line_new(const struct quarantine_line_options *options, struct quarantine_line **ret,
    struct error *reterr)
{
    struct quarantine_line *line = calloc(1, sizeof(*line));

    if (line == NULL)
        return error_set(reterr, ERR_NOMEM, "quarantine: out of memory");
    line->options = *options;
    if (line->options.bytes_max > options->bounds.bytes_max)
        line->options.bytes_max = options->bounds.bytes_max;
    list_init(&line->waiting);
    random_bytes(&line->seed, sizeof(line->seed));
    line->store_call.run = run_write;
    line->store_call.done = on_written;
    line->store_call.reply = loop_mailbox(options->loop);
    line->store_call.writes = true;
    if (timer_init(&line->timer, options->loop, LOOP_TIMERS, on_timer, line) != OK) {
        free(line);
        return error_set(reterr, ERR_NOMEM, "quarantine: out of memory");
    }
    *ret = line;
    return OK;
}

void
quarantine_line_free(struct quarantine_line *line)
{
    if (line == NULL)
        return;
    CHECK(!line->is_writing);
    while (line->waiting_count > 0)
        drop_first(line);
    timer_done(&line->timer);
    free(line);
}

void
quarantine_line_add(struct quarantine_line *line, const struct refused_call *call)
{
    struct address peer = *call->peer;
    char peer_text[ADDRESS_TEXT_BYTES];
    struct waiting_call *waiting = NULL;
    size_t row = peer_row(line, call->peer);
    size_t bytes;

    if (line->options.bytes_max == 0)
        return;
    address_set_port(&peer, 0);
    address_format(&peer, peer_text);
    bytes = sizeof(*waiting) + call->source.len + strlen(peer_text) + strlen(call->reason) +
            call->token.len + headers_len(call->head) + call->body.len;
    if (line->bytes + (int64_t)bytes <= line->options.bytes_max &&
        line->peer_bytes[row] + (int64_t)bytes <= line->options.bytes_max / PEER_SHARE)
        waiting = waiting_call_new(call, peer_text, bytes);
    if (waiting == NULL) {
        metric_add(METRIC_quarantine_dropped_total, 1);
        return;
    }
    waiting->peer_row = row;
    line->bytes += (int64_t)bytes;
    line->peer_bytes[row] += (int64_t)bytes;
    list_append(&line->waiting, &waiting->link);
    line->waiting_count++;
    write_next(line);
}

void
quarantine_line_drain(struct quarantine_line *line)
{
    line->is_draining = true;
    write_next(line);
}

size_t
quarantine_line_busy(const struct quarantine_line *line)
{
    return line->waiting_count;
}
