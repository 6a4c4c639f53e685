/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/send_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <usher/usher.h>

#include "base/check.h"
#include "base/encode.h"
#include "cli/interrupt.h"
#include "cli/salvo.h"
#include "os/random.h"

#define RUN_ID_BYTES   10 /* 80 bits: no two runs have an id in common */
#define ID_BYTES_MAX   64
#define FIXED_BYTES    ((size_t)128 * 1024)
#define HEAD_BYTES_MAX (FIXED_BYTES + 4096)

struct send_run;

struct post {
    struct http_exchange exchange;
    struct send_run *run;
    struct buf head;
    struct buf body;
    bool is_under_way;
};

struct send_run {
    const struct send_run_options *options;
    struct tally *tally;
    struct loop *loop;
    struct asker asker;
    struct interrupt interrupt;
    struct timer timer;
    struct salvo salvo;
    struct buf fixed; /* of the head, what all requests have in common */
    char id[ID_BYTES_MAX];
    struct post *posts; /* owned; as many as may be under way */
    size_t post_count;
    struct instant first;
    struct instant last;
    struct error error;
};

static void pump(struct send_run *run);

/* --- one request --- */

static void
on_done(struct http_exchange *exchange, const struct http_result *result)
{
    struct post *post = CONTAINER_OF(exchange, struct post, exchange);
    struct send_run *run = post->run;

    post->is_under_way = false;
    run->last = clock_instant(&clock_system);
    tally_add(run->tally, result);
    salvo_settle(&run->salvo);
    pump(run);
}

static enum err
sign(struct send_run *run, struct post *post, const char *id)
{
    int64_t now_s = clock_walltime(&clock_system).us / US_PER_S;
    const char *signature = NULL;

    buf_append_literal(&post->head, "webhook-timestamp: ");
    buf_append_int(&post->head, now_s);
    buf_append_literal(&post->head, "\r\n");
    if (run->options->signer == NULL)
        return OK;
    if (usher_sign(run->options->signer, id, now_s, post->body.ptr, post->body.len, &signature) !=
        USHER_OK)
        return ERR_NOMEM;
    ask_field(&post->head, STR("webhook-signature"), str_from(signature));
    return OK;
}

static enum err
start(struct send_run *run, struct post *post, int64_t index)
{
    char id[ID_BYTES_MAX + 24];
    enum err err;

    buf_clear(&post->head);
    buf_clear(&post->body);
    err = send_bodies_render(run->options->bodies, index, &post->body);
    if (err != OK)
        return err;
    buf_append_str(&post->head, buf_str(&run->fixed));
    (void)snprintf(id, sizeof(id), "%s_%lld", run->id, (long long)index + 1);
    ask_field(&post->head, STR("webhook-id"), str_from(id));
    err = sign(run, post, id);
    ask_head_end(&post->head, post->body.len);
    if (err != OK || buf_is_full(&post->head))
        return ERR_NOMEM;
    post->exchange.head = buf_str(&post->head);
    post->exchange.body = buf_str(&post->body);
    post->exchange.deadline = instant_add_ms(clock_instant(&clock_system), ASK_TIMEOUT_MS);
    post->exchange.done = on_done;
    post->is_under_way = true;
    http_exchange_start(run->asker.endpoint, &post->exchange);
    return OK;
}

/* --- all of them --- */

static struct post *
find_idle(struct send_run *run)
{
    size_t i = 0;

    while (i < run->post_count && run->posts[i].is_under_way)
        i++;
    CHECK(i < run->post_count); /* the salvo starts no more than there are */
    return &run->posts[i];
}

static void
pump(struct send_run *run)
{
    struct instant when = INSTANT_NEVER;

    while (salvo_start(&run->salvo, clock_instant(&clock_system), &when)) {
        if (start(run, find_idle(run), run->salvo.started - 1) == OK)
            continue;
        (void)error_set(&run->error, ERR_NOMEM, "out of memory for a request");
        salvo_settle(&run->salvo);
        salvo_end(&run->salvo);
    }
    timer_set(&run->timer, when);
    if (salvo_is_over(&run->salvo))
        loop_stop(run->loop);
}

static void
on_timer(void *arg)
{
    pump(arg);
}

static void
on_interrupt(void *arg)
{
    struct send_run *run = arg;

    salvo_end(&run->salvo);
    for (size_t i = 0; i < run->post_count; i++) {
        if (run->posts[i].is_under_way)
            http_exchange_cancel(run->asker.endpoint, &run->posts[i].exchange);
    }
    pump(run); /* none may have been under way */
}

/* --- the whole --- */

static void
prepare_head(struct send_run *run)
{
    const struct send_run_options *options = run->options;
    uint8_t random[RUN_ID_BYTES];
    struct buf *fixed = &run->fixed;
    char text[2 * RUN_ID_BYTES];
    size_t len;

    random_bytes(random, sizeof(random));
    len = base32_encode(random, sizeof(random), text);
    (void)snprintf(run->id, sizeof(run->id), "msg_%.*s", (int)len, text);

    asker_head(&run->asker, run->asker.url.target, fixed);
    if (!options->has_type)
        ask_field(fixed, STR("Content-Type"), STR("application/json"));
    if (options->event.ptr != NULL)
        ask_field(fixed, STR("x-usher-event"), options->event);
    ask_field(fixed, STR("x-usher-reason"), STR("test"));
    ask_field(fixed, STR("x-usher-attempt"), STR("1"));
    buf_append_str(fixed, options->fields);
}

static enum err
open_run(struct send_run *run, struct error *reterr)
{
    const struct send_run_options *options = run->options;
    int64_t at_once = options->concurrency < options->count ? options->concurrency : options->count;
    enum err err = loop_new(0, &run->loop, reterr);

    if (err == OK)
        err = asker_init(&run->asker, run->loop, options->config, options->url, (unsigned)at_once,
            reterr);
    if (err == OK)
        err = interrupt_open(&run->interrupt, run->loop, on_interrupt, run, reterr);
    if (err != OK)
        return err;
    prepare_head(run);
    run->posts = calloc((size_t)at_once, sizeof(*run->posts));
    if (run->posts == NULL || buf_is_full(&run->fixed) ||
        timer_init(&run->timer, run->loop, LOOP_TIMERS, on_timer, run) != OK)
        return error_set(reterr, ERR_NOMEM, "out of memory");
    run->post_count = (size_t)at_once;
    for (size_t i = 0; i < run->post_count; i++) {
        run->posts[i].run = run;
        buf_init(&run->posts[i].head, HEAD_BYTES_MAX);
        buf_init(&run->posts[i].body, HTTP_BODY_BYTES_MAX);
    }
    salvo_init(&run->salvo, options->count, at_once, (double)options->rate);
    return OK;
}

static void
close_run(struct send_run *run)
{
    for (size_t i = 0; i < run->post_count; i++) {
        buf_done(&run->posts[i].head);
        buf_done(&run->posts[i].body);
    }
    free(run->posts);
    timer_done(&run->timer);
    interrupt_close(&run->interrupt);
    asker_done(&run->asker);
    loop_free(run->loop);
    buf_done(&run->fixed);
}

enum err
send_run(const struct send_run_options *options, struct tally *tally, int64_t *ret_elapsed_us,
    struct error *reterr)
{
    struct send_run run = {.options = options, .tally = tally, .error = {.code = OK}};
    enum err err;

    tally_init(tally);
    buf_init(&run.fixed, FIXED_BYTES);
    err = open_run(&run, reterr);
    if (err == OK) {
        run.first = run.last = clock_instant(&clock_system);
        pump(&run);
        loop_run(run.loop);
        err = run.error.code;
        if (err != OK)
            (void)error_set(reterr, err, "%s", run.error.text);
    }
    if (err == OK)
        *ret_elapsed_us = run.last.us - run.first.us;
    close_run(&run);
    return err;
}
