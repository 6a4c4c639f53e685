/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same posts as bare_client by libcurl, as fast as we know how to have it: multi_socket on
 * epoll, one easy handle for each place with all its options set once, each always to the same
 * URL, changes of interest put together before each wait, connections kept.
 *
 *     bare_curl [--ca FILE] [--in-flight N] [--count N] URL...
 *
 * No time-out is set: it costs libcurl 1.4 us a post, and one timer of one's own would do. URLs
 * hold addresses: the descriptors of libcurl's threads that look up names are not followed here.
 */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"
#include "bench/bare.h"

#define EVENTS_MAX 256
/* Descriptors are small numbers: a connection for each place, and a few of the process's own. */
#define FDS_MAX (BARE_IN_FLIGHT_MAX * 2 + 64)

struct place {
    CURL *easy;
    struct bare_post post;
    struct curl_slist nodes[BARE_FIELDS_MAX + 1]; /* borrow from the post; the last: "Accept:" */
};

/* What libcurl wants to know of a descriptor, and what epoll has been told. */
struct interest {
    uint32_t wanted;
    uint32_t told;
    bool is_changed;
};

struct bench {
    struct bare_plan plan;
    CURLM *multi;
    int epoll;
    long timeout_ms; /* -1: none */
    struct interest interests[FDS_MAX];
    int changed[FDS_MAX];
    size_t changed_count;
    uint64_t to_start;
    uint64_t to_end;
    uint64_t failed;
};

/* --- epoll ------------------------------------------------------------------------------------ */

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    static const uint32_t masks[] = {
        [CURL_POLL_NONE] = 0,
        [CURL_POLL_IN] = EPOLLIN,
        [CURL_POLL_OUT] = EPOLLOUT,
        [CURL_POLL_INOUT] = EPOLLIN | EPOLLOUT,
        [CURL_POLL_REMOVE] = 0,
    };
    struct bench *bench = arg;

    (void)easy;
    (void)socket_arg;
    CHECK(fd >= 0 && fd < FDS_MAX);
    struct interest *interest = &bench->interests[fd];
    interest->wanted = masks[what];
    if (!interest->is_changed) {
        interest->is_changed = true;
        bench->changed[bench->changed_count++] = fd;
    }
    return 0;
}

/* The kernel forgets what is closed; the number may come again at once. */
static int
on_close(void *arg, curl_socket_t fd)
{
    struct bench *bench = arg;

    CHECK(fd >= 0 && fd < FDS_MAX);
    bench->interests[fd].told = 0;
    bench->interests[fd].wanted = 0;
    return close(fd);
}

/* Between two posts on one connection libcurl takes its interest back and tells it anew: put
 * together, these cost no call. */
static void
tell_changes(struct bench *bench)
{
    for (size_t i = 0; i < bench->changed_count; i++) {
        int fd = bench->changed[i];
        struct interest *interest = &bench->interests[fd];
        struct epoll_event event = {.events = interest->wanted, .data.fd = fd};
        int operation = interest->told == 0     ? EPOLL_CTL_ADD
                        : interest->wanted == 0 ? EPOLL_CTL_DEL
                                                : EPOLL_CTL_MOD;

        interest->is_changed = false;
        if (interest->told == interest->wanted)
            continue;
        CHECK(epoll_ctl(bench->epoll, operation, fd, &event) == 0);
        interest->told = interest->wanted;
    }
    bench->changed_count = 0;
}

static int
on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    struct bench *bench = arg;

    (void)multi;
    bench->timeout_ms = timeout_ms;
    return 0;
}

/* --- posts ------------------------------------------------------------------------------------ */

static size_t
on_body(char *bytes, size_t size, size_t count, void *arg)
{
    (void)bytes;
    (void)arg;
    return size * count;
}

static void
place_headers(struct place *place)
{
    size_t count = place->post.field_count;
    static char no_accept[] = "Accept:";

    for (size_t i = 0; i < count; i++)
        place->nodes[i].data = place->post.fields[i].ptr;
    place->nodes[count].data = no_accept;
    for (size_t i = 0; i < count; i++)
        place->nodes[i].next = &place->nodes[i + 1];
    CHECK(curl_easy_setopt(place->easy, CURLOPT_HTTPHEADER, place->nodes) == CURLE_OK);
}

static void
place_init(struct place *place, struct bench *bench, uint64_t number)
{
    const struct bare_plan *plan = &bench->plan;
    CURL *easy = curl_easy_init();
    bool is_set = easy != NULL;

    CHECK(is_set);
    place->easy = easy;
    bare_post_init(&place->post, number);
#define SET(option, value) is_set = is_set && curl_easy_setopt(easy, option, value) == CURLE_OK
    SET(CURLOPT_URL, plan->urls[number % plan->url_count]);
    SET(CURLOPT_POSTFIELDS, place->post.body.ptr);
    SET(CURLOPT_POSTFIELDSIZE, (long)place->post.body.len);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_PRIVATE, place);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close);
    SET(CURLOPT_CLOSESOCKETDATA, bench);
    if (plan->ca_path != NULL)
        SET(CURLOPT_CAINFO, plan->ca_path);
#undef SET
    CHECK(is_set);
    place_headers(place);
}

static void
place_start(struct bench *bench, struct place *place)
{
    bench->to_start--;
    CHECK(curl_multi_add_handle(bench->multi, place->easy) == CURLM_OK);
}

static void
place_end(struct bench *bench, struct place *place, CURLcode code)
{
    long status = 0;

    (void)curl_easy_getinfo(place->easy, CURLINFO_RESPONSE_CODE, &status);
    if ((code != CURLE_OK || status / 100 != 2) && bench->failed++ == 0)
        (void)fprintf(stderr, "first failure: %s, status %ld\n", curl_easy_strerror(code), status);
    CHECK(curl_multi_remove_handle(bench->multi, place->easy) == CURLM_OK);
    bench->to_end--;
    if (bench->to_start > 0)
        place_start(bench, place);
}

/* What was added is set going once for all, which may end some of it at once. */
static void
take_ended(struct bench *bench)
{
    bool is_started = true;
    int running;
    int left;

    while (is_started) {
        struct CURLMsg *message;

        is_started = false;
        while ((message = curl_multi_info_read(bench->multi, &left)) != NULL) {
            CURLcode code = message->data.result;
            char *place;

            if (message->msg != CURLMSG_DONE)
                continue;
            CHECK(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &place) == CURLE_OK);
            place_end(bench, (struct place *)(void *)place, code);
            is_started = true;
        }
        if (is_started)
            (void)curl_multi_socket_action(bench->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
}

static void
turn(struct bench *bench)
{
    struct epoll_event events[EVENTS_MAX];
    int running;
    int count;

    tell_changes(bench);
    count = epoll_wait(bench->epoll, events, EVENTS_MAX, (int)bench->timeout_ms);
    CHECK(count >= 0 || errno == EINTR);
    for (int i = 0; i < count; i++) {
        uint32_t what = events[i].events;
        int mask = (what & EPOLLIN ? CURL_CSELECT_IN : 0) |
                   (what & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (what & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);

        (void)curl_multi_socket_action(bench->multi, events[i].data.fd, mask, &running);
    }
    if (count == 0)
        (void)curl_multi_socket_action(bench->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_ended(bench);
}

static void
run(struct bench *bench, struct place *places)
{
    struct bare_watch watch;
    int running;

    bench->to_start = bench->plan.count;
    bench->to_end = bench->plan.count;
    bare_watch_start(&watch);
    for (uint64_t i = 0; i < bench->plan.in_flight && bench->to_start > 0; i++)
        place_start(bench, &places[i]);
    (void)curl_multi_socket_action(bench->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_ended(bench);
    while (bench->to_end > 0)
        turn(bench);
    bare_watch_tell(&watch, &bench->plan, bench->failed);
}

int
main(int argc, char **argv)
{
    static struct place places[BARE_IN_FLIGHT_MAX];
    static struct bench bench;

    if (bare_plan_parse(argc, argv, &bench.plan) != OK)
        return 2;
    (void)signal(SIGPIPE, SIG_IGN);
    CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
    bench.multi = curl_multi_init();
    bench.epoll = epoll_create1(EPOLL_CLOEXEC);
    bench.timeout_ms = -1;
    CHECK(bench.multi != NULL && bench.epoll >= 0);
    CHECK(curl_multi_setopt(bench.multi, CURLMOPT_SOCKETFUNCTION, on_socket) == CURLM_OK);
    CHECK(curl_multi_setopt(bench.multi, CURLMOPT_SOCKETDATA, &bench) == CURLM_OK);
    CHECK(curl_multi_setopt(bench.multi, CURLMOPT_TIMERFUNCTION, on_timer) == CURLM_OK);
    CHECK(curl_multi_setopt(bench.multi, CURLMOPT_TIMERDATA, &bench) == CURLM_OK);
    /* Fewer than are in flight, and connections are closed and opened again all the time. */
    CHECK(curl_multi_setopt(bench.multi, CURLMOPT_MAXCONNECTS, (long)bench.plan.in_flight + 1) ==
          CURLM_OK);
    for (uint64_t i = 0; i < bench.plan.in_flight; i++)
        place_init(&places[i], &bench, i);

    run(&bench, places);

    for (uint64_t i = 0; i < bench.plan.in_flight; i++)
        curl_easy_cleanup(places[i].easy);
    (void)curl_multi_cleanup(bench.multi);
    for (uint64_t i = 0; i < bench.plan.in_flight; i++)
        bare_post_done(&places[i].post);
    (void)close(bench.epoll);
    curl_global_cleanup();
    return bench.failed == 0 ? 0 : 1;
}
