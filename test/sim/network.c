/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network, as net/http_client.h promises it, and the endpoints behind it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "domain/delivery_id.h"
#include "sim/rules.h"
#include "sim/sim.h"

struct sim_endpoint {
    struct http_endpoint base; /* first: found again from it */
    struct hook_model *hook;
    unsigned version;
};

/* --- how an endpoint answers --- */

static int64_t
quickly(struct random *random)
{
    return random_between(random, US_PER_MS, 30 * US_PER_MS);
}

void
endpoint_init(struct endpoint *endpoint, enum nature nature, struct random *random,
    struct instant now)
{
    *endpoint = (struct endpoint){
        .nature = nature,
        .manner = MANNER_GOOD,
        .until = now,
        .born = now,
        .rate = (double)random_between(random, 1, 20),
        .quickest_us = random_between(random, 1, 20) * US_PER_MS,
    };
    endpoint->slowest_us = endpoint->quickest_us + random_between(random, 0, 80) * US_PER_MS;
}

static enum manner
bad_manner(struct random *random)
{
    static const enum manner bad[] = {MANNER_HANGS, MANNER_REFUSES, MANNER_BREAKS, MANNER_500,
        MANNER_503, MANNER_429, MANNER_NONSENSE};

    return bad[random_between(random, 0, (int64_t)COUNT_OF(bad) - 1)];
}

/* Good for hours, bad for minutes or hours; or, where it dies, good for a day and bad for days. */
static void
endpoint_turn(struct endpoint *endpoint, struct random *random, struct instant now)
{
    bool dies = endpoint->nature == NATURE_DEAD;
    bool was_good = endpoint->manner == MANNER_GOOD && endpoint->until.us != endpoint->born.us;
    int64_t hours = dies ? random_between(random, 12, 120) : random_between(random, 1, 12);
    int64_t us = hours * 3600 * US_PER_S;

    if (endpoint->until.us > now.us)
        return;
    endpoint->manner = was_good ? bad_manner(random) : MANNER_GOOD;
    if (!was_good)
        us = random_between(random, 1, 24) * 3600 * US_PER_S;
    else if (!dies && chance(random, 1, 2))
        us /= 60;
    endpoint->until = instant_add_us(now, us);
}

/* 429 where it comes too quickly. */
static bool
is_too_quick(struct endpoint *endpoint, struct instant now)
{
    int64_t slot_us = (int64_t)((double)US_PER_S / endpoint->rate);

    if (endpoint->taken.us > now.us + US_PER_S)
        return true;
    endpoint->taken.us = (endpoint->taken.us > now.us ? endpoint->taken.us : now.us) + slot_us;
    return false;
}

static enum manner
endpoint_manner(struct endpoint *endpoint, struct random *random, struct instant now)
{
    switch (endpoint->nature) {
    case NATURE_HEALTHY: return MANNER_GOOD;
    case NATURE_FLAPPING: return chance(random, 2, 5) ? bad_manner(random) : MANNER_GOOD;
    case NATURE_OUTAGES:
    case NATURE_DEAD: endpoint_turn(endpoint, random, now); return endpoint->manner;
    case NATURE_HANGING: return MANNER_HANGS;
    case NATURE_SLOWING: return MANNER_GOOD;
    case NATURE_LIMITED: return is_too_quick(endpoint, now) ? MANNER_429 : MANNER_GOOD;
    case NATURE_NONSENSE:
        return chance(random, 1, 2) ? (enum manner)random_between(random, 0, MANNERS_COUNT - 1)
                                    : MANNER_NONSENSE;
    case NATURE_GONE: return chance(random, 1, 60) ? MANNER_410 : MANNER_GOOD;
    case NATURES_COUNT: break;
    }
    UNREACHABLE;
}

static int
nonsense(struct random *random)
{
    static const int statuses[] = {301, 304, 307, 400, 401, 404, 418, 451, 502, 511, 599, 600, 999};

    return statuses[random_between(random, 0, (int64_t)COUNT_OF(statuses) - 1)];
}

static void
ask_for_rest(struct flight *flight, struct random *random)
{
    static const char *const texts[] = {"1", "30", "120", "3600", "7200", "90000", "0", "-1",
        "soon"};

    if (chance(random, 1, 2))
        return;
    (void)snprintf(flight->retry_after, sizeof(flight->retry_after), "%s",
        texts[random_between(random, 0, (int64_t)COUNT_OF(texts) - 1)]);
    flight->result.retry_after = str_from(flight->retry_after);
}

/* What it says, and after how long. */
static int64_t
endpoint_answer(struct flight *flight, enum manner manner, struct random *random)
{
    static const enum http_failure refusals[] = {HTTP_FAIL_DNS, HTTP_FAIL_CONNECT, HTTP_FAIL_TLS,
        HTTP_FAIL_DENIED};
    struct http_result *result = &flight->result;

    switch (manner) {
    case MANNER_GOOD: result->status = chance(random, 1, 8) ? 204 : 200; break;
    case MANNER_HANGS: result->failure = HTTP_FAIL_TIMEOUT; return INT64_MAX;
    case MANNER_REFUSES:
        result->failure = refusals[random_between(random, 0, (int64_t)COUNT_OF(refusals) - 1)];
        break;
    case MANNER_BREAKS:
        result->failure = chance(random, 1, 4) ? HTTP_FAIL_PROTOCOL : HTTP_FAIL_RESET;
        result->status = chance(random, 1, 3) ? 200 : 0;
        break;
    case MANNER_500: result->status = 500; break;
    case MANNER_503:
        result->status = 503;
        ask_for_rest(flight, random);
        break;
    case MANNER_429:
        result->status = 429;
        ask_for_rest(flight, random);
        break;
    case MANNER_410: result->status = 410; break;
    case MANNER_NONSENSE: result->status = nonsense(random); break;
    case MANNERS_COUNT: UNREACHABLE;
    }
    result->body = STR("as it says");
    return quickly(random);
}

static int64_t
endpoint_takes_us(const struct endpoint *endpoint, struct random *random, struct instant now)
{
    int64_t us = random_between(random, endpoint->quickest_us, endpoint->slowest_us);

    /* Twice as slow every half a day. */
    if (endpoint->nature == NATURE_SLOWING)
        for (int64_t age = (now.us - endpoint->born.us) / (US_PER_DAY / 2);
             age > 0 && us < INT32_MAX; age--)
            us *= 4;
    return us;
}

static void
flight_plan(struct flight *flight, struct sim *sim, struct endpoint *endpoint)
{
    struct instant now = sim_now(sim);
    enum manner manner = endpoint_manner(endpoint, &sim->moods, now);
    int64_t us;
    struct instant at;

    if (sim->is_settling)
        manner = MANNER_GOOD;
    us = endpoint_answer(flight, manner, &sim->moods);
    if (us != INT64_MAX && !sim->is_settling)
        us = endpoint_takes_us(endpoint, &sim->moods, now);
    at = instant_add_us(now, us);
    if (at.us >= flight->exchange->deadline.us) {
        at = flight->exchange->deadline;
        flight->result = (struct http_result){.failure = HTTP_FAIL_TIMEOUT, .detail = "answer"};
    }
    flight->result.latency_us = at.us - now.us;
    CHECK(heap_set(&sim->answers, &flight->due, at.us) == OK);
}

/* --- the client --- */

static enum err
sim_endpoint_new(struct http_client *client, const struct url *url, unsigned connections_max,
    struct http_endpoint **ret)
{
    struct sim *sim = ((struct network *)client)->sim;
    struct sim_endpoint *endpoint = calloc(1, sizeof(*endpoint));
    unsigned hook = 0;

    (void)connections_max;
    CHECK(endpoint != NULL);
    endpoint->base.client = client;
    /* https://hook.test/7/12: the hook, and the version of its settings. */
    for (size_t i = 1, part = 0; i < url->target.len; i++) {
        unsigned *number = part == 0 ? &hook : &endpoint->version;

        if (url->target.ptr[i] == '/')
            part++;
        else
            *number = *number * 10 + (unsigned)(url->target.ptr[i] - '0');
    }
    endpoint->hook = &sim->model.hooks[hook];
    *ret = &endpoint->base;
    return OK;
}

static void
sim_endpoint_free(struct http_endpoint *endpoint)
{
    free(endpoint);
}

static struct str
field_of(const struct http_exchange *exchange, const char *name)
{
    const char *head_end = exchange->head.ptr + exchange->head.len;
    const char *at = memmem(exchange->head.ptr, exchange->head.len, name, strlen(name));
    const char *end;

    CHECK(at != NULL);
    at += strlen(name);
    end = memmem(at, (size_t)(head_end - at), "\r\n", 2);
    CHECK(end != NULL);
    return (struct str){at, (size_t)(end - at)};
}

static struct sighting
sighting_of(const struct http_exchange *exchange)
{
    struct delivery_id id;
    int64_t attempt;
    int64_t sequence;

    CHECK(delivery_id_parse(field_of(exchange, "\r\nwebhook-id: "), &id) == OK);
    CHECK(str_to_int64(field_of(exchange, "\r\nx-usher-attempt: "), &attempt) == OK);
    CHECK(str_to_int64(field_of(exchange, "\r\nx-usher-sequence: "), &sequence) == OK);
    CHECK(sequence == id.sequence);
    return (struct sighting){
        .event = id.event,
        .hook = id.hook,
        .attendee = id.attendee,
        .sequence = sequence,
        .attempt = (unsigned)attempt,
    };
}

/* -1: nobody, for it is a notice. */
static int
person_of(const struct flight *flight)
{
    return flight->claim.told != NULL ? claim_cell(&flight->claim)->person : -1;
}

static void
sim_start(struct http_endpoint *base, struct http_exchange *exchange)
{
    struct sim_endpoint *endpoint = (struct sim_endpoint *)base;
    struct network *network = (struct network *)base->client;
    struct sim *sim = network->sim;
    struct sighting sighting = sighting_of(exchange);
    struct flight *flight = calloc(1, sizeof(*flight));

    CHECK(flight != NULL);
    link_init(&flight->link);
    heap_node_init(&flight->due);
    exchange->endpoint = base;
    exchange->connection = flight;
    flight->exchange = exchange;
    flight->network = network;
    flight->version = endpoint->version;
    flight->started = sim_now(sim);
    flight->hook = endpoint->hook;
    flight->sequence = sighting.sequence;
    if (id_is_zero(sighting.attendee))
        notice_start(&sim->model, flight->hook, sighting.sequence);
    else
        flight->claim = model_start(&sim->model, &sighting);
    list_append(&sim->flights, &flight->link);
    rules_start(sim, flight);
    flight_plan(flight, sim, &sim->endpoints[flight->hook->index]);
    sim_note(sim, (uint64_t)sighting.sequence ^ sighting.attempt);
    if (sim->is_verbose)
        sim_tell(sim, "start hook %d event %lld person %d attempt %u", flight->hook->index,
            (long long)sighting.sequence, person_of(flight), sighting.attempt);
}

static int64_t
asked_us(const struct flight *flight)
{
    int64_t us = 0;

    if (flight->result.retry_after.ptr == NULL)
        return 0;
    if (str_to_int64(flight->result.retry_after, &us) != OK || us < 0)
        return 0;
    us *= US_PER_S;
    return us < US_PER_DAY ? us : US_PER_DAY;
}

static enum answer
answer_of(const struct http_result *result)
{
    if (result->failure == HTTP_FAIL_CANCELLED)
        return ANSWER_BROKEN_OFF;
    if (result->failure != HTTP_OK)
        return ANSWER_BAD;
    if (result->status == 410)
        return ANSWER_GONE;
    return result->status >= 200 && result->status <= 299 ? ANSWER_GOOD : ANSWER_BAD;
}

/* The exchange is over; what it came to is told to the one who made it, and to the model. */
static void
flight_end(struct sim *sim, struct flight *flight)
{
    struct http_exchange *exchange = flight->exchange;
    struct hook_model *hook = flight->hook;
    struct verdict verdict = {
        .answer = answer_of(&flight->result),
        .asked_us = asked_us(flight),
        .loop = flight->network->loop,
        .counts = true,
    };

    link_remove(&flight->link);
    heap_remove(&sim->answers, &flight->due);
    rules_end(sim, flight);
    if (!sim->is_killing) {
        verdict.counts = rules_counts(sim, hook);
        verdict.disables = verdict.answer == ANSWER_GONE && rules_disables(sim, hook);
        if (flight->claim.told != NULL)
            model_end(&sim->model, &flight->claim, &verdict);
        else
            notice_end(&sim->model, hook, flight->sequence, &verdict);
        sim_note(sim, (uint64_t)flight->result.status << 8 | (uint64_t)flight->result.failure);
        if (sim->is_verbose)
            sim_tell(sim, "answer hook %d event %lld person %d: %s %d%s%s", hook->index,
                (long long)flight->sequence, person_of(flight),
                http_failure_name(flight->result.failure), flight->result.status,
                flight->retry_after[0] != '\0' ? " after " : "", flight->retry_after);
    }
    exchange->done(exchange, &flight->result);
    if (!sim->is_killing)
        rules_ended(sim, hook);
    free(flight);
}

static void
sim_cancel(struct http_exchange *exchange)
{
    struct flight *flight = exchange->connection;
    struct sim *sim = flight->network->sim;

    CHECK(flight->exchange == exchange);
    flight->result = (struct http_result){.failure = HTTP_FAIL_CANCELLED};
    flight_end(sim, flight);
}

static void
sim_client_free(struct http_client *client)
{
    (void)client;
}

static const struct http_client_ops sim_ops = {
    .endpoint_new = sim_endpoint_new,
    .endpoint_free = sim_endpoint_free,
    .start = sim_start,
    .cancel = sim_cancel,
    .free = sim_client_free,
};

void
network_init(struct network *network, struct sim *sim, unsigned loop)
{
    *network = (struct network){.base = {&sim_ops}, .sim = sim, .loop = loop};
}

struct instant
network_next(struct sim *sim)
{
    struct heap_node *first = heap_first(&sim->answers);

    return first != NULL ? (struct instant){first->key} : INSTANT_NEVER;
}

bool
network_is_ready(struct sim *sim, struct instant now)
{
    return network_next(sim).us <= now.us;
}

void
network_play(struct sim *sim)
{
    flight_end(sim, CONTAINER_OF(heap_first(&sim->answers), struct flight, due));
}
