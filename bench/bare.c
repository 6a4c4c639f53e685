/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/bare.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/check.h"
#include "domain/delivery_id.h"
#include "domain/payload.h"
#include "domain/signature.h"

#define FIELD_BYTES_MAX 512
#define BODY_BYTES_MAX  4096
#define TIMESTAMP_S     1710496800

/* What payload_fixed_build makes of one session in one mango. */
static const char snapshot[] =
    ",\"callList\":[{\"webinar\":\"Introduction to Digital Marketing\","
    "\"webinarId\":\"634fc35ddaf58580e2418c40\","
    "\"webinarLink\":\"https://meet.google.com/abc-defg-hij\","
    "\"webinarFromTime\":\"2024-03-15T10:00:00.000Z\","
    "\"webinarToTime\":\"2024-03-15T11:00:00.000Z\","
    "\"webinarFromTimeInCreatorTimezone\":\"2024-03-15T15:30:00.000Z\","
    "\"webinarToTimeInCreatorTimezone\":\"2024-03-15T16:30:00.000Z\","
    "\"creatorTimezone\":\"+05:30\"}],\"mangoes\":\"Digital Marketing\"}";

static enum err
number_parse(const char *text, uint64_t max, uint64_t *ret)
{
    int64_t number = 0;

    if (str_to_int64(str_from(text), &number) != OK || number < 1 || (uint64_t)number > max)
        return ERR_INVALID;
    *ret = (uint64_t)number;
    return OK;
}

enum err
bare_plan_parse(int argc, char *const *argv, struct bare_plan *ret)
{
    static const struct option options[] = {
        {"ca", required_argument, NULL, 'a'},
        {"in-flight", required_argument, NULL, 'f'},
        {"count", required_argument, NULL, 'n'},
        {NULL, 0, NULL, 0},
    };
    struct bare_plan plan = {.in_flight = 64, .count = 200000};
    enum err err = OK;
    int option;

    while (err == OK && (option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'a': plan.ca_path = optarg; break;
        case 'f': err = number_parse(optarg, BARE_IN_FLIGHT_MAX, &plan.in_flight); break;
        case 'n': err = number_parse(optarg, UINT64_C(1000000000), &plan.count); break;
        default: err = ERR_INVALID;
        }
    }
    plan.urls = argv + optind;
    plan.url_count = (size_t)(argc - optind);
    if (err != OK || plan.url_count < 1 || plan.url_count > BARE_URLS_MAX) {
        (void)fprintf(stderr,
            "usage: %s [--ca FILE] [--in-flight N] [--count N] URL...\n"
            "with at most %d in flight and %d URLs\n",
            argv[0], BARE_IN_FLIGHT_MAX, BARE_URLS_MAX);
        return ERR_INVALID;
    }
    *ret = plan;
    return OK;
}

static struct buf *
field_add(struct bare_post *post, const char *name_and_value)
{
    struct buf *field = &post->fields[post->field_count++];

    CHECK(post->field_count <= BARE_FIELDS_MAX);
    buf_init(field, FIELD_BYTES_MAX);
    buf_append_str(field, str_from(name_and_value));
    return field;
}

static void
sign(struct bare_post *post, uint64_t number)
{
    static const struct secret secret = {.kind = SECRET_V1, .len = 32, .bytes = "a bench's key"};
    CLEANUP(signer_freep) struct signer *signer = NULL;
    struct delivery_id id = {.sequence = 1};
    char text[DELIVERY_ID_TEXT_BYTES];

    memcpy(id.attendee.bytes, &number, sizeof(number));
    struct str id_text = {text, delivery_id_format(&id, text)};
    buf_append_str(field_add(post, "webhook-id: "), id_text);
    buf_append_int(field_add(post, "webhook-timestamp: "), TIMESTAMP_S);
    CHECK(signer_new(&secret, 1, &signer) == OK);
    CHECK(signer_sign(signer, id_text, TIMESTAMP_S, buf_str(&post->body),
              field_add(post, "webhook-signature: ")) == OK);
}

void
bare_post_init(struct bare_post *post, uint64_t number)
{
    char name[32];
    char email[48];
    const struct payload_attendee attendee = {
        .name = {name, (size_t)snprintf(name, sizeof(name), "Attendee %07" PRIu64, number)},
        .email = {email,
            (size_t)snprintf(email, sizeof(email), "attendee%07" PRIu64 "@example.com", number)},
        .phone = STR("+1 (234) 567-890"),
        .has_offset = true,
        .offset_minutes = 330,
    };

    *post = (struct bare_post){.field_count = 0};
    buf_init(&post->body, BODY_BYTES_MAX);
    payload_render(&post->body, &attendee, PHONE_NUMBER,
        (struct str){snapshot, sizeof(snapshot) - 1});
    CHECK(!buf_is_full(&post->body));
    (void)field_add(post, "User-Agent: usher/0.1.0");
    (void)field_add(post, "Content-Type: application/json");
    (void)field_add(post, "x-usher-event: webinar.created.single");
    (void)field_add(post, "x-usher-reason: created");
    (void)field_add(post, "x-usher-sequence: 1");
    (void)field_add(post, "x-usher-attempt: 1");
    sign(post, number);
}

void
bare_post_done(struct bare_post *post)
{
    for (size_t i = 0; i < post->field_count; i++)
        buf_done(&post->fields[i]);
    buf_done(&post->body);
}

static int64_t
cpu_us(void)
{
    struct rusage usage;

    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * US_PER_S + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

void
bare_watch_start(struct bare_watch *watch)
{
    *watch = (struct bare_watch){
        .start = clock_instant(&clock_system),
        .cpu_us_start = cpu_us(),
    };
}

void
bare_watch_tell(const struct bare_watch *watch, const struct bare_plan *plan, uint64_t failed)
{
    double us = (double)(clock_instant(&clock_system).us - watch->start.us);
    double cpu = (double)(cpu_us() - watch->cpu_us_start);

    (void)printf("%" PRIu64 " posts, %" PRIu64 " in flight, %zu endpoints: %.0f/s, "
                 "%.3f us CPU each, %" PRIu64 " failed\n",
        plan->count, plan->in_flight, plan->url_count, (double)plan->count * 1e6 / us,
        cpu / (double)plan->count, failed);
}
