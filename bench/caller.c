/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of an inbox that wrk cannot make: a burst of fresh connections, and right ones among wrong.
 *
 *     caller [--connections N] [--seconds S | --count N] [--wrong PATH] [--key KEY] PORT PATH NAME
 *
 * One thread, epoll, to this machine. Each connection sends the published example of a call and
 * waits for its answer, again and again; with --count each of so many calls has a connection of its
 * own, all opened at once. NAME and a number are each call's address, so that all are of somebody
 * new. --wrong sends every second call of a connection there, where 401 is the right answer; KEY
 * goes as x-api-key. Prints one line for bench/receive: right ones, wrong ones, others, the time
 * from the first connect to the last answer, and of right ones p50, p99 and the slowest, in
 * microseconds.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define SECONDS_MAX     600
#define EVENTS_MAX      256
#define REQUEST_BYTES   2048
#define ANSWER_BYTES    4096
#define TIMES_MAX       ((size_t)1 << 24)

/* Without a single answer for so long the rest is missing. */
#define SILENCE_MS 20000

#define NUMBER_FORM "%09" PRIu64
#define BODY                                                                                       \
    "{\"name\":\"John Doe\",\"email\":\"%s" NUMBER_FORM "@example.com\",\"phone\":1234567890,"     \
    "\"timezone\":\"+05:30\",\"callList\":[{\"webinar\":\"Introduction to Digital Marketing\","    \
    "\"webinarId\":\"634fc35ddaf58580e2418c40\","                                                  \
    "\"webinarLink\":\"https://meet.google.com/abc-defg-hij\","                                    \
    "\"webinarFromTime\":\"2024-03-15T10:00:00.000Z\","                                            \
    "\"webinarToTime\":\"2024-03-15T11:00:00.000Z\","                                              \
    "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T15:30:00.000Z\","                           \
    "\"webinarToTimeInCreatorTimezone\":\"2024-03-15T16:30:00.000Z\","                             \
    "\"creatorTimezone\":\"+05:30\"}],\"mangoes\":\"mango1, mango2, mango3\"}"

struct connection {
    int fd;
    bool is_wrong; /* what it sends now */
    bool is_open;
    uint64_t sent_us;
    size_t len;
    char answer[ANSWER_BYTES];
};

struct bench {
    /* What the command line says. */
    size_t connection_count;
    uint64_t seconds;
    uint64_t count; /* 0: for so many seconds */
    const char *wrong_path;
    const char *path;
    const char *name;
    const char *key;
    in_port_t port;

    int epoll;
    struct connection *connections; /* owned */
    size_t open_count;
    uint64_t number; /* of the next call */
    uint64_t start_us;
    uint64_t end_us;  /* no call begins from then on */
    uint64_t last_us; /* the newest answer */
    uint64_t right;
    uint64_t wrong;
    uint64_t others;
    uint32_t *times_us; /* owned; of the right ones */
};

static uint64_t
now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- one connection --------------------------------------------------------------------------- */

static void
connection_close(struct bench *bench, struct connection *connection)
{
    (void)close(connection->fd);
    connection->is_open = false;
    bench->open_count--;
}

/* It fits the socket's empty buffer, so a short write is a failure. */
static bool
connection_send(struct bench *bench, struct connection *connection)
{
    char request[REQUEST_BYTES];
    char body[REQUEST_BYTES];
    const char *path = connection->is_wrong ? bench->wrong_path : bench->path;
    int body_len = snprintf(body, sizeof(body), BODY, bench->name, bench->number++);
    int len = snprintf(request, sizeof(request),
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nx-api-key: %s\r\n"
        "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
        path, bench->key, body_len, body);

    connection->len = 0;
    if (bench->count == 0) /* of a burst the time is from the connect on */
        connection->sent_us = now_us();
    return len < (int)sizeof(request) && body_len < (int)sizeof(body) &&
           send(connection->fd, request, (size_t)len, MSG_NOSIGNAL) == len;
}

static bool
connection_open(struct bench *bench, struct connection *connection)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
        .sin_port = bench->port,
    };
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = connection};
    int one = 1;

    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection->fd < 0)
        return false;
    (void)setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    connection->sent_us = now_us();
    connection->is_open = true;
    bench->open_count++;
    return (connect(connection->fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
               errno == EINPROGRESS) &&
           epoll_ctl(bench->epoll, EPOLL_CTL_ADD, connection->fd, &event) == 0;
}

/* The answer's status when all of it is there; 0: not yet; -1: it cannot be read. */
static int
answer_status(struct connection *connection)
{
    static const char field[] = "content-length:";
    char *end;
    const char *length;

    connection->answer[connection->len] = '\0';
    end = strstr(connection->answer, "\r\n\r\n");
    if (end == NULL)
        return connection->len + 1 == ANSWER_BYTES ? -1 : 0;
    length = strcasestr(connection->answer, field);
    if (length == NULL || length > end || strncmp(connection->answer, "HTTP/1.1 ", 9) != 0)
        return -1;
    end += 4 + strtoul(length + sizeof(field) - 1, NULL, 10);
    if (connection->answer + connection->len < end)
        return 0;
    return (int)strtol(connection->answer + 9, NULL, 10);
}

static void
count_answer(struct bench *bench, const struct connection *connection, int status)
{
    bench->last_us = now_us();
    if (connection->is_wrong && status == 401) {
        bench->wrong++;
    } else if (!connection->is_wrong && status == 200) {
        if (bench->right < TIMES_MAX)
            bench->times_us[bench->right] = (uint32_t)(bench->last_us - connection->sent_us);
        bench->right++;
    } else {
        if (bench->others++ == 0)
            (void)fprintf(stderr, "first failure: %s\n", connection->answer);
    }
}

/* False when it is over, well or not. */
static bool
connection_read(struct bench *bench, struct connection *connection)
{
    ssize_t count = recv(connection->fd, connection->answer + connection->len,
        ANSWER_BYTES - 1 - connection->len, 0);
    int status;

    if (count < 0 && errno == EAGAIN)
        return true;
    connection->len += count > 0 ? (size_t)count : 0;
    status = count > 0 ? answer_status(connection) : -1;
    if (status == 0)
        return true;
    count_answer(bench, connection, status);
    if (status < 0 || bench->count > 0 || bench->last_us >= bench->end_us)
        return false;
    connection->is_wrong = bench->wrong_path != NULL && !connection->is_wrong;
    return connection_send(bench, connection);
}

static bool
connection_connected(struct bench *bench, struct connection *connection)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};

    return epoll_ctl(bench->epoll, EPOLL_CTL_MOD, connection->fd, &event) == 0 &&
           connection_send(bench, connection);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* A burst needs more than a shell gives. */
static void
descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool
bench_open(struct bench *bench)
{
    if (bench->count > 0)
        bench->connection_count = bench->count;
    bench->connections = calloc(bench->connection_count, sizeof(*bench->connections));
    bench->times_us = malloc(TIMES_MAX * sizeof(*bench->times_us));
    bench->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (bench->connections == NULL || bench->times_us == NULL || bench->epoll < 0)
        return false;
    bench->start_us = now_us();
    bench->last_us = bench->start_us;
    bench->end_us = bench->start_us + bench->seconds * 1000000;
    for (size_t i = 0; i < bench->connection_count; i++) {
        /* Half of them begin with a wrong one. */
        bench->connections[i].is_wrong = bench->wrong_path != NULL && i % 2 == 1;
        if (!connection_open(bench, &bench->connections[i]))
            return false;
    }
    return true;
}

static void
bench_run(struct bench *bench)
{
    struct epoll_event events[EVENTS_MAX];

    while (bench->open_count > 0) {
        int count = epoll_wait(bench->epoll, events, EVENTS_MAX, SILENCE_MS);

        if (count <= 0)
            break;
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            bool is_going = (events[i].events & EPOLLOUT) != 0
                                ? connection_connected(bench, connection)
                                : connection_read(bench, connection);

            if (!is_going)
                connection_close(bench, connection);
        }
    }
    bench->others += bench->open_count;
}

static int
time_compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;

    return left < right ? -1 : left > right;
}

static uint32_t
percentile(const struct bench *bench, size_t count, unsigned percent)
{
    size_t at = count * percent / 100;

    return count == 0 ? 0 : bench->times_us[at < count ? at : count - 1];
}

static void
bench_tell(const struct bench *bench)
{
    size_t count = bench->right < TIMES_MAX ? bench->right : TIMES_MAX;

    qsort(bench->times_us, count, sizeof(*bench->times_us), time_compare);
    (void)printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu32 " %" PRIu32 " %" PRIu32
                 "\n",
        bench->right, bench->wrong, bench->others, bench->last_us - bench->start_us,
        percentile(bench, count, 50), percentile(bench, count, 99), percentile(bench, count, 100));
}

static void
bench_close(struct bench *bench)
{
    for (size_t i = 0; i < bench->connection_count; i++) {
        if (bench->connections[i].is_open)
            connection_close(bench, &bench->connections[i]);
    }
    (void)close(bench->epoll);
    free(bench->connections);
    free(bench->times_us);
}

static bool
options_parse(int argc, char **argv, struct bench *bench)
{
    static const struct option options[] = {
        {"connections", required_argument, NULL, 'c'},
        {"seconds", required_argument, NULL, 's'},
        {"count", required_argument, NULL, 'n'},
        {"wrong", required_argument, NULL, 'w'},
        {"key", required_argument, NULL, 'k'},
        {NULL, 0, NULL, 0},
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'c': bench->connection_count = strtoul(optarg, NULL, 10); break;
        case 's': bench->seconds = strtoul(optarg, NULL, 10); break;
        case 'n': bench->count = strtoul(optarg, NULL, 10); break;
        case 'w': bench->wrong_path = optarg; break;
        case 'k': bench->key = optarg; break;
        default: return false;
        }
    }
    if (optind + 3 != argc)
        return false;
    bench->port = htons((uint16_t)strtoul(argv[optind], NULL, 10));
    bench->path = argv[optind + 1];
    bench->name = argv[optind + 2];
    return bench->connection_count >= 1 && bench->connection_count <= CONNECTIONS_MAX &&
           bench->count <= CONNECTIONS_MAX && bench->seconds >= 1 && bench->seconds <= SECONDS_MAX;
}

int
main(int argc, char **argv)
{
    static struct bench bench = {.connection_count = 64, .seconds = 1, .key = ""};

    if (!options_parse(argc, argv, &bench)) {
        (void)fprintf(stderr,
            "usage: caller [--connections 1..%d] [--seconds 1..%d | --count 1..%d] "
            "[--wrong PATH] [--key KEY] PORT PATH NAME\n",
            CONNECTIONS_MAX, SECONDS_MAX, CONNECTIONS_MAX);
        return 2;
    }
    descriptors_raise();
    if (!bench_open(&bench)) {
        (void)fprintf(stderr, "caller: cannot start: %s\n", strerror(errno));
        return 1;
    }
    bench_run(&bench);
    bench_tell(&bench);
    bench_close(&bench);
    return 0;
}
