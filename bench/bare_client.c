/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast our HTTP client posts when it has nothing else to do: nothing is read from a store,
 * rendered, signed or recorded.
 *
 *     bare_client [--ca FILE] [--in-flight N] [--count N] URL...
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "bench/bare.h"
#include "net/http_client.h"

#define HEAD_BYTES_MAX 8192
/* What usher gives an endpoint by default; each start sets a deadline, as a delivery's does. */
#define DEADLINE_MS 30000
#define IDLE_MS     60000

struct bench {
    struct bare_plan plan;
    struct loop *loop;
    struct resolver *resolver;
    struct tls_client *tls;
    struct http_client *client;
    struct http_endpoint *endpoints[BARE_URLS_MAX];
    uint64_t to_start;
    uint64_t to_end;
    uint64_t failed;
};

struct place {
    struct http_exchange exchange; /* first: found again from it */
    struct bench *bench;
    struct http_endpoint *endpoint;
    struct bare_post post;
    struct buf head;
};

static void
place_start(struct place *place)
{
    place->bench->to_start--;
    place->exchange.deadline = instant_add_ms(clock_instant(&clock_system), DEADLINE_MS);
    http_exchange_start(place->endpoint, &place->exchange);
}

static void
on_done(struct http_exchange *exchange, const struct http_result *result)
{
    struct place *place = (struct place *)exchange;
    struct bench *bench = place->bench;

    if ((result->failure != HTTP_OK || result->status / 100 != 2) && bench->failed++ == 0)
        (void)fprintf(stderr, "first failure: %s, %s, status %d\n",
            http_failure_name(result->failure), result->detail != NULL ? result->detail : "",
            result->status);
    if (--bench->to_end == 0)
        loop_stop(bench->loop);
    else if (bench->to_start > 0)
        place_start(place);
}

static void
place_init(struct place *place, struct bench *bench, uint64_t number, const struct url *url)
{
    struct buf *head = &place->head;

    place->bench = bench;
    bare_post_init(&place->post, number);
    buf_init(head, HEAD_BYTES_MAX);
    buf_append_literal(head, "POST ");
    buf_append_str(head, url->target);
    buf_append_literal(head, " HTTP/1.1\r\nHost: ");
    url_append_authority(url, head);
    for (size_t i = 0; i < place->post.field_count; i++) {
        buf_append_literal(head, "\r\n");
        buf_append_str(head, buf_str(&place->post.fields[i]));
    }
    buf_append_literal(head, "\r\nContent-Length: ");
    buf_append_int(head, (int64_t)place->post.body.len);
    buf_append_literal(head, "\r\n\r\n");
    CHECK(!buf_is_full(head));
    place->exchange.head = buf_str(head);
    place->exchange.body = buf_str(&place->post.body);
    place->exchange.done = on_done;
}

static void
place_done(struct place *place)
{
    bare_post_done(&place->post);
    buf_done(&place->head);
}

static enum err
places_init(struct bench *bench, struct place *places, struct error *reterr)
{
    const struct bare_plan *plan = &bench->plan;
    struct arena arena;
    struct url url;
    enum err err = OK;

    arena_init(&arena, BARE_URLS_MAX * URL_BYTES_MAX);
    for (size_t i = 0; err == OK && i < plan->url_count; i++) {
        err = url_parse(str_from(plan->urls[i]), &arena, &url, reterr);
        if (err == OK)
            err = http_endpoint_new(bench->client, &url, (unsigned)plan->in_flight,
                &bench->endpoints[i]);
        for (uint64_t j = i; err == OK && j < plan->in_flight; j += plan->url_count) {
            place_init(&places[j], bench, j, &url);
            places[j].endpoint = bench->endpoints[i];
        }
    }
    arena_done(&arena);
    return err;
}

static enum err
client_init(struct bench *bench, const struct address_guard *guard, struct error *reterr)
{
    struct http_client_options options = {
        .guard = guard,
        .idle_ms = IDLE_MS,
        .idle_max = BARE_IN_FLIGHT_MAX,
    };
    enum err err = loop_new(0, &bench->loop, reterr);

    if (err == OK)
        err = resolver_new(bench->loop, NULL, &bench->resolver, reterr);
    if (err == OK)
        err = tls_client_new(bench->plan.ca_path, &bench->tls, reterr);
    options.loop = bench->loop;
    options.resolver = bench->resolver;
    options.tls = bench->tls;
    return err == OK ? http_client_new(&options, &bench->client, reterr) : err;
}

static void
run(struct bench *bench, struct place *places)
{
    struct bare_watch watch;

    bench->to_start = bench->plan.count;
    bench->to_end = bench->plan.count;
    bare_watch_start(&watch);
    for (uint64_t i = 0; i < bench->plan.in_flight && bench->to_start > 0; i++)
        place_start(&places[i]);
    loop_run(bench->loop);
    bare_watch_tell(&watch, &bench->plan, bench->failed);
}

int
main(int argc, char **argv)
{
    static struct place places[BARE_IN_FLIGHT_MAX];
    const struct address_guard guard = {.allow_all = true};
    struct error error = {.text = "out of memory"};
    struct bench bench = {.failed = 0};
    enum err err;

    if (bare_plan_parse(argc, argv, &bench.plan) != OK)
        return 2;
    (void)signal(SIGPIPE, SIG_IGN);
    err = client_init(&bench, &guard, &error);
    if (err == OK)
        err = places_init(&bench, places, &error);
    if (err == OK)
        run(&bench, places);
    else
        (void)fprintf(stderr, "bare_client: %s\n", error.text);

    for (size_t i = 0; i < bench.plan.in_flight; i++)
        place_done(&places[i]);
    for (size_t i = 0; i < bench.plan.url_count; i++)
        http_endpoint_free(bench.endpoints[i]);
    http_client_free(bench.client);
    tls_client_free(bench.tls);
    resolver_free(bench.resolver);
    if (bench.loop != NULL)
        loop_free(bench.loop);
    return err == OK && bench.failed == 0 ? 0 : 1;
}
