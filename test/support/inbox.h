/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Items for tests of the inbox: what a call says stands in its body, and its version is a digest of
 * that.
 */
#ifndef TEST_SUPPORT_INBOX_H
#define TEST_SUPPORT_INBOX_H

#include <string.h>

#include "store/inbox.h"
#include "support/engine.h"

/* Texts are borrowed: literals. */
static inline struct inbox_arrival
test_arrival(int64_t source_pk, const char *object, const char *person, const char *body)
{
    struct inbox_arrival arrival = {
        .source_pk = source_pk,
        .identity = {STR("webinar.created.single"), str_from(object), str_from(person)},
        .policy = DUPLICATE_LATEST,
        .received = {1000},
        .headers = STR("content-type: application/json"),
        .body = str_from(body),
    };

    assert_int_equal(sha256(arrival.body, arrival.version), OK);
    return arrival;
}

static inline enum arrival
test_take(struct engine *engine, struct inbox_arrival *arrival)
{
    struct inbox_arrival *const arrivals[] = {arrival};
    struct error error = {0};

    if (inbox_take(engine, arrivals, 1, &error) != OK)
        fail_msg("%s", error.text);
    return arrival->arrival;
}

/* Take one in; its number. */
static inline int64_t
test_item(struct engine *engine, int64_t source_pk, const char *object, const char *person,
    const char *body)
{
    struct inbox_arrival arrival = test_arrival(source_pk, object, person, body);

    (void)test_take(engine, &arrival);
    return arrival.inbox_pk;
}

static inline int64_t
test_source(struct engine *engine, const char *name)
{
    struct error error = {0};
    int64_t pk = 0;

    if (source_register(engine, str_from(name), &pk, &error) != OK)
        fail_msg("%s", error.text);
    return pk;
}

static inline int64_t
test_count(struct engine *engine, const char *sql)
{
    struct error error = {0};
    int64_t n = -1;

    if (engine_get_int(engine, &n, &error, sql) != OK)
        fail_msg("%s: %s", error.text, sql);
    return n;
}

#endif
